"""The inverse of `trace.Plain`: plain JSON as values of an instance, by the type that is wanted, however large its sorts are."""

from __future__ import annotations

from typing import Any

from checker.core.bind import Instance
from checker.core.types import (
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
    Tuple,
    Type,
    Value,
    card,
    member,
    show,
    values,
)
from checker.display import Display


class Unwritten(Exception):
    """JSON that is no value of the type that is wanted."""


class Written:
    """Reads values as the values of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.display = instance, Display(instance)
        self.named = {s: {n: i for i, n in enumerate(names)} for s, names in instance.names.items()}
        self.keys: dict[Type, dict[str, Value]] = {}

    def type(self, var: str) -> Type:
        """The type of a variable of a process, as the process sees it."""
        v = self.instance.vars[var]
        return v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type

    def read(self, t: Type, j: Any) -> Value:
        """The value of type t.  Raises Unwritten."""
        try:
            v = self._read(t, j)
            fits = member(v, t)
        except (TypeError, ValueError, KeyError, AttributeError):
            fits = False
        if not fits:
            text = repr(j)
            raise Unwritten(f"{text if len(text) < 60 else text[:58] + ' …'} is no {show(t)}")
        return v

    def _read(self, t: Type, j: Any) -> Value:
        match t:
            case Option(e):
                return None if j is None else self._read(e, j)
            case Bool() | Int() if type(j) is (bool if isinstance(t, Bool) else int):
                return j
            case Enum(_, members) if j in members:
                return j
            case Sort(s, size):
                i = self.named.get(s, {}).get(j)
                i = int(j.removeprefix(s)) - 1 if i is None and j.startswith(s) else i
                if i is not None and 0 <= i < size and self.display.identity(Id(s, i)) == j:  # type: ignore[operator]
                    return Id(s, i)
            case Record(name, fields) if j.keys() == {n for n, _ in fields}:
                return Rec(name, tuple(self._read(ft, j[n]) for n, ft in fields))
            case _ if isinstance(j, list | dict):
                return self._structure(t, j)
        raise ValueError

    def _structure(self, t: Type, j: Any) -> Value:
        match t:
            case Tuple(es):
                return tuple(self._read(e, x) for e, x in zip(es, j, strict=True))
            case Seq(e, _):
                return tuple(self._read(e, x) for x in j)
            case Set(e, _) if isinstance(j, list):
                return frozenset(self._read(e, x) for x in j)
            case BagOf(e, _):
                return Bag({self._read(e, x["element"]): x["count"] for x in j})
            case MapOf(k, v) if len(j) == card(k):
                keys = self._keys(k)
                return Map((keys[x], self._read(v, y)) for x, y in j.items())
        raise ValueError

    def _keys(self, t: Type) -> dict[str, Value]:
        """The values of a type, by how they are written as keys."""
        if t not in self.keys:
            self.keys[t] = {self.display.value(x): x for x in values(t)}
        return self.keys[t]
