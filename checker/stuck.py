"""Why an action cannot happen, or what it runs into: runs it in one state as `meaning` does and tells where each run
ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from checker.core.bind import Instance, Transition
from checker.core.ir import Assign, Choose, Fit, ForAll, IfStmt, LetStmt, Read, Require, Send, Stmt, base_name
from checker.core.meaning import (
    Env,
    Fault,
    Outcome,
    World,
    _assign,
    _assignments,
    _for_all,
    _send,
    deliverable,
    evaluate,
    take,
)
from checker.core.types import BOOL, Rec, Value, card, show
from checker.display import Display
from checker.explain import Explainer, Pairs, Reason, leaves, operands, snippet
from checker.source import Span
from checker.verdict import State, Step

ROWS = 4  # ways in which one action is blocked that are worth telling apart


@dataclass(frozen=True)
class Blocked:
    """Why `action` cannot happen for the processes `who` (none: a global action)."""

    who: list[str]
    action: str
    why: str


@dataclass(frozen=True)
class FaultReport:
    """What a spec fault ran into: the step or property in which it happened, its place, the values involved, and,
    where a value did not fit, what does."""

    where: str
    span: Span | None
    values: Pairs
    fits: str = ""


@dataclass(frozen=True)
class Stop:
    """Where a run of an action ends.  kind: "done" | "blocked" | "fault" | "nothing to receive"."""

    kind: str
    statement: Stmt | None
    env: Env
    world: World
    fault: Fault | None = None
    received: Rec | None = None


def stops(instance: Instance, action: Transition, state: State) -> Iterator[tuple[Env, Stop]]:
    """Each way to start an action in a state, and where its runs end."""
    world = World(instance, state)
    for env in _assignments(action.params):
        if action.receive is None:
            yield from ((env, stop) for stop in run(action.body, env, world))
            continue
        m = instance.messages[action.receive.message]
        messages = list(deliverable(world, m, env.get("self")))
        if not messages:
            yield env, Stop("nothing to receive", None, env, world)
        for message in messages:
            bound = dict(zip(action.receive.fields, message.values, strict=False))
            if action.receive.sender:
                bound[action.receive.sender] = message.values[-1]
            taken = World(instance, take(world, m, message))
            yield from ((env, replace(s, received=message)) for s in run(action.body, {**env, **bound}, taken))


def run(body: tuple[Stmt, ...], env: Env, world: World) -> Iterator[Stop]:
    """Runs statements top to bottom, and tells where each run ends."""
    for i, s in enumerate(body):
        try:
            match s:
                case Require():
                    if not evaluate(s.cond, env, world):
                        yield Stop("blocked", s, env, world)
                        return
                case LetStmt():
                    env = {**env, s.name: evaluate(s.value, env, world)}
                case Assign():
                    world = replace(world, state=_assign(s, env, world))
                case Send():
                    world, _ = _send(s, env, world, Outcome(world.state))
                case ForAll():
                    world, _ = _for_all(s, env, world, Outcome(world.state))
                case IfStmt():
                    branch = s.then if evaluate(s.cond, env, world) else s.orelse
                    yield from run(branch + body[i + 1 :], env, world)
                    return
                case Choose():
                    yield from _choices(s, body[i + 1 :], env, world)
                    return
        except Fault as fault:
            yield Stop("fault", s, env, world, fault)
            return
    yield Stop("done", None, env, world)


def _choices(s: Choose, rest: tuple[Stmt, ...], env: Env, world: World) -> Iterator[Stop]:
    envs = [{**env, s.name: x} for x in evaluate(s.domain, env, world)]
    kept = [inner for inner in envs if evaluate(s.where, inner, world)]
    if not kept:
        yield Stop("blocked", s, env, world)
    for inner in kept:
        yield from run(rest, inner, world)


class Stuck:
    """Explains one state of an instance in which nothing can happen, or something faults."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.source = instance, instance.model.source
        self.display, self.explainer = Display(instance), Explainer(instance)

    # ── deadlock ──

    def blocked(self, state: State) -> list[Blocked]:
        """For each action, why it cannot happen in a state."""
        found = [row for action in self.instance.actions for row in self._rows(action, state)]
        return list({(tuple(b.who), b.action, b.why): b for b in found}.values())

    def _rows(self, action: Transition, state: State) -> list[Blocked]:
        """What blocks one action: the same for several processes is said once, and the like is counted."""
        groups: dict[tuple[str, str], list[str]] = {}
        for itself, why, values in self._obstacles(action, state):
            who = groups.setdefault((why, values), [])
            name = self.display.process(action.process, itself)
            who += [name] if name and name not in who else []
        rows: dict[str, list[Blocked]] = {}
        for (why, values), who in groups.items():
            text = why + (f", as {values}" if values else "")
            rows.setdefault(why, []).append(Blocked(self._who(action, who), base_name(action.name), text))
        return [b for alike in rows.values() for b in _shortened(alike, ROWS if action.process else 1)]

    def _who(self, action: Transition, who: list[str]) -> list[str]:
        n = next((card(t) for p, t in action.params if p == "self"), 0)
        return [f"each {action.process}"] if n > ROWS and len(who) == n else who

    def _obstacles(self, action: Transition, state: State) -> Iterator[tuple[Value, str, str]]:
        for env, stop in stops(self.instance, action, state):
            if stop.kind == "nothing to receive":
                assert action.receive
                yield env.get("self"), f"no {action.receive.message} to receive", ""
            elif stop.kind == "blocked":
                yield env.get("self"), *self._obstacle(action, stop)

    def _obstacle(self, action: Transition, stop: Stop) -> tuple[str, str]:
        """What a run stopped at, and the values that made it."""
        s = stop.statement
        if s is None or s.span is None:
            return self._unsaid(action, s), ""
        if isinstance(s, Choose):
            return f"line {s.span.line}: nothing to choose in `{snippet(self.source, s.span)}`", ""
        assert isinstance(s, Require)
        reason = self.explainer.condition(s.cond, stop.env, stop.world)
        parts = list(reason.leaves())
        told = ", and ".join(f"`{p.text}` is {'true' if p.truth else 'false'}" for p in parts)
        pairs = dict(pair for r in (reason, *parts) for pair in (*r.bindings, *r.values))
        return f"line {s.span.line}: {told}", ", ".join(f"{n} = {v}" for n, v in pairs.items())

    def _unsaid(self, action: Transition, s: Stmt | None) -> str:
        """What stops an action that is not written down: a fault."""
        if action.kind == "byzantine":
            return (
                "it is Byzantine, or nobody who sends this is"
                if self.instance.network != "set"
                else "it is not Byzantine, or has sent this"
            )
        if action.kind not in ("action", "handler"):
            return "the budget of this fault is used up"
        reads = {x.var for x in operands(s.cond) if isinstance(x, Read)} if isinstance(s, Require) else set()
        return "it is Byzantine" if f"byzantine {action.process}" in reads else "it has stopped"

    # ── spec faults ──

    def fault(self, state: State, text: str, place: str | None) -> FaultReport | None:
        """The spec fault with this text that something runs into in a state."""
        found = [*self._faults_of_actions(state), *self._faults_of_properties(state)]
        exact = [f for f in found if f[1].text == text and self.instance.model.place(f[1].node) == place]
        for where, fault, env, world in exact or [f for f in found if f[1].text in text]:
            return self._report(where, fault, env, world)
        return None

    def _report(self, where: str, fault: Fault, env: Env, world: World) -> FaultReport:
        node = fault.node
        inner = [x for a in operands(node) for x in (a, *leaves(a))]
        values = dict(pair for x in inner for pair in self.explainer.value(x, env, world))
        fits = show(node.type) if isinstance(node, Fit) and node.type != BOOL else ""
        return FaultReport(where, node.span, tuple(values.items()), fits)

    def _faults_of_actions(self, state: State) -> Iterator[tuple[str, Fault, Env, World]]:
        for action in self.instance.actions:
            for env, stop in stops(self.instance, action, state):
                if stop.fault:
                    chosen = tuple((n, v) for n, v in stop.env.items() if n in env)
                    step = Step(action.name, action.kind, action.process, chosen, stop.received, (), state)
                    yield self.display.label(step, state), stop.fault, stop.env, stop.world

    def _faults_of_properties(self, state: State) -> Iterator[tuple[str, Fault, Env, World]]:
        world = World(self.instance, state)
        for p in self.instance.properties:
            try:
                if p.kind != "step":
                    evaluate(p.expr, {}, world)
            except Fault as fault:
                yield f"the {p.kind} {p.name}", fault, {}, world


def _shortened(rows: list[Blocked], most: int) -> list[Blocked]:
    """The first rows of those that differ only in values, and how many more there are."""
    more = len(rows) - most
    if more <= 0:
        return rows
    last = rows[most - 1]
    return [*rows[: most - 1], Blocked(last.who, last.action, f"{last.why}; and {more} more like it")]


__all__ = ["Blocked", "FaultReport", "Reason", "Stop", "Stuck", "run", "stops"]
