"""The global state of a run, beside it: every step of a node is also taken by the spec as a whole.

So the ghosts have their values, the spec's own step properties are checked at every step, and a node that does not do what the
spec does is found out.
"""

from __future__ import annotations

from checker.conformance.follow import Finding, Follower, NotEnabled
from checker.core.meaning import Fault
from checker.core.types import Value
from impl.runtime.core import Ready
from impl.runtime.plan import Plan


class Divergence(Exception):
    """A node did what the spec does not do: a bug of the runtime."""


class Shadow(Follower):
    """The spec as a whole, following a run step by step."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.nodes.instance, len(plan.addresses))
        self.plan = plan
        self.steps = {id(s.action): s for s in self.compiled.steps}

    def step(self, ready: Ready) -> Finding | None:
        """Takes the step that a node took; what is wrong after it.  Raises Divergence."""
        action, me = ready.action.action, self.plan.addresses[ready.node].identity
        if action.kind == "start":
            return self.start(ready.node, me, ready.state)
        step, choices, before = self.steps[id(action)], iter(ready.choices), self.state
        received = self.plan.whole(ready.received) if ready.received else None
        try:
            sent = self.take(step, me, ready.params, received, lambda site: next(choices)[1])
        except Fault as fault:
            return Finding("fault", action.name, fault.text)
        except NotEnabled:
            raise Divergence(f"{ready.node}: {action.name} is not enabled in the spec") from None
        self._compare(ready, me)
        return self.wrong(before, step, sent, received)

    def _compare(self, ready: Ready, me: Value) -> None:
        own = self.own(self.plan.addresses[ready.node].process, me)
        for v, x in ready.changed.items():
            if own[v] != x:
                raise Divergence(f"{ready.node}: {ready.name}: `{v}` is {x} here and {own[v]} in the spec")


__all__ = ["Divergence", "Finding", "Shadow"]
