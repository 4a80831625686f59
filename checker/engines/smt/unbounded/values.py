"""Symbolic values over sorts without a size, and what can be asked of them.

A value that is looked up under a quantifier is never a term of a function: a member of an ordered type is a *cut* (which x lie
at or below it, which below), one of another sort a *pick* (which x is it).  So maps make no edges from their keys to their
values in the quantifier graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import z3

from checker.core.types import Bool, Enum, Int, Option, Record, Seq, Sort, Tuple, Type, Unknown, show
from checker.engines.smt.unbounded.formula import (
    FALSE,
    TRUE,
    F,
    all_of,
    any_of,
    both,
    choose,
    either,
    equivalent,
    every,
    implies,
    is_false,
    is_true,
    negation,
    same,
    some,
    unknown,
)

ONE_BY_ONE = "tell what is in it one by one: a message, an element or a name for each"


class Refused(Exception):
    """Something that cannot be said here; `hint`: what to do instead.  `node`: where, once it is known."""

    def __init__(self, text: str, hint: str = "", node: Any = None) -> None:
        super().__init__(text)
        self.text, self.hint, self.node = text, hint, node


class NeedsNumbers(Exception):
    """An ordered type is used in a way that only whole numbers can be."""


@dataclass(frozen=True, eq=False)
class Lit:
    """A number that is written in the text: it has no sort of its own."""

    n: int


@dataclass(frozen=True, eq=False)
class Term:
    """A term of the solver: of a sort, an enum, an ordered type or a whole number."""

    term: Any


@dataclass(frozen=True, eq=False)
class Cut:
    """A member v of an ordered sort.  ge(x): x <= v; gt(x): x < v."""

    sort: Any
    ge: Callable[[Any], F]
    gt: Callable[[Any], F]


@dataclass(frozen=True, eq=False)
class Pick:
    """A member of an unordered sort.  at(x): it is x."""

    sort: Any
    at: Callable[[Any], F]


@dataclass(frozen=True, eq=False)
class Opt:
    """`value` is None where it is known to be absent."""

    present: F
    value: Any


@dataclass(frozen=True, eq=False)
class Parts:
    """A record or a tuple."""

    values: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Members:
    """A set.  `key`: what tells a quorum from another, if it is one."""

    elem: Type
    has: Callable[[Any], F]


@dataclass(frozen=True, eq=False)
class Table:
    """A map."""

    key: Type
    at: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Sequence:
    """A sequence.  `items`: what stands at a position, and anything outside; None if it is empty.  `term`: which member it
    is of the sort of such sequences, if it is known as one."""

    elem: Type
    length: Any
    items: Callable[[Any], Any] | None
    term: Any = None

    def at(self, i: Any) -> Any:
        assert self.items is not None
        return self.items(i)


Value = Any
SCALARS = (Lit, Term, Cut, Pick)


_enums = count()


class World:
    """The sorts.  `numbers`: ordered types are whole numbers; otherwise they are sorts with a total order."""

    def __init__(self, numbers: bool = False) -> None:
        self.numbers = numbers
        self.sorts: dict[str, Any] = {}
        self.enums: dict[str, tuple[Any, dict[str, Any]]] = {}
        self.ordered: dict[str, tuple[Int, Any]] = {}
        self.tops: set[str] = set()

    # sorts

    def sort(self, t: Type) -> Any:
        """The solver's sort of a scalar type."""
        match t:
            case Bool():
                return z3.BoolSort()
            case Sort(name, _):
                return self.sorts.setdefault(name, z3.DeclareSort(name))
            case Enum(name, members):
                if name not in self.enums:
                    n = next(_enums)  # the solver takes each name once
                    sort, consts = z3.EnumSort(f"{name}!{n}", [f"{name}.{m}!{n}" for m in members])
                    self.enums[name] = sort, dict(zip(members, consts, strict=True))
                return self.enums[name][0]
            case Int() if self.numbers:
                return z3.IntSort()
            case Int(lo, hi, name):
                if lo is None or hi is None:
                    raise NeedsNumbers
                key = name or show(t)
                old = next((n for n, (i, _) in self.ordered.items() if (i.lo, i.hi) == (lo, hi)), key)
                if old not in self.ordered:
                    self.ordered[old] = t, z3.DeclareSort(old)
                return self.ordered[old][1]
        raise Refused(f"a value of type {show(t)} cannot be looked up here", ONE_BY_ONE)

    def member(self, t: Enum, name: str) -> Any:
        self.sort(t)
        return self.enums[t.name][1][name]

    def le(self, x: Any, y: Any) -> F:
        if x.sort() == z3.IntSort():
            return same(x <= y)
        return TRUE if x.eq(y) else same(self.order(x.sort())(x, y))

    def lt(self, x: Any, y: Any) -> F:
        if x.sort() == z3.IntSort():
            return same(x < y)
        return FALSE if x.eq(y) else both(self.le(x, y), same(x != y))

    def order(self, sort: Any) -> Any:
        return z3.Function(f"{sort.name()} <=", sort, sort, z3.BoolSort())

    def least(self, sort: Any) -> Any:
        return z3.Const(f"least {sort.name()}", sort)

    def top(self, sort: Any) -> Any:
        self.tops.add(sort.name())
        return z3.Const(f"greatest {sort.name()}", sort)

    def literal(self, n: int, sort: Any) -> Any:
        if sort == z3.IntSort():
            return z3.IntVal(n)
        t = self.ordered[sort.name()][0]
        if n != t.lo:
            raise NeedsNumbers
        return self.least(sort)

    def orders(self) -> list[Any]:
        """What is true of the ordered sorts."""
        out = []
        for _, s in self.ordered.values():
            le, (x, y, z) = self.order(s), (unknown(s) for _ in range(3))
            out += [
                z3.ForAll([x], le(x, x)),
                z3.ForAll([x, y], z3.Implies(z3.And(le(x, y), le(y, x)), x == y)),
                z3.ForAll([x, y, z], z3.Implies(z3.And(le(x, y), le(y, z)), le(x, z))),
                z3.ForAll([x, y], z3.Or(le(x, y), le(y, x))),
                z3.ForAll([x], le(self.least(s), x)),
            ]
            if s.name() in self.tops:
                out.append(z3.ForAll([x], le(x, self.top(s))))
        return out

    # all values of a type

    def alternatives(self, t: Type) -> list[tuple[str, list[Any], Callable[[list[Any]], Value]]]:
        """The values of a type, as cases: a tag, the sorts of what a value is made of, and the value made of such terms."""
        match t:
            case Bool():
                return [("", [z3.BoolSort()], lambda xs: same(xs[0]))]
            case Sort() | Enum() | Int():
                return [("", [self.sort(t)], lambda xs: Term(xs[0]))]
            case Seq(e, _):
                sort, make = self.sequences(e)
                return [("", [sort], lambda xs: make(xs[0]))]
            case Option(e):
                cases = self.alternatives(e)
                if len(cases) != 1:
                    raise Refused(f"a value of type {show(t)} has too many cases")
                _, sorts, make = cases[0]
                absent: Callable[[list[Any]], Value] = lambda _: Opt(FALSE, None)  # noqa: E731
                return [("none", [], absent), ("some", sorts, lambda xs: Opt(TRUE, make(xs)))]
            case Record(_, fs):
                return self._product([f for _, f in fs], t)
            case Tuple(es):
                return self._product(list(es), t)
        raise Refused(f"a value of type {show(t)} cannot stand in a message, in a set, or under a quantifier", ONE_BY_ONE)

    def sequences(self, elem: Type) -> tuple[Any, Callable[[Any], Sequence]]:
        """The sort of sequences of such elements, and a term of it as a sequence."""
        raise Refused(f"a sequence of {show(elem)} here")

    def _product(self, ts: list[Type], whole: Type) -> list[tuple[str, list[Any], Callable[[list[Any]], Value]]]:
        cases = [self.alternatives(x) for x in ts]
        if any(len(c) != 1 for c in cases):
            raise Refused(f"an option inside {show(whole)}", "make it a field of the message itself")
        parts = [c[0] for c in cases]

        def make(xs: list[Any]) -> Value:
            out, at = [], 0
            for _, sorts, f in parts:
                out.append(f(xs[at : at + len(sorts)]))
                at += len(sorts)
            return Parts(tuple(out))

        return [("", [s for _, sorts, _ in parts for s in sorts], make)]

    def in_range(self, t: Type, v: Value) -> F:
        """Only whole numbers can be outside their type; the bounds are known to whoever knows the parameters."""
        return TRUE

    def fits(self, t: Type, v: Value) -> F:
        """Is the value one of this type?"""
        return TRUE

    # questions

    def sort_of(self, *vs: Value) -> Any:
        for v in vs:
            if isinstance(v, Term):
                return v.term.sort()
            if isinstance(v, Cut | Pick):
                return v.sort
        return None

    def settle(self, v: Value, sort: Any) -> Value:
        """A literal as a term of a sort."""
        return Term(self.literal(v.n, sort)) if isinstance(v, Lit) and sort is not None else v

    def is_(self, v: Value, x: Any) -> F:
        """The scalar v is x."""
        match v:
            case Term(t):
                return TRUE if t.eq(x) else same(t == x)
            case Lit():
                return same(self.literal(v.n, x.sort()) == x)
            case Cut():
                return both(v.ge(x), negation(v.gt(x)))
            case Pick():
                return v.at(x)
        raise AssertionError(v)

    def ge(self, v: Value, x: Any) -> F:
        """x <= v"""
        return v.ge(x) if isinstance(v, Cut) else self.le(x, v.term)

    def gt(self, v: Value, x: Any) -> F:
        """x < v"""
        return v.gt(x) if isinstance(v, Cut) else self.lt(x, v.term)

    def equal(self, a: Value, b: Value) -> F:
        match a, b:
            case F(), F():
                return equivalent(a, b)
            case Opt(), Opt():
                return self._same_options(a, b)
            case (Opt(), _) | (_, Opt()):
                return self.equal(lifted(a), lifted(b))
            case Parts(), Parts():
                return all_of(self.equal(x, y) for x, y in zip(a.values, b.values, strict=True))
            case Members(), Members():
                t = b.elem if isinstance(a.elem, Unknown) else a.elem
                if isinstance(t, Unknown):
                    return TRUE
                return self.for_all(t, lambda x: equivalent(a.has(x), b.has(x)))
            case Table(), Table():
                return self.for_all(a.key, lambda x: implies(self.fits(a.key, x), self.equal(a.at(x), b.at(x))))
            case Sequence(), Sequence():
                return self._same_sequences(a, b)
            case Lit(), Lit():
                return TRUE if a.n == b.n else FALSE
        sort = self.sort_of(a, b)
        a, b = self.settle(a, sort), self.settle(b, sort)
        self._comparable(a, b)
        if isinstance(a, Term):
            return self.is_(b, a.term)
        if isinstance(b, Term):
            return self.is_(a, b.term)
        x = unknown(sort)
        meet = some([x], both(self.is_(a, x), self.is_(b, x)))
        if isinstance(a, Cut):
            alike = both(equivalent(a.ge(x), b.ge(x)), equivalent(a.gt(x), b.gt(x)))
        else:
            alike = equivalent(a.at(x), b.at(x))
        return F(every([x], alike).pos, meet.neg)

    def _same_options(self, a: Opt, b: Opt) -> F:
        neither = both(negation(a.present), negation(b.present))
        if a.value is None or b.value is None:
            return neither
        return either(neither, all_of((a.present, b.present, self.equal(a.value, b.value))))

    def _same_sequences(self, a: Sequence, b: Sequence) -> F:
        """Item by item; of members of the sort of sequences it is asserted that they are the same."""
        lengths = self.equal(a.length, b.length)
        if a.items is None or b.items is None:
            return lengths
        i = unknown(z3.IntSort(), "i")
        alike = both(lengths, every([i], implies(self.inside(i, a), self.equal(a.at(i), b.at(i)))))
        if a.term is not None and b.term is not None and a.term.sort() == b.term.sort():
            return F(a.term == b.term, alike.neg)
        return alike

    def before(self, i: Any, s: Sequence) -> F:
        """i < len(s)"""
        return self.gt(self.settle(s.length, z3.IntSort()), i)

    def inside(self, i: Any, s: Sequence) -> F:
        """Is i a position of the sequence?  They are whole numbers, also those of an empty one."""
        if isinstance(i, z3.ExprRef) and not z3.is_int(i):
            raise NeedsNumbers
        return both(same(i >= 0), self.before(i, s))

    def _comparable(self, a: Value, b: Value) -> None:
        if self.sort_of(a) != self.sort_of(b):
            raise NeedsNumbers

    def less(self, t: Type, a: Value, b: Value) -> F:
        """a < b, both of type t (as far as that is known)."""
        match a, b:
            case Lit(), Lit():
                return TRUE if a.n < b.n else FALSE
            case (Opt(), _) | (_, Opt()):
                return self._less_options(t, lifted(a), lifted(b))
            case Parts(), Parts():
                return self._lexicographic(t, a.values, b.values)
        sort = self.sort_of(a, b)
        a, b = self.settle(a, sort), self.settle(b, sort)
        self._comparable(a, b)
        if isinstance(t, Enum):
            ms = [self.member(t, m) for m in t.members]
            return any_of(both(self.is_(a, x), self.is_(b, y)) for i, x in enumerate(ms) for y in ms[i + 1 :])
        if isinstance(a, Term):
            return self.gt(b, a.term)
        if isinstance(b, Term):
            return negation(self.ge(a, b.term))
        x = unknown(sort)
        return F(
            every([x], implies(self.ge(a, x), self.gt(b, x))).pos, some([x], both(self.ge(b, x), negation(self.ge(a, x)))).neg
        )

    def _less_options(self, t: Type, a: Opt, b: Opt) -> F:
        if is_false(b.present) or b.value is None:
            return FALSE
        if is_false(a.present) or a.value is None:
            return b.present
        inner = t.elem if isinstance(t, Option) else t
        return both(b.present, either(negation(a.present), self.less(inner, a.value, b.value)))

    def _lexicographic(self, t: Type, a: tuple[Value, ...], b: tuple[Value, ...]) -> F:
        ts = [f for _, f in t.fields] if isinstance(t, Record) else list(getattr(t, "elems", ()))
        out = FALSE
        for u, x, y in reversed(list(zip(ts, a, b, strict=True))):
            out = either(self.less(u, x, y), both(self.equal(x, y), out))
        return out

    def plus(self, a: Value, b: Value, sign: int) -> Value:
        """a + b, or a - b: of whole numbers."""
        if isinstance(a, Lit) and isinstance(b, Lit):
            return Lit(a.n + sign * b.n)
        if not self.numbers:
            raise NeedsNumbers

        def body(xs: list[Any]) -> Value:
            return Term(xs[0] + xs[1] if sign > 0 else xs[0] - xs[1])

        return self.within_all([self.settle(x, z3.IntSort()) for x in (a, b)], body)

    # quantifiers

    def for_all(self, t: Type, body: Callable[[Value], F]) -> F:
        return all_of(every(xs, body(make(xs))) for xs, make in self._bound(t))

    def exists(self, t: Type, body: Callable[[Value], F]) -> F:
        return any_of(some(xs, body(make(xs))) for xs, make in self._bound(t))

    def _bound(self, t: Type) -> list[tuple[list[Any], Callable[[list[Any]], Value]]]:
        return [([unknown(s) for s in sorts], make) for _, sorts, make in self.alternatives(t)]

    # putting together

    def merge(self, c: F, a: Value, b: Value) -> Value:
        """a if c else b"""
        if is_true(c) or a is b:
            return a
        if is_false(c):
            return b
        match a, b:
            case F(), F():
                return choose(c, a, b)
            case (Opt(), _) | (_, Opt()):
                a, b = lifted(a), lifted(b)
                value = b.value if a.value is None else a.value if b.value is None else self.merge(c, a.value, b.value)
                return Opt(choose(c, a.present, b.present), value)
            case Parts(), Parts():
                return Parts(tuple(self.merge(c, x, y) for x, y in zip(a.values, b.values, strict=True)))
            case Members(), Members():
                t = b.elem if isinstance(a.elem, Unknown) else a.elem
                return Members(t, lambda x: choose(c, a.has(x), b.has(x)))
            case Table(), Table():
                return Table(a.key, lambda k: self.merge(c, a.at(k), b.at(k)))
            case Sequence(), Sequence():
                return self._merged_sequences(c, a, b)
        return self._merged_scalars(c, a, b)

    def _merged_sequences(self, c: F, a: Sequence, b: Sequence) -> Sequence:
        items = a.items or b.items
        if a.items is not None and b.items is not None:
            items = lambda i: self.merge(c, a.at(i), b.at(i))  # noqa: E731
        return Sequence(a.elem if a.items is not None else b.elem, self.merge(c, a.length, b.length), items)

    def _merged_scalars(self, c: F, a: Value, b: Value) -> Value:
        sort = self.sort_of(a, b) if not (isinstance(a, Lit) and isinstance(b, Lit)) else z3.IntSort()
        a, b = self.settle(a, sort), self.settle(b, sort)
        self._comparable(a, b)
        if isinstance(a, Term) and isinstance(b, Term) and (a.term.eq(b.term) or (c.plain and self._free(sort))):
            return a if a.term.eq(b.term) else Term(z3.If(c.pos, a.term, b.term))
        if sort.name() in self.ordered or sort == z3.IntSort():
            return Cut(sort, lambda x: choose(c, self.ge(a, x), self.ge(b, x)), lambda x: choose(c, self.gt(a, x), self.gt(b, x)))
        return Pick(sort, lambda x: choose(c, self.is_(a, x), self.is_(b, x)))

    def _free(self, sort: Any) -> bool:
        """Does a term of this sort do no harm under a quantifier?"""
        return bool(sort == z3.IntSort() or sort.kind() != z3.Z3_UNINTERPRETED_SORT)

    def within(self, v: Value, body: Callable[[Any], Value]) -> Value:
        """`body` of the term that the scalar v is: a value of any shape."""
        if isinstance(v, F):
            return self._either_way(v, body)
        if isinstance(v, Term):
            return body(v.term)
        return self._over(v, body, body(unknown(v.sort)))

    def _either_way(self, v: F, body: Callable[[Any], Value]) -> Value:
        if v.plain and z3.is_const(v.pos):
            return body(v.pos)
        return self.merge(v, body(z3.BoolVal(True)), body(z3.BoolVal(False)))

    def _over(self, v: Value, body: Callable[[Any], Value], probe: Value) -> Value:
        match probe:
            case F():
                x = unknown(v.sort)
                here, inner = self.is_(v, x), body(x)
                return F(every([x], implies(here, inner)).pos, some([x], both(here, inner)).neg)
            case Opt():
                value = None if probe.value is None else self._over(v, lambda x: body(x).value, probe.value)
                return Opt(self._over(v, lambda x: body(x).present, probe.present), value)
            case Parts():
                every_part = enumerate(probe.values)
                return Parts(tuple(self._over(v, partial(_part, body, i), p) for i, p in every_part))
            case Members():
                return Members(probe.elem, lambda y: self._over(v, lambda x: body(x).has(y), FALSE))
            case Table():
                return Table(probe.key, lambda k: self._over(v, lambda x: body(x).at(k), probe.at(k)))
            case Sequence():
                items = probe.items and (lambda i: self._over(v, lambda x: body(x).at(i), probe.at(i)))
                return Sequence(probe.elem, self._over(v, lambda x: body(x).length, probe.length), items)
            case Lit():
                return probe
        sort = self.sort_of(probe)
        if sort.name() in self.ordered or sort == z3.IntSort():
            return Cut(
                sort,
                lambda y: self._over(v, lambda x: self.ge(body(x), y), FALSE),
                lambda y: self._over(v, lambda x: self.gt(body(x), y), FALSE),
            )
        return Pick(sort, lambda y: self._over(v, lambda x: self.is_(body(x), y), FALSE))

    def within_all(self, vs: list[Value], body: Callable[[list[Any]], Value]) -> Value:
        if not vs:
            return body([])
        return self.within(vs[0], lambda x: self.within_all(vs[1:], lambda xs: body([x, *xs])))

    def scalars(self, t: Type, v: Value) -> list[tuple[F, str, list[Value]]]:
        """The cases that a value of type t may be (as `alternatives`): under what condition, and what it is made of."""
        if isinstance(t, Option):
            v = lifted(v)
            out: list[tuple[F, str, list[Value]]] = [(negation(v.present), "none", [])]
            if v.value is not None:
                out += [(v.present, "some", self.scalars(t.elem, v.value)[0][2])]
            return out
        if isinstance(t, Record | Tuple):
            ts = [f for _, f in t.fields] if isinstance(t, Record) else list(t.elems)
            return [(TRUE, "", [s for u, x in zip(ts, v.values, strict=True) for s in self.scalars(u, x)[0][2]])]
        if isinstance(v, Sequence):
            sort, make = self.sequences(v.elem if v.items is not None else t.elem)  # type: ignore[attr-defined]
            if v.term is not None and v.term.sort() == sort:
                return [(TRUE, "", [Term(v.term)])]
            return [(TRUE, "", [Pick(sort, lambda x: self.equal(make(x), v))])]
        return [(TRUE, "", [v if isinstance(v, F) else self.settle(v, self.sort(t))])]


def _part(body: Callable[[Any], Parts], i: int, x: Any) -> Value:
    return body(x).values[i]


def lifted(v: Value) -> Opt:
    return v if isinstance(v, Opt) else Opt(TRUE, v)
