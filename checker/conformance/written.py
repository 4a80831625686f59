"""The inverse of `trace.Plain`: plain JSON as values of an instance, by the type that is wanted, however large its sorts are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from checker.core.bind import Instance
from checker.core.types import (
    REST,
    VAST,
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
    member,
    show,
    values,
)
from checker.display import Display

NO_VALUE = TypeError, ValueError, KeyError, AttributeError  # what is raised where JSON is no value
FEW = 1000  # identities of a sort are kept by their names up to so many


class Unwritten(Exception):
    """JSON that is no value of the type that is wanted."""


class Numbers(dict[str, Value]):
    """The numbers of a vast range, by how they are written."""

    def __init__(self, t: Int) -> None:
        self.type = t

    def __missing__(self, text: str) -> Value:
        n = int(text)
        if str(n) != text or not member(n, self.type):
            raise KeyError(text)
        return n

    def get(self, text: str, default: Any = None) -> Any:
        try:
            return self[text]
        except (KeyError, ValueError):
            return default


class Written:
    """Reads values as the values of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.display = instance, Display(instance)
        self.named = {s: {n: i for i, n in enumerate(names)} for s, names in instance.names.items()}
        self.known: dict[Type, dict[str, Value]] = {}
        self.quick: dict[int, tuple[Type, Callable[[Any], Value]]] = {}

    def type(self, var: str) -> Type:
        """The type of a variable of a process, as the process sees it."""
        v = self.instance.vars[var]
        return v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type

    def read(self, t: Type, j: Any) -> Value:
        """The value of type t.  Raises Unwritten."""
        try:
            return self.reader(t)(j)
        except NO_VALUE:
            text = repr(j)
            raise Unwritten(f"{text if len(text) < 60 else text[:58] + ' …'} is no {show(t)}") from None

    def reader(self, t: Type) -> Callable[[Any], Value]:
        """What reads values of one type.  It raises one of NO_VALUE."""
        known = self.quick.get(id(t))  # types are large to hash
        if known is None:
            known = self.quick[id(t)] = t, self._quick(t)
        return known[1]

    def _quick(self, t: Type) -> Callable[[Any], Value]:
        """What reads values of one type: what is common without a look at the type.  It raises ValueError and the like."""

        def whole(j: Any) -> Value:
            v = self._read(t, j)
            if not member(v, t):
                raise ValueError
            return v

        match t:
            case Int(int(lo), int(hi)):
                return lambda j: j if type(j) is int and lo <= j <= hi else whole(None)
            case Enum(_, members):
                known = {m: m for m in members}
                return lambda j: known[j]
            case Bool():
                return lambda j: j if type(j) is bool else whole(None)
            case Sort(s, int(size)) if size <= FEW:
                identities = {self.display.identity(Id(s, i)): Id(s, i) for i in range(size)}
                return lambda j: identities[j]
            case Sort():
                return lru_cache(FEW)(whole)  # what is new to one node is soon new to the others
            case Set(e, None) if card(e) <= FEW:
                element = self._quick(e)
                return lambda j: frozenset([element(x) for x in j]) if type(j) is list else whole(None)
            case MapOf(k, e) if card(k) <= FEW:
                keys, goes = self.keys(k), self._quick(e)
                return lambda j: Map((keys[x], goes(y)) for x, y in j.items()) if len(j) == len(keys) else whole(None)
            case Option(e):
                inner = self._quick(e)
                return lambda j: None if j is None else inner(j)
            case Record(name, fields):
                inside = [(n, self._quick(f)) for n, f in fields]
                return lambda j: Rec(name, tuple([f(j[n]) for n, f in inside])) if len(j) == len(inside) else whole(None)
            case Seq(e, int(cap)):
                each = self._quick(e)
                return lambda j: tuple([each(x) for x in j]) if type(j) is list and len(j) <= cap else whole(None)
        return whole

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
            case MapOf(k, v) if is_vast(t):
                keys = self.keys(k)
                pairs = {keys[x]: self._read(v, y) for x, y in j.items() if x != REST}
                rest = self._read(v, j[REST])
                if rest not in pairs.values():
                    return Sparse(rest, pairs)
            case MapOf(k, v) if len(j) == card(k):
                keys = self.keys(k)
                return Map((keys[x], self._read(v, y)) for x, y in j.items())
        raise ValueError

    def keys(self, t: Type) -> dict[str, Value]:
        """The values of a type, by how they are written as keys."""
        if t not in self.known:
            if isinstance(t, Int) and card(t) > VAST:
                return Numbers(t)
            self.known[t] = {self.display.value(x): x for x in values(t)}
        return self.known[t]
