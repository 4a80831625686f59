"""The key-value store: commands, sessions, and whether what clients see is linearizable."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import pytest

from checker import load
from checker.library import shipped
from impl.runtime.clients import Operation
from impl.runtime.faults import parse_faults
from impl.runtime.kv import Command, Machine, as_command, as_value
from impl.runtime.plan import make_plan
from impl.runtime.protocol import protocol_of
from impl.runtime.shadow import Shadow
from impl.runtime.simulate import Simulation

ORDERED = [name for name in ("raft", "zab", "multi_paxos") if name in shipped() and protocol_of(name).service]


def test_a_command_is_a_value_and_back() -> None:
    c = Command("s1", 7, "cas", ("k", None, "v"))
    assert as_command(as_value(c, "Value")) == c
    with pytest.raises(ValueError, match="at most"):
        as_value(Command("s1", 8, "put", ("k", "v" * 2000)), "Value")


def test_a_request_is_executed_once() -> None:
    m = Machine()
    assert m.apply(Command("s", 1, "put", ("k", "a"))) is True
    assert m.apply(Command("s", 2, "cas", ("k", "a", "b"))) is True
    assert m.apply(Command("s", 2, "cas", ("k", "a", "b"))) is True  # again: the same answer, and nothing done
    assert m.apply(Command("t", 1, "get", ("k",))) == "b"
    assert m.apply(Command("t", 2, "cas", ("k", "a", "c"))) is False


# ── linearizability (Herlihy and Wing 1990), key by key ──────────────────────────────────────────────────────────────


def linearizable(history: list[Operation]) -> bool:
    return all(key_linearizable([o for o in history if o.args[0] == k]) for k in {o.args[0] for o in history})


def key_linearizable(history: list[Operation]) -> bool:
    """Is there an order of the operations on one key that respects real time and explains every answer?  One that was never
    answered may have happened at any later time, or not at all."""
    ops = sorted(history, key=lambda o: o.invoked)
    ends = [float("inf") if o.returned is None else o.returned for o in ops]

    @cache
    def search(left: frozenset[int], value: Any) -> bool:
        if all(ops[i].returned is None for i in left):
            return True
        soonest = min(ends[i] for i in left)
        for i in left:
            if ops[i].invoked <= soonest:
                result, after = effect(ops[i], value)
                if (ops[i].returned is None or result == ops[i].result) and search(left - {i}, after):
                    return True
        return False

    return search(frozenset(range(len(ops))), None)


def effect(o: Operation, value: Any) -> tuple[Any, Any]:
    match o.op:
        case "get":
            return value, value
        case "put":
            return True, o.args[1]
    return (True, o.args[2]) if value == o.args[1] else (False, value)


def test_the_checker_of_histories_can_say_no() -> None:
    put = Operation("a", "put", ("k", "1"), 0.0, 1.0, True)
    late = Operation("b", "get", ("k",), 2.0, 3.0, None)
    early = Operation("b", "get", ("k",), 0.5, 3.0, None)
    assert not linearizable([put, late]) and linearizable([put, early])
    unanswered = Operation("a", "put", ("k", "2"), 0.0)
    assert linearizable(
        [unanswered, put, Operation("b", "get", ("k",), 5.0, 6.0, "2"), Operation("b", "get", ("k",), 7.0, 8.0, "2")]
    )


FEW = {"multi_paxos": {"slots": 32}}  # every step goes through all slots


def answered(name: str, seed: int, seconds: float) -> int:
    """Runs clients against everything that can fail: what they saw is linearizable; how many answers they got."""
    plan = make_plan(load(name), None, 3, FEW.get(name))
    faults = parse_faults("crash=2,partition=3,loss,duplicate,drift,delay")
    simulation = Simulation(plan, seed, faults, None, Shadow(plan), clients=3)
    outcome = simulation.run(seconds)
    assert outcome.finding is None and outcome.fault is None
    history = [o for c in simulation.clients for o in c.history]
    assert linearizable(history), seed
    return sum(o.returned is not None for o in history)


@pytest.mark.parametrize("name", ORDERED)
def test_clients_see_one_store_whatever_fails(name: str) -> None:
    assert sum(answered(name, seed, 3.5) for seed in range(4)) > 20


@pytest.mark.slow
@pytest.mark.skipif("SPECTRACE_LONG" not in os.environ, reason="takes very long: set SPECTRACE_LONG")
@pytest.mark.parametrize("name", ORDERED)
def test_clients_always_see_one_store(name: str) -> None:
    assert sum(answered(name, seed, 8) for seed in range(100, 110)) > 50
