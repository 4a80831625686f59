"""Mistakes that implementations make, put into the runtime on purpose: `--bug NAME`, one at a time, in the simulator only.

Each is a part of the simulation with one thing done wrong, in place of the part that does it right; nothing elsewhere knows of
them.  They show that what watches a run can see: the spec that follows it, the validation of its record, the properties, and
the linearizability of what clients were told.  tests/impl/test_bugs.py says which of them sees what.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from checker.core.ir import Require
from checker.engines.python.node import Nodes, Taken
from checker.settings import Mistake, nearest
from impl.runtime.clients import LEASE, Client
from impl.runtime.core import Core, Envelope, Ready, SpecFault
from impl.runtime.kv import Command, Machine, Replica
from impl.runtime.simulate import Node, Simulation

OFTEN, SELDOM = 0.3, 0.03  # how likely it is, where it does not always happen

# ── the disk ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class UnsyncedVariable(Simulation):
    """A durable variable is written once, and never again."""

    def _done(self, node: Node, ready: Ready, out: bool = True) -> None:
        before = node.disk or {}
        super()._done(node, ready, out)
        name = min(self.plan.process(node.address).durable, default=None)
        if node.disk and name in before:
            node.disk = {**node.disk, name: before[name]}


class LostWrite(Simulation):
    """The disk says that it has synced, and has not."""

    def _done(self, node: Node, ready: Ready, out: bool = True) -> None:
        before = node.disk
        super()._done(node, ready, out)
        if before is not None and self.rng.random() < OFTEN:
            node.disk = before


class SentBeforeSync(Simulation):
    """Messages leave while the disk still writes what they tell of."""

    def _take(self, node: Node, ready: Ready, again: bool = True) -> None:
        for e in ready.send:
            self.send(e)
        super()._take(node, ready, again)

    def _done(self, node: Node, ready: Ready, out: bool = True) -> None:
        super()._done(node, ready, False)


class TornWrite(Simulation):
    """The power fails in the middle of a write, and half of the transaction is taken for all of it."""

    def _crash(self) -> None:
        if any(n.writing and len(n.writing.persist) > 1 for n in self.nodes.values()):
            super()._crash()
        else:
            self.after(0.0005, self._crash)

    def crash(self, node: Node) -> None:
        torn = next((n for n in self.nodes.values() if n.writing and len(n.writing.persist) > 1), node)
        half = sorted(torn.writing.persist.items())[:1] if torn.writing else []
        torn.writing = None
        super().crash(torn)
        torn.disk = {**(torn.disk or {}), **dict(half)}


class OldSnapshot(Simulation):
    """A node starts again from a copy of its disk that is some writes old."""

    def _done(self, node: Node, ready: Ready, out: bool = True) -> None:
        self.copies = getattr(self, "copies", {})
        super()._done(node, ready, out)
        if ready.persist:
            self.copies.setdefault(node.address.name, deque(maxlen=4)).append(node.disk)

    def start(self, node: Node) -> None:
        if node.disk is not None:
            node.disk = self.copies[node.address.name][0]
        super().start(node)


class KeptAcrossCrash(Simulation):
    """What is in memory survives a crash."""

    def crash(self, node: Node) -> None:
        self.memory = {**getattr(self, "memory", {}), node.address.name: node.core.state if node.core else {}}
        super().crash(node)

    def start(self, node: Node) -> None:
        super().start(node)
        old = getattr(self, "memory", {}).get(node.address.name, {})
        if node.core and old:
            durable = node.core.process.durable
            node.core.state = {v: x if v in durable else old[v] for v, x in node.core.state.items()}


# ── the network ──────────────────────────────────────────────────────────────────────────────────────────────────────


def other(x: Any) -> Any:
    """Another value of the type of a number or a bool."""
    return not x if isinstance(x, bool) else x + 1 if isinstance(x, int) else x


class AlteredMessage(Simulation):
    """A field of a message is another where it arrives."""

    def _arrive(self, e: Envelope) -> None:
        at = self.rng.randrange(len(e.fields)) if e.fields else 0
        if e.source != e.target and self.rng.random() < SELDOM:
            e = replace(e, fields=(*e.fields[:at], *map(other, e.fields[at : at + 1]), *e.fields[at + 1 :]))
        super()._arrive(e)


class WrongNode(Simulation):
    """A message arrives at another node than that for which it is."""

    def _arrive(self, e: Envelope) -> None:
        kind = self.plan.addresses[e.target].process
        others = [a.name for a in self.plan.addresses.values() if a.process == kind and a.name not in (e.target, e.source)]
        if others and self.rng.random() < SELDOM:
            e = replace(e, target=self.rng.choice(others))
        super()._arrive(e)


class VoteCountedTwice(Simulation):
    """A message is taken again as one of somebody else."""

    def _arrive(self, e: Envelope) -> None:
        super()._arrive(e)
        kind = self.plan.addresses[e.source].process
        others = [a for a in self.plan.addresses.values() if a.process == kind and a.name not in (e.target, e.source)]
        if others and self.rng.random() < OFTEN:
            a = self.rng.choice(others)
            super()._arrive(replace(e, source=a.name, sender=a.party))


class DeliveredTwice(Simulation):
    """A reliable network delivers a message again."""

    def _arrive(self, e: Envelope) -> None:
        super()._arrive(e)
        if self.reliable and self.rng.random() < SELDOM:
            self.after(self.delay(), super()._arrive, e)


class Overtaken(Simulation):
    """A fifo network delivers what was sent last, first."""

    def _next(self, e: Envelope) -> None:
        self.channels[e.source, e.target].reverse()
        super()._next(e)
        self.channels[e.source, e.target].reverse()


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Interleaved(Core):
    """Two handlers run at the same time: the second sees what was before the first, and its writes win."""

    before: dict[str, Any] | None = None

    def _first(self, action: Any, state: Any, params: Any, e: Envelope | None) -> Ready | None:
        stale = self.before if e is not None and self.before is not None and self.rng.random() < OFTEN else state
        now = self.state
        ready = super()._first(action, stale, params, e)
        self.before = now if ready is not None and now else self.before
        return ready


class HalfAStep(Core):
    """A handler is stopped half way: what it sends leaves, and one variable is not yet assigned."""

    def _taken(self, action: Any, way: Taken, params: Any, e: Envelope | None) -> Ready:
        changed = [v for v, x in way.state.items() if self.state.get(v, x) != x]
        if e is not None and len(changed) > 1 and self.rng.random() < OFTEN:
            way = replace(way, state={**way.state, changed[-1]: self.state[changed[-1]]})
        return super()._taken(action, way, params, e)


class FalseGuard(Simulation):
    """A timer has an action done although its `require` is false."""

    def _tick(self, node: Node, name: str, number: int) -> None:
        core = node.core
        if core is None or node.writing or self.rng.random() > OFTEN:
            super()._tick(node, name, number)
            return
        action = self._unguarded(core, name)
        try:
            params = next(iter(action.assignments(self.rng, {}, core._ideas)))
            ready = core._first(action, core.state, params, None)
        except (SpecFault, StopIteration):
            ready = None
        if ready is not None:
            self._take(node, replace(ready, action=core.process.spontaneous[name]))
        self._arm(node, name)

    def _unguarded(self, core: Core, name: str) -> Any:
        if not hasattr(self, "loose"):
            whole = self.plan.nodes.instance
            bare = [replace(a, body=tuple(s for s in a.body if not isinstance(s, Require))) for a in whole.actions]
            self.loose = Nodes(replace(whole, actions=tuple(bare)))
        return self.loose.processes[core.process.name].spontaneous[name]


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────────


class DuplicateCommand(Machine):
    """A command is executed as often as it is sent."""

    def apply(self, c: Command) -> Any:
        return self._execute(c)


class ForgottenSession(Machine):
    """The table of sessions remembers only the last one."""

    def apply(self, c: Command) -> Any:
        self.sessions = {s: x for s, x in self.sessions.items() if s == c.session}
        return super().apply(c)


class TornTransaction(Machine):
    """Of a transaction the first write is done, and the others are not."""

    def _execute(self, c: Command) -> Any:
        if c.op == "txn" and self.pairs.keys():
            writes = [i for i, x in enumerate(c.args[1]) if x[0] == "put"][1:]
            c = replace(c, args=(c.args[0], [["get", x[1]] if i in writes else x for i, x in enumerate(c.args[1])]))
        return super()._execute(c)


class Unfenced(Machine):
    """The store does not ask for the newest fencing token."""

    def _execute(self, c: Command) -> Any:
        if c.op == "txn" and any(x[0] == "put" and x[1] == "count" for x in c.args[1]):
            c = replace(c, args=([], c.args[1]))
        return super()._execute(c)


class StaleRead(Replica):
    """A leader, deposed or not, answers reads from what it has executed so far."""

    def request(self, core: Core, c: Command, answer: Any) -> Ready | bool:
        if c.op == "get" and self.takes and self.service.ready(core.state, core.address.identity):
            answer(self.machine.pairs.get(*c.args))
            return True
        return super().request(core, c, answer)


class EarlyAnswer(Replica):
    """A leader answers as soon as a command is in its own log."""

    def request(self, core: Core, c: Command, answer: Any) -> Ready | bool:
        found = super().request(core, c, answer)
        if isinstance(found, Ready) and (c.session, c.number) in self.waiting:
            del self.waiting[c.session, c.number]
            guess = Machine()
            guess.pairs = dict(self.machine.pairs)
            answer(guess.apply(c))
        return found


class OutOfOrder(Replica):
    """What is committed together is executed last first."""

    def advance(self, state: dict[str, Any]) -> None:
        before = self.service
        order = replace(before, committed=lambda state, after: before.committed(state, after)[::-1])
        self.service = order
        super().advance(state)
        self.service = before


class SkippedEntry(Replica):
    """Of several entries that are committed together, the last is forgotten."""

    def advance(self, state: dict[str, Any]) -> None:
        behind = self.service.committed(state, self.applied) if self.executes else []
        skip = self.service
        if len(behind) > 1:
            self.service = replace(skip, committed=lambda state, after: behind[:-1])
        super().advance(state)
        self.applied += len(behind) > 1
        self.service = skip


# ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def jumps(client: Client) -> float:
    """How often a clock has been set: once a second, each at another time."""
    return (client.simulation.now + 0.3 * client.simulation.clients.index(client)) // 1.0


class ClockBackwards(Client):
    """A clock is set back now and then, while its client holds a lease."""

    def clock(self) -> float:
        return super().clock() - 2 * LEASE * jumps(self)


class ClockForwards(Client):
    """A clock is set forward now and then, while its client waits for the end of a lease."""

    def clock(self) -> float:
        return super().clock() + 2 * LEASE * jumps(self)


class NewNumber(Client):
    """A request that is sent again gets another number."""

    tries = 0

    def command(self) -> Command:
        self.tries += 1
        return replace(super().command(), session=f"{self.name}/{self.tries}")


PARTS = (
    UnsyncedVariable, LostWrite, SentBeforeSync, TornWrite, OldSnapshot, KeptAcrossCrash,
    AlteredMessage, WrongNode, VoteCountedTwice, DeliveredTwice, Overtaken,
    Interleaved, HalfAStep, FalseGuard,
    DuplicateCommand, ForgottenSession, TornTransaction, Unfenced, StaleRead, EarlyAnswer, OutOfOrder, SkippedEntry,
    ClockBackwards, ClockForwards, NewNumber,
)  # fmt: skip
BUGS: dict[str, type[Any]] = {"".join("_" * c.isupper() + c.lower() for c in p.__name__)[1:]: p for p in PARTS}


def simulation(bug: str | None) -> type[Simulation]:
    """The simulator, with a bug in it (None: as it should be).  Raises Mistake."""
    if bug is None:
        return Simulation
    if bug not in BUGS:
        raise Mistake(f"--bug {bug}: there is none of this name", nearest(bug, BUGS) or f"there are {', '.join(BUGS)}")
    part = BUGS[bug]
    if issubclass(part, Simulation):
        return part
    if issubclass(part, Machine):
        return type("Buggy", (Simulation,), {"make_replica": type("Buggy", (Replica,), {"make_machine": part})})
    slot = next(f"make_{base.__name__.lower()}" for base in (Core, Replica, Client) if issubclass(part, base))
    return type("Buggy", (Simulation,), {slot: part})
