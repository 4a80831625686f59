"""The properties of the spec, looked at after every step; only those, and of `forall p, q: P` only those cases, that a step
can have changed.

A property that faults is left alone: the spec says nothing there. What is true of a state depends on nothing else, so a
case whose variables are the same as before need not be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from checker.conformance.steps import Machine
from checker.core.bind import Instance
from checker.core.ir import Apply, Expr, Fit, Local, Quant, Read, Sent, base_name
from checker.core.meaning import Fault, State
from checker.core.model import Property
from checker.core.typed import parts
from checker.core.types import Map, Type, Value, card, values

FEW = 64  # a quantifier over so many processes is looked at case by case


@dataclass
class Case:
    """A property as `forall` binders over a body; `cells`: which variables it reads at which binder, None: as a whole."""

    property: Property
    binders: tuple[tuple[str, Type], ...]
    body: Expr
    cells: dict[str, frozenset[str] | None]
    rows: list[dict[str, Value]] = field(default_factory=list)  # every way to choose the binders
    by: dict[tuple[str, Value], list[dict[str, Value]]] = field(default_factory=dict)  # those in which a binder is this


@dataclass(frozen=True)
class Breach:
    """A property that is false, and for which elements."""

    property: Property
    env: tuple[tuple[str, Value], ...]


class Properties:
    """Looks at what a step can have changed."""

    def __init__(self, machine: Machine, skip: list[str]) -> None:
        self.machine = machine
        kept = [p for p in machine.instance.properties if p.kind != "reachable" and p.name not in skip]
        self.cases = [_case(machine.instance, p) for p in kept]
        self.looked = 0

    def breach(self, before: State | None, after: State) -> Breach | None:
        """The first property that is false after a step (of the first state: before is None)."""
        changed = None if before is None else {v for v, x in after.items() if x is not before[v]}
        for case in self.cases:
            if case.property.kind == "step":
                if before is not None and self._false(case, {}, before, after):
                    return Breach(case.property, ())
            elif changed is None or not changed.isdisjoint(case.cells):
                for env in self._envs(case, before, after, changed):
                    if self._false(case, env, after, None):
                        return Breach(case.property, tuple((base_name(n), v) for n, v in env.items()))
        return None

    def _false(self, case: Case, env: dict[str, Value], state: State, after: State | None) -> bool:
        self.looked += 1
        try:
            return not self.machine.value(case.body, env, state, after)
        except Fault:
            return False

    def _envs(self, case: Case, before: State | None, after: State, changed: set[str] | None) -> Iterable[dict[str, Value]]:
        """The cases to look at: all, or those in which some binder is a process whose cell has changed."""
        touched = self._touched(case, before, after, changed)
        if touched is None:
            return case.rows
        rows = [case.by[n, k] for n, keys in touched.items() for k in keys]
        return rows[0] if len(rows) == 1 else {id(r): r for row in rows for r in row}.values()

    def _touched(self, case: Case, before: State | None, after: State, changed: set[str] | None) -> dict[str, set[Any]] | None:
        """Binder → the processes whose cells have changed; None: look at all."""
        if before is None or changed is None or not case.binders:
            return None
        out: dict[str, set[Any]] = {}
        for var in changed & case.cells.keys():
            binders = case.cells[var]
            old, new = before[var], after[var]
            if binders is None or not isinstance(new, Map):
                return None
            keys = {k for k, x in new.items() if x is not old[k] and x != old[k]}
            for b in binders:
                out.setdefault(b, set()).update(keys)
        return out


def _case(instance: Instance, p: Property) -> Case:
    binders: list[tuple[str, Type]] = []
    body = p.expr
    while p.kind != "step" and isinstance(body, Quant) and body.kind == "forall":
        domain = body.domain
        if not (isinstance(domain, Apply) and domain.op == "all" and card(domain.attr) <= FEW):
            break
        binders.append((body.name, domain.attr))
        body = body.body
    cells: dict[str, frozenset[str] | None] = {}
    for var, at in _reads(instance, body, frozenset(n for n, _ in binders)):
        known = cells.get(var, frozenset())
        cells[var] = None if at is None or known is None else known | {at}
    case = Case(p, tuple(binders), body, cells)
    names = [n for n, _ in binders]
    case.rows = [dict(zip(names, row, strict=True)) for row in product(*(list(values(t)) for _, t in binders))]
    for row in case.rows:
        for item in row.items():
            case.by.setdefault(item, []).append(row)
    return case


def _reads(instance: Instance, e: Expr, binders: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    """The variables an expression reads, each with the binder at which it does (None: elsewhere)."""
    match e:
        case Apply(op="index", args=(Read() as var, key)):
            while isinstance(key, Fit):
                key = key.value
            if isinstance(key, Local) and key.name in binders:
                yield var.var, key.name
            else:
                yield var.var, None
                yield from _reads(instance, key, binders)
        case Read():
            yield e.var, None
        case _:
            if isinstance(e, Sent):
                yield instance.messages[e.message].var, None
            for part in parts(e):
                yield from _reads(instance, part, binders)


def looks_at_network(instance: Instance, skip: list[str]) -> bool:
    """Does a guard or a property (but those to skip) ask what was sent?"""
    networks = {v.name for v in instance.vars.values() if v.hidden == "network"}
    exprs = [p.expr for p in instance.properties if p.kind != "reachable" and p.name not in skip]
    exprs += [e for a in instance.actions if a.kind in ("action", "handler", "crash") for e in _expressions(a.body)]
    return any(var in networks for e in exprs for var, _ in _reads(instance, e, frozenset()))


def _expressions(node: Any) -> Iterator[Expr]:
    if isinstance(node, Expr):
        yield node
    elif isinstance(node, tuple):
        for x in node:
            yield from _expressions(x)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, Type):
        for f in node.__dataclass_fields__:
            if f != "span":
                yield from _expressions(getattr(node, f))
