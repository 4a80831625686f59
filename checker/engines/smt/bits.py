"""Truth values that Z3 sees only if it must: a Bit is a Python bool or a Boolean term, and every connective folds constants.

Nothing here knows of types or specs.  The invariant: a term is made only of terms, never of a constant, so a closed expression
stays a Python bool to the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

import z3
from z3.z3core import Z3_get_app_decl, Z3_get_decl_kind, Z3_mk_and, Z3_mk_not, Z3_mk_or

Bit: TypeAlias = "bool | z3.BoolRef"
CONTEXT = z3.main_ctx()


def _term(make: Any, args: Collection[z3.BoolRef]) -> z3.BoolRef:
    """n-ary terms by the C interface: z3py's own checks would take most of the time."""
    return z3.BoolRef(make(CONTEXT.ref(), len(args), (z3.Ast * len(args))(*(a.ast for a in args))), CONTEXT)


def all_of(bits: Iterable[Bit]) -> Bit:
    """Are all true?  Stops at the first that is plainly false."""
    terms: dict[int, z3.BoolRef] = {}
    for b in bits:
        if isinstance(b, bool):
            if not b:
                return False
        else:
            terms[b.ast.value] = b
    if len(terms) <= 1:
        return next(iter(terms.values()), True)
    return _term(Z3_mk_and, terms.values())


def any_of(bits: Iterable[Bit]) -> Bit:
    """Is any true?  Stops at the first that plainly is."""
    terms: dict[int, z3.BoolRef] = {}
    for b in bits:
        if isinstance(b, bool):
            if b:
                return True
        else:
            terms[b.ast.value] = b
    if len(terms) <= 1:
        return next(iter(terms.values()), False)
    return _term(Z3_mk_or, terms.values())


def negation(a: Bit) -> Bit:
    if isinstance(a, bool):
        return not a
    if Z3_get_decl_kind(CONTEXT.ref(), Z3_get_app_decl(CONTEXT.ref(), a.ast)) == z3.Z3_OP_NOT:
        return a.arg(0)
    return z3.BoolRef(Z3_mk_not(CONTEXT.ref(), a.ast), CONTEXT)


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
