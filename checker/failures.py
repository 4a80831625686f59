"""Everything that can go wrong, in words: exception → Failure, with its exit code, as text and as JSON.

Whoever makes a mistake in a spec, a flag or a file is told what, where and how to go on; only a bug in here asks to
be reported.
"""

from __future__ import annotations

import os
from ctypes import ArgumentError
from dataclasses import dataclass, field
from typing import Any

from checker.settings import Mistake

USAGE, SPEC_WRONG, ASSUMPTION, UNKNOWN, BUG, INTERRUPTED = 1, 2, 10, 20, 70, 130


class Unanswered(Exception):
    """Somebody else was asked and has not answered: what came of it is not known.  `hint`: what may be wrong."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True)
class Failure:
    """Why a command has no answer.  `marked`: the place in the source, rendered; `diagnostics`: what the front end
    found."""

    exit: int
    kind: str
    message: str
    hint: str | None = None
    place: str | None = None
    marked: str = ""
    diagnostics: list[Any] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        d = {"kind": self.kind, "exit": self.exit, "message": self.message, "hint": self.hint, "place": self.place}
        return {"error": {**d, "diagnostics": [_diagnostic(x) for x in self.diagnostics]}}

    def text(self) -> str:
        """What people read."""
        if self.diagnostics:
            return "\n\n".join([*(d.render() for d in self.diagnostics), self.message]) + "\n"
        return f"error: {self.message}\n{self.marked}" + (f"  hint: {self.hint}\n" if self.hint else "")


def failure(why: BaseException) -> Failure:
    """What an exception means to the one who typed the command."""
    from checker.answer import Rejected, Unable
    from checker.errors import SpecErrors

    match why:
        case KeyboardInterrupt():
            return Failure(INTERRUPTED, "interrupted", "interrupted")
        case ArgumentError() if "KeyboardInterrupt" in str(why):  # on its way into a library
            return Failure(INTERRUPTED, "interrupted", "interrupted")
        case Mistake():
            return Failure(USAGE, "usage", why.text, why.hint)
        case SpecErrors():
            return Failure(SPEC_WRONG, "spec", _count(why), diagnostics=why.diagnostics)
        case Rejected():
            return _rejected(why)
        case Unable():
            return Failure(UNKNOWN, "unable", str(why), why.hint)
        case Unanswered():
            return Failure(UNKNOWN, "unanswered", str(why), why.hint)
        case MemoryError():
            return Failure(UNKNOWN, "memory", "out of memory", "--max-memory ends a check before that")
        case OSError():
            file = f"{why.filename}: " if why.filename else ""
            return Failure(USAGE, "system", f"{file}{(why.strerror or str(why)).lower()}")
    return _bug(why)


def _rejected(why: Any) -> Failure:
    """An instance that cannot be: the spec's fault where it says so, the command line's where `-D` had a part in
    it."""
    from checker.report import caret

    error, source = why.error, why.model.source
    code = ASSUMPTION if why.assumption else USAGE if why.overridden else SPEC_WRONG
    kind = {ASSUMPTION: "assumption", USAGE: "usage", SPEC_WRONG: "instance"}[code]
    if not error.span:
        return Failure(code, kind, error.text, error.hint)
    marked = "".join(f"{line.plain}\n" for line in caret(source, error.span))
    return Failure(code, kind, error.text, error.hint, f"{source.name}:{error.span.line}", marked)


def _bug(why: BaseException) -> Failure:
    if os.environ.get("SPECTRACE_DEBUG"):
        import traceback

        traceback.print_exception(why)
    text = f"a bug in spectrace: {type(why).__name__}: {why}".split("\n")[0]
    return Failure(BUG, "internal", text, "please report it, with the spec; SPECTRACE_DEBUG=1 shows where it happened")


def _count(why: Any) -> str:
    n = sum(d.severity == "error" for d in why.diagnostics)
    return f"{n} error{'s' * (n != 1)} in {why.diagnostics[0].source.name}"


def _diagnostic(d: Any) -> dict[str, Any]:
    span = {n: getattr(d.span, n) for n in ("line", "column", "end_line", "end_column")}
    said = {n: getattr(d, n) for n in ("code", "severity", "message", "expected", "hint")}
    return {"file": d.source.name, **span, **said}
