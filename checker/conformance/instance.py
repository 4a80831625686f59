"""The instance that a trace is about: the sizes that the binding says, or that are found in the trace itself.

A size may be a number, a list of names (of identities), `{ from = FIELD }` (the names that occur there, one or a list at a
time) or `{ max = FIELD, plus = N }` (the largest number there). Capacities that the spec leaves to the instance are made so
large that they reject nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from checker.conformance.binding import Binding
from checker.conformance.fields import MISSING, Reader
from checker.conformance.lines import Log
from checker.conformance.values import text_of
from checker.core import ir
from checker.core.bind import BindError, Instance, bind
from checker.core.model import Fault, InstanceDecl, Model
from checker.core.types import INT
from checker.settings import nearest

PLENTY = 1 << 30  # a capacity that nobody reaches


def instance_for(model: Model, binding: Binding, logs: list[Log], reader: Reader, name: str | None = None) -> Instance:
    """The instance that the binding describes.  Raises Mistake, BindError."""
    name = name or binding.instance
    if name is not None and name not in model.instances:
        raise binding.mistake(f"{model.name} has no instance `{name}`", name, nearest(name, model.instances))
    base = model.instances[name] if name else InstanceDecl("trace")
    sizes, names = _sizes(model, binding, logs, reader)
    decl = replace(
        base,
        sizes={k: v for k, v in base.sizes.items() if k not in sizes},
        names={k: v for k, v in base.names.items() if k not in sizes} | names,
        faults=(*base.faults, *(_fault(model, binding, f) for f in binding.faults)),
        volatile=(*base.volatile, *binding.volatile),
        durable=(*base.durable, *binding.durable),
        bound=None,
        expect=None,
    )
    try:
        return bind(replace(_roomy(model), instances={decl.name: decl}), decl.name, sizes)
    except BindError as why:
        if why.span or not sizes:
            raise
        key = next((k for k in sizes if re.search(rf"\b{k}\b", why.text)), "[sizes]")
        raise binding.mistake(why.text, key, why.hint) from None


def _roomy(model: Model) -> Model:
    """The model with a network that holds as much as there is."""
    plenty = ir.Const(INT, PLENTY)
    messages = {n: replace(m, cap=None) for n, m in model.messages.items()}
    return replace(model, network=replace(model.network, capacity=plenty), messages=messages)


def _fault(model: Model, binding: Binding, text: str) -> Fault:
    found = re.fullmatch(r"\s*(crash|stop|loss|duplication)\s*(?:\(\s*(\w+)\s*\))?\s*(?:<=\s*(\d+))?\s*", text)
    if not found or (found[1] in ("crash", "stop") and not found[2]):
        raise binding.mistake(f"`{text}` is no fault", text, "for example `crash(Server) <= 10`, or `loss`")
    known: Any = model.processes if found[1] in ("crash", "stop") else model.messages
    if found[2] and found[2] not in known:
        raise binding.mistake(f"{model.name} has no `{found[2]}`", text, nearest(found[2], known))
    return Fault(found[1], found[2], ir.Const(INT, int(found[3] or PLENTY)))


def _sizes(model: Model, binding: Binding, logs: list[Log], reader: Reader) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    sizes: dict[str, Any] = {}
    names: dict[str, tuple[str, ...]] = {}
    found = _found(binding, logs, reader)
    for key, v in binding.sizes.items():
        if key not in model.sorts and key not in model.params:
            known = [*model.sorts, *model.params]
            raise binding.mistake(f"`{key}` is no sort or parameter of {model.name}", key, nearest(key, known))
        if isinstance(v, dict):
            v = found[key]
        if key in model.sorts and isinstance(v, list):
            every = [text_of(x) for x in v]
            if v is binding.sizes[key] and (twice := [x for i, x in enumerate(every) if x in every[:i]]):
                raise binding.mistake(f"`{key}` has the name `{twice[0]}` twice", key)
            names[key] = tuple(dict.fromkeys(every)) or (f"{key}1",)
            v = len(names[key])
        elif not isinstance(v, int | bool | str):
            raise binding.mistake(f"`{key}` of [sizes] is a number, a list of names, or found in the trace", key)
        sizes[key] = v
    return sizes, names


def _found(binding: Binding, logs: list[Log], reader: Reader) -> dict[str, Any]:
    """The sizes that stand in the trace, all in one pass through it."""
    wanted: dict[str, tuple[str, list[Any]]] = {}
    for key, v in binding.sizes.items():
        if isinstance(v, dict):
            how = next((k for k in ("from", "max") if k in v), None)
            if how is None or set(v) - {how, "plus", "also"}:
                raise binding.mistake(f"the size of `{key}` is found by `from` or `max` (and `plus` or `also`)", key)
            texts = v[how] if isinstance(v[how], list) else [v[how]]
            wanted[key] = how, [reader.read(t) for t in texts]
    out: dict[str, Any] = {}
    for key, (how, _) in wanted.items():
        out[key] = dict.fromkeys(binding.sizes[key].get("also", ())) if how == "from" else 0
    for line in (line for log in logs if wanted for line in log):
        for key, (how, getters) in wanted.items():
            for x in (x for g in getters for x in _flat(g(line.data))):
                if how == "from":
                    out[key][x] = None
                elif isinstance(x, int) and x > out[key]:
                    out[key] = x
    return {k: list(out[k]) if how == "from" else out[k] + int(binding.sizes[k].get("plus", 0)) for k, (how, _) in wanted.items()}


def _flat(x: Any) -> Iterator[Any]:
    """The scalars in a field."""
    if isinstance(x, list):
        for y in x:
            yield from _flat(y)
    elif x is not MISSING and x is not None and not isinstance(x, dict):
        yield x
