"""The native search: breadth first over the states of a compiled spec, level by level, to the end or to a limit.

`Search` drives the kernels: it gives them memory, decides at the end of each level, spreads wide levels over threads, and
answers questions about what was found. It knows a spec only as addresses of C functions (`Kernel`).
Invariant: what `Outcome` says is the same for any number of threads, unless a limit cut a level short. A level is always
finished and then judged, and of equal events the least row stands for all.

Threads own partitions of the states, by hash. A level goes in rounds: each thread expands sources of its own partition,
inserts the successors it owns and routes the others into lanes; then each empties the lanes that lead to it. No locks.
A search begins in one partition and is dealt out when a level is wide enough to pay.
"""

from __future__ import annotations

import ctypes
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import kernels as k
from .memory import address_of, available_memory
from .partition import FIRST_CAP, NO_LIMIT, Kernel, Partition, Rows

__all__ = ["Event", "Kernel", "Limits", "Outcome", "Progress", "Search"]

WIDE = 1 << 14  # states in a level from which on threads pay
MEMORY_SHARE = 0.85  # of what is available, if no limit is given
SLICE_SECONDS = 0.04  # how long a kernel may run before it returns
PROGRESS_SECONDS = 0.2
ROUND = 1 << 19  # transitions per thread between two looks at what others routed
SWEEP_ROWS = 1 << 20

_LIMITS = {k.GROW: "memory", k.STATES: "states"}
_PLACES = (
    ("fault", int(k.FAULTS)),
    ("deadlock", int(k.DEADLOCKS)),
    ("step", int(k.STEPS)),
    ("predicate", int(k.PREDICATES)),
)


@dataclass(frozen=True)
class Limits:
    """States, number of the deepest level, bytes, seconds; None is no limit (memory: 85% of what is available)."""

    max_states: int | None = None
    max_depth: int | None = None
    max_memory: int | None = None
    time_limit: float | None = None


@dataclass(frozen=True)
class Progress:
    """Where a running search is: `frontier` is the number of states of level `depth` still to expand."""

    distinct: int
    transitions: int
    frontier: int
    depth: int
    seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Event:
    """Why a search stopped: kind "predicate" | "deadlock" | "fault" | "step"; `which` is the bit, or the site of the fault.

    `state_id` is the state hit, or the source of the step; -1 for a fault while the initial states were made.
    """

    kind: str
    which: int
    state_id: int
    depth: int


@dataclass
class Outcome:
    """What a search found. `stopped_by` is None, or "event", "states", "depth", "memory", "time", "interrupt".

    After a limit, `events` may still hold what the unfinished level had shown by then.
    """

    distinct: int
    transitions: int
    cut: int
    depth: int
    stats: NDArray[np.int64]
    exhausted: bool
    stopped_by: str | None
    events: list[Event]
    witnesses: dict[int, tuple[int, int]]
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    bytes_per_state: float


@dataclass(frozen=True)
class _Totals:
    """Counters summed over partitions."""

    transitions: int
    stats: NDArray[np.int64]
    cut: int


@dataclass
class _Interrupt:
    """Turns Ctrl-C into a flag while a search runs, so that no exception falls between two halves of an update."""

    raised: bool = False
    _previous: Any = field(default=None, repr=False)

    def __enter__(self) -> Self:
        try:
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._previous = signal.signal(signal.SIGINT, self._handle)
        except ValueError:  # not the main thread: Ctrl-C does not come here
            pass
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, *_: Any) -> None:
        if self.raised:  # pressed twice: they mean it
            raise KeyboardInterrupt
        self.raised = True


def _enlarged(part: Partition) -> int:
    return k.SLICE if part.enlarge() else k.GROW


