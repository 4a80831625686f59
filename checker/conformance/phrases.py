"""Expressions of the spec's language that stand in a binding: over the state, and over the names that the binding gives to
fields.

`[names]` gives a field a type: `self = "Server = node"`. These are the only names beside those of the spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checker.conformance.binding import Binding
from checker.conformance.fields import MISSING, Getter, Reader
from checker.conformance.order import Event
from checker.conformance.values import Decoder, Foreign
from checker.core.bind import Binder, Instance, free
from checker.core.ir import Apply, Expr, Fit, Read
from checker.core.operators.table import TypeMismatch
from checker.core.types import BOOL, INT, Int, Map, Option, Rec, Record, Seq, Set, Type, Value, member, show
from checker.errors import SpecErrors
from checker.language import Phrases
from checker.settings import Mistake, nearest


@dataclass(frozen=True)
class Path:
    """A place in the state: a variable, and the way inside it (an expression for an index, a text for a field)."""

    var: str
    steps: tuple[Expr | str, ...]
    type: Type
    text: str


@dataclass
class Name:
    """A name of the binding: its type, and the field that it stands for."""

    type: Type
    want: Getter
    text: str

    def __post_init__(self) -> None:
        self.ranged = isinstance(self.type.elem if isinstance(self.type, Option) else self.type, Int | Record)


class Speaker:
    """Reads the binding's expressions over the state."""

    def __init__(self, instance: Instance, binding: Binding, reader: Reader) -> None:
        self.instance, self.binding = instance, binding
        self.phrases = Phrases(instance.model)
        self.binder = Binder(instance.model, instance.sizes)
        self.binder.vars = {v.name: v.type for v in instance.vars.values()}
        self.binder.messages = instance.messages
        self.decoder = Decoder(instance, binding.values)
        self.model_types: dict[str, Type] = {}
        self.names = {n: self._name(n, text, reader) for n, text in binding.names.items()}

    def _name(self, name: str, text: str, reader: Reader) -> Name:
        kind, equals, want = (part.strip() for part in text.partition("="))
        if not equals or want.startswith("="):
            raise self.binding.mistake(f"`{name}` of [names] is `TYPE = FIELD`, not `{text}`", text)
        t = self.type(kind, text)
        self.model_types[name] = t
        try:
            return Name(self.binder.type(t), reader.read(want), want)
        except Mistake as why:
            raise self.binding.mistake(why.text, text, why.hint) from None

    def type(self, text: str, near: str) -> Type:
        """A type by its name; also `T?`, `set[T]` and `seq[T]`."""
        if text.endswith("?"):
            return Option(self.type(text[:-1].strip(), near))
        for word, make in (("set[", Set), ("seq[", Seq)):
            if text.startswith(word) and text.endswith("]"):
                return make(self.type(text[4:-1].strip(), near))
        types = {**self.instance.model.types, "bool": BOOL, "int": INT}
        if text not in types:
            raise self.binding.mistake(f"{self.instance.model.name} has no type `{text}`", near, nearest(text, types))
        return types[text]

    def expr(self, text: str) -> tuple[Expr, frozenset[str]]:
        """An expression over the state, and the names of the binding in it.  Raises Mistake."""
        try:
            found = self.phrases.read(text, "property", self.binding.file, self.model_types)
            env = {n: x.type for n, x in self.names.items()}
            e = self.binder.expr(found, env)
        except SpecErrors as why:
            d = why.diagnostics[0]
            hint = d.hint or (f"expected {d.expected}" if d.expected else None)
            raise self.binding.mistake(f"`{text}`: {d.message}", text, hint) from None
        except TypeMismatch as why:
            raise self.binding.mistake(f"`{text}`: {why}", text) from None
        return e, free(e) & frozenset(self.names)

    def condition(self, text: str) -> tuple[Expr, frozenset[str]]:
        e, names = self.expr(text)
        if e.type != BOOL:
            raise self.binding.mistake(f"`{text}` is a {show(e.type)}, and should be a condition", text)
        return e, names

    def path(self, text: str) -> Path:
        """A place of the state.  Raises Mistake."""
        e, _ = self.expr(text)
        steps: list[Expr | str] = []
        inner = e
        while not isinstance(inner, Read):
            match inner:
                case Apply(op="index"):
                    steps.append(inner.args[1])
                    inner = inner.args[0]
                case Apply(op="field"):
                    steps.append(str(inner.attr))
                    inner = inner.args[0]
                case Fit():
                    inner = inner.value
                case _:
                    raise self.binding.mistake(f"`{text}` is no variable or part of one", text)
        return Path(inner.var, tuple(reversed(steps)), e.type, text)

    def env(self, e: Event) -> dict[str, Value]:
        """The values of the names in one event; a name whose field is not there is left out."""
        out = {}
        for name, n in self.names.items():
            raw = n.want(e.data)
            if raw is MISSING or (raw is None and not isinstance(n.type, Option)):
                continue
            v = out[name] = self.decoder.field(e, n.type, raw, n.text)
            if n.ranged and not member(v, n.type):
                raise Foreign(f"{e.place}: `{n.text}`: {v} is no {show(n.type)}")
        return out


def put(machine: Any, state: dict[str, Value], path: Path, env: dict[str, Value], value: Value) -> dict[str, Value]:
    """The state with another value at a place."""

    def inside(old: Value, steps: tuple[Any, ...]) -> Value:
        if not steps:
            return value
        key: Any = steps[0] if isinstance(steps[0], str) else machine.value(steps[0], env, state)
        if isinstance(old, Rec):
            at = machine.instance.records[old.name].index(key)
            return Rec(old.name, (*old.values[:at], inside(old.values[at], steps[1:]), *old.values[at + 1 :]))
        if isinstance(old, Map):
            return old.set(key, inside(old[key], steps[1:]))
        return (*old[:key], inside(old[key], steps[1:]), *old[key + 1 :])

    return {**state, path.var: inside(state[path.var], path.steps)}
