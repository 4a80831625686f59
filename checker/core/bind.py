"""Model + sizes → Instance: parameters become constants, types finite, calls inlined, networks and faults explicit.

Every expression is typed again on the way, bottom up, now with the exact interval of each number, and closed parts are
computed once (by `meaning`).  What an operator needs its arguments to share (the element type of a union, the two sides of
an equality) is made explicit with Fit.  An Instance is all that an engine gets to see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from checker.core.discard import Discard, discarding
from checker.core.ir import (
    Apply,
    Assign,
    Byzantine,
    Call,
    Choose,
    Const,
    Expr,
    Fit,
    Fold,
    ForAll,
    If,
    IfStmt,
    InFlight,
    Let,
    LetStmt,
    Local,
    Mapping,
    Node,
    Param,
    Quant,
    Read,
    Require,
    Send,
    Sent,
    SetOf,
    Size,
    Stmt,
)
from checker.core.meaning import Fault as SpecFault
from checker.core.meaning import evaluate, render
from checker.core.model import Action, Expect, Fault, InstanceDecl, Model, Property, Receive, VarDecl
from checker.core.operators.sets import loose, most, trim
from checker.core.operators.table import FALSE, TRUE, apply, fresh, join, number
from checker.core.typed import build, card_of, elem, elem_type, fit, parts
from checker.core.typed import statements as statements
from checker.core.types import (
    BOOL,
    Bag,
    BagOf,
    Bool,
    Enum,
    Infinite,
    Int,
    Map,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Sort,
    Type,
    Union,
    Unknown,
    Value,
    card,
    rebuild,
    show,
    values,
)
from checker.source import Span

FOLD_LIMIT = 1 << 16  # closed sets up to this many elements are computed once


class BindError(Exception):
    """An instance that cannot be: `span` says where in the spec (or None: on the command line)."""

    def __init__(self, text: str, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(text)
        self.text, self.span, self.hint = text, span, hint


class AssumptionFails(BindError):
    """An `assume`, or a claimed quorum intersection, does not hold for these sizes (exit 10)."""


@dataclass(frozen=True)
class Var(Node):
    """A state variable.  `keyed`: a map with one cell per process, each started by `init`.  `hidden`: made by bind
    ("network", "fault")."""

    name: str
    type: Type
    init: Expr
    choice: bool = False
    keyed: bool = False
    process: str | None = None
    durable: bool = True
    ghost: bool = False
    hidden: str = ""


@dataclass(frozen=True)
class Message:
    """A message type in this instance: `payload` has the declared fields, `full` also `to` and `from` if they are kept (in
    this order).
    `var`: the network variable that holds it.  `receiver`: the one receiving process where it is single."""

    name: str
    payload: Record
    full: Record
    to: Type | None
    sender: Type | None
    var: str
    receiver: Value = None


@dataclass(frozen=True)
class Transition(Node):
    """An action of the instance.  kind: "action" | "handler" | "crash" | "stop" | "byzantine" | "loss" | "duplication".  In a
    process with identities the first parameter is "self"."""

    name: str
    params: tuple[tuple[str, Type], ...]
    body: tuple[Stmt, ...]
    process: str | None = None
    receive: Receive | None = None
    kind: str = "action"


@dataclass(frozen=True)
class Instance:
    """A finite protocol: what every engine starts from."""

    model: Model
    name: str
    sizes: dict[str, Value]
    names: dict[str, tuple[str, ...]]
    network: str
    messages: dict[str, Message]
    vars: dict[str, Var]
    actions: tuple[Transition, ...]
    properties: tuple[Property, ...]
    terminal: Expr
    bound: Expr | None
    expect: Expect | None
    records: dict[str, Record] = field(default_factory=dict)

    @property
    def sorts(self) -> dict[str, int]:
        """The sorts and how many identities each has."""
        return {s: int(self.sizes[s]) for s in self.model.sorts}

    def asked(self) -> Iterator[tuple[Property, int]]:
        """What is evaluated in every state, and its rank among spec faults of equal depth (an action's has rank 0, that of the
        step property i 2000 + i).  The bound and `terminal` are properties of these names; only their faults count."""
        for first, kinds in ((1, ("invariant", "lemma")), (1000, ("reachable",))):
            for i, p in enumerate(p for p in self.properties if p.kind in kinds):
                yield p, first + i
        if self.bound is not None:
            yield Property("bound", "bound", self.bound), 3000
        yield Property("terminal", "terminal", self.terminal), 3001


# ── constants and types ──────────────────────────────────────────────────────────────────────────────────────────────


class Binder:
    """Rewrites model-level types and expressions for one choice of sizes."""

    def __init__(self, model: Model, sizes: dict[str, Value]) -> None:
        self.model, self.sizes = model, sizes
        self.vars: dict[str, Type] = {}
        self.messages: dict[str, Message] = {}
        self._types: dict[Type, Type] = {}

    # types

    def type(self, t: Type) -> Type:
        """The finite type that a model-level type is here."""
        if t not in self._types:
            self._types[t] = self._type(t)
        return self._types[t]

    def _type(self, t: Type) -> Type:
        match t:
            case Int(lo, hi, name):
                low, high = self._number(lo), self._number(hi)
                if low is not None and high is not None and low > high:
                    raise BindError(f"the range {show(t) if name else ''} {low}..{high} is empty".replace("  ", " "))
                return Int(low, high)
            case Sort(name, _):
                return Sort(name, self.sizes[name])
            case Set(e, cap):
                return trim(self.type(e), self._capacity(cap))
            case BagOf(e, cap):
                return BagOf(self.type(e), self._capacity(cap))
            case Seq(e, cap):
                return Seq(self.type(e), self._capacity(cap))
        return rebuild(t, self.type)

    def _number(self, b: Any) -> int | None:
        return b if b is None or isinstance(b, int) else int(self.closed(b))

    def _capacity(self, b: Any) -> int | None:
        n = self._number(b)
        if n is not None and n < 0:
            raise BindError(f"a capacity of {n}", getattr(b, "span", None))
        return n

    # expressions

    def closed(self, e: Expr) -> Value:
        """The value of an expression over parameters and sizes only."""
        try:
            return evaluate(self.expr(e, {}), {})
        except SpecFault as f:
            raise BindError(f"this has no value here: {f.text}", e.span) from None

    def expr(self, e: Expr, env: dict[str, Type]) -> Expr:
        """The expression, typed for this instance; `env` types the locals."""
        out = self._expr(e, env)
        if out.span is None and e.span is not None:
            out = replace(out, span=e.span)
        return self._fold(out)

    def _expr(self, e: Expr, env: dict[str, Type]) -> Expr:
        match e:
            case Const():
                return replace(e, type=self._literal(e))
            case Param():
                return self._constant(self.type(e.type), self.sizes[e.name])
            case Size():
                return number(self.sizes[e.sort])
            case Read():
                return replace(e, type=self.vars[e.var])
            case Local():
                return replace(e, type=env[e.name])
            case If():
                c, a, b = (self.expr(x, env) for x in (e.cond, e.then, e.orelse))
                if isinstance(c, Const):
                    t = join(a.type, b.type)
                    return fit(a if c.value else b, t)
                if (a, b) == (TRUE, FALSE):
                    return c
                t = join(a.type, b.type)
                return replace(e, type=t, cond=c, then=fit(a, t), orelse=fit(b, t))
            case Let():
                v = self.expr(e.value, env)
                body = self.expr(e.body, {**env, e.name: v.type})
                return replace(e, type=body.type, value=v, body=body)
            case Call():
                return self._call(e, env)
            case Fit():
                return fit(self.expr(e.value, env), self.type(e.type), e.what, e.span)
            case Quant():
                d = self._domain(e.domain, env)
                if _nothing(d):
                    return TRUE if e.kind == "forall" else FALSE
                return replace(e, type=BOOL, domain=d, body=self.expr(e.body, {**env, e.name: elem(d)}))
            case SetOf():
                return self._set_of(e, env)
            case Fold():
                return self._fold_node(e, env)
            case Mapping():
                assert isinstance(e.type, MapOf)
                key = self.type(e.type.key)
                body = self.expr(e.body, {**env, e.name: key})
                return replace(e, type=MapOf(key, body.type), body=body)
            case Sent():
                return self._sent(e, env)
            case InFlight():
                return self._in_flight()
            case Byzantine():
                return self._byzantine(e)
            case Apply():
                args = tuple(self.expr(a, env) for a in e.args)
                attr = self.type(e.attr) if isinstance(e.attr, Type) else e.attr
                return build(e.op, args, attr, e.span)
        raise AssertionError(e)

    def _literal(self, e: Const) -> Type:
        """The least type of a literal: what nothing is made of is unknown."""
        if isinstance(e.type, Int):
            return Int(e.value, e.value)
        if e.value is None:
            return Option(Unknown())
        nothing: dict[type, Type] = {tuple: Seq(Unknown(), 0), frozenset: Set(Unknown()), Bag: BagOf(Unknown(), 0)}
        empty = nothing.get(type(e.value))
        return empty if empty is not None and not e.value else self.type(e.type)

    def _constant(self, t: Type, v: Value) -> Const:
        return Const(Int(v, v) if isinstance(t, Int) else t, v)

    def _domain(self, e: Expr, env: dict[str, Type]) -> Expr:
        d = self.expr(e, env)
        return Const(NOTHING, frozenset()) if isinstance(elem(d), Unknown) else d

    def _call(self, e: Call, env: dict[str, Type]) -> Expr:
        d = self.model.defs[e.name]
        args = [fit(self.expr(a, env), self.type(t), n) for a, (n, t) in zip(e.args, d.params, strict=True)]
        body = self.expr(d.body, {n: a.type for a, (n, _) in zip(args, d.params, strict=True)})
        for a, (n, _) in reversed(list(zip(args, d.params, strict=True))):
            body = Let(body.type, n, a, body, span=e.span)
        return body

    def _set_of(self, e: SetOf, env: dict[str, Type]) -> Expr:
        d = self._domain(e.domain, env)
        if _nothing(d):
            return Const(NOTHING, frozenset())
        inner = {**env, e.name: elem(d)}
        where, body = self.expr(e.where, inner), self.expr(e.body, inner)
        cap = d.type.cap if isinstance(d.type, Set) and d.type.cap is not None else card_of(elem(d))
        return replace(e, type=loose(body.type, cap), domain=d, where=where, body=body)

    def _fold_node(self, e: Fold, env: dict[str, Type]) -> Expr:
        d = self._domain(e.domain, env)
        if _nothing(d):
            return (
                number(0)
                if e.kind == "sum"
                else replace(e, type=Int(0, 0), domain=Const(Set(Int(0, 0)), frozenset()), where=TRUE, body=number(0))
            )
        inner = {**env, e.name: elem(d)}
        where, body = self.expr(e.where, inner), self.expr(e.body, inner)
        t = body.type
        if e.kind == "sum" and isinstance(t, Int) and isinstance(t.lo, int) and isinstance(t.hi, int):
            n = d.type.cap if isinstance(d.type, Set) and isinstance(d.type.cap, int) else card_of(elem(d))
            t = Int(min(0, n * t.lo), max(0, n * t.hi))
        return replace(e, type=t, domain=d, where=where, body=body)

    def _sent(self, e: Sent, env: dict[str, Type]) -> Expr:
        m = self.messages[e.message]

        def one(a: Expr | None, t: Type | None) -> Expr | None:
            return None if a is None or t is None else self.expr(a, env)

        args = tuple(one(a, t) for a, (_, t) in zip(e.args, m.payload.fields, strict=True))
        return replace(e, type=BOOL, args=args, to=one(e.to, m.to), sender=one(e.sender, m.sender))

    def _fold(self, e: Expr) -> Expr:
        """Computes what depends on nothing."""
        inner = parts(e)
        if isinstance(e, Const | Local | Read | Sent) or (not inner and not isinstance(e, Apply)):
            return e
        if isinstance(e, Apply) and e.op == "all":
            return e
        binds = isinstance(e, Quant | SetOf | Fold | Mapping | Let)
        if not binds and not all(isinstance(p, Const) or _whole(p) for p in inner):
            return e
        if not closed_term(e) or _work(e) > FOLD_LIMIT:
            return e
        try:
            v = evaluate(e, {})
        except SpecFault:
            return e
        t = Int(v, v) if isinstance(e.type, Int) else e.type
        return Const(t, v, span=e.span)

    def _byzantine(self, e: Byzantine) -> Expr:
        """The set that the fault keeps; nobody where it is not declared."""
        ident = self.model.processes[e.process].ident
        name, t = f"byzantine {e.process}", self.type(ident or Enum(e.process, (e.process,)))
        found: Expr = Read(self.vars[name], name) if name in self.vars else Const(trim(t, None), frozenset())
        return found if ident is not None else apply("in_set", Const(t, e.process), found)

    def _in_flight(self) -> Expr:
        """How many messages there are, over all the network's variables."""
        total: Expr = number(0)
        for name in dict.fromkeys(m.var for m in self.messages.values()):
            total = apply("add", total, self._held(Read(self.vars[name], name)))
        return total

    def _held(self, content: Expr) -> Expr:
        """How many messages are in a set, bag or queue, or in a map of them."""
        if not isinstance(content.type, MapOf):
            return apply("len", content)
        key = Local(content.type.key, fresh("p"))
        inner = self._held(apply("index", content, key))
        assert isinstance(inner.type, Int) and isinstance(inner.type.hi, int)
        most = Int(0, card(key.type) * inner.type.hi)
        return Fold(most, "sum", key.name, apply("all", attr=key.type), TRUE, inner)

    # statements

    def block(self, body: tuple[Stmt, ...], env: dict[str, Type]) -> tuple[Stmt, ...]:
        """Statements, typed for this instance."""
        out: list[Stmt] = []
        env = dict(env)
        for s in body:
            match s:
                case Require():
                    out.append(replace(s, cond=self.expr(s.cond, env)))
                case LetStmt():
                    v = self.expr(s.value, env)
                    env[s.name] = v.type
                    out.append(replace(s, value=v))
                case Choose():
                    d = self._domain(s.domain, env)
                    if _nothing(d):
                        return (*out, Require(FALSE, span=s.span))
                    env[s.name] = elem(d)
                    out.append(replace(s, type=elem(d), domain=d, where=self.expr(s.where, env)))
                case Assign():
                    out.append(self.assign(s, env))
                case Send():
                    out.append(self._send(s, env))
                case IfStmt():
                    c = self.expr(s.cond, env)
                    out.append(replace(s, cond=c, then=self.block(s.then, env), orelse=self.block(s.orelse, env)))
                case ForAll():
                    d = self._domain(s.domain, env)
                    if _nothing(d):
                        continue
                    out.append(replace(s, domain=d, body=self.block(s.body, {**env, s.name: elem(d)})))
                case _:
                    raise AssertionError(s)
        return tuple(out)

    def assign(self, s: Assign, env: dict[str, Type]) -> Assign:
        t = self.vars[s.var]
        path: list[Expr | str] = []
        for p in s.path:
            if isinstance(p, str):
                assert isinstance(t, Record)
                t = dict(t.fields)[p]
                path.append(p)
                continue
            key = self.expr(p, env)
            assert isinstance(t, MapOf | Seq)
            path.append(fit(key, t.key, "the map's keys") if isinstance(t, MapOf) else key)
            t = t.val if isinstance(t, MapOf) else t.elem
        what = s.value.what if isinstance(s.value, Fit) else s.var
        return replace(s, path=tuple(path), value=fit(self.expr(s.value, env), t, what, s.span))

    def _send(self, s: Send, env: dict[str, Type]) -> Send:
        m = self.messages[s.message]
        args = tuple(fit(self.expr(a, env), t, n) for a, (n, t) in zip(s.args, m.payload.fields, strict=True))
        to = fit(self.expr(s.to, env), m.to, "to") if s.to and m.to else None
        sender = fit(self.expr(s.sender, env), m.sender, "from") if s.sender and m.sender else None
        if m.sender and sender is None:  # a single process has no `self`, but its channels start at it
            sender = Const(m.sender, next(values(m.sender)))
        return replace(s, args=args, to=to, sender=sender)


