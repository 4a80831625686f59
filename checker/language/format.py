"""The one proper layout of a text: 4 blanks, groups apart by a blank line, long lines broken, comments where they were.

A text becomes units (a declaration, a member, a statement, a line of an instance); comments on lines of their own go before the
unit they stood before, others stay behind the words they stood behind.  Formatting twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from checker.language import syntax as s
from checker.language.parse import not_too_deep, parse
from checker.language.pretty import INDENT, WIDTH, Break, Doc, Group, IfBroken, Line, Nest, Text, lay_out
from checker.language.unparse import NO_WITH, POSTFIX, arguments, brackets, end, expr, flat, is_split, own, type_text, word
from checker.source import Source

# Declarations of different groups are a blank line apart; blocks always are.
GROUPS: list[tuple[type[s.Decl], ...]] = [
    (s.Protocol,),
    (s.SortDecl, s.ParamDecl, s.TypeDecl, s.EnumDecl, s.RecordDecl, s.QuorumDecl, s.AssumeDecl),
    (s.NetworkDecl, s.MessageDecl),
    (s.VarDecl,),
    (s.DefDecl,),
    (s.PropertyDecl,),
    (s.InstanceDecl,),
]
BLOCKS = (s.ProcessDecl, s.ActionDecl, s.Handler, s.Restart)


@dataclass(frozen=True)
class Comment:
    line: int
    column: int
    text: str
    alone: bool


def comments_of(text: str) -> list[Comment]:
    """Every comment, in the order of the text."""
    out = []
    for number, line in enumerate(text.split("\n"), 1):
        for found in re.finditer(r'"[^"]*"|#.*', line):
            if found.group(0).startswith("#"):
                out.append(Comment(number, found.start(), found.group(0).rstrip(), not line[: found.start()].strip()))
    return out


def format_text(source: Source) -> str:
    """The text in its one proper layout.  Raises SpecErrors if it cannot be read."""
    with not_too_deep(source):
        return Formatter(parse(source), source).text()


def format_tree(tree: s.File) -> str:
    """The text of a tree that has no places."""
    return Formatter(tree, Source("", "")).text()


class Formatter:
    """Writes one file."""

    def __init__(self, tree: s.File, source: Source) -> None:
        self.tree = tree
        self.comments = comments_of(source.text)
        lines = source.text.split("\n")
        self.blank = {n for n, line in enumerate(lines, 1) if not line.strip()}
        self.code = [n for n, line in enumerate(lines, 1) if re.sub(r'"[^"]*"', '"', line).split("#")[0].strip()]
        self.out: list[str] = []
        self.written = 0  # the last line of the source that is written

    def text(self) -> str:
        before: s.Decl | None = None
        for d in self.tree.decls:
            self.declaration(d, 0, apart(before, d))
            before = d
        self.comments_before(10**9, 0, False)
        return "\n".join(self.out) + "\n" if self.out else ""

    # ── units and comments ──

    def unit(self, docs: Sequence[Doc], indent: int, line: int, blank: bool = False) -> None:
        """One unit that began at this line of the source; with `blank` it stands apart from what is above."""
        taken = self.comments_before(line, indent, blank)
        if (blank and not taken) or line - 1 in self.blank:
            self.blank_line()
        self.lines(lay_out(docs, indent))

    def lines(self, lines: list[Line]) -> None:
        """Lines of one unit, with the comments that stood among or behind their words."""
        for i, x in enumerate(lines):
            if i:
                self.comments_before(min(x.sources, default=0), x.indent, False)
            following = min((n for y in lines[i + 1 :] for n in y.sources), default=10**9)
            last = max(x.sources, default=0)
            text = " " * x.indent + x.text
            while (
                self.comments
                and not self.comments[0].alone
                and self.comments[0].line <= last
                and self.comments[0].line < following
            ):
                text = behind(text, self.comments.pop(0))
            self.out.append(text)
            self.written = max(self.written, last)

    def comments_before(self, line: int, indent: int, blank: bool) -> bool:
        """Writes the comments above a line of the source; has the last of them taken the blank line that was wanted?"""
        above = []
        while self.comments and self.comments[0].line < line:
            above.append(self.comments.pop(0))
        for i, c in enumerate(above):
            joined = (
                all(b.line == a.line + 1 for a, b in zip(above[i:], above[i + 1 :], strict=False)) and above[-1].line == line - 1
            )
            first = joined and (i == 0 or above[i - 1].line != c.line - 1)
            if (blank and first) or (c.line - 1 in self.blank):
                self.blank_line()
            self.out.append(" " * indent + c.text)
        return bool(above) and above[-1].line == line - 1

    def block_end(self, indent: int, outer: int) -> None:
        """The comments after the last unit of a block that are indented like the block."""
        until = next((n for n in self.code if n > self.written), 10**9)
        mine = []
        for c in self.comments:
            if not (c.alone and c.line < until and c.column > outer):
                break
            mine.append(c)
        if mine:
            self.comments_before(mine[-1].line + 1, indent, False)

    def blank_line(self) -> None:
        if self.out and self.out[-1] and not self.opened:
            self.out.append("")

    @property
    def opened(self) -> bool:
        """Has a block just been opened?  (No blank line after its head.)"""
        return bool(self.out) and self.out[-1] is self.head

    head: str | None = None

    # ── declarations ──

    def declaration(self, d: s.Decl, indent: int, blank: bool) -> None:
        line = d.span.line
        match d:
            case s.Protocol():
                self.unit([word(f"protocol {d.name.name}", d)], indent, line, blank)
                for x in d.doc:
                    self.unit([word(f'"{x.text}"', x)], indent + INDENT, x.span.line)
            case s.ProcessDecl():
                self.open([word(f"{'single ' if d.single else ''}process {d.name.name}", d)], indent, line, blank)
                before: s.Decl | None = None
                for m in d.members:
                    self.declaration(m, indent + INDENT, before is not None and apart(before, m))
                    before = m
                self.block_end(indent + INDENT, indent)
            case s.ActionDecl():
                self.open([word(f"action {d.name.name}", d), *self.fields(d.params, d)], indent, line, blank)
                self.block(d.body, indent)
            case s.Handler():
                fields = [] if d.fields is None else [word(f"({', '.join(f.name for f in d.fields)})", d)]
                sender = [word(f" from {d.sender.name}", d)] if d.sender else []
                self.open([word(f"on {d.message.name}", d), *fields, *sender], indent, line, blank)
                self.block(d.body, indent)
            case s.Restart():
                self.open([word("on restart", d)], indent, line, blank)
                self.block(d.body, indent)
            case s.InstanceDecl():
                self.instance(d, indent, blank)
            case _:
                self.unit(self.simple(d), indent, line, blank)

    def open(self, docs: Sequence[Doc], indent: int, line: int, blank: bool = False) -> None:
        """The head of a block."""
        self.unit(docs, indent, line, blank)
        self.head = self.out[-1]

    def simple(self, d: s.Decl) -> list[Doc]:
        """A declaration without a block."""
        match d:
            case s.SortDecl():
                return filled("sort", d.names)
            case s.EnumDecl():
                return filled(f"enum {d.name.name} =", d.members)
            case s.ParamDecl():
                return headed(f"param {d.name.name}: {type_text(d.type)}", "=", d.default, d)
            case s.TypeDecl():
                return [word(f"type {d.name.name} = {type_text(d.type)}", d)]
            case s.RecordDecl():
                return [word(f"record {d.name.name}", d), *self.fields(d.fields, d)]
            case s.QuorumDecl():
                head = f"quorum {d.name.name}{f'({d.binder.name})' if d.binder else ''} of {d.sort.name}"
                where: list[Doc] = [Nest([Break(), word("where ", d.predicate), *expr(d.predicate)])] if d.predicate else []
                meets: list[Doc] = [word(f" meets {', '.join(o.name for o in d.meets)}", d.meets[-1])] if d.meets else []
                return [Group([word(head, d), *where, *meets])]
            case s.NetworkDecl():
                return [word(f"network {d.kind.name}", d), *capacity(d.capacity)]
            case s.MessageDecl():
                return [word(f"message {d.name.name}", d), *self.fields(d.fields, d), *capacity(d.capacity)]
            case s.AssumeDecl():
                return [word("assume ", d), Nest(expr(d.expr))]
            case s.VarDecl():
                return headed(f"{d.kind} {d.name.name}: {type_text(d.type)}", "in" if d.choice else "=", d.init, d)
            case s.DefDecl():
                result = [Text(f": {type_text(d.result)}", d.result.span.line)] if d.result else []
                return [word(f"def {d.name.name}", d), *self.fields(d.params, d), *result, *body(" =", d.body, d.span.end_line)]
            case s.PropertyDecl():
                return [word(f"{d.kind}{f' {d.name.name}' if d.name else ''}", d), *body(":", d.expr, d.span.end_line)]
        raise AssertionError(d)

    def fields(self, fields: list[s.Field] | None, node: s.Node) -> list[Doc]:
        if fields is None:
            return []
        return brackets("(", [[word(f"{f.name.name}: {type_text(f.type)}", f)] for f in fields], ")", node.span, fields)

    # ── instances ──

    def instance(self, d: s.InstanceDecl, indent: int, blank: bool) -> None:
        """Items stay on the lines they stood on, as far as they fit."""
        rows: list[list[s.Item]] = [[]]
        for item in d.items:
            text = self.row(f"instance {d.name.name}: " if len(rows) == 1 else " " * INDENT, [*rows[-1], item])
            above = rows[-1][-1].span.end_line if rows[-1] else d.span.end_line
            if item.span.line > above or (len(text) > WIDTH and (rows[-1] or len(rows) == 1)):
                rows.append([])
            rows[-1].append(item)
        first = self.row(f"instance {d.name.name}: ", rows[0]).rstrip()
        self.unit([Text(first, max([d.span.line, *(x.span.end_line for x in rows[0])]))], indent, d.span.line, blank)
        self.head = self.out[-1]
        for row in rows[1:]:
            lines = [Text(self.row("", row), n) for n in (row[0].span.line, row[-1].span.end_line)]
            self.unit([lines[1]], indent + INDENT, lines[0].line)
        self.block_end(indent + INDENT, indent)

    def row(self, start: str, items: list[s.Item]) -> str:
        text = start
        for i, item in enumerate(items):
            apart = isinstance(item, s.ExpectItem) and not isinstance(items[i - 1], s.ExpectItem)
            gap = "" if i == 0 else "   " if apart else ", "
            text += gap + item_text(item)
        return text

    # ── statements ──

    def block(self, body: list[s.Stmt], outer: int) -> None:
        for stmt in body:
            self.statement(stmt, outer + INDENT)
        self.block_end(outer + INDENT, outer)

    def statement(self, x: s.Stmt, indent: int) -> None:
        line = x.span.line
        match x:
            case s.If():
                for i, (cond, then) in enumerate(x.arms):
                    keyword = "elif" if i else "if"
                    self.open([Text(f"{keyword} ", cond.span.line), *head_expr(cond)], indent, cond.span.line if i else line)
                    self.block(then, indent)
                if x.orelse is not None:
                    at = x.else_at.line if x.else_at else line
                    self.open([Text("else", at)], indent, at)
                    self.block(x.orelse, indent)
            case s.For():
                self.open([word(f"for {x.name.name} in ", x), *head_expr(x.domain)], indent, line)
                self.block(x.body, indent)
            case _:
                self.unit(self.plain(x), indent, line)

    def plain(self, x: s.Stmt) -> list[Doc]:
        """A statement without a block."""
        match x:
            case s.Require():
                return [word("require ", x), Nest(expr(x.cond))]
            case s.Discard():
                return [word("discard ", x), Nest(expr(x.cond))]
            case s.Assign():
                return [*expr(x.target, POSTFIX), end(f" {x.op} ", x.target), Nest(expr(x.value))]
            case s.Let():
                return [word(f"let {x.name.name} = ", x), Nest(expr(x.value))]
            case s.Choose():
                return self.choose(x)
            case s.Send():
                args = arguments(x.args, x) if x.args is not None else []
                to: list[Doc] = [word(" to ", x.to), Nest(expr(x.to))] if x.to else []
                return [word(f"send {x.message.name}", x), *args, *to]
            case s.Pass():
                return [word("pass", x)]
        raise AssertionError(x)

    def choose(self, x: s.Choose) -> list[Doc]:
        docs: list[Doc] = []
        for i, c in enumerate(x.choices):
            docs += [word(f"{c.name.name} in ", c), *expr(c.domain, 0, NO_WITH)]
            docs += [Text(",", c.span.end_line), Break()] if i < len(x.choices) - 1 else []
        where: list[Doc] = [Break(), word("where ", x.where), *expr(x.where)] if x.where else []
        parts = [*x.choices, *([x.where] if x.where else [])]
        return [word("choose ", x), Group([Nest([*docs, *where])], is_split(parts))]


def apart(before: s.Decl | None, d: s.Decl) -> bool:
    """Must a blank line stand between these two?"""
    if before is None:
        return False
    if isinstance(before, BLOCKS) or isinstance(d, BLOCKS):
        return True
    return group_of(before) != group_of(d)


def group_of(d: s.Decl) -> int:
    return next(i for i, kinds in enumerate(GROUPS) if isinstance(d, kinds))


def behind(text: str, c: Comment) -> str:
    """A comment behind a line: in the column where it was, if there is room."""
    return text.ljust(c.column - 2) + "  " + c.text


def headed(head: str, sign: str, value: s.Expr | None, node: s.Node) -> list[Doc]:
    """`var x: T = e`: breaks after the sign only if it must."""
    return [word(head, node), *(body(f" {sign}", value, value.span.line) if value else [])]


def body(sign: str, value: s.Expr, line: int) -> list[Doc]:
    """A sign that stood in this line, and an expression on the same line or deeper on the next."""
    return [Text(sign, line), Group([Nest([Break(), *expr(value)])], value.span.line > line)]


def head_expr(e: s.Expr) -> list[Doc]:
    """The expression of a head: in brackets if it takes several lines, since deeper lines would be the block."""
    line = e.span.line
    inner = expr(e)
    broken = any(isinstance(d, Group) and d.broken for d in inner) or own(e).line > line
    return [Group([IfBroken("(", line), Nest([Break(""), *inner]), Break(""), IfBroken(")", e.span.end_line)], broken)]


def filled(head: str, names: list[s.Ident]) -> list[Doc]:
    """Names after a head, as many on a line as fit."""
    docs: list[Doc] = []
    for i, n in enumerate(names):
        docs.append(Group([Break(), word(n.name + ("," if i < len(names) - 1 else ""), n)]))
    return [Text(head, names[0].span.line), Nest(docs)]


def capacity(e: s.Expr | None) -> list[Doc]:
    return [word(" capacity ", e), Nest(expr(e))] if e else []


def item_text(item: s.Item) -> str:
    """An item of an instance, on one line."""
    match item:
        case s.Setting():
            return f"{item.name.name} = {flat(expr(item.value, 0, NO_WITH))}"
        case s.FaultItem():
            target = f"({item.target.name})" if item.target else ""
            return f"fault {item.kind.name}{target} <= {flat(expr(item.budget, 0, NO_WITH))}"
        case s.ResetItem():
            return f"{item.kind} {f'{item.process.name}.' if item.process else ''}{item.name.name}"
        case s.BoundItem():
            return f"bound {flat(expr(item.expr, 0, NO_WITH))}"
        case s.CountItem():
            witness = f' by "{item.witness}"' if item.witness is not None else ""
            return f"{item.what.name} {item.number}{witness}"
        case s.SlowItem():
            return "slow"
        case s.ExpectItem():
            return f"expect {item.verdict.name}{f' {item.name.name}' if item.name else ''}"
    raise AssertionError(item)
