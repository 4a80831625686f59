"""Behaviours of the definition from what an engine found: states become steps, findings get their words.

All by `meaning`: what an engine claims is replayed here before anybody sees it, and `Disagreement` is raised where the
definition says otherwise.  Nothing here searches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checker.core.bind import Instance, Transition
from checker.core.meaning import Fault, Outcome, World, evaluate, initial_states, render, successors
from checker.core.model import Property
from checker.verdict import State, Step, Trace


class Disagreement(AssertionError):
    """An engine and the definition say different things: a bug in one of the two."""


def outcomes(instance: Instance, state: State) -> Iterator[tuple[Transition, Outcome]]:
    """Every outcome of every action in a state."""
    for action in instance.actions:
        for outcome in successors(instance, action, state):
            yield action, outcome


def as_step(action: Transition, outcome: Outcome) -> Step:
    assert outcome.state is not None
    return Step(action.name, action.kind, action.process, outcome.choices, outcome.received, outcome.sent, outcome.state)


def step(instance: Instance, before: State, after: State, action: int | None = None) -> Step:
    """The step between two states (of this action, if given).  Raises Disagreement."""
    tried = instance.actions if action is None else [instance.actions[action]]
    for a in tried:
        for outcome in successors(instance, a, before):
            if outcome.state == after:
                return as_step(a, outcome)
    raise Disagreement(f"no step of {', '.join(a.name for a in tried)} leads from {told(before)} to {told(after)}")


def behaviour(instance: Instance, states: Sequence[State], actions: Sequence[int | None] = ()) -> Trace:
    """The behaviour through these states.  Raises Disagreement."""
    if not any(s == states[0] for s in initial_states(instance)):
        raise Disagreement(f"the instance does not start in {told(states[0])}")
    return steps(instance, states, actions)


def steps(instance: Instance, states: Sequence[State], actions: Sequence[int | None] = ()) -> Trace:
    """The steps through these states, wherever the first one comes from.  Raises Disagreement."""
    asked = actions or [None] * (len(states) - 1)
    found = [step(instance, a, b, c) for a, b, c in zip(states, states[1:], asked, strict=False)]
    return Trace(states[0], tuple(found))


def told(state: State) -> str:
    return ", ".join(f"{n} = {render(v)}" for n, v in state.items())


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────────────────────


def judged(instance: Instance, prop: Property, state: State, after: State | None = None) -> bool | Fault:
    """What a property says of a state or step."""
    try:
        return bool(evaluate(prop.expr, {}, World(instance, state, after)))
    except Fault as fault:
        return fault


def faults(instance: Instance, state: State, prop: Property | None = None) -> list[tuple[str, str]]:
    """Text and place of the spec faults in a state: of a property, or of the actions."""
    if prop is None:
        found = [(o.fault.text, o.fault) for _, o in outcomes(instance, state) if o.fault]
    else:
        after = [o.state for _, o in outcomes(instance, state) if o.state is not None] if prop.kind == "step" else [None]
        asked = (judged(instance, prop, state, s) for s in after)
        found = [(f"{prop.name}: {x.text}", x) for x in asked if isinstance(x, Fault)]
    return [(text, instance.model.place(x.node)) for text, x in found]


def is_stuck(instance: Instance, state: State) -> bool:
    """Is this a deadlock?"""
    enabled = any(True for _ in outcomes(instance, state))
    return not enabled and not evaluate(instance.terminal, {}, World(instance, state))


__all__ = ["Disagreement", "as_step", "behaviour", "faults", "is_stuck", "judged", "outcomes", "step", "steps", "told"]
