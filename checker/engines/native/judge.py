"""What the machine code says of single states: which properties are hit, which actions have a step, whether one faults.

The search asks this of every state and keeps nothing of it; here it is asked again, of the few states that another engine is to
judge as well.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from checker.core.lower import lower
from checker.engines.native.compile import compile_program
from checker.engines.native.run import Exploration
from checker.verdict import State

ROOM = 64  # successors at first


@dataclass(frozen=True)
class Judged:
    """`hits`: of each predicate of the program; `enabled`: of each action; `faulty`: some action runs into a spec fault."""

    hits: list[bool]
    enabled: list[bool]
    faulty: bool


class Judge:
    """Calls the machine code of an exploration directly.  Without bound and step properties: they are about steps, not guards."""

    def __init__(self, exploration: Exploration) -> None:
        program = exploration.program
        self.predicates, self.actions = len(program.predicates), len(program.actions)
        self.compiled = exploration.compiled
        if exploration.instance.bound is not None or program.steps:
            self.compiled = compile_program(replace(lower(replace(exploration.instance, bound=None)), steps=()), False)
        word, pointer = ctypes.c_int64, ctypes.c_void_p
        self._check = ctypes.CFUNCTYPE(word, pointer, pointer, word)(exploration.compiled.addresses["check"])
        self._expand = ctypes.CFUNCTYPE(word, pointer, pointer, word, pointer, pointer)(self.compiled.addresses["expand"])
        self._room = ROOM

    def __call__(self, state: State) -> Judged:
        row = np.array(self.compiled.layout.pack(state), dtype=np.uint64)
        hits = self._check(row.ctypes.data, None, (1 << self.predicates) - 1)
        counts, event = np.zeros(max(1, self.actions), np.int64), np.zeros(4, np.int64)
        while True:
            out = np.zeros((self._room + 1, len(row)), np.uint64)  # one row to spare: what does not fit goes there
            n = self._expand(row.ctypes.data, out.ctypes.data, self._room, counts.ctypes.data, event.ctypes.data)
            if n <= self._room:
                break
            self._room = n
            event[:] = 0
        return Judged([bool(hits >> k & 1) for k in range(self.predicates)], (counts[: self.actions] > 0).tolist(), event[1] != 0)


def sample(exploration: Exploration, found: int, most: int) -> Iterator[State]:
    """Up to so many of the states found, evenly spread over the order in which they were found."""
    assert exploration.search
    step = max(1, -(-found // most))
    at = 0
    for block in exploration.search.states():
        for row in block[-at % step :: step]:
            yield exploration.compiled.layout.unpack([int(w) for w in row])
        at += len(block)


__all__ = ["Judge", "Judged", "sample"]
