"""Laying out text: documents with places where a line may break, and the lines they become.

A group stays on one line if it fits and nobody broke it before; otherwise all its own breaks are taken.  Texts know the line of
the source they come from, so that comments can be put back where they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

WIDTH = 110
INDENT = 4


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Break:
    """`flat` if the group around it is not broken, a new line if it is."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class IfBroken:
    """Text that stands there only if the group around it is broken."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Nest:
    """One step deeper."""

    docs: Sequence[Doc]


@dataclass(frozen=True, slots=True)
class Group:
    """`broken`: the source had it on several lines."""

    docs: Sequence[Doc]
    broken: bool = False


Doc: TypeAlias = "Text | Break | IfBroken | Nest | Group"


@dataclass
class Line:
    """A line of output: its text, and the lines of the source its words come from."""

    indent: int
    text: str = ""
    sources: list[int] = field(default_factory=list)


def width(docs: Iterable[Doc]) -> int | None:
    """How long these are on one line; None: a group in them was broken in the source."""
    total = 0
    for d in docs:
        match d:
            case Text():
                total += len(d.text)
            case Break():
                total += len(d.flat)
            case Nest() | Group():
                inner = width(d.docs)
                if inner is None or (isinstance(d, Group) and d.broken):
                    return None
                total += inner
    return total


def lay_out(docs: Sequence[Doc], indent: int) -> list[Line]:
    """The lines of a document that begins at this column."""
    lines = [Line(indent)]
    _Layout(lines).put(docs, indent, False, 0)
    return [x for x in lines if x.text]


class _Layout:
    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def put(self, docs: Sequence[Doc], indent: int, broken: bool, after: int) -> None:
        """Writes docs; `after`: the width of what must follow on the same line."""
        for i, d in enumerate(docs):
            line = self.lines[-1]
            match d:
                case Text() | IfBroken():
                    if isinstance(d, Text) or broken:
                        line.text += d.text
                        line.sources.append(d.line)
                case Break():
                    if broken:
                        line.text = line.text.rstrip()
                        self.lines.append(Line(indent))
                    else:
                        line.text += d.flat
                case Nest():
                    self.put(d.docs, indent + INDENT, broken, self._rest(docs[i + 1 :], broken, after))
                case Group():
                    rest = self._rest(docs[i + 1 :], broken, after)
                    self.put(d.docs, indent, not self._fits(d, rest), rest)

    def _rest(self, docs: Sequence[Doc], broken: bool, after: int) -> int:
        """How much follows before the next place where the line may end."""
        total, ended = lead(docs, broken)
        return total if ended else total + after

    def _fits(self, group: Group, rest: int) -> bool:
        size = None if group.broken else width(group.docs)
        line = self.lines[-1]
        return size is not None and line.indent + len(line.text) + size + rest <= WIDTH


def lead(docs: Sequence[Doc], may_end: bool) -> tuple[int, bool]:
    """How much comes before the first place where the line may end, and whether there is one; a group may always be broken."""
    total = 0
    for d in docs:
        match d:
            case Break() if may_end:
                return total, True
            case Break():
                total += len(d.flat)
            case Text():
                total += len(d.text)
            case Group() | Nest():
                inner, ended = lead(d.docs, may_end or isinstance(d, Group))
                total += inner
                if ended:
                    return total, True
    return total, False
