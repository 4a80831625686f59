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


def said(formulas: Iterable[Any]) -> tuple[list[str], str]:
    """Formulas as text: the declarations, a line each, and the assertions."""
    solver = z3.Solver()
    solver.add(list(formulas))
    text = solver.to_smt2().split("(set-info :status unknown)", 1)[-1].rsplit("(check-sat)", 1)[0]
    declared, start, asserted = text.partition("(assert")
    return declared.strip().splitlines(), (start + asserted).strip()


def script(title: str, asked: str, shared: tuple[list[str], str], formulas: Iterable[Any], status: str) -> str:
    """One question.  `shared`: what has been said already; `status`: what our own solver said: unsat, sat or unknown."""
    declared, asserted = said(formulas)
    known = set(shared[0])
    head = [f"; {title}", f"; {asked} unsat: it cannot be.", "(set-info :smt-lib-version 2.6)", "(set-logic ALL)"]
    body = [*shared[0], *(d for d in declared if d not in known), *(a for a in (shared[1], asserted) if a)]
    return "\n".join([*head, f"(set-info :status {status})", *body, "(check-sat)", ""])


Written = Callable[[Query], Iterable[tuple[list[Any], str]]]


def files(
    title: str, asked: Sequence[Query], actions: Sequence[str], written: Written, shared: Iterable[Any] = ()
) -> dict[str, str]:
    """A file for every case of every query, by name.  `shared`: formulas of all files, which are written out only once, as they
    may be large."""
    always = said(shared)
    found: dict[str, str] = {}
    for q in asked:
        action = None if q.action is None else actions[q.action]
        cases = list(written(q))
        for i, (formulas, status) in enumerate(cases):
            case = i + 1 if len(cases) > 1 else None
            found[name(len(found) + 1, q, action, case)] = script(title, question(q, action), always, formulas, status)
    return found
