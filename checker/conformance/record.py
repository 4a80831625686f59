"""Holds a record of `spectrace run` against the spec, without a binding: its lines tell everything, so each is one step to check.

The first line (`"event": "run"`) gives the sizes; every other is decoded by the spec's types and taken by the spec as a whole
(`follow`). What a line says has to be so, all of it: the step is enabled, a message that is received was sent to this node with
these fields (and over a reliable network not received before), exactly these messages leave, these variables change to these
values, the durable ones among them are persisted, the vector clock is one further. A restarted node has what was durable.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from checker.conformance.binding import Binding, Order
from checker.conformance.clauses import common
from checker.conformance.clients import Clients, Unexplained
from checker.conformance.fields import Reader
from checker.conformance.follow import Finding, Follower, NotEnabled
from checker.conformance.lines import Line, Log
from checker.conformance.order import Event, Ordering
from checker.conformance.posted import Post, Posted
from checker.conformance.reasons import obstacle
from checker.conformance.transactions import served
from checker.conformance.written import NO_VALUE, Unwritten, Written
from checker.core.bind import Instance
from checker.core.ir import base_name
from checker.core.local import bind_local
from checker.core.meaning import Fault, World
from checker.core.model import Model
from checker.core.types import Bool, Enum, Map, MapOf, Rec, Seq, Value
from checker.display import Display
from checker.engines.python.compiled import Step
from checker.engines.python.source import TooLarge
from checker.explain import Explainer
from checker.settings import Mistake
from checker.stuck import run

# What the lines about the world around the nodes tell, besides `n`, `at` and `event`.
AROUND = {
    "crash": {"node"},
    "lost": {"node", "id"},
    "duplicated": {"node", "id"},
    "partition": {"sides"},
    "heal": set[str](),
    "invoke": {"node", "client", "number", "op", "args"},
    "return": {"node", "client", "number", "result"},
}
MAYBE = {"client", "result", "node"}


class Rejected(Exception):
    """What a line says is not so.  `about`: "behaviour" | "message" | "state" | "order" | "client" | "property"."""

    def __init__(self, about: str, *reasons: str, property: str | None = None) -> None:
        super().__init__(*reasons)
        self.about, self.reasons, self.property = about, list(reasons), property


def same(a: Value, b: Value) -> bool:
    """Are they equal?  Long sequences mostly begin with what there was before."""
    if isinstance(a, tuple) and isinstance(b, tuple) and type(a) is type(b) is not Rec:
        return a is b or (len(a) == len(b) and common(a, b) == len(a))
    return a is b or bool(a == b)


@dataclass
class Node:
    """A process of the run, and where it is."""

    name: str
    process: str
    identity: Value
    running: bool = False
    clock: dict[str, int] = field(default_factory=dict)

    @property
    def party(self) -> Value:
        return self.process if self.identity is None else self.identity


def is_record(log: Log) -> bool:
    """Is it what `spectrace run` wrote?"""
    try:
        first = beginning(log)
    except Mistake:
        return False
    return first is not None and first.data.get("event") == "run" and {"spec", "sizes", "nodes"} <= first.data.keys()


def beginning(lines: Iterable[Line]) -> Line | None:
    """The first line, but for a header that somebody put before it."""
    return next((line for line in lines if not is_header(line)), None)


def is_header(line: Line) -> bool:
    return "header" in line.data and "event" not in line.data


class Replay:
    """Takes the steps of a record one by one."""

    def __init__(self, model: Model, about: Line) -> None:
        d = about.data
        if d["spec"] != model.name:
            raise Mistake(f"{about.place}: this is a run of {d['spec']}, not of {model.name}")
        instance = d.get("instance") if d.get("instance") in model.instances else None
        try:
            self.instance = bind_local(model, instance, _sizes(model, d["sizes"]))
            self.follower = Follower(self.instance, len(d["nodes"]))
        except TooLarge as why:
            raise Mistake(f"{model.place(why.node)}: {why}") from None
        self.written, self.display = Written(self.instance), Display(self.instance)
        self.nodes = {name: self._node(name, *who) for name, who in d["nodes"].items()}
        self.steps: dict[tuple[str | None, str], list[Step]] = {}
        for s in self.follower.compiled.steps:
            self.steps.setdefault((s.action.process, s.action.name), []).append(s)
        self.handlers: dict[str, set[str | None]] = {}
        for a in self.instance.actions:
            if a.receive:
                self.handlers.setdefault(a.receive.message, set()).add(a.process)
        self.contents = {
            m.name: [(n, self.written.reader(t)) for n, t in m.payload.fields] for m in self.instance.messages.values()
        }
        self.takers = {m: [(n.name, n.party) for n in self.nodes.values() if n.process in ps] for m, ps in self.handlers.items()}
        self.sent = Post(self.nodes)
        self.channels: dict[tuple[str, str], list[str]] = {}  # fifo: the ids on their way, in order
        self.keeps = self.instance.network == "set"
        self.numbers: dict[str, int] = {}
        self.clients = Clients(d.get("service"))
        self.requests: str | None = d.get("clients")  # the action that takes the requests of clients
        self.given: dict[str, tuple[int, int]] = {}  # node → the start and number of the last message that it sent
        self.simulated = d.get("at") == 0
        self.times: dict[tuple[str, Any], float] = {}
        self.counts: Counter[str] = Counter()

    def _node(self, name: str, process: str, identity: Any) -> Node:
        own = next((a for a in self.instance.actions if a.process == process), None)
        ident = dict(own.params).get("self") if own else None
        return Node(name, process, self.written.read(ident, identity) if ident else None)

    def copy(self) -> Replay:
        """Another one at the same place."""
        other = copy(self)
        other.follower = self.follower.copy()
        other.nodes = {n: replace(x) for n, x in self.nodes.items()}
        other.sent, other.numbers, other.times = self.sent.copy(), dict(self.numbers), dict(self.times)
        other.counts = self.counts.copy()
        other.clients, other.given = self.clients.copy(), dict(self.given)
        other.channels = {k: list(v) for k, v in self.channels.items()}
        return other

    def position(self) -> Any:
        """Equal for two that will take the same lines alike."""
        return (
            self.nodes,
            self.numbers,
            self.times,
            self.clients.position(),
            self.given,
            self.channels,
            self.sent,
            self.follower.state,
            self.follower.log.all,
        )

    # ── a line ──

    def line(self, e: Event) -> None:
        """Checks one line.  Raises Rejected; Mistake if it is none of a record."""
        line = e.lines[0]
        d = line.data
        if is_header(line):
            return
        if e.early:
            raise Rejected("order", e.early)
        self._numbered(line)
        self._timed(line)
        if (what := str(d.get("event"))) in AROUND:
            self._told_all(d, what)
        match what:
            case "run":
                return
            case "step" | "start" | "restart":
                self._step(d, self._known(d.get("node")))
            case "crash":
                self._known(d.get("node")).running = False  # perhaps again: while it was starting, of which there is no line then
            case "lost" | "duplicated":
                m = self._message(d.get("id"))
                if m.target != d.get("node"):
                    raise Rejected("message", f"{d['id']} is not for {d.get('node')}, but for {m.target}")
                if what == "lost" and not self.keeps:
                    raise Rejected("message", f"a {self.instance.network} network loses nothing")
            case "partition":
                self._divided(d["sides"])
            case "invoke" | "return":
                self._client(d, what)
            case _ if what not in AROUND:
                raise Rejected("behaviour", f"there is no event `{what}` in a record")
        self.counts[what] += 1

    def _told_all(self, d: dict[str, Any], what: str) -> None:
        """Such a line says just what such a line says."""
        have = d.keys() - {"n", "at", "event"}
        if more := sorted(have - AROUND[what]):
            raise Rejected("behaviour", f"`{what}` has no `{more[0]}`")
        if less := sorted(AROUND[what] - have - MAYBE):
            raise Rejected("behaviour", f"`{what}` has a `{less[0]}`")

    def _divided(self, sides: Any) -> None:
        """Each node is on one side."""
        if sorted(str(x) for side in sides for x in side) != sorted(self.nodes):
            raise Rejected("behaviour", f"the sides of a partition are all of {', '.join(self.nodes)}")

    def _client(self, d: dict[str, Any], what: str) -> None:
        """A client asks, or is answered."""
        if (d.get("client") or d.get("node")) in self.nodes:
            raise Rejected("behaviour", f"{d.get('client') or d.get('node')} is a node, and no client")
        if self.simulated and self.clients.process and what == "invoke" and not served(d["op"], d["args"]):
            # a real node is asked, and answers None to, whatever somebody sends
            raise Rejected("client", f"no client asks {d['op']} {json.dumps(d['args'])}: the store has no such operation")
        try:
            (self.clients.invoke if what == "invoke" else self.clients.returned)(d)
        except Unexplained as why:
            raise Rejected("client", str(why)) from None

    def _numbered(self, line: Line) -> None:
        """Lines are numbered one after the other, from each start of a recorder on."""
        n, before = line.data.get("n"), self.numbers.get(line.file, 0)
        if n != before + 1 and not (n == 1 and line.data.get("event") == "run"):
            raise Rejected("order", f"a line is missing: `n` is {n}, and was {before} in the line before")
        self.numbers[line.file] = before + 1 if n != 1 else 1

    def _timed(self, line: Line) -> None:
        """Time does not run backwards where one clock tells it: that of a simulation, which begins with 0, or of a node."""
        at, key = line.data.get("at"), (line.file, None if self.simulated else line.data.get("node"))
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise Rejected("order", "it does not say when (`at`)")
        if line.data.get("event") == "run":
            self.times = {k: t for k, t in self.times.items() if k[0] != line.file}
        before = self.times.get(key, at)
        if at < before:
            of = "" if self.simulated else f" of {key[1]}"
            raise Rejected("order", f"time runs backwards: it is {at}, and was {before} in the line before{of}")
        self.times[key] = at

    def _known(self, name: Any) -> Node:
        if name not in self.nodes:
            raise Rejected("behaviour", f"there is no node `{name}`: there are {', '.join(self.nodes)}")
        return self.nodes[name]

    def _step(self, d: dict[str, Any], node: Node) -> None:
        f = self.follower
        steps = self.steps.get((node.process, str(d.get("action"))), [])
        kind = steps[0].action.kind if steps else None
        if kind is None or (kind if kind in ("start", "restart") else "step") != d["event"]:
            raise Rejected("behaviour", f"{node.process} has no {d['event']} `{d.get('action')}`")
        starts = kind in ("start", "restart")
        if (kind == "start") != (node.name not in f.started):
            raise Rejected("behaviour", f"{node.name} has started before" if kind == "start" else f"{node.name} has not started")
        if not starts and not node.running:
            raise Rejected("behaviour", f"{node.name} does not run")
        if kind == "restart" and node.running and self.simulated:  # a real one may have been killed by whom nobody records
            raise Rejected("behaviour", f"{node.name} starts again, and has not crashed")
        before, own = f.state, {} if starts else f.own(node.process, node.identity)
        self._cause(d, node, kind)
        received = self._received(d.get("received"), node)
        whole = self._whole(received) if received else None
        step, messages = self._taken(steps, d, node, received, whole)
        if d["action"] == self.requests:
            self._requested(d, node, step)
        self._sends(d.get("sent"), node, messages, d)
        self._changes(d, node, own, step)
        self._clock(d, node, received, starts)
        node.running = True
        self._found(f.began(node.name, before) if kind == "start" else f.wrong(before, step, messages, whole))

    def _cause(self, d: dict[str, Any], node: Node, kind: str) -> None:
        """A step of a node's own accord is caused by a timer, or takes what a client has asked; no other says so."""
        cause, takes = d.get("cause"), d["action"] == self.requests
        if kind != "action" and cause is not None:
            raise Rejected("behaviour", f"`{d['action']}` has no `cause`")
        if kind == "action" and not takes and cause != "timer" and (self.requests is not None or cause is not None):
            raise Rejected("behaviour", f"the cause of `{d['action']}` is a timer, and not {cause}")
        if takes and not (isinstance(cause, list) and len(cause) == 2):
            raise Rejected("behaviour", f"the cause of `{d['action']}` is what a client has asked, and not {cause}")

    def _requested(self, d: dict[str, Any], node: Node, step: Step) -> None:
        """It takes the command that a client has asked."""
        t = next((t for n, t in step.action.params if base_name(n) == self.clients.param), None)
        try:
            value = self.value(t, d["params"][self.clients.param], self.clients.param) if t else None
            client, number = d["cause"]
            self.clients.taken(node.name, client, number, value)
        except Unexplained as why:
            raise Rejected("client", str(why)) from None

    def _found(self, finding: Finding | None) -> None:
        if finding:
            text = f": {finding.text}" if finding.text else " is violated after this step"
            raise Rejected("property", f"{finding.name}{text}", property=finding.name)

    def finish(self) -> None:
        """After the last line.  Raises Rejected."""
        self._found(self.follower.end())

    # ── the step itself ──

    def _taken(
        self, steps: list[Step], d: dict[str, Any], node: Node, received: Posted | None, whole: Rec | None
    ) -> tuple[Step, list[Rec]]:
        """Takes the step, by the first handler of the name that can; the messages that the spec sends."""
        reasons: list[str] = []
        for step in steps:
            a = step.action
            if (a.receive.message if a.receive else None) != (received.message if received else None):
                reasons.append(f"{a.name} receives {a.receive.message if a.receive else 'nothing'}")
                continue
            params = self._params(d.get("params"), step)
            try:
                return step, self.follower.take(step, node.identity, params, whole, self._choices(d.get("choices")))
            except NotEnabled as why:
                reasons += self._why(step, node, params, received, why)
            except Fault as fault:
                reasons.append(f"{a.name}: the spec has a fault here: {fault.text}")
        raise Rejected("behaviour", *reasons)

    def _params(self, given: Any, step: Step) -> tuple[Value, ...]:
        wanted = [(base_name(n), t) for n, t in step.action.params if n != "self"]
        if not isinstance(given, dict) or given.keys() != {n for n, _ in wanted}:
            raise Rejected("behaviour", f"{step.action.name} has the parameters {', '.join(n for n, _ in wanted) or '(none)'}")
        return tuple(self.value(t, given[n], n) for n, t in wanted)

    def _choices(self, given: Any) -> Any:
        """What is chosen, one after the other."""
        rest = iter(given if isinstance(given, list) else ())
        sites = self.follower.compiled.module.sites

        def choose(site: int) -> Value:
            at: Any = sites[site]
            pair = next(rest, None)
            if not isinstance(pair, list) or len(pair) != 2 or pair[0] != base_name(at.name):
                raise Rejected("behaviour", f"there is no choice of `{base_name(at.name)}`")
            return self.value(at.type, pair[1], pair[0])

        return choose

    def _why(self, step: Step, node: Node, params: tuple[Value, ...], received: Posted | None, why: NotEnabled) -> Iterator[str]:
        """Why a step is not enabled, with the values."""
        a = step.action
        names = [n for n, _ in a.params]
        env = dict(zip(names, (node.identity, *params) if names[:1] == ["self"] else params, strict=False))
        if a.receive and received:
            env |= dict(zip(a.receive.fields, received.payload, strict=False))
            if a.receive.sender:
                env[a.receive.sender] = self.nodes[received.source].party
        try:
            ends = [s for s in run(a.body, env, World(self.instance, self.follower.state)) if s.statement is why.site]
        except Fault:
            ends = []
        told = obstacle(Explainer(self.instance), ends[0]) if ends else f"not enabled ({self.instance.model.place(why.site)})"
        yield f"{node.name}: {a.name}: {told}"

    # ── messages ──

    def _message(self, mid: Any) -> Posted:
        m = self.sent.get(mid) if isinstance(mid, str) else None
        if m is None:
            raise Rejected("message", f"nobody has sent {mid}" + ("" if self.keeps else ", or it was received before"))
        return m

    def _received(self, d: Any, node: Node) -> Posted | None:
        """The message that a line says was received, if that is so."""
        if d is None:
            return None
        m = self._message(d.get("id"))
        was, says = (m.source, m.target, m.message, m.payload), (str(d.get("from")), node.name, *self._content(d))
        if says != was:
            sent, got = (f"{self._shown(kind, fields)} from {source} to {to}" for source, to, kind, fields in (was, says))
            raise Rejected("message", f"{d['id']} is {sent} where it was sent, but {got} here")
        if not self.keeps:
            if self.instance.network == "fifo" and (first := self.channels[m.source, m.target][0]) != d["id"]:
                raise Rejected("order", f"{first} from {m.source} comes first")
            self.sent.remove(d["id"])
            if self.instance.network == "fifo":
                self.channels[m.source, m.target].pop(0)
        return m

    def _whole(self, m: Posted) -> Rec:
        """A message as the spec has it, with whom it is for and from."""
        declared, values = self.instance.messages[m.message], m.payload
        if declared.to:
            values = *values, self.nodes[m.target].party
        if declared.sender:
            values = *values, self.nodes[m.source].party
        return Rec(m.message, values)

    def _content(self, d: dict[str, Any]) -> tuple[str, tuple[Value, ...]]:
        declared = self.instance.messages.get(str(d.get("message")))
        if declared is None:
            raise Rejected("message", f"{self.instance.model.name} has no message `{d.get('message')}`")
        try:
            return declared.name, tuple([read(d[n]) for n, read in self.contents[declared.name]])
        except NO_VALUE:  # which one?
            missing = [n for n, _ in declared.payload.fields if n not in d]
            if missing:
                raise Rejected("message", f"{declared.name} has a field `{missing[0]}`") from None
            return declared.name, tuple(self.value(t, d[n], n) for n, t in declared.payload.fields)

    def _payload(self, m: Rec) -> tuple[str, tuple[Value, ...]]:
        """A message without whom it is for and from."""
        return m.name, m.values[: len(self.contents[m.name])]

    def _sends(self, given: Any, node: Node, messages: list[Rec], d: dict[str, Any]) -> None:
        """Are the messages that left those that the spec sends?"""
        items = [x for x in given if isinstance(x, dict)] if isinstance(given, list) else []
        clock = self.sent.pack(d.get("clock")) if items else b""
        all_, told = [w for m in messages for w in self._copies(m)], [(str(x.get("to")), *self._content(x)) for x in items]
        if told != all_ and (have := Counter(told)) != (wanted := Counter(all_)):
            more = [f"the log has {self._named(w)}, which the spec does not send here" for w in have - wanted]
            less = [f"the spec sends {self._named(w)}, which the log does not have" for w in wanted - have]
            raise Rejected("message", *more, *less)
        if told != all_:
            all_ = list(map({w: w for w in all_}.__getitem__, told))  # not `told`: what the spec sends shares with its state
        for x, (target, message, payload) in zip(items, all_, strict=True):
            self._identified(x.get("id"), node)
            self.sent.add(x["id"], target, message, payload, clock)
            if self.instance.network == "fifo":
                self.channels.setdefault((node.name, target), []).append(x["id"])

    def _identified(self, mid: Any, node: Node) -> None:
        """A node numbers its messages, from each of its starts on: NODE.START.NUMBER."""
        before = self.given.get(node.name, (0, 0))
        if before[1] and mid == f"{node.name}.{before[0]}.{before[1] + 1}":
            self.given[node.name] = before[0], before[1] + 1
            return
        start, number = (int(x) if x.isdecimal() else 0 for x in (*str(mid).split(".")[-2:], "", "")[:2])
        goes_on = number == before[1] + 1 if start == before[0] else start > before[0] and number == 1
        if not goes_on or mid != f"{node.name}.{start}.{number}":
            raise Rejected(
                "message", f"{mid} is no id of the next message of {node.name}, after number {before[1]} of its start {before[0]}"
            )
        self.given[node.name] = start, number

    def _copies(self, m: Rec) -> Iterator[tuple[str, str, tuple[Value, ...]]]:
        """Who gets a message."""
        kind, fields = self._payload(m)
        to = m.values[len(fields)] if self.instance.messages[kind].to else None
        for name, party in self.takers.get(kind, ()):
            if to is None or party == to:
                yield name, kind, fields

    def _shown(self, kind: str, fields: tuple[Value, ...]) -> str:
        return self.display.message(Rec(kind, fields), ends=False)

    def _named(self, what: tuple[str, str, tuple[Value, ...]]) -> str:
        return f"{self._shown(what[1], what[2])} to {what[0]}"

    # ── variables and clocks ──

    def _changes(self, d: dict[str, Any], node: Node, before: dict[str, Value], step: Step) -> None:
        """Are the variables what they are in the spec, and all that changed there?"""
        now, state = self.follower.own(node.process, node.identity), d.get("state")
        if not isinstance(state, dict):
            raise Rejected("state", "it has no `state`")
        if more := [v for v in state if v not in now]:
            raise Rejected("state", f"{node.process} has no variable `{more[0]}`")
        changed = {v for v, x in now.items() if v not in before or (before[v] is not x and not same(before[v], x))}
        for v in sorted(changed | state.keys()):
            if v not in state:
                raise Rejected("state", f"`{v}` becomes {self._told(v, now[v])} in the spec, and the log does not say so")
            if not self._says(v, state[v], before, now[v]) and (got := self._variable(v, state[v], before)) != now[v]:
                want, told = self._told(v, now[v]), self._told(v, got)
                raise Rejected("state", f"`{v}` is {want} after the step in the spec, but {told} in the log")
        self.clients.advance(node.process, now)
        durable = sorted(v for v in changed if self.instance.vars[v].durable)
        if d.get("persisted") != durable:
            have = d.get("persisted")
            raise Rejected("state", f"{', '.join(durable) or 'nothing'} has to be persisted, and the log says {have}")

    def _told(self, name: str, v: Value) -> str:
        text = self.display.value(v, self.written.type(name))
        return text if len(text) < 400 else text[:200] + " … " + text[-190:]

    def _says(self, name: str, j: Any, before: dict[str, Value], now: Value) -> bool:
        """Does a line surely give a sequence this value, by what is new in it?  (So that a long one need not be made again.)"""
        match j:
            case {"keep": int(keep), "add": list(add)} if isinstance(now, tuple) and len(now) == keep + len(add) and len(j) == 2:
                old, t = before.get(name), self.written.type(name)
                if type(keep) is int and isinstance(old, tuple) and isinstance(t, Seq) and 0 <= keep <= common(old, now):
                    return now[keep:] == tuple(self.value(t.elem, x, name) for x in add)
        return False

    def _variable(self, name: str, j: Any, before: dict[str, Value]) -> Value:
        """The value of a variable as a line gives it; of a sequence or map perhaps only what is new."""
        t = self.written.type(name)
        if isinstance(t, MapOf) and isinstance(j, list):
            return self._changed(t, j, name, before)
        if not isinstance(t, Seq) or not isinstance(j, dict):
            return self.value(t, j, name)
        old, keep, add = before.get(name), j.get("keep"), j.get("add")
        if not (isinstance(old, tuple) and type(keep) is int and 0 <= keep <= len(old) and isinstance(add, list)):
            raise Rejected("state", f"`{name}` keeps {keep} items of {len(old) if isinstance(old, tuple) else 'no'} before")
        return old[:keep] + tuple(self.value(t.elem, x, name) for x in add)

    def _changed(self, t: MapOf, pairs: list[Any], name: str, before: dict[str, Value]) -> Value:
        """A map with some keys going elsewhere."""
        old = before.get(name)
        if not isinstance(old, Map) or not pairs or not all(isinstance(x, list) and len(x) == 2 for x in pairs):
            raise Rejected("state", f"`{name}` is a map, or its pairs that are new")
        keys = self.written.keys(t.key)
        found = [(keys.get(str(k), Map), self.value(t.val, x, name)) for k, x in pairs]
        if len(new := dict(found)) < len(pairs) or Map in new or any(old[k] == x for k, x in found):
            raise Rejected("state", f"`{name}` has something new for each key once")
        return old.among(new)

    def _clock(self, d: dict[str, Any], node: Node, received: Posted | None, starts: bool) -> None:
        """Is the vector clock that of the node, with what the message knew, one further?"""
        clock, before = d.get("clock"), node.clock
        if not isinstance(clock, dict) or type(clock.get(node.name)) is not int:
            raise Rejected("order", f"the vector clock has nothing for {node.name} itself")
        if [k for n, k in clock.items() if n not in self.nodes or type(k) is not int or not 0 < k < 1 << 63]:
            raise Rejected("order", f"the vector clock counts the steps of {', '.join(self.nodes)}")
        if starts and clock[node.name] <= before.get(node.name, 0):
            raise Rejected("order", f"the vector clock of {node.name} does not go on")
        if not starts:
            seen = received.clock if received else {}
            want = {**before, node.name: before.get(node.name, 0) + 1}
            for n, k in seen.items():
                if k > want.get(n, 0):
                    want[n] = k
            if clock != want:
                raise Rejected("order", f"the vector clock should be {dict(sorted(want.items()))}: a line is missing, or altered")
        node.clock = clock

    def value(self, t: Any, j: Any, what: str) -> Value:
        try:
            return self.written.read(t, j)
        except Unwritten as why:
            raise Rejected("state", f"`{what}`: {why}") from None


