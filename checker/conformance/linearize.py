"""Is there an order of some operations that respects real time and that a sequential object explains?

Wing and Gong's search (Testing and verifying concurrent objects, 1993), just in time: an operation takes effect only when one
that has to be answered needs it (Lowe, Testing for linearizability, 2017).  A configuration is (answers given so far,
operations that took effect and wait for their answer, those without an answer that took effect, state); each is looked at
once, and not at all if another got as far with fewer of those without an answer.  Operations that change nothing take effect
as soon as they fit; those without an answer only right before one that needs them, as otherwise they can take effect later,
or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from checker.conformance.histories import Operation


@dataclass(slots=True)
class Level:
    """What is open when one operation is answered.  `pending`: (bit, class, number, changes nothing); `infos`: how many
    operations without an answer have been called."""

    number: int
    bit: int
    pending: list[tuple[int, int, int, bool]]
    infos: int


@dataclass(slots=True)
class Link:
    """An operation that took effect, the state after it, and those before it."""

    before: Link | None
    number: int
    state: int
    length: int


@dataclass(slots=True)
class Found:
    """verdict: accept, reject, inconclusive.  `level`: the furthest; `ends`: (state, operations in effect) there."""

    verdict: str
    configurations: int
    level: int = 0
    ends: list[tuple[int, Link | None]] = field(default_factory=list)
    seen: list[dict[tuple[int, int, int], list[int]]] = field(default_factory=list)


# Level, operations in effect, those without an answer, state, how; and the state before the last of those without an answer,
# if nothing has needed it yet.
Row = tuple[int, int, int, int, Link | None, int]
SETTLED = -1
SHORT = 20_000  # configurations of a search for what would help


class Sequential(Protocol):
    """What the search asks of an object: states and operations are numbers."""

    initial: list[int]

    def operation(self, o: Operation) -> int: ...

    def reads_only(self, c: int) -> bool: ...

    def after(self, s: int, c: int) -> Sequence[int]: ...


class Part:
    """The operations on one key, or on keys that transactions connect."""

    def __init__(self, obj: Sequential, operations: list[Operation]) -> None:
        self.object, self.operations = obj, operations
        self.classes = [obj.operation(o) for o in operations]
        self.infos: list[int] = []
        self.levels = self._levels()
        self.equal: dict[int, int] = {}  # class → which of those without an answer are of it, as bits
        for n, i in enumerate(self.infos):
            self.equal[self.classes[i]] = self.equal.get(self.classes[i], 0) | 1 << n
        self.leads: dict[tuple[int, int], list[tuple[int, list[int]]]] = {}

    def _levels(self) -> list[Level]:
        """One for each answer, in their order."""
        events = [(o.call, i, True) for i, o in enumerate(self.operations)]
        events += [(o.ret, i, False) for i, o in enumerate(self.operations) if o.known]
        open_: dict[int, tuple[int, int, int, bool]] = {}
        bits, out = list[int](), list[Level]()
        for _, i, begins in sorted(events):
            pure = self.object.reads_only(self.classes[i])
            if begins and not self.operations[i].known:
                self.infos += [] if pure else [i]
            elif begins:
                bit = bits.pop() if bits else 1 << len(open_)
                open_[i] = bit, self.classes[i], i, pure
            else:
                pending = sorted(open_.values(), key=lambda x: self.operations[x[2]].ret)
                bit = open_.pop(i)[0]
                bits.append(bit)
                out.append(Level(i, bit, pending, len(self.infos)))
        return out

    def search(self, most: int) -> Found:
        """Looks at up to `most` configurations."""
        return self._search([(0, 0, 0, s, None, SETTLED) for s in reversed(self.object.initial)], most, len(self.levels))

    def without(self, found: Found, number: int, start: int, until: int) -> bool:
        """Would the search get on, from one level to another, if there were no operation of this number?  It is one that is
        called after the first of them."""
        rows: list[Row] = [(start, a, u, s, None, p) for (a, s, p), every in found.seen[start].items() for u in every]
        return self._search(rows, SHORT, until, number).verdict == "accept"

    def _search(self, stack: list[Row], most: int, until: int, without: int = -1) -> Found:
        """Looks at what can be reached, depth first, until a level is."""
        found = Found("reject", 0, seen=[{} for _ in range(until)])
        while stack:
            level, live, used, state, link, before = stack.pop()
            if level == until:
                return Found("accept", found.configurations, level, [(state, link)])
            if self.levels[level].number == without:
                stack.append((level + 1, live, used, state, link, before))
                continue
            read, link = self._read(self.levels[level], live, state, link, without)
            live, before = read, before if read == live else SETTLED
            if not _new(found.seen[level], live, state, before, used):
                continue
            found.configurations += 1
            if found.configurations > most:
                found.verdict = "inconclusive"
                return found
            if level > found.level:
                found.level, found.ends = level, []
            if level == found.level:
                found.ends.append((state, link))
            stack += self._next((level, live, used, state, link, before), without)
        return found

    def _read(self, at: Level, live: int, state: int, link: Link | None, without: int) -> tuple[int, Link | None]:
        """Lets everything take effect that fits and changes nothing."""
        for bit, c, i, pure in at.pending:
            if pure and not live & bit and i != without and self.object.after(state, c):
                live |= bit
                link = Link(link, i, state, link.length + 1 if link else 1)
        return live, link

    def _next(self, row: Row, without: int) -> list[Row]:
        """What one operation more can lead to, the likeliest last."""
        level, live, used, state, link, before = row
        at = self.levels[level]
        if live & at.bit:
            return [(level + 1, live & ~at.bit, used, state, link, before)] if before == SETTLED else []
        length = link.length + 1 if link else 1
        out: list[Row] = []
        free = (1 << at.infos) - 1 & ~used
        for equal, states in self._leads(state, before):
            if mine := equal & free:
                first = mine & -mine  # of equal ones
                i = self.infos[first.bit_length() - 1]
                out += [(level, live, used | first, s, Link(link, i, s, length), state) for s in states]
        for bit, c, i, pure in reversed(at.pending):
            if not pure and not live & bit and i != without:
                every = self._after(state, c, before)
                out += [(level, live | bit, used, s, Link(link, i, s, length), SETTLED) for s in every]
        return out

    def _leads(self, state: int, before: int) -> list[tuple[int, list[int]]]:
        """What those without an answer can change: of each class that does, which these are and where they lead."""
        found = self.leads.get((state, before))
        if found is None:
            every = ((equal, [s for s in self._after(state, c, before) if s != state]) for c, equal in self.equal.items())
            found = self.leads[state, before] = [(equal, states) for equal, states in every if states]
        return found

    def _after(self, state: int, c: int, before: int) -> Sequence[int]:
        """What an operation leads to; nothing, if it leads there without the last operation that has no answer, too."""
        found = self.object.after(state, c)
        if before == SETTLED or not found:
            return found
        other = self.object.after(before, c)
        return () if other and set(found) <= set(other) else found


def _new(seen: dict[tuple[int, int, int], list[int]], live: int, state: int, before: int, used: int) -> bool:
    """Adds a configuration, unless one that can do as much is known."""
    settled = seen.get((live, state, SETTLED), ())
    known = seen.setdefault((live, state, before), [])
    if any(k & used == k for k in settled) or any(k & used == k for k in known):
        return False
    known.append(used)
    return True


def steps(link: Link | None) -> list[Link]:
    """The operations that took effect, in order."""
    out: list[Link] = []
    while link:
        out.append(link)
        link = link.before
    return out[::-1]
