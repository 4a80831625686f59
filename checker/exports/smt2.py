"""A proof by induction, written for other solvers: a file of SMT-LIB 2.6 for every question.

`unsat` says that what a file asks for is impossible; if all are unsat, the proof is confirmed.  A file of a proof for any size
assumes only the lemmas that its question needs (as far as that is known): what is proved with fewer is proved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import z3

from checker.engines.smt import plan as p
from checker.engines.smt.plan import Query

ASKED = {
    p.INITIALLY: "can {target} be false at the start?",
    p.IMPLIED: "can {target} be false where the others and the lemmas hold?",
    p.PRESERVED: "can {action} make {target} false?",
    p.STEP: "can {action} break {target}?",
    p.FAULT: "can {action} run into a spec fault?",
    p.DEFINED: "can {target} have no value?",
    p.DEADLOCK: "can there be nothing to do?",
}


def question(q: Query, action: str | None) -> str:
    """What a query asks, in words."""
    return ASKED[q.kind].format(target=q.target, action=action)


def name(number: int, q: Query, action: str | None, case: int | None) -> str:
    """The name of a file: 007_preserved_Agreement_Phase1b."""
    parts = [f"{number:03}", q.kind, q.target, action, None if case is None else str(case)]
    return "_".join(re.sub(r"\W+", "_", x) for x in parts if x) + ".smt2"


def script(title: str, asked: str, formulas: Iterable[Any], status: str) -> str:
    """One question.  `status`: what our own solver said: unsat, sat or unknown."""
    solver = z3.Solver()
    solver.add(list(formulas))
    said = solver.to_smt2().split("(set-info :status unknown)", 1)[-1].strip()
    head = [f"; {title}", f"; {asked} unsat: it cannot be.", "(set-info :smt-lib-version 2.6)", "(set-logic ALL)"]
    return "\n".join([*head, f"(set-info :status {status})", said, ""])


Written = Callable[[Query], Iterable[tuple[list[Any], str]]]


def files(title: str, asked: Sequence[Query], actions: Sequence[str], written: Written) -> dict[str, str]:
    """A file for every case of every query, by name."""
    found: dict[str, str] = {}
    for q in asked:
        action = None if q.action is None else actions[q.action]
        cases = list(written(q))
        for i, (formulas, status) in enumerate(cases):
            case = i + 1 if len(cases) > 1 else None
            found[name(len(found) + 1, q, action, case)] = script(title, question(q, action), formulas, status)
    return found
