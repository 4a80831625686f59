"""How a finite value is packed into bits. Every type has one layout; equal values have equal bits, and all zeros is the value of
rank 0.

A value of at most 64 bits is narrow: a number within one word. A larger one is wide: it starts on a word of its own, and none
of its narrow parts straddles two words. A set over a small domain is a mask, one bit for each possible element in rank order;
a set or bag with a capacity that makes it smaller is a count and sorted slots. A state is the product of its variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from checker.core.types import (
    Bag,
    BagOf,
    Bool,
    Enum,
    Id,
    Infinite,
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
    Union,
    Unknown,
    Value,
    card,
    is_scalar,
    show,
    values,
)

WORD = 64
MASK_BITS = 1 << 16  # no set is given a mask wider than this


@dataclass(frozen=True)
class Slot:
    """A place relative to the start of a value: word, and bits from its low end."""

    word: int
    shift: int


@dataclass(frozen=True)
class Array:
    """`n` equal elements from `slot` on: `per` to a word of `bits` each, or `words` words each (then per is 0)."""

    slot: Slot
    n: int
    elem: Type
    bits: int
    words: int
    per: int

    def at(self, i: int) -> Slot:
        """Where element i is."""
        if self.per == 0:
            return Slot(self.slot.word + i * self.words, 0)
        return Slot(self.slot.word + i // self.per, self.slot.shift + i % self.per * self.bits)


@dataclass(frozen=True)
class Layout:
    """kind: "scalar", "mask", "product" (parts in order), "array" (maps), "counted" (parts[0] is the length; sequences, slots).
    `bits` is the exact width of a narrow value; a wide one has `words` words."""

    kind: str
    bits: int
    words: int
    parts: tuple[Slot, ...] = ()
    array: Array | None = None

    @property
    def wide(self) -> bool:
        return self.bits > WORD


class TooWide(Exception):
    """A value that cannot sensibly be packed: a set over a huge domain without a capacity."""


@cache
def layout(t: Type) -> Layout:
    """The layout of a finite type.  Raises TooWide."""
    match t:
        case Bool() | Int() | Enum() | Sort() | Unknown():
            return _scalar(card(t))
        case Option(e) if is_scalar(e):
            return _scalar(card(e) + 1)
        case Option(e):
            return _product([1, e])
        case Record(_, fs):
            return _product([f for _, f in fs])
        case Tuple(es):
            return _product(list(es))
        case Union(vs):
            return _product([(len(vs) - 1).bit_length(), _Area(tuple(vs))])
        case MapOf(k, v):
            array = _array(v, card(k))
            return Layout("array", *_extent(array), array=array)
        case Seq(e, int(cap)):
            return _counted(e, cap)
        case BagOf(e, int(cap)):
            return _counted(e, cap)
        case Set(e, cap):
            if is_mask(t):
                n = card(e)
                return Layout("mask", n if n <= WORD else _round(n), max(1, -(-n // WORD)))
            if not isinstance(cap, int):
                raise TooWide(f"{show(t)} over {card(e):,} possible elements")
            return _counted(e, cap)
    raise TooWide(show(t))


@dataclass(frozen=True)
class _Area(Type):
    """Room for any one of several types."""

    types: tuple[Type, ...]


def is_mask(t: Type) -> bool:
    """Is this set one bit per possible element (rather than sorted slots)?"""
    assert isinstance(t, Set)
    n = card(t.elem)
    if n > MASK_BITS and t.cap is None:
        raise TooWide(f"{show(t)} over {n:,} possible elements")
    return rankable(t.elem) and (t.cap is None or n <= _slots_bits(t))


def _slots_bits(t: Set) -> int:
    assert isinstance(t.cap, int)
    inner = layout(t.elem)
    return t.cap.bit_length() + t.cap * (inner.bits if not inner.wide else inner.words * WORD)


def rankable(t: Type) -> bool:
    """Can values be numbered densely (so that they can index a mask or a map)?"""
    match t:
        case Set(e, None) if card(e) <= WORD and rankable(e):
            return True
        case Set() | BagOf():
            return tabled(t)
        case Option(e):
            return rankable(e)
        case MapOf(_, v):
            return rankable(v) and card(t) < 1 << 62
        case Seq(e, _):
            return rankable(e) and card(t) < 1 << 62
        case Record(_, fs):
            return all(rankable(f) for _, f in fs)
        case Tuple(es):
            return all(map(rankable, es))
        case Union(vs):
            return all(map(rankable, vs))
    return True


TABLE_LIMIT = 1 << 12  # values that are numbered by a table


def tabled(t: Type) -> bool:
    """Are values numbered by looking them up in a table, as arithmetic cannot do it?  (sets with a capacity, bags)"""
    if isinstance(t, Set) and t.cap is None and card(t.elem) <= WORD and rankable(t.elem):
        return False
    return isinstance(t, Set | BagOf) and card(t) <= TABLE_LIMIT


@cache
def table(t: Type) -> tuple[tuple[Value, ...], dict[Value, int]]:
    """The values of a tabled type in rank order, and the rank of each."""
    found = tuple(values(t))
    return found, {v: i for i, v in enumerate(found)}


def _round(bits: int) -> int:
    return -(-bits // WORD) * WORD


def _scalar(n: int) -> Layout:
    return Layout("scalar", (n - 1).bit_length() if n else 0, 1)


def size(t: Type | int) -> tuple[int, int]:
    """(bits, words) of a type, or of that many bare bits, or of an area."""
    if isinstance(t, int):
        return t, 1
    if isinstance(t, _Area):
        sizes = [size(x) for x in t.types]
        words = max(w for _, w in sizes)
        bits = max(b for b, _ in sizes)
        return (bits, 1) if bits <= WORD else (words * WORD, words)
    inner = layout(t)
    return inner.bits, inner.words


def place(parts: list[Type | int], whole_words: bool = False) -> tuple[int, int, tuple[Slot, ...]]:
    """(bits, words, slots) for parts side by side: in one word if they fit, else first-fit by falling size, no narrow part
    across words."""
    sizes = [size(p) for p in parts]
    if sum(b for b, _ in sizes) <= WORD and not whole_words:
        slots, at = [], 0
        for b, _ in sizes:
            slots.append(Slot(0, at))
            at += b
        return at, 1, tuple(slots)
    found: dict[int, Slot] = {}
    used: list[int] = []
    for i in sorted(range(len(parts)), key=lambda i: -sizes[i][0]):
        bits, words = sizes[i]
        if bits > WORD:
            found[i] = Slot(len(used), 0)
            used += [WORD] * words
            continue
        word = next((w for w, u in enumerate(used) if u + bits <= WORD), len(used))
        if word == len(used):
            used.append(0)
        found[i] = Slot(word, used[word])
        used[word] += bits
    words = max(1, len(used))
    return words * WORD if not whole_words or words > 1 else WORD, words, tuple(found[i] for i in range(len(parts)))


def _product(parts: list[Type | int]) -> Layout:
    bits, words, slots = place(parts)
    return Layout("product", bits, words, slots)


def _array(e: Type, n: int, slot: Slot = Slot(0, 0)) -> Array:
    bits, words = size(e)
    if bits > WORD:
        return Array(slot, n, e, bits, words, 0)
    narrow = slot.shift + bits * n <= WORD
    per = max(1, n) if narrow or bits == 0 else WORD // bits
    return Array(slot, n, e, bits, 1, per)


def _extent(a: Array) -> tuple[int, int]:
    """(bits, words) that an array from word 0 takes."""
    if a.per == 0:
        return max(WORD + 1, a.n * a.words * WORD), a.n * a.words
    words = max(1, -(-a.n // a.per))
    return (a.n * a.bits, 1) if words == 1 else (words * WORD, words)


def _counted(e: Type, cap: int) -> Layout:
    count = cap.bit_length()
    bits, _ = size(e)
    if bits <= WORD and count + bits * cap <= WORD:
        array = _array(e, cap, Slot(0, count))
        return Layout("counted", count + bits * cap, 1, (Slot(0, 0),), array)
    array = _array(e, cap)
    _, words = _extent(array)
    left = array.per and (array.n - (words - 1) * array.per) * array.bits + count <= WORD
    at = Slot(words - 1, WORD - count) if left else Slot(words, 0)
    total = max(2, words + (0 if left else 1))  # a wide value has two words at least
    return Layout("counted", total * WORD, total, (at,), array)


# ── numbering values ─────────────────────────────────────────────────────────────────────────────────────────────────


def rank(t: Type, v: Value) -> int:
    """The position of a value in `values(t)`, by arithmetic."""
    match t:
        case Bool():
            return int(v)
        case Int(int(lo), _):
            return int(v) - lo
        case Enum(_, ms):
            return ms.index(v)
        case Sort():
            return int(v.index)
        case Option(e):
            return 0 if v is None else 1 + rank(e, v)
        case Record(_, fs):
            return _mixed([f for _, f in fs], v.values)
        case Tuple(es):
            return _mixed(list(es), v)
        case Union(vs):
            at = t.index(v.name)
            return sum(card(x) for x in vs[:at]) + rank(vs[at], v)
        case MapOf(k, x):
            return _mixed([x] * card(k), [v[y] for y in values(k)])
        case _ if tabled(t):
            return table(t)[1][v]
        case Seq(e, _):
            return sum(int(card(e) ** i) for i in range(len(v))) + _mixed([e] * len(v), v)
        case Set(e, _):
            return sum(1 << rank(e, x) for x in v)
    raise Infinite(t)


def _mixed(ts: list[Type], vs: object) -> int:
    out, stride = 0, 1
    for t, v in zip(ts, vs, strict=True):  # type: ignore[call-overload]
        out += rank(t, v) * stride
        stride *= card(t)
    return out


# ── packing values ───────────────────────────────────────────────────────────────────────────────────────────────────


def pack(t: Type, v: Value) -> list[int]:
    """The words of a value (a narrow one: one word)."""
    words = [0] * layout(t).words
    write(words, 0, 0, t, v)
    return words


def write(words: list[int], word: int, shift: int, t: Type, v: Value) -> None:
    """Puts a value into zeroed words at a place."""
    how = layout(t)
    match t:
        case Bool() | Int() | Enum() | Sort():
            words[word] |= rank(t, v) << shift
        case Option(e) if is_scalar(e):
            words[word] |= rank(t, v) << shift
        case Option(e):
            if v is not None:
                _at(words, word, shift, how.parts[0], 1)
                _part(words, word, shift, how.parts[1], e, v)
        case Record(_, fs):
            for slot, (_, f), x in zip(how.parts, fs, v.values, strict=True):
                _part(words, word, shift, slot, f, x)
        case Tuple(es):
            for slot, e, x in zip(how.parts, es, v, strict=True):
                _part(words, word, shift, slot, e, x)
        case Union(vs):
            at = t.index(v.name)
            _at(words, word, shift, how.parts[0], at)
            _part(words, word, shift, how.parts[1], vs[at], v)
        case MapOf(k, x):
            assert how.array
            for i, y in enumerate(values(k)):
                _part(words, word, shift, how.array.at(i), x, v[y])
        case _ if how.kind == "mask":
            assert isinstance(t, Set)
            for y in v:
                i = rank(t.elem, y) + shift
                words[word + i // WORD] |= 1 << i % WORD
        case Set(e, _) | Seq(e, _) | BagOf(e, _):
            assert how.array
            _at(words, word, shift, how.parts[0], len(v))
            for i, y in enumerate(_slots(e, v)):
                _part(words, word, shift, how.array.at(i), e, y)


def _slots(e: Type, v: Value) -> list[Value]:
    """The elements in the order of their slots: a sequence's own, else by their packed words (the last word counts most)."""
    if type(v) is tuple:
        return list(v)
    every = [x for x in v for _ in range(v[x])] if isinstance(v, Bag) else list(v)
    return sorted(every, key=lambda x: pack(e, x)[::-1])


