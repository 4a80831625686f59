-------------------- MODULE two_phase_commit --------------------
\* two_phase_commit, instance three: written by spectrace
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS none, RM_1, RM_2, RM_3
RM == {RM_1, RM_2, RM_3}
VARIABLES tm, ready, rm_state, sent_Prepared, sent_Commit, sent_Abort, fault
vars == <<tm, ready, rm_state, sent_Prepared, sent_Commit, sent_Abort, fault>>

FloorDiv(a__, b__) == IF b__ > 0 THEN a__ \div b__ ELSE (-a__) \div (-b__)
FloorMod(a__, b__) == a__ - b__ * FloorDiv(a__, b__)
Max(S__) == CHOOSE x__ \in S__ : \A y__ \in S__ : y__ <= x__
Min(S__) == CHOOSE x__ \in S__ : \A y__ \in S__ : x__ <= y__
Larger(a__, b__) == IF a__ < b__ THEN b__ ELSE a__
Smaller(a__, b__) == IF b__ < a__ THEN b__ ELSE a__
RECURSIVE SumOver(_, _)
SumOver(f__, S__) == IF S__ = {} THEN 0 ELSE LET x__ == CHOOSE x__ \in S__ : TRUE IN f__[x__] + SumOver(f__, S__ \ {x__})
BagCount(b__, x__) == IF x__ \in DOMAIN b__ THEN b__[x__] ELSE 0
BagAdd(b__, x__) == IF x__ \in DOMAIN b__ THEN [b__ EXCEPT ![x__] = @ + 1] ELSE b__ @@ (x__ :> 1)
BagRemove(b__, x__) == IF b__[x__] > 1 THEN [b__ EXCEPT ![x__] = @ - 1] ELSE [y__ \in DOMAIN b__ \ {x__} |-> b__[y__]]
BagSize(b__) == SumOver(b__, DOMAIN b__)
Elems(s__) == {s__[i__] : i__ \in DOMAIN s__}

Init ==
    /\ \E tm_1 \in {"init"} :
          /\ \E ready_1 \in {{}} :
                /\ \E rm_state_2 \in {(RM_1 :> "working")} :
                      /\ \E rm_state_4 \in {rm_state_2 @@ (RM_2 :> "working")} :
                            /\ \E rm_state_6 \in {rm_state_4 @@ (RM_3 :> "working")} :
                                  /\ \E sent_Prepared_1 \in {{}} :
                                        /\ \E sent_Commit_1 \in {{}} :
                                              /\ \E sent_Abort_1 \in {{}} :
                                                    /\ tm = tm_1
                                                    /\ ready = ready_1
                                                    /\ rm_state = rm_state_6
                                                    /\ sent_Prepared = sent_Prepared_1
                                                    /\ sent_Commit = sent_Commit_1
                                                    /\ sent_Abort = sent_Abort_1
                                                    /\ fault = FALSE

TM_on_Prepared ==
    /\ \E message \in sent_Prepared :
          /\ \E rm \in {message[2].rm} :
                /\ (tm = "init")
                /\ ready' = (ready \cup {rm})
                /\ UNCHANGED <<tm, rm_state, sent_Prepared, sent_Commit, sent_Abort, fault>>

TM_DecideCommit ==
    /\ ((tm = "init") /\ (ready = RM))
    /\ tm' = "done_commit"
    /\ sent_Commit' = (sent_Commit \cup {<<"Commit">>})
    /\ UNCHANGED <<ready, rm_state, sent_Prepared, sent_Abort, fault>>

TM_DecideAbort ==
    /\ (tm = "init")
    /\ tm' = "done_abort"
    /\ sent_Abort' = (sent_Abort \cup {<<"Abort">>})
    /\ UNCHANGED <<ready, rm_state, sent_Prepared, sent_Commit, fault>>

RM_Prepare(self) ==
    /\ (rm_state[self] = "working")
    /\ rm_state' = [rm_state EXCEPT ![self] = "prepared"]
    /\ sent_Prepared' = (sent_Prepared \cup {<<"Prepared", [rm |-> self]>>})
    /\ UNCHANGED <<tm, ready, sent_Commit, sent_Abort, fault>>

RM_ChooseToAbort(self) ==
    /\ (rm_state[self] = "working")
    /\ rm_state' = [rm_state EXCEPT ![self] = "aborted"]
    /\ UNCHANGED <<tm, ready, sent_Prepared, sent_Commit, sent_Abort, fault>>

RM_on_Commit ==
    /\ \E message_2 \in sent_Commit :
          /\ \E self \in RM :
                /\ rm_state' = [rm_state EXCEPT ![self] = "committed"]
                /\ UNCHANGED <<tm, ready, sent_Prepared, sent_Commit, sent_Abort, fault>>

RM_on_Abort ==
    /\ \E message_3 \in sent_Abort :
          /\ \E self \in RM :
                /\ rm_state' = [rm_state EXCEPT ![self] = "aborted"]
                /\ UNCHANGED <<tm, ready, sent_Prepared, sent_Commit, sent_Abort, fault>>

Terminal == (\A r_5 \in RM : (rm_state[r_5] \in {"aborted", "committed"}))
Next ==
    /\ fault = FALSE
    /\ \/ TM_on_Prepared
       \/ TM_DecideCommit
       \/ TM_DecideAbort
       \/ \E self \in RM : RM_Prepare(self)
       \/ \E self \in RM : RM_ChooseToAbort(self)
       \/ RM_on_Commit
       \/ RM_on_Abort
       \/ Terminal /\ UNCHANGED vars

Spec == Init /\ [][Next]_vars
NoFault == fault = FALSE
Consistent == (~ (\E a \in RM : (\E b \in RM : ((rm_state[a] = "aborted") /\ (rm_state[b] = "committed")))))
Stable == [][(\A r \in RM : ((rm_state[r] \in {"aborted", "committed"}) => (rm_state'[r] = rm_state[r])))]_vars
DecisionIsSent == (((tm = "done_commit") = (<<"Commit">> \in sent_Commit)) /\ ((tm = "done_abort") = (<<"Abort">> \in sent_Abort)))
ReadyIsPrepared == (\A r_2 \in ready : (<<"Prepared", [rm |-> r_2]>> \in sent_Prepared))
CommitNeedsAll == ((tm = "done_commit") => (ready = RM))
CommittedIsTold == (\A r_3 \in RM : ((rm_state[r_3] = "committed") => (<<"Commit">> \in sent_Commit)))
PreparedWaits == (\A r_4 \in RM : ((<<"Prepared", [rm |-> r_4]>> \in sent_Prepared) => ((rm_state[r_4] # "working") /\ ((rm_state[r_4] # "aborted") \/ (<<"Abort">> \in sent_Abort)))))
Symmetry == Permutations(RM)
============================================================
