"""An instance as Python functions, compiled once: what `meaning` says, some thousand times a second.

    compiled = Compiled(instance)
    for outcome in compiled.successors(action, state, {"self": Id("RM", 0)}): ...
    compiled.violated(state)

States, values and outcomes are those of `meaning`, in its order, so whoever uses one can use the other.  An action becomes
a function of a state, its parameters, and `pick`, which is asked at every `choose`; `Paths` runs it once for each way to
answer.  Nothing that is large is listed unless the spec itself goes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from checker.core.bind import Instance, Message, Transition
from checker.core.ir import Choose, Expr, Node, Stmt, base_name
from checker.core.meaning import Fault, Outcome, State, World, deliverable, in_order, initial_states, take
from checker.core.model import Property
from checker.core.types import Rec, Type, Value, member, values
from checker.engines.python.source import INDENT, Module, TooLarge, Writer


class Disabled(Exception):
    """There is nothing to choose: the action is not enabled.  `site` numbers the place."""

    def __init__(self, site: int) -> None:
        super().__init__(site)
        self.site = site


Options = Callable[[Iterable[Value]], Iterator[Value]]
Pick = Callable[[int, Iterable[Value], Options | None], Value]
Run = Callable[[Pick], Any]


def chosen(x: Any) -> Value:
    """What an option is: a choice whose condition faults comes with its Fault, which is raised."""
    if type(x) is tuple and len(x) == 2 and isinstance(x[1], Fault):
        raise x[1]
    return x


class Paths:
    """Runs a function of `pick` once for each sequence of choices, depth first, in order.  `known`: the choices at some
    sites are given."""

    def __init__(self, run: Run, known: Mapping[int, Value] | None = None) -> None:
        self.run, self.known = run, known or {}
        self.trail: list[tuple[int, Value, Iterator[Value]]] = []
        self.at = 0

    def __iter__(self) -> Iterator[tuple[tuple[tuple[int, Value], ...], Any]]:
        """The choices of each run as (site, value), and what came of it: its result, or a Fault."""
        while True:
            self.at = 0
            try:
                result = self.run(self.pick)
            except Fault as fault:
                result = fault
            except Disabled as stop:
                result = stop.site
            yield tuple((site, plain_choice(x)) for site, x, _ in self.trail[: self.at]), result
            if not self._advance():
                return

    def pick(self, site: int, every: Iterable[Value], options: Options | None) -> Value:
        if self.at == len(self.trail):
            if site in self.known:
                x = self.known[site]
                every = (x,) if x in every else ()
            rest = iter(every) if options is None else options(every)
            for x in rest:
                self.trail.append((site, x, rest))
                break
            else:
                raise Disabled(site)
        self.at += 1
        return chosen(self.trail[self.at - 1][1])

    def _advance(self) -> bool:
        """Moves the last choice on that can be."""
        while self.trail:
            site, _, rest = self.trail.pop()
            for x in rest:
                self.trail.append((site, x, rest))
                return True
        return False


def plain_choice(x: Any) -> Value:
    """An option without the Fault that may come with it."""
    return x[0] if type(x) is tuple and len(x) == 2 and isinstance(x[1], Fault) else x


@dataclass(frozen=True)
class Step:
    """One action, compiled.  `run(state, params, fields, sender, pick)` gives (state, messages sent), or the number of the
    place where the action turned out not to be enabled; raises Fault.  `writes`: the variables it may change."""

    action: Transition
    run: Callable[..., Any]
    writes: frozenset[str]
    chooses: bool


@dataclass(frozen=True)
class Predicate:
    """One property, compiled: `holds(state, after, log)`.  `reads`, `asks`: the variables and messages it depends on."""

    property: Property
    holds: Callable[..., bool]
    reads: frozenset[str]
    asks: frozenset[str]

    def depends(self, changed: Iterable[str]) -> bool:
        """Can it be otherwise, after these variables have changed?"""
        return not self.reads.isdisjoint(changed)


def choosing(body: tuple[Stmt, ...]) -> bool:
    return any(isinstance(s, Choose) or any(choosing(getattr(s, part, ())) for part in ("then", "orelse", "body")) for s in body)


def write_action(module: Module, name: str, action: Transition, cells: bool, log: bool) -> tuple[frozenset[str], bool]:
    """Adds the function of an action; what it writes, and whether it chooses."""
    w = Writer(module, cells, log)
    params = [w.env.setdefault(n, w.name(n)) for n, _ in action.params]
    fields: list[str] = []
    if action.receive:
        fields = [w.env.setdefault(n, w.name(n)) for n in action.receive.fields]
        if action.receive.sender:
            w.env[action.receive.sender] = "SENDER"
    w.block(action.body)
    lines = [f"def {name}(S, PARAMS, FIELDS, SENDER, pick):  # {action.name}"]
    lines += [f"{INDENT}({', '.join(names)},) = {given}" for names, given in ((params, "PARAMS"), (fields, "FIELDS")) if names]
    lines += [f"{INDENT}{w.vars[v]} = S[{v!r}]" for v in sorted(w.used)]
    after = "".join(f", {v!r}: {w.vars[v]}" for v in sorted(w.written))
    lines += [f"{INDENT}SENT = []", *(INDENT + line for line in w.out)]
    lines.append(f"{INDENT}return {f'{{**S{after}}}' if after else 'S'}, SENT")
    module.add(lines)
    return frozenset(w.written), choosing(action.body)


def write_expression(module: Module, name: str, e: Expr, log: bool) -> Writer:
    """Adds the function of an expression over a state, the state after it (step properties) and a log."""
    w = Writer(module, log=log)
    text = w.expr(e)
    lines = [f"def {name}(S, AFTER, LOG):"]
    for key, local in w.vars.items():
        lines.append(f"{INDENT}{local} = {'AFTER' if key.endswith(chr(39)) else 'S'}[{key.rstrip(chr(39))!r}]")
    lines += [f"{INDENT}{local} = {asked}" for asked, local in w.answers.items()]
    module.add([*lines, *(INDENT + line for line in w.out), f"{INDENT}return {text}"])
    return w


class Compiled:
    """The functions of an instance.  `log`: the network is not part of the state but whatever answers `seen(name, positions)` and
    `having(fields)`; of a huge type properties then look only at the values that messages carry where only those can matter, and
    `skipped` are the properties that need all.  Raises TooLarge if an action lists all values of a huge type."""

    def __init__(self, instance: Instance, log: bool = False) -> None:
        self.instance, self.log = instance, log
        self.module = Module(instance)
        made = [write_action(self.module, f"action_{i}", a, False, log) for i, a in enumerate(instance.actions)]
        tests = [(f"property_{i}", p) for i, p in enumerate(instance.properties)]
        tests += [("terminal", Property("terminal", "terminal", instance.terminal))] if not log else []
        tests += [("bound", Property("bound", "bound", instance.bound))] if instance.bound is not None else []
        self.skipped: list[tuple[Property, TooLarge]] = []
        written = {n: w for n, p in tests if (w := self._written(n, p)) is not None}
        space = self.module.execute()
        self.steps = [Step(a, space[f"action_{i}"], *made[i]) for i, a in enumerate(instance.actions)]
        self.by_name: dict[str, list[Step]] = {}
        for step in self.steps:
            self.by_name.setdefault(step.action.name, []).append(step)
        found = {
            n: Predicate(p, space[n], frozenset(k.rstrip("'") for k in written[n].vars), frozenset(written[n].asked))
            for n, p in tests
            if n in written
        }
        self.predicates = [found[n] for n in found if n.startswith("property_")]
        self.terminal, self.bound = found.get("terminal"), found.get("bound")
        self._listed: dict[Type, list[Value]] = {}

    def _written(self, name: str, p: Property) -> Writer | None:
        """The function of a property, added; None if it goes through too much and the network is a log."""
        try:
            return write_expression(self.module, name, p.expr, self.log)
        except TooLarge as why:
            if not self.log:
                raise
            self.skipped.append((p, why))
            return None

    def place(self, site: int) -> Node:
        """The statement of that number."""
        return self.module.sites[site]

    def initial(self) -> Iterator[State]:
        """Every state that the instance can start in."""
        return initial_states(self.instance)

    # steps

    def successors(
        self, action: Transition | str, state: State, known: Mapping[str, Value] | None = None, received: Rec | None = None
    ) -> Iterator[Outcome]:
        """Every outcome of an action (of all handlers of that name) in a state, as `meaning.successors`.  `known`: parameters,
        fields of the received message and choices, by the names that the spec gives them; `received`: the message, whole."""
        steps = self.by_name[action] if isinstance(action, str) else [s for s in self.steps if s.action is action]
        for step in steps:
            for choices, message, result in self._ways(step, state, known or {}, received):
                if isinstance(result, Fault):
                    yield Outcome(None, choices, message, (), result)
                elif not isinstance(result, int):
                    yield Outcome(result[0], choices, message, tuple(result[1]))

    def blocked(
        self, action: Transition | str, state: State, known: Mapping[str, Value] | None = None, received: Rec | None = None
    ) -> Iterator[tuple[tuple[tuple[str, Value], ...], Node]]:
        """Where each way that an action cannot go comes to its end: the choices so far, and the `require` or `choose`."""
        steps = self.by_name[action] if isinstance(action, str) else [s for s in self.steps if s.action is action]
        for step in steps:
            for choices, _, result in self._ways(step, state, known or {}, received):
                if isinstance(result, int):
                    yield choices, self.place(result)

    def _ways(self, step: Step, state: State, known: Mapping[str, Value], received: Rec | None) -> Iterator[Any]:
        """Choices, message and result, of every way that an action can go."""
        a = step.action
        names = [n for n, _ in a.params]
        for params in product(*(self._candidates(n, t, known) for n, t in a.params)):
            env = tuple(zip(names, params, strict=True))
            for message in self._messages(a, state, dict(env).get("self"), known, received):
                before, fields, sender = self._taken(a, state, message)
                yield from self._paths(step, known, env, message, (before, params, fields, sender))

    def _paths(self, step: Step, known: Mapping[str, Value], env: Any, message: Rec | None, given: Any) -> Iterator[Any]:
        if not step.chooses:
            try:
                yield env, message, step.run(*given, None)
            except Fault as fault:
                yield env, message, fault
            return
        sites = {i: known[n] for i, n in self._sites(step) if n in known} if known else None
        for choices, result in Paths(lambda pick: step.run(*given, pick), sites):
            named = tuple((self.place(site).name, x) for site, x in choices)  # type: ignore[attr-defined]
            yield (*env, *named), message, result

    def _sites(self, step: Step) -> Iterator[tuple[int, str]]:
        return ((i, base_name(s.name)) for i, s in enumerate(self.module.sites) if isinstance(s, Choose))

    def _candidates(self, name: str, t: Type, known: Mapping[str, Value]) -> Iterable[Value]:
        """What a parameter can be."""
        if (name := base_name(name)) in known:
            return (known[name],) if member(known[name], t) else ()
        if t not in self._listed:
            self._listed[t] = list(values(t))
        return self._listed[t]

    def _messages(
        self, a: Transition, state: State, me: Value, known: Mapping[str, Value], received: Rec | None
    ) -> Iterable[Any]:
        """What a handler can receive now; None for any other action."""
        if a.receive is None:
            return (None,)
        if self.log:
            return (received,)
        m = self.instance.messages[a.receive.message]
        if received is not None:
            return (received,) if self._there(m, state, me, received) else ()
        wanted = [(i, known[n]) for i, (n, _) in enumerate(m.full.fields) if n in known]
        found = self._deliverable(m, state, me)
        return list(in_order([x for x in found if all(x.values[i] == v for i, v in wanted)]))

    def _deliverable(self, m: Message, state: State, me: Value) -> Iterable[Rec]:
        """As `meaning.deliverable`, in any order."""
        if self.instance.network == "fifo":
            return deliverable(World(self.instance, state), m, me)
        at = len(m.payload.fields)
        return (x for x in state[m.var] if x.name == m.name and (not m.to or me is None or x.values[at] == me))

    def _there(self, m: Message, state: State, me: Value, message: Rec) -> bool:
        """Can this message be received now?"""
        if message.name != m.name:
            return False
        if self.instance.network == "fifo":
            return message in self._deliverable(m, state, me)
        mine = not m.to or me is None or message.values[len(m.payload.fields)] == me
        return mine and message in state[m.var]

    def _taken(self, a: Transition, state: State, message: Rec | None) -> tuple[State, tuple[Value, ...], Value]:
        """The state without the received message, its fields and its sender."""
        if a.receive is None or message is None:
            return state, (), None
        m = self.instance.messages[a.receive.message]
        before = state if self.log else take(World(self.instance, state), m, message)
        return before, message.values[: len(a.receive.fields)], message.values[-1] if a.receive.sender else None

    # properties

    def violated(self, state: State, changed: Iterable[str] | None = None, log: Any = None) -> Iterator[Property]:
        """The invariants and lemmas that are false.  `changed`: only those that depend on these variables (and messages, where
        there is a log).  Raises Fault."""
        for p in self.predicates:
            if p.property.kind not in ("invariant", "lemma"):
                continue
            if (changed is None or p.depends(changed) or not p.asks.isdisjoint(changed)) and not p.holds(state, state, log):
                yield p.property

    def broken(self, state: State, after: State, log: Any = None) -> Iterator[Property]:
        """The step properties that are false of a step.  Raises Fault."""
        return (p.property for p in self.predicates if p.property.kind == "step" and not p.holds(state, after, log))


__all__ = ["Compiled", "Disabled", "Paths", "Predicate", "Step"]
