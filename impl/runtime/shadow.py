"""The global state of a run, beside it: every step of a node is also taken by the spec as a whole.

So the ghosts have their values, the spec's own step properties are checked at every step, and a node that does not do what the
spec does is found out.  An invariant is checked after every step that touches it, in long runs ever more rarely (logs grow, and
with them what an invariant costs), and at the end.  Messages are a log: of a set network all that were sent,
else those in flight.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from checker.core.bind import Transition
from checker.core.meaning import Fault, initial_states
from checker.core.types import Map, Rec, Value
from checker.engines.python.compiled import Compiled, Predicate
from impl.runtime.core import Ready
from impl.runtime.plan import Plan

EVERY = 200  # so many steps are looked at one by one; of the next so many every second, of those after them every third, …


class Log:
    """The messages that are or were sent, found by any of their fields: `values in log.seen(name, positions)`."""

    def __init__(self) -> None:
        self.all: Counter[Rec] = Counter()
        self.found: dict[tuple[str, tuple[int, ...]], Counter[Any]] = {}
        self.values: dict[tuple[tuple[str, int], ...], set[Value]] = {}  # of the messages there are now

    def seen(self, name: str, at: tuple[int, ...]) -> Counter[Any]:
        """How often each combination of the values at these positions occurs; what does not occur is not in it."""
        if (name, at) not in self.found:
            self.found[name, at] = Counter()
            for m, n in self.all.items():
                if m.name == name:
                    self._count(self.found[name, at], at, m, n)
        return self.found[name, at]

    def having(self, fields: tuple[tuple[str, int], ...]) -> set[Value]:
        """The values of these fields of messages, each given by its message and position."""
        if fields not in self.values:
            self.values[fields] = {x for name, i in fields for (x,) in self.seen(name, (i,))}
        return self.values[fields]

    def add(self, m: Rec, n: int = 1) -> None:
        self.values.clear()
        self._count(self.all, None, m, n)
        for (name, at), counts in self.found.items():
            if name == m.name:
                self._count(counts, at, m, n)

    def _count(self, counts: Counter[Any], at: tuple[int, ...] | None, m: Rec, n: int) -> None:
        key = m if at is None else tuple(m.values[i] for i in at)
        counts[key] += n
        if counts[key] <= 0:
            del counts[key]


class Divergence(Exception):
    """A node did what the spec does not do: a bug of the runtime."""


@dataclass(frozen=True)
class Finding:
    """A property that a run violates.  kind: "invariant" | "step" | "fault"."""

    kind: str
    name: str
    text: str = ""


class Shadow:
    """The spec as a whole, following a run step by step."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.instance = plan, plan.nodes.instance
        self.compiled = Compiled(self.instance, log=True)
        self.state = next(initial_states(self.instance))
        self.log = Log()
        self.steps = {id(s.action): s for s in self.compiled.steps}
        self.open = [p for p in self.compiled.predicates if p.property.kind == "reachable"]
        self.invariants = [p for p in self.compiled.predicates if p.property.kind in ("invariant", "lemma")]
        self.touched: Counter[str] = Counter()  # after so many steps each invariant might have been otherwise
        self.started: set[str] = set()
        self.witnesses: dict[str, int] = {}
        self.taken = 0

    def step(self, ready: Ready) -> Finding | None:
        """Takes the step that a node took; what is wrong after it.  Raises Divergence."""
        action = ready.action.action
        before = self.state
        if action.kind == "start":
            self._place(ready)
            written = set(ready.state)
        else:
            try:
                written = self._run(action, ready)
            except Fault as fault:
                return Finding("fault", action.name, fault.text)
        self.taken += 1
        if action.kind == "start":
            self.started.add(ready.node)
            return None if len(self.started) < len(self.plan.addresses) else self._wrong(before, None)
        return self._wrong(before, written)

    def _run(self, action: Transition, ready: Ready) -> set[str]:
        step = self.steps[id(action)]
        e = ready.received
        me = self.plan.addresses[ready.node].identity
        params = (me, *ready.params) if action.params and action.params[0][0] == "self" else ready.params
        choices = iter(ready.choices)
        result = step.run(
            self.state, params, e.fields if e else (), e.sender if e else None, lambda site, every, options: next(choices)[1]
        )
        if isinstance(result, int):
            raise Divergence(f"{ready.node}: {action.name} is not enabled in the spec")
        self.state, sent = result
        if e and self.instance.network != "set":
            self.log.add(self._received(e, me), -1)
        for m in sent:
            self.log.add(m) if self.instance.network != "set" or m not in self.log.all else None
        self._compare(ready, me)
        return {*step.writes, *(m.name for m in sent), *([e.message] if e else [])}

    def _received(self, e: Any, me: Value) -> Rec:
        m = self.instance.messages[e.message]
        to = self.plan.addresses[e.target]
        receiver = to.identity if to.identity is not None else to.process
        sender = e.sender if e.sender is not None else self.plan.addresses[e.source].process
        return Rec(e.message, (*e.fields, *([receiver] if m.to else []), *([sender] if m.sender else [])))

    def _place(self, ready: Ready) -> None:
        """A node has started: its variables have these initial values."""
        me = self.plan.addresses[ready.node].identity
        for v, x in ready.state.items():
            old = self.state[v]
            self.state = {**self.state, v: old.set(me, x) if self.instance.vars[v].keyed else x}

    def _compare(self, ready: Ready, me: Value) -> None:
        for v, x in ready.changed.items():
            whole = self.state[v]
            if (whole[me] if isinstance(whole, Map) and self.instance.vars[v].keyed else whole) != x:
                raise Divergence(f"{ready.node}: {ready.name}: `{v}` is {x} here and {whole} in the spec")

    def _wrong(self, before: Any, written: set[str] | None) -> Finding | None:
        try:
            for p in self.invariants:
                if self._due(p, written) and not p.holds(self.state, self.state, self.log):
                    return Finding("invariant", p.property.name)
            if written is not None:
                for q in self.compiled.broken(before, self.state, self.log):
                    return Finding("step", q.name)
            self._witness(written)
        except Fault as fault:
            return Finding("fault", "a property", fault.text)
        return None

    def _due(self, p: Predicate, written: set[str] | None) -> bool:
        """Is it time to look at an invariant, after a step that wrote this?"""
        if written is not None and not p.depends(written) and p.asks.isdisjoint(written):
            return False
        n = self.touched[p.property.name] = self.touched[p.property.name] + 1
        return n % (1 + n // EVERY) == 0

    def end(self) -> Finding | None:
        """Looks at every invariant once more."""
        self.touched.clear()
        return self._wrong(self.state, None) if len(self.started) == len(self.plan.addresses) else None

    def _witness(self, written: set[str] | None) -> None:
        """Notes which `reachable` properties have come true."""
        for q in self.open:
            touched = written is None or q.depends(written) or not q.asks.isdisjoint(written)
            if touched and q.holds(self.state, self.state, self.log):
                self.witnesses[q.property.name] = self.taken
        self.open = [q for q in self.open if q.property.name not in self.witnesses]
