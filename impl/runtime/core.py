"""One node, without I/O: it is told what arrived and which action's time has come, and says what to persist and to send.

The rule of a driver (simulate.py, host.py), as with etcd/raft's Ready: persist and sync `persist`, then send `send`, then ask
for the next.  A node that stops in between is as if the step had not been, or as if its messages were lost.

A message that its handler discards is thrown away.  One that no handler takes now waits: in a fifo network it holds up those
behind it from the same sender, in a bag it is kept, in a set network (which may lose it) only
the last few are, and those that few states have refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from checker.core.meaning import Fault
from checker.core.types import Bag, Id, Map, Rec, Sort, Type, Value
from checker.engines.python.node import Blocked, LocalAction, State, Taken
from impl.runtime.plan import Address, Plan
from impl.runtime.protocol import Timer

WAITING = 16  # so many messages that nothing takes yet are kept of a set network;
PATIENT = 12  # and more of those that have not been refused in so many states,
MOST = 4096  # but no more than so many
SOME = 8  # so many ways to choose are looked at before one is taken


class SpecFault(Exception):
    """A step of this node is a fault of the spec."""

    def __init__(self, node: str, action: str, fault: Fault) -> None:
        super().__init__(f"{node}: {action}: {fault.text}")
        self.node, self.action, self.fault = node, action, fault


@dataclass(frozen=True)
class Envelope:
    """One message on its way: `id` is unique in a run, `clock` the sender's vector clock when it was sent."""

    id: str
    source: str
    target: str
    message: str
    fields: tuple[Value, ...]
    sender: Value
    clock: dict[str, int] = field(compare=False)


@dataclass(frozen=True)
class Ready:
    """One atomic step of a node.  `persist`: the durable variables that changed; `changed`: all that did; `request`: the
    client and number of the request that it takes."""

    node: str
    action: LocalAction
    params: tuple[Value, ...]
    choices: tuple[tuple[str, Value], ...]
    received: Envelope | None
    state: State
    changed: State
    persist: State
    send: tuple[Envelope, ...]
    clock: dict[str, int]
    request: tuple[str, int] | None = None

    @property
    def name(self) -> str:
        return self.action.action.name


