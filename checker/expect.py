"""What an instance expects of itself, held against what was found.

`states` and `transitions` are about a run without symmetry, `orbits` about one with it; the rest about any.
"""

from __future__ import annotations

from checker.core.model import Count, Expect
from checker.verdict import Result, Verdict

MEANT = {
    "holds": Verdict.HOLDS,
    "violates": Verdict.VIOLATED,
    "deadlock": Verdict.DEADLOCK,
    "fault": Verdict.SPEC_FAULT,
}


def problems(e: Expect, r: Result) -> list[str]:
    """In what a result differs from what is expected; counts that the run says nothing about are passed over."""
    found = verdict_of(r)
    wanted = f"{e.verdict} {e.property}" if e.property else e.verdict
    out = [f"it expects `{wanted}`, and this is `{found}`"] if found != wanted else []
    if r.verdict is not Verdict.UNKNOWN:
        out += [t for n, c in e.counts.items() for t in _differs(n, c, counted(n, r))]
    return out


def _differs(name: str, c: Count, got: int | None) -> list[str]:
    if got is None or got == c.number:
        return []
    by = f" (by {c.witness})" if c.witness else ""
    return [f"it expects {name} {c.number:,}{by}, and this is {got:,}"]


def verdict_of(r: Result) -> str:
    """A verdict in the words of `expect`."""
    name = {v: k for k, v in MEANT.items()}.get(r.verdict, r.verdict.value)
    return f"{name} {r.property}" if r.verdict is Verdict.VIOLATED else name


def counted(name: str, r: Result) -> int | None:
    """The number that a count of `expect` is about, if this run knows it."""
    match name:
        case "length":
            return len(r.trace) if r.trace is not None else None
        case "depth" if r.exhaustive:
            return r.depth
        case "orbits" if r.symmetry:
            return r.distinct_states
        case "states" if not r.symmetry:
            return r.distinct_states
        case "transitions" if not r.symmetry:
            return r.transitions
    return None
