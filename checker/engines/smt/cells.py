"""A state as a row of Booleans: which bits a value has, how they are read as a symbolic value, and how any symbolic value
of the type is written back into them.

The one invariant: what says nothing is false (the payload of none, items beyond the length of a sequence, empty slots), and a
row keeps the `rules` exactly if it is a value.  So equal rows are equal values; the converse holds but for the order of
slots.  Nothing here knows of actions or solvers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import z3

from checker.core.types import BOOL, BagOf, MapOf, Option, Record, Seq, Set, Tuple, Type, Union, Value, card, show, values
from checker.engines.smt.bits import Bit, any_of, both, either, exactly_one, negation
from checker.engines.smt.terms import (
    Mask,
    Maybe,
    OneHot,
    OneOf,
    Product,
    Sequence,
    Slots,
    Sym,
    Table,
    TooLarge,
    at_most,
    equal,
    is_flat,
)

MOST_CASES = 512  # of a number
MOST_BITS = 1 << 14  # of a state
FACT, CASE = "fact", "case"  # a bit that can simply be false, or one of the cases of a one-hot


@dataclass
class Reader:
    """Reads symbolic values from the next bits, and collects what makes these bits values."""

    bits: Iterator[Bit]
    rules: list[Bit] = field(default_factory=list)
    order: list[Bit] = field(default_factory=list)  # of slots: which of the rows that are the same value comes first
    origin: dict[int, tuple[Sym, list[Bit]]] = field(default_factory=dict)  # a value read → its very bits
    used: list[Bit] = field(default_factory=list)

    def read(self, t: Type, on: Bit = True) -> Sym:
        """A value of type t that is looked at only if `on`."""
        start = len(self.used)
        out = self._read(t, on)
        if not isinstance(out, bool | z3.BoolRef):
            self.origin[id(out)] = out, self.used[start:]
        return out

    def _next(self, on: Bit) -> Bit:
        bit = next(self.bits)
        self.used.append(bit)
        self.rules.append(either(negation(bit), on))
        return bit

    def _read(self, t: Type, on: Bit) -> Sym:
        match t:
            case Option(e):
                present = self._next(on)
                return Maybe(present, self.read(e, present))
            case Record(name, fs):
                return Product(name, tuple(self.read(e, on) for _, e in fs))
            case Tuple(es):
                return Product(None, tuple(self.read(e, on) for e in es))
            case Union(vs):
                tags = self._cases([v.name for v in vs], on)
                return OneOf({v.name: (tag := tags.cases[v.name], self.read(v, both(on, tag))) for v in vs})
            case Set(e, cap) if is_flat(t):
                mask = Mask({v: self._next(on) for v in values(e)})
                self.rules.append(at_most(cap, mask.bits.values()) if isinstance(cap, int) else True)
                return mask
            case Set(e, int(cap)) | BagOf(e, int(cap)) | Seq(e, int(cap)):
                return self._items(t, e, cap, on)
            case MapOf(k, e):
                return Table({x: self.read(e, on) for x in values(k)})
        return self._next(on) if t == BOOL else self._cases(list(values(t)), on)

    def _cases(self, keys: list[Any], on: Bit) -> OneHot:
        """One bit for two cases, none for one."""
        if len(keys) <= 1:
            return OneHot(dict.fromkeys(keys, True))
        if len(keys) == 2:
            bit = self._next(on)
            return OneHot({keys[0]: negation(bit), keys[1]: bit})
        cases = {k: self._next(on) for k in keys}
        self.rules.append(either(negation(on), exactly_one(list(cases.values()))))
        return OneHot(cases)

    def _items(self, t: Type, e: Type, cap: int, on: Bit) -> Sequence | Slots:
        """The first so many are there; those of a set differ."""
        items: list[tuple[Bit, Sym]] = []
        rows: list[list[Bit]] = []
        for _ in range(cap):
            start = len(self.used)
            there = self._next(items[-1][0] if items else on)
            items.append((there, self.read(e, there)))
            rows.append(self.used[start:])
        if not isinstance(t, Seq):
            self.order += [_at_least(a, b) for a, b in pairwise(rows)]
        if isinstance(t, Seq):
            return Sequence(_length([g for g, _ in items]), tuple(x for _, x in items), e)
        if isinstance(t, Set):
            pairs = [(a, b) for j, b in enumerate(items) for a in items[:j]]
            self.rules += [negation(both(g, equal(x, y))) for (_, x), (g, y) in pairs]
        return Slots(tuple(items), isinstance(t, BagOf))


def _at_least(xs: list[Bit], ys: list[Bit]) -> Bit:
    """Read as numbers, the highest bit first."""
    out: Bit = True
    for x, y in reversed(list(zip(xs, ys, strict=True))):
        out = either(both(x, negation(y)), both(either(x, negation(y)), out))
    return out


def _length(there: list[Bit]) -> OneHot:
    edges = [True, *there, False]
    return OneHot({n: both(edges[n], negation(edges[n + 1])) for n in range(len(there) + 1)})


@dataclass
class Row:
    """The bits of some variables, as unknowns: what they are called, their kinds, and the state that they are."""

    bits: list[Any]
    kinds: list[str]
    state: dict[str, Sym]
    spans: dict[str, range]
    rules: list[Bit]
    order: list[Bit]
    origin: dict[int, tuple[Sym, list[Bit]]]

    def write(self, var: str, t: Type, v: Sym) -> list[Bit]:
        """The bits of a value of a variable's type, in the order of its own."""
        return list(_bits(t, v, True, self.origin))


