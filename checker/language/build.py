"""Makes the syntax tree: one method per rule of grammar.lark, called by the parser as it reduces.

`c` is everything the rule matched, tokens included.  Operators arrive as a flat list and are put in order by PRECEDENCE here.
What the grammar cannot say (reserved words, chained comparisons) is noted in `problems`.
"""

from __future__ import annotations

from typing import Any

from lark import Token

from checker.language import syntax as s
from checker.source import Span

Problem = tuple[str, str, Span, str | None, str | None]  # code, message, span, expected, hint


def span_of(x: Any) -> Span:
    """Of a token or a node."""
    if isinstance(x, Token):
        return over([x])
    return x.span  # type: ignore[no-any-return]


def over(c: list[Any]) -> Span:
    """From the first to the last of the children."""
    start: Any = c[0] if isinstance(c[0], Token) else c[0].span
    end: Any = c[-1] if isinstance(c[-1], Token) else c[-1].span
    return Span(start.line, start.column, end.end_line, end.end_column)


def head(c: list[Any]) -> Span:
    """Of a declaration or statement: without the line end and the block."""
    last = next(
        (x for x in reversed(c) if not (isinstance(x, Token) and x.type.startswith("_")) and not isinstance(x, list)), c[0]
    )
    return over([c[0], last])


def nodes(c: list[Any]) -> list[Any]:
    return [x for x in c if not isinstance(x, Token)]


def after(c: list[Any], word: str) -> Any:
    """What follows this token, if it is there."""
    return next((c[i + 1] for i, x in enumerate(c) if isinstance(x, Token) and x == word and x.type != "NAME"), None)


def instead(word: str) -> str | None:
    """What to write where somebody took a reserved word for a value."""
    if word == "if":
        return "a conditional value is `a if c else b`"
    if word in ("map", "set", "seq", "bag"):
        return f"a type's values are the set of its name: `type T = {word} …`, and here `T`"
    return None


