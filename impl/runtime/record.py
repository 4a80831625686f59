"""What a run did, one JSON object a line (NDJSON), in the order in which it was done.

    {"n": 1, "at": 0.0, "event": "run", "spec": "paxos", "instance": "small", "sizes": {"Acceptor": 3, ...}, "names": {},
     "network": "set", "nodes": {"Acceptor1": ["Acceptor", "Acceptor1"], "Proposer-0": ["Proposer", 0], ...}}
    {"n": 7, "at": 0.041213, "node": "Acceptor1", "event": "step", "action": "on Prepare", "params": {}, "choices": [],
     "received": {"id": "Proposer-0.1.1", "from": "Proposer-0", "message": "Prepare", "bal": 0},
     "sent": [{"id": "Acceptor1.1.1", "to": "Proposer-0", "message": "Promise", "acc": "Acceptor1", ...}],
     "persisted": ["promised"], "clock": {"Acceptor1": 2, "Proposer-0": 2}, "state": {"promised": 0}}

The first line says of which run it is: what `checker/conformance/record.py` has to know to hold the record against the spec.
Numbers of more than 63 bits are texts there.  `choices` are [name, value], in order.
`event` is "step" (also "start" and "restart"), "crash", "lost", "duplicated", "partition" or "heal", "invoke" or "return".
A step of a node's own accord has a `cause`: "timer", or the request of a client, [client, number]; the first line says which
action takes such requests (`clients`) and where those are that were executed (`service`).  `at` is in seconds
of the run's clock; `clock` the vector clock after the step; `state` what changed, or everything.
Values are plain JSON: identities by their names, sets as sorted lists, maps as objects.  A line
costs what happened, not what there is: of a sequence that a node has told before, `{"keep": n, "add": [...]}` are its first n
items and some more, and of a map, `[[key, value], ...]` what is new.  A map with a vast range of keys has those that go elsewhere
than most, and "else".

Recording must cost little beside what it records.  So steps are kept as they are and written some at a time, while what that
takes is in the caches; what is the same for many lines is a text made once, a value is written by a function that is compiled for
its type, and the content of a message once for all who get it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from checker.core.ir import base_name
from checker.core.sequences import common
from checker.core.types import (
    MANY,
    REST,
    Bool,
    Enum,
    Int,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Sort,
    Type,
    Value,
    card,
    is_vast,
)
from checker.display import natural
from checker.trace import Itf, Plain
from impl.runtime.core import Envelope, Ready
from impl.runtime.plan import Plan

ENCODER = msgspec.json.Encoder()
WRITTEN = 10_000  # so many identities and the like are kept as texts
SMALL = 8  # sets of so many elements are, too
LATELY = 256  # and so many contents of messages
PENDING = 32  # so many steps are written at a time: what they are made of is in the caches still
TIMER = '"timer"'
PLAIN = str.maketrans({"{": "{{", "}": "}}", "'": "\\'", "\\": "\\\\"})  # for the fixed parts of an f-string
COMMA = ",".join
Writer = Callable[[Any], str]
Kind = tuple[str, bool, bool, str, dict[str, Any]]


def text(data: Any) -> str:
    """As JSON."""
    return ENCODER.encode(data).decode()


class Recorder:
    """Writes the lines of a run to `write`, some at a time, the last by `flush`.  `whole`: every variable of the node after each
    step, not only what changed."""

    def __init__(self, plan: Plan, write: Callable[[bytes], Any], whole: bool = False) -> None:
        self.plan, self.write, self.whole = plan, write, whole
        self.n, self.last, self.at = 0, -1.0, "0.000000"
        self.pending: list[tuple[float, Ready | str]] = []
        self.values = Texts(Plain(plan.nodes.instance))
        self.messages = {m.name: self.values.message(m.name, m.payload.fields) for m in plan.nodes.instance.messages.values()}
        self.params = {id(a): self.values.fields(a.params) for a in plan.nodes.actions if a.params}
        own = plan.nodes.instance.vars.items()
        types = {n: v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type for n, v in own}
        self.variables = {n: self.values.variable(n, t) for n, t in types.items()}
        self.told: dict[str, dict[str, Any]] = {n: {} for n in plan.addresses}  # sequences and maps as they were last
        self.kinds: dict[tuple[Any, ...], Kind] = {}
        self.contents: dict[int, tuple[str, str, Any]] = {}  # by the identity of the fields, which are kept

    def begin(self, at: float) -> None:
        """The line about the run."""
        i, service = self.plan.nodes.instance, self.plan.protocol.service
        sizes = {n: str(v) if type(v) is int and v.bit_length() > 63 else v for n, v in i.sizes.items()}
        nodes = {a.name: [a.process, self.values.plain.value(a.identity)] for a in self.plan.addresses.values()}
        about = {"spec": i.model.name, "instance": i.name, "sizes": sizes, "names": i.names, "network": i.network, "nodes": nodes}
        served = service.about(self.plan.nodes.processes.values()) if service else None
        self.line(at, None, "run", **about, clients=service.action if service else None, service=served)

    def line(self, at: float, node: str | None, event: str, **more: Any) -> None:
        given = {"node": node, "event": event, **more}
        if node is None or None in more.values():
            given = {k: v for k, v in given.items() if v is not None}
        self.pending.append((at, text(given)[1:-1]))

    def step(self, at: float, r: Ready) -> None:
        """One atomic step of a node."""
        self.pending.append((at, r))
        if len(self.pending) >= PENDING:
            self.flush()

    def flush(self) -> None:
        """Writes what has happened by now."""
        lines = []
        for n, (at, what) in enumerate(self.pending, self.n + 1):
            if at > self.last:  # clocks of machines are set back now and then
                self.last, self.at = at, f"{at:.6f}"
            lines.append(f'{{"n":{n},"at":{self.at},{what}}}\n' if type(what) is str else self._step(n, what))  # type: ignore[arg-type]
        self.n += len(lines)
        self.pending.clear()
        if lines:
            self.write("".join(lines).encode())

    def _step(self, n: int, r: Ready) -> str:
        kind = r.node, id(r.action), *r.persist
        head, special, own, persisted, told = self.kinds.get(kind) or self._kind(kind, r)
        if special:
            head += self._special(r, told)
        if e := r.received:
            known = self.contents.get(id(e.fields))
            content = known[1] if known and known[0] == e.message else self._content(e)
            head = f'{head}"received":{{"id":"{e.id}","from":"{e.source}",{content}}},'
        elif own:
            head = f'{head}"cause":{text(r.request) if r.request else TIMER},'
        sent, fields, message = [], None, None
        for e in r.send:
            if e.fields is not fields or e.message != message:  # a message to all is made once
                fields, message = e.fields, e.message
                known = self.contents.get(id(fields))
                content = known[1] if known and known[0] == message else self._content(e)
            sent.append(f'{{"id":"{e.id}","to":"{e.target}",{content}}}')
        state, variables = "", self.variables
        for v, x in (r.state if self.whole else r.changed).items():
            state = f"{state},{variables[v](told, x)}" if state else variables[v](told, x)
        return (
            f'{{"n":{n},"at":{self.at},{head}"sent":[{COMMA(sent)}],"persisted":{persisted},"clock":{text(r.clock)},'
            f'"state":{{{state}}}}}\n'
        )

    def _kind(self, kind: tuple[Any, ...], r: Ready) -> Kind:
        """What the lines of an action of a node have in common where the same is persisted."""
        a = r.action.action
        event = a.kind if a.kind in ("start", "restart") else "step"
        head = text({"node": r.node, "event": event, "action": a.name})[1:-1] + ","
        special = self.whole or event != "step" or r.action.chooses or bool(r.params)
        if not special:
            head += '"params":{},"choices":[],'
        elif r.params and id(r.action) not in self.params:
            self.params[id(r.action)] = self.values.fields(r.action.params)
        found = self.kinds[kind] = head, special, a.kind == "action", text(sorted(r.persist)), self.told[r.node]
        return found  # the actions live with the plan

    def _special(self, r: Ready, told: dict[str, Any]) -> str:
        """Parameters and choices; where a node starts, everything is told."""
        if self.whole or r.action.action.kind in ("start", "restart"):
            told.clear()
        params = self.params[id(r.action)](r.params) if r.params else ""
        choices = text([[base_name(n), self.values.plain.value(v)] for n, v in r.choices]) if r.choices else "[]"
        return f'"params":{{{params}}},"choices":{choices},'

    def _content(self, e: Envelope) -> str:
        """The kind of a message and its fields."""
        found = self.messages[e.message](e.fields)
        if len(self.contents) >= LATELY:
            self.contents.clear()
        self.contents[id(e.fields)] = e.message, found, e.fields
        return found


class Known(dict[Any, Any]):
    """What is made once of each value, and again when there were too many."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make

    def __missing__(self, v: Any) -> Any:
        if len(self) >= WRITTEN:
            self.clear()
        self[v] = found = self.make(v)
        return found


