"""States over sorts without a size: a symbol for every part of every variable, a relation for every kind of message.

A map into an ordered type is two relations, "x <= m[k]" and "x < m[k]"; a map into a sort is one, "x is m[k]".  That such a value
exists is stated only where it is asked for (`exist`), and everywhere only as a last resort.  A message relation has one symbol
for each pattern of fields that are looked at, so that "sent M(a, _)" needs no quantifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import z3

from checker.core.model import MessageDecl
from checker.core.types import BagOf, Bool, Enum, Int, MapOf, Option, Record, Seq, Set, Tuple, Type, show
from checker.engines.smt.unbounded.formula import FALSE, F, either, every, implies, same, unknown
from checker.engines.smt.unbounded.values import (
    Cut,
    Members,
    NeedsNumbers,
    Opt,
    Parts,
    Pick,
    Refused,
    Sequence,
    Table,
    Term,
    Value,
    World,
)

Pattern = tuple[str, ...]
Make = Callable[[list[Any]], Value]


@dataclass(frozen=True)
class Lookup:
    """A value that exists for all keys: of these sorts, of this sort, and what it means to be it."""

    name: str
    keys: tuple[Any, ...]
    sort: Any
    at: Callable[[list[Any], Any], Any]


@dataclass
class Symbols:
    """Makes the symbols of a state, and collects what is true of them."""

    world: World
    prefix: str = ""
    axioms: list[Any] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)

    def value(self, name: str, t: Type, keys: tuple[Any, ...] = ()) -> Make:
        """Something of type t for each combination of keys."""
        match t:
            case Bool():
                f = self._function(name, keys, z3.BoolSort())
                return lambda ks: same(f(*ks))
            case Option(e):
                there, inner = self.value(name + "?", Bool(), keys), self.value(name, e, keys)
                return lambda ks: Opt(there(ks), inner(ks))
            case Record(_, fs):
                return self._parts([(f"{name}.{n}", f) for n, f in fs], keys)
            case Tuple(es):
                return self._parts([(f"{name}[{i}]", e) for i, e in enumerate(es)], keys)
            case Set(e, None):
                return self._set(name, e, keys)
            case MapOf(k, v):
                return self._map(name, k, v, keys)
            case Set():
                raise Refused(f"`{name}` is a set with a capacity", "leave the capacity away: any number of elements is meant")
            case Seq(e, _):
                return self._sequence(name, t, keys)
            case BagOf():
                raise Refused(f"`{name}` is of type {show(t)}: multiplicities cannot be counted here", HINT)
        return self._scalar(name, t, keys)

    def _function(self, name: str, keys: tuple[Any, ...], sort: Any) -> Any:
        return z3.Function(self.prefix + name, *keys, sort) if keys else lambda *_: z3.Const(self.prefix + name, sort)

    def _parts(self, named: list[tuple[str, Type]], keys: tuple[Any, ...]) -> Make:
        parts = [self.value(n, t, keys) for n, t in named]
        return lambda ks: Parts(tuple(p(ks) for p in parts))

    def _set(self, name: str, e: Type, keys: tuple[Any, ...]) -> Make:
        w = self.world
        cases = [(tag, self._function(f"{name} {tag}", (*keys, *sorts), z3.BoolSort())) for tag, sorts, _ in w.alternatives(e)]

        def has(ks: list[Any], x: Value) -> F:
            out = FALSE
            for (cond, _, scalars), (_, f) in zip(w.scalars(e, x), cases, strict=False):
                out = either(out, _both(cond, w.within_all(scalars, lambda xs, f=f: same(f(*ks, *xs)))))  # type: ignore[misc]
            return out

        if w.numbers:
            ks = [unknown(k) for k in keys]
            self.axioms.append(every(ks, w.for_all(e, lambda x: implies(has(ks, x), w.fits(e, x)))).pos)
        return lambda ks: Members(e, lambda x: has(ks, x))

    def _map(self, name: str, k: Type, v: Type, keys: tuple[Any, ...]) -> Make:
        w = self.world
        cases = w.alternatives(k)
        if len(cases) != 1:
            raise Refused(f"the keys of `{name}` may be none", "use a map of the keys that are there, and a variable for none")
        inner = self.value(name, v, (*keys, *cases[0][1]))
        return lambda ks: Table(k, lambda x: w.within_all(w.scalars(k, x)[0][2], lambda xs: inner([*ks, *xs])))

    def _sequence(self, name: str, t: Seq, keys: tuple[Any, ...]) -> Make:
        if not self.world.numbers:
            raise NeedsNumbers
        length = self._number(f"len {name}", Int(0, t.cap), keys)
        items = self.value(f"{name}[]", t.elem, (*keys, z3.IntSort()))
        return lambda ks: Sequence(t.elem, length(ks), lambda i: items([*ks, i]))

    def _scalar(self, name: str, t: Type, keys: tuple[Any, ...]) -> Make:
        sort = self.world.sort(t)
        if isinstance(t, Int) and self.world.numbers:
            return self._number(name, t, keys)
        if not keys or isinstance(t, Enum) or keys[-1] == z3.IntSort():
            f = self._function(name, keys, sort)
            return lambda ks: Term(f(*ks))
        return self._cut(name, keys, sort) if isinstance(t, Int) else self._pick(name, keys, sort)

    def _number(self, name: str, t: Int, keys: tuple[Any, ...]) -> Make:
        f = self._function(name, keys, z3.IntSort())
        ks = [unknown(k) for k in keys]
        self.axioms.append(every(ks, self.world.in_range(t, Term(f(*ks)))).pos)
        return lambda ks: Term(f(*ks))

    def _cut(self, name: str, keys: tuple[Any, ...], sort: Any) -> Make:
        w = self.world
        ge, gt = (z3.Function(f"{self.prefix}{name} {op}", *keys, sort, z3.BoolSort()) for op in (">=", ">"))
        ks, x, y = [unknown(k) for k in keys], unknown(sort), unknown(sort)
        below = w.lt(y, x).pos
        self.axioms += [
            z3.ForAll([*ks, x], z3.Implies(gt(*ks, x), ge(*ks, x))),
            z3.ForAll([*ks, x, y], z3.Implies(z3.And(ge(*ks, x), below), gt(*ks, y))),
            z3.ForAll([*ks, x, y], z3.Implies(z3.And(ge(*ks, x), z3.Not(gt(*ks, x)), ge(*ks, y), x != y), gt(*ks, y))),
            z3.ForAll([*ks], ge(*ks, w.least(sort))),
        ]
        self.lookups.append(Lookup(name, keys, sort, lambda ks, x: z3.And(ge(*ks, x), z3.Not(gt(*ks, x)))))
        return lambda ks: Cut(sort, lambda x: same(ge(*ks, x)), lambda x: same(gt(*ks, x)))

    def _pick(self, name: str, keys: tuple[Any, ...], sort: Any) -> Make:
        f = z3.Function(self.prefix + name, *keys, sort, z3.BoolSort())
        ks, x, y = [unknown(k) for k in keys], unknown(sort), unknown(sort)
        self.axioms.append(z3.ForAll([*ks, x, y], z3.Implies(z3.And(f(*ks, x), f(*ks, y)), x == y)))
        self.lookups.append(Lookup(name, keys, sort, lambda ks, x: f(*ks, x)))
        return lambda ks: Pick(sort, lambda x: same(f(*ks, x)))


HINT = "keep what the argument needs in sets or maps (a log: a map from positions, a vote count: a set and a quorum)"


def _both(a: F, b: F) -> F:
    from checker.engines.smt.unbounded.formula import both

    return both(a, b)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Relations:
    """The symbols of the message relations: one for each pattern that was looked at.  In a pattern a field is "_" (anything),
    or the tag of one of the cases its type has."""

    def __init__(self, world: World, messages: dict[str, MessageDecl]) -> None:
        self.world, self.messages = world, messages
        self.used: dict[tuple[str, Pattern], Any] = {}

    def fields(self, message: str) -> list[tuple[str, Type]]:
        d = self.messages[message]
        extra = [("to", d.to), ("from", d.sender)]
        return [*d.payload.fields, *((n, t) for n, t in extra if t is not None)]

    def sorts(self, message: str, pattern: Pattern) -> list[Any]:
        """What a pattern of a message is about."""
        out: list[Any] = []
        for (_, t), tag in zip(self.fields(message), pattern, strict=True):
            out += next((s for name, s, _ in self.world.alternatives(t) if name == tag), [])
        return out

    def symbol(self, message: str, pattern: Pattern) -> Any:
        key = message, pattern
        if key not in self.used:
            sorts = self.sorts(message, pattern)
            name = f"sent {message}({','.join(pattern)})"
            self.used[key] = z3.Function(name, *sorts, z3.BoolSort()) if sorts else lambda *_: z3.Bool(name)
        return self.used[key]

    def whole(self, message: str) -> list[Pattern]:
        """The patterns that leave nothing open."""
        return list(product(*([tag for tag, _, _ in self.world.alternatives(t)] for _, t in self.fields(message))))

    def finer(self, message: str, a: Pattern, b: Pattern) -> bool:
        return a != b and all(x == y or y == "_" for x, y in zip(a, b, strict=True))

    def project(self, message: str, a: Pattern, b: Pattern, xs: list[Any]) -> list[Any]:
        """Of the terms of pattern a those that pattern b is about."""
        out, at = [], 0
        for (_, t), tag, coarse in zip(self.fields(message), a, b, strict=True):
            n = len(next((s for name, s, _ in self.world.alternatives(t) if name == tag), []))
            out += xs[at : at + n] if coarse != "_" else []
            at += n
        return out

    def axioms(self) -> Iterator[Any]:
        """What matches a pattern matches every coarser one."""
        for (m, a), f in list(self.used.items()):
            for (n, b), g in list(self.used.items()):
                if m == n and self.finer(m, a, b):
                    xs = [unknown(s) for s in self.sorts(m, a)]
                    yield every(xs, implies(same(f(*xs)), same(g(*self.project(m, a, b, xs))))).pos

    def lookups(self) -> Iterator[tuple[tuple[Any, ...], Callable[[list[Any]], Any]]]:
        """What matches a coarse pattern is a whole message: for each such pattern its sorts and what it says of terms."""
        for (m, a), f in list(self.used.items()):
            if "_" in a:
                yield tuple(self.sorts(m, a)), lambda xs, m=m, a=a, f=f: z3.Implies(f(*xs), self._whole(m, a, xs))  # type: ignore[misc]

    def _whole(self, m: str, a: Pattern, xs: list[Any]) -> Any:
        cases = []
        for b in self.whole(m):
            if not self.finer(m, b, a):
                continue
            ys = [unknown(s) for s in self.sorts(m, b)]
            said = z3.And(self.symbol(m, b)(*ys), *(y == x for y, x in zip(self.project(m, b, a, ys), xs, strict=True)))
            cases.append(z3.Exists(ys, said) if ys else said)
        return z3.Or(*cases)


Net = Callable[[str, Pattern, list[Any]], F]


def empty(_: str, __: Pattern, ___: list[Any]) -> F:
    """No message was sent."""
    return FALSE


def of(relations: Relations) -> Net:
    """The messages that the symbols stand for."""
    return lambda m, p, xs: same(relations.symbol(m, p)(*xs))
