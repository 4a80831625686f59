"""A counterexample to induction: the smallest one, as states of the spec, replayed by the definition.

Smallest: first as few facts as possible in the state before (elements of sets, options that are there, booleans that are
true), then the first cases.  The invariant: what leaves here satisfies all lemmas and invariants by `meaning`, and then
breaks what it is said to break.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import z3

from checker.core.bind import Instance
from checker.core.model import Property
from checker.engines.replay import Disagreement, faults, is_stuck, judged, steps
from checker.engines.smt import plan as p
from checker.engines.smt.cells import FACT
from checker.engines.smt.induction import Induction
from checker.engines.smt.plan import Query
from checker.verdict import Trace


@dataclass(frozen=True)
class Cti:
    """`trace` starts in a state in which all lemmas and invariants hold; `minimal`: no fewer facts would do."""

    query: Query
    trace: Trace
    minimal: bool
    fault: tuple[str, str] | None = None  # text and place, if that is what happens


class Minimiser:
    """Looks for the smallest model of one refuted query."""

    def __init__(self, induction: Induction, query: Query, seconds: float) -> None:
        self.induction, self.query = induction, query
        self.end = time.perf_counter() + seconds
        self.solver = induction.fresh()
        self.solver.add(induction.condition(query))
        t = induction.template
        self.row = t.row(0)
        self.facts = [b for b, kind in zip(self.row, t.pre.kinds, strict=True) if kind == FACT]
        self.others = [b for b, kind in zip(self.row, t.pre.kinds, strict=True) if kind != FACT]
        self.model: z3.ModelRef | None = None

    def smallest(self) -> tuple[z3.ModelRef | None, bool]:
        """A model, and whether it is known to be a smallest one.  None: the solver found none in time."""
        if not self._sat():
            return None, False
        minimal = self._fewest() and self._first(self.facts) and self._first(self.others)
        minimal = minimal and self._first(self.induction.template.selected(self.induction.k - 1))
        return self.model, minimal

    def _sat(self, *more: z3.BoolRef) -> bool | None:
        left = self.end - time.perf_counter()
        if left <= 0:
            return None
        self.solver.set("timeout", max(1, int(left * 1000)))
        answer = self.solver.check(*more)
        if answer == z3.unknown and "keyboard" in self.solver.reason_unknown():
            raise KeyboardInterrupt
        if answer == z3.sat:
            self.model = self.solver.model()
        return None if answer == z3.unknown else bool(answer == z3.sat)

    def _true(self, b: z3.BoolRef) -> bool:
        assert self.model is not None
        return bool(z3.is_true(self.model.eval(b, model_completion=True)))

    def _fewest(self) -> bool:
        """As few facts as possible; the solver then knows how many."""
        while n := sum(map(self._true, self.facts)):
            fewer = z3.Bool(f"fewer than {n}")
            self.solver.add(z3.Implies(fewer, z3.PbLe([(b, 1) for b in self.facts], n - 1)))
            answer = self._sat(fewer)
            if answer is None:
                return False
            if not answer:
                self.solver.add(z3.PbLe([(b, 1) for b in self.facts], n))
                return True
        self.solver.add([z3.Not(b) for b in self.facts])
        return True

    def _first(self, bits: list[z3.BoolRef]) -> bool:
        """From the last bit to the first, each false if that can be: what is true then comes as early as it can."""
        for b in reversed(bits):
            answer = not self._true(b) or self._sat(z3.Not(b))
            if answer is None:
                return False
            self.solver.add(z3.Not(b) if answer else b)
        return True


def find(induction: Induction, query: Query, seconds: float = 10.0) -> Cti | None:
    """The smallest counterexample that can be found in this time.  Raises Disagreement (a bug)."""
    model, minimal = Minimiser(induction, query, seconds).smallest()
    if model is None:
        return None
    t, k = induction.template, induction.k
    last = {p.INITIALLY: 0, p.IMPLIED: 0, p.PRESERVED: k, p.STEP: k}.get(query.kind, k - 1)
    states = [t.state(model, i) for i in range(last + 1)]
    chosen = [[r.action for r, s in zip(t.rules, t.selected(i), strict=True) if z3.is_true(model.eval(s))] for i in range(last)]
    trace = steps(induction.instance, states, [c[0] for c in chosen])
    return _replayed(induction, Cti(query, trace, minimal))


def _replayed(induction: Induction, cti: Cti) -> Cti:
    """The same, with its fault; what the definition does not confirm is a bug."""
    instance, q = induction.instance, cti.query
    states = [cti.trace.initial, *(s.state for s in cti.trace.steps)]
    prop = named(instance, q.target)
    good = states[:-1] if q.kind in (p.PRESERVED, p.STEP) else [] if q.kind in (p.INITIALLY, p.IMPLIED) else states
    for s in good:
        for held in _hypothesis(instance):
            if judged(instance, held, s) is not True:
                raise Disagreement(f"{held.name} should hold before the step, but does not")
    found = faults(instance, states[-1], None) if q.kind == p.FAULT else []
    match q.kind:
        case p.FAULT:
            agreed = bool(found)
        case p.DEADLOCK:
            agreed = is_stuck(instance, states[-1])
        case p.STEP:
            agreed = prop is not None and judged(instance, prop, states[-2], states[-1]) is not True
        case p.DEFINED:
            agreed = prop is not None and not isinstance(judged(instance, prop, states[-1]), bool)
        case _:
            agreed = prop is not None and judged(instance, prop, states[-1]) is not True
    if not agreed:
        raise Disagreement(f"the solver refutes {q.kind} {q.target or ''}, the definition does not")
    return Cti(q, cti.trace, cti.minimal, found[0] if found else None)


def named(instance: Instance, name: str | None) -> Property | None:
    """The property of this name; `bound` and `terminal` are such."""
    everything = [*instance.properties, *(x for x, _ in instance.asked())]
    return next((x for x in everything if x.name == name), None)


def _hypothesis(instance: Instance) -> list[Property]:
    return [x for x in instance.properties if x.kind in ("invariant", "lemma")]
