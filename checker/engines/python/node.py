"""The processes of a spec as Python functions: what one node of a cluster executes.

    nodes = Nodes(bind_local(model))
    acceptor = nodes.processes["Acceptor"]
    state = acceptor.start.first(None, me)                 # its own variables, by name
    step = acceptor.handlers["Prepare"][0].first(state, me, fields=(3,), sender=None)

A step is given the node's own variables, and gives the new ones and the messages that were sent: no network, no ghosts, no
other process.  The values are those of `meaning`.  What a step cannot do is the number of the place that says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from checker.core.bind import Instance, Message, Transition
from checker.core.ir import Choose, Node, base_name
from checker.core.meaning import Fault
from checker.core.types import Int, Sort, Type, Value, card, member, values
from checker.engines.python.compiled import Paths, write_action
from checker.engines.python.source import Module

State = dict[str, Value]
FEW = 64  # so many values of a parameter are all tried; of more, some


class Nothing(dict[str, Value]):
    """The variables of a process that has not started."""

    def __missing__(self, name: str) -> Value:
        return None


@dataclass(frozen=True)
class Sending:
    """One message sent: `to` is an identity, or None for everyone who handles it."""

    message: str
    fields: tuple[Value, ...]
    to: Value = None


@dataclass(frozen=True)
class Taken:
    """One step of one process: what its variables are now, what it sent, and what was chosen (by the names of the spec)."""

    action: Transition
    state: State
    sent: tuple[Sending, ...]
    choices: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Blocked:
    """A step that is not enabled: `node` is the `require` or `choose` that says so."""

    node: Node


@dataclass(frozen=True)
class LocalAction:
    """One action or handler of a process.  `durable`: the variables it may write that survive a crash.  `discards`: the first
    `require` of a handler that throws messages away: where it blocks, the message is of no use, now or later."""

    action: Transition
    run: Callable[..., Any]
    writes: frozenset[str]
    chooses: bool
    sites: list[Node] = field(repr=False)
    durable: frozenset[str] = frozenset()
    discards: Node | None = None

    @property
    def params(self) -> tuple[tuple[str, Type], ...]:
        """Its parameters by the names that the spec gives them, without `self`."""
        return tuple((base_name(n), t) for n, t in self.action.params if n != "self")

    def ways(
        self,
        state: State | None,
        me: Value,
        params: tuple[Value, ...] = (),
        fields: tuple[Value, ...] = (),
        sender: Value = None,
        known: Mapping[str, Value] | None = None,
        pick: Callable[[int, Iterable[Value], Any], Value] | None = None,
    ) -> Iterator[Taken | Blocked]:
        """Each way it can go, lazily, one for each combination of choices; Blocked where one comes to its end.  `known`: some
        choices are given; `pick`: whoever chooses instead, once.  Raises Fault."""
        mine = (me, *params) if self.action.params and self.action.params[0][0] == "self" else params
        given = (state if state is not None else Nothing(), mine, fields, sender)
        if not self.chooses or pick is not None:
            yield self._made(self.run(*given, pick), ())
            return
        sites = (
            {i: known[n] for i, s in enumerate(self.sites) if isinstance(s, Choose) and (n := base_name(s.name)) in known}
            if known
            else None
        )
        for choices, result in Paths(lambda pick: self.run(*given, pick), sites):
            if isinstance(result, Fault):
                raise result
            yield self._made(result, tuple((base_name(self.sites[i].name), x) for i, x in choices))  # type: ignore[attr-defined]

    def _made(self, result: Any, choices: tuple[tuple[str, Value], ...]) -> Taken | Blocked:
        if isinstance(result, int):
            return Blocked(self.sites[result])
        return Taken(self.action, result[0], tuple(Sending(*s) for s in result[1]), choices)

    def first(self, state: State | None, me: Value, *args: Any, **more: Any) -> Taken | Blocked:
        """The first way it can go; Blocked if there is none."""
        blocked: Taken | Blocked | None = None
        for way in self.ways(state, me, *args, **more):
            if isinstance(way, Taken):
                return way
            blocked = blocked or way
        assert blocked is not None
        return blocked

    def assignments(
        self, rng: random.Random, known: Mapping[str, Value], ideas: Callable[[Type], Iterable[Value]]
    ) -> Iterator[Any]:
        """Values for the parameters, in an order that `rng` gives: all of a small type, and of a large one some and those that
        `ideas` has."""
        return product(*(self._some(n, t, rng, known, ideas) for n, t in self.params))

    def _some(self, name: str, t: Type, rng: random.Random, known: Mapping[str, Value], ideas: Any) -> list[Value]:
        if name in known:
            return [known[name]] if member(known[name], t) else []
        if card(t) <= FEW:
            found = list(values(t))
        else:
            found = list(dict.fromkeys([*ideas(t), *islice(values(t), FEW)])) if not isinstance(t, Int | Sort) else list(ideas(t))
        rng.shuffle(found)
        return found


@dataclass(frozen=True)
class Process:
    """One kind of process: its identities, its variables, and what it can do."""

    name: str
    identities: tuple[Value, ...]  # (None,) of a single process
    vars: dict[str, Type]
    durable: frozenset[str]
    spontaneous: dict[str, LocalAction]
    handlers: dict[str, tuple[LocalAction, ...]]
    start: LocalAction
    restart: LocalAction


class Nodes:
    """Every process of an instance that `bind_local` made.  Raises NotLocal, TooLarge."""

    def __init__(self, instance: Instance) -> None:
        self.instance, self.module = instance, Module(instance)
        made = [write_action(self.module, f"local_{i}", a, True, False) for i, a in enumerate(instance.actions)]
        space = self.module.execute()
        kept = frozenset(v.name for v in instance.vars.values() if v.durable)
        self.actions = [
            LocalAction(a, space[f"local_{i}"], *made[i], self.module.sites, made[i][0] & kept, _discards(a))
            for i, a in enumerate(instance.actions)
        ]
        self.processes = {p: self._process(p) for p in instance.model.processes}

    def _process(self, name: str) -> Process:
        mine = [a for a in self.actions if a.action.process == name]
        ident = dict(mine[0].action.params).get("self") if mine else None
        found = [v for v in self.instance.vars.values() if v.process == name and not v.ghost]
        types = {v.name: v.type.val if v.keyed else v.type for v in found}  # type: ignore[attr-defined]
        handlers: dict[str, tuple[LocalAction, ...]] = {}
        for a in mine:
            if a.action.receive:
                m = a.action.receive.message
                handlers[m] = (*handlers.get(m, ()), a)
        kinds = {k: [a for a in mine if a.action.kind == k] for k in ("start", "restart", "action")}
        return Process(
            name,
            tuple(values(ident)) if ident else (None,),
            types,
            frozenset(v.name for v in found if v.durable),
            {a.action.name: a for a in kinds["action"]},
            handlers,
            kinds["start"][0],
            kinds["restart"][0],
        )

    def receivers(self, message: Message, to: Value) -> list[tuple[str, Value]]:
        """Who can receive a message: (process, identity), in order."""
        kinds = [p for p in self.processes.values() if message.name in p.handlers]
        everyone = [(p.name, i) for p in kinds for i in p.identities]
        if to is None or message.to is None:
            return everyone
        return [(p, i) for p, i in everyone if i == to or (i is None and p == to)]


def _discards(a: Transition) -> Node | None:
    return a.body[0] if a.receive and a.receive.discard is not None else None


__all__ = ["Blocked", "LocalAction", "Nodes", "Process", "Sending", "State", "Taken"]
