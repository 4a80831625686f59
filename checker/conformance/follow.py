"""A run of a spec without bounds, followed by the spec as a whole, step by step: `Follower`.

The messages are no variable of the state but a log, of the kinds that a property asks for: of a set network all that were sent,
else those on their way.  An invariant is looked at after every step that touches it; one that cannot be taken apart into what
is new and what is not (`clauses`) in long runs ever more rarely, as states grow, and at the end.  Whoever drives it (a
simulation, a record of a run) says which step was taken, and compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any

from checker.conformance.clauses import brief, clauses
from checker.conformance.properties import Properties
from checker.conformance.shared import root
from checker.conformance.steps import Valuations
from checker.core.bind import Instance
from checker.core.meaning import Fault, State, initial_states
from checker.core.model import Property
from checker.core.types import Map, MapOf, Rec, Seq, Value
from checker.engines.python.compiled import Compiled, Disabled, Predicate, Step, chosen
from checker.engines.python.source import TooLarge

EVERY = 200  # so many steps are looked at one by one; of the next so many every second, of those after them every third, …


class Log:
    """The messages that are or were sent, found by any of their fields: `values in log.seen(name, positions)`."""

    def __init__(self) -> None:
        self.all: Counter[Rec] = Counter()
        self.found: dict[tuple[str, tuple[int, ...]], Counter[Any]] = {}
        self.values: dict[tuple[str, int, tuple[int, ...]], dict[Any, Counter[Value]]] = {}

    def seen(self, name: str, at: tuple[int, ...]) -> Counter[Any]:
        """How often each combination of the values at these positions occurs; what does not occur is not in it."""
        if (name, at) not in self.found:
            self.found[name, at] = Counter()
            for m, n in self.all.items():
                if m.name == name:
                    self._count(self.found[name, at], at, m, n)
        return self.found[name, at]

    def having(self, name: str, i: int, at: tuple[int, ...]) -> dict[Any, Counter[Value]]:
        """The values of a field, for each combination of values at other positions."""
        if (name, i, at) not in self.values:
            found = self.values[name, i, at] = {}
            for m, n in self.all.items():
                if m.name == name:
                    self._group(found, i, at, m, n)
        return self.values[name, i, at]

    def add(self, m: Rec, n: int = 1) -> None:
        self._count(self.all, None, m, n)
        for (name, at), counts in self.found.items():
            if name == m.name:
                self._count(counts, at, m, n)
        for (name, i, at), groups in self.values.items():
            if name == m.name:
                self._group(groups, i, at, m, n)

    def copy(self) -> Log:
        """Another one with the same messages."""
        other = Log()
        other.all, other.found = self.all.copy(), {k: v.copy() for k, v in self.found.items()}
        return other

    def _group(self, groups: dict[Any, Counter[Value]], i: int, at: tuple[int, ...], m: Rec, n: int) -> None:
        found = groups.setdefault(tuple(m.values[j] for j in at), Counter())
        found[m.values[i]] += n
        if found[m.values[i]] <= 0:
            del found[m.values[i]]

    def _count(self, counts: Counter[Any], at: tuple[int, ...] | None, m: Rec, n: int) -> None:
        key = m if at is None else tuple(m.values[i] for i in at)
        counts[key] += n
        if counts[key] <= 0:
            del counts[key]


@dataclass(frozen=True)
class Finding:
    """A property that a run violates.  kind: "invariant" | "step" | "fault"."""

    kind: str
    name: str
    text: str = ""


class NotEnabled(Exception):
    """A step that the spec does not allow: `site` is the `require` or `choose` that says so."""

    def __init__(self, site: Any) -> None:
        super().__init__(site)
        self.site = site


class Follower:
    """The state of the whole, and whether its properties hold.  `processes`: so many have to start first."""

    def __init__(self, instance: Instance, processes: int) -> None:
        self.instance, self.processes = instance, processes
        self.compiled = Compiled(instance, log=True)
        self.nothing = root()
        cells = {n: v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type for n, v in instance.vars.items()}
        self.sequences = frozenset(n for n, t in cells.items() if isinstance(t, Seq))
        self.state: State = self._shared(next(initial_states(instance)), self.sequences)
        self.log = Log()
        self.logged = {name for p in self.compiled.predicates for name in p.asks}  # messages that a property asks for
        self.open = [p for p in self.compiled.predicates if p.property.kind == "reachable"]
        self.brief = _brief(instance, self.compiled)
        names = {c.property.name for c in self.brief.clauses}
        rest = [p for p in self.compiled.predicates if p.property.name not in names]
        self.invariants = [p for p in rest if p.property.kind in ("invariant", "lemma")]
        self.steps_kept = [p for p in rest if p.property.kind == "step"]
        self.touched: Counter[str] = Counter()  # after so many steps each invariant might have been otherwise
        self.started: set[Value] = set()
        self.owned: dict[str, list[tuple[str, bool]]] = {}  # process → its variables, and whether each process has its own
        self.witnesses: dict[str, int] = {}
        self.taken = 0

    def copy(self) -> Follower:
        """Another one at the same place."""
        other = copy(self)
        other.log, other.touched, other.started = self.log.copy(), self.touched.copy(), set(self.started)
        other.open, other.witnesses = list(self.open), dict(self.witnesses)
        return other

    def own(self, process: str, me: Value) -> State:
        """The variables of one process, by name."""
        state, mine = self.state, self.owned.get(process)
        if mine is None:
            of = [v for v in self.instance.vars.values() if v.process == process and not v.ghost]
            mine = self.owned[process] = [(v.name, v.keyed) for v in of]
        return {n: state[n][me] if keyed else state[n] for n, keyed in mine}

    def take(
        self, step: Step, me: Value, params: tuple[Value, ...], received: Rec | None, choose: Callable[[int], Value]
    ) -> list[Rec]:
        """Takes a step: the messages sent.  `choose(site)`: what it chose there.  Raises NotEnabled, Fault."""
        a = step.action
        given = (me, *params) if a.params and a.params[0][0] == "self" else params
        fields: tuple[Value, ...] = ()
        if received is not None and a.receive:
            fields = received.values[: len(a.receive.fields)]
        sender = received.values[-1] if received is not None and a.receive and a.receive.sender else None

        def pick(site: int, every: Iterable[Value], options: Any) -> Value:
            x = choose(site)
            if x in every:
                found = (x,) if options is None else options((x,))
                for y in found:
                    return chosen(y)
            raise Disabled(site)

        try:
            result = step.run(self.state, given, fields, sender, pick)
        except Disabled as stop:
            result = stop.site
        if isinstance(result, int):
            raise NotEnabled(self.compiled.place(result))
        state, sent = result
        self.state = self._shared(state, step.writes & self.sequences)
        if received is not None and self.instance.network != "set" and received.name in self.logged:
            self.log.add(received, -1)
        for m in sent:
            if m.name in self.logged and (self.instance.network != "set" or m not in self.log.all):
                self.log.add(m)
        return list(sent)

    def start(self, who: Value, me: Value, own: State) -> Finding | None:
        """A process has started: its variables have these initial values."""
        before = self.state
        for v, x in own.items():
            old = self.state[v]
            self.state = {**self.state, v: old.set(me, x) if isinstance(old, Map) and self.instance.vars[v].keyed else x}
        self.state = self._shared(self.state, own.keys() & self.sequences)
        return self.began(who, before)

    def _shared(self, state: State, names: Iterable[str]) -> State:
        """The same state, where these variables share their items with all that begin alike."""
        for n in names:
            x = state[n]
            if self.instance.vars[n].keyed and isinstance(x, Map):
                for k, v in x.items():
                    if type(v) is tuple:
                        state = {**state, n: (x := x.set(k, self.nothing + v))}
            elif type(x) is tuple:
                state = {**state, n: self.nothing + x}
        return state

    def began(self, who: Value, before: State) -> Finding | None:
        """A process has its initial values."""
        self.taken += 1
        self.started.add(who)
        return self._wrong(before, None) if len(self.started) == self.processes else None

    def wrong(self, before: State, step: Step, sent: Iterable[Rec], received: Rec | None) -> Finding | None:
        """What is wrong after a step."""
        self.taken += 1
        return self._wrong(before, {*step.writes, *(m.name for m in sent), *([received.name] if received else [])})

    def _wrong(self, before: State, written: set[str] | None) -> Finding | None:
        try:
            for p in self.invariants:
                if self._due(p, written) and not p.holds(self.state, self.state, self.log):
                    return Finding("invariant", p.property.name)
            for q in self.steps_kept if written is not None else ():
                if not q.holds(before, self.state, self.log):
                    return Finding("step", q.property.name)
            breach = self.brief.breach(None if written is None else before, self.state)
            if breach:
                return Finding("step" if breach.property.kind == "step" else "invariant", breach.property.name)
            self._witness(written)
        except Fault as fault:
            return Finding("fault", "a property", fault.text)
        return None

    def _due(self, p: Predicate, written: set[str] | None) -> bool:
        """Is it time to look at a property of states, after a step that wrote this?"""
        if written is not None and not p.depends(written) and p.asks.isdisjoint(written):
            return False
        n = self.touched[p.property.name] = self.touched[p.property.name] + 1
        return n % (1 + n // EVERY) == 0

    def end(self) -> Finding | None:
        """Looks at every invariant once more."""
        self.touched.clear()
        return self._wrong(self.state, None) if len(self.started) == self.processes else None

    def _witness(self, written: set[str] | None) -> None:
        """Notes which `reachable` properties have come true."""
        for q in self.open:
            if self._due(q, written) and q.holds(self.state, self.state, self.log):
                self.witnesses[q.property.name] = self.taken
        self.open = [q for q in self.open if q.property.name not in self.witnesses]


def _brief(instance: Instance, compiled: Compiled) -> Properties:
    """The properties that cost little after each step: without messages, and in clauses that are brief."""
    values = Valuations(instance)
    known = {p.property.name: p for p in compiled.predicates}
    long = {p.name for p in instance.properties if p.name not in known or known[p.name].asks or not _is_brief(values, p)}
    return Properties(values, long, strict=True)


def _is_brief(values: Valuations, p: Property) -> bool:
    try:
        for c in clauses(values.instance, p):
            for e in (c.body, *((c.guard,) if c.guard else ()), *((c.frame,) if c.frame else ())):
                values.valuation(e)
            if not brief(c):
                return False
    except TooLarge:
        return False
    return True


__all__ = ["Finding", "Follower", "Log", "NotEnabled"]
