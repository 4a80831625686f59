"""Expressions and types back to text, with as few brackets as precedence allows and places where long lines may break.

Brackets that someone put around one boolean operator inside another (`(a and b) or c`) stay, for the reader.
`open_` says how far an expression may reach to the right: ANYTHING, NO_WITH (a comma follows), NOTHING (an operator follows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from checker.language import syntax as s
from checker.language.pretty import Break, Doc, Group, Nest, Text
from checker.source import Span

NOTHING, NO_WITH, ANYTHING = 0, 1, 2
TERNARY, POSTFIX, SENT = 0, 11, 10
TIGHTEST = 12
BOOLEAN = {"and", "or", "implies"}


def expr(e: s.Expr, level: int = TERNARY, open_: int = ANYTHING) -> list[Doc]:
    """The document of an expression that stands where `level` binds."""
    if needs_brackets(e, level, open_):
        return parenthesised(e)
    return RULES[type(e)](e, open_)


def needs_brackets(e: s.Expr, level: int, open_: int) -> bool:
    match e:
        case s.Ternary():
            return level > TERNARY or open_ == NOTHING
        case s.Quantified():
            return open_ == NOTHING or level > SENT - 1
        case s.With():
            return open_ < ANYTHING or level > SENT - 1
        case s.Binary():
            return s.PRECEDENCE[e.op] < level
        case s.Unary():
            return s.PRECEDENCE["not" if e.op == "not" else "unary -"] < level
        case s.Sent():
            return level > SENT
    return False


def word(text: str, node: s.Node) -> Text:
    return Text(text, own(node).line)


def end(text: str, node: s.Node) -> Text:
    """What follows a node."""
    return Text(text, node.span.end_line)


def own(node: s.Node) -> Span:
    """Its place, without brackets around it."""
    return node.inside or node.span if isinstance(node, s.Expr) else node.span


def is_split(parts: Sequence[s.Node]) -> bool:
    """Did the source begin a new line between two of these?"""
    return any(b.span.line > a.span.end_line for a, b in pairwise(parts))


def brackets(left: str, items: Sequence[Sequence[Doc]], right: str, span: Span, parts: Sequence[s.Node] = ()) -> list[Doc]:
    """Items in brackets of this place; broken: each on its own line, if the source had them so or they do not fit."""
    span = parts.span if isinstance(parts, s.Listed) else span
    if not items:
        return [Text(left + right, span.line)]
    inner: list[Doc] = [Break("")]
    for i, item in enumerate(items):
        inner += item
        if i < len(items) - 1:
            inner += [Text(",", _last_line(item, span)), Break()]
    broken = is_split(parts) or (bool(parts) and parts[0].span.line > span.line)
    return [Group([Text(left, span.line), Nest(inner), Break(""), Text(right, span.end_line)], broken)]


def parenthesised(e: s.Expr) -> list[Doc]:
    """An expression in brackets."""
    inner = s.Name(own(e), "")  # where it began without them
    return brackets("(", [expr(e)], ")", e.span, [inner])


def _last_line(docs: Sequence[Doc], span: Span) -> int:
    """The source line of the last word of a document."""
    for d in reversed(docs):
        if isinstance(d, Text):
            return d.line
        if isinstance(d, Group | Nest) and d.docs:
            return _last_line(d.docs, span)
    return span.line


# ── each kind ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _binary(e: s.Binary, open_: int) -> list[Doc]:
    level = s.PRECEDENCE[e.op]
    if level == s.PRECEDENCE["=="]:
        left, right = expr(e.left, level + 1, NOTHING), expr(e.right, level + 1, open_)
        return [*left, Text(f" {e.op} ", e.at.line), *right]
    operands, operators = chain(e, level)
    docs: list[Doc] = []
    for i, x in enumerate(operands):
        last = i == len(operands) - 1
        inner = _operand(x, e.op, level, open_ if last else NOTHING)
        docs += inner if i == 0 else [Break(), Text(f"{operators[i - 1].op} ", operators[i - 1].at.line), *inner]
    return [Group(docs, is_split(operands))]


def _operand(x: s.Expr, op: str, level: int, open_: int) -> list[Doc]:
    kept = isinstance(x, s.Binary) and x.inside and {x.op, op} <= BOOLEAN
    return parenthesised(x) if kept else expr(x, level + 1, open_)


def chain(e: s.Binary, level: int) -> tuple[list[s.Expr], list[s.Binary]]:
    """The operands of a run of operators of one level, and the operators between them."""
    if e.op == "implies":
        if isinstance(e.right, s.Binary) and e.right.op == "implies" and not e.right.inside:
            operands, operators = chain(e.right, level)
            return [e.left, *operands], [e, *operators]
        return [e.left, e.right], [e]
    if isinstance(e.left, s.Binary) and s.PRECEDENCE[e.left.op] == level:
        operands, operators = chain(e.left, level)
        return [*operands, e.right], [*operators, e]
    return [e.left, e.right], [e]


def _unary(e: s.Unary, open_: int) -> list[Doc]:
    level = s.PRECEDENCE["not" if e.op == "not" else "unary -"]
    return [word("not " if e.op == "not" else "-", e), *expr(e.operand, level, open_)]


def _ternary(e: s.Ternary, open_: int) -> list[Doc]:
    docs: list[Doc] = []
    arms: list[s.Expr] = []
    last: s.Expr = e
    while isinstance(last, s.Ternary):
        docs += [
            *expr(last.then, 1, NOTHING),
            word(" if ", last.cond),
            *expr(last.cond, 1, NOTHING),
            Break(),
            word("else ", last.orelse),
        ]
        arms.append(last.then)
        last = last.orelse
    return [Group([*docs, *expr(last, TERNARY, open_)], is_split([*arms, last]))]


def _quantified(e: s.Quantified, open_: int) -> list[Doc]:
    docs: list[Doc] = [word(f"{e.kind} ", e)]
    for i, b in enumerate(e.binders):
        docs += [*binder(b), end(", " if i < len(e.binders) - 1 else ".", b)]
    return [*docs, Group([Nest([Break(), *expr(e.body, TERNARY, open_)])], is_split([e.binders[-1], e.body]))]


def binder(b: s.Binder) -> list[Doc]:
    names = ", ".join(n.name for n in b.names)
    if b.type is not None:
        return [word(f"{names}: {type_text(b.type)}", b)]
    assert b.domain is not None
    return [word(f"{names} in ", b), *expr(b.domain, 1, NOTHING)]


def _with(e: s.With, open_: int) -> list[Doc]:
    docs: list[Doc] = []
    for i, u in enumerate(e.updates):
        key = [word(f"{u.key.name} = ", u)] if isinstance(u.key, s.Ident) else [word("[", u), *expr(u.key), end("] = ", u.key)]
        docs += [*key, *expr(u.value, TERNARY, NOTHING)]
        if i < len(e.updates) - 1:
            docs += [end(",", u), Break()]
    return [*expr(e.base, POSTFIX), end(" with ", e.base), Group([Nest(docs)], is_split(e.updates))]


def _call(e: s.Call, open_: int) -> list[Doc]:
    head: Doc = word(e.name.name, e.name)
    if e.generator:
        return [head, *brackets("(", [[*expr(e.args[0]), *generator(e.generator)]], ")", own(e))]
    return [head, *arguments(e.args, e)]


def arguments(args: list[s.Expr], node: s.Node) -> list[Doc]:
    return brackets("(", [expr(a, TERNARY, NO_WITH) for a in args], ")", own(node), args)


def generator(g: s.Generator) -> list[Doc]:
    docs: list[Doc] = [Break(), word(f"for {g.name.name} in ", g)]
    docs += expr(g.domain, 1, NOTHING if g.where else NO_WITH)
    return docs + ([Break(), word("if ", g.where), *expr(g.where)] if g.where else [])


def _sent(e: s.Sent, open_: int) -> list[Doc]:
    docs: list[Doc] = [word(f"sent {e.message.name}", e), *(arguments(e.args, e) if e.args is not None else [])]
    docs += [word(" to ", e.to), *expr(e.to, POSTFIX)] if e.to else []
    return docs + ([word(" from ", e.sender), *expr(e.sender, POSTFIX)] if e.sender else [])


def _mapping(e: s.Mapping, open_: int) -> list[Doc]:
    inner = [*expr(e.key, TERNARY, NOTHING), end(": ", e.key), *expr(e.value), *generator(e.generator)]
    return brackets("{", [inner], "}", own(e))


def _items(left: str, right: str) -> Callable[[Any, int], list[Doc]]:
    def rule(e: Any, open_: int) -> list[Doc]:
        return brackets(left, [expr(x, TERNARY, NO_WITH) for x in e.items], right, own(e), e.items)

    return rule


def _slice(e: s.Slice, open_: int) -> list[Doc]:
    return [
        *expr(e.base, POSTFIX),
        word("[", e.low),
        *expr(e.low, TERNARY, NOTHING),
        end(":", e.low),
        *expr(e.high),
        Text("]", own(e).end_line),
    ]


RULES: dict[type[s.Expr], Callable[[Any, int], list[Doc]]] = {
    s.Name: lambda e, _: [word(e.name, e)],
    s.Number: lambda e, _: [word(str(e.value), e)],
    s.Literal: lambda e, _: [word(e.word, e)],
    s.Unary: _unary,
    s.Binary: _binary,
    s.Ternary: _ternary,
    s.Quantified: _quantified,
    s.With: _with,
    s.Member: lambda e, _: [*expr(e.base, POSTFIX), word(f".{e.name.name}", e.name)],
    s.Index: lambda e, _: [
        *expr(e.base, POSTFIX),
        *brackets("[", [expr(e.index)], "]", Span(e.base.span.end_line, 0, own(e).end_line, 0)),
    ],
    s.Slice: _slice,
    s.Prime: lambda e, _: [*expr(e.base, POSTFIX), Text("'", own(e).end_line)],
    s.Keyword: lambda e, _: [word(f"{e.name.name} = ", e), *expr(e.value, TERNARY, NO_WITH)],
    s.Call: _call,
    s.TupleOf: _items("(", ")"),
    s.SetOf: _items("{", "}"),
    s.ListOf: _items("[", "]"),
    s.Comprehension: lambda e, _: brackets("{", [[*expr(e.body), *generator(e.generator)]], "}", own(e)),
    s.Mapping: _mapping,
    s.Sent: _sent,
}


# ── types: always on one line ────────────────────────────────────────────────────────────────────────────────────────


def flat(docs: Sequence[Doc]) -> str:
    """A document on one line."""
    out = ""
    for d in docs:
        out += (
            d.text
            if isinstance(d, Text)
            else d.flat
            if isinstance(d, Break)
            else flat(d.docs)
            if isinstance(d, Group | Nest)
            else ""
        )
    return out


def type_text(t: s.TypeExpr) -> str:
    """A type as it is written."""
    match t:
        case s.Named():
            return t.name
        case s.Range():
            return f"{flat(expr(t.low))}..{flat(expr(t.high))}"
        case s.OptionType():
            return f"({type_text(t.elem)})?" if isinstance(t.elem, s.MapType) else f"{type_text(t.elem)}?"
        case s.TupleType():
            return f"({', '.join(map(type_text, t.elems))})"
        case s.Collection():
            return f"{t.kind}[{type_text(t.elem)}{', ' + flat(expr(t.cap)) if t.cap else ''}]"
        case s.MapType():
            return f"map {type_text(t.key)} -> {type_text(t.val)}"
    raise AssertionError(t)
