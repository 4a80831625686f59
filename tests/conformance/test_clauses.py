"""Properties in clauses say what the definition says, however the states before were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checker import load
from checker.conformance.clauses import brief, clauses, common
from checker.conformance.properties import Properties
from checker.conformance.steps import Valuations
from checker.core.bind import Instance, bind
from checker.core.meaning import Fault, State, World, evaluate, initial_states
from checker.core.types import Id, Map

SPEC = """
protocol logs
sort Node
type Entry = 0..2
process Node
    var log: seq[Entry, 9] = []
    var done: 0..9 = 0
    var up: bool = false
    action Idle
        require up
{properties}
instance three: Node = 3
"""
EACH = "forall i in indices(log[a])."
PROPERTIES = {
    "agree": "invariant P: forall a, b: Node. EACH i < min(done[a], min(done[b], len(log[b]))) implies log[a][i] == log[b][i]",
    "bound": "invariant P: forall a: Node. EACH exists b: Node. i < done[b] and b != a or log[a][i] in {log[b][0], 1} or up[b]",
    "named": "invariant P: forall a: Node. EACH exists k in range(0, 3). k == log[a][i] and (k == 1 or i <= done[a] + 3)",
    "neighbours": "invariant P: forall a: Node. EACH i == 0 or log[a][i - 1] <= log[a][i]",
    "later": "invariant P: forall a: Node. EACH i + 1 < len(log[a]) implies log[a][i] <= log[a][i + 1]",
    "guarded": "invariant P: forall a, b: Node. up[a] == up[b] implies done[a] < 9 and (EACH i >= done[b] or log[a][i] > 0)",
    "whole": "invariant P: forall a: Node. EACH log[a][i] != len(log[a]) and (up[a] or i <= done[a])",
    "prefix": "invariant P: forall a, b: Node. up[a] and done[b] <= len(log[b]) implies done[b] <= len(log[a])"
    " and log[a][0:done[b]] == log[b][0:done[b]]",
    "begins": "invariant P: forall a, b: Node. done[a] < len(log[b]) implies log[a][0:min(len(log[a]), done[a])] == log[b]",
    "named_prefix": "def same(n: 0..9, a: Node, b: Node) = n <= len(log[a]) and n <= len(log[b]) and log[a][0:n] == log[b][0:n]\n"
    "invariant P: forall a, b: Node. up[a] implies same(min(done[a], done[b]), a, b)",
    "let": "def done_of(a: Node) = log[a][0:min(done[a], len(log[a]))]\n"
    "def grows(l: seq[Entry, 9], i: int) = i == 0 or l[i - 1] <= l[i]\n"
    "invariant P: forall a: Node, i in indices(done_of(a)). grows(done_of(a), i)",
    "counted": "invariant P: forall a: Node. EACH i < done[a] implies {b for b in Node if i < len(log[b])"
    " and log[b][i] == log[a][i]} != {a}",
    "kept": "step P: forall a: Node. up[a] implies log'[a][0:min(len(log[a]), len(log'[a]))] == log[a]",
    "moves": "step P_moves: forall a: Node. done'[a] != done[a] or up[a]",
    "step": "step P: forall a: Node. up[a] implies len(log[a]) <= len(log'[a]) and EACH log'[a][i] == log[a][i]",
}


@pytest.fixture(params=PROPERTIES)
def instance(request: Any, tmp_path: Path) -> Instance:
    file = tmp_path / "logs.spec"
    file.write_text(SPEC.format(properties=PROPERTIES[request.param].replace("EACH", EACH)))
    return bind(load(str(file)), "three")


def changes(state: State, rng: random.Random) -> Iterator[State]:
    """A long walk in which logs grow, shrink, and change."""
    for _ in range(1500):
        node = Id("Node", rng.randrange(3))
        log = state["log"][node]
        new = {
            "grow": (*log, rng.choice([0, 1, 1, 2]))[:9],
            "copy": state["log"][Id("Node", rng.randrange(3))],
            "shrink": log[: rng.randrange(len(log) + 1)],
            "change": tuple(rng.randrange(3) if rng.random() < 0.2 else x for x in log),
        }[rng.choice(["grow", "grow", "copy", "copy", "shrink", "change"])]
        state = {**state, "log": state["log"].set(node, new)}
        if rng.random() < 0.5:
            state = {**state, "done": state["done"].set(node, rng.randrange(10)), "up": state["up"].set(node, rng.random() < 0.5)}
        yield state


def test_they_say_what_the_definition_says(instance: Instance) -> None:
    (p,) = instance.properties
    properties = Properties(Valuations(instance), [])
    assert any(c.scan or c.prefix for c in properties.clauses) or "moves" in p.name
    before = next(initial_states(instance))
    seen = {True: 0, False: 0}
    assert isinstance(before["log"], Map)
    for after in changes(before, random.Random(1)):
        at, then = (before, after) if p.kind == "step" else (after, None)
        try:
            want = bool(evaluate(p.expr, {}, World(instance, at, then)))
        except Fault:
            want = True
        last = before if seen[True] % 3 or p.kind == "step" else None  # now and then as if nothing were known
        found = properties.breach(last, after)
        if want or last is None or p.kind == "step":
            assert (found is None) == want
        seen[want] += 1
        before = after
    assert seen[True] > 50 and seen[False] > 50


def test_an_invariant_with_a_sum_is_not_brief(tmp_path: Path) -> None:
    file = tmp_path / "logs.spec"
    file.write_text(SPEC.format(properties="invariant P: forall a: Node. sum(x for x in {i for i in indices(log[a])}) <= 50"))
    i = bind(load(str(file)), "three")
    assert not any(brief(c) for c in clauses(i, i.properties[0]))


@pytest.mark.parametrize(
    ("a", "b", "n"), [("", "", 0), ("ab", "ab", 2), ("ab", "abc", 2), ("xbc", "abc", 0), ("abcd", "abxd", 2)]
)
def test_common(a: str, b: str, n: int) -> None:
    assert common(tuple(a), tuple(b)) == common(tuple(b), tuple(a)) == n
