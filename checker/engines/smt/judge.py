"""What the solver says of single states: the terms of properties and guards, evaluated.

The terms are those of every bounded proof (`template`); so whoever compares what is said here with another engine tests them.
"""

from __future__ import annotations

from dataclasses import dataclass

import z3

from checker.core.bind import Instance
from checker.core.ir import Const
from checker.core.lower import lower
from checker.engines.smt.bits import Bit, any_of
from checker.engines.smt.expr import Expressions
from checker.engines.smt.template import Template, term
from checker.verdict import State


@dataclass(frozen=True)
class Judged:
    """`hits`: of each predicate of the program; `enabled`: of each action; `faulty`: some action runs into a spec fault."""

    hits: list[bool]
    enabled: list[bool]
    faulty: bool


class NotAState(Exception):
    """The bits of a state are none to the solver."""


class Judge:
    """Evaluates the terms of one instance.  Raises TooLarge where they cannot be written out."""

    def __init__(self, instance: Instance) -> None:
        self.template = t = Template(lower(instance))
        self.predicates, actions = len(t.program.predicates), range(len(t.program.actions))
        asked: list[Bit] = [t.predicate(p) for p in t.program.predicates]
        asked += [any_of(r.guard for r in t.rules if r.action == i) for i in actions]
        asked += [any_of(f.guard for f in t.faults)]
        self.names = [z3.Bool(f"asked {i}") for i in range(len(asked))]
        self.solver = z3.SolverFor("QF_FD")
        self.solver.add(term(t.is_state), *(n == term(a) for n, a in zip(self.names, asked, strict=True)))

    def __call__(self, state: State) -> Judged:
        """What is true in a state.  Raises NotAState."""
        bits = zip(self.template.pre.bits, self.bits(state), strict=True)
        if self.solver.check([b if on else z3.Not(b) for b, on in bits]) != z3.sat:
            raise NotAState
        model = self.solver.model()
        said = [bool(z3.is_true(model.eval(n))) for n in self.names]
        return Judged(said[: self.predicates], said[self.predicates : -1], said[-1])

    def bits(self, state: State) -> list[Bit]:
        """A plain state as the bits of the template's first."""
        here, t = Expressions({}), self.template
        return [b for v, kind in t.program.vars.items() for b in t.pre.write(v, kind, here.value(Const(kind, state[v]), {}))]
