"""Sequences, what is discarded, bags and channels in proofs for any size: what is false is refuted, what is true is proved, and
no query is proved that has a counterexample at a small size."""

from __future__ import annotations

from dataclasses import replace

import pytest

import checker
from checker.core.bind import Instance, bind
from checker.engines.smt import plan as p
from checker.engines.smt.induction import Induction
from checker.engines.smt.unbounded.induction import Unbounded, encode
from checker.language.load import load_model
from checker.proof import Proof, Settings
from checker.proof_any import prove_any
from checker.source import Source
from checker.verdict import Verdict


def model_of(text: str) -> Instance:
    text = "protocol t\nsort Node\n" + text.strip() + "\n"
    return bind(load_model(Source("t.spec", text if "\ninstance" in text else text + "instance one: Node = 2\n")))


def encoded(instance: Instance) -> Unbounded:
    switches = Proof(instance, Settings(), None, [], []).switches  # type: ignore[arg-type]
    return encode(instance.model, instance.model.instances[instance.name], switches)


def disagreements(instance: Instance) -> list[p.Query]:
    """What is proved for any size, without asking a small instance first, and refuted at a small one."""
    unbounded, finite = encoded(instance), Induction(instance, deadlock=False)
    names = [a.name for a in finite.instance.actions]
    asked = [*(unbounded.plan.implied(n, frozenset()) for n in unbounded.plan.invariants), *unbounded.plan.rest(frozenset())]
    wrong = []
    for q in asked:
        known = q.action is None or q.action < len(instance.model.actions)
        here = q if known else replace(q, action=names.index(unbounded.steps[q.action or 0].name))
        full = q.kind == p.FAULT and instance.model.limited  # that a network is full is not looked at
        if q.kind != p.POSSIBLE and not full and finite.ask(here).status == "refuted" and unbounded.ask(q, 1).status == "proved":
            wrong.append(q)
    return wrong


FALSE = {
    "for with a branch": """
var on: map Node -> bool in {{n: x for n in Node} for x in bool}
var acks: set[Node] = {}
var left: set[Node] = {}
action Split
    for n in Node
        if on[n]
            acks += {n}
        else
            left += {n}
action Flip
    for n in Node
        let old = on[n]
        on[n] := not old
invariant Apart: acks & left == {}
""",
    "for that takes away": """
var pairs: set[(Node, Node)] = {}
action Put(a: Node, b: Node)
    pairs += {(a, b)}
action Drop(a: Node)
    for b in Node
        if a != b
            pairs -= {(a, b)}
step Stays: forall a: Node. (a, a) in pairs implies exists b: Node. (a, b) in pairs'
step Gone: pairs == {} or pairs' != {} or pairs == pairs'
""",
    "round and round": """
param n: int
type Place = 0..n - 1
var at: Place = 0
action On
    at := (at + 1) % n
action Back
    at := (at - 1) % n
invariant Low: at <= 1
instance one: Node = 1, n = 3
""",
    "a set at the start": """
var s: set[Node] in subsets(Node)
action Add(n: Node)
    require s != {}
    s += {n}
invariant Some: s != {}
""",
    "chosen quorum": """
quorum Majority of Node
var voted: set[Node] = {}
var won: set[Node] = {}
action Vote(n: Node)
    voted += {n}
action Win(n: Node, q: Majority)
    require q subset voted
    won += {n}
invariant One: forall a, b in won. a == b
""",
    "full": """
var s: seq[Node, 3] = []
action Add(a: Node)
    s := s + [a]
invariant Fine: true
""",
    "full by two": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a, a]
invariant Fine: true
""",
    "last of nothing": """
var s: seq[Node, 3] = []
var x: Node? = none
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action See
    x := last(s)
invariant Fine: true
""",
    "distinct": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
invariant Wrong: forall i, j: 0..2. i < len(s) and j < len(s) and i != j implies s[i] != s[j]
""",
    "index": """
var s: seq[Node, 3] = []
var x: Node? = none
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action See(i: 0..3)
    require i <= len(s)
    x := s[i]
invariant Fine: true
""",
    "slice": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action Cut(i: 0..3)
    s := s[i:len(s)]
invariant Fine: true
""",
    "prefix": """
var s: seq[Node, 3] = []
var t: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action Copy(i: 0..3)
    require i <= len(s)
    t := s[0:i]
