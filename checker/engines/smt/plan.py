"""What a proof by induction asks: one query for each action and lemma, and what each of them means.

A query says what must be impossible, in terms of names alone; how it is encoded and who answers it is decided elsewhere.  All
lemmas and invariants together are the hypothesis: what is asked of one may assume all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from checker.core.lower import Program

INITIALLY, IMPLIED, PRESERVED, STEP, FAULT, DEFINED, DEADLOCK, POSSIBLE = (
    "initially",  # can a lemma be false at the start?
    "implied",  # can an invariant be false where the others and the lemmas hold?
    "preserved",  # can an action make a lemma false?
    "step",  # can an action break a step property?
    "fault",  # can an action run into a spec fault?
    "defined",  # can a `reachable` property, the bound or `terminal` fault?
    "deadlock",  # can there be nothing to do?
    "possible",  # can an action happen at all?  (the one that should be so)
)


@dataclass(frozen=True)
class Query:
    """`target`: the property, if it is about one; `action`: its index in the program; `given`: what may be assumed, if that
    is not everything."""

    kind: str
    target: str | None = None
    action: int | None = None
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """status: "proved" (impossible) | "refuted" (possible) | "unknown"."""

    query: Query
    status: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """The queries of one program.  `lemmas`: what is declared to help; `invariants`: what is to be shown."""

    lemmas: tuple[str, ...]
    invariants: tuple[str, ...]
    steps: tuple[str, ...]
    partial: tuple[str, ...]
    actions: tuple[int, ...]
    deadlock: bool

    def implied(self, invariant: str, before: frozenset[str]) -> Query:
        """Is it implied by all others, but for those that were found to be implied before?  Then nothing else need be asked
        of it.  (Each is implied by what is left in the end: take them back in the opposite order.)"""
        given = tuple(n for n in (*self.lemmas, *self.invariants) if n != invariant and n not in before)
        return Query(IMPLIED, invariant, None, given)

    def rest(self, implied: frozenset[str]) -> list[Query]:
        """Everything else, given the invariants that are implied."""
        names = [n for n in (*self.lemmas, *self.invariants) if n not in implied]
        found = [Query(INITIALLY, n) for n in names]
        found += [Query(PRESERVED, n, a) for n in names for a in self.actions]
        found += [Query(STEP, n, a) for n in self.steps for a in self.actions]
        found += [Query(FAULT, None, a) for a in self.actions]
        found += [Query(DEFINED, n) for n in self.partial]
        found += [Query(DEADLOCK)] * self.deadlock
        return found + [Query(POSSIBLE, None, a) for a in self.actions]


class Named(Protocol):
    """An action, as far as it is told from others."""

    @property
    def name(self) -> str: ...
    @property
    def process(self) -> str | None: ...


def distinct(actions: Sequence[Named]) -> list[str]:
    """A name for each action that no other has: two processes may handle the same message, one may do so twice."""
    taken = Counter(a.name for a in actions)
    names = [f"{a.process}: {a.name}" if taken[a.name] > 1 and a.process else a.name for a in actions]
    taken, seen = Counter(names), Counter[str]()
    for i, n in enumerate(names):
        if taken[n] > 1:
            seen[n] += 1
            names[i] = f"{n} ({seen[n]})"
    return names


def plan(program: Program, deadlock: bool) -> Plan:
    """What to ask about a program."""

    def names(kind: str) -> tuple[str, ...]:
        return tuple(p.name for p in program.instance.properties if p.kind == kind)

    judged = {*names("lemma"), *names("invariant")}
    partial = tuple(p.name for p in program.predicates if p.kind == "fault" and p.name not in judged)
    return Plan(names("lemma"), names("invariant"), names("step"), partial, tuple(range(len(program.actions))), deadlock)
