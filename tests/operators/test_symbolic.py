"""Symbolic values by Z3 itself: an unknown value of a type has exactly the type's values, and constants are themselves."""

from __future__ import annotations

from random import Random

import pytest
import z3

from checker.core.types import BOOL, Type, card, show, values
from checker.engines.smt.values import Values

from .domains import TYPES, pool
from .symbolic import Columns, unknowns

MOST_MODELS = 40
SMT = Values()


@pytest.mark.parametrize("t", [t for t in TYPES if card(t) <= MOST_MODELS and unknowns(t) <= 200], ids=show)
def test_the_models_of_an_unknown_are_the_values(t: Type) -> None:
    unknown, rule = SMT.declare(t, "x")
    solver = z3.Solver()
    solver.add(rule)
    found = []
    while len(found) <= card(t) and solver.check() == z3.sat:
        found.append(SMT.value_of(solver.model(), unknown))
        solver.add(SMT.not_(SMT.equal(unknown, SMT.constant(t, found[-1]))))
    assert len(found) == card(t)
    assert set(found) == set(values(t))


@pytest.mark.parametrize("t", TYPES, ids=show)
def test_constants_stay_plain(t: Type) -> None:
    for v in pool(t):
        symbolic = SMT.constant(t, v)
        assert SMT.value_of(None, symbolic) == v
        assert SMT.fits(symbolic, t) is True
        for w in pool(t)[:8]:
            assert SMT.equal(symbolic, SMT.constant(t, w)) is (v == w)


@pytest.mark.parametrize("t", [t for t in TYPES if unknowns(t) <= 200], ids=show)
def test_z3_finds_a_given_value(t: Type) -> None:
    unknown, rule = SMT.declare(t, "x")
    solver = z3.Solver()
    solver.add(rule)
    for v in pool(t)[:6]:
        is_it = SMT.equal(unknown, SMT.constant(t, v))
        if isinstance(is_it, bool):
            assert is_it and card(t) == 1
            continue
        assert solver.check(is_it) == z3.sat
        assert SMT.value_of(solver.model(), unknown) == v


def test_columns_agree_with_z3() -> None:
    """The evaluation the other tests rely on, against Z3's own."""
    rng, names = Random(1), [z3.Bool(f"p{i}") for i in range(4)]
    columns = Columns(16)
    for i, p in enumerate(names):
        columns.assign(BOOL, p, [bool(row >> i & 1) for row in range(16)])
    for _ in range(60):
        term = names[0]
        for _ in range(6):
            a, b = rng.choice(names), rng.choice(names)
            term = rng.choice([z3.And(term, a), z3.Or(term, a, b), z3.Not(term), term == a, z3.If(a, term, b), z3.If(term, a, b)])
        for row in range(16):
            here = z3.substitute(term, *((p, z3.BoolVal(bool(row >> i & 1))) for i, p in enumerate(names)))
            assert z3.is_true(z3.simplify(here)) == bool(columns.column(term) >> row & 1)
