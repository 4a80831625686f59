"""What the solver says of single states: the terms of properties and guards, evaluated.

The terms are those of every bounded proof (`template`); so whoever compares what is said here with another engine tests them.
"""

from __future__ import annotations

from dataclasses import dataclass

import z3

from checker.core.bind import Instance
from checker.core.ir import Const
from checker.core.lower import lower
from checker.deadline import Late, left, until
from checker.engines.smt.bits import Bit, any_of
from checker.engines.smt.expr import Expressions
from checker.engines.smt.template import Template, term
from checker.verdict import State


@dataclass(frozen=True)
class Judged:
    """`hits`: of each predicate of the program that was written; `enabled`: of each action; `faulty`: some action runs into a
    spec fault."""

    hits: list[bool]
    enabled: list[bool]
    faulty: bool


class NotAState(Exception):
    """The bits of a state are none to the solver."""


class Judge:
    """Evaluates the terms of one instance: those that are written by `end`, properties first, and of actions all or none.  Raises
    TooLarge where they cannot be written out."""

    def __init__(self, instance: Instance, end: float | None = None) -> None:
        self.template = t = Template(lower(instance))
        asked: list[Bit] = []
        self.predicates = 0  # how many of them have been written
        try:
            with until(end):
                for p in t.program.predicates:
                    asked.append(t.predicate(p))
                    self.predicates = len(asked)
                guards = [any_of(r.guard for r in t.rules if r.action == i) for i in range(len(t.program.actions))]
                asked += [*guards, any_of(f.guard for f in t.faults)]
        except Late:
            del asked[self.predicates :]
        self.actions = max(0, len(asked) - self.predicates - 1)
        self.names = [z3.Bool(f"asked {i}") for i in range(len(asked))]
        self.solver = z3.SolverFor("QF_FD")
        self.solver.add(term(t.is_state), *(n == term(a) for n, a in zip(self.names, asked, strict=True)))

    def __call__(self, state: State, end: float | None = None) -> Judged:
        """What is true in a state.  Raises NotAState; Late, if that is not known at `end`."""
        bits = zip(self.template.pre.bits, self.bits(state), strict=True)
        if end is not None:
            self.solver.set("timeout", max(1, int(1000 * left(end))))
        answer = self.solver.check([b if on else z3.Not(b) for b, on in bits])
        if answer == z3.unknown:
            if "keyboard" in self.solver.reason_unknown():
                raise KeyboardInterrupt
            raise Late
        if answer == z3.unsat:
            raise NotAState
        model = self.solver.model()
        said = [bool(z3.is_true(model.eval(n))) for n in self.names]
        return Judged(said[: self.predicates], said[self.predicates : -1], any(said[self.predicates :][-1:]))

    def bits(self, state: State) -> list[Bit]:
        """A plain state as the bits of the template's first."""
        here, t = Expressions({}), self.template
        return [b for v, kind in t.program.vars.items() for b in t.pre.write(v, kind, here.value(Const(kind, state[v]), {}))]
