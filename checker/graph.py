"""The state graph of a small instance as Graphviz text: a node a state, an edge a step.

A node says how its state differs from the first initial one, which says everything.  Nothing here is fast, and a
graph that nobody could read is refused.
"""

from __future__ import annotations

from checker.core.bind import Instance
from checker.core.meaning import Fault, State, World, evaluate, initial_states, successors
from checker.display import Display
from checker.engines.python.explore import Key, as_step, key
from checker.settings import Mistake

MOST = 2_000


class Graph:
    """All states and steps of an instance.  Raises Mistake if there are more than MOST, or something faults."""

    def __init__(self, instance: Instance, most: int = MOST) -> None:
        self.instance, self.display, self.most = instance, Display(instance), most
        self.states: dict[Key, State] = {}
        self.ids: dict[Key, int] = {}
        self.edges: dict[tuple[int, int], dict[str, None]] = {}
        try:
            self._explore()
        except Fault as fault:
            hint = "`spectrace check` shows how it comes about"
            raise Mistake(f"{instance.model.place(fault.node)}: a spec fault: {fault.text}", hint) from None

    def _explore(self) -> None:
        frontier = [s for s in initial_states(self.instance) if self._add(s)]
        self.initial = len(frontier)
        for state in frontier:
            for action in self.instance.actions:
                for o in successors(self.instance, action, state):
                    if o.fault:
                        raise o.fault
                    assert o.state is not None
                    if self._add(o.state):
                        frontier.append(o.state)
                    if key(o.state) in self.ids:
                        label = self.display.label(as_step(action, o), state)
                        self.edges.setdefault((self.ids[key(state)], self.ids[key(o.state)]), {})[label] = None

    def _add(self, state: State) -> bool:
        """Adds a state; True if it is new and within the bound."""
        bound, k = self.instance.bound, key(state)
        if k in self.states or (bound is not None and not evaluate(bound, {}, World(self.instance, state))):
            return False
        if len(self.states) == self.most:
            name = f"{self.instance.model.name} · {self.instance.name}"
            raise Mistake(
                f"{name} has more than {self.most:,} states, too many to draw",
                "take a smaller instance (-i), or smaller sizes (-D)",
            )
        self.ids[k] = len(self.states)
        self.states[k] = state
        return True

    def dot(self) -> str:
        """The graph in Graphviz's language."""
        lines = [
            f"digraph {_quoted(self.instance.model.name)} {{",
            "  node [shape=box, fontname=monospace];",
            "  edge [fontname=monospace];",
        ]
        first = next(iter(self.states.values()), {})
        for n, state in enumerate(self.states.values()):
            style = ", style=bold" if n < self.initial else ""
            lines.append(f"  s{n} [label={_quoted(self._label(n, first, state))}{style}];")
        for (a, b), labels in self.edges.items():
            lines.append(f"  s{a} -> s{b} [label={_quoted(chr(10).join(labels))}];")
        return "\n".join([*lines, "}"]) + "\n"

    def _label(self, n: int, first: State, state: State) -> str:
        if n == 0:
            return "\n".join(f"{name} = {value}" for name, value in self.display.state(state))
        changes = self.display.changes(first, state)
        return "\n".join(f"{c.path} = {c.new}" for c in changes) or "only messages differ"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
