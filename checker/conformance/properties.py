"""The properties of the spec, looked at after every step; only those, and of `forall p, q: P` only those cases, that a step
can have changed.

A property that faults is left alone: the spec says nothing there. What is true of a state depends on nothing else, so a
case whose variables are the same as before need not be looked at again. What that costs is for `clauses`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from checker.conformance.clauses import Clause, Valued, clauses, reads_at
from checker.conformance.steps import Valuation, Valuations
from checker.core.bind import Instance
from checker.core.ir import Expr, base_name
from checker.core.meaning import Fault, State
from checker.core.model import Property
from checker.core.types import Map, Type, Value

Rows = list[dict[str, Value]]
Moved = tuple[tuple[str, tuple[Value, ...] | None], ...]
Plan = list[tuple[Clause, Valuation, Rows]]  # of those clauses that have to be looked at
PLANS = 1000  # so many are remembered


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
        self.plans: dict[Moved | None, Plan] = {}
        self.pending: dict[int, Rows] = {}  # clause of a step property → the rows to look at even if nothing moves in them

    def breach(self, before: State | None, after: State) -> Breach | None:
        """The first property that is false after a step (of the first state: before is None)."""
        if before is None or before is not self.last:
            self.pending.clear()
        self.last = None
        moved = None if before is None else _moved(before, after)
        plan = self.plans.get(moved)
        if plan is None:
            plan = self._plan(moved)

        def now(e: Expr, row: dict[str, Value]) -> Value:
            return self.values.value(e, row, after)

        def then(e: Expr, row: dict[str, Value]) -> Value:
            return self.values.value(e, row, before or after, after)

        for c, look, rows in plan:
            if c.property.kind == "step":
                if before is not None and (rows := self._still(c, rows)):
                    bad = self._false(c, look, rows, before, after, then)
                else:
                    continue
            else:
                bad = self._false(c, look, rows, after, None, now)
            if bad is not None:
                return Breach(c.property, tuple((base_name(n), v) for n, v in bad.items()))
        self.last = after
        return None

    def _false(
        self, c: Clause, look: Valuation, rows: Rows, state: State, after: State | None, value: Valued
    ) -> dict[str, Value] | None:
        """The first of some rows in which a clause is false."""
        for row in rows:
            try:
                found = look(state, after, row)
                if found is not True and found is not None and not c.goes_on(row, found, value):
                    return row
            except Fault:
                if not self._anew(c, row, value):
                    return row
        return None

    def _anew(self, c: Clause, row: dict[str, Value], value: Valued) -> bool:
        try:
            return c.anew(row, value)
        except Fault:
            if self.strict:
                raise
            return True

    def _still(self, c: Clause, rows: Rows) -> Rows:
        """The rows of a step property in which something moves, and those in which something has: that nothing moves may be
        wrong there now."""
        before = self.pending.get(id(c), c.rows)
        self.pending[id(c)] = rows
        if not before or before is rows or rows is c.rows:
            return rows
        return before if not rows or before is c.rows else _merged([before, rows])

    # ── what to look at ──

    def _plan(self, moved: Moved | None) -> Plan:
        """The rows of each clause that have to be looked at when this has moved; None: all."""
        found = [
            (c, self.values.function(c.look()), c.rows if moved is None else self._rows(c, dict(moved))) for c in self.clauses
        ]
        if len(self.plans) >= PLANS:
            self.plans.clear()
        plan = self.plans[moved] = [x for x in found if x[2] or x[0].property.kind == "step"]
        return plan

    def _rows(self, c: Clause, moved: dict[str, tuple[Value, ...] | None]) -> Rows:
        """All rows, or those in which some binder is a process whose cell has moved."""
        touched: dict[str, set[Value]] = {}
        for var in moved.keys() & c.cells.keys():
            binders, keys = c.cells[var], moved[var]
            if binders is None or keys is None or not c.binders:
                return c.rows
            for b in binders:
                touched.setdefault(b, set()).update(keys)
        return _merged([c.by[n, k] for n, keys in touched.items() for k in keys])


def _moved(before: State, after: State) -> Moved:
    """What is otherwise: each variable, with the processes whose cells are, None if it has none.  (Long sequences that are no
    `Shared` are not compared.)"""
    out: list[tuple[str, tuple[Value, ...] | None]] = []
    for v, x in after.items():
        if x is not (old := before[v]):
            if not isinstance(x, Map):
                out.append((v, None))
            elif keys := tuple(k for k, y in x.new(old) if type(y) is tuple or y != old[k]):
                out.append((v, keys))
    return tuple(out)


def _merged(rows: list[Rows]) -> Rows:
    return rows[0] if len(rows) == 1 else list({id(r): r for some in rows for r in some}.values())


def looks_at_network(instance: Instance, skip: list[str]) -> bool:
    """Does a guard or a property (but those to skip) ask what was sent?"""
    networks = {v.name for v in instance.vars.values() if v.hidden == "network"}
    exprs = [p.expr for p in instance.properties if p.kind != "reachable" and p.name not in skip]
    exprs += [e for a in instance.actions if a.kind in ("action", "handler", "crash") for e in expressions(a.body)]
    return any(var in networks for e in exprs for var, _ in reads_at(instance, e, frozenset()))


def expressions(node: Any) -> Iterator[Expr]:
    if isinstance(node, Expr):
        yield node
    elif isinstance(node, tuple):
        for x in node:
            yield from expressions(x)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, Type):
        for f in node.__dataclass_fields__:
            if f != "span":
                yield from expressions(getattr(node, f))
