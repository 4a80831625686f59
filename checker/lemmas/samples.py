"""Which atoms are true in which states: a table of truth values for each, and rows of literals put together from them.

Most atoms look at one variable or two, and a variable has far fewer values than there are states; so an atom is computed once
for each combination of values of what it reads.  A row is one state and one choice of values for the quantified variables;
rows that agree in all literals are kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checker.core.bind import Instance, expression
from checker.core.ir import Expr
from checker.core.lower import Lowering
from checker.core.meaning import State
from checker.core.types import Type, Value, card, values
from checker.engines.python.source import INDENT, Module, TooLarge, Writer
from checker.lemmas.atoms import Atom

Bits = NDArray[np.bool_]
MOST_CELLS = 1 << 25  # of a block of rows
MOST_CHOICES = 4096  # of values for the names of an atom, or of a clause
MOST_SHOWN = 16  # rows that show that a clause is false


@dataclass(frozen=True)
class Grid:
    """Literals about variables of these types.  `ordered`: of variables of one type only those values that do not descend: all
    others say the same of other names."""

    types: tuple[str, ...]
    wanted: tuple[tuple[int, tuple[int, ...]], ...]
    ordered: bool = False


class Tables:
    """Rows from tables of truth: for each atom a row for each state, a column for each choice of values for its slots."""

    def __init__(self, atoms: list[Atom]) -> None:
        self.atoms = atoms
        self.domains: list[list[list[Value]]] = []  # of each atom, of each slot
        self._indexes: dict[Grid, NDArray[np.int64]] = {}

    def rows(self, tables: list[Bits], grid: Grid) -> Bits:
        """The different rows of the literals (columns) for all values of variables of these types."""
        index = self._index(grid)
        n = len(tables[0]) if tables else 0
        step = max(1, MOST_CELLS // max(1, index.shape[1] * len(grid.wanted)))
        found = [self._block([t[k : k + step] for t in tables], index, grid) for k in range(0, n, step)]
        return distinct(np.concatenate(found)) if found else np.zeros((0, len(grid.wanted)), dtype=np.bool_)

    def _index(self, grid: Grid) -> NDArray[np.int64]:
        """For each literal and each choice of values the column of its atom's table."""
        if grid not in self._indexes:
            domains = self.domains_of(grid.types)
            chosen = np.array(list(product(*(range(len(d)) for d in domains))), dtype=np.int64)
            if grid.ordered:
                pairs = [(i, i + 1) for i in range(len(grid.types) - 1) if grid.types[i] == grid.types[i + 1]]
                keep = np.all([chosen[:, i] <= chosen[:, j] for i, j in pairs], axis=0) if pairs else slice(None)
                chosen = chosen[keep]
            out = np.zeros((len(grid.wanted), len(chosen)), dtype=np.int64)
            for k, (a, vs) in enumerate(grid.wanted):
                for v, d in zip(vs, self.domains[a], strict=True):
                    out[k] = out[k] * len(d) + chosen[:, v]
            self._indexes[grid] = out
        return self._indexes[grid]

    def _block(self, tables: list[Bits], index: NDArray[np.int64], grid: Grid) -> Bits:
        out = np.empty((len(tables[0]), index.shape[1], len(grid.wanted)), dtype=np.bool_)
        for k, (a, _) in enumerate(grid.wanted):
            out[:, :, k] = tables[a][:, index[k]]
        return distinct(out.reshape(-1, len(grid.wanted)))

    def broken(self, tables: list[Bits], grid: Grid, columns: list[int], bad: Bits) -> Bits:
        """Rows (all their literals) that have these values in these columns: some of them, if there are any."""
        index = self._index(grid)
        parts = ((tables[grid.wanted[c][0]][:, index[c]], b) for c, b in zip(columns, bad, strict=True))
        alike = np.logical_and.reduce([t if b else ~t for t, b in parts])
        at = np.flatnonzero(alike.any(axis=1))[:MOST_SHOWN]
        chosen = alike[at].argmax(axis=1)
        out = np.empty((len(at), len(grid.wanted)), dtype=np.bool_)
        for k, (a, _) in enumerate(grid.wanted):
            out[:, k] = tables[a][at, index[k][chosen]]
        return out

    def domains_of(self, types: tuple[str, ...]) -> list[list[Value]]:
        """The values of variables of these types."""
        known = {t: d for a, ds in zip(self.atoms, self.domains, strict=True) for t, d in zip(a.pattern.slots, ds, strict=True)}
        return [known[t] for t in types]

    def choices(self, types: tuple[str, ...]) -> int:
        """How many ways there are to choose values of these types."""
        return prod(map(len, self.domains_of(types)))