NOTHING = Set(Unknown())


def _nothing(d: Expr) -> bool:
    """Is it an empty set whose elements have no type, so that there is nothing to range over?"""
    return isinstance(elem(d), Unknown)


def _whole(e: Expr) -> bool:
    return isinstance(e, Apply) and e.op == "all"


def free(e: Expr) -> frozenset[str]:
    """The free locals of an expression; "" stands for the state."""
    match e:
        case Local():
            return frozenset((e.name,))
        case Read() | Sent():
            return frozenset(("",)).union(*(free(p) for p in parts(e)))
        case Quant() | Fold() | SetOf():
            inner = [free(x) for x in (getattr(e, "where", TRUE), e.body)]
            return free(e.domain) | (frozenset().union(*inner) - {e.name})
        case Mapping():
            return free(e.body) - {e.name}
        case Let():
            return free(e.value) | (free(e.body) - {e.name})
    return frozenset().union(*(free(p) for p in parts(e)))


def closed_term(e: Expr) -> bool:
    return not free(e)


def _work(e: Expr) -> int:
    """Roughly how many steps it takes to compute a closed expression."""
    match e:
        case Quant() | Fold() | SetOf():
            n = card(elem(e.domain)) if _whole(e.domain) else len(e.domain.value) if isinstance(e.domain, Const) else FOLD_LIMIT
            return n * (1 + sum(_work(p) for p in parts(e)[1:]))
        case Mapping():
            return card(e.type.key) * (1 + _work(e.body))  # type: ignore[attr-defined]
        case Apply() if e.op == "all":
            return card(e.attr)
        case Apply() if e.op == "subsets":
            return 1 << min(32, card(elem_type(e.args[0].type)))
    return 1 + sum(_work(p) for p in parts(e))


