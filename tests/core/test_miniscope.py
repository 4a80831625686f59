"""Quantifiers that sink say the same: in every state of a small world, for random formulas; and they do sink."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from worlds import formulas, lowered, states

from checker.core.ir import Expr, Quant
from checker.core.meaning import World, evaluate
from checker.core.miniscope import miniscope
from checker.core.typed import parts


@settings(deadline=None, database=None, max_examples=150, derandomize=True)
@given(formulas())
def test_it_says_the_same(formula: str) -> None:
    e, instance = lowered(formula)
    moved = miniscope(e)
    for state in states(instance):
        world = World(instance, state)
        assert evaluate(moved, {}, world) == evaluate(e, {}, world), formula


def outermost(e: Expr, under: int = 0) -> dict[str, int]:
    """How many quantifiers stand around each quantifier, by its name."""
    here = {e.name.split("#")[0]: under} if isinstance(e, Quant) else {}
    for p in parts(e):
        here |= outermost(p, under + isinstance(e, Quant))
    return here


@pytest.mark.parametrize(
    ("formula", "depths"),
    [
        ("forall x, y: A. p[x] and p[y]", {"x": 0, "y": 0}),
        ("forall x, y: A. p[x] implies p[y]", {"x": 0, "y": 0}),
        ("forall x, y, z: A. p[x] implies (y in r[x] and z in s)", {"x": 0, "y": 1, "z": 1}),
        ("exists x, y: A. p[x] or y in s", {"x": 0, "y": 0}),
        ("forall x: A. not exists y: A. p[x] and y in r[x]", {"x": 0, "y": 1}),
        ("forall x in s. s == {} or p[x]", {"x": 0}),
    ],
)
def test_it_moves_inward(formula: str, depths: dict[str, int]) -> None:
    assert outermost(miniscope(lowered(formula)[0])) == depths
