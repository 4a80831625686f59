"""Quantifiers moved inward, to where their variable matters: the same truth value for less evaluation.

Invariants are written with their quantifiers in front. In `forall a, b. p(a) implies q(a, b)`, though, p does not depend on b
and need not be asked anew for each. Here each quantifier sinks through what does not mention its variable. That is sound
because a lowered expression is total: no order of evaluation can be observed.
"""

from __future__ import annotations

from dataclasses import replace

from checker.core.bind import free
from checker.core.ir import Apply, Expr, If, Let, Quant
from checker.core.operators.table import FALSE, TRUE, apply
from checker.core.typed import rewrite

DUAL = {"forall": "exists", "exists": "forall"}


def miniscope(e: Expr) -> Expr:
    """An equivalent of a total expression, its quantifiers as far inside as they go."""
    return rewrite(e, lambda x: sink(x, x.body) if isinstance(x, Quant) and x.kind in DUAL else x)


def sink(q: Quant, e: Expr) -> Expr:
    """`q` with the body `e`, moved inward."""
    here = replace(q, body=e)
    match e:
        case _ if q.name not in free(e):
            return e if inhabited(q) else here
        case Apply(op="not", args=(inner,)):
            return apply("not", sink(replace(q, kind=DUAL[q.kind]), inner))
        case Let() if q.name not in free(e.value):
            return replace(e, body=sink(q, e.body))
        case Quant() if e.kind == q.kind and q.name not in free(e.domain):
            inner = sink(q, e.body)
            return here if stayed(q, inner) else replace(e, body=inner)
        case If() if q.name not in free(e.cond):
            return sink_into_branches(q, e)
        case If() if q.kind == "forall" and e.orelse == TRUE and q.name not in free(e.then):  # implies
            return replace(e, cond=sink(replace(q, kind="exists"), e.cond))
        case If() if distributes(q, e):
            return split(q, e) or here
    return here


def sink_into_branches(q: Quant, e: If) -> Expr:
    """Whatever the condition is, it is the same for all values; a branch that is constant stays so if there are values."""
    then, orelse = (x if x in (TRUE, FALSE) and neutral(q, x) else sink(q, x) for x in (e.then, e.orelse))
    return replace(e, then=then, orelse=orelse)


def neutral(q: Quant, constant: Expr) -> bool:
    """Is `q. constant` the constant?"""
    return inhabited(q) or (constant == TRUE) == (q.kind == "forall")


def distributes(q: Quant, e: If) -> bool:
    """forall over `and`, exists over `or`."""
    return e.orelse == FALSE if q.kind == "forall" else e.then == TRUE


def split(q: Quant, e: If) -> Expr | None:
    """Both parts on their own, if that brings the quantifier further in."""
    if not inhabited(q):
        return None
    left, right = sink(q, e.cond), sink(q, e.then if q.kind == "forall" else e.orelse)
    if stayed(q, left) and stayed(q, right):
        return None
    return replace(e, cond=left, then=right) if q.kind == "forall" else replace(e, cond=left, orelse=right)


def stayed(q: Quant, e: Expr) -> bool:
    """Is the quantifier still in front?"""
    return isinstance(e, Quant) and e.name == q.name


def inhabited(q: Quant) -> bool:
    """Does the domain surely have elements?"""
    return isinstance(q.domain, Apply) and q.domain.op == "all"


__all__ = ["miniscope"]
