"""Records, tuples, options and unions of messages: values put together from parts."""

from __future__ import annotations

from typing import Any

from checker.core.ir import Apply, Const, Expr
from checker.core.operators.table import Args, Row, Undefined, apply, fits, want
from checker.core.types import BOOL, Option, Rec, Record, Tuple, Type, Union, Unknown, member, show


def _record(args: Args, attr: Record) -> Type:
    want(len(args) == len(attr.fields), f"{len(attr.fields)} fields, not {len(args)}")
    for i, (a, (name, t)) in enumerate(zip(args, attr.fields, strict=True)):
        want(fits(a, t), f"{show(t)} for `{name}`, not {show(a)}", i)
    return attr


def _field(args: Args, attr: str) -> Type:
    t = args[0]
    want(isinstance(t, Record), f"a record, not {show(t)}", 0)
    assert isinstance(t, Record)
    want(attr in dict(t.fields), f"a field of {t.name} ({', '.join(n for n, _ in t.fields)}), not `{attr}`")
    return dict(t.fields)[attr]


def _with_field(args: Args, attr: str) -> Type:
    of = _field(args[:1], attr)
    want(fits(args[1], of), f"{show(of)} for `{attr}`, not {show(args[1])}", 1)
    return args[0]


def _item(args: Args, attr: int) -> Type:
    t = args[0]
    want(isinstance(t, Tuple), f"a tuple, not {show(t)}", 0)
    assert isinstance(t, Tuple)
    want(0 <= attr < len(t.elems), f"a position from 0 to {len(t.elems) - 1}, not {attr}")
    return t.elems[attr]


def _with_item(args: Args, attr: int) -> Type:
    of = _item(args[:1], attr)
    want(fits(args[1], of), f"{show(of)} at position {attr}, not {show(args[1])}", 1)
    return args[0]


def _replace(values: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*values[:at], value, *values[at + 1 :])


def _position(n: Apply) -> int:
    t = n.args[0].type
    return t.index(n.attr) if isinstance(t, Record) else int(n.attr)


def _the(args: Args, _: Any) -> Type:
    t = args[0]
    want(isinstance(t, Option | Unknown), f"an optional value, not {show(t)}", 0)
    return t.elem if isinstance(t, Option) else t


def _the_meaning(_: Apply, x: Any) -> Any:
    if x is None:
        raise Undefined("the value of none")
    return x


def _present(n: Apply) -> Expr:
    return apply("ne", n.args[0], Const(n.args[0].type, None))


def _variant(args: Args, attr: str) -> Record:
    t = args[0]
    assert isinstance(t, Union)
    return t.variants[t.index(attr)]


ROWS = [
    Row(
        "record",
        "`R(a, b)`, `R(f = a)`: the record of these fields",
        _record,
        lambda n, *xs: Rec(n.attr.name, tuple(xs)),
        native=lambda g, n, *xs: g.product(n.type, xs),
        smt=lambda s, n, *xs: s.product(n.type, xs),
    ),
    Row(
        "field",
        "`r.f`: a field of a record",
        _field,
        lambda n, r: r.values[_position(n)],
        native=lambda g, n, r: g.part(r, _position(n)),
        smt=lambda s, n, r: s.part(r, _position(n)),
    ),
    Row(
        "with_field",
        "`r with f = v`: r, with another value of a field",
        _with_field,
        lambda n, r, v: Rec(r.name, _replace(r.values, _position(n), v)),
        native=lambda g, n, r, v: g.with_part(r, _position(n), v),
        smt=lambda s, n, r, v: s.with_part(r, _position(n), v),
    ),
    Row(
        "tuple",
        "`(a, b)`: the tuple of these",
        lambda args, _: Tuple(args),
        lambda _, *xs: tuple(xs),
        native=lambda g, n, *xs: g.product(n.type, xs),
        smt=lambda s, n, *xs: s.product(n.type, xs),
    ),
    Row(
        "item",
        "`t[0]`: a component of a tuple",
        _item,
        lambda n, t: t[n.attr],
        native=lambda g, n, t: g.part(t, n.attr),
        smt=lambda s, n, t: s.part(t, n.attr),
    ),
    Row(
        "with_item",
        "`t with [0] = v`: t, with another component",
        _with_item,
        lambda n, t, v: _replace(t, n.attr, v),
        native=lambda g, n, t, v: g.with_part(t, n.attr, v),
        smt=lambda s, n, t, v: s.with_part(t, n.attr, v),
    ),
    Row(
        "the",
        "`the(x)`: the value of an option; of none a fault",
        _the,
        _the_meaning,
        native=lambda g, n, x: g.payload(x),
        smt=lambda s, n, x: s.payload(x),
        defined=_present,
        fault="the value of none",
    ),
    Row(
        "fits",
        "is it a value of this type? (made by the lowering)",
        lambda args, attr: BOOL,
        lambda n, x: member(x, n.attr),
        native=lambda g, n, x: g.fits(x, n.attr),
        smt=lambda s, n, x: s.fits(x, n.attr),
    ),
    Row(
        "inject",
        "a message as one of its network's (made by the lowering)",
        lambda args, attr: attr,
        lambda _, r: r,
        native=lambda g, n, r: g.inject(n.type, r),
        smt=lambda s, n, r: s.inject(n.type, r),
    ),
    Row(
        "is",
        "is it a message of this name? (made by the lowering)",
        lambda args, attr: BOOL,
        lambda n, u: u.name == n.attr,
        native=lambda g, n, u: g.is_variant(u, n.attr),
        smt=lambda s, n, u: s.is_variant(u, n.attr),
    ),
    Row(
        "project",
        "the message of this name that it is (made by the lowering, behind `is`)",
        _variant,
        lambda _, u: u,
        native=lambda g, n, u: g.project(u, n.attr),
        smt=lambda s, n, u: s.project(n.type, u, n.attr),
    ),
]
