"""`check --crosscheck`: the solver's terms and the machine code judge the same states, and must agree.

They are made from one program by two lowerings of every operator, so a mistake in either shows as a state of which they say
different things.  The states are reachable ones, spread over the whole search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from checker import report
from checker.answer import Unable, explore_with
from checker.core.bind import Instance
from checker.deadline import Late, left, until
from checker.verdict import Limits, State, Trace

SAMPLE, EXPLORED = 200, 200_000  # states: judged; explored to choose them from
WRITING = 5.0  # seconds to write it for the solver
SECONDS = 10.0  # for everything; then no further state is judged
SHOWN = 3  # disagreements


@dataclass
class CrossCheck:
    """What came of it.  `states`: how many were judged, of those that were `chosen`; `disagreements`: each in words, with the
    state it is about; `why_not`: why nothing was compared."""

    states: int = 0
    chosen: int = 0
    properties: int = 0
    actions: int = 0
    left_out: bool = False  # some of these could not be written in time
    disagreements: list[tuple[str, State]] = field(default_factory=list)
    seconds: float = 0.0
    why_not: str = ""

    def lines(self, instance: Instance) -> report.Lines:
        """The outcome for people; loud if the engines disagree."""
        if self.why_not:
            return [Text(f"  not cross-checked: {self.why_not}", report.DOUBT)]
        rest = " (the others take too long to write)" if self.left_out else ""
        what = f"{report.count(self.properties, 'property', 'properties')} and {report.count(self.actions, 'action')}{rest}"
        part = f"{self.states:,} of {report.count(self.chosen, 'reachable state')} that were chosen, as the time was over"
        states = report.count(self.states, "reachable state") if self.states == self.chosen else part
        where = f"{what} in {states}, {report.seconds(self.seconds)}"
        if not self.disagreements:
            return [Text(f"  cross-checked: solver and native code agree on {where}")]
        n = report.count(len(self.disagreements), "disagreement")
        out = [Text(""), Text(f"ENGINES DISAGREE: {n} on {where}. This is a bug in spectrace; trust no verdict.", report.BAD)]
        for text, state in self.disagreements[:SHOWN]:
            out += [Text(f"  {text}; in this state:"), *report.trace(instance, Trace(state), "")[1:]]
        return out

    def data(self, plain: Any) -> dict[str, Any]:
        """As data for programs."""
        found = [{"what": what, "state": plain.state(state)} for what, state in self.disagreements]
        return {
            "agrees": None if self.why_not else not found,
            "states": self.states,
            "chosen": self.chosen,
            "left_out": self.left_out,
            "properties": self.properties,
            "actions": self.actions,
            "disagreements": found,
            "why_not": self.why_not or None,
            "seconds": self.seconds,
        }


def crosscheck(instance: Instance) -> CrossCheck:
    """Judges a sample of the reachable states twice."""
    from checker.engines.smt.terms import TooLarge

    started = time.perf_counter()
    found = CrossCheck()
    end = started + SECONDS
    try:
        with until(end):
            _compare(instance, found, end)
    except Late:
        if not found.states:
            found.why_not = f"{report.seconds(SECONDS)} were not enough to write it for the solver and to judge one state"
    except TooLarge as why:
        found.why_not = f"the solver cannot represent this instance: {why}"
    except Unable as why:
        found.why_not = str(why)
    found.seconds = time.perf_counter() - started
    return found


def _compare(instance: Instance, found: CrossCheck, end: float) -> None:
    from checker.engines.native.judge import Judge as Native
    from checker.engines.native.judge import sample
    from checker.engines.smt.judge import Judge as Solver
    from checker.engines.smt.judge import NotAState

    solver = Solver(instance, time.perf_counter() + WRITING)
    program, actions = solver.template.program, solver.actions
    found.properties = len({p.name for p in program.predicates[: solver.predicates]})
    found.actions, found.left_out = actions, solver.predicates < len(program.predicates) or actions < len(program.actions)
    if found.left_out and not (found.properties or actions):
        raise Late
    with explore_with(instance, Limits(max_states=EXPLORED, time_limit=left(end)), False) as (exploration, result):
        native, states = Native(exploration), list(sample(exploration, result.distinct_states, SAMPLE))
        found.chosen = len(states)
        for state in states:
            mine = native(state)
            try:
                its = solver(state, end)
            except NotAState:
                found.states += 1
                found.disagreements.append(("a reachable state is none to the solver", state))
                continue
            found.states += 1
            for p, a, b in zip(program.predicates, mine.hits, its.hits, strict=False):
                what = f"{p.name} {'has no value' if p.kind == 'fault' else 'is hit'}"
                _note(found, what, a, b, state)
            if actions:
                for action, a, b in zip(program.actions, mine.enabled, its.enabled, strict=True):
                    _note(found, f"{action.name} is enabled", a, b, state)
                _note(found, "some action runs into a spec fault", mine.faulty, its.faulty, state)


def _note(found: CrossCheck, what: str, native: bool, solver: bool, state: State) -> None:
    if native != solver:
        said = ("the native code", "the solver") if native else ("the solver", "the native code")
        found.disagreements.append((f"{what}, says {said[0]}; {said[1]} says no", state))


__all__ = ["CrossCheck", "crosscheck"]
