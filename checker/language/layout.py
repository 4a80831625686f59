"""Layout: which line breaks are tokens, and where blocks begin and end.

A line deeper than the one above it opens a block if that line's first word says so (BLOCK_HEADS); otherwise it continues it.
Inside brackets line breaks are nothing.  Tokens are passed on one by one, never ahead, since the lexer looks at the state of the
parser.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token
from lark.lark import PostLex

from checker.language.syntax import DECLARATIONS, MEMBERS
from checker.source import Span

STATEMENT_HEADS = frozenset(["ACTION", "ON", "IF", "ELIF", "ELSE", "FOR"])
BLOCK_HEADS = STATEMENT_HEADS | {"PROTOCOL", "PROCESS", "SINGLE", "INSTANCE"}
DECLARATION_WORDS = frozenset(w.upper() for w in (*DECLARATIONS, *MEMBERS))


class BadIndent(Exception):
    """A line whose indentation is that of no open block."""

    def __init__(self, span: Span, wanted: list[int]) -> None:
        super().__init__(span)
        self.span, self.wanted = span, wanted


class Layout(PostLex):
    """Turns the line breaks of one text into _NL, _INDENT and _DEDENT."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        levels, heads, depth, first = [0], [""], 0, ""
        for token in stream:
            if token.type != "_NL":
                if not first and heads[-1] in STATEMENT_HEADS and token.type in DECLARATION_WORDS:
                    token = token.update(type="NAME")  # a variable may be called `step`
                first = first or token.type
                depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
                yield token
            elif depth <= 0:
                indent = len(token) - token.rindex("\n") - 1
                if indent <= levels[-1] or first in BLOCK_HEADS or not first:
                    yield from _line_end(token, indent, levels)
                    heads[len(levels) :] = []
                    heads += [first] * (len(levels) - len(heads))
                    first = ""


def _line_end(token: Token, indent: int, levels: list[int]) -> Iterator[Token]:
    """The end of a logical line, and what its successor's indentation says.  Raises BadIndent."""
    yield token
    if indent > levels[-1]:
        levels.append(indent)
        yield Token.new_borrow_pos("_INDENT", "", token)
    if indent not in levels:
        line = token.end_line or 1
        raise BadIndent(Span(line, 1, line, indent + 1), levels)
    while indent < levels[-1]:
        levels.pop()
        yield Token.new_borrow_pos("_DEDENT", "", token)