# ── from a model to an instance ──────────────────────────────────────────────────────────────────────────────────────


def bind(model: Model, name: str | None = None, overrides: dict[str, Value] | None = None) -> Instance:
    """The instance of this name (default: the first), with some sizes or parameters set otherwise (then nothing is expected of it
    but what does not depend on sizes).  Raises BindError, AssumptionFails."""
    decl = _declaration(model, name)
    sizes = _sizes(model, decl, overrides or {})
    binder = Binder(model, sizes)
    _check_assumptions(binder)
    return _Assembly(binder, decl, bool(overrides)).instance()


def expression(instance: Instance, e: Expr, env: dict[str, Type]) -> Expr:
    """An expression of the model as one of an instance of it; `env` types the names that are free in it."""
    binder = Binder(instance.model, instance.sizes)
    binder.vars = {v.name: v.type for v in instance.vars.values()}
    binder.messages = instance.messages
    return binder.expr(e, env)


def _declaration(model: Model, name: str | None) -> InstanceDecl:
    if name is None:
        return next(iter(model.instances.values()), InstanceDecl("default"))
    if name not in model.instances:
        import difflib

        near = difflib.get_close_matches(name, model.instances, 1)
        have = ", ".join(model.instances) or "none"
        raise BindError(
            f"no instance `{name}` in {model.source.name}", hint=f"did you mean `{near[0]}`?" if near else f"it has: {have}"
        )
    return model.instances[name]


