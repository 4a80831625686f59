"""Why: which part of a property is false and for which elements, why nothing can happen, what a spec fault ran into.

All by `meaning`, in one state, after an engine has found it; so the reasons are those of the definition.  The answers are in the
words of the source, with values in the user's terms; nothing here knows how they are laid out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from checker.core.bind import Instance, Transition
from checker.core.ir import (
    Apply,
    Assign,
    Choose,
    Const,
    Expr,
    Fit,
    ForAll,
    If,
    IfStmt,
    Let,
    LetStmt,
    Quant,
    Read,
    Require,
    Send,
    Sent,
    Stmt,
    base_name,
)
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
    initial_states,
    take,
)
from checker.core.operators.table import FALSE, TRUE
from checker.core.types import BOOL, Rec, Value, show
from checker.display import Display, natural
from checker.source import Source, Span
from checker.verdict import State, Step, Trace

MOST = 100  # characters of an expression that are worth repeating


@dataclass(frozen=True)
class Part:
    """A part of a condition: its text, whether it is true, and what the values in it are."""

    text: str
    truth: bool
    values: tuple[tuple[str, str], ...] = ()
    line: int | None = None


@dataclass
class Reason:
    """Why the property `name` (declared at `line`) is false: for these elements, because of these parts."""

    name: str
    line: int | None = None
    bindings: list[tuple[str, str]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Blocked:
    """Why `action` cannot happen for the processes `who`."""

    who: list[str]
    action: str
    why: str


@dataclass(frozen=True)
class FaultReport:
    """What a spec fault ran into: the step or property in which it happened, its place, the values involved, and, where a value did
    not fit, what does."""

    where: str
    span: Span | None
    values: tuple[tuple[str, str], ...]
    fits: str = ""


def snippet(source: Source, span: Span | None) -> str:
    """What stands at a place, on one line."""
    if span is None:
        return ""
    lines = [source.line(n) for n in range(span.line, span.end_line + 1)]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    text = " ".join(" ".join(line.split("#", 1)[0] for line in lines).split())
    return text if len(text) <= MOST else text[: MOST - 2] + " …"


class Explainer:
    """Explains what happens in the states of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.source = instance, instance.model.source
        self.display = Display(instance)

    # ── properties ──

    def property(self, name: str, trace: Trace) -> Reason | None:
        """Why a property is false at the end of a behaviour (None: it has no single state to look at)."""
        prop = next((p for p in self.instance.properties if p.name == name), None)
        if prop is None or prop.kind == "reachable":
            return None
        states = [trace.initial, *(s.state for s in trace.steps)]
        world = World(self.instance, states[-1])
        if prop.kind == "step":
            world = World(self.instance, states[-2], states[-1])
        reason = Reason(name, prop.span.line if prop.span else None)
        self._why(prop.expr, {}, world, False, reason)
        return reason

    def _why(self, e: Expr, env: Env, world: World, truth: bool, out: Reason) -> None:
        """Adds what makes `e` come out as `truth`."""

        def holds(x: Expr) -> bool:
            return bool(evaluate(x, env, world))

        match e:
            case Let():
                self._why(e.body, {**env, e.name: evaluate(e.value, env, world)}, world, truth, out)
            case Fit():
                self._why(e.value, env, world, truth, out)
            case Apply(op="not"):
                self._why(e.args[0], env, world, not truth, out)
            case If() if not _is_membership(e):
                for part, value in _deciding(e, holds(e.cond), truth):
                    self._why(part, env, world, value, out)
            case Quant() if truth == (e.kind == "exists"):
                found = next(x for x in self._elements(e, env, world) if bool(evaluate(e.body, {**env, e.name: x}, world)) == truth)
                out.bindings.append((base_name(e.name), self.display.value(found)))
                self._why(e.body, {**env, e.name: found}, world, truth, out)
            case _:
                out.parts.append(self._part(e, env, world, truth))

    def _elements(self, e: Quant, env: Env, world: World) -> list[Value]:
        return sorted(evaluate(e.domain, env, world), key=lambda x: natural(self.display.value(x)))

    def _part(self, e: Expr, env: Env, world: World, truth: bool) -> Part:
        return Part(snippet(self.source, e.span), truth, self.values(e, env, world), e.span.line if e.span else None)

    def values(self, node: Any, env: Env, world: World) -> tuple[tuple[str, str], ...]:
        """The values of the parts of a node, as (text, value), where the text does not say it already."""
        return tuple(dict(v for arg in _operands(node) for v in self._value(arg, env, world)).items())

    def _value(self, e: Expr, env: Env, world: World) -> Iterator[tuple[str, str]]:
        text = snippet(self.source, e.span)
        try:
            value = self.display.value(evaluate(e, env, world), e.type)
        except (Fault, KeyError):
            return
        if text and text != value:
            yield text, value

    # ── deadlock ──

    def blocked(self, state: State) -> list[Blocked]:
        """For each action, why it cannot happen in a state."""
        out: list[Blocked] = []
        for action in self.instance.actions:
            groups: dict[str, list[str]] = {}
            for itself, why in self._obstacles(action, state):
                groups.setdefault(why, [])
                who = self.display.process(action.process, itself)
                if who and who not in groups[why]:
                    groups[why].append(who)
            rows = [Blocked(self._who(action, who), self._name(action), why) for why, who in groups.items()]
            out += rows[:4]
            if len(rows) > 4:
                out.append(Blocked([], self._name(action), f"{len(rows) - 4} more ways, no different in kind"))
        return out

    def _who(self, action: Transition, who: list[str]) -> list[str]:
        n = next((len(list(_assignments((p,)))) for p in action.params if p[0] == "self"), 0)
        return [f"each {action.process}"] if n > 4 and len(who) == n else who

    def _name(self, action: Transition) -> str:
        return base_name(action.name)

    def _obstacles(self, action: Transition, state: State) -> Iterator[tuple[Value, str]]:
        for env, stop in self.stops(action, state):
            if stop.kind == "nothing to receive":
                assert action.receive
                yield env.get("self"), f"no {action.receive.message} to receive"
            elif stop.kind == "blocked":
                yield env.get("self"), self._obstacle(action, stop)

    def _obstacle(self, action: Transition, stop: Stop) -> str:
        s = stop.statement
        if s is None or s.span is None:
            return "the budget of this fault is used up" if action.kind not in ("action", "handler") else "it has stopped"
        if isinstance(s, Choose):
            return f"line {s.span.line}: nothing to choose in `{snippet(self.source, s.span)}`"
        assert isinstance(s, Require)
        reason = Reason("")
        self._why(s.cond, stop.env, stop.world, False, reason)
        return f"line {s.span.line}: " + ", and ".join(_told(p) for p in reason.parts)

    def stops(self, action: Transition, state: State) -> Iterator[tuple[Env, Stop]]:
        """Each way to start an action, and where its run ends."""
        world = World(self.instance, state)
        for env in _assignments(action.params):
            if action.receive is None:
                yield from ((env, stop) for stop in run(action.body, env, world))
                continue
            m = self.instance.messages[action.receive.message]
            messages = list(deliverable(world, m, env.get("self")))
            if not messages:
                yield env, Stop("nothing to receive", None, env, world)
            for message in messages:
                bound = dict(zip(action.receive.fields, message.values, strict=False))
                if action.receive.sender:
                    bound[action.receive.sender] = message.values[-1]
                taken = World(self.instance, take(world, m, message))
                for stop in run(action.body, {**env, **bound}, taken):
                    yield env, replace(stop, received=message)

    # ── spec faults ──

    def fault(self, state: State, text: str, place: str | None) -> FaultReport | None:
        """The spec fault with this text that something runs into in a state."""
        found = [*self._faults_of_actions(state), *self._faults_of_properties(state)]
        exact = [f for f in found if f[1].text == text and self.instance.model.place(f[1].node) == place]
        for where, fault, env, world in exact or [f for f in found if f[1].text in text]:
            return self._fault(where, fault, env, world)
        return None

    def _fault(self, where: str, fault: Fault, env: Env, world: World) -> FaultReport:
        node = fault.node
        inner = [x for a in _operands(node) for x in (a, *_leaves(a))]
        values = dict(v for x in inner for v in self._value(x, env, world))
        fits = show(node.type) if isinstance(node, Fit) and node.type != BOOL else ""
        return FaultReport(where, node.span, tuple(values.items()), fits)

    def initial_fault(self) -> FaultReport | None:
        """The spec fault of an initial value."""
        try:
            list(initial_states(self.instance))
        except Fault as fault:
            return self._fault("an initial value", fault, {}, World(self.instance, {}))
        return None

    def _faults_of_actions(self, state: State) -> Iterator[tuple[str, Fault, Env, World]]:
        for action in self.instance.actions:
            for env, stop in self.stops(action, state):
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


