"""What it means that the oracle and the native engine agree on a spec: `agree(text)` raises AssertionError where they do not.

The oracle (`meaning`) is the definition.  A space too large for it is explored to the depth that it manages, by both.
Renamings of identities are worked out here by brute force, independently of the native canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

from checker.core.bind import Instance, Transition, bind
from checker.core.meaning import Fault, Outcome, State, World, evaluate, initial_states, successors
from checker.core.types import Bag, Id, Map, Rec
from checker.engines.native.run import Exploration
from checker.engines.python.explore import Explorer, key
from checker.language import load_model
from checker.source import Source
from checker.verdict import Finding, Limits, Result, Trace, Verdict

MAX_STATES = 300
MOST_STEPS = 30_000  # of 800 random specs two take more (one of them millions, in its first level), the others up to 15,000


class TooLarge(Exception):
    """To finish its level, the oracle would take more than MOST_STEPS."""


class Oracle(Explorer):
    """The oracle, with an end to its patience; whoever is asked for a number in its place would be the one under test."""

    def _check_step(self, state: State, action: Transition, outcome: Outcome) -> None:
        if self.transitions > MOST_STEPS:
            raise TooLarge
        super()._check_step(state, action, outcome)


@dataclass
class Seen:
    """What a comparison went over."""

    result: Result
    states: int
    orbits: int | None


def instance_of(text: str) -> Instance:
    return bind(load_model(Source("random", text)))


def agree(text: str, max_states: int = MAX_STATES) -> Seen:
    """Holds every number, state, verdict and trace of the engines against each other; may raise TooLarge."""
    instance = instance_of(text)
    deadlock = "deadlock: off" not in text.split("\n")[0]
    oracle, result, limits = explored(instance, deadlock, max_states)
    compare_plain(instance, oracle, result, limits, deadlock)
    orbits = compare_symmetric(instance, oracle, result, limits, deadlock)
    return Seen(result, len(oracle.states), orbits)


def explored(instance: Instance, deadlock: bool, max_states: int) -> tuple[Explorer, Result, Limits]:
    """The oracle's exploration, to the end of a level, and the limits under which it is what there is."""
    oracle = Oracle(instance, Limits(max_states=max_states), deadlock)
    result = oracle.run()
    limits = Limits()
    if len(oracle.states) >= max_states:
        limits = Limits(max_depth=result.depth)
        oracle = Oracle(instance, limits, deadlock)
        result = oracle.run()
    return oracle, result, limits


# ── without symmetry ─────────────────────────────────────────────────────────────────────────────────────────────────


def compare_plain(instance: Instance, oracle: Explorer, expected: Result, limits: Limits, deadlock: bool) -> None:
    native = Exploration(instance, symmetry=False, deadlock=deadlock)
    try:
        found = native.run(limits)
        assert_equal(numbers(found), numbers(expected), "native and oracle")
        assert {key(s) for s in native.states()} == set(oracle.states)
        assert_same_end(instance, native, oracle, found, expected)
        native.search.close()  # type: ignore[union-attr]
        assert_equal(numbers(native.run(limits, threads=2)), numbers(expected), "with 2 threads")
    finally:
        native.close()


