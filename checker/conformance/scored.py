"""The answer of `spectrace mutate`: which changes of a log are noticed and which not, by kind, event and field."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from checker.conformance.answer import _cut as cut
from checker.conformance.binding import load
from checker.conformance.courses import Course, Explained, Recorded
from checker.conformance.itf import is_itf
from checker.conformance.lines import Line, Log
from checker.conformance.mutants import KINDS, Sampler
from checker.conformance.mutate import NEAR, Mutation, Outcome, Score, scores, tried
from checker.conformance.record import Replay, beginning, is_header, is_record, ordered
from checker.conformance.validate import Validation, binding_beside
from checker.core.bind import AssumptionFails, BindError
from checker.core.model import Model
from checker.settings import Mistake, nearest

WORST, SHOWN = 15, 12  # rows of fields, examples


class Answer:
    """The score of a spec and a binding on some logs."""

    def __init__(self, spec: str, traces: list[str], binding: str | None, seed: int, lines: int, seconds: float) -> None:
        self.spec, self.traces, self.binding, self.seed, self.lines, self.seconds = spec, traces, binding, seed, lines, seconds
        self.outcomes: list[Outcome] = []

    def _fields(self) -> dict[tuple[str, str], Score]:
        changed = (o for o in self.outcomes if o.mutant.kind == "field")
        return scores(changed, lambda o: (o.title, o.mutant.field))

    def data(self) -> dict[str, Any]:
        kinds = scores(self.outcomes, lambda o: o.mutant.kind)
        events = scores(self.outcomes, lambda o: o.title)
        fields = self._fields()
        return {
            "spec": self.spec,
            "traces": self.traces,
            "binding": self.binding,
            "seed": self.seed,
            "lines": self.lines,
            "seconds": round(self.seconds, 3),
            "all": _all(self.outcomes).data(),
            "kinds": {k: s.data() for k, s in kinds.items()},
            "events": {k: s.data() for k, s in events.items()},
            "fields": [{"event": e, "field": f, **s.data()} for (e, f), s in fields.items()],
            "accepted": [o.data() for o in self.outcomes if o.is_ != "rejected"],
            "farthest": [o.data() for o in self._farthest()],
        }

    def _farthest(self) -> list[Outcome]:
        far = [o for o in self.outcomes if o.is_ == "rejected" and o.distance > NEAR]
        return sorted(far, key=lambda o: -o.distance)[:SHOWN]

    # ── text ──

    def lines_of_text(self) -> list[str]:
        whole = _all(self.outcomes)
        rate = f", {whole.all / self.seconds:,.0f} mutants/s" if self.seconds > 0.01 else ""
        out = [
            f"{self.spec}, {', '.join(self.traces)}: {_percent(whole.rejected, whole.different)} of {whole.different:,} mutants "
            f"that are not equivalent are rejected",
            f"  {whole.rejected:,} of {whole.all:,} in all; {self.lines:,} lines, seed {self.seed}, {self.seconds:.1f} s{rate}",
            "",
            f"  {'':12}{'mutants':>9}{'rejected':>10}{'at it':>8}{f'within {NEAR}':>10}{'same':>7}{'explained':>11}{'unread':>8}",
        ]
        out += [_row(k, s) for k, s in scores(self.outcomes, lambda o: o.mutant.kind).items()]
        weak = sorted(((s.rejected / s.all, k, s) for k, s in self._fields().items() if s.rejected < s.all), key=lambda x: x[:2])
        if weak:
            wide = max(len(f"{e}: {f}") for _, (e, f), _ in weak[:WORST])
            out += ["", "fields whose changes are noticed least:"]
            out += [f"  {f'{e}: {f}':{wide}}  {_told(s)}" for _, (e, f), s in weak[:WORST]]
        return [cut(x) for x in out + self._examples()]

    def _examples(self) -> list[str]:
        accepted = [o for o in self.outcomes if o.is_ != "rejected" and o.mutant.kind == "field"]
        out: list[str] = []
        for title, found in (("accepted, for example:", _spread(accepted)), ("rejected far from the change:", self._farthest())):
            out += ["", title, *(f"  {_example(o)}" for o in found)] if found else []
        return out


def _all(outcomes: Iterable[Outcome]) -> Score:
    return scores(outcomes, lambda _: None).get(None) or Score()


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "none"


def _row(kind: str, s: Score) -> str:
    at, near = (_percent(s.within(n), s.rejected) for n in (0, NEAR))
    same, explained, unread = (s.counts[x] for x in ("same", "explained", "unread"))
    return f"  {kind:12}{s.all:9,}{_percent(s.rejected, s.all):>10}{at:>8}{near:>10}{same:7,}{explained:11,}{unread:8,}"


def _told(s: Score) -> str:
    rest = ", ".join(f"{s.counts[x]:,} {x}" for x in ("explained", "same", "unread", "inconclusive") if s.counts[x])
    return f"{s.rejected:,} of {s.all:,} rejected, {rest}"


def _spread(outcomes: list[Outcome]) -> list[Outcome]:
    """Some of them, of as many fields as there is place for."""
    first = {(o.title, o.mutant.field): o for o in reversed(outcomes)}
    return sorted(first.values(), key=lambda o: (o.mutant.file, o.mutant.at))[:SHOWN]


def _example(o: Outcome) -> str:
    import msgspec

    m = o.mutant
    what = m.kind
    if m.kind == "field":
        old, new = (msgspec.json.encode(x).decode() for x in (m.old, m.new))
        what = f"`{m.field}` {old} → {new}"
    return f"{o.place} ({o.title}): {what}: " + (f"rejected at {o.at}" if o.is_ == "rejected" else o.is_)


# ── making it ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def perform(
    spec: str,
    traces: list[str],
    binding: str | None,
    instance: str | None,
    kinds: str,
    limit: int,
    seed: int,
    jobs: int,
    horizon: int = 500,
) -> Answer:
    """Draws mutants and tries them.  Raises Mistake, SpecErrors, Rejected."""
    from checker import load as load_spec
    from checker.answer import Rejected

    wanted = [k.strip() for k in kinds.split(",")]
    for k in wanted:
        if k not in KINDS:
            raise Mistake(f"--kinds {k}: no such mutants", nearest(k, KINDS) or f"there are {', '.join(KINDS)}")
    started = time.perf_counter()
    model, logs = load_spec(spec), [Log(t) for t in traces]
    try:
        mutation, used, record = _mutation(spec, model, traces, logs, binding, instance, horizon)
    except (BindError, AssumptionFails) as error:
        raise Rejected(error, model, True) from None
    bad = mutation.accepted()
    if bad is not None:
        raise Mistake(f"{bad.place}: the log is not accepted, so there is no score", "`spectrace validate` says why")
    sampler = Sampler(mutation.files, seed, lambda x: record and (is_header(x) or x.data.get("event") == "run"))
    mutants = [m for k in wanted for m in sampler.draw(k, limit)]
    found = sorted(
        tried(mutation, mutants, jobs), key=lambda o: (KINDS.index(o.mutant.kind), o.mutant.file, o.mutant.at, repr(o))
    )
    answer = Answer(model.name, traces, used, seed, sum(map(len, mutation.files)), time.perf_counter() - started)
    answer.outcomes = found
    return answer


def _mutation(
    spec: str, model: Model, traces: list[str], logs: list[Log], binding: str | None, instance: str | None, horizon: int
) -> tuple[Mutation, str | None, bool]:
    """How mutants are tried, the binding, and whether the log is a record."""
    files: list[list[Line]] = [list(log) for log in logs]
    if not any(files):
        raise Mistake(f"{', '.join(traces)}: there are no lines in it")
    if not binding and all(map(is_record, logs)):

        def replays() -> list[Course]:
            about = beginning(files[0])
            assert about is not None
            return [Recorded(Replay(model, about), ordered(files))]

        return Mutation(replays, files, horizon), None, True
    if not binding and len(logs) == 1 and is_itf(logs[0]):
        raise Mistake(f"{traces[0]}: mutants are made of logs of events, not of states (ITF)")
    said = load(binding or binding_beside(spec, traces))
    validation = Validation(model, said, logs, instance)

    def searches() -> list[Course]:
        cheap = Explained.of(validation, False)
        again = cheap.search.rules.quiet or cheap.search.reorders
        return [cheap, Explained.of(validation, True)] if again else [cheap]

    return Mutation(searches, files, horizon), said.file, False


__all__ = ["Answer", "perform"]
