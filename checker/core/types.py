"""The types of the language, and the finite values they stand for.

A type is a frozen, hashable tree. In a Model the bounds of integers, sequences and bags may still be expressions over
parameters (`Bound`); in an Instance they are plain numbers and every sort has a size, so every type is a finite list of
values: `values(t)` is that list in *the* canonical order, `card(t)` its length, `rank`/`unrank` the bijection.

Values are plain immutable Python: bool, int, str (enum members), Id (sorts), None or the value (options), Rec (records and
messages), tuple (tuples and sequences), frozenset, Map (with a vast range of keys Sparse), Bag. Nothing here knows how a value is
packed into bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

if TYPE_CHECKING:
    from checker.core.ir import Expr

Value = Any
MANY = 16  # a map of so many keys is large
VAST = 1 << 20  # a range of more numbers is never listed
REST = "else"  # what stands for the keys that a sparse map does not list


class Id(NamedTuple):
    """An identity of a sort: only equality, membership and quantifiers apply to it."""

    sort: str
    index: int  # type: ignore[assignment]  # not tuple.index

    def __repr__(self) -> str:
        return f"{self.sort}{self.index + 1}"


class Rec(NamedTuple):
    """A record or a message: the name of its type and the values of its fields, in declared order."""

    name: str
    values: tuple[Value, ...]


class Map(dict[Value, Value]):
    """A total map: immutable, hashable, and as quick to look into as any dict.  A large one knows from which others it was made
    lately and by which key it differs from each, so that what is new in it is found without a look at all of it."""

    __slots__ = ("__weakref__", "_hash", "_made")

    _hash: int
    _made: tuple[tuple[ref[Map], Value], ...]  # the last first; the maps are not kept alive by this

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Map) and dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(frozenset(self.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Map({dict(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Map, (dict(self),)

    def _never(self, *_: Any) -> Any:
        raise TypeError("a map is not changed in place")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _never  # type: ignore[assignment]

    def new(self, old: Map) -> list[tuple[Value, Value]]:
        """The pairs whose values are other objects than in a map with the same keys."""
        before = old.get
        if (key := self._only(old)) is not None:
            return [(key, self[key])] if self[key] is not before(key) else []
        return [pair for pair in self.items() if pair[1] is not before(pair[0])]

    def image(self) -> frozenset[Value]:
        """Where keys go."""
        return frozenset(self.values())

    def other(self, value: Value, lo: int, hi: int) -> Sequence[int]:
        """Of keys that are numbers those from lo to hi that do not go to a value, in order."""
        return [k for k in range(lo, hi + 1) if self[k] != value]

    def among(self, new: Mapping[Value, Value]) -> Map:
        """The same map with some keys going elsewhere."""
        return self.set(*next(iter(new.items()))) if len(new) == 1 else Map({**self, **new})

    def set(self, key: Value, value: Value) -> Map:
        """The same map with `key` going to `value`; itself, if it does."""
        if self.get(key) is value and key in self:
            return self
        found = Map(self)
        dict.__setitem__(found, key, value)
        if len(self) >= MANY:
            found._made = ((ref(self), key), *getattr(self, "_made", ())[:2])
        return found

    def _only(self, old: Map) -> Value | None:
        """The only key whose value may be another than in the map that this one was made from, if that is known."""
        made: tuple[tuple[ref[Map], Value], ...] = getattr(self, "_made", ())
        for before, key in made:
            if key != made[0][1]:
                return None
            if before() is old:
                return key
        return None


class Sparse(Map):
    """A map whose keys are the numbers of a vast range: it lists those that go elsewhere than `rest`, where all others go.

    They are in two layers.  A new map copies only the upper one, which is put into the lower one when it has about as many keys
    as the square root of that."""

    __slots__ = ("_count", "_listed", "_lower", "_upper", "rest")

    rest: Value
    _listed: dict[Value, Value]

    def __init__(self, rest: Value, pairs: Any = ()) -> None:
        self.rest = rest
        self._lower = {k: x for k, x in (pairs.items() if isinstance(pairs, Mapping) else pairs) if x != rest}
        self._upper: dict[Value, Value] = {}
        self._count = len(self._lower)

    @property
    def listed(self) -> dict[Value, Value]:
        """The keys that go elsewhere."""
        try:
            return self._listed
        except AttributeError:
            self._listed = self._merged(self._upper) if self._upper else self._lower
        return self._listed

    def _merged(self, upper: dict[Value, Value]) -> dict[Value, Value]:
        found = {**self._lower, **upper}
        for k, x in upper.items():
            if x == self.rest:
                del found[k]
        return found

    def __missing__(self, key: Value) -> Value:
        return self._upper[key] if key in self._upper else self._lower.get(key, self.rest)

    def get(self, key: Value, _: Any = None) -> Value:
        return self[key]

    def __iter__(self) -> Iterator[Value]:
        return iter(self.listed)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object) -> bool:
        return bool(self[key] != self.rest)

    def keys(self) -> Any:
        return self.listed.keys()

    def values(self) -> Any:
        return self.listed.values()

    def items(self) -> Any:
        return self.listed.items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sparse):
            return False
        for one, old in ((self, other), (other, self)):
            if (key := one._only(old)) is not None:
                return bool(one[key] == old[key])
        return bool(self.rest == other.rest and self.listed == other.listed)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.rest, super().__hash__()))

    def __repr__(self) -> str:
        return f"Sparse({self.rest!r}, {self.listed!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Sparse, (self.rest, self.listed)

    def new(self, old: Map) -> list[tuple[Value, Value]]:
        if (key := self._only(old)) is not None:
            return [(key, self[key])] if self[key] is not old[key] else []
        return [(k, self[k]) for k in (*self, *(k for k in old if k not in self)) if self[k] is not old[k]]

    def image(self) -> frozenset[Value]:
        return super().image() | {self.rest}

    def among(self, new: Mapping[Value, Value]) -> Map:
        return self.set(*next(iter(new.items()))) if len(new) == 1 else Sparse(self.rest, {**self.listed, **new})

    def set(self, key: Value, value: Value) -> Map:
        if self[key] is value:
            return self
        found = Sparse(self.rest)
        found._lower, found._upper = self._lower, {**self._upper, key: value}
        if value == self.rest and key not in self._lower:
            del found._upper[key]
        elif len(found._upper) ** 2 > len(self._lower) + MANY:
            found._lower, found._upper = found._merged(found._upper), {}
        found._count = self._count + (value != self.rest) - (key in self)
        found._made = ((ref(self), key), *getattr(self, "_made", ())[:2])
        return found

    def other(self, value: Value, lo: int, hi: int) -> Sequence[int]:
        """As of any map, or more: all, where it is not the `rest` that goes there."""
        return sorted([k for k in self.listed if lo <= k <= hi]) if self.rest == value else range(lo, hi + 1)


class Bag(Mapping[Value, int]):
    """A finite multiset: element -> how often (at least once)."""

    __slots__ = ("_data", "_hash")

    def __init__(self, items: Mapping[Value, int] | None = None) -> None:
        self._data = {k: n for k, n in (items or {}).items() if n > 0}
        self._hash: int | None = None

    def __getitem__(self, key: Value) -> int:
        return self._data.get(key, 0)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[Value]:
        return iter(self._data)

    def __len__(self) -> int:
        """How many elements, each counted as often as it occurs."""
        return sum(self._data.values())

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._data.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bag) and self._data == other._data

    def __repr__(self) -> str:
        return f"Bag({self._data!r})"

    def add(self, item: Value, n: int = 1) -> Bag:
        """The same bag with `item` n times more (less, if n is negative)."""
        return Bag({**self._data, item: self[item] + n})


@dataclass(frozen=True)
class Type:
    """Base of all types."""


@dataclass(frozen=True)
class Bool(Type):
    """false, true."""


Bound = "int | Expr | None"


@dataclass(frozen=True)
class Int(Type):
    """The integers lo..hi, both included.  None: no bound (only between operators, never stored)."""

    lo: int | Expr | None = None
    hi: int | Expr | None = None
    name: str | None = None  # the declared name, for messages


@dataclass(frozen=True)
class Enum(Type):
    """Named members in declared order; ordered by it."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Sort(Type):
    """Interchangeable identities; `size` is None until an instance gives it."""

    name: str
    size: int | None = None


