"""Random walks by `meaning`: for instances too large to exhaust, and for behaviours to feed to something else.

A walk looks at every property on its way.  It can show that something is wrong, never that nothing is: what it did
not see says nothing.  The same seed gives the same walks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from checker.core.bind import Instance, Transition
from checker.core.meaning import Fault, Outcome, State, World, evaluate, initial_states, successors
from checker.engines.python.explore import as_step
from checker.verdict import Result, Step, Trace, Verdict

Move = tuple[Transition, Outcome]


@dataclass
class Simulation:
    """What random walks saw: `result` is Verdict.UNKNOWN unless something is wrong, then its trace is that walk."""

    seed: int
    result: Result
    traces: list[Trace] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return sum(map(len, self.traces))


class Walker:
    """Walks through one instance."""

    def __init__(self, instance: Instance, seed: int, deadlock: bool) -> None:
        self.instance, self.deadlock = instance, deadlock
        self.random = random.Random(seed)
        self.initial = [s for s in initial_states(instance) if self._inside(s)]
        self.fired = {a.name: 0 for a in instance.actions}
        self.witnesses: dict[str, int] = {}

    def walk(self, depth: int) -> tuple[Trace, Result | None]:
        """One walk of at most `depth` steps, and what is wrong at its end."""
        state = self.random.choice(self.initial)
        start, steps = state, list[Step]()
        found = self._look(state, 0)
        while not found and len(steps) < depth:
            moves = self._moves(state)
            if isinstance(moves, Result) or not moves:
                found = moves if isinstance(moves, Result) else None
                break
            action, outcome = self.random.choice(moves)
            assert outcome.state is not None
            self.fired[action.name] += 1
            steps.append(as_step(action, outcome))
            found = self._look_at_step(state, outcome.state) or self._look(outcome.state, len(steps))
            state = outcome.state
        trace = Trace(start, tuple(steps))
        return trace, found.with_(trace=without_loops(trace)) if found else None

    def _inside(self, state: State) -> bool:
        return self.instance.bound is None or bool(evaluate(self.instance.bound, {}, World(self.instance, state)))

    def _moves(self, state: State) -> list[Move] | Result:
        """The steps that can be taken; a Result if a step faults, or there is none where there should be one."""
        moves = [(a, o) for a in self.instance.actions for o in successors(self.instance, a, state)]
        fault = next((o.fault for _, o in moves if o.fault), None)
        if fault:
            return self._faulty(fault)
        if not moves and self.deadlock and not evaluate(self.instance.terminal, {}, World(self.instance, state)):
            return Result(Verdict.DEADLOCK)
        return [(a, o) for a, o in moves if o.state is not None and self._inside(o.state)]

    def _look(self, state: State, steps: int) -> Result | None:
        """What is wrong in a state; notes the first witnesses."""
        world = World(self.instance, state)
        for p in self.instance.properties:
            if p.kind == "step":
                continue
            try:
                true = bool(evaluate(p.expr, {}, world))
            except Fault as fault:
                return self._faulty(fault, f"{p.name}: ")
            if p.kind == "reachable" and true:
                self.witnesses[p.name] = min(steps, self.witnesses.get(p.name, steps))
            elif p.kind != "reachable" and not true:
                return Result(Verdict.VIOLATED, p.name)
        return None

    def _look_at_step(self, before: State, after: State) -> Result | None:
        world = World(self.instance, before, after)
        for p in self.instance.properties:
            try:
                if p.kind == "step" and not evaluate(p.expr, {}, world):
                    return Result(Verdict.VIOLATED, p.name)
            except Fault as fault:
                return self._faulty(fault, f"{p.name}: ")
        return None

    def _faulty(self, fault: Fault, where: str = "") -> Result:
        return Result(Verdict.SPEC_FAULT, message=where + fault.text, place=self.instance.model.place(fault.node))


def without_loops(trace: Trace) -> Trace:
    """The same behaviour without what leads back to a state it has been in; its last step stays as it is."""
    steps: list[Step] = []
    for step in trace.steps[:-1]:
        steps.append(step)
        seen = [trace.initial, *(s.state for s in steps)]
        del steps[seen.index(step.state) :]
    return Trace(trace.initial, (*steps, *trace.steps[-1:]))


def walk(instance: Instance, traces: int = 100, depth: int = 50, seed: int | None = None, deadlock: bool = True) -> Simulation:
    """So many random walks, or fewer if one shows something wrong."""
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    walker = Walker(instance, seed, deadlock)
    simulation = Simulation(seed, Result(Verdict.UNKNOWN))
    found: Result | None = None
    try:
        while walker.initial and not found and len(simulation.traces) < traces:
            trace, found = walker.walk(depth)
            simulation.traces.append(trace)
    except KeyboardInterrupt:
        simulation.result.stopped_by = "interrupt"
    result = found or simulation.result
    result.fired, result.witnesses, result.transitions = walker.fired, walker.witnesses, simulation.steps
    simulation.result = result.with_(exhaustive=False, engine="python", depth=max(map(len, simulation.traces), default=0))
    return simulation
