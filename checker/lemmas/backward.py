"""Lemmas for a proof by induction, looked for backward from what is to be shown.

A query that has a counterexample asks for a lemma that is false before the step: a clause of few literals that the bad state
breaks and that no reachable state does.  The lemma is to be proved in turn, in the same way.  What turns out not to be provable
is banned, and whatever rested on it is asked again.  The invariant: where every query is decided, a clause is banned only if no
proof from the clauses that are left can contain it.

Who answers the queries is an Oracle: for one instance (bounded.py), or for any size (anysize.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from checker.engines.smt.plan import Query
from checker.lemmas.atoms import Clause
from checker.lemmas.pool import Pool
from checker.lemmas.samples import Bits, Tables

MOST_STEPS = 40  # lemmas that are tried for one query
INITIALLY = "initially"


class Late(Exception):
    """The time is over."""


class Undecided(Exception):
    """The solver does not know, or cannot show what is wrong."""


@dataclass
class Tried:
    """What was looked at."""

    states: int = 0
    atoms: int = 0
    bad: int = 0  # states that lemmas were looked for against
    banned: int = 0
    variables: int = 0
    literals: int = 0


@dataclass(frozen=True)
class Target:
    """What is to be proved: a clause, or what a query of the plan asks."""

    query: Query | None = None
    clause: Clause | None = None


class Oracle(Protocol):
    """Answers queries.  A clause has a part for every action (by name)."""

    end: float

    def goals(self) -> list[Query]:
        """What is to be shown in the end."""

    def parts(self, t: Target) -> list[str]:
        """The parts of a target, each a query of its own."""

    def ask(self, t: Target, part: str, given: list[Clause]) -> frozenset[Clause] | None:
        """The clauses that were used to prove it; None: there is a counterexample.  Raises Late, Undecided."""

    def bad(self) -> tuple[Tables, list[Bits]]:
        """The state before in the last counterexample, and perhaps in others of the same query."""


@dataclass
class Backward:
    """One search.  `proved`: for each target and part the clauses that were needed; `start`: clauses to begin with."""

    oracle: Oracle
    pool: Pool
    tried: Tried
    start: list[Clause] = field(default_factory=list)
    proved: dict[tuple[Target, str], frozenset[Clause]] = field(default_factory=dict)

    def run(self) -> list[Clause] | None:
        """Lemmas with which everything is proved by induction; None: there are none among the clauses.  Raises Late."""
        while True:
            needed, failed = self._closed(None)
            if failed is None:
                return self._fewest(needed)
            if failed.clause is None:
                return None
            self.ban(failed.clause)

    def ban(self, c: Clause) -> None:
        """Never to be used again."""
        self.pool.banned.add(c)
        self.tried.banned += 1
        self.start = [x for x in self.start if x != c]
        self.proved = {k: needed for k, needed in self.proved.items() if c not in needed and k[0].clause != c}

    def _fewest(self, found: list[Clause]) -> list[Clause]:
        """The same without those that are not needed after all, the longest first."""
        for c in sorted(found, key=lambda c: (-self.pool.weight(c) - len(c.types), c.key)):
            if c in found:
                kept, failed = self._closed([x for x in found if x != c])
                found = kept if failed is None else found
        self._closed(found)  # `proved` then speaks of these
        return found

    def _closed(self, allowed: list[Clause] | None) -> tuple[list[Clause], Target | None]:
        """The clauses that the goals need, those that these need, and so on; or the first target that cannot be proved.
        `allowed`: no others may be used."""
        todo = [Target(query=q) for q in self.oracle.goals()]
        seen = dict.fromkeys(todo)
        while todo:
            target = todo.pop(0)
            for part in self.oracle.parts(target):
                known = [t.clause for t in seen if t.clause]
                needed = self._discharge(target, part, known, allowed)
                if needed is None:
                    return [], target
                for c in sorted(needed.difference(known), key=lambda c: c.key):
                    todo.append(Target(clause=c))
                    seen[todo[-1]] = None
        return [t.clause for t in seen if t.clause], None

    def _discharge(self, t: Target, part: str, known: list[Clause], allowed: list[Clause] | None) -> frozenset[Clause] | None:
        """The clauses that are needed for one query, as far as possible among those that are known; None: no clauses do."""
        old = self.proved.get((t, part))
        if old is not None and (allowed is None or old <= set(allowed)):
            return old
        given = list(dict.fromkeys([*known, *self.start])) if allowed is None else allowed
        try:
            for _ in range(MOST_STEPS):
                core = self.oracle.ask(t, part, given)
                if core is not None:
                    self.proved[t, part] = core
                    return core
                c = self._another() if allowed is None else None
                if c is None or c in given:
                    return None
                given = [*given, c]
        except Undecided:
            pass
        return None

    def _another(self) -> Clause | None:
        """A clause that excludes the last counterexample."""
        self.tried.bad += 1
        return self.pool.against(*self.oracle.bad(), self._late)

    def _late(self) -> None:
        if time.perf_counter() > self.oracle.end:
            raise Late

    def lemmas(self) -> Iterable[Clause]:
        """Every clause that something was proved with."""
        return dict.fromkeys(c for core in self.proved.values() for c in core)
