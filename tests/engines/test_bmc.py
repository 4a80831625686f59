"""Bounded model checking against the oracle: the same verdict, property and length, at every depth, on random specs."""

from __future__ import annotations

import pytest
from agreement import assert_behaviour, faults, holds, instance_of, last
from hypothesis import HealthCheck, Phase, event, given, reject, seed, settings
from models import specs

import checker
from checker.core.bind import BindError, Instance
from checker.core.types import Id
from checker.engines.python.explore import Explorer
from checker.engines.smt.bmc import check
from checker.engines.smt.order import demand
from checker.engines.smt.terms import TooLarge
from checker.verdict import Limits, Result, Verdict

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
DEPTH = 3
MAX_STATES = 400  # of the oracle, within that depth


def compare(text: str) -> None:
    try:
        instance = instance_of(text)
    except BindError:
        reject()
    deadlock = "deadlock: off" not in text.split("\n")[0]
    oracle = Explorer(instance, Limits(max_depth=DEPTH + 1, max_states=MAX_STATES), deadlock)
    expected = oracle.run()
    if len(oracle.states) >= MAX_STATES:  # its last level is not finished
        reject()
    try:
        found = check(instance, DEPTH, deadlock)
        agree(instance, oracle, expected, found)
    except TooLarge:
        event("too large")
        return
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure
    event(f"verdict {found.verdict}")


def agree(instance: Instance, oracle: Explorer, expected: Result, found: Result) -> None:
    within = expected.trace is not None and len(expected.trace) <= DEPTH
    if not within:
        assert found.trace is None, f"{found.verdict} {found.property or found.message}, {expected.verdict} expected"
        assert {n: d for n, d in expected.witnesses.items() if d <= found.depth} == found.witnesses
        if found.exhaustive:
            assert (expected.verdict, expected.property) == (found.verdict, found.property)
        else:
            assert (found.verdict, found.depth) == (Verdict.UNKNOWN, DEPTH)
        return
    assert found.trace is not None, f"{expected.verdict} {expected.property or expected.message} was not found"
    assert (found.verdict, found.property, len(found.trace)) == (expected.verdict, expected.property, len(expected.trace or ()))
    assert_behaviour(instance, found.trace)
    if found.verdict == Verdict.SPEC_FAULT:
        assert (found.message, found.place) in faults(oracle, len(found.trace))


@settings(COMMON, max_examples=40, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(2))
def test_many_random_specs(chunk: int) -> None:
    @seed(chunk)
    @settings(COMMON, max_examples=50, phases=[Phase.generate])
    @given(specs())
    def run(text: str) -> None:
        compare(text)

    run()


SHIPPED = [
    ("two_phase_commit", "hasty"),
    ("two_phase_commit", "blocking"),
    ("lamport_paxos", "any_value"),
    ("chang_roberts", "anonymous"),
    ("lease_lock", "forgotten_token"),
]


@pytest.mark.parametrize(("spec", "name"), SHIPPED)
def test_what_check_finds(spec: str, name: str) -> None:
    instance = checker.bind(spec, name)
    explored, found = checker.explore(instance), check(instance, 20)
    assert found.trace is not None and explored.trace is not None
    assert (found.verdict, found.property, len(found.trace)) == (explored.verdict, explored.property, len(explored.trace))


def test_all_behaviours_without_idle_steps() -> None:
    """Two-phase commit ends: its longest behaviour has ten steps that change something."""
    instance = checker.bind("two_phase_commit", "three")
    assert (check(instance, 10).verdict, check(instance, 10).stopped_by) == (Verdict.UNKNOWN, "depth")
    found = check(instance, 11)
    assert (found.verdict, found.exhaustive, found.witnesses) == (Verdict.HOLDS, True, {"Committed": 10})


def test_a_witness_is_a_behaviour_to_it() -> None:
    instance = checker.bind("lamport_paxos", "small")
    found = check(instance, 6)
    assert holds(instance, "SomethingChosen", last(found.witness_traces["SomethingChosen"]))
    assert len(found.witness_traces["SomethingChosen"]) == 6


def test_a_time_limit_ends_in_unknown() -> None:
    found = check(checker.bind("lamport_paxos", "small"), 50, time_limit=0.01)
    assert (found.verdict, found.stopped_by) == (Verdict.UNKNOWN, "time")


IDENTITIES = [
    """protocol t
sort Node, Value
record Pair(left: Node, right: Node)
message Told(pair: Pair, value: Value?)
network set
var leader: Node in Node
var last: seq[Node, 3] = []
action Tell(v: Value, a: Node, b: Node)
    require a != b and a != leader and not exists x: Node. (sent Told(Pair(x, a), _))
    send Told(Pair(a, b), v)
    last := last + [b] if len(last) < 3 else last
action Hear(w: Value)
    choose p in {Pair(x, leader) for x in Node if sent Told(Pair(x, leader), w)}
    require len(last) == 3
    last := [p.right, p.left]
invariant Few:
    not (len(last) == 2 and last[0] == leader and exists n: Node. n != leader and n != last[1] and sent Told(Pair(n, last[1]), _))
instance one: Node = 3, Value = 2
""",
    """protocol t
sort Node
var in_turn: set[Node] = {}
var order: seq[Node, 3] = []
action Enter(pair: set[Node])
    require len(pair) == 2
    in_turn := in_turn + pair
action Leave
    choose n in in_turn
    require len(order) < 3
    order := order + [n]
    in_turn := in_turn - {n}
invariant Distinct: not (len(order) == 3 and order[0] == order[2] and order[1] != order[0])
instance one: Node = 3
""",
]


@pytest.mark.parametrize("text", IDENTITIES)
def test_identities_that_come_in_their_order_are_enough(text: str) -> None:
    instance = instance_of(text)
    explored, found = checker.explore(instance), check(instance, 8)
    assert explored.trace is not None and found.trace is not None
    assert (found.verdict, found.property, len(found.trace)) == (explored.verdict, explored.property, len(explored.trace))


@pytest.mark.parametrize(
    ("chosen", "demanded"), [([0, 1, 0], (0, 2)), ([1, 0], (1, 2)), ([0, 2, 1], (2, 3)), ([2, 2], (2, 3)), ([], (0, 0))]
)
def test_what_a_choice_of_identities_demands(chosen: list[int], demanded: tuple[int, int]) -> None:
    assert demand([Id("Node", i) for i in chosen]) == demanded


def test_what_every_step_keeps_is_not_asked_for_again() -> None:
    """A step that changes nothing can break a step property; it is not taken for kept because of that."""
    text = """protocol t
var n: 0..3 = 0
var said: bool = false
action Count
    require n < 3
    n := n + 1
action Idle
    require n == 3
    said := said
step Moves: n' != n or n < 3
invariant Small: n <= 3
instance one:
"""
    instance = instance_of(text)
    found = check(instance, 8)
    assert (found.verdict, found.property, found.trace is not None and len(found.trace)) == (Verdict.VIOLATED, "Moves", 4)