class Texts:
    """Values as JSON, by functions that are written and compiled once for each type, as dataclasses are made.  Records are taken
    apart where they stand: a value is a pattern of names, and its text one format of them."""

    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        self.known: dict[Type, str] = {}
        self.space: dict[str, Any] = {"COMMA": COMMA, "COMMON": common}
        self.names = 0

    def written(self, t: Type) -> Writer:
        """What writes a value of a type."""
        pattern, form = self._form(t)
        return self._function(pattern, f"f'{form}'")

    def fields(self, fields: Sequence[tuple[str, Type]], label: str = "") -> Writer:
        """What writes the values of named fields, after a label, without braces."""
        pattern, form = self._fields(fields)
        return self._function(pattern, f"f'{label.translate(PLAIN)}{form}'")

    def message(self, name: str, fields: Sequence[tuple[str, Type]]) -> Writer:
        """What writes the kind of a message and its fields."""
        return self.fields(fields, f'"message":"{name}"{"," if fields else ""}')

    def variable(self, name: str, t: Type) -> Callable[[dict[str, Any], Any], str]:
        """What writes a variable and its name: of a sequence or map that was told before what is new, if that is not more than
        half."""
        name, label = repr(name), f'"{name}":'.translate(PLAIN)
        pattern, form = self._form(t)
        if not isinstance(t, Seq | MapOf):
            return self._define("told, given", f"{pattern} = given", f"return f'{label}{form}'")
        before = f"old, told[{name}] = told.get({name}), {pattern}", "if old:"
        return self._define("told, " + pattern, *before, *self._news(t, label, pattern), f"return f'{label}{form}'")

    def _news(self, t: Seq | MapOf, label: str, v: str) -> Sequence[str]:
        """Gives what is new in `v`, which was `old` before."""
        if isinstance(t, Seq):
            pattern, form = self._form(t.elem)
            new = f"add = COMMA([f'{form}' for {pattern} in {v}[keep:]])"
            told = f"""return f'{label}{{{{"keep":{{keep}},"add":[{{add}}]}}}}'"""
            return f" keep = COMMON(old, {v})", f" if 2 * keep > len({v}):", f"  {new}", f"  {told}"
        keys, (pattern, form) = self._keys(), self._form(t.val)
        pairs = f"{v}.items()" if card(t.key) < MANY else f"{v}.new(old)"
        each = f"for k, x in {pairs} if x is not old[k] and x != old[k] for {pattern} in (x,)"
        new = f"add = [f'[{{{keys}[k]}},{form}]' {each}]"
        return f" {new}", f" if add and 2 * len(add) <= len({v}):", f"  return f'{label}[{{COMMA(add)}}]'"

    def _keys(self) -> str:
        return self._put(Known(lambda k: text(self.plain.display.value(k))))

    def _form(self, t: Type) -> tuple[str, str]:
        """A value as a pattern of names, and what stands for it in a format."""
        match t:
            case Int():
                name = self._name("v")
                return name, f"{{{name}}}"
            case Record(_, fields):
                pattern, form = self._fields(fields)
                return f"(_, {pattern})", f"{{{{{form}}}}}"
        if t not in self.known:
            self.known[t] = self._made(t)
        name = self._name("v")
        return name, "{" + self.known[t].replace("@", name) + "}"

    def _fields(self, fields: Sequence[tuple[str, Type]]) -> tuple[str, str]:
        forms = [(n, *self._form(t)) for n, t in fields]
        return "[" + ", ".join(p for _, p, _ in forms) + "]", ",".join(f'"{n}":{form}' for n, _, form in forms)

    def _made(self, t: Type) -> str:
        """An expression for the text of `@`."""
        plain = self.plain
        match t:
            case Bool():
                return self._put({False: "false", True: "true"}) + "[@]"
            case Enum(_, members):
                return self._put({m: text(m) for m in members}) + "[@]"
            case Sort(name, _):
                named = plain.instance.names.get(name)
                known = Known(lambda v: text(plain.display.identity(v)) if named else f'"{name}{v.index + 1}"')
                return self._put(known) + "[@]"
            case Option(e):
                return f'("null" if @ is None else {self._put(self.written(e))}(@))'
            case Seq(e, _):
                pattern, form = self._form(e)
                return self._put(self._function("v", f"'[' + COMMA([f'{form}' for {pattern} in v]) + ']'")) + "(@)"
            case MapOf(_, e):
                pattern, form = self._form(e)
                each = f"[f'{{{self._keys()}[k]}}:{form}' for k, {pattern} in v.items()]"
                if is_vast(t):
                    rest, listed = self.written(e), self._function("v", f"COMMA({each})")
                    return self._put(lambda v: f'{{"{REST}":{rest(v.rest)}{"," if v else ""}{listed(v)}}}') + "(@)"
                return self._put(self._function("v", f"'{{' + COMMA({each}) + '}}'")) + "(@)"
            case Set(e, _):
                place, one = Known(lambda x: natural(plain.display.value(x))), self.written(e)

                def made(v: frozenset[Any]) -> str:
                    return f"[{','.join([one(x) for x in sorted(v, key=place.__getitem__)])}]"

                known = Known(made)
                return self._put(lambda v: known[v] if len(v) <= SMALL else made(v)) + "(@)"
        return self._put(lambda v: text(plain.value(v))) + "(@)"

    def _function(self, pattern: str, result: str) -> Writer:
        return self._define("given", f"{pattern} = given", f"return {result}")

    def _define(self, given: str, *lines: str) -> Callable[..., str]:
        name = self._name("f")
        exec("\n ".join([f"def {name}({given}):", *lines]), self.space)
        return self.space[name]  # type: ignore[no-any-return]

    def _put(self, what: Any) -> str:
        name = self._name("w")
        self.space[name] = what
        return name

    def _name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"


class States:
    """The states of the whole along a run, as ITF: what the spec that follows it has after each step, without the network."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.itf = plan, Itf(plan.nodes.instance)
        self.types = {n: v.type for n, v in plan.nodes.instance.vars.items() if not v.hidden}
        self.states: list[dict[str, Any]] = []

    def step(self, r: Ready, state: dict[str, Value]) -> None:
        """A node has taken a step.  Those with which nodes start all lead to the initial state."""
        starts = r.action.action.kind == "start"
        if starts and len(self.states) > 1:
            return
        n = 0 if starts else len(self.states)
        meta = {"index": n, **({} if starts else {"action": r.name, "label": f"{r.node}: {r.name}"})}
        self.states[n:] = [{"#meta": meta, **{v: self.itf.encode(t, state[v]) for v, t in self.types.items()}}]

    def data(self) -> dict[str, Any]:
        model = self.plan.nodes.instance.model
        meta = {"format": "ITF", "source": model.source.name, "spec": model.name, "instance": self.plan.nodes.instance.name}
        return {"#meta": meta, "params": [], "vars": list(self.types), "states": self.states}
