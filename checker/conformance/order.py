"""From lines to events in an order: groups of lines that are one event, and one linear extension of what is known of the
order.

`events` yields such an extension as a stream; `may_wait(e, f)` says whether an event e that came out first may also happen
after f, so that the search can try other extensions where that matters. Nothing here knows the spec.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from checker.conformance.binding import Binding
from checker.conformance.fields import MISSING, Fields, Getter, Reader, key_of
from checker.conformance.lines import Line
from checker.settings import Mistake

PATIENCE = 20_000  # events that are read ahead to find what must come first


@dataclass(slots=True)
class Event:
    """What happened at once: some lines, of which the first and the fields say what.  `seq`: its place in the extension."""

    lines: list[Line]
    data: Fields
    node: Any = None
    seq: int = 0
    clock: dict[str, int] = field(default_factory=dict)
    time: float = 0.0
    early: str = ""  # how it contradicts its clock
    clash: str = ""  # how it contradicts another event
    firm: bool = False  # it cannot happen later than it stands
    lacks: bool = False  # by its clock it knows of an event with which, if it is there, some log has ended too early

    @property
    def place(self) -> str:
        first, last = self.lines[0], self.lines[-1]
        return first.place if len(self.lines) == 1 else f"{first.place}-{last.number}"


@dataclass
class _Open:
    """A group that may still grow."""

    key: Any
    lines: list[Line]
    done: bool = False


class Grouping:
    """Puts lines together; groups come out in the order of their first lines."""

    def __init__(self, binding: Binding, reader: Reader) -> None:
        g = binding.group
        self.by = reader.read(g.by) if g.by else None
        self.begin = reader.read(g.begin) if g.begin else None
        self.end = reader.read(g.end) if g.end else None
        self.per = reader.read(g.per)
        if self.end and not self.begin:
            raise binding.mistake("[group] has an `end` but no `begin`", "[group]")

    def events(self, lines: Iterable[Line]) -> Iterator[Event]:
        if self.by is None and self.begin is None:
            for line in lines:
                yield Event([line], line.data)
            return
        waiting: deque[_Open] = deque()
        current: dict[Any, _Open] = {}
        for line in lines:
            self._add(line, waiting, current)
            while waiting and waiting[0].done:
                yield _event(waiting.popleft())
        yield from map(_event, waiting)

    def _add(self, line: Line, waiting: deque[_Open], current: dict[Any, _Open]) -> None:
        node = _hashable(self.per(line.data))
        group = current.get(node)
        key = _hashable(self.by(line.data)) if self.by else None
        starts = bool(self.begin(line.data)) if self.begin else key is None or group is None or group.key != key
        if group is None or starts:
            if group is not None:
                group.done = True
            group = _Open(key, [line])
            waiting.append(group)
            inside = key is not None if self.by else starts
            if inside:
                current[node] = group
            else:
                group.done = True
                current.pop(node, None)
        else:
            group.lines.append(line)
        if self.end and self.end(line.data) and node in current:
            current.pop(node).done = True


def _event(group: _Open) -> Event:
    datas = [x.data for x in group.lines]
    return Event(group.lines, {**datas[0], "lines": datas, "first": datas[0], "last": datas[-1]})


def _hashable(x: Any) -> Any:
    return None if x is MISSING else str(x) if isinstance(x, list | dict) else x


class Ordering:
    """The order of events, as the binding tells it."""

    def __init__(self, binding: Binding, reader: Reader) -> None:
        self.binding, self.kind = binding, binding.order.by
        if self.kind not in ("file", "clock", "time", "pairs"):
            raise binding.mistake(f"the order is by file, clock, time or pairs, not by `{self.kind}`", self.kind)
        self.node, self.clock, self.time = (reader.read(x) for x in (binding.order.node, binding.order.clock, binding.order.time))
        self.loose, self.out, self.into = (
            reader.read(x) for x in (binding.order.loose, binding.order.sent, binding.order.received)
        )
        self.grouping, self.agreement = Grouping(binding, reader), Agreement(binding, reader)
        self.by_time = False  # what the clocks leave open goes by time
        self.gaps: list[str] = []  # lines before which, by its clock, a line of the node is missing
        self.forgets = False  # a node that starts again may have forgotten what it knew of others
        self.sent: Callable[[Fields], list[Any]] | None = None
        self.received: Getter | None = None
        if self.kind == "pairs" and not (binding.send.id and binding.receive.id):
            raise binding.mistake("an order by pairs needs the `id` of [send] and of [receive]", "pairs")
        if self.kind in ("pairs", "clock") and binding.send.id and binding.receive.id:
            self.sent, self.received = _ids(binding, reader)

    def events(self, logs: Sequence[Iterable[Line]]) -> Iterator[Event]:
        """All events in one linear extension of the order."""
        merge = self.binding.order.merge and len(logs) > 1
        timed = self.kind == "time" or (merge and self.kind == "file")
        self.by_time = merge and self.kind == "clock" and not self.binding.order.shuffled
        streams = [self._placed(log, timed) for log in logs]
        ordered = self._merged(streams, timed) if timed or self.kind != "file" else (e for s in streams for e in s)
        ids: set[Any] = set()
        told: Told = {}
        for n, e in enumerate(ordered):
            e.seq = n
            e.clash = self.agreement.clash(e, told)
            if self.kind == "time":
                ids.add(key_of(self.out(e.data)))
                got = key_of(self.into(e.data))
                e.firm = not self.loose(e.data) or (got is not MISSING and got not in ids)
            yield e

    def _placed(self, log: Iterable[Line], timed: bool) -> Iterator[Event]:
        last = 0.0
        for e in self.grouping.events(log):
            e.node = _hashable(self.node(e.data))
            if self.kind == "clock":
                e.clock = self._clock_of(e)
                if self.by_time and isinstance(t := self.time(e.data), int | float):
                    last = t
                e.time = last
            elif timed:
                e.time = last = self._time_of(e, last)
            yield e

    def _clock_of(self, e: Event) -> dict[str, int]:
        clock = self.clock(e.lines[-1].data)
        if clock is MISSING or e.node is None:
            return {}
        if not isinstance(clock, dict) or not all(isinstance(n, int) for n in clock.values()):
            raise Mistake(f"{e.place}: `{self.binding.order.clock}` is no vector clock, which is an object of numbers")
        if str(e.node) not in clock:
            raise Mistake(f"{e.place}: the vector clock has nothing for `{e.node}` itself")
        return clock

    def _time_of(self, e: Event, last: float) -> float:
        """The time of an event; one of no node (a header) needs none, and comes right after what was before it."""
        t = self.time(e.data)
        if t is MISSING and e.node is None:
            return last
        if not isinstance(t, int | float):
            raise Mistake(f"{e.place}: `{self.binding.order.time}` is no time, which is a number")
        return t

    def _merged(self, streams: list[Iterator[Event]], timed: bool) -> Iterator[Event]:
        """One queue for each file, or each node; what can come next comes out as soon as it is read."""
        if timed:
            yield from _by_time(streams)
            return
        known, live = Known(self), list(enumerate(streams))
        by_node = self.kind == "pairs" or self.binding.order.shuffled
        while True:
            if self.by_time:  # what comes next in each file is there to be compared
                for n, s in live:
                    if not known.queues.get(n) and (found := next(s, None)) is not None:
                        known.add(found, n)
            e = known.first()
            while e is None and live and known.waiting < PATIENCE:
                for n, s in list(live):
                    found = next(s, None)
                    if found is None:
                        live.remove((n, s))
                    else:
                        known.add(found, found.node if by_node else n)
                e = known.first()
            if e is None:
                e = known.forced()
                if e is None:
                    return
            known.take(e)
            yield e

    def may_wait(self, e: Event, f: Event) -> bool:
        """May e, which came out before f, happen after it?"""
        if self.kind == "file" or e.node is None or f.node is None or e.node == f.node:
            return False
        if self.kind == "time":
            return f.time - e.time <= self.binding.order.uncertainty
        return self.kind == "pairs" or not e.clock or f.clock.get(str(e.node), 0) < e.clock[str(e.node)]

    def may_follow(self, e: Event, f: Event) -> bool:
        """May f wait until e has happened, which waits already?  If both are of one node it has to, but not for long."""
        return e.node != f.node or (self.kind == "time" and f.time - e.time <= self.binding.order.uncertainty)


Told = dict[tuple[int, Any], tuple[Any, str]]  # of which rule and which thing: the field, and where it stands


class Agreement:
    """[[agree]], read: what lines say of the same thing is the same."""

    def __init__(self, binding: Binding, reader: Reader) -> None:
        self.rules = [(a, reader.read(a.of), reader.read(a.field)) for a in binding.agree]
        self.ignored = [reader.read(x) for x in binding.ignore] if self.rules else []

    def says(self, data: Fields) -> list[tuple[Any, Any]]:
        """What fields say by each rule: of which thing, and what."""
        return [(key_of(of(data)), field_(data)) for _, of, field_ in self.rules]

    def clash(self, e: Event, told: Told) -> str:
        """How an event contradicts what was `told` before, to which what it tells is added; empty if it does not."""
        if not self.rules or any(x(e.data) is True for x in self.ignored):
            return ""
        for n, (key, value) in enumerate(self.says(e.data)):
            if key is MISSING or value is MISSING:
                continue
            before, place = told.setdefault((n, key), (value, e.place))
            if before != value:
                rule = self.rules[n][0]
                return f"`{rule.field}` is {value} here, but {before} at {place}, where `{rule.of}` is the same"
        return ""


class Known:
    """What has happened so far (of each node the last count of its clock, and the messages sent), and the queues of what has
    not."""

    def __init__(self, order: Ordering) -> None:
        self.order, self.waiting, self.read = order, 0, 0
        self.last: dict[str, int] = {}
        self.clocks: dict[str, dict[str, int]] = {}
        self.ids: set[Any] = set()  # in an order by pairs: of the messages sent
        self.carried: dict[Any, dict[str, int]] = {}  # with clocks: what each message on its way tells
        self.queues: dict[Any, deque[Event]] = {}

    def add(self, e: Event, key: Any) -> None:
        self.read += 1
        self.waiting += 1
        e.seq = self.read
        self.queues.setdefault(key, deque()).append(e)

    def take(self, e: Event) -> None:
        """The event at the head of some queue happens."""
        self.waiting -= 1
        next(q for q in self.queues.values() if q and q[0] is e).popleft()
        if e.clock:
            self._clock(e)
        elif self.order.sent and self.order.kind == "pairs":
            self.ids.update(self.order.sent(e.data))

    def _clock(self, e: Event) -> None:
        """A clock goes on: from that of the node's last event, and that of the message it received."""
        node, count = str(e.node), e.clock[str(e.node)]
        if count <= self.last.get(node, -1):
            e.early = f"the vector clock of {node} does not go on: it is {count}, and was {self.last[node]} before"
        elif (before := self.last.get(node)) is not None and count > before + 1:
            self.order.gaps.append(f"{e.place}: the vector clock of {node} is {count}, and was {before} in its line before")
        if not self.order.forgets:
            e.early = e.early or _forgot(e.clock, self.clocks.get(node, {}), "as before")
        self.last[node], self.clocks[node] = count, e.clock
        if self.order.sent and self.order.received:
            mid = self.order.received(e.data)
            e.early = e.early or _forgot(e.clock, self.carried.pop(mid, {}), "as where the message was sent")
            self.carried.update(dict.fromkeys(self.order.sent(e.data), e.clock))

    def first(self) -> Event | None:
        """Of the events that can happen next the earliest, if there are times, that was read first."""
        heads = [q[0] for q in self.queues.values() if q]
        return min((e for e in heads if self._able(e)), key=lambda e: (e.time, e.seq), default=None)

    def forced(self) -> Event | None:
        """The first for which something is missing that is nowhere in the log; else the first, though that stands later."""
        heads = sorted((q[0] for q in self.queues.values() if q), key=lambda e: e.seq)
        for e in heads:
            if e.clock and self._later(e) is None:
                missing = {n for n, k in e.clock.items() if self.last.get(n, 0) < k and n != str(e.node)}
                e.lacks = not any(str(f.node) in missing for q in self.queues.values() for f in q)
                return e
        if heads and heads[0].clock:
            later = self._later(heads[0])
            heads[0].early = f"its vector clock says that it happened after {later}, which stands later in the log"
        return heads[0] if heads else None

    def _later(self, e: Event) -> str | None:
        """What has happened before e, and has not come out."""
        return next((f.place for q in self.queues.values() for f in q if f is not e and self._before(f, e)), None)

    def _before(self, f: Event, e: Event) -> bool:
        return bool(f.clock) and f.node != e.node and f.clock[str(f.node)] <= e.clock.get(str(f.node), 0)

    def _able(self, e: Event) -> bool:
        if self.order.kind == "pairs" and self.order.received:
            got = self.order.received(e.data)
            return got is MISSING or got in self.ids
        return all(self.last.get(n, 0) >= k or n == str(e.node) for n, k in e.clock.items())


def _forgot(clock: dict[str, int], known: dict[str, int], how: str) -> str:
    """What a vector clock does not know, though it should."""
    for n, k in known.items():
        if clock.get(n, 0) < k:
            return f"its vector clock has {clock.get(n, 0)} for {n}, and must have at least {k}, {how}"
    return ""


def _by_time(streams: list[Iterator[Event]]) -> Iterator[Event]:
    import heapq

    yield from heapq.merge(*streams, key=lambda e: e.time)


def _ids(binding: Binding, reader: Reader) -> tuple[Callable[[Fields], list[Any]], Getter]:
    """The ids that an event sends, and the one that it receives."""
    s, r = binding.send, binding.receive
    each, one, got, when = reader.read(s.each), reader.read(s.id), reader.read(r.id), reader.read(r.when)

    def sent(data: Fields) -> list[Any]:
        items = each(data)
        ids = [key_of(one({**data, s.as_: x})) for x in items] if isinstance(items, list) else []
        return [x for x in ids if x is not MISSING]

    return sent, lambda data: key_of(got(data)) if when(data) else MISSING
