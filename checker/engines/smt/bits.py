"""Truth values that Z3 sees only if it must: a Bit is a Python bool or a Boolean term, and every connective folds constants.

Nothing here knows of types or specs.  The invariant: a term is made only of terms, never of a constant, so a closed expression stays a
Python bool to the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import z3

Bit: TypeAlias = "bool | z3.BoolRef"


def all_of(bits: Iterable[Bit]) -> Bit:
    """Are all true?  Stops at the first that is plainly false."""
    terms: dict[int, z3.BoolRef] = {}
    for b in bits:
        if isinstance(b, bool):
            if not b:
                return False
        else:
            terms[b.get_id()] = b
    if len(terms) <= 1:
        return next(iter(terms.values()), True)
    return z3.And(*terms.values())


def any_of(bits: Iterable[Bit]) -> Bit:
    """Is any true?  Stops at the first that plainly is."""
    terms: dict[int, z3.BoolRef] = {}
    for b in bits:
        if isinstance(b, bool):
            if b:
                return True
        else:
            terms[b.get_id()] = b
    if len(terms) <= 1:
        return next(iter(terms.values()), False)
    return z3.Or(*terms.values())


def negation(a: Bit) -> Bit:
    if isinstance(a, bool):
        return not a
    return a.arg(0) if z3.is_not(a) else z3.Not(a)


def both(a: Bit, b: Bit) -> Bit:
    return all_of((a, b))


def either(a: Bit, b: Bit) -> Bit:
    return any_of((a, b))


def same(a: Bit, b: Bit) -> Bit:
    """a iff b."""
    if isinstance(a, bool):
        return b if a else negation(b)
    if isinstance(b, bool):
        return a if b else negation(a)
    return True if a.eq(b) else a == b


def chosen(c: Bit, a: Bit, b: Bit) -> Bit:
    """a if c else b."""
    if isinstance(c, bool):
        return a if c else b
    if isinstance(a, bool):
        return either(c, b) if a else both(negation(c), b)
    if isinstance(b, bool):
        return either(negation(c), a) if b else both(c, a)
    return a if a.eq(b) else z3.If(c, a, b)


def exactly_one(bits: list[Bit]) -> Bit:
    """One of these is true, and no other: a ladder, so as many terms as bits."""
    seen: Bit = False
    clash: list[Bit] = []
    for b in bits:
        clash.append(negation(both(seen, b)))
        seen = either(seen, b)
    return all_of([seen, *clash])
