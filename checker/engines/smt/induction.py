"""Queries of a plan, encoded for a finite instance: terms over a path of k + 1 states, answered by one incremental solver.

The first k states are good (all lemmas and invariants hold in them, and they differ from each other); what is asked is about
the last of them or about the step from it.  A query is true of no path exactly if it is proved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import z3

from checker.core.bind import Instance
from checker.core.lower import lower
from checker.engines.smt import plan as p
from checker.engines.smt.bits import Bit, all_of, any_of, both, negation, same
from checker.engines.smt.patience import check
from checker.engines.smt.plan import Answered, Plan, Query
from checker.engines.smt.template import FaultRule, Template, term

FULL = "the capacity of the network"  # what does not fit in a spec fault (core/lower.py)


class Induction:
    """The queries about one instance.  k = 1: plain induction; `full`: that a network is full is a spec fault (a proof for any
    size does not look at that)."""

    def __init__(self, instance: Instance, k: int = 1, deadlock: bool = True, full: bool = True) -> None:
        self.instance, self.k, self.full = instance, k, full
        self.template = Template(lower(instance))
        self.plan: Plan = p.plan(self.template.program, deadlock)
        t = self.template
        self._bad: dict[str, Bit] = {}
        for b in (*t.bad_states, *t.bad_steps):
            if b.property is not None:
                self._bad[b.property] = any_of([self._bad.get(b.property, False), b.when])
        self._solver: z3.Solver | None = None
        self._asked = 0

    # what a query says

    def bad(self, name: str) -> Bit:
        """The property is false, or faults."""
        return self._bad.get(name, False)

    def good(self, names: tuple[str, ...]) -> Bit:
        return all_of(negation(self.bad(n)) for n in names)

    def holds(self, name: str) -> z3.BoolRef:
        """A lemma or invariant holds in the first state."""
        return self.template.at(self.good((name,)), 0)

    def bare(self, q: Query) -> z3.BoolRef:
        """What must be impossible, of a first state of which only the bound is known (k = 1)."""
        t = self.template
        return self._impossible(replace(q, given=()), t.at(t.inside, 0))

    def condition(self, q: Query) -> z3.BoolRef:
        """What must be impossible, over the path."""
        return self._impossible(q, self.hypothesis())

    def _impossible(self, q: Query, hypothesis: z3.BoolRef) -> z3.BoolRef:
        t, last = self.template, self.k - 1
        match q.kind:
            case p.INITIALLY:
                return z3.And(t.at(t.is_initial, 0), t.at(t.inside, 0), t.at(self._of(q), 0))
            case p.IMPLIED:
                return z3.And(t.at(self.good(q.given), 0), t.at(t.inside, 0), t.at(self._of(q), 0))
            case p.PRESERVED:
                after = z3.And(t.at(t.inside, self.k), t.at(self._of(q), self.k))
                return z3.And(hypothesis, self.takes(q), after)
            case p.STEP:
                return z3.And(hypothesis, self.takes(q), t.at(self._of(q), last))
            case p.FAULT:
                return z3.And(hypothesis, t.at(any_of(f.guard for f in self.faults(q)), last))
            case p.DEFINED:
                return z3.And(hypothesis, t.at(self._of(q), last))
            case p.DEADLOCK:
                return z3.And(hypothesis, t.at(t.stuck, last))
            case p.POSSIBLE:
                guards = any_of(r.guard for r in t.rules if r.action == q.action)
                return z3.And(t.at(t.inside, 0), t.at(self.good((*self.plan.lemmas, *self.plan.invariants)), 0), t.at(guards, 0))
        raise AssertionError(q)

    def _of(self, q: Query) -> Bit:
        assert q.target is not None
        if q.kind == p.DEFINED:
            return any_of(b.when for b in self.template.bad_states if b.property == q.target)
        return self.bad(q.target)

    def hypothesis(self) -> z3.BoolRef:
        t = self.template
        good = both(t.inside, self.good((*self.plan.lemmas, *self.plan.invariants)))
        moved = [t.at(t.moves, i) for i in range(self.k - 1)]
        ordered = [t.at(all_of(t.pre.order), 0)]  # of the rows that are one and the same first state, one is enough
        return z3.And(ordered + [t.at(good, i) for i in range(self.k)] + moved + list(self._different()))

    def _different(self) -> Iterator[z3.BoolRef]:
        for i, j in combinations(range(self.k), 2):
            pairs = zip(self.template.row(i), self.template.row(j), strict=True)
            yield term(any_of(negation(same(a, b)) for a, b in pairs))

    def takes(self, q: Query) -> z3.BoolRef:
        assert q.action is not None
        return self.template.at(self.template.action(q.action), self.k - 1)

    def background(self) -> list[z3.BoolRef]:
        """What every path is: states, and steps between them."""
        t = self.template
        steps = z3.And([term(b) for b in t.relation])
        return [t.at(t.is_state, 0), *(t.at(steps, i) for i in range(self.k))]

    def faults(self, q: Query) -> Iterator[FaultRule]:
        """The ways in which an action runs into a spec fault."""
        return (f for f in self.template.faults if f.action == q.action and (self.full or not f.site.text.endswith(FULL)))

    def trivial(self, q: Query) -> bool:
        """Is there plainly nothing to ask?"""
        if q.kind == p.FAULT:
            return not any(True for _ in self.faults(q))
        return q.kind in (p.INITIALLY, p.IMPLIED, p.PRESERVED, p.STEP) and self._of(q) is False

    # answers

    def fresh(self) -> z3.Solver:
        solver = z3.SolverFor("QF_FD")
        solver.add(self.background())
        return solver

    def ask(self, q: Query, timeout: float | None = None) -> Answered:
        """Answers one query, within `timeout` seconds."""
        started = time.perf_counter()
        if self.trivial(q):
            return Answered(q, "proved", 0.0)
        self._solver = self._solver or self.fresh()
        self._asked += 1
        name = z3.Bool(f"ask {self._asked}")
        self._solver.add(z3.Implies(name, self.condition(q)))
        answer = check(self._solver, timeout or None, name)
        self._solver.add(z3.Not(name))
        status = "proved" if answer == z3.unsat else "refuted" if answer == z3.sat else "unknown"
        return Answered(q, status, time.perf_counter() - started)
