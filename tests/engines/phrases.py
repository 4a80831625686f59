"""Random types and expressions, as text: the words that random specs (models.py) are made of.

Everything written here is well-formed by construction: of the type that was asked for, and readable where it stands.  A `Dice`
decides; a throw of zero is the plainest choice as a rule, so that Hypothesis shrinks towards short texts.  Partial operations
stand
under a guard, but for a share of `risk` percent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from checker.core.operators.table import ordered
from checker.core.types import BOOL, BagOf, Bool, Enum, Int, MapOf, Option, Record, Seq, Set, Sort, Tuple, Type, card, sorts_in


class Impossible(Exception):
    """There is no way to write this here: no identity of a sort is at hand."""


class Dice:
    """Decisions, all made by `throw(low, high)`."""

    def __init__(self, throw: Callable[[int, int], int]) -> None:
        self.throw = throw

    def upto(self, n: int) -> int:
        return self.throw(0, n)

    def pick(self, xs: Sequence[Any]) -> Any:
        return xs[self.throw(0, len(xs) - 1)]

    def chance(self, percent: int) -> bool:
        return self.throw(0, 99) >= 100 - percent


@dataclass(frozen=True)
class Place:
    """Something that can be read: its text and type, and the variable it belongs to (None: a bound name)."""

    text: str
    type: Type
    var: str | None = None


@dataclass
class World:
    """What a spec declares for expressions to use."""

    sorts: list[Sort] = field(default_factory=list)
    enums: list[Enum] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    aliases: dict[Type, str] = field(default_factory=dict)
    params: list[Place] = field(default_factory=list)
    defs: list[tuple[str, tuple[Type, ...], Type]] = field(default_factory=list)
    quorums: list[tuple[str, Sort]] = field(default_factory=list)
    risk: int = 0
    count: int = 0

    def fresh(self, base: str) -> str:
        self.count += 1
        return f"{base}{self.count}"

    def show(self, t: Type) -> str:
        """A type as text; a type with a name by its name."""
        if t in self.aliases:
            return self.aliases[t]
        match t:
            case Bool():
                return "bool"
            case Int(lo, hi):
                return f"{lo}..{hi}"
            case Enum(name) | Sort(name) | Record(name):
                return name
            case Option(e):
                return f"{self.show(e)}?"
            case Tuple(es):
                return "(" + ", ".join(map(self.show, es)) + ")"
            case MapOf(k, v):
                return f"map {self.show(k)} -> {self.show(v)}"
            case Set(e, cap):
                return f"set[{self.show(e)}]" if cap is None else f"set[{self.show(e)}, {cap}]"
            case Seq(e, cap):
                return f"seq[{self.show(e)}, {cap}]"
            case BagOf(e, cap):
                return f"bag[{self.show(e)}, {cap}]"
        raise AssertionError(t)


def named(t: Type, world: World) -> bool:
    """Does the type have a one-word name, which can stand as the set of its values?"""
    return t in world.aliases or isinstance(t, Bool | Enum | Sort | Record)


# ── types ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Types:
    """Random types over what the world declares."""

    def __init__(self, dice: Dice, world: World) -> None:
        self.dice, self.world = dice, world
        self.theme: Type | None = None  # what most variables are relatives of

    def small(self, limit: int = 64, depth: int = 2) -> Type:
        """A type with at most `limit` values."""
        for _ in range(8):
            t = self._any(depth)
            if card(t) <= limit:
                return t
        return BOOL

    def stored(self, others: Sequence[Type] = ()) -> Type:
        """A variable's type: small as a rule, now and then one that needs slots or several words, or a relative of another."""
        others = [self.theme] * 3 if self.theme else others
        if others and self.dice.chance(80 if self.theme else 30) and (t := self.relative(self.dice.pick(others))):
            return t
        if not self.dice.chance(25):
            return self.small()
        return self.large()

    def relative(self, t: Type) -> Type | None:
        """A type whose values meet those of another: of another capacity, inside something, or what is inside it."""
        d = self.dice
        if isinstance(t, Option | MapOf):
            return self.relative(t.elem if isinstance(t, Option) else t.val)
        if not isinstance(t, Set | Seq):
            return None if isinstance(t, BagOf) or card(t) > 64 else d.pick([Set(t, 1), Seq(t, 2), MapOf(self.key(), t)])  # type: ignore[no-any-return]
        cap = d.pick([1, 2, 3])
        most = card(t.elem)
        other = Seq(t.elem, cap) if isinstance(t, Seq) else Set(t.elem, cap if cap < most else None)
        return d.pick([other, other, MapOf(self.key(), other), Tuple((other, BOOL)), self.within(other)])  # type: ignore[no-any-return]

    def within(self, t: Type) -> Type:
        """A sequence or map of records that hold a value of this type, if there is such a record."""
        holders = [r for r in self.world.records if any(f == t for _, f in r.fields)]
        inner = self.dice.pick(holders) if holders else t
        return self.dice.pick([Seq(inner, 2), MapOf(self.key(), Seq(inner, 1)), Seq(MapOf(self.key(), inner), 1)])  # type: ignore[no-any-return]

    def large(self) -> Type:
        elem = self.dice.pick([self.scalar, lambda: Int(0, 100000), lambda: Int(-5, 1 << 40), lambda: self.small(400)])()
        if isinstance(elem, BagOf):
            return elem
        cap = 1 + self.dice.upto(2)
        made: list[Type] = [Set(elem, cap) if card(elem) > cap else Set(elem), Seq(elem, cap), BagOf(elem, cap)]
        made += [Tuple((elem, BOOL)) if isinstance(elem, Option | MapOf) else Option(elem), Tuple((Int(0, 1 << 50), elem))]
        made += [MapOf(self.key(), Seq(elem, cap)), MapOf(self.key(), Int(-3, 1 << 33)), Seq(Tuple((elem, Int(0, 1 << 20))), 3)]
        return self.dice.pick(made)  # type: ignore[no-any-return]

    def scalar(self) -> Type:
        w, d = self.world, self.dice
        kinds: list[Type] = [BOOL, *w.enums, *w.sorts]
        at = d.upto(len(kinds) + 2)
        if at < len(kinds):
            return kinds[at]
        lo = d.pick([0, 0, 1, -1, -2])
        return Int(lo, lo + d.upto(3) + (1 if lo else 0))

    def key(self) -> Type:
        """A type with a name and few values."""
        w = self.world
        keys = [BOOL, *w.enums, *w.sorts, *(t for t in w.aliases if card(t) <= 4), *(r for r in w.records if card(r) <= 4)]
        return self.dice.pick(keys)  # type: ignore[no-any-return]

    def _any(self, depth: int) -> Type:
        d = self.dice
        if depth == 0 or d.chance(45):
            return self.scalar()
        inner = self._any(depth - 1)
        if isinstance(inner, BagOf):  # an empty bag can only be written where a bag is declared
            return inner
        kind = d.upto(8)
        if kind == 0:
            return Option(inner) if not isinstance(inner, Option | MapOf) else inner
        if kind == 1:
            return Tuple((inner, self.scalar()))
        if kind == 2:
            return Set(inner)
        if kind == 3:
            return Seq(inner, 1 + d.upto(1))
        if kind == 4:
            return BagOf(inner, 1 + d.upto(1))
        if kind == 5 and card(inner) > 1:
            return Set(inner, 1 + d.upto(min(1, card(inner) - 2)))
        if kind == 6 and self.world.records:
            return d.pick(self.world.records)  # type: ignore[no-any-return]
        return MapOf(self.key(), inner)


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Phrases:
    """Random expressions over the places in scope.  `asks`: how `sent` can be asked for here (properties and global actions)."""

    def __init__(self, dice: Dice, world: World, places: list[Place], asks: Callable[[Phrases], str] | None = None) -> None:
        self.dice, self.world, self.places, self.asks = dice, world, list(places), asks

    @contextmanager
    def knowing(self, *places: Place) -> Iterator[None]:
        """With some more names in scope."""
        before = list(self.places)
        self.places += places
        try:
            yield
        finally:
            self.places = before

    def risky(self) -> bool:
        return self.dice.chance(self.world.risk)

    # places

    def found(self, wanted: Callable[[Type], bool], deep: int = 2) -> list[tuple[Place, tuple[Any, ...]]]:
        """Every place, and every part of one, whose type is wanted."""
        out = []
        for p in self.places:
            out += [(p, path) for path, t in parts(p.type, deep) if wanted(t) and self.reached(path)]
        return out

    def reached(self, path: tuple[Any, ...]) -> bool:
        sorts = {p.type for p in self.places}
        return all(step in sorts for step in path if isinstance(step, Sort))

    def read(self, found: tuple[Place, tuple[Any, ...]]) -> str:
        """The text of a part of a place."""
        path, text = found[1], found[0].text
        for step in path:
            if isinstance(step, Type):
                text = f"{text}[{self.value(step, -1)}]"
            else:
                text = f"{text}{step}"
        return text

    def some(self, wanted: Callable[[Type], bool]) -> str | None:
        """A place of a wanted type, if there is one."""
        found = self.found(wanted)
        return self.read(self.dice.pick(found)) if found else None

    def of(self, t: Type) -> str | None:
        return self.some(lambda x: x == t)

    # values

    def value(self, t: Type, depth: int = 2) -> str:
        """An expression that can be stored as a t.  Raises Impossible."""
        d = self.dice
        if depth < 0:
            return self.plain(t)
        how = d.upto(9)
        if how >= 8 and depth > 0:
            first = self.of(t) if isinstance(t, BagOf) else self.value(t, depth - 1)
            if first:
                return f"({first} if {self.condition(depth - 1)} else {self.value(t, depth - 1)})"
        if how >= 4 and (text := self.of(t)):
            return text
        if how == 3 and (text := self.call(t, depth) or self.unwrapped(t, depth)):
            return text
        return MAKERS[type(t)](self, t, depth)

    def unwrapped(self, t: Type, depth: int) -> str | None:
        """What an option or a sequence holds."""
        d = self.dice
        among = self.some(lambda x: isinstance(x, Set) and x.elem == t) if ordered(t) else None
        if among and not isinstance(t, Bool) and d.chance(50):
            return self.guarded(f"{among} != {{}}", f"{d.pick(['min', 'max'])}({among})", self.value(t, depth - 1))
        option = self.some(lambda x: isinstance(x, Option) and x.elem == t)
        if option and d.chance(60):
            return self.guarded(f"{option} != none", f"the({option})", self.value(t, depth - 1))
        seq = self.some(lambda x: isinstance(x, Seq) and x.elem == t)
        if seq is None or isinstance(t, BagOf):
            return None
        at = d.pick([f"last({seq})", f"{seq}[0]", f"{seq}[len({seq}) - 1]"])
        return self.guarded(f"len({seq}) > 0", at, self.value(t, depth - 1))

    def other(self, t: Type) -> str:
        """A value that is made, not read."""
        return f"(not {self.of(BOOL)})" if t == BOOL and self.of(BOOL) else MAKERS[type(t)](self, t, 2)

    def plain(self, t: Type) -> str:
        """A name or a literal."""
        named_ = [p.text for p in self.places if p.type == t]
        return self.dice.pick(named_) if named_ and self.dice.chance(70) else MAKERS[type(t)](self, t, -1)

    def call(self, t: Type, depth: int) -> str | None:
        """A definition whose result is a t."""
        fit = [x for x in self.world.defs if x[2] == t]
        if not fit or depth <= 0:
            return None
        name, args, _ = self.dice.pick(fit)
        return f"{name}({', '.join(self.value(a, depth - 1) for a in args)})" if args else str(name)

    def bool_(self, t: Type, depth: int) -> str:
        return f"({self.condition(depth)})"

    def int_(self, t: Int, depth: int) -> str:
        """A number in a range."""
        d, lo, hi = self.dice, t.lo, t.hi
        assert isinstance(lo, int) and isinstance(hi, int)
        how = d.upto(5) if depth > 0 else 0
        if how <= 2:
            text = self.some(lambda x: isinstance(x, Int) and lo <= x.lo and x.hi <= hi) if how else None  # type: ignore[operator]
            return text or literal(lo + d.upto(min(hi - lo, 3)) if not d.chance(15) else hi)
        if self.risky():
            return self.number(depth - 1)
        if how == 3 and hi - lo < 1000:
            return f"({literal(lo)} + {self.number(depth - 1)} % {hi - lo + 1})"
        return f"max({literal(lo)}, min({literal(hi)}, {self.number(depth - 1)}))"

    def enum_(self, t: Enum, depth: int) -> str:
        return str(self.dice.pick(t.members))

    def sort_(self, t: Sort, depth: int) -> str:
        text = self.of(t) if depth >= 0 else next((p.text for p in self.places if p.type == t), None)
        if text is None:
            raise Impossible
        return text

    def option_(self, t: Option, depth: int) -> str:
        return "none" if self.dice.chance(40) else self.value(t.elem, depth - 1) if self.makes(t.elem) else "none"

    def makes(self, t: Type) -> bool:
        """Can a value of this type be written at all?"""
        if isinstance(t, Sort):
            return bool(self.found(lambda x: x == t))
        if isinstance(t, Record | Tuple):
            return all(self.makes(x) for x in (t.elems if isinstance(t, Tuple) else [f for _, f in t.fields]))
        if isinstance(t, MapOf):
            return not isinstance(t.val, BagOf) and (t.key == t.val or self.makes(t.val))
        return True

    def record_(self, t: Record, depth: int) -> str:
        if depth > 0 and self.dice.chance(25) and (text := self.of(t)):
            f, ft = self.dice.pick(t.fields)
            return f"({text} with {f} = {self.value(ft, depth - 1)})"
        if self.dice.chance(20):
            return f"{t.name}({', '.join(f'{f} = {self.value(ft, depth - 1)}' for f, ft in reversed(t.fields))})"
        return f"{t.name}({', '.join(self.value(ft, depth - 1) for _, ft in t.fields)})"

    def tuple_(self, t: Tuple, depth: int) -> str:
        if depth > 0 and self.dice.chance(20) and (text := self.of(t)):
            at = self.dice.upto(len(t.elems) - 1)
            return f"({text} with [{at}] = {self.value(t.elems[at], depth - 1)})"
        return "(" + ", ".join(self.value(e, depth - 1) for e in t.elems) + ")"

    def map_(self, t: MapOf, depth: int) -> str:
        if depth > 0 and self.dice.chance(40) and (text := self.of(t)) and self.makes(t.key):
            return f"({text} with [{self.value(t.key, depth - 1)}] = {self.value(t.val, depth - 1)})"
        if isinstance(t.val, BagOf):
            raise Impossible
        k = self.world.fresh("k")
        with self.knowing(Place(k, t.key)):
            return f"{{{k}: {self.value(t.val, depth - 1)} for {k} in {self.world.show(t.key)}}}"

    def seq_(self, t: Seq, depth: int) -> str:
        d = self.dice
        how = d.upto(5) if depth > 0 else 0
        text = self.of(t) if how > 1 else None
        if text is None or not self.makes(t.elem):
            n = min(int(t.cap), d.upto(2)) if self.makes(t.elem) else 0  # type: ignore[arg-type]
            return "[" + ", ".join(self.value(t.elem, depth - 1) for _ in range(n)) + "]"
        if other := self._kin(t):
            more = d.pick([f"{text} + {other}", f"{other}[0:min({t.cap}, len({other}))]", f"{other} + {text}"])
            return self.guarded(f"len({more}) <= {t.cap}", more, text)
        if how == 2:
            return self.guarded(f"len({text}) < {t.cap}", f"{text} + [{self.value(t.elem, depth - 1)}]", text)
        if how == 3:
            return self.guarded(f"len({text}) > 0", f"{text}[1:len({text})]", text)
        if how == 4:
            return self.guarded(f"len({text}) > 0", f"({text} with [0] = {self.value(t.elem, depth - 1)})", text)
        return self.guarded(f"len({text}) > 1", f"{text}[{d.pick(['0:1', '1:2', '0:len(' + text + ') - 1', '1:1'])}]", "[]")

    def guarded(self, guard: str, text: str, otherwise: str) -> str:
        """A partial operation: under its guard, or not."""
        return f"({text})" if self.risky() else f"({text} if {guard} else {otherwise})"

    def bag_(self, t: BagOf, depth: int) -> str:
        text = self.of(t) if depth > 0 else None
        if text is None or not self.makes(t.elem) or self.dice.chance(20):
            return "{}"
        x = self.value(t.elem, depth - 1)
        if self.dice.chance(40):
            return self.guarded(f"{x} in {text}", f"remove({text}, {x})", text)
        return self.guarded(f"len({text}) < {t.cap}", f"add({text}, {x})", text)

    def set_(self, t: Set, depth: int) -> str:
        d = self.dice
        if t.cap is not None:
            return self._capped(t, depth)
        how = d.upto(8) if depth > 0 else d.upto(1)
        if how <= 1 and self.makes(t.elem):
            n = d.upto(2)
            return "{" + ", ".join(self.value(t.elem, depth - 1) for _ in range(n)) + "}"
        if how == 2 and named(t.elem, self.world) and card(t.elem) <= 64:
            return self.world.show(t.elem)
        if other := self._kin(t):
            return f"({other} {d.pick(['|', '&', '-', '+'])} {self.value(t, depth - 1)})"
        if how in (3, 4, 5) and self.of(t):
            a, b = self.of(t), self.value(t, depth - 1)
            return f"({a} {d.pick(['|', '&', '-', '+'])} {b})"
        if how == 6 and isinstance(t.elem, Set) and t.elem.cap is None and card(t) <= 1 << 8:
            return f"subsets({self.value(t.elem, depth - 1)})"
        if how == 7 and (text := self._gathered(t)):
            return text
        return self._comprehension(t, depth) if depth > 0 else "{}"

    def _kin(self, t: Set | Seq) -> str | None:
        """A set or sequence of the same elements and of another capacity, more often than not, if there is one."""
        if not self.dice.chance(60):
            return None
        if isinstance(t, Set) and self.dice.chance(30) and (text := self.some(lambda x: isinstance(x, Seq) and x.elem == t.elem)):
            return f"elems({text})"
        return self.some(lambda x: is_kin(t, x))

    def _gathered(self, t: Set) -> str | None:
        """The elements of another collection."""
        text = self.some(lambda x: isinstance(x, Seq) and x.elem == t.elem)
        if text:
            return f"elems({text})"
        text = self.some(lambda x: isinstance(x, MapOf) and t.elem in (x.val, x.key))
        found = text and next(iter(self.found(lambda x: isinstance(x, MapOf) and x.val == t.elem)), None)
        return f"values({self.read(found)})" if found else f"keys({text})" if text else None

    def _comprehension(self, t: Set, depth: int) -> str:
        x = self.world.fresh("x")
        domain, of = self.domain(depth - 1, t.elem if self.dice.chance(60) and card(t.elem) <= 64 else None)
        with self.knowing(Place(x, of)):
            body = x if of == t.elem and self.dice.chance(60) else self.value(t.elem, depth - 1)
            where = f" if {self.condition(depth - 1)}" if self.dice.chance(70) else ""
        return f"{{{body} for {x} in {domain}{where}}}"

    def _capped(self, t: Set, depth: int) -> str:
        d, text = self.dice, self.of(t)
        how = d.upto(4) if depth > 0 and text and self.makes(t.elem) else 0
        if how == 0:
            n = min(int(t.cap), d.upto(2)) if self.makes(t.elem) else 0  # type: ignore[arg-type]
            return "{" + ", ".join(self.value(t.elem, depth - 1) for _ in range(n)) + "}"
        x = self.value(t.elem, depth - 1)
        if other := self._kin(t):
            more = f"{d.pick([text, '{' + x + '}'])} {d.pick(['|', '+', '&', '-'])} {other}"
            return self.guarded(f"len({more}) <= {t.cap}", f"({more})", str(text))
        if how == 1:
            return f"({text} - {{{x}}})"
        if how == 2:
            return f"({text} & {self.value(t, depth - 1)})"
        return self.guarded(f"len({text}) < {t.cap}", f"{text} | {{{x}}}", str(text))

    def domain(self, depth: int, wanted: Type | None = None) -> tuple[str, Type]:
        """A set to range over, and the type of its elements."""
        d, w = self.dice, self.world
        if wanted is not None:
            found = self.some(lambda x: isinstance(x, Set) and x.elem == wanted)
            if found and d.chance(50):
                return found, wanted
            if named(wanted, w):
                return w.show(wanted), wanted
        if d.chance(35):
            sets = self.found(lambda x: isinstance(x, Set))
            if sets:
                place, path = d.pick(sets)
                t = dict(parts(place.type, 2))[path]
                return self.read((place, path)), t.elem
        if d.chance(15) and (seq := self.some(lambda x: isinstance(x, Seq))):
            return f"indices({seq})", Int(0, 2)
        if d.chance(15):
            return f"range({literal(d.upto(2) - 1)}, {d.upto(3)})", Int(-1, 2)
        t = Types(d, w).key()
        return w.show(t), t

    # numbers

    def number(self, depth: int) -> str:
        """Any whole number."""
        d = self.dice
        how = d.upto(11) if depth > 0 else d.upto(1)
        text = self.some(lambda x: isinstance(x, Int)) if depth >= 0 else None
        if how == 0 or (how <= 3 and text is None):
            return literal(d.upto(5) - 2)
        if how <= 3:
            return str(text)
        if how == 4:
            return f"({self.number(depth - 1)} {d.pick(['+', '-', '*'])} {self.number(depth - 1)})"
        if how == 5:
            by = self.number(depth - 1) if self.risky() else literal(d.pick([1, 2, 3, -2]))
            return f"({self.number(depth - 1)} {d.pick(['//', '%'])} {by})"
        if how == 6:
            return f"{d.pick(['min', 'max'])}({self.number(depth - 1)}, {self.number(depth - 1)})"
        if how == 7:
            return f"(-{self.number(depth - 1)})"
        if how == 8:
            return self._counted()
        if how == 9:
            return self._fold(depth)
        if how == 10:
            return self._extreme()
        return f"({self.number(depth - 1)} if {self.condition(depth - 1)} else {self.number(depth - 1)})"

    def _counted(self) -> str:
        bag = self.found(lambda x: isinstance(x, BagOf) and self.makes(x.elem))
        if bag and self.dice.chance(50):
            place, path = self.dice.pick(bag)
            t = dict(parts(place.type, 2))[path]
            return f"count({self.read((place, path))}, {self.value(t.elem, 0)})"
        text = self.some(lambda x: isinstance(x, Set | Seq | BagOf))
        return f"len({text})" if text else f"len({self.world.sorts[0].name})" if self.world.sorts else "0"

    def _fold(self, depth: int) -> str:
        x, d = self.world.fresh("x"), self.dice
        domain, of = self.domain(depth - 1)
        kind = d.pick(["sum", "sum", "max", "min"])
        with self.knowing(Place(x, of)):
            body = self.number(depth - 1)
            where = self.condition(depth - 1) if d.chance(50) else "true"
        text = f"{kind}({body} for {x} in {domain} if {where})"
        if kind == "sum":
            return text
        return self.guarded(f"(exists {x}q in {domain}. {where_at(where, x)})", text, "0")

    def _extreme(self) -> str:
        text = self.some(lambda x: isinstance(x, Set) and isinstance(x.elem, Int))
        if not text:
            return literal(self.dice.upto(3))
        return self.guarded(f"{text} != {{}}", f"{self.dice.pick(['min', 'max'])}({text})", "0")

    # conditions

    def condition(self, depth: int) -> str:
        """Any truth value."""
        d = self.dice
        if depth < 0:
            return str(d.pick(["false", "true", *(p.text for p in self.places if p.type == BOOL)]))
        how = d.upto(13) if depth > 0 else d.upto(4)
        if how == 0:
            return self.of(BOOL) or d.pick(["true", "false"])
        if how <= 2:
            return self.equality(depth)
        if how == 3:
            return f"{self.number(depth - 1)} {d.pick(['<', '<=', '>', '>=', '!='])} {self.number(depth - 1)}"
        if how == 4:
            return self._membership(depth)
        if how <= 6:
            return f"({self.condition(depth - 1)} {d.pick(['and', 'or', 'implies'])} {self.condition(depth - 1)})"
        if how == 7:
            return f"not ({self.condition(depth - 1)})"
        if how <= 9:
            return self.quantified(depth)
        if how == 10 and self.asks:
            return self.asks(self)
        if how == 11 and self.world.quorums:
            return self._quorum(depth)
        if how == 12:
            return self._ordered(depth)
        return self._subset(depth)

    def equality(self, depth: int) -> str:
        """Some place, compared with a value."""
        all_ = self.found(lambda x: self.makes(x))
        if not all_:
            return "true"
        place, path = self.dice.pick(all_)
        t = dict(parts(place.type, 2))[path]
        if isinstance(t, Option) and self.dice.chance(25) and self.makes(t.elem):
            text = self.read((place, path))
            return self.guarded(f"{text} != none", f"the({text}) == {self.value(t.elem, depth - 1)}", "false")
        text = self.read((place, path))
        other = self.value(t, depth - 1)
        if other == text and self.dice.chance(90):
            other = MAKERS[type(t)](self, t, 0)
        return f"{text} {self.dice.pick(['==', '!='])} {other}"

    def _membership(self, depth: int) -> str:
        found = self.found(lambda x: isinstance(x, Set | Seq | BagOf) and self.makes(x.elem) and not isinstance(x.elem, BagOf))
        if not found:
            return self.equality(depth)
        place, path = self.dice.pick(found)
        t = dict(parts(place.type, 2))[path]
        x = self.number(depth - 1) if isinstance(t.elem, Int) else self.value(t.elem, depth - 1)
        return f"{x} {self.dice.pick(['in', 'not in'])} {self.read((place, path))}"

    def _ordered(self, depth: int) -> str:
        found = self.found(lambda x: isinstance(x, Enum) or (isinstance(x, Option | Tuple) and ordered(x)))
        if not found:
            return self.equality(depth)
        place, path = self.dice.pick(found)
        t = dict(parts(place.type, 2))[path]
        return f"{self.read((place, path))} {self.dice.pick(['<', '<=', '>', '>='])} {self.value(t, depth - 1)}"

    def _subset(self, depth: int) -> str:
        found = self.found(lambda x: isinstance(x, Set))
        if not found:
            return self.equality(depth)
        place, path = self.dice.pick(found)
        t = dict(parts(place.type, 2))[path]
        return f"{self.read((place, path))} subset {self.value(t, depth - 1)}"

    def quantified(self, depth: int) -> str:
        x, kind = self.world.fresh("x"), self.dice.pick(["forall", "exists"])
        domain, of = self.domain(depth - 1)
        by = ":" if named(of, self.world) and domain == self.world.show(of) else " in"
        with self.knowing(Place(x, of)):
            return f"({kind} {x}{by} {domain}. {self.condition(depth - 1)})"

    def _quorum(self, depth: int) -> str:
        (name, sort), q, a = self.dice.pick(self.world.quorums), self.world.fresh("q"), self.world.fresh("a")
        with self.knowing(Place(a, sort), Place(q, Set(sort))):
            inner = self.condition(depth - 1)
        kinds = self.dice.pick([("exists", "forall"), ("forall", "exists")])
        return f"({kinds[0]} {q}: {name}. {kinds[1]} {a} in {q}. {inner})"