def unknown(vars: dict[str, Type], prefix: str = "") -> Row:
    """Variables of which nothing is known but their types."""
    every = ((n, k, f"{prefix}{v}{n}") for v, t in vars.items() for n, k in _names(t))
    named = list(islice(every, MOST_BITS + 1))  # to name all would take long where there are too many
    if len(named) > MOST_BITS:
        raise TooLarge(f"a state has more than {MOST_BITS:,} bits")
    seen: set[str] = set()
    bits = [z3.Bool(_once(name, seen)) for *_, name in named]
    reader = Reader(iter(bits))
    state: dict[str, Sym] = {}
    spans: dict[str, range] = {}
    for v, t in vars.items():
        start = len(reader.used)
        state[v] = reader.read(t)
        spans[v] = range(start, len(reader.used))
    rules = [r for r in reader.rules if r is not True]
    return Row(bits, [k for _, k, _ in named], state, spans, rules, reader.order, reader.origin)


def _once(name: str, seen: set[str]) -> str:
    """The name, or one like it: bits of the same name would be the same bit."""
    while name in seen:
        name += "'"
    seen.add(name)
    return name


def _names(t: Type) -> Iterator[tuple[str, str]]:
    """The name and kind of each bit of a type."""

    def inner(part: object, e: Type) -> Iterator[tuple[str, str]]:
        return ((f".{part}{n}", k) for n, k in _names(e))

    match t:
        case Option(e):
            yield "?", FACT
            yield from _names(e)
        case Record(_, fs):
            yield from (x for f, e in fs for x in inner(f, e))
        case Tuple(es):
            yield from (x for i, e in enumerate(es) for x in inner(i, e))
        case Union(vs):
            yield from _case_names([v.name for v in vs])
            yield from (x for v in vs for x in inner(v.name, v))
        case Set(e) if is_flat(t):
            yield from ((f"[{_text(v)}]", FACT) for v in values(e))
        case Set(e, int(cap)) | BagOf(e, int(cap)) | Seq(e, int(cap)):
            for i in range(cap):
                yield f".{i}!", FACT
                yield from inner(i, e)
        case MapOf(k, e):
            yield from ((f"[{_text(x)}]{n}", kind) for x in values(k) for n, kind in _names(e))
        case _ if t == BOOL:
            yield "", FACT
        case _ if card(t) > MOST_CASES:
            raise TooLarge(f"{show(t)} has {card(t):,} values")
        case _:
            yield from _case_names(list(values(t)))


