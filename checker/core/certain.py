"""Conditions that hold wherever they are asked: a check that is certain is left out of the program.

Most faults that a spec could have are excluded by its own text: `l[i - 1]` stands where `0 < i` and `i <= len(l)`, or in a range
that its type says.  Such a condition follows from those before it and from the ranges of types by linear arithmetic, which is
decided by Fourier's and Motzkin's elimination: of what is assumed and the negation of what is to be shown, terms are eliminated
until a contradiction is left.  What that does not show may still be true; then the check stays, and costs its time.
Invariant: True is a proof.  Integers are unbounded here, as in `meaning`; a `Fit` is taken as the value inside, because the
check that it fits stands before it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from math import gcd

from checker.core.ir import Apply, Const, Expr, Fit, If, Let, Local, Quant, SetOf
from checker.core.operators.table import TRUE
from checker.core.typed import parts, reads, rebuilt, subst
from checker.core.types import BOOL, Int

MOST_NODES = 2000  # of a condition with its names written out,
MOST_STEPS = 400  # conditions that are looked at for one check,
ATOM = 60  # nodes of one that is remembered as it is,
MOST_ROWS = 120  # and inequalities at a time

Linear = tuple[dict[int, int], int]  # the sum of coefficient * term (by number), plus a constant
Row = tuple[frozenset[tuple[int, int]], int]  # such a sum that is at most 0


@dataclass(frozen=True)
class Facts:
    """What is taken as true: inequalities, and other conditions with their truth value."""

    rows: frozenset[Row] = frozenset()
    atoms: frozenset[tuple[Expr, bool]] = frozenset()

    def __or__(self, other: Facts) -> Facts:
        return Facts(self.rows | other.rows, self.atoms | other.atoms) if other.rows or other.atoms else self


class TooLong(Exception):
    """It is not worth while."""


@dataclass
class Known:
    """What is known on the way through a block: facts with the variables that they look at, and what names stand for."""

    facts: list[tuple[set[str], Facts]] = field(default_factory=list)
    names: dict[str, Expr] = field(default_factory=dict)
    terms: Terms = field(default_factory=lambda: Terms())

    def copy(self) -> Known:
        return Known(list(self.facts), dict(self.names), self.terms)

    def learn(self, cond: Expr, truth: bool = True) -> None:
        """From here on the condition is true (or false)."""
        try:
            plain = written_out(cond, self.names)
            new = Prover(self.terms).assumed(plain, truth, self._all())
        except TooLong:
            return
        if new.rows or new.atoms:
            self.facts.append((reads(plain), new))

    def define(self, name: str, value: Expr) -> None:
        with suppress(TooLong):
            self.names[name] = written_out(value, self.names)

    def forget(self, variables: set[str]) -> None:
        """Some variables have been written."""
        self.facts = [(looks, f) for looks, f in self.facts if not looks & variables]
        self.names = {n: e for n, e in self.names.items() if not reads(e) & variables}

    def implies(self, cond: Expr) -> bool:
        """Is a condition certain here?"""
        try:
            return Prover(self.terms).proved(written_out(cond, self.names), True, self._all())
        except TooLong:
            return False

    def _all(self) -> Facts:
        out = Facts()
        for _, f in self.facts:
            out |= f
        return out


def written_out(e: Expr, names: dict[str, Expr]) -> Expr:
    """The expression without names for parts of it, and without Fits of integers.  Raises TooLong."""
    inside, nodes = dict(names), 0

    def go(x: Expr) -> Expr:
        nonlocal nodes
        nodes += 1
        if nodes > MOST_NODES:
            raise TooLong
        match x:
            case Let():
                inside[x.name] = go(x.value)
                return go(x.body)
            case Local():
                return inside.get(x.name, x)
            case Fit(type=Int(), value=Expr(type=Int())):
                return go(x.value)
        return rebuilt(x, go)

    found = go(e)
    if _longer(found, MOST_NODES):
        raise TooLong
    return found


def _longer(e: Expr, n: int) -> bool:
    stack, seen = [e], 0
    while stack and seen <= n:
        seen += 1
        stack += parts(stack.pop())
    return seen > n


class Prover:
    """Proofs about conditions that are written out."""

    def __init__(self, terms: Terms) -> None:
        self.terms, self.steps = terms, 0

    def proved(self, e: Expr, truth: bool, facts: Facts) -> bool:
        """Do the facts imply that a condition has this truth value?"""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooLong
        match e:
            case Const():
                return e.value is truth or self.terms.contradict(facts.rows)
            case Apply(op="not", args=(x,)):
                return self.proved(x, not truth, facts)
            case If():
                return all(
                    side == Const(BOOL, truth) or self.proved(side, truth, facts | self.assumed(e.cond, holds, facts))
                    for side, holds in ((e.then, True), (e.orelse, False))
                )
            case Quant(kind="forall") if truth:
                return self.proved(e.body, True, facts | self.element(e, facts))
            case Quant(kind="exists") if not truth:
                return self.proved(e.body, False, facts | self.element(e, facts))
        if facts.atoms and not _longer(e, ATOM) and (e, truth) in facts.atoms:
            return True
        ways = self.terms.denied(e, truth)
        return ways is not None and all(self.terms.contradict(facts.rows | rows) for rows in ways)

    def element(self, q: Quant, facts: Facts) -> Facts:
        """What is known of the elements of a domain."""
        d = q.domain
        if not (isinstance(d, SetOf) and d.body == Local(d.body.type, d.name)):
            return Facts()
        inside = subst(d.where, {d.name: Local(d.body.type, q.name)})
        return self.element(Quant(BOOL, q.kind, q.name, d.domain, TRUE), facts) | self.assumed(inside, True, facts)

    def assumed(self, e: Expr, truth: bool, facts: Facts) -> Facts:
        """What follows from a condition's truth value, as far as it is of use."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooLong
        match e:
            case Const():
                return Facts() if e.value is truth else Facts(frozenset({(frozenset(), 1)}))
            case Apply(op="not", args=(x,)):
                return self.assumed(x, not truth, facts)
            case If():
                return self._assumed_if(e, truth, facts)
        rows = self.terms.stated(e, truth)
        if not truth and isinstance(e, Apply) and e.op == "eq" and _numbers(*e.args):
            rows = {r for r, other in self.terms.orders(*e.args) if self.terms.contradict(facts.rows | {other})}
        return Facts(frozenset(rows)) if rows else self._atom(e, truth)

    def _assumed_if(self, e: If, truth: bool, facts: Facts) -> Facts:
        """One of the sides may be excluded; then both the condition and the other side are known."""
        for side, other, holds in ((e.then, e.orelse, False), (e.orelse, e.then, True)):
            if side == Const(BOOL, not truth):
                found = self.assumed(e.cond, holds, facts)
                return found | self.assumed(other, truth, facts | found)
        return self._atom(e, truth)

    def _atom(self, e: Expr, truth: bool) -> Facts:
        return Facts() if _longer(e, ATOM) else Facts(atoms=frozenset({(e, truth)}))