def _sizes(model: Model, decl: InstanceDecl, overrides: dict[str, Value]) -> dict[str, Value]:
    sizes: dict[str, Value] = {}
    for n in overrides:
        if n not in model.sorts and n not in model.params:
            raise BindError(
                f"`{n}` is no sort or parameter of {model.name}", hint=f"it has: {', '.join([*model.sorts, *model.params])}"
            )
    given: dict[str, Expr] = {n: p.default for n, p in model.params.items() if p.default is not None}
    given |= decl.sizes
    for n in model.sorts:
        if n not in given and n not in overrides and n in decl.names:
            sizes[n] = len(decl.names[n])
    for n, v in overrides.items():
        sizes[n] = v
    pending = {n: e for n, e in given.items() if n not in sizes}
    while pending:  # a size may be given in terms of others
        ready = {n: e for n, e in pending.items() if _uses(e) <= sizes.keys()}
        if not ready:
            raise BindError(
                f"the sizes {', '.join(pending)} depend on one another or on one that is open", next(iter(pending.values())).span
            )
        for n, e in ready.items():
            sizes[n] = Binder(model, sizes).closed(e)
            del pending[n]
    for n in (*model.sorts, *model.params):
        if n not in sizes:
            raise BindError(
                f"`{n}` has no value in instance {decl.name}", decl.span, hint=f"give it one: `{n} = 3`, or `-D {n}=3`"
            )
        _check_size(model, n, sizes[n], decl.sizes.get(n))
    return sizes


def _uses(e: Any) -> set[str]:
    """The parameters and sorts that a closed expression depends on."""
    if isinstance(e, Param):
        return {e.name}
    if isinstance(e, Size):
        return {e.sort}
    if isinstance(e, Node | Type):
        return set().union(*(_uses(getattr(e, f)) for f in e.__dataclass_fields__ if f != "span"), set())
    if isinstance(e, tuple):
        return set().union(*(_uses(x) for x in e), set())
    return set()


