"""What a check says: the verdict, its scope, the counts, and the behaviours that show it.  Engines make it, reports print it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from checker.core.types import Rec, Value

State = dict[str, Value]


class Verdict(enum.StrEnum):
    HOLDS = "holds"
    VIOLATED = "violated"
    DEADLOCK = "deadlock"
    SPEC_FAULT = "spec_fault"
    NOT_INDUCTIVE = "not_inductive"
    UNKNOWN = "unknown"


EXIT = {
    Verdict.HOLDS: 0,
    Verdict.DEADLOCK: 11,
    Verdict.VIOLATED: 12,
    Verdict.NOT_INDUCTIVE: 15,
    Verdict.UNKNOWN: 20,
    Verdict.SPEC_FAULT: 75,
}


@dataclass(frozen=True)
class Limits:
    """Where to stop early.  Memory in bytes, time in seconds; None: no limit (memory: what the machine has)."""

    max_states: int | None = None
    max_depth: int | None = None
    max_memory: int | None = None
    time_limit: float | None = None


@dataclass(frozen=True)
class Step:
    """One step of a behaviour: the action, who did it, what was chosen, received and sent, and the state after it."""

    action: str
    kind: str
    process: str | None
    choices: tuple[tuple[str, Value], ...]
    received: Rec | None
    sent: tuple[Rec, ...]
    state: State


@dataclass(frozen=True)
class Trace:
    """A finite behaviour from an initial state.  `fault`: what the step after the last one ran into (spec faults)."""

    initial: State
    steps: tuple[Step, ...] = ()
    fault: str | None = None

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class Progress:
    """A glance at a running exploration."""

    distinct: int
    transitions: int
    frontier: int
    depth: int
    seconds: float
    memory: int


@dataclass
class Result:
    """The outcome of exploring an instance.  `transitions` counts every successor generated, duplicates included; `depth` is
    the number of steps
    on the longest shortest path; `cut` counts transitions that a bound cut off; `stopped_by`: "event", a limit, or None."""

    verdict: Verdict
    property: str | None = None
    message: str = ""
    place: str | None = None
    distinct_states: int = 0
    transitions: int = 0
    depth: int = 0
    exhaustive: bool = True
    cut: int = 0
    symmetry: bool = False
    stopped_by: str | None = None
    trace: Trace | None = None
    witnesses: dict[str, int] = field(default_factory=dict)  # reachable property -> steps to its first witness
    witness_traces: dict[str, Trace] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)  # action -> transitions
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    bytes_per_state: int = 0
    engine: str = "native"

    def with_(self, **changes: Any) -> Result:
        return replace(self, **changes)


@dataclass(frozen=True)
class Finding:
    """Something that ends a search, with enough to choose the one to report: the fewest steps first, then invariants, step
    properties,
    faults and deadlock, each in declared order."""

    steps: int
    rank: int
    index: int
    state: Any
    text: str = ""
    place: str | None = None

    RANKS: ClassVar[dict[str, int]] = {"invariant": 0, "step": 1, "fault": 2, "deadlock": 3}

    @property
    def key(self) -> tuple[int, int, int]:
        return self.steps, self.rank, self.index
