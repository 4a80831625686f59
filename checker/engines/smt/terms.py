"""The structures of symbolic values, and what can be asked of a structure without knowing its type.

A Sym is a Bit or one of the classes here.  Structures of one type may differ in shape (a constant one-hot has one case, a set
only the elements it may have): a missing case is a false bit.  The bits of a one-hot exclude each other, and so do the tags of
a `OneOf`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from checker.core.types import (
    Bag,
    BagOf,
    Bool,
    Infinite,
    Map,
    MapOf,
    Option,
    Rec,
    Record,
    Seq,
    Set,
    Tuple,
    Type,
    Value,
    card,
    values,
)
from checker.engines.smt.bits import Bit, all_of, any_of, both, chosen, either, negation, same

MOST = 1 << 16  # cases of a value, or pairs of cases to compute with: beyond that nobody wants to wait
FLAT = 256  # a set over a domain up to this size has a bit for each possible element, whatever its capacity


class TooLarge(Exception):
    """Something with more cases than can be written out."""


def few(n: int, what: str) -> None:
    """Raises TooLarge if these are too many."""
    if n > MOST:
        raise TooLarge(f"{n:,} {what}")


@dataclass(frozen=True)
class OneHot:
    """A number, enum member or identity: which plain value it is."""

    cases: dict[Any, Bit]


@dataclass(frozen=True)
class Maybe:
    """An option; the payload of none is any value."""

    present: Bit
    payload: Any


@dataclass(frozen=True)
class Product:
    """A record (by name) or a tuple (None)."""

    name: str | None
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class OneOf:
    """A union: for each record it may be, whether it is, and then what."""

    variants: dict[str, tuple[Bit, Any]]


@dataclass(frozen=True)
class Mask:
    """A set over a small domain: for each element that may be in it, whether it is."""

    bits: dict[Value, Bit]


@dataclass(frozen=True)
class Slots:
    """A set over a large domain, or a bag: what may be in it, with a guard each.  Elements of a set that are present differ."""

    items: tuple[tuple[Bit, Any], ...]
    bag: bool = False


@dataclass(frozen=True)
class Table:
    """A map: the value for each key."""

    cells: dict[Value, Any]


@dataclass(frozen=True)
class Sequence:
    """The first `length` of these items; `elem` is their type."""

    length: OneHot
    items: tuple[Any, ...]
    elem: Type

    def longer(self, i: int) -> Bit:
        """Is there an item i?"""
        return any_of(bit for n, bit in self.length.cases.items() if n > i)


Sym = Any  # Bit | OneHot | Maybe | Product | OneOf | Mask | Slots | Table | Sequence


def is_flat(t: Type) -> bool:
    """Is this the type of a set held as a Mask?"""
    try:
        return isinstance(t, Set) and (t.cap is None or card(t.elem) <= FLAT)
    except Infinite:  # the empty set of nobody knows what
        return True


def junk(t: Type) -> Sym:
    """Something of the shape of a type, where it does not matter what."""
    match t:
        case Bool():
            return False
        case Option(e):
            return Maybe(False, junk(e))
        case Record(name, fs):
            return Product(name, tuple(junk(e) for _, e in fs))
        case Tuple(es):
            return Product(None, tuple(map(junk, es)))
        case Set() | BagOf():
            return Mask({}) if is_flat(t) else Slots((), isinstance(t, BagOf))
        case MapOf(k, e):
            return Table({x: junk(e) for x in values(k)})
        case Seq(e):
            return Sequence(OneHot({0: True}), (), e)
    return OneOf({}) if hasattr(t, "variants") else OneHot({})


def one_hot(found: Iterable[tuple[Any, Bit]]) -> OneHot:
    """The value that was found where its bit is true."""
    every: dict[Any, list[Bit]] = {}
    for k, bit in found:
        if bit is not False:
            every.setdefault(k, []).append(bit)
    bits = {k: any_of(bs) for k, bs in every.items()}
    sure = next((k for k, bit in bits.items() if bit is True), None)
    return OneHot(bits) if sure is None else OneHot({sure: True})


def at_most(n: int, bits: Iterable[Bit]) -> Bit:
    """Are no more than n true?"""
    more: list[Bit] = [True, *[False] * (n + 1)]  # more[i]: at least i so far
    for b in bits:
        more = [True, *(either(more[i], both(more[i - 1], b)) for i in range(1, n + 2))]
    return negation(more[n + 1])


def count(bits: Iterable[Bit]) -> OneHot:
    """How many are true."""
    sure, out = 0, {0: True}  # type: tuple[int, dict[int, Bit]]
    for b in bits:
        if isinstance(b, bool):
            sure += b
        else:
            steps = [((n, both(x, negation(b))), (n + 1, both(x, b))) for n, x in out.items()]
            out = one_hot(step for pair in steps for step in pair).cases
    return OneHot({n + sure: x for n, x in out.items()})


# ── choosing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def chosen_of(c: Bit, a: Sym, b: Sym) -> Sym:
    """a if c else b, part by part."""
    if isinstance(c, bool):
        return a if c else b
    if _is_bit(a):
        return chosen(c, a, b)
    return _mux([(c, a), (negation(c), b)])


def pick(found: list[tuple[Bit, Sym]], among: Table | Sequence) -> Sym:
    """The one whose guard is true; of none, anything from `among`."""
    found = [(g, x) for g, x in found if g is not False]
    sure = [x for g, x in found if g is True]
    if sure:
        return sure[0]
    if found:
        return _mux(found)
    return next(iter(among.cells.values())) if isinstance(among, Table) else junk(among.elem)


def _mux(found: list[tuple[Bit, Any]]) -> Any:
    first = found[0][1]
    if all(x is first for _, x in found):
        return first
    match first:
        case OneHot():
            return one_hot((k, both(g, bit)) for g, x in found for k, bit in x.cases.items())
        case Maybe():
            return Maybe(_mux([(g, x.present) for g, x in found]), _mux([(g, x.payload) for g, x in found]))
        case Product():
            return Product(first.name, tuple(_mux([(g, x.parts[i]) for g, x in found]) for i in range(len(first.parts))))
        case OneOf():
            return OneOf({n: _mux_variant(n, found) for n in dict.fromkeys(n for _, x in found for n in x.variants)})
        case Mask():
            keys = dict.fromkeys(k for _, x in found for k in x.bits)
            return Mask({k: any_of(both(g, x.bits.get(k, False)) for g, x in found) for k in keys})
        case Slots():
            return Slots(tuple(_mux_slot(i, found) for i in range(max(len(x.items) for _, x in found))), first.bag)
        case Table():
            return Table({k: _mux([(g, x.cells[k]) for g, x in found]) for k in first.cells})
        case Sequence():
            length = _mux([(g, x.length) for g, x in found])
            longest = max(len(x.items) for _, x in found)
            items = tuple(_mux([(g, x.items[i]) for g, x in found if i < len(x.items)]) for i in range(longest))
            return Sequence(length, items, first.elem)
    return any_of(both(g, x) for g, x in found)


def _mux_variant(name: str, found: list[tuple[Bit, Any]]) -> tuple[Bit, Any]:
    have = [(g, *x.variants[name]) for g, x in found if name in x.variants]
    return any_of(both(g, tag) for g, tag, _ in have), _mux([(g, x) for g, _, x in have])


def _mux_slot(i: int, found: list[tuple[Bit, Any]]) -> tuple[Bit, Any]:
    have = [(g, *x.items[i]) for g, x in found if i < len(x.items)]
    return any_of(both(g, there) for g, there, _ in have), _mux([(g, x) for g, _, x in have])


# ── equality ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_bit(v: Sym) -> bool:
    return not isinstance(v, OneHot | Maybe | Product | OneOf | Mask | Slots | Table | Sequence)


def equal(a: Any, b: Any) -> Bit:
    """The same value?"""
    match a:
        case OneHot():
            return _equal_cases(a.cases, b.cases)
        case Maybe():
            return both(same(a.present, b.present), either(negation(a.present), equal(a.payload, b.payload)))
        case Product():
            return all_of(equal(x, y) for x, y in zip(a.parts, b.parts, strict=True))
        case OneOf():
            pairs = [(*a.variants[n], *b.variants[n]) for n in a.variants if n in b.variants]
            return any_of(all_of((p, q, equal(x, y))) if p is not False and q is not False else False for p, x, q, y in pairs)
        case Mask():
            return _all_same(a.bits, b.bits)
        case Slots():
            return _equal_slots(a, b)
        case Table():
            return all_of(equal(x, b.cells[k]) for k, x in a.cells.items())
        case Sequence():
            items = (either(negation(a.longer(i)), equal(x, y)) for i, (x, y) in enumerate(zip(a.items, b.items, strict=False)))
            return both(equal(a.length, b.length), all_of(items))
    return same(a, b)


def _equal_cases(a: dict[Any, Bit], b: dict[Any, Bit]) -> Bit:
    for one, other in ((a, b), (b, a)):
        if len(one) == 1:
            k, bit = next(iter(one.items()))
            return both(bit, other.get(k, False))
    return _all_same(a, b)


def _all_same(a: dict[Any, Bit], b: dict[Any, Bit]) -> Bit:
    return all_of(same(a.get(k, False), b.get(k, False)) for k in {**a, **b})


def occurs(x: Sym, items: Iterable[tuple[Bit, Sym]]) -> Bit:
    """Is it among these?"""
    return any_of(both(g, equal(e, x)) for g, e in items)


def _equal_slots(a: Slots, b: Slots) -> Bit:
    if not a.bag:
        return both(*(all_of(either(negation(g), occurs(x, q.items)) for g, x in p.items) for p, q in ((a, b), (b, a))))
    numbers = ([count(both(g, equal(e, x)) for g, e in v.items).cases for v in (a, b)] for _, x in (*a.items, *b.items))
    return all_of(either(negation(g), _all_same(*ns)) for (g, _), ns in zip((*a.items, *b.items), numbers, strict=True))


def is_value(v: Any, x: Value) -> Bit:
    """Is it this plain value?"""
    match v:
        case OneHot():
            return v.cases.get(x, False)
        case Maybe():
            return negation(v.present) if x is None else both(v.present, is_value(v.payload, x))
        case Product():
            return all_of(is_value(p, y) for p, y in zip(v.parts, x.values if v.name else x, strict=True))
        case OneOf():
            tag, record = v.variants.get(x.name, (False, None))
            return False if tag is False else both(tag, is_value(record, x))
        case Mask():
            return all_of(same(v.bits.get(k, False), k in x) for k in {**v.bits, **dict.fromkeys(x)})
        case Slots():
            return any_of(bit for y, bit in cases(v) if y == x)
        case Table():
            return all_of(is_value(cell, x[k]) for k, cell in v.cells.items())
        case Sequence():
            return both(v.length.cases.get(len(x), False), all_of(is_value(e, y) for e, y in zip(v.items, x, strict=False)))
    return same(v, bool(x))


def within_mask(x: Sym, s: Mask) -> Bit:
    """Is it an element?"""
    try:
        return s.bits.get(known(x), False)
    except ValueError:
        return any_of(both(bit, is_value(x, k)) for k, bit in s.bits.items())


# ── plain values ─────────────────────────────────────────────────────────────────────────────────────────────────────


def cases(v: Any) -> list[tuple[Value, Bit]]:
    """Every plain value it can be, with the bit that says so."""
    match v:
        case OneHot():
            return list(v.cases.items())
        case Maybe():
            some = [] if v.present is False else [(x, both(v.present, bit)) for x, bit in cases(v.payload)]
            return [(x, bit) for x, bit in [(None, negation(v.present)), *some] if bit is not False]
        case Product():
            return [(Rec(v.name, xs) if v.name else xs, bit) for xs, bit in _cross(v.parts)]
        case OneOf():
            return [(x, both(tag, bit)) for tag, record in v.variants.values() if tag is not False for x, bit in cases(record)]
        case Mask():
            return [(frozenset(k for k, x in zip(v.bits, xs, strict=True) if x), bit) for xs, bit in _cross(v.bits.values())]
        case Slots():
            return _slot_cases(v)
        case Table():
            return [(Map(zip(v.cells, xs, strict=True)), bit) for xs, bit in _cross(v.cells.values())]
        case Sequence():
            return [(xs, both(here, bit)) for n, here in v.length.cases.items() for xs, bit in _cross(v.items[:n])]
    return [(x, bit) for x in (False, True) if (bit := same(v, x)) is not False]


def _cross(parts: Iterable[Any]) -> list[tuple[tuple[Value, ...], Bit]]:
    out: list[tuple[tuple[Value, ...], Bit]] = [((), True)]
    for p in parts:
        inner = cases(p)
        few(len(out) * len(inner), "values to tell apart")
        out = [((*xs, x), both(b, bit)) for xs, b in out for x, bit in inner]
    return out


def _slot_cases(v: Slots) -> list[tuple[Value, Bit]]:
    every: dict[Value, list[Bit]] = {}
    for slots, bit in _cross(Maybe(g, Product(None, (x,))) for g, x in v.items):
        every.setdefault(_gathered(v, [slot[0] for slot in slots if slot is not None]), []).append(bit)
    return [(x, any_of(bits)) for x, bits in every.items()]


def known(v: Any) -> Value:
    """The plain value that it is for certain.  ValueError if that depends on something."""
    return plain(_depends, v)


def _depends(_: Bit) -> bool:
    raise ValueError("it depends on something")


def _gathered(v: Slots, xs: list[Value]) -> Value:
    return Bag({x: xs.count(x) for x in xs}) if v.bag else frozenset(xs)


def plain(holds: Callable[[Bit], bool], v: Any) -> Value:
    """The plain value, given which bits hold.  ValueError if none of the cases does (junk)."""
    match v:
        case OneHot():
            return _only(k for k, bit in v.cases.items() if _true(holds, bit))
        case Maybe():
            return plain(holds, v.payload) if _true(holds, v.present) else None
        case Product():
            xs = tuple(plain(holds, p) for p in v.parts)
            return Rec(v.name, xs) if v.name else xs
        case OneOf():
            return plain(holds, _only(record for tag, record in v.variants.values() if _true(holds, tag)))
        case Mask():
            return frozenset(k for k, bit in v.bits.items() if _true(holds, bit))
        case Slots():
            return _gathered(v, [plain(holds, x) for g, x in v.items if _true(holds, g)])
        case Table():
            return Map((k, plain(holds, x)) for k, x in v.cells.items())
        case Sequence():
            return tuple(plain(holds, x) for x in v.items[: plain(holds, v.length)])
    return _true(holds, v)


def _true(holds: Callable[[Bit], bool], bit: Bit) -> bool:
    return bit if isinstance(bit, bool) else holds(bit)


def _only(found: Iterator[Any]) -> Any:
    every = list(found)
    if len(every) != 1:
        raise ValueError(f"not a value: {len(every)} cases hold")
    return every[0]
