"""A solver asked for so many seconds of processor time.

Solvers count the time on the wall.  On a machine that others use, too, that would turn a proof into an unknown; so what was
cut off before it had its share is asked again, for longer.
"""

from __future__ import annotations

import time
from typing import Any

import z3

SHARE = 0.7  # of the time that was asked for: with less than this it is asked again
MOST = 4.0  # times the time that was asked for: never longer
NEVER = 4294967295  # milliseconds


def check(solver: z3.Solver, seconds: float | None, *assumed: Any, end: float | None = None) -> z3.CheckSatResult:
    """What the solver answers within that time; `end`: when it must be over (as time.perf_counter counts).  Raises
    KeyboardInterrupt."""
    answer, spent = _once(solver, seconds, assumed)
    if answer != z3.unknown or seconds is None or spent >= SHARE * seconds:
        return answer
    longer = seconds * min(MOST - 1, seconds / max(spent, seconds / MOST))
    left = longer if end is None else min(longer, end - time.perf_counter())
    return _once(solver, left, assumed)[0] if left > seconds / 2 else answer


def _once(solver: z3.Solver, seconds: float | None, assumed: tuple[Any, ...]) -> tuple[z3.CheckSatResult, float]:
    """The answer, and the processor time that it took."""
    solver.set("timeout", NEVER if seconds is None else max(1, int(1000 * seconds)))
    started = time.process_time()
    answer = solver.check(*assumed)
    spent = time.process_time() - started
    if answer == z3.unknown:
        why = solver.reason_unknown()
        if "keyboard" in why:
            raise KeyboardInterrupt
        if why not in ("timeout", "canceled"):  # it gave up, and would again
            spent = float("inf")
    return answer, spent


__all__ = ["check"]