def _at(words: list[int], word: int, shift: int, slot: Slot, bits: int) -> None:
    words[word + slot.word] |= bits << (slot.shift + shift)


def _part(words: list[int], word: int, shift: int, slot: Slot, t: Type, v: Value) -> None:
    write(words, word + slot.word, shift + slot.shift, t, v)


def unrank(t: Type, i: int) -> Value:
    """The value of rank i."""
    match t:
        case Bool():
            return bool(i)
        case Int(int(lo), _):
            return lo + i
        case Enum(_, ms):
            return ms[i]
        case Sort(s, _):
            return Id(s, i)
        case Option(e):
            return None if i == 0 else unrank(e, i - 1)
        case Record(n, fs):
            return Rec(n, tuple(_unmixed([f for _, f in fs], i)))
        case Tuple(es):
            return tuple(_unmixed(list(es), i))
        case Union(vs):
            for x in vs:
                if i < card(x):
                    return unrank(x, i)
                i -= card(x)
        case MapOf(k, x):
            return Map(zip(values(k), _unmixed([x] * card(k), i), strict=True))
        case _ if tabled(t):
            return table(t)[0][i]
        case Seq(e, int(cap)):
            for length in range(cap + 1):
                if i < int(card(e) ** length):
                    return tuple(_unmixed([e] * length, i))
                i -= card(e) ** length
        case Set(e, _):
            return frozenset(unrank(e, b) for b in range(i.bit_length()) if i >> b & 1)
    raise Infinite(t)


