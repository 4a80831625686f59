"""Layout: which line breaks are tokens, and where blocks begin and end.

A line deeper than the one above it opens a block if that line's first word says so (BLOCK_HEADS); otherwise it continues it.
Inside brackets line breaks are nothing.  Tokens are passed on one by one, never ahead, since the lexer looks at the state of the
parser.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token
from lark.lark import PostLex

from checker.source import Span

BLOCK_HEADS = frozenset(["PROTOCOL", "PROCESS", "SINGLE", "ACTION", "ON", "INSTANCE", "IF", "ELIF", "ELSE", "FOR"])


class BadIndent(Exception):
    """A line whose indentation is that of no open block."""

    def __init__(self, span: Span, wanted: list[int]) -> None:
        super().__init__(span)
        self.span, self.wanted = span, wanted


class Layout(PostLex):
    """Turns the line breaks of one text into _NL, _INDENT and _DEDENT."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        levels, depth, first = [0], 0, None
        for token in stream:
            if token.type != "_NL":
                first = first or token.type
                depth += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
                yield token
            elif depth <= 0:
                indent = len(token) - token.rindex("\n") - 1
                if indent <= levels[-1] or first in BLOCK_HEADS or first is None:
                    yield from _line_end(token, indent, levels)
                    first = None


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
