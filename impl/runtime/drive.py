"""Drives the nodes of a cluster through a behaviour of their spec, step by step: exactly this action with these parameters,
exactly that message, a crash here.  After each step all variables of all nodes and the messages that were sent are compared
with the spec's.

The nodes are the same `Core`s that the simulator and the hosts drive; a node that crashes comes back with what its steps said
has to be persisted, and nothing else.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from checker.conformance.drive import Behaviour, Move
from checker.core.bind import Instance, bind
from checker.core.ir import base_name
from checker.core.meaning import State, World, in_network
from checker.core.model import Model
from checker.core.types import Bag, Map, Rec, Value
from checker.engines.python.node import LocalAction
from impl.runtime.core import Core, Envelope, Ready
from impl.runtime.plan import Address, Plan, plan_for
from impl.runtime.protocol import Protocol


class Differs(Exception):
    """A node does not do what the spec does."""


def paired(model: Model, name: str | None = None, sizes: dict[str, Any] | None = None) -> tuple[Instance, Plan]:
    """An instance as a whole, and the same as a cluster."""
    instance = bind(model, name, sizes)
    return instance, plan_for(model, Protocol(), instance.name, dict(instance.sizes))


class Driver:
    """The nodes of a small cluster, in the hands of a behaviour."""

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self.instance, self.plan = instance, plan
        self.cores: dict[str, Core] = {}
        self.disks: dict[str, State] = {}
        self.under_way: list[Envelope] = []
        self.boots = 0

    def run(self, b: Behaviour) -> int:
        """Takes every step of a behaviour; how many.  Raises Differs."""
        for a in self.plan.addresses.values():
            self._boot(a, None, b.initial)
        self._compare(b.initial, "initially")
        before = b.initial
        for n, move in enumerate(b.moves, 1):
            where = f"step {n}, {move.action.name} of {move.action.process} {move.me if move.me is not None else ''}".strip()
            self._move(move, before, where)
            self._compare(move.state, where)
            before = move.state
        return len(b.moves)

    # ── one step ──

    def _move(self, move: Move, before: State, where: str) -> None:
        match move.action.kind:
            case "action" | "handler":
                self._step(move, where)
            case "crash":
                address = self._address(move)
                process = self.plan.process(address)
                volatile = [v for v in process.vars if v not in process.durable]
                self._boot(address, {**dict.fromkeys(volatile), **self.disks[address.name]}, move.state)
            case "loss" | "duplication":
                self._lose(before, move.state)

    def _address(self, move: Move) -> Address:
        return self.plan.by_identity[str(move.action.process), move.me]

    def _boot(self, address: Address, stored: State | None, wanted: State) -> None:
        """Starts a node; where several initial values are possible, as the spec did."""
        self.boots += 1
        own = self._own(address, wanted)
        core = Core(self.plan, address, random.Random(0))
        core.boots = self.boots
        action = core.process.start if stored is None else core.process.restart
        ready = core.exactly(action, stored, (), None, lambda way: way.state == own)
        if ready is None:
            raise Differs(f"{address.name} does not start with {own}")
        self.cores[address.name] = core
        self._out(ready)

    def _step(self, move: Move, where: str) -> None:
        """One action or handler."""
        core, e = self.cores[self._address(move).name], None
        if move.received is not None:
            e = self._envelope(move.received, core.address, where)
        params = [x for n, x in move.choices if n != "self"][: len([n for n, _ in move.action.params if n != "self"])]
        chosen = tuple((base_name(n), x) for n, x in move.choices[len(move.action.params) :])
        for action in self._actions(core, move):
            ready = core.exactly(action, core.state, tuple(params), e, lambda way: way.choices == chosen)
            if ready is not None:
                self._sent(ready, move, where)
                return
        raise Differs(f"{where}: it is not enabled")

    def _actions(self, core: Core, move: Move) -> Iterator[LocalAction]:
        receive = move.action.receive
        found = core.process.handlers.get(receive.message, ()) if receive else core.process.spontaneous.values()
        return (a for a in found if a.action.name == move.action.name)

    # ── messages ──

    def _envelope(self, m: Rec, to: Address, where: str) -> Envelope:
        """The message on its way that the spec delivers."""
        for e in self.under_way:
            if e.target == to.name and self._whole(e) == m:
                if self.plan.network != "set":
                    self.under_way.remove(e)
                return e
        raise Differs(f"{where}: nobody has sent {m} to {to.name}")

    def _whole(self, e: Envelope) -> Rec:
        """The message of an envelope as the instance has it."""
        m = self.instance.messages[e.message]
        receiver, sender = self.plan.addresses[e.target].party, self.plan.addresses[e.source].party
        return Rec(e.message, (*e.fields, *([receiver] if m.to else []), *([sender] if m.sender else [])))

    def _out(self, ready: Ready) -> None:
        """A step is persisted and its messages leave."""
        self.disks[ready.node] = {**self.disks.get(ready.node, {}), **ready.persist}
        self.under_way += ready.send

    def _sent(self, ready: Ready, move: Move, where: str) -> None:
        have = Counter((e.target, e.message, e.fields) for e in ready.send)
        want = Counter(x for m in move.sent for x in self._copies(m))
        if have != want:
            raise Differs(f"{where}: it sends {dict(have)}, and {dict(want)} in the spec")
        self._out(ready)

    def _copies(self, m: Rec) -> Iterator[tuple[str, str, tuple[Value, ...]]]:
        decl = self.instance.messages[m.name]
        n = len(decl.payload.fields)
        for a in self.plan.receivers(m.name, m.values[n] if decl.to else None):
            yield a.name, m.name, m.values[:n]

    def _lose(self, before: State, after: State) -> None:
        """The spec loses messages, or doubles them."""
        old, new = self._traffic(before), self._traffic(after)
        for m in (old - new).elements():
            self.under_way.remove(next(e for e in self.under_way if self._whole(e) == m))
        for m in (new - old).elements():
            self.under_way.append(next(e for e in self.under_way if self._whole(e) == m))

    def _traffic(self, state: State) -> Counter[Rec]:
        """The messages on their way in a state of the whole."""
        found: Counter[Rec] = Counter()
        for name, m in self.instance.messages.items():
            content = state[m.var]
            for x in in_network(World(self.instance, state), name):
                found[x] += content[x] if isinstance(content, Bag) else 1
        return found

    # ── comparing ──

    def _own(self, a: Address, state: State) -> State:
        """The variables of a node in a state of the whole."""
        out = {}
        for v in self.plan.process(a).vars:
            whole = state[v]
            out[v] = whole[a.identity] if isinstance(whole, Map) and self.instance.vars[v].keyed else whole
        return out

    def _compare(self, state: State, where: str) -> None:
        for name, core in self.cores.items():
            for v, want in self._own(core.address, state).items():
                if core.state[v] != want:
                    raise Differs(f"{where}: `{v}` of {name} is {core.state[v]}, and {want} in the spec")


__all__ = ["Differs", "Driver", "paired"]
