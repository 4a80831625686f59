--------------------------- MODULE TwoPhaseCommit ---------------------------
(* Two-phase commit as in Gray & Lamport, Consensus on Transaction Commit (2006): messages form a set that only grows. *)
EXTENDS TLC

CONSTANT RM

VARIABLES rmState, tmState, tmPrepared, msgs
vars == <<rmState, tmState, tmPrepared, msgs>>

Init == /\ rmState = [r \in RM |-> "working"]
        /\ tmState = "init"
        /\ tmPrepared = {}
        /\ msgs = {}

TMRcvPrepared(r) == /\ tmState = "init"
                    /\ [type |-> "Prepared", rm |-> r] \in msgs
                    /\ tmPrepared' = tmPrepared \cup {r}
                    /\ UNCHANGED <<rmState, tmState, msgs>>

TMCommit == /\ tmState = "init"
            /\ tmPrepared = RM
            /\ tmState' = "committed"
            /\ msgs' = msgs \cup {[type |-> "Commit"]}
            /\ UNCHANGED <<rmState, tmPrepared>>

TMAbort == /\ tmState = "init"
           /\ tmState' = "aborted"
           /\ msgs' = msgs \cup {[type |-> "Abort"]}
           /\ UNCHANGED <<rmState, tmPrepared>>

RMPrepare(r) == /\ rmState[r] = "working"
                /\ rmState' = [rmState EXCEPT ![r] = "prepared"]
                /\ msgs' = msgs \cup {[type |-> "Prepared", rm |-> r]}
                /\ UNCHANGED <<tmState, tmPrepared>>

RMChooseToAbort(r) == /\ rmState[r] = "working"
                      /\ rmState' = [rmState EXCEPT ![r] = "aborted"]
                      /\ UNCHANGED <<tmState, tmPrepared, msgs>>

RMRcvCommit(r) == /\ [type |-> "Commit"] \in msgs
                  /\ rmState' = [rmState EXCEPT ![r] = "committed"]
                  /\ UNCHANGED <<tmState, tmPrepared, msgs>>

RMRcvAbort(r) == /\ [type |-> "Abort"] \in msgs
                 /\ rmState' = [rmState EXCEPT ![r] = "aborted"]
                 /\ UNCHANGED <<tmState, tmPrepared, msgs>>

Next == \/ TMCommit
        \/ TMAbort
        \/ \E r \in RM : \/ TMRcvPrepared(r)
                         \/ RMPrepare(r)
                         \/ RMChooseToAbort(r)
                         \/ RMRcvCommit(r)
                         \/ RMRcvAbort(r)

Spec == Init /\ [][Next]_vars

Consistent == ~ \E r, s \in RM : rmState[r] = "aborted" /\ rmState[s] = "committed"

Symmetry == Permutations(RM) \* used where the configuration says so
=============================================================================
