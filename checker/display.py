"""States, steps and changes in the user's own terms: display names of identities, `RM2: Prepare`, `rm_state[RM2]:
working → prepared`.

Everything that people or files get to see of a behaviour is made from these; nothing here decides a layout or a
colour. Hidden variables (the network, budgets of faults) are never shown as such: messages are shown where they are
sent and received.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from checker.core.bind import Instance, Transition, Var, statements
from checker.core.ir import Choose, Send, base_name
from checker.core.meaning import World, in_network
from checker.core.types import Bag, Id, Int, Map, MapOf, Option, Rec, Record, Sparse, Tuple, Type, Value, show
from checker.verdict import State, Step

LONG = 100  # characters, from which on a change of a set is shown as what it gained and lost


@dataclass(frozen=True)
class Change:
    """One place of the state that a step changed: `path` as the user would write it."""

    path: str
    old: str
    new: str
    short: str | None = None  # of a long set or sequence: only what came and went


class Display:
    """How the things of one instance are shown."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.names = instance.names
        self.visible = [v for v in instance.vars.values() if not v.hidden or v.name.startswith("byzantine ")]
        self.senders: dict[str, set[str | None]] = {}
        self.receivers: dict[str, set[str | None]] = {}
        for action in instance.actions:
            if action.receive:
                self.receivers.setdefault(action.receive.message, set()).add(action.process)
            for s in statements(action.body):
                if isinstance(s, Send):
                    self.senders.setdefault(s.message, set()).add(action.process)

    # values

    def value(self, v: Value, t: Type | None = None) -> str:
        """A value as the user would write it; its type tells a tuple from a sequence."""
        if isinstance(v, bool):
            return "true" if v else "false"
        if v is None:
            return "none"
        t = t.elem if isinstance(t, Option) else t
        inside = getattr(t, "elem", None)
        if isinstance(v, Id):
            return self.identity(v)
        if isinstance(v, Rec):
            return self.message(v) if v.name in self.instance.messages else self._record(v)
        if isinstance(v, frozenset):
            return "{" + ", ".join(sorted((self.value(x, inside) for x in v), key=natural)) + "}"
        if isinstance(v, Map):
            key, val = (t.key, t.val) if isinstance(t, MapOf) else (None, None)
            rest = [f"else: {self.value(v.rest, val)}"] if isinstance(v, Sparse) else []
            return "{" + ", ".join([*(f"{self.value(k, key)}: {self.value(x, val)}" for k, x in v.items()), *rest]) + "}"
        if isinstance(v, Bag):
            return (
                "{" + ", ".join(sorted((self.value(k, inside) + (f" ×{v[k]}" if v[k] > 1 else "") for k in v), key=natural)) + "}"
            )
        if isinstance(v, tuple):
            parts = t.elems if isinstance(t, Tuple) else (inside,) * len(v)
            return self._list("()" if isinstance(t, Tuple) else "[]", v, parts)
        return str(v)

    def identity(self, v: Id) -> str:
        """The display name of an identity."""
        given = self.names.get(v.sort, ())
        return given[v.index] if v.index < len(given) else f"{v.sort}{v.index + 1}"

    def _list(self, brackets: str, vs: tuple[Value, ...], ts: tuple[Type | None, ...]) -> str:
        return brackets[0] + ", ".join(map(self.value, vs, ts)) + brackets[1]

    def _record(self, r: Rec) -> str:
        t = self.instance.records.get(r.name)
        return r.name + self._list("()", r.values, tuple(f for _, f in t.fields) if t else (None,) * len(r.values))

    def message(self, m: Rec, ends: bool = True) -> str:
        """A message, with whom it is for and from."""
        decl = self.instance.messages[m.name]
        n = len(decl.payload.fields)
        text = m.name + (self._list("()", m.values[:n], tuple(t for _, t in decl.payload.fields)) if n else "")
        if not ends:
            return text
        return text + self._to(m) + self._from(m)

    def sent(self, m: Rec) -> str:
        """A message that was sent just now, with whom it is for."""
        return self.message(m, ends=False) + self._to(m)

    def _to(self, m: Rec) -> str:
        decl = self.instance.messages[m.name]
        return f" to {self._party(m.values[len(decl.payload.fields)], self.receivers.get(m.name))}" if decl.to else ""

    def _from(self, m: Rec) -> str:
        decl = self.instance.messages[m.name]
        return f" from {self._party(m.values[-1], self.senders.get(m.name))}" if decl.sender else ""

    def _party(self, v: Value, processes: set[str | None] | None) -> str:
        """One end of a message: `RM2`, `Server`, `Node 3`."""
        (process,) = processes if processes and len(processes) == 1 else (None,)
        return self.process(process, v) or self.value(v)

    # steps

    def actor(self, step: Step) -> str | None:
        """The process that takes a step: `RM2`, `TM`, `Node 3`; None for a global action."""
        return self.process(step.process, dict(step.choices).get("self"))

    def process(self, process: str | None, itself: Value) -> str | None:
        """A process, and which one of them."""
        if process is None or itself is None:
            return process if itself is None else None
        return (
            self.value(itself)
            if isinstance(itself, Id) or not isinstance(itself, int | bool)
            else f"{process} {self.value(itself)}"
        )

    def label(self, step: Step, before: State | None = None) -> str:
        """What a step is, in one line."""
        actor = self.actor(step)
        match step.kind:
            case "handler" if step.received is not None:
                return f"{actor} receives {self._received(step)}"
            case "crash":
                return f"{actor} crashes and restarts" + self._arguments(step, ())
            case "stop":
                return f"{actor} stops for good"
            case "byzantine" if step.sent and self.instance.network == "set":
                return f"Byzantine {actor} sends {self.sent(step.sent[0])}"
            case "byzantine" if self.instance.network != "set":
                return self._from_byzantine(step)
            case "loss" | "duplication":
                verb = "loses" if step.kind == "loss" else "duplicates"
                return f"the network {verb} {self._lost(step, before)}"
        text = base_name(step.action) + self._arguments(step, self._params(step))
        return f"{actor}: {text}" if actor else text

    def _received(self, step: Step) -> str:
        assert step.received is not None
        text = self.message(step.received, ends=False)
        return text + self._from(step.received) + self._arguments(step, ())

    def _from_byzantine(self, step: Step) -> str:
        """A message that a Byzantine process sends and another receives, in one step; the last parameters are its fields, and
        before them stands who sent it (if its process is not single)."""
        action, given = self.transition(step), dict(step.choices)
        _, process, name = step.action.split()
        params = [n for n, _ in action.params] if action else list(given)
        fields = self.instance.messages[name].payload.fields
        first = len(params) - len(fields)
        message = Rec(name, tuple(given[p] for p in params[first:]))
        keyed = self.instance.model.processes[process].ident is not None
        sender = self.process(process, given[params[first - 1]] if keyed else None)
        text = f"{self.actor(step)} receives {self.message(message, ends=False)} from Byzantine {sender}"
        return text + self._arguments(replace(step, choices=tuple(c for c in step.choices if c[0] not in params)), ())

    def _params(self, step: Step) -> tuple[str, ...]:
        action = self.transition(step)
        return tuple(n for n, _ in action.params if n != "self") if action else ()

    def transition(self, step: Step) -> Transition | None:
        """The transition of the instance that a step is one of."""
        return next(
            (a for a in self.instance.actions if (a.name, a.process, a.kind) == (step.action, step.process, step.kind)),
            None,
        )

    def _arguments(self, step: Step, params: tuple[str, ...]) -> str:
        """`(v1)` for the parameters, `, choosing b = 2` for the choices in the body."""
        given, types = dict(step.choices), self._choice_types(step)
        inside = "(" + ", ".join(self.value(given[p], types.get(p)) for p in params) + ")" if params else ""
        chosen = [f"{base_name(n)} = {self.value(v, types.get(n))}" for n, v in step.choices if n != "self" and n not in params]
        return inside + (f", choosing {', '.join(chosen)}" if chosen else "")

    def _choice_types(self, step: Step) -> dict[str, Type]:
        """The types of parameters and of what is chosen in the body: they tell a tuple from a sequence."""
        action = self.transition(step)
        if action is None:
            return {}
        chosen = (s for s in statements(action.body) if isinstance(s, Choose))
        return {**dict(action.params), **{s.name: s.domain.type.elem for s in chosen}}  # type: ignore[attr-defined]

    def _lost(self, step: Step, before: State | None) -> str:
        chosen = {base_name(n): v for n, v in step.choices}
        if "message" in chosen:
            return self.message(chosen["message"])
        if before is not None:
            for var in (v.name for v in self.instance.vars.values() if v.hidden == "network"):
                queue = before[var].get(chosen["sender"], {}).get(chosen["receiver"], ())
                if chosen["at"] < len(queue):
                    return self.message(queue[chosen["at"]])
        return "a message"

    # states and what changed

    def state(self, state: State) -> list[tuple[str, str]]:
        """The variables of a state with their values; a map that is the same everywhere is said once."""
        return [(_called(v), self._spread(state[v.name], v)) for v in self.visible if v.name in state]

    def hidden(self, state: State) -> list[tuple[str, str]]:
        """What a state has beside the variables: what is in the network, and the faults that were used up."""
        world = World(self.instance, state)
        found = sorted((self._copies(m, state) for name in self.instance.messages for m in in_network(world, name)), key=natural)
        network = [("in the network", ", ".join(found) or "nothing")] if self.instance.messages else []
        faults = [
            (v.name, self.value(state[v.name], v.type))
            for v in self.instance.vars.values()
            if v.hidden == "fault" and v not in self.visible
        ]
        return network + faults

    def _copies(self, m: Rec, state: State) -> str:
        """A message in the network, with how often it is there."""
        content = state[self.instance.messages[m.name].var]
        n = content[m] if isinstance(content, Bag) else 1
        return self.message(m) + (f" ×{n}" if n > 1 else "")

    def _spread(self, v: Value, var: Var) -> str:
        t = var.type
        if isinstance(v, Map) and isinstance(t, MapOf) and (len(v) > 1 or isinstance(v, Sparse)) and len(v.image()) == 1:
            return f"{self.value(next(iter(v.image())), t.val)} (for each {self._keys(var.name, t)})"
        return self.value(v, t)

    def _keys(self, name: str, t: MapOf) -> str:
        """The type of the keys of a variable, by its declared name if it has one."""
        declared = self.instance.model.vars.get(name)
        key = declared.type.key if declared is not None and isinstance(declared.type, MapOf) else None
        return key.name if isinstance(key, Int) and key.name else show(t.key)

    def changes(self, old: State, new: State) -> list[Change]:
        """What differs between two states, as deep as it can be said."""
        return [c for v in self.visible for c in self._changes(v.name, old[v.name], new[v.name], v.type)]

    def _changes(self, path: str, old: Value, new: Value, t: Type | None) -> Iterator[Change]:
        """The differences of two values: inside maps and records, else as a whole."""
        if old == new:
            return
        if isinstance(t, MapOf):
            for k in old if not isinstance(old, Sparse) else dict.fromkeys((*old, *new)):
                yield from self._changes(f"{path}[{self.value(k, t.key)}]", old[k], new[k], t.val)
        elif isinstance(t, Record) and len(t.fields) > 1:
            for (name, inner), a, b in zip(t.fields, old.values, new.values, strict=True):
                yield from self._changes(f"{path}.{name}", a, b, inner)
        else:
            was, now = self.value(old, t), self.value(new, t)
            yield Change(path, was, now, self._difference(old, new, t) if len(was) + len(now) > LONG else None)

    def _difference(self, old: Value, new: Value, t: Type | None) -> str | None:
        """Of two sets what only one of them has, of a sequence what was appended."""
        inside = getattr(t, "elem", None)
        if isinstance(old, frozenset) and isinstance(new, frozenset):
            parts = [(word, a - b) for word, a, b in (("loses", old, new), ("gains", new, old)) if a - b]
            return ", ".join(f"{word} " + ", ".join(sorted((self.value(x, inside) for x in d), key=natural)) for word, d in parts)
        if type(old) is tuple and type(new) is tuple and new[: len(old)] == old and not isinstance(t, Tuple):
            return "appends " + ", ".join(self.value(x, inside) for x in new[len(old) :])
        return None


def _called(v: Var) -> str:
    """`byzantine(General)`, as properties call it; other variables by their names."""
    return "byzantine({})".format(v.name.removeprefix("byzantine ")) if v.hidden else v.name


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which RM10 comes after RM9."""
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", text) if p)