def assert_equal(found: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    wrong = {k: (found[k], expected[k]) for k in expected if found[k] != expected[k]}
    assert not wrong, f"{what}: {wrong}"


def numbers(r: Result) -> dict[str, Any]:
    """Everything of a result that is determined."""
    return {
        "verdict": r.verdict,
        "property": r.property,
        "states": r.distinct_states,
        "transitions": r.transitions,
        "cut": r.cut,
        "depth": r.depth,
        "fired": {a: n for a, n in r.fired.items() if n},
        "stopped by": r.stopped_by,
        "exhaustive": r.exhaustive,
        "witnesses": r.witnesses,
        "length": None if r.trace is None else len(r.trace),
    }


def assert_same_end(instance: Instance, native: Exploration, oracle: Explorer, found: Result, expected: Result) -> None:
    if found.trace is not None:
        assert_behaviour(instance, found.trace)
        assert_end(instance, oracle, found)
    for name, depth in found.witnesses.items():
        trace = native.witness(name)
        assert_behaviour(instance, trace)
        assert len(trace) == depth
        assert holds(instance, name, last(trace)), f"{name} is not true at the end of its witness"


def assert_behaviour(instance: Instance, trace: Trace) -> None:
    """Does the trace start where the instance starts, and is each step one of the definition?"""
    assert key(trace.initial) in {key(s) for s in initial_states(instance)}
    state = trace.initial
    for step in trace.steps:
        actions = [a for a in instance.actions if a.name == step.action]
        after = {key(o.state) for a in actions for o in successors(instance, a, state) if o.state is not None}
        assert key(step.state) in after, f"{step.action} does not lead there"
        state = step.state


def last(trace: Trace) -> dict[str, Any]:
    return trace.steps[-1].state if trace.steps else trace.initial


def holds(instance: Instance, name: str, state: dict[str, Any], after: dict[str, Any] | None = None) -> bool:
    expr = next(p.expr for p in instance.properties if p.name == name)
    return bool(evaluate(expr, {}, World(instance, state, after)))


def assert_end(instance: Instance, oracle: Explorer, found: Result) -> None:
    """Does the trace end in what the verdict says?"""
    trace = found.trace
    assert trace is not None
    end = last(trace)
    if found.verdict == Verdict.DEADLOCK:
        assert not any(True for a in instance.actions for _ in successors(instance, a, end))
    elif found.verdict == Verdict.SPEC_FAULT:
        said = found.message, found.place
        assert said in faults(oracle, len(trace)), f"{said} is none of {faults(oracle, len(trace))}"
    elif found.property in {p.name for p in instance.properties if p.kind == "step"}:
        before = trace.steps[-2].state if len(trace) > 1 else trace.initial
        assert not holds(instance, found.property, before, end)
    elif found.property:
        assert not holds(instance, found.property, end)


def faults(oracle: Explorer, steps: int) -> set[tuple[str, str | None]]:
    """The spec faults that the oracle found after so many steps."""
    return {(f.text, f.place) for f in oracle.findings if f.rank == Finding.RANKS["fault"] and f.steps == steps}


# ── with symmetry ────────────────────────────────────────────────────────────────────────────────────────────────────


def compare_symmetric(instance: Instance, oracle: Explorer, expected: Result, limits: Limits, deadlock: bool) -> int | None:
    if all(n == 1 for n in instance.sorts.values()):
        return None
    orbits = count_orbits(instance, oracle)
    native = Exploration(instance, symmetry=True, deadlock=deadlock)
    try:
        found = native.run(limits)
        assert found.distinct_states == orbits, f"{found.distinct_states} orbits, {orbits} by brute force"
        same = ("verdict", "property", "depth", "stopped by", "exhaustive", "witnesses", "length")
        assert_equal({k: numbers(found)[k] for k in same}, {k: numbers(expected)[k] for k in same}, "with symmetry")
        assert {key(s) for s in native.states()} <= set(oracle.states)
        assert_same_end(instance, native, oracle, found, expected)
        native.search.close()  # type: ignore[union-attr]
        assert_equal(numbers(native.run(limits, threads=2)), numbers(found), "with symmetry and 2 threads")
    finally:
        native.close()
    return orbits


def count_orbits(instance: Instance, oracle: Explorer) -> int:
    """How many states there are up to renaming; every renaming of a state must be one."""
    seen: set[Any] = set()
    orbits = 0
    for k, (_, _, state) in oracle.states.items():
        if k in seen:
            continue
        orbits += 1
        images = {key({v: renamed(x, how) for v, x in state.items()}) for how in renamings(instance.sorts)}
        assert images <= set(oracle.states), "a renamed state is not reachable"
        seen |= images
    return orbits


def renamings(sorts: dict[str, int]) -> Iterator[dict[Id, Id]]:
    """Every way to rename the identities of each sort."""
    for choice in product(*(permutations(range(n)) for n in sorts.values())):
        yield {Id(s, i): Id(s, j) for s, p in zip(sorts, choice, strict=True) for i, j in enumerate(p)}


def renamed(v: Any, how: dict[Id, Id]) -> Any:
    """A value with its identities renamed."""
    if isinstance(v, Id):
        return how[v]
    if isinstance(v, Rec):
        return Rec(v.name, tuple(renamed(x, how) for x in v.values))
    if isinstance(v, frozenset):
        return frozenset(renamed(x, how) for x in v)
    if isinstance(v, Map):
        return Map((renamed(k, how), renamed(x, how)) for k, x in v.items())
    if isinstance(v, Bag):
        return Bag({renamed(k, how): v[k] for k in v})
    if type(v) is tuple:
        return tuple(renamed(x, how) for x in v)
    return v


__all__ = ["Fault", "Seen", "TooLarge", "agree", "instance_of"]
