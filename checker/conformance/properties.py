"""The properties of the spec, looked at after every step; only those, and of `forall p, q: P` only those cases, that a step
can have changed.

A property that faults is left alone: the spec says nothing there. What is true of a state depends on nothing else, so a
case whose variables are the same as before need not be looked at again. What that costs is for `clauses`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from checker.conformance.clauses import Clause, clauses, reads_at
from checker.conformance.steps import Valuations
from checker.core.bind import Instance
from checker.core.ir import Expr, base_name
from checker.core.meaning import Fault, State
from checker.core.model import Property
from checker.core.types import Map, Type, Value


@dataclass(frozen=True)
class Breach:
    """A property that is false, and for which elements."""

    property: Property
    env: tuple[tuple[str, Value], ...]


class Properties:
    """Looks at what a step can have changed.  `strict`: raises Fault where a property faults."""

    def __init__(self, values: Valuations, skip: Iterable[str], strict: bool = False) -> None:
        self.values, self.strict, skipped = values, strict, set(skip)
        kept = [p for p in values.instance.properties if p.kind != "reachable" and p.name not in skipped]
        self.clauses = [c for p in kept for c in clauses(values.instance, p)]
        self.last: State | None = None  # the state that was looked at last, and found right
        self.cells: dict[str, tuple[Map, Map, list[Value]]] = {}  # variable → before, after, the keys at which they differ
        self.still: dict[int, set[int]] = {}  # clause of a step property → the rows in which it is true if that stays as it is

    def breach(self, before: State | None, after: State) -> Breach | None:
        """The first property that is false after a step (of the first state: before is None)."""
        changed = None if before is None else {v for v, x in after.items() if x is not before[v]}
        if before is None or before is not self.last:
            self.still.clear()
        self.last = None
        for c in self.clauses:
            if c.property.kind == "step":
                rows: Iterable[dict[str, Value]] = self._moving(c, before, after, changed)
            else:
                rows = () if changed is not None and changed.isdisjoint(c.cells) else self._rows(c, before, after, changed)
            for row in rows:
                if self._false(c, row, before, after):
                    return Breach(c.property, tuple((base_name(n), v) for n, v in row.items()))
        self.last = after
        return None

    def _moving(self, c: Clause, before: State | None, after: State, changed: set[str] | None) -> Iterable[dict[str, Value]]:
        """The rows of a step property in which something is otherwise, or of which it is not known that nothing need be.
        Whoever is given them looks at all, or finds a breach."""
        if before is None or changed is None:
            return ()
        untouched = changed.isdisjoint(c.cells)
        touched = None if untouched else self._touched(c, before, after, changed)
        if touched is None and not untouched:
            self.still.pop(id(c), None)
            return c.rows
        moved = {id(r) for n, keys in (touched or {}).items() for k in keys for r in c.by[n, k]}
        still = self.still.get(id(c), set())
        self.still[id(c)] = {id(r) for r in c.rows} - moved
        return [r for r in c.rows if id(r) not in still or id(r) in moved] if moved or len(still) < len(c.rows) else ()

    def _false(self, c: Clause, row: dict[str, Value], before: State | None, after: State) -> bool:
        state, then = (before, after) if c.property.kind == "step" and before is not None else (after, None)
        try:
            return not c.holds(row, lambda e, env: self.values.value(e, env, state, then))
        except Fault:
            if self.strict:
                raise
            return False

    def _rows(self, c: Clause, before: State | None, after: State, changed: set[str] | None) -> Iterable[dict[str, Value]]:
        """The rows to look at: all, or those in which some binder is a process whose cell has changed."""
        touched = self._touched(c, before, after, changed)
        if touched is None:
            return c.rows
        rows = [c.by[n, k] for n, keys in touched.items() for k in keys]
        return rows[0] if len(rows) == 1 else list({id(r): r for row in rows for r in row}.values())

    def _touched(self, case: Clause, before: State | None, after: State, changed: set[str] | None) -> dict[str, set[Any]] | None:
        """Binder → the processes whose cells have changed; None: look at all."""
        if before is None or changed is None or not case.binders:
            return None
        out: dict[str, set[Any]] = {}
        for var in changed & case.cells.keys():
            binders = case.cells[var]
            old, new = before[var], after[var]
            if binders is None or not isinstance(new, Map):
                return None
            keys = self._keys(var, old, new)
            for b in binders:
                out.setdefault(b, set()).update(keys)
        return out

    def _keys(self, var: str, old: Map, new: Map) -> list[Value]:
        """The processes whose cells are otherwise; asked by one clause after the other.  (Long sequences are not compared.)"""
        known = self.cells.get(var)
        if known is None or known[0] is not old or known[1] is not new:
            keys = [k for k, x in new.new(old) if type(x) is tuple or x != old[k]]
            known = self.cells[var] = old, new, keys
        return known[2]


def looks_at_network(instance: Instance, skip: list[str]) -> bool:
    """Does a guard or a property (but those to skip) ask what was sent?"""
    networks = {v.name for v in instance.vars.values() if v.hidden == "network"}
    exprs = [p.expr for p in instance.properties if p.kind != "reachable" and p.name not in skip]
    exprs += [e for a in instance.actions if a.kind in ("action", "handler", "crash") for e in _expressions(a.body)]
    return any(var in networks for e in exprs for var, _ in reads_at(instance, e, frozenset()))


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
