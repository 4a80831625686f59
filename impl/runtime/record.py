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
from functools import lru_cache
from typing import Any

import msgspec

from checker.conformance.clauses import common
from checker.core.ir import base_name
from checker.core.types import Bool, Enum, Int, MapOf, Option, Record, Seq, Sort, Type, Value
from checker.trace import Itf, Plain
from impl.runtime.core import Envelope, Ready
from impl.runtime.plan import Plan

ENCODER = msgspec.json.Encoder()
Writer = Callable[[Any], Any] | None


class Recorder:
    """Writes the lines of a run to `write`.  `whole`: every variable of the node after each step, not only what changed."""

    def __init__(self, plan: Plan, write: Callable[[bytes], Any], whole: bool = False) -> None:
        self.plan, self.write, self.whole = plan, write, whole
        self.plain = Plain(plan.nodes.instance)
        self.writers: dict[Any, Writer] = {}
        self.messages = {m.name: self._fields(m.payload) for m in plan.nodes.instance.messages.values()}
        self.n, self.at = 0, 0.0
        own = plan.nodes.instance.vars.items()
        self.types = {n: v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type for n, v in own}
        self.told: dict[str, dict[str, Any]] = {}  # those of each node as they were last

    def begin(self, at: float) -> None:
        """The line about the run."""
        i = self.plan.nodes.instance
        sizes = {n: str(v) if type(v) is int and v.bit_length() > 63 else v for n, v in i.sizes.items()}
        nodes = {a.name: [a.process, self.plain.value(a.identity)] for a in self.plan.addresses.values()}
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
            params={n: self.value(v, t) for (n, t), v in zip(a.params, r.params, strict=True)} if r.params else {},
            choices=[[base_name(n), self.plain.value(v)] for n, v in r.choices],
            received=self.message(r.received, "from", r.received.source) if r.received else None,
            sent=[self.message(e, "to", e.target) for e in r.send],
            persisted=sorted(r.persist),
            clock=dict(sorted(r.clock.items())),
            state={v: self.variable(r.node, v, x) for v, x in sorted(state.items())},
        )

    def message(self, e: Envelope, word: str, who: str) -> dict[str, Any]:
        """A message as one object: where it comes from or goes to, its kind, and its fields."""
        own = {n: write(v) if write else v for (n, write), v in zip(self.messages[e.message], e.fields, strict=True)}
        return {"id": e.id, word: who, "message": e.message, **own}

    def variable(self, node: str, name: str, v: Any) -> Any:
        """The value of a variable: of a sequence that was told before what is new."""
        t = self.types[name]
        if not isinstance(t, Seq):
            return self.value(v, t)
        old = self.told[node].get(name, ())
        self.told[node][name] = v
        keep = common(old, v)
        return {"keep": keep, "add": self.value(v[keep:], t)} if 2 * keep > len(v) else self.value(v, t)

    def value(self, v: Value, t: Type) -> Any:
        write = self._writer(t)
        return write(v) if write else v

    # values of a type, by a function that is made once; None: as they are

    def _writer(self, t: Type) -> Writer:
        if t not in self.writers:
            self.writers[t] = self._made(t)
        return self.writers[t]

    def _made(self, t: Type) -> Writer:
        plain = self.plain
        match t:
            case Bool() | Enum() | Int():
                return None
            case Sort():
                return lru_cache(1000)(plain.display.identity)
            case Option(e):
                inner = self._writer(e)
                return (lambda v: None if v is None else inner(v)) if inner else None
            case Seq(e, _):
                item = self._writer(e)
                return (lambda v: [item(x) for x in v]) if item else list
            case MapOf(_, e):
                key, at = lru_cache(1000)(plain.display.value), self._writer(e)
                return lambda v: {key(k): at(x) if at else x for k, x in v.items()}
            case Record():
                fields = self._fields(t)
                return lambda v: {n: write(x) if write else x for (n, write), x in zip(fields, v.values, strict=True)}
        return plain.value

    def _fields(self, t: Record) -> list[tuple[str, Writer]]:
        return [(n, self._writer(f)) for n, f in t.fields]


class States:
    """The states of the whole along a run, as ITF: what the spec that follows it has after each step, without the network."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.itf = plan, Itf(plan.nodes.instance)
        self.types = {n: v.type for n, v in plan.nodes.instance.vars.items() if not v.hidden}
        self.states: list[dict[str, Any]] = []

    def step(self, r: Ready, state: dict[str, Value]) -> None:
        """A node has taken a step.  Those with which nodes start all lead to the initial state."""
        starts = r.action.action.kind == "start"
        if starts and len(self.states) > 1:
            return
        n = 0 if starts else len(self.states)
        meta = {"index": n, **({} if starts else {"action": r.name, "label": f"{r.node}: {r.name}"})}
        self.states[n:] = [{"#meta": meta, **{v: self.itf.encode(t, state[v]) for v, t in self.types.items()}}]

    def data(self) -> dict[str, Any]:
        model = self.plan.nodes.instance.model
        meta = {"format": "ITF", "source": model.source.name, "spec": model.name, "instance": self.plan.nodes.instance.name}
        return {"#meta": meta, "params": [], "vars": list(self.types), "states": self.states}
