"""What every row of the table is tried on: for each operator the types of its arguments (and its attribute).

`ARGUMENTS` names every row; which of the proposed types a row takes is decided by the row's own type rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise, product
from random import Random
from typing import Any

from checker.core.ir import Const, Expr, Read
from checker.core.operators import TypeMismatch
from checker.core.typed import build, elem_type
from checker.core.types import BOOL, BagOf, Infinite, Int, MapOf, Option, Record, Seq, Set, Tuple, Type, Union, card, show

from . import domains
from .domains import BAGS, INTS, MAPS, OPTIONS, RECORDS, SCALARS, SEQS, SETS, SLOTS, TUPLES, UNIONS, pool

Arguments = Iterator[tuple[tuple[Type, ...], Any]]
ROWS = 96  # combinations of arguments a case is tried on


@dataclass(frozen=True)
class Case:
    """An expression over variables a, b, c."""

    name: str
    expr: Expr
    vars: dict[str, Type]

    def rows(self, most: int = ROWS) -> list[dict[str, Any]]:
        """All combinations of values, or so many of them."""
        pools = [pool(t) for t in self.vars.values()]
        size = 1
        for p in pools:
            size *= len(p)
        if size <= most:
            found = list(product(*pools))
        else:
            rng = Random(self.name)
            found = [tuple(map(rng.choice, pools)) for _ in range(most)]
        return [dict(zip(self.vars, vs, strict=True)) for vs in found]


def _each(types: list[Type], attr: Any = None) -> Arguments:
    yield from (((t,), attr) for t in types)


def _pairs(types: list[Type]) -> Arguments:
    """Two of the same family: each with itself and with the next, which it may have nothing in common with."""
    yield from (((a, types[(i + d) % len(types)]), None) for i, a in enumerate(types) for d in (0, 1))


def _ints(n: int = 2) -> Arguments:
    yield from ((ts, None) for ts in product(INTS, repeat=n))


def _same() -> Arguments:
    for family in (SCALARS, OPTIONS, RECORDS, TUPLES, UNIONS, SETS, SLOTS, SEQS, BAGS, MAPS):
        yield from _pairs(family)
    yield from (((t, Option(t)), None) for t in [*SCALARS, domains.PAIR, domains.LOG])
    yield from (((Option(t), t), None) for t in [domains.SIGNED, domains.NODE, domains.VOTE])
    yield from (((a, b), None) for a, b in pairwise(SLOTS[:5]))
    yield (Seq(domains.SMALL, 2), Seq(domains.SIGNED, 3)), None


def _elements(collections: list[Type]) -> Arguments:
    """(something that may be in it, a collection)"""
    for c in collections:
        e = elem_type(c)
        yield (e, c), None
        if isinstance(e, Int):
            yield (domains.SIGNED, c), None
            yield (Int(-500, 500), c), None
            yield (Option(domains.SHIFTED), c), None
        elif not isinstance(e, Option):
            yield (Option(e), c), None


def _swapped(found: Arguments) -> Arguments:
    yield from (((b, a), attr) for (a, b), attr in found)


def _sets() -> Arguments:
    yield from _pairs(SETS)
    yield from _pairs(SLOTS)
    yield from (((Set(e), Set(e, 2)), None) for e in (domains.NODE, domains.SMALL))
    yield (Set(Int(0, 40), 2), Set(Int(0, 63))), None
    yield (Set(Int(0, 63)), Set(Int(0, 40), 2)), None
    yield (Set(Int(0, 1000), 8), Set(Int(500, 3000), 2)), None
    yield (Set(Option(domains.COLOUR)), Set(domains.COLOUR)), None


def _literals() -> Arguments:
    yield (), None
    wholes = [domains.LOG, domains.PAIR, SETS[0], SEQS[0], BAGS[0], MAPS[0], UNIONS[0]]
    for t in [*SCALARS, *OPTIONS, *RECORDS[:3], *wholes, Int(0, 5000)]:
        yield (t,), None
        yield (t, t), None
    yield (domains.SMALL, domains.SIGNED, domains.SHIFTED), None
    yield (domains.SIDE, Option(domains.SIDE)), None
    yield (Int(0, 5000), Int(-10, 10), Int(3, 3)), None
    yield (domains.LOG, domains.LOG, domains.LOG), None


def _record_literals() -> Arguments:
    yield from ((tuple(e for _, e in r.fields), r) for r in RECORDS if isinstance(r, Record))
    yield (domains.SHIFTED, domains.NODE), domains.VOTE
    yield (domains.SIGNED, domains.VOTE, domains.NODE), domains.PROMISE


def _fields(extra: bool) -> Arguments:
    for r in RECORDS:
        assert isinstance(r, Record)
        for name, t in r.fields:
            yield ((r, t) if extra else (r,)), name
    if extra:
        yield (domains.VOTE, domains.SIGNED), "bal"
        yield (domains.LOG, domains.VOTE), "vote"


def _items(extra: bool) -> Arguments:
    for t in TUPLES:
        assert isinstance(t, Tuple)
        for i, e in enumerate(t.elems):
            yield ((t, e) if extra else (t,)), i
    if extra:
        yield (domains.PAIR, domains.SMALL), 1


def _tuple_literals() -> Arguments:
    yield from ((t.elems, None) for t in TUPLES if isinstance(t, Tuple))
    yield (domains.SINGLE, domains.ONLY), None
    yield (Set(domains.NODE), Seq(domains.SMALL, 2), domains.VOTE), None


def _indexed() -> Arguments:
    """(a map, its key), (a sequence, a number)"""
    for m in MAPS:
        assert isinstance(m, MapOf)
        yield (m, m.key), None
    yield (MapOf(domains.SIGNED, domains.COLOUR), domains.SMALL), None
    yield (MapOf(Option(domains.SIDE), domains.SIDE), domains.SIDE), None
    for s in SEQS:
        yield (s, Int(-1, 3)), None
        yield (s, Int(0, 20)), None


def _indexed_with() -> Arguments:
    for (c, i), _ in _indexed():
        yield (c, i, c.val if isinstance(c, MapOf) else elem_type(c)), None
    yield (Seq(domains.SMALL, 2), Int(0, 1), domains.SIGNED), None
    yield (MapOf(domains.NODE, Int(-1, 1)), domains.NODE, domains.SMALL), None


def _slices() -> Arguments:
    for s in SEQS:
        yield (s, Int(-1, 3), Int(0, 4)), None
    yield (Seq(Int(0, 15), 15), Int(0, 15), Int(0, 15)), None
    yield (domains.LONG, Int(0, 17), Int(-2, 17)), None


def _bag_elements() -> Arguments:
    for b in BAGS:
        e = elem_type(b)
        yield (b, e), None
        if isinstance(e, Int):
            yield (b, domains.SHIFTED), None
            yield (b, Int(-3, 0)), None
            yield (b, Option(domains.SMALL)), None


def _variants() -> Arguments:
    yield from (((u,), v.name) for u in UNIONS if isinstance(u, Union) for v in u.variants)


def _injections() -> Arguments:
    yield from (((v,), u) for u in UNIONS if isinstance(u, Union) for v in u.variants)


FITS: list[tuple[Type, Type]] = [
    *((a, b) for a in INTS for b in INTS),
    *((a, Option(b)) for a in INTS for b in INTS[:2]),
    *((Option(a), b) for a in INTS for b in INTS[:2]),
    *((Option(a), Option(b)) for a in INTS for b in INTS),
    (domains.COLOUR, Option(domains.COLOUR)),
    (Option(domains.COLOUR), domains.COLOUR),
    (domains.LOG, Option(domains.LOG)),
    (Option(domains.LOG), domains.LOG),
    (domains.PAIR, Option(Tuple((BOOL, domains.SMALL)))),
    (Option(domains.PAIR), Option(Tuple((BOOL, domains.SMALL)))),
    (domains.PAIR, Tuple((Option(BOOL), Int(0, 0)))),
    (Tuple((domains.LONG, domains.SMALL)), Tuple((Seq(SMALL_ := Int(0, 10), 15), domains.SIGNED))),
    (Record("R", (("a", domains.SMALL), ("b", BOOL))), Record("R", (("a", domains.SIGNED), ("b", BOOL)))),
    (MapOf(domains.NODE, domains.SMALL), MapOf(domains.NODE, domains.SIGNED)),
    (MapOf(domains.NODE, domains.SMALL), MapOf(domains.NODE, Int(-10, 10))),
    (MapOf(domains.NODE, domains.LONG), MapOf(domains.NODE, Seq(SMALL_, 8))),
    (MapOf(domains.NODE, domains.SMALL), MapOf(domains.NODE, Option(domains.SIGNED))),
    (Seq(domains.SMALL, 2), Seq(domains.SMALL, 1)),
    (Seq(domains.SMALL, 2), Seq(domains.SMALL, 5)),
    (Seq(domains.SMALL, 2), Seq(domains.SIGNED, 2)),
    (Seq(domains.SMALL, 3), Seq(Option(domains.SIGNED), 2)),
    (Seq(domains.SMALL, 3), Seq(domains.SMALL, 0)),
    (domains.LONG, Seq(SMALL_, 5)),
    (Seq(SMALL_, 5), domains.LONG),
    (Seq(Int(0, 15), 15), Seq(Int(0, 15), 16)),
    (Seq(Int(0, 15), 16), Seq(Int(0, 15), 15)),
    (Set(domains.SMALL), Set(domains.SIGNED)),
    (Set(domains.SMALL), Set(Int(-5, 5))),
    (Set(domains.NODE), Set(domains.NODE, 2)),
    (Set(domains.NODE, 2), Set(domains.NODE)),
    (Set(domains.NODE), Set(Option(domains.NODE))),
    (Set(domains.SMALL), Set(Int(0, 300), 2)),
    (Set(Int(0, 300), 2), Set(domains.SMALL)),
    (Set(Int(0, 300), 3), Set(Int(-5, 299), 2)),
    (Set(Int(0, 300), 2), Set(Int(0, 300), 7)),
    (Set(Int(0, 63)), Set(Int(0, 64))),
    (Set(Int(0, 64)), Set(Int(0, 63))),
    (Set(Int(0, 40), 2), Set(Int(0, 63))),
    (Set(Int(0, 63)), Set(Int(0, 40), 2)),
    (Set(Set(domains.NODE)), Set(Set(domains.NODE, 2))),
    (BagOf(domains.SMALL, 2), BagOf(domains.SMALL, 1)),
    (BagOf(domains.SMALL, 2), BagOf(domains.SIGNED, 3)),
    (BagOf(domains.BYTE, 9), BagOf(domains.SMALL, 2)),
    (BagOf(domains.SIGNED, 3), BagOf(domains.BYTE, 9)),
    (Option(Set(domains.SMALL)), Option(Set(domains.SMALL, 2))),
    (Option(domains.VOTE), domains.VOTE),
]


def _fits() -> Arguments:
    yield from (((a,), b) for a, b in FITS)


ARGUMENTS: dict[str, Callable[[], Arguments]] = {
    "not": lambda: _each([BOOL]),
    **dict.fromkeys(("eq", "lt"), _same),
    **dict.fromkeys(("ne", "gt", "le", "ge"), lambda: islice(_same(), 0, None, 3)),
    **dict.fromkeys(("add", "sub", "mul", "div", "mod", "min2", "max2", "range"), _ints),
    "neg": lambda: _each(list(INTS)),
    "member": lambda: _elements([*SETS, *SLOTS, *SEQS, *BAGS]),
    "in_set": lambda: _elements([*SETS, *SLOTS]),
    **dict.fromkeys(("union", "inter", "diff", "subset"), _sets),
    "len": lambda: _each([*SETS, *SLOTS, *SEQS, *BAGS]),
    "set": _literals,
    "all": lambda: (((), t) for t in [*SCALARS, domains.VOTE, Option(domains.COLOUR), Set(domains.NODE), Int(0, 99)]),
    **dict.fromkeys(("minset", "maxset"), lambda: _each([*SETS, *SLOTS, Set(Option(domains.RANKED))])),
    "subsets": lambda: _each([Set(domains.NODE), Set(domains.COLOUR), Set(domains.PAIR), Set(domains.NODE, 2)]),
    "record": _record_literals,
    "field": lambda: _fields(False),
    "with_field": lambda: _fields(True),
    "tuple": _tuple_literals,
    "item": lambda: _items(False),
    "with_item": lambda: _items(True),
    "the": lambda: _each(OPTIONS),
    "fits": _fits,
    "inject": _injections,
    **dict.fromkeys(("is", "project"), _variants),
    "index": _indexed,
    "with_index": _indexed_with,
    **dict.fromkeys(("keys", "values"), lambda: _each(MAPS)),
    **dict.fromkeys(("elems", "indices", "last"), lambda: _each(SEQS)),
    "seq": _literals,
    "concat": lambda: _pairs(SEQS),
    "slice": _slices,
    "count": _bag_elements,
    "bag_add": _bag_elements,
    "bag_remove": _bag_elements,
}
NAMES = "abc"


def cases(op: str) -> list[Case]:
    """The expressions that a row is tried on: with variables, and with constants for some or all of them."""
    out: dict[str, Case] = {}
    for types, attr in ARGUMENTS[op]():
        of = show(attr) if isinstance(attr, Type) else str(attr or "")
        name = f"{op} {', '.join(map(show, types))} {of}".strip()
        for case in _variants_of(name, op, types, attr):
            out.setdefault(case.name, case)
    return list(out.values())


def _variants_of(name: str, op: str, types: tuple[Type, ...], attr: Any) -> Iterator[Case]:
    rng = Random(name)
    for constant in _constant_positions(len(types), name):
        args: list[Expr] = []
        for i, t in enumerate(types):
            args.append(_literal(t, rng.choice(pool(t))) if i in constant else Read(t, NAMES[i]))
        try:
            e = build(op, tuple(args), attr)
        except TypeMismatch:
            return
        if not _finite(e.type):
            return
        vars = {NAMES[i]: t for i, t in enumerate(types) if i not in constant}
        yield Case(name + (f" constant {constant}" if constant else ""), e, vars)


def _literal(t: Type, v: Any) -> Const:
    return Const(Int(v, v) if isinstance(t, Int) else t, v)


def _constant_positions(n: int, name: str) -> list[tuple[int, ...]]:
    """None; and then, for one in five, one after the other and all."""
    some = [(), *((i,) for i in range(n))] if n > 1 else [()]
    return [*some, tuple(range(n))] if n and Random(name).random() < 0.2 else some[:1]


def _finite(t: Type) -> bool:
    try:
        return card(t) >= 0
    except Infinite:
        return False
