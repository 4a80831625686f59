"""A behaviour as a sequence of states (ITF): each a step of the spec from the one before, by the action that it names or by any.

A variable that a file leaves out is not compared; then several states of the spec may explain the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from checker.conformance.binding import Binding, Rule
from checker.conformance.fields import Reader
from checker.conformance.lines import Line, Log
from checker.conformance.order import Event, Ordering
from checker.conformance.plans import Call, Item
from checker.conformance.properties import Properties
from checker.conformance.rules import Kind, Look, Occasion, Rules
from checker.conformance.search import Search
from checker.conformance.steps import Machine
from checker.conformance.validate import Validation
from checker.core.bind import Instance
from checker.core.ir import Read, base_name
from checker.core.model import Model
from checker.settings import Mistake
from checker.trace import read_itf, states_from_itf
from checker.verdict import State


def is_itf(log: Log) -> bool:
    """Is it one JSON object with a list of states?  (A line of a log is one object, too.)"""
    if not log.path.name.removesuffix(".gz").endswith((".json", ".itf")):
        return False
    data = log.bytes()
    return b'"states"' in data and not data.strip().startswith(b"[")


class ItfRules(Rules):
    """Rules for states instead of lines."""

    def __init__(self, binding: Binding, instance: Instance, states: list[State]) -> None:
        super().__init__(binding, instance, Reader())
        self.states = states
        vars = instance.vars.values()
        looks = {v.name: Look(v.name, Read(v.type, v.name), v.type, frozenset(), v.name, itemgetter(v.name)) for v in vars}
        self.looks = {n: x for n, x in looks.items() if any(n in s for s in states)}
        after = list(self.looks.values())
        self.first = Kind(Rule("the initial state"), lambda _: True, [[]], [], after, [])
        self.any = self._step("a step", list(instance.actions), after)
        names = dict.fromkeys(a.name for a in instance.actions)
        self.named = {n: self._step(base_name(n), [a for a in instance.actions if a.name == n], after) for n in names}
        self.kinds = [self.first, self.any]

    def _step(self, name: str, actions: list[Any], after: list[Look]) -> Kind:
        item = Item(tuple(Call(a, {}, ()) for a in actions))
        return Kind(Rule(name), lambda _: True, [[item]], [], after, [])

    def kind(self, e: Event) -> Kind:
        if e.lines[0].number == 0:
            return self.first
        meta = e.data.get("#meta")
        told = meta.get("action") if isinstance(meta, dict) else None
        action = told or e.data.get("mbt::actionTaken")  # Quint's
        return self.named.get(str(action), self.any)

    def occasion(self, e: Event, kind: Kind) -> Occasion:
        seen = self.states[e.lines[0].number]
        return Occasion(e, kind, {}, [], [(x, seen[n]) for n, x in self.looks.items() if n in seen], None, None, [])


class States(Log):
    """The states of an ITF file, as lines numbered from 0."""

    def __init__(self, log: Log) -> None:
        self.name, self.path = log.name, log.path
        self.data = read_itf(log.bytes(), log.name)

    def __iter__(self) -> Iterator[Line]:
        for n, s in enumerate(self.data["states"]):
            yield Line(f"{self.name}, state", n, s)


class ItfValidation(Validation):
    """One spec and one ITF file."""

    def __init__(self, model: Model, log: Log, instance: str | None) -> None:
        states = States(log)
        meta = states.data.get("#meta")
        named = meta.get("instance") if isinstance(meta, dict) else None
        name = instance or (named if named in model.instances else next(iter(model.instances), None))
        super().__init__(model, Binding(log.name, "", event=[Rule("state")]), [states], name)
        if not states.data["states"]:
            raise Mistake(f"{log.name} has no states")
        try:
            self.states = states_from_itf(self.instance, states.data)
        except Mistake as why:
            raise Mistake(f"{log.name}: {why.text}", why.hint) from None

    def search(self, thorough: bool) -> Search:
        rules = ItfRules(self.binding, self.instance, self.states)
        machine = Machine(self.instance, False)
        return Search(rules, machine, Properties(machine, []), Ordering(self.binding, self.reader), thorough)
