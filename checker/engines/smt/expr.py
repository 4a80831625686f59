"""Total core expressions → symbolic values: quantifiers are written out over what may be in their domain, and constants fold
away.

What stands here is the meaning of the nodes; that of the operators is in their rows.  An expression must be total
(core/lower.py has put a Check before it): where it is not defined, its value is anything.
"""

from __future__ import annotations

from typing import Any

from checker.core.ir import Apply, Const, Expr, Fit, Fold, If, Let, Local, Mapping, Quant, Read, SetOf
from checker.core.operators import TABLE
from checker.core.types import MapOf, Type, values
from checker.engines.smt.bits import Bit, all_of, any_of, both, either, negation
from checker.engines.smt.terms import OneHot, Sym, Table, junk
from checker.engines.smt.values import Values

Env = dict[str, Sym]


class Expressions(Values):
    """Expressions over the variables of a state, and for step properties of the state after."""

    def __init__(self, state: dict[str, Sym], after: dict[str, Sym] | None = None) -> None:
        self.state, self.after = state, after or {}

    def value(self, e: Expr, env: Env) -> Any:
        """The value of a total expression, its free names in `env`."""
        match e:
            case Const():
                return self.constant(e.type, e.value)
            case Local():
                return env[e.name]
            case Read():
                return (self.after if e.primed else self.state)[e.var]
            case Apply():
                smt = TABLE[e.op].smt
                assert smt, e.op
                return smt(self, e, *(self.value(a, env) for a in e.args))
            case If():
                return self._if(e, env)
            case Quant():
                return self._quant(e, env)
            case SetOf():
                return self.set_of(e.type, self._found(e, env))
            case Fold():
                return self._sum(e, env) if e.kind == "sum" else self._extreme(e, env)
            case Mapping():
                assert isinstance(e.type, MapOf)
                key = e.type.key
                return Table({k: self.value(e.body, {**env, e.name: self.constant(key, k)}) for k in values(key)})
            case Let():
                return self.value(e.body, {**env, e.name: self.value(e.value, env)})
            case Fit():
                return self.convert(self.value(e.value, env), e.type)
        raise AssertionError(e)

    def _if(self, e: If, env: Env) -> Any:
        c: Bit = self.value(e.cond, env)
        if isinstance(c, bool):
            return self.value(e.then if c else e.orelse, env)
        return self.choose(c, self.value(e.then, env), self.value(e.orelse, env))

    def _quant(self, e: Quant, env: Env) -> Bit:
        domain = self.each(e.domain.type, self.value(e.domain, env))
        bodies = ((g, self.value(e.body, {**env, e.name: x})) for g, x in domain if g is not False)
        if e.kind == "forall":
            return all_of(either(negation(g), b) for g, b in bodies)
        return any_of(both(g, b) for g, b in bodies)

    def _found(self, e: SetOf | Fold, env: Env) -> list[tuple[Bit, Sym]]:
        """(guard, body) for every element that may be in the domain and satisfy `where`."""
        out = []
        for g, x in self.each(e.domain.type, self.value(e.domain, env)):
            inner = {**env, e.name: x}
            kept = both(g, self.value(e.where, inner)) if g is not False else g
            if kept is not False:
                out.append((kept, self.value(e.body, inner)))
        return out

    def _sum(self, e: Fold, env: Env) -> OneHot:
        zero = OneHot({0: True})
        out = zero
        for g, x in self._found(e, env):
            out = self.arith("add", out, self.choose(g, x, zero))
        return out

    def _extreme(self, e: Fold, env: Env) -> Sym:
        t: Type = e.type
        best, some = junk(t), False  # type: tuple[Sym, Bit]
        for g, x in self._found(e, env):
            better = self.less(t, x, best) if e.kind == "min" else self.less(t, best, x)
            best = self.choose(both(g, either(negation(some), better)), x, best)
            some = either(some, g)
        return best
