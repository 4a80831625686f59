"""The distributed lock: who gets it, with which token, and that nobody believes to have it while another does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from checker import load
from checker.library import shipped
from impl.runtime.clients import lock
from impl.runtime.faults import parse_faults
from impl.runtime.kv import Command, Machine
from impl.runtime.locks import MARGIN, Doing, Lease, acquire, fence, look, release, renew
from impl.runtime.plan import make_plan
from impl.runtime.protocol import protocol_of
from impl.runtime.shadow import Shadow
from impl.runtime.simulate import Simulation

ORDERED = [name for name in ("raft", "zab", "multi_paxos") if name in shipped() and protocol_of(name).service]


class World:
    """A store and a clock; waiting is what moves the clock."""

    def __init__(self) -> None:
        self.now, self.number, self.machine = 0.0, 0, Machine()

    def clock(self) -> float:
        return self.now

    def do(self, doing: Doing) -> Any:
        try:
            step = next(doing)
            while True:
                if isinstance(step, tuple):
                    self.number += 1
                    step = doing.send(self.machine.apply(Command("s", self.number, *step)))
                else:
                    self.now += step
                    step = doing.send(None)
        except StopIteration as end:
            return end.value

    def acquire(self, owner: str, patience: float = 0.0) -> Lease | None:
        return self.do(acquire("l", owner, 10.0, self.clock, patience))  # type: ignore[no-any-return]


@pytest.fixture
def world() -> Iterator[World]:
    yield World()


def test_a_lock_that_is_held_is_not_given(world: World) -> None:
    first = world.acquire("a")
    assert first and first.token == 1 and first.until == 10.0 and first.valid(9.9) and not first.valid(10.0)
    assert world.acquire("b", 5.0) is None
    assert world.do(release("l", 1)) is True
    second = world.acquire("b")
    assert second and second.token == 2


def test_a_lease_ends_for_who_waits_its_whole_time_and_a_margin(world: World) -> None:
    assert world.acquire("a")
    second = world.acquire("b", 100.0)
    assert second and second.token == 2 and world.now >= 10.0 * MARGIN
    assert world.do(release("l", 1)) is False


def test_who_looks_late_waits_nevertheless(world: World) -> None:
    """He does not know when the lease began, and does not believe what another clock said of it."""
    assert world.acquire("a")
    world.now = 1000.0
    assert world.acquire("b", 5.0) is None
    assert world.acquire("b", 20.0)


def test_a_renewed_lease_lasts_from_then_on(world: World) -> None:
    first = world.acquire("a")
    assert first
    waiting = acquire("l", "b", 10.0, world.clock)
    answer: Any = None
    for at in (0.0, 6.0, 12.0, 18.0, 24.0):  # b looks each time, and sees another lease
        world.now = at
        first = world.do(renew(first, world.clock))
        assert first and first.until == at + 10.0 and first.token == 1
        step = waiting.send(answer)
        assert step == look("l")
        world.number += 1
        assert isinstance(waiting.send(world.machine.apply(Command("s", world.number, *step))), float)
        answer = None
    assert world.do(release("l", 1)) and world.do(renew(first, world.clock)) is None


def test_a_token_that_is_old_is_refused(world: World) -> None:
    first = world.acquire("a")
    assert first and world.acquire("b", 100.0)
    assert world.do(renew(first, world.clock)) is None

    def write(token: int) -> Doing:
        return (yield "txn", ([fence("l", token)], [["put", "k", token]]))

    assert world.do(write(first.token)) is False and world.do(write(2)) == [True]


def held(name: str, seed: int, seconds: float, watch: bool = True) -> int:
    """How many locks are granted, whatever fails; the referee of the simulation has nothing to complain about."""
    plan = make_plan(load(name), None, 3)
    faults = parse_faults("crash=2,partition=3,loss,duplicate,drift,delay")
    simulation = Simulation(plan, seed, faults, None, Shadow(plan) if watch else None, 3, lock)
    outcome = simulation.run(seconds)
    assert outcome.finding is None and outcome.fault is None, (seed, outcome.finding)
    return len(simulation.referee.tokens)


@pytest.mark.parametrize("name", ORDERED)
def test_nobody_holds_what_another_holds(name: str) -> None:
    assert sum(held(name, seed, 4, watch=seed == 0) for seed in range(5)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERED)
def test_nobody_ever_holds_what_another_holds(name: str) -> None:
    assert sum(held(name, seed, 6, watch=seed < 110) for seed in range(100, 200)) > 60
