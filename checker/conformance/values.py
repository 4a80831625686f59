"""JSON values as values of the spec, by the type that is wanted where they stand.

Numbers, bools, members of enums and names of identities are themselves; null is none; lists are sequences, sets and tuples;
objects are records and maps.  `[values.TYPE]` of a binding says what is written otherwise in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checker.core.bind import Instance
from checker.core.types import (
    REST,
    Bag,
    BagOf,
    Bool,
    Enum,
    Id,
    Int,
    Map,
    MapOf,
    Option,
    Rec,
    Record,
    Seq,
    Set,
    Sort,
    Sparse,
    Tuple,
    Type,
    Value,
    card,
    is_vast,
    show,
)
from checker.settings import Mistake, nearest


class Unreadable(Exception):
    """A JSON value that is no value of the type that is wanted."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


class Foreign(Mistake):
    """A value that no state of the spec can have, in a field that could be read on other lines: the log says something that the
    spec does not allow."""


def text_of(j: Any) -> str:
    """How a JSON scalar is written as a key of `[values.TYPE]`, and as the name of an identity."""
    if j is None:
        return "null"
    if isinstance(j, bool):
        return "true" if j else "false"
    return str(j)


class Decoder:
    """Reads JSON as values of one instance.  `written`: type name → how a value is written in the log → how in the spec."""

    def __init__(self, instance: Instance, written: dict[str, dict[str, str]]) -> None:
        self.written = written
        self.quick: dict[int, tuple[Type, Callable[[Any], Value]]] = {}
        self.legible: set[str] = set()  # fields that could be read
        self.identities = {s: {name: Id(s, i) for i, name in enumerate(_names(instance, s))} for s in instance.model.sorts}

    def read(self, t: Type, j: Any) -> Value:
        """The value of type t.  Ranges are not looked at.  Raises Unreadable."""
        known = self.quick.get(id(t))  # types are large to hash
        if known is None:
            known = self.quick[id(t)] = t, self._quick(t)
        return known[1](j)

    def field(self, at: Any, t: Type, j: Any, text: str) -> Value:
        """The value of a field of an event.  Raises Foreign, or Mistake if the field could never be read."""
        try:
            found = self.read(t, j)
        except Unreadable as why:
            kind = Foreign if text in self.legible else Mistake
            raise kind(f"{at.place}: `{text}`: {why}", why.hint) from None
        self.legible.add(text)
        return found

    def _quick(self, t: Type) -> Callable[[Any], Value]:
        """What reads values of one type; what is common without a look at the type."""
        if getattr(t, "name", None) in self.written:
            return lambda j: self._read(t, j)
        match t:
            case Int():
                return lambda j: j if type(j) is int else self._read(t, j)
            case Sort(s, _) | Enum(s, _):
                known = self.identities[s] if isinstance(t, Sort) else {m: m for m in t.members}
                return lambda j: known[j] if type(j) is str and j in known else self._read(t, j)
            case Option(e) if getattr(e, "name", None) not in self.written:
                inner = self._quick(e)
                return lambda j: None if j is None else inner(j)
            case Record(name, fields):
                inside = [(n, self._quick(f)) for n, f in fields]
                return lambda j: (
                    Rec(name, tuple([f(x) for (_, f), x in zip(inside, j, strict=True)]))
                    if type(j) is list and len(j) == len(inside)
                    else self._read(t, j)
                )
            case Seq(e, _):
                each = self._quick(e)
                return lambda j: tuple([each(x) for x in j]) if type(j) is list else self._read(t, j)
        return lambda j: self._read(t, j)

    def _read(self, t: Type, j: Any) -> Value:
        name = getattr(t.elem if isinstance(t, Option) else t, "name", None)
        if name in self.written and not isinstance(j, list | dict):
            other = self.written[name].get(text_of(j))
            if other is not None:
                return self._literal(t, other)
        match t:
            case Option(e):
                return None if j is None else self.read(e, j)
            case Bool() if isinstance(j, bool):
                return j
            case Int() if isinstance(j, int) and not isinstance(j, bool):
                return j
            case Int() if isinstance(j, float) and j.is_integer():
                return int(j)
            case Enum(_, members):
                if j in members:
                    return j
                raise Unreadable(f"{_shown(j)} is no {show(t)}", self._hint(name, j, members))
            case Sort(s, _):
                return self._identity(s, j)
            case _ if isinstance(j, list | dict):
                return self._structure(t, j)
        raise Unreadable(f"{_shown(j)} is no {show(t)}")

    def _literal(self, t: Type, text: str) -> Value:
        if text == "none" and isinstance(t, Option):
            return None
        t = t.elem if isinstance(t, Option) else t
        if isinstance(t, Int):
            return int(text)
        if isinstance(t, Bool):
            return text == "true"
        return self._identity(t.name, text) if isinstance(t, Sort) else text

    def _identity(self, sort: str, j: Any) -> Id:
        known = self.identities[sort]
        found = known.get(j) if isinstance(j, str) else known.get(text_of(j)) if not isinstance(j, list | dict) else None
        if found is None:
            raise Unreadable(f"{_shown(j)} is no {sort}", self._hint(sort, j, known))
        return found

    def _hint(self, name: str | None, j: Any, known: Any) -> str:
        close = nearest(text_of(j), known)
        listed = ", ".join(list(known)[:12]) + (" …" if len(known) > 12 else "")
        return f"{close or f'there are {listed}'}; `[values.{name}]` says what is written otherwise"

    def _structure(self, t: Type, j: Any) -> Value:
        match t:
            case Record(name, fields) if isinstance(j, dict) and all(f in j for f, _ in fields):
                return Rec(name, tuple(self.read(ft, j[f]) for f, ft in fields))
            case Record(name, fields) if isinstance(j, list) and len(j) == len(fields):
                return Rec(name, tuple(self.read(ft, x) for (_, ft), x in zip(fields, j, strict=True)))
            case Tuple(es) if isinstance(j, list) and len(j) == len(es):
                return tuple(self.read(e, x) for e, x in zip(es, j, strict=True))
            case Seq(e, _) if isinstance(j, list):
                return tuple(self.read(e, x) for x in j)
            case Set(e, _) if isinstance(j, list):
                return frozenset(self.read(e, x) for x in j)
            case BagOf(e, _) if isinstance(j, list):
                bag = Bag()
                for x in j:
                    bag = bag.add(self.read(e, x))
                return bag
            case MapOf(k, v) if isinstance(j, dict) and is_vast(t):
                pairs = {self.read(k, int(x)): self.read(v, y) for x, y in j.items() if x != REST}
                if REST in j:
                    return Sparse(self.read(v, j[REST]), pairs)
                raise Unreadable(f"{_shown(j)} does not say where other keys go, by `{REST}`")
            case MapOf(k, v) if isinstance(j, dict):
                found = {self.read(k, int(x) if isinstance(k, Int) else x): self.read(v, y) for x, y in j.items()}
                if len(found) == card(k):
                    return Map(found)
                raise Unreadable(f"{_shown(j)} has not all of {show(k)} as keys")
        raise Unreadable(f"{_shown(j)} is no {show(t)}")


def _names(instance: Instance, sort: str) -> list[str]:
    given = instance.names.get(sort, ())
    return [given[i] if i < len(given) else f"{sort}{i + 1}" for i in range(instance.sizes[sort])]


def _shown(j: Any) -> str:
    import msgspec

    text = msgspec.json.encode(j, enc_hook=repr).decode()  # part of it may be missing
    return text if len(text) <= 60 else text[:58] + " …"
