"""Actions of a model → ways they can go, over sorts without a size: what must hold, and what the state is then.

Parameters, the message and every choice are constants of their own.  Crashes take place any number of times; what only loses
steps (a process that stops, a bound) is left out, and so is proved about as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import z3

from checker.core.ir import Apply, Assign, Call, Choose, Expr, ForAll, IfStmt, LetStmt, Local, Node, Read, Require, Send, Stmt
from checker.core.model import Action, InstanceDecl, Model, VarDecl
from checker.core.typed import reads
from checker.core.types import MapOf, Record, Seq, Set, Type
from checker.engines.smt.unbounded import sequences
from checker.engines.smt.unbounded.expr import Env, Expressions, Theory
from checker.engines.smt.unbounded.formula import (
    FALSE,
    TRUE,
    F,
    all_of,
    both,
    either,
    implies,
    is_false,
    is_true,
    negation,
    same,
    unknown,
)
from checker.engines.smt.unbounded.removal import Kind, Thrown
from checker.engines.smt.unbounded.state import Net, Pattern
from checker.engines.smt.unbounded.values import Members, Parts, Refused, Sequence, Table, Term, Value


@dataclass(frozen=True)
class Way:
    """A run so far.  `guards`: under which it goes this way; `chosen`: its parameters and choices."""

    guards: tuple[F, ...]
    state: dict[str, Value]
    net: Net
    env: Env
    chosen: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Each:
    """The elements that a `for` goes over.  `when`: for which of them a statement is run; `env`: what names stand for then."""

    name: str
    type: Type
    when: Callable[[Value], F]
    env: Callable[[Value], Env]

    def where(self, also: Callable[[Value], F]) -> Each:
        return replace(self, when=lambda k: both(self.when(k), also(k)))


@dataclass(frozen=True)
class Step(Node):
    """An action of the model, a crash of `process`, or something that befalls one of the `messages`: it is lost, or doubled."""

    name: str
    action: Action | None
    process: str | None = None
    messages: tuple[str, ...] = ()
    lost: bool = False


def steps(model: Model, decl: InstanceDecl) -> list[Step]:
    """Everything that can happen."""
    out = [Step(a.name, a, a.process, span=a.span) for a in model.actions]
    for f in decl.faults:
        if f.kind == "crash":
            out.append(Step(f"crash {f.target}", None, f.target, span=f.span))
        elif f.kind in ("loss", "duplication"):
            name = f"{f.kind} of {f.target}" if f.target else f.kind
            which = (f.target,) if f.target else tuple(model.messages)
            out.append(Step(name, None, None, which, f.kind == "loss", span=f.span))
        elif f.kind != "stop":
            raise Refused(f"the fault {f.kind}", "it can be looked at in an instance only", f)
    return out


@dataclass
class Runner:
    """Runs actions.  `faults`: the conditions under which they run into a spec fault."""

    w: Theory
    model: Model
    decl: InstanceDecl
    state: dict[str, Value]
    net: Net

    def __post_init__(self) -> None:
        self.thrown = Thrown(self.model)

    def ways(self, step: Step) -> tuple[list[Way], list[Way]]:
        """How it can go, and how it can run into a spec fault."""
        self.faults: list[Way] = []
        if step.messages:
            ends = self._befalls(step)
        else:
            ends = self._crash(step) if step.action is None else self._action(step.action)
        return [self.thrown.after(self, step, w) for w in ends], self.faults

    def _action(self, a: Action) -> Iterator[Way]:
        params = [*self._self(a.process), *a.params]
        for way in self._with(Way((), self.state, self.net, {}), params):
            if a.receive is None:
                yield from self.run(a.body, way)
                continue
            for got in self._received(a, way):
                yield from self.run(a.body, got)

    def _self(self, process: str | None) -> list[tuple[str, Type]]:
        ident = self.model.processes[process].ident if process else None
        return [("self", ident)] if ident is not None else []

    def _with(self, way: Way, params: list[tuple[str, Type]]) -> Iterator[Way]:
        """A constant for every parameter."""
        if not params:
            yield way
            return
        (name, t), rest = params[0], params[1:]
        for _, sorts, make in self.w.alternatives(t):
            xs = [unknown(s, name.split("#")[0]) for s in sorts]
            v = make(xs)
            grown = replace(way, env={**way.env, name: v}, guards=_add(way.guards, self.w.fits(t, v)), chosen=(*way.chosen, *xs))
            yield from self._with(grown, rest)

    def _received(self, a: Action, way: Way) -> Iterator[Way]:
        """A message that was sent, to this receiver."""
        r = a.receive
        assert r is not None
        d = self.model.messages[r.message]
        fields = self.w.relations.fields(r.message)
        names = [*r.fields, *(["self"] if d.to else []), *([r.sender or "from#message"] if d.sender else [])]
        asked = [(n, t) for n, (_, t) in zip(names, fields, strict=True) if n != "self"]
        for got in self._with(way, asked):
            me = got.env.get("self")
            vs = [got.env.get(n, me) for n in names]
            got = replace(got, guards=_add(got.guards, self._in(r.message, vs)))
            yield got
            if self.model.network.kind != "set":
                yield self._without(r.message, vs, got)

    def _without(self, message: str, vs: list[Value], way: Way) -> Way:
        """What follows if it was the last copy."""
        kind = Kind(self.w, message)
        return replace(way, net=kind.without(way.net, kind.is_one(vs)))

    def _befalls(self, step: Step) -> Iterator[Way]:
        """A message is lost, or doubled."""
        for m in step.messages:
            asked = [(f"{n}#fault", t) for n, t in self.w.relations.fields(m)]
            for got in self._with(Way((), self.state, self.net, {}), asked):
                vs = [got.env[n] for n, _ in asked]
                got = replace(got, guards=_add(got.guards, self._in(m, vs)))
                yield got
                if step.lost:
                    yield self._without(m, vs, got)

    def _in(self, message: str, vs: list[Value]) -> F:
        """A message of these fields is in the network."""
        tags: list[str] = []
        xs: list[Value] = []
        conds = []
        for v, (_, t) in zip(vs, self.w.relations.fields(message), strict=True):
            if v is None:
                tags.append("_")
                continue
            cases = [c for c in self.w.scalars(t, v) if not is_false(c[0])]
            conds.append(cases[0][0])
            tags.append(cases[0][1])
            xs += cases[0][2]
        found: F = self.w.within_all(xs, lambda ts: self.net(message, tuple(tags), ts))
        return both(all_of(conds), found)

    # statements

    def run(self, body: tuple[Stmt, ...], way: Way) -> Iterator[Way]:
        """Every way through a block."""
        if any(is_false(g) for g in way.guards):
            return
        if not body:
            yield way
            return
        for following in self._step(body[0], way):
            yield from self.run(body[1:], following)

    def _step(self, s: Stmt, way: Way) -> Iterator[Way]:
        try:
            yield from self._stepped(s, way)
        except Refused as why:
            why.node = why.node or s
            raise

    def _here(self, way: Way) -> Expressions:
        return Expressions(self.w, way.state, way.net)

    def _safe(self, way: Way, *es: Expr) -> Way:
        """The way on which these have values; where they do not, it is a fault."""
        here = self._here(way)
        return self._unless_fault(way, all_of(here.defined(e, way.env) for e in es))

    def _unless_fault(self, way: Way, fine: F) -> Way:
        if is_true(fine):
            return way
        self.faults.append(replace(way, guards=_add(way.guards, negation(fine))))
        return replace(way, guards=_add(way.guards, fine))

    def _stepped(self, s: Stmt, way: Way) -> Iterator[Way]:
        match s:
            case Require():
                way = self._safe(way, s.cond)
                yield replace(way, guards=_add(way.guards, self._here(way).formula(s.cond, way.env)))
            case LetStmt():
                way = self._safe(way, s.value)
                yield replace(way, env={**way.env, s.name: self._here(way).value(s.value, way.env)})
            case Assign():
                yield self._assign(s, way)
            case Send():
                way = self._safe(way, *s.args, *([s.to] if s.to else []))
                way = self._unless_fault(way, self._sendable(s, way, way.env))
                yield replace(way, net=self._sent(s, way, way.env, TRUE))
            case IfStmt():
                way = self._safe(way, s.cond)
                c = self._here(way).formula(s.cond, way.env)
                yield from self.run(s.then, replace(way, guards=_add(way.guards, c)))
                yield from self.run(s.orelse, replace(way, guards=_add(way.guards, negation(c))))
            case Choose():
                yield from self._choose(s, way)
            case ForAll():
                yield self._for_all(s, way)
            case _:
                raise AssertionError(s)

    def _choose(self, s: Choose, way: Way) -> Iterator[Way]:
        if isinstance(s.domain, Call) and s.domain.name in self.model.quorums:
            yield from self._chosen_quorum(s, s.domain.name, way)
            return
        way = self._safe(way, s.domain)
        for got in self._with(way, [(s.name, s.type)]):
            inside = self._here(way)._inside(s.domain, way.env)(got.env[s.name])
            got = self._safe(replace(got, guards=_add(got.guards, inside)), s.where)
            yield replace(got, guards=_add(got.guards, self._here(got).formula(s.where, got.env)))

    def _chosen_quorum(self, s: Choose, family: str, way: Way) -> Iterator[Way]:
        q = unknown(self.w.quorum(family)[0], s.name.split("#")[0])
        guards = _add(way.guards, self.w.some_quorum(family))
        env = {**way.env, s.name: self.w.members(family, q)}
        got = self._safe(replace(way, env=env, guards=guards, chosen=(*way.chosen, q)), s.where)
        yield replace(got, guards=_add(got.guards, self._here(got).formula(s.where, got.env)))

    def _assign(self, s: Assign, way: Way) -> Way:
        way = self._safe(way, s.value, *(p for p in s.path if isinstance(p, Expr)))
        here, t = self._here(way), _type_at(self.model.vars[s.var].type, s.path)
        value = here.value(s.value, way.env)
        reached = self._reached(way.state[s.var], self.model.vars[s.var].type, s.path, here, way.env)
        way = self._unless_fault(way, both(reached, here.stored(t, value)))
        new = self._put(way.state[s.var], self.model.vars[s.var].type, s.path, here.fit(t, value), here, way.env)
        return replace(way, state={**way.state, s.var: new})

    def _put(self, old: Value, t: Type, path: tuple[Expr | str, ...], value: Value, here: Expressions, env: Env) -> Value:
        if not path:
            return value
        at = path[0]
        if isinstance(at, str):
            assert isinstance(t, Record) and isinstance(old, Parts)
            i = t.index(at)
            part = self._put(old.values[i], t.fields[i][1], path[1:], value, here, env)
            return Parts((*old.values[:i], part, *old.values[i + 1 :]))
        if isinstance(t, Seq):
            i = here.value(at, env)
            item = self._put(self._item(here, old, t, i), t.elem, path[1:], value, here, env)
            return old if old.items is None else sequences.with_item(self.w, old, i, item)
        assert isinstance(t, MapOf)
        key = here.fit(t.key, here.value(at, env))
        new = self._put(old.at(key), t.val, path[1:], value, here, env)
        return Table(t.key, lambda k: self.w.merge(self.w.equal(k, key), new, old.at(k)))

    def _item(self, here: Expressions, s: Sequence, t: Seq, i: Value) -> Value:
        return here.junk(t.elem) if s.items is None else sequences.at(self.w, s, i)

    def _reached(self, old: Value, t: Type, path: tuple[Expr | str, ...], here: Expressions, env: Env) -> F:
        """What is assigned to is there: every position on the way is inside its sequence."""
        if not any(isinstance(u, Seq) for u in list(_types_on(t, path))[:-1]):
            return TRUE
        at = path[0]
        if isinstance(at, str):
            assert isinstance(t, Record)
            i = t.index(at)
            return self._reached(old.values[i], t.fields[i][1], path[1:], here, env)
        v = here.value(at, env)
        if isinstance(t, Seq):
            below = self._reached(self._item(here, old, t, v), t.elem, path[1:], here, env)
            return both(here.within_sequence(old, v), below)
        assert isinstance(t, MapOf)
        return self._reached(old.at(here.fit(t.key, v)), t.val, path[1:], here, env)

    def _sent(self, s: Send, way: Way, env: Env, when: F) -> Net:
        """The network with this message, if the condition holds."""
        here, d, old = self._here(way), self.model.messages[s.message], way.net
        fields = self.w.relations.fields(s.message)
        given = [*s.args, *([s.to] if d.to else []), *([s.sender] if d.sender else [])]
        values = [None if a is None else here.fit(t, here.value(a, env)) for a, (_, t) in zip(given, fields, strict=True)]

        def net(m: str, pattern: Pattern, xs: list[Any]) -> F:
            before = old(m, pattern, xs)
            return before if m != s.message else either(before, both(when, self._matches(fields, values, pattern, xs)))

        return net

    def _sendable(self, s: Send, way: Way, env: Env) -> F:
        """The fields are of the types that the message has."""
        here, fields = self._here(way), self.model.messages[s.message].payload.fields
        return all_of(here.given(t, a, env) for a, (_, t) in zip(s.args, fields, strict=True))

    def _matches(self, fields: list[tuple[str, Type]], values: list[Value], pattern: Pattern, xs: list[Any]) -> F:
        found, at = TRUE, 0
        for (_, t), v, tag in zip(fields, values, pattern, strict=True):
            n = len(next((s for name, s, _ in self.w.alternatives(t) if name == tag), []))
            terms, at = xs[at : at + n], at + n
            if tag == "_" or v is None:
                continue
            case = next((c for c in self.w.scalars(t, v) if c[1] == tag), None)
            if case is None:
                return FALSE
            alike = (self.w.equal(a, x) for a, x in zip(case[2], map(_as_value, terms), strict=True))
            found = all_of([found, case[0], *alike])
        return found

    def _for_all(self, s: ForAll, way: Way) -> Way:
        """The body once for every element: its statements one after the other, each for all elements at once.  That is the same,
        as the runs do not depend on each other's order."""
        way = self._safe(way, s.domain)
        inside = self._here(way)._inside(s.domain, way.env)
        t = getattr(s.domain.type, "elem", None)
        assert t is not None
        return self._each(s.body, Each(s.name, t, inside, lambda k: {**way.env, s.name: k}), way)

    def _each(self, body: tuple[Stmt, ...], each: Each, way: Way) -> Way:
        for b in body:
            try:
                way, each = self._for_each(b, each, way)
            except Refused as why:
                why.node = why.node or b
                raise
        return way

    def _for_each(self, b: Stmt, each: Each, way: Way) -> tuple[Way, Each]:
        """One statement, for all elements at once; and what the names stand for then."""
        here, env = self._here(way), each.env
        match b:
            case Assign(path=(Local(name=name), *_)) if name == each.name:
                return self._assign_all(each, b, way), each
            case Assign(path=(), value=Apply(op="union" | "diff", args=(Read(var=var), part))) if (
                var == b.var and var not in reads(part)
            ):
                return self._gather(each, b, way), each
            case Send():
                return self._send_all(each, b, way), each
            case IfStmt():
                way = self._safe_all(each, way, lambda k: here.defined(b.cond, env(k)))
                way = self._each(b.then, each.where(lambda k: here.formula(b.cond, env(k))), way)
                return self._each(b.orelse, each.where(lambda k: negation(here.formula(b.cond, env(k)))), way), each
            case LetStmt():
                way = self._safe_all(each, way, lambda k: here.defined(b.value, env(k)))
                return way, replace(each, env=lambda k: {**env(k), b.name: here.value(b.value, env(k))})
        raise Refused("this statement in a `for`", "a `for` may send, add to sets, and assign to the cell of its element", b)

    def _safe_all(self, each: Each, way: Way, fine: Callable[[Value], F]) -> Way:
        return self._unless_fault(way, self.w.for_all(each.type, lambda k: implies(each.when(k), fine(k))))

    def _assign_all(self, each: Each, b: Assign, way: Way) -> Way:
        here, old, t = self._here(way), way.state[b.var], self.model.vars[b.var].type
        assert isinstance(t, MapOf)
        at = _type_at(t, b.path)

        def fine(k: Value) -> F:
            e = each.env(k)
            places = (here.defined(p, e) for p in b.path[1:] if isinstance(p, Expr))
            reached = self._reached(old.at(k), t.val, b.path[1:], here, e)
            return all_of([*places, reached, here.defined(b.value, e), here.stored(at, here.value(b.value, e))])

        way = self._safe_all(each, way, fine)

        def cell(k: Value) -> Value:
            e = each.env(k)
            new = self._put(old.at(k), t.val, b.path[1:], here.fit(at, here.value(b.value, e)), here, e)
            return self.w.merge(each.when(k), new, old.at(k))

        return replace(way, state={**way.state, b.var: Table(t.key, cell)})

    def _gather(self, each: Each, b: Assign, way: Way) -> Way:
        """What every element adds to a set, or takes from it."""
        here, old, t = self._here(way), way.state[b.var], self.model.vars[b.var].type
        assert isinstance(b.value, Apply) and isinstance(t, Set) and isinstance(old, Members)
        part, adds = b.value.args[1], b.value.op == "union"
        way = self._safe_all(each, way, lambda k: here.defined(part, each.env(k)))

        def has(x: Value) -> F:
            return self.w.exists(each.type, lambda k: both(each.when(k), here.value(part, each.env(k)).has(x)))

        def now(x: Value) -> F:
            return either(old.has(x), has(x)) if adds else both(old.has(x), negation(has(x)))

        way = self._unless_fault(way, here.stored(t, Members(t.elem, now)))
        return replace(way, state={**way.state, b.var: Members(t.elem, now)})

    def _send_all(self, each: Each, b: Send, way: Way) -> Way:
        here = self._here(way)

        def fine(k: Value) -> F:
            e = each.env(k)
            return all_of([*(here.defined(a, e) for a in (*b.args, *([b.to] if b.to else []))), self._sendable(b, way, e)])

        way = self._safe_all(each, way, fine)
        old = way.net
        none: Net = lambda _, __, ___: FALSE  # noqa: E731
        blank = replace(way, net=none)

        def net(m: str, pattern: Pattern, xs: list[Any]) -> F:
            if m != b.message:
                return old(m, pattern, xs)
            new = self.w.exists(each.type, lambda k: both(each.when(k), self._sent(b, blank, each.env(k), TRUE)(m, pattern, xs)))
            return either(old(m, pattern, xs), new)

        return replace(way, net=net)

    # crashes

    def _crash(self, step: Step) -> Iterator[Way]:
        """What is volatile starts afresh; then the process restarts."""
        assert step.process
        ways = list(self._with(Way((), self.state, self.net, {}), self._self(step.process)))
        for v in self.model.vars.values():
            if v.process == step.process and not self.durable(v):
                ways = [after for way in ways for after in self._reset(v, way)]
        for way in ways:
            yield from self.run(self.model.processes[step.process].on_restart, way)

    def durable(self, v: VarDecl) -> bool:
        d = self.decl
        return v.process is None or v.ghost or (v.durable and v.name not in d.volatile) or v.name in d.durable

    def _reset(self, v: VarDecl, way: Way) -> Iterator[Way]:
        """A variable with its initial value again, one way for each kind of value that may be chosen."""
        if not v.choice:
            here = self._here(way)
            yield self._begun(v, way, here.fit(v.cell, here.value(v.init, way.env)))
            return
        for drawn in self._with(way, [(v.name + "#reset", v.cell)]):
            value = drawn.env[v.name + "#reset"]
            inside = self._here(drawn)._inside(v.init, drawn.env)(value)
            yield self._begun(v, replace(drawn, guards=_add(drawn.guards, inside)), value)

    def _begun(self, v: VarDecl, way: Way, value: Value) -> Way:
        me = way.env.get("self")
        if me is None:
            return replace(way, state={**way.state, v.name: value})
        old = way.state[v.name]
        new = Table(old.key, lambda k: self.w.merge(self.w.equal(k, me), value, old.at(k)))
        return replace(way, state={**way.state, v.name: new})


def _as_value(x: Any) -> Value:
    return same(x) if z3.is_bool(x) else Term(x)


def _add(guards: tuple[F, ...], g: F) -> tuple[F, ...]:
    return guards if is_true(g) else (*guards, g)


def _types_on(t: Type, path: tuple[Expr | str, ...]) -> Iterator[Type]:
    """The types on the way from a variable to what is assigned."""
    for p in path:
        yield t
        t = dict(t.fields)[p] if isinstance(p, str) else t.val if isinstance(t, MapOf) else t.elem  # type: ignore[attr-defined]
    yield t


def _type_at(t: Type, path: tuple[Expr | str, ...]) -> Type:
    *_, last = _types_on(t, path)
    return last
