"""Instance → Program: total and silent. What is left is assignments to finite variables under choices, conditions and Checks.

- Every partial operation gets a Check before the statement it stands in (its definedness, under the conditions and binders
  it stands under); after that, operators may be taken as total.  Faults become guards here, once, for all engines.
- Derived operators are expanded into primitive ones.
- The network is ordinary variables: a send is an assignment, a handler chooses a message.  Parameters are choices, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from checker.core.bind import Instance, Message, Transition, Var
from checker.core.certain import Known
from checker.core.ir import (
    Apply,
    Assign,
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
    Quant,
    Read,
    Require,
    Send,
    Sent,
    SetOf,
    Stmt,
)
from checker.core.operators import TABLE
from checker.core.operators.table import FALSE, TRUE, apply, both, fresh, naming, number
from checker.core.typed import assigned, build, elem, fit, statements, subst, within
from checker.core.types import BOOL, BagOf, MapOf, Record, Seq, Set, Type, Union, values
from checker.source import Span

Env = dict[str, Expr]


@dataclass(frozen=True)
class Site:
    """Where a spec fault can happen."""

    text: str
    span: Span | None


@dataclass(frozen=True)
class Predicate:
    """A total condition on one state, HIT when true.  kind: "invariant" (it is the negation), "fault" (evaluating `name`
    faults), "reachable".  `index`: see Instance.asked."""

    kind: str
    name: str
    index: int
    expr: Expr
    site: Site | None = None


@dataclass(frozen=True)
class StepCheck:
    """A step property: `checks` (its faults), then `expr`, total, over the state and the state after."""

    name: str
    checks: tuple[Check, ...]
    expr: Expr


@dataclass(frozen=True)
class ProgramAction:
    """`body` has choices for everything, parameters included."""

    name: str
    body: tuple[Stmt, ...]


@dataclass(frozen=True)
class Program:
    """What the engines compile: see the head of this file."""

    instance: Instance
    vars: dict[str, Type]
    initial: tuple[Stmt, ...]
    actions: tuple[ProgramAction, ...]
    predicates: tuple[Predicate, ...]
    steps: tuple[StepCheck, ...]
    bound: Expr | None
    terminal: Expr


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _certain(cond: Expr) -> bool:
    """Is a condition true whatever the names before it stand for?"""
    while isinstance(cond, Let):
        cond = cond.body
    return cond == TRUE


class Lowering:
    """Lowers expressions of one instance.  `expand` False: derived operators stay as they are (for readers)."""

    def __init__(self, instance: Instance, expand: bool = True) -> None:
        self.instance, self.expand = instance, expand
        self.filters: dict[Assign, tuple[Stmt, ...]] = {}

    # what is defined

    def total(self, e: Expr) -> Expr:
        """The expression in primitive operators, taken as total."""
        match e:
            case Sent():
                return self.total(self.sent(e))
            case Fit():
                return replace(e, value=self.total(e.value))
            case Apply():
                row = TABLE[e.op]
                args = tuple(self.total(a) for a in e.args)
                e = replace(e, args=args)
                if row.expand is None or not self.expand:
                    return e
                expand = row.expand
                return self.total(naming(args, lambda *xs: _sited(expand(replace(e, args=xs)), e)))
            case If():
                return replace(e, cond=self.total(e.cond), then=self.total(e.then), orelse=self.total(e.orelse))
            case Quant():
                return replace(e, domain=self.total(e.domain), body=self.total(e.body))
            case SetOf() | Fold():
                return replace(e, domain=self.total(e.domain), where=self.total(e.where), body=self.total(e.body))
            case Mapping():
                return replace(e, body=self.total(e.body))
            case Let():
                return replace(e, value=self.total(e.value), body=self.total(e.body))
        return e

    def checks(self, e: Expr) -> list[Check]:
        """What must hold for the expression to have a value, in the order of evaluation; each condition is total where those
        before it hold."""
        match e:
            case Sent():
                return self.checks(self.sent(e))
            case Apply():
                return [c for a in e.args for c in self.checks(a)] + self._own(e)
            case Fit():
                inner = self.checks(e.value)
                if within(e.value.type, e.type):
                    return inner
                cond = Apply(BOOL, "fits", (self.total(e.value),), e.type)
                return [*inner, Check(cond, f"the value does not fit {e.what}".rstrip(), span=e.span)]
            case If():
                c = self.total(e.cond)
                then = [replace(x, cond=If(BOOL, c, x.cond, TRUE)) for x in self.checks(e.then)]
                orelse = [replace(x, cond=If(BOOL, c, TRUE, x.cond)) for x in self.checks(e.orelse)]
                return self.checks(e.cond) + then + orelse
            case Let():
                v = self.total(e.value)
                inner = [replace(x, cond=Let(BOOL, e.name, v, x.cond)) for x in self.checks(e.body)]
                return self.checks(e.value) + inner
            case Quant():
                return self._under(e.name, e.domain, TRUE, self.checks(e.body))
            case SetOf() | Fold():
                return self._comprehension(e)
            case Mapping():
                assert isinstance(e.type, MapOf)
                return self._forall(e.name, apply("all", attr=e.type.key), TRUE, self.checks(e.body))
        return []

    def _own(self, e: Apply) -> list[Check]:
        row = TABLE[e.op]
        if row.defined is None:
            return []
        args = tuple(self.total(a) for a in e.args)
        defined = row.defined
        cond = self.total(naming(args, lambda *xs: defined(replace(e, args=xs))))
        return [] if _certain(cond) else [Check(cond, row.fault, span=e.span)]

    def _under(self, name: str, domain: Expr, where: Expr, inner: list[Check]) -> list[Check]:
        return self.checks(domain) + self._forall(name, self.total(domain), where, inner)

    def _forall(self, name: str, domain: Expr, where: Expr, inner: list[Check]) -> list[Check]:
        def cond(c: Check) -> Expr:
            return c.cond if where == TRUE else If(BOOL, where, c.cond, TRUE)

        return [replace(c, cond=Quant(BOOL, "forall", name, domain, cond(c))) for c in inner]

    def _comprehension(self, e: SetOf | Fold) -> list[Check]:
        where = self.total(e.where)
        out = self._under(e.name, e.domain, TRUE, self.checks(e.where))
        out += self._forall(e.name, self.total(e.domain), where, self.checks(e.body))
        if isinstance(e, Fold) and e.kind != "sum":
            some = Quant(BOOL, "exists", e.name, self.total(e.domain), where)
            out.append(Check(some, f"{e.kind} of nothing", span=e.span))
        return out

    # the network in expressions

    def sent(self, e: Sent) -> Expr:
        """`sent M(…)` as a question to the network's variable."""
        m = self.instance.messages[e.message]
        net = self._read(m.var)
        wanted = [*e.args, *([e.to] if m.to else []), *([e.sender] if m.sender else [])]
        if isinstance(net.type, Set) and isinstance(net.type.elem, Record) and net.type.cap is None:
            return self._by_content(m, net, wanted)
        return self._by_search(m, net, wanted)

    def _read(self, var: str) -> Read:
        return Read(self.instance.vars[var].type, var)

    def _by_content(self, m: Message, net: Expr, wanted: list[Expr | None]) -> Expr:
        """Some message with these fields is in the set: what is left open is quantified."""
        binders: list[tuple[str, Type]] = []
        fields: list[Expr] = []
        guards: list[Expr] = []
        for w, (name, t) in zip(wanted, m.full.fields, strict=True):
            if w is None:
                binders.append((fresh(name), t))
                fields.append(Local(t, binders[-1][0]))
            else:
                if not within(w.type, t):
                    guards.append(Apply(BOOL, "fits", (w,), t))
                fields.append(Fit(t, w) if w.type != t else w)
        out: Expr = apply("in_set", Apply(m.full, "record", tuple(fields), m.full), net)
        for name, t in reversed(binders):
            out = Quant(BOOL, "exists", name, apply("all", attr=t), out)
        for g in reversed(guards):
            out = If(BOOL, g, out, FALSE)
        return out

    def _by_search(self, m: Message, net: Expr, wanted: list[Expr | None]) -> Expr:
        """Some element of the network is such a message."""

        def matches(x: Expr) -> Expr:
            r = self._as_message(m, x)
            out: Expr = TRUE
            for w, (name, _) in reversed(list(zip(wanted, m.full.fields, strict=True))):
                if w is not None:
                    test = build("eq", (apply("field", r, attr=name), w))
                    out = test if out == TRUE else both(test, out)
            return out if x.type == m.full else both(apply("is", x, attr=m.name), out)

        if isinstance(net.type, MapOf):
            return self._in_channels(net, matches)
        x = Local(elem(net), fresh("m"))
        return Quant(BOOL, "exists", x.name, net, matches(x))

    def _in_channels(self, net: Expr, matches: Callable[[Expr], Expr]) -> Expr:
        assert isinstance(net.type, MapOf) and isinstance(net.type.val, MapOf)
        s, r = Local(net.type.key, fresh("s")), Local(net.type.val.key, fresh("r"))
        queue = apply("index", apply("index", net, s), r)
        domain = self.total(apply("indices", queue))
        i = Local(elem(domain), fresh("i"))
        out: Expr = Quant(BOOL, "exists", i.name, domain, matches(Apply(elem(queue), "index", (queue, i))))
        for b in (r, s):
            out = Quant(BOOL, "exists", b.name, apply("all", attr=b.type), out)
        return out

    def _as_message(self, m: Message, x: Expr) -> Expr:
        return x if x.type == m.full else apply("project", x, attr=m.name)

    def uncertain(self, e: Expr) -> tuple[Check, ...]:
        """The checks of a condition by itself, without those that are certain."""
        known, out = Known(), []
        for c in self.checks(e):
            if not known.implies(c.cond):
                known.learn(c.cond)
                out.append(c)
        return tuple(out)

    # statements

    def block(self, body: tuple[Stmt, ...], known: Known | None = None) -> tuple[Stmt, ...]:
        """The statements, each of them total, without the checks that are certain from what is known before them."""
        known = known or Known()
        out: list[Stmt] = []
        for x in (x for s in body for x in self.stmt(s)):
            if isinstance(x, Check) and known.implies(x.cond):
                continue
            out.append(self._inside(x, known) if isinstance(x, IfStmt | ForAll) else x)
            self._follow(x, known)
        return tuple(out)

    def _written(self, s: Stmt) -> set[str]:
        sent = {self.instance.messages[x.message].var for x in statements((s,)) if isinstance(x, Send)}
        return sent | assigned((s,))

    def _inside(self, s: IfStmt | ForAll, known: Known) -> Stmt:
        """The statement with the blocks in it total."""
        inner = known.copy()
        if isinstance(s, ForAll):
            inner.forget(self._written(s))  # by the rounds before
            return replace(s, body=self.block(s.body, inner))
        other = known.copy()
        inner.learn(s.cond)
        other.learn(s.cond, False)
        return replace(s, then=self.block(s.then, inner), orelse=self.block(s.orelse, other))

    def _follow(self, s: Stmt, known: Known) -> None:
        """What is known after a statement."""
        match s:
            case Check() | Require():
                known.learn(s.cond)
            case LetStmt():
                known.define(s.name, s.value)
            case Assign() | IfStmt() | ForAll():
                known.forget(self._written(s))

    def stmt(self, s: Stmt) -> Iterator[Stmt]:
        match s:
            case Require():
                yield from self.checks(s.cond)
                yield replace(s, cond=self.total(s.cond))
            case LetStmt():
                yield from self.checks(s.value)
                yield replace(s, value=self.total(s.value))
            case Assign():
                yield from self._assign(s)
            case Send():
                yield from self._send(s)
            case IfStmt():
                yield from self.checks(s.cond)
                yield replace(s, cond=self.total(s.cond))  # what is inside: see block
            case ForAll():
                yield from self.checks(s.domain)
                yield replace(s, domain=self.total(s.domain))
            case Choose():
                yield from self.checks(s.domain)
                yield replace(s, domain=self.total(s.domain), where=TRUE)
                yield from self.checks(s.where)
                if s.where != TRUE:
                    yield Require(self.total(s.where), span=s.span)

    def _assign(self, s: Assign) -> Iterator[Stmt]:
        """The same assignment lowers to the same statements everywhere, so that engines can share what they make of them."""
        if isinstance(s.value, SetOf) and not s.path:
            if s not in self.filters:
                self.filters[s] = tuple(self._assigned(s))
            yield from self.filters[s]
        else:
            yield from self._assigned(s)

    def _assigned(self, s: Assign) -> Iterator[Stmt]:
        yield from self.checks(s.value)
        t: Type = self.instance.vars[s.var].type
        at: Expr = Read(t, s.var)
        path: list[Expr | str] = []
        for p in s.path:
            if isinstance(p, str):
                at = apply("field", at, attr=p)
                path.append(p)
                continue
            yield from self.checks(p)
            path.append(self.total(p))
            if isinstance(at.type, Seq):
                yield from (replace(c, span=s.span) for c in self._own(Apply(at.type.elem, "index", (at, self.total(p)))))
            at = Apply(TABLE["index"].type((at.type, p.type), None), "index", (at, self.total(p)))
        yield replace(s, path=tuple(path), value=self.total(s.value))

    def _send(self, s: Send) -> Iterator[Stmt]:
        m = self.instance.messages[s.message]
        if m.to is not None and s.to is None:
            yield from self._broadcast(s, m)
            return
        extra = [e for e, kept in ((s.to, m.to), (s.sender, m.sender)) if kept is not None]
        message = Apply(m.full, "record", (*s.args, *(e for e in extra if e is not None)), m.full)
        yield from self.checks(message)
        yield from self._put(s, m, self.total(message))

    def _broadcast(self, s: Send, m: Message) -> Iterator[Stmt]:
        assert m.to is not None
        for a in s.args:
            yield from self.checks(a)
        if len(list(values(m.to))) == 1:
            yield from self._send(replace(s, to=Const(m.to, next(values(m.to)))))
            return
        to = Local(m.to, fresh("to"))
        yield ForAll(to.name, apply("all", attr=m.to), tuple(self._send(replace(s, to=to))), span=s.span)

    def _put(self, s: Send, m: Message, message: Expr) -> Iterator[Stmt]:
        net = self._read(m.var)
        t: Type = net.type
        path: tuple[Expr | str, ...] = ()
        new: Expr
        if isinstance(t, MapOf):
            assert isinstance(t.val, MapOf) and s.sender is not None and s.to is not None
            path = (self.total(s.sender), self.total(s.to))
            queue = apply("index", apply("index", net, path[0]), path[1])
            t = t.val.val
            assert isinstance(t, Seq)
            new = apply("concat", queue, Apply(Seq(t.elem, 1), "seq", (self._inject(m, message, t.elem),)))
        elif isinstance(t, BagOf):
            new = apply("bag_add", net, self._inject(m, message, t.elem))
        else:
            assert isinstance(t, Set)
            new = apply("union", net, apply("set", self._inject(m, message, t.elem)))
        assign = Assign(m.var, path, fit(new, t, "the capacity of the network", s.span), span=s.span)
        yield from self.checks(assign.value)
        yield replace(assign, value=self.total(assign.value))

    def _inject(self, m: Message, message: Expr, t: Type) -> Expr:
        return apply("inject", message, attr=t) if isinstance(t, Union) else message

    # actions

    def action(self, a: Transition) -> ProgramAction:
        """The whole action, its parameters and its message chosen."""
        head = self._receive(a) if a.receive else [_chosen(n, t) for n, t in a.params]
        return ProgramAction(a.name, (*head, *self.block(a.body)))

    def _receive(self, a: Transition) -> list[Stmt]:
        assert a.receive
        m = self.instance.messages[a.receive.message]
        net = self._read(m.var)
        if isinstance(net.type, MapOf):
            return self._take_first(a, m, net)
        x = Local(elem(net), fresh("message"))
        out: list[Stmt] = [Choose(x.name, x.type, net, TRUE)]
        if isinstance(x.type, Union):
            out.append(Require(apply("is", x, attr=m.name)))
        message = Local(m.full, fresh(m.name))
        out.append(LetStmt(message.name, self._as_message(m, x)))
        out += self._bind_fields(a, m, message)
        if isinstance(net.type, BagOf):
            out.append(Assign(m.var, (), apply("bag_remove", net, x), span=a.span))
        return out

    def _bind_fields(self, a: Transition, m: Message, message: Expr) -> list[Stmt]:
        """Names for the fields, the sender and the receiver of a message; a message that is not addressed may go to anyone."""
        assert a.receive
        names = [(n, f) for n, (f, _) in zip(a.receive.fields, m.payload.fields, strict=True)]
        if a.receive.sender:
            names.append((a.receive.sender, "from"))
        params = dict(a.params)
        addressed = m.to is not None and "self" in params
        if addressed:
            names.append(("self", "to"))
        out: list[Stmt] = [LetStmt(n, apply("field", message, attr=f)) for n, f in names]
        return out + [_chosen(n, t) for n, t in a.params if not (addressed and n == "self")]

    def _take_first(self, a: Transition, m: Message, net: Read) -> list[Stmt]:
        assert isinstance(net.type, MapOf) and isinstance(net.type.val, MapOf)
        sender = Local(net.type.key, fresh("from"))
        me: Expr = Local(net.type.val.key, "self")
        out: list[Stmt] = [_chosen(n, t) for n, t in a.params]
        if "self" not in dict(a.params):
            me = Const(net.type.val.key, m.receiver)
        out.append(_chosen(sender.name, sender.type))
        queue = apply("index", apply("index", net, sender), me)
        out.append(Require(apply("lt", number(0), apply("len", queue))))
        first = Apply(elem(queue), "index", (queue, number(0)))
        out.append(Require(apply("is", first, attr=m.name)))
        message = Local(m.full, fresh(m.name))
        out.append(LetStmt(message.name, apply("project", first, attr=m.name)))
        out += self._bind_fields(replace(a, params=()), m, message)
        rest = Apply(queue.type, "slice", (queue, number(1), apply("len", queue)))
        return [*out, Assign(m.var, (sender, me), rest, span=a.span)]


