"""Histories as Jepsen keeps them: EDN (history.edn: maps, one after the other or in a vector) and the columns of history.txt.

As JSON: keywords and symbols are texts, without the colon; lists, vectors and sets are lists; a tag is left out.  Each form
comes with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

TOKEN = re.compile(
    r"""(?P<space>[\s,]+|;[^\n]*|\#_\S+) | (?P<open>\#\{|[\[({]) | (?P<close>[\])}]) | (?P<text>"(?:[^"\\]|\\.)*") """
    r"""| (?P<tag>\#[^\s"(\[{}\])]*) | (?P<char>\\\S\w*) | (?P<atom>[^\s,;"()\[\]{}\\]+)""",
    re.VERBOSE,
)
NUMBER = re.compile(r"[-+]?\d+[NM]?$|[-+]?\d+/\d+$|[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?M?$")
WORDS = {"nil": None, "true": True, "false": False}
COLUMNS = re.compile(r"(?:^|.*?\s)(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)(?:\s+(.*))?$")


MOST = 4300  # digits; what has more is no number to Python


class NotEdn(Exception):
    """Text that is no EDN.  `line`: where."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def forms(text: str) -> Iterator[tuple[int, Any]]:
    """The forms of a text, each with its line; of a single vector its items.  Raises NotEdn."""
    found = list(_items(_tokens(text), None))
    if len(found) == 1 and isinstance(found[0][1], _List):
        yield from found[0][1].items
    else:
        yield from found


def columns(text: str) -> Iterator[tuple[int, Any]]:
    """The lines of `process  :type  :f  value`, whatever a logger wrote before them."""
    for n, line in enumerate(text.split("\n"), 1):
        m = COLUMNS.match(line)
        if m:
            rest = [x for _, x in _items(_tokens(m[4] or ""), None)]
            value = plain(rest[0]) if rest else None
            yield n, {"process": _atom(m[1]), "type": m[2], "f": m[3], "value": value}


class _List:
    """A list in the making; it still knows the lines of its items."""

    def __init__(self, items: list[tuple[int, Any]]) -> None:
        self.items = items


def plain(x: Any) -> Any:
    """A form as JSON."""
    if isinstance(x, _List):
        return [plain(y) for _, y in x.items]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return x


def _tokens(text: str) -> Iterator[tuple[int, str, str]]:
    at, line = 0, 1
    while at < len(text):
        m = TOKEN.match(text, at)
        if m is None:
            raise NotEdn(line, f"`{text[at : at + 20]}`")
        kind = str(m.lastgroup)
        if kind not in ("space", "tag"):
            yield line, kind, m[0]
        line += m[0].count("\n")
        at = m.end()


def _items(tokens: Iterator[tuple[int, str, str]], close: str | None) -> Iterator[tuple[int, Any]]:
    """The forms up to a bracket, or to the end."""
    line = 1
    for line, kind, text in tokens:
        if kind == "close":
            if text != close:
                raise NotEdn(line, f"`{text}` closes nothing")
            return
        yield line, _form(line, kind, text, tokens)
    if close:
        raise NotEdn(line, f"`{close}` is missing")


def _form(line: int, kind: str, text: str, tokens: Iterator[tuple[int, str, str]]) -> Any:
    match kind:
        case "text":
            try:
                return json.loads(text.replace("\n", "\\n"))
            except ValueError:
                return text[1:-1]
        case "char":
            return text[1:]
        case "atom":
            return _atom(text)
    items = list(_items(tokens, {"{": "}", "#{": "}", "[": "]", "(": ")"}[text]))
    if text != "{":
        return _List(items)
    if len(items) % 2:
        raise NotEdn(line, "a map has a key without a value")
    return {str(plain(k)): v for (_, k), (_, v) in zip(items[::2], items[1::2], strict=True)}


def _atom(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    if NUMBER.match(text) and len(text) < MOST:
        digits = text.rstrip("NM")
        return int(digits) if re.fullmatch(r"[-+]?\d+", digits) else digits if "/" in digits else float(digits)
    return text.lstrip(":")
