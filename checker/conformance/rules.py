"""A binding and an instance put together: what each event is, as steps to try and things to compare.

`Rules.occasion(event)` decodes an event once; the search then tries it on each state. Every expression of the binding is
read and typed here, before the first line, so that mistakes in it are found at once.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from checker.conformance.binding import Binding, Last, Rule, Silent, Texts
from checker.conformance.fields import MISSING, Fields, Getter, Reader, Turn
from checker.conformance.messages import Messages, Received, SentLine
from checker.conformance.order import Event
from checker.conformance.phrases import Path, Speaker
from checker.conformance.plans import Call, Item, Planner
from checker.conformance.unlogged import Unlogged
from checker.core.bind import Instance
from checker.core.ir import Expr
from checker.core.types import Rec, Type, Value
from checker.settings import Mistake


@dataclass
class Look:
    """A comparison: an expression over the state with a field of the event, or (no field) a condition that must hold."""

    text: str
    expr: Expr
    type: Type
    names: frozenset[str]
    field: str = ""
    want: Getter | None = None
    keeps: bool = False  # a field that is not there says: as before
    seen: int = 0  # how often it was compared


@dataclass
class Setting:
    """A part of the initial state and the field that gives it."""

    path: Path
    field: str
    want: Getter


@dataclass
class Kind:
    """A rule of the binding, read."""

    rule: Rule
    when: Getter
    plans: list[list[Item]]
    before: list[Look]
    after: list[Look]
    sets: list[Setting]
    seen: int = 0

    @property
    def title(self) -> str:
        return self.rule.name or (self.rule.do if isinstance(self.rule.do, str) else " or ".join(self.rule.do)) or self.rule.when


@dataclass
class Quiet:
    """A silent step, read."""

    silent: Silent
    when: Getter
    plan: list[Item]


@dataclass
class Occasion:
    """One event, decoded: what to compare with what, before and after; which messages went."""

    event: Event
    kind: Kind
    env: dict[str, Value]
    before: list[tuple[Look, Value]]
    after: list[tuple[Look, Value]]
    received: Received | None
    sent: list[SentLine] | None
    sets: list[tuple[Setting, Value]]
    args: dict[Any, list[dict[str, Value]]] = field(default_factory=dict)
    told: dict[Rec, int] = field(default_factory=dict)  # how many lines may be of such a message


def _actions(plans: list[list[Item]]) -> set[str]:
    return {c.action.name for plan in plans for item in plan for c in item.calls}


class Rules:
    """All rules of a binding for one instance."""

    def __init__(self, binding: Binding, instance: Instance, reader: Reader) -> None:
        self.binding, self.instance, self.reader = binding, instance, reader
        self.speaker = Speaker(instance, binding, reader)
        self.decoder = self.speaker.decoder
        self.messages = Messages(binding, instance, reader, self.decoder)
        self.planner = Planner(binding, instance, reader, self.speaker, self.messages)
        self.ignored: Counter[str] = Counter()
        self.ignore = [(text, self._field(text)) for text in binding.ignore]
        self.general = self._looks(binding.before), self._looks(binding.after)
        self.kinds = [self._kind(r) for r in binding.event]
        if binding.receive.when != "false":
            self.kinds.append(self._kind(Rule("receive", binding.receive.when, "receive")))
        self.quiet = [self._quiet(s) for s in binding.silent]
        self.last = self._last(binding.unlogged) if binding.unlogged.do else None
        told = [p for k in self.kinds for p in k.plans] + [q.plan for q in self.quiet]
        self.untold = _actions(self.last.plans if self.last else []) - _actions(told)
        if not self.kinds:
            raise Mistake(f"{binding.file}: it has no [[event]], so no line means anything", "see docs/guides/validate.md")

    # ── reading the binding ──

    def _field(self, text: Any) -> Getter:
        try:
            return self.reader.read(text)
        except Mistake as why:
            raise self.binding.mistake(why.text, text, why.hint) from None

    def _kind(self, r: Rule) -> Kind:
        own_before, own_after = self._looks(r.before), self._looks(r.after)
        before = [*(self.general[0] if r.observe else []), *own_before, *self._conditions(r.require_before)]
        after = [*(self.general[1] if r.observe else []), *own_after, *self._conditions(r.require)]
        texts = [r.do] if isinstance(r.do, str) else r.do
        plans = [self.planner.plan(t, r.args, r.at) for t in texts]
        sets = [Setting(self.speaker.path(lhs), str(rhs), self._field(rhs)) for lhs, rhs in r.set.items()]
        return Kind(r, self._field(r.when), plans, before, after, sets)

    def _quiet(self, s: Silent) -> Quiet:
        if not s.do:
            raise self.binding.mistake("[[silent]] needs `do`: the steps that leave no line", s.at)
        return Quiet(s, self._field(s.when), self.planner.plan(s.do, s.args, s.at))

    def _last(self, s: Last) -> Unlogged:
        texts = [s.do] if isinstance(s.do, str) else s.do
        return Unlogged(self._field(s.when), [self.planner.plan(t, s.args, t) for t in texts])

    def _looks(self, table: Texts) -> list[Look]:
        out = []
        for lhs, rhs in table.items():
            keeps = isinstance(rhs, dict)
            if keeps and set(rhs) != {"update"}:
                raise self.binding.mistake(f"`{lhs}` is a field, or {{ update = FIELD }}", lhs)
            text = rhs["update"] if keeps else rhs
            e, names = self.speaker.expr(lhs)
            out.append(Look(lhs, e, e.type, names, str(text), self._field(text), keeps))
        return out

    def _conditions(self, texts: Iterable[str]) -> list[Look]:
        out = []
        for text in texts:
            e, names = self.speaker.condition(text)
            out.append(Look(text, e, e.type, names))
        return out

    # ── reading an event ──

    def kind(self, e: Event) -> Kind | None:
        """What an event is; None if it is to be ignored.  Raises Mistake if the binding says nothing of it."""
        for text, when in self.ignore:
            if when(e.data):
                self.ignored[text] += len(e.lines)
                return None
        for k in self.kinds:
            if k.when(e.data):
                return k
        raise Mistake(
            f"{e.place}: no [[event]] of {self.binding.file} is for this line, and it is not ignored: {_shown(e.data)}",
            "add a rule for it, or a condition to `ignore`",
        )

    def occasion(self, e: Event, kind: Kind) -> Occasion:
        """An event decoded.  Raises Mistake where a field is no value of the type that is wanted."""
        env = self.speaker.env(e)
        received = self.messages.received(e)
        sent = self.messages.sent(e) if kind.rule.sends else None
        sets = [(s, self.read(e, s.path.type, s.want(e.data), s.field)) for s in kind.sets]
        return Occasion(e, kind, env, self._wanted(e, kind.before, env), self._wanted(e, kind.after, env), received, sent, sets)

    def _wanted(self, e: Event, looks: list[Look], env: dict[str, Value]) -> list[tuple[Look, Value]]:
        out: list[tuple[Look, Value]] = []
        for look in looks:
            if not look.names <= env.keys():
                continue
            if look.want is None:
                out.append((look, True))
                continue
            raw = look.want(e.data)
            if raw is not MISSING:
                out.append((look, self.read(e, look.type, raw, look.field)))
            elif look.keeps:
                out.append((look, MISSING))
        return out

    def arguments(self, o: Occasion, call: Call, i: int, given: Fields | None = None) -> dict[str, Value]:
        """The parameters of one step; what the event does not give is left out."""
        out: dict[str, Value] = {}
        data = o.event.data if not call.indexed else Turn(o.event.data, i)
        for name, (t, getter, text) in call.args.items():
            raw = getter(data)
            if raw is not MISSING:
                out[name] = self.read(o.event, t, raw, text)
        for name in call.named:
            if name in o.env and name not in out:
                out[name] = o.env[name]
        return out

    def read(self, e: Event, t: Type, raw: Any, text: str) -> Value:
        if raw is MISSING:
            raise Mistake(f"{e.place}: this line has no `{text}`", "it is needed for what the binding says of the line")
        return self.decoder.field(e, t, raw, text)


def _shown(data: Fields) -> str:
    import msgspec

    text = msgspec.json.encode({k: v for k, v in data.items() if k not in ("lines", "first", "last")}).decode()
    return text if len(text) <= 100 else text[:98] + " …"


__all__ = ["Call", "Item", "Kind", "Look", "Occasion", "Quiet", "Rules", "Setting", "ast"]
