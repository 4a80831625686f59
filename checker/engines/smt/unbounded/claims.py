"""Do quorums meet whatever the sizes?  A proof for any size may assume it only where it is so.

A family that says of its members only how many they are (`len(q) >= r`) is a condition on numbers: sets of i and j out of n can
miss each other exactly if i + j <= n.  So the solver decides it for every n.  Of other conditions nothing is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import z3

from checker.core.ir import Apply, Const, Expr, If, Local, Param, Size
from checker.core.model import Model
from checker.core.types import Bool, Int

LIMIT = 1000  # milliseconds
NUMBERS = {"add": "__add__", "sub": "__sub__", "mul": "__mul__"}
ORDERS = {"lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__", "eq": "__eq__", "ne": "__ne__"}


def meetings(model: Model) -> list[tuple[str, str]]:
    """The pairs of families of quorums that meet: more than half with themselves, others as they claim."""
    halves = [(n, n) for n, d in model.quorums.items() if d.majority]
    return halves + [(n, other) for n, d in model.quorums.items() for other in d.meets if not (n == other and d.majority)]


class _Unclear(Exception):
    """Something that is not about numbers alone."""


@dataclass(frozen=True)
class _Counting:
    """Conditions on sizes.  `params`: the values of switches; `binder`: the set that is counted, and its size."""

    params: dict[str, Any]
    binder: str | None = None
    size: Any = None

    def term(self, e: Expr) -> Any:
        match e:
            case Const(Bool(), v):
                return z3.BoolVal(v)
            case Const(_, int(v)):
                return z3.IntVal(v)
            case Size(_, sort):
                return z3.Int(sort)
            case Param(_, name) if name in self.params:
                return self.term(Const(e.type, self.params[name]))
            case Param(Int(), name):
                return z3.Int(name)
            case If():
                return z3.If(self.term(e.cond), self.term(e.then), self.term(e.orelse))
            case Apply(_, "len", (Local(_, name),)) if name == self.binder:
                return self.size
            case Apply(_, op, args):
                return self._applied(op, [self.term(a) for a in args])
        raise _Unclear

    def _applied(self, op: str, xs: list[Any]) -> Any:
        if op == "not":
            return z3.Not(xs[0])
        if op in ("div", "mod") and z3.is_int_value(xs[1]) and xs[1].as_long() > 0:
            return xs[0] / xs[1] if op == "div" else xs[0] % xs[1]
        name = {**NUMBERS, **ORDERS}.get(op)
        if name is None:
            raise _Unclear
        return getattr(xs[0], name)(xs[1])


def _assumed(model: Model, params: dict[str, Any]) -> list[Any]:
    """The assumptions that are about sizes.  (To leave one out is to look at more sizes.)"""
    found = [z3.Int(s) >= 1 for s in model.sorts]
    for a in model.assumes:
        try:
            found.append(_Counting(params).term(a.expr))
        except _Unclear:
            continue
    return found


def _members(model: Model, params: dict[str, Any], name: str, size: Any) -> list[Any]:
    """A set of so many is in the family."""
    q = model.quorums[name]
    assert q.predicate is not None
    return [size >= 0, size <= z3.Int(q.sort), _Counting(params, q.binder, size).term(q.predicate)]


def _misses(model: Model, params: dict[str, Any], one: str, other: str) -> dict[str, int] | bool | None:
    """Sizes, small ones, at which two of them have no member in common; False if there are none; None if that is not clear."""
    i, j, n = z3.Int("one"), z3.Int("other"), z3.Int(model.quorums[one].sort)
    solver = z3.Optimize()
    solver.set("timeout", LIMIT)
    try:
        asked = [*_members(model, params, one, i), *_members(model, params, other, j), i + j <= n]
    except _Unclear:
        return None
    solver.add(*_assumed(model, params), *asked)
    solver.minimize(n)
    answer = solver.check()
    if answer != z3.sat:
        return False if answer == z3.unsat else None
    found = solver.model()
    used = {str(d): found[d].as_long() for d in found.decls()}
    return {s: used[s] for s in (model.quorums[one].sort, *model.params) if s in used}


def never_empty(model: Model, params: dict[str, Any], name: str) -> bool:
    """Is there a set in the family, whatever the sizes?  More than half there always are."""
    if model.quorums[name].majority:
        return True
    k = z3.Int("members")
    try:
        no_set = z3.ForAll([k], z3.Not(z3.And(_members(model, params, name, k))))
    except _Unclear:
        return False
    solver = z3.Solver()
    solver.set("timeout", LIMIT)
    solver.add(*_assumed(model, params), no_set)
    return bool(solver.check() == z3.unsat)


def told(model: Model, params: dict[str, Any]) -> list[str]:
    """What a proof assumes of the sizes, for people."""
    out = [f"where {a.text}, as is assumed" for a in model.assumes]
    for one, other in meetings(model):
        if model.quorums[one].majority and one == other:
            continue
        missed = _misses(model, params, one, other) if not any(model.quorums[x].majority for x in (one, other)) else None
        pair = f"every {one} and every {other} have a member in common" if one != other else f"every two {one} meet"
        if missed is False:
            out.append(f"{pair}, whatever the sizes")
        else:
            at = ", ".join(f"{n} = {v}" for n, v in missed.items()) if isinstance(missed, dict) else ""
            out.append(f"where {pair}, as is claimed" + (f" (not at {at})" if at else ""))
    return out