def _sizes(model: Model, given: dict[str, Any]) -> dict[str, Value]:
    """The sizes of a record: those of the sorts and parameters that this spec has."""
    words = {n for n, p in model.params.items() if isinstance(p.type, Bool | Enum)}
    known = {n: v for n, v in given.items() if n in model.sorts or n in model.params}
    return {n: int(v) if isinstance(v, str) and n not in words else v for n, v in known.items()}


@dataclass
class Validated:
    """What came of a record."""

    instance: Instance
    verdict: str = "accept"
    lines: int = 0
    steps: int = 0
    place: str = ""
    line: dict[str, Any] = field(default_factory=dict)
    rejected: Rejected | None = None
    counts: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    unchecked: list[str] = field(default_factory=list)
    served: bool = False  # was it known what answers clients should get?


def ordered(logs: Sequence[Iterable[Line]]) -> Ordering:
    """The order of the lines of a record, or of those of the nodes of a run."""
    order = Order("clock" if len(logs) > 1 else "file", clock="clock")
    found = Ordering(Binding("<record>", "", order=order), Reader())
    found.forgets = True  # whether a clock goes on is for `Replay._clock` to say
    return found


def validated(model: Model, logs: list[Log]) -> Validated:
    """Holds a record, or those of the nodes of one run, against its spec.  Raises Mistake, BindError."""
    about = beginning(logs[0])
    assert about is not None
    replay, ordering = Replay(model, about), ordered(logs)
    out = Validated(replay.instance)
    last = about
    try:
        for e in ordering.events(logs):
            last = e.lines[0]
            out.lines += 1
            replay.line(e)
            if "action" in last.data:
                out.actions[last.data["action"]] += 1
        replay.finish()
    except Rejected as why:
        out.verdict, out.rejected, out.place, out.line = "reject", why, last.place, last.data
    out.steps, out.counts = replay.follower.taken, replay.counts
    out.served = replay.clients.process is not None
    out.unchecked = [p.name for p, _ in replay.follower.compiled.skipped]
    return out
