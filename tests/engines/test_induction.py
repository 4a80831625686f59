"""Induction by solver against brute force: over all states of a tiny model, reachable or not, every query has the same answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

import pytest
from agreement import instance_of
from hypothesis import HealthCheck, Phase, event, given, reject, seed, settings
from models import specs

import checker
from checker.core.bind import BindError, Instance
from checker.core.ir import Assign
from checker.core.meaning import World, evaluate, initial_states, successors
from checker.core.typed import statements
from checker.core.types import card, values
from checker.engines.replay import judged
from checker.engines.smt import plan as p
from checker.engines.smt.cti import find
from checker.engines.smt.induction import Induction
from checker.engines.smt.plan import Answered, Query, distinct
from checker.engines.smt.solve import answers
from checker.engines.smt.terms import TooLarge
from checker.proof import Proof, Settings, ask_all, prove
from checker.verdict import Verdict

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
MOST = 1200  # states of a tiny model


class Brute:
    """Every query by trying all states."""

    def __init__(self, instance: Instance, induction: Induction) -> None:
        self.instance, self.plan = instance, induction.plan
        self.props = {x.name: x for x in instance.properties}
        self.names = [*self.plan.lemmas, *self.plan.invariants]
        self.all = [s for s in self.states() if self.inside(s) and self.may_be(s)]
        self.start = [s for s in initial_states(instance) if self.inside(s)]
        self.good = [s for s in self.all if self.holds(self.names, s)]
        self.after = {i: [(s, o) for s in self.good for o in successors(instance, a, s)] for i, a in enumerate(instance.actions)}

    def states(self) -> Iterator[dict[str, Any]]:
        names = list(self.instance.vars)
        for row in product(*(list(values(self.instance.vars[v].type)) for v in names)):
            yield dict(zip(names, row, strict=True))

    def may_be(self, s: dict[str, Any]) -> bool:
        """Has what no action assigns a value that it has at the start, and have no more stopped than may?"""
        done = [x for a in self.instance.actions for x in statements(a.body)]
        assigned = {x.var for x in done if isinstance(x, Assign)} | {m.var for m in self.instance.messages.values()}
        stops = [f for f in self.instance.model.instances[self.instance.name].faults if f.kind == "stop"]
        few = all(len(s[f"stopped {f.target}"]) <= f.budget.value for f in stops)
        return few and any(all(s[v] == first[v] for v in s if v not in assigned) for first in initial_states(self.instance))

    def inside(self, s: dict[str, Any]) -> bool:
        return self.instance.bound is None or bool(evaluate(self.instance.bound, {}, World(self.instance, s)))

    def holds(self, names: Any, s: dict[str, Any]) -> bool:
        return all(judged(self.instance, self.props[n], s) is True for n in names)

    def possible(self, q: Query) -> bool:
        """Is what the query asks for possible?"""
        prop = self.props.get(q.target or "")
        outcomes = self.after.get(-1 if q.action is None else q.action, [])
        match q.kind:
            case p.INITIALLY:
                return any(not self.holds([q.target], s) for s in self.start)
            case p.IMPLIED:
                return any(self.holds(q.given, s) and not self.holds([q.target], s) for s in self.all)
            case p.PRESERVED:
                new = [o.state for _, o in outcomes if o.state is not None]
                return any(self.inside(s) and not self.holds([q.target], s) for s in new)
            case p.STEP:
                assert prop
                return any(o.state is not None and judged(self.instance, prop, s, o.state) is not True for s, o in outcomes)
            case p.FAULT:
                return any(o.fault for _, o in outcomes)
            case p.DEFINED:
                assert prop
                return any(not isinstance(judged(self.instance, prop, s), bool) for s in self.good)
            case p.DEADLOCK:
                moving = {id(s) for found in self.after.values() for s, _ in found}
                stuck = [s for s in self.good if id(s) not in moving]
                return any(not evaluate(self.instance.terminal, {}, World(self.instance, s)) for s in stuck)
        return any(o.state is not None for _, o in outcomes)


def compare(text: str, note: Callable[[str], object] = event) -> None:
    try:
        instance = instance_of(text)
    except BindError:
        reject()
    if prod(card(v.type) for v in instance.vars.values()) > MOST:
        reject()
    try:
        induction = Induction(instance)
        brute = Brute(instance, induction)
        plan = induction.plan
        queries = [plan.implied(n, frozenset()) for n in plan.invariants] + plan.rest(frozenset())
        for q in queries:
            found = induction.ask(q)
            assert found.status == ("refuted" if brute.possible(q) else "proved"), q
            note(f"{q.kind} {found.status}")
            if found.status == "refuted" and q.kind != p.POSSIBLE:
                cti = find(induction, q)  # replayed by the definition
                assert cti is not None and cti.minimal
    except TooLarge:
        note("too large")
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure


SLOTS = """protocol slots
sort Node
network bag capacity 3
message M(b: 0..2)
process Node
    var g: 0..2 = 0
    action S(b: 0..2)
        require g < b
        g := b
        send M(b)
    on M(b)
        g := b
