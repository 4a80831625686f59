"""The compiled form of an instance takes exactly the steps of `meaning`: the same choices, messages, states and faults."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from models import specs

from checker import bind, load
from checker.core.bind import BindError, Instance
from checker.core.meaning import Fault, Outcome, State, World, evaluate, successors
from checker.engines.python.compiled import Compiled
from checker.engines.python.explore import Explorer
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


@settings(COMMON, max_examples=60, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    check(text, 30)


@pytest.mark.slow
@settings(COMMON, max_examples=1500, phases=[Phase.generate])
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
