"""One check from request to answer: bind, explore, compare with what the spec expects, explain; then as text or as
JSON.

The answer is complete data; how it looks is `report`'s, when it exits and with what the command line's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.text import Text

import checker
from checker import load, report
from checker.core.bind import AssumptionFails, BindError, Instance
from checker.core.model import Expect, Model
from checker.core.operators.table import TypeMismatch
from checker.core.types import Infinite, Value
from checker.expect import problems
from checker.explain import Explainer, Reason
from checker.settings import Mistake, nearest, sizes
from checker.stuck import Blocked, FaultReport, Stuck
from checker.trace import Plain
from checker.verdict import EXIT, Limits, Progress, Result, Trace, Verdict

if TYPE_CHECKING:
    from checker.crosscheck import CrossCheck

INTERRUPTED, DISAGREES = 130, 71


@dataclass(frozen=True)
class Request:
    """What was asked for: the spec as written, the instance, `-D` items, and how to look."""

    spec: str
    instance: str | None = None
    define: tuple[str, ...] = ()
    symmetry: bool = True
    deadlock: bool = True
    threads: int = 1
    limits: Limits = field(default_factory=Limits)
    engine: str = "native"
    witness: str | None = None
    deepest: bool = False
    crosscheck: bool = False


class Rejected(Exception):
    """An instance that cannot be: the error of bind, with the model it was for and whether `-D` had a part in it."""

    def __init__(self, error: BindError, model: Model, overridden: bool) -> None:
        super().__init__(error.text)
        self.error, self.model, self.overridden = error, model, overridden
        self.assumption = isinstance(error, AssumptionFails)


class Unable(Exception):
    """An instance that an engine cannot take; `hint`: what can."""

    hint = "--engine python explores it, slowly"


@dataclass
class Answer:
    """What came of a request."""

    request: Request
    instance: Instance
    result: Result
    reason: Reason | None = None
    stuck: list[Blocked] = field(default_factory=list)
    fault: FaultReport | None = None
    problems: list[str] = field(default_factory=list)
    cross: CrossCheck | None = None

    @property
    def exit(self) -> int:
        if self.cross and self.cross.disagreements:
            return DISAGREES
        return INTERRUPTED if self.result.stopped_by == "interrupt" else EXIT[self.result.verdict]

    @property
    def expect(self) -> Expect | None:
        """What the spec expects of just this instance: nothing, if `-D` made it another."""
        return None if self.request.define else self.instance.expect

    @property
    def explained(self) -> bool:
        """Is there something wrong that the trace shows?"""
        return bool(self.reason or self.stuck or self.fault)

    @property
    def witness(self) -> Trace | None:
        return self.result.witness_traces.get(self.request.witness) if self.request.witness else None

    # text

    def lines(self, total: float) -> report.Lines:
        """The whole answer for people."""
        r, model = self.result, self.instance.model
        scope = report.Scope(self.request.deadlock, total)
        lines = report.verdict(self.instance, r, scope)
        lines += report.witnesses(r)
        if r.verdict is not Verdict.UNKNOWN:
            lines += report.expectation(self.expect, self.problems, r)
        lines += report.warnings([*(_told(w) for w in model.warnings), *r.warnings])
        lines += self.cross.lines(self.instance) if self.cross else []
        if r.trace is not None:
            lines += [Text(""), *report.trace(self.instance, r.trace)]
        return lines + self.why() + self._witnessed()

    def why(self) -> report.Lines:
        """The explanation, after an empty line; nothing where nothing is to explain."""
        if self.reason:
            return [Text(""), *report.reason(self.reason)]
        if self.stuck:
            return [Text(""), *report.blocked(self.stuck)]
        if self.fault:
            return [Text(""), *report.fault(self.instance, self.fault, self.result.message)]
        return []

    def _witnessed(self) -> report.Lines:
        if not self.request.witness:
            return []
        if self.witness is None:
            return [Text(""), Text(f"{self.request.witness} was not reached")]
        head = Text(f"{self.request.witness} is reached after {report.count(len(self.witness), 'step')}:", report.BOLD)
        return [Text(""), head, *report.trace(self.instance, self.witness)]

    # JSON

    def data(self, total: float) -> dict[str, Any]:
        """The whole answer for programs."""
        r, i, plain = self.result, self.instance, Plain(self.instance)
        explore = r.seconds.get("explore", 0.0)
        return {
            "spec": i.model.name,
            "file": i.model.source.name,
            "instance": i.name,
            "sizes": {n: plain.value(v) for n, v in i.sizes.items()},
            "verdict": r.verdict.value,
            "property": r.property,
            "message": r.message,
            "place": r.place,
            "distinct_states": r.distinct_states,
            "transitions": r.transitions,
            "depth": r.depth,
            "exhaustive": r.exhaustive,
            "cut": r.cut,
            "symmetry": r.symmetry,
            "symmetric_sorts": report.symmetric(i) if r.symmetry else [],
            "deadlock_checked": self.request.deadlock,
            "stopped_by": None if r.stopped_by == "event" else r.stopped_by,
            "limits": _limits(self.request.limits),
            "engine": r.engine,
            "threads": self.request.threads,
            "seconds": {"compile": r.seconds.get("compile", 0.0), "explore": explore, "total": total},
            "cpu_seconds": r.cpu_seconds,
            "states_per_second": r.distinct_states / explore if explore else None,
            "peak_memory_bytes": r.peak_memory_bytes,
            "bytes_per_state": r.bytes_per_state,
            "fired": r.fired,
            "warnings": [*(_told(w) for w in i.model.warnings), *r.warnings],
            "witnesses": r.witnesses,
            "expected": expected(self.expect),
            "as_expected": None if self.expect is None or r.verdict is Verdict.UNKNOWN else not self.problems,
            "problems": self.problems,
            "trace": plain.trace(r.trace),
            "witness": plain.trace(self.witness),
            "reason": self.reason_data(),
            "crosscheck": self.cross.data(plain) if self.cross else None,
        }

    def reason_data(self) -> dict[str, Any] | None:
        """Why, as data."""
        if self.reason:
            return {"property": self.reason.text, **_told_reason(self.reason)}
        if self.stuck:
            return {"blocked": [{"who": b.who, "action": b.action, "why": b.why} for b in self.stuck]}
        if self.fault:
            return {
                "where": self.fault.where,
                "line": self.fault.span.line if self.fault.span else None,
                "values": dict(self.fault.values),
            }
        return None


def _told_reason(r: Reason) -> dict[str, Any]:
    """A reason as data, parts inside parts."""
    parts = [{"text": p.text, "value": p.truth, "values": dict(p.values), **_told_reason(p)} for p in r.parts]
    return {"line": r.line, "bindings": [list(b) for b in r.bindings], "parts": parts}


def _told(w: Any) -> str:
    return f"{w.message} ({w.source.name}:{w.span.line})"


def _limits(limits: Limits) -> dict[str, Any]:
    given = {
        "max_states": limits.max_states,
        "max_depth": limits.max_depth,
        "max_memory": limits.max_memory,
        "time_limit": limits.time_limit,
    }
    return {n: v for n, v in given.items() if v is not None}


def expected(e: Expect | None) -> dict[str, Any] | None:
    """What an instance expects, as data."""
    if e is None:
        return None
    return {"verdict": e.verdict, "property": e.property, **{n: c.number for n, c in e.counts.items()}}


# ── from request to answer ───────────────────────────────────────────────────────────────────────────────────────────


def instance_of(model: Model, name: str | None, define: tuple[str, ...]) -> Instance:
    """The instance that a command is about.  Raises Mistake, Rejected."""
    if name is not None and name not in model.instances:
        have = ", ".join(model.instances)
        raise Mistake(
            f"{model.name} has no instance `{name}`",
            nearest(name, model.instances) or (f"it has {have}" if have else "it has none"),
        )
    overrides: dict[str, Value] = sizes(model, define)
    try:
        return checker.bind(model, name, overrides)
    except BindError as error:
        raise Rejected(error, model, bool(overrides)) from None
    except (Infinite, TypeMismatch) as error:
        raise Rejected(BindError(str(error)), model, bool(overrides)) from None


def explore(instance: Instance, limits: Limits | None = None, **how: Any) -> Result:
    """Explores.  Raises Unable where the native engine has no way to represent an instance."""
    try:
        return checker.explore(instance, limits, **how)
    except Exception as why:
        raise _unable(why) from why


def _unable(why: Exception) -> Exception:
    """What it means that the native engine failed."""
    if type(why).__name__ in ("TooWide", "Unsupported"):  # not imported: their modules are heavy
        return Unable(f"the native engine cannot represent this instance: {why}")
    return why


@contextmanager
def explore_with(instance: Instance, limits: Limits, deadlock: bool) -> Iterator[tuple[Any, Result]]:
    """Explores natively, and keeps what was explored as long as somebody asks.  Raises Unable."""
    from checker.engines.native.run import Exploration

    exploration = None
    try:
        exploration = Exploration(instance, deadlock=deadlock)
        result = exploration.run(limits)
    except Exception as why:
        raise _unable(why) from why
    try:
        yield exploration, result
    finally:
        exploration.close()


def perform(request: Request, progress: Callable[[Progress], None] | None = None) -> Answer:
    """Explores and explains.  Raises Mistake, SpecErrors, Rejected."""
    instance = instance_of(load(request.spec), request.instance, request.define)
    if request.witness:
        _is_reachable(instance, request.witness)
    result = explore(
        instance,
        request.limits,
        symmetry=request.symmetry,
        deadlock=request.deadlock,
        threads=request.threads,
        engine=request.engine,
        witnesses=[request.witness] if request.witness else (),
        deepest=request.deepest,
        progress=progress,
    )
    answer = Answer(request, instance, result)
    explain(answer)
    if answer.expect and result.verdict is not Verdict.UNKNOWN:
        answer.problems = problems(answer.expect, result)
    if request.crosscheck:
        from checker.crosscheck import crosscheck

        answer.cross = crosscheck(instance)
    return answer


def _is_reachable(instance: Instance, name: str) -> None:
    known = [p.name for p in instance.properties if p.kind == "reachable"]
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise Mistake(f"{instance.model.name} has no `reachable {name}`", nearest(name, known) or has)


def explain(answer: Answer) -> None:
    """Adds why to a verdict that needs it."""
    r, instance = answer.result, answer.instance
    if r.trace is None:
        return
    last = r.trace.steps[-1].state if r.trace.steps else r.trace.initial
    match r.verdict:
        case Verdict.VIOLATED if r.property:
            answer.reason = Explainer(instance).property(r.property, r.trace)
        case Verdict.DEADLOCK:
            answer.stuck = Stuck(instance).blocked(last)
        case Verdict.SPEC_FAULT:
            answer.fault = Stuck(instance).fault(last, r.message, r.place)


__all__ = ["Answer", "Rejected", "Request", "Unable", "expected", "explain", "explore", "explore_with", "instance_of", "perform"]