# ── running an action to where it ends ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Stop:
    """Where a run of an action ends.  kind: "done" | "blocked" | "fault" | "nothing to receive"."""

    kind: str
    statement: Stmt | None
    env: Env
    world: World
    fault: Fault | None = None
    received: Rec | None = None


def run(body: tuple[Stmt, ...], env: Env, world: World) -> Iterator[Stop]:
    """Runs statements as `meaning` does, and tells where each run ends."""
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


# ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _told(p: Part) -> str:
    values = ", ".join(f"{n} = {v}" for n, v in p.values)
    return f"`{p.text}` is {'true' if p.truth else 'false'}" + (f", as {values}" if values else "")


def _deciding(e: If, cond: bool, truth: bool) -> list[tuple[Expr, bool]]:
    """The parts of a conjunction, disjunction, implication or choice that make it come out as `truth`."""
    if e.orelse == FALSE:  # and
        both = [(e.cond, True), (e.then, True)]
        return both if truth else [(e.then, False)] if cond else [(e.cond, False)]
    if e.then == TRUE:  # or
        neither = [(e.cond, False), (e.orelse, False)]
        return neither if not truth else [(e.cond, True)] if cond else [(e.orelse, True)]
    if e.orelse == TRUE:  # implies
        return [(e.cond, True), (e.then, truth)] if cond else [(e.cond, False)]
    return [(e.cond, cond), (e.then if cond else e.orelse, truth)]


