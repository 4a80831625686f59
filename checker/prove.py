"""`prove` from request to answer: ask the solver, let the definition replay what it says, explain; then text or JSON.

Here the engines meet: what the solver finds is replayed by `meaning`, and a counterexample to induction is looked for among
the reachable states by the native search.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from checker import load, report
from checker.answer import Answer, Request, Unable, explain, instance_of
from checker.core.bind import Instance
from checker.deadline import heard
from checker.trace import Plain
from checker.verdict import EXIT, Progress, Result, Verdict

if TYPE_CHECKING:
    from checker.engines.smt.plan import Query
    from checker.epr_report import Epr
    from checker.lemmas.find import Found
    from checker.proof import Proof, Settings

Answered = TypeVar("Answered")
LAST, LEAST = 5.0, 1.0  # seconds of a search for lemmas that are kept for the proof without: at most; at least
ANSWERS = 60.0  # seconds for the answers to questions that are written
METHODS = ("induction", "k-induction", "bmc")


@dataclass(frozen=True)
class Asked:
    """What was asked for.  `depth`: of bmc; `k`: of k-induction; `timeout`: seconds for a query (bmc: for all);
    `max_states`: how far to look for a counterexample to induction; `time_limit`: seconds for all."""

    spec: str
    instance: str | None = None
    define: tuple[str, ...] = ()
    method: str = "induction"
    depth: int = 20
    k: int = 2
    jobs: int = 1
    timeout: float | None = None
    deadlock: bool = True
    max_states: int = 1_000_000
    unbounded: bool = False
    find_lemmas: bool = False
    time_limit: float | None = None


@dataclass
class Bounded:
    """What bounded model checking found."""

    asked: Asked
    answer: Answer

    @property
    def exit(self) -> int:
        return self.answer.exit

    def lines(self, total: float) -> report.Lines:
        r, i = self.answer.result, self.answer.instance
        colour = report.COLOURS.get(r.verdict, report.BAD)
        word = {Verdict.SPEC_FAULT: "spec fault"}.get(r.verdict, r.verdict.value)
        lines = [report.title(i), Text.assemble((f"{word}:", colour), " " + self.claim())]
        lines += [Text("  " + line) for line in self._scope()]
        seconds = r.seconds
        lines.append(
            Text(
                f"  {report.seconds(total)}: encoded in {report.seconds(seconds['compile'])}, "
                f"solved in {report.seconds(seconds['explore'])}, bounded model checking"
            )
        )
        lines += report.witnesses(r)
        if r.trace is not None:
            lines += [Text(""), *report.trace(i, r.trace)]
        return lines + self.answer.why()

    def claim(self) -> str:
        """What the verdict says, with what it is about."""
        r, i = self.answer.result, self.answer.instance
        scope = report.Scope(self.asked.deadlock)
        match r.verdict:
            case Verdict.HOLDS:
                return f"{report.properties(i, scope)} — in {self._all()}"
            case Verdict.VIOLATED if r.trace is None:
                return f"{r.property} — {r.message}: {self._all()}"
            case Verdict.UNKNOWN:
                why = "" if r.stopped_by == "depth" else f" ({report.STOPS.get(r.stopped_by or '', 'stopped')} came first)"
                if r.depth < 0:
                    return f"nothing was decided{why}"
                steps = report.count(r.depth, "step")
                return f"no counterexample of up to {steps}{why}; longer behaviours were not looked at"
        return report.claim(i, r, scope)

    def _all(self) -> str:
        steps = report.count(self.answer.result.depth, "step")
        return f"all behaviours: without steps that change nothing they have at most {steps}"

    def _scope(self) -> list[str]:
        r, i = self.answer.result, self.answer.instance
        out = [] if self.asked.deadlock else ["deadlocks were not looked for (--no-deadlock)"]
        missing = report.unwitnessed(i, r)
        if r.verdict is Verdict.UNKNOWN and missing:
            out.append(f"not reached so far: {', '.join(missing)}")
        return out

    def data(self, total: float) -> dict[str, Any]:
        r, plain = self.answer.result, Plain(self.answer.instance)
        return {
            **head(self.answer.instance, self.asked),
            "verdict": r.verdict.value,
            "property": r.property,
            "message": r.message,
            "place": r.place,
            "depth": r.depth,
            "exhaustive": r.exhaustive,
            "stopped_by": None if r.stopped_by == "event" else r.stopped_by,
            "deadlock_checked": self.asked.deadlock,
            "witnesses": r.witnesses,
            "seconds": {"encode": r.seconds["compile"], "solve": r.seconds["explore"], "total": total},
            "trace": plain.trace(r.trace),
            "reason": self.answer.reason_data(),
        }


def head(i: Instance, asked: Asked) -> dict[str, Any]:
    """What an answer is about, as data."""
    plain = Plain(i)
    sizes = {n: plain.value(v) for n, v in i.sizes.items()}
    return {"spec": i.model.name, "file": i.model.source.name, "instance": i.name, "sizes": sizes, "method": asked.method}


@dataclass
class Inductive:
    """What a proof by induction found."""

    asked: Asked
    proof: Proof
    found: Found | None = None

    @property
    def exit(self) -> int:
        return EXIT[self.proof.verdict]

    def lines(self, total: float) -> report.Lines:
        from checker.lemmas.told import lines as told
        from checker.proof_report import lines

        return lines(self.proof, total) + (told(self.found) if self.found else [])

    def data(self, total: float) -> dict[str, Any]:
        from checker.lemmas.told import data as told
        from checker.proof_report import data

        return {**head(self.proof.instance, self.asked), **data(self.proof, total), **(told(self.found) if self.found else {})}


def perform(asked: Asked, progress: Callable[[Progress], None] | None = None) -> Bounded | Inductive:
    """Proves or refutes.  Raises Mistake, SpecErrors, Rejected, Unable."""
    with heard():
        instance = instance_of(load(asked.spec), asked.instance, asked.define)
        if asked.method == "bmc":
            return _encodable(lambda: _bounded(asked, instance, progress))
        if asked.unbounded:
            return _any_size(asked, instance)
        return _encodable(lambda: _inductive(asked, instance))


def _inductive(asked: Asked, instance: Instance) -> Inductive:
    from checker.proof import prove

    return _found(asked, instance) or Inductive(asked, prove(instance, _settings(asked)))


def _settings(asked: Asked) -> Settings:
    from checker.proof import Settings

    k = asked.k if asked.method == "k-induction" else 1
    end = None if asked.time_limit is None else time.perf_counter() + asked.time_limit
    return Settings(k, asked.jobs, asked.timeout, asked.deadlock and not asked.unbounded, asked.max_states, end)


def _found(asked: Asked, instance: Instance) -> Inductive | None:
    """A proof with lemmas that are looked for; without, if there is none.  None: they are not asked for."""
    if not asked.find_lemmas:
        return None
    from checker.lemmas.find import SECONDS, Finder
    from checker.proof import prove
    from checker.proof_any import prove_any

    settings, limit = replace(_settings(asked), end=None), asked.time_limit or SECONDS
    end = time.perf_counter() + limit
    found = Finder(instance, settings, asked.unbounded, limit - min(LAST, limit / 5)).run()
    proof = found.proof or (prove_any if asked.unbounded else prove)(
        instance, replace(settings, end=max(end, time.perf_counter() + LEAST))
    )
    return Inductive(asked, proof, found)


def _any_size(asked: Asked, instance: Instance) -> Inductive:
    from checker.proof_any import prove_any

    found = _without_sizes(instance, lambda: _encodable(lambda: _found(asked, instance)))
    return found or Inductive(asked, _without_sizes(instance, lambda: prove_any(instance, _settings(asked))))


def questions(asked: Asked) -> dict[str, str]:
    """The questions of a proof by induction as SMT-LIB scripts, by file name; what our own solver does not answer within the
    limits is written as unknown.  Raises what `perform` does."""
    instance = instance_of(load(asked.spec), asked.instance, asked.define)
    if asked.unbounded:
        return _without_sizes(instance, lambda: _questions_any(instance, asked))
    return _encodable(lambda: _questions(instance, asked))


def _soon(settings: Settings) -> Settings:
    """With an end of the answers, if there is none."""
    return settings if settings.end is not None else replace(settings, end=time.perf_counter() + ANSWERS)


def quantifiers(asked: Asked, _: Callable[[Progress], None] | None = None) -> Epr:
    """The quantifier graph of the proof for any size.  Raises what `perform` does."""
    from checker.epr_report import epr
    from checker.proof import encoding
    from checker.proof_any import prepare

    instance, settings = instance_of(load(asked.spec), asked.instance, asked.define), _settings(asked)
    with encoding(settings):
        return _without_sizes(instance, lambda: epr(instance, prepare(instance, settings)[1]))


def _questions(instance: Instance, asked: Asked) -> dict[str, str]:
    from checker.engines.smt.induction import Induction
    from checker.engines.smt.plan import distinct
    from checker.exports.smt2 import files
    from checker.proof import Proof, ask_all, encoding, questions_of, stages

    settings = _settings(asked)
    with encoding(settings):
        induction = Induction(instance, 1, asked.deadlock)
    actions = distinct(instance.actions)
    proof = Proof(instance, _soon(settings), induction.plan, actions, [])
    stages(proof, solve=lambda: ask_all(proof, induction.ask))
    said = {a.query: {"proved": "unsat", "refuted": "sat"}.get(a.status, "unknown") for a in proof.answered}

    def written(q: Query) -> list[tuple[list[Any], str]]:
        return [] if induction.trivial(q) else [([induction.condition(q)], said[q])]

    title = f"{instance.model.name}, instance {instance.name}"
    return files(title, questions_of(proof), actions, written, induction.background())


def _questions_any(instance: Instance, asked: Asked) -> dict[str, str]:
    from checker.exports.smt2 import files
    from checker.proof import ask_all, encoding, questions_of, stages
    from checker.proof_any import ATTEMPTS, prepare

    settings = _settings(asked)
    with encoding(settings):
        proof, encoded = prepare(instance, settings)
    proof.settings = _soon(proof.settings)
    encoded.end = proof.settings.end
    stages(proof, solve=lambda: ask_all(proof, encoded.ask, late=ATTEMPTS))
    return files(f"{instance.model.name}, any sizes", questions_of(proof), proof.actions, encoded.written)


def _without_sizes(instance: Instance, work: Callable[[], Answered]) -> Answered:
    from checker.engines.smt.unbounded.values import Refused

    try:
        return work()
    except Refused as why:
        place = f" ({instance.model.place(why.node)})" if why.node is not None else ""
        unable = Unable(f"this cannot be proved for any size: {why.text}{place}")
        unable.hint = "; ".join([*([why.hint] if why.hint else []), "without --unbounded the instance is proved"])
        raise unable from why


def _encodable(work: Callable[[], Answered]) -> Answered:
    from checker.engines.smt.terms import TooLarge

    try:
        return work()
    except TooLarge as why:
        unable = Unable(f"the solver cannot represent this instance: {why}")
        unable.hint = "`spectrace check` explores it"
        raise unable from why


def _bounded(asked: Asked, instance: Instance, progress: Callable[[Progress], None] | None) -> Bounded:
    from checker.engines.smt.bmc import check

    seconds = min((x for x in (asked.timeout, asked.time_limit) if x is not None), default=None)
    result: Result = check(instance, asked.depth, asked.deadlock, seconds, progress)
    answer = Answer(Request(asked.spec, asked.instance, asked.define, deadlock=asked.deadlock), instance, result)
    explain(answer)
    return Bounded(asked, answer)
