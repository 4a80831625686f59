"""Rejections in words: guards with the values in them, what differs, what is possible instead. The values are those of the
definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from checker.conformance.fields import MISSING
from checker.conformance.order import Event
from checker.conformance.plans import Call
from checker.conformance.rules import Kind, Look
from checker.conformance.search import Config, Note, Played, Search
from checker.conformance.steps import Machine, TooOpen
from checker.conformance.validate import Stopped
from checker.core import model as m
from checker.core.bind import BindError, Instance, Transition, bind
from checker.core.ir import Choose, Const, Require, base_name
from checker.core.meaning import Fault, State, World, in_order, take
from checker.core.types import INT, Rec, Type, Value, member, show, values
from checker.display import Display
from checker.explain import Explainer, snippet
from checker.settings import Mistake
from checker.stuck import run
from checker.verdict import Step

RANK = ("foreign", "property", "after", "sent", "twice", "fault", "blocked", "astray", "received", "before", "late")


def obstacle(explainer: Explainer, stop: Any) -> str:
    """What a run of an action ends at, with the values in it."""
    s = stop.statement
    if s is None or s.span is None:
        return "it has stopped, or the budget of the fault is used up, or there is nothing that it could befall"
    place = f"line {s.span.line}"
    if isinstance(s, Choose):
        return f"{place}: nothing to choose in `{snippet(explainer.source, s.span)}`"
    assert isinstance(s, Require)
    reason = explainer.condition(s.cond, stop.env, stop.world)
    parts = list(reason.leaves())
    told = ", and ".join(f"`{p.text}` is {'true' if p.truth else 'false'}" for p in parts)
    pairs = dict(pair for r in (reason, *parts) for pair in (*r.bindings, *r.values))
    values = ", ".join(f"{a} = {b}" for a, b in pairs.items())
    return f"{place}: {told}" + (f", as {values}" if values else "")


class Reasons:
    """Words for one search."""

    def __init__(self, search: Search, instance: Instance | None = None) -> None:
        self.search, self.instance, self.machine = search, instance or search.instance, search.machine
        self.display, self.explainer = Display(self.instance), Explainer(self.instance)
        self.source = self.instance.model.source

    def told(self, notes: list[Note], s: Stopped, most: int) -> tuple[list[str], list[dict[str, Any]]]:
        """The different reasons, the best first; and the observations that differ, as data."""
        rows: dict[str, int] = {}
        different: list[dict[str, Any]] = []
        for n in notes:
            try:
                lines = list(self._note(n, s, different))
            except (Fault, Mistake, TooOpen):
                lines = []
            for line in lines:
                rows.setdefault(line, RANK.index(n.kind) if n.kind in RANK else len(RANK))
        if s.left:
            rows["it had to wait for other events, and none of the orders that are possible explains it"] = -1
        best = sorted(rows, key=rows.__getitem__)
        unique = {(d["expression"], d["when"], str(d["spec"])): d for d in different}
        return best[:most], list(unique.values())[:most]

    def _note(self, n: Note, s: Stopped, different: list[dict[str, Any]]) -> Iterator[str]:
        match n.kind:
            case "after" | "before":
                yield self._differs(n, different)
            case "blocked" if n.call and n.state:
                yield from self._blocked(n.call, n.what[0], n.what[1], n.state)
            case "fault" if n.call:
                fault = n.what[2]
                yield f"{self._label(n.call, n.what[0])}: the spec has a fault here: {fault.text} ({self._place(fault.node)})"
            case "received":
                yield self._received(n)
            case "astray":
                yield self._astray(n)
            case "sent":
                yield self._sent(n)
            case "twice":
                mid, one, other = n.what[0], *map(self.display.sent, n.what[1:])
                yield f"the id {mid} is that of {one}, which is on its way, and cannot be that of {other} as well"
            case "property":
                yield self._property(n)
            case "early":
                yield s.event.early or s.event.clash
            case "foreign":
                what = n.what.text.removeprefix(f"{s.event.place}: ")
                yield f"{what}, though other lines have one" + (f" ({n.what.hint})" if n.what.hint else "")
            case "late":
                yield "it gives the initial state, but steps have been taken already"

    # ── one kind of reason each ──

    def _differs(self, n: Note, different: list[dict[str, Any]]) -> str:
        look, want, got = n.what
        when = "after the step" if n.kind == "after" else "before the step"
        if isinstance(got, Fault):
            return f"{when} `{look.text}` has no value: {got.text}"
        told = self.value(got, look.type)
        if look.want is None:
            return f"{when} `{look.text}` is false{self._operands(look, n)}"
        if want is MISSING:
            return f"{when} `{look.text}` is {told}, but the log says that it did not change"
        log = self.value(want, look.type)
        if isinstance(look.expr, Const):
            return f"`{look.field}` is {log}, and has to be {told}"
        different.append({"expression": look.text, "when": n.kind, "spec": told, "log": log, "field": look.field})
        return f"{when} `{look.text}` is {told} in the spec, but {log} in the log (`{look.field}`)"

    def _operands(self, look: Look, n: Note) -> str:
        env = self.search.rules.speaker.env(self._event) if self._event else {}
        pairs = self.explainer.values(look.expr, env, World(self.instance, n.state or {}))
        return ": " + ", ".join(f"{a} = {b}" for a, b in pairs) if pairs else ""

    _event: Event | None = None

    def _blocked(self, call: Call, args: dict[str, Value], message: Rec | None, state: State) -> Iterator[str]:
        label, seen = self._label(call, args), False
        for env in self._params(call.action.params, args):
            world = World(self.instance, state)
            bound = dict(env)
            if message is not None and call.action.receive:
                bound.update(zip(call.action.receive.fields, message.values, strict=False))
                if call.action.receive.sender:
                    bound[call.action.receive.sender] = message.values[-1]
                if not self.search.machine.hollow:
                    world = World(self.instance, take(world, self.instance.messages[message.name], message))
            for stop in run(call.action.body, bound, world):
                if stop.kind == "blocked":
                    seen = True
                    yield f"{label}: {obstacle(self.explainer, stop)}"
        if not seen:
            outside = [f"{k} = {self.value(v)}" for k, v in args.items()]
            yield f"{label}: not possible with {', '.join(outside) or 'anything'}"

    def _params(self, params: tuple[tuple[str, Type], ...], given: dict[str, Value]) -> Iterator[dict[str, Value]]:
        """Every way to choose the parameters, with those that are given."""
        if not params:
            yield {}
            return
        (name, t), rest = params[0], params[1:]
        key = base_name(name)
        for v in ([given[key]] if member(given[key], t) else []) if key in given else values(t):
            for env in self._params(rest, given):
                yield {name: v, **env}

    def _received(self, n: Note) -> str:
        r, known = n.what
        who = f"{self._label(n.call, {})}: " if n.call else ""
        if r is None:
            return f"{who}there is no such message"
        if known is None:
            named = f" with the id {r.id}" if r.id is not MISSING else ""
            return f"{who}no message {self._pattern(r.patterns[0])}{named} is on its way here"
        there = self.display.message(known)
        return f"{who}the message {r.id} on its way is {there}, but the log says {self._pattern(r.patterns[0])}"

    def _astray(self, n: Note) -> str:
        r, m, to, sender = n.what
        ends = [f"was sent to {' or '.join(sorted(map(self.value, to)))}, and another receives it"] if to else []
        ends += (
            [f"was sent by {self.value(m.sender)}, but the log says by {' or '.join(map(self.value, sender))}"] if sender else []
        )
        return f"the message {r.id}, {self.display.message(m)}, {', and '.join(ends)}"

    def _sent(self, n: Note) -> str:
        lines, sent = n.what
        spec = ", ".join(self.display.sent(m) for m in sent) or "nothing"
        log = ", ".join(self._pattern(x.patterns[0]) for x in lines) or "nothing"
        ids = [x.id for x in lines if x.id is not MISSING]
        twice = next((f", where the id {i} is that of several" for i in ids if ids.count(i) > 1), "")
        return f"the step sends {spec} in the spec, but {log} in the log{twice}"

    def _pattern(self, p: Any) -> str:
        fields = p.message.full.fields
        inside = [f"{n} = {self.value(p.known[i], t)}" for i, (n, t) in enumerate(fields) if i in p.known]
        return f"{p.message.name}({', '.join(inside)})"

    def _property(self, n: Note) -> str:
        breach, _ = n.what
        p = breach.property
        told = ", ".join(f"{k} = {self.value(v)}" for k, v in breach.env)
        at = f" ({self._place(p)})"
        who = f"{self._label(n.call, {})}: " if n.call else ""
        return f"{who}the {p.kind} {p.name}{at} is false after it" + (f" for {told}" if told else "")

    # ── names of things ──

    def value(self, v: Value, t: Type | None = None) -> str:
        text = self.display.value(v, t)
        return text if len(text) <= 160 else text[:158] + " …"

    def _label(self, call: Call | None, args: dict[str, Value]) -> str:
        if call is None:
            return ""
        inside = ", ".join(f"{n} = {self.value(v)}" for n, v in args.items())
        process = f"{call.action.process}." if call.action.process and not call.action.name.startswith(("crash", "stop")) else ""
        return process + base_name(call.action.name) + (f"({inside})" if inside else "")

    def _place(self, node: Any) -> str:
        return self.instance.model.place(node)

    def reads_as(self, e: Event, kind: Kind) -> str:
        """What the binding makes of a line."""
        self._event = e
        try:
            names = self.search.rules.speaker.env(e)
        except Mistake:
            names = {}
        told = ", ".join(f"{n} = {self.value(v)}" for n, v in names.items())
        at = f", {self.search.binding.file}:{kind.rule.at}" if kind.rule.at else ""
        return f"{kind.title}{at}" + (f", with {told}" if told else "")

    def past(self, e: Event, kind: Kind) -> str:
        return f"{e.place}  {kind.title}"

    # ── what is possible instead ──

    def enabled(self, c: Config, e: Event) -> list[str]:
        """The steps that this process could take, or all, by name; of those that differ in a choice only the first, and of
        each action two."""
        found: dict[str, dict[str, str]] = {}
        told = [a for a in self.instance.actions if a.name not in self.search.rules.untold]
        for label, _ in self.steps(c, e, told):
            name = label.split(", choosing")[0]
            found.setdefault(name.split("(")[0], {}).setdefault(name, label)
        some = [label for alike in found.values() for label in list(alike.values())[:2]]
        return sorted(some, key=lambda x: " receives " not in x)[:8]

    def steps(self, c: Config, e: Event, actions: Iterable[Transition] | None = None) -> Iterator[tuple[str, Config]]:
        """Steps of the spec that are possible in a configuration, of this event's process first."""
        try:
            env = self.search.rules.speaker.env(e)
        except Mistake:
            env = {}
        own = {"self": env["self"]} if "self" in env else {}
        for action in self.instance.actions if actions is None else actions:
            for message in self._messages(action, c, own.get("self")):
                yield from self._steps(action, c, own, message)

    def faults(self, c: Config, e: Event) -> Iterator[tuple[str, Config]]:
        """What crashes and losses that the binding does not declare would lead to."""
        model, name = self.instance.model, self.instance.name
        known = {(f.kind, f.target) for f in model.instances[name].faults}
        new = [("crash", p) for p in model.processes] + ([("loss", None)] if self.instance.network != "set" else [])
        faults = tuple(m.Fault(k, p, Const(INT, 1)) for k, p in new if (k, p) not in known)
        decl = replace(model.instances[name], faults=faults)
        try:
            other = bind(replace(model, instances={name: decl}), name, dict(self.instance.sizes))
            words = Reasons(self.search, other)
            words.machine = Machine(other, self.search.machine.hollow)
        except (BindError, Mistake):
            return
        extra = {v.name: v.init.value for v in other.vars.values() if v.name not in c.state and isinstance(v.init, Const)}
        inside = replace(c, state={**c.state, **extra})
        for label, d in words.steps(inside, e, [a for a in other.actions if a.kind in ("crash", "loss")]):
            yield label, replace(d, state={k: v for k, v in d.state.items() if k in c.state})

    def _messages(self, action: Transition, c: Config, me: Value) -> list[Rec | None]:
        if action.receive is None:
            return [None]
        decl = self.instance.messages[action.receive.message]
        there = self.search._there(c, Played(c.state), decl, MISSING, me, [])
        n = len(decl.payload.fields)
        fit = [m for m in there if m.name == decl.name and (not decl.to or me is None or m.values[n] == me)]
        return list(in_order(list(dict.fromkeys(fit))))[:4]

    def _steps(self, action: Transition, c: Config, own: dict[str, Value], message: Rec | None) -> Iterator[tuple[str, Config]]:
        given = own if any(n == "self" for n, _ in action.params) else {}
        machine = self.machine
        try:
            for count, o in enumerate(machine.outcomes(action, given, message, c.state)):
                if o.state is None:
                    continue
                state = o.state
                if state == c.state and not o.sent:
                    continue
                step = Step(action.name, action.kind, action.process, o.choices, message, o.sent, state)
                gone = (
                    None if message is None or self.search.keep else next((k for k, m in c.pairs.items() if m == message), None)
                )
                pairs = c.pairs if gone is None else c.pairs.changed({}, gone)
                yield self.display.label(step, c.state), Config(state, pairs, c.used)
                if count >= 8:
                    return
        except TooOpen:
            return


__all__ = ["Reasons", "show"]
