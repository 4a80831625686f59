"""Who is there: the processes of a spec for so many nodes, each with an address, and who receives what.

An address is a name ("Acceptor1", "Proposer-0", "TM"), the same in traces, files and messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from checker.core.bind import _uses
from checker.core.local import bind_local
from checker.core.meaning import render
from checker.core.model import Model
from checker.core.types import Id, Int, Rec, Sort, Value
from checker.engines.python.node import Nodes, Process
from checker.settings import Mistake
from impl.runtime.protocol import Protocol, protocol_of

if TYPE_CHECKING:
    from impl.runtime.core import Envelope


@dataclass(frozen=True)
class Address:
    """One process of the cluster."""

    name: str
    process: str
    identity: Value

    @property
    def party(self) -> Value:
        """How messages name it, as their receiver or sender."""
        return self.process if self.identity is None else self.identity


@dataclass(frozen=True)
class Plan:
    """A cluster: its nodes, compiled, and their addresses."""

    nodes: Nodes
    protocol: Protocol
    addresses: dict[str, Address]
    by_identity: dict[tuple[str, Value], Address] = field(repr=False)
    _receivers: dict[tuple[str, Value], list[Address]] = field(default_factory=dict, repr=False, compare=False)

    def process(self, address: Address) -> Process:
        return self.nodes.processes[address.process]

    def kin(self, address: Address) -> list[Address]:
        """The other nodes of its kind, and of those that count as such."""
        kinds = {address.process, *(self.protocol.together if address.process in self.protocol.together else ())}
        return [a for a in self.addresses.values() if a.process in kinds and a is not address]

    @property
    def network(self) -> str:
        return self.nodes.instance.network

    def receivers(self, message: str, to: Value) -> list[Address]:
        """Who receives a message, in order."""
        if (message, to) not in self._receivers:
            declared = self.nodes.instance.messages[message]
            self._receivers[message, to] = [self.by_identity[who] for who in self.nodes.receivers(declared, to)]
        return self._receivers[message, to]

    def whole(self, e: Envelope) -> Rec:
        """The message of an envelope as the spec as a whole has it."""
        m = self.nodes.instance.messages[e.message]
        receiver, sender = self.addresses[e.target].party, self.addresses[e.source].party
        return Rec(e.message, (*e.fields, *([receiver] if m.to else []), *([sender] if m.sender else [])))

    def at_end(self, process: str, action: str, state: Mapping[str, Value]) -> str | None:
        """Which variable that a spontaneous action writes has come to the end of its range, where a size sets that; None if
        none has."""
        p, declared = self.nodes.processes[process], self.nodes.instance.model.vars
        for v in sorted(p.spontaneous[action].writes & p.vars.keys()):
            t, written = p.vars[v], declared[v].cell
            if isinstance(t, Int) and isinstance(written, Int) and state[v] == t.hi:
                sizes = sorted(_uses(written.hi) & self.nodes.instance.sizes.keys())
                if sizes:
                    return f"{v} is at its end, {t.hi}; more by {' or '.join(f'-D {n}=...' for n in sizes)}"
        return None


def sizes_for(model: Model, nodes: int | None, protocol: Protocol) -> dict[str, Any]:
    """Sizes of sorts and parameters by which every kind of process with identities has so many."""
    known = {n: v for n, v in protocol.sizes.items() if n in model.params or n in model.sorts}
    if nodes is None:
        return known
    for p in model.processes.values():
        if isinstance(p.ident, Sort):
            known[p.ident.name] = nodes
        elif isinstance(p.ident, Int):
            used = sorted(_uses(p.ident.hi) & model.params.keys())
            if len(used) == 1:
                known[used[0]] = nodes
    return known


def make_plan(model: Model, instance: str | None, nodes: int | None, overrides: dict[str, Any] | None = None) -> Plan:
    """The cluster of so many nodes (default: as the instance says).  Raises NotRunnable, BindError, Mistake."""
    protocol = protocol_of(model.name)
    plan = plan_for(model, protocol, instance, {**sizes_for(model, nodes, protocol), **(overrides or {})})
    for p in plan.nodes.processes.values():
        if nodes is not None and p.identities != (None,) and len(p.identities) != nodes:
            what = f"{p.name} has {len(p.identities)} identities in every such cluster"
            raise Mistake(f"--nodes {nodes}: {what}", "set the sizes with -D NAME=VALUE instead")
    return plan


def plan_for(model: Model, protocol: Protocol, instance: str | None, sizes: dict[str, Any]) -> Plan:
    """The cluster of these sizes.  Raises NotRunnable, BindError."""
    compiled = Nodes(bind_local(model, instance, sizes))
    found = [Address(_name(p.name, i), p.name, i) for p in compiled.processes.values() for i in p.identities]
    return Plan(compiled, protocol, {a.name: a for a in found}, {(a.process, a.identity): a for a in found})


def _name(process: str, identity: Value) -> str:
    if identity is None:
        return process
    if isinstance(identity, Id):
        return f"{process}{identity.index + 1}"
    return f"{process}-{render(identity)}"


__all__ = ["Address", "Plan", "make_plan", "plan_for"]
