"""Simulated clients of the key-value store: each does one thing after the other, and asks one node after the other until it is
answered.  What they saw is the history that has to be linearizable.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from impl.runtime.kv import Command

if TYPE_CHECKING:
    from impl.runtime.simulate import Simulation

PATIENCE, THINKING, KEYS = 0.3, 0.05, ("a", "b", "c")


@dataclass
class Operation:
    """One operation as its client saw it; `returned` None: never answered."""

    client: str
    op: str
    args: tuple[Any, ...]
    invoked: float
    returned: float | None = None
    result: Any = None


@dataclass
class Client:
    """One client."""

    name: str
    simulation: Simulation
    rng: random.Random
    number: int = 0
    current: Operation | None = None
    leader: str | None = None  # who answered last, and is asked first
    history: list[Operation] = field(default_factory=list)

    def invoke(self) -> None:
        """Begins the next operation."""
        self.number += 1
        key, n = self.rng.choice(KEYS), self.number
        op, args = self.rng.choice(
            [("get", (key,)), ("put", (key, f"{self.name}.{n}")), ("cas", (key, self._seen(key), f"{self.name}.{n}"))]
        )
        self.current = Operation(self.name, op, args, self.simulation.now)
        self.history.append(self.current)
        self.simulation.note("invoke", self.name, number=n, op=op, args=args)
        self._try(n)

    def _seen(self, key: str) -> Any:
        """What was in a key the last time that this client looked or wrote."""
        found = [o for o in self.history if o.args[0] == key and o.returned is not None]
        return next((o.result if o.op == "get" else o.args[-1] for o in reversed(found) if o.result is not False), None)

    def _try(self, number: int) -> None:
        """Sends the request, again if it takes too long."""
        s = self.simulation
        if self.current is None or self.number != number:
            return
        command = Command(self.name, number, self.current.op, self.current.args)
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
        self.simulation.after(self.rng.expovariate(1 / THINKING), self.invoke)
