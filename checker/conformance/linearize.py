"""Is there an order of some operations that respects real time and that a sequential object explains?

Wing and Gong's search (Testing and verifying concurrent objects, 1993), just in time: an operation takes effect only when one
that has to be answered needs it (Lowe, Testing for linearizability, 2017).  A configuration is (answers given so far,
operations that took effect and wait for their answer, those without an answer that took effect, state); each is looked at
only if no other got as far with less: fewer of those without an answer, and more that have had no effect yet but need not have
one any more.  These are the operations of which nothing would have been seen: they fitted and changed nothing, or came right
before one that sets everything anew.  They count as taken when they are answered, and can still take effect before.  Those
without an answer take effect only right before one that needs them, as otherwise they can take effect later, or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
    idle: dict[int, int] = field(default_factory=dict)  # state → the bits of those that fit there and change nothing
    hidden: dict[int, int] = field(default_factory=dict)  # class → the bits of those of which nothing is seen right before it


@dataclass(slots=True)
class Link:
    """An operation that took effect, the state after it, and those before it.  `open`: at which level; `early`: it did so
    earlier than it stands here, unseen."""

    before: Link | None
    number: int
    state: int
    length: int
    open: int
    early: bool = False


@dataclass(slots=True)
class Found:
    """verdict: accept, reject, inconclusive.  `level`: the furthest; `ends`: (state, operations in effect) there."""

    verdict: str
    configurations: int
    level: int = 0
    ends: list[tuple[int, Link | None]] = field(default_factory=list)
    seen: list[dict[tuple[int, int], list[Taken]]] = field(default_factory=list)


# Of those that wait for their answer: which are in effect, and which may be, unseen, or still have their effect; and which of
# those without an answer are in effect.
Taken = tuple[int, int, int]
# Level, what is taken, state, how; the state before the last of those without an answer, if nothing has needed it yet; and is it
# only for one more of those?
Row = tuple[int, Taken, int, Link | None, int, bool]
SETTLED = -1
SHORT = 20_000  # configurations of a search for what would help


class Sequential(Protocol):
    """What the search asks of an object: states and operations are numbers."""

    initial: list[int]

    def operation(self, o: Operation) -> int: ...

    def reads_only(self, c: int) -> bool: ...

    def after(self, s: int, c: int) -> Sequence[int]: ...

    def hides(self, c: int, before: int) -> bool:
        """Is everything after `c` the same, whether `before` was right before it or not, and does that always fit?"""


class Part:
    """The operations on one key, or on keys that transactions connect."""

    def __init__(self, obj: Sequential, operations: list[Operation]) -> None:
        self.object, self.operations = obj, operations
        self.classes = [obj.operation(o) for o in operations]
        self.infos: list[int] = []
        self.since: dict[int, int] = {}  # operation → the first level at which it is open
        self.levels = self._levels()
        self.equal: dict[int, int] = {}  # class → which of those without an answer are of it, as bits
        for n, i in enumerate(self.infos):
            self.equal[self.classes[i]] = self.equal.get(self.classes[i], 0) | 1 << n
        self.look = any(not obj.hides(c, c) for c in self.equal)  # does one of those without an answer?
        self.leads: dict[tuple[int, int], list[tuple[int, list[int]]]] = {}

    def _levels(self) -> list[Level]:
        """One for each answer, in their order."""
        events = [(o.call, i, True) for i, o in enumerate(self.operations)]
        events += [(o.ret, i, False) for i, o in enumerate(self.operations) if o.known]
        open_: dict[int, tuple[int, int, int, bool]] = {}
        bits, out = list[int](), list[Level]()
        for _, i, begins in sorted(events):
            pure = self.object.reads_only(self.classes[i])
            self.since.setdefault(i, len(out))
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
        rows: list[Row] = [(0, (0, 0, 0), s, None, SETTLED, False) for s in reversed(self.object.initial)]
        return self._search(rows, most, len(self.levels))

    def without(self, found: Found, number: int, start: int, until: int) -> bool:
        """Would the search get on, from one level to another, if there were no operation of this number?  It is one that is
        called after the first of them."""
        out = _bit(self.levels[start], number)
        seen = ((s, p, *t) for (s, p), every in found.seen[start].items() for t in every)
        rows: list[Row] = [(start, (live, free & ~out, u), s, None, p, False) for s, p, live, free, u in seen if not live & out]
        return self._search(rows, SHORT, until, number).verdict == "accept"

    def _search(self, stack: list[Row], most: int, until: int, without: int = -1) -> Found:
        """Looks at what can be reached, depth first, until a level is."""
        found = Found("reject", 0, seen=[{} for _ in range(until)])
        while stack:
            row = stack.pop()
            level, (live, free, used), state, link, before, unanswered = row
            if level == until:
                return Found("accept", found.configurations, level, [(state, link)])
            if unanswered:
                stack += self._unanswered(row)
                continue
            at = self.levels[level]
            if at.number == without:
                stack.append((level + 1, (live & ~at.bit, free & ~at.bit, used), state, link, before, False))
                continue
            if idle := self._idle(at, state) & ~(live | free | _bit(at, without)):
                free, before = free | idle, SETTLED
            taken = live, free, used
            if not _new(found.seen[level], taken, state, before):
                continue
            found.configurations += 1
            if found.configurations > most:
                found.verdict = "inconclusive"
                return found
            if level > found.level:
                found.level, found.ends = level, []
            if level == found.level:
                found.ends.append((state, link))
            stack += self._next((level, taken, state, link, before, False), without)
        return found

    def _idle(self, at: Level, state: int) -> int:
        """The operations that fit and change nothing."""
        bits = at.idle.get(state)
        if bits is None:
            bits = at.idle[state] = sum(bit for bit, c, _, _ in at.pending if state in self.object.after(state, c))
        return bits

    def _hidden(self, at: Level, c: int) -> int:
        """The operations of which nothing is seen if they come right before one of this class."""
        bits = at.hidden.get(c)
        if bits is None:
            bits = at.hidden[c] = sum(bit for bit, b, _, _ in at.pending if self.object.hides(c, b))
        return bits

    def _next(self, row: Row, without: int) -> list[Row]:
        """What one operation more can lead to, the likeliest last."""
        level, (live, free, used), state, link, before, _ = row
        at = self.levels[level]
        length = link.length + 1 if link else 1
        answered: list[Row] = []
        if (live | free) & at.bit and before == SETTLED:
            how = link if live & at.bit else Link(link, at.number, state, length, level, True)
            answered = [(level + 1, (live & ~at.bit, free & ~at.bit, used), state, how, SETTLED, False)]
        if live & at.bit or (free & at.bit and self.object.reads_only(self.classes[at.number])):
            return answered
        free &= ~at.bit  # now it is to have its effect
        out: list[Row] = [(level, (live, free, used), state, link, before, True)] if at.infos else []
        for bit, c, i, pure in reversed(at.pending):
            if not pure and not live & bit and i != without:
                taken = live | bit, (free | self._hidden(at, c)) & ~(live | bit), used
                for s in self._after(state, c, before):
                    if s != state:
                        out.append((level, taken, s, Link(link, i, s, length, level), SETTLED, False))
        return out + answered

    def _unanswered(self, row: Row) -> list[Row]:
        """What one of those without an answer can lead to, if there is something that can need it: that looks what there is."""
        level, (live, free, used), state, link, before, _ = row
        at = self.levels[level]
        length = link.length + 1 if link else 1
        out: list[Row] = []
        unused = (1 << at.infos) - 1 & ~used
        look = self.look or any(not pure and not live & bit and not self.object.hides(c, c) for bit, c, _, pure in at.pending)
        for equal, leads in self._leads(state, before):
            if mine := equal & unused:
                first = mine & -mine  # of equal ones
                i = self.infos[first.bit_length() - 1]
                done = free | self._hidden(at, self.classes[i]) & ~live
                needed = [s for s in leads if look or self._idle(at, s) & ~(live | done)]
                out += [(level, (live, done, used | first), s, Link(link, i, s, length, level), state, False) for s in needed]
        return out

    def order(self, way: list[Link]) -> list[Link]:
        """The operations as `steps` gives them, but each of those that took effect unseen where it can have."""
        out: list[Link] = []
        for x in way:
            if x.early:
                out.insert(*self._earlier(out, x))
            else:
                out.append(x)
        return out

    def _earlier(self, out: list[Link], x: Link) -> tuple[int, Link]:
        """The last place for an operation that took effect unseen."""
        c = self.classes[x.number]
        for j in range(len(out), -1, -1):
            if self.since[x.number] > (out[j].open if j < len(out) else x.open):
                break
            for state in [out[j - 1].state] if j else self.object.initial:
                after = self.object.after(state, c)
                if state in after:
                    return j, replace(x, state=state)
                if j < len(out) and after and self.object.hides(self.classes[out[j].number], c):
                    return j, replace(x, state=after[0])
        raise AssertionError("it took effect nowhere")

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


def _bit(at: Level, number: int) -> int:
    """That of an operation which is open, 0 of one that is not."""
    return next((bit for bit, _, i, _ in at.pending if i == number), 0) if number >= 0 else 0


def _new(seen: dict[tuple[int, int], list[Taken]], taken: Taken, state: int, before: int) -> bool:
    """Adds a configuration, unless one that can do as much is known."""
    live, free, used = taken
    done = live | free
    settled = seen.get((state, SETTLED), ())
    known = seen.setdefault((state, before), [])
    for every in (settled, known) if settled is not known else (known,):
        for a, f, u in every:
            if a & live == a and (a | f) & done == done and u & used == u:
                return False
    known[:] = [t for t in known if not (live & t[0] == live and done & (t[0] | t[1]) == t[0] | t[1] and used & t[2] == used)]
    known.append(taken)
    return True


def steps(link: Link | None) -> list[Link]:
    """The operations that took effect, in order."""
    out: list[Link] = []
    while link:
        out.append(link)
        link = link.before
    return out[::-1]
