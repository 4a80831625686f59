"""The replicated store: commands, sessions, transactions, and whether what clients see is linearizable."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import load
from checker.conformance.clients import Clients, began
from checker.library import shipped
from impl.runtime.clients import Client, Operation, store
from impl.runtime.faults import parse_faults
from impl.runtime.history import inexplicable
from impl.runtime.kv import EXPIRED, Command, Machine, as_command, as_value, session_name
from impl.runtime.locks import Doing
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


class Counting(Machine):
    """Counts how often each request is executed."""

    def __init__(self) -> None:
        super().__init__(most=2)
        self.done = Counter[tuple[str, int]]()

    def _execute(self, c: Command) -> Any:
        self.done[c.session, c.number] += 1
        return super()._execute(c)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_session_that_is_forgotten_is_refused_and_nothing_is_executed_twice(data: Any) -> None:
    """Commands are in the log again, any time later; sessions begin with what some replica has executed, which may be behind.
    The store that validation executes them in says the same."""
    m, sent, served = Counting(), list[Command](), list[str]()
    other = Clients({"process": "P", "param": "v", "log": "log", "until": None, "part": 0, "sessions": m.most})
    for i in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["begin", "next", "again"])):
            case "next" if sent:
                c = data.draw(st.sampled_from(sent))
                c = replace(c, number=max(d.number for d in sent if d.session == c.session) + 1)
            case "again" if sent:
                c = data.draw(st.sampled_from(sent))
            case _:
                c = Command(session_name(f"s{i}", data.draw(st.integers(0, m.applied))), 1, "put", ("k", i))
        sent.append(c)
        remembered = c.session in served[-2:] or began(c.session) == m.applied
        before, answer = m.done.total(), m.apply(c)
        assert max(m.done.values()) == 1
        other._execute(c.session, c.number, c.op, list(c.args))
        assert {(s, n) for s, known in other.answers.items() for n in known} == m.done.keys()
        assert answer is True or (answer is EXPIRED and not remembered)
        if m.done.total() > before:
            served = [s for s in served if s != c.session] + [c.session]
    assert len(m.sessions) <= 2


@pytest.mark.parametrize("name", ["", "s", "s@", "@", "s@x", "s@-1", "s@²", "s@" + "9" * 5000])
def test_a_session_may_have_any_name(name: str) -> None:
    assert began(name) == 0 and Machine().apply(Command(name, 1, "get", ("k",))) is None


def test_a_transaction_is_done_whole_or_not_at_all() -> None:
    m = Machine()
    assert m.apply(Command("s", 1, "txn", ([["a", None]], [["put", "a", 1], ["put", "b", 2], ["get", "a"]]))) == [True, True, 1]
    assert m.apply(Command("s", 2, "txn", ([["a", 1], ["b", 3]], [["put", "a", 5]]))) is False
    assert m.apply(Command("s", 3, "txn", ([["b", 2]], [["put", "a", None]]))) == [True]
    assert m.pairs == {"b": 2}


# ── linearizability (Herlihy and Wing 1990), by trying every order ───────────────────────────────────────────────────


def linearizable(history: list[Operation]) -> bool:
    """Is there an order of the operations that respects real time and explains every answer?  One that was never answered may
    have happened at any later time, or not at all."""
    ops = sorted(history, key=lambda o: o.invoked)
    ends = [float("inf") if o.returned is None else o.returned for o in ops]

    @cache
    def search(left: frozenset[int], pairs: tuple[tuple[str, Any], ...]) -> bool:
        if all(ops[i].returned is None for i in left):
            return True
        soonest = min(ends[i] for i in left)
        for i in left:
            if ops[i].invoked <= soonest:
                result, after = effect(ops[i], dict(pairs))
                fits = ops[i].returned is None or result == ops[i].result
                if fits and search(left - {i}, tuple(sorted(after.items()))):
                    return True
        return False

    return search(frozenset(range(len(ops))), ())


def effect(o: Operation, pairs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The answer, and what is stored then."""
    match o.op, o.args:
        case "get", (k,):
            return pairs.get(k), pairs
        case "put", (k, v):
            return True, {**pairs, k: v}
        case "cas", (k, old, new):
            return (True, {**pairs, k: new}) if pairs.get(k) == old else (False, pairs)
        case "txn", (conditions, body):
            if any(pairs.get(k) != v for k, v in conditions):
                return False, pairs
            answers = []
            for what, k, *v in body:
                answers.append(True if what == "put" else pairs.get(k))
                pairs = {**pairs, k: v[0]} if what == "put" else pairs
            return answers, pairs
    raise AssertionError(o)


