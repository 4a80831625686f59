"""Clauses that no reachable state breaks, as they are asked for: by a state that they should exclude.

There are far too many to list.  Of what a bad state looks like (a row of literals for each choice of values) the smallest parts
are sought that no reachable state has in common with it; each, denied, is a clause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from checker.core.meaning import State
from checker.lemmas.atoms import Clause, Words, literals, prefixes
from checker.lemmas.covers import Covers, Rows
from checker.lemmas.samples import MOST_CHOICES, Bits, Grid, Judge, Tables, distinct

FIRST_STATES = 100  # of each instance, whose rows are kept from the start
MOST_FOUND = 60  # clauses of one size that are compared


class Pool:
    """The clauses that no reachable state breaks, asked for by a state that they should exclude.

    Of what reachable states look like a part is kept as rows; a clause that all these keep is looked up in all states, and what
    breaks it is kept as well."""

    def __init__(
        self, words: Words, samples: list[tuple[Judge, list[State]]], variables: int, size: int, wide: bool = False
    ) -> None:
        self.words, self.size = words, size
        self.samples = [(j, j.tables(states)) for j, states in samples]
        usable = {i for i in range(len(words.atoms)) if all(j.exprs[i] is not None for j, _ in samples)}
        grids = (Grid(t, tuple(x for x in literals(words, t) if x[0] in usable)) for t in prefixes(words, variables, wide))
        self.grids = [g for g in grids if g.wanted and all(j.choices(g.types) <= MOST_CHOICES for j, _ in samples)]
        self._rows: dict[Grid, Rows] = {}
        self.banned: set[Clause] = set()
        self._holds: set[Clause] = set()
        self.most = size * 2 + variables  # what a clause may cost

    def rows(self, grid: Grid) -> Rows:
        """What some reachable states look like."""
        if grid not in self._rows:
            some = [(j, [t[:: max(1, len(t) // FIRST_STATES)] for t in tables]) for j, tables in self.samples]
            self._rows[grid] = Rows(distinct(np.concatenate([j.rows(t, grid) for j, t in some])))
        return self._rows[grid]

    def holds(self, c: Clause, grid: Grid, columns: list[int], bad: Bits) -> bool:
        """Does no reachable state have these values in these columns, that is: break the clause?  If one does, its rows are
        kept."""
        if c in self._holds:
            return True
        found = np.concatenate([j.broken(tables, grid, columns, bad) for j, tables in self.samples])
        if len(found):
            self.rows(grid).add(distinct(found))
        else:
            self._holds.add(c)
        return not len(found)

    def against(self, judge: Tables, tables: list[Bits], late: Callable[[], None]) -> Clause | None:
        """The simplest clause that the first state of the tables breaks and no reachable one; of the simplest, one that breaks
        most of the others."""
        looks = [Look(self, judge, tables, grid) for grid in self.grids]
        for cost in range(1, self.most + 1):
            found: dict[Clause, int] = {}
            for look in looks:
                late()
                if cost > len(look.grid.types):
                    look.within(cost - len(look.grid.types), found)
            if found:
                return min(found, key=lambda c: (-found[c], self.weight(c), c.key))
        return None

    def weight(self, c: Clause) -> int:
        """How much there is to read."""
        return sum(self.words.atoms[a].pattern.cost for a, _, _ in c.literals)

    def heft(self, atom: int, sign: bool) -> int:
        """What a literal costs; more than a clause may, if it must not stand in one."""
        a = self.words.atoms[atom]
        return max(1, a.pattern.cost) if a.signs[sign] else self.most + 1


class Look:
    """Clauses of a grid that exclude a bad state, the first of those in the tables."""

    def __init__(self, pool: Pool, judge: Tables, tables: list[Bits], grid: Grid) -> None:
        self.pool, self.judge, self.tables, self.grid = pool, judge, tables, grid
        self.covers: dict[int, Covers] = {}

    @cached_property
    def bad(self) -> Bits:
        return self.judge.rows([t[:1] for t in self.tables], replace(self.grid, ordered=True))

    @cached_property
    def others(self) -> list[Bits]:
        """The rows of the other bad states."""
        return [self.judge.rows([t[k : k + 1] for t in self.tables], self.grid) for k in range(1, len(self.tables[0]))]

    def within(self, budget: int, found: dict[Clause, int]) -> None:
        """Adds those that cost no more than this, each with how many of the other states it excludes as well."""
        for k in range(len(self.bad)):
            while not self._row(k, budget, found):
                self.covers.clear()

    def _row(self, number: int, budget: int, found: dict[Clause, int]) -> bool:
        """Those against one bad row; False: reachable states were learnt on the way, and it is to be tried again."""
        row = self.bad[number]
        if number not in self.covers:
            weights = [self.pool.heft(a, not value) for (a, _), value in zip(self.grid.wanted, row.tolist(), strict=True)]
            self.covers[number] = Covers(self.pool.rows(self.grid), row, weights)
        for k, columns in enumerate(self.covers[number].within(self.pool.size, budget)):
            if k == MOST_FOUND:
                break
            at, values = list(columns), row[list(columns)]
            c = Clause(self.grid.types, tuple((*self.grid.wanted[i], not row[i]) for i in columns)).canonical
            if len(c.types) < len(self.grid.types) or c in found or c in self.pool.banned:
                continue
            if not self.pool.holds(c, self.grid, at, values):
                return False
            found[c] = sum(bool((o[:, at] == values).all(axis=1).any()) for o in self.others)
        return True
