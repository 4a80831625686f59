"""The messages of a record that somebody may still receive, by their ids: there may be millions.

An id is NODE.START.NUMBER, and a node numbers its messages one after the other from each of its starts on: so of each start there
are rows, and neither ids nor objects for them.  What was sent often is there once.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from checker.core.types import Value

Payload = tuple[Value, ...]  # the fields of a message, without whom it is for and from
FEW = 1000  # messages that are looked through for an equal one


class Posted(NamedTuple):
    """A message, from one node to another, and the vector clock with which it was sent."""

    source: str
    target: str
    message: str
    payload: Payload
    clock: dict[str, int]


@dataclass(slots=True, eq=False)
class Rows:
    """What one start of a node has sent, by number: the payload (None: it is no more on its way), which message it is to whom,
    and all clocks, one after the other."""

    payloads: list[Payload | None] = field(default_factory=list)
    kinds: array[int] = field(default_factory=lambda: array("L"))
    clocks: array[int] = field(default_factory=lambda: array("q"))

    def copy(self) -> Rows:
        return Rows(self.payloads[:], self.kinds[:], self.clocks[:])

    def __eq__(self, other: object) -> bool:
        """Are the same messages there?  (The clocks follow from those of the nodes.)"""
        return isinstance(other, Rows) and self.kinds == other.kinds and self.payloads == other.payloads


class Post:
    """The messages that were sent by some nodes, but for those that were taken out."""

    def __init__(self, nodes: Iterable[str]) -> None:
        self.nodes = list(nodes)
        self.packed = f"{len(self.nodes)}q"
        self.rows: dict[str, Rows] = {}  # NODE.START → what it has sent
        self.kinds: dict[tuple[str, str], int] = {}  # (message, target) → its number
        self.named: list[tuple[str, str]] = []  # the same, by number
        self.recent: dict[tuple[str, Payload], Payload] = {}

    def copy(self) -> Post:
        """Another one with the same messages."""
        other = Post(self.nodes)
        other.rows = {k: r.copy() for k, r in self.rows.items()}
        other.kinds, other.named = self.kinds, self.named
        return other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Post) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]

    def _at(self, mid: str) -> tuple[str, int]:
        """Of which start it is, and the place in its rows; -1 if there is none."""
        start, _, number = mid.rpartition(".")
        rows = self.rows.get(start)
        i = int(number) if rows and number.isdecimal() and len(number) < 20 else 0
        return start, i - 1 if rows and i <= len(rows.payloads) and str(i) == number else -1

    def get(self, mid: str) -> Posted | None:
        """The message with this id, None if there is none."""
        start, i = self._at(mid)
        if i < 0 or (payload := (rows := self.rows[start]).payloads[i]) is None:
            return None
        message, target = self.named[rows.kinds[i]]
        n = len(self.nodes)
        clock = {name: k for name, k in zip(self.nodes, rows.clocks[i * n : i * n + n], strict=True) if k}
        return Posted(start.rpartition(".")[0], target, message, payload, clock)

    def add(self, mid: str, target: str, message: str, payload: Payload, clock: bytes) -> None:
        """One more: its id comes right after that of the last one of its start.  `clock`: packed, as `pack` does."""
        start = mid.rpartition(".")[0]
        rows = self.rows.get(start) or self.rows.setdefault(start, Rows())
        if len(self.recent) >= FEW:
            self.recent.clear()
        rows.payloads.append(self.recent.setdefault((message, payload), payload))
        kind = self.kinds.get((message, target))
        if kind is None:
            kind = self.kinds[message, target] = len(self.kinds)
            self.named.append((message, target))
        rows.kinds.append(kind)
        rows.clocks.frombytes(clock)

    def pack(self, clock: Any) -> bytes:
        """A vector clock for `add`; one that is none is empty."""
        try:
            return struct.pack(self.packed, *[clock.get(n, 0) for n in self.nodes])
        except (AttributeError, struct.error):
            return bytes(struct.calcsize(self.packed))

    def remove(self, mid: str) -> None:
        """It is no more on its way."""
        start, i = self._at(mid)
        self.rows[start].payloads[i] = None


__all__ = ["Payload", "Post", "Posted"]
