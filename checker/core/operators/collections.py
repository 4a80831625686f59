"""Maps, sequences and bags."""

from __future__ import annotations

from typing import Any

from checker.core.ir import Apply, Expr, Local, SetOf
from checker.core.operators.sets import loose
from checker.core.operators.table import (
    TRUE,
    Args,
    Row,
    TypeMismatch,
    Undefined,
    apply,
    both,
    fits,
    fresh,
    is_int,
    join,
    number,
    want,
)
from checker.core.types import Bag, BagOf, Infinite, Int, Map, MapOf, Seq, Set, Type, Unknown, card, show


def _index(args: Args, _: Any) -> Type:
    match args[0]:
        case MapOf(k, v):
            want(fits(args[1], k), f"a key of type {show(k)}, not {show(args[1])}", 1)
            return v
        case Seq(e, _):
            want(is_int(args[1]), f"a number as the index, not {show(args[1])}", 1)
            return e
    raise TypeMismatch(f"a map or sequence, not {show(args[0])}", 0)


def _at(_: Apply, c: Any, i: Any) -> Any:
    if isinstance(c, Map):
        return c[i]
    if not 0 <= i < len(c):
        raise Undefined(f"index {i} of a sequence of length {len(c)}")
    return c[i]


def _inside(n: Apply) -> Expr:
    c, i = n.args[:2]
    if isinstance(c.type, MapOf):
        return TRUE
    return both(apply("le", number(0), i), apply("lt", i, apply("len", c)))


def _with_index(args: Args, attr: Any) -> Type:
    of = _index(args[:2], attr)
    want(fits(args[2], of), f"{show(of)}, not {show(args[2])}", 2)
    return args[0]


def _put(n: Apply, c: Any, i: Any, v: Any) -> Any:
    if isinstance(c, Map):
        return c.set(i, v)
    _at(n, c, i)
    return (*c[:i], v, *c[i + 1 :])


def _map(args: Args) -> MapOf:
    want(isinstance(args[0], MapOf), f"a map, not {show(args[0])}", 0)
    assert isinstance(args[0], MapOf)
    return args[0]


def _values(args: Args, _: Any) -> Type:
    t = _map(args)
    try:
        return loose(t.val, card(t.key))
    except Infinite:
        return Set(t.val)


def _values_expand(n: Apply) -> Expr:
    t = _map((n.args[0].type,))
    k = fresh("k")
    return SetOf(n.type, k, apply("all", attr=t.key), TRUE, apply("index", n.args[0], Local(t.key, k)))


def _seq(t: Type, position: int = 0) -> Any:
    want(isinstance(t, Seq), f"a sequence, not {show(t)}", position)
    return t


def _elems(args: Args, _: Any) -> Type:
    t = _seq(args[0])
    return loose(t.elem, t.cap) if isinstance(t.cap, int) else Set(t.elem)


def _elems_expand(n: Apply) -> Expr:
    i, s = fresh("i"), n.args[0]
    domain = apply("indices", s)
    return SetOf(n.type, i, domain, TRUE, apply("index", s, Local(domain.type.elem, i)))  # type: ignore[attr-defined]


def _indices(args: Args, _: Any) -> Type:
    cap = _seq(args[0]).cap
    return Set(Int(0, max(0, cap - 1)) if isinstance(cap, int) else Int(0, None))


def _indices_expand(n: Apply) -> Expr:
    return apply("range", number(0), apply("len", n.args[0]))


def _last_meaning(_: Apply, s: tuple[Any, ...]) -> Any:
    if not s:
        raise Undefined("last of an empty sequence")
    return s[-1]


def _nonempty(n: Apply) -> Expr:
    return apply("lt", number(0), apply("len", n.args[0]))


def _last_expand(n: Apply) -> Expr:
    s = n.args[0]
    return apply("index", s, apply("sub", apply("len", s), number(1)))


def _literal(args: Args, _: Any) -> Type:
    t: Type = Unknown()
    for i, a in enumerate(args):
        try:
            t = join(t, a)
        except TypeMismatch as e:
            raise TypeMismatch(f"elements of one type: {e}", i) from None
    return Seq(t, len(args))


def _concat(args: Args, _: Any) -> Type:
    for i, a in enumerate(args):
        want(isinstance(a, Seq | Unknown), f"a sequence, not {show(a)}", i)
    t = join(*args)
    caps = [getattr(a, "cap", 0) for a in args]
    return Seq(t.elem, sum(caps) if all(isinstance(c, int) for c in caps) else None)  # type: ignore[attr-defined]


def _slice(args: Args, _: Any) -> Type:
    t = _seq(args[0])
    for i in (1, 2):
        want(is_int(args[i]), f"a number, not {show(args[i])}", i)
    return Seq(t.elem, t.cap)


def _slice_meaning(_: Apply, s: tuple[Any, ...], a: int, b: int) -> tuple[Any, ...]:
    if not 0 <= a <= b <= len(s):
        raise Undefined(f"slice {a}:{b} of a sequence of length {len(s)}")
    return s[a:b]