@dataclass(frozen=True)
class Option(Type):
    """none, or a value of `elem`.  Never nested."""

    elem: Type


@dataclass(frozen=True)
class Record(Type):
    """Fields in declared order.  Messages are records, too."""

    name: str
    fields: tuple[tuple[str, Type], ...]

    def index(self, field: str) -> int:
        """Position of a field; ValueError if there is none."""
        return [f for f, _ in self.fields].index(field)


@dataclass(frozen=True)
class Union(Type):
    """One of several records, told apart by name (the messages of one network)."""

    variants: tuple[Record, ...]

    def index(self, name: str) -> int:
        return [r.name for r in self.variants].index(name)


@dataclass(frozen=True)
class Tuple(Type):
    elems: tuple[Type, ...]


@dataclass(frozen=True)
class Set(Type):
    """A finite set.  `cap`: the most elements it may hold; None: as many as there are."""

    elem: Type
    cap: int | Expr | None = None


@dataclass(frozen=True)
class BagOf(Type):
    """A multiset of at most `cap` elements, counted with multiplicity."""

    elem: Type
    cap: int | Expr | None = None


@dataclass(frozen=True)
class MapOf(Type):
    """A total map."""

    key: Type
    val: Type


def is_vast(t: MapOf) -> bool:
    """Are there so many keys that its values are `Sparse`?"""
    return isinstance(t.key, Int) and isinstance(t.key.lo, int) and isinstance(t.key.hi, int) and t.key.hi - t.key.lo >= VAST


