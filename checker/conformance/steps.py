"""Runs the actions of an instance with what an event says about them: parameters, choices, the message that was received.

`Machine` is the one place through which the search touches the spec: it compiles the instance (engines/python) and the
expressions of the binding.  What an event leaves open is tried out, as long as it has few values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

from checker.core.bind import Instance, Message, Transition
from checker.core.ir import Expr, Require, base_name
from checker.core.meaning import Env, Fault, Outcome, State
from checker.core.types import Rec, Value, card, values
from checker.engines.python.compiled import Compiled
from checker.engines.python.source import INDENT, Module, TooLarge, Writer
from checker.settings import Mistake

MOST = 4096  # values of a parameter that an event leaves open are tried up to so many

Valuation = Callable[[State, State | None, Env], Value]


class TooOpen(Exception):
    """A parameter that the event does not give, and too many ways (`n`) to choose it and what else is not given."""

    def __init__(self, action: Transition, name: str, n: int) -> None:
        super().__init__(
            f"`{action.name}` can be taken in {n:,} ways, as the event does not give its parameter `{base_name(name)}`"
        )
        self.name = base_name(name)


class Valuations:
    """The values of expressions over the states of an instance, each compiled once."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.valuations: dict[int, tuple[Expr, Valuation]] = {}

    def value(self, e: Expr, env: Env, state: State, after: State | None = None) -> Value:
        """The value of an expression.  Raises Fault."""
        return self.function(e)(state, after, env)

    def function(self, e: Expr) -> Valuation:
        """The same, as a function that is compiled once."""
        known = self.valuations.get(id(e))
        if known is None:
            known = self.valuations[id(e)] = e, self.valuation(e)
        return known[1]

    def valuation(self, e: Expr) -> Valuation:
        """An expression as a function of a state, the state after it and the names in it."""
        module = Module(self.instance)
        w = Writer(module)
        names = sorted(_free(e))
        for n in names:
            w.env[n] = w.name(n)
        text = w.expr(e)
        lines = ["def value(S, AFTER, ENV):"]
        lines += [f"{INDENT}{w.env[n]} = ENV[{n!r}]" for n in names]
        for key, local in w.vars.items():
            lines.append(f"{INDENT}{local} = {'AFTER' if key.endswith(chr(39)) else 'S'}[{key.rstrip(chr(39))!r}]")
        module.add([*lines, *(INDENT + line for line in w.out), f"{INDENT}return {text}"])
        made: Any = module.execute()["value"]
        return made  # type: ignore[no-any-return]


class Machine(Valuations):
    """An instance that can be run.  `hollow`: messages are kept outside of the state, so the network stays as it is."""

    def __init__(self, instance: Instance, hollow: bool) -> None:
        super().__init__(instance)
        self.hollow = hollow
        try:
            self.compiled = Compiled(replace(instance, properties=(), bound=None), log=hollow)
        except TooLarge as why:
            place = instance.model.place(why.node)
            raise Mistake(
                f"{place}: {why}", "make it smaller in [sizes]: `{ max = FIELD }` is the least that a log needs"
            ) from None
        self.steps = {id(s.action): s for s in self.compiled.steps}
        open_ = {id(a): [(n, card(t)) for n, t in a.params] for a in instance.actions}
        self.large = {a: ways if prod(n for _, n in ways) > MOST else [] for a, ways in open_.items()}
        self.refused: Counter[int] = Counter()  # how often each `require` or `choose` was where a try ended

    def outcomes(self, action: Transition, given: Env, message: Rec | None, state: State) -> Iterator[Outcome]:
        """Every outcome in a state, with these parameters and choices (by the names that the spec gives them) and this
        message.  One that faults has no state."""
        self.closed(action, given)
        for choices, _, result in self.compiled._ways(self.steps[id(action)], state, given, message):
            if isinstance(result, Fault):
                yield Outcome(None, choices, message, (), result)
            elif isinstance(result, int):
                self.refused[result] += 1
            else:
                yield Outcome(result[0], choices, message, tuple(result[1]))

    def deliverable(self, state: State, m: Message, receiver: Value) -> Iterable[Rec]:
        """The messages of a kind that this receiver (None: any) can take now, in any order."""
        if receiver is None and m.to is not None and self.instance.network == "fifo":
            return [x for to in values(m.to) for x in self.compiled._deliverable(m, state, to)]
        return self.compiled._deliverable(m, state, receiver)

    def arrived(self, state: State, m: Rec) -> State:
        """The state with one more message to receive, from nobody in particular."""
        if self.hollow:
            return state
        var, content = self.instance.messages[m.name].var, state[self.instance.messages[m.name].var]
        if self.instance.network == "set":
            return {**state, var: content | {m}}
        if self.instance.network == "bag":
            return {**state, var: content.add(m)}
        sender, to = m.values[-1], m.values[-2]
        return {**state, var: content.set(sender, content[sender].set(to, (m, *content[sender][to])))}

    def text(self, node: Require) -> str:
        """Where a guard stands, and its line."""
        source, span = self.instance.model.source, node.span
        return f"line {span.line}: {source.line(span.line).strip()}" if span else ""

    def closed(self, action: Transition, given: Env) -> None:
        """Raises TooOpen if the parameters that are not given have too many values, of the one that has most."""
        left = [(n, name) for name, n in self.large[id(action)] if base_name(name) not in given]
        if left and prod(n for n, _ in left) > MOST:
            raise TooOpen(action, max(left)[1], prod(n for n, _ in left))


def _free(e: Expr) -> frozenset[str]:
    from checker.core.bind import free

    return free(e) - {""}
