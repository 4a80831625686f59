"""Source text and places in it: the only thing the front end, the core and the reports share about where something stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of one file: lines and columns count from 1, `end_column` is one past the last character."""

    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """From the start of this to the end of the other."""
        return Span(self.line, self.column, other.end_line, other.end_column)


@dataclass(frozen=True)
class Source:
    """One file: the name to show and its whole text."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its end; empty past the end."""
        lines = self.text.split("\n")  # as the parser counts them
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""

    def snippet(self, span: Span) -> str:
        """What stands at a span, on one line."""
        if span.line == span.end_line:
            return self.line(span.line)[span.column - 1 : span.end_column - 1]
        return self.line(span.line)[span.column - 1 :].rstrip() + " …"