def _unmixed(ts: list[Type], i: int) -> list[Value]:
    out = []
    for t in ts:
        i, digit = divmod(i, card(t))
        out.append(unrank(t, digit))
    return out


def read(words: list[int], word: int, shift: int, t: Type) -> Value:
    """The value at a place: the inverse of `write`."""
    how = layout(t)

    def bits(slot: Slot, n: int) -> int:
        return words[word + slot.word] >> (shift + slot.shift) & ((1 << n) - 1)

    def part(slot: Slot, of: Type) -> Value:
        return read(words, word + slot.word, shift + slot.shift, of)

    match t:
        case Bool() | Int() | Enum() | Sort():
            return unrank(t, bits(Slot(0, 0), how.bits))
        case Option(e) if is_scalar(e):
            return unrank(t, bits(Slot(0, 0), how.bits))
        case Option(e):
            return part(how.parts[1], e) if bits(how.parts[0], 1) else None
        case Record(n, fs):
            return Rec(n, tuple(part(s, f) for s, (_, f) in zip(how.parts, fs, strict=True)))
        case Tuple(es):
            return tuple(part(s, e) for s, e in zip(how.parts, es, strict=True))
        case Union(vs):
            return part(how.parts[1], vs[bits(how.parts[0], (len(vs) - 1).bit_length())])
        case MapOf(k, x):
            assert how.array
            return Map((y, part(how.array.at(i), x)) for i, y in enumerate(values(k)))
        case _ if how.kind == "mask":
            assert isinstance(t, Set)
            every = card(t.elem)
            whole = sum(words[word + j] << WORD * j for j in range(how.words)) >> shift & ((1 << every) - 1)
            return frozenset(unrank(t.elem, i) for i in range(every) if whole >> i & 1)
        case Set(e, int(cap)) | Seq(e, int(cap)) | BagOf(e, int(cap)):
            assert how.array
            found = tuple(part(how.array.at(i), e) for i in range(bits(how.parts[0], cap.bit_length())))
            if isinstance(t, Seq):
                return found
            return frozenset(found) if isinstance(t, Set) else Bag({x: found.count(x) for x in found})
    raise TooWide(show(t))


