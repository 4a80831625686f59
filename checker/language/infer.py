"""Expressions: from syntax tree to typed core.  Here: literals, operators, parts, binders; RULES is the table of them all.

After an error a node has the type Unknown, which goes with everything: one mistake, one message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checker.core import ir
from checker.core.operators import TypeMismatch
from checker.core.operators.table import join, ordered
from checker.core.types import BOOL, INT, BagOf, MapOf, Option, Record, Seq, Set, Sort, Tuple, Type, Unknown, sorts_in
from checker.language import syntax as s
from checker.language.calls import Calls
from checker.language.scope import FALSE, TRUE, element, retype_empty
from checker.language.wording import describe, fits, value_of_type
from checker.source import Span

COMPARE = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "//": "div", "%": "mod", "|": "union", "&": "inter"}


class Infer(Calls):
    """Types expressions of one scope."""

    def expr(self, e: s.Expr) -> ir.Expr:
        """The typed expression."""
        return RULES[type(e)](self, e)

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
        return self.bad(e.span)

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
                self.report.error(
                    "E303",
                    f"`{describe(a.type)}` among values of type `{describe(t)}`",
                    item.span,
                    f"elements of one type, like `{self.text(items[0])}`",
                )
                return self.bad(e.span)
        made = Set(t) if op == "set" else Seq(t)
        return ir.Apply(made, op, tuple(args), span=e.span)

    # ── operators ──

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
            self.report.error(
                "E304",
                f"values of type `{describe(t)}` have no order",
                e.at,
                "numbers, members of an enum, or tuples, records and options of these",
                hint,
            )
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
            self.report.error(
                "E303", f"{what} `{a}` and `{b}`", at, "two values of one type", self._kinds_hint(left.type, right.type, e)
            )
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
                self.report.error(
                    "E303",
                    f"`{describe(left.type)}` cannot be in `{describe(t)}`",
                    e.span,
                    f"a `{describe(t.elem)}` before `{e.op}`",
                )
                return self.bad(e.span)
        elif not isinstance(t, Unknown):
            hint = f"`{self.text(e.left)} in keys({self.text(e.right)})`" if isinstance(t, MapOf) else None
            self.report.error(
                "E306",
                f"`{self.text(e.right)}` is {value_of_type(t)}",
                e.right.span,
                f"a set, sequence or bag after `{e.op}`",
                hint,
            )
            return self.bad(e.span)
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
                return self.bad(e.span)
        return None

    def ternary(self, e: s.Ternary) -> ir.Expr:
        cond = self.boolean(e.cond, "the condition")
        then, orelse = self.expr(e.then), self.expr(e.orelse)
        then, orelse = retype_empty(then, orelse.type), retype_empty(orelse, then.type)
        t = self.joined(then, orelse, e.span, "the two branches are of types")
        return ir.If(t, cond, then, orelse, span=e.span) if t is not None else self.bad(e.span)

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
            return self.bad(e.span)
        return self.apply("index", [base, key], e, [e.base, e.index], label="an index")

    def no_index(self, t: Type, base: s.Expr) -> None:
        """Says why there is no indexing here."""
        text, hint = self.text(base), None
        own = self.scope.process
        if own and isinstance(base, s.Name) and base.name in own.vars and own.vars[base.name].keyed:
            self.report.error(
                "E401",
                f"`{text}` is the variable of `self`; {own.name} cannot see those of others",
                base.span,
                f"`{text}` without an index",
                "let the other send it in a message",
            )
            return
        if isinstance(t, Option) and isinstance(t.elem, MapOf | Seq):
            hint = f"it may be none; `the({text})` is its value"
        if isinstance(t, BagOf):
            hint = f"how often it holds x is `count({text}, x)`"
        self.report.error(
            "E307", f"`{text}` is {value_of_type(t)} and has no index", base.span, "a map, a sequence, or a tuple", hint
        )

    def _component(self, e: s.Index, base: ir.Expr, t: Tuple) -> ir.Expr:
        if not isinstance(e.index, s.Number) or e.index.value >= len(t.elems):
            self.report.error(
                "E307",
                f"`{self.text(e.base)}` has {len(t.elems)} components",
                e.index.span,
                f"a number from 0 to {len(t.elems) - 1}",
            )
            return self.bad(e.span)
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
                return self.bad(span)
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
            return self.bad(span)
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
        if isinstance(b.type, s.Named) and (
            b.type.name in self.scope.locals or self._is_variable(s.Name(b.type.span, b.type.name))
        ):
            name = b.type.name
            self.report.error(
                "E204",
                f"`{name}` is a value, not a type",
                b.type.span,
                "a type after `:`",
                f"`… in {name}` ranges over the elements of a set",
            )
            return self.bad(b.type.span)
        t = self.types.read(b.type)
        return ir.Apply(Set(t), "all", (), t, span=b.type.span)

    def comprehension(self, e: s.Comprehension) -> ir.Expr:
        name, domain, where, body = self.generated(e.generator, e.body)
        return ir.SetOf(Set(body.type), name, domain, where, body, span=e.span)

    def mapping(self, e: s.Mapping) -> ir.Expr:
        g = e.generator
        domain = self.domain(g.domain)
        total = isinstance(domain, ir.Apply) and domain.op == "all"
        if not total and not isinstance(domain.type, Unknown):
            self.report.error(
                "E306",
                "a map has a value for every key of a type",
                g.domain.span,
                "the name of a type",
                "leave out keys by mapping them to none",
            )
        if g.where:
            self.report.error(
                "E306",
                "a map has a value for every key of a type",
                g.where.span,
                "no `if`",
                "leave out keys by mapping them to none",
            )
        with self.bind(g.name, element(domain.type), "the bound name") as local:
            if not isinstance(e.key, s.Name) or e.key.name != g.name.name:
                self.report.error(
                    "E306", "the keys of a map are the values of a type as they are", e.key.span, f"`{g.name.name}`"
                )
            body = self.expr(e.value)
        return ir.Mapping(MapOf(local.type, body.type), local.name, body, span=e.span) if total else self.bad(e.span)


def bare(t: Type) -> Type:
    return t.elem if isinstance(t, Option) else t


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