def _check_size(model: Model, name: str, v: Value, given: Expr | None) -> None:
    span = given.span if given else None
    if name in model.sorts:
        if type(v) is not int or v < 1:
            raise BindError(f"the sort {name} needs at least 1 identity, not {render(v)}", span)
        return
    t = model.params[name].type
    ok = {Int: type(v) is int, Bool: type(v) is bool}.get(type(t), isinstance(v, str))
    if isinstance(t, Enum):
        ok = v in t.members
    if not ok:
        raise BindError(f"{name} is of type {show(t)}, and {render(v)} is not", span)
    if isinstance(t, Int) and isinstance(t.lo, int) and isinstance(t.hi, int) and not t.lo <= v <= t.hi:
        raise BindError(f"{name} must lie in {t.lo}..{t.hi}, and {v} does not", span)


def _check_assumptions(b: Binder) -> None:
    for a in b.model.assumes:
        if not b.closed(a.expr):
            raise AssumptionFails(f"the assumption does not hold here: {a.text}", a.span)
    for q in b.model.quorums.values():
        for other in q.meets:
            _check_meeting(b, q.name, other, q.span)


def _check_meeting(b: Binder, one: str, other: str, span: Span | None) -> None:
    sets = [sorted(b.closed(Call(b.model.defs[n].body.type, n)), key=lambda s: (len(s), sorted(s))) for n in (one, other)]
    for x in sets[0]:
        for y in sets[1]:
            if not x & y:
                raise AssumptionFails(f"quorums are claimed to meet, but {one} {render(x)} and {other} {render(y)} do not", span)


