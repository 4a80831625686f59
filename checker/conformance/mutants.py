"""Small changes of a log, each of which may or may not be a fault: one field of one line has another value, a line is missing or
there twice, two neighbours are swapped.

A field gets a value that could stand there: one that the same field has on other lines, a number one up or down, the other
truth value, a list with an item less.  Of all changes a sample is drawn, by a seed: first a line, then one of its fields,
then a place and a value, so that long lists do not outweigh everything else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from checker.conformance.lines import Line

KINDS = ("field", "drop", "duplicate", "swap")
SEEN = 64  # so many values of a field are remembered
TRIES = 20  # draws for each mutant wanted

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """One change.  `file`, `at`: which file, and which of its lines; of a changed field also where it is, and its values."""

    kind: str
    file: int
    at: int
    path: Path = ()
    old: Any = None
    new: Any = None

    @property
    def field(self) -> str:
        return named(self.path)

    @property
    def span(self) -> int:
        """How many lines it is about."""
        return 2 if self.kind == "swap" else 1

    def applied(self, lines: list[Line]) -> list[Line]:
        """What stands in place of them."""
        one = lines[self.at]
        match self.kind:
            case "drop":
                return []
            case "duplicate":
                return [one, one]
            case "swap":
                return [lines[self.at + 1], one]
        return [changed(one, self.path, self.new)]


def changed(line: Line, path: Path, value: Any) -> Line:
    """The line with another value at a place."""
    return Line(line.file, line.number, _put(line.data, path, value))


def _put(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    copy = data.copy()
    copy[path[0]] = _put(data[path[0]], path[1:], value)
    return copy


def named(path: Path) -> str:
    """A field as people write it.  The items of a list are one field; of a list in a list, which is a row, each its own."""
    text = ""
    for before, key in zip((None, *path), path, strict=False):
        if isinstance(key, int):
            text += f"[{key}]" if isinstance(before, int) else "[]"
        else:
            text += f".{key}" if text else key
    return text


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in a line that can be changed, each with its value."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from places(v, (*path, k))
        return
    if isinstance(value, list):
        for i, v in enumerate(value):
            yield from places(v, (*path, i))
    yield path, value


class Sampler:
    """Draws mutants of the lines of some files.  `skip(line)`: it says nothing of a behaviour, so it is left alone."""

    def __init__(self, files: list[list[Line]], seed: int, skip: Callable[[Line], bool]) -> None:
        self.files, self.random, self.skip = files, random.Random(seed), skip
        self.lines = [(f, i) for f, lines in enumerate(files) for i, line in enumerate(lines) if not skip(line)]
        self._seen: dict[str, dict[str, Any]] = {}
        self._lengths: dict[str, set[int]] = {}  # of lists

    def draw(self, kind: str, limit: int) -> list[Mutant]:
        """At most so many different ones, in the order of the lines."""
        if kind == "field":
            found = self._fields(limit)
        else:
            able = [x for x in self.lines if kind != "swap" or self._has_next(*x)]
            found = [Mutant(kind, f, i) for f, i in self.random.sample(able, min(limit, len(able)))]
        return sorted(found, key=lambda m: (m.file, m.at))

    def _has_next(self, f: int, i: int) -> bool:
        return i + 1 < len(self.files[f]) and not self.skip(self.files[f][i + 1])

    def _fields(self, limit: int) -> list[Mutant]:
        for f, i in self.lines:
            for path, v in places(self.files[f][i].data):
                name = named(path)
                seen = self._seen.setdefault(name, {})
                if isinstance(v, list):
                    self._lengths.setdefault(name, set()).add(len(v))
                elif len(seen) < SEEN:
                    seen.setdefault(repr(v), v)
        out: dict[str, Mutant] = {}
        for _ in range(TRIES * limit if self.lines else 0):
            m = self._field(*self.random.choice(self.lines))
            if m:
                out.setdefault(repr(m), m)
            if len(out) == limit:
                break
        return list(out.values())

    def _field(self, f: int, i: int) -> Mutant | None:
        by_name: dict[str, list[tuple[Path, Any]]] = {}
        for path, v in places(self.files[f][i].data):
            by_name.setdefault(named(path), []).append((path, v))
        if not by_name:
            return None
        path, old = self.random.choice(by_name[self.random.choice(list(by_name))])
        values = [v for v in self._others(named(path), old) if v != old or type(v) is not type(old)]
        return Mutant("field", f, i, path, old, self.random.choice(values)) if values else None

    def _others(self, field: str, old: Any) -> list[Any]:
        if old == []:
            return []
        if isinstance(old, list):
            i = self.random.randrange(len(old))
            return [old[:i] + old[i + 1 :]] if len(self._lengths[field]) > 1 else []  # always as long: rather a row
        if isinstance(old, bool):
            return [not old]
        seen = [v for v in self._seen[field].values() if v != old]
        if isinstance(old, int):
            return [*seen, old + 1, *([old - 1] if old > 0 else [])]
        if isinstance(old, str) and not seen:
            return [old + "_"]
        return seen


__all__ = ["KINDS", "Mutant", "Sampler", "changed", "named", "places"]
