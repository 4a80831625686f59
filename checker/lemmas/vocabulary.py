"""What lemmas can be made of: atoms in the spec's own words, as text with slots (`$0`, `$1`, …) for quantified names.

An atom is never partial: keys and arguments are slots or whole values, `the` is avoided by comparing an option with a slot.
What does not type check is thrown away by whoever reads the text, so this file may be generous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from checker.core.ir import Apply, Const, Expr, Fold, Let, Local, Mapping, Param, Quant, SetOf, Size
from checker.core.model import Model
from checker.core.typed import parts
from checker.core.types import BagOf, Bool, Enum, Int, MapOf, Option, Record, Seq, Set, Sort, Tuple, Type
from checker.source import Span

MOST_ATOMS = 400
MOST_PATTERNS = 24  # of one message
FEW = 4  # constants of an enum that are tried one by one as a key


@dataclass(frozen=True)
class Pattern:
    """A text with slots, each of a type as the user writes it.  `cost`: how much there is to read."""

    text: str
    slots: tuple[str, ...] = ()
    cost: int = 1

    def shifted(self, n: int) -> str:
        """The text with its slots numbered from n."""
        return re.sub(r"\$(\d+)", lambda m: f"${int(m[1]) + n}", self.text)

    def filled(self, names: Iterable[str]) -> str:
        """The text with names in its slots."""
        given = list(names)
        return re.sub(r"\$(\d+)", lambda m: given[int(m[1])], self.text)


@dataclass(frozen=True)
class Term(Pattern):
    """A pattern with a value of some type."""

    type: Type = Bool()


def written(t: Type) -> str | None:
    """A type as text, if it can be quantified over: a sort, a range, an enum."""
    match t:
        case Sort(name, _) | Enum(name, _):
            return name
        case Int(_, _, str(name)):
            return name
        case Int(lo, hi, None) if lo is not None and hi is not None:
            low, high = _number(lo), _number(hi)
            return f"{low}..{high}" if low and high else None
    return None


def _number(b: int | Expr) -> str | None:
    """A bound, as text."""
    match b:
        case int() | Const(value=int()):
            return str(b if isinstance(b, int) else b.value)
        case Param(name=name):
            return name
        case Size(sort=sort):
            return f"len({sort})"
        case Apply(op=("add" | "sub" | "mul") as op, args=(x, y)):
            left, right = _number(x), _number(y)
            simple = op != "mul" and isinstance(y, Const | Param | Size)
            return f"{left} {'+' if op == 'add' else '-'} {right}" if simple and left and right else None
    return None


class Vocabulary:
    """The atoms of one model."""

    def __init__(self, model: Model, byzantine: Iterable[str] = ()) -> None:
        self.model, self.byzantine = model, byzantine

    def atoms(self) -> list[Pattern]:
        """The atoms, the simplest first."""
        terms = list(self._terms())
        found = dict.fromkeys(
            [
                *self._of_slots(),
                *(a for t in terms for a in self._of_term(t)),
                *self._messages(terms),
                *self._definitions(),
                *phrases(self.model),
                *self._pairs(terms),
            ]
        )
        plain = sorted(found, key=lambda a: a.cost)
        return sorted([*plain, *self._quorums(plain)], key=lambda a: a.cost)[:MOST_ATOMS]

    # terms

    def _terms(self) -> Iterator[Term]:
        for v in self.model.vars.values():
            yield from self._parts(Term(v.name, (), 0, v.type))
        for p in self.byzantine:
            ident = self.model.processes[p].ident
            if ident is not None:
                yield Term(f"byzantine({p})", (), 0, Set(ident))

    def _parts(self, t: Term) -> Iterator[Term]:
        """The values that a value is made of."""
        match t.type:
            case MapOf(Enum(_, ms), e) if len(ms) <= FEW:
                for m in ms:
                    yield from self._parts(replace(t, text=f"{t.text}[{m}]", type=e))
            case MapOf(k, e):
                if key := written(k):
                    yield from self._parts(Term(f"{t.text}[${len(t.slots)}]", (*t.slots, key), t.cost, e))
            case Record(_, fs):
                for f, e in fs:
                    yield from self._parts(replace(t, text=f"{t.text}.{f}", type=e))
            case Tuple(es):
                for i, e in enumerate(es):
                    yield from self._parts(replace(t, text=f"{t.text}[{i}]", type=e))
            case _:
                yield t

    # atoms

    def _of_slots(self) -> Iterator[Pattern]:
        """Quantified names compared."""
        seen = dict.fromkeys(t for t in self._slot_types() if not isinstance(t, Enum))
        for t in seen:
            name = written(t)
            if name:
                yield Pattern("$0 == $1", (name, name), 0)
                if isinstance(t, Int):
                    yield Pattern("$0 < $1", (name, name), 0)

    def _slot_types(self) -> Iterator[Type]:
        for t in self._terms():
            yield from _inside(t.type)
        for v in self.model.vars.values():
            yield from _inside(v.type)
        for m in self.model.messages.values():
            yield from _inside(m.payload)
        for q in self.model.quorums.values():
            yield Sort(q.sort)

    def _of_term(self, t: Term) -> Iterator[Pattern]:
        """What can be said of a value."""
        match t.type:
            case Bool():
                yield Pattern(t.text, t.slots, t.cost + 1)
            case Option():
                yield self._said(t, "== none")
                yield from self._equal(t, t.type.elem)
            case Set(e) | Seq(e) | BagOf(e):
                yield self._said(t, "== []" if isinstance(t.type, Seq) else "== {}")
                for x in self._values(e):
                    yield _joined(x, " in ", t, 1)
                yield from self._whole(t, e)
            case _:
                yield from self._equal(t, t.type)

    def _whole(self, t: Term, e: Type) -> Iterator[Pattern]:
        """Of a set: that it is everything, or a quorum."""
        if isinstance(t.type, Set) and (name := written(e)):
            yield self._said(t, f"== {name}")
            for q in self.model.quorums.values():
                if isinstance(e, Sort) and q.sort == e.name:
                    yield self._said(t, f"in {q.name}")

    def _equal(self, t: Term, e: Type) -> Iterator[Pattern]:
        """A value of type e (or none) compared with every kind of value."""
        values = list(self._values(e))
        for x in values[:1] if isinstance(t.type, Enum) and len(values) == 2 else values:
            yield _joined(t, " == ", x, 1)
        if isinstance(e, Int) and (name := written(e)):
            yield _joined(t, " < ", Pattern("$0", (name,)), 1)
            if isinstance(e.lo, int) and not isinstance(t.type, Option):
                yield self._said(t, f"== {e.lo}")

    def _values(self, t: Type) -> Iterator[Pattern]:
        """Values to compare with: constants of an enum, a slot, a record of such."""
        match t:
            case Bool():
                yield Pattern("true", (), 0)
            case Enum(_, ms):
                yield from (Pattern(m, (), 0) for m in ms)
            case Record(name, fs):
                yield from _product(name + "(", [list(self._values(f)) for _, f in fs])
            case Tuple(es):
                yield from _product("(", [list(self._values(e)) for e in es])
            case Option(e):
                yield Pattern("none", (), 0)
                yield from self._values(e)
            case _:
                if kind := written(t):
                    yield Pattern("$0", (kind,), 0)

    def _said(self, t: Term, what: str) -> Pattern:
        return Pattern(f"{t.text} {what}", t.slots, t.cost + 1)

    def _pairs(self, terms: list[Term]) -> Iterator[Pattern]:
        """Two values of one type compared."""
        for i, a in enumerate(terms):
            for b in terms[i:]:
                t, u = (x.type.elem if isinstance(x.type, Option) else x.type for x in (a, b))
                if not (isinstance(t, Sort | Int) and type(t) is type(u)) or (a == b and not a.slots):
                    continue
                yield _joined(a, " == ", b, 2)
                if isinstance(t, Int):
                    yield _joined(a, " < ", b, 2)
                    if a != b:
                        yield _joined(b, " < ", a, 2)

    def _messages(self, terms: list[Term]) -> Iterator[Pattern]:
        for m in self.model.messages.values():
            fields = [[*self._arguments(t, terms), Pattern("_", (), 0)] for _, t in m.payload.fields]
            ends = [list(self._values(t)) for t in (m.to,) if t is not None], [list(self._values(t)) for t in (m.sender,) if t]
            found = list(_product(f"sent {m.name}(", fields)) if fields else [Pattern(f"sent {m.name}", (), 0)]
            for word, choices in zip(("to", "from"), ends, strict=True):
                found = [
                    replace(y, cost=x.cost)
                    for x in found
                    for c in [*(choices[0] if choices else []), None]
                    for y in [x if c is None else _joined(x, f" {word} ", c, 0)]
                ]
            yield from sorted((replace(x, cost=x.cost + 1) for x in found), key=lambda x: x.cost)[:MOST_PATTERNS]

    def _arguments(self, t: Type, terms: list[Term]) -> Iterator[Pattern]:
        """What a field of a message can be asked to be."""
        if isinstance(t, MapOf | Set | Seq | BagOf):
            return
        yield from self._values(t)
        for x in terms:
            if isinstance(t, Sort | Int) and x.type == t:
                yield replace(x, cost=x.cost + 1)

    def _definitions(self) -> Iterator[Pattern]:
        """The definitions of the spec, of names and of quorums."""
        for d in self.model.defs.values():
            if d.process is not None or d.name in self.model.quorums or not isinstance(d.body.type, Bool):
                continue
            slots: list[str] = []
            args: list[str] = []
            of: Sort | None = None
            for _, t in d.params:
                kind = written(t)
                if isinstance(t, Set) and isinstance(t.elem, Sort) and of is None:
                    of = t.elem
                    args.append("q")
                elif kind is not None:
                    args.append(f"${len(slots)}")
                    slots.append(kind)
            if len(args) < len(d.params):
                continue
            call = f"{d.name}({', '.join(args)})" if args else d.name
            if of is None:
                yield Pattern(call, tuple(slots), 1)
            else:
                for q in self.model.quorums.values():
                    if q.sort == of.name:
                        yield Pattern(f"(exists q: {q.name}. {call})", tuple(slots), 3)

    def _quorums(self, atoms: list[Pattern]) -> Iterator[Pattern]:
        """That something is so of all members of some quorum."""
        for q in self.model.quorums.values():
            for a in atoms:
                for i, s in enumerate(a.slots):
                    if s == q.sort and a.cost:
                        rest = [f"${k - (k > i)}" if k != i else "x" for k in range(len(a.slots))]
                        said = f"(exists q: {q.name}. forall x in q. {a.filled(rest)})"
                        yield Pattern(said, (*a.slots[:i], *a.slots[i + 1 :]), a.cost + 3)


def phrases(model: Model) -> Iterator[Pattern]:
    """What properties say exists, or is so of everything, of names that they quantify further out."""
    for p in model.properties:
        for e in _quantified(p.expr):
            free = {x.name: x.type for x in _free(e, frozenset())}
            kinds = [written(t) for t in free.values()]
            if e.span is None or not free or None in kinds or e == p.expr:
                continue
            text = _slice(model, e.span)
            for i, name in enumerate(free):
                text = re.sub(rf"(?<![.\w]){name.partition('#')[0]}(?!\w)", f"${i}", text)
            yield Pattern(f"({text})", tuple(k for k in kinds if k), 3)


def bound(model: Model) -> set[str]:
    """The names that are quantified in phrases: no others may be given these names."""
    return {x.name.partition("#")[0] for p in model.properties for e in _quantified(p.expr) for x in _binders(e)}


def _quantified(e: Expr) -> Iterator[Quant]:
    if isinstance(e, Quant):
        yield e
    for x in parts(e):
        yield from _quantified(x)


def _binders(e: Expr) -> Iterator[Quant | SetOf | Fold | Mapping | Let]:
    if isinstance(e, Quant | SetOf | Fold | Mapping | Let):
        yield e
    for x in parts(e):
        yield from _binders(x)


def _free(e: Expr, inside: frozenset[str]) -> Iterator[Local]:
    """The names that an expression does not bind itself."""
    if isinstance(e, Local) and e.name not in inside:
        yield e
    own = frozenset([e.name]) if isinstance(e, Quant | SetOf | Fold | Mapping | Let) else frozenset()
    for x in parts(e):
        yield from _free(x, inside | own)


def _slice(model: Model, span: Span) -> str:
    """The text at a place, as one line."""
    lines = model.source.text.split("\n")[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return " ".join(x.partition("#")[0].strip() for x in lines)


def _inside(t: Type) -> Iterator[Type]:
    """The types of names that a value of this type can be compared with, or looked up by."""
    match t:
        case MapOf(k, e):
            yield from (*_inside(k), *_inside(e))
        case Option(e) | Set(e) | Seq(e) | BagOf(e):
            yield from _inside(e)
        case Record(_, fs):
            for _, e in fs:
                yield from _inside(e)
        case Tuple(es):
            for e in es:
                yield from _inside(e)
        case Sort() | Int() | Enum():
            yield t


def _joined(a: Pattern, between: str, b: Pattern, cost: int) -> Pattern:
    return Pattern(a.text + between + b.shifted(len(a.slots)), (*a.slots, *b.slots), a.cost + b.cost + cost)


def _product(head: str, fields: list[list[Pattern]]) -> Iterator[Pattern]:
    """Every way to fill the places of a record, tuple or message."""
    for row in product(*fields):
        out = Pattern(head, (), 0)
        for i, x in enumerate(row):
            out = _joined(out, ", " if i else "", x, 0)
        yield replace(out, text=out.text + ")")


__all__ = ["Pattern", "Vocabulary", "written"]
