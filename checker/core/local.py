"""Model + sizes → Instance as its processes see it: what a cluster runs.  Nothing is bounded that only exploration needs to
be: the network is not a variable of any size, faults happen without a budget, and parameters may be huge.

`runnable` says what stands in the way: a global action or variable is nobody's, so no process can execute it.
Beside its actions an instance made here has two transitions for each process P: "start P", which gives every variable its
initial value, and "restart P", which is a crash: volatile variables start anew and `on restart` runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checker.core.bind import (
    Binder,
    BindError,
    Instance,
    Message,
    Transition,
    _Assembly,
    _check_assumptions,
    _declaration,
    _sizes,
)
from checker.core.discard import Discard
from checker.core.ir import Node
from checker.core.model import Model
from checker.core.types import Set, Union, Value


class NotRunnable(BindError):
    """A spec that no cluster can execute; the text says why, `span` where."""


def obstacles(model: Model) -> list[tuple[str, Node]]:
    """Everything because of which a spec cannot be run, in the order of the text."""
    found: list[tuple[str, Node]] = [
        (f"the action `{a.name}` is global: no process executes it", a) for a in model.actions if a.process is None
    ]
    found += [
        (f"the variable `{v.name}` is global: no process owns it", v)
        for v in model.vars.values()
        if v.process is None and not v.ghost
    ]
    return sorted(found, key=lambda f: f[1].span.line if f[1].span else 0)


def bind_local(model: Model, name: str | None = None, overrides: dict[str, Value] | None = None) -> Instance:
    """The instance of this name as its processes see it.  Raises NotRunnable, BindError, AssumptionFails."""
    for text, node in obstacles(model):
        raise NotRunnable(text, node.span, "put it into a process, which sends messages to the others")
    if not model.processes:
        raise NotRunnable(f"{model.name} has no process to run")
    decl = replace(_declaration(model, name), faults=(), bound=None)
    binder = Binder(model, _sizes(model, decl, overrides or {}))
    _check_assumptions(binder)
    return _Local(binder, decl, bool(overrides)).instance()


class _Local(_Assembly):
    """Puts an instance together that has no network and no faults, but starts and restarts."""

    def _shared(self, infos: dict[str, Message], large: list[str], capacity: int | None) -> None:
        for name in large:
            self.vars[infos[name].var] = self._hidden(infos[name].var, Set(Union((infos[name].full,))), frozenset(), "network")

    def _discards(self) -> list[Discard]:
        return []  # a message is thrown away where it arrives: `discard` is the handler's first `require`

    def _fault_actions(self) -> list[Transition]:
        return [self._start(p) for p in self.model.processes] + [self._restart(p) for p in self.model.processes]

    def _start(self, process: str) -> Transition:
        params, me = self._self(process)
        mine = [v for v in self.vars.values() if v.process == process]
        body: list[Any] = [s for v in mine for s in self._reset(v, me)]
        return Transition(f"start {process}", params, tuple(body), process, None, "start")

    def _restart(self, process: str) -> Transition:
        params, me = self._self(process)
        lost = [v for v in self.vars.values() if v.process == process and not v.durable]
        body: list[Any] = [s for v in lost for s in self._reset(v, me)]
        again = self.b.block(self.model.processes[process].on_restart, dict(params))
        return Transition(f"restart {process}", params, (*body, *again), process, None, "restart")


__all__ = ["NotRunnable", "bind_local", "obstacles"]
