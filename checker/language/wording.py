"""Types and kinds of names in the words of people; and which types go where, as far as a message is concerned."""

from __future__ import annotations

from checker.core.operators import table
from checker.core.types import (
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
    Unknown,
    children,
)

KIND = {
    "sort": "sort",
    "param": "parameter",
    "type": "type",
    "enum": "enum",
    "member": "member of an enum",
    "record": "record",
    "quorum": "quorum",
    "var": "variable",
    "def": "definition",
    "process": "process",
}


def has_int(t: Type) -> bool:
    """Does a number occur in it?"""
    return isinstance(t, Int) or any(map(has_int, children(t)))


def describe(t: Type) -> str:
    """A type for people: numbers between operators are ints, whatever is known of their size."""
    match t:
        case Bool():
            return "bool"
        case Int(lo, hi, name):
            return name or (f"{lo}..{hi}" if isinstance(lo, int) and isinstance(hi, int) else "int")
        case Option(Unknown()):
            return "none"
        case Option(e):
            return f"{describe(e)}?"
        case Tuple(es):
            return f"({', '.join(map(describe, es))})"
        case Set(Unknown()) | Seq(Unknown()):
            return "{}" if isinstance(t, Set) else "[]"
        case Set(e):
            return f"set[{describe(e)}]"
        case Seq(e):
            return f"seq[{describe(e)}]"
        case BagOf(e):
            return f"bag[{describe(e)}]"
        case MapOf(k, v):
            return f"map {describe(k)} -> {describe(v)}"
        case Enum(name) | Sort(name) | Record(name):
            return name
    return "?"


def kind_of(t: Type) -> str:
    """What sort of thing a type's values are, for people."""
    if t == Option(Unknown()):
        return "none"
    names: list[tuple[type, str]] = [
        (Bool, "a bool"),
        (Int, "a number"),
        (Option, "an option"),
        (Tuple, "a tuple"),
        (Set, "a set"),
        (Seq, "a sequence"),
        (BagOf, "a bag"),
        (MapOf, "a map"),
        (Enum, "a member of an enum"),
        (Sort, "an identity"),
        (Record, "a record"),
    ]
    return next((text for cls, text in names if isinstance(t, cls)), "a value")


def value_of_type(t: Type) -> str:
    """`a set of type set[RM]`, for people."""
    kind = kind_of(t)
    return kind if describe(t) in ("bool", "int", "none") else f"{kind} of type `{describe(t)}`"


def fits(a: Type, b: Type) -> bool:
    """May a value of type a stand where b is declared?  What is not known goes with everything."""
    match a, b:
        case (_, Unknown()) | (Unknown(), _):
            return True
        case (Set(x), Set(y)) | (BagOf(x), BagOf(y)) | (Seq(x), Seq(y)) | (Option(x), Option(y)):
            return fits(x, y)
        case x, Option(y):
            return fits(x, y)
        case Tuple(xs), Tuple(ys):
            return len(xs) == len(ys) and all(map(fits, xs, ys))
        case MapOf(k1, v1), MapOf(k2, v2):
            return fits(k1, k2) and fits(v1, v2)
    return table.fits(a, b)


def a_kind(kind: str) -> str:
    """A kind of symbol with its article."""
    return f"{'an' if kind in ('enum',) else 'a'} {KIND[kind]}"
