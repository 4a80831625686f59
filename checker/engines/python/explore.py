"""The oracle: breadth-first exploration straight over `meaning`, and nothing else.

This is what `check` means.  It is slow, and short enough to read in one go; the native engine has to agree with it on every
state, transition, verdict and length of a counterexample.  A level is always finished before the search stops, so the
numbers do not depend on the order in which states are visited.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from checker.core.bind import Instance, Transition
from checker.core.ir import Expr
from checker.core.meaning import NOWHERE, Fault, Outcome, State, World, evaluate, initial_states, successors
from checker.verdict import Finding, Limits, Result, Step, Trace, Verdict

Key = frozenset[tuple[str, Any]]


def key(state: State) -> Key:
    """A state as a hashable value."""
    return frozenset(state.items())


class Explorer:
    """One exploration.  After `run`: `states` has every state found, with its parent and the step that led to it first."""

    def __init__(self, instance: Instance, limits: Limits | None = None, deadlock: bool = True) -> None:
        self.instance, self.limits, self.deadlock = instance, limits or Limits(), deadlock
        self.states: dict[Key, tuple[Key | None, Step | None, State]] = {}
        self.findings: list[Finding] = []
        self.witnesses: dict[str, tuple[int, Key]] = {}
        self.fired: Counter[str] = Counter()
        self.transitions = self.cut = self.depth = 0
        self.asked = {index: p for p, index in instance.asked()}
        self.steps = [p for p in instance.properties if p.kind == "step"]
        self.reachable = [p for p in instance.properties if p.kind == "reachable"]

    def run(self) -> Result:
        """Explores level by level until the space is exhausted, something is found, or a limit is hit."""
        started, stopped = time.perf_counter(), None
        frontier = [s for s in initial_states(self.instance) if self._inside(s) and self._visit(s, None, None, 0)]
        try:
            while frontier and not self.findings and not stopped:
                if self.limits.max_depth is not None and self.depth >= self.limits.max_depth:
                    stopped = "depth"
                    break
                following: list[State] = []
                for state in frontier:
                    following += self._expand(state)
                    if self.limits.max_states is not None and len(self.states) >= self.limits.max_states:
                        stopped = "states"
                        break
                    if self.limits.time_limit is not None and time.perf_counter() - started > self.limits.time_limit:
                        stopped = "time"
                        break
                self.depth += bool(following)
                frontier = following
        except KeyboardInterrupt:
            stopped = "interrupt"
        return self._result(
            "event" if self.findings else stopped, not frontier and stopped is None, time.perf_counter() - started
        )

    def _inside(self, state: State) -> bool:
        return self.instance.bound is None or self._true(self.instance.bound, state)

    def _true(self, e: Expr, state: State) -> bool:
        """The bound or `terminal`; their faults are found when the state is visited."""
        try:
            return bool(evaluate(e, {}, World(self.instance, state)))
        except Fault:
            return True

    def _expand(self, state: State) -> list[State]:
        """The new states that one state leads to."""
        new: list[State] = []
        stuck = True
        for action in self.instance.actions:
            for outcome in successors(self.instance, action, state):
                stuck = False
                if outcome.state is None:
                    assert outcome.fault
                    self._find("fault", 0, self.depth, (state, action, outcome), outcome.fault.text, outcome.fault)
                    continue
                self.transitions += 1
                self._check_step(state, action, outcome)
                if not self._inside(outcome.state):
                    self.cut += 1
                    continue
                self.fired[action.name] += 1
                if self._visit(outcome.state, key(state), as_step(action, outcome), self.depth + 1):
                    new.append(outcome.state)
        if stuck and self.deadlock and not self._true(self.instance.terminal, state):
            self._find("deadlock", 0, self.depth, state)
        return new

    def _visit(self, state: State, parent: Key | None, step: Step | None, depth: int) -> bool:
        """Adds a state; True if it is new.  Checks what has to hold in it."""
        k = key(state)
        if k in self.states:
            return False
        self.states[k] = (parent, step, state)
        world = World(self.instance, state)
        for index, p in self.asked.items():
            try:
                holds = evaluate(p.expr, {}, world)
            except Fault as fault:
                self._find("fault", index, depth, state, f"{p.name}: {fault.text}", fault)
                continue
            if p.kind in ("invariant", "lemma") and not holds:
                self._find("invariant", index, depth, state)
            if p.kind == "reachable" and holds:
                self.witnesses.setdefault(p.name, (depth, k))
        return True

    def _check_step(self, state: State, action: Transition, outcome: Outcome) -> None:
        world = World(self.instance, state, outcome.state)
        for i, p in enumerate(self.steps):
            try:
                if not evaluate(p.expr, {}, world):
                    self._find("step", i, self.depth + 1, (state, action, outcome))
            except Fault as fault:
                self._find("fault", 2000 + i, self.depth, (state, action, outcome), f"{p.name}: {fault.text}", fault)

    def _find(self, kind: str, index: int, steps: int, state: Any, text: str = "", fault: Fault | None = None) -> None:
        place = self.instance.model.place(fault.node) if fault else None
        self.findings.append(Finding(steps, Finding.RANKS[kind], index, state, text, place))

    # what came of it

    def _result(self, stopped: str | None, exhaustive: bool, seconds: float) -> Result:
        result = Result(Verdict.HOLDS, engine="python", stopped_by=stopped, exhaustive=exhaustive, depth=self.depth)
        result.distinct_states, result.transitions, result.cut = len(self.states), self.transitions, self.cut
        result.fired = {a.name: self.fired[a.name] for a in self.instance.actions}
        result.witnesses = {n: d for n, (d, _) in self.witnesses.items()}
        result.witness_traces = {n: self.trace(k) for n, (_, k) in self.witnesses.items()}
        result.seconds = {"compile": 0.0, "explore": seconds, "total": seconds}
        if self.findings:
            return self._report(result, min(self.findings, key=lambda f: f.key))
        missing = [p.name for p in self.reachable if p.name not in self.witnesses]
        if stopped:
            return result.with_(verdict=Verdict.UNKNOWN)
        if missing:
            return result.with_(verdict=Verdict.VIOLATED, property=missing[0], message="no reachable state is a witness")
        return result

    def _report(self, result: Result, f: Finding) -> Result:
        if f.rank == Finding.RANKS["deadlock"]:
            return result.with_(verdict=Verdict.DEADLOCK, trace=self.trace(key(f.state)))
        if f.rank == Finding.RANKS["invariant"]:
            return result.with_(verdict=Verdict.VIOLATED, property=self.asked[f.index].name, trace=self.trace(key(f.state)))
        before = f.state if isinstance(f.state, dict) else f.state[0]
        trace = self.trace(key(before))
        if f.rank == Finding.RANKS["step"]:
            _, action, outcome = f.state
            trace = Trace(trace.initial, (*trace.steps, as_step(action, outcome)))
            return result.with_(verdict=Verdict.VIOLATED, property=self.steps[f.index].name, trace=trace)
        trace = Trace(trace.initial, trace.steps, f.text)
        return result.with_(verdict=Verdict.SPEC_FAULT, message=f.text, place=f.place, trace=trace)

    def trace(self, k: Key) -> Trace:
        """The behaviour by which a state was found: a shortest one."""
        steps: list[Step] = []
        parent, step, state = self.states[k]
        while parent is not None:
            assert step is not None
            steps.append(step)
            parent, step, state = self.states[parent]
        return Trace(state, tuple(reversed(steps)))


def as_step(action: Transition, outcome: Outcome) -> Step:
    assert outcome.state is not None
    return Step(action.name, action.kind, action.process, outcome.choices, outcome.received, outcome.sent, outcome.state)


def explore(instance: Instance, limits: Limits | None = None, deadlock: bool = True) -> Result:
    """Explores an instance with the oracle."""
    return Explorer(instance, limits, deadlock).run()


__all__ = ["NOWHERE", "Explorer", "explore"]
