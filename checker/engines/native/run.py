"""Instance → Result by native exploration: compile, search, and tell what was found as behaviours of `meaning`.

The search knows rows of words. A trace is made by walking back to an initial row and then forward again with the oracle's own
successors, taking at each step one whose packed (and, under symmetry, canonical) row is the next: so what is printed is a
behaviour of the definition, whatever the machine code did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from checker.core.bind import Instance, closed_term
from checker.core.ir import Expr, If, Let, Quant, Require
from checker.core.lower import Lowering, Program, Site, lower
from checker.core.meaning import Fault, Outcome, State, World, evaluate, initial_states, successors
from checker.core.model import Property
from checker.core.operators.table import TRUE
from checker.core.types import BOOL
from checker.engines.native.compile import Compiled, compile_program
from checker.engines.native.search import Kernel, Search
from checker.engines.native.search import Limits as SearchLimits
from checker.engines.native.search import Outcome as SearchOutcome
from checker.verdict import Finding, Limits, Progress, Result, Step, Trace, Verdict


class Exploration:
    """One native exploration of an instance; keeps the states until closed."""

    def __init__(self, instance: Instance, symmetry: bool = True, deadlock: bool = True) -> None:
        started = time.perf_counter()
        self.instance, self.deadlock = instance, deadlock
        self.program: Program = lower(instance)
        self.symmetry = symmetry and any(n > 1 for n in instance.sorts.values())
        self.doubts = list(_antecedents(instance, self.program))
        extra = {"doubt": [e for _, e in self.doubts]} if self.doubts else {}
        self.compiled: Compiled = compile_program(self.program, self.symmetry, extra)
        self.compile_seconds = time.perf_counter() - started
        self.search: Search | None = None

    def run(self, limits: Limits | None = None, threads: int = 1, progress: Callable[[Progress], None] | None = None) -> Result:
        """Explores; the result has traces and warnings."""
        limits = limits or Limits()
        bounds = SearchLimits(limits.max_states, limits.max_depth, limits.max_memory, limits.time_limit)
        report = (lambda p: progress(_progress(p))) if progress else None
        better = (self.compiled.worthwhile, self.compiled.improve) if self.compiled.draft else None
        self.search = Search(self._kernel(), bounds, threads, report, better)
        outcome = self.search.run()
        return self._result(outcome)

    def _kernel(self) -> Kernel:
        at, predicates = self.compiled.addresses, self.program.predicates
        stop = sum(1 << k for k, p in enumerate(predicates) if p.kind != "reachable")
        watch = sum(1 << k for k, p in enumerate(predicates) if p.kind == "reachable")
        symmetric = {k: at[k] for k in ("refine", "permute", "key")} if self.symmetry else {}
        return Kernel(
            self.compiled.layout.words,
            len(self.program.actions),
            at["expand"],
            at["initial"],
            at["check"],
            stop,
            watch,
            self.compiled.sorts if self.symmetry else (),
            check_deadlock=self.deadlock,
            touched=at["touched"],
            faults=len(self.compiled.sites),
            **symmetric,
        )

    # what was found

    def _result(self, o: SearchOutcome) -> Result:
        assert self.search
        result = Result(Verdict.HOLDS, exhaustive=o.exhausted, stopped_by=o.stopped_by, symmetry=self.symmetry, depth=o.depth)
        result.distinct_states, result.transitions, result.cut = o.distinct, o.transitions, o.cut
        result.cpu_seconds, result.peak_memory_bytes = o.cpu_seconds, o.peak_memory_bytes
        result.bytes_per_state = int(o.bytes_per_state)
        result.seconds = {"compile": self.compile_seconds, "explore": o.seconds, "total": self.compile_seconds + o.seconds}
        result.fired = self._fired(o)
        predicates = self.program.predicates
        result.witnesses = {predicates[k].name: depth for k, (_, depth) in o.witnesses.items()}
        self._witness_ids = {predicates[k].name: state for k, (state, _) in o.witnesses.items()}
        found = [self._finding(e) for e in o.events]
        if found:
            return self._report(result, min(found, key=lambda f: f.key))
        missing = [p.name for p in predicates if p.kind == "reachable" and p.name not in result.witnesses]
        if not o.exhausted:
            return result.with_(verdict=Verdict.UNKNOWN)
        result.warnings = self.warnings(result)
        if missing:
            return result.with_(verdict=Verdict.VIOLATED, property=missing[0], message="no reachable state is a witness")
        return result

    def _fired(self, o: SearchOutcome) -> dict[str, int]:
        fired: dict[str, int] = {}
        for a, n in zip(self.program.actions, o.stats, strict=False):  # there is room for one action at least
            fired[a.name] = fired.get(a.name, 0) + int(n)
        return fired

    def _finding(self, e: Any) -> Finding:
        if e.kind == "predicate":
            p = self.program.predicates[e.which]
            place = self._place(p.site.span) if p.site else None
            if p.kind == "invariant":
                return Finding(e.depth, Finding.RANKS["invariant"], p.index, e.state_id)
            text = f"{p.name}: {p.site.text if p.site else ''}"
            return Finding(e.depth, Finding.RANKS["fault"], p.index, e.state_id, text, place)
        if e.kind == "step":
            return Finding(e.depth + 1, Finding.RANKS["step"], e.which, e.state_id)
        if e.kind == "fault":
            site = self.compiled.sites[e.which]
            asked = (i for i, p in enumerate(self.program.steps) if site in [Site(c.fault, c.span) for c in p.checks])
            index = next((2000 + i for i in asked), 0)
            return Finding(e.depth, Finding.RANKS["fault"], index, e.state_id, site.text, self._place(site.span))
        return Finding(e.depth, Finding.RANKS["deadlock"], 0, e.state_id)

    def _place(self, span: Any) -> str:
        name = self.instance.model.source.name
        return f"{name}:{span.line}" if span else name

    def _report(self, result: Result, f: Finding) -> Result:
        trace = self.trace(f.state)
        if f.rank == Finding.RANKS["deadlock"]:
            return result.with_(verdict=Verdict.DEADLOCK, trace=trace)
        if f.rank == Finding.RANKS["invariant"]:
            return result.with_(verdict=Verdict.VIOLATED, property=self._named(f.index), trace=trace)
        last = trace.steps[-1].state if trace.steps else trace.initial
        if f.rank == Finding.RANKS["step"]:
            return result.with_(
                verdict=Verdict.VIOLATED, property=self.program.steps[f.index].name, trace=self._bad_step(trace, last, f.index)
            )
        return self._faulty(result, trace, last, f)

    def _named(self, index: int) -> str:
        return next(p.name for p, at in self.instance.asked() if at == index)

    def _bad_step(self, trace: Trace, last: State, index: int) -> Trace:
        prop = [p for p in self.instance.properties if p.kind == "step"][index]
        for action, outcome in self._outcomes(last):
            if outcome.state is not None and self._asked(prop, last, outcome.state) is False:
                return Trace(trace.initial, (*trace.steps, as_step(action, outcome)))
        raise AssertionError("the native engine and the definition disagree about a step property")

    def _faulty(self, result: Result, trace: Trace, last: State, f: Finding) -> Result:
        """The fault as the definition tells it, with its values."""
        faults = list(self._faults(last, f.index))
        same = [x for x in faults if x[1] == f.place] or faults
        text, place = same[0] if same else (f.text, f.place)
        return result.with_(verdict=Verdict.SPEC_FAULT, message=text, place=place, trace=Trace(trace.initial, trace.steps, text))

    def _faults(self, state: State, index: int) -> Iterator[tuple[str, str]]:
        """Text and place of the spec faults in a state: of its actions (index 0), of a step property, of what is asked of every
        state."""
        if index == 0:
            found = [(o.fault.text, o.fault) for _, o in self._outcomes(state) if o.fault]
        else:
            steps = [p for p in self.instance.properties if p.kind == "step"]
            prop = steps[index - 2000] if 2000 <= index < 3000 else next(p for p, at in self.instance.asked() if at == index)
            after = [o.state for _, o in self._outcomes(state) if o.state is not None] if prop in steps else [None]
            judged = [self._asked(prop, state, s) for s in after]
            found = [(f"{prop.name}: {x.text}", x) for x in judged if isinstance(x, Fault)]
        yield from ((text, self.instance.model.place(x.node)) for text, x in found)

    def _asked(self, prop: Property, state: State, after: State | None) -> bool | Fault:
        """What a property says of a state or step."""
        try:
            return bool(evaluate(prop.expr, {}, World(self.instance, state, after)))
        except Fault as fault:
            return fault

    # behaviours

    def _outcomes(self, state: State) -> Iterator[tuple[Any, Outcome]]:
        for action in self.instance.actions:
            for outcome in successors(self.instance, action, state):
                yield action, outcome

    def witness(self, name: str) -> Trace:
        """A shortest behaviour to a state where a `reachable` property is true."""
        return self.trace(self._witness_ids[name])

    def row(self, state: State) -> bytes:
        """The canonical packed row of a state."""
        assert self.search
        row = np.array(self.compiled.layout.pack(state), dtype=np.uint64)
        return bytes(self.search.canonical(row).tobytes())

    def trace(self, state_id: int) -> Trace:
        """A shortest behaviour to a state of the search."""
        assert self.search
        return self._replayed([r.tobytes() for r in self.search.path(state_id)])

    def _replayed(self, rows: list[bytes]) -> Trace:
        """The behaviour of the definition through these rows."""
        start = next(s for s in initial_states(self.instance) if self.row(s) == rows[0])
        state, steps = start, list[Step]()
        for wanted in rows[1:]:
            action, outcome = next(
                (a, o) for a, o in self._outcomes(state) if o.state is not None and self.row(o.state) == wanted
            )
            assert outcome.state is not None
            steps.append(as_step(action, outcome))
            state = outcome.state
        return Trace(start, tuple(steps))

    def way_through(self, states: list[State]) -> Trace | None:
        """A shortest behaviour to the first of these states, if it was found, and on through the others (all the same but
        for names, under symmetry)."""
        assert self.search
        found = self.search.find(np.array(self.compiled.layout.pack(states[0]), dtype=np.uint64))
        if found is None:
            return None
        return self._replayed([*(r.tobytes() for r in self.search.path(found)), *map(self.row, states[1:])])

    def states(self) -> Iterator[State]:
        """Every state found (one of each orbit, under symmetry)."""
        assert self.search
        for block in self.search.states():
            for row in block:
                yield self.compiled.layout.unpack([int(w) for w in row])

    # why did it pass?

    def warnings(self, result: Result) -> list[str]:
        """Actions that never happened (and which guard never held), implications that were never put to the test."""
        out = [self._dead(n) for n, count in result.fired.items() if count == 0]
        if self.doubts and self.search:
            hit = self.search.sweep(self.compiled.addresses["doubt"], (1 << len(self.doubts)) - 1)
            for k, (name, _) in enumerate(self.doubts):
                if not hit >> k & 1:
                    out.append(f"invariant {name} holds vacuously: what stands before its `implies` is never true")
        return out

    def _dead(self, name: str) -> str:
        guard = self._dead_guard(name)
        return f"action {name} never happens{guard}"

    def _dead_guard(self, name: str) -> str:
        """The first guard of a dead action that holds in no reachable state, for no choice of its parameters."""
        action = next(a for a in self.instance.actions if a.name == name)
        if action.receive is not None:
            return ""
        assert self.search
        low = Lowering(self.instance)
        for s in action.body:
            if not isinstance(s, Require):
                break
            cond = low.total(s.cond)
            if low.checks(s.cond):
                break
            for n, t in reversed(action.params):
                from checker.core.operators.table import apply

                cond = Quant(BOOL, "exists", n, apply("all", attr=t), cond)
            if not closed_but_state(cond) or self._ever(cond):
                continue
            where = f" (line {s.span.line})" if s.span else ""
            return f": its guard{where} is never true"
        return ""

    def _ever(self, cond: Expr) -> bool:
        assert self.search
        compiled = compile_program(_only(self.program), False, {"probe": [cond]})
        return self.search.sweep(compiled.addresses["probe"], 1) == 1

    def close(self) -> None:
        """Gives the memory back."""
        if self.search:
            self.search.close()


def _only(program: Program) -> Program:
    """The program's state without its actions and properties."""
    from dataclasses import replace

    return replace(program, actions=(), predicates=(), steps=(), bound=None)


