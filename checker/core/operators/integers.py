"""Whole numbers.  Between operators a number is exact: its type is the interval it can lie in, so nothing overflows or wraps;
ranges are checked where a number is stored (Fit)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checker.core.ir import Apply, Expr, Fit, If
from checker.core.operators.table import Args, Row, Undefined, apply, is_int, number, want
from checker.core.types import Int, Type, show


def _bounds(t: Type) -> tuple[int, int] | None:
    return (t.lo, t.hi) if isinstance(t, Int) and isinstance(t.lo, int) and isinstance(t.hi, int) else None


def _arith(corners: Callable[[int, int, int, int], tuple[int, int]]) -> Callable[[Args, Any], Type]:
    """A type rule from the interval that two intervals give."""

    def rule(args: Args, _: Any) -> Type:
        for i, t in enumerate(args):
            want(is_int(t), f"a number, not {show(t)}", i)
        a, b = _bounds(args[0]), _bounds(args[1])
        return Int(*corners(*a, *b)) if a and b else Int()

    return rule


def _products(a: int, b: int, c: int, d: int) -> tuple[int, int]:
    every = (a * c, a * d, b * c, b * d)
    return min(every), max(every)


def _quotients(a: int, b: int, c: int, d: int) -> tuple[int, int]:
    by = [y for y in (c, d, -1, 1) if c <= y <= d and y]
    every = [x // y for x in (a, b) for y in by] or [0]
    return min(every), max(every)


def _remainders(a: int, b: int, c: int, d: int) -> tuple[int, int]:
    if a >= 0 and b < c:  # smaller than any divisor: unchanged
        return a, b
    return (c + 1 if c < 0 else 0), (d - 1 if d > 0 else 0)


def _nonzero(f: Callable[[int, int], int]) -> Callable[..., int]:
    def meaning(_: Apply, a: int, b: int) -> int:
        if b == 0:
            raise Undefined("division by zero")
        return f(a, b)

    return meaning


def _divisor(node: Apply) -> Expr:
    return apply("ne", node.args[1], number(0))


def _pick(op: str) -> Callable[[Apply], Expr]:
    def expand(node: Apply) -> Expr:
        a, b = node.args
        return If(node.type, apply(op, a, b), Fit(node.type, a), Fit(node.type, b))  # the one that is chosen fits

    return expand


def _neg(args: Args, attr: Any) -> Type:
    return SUB.type((Int(0, 0), *args), attr)


SUB = Row(
    "sub",
    "`a - b`",
    _arith(lambda a, b, c, d: (a - d, b - c)),
    lambda _, a, b: a - b,
    native=lambda g, _, a, b: g.bin("sub", a, b),
    smt=lambda s, _, a, b: s.arith("sub", a, b),
)

ROWS = [
    Row(
        "add",
        "`a + b`",
        _arith(lambda a, b, c, d: (a + c, b + d)),
        lambda _, a, b: a + b,
        native=lambda g, _, a, b: g.bin("add", a, b),
        smt=lambda s, _, a, b: s.arith("add", a, b),
    ),
    SUB,
    Row(
        "mul",
        "`a * b`",
        _arith(_products),
        lambda _, a, b: a * b,
        native=lambda g, _, a, b: g.bin("mul", a, b),
        smt=lambda s, _, a, b: s.arith("mul", a, b),
    ),
    Row(
        "div",
        "`a // b`: rounded down; b = 0 is a fault",
        _arith(_quotients),
        _nonzero(lambda a, b: a // b),
        native=lambda g, _, a, b: g.floor_div(a, b),
        smt=lambda s, _, a, b: s.arith("div", a, b),
        defined=_divisor,
        fault="division by zero",
    ),
    Row(
        "mod",
        "`a % b`: what `//` leaves, with the sign of b; b = 0 is a fault",
        _arith(_remainders),
        _nonzero(lambda a, b: a % b),
        native=lambda g, _, a, b: g.floor_mod(a, b),
        smt=lambda s, _, a, b: s.arith("mod", a, b),
        defined=_divisor,
        fault="remainder of a division by zero",
    ),
    Row("neg", "`-a`", _neg, lambda _, a: -a, expand=lambda n: apply("sub", number(0), *n.args)),
    Row("min2", "`min(a, b)`", _arith(lambda a, b, c, d: (min(a, c), min(b, d))), lambda _, a, b: min(a, b), expand=_pick("lt")),
    Row("max2", "`max(a, b)`", _arith(lambda a, b, c, d: (max(a, c), max(b, d))), lambda _, a, b: max(a, b), expand=_pick("gt")),
]
