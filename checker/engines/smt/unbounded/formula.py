"""Formulas with two readings: one for where they are asserted, one for where they are denied.

"x is the highest ballot of a" can be said with a quantifier of either kind.  In every real state both say the same; for the
solver the one that makes the asserted formula universal is the better one.  The invariant: in every state of the protocol, of
whatever size, `pos` and `neg` are equivalent to what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count, product
from math import prod
from typing import Any

import z3


@dataclass(frozen=True, eq=False)
class F:
    """`pos`: where it is asserted; `neg`: where it is denied."""

    pos: Any
    neg: Any

    @property
    def plain(self) -> bool:
        return self.pos is self.neg


def same(f: Any) -> F:
    """A formula that reads the same everywhere."""
    return F(f, f)


TRUE, FALSE = same(z3.BoolVal(True)), same(z3.BoolVal(False))


def is_true(f: F) -> bool:
    return bool(z3.is_true(f.pos) and z3.is_true(f.neg))


def is_false(f: F) -> bool:
    return bool(z3.is_false(f.pos) and z3.is_false(f.neg))


def _map(f: Callable[..., Any], *fs: F) -> F:
    pos = f(*(x.pos for x in fs))
    return same(pos) if all(x.plain for x in fs) else F(pos, f(*(x.neg for x in fs)))


def negation(f: F) -> F:
    if is_true(f):
        return FALSE
    if is_false(f):
        return TRUE
    return same(z3.Not(f.pos)) if f.plain else F(z3.Not(f.neg), z3.Not(f.pos))


def all_of(fs: Iterable[F]) -> F:
    kept = [f for f in fs if not is_true(f)]
    if any(is_false(f) for f in kept):
        return FALSE
    return TRUE if not kept else kept[0] if len(kept) == 1 else _map(lambda *xs: z3.And(*xs), *kept)


def any_of(fs: Iterable[F]) -> F:
    kept = [f for f in fs if not is_false(f)]
    if any(is_true(f) for f in kept):
        return TRUE
    return FALSE if not kept else kept[0] if len(kept) == 1 else _map(lambda *xs: z3.Or(*xs), *kept)


def both(a: F, b: F) -> F:
    return all_of((a, b))


def either(a: F, b: F) -> F:
    return any_of((a, b))


def implies(a: F, b: F) -> F:
    return either(negation(a), b)


def choose(c: F, a: F, b: F) -> F:
    """a if c else b.  In `and`, `or` and `implies`, which are such, the condition is said once: chains of them stay short."""
    if is_true(c) or a is b:
        return a
    if is_false(c):
        return b
    if is_false(b):
        return both(c, a)
    if is_true(b):
        return implies(c, a)
    if is_true(a):
        return either(c, b)
    if is_false(a):
        return both(negation(c), b)
    return both(implies(c, a), implies(negation(c), b))


def equivalent(a: F, b: F) -> F:
    if a.plain and b.plain and not any(f(x) for f in (is_true, is_false) for x in (a, b)):
        return same(a.pos == b.pos)
    return both(implies(a, b), implies(b, a))


_names = count()


def unknown(sort: Any, base: str = "x") -> Any:
    """A constant that occurs nowhere else."""
    return z3.Const(f"{base}!{next(_names)}", sort)


def _quantified(over: Any, xs: list[Any], f: F) -> F:
    if not xs or is_true(f) or is_false(f):
        return f
    return _map(lambda x: x if z3.is_true(x) or z3.is_false(x) else over(xs, x), f)


def every(xs: list[Any], f: F) -> F:
    return _quantified(z3.ForAll, xs, f)


def some(xs: list[Any], f: F) -> F:
    return _quantified(z3.Exists, xs, f)


# ── constants for what exists ────────────────────────────────────────────────────────────────────────────────────────


def skolem(f: Any, asserted: bool = True) -> Any:
    """The formula with a new constant for everything that exists and depends on nothing."""
    if z3.is_and(f) or z3.is_or(f):
        return (z3.And if z3.is_and(f) else z3.Or)(*(skolem(c, asserted) for c in f.children()))
    if z3.is_not(f):
        return z3.Not(skolem(f.arg(0), not asserted))
    if z3.is_implies(f):
        return z3.Or(z3.Not(skolem(f.arg(0), not asserted)), skolem(f.arg(1), asserted))
    if z3.is_quantifier(f) and f.is_exists() == asserted:
        new = [unknown(f.var_sort(i), f.var_name(i).split("!")[0]) for i in range(f.num_vars())]
        return skolem(z3.substitute_vars(f.body(), *reversed(new)), asserted)
    return f


MOST_INSTANCES = 40


def deepen(f: Any, known: dict[str, list[Any]], asserted: bool = True) -> Any:
    """The formula, with what exists for every x also said of the constants x that are known, and given constants there."""
    if z3.is_and(f) or z3.is_or(f):
        return (z3.And if z3.is_and(f) else z3.Or)(*(deepen(c, known, asserted) for c in f.children()))
    if z3.is_not(f):
        return z3.Not(deepen(f.arg(0), known, not asserted))
    if z3.is_quantifier(f) and f.is_exists() != asserted and alternates(f.body(), asserted):
        choices = [known.get(f.var_sort(i).name(), []) for i in range(f.num_vars())]
        if 0 < prod(map(len, choices)) <= MOST_INSTANCES:
            bodies = [z3.substitute_vars(f.body(), *reversed(xs)) for xs in product(*choices)]
            return (z3.And if asserted else z3.Or)(f, *(skolem(b, asserted) for b in bodies))
    return f


def alternates(f: Any, asserted: bool = True) -> bool:
    """Does the formula, as it is asserted or denied, say that something exists?"""
    if z3.is_quantifier(f):
        return bool(f.is_exists() == asserted) or alternates(f.body(), asserted)
    if z3.is_not(f):
        return alternates(f.arg(0), not asserted)
    return (z3.is_and(f) or z3.is_or(f)) and any(alternates(c, asserted) for c in f.children())


def constants(fs: Iterable[Any]) -> dict[str, list[Any]]:
    """The constants of uninterpreted sorts in formulas, by sort."""
    found: dict[str, list[Any]] = {}
    seen: set[int] = set()
    todo = list(fs)
    while todo:
        e = todo.pop()
        if e.get_id() in seen:
            continue
        seen.add(e.get_id())
        if z3.is_quantifier(e):
            todo.append(e.body())
        elif z3.is_app(e):
            todo += e.children()
            if e.num_args() == 0 and e.decl().kind() == z3.Z3_OP_UNINTERPRETED and e.sort_kind() == z3.Z3_UNINTERPRETED_SORT:
                found.setdefault(e.sort().name(), []).append(e)
    return {s: sorted(cs, key=str) for s, cs in found.items()}
