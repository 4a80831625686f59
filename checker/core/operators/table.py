"""What a row of the operator table is.  The rows themselves live one file per type beside this one.

A row is everything the project knows of one operator: its type rule, its doc line, when it is defined, its `meaning` in plain
Python (THE definition, written independently of the lowerings), and either its lowerings side by side (a primitive) or one
`expand` into other operators (derived).  Never both, never an inherited or default lowering: tests hold the rows against each
other.

`native` gets the code generator and the arguments' machine values; `smt` gets the solver terms.  A lowering may assume that the
operator is defined: `lower` has put a Check before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from checker.core.ir import Apply, Const, Expr, If, Let, Local, Read
from checker.core.types import (
    BOOL,
    BagOf,
    Bool,
    Enum,
    Int,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Sort,
    Tuple,
    Type,
    Union,
    Unknown,
    show,
)

Args = tuple[Type, ...]


class TypeMismatch(Exception):
    """Arguments an operator does not take: `str()` says what it takes, in the user's words; `position` is the offending argument,
    if one is."""

    def __init__(self, text: str, position: int | None = None) -> None:
        super().__init__(text)
        self.position = position


class Undefined(Exception):
    """`meaning` of a partial operator outside its domain: a spec fault."""


@dataclass(frozen=True)
class Row:
    """One operator.  `meaning(node, *values)`: `node` is the Apply (its attr and types), `values` the arguments."""

    name: str
    doc: str
    type: Callable[[Args, Any], Type]
    meaning: Callable[..., Any]
    native: Callable[..., Any] | None = None
    smt: Callable[..., Any] | None = None
    expand: Callable[[Apply], Expr] | None = None
    defined: Callable[[Apply], Expr] | None = None  # over the node's args (each a Local, Const or Read); None: total
    fault: str = ""

    @property
    def primitive(self) -> bool:
        return self.expand is None


# ── joining types ────────────────────────────────────────────────────────────────────────────────────────────────────


def join(a: Type, b: Type) -> Type:
    """The least type that both fit in.  Raises TypeMismatch."""
    match a, b:
        case _ if a == b:
            return a
        case (Unknown(), t) | (t, Unknown()):
            return t
        case Int(l1, h1), Int(l2, h2):
            return Int(_least(l1, l2), _most(h1, h2))
        case (Option(x), Option(y)) | (Option(x), y) | (x, Option(y)):
            inner = join(x, y)
            return inner if isinstance(inner, Option) else Option(inner)
        case Set(x, _), Set(y, _):
            return _joined_sets(a, b, join(x, y))
        case BagOf(x, c1), BagOf(y, c2):
            return BagOf(join(x, y), _most(c1, c2))
        case Seq(x, c1), Seq(y, c2):
            return Seq(join(x, y), _most(c1, c2))
        case Tuple(xs), Tuple(ys) if len(xs) == len(ys):
            return Tuple(tuple(map(join, xs, ys)))
        case MapOf(k1, v1), MapOf(k2, v2) if k1 == k2:
            return MapOf(k1, join(v1, v2))
        case Record(n, fs), Record(m, gs) if n == m:
            return Record(n, tuple((f, join(t, u)) for (f, t), (_, u) in zip(fs, gs, strict=True)))
    raise TypeMismatch(f"{show(a)} and {show(b)} have nothing in common")


def _joined_sets(a: Type, b: Type, elem: Type) -> Type:
    """The larger of the two capacities; where one has none, it is the number of its elements if the other has one."""
    from checker.core.operators.sets import loose, most

    assert isinstance(a, Set) and isinstance(b, Set)
    if (a.cap is None) == (b.cap is None) and (a.cap is not None or elem in (a.elem, b.elem)):
        return Set(elem, _most(a.cap, b.cap))
    return loose(elem, _most(most(a), most(b)))


def _least(a: Any, b: Any) -> Any:
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else a if a == b else None


def _most(a: Any, b: Any) -> Any:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else a if a == b else None


def fits(a: Type, b: Type) -> bool:
    """May a value of type a stand where b is declared, ranges and capacities apart?"""
    match a, b:
        case _ if a == b:
            return True
        case Unknown(), _:
            return True
        case Int(), Int():
            return True
        case (Set(x, _), Set(y, _)) | (BagOf(x, _), BagOf(y, _)) | (Seq(x, _), Seq(y, _)) | (Option(x), Option(y)):
            return fits(x, y)
        case x, Option(y):
            return fits(x, y)
        case Tuple(xs), Tuple(ys):
            return len(xs) == len(ys) and all(map(fits, xs, ys))
        case MapOf(k1, v1), MapOf(k2, v2):
            return fits(k1, k2) and fits(v1, v2)
        case Record(n, _), Record(m, _):
            return n == m
        case (Enum(n, _), Enum(m, _)) | (Sort(n, _), Sort(m, _)):
            return n == m
    return False


def ordered(t: Type) -> bool:
    """Do < and <= apply?"""
    match t:
        case Int() | Enum() | Bool() | Unknown():
            return not isinstance(t, Bool)
        case Option(e):
            return ordered(e)
        case Tuple(es):
            return all(map(ordered, es))
        case Record(_, fs):
            return all(ordered(f) for _, f in fs)
    return False


# ── helpers for rows ─────────────────────────────────────────────────────────────────────────────────────────────────

TRUE, FALSE = Const(BOOL, True), Const(BOOL, False)


def both(a: Expr, b: Expr) -> Expr:
    return If(BOOL, a, b, FALSE)


def either(a: Expr, b: Expr) -> Expr:
    return If(BOOL, a, TRUE, b)


def apply(op: str, *args: Expr, attr: Any = None) -> Expr:
    """An Apply typed by its row."""
    from checker.core.operators import TABLE

    return Apply(TABLE[op].type(tuple(a.type for a in args), attr), op, args, attr)


def number(n: int) -> Const:
    return Const(Int(n, n), n)


def simple(e: Expr) -> bool:
    """May it be written twice at no cost?"""
    return isinstance(e, Const | Local | Read)


_fresh = 0


def fresh(base: str) -> str:
    """A binder name that occurs nowhere else."""
    global _fresh
    _fresh += 1
    return f"{base}#_{_fresh}"


def naming(args: tuple[Expr, ...], body: Callable[..., Expr]) -> Expr:
    """`body` of the arguments, each named by a Let unless it is simple."""
    names = [a if simple(a) else Local(a.type, fresh("t")) for a in args]
    out = body(*names)
    for a, n in reversed(list(zip(args, names, strict=True))):
        if isinstance(n, Local) and n is not a:
            out = Let(out.type, n.name, a, out)
    return out


def want(ok: bool, text: str, position: int | None = None) -> None:
    if not ok:
        raise TypeMismatch(text, position)


def is_int(t: Type) -> bool:
    return isinstance(t, Int | Unknown)


def union_members(t: Union) -> tuple[str, ...]:
    return tuple(v.name for v in t.variants)
