"""A proof by induction: every query of the plan answered, and what was refuted looked into.

Here the solver and the native search meet: a counterexample to induction is a step from a state that need not be reachable,
and the search says whether it is.  The invariant: a verdict is as strong as its weakest query; unknown is never success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_all_start_methods, get_context
from typing import Any

from checker.answer import Answer, Request, Unable, explain, explore_with
from checker.core.bind import Instance
from checker.core.types import Bool, Enum
from checker.deadline import Late, paused, until, within
from checker.engines.replay import judged
from checker.engines.smt import plan as p
from checker.engines.smt.bmc import check as bmc
from checker.engines.smt.cti import Cti, find, named
from checker.engines.smt.induction import FULL, Induction
from checker.engines.smt.patience import MOST
from checker.engines.smt.plan import Answered, Plan, Query
from checker.engines.smt.solve import Ask, answers
from checker.verdict import Limits, Result, Trace, Verdict

CTI_SECONDS = 10.0
FIRST = 2.0  # seconds in which most queries are answered
SOON = 20.0  # seconds: with less time than this a compiler must not hold it up


@dataclass(frozen=True)
class Settings:
    """How to prove.  `timeout`: seconds for each query; `max_states`: how far to look for a counterexample;
    `end`: when all must be over (as time.perf_counter counts)."""

    k: int = 1
    jobs: int = 1
    timeout: float | None = None
    deadlock: bool = True
    max_states: int = 1_000_000
    end: float | None = None


@dataclass(frozen=True)
class Label:
    """Is the state before a counterexample reachable?  None: not within the `states` that were explored, to `depth`."""

    reachable: bool | None
    states: int = 0
    depth: int = 0
    symmetry: bool = False
    cut: bool = False  # did a bound cut the search?
    why_not: str = ""  # why it was not looked for


@dataclass
class Proof:
    """What came of the queries.  `found`: the verdict on the counterexample, with its behaviour."""

    instance: Instance
    settings: Settings
    plan: Plan
    actions: list[str]
    answered: list[Answered]
    cti: Cti | None = None
    label: Label | None = None
    found: Answer | None = None  # a real counterexample, from an initial state
    step: Answer | None = None  # the counterexample to induction, explained
    scope: tuple[str, ...] | None = None  # of a proof for any size: what is left open; None: a proof of this instance
    shown: Instance | None = None  # the instance of the counterexample to induction, if that is another
    confirmed: set[Query] = field(default_factory=set)  # of a proof for any size: what has a counterexample at a small one
    tried: Instance | None = None  # up to which size what is open has none
    seconds: dict[str, float] = field(default_factory=dict)

    def status(self, status: str) -> list[Answered]:
        """The queries with this answer, but for those that ask whether an action is possible, and those asked first."""
        return [a for a in self.answered if a.status == status and a.query.kind not in (p.POSSIBLE, p.IMPLIED)]

    @property
    def implied(self) -> frozenset[str]:
        """The invariants that the others and the lemmas imply in one state."""
        return frozenset(a.query.target or "" for a in self.answered if a.query.kind == p.IMPLIED and a.status == "proved")

    @property
    def switches(self) -> dict[str, Any]:
        """The parameters that a proof for any size keeps."""
        params = self.instance.model.params
        return {n: self.instance.sizes[n] for n, d in params.items() if isinstance(d.type, Bool | Enum)}

    def cut_short(self) -> None:
        """The time was over: what was not answered is unknown, and a counterexample that was not looked into is not shown."""
        known = {a.query for a in self.answered}
        self.answered += [Answered(q, "unknown", 0.0) for q in self.plan.rest(self.implied) if q not in known]
        if self.label is None:
            self.cti = self.step = self.shown = None

    @property
    def where(self) -> Instance:
        """The instance of the counterexample to induction."""
        return self.shown or self.instance

    @property
    def verdict(self) -> Verdict:
        if self.found:
            return self.found.result.verdict
        if self.status("refuted"):
            return Verdict.NOT_INDUCTIVE
        return Verdict.UNKNOWN if self.status("unknown") else Verdict.HOLDS

    @property
    def impossible(self) -> list[str]:
        """The actions that cannot happen where the lemmas and invariants hold."""
        none = [a.query.action for a in self.answered if a.query.kind == p.POSSIBLE and a.status == "proved"]
        return [self.actions[i] for i in none if i is not None]


def prove(instance: Instance, settings: Settings, progress: Callable[[Answered], None] | None = None) -> Proof:
    """Asks everything, and looks into what was refuted.  Raises TooLarge, Disagreement (a bug)."""
    started = time.perf_counter()
    with encoding(settings):
        induction = Induction(instance, settings.k, settings.deadlock)
    actions = p.distinct(instance.actions)
    proof = Proof(instance, settings, induction.plan, actions, [])
    proof.seconds = {"encode": time.perf_counter() - started, "solve": 0.0, "explain": 0.0}
    stages(proof, solve=lambda: ask_all(proof, induction.ask, progress), explain=lambda: _look_into(proof, induction))
    return proof


@contextmanager
def encoding(settings: Settings) -> Iterator[None]:
    """Whatever is asked must be written first.  Raises Unable if there is no time for that."""
    try:
        with until(settings.end):
            yield
    except Late as why:
        if settings.end is None:
            raise
        unable = Unable("the time was over before the questions were written")
        unable.hint = "a longer --time-limit"
        raise unable from why


def stages(proof: Proof, **works: Callable[[], None]) -> None:
    """The stages of a proof, each timed.  If the time is over, what has not been answered is unknown."""
    try:
        with until(proof.settings.end):
            for name, work in works.items():
                started = time.perf_counter()
                try:
                    work()
                finally:
                    proof.seconds[name] = time.perf_counter() - started
    except Late:
        if proof.settings.end is None:
            raise
        proof.cut_short()


def ask_all(proof: Proof, ask: Ask, progress: Callable[[Answered], None] | None = None, late: float = 1.0) -> None:
    """Asks every query of the plan: first what is implied in one state.  `late`: how many time-outs one query may take."""
    settings, plan = proof.settings, proof.plan
    for name in plan.invariants:
        _note(proof, ask(plan.implied(name, proof.implied), within(settings.end, settings.timeout)), progress)
    queries = left = plan.rest(proof.implied)
    for seconds in _rounds(settings.timeout):

        def in_time(q: Query, _: float | None, seconds: float | None = seconds) -> Answered:
            try:
                return ask(q, within(settings.end, seconds))
            except Late:
                return Answered(q, "unknown", 0.0)

        limit = None if seconds is None else seconds * late * MOST
        late_ones = []
        for a in answers(left, in_time, settings.jobs, limit, settings.end):
            if a.status == "unknown" and seconds != settings.timeout:
                late_ones.append(a)
            else:
                _note(proof, a, progress)
        if proof.status("refuted"):
            for a in late_ones:
                _note(proof, a, progress)
            break
        left = [a.query for a in late_ones]
    order = {q: i for i, q in enumerate(queries)}
    proof.answered.sort(key=lambda a: order.get(a.query, -1))


def _rounds(timeout: float | None) -> list[float | None]:
    """What is soon answered is asked first: what refutes a proof may be among it, and then the rest need not be known."""
    return [timeout] if timeout is not None and timeout <= FIRST else [FIRST, timeout]


def questions_of(proof: Proof) -> list[Query]:
    """The queries that make up the proof."""
    asked = [a.query for a in proof.answered if a.query.kind != p.POSSIBLE]
    return [q for q in asked if q.kind != p.IMPLIED or q.target in proof.implied]


def _note(proof: Proof, a: Answered, progress: Callable[[Answered], None] | None) -> None:
    proof.answered.append(a)
    if progress:
        progress(a)


def _look_into(proof: Proof, induction: Induction) -> None:
    """What is behind the first query that was refuted; for k-induction also, whether the first k states are good."""
    settings = proof.settings
    if settings.k > 1:
        rest = within(settings.end, None)
        with paused():
            base = bmc(proof.instance, settings.k - 1, settings.deadlock, rest)
        if base.trace is not None:
            proof.found = _explained(proof, base)
            return
        if base.verdict is Verdict.UNKNOWN and base.stopped_by not in ("depth", None):
            proof.answered.append(Answered(Query(p.INITIALLY), "unknown", base.seconds["total"]))
    refuted = proof.status("refuted")
    if not refuted:
        return
    proof.cti = find(induction, refuted[0].query, within(settings.end, settings.timeout or CTI_SECONDS) or CTI_SECONDS)
    if proof.cti is not None:
        judge(proof)


def judge(proof: Proof) -> None:
    """What a counterexample to induction shows, and whether it is reachable."""
    assert proof.cti
    settings = proof.settings
    result = _result(proof.where, proof.cti)
    proof.step = _explained(proof, result)
    if proof.cti.query.kind == p.INITIALLY:
        proof.found, proof.label = proof.step, Label(True, 1)
        return
    label, real = _label(proof.where, proof.cti, settings, proof.scope is None)
    if proof.shown and real and real.verdict is Verdict.SPEC_FAULT and real.message.endswith(FULL):
        real = None  # a proof for any size does not look at that
    if real:
        proof.found = _explained(proof, real)
    proof.label = label


def _result(instance: Instance, cti: Cti) -> Result:
    """A counterexample to induction in the vocabulary of `check`."""
    if cti.query.kind == p.DEADLOCK:
        return Result(Verdict.DEADLOCK, engine="smt", trace=cti.trace)
    text, place = cti.fault or ("", None)
    prop = named(instance, cti.query.target)
    if prop:
        states = [cti.trace.initial, *(s.state for s in cti.trace.steps)]
        said = judged(instance, prop, *(states[-2:] if prop.kind == "step" else states[-1:]))
        if isinstance(said, bool):
            return Result(Verdict.VIOLATED, prop.name, engine="smt", trace=cti.trace)
        text, place = f"{prop.name}: {said.text}", instance.model.place(said.node)
    trace = Trace(cti.trace.initial, cti.trace.steps, text)
    return Result(Verdict.SPEC_FAULT, message=text, place=place, engine="smt", trace=trace)


def _explained(proof: Proof, result: Result) -> Answer:
    answer = Answer(Request(proof.instance.model.name, deadlock=proof.settings.deadlock), proof.where, result)
    explain(answer)
    return answer


def compiled(instance: Instance, settings: Settings) -> None:
    """If there is little time: the machine code of an instance is made, and kept, by a process that can be ended, as a compiler
    cannot.  Raises Late."""
    if settings.end is None or settings.end - time.perf_counter() > SOON or "fork" not in get_all_start_methods():
        return
    import checker.engines.native.run  # noqa: F401  once here, not in every child

    child = get_context("fork").Process(target=_compile, args=(instance, settings.deadlock), daemon=True)
    with paused():
        child.start()
        child.join(max(0.0, settings.end - time.perf_counter()))
        late = child.is_alive()
        child.kill()
        child.join()
    if late:
        raise Late


def _compile(instance: Instance, deadlock: bool) -> None:
    with suppress(Unable, KeyboardInterrupt), explore_with(instance, Limits(max_states=1), deadlock):
        pass


def counterexample(instance: Instance, settings: Settings) -> Answer | None:
    """A behaviour of an instance that ends in something wrong, by native search."""
    try:
        compiled(instance, settings)
        with explore_with(instance, _limits(settings), settings.deadlock) as (_, r):
            if r.trace is None:
                return None
            answer = Answer(Request(instance.model.name, deadlock=settings.deadlock), instance, r)
            explain(answer)
            return answer
    except Unable:
        return None


def _limits(settings: Settings) -> Limits:
    return Limits(max_states=settings.max_states, time_limit=within(settings.end, None))


def _label(instance: Instance, cti: Cti, settings: Settings, within_bound: bool) -> tuple[Label, Result | None]:
    """Is it reachable (`within_bound`: is only that asked)?  By native search; and if so, a behaviour from an initial state."""
    try:
        compiled(instance, settings)
        with explore_with(instance, _limits(settings), settings.deadlock) as (search, r):
            way = search.way_through([cti.trace.initial, *(s.state for s in cti.trace.steps)])
            everything = r.exhaustive and (within_bound or not r.cut)
            reachable = True if way is not None else False if everything else None
            label = Label(reachable, r.distinct_states, r.depth, r.symmetry, r.cut > 0)
            if r.trace is not None or way is None:
                return label, r if r.trace is not None else None
            whole = Cti(cti.query, Trace(way.initial, way.steps, cti.trace.fault), False, cti.fault)
            return label, _result(instance, whole)
    except Unable as why:
        return Label(None, why_not=str(why)), None
