"""Operators on any type: truth, equality, order."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from checker.core.ir import Apply, Expr
from checker.core.operators.table import Args, Row, apply, join, ordered, want
from checker.core.types import BOOL, Bool, Enum, Option, Record, Tuple, Type, Unknown, show


def _not(args: Args, _: Any) -> Type:
    want(isinstance(args[0], Bool | Unknown), f"a bool, not {show(args[0])}", 0)
    return BOOL


def _same(args: Args, _: Any) -> Type:
    join(*args)
    return BOOL


def _order(args: Args, _: Any) -> Type:
    t = join(*args)
    want(ordered(t), f"ordered values (numbers, enums, tuples, records and options of them), not {show(t)}")
    return BOOL


def compare(t: Type, a: Any, b: Any) -> int:
    """-1, 0, 1: the order of the values of an ordered type; none is least, tuples and records are lexicographic."""
    match t:
        case Option(e):
            if a is None or b is None:
                return (a is not None) - (b is not None)
            return compare(e, a, b)
        case Tuple(es):
            return next((c for e, x, y in zip(es, a, b, strict=True) if (c := compare(e, x, y))), 0)
        case Record(_, fs):
            parts = zip(fs, a.values, b.values, strict=True)
            return next((c for (_, e), x, y in parts if (c := compare(e, x, y))), 0)
        case Enum(_, ms):
            a, b = ms.index(a), ms.index(b)
    return int(a > b) - int(a < b)


def least_first(t: Type) -> Any:
    """A sort key for values of an ordered type."""
    return cmp_to_key(lambda a, b: compare(t, a, b))


def _lt(node: Apply, a: Any, b: Any) -> bool:
    return compare(join(node.args[0].type, node.args[1].type), a, b) < 0


def _swap(op: str) -> Any:
    def expand(node: Apply) -> Expr:
        a, b = node.args
        return apply(op, b, a)

    return expand


def _negate(op: str) -> Any:
    return lambda node: apply("not", apply(op, *node.args))


ROWS = [
    Row("not", "`not a`", _not, lambda _, a: not a, native=lambda g, _, a: g.not1(a), smt=lambda s, _, a: s.not_(a)),
    Row(
        "eq",
        "`a == b`: the same value",
        _same,
        lambda _, a, b: a == b,
        native=lambda g, _, a, b: g.equal(a, b),
        smt=lambda s, _, a, b: s.equal(a, b),
    ),
    Row("ne", "`a != b`: not the same value", _same, lambda _, a, b: a != b, expand=_negate("eq")),
    Row(
        "lt",
        "`a < b`: numbers, enums in declared order, tuples and records lexicographically, none below all",
        _order,
        _lt,
        native=lambda g, _, a, b: g.less(a, b),
        smt=lambda s, n, a, b: s.less(n.args[0].type, a, b),
    ),
    Row("gt", "`a > b`", _order, lambda n, a, b: _lt(n, b, a), expand=_swap("lt")),
    Row(
        "le",
        "`a <= b`",
        _order,
        lambda n, a, b: not _lt(n, b, a),
        expand=lambda n: apply("not", apply("lt", n.args[1], n.args[0])),
    ),
    Row("ge", "`a >= b`", _order, lambda n, a, b: not _lt(n, a, b), expand=_negate("lt")),
]