def closed_but_state(e: Expr) -> bool:
    from checker.core.bind import free

    return free(e) <= {""}


def _antecedents(instance: Instance, program: Program) -> Iterator[tuple[str, Expr]]:
    """For an invariant `forall … . A implies B`: its name and `exists … . A`."""
    low = Lowering(instance)
    for p in instance.properties:
        if p.kind not in ("invariant", "lemma"):
            continue
        a = _antecedent(p.expr)
        if a is not None and not low.checks(a) and not closed_term(a):
            yield p.name, low.total(a)


def _antecedent(e: Expr) -> Expr | None:
    match e:
        case Quant(kind="forall"):
            inner = _antecedent(e.body)
            return None if inner is None else Quant(BOOL, "exists", e.name, e.domain, inner)
        case Let():
            inner = _antecedent(e.body)
            return None if inner is None else Let(BOOL, e.name, e.value, inner)
        case If() if e.orelse == TRUE:
            return e.cond
    return None


def as_step(action: Any, outcome: Outcome) -> Step:
    assert outcome.state is not None
    return Step(action.name, action.kind, action.process, outcome.choices, outcome.received, outcome.sent, outcome.state)


def _progress(p: Any) -> Progress:
    return Progress(p.distinct, p.transitions, p.frontier, p.depth, p.seconds, p.memory_bytes)


def explore(
    instance: Instance,
    limits: Limits | None = None,
    symmetry: bool = True,
    threads: int = 1,
    deadlock: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Explores an instance natively.  Raises TooWide, Unsupported."""
    exploration = Exploration(instance, symmetry, deadlock)
    try:
        result = exploration.run(limits, threads, progress)
        result.witness_traces = {}
        return result
    finally:
        exploration.close()