class Core:
    """The node at an address.  `boot` comes first."""

    def __init__(self, plan: Plan, address: Address, rng: random.Random) -> None:
        self.plan, self.address, self.rng = plan, address, rng
        self.process = plan.process(address)
        self.state: State = {}
        self.clock: dict[str, int] = {}
        self.inbox: list[Envelope] = []
        self.boots = self.sent = 0
        self.stale = 0  # so many messages at the start of the inbox have been tried in this state
        self.states = self.forgets = 0  # how many there have been, and at which the next messages are forgotten,
        self.came: dict[str, int] = {}  # and in which of them a message came that waits

    def boot(self, stored: State | None, boots: int, clock: dict[str, int] | None = None) -> Ready:
        """Starts with the initial values, or, after a crash, with what is stored.  `boots`: how often it has been started."""
        self.boots, self.clock = boots, dict(clock or {})
        action = self.process.start if stored is None else self.process.restart
        ready = self._first(action, stored, (), None)
        if ready is None:
            raise SpecFault(self.address.name, action.action.name, Fault(action.action, "it cannot start: a `require` is false"))
        return ready

    # what happens

    def offer(self, envelope: Envelope) -> None:
        """A message has arrived."""
        self.inbox.append(envelope)

    def poll(self) -> Ready | None:
        """Handles the first message that can be; None if nothing that is here can be."""
        held, fifo = set[str](), self.plan.network == "fifo"
        for at in range(0 if fifo else self.stale, len(self.inbox)):
            e = self.inbox[at]
            if at >= self.stale and e.source not in held:
                ready = self._receive(e)
                if ready is not None:
                    self.inbox.remove(e) if self.inbox[at] is not e else self.inbox.pop(at)
                    self.stale = 0 if ready.changed else at
                    return ready
                if self._useless(e):
                    del self.inbox[at]
                    self.stale = at
                    return self.poll()
            if fifo:
                held.add(e.source)
        many = len(self.inbox) > (WAITING if self.states >= self.forgets else 2 * MOST)
        if many and self.plan.network == "set":
            self._forget()
        self.stale = len(self.inbox)
        return None

    def _forget(self) -> None:
        """Of the messages of a set network, which may be lost, those that have waited long."""
        late, came, self.forgets = self.states - PATIENT, self.came, self.states + PATIENT // 4
        self.came = {e.id: came.get(e.id, self.states) for e in self.inbox}
        self.inbox[:-WAITING] = [e for e in self.inbox[:-WAITING] if self.came[e.id] > late][-MOST:]

    def attempt(self, name: str, known: dict[str, Value] | None = None) -> Ready | None:
        """Tries a spontaneous action, with some of its parameters given; None if it is not enabled."""
        action = self.process.spontaneous[name]
        for params in action.assignments(self.rng, known or {}, self._ideas):
            ready = self._first(action, self.state, params, None)
            if ready is not None:
                self.stale = 0 if ready.changed else self.stale
                return ready
        return None

    def ways(self, name: str, timer: Timer) -> list[dict[str, Value]]:
        """What `attempt` is to be given, one after the other: nothing, what the protocol says, or each combination of the
        parameters."""
        if timer.given:
            return [timer.given(self.state, self.process.identities, self.rng)]
        action = self.process.spontaneous[name]
        names = [n for n, _ in action.params]
        every = action.assignments(self.rng, {}, self._ideas) if timer.each else ()
        return [dict(zip(names, p, strict=True)) for p in every] if timer.each else [{}]

    def exactly(
        self,
        action: LocalAction,
        state: State | None,
        params: tuple[Value, ...],
        e: Envelope | None,
        wanted: Callable[[Taken], bool],
    ) -> Ready | None:
        """Takes the way of an action that is wanted; None if there is none.  Raises Fault."""
        fields, sender = (e.fields, e.sender) if e else ((), None)
        for way in action.ways(state, self.address.identity, params, fields, sender):
            if isinstance(way, Taken) and wanted(way):
                return self._taken(action, way, params, e)
        return None

    # steps

    def _receive(self, e: Envelope) -> Ready | None:
        for handler in self.process.handlers.get(e.message, ()):
            ready = self._first(handler, self.state, (), e)
            if ready is not None:
                return ready
        return None

    def _useless(self, e: Envelope) -> bool:
        """Does the only handler of a message discard it?"""
        found = self.process.handlers.get(e.message, ())
        if len(found) != 1 or found[0].discards is None:
            return False
        way = next(found[0].ways(self.state, self.address.identity, (), e.fields, e.sender))
        return isinstance(way, Blocked) and way.node is found[0].discards

    def _first(self, action: LocalAction, state: State | None, params: tuple[Value, ...], e: Envelope | None) -> Ready | None:
        fields, sender = (e.fields, e.sender) if e else ((), None)
        try:
            every = action.ways(state, self.address.identity, params, fields, sender)
            ways = list(islice((w for w in every if isinstance(w, Taken)), SOME if action.chooses else 1))
        except Fault as fault:
            raise SpecFault(self.address.name, action.action.name, fault) from None
        if not ways:
            return None
        return self._taken(action, ways[0] if len(ways) == 1 else self.rng.choice(ways), params, e)

    def _taken(self, action: LocalAction, way: Taken, params: tuple[Value, ...], e: Envelope | None) -> Ready:
        me, before = self.address.name, self.state
        clock = dict(self.clock)  # that of a step stays as it is: its messages carry it
        for node, n in e.clock.items() if e else ():
            if n > clock.get(node, 0):
                clock[node] = n
        clock[me] = clock.get(me, 0) + 1
        self.clock, self.state = clock, way.state
        changed = {v: x for v, x in way.state.items() if v not in before or differ(before[v], x)}
        self.states += bool(changed)
        persist = {v: x for v, x in changed.items() if v in self.process.durable}
        return Ready(me, action, params, way.choices, e, way.state, changed, persist, tuple(self._send(way)), clock)

    def _send(self, way: Taken) -> Iterator[Envelope]:
        for s in way.sent:
            for to in self.plan.receivers(s.message, s.to):
                self.sent += 1
                number = f"{self.address.name}.{self.boots}.{self.sent}"
                yield Envelope(number, self.address.name, to.name, s.message, s.fields, self.address.party, self.clock)

    def _ideas(self, t: Type) -> Iterable[Value]:
        """Values of a huge type that this node has heard of, and one that nobody may have."""
        found = [v for x in self.state.values() for v in inside(x, t)]
        if isinstance(t, Sort) and isinstance(t.size, int):
            found.append(Id(t.name, self.rng.randrange(t.size)))
        return dict.fromkeys(found)


def differ(old: Value, new: Value) -> bool:
    """Sequences that are not equally long are not compared; those of Python are, up to where the shorter one ends."""
    if old is new:
        return False
    return (type(old) is tuple and type(new) is tuple and len(old) != len(new)) or bool(old != new)


def inside(v: Value, t: Type) -> Iterator[Value]:
    """The identities of a sort that a value mentions."""
    if isinstance(v, Id):
        if isinstance(t, Sort) and v.sort == t.name:
            yield v
        return
    parts: Iterable[Any] = ()
    if isinstance(v, Rec):
        parts = v.values
    elif isinstance(v, Map):
        parts = (*v, *v.values())
    elif isinstance(v, tuple):
        parts = v
    elif isinstance(v, frozenset | Bag):
        parts = sorted(v, key=repr)
    for x in parts:
        yield from inside(x, t)