class Judge(Tables):
    """The atoms as functions over the states of one instance.  `exprs[i]`: atom i in this instance; None: it is partial."""

    def __init__(self, instance: Instance, atoms: list[Atom]) -> None:
        super().__init__(atoms)
        self.instance, self.low = instance, Lowering(instance)
        self.exprs: list[Expr | None] = []
        self.types: list[dict[str, Type]] = []
        module = Module(instance)
        self.reads: list[list[str]] = []
        for i, a in enumerate(atoms):
            types = {n: instance_type(instance, t) for n, t in a.slots}
            e = self._total(a, types)
            try:
                self.reads.append(_write(module, f"atom_{i}", e, list(types)) if e else [])
            except TooLarge:
                e = None
                self.reads.append([])
            self.exprs.append(e)
            self.types.append(types)
            self.domains.append([list(values(t)) for t in types.values()])
        space = module.execute()
        self.functions: list[Callable[..., bool]] = [space.get(f"atom_{i}", _never) for i in range(len(atoms))]

    def _total(self, a: Atom, types: dict[str, Type]) -> Expr | None:
        """The atom in this instance, if it always has a value."""
        e = expression(self.instance, a.expr, types)
        few = prod(card(t) for t in types.values()) <= MOST_CHOICES
        return e if few and not self.low.checks(e) else None

    def tables(self, states: list[State]) -> list[Bits]:
        """For each atom its truth in each state (rows) for each choice for its slots (columns)."""
        ids = {v: _numbered([s[v] for s in states]) for v in self.instance.vars}
        return [self._table(i, states, ids) for i in range(len(self.atoms))]

    def _table(self, i: int, states: list[State], ids: dict[str, NDArray[np.int64]]) -> Bits:
        choices = list(product(*self.domains[i]))
        if not states or self.exprs[i] is None:
            return np.zeros((len(states), len(choices)), dtype=np.bool_)
        f = self.functions[i]
        if not self.reads[i]:
            return np.tile(np.array([[bool(f({}, *c)) for c in choices]]), (len(states), 1))
        keys = np.stack([ids[v] for v in self.reads[i]], axis=1)
        _, first, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        small = np.array([[bool(f(states[k], *c)) for c in choices] for k in first], dtype=np.bool_)
        return small[where.reshape(-1)]


def instance_type(instance: Instance, t: Type) -> Type:
    """A type of the model, in this instance."""
    from checker.core.bind import Binder

    return Binder(instance.model, instance.sizes).type(t)


def distinct(rows: Bits) -> Bits:
    """Each row once."""
    if rows.shape[1] == 0:
        return rows[:1]
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    _, first = np.unique(packed.view([("", packed.dtype, packed.shape[1])]).reshape(-1), return_index=True)
    return rows[first]


def _numbered(found: Iterable[Value]) -> NDArray[np.int64]:
    """Equal values as equal numbers."""
    known: dict[Value, int] = {}
    return np.array([known.setdefault(v, len(known)) for v in found], dtype=np.int64)


def _write(module: Module, name: str, e: Expr, slots: list[str]) -> list[str]:
    """Adds the function of an atom; the variables it reads."""
    w = Writer(module)
    params = [w.env.setdefault(n, w.name(n)) for n in slots]
    text = w.expr(e)
    lines = [f"def {name}({', '.join(['S', *params])}):", *(f"{INDENT}{local} = S[{v!r}]" for v, local in w.vars.items())]
    module.add([*lines, *(INDENT + line for line in w.out), f"{INDENT}return {text}"])
    return sorted(w.vars)


def _never(*_: Any) -> bool:
    return False


__all__ = ["Bits", "Grid", "Judge", "Tables", "distinct"]
