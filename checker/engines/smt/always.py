"""What is so in every reachable state by the make of an instance, whatever its actions do: what no action writes is as it was
at the start, a message stands in the channel from its sender to its receiver, no more processes have failed than may.

The hypothesis of an induction has this for nothing: without it a proof would need lemmas that no spec can state.
"""

from __future__ import annotations

from collections.abc import Iterator

from checker.core.bind import Binder, Instance
from checker.core.ir import Assign, Choose
from checker.core.lower import Program
from checker.core.typed import statements
from checker.core.types import MapOf
from checker.engines.smt.bits import Bit, both, either, negation
from checker.engines.smt.rules import initial
from checker.engines.smt.terms import Mask, OneOf, Product, Sequence, Sym, Table, at_most, equal, is_value


def always(program: Program, state: dict[str, Sym]) -> Iterator[Bit]:
    """Conditions on a state."""
    yield from _unwritten(program, state)
    yield from _channels(program.instance, state)
    yield from _budgets(program.instance, state)


def _unwritten(program: Program, state: dict[str, Sym]) -> Iterator[Bit]:
    """What no action writes has a value that it may have at the start."""
    written = {s.var for a in program.actions for s in statements(a.body) if isinstance(s, Assign)}
    still = [v for v in program.vars if v not in written]
    if not still:
        return
    start, rules = initial(program, [s for s in program.initial if _about(s) in still])
    yield from rules
    yield from (equal(state[v], start[v]) for v in still)


def _about(s: object) -> str:
    """The variable that a statement of the start gives a value."""
    return s.var if isinstance(s, Assign) else s.name.partition("#")[0] if isinstance(s, Choose) else ""


def _channels(instance: Instance, state: dict[str, Sym]) -> Iterator[Bit]:
    """In the channel from a to b stands what a sent to b."""
    for name, v in instance.vars.items():
        if v.hidden == "network" and isinstance(v.type, MapOf):
            rows = state[name]
            assert isinstance(rows, Table)
            for s, row in rows.cells.items():
                for r, queue in row.cells.items():
                    yield from (_between(x, s, r) for x in _items(queue))


def _items(queue: Sequence) -> Iterator[tuple[Bit, Sym]]:
    """The messages, each with the condition that it is there."""
    there: Bit = True
    for i, x in enumerate(queue.items):
        there = both(there, negation(queue.length.cases.get(i, False)))
        yield there, x


def _between(item: tuple[Bit, Sym], sender: object, receiver: object) -> Bit:
    there, x = item
    variants = x.variants.values() if isinstance(x, OneOf) else [(True, x)]
    out: Bit = True
    for tag, m in variants:
        assert isinstance(m, Product)
        to, origin = m.parts[-2:]
        out = both(out, either(negation(both(there, tag)), both(is_value(to, receiver), is_value(origin, sender))))
    return out


def _budgets(instance: Instance, state: dict[str, Sym]) -> Iterator[Bit]:
    """No more processes have stopped than may."""
    decl = instance.model.instances.get(instance.name)
    for f in decl.faults if decl else ():
        gone = state.get(f"stopped {f.target}")
        if f.kind == "stop" and isinstance(gone, Mask):
            yield at_most(Binder(instance.model, instance.sizes).closed(f.budget), gone.bits.values())


__all__ = ["always"]
