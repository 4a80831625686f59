"""The compiled form of an instance takes exactly the steps of `meaning`: the same choices, messages, states and faults."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from models import specs

from checker import bind, load
from checker.conformance.follow import Log
from checker.core.bind import BindError, Instance
from checker.core.ir import base_name
from checker.core.local import NotRunnable, bind_local, obstacles
from checker.core.meaning import Fault, Outcome, State, World, evaluate, successors
from checker.core.types import Map, Rec, values
from checker.engines.python.compiled import Compiled
from checker.engines.python.explore import Explorer
from checker.engines.python.node import Blocked, LocalAction, Nodes, Sending, Taken
from checker.language import load_model
from checker.library import shipped
from checker.source import Source
from checker.verdict import Limits

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def seen(o: Outcome) -> Any:
    """What must agree of an outcome: not which fault of several comes first, nor in which order a `for` sends."""
    after = None if o.state is None else frozenset(o.state.items())
    return o.choices, o.received, frozenset(Counter(o.sent).items()) if after is not None else (), after


def value(ask: Any, *args: Any) -> Any:
    try:
        return bool(ask(*args))
    except Fault:
        return "fault"


def agree(instance: Instance, states: list[State]) -> int:
    """Holds the compiled form against the definition in these states; how many outcomes there were."""
    compiled, n = Compiled(instance), 0
    for state in states:
        world = World(instance, state)
        for action in instance.actions:
            expected = [seen(o) for o in successors(instance, action, state)]
            found = [seen(o) for o in compiled.successors(action, state)]
            assert Counter(found) == Counter(expected), action.name
            n += len(found)
        for p in compiled.predicates:
            if p.property.kind != "step":
                says = value(evaluate, p.property.expr, {}, world)
                assert value(p.holds, state, state, None) == says, p.property.name
    return n


def reached(instance: Instance, most: int) -> list[State]:
    explorer = Explorer(instance, Limits(max_states=most))
    explorer.run()
    return [state for _, _, state in explorer.states.values()][:most]


def check(text: str, most: int) -> None:
    try:
        instance = bind(load_model(Source("random", text)))
    except BindError:
        reject()
    try:
        agree(instance, reached(instance, most))
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure


# ── one process at a time ────────────────────────────────────────────────────────────────────────────────────────────


def local_agree(instance: Instance, states: list[State]) -> int:
    """A step of one process, as its node executes it, is the instance's step: the same choices, cells and messages."""
    nodes, compiled, n = Nodes(bind_local(instance.model)), Compiled(instance), 0
    whole = {a.name: a for a in instance.actions}
    for action in nodes.actions:
        a = action.action
        if a.kind not in ("action", "handler") or len([x for x in instance.actions if x.name == a.name]) > 1:
            continue
        for state in states:
            for o in compiled.successors(whole[a.name], state):
                if o.fault and "capacity of the network" in str(o.fault):
                    continue  # the network is no part of a node
                n += 1
                assert outcome(nodes, action, state, o) is not None, f"{a.name}: {o}"
    return n


def outcome(nodes: Nodes, action: LocalAction, state: State, o: Outcome) -> Any:
    """The local step that is this outcome; None if there is none."""
    a, given = action.action, dict(o.choices)
    me = given.get("self")
    mine = {v: cell(nodes, v, state[v], me) for v in nodes.processes[a.process or ""].vars}
    fields = o.received.values[: len(a.receive.fields)] if a.receive and o.received else ()
    sender = o.received.values[-1] if a.receive and a.receive.sender and o.received else None
    params = tuple(given[name] for name, _ in a.params if name != "self")
    known = {base_name(c): x for c, x in o.choices}
    try:
        ways = list(action.ways(mine, me, params, fields, sender, known))
    except Fault:
        return "fault" if o.fault else None
    for way in ways:
        if isinstance(way, Taken) and o.state is not None:
            after = {v: cell(nodes, v, o.state[v], me) for v in mine}
            if way.state == after and Counter(r for s in way.sent for r in arrived(nodes, s, me)) == Counter(o.sent):
                return way
    return None


def cell(nodes: Nodes, var: str, value: Any, me: Any) -> Any:
    return value[me] if nodes.instance.vars[var].keyed else value


