"""Queries about one instance, with clauses as hypotheses: bit by bit, by one incremental solver."""

from __future__ import annotations

import time
from functools import cached_property
from itertools import product

import z3

from checker.core.bind import Instance
from checker.core.meaning import State
from checker.core.types import Value
from checker.deadline import Late
from checker.engines.smt import plan as p
from checker.engines.smt.bits import Bit, all_of, any_of, negation
from checker.engines.smt.expr import Expressions
from checker.engines.smt.induction import Induction
from checker.engines.smt.plan import Query
from checker.lemmas.atoms import Clause, Words
from checker.lemmas.backward import Asked, Needed, Target, named
from checker.lemmas.samples import Bits, Judge, Tables

SAME = 6  # bad states of one query that are looked at together


class Bounded:
    """An oracle (backward.py) for one instance."""

    def __init__(self, instance: Instance, words: Words, judge: Judge, deadlock: bool, end: float, full: bool = True) -> None:
        self.words, self.judge, self.end = words, judge, end
        self.induction = Induction(instance, 1, deadlock, full)
        self.actions = {n: i for i, n in enumerate(p.distinct(instance.actions))}
        self._here = Expressions(self.induction.template.pre.state)
        self._atoms: dict[tuple[int, tuple[Value, ...]], Bit] = {}
        self._names: dict[Clause, z3.BoolRef] = {}
        self._asked: dict[tuple[Target, str], z3.BoolRef] = {}
        self._states: list[State] = []
        self._last: tuple[Target, str] | None = None

    def goals(self) -> list[Query]:
        rest = self.induction.plan.rest(frozenset())
        return [q for q in rest if q.kind not in (p.POSSIBLE, p.INITIALLY) and not self.induction.trivial(q)]

    def parts(self, t: Target) -> list[str]:
        return [""] if t.query else list(self.actions)

    def asked(self, t: Target, part: str) -> Asked:
        return named(t, part, list(self.actions))

    def ask(self, t: Target, part: str, given: list[Clause]) -> frozenset[Clause] | None:
        left = self.end - time.perf_counter()
        if left <= 0:
            raise Late
        self._solver.set("timeout", max(1, int(1000 * left)))
        names = {self._named(c).get_id(): c for c in given}
        answer = self._solver.check(self._goal(t, part), *(self._named(c) for c in given))
        if answer == z3.unknown:
            if "keyboard" in self._solver.reason_unknown():
                raise KeyboardInterrupt
            raise Late
        if answer == z3.sat:
            state = self.induction.template.state(self._solver.model(), 0)
            self._states = [state, *(self._states if self._last == (t, part) else [])][:SAME]
            self._last = t, part
            return None
        core = {x.get_id() for x in self._solver.unsat_core()}
        return frozenset(c for i, c in names.items() if i in core)

    def implied(self, clauses: list[Clause]) -> Needed:
        """The invariants that follow from these clauses and each other in one state, each with the clauses that it needs."""
        found: Needed = {}
        for name in self.induction.plan.invariants:
            t = Target(query=self.induction.plan.implied(name, frozenset(q or "" for _, q, _, _ in found)))
            core = self.ask(t, "", clauses)
            if core is not None:
                found[self.asked(t, "")] = self._least(t, core)
        return found

    def _least(self, t: Target, core: frozenset[Clause]) -> frozenset[Clause]:
        """The same without clauses that are not needed."""
        for c in sorted(core, key=lambda c: c.key):
            fewer = self.ask(t, "", [x for x in core if x != c]) if c in core else None
            core = core if fewer is None else fewer
        return core

    def bad(self) -> tuple[Tables, list[Bits]]:
        return self.judge, self.judge.tables(self._states)

    # the solver

    @cached_property
    def _solver(self) -> z3.Solver:
        return self.induction.fresh()

    def _named(self, c: Clause) -> z3.BoolRef:
        """A literal that implies the clause in the state before."""
        if c not in self._names:
            self._names[c] = z3.Bool(f"clause {len(self._names)}")
            self._solver.add(z3.Implies(self._names[c], self.induction.template.at(self.bit(c), 0)))
        return self._names[c]

    def _goal(self, t: Target, part: str) -> z3.BoolRef:
        """A literal that implies what must be impossible."""
        if (t, part) not in self._asked:
            name = self._asked[t, part] = z3.Bool(f"goal {len(self._asked)}")
            self._solver.add(z3.Implies(name, self.induction.condition(t.query) if t.query else self._broken(t, part)))
        return self._asked[t, part]

    def _broken(self, t: Target, action: str) -> z3.BoolRef:
        """The action makes the clause false."""
        assert t.clause
        template, bit = self.induction.template, self.bit(t.clause)
        step = Query(p.PRESERVED, None, self.actions[action])
        after = z3.And(template.at(template.inside, 1), template.at(negation(bit), 1))
        return z3.And(self.induction.hypothesis(), template.at(bit, 0), self.induction.takes(step), after)

    def bit(self, c: Clause) -> Bit:
        """The clause, about the state before."""
        domains = self.judge.domains_of(c.types)
        return all_of(
            any_of(self._literal(a, tuple(xs[v] for v in vs), sign) for a, vs, sign in c.literals) for xs in product(*domains)
        )

    def _literal(self, a: int, xs: tuple[Value, ...], sign: bool) -> Bit:
        if (a, xs) not in self._atoms:
            e, types = self.judge.exprs[a], self.judge.types[a]
            assert e is not None
            env = {n: self._here.constant(t, x) for (n, t), x in zip(types.items(), xs, strict=True)}
            self._atoms[a, xs] = self._here.value(self.judge.low.total(e), env)
        bit = self._atoms[a, xs]
        return bit if sign else negation(bit)
