"""Messages that leave the network: where they are received, where they are lost, and where nobody will look at them again, as
handlers say with `discard`.

A network is the set of the messages of which there is a copy: how many, and in which order, no property can ask but by
`in_flight`.  So whoever receives one from a bag or a channel takes the last copy, or not.  A message that is discarded is in the
network after a step if it was there or was sent, and some possible receiver does not discard it.  The invariant: a step removes
what core/discard.py makes it remove, and a step that could make nothing useless removes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from checker.core.ir import Assign, Call, Expr, Node, Read, Send, Sent, Stmt
from checker.core.model import Action, Model
from checker.core.typed import statements
from checker.engines.smt.unbounded.expr import Expressions, Theory
from checker.engines.smt.unbounded.formula import F, all_of, any_of, both, implies, negation, some, unknown
from checker.engines.smt.unbounded.state import Net, Pattern
from checker.engines.smt.unbounded.values import Refused, Value

if TYPE_CHECKING:
    from checker.engines.smt.unbounded.steps import Runner, Step, Way


class Kind:
    """The messages of one kind."""

    def __init__(self, w: Theory, message: str) -> None:
        self.w, self.message = w, message
        self.fields = w.relations.fields(message)

    def without(self, old: Net, gone: Callable[[list[Value]], F]) -> Net:
        """The network without those of which this is so; it is said of their fields."""

        def net(m: str, pattern: Pattern, xs: list[Any]) -> F:
            if m != self.message:
                return old(m, pattern, xs)
            stay = ((p, new, ys, negation(gone(self.values(p, ys)))) for p, new, ys in self.whole(pattern, xs))
            return any_of(some(new, both(old(m, p, ys), stays)) for p, new, ys, stays in stay)

        return net

    def exists(self, net: Net, said: Callable[[list[Value]], F]) -> F:
        """Is there one of which this is so?"""
        every_kind = self.whole(tuple("_" for _ in self.fields), [])
        return any_of(some(new, both(net(self.message, p, ys), said(self.values(p, ys)))) for p, new, ys in every_kind)

    def whole(self, pattern: Pattern, xs: list[Any]) -> Iterator[tuple[Pattern, list[Any], list[Any]]]:
        """What matches a pattern: the patterns that leave nothing open, the terms that are new in them, and all terms."""
        for p in self.w.relations.whole(self.message):
            if p != pattern and not self.w.relations.finer(self.message, p, pattern):
                continue
            given, new, ys = iter(xs), [], []
            for (_, t), tag, coarse in zip(self.fields, p, pattern, strict=True):
                sorts = next(s for name, s, _ in self.w.alternatives(t) if name == tag)
                mine = [unknown(s) if coarse == "_" else next(given) for s in sorts]
                new += mine if coarse == "_" else []
                ys += mine
            yield p, new, ys

    def values(self, pattern: Pattern, ys: list[Any]) -> list[Value]:
        """The fields of a message."""
        found, given = [], iter(ys)
        for (_, t), tag in zip(self.fields, pattern, strict=True):
            sorts, make = next((s, f) for name, s, f in self.w.alternatives(t) if name == tag)
            found.append(make([next(given) for _ in sorts]))
        return found

    def is_one(self, vs: list[Value]) -> Callable[[list[Value]], F]:
        """Is it this one?"""
        return lambda xs: all_of(self.w.equal(x, v) for x, v in zip(xs, vs, strict=True))


class Thrown:
    """What the handlers of a model discard: those that are the only ones of their message."""

    def __init__(self, model: Model) -> None:
        self.model = model
        handled = [a.receive.message for a in model.actions if a.receive]
        self.handlers = {
            a.receive.message: a
            for a in model.actions
            if a.receive and a.process and a.receive.discard is not None and handled.count(a.receive.message) == 1
        }
        for a in self.handlers.values():
            assert a.receive and a.receive.discard
            if any(isinstance(x, Sent) for x in self._parts(a.receive.discard)):
                raise Refused("`discard` that depends on what was sent", "say it with a variable of the process", a)

    def after(self, runner: Runner, step: Step, way: Way) -> Way:
        """The way, with what it makes useless removed; whether that is so must have a value."""
        here = Expressions(runner.w, way.state, way.net)
        for message in self._concerned(step):
            useless = Useless(here, self.handlers[message], message)
            way = runner._unless_fault(way, negation(useless.exists(way.net, useless.unclear)))
            way = replace(way, net=useless.without(way.net, useless.so))
        return way

    def _concerned(self, step: Step) -> list[str]:
        """The messages that a step can send, or make useless."""
        if not self.handlers:
            return []
        restart = self.model.processes[step.process].on_restart if step.action is None and step.process else ()
        body = list(statements(step.action.body if step.action else restart))
        sent = {s.message for s in body if isinstance(s, Send)}
        written = {s.var for s in body if isinstance(s, Assign)}
        if step.action is None:
            written |= {v.name for v in self.model.vars.values() if v.process == step.process}
        return [m for m, a in self.handlers.items() if m in sent or self._reads(a) & written]

    def _reads(self, a: Action) -> set[str]:
        assert a.receive and a.receive.discard
        return {x.var for x in self._parts(a.receive.discard) if isinstance(x, Read)}

    def _parts(self, e: Node, seen: frozenset[str] = frozenset()) -> Iterator[Node]:
        """An expression, everything in it, and the definitions that it uses."""
        yield e
        for value in vars(e).values():
            for x in value if isinstance(value, tuple) else (value,):
                if isinstance(x, Expr | Stmt):
                    yield from self._parts(x, seen)
        if isinstance(e, Call) and e.name in self.model.defs and e.name not in seen:
            yield from self._parts(self.model.defs[e.name].body, seen | {e.name})


class Useless(Kind):
    """The messages of one kind that all their receivers discard in a state."""

    def __init__(self, here: Expressions, handler: Action, message: str) -> None:
        super().__init__(here.w, message)
        assert handler.receive and handler.receive.discard and handler.process
        self.here, self.what, self.names = here, handler.receive.discard, handler.receive
        self.ident = self.w.model.processes[handler.process].ident
        self.addressed = self.w.model.messages[message].to is not None

    def so(self, vs: list[Value]) -> F:
        return self._receivers(vs, lambda env: self.here.formula(self.what, env))

    def unclear(self, vs: list[Value]) -> F:
        """For some receiver it has no value."""
        return negation(self._receivers(vs, lambda env: self.here.defined(self.what, env)))

    def _receivers(self, vs: list[Value], said: Callable[[dict[str, Value]], F]) -> F:
        """Said of every process that can receive the message."""
        env: dict[str, Value] = dict(zip(self.names.fields, vs, strict=False))
        if self.names.sender:
            env[self.names.sender] = vs[-1]
        if self.ident is None:
            return said(env)
        if self.addressed:
            return said({**env, "self": vs[len(self.names.fields)]})
        ident = self.ident
        return self.w.for_all(ident, lambda me: implies(self.w.fits(ident, me), said({**env, "self": me})))
