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

TIMEOUT, LOOKING, LOOK = 10.0, 30.0, 5.0  # seconds: of a query; of the search for a counterexample at small sizes; of each
ATTEMPTS = 12  # a query has several cases, and is asked again in other words
LARGEST = 4  # of a sort


def prove_any(instance: Instance, settings: Settings, progress: Callable[[Answered], None] | None = None) -> Proof:
    """Asks everything without sizes; of the instance only switches and faults count.  Raises Refused."""
    started = time.perf_counter()
    with encoding(settings):
        proof, encoded = prepare(instance, settings)
    proof.seconds = {"encode": time.perf_counter() - started, "solve": 0.0, "explain": 0.0}
    stages(proof, solve=lambda: ask_all(proof, encoded.ask, progress, ATTEMPTS), explain=lambda: _look_into(proof, encoded))
    if proof.found is None and proof.cti is None:
        _settle(proof, None)
    return proof


def _look_into(proof: Proof, encoded: Unbounded) -> None:
    """What is behind what is not proved: at small sizes, then in the instance that was named."""
    if proof.status("refuted") or proof.status("unknown"):
        _confirm(proof, encoded)
        if proof.found is None:
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


def _confirm(proof: Proof, encoded: Unbounded) -> None:
    """The smallest instance in which something open has a counterexample; what has none is unknown."""
    settings = proof.settings
    end, last = time.perf_counter() + LOOKING, ""
    asked = [a.query for a in (*proof.status("refuted"), *proof.status("unknown"))]
    for small in _small(proof.instance):
        if time.perf_counter() > end:
            break
        try:
            induction = Induction(small, deadlock=False, full=False)
        except TooLarge:
            continue
        for q in asked:
            finite = _at(q, encoded, induction)
            if finite is not None and induction.ask(finite, within(settings.end, LOOK)).status == "refuted":
                proof.cti = find(induction, finite, within(settings.end, LOOK) or LOOK)
                if proof.cti is not None:
                    proof.shown = small
                    _settle(proof, q)
                    judge(proof)
                    return
        last = ", ".join(f"{n} = {v}" for n, v in small.sizes.items() if n not in proof.switches)
    proof.tried = f"the sizes up to {last}" if last else "any small size"
    _settle(proof, None)


def _explore(proof: Proof) -> None:
    """A counterexample in the instance that was named, where the small ones have none from an initial state."""
    found = counterexample(proof.instance, proof.settings)
    if found is not None:
        proof.shown, proof.found, proof.tried = proof.instance, found, ""


def _settle(proof: Proof, confirmed: Query | None) -> None:
    """The query that is confirmed is refuted; without any, what was refuted is only unknown."""
    for i, a in enumerate(proof.answered):
        if a.query == confirmed:
            proof.answered[i] = replace(a, status="refuted")
        elif confirmed is None and a.status == "refuted" and a.query.kind != POSSIBLE:
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
