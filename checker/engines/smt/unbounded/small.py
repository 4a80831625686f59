"""What a small instance says of a query without sizes: that it is refuted, or which lemmas its proof needs there.

A finite instance is decided at once, where first-order logic may go on for ever.  If the query has a counterexample there, it has
one; if not, few of the lemmas are needed as a rule, and with these alone the proof for any size is found quickly.  The invariant:
nothing is proved here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import z3

from checker.core.bind import BindError, Instance, bind
from checker.core.operators.table import TypeMismatch
from checker.core.types import Infinite, Int
from checker.engines.smt import plan as p
from checker.engines.smt.induction import Induction
from checker.engines.smt.plan import Query
from checker.engines.smt.terms import TooLarge

SORTS, NUMBERS = 3, 2  # how large at most
SECONDS = 2.0  # for a question


@dataclass
class Small:
    """Queries about a model, asked of one of its instances made small.  `weight`: how much a lemma is in the way of a proof."""

    instance: Instance
    names: list[str]  # of the actions that queries are about
    weight: dict[str, int]

    @cached_property
    def induction(self) -> Induction | None:
        """None if there is no such instance, or it is too large."""
        model, sizes = self.instance.model, self.instance.sizes
        sorts = {s: min(SORTS, sizes[s]) for s in model.sorts}
        numbers = {n: NUMBERS for n, d in model.params.items() if isinstance(d.type, Int)}
        for more in (numbers, {}):
            try:
                return Induction(bind(model, self.instance.name, {**sizes, **sorts, **more}), deadlock=False, full=False)
            except (BindError, TypeMismatch, Infinite, TooLarge):
                continue
        return None

    def at(self, q: Query) -> Query | None:
        """The query as one about the instance."""
        if self.induction is None or q.action is None or q.action < len(self.instance.model.actions):
            return q
        name = self.names[q.action]
        found = (i for i, a in enumerate(self.induction.instance.actions) if a.name == name)
        return next((replace(q, action=i) for i in found), None)

    def refutes(self, q: Query) -> bool:
        """Is there a counterexample at this size?"""
        small = self.at(q)
        return self.induction is not None and small is not None and self.induction.ask(small, SECONDS).status == "refuted"

    def needed(self, q: Query) -> tuple[str, ...] | None:
        """The lemmas and invariants that the proof needs at this size; None: not known.  The heaviest are left out first."""
        small = self.at(q)
        if self.induction is None or small is None or q.kind not in (p.IMPLIED, p.PRESERVED, p.STEP, p.FAULT):
            return None
        given = q.given or (*self.induction.plan.lemmas, *self.induction.plan.invariants)
        solver, use = self.induction.fresh(), {n: z3.Bool(f"use {n}") for n in given}
        solver.set("timeout", int(SECONDS * 1000))
        solver.add(self.induction.bare(small))
        solver.add([z3.Implies(use[n], self.induction.holds(n)) for n in given])
        return _least(solver, use, sorted(given, key=lambda n: -self.weight[n]))


def _least(solver: z3.Solver, use: dict[str, z3.BoolRef], names: list[str]) -> tuple[str, ...] | None:
    """As few of these as make the solver's formulas impossible: none of them can be left out."""
    if solver.check([use[n] for n in names]) != z3.unsat:
        return None
    kept = names
    for n in names:
        if n not in kept:
            continue
        fewer = [m for m in kept if m != n]
        if solver.check([use[m] for m in fewer]) == z3.unsat:
            core = {x.decl().name() for x in solver.unsat_core()}
            kept = [m for m in fewer if use[m].decl().name() in core]
    return tuple(kept)
