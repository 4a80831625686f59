"""Types as written to types: names looked up, bounds and capacities made expressions over parameters and sizes.

A type that is stored must be finite: no unbounded `int`, a capacity for every sequence and bag.  Declared types are resolved when
they are first asked for, so their order does not matter; a type that needs itself is an error.
"""

from __future__ import annotations

from dataclasses import replace

from checker.core import ir
from checker.core.operators import TABLE
from checker.core.types import (
    BOOL,
    INT,
    BagOf,
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
)
from checker.language import syntax as s
from checker.language.names import Names
from checker.language.wording import a_kind

ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "//": "div", "%": "mod"}


class TypeReader:
    """Reads type expressions in the light of the declarations of one file."""

    def __init__(self, names: Names, decls: dict[str, s.TypeDecl | s.RecordDecl]) -> None:
        self.names, self.report, self.decls = names, names.report, decls
        self.busy: list[str] = []
        self.what = ""

    def read(self, t: s.TypeExpr, stored: bool = True) -> Type:
        """The type; with `stored`, what is not finite is an error.  Unknown after an error."""
        found = self._read(t)
        if stored:
            self._finite(found, t)
        return found

    def declared(self, name: str) -> Type | None:
        """The type of this name, or None."""
        if name in self.decls and name not in self.names.types:
            self._declare(name)
        return self.names.types.get(name)

    def _declare(self, name: str) -> None:
        decl = self.decls[name]
        if name in self.busy:
            way = [f"`{n}`" for n in self.busy[self.busy.index(name) + 1 :]]
            through = f", through {', '.join(way)}" if way else ""
            self.report.error(
                "E213",
                f"the type `{name}` contains itself{through}",
                decl.name.span,
                "types that end",
                "link by an index or an identity instead",
            )
            self.names.types[name] = Unknown()
            return
        self.busy.append(name)
        found: Type
        if isinstance(decl, s.RecordDecl):
            found = Record(name, tuple((f.name.name, self.read(f.type)) for f in decl.fields))
        else:
            found = self.read(decl.type)
            if isinstance(found, Int) and found.name is None:
                found = replace(found, name=name)
        self.busy.pop()
        self.names.types.setdefault(name, found)

    # ── each kind ──

    def _read(self, t: s.TypeExpr) -> Type:
        match t:
            case s.Named():
                return self._named(t)
            case s.Range():
                return self._range(t)
            case s.OptionType():
                return self._option(t)
            case s.TupleType():
                return Tuple(tuple(map(self._read, t.elems)))
            case s.Collection():
                kind = {"set": Set, "seq": Seq, "bag": BagOf}[t.kind]
                return kind(self._read(t.elem), self.capacity(t.cap) if t.cap else None)
            case s.MapType():
                return MapOf(self._read(t.key), self._read(t.val))
        raise AssertionError(t)

    def _range(self, t: s.Range) -> Type:
        low, high = self.bound(t.low), self.bound(t.high)
        if isinstance(low, int) and isinstance(high, int) and low > high:
            self.report.error("E313", f"no number lies in {low}..{high}", t.span, "the least before the greatest")
        return Int(low, high)

    def capacity(self, e: s.Expr) -> int | ir.Expr:
        """How many something can hold."""
        found = self.bound(e, "a capacity")
        if isinstance(found, int) and found < 1:
            self.report.error("E313", f"a capacity of {found} holds nothing", e.span, "a number from 1")
        return found

    def _named(self, t: s.Named) -> Type:
        if t.name in ("bool", "int"):
            return BOOL if t.name == "bool" else INT
        self.names.use(t.name)
        found = self.declared(t.name)
        if found is None:
            self._no_type(t)
            return Unknown()
        return found

    def _no_type(self, t: s.Named) -> None:
        symbol = self.names.symbols.get(t.name)
        expected = "bool, a range like 0..3, a declared type, or T?, (T, U), set[T], map K -> V, seq[T, n], bag[T, n]"
        if symbol and symbol.kind == "quorum":
            sort = self.names.quorums[t.name].sort.name
            self.report.error(
                "E312",
                f"`{t.name}` is a quorum, not a type",
                t.span,
                expected,
                f"a set of its members has the type `set[{sort}]`",
            )
        elif symbol:
            self.report.error("E204", f"`{t.name}` is {a_kind(symbol.kind)}, not a type", t.span, expected)
        elif t.name in self.names.messages:
            self.report.error(
                "E204", f"`{t.name}` is a message, not a type", t.span, expected, "declare a record with these fields"
            )
        else:
            self.report.unknown("E204", "type", t, [*self.names.types, *self.decls, "bool"], expected)

    def _option(self, t: s.OptionType) -> Type:
        elem = self._read(t.elem)
        if isinstance(elem, Option):
            self.report.error(
                "E309",
                "an option of an option",
                t.span,
                "one `?`",
                "one `none` is all there is: use an enum or a record to tell two apart",
            )
            return elem
        return Option(elem)

    # ── numbers in types ──

    def bound(self, e: s.Expr, what: str = "the size of a type") -> int | ir.Expr:
        """A bound or a capacity: a number, or an expression over parameters and sizes."""
        self.what = what
        found = self._bound(e)
        if isinstance(found, ir.Const):
            return int(found.value)
        return found

    def _bound(self, e: s.Expr) -> ir.Expr:
        match e:
            case s.Number():
                return ir.Const(INT, e.value, span=e.span)
            case s.Name() if isinstance(self.names.params.get(e.name), Int):
                self.names.use(e.name)
                return ir.Param(self.names.params[e.name], e.name, span=e.span)
            case s.Unary(_, "-", x):
                return self._number("neg", e, x)
            case s.Binary(_, op, a, b) if op in ARITHMETIC:
                return self._number(ARITHMETIC[op], e, a, b)
            case s.Call(_, name, [s.Name() as x]) if name.name == "len" and isinstance(self.names.types.get(x.name), Sort):
                self.names.use(x.name)
                return ir.Size(INT, x.name, span=e.span)
            case s.Call(_, name, [a, b]) if name.name in ("min", "max"):
                return self._number(name.name + "2", e, a, b)
        return self._no_bound(e)

    def _number(self, op: str, e: s.Expr, *parts: s.Expr) -> ir.Expr:
        """An operation, computed at once if both sides are known."""
        args = tuple(map(self._bound, parts))
        node = ir.Apply(INT, op, args, span=e.span)
        if all(isinstance(a, ir.Const) for a in args) and not (op in ("div", "mod") and args[1].value == 0):  # type: ignore[attr-defined]
            values = [a.value for a in args if isinstance(a, ir.Const)]
            return ir.Const(INT, TABLE[op].meaning(node, *values), span=e.span)
        return node

    def _no_bound(self, e: s.Expr) -> ir.Expr:
        expected = "numbers, int parameters, len(SORT), min, max, and + - * // % of them"
        match e:
            case s.Name() if e.name in self.names.params:
                self.report.error("E311", f"the parameter `{e.name}` is not a number", e.span, expected)
            case s.Name() if e.name in self.names.symbols:
                kind = self.names.symbols[e.name].kind
                hint = f"its size is `len({e.name})`" if kind == "sort" else None
                self.report.error("E311", f"`{e.name}` is {a_kind(kind)}; {self.what} must be constant", e.span, expected, hint)
            case s.Name():
                self.report.unknown("E203", "name", e, self.names.params, expected)
            case _:
                self.report.error("E311", f"{self.what} must be constant", e.span, expected)
        return ir.Const(INT, 0, span=e.span)

    # ── what can be stored ──

    def _finite(self, found: Type, t: s.TypeExpr) -> None:
        """Errors for the parts of a type as written that have no finite list of values."""
        match t:
            case s.Named(name="int"):
                self.report.error(
                    "E308",
                    "`int` has no bounds",
                    t.span,
                    "a type with finitely many values",
                    "give a range: `0..max_value`, with a parameter",
                )
            case s.Collection(kind=("seq" | "bag") as kind, cap=None):
                what = "sequence" if kind == "seq" else "bag"
                self.report.error(
                    "E310", f"a {what} needs a capacity", t.span, f"`{kind}[T, n]`", "the most elements it can ever hold"
                )
        for part in type_parts(t):
            self._finite(found, part)


def type_parts(t: s.TypeExpr) -> list[s.TypeExpr]:
    match t:
        case s.OptionType(elem=e) | s.Collection(elem=e):
            return [e]
        case s.TupleType(elems=es):
            return es
        case s.MapType(key=k, val=v):
            return [k, v]
    return []
