"""The global state of a run, beside it: every step of a node is also taken by the spec as a whole.

So the ghosts have their values, the spec's own step properties are checked at every step, and a node that does not do what the
spec does is found out.
"""

from __future__ import annotations

from checker.conformance.follow import Finding, Follower, NotEnabled
from checker.core.meaning import Fault
from checker.core.types import Rec, Value
from checker.display import Display
from impl.runtime.core import Ready
from impl.runtime.plan import Plan


class Divergence(Exception):
    """A node did what the spec does not do: a bug of the runtime."""


class Shadow(Follower):
    """The spec as a whole, following a run step by step."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.nodes.instance, len(plan.addresses))
        self.plan, self.display = plan, Display(plan.nodes.instance)
        self.steps = {id(s.action): s for s in self.compiled.steps}
        self.logged = set(self.instance.messages)

    def step(self, ready: Ready) -> Finding | None:
        """Takes the step that a node took; what is wrong after it.  Raises Divergence."""
        action, me = ready.action.action, self.plan.addresses[ready.node].identity
        if action.kind == "start":
            return self.start(ready.node, me, ready.state)
        step, choices, before = self.steps[id(action)], iter(ready.choices), self.state
        received = self.plan.whole(ready.received) if ready.received else None
        if received is not None and received not in self.log.all:
            what = self.display.message(received, ends=False)
            raise Divergence(f"{ready.node}: {action.name}: nobody has sent {what} to it, or it was received before")
        try:
            sent = self.take(step, me, ready.params, received, lambda site: next(choices)[1])
        except Fault as fault:
            return Finding("fault", action.name, fault.text)
        except NotEnabled:
            raise Divergence(f"{ready.node}: {action.name} is not enabled in the spec") from None
        self._compare(ready, me, sent)
        return self.wrong(before, step, sent, received)

    def _compare(self, ready: Ready, me: Value, sent: list[Rec]) -> None:
        address = self.plan.addresses[ready.node]
        own, types = self.own(address.process, me), self.plan.process(address).vars
        for v, x in ready.changed.items():
            if own[v] != x:
                here, there = (self.display.value(y, types[v]) for y in (x, own[v]))
                raise Divergence(f"{ready.node}: {ready.name}: `{v}` is {here} here and {there} in the spec")
        if {self.plan.whole(e) for e in ready.send} != {m for m in sent if self._heard(m)}:
            raise Divergence(f"{ready.node}: {ready.name}: it sends other messages than in the spec")

    def _heard(self, m: Rec) -> bool:
        """Does anybody receive a message?"""
        decl = self.instance.messages[m.name]
        return bool(self.plan.receivers(m.name, m.values[len(decl.payload.fields)] if decl.to else None))


__all__ = ["Divergence", "Finding", "Shadow"]
