"""Is this a well-formed Instance or Program? Run after each pass in tests, and on demand: a wrong pass is found where it is
wrong.

What is checked: only node kinds of the level (core/ir.py), every local bound, every variable and message declared, every
operator in the table with a type its row gives, every type finite, conditions bool, domains collections, and what is stored
of the variable's type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from checker.core.bind import Instance
from checker.core.ir import (
    Apply,
    Assign,
    Byzantine,
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
    InFlight,
    Let,
    LetStmt,
    Local,
    Mapping,
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
from checker.core.lower import Program
from checker.core.operators import TABLE, TypeMismatch
from checker.core.operators.table import fits
from checker.core.typed import elem_type, within
from checker.core.types import BagOf, Bool, Int, MapOf, Record, Seq, Set, Type, Unknown, card, children, member, show

Env = dict[str, Type]

LEVELS: dict[str, tuple[type, ...]] = {
    "instance": (Param, Size, Call, InFlight, Byzantine, Check),
    "program": (Param, Size, Call, InFlight, Byzantine, Sent, Send),
}


class Malformed(Exception):
    """A node that has no business at this level; the text says what and why."""


def verify(thing: Instance | Program) -> None:
    """Raises Malformed unless every node of the instance or program is well-formed."""
    if isinstance(thing, Instance):
        Verifier("instance", {v.name: v.type for v in thing.vars.values()}, thing).instance(thing)
    else:
        Verifier("program", thing.vars, thing.instance).program(thing)


def _open(t: Type) -> bool:
    """Is a part of the type not known (an empty collection)?"""
    return isinstance(t, Unknown) or any(map(_open, children(t)))


class Verifier:
    """Checks nodes against one level."""

    def __init__(self, level: str, variables: dict[str, Type], instance: Instance) -> None:
        self.level, self.vars, self.instance_ = level, variables, instance

    def fail(self, node: Any, why: str) -> None:
        raise Malformed(f"{self.level}: {why}: {node!r}"[:2000])

    def instance(self, i: Instance) -> None:
        for v in i.vars.values():
            self.finite(v.type, v)
            env = {"self": v.type.key} if v.keyed and isinstance(v.type, MapOf) else {}
            self.expr(v.init, env)
        for a in i.actions:
            env = dict(a.params)
            if a.receive:
                m = i.messages[a.receive.message]
                env |= dict(zip(a.receive.fields, (t for _, t in m.payload.fields), strict=True))
                if a.receive.sender and m.sender:
                    env[a.receive.sender] = m.sender
            self.block(a.body, env)
        for e in (*(p.expr for p in i.properties), i.terminal, *([i.bound] if i.bound else [])):
            self.condition(e, {})

    def program(self, p: Program) -> None:
        self.block(p.initial, {})
        for a in p.actions:
            self.block(a.body, {})
        for s in p.steps:
            for c in s.checks:
                self.condition(c.cond, {})
            self.condition(s.expr, {})
        for e in (*(q.expr for q in p.predicates), p.terminal, *([p.bound] if p.bound else [])):
            self.condition(e, {})

    # types

    def finite(self, t: Type, node: Any) -> None:
        try:
            card(t)
        except Exception:
            self.fail(node, f"the type {show(t)} is not finite")

    def fits(self, e: Expr, t: Type, node: Any) -> None:
        """The expression's value can be stored as a t, as it is."""
        if e.type != t and not (isinstance(t, Int) and isinstance(e.type, Int) and within(e.type, t)):
            self.fail(node, f"{show(e.type)} where {show(t)} is stored")

    # expressions

    def condition(self, e: Expr, env: Env) -> None:
        self.expr(e, env)
        if not isinstance(e.type, Bool):
            self.fail(e, f"a condition of type {show(e.type)}")

    def exprs(self, es: Iterable[Expr | None], env: Env) -> None:
        for e in es:
            if e is not None:
                self.expr(e, env)

    def expr(self, e: Expr, env: Env) -> None:
        if isinstance(e, LEVELS[self.level]):
            self.fail(e, f"{type(e).__name__} does not belong here")
        match e:
            case Const():
                if not _open(e.type) and not member(e.value, e.type):
                    self.fail(e, f"no value of {show(e.type)}")
            case Local():
                if env.get(e.name) != e.type:
                    self.fail(e, f"unbound, or bound as {env.get(e.name)}")
            case Read():
                if self.vars.get(e.var) != e.type:
                    self.fail(e, "no such variable of this type")
            case Apply():
                self._apply(e, env)
            case If():
                self.condition(e.cond, env)
                self.exprs((e.then, e.orelse), env)
                self.fits(e.then, e.type, e)
                self.fits(e.orelse, e.type, e)
            case Quant():
                self.condition(e.body, self._bound(e.name, e.domain, env))
            case SetOf() | Fold():
                inner = self._bound(e.name, e.domain, env)
                self.condition(e.where, inner)
                self.expr(e.body, inner)
            case Mapping():
                if not isinstance(e.type, MapOf):
                    self.fail(e, "a map of another type")
                else:
                    self.expr(e.body, {**env, e.name: e.type.key})
            case Let():
                self.expr(e.value, env)
                self.expr(e.body, {**env, e.name: e.value.type})
            case Fit():
                self.expr(e.value, env)
                self.finite(e.type, e)
            case Sent():
                self.exprs((*e.args, e.to, e.sender), env)
            case _:
                self.fail(e, "unknown node")

    def _bound(self, name: str, domain: Expr, env: Env) -> Env:
        self.expr(domain, env)
        if not isinstance(domain.type, Set | BagOf):
            self.fail(domain, "not a domain")
        return {**env, name: elem_type(domain.type)}

    def _apply(self, e: Apply, env: Env) -> None:
        self.exprs(e.args, env)
        row = TABLE.get(e.op)
        if row is None:
            self.fail(e, "no such operator")
            return
        if self.level == "program" and row.expand is not None:
            self.fail(e, "a derived operator")
        try:
            t = row.type(tuple(a.type for a in e.args), e.attr)
        except TypeMismatch as why:
            self.fail(e, str(why))
            return
        if not fits(t, e.type) and not fits(e.type, t):
            self.fail(e, f"typed {show(e.type)}, its row says {show(t)}")

    # statements

    def block(self, body: tuple[Stmt, ...], env: Env) -> None:
        env = dict(env)
        for s in body:
            if isinstance(s, LEVELS[self.level]):
                self.fail(s, f"{type(s).__name__} does not belong here")
            match s:
                case Require() | Check():
                    self.condition(s.cond, env)
                case LetStmt():
                    self.expr(s.value, env)
                    env[s.name] = s.value.type
                case Choose():
                    env = self._bound(s.name, s.domain, env)
                    self.condition(s.where, env)
                case Assign():
                    self._assign(s, env)
                case Send():
                    self.exprs((*s.args, s.to, s.sender), env)
                case IfStmt():
                    self.condition(s.cond, env)
                    self.block(s.then, env)
                    self.block(s.orelse, env)
                case ForAll():
                    self.block(s.body, self._bound(s.name, s.domain, env))
                case _:
                    self.fail(s, "unknown statement")

    def _assign(self, s: Assign, env: Env) -> None:
        if s.var not in self.vars:
            self.fail(s, "no such variable")
        t = self.vars[s.var]
        for p in s.path:
            if isinstance(p, Expr):
                self.expr(p, env)
            match t:
                case MapOf(_, v):
                    t = v
                case Seq(v, _):
                    t = v
                case Record(_, fs) if isinstance(p, str):
                    t = dict(fs)[p]
                case _:
                    self.fail(s, "a path into nothing")
        self.expr(s.value, env)
        self.fits(s.value, t, s)
