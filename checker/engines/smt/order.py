"""Of paths that differ only in the names of identities, one: so that the solver refutes it once, and not each of them.

Identities can be exchanged: with those of a sort renamed, a path is a path, as long, and its end is bad if it was before.  So
each can be renamed until its steps choose the identities of a sort for the first time in their order, and only such
paths need be looked at.  Identities in sets and maps that are chosen have no order, and are not counted: whatever is counted
must only be the same before and after a renaming.
"""

from __future__ import annotations

from functools import cached_property

import z3

from checker.core.types import Id
from checker.engines.smt.bits import Bit, all_of, any_of, either, negation
from checker.engines.smt.template import Renaming, Template, term


def demand(xs: list[Id]) -> tuple[int, int]:
    """How many of their sort must have been used before so that these, one after the other, are the next ones or used
    already; and how many have been used then, at least."""
    need = used = 0
    for x in xs:
        if x.index > used:
            need = max(need, x.index)
        used = max(used, x.index + 1)
    return need, used


class Order:
    """For each sort and state of a path: have so many identities been used?  As bits beside those of the template."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.counts = [(s, n) for s, size in template.program.instance.sorts.items() for n in range(1, size)]
        self.before, self.after = (dict(zip(self.counts, self._row(p), strict=True)) for p in ("now", "next"))

    def _row(self, at: int | str) -> list[z3.BoolRef]:
        return [z3.Bool(f"{at} {n} of {s} used") for s, n in self.counts]

    def start(self) -> list[z3.BoolRef]:
        """None has been used."""
        return [z3.Not(b) for b in self._row(0)]

    def at(self, step: int) -> z3.BoolRef:
        """Step `step` of a path chooses what was used before it, or the next ones."""
        old = [*self.template.selectors, *self.before.values(), *self.after.values()]
        return Renaming(old, [*self.template.selected(step), *self._row(step), *self._row(step + 1)])(self.relation)

    @cached_property
    def relation(self) -> z3.BoolRef:
        need: dict[tuple[str, int], list[Bit]] = {c: [] for c in self.counts}
        give: dict[tuple[str, int], list[Bit]] = {c: [] for c in self.counts}
        for r, selected in zip(self.template.rules, self.template.selectors, strict=True):
            for sort in {x.sort for x in r.chosen}:
                before, after = demand([x for x in r.chosen if x.sort == sort])
                if before:
                    need[sort, before].append(selected)
                for n in range(1, after + 1):
                    give.get((sort, n), []).append(selected)
        allowed = [either(self.before[c], negation(any_of(need[c]))) for c in self.counts]
        counted = [either(negation(self.after[c]), any_of([self.before[c], *give[c]])) for c in self.counts]
        return term(all_of([*allowed, *counted]))
