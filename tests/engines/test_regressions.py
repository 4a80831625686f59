"""Small specs on which the engines once went wrong: each with the numbers that it must give, and on which both must agree."""

from __future__ import annotations

import pytest
from agreement import agree, instance_of

from checker.core.bind import BindError

# name: (spec, verdict, distinct states)
CASES: dict[str, tuple[str, str, int]] = {
    "sequences of small sets, of which the shorter ones have no place in the table of sets": (
        """# deadlock: off
type R = 0..2
process R
    var v: seq[set[0..3, 1], 2] in {([] if self != 0 else []), [{3}, {1}]}
    action Act
        v := []
instance main:
""",
        "holds",
        8,
    ),
    "an element that is there already, in a set too large for the target": (
        """# deadlock: off
type N = 0..40
var big: set[N, 3] = {0, 1, 2}
var small: set[N, 2] = {}
action Go(x: N)
    require x < 4
    small := big | {x}
instance main:
""",
        "spec_fault",
        1,
    ),
    "what a bag holds, asked of a few values": (
        """# deadlock: off
sort A
network bag capacity 2
message M(n: 0..1, a: A)
sort P
process P
    var got: set[A] = {}
    var told: bool = false
    on M(n, a)
        got += {a}
    action Tell(a: A, q: P)
        require not told
        told := true
        send M(1, a) to q
invariant Few: forall a: A, n: 0..1. sent M(n, a) implies n == 1 or (exists b: A. sent M(0, b))
reachable Both: forall a: A. sent M(1, a)
instance main: A = 2, P = 2
""",
        "holds",
        53,
    ),
    "what has no value for some of the values that are looked at together": (
        """# deadlock: off
sort A
record R(n: 0..2)
var o: map A -> R? = {a: none for a in A}
action Set(a: A, n: 0..2)
    o[a] := R(n)
action Drop(a: A)
    o[a] := none
invariant Small: forall a: A, i: 0..1. o[a] == none or the(o[a]).n < 3 - i or i == 1
reachable One: exists a: A. o[a] != none and the(o[a]).n + 1 == 2
instance main: A = 2
""",
        "holds",
        16,
    ),
    "a large property in pieces of which one looks at nothing": (
        """sort Node
quorum Some(q) of Node where len(q) >= 1
var v: Node in Node
var w: 0..1 = 0
action Act
    w := 1 - w
reachable Reach: (exists q: Some. forall a in q. q != {a, a}) or w == 1
instance main: Node = 2
""",
        "holds",
        4,
    ),
    "elements that only a table can number: sets with a capacity": (
        """# deadlock: off
sort Item
type Few = set[Item, 1]
var m: map Few -> bool = {k: false for k in Few}
action Flip(f: Few)
    require exists a: Item. forall x: Few. a in x or not (a in x)
    m[f] := not m[f]
instance main: Item = 2
""",
        "holds",
        8,
    ),
    "adding to a set with a capacity over a large domain": (
        """# deadlock: off
var s: set[0..100000, 2] = {}
action Add
    s := s | {3} if s == {} else {3, 7}
instance main: slow
""",
        "holds",
        3,
    ),
    "a bound that has no value somewhere": (
        """# deadlock: off
var x: 0..5 = 0
action Inc
    require x < 5
    x += 1
instance main:
    bound 10 // (3 - x) < 100
""",
        "spec_fault",
        4,
    ),
    "a terminal that has no value somewhere": (
        """# deadlock: on
var x: 0..5 = 0
action Inc
    require x < 5
    x += 1
terminal: 10 // (4 - x) > 0
instance main: slow
""",
        "spec_fault",
        5,
    ),
    "terminal where there is no action": ("# deadlock: on\nsort Node\nterminal: true\ninstance main: Node = 2\n", "holds", 1),
    "no action at all": ("# deadlock: off\nsort Node\ninstance main: Node = 2\n", "holds", 1),
    "no initial state within the bound": (
        "# deadlock: on\nsort Node\nvar n: 0..1 = 0\ninstance main: Node = 2\n    bound n == 1\n",
        "holds",
        0,
    ),
    "the parts of a chosen number have other ranges than the whole": (
        """# deadlock: on
var n: 0..1125899906842624 = 3
action Take
    require n == max(0, min(1125899906842624, 2))
    n := 0
instance main: slow
""",
        "deadlock",
        1,
    ),
    "a loop over an empty set whose elements have no type": (
        """# deadlock: off
var b: map bool -> bool = {k: k for k in bool}
action Nothing
    for e in {}
        b[e] := e
    b[true] := (forall x in {}. x) and not b[true]
action Never
    choose c in {}
    b[c] := c
instance main: slow
""",
        "holds",
        2,
    ),
    "none within a tuple, an empty set within a tuple": (
        """# deadlock: off
sort Node
var p: (0..2?, Node) in {(0, i) for i in Node}
var q: (set[-1..1, 2], Node) in {({0}, i) for i in Node}
action Clear
    p := (none, p[1])
    q := ({} if q != ({}, p[1]) else q[0], q[1])
instance main: Node = 2
""",
        "holds",
        8,
    ),
    "an empty bag in one branch": (
        """# deadlock: off
var b: bag[0..100000, 1] = {}
action Change
    b := {} if b != {} else add(b, 7)
instance main: slow
""",
        "holds",
        2,
    ),
    "initial values of a large type, made of an identity": (
        """# deadlock: off
sort Item
process Item
    var v: 0..100000? in {0, none if self != self else none}
instance main: Item = 1
""",
        "holds",
        2,
    ),
    "none in the body of a set": (
        """# deadlock: off
sort Node
var g: set[Node?] = {none for x in Node}
reachable Found: g subset {none for x in range(0, 2) if g != {}}
instance main: Node = 2
""",
        "holds",
        1,
    ),
    "a parameter of type int, an update with a number beyond those that were there": (
        """# deadlock: off
def up(x: int) = x + 1
def both(x: int, b: bool): (int, bool) = (x, b)
sort Node
var n: 0..3 = 0
var p: (0..9, bool) = (1, true)
var m: map Node -> 0..2 = {k: 0 for k in Node}
action Go(a: Node)
    require n < 3
    n := up(n)
    let z = {k: -1 for k in Node} with [a] = 2
    let q = (1, true) with [0] = 5
    m[a] := max(0, z[a])
    p := both(q[0] + n, z[a] == 2)
instance main: Node = 2
""",
        "holds",
        9,
    ),
    "a step property that faults": (
        """# deadlock: off
var n: 0..2? = 0
action Go
    n := none
step Grows: the(n') >= 0
instance main: slow
""",
        "spec_fault",
        2,
    ),
    "a fifo channel from a single process": (
        """# deadlock: off
network fifo capacity 1
message Ping(n: 0..1)
process Node
    var got: 0..1 = 0
    on Ping(n)
        got := n
single process Source
    var sent_one: bool = false
    action Go
        require not sent_one
        sent_one := true
        send Ping(1)
sort Node
instance main: Node = 2
""",
        "holds",
        5,
    ),
    "few enough for a set with a capacity, but not of its elements": (
        """protocol x
single process Server
    var v: set[1..4, 2] = {3}
    action Act
        v := {-2}
instance main:
    slow
""",
        "spec_fault",
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_engines_agree(name: str) -> None:
    text, verdict, states = CASES[name]
    seen = agree(text)
    assert (seen.result.verdict, seen.states) == (verdict, states)


REFUSED = {
    "has no initial value": "sort Node\nprocess Node\n    var v: 0..0 = 2\ninstance main: Node = 2\n",
    "is sent by": """network fifo capacity 1
message Ping
sort A, B
process A
    var a: bool = false
    on Ping
        a := true
    action Go
        send Ping
process B
    var b: bool = false
    action Come
        b := true
        send Ping
instance main: A = 1, B = 1
""",
}


@pytest.mark.parametrize("why", REFUSED)
def test_instances_that_cannot_be(why: str) -> None:
    with pytest.raises(BindError, match=why):
        instance_of(REFUSED[why])