def parts(t: Type, depth: int) -> list[tuple[tuple[Any, ...], Type]]:
    """The type itself and what can be reached in it by indices and fields: (path, type); an index into a map is its key type."""
    out: list[tuple[tuple[Any, ...], Type]] = [((), t)]
    if depth == 0:
        return out
    if isinstance(t, Record):
        steps: list[tuple[Any, Type]] = [(f".{f}", ft) for f, ft in t.fields]
    elif isinstance(t, Tuple):
        steps = [(f"[{i}]", e) for i, e in enumerate(t.elems)]
    elif isinstance(t, MapOf) and (isinstance(t.key, Sort) or not sorts_in(t.key)):
        steps = [(t.key, t.val)]
    else:
        return out
    for step, inner in steps:
        out += [((step, *path), x) for path, x in parts(inner, depth - 1)]
    return out


def is_kin(t: Type, other: Type) -> bool:
    """Two sets or two sequences that differ in their capacity only."""
    return isinstance(t, Set | Seq) and type(t) is type(other) and t.elem == other.elem and t.cap != other.cap  # type: ignore[attr-defined]


def literal(n: int) -> str:
    return str(n) if n >= 0 else f"({n})"


def where_at(where: str, x: str) -> str:
    """A condition on x as one on x with a q behind."""
    return re.sub(rf"\b{x}\b", f"{x}q", where)


MAKERS: dict[type[Type], Callable[..., str]] = {
    Bool: Phrases.bool_,
    Int: Phrases.int_,
    Enum: Phrases.enum_,
    Sort: Phrases.sort_,
    Option: Phrases.option_,
    Record: Phrases.record_,
    Tuple: Phrases.tuple_,
    MapOf: Phrases.map_,
    Seq: Phrases.seq_,
    BagOf: Phrases.bag_,
    Set: Phrases.set_,
}
