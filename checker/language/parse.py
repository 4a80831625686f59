"""Text to syntax tree.  A text that parses as a whole takes the short way; any other goes to recover.py, which finds all that is wrong."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from lark import Lark

from checker.errors import Diagnostic, SpecErrors
from checker.language import syntax as s
from checker.language.build import Builder
from checker.language.layout import Layout
from checker.source import Source

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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        pass  # then it is made anew every time
    return folder / "grammar.tables"


def run(text: str, start: str = "start") -> tuple[s.File | s.Expr, Builder]:
    """Parses a whole text; the builder holds the problems the grammar cannot say.  Raises UnexpectedInput, BadIndent."""
    CALLBACKS.builder = builder = Builder()
    return parser().parse(text, start=start), builder  # type: ignore[return-value]


def parse(source: Source) -> s.File:
    """The syntax tree of a text.  Raises SpecErrors."""
    tree, problems, _ = parse_all(source)
    if problems:
        raise SpecErrors(problems)
    return tree


def parse_all(source: Source) -> tuple[s.File, list[Diagnostic], frozenset[str]]:
    """The tree of what can be read, everything wrong with the rest, and the names that occur in that rest."""
    from checker.language.recover import recover

    text = source.text if source.text.endswith("\n") else source.text + "\n"
    if "\t" not in text:
        try:
            tree, builder = run(text)
            if not builder.problems:
                assert isinstance(tree, s.File)
                return tree, [], frozenset()
        except Exception as e:  # whatever it is, recover finds it again, piece by piece
            from lark.exceptions import UnexpectedInput

            from checker.language.layout import BadIndent

            if not isinstance(e, UnexpectedInput | BadIndent):
                raise
    return recover(source)


def parse_expression(source: Source) -> s.Expr:
    """One expression on its own.  Raises SpecErrors."""
    from checker.language.recover import diagnose_expression

    try:
        tree, builder = run(source.text, "expr")
    except Exception as e:
        raise SpecErrors([diagnose_expression(source, e)]) from None
    assert isinstance(tree, s.Expr)
    return tree
