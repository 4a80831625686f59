"""The quantifier graph: which edges a spec makes, which cycles, and where they come from."""

from __future__ import annotations

import pytest
from agreement import instance_of

import checker
from checker.core.bind import Instance
from checker.engines.smt.unbounded.epr import cycles
from checker.epr_report import Epr, epr
from checker.proof import Settings
from checker.proof_any import prepare


def graph(instance: Instance) -> Epr:
    return epr(instance, prepare(instance, Settings())[1])


def pairs(found: Epr) -> set[tuple[str, str]]:
    return {(e.source, e.target) for e in found.edges}


HEAD = "protocol x\nsort A, B\nvar r: set[A] = {}\nvar s: set[B] = {}\naction Go(a: A)\n    r += {a}\n"
TAIL = "\ninstance one: A = 2, B = 2\n"


CASES = {
    "forall a: A. exists b: B. a in r implies b in s": {("A", "B")},
    "forall a: A. a in r implies exists b: B. b in s": set(),  # the B does not depend on the A
    "forall a: A. exists c: A. a in r implies c != a": {("A", "A")},
    "exists b: B. forall a: A. a in r implies b in s": set(),
    "forall a: A, b: B. a in r implies b in s": set(),
}


@pytest.mark.parametrize("text", CASES)
def test_edges_of_a_property(text: str) -> None:
    mine = {(e.source, e.target) for e in graph(instance_of(f"{HEAD}lemma L: {text}{TAIL}")).edges if e.why == "lemma L"}
    assert mine == CASES[text]


def test_a_map_makes_an_edge_and_back_a_cycle() -> None:
    text = "protocol x\nsort A, B\nvar m: map A -> B? = {a: none for a in A}\nvar n: map B -> A? = {b: none for b in B}\n"
    found = graph(instance_of(text + "action Go(a: A, b: B)\n    m[a] := b\n    n[b] := a" + TAIL))
    assert pairs(found) == {("A", "B"), ("B", "A")}
    assert cycles(found.edges) == [["A", "B", "A"]]
    said = "\n".join(map(str, found.lines(0.0)))
    assert "`m` has a value for every key (random:3)" in said and "to break it here: compare the value" in said


def test_shipped_specs() -> None:
    assert cycles(graph(checker.bind("two_phase_commit")).edges) == []
    paxos = graph(checker.bind("lamport_paxos"))
    assert ["Ballot", "quorum Majority", "Acceptor", "Ballot"] in cycles(paxos.edges)
    assert ("quorum Majority", "Acceptor") in pairs(paxos)
    assert graph(checker.bind("lock_server")).arithmetic
