"""One dense spec for each corner of the language, on which both engines, symmetry and threads must agree.

Random models visit these corners seldom; each spec here is full of what its name says. What is expected is what the oracle finds.
"""

from __future__ import annotations

import pytest
from agreement import agree

SPECS = {
    "choices after assignments start from the same state": """# deadlock: off
sort P
var a: 0..3 = 0
var s: set[P] = {}
var last: P? = none
action Go(p: P)
    a := (a + 1) % 4
    s -= {p}
    choose q in P where q != p
    s += {q}
    choose n in range(0, a + 1) where n % 2 == a % 2
    a := n
    last := q if n > 0 else none
invariant Fine: last != none implies the(last) in s
instance main: P = 3
""",
    "sequences of identities": """# deadlock: off
sort P, V
var line: seq[P, 3] = []
var held: map P -> seq[V, 2] = {p: [] for p in P}
action Join(p: P)
    require not p in line and len(line) < 3
    line := line + [p]
action Leave
    require len(line) > 0
    line := line[1:len(line)]
action Swap
    require len(line) >= 2
    line := line with [0] = line[1], [1] = line[0]
action Take(p: P, v: V)
    require p in line and len(held[p]) < 2
    held[p] := held[p] + [v]
action Give
    require len(line) == 3
    held[line[0]] := held[line[2]]
    held[line[1]] := []
reachable Full: exists p: P. len(held[p]) == 2 and last(line) == p
instance main: P = 3, V = 2
    bound sum(len(held[p]) for p in P) <= 3
""",
    "numbers below zero": """# deadlock: off
type N = -5..4
var x: N = -1
var y: -3..-1 = -2
action Divide(by: -3..3)
    require by != 0
    x := x // by
action Rest(by: -3..3)
    require by != 0
    x := x % by
action Step(d: -2..2)
    require x * d - y in N
    x := x * d - y
    y := max(-3, min(-1, y - d))
invariant Order: x >= min(x, y) and -x <= max(-x, -y)
instance main: slow
""",
    "a number that may not fit": """# deadlock: off
type N = -3..3
var x: N = 0
var n: map N -> N = {k: 0 for k in N}
action Up(d: -2..2)
    n[x] := n[x] + d
    x := n[x] - d
instance main: slow
""",
    "messages of two sorts with options and records": """# deadlock: off
sort P, V
record Vote(round: 0..1, val: V?)
network set
message Ask(round: 0..1)
message Answer(vote: Vote?, seen: set[P])
process P
    durable mine: Vote? = none
    var heard: set[P] = {}
    action Propose(v: V)
        require mine == none
        mine := Vote(0, v)
        send Ask(1)
    on Ask(r) from q
        require not q in heard
        heard += {q}
        send Answer(mine with round = r if false else mine, heard) to q
    on Answer(vote, seen)
        require vote != none and self in seen
        mine := the(vote) with round = 1
    on restart
        heard := {self}
invariant OneRound: forall p: P. mine[p] != none implies the(mine[p]).val != none
reachable Copied: exists p, q: P. p != q and mine[p] != none and mine[p] == mine[q]
instance main: P = 2, V = 2, fault crash(P) <= 1
""".replace("mine with round = r if false else mine", "mine if r == 1 else none"),
    "a bag that loses and duplicates": """# deadlock: off
sort P
network bag capacity 3
message Token(holder: P, n: 0..1)
process P
    var count: 0..2 = 0
    action Send(to: P)
        require to != self and count < 2
        count += 1
        send Token(self, count % 2) to to
    on Token(h, n) from q
        require h == q
        count := n
reachable Two: exists p: P. count[p] == 2
instance main: P = 2, fault loss <= 1, fault duplication <= 1
    bound in_flight <= 2
""",
    "channels between two kinds of process": """# deadlock: on
sort Client, Server
network fifo capacity 2
type Key = 0..1
message Request(key: Key)
message Reply(key: 0..1, ok: bool)
process Client
    var asked: 0..2 = 0
    var got: seq[bool, 2] = []
    action Ask(s: Server, k: 0..1)
        require asked < 1
        asked += 1
        send Request(k) to s
    on Reply(k, ok) from s
        got := got + [ok]
process Server
    var taken: map Key -> Client? = {k: none for k in Key}
    on Request(k) from c
        let free = taken[k] == none
        if free
            taken[k] := c
        send Reply(k, free) to c
terminal: forall c: Client. len(got[c]) == asked[c] and in_flight == 0
invariant OnlyOne: forall s: Server, k: 0..1. taken[s][k] != none implies asked[the(taken[s][k])] > 0
instance main: Client = 2, Server = 2, fault loss(Reply) <= 1
""",
    "relations and sets of sets": """# deadlock: off
sort P
var edge: map P -> set[P] = {p: {} for p in P}
var groups: set[set[P]] = {}
var pair: (P, P)? = none
def reach(p: P) = edge[p] | {q for q in P if exists r in edge[p]. q in edge[r]}
action Link(p: P, q: P)
    require p != q
    edge[p] += {q}
action Close(p: P)
    require edge[p] != {}
    groups := groups | {reach(p) - {p}}
    edge := {q: edge[q] - {p} for q in P}
    pair := (p, p) if p in reach(p) else none
action Drop
    choose g in groups, h in subsets(g)
    groups := groups - {g} if len(h) == 0 else groups
invariant NoSelf: forall p: P. not p in edge[p]
reachable Cycle: exists p: P. p in reach(p)
instance main: P = 3
    bound len(groups) <= 1 and sum(len(edge[p]) for p in P) <= 3
""",
    "values of several words": """# deadlock: off
sort P
type Key = 0..40
record Cell(owner: P?, tags: set[Key])
var cells: map Key -> Cell = {k: Cell(none, {}) for k in Key}
var log: seq[Cell, 3] = []
var big: set[(Key, P)] = {}
action Own(p: P, k: Key)
    require k % 20 == 0 and cells[k].owner == none
    cells[k].owner := p
    cells[k].tags := {k, 40 - k}
    big += {(k, p)}
action Log(k: Key)
    require cells[k].owner != none and len(log) < 2
    log := [cells[k]] + log
    cells[k] := cells[0]
action Clear
    require log != []
    big := {x for x in big if x[0] != 20}
    log := log[0:len(log) - 1]
invariant Tagged: forall k: Key. cells[k].owner != none implies len(cells[k].tags) <= 2
reachable Logged: len(log) == 2
instance main: P = 2
    bound len(big) <= 2
""",
    "loops, defaults and orders": """# deadlock: off
enum Colour = red, green, blue
sort P
var best: (0..2, Colour)? = none
var votes: map P -> 0..2 = {p: 0 for p in P}
ghost total: 0..40 = 0
action Vote(p: P, c: Colour)
    require votes[p] < 2
    votes[p] += 1
    let mine = (votes[p], c)
    if best == none or the(best) < mine
        best := mine
    total += votes[p]
action Round
    require forall p: P. votes[p] > 0
    for p in {q for q in P if votes[q] == max(values(votes))}
        votes[p] := 0
        total -= 1
    best := none
step Grows: best' == none or best <= best'
invariant Most: total <= 8
instance main: P = 2
    bound total <= 6
""",
    "Byzantine processes on a set network": """# deadlock: off
sort P
network set
message Vote(yes: bool, about: P)
message Seen
process P
    var voted: bool = false
    var heard: map bool -> set[P] = {b: {} for b in bool}
    ghost fooled: bool = false
    action Say
        require not voted
        voted := true
        send Vote(true, self) to self
    on Vote(yes, about) from q
        heard[yes] += {q}
        fooled := fooled or (q in byzantine(P) and about == self)
        if not yes
            send Seen
    on Seen
        voted := true
def honest: set[P] = {p for p in P if not p in byzantine(P)}
invariant Untouched: forall p in byzantine(P). not voted[p] and heard[p][true] == {}
invariant Truthful: forall p in honest. heard[p][false] & honest == {}
reachable Fooled: exists p, q in honest. p != q and fooled[p] and fooled[q]
instance main: P = 3, fault byzantine(P) <= 1, fault crash(P) <= 1
""",
    "Byzantine processes that fill a set network": """# deadlock: off
sort P
network set
message Claim(who: set[P], n: 0..2) capacity 2
process P
    var top: 0..2 = 0
    action Start
        require top == 0
        top := 1
        send Claim({self}, 1)
    on Claim(who, n)
        require self in who
        top := max(top, n)
reachable Two: exists p: P. top[p] == 2 and byzantine(P) != {}
instance main: P = 2, fault byzantine(P) <= 1
""",
    "Byzantine processes of two kinds and a bag": """# deadlock: on
sort Client
type Server = 0..1
network bag capacity 2
message Request(key: Server)
message Reply(key: Server, ok: bool)
process Client
    var asked: bool = false
    var told: set[(Server, bool)] = {}
    action Ask(s: Server)
        require not asked
        asked := true
        send Request(s) to s
    on Reply(_, ok) from s
        told += {(s, ok)}
process Server
    var taken: Client? = none
    on Request(key) from c
        require key == self
        send Reply(key, taken == none) to c
        if taken == none
            taken := c
    on Request(key) from c
        require key != self
        taken := c
invariant Apart: forall c in byzantine(Client). told[c] == {}
invariant One: byzantine(Server) == {} implies
    not exists b, c: Client, s: Server. b != c and (s, true) in told[b] and (s, true) in told[c]
reachable Liar: exists c: Client. (0, true) in told[c] and (0, false) in told[c] and byzantine(Client) != {}
terminal: forall c: Client. asked[c] or c in byzantine(Client)
instance main: Client = 2, fault byzantine(Server) <= 1, fault byzantine(Client) <= 1, fault stop(Server) <= 1
""",
    "a single Byzantine process and channels": """# deadlock: off
sort Node
network fifo capacity 1
message Order(n: 0..2)
message Done
single process Chief
    var next: 0..2 = 0
    var done: 0..4 = 0
    action Command
        require next < 2
        next += 1
        send Order(next)
    on Done
        require done < 4
        done += 1
process Node
    var got: set[0..2] = {}
    on Order(n)
        require not n in got
        got += {n}
        send Done
invariant Loyal: not byzantine(Chief) implies forall n: Node. not 0 in got[n]
invariant Nothing: byzantine(Chief) implies next == 0
reachable Differ: exists a, b: Node. 0 in got[a] and got[b] == {2}
instance main: Node = 2, fault byzantine(Chief) <= 1
""",
}


@pytest.mark.parametrize("name", SPECS)
def test_engines_agree(name: str) -> None:
    seen = agree(SPECS[name])
    assert seen.states > 5
