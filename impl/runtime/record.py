"""What a run did, one JSON object a line (NDJSON), in the order in which it was done.

    {"n": 1, "at": 0.0, "event": "run", "spec": "paxos", "instance": "small", "sizes": {"Acceptor": 3, ...}, "names": {},
     "network": "set", "nodes": {"Acceptor1": ["Acceptor", "Acceptor1"], "Proposer-0": ["Proposer", 0], ...}}
    {"n": 7, "at": 0.041213, "node": "Acceptor1", "event": "step", "action": "on Prepare", "params": {}, "choices": [],
     "received": {"id": "Proposer-0.1.1", "from": "Proposer-0", "message": "Prepare", "bal": 0},
     "sent": [{"id": "Acceptor1.1.1", "to": "Proposer-0", "message": "Promise", "acc": "Acceptor1", ...}],
     "persisted": ["promised"], "clock": {"Acceptor1": 2, "Proposer-0": 2}, "state": {"promised": 0}}

The first line says of which run it is: what `checker/conformance/record.py` has to know to hold the record against the spec.
Numbers of more than 63 bits are texts there.  `choices` are [name, value], in order.
`event` is "step" (also "start" and "restart"), "crash", "lost", "duplicated", "partition" or "heal".  `at` is in seconds
of the run's clock; `clock` the vector clock after the step; `state` what changed, or everything.
Values are plain JSON: identities by their names, sets as sorted lists, maps as objects.  Of a sequence that a node has told
before, `{"keep": n, "add": [...]}` are its first n items and some more: a line costs what happened, not what there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from checker.core.ir import base_name
from checker.core.types import MapOf, Seq, Value
from checker.trace import Plain
from impl.runtime.core import Envelope, Ready
from impl.runtime.plan import Plan

ENCODER = msgspec.json.Encoder()


class Recorder:
    """Writes the lines of a run to `write`.  `whole`: every variable of the node after each step, not only what changed."""

    def __init__(self, plan: Plan, write: Callable[[bytes], Any], whole: bool = False) -> None:
        self.plan, self.write, self.whole = plan, write, whole
        self.plain = Plain(plan.nodes.instance)
        self.n, self.at = 0, 0.0
        own = plan.nodes.instance.vars.items()
        types = {n: v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type for n, v in own}
        self.sequences = {n for n, t in types.items() if isinstance(t, Seq)}
        self.told: dict[str, dict[str, Any]] = {}  # those of each node as they were last

    def begin(self, at: float) -> None:
        """The line about the run."""
        i = self.plan.nodes.instance
        sizes = {n: str(v) if type(v) is int and v.bit_length() > 63 else v for n, v in i.sizes.items()}
        nodes = {a.name: [a.process, self.value(a.identity)] for a in self.plan.addresses.values()}
        about = {"spec": i.model.name, "instance": i.name, "sizes": sizes, "names": i.names, "network": i.network, "nodes": nodes}
        self.line(at, None, "run", **about)

    def line(self, at: float, node: str | None, event: str, **more: Any) -> None:
        self.n += 1
        self.at = max(self.at, round(at, 6))  # clocks of machines are set back now and then
        data = {"n": self.n, "at": self.at, "node": node, "event": event, **more}
        self.write(ENCODER.encode({k: v for k, v in data.items() if v is not None}) + b"\n")

    def step(self, at: float, r: Ready) -> None:
        """One atomic step of a node."""
        a = r.action
        state = r.state if self.whole else r.changed
        kind = a.action.kind if a.action.kind in ("start", "restart") else "step"
        if kind != "step" or self.whole:
            self.told[r.node] = {}
        self.line(
            at,
            r.node,
            kind,
            action=a.action.name,
            params={n: self.value(v) for (n, _), v in zip(a.params, r.params, strict=True)},
            choices=[[base_name(n), self.value(v)] for n, v in r.choices],
            received=self.message(r.received, "from", r.received.source) if r.received else None,
            sent=[self.message(e, "to", e.target) for e in r.send],
            persisted=sorted(r.persist),
            clock=dict(sorted(r.clock.items())),
            state={v: self.variable(r.node, v, x) for v, x in sorted(state.items())},
        )

    def message(self, e: Envelope, word: str, who: str) -> dict[str, Any]:
        """A message as one object: where it comes from or goes to, its kind, and its fields."""
        fields = self.plan.nodes.instance.messages[e.message].payload.fields
        own = {n: self.value(v) for (n, _), v in zip(fields, e.fields, strict=True)}
        return {"id": e.id, word: who, "message": e.message, **own}

    def variable(self, node: str, name: str, v: Any) -> Any:
        """The value of a variable: of a sequence that was told before what is new."""
        if name not in self.sequences:
            return self.value(v)
        old = self.told[node].get(name, ())
        self.told[node][name] = v
        keep = common(old, v)
        return {"keep": keep, "add": [self.value(x) for x in v[keep:]]} if 2 * keep > len(v) else self.value(v)

    def value(self, v: Value) -> Any:
        return self.plain.value(v)


def common(a: tuple[Value, ...], b: tuple[Value, ...]) -> int:
    """How many items at their start two sequences have in common."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while low + 1 < high:  # so many are equal; so many are not
        middle = (low + high) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle)
    return low