# linear arithmetic


class Terms:
    """The integers that inequalities are about: expressions that are not sums, by number."""

    def __init__(self) -> None:
        self.numbers: dict[Expr, int] = {}
        self.ranges: list[tuple[Row, ...]] = []

    def number(self, e: Expr) -> int:
        if e not in self.numbers:
            n = self.numbers[e] = len(self.ranges)
            match e.type:
                case Int(int(lo), int(hi)):
                    self.ranges.append(((frozenset({(n, 1)}), -hi), (frozenset({(n, -1)}), lo)))
                case _:
                    self.ranges.append(())
        return self.numbers[e]

    def linear(self, e: Expr) -> Linear:
        if isinstance(e, Const):
            return {}, e.value
        if isinstance(e, Apply) and e.op in ("add", "sub"):
            (a, c), (b, d) = map(self.linear, e.args)
            sign = 1 if e.op == "add" else -1
            return _plus(a, b, sign), c + sign * d
        return {self.number(e): 1}, 0

    def less(self, a: Expr, b: Expr, by: int) -> Row:
        """a + by <= b"""
        (x, c), (y, d) = self.linear(a), self.linear(b)
        return frozenset(_plus(x, y, -1).items()), c - d + by

    def orders(self, a: Expr, b: Expr) -> tuple[tuple[Row, Row], ...]:
        """a < b and b < a, each with the other one."""
        less, more = self.less(a, b, 1), self.less(b, a, 1)
        return (less, more), (more, less)

    def stated(self, e: Expr, truth: bool) -> set[Row]:
        """The inequalities that a condition with a truth value states."""
        match e:
            case Apply(op="lt", args=(a, b)) if _numbers(a, b):
                return {self.less(a, b, 1) if truth else self.less(b, a, 0)}
            case Apply(op="eq", args=(a, b)) if _numbers(a, b) and truth:
                return {self.less(a, b, 0), self.less(b, a, 0)}
            case Apply(op="fits", args=(a,), attr=Int(int(lo), int(hi))) if _numbers(a) and truth:
                return {self.less(Const(a.type, lo), a, 0), self.less(a, Const(a.type, hi), 0)}
        return set()

    def denied(self, e: Expr, truth: bool) -> list[frozenset[Row]] | None:
        """The ways in which a condition has not the truth value, as inequalities; None: they are not known."""
        match e:
            case Apply(op="eq", args=(a, b)) if truth and a == b:
                return []
            case Apply(op="lt", args=(a, b)) if _numbers(a, b):
                return [frozenset(self.stated(e, not truth))]
            case Apply(op="eq", args=(a, b)) if _numbers(a, b):
                return [frozenset({r}) for r, _ in self.orders(a, b)] if truth else [frozenset(self.stated(e, True))]
            case Apply(op="fits", args=(a,), attr=Int(int(lo), int(hi))) if _numbers(a) and truth:
                return [frozenset({self.less(a, Const(a.type, lo), 1)}), frozenset({self.less(Const(a.type, hi), a, 1)})]
        return None

    def contradict(self, rows: frozenset[Row]) -> bool:
        """Have the inequalities, with the ranges of their terms, no solution?  True is a proof."""
        system = {_divided(r) for r in rows}
        for t in {t for terms, _ in system for t, _ in terms}:
            system |= set(self.ranges[t])
        while not any(c > 0 and not terms for terms, c in system):
            system = {r for r in system if r[0]}
            if not system or len(system) > MOST_ROWS:
                return False
            system = _without(_cheapest(system), system)
        return True


