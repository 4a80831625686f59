"""Queries about any size, with clauses as hypotheses; a counterexample is a structure of the solver, read as truth of atoms.

Some protocols can be proved at every single size by lemmas that do not do for all sizes at once (an argument that goes once round
the ring is longer on a longer ring).  So what is missing must be read off the solver's own counterexamples.  They are made small:
first at most one element of each sort, then two, then three.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import z3

from checker.core.types import Enum, Sort, Type, Value
from checker.deadline import Late
from checker.engines.smt import plan as p
from checker.engines.smt.patience import check
from checker.engines.smt.plan import Query
from checker.engines.smt.unbounded.expr import Env, Expressions
from checker.engines.smt.unbounded.formula import F, any_of, constants, deepen, implies, negation, skolem, unknown
from checker.engines.smt.unbounded.induction import Unbounded
from checker.engines.smt.unbounded.values import NeedsNumbers, Refused
from checker.lemmas.atoms import Atom, Clause, Words
from checker.lemmas.backward import INITIALLY, Asked, Needed, Target, Undecided, named
from checker.lemmas.samples import Bits, Tables

SMALL = (1, 2, 3)  # how many elements each sort may have in a counterexample
PATIENCE, LONG = 3.0, 10.0  # seconds for each attempt; for what may save many others


class AnySize:
    """An oracle (backward.py) for any size."""

    def __init__(self, encoded: Unbounded, words: Words, end: float, start: Needed) -> None:
        self.encoded, self.words, self.end = encoded, words, end
        self.actions = {n: i for i, n in enumerate(p.distinct(encoded.steps))}
        self._said: dict[Clause, F] = {}
        self._model: Any = None
        self.implied = self._implied(start)

    def _implied(self, start: Needed) -> dict[str, Query]:
        """The invariants that follow from clauses and each other in one state, as they did elsewhere: nothing else need be asked
        of them."""
        found: dict[str, Query] = {}
        for name in self.encoded.plan.invariants:
            core = start.get((p.IMPLIED, name, None, ""))
            q = self.encoded.plan.implied(name, frozenset(found))
            if core is not None and all(
                self._proved(*self._formulas(c, list(core)), LONG) is not None for c in self.encoded.cases(q)
            ):
                found[name] = q
        return found

    def goals(self) -> list[Query]:
        rest = self.encoded.plan.rest(frozenset(self.implied))
        return [*self.implied.values(), *(q for q in rest if q.kind not in (p.POSSIBLE, p.INITIALLY))]

    def parts(self, t: Target) -> list[str]:
        return [""] if t.query else [INITIALLY, *self.actions]

    def asked(self, t: Target, part: str) -> Asked:
        return named(t, part, list(self.actions))

    def ask(self, t: Target, part: str, given: list[Clause]) -> frozenset[Clause] | None:
        """As an oracle does; every case of a query must be impossible."""
        used: set[Clause] = set()
        for case in self._cases(t, part):
            core = self._case(case, given if part != INITIALLY else [])
            if core is None:
                return None
            used |= core
        return frozenset(used)

    def _cases(self, t: Target, part: str) -> list[list[F]]:
        if t.query:
            return list(self.encoded.cases(t.query))
        assert t.clause
        if part == INITIALLY:
            where, rules = self.encoded.initially
            return [[*rules, negation(self.formula(t.clause, where))]]
        e = self.encoded
        good, here = list(e.good.values()), self.formula(t.clause, e.here)
        ways = e.ways[self.actions[part]][0]
        after = ((w, negation(self.formula(t.clause, Expressions(e.w, w.state, w.net)))) for w in ways)
        return [[*good, here, *w.guards, broken] for w, broken in after]

    # the solver

    def _formulas(self, case: list[F], given: list[Clause]) -> tuple[list[Any], dict[Any, Clause]]:
        """What is asserted, and a name for each of the clauses."""
        asserted = [skolem(f.pos) for f in case]
        asserted[-1:] = [deepen(f, constants(asserted)) for f in asserted[-1:]]
        names = {z3.Bool(f"given {i}"): c for i, c in enumerate(given)}
        extra = [z3.Implies(n, skolem(self._here(c).pos)) for n, c in names.items()]
        return [*asserted, *extra, *self.encoded.local(asserted), *self.encoded.background()], names

    def _case(self, case: list[F], given: list[Clause]) -> frozenset[Clause] | None:
        """The clauses without which all these formulas could be true; None: they can."""
        some, names = self._formulas(case, given)
        core = self._proved(some, names)
        if core is None:
            self._model = self._small([*some, *self.encoded.everywhere], list(names)) or self._model
            if self._model is None:
                raise Undecided
        return core

    def _proved(self, some: list[Any], names: dict[Any, Clause], patience: float = PATIENCE) -> frozenset[Clause] | None:
        """The clauses that were used; None: it is not proved, and there may be a model."""
        self._model = None
        for formulas in (some, [*some, *self.encoded.everywhere]):
            answer, found = self._check(formulas, list(names), patience)
            if answer == z3.unsat:
                core = {x.get_id() for x in found}
                return frozenset(c for n, c in names.items() if n.get_id() in core)
            self._model = found if answer == z3.sat else self._model
        return None

    def _check(self, formulas: list[Any], names: list[Any], patience: float = PATIENCE) -> tuple[Any, Any]:
        """The answer, with the model or the core."""
        left = self.end - time.perf_counter()
        if left <= 0:
            raise Late
        solver = z3.Solver()
        solver.add(formulas)
        answer = check(solver, min(left, patience), *names, end=self.end)
        return answer, solver.model() if answer == z3.sat else solver.unsat_core() if answer == z3.unsat else None

    def _small(self, formulas: list[Any], names: list[Any]) -> Any:
        """A small model."""
        for n in SMALL:
            few = [self._few(s, n) for s in self.sorts()]
            answer, model = self._check([*formulas, *few], names)
            if answer == z3.sat:
                return model
        return None

    def sorts(self) -> list[Any]:
        """The sorts without a size."""
        w = self.encoded.w
        own = [w.sort(Sort(n)) for n in self.encoded.model.sorts]
        return [*own, *(s for _, s in w.ordered.values()), *(w.quorum(n)[0] for n in w.quorums)]

    def _few(self, sort: Any, n: int) -> Any:
        x, cs = unknown(sort), [unknown(sort, "few") for _ in range(n)]
        return z3.ForAll([x], z3.Or([x == c for c in cs]))

    # clauses

    def _here(self, c: Clause) -> F:
        if c not in self._said:
            self._said[c] = self.formula(c, self.encoded.here)
        return self._said[c]

    def formula(self, c: Clause, where: Expressions) -> F:
        """The clause, about a state."""
        kinds: dict[int, Type] = {}
        for a, vs, _ in c.literals:
            for v, (_, t) in zip(vs, self.words.atoms[a].slots, strict=True):
                kinds[v] = t
        return self._over(c, where, sorted(kinds.items()), {})

    def _over(self, c: Clause, where: Expressions, left: list[tuple[int, Type]], known: dict[int, Value]) -> F:
        if not left:
            return any_of(self._literal(a, [known[v] for v in vs], sign, where) for a, vs, sign in c.literals)
        (v, t), rest = left[0], left[1:]
        w = self.encoded.w
        return w.for_all(t, lambda x: implies(w.fits(t, x), self._over(c, where, rest, {**known, v: x})))

    def _literal(self, a: int, xs: list[Value], sign: bool, where: Expressions) -> F:
        atom = self.words.atoms[a]
        env: Env = {n: x for (n, _), x in zip(atom.slots, xs, strict=True)}
        f = where.formula(atom.expr, env)
        return f if sign else negation(f)

    # counterexamples

    def bad(self) -> tuple[Tables, list[Bits]]:
        """The structure of the last counterexample.  Raises Undecided where it has numbers, and so no list of elements."""
        if self.encoded.numbers:
            raise Undecided
        structure = Structure(self)
        return structure, [structure.table(i) for i in range(len(self.words.atoms))]


def harmless(encoded: Unbounded, a: Atom) -> Atom:
    """The atom with the signs that it may have in a lemma for any size: something of a sort that exists for everything of that
    sort makes a solver go round in circles (and may be true only because instances are finite)."""
    try:
        f, slots = generic(encoded, a)
    except (Refused, NeedsNumbers):
        return replace(a, signs=(False, False))
    mine = {x.sort().name() for x in slots} - _said_of_all(encoded)
    return replace(a, signs=(not mine & exist(f.neg, False), not mine & exist(f.pos, True)))


def _said_of_all(encoded: Unbounded) -> set[str]:
    """The sorts of which the spec itself says that something exists for everything: a lemma may say such things, too."""
    return set().union(*(exist(f.pos, True, frozenset()) for f in encoded.good.values()))


def generic(encoded: Unbounded, a: Atom) -> tuple[F, list[Any]]:
    """What an atom says of constants in its slots."""
    slots = []
    env: Env = {}
    for n, t in a.slots:
        _, sorts, make = encoded.w.alternatives(t)[0]
        xs = [unknown(s) for s in sorts]
        slots += xs
        env[n] = make(xs)
    return encoded.here.formula(a.expr, env), slots


def exist(f: Any, asserted: bool, over: frozenset[str] | None = None) -> set[str]:
    """The sorts of which something exists, where the formula is asserted (or denied); `over`: only those of which something
    exists for everything of the same sort, or of these."""
    if z3.is_quantifier(f):
        own = {f.var_sort(i).name() for i in range(f.num_vars())}
        if f.is_exists() == asserted:
            return (own if over is None else own & over) | exist(f.body(), asserted, over)
        return exist(f.body(), asserted, None if over is None else over | own)
    if z3.is_not(f):
        return exist(f.arg(0), not asserted, over)
    if z3.is_implies(f):
        return exist(f.arg(0), not asserted, over) | exist(f.arg(1), asserted, over)
    if z3.is_and(f) or z3.is_or(f):
        return set().union(*(exist(c, asserted, over) for c in f.children()))
    if z3.is_eq(f) and z3.is_bool(f.arg(0)):
        return set().union(*(exist(c, sign, over) for c in f.children() for sign in (True, False)))
    return set()


class Structure(Tables):
    """The atoms in a model of the solver, as if it were a state."""

    def __init__(self, oracle: AnySize) -> None:
        super().__init__(oracle.words.atoms)
        self.oracle, self.model = oracle, oracle._model
        self._elements: dict[str, list[Any]] = {}
        self.domains = [[self._domain(t) for _, t in a.slots] for a in self.atoms]

    def _domain(self, t: Type) -> list[Any]:
        sort = self.oracle.encoded.w.sort(t)
        if isinstance(t, Enum):
            return [self.oracle.encoded.w.member(t, m) for m in t.members]
        return self.elements(sort)

    def elements(self, sort: Any) -> list[Any]:
        """Everything of a sort."""
        if sort == z3.BoolSort():
            return [z3.BoolVal(False), z3.BoolVal(True)]
        enum = next((list(ms.values()) for s, ms in self.oracle.encoded.w.enums.values() if s == sort), None)
        if enum is not None:
            return enum
        if sort.name() not in self._elements:
            found = self.model.get_universe(sort) if sort.kind() == z3.Z3_UNINTERPRETED_SORT else None
            self._elements[sort.name()] = list(found) if found else [unknown(sort)]
        return self._elements[sort.name()]

    def table(self, i: int) -> Bits:
        """The truth of an atom for each choice for its slots."""
        said, slots = generic(self.oracle.encoded, self.atoms[i])
        formula = said.pos
        rows = product(*self.domains[i])
        found = (z3.substitute(formula, *zip(slots, row, strict=True)) if slots else formula for row in rows)
        return np.array([[self.truth(f) for f in found]], dtype=np.bool_)

    def truth(self, f: Any) -> bool:
        """Is a closed formula true?  Quantifiers go over all elements."""
        if z3.is_quantifier(f):
            choices = [self.elements(f.var_sort(i)) for i in range(f.num_vars())]
            found = (self.truth(z3.substitute_vars(f.body(), *reversed(xs))) for xs in product(*choices))
            return any(found) if f.is_exists() else all(found)
        if z3.is_and(f):
            return all(map(self.truth, f.children()))
        if z3.is_or(f):
            return any(map(self.truth, f.children()))
        if z3.is_not(f):
            return not self.truth(f.arg(0))
        if z3.is_implies(f):
            return not self.truth(f.arg(0)) or self.truth(f.arg(1))
        if z3.is_eq(f) and z3.is_bool(f.arg(0)):
            return self.truth(f.arg(0)) == self.truth(f.arg(1))
        return bool(z3.is_true(self.model.eval(f, model_completion=True)))
