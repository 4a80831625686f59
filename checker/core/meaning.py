"""THE definition of what a spec means: plain Python over plain values, slow and obvious.

`evaluate` gives an expression its value; `successors` runs one action of an instance in one state and yields every outcome.
The engines must agree with this file, which therefore shares nothing with them: no packing, no lowering, no cleverness.
A state is a dict from variable to value; it is never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from checker.core.ir import (
    Apply,
    Assign,
    Call,
    Check,
    Choose,
    Const,
    Expr,
    Fit,
    Fold,
    ForAll,
    If,
    IfStmt,
    Let,
    LetStmt,
    Local,
    Mapping,
    Node,
    Quant,
    Read,
    Require,
    Send,
    Sent,
    SetOf,
    Stmt,
)
from checker.core.operators import TABLE, Undefined
from checker.core.operators.logic import least_first
from checker.core.types import Bag, Map, MapOf, Rec, Sparse, Type, Value, is_vast, member, values

if TYPE_CHECKING:
    from checker.core.bind import Instance, Message, Transition

State = dict[str, Value]
Env = dict[str, Value]


class Fault(Exception):
    """A partial operation outside its domain: a spec fault at `node`."""

    def __init__(self, node: Node, text: str) -> None:
        super().__init__(text)
        self.node, self.text = node, text


@dataclass(frozen=True)
class World:
    """What an expression can look at: the instance, the state, and the state after the step (step properties)."""

    instance: Instance | None
    state: State
    after: State | None = None


NOWHERE = World(None, {})


def evaluate(e: Expr, env: Env, world: World = NOWHERE) -> Value:
    """The value of an expression.  Raises Fault."""
    match e:
        case Const():
            return e.value
        case Local():
            return env[e.name]
        case Read():
            state = world.after if e.primed else world.state
            assert state is not None
            return state[e.var]
        case Apply():
            args = [evaluate(a, env, world) for a in e.args]
            try:
                return TABLE[e.op].meaning(e, *args)
            except Undefined as why:
                raise Fault(e, str(why)) from None
        case If():
            return evaluate(e.then if evaluate(e.cond, env, world) else e.orelse, env, world)
        case Quant():
            found = [evaluate(e.body, {**env, e.name: x}, world) for x in evaluate(e.domain, env, world)]
            return all(found) if e.kind == "forall" else any(found)
        case SetOf():
            inner = [{**env, e.name: x} for x in evaluate(e.domain, env, world)]
            kept = [i for i in inner if evaluate(e.where, i, world)]
            return frozenset(evaluate(e.body, i, world) for i in kept)
        case Fold():
            inner = [{**env, e.name: x} for x in evaluate(e.domain, env, world)]
            kept = [i for i in inner if evaluate(e.where, i, world)]
            return _fold(e, [evaluate(e.body, i, world) for i in kept])
        case Mapping():
            assert isinstance(e.type, MapOf)
            if is_vast(e.type):
                from checker.core.bind import free

                if e.name not in free(e.body):
                    return Sparse(evaluate(e.body, env, world))
            return Map((k, evaluate(e.body, {**env, e.name: k}, world)) for k in values(e.type.key))
        case Let():
            return evaluate(e.body, {**env, e.name: evaluate(e.value, env, world)}, world)
        case Fit():
            return fit(e, evaluate(e.value, env, world), e.type)
        case Sent():
            return any(_matches(e, m, env, world) for m in in_network(world, e.message))
    raise AssertionError(f"not an instance-level expression: {e}")


def _fold(e: Fold, found: list[Value]) -> Value:
    if e.kind == "sum":
        return sum(found)
    if not found:
        raise Fault(e, f"{e.kind} of nothing")
    found.sort(key=least_first(e.type))
    return found[0] if e.kind == "min" else found[-1]


def fit(node: Node, value: Value, t: Type) -> Value:
    """The value as one of type t, which it must be a member of.  Raises Fault."""
    if isinstance(value, frozenset) and not value and type(t).__name__ == "BagOf":
        return Bag()
    if not member(value, t):
        raise Fault(node, f"{render(value)} does not fit{' ' + node.what if isinstance(node, Fit) and node.what else ''}")
    return value


# ── the network ──────────────────────────────────────────────────────────────────────────────────────────────────────


def in_network(world: World, name: str) -> Iterator[Rec]:
    """Every message of this name that is there now: sent ever (set) or in flight (bag, fifo)."""
    assert world.instance is not None
    m = world.instance.messages[name]
    content = world.state[m.var]
    found = (
        (x for row in content.values() for q in row.values() for x in q) if world.instance.network == "fifo" else iter(content)
    )
    return (x for x in found if x.name == name)


def _matches(e: Sent, m: Rec, env: Env, world: World) -> bool:
    assert world.instance is not None
    decl = world.instance.messages[e.message]
    wanted = [*e.args, *([e.to] if decl.to else []), *([e.sender] if decl.sender else [])]
    pairs = [(evaluate(w, env, world), got) for w, got in zip(wanted, m.values, strict=True) if w is not None]
    return all(a == b for a, b in pairs)


def _put(s: Send, world: World, m: Message, message: Rec) -> State:
    """The state with one more message in the network."""
    assert world.instance is not None
    kind, content = world.instance.network, world.state[m.var]
    if kind == "set":
        new: Value = content | {message}
    elif kind == "bag":
        new = content.add(message)
    else:
        sender, to = message.values[-1], message.values[-2]
        new = content.set(sender, content[sender].set(to, (*content[sender][to], message)))
    fit(replace_what(s), new, world.instance.vars[m.var].type)
    return {**world.state, m.var: new}


def replace_what(s: Stmt) -> Fit:
    """A node to blame for a full network."""
    from checker.core.types import BOOL

    return Fit(BOOL, Const(BOOL, True), "the capacity of the network", span=s.span)


def take(world: World, m: Message, message: Rec) -> State:
    """The state without one copy of a received message (a set network keeps it)."""
    assert world.instance is not None
    kind, content = world.instance.network, world.state[m.var]
    if kind == "set":
        return world.state
    if kind == "bag":
        return {**world.state, m.var: content.add(message, -1)}
    sender, to = message.values[-1], message.values[-2]
    return {**world.state, m.var: content.set(sender, content[sender].set(to, content[sender][to][1:]))}


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Outcome:
    """One way an action can go: the state after (None if it faults), what was chosen, what was received and sent."""

    state: State | None
    choices: tuple[tuple[str, Value], ...] = ()
    received: Rec | None = None
    sent: tuple[Rec, ...] = ()
    fault: Fault | None = None


def successors(instance: Instance, action: Transition, state: State) -> Iterator[Outcome]:
    """Every outcome of one action in one state: one for each combination of parameters, received message and choices."""
    world = World(instance, state)
    for env in _assignments(action.params):
        if action.receive is None:
            yield from _run(action.body, env, world, Outcome(state, tuple(env.items())))
            continue
        m = instance.messages[action.receive.message]
        for message in list(deliverable(world, m, env.get("self"))):
            bound = dict(zip(action.receive.fields, message.values, strict=False))
            if action.receive.sender:
                bound[action.receive.sender] = message.values[-1]
            taken = World(instance, take(world, m, message))
            yield from _run(action.body, {**env, **bound}, taken, Outcome(taken.state, tuple(env.items()), message))


def _assignments(params: tuple[tuple[str, Type], ...]) -> Iterator[Env]:
    if not params:
        yield {}
        return
    (name, t), rest = params[0], params[1:]
    for v in values(t):
        for env in _assignments(rest):
            yield {name: v, **env}


def deliverable(world: World, m: Message, receiver: Value) -> Iterator[Rec]:
    """The different messages that this receiver can take now; of a fifo channel only the first."""
    assert world.instance is not None
    if world.instance.network == "fifo":
        for row in world.state[m.var].values():
            queue = row[receiver if receiver is not None else m.receiver]
            if queue and queue[0].name == m.name:
                yield queue[0]
        return
    at = len(m.payload.fields)
    for x in in_order(list(in_network(world, m.name))):
        if not m.to or receiver is None or x.values[at] == receiver:
            yield x


def _run(body: tuple[Stmt, ...], env: Env, world: World, so_far: Outcome) -> Iterator[Outcome]:
    """Runs statements top to bottom, branching where there is a choice."""
    if not body:
        yield replace(so_far, state=world.state)
        return
    s, rest = body[0], body[1:]
    try:
        match s:
            case Require():
                branches = [(env, world, so_far)] if evaluate(s.cond, env, world) else []
            case Check():
                if not evaluate(s.cond, env, world):
                    raise Fault(s, s.fault)
                branches = [(env, world, so_far)]
            case LetStmt():
                branches = [({**env, s.name: evaluate(s.value, env, world)}, world, so_far)]
            case Assign():
                branches = [(env, replace(world, state=_assign(s, env, world)), so_far)]
            case Send():
                branches = [(env, *_send(s, env, world, so_far))]
            case IfStmt():
                rest = (s.then if evaluate(s.cond, env, world) else s.orelse) + rest
                branches = [(env, world, so_far)]
            case ForAll():
                branches = [(env, *_for_all(s, env, world, so_far))]
            case Choose():
                yield from _choose(s, rest, env, world, so_far)
                return
            case _:
                raise AssertionError(s)
    except Fault as fault:
        yield replace(so_far, state=None, fault=fault)
        return
    for e, w, o in branches:
        yield from _run(rest, e, w, o)


def _choose(s: Choose, rest: tuple[Stmt, ...], env: Env, world: World, so_far: Outcome) -> Iterator[Outcome]:
    for x in in_order(evaluate(s.domain, env, world)):
        inner = {**env, s.name: x}
        chosen = replace(so_far, choices=(*so_far.choices, (s.name, x)))
        yield from _run((Require(s.where, span=s.span), *rest), inner, world, chosen)


def _assign(s: Assign, env: Env, world: World) -> State:
    def put(old: Value, path: tuple[Any, ...], new: Value) -> Value:
        if not path:
            return new
        key = path[0] if isinstance(path[0], str) else evaluate(path[0], env, world)
        if isinstance(old, Map):
            return old.set(key, put(old[key], path[1:], new))
        if isinstance(old, Rec):
            assert world.instance is not None
            at = world.instance.records[old.name].index(key)
            return Rec(old.name, (*old.values[:at], put(old.values[at], path[1:], new), *old.values[at + 1 :]))
        if not (isinstance(key, int) and 0 <= key < len(old)):
            raise Fault(s, f"index {key} of a sequence of length {len(old)}")
        return (*old[:key], put(old[key], path[1:], new), *old[key + 1 :])

    value = evaluate(s.value, env, world)
    return {**world.state, s.var: put(world.state[s.var], s.path, value)}


def _send(s: Send, env: Env, world: World, so_far: Outcome) -> tuple[World, Outcome]:
    assert world.instance is not None
    m = world.instance.messages[s.message]
    fields = [evaluate(a, env, world) for a in s.args]
    receivers: list[Any] = [None]
    if m.to:
        receivers = [evaluate(s.to, env, world)] if s.to else list(values(m.to))
    sender = [evaluate(s.sender, env, world)] if m.sender and s.sender else []
    for r in receivers:
        message = Rec(m.name, (*fields, *([r] if m.to else []), *sender))
        world = replace(world, state=_put(s, world, m, message))
        so_far = replace(so_far, sent=(*so_far.sent, message))
    return world, so_far


def _for_all(s: ForAll, env: Env, world: World, so_far: Outcome) -> tuple[World, Outcome]:
    for x in evaluate(s.domain, env, world):
        (outcome,) = _run(s.body, {**env, s.name: x}, world, so_far)
        if outcome.fault:
            raise outcome.fault
        assert outcome.state is not None
        world, so_far = replace(world, state=outcome.state), outcome
    return world, so_far


def initial_states(instance: Instance) -> Iterator[State]:
    """Every state the instance can start in."""
    states: list[State] = [{}]
    for v in instance.vars.values():
        keys = list(values(v.type.key)) if v.keyed and isinstance(v.type, MapOf) else [None]
        cells = [_cell(instance, v.init, v.choice, {} if k is None else {"self": k}) for k in keys]
        states = [{**s, v.name: c} for s in states for c in _combine(v.keyed, keys, cells)]
    yield from states


def _cell(instance: Instance, init: Expr, choice: bool, env: Env) -> list[Value]:
    found = evaluate(init, env, World(instance, {}))
    return list(in_order(found)) if choice else [found]


def _combine(keyed: bool, keys: list[Value], cells: list[list[Value]]) -> Iterator[Value]:
    from itertools import product

    if not keyed:
        yield from cells[0]
        return
    for row in product(*cells):
        yield Map(zip(keys, row, strict=True))


def in_order(found: Any) -> Any:
    """The elements of a set in the same order in every run: Python's sets have none, and behaviours should not depend on it."""
    return sorted(found, key=render) if len(found) > 1 else found


def render(v: Value) -> str:
    """A value as the user would write it."""
    if isinstance(v, bool):
        return "true" if v else "false"
    if v is None:
        return "none"
    if isinstance(v, Rec):
        return v.name + (f"({', '.join(map(render, v.values))})" if v.values else "")
    if isinstance(v, frozenset):
        return "{" + ", ".join(sorted(map(render, v))) + "}"
    if isinstance(v, Map):
        rest = [f"else: {render(v.rest)}"] if isinstance(v, Sparse) else []
        return "{" + ", ".join([*(f"{render(k)}: {render(x)}" for k, x in v.items()), *rest]) + "}"
    if isinstance(v, Bag):
        return "{" + ", ".join(sorted(render(k) + (f" x{v[k]}" if v[k] > 1 else "") for k in v)) + "}"
    if type(v) is tuple:
        return "[" + ", ".join(map(render, v)) + "]"
    return str(v)


__all__ = ["Call", "Fault", "Outcome", "World", "evaluate", "initial_states", "render", "successors"]
