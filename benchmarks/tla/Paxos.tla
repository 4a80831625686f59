------------------------------- MODULE Paxos -------------------------------
(* Single-decree Paxos (Lamport, Paxos Made Simple, 2001) at the level of messages, which form a set that only grows. *)
EXTENDS Integers, FiniteSets, TLC

CONSTANTS Acceptor, Value, MaxBallot

Ballot == 0..MaxBallot
Quorum == {Q \in SUBSET Acceptor : 2 * Cardinality(Q) > Cardinality(Acceptor)}
None == CHOOSE v : v \notin Value

VARIABLES maxBal, maxVBal, maxVal, msgs
vars == <<maxBal, maxVBal, maxVal, msgs>>

Init == /\ maxBal = [a \in Acceptor |-> -1]
        /\ maxVBal = [a \in Acceptor |-> -1]
        /\ maxVal = [a \in Acceptor |-> None]
        /\ msgs = {}

Send(m) == msgs' = msgs \cup {m}

Phase1a(b) == /\ Send([type |-> "1a", bal |-> b])
              /\ UNCHANGED <<maxBal, maxVBal, maxVal>>

Phase1b(a) == \E m \in msgs :
                 /\ m.type = "1a"
                 /\ m.bal > maxBal[a]
                 /\ maxBal' = [maxBal EXCEPT ![a] = m.bal]
                 /\ Send([type |-> "1b", acc |-> a, bal |-> m.bal, mbal |-> maxVBal[a], mval |-> maxVal[a]])
                 /\ UNCHANGED <<maxVBal, maxVal>>

\* The quorum's 1b messages for ballot b show that v can be proposed there.
Proposable(b, v) ==
    \E Q \in Quorum :
        LET Q1b == {m \in msgs : m.type = "1b" /\ m.acc \in Q /\ m.bal = b}
            Q1bv == {m \in Q1b : m.mbal >= 0}
        IN /\ \A a \in Q : \E m \in Q1b : m.acc = a
           /\ \/ Q1bv = {}
              \/ \E m \in Q1bv : m.mval = v /\ \A n \in Q1bv : m.mbal >= n.mbal

\* "= TRUE" makes TLC evaluate Proposable instead of branching on it: otherwise it generates one successor for each quorum and
\* message that make it true, all of them the same state.
Phase2a(b, v) == /\ ~ \E m \in msgs : m.type = "2a" /\ m.bal = b
                 /\ Proposable(b, v) = TRUE
                 /\ Send([type |-> "2a", bal |-> b, val |-> v])
                 /\ UNCHANGED <<maxBal, maxVBal, maxVal>>

Phase2b(a) == \E m \in msgs :
                 /\ m.type = "2a"
                 /\ m.bal >= maxBal[a]
                 /\ maxBal' = [maxBal EXCEPT ![a] = m.bal]
                 /\ maxVBal' = [maxVBal EXCEPT ![a] = m.bal]
                 /\ maxVal' = [maxVal EXCEPT ![a] = m.val]
                 /\ Send([type |-> "2b", acc |-> a, bal |-> m.bal, val |-> m.val])

Next == \/ \E b \in Ballot : Phase1a(b)
        \/ \E b \in Ballot, v \in Value : Phase2a(b, v)
        \/ \E a \in Acceptor : Phase1b(a) \/ Phase2b(a)

Spec == Init /\ [][Next]_vars

Chosen(v) == \E b \in Ballot, Q \in Quorum : \A a \in Q : [type |-> "2b", acc |-> a, bal |-> b, val |-> v] \in msgs
Agreement == \A v, w \in Value : Chosen(v) /\ Chosen(w) => v = w

Symmetry == Permutations(Acceptor) \cup Permutations(Value) \* used where the configuration says so
=============================================================================
