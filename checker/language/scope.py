"""Where an expression stands, and what every rule uses: fitting a value to a declared type, binding names, applying operators.

`Typing` is the base of `Infer` (lookup.py, calls.py and infer.py add the rules); it knows no syntax of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from checker.core import ir
from checker.core.operators import TABLE, TypeMismatch
from checker.core.types import BOOL, Bag, BagOf, Bool, Int, MapOf, Option, Seq, Set, Type, Unknown
from checker.language import syntax as s
from checker.language.names import Definition, Footprint, Names, Process
from checker.language.typenames import TypeReader
from checker.language.wording import KIND, describe, fits, has_int, value_of_type
from checker.source import Span

TRUE, FALSE = ir.Const(BOOL, True), ir.Const(BOOL, False)


@dataclass
class LocalName:
    """A bound name: `what` it is, for messages ("a parameter of the action")."""

    expr: ir.Local
    what: str
    span: Span
    used: bool = False


@dataclass
class Scope:
    """Where an expression stands, which says what it may look at.

    where: "constant" (parameters and sizes only), "action" (anything but ghosts), "process" (what is local), "property", "step"
    (with primes), "def" (anything; what it looks at is noted, and judged where it is called)."""

    where: str
    process: Process | None = None
    locals: dict[str, LocalName] = field(default_factory=dict)
    ghosts: bool = False
    itself: Type | None = None  # the type of `self`
    footprint: Footprint = field(default_factory=Footprint)
    what: str = ""  # for messages where="constant": "an initial value"


class Typing:
    """What the rules share."""

    def __init__(self, names: Names, types: TypeReader, scope: Scope) -> None:
        self.names, self.types, self.scope, self.report = names, types, scope, names.report
        self.primed: s.Expr | None = None  # the name to which a prime applies

    def expr(self, e: s.Expr) -> ir.Expr:
        """The typed expression."""
        raise NotImplementedError

    def call_definition(self, d: Definition, args: list[s.Expr], e: s.Expr) -> ir.Expr:
        raise NotImplementedError

    def boolean(self, e: s.Expr, what: str) -> ir.Expr:
        """An expression that must be a bool."""
        found = self.expr(e)
        if not isinstance(found.type, Bool | Unknown):
            hint = f"compare it: `{self.text(e)} != none`" if isinstance(found.type, Option) else None
            self.report.error("E305", f"{what} is {value_of_type(found.type)}", e.span, "a bool", hint)
            return self.bad(e.span)
        return found

    def fitted(self, e: s.Expr, t: Type, what: str) -> ir.Expr:
        """An expression where a declared type is wanted."""
        return self.fit(self.expr(e), t, what, e.span)

    def fit(self, found: ir.Expr, t: Type, what: str, span: Span) -> ir.Expr:
        """The value as one of type t; an error if its kind is another."""
        found = retype(found, t)
        if not fits(found.type, t):
            self.report.error(
                "E301",
                f"{what} is of type `{describe(t)}`, but this is of type `{describe(found.type)}`",
                span,
                f"`{describe(t)}`",
                self._fit_hint(found.type, t, span),
            )
            return self.bad(span)
        if isinstance(t, Unknown) or is_bad(found) or (found.type == t and not has_int(t)):
            return found
        return ir.Fit(t, found, what, span=span)

    def _fit_hint(self, found: Type, t: Type, span: Span) -> str | None:
        text = self.report.source.snippet(span)
        if isinstance(found, Set | Option) and isinstance(found.elem, Unknown):
            return f"`{{k: … for k in {describe(t.key)}}}`" if isinstance(t, MapOf) and isinstance(found, Set) else None
        if isinstance(found, Option) and fits(found.elem, t):
            return f"it may be none; `the({text})` is its value"
        if isinstance(found, Set) and fits(found.elem, t):
            return f"`{text}` is a set of them; `choose` one, or quantify over all"
        if isinstance(t, Set) and fits(found, t.elem):
            return f"a set of it is `{{{text}}}`"
        if isinstance(t, Seq) and fits(found, t.elem):
            return f"a sequence of it is `[{text}]`"
        return None

    def bad(self, span: Span) -> ir.Expr:
        """What stands where there was an error (or is one, if none is reported: see load.py)."""
        self.report.gaps.append(span)
        return ir.Const(Unknown(), None, span=span)

    def text(self, e: s.Expr) -> str:
        return self.report.source.snippet(e.span)

    # ── bound names ──

    @contextmanager
    def bind(self, name: s.Ident, t: Type, what: str) -> Iterator[ir.Local]:
        """A name that is bound for a while."""
        outer = dict(self.scope.locals)
        yield self.declare(name, t, what)
        self.scope.locals = outer

    def declare(self, name: s.Ident, t: Type, what: str) -> ir.Local:
        """Enters a bound name; it may not hide what could be read here."""
        self._hides(name)
        local = ir.Local(t, self.names.fresh(name.name), span=name.span)
        if name.name != "_":
            self.scope.locals[name.name] = LocalName(local, what, name.span)
        return local

    def _hides(self, name: s.Ident) -> None:
        hidden = None
        if name.name in self.scope.locals:
            hidden = f"{self.scope.locals[name.name].what} `{name.name}` of line {self.scope.locals[name.name].span.line}"
        elif self.scope.process and name.name in self.scope.process.vars:
            hidden = f"a variable of {self.scope.process.name}"
        elif name.name in self.names.symbols:
            hidden = f"the {KIND[self.names.symbols[name.name].kind]} `{name.name}`"
        if hidden:
            self.report.error("E202", f"`{name.name}` hides {hidden}", name.span, "another name")

    # ── sets to range over ──

    def domain(self, e: s.Expr) -> ir.Expr:
        """An expression that must be a set."""
        found = self.expr(e)
        if isinstance(found.type, Set | Unknown):
            return found
        hints = {
            Seq: f"its elements are `elems({self.text(e)})`, its indices `indices({self.text(e)})`",
            Int: f"the numbers below it are `range(0, {self.text(e)})`",
            MapOf: f"its keys are `keys({self.text(e)})`",
        }
        self.report.error(
            "E306",
            f"`{self.text(e)}` is {value_of_type(found.type)}",
            e.span,
            "a set, or the name of a type",
            hints.get(type(found.type)),
        )
        return self.bad(e.span)

    def generated(self, g: s.Generator, body: s.Expr) -> tuple[str, ir.Expr, ir.Expr, ir.Expr]:
        domain = self.domain(g.domain)
        with self.bind(g.name, element(domain.type), "the bound name") as local:
            where = self.boolean(g.where, "the condition") if g.where else TRUE
            return local.name, domain, where, self.expr(body)

    # ── operators of the table ──

    def apply(self, op: str, args: list[ir.Expr], e: s.Expr, parts: list[s.Expr], attr: Any = None, label: str = "") -> ir.Expr:
        """An operator of the table, or an error that says what it takes."""
        if any(is_bad(a) for a in args) or (self.report.errors and any(isinstance(a.type, Unknown) for a in args)):
            return self.bad(e.span)
        try:
            t = TABLE[op].type(tuple(a.type for a in args), attr)
        except TypeMismatch as mismatch:
            where = None if mismatch.position is None else min(mismatch.position, len(parts) - 1)
            at = parts[where] if where is not None else e
            hint = self._option_hint(args[where].type, op, attr, args, where, at) if where is not None else None
            wanted, _, found = str(mismatch).partition(", not ")
            found = f"{value_of_type(args[where].type)}" if where is not None else found
            self.report.error(
                "E302", f"{label or op} does not take {found}" if found else f"{label or op}: {wanted}", at.span, wanted, hint
            )
            return self.bad(e.span)
        return ir.Apply(t, op, tuple(args), attr, span=e.span)

    def _option_hint(self, t: Type, op: str, attr: Any, args: list[ir.Expr], where: int, at: s.Expr) -> str | None:
        """`the(x)`, where that would help."""
        if not isinstance(t, Option):
            return None
        tried = [a.type if i != where else t.elem for i, a in enumerate(args)]
        try:
            TABLE[op].type(tuple(tried), attr)
        except TypeMismatch:
            return None
        return f"it may be none; `the({self.text(at)})` is its value"


# ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def is_bad(e: ir.Expr) -> bool:
    return isinstance(e, ir.Const) and isinstance(e.type, Unknown)


def element(t: Type) -> Type:
    return t.elem if isinstance(t, Set) else Unknown()


def retype_empty(e: ir.Expr, t: Type) -> ir.Expr:
    """`{}` beside a bag is the empty bag."""
    if isinstance(e, ir.Const) and e.value == frozenset() and isinstance(e.type, Set) and isinstance(t, BagOf):
        return replace(e, type=t, value=Bag())
    return e


def retype(e: ir.Expr, t: Type) -> ir.Expr:
    """A literal whose type says nothing (none, {}, []), as one of type t."""
    e = retype_empty(e, t)
    if isinstance(e, ir.Const) and not isinstance(e.type, Unknown) and unknown_inside(e.type) and fits(e.type, t):
        return replace(e, type=t)
    if isinstance(e, ir.If) and isinstance(t, BagOf):
        return replace(e, type=t, then=retype(e.then, t), orelse=retype(e.orelse, t))
    return e


def unknown_inside(t: Type) -> bool:
    return isinstance(t, Option | Set | Seq | BagOf) and isinstance(t.elem, Unknown)
