"""One partition of the states: its memory, its buffers, and the fields by which the kernels know it.

Here a table is doubled, a buffer enlarged, and what a limit on memory allows is reckoned. When to explore, and what the
events mean, is for the search to say.
Invariant: what a partition uses never exceeds its memory, and no row, parent or entry is lost when it grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import kernels as k
from .memory import Region, address_of

Rows = NDArray[np.uint64]

FULLEST = 5 / 8  # share of a table that is filled before it is doubled,
FULLEST_LAST = 7 / 8  # or, if there is no memory for that, before the search ends
FIRST_BITS = 13  # of the number of groups of a table: at first,
MAX_BITS = 29  # and at most
FIRST_CAP = 1 << 10  # successors of one state there is room for at first
LANE_BYTES = 1 << 20
HELD_ENTRIES = 1 << 10  # put aside while a table is doubled: usually enough
MAX_IDS = k.NO_PARENT - 1
NO_LIMIT = (1 << 62) - 1


@dataclass(frozen=True)
class Kernel:
    """A compiled spec: C functions by address (0: absent), and what the search must know of it.

    `stop` and `watch` are masks of predicates: the first end the search, of the others the first witness is recorded.
    `touched` says which predicates can differ between two rows; without symmetry, others need not be looked at again.
    `sorts` holds the sizes of the symmetric sorts; empty means no symmetry. `faults`: as many different ones it may report.
    """

    words: int
    actions: int
    expand: int
    initial: int
    check: int
    stop: int
    watch: int
    sorts: tuple[int, ...] = ()
    refine: int = 0
    permute: int = 0
    key: int = 0
    touched: int = 0
    check_deadlock: bool = True
    faults: int = k.MAX_FAULTS


class Partition:
    """A share of the states: its memory, its buffers, and the fields `p` by which kernels know them."""

    def __init__(self, kernel: Kernel, me: int, parts: int, memory: int, arenas: NDArray[np.int64] | None = None) -> None:
        self.words, self.memory = kernel.words, memory
        self.arenas = np.zeros(parts, np.int64) if arenas is None else arenas  # of all partitions; 0: may move
        self.p = np.zeros(len(k.FIELDS), np.int64)
        self.stats = np.zeros(max(1, kernel.actions), np.int64)
        self.event = np.zeros(4, np.int64)
        self.best = np.zeros(k.FAULTS + min(kernel.faults, k.MAX_FAULTS) + 1, np.uint64)
        self.ends = np.zeros(k.MAX_ENDS, np.uint64)
        ids = MAX_IDS // parts + 1
        self.arena = Region(min(memory, ids * 8 * self.words))
        self.parents = Region(min(memory, ids * 4))
        self.table = Region(max(min(memory, k.GROUP_BYTES << MAX_BITS), k.GROUP_BYTES << FIRST_BITS), scattered=True)
        self.put(ME=me, PARTS=parts, WORDS=kernel.words)
        self.use(kernel)
        self.put(DEADLOCK=kernel.check_deadlock, QUOTA=NO_LIMIT, BITS=FIRST_BITS, LAST=NO_LIMIT)
        self.put(STATS=address_of(self.stats), EVENT=address_of(self.event), BEST=address_of(self.best))
        self.put(ENDS=address_of(self.ends), ARENAS=address_of(self.arenas))
        if kernel.sorts:
            from .canon import Plan, canonical  # compiled only where there is symmetry

            self.plan = Plan(kernel.words, kernel.sorts, kernel.refine, kernel.permute, kernel.key)
            self.put(CANON=int(canonical.address or 0), PLAN=self.plan.address)
        self.recent = np.zeros((2, k.RECENT_ROWS, self.words), np.uint64)
        self.put(RECENT=address_of(self.recent[0]), RECENT_RAW=address_of(self.recent[1]))
        self.table.grow(k.GROUP_BYTES << FIRST_BITS)
        self.make_buffers(FIRST_CAP)
        self._place()

    def put(self, **fields: int) -> None:
        for name, value in fields.items():
            self.p[getattr(k, name)] = value

    def use(self, kernel: Kernel) -> None:
        """The spec's functions.  A canonical row does not show what a step has changed."""
        self.put(EXPAND=kernel.expand, CHECK=kernel.check, TOUCHED=0 if kernel.sorts else kernel.touched)

    def __getattr__(self, name: str) -> int:
        """The fields the driver reads, in lower case."""
        if name.upper() in k.FIELDS:
            return int(self.p[getattr(k, name.upper())])
        raise AttributeError(name)

    # -- memory

    def make_lanes(self, parts: int, cap: int = 0) -> None:
        """Empty lanes to so many partitions; the own one is the batch."""
        self.lanes = np.zeros((parts, k.LANE), np.int64)
        room = max(LANE_BYTES // self._row_bytes, 2 * (k.BATCH + cap))
        rooms = [k.BATCH + cap if cap and t == self.me else room for t in range(parts)]
        self.lane_rows = [np.zeros(n * self.words, np.uint64) for n in rooms]
        self.lane_parents = [np.zeros(n, np.uint32) for n in rooms]
        for t in range(parts):
            self.lanes[t] = address_of(self.lane_rows[t]), address_of(self.lane_parents[t]), 0
        self.put(LANES=address_of(self.lanes), LANE_ROOM=room)

    def make_buffers(self, cap: int) -> None:
        """Buffers for states of up to `cap` successors. What lanes to others hold is lost: call it between rounds."""
        self.out = np.zeros((cap + 1) * self.words, np.uint64)
        self.hashes = np.zeros(k.BATCH + cap, np.uint64)
        self.put(OUT=address_of(self.out), CAP=cap, HASHES=address_of(self.hashes))
        self.make_lanes(self.p[k.PARTS], cap)

    def enlarge(self) -> bool:
        """Larger buffers, for a state of many successors, if the memory allows them."""
        cap = 2 * self.need
        if cap * self._buffer_row_bytes > self.memory // 2:
            return False
        self.make_buffers(cap)
        self._place()
        return True

    @property
    def _buffer_row_bytes(self) -> int:
        """What room for a successor more costs, about."""
        return 16 * self.words + 20 + (len(self.lanes) - 1) * 2 * self._row_bytes

    @property
    def buffer_bytes(self) -> int:
        lanes = sum(rows.nbytes for rows in self.lane_rows) + sum(ids.nbytes for ids in self.lane_parents)
        return self.out.nbytes + self.hashes.nbytes + self.recent.nbytes + lanes

    @property
    def used_bytes(self) -> int:
        return self.count * self._row_bytes + (k.GROUP_BYTES << self.bits) + self.buffer_bytes

    @property
    def _row_bytes(self) -> int:
        return 8 * self.words + 4

    def _room(self, bits: int, fullest: float) -> int:
        """Rows there is room for with a table of so many bits."""
        return min(int(fullest * (k.GROUP << bits)), self._affordable(bits))

    def _affordable(self, bits: int) -> int:
        """Rows that memory, and the supply of state numbers, allow beside a table of so many bits."""
        memory = self.memory - self.buffer_bytes - (k.GROUP_BYTES << bits)
        return max(0, min(memory // self._row_bytes, MAX_IDS // self.parts))

    def _place(self, fullest: float = FULLEST) -> None:
        """Tell the kernels where the memory is and how far it reaches."""
        room = self._room(self.bits, fullest)
        self.arena.grow(room * 8 * self.words)
        self.parents.grow(room * 4)
        self.arenas[self.me] = self.arena.address if self.arena.fixed or self.parts == 1 else 0
        self.put(ARENA=self.arena.address, PARENTS=self.parents.address, TABLE=self.table.address, ROOM=room)

    def grow(self, rows: int) -> bool:
        """Make room for `rows` more; False if the memory, or the supply of state numbers, does not allow that."""
        want = self.count + rows
        while self.room < want and self._may_widen(want):
            self.table.grow(2 * k.GROUP_BYTES << self.bits)
            self.put(TABLE=self.table.address)
            self._widen()
            self._place()
        if self.room < want:
            self._place(FULLEST_LAST)
        return self.room >= want

    def _widen(self) -> None:
        held = np.zeros(HELD_ENTRIES, np.uint64)
        while need := int(k.widen(self.p, address_of(held), len(held))):
            held = np.zeros(need, np.uint64)

    def _may_widen(self, want: int) -> bool:
        """Is a table twice as large possible, and better than to fill up the one there is?"""
        rows = self._affordable(self.bits + 1)
        return self.bits < MAX_BITS and rows >= want and rows > self._room(self.bits, FULLEST_LAST)

    # -- phases: each returns why it ended, one of the kernels' codes (GROW only if growing failed)

    def explore(self, budget: int) -> int:
        """Expand sources until the level ends, something is needed, or so many transitions are spent (see BUDGET)."""
        self.put(BUDGET=budget)
        while (status := int(k.explore(self.p))) == k.GROW:
            if not self.grow(k.BATCH + self.cap):
                break
        return status

    def absorb(self, lane: int) -> int:
        """Insert the rows of the lane at this address."""
        while (status := int(k.absorb(self.p, lane))) == k.GROW:
            if not self.grow(k.BATCH):
                break
        return status

    def lane_to(self, part: int) -> int:
        return address_of(self.lanes[part])

    # -- what it holds

    def rows(self) -> Rows:
        return self.arena.view(np.uint64, self.count * self.words).reshape(-1, self.words)

    def parent_ids(self) -> NDArray[np.uint32]:
        return self.parents.view(np.uint32, self.count)

    def take_ends(self) -> list[int]:
        """Ends of the levels that the kernel finished by itself since the last call."""
        ends = [int(end) for end in self.ends[: self.ended]]
        self.put(ENDED=0)
        return ends

    def put_best(self, place: int, state: int) -> None:
        self.best[place] = state + 1
        self.put(NOTED=1)

    def take_best(self) -> dict[int, int]:
        """The events noted since the last call: place -> local number of the state."""
        if not self.noted:
            return {}
        places = np.flatnonzero(self.best)
        found = {int(place): int(self.best[place]) - 1 for place in places}
        self.best[places] = 0
        self.put(NOTED=0)
        return found