def arrived(nodes: Nodes, s: Sending, me: Any) -> list[Rec]:
    """The messages in the network that one `send` stands for."""
    m = nodes.instance.messages[s.message]
    to = [()] if m.to is None else [(s.to,)] if s.to is not None else [(v,) for v in values(m.to)]
    sender = () if m.sender is None else (me if me is not None else next(values(m.sender)),)
    return [Rec(s.message, (*s.fields, *t, *sender)) for t in to]


def runnable() -> list[str]:
    return [name for name in shipped() if not obstacles(load(name))]


@pytest.mark.parametrize("name", runnable())
def test_nodes_of_shipped_specs(name: str) -> None:
    instance = bind(load(name))
    assert local_agree(instance, reached(instance, 40))


@settings(COMMON, max_examples=40, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    check(text, 30)


@pytest.mark.slow
@settings(COMMON, max_examples=400, phases=[Phase.generate])
@given(specs())
def test_many_random_specs(text: str) -> None:
    check(text, 100)


@pytest.mark.parametrize("name", shipped())
def test_shipped_specs(name: str) -> None:
    instance = bind(load(name))
    assert agree(instance, reached(instance, 60))


def test_what_is_known_narrows_what_is_tried() -> None:
    instance = bind(load("two_phase_commit"))
    compiled = Compiled(instance)
    (state,) = compiled.initial()
    every = list(compiled.successors("Prepare", state))
    assert len(every) == 3
    me = every[1].choices[0][1]
    assert list(compiled.successors("Prepare", state, {"self": me})) == [every[1]]
    after = every[1].state
    assert after is not None
    (received,) = compiled.successors("on Prepared", after, {"rm": me})
    assert list(compiled.successors("on Prepared", after, received=received.received)) == [received]
    assert not list(compiled.successors("on Prepared", state, received=received.received))


def test_what_blocks_an_action_is_named() -> None:
    compiled = Compiled(bind(load("two_phase_commit")))
    (state,) = compiled.initial()
    ((_, node),) = compiled.blocked("DecideCommit", state)
    assert node.span is not None and "require tm == init" in compiled.instance.model.source.line(node.span.line)


@settings(COMMON, max_examples=15, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_nodes_of_random_specs(text: str) -> None:
    try:
        instance = bind(load_model(Source("random", text)))
        local_agree(instance, reached(instance, 20))
    except BindError:
        reject()
    except Exception as failure:
        raise AssertionError(f"{type(failure).__name__}: {failure}\n\n{text}") from failure


def test_huge_bounds_do_not_bound() -> None:
    """No domain is listed: ballots, values and sequence lengths may be what a machine can hold."""
    nodes = Nodes(bind_local(load("paxos"), None, {"rounds": 2**60, "Value": 2**80}))
    proposer, acceptor = nodes.processes["Proposer"], nodes.processes["Acceptor"]
    started = proposer.start.first(None, 1)
    assert isinstance(started, Taken)
    begun = proposer.spontaneous["Begin"].first({**started.state, "ballot": 2**59 + 1}, 1)
    assert isinstance(begun, Taken) and begun.sent == (Sending("Prepare", (2**59 + 3,)),)
    me = acceptor.identities[0]
    empty = acceptor.start.first(None, me)
    assert isinstance(empty, Taken)
    (on_prepare,) = acceptor.handlers["Prepare"]
    promised = on_prepare.first(empty.state, me, fields=(2**59 + 3,))
    assert isinstance(promised, Taken) and promised.state["promised"] == 2**59 + 3
    assert isinstance(on_prepare.first(promised.state, me, fields=(7,)), Blocked)


def test_a_global_action_is_nobodys() -> None:
    with pytest.raises(NotRunnable, match="global") as why:
        bind_local(load("die_hard"))
    assert why.value.span is not None and why.value.span.line == 13


LOOPS = """\
protocol loops
sort P
enum Level = low, middle, high
record Item(n: 0..2, m: 0..2)
var log: map P -> seq[Item, 3] = {p: [] for p in P}
var agreed: seq[Item, 3] = []
var done: map P -> 0..4 = {p: 0 for p in P}
var level: Level = low
action Append(p: P, n: 0..2, m: 0..2)
    require len(log[p]) < 3
    log[p] := log[p] + [Item(n, m)]
    level := middle if n == 1 else high
action Agree(p: P)
    require len(log[p]) > 0
    agreed := log[p]
action Done(p: P, n: 0..4)
    done[p] := n
def part(p: P) = log[p][0:done[p]]
def alike(a: seq[Item, 3], b: seq[Item, 3]) = forall i in indices(a). i < len(b) implies a[i] == b[i]
def held(i: Item) = {p for p in P if i in elems(log[p])}
invariant Same: forall p: P, i in indices(part(p)), j in indices(agreed). part(p)[i] == agreed[j] implies i == j
invariant Found: forall p: P, x in elems(agreed). exists i in indices(log[p]). log[p][i] == x and i < len(agreed)
invariant Most: forall x in elems(agreed). len(held(x)) >= 1
invariant Faulty: forall p: P. done[p] > 0 implies exists i in indices(agreed). agreed[i] == log[p][done[p]]
invariant Named: forall p, q: P. alike(part(p), part(q)) implies alike(log[q][0:done[p]], agreed)
invariant Counted: forall x in elems(agreed). len({i for i in indices(agreed) if agreed[i].n <= x.n}) >= x.m
invariant Looked: forall p: P, x in elems(agreed). Item(x.m, x.n) not in {Item(y.n, y.m) for y in elems(log[p])}
invariant Sums: forall p: P. sum(len(held(x)) for x in elems(log[p])) <= 3 and level >= low and not level > high
invariant Least: forall x in elems(agreed), p: P. min(y.m for y in elems(log[p])) <= x.m
instance small: P = 2
"""


def test_what_is_the_same_in_a_loop_is_computed_once() -> None:
    """And faults where it would, or not at all."""
    instance = bind(load_model(Source("loops", LOOPS)))
    compiled, rng = Compiled(instance), Random(1)
    (first,) = compiled.initial()
    assert "is NEW" in compiled.module.source and "places(" in compiled.module.source
    says: dict[str, set[Any]] = {}
    items = [Rec("Item", (n, m)) for n in range(3) for m in range(3)]
    for _ in range(400):
        log = {p: tuple(rng.choices(items, k=rng.randrange(4))) for p in first["log"]}
        agreed = tuple(rng.choices(items + [x for s in log.values() for x in 3 * s], k=rng.randrange(4)))
        done = {p: rng.randrange(min(4, len(log[p]) + 2)) for p in log}
        state = {**first, "log": Map(log), "agreed": agreed, "done": Map(done), "level": rng.choice(("low", "middle", "high"))}
        world = World(instance, state)
        for p in compiled.predicates:
            expected = value(evaluate, p.property.expr, {}, world)
            assert value(p.holds, state, state, None) == expected, (p.property.name, state)
            says.setdefault(p.property.name, set()).add(expected)
    assert says["Same"] == says["Faulty"] == says["Least"] == {True, False, "fault"}
    assert all(True in x for x in says.values())


@pytest.mark.parametrize("name", ["paxos", "multi_paxos"])
def test_what_no_message_carries_need_not_be_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Properties over a log of messages go through what matters only, and say the same; of any messages, right or wrong."""
    monkeypatch.setattr("checker.engines.python.source.MANY", 0)
    instance, rng = bind(load(name)), Random(1)
    compiled, says = Compiled(instance, log=True), set[Any]()
    assert "LOG.having(" in compiled.module.source
    kinds = {m: [list(values(t)) for _, t in m.full.fields] for m in instance.messages.values()}
    (state,) = compiled.initial()
    for _ in range(120):
        log, found = (
            Log(),
            {m: {Rec(m.name, tuple(map(rng.choice, f))) for _ in range(rng.randrange(9))} for m, f in kinds.items()},
        )
        for x in sorted((x for xs in found.values() for x in xs), key=repr):
            log.add(x, 2)
            log.add(x, -1)
        world = World(instance, {**state, **{m.var: frozenset(xs) for m, xs in found.items()}})
        for p in compiled.predicates:
            if p.property.kind != "step":
                expected = value(evaluate, p.property.expr, {}, world)
                assert value(p.holds, state, state, log) == expected, p.property.name
                says.add((p.property.kind, expected))
    assert {("invariant", True), ("invariant", False)} <= says