invariant I: {}
terminal: true
instance one: Node = 1
"""


@pytest.mark.parametrize(
    "said",
    [
        "not sent M(1)",
        "sent M(1) implies not sent M(2)",
        "sent M(0) or forall a: Node. g[a] != 2",
        "forall a: Node. not sent M(g[a])",
    ],
)
def test_the_order_of_slots_means_nothing(said: str) -> None:
    compare(SLOTS.format(said), note=lambda _: None)


@settings(COMMON, max_examples=25, derandomize=True, phases=[Phase.generate])
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


RING = """
var a: 0..3 = 0
var s: set[N] = {}
sort N
action Up
    require a < 2
    a += 1
action Put(x: N)
    s += {x}
invariant Low: a < 2 or len(s) < 2
instance main: N = 3
"""


def test_the_smallest_counterexample() -> None:
    """One element in s is needed before the step, and it is the first; a stays as low as it can."""
    induction = Induction(instance_of(RING), deadlock=False)
    put = next(i for i, a in enumerate(induction.instance.actions) if a.name == "Put")
    cti = find(induction, Query(p.PRESERVED, "Low", put))
    assert cti is not None and cti.minimal
    assert [len(cti.trace.initial["s"]), cti.trace.initial["a"]] == [1, 2]
    assert [x.index for x in cti.trace.initial["s"]] == [0]
    up = find(induction, Query(p.PRESERVED, "Low", 1 - put))
    assert up is not None and (len(up.trace.initial["s"]), up.trace.initial["a"]) == (2, 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_answer_everything_once(jobs: int) -> None:
    induction = Induction(checker.bind("two_phase_commit", "three"))
    queries = induction.plan.rest(frozenset())
    found = list(answers(queries, induction.ask, jobs, 60))
    assert {a.query for a in found} == set(queries) and len(found) == len(queries)
    assert {a.status for a in found if a.query.kind != p.POSSIBLE} == {"proved"}
    assert {a.status for a in found if a.query.kind == p.POSSIBLE} == {"refuted"}


def test_a_child_that_fails_is_an_error() -> None:
    def ask(_: Query, __: float | None) -> Any:
        raise ValueError("out of cheese")

    with pytest.raises(RuntimeError, match="out of cheese"):
        list(answers([Query(p.FAULT, None, i) for i in range(8)], ask, 2, 60))


PROVED = [
    ("two_phase_commit", "three"),
    ("two_phase_commit", "blocking"),
    ("lamport_paxos", "small"),
    ("flexible_paxos", "three_and_two"),
    ("flexible_paxos", "all_and_one"),
]


@pytest.mark.parametrize(("spec", "name"), PROVED)
def test_shipped_lemmas_are_inductive(spec: str, name: str) -> None:
    found = prove(checker.bind(spec, name), Settings(timeout=60, deadlock=name != "blocking"))
    assert (found.verdict, found.impossible) == (Verdict.HOLDS, [])
    assert not found.status("refuted") and not found.status("unknown")


CHANNELS = """
protocol channels
sort Node
network fifo capacity 2
message Ping
message Pong
process Node
    var pinged: set[Node] = {}
    action Say(n: Node)
        require n != self and n not in pinged
        pinged += {n}
        send Ping to n
    on Ping from q
        send Pong to q
    on Pong from q
        require q in pinged
lemma PingsAreRemembered: forall a, b: Node. sent Ping to b from a implies b in pinged[a]
lemma PongsAnswer: forall a, b: Node. sent Pong to a from b implies b in pinged[a]
invariant Asked: forall a: Node. not sent Pong to a or pinged[a] != {}
terminal: true
instance two: Node = 2
"""


def test_messages_stand_in_their_channels() -> None:
    induction = Induction(instance_of(CHANNELS), k=2, deadlock=False)
    for q in induction.plan.rest(frozenset()):
        if q.kind != p.POSSIBLE and induction.ask(q).status == "refuted":
            assert find(induction, q) is not None, q  # replayed by the definition
    assert all(induction.ask(q).status == "proved" for q in induction.plan.rest(frozenset()) if q.kind == p.PRESERVED)


@pytest.mark.parametrize("refuted", [False, True])
def test_what_takes_long_is_asked_again_unless_something_is_refuted(refuted: bool) -> None:
    instance = checker.bind(checker.load("two_phase_commit"), "three")
    plan, asked = Induction(instance, 1, True).plan, []
    proof = Proof(instance, Settings(timeout=60), plan, distinct(instance.actions), [])
    quick = plan.rest(proof.implied)[0]

    def ask(q: Query, seconds: float | None) -> Answered:
        asked.append(q)
        slow = seconds is not None and seconds < 60
        return Answered(q, "refuted" if q == quick and refuted else "unknown" if slow and q != quick else "proved", 0.0)

    ask_all(proof, ask)
    rest = [a for a in proof.answered if a.query in plan.rest(proof.implied)]
    assert len(rest) == len(plan.rest(proof.implied))
    assert {a.status for a in rest if a.query != quick} == {"unknown" if refuted else "proved"}
    assert asked.count(quick) == 1 and {asked.count(a.query) for a in rest if a.query != quick} == {1 if refuted else 2}
