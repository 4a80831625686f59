"""Smallest sets of columns in which a row differs from every one of many others.

A row is what a bad state looks like, the others are what reachable states look like; a set of literals that the bad row has and
no other row has all of is, denied, a lemma that excludes the bad state.  Each other row must be told apart by some column of the
set: a cover.  The search branches on the row that is hardest to tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from checker.lemmas.samples import Bits


class Rows:
    """Rows that grow in number; also packed, and each column as the bits of a number."""

    def __init__(self, rows: Bits) -> None:
        self._add(rows)

    def add(self, more: Bits) -> None:
        self._add(np.concatenate([self.rows, more]))

    def _add(self, rows: Bits) -> None:
        self.rows, self.packed = rows, packed(rows)
        self.all = (1 << len(rows)) - 1
        self._columns: list[int] | None = None

    @property
    def columns(self) -> list[int]:
        if self._columns is None:
            self._columns = [bits(c) for c in self.rows.T]
        return self._columns


ONES = np.array([n.bit_count() for n in range(1 << 16)], dtype=np.uint8)


def packed(rows: Bits) -> NDArray[np.uint16]:
    """Each row as numbers below the length of ONES."""
    found = np.packbits(rows, axis=1)
    wide = np.zeros((len(rows), (found.shape[1] + 1) // 2 * 2), dtype=np.uint8)
    wide[:, : found.shape[1]] = found
    return wide.view(np.uint16)


def bits(column: Bits) -> int:
    """A column as a number: row i is bit i."""
    return int.from_bytes(np.packbits(column, bitorder="little").tobytes(), "little")


class Covers:
    """Covers for one bad row.  `weights`: what each column costs."""

    def __init__(self, reached: Rows, bad: Bits, weights: list[int]) -> None:
        self.reached, self.bad, self.weights = reached, bad, weights
        self.counts = ONES[reached.packed ^ packed(bad[None, :])].sum(axis=1, dtype=np.int64)
        self.levels = np.flatnonzero(np.bincount(self.counts)).tolist()  # in how many columns rows differ
        self.possible = 0 not in self.levels
        self._masks: list[int] = []

    @cached_property
    def columns(self) -> list[int]:
        """For each column the rows that differ from the bad one there."""
        return [self.reached.all ^ c if b else c for c, b in zip(self.reached.columns, self.bad.tolist(), strict=True)]

    def _mask(self, k: int) -> int:
        """The rows of a level."""
        while len(self._masks) <= k:
            self._masks.append(bits(self.counts == self.levels[len(self._masks)]))
        return self._masks[k]

    def within(self, most: int, budget: int) -> Iterator[tuple[int, ...]]:
        """Covers of at most so many columns that cost no more than this."""
        if self.possible:
            yield from self._grow(self.reached.all, (), most, budget, frozenset())

    def _grow(
        self, left: int, chosen: tuple[int, ...], most: int, budget: int, without: frozenset[int]
    ) -> Iterator[tuple[int, ...]]:
        if not left:
            yield chosen
            return
        if not most or budget < 1:
            return
        for c in np.flatnonzero(self.reached.rows[self._hardest(left)] != self.bad).tolist():
            if c not in without and self.weights[c] <= budget:
                rest = left & ~self.columns[c]
                if not rest or most > 1:
                    yield from self._grow(rest, (*chosen, c), most - 1, budget - self.weights[c], without)
                without = without | {c}

    def _hardest(self, left: int) -> int:
        """The row that the fewest columns tell apart."""
        here = next(x for k in range(len(self.levels)) if (x := left & self._mask(k)))
        return (here & -here).bit_length() - 1


__all__ = ["Covers", "Rows"]
