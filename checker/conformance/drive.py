"""Behaviours of an instance that together take every class of step: for driving an implementation through them.

A class of steps is an action, the branches of its body that were taken (which `if`s went which way), the variables that it
changed and the kinds of messages that it sent.  `covering` goes through the state graph breadth first and gives a shortest
behaviour to each class, none of which is the beginning of another.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from checker.core.bind import Instance, Transition
from checker.core.meaning import Outcome, State
from checker.core.types import Rec, Value
from checker.engines.python.compiled import Compiled

Class = tuple[str | None, str, frozenset[int | str]]  # the process, the action, what happened in it


@dataclass(frozen=True)
class Move:
    """One step: its action, parameters and choices by their names, the message received, those sent, the state after it."""

    action: Transition
    choices: tuple[tuple[str, Value], ...]
    received: Rec | None
    sent: tuple[Rec, ...]
    state: State

    @property
    def me(self) -> Value:
        return dict(self.choices).get("self")


@dataclass(frozen=True)
class Behaviour:
    """A way through the state graph from an initial state."""

    initial: State
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Cover:
    """Behaviours, and the classes of steps that they take.  `whole`: these are all classes that there are."""

    behaviours: list[Behaviour]
    classes: set[Class]
    states: int
    transitions: int
    whole: bool


class _Branches(ast.NodeTransformer):
    """Makes every branch of a function tell that it was taken: HIT(number)."""

    def __init__(self) -> None:
        self.number = 0

    def _hit(self) -> ast.Call:
        self.number += 1
        return ast.Call(ast.Name("HIT", ast.Load()), [ast.Constant(self.number)], [])

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        node.body = [ast.Expr(self._hit()), *node.body]
        if node.orelse:
            node.orelse = [ast.Expr(self._hit()), *node.orelse]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        node.body = ast.BoolOp(ast.Or(), [self._hit(), node.body])
        node.orelse = ast.BoolOp(ast.Or(), [self._hit(), node.orelse])
        return node


def instrumented(compiled: Compiled) -> set[int]:
    """Makes the actions tell their branches; the set holds those of the run that came last."""
    hits: set[int] = set()
    tree = _Branches().visit(ast.parse(compiled.module.source))
    space = {**compiled.module.space, "HIT": hits.add}
    exec(compile(ast.fix_missing_locations(tree), "<branches>", "exec"), space)

    def fresh(run: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any) -> Any:
            hits.clear()
            return run(*args)

        return called

    compiled.steps[:] = [replace(s, run=fresh(space[f"action_{i}"])) for i, s in enumerate(compiled.steps)]
    return hits


class _Explorer:
    """The state graph, as far as it is needed."""

    def __init__(self, instance: Instance, most: int) -> None:
        self.compiled, self.most = Compiled(replace(instance, properties=())), most
        self.hits = instrumented(self.compiled)
        self.parents: dict[Any, tuple[Any, Move | None, State]] = {}
        self.found: dict[Class, tuple[Any, Move]] = {}
        self.transitions = 0

    def run(self) -> bool:
        """Goes through the graph; whether it saw all of it."""
        frontier = [s for s in self.compiled.initial() if self._new(s, None, None)]
        for state in frontier:
            for a, o in self._successors(state):
                assert o.state is not None
                self.transitions += 1
                move = Move(a, o.choices, o.received, o.sent, o.state)
                changed = (v for v, x in o.state.items() if x is not state[v] and x != state[v])
                happened = frozenset[int | str]((*self.hits, *changed, *(m.name for m in o.sent)))
                self.found.setdefault((a.process, a.name, happened), (_key(state), move))
                if self._inside(o.state) and self._new(o.state, _key(state), move):
                    frontier.append(o.state)
            if len(self.parents) > self.most:
                return False
        return True

    def _successors(self, state: State) -> Iterator[tuple[Transition, Outcome]]:
        for step in self.compiled.steps:
            for choices, message, result in self.compiled._ways(step, state, {}, None):
                if isinstance(result, tuple):
                    yield step.action, Outcome(result[0], choices, message, tuple(result[1]))

    def _inside(self, state: State) -> bool:
        bound = self.compiled.bound
        return bound is None or bound.holds(state, state, None)

    def _new(self, state: State, parent: Any, move: Move | None) -> bool:
        k = _key(state)
        if k in self.parents:
            return False
        self.parents[k] = parent, move, state
        return True

    def behaviour(self, at: Any, move: Move) -> Behaviour:
        """The shortest one to a state, and one step more."""
        moves = [move]
        while True:
            at, last, state = self.parents[at]
            if last is None:
                return Behaviour(state, tuple(reversed(moves)))
            moves.append(last)


def _key(state: State) -> Any:
    return tuple(state.values())


def covering(instance: Instance, most: int = 100_000) -> Cover:
    """Behaviours that take every class of step of an instance, or of its first so many states.  Raises TooLarge."""
    explorer = _Explorer(instance, most)
    whole = explorer.run()
    found = sorted((explorer.behaviour(*x) for x in explorer.found.values()), key=lambda b: -len(b.moves))
    seen: set[Any] = set()
    kept = []
    for b in found:
        ways = [
            (_key(b.initial), *((m.action.name, m.choices, m.received) for m in b.moves[:n])) for n in range(1, len(b.moves) + 1)
        ]
        if ways[-1] not in seen:
            kept.append(b)
        seen.update(ways)
    return Cover(kept, set(explorer.found), len(explorer.parents), explorer.transitions, whole)


__all__ = ["Behaviour", "Cover", "Move", "covering"]