action Undo(i: 0..3)
    require i <= len(s)
    s := s[0:i]
invariant Wrong: len(t) <= len(s) and t == s[0:len(t)]
""",
    "set item": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action Put(i: 0..3, a: Node)
    require i <= len(s)
    s[i] := a
invariant Fine: true
""",
    "changed": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action Put(i: 0..3, a: Node)
    require i < len(s)
    s[i] := a
step Wrong: len(s) <= len(s') and s == s'[0:len(s)]
""",
    "elems": """
var s: seq[Node, 3] = []
var seen: set[Node] = {}
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
    seen := elems(s)
action Drop
    require len(s) > 0
    s := s[1:len(s)]
invariant Wrong: seen == elems(s)
""",
    "in messages": """
network set
message M(log: seq[Node, 2])
var s: seq[Node, 2] = []
action Add(a: Node)
    require len(s) < 2
    s := s + [a]
action Send
    send M(s)
invariant Wrong: forall t: seq[Node, 2]. sent M(t) implies t == s
""",
    "message item": """
network set
message M(log: seq[Node, 2])
var x: Node? = none
action Send(a: Node)
    send M([a])
action None
    send M([])
action Get(m: seq[Node, 2])
    require sent M(m)
    x := m[0]
invariant Fine: true
""",
    "range in": """
var s: seq[0..2, 3] = []
action Add(n: 0..2)
    require len(s) < 3
    s := s + [n]
action Up(i: 0..2)
    require i < len(s)
    s[i] := s[i] + 1
invariant Fine: true
""",
    "of maps": """
var s: map Node -> seq[Node, 2] = {a: [] for a in Node}
action Add(a: Node, b: Node)
    s[a] := s[a] + [b]
invariant Fine: true
""",
    "concat": """
var s: seq[Node, 4] = []
var t: seq[Node, 2] = []
action Add(a: Node)
    require len(t) < 2
    t := t + [a]
action Join
    require len(s) <= 2
    s := t + s
step Wrong: len(s') > len(s) implies s' == s + t
""",
    "last": """
var s: seq[Node, 3] = []
var x: Node? = none
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
    x := a
action Drop
    require len(s) > 0
    s := s[0:len(s) - 1]
invariant Wrong: len(s) > 0 implies x == last(s)
""",
    "equal": """
var s: seq[Node, 2] = []
var t: seq[Node, 2] = []
action A(a: Node)
    require len(s) < 2
    s := s + [a]
action B(a: Node)
    require len(t) < 2
    t := t + [a]
invariant Wrong: len(s) == len(t) implies s == t
""",
    "nested": """
var s: seq[seq[Node, 2], 2] = []
action New
    require len(s) < 2
    s := s + [[]]
action Add(i: 0..1, a: Node)
    require i < len(s)
    s[i] := s[i] + [a]
invariant Fine: true
""",
    "set of": """
var s: set[seq[Node, 2]] = {}
action Add(a: Node)
    s += {[a]}
action More(t: seq[Node, 2], a: Node)
    require t in s
    s += {t + [a]}
invariant Fine: true
""",
    "records": """
record E(term: 0..2, v: Node)
var s: seq[E, 3] = []
action Add(a: Node, t: 0..2)
    require len(s) < 3
    s := s + [E(t, a)]
invariant Wrong: forall i: 0..2. i + 1 < len(s) implies s[i].term <= s[i + 1].term
""",
    "options": """
var s: seq[Node?, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action Gap
    require len(s) < 3
    s := s + [none]
invariant Wrong: forall i: 0..2. i < len(s) implies s[i] != none
""",
    "loop": """
var s: map Node -> seq[Node, 2] = {a: [] for a in Node}
action All(b: Node)
    for a in Node
        s[a] := s[a] + [b]
invariant Fine: true
""",
    "chosen item": """
var s: seq[Node, 2] = []
var x: map Node -> Node? = {a: none for a in Node}
action Add(a: Node)
    require len(s) < 2 and not a in elems(s)
    s := s + [a]
action Take(a: Node)
    choose b in elems(s)
    x[a] := b
invariant Wrong: forall a, b: Node. x[a] != none and x[b] != none implies x[a] == x[b]
""",
    "discard: all": """
network set
message Ask(n: Node, round: 0..3)
process Node
    var seen: 0..3 = 0
    var got: bool = false
    action Say(r: 0..3)
        send Ask(self, r)
    action Next
        require seen < 3
        seen += 1
    on Ask(n, r)
        discard r < seen
        got := true
invariant Wrong: forall n: Node, r: 0..3, m: Node. sent Ask(n, r) implies seen[m] <= r
""",
    "discard: gone": """
network set
message Ask(n: Node, round: 0..3)
process Node
    var seen: 0..3 = 0
    var got: bool = false
    action Say(r: 0..3)
        send Ask(self, r)
    action Next
        require seen < 3
        seen += 1
    on Ask(n, r)
        discard r < seen
        got := true
step Wrong: forall n: Node, r: 0..3. sent Ask(n, r) implies forall m: Node. seen'[m] <= r or seen'[m] != seen[m]
""",
    "discard: stays": """
network set
message Ask(round: 0..3)
process Node
    var seen: 0..3 = 0
    action Say(r: 0..3, to: Node)
        send Ask(r) to to
    action Next
        require seen < 3
        seen += 1
    on Ask(r) from q
        discard r < seen
        seen := r
invariant Wrong: forall n: Node. not sent Ask(0)
""",
    "discard: others": """
network set
message Ask(round: 0..3)
process Node
    var seen: 0..3 = 0
    action Say(r: 0..3, to: Node)
        send Ask(r) to to
    action Next
        require seen < 3
        seen += 1
    on Ask(r) from q
        discard r < seen
        seen := r
invariant Wrong: forall r: 0..3, n: Node. sent Ask(r) implies seen[n] <= r
""",
    "discard: fault": """
network set
message Ask(n: Node)
process Node
    var last: Node? = none
    action Say
        send Ask(self)
    on Ask(n)
        discard the(last) == n
        last := n
invariant Fine: true
""",
    "discard: crash": """
network set
message Ask(round: 0..3)
process Node
    var seen: 0..3 = 0
    action Say(r: 0..3, to: Node)
        send Ask(r) to to
    action Next
        require seen < 3
        seen += 1
    on Ask(r) from q
        discard r < seen
        seen := r
invariant Wrong: forall n: Node. not sent Ask(2)
instance one: Node = 2, fault crash(Node) <= 1
""",
    "discard: two handlers": """
network set
message Ask(n: Node)
process Node
    var x: bool = false
    action Say
        send Ask(self)
    on Ask(n)
        discard x
        x := true
single process Other
    var y: bool = false
    on Ask(n)
        y := true
invariant Wrong: forall n: Node. sent Ask(n) implies exists m: Node. not x[m]
""",
}

TRUE = {
    "for with a branch": """
var on: map Node -> bool in {{n: x for n in Node} for x in bool}
var acks: set[Node] = {}
var left: set[Node] = {}
action Split
    for n in Node
        if on[n]
            acks += {n}
        else
            left += {n}
invariant Apart: acks & left == {}
lemma Acked: forall n: Node. (n in acks implies on[n]) and (n in left implies not on[n])
""",
    "round and round": """
param n: int
type Place = 0..n - 1
var at: Place = 0
var was: Place = 0
action On
    was := at
    at := (at + 1) % n
invariant Next: at == 0 or at == was + 1
instance one: Node = 1, n = 3
""",
    "a set at the start": """
var s: set[Node] in {x for x in subsets(Node) if exists n: Node. x == {n}}
action Move(n: Node)
    s := {n}
invariant One: forall a, b in s. a == b
invariant Some: s != {}
""",
    "what nothing writes": """
var boss: Node in Node
var may: set[Node] in {x for x in subsets(Node) if forall a, b in x. a == b}
var did: set[Node] = {}
action Act(n: Node)
    require n in may
    did += {n}
invariant One: forall a, b in did. a == b
lemma May: did subset may
""",
    "chosen quorum": """
quorum Majority of Node
var vote: map Node -> Node? = {n: none for n in Node}
var won: set[Node] = {}
action Vote(n: Node, m: Node)
    require vote[n] == none
    vote[n] := m
action Win(n: Node, q: Majority)
    require forall v in q. vote[v] == n
    won += {n}
invariant One: forall a, b in won. a == b
lemma Won: forall n in won. exists q: Majority. forall v in q. vote[v] == n
""",
    "append": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
step Right: len(s) <= len(s') and s == s'[0:len(s)]
invariant Fine: len(s) <= 3
""",
    "any cap": """
param cap: int
var s: seq[Node, cap] = []
action Add(a: Node)
    require len(s) < cap
    s := s + [a]
step Right: len(s) <= len(s') and s == s'[0:len(s)]
instance one: Node = 2, cap = 2
""",
    "distinct": """
var s: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3 and not a in elems(s)
    s := s + [a]
action Drop
    require len(s) > 0
    s := s[1:len(s)]
invariant Right: forall i, j: 0..2. i < len(s) and j < len(s) and i != j implies s[i] != s[j]
""",
    "prefix": """
var s: seq[Node, 3] = []
var t: seq[Node, 3] = []
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
action Copy(i: 0..3)
    require i <= len(s)
    t := s[0:i]
invariant Right: len(t) <= len(s) and t == s[0:len(t)]
""",
    "last": """
var s: seq[Node, 3] = []
var x: Node? = none
action Add(a: Node)
    require len(s) < 3
    s := s + [a]
    x := a
invariant Right: len(s) > 0 implies x == last(s)
""",
    "messages": """
network set
message M(log: seq[Node, 2])
var s: seq[Node, 2] = []
action Add(a: Node)
    require len(s) < 2
    s := s + [a]
action Send
    send M(s)
invariant Right: forall t: seq[Node, 2]. sent M(t) implies len(t) <= len(s) and t == s[0:len(t)]
""",
    "records": """
record E(term: 0..2, v: Node)
var s: seq[E, 3] = []
action Add(a: Node, t: 0..2)
    require len(s) < 3 and (len(s) == 0 or last(s).term <= t)
    s := s + [E(t, a)]
invariant Right: forall i, j: 0..2. i < j and j < len(s) implies s[i].term <= s[j].term
""",
    "maps": """
param cap: int
var s: map Node -> seq[Node, cap] = {a: [] for a in Node}
action Add(a: Node, b: Node)
    require len(s[a]) < cap
    s[a] := s[a] + [b]
action Copy(a: Node, b: Node)
    require len(s[a]) <= len(s[b]) and s[a] == s[b][0:len(s[a])]
    s[a] := s[b]
step Right: forall a: Node. len(s[a]) <= len(s'[a]) and s[a] == s'[a][0:len(s[a])]
instance one: Node = 2, cap = 2
""",
    "discard: useful": """
network set
message Ask(n: Node, round: 0..3)
process Node
    var seen: 0..3 = 0
    var got: bool = false
    action Say(r: 0..3)
        send Ask(self, r)
    action Next
        require seen < 3
        seen += 1
    on Ask(n, r)
        discard r < seen
        got := true
invariant Right: forall n: Node, r: 0..3. sent Ask(n, r) implies exists m: Node. seen[m] <= r
""",
    "discard: to": """
network set
message Ask(round: 0..3)
process Node
    var seen: 0..3 = 0
    action Say(r: 0..3, to: Node)
        send Ask(r) to to
    action Next
        require seen < 3
        seen += 1
    on Ask(r)
        discard r < seen
        seen := r
invariant Right: forall r: 0..3. sent Ask(r) implies exists n: Node. seen[n] <= r
""",
}


# `sent` of what has been received, who receives, how often, who sends, what is lost
FALSE_OF_NETWORKS = {
    "still there": """
network NET
message Ask(n: Node)
process Node
    var got: set[Node] = {}
    var said: bool = false
    action Say
        require not said
        said := true
        send Ask(self)
    on Ask(n)
        got += {n}
invariant Wrong: forall a, b: Node. b in got[a] implies sent Ask(b)
""",
    "to all": """
network NET
message Ask(n: Node)
process Node
    var got: set[Node] = {}
    var said: bool = false
    action Say
        require not said
        said := true
        send Ask(self)
    on Ask(n)
        got += {n}
invariant Wrong: forall a, b: Node. b in got[a] implies a == b
""",
    "twice": """
network NET
message Ask(n: Node)
process Node
    var got: 0..1 = 0
    var said: 0..2 = 0
    action Say(to: Node)
        require said < 2
        said += 1
        send Ask(self) to to
    on Ask(n)
        got += 1
invariant Fine: true
""",
    "sender": """
network NET
message Ask(x: bool)
process Node
    var from_: Node? = none
    var said: bool = false
    action Say(to: Node)
        require not said
        said := true
        send Ask(true) to to
    on Ask(x) from q
        from_ := q
invariant Wrong: forall a, b: Node. from_[a] == b implies not said[a]
""",
    "lost": """
network NET
message Ask(n: Node)
process Node
    var said: bool = false
    var got: bool = false
    action Say(to: Node)
        require not said
        said := true
        send Ask(self) to to
    on Ask(n)
        got := true
invariant Wrong: forall a: Node. said[a] implies sent Ask(a) or exists b: Node. got[b]
instance one: Node = 2, fault loss <= 1
""",
    "single": """
network NET
message Ask(n: Node)
message Yes(n: Node)
single process Server
    var holder: Node? = none
    on Ask(n)
        holder := n
        send Yes(n) to n
process Node
    var has: bool = false
    var asked: bool = false
    action Want
        require not asked
        asked := true
        send Ask(self)
    on Yes(n)
        has := true
invariant Wrong: forall a: Node. has[a] implies holder == a
""",
}

TRUE_OF_NETWORKS = {
    "asked": """
network NET
message Ask(n: Node)
process Node
    var got: set[Node] = {}
    var said: bool = false
    action Say
        require not said
        said := true
        send Ask(self)
    on Ask(n)
        got += {n}
invariant Right: forall a, b: Node. b in got[a] implies said[b]
lemma Sent: forall b: Node. sent Ask(b) implies said[b]
""",
    "faults": """
network NET
message Ask(n: Node)
process Node
    var got: set[Node] = {}
    var said: bool = false
    action Say
        require not said
        said := true
        send Ask(self)
    on Ask(n)
        got += {n}
invariant Right: forall a, b: Node. b in got[a] implies said[b]
lemma Sent: forall b: Node. sent Ask(b) implies said[b]
instance one: Node = 2, fault loss <= 1, fault duplication(Ask) <= 2
""",
    "from": """
network NET
message Ask(x: bool)
process Node
    var from_: Node? = none
    var said: bool = false
    action Say(to: Node)
        require not said
        said := true
        send Ask(true) to to
    on Ask(x) from q
        from_ := q
invariant Right: forall a, b: Node. from_[a] == b implies said[b]
lemma Sent: forall b: Node. (exists x: bool. sent Ask(x) from b) implies said[b]
""",
}

NETWORKS = ("bag capacity 3", "fifo capacity 3")


def over(texts: dict[str, str]) -> dict[str, str]:
    """Each over a bag and over channels."""
    return {f"{n.split()[0]}: {k}": t.replace("NET", n) for k, t in texts.items() for n in NETWORKS}


WRONG = FALSE | over(FALSE_OF_NETWORKS)
RIGHT = TRUE | over(TRUE_OF_NETWORKS)


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_what_is_false_is_refuted(case: str) -> None:
    found = prove_any(model_of(WRONG[case]), Settings(timeout=60, jobs=1))
    assert found.verdict in (Verdict.VIOLATED, Verdict.SPEC_FAULT)


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_true_is_proved(case: str) -> None:
    found = prove_any(model_of(RIGHT[case]), Settings(timeout=60, jobs=1))
    assert (found.verdict, found.impossible) == (Verdict.HOLDS, [])


@pytest.mark.parametrize("case", [*FALSE, *(pytest.param(c, marks=pytest.mark.slow) for c in WRONG | RIGHT if c not in FALSE)])
def test_nothing_is_proved_that_has_a_counterexample(case: str) -> None:
    assert disagreements(model_of((WRONG | RIGHT)[case])) == []


def test_a_register_of_any_length_is_proved() -> None:
    found = prove_any(checker.bind("append_register"), Settings(timeout=60))
    assert (found.verdict, found.impossible) == (Verdict.HOLDS, [])
    forgetful = prove_any(checker.bind("append_register", "forgets"), Settings(timeout=60))
    assert forgetful.verdict is Verdict.VIOLATED


def test_what_is_not_looked_at_is_said() -> None:
    said = encoded(model_of(RIGHT["bag: faults"])).scope()
    assert {"any number of messages lost", "any number of messages doubled"} < set(said)
    assert "whatever the order of messages in the network, and however often each is there" in said
