"""Typing of finite expressions: building an operator on arguments whose exact types are known.

What an operator needs its arguments to share (the element type of a union, the two sides of an equality) is made explicit
with Fit here, so that every later pass can rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import is_
from typing import Any

from checker.core.ir import Apply, Assign, Const, Expr, Fit, Fold, If, Let, Local, Mapping, Quant, Read, Sent, SetOf, Stmt
from checker.core.operators import TABLE
from checker.core.operators.sets import loose, most, trim
from checker.core.operators.table import FALSE, TypeMismatch, fits, join, number
from checker.core.types import (
    BOOL,
    Bag,
    BagOf,
    Infinite,
    Int,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Tuple,
    Type,
    Unknown,
    Value,
    card,
    member,
    show,
)
from checker.source import Span


def elem_type(t: Type) -> Type:
    """The element type of a collection (Unknown if it is none)."""
    return getattr(t, "elem", Unknown())


def elem(d: Expr) -> Type:
    """The element type of a domain."""
    return elem_type(d.type)


def build(op: str, args: tuple[Expr, ...], attr: Any = None, span: Span | None = None) -> Expr:
    """An operator on typed arguments, with the Fits that make them share what the row needs."""
    args = _share(op, args)
    if op in ("member", "in_set", "count", "bag_remove"):
        return _element_op(op, args, span)
    if op == "record":
        args = tuple(fit(a, t, n) for a, (n, t) in zip(args, attr.fields, strict=True))
    if op in ("index", "with_index") and isinstance(args[0].type, MapOf):
        args = (args[0], fit(args[1], args[0].type.key, "the keys"), *args[2:])
    if op in ("with_field", "with_item", "with_index"):
        args = (_widened(op, args, attr), *args[1:])
        inner = TABLE[{"with_field": "field", "with_item": "item", "with_index": "index"}[op]]
        args = (*args[:-1], fit(args[-1], inner.type(tuple(a.type for a in args[:-1]), attr)))
    return Apply(TABLE[op].type(tuple(a.type for a in args), attr), op, args, attr, span=span)


def _widened(op: str, args: tuple[Expr, ...], attr: Any) -> Expr:
    """What is updated, with room for the new value: only where it is stored does a value have to fit a range."""
    base, t, new = args[0], args[0].type, args[-1].type
    if op == "with_item" and isinstance(t, Tuple):
        return fit(base, Tuple(tuple(join(e, new) if i == attr else e for i, e in enumerate(t.elems))))
    if isinstance(t, MapOf):
        return fit(base, MapOf(t.key, join(t.val, new)))
    return fit(base, Seq(join(t.elem, new), t.cap)) if isinstance(t, Seq) else base


def _share(op: str, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    if op in ("eq", "ne", "lt", "le", "gt", "ge"):
        both = join(args[0].type, args[1].type)
        return args if isinstance(both, Int) else tuple(fit(a, both) for a in args)
    if op in ("union", "inter", "diff", "subset"):
        e = elem_type(join(args[0].type, args[1].type))
        return tuple(fit(a, trim(e, most(a.type))) for a in args)
    if op == "concat":
        e = elem_type(join(args[0].type, args[1].type))
        return tuple(fit(a, Seq(e, a.type.cap)) for a in args)  # type: ignore[attr-defined]
    if op in ("set", "seq"):
        t: Type = Unknown()
        for a in args:
            t = join(t, a.type)
        return tuple(fit(a, t) for a in args)
    if op == "bag_add":
        e = join(elem_type(args[0].type), args[1].type)
        return fit(args[0], BagOf(e, args[0].type.cap)), fit(args[1], e)  # type: ignore[attr-defined]
    return args


def _element_op(op: str, args: tuple[Expr, ...], span: Span | None) -> Expr:
    """`x in S` and the like, where x need not be of the element type."""
    at = 0 if op in ("member", "in_set") else 1
    x, c = args[at], args[1 - at]
    of = elem_type(c.type)
    if isinstance(of, Unknown):
        return FALSE if op in ("member", "in_set") else number(0) if op == "count" else args[0]
    if x.type == of or (isinstance(x.type, Int) and isinstance(of, Int)) or within(x.type, of):
        if not isinstance(of, Int):
            x = fit(x, of)
        new = (x, c) if at == 0 else (c, x)
        return Apply(TABLE[op].type(tuple(a.type for a in new), None), op, new, span=span)
    if op == "bag_remove":
        new = (c, fit(x, of, "the bag"))
        return Apply(c.type, op, new, span=span)
    inside = Apply(BOOL, "fits", (x,), of, span=span)
    fitted = Fit(of, x, "", span=span)
    new = (fitted, c) if at == 0 else (c, fitted)
    t = TABLE[op].type(tuple(a.type for a in new), None)
    return If(t, inside, Apply(t, op, new, span=span), FALSE if t == BOOL else number(0), span=span)


def fit(e: Expr, t: Type, what: str = "", span: Span | None = None) -> Expr:
    """`e` as a value of type t, by a Fit if it is not one already.  What t leaves open is as it is in `e`."""
    t = settled(e.type, t)
    if e.type == t:
        return e
    if isinstance(e, Const) and _trivially(e.value, e.type, t):
        v = Bag() if isinstance(t, BagOf) and not isinstance(e.value, Bag) else e.value
        return Const(t, v, span=e.span)
    if not fits(e.type, t) and not isinstance(e.type, Option) and not isinstance(t, BagOf):
        raise TypeMismatch(f"{show(t)}, not {show(e.type)}")
    return Fit(t, e, what, span=span or e.span)


def settled(a: Type, t: Type) -> Type:
    """Type t with the bounds and capacities that it leaves open (`int` between operators) as they are in type a."""
    match a, t:
        case Int(), Int(None, None):
            return a
        case Unknown(), Int(None, None):
            return a
        case Option(x), Option(y):
            return Option(settled(x, y))
        case x, Option(y):
            return Option(settled(x, y))
        case Set(x, _), Set(y, cap):
            inner = settled(x, y)
            return t if inner == y else loose(inner, most(a) if cap is None else cap)
        case (Seq(x, c), Seq(y, cap)) | (BagOf(x, c), BagOf(y, cap)):
            return type(t)(settled(x, y), c if cap is None else cap)  # type: ignore[call-arg]
        case Tuple(xs), Tuple(ys) if len(xs) == len(ys):
            return Tuple(tuple(map(settled, xs, ys)))
        case MapOf(_, x), MapOf(k, y):
            return MapOf(k, settled(x, y))
    return t


def card_of(t: Type) -> int:
    try:
        return card(t)
    except Infinite:
        raise TypeMismatch(f"a set of {show(t)}, which has no bounds here") from None


def within(a: Type, b: Type) -> bool:
    """Is every value of finite type a a value of b (so that a Fit cannot fail)?"""
    match a, b:
        case _ if a == b:
            return True
        case Unknown(), _:
            return True
        case Int(int(l1), int(h1)), Int(int(l2), int(h2)):
            return l2 <= l1 and h1 <= h2
        case Option(x), Option(y):
            return within(x, y)
        case _, Option(y):
            return within(a, y)
        case (Set(x, c1), Set(y, c2)) | (Seq(x, c1), Seq(y, c2)) | (BagOf(x, c1), BagOf(y, c2)):
            room = c2 is None or (c1 is not None and c1 <= c2) or (isinstance(a, Set) and _size_at_most(a, c2))  # type: ignore[operator]
            return room and within(x, y)
        case Set(Unknown(), _), BagOf():
            return True
        case Tuple(xs), Tuple(ys):
            return all(map(within, xs, ys))
        case MapOf(k1, v1), MapOf(k2, v2):
            return k1 == k2 and within(v1, v2)
        case Record(n, fs), Record(m, gs):
            return n == m and all(within(f, g) for (_, f), (_, g) in zip(fs, gs, strict=True))
    return False


def _size_at_most(t: Set, cap: Any) -> bool:
    n = card_of(t.elem) if not isinstance(t.elem, Unknown) else 0
    return bool(min(n, t.cap if isinstance(t.cap, int) else n) <= cap)


def _trivially(v: Value, a: Type, b: Type) -> bool:
    """May a constant simply be retyped?"""
    if isinstance(b, BagOf) and isinstance(v, frozenset):
        return not v
    return member(v, b)


# ── looking at parts, and replacing them ──


def statements(body: tuple[Stmt, ...]) -> Any:
    """Every statement of a block, nested ones too."""
    for s in body:
        yield s
        for inner in (getattr(s, "then", ()), getattr(s, "orelse", ()), getattr(s, "body", ())):
            yield from statements(inner)


def assigned(body: Iterable[Stmt]) -> set[str]:
    """The variables that statements write."""
    return {s.var for s in statements(tuple(body)) if isinstance(s, Assign)}


def parts(e: Expr) -> tuple[Expr, ...]:
    """The sub-expressions of an expression."""
    match e:
        case Apply():
            return e.args
        case If():
            return e.cond, e.then, e.orelse
        case Quant() | Fold() | SetOf():
            return tuple(x for x in (e.domain, getattr(e, "where", None), e.body) if x is not None)
        case Mapping():
            return (e.body,)
        case Let():
            return e.value, e.body
        case Fit():
            return (e.value,)
        case Sent():
            return tuple(a for a in (*e.args, e.to, e.sender) if a is not None)
    return ()


def reads(e: Expr) -> set[str]:
    """The variables that an expression looks at."""
    return {e.var} if isinstance(e, Read) else {v for p in parts(e) for v in reads(p)}


Env = dict[str, Expr]


def subst(e: Expr, env: Env) -> Expr:
    """Replaces free locals.  Names are unique, so nothing is captured."""
    return rewrite(e, lambda x: env.get(x.name, x) if isinstance(x, Local) else x)


def rewrite(e: Expr, f: Callable[[Expr], Expr]) -> Expr:
    """Rebuilds an expression bottom up, `f` of every node.  What does not change is the same object as before."""
    return f(rebuilt(e, lambda x: rewrite(x, f)))


def rebuilt(e: Expr, go: Callable[[Expr], Expr]) -> Expr:
    """The expression with `go` of each of its parts, in order; the same object if they are the same."""
    match e:
        case Apply(args=args):
            new = tuple(map(go, args))
            return e if all(map(is_, new, args)) else replace(e, args=new)
        case If():
            return _with(e, go, "cond", "then", "orelse")
        case Quant():
            return _with(e, go, "domain", "body")
        case SetOf() | Fold():
            return _with(e, go, "domain", "where", "body")
        case Mapping():
            return _with(e, go, "body")
        case Let():
            return _with(e, go, "value", "body")
        case Fit():
            return _with(e, go, "value")
        case Sent():

            def some(x: Expr | None) -> Expr | None:
                return None if x is None else go(x)

            return replace(e, args=tuple(map(some, e.args)), to=some(e.to), sender=some(e.sender))
    return e


def _with(e: Expr, go: Callable[[Expr], Expr], *names: str) -> Expr:
    """With these parts rebuilt."""
    new: dict[str, Any] = {n: go(getattr(e, n)) for n in names}
    return e if all(new[n] is getattr(e, n) for n in names) else replace(e, **new)
