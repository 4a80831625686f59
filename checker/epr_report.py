"""`prove --unbounded --show epr`: the quantifier graph of a model for people and programs, cycle by cycle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from rich.text import Text

from checker import report
from checker.core.bind import Instance
from checker.engines.smt.unbounded.epr import CHANGES, Edge, cycles, edges
from checker.engines.smt.unbounded.induction import Unbounded

SHOWN = 4  # places that make one edge


@dataclass
class Epr:
    """The graph of one model."""

    instance: Instance
    edges: list[Edge]
    arithmetic: bool

    exit = 0

    def lines(self, total: float) -> report.Lines:
        """Every edge; then every cycle, with what makes it and what would break it."""
        found = cycles(self.edges)
        out = [Text(f"{self.instance.model.name}, any sizes: which things exist for which", report.BOLD)]
        for pair in dict.fromkeys((e.source, e.target) for e in self.edges):
            out += [Text(f"  {pair[0]} → {pair[1]}"), *self._places(pair, "      ")]
        if self.arithmetic:
            out.append(Text("  numbers are whole numbers, with + and -: outside of EPR, whatever the graph"))
        if not found:
            said = "no cycle" + ("" if self.arithmetic else ": the solver decides every query (EPR)")
            return [*out, Text(""), Text(said, report.GOOD)]
        for cycle in found:
            out += [Text(""), Text("cycle: " + " → ".join(cycle), report.DOUBT)]
            for pair in pairwise(cycle):
                out += [Text(f"  {pair[0]} → {pair[1]}"), *self._places(pair, "      ")]
                out += [Text(f"      to break it here: {x}") for x in self._changes([pair])]
        return [*out, Text(""), Text("on a cycle the solver may make new things for ever; it need not: `spectrace prove` tries")]

    def data(self, total: float) -> dict[str, Any]:
        """The graph as data."""
        found = [{"sorts": c, "changes": self._changes(list(pairwise(c)))} for c in cycles(self.edges)]
        return {
            "spec": self.instance.model.name,
            "file": self.instance.model.source.name,
            "edges": [asdict(e) for e in self.edges],
            "arithmetic": self.arithmetic,
            "cycles": found,
            "seconds": {"total": total},
        }

    def _changes(self, pairs: list[tuple[str, str]]) -> list[str]:
        """What would take these edges away."""
        return list(dict.fromkeys(CHANGES[e.kind] for e in self.edges if (e.source, e.target) in pairs))

    def _places(self, pair: tuple[str, str], pad: str) -> report.Lines:
        mine = [e for e in self.edges if (e.source, e.target) == pair]
        out = [Text(f"{pad}{e.why}" + (f" ({e.place})" if e.place else "")) for e in mine[:SHOWN]]
        return out + ([Text(f"{pad}and {len(mine) - SHOWN} more")] if len(mine) > SHOWN else [])


def epr(instance: Instance, encoded: Unbounded) -> Epr:
    """The graph of a model that has been encoded."""
    return Epr(instance, edges(encoded), encoded.numbers)