def _case_names(keys: list[Any]) -> Iterator[tuple[str, str]]:
    yield from ((f"={_text(k)}", CASE) for k in (keys[1:] if len(keys) == 2 else keys if len(keys) > 2 else []))


def _text(v: Value) -> str:
    from checker.core.meaning import render

    return render(v)


# ── any value of the type, into bits ─────────────────────────────────────────────────────────────────────────────────


def _bits(t: Type, v: Any, on: Bit, origin: dict[int, tuple[Sym, list[Bit]]]) -> Iterator[Bit]:
    known = origin.get(id(v))
    if known is not None and known[0] is v:
        yield from (both(on, bit) for bit in known[1])
        return

    def inner(e: Type, x: Any, here: Bit) -> Iterator[Bit]:
        return _bits(e, x, here, origin)

    match t:
        case Option(e):
            present = both(on, v.present)
            yield present
            yield from inner(e, v.payload, present)
        case Record(_, fs):
            yield from (b for (_, e), x in zip(fs, v.parts, strict=True) for b in inner(e, x, on))
        case Tuple(es):
            yield from (b for e, x in zip(es, v.parts, strict=True) for b in inner(e, x, on))
        case Union(vs):
            tags = {n: both(on, tag) for n, (tag, _) in v.variants.items()}
            yield from _case_bits([r.name for r in vs], tags, on)
            for r in vs:
                tag = tags.get(r.name, False)
                yield from _blank(r) if tag is False else inner(r, v.variants[r.name][1], tag)
        case Set(e) if is_flat(t):
            yield from (both(on, v.bits.get(k, False)) for k in values(e))
        case Set(e, int(cap)) | BagOf(e, int(cap)):
            items = compacted(e, [(both(on, g), x) for g, x in v.items], origin)[:cap]
            for there, bits in items:
                yield there
                yield from bits
            for _ in range(cap - len(items)):
                yield from (False, *_blank(e))
        case Seq(e, int(cap)):
            for i in range(cap):
                there = both(on, v.longer(i))
                yield there
                yield from _blank(e) if there is False else inner(e, v.items[i], there)
        case MapOf(_, e):
            yield from (b for x in v.cells.values() for b in inner(e, x, on))
        case _ if t == BOOL:
            yield both(on, v)
        case _:
            yield from _case_bits(list(values(t)), v.cases, on)


def _case_bits(keys: list[Any], cases: dict[Any, Bit], on: Bit) -> Iterator[Bit]:
    if len(keys) == 2:
        yield both(on, cases.get(keys[1], False))
    elif len(keys) > 2:
        yield from (both(on, cases.get(k, False)) for k in keys)


def _blank(t: Type) -> list[Bit]:
    return [False for _ in _names(t)]


def compacted(e: Type, items: list[tuple[Bit, Sym]], origin: Any) -> list[tuple[Bit, list[Bit]]]:
    """The items that are there, moved to the front in their order, each with its bits."""
    rows = [(g, list(_bits(e, x, True, origin))) for g, x in items if g is not False]
    rank: list[Bit] = [True]  # rank[n]: n of the items before this one are there
    places: list[list[tuple[Bit, list[Bit]]]] = []
    for g, bits in rows:
        places.append([])
        for n, here in enumerate(rank):
            places[n].append((both(g, here), bits))
        moved = [both(g, here) for here in rank]
        stays = [both(negation(g), here) for here in rank]
        rank = [either(a, b) for a, b in zip([*stays, False], [False, *moved], strict=True)]
    width = len(rows[0][1]) if rows else 0
    return [
        (any_of(g for g, _ in found), [any_of(both(g, bits[i]) for g, bits in found) for i in range(width)]) for found in places
    ]