def _sited(e: Expr, original: Expr) -> Expr:
    return replace(e, span=original.span) if e.span is None else e


def _chosen(name: str, t: Type) -> Choose:
    return Choose(name, t, apply("all", attr=t), TRUE)


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────────────────────


def lower(instance: Instance) -> Program:
    """The program of an instance."""
    low = Lowering(instance)
    return Program(
        instance,
        {v.name: v.type for v in instance.vars.values()},
        tuple(s for v in instance.vars.values() for s in _start(low, v)),
        tuple(low.action(a) for a in instance.actions),
        tuple(_predicates(low, instance)),
        tuple(StepCheck(p.name, low.uncertain(p.expr), low.total(p.expr)) for p in instance.properties if p.kind == "step"),
        _bound(low, instance),
        low.total(instance.terminal),
    )


def _bound(low: Lowering, instance: Instance) -> Expr | None:
    """The bound; where it has no value, it does not cut: that fault is seen in the state itself."""
    if instance.bound is None:
        return None
    defined, _ = _defined(low, instance.bound)
    inside = low.total(instance.bound)
    return inside if defined == TRUE else If(BOOL, defined, inside, TRUE)


def _defined(low: Lowering, e: Expr) -> tuple[Expr, Site | None]:
    """When an expression has a value, and the place that is told where it has none (None: it always has one)."""
    checks = low.uncertain(e)
    defined: Expr = TRUE
    for c in checks:
        defined = c.cond if defined == TRUE else both(defined, c.cond)
    return defined, Site(checks[0].fault, checks[0].span) if checks else None