@dataclass(frozen=True)
class Seq(Type):
    """A sequence of at most `cap` elements, indexed from 0."""

    elem: Type
    cap: int | Expr | None = None


@dataclass(frozen=True)
class Unknown(Type):
    """What inference does not know, and a type without values: the element of an empty set, the value of none.  Never in a
    verified
    model's variables."""


BOOL = Bool()
INT = Int()


def children(t: Type) -> tuple[Type, ...]:
    """The types a type is made of."""
    match t:
        case Option(e) | Set(e, _) | BagOf(e, _) | Seq(e, _):
            return (e,)
        case MapOf(k, v):
            return (k, v)
        case Tuple(es):
            return es
        case Record(_, fs):
            return tuple(ft for _, ft in fs)
        case Union(vs):
            return vs
        case _:
            return ()


def sorts_in(t: Type) -> set[Sort]:
    """Every sort that occurs in a type."""
    if isinstance(t, Sort):
        return {t}
    return set().union(*(sorts_in(c) for c in children(t)))


def is_scalar(t: Type) -> bool:
    """Is a value one small number?  (bool, int, enum, sort)"""
    return isinstance(t, Bool | Int | Enum | Sort)


class Infinite(Exception):
    """A type that has no finite list of values (an unbounded integer, a sort without a size)."""


@cache
def card(t: Type) -> int:
    """How many values a finite type has; of 2^4096 and more it says 2^4096.  Raises Infinite."""
    return min(_card(t), HUGE)


def _card(t: Type) -> int:
    match t:
        case Bool():
            return 2
        case Int(int(lo), int(hi)):
            return max(0, hi - lo + 1)
        case Enum(_, ms):
            return len(ms)
        case Sort(_, int(n)):
            return n
        case Unknown():
            return 0
        case Option(e):
            return 1 + card(e)
        case Record(_, fs):
            return _prod(card(f) for _, f in fs)
        case Union(vs):
            return sum(card(v) for v in vs)
        case Tuple(es):
            return _prod(card(e) for e in es)
        case Set(e, None):
            return _power(2, card(e))
        case Set(e, int(cap)):
            return _total(_choose(card(e), k) for k in range(min(cap, card(e)) + 1))
        case BagOf(e, int(cap)):
            return _total(_choose(card(e) + k - 1, k) if card(e) else int(k == 0) for k in range(cap + 1))
        case MapOf(k, v):
            return _power(card(v), card(k))
        case Seq(e, int(cap)):
            return cap + 1 if card(e) == 1 else _total(_power(card(e), k) for k in range(cap + 1))
    raise Infinite(t)


HUGE = 1 << 4096  # nothing larger is ever counted out


def _prod(ns: Any) -> int:
    out = 1
    for n in ns:
        out *= n
    return out


def _power(base: int, n: int) -> int:
    """base ** n, or HUGE if that is less."""
    return HUGE if base > 1 and n * (base.bit_length() - 1) > 4096 else int(base**n)


def _total(ns: Iterator[int]) -> int:
    """The sum of the numbers, or HUGE if that is less."""
    total = 0
    for n in ns:
        total += n
        if total >= HUGE:
            return HUGE
    return total


def _choose(n: int, k: int) -> int:
    import math

    return HUGE if k > 8192 and n - k > 8192 else math.comb(n, k)


