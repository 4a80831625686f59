"""Finite sets, and the memberships that sequences and bags share with them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from checker.core.ir import Apply, Const, Expr, Fold, Local, Quant, SetOf
from checker.core.operators.logic import least_first
from checker.core.operators.table import (
    TRUE,
    Args,
    Row,
    TypeMismatch,
    Undefined,
    apply,
    both,
    fresh,
    is_int,
    join,
    number,
    ordered,
    want,
)
from checker.core.types import BOOL, BagOf, Infinite, Int, Seq, Set, Type, Unknown, card, show, values


def collection(t: Type, position: int = 0) -> Type:
    want(isinstance(t, Set | Seq | BagOf), f"a set, sequence or bag, not {show(t)}", position)
    return t


def element(t: Type, position: int = 0) -> Type:
    """The element type of a set."""
    if isinstance(t, Unknown):
        return t
    if not isinstance(t, Set):
        raise TypeMismatch(f"a set, not {show(t)}", position)
    return t.elem


def trim(elem: Type, cap: Any) -> Set:
    """set[elem, cap], without a capacity that says nothing."""
    try:
        if isinstance(cap, int) and cap >= card(elem):
            cap = None
    except Infinite:
        pass
    return Set(elem, cap)


def most(t: Type) -> Any:
    """The most elements that a set of this type can have: its capacity, else how many there are; None if that is not known."""
    if not isinstance(t, Set):
        return 0
    try:
        return t.cap if t.cap is not None else card(t.elem)
    except Infinite:
        return 0 if isinstance(t.elem, Unknown) else None


SMALL = 4096  # between operators, a set over a domain up to this size needs no capacity


def loose(elem: Type, cap: Any) -> Set:
    """The type of a set made by an operator: a capacity only where the domain is too large to do without."""
    try:
        return Set(elem) if card(elem) <= SMALL else trim(elem, cap)
    except Infinite:
        return trim(elem, cap)


def _member(args: Args, _: Any) -> Type:
    s = args[1]
    if isinstance(s, Unknown):
        return BOOL
    collection(s, 1)
    join(args[0], s.elem)  # type: ignore[attr-defined]
    return BOOL


def _in_seq(node: Apply) -> Expr:
    """x in s, of a sequence or bag, by its elements."""
    x, s = node.args
    if isinstance(s.type, BagOf):
        return apply("lt", number(0), apply("count", s, x))
    i = fresh("i")
    domain = apply("indices", s)
    at = Local(domain.type.elem, i)  # type: ignore[attr-defined]
    return Quant(BOOL, "exists", i, domain, apply("eq", apply("index", s, at), x))


def _merge(args: Args, cap: Any) -> Type:
    element(args[0], 0), element(args[1], 1)
    t = join(*args)
    if isinstance(t, Unknown):
        return Set(t)
    return trim(t.elem, cap([most(a) for a in args]))  # type: ignore[attr-defined]


def _compare(args: Args, _: Any) -> Type:
    _merge(args, _sum)
    return BOOL


def _sum(caps: list[Any]) -> Any:
    return sum(caps) if all(isinstance(c, int) for c in caps) else None


def _first(caps: list[Any]) -> Any:
    return caps[0] if isinstance(caps[0], int) else None


def _least(caps: list[Any]) -> Any:
    return min((c for c in caps if isinstance(c, int)), default=None)


def _literal(args: Args, _: Any) -> Type:
    t: Type = Unknown()
    for i, a in enumerate(args):
        try:
            t = join(t, a)
        except TypeMismatch as e:
            raise TypeMismatch(f"elements of one type: {e}", i) from None
    return loose(t, len(args))


def _all_of(_: Args, attr: Type) -> Type:
    return Set(attr)


def _size(args: Args, _: Any) -> Type:
    t = collection(args[0])
    cap = getattr(t, "cap", None)
    if isinstance(t, Set):
        try:
            n = card(t.elem)
        except Infinite:
            return Int(0, None)
        return Int(0, min(n, cap) if isinstance(cap, int) else n)
    return Int(0, cap if isinstance(cap, int) else None)


def _extreme(args: Args, _: Any) -> Type:
    t = element(args[0])
    want(ordered(t), f"a set of ordered values, not of {show(t)}", 0)
    return t


def _extreme_meaning(last: bool) -> Any:
    def meaning(node: Apply, s: frozenset[Any]) -> Any:
        if not s:
            raise Undefined("least or greatest of an empty set")
        found = sorted(s, key=least_first(node.type))
        return found[-1] if last else found[0]

    return meaning


def _extreme_expand(kind: str) -> Any:
    def expand(node: Apply) -> Expr:
        x = fresh("x")
        return Fold(node.type, kind, x, node.args[0], TRUE, Local(node.type, x))

    return expand


def _nonempty(node: Apply) -> Expr:
    return apply("lt", number(0), apply("len", node.args[0]))


def _subset_expand(node: Apply) -> Expr:
    x = fresh("x")
    a, b = node.args
    return Quant(BOOL, "forall", x, a, apply("member", Local(element(a.type), x), b))


def _subsets(args: Args, _: Any) -> Type:
    return Set(Set(element(args[0])))


def _subsets_meaning(_: Apply, s: frozenset[Any]) -> frozenset[Any]:
    return frozenset(frozenset(c) for k in range(len(s) + 1) for c in combinations(list(s), k))


def _subsets_expand(node: Apply) -> Expr:
    q = fresh("q")
    of = Set(element(node.args[0].type))
    local = Local(of, q)
    return SetOf(node.type, q, apply("all", attr=of), apply("subset", local, node.args[0]), local)


def _range(args: Args, _: Any) -> Type:
    for i, t in enumerate(args):
        want(is_int(t), f"a number, not {show(t)}", i)
    lo, hi = getattr(args[0], "lo", None), getattr(args[1], "hi", None)
    return Set(Int(lo, max(lo, hi - 1)) if isinstance(lo, int) and isinstance(hi, int) else Int())


def _range_expand(node: Apply) -> Expr:
    x, (a, b) = fresh("x"), node.args
    of = element(node.type)
    local = Local(of, x)
    inside = both(apply("ge", local, a), apply("lt", local, b))
    return SetOf(node.type, x, apply("all", attr=of), inside, local)


def empty(t: Type) -> Const:
    return Const(t, frozenset())


def _sized(node: Apply, c: Any) -> int:
    return len(c)


def _contains(node: Apply, x: Any, c: Any) -> bool:
    return x in c


def _to_primitive(node: Apply) -> Expr:
    if not isinstance(node.args[1].type, Set):
        return _in_seq(node)
    return apply("in_set", *node.args)


ROWS = [
    Row("member", "`x in c`: of a set, sequence or bag", _member, _contains, expand=_to_primitive),
    Row(
        "in_set",
        "`x in S` of a set (what `in` becomes)",
        _member,
        _contains,
        native=lambda g, _, x, s: g.set_member(x, s),
        smt=lambda s, _, x, c: s.set_member(x, c),
    ),
    Row(
        "union",
        "`A | B`, `A + B`: in either",
        lambda a, _: _merge(a, _sum),
        lambda _, a, b: a | b,
        native=lambda g, n, a, b: g.set_merge("or", n.type, a, b),
        smt=lambda s, n, a, b: s.set_merge("or", n.type, a, b),
    ),
    Row(
        "inter",
        "`A & B`: in both",
        lambda a, _: _merge(a, _least),
        lambda _, a, b: a & b,
        native=lambda g, n, a, b: g.set_merge("and", n.type, a, b),
        smt=lambda s, n, a, b: s.set_merge("and", n.type, a, b),
    ),
    Row(
        "diff",
        "`A - B`: in A, not in B",
        lambda a, _: _merge(a, _first),
        lambda _, a, b: a - b,
        native=lambda g, n, a, b: g.set_merge("andnot", n.type, a, b),
        smt=lambda s, n, a, b: s.set_merge("andnot", n.type, a, b),
    ),
    Row("subset", "`A subset B`: all of A is in B", _compare, lambda _, a, b: a <= b, expand=_subset_expand),
    Row(
        "len",
        "`len(c)`: how many elements (a bag's with multiplicity)",
        _size,
        _sized,
        native=lambda g, n, c: g.length(c),
        smt=lambda s, n, c: s.length(c),
    ),
    Row(
        "set",
        "`{a, b, …}`: the set of these",
        _literal,
        lambda _, *xs: frozenset(xs),
        native=lambda g, n, *xs: g.set_literal(n.type, xs),
        smt=lambda s, n, *xs: s.set_literal(n.type, xs),
    ),
    Row(
        "all",
        "`T`, a type name as a set: all its values",
        _all_of,
        lambda n: frozenset(values(n.attr)),
        native=lambda g, n: g.constant(n.type, frozenset(values(n.attr))),
        smt=lambda s, n: s.constant(n.type, frozenset(values(n.attr))),
    ),
    Row(
        "minset",
        "`min(S)`: the least element; of an empty set a fault",
        _extreme,
        _extreme_meaning(False),
        expand=_extreme_expand("min"),
        defined=_nonempty,
        fault="min of an empty set",
    ),
    Row(
        "maxset",
        "`max(S)`: the greatest element; of an empty set a fault",
        _extreme,
        _extreme_meaning(True),
        expand=_extreme_expand("max"),
        defined=_nonempty,
        fault="max of an empty set",
    ),
    Row("subsets", "`subsets(S)`: the set of all subsets", _subsets, _subsets_meaning, expand=_subsets_expand),
    Row("range", "`range(a, b)`: {a, …, b - 1}", _range, lambda _, a, b: frozenset(range(a, b)), expand=_range_expand),
]
