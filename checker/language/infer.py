"""Expressions: from the syntax tree to the typed core.

`Infer` types one expression in one Scope.  Every name is looked up here and nowhere else, so what an expression may look at (locality,
ghosts, primes) is checked here too.  After an error a node has the type Unknown, which goes with everything: one mistake, one message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from checker.core import ir
from checker.core.operators import TABLE, TypeMismatch
from checker.core.operators.table import join, ordered
from checker.core.types import (
    BOOL,
    INT,
    Bag,
    BagOf,
    Bool,
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
    sorts_in,
)
from checker.language import syntax as s
from checker.language.names import Definition, Footprint, LookSite, Names, Process, Variable, nearest
from checker.language.resolve import BUILT_IN
from checker.language.typenames import KIND, TypeReader, a_kind, describe, fits, has_int, kind_of, value_of_type
from checker.source import Span

TRUE, FALSE = ir.Const(BOOL, True), ir.Const(BOOL, False)
COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "//": "div", "%": "mod", "|": "union", "&": "inter"}
UNARY_CALLS = ("len", "the", "keys", "values", "elems", "indices", "last", "subsets")
CALLS = {"len": "len", "the": "the", "keys": "keys", "values": "values", "elems": "elems", "indices": "indices", "last": "last",
         "subsets": "subsets", "range": "range", "count": "count", "add": "bag_add", "remove": "bag_remove"}  # fmt: skip


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


class Infer:
    """Types expressions of one scope."""

    def __init__(self, names: Names, types: TypeReader, scope: Scope) -> None:
        self.names, self.types, self.scope, self.report = names, types, scope, names.report
        self.primed: s.Expr | None = None  # the name to which a prime applies

    # ── entry points ──

    def expr(self, e: s.Expr) -> ir.Expr:
        """The typed expression."""
        return RULES[type(e)](self, e)

    def boolean(self, e: s.Expr, what: str) -> ir.Expr:
        """An expression that must be a bool."""
        found = self.expr(e)
        if not isinstance(found.type, Bool | Unknown):
            hint = f"compare it: `{self.text(e)} != none`" if isinstance(found.type, Option) else None
            self.report.error("E305", f"{what} is {value_of_type(found.type)}", e.span, "a bool", hint)
            return bad(e.span)
        return found

    def fitted(self, e: s.Expr, t: Type, what: str) -> ir.Expr:
        """An expression where a declared type is wanted."""
        return self.fit(self.expr(e), t, what, e.span)

    def fit(self, found: ir.Expr, t: Type, what: str, span: Span) -> ir.Expr:
        """The value as one of type t; an error if its kind is another."""
        found = retype(found, t)
        if not fits(found.type, t):
            self.report.error("E301", f"{what} is of type `{describe(t)}`, but this is of type `{describe(found.type)}`", span, f"`{describe(t)}`", self._fit_hint(found.type, t, span))
            return bad(span)
        if isinstance(t, Unknown) or is_bad(found) or (found.type == t and not has_int(t)):
            return found
        return ir.Fit(t, found, what, span=span)

    def _fit_hint(self, found: Type, t: Type, span: Span) -> str | None:
        text = self.report.source.snippet(span)
        if isinstance(found, Set | Option) and isinstance(found.elem, Unknown):
            return f"`{{k: … for k in {describe(t.key)}}}`" if isinstance(t, MapOf) and isinstance(found, Set) else None
        if isinstance(found, Option) and fits(found.elem, t):
            return f"it may be none; `the({text})` is its value"
        if isinstance(t, Set) and fits(found, t.elem):
            return f"a set of it is `{{{text}}}`"
        if isinstance(t, Seq) and fits(found, t.elem):
            return f"a sequence of it is `[{text}]`"
        return None

    def text(self, e: s.Expr) -> str:
        return self.report.source.snippet(e.span)

    # ── names ──

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

    def name(self, e: s.Name) -> ir.Expr:
        found = self.scope.locals.get(e.name)
        if found:
            found.used = True
            return replace(found.expr, span=e.span)
        own = self.scope.process
        if own and e.name in own.vars:
            return self.read(own.vars[e.name], e)
        if own and e.name in own.defs:
            return self.call_definition(own.defs[e.name], [], e)
        if e.name in self.names.symbols:
            return self.symbol(e)
        if e.name in ("bool", "int"):
            return self._all_of(BOOL if e.name == "bool" else INT, e)
        return self._elsewhere(e)

    def symbol(self, e: s.Name) -> ir.Expr:
        """A global name as a value."""
        names, symbol = self.names, self.names.symbols[e.name]
        symbol.used = True
        match symbol.kind:
            case "param":
                return ir.Param(names.params[e.name], e.name, span=e.span)
            case "member":
                return ir.Const(names.members[e.name], e.name, span=e.span)
            case "sort" | "enum" | "type" | "record":
                return self._all_of(names.types.get(e.name, Unknown()), e)
            case "quorum":
                t = names.types.get(names.quorums[e.name].sort.name, Unknown())
                return ir.Call(Set(Set(t)), e.name, span=e.span)
            case "var" if e.name in names.vars:
                return self.read(names.vars[e.name], e)
            case "def" if e.name in names.defs:
                return self.call_definition(names.defs[e.name], [], e)
            case "process":
                self.report.error("E211", f"`{e.name}` is a process, not a value", e.span, "a value", f"a variable of it is `{e.name}.x`")
        return bad(e.span)

    def _all_of(self, t: Type, e: s.Expr) -> ir.Expr:
        """A type name as the set of all its values."""
        if isinstance(t, Int) and t.lo is None:
            self.report.error("E308", "`int` has no bounds", e.span, "a type with finitely many values")
            return bad(e.span)
        return bad(e.span) if isinstance(t, Unknown) else ir.Apply(Set(t), "all", (), t, span=e.span)

    def _elsewhere(self, e: s.Name) -> ir.Expr:
        """A name that is nothing here: perhaps a variable of a process, or nothing at all."""
        found = self.names.process_vars(e.name)
        if len(found) == 1:
            return self.read(found[0], e)
        if found:
            here = " and ".join(v.process.name for v in found if v.process)
            hint = f"say which: `{found[0].key}`"
            self.report.error("E205", f"`{e.name}` is a variable of {here}", e.span, f"{' or '.join(f'`{v.key}`' for v in found)}", hint)
            for v in found:
                v.read = True
        elif e.name in self.names.messages:
            self._message_as_value(e.name, e.span)
        elif e.name in BUILT_IN:
            self.report.error("E210", f"`{e.name}` is built in and needs arguments", e.span, f"`{e.name}(…)`")
        elif e.name == "_":
            self.report.error("E203", "`_` stands for anything only in the fields of `sent` and `on`", e.span, "a value")
        else:
            self.report.unknown("E203", "name", e, self.visible(), "a variable, parameter, definition, or bound name")
        return bad(e.span)

    def _message_as_value(self, name: str, at: Span) -> None:
        sent = f"sent {name}(…)" if self.names.messages[name].fields else f"sent {name}"
        hint = f"`on {name}` receives one" if self.scope.process else f"whether one was sent is `{sent}`"
        self.report.error("E211", f"`{name}` is a message, not a value", at, "a value", hint)

    def visible(self) -> Iterable[str]:
        """Names that could be meant here."""
        own = self.scope.process
        yield from self.scope.locals
        yield from own.vars if own else ()
        yield from own.defs if own else ()
        yield from self.names.symbols
        yield from BUILT_IN
        yield from ("none", "true", "false", "self")
        if not own:
            yield from (v.name for v in self.names.all_vars())

    # ── variables ──

    def read(self, v: Variable, e: s.Expr) -> ir.Expr:
        """A variable as a value: the whole, or in its own process the cell."""
        v.read = True
        primed = self.primed is e
        self.scope.footprint.reads.setdefault(v.key, e.span)
        whole = ir.Read(v.type, v.key, primed, span=e.span)
        if not self.may_read(v, e.span):
            return bad(e.span)
        if v.process is None or v.process is not self.scope.process or not v.keyed:
            return whole
        self.scope.footprint.itself = True
        assert v.process.ident is not None
        return ir.Apply(v.cell, "index", (whole, ir.Local(v.process.ident, "self")), span=e.span)

    def may_read(self, v: Variable, at: Span, via: str = "") -> bool:
        """Is reading this variable allowed here?  `via`: the definition that reads it."""
        where, own = self.scope.where, self.scope.process
        how = f"`{via}` reads `{v.name}`, which" if via else f"`{v.name}`"
        if where == "constant":
            self.report.error("E311", f"{how} is a variable, but {self.scope.what} is constant", at, "parameters, sizes, and numbers")
        elif v.ghost and where in ("action", "process") and not self.scope.ghosts:
            self.report.error("E404", f"{how} is a ghost: the protocol may not depend on it", at, "a variable that is not a ghost",
                              "ghosts are read in properties and in assignments to ghosts")  # fmt: skip
        elif own and v.process is not own and not v.ghost and where in ("process", "def"):
            whose = f"a variable of {v.process.name}" if v.process else "a global variable"
            hint = f"let {v.process.name} send it in a message" if v.process else "keep it in the process, or send it in a message"
            self.report.error("E401", f"{how} is {whose}, and {own.name} cannot see it", at, f"variables of {own.name}, parameters, and what the message brought", hint)
        else:
            return True
        return False

    def member(self, e: s.Member) -> ir.Expr:
        if isinstance(e.base, s.Name) and e.base.name not in self.scope.locals and e.base.name in self.names.processes:
            return self._of_process(self.names.processes[e.base.name], e)
        base = self.expr(e.base)
        t = base.type
        if isinstance(t, Record) and e.name.name in dict(t.fields):
            return ir.Apply(dict(t.fields)[e.name.name], "field", (base,), e.name.name, span=e.span)
        self.no_field(t, e.name, self.text(e.base))
        return bad(e.span)

    def no_field(self, t: Type, name: s.Ident, text: str) -> None:
        """Says why there is no such field."""
        if isinstance(t, Record):
            fields = ", ".join(f"`{f}`" for f, _ in t.fields)
            self.report.error("E206", f"`{t.name}` has no field `{name.name}`", name.span, f"one of {fields}", nearest(name.name, [f for f, _ in t.fields]))
        elif not isinstance(t, Unknown):
            hint = f"it may be none; `the({text}).{name.name}` is the field of its value" if isinstance(t, Option) and isinstance(t.elem, Record) else None
            self.report.error("E307", f"`{text}` is {value_of_type(t)} and has no fields", name.span, "a record before the `.`", hint)

    def _of_process(self, p: Process, e: s.Member) -> ir.Expr:
        """P.x"""
        self.names.use(p.name)
        if e.name.name in p.vars:
            v = p.vars[e.name.name]
            if self.scope.process is p and v.keyed:
                self.report.error("E401", f"`{p.name}.{v.name}` are the variables of all, and each {p.name} sees only its own", e.span, f"`{v.name}`, which is that of `self`")
                v.read = True
                return bad(e.span)
            return self.read(v, e)
        if e.name.name in p.defs:
            return self.call_definition(p.defs[e.name.name], [], e)
        self.report.unknown("E203", "variable", e.name, [*p.vars, *p.defs], f"a variable of {p.name}", p.name)
        return bad(e.span)

    def prime(self, e: s.Prime) -> ir.Expr:
        root = e.base
        while isinstance(root, s.Member | s.Index) and not self._qualified(root):
            root = root.base
        if self.scope.where != "step":
            self.report.error("E408", "a prime outside a step property", e.span, "no prime: in actions a read after a write sees the new value",
                              "`step NAME: …` compares `x` with `x'`")  # fmt: skip
            self.expr(e.base)
            return bad(e.span)
        if not self._is_variable(root):
            self.report.error("E408", f"`{self.text(root)}` is not a variable", root.span, "a prime on a variable or a part of it")
            self.expr(e.base)
            return bad(e.span)
        before, self.primed = self.primed, root
        found = self.expr(e.base)
        self.primed = before
        return replace(found, span=e.span)

    def _qualified(self, e: s.Expr) -> bool:
        return isinstance(e, s.Member) and isinstance(e.base, s.Name) and e.base.name in self.names.processes and e.base.name not in self.scope.locals

    def _is_variable(self, e: s.Expr) -> bool:
        if self._qualified(e):
            return True
        return isinstance(e, s.Name) and e.name not in self.scope.locals and (e.name in self.names.vars or bool(self.names.process_vars(e.name)))

    # ── literals ──

    def number(self, e: s.Number) -> ir.Expr:
        return ir.Const(INT, e.value, span=e.span)

    def literal(self, e: s.Literal) -> ir.Expr:
        match e.word:
            case "none":
                return ir.Const(Option(Unknown()), None, span=e.span)
            case "self":
                return self.itself(e)
        return ir.Const(BOOL, e.word == "true", span=e.span)

    def itself(self, e: s.Literal) -> ir.Expr:
        if self.scope.itself is not None:
            self.scope.footprint.itself = True
            return ir.Local(self.scope.itself, "self", span=e.span)
        own = self.scope.process
        hint = f"`{own.name}` is single: there is only one" if own else None
        self.report.error("E407", "`self` is the identity of a process, and there is none here", e.span, "an identity", hint)
        return bad(e.span)

    def tuple_of(self, e: s.TupleOf) -> ir.Expr:
        return self.apply("tuple", list(map(self.expr, e.items)), e, e.items)

    def set_of(self, e: s.SetOf) -> ir.Expr:
        if not e.items:
            return ir.Const(Set(Unknown()), frozenset(), span=e.span)
        return self._alike("set", e, e.items)

    def list_of(self, e: s.ListOf) -> ir.Expr:
        if not e.items:
            return ir.Const(Seq(Unknown()), (), span=e.span)
        return self._alike("seq", e, e.items)

    def _alike(self, op: str, e: s.Expr, items: list[s.Expr]) -> ir.Expr:
        """A set or sequence of these, which must be of one kind."""
        args = list(map(self.expr, items))
        t: Type = Unknown()
        for a, item in zip(args, items, strict=True):
            try:
                t = join(t, a.type)
            except TypeMismatch:
                self.report.error("E303", f"`{describe(a.type)}` among values of type `{describe(t)}`", item.span, f"elements of one type, like `{self.text(items[0])}`")
                return bad(e.span)
        made = Set(t) if op == "set" else Seq(t)
        return ir.Apply(made, op, tuple(args), span=e.span)

    # ── operators ──

    def apply(self, op: str, args: list[ir.Expr], e: s.Expr, parts: list[s.Expr], attr: Any = None, label: str = "") -> ir.Expr:
        """An operator of the table, or an error that says what it takes."""
        if any(isinstance(a.type, Unknown) for a in args):
            return bad(e.span)
        try:
            t = TABLE[op].type(tuple(a.type for a in args), attr)
        except TypeMismatch as mismatch:
            where = None if mismatch.position is None else min(mismatch.position, len(parts) - 1)
            at = parts[where] if where is not None else e
            hint = self._option_hint(args[where].type, op, attr, args, where, at) if where is not None else None
            wanted, _, found = str(mismatch).partition(", not ")
            found = f"{value_of_type(args[where].type)}" if where is not None else found
            self.report.error("E302", f"{label or op} does not take {found}" if found else f"{label or op}: {wanted}", at.span, wanted, hint)
            return bad(e.span)
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

    def unary(self, e: s.Unary) -> ir.Expr:
        if e.op == "not":
            inner = self.boolean(e.operand, "what stands after `not`")
            return ir.Apply(BOOL, "not", (inner,), span=e.span)
        return self.apply("neg", [self.expr(e.operand)], e, [e.operand], label="`-`")

    def binary(self, e: s.Binary) -> ir.Expr:
        if e.op in ("and", "or", "implies"):
            return self._logic(e)
        left, right = self.expr(e.left), self.expr(e.right)
        if e.op in COMPARE:
            return self._comparison(e, left, right)
        if e.op in ("in", "not in"):
            return self._membership(e, left, right)
        return self._arithmetic(e, left, right)

    def _logic(self, e: s.Binary) -> ir.Expr:
        a = self.boolean(e.left, f"what stands before `{e.op}`")
        b = self.boolean(e.right, f"what stands after `{e.op}`")
        then, orelse = {"and": (b, FALSE), "or": (TRUE, b), "implies": (b, TRUE)}[e.op]
        return ir.If(BOOL, a, then, orelse, span=e.span)

    def _comparison(self, e: s.Binary, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        left, right = retype_empty(left, right.type), retype_empty(right, left.type)
        t = self.joined(left, right, e.at, f"`{e.op}` between", e)
        if t is not None and e.op not in ("==", "!=") and not ordered(t):
            hint = self._order_hint(t)
            self.report.error("E304", f"values of type `{describe(t)}` have no order", e.at, "numbers, members of an enum, or tuples, records and options of these", hint)
        return ir.Apply(BOOL, COMPARE[e.op], (left, right), span=e.span)

    def _order_hint(self, t: Type) -> str | None:
        if isinstance(t, Set):
            return "`A subset B` compares sets"
        sort = next(iter(sorts_in(t)), None)
        inside = "" if isinstance(bare(t), Sort) or sort is None else f", and `{describe(t)}` contains a `{sort.name}`"
        return f"identities have no order{inside}" if sort else None

    def joined(self, left: ir.Expr, right: ir.Expr, at: Span, what: str, e: s.Binary | None = None) -> Type | None:
        """The type two values share; an error (and None) if they have none."""
        try:
            return join(left.type, right.type)
        except TypeMismatch:
            a, b = describe(left.type), describe(right.type)
            self.report.error("E303", f"{what} `{a}` and `{b}`", at, "two values of one type", self._kinds_hint(left.type, right.type, e))
            return None

    def _kinds_hint(self, a: Type, b: Type, e: s.Binary | None) -> str | None:
        if e is None:
            return None
        for own, other, x, y in ((a, b, e.left, e.right), (b, a, e.right, e.left)):
            if isinstance(own, MapOf) and fits(other, own.val):
                index = f"{self.text(x)}[{describe(own.key)[:1].lower()}]"
                return f"`{self.text(x)}` has a value for each {describe(own.key)}: `{index}`"
            if isinstance(own, Set) and fits(other, own.elem):
                return f"is it an element? `{self.text(y)} in {self.text(x)}`"
        return None

    def _membership(self, e: s.Binary, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        t = right.type
        if isinstance(t, Set | Seq | BagOf):
            try:
                join(left.type, t.elem)
            except TypeMismatch:
                self.report.error("E303", f"`{describe(left.type)}` cannot be in `{describe(t)}`", e.span, f"a `{describe(t.elem)}` before `{e.op}`")
                return bad(e.span)
        elif not isinstance(t, Unknown):
            hint = f"`{self.text(e.left)} in keys({self.text(e.right)})`" if isinstance(t, MapOf) else None
            self.report.error("E306", f"`{self.text(e.right)}` is {value_of_type(t)}", e.right.span, f"a set, sequence or bag after `{e.op}`", hint)
            return bad(e.span)
        inside = ir.Apply(BOOL, "member", (left, right), span=e.span)
        return inside if e.op == "in" else ir.Apply(BOOL, "not", (inside,), span=e.span)

    def _arithmetic(self, e: s.Binary, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        op = overloaded(e.op, left.type, right.type)
        found = self.one_element(e, e.op, left, right)
        return found or self.apply(op, [left, right], e, [e.left, e.right], label=f"`{e.op}`")

    def one_element(self, e: s.Binary, op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr | None:
        """`S + x` and `s + x`, where `{x}` and `[x]` are meant."""
        for a, b, node in ((left.type, right.type, e.right), (right.type, left.type, e.left)):
            if isinstance(a, Set | Seq) and not isinstance(b, Set | Seq | Unknown) and fits(b, a.elem):
                t = self.text(node)
                one = f"{{{t}}}" if isinstance(a, Set) else f"[{t}]"
                kind = "set" if isinstance(a, Set) else "sequence"
                self.report.error("E302", f"`{op}` between a {kind} and an element", node.span, f"a {kind}", f"write `{one}`")
                return bad(e.span)
        return None

    def ternary(self, e: s.Ternary) -> ir.Expr:
        cond = self.boolean(e.cond, "the condition")
        then, orelse = self.expr(e.then), self.expr(e.orelse)
        then, orelse = retype_empty(then, orelse.type), retype_empty(orelse, then.type)
        t = self.joined(then, orelse, e.span, "the two branches are of types")
        return ir.If(t, cond, then, orelse, span=e.span) if t is not None else bad(e.span)

    # ── parts and updates ──

    def index(self, e: s.Index) -> ir.Expr:
        base = self.expr(e.base)
        if isinstance(base.type, Tuple):
            return self._component(e, base, base.type)
        key = self.expr(e.index)
        if isinstance(base.type, MapOf):
            key = self.fit(key, base.type.key, f"the index of `{self.text(e.base)}`", e.index.span)
        elif not isinstance(base.type, Seq | Unknown):
            self.no_index(base.type, e.base)
            return bad(e.span)
        return self.apply("index", [base, key], e, [e.base, e.index], label="an index")

    def no_index(self, t: Type, base: s.Expr) -> None:
        """Says why there is no indexing here."""
        text, hint = self.text(base), None
        own = self.scope.process
        if own and isinstance(base, s.Name) and base.name in own.vars and own.vars[base.name].keyed:
            self.report.error("E401", f"`{text}` is the variable of `self`; {own.name} cannot see those of others", base.span, f"`{text}` without an index",
                              "let the other send it in a message")  # fmt: skip
            return
        if isinstance(t, Option) and isinstance(t.elem, MapOf | Seq):
            hint = f"it may be none; `the({text})` is its value"
        if isinstance(t, BagOf):
            hint = f"how often it holds x is `count({text}, x)`"
        self.report.error("E307", f"`{text}` is {value_of_type(t)} and has no index", base.span, "a map, a sequence, or a tuple", hint)

    def _component(self, e: s.Index, base: ir.Expr, t: Tuple) -> ir.Expr:
        if not isinstance(e.index, s.Number) or e.index.value >= len(t.elems):
            self.report.error("E307", f"`{self.text(e.base)}` has {len(t.elems)} components", e.index.span, f"a number from 0 to {len(t.elems) - 1}")
            return bad(e.span)
        return ir.Apply(t.elems[e.index.value], "item", (base,), e.index.value, span=e.span)

    def slice(self, e: s.Slice) -> ir.Expr:
        parts = [e.base, e.low, e.high]
        return self.apply("slice", list(map(self.expr, parts)), e, parts, label="a slice")

    def with_(self, e: s.With) -> ir.Expr:
        found = self.expr(e.base)
        for u in e.updates:
            found = self._updated(found, u, e)
        return found

    def _updated(self, base: ir.Expr, u: s.Update, e: s.With) -> ir.Expr:
        t, span = base.type, e.base.span.to(u.span)
        if isinstance(u.key, s.Ident):
            if not isinstance(t, Record) or u.key.name not in dict(t.fields):
                self.no_field(t, u.key, self.text(e.base))
                self.expr(u.value)
                return bad(span)
            value = self.fitted(u.value, dict(t.fields)[u.key.name], f"`{u.key.name}`")
            return ir.Apply(t, "with_field", (base, value), u.key.name, span=span)
        if isinstance(t, Tuple) and isinstance(u.key, s.Number) and u.key.value < len(t.elems):
            value = self.fitted(u.value, t.elems[u.key.value], f"component {u.key.value}")
            return ir.Apply(t, "with_item", (base, value), u.key.value, span=span)
        return self._with_index(base, u, e, span)

    def _with_index(self, base: ir.Expr, u: s.Update, e: s.With, span: Span) -> ir.Expr:
        t, key_at = base.type, u.key
        assert isinstance(key_at, s.Expr)
        if not isinstance(t, MapOf | Seq):
            if not isinstance(t, Unknown):
                self.no_index(t, e.base)
            return bad(span)
        key = self.fitted(key_at, t.key, "the index") if isinstance(t, MapOf) else self.expr(key_at)
        value = self.fitted(u.value, t.val if isinstance(t, MapOf) else t.elem, "the element")
        return self.apply("with_index", [base, key, value], e, [e.base, key_at, u.value], label="an index")

    # ── binders ──

    def quantified(self, e: s.Quantified) -> ir.Expr:
        return self._quantified(e, [(b, n) for b in e.binders for n in b.names], e.body)

    def _quantified(self, e: s.Quantified, todo: list[tuple[s.Binder, s.Ident]], body: s.Expr) -> ir.Expr:
        if not todo:
            return self.boolean(body, f"the body of `{e.kind}`")
        binder, name = todo[0]
        domain = self._binder_domain(binder)
        with self.bind(name, element(domain.type), "the bound name") as local:
            inner = self._quantified(e, todo[1:], body)
        return ir.Quant(BOOL, e.kind, local.name, domain, inner, span=e.span)

    def _binder_domain(self, b: s.Binder) -> ir.Expr:
        if b.domain is not None:
            return self.domain(b.domain)
        assert b.type is not None
        if isinstance(b.type, s.Named) and b.type.name in self.names.quorums:
            return self.symbol(s.Name(b.type.span, b.type.name))
        if isinstance(b.type, s.Named) and (b.type.name in self.scope.locals or self._is_variable(s.Name(b.type.span, b.type.name))):
            name = b.type.name
            self.report.error("E204", f"`{name}` is a value, not a type", b.type.span, "a type after `:`", f"`… in {name}` ranges over the elements of a set")
            return bad(b.type.span)
        t = self.types.read(b.type)
        return ir.Apply(Set(t), "all", (), t, span=b.type.span)

    def domain(self, e: s.Expr) -> ir.Expr:
        """An expression that must be a set."""
        found = self.expr(e)
        if isinstance(found.type, Set | Unknown):
            return found
        hints = {Seq: f"its elements are `elems({self.text(e)})`, its indices `indices({self.text(e)})`", Int: f"the numbers below it are `range(0, {self.text(e)})`",
                 MapOf: f"its keys are `keys({self.text(e)})`"}  # fmt: skip
        self.report.error("E306", f"`{self.text(e)}` is {value_of_type(found.type)}", e.span, "a set, or the name of a type", hints.get(type(found.type)))
        return bad(e.span)

    def comprehension(self, e: s.Comprehension) -> ir.Expr:
        name, domain, where, body = self._generated(e.generator, e.body)
        return ir.SetOf(Set(body.type), name, domain, where, body, span=e.span)

    def _generated(self, g: s.Generator, body: s.Expr) -> tuple[str, ir.Expr, ir.Expr, ir.Expr]:
        domain = self.domain(g.domain)
        with self.bind(g.name, element(domain.type), "the bound name") as local:
            where = self.boolean(g.where, "the condition") if g.where else TRUE
            return local.name, domain, where, self.expr(body)

    def mapping(self, e: s.Mapping) -> ir.Expr:
        g = e.generator
        domain = self.domain(g.domain)
        total = isinstance(domain, ir.Apply) and domain.op == "all"
        if not total and not isinstance(domain.type, Unknown):
            self.report.error("E306", "a map has a value for every key of a type", g.domain.span, "the name of a type", "leave out keys by mapping them to none")
        if g.where:
            self.report.error("E306", "a map has a value for every key of a type", g.where.span, "no `if`", "leave out keys by mapping them to none")
        with self.bind(g.name, element(domain.type), "the bound name") as local:
            if not isinstance(e.key, s.Name) or e.key.name != g.name.name:
                self.report.error("E306", "the keys of a map are the values of a type as they are", e.key.span, f"`{g.name.name}`")
            body = self.expr(e.value)
        return ir.Mapping(MapOf(local.type, body.type), local.name, body, span=e.span) if total else bad(e.span)

    # ── calls ──

    def call(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        if name in self.scope.locals:
            return self._no_call(e, self.scope.locals[name].what)
        own = self.scope.process
        if own and name in own.defs:
            return self.call_definition(own.defs[name], e.args, e)
        if name in self.names.defs:
            self.names.use(name)
            return self.call_definition(self.names.defs[name], e.args, e)
        if name in BUILT_IN:
            return self.builtin(e)
        if name in self.names.symbols and self.names.symbols[name].kind == "record":
            return self.record(e)
        return self._call_elsewhere(e)

    def _call_elsewhere(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        found = [p.defs[name] for p in self.names.processes.values() if name in p.defs]
        if found and self.scope.process is None:
            if len(found) > 1:
                self.report.error("E205", f"`{name}` is a definition of {' and '.join(d.process.name for d in found if d.process)}", e.name.span, "a name that is used once")
                return self._drop(e)
            return self.call_definition(found[0], e.args, e)
        if name in self.names.messages:
            self._message_as_value(name, e.name.span)
            return self._drop(e)
        if name in self.names.symbols:
            return self._no_call(e, a_kind(self.names.symbols[name].kind))
        if found or self.names.process_vars(name) or (own_var(self.scope.process, name)):
            return self._no_call(e, "a definition of another process" if found else "a variable")
        known = [*self.names.defs, *(self.scope.process.defs if self.scope.process else ()), *BUILT_IN, *(n for n, t in self.names.types.items() if isinstance(t, Record))]
        self.report.unknown("E203", "definition", e.name, known, "a definition, a record, or something built in")
        return self._drop(e)

    def _no_call(self, e: s.Call, what: str) -> ir.Expr:
        hint = f"an index stands in `[…]`: `{e.name.name}[{', '.join(map(self.text, e.args))}]`" if "variable" in what and len(e.args) == 1 else None
        if e.name.name in self.names.symbols:
            self.symbol(s.Name(e.name.span, e.name.name)) if self.names.symbols[e.name.name].kind == "var" and self.scope.where != "constant" else None
        self.report.error("E210", f"`{e.name.name}` is {what} and cannot be called", e.name.span, "a definition, a record, or something built in", hint)
        return self._drop(e)

    def _drop(self, e: s.Call) -> ir.Expr:
        """Looks at the arguments of a call that is wrong already."""
        if not e.generator:
            for a in e.args:
                self.expr(a)
        return bad(e.span)

    def call_definition(self, d: Definition, args: list[s.Expr], e: s.Expr) -> ir.Expr:
        d.used = True
        self.define(d)
        inside = self.scope.process is d.process
        params = list(d.params)
        found: list[ir.Expr] = []
        if d.process and d.process.ident is not None and not inside:  # outside, the process is the first argument
            params.insert(0, (s.Ident(e.span, "self"), d.process.ident))
        if not self.arity(e, d.name, [f"{n.name}: {describe(t)}" for n, t in params], args):
            return bad(e.span)
        found = [self.fitted(a, t, f"the argument `{n.name}` of `{d.name}`") for a, (n, t) in zip(args, params, strict=True)]
        if d.process and d.process.ident is not None:
            if inside and d.footprint.itself:
                found.insert(0, ir.Local(d.process.ident, "self", span=e.span))
            elif not inside and not d.footprint.itself:
                del found[0]
        self.looks(d, e.span)
        return ir.Call(d.type, d.key, tuple(found), span=e.span)

    def arity(self, e: s.Expr, name: str, params: list[str], args: list[s.Expr]) -> bool:
        """Are there as many arguments as parameters?  An error if not."""
        keyword = next((a for a in args if isinstance(a, s.Keyword)), None)
        if keyword:
            self.report.error("E209", f"`{name}` takes its arguments by position", keyword.span, f"`{self.text(keyword.value)}`")
            return False
        if len(params) == len(args):
            return True
        if isinstance(e, s.Name):
            self.report.error("E210", f"`{name}` needs arguments", e.span, f"`{name}({', '.join(params)})`")
            return False
        for a in args:
            self.expr(a)
        count = f"{len(params)} argument{'s' * (len(params) != 1)}"
        self.report.error("E209", f"`{name}` takes {count}, not {len(args)}", e.span, f"`{name}({', '.join(params)})`")
        return False

    def looks(self, d: Definition, at: Span) -> None:
        """Judges what a definition looks at, here where it is called."""
        self.scope.footprint.add(d.footprint, at)
        variables = {v.key: v for v in self.names.all_vars()}
        for key in d.footprint.reads:
            if not self.may_read(variables[key], at, via=d.name):
                break
        if d.footprint.sent and self.scope.where in ("process", "constant"):
            self.not_local(at, f"`{d.name}` asks what was sent, which")

    def define(self, d: Definition) -> None:
        """Types the body of a definition, once."""
        if d.state == "busy":
            way = [f"`{n}`" for n in self.names.busy[self.names.busy.index(d.name) + 1 :]]
            through = f", through {', '.join(way)}" if way else ""
            self.report.error("E212", f"the definition `{d.name}` calls itself{through}", d.decl.name.span, "a definition without recursion")
        if d.state != "new":
            return
        d.state = "busy"
        self.names.busy.append(d.name)
        ident = d.process.ident if d.process else None
        inner = Infer(self.names, self.types, Scope("def", d.process, itself=ident, footprint=d.footprint))
        locals_ = [inner.declare(n, t, "the parameter") for n, t in d.params]
        if d.result:
            d.body = inner.fitted(d.decl.body, d.result, f"the result of `{d.name}`")
        else:
            d.body = inner.expr(d.decl.body)
        own = [("self", ident)] if ident is not None and d.footprint.itself else []
        self.names.busy.pop()
        d.locals = (*own, *((n.name, n.type) for n in locals_))
        d.state = "done"

    def record(self, e: s.Call) -> ir.Expr:
        """R(a, b) or R(f = a, g = b)"""
        self.names.use(e.name.name)
        t = self.names.types.get(e.name.name)
        if not isinstance(t, Record):
            return self._drop(e)
        args = self._by_name(e, t) if any(isinstance(a, s.Keyword) for a in e.args) else e.args
        if args is None or e.generator or not self.arity(e, t.name, [f"{n}: {describe(f)}" for n, f in t.fields], args):
            return bad(e.span)
        found = [self.fitted(a, f, f"the field `{n}` of `{t.name}`") for a, (n, f) in zip(args, t.fields, strict=True)]
        return ir.Apply(t, "record", tuple(found), t, span=e.span)

    def _by_name(self, e: s.Call, t: Record) -> list[s.Expr] | None:
        given = {a.name.name: a.value for a in e.args if isinstance(a, s.Keyword)}
        for a in e.args:
            if isinstance(a, s.Keyword) and a.name.name not in dict(t.fields):
                self.no_field(t, a.name, t.name)
                return None
        missing = [n for n, _ in t.fields if n not in given]
        if missing or len(given) != len(e.args):
            self.report.error("E209", f"`{t.name}` needs each field once, by name", e.span, ", ".join(f"`{n} = …`" for n, _ in t.fields))
            return None
        return [given[n] for n, _ in t.fields]

    # ── what is built in ──

    def builtin(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        if e.generator:
            return self._fold(e)
        if name == "sum":
            self.report.error("E210", "`sum` needs a generator", e.span, "`sum(e for x in S)`")
            return self._drop(e)
        if name in ("min", "max"):
            return self._extreme(e)
        params = ["…"] if name in UNARY_CALLS else {"range": ["from", "to"]}.get(name, ["bag", "x"])
        if not self.arity(e, name, params, e.args):
            return bad(e.span)
        if name == "len" and isinstance(e.args[0], s.Name) and self._is_sort(e.args[0].name):
            self.names.use(e.args[0].name)
            return ir.Size(INT, e.args[0].name, span=e.span)
        return self.apply(CALLS[name], list(map(self.expr, e.args)), e, e.args, label=f"`{name}`")

    def _is_sort(self, name: str) -> bool:
        return name not in self.scope.locals and isinstance(self.names.types.get(name), Sort)

    def _extreme(self, e: s.Call) -> ir.Expr:
        name = e.name.name
        if len(e.args) == 1:
            return self.apply(f"{name}set", [self.expr(e.args[0])], e, e.args, label=f"`{name}`")
        if not self.arity(e, name, ["a", "b"], e.args):
            return bad(e.span)
        return self.apply(f"{name}2", list(map(self.expr, e.args)), e, e.args, label=f"`{name}`")

    def _fold(self, e: s.Call) -> ir.Expr:
        kind = e.name.name
        assert e.generator is not None
        if kind not in ("sum", "min", "max"):
            self.report.error("E302", f"`{kind}` does not take a generator", e.span, "`sum`, `min` or `max` before a generator", f"a set is `{{{self.text(e.args[0])} for …}}`")
            return bad(e.span)
        name, domain, where, body = self._generated(e.generator, e.args[0])
        t = body.type
        if kind == "sum" and not isinstance(t, Int | Unknown):
            self.report.error("E302", f"`sum` does not take {kind_of(t)}", e.args[0].span, "a number")
        if kind != "sum" and not ordered(t):
            self.report.error("E304", f"values of type `{describe(t)}` have no order", e.args[0].span, "numbers, members of an enum, or tuples, records and options of these")
        return ir.Fold(INT if isinstance(t, Int) or kind == "sum" else t, kind, name, domain, where, body, span=e.span)

    # ── messages ──

    def sent(self, e: s.Sent) -> ir.Expr:
        self.scope.footprint.sent = self.scope.footprint.sent or e.span
        if self.scope.where in ("process", "constant") or (self.scope.where == "def" and self.scope.process):
            self.not_local(e.span, "what was sent")
        m = self.names.messages.get(e.message.name)
        if m is None:
            self.report.unknown("E207", "message", e.message, self.names.messages, "a message")
            for a in e.args or []:
                self._pattern(a, None)
            return bad(e.span)
        to, sender = (self.expr(x) if x is not None else None for x in (e.to, e.sender))
        m.looked_at.append(LookSite(e.span, (to.type, to.span or e.span) if to else None, (sender.type, sender.span or e.span) if sender else None))
        args = e.args or []
        if e.args is None and m.fields:
            return ir.Sent(BOOL, m.name, (None,) * len(m.fields), to, sender, span=e.span)
        if len(args) != len(m.fields):
            self._field_count(e, m.name, [f"{n}: {describe(t)}" for n, t in m.fields], len(args))
            return bad(e.span)
        found = tuple(self._pattern(a, (n, t)) for a, (n, t) in zip(args, m.fields, strict=True))
        return ir.Sent(BOOL, m.name, found, to, sender, span=e.span)

    def _field_count(self, e: s.Sent, name: str, fields: list[str], given: int) -> None:
        count = f"{len(fields)} field{'s' * (len(fields) != 1)}"
        self.report.error("E209", f"`{name}` has {count}, not {given}", e.span, f"`{name}({', '.join(fields)})`; `_` matches anything" if fields else f"`sent {name}`")

    def _pattern(self, a: s.Expr, to: tuple[str, Type] | None) -> ir.Expr | None:
        """A field of `sent`: compared, not stored; `_` matches anything."""
        if isinstance(a, s.Name) and a.name == "_":
            return None
        found = self.expr(a)
        if to is not None:
            found = retype(found, to[1])
            try:
                join(found.type, to[1])
            except TypeMismatch:
                self.report.error("E303", f"the field `{to[0]}` is of type `{describe(to[1])}`, but this is of type `{describe(found.type)}`", a.span, f"`{describe(to[1])}` or `_`")
        return found

    def not_local(self, at: Span, what: str) -> None:
        if self.scope.where == "constant":
            self.report.error("E311", f"{what} depends on the state, but {self.scope.what} is constant", at, "parameters, sizes, and numbers")
            return
        name = self.scope.process.name if self.scope.process else "a process"
        self.report.error("E403", f"{what} is not known to {name}", at, "variables of the process, parameters, and what the message brought",
                          "receive the message with `on`, and remember what matters in a variable")  # fmt: skip

    def keyword(self, e: s.Keyword) -> ir.Expr:
        self.report.error("E209", "a named argument", e.span, f"`{self.text(e.value)}`", "only the fields of a record can be named")
        return bad(e.span)


# ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def bad(span: Span | None) -> ir.Expr:
    """What stands where there was an error."""
    return ir.Const(Unknown(), None, span=span)


def is_bad(e: ir.Expr) -> bool:
    return isinstance(e, ir.Const) and isinstance(e.type, Unknown)


def own_var(p: Process | None, name: str) -> bool:
    return p is not None and name in p.vars


def bare(t: Type) -> Type:
    return t.elem if isinstance(t, Option) else t


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


def overloaded(op: str, a: Type, b: Type) -> str:
    """Which operator of the table `+`, `-`, `|`, `&`, … is for these types."""
    if op == "+" and (isinstance(a, Seq) or isinstance(b, Seq)):
        return "concat"
    if op in ("+", "-") and (isinstance(a, Set) or isinstance(b, Set)):
        return "union" if op == "+" else "diff"
    return "subset" if op == "subset" else ARITHMETIC[op]


RULES: dict[type[s.Expr], Callable[[Infer, Any], ir.Expr]] = {
    s.Name: Infer.name,
    s.Number: Infer.number,
    s.Literal: Infer.literal,
    s.Unary: Infer.unary,
    s.Binary: Infer.binary,
    s.Ternary: Infer.ternary,
    s.Quantified: Infer.quantified,
    s.With: Infer.with_,
    s.Member: Infer.member,
    s.Index: Infer.index,
    s.Slice: Infer.slice,
    s.Prime: Infer.prime,
    s.Keyword: Infer.keyword,
    s.Call: Infer.call,
    s.TupleOf: Infer.tuple_of,
    s.SetOf: Infer.set_of,
    s.ListOf: Infer.list_of,
    s.Comprehension: Infer.comprehension,
    s.Mapping: Infer.mapping,
    s.Sent: Infer.sent,
}
