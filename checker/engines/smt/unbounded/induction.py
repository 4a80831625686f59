"""The queries of a plan about a model of any size, each answered by a solver of first-order logic.

A query is a handful of formulas that must not all be true.  What exists gets constants, and at these constants every map has a
value; that is all that is said of totality at first (so there are few quantifiers that alternate).  If the solver then finds a
model, it is asked again with totality everywhere.  The invariant: everything assumed is true in every state of every size, so
"proved" is; "refuted" may be an artefact of what was left out, or of an infinite model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import z3

from checker.core.ir import Assign
from checker.core.model import InstanceDecl, Model, Property, VarDecl
from checker.core.typed import statements
from checker.core.types import MapOf
from checker.deadline import Late, within
from checker.engines.smt import plan as p
from checker.engines.smt.patience import check
from checker.engines.smt.plan import Answered, Plan, Query
from checker.engines.smt.unbounded.claims import told
from checker.engines.smt.unbounded.expr import Expressions, Theory
from checker.engines.smt.unbounded.formula import (
    FALSE,
    TRUE,
    F,
    all_of,
    alternates,
    both,
    constants,
    deepen,
    implies,
    is_true,
    negation,
    skolem,
    unknown,
)
from checker.engines.smt.unbounded.small import Small
from checker.engines.smt.unbounded.state import Symbols, empty, of
from checker.engines.smt.unbounded.steps import Runner, Step, Way, steps
from checker.engines.smt.unbounded.values import NeedsNumbers, Refused, Table, Value

QUICK, SEEDS = 0.3, 4  # seconds of a first try; how often one is repeated with the lemmas that are needed
TIMEOUT = 2.0  # seconds, of what is written for another solver
MOST_TERMS = 400  # of totality at constants, for each map


@dataclass
class Unbounded:
    """The queries about one model, with the switches of one of its instances."""

    model: Model
    decl: InstanceDecl
    params: dict[str, Any]
    numbers: bool = False
    small: Small | None = None  # who is asked first; None: nobody
    end: float | None = None  # when everything must be over
    plan: Plan = field(init=False)
    steps: list[Step] = field(init=False)

    def __post_init__(self) -> None:
        self.model = addressed(self.model)
        self.w = Theory(self.model, self.params, self.numbers)
        self.symbols = Symbols(self.w)
        self.state = self._located()
        self.net = of(self.w.relations)
        self.steps = steps(self.model, self.decl)

        def names(kind: str) -> tuple[str, ...]:
            return tuple(x.name for x in self.model.properties if x.kind == kind)

        numbered = tuple(range(len(self.steps)))
        self.here = Expressions(self.w, self.state, self.net)
        self.props = {x.name: x for x in self.model.properties}
        self.defined, self.unread = self._partial()
        self.plan = Plan(names("lemma"), names("invariant"), names("step"), tuple(self.defined), numbered, False)
        self.ways = [self._ways(s) for s in self.steps]
        self.good = {n: self._good(self.props[n], self.here) for n in (*self.plan.lemmas, *self.plan.invariants)}
        self.initially, self.starts = self._initially(), self._starts()
        self.still = self._still()
        self.assumed = list(self._assumptions()) if self.numbers else []
        for q in (*(self.plan.implied(n, frozenset()) for n in self.plan.invariants), *self.plan.rest(frozenset())):
            for _ in self.cases(q):  # what cannot be encoded shows here, not in the middle of the queries
                pass

    def _located(self) -> dict[str, Value]:
        state = {}
        for v in self.model.vars.values():
            try:
                state[v.name] = self.symbols.value(v.name, v.type)([])
            except Refused as why:
                why.node = why.node or v
                raise
        return state

    def _ways(self, step: Step) -> tuple[list[Way], list[Way]]:
        try:
            return Runner(self.w, self.model, self.decl, self.state, self.net).ways(step)
        except Refused as why:
            why.node = why.node or step
            raise

    def _good(self, prop: Property, where: Expressions) -> F:
        """The property has a value, and is true."""
        try:
            return both(where.defined(prop.expr, {}), where.formula(prop.expr, {}))
        except Refused as why:
            why.node = why.node or prop
            raise

    def _partial(self) -> tuple[dict[str, F], list[str]]:
        """Where `reachable` properties and `terminal` have a value, if that is not everywhere; and those that cannot be said."""
        asked = [(x.name, x.expr) for x in self.model.properties if x.kind == "reachable"]
        asked += [("terminal", self.model.terminal)] if self.model.terminal is not None else []
        found: dict[str, F] = {}
        unread: list[str] = []
        for name, expr in asked:
            try:
                where = self.here.defined(expr, {})
                found |= {} if is_true(where) else {name: where}
            except (Refused, NeedsNumbers):
                unread.append(name)
        return found, unread

    def _initially(self) -> tuple[Expressions, list[F]]:
        """The state at the start, and what is true of what may differ in it."""
        state, rules, nothing = {}, [], Expressions(self.w, {}, empty)
        for v in self.model.vars.values():
            keyed = v.process is not None and self.model.processes[v.process].ident is not None
            if v.choice:
                state[v.name] = self.state[v.name]
                rules.append(self._chosen(v.name, keyed, nothing))
            elif keyed:
                assert isinstance(v.type, MapOf)
                cell = lambda k, v=v: nothing.fit(v.cell, nothing.value(v.init, {"self": k}))  # noqa: E731
                state[v.name] = Table(v.type.key, cell)
            else:
                state[v.name] = nothing.fit(v.cell, nothing.value(v.init, {}))
        return Expressions(self.w, state, empty), rules

    def _chosen(self, name: str, keyed: bool, nothing: Expressions) -> F:
        v = self.model.vars[name]
        if not keyed:
            return nothing._inside(v.init, {})(self.state[name])  # type: ignore[no-any-return]
        assert isinstance(v.type, MapOf)

        key = v.type.key

        def starts(k: Value) -> F:
            return implies(self.w.fits(key, k), nothing._inside(v.init, {"self": k})(self.state[name].at(k)))

        return self.w.for_all(key, starts)

    def _starts(self) -> F:
        """What the variables are at the start has a value.  `bind` sees to that, but not to remainders that go round once."""
        before, self.w.goes_round = self.w.goes_round, False
        try:
            found = all_of(self._starting(v) for v in self.model.vars.values())
        except Refused:
            found = FALSE
        asked, self.w.goes_round = self.w.goes_round, before or self.w.goes_round
        return found if asked else TRUE

    def _starting(self, v: VarDecl) -> F:
        nothing = Expressions(self.w, {}, empty)
        ident = self.model.processes[v.process].ident if v.process is not None else None
        if ident is None:
            return nothing.defined(v.init, {})
        return self.w.for_all(ident, lambda k: implies(self.w.fits(ident, k), nothing.defined(v.init, {"self": k})))

    def _assumptions(self) -> Iterator[Any]:
        """What is assumed of parameters, where it has a value.  What cannot be said here is not assumed: that proves no less."""
        for a in self.model.assumes:
            with suppress(Refused):
                yield implies(self.here.defined(a.expr, {}), self.here.formula(a.expr, {})).pos

    def _still(self) -> list[Any]:
        """What is true of variables that nothing writes, as at the start; but not that something exists for everything."""
        runner = Runner(self.w, self.model, self.decl, self.state, self.net)
        crashing = {s.process for s in self.steps if s.action is None}
        bodies = [*(a.body for a in self.model.actions), *(p.on_restart for p in self.model.processes.values())]
        written = {s.var for body in bodies for s in statements(body) if isinstance(s, Assign)}
        start, _ = self.initially
        out = []
        for v in self.model.vars.values():
            if v.name in written or (v.process in crashing and not runner.durable(v)):
                continue
            try:
                rule = skolem(self._as_at_first(v, start).pos) if is_true(self.starts) else z3.BoolVal(True)
            except (Refused, NeedsNumbers):
                continue
            out += [] if alternates(rule) else [rule]
        return out

    def _as_at_first(self, v: VarDecl, start: Expressions) -> F:
        """The variable has a value that it may have at the start."""
        if not v.choice:
            return self.w.equal(self.state[v.name], start.state[v.name])
        keyed = v.process is not None and self.model.processes[v.process].ident is not None
        return self._chosen(v.name, keyed, Expressions(self.w, {}, empty))

    # what a query says

    def cases(self, q: Query) -> Iterator[list[F]]:
        """Formulas; the query is proved if in no case all of them can be true."""
        good = [self.good[n] for n in q.given] if q.given else list(self.good.values())
        match q.kind:
            case p.INITIALLY:
                where, rules = self.initially
                yield [*rules, negation(both(self.starts, self._good(self._of(q), where)))]
            case p.IMPLIED:
                yield [*(self.good[n] for n in q.given), negation(self.good[q.target or ""])]
            case p.PRESERVED:
                for way in self.ways[q.action or 0][0]:
                    yield [*good, *way.guards, negation(self._good(self._of(q), Expressions(self.w, way.state, way.net)))]
            case p.STEP:
                for way in self.ways[q.action or 0][0]:
                    where = Expressions(self.w, self.state, self.net, way.state)
                    yield [*good, *way.guards, negation(self._good(self._of(q), where))]
            case p.FAULT:
                for way in self.ways[q.action or 0][1]:
                    yield [*good, *way.guards]
            case p.DEFINED:
                yield [*good, negation(self.defined[q.target or ""])]
            case p.POSSIBLE:
                for way in self.ways[q.action or 0][0]:
                    yield [*good, *way.guards]

    def _of(self, q: Query) -> Property:
        return self.props[q.target or ""]

    # answers

    def ask(self, q: Query, timeout: float | None = None) -> Answered:
        """Answers one query, within a few times `timeout` seconds for each of its cases."""
        started = time.perf_counter()
        status = self._status(q, timeout)
        if q.kind == p.POSSIBLE and status == "proved" and self.w.goes_round:
            status = "unknown"  # what is impossible may be so only as its remainders go round more than once
        return Answered(q, status, time.perf_counter() - started)

    def _status(self, q: Query, timeout: float | None) -> str:
        cases = list(self.cases(q))
        found = [self._check(self.formulas(c), QUICK, 0) for c in cases]
        left = [c for c, answer in zip(cases, found, strict=True) if answer != z3.unsat]
        if not left:
            return "proved"
        if (q.kind == p.POSSIBLE and z3.sat in found) or (self.small is not None and self.small.refutes(q)):
            return "refuted"
        needed = self.small.needed(q) if self.small is not None else None
        answers = [self._decide(c, needed, timeout, q.kind) for c in left]
        return "refuted" if "refuted" in answers else "unknown" if "unknown" in answers else "proved"

    def formulas(self, case: list[F]) -> list[Any]:
        """What the solver is asked at first: constants for what exists, and what exists for them."""
        asserted = [skolem(f.pos) for f in case]
        asserted[-1:] = [deepen(f, constants(asserted)) for f in asserted[-1:]]
        return [*asserted, *self.local(asserted), *self.background()]

    def _decide(self, case: list[F], needed: tuple[str, ...] | None, timeout: float | None, kind: str) -> str:
        """The answer to one case, asked in other words and with other random numbers until there is one."""
        short = None if timeout is None else timeout / 5
        some = self.formulas(case)
        if kind == p.POSSIBLE:
            return _word(self._check(some, timeout, 0))
        if needed is not None:
            few = self.formulas(self._only(case, needed))
            for seed in range(SEEDS):
                if self._check(few, short, seed) == z3.unsat:
                    return "proved"
        everything = [*some, *self.everywhere]
        tries = [(some, short, 0), (everything, short, 0), (some, timeout, 1), (everything, timeout, 1)]
        found = z3.unknown
        for formulas, limit, seed in tries[:2] if kind == p.IMPLIED else tries:
            if formulas is some and found == z3.sat:
                continue
            answer = self._check(formulas, limit, seed)
            if answer == z3.unsat or (answer == z3.sat and formulas is everything):
                return _word(answer)
            found = z3.sat if answer == z3.sat else found
        return _word(found)

    def _only(self, case: list[F], needed: tuple[str, ...]) -> list[F]:
        """The case without the lemmas that are not needed."""
        return [f for f in case if not any(f is g for n, g in self.good.items() if n not in needed)]

    def written(self, q: Query) -> Iterator[tuple[list[Any], str]]:
        """What each case of a query is for another solver, and what ours says of it: as few lemmas as are known to be needed, and
        that every map has a value everywhere only if that is needed, too."""
        late = self.end is not None and time.perf_counter() > self.end
        needed = None if late or self.small is None else self.small.needed(q)
        for case in self.cases(q):
            few = self.formulas(case if needed is None else self._only(case, needed))
            everything = [*few, *self.everywhere]
            for formulas in (few, everything):
                if self._impossible(formulas):
                    yield formulas, "unsat"
                    break
            else:
                yield everything, "unknown"

    def _impossible(self, formulas: list[Any]) -> bool:
        """Does the solver say so, in the time that is left?"""
        with suppress(Late):
            return any(self._check(formulas, TIMEOUT, seed) == z3.unsat for seed in range(SEEDS))
        return False

    def _check(self, formulas: list[Any], timeout: float | None, seed: int) -> Any:
        timeout = within(self.end, timeout)
        solver = z3.Solver()
        solver.set("random_seed", seed)
        solver.set("auto_config", seed % 2 == 0)  # without it the solver works otherwise, which may be what helps
        solver.add(formulas)
        return check(solver, timeout or None, end=self.end)

    def local(self, asserted: list[Any]) -> list[Any]:
        """What exists for the constants of a query."""
        found = constants(asserted)
        out = []
        for look in self.symbols.lookups:
            for ks in self._tuples(look.keys, found):
                x = unknown(look.sort, "v")
                out.append(look.at(ks, x))
        for sorts, said in list(self.w.relations.lookups()):
            out += [skolem(said(xs)) for xs in self._tuples(sorts, found)]
        return out

    def _tuples(self, sorts: tuple[Any, ...], found: dict[str, list[Any]]) -> list[list[Any]]:
        choices = [self._values(s, found) for s in sorts]
        n = 1
        for c in choices:
            n *= len(c)
        return [list(xs) for xs in product(*choices)] if n <= MOST_TERMS else []

    def _values(self, sort: Any, found: dict[str, list[Any]]) -> list[Any]:
        if sort == z3.BoolSort():
            return [z3.BoolVal(False), z3.BoolVal(True)]
        enum = next((list(ms.values()) for s, ms in self.w.enums.values() if s == sort), None)
        return enum if enum is not None else found.get(sort.name(), [])

    def background(self) -> list[Any]:
        """What is true in every state."""
        return [
            *self.w.orders(),
            *self.w.quorum_axioms(),
            *self.symbols.axioms,
            *self.w.sequence_axioms(),
            *self.w.relations.axioms(),
            *self.assumed,
            *self.still,
        ]

    @cached_property
    def everywhere(self) -> list[Any]:
        """That every map has a value everywhere, and what matches a pattern is a whole message."""
        out = []
        for look in self.symbols.lookups:
            ks, x = [unknown(k) for k in look.keys], unknown(look.sort)
            out.append(z3.ForAll(ks, z3.Exists([x], look.at(ks, x))))
        for sorts, said in list(self.w.relations.lookups()):
            xs = [unknown(s) for s in sorts]
            out.append(z3.ForAll(xs, said(xs)) if xs else said(xs))
        return out

    # what people are told

    def scope(self) -> list[str]:
        """What may be of any size, and how numbers were taken."""
        out = [f"any size of {', '.join(self.model.sorts)}"] if self.model.sorts else []
        open_ = [n for n in self.model.params if n not in self.params]
        out += [f"any {', '.join(open_)}"] if open_ else []
        if self.w.ordered:
            out.append(f"{', '.join(self.w.ordered)} taken as any total order")
        if self.numbers:
            out.append("numbers taken as whole numbers within their bounds, as there is arithmetic or a sequence")
        if self.w.goes_round:
            out.append("a % b taken to go round once: that -b <= a and a < 2 * b is part of what is asked as `no spec fault`")
        if any(s.process for s in self.steps if s.action is None):
            out.append("any number of crashes")
        out += [f"any number of messages {'lost' if s.lost else 'doubled'}" for s in self.steps if s.messages]
        if self.model.network.kind != "set" and self.model.messages:
            out.append("whatever the order of messages in the network, and however often each is there")
        if self.model.limited:
            out.append("any number of messages in the network: that its capacity suffices is not proved")
        if self.unread:
            out.append(f"that {', '.join(self.unread)} has a value everywhere is not proved: it cannot be said without sizes")
        return out + told(self.model, self.params)


def _word(answer: Any) -> str:
    return "proved" if answer == z3.unsat else "refuted" if answer == z3.sat else "unknown"


def encode(model: Model, decl: InstanceDecl, params: dict[str, Any]) -> Unbounded:
    """The encoding: with ordered sorts if that will do, else with whole numbers.  Raises Refused."""
    try:
        return Unbounded(model, decl, params)
    except NeedsNumbers:
        return Unbounded(model, decl, params, numbers=True)


def addressed(model: Model) -> Model:
    """The model with a receiver for each message, where each has one of its own; without one it is sent to all who handle it."""
    if model.network.kind == "set":
        return model
    handlers = {a.receive.message: a.process for a in model.actions if a.receive}
    idents = {m: model.processes[p].ident for m, p in handlers.items() if p}
    return replace(model, messages={n: replace(d, to=d.to or idents.get(n)) for n, d in model.messages.items()})
