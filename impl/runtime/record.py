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
items and some more, and of a map, `[[key, value], ...]` what is new.

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
from checker.core.types import Bool, Enum, Int, Map, MapOf, Option, Record, Seq, Set, Sort, Type, Value
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
Writer = Callable[[Any], str]


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
        self.messages = {m.name: self._content(m.name, m.payload.fields) for m in plan.nodes.instance.messages.values()}
        own = plan.nodes.instance.vars.items()
        self.types = {n: v.type.val if v.keyed and isinstance(v.type, MapOf) else v.type for n, v in own}
        self.variables = {n: self.values.written(t, f'"{n}":') for n, t in self.types.items()}
        self.grown = {n: self._grown(n, t) for n, t in self.types.items() if isinstance(t, Seq | MapOf)}
        self.told: dict[str, dict[str, Any]] = {}  # the sequences and maps of each node as they were last
        self.heads: dict[tuple[str, int], tuple[str, bool, bool, bool]] = {}
        self.params: dict[int, Writer] = {}
        self.clocks: dict[tuple[str, ...], Writer] = {}
        self.lists: Known = Known(lambda names: text(sorted(names)))
        self.contents: dict[int, tuple[Any, str]] = {}  # by the identity of the fields, which are kept

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
        self.pending.append(
            (at, text({k: v for k, v in given.items() if v is not None} if None in given.values() else given)[1:-1])
        )

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
        head, own, first, chooses = self.heads.get((r.node, id(r.action))) or self._head(r)
        if first:
            self.told[r.node] = {}
        if r.params or chooses:
            params = self._params(r) if r.params else ""
            choices = text([[base_name(n), self.values.plain.value(v)] for n, v in r.choices]) if r.choices else "[]"
            head = f'{head}"params":{{{params}}},"choices":{choices},'
        else:
            head = f'{head}"params":{{}},"choices":[],'
        written, sent, fields = self.contents.get, "", None
        if e := r.received:
            fields, content = written(id(e.fields)) or self._written(e)
            head = f'{head}"received":{{"id":"{e.id}","from":"{e.source}",{content}}},'
        elif own:
            head = f'{head}"cause":{text(r.request) if r.request else TIMER},'
        for e in r.send:
            if e.fields is not fields or not fields:  # a message to all is made once
                fields, content = written(id(e.fields)) or self._written(e)
            sent = f'{sent}{"," if sent else ""}{{"id":"{e.id}","to":"{e.target}",{content}}}'
        persisted = self.lists[tuple(r.persist)] if r.persist else "[]"
        clock = (self.clocks.get(tuple(r.clock)) or self._clock(r.clock))(r.clock.values())
        state, told, variables, grown = "", self.told[r.node], self.variables, self.grown
        for v, x in (r.state if self.whole else r.changed).items():
            one = grown[v](told, x) if v in grown else variables[v](x)
            state = f"{state},{one}" if state else one
        return (
            f'{{"n":{n},"at":{self.at},{head}"sent":[{sent}],"persisted":{persisted},"clock":{{{clock}}},"state":{{{state}}}}}\n'
        )

    def _head(self, r: Ready) -> tuple[str, bool, bool, bool]:
        """How the lines of an action of a node begin; is it of its own accord; is everything to be told; does it choose?"""
        a = r.action.action
        kind = a.kind if a.kind in ("start", "restart") else "step"
        head = text({"node": r.node, "event": kind, "action": a.name})[1:-1] + ","
        found = head, a.kind == "action", self.whole or kind != "step", r.action.chooses
        self.heads[r.node, id(r.action)] = found  # the actions live with the plan
        return found

    def _params(self, r: Ready) -> str:
        known = self.params.get(id(r.action))
        if known is None:
            known = self.params[id(r.action)] = self.values.fields(r.action.params)
        return known(r.params)

    def _clock(self, clock: dict[str, int]) -> Writer:
        """What writes the counts of vector clocks with these nodes, in this order."""
        found = self.clocks[tuple(clock)] = self.values.fields([(n, Int(0, None)) for n in clock])
        return found

    def _content(self, name: str, fields: Sequence[tuple[str, Type]]) -> Callable[[tuple[Value, ...]], str]:
        return self.values.fields(fields, f'"message":"{name}"{"," if fields else ""}')

    def _written(self, e: Envelope) -> tuple[Any, str]:
        """The kind of a message and its fields."""
        found = e.fields, self.messages[e.message](e.fields)
        if len(self.contents) >= LATELY:
            self.contents.clear()
        if e.fields:
            self.contents[id(e.fields)] = found
        return found

    def _grown(self, name: str, t: Seq | MapOf) -> Callable[[dict[str, Any], Any], str]:
        """What writes a sequence or map and its name: of one that was told before what is new, if that is not more than half."""
        write, whole = self.values.news(t), self.variables[name]

        def of_map(told: dict[str, Any], v: Map) -> str:
            old, told[name] = told.get(name), v
            pairs = [pair for pair in v.new(old) if pair[1] != old[pair[0]]] if old else ()
            return f'"{name}":[{",".join(map(write, pairs))}]' if pairs and 2 * len(pairs) <= len(v) else whole(v)

        def of_sequence(told: dict[str, Any], v: tuple[Any, ...]) -> str:
            old, told[name] = told.get(name, ()), v
            keep = common(old, v)
            return f'"{name}":{{"keep":{keep},"add":{write(v[keep:])}}}' if 2 * keep > len(v) else whole(v)

        return of_sequence if isinstance(t, Seq) else of_map


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
        self.space: dict[str, Any] = {"COMMA": ",".join}
        self.names = 0

    def written(self, t: Type, label: str = "") -> Writer:
        """What writes a value of a type, after a label."""
        pattern, form = self._form(t)
        return self._function(pattern, f"f'{label.translate(PLAIN)}{form}'")

    def news(self, t: Seq | MapOf) -> Writer:
        """What writes a part of a sequence, or a pair of a map."""
        if isinstance(t, Seq):
            return self.written(t)
        keys = self._put(Known(lambda k: text(self.plain.display.value(k))))
        pattern, form = self._form(t.val)
        return self._function(f"k, {pattern}", f"f'[{{{keys}[k]}},{form}]'")

    def fields(self, fields: Sequence[tuple[str, Type]], label: str = "") -> Writer:
        """What writes the values of named fields, after a label, without braces."""
        pattern, form = self._fields(fields)
        return self._function(pattern, f"f'{label.translate(PLAIN)}{form}'")

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
            case Sort():
                return self._put(Known(lambda v: text(plain.display.identity(v)))) + "[@]"
            case Option(e):
                return f'("null" if @ is None else {self._put(self.written(e))}(@))'
            case Seq(e, _):
                pattern, form = self._form(e)
                return self._put(self._function("v", f"'[' + COMMA([f'{form}' for {pattern} in v]) + ']'")) + "(@)"
            case MapOf(_, e):
                pattern, form = self._form(e)
                keys = self._put(Known(lambda k: text(plain.display.value(k))))
                each = f"[f'{{{keys}[k]}}:{form}' for k, {pattern} in v.items()]"
                return self._put(self._function("v", f"'{{' + COMMA({each}) + '}}'")) + "(@)"
            case Set(e, _):
                place, one = Known(lambda x: natural(plain.display.value(x))), self.written(e)

                def made(v: frozenset[Any]) -> str:
                    return f"[{','.join([one(x) for x in sorted(v, key=place.__getitem__)])}]"

                known = Known(made)
                return self._put(lambda v: known[v] if len(v) <= SMALL else made(v)) + "(@)"
        return self._put(lambda v: text(plain.value(v))) + "(@)"

    def _function(self, pattern: str, result: str) -> Writer:
        name = self._name("f")
        exec(f"def {name}(given):\n    {pattern} = given\n    return {result}\n", self.space)
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
