"""Bounded model checking: are there behaviours of 0, 1, 2, … steps that end in something wrong?

The order of the questions is that of a breadth-first search, so what is found first is what `check` reports, and as short.
Steps that change nothing are left out of a behaviour (not as its last step): no shortest one needs them, and if without them
no behaviour goes on, all have been looked at, and what was not found is not there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import z3

from checker.core.bind import Instance
from checker.core.lower import lower
from checker.deadline import Late, left, until
from checker.engines.replay import Disagreement, behaviour, faults, is_stuck, judged
from checker.engines.smt.bits import all_of, both, negation
from checker.engines.smt.order import Order
from checker.engines.smt.template import Bad, Template, term
from checker.verdict import Finding, Progress, Result, State, Trace, Verdict

KEPT_FROM = 2  # the length of a path from which on it is asked what every step keeps
KEPT_CONFLICTS = 5000  # what that may cost


class Stopped(Exception):
    """The solver gave up: the time was over."""


@dataclass(frozen=True)
class Found:
    """Something wrong: the states of the path to it, and the actions taken."""

    bad: Bad
    states: list[State]
    actions: list[int]


class Bmc:
    """Paths of one instance, longer and longer."""

    def __init__(self, instance: Instance, deadlock: bool = True, time_limit: float | None = None) -> None:
        self.started = time.perf_counter()
        self.instance, self.end = instance, None if time_limit is None else self.started + time_limit
        self.template = t = Template(lower(instance))
        self.bad_states = [b for b in t.bad_states if b.when is not False and (deadlock or b.rank != "deadlock")]
        self.bad_steps = [b for b in t.bad_steps if b.when is not False]
        self.solver = z3.SolverFor("QF_FD")
        self.witnesses: dict[str, Trace] = {}
        self.length = self.asked = 0
        self.relation = z3.And([term(b) for b in t.relation])
        self.order = Order(t)
        self.solver.add(t.at(t.is_initial, 0), *self.order.start())
        self.compiled = time.perf_counter() - self.started

    def run(self, depth: int, progress: Callable[[Progress], None] | None = None) -> Result:
        """Looks at behaviours of up to `depth` steps.  Verdict.HOLDS only if there are no longer ones to look at."""
        done, stopped, found, complete = -1, None, None, False
        try:
            with until(self.end):
                for n in range(depth + 1):
                    found = self._level(n)
                    if found or not self._sat():
                        complete = not found
                        break
                    self._look_for_witnesses(n)
                    done = n
                    if progress:
                        progress(Progress(0, 0, 0, n, time.perf_counter() - self.started, 0))
        except (Stopped, Late):
            stopped = "time"
        except KeyboardInterrupt:
            stopped = "interrupt"
        stopped = stopped or ("event" if found else None if complete else "depth")
        return self._result(done, stopped, found)

    # one level

    def _level(self, n: int) -> Found | None:
        """What is wrong after n steps.  Then: state n is within the bound, and not the same as the one before."""
        t = self.template
        if n == KEPT_FROM:
            self._leave_out_what_is_kept()
        goes = z3.And(t.at(t.inside, n), t.at(t.changes, n - 1) if self._extend(n - 1) else True)
        asked = [(b, z3.And(goes, t.at(b.when, n))) for b in self.bad_states]
        if n:
            asked += [(b, t.at(both(b.when, t.moves), n - 1)) for b in self.bad_steps if b.rank == "step"]
        asked += [
            (b, z3.And(goes, t.at(both(b.when, t.moves), n))) for b in self.bad_steps if b.rank != "step" and self._extend(n)
        ]
        found = self._first(asked, n)
        self.solver.add(goes)
        return found

    def _leave_out_what_is_kept(self) -> None:
        """What no step leads to from a state where nothing is wrong need not be asked for at any length.

        Of what is asked, all that a model has is taken away, until there is no model."""
        t, solver = self.template, z3.SolverFor("QF_FD")
        solver.set("max_conflicts", KEPT_CONFLICTS)
        if self.end is not None:
            solver.set("timeout", max(1, int(left(self.end) * 1000)))
        fine = all_of([t.is_state, t.inside, *(negation(b.when) for b in self.bad_states)])
        solver.add(t.at(fine, 0), t.at(self.relation, 0))
        goes = z3.And(t.at(t.changes, 0), t.at(t.inside, 1))
        bad = {b: z3.And(goes, t.at(b.when, 1)) for b in self.bad_states}
        bad |= {b: t.at(both(b.when, t.moves), 0) for b in self.bad_steps}
        while bad and (answer := solver.check(z3.Or(list(bad.values())))) != z3.unsat:
            if answer == z3.unknown:
                return
            model = solver.model()
            bad = {b: x for b, x in bad.items() if not z3.is_true(model.eval(x, model_completion=True))}
        self.bad_states = [b for b in self.bad_states if b not in bad]
        self.bad_steps = [b for b in self.bad_steps if b not in bad]

    def _extend(self, n: int) -> bool:
        """Step n is part of the path, if there is such a step."""
        if n >= self.length:
            self.solver.add(self.template.at(self.relation, n), self.order.at(n))
            self.length = n + 1
        return n >= 0

    def _first(self, asked: list[tuple[Bad, z3.BoolRef]], n: int) -> Found | None:
        """The one of these that is reported.  What is not there is told to the solver: it helps with the next level, as in a
        proof by induction."""
        if not asked:
            return None
        some = self._named(z3.Or([x for _, x in asked]))
        if not self._sat(some):
            self.solver.add(z3.Not(some), *(z3.Not(x) for _, x in asked))
            return None
        for b, x in sorted(asked, key=lambda a: (Finding.RANKS[a[0].rank], a[0].index)):
            if self._sat(self._named(x)):
                return Found(b, *self._path(n))
        raise AssertionError("one of several is so, but none of them is")

    def _look_for_witnesses(self, n: int) -> None:
        for name, bit in self.template.reachable.items():
            if name not in self.witnesses and bit is not False and self._sat(self._named(self.template.at(bit, n))):
                self.witnesses[name] = behaviour(self.instance, *self._path(n))

    # the solver

    def _sat(self, *asked: z3.BoolRef) -> bool:
        if self.end is not None:
            self.solver.set("timeout", max(1, int(left(self.end) * 1000)))
        answer = self.solver.check(*asked)
        if answer == z3.unknown:
            if self.solver.reason_unknown() in ("interrupted", "interrupted from keyboard"):
                raise KeyboardInterrupt
            raise Stopped
        return bool(answer == z3.sat)

    def _named(self, x: z3.BoolRef) -> z3.BoolRef:
        """A literal that implies a term: what a check can assume."""
        self.asked += 1
        name = z3.Bool(f"ask {self.asked}")
        self.solver.add(z3.Implies(name, x))
        return name

    def _path(self, n: int) -> tuple[list[State], list[int]]:
        """The states of the path in the model, and the actions taken."""
        t, model = self.template, self.solver.model()
        actions = []
        for i in range(n):
            chosen = (r for r, s in zip(t.rules, t.selected(i), strict=True) if z3.is_true(model.eval(s)))
            actions.append(next(chosen).action)
        return [t.state(model, i) for i in range(n + 1)], actions

    # what came of it

    def _result(self, depth: int, stopped: str | None, found: Found | None) -> Result:
        total = time.perf_counter() - self.started
        result = Result(Verdict.UNKNOWN, engine="smt", depth=depth, stopped_by=stopped, exhaustive=stopped is None)
        result.seconds = {"compile": self.compiled, "explore": total - self.compiled, "total": total}
        result.witnesses = {n: len(t) for n, t in self.witnesses.items()}
        result.witness_traces = self.witnesses
        if found:
            return self._report(result, found)
        if not result.exhaustive:
            return result
        missing = [n for n in self.template.reachable if n not in self.witnesses]
        if missing:
            return result.with_(verdict=Verdict.VIOLATED, property=missing[0], message="no reachable state is a witness")
        return result.with_(verdict=Verdict.HOLDS)

    def _report(self, result: Result, f: Found) -> Result:
        """The finding as the definition tells it.  Raises Disagreement."""
        trace = behaviour(self.instance, f.states, f.actions)
        last = f.states[-1]
        prop = next((p for p in self.instance.properties if p.name == f.bad.property), None)
        if f.bad.rank == "deadlock":
            agreed = is_stuck(self.instance, last)
            result = result.with_(verdict=Verdict.DEADLOCK, trace=trace)
        elif f.bad.rank == "fault":
            found = faults(self.instance, last, prop)
            agreed = bool(found)
            place = self.instance.model.place(f.bad.site) if f.bad.site and f.bad.site.span else None  # type: ignore[arg-type]
            text, place = next((x for x in found if x[1] == place), (found or [("", "")])[0])
            trace = Trace(trace.initial, trace.steps, text)
            result = result.with_(verdict=Verdict.SPEC_FAULT, message=text, place=place, trace=trace)
        else:
            assert prop
            states = [last] if prop.kind != "step" else f.states[-2:]
            agreed = judged(self.instance, prop, *states) is False
            result = result.with_(verdict=Verdict.VIOLATED, property=prop.name, trace=trace)
        if not agreed:
            raise Disagreement(f"the solver says that {f.bad.rank} {f.bad.property or ''} is so, but it is not")
        return result


def check(
    instance: Instance,
    depth: int,
    deadlock: bool = True,
    time_limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Looks at the behaviours of an instance of up to `depth` steps, for so many seconds.  Raises Disagreement (a bug)."""
    started = time.perf_counter()
    try:
        with until(None if time_limit is None else started + time_limit):
            search = Bmc(instance, deadlock, time_limit)
    except Late:
        spent = time.perf_counter() - started
        seconds = {"compile": spent, "explore": 0.0, "total": spent}
        return Result(Verdict.UNKNOWN, engine="smt", depth=-1, stopped_by="time", exhaustive=False, seconds=seconds)
    return search.run(depth, progress)
