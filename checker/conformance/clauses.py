"""A property in clauses, each of which costs what is new and not what is there.

A clause is `forall` processes, under conditions, of either a plain body, or of one for every index of a sequence: a *scan*.  Logs
grow, and what has been true of their first entries stays true as long as nothing that it depends on is otherwise.  So a scan
remembers how far it came with what, and goes on from the first index for which something has changed: an item of a sequence
at (a place near) the index, the truth of a comparison of the index with a number; anything else, and it starts anew.  Where the
first items of two sequences have to be the same (a *prefix*), it is remembered how many are.
Invariant: what is remembered is true of the values that are remembered with it, whatever was looked at in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from checker.conformance.shared import Shared
from checker.conformance.shared import common as together
from checker.core.bind import Instance, free
from checker.core.ir import Apply, Const, Expr, Fit, Fold, If, Let, Local, Mapping, Quant, Read, Sent, SetOf
from checker.core.meaning import Fault
from checker.core.model import Property
from checker.core.sequences import common as compared
from checker.core.typed import parts
from checker.core.types import Int, Option, Seq, Tuple, Type, Value, card, values

FIRST, END = "first", "end"  # no name of a spec: those are numbered
FEW = 64  # a quantifier over so many processes is looked at case by case

Valued = Callable[[Expr, dict[str, Value]], Value]  # of an expression, with these names


@dataclass(frozen=True)
class Input:
    """What a body depends on besides the index.  kind: "items" of a sequence, up to the index + `offset`; a "bound" that the
    index is compared with; or any other "value".  `names`: what quantifiers in the body give it."""

    kind: str
    expr: Expr
    offset: int = 0
    names: tuple[tuple[str, Value], ...] = ()

    def same_until(self, old: Any, new: Any) -> int:
        """Before which index nothing is otherwise, with these two."""
        if old is new or (self.kind != "items" and old == new):
            return 1 << 62
        if self.kind == "items":
            return common(old, new) - self.offset
        return min(old, new) if self.kind == "bound" else 0


@dataclass
class Scan:
    """The index, the sequence, what the body depends on, and that the body is true of the indices from FIRST to END."""

    name: str
    over: Expr
    inputs: list[Input]
    rest: Expr
    known: dict[int, tuple[tuple[Any, ...], int]] = field(default_factory=dict)  # row → the inputs, and how far it is true

    def exprs(self) -> tuple[Expr, ...]:
        """The sequence, and the inputs."""
        return self.over, *(_with(x.expr, x.names) for x in self.inputs)


@dataclass
class Prefix:
    """Two sequences, of which the first so many items (None: all) are the same."""

    sides: tuple[tuple[Expr, Expr | None], tuple[Expr, Expr | None]]
    known: dict[int, tuple[Any, Any, int]] = field(default_factory=dict)  # row → both, and up to where they are the same

    def exprs(self) -> tuple[Expr, ...]:
        """Both, each with how many of its items."""
        (a, m), (b, n) = self.sides
        return a, _length(a) if m is None else m, b, _length(b) if n is None else n

    def same(self, row: dict[str, Value], found: tuple[Any, ...]) -> bool | None:
        """Are they?  None: there are not so many."""
        a, m, b, n = found
        if m > (a.n if type(a) is Shared else len(a)) or n > (b.n if type(b) is Shared else len(b)):
            return None
        if m != n or a is b:
            return bool(m == n)
        if type(a) is Shared and type(b) is Shared and (both := together(a, b)) is not None:
            return bool(both >= n)
        before = self.known.get(id(row))
        if before and before[2] >= n and before[0] is a and before[1] is b:
            return True
        sure = min(before[2], common(before[0], a), common(before[1], b)) if before else 0
        if sure < n and a[sure:n] != b[sure:n]:
            return False
        self.known[id(row)] = a, b, max(sure, n)
        return True


@dataclass
class Clause:
    """A part of a property.  `cells`: the variables that it reads and at which binder, None: elsewhere, too; `rows`: every way
    to choose the binders; `frame`: what a scan or a prefix goes by, None if the guard is false."""

    property: Property
    binders: tuple[tuple[str, Type], ...]
    guard: Expr | None
    body: Expr
    scan: Scan | None
    prefix: Prefix | None = None
    frame: Expr | None = None
    cells: dict[str, frozenset[str] | None] = field(default_factory=dict)
    rows: list[dict[str, Value]] = field(default_factory=list)
    by: dict[tuple[str, Value], list[dict[str, Value]]] = field(default_factory=dict)  # those in which a binder is this

    def holds(self, row: dict[str, Value], value: Valued) -> bool:
        """Is it true in a row?  Raises Fault."""
        try:
            found = value(self.look(), row)
        except Fault:
            return self.anew(row, value)
        return self.goes_on(row, found, value)

    def look(self) -> Expr:
        """What has to be known first: the body, or the frame."""
        return self.body if self.frame is None else self.frame

    def goes_on(self, row: dict[str, Value], found: Any, value: Valued) -> bool:
        """Is it true, with this value of `look`?  Raises Fault."""
        if self.frame is None or found is None:
            return found is None or bool(found)
        if self.prefix is not None:
            same = self.prefix.same(row, found)
            return bool(value(self.body, row)) if same is None else same
        return self.scan is None or self._scanned(self.scan, row, found, value)

    def anew(self, row: dict[str, Value], value: Valued) -> bool:
        """The same where `look` faults: perhaps the body of a scan does not come to what does."""
        if self.scan is None:
            return bool(value(self.look(), row))
        scan = self.scan
        if self.guard is not None and not value(self.guard, row):
            return True
        return all(value(self.body, {**row, scan.name: i}) for i in range(len(value(scan.over, row))))

    def _scanned(self, scan: Scan, row: dict[str, Value], found: tuple[Any, ...], value: Valued) -> bool:
        over, start = found[0], 0
        n = over.n if type(over) is Shared else len(over)
        before = scan.known.get(id(row))
        if before is not None:
            old, start = before
            for x, a, b in zip(scan.inputs, old, found[1:], strict=True):
                if a is not b and (until := x.same_until(a, b)) < start:
                    start = until
        if start < n and not value(scan.rest, {**row, FIRST: max(0, start), END: n}):
            return False
        scan.known[id(row)] = found[1:], n
        return True


def brief(c: Clause) -> bool:
    """Does a clause go through nothing but sequences and processes, so that it costs little however long a run is?"""
    return not any(map(_long, (c.body, *((c.guard,) if c.guard else ()))))


def common(a: tuple[Value, ...], b: tuple[Value, ...]) -> int:
    """How many items at their start two sequences have in common."""
    found = together(a, b) if type(a) is Shared and type(b) is Shared else None
    return compared(a, b) if found is None else found


def clauses(instance: Instance, p: Property) -> Iterator[Clause]:
    """A property as clauses: it is true if all are.  A clause may fault where one before it is false."""
    for binders, guards, body, scan in _split(p.expr, (), ()):
        prefix = _prefix(body) if scan is None else None
        if scan is None and prefix is None:
            body, guard = _implied(guards, body), None
        else:
            guard = _both(guards) if guards else None
        c = Clause(p, binders, guard, body, scan, prefix, _frame(guard, scan or prefix))
        at = frozenset(n for n, _ in binders)
        for e in (body, *((guard,) if guard else ()), *((scan.over,) if scan else ())):
            for var, b in reads_at(instance, e, at):
                known = c.cells.get(var, frozenset())
                c.cells[var] = None if b is None or known is None else known | {b}
        names = [n for n, _ in binders]
        c.rows = [dict(zip(names, row, strict=True)) for row in product(*(list(values(t)) for _, t in binders))]
        for row in c.rows:
            for item in row.items():
                c.by.setdefault(item, []).append(row)
        yield c


def _frame(guard: Expr | None, of: Scan | Prefix | None) -> Expr | None:
    """What a clause goes by, as one expression: it is asked for often."""
    if of is None:
        return None
    exprs = of.exprs()
    all_ = _together(exprs)
    t = Option(all_.type)
    return If(t, guard, all_, Const(t, None)) if guard is not None else all_


def _together(exprs: tuple[Expr, ...]) -> Expr:
    """The tuple of some expressions; what all of them name is named once."""
    first = exprs[0]
    if isinstance(first, Let):
        inner = [e.body for e in exprs if isinstance(e, Let) and (e.name, e.value) == (first.name, first.value)]
        if len(inner) == len(exprs):
            body = _together(tuple(inner))
            return replace(first, type=body.type, body=body)
    return Apply(Tuple(tuple(e.type for e in exprs)), "tuple", exprs)


def _length(s: Expr) -> Expr:
    return Apply(Int(0, None), "len", (s,))


def _with(e: Expr, names: tuple[tuple[str, Value], ...]) -> Expr:
    """An expression in which these names have values."""
    for n, v in names:
        e = Let(e.type, n, Const(e.type, v), e)
    return e


def _implied(guards: tuple[Expr, ...], body: Expr) -> Expr:
    return If(body.type, _both(guards), body, Const(body.type, True)) if guards else body


def _both(guards: tuple[Expr, ...]) -> Expr:
    first, *rest = guards
    return If(first.type, first, _both(tuple(rest)), Const(first.type, False)) if rest else first


Part = tuple[tuple[tuple[str, Type], ...], tuple[Expr, ...], Expr, Scan | None]


def _split(e: Expr, binders: tuple[tuple[str, Type], ...], guards: tuple[Expr, ...]) -> Iterator[Part]:
    match e:
        case Quant(kind="forall", name=n, domain=Apply(op="all", attr=t), body=body) if card(t) <= FEW:
            yield from _split(body, (*binders, (n, t)), guards)
        case If(cond=a, then=b, orelse=Const(value=False)):  # a and b
            yield from _split(a, binders, guards)
            yield from _split(b, binders, guards)
        case If(cond=a, then=b, orelse=Const(value=True)):  # a implies b
            yield from _split(b, binders, (*guards, a))
        case Let() if (inner := _inward(e)) is not e:
            yield from _split(inner, binders, guards)
        case Quant(kind="forall", name=n, domain=Apply(op="indices", args=(over,)), body=body) if isinstance(
            over.type, Seq
        ) and not _asks(body):
            yield binders, guards, body, _scan(e, n, over, body)
        case _:
            yield binders, guards, e, None


def _scan(e: Quant, i: str, over: Expr, body: Expr) -> Scan:
    """`forall i in indices(over): body`.  What reads nothing is the same in a row for ever."""
    t = Int(0, None)
    rest = replace(e, domain=Apply(e.domain.type, "range", (Local(t, FIRST), Local(t, END))))
    return Scan(i, over, [x for x in dict.fromkeys(_inputs(body, i)) if any(_reads(x.expr))], rest)


def _inward(e: Expr) -> Expr:
    """`let … in a and b` as `(let … in a) and (let … in b)`, however many there are."""
    if not isinstance(e, Let):
        return e
    match body := _inward(e.body):
        case If(cond=a, then=b, orelse=Const(value=False)):
            return replace(body, cond=replace(e, body=a), then=replace(e, body=b))
    return e


def _prefix(e: Expr) -> Prefix | None:
    """Does it say that the first items of two sequences are the same?"""
    match e:
        case Apply(op="eq", args=(a, b)) if isinstance(a.type, Seq) and isinstance(b.type, Seq):
            sides = _side(a), _side(b)
            return Prefix(sides) if any(end is not None for _, end in sides) else None
        case Let() if (inner := _prefix(e.body)) is not None:
            (a, m), (b, n) = (
                (replace(e, type=x.type, body=x), end and replace(e, type=end.type, body=end)) for x, end in inner.sides
            )
            return Prefix(((a, m), (b, n)))
    return None


def _side(e: Expr) -> tuple[Expr, Expr | None]:
    match e:
        case Apply(op="slice", args=(s, Const(value=0), end)):
            return s, end
    return e, None


def _inputs(e: Expr, i: str, names: tuple[tuple[str, Value], ...] = ()) -> Iterator[Input]:
    """What an expression depends on besides the index i."""
    mine = tuple((n, v) for n, v in names if n in free(e))
    if i not in free(e):
        if not isinstance(e, Const):
            yield Input("value", e, 0, mine)
        return
    match e:
        case Apply(op="index", args=(s, at)) if isinstance(s.type, Seq) and i not in free(s) and _offset(at, i) is not None:
            yield Input("items", s, max(_offset(at, i) or 0, 0), mine)
        case Apply(op="lt" | "le" | "gt" | "ge", args=(a, b)) if _offset(a, i) == 0 and i not in free(b):
            yield Input("bound", b, 0, mine)
        case Apply(op="lt" | "le" | "gt" | "ge", args=(a, b)) if _offset(b, i) == 0 and i not in free(a):
            yield Input("bound", a, 0, mine)
        case Local():
            pass
        case Quant(name=n) | Fold(name=n) | SetOf(name=n) if (t := _small(e)) is not None:
            for v in values(t):
                for x in _within(e):
                    yield from _inputs(x, i, (*names, (n, v)))
        case Let(name=n, value=v, body=body) if i not in free(v):
            for of in _inputs(body, i, names):
                within = replace(e, type=of.expr.type, body=of.expr)
                yield replace(of, expr=within, names=names) if n in free(of.expr) else of
        case Let(name=n, value=v, body=body) if i not in free(body) and _offset(v, i) == 0:  # the index by another name
            yield from _inputs(body, n, names)
        case Quant() | Fold() | SetOf() | Mapping() | Let():  # what it binds has no value here
            yield from (Input("value", x) for x in _reads(e))
        case _:
            for x in parts(e):
                yield from _inputs(x, i, names)


def _small(e: Expr) -> Type | None:
    """The type whose values a quantifier goes through, if they are few."""
    match e:
        case Quant(domain=Apply(op="all", attr=t)) | Fold(domain=Apply(op="all", attr=t)) | SetOf(domain=Apply(op="all", attr=t)):
            return t if card(t) <= FEW else None
    return None


def _within(e: Expr) -> tuple[Expr, ...]:
    """What a quantifier says of each."""
    return (e.body,) if isinstance(e, Quant) else (e.where, e.body)  # type: ignore[attr-defined]


def _reads(e: Expr) -> Iterator[Read]:
    if isinstance(e, Read):
        yield e
    for x in parts(e):
        yield from _reads(x)


def _asks(e: Expr) -> bool:
    return isinstance(e, Sent) or any(map(_asks, parts(e)))


def _offset(e: Expr, i: str) -> int | None:
    """k, if an expression is i + k."""
    while isinstance(e, Fit):
        e = e.value
    match e:
        case Local(name=n) if n == i:
            return 0
        case Apply(op="add" | "sub" as op, args=(a, Const(value=int(k)))):
            inner = _offset(a, i)
            return None if inner is None else inner + (k if op == "add" else -k)
    return None


def _long(e: Expr) -> bool:
    """Does it go through a set that may grow?"""
    if _small(e) is not None:
        return any(map(_long, _within(e)))
    if isinstance(e, Quant | Fold | SetOf | Mapping):
        return True
    return any(map(_long, parts(e)))


def reads_at(
    instance: Instance, e: Expr, binders: frozenset[str], names: dict[str, str] | None = None
) -> Iterator[tuple[str, str | None]]:
    """The variables an expression reads, each with the binder at which it does (None: elsewhere).  `names`: what else binders are
    called."""
    names = names or {}
    match e:
        case Apply(op="index", args=(Read() as var, key)):
            if (at := _binder(key, binders, names)) is not None:
                yield var.var, at
            else:
                yield var.var, None
                yield from reads_at(instance, key, binders, names)
        case Let(name=n, value=v, body=body) if (at := _binder(v, binders, names)) is not None:
            yield from reads_at(instance, body, binders, {**names, n: at})
        case Read():
            yield e.var, None
        case _:
            if isinstance(e, Sent):
                yield instance.messages[e.message].var, None
            for part in parts(e):
                yield from reads_at(instance, part, binders, names)


def _binder(e: Expr, binders: frozenset[str], names: dict[str, str]) -> str | None:
    """The binder that an expression is, perhaps by another name."""
    while isinstance(e, Fit):
        e = e.value
    if not isinstance(e, Local):
        return None
    return e.name if e.name in binders else names.get(e.name)


__all__ = ["Clause", "Input", "Scan", "brief", "clauses", "common", "reads_at"]
