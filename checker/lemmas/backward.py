"""Lemmas for a proof by induction, looked for backward from what is to be shown.

A query that has a counterexample asks for a lemma that is false before the step: a clause of few literals that the bad state
breaks and that no reachable state does.  The lemma is to be proved in turn, in the same way.  What turns out not to be provable
is banned, and whatever rested on it is asked again.  The invariant: where every query is decided, a clause is banned only if no
proof from the clauses that are left can contain it.

Who answers the queries is an Oracle: for one instance (bounded.py), or for any size (anysize.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from checker.deadline import Late
from checker.engines.smt.plan import PRESERVED, Query
from checker.lemmas.atoms import Clause
from checker.lemmas.pool import Pool
from checker.lemmas.samples import Bits, Tables

MOST_STEPS = 40  # lemmas that are tried for one query
INITIALLY = "initially"


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


Asked = tuple[str, str | None, Clause | None, str]  # the kind of query, the property or the clause, and the action, by name
Needed = dict[Asked, frozenset[Clause]]


def named(t: Target, part: str, actions: list[str]) -> Asked:
    """What is asked, given the names of the actions."""
    q = t.query
    if q is None:
        return INITIALLY if part == INITIALLY else PRESERVED, None, t.clause, "" if part == INITIALLY else part
    return q.kind, q.target, None, "" if q.action is None else actions[q.action]


class Oracle(Protocol):
    """Answers queries.  A clause has a part for every action (by name)."""

    end: float

    def goals(self) -> list[Query]:
        """What is to be shown in the end."""

    def parts(self, t: Target) -> list[str]:
        """The parts of a target, each a query of its own."""

    def asked(self, t: Target, part: str) -> Asked:
        """What is asked, in names."""

    def ask(self, t: Target, part: str, given: list[Clause]) -> frozenset[Clause] | None:
        """The clauses that were used to prove it; None: there is a counterexample.  Raises Late, Undecided."""

    def bad(self) -> tuple[Tables, list[Bits]]:
        """The state before in the last counterexample, and perhaps in others of the same query."""


@dataclass
class Backward:
    """One search.  `proved`: for each target and part the clauses that were needed; `start`: clauses to begin with; `hints`: the
    clauses that were needed elsewhere, by what is asked and of which action."""

    oracle: Oracle
    pool: Pool
    tried: Tried
    start: list[Clause] = field(default_factory=list)
    hints: Needed = field(default_factory=dict)
    proved: dict[tuple[Target, str], frozenset[Clause]] = field(default_factory=dict)

    def run(self) -> list[Clause] | None:
        """Lemmas with which everything is proved by induction; None: there are none among the clauses.  Raises Late."""
        while True:
            needed, failed = self._closed(None)
            if failed is None:
                return needed if self.start else self._fewest(needed)  # to begin with there were no more than needed
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
        if self._as_before(t, part, set(given)):
            return self.proved[t, part]
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

    def _as_before(self, t: Target, part: str, given: set[Clause]) -> bool:
        """Is it proved with what was needed elsewhere?"""
        hint = self.hints.get(self.oracle.asked(t, part))
        if hint is None or not hint <= given:
            return False
        try:
            core = self.oracle.ask(t, part, sorted(hint, key=lambda c: c.key))
        except Undecided:
            return False
        if core is not None:
            self.proved[t, part] = core
        return core is not None

    def needed(self) -> Needed:
        """The clauses that were needed, as hints."""
        return {self.oracle.asked(t, part): core for (t, part), core in self.proved.items()}

    def _another(self) -> Clause | None:
        """A clause that excludes the last counterexample."""
        self.tried.bad += 1
        return self.pool.against(*self.oracle.bad(), self._late)

    def _late(self) -> None:
        if time.perf_counter() > self.oracle.end:
            raise Late
