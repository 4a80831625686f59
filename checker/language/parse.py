"""Text to syntax tree.  What parses as a whole takes the short way; any other text goes to recover.py, which finds all errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lark import Lark
from lark.exceptions import UnexpectedInput

from checker.errors import Diagnostic, SpecErrors
from checker.language import syntax as s
from checker.language.build import Builder
from checker.language.layout import BadIndent, Layout
from checker.source import Source, Span

GRAMMAR = Path(__file__).with_name("grammar.lark")
START = ("start", "expr")


class _Callbacks:
    """Stands between the parser, which is made once, and the Builder of the parse that is going on."""

    def __init__(self) -> None:
        self.builder = Builder()

    def __getattr__(self, rule: str) -> object:
        method = getattr(Builder, rule)  # AttributeError: a rule without a method, which is a mistake in this package
        return lambda c: method(self.builder, c)


CALLBACKS = _Callbacks()


@lru_cache(maxsize=1)
def parser() -> Lark:
    """The one parser; its tables are kept in a file, since making them takes a quarter of a second."""
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        start=list(START),
        keep_all_tokens=True,
        maybe_placeholders=False,
        postlex=Layout(),
        transformer=CALLBACKS,
        cache=str(cache_file()),
    )


def cache_file() -> Path:
    """Beside the compiled modules, or in the user's cache directory if the package may not be written."""
    here = GRAMMAR.parent / "__pycache__"
    if os.access(here if here.exists() else GRAMMAR.parent, os.W_OK):
        folder = here
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "spectrace"
    with suppress(OSError):  # then the tables are made anew every time
        folder.mkdir(parents=True, exist_ok=True)
    return folder / "grammar.tables"


def run(text: str, start: str = "start") -> tuple[s.File | s.Expr, Builder]:
    """Parses a whole text; the builder holds the problems the grammar cannot say.  Raises UnexpectedInput, BadIndent."""
    CALLBACKS.builder = builder = Builder()
    return parser().parse(text, start=start), builder  # type: ignore[return-value]


def parse(source: Source) -> s.File:
    """The syntax tree of a text.  Raises SpecErrors."""
    with not_too_deep(source):
        read = parse_all(source)
    if read.problems:
        raise SpecErrors(read.problems)
    return read.tree


@contextmanager
def not_too_deep(source: Source) -> Iterator[None]:
    """Turns the end of the stack into SpecErrors; the longest line is as good a place as any."""
    try:
        yield
    except RecursionError:
        lines = source.text.split("\n")
        number = max(range(len(lines)), key=lambda i: len(lines[i])) + 1
        at = Span(number, 1, number, len(lines[number - 1]) + 1)
        hint = "name parts of it by definitions"
        raise SpecErrors([Diagnostic("E109", "an expression is nested too deeply", at, source, hint=hint)]) from None


@dataclass(frozen=True)
class Parsed:
    """What could be read of a text: the tree, what is wrong with the rest, the names in that rest, and the text without tabs."""

    tree: s.File
    problems: list[Diagnostic]
    torn: frozenset[str]
    source: Source


def parse_all(source: Source) -> Parsed:
    """Reads a text, or as much of it as can be read."""
    tidy, tabs = without_tabs(source)
    try:
        tree, builder = run(tidy.text if tidy.text.endswith("\n") else tidy.text + "\n")
    except (UnexpectedInput, BadIndent):
        builder = None
    if builder is not None and not builder.problems:
        assert isinstance(tree, s.File)
        return Parsed(tree, tabs, frozenset(), tidy)
    from checker.language.recover import recover  # only broken texts need it

    tree, problems, torn = recover(tidy)
    return Parsed(tree, tabs + problems, torn, tidy)


def without_tabs(source: Source) -> tuple[Source, list[Diagnostic]]:
    """The text with blanks for tabs, and an error at the first of them."""
    source = Source(source.name, source.text.removeprefix("\ufeff"))
    if "\t" not in source.text:
        return source, []
    lines = source.text.split("\n")
    number, line = next((n, x) for n, x in enumerate(lines, 1) if "\t" in x)
    column, more = line.index("\t") + 1, sum("\t" in x for x in lines) - 1
    message = "a tab" + (f" (and in {more} more line{'s' * (more > 1)})" if more else "")
    at = Span(number, column, number, column + 1)
    return Source(source.name, source.text.expandtabs(4)), [
        Diagnostic("E101", message, at, source, "blanks", "let the editor indent with 4 blanks")
    ]


def parse_expression(source: Source) -> s.Expr:
    """One expression on its own.  Raises SpecErrors."""
    from checker.language.recover import diagnose_expression

    try:
        tree, _ = run(source.text, "expr")
    except Exception as e:
        raise SpecErrors([diagnose_expression(source, e)]) from None
    assert isinstance(tree, s.Expr)
    return tree
