"""The syntax tree: what a text says, before anybody asks what it means.

One class per construct, in the order of the grammar.  Trees compare without their places, so the formatter can be tested by
parsing what it wrote.  Brackets are not in the tree: PRECEDENCE tells where they are needed, the parser and the formatter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from checker.source import Span

T = TypeVar("T")
NOWHERE = Span(1, 1, 1, 1)

# Loosest first.  Comparisons do not chain; `implies` associates to the right, all others to the left.
PRECEDENCE: dict[str, int] = {
    op: level
    for level, ops in enumerate(
        [
            ("implies",),
            ("or",),
            ("and",),
            ("not",),
            ("==", "!=", "<", "<=", ">", ">=", "in", "not in", "subset"),
            ("+", "-", "|"),
            ("&",),
            ("*", "//", "%"),
            ("unary -",),
        ],
        start=1,
    )
    for op in ops
}
COMPARISONS = frozenset(op for op, level in PRECEDENCE.items() if level == PRECEDENCE["=="])


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What begins a declaration, a member of a process, a statement.
DECLARATIONS = _words(
    "protocol sort param type enum record quorum network message assume var ghost def action process single"
    " invariant lemma step reachable terminal instance"
)
MEMBERS = _words("var durable ghost def action on")
STATEMENTS = _words("require discard let choose if elif else for pass send")

# Words that mean something where an expression, a statement or a type can begin, or stand between operands.
RESERVED = frozenset(
    _words("and or not in implies if elif else for forall exists true false none self sent with subset")
    + _words("require discard let choose send pass set seq bag map bool int")
)


@dataclass(slots=True)
class Node:
    """Base: everything has a place."""

    span: Span = field(compare=False, repr=False)


class Listed(list[T]):
    """A list that stood in brackets, with their place; equal to any list of the same."""

    __slots__ = ("span",)

    def __init__(self, span: Span, items: Iterable[T]) -> None:
        super().__init__(items)
        self.span = span


@dataclass(slots=True)
class Ident(Node):
    """A name where it is declared or referred to, outside expressions."""

    name: str


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Expr(Node):
    """Base of expressions.  `inside`: the place without the brackets around it, if there are any; `span` has them."""

    inside: Span | None = field(compare=False, repr=False, default=None, kw_only=True)


@dataclass(slots=True)
class Name(Expr):
    name: str


@dataclass(slots=True)
class Number(Expr):
    value: int


@dataclass(slots=True)
class Literal(Expr):
    """true, false, none, self"""

    word: str


@dataclass(slots=True)
class Unary(Expr):
    """op: "not" | "-" """

    op: str
    operand: Expr


@dataclass(slots=True)
class Binary(Expr):
    op: str
    left: Expr
    right: Expr
    at: Span = field(compare=False, repr=False, default=NOWHERE)  # the operator


@dataclass(slots=True)
class Ternary(Expr):
    """then if cond else orelse"""

    then: Expr
    cond: Expr
    orelse: Expr


@dataclass(slots=True)
class Binder(Node):
    """`x, y: T` or `x, y in S`"""

    names: list[Ident]
    type: TypeExpr | None
    domain: Expr | None


@dataclass(slots=True)
class Quantified(Expr):
    """kind: "forall" | "exists" """

    kind: str
    binders: list[Binder]
    body: Expr


@dataclass(slots=True)
class Update(Node):
    """`f = v` or `[i] = v`"""

    key: Ident | Expr
    value: Expr


@dataclass(slots=True)
class With(Expr):
    base: Expr
    updates: list[Update]


@dataclass(slots=True)
class Member(Expr):
    """base.name"""

    base: Expr
    name: Ident


@dataclass(slots=True)
class Index(Expr):
    base: Expr
    index: Expr


@dataclass(slots=True)
class Slice(Expr):
    base: Expr
    low: Expr
    high: Expr


@dataclass(slots=True)
class Prime(Expr):
    base: Expr


@dataclass(slots=True)
class Generator(Node):
    """for name in domain if where"""

    name: Ident
    domain: Expr
    where: Expr | None


@dataclass(slots=True)
class Keyword(Expr):
    """`name = value` among arguments"""

    name: Ident
    value: Expr


@dataclass(slots=True)
class Call(Expr):
    """f(args), or f(e for x in S) with `generator`"""

    name: Ident
    args: list[Expr]
    generator: Generator | None = None


@dataclass(slots=True)
class TupleOf(Expr):
    items: list[Expr]


@dataclass(slots=True)
class SetOf(Expr):
    items: list[Expr]


@dataclass(slots=True)
class ListOf(Expr):
    items: list[Expr]


@dataclass(slots=True)
class Comprehension(Expr):
    """{body for x in S if P}"""

    body: Expr
    generator: Generator


@dataclass(slots=True)
class Mapping(Expr):
    """{key: value for k in K}"""

    key: Expr
    value: Expr
    generator: Generator


@dataclass(slots=True)
class Sent(Expr):
    """sent M(a, _) to p from q; `args` None: no brackets"""

    message: Ident
    args: list[Expr] | None
    to: Expr | None
    sender: Expr | None


# ── types ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class TypeExpr(Node):
    """Base of types as written."""


@dataclass(slots=True)
class Named(TypeExpr):
    name: str


@dataclass(slots=True)
class Range(TypeExpr):
    low: Expr
    high: Expr


@dataclass(slots=True)
class OptionType(TypeExpr):
    elem: TypeExpr


@dataclass(slots=True)
class TupleType(TypeExpr):
    elems: list[TypeExpr]


@dataclass(slots=True)
class Collection(TypeExpr):
    """kind: "set" | "seq" | "bag" """

    kind: str
    elem: TypeExpr
    cap: Expr | None


@dataclass(slots=True)
class MapType(TypeExpr):
    key: TypeExpr
    val: TypeExpr


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Stmt(Node):
    """Base of statements; the span is that of the line that begins it."""


@dataclass(slots=True)
class Require(Stmt):
    cond: Expr


@dataclass(slots=True)
class Discard(Stmt):
    cond: Expr


@dataclass(slots=True)
class Assign(Stmt):
    """op: ":=" | "+=" | "-=" """

    target: Expr
    op: str
    value: Expr


@dataclass(slots=True)
class Let(Stmt):
    name: Ident
    value: Expr


@dataclass(slots=True)
class Choice(Node):
    name: Ident
    domain: Expr


@dataclass(slots=True)
class Choose(Stmt):
    choices: list[Choice]
    where: Expr | None


@dataclass(slots=True)
class If(Stmt):
    """`arms`: condition and block of `if` and each `elif`."""

    arms: list[tuple[Expr, list[Stmt]]]
    orelse: list[Stmt] | None
    else_at: Span | None = field(compare=False, repr=False, default=None)


@dataclass(slots=True)
class For(Stmt):
    name: Ident
    domain: Expr
    body: list[Stmt]


@dataclass(slots=True)
class Pass(Stmt):
    pass


@dataclass(slots=True)
class Send(Stmt):
    message: Ident
    args: list[Expr] | None
    to: Expr | None


# ── declarations ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Decl(Node):
    """Base of declarations and members of processes; the span is that of the head."""


@dataclass(slots=True)
class DocLine(Node):
    text: str


@dataclass(slots=True)
class Protocol(Decl):
    name: Ident
    doc: list[DocLine]


@dataclass(slots=True)
class SortDecl(Decl):
    names: list[Ident]


@dataclass(slots=True)
class ParamDecl(Decl):
    name: Ident
    type: TypeExpr
    default: Expr | None


@dataclass(slots=True)
class TypeDecl(Decl):
    name: Ident
    type: TypeExpr


@dataclass(slots=True)
class EnumDecl(Decl):
    name: Ident
    members: list[Ident]


@dataclass(slots=True)
class Field(Node):
    """name: type, of records, messages, actions and definitions"""

    name: Ident
    type: TypeExpr


@dataclass(slots=True)
class RecordDecl(Decl):
    name: Ident
    fields: list[Field]


@dataclass(slots=True)
class QuorumDecl(Decl):
    """quorum name(binder) of sort where predicate meets others"""

    name: Ident
    binder: Ident | None
    sort: Ident
    predicate: Expr | None
    meets: list[Ident]


@dataclass(slots=True)
class NetworkDecl(Decl):
    kind: Ident
    capacity: Expr | None


@dataclass(slots=True)
class MessageDecl(Decl):
    name: Ident
    fields: list[Field] | None
    capacity: Expr | None


@dataclass(slots=True)
class AssumeDecl(Decl):
    expr: Expr


@dataclass(slots=True)
class VarDecl(Decl):
    """kind: "var" | "durable" | "ghost"; choice: `in` instead of `=`"""

    kind: str
    name: Ident
    type: TypeExpr
    init: Expr | None
    choice: bool


@dataclass(slots=True)
class DefDecl(Decl):
    """`params` None: no brackets"""

    name: Ident
    params: list[Field] | None
    result: TypeExpr | None
    body: Expr


@dataclass(slots=True)
class ActionDecl(Decl):
    name: Ident
    params: list[Field] | None
    body: list[Stmt]


@dataclass(slots=True)
class Handler(Decl):
    message: Ident
    fields: list[Ident] | None
    sender: Ident | None
    body: list[Stmt]


@dataclass(slots=True)
class Restart(Decl):
    body: list[Stmt]


@dataclass(slots=True)
class ProcessDecl(Decl):
    name: Ident
    single: bool
    members: list[Decl]


@dataclass(slots=True)
class PropertyDecl(Decl):
    """kind: "invariant" | "lemma" | "step" | "reachable" | "terminal" (the last without a name)"""

    kind: str
    name: Ident | None
    expr: Expr


# ── instances ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Item(Node):
    """Base of what an instance says."""


@dataclass(slots=True)
class Setting(Item):
    name: Ident
    value: Expr


@dataclass(slots=True)
class FaultItem(Item):
    kind: Ident
    target: Ident | None
    budget: Expr


@dataclass(slots=True)
class ResetItem(Item):
    """kind: "volatile" | "durable" """

    kind: str
    process: Ident | None
    name: Ident


@dataclass(slots=True)
class BoundItem(Item):
    expr: Expr


@dataclass(slots=True)
class CountItem(Item):
    what: Ident
    number: int
    witness: str | None


@dataclass(slots=True)
class SlowItem(Item):
    pass


@dataclass(slots=True)
class ExpectItem(Item):
    verdict: Ident
    name: Ident | None


@dataclass(slots=True)
class InstanceDecl(Decl):
    name: Ident
    items: list[Item]


@dataclass(slots=True)
class File(Node):
    """All declarations, in the order of the text."""

    decls: list[Decl]