class Search:
    """One search. `run` once; then ask, until `close`. A state's id is a number below 2**32."""

    def __init__(
        self,
        kernel: Kernel,
        limits: Limits,
        threads: int = 1,
        progress: Callable[[Progress], None] | None = None,
        better: tuple[float, Callable[[], dict[str, int]]] | None = None,
    ) -> None:
        """`better`: after so many seconds, a call that gives functions for the kernel that do the same, but faster."""
        if threads < 1:
            raise ValueError("a search needs a thread")
        self.kernel, self.limits, self.threads, self.progress = kernel, limits, threads, progress
        memory = limits.max_memory
        self._memory = int(available_memory() * MEMORY_SHARE) if memory is None else memory
        self._parts = [Partition(kernel, 0, 1, self._memory)]
        self._parts[0].absorb(address_of(np.zeros(k.LANE, np.int64)))  # nothing: but the first call links the kernels
        self._better = better
        self._want = kernel.stop | kernel.watch
        self._ends: list[int] = []  # states up to the end of each level whose states are all known
        self._exhausted = False
        self._events: list[Event] = []
        self._witnesses: dict[int, tuple[int, int]] = {}
        self._dealt = _Totals(0, np.zeros_like(self._parts[0].stats), 0)  # of the partition that was dealt out
        self._peak = 0
        self._slice = 1 << 14  # transitions of a slice, adapted to SLICE_SECONDS
        self._pool: ThreadPoolExecutor | None = None

    # -- running

    def run(self) -> Outcome:
        """Explore. Never raises for a limit or Ctrl-C: the outcome says what stopped it."""
        self._began = self._reported = time.perf_counter()
        cpu = time.process_time()
        with _Interrupt() as self._interrupt:
            try:
                stopped = self._start() or self._levels()
            except KeyboardInterrupt:
                stopped = "interrupt"
            finally:
                if self._pool:
                    self._pool.shutdown()
        if stopped not in ("done", "event"):  # what an unfinished level has shown is true all the same
            self._judge(self._depth if self._ends else -1)
        return self._outcome(stopped, time.perf_counter() - self._began, time.process_time() - cpu)

    def _outcome(self, stopped: str, seconds: float, cpu_seconds: float) -> Outcome:
        self._note_peak()
        totals, distinct = self._totals(), self._distinct
        stored = sum(part.used_bytes - part.buffer_bytes for part in self._parts)
        return Outcome(
            distinct=distinct,
            transitions=totals.transitions,
            cut=totals.cut,
            depth=max(0, len(self.level_sizes) - 1),
            stats=totals.stats,
            exhausted=self._exhausted,
            stopped_by=None if stopped == "done" else stopped,
            events=self._events,
            witnesses=self._witnesses,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_memory_bytes=self._peak,
            bytes_per_state=stored / max(1, distinct),
        )

    def _start(self) -> str | None:
        """Level 0: what stopped the search there, if anything did."""
        part = self._parts[0]
        rows, event = self._initial()
        last = NO_LIMIT if self.limits.max_depth is None else self.limits.max_depth - 1
        part.put(WANT=self._want, LAST=last, QUOTA=self._quota(part))
        part.event[0] = event[0]
        if event[1]:
            self._events.append(Event("fault", int(event[1]) - 1, -1, 0))
        parents = np.full(len(rows), k.NO_PARENT, np.uint32)
        lane = np.array([address_of(rows), address_of(parents), len(rows)], np.int64)
        if (status := part.absorb(address_of(lane))) != k.GOING:
            return _LIMITS[status]
        part.recent[:] = rows[0] if len(rows) else 0  # something known: zeros may be a state
        return self._end_level(-1)

    def _initial(self) -> tuple[Rows, NDArray[np.int64]]:
        """The canonical initial states (maybe repeated), and the event the spec reported with them."""
        call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 5)(self.kernel.initial)
        stats, cap, words = np.zeros_like(self._parts[0].stats), FIRST_CAP, self.kernel.words
        while True:
            rows, event = np.zeros((cap + 1, words), np.uint64), np.zeros(4, np.int64)
            n = call(0, address_of(rows), cap, address_of(stats), address_of(event))
            if n <= cap:
                return self._canonical(rows[:n]), event
            cap = n

    def _canonical(self, rows: Rows) -> Rows:
        if self.kernel.sorts:
            return np.array([self._parts[0].plan(row) for row in rows], np.uint64).reshape(rows.shape)
        return rows

    def canonical(self, row: Rows) -> Rows:
        """The row (words) that stands for a state's orbit: the row itself without symmetry."""
        return np.asarray(self._canonical(row.reshape(1, -1))[0])

    def _levels(self) -> str:
        while True:
            if self.threads > 1 and len(self._parts) == 1 and self._frontier >= WIDE:
                self._deal()
            status = self._round() if len(self._parts) == 1 else self._shared_round()
            stopped = _LIMITS.get(status) or (self._end_level(self._depth) if status == k.LEVEL else None)
            stopped = stopped or self._halted()
            if stopped:
                return stopped
            self._improve()
            self._report()

    def _improve(self) -> None:
        if self._better and time.perf_counter() - self._began > self._better[0]:
            found = self._better[1]()
            self.kernel = replace(self.kernel, expand=found["expand"], check=found["check"], touched=found["touched"])
            self._better = None
            for part in self._parts:
                part.use(self.kernel)

    def _halted(self) -> str | None:
        if self._interrupt.raised:
            return "interrupt"
        limit = self.limits.time_limit
        return "time" if limit is not None and time.perf_counter() - self._began >= limit else None

    def _report(self) -> None:
        now = time.perf_counter()
        if self.progress and now - self._reported >= PROGRESS_SECONDS:
            self._reported = now
            used, totals = sum(part.used_bytes for part in self._parts), self._totals()
            seconds = now - self._began
            self.progress(Progress(self._distinct, totals.transitions, self._frontier, self._depth, seconds, used))

    # -- the end of a level

    def _end_level(self, level: int) -> str | None:
        """Judge what the level has shown and go on to the next one; or say why not."""
        self._judge(level)
        distinct = self._distinct
        self._exhausted = distinct == (self._ends[-1] if self._ends else 0)
        if not self._exhausted:
            self._ends.append(distinct)
        if self._events:
            return "event"
        if self._exhausted:
            return "done"
        for part in self._parts:
            part.put(END=part.count, DEPTH=level + 1)
        return "depth" if level + 1 == self.limits.max_depth else None

    def _judge(self, level: int) -> None:
        """Turn what was noted while `level` was expanded into events and witnesses, the least row standing for all."""
        found: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        for part in self._parts:
            for place, state in part.take_best().items():
                row = tuple(int(word) for word in part.rows()[state])
                found.setdefault(place, []).append((row, state * len(self._parts) + part.me))
        for place, candidates in sorted(found.items()):
            self._record(place, min(candidates)[1], level)
        for part in self._parts:
            part.put(WANT=self._want)

    def _record(self, place: int, state: int, level: int) -> None:
        kind, which = next((kind, place - first) for kind, first in _PLACES if place >= first)
        if kind != "predicate":
            self._events.append(Event(kind, which, state, level))
        elif self.kernel.stop >> which & 1:
            self._events.append(Event(kind, which, state, level + 1))
        else:
            self._witnesses[which] = state, level + 1
            self._want &= ~(1 << which)

    # -- rounds: LEVEL if one finished a level, SLICE if there is more to do, else the code of a limit

    def _round(self) -> int:
        """In one partition, where kernels go from level to level by themselves."""
        part = self._parts[0]
        part.put(QUOTA=self._quota(part))
        status = self._explore(part)
        self._ends += part.take_ends()
        return _enlarged(part) if status == k.ENLARGE else status

    def _shared_round(self) -> int:
        """In several: expand and route, then insert what was routed."""
        statuses = self._each(self._explore)
        statuses += self._each(self._absorb)
        statuses += [_enlarged(part) for part, status in zip(self._parts, statuses) if status == k.ENLARGE]
        for code in _LIMITS:
            if code in statuses:
                return code
        return k.LEVEL if self._frontier == 0 else k.SLICE

    def _absorb(self, part: Partition) -> int:
        """Insert what the others routed here."""
        return max(part.absorb(other.lane_to(part.me)) for other in self._parts if other is not part)

    def _explore(self, part: Partition) -> int:
        """Expand until the level ends, something is needed, or ROUND transitions (in slices, to look at the clock).

        With one thread slices are rounds. With more the rounds must not depend on the clock, or the order of states would.
        """
        left = ROUND
        while left > 0:
            begun, budget = time.perf_counter(), min(left, self._slice)
            status = part.explore(budget)
            self._adapt(budget, time.perf_counter() - begun)
            left -= budget - part.budget
            if status != k.SLICE or self.threads == 1 or self._halted():
                return status
        return k.SLICE

    def _adapt(self, budget: int, seconds: float) -> None:
        if seconds > 2 * SLICE_SECONDS:
            self._slice = max(1 << 8, budget // 2)
        elif seconds < SLICE_SECONDS / 2 and budget == self._slice:
            self._slice = min(1 << 24, budget * 2)

    def _each(self, phase: Callable[[Partition], int]) -> list[int]:
        """Run a phase for every partition: in threads, unless that would not pay or states must be counted one by one."""
        careful = self._nearly_full()
        if careful or self._frontier < WIDE // 4:
            return [phase(self._limited(part, careful)) for part in self._parts]
        self._pool = self._pool or ThreadPoolExecutor(len(self._parts) - 1)
        others = [self._pool.submit(phase, self._limited(part, False)) for part in self._parts[1:]]
        return [phase(self._limited(self._parts[0], False)), *(other.result() for other in others)]

    def _nearly_full(self) -> bool:
        """Might this round reach max_states?"""
        most = sum(ROUND + k.WORK + part.cap for part in self._parts)
        return self.limits.max_states is not None and self._distinct + most > self.limits.max_states

    def _limited(self, part: Partition, careful: bool) -> Partition:
        part.put(QUOTA=self._quota(part) if careful else NO_LIMIT)
        return part

    def _quota(self, part: Partition) -> int:
        """How many rows a partition may hold if no other grows."""
        if self.limits.max_states is None:
            return NO_LIMIT
        return part.count + max(0, self.limits.max_states - self._distinct)

    def _deal(self) -> None:
        """From one partition to as many as there are threads. Ids change."""
        (old,), n = self._parts, self.threads
        if old.used_bytes > self._memory // 4:  # no room for both: stay with one
            self.threads = 1
            return
        arenas = np.zeros(n, np.int64)
        parts = [Partition(self.kernel, me, n, self._memory // n, arenas) for me in range(n)]
        names, dealt = np.zeros(old.count, np.uint32), np.zeros(n, np.int64)
        old.make_lanes(n)
        first = 0
        for last, mark in ((old.source, "SOURCE"), (old.end, "END"), (old.count, "COUNT")):
            while first < last:
                first = int(k.deal(old.p, first, last, dealt, address_of(names)))
                for part in parts:
                    if part.absorb(old.lane_to(part.me)) != k.GOING:
                        self.threads = 1
                        old.make_buffers(old.cap)
                        return
            for part in parts:
                part.put(**{mark: part.count})
        self._adopt(old, parts, names)

    def _adopt(self, old: Partition, parts: list[Partition], names: NDArray[np.uint32]) -> None:
        for part in parts:
            part.make_buffers(old.cap)
            part.put(WANT=old.want, DEPTH=old.depth, LAST=old.last)
            part.recent[:] = old.recent
        for place, state in old.take_best().items():
            name = int(names[state])
            parts[name % len(parts)].put_best(place, name // len(parts))
        self._witnesses = {bit: (int(names[state]), depth) for bit, (state, depth) in self._witnesses.items()}
        self._dealt = _Totals(old.transitions, old.stats, int(old.event[0]))
        self._parts = parts
        self._note_peak(old.used_bytes + names.nbytes)

    # -- sums

    @property
    def _distinct(self) -> int:
        return sum(part.count for part in self._parts)

    @property
    def _frontier(self) -> int:
        return sum(part.end - part.source for part in self._parts)

    @property
    def _depth(self) -> int:
        return self._parts[0].depth

    def _totals(self) -> _Totals:
        totals = self._dealt
        for part in self._parts:
            totals = _Totals(totals.transitions + part.transitions, totals.stats + part.stats, totals.cut + int(part.event[0]))
        return totals

    def _note_peak(self, more: int = 0) -> None:
        self._peak = max(self._peak, more + sum(part.used_bytes for part in self._parts))

    # -- questions

    @property
    def level_sizes(self) -> list[int]:
        """States per level, an unfinished last level included."""
        ends = [0, *self._ends]
        if self._distinct > ends[-1]:
            ends.append(self._distinct)
        return [b - a for a, b in pairwise(ends)]

    def path(self, state_id: int) -> Rows:
        """Rows (steps + 1, words) of a shortest path from an initial state to this one (canonical rows, with symmetry)."""
        rows, n = [part.rows() for part in self._parts], len(self._parts)
        parents = [part.parent_ids() for part in self._parts]
        path = []
        while state_id != k.NO_PARENT:
            path.append(rows[state_id % n][state_id // n])
            state_id = int(parents[state_id % n][state_id // n])
        return np.array(path[::-1], np.uint64).reshape(-1, self.kernel.words)

    def find(self, row: Rows) -> int | None:
        """The id of a state (of its orbit's representative, with symmetry), or None if it was not reached."""
        wanted = np.ascontiguousarray(self._canonical(np.array(row, np.uint64).reshape(1, -1)))
        for part in self._parts:
            state = int(k.lookup(part.p, address_of(wanted)))
            if state >= 0:
                return state * len(self._parts) + part.me
        return None

    def states(self) -> Iterator[Rows]:
        """All stored states, as views (n, words): in breadth-first order within each."""
        for part in self._parts:
            yield part.rows()

    def sweep(self, check_address: int, want: int) -> int:
        """Union of what `check` hits over all stored states; ends early when every wanted bit is hit."""
        hit = 0
        for part in self._parts:
            for first in range(0, part.count, SWEEP_ROWS):
                last = min(first + SWEEP_ROWS, part.count)
                if hit & want != want:
                    hit |= int(k.sweep(part.p, check_address, want & ~hit, first, last))
        return hit

    def close(self) -> None:
        """Give the memory back (as far as no view of it is alive)."""
        self._parts = []