def values(t: Type) -> Iterator[Value]:
    """Every value of a finite type, in rank order: the i-th has rank i.  Raises Infinite."""
    match t:
        case Bool():
            yield from (False, True)
        case Int(int(lo), int(hi)):
            yield from range(lo, hi + 1)
        case Enum(_, ms):
            yield from ms
        case Unknown():
            return
        case Sort(s, int(n)):
            yield from (Id(s, i) for i in range(n))
        case Option(e):
            yield None
            yield from values(e)
        case Record(n, fs):
            yield from (Rec(n, vs) for vs in _product([f for _, f in fs]))
        case Union(variants):
            for v in variants:
                yield from values(v)
        case Tuple(es):
            yield from _product(es)
        case Set(e, cap):
            elems = list(values(e))
            yield from map(frozenset, _subsets(elems, len(elems) if cap is None else cap))  # type: ignore[arg-type]
        case BagOf(e, int(cap)):
            elems = list(values(e))
            for k in range(cap + 1):
                for chosen in combinations_with_replacement(elems, k):
                    bag = Bag()
                    for x in chosen:
                        bag = bag.add(x)
                    yield bag
        case MapOf(k, v):
            keys = list(values(k))
            for vs in _product([v] * len(keys)):
                yield Map(zip(keys, vs, strict=True))
        case Seq(e, int(cap)):
            for k in range(cap + 1):
                yield from _product([e] * k)
        case _:
            raise Infinite(t)


def _subsets(elems: list[Value], cap: int) -> Iterator[tuple[Value, ...]]:
    """Subsets of at most `cap` elements, in the order of the masks that stand for them."""
    yield ()
    if cap > 0:
        for i, last in enumerate(elems):
            yield from ((*rest, last) for rest in _subsets(elems[:i], cap - 1))


def _product(ts: Any) -> Iterator[tuple[Value, ...]]:
    """Tuples in mixed-radix order, the FIRST component the least significant digit."""
    for reverse in product(*(list(values(t)) for t in reversed(list(ts)))):
        yield tuple(reversed(reverse))


def member(v: Value, t: Type) -> bool:
    """Is `v` a value of the finite type `t`?  (The type is trusted for the kind of value, as inference has checked it.)"""
    match t:
        case Option(e):
            return v is None or member(v, e)
        case _ if v is None:
            return False
        case Int(int(lo), int(hi)):
            return bool(lo <= v <= hi)
        case Record(_, fs):
            return all(member(x, f) for x, (_, f) in zip(v.values, fs, strict=True))
        case Union(vs):
            return any(v.name == r.name and member(v, r) for r in vs)
        case Tuple(es):
            return all(member(x, e) for x, e in zip(v, es, strict=True))
        case Set(e, cap) | Seq(e, cap):
            return (cap is None or len(v) <= cap) and all(member(x, e) for x in v)  # type: ignore[operator]
        case BagOf(e, cap):
            return (cap is None or len(v) <= cap) and all(member(x, e) for x in v)  # type: ignore[operator]
        case MapOf(_, e):
            return all(member(x, e) for x in (v.image() if isinstance(v, Sparse) else v.values()))
        case _:
            return True


def show(t: Type) -> str:
    """A type as the user writes it."""
    match t:
        case Bool():
            return "bool"
        case Int(lo, hi, name):
            return name or ("int" if lo is None and hi is None else f"{_bound(lo)}..{_bound(hi)}")
        case Enum(name, _) | Sort(name, _) | Record(name, _):
            return name
        case Option(e):
            return f"{show(e)}?"
        case Union(vs):
            return " | ".join(v.name for v in vs)
        case Tuple(es):
            return "(" + ", ".join(map(show, es)) + ")"
        case Set(e, cap):
            return f"set[{show(e)}{_cap(cap)}]"
        case BagOf(e, cap):
            return f"bag[{show(e)}{_cap(cap)}]"
        case Seq(e, cap):
            return f"seq[{show(e)}{_cap(cap)}]"
        case MapOf(k, v):
            return f"map {show(k)} -> {show(v)}"
        case _:
            return "?"


def _bound(b: Any) -> str:
    return str(b) if isinstance(b, int) else "_"


def _cap(cap: Any) -> str:
    return "" if cap is None else f", {_bound(cap)}"


def rebuild(t: Type, f: Any) -> Type:
    """The same type with `f` applied to each type it is made of."""
    match t:
        case Option(e) | Set(e, _) | BagOf(e, _) | Seq(e, _):
            return replace(t, elem=f(e))
        case MapOf(k, v):
            return MapOf(f(k), f(v))
        case Tuple(es):
            return Tuple(tuple(f(e) for e in es))
        case Record(n, fs):
            return Record(n, tuple((name, f(ft)) for name, ft in fs))
        case Union(vs):
            return Union(tuple(f(v) for v in vs))
        case _:
            return t