class Builder:
    """The callbacks of the parser; `problems` are for whoever started the parse."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def ident(self, t: Token) -> s.Ident:
        if t in s.RESERVED:
            self.problems.append(("E107", f"`{t}` is a reserved word", span_of(t), "a name", f"write `{t}_`, for example"))
        return s.Ident(span_of(t), str(t))

    def idents(self, c: list[Any]) -> list[s.Ident]:
        return [self.ident(t) for t in c if isinstance(t, Token) and t.type == "NAME"]

    # ── declarations ──

    def start(self, c: list[Any]) -> s.File:
        return s.File(s.NOWHERE, nodes(c))

    def protocol(self, c: list[Any]) -> s.Decl:
        return s.Protocol(over(c[:2]), self.ident(c[1]), [s.DocLine(span_of(t), t[1:-1]) for t in c if t.type == "STRING"])

    def sort(self, c: list[Any]) -> s.Decl:
        return s.SortDecl(head(c), self.idents(c))

    def param(self, c: list[Any]) -> s.Decl:
        return s.ParamDecl(head(c), self.ident(c[1]), c[3], after(c, "="))

    def typedef(self, c: list[Any]) -> s.Decl:
        return s.TypeDecl(head(c), self.ident(c[1]), c[3])

    def enum(self, c: list[Any]) -> s.Decl:
        first, *rest = self.idents(c)
        return s.EnumDecl(head(c), first, rest)

    def record(self, c: list[Any]) -> s.Decl:
        return s.RecordDecl(head(c[:2]), self.ident(c[1]), c[2])

    def quorum(self, c: list[Any]) -> s.Decl:
        binder = self.ident(c[3]) if c[2] == "(" else None
        where = next((x for x in c if isinstance(x, s.Expr)), None)
        meets = next((x for x in c if isinstance(x, list)), [])
        return s.QuorumDecl(over(c[:2]), self.ident(c[1]), binder, self.ident(after(c, "of")), where, meets)

    def where(self, c: list[Any]) -> s.Expr:
        return c[1]  # type: ignore[no-any-return]

    capacity = where

    def meets(self, c: list[Any]) -> list[s.Ident]:
        return self.idents(c)

    def network(self, c: list[Any]) -> s.Decl:
        return s.NetworkDecl(head(c), self.ident_of_any_word(c[1]), c[2] if len(c) > 3 else None)

    def ident_of_any_word(self, t: Token) -> s.Ident:
        return s.Ident(span_of(t), str(t))

    def message(self, c: list[Any]) -> s.Decl:
        fields = next((x for x in c if isinstance(x, list)), None)
        return s.MessageDecl(over(c[:2]), self.ident(c[1]), fields, next((x for x in c if isinstance(x, s.Expr)), None))

    def assume(self, c: list[Any]) -> s.Decl:
        return s.AssumeDecl(head(c), c[1])

    def variable(self, c: list[Any]) -> s.Decl:
        init = c[5] if len(c) > 5 else None
        return s.VarDecl(head(c), str(c[0]), self.ident(c[1]), c[3], init, init is not None and c[4] == "in")

    def define(self, c: list[Any]) -> s.Decl:
        params = c[2] if isinstance(c[2], list) else None
        return s.DefDecl(over(c[:-2]), self.ident(c[1]), params, after(c, ":"), c[-2])

    def action(self, c: list[Any]) -> s.Decl:
        return s.ActionDecl(over(c[:2]), self.ident(c[1]), c[2] if len(c) > 3 else None, c[-1])

    def process(self, c: list[Any]) -> s.Decl:
        single = c[0] == "single"
        return s.ProcessDecl(over(c[: 2 + single]), self.ident(c[1 + single]), single, nodes(c))

    def handler(self, c: list[Any]) -> s.Decl:
        fields = c[2] if isinstance(c[2], list) and len(c) > 3 else None
        sender = next((x for x in c if isinstance(x, s.Ident)), None)
        return s.Handler(over(c[:2]), self.ident(c[1]), fields, sender, c[-1])

    def binds(self, c: list[Any]) -> list[s.Ident]:
        return self.idents(c)

    def sender(self, c: list[Any]) -> s.Ident:
        return self.ident(c[1])

    def restart(self, c: list[Any]) -> s.Decl:
        return s.Restart(over(c[:2]), c[2])

    def property_(self, c: list[Any]) -> s.Decl:
        named = c[0] != "terminal"
        return s.PropertyDecl(over(c[: 1 + named]), str(c[0]), self.ident(c[1]) if named else None, c[-2])

    def fields(self, c: list[Any]) -> list[s.Field]:
        return s.Listed(over(c), nodes(c))

    def field(self, c: list[Any]) -> s.Field:
        return s.Field(over(c), self.ident(c[0]), c[2])

    # ── instances ──

    def instance(self, c: list[Any]) -> s.Decl:
        return s.InstanceDecl(over(c[:2]), self.ident(c[1]), nodes(c))

    def setting(self, c: list[Any]) -> s.Item:
        return s.Setting(over(c), self.ident(c[0]), c[2])

    def fault(self, c: list[Any]) -> s.Item:
        return s.FaultItem(over(c), self.ident(c[1]), self.ident(c[3]) if c[2] == "(" else None, c[-1])

    def reset(self, c: list[Any]) -> s.Item:
        names = self.idents(c)
        return s.ResetItem(over(c), str(c[0]), names[0] if len(names) > 1 else None, names[-1])

    def bound(self, c: list[Any]) -> s.Item:
        return s.BoundItem(over(c), c[1])

    def count(self, c: list[Any]) -> s.Item:
        return s.CountItem(over(c), self.ident(c[0]), int(c[1]), c[3][1:-1] if len(c) > 2 else None)

    def slow(self, c: list[Any]) -> s.Item:
        return s.SlowItem(over(c))

    def expectation(self, c: list[Any]) -> s.Item:
        return s.ExpectItem(over(c), self.ident(c[1]), self.ident(c[2]) if len(c) > 2 else None)

    # ── types ──

    def named(self, c: list[Any]) -> s.TypeExpr:
        return s.Named(span_of(c[0]), str(c[0]))

    def range_type(self, c: list[Any]) -> s.TypeExpr:
        return s.Range(over(c), self.flat([c[0]]), self.flat([c[2]]))

    def tuple_type(self, c: list[Any]) -> s.TypeExpr:
        return s.TupleType(over(c), nodes(c))

    def collection(self, c: list[Any]) -> s.TypeExpr:
        return s.Collection(over(c), str(c[0]), c[2], c[4] if len(c) > 4 else None)

    def option_type(self, c: list[Any]) -> s.TypeExpr:
        return s.OptionType(over(c), c[0])

    def grouped_type(self, c: list[Any]) -> s.TypeExpr:
        inner: s.TypeExpr = c[1]
        inner.span = over(c)
        return inner

    def map_type(self, c: list[Any]) -> s.TypeExpr:
        return s.MapType(over(c), c[1], c[3])

    # ── statements ──

    def block(self, c: list[Any]) -> list[s.Stmt]:
        return nodes(c)

    def require(self, c: list[Any]) -> s.Stmt:
        return s.Require(head(c), c[1])

    def discard(self, c: list[Any]) -> s.Stmt:
        return s.Discard(head(c), c[1])

    def assign(self, c: list[Any]) -> s.Stmt:
        return s.Assign(head(c), c[0], str(c[1]), c[2])

    def let(self, c: list[Any]) -> s.Stmt:
        return s.Let(head(c), self.ident(c[1]), c[3])

    def choose(self, c: list[Any]) -> s.Stmt:
        where = next((x for x in c if isinstance(x, s.Expr)), None)
        return s.Choose(head(c), [x for x in c if isinstance(x, s.Choice)], where)

    def choice(self, c: list[Any]) -> s.Choice:
        return s.Choice(over(c), self.ident(c[0]), c[2])

    def branch(self, c: list[Any]) -> s.Stmt:
        arms = [(c[i + 1], c[i + 2]) for i, x in enumerate(c) if isinstance(x, Token) and x in ("if", "elif")]
        else_at = next((span_of(x) for x in c if isinstance(x, Token) and x == "else"), None)
        return s.If(over(c[:2]), arms, after(c, "else"), else_at)

    def loop(self, c: list[Any]) -> s.Stmt:
        return s.For(over(c[:4]), self.ident(c[1]), c[3], c[4])

    def pass_(self, c: list[Any]) -> s.Stmt:
        return s.Pass(span_of(c[0]))

    def send(self, c: list[Any]) -> s.Stmt:
        args = c[2][0] if isinstance(c[2], tuple) else None
        if isinstance(c[2], tuple) and c[2][1]:
            self.generator_outside_call(c[2][1])
        return s.Send(Span(*_start(c[0]), *_end(c[-2])), self.ident(c[1]), args, after(c, "to"))

    # ── expressions ──

    def ternary(self, c: list[Any]) -> s.Expr:
        return s.Ternary(over(c), c[0], c[2], c[4])

    def flat(self, c: list[Any]) -> s.Expr:
        if len(c) == 1 and isinstance(c[0], s.Expr):
            return c[0]
        return _Climb(self, c).expression(0)

    low = high = flat

    def quantified(self, c: list[Any]) -> s.Expr:
        return s.Quantified(over(c), str(c[0]), [x for x in c if isinstance(x, s.Binder)], c[-1])

    def binder(self, c: list[Any]) -> s.Binder:
        kind = isinstance(c[-1], s.TypeExpr)
        return s.Binder(over(c), self.idents(c[:-1]), c[-1] if kind else None, None if kind else c[-1])

    def with_(self, c: list[Any]) -> s.Expr:
        return s.With(over(c), c[0], [x for x in c if isinstance(x, s.Update)])

    def update(self, c: list[Any]) -> s.Update:
        key = c[1] if c[0] == "[" else self.ident(c[0])
        return s.Update(over(c), key, c[-1])

    def member(self, c: list[Any]) -> s.Expr:
        return s.Member(over(c), c[0], self.ident(c[2]))

    def index(self, c: list[Any]) -> s.Expr:
        return s.Index(over(c), c[0], c[2])

    def slice_(self, c: list[Any]) -> s.Expr:
        return s.Slice(over(c), c[0], c[2], c[4])

    def prime(self, c: list[Any]) -> s.Expr:
        return s.Prime(over(c), c[0])

    def name(self, c: list[Any]) -> s.Expr:
        t = c[0]
        if t in s.RESERVED and t not in ("bool", "int"):
            self.problems.append(("E103", f"`{t}` cannot stand here", span_of(t), "an expression", instead(t)))
        return s.Name(span_of(t), str(t))

    def number(self, c: list[Any]) -> s.Expr:
        return s.Number(span_of(c[0]), int(c[0]))

    def literal(self, c: list[Any]) -> s.Expr:
        return s.Literal(span_of(c[0]), str(c[0]))

    def call(self, c: list[Any]) -> s.Expr:
        args, generator, end = c[1]
        return s.Call(Span(*_start(c[0]), *_end(end)), self.ident_of_any_word(c[0]), args, generator)

    def arguments(self, c: list[Any]) -> tuple[list[s.Expr], s.Generator | None, Token]:
        if any(isinstance(x, Token) and x == "for" for x in c):
            return [c[1]], self.generator(c[2:-1]), c[-1]
        return s.Listed(over(c), nodes(c)), None, c[-1]

    def generator(self, c: list[Any]) -> s.Generator:
        return s.Generator(over(c), self.ident(c[1]), c[3], c[5] if len(c) > 4 else None)

    def generator_outside_call(self, g: s.Generator) -> None:
        self.problems.append(("E103", "`for` cannot stand here", g.span, "the fields of a message", None))

    def keyword(self, c: list[Any]) -> s.Expr:
        return s.Keyword(over(c), self.ident(c[0]), c[2])

    def paren(self, c: list[Any]) -> s.Expr:
        inner: s.Expr = c[1]
        inner.inside = inner.inside or inner.span
        inner.span = over(c)
        return inner

    def group(self, c: list[Any]) -> s.Expr:
        return self.paren([c[0], self.flat([c[1]]), c[2]])

    def tuple_of(self, c: list[Any]) -> s.Expr:
        return s.TupleOf(over(c), nodes(c))

    def set_of(self, c: list[Any]) -> s.Expr:
        return s.SetOf(over(c), nodes(c))

    def list_of(self, c: list[Any]) -> s.Expr:
        return s.ListOf(over(c), nodes(c))

    def comprehension(self, c: list[Any]) -> s.Expr:
        return s.Comprehension(over(c), c[1], self.generator(c[2:-1]))

    def mapping(self, c: list[Any]) -> s.Expr:
        return s.Mapping(over(c), c[1], c[3], self.generator(c[4:-1]))

    def sent(self, c: list[Any]) -> s.Expr:
        args, end = None, c[-1]
        if len(c) > 2 and isinstance(c[2], tuple):
            args, end = c[2][0], end if c[-1] is not c[2] else c[2][2]
            if c[2][1]:
                self.generator_outside_call(c[2][1])
        return s.Sent(Span(*_start(c[0]), *_end(end)), self.ident(c[1]), args, after(c, "to"), after(c, "from"))


def _start(x: Any) -> tuple[int, int]:
    p = span_of(x)
    return p.line, p.column


def _end(x: Any) -> tuple[int, int]:
    p = span_of(x[2] if isinstance(x, tuple) else x)
    return p.end_line, p.end_column


class _Climb:
    """Precedence climbing over a flat list of operands and operator tokens."""

    def __init__(self, builder: Builder, items: list[Any]) -> None:
        self.builder, self.items, self.at = builder, items, 0

    def operator(self) -> tuple[str, int]:
        """The operator here and how many tokens it takes; "" at the end."""
        if self.at >= len(self.items):
            return "", 0
        t = self.items[self.at]
        return ("not in", 2) if t == "not" else (str(t), 1)

    def operand(self, least: int) -> s.Expr:
        x = self.items[self.at]
        self.at += 1
        if not isinstance(x, Token):
            return x  # type: ignore[no-any-return]
        if x == "not" and least > s.PRECEDENCE["not"]:
            hint = "put `not …` in brackets"
            self.builder.problems.append(
                ("E103", "`not` binds looser than the operator before it", span_of(x), "an operand", hint)
            )
        inner = self.expression(s.PRECEDENCE["not" if x == "not" else "unary -"])
        return s.Unary(Span(*_start(x), *_end(inner)), str(x), inner)

    def expression(self, least: int) -> s.Expr:
        """As much as binds at least as tightly as `least`."""
        left, compared = self.operand(least), None
        while (op := self.operator())[0] and (level := s.PRECEDENCE[op[0]]) >= least:
            at = over(self.items[self.at : self.at + op[1]])
            self.at += op[1]
            right = self.expression(level if op[0] == "implies" else level + 1)
            span = Span(*_start(left), *_end(right))
            if chained := op[0] in s.COMPARISONS and compared is not None:
                self.chained(at)
            one = s.Binary(span, op[0], compared if chained and compared else left, right, at)
            left = s.Binary(span, "and", left, one, at) if chained else one
            compared = right if op[0] in s.COMPARISONS else None
        return left

    def chained(self, at: Span) -> None:
        """`a < b < c` is an error; for the rest of the checks it is `a < b and b < c`."""
        if not any(code == "E108" and span.line == at.line for code, _, span, _, _ in self.builder.problems):
            hint = "write `a < b and b < c`"
            self.builder.problems.append(
                ("E108", "comparisons do not chain", at, "`and`, `or`, or the end of the expression", hint)
            )