def test_the_checker_of_histories_can_say_no() -> None:
    put = Operation("a", "put", ("k", "1"), 0.0, 1.0, True)
    late = Operation("b", "get", ("k",), 2.0, 3.0, None)
    early = Operation("b", "get", ("k",), 0.5, 3.0, None)
    assert not linearizable([put, late]) and linearizable([put, early])
    assert inexplicable([put, late]) == late and inexplicable([put, early]) is None
    unanswered = Operation("a", "put", ("k", "2"), 0.0)
    some = [unanswered, put, Operation("b", "get", ("k",), 5.0, 6.0, "2"), Operation("b", "get", ("k",), 7.0, 8.0, "2")]
    assert linearizable(some) and inexplicable(some) is None


def test_two_checkers_of_histories_agree() -> None:
    """On what clients saw, and on what they could not have seen: one answer is another's."""
    plan, rng = make_plan(load("raft"), None, 3), random.Random(1)
    refused = 0
    for seed in range(12):
        simulation = Simulation(plan, seed, parse_faults("loss,delay,partition=1"), None, None, 3)
        simulation.run(1.5)
        history = [o for c in simulation.clients for o in c.history]
        a, b = rng.choice([o for o in history if o.returned]), rng.choice([o for o in history if o.returned])
        for some in (history, [replace(o, result=b.result) if o is a and o.op == b.op else o for o in history]):
            refused += not linearizable(some)
            assert linearizable(some) == (inexplicable(some) is None)
    assert refused


# ── simulated clients ────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = "crash=2,partition=3,loss,duplicate,drift,delay"


def used(name: str, seed: int, seconds: float, workload: Callable[[Client], Doing] = store, watch: bool = True) -> Simulation:
    """Runs clients against everything that can fail: what they saw is as it has to be."""
    plan = make_plan(load(name), None, 3)
    shadow = Shadow(plan) if watch else None
    simulation = Simulation(plan, seed, parse_faults(FAULTS), None, shadow, 3, workload)
    outcome = simulation.run(seconds)
    assert outcome.finding is None and outcome.fault is None, (seed, outcome.finding)
    return simulation


def answered(name: str, seed: int, seconds: float) -> int:
    """How many answers clients get, in a history that is linearizable."""
    history = [o for c in used(name, seed, seconds, watch=seed < 2).clients for o in c.history]
    assert linearizable(history), seed
    return sum(o.returned is not None for o in history)


@pytest.mark.parametrize("name", ORDERED)
def test_clients_see_one_store_whatever_fails(name: str) -> None:
    assert sum(answered(name, seed, 3.5) for seed in range(4)) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERED)
def test_clients_always_see_one_store(name: str) -> None:
    assert sum(used(name, seed, 5, watch=seed < 110).referee.clients[0].number for seed in range(100, 200)) > 150


# ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────────

ACCOUNTS = ("x", "y", "z")


def bank(client: Client) -> Doing:
    """Moves money from one account to another; whoever looks at all accounts at once sees as much as there was."""
    yield "txn", ([[a, None] for a in ACCOUNTS], [["put", a, 10] for a in ACCOUNTS])
    while True:
        found = yield "txn", ([], [["get", a] for a in ACCOUNTS])
        assert sum(found) == 30, found
        have = dict(zip(ACCOUNTS, found, strict=True))
        a, b = client.rng.sample(ACCOUNTS, 2)
        n = client.rng.randint(0, have[a])
        yield "txn", ([[a, have[a]], [b, have[b]]], [["put", a, have[a] - n], ["put", b, have[b] + n]])
        yield client.rng.expovariate(20)


def moved(simulation: Simulation) -> int:
    return sum(o.op == "txn" and o.result == [True, True] for c in simulation.clients for o in c.history)


@pytest.mark.parametrize("name", ORDERED)
def test_money_is_neither_made_nor_lost(name: str) -> None:
    assert sum(moved(used(name, seed, 4, bank, watch=False)) for seed in range(6)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERED)
def test_money_is_never_made_nor_lost(name: str) -> None:
    assert sum(moved(used(name, seed, 5, bank, watch=False)) for seed in range(100, 200)) > 60
