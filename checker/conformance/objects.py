"""A sequential object: a spec whose global actions are its operations, as a table from (state, operation) to states.

An action's parameters are what is asked; a parameter, or a choice, of the name `result` is what is answered.  Values of
sorts are whatever stands in the history.  States and operations are small numbers here: the search compares nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from checker.conformance.clauses import reads_at
from checker.conformance.fields import MISSING
from checker.conformance.histories import Operation
from checker.conformance.properties import expressions
from checker.conformance.steps import TooOpen
from checker.conformance.values import Decoder, Unreadable
from checker.core.bind import Instance, Transition, bind
from checker.core.ir import Assign, Choose, Node, Require, base_name
from checker.core.meaning import Fault, State, initial_states
from checker.core.model import InstanceDecl, Model
from checker.core.types import Bool, Id, Option, Seq, Sort, Tuple, Type, Value, card
from checker.engines.python.compiled import Compiled
from checker.settings import Mistake, nearest
from checker.trace import Plain

ALIASES = {
    "get": "read", "r": "read", "put": "write", "set": "write", "w": "write", "compareandset": "cas", "compareandswap": "cas",
    "read": "get", "write": "put", "lock": "acquire", "unlock": "release",
}  # fmt: skip
OBJECTS = ("register", "mutex", "append_register")  # those that are shipped, in the order in which they are thought of
MOST = 4096  # values of an answer that is not known


class Object:
    """The object of a model, for the values that stand in some operations.  Raises Mistake, BindError."""

    def __init__(self, model: Model, operations: list[Operation], instance: str | None = None) -> None:
        self.model, self.name = model, model.name
        if not model.actions or any(a.process for a in model.actions):
            hint = "its operations are global actions; `register` is one, docs/guides/linearizable.md tells more"
            raise Mistake(f"{model.name} is no sequential object", hint)
        self.ids: dict[str, int] = {}
        self.asked = {o.given for o in operations if isinstance(o.given, str) and o.given}
        self._pattern = re.compile("|".join(map(re.escape, sorted(self.asked, key=lambda x: (-len(x), x)))) or r"\b\B")
        uses = any(base_name(n) == "process" for a in model.actions for n, _ in a.params)
        for o in operations:
            for x in (o.given, o.answer, o.process if uses else MISSING):
                self._collect(x)
        self.instance = self._bound(instance)
        self.compiled = Compiled(replace(self.instance, properties=(), bound=None))
        self.actions = {_key(a.name): a for a in self.instance.actions}
        self.plain, self.decoder = Plain(self.instance), Decoder(self.instance, {})
        self.shown = [n for n, v in self.instance.vars.items() if not v.ghost and not v.hidden]
        self.blind: dict[str, bool] = {}
        self.numbers: dict[Any, int] = {}
        self.states: list[State] = []
        self.classes: dict[Any, int] = {}
        self.calls: list[tuple[Transition, dict[str, Value]]] = []
        self.known: list[dict[int, tuple[int, ...]]] = []
        self.initial = [self._number(s) for s in initial_states(self.instance)]

    def _bound(self, name: str | None) -> Instance:
        m = self.model
        if name is not None and name not in m.instances:
            raise Mistake(f"{m.name} has no instance `{name}`", nearest(name, m.instances))
        base = m.instances[name] if name else next(iter(m.instances.values()), InstanceDecl("history"))
        names = {s: tuple(self.ids) or ("null",) for s in m.sorts}
        given = {k: v for k, v in base.sizes.items() if k not in m.sorts and (name or m.params[k].default is None)}
        decl = replace(base, sizes=given, names=names, bound=None, expect=None)
        return bind(replace(m, instances={decl.name: decl}), decl.name, {s: len(n) for s, n in names.items()})

    def _collect(self, x: Any) -> None:
        if x is MISSING:
            return
        self.ids.setdefault(_text(x), len(self.ids))
        for y in x if isinstance(x, list) else x.values() if isinstance(x, dict) else ():
            self._collect(y)

    # ── operations ──

    def operation(self, o: Operation) -> int:
        """The number of what was asked and answered.  Raises Mistake."""
        action = self._action(o)
        wanted = [(base_name(n), t) for n, t in action.params if base_name(n) != "result"]
        own = [(n, t) for n, t in wanted if n == "process"]
        wanted = [x for x in wanted if x not in own]
        known = {n: self._read(o, t, o.process) for n, t in own} | self._asked(o, wanted)
        result = self._result(action)
        if result is not None and o.known:
            answer = self._answered(o, bool(wanted), result)
            if answer is not MISSING:
                known["result"] = self._read(o, result, answer)
        elif isinstance(result, Type) and card(result) > MOST and not self.pure(action) and self._is_parameter(action):
            raise Mistake(f"{o.at.place}: {TooOpen(action, 'result', card(result))}", "let it be chosen: `choose result in {…}`")
        key = (action.name, tuple(known.items()))
        if key not in self.classes:
            self.classes[key] = len(self.calls)
            self.calls.append((action, known))
            self.known.append({})
        return self.classes[key]

    def _action(self, o: Operation) -> Transition:
        name = _key(o.f)
        found = self.actions.get(name) or self.actions.get(ALIASES.get(name, ""))
        if found is None:
            has = [a.name for a in self.instance.actions]
            hint = nearest(o.f, has) or f"it has {', '.join(has)}; --object takes another spec"
            raise Mistake(f"{o.at.place}: {self.model.name} has no operation `{o.f}`", hint)
        return found

    def _asked(self, o: Operation, wanted: list[tuple[str, Type]]) -> dict[str, Value]:
        if not wanted:
            return {}
        given = o.given if o.given is not MISSING else None
        if len(wanted) == 1 and not (isinstance(given, dict) and wanted[0][0] in given):
            return {wanted[0][0]: self._read(o, wanted[0][1], given)}
        if isinstance(given, dict):
            given = [given[n] for n, _ in wanted] if all(n in given for n, _ in wanted) else list(given.values())
        if not isinstance(given, list) or len(given) != len(wanted):
            asks = ", ".join(n for n, _ in wanted)
            raise Mistake(f"{o.at.place}: `{o.f}` asks for {len(wanted)} values ({asks}), not for {_text(given)}")
        return {n: self._read(o, t, x) for (n, t), x in zip(wanted, given, strict=True)}

    def _result(self, action: Transition) -> Type | None:
        """The type of an action's answer."""
        for n, t in action.params:
            if base_name(n) == "result":
                return t
        return next((s.type for s in _chooses(action.body) if base_name(s.name) == "result"), None)

    def _is_parameter(self, action: Transition) -> bool:
        return any(base_name(n) == "result" for n, _ in action.params)

    def _answered(self, o: Operation, asks: bool, t: Type) -> Any:
        """Jepsen repeats the question in the answer; a bool is then true, for what is false fails."""
        if isinstance(t, Bool) and not o.explicit and o.answer in (None, MISSING):
            return True
        if o.explicit or not asks or (o.answer is not MISSING and o.answer != o.given):
            return o.answer
        return True if isinstance(t, Bool) else MISSING

    def _read(self, o: Operation, t: Type, j: Any) -> Value:
        try:
            return self._value(t, j)
        except Unreadable as why:
            raise Mistake(f"{o.at.place}: `{o.f}`: {why}, which {self.model.name} wants", why.hint) from None

    def _value(self, t: Type, j: Any) -> Value:
        match t:
            case Option(e):
                return None if j is None else self._value(e, j)
            case Sort(s, _):
                return Id(s, self.ids[_text(j)])
            case Seq(Sort(), _) if isinstance(j, str):
                return self._pieces(t.elem, j)
            case Seq(e, _) if isinstance(j, list):
                return tuple(self._value(e, x) for x in j)
            case Tuple(es) if isinstance(j, list) and len(j) == len(es):
                return tuple(self._value(e, x) for e, x in zip(es, j, strict=True))
        return self.decoder.read(t, j)

    def _pieces(self, t: Type, text: str) -> Value:
        """A text as the pieces that were put and appended, the longest first; one that is none of those stands for itself."""
        if not text:
            return ()
        if text in self.asked:
            return (self._value(t, text),)
        pieces = self._pattern.findall(text)
        return tuple(self._value(t, x) for x in (pieces if "".join(pieces) == text else [text]))

    def pure(self, action: Transition) -> bool:
        """Does it change nothing, whatever it answers?"""
        return all(not s.writes for s in self.compiled.by_name[action.name])

    def reads_only(self, c: int) -> bool:
        return self.pure(self.calls[c][0])

    def hides(self, c: int, before: int) -> bool:
        """Is nothing seen of an operation right before another?  Both set everything, whatever there was."""
        return self._blind(self.calls[c][0]) and self._blind(self.calls[before][0])

    def _blind(self, action: Transition) -> bool:
        """Does it set every variable, and look at none?"""
        if (known := self.blind.get(action.name)) is None:
            sets = {s.var for s in action.body if isinstance(s, Assign) and not s.path}
            looks = any(True for e in expressions(action.body) for _ in reads_at(self.instance, e, frozenset()))
            plain = not any(isinstance(s, Require | Choose) for s in action.body)
            known = self.blind[action.name] = plain and not looks and sets >= set(self.shown)
        return known

    # ── states ──

    def _number(self, s: State) -> int:
        key = tuple(s[n] for n in self.shown)
        if key not in self.numbers:
            self.numbers[key] = len(self.states)
            self.states.append(s)
        return self.numbers[key]

    def after(self, s: int, c: int) -> tuple[int, ...]:
        """The states that an operation can lead to; none: it does not fit.  Raises Mistake for a fault of the spec."""
        known = self.known[c]
        if s not in known:
            same = known and self._blind(self.calls[c][0])
            known[s] = next(iter(known.values())) if same else tuple(dict.fromkeys(self._outcomes(s, c)))
        return known[s]

    def _outcomes(self, s: int, c: int) -> Iterator[int]:
        action, given = self.calls[c]
        for out in self.compiled.successors(action, self.states[s], given):
            if out.state is None:
                assert isinstance(out.fault, Fault)
                raise Mistake(
                    f"{self.model.name}: `{action.name}` in {self.state(s)}: {out.fault}", "an object answers every call"
                )
            yield self._number(out.state)

    def look_at(self, c: int) -> None:
        """States are told whole."""

    def call(self, o: Operation, c: int) -> str:
        """An operation, as it was asked and answered."""
        _, values = self.calls[c]
        given = [self.value(v) for n, v in values.items() if n != "result"]
        answer = f" → {self.value(values['result'])}" if "result" in values else ""
        return f"{o.f}({', '.join(given)}){answer}"

    def state(self, s: int) -> str:
        values = self.states[s]
        return ", ".join(f"{n} = {self.value(values[n])}" for n in self.shown)

    def value(self, v: Value) -> str:
        """As it stands in the history."""
        found = self.plain.value(v)
        return found if isinstance(found, str) else _text(found)


def _chooses(body: tuple[Node, ...]) -> Iterator[Choose]:
    for s in body:
        if isinstance(s, Choose):
            yield s
        for part in ("then", "orelse", "body"):
            yield from _chooses(getattr(s, part, ()))


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _text(x: Any) -> str:
    return msgspec.json.encode(x).decode()


def has(model: Model, f: str) -> bool:
    """Has an object an operation of this name?"""
    names = {_key(a.name) for a in model.actions}
    return not names.isdisjoint({_key(f), ALIASES.get(_key(f), "")})