@dataclass(frozen=True)
class StateLayout:
    """Where each variable is in a packed state of `words` words."""

    words: int
    slots: dict[str, Slot]
    types: dict[str, Type]

    def mask(self, names: Iterable[str]) -> tuple[int, ...]:
        """The bits, word by word, in which states can differ that differ in one of these variables."""
        words = [0] * self.words
        for name in names:
            for word, bits in self.extent(self.types[name], self.slots[name].word, self.slots[name].shift):
                words[word] |= bits
        return tuple(words)

    @staticmethod
    def extent(t: Type, word: int, shift: int) -> Iterator[tuple[int, int]]:
        """(word, bits in it) of a value that is at a place."""
        inner = layout(t)
        for i in range(inner.words if inner.wide else 1):
            yield word + i, (1 << WORD) - 1 if inner.wide else ((1 << inner.bits) - 1) << shift

    def pack(self, state: dict[str, Value]) -> list[int]:
        """A state as words."""
        words = [0] * self.words
        for name, t in self.types.items():
            write(words, self.slots[name].word, self.slots[name].shift, t, state[name])
        return words

    def unpack(self, words: list[int]) -> dict[str, Value]:
        """The state that words stand for."""
        return {n: read(words, self.slots[n].word, self.slots[n].shift, t) for n, t in self.types.items()}


def state_layout(types: dict[str, Type]) -> StateLayout:
    """The layout of a state with these variables.  Raises TooWide."""
    _, words, slots = place(list(types.values()), whole_words=True)
    return StateLayout(words, dict(zip(types, slots, strict=True)), dict(types))