def _sliceable(n: Apply) -> Expr:
    s, a, b = n.args
    return both(apply("le", number(0), a), both(apply("le", a, b), apply("le", b, apply("len", s))))


def _bag(args: Args) -> BagOf:
    want(isinstance(args[0], BagOf), f"a bag, not {show(args[0])}", 0)
    assert isinstance(args[0], BagOf)
    if len(args) > 1:
        want(fits(args[1], args[0].elem), f"an element of type {show(args[0].elem)}, not {show(args[1])}", 1)
    return args[0]


def _count(args: Args, _: Any) -> Type:
    cap = _bag(args).cap
    return Int(0, cap if isinstance(cap, int) else None)


def _bag_add(args: Args, _: Any) -> Type:
    t = _bag(args)
    return BagOf(join(t.elem, args[1]), t.cap + 1 if isinstance(t.cap, int) else None)


def _bag_remove(args: Args, _: Any) -> Type:
    return _bag(args)


def _remove(_: Apply, b: Bag, x: Any) -> Bag:
    if x not in b:
        raise Undefined("removal of an element that is not in the bag")
    return b.add(x, -1)


def _there(n: Apply) -> Expr:
    return apply("lt", number(0), apply("count", *n.args))


def _keys(args: Args, _: Any) -> Type:
    return Set(_map(args).key)


ROWS = [
    Row(
        "index",
        "`m[k]` of a map; `s[i]` of a sequence, from 0; outside a fault",
        _index,
        _at,
        native=lambda g, n, c, i: g.index(c, i),
        smt=lambda s, n, c, i: s.index(c, i),
        defined=_inside,
        fault="index outside the sequence",
    ),
    Row(
        "with_index",
        "`c with [i] = v`: a map or sequence with another value at i; outside a sequence a fault",
        _with_index,
        _put,
        native=lambda g, n, c, i, v: g.with_index(c, i, v),
        smt=lambda s, n, c, i, v: s.with_index(c, i, v),
        defined=_inside,
        fault="index outside the sequence",
    ),
    Row(
        "keys",
        "`keys(m)`: all keys",
        _keys,
        lambda _, m: frozenset(m),
        expand=lambda n: apply("all", attr=_map((n.args[0].type,)).key),
    ),
    Row("values", "`values(m)`: the set of values", _values, lambda _, m: m.image(), expand=_values_expand),
    Row("elems", "`elems(s)`: the set of elements of a sequence", _elems, lambda _, s: frozenset(s), expand=_elems_expand),
    Row("indices", "`indices(s)`: {0, …, len(s) - 1}", _indices, lambda _, s: frozenset(range(len(s))), expand=_indices_expand),
    Row(
        "last",
        "`last(s)`: the last element; of an empty sequence a fault",
        lambda a, _: _seq(a[0]).elem,
        _last_meaning,
        expand=_last_expand,
        defined=_nonempty,
        fault="last of an empty sequence",
    ),
    Row(
        "seq",
        "`[a, b, …]`: the sequence of these",
        _literal,
        lambda _, *xs: tuple(xs),
        native=lambda g, n, *xs: g.seq_literal(n.type, xs),
        smt=lambda s, n, *xs: s.seq_literal(n.type, xs),
    ),
    Row(
        "concat",
        "`s + t`: one sequence after the other",
        _concat,
        lambda _, a, b: a + b,
        native=lambda g, n, a, b: g.seq_concat(n.type, a, b),
        smt=lambda s, n, a, b: s.seq_concat(n.type, a, b),
    ),
    Row(
        "slice",
        "`s[a:b]`: from a up to b; unless 0 <= a <= b <= len(s) a fault",
        _slice,
        _slice_meaning,
        native=lambda g, n, s, a, b: g.seq_slice(n.type, s, a, b),
        smt=lambda s, n, c, a, b: s.seq_slice(n.type, c, a, b),
        defined=_sliceable,
        fault="slice outside the sequence",
    ),
    Row(
        "count",
        "`count(b, x)`: how often x is in a bag",
        _count,
        lambda _, b, x: b[x],
        native=lambda g, n, b, x: g.bag_count(b, x),
        smt=lambda s, n, b, x: s.bag_count(b, x),
    ),
    Row(
        "bag_add",
        "`add(b, x)`: b with x once more",
        _bag_add,
        lambda _, b, x: b.add(x),
        native=lambda g, n, b, x: g.bag_add(n.type, b, x),
        smt=lambda s, n, b, x: s.bag_add(n.type, b, x),
    ),
    Row(
        "bag_remove",
        "`remove(b, x)`: b with x once less; if it is not there a fault",
        _bag_remove,
        _remove,
        native=lambda g, n, b, x: g.bag_remove(n.type, b, x),
        smt=lambda s, n, b, x: s.bag_remove(n.type, b, x),
        defined=_there,
        fault="removal of an element that is not in the bag",
    ),
]
