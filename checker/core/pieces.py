"""A property in pieces, and the bits of the state that each piece looks at.

`forall a. P(a)` is false after a step only if some P(a) is, and of these only one that looks at what the step has changed. So
the search evaluates a piece again only where old and new state differ in its footprint.
Invariant: two states that agree on the footprint of an expression agree on its value. A footprint may be too large.
"""

from __future__ import annotations

from collections.abc import Iterator

from checker.core.ir import Apply, Const, Expr, Fit, If, Let, Local, Quant, Read
from checker.core.layout import StateLayout, is_mask, layout, rank
from checker.core.operators.table import FALSE, TRUE, apply
from checker.core.typed import parts, subst
from checker.core.types import MapOf, Option, Record, Set, Type, card, values

MOST = 16  # pieces
MOST_ELEMENTS = 1 << 12  # of a set in whose footprint single elements are told apart


def pieces(e: Expr, most: int = MOST) -> list[Expr]:
    """Expressions of which one at least is true where `e`, which is total, is: so few that it is worth telling them apart."""
    match e:
        case Apply(op="not", args=(Apply(op="not", args=(inner,)),)):
            return pieces(inner, most)
        case Apply(op="not", args=(Quant(kind="forall") as q,)) if _few(q, most):
            each = most // card(q.domain.attr)  # type: ignore[attr-defined]
            return [p for body in _instances(q) for p in pieces(apply("not", body), each)]
        case Quant(kind="exists") if _few(e, most):
            each = most // card(e.domain.attr)  # type: ignore[attr-defined]
            return [p for body in _instances(e) for p in pieces(body, each)]
        case Apply(op="not", args=(If(orelse=orelse) as both,)) if orelse == FALSE and most > 1:
            return [p for x in (both.cond, both.then) for p in pieces(apply("not", x), most // 2)]
        case If(then=then) if then == TRUE and most > 1:
            return [p for x in (e.cond, e.orelse) for p in pieces(x, most // 2)]
    return [e]


def _few(q: Quant, most: int) -> bool:
    return isinstance(q.domain, Apply) and q.domain.op == "all" and 1 <= card(q.domain.attr) <= most


def _instances(q: Quant) -> Iterator[Expr]:
    assert isinstance(q.domain, Apply)
    for v in values(q.domain.attr):
        yield subst(q.body, {q.name: Const(q.domain.attr, v)})


def footprint(state: StateLayout, e: Expr) -> tuple[int, ...]:
    """The bits that an expression looks at, word by word."""
    words = [0] * state.words
    for word, mask in _looks(state, e):
        words[word] |= mask
    return tuple(words)


def _looks(state: StateLayout, e: Expr) -> Iterator[tuple[int, int]]:
    match e:
        case Apply(op="index", args=(Read(type=MapOf() as t) as r, Const() as key)) if array := layout(t).array:
            cell, slot = array.at(rank(t.key, key.value)), state.slots[r.var]
            yield from state.extent(t.val, slot.word + cell.word, slot.shift + cell.shift)
        case Apply(op="in_set", args=(x, Read(type=Set() as t) as r)) if is_mask(t) and card(t.elem) <= MOST_ELEMENTS:
            slot = state.slots[r.var]
            for i in _ranks(t.elem, x):
                at = slot.shift + i
                yield slot.word + at // 64, 1 << at % 64
            yield from _looks(state, x)
        case Let(value=Const() | Local() | Fit() | Apply(op="record")):  # perhaps an element to look for
            yield from _looks(state, e.value)
            yield from _looks(state, subst(e.body, {e.name: e.value}))
        case Read():
            slot = state.slots[e.var]
            yield from state.extent(state.types[e.var], slot.word, slot.shift)
        case _:
            for p in parts(e):
                yield from _looks(state, p)


def _ranks(t: Type, x: Expr) -> set[int]:
    """The ranks that the values of an expression may have among those of a type."""
    match x, t:
        case (Const(value=v), _) | (Fit(value=Const(value=v)), _):
            return {rank(t, v)}
        case Fit(), Option(e) if x.value.type == e:
            return {1 + i for i in _ranks(e, x.value)}
        case Apply(op="record"), Record(_, fs) if x.type == t:
            found, stride = {0}, 1
            for (_, f), arg in zip(fs, x.args, strict=True):
                found = {i + j * stride for i in found for j in _ranks(f, arg)}
                stride *= card(f)
            return found
    return set(range(card(t)))


__all__ = ["footprint", "pieces"]
