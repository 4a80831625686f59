"""What is wrong with a text, and where: diagnostics, their codes, and how they look to people.

Every mistake in a spec, a binding or a flag becomes a Diagnostic; nobody ever sees a Python traceback for one.  The table CODES
is the whole list; a code never changes its meaning.  Nothing here knows the language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checker.source import Source, Span

CODES: dict[str, str] = {
    # E1: the text cannot be read
    "E101": "tab",
    "E102": "character that no text of the language contains",
    "E103": "something else was expected here",
    "E104": "indentation",
    "E105": "a block is missing",
    "E106": "bracket without a partner",
    "E107": "reserved word as a name",
    "E108": "comparisons do not chain",
    "E109": "nested too deeply",
    # E2: names
    "E201": "declared twice",
    "E202": "hides another name",
    "E203": "unknown name",
    "E204": "unknown type",
    "E205": "ambiguous name",
    "E206": "unknown field",
    "E207": "unknown message",
    "E208": "unknown process",
    "E209": "wrong number of arguments",
    "E210": "not something to call, or called without arguments",
    "E211": "not a value",
    "E212": "recursive definition",
    "E213": "type without end",
    "E214": "unknown sort or quorum",
    # E3: types
    "E301": "value of another type than declared",
    "E302": "operator does not take this",
    "E303": "values of different kinds are compared",
    "E304": "values without an order are ordered",
    "E305": "not a bool",
    "E306": "not a set",
    "E307": "no fields or no index",
    "E308": "type is not finite",
    "E309": "option of an option",
    "E310": "capacity is missing",
    "E311": "not constant",
    "E313": "empty",
    "E312": "quantified over a quorum where a type is needed",
    # E4: what may be read and written where
    "E401": "not local: read",
    "E402": "not local: write",
    "E403": "sent is not local",
    "E404": "ghost is read",
    "E405": "no initial value",
    "E406": "assigned twice",
    "E407": "self outside a process with identities",
    "E408": "prime outside a step property",
    "E409": "not a variable",
    "E410": "runs of a for body do not commute",
    "E411": "handler does not match its message",
    "E412": "message is sent both with and without `to`, or to different kinds",
    "E413": "sender is not one kind of process",
    "E414": "fifo message without a sender",
    "E415": "message of this network needs exactly one kind of receiver",
    "E416": "nobody there to receive this",
    "E417": "declaration does not belong here",
    "E418": "the protocol cannot know who is Byzantine",
    "E419": "discard not at the beginning of a handler",
    "E420": "discard in a network that forgets",
    # E5: instances
    "E501": "size or parameter left open",
    "E502": "unknown name in an instance",
    "E503": "wrong kind of value in an instance",
    "E504": "size is not positive",
    "E505": "unknown property",
    "E506": "unknown fault or fault target",
    "E507": "not a variable of a process",
    "E508": "given twice",
    "E509": "unknown expectation",
    # W6: probably not meant
    "W601": "never read",
    "W602": "never assigned",
    "W603": "never used",
    "W604": "never sent",
    "W605": "neither received nor looked at",
}


@dataclass(frozen=True)
class Diagnostic:
    """One finding: `expected` and `hint` are whole lines for people."""

    code: str
    message: str
    span: Span
    source: Source
    expected: str | None = None
    hint: str | None = None

    @property
    def severity(self) -> str:
        return "warning" if self.code.startswith("W") else "error"

    def render(self) -> str:
        """The finding with its line and a caret, without a final newline."""
        number = str(self.span.line)
        pad = " " * len(number)
        line = self.source.line(self.span.line).replace("\t", " ")
        out = [
            f"{self.severity}[{self.code}]: {self.message}",
            f"{pad}--> {self.source.name}:{self.span.line}:{self.span.column}",
            f"{pad} |",
            f"{number} | {line}".rstrip(),
            f"{pad} | {' ' * (self.span.column - 1)}{'^' * self._width(line)}",
        ]
        out += [f"{pad} = expected: {self.expected}"] if self.expected else []
        out += [f"{pad} = hint: {self.hint}"] if self.hint else []
        return "\n".join(out)

    def _width(self, line: str) -> int:
        end = self.span.end_column if self.span.end_line == self.span.line else len(line) + 1
        return max(1, min(end, len(line) + 1) - self.span.column)


class SpecErrors(Exception):
    """Everything that is wrong with one text, in the order of the text."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = sorted(diagnostics, key=lambda d: (d.span.line, d.span.column, d.code))
        super().__init__(self.render())

    def render(self) -> str:
        return "\n\n".join(d.render() for d in self.diagnostics)