def _numbers(*es: Expr) -> bool:
    return all(isinstance(e.type, Int) for e in es)


def _plus(a: dict[int, int], b: dict[int, int], by: int) -> dict[int, int]:
    out = dict(a)
    for t, k in b.items():
        out[t] = out.get(t, 0) + by * k
    return {t: k for t, k in out.items() if k}


def _cheapest(system: set[Row]) -> int:
    """The term whose elimination leaves the fewest inequalities."""
    up, down = dict[int, int](), dict[int, int]()
    for terms, _ in system:
        for t, k in terms:
            side = up if k > 0 else down
            side[t] = side.get(t, 0) + 1
    return min({**up, **down}, key=lambda t: up.get(t, 0) * down.get(t, 0))


def _without(t: int, system: set[Row]) -> set[Row]:
    """The inequalities that follow for the other terms."""
    of = {r: dict(r[0]).get(t, 0) for r in system}
    out = {r for r, k in of.items() if k == 0}
    for p, a in of.items():
        for q, b in of.items():
            if a > 0 > b:
                terms = _plus({x: -b * k for x, k in p[0]}, dict(q[0]), a)
                out.add(_divided((frozenset(terms.items()), -b * p[1] + a * q[1])))
    return out


def _divided(r: Row) -> Row:
    """By what divides all coefficients: then the constant may be rounded up, for the terms are whole."""
    g = gcd(*(k for _, k in r[0]))
    return (frozenset((t, k // g) for t, k in r[0]), -(-r[1] // g)) if g > 1 else r


__all__ = ["Known"]
