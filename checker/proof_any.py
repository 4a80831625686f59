"""A proof for any size of the sorts and any bounds: the queries asked without sizes, and what was refuted looked for at small
sizes, where the definition can replay it.

The invariant: "refuted" in the end means that there is a counterexample at sizes that are shown; what the solver refutes and no
small instance confirms counts as unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from checker.core.bind import BindError, Instance, bind
from checker.core.operators.table import TypeMismatch
from checker.core.types import Infinite, Int
from checker.deadline import within
from checker.engines.smt.cti import find
from checker.engines.smt.induction import Induction
from checker.engines.smt.plan import POSSIBLE, Answered, Query, distinct
from checker.engines.smt.terms import TooLarge
from checker.engines.smt.unbounded.induction import Unbounded, encode
from checker.engines.smt.unbounded.small import Small
from checker.proof import Proof, Settings, ask_all, counterexample, encoding, judge, stages

TIMEOUT, LOOKING = 10.0, 30.0  # seconds: of a query; of the search for a counterexample at small sizes
LOOK = 5.0  # seconds: of a query at a small size; of the search for further counterexamples
ATTEMPTS = 12  # a query has several cases, and is asked again in other words
LARGEST = 4  # of a sort


def prove_any(instance: Instance, settings: Settings, progress: Callable[[Answered], None] | None = None) -> Proof:
    """Asks everything without sizes; of the instance only switches and faults count.  Raises Refused."""
    started = time.perf_counter()
    with encoding(settings):
        proof, encoded = prepare(instance, settings)
    proof.seconds = {"encode": time.perf_counter() - started, "solve": 0.0, "explain": 0.0}
    stages(proof, solve=lambda: ask_all(proof, encoded.ask, progress, ATTEMPTS), explain=lambda: _look_into(proof, encoded))
    _settle(proof)
    return proof


def _look_into(proof: Proof, encoded: Unbounded) -> None:
    """What is behind what is not proved: at small sizes, then in the instance that was named.  What else has a counterexample at
    a small size is looked for a little longer."""
    if not _open(proof):
        return
    for small, q, induction, finite in _refuted(proof, encoded):
        if proof.cti is None:
            proof.cti = find(induction, finite, within(proof.settings.end, LOOK) or LOOK)
            if proof.cti is None:
                continue
            proof.shown, proof.confirmed = small, {q}
            judge(proof)
            if proof.found is None:
                _explore(proof)
        proof.confirmed.add(q)
    if proof.cti is None:
        _explore(proof)


def prepare(instance: Instance, settings: Settings) -> tuple[Proof, Unbounded]:
    """A proof of which nothing has been asked yet, and who answers.  Raises Refused."""
    settings = replace(settings, timeout=settings.timeout or TIMEOUT, deadlock=False)
    proof = Proof(instance, settings, None, [], [])  # type: ignore[arg-type]
    encoded = encode(instance.model, instance.model.instances[instance.name], proof.switches)
    proof.plan, proof.actions = encoded.plan, distinct(encoded.steps)
    encoded.end = settings.end
    encoded.small = Small(instance, proof.actions, {n: len(f.pos.sexpr()) for n, f in encoded.good.items()})
    proof.scope = tuple(encoded.scope())
    return proof, encoded


def _open(proof: Proof) -> list[Query]:
    """What is not proved, and has no counterexample at a small size so far."""
    found = [a.query for a in (*proof.status("refuted"), *proof.status("unknown"))]
    return [q for q in found if q not in proof.confirmed]


def _refuted(proof: Proof, encoded: Unbounded) -> Iterator[tuple[Instance, Query, Induction, Query]]:
    """What has a counterexample at a small size, the smallest first: where, what, and who was asked what there."""
    end, decided = time.perf_counter() + LOOKING, True
    for small in _small(proof.instance):
        if time.perf_counter() > end or not _open(proof):
            return
        try:
            induction = Induction(small, deadlock=False, full=False)
        except TooLarge:
            decided = False
            continue
        for q in _open(proof):
            if time.perf_counter() > end:
                return
            finite = _at(q, encoded, induction)
            status = induction.ask(finite, within(proof.settings.end, LOOK)).status if finite else "proved"
            decided &= status == "proved"
            if finite and status == "refuted":
                yield small, q, induction, finite
                end = min(end, time.perf_counter() + LOOK)
        if decided:
            proof.tried = small


def _explore(proof: Proof) -> None:
    """A counterexample in the instance that was named, where the small ones have none from an initial state."""
    proof.found = counterexample(proof.instance, proof.settings)


def _settle(proof: Proof) -> None:
    """What has a counterexample at a small size is refuted; what else the solver refutes is only unknown."""
    for i, a in enumerate(proof.answered):
        if a.query in proof.confirmed:
            proof.answered[i] = replace(a, status="refuted")
        elif a.status == "refuted" and a.query.kind != POSSIBLE:
            proof.answered[i] = replace(a, status="unknown")


def _at(q: Query, encoded: Unbounded, induction: Induction) -> Query | None:
    """The same query about an instance."""
    if q.action is None or q.action < len(encoded.model.actions):
        return q
    name = encoded.steps[q.action].name
    return next((replace(q, action=i) for i, a in enumerate(induction.instance.actions) if a.name == name), None)


def _small(instance: Instance) -> Iterator[Instance]:
    """The same model at small sizes, the smallest first."""
    model = instance.model
    numbers = [n for n, d in model.params.items() if isinstance(d.type, Int)]
    choices: list[list[Any]] = [list(range(1, LARGEST + 1)) for _ in model.sorts] + [list(range(LARGEST)) for _ in numbers]
    names = [*model.sorts, *numbers]
    for row in sorted(product(*choices), key=lambda r: (sum(r), max(r, default=0), r)):
        try:
            yield bind(model, instance.name, dict(zip(names, row, strict=True)))
        except (BindError, TypeMismatch, Infinite):
            continue
