"""Simulated clients of the key-value store.  Each does what its workload says, one request after the other, and asks one node
after the other until it is answered.  What they saw is a history that has to be linearizable; of locks, a `Referee` sees what no
client can.

A workload is a generator: it yields requests, (op, args), and is sent their answers, or seconds to wait, of the client's clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from impl.runtime.kv import Command
from impl.runtime.locks import Doing, Lease, acquire, fence, release, renew

if TYPE_CHECKING:
    from impl.runtime.simulate import Simulation

PATIENCE, THINKING, KEYS = 0.3, 0.05, ("a", "b", "c")
LEASE = 0.6  # seconds of a lease in the workload of locks


@dataclass
class Operation:
    """One operation as its client saw it; `returned` None: never answered."""

    client: str
    op: str
    args: tuple[Any, ...]
    invoked: float
    returned: float | None = None
    result: Any = None


class Client:
    """One client.  `rate`: how fast its clock is."""

    def __init__(self, name: str, simulation: Simulation, rng: random.Random, workload: Callable[[Client], Doing]) -> None:
        self.name, self.simulation, self.rng, self.workload = name, simulation, rng, workload
        self.rate = 1 + rng.uniform(-simulation.faults.drift, simulation.faults.drift)
        self.number = 0
        self.current: Operation | None = None
        self.leader: str | None = None  # who answered last, and is asked first
        self.history: list[Operation] = []
        self.lease: Lease | None = None
        self.doing: Doing = iter(())  # type: ignore[assignment]

    def clock(self) -> float:
        """The time, as this client knows it."""
        return self.simulation.now * self.rate

    def begin(self) -> None:
        self.doing = self.workload(self)
        self._go(None)

    def _go(self, answer: Any) -> None:
        """The next thing to do, with the answer to the last."""
        try:
            step = self.doing.send(answer)
        except StopIteration:
            return
        if isinstance(step, tuple):
            self.invoke(*step)
        else:
            self.simulation.after(step / self.rate, self._go, None)

    # ── one request ──

    def invoke(self, op: str, args: tuple[Any, ...]) -> None:
        """Begins an operation."""
        self.number += 1
        self.current = Operation(self.name, op, args, self.simulation.now)
        self.history.append(self.current)
        self.simulation.note("invoke", self.name, number=self.number, op=op, args=args)
        self._try(self.number)

    def command(self) -> Command:
        """The request as it is sent, again and again: with the same number."""
        assert self.current
        return Command(self.name, self.number, self.current.op, self.current.args)

    def _try(self, number: int) -> None:
        """Sends the request, again if it takes too long."""
        s = self.simulation
        if self.current is None or self.number != number:
            return
        command = self.command()
        for target in self._targets():
            if s.rng.random() >= s.faults.loss:
                s.after(s.delay(), s.request, s.nodes[target], command, lambda result, t=target: self._reply(number, result, t))
        s.after(PATIENCE * self.rng.uniform(0.2, 1.0), self._try, number)

    def _targets(self) -> list[str]:
        """Whom to ask now: one node; or one that executes commands, and one that takes them."""
        plan = self.simulation.plan
        service = plan.protocol.service
        assert service
        kinds = [service.executes] if service.replica is None else [service.executes, service.takes]
        able = [[a.name for a in plan.addresses.values() if can(plan.process(a))] for can in kinds]
        found = [self.rng.choice(names) for names in able]
        if self.leader:
            found[0], self.leader = self.leader, None
        return found

    def _reply(self, number: int, result: Any, node: str) -> None:
        s = self.simulation
        if s.rng.random() >= s.faults.loss:
            s.after(s.delay(), self._answered, number, result, node)

    def _answered(self, number: int, result: Any, node: str) -> None:
        o = self.current
        if o is None or number != self.number:
            return
        self.leader = node
        o.returned, o.result, self.current = self.simulation.now, result, None
        self.simulation.note("return", self.name, number=number, result=result)
        self._go(result)


# ── workloads ────────────────────────────────────────────────────────────────────────────────────────────────────────


def store(client: Client) -> Doing:
    """Reads, writes, compares and transactions on a few keys; a value is written once only."""
    rng, seen = client.rng, dict[str, Any]()
    while True:
        key, other = rng.sample(KEYS, 2)
        new = f"{client.name}.{client.number + 1}"
        kind = rng.choice(("get", "put", "cas", "all", "both"))
        if kind == "get":
            seen[key] = yield "get", (key,)
        elif kind == "put":
            yield "put", (key, new)
            seen[key] = new
        elif kind == "cas":
            if (yield "cas", (key, seen.get(key), new)):
                seen[key] = new
        elif kind == "all":
            seen.update(zip(KEYS, (yield "txn", ([], [["get", k] for k in KEYS])), strict=True))
        elif (yield "txn", ([[key, seen.get(key)]], [["put", key, new], ["put", other, new]])):
            seen[key] = seen[other] = new
        yield rng.expovariate(1 / THINKING)


def lock(client: Client) -> Doing:
    """Counts, under a lock.  Now and then a client stops for longer than its lease, and goes on as if nothing had happened."""
    rng, referee = client.rng, client.simulation.referee
    while True:
        client.lease = yield from acquire("l", client.name, LEASE, client.clock)
        referee.granted(client)
        count = (yield "get", ("count",)) or 0
        if rng.random() < 0.3:
            yield LEASE * rng.uniform(0.2, 3.0)
        elif rng.random() < 0.3:
            client.lease = (yield from renew(client.lease, client.clock)) or client.lease
        token = client.lease.token
        if (yield "txn", ([fence("l", token)], [["put", "count", count + 1]])):
            referee.counted(client, count + 1)
        client.lease = None
        yield from release("l", token)
        yield rng.expovariate(1 / THINKING)


WORKLOADS: dict[str, Callable[[Client], Doing]] = {"store": store, "lock": lock}


@dataclass
class Referee:
    """Sees all clients at once.  `complain(property, text)` is told what cannot be."""

    clients: list[Client]
    complain: Callable[[str, str], None]
    tokens: set[int] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)

    def granted(self, client: Client) -> None:
        """A client believes to hold the lock: nobody else may, and its token is new."""
        assert client.lease
        if client.lease.token in self.tokens:
            self.complain("FencingToken", f"the token {client.lease.token} is given twice")
        self.tokens.add(client.lease.token)
        for other in self._holders() if client.lease.valid(client.clock()) else ():
            if other is not client:
                self.complain("MutualExclusion", f"{other.name} and {client.name} hold the lock")

    def counted(self, client: Client, count: int) -> None:
        """A client has counted on: nobody else has come as far."""
        if count in self.counts:
            self.complain("NothingLost", f"{client.name} has counted to {count}, and so has another")
        self.counts.add(count)

    def _holders(self) -> Iterator[Client]:
        return (c for c in self.clients if c.lease and c.lease.valid(c.clock()))
