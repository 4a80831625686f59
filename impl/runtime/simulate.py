"""A whole cluster in one thread under a seeded scheduler: network, disks, clocks and faults are all drawn from one seed, so a run
can be repeated byte for byte.  Time is simulated: nothing waits.

A step that changes durable variables keeps its node busy until the disk has synced; only then do its messages leave.  A crash
in between loses the step, or (`torn`) only its messages.  Over a bag or fifo network, which lose nothing, a lost or cut-off
message is sent again until it arrives, and what a node had not yet handled when it crashed is delivered again.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from impl.runtime.clients import Client, Referee, store
from impl.runtime.core import Core, Envelope, Ready, SpecFault
from impl.runtime.faults import Faults
from impl.runtime.history import inexplicable
from impl.runtime.kv import Command, Replica
from impl.runtime.locks import Doing
from impl.runtime.plan import Address, Plan
from impl.runtime.protocol import Moment
from impl.runtime.record import Recorder, States
from impl.runtime.shadow import Divergence, Finding, Shadow

AGAIN = 0.05  # seconds until a reliable network sends again
STEPS = 1000  # so many steps of one node at one instant are taken for a loop of eager actions


@dataclass
class Node:
    """A node and its surroundings: `disk` is what is synced, `writing` the step whose transaction is not."""

    address: Address
    drift: float
    core: Core | None = None
    disk: dict[str, Any] | None = None
    boots: int = 0
    clock: dict[str, int] = field(default_factory=dict)
    writing: Ready | None = None
    kept: list[Envelope] = field(default_factory=list)
    replica: Replica | None = None
    timers: dict[str, int] = field(default_factory=dict)  # action → number of the timer that counts
    lately: dict[str, Moment] = field(default_factory=dict)  # when an action was last due


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    seconds: float = 0.0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    finding: Finding | None = None
    fault: SpecFault | None = None
    witnesses: dict[str, int] = field(default_factory=dict)


class Simulation:
    """One run.  `shadow`: check the spec's properties along it (None: do not).  `clients`: so many use the key-value store, as
    `workload` says."""

    make_core, make_replica, make_client = Core, Replica, Client  # what it is made of: bugs.py puts others in their place

    def __init__(
        self,
        plan: Plan,
        seed: int,
        faults: Faults,
        recorder: Recorder | None = None,
        shadow: Shadow | None = None,
        clients: int = 0,
        workload: Callable[[Client], Doing] = store,
    ) -> None:
        self.plan, self.faults, self.recorder, self.shadow = plan, faults, recorder, shadow
        self.rng = random.Random(seed)
        self.now, self.number = 0.0, 0
        self.queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        drift = faults.drift
        self.nodes = {a.name: Node(a, 1 + self.rng.uniform(-drift, drift)) for a in plan.addresses.values()}
        self.side: dict[str, int] = {}  # in a partition: which side a node is on
        self.channels: dict[tuple[str, str], deque[Envelope]] = {}
        self.outcome = Outcome(seed)
        chance = [random.Random(self.rng.getrandbits(64)) for _ in range(clients)]
        self.clients = [self.make_client(f"client{i}", self, rng, workload) for i, rng in enumerate(chance, 1)]
        self.referee = Referee(self.clients, self.complain)
        self.states: States | None = None  # where the states of the whole are kept, if they are
        self.reliable = plan.network != "set"

    def run(self, duration: float) -> Outcome:
        """So many simulated seconds, or less if something is wrong."""
        if self.recorder:
            self.recorder.begin(0.0)
        for node in self.nodes.values():
            self.start(node)
        self._arm_faults()
        for client in self.clients:
            self.after(0.0, client.begin)
        try:
            while self.queue and not self.outcome.finding:
                at, _, act, args = heapq.heappop(self.queue)
                if at > duration:
                    break
                self.now = at
                act(*args)
        except SpecFault as fault:
            self.outcome.fault = fault
        except Divergence as why:
            self.outcome.finding = Finding("divergence", "the spec", str(why))
        finally:
            if self.recorder:
                self.recorder.flush()
        self._judge()
        self.outcome.seconds = min(duration, self.now) if self.outcome.finding or self.outcome.fault else duration
        if self.shadow:
            self.outcome.witnesses = self.shadow.witnesses
        return self.outcome

    def _judge(self) -> None:
        """What can only be said of a run as a whole."""
        if self.shadow and not self.outcome.finding:
            self.outcome.finding = self.shadow.end()
        if not self.outcome.finding and (bad := inexplicable(o for c in self.clients for o in c.history)):
            asked = f"{bad.client}: {bad.op} {' '.join(map(str, bad.args))}"
            self.complain("Linearizable", f"{asked}: nothing explains the answer {bad.result}")

    def complain(self, name: str, text: str) -> None:
        """What clients see is not what the service promises."""
        self.outcome.finding = self.outcome.finding or Finding("service", name, text)

    def after(self, delay: float, act: Callable[..., None], *args: Any) -> None:
        self.number += 1
        heapq.heappush(self.queue, (self.now + delay, self.number, act, args))

    def note(self, event: str, node: str | None, **more: Any) -> None:
        self.outcome.counts[event] += 1
        if self.recorder:
            self.recorder.line(self.now, node, event, **more)

    # nodes

    def start(self, node: Node) -> None:
        """Boots a node, from its disk if it has run before."""
        node.boots += 1
        node.core = self.make_core(self.plan, node.address, random.Random(self.rng.getrandbits(64)))
        service = self.plan.protocol.service
        node.replica = self.make_replica(service, node.core.process) if service else None
        ready = node.core.boot(self._stored(node), node.boots, node.clock)
        for e in node.kept:
            node.core.offer(e)
        node.kept = []
        self._take(node, ready)
        for name in node.core.process.spontaneous:
            self._arm(node, name)

    def _stored(self, node: Node) -> dict[str, Any] | None:
        """The variables as a restart finds them: what is durable; the rest has its value when it was lost, and starts anew."""
        if node.disk is None:
            return None
        volatile = [v for v in self.plan.process(node.address).vars if v not in node.disk]
        return {**dict.fromkeys(volatile), **node.disk}

    def work(self, node: Node) -> None:
        """Lets a node do what it can do now."""
        for _ in range(STEPS):
            core = node.core
            if core is None or node.writing or self.outcome.finding:
                return
            ready = core.poll() or self._eager(core)
            if ready is None:
                return
            self._take(node, ready, again=False)
        self.after(0.001, self.work, node)

    def _eager(self, core: Core) -> Ready | None:
        for name in core.process.spontaneous:
            if self.plan.protocol.timer(name).eager and self.plan.protocol.alone(name):
                ready = core.attempt(name)
                if ready is not None:
                    return ready
        return None

    def _take(self, node: Node, ready: Ready, again: bool = True) -> None:
        """Persists a step, then lets it out."""
        if ready.persist:
            node.writing = ready
            self.after(self.rng.uniform(0.0002, 0.004), self._synced, node, ready)
        else:
            self._done(node, ready)
            if again:
                self.work(node)

    def _synced(self, node: Node, ready: Ready) -> None:
        if node.writing is ready:
            node.writing = None
            self._done(node, ready)
            self.work(node)

    def _done(self, node: Node, ready: Ready, out: bool = True) -> None:
        """A step has happened: it is on disk, and its messages leave."""
        node.disk = {**(node.disk or {}), **ready.persist}
        node.clock = ready.clock
        self.outcome.steps += 1
        self.outcome.counts[ready.name] += 1
        if self.recorder:
            self.recorder.step(self.now, ready)
        if self.shadow and (finding := self.shadow.step(ready)):
            self.outcome.finding = finding
        if self.shadow and self.states:
            self.states.step(ready, self.shadow.state)
        for name in node.core.process.spontaneous if node.core else ():
            if ready.name in self.plan.protocol.timer(name).resets:
                self._arm(node, name)
        for e in ready.send if out else ():
            self.send(e)
        if node.replica and node.core:
            node.replica.advance(ready.state)

    def request(self, node: Node, command: Command, answer: Callable[[Any], None]) -> None:
        """A client's request has arrived at a node; if it cannot be taken, it is not answered."""
        if node.core is None or node.replica is None:
            return
        if node.writing:
            self.after(0.001, self.request, node, command, answer)
            return
        found = node.replica.request(node.core, command, answer)
        if isinstance(found, Ready):
            self._take(node, found)

    # timers

    def _arm(self, node: Node, name: str) -> None:
        timer = self.plan.protocol.timer(name)
        if timer.eager or not self.plan.protocol.alone(name):
            return
        self.number += 1
        node.timers[name] = self.number
        self.after(self.rng.uniform(timer.low, timer.high) * node.drift, self._tick, node, name, self.number)

    def _tick(self, node: Node, name: str, number: int) -> None:
        if node.core is None or node.timers.get(name) != number:
            return
        self._arm(node, name)
        if unless := self.plan.protocol.timer(name).unless:
            before, node.lately[name] = node.lately.get(name), Moment(node.core.state, self._heard(node))
            if unless(node.lately[name], node.address.identity, before):
                return
        for known in node.core.ways(name, self.plan.protocol.timer(name)):
            if node.core is None or node.writing:
                return
            ready = node.core.attempt(name, known)
            if ready is not None:
                self._take(node, ready)

    def _heard(self, node: Node) -> dict[Any, Any]:
        """The pulse of those that run and can be reached."""
        pulse, out = self.plan.protocol.pulse, {}
        for a in self.plan.kin(node.address):
            other = self.nodes[a.name]
            if pulse and other.core and not (self.side and self.side[a.name] != self.side[node.address.name]):
                out[a.identity] = pulse(other.core.state)
        return out

    # the network

    def send(self, e: Envelope) -> None:
        """Puts a message on its way."""
        if e.source == e.target:
            self.after(0.0, self._arrive, e)
        elif self.reliable:
            self._queue(e)
        elif self._cut(e) or self.rng.random() < self.faults.loss:
            self.note("lost", e.target, id=e.id)
        else:
            self.after(self.delay(), self._arrive, e)
            if self.rng.random() < self.faults.duplicate:
                self.note("duplicated", e.target, id=e.id)
                self.after(self.delay(), self._arrive, e)

    def delay(self) -> float:
        return 0.0002 + self.rng.expovariate(1 / self.faults.delay) if self.faults.delay else 0.0

    def _cut(self, e: Envelope) -> bool:
        return bool(self.side) and self.side[e.source] != self.side[e.target]

    def _queue(self, e: Envelope) -> None:
        """A reliable channel: what arrives is the oldest under way, if the network keeps the order."""
        self.channels.setdefault((e.source, e.target), deque()).append(e)
        self.after(self.delay(), self._next, e)

    def _next(self, e: Envelope) -> None:
        if self._cut(e) or self.rng.random() < self.faults.loss:
            self.after(AGAIN, self._next, e)
            return
        channel = self.channels[e.source, e.target]
        if self.plan.network == "fifo":
            e = channel.popleft()
        else:
            channel.remove(e)
        self._arrive(e)

    def _arrive(self, e: Envelope) -> None:
        node = self.nodes[e.target]
        if node.core is not None:
            node.core.offer(e)
            self.work(node)
        elif self.reliable:
            node.kept.append(e)
        else:
            self.note("lost", e.target, id=e.id)

    # faults

    def _arm_faults(self) -> None:
        if self.faults.crash:
            self.after(self.rng.expovariate(1 / self.faults.crash), self._crash)
        if self.faults.partition and len(self.nodes) > 1:
            self.after(self.rng.expovariate(1 / self.faults.partition), self._partition)

    def _crash(self) -> None:
        self.after(self.rng.expovariate(1 / self.faults.crash), self._crash)
        up = [n for n in self.nodes.values() if n.core is not None and n.disk is not None]
        if up:
            self.crash(self.rng.choice(up))

    def crash(self, node: Node) -> None:
        """A node stops where it is, and is back some time later."""
        core, writing = node.core, node.writing
        assert core is not None
        node.core = node.writing = node.replica = None
        node.lately.clear()
        inbox = core.inbox if self.reliable else []
        if writing and self.rng.random() < self.faults.torn:
            self._done(node, writing, out=self.reliable)  # what a reliable network sends is in the same transaction
        elif writing and writing.received and self.reliable:
            inbox = [writing.received, *inbox]
        node.kept = [*inbox, *node.kept]
        self.note("crash", node.address.name)
        self.after(self.rng.expovariate(1 / self.faults.outage), self._restart, node)

    def _restart(self, node: Node) -> None:
        if node.core is None:
            self.start(node)

    def _partition(self) -> None:
        self.side = {name: self.rng.randrange(2) for name in self.nodes}
        self.note("partition", None, sides=[[n for n, s in self.side.items() if s == k] for k in (0, 1)])
        self.after(self.rng.expovariate(1 / self.faults.outage), self._heal)

    def _heal(self) -> None:
        self.side = {}
        self.note("heal", None)
        self.after(self.rng.expovariate(1 / self.faults.partition), self._partition)
