"""The answer of `spectrace validate`, for people (a rejection in at most 40 lines) and as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from checker.conformance.binding import Binding, load
from checker.conformance.coverage import Coverage
from checker.conformance.diagnose import Diagnosis, diagnose
from checker.conformance.itf import ItfValidation, is_itf
from checker.conformance.lines import Log, wait_for
from checker.conformance.record import Validated, is_record, validated
from checker.conformance.validate import EXITS, Result, Validation, binding_beside
from checker.core.bind import AssumptionFails, BindError
from checker.core.model import Model
from checker.settings import Mistake

LINES, WIDTH, INTERRUPTED = 40, 200, 130


class Answer:
    """What came of one validation."""

    def __init__(self, spec: str, traces: list[str], result: Result, diagnosis: Diagnosis | None) -> None:
        self.spec, self.traces, self.result, self.diagnosis = spec, traces, result, diagnosis
        self.coverage = Coverage(result)

    @property
    def exit(self) -> int:
        return INTERRUPTED if self.result.interrupted and not self.result.stopped else self.result.exit

    # ── JSON ──

    def data(self) -> dict[str, Any]:
        r = self.result
        return {
            "spec": r.instance.model.name,
            "traces": self.traces,
            "binding": r.binding.file,
            "verdict": r.verdict,
            "why": r.why or None,
            "interrupted": r.interrupted,
            "lines": r.lines,
            "events": r.events,
            "explained": r.explained,
            "explanations": r.explanations,
            "most_explanations": r.search.tally.most,
            "thorough": r.thorough,
            "ignored": dict(r.rules.ignored),
            "unknown_messages": dict(r.rules.messages.unknown),
            "silent": {q.silent.do: n for q, n in zip(r.rules.quiet, self.silent(), strict=True)},
            "seconds": round(r.seconds, 3),
            "lines_per_second": round(r.lines / r.seconds) if r.seconds else None,
            "warnings": self.warnings(),
            "coverage": self.coverage.data(),
            "diagnosis": asdict(self.diagnosis) if self.diagnosis else None,
        }

    def warnings(self) -> list[str]:
        gaps = self.result.search.order.gaps if self.result.verdict == "accept" else []
        more = f" (and {len(gaps) - 1:,} more such places)" if len(gaps) > 1 else ""
        missing = [f"{gaps[0]}: are lines missing?{more}"] if gaps else []
        return [*self.result.warnings, *missing, *self.coverage.warnings()]

    def silent(self) -> tuple[int, ...]:
        """How many silent steps of each kind the explanation with the fewest took."""
        r = self.result
        return min((c.used for c in r.search.frontier), key=sum, default=(0,) * len(r.rules.quiet))

    # ── text ──

    def lines(self, coverage: bool) -> list[str]:
        r = self.result
        out = [f"{r.verdict.upper()}  {self._scope()}"]
        out += [f"  {text}" for text in self._counts()]
        if self.diagnosis:
            out += self._diagnosis(self.diagnosis)
        out += [f"  warning: {w}" for w in self.warnings()]
        out = out[:LINES] if self.diagnosis else out
        return [_cut(x) for x in out] + (self.coverage.lines() if coverage else [])

    def _scope(self) -> str:
        r = self.result
        head = f"{r.instance.model.name}, {', '.join(self.traces)}"
        match r.verdict:
            case "accept":
                if r.interrupted:
                    return f"{head}: interrupted; the {r.events:,} events so far are explained"
                return f"{head}: all {r.events:,} events are explained"
            case "reject":
                assert r.stopped
                return f"{r.stopped.event.place}: nothing explains this event, the {r.explained + 1:,}. of {head}"
        return f"{head}: {r.why}, after {r.explained:,} events"

    def _counts(self) -> list[str]:
        r = self.result
        rate = f", {r.lines / r.seconds:,.0f} lines/s" if r.seconds > 0.01 else ""
        out = [
            f"{r.lines:,} lines, {r.explanations:,} explaining states (at most {r.search.tally.most:,}), {r.seconds:.2f} s{rate}"
        ]
        if r.rules.ignored:
            out.append("ignored: " + ", ".join(f"{n:,} by `{text}`" for text, n in r.rules.ignored.items()))
        if r.rules.messages.unknown:
            out.append("messages that the spec has not: " + ", ".join(f"{n:,} {k}" for k, n in r.rules.messages.unknown.items()))
        used = [(q.silent.do, n) for q, n in zip(r.rules.quiet, self.silent(), strict=True)]
        if used:
            out.append("silent steps: " + ", ".join(f"{n:,} {do}" for do, n in used))
        return out

    def _diagnosis(self, d: Diagnosis) -> list[str]:
        import msgspec

        out = [f"  {msgspec.json.encode(d.line).decode()}", f"  reads as {d.reads_as}", "", f"why ({d.about}):"]
        out += [f"  {x}" for x in d.reasons] or ["  no step is possible"]
        for title, rows in (
            ("possible instead:", d.enabled[:6]),
            ("before it:", d.before),
            ("the message:", d.related),
            ("it would be explained by:", d.remedies),
        ):
            out += ["", title, *(f"  {x}" for x in rows)] if rows else []
        return out


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 2] + " …"


class RecordAnswer:
    """What came of a record of `spectrace run`."""

    def __init__(self, spec: str, traces: list[str], found: Validated, seconds: float) -> None:
        self.spec, self.traces, self.found, self.seconds = spec, traces, found, seconds
        self.exit = EXITS[found.verdict]

    def data(self) -> dict[str, Any]:
        f, why = self.found, self.found.rejected
        return {
            "spec": f.instance.model.name,
            "traces": self.traces,
            "binding": None,
            "verdict": f.verdict,
            "lines": f.lines,
            "events": f.counts.total() + bool(why),
            "explained": f.counts.total(),
            "seconds": round(self.seconds, 3),
            "coverage": {"actions": dict(sorted(f.actions.items()))},
            "unchecked": f.unchecked,
            "clients": {"requests": f.counts["invoke"], "answers": f.counts["return"], "explained": f.served},
            "diagnosis": {
                "place": f.place,
                "line": f.line,
                "about": why.about,
                "reasons": why.reasons,
                "property": why.property,
            }
            if why
            else None,
        }

    def lines(self, coverage: bool) -> list[str]:
        import msgspec

        f, why = self.found, self.found.rejected
        name = f"{f.instance.model.name}, {', '.join(self.traces)}"
        head = f"{f.place}: the spec does not allow this, in {name}" if why else f"{name}: all {f.lines:,} lines are explained"
        out = [f"{f.verdict.upper()}  {head}", f"  a record of `spectrace run`; {f.steps:,} steps, {self.seconds:.2f} s"]
        if why:
            out += [f"  {msgspec.json.encode(f.line).decode()}", "", f"why ({why.about}):", *(f"  {x}" for x in why.reasons)]
        if not why and f.counts["return"]:
            told = "linearizable, in the order in which nodes executed it" if f.served else "nothing says where it was executed"
            out.append(f"  {f.counts['invoke']:,} requests of clients, {f.counts['return']:,} answers: {told}")
        out += [f"  not checked, as it goes through too many values: {', '.join(f.unchecked)}"] if f.unchecked else []
        never = sorted({a.name for a in f.instance.actions} - f.actions.keys())
        if coverage:
            out += [f"  {n:,} × {a}" for a, n in sorted(f.actions.items())] + [f"  never: {', '.join(never)}"] * bool(never)
        return [_cut(x) for x in out]


def _recorded(spec: str, model: Model, traces: list[str], logs: list[Log]) -> RecordAnswer:
    from checker.answer import Rejected

    started = time.perf_counter()
    try:
        found = validated(model, logs)
    except (BindError, AssumptionFails) as error:
        raise Rejected(error, model, True) from None
    return RecordAnswer(spec, traces, found, time.perf_counter() - started)


def perform(
    spec: str, traces: list[str], binding: str | None, instance: str | None, follow: bool = False
) -> Answer | RecordAnswer:
    """Validates; `follow`: a log that still grows.  Raises Mistake, SpecErrors, Rejected."""
    from checker import load as load_spec

    model = load_spec(spec)
    if follow:
        return _followed(spec, model, traces, binding, instance)
    if not binding:
        logs = [Log(t) for t in traces]
        if all(map(is_record, logs)):
            return _recorded(spec, model, traces, logs)
        if itf := next(filter(is_itf, logs), None):
            if len(logs) > 1:
                raise Mistake(f"{itf.name} is an ITF file, of a whole behaviour; such files are validated one by one")
            return _answer(spec, model, traces, [itf], lambda: ItfValidation(model, itf, instance))
    return validate(model, traces, load(binding or binding_beside(spec, traces)), instance, spec)


def validate(model: Model, traces: list[str], binding: Binding, instance: str | None = None, spec: str = "") -> Answer:
    """Validates with a model and a binding.  Raises as `perform` does."""
    logs = [Log(t) for t in traces]
    return _answer(spec or model.name, model, traces, logs, lambda: Validation(model, binding, logs, instance))


def _followed(spec: str, model: Model, traces: list[str], binding: str | None, instance: str | None) -> Answer:
    """Until Ctrl-C, or a line that nothing explains."""
    import signal

    if len(traces) > 1 or traces == ["-"]:
        raise Mistake("--follow takes one file")
    wait_for(traces[0])
    logs = [Log(traces[0])]
    if logs[0].packed:
        raise Mistake("--follow takes a file that is not packed")

    def end(*_: object) -> None:
        logs[0].follow, logs[0].interrupted = False, True

    said = load(binding or binding_beside(spec, traces))
    before = signal.signal(signal.SIGINT, end)
    try:
        return _answer(spec, model, traces, logs, lambda: Validation(model, said, logs, instance), True)
    finally:
        signal.signal(signal.SIGINT, before)


def _as_it_grows(make: Callable[[], Validation]) -> Result:
    """The verdict on a log that is followed: from the beginning again if it ends where the log has outgrown the sizes that the
    binding took from it."""
    now = make()
    while (result := now.run(True)).verdict == "reject":
        before, now = now.instance, make()
        if (before.sizes, before.names) == (now.instance.sizes, now.instance.names):
            break
    return result


def _answer(
    spec: str, model: Model, traces: list[str], logs: list[Log], make: Callable[[], Validation], follow: bool = False
) -> Answer:
    from checker.answer import Rejected

    try:
        result = _as_it_grows(make) if follow else make().run()
    except (BindError, AssumptionFails) as error:
        raise Rejected(error, model, True) from None
    result.interrupted = any(log.interrupted for log in logs)
    result.warnings = [f"{log.name}:{log.half}: this last line is cut off, and left out" for log in logs if log.half]
    return Answer(spec, traces, result, diagnose(result, logs) if result.stopped else None)


__all__ = ["Answer", "Mistake", "perform", "validate"]
