"""Lemmas that are found: they parse, they prove what was to be proved, and where there are none that is said."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.core.bind import Instance, bind
from checker.language.load import load_model
from checker.language.parse import parse
from checker.language.syntax import PropertyDecl
from checker.lemmas.covers import Covers, Rows
from checker.lemmas.find import Finder, Found
from checker.library import read
from checker.proof import Settings, prove
from checker.proof_any import prove_any
from checker.source import Source
from checker.verdict import Verdict


def without_lemmas(spec: str) -> Source:
    """The text of a shipped spec without its lemmas."""
    source = read(spec)
    lines = source.text.split("\n")
    for d in parse(source).decls:
        if isinstance(d, PropertyDecl) and d.kind == "lemma":
            for n in range(d.span.line - 1, d.expr.span.end_line):
                lines[n] = ""
    assert lines != source.text.split("\n")
    return Source(source.name, "\n".join(lines))


def look(source: Source, instance: str | None, unbounded: bool, seconds: float = 100.0) -> tuple[Instance, Found]:
    bound = bind(load_model(source), instance)
    return bound, Finder(bound, Settings(deadlock=not unbounded), unbounded, seconds).run()


def pasted(source: Source, found: Found, instance: Instance) -> Instance:
    return bind(load_model(Source(source.name, "\n".join([source.text, *found.lemmas, ""]))), instance.name)


ANY = ["two_phase_commit", *(pytest.param(s, marks=pytest.mark.slow) for s in ("lock_server", "ring_election", "raft_election"))]


@pytest.mark.parametrize("spec", ANY)
def test_lemmas_for_any_size_are_found(spec: str) -> None:
    source = without_lemmas(spec)
    bound, found = look(source, None, True)
    assert found.proof is not None and found.lemmas, found.why
    assert prove_any(bound, Settings()).verdict is not Verdict.HOLDS
    assert prove_any(pasted(source, found, bound), Settings()).verdict is Verdict.HOLDS


TEXT = """
protocol tokens
sort Node
network set
message Token(node: Node)
var holder: Node? = none
var done: set[Node] = {}
action First(n: Node)
    require holder == none and done == {}
    holder := n
    done += {n}
    send Token(n)
action Hand(n: Node, m: Node)
    require holder == n and m not in done
    holder := m
    done += {m}
    send Token(m)
invariant HolderWasTold: forall n: Node. holder == n implies sent Token(n)
invariant ToldAreDone: forall n: Node. sent Token(n) implies not (n not in done and holder != none)
terminal: done == Node
instance three: Node = 3
"""


def test_lemmas_of_an_instance_are_found_and_can_be_pasted() -> None:
    source = Source("tokens.spec", TEXT)
    bound, found = look(source, None, False)
    assert found.proof is not None, found.why
    assert prove(pasted(source, found, bound), Settings()).verdict is Verdict.HOLDS


HANDLERS = """
protocol handlers
sort Node
network set
message Done(node: Node)
single process Log
    var told: set[Node] = {}
    on Done(n)
        told += {n}
single process Judge
    var ended: set[Node] = {}
    on Done(n)
        ended += {n}
process Node
    var over: bool = false
    action End
        over := true
        send Done(self)
invariant EndedAreOver: forall n: Node. n in ended implies over[n]
terminal: true
instance three: Node = 3
"""


@pytest.mark.parametrize("unbounded", [False, True])
def test_actions_of_the_same_name_are_told_apart(unbounded: bool) -> None:
    _, found = look(Source("handlers.spec", HANDLERS), None, unbounded)
    assert found.proof is not None, found.why


LOCK = """
protocol lock
sort Node
var under_way: set[(Node, Node)] = {}
var holders: set[Node] in {s for s in subsets(Node) if exists n: Node. s == {n}}
action Hand(a: Node, b: Node)
    require a in holders
    under_way += {(a, b)}
    holders -= {a}
action Take(a: Node, b: Node)
    require (a, b) in under_way
    under_way -= {(a, b)}
    holders += {b}
invariant Mutex: forall a, b in holders. a == b
instance three: Node = 3
"""

ANSWERS = """
protocol answers
sort Client, Request
var under_way: set[(Client, Request)] = {}
var asked: set[Client] = {}
var owed: set[Client] = {}
action Ask(c: Client, r: Request)
    under_way += {(c, r)}
action Read(c: Client, r: Request)
    require (c, r) in under_way
    owed += {c}
action Answer(c: Client)
    require c in owed
    asked += {c}
invariant Asked: forall c: Client. c in asked implies exists r: Request. (c, r) in under_way
terminal: true
instance two: Client = 2, Request = 1
"""


COPIES = """
protocol copies
sort Replica
param most: int
type Version = 0..most
network bag capacity 2
message Update(version: Version)
single process Primary
    var v: Version = 0
    action Write(r: Replica)
        require v < most
        v += 1
        send Update(v) to r
process Replica
    var have: Version = 0
    on Update(w)
        have := max(have, w)
invariant NotAhead: forall r: Replica. have[r] <= v
terminal: true
instance two: Replica = 2, most = 2
"""


@pytest.mark.parametrize("text", [LOCK, ANSWERS, COPIES], ids=["four names", "words of the spec", "bag"])
def test_lemmas_of_other_shapes_are_found(text: str) -> None:
    _, found = look(Source("shapes.spec", text), None, True)
    assert found.proof is not None, found.why


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "instance"), [("peterson", "two"), ("german", "two"), ("two_phase_commit", "seven")])
def test_lemmas_of_shipped_instances_are_found(spec: str, instance: str) -> None:
    source = read(spec) if spec == "peterson" else without_lemmas(spec)
    bound, found = look(source, instance, False)
    assert found.proof is not None, found.why
    assert prove(pasted(source, found, bound), Settings()).verdict is Verdict.HOLDS


ODD = """
protocol odd
var a: 0..6 = 0
action Up
    a := (a + 2) % 8
invariant Even: a != 3
instance one:
"""


def test_what_no_lemma_can_say_is_not_found() -> None:
    _, found = look(Source("odd.spec", ODD), None, False)
    assert found.proof is None and "no such lemma" in found.why
    assert found.tried.bad > 0 and found.tried.states == 4


def test_nothing_is_looked_for_where_what_is_to_be_proved_is_false() -> None:
    _, found = look(without_lemmas("two_phase_commit"), "hasty", True)
    assert found.proof is None and found.tried.bad == 0


def test_the_time_is_kept() -> None:
    _, found = look(without_lemmas("two_phase_commit"), None, True, 0.001)
    assert found.proof is None and found.why == "the time was over"


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    width, height = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    bits = draw(st.lists(st.booleans(), min_size=width * (height + 1), max_size=width * (height + 1)))
    rows = np.array(bits, dtype=np.bool_).reshape(height + 1, width)
    return rows[1:], rows[0]


@given(tables())
@settings(max_examples=200, deadline=None)
def test_covers_are_all_smallest_covers(table: tuple[np.ndarray, np.ndarray]) -> None:
    """All sets of columns of the least size in which the row differs from every other, and only such sets of up to three."""
    rows, bad = table

    def tells(columns: tuple[int, ...]) -> bool:
        return bool((rows[:, columns] != bad[list(columns)]).any(axis=1).all())

    every = [c for n in (1, 2, 3) for c in combinations(range(len(bad)), n) if tells(c)]
    found = {tuple(sorted(c)) for c in Covers(Rows(rows), bad, [1] * len(bad)).within(3, 3)}
    least = min(map(len, every), default=0)
    assert {c for c in every if len(c) == least} <= found <= set(every)
