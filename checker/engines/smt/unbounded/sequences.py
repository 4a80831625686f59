"""Sequences of any length: a length, and what stands at a position, which is a whole number.

What stands at positions outside a sequence is anything.  A sequence that is a value among others (in a message, in a set, under
a quantifier) is a member of a sort of its own, of which the length and the items are functions; sequences that are equal item
by item are the same there only as far as it is asked.  The invariant: with all finite sequences for that sort, and any
items outside, everything said here is true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import z3

from checker.core.types import Int, Type
from checker.engines.smt.unbounded.formula import (
    FALSE,
    TRUE,
    F,
    all_of,
    both,
    every,
    implies,
    is_true,
    negation,
    same,
    some,
    unknown,
)
from checker.engines.smt.unbounded.values import Lit, Members, Sequence, Value, World

POSITION = z3.IntSort()
NUMBER = Int(0, None)


def position(w: World, v: Value) -> Value:
    """A number as a term or cut of whole numbers."""
    return w.settle(v, POSITION)


def at(w: World, s: Sequence, i: Value) -> Value:
    return w.within(position(w, i), s.at)


def with_item(w: World, s: Sequence, i: Value, v: Value) -> Sequence:
    k = position(w, i)
    return Sequence(s.elem, s.length, lambda x: w.merge(w.is_(k, x), v, s.at(x)))


def literal(w: World, elem: Type, xs: tuple[Value, ...]) -> Sequence:
    def item(i: Any) -> Value:
        out = xs[-1]
        for n in reversed(range(len(xs) - 1)):
            out = w.merge(same(i == n), xs[n], out)
        return out

    return Sequence(elem, Lit(len(xs)), item if xs else None)


def concat(w: World, elem: Type, a: Sequence, b: Sequence) -> Sequence:
    if a.items is None or b.items is None:
        return b if a.items is None else a
    if isinstance(b.length, Lit) and b.length.n == 1:
        one = b.at(z3.IntVal(0))
        return Sequence(elem, w.plus(a.length, b.length, 1), lambda i: w.merge(w.before(i, a), a.at(i), one))

    def item(i: Any) -> Value:
        return w.merge(w.before(i, a), a.at(i), w.within(position(w, a.length), lambda n: b.at(i - n)))

    return Sequence(elem, w.plus(a.length, b.length, 1), item)


def part(w: World, elem: Type, s: Sequence, a: Value, b: Value) -> Sequence:
    """s[a:b]"""
    if isinstance(a, Lit) and a.n == 0:
        return Sequence(elem, b, s.items)
    return Sequence(elem, w.plus(b, a, -1), s.items and (lambda i: w.within(position(w, a), lambda n: s.at(i + n))))


def sliceable(w: World, s: Sequence, a: Value, b: Value) -> F:
    """0 <= a <= b <= len(s)"""

    def at_most(x: Value, y: Value) -> F:
        return negation(w.less(NUMBER, y, x))

    return all_of((at_most(Lit(0), a), at_most(a, b), at_most(b, s.length)))


def indices(w: World, s: Sequence) -> Members:
    return Members(NUMBER, lambda x: w.within(position(w, x), lambda i: w.inside(i, s)))


def all_items(w: World, s: Sequence, body: Callable[[Value], F]) -> F:
    if s.items is None:
        return TRUE
    i = unknown(POSITION, "i")
    said = body(s.at(i))
    return TRUE if is_true(said) else every([i], implies(w.inside(i, s), said))


def has(w: World, s: Sequence, x: Value) -> F:
    """Is x one of the items?"""
    if s.items is None:
        return FALSE
    i = unknown(POSITION, "i")
    return some([i], both(w.inside(i, s), w.equal(s.at(i), x)))