def _start(low: Lowering, v: Var) -> Iterator[Stmt]:
    """The statements that give a variable its initial value, from nothing."""
    if not v.keyed:
        yield from _start_cell(low, v, (), v.init, "")
        return
    assert isinstance(v.type, MapOf)
    for i, k in enumerate(values(v.type.key)):
        me = Const(v.type.key, k)
        yield from _start_cell(low, v, (me,), subst(v.init, {"self": me}), f".{i}")


def _start_cell(low: Lowering, v: Var, path: tuple[Expr | str, ...], init: Expr, suffix: str) -> Iterator[Stmt]:
    if not v.choice:
        yield from low.stmt(Assign(v.name, path, init, span=v.span))
        return
    x = Local(elem(init), f"{v.name}#init{suffix}")
    yield from low.stmt(Choose(x.name, x.type, init, TRUE, span=v.span))
    yield Assign(v.name, path, x, span=v.span)


def _predicates(low: Lowering, instance: Instance) -> Iterator[Predicate]:
    """What is looked at in every state: first what may fault, then what must hold, then what should be found."""
    for p, index in instance.asked():
        kind = "reachable" if p.kind == "reachable" else "invariant"
        defined, site = _defined(low, p.expr)
        if site:
            yield Predicate("fault", p.name, index, apply("not", defined), site)
        if p.kind not in ("bound", "terminal"):
            e = low.total(p.expr)
            good = e if kind == "reachable" else apply("not", e)
            yield Predicate(kind, p.name, index, good if not site else both(defined, good))