def _is_membership(e: If) -> bool:
    """`x in S` where x need not be of the type of the elements."""
    return isinstance(e.cond, Apply) and e.cond.op == "fits"


def _operands(node: Any) -> list[Expr]:
    """The parts of a condition or of a faulting operation whose values are worth telling."""
    match node:
        case If() if _is_membership(node) and isinstance(node.then, Apply):
            return _operands(node.then)
        case Apply():
            return [x for a in node.args for x in [_bare(a)] if not isinstance(x, Const)]
        case Fit():
            return [_bare(node.value)]
        case Sent():
            return [_bare(a) for a in (*node.args, node.to, node.sender) if a is not None and not isinstance(_bare(a), Const)]
        case Assign():
            return [x for x in node.path if isinstance(x, Expr)]
        case Quant():
            return [x for x in [_bare(node.domain)] if isinstance(x, Read)]
    return []


def _leaves(e: Expr) -> list[Expr]:
    """The variables and names that an arithmetic expression is made of."""
    if isinstance(e, Apply) and e.op in ("add", "sub", "mul", "div", "mod", "neg", "union", "diff", "inter", "concat"):
        return [x for a in e.args for x in (_leaves(_bare(a)) or [_bare(a)]) if not isinstance(x, Const)]
    return []


def _bare(e: Expr) -> Expr:
    return _bare(e.value) if isinstance(e, Fit) else e


__all__ = ["Blocked", "Explainer", "FaultReport", "Part", "Reason", "Stop", "run", "snippet"]
