"""Is what clients saw of the key-value store linearizable?  As one object, for a transaction goes over several keys.

The search is that of checker/conformance/linearize.py; the sequential object is the machine that the replicas run, as if it ran
alone.  Invariant: the store that answers a question here has never seen a crash or a network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from checker.conformance import histories
from checker.conformance.linearize import Part
from checker.conformance.lines import Line
from impl.runtime.kv import Command, Machine
from impl.runtime.wire import ENCODER

if TYPE_CHECKING:
    from impl.runtime.clients import Operation

MOST = 200_000  # configurations that are looked at


class Store:
    """The store as a table from (state, operation) to states, all of them numbers: what `Part` asks of an object."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self.states: list[dict[str, Any]] = []
        self.known: dict[bytes, int] = {}
        self.calls: list[histories.Operation] = []
        self.initial = [self._number({})]

    def operation(self, o: histories.Operation) -> int:
        key = ENCODER.encode([o.f, o.given, o.answer if o.known else None, o.known])
        if key not in self.known:
            self.known[key] = len(self.calls)
            self.calls.append(o)
        return self.known[key]

    def reads_only(self, c: int) -> bool:
        o = self.calls[c]
        return o.f == "get" or (o.f == "txn" and all(x[0] == "get" for x in o.given[1]))

    def after(self, s: int, c: int) -> tuple[int, ...]:
        o, machine = self.calls[c], Machine()
        machine.pairs = dict(self.states[s])
        answer = machine.apply(Command("one", 1, o.f, o.given))
        return (self._number(machine.pairs),) if not o.known or answer == o.answer else ()

    def hides(self, c: int, before: int) -> bool:
        """Is nothing seen of an operation right before another?  Nobody has to know: each is looked at."""
        return False

    def _number(self, pairs: dict[str, Any]) -> int:
        key = ENCODER.encode(sorted(pairs.items()))
        if key not in self.numbers:
            self.numbers[key] = len(self.states)
            self.states.append(pairs)
        return self.numbers[key]


def inexplicable(history: Iterable[Operation]) -> Operation | None:
    """An answer that no order of the operations explains; None if all can be explained (or nobody knows)."""
    whole = sorted(history, key=lambda o: o.invoked)
    times = sorted({t for o in whole for t in (o.invoked, o.returned) if t is not None})
    place = {t: 2 * i for i, t in enumerate(times)}
    found = [_as_read(o, place) for o in whole]
    part = Part(Store(), found)
    result = part.search(MOST)
    return whole[part.levels[result.level].number] if result.verdict == "reject" else None


def _as_read(o: Operation, place: dict[float, int]) -> histories.Operation:
    ret = histories.NEVER if o.returned is None else place[o.returned] + 1
    return histories.Operation(o.op, None, o.args, o.client, place[o.invoked], Line("", 0, {}), o.result, True, ret)