class _Assembly:
    """Puts an instance together."""

    def __init__(self, binder: Binder, decl: InstanceDecl, overridden: bool) -> None:
        self.b, self.decl, self.model, self.overridden = binder, decl, binder.model, overridden
        self.vars: dict[str, Var] = {}

    def instance(self) -> Instance:
        m = self.model
        for v in m.vars.values():
            self._declare(v)
        self._network()
        self._fault_vars()
        self.b.vars = {v.name: v.type for v in self.vars.values()}
        for name, var in list(self.vars.items()):
            if not var.hidden:
                self.vars[name] = self._initial(var, m.vars[name])
        actions = discarding([self._action(a) for a in m.actions] + self._fault_actions(), self._discards())
        props = tuple(replace(p, expr=self.b.expr(p.expr, {})) for p in m.properties)
        return Instance(
            m,
            self.decl.name,
            self.b.sizes,
            self.decl.names,
            m.network.kind,
            self.b.messages,
            self.vars,
            tuple(actions),
            props,
            self.b.expr(m.terminal, {}) if m.terminal else FALSE,
            self.b.expr(self.decl.bound, {}) if self.decl.bound else None,
            self._expect(),
            self._records(),
        )

    def _records(self) -> dict[str, Record]:
        found = {t.name: t for d in self.model.types.values() if isinstance(t := self.b.type(d), Record)}
        return found | {m.name: m.full for m in self.b.messages.values()}

    def _expect(self) -> Expect | None:
        e = self.decl.expect
        return replace(e, counts={}) if e and self.overridden else e

    # variables

    def _declare(self, v: VarDecl) -> None:
        keyed = v.process is not None and self.model.processes[v.process].ident is not None
        durable = v.process is None or v.ghost or (v.durable and v.name not in self.decl.volatile) or v.name in self.decl.durable
        t = self.b.type(v.type)
        self._finite(t, v)
        self.vars[v.name] = Var(v.name, t, v.init, v.choice, keyed, v.process, durable, v.ghost, span=v.span)

    def _finite(self, t: Type, v: Node) -> None:
        try:
            card(t)
        except Infinite:
            raise BindError(f"`{getattr(v, 'name', '')}` has an unbounded type, {show(t)}", v.span) from None

    def _initial(self, var: Var, decl: VarDecl) -> Var:
        env = {"self": var.type.key} if var.keyed and isinstance(var.type, MapOf) else {}
        cell = self.b.type(decl.cell)
        e = self.b.expr(decl.init, env)
        if var.choice:
            e = e.value if isinstance(e, Fit) else e
            t = trim(cell, len(e.value) if isinstance(e, Const) else most(e.type))
            e = e if _whole(e) and e.type == t else fit(e, t, f"`{var.name}`", decl.span)
        else:
            e = fit(e, cell, f"`{var.name}`", decl.span)
        self._starts(e, env, decl)
        return replace(var, init=e)

    def _starts(self, e: Expr, env: dict[str, Type], decl: VarDecl) -> None:
        """An initial value that has none is a mistake of the instance, not a spec fault on the way."""
        if _whole(e):
            return
        for me in values(env["self"]) if env else (None,):
            try:
                evaluate(e, {"self": me})
            except SpecFault as f:
                raise BindError(f"`{decl.name}` has no initial value here: {f.text}", decl.span) from None

    def _hidden(self, name: str, t: Type, value: Value, kind: str) -> Var:
        return Var(name, t, Const(t, value), hidden=kind)

    # network

    def _network(self) -> None:
        kind, net = self.model.network.kind, self.model.network
        infos = {m.name: self._message(m.name) for m in self.model.messages.values()}
        capacity = self.b._capacity(net.capacity) if net.capacity is not None else None
        if kind == "set":
            large = []
            for m in infos.values():
                own = self.model.messages[m.name].cap
                cap = self.b._capacity(own) if own is not None else None
                if cap is not None or card(m.full) <= MASK_LIMIT:
                    t = trim(m.full, cap)
                    self.vars[m.var] = self._hidden(m.var, t, frozenset(), "network")
                else:
                    large.append(m.name)
            self._shared(infos, large, capacity)
        elif infos:
            if capacity is None:
                raise BindError(f"a {kind} network needs a capacity", net.span)
            infos = self._bag(infos, capacity) if kind == "bag" else self._channels(infos, capacity)
        self.b.messages = infos

    def _shared(self, infos: dict[str, Message], large: list[str], capacity: int | None) -> None:
        """The messages of a set network with too many possible contents for a bit mask share sorted slots."""
        if not large:
            return
        if capacity is None:
            n = card(infos[large[0]].full)
            raise BindError(
                f"message {large[0]} has {n:,} possible contents, too many for a bit each",
                self.model.messages[large[0]].span,
                "say how many there may be at most: `network set capacity 8`, or `message … capacity 8`",
            )
        u = Union(tuple(infos[n].full for n in large))
        self.vars["network"] = self._hidden("network", Set(u, capacity), frozenset(), "network")
        for name in large:
            infos[name] = replace(infos[name], var="network")

    def _message(self, name: str) -> Message:
        d = self.model.messages[name]
        payload = self.b.type(d.payload)
        assert isinstance(payload, Record)
        self._finite(payload, d)
        handlers = [a.process for a in self.model.actions if a.receive and a.receive.message == name and a.process]
        to, sender = d.to, d.sender
        receiver: Value = None
        if self.model.network.kind != "set":
            to = to or self._ident(handlers[0] if handlers else None)
        if self.model.network.kind == "fifo":
            sender = sender or self._sender(name)
        if handlers and self.model.processes[handlers[0]].ident is None:
            receiver = handlers[0]
        to, sender = self.b.type(to) if to else None, self.b.type(sender) if sender else None
        extra = [(n, t) for n, t in (("to", to), ("from", sender)) if t]
        full = Record(name, (*payload.fields, *extra))
        return Message(name, payload, full, to, sender, f"sent {name}", receiver)

    def _ident(self, process: str | None) -> Type:
        if process is None:
            raise BindError("a message that nobody handles cannot be sent over this network")
        return self.model.processes[process].ident or Enum(process, (process,))

    def _sender(self, name: str) -> Type:
        """The identities of the one kind of process that sends a message: where its channels start."""
        bodies = [(a.process, a.body) for a in self.model.actions] + [
            (p.name, p.on_restart) for p in self.model.processes.values()
        ]
        senders = {p for p, body in bodies if p and any(isinstance(s, Send) and s.message == name for s in statements(body))}
        if len(senders) > 1:
            d = self.model.messages[name]
            raise BindError(
                f"{name} is sent by {' and '.join(sorted(senders))} over fifo channels", d.span, "declare a message for each"
            )
        return self._ident(senders.pop()) if senders else Enum("nobody", ("nobody",))

    def _bag(self, infos: dict[str, Message], capacity: int) -> dict[str, Message]:
        u = Union(tuple(m.full for m in infos.values()))
        self.vars["network"] = self._hidden("network", BagOf(u, capacity), Bag(), "network")
        return {n: replace(m, var="network") for n, m in infos.items()}

    def _channels(self, infos: dict[str, Message], capacity: int) -> dict[str, Message]:
        """One fifo channel for each sender and receiver; a variable for each pair of kinds of process that talk."""
        pairs: dict[tuple[Type, Type], list[Message]] = {}
        for m in infos.values():
            assert m.sender and m.to
            pairs.setdefault((m.sender, m.to), []).append(m)
        for (s, r), ms in pairs.items():
            var = "network" if len(pairs) == 1 else f"network {show(s)} {show(r)}"
            t = MapOf(s, MapOf(r, Seq(Union(tuple(m.full for m in ms)), capacity)))
            self.vars[var] = self._hidden(var, t, _empty_channels(t), "network")
            infos |= {m.name: replace(m, var=var) for m in ms}
        return infos

    # faults

    def _budget(self, f: Fault) -> int:
        n = self.b.closed(f.budget)
        if n < 0:
            raise BindError(f"a budget of {n}", f.span)
        return int(n)

    def _fault_vars(self) -> None:
        for f in self.decl.faults:
            name, n = _counter(f), self._budget(f)
            if f.kind in ("stop", "byzantine"):
                assert f.target
                t: Type = trim(self.b.type(self._ident(f.target)), None)
                self.vars[name] = self._hidden(name, t, frozenset(), "fault")
                if f.kind == "byzantine":
                    self.vars[name] = replace(self.vars[name], init=_few(t, n), choice=True)
            else:
                t = Int(0, n)
                self.vars[name] = self._hidden(name, t, 0, "fault")

    def _fault_actions(self) -> list[Transition]:
        return [a for f in self.decl.faults for a in self._fault(f)]

    def _fault(self, f: Fault) -> list[Transition]:
        name, n = _counter(f), self._budget(f)
        if f.kind in ("crash", "stop"):
            assert f.target
            return [self._crash(f, name, n) if f.kind == "crash" else self._stop(f, name, n)]
        if f.kind == "byzantine":
            return self._byzantine(f, name)
        return self._message_faults(f, name, n)

    def _self(self, process: str) -> tuple[tuple[tuple[str, Type], ...], Expr]:
        ident = self.model.processes[process].ident
        if ident is None:
            t: Type = Enum(process, (process,))
            return (), Const(t, process)
        t = self.b.type(ident)
        return (("self", t),), Local(t, "self")

    def _count(self, name: str, n: int) -> tuple[Stmt, Stmt]:
        t = self.vars[name].type
        used = Read(t, name)
        up = fit(apply("add", used, number(1)), t)
        return Require(apply("lt", used, number(n))), Assign(name, (), up)

    def _crash(self, f: Fault, name: str, n: int) -> Transition:
        assert f.target
        params, me = self._self(f.target)
        less, more = self._count(name, n)
        alive = self._alive(f.target, me)
        body: list[Stmt] = [*alive, less, more]
        for v in self.vars.values():
            if v.process == f.target and not v.durable:
                body += self._reset(v, me)
        env = dict(params)
        restart = self.b.block(self.model.processes[f.target].on_restart, env)
        return Transition(f"crash {f.target}", params, (*body, *restart), f.target, None, "crash", span=f.span)

    def _reset(self, v: Var, me: Expr) -> list[Stmt]:
        path: tuple[Expr | str, ...] = (me,) if v.keyed else ()
        if not v.choice:
            return [Assign(v.name, path, v.init, span=v.span)]
        again = f"{v.name}#reset"
        t = elem(v.init)
        return [Choose(again, t, v.init, TRUE), Assign(v.name, path, Local(t, again), span=v.span)]

    def _stop(self, f: Fault, name: str, n: int) -> Transition:
        assert f.target
        params, me = self._self(f.target)
        gone = Read(self.vars[name].type, name)
        few = Require(apply("lt", apply("len", gone), number(n)))
        more = Assign(name, (), fit(build("union", (gone, apply("set", me))), gone.type))
        return Transition(
            f"stop {f.target}", params, (*self._alive(f.target, me), few, more), f.target, None, "stop", span=f.span
        )

    def _alive(self, process: str, me: Expr) -> list[Stmt]:
        """Does it follow the protocol still?"""
        gone = [v for past in ("stopped", "byzantine") if (v := self.vars.get(f"{past} {process}"))]
        return [Require(apply("not", apply("in_set", me, Read(v.type, v.name)))) for v in gone]

    def _byzantine(self, f: Fault, name: str) -> list[Transition]:
        """A Byzantine process sends whatever its kind can send.  On a set network the message is there from then on; on the
        others it is received in the same step, so that it never takes the room of another."""
        assert f.target
        bodies = [a.body for a in self.model.actions if a.process == f.target] + [self.model.processes[f.target].on_restart]
        sent = {s.message for body in bodies for s in statements(body) if isinstance(s, Send)}
        out: list[Transition] = []
        for m in (m for m in self.b.messages.values() if m.name in sent):
            if (n := card(m.payload)) > MASK_LIMIT:
                hint = "bound its fields: in every state a Byzantine process may send each of them"
                raise BindError(f"{m.name} has {n:,} possible contents", self.model.messages[m.name].span, hint)
            if self.model.network.kind == "set":
                out.append(self._anything(f, name, m))
            else:
                out += [self._delivered(f, name, m, a) for a in self.model.actions if a.receive and a.receive.message == m.name]
        return out

    def _anything(self, f: Fault, name: str, m: Message) -> Transition:
        """A Byzantine process sends a message that was not sent yet."""
        assert f.target
        own, me = self._self(f.target)
        byzantine = Require(apply("in_set", me, Read(self.vars[name].type, name)))
        fields = tuple(Local(t, f"{n}#byzantine") for n, t in m.payload.fields)
        to = Local(m.to, "to#byzantine") if m.to else None
        sender = me if m.sender else None
        body: list[Stmt] = [byzantine, Require(apply("not", Sent(BOOL, m.name, fields, to, sender)))]
        t = self.vars[m.var].type
        if isinstance(t, Set) and isinstance(t.cap, int) and t.cap < card_of(t.elem):
            body.append(Require(apply("lt", apply("len", Read(t, m.var)), number(t.cap))))
        body.append(Send(m.name, fields, to, sender, span=f.span))
        params = (*own, *((x.name, x.type) for x in (*([to] if to else []), *fields)))
        return Transition(f"byzantine {f.target} {m.name}", params, tuple(body), f.target, None, "byzantine", span=f.span)

    def _delivered(self, f: Fault, name: str, m: Message, a: Action) -> Transition:
        """The handler of a message, as a Byzantine process sends it."""
        assert f.target and a.receive
        own, him = self._self(f.target)
        handler = self._action(a)
        if own:
            him = Local(him.type, a.receive.sender or "from#byzantine")
        fields = zip(a.receive.fields, (t for _, t in m.payload.fields), strict=True)
        params = (*handler.params, *([(him.name, him.type)] if isinstance(him, Local) else []), *fields)
        byzantine = Require(apply("in_set", him, Read(self.vars[name].type, name)))
        return Transition(
            f"byzantine {f.target} {m.name}", params, (byzantine, *handler.body), a.process, None, "byzantine", span=f.span
        )

    def _message_faults(self, f: Fault, name: str, n: int) -> list[Transition]:
        if self.model.network.kind == "set":
            hint = "a set network already loses and duplicates at will: leave the fault out"
            raise BindError(f"{f.kind} in a set network", f.span, hint)
        less, more = self._count(name, n)
        kind = f"{f.kind} of {f.target}" if f.target else f.kind
        where = {m.var for m in self.b.messages.values() if f.target in (None, m.name)}
        out = []
        for net in (Read(v.type, v.name) for v in self.vars.values() if v.name in where):
            body = self._bag_fault(f, net) if isinstance(net.type, BagOf) else self._fifo_fault(f, net)
            out.append(Transition(kind, (), (less, *body, more), None, None, f.kind, span=f.span))
        return out

    def _named(self, f: Fault, m: Expr) -> Expr:
        return apply("is", m, attr=f.target) if f.target else TRUE

    def _bag_fault(self, f: Fault, net: Read) -> list[Stmt]:
        assert isinstance(net.type, BagOf)
        m = Local(net.type.elem, "message#fault")
        chosen = Choose(m.name, m.type, net, self._named(f, m))
        if f.kind == "loss":
            return [chosen, Assign(net.var, (), apply("bag_remove", net, m))]
        room = Require(apply("lt", apply("len", net), number(int(net.type.cap))))  # type: ignore[arg-type]
        return [chosen, room, Assign(net.var, (), fit(apply("bag_add", net, m), net.type))]

    def _fifo_fault(self, f: Fault, net: Read) -> list[Stmt]:
        assert isinstance(net.type, MapOf) and isinstance(net.type.val, MapOf) and isinstance(net.type.val.val, Seq)
        s, r = Local(net.type.key, "sender#fault"), Local(net.type.val.key, "receiver#fault")
        queue = apply("index", apply("index", net, s), r)
        domain = apply("indices", queue)
        i = Local(elem(domain), "at#fault")
        choose: list[Stmt] = [
            Choose(s.name, s.type, apply("all", attr=s.type), TRUE),
            Choose(r.name, r.type, apply("all", attr=r.type), TRUE),
            Choose(i.name, i.type, domain, TRUE),
        ]
        if f.target:
            choose.append(Require(self._named(f, apply("index", queue, i))))
        if f.kind == "duplication":
            choose.append(Require(apply("lt", apply("len", queue), number(int(net.type.val.val.cap)))))  # type: ignore[arg-type]
        upto = apply("add", i, number(1 if f.kind == "duplication" else 0))
        head = apply("slice", queue, number(0), upto)
        after = apply("add", i, number(0 if f.kind == "duplication" else 1))
        tail = apply("slice", queue, after, apply("len", queue))
        new = fit(apply("concat", head, tail), net.type.val.val)
        return [*choose, Assign(net.var, (s, r), new)]

    # actions

    def _discards(self) -> list[Discard]:
        """Which messages nobody will look at again, as their only handlers say."""
        found = []
        handled = [h.receive.message for h in self.model.actions if h.receive]
        for h in self.model.actions:
            if h.receive and h.receive.discard is not None and h.process and handled.count(h.receive.message) == 1:
                m = self.b.messages[h.receive.message]
                params, me = self._self(h.process)
                fields = dict(zip(h.receive.fields, m.payload.fields, strict=True))
                env = {**dict(params), **{local: t for local, (_, t) in fields.items()}}
                names = {local: name for local, (name, _) in fields.items()}
                if h.receive.sender:
                    assert m.sender
                    env[h.receive.sender], names[h.receive.sender] = m.sender, "from"
                if m.to and params:
                    names["self"] = "to"
                useless = self.b.expr(h.receive.discard, env)
                found.append(Discard(m.name, m.full, Read(self.vars[m.var].type, m.var), names, me, useless))
        return found

    def _action(self, a: Action) -> Transition:
        params: list[tuple[str, Type]] = []
        env: dict[str, Type] = {}
        head: list[Stmt] = []
        if a.process:
            own, me = self._self(a.process)
            params += own
            head = self._alive(a.process, me)
        params += [(n, self.b.type(t)) for n, t in a.params]
        env.update(params)
        if a.receive:
            m = self.b.messages[a.receive.message]
            env.update(zip(a.receive.fields, (t for _, t in m.payload.fields), strict=True))
            if a.receive.sender:
                assert m.sender
                env[a.receive.sender] = m.sender
        for _, t in params:
            self._finite(t, Node(span=a.span))
        kind = "handler" if a.receive else "action"
        body = (*head, *self.b.block(a.body, env))
        return Transition(a.name, tuple(params), body, a.process, a.receive, kind, span=a.span)


def _few(t: Type, n: int) -> Const:
    """The sets of this type with at most n elements."""
    found = frozenset(frozenset(c) for k in range(n + 1) for c in combinations(values(elem_type(t)), k))
    return Const(Set(t), found)


MASK_LIMIT = 4096  # a set network gives every possible message a bit up to this many, slots beyond


def _counter(f: Fault) -> str:
    past = {"crash": "crashes", "stop": "stopped", "byzantine": "byzantine", "loss": "losses", "duplication": "duplications"}[
        f.kind
    ]
    return f"{past} {f.target}" if f.target else past


def _empty_channels(t: Type) -> Map:
    assert isinstance(t, MapOf) and isinstance(t.val, MapOf)
    row = Map((r, ()) for r in values(t.val.key))
    return Map((s, row) for s in values(t.key))
