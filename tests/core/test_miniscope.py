"""Quantifiers that sink say the same: in every state of a small world, for random formulas; and they do sink."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.core.bind import bind
from checker.core.ir import Expr, Quant
from checker.core.lower import lower
from checker.core.meaning import World, evaluate, initial_states
from checker.core.miniscope import miniscope
from checker.core.typed import parts
from checker.language import load_model
from checker.source import Source

WORLD = """protocol world
sort A
type Row = map A -> bool
type Rows = map A -> set[A]
type Some = set[A]
var p: Row in Row
var r: Rows in Rows
var s: Some in Some
invariant F: {formula}
instance main: A = 2
"""
NAMES = ("x", "y", "z")


def formulas(bound: tuple[str, ...] = (), depth: int = 4) -> st.SearchStrategy[str]:
    """Over p, r and s, with all quantifiers, over the sort and over sets that may be empty."""
    leaves = ["s == {}"]
    for x in bound:
        leaves += [f"p[{x}]", f"{x} in s"] + [f"{y} in r[{x}]" for y in bound]
    leaf = st.sampled_from(leaves)
    if depth == 0:
        return leaf
    inner = formulas(bound, depth - 1)
    options = [leaf, st.builds("not ({})".format, inner)]
    options += [st.builds(f"({{}}) {op} ({{}})".format, inner, inner) for op in ("and", "or", "implies")]
    options.append(st.builds("(({}) if ({}) else ({}))".format, inner, inner, inner))
    if len(bound) < len(NAMES):
        x = NAMES[len(bound)]
        domains = ["A", "s", *(f"r[{y}]" for y in bound)]
        quantified = formulas((*bound, x), depth - 1)
        options += [
            st.builds(
                f"({kind} {x}{{}}. {{}})".format,
                st.sampled_from([f": {d}" if d == "A" else f" in {d}" for d in domains]),
                quantified,
            )
            for kind in ("forall", "exists")
            for _ in range(2)
        ]
    return st.one_of(options)


def lowered(formula: str) -> tuple[Expr, list[World]]:
    instance = bind(load_model(Source("world", WORLD.format(formula=formula))))
    return lower(instance).predicates[0].expr, [World(instance, state) for state in initial_states(instance)]


@settings(deadline=None, database=None, max_examples=150, derandomize=True)
@given(formulas())
def test_it_says_the_same(formula: str) -> None:
    e, worlds = lowered(formula)
    assert len(worlds) == 4 * 16 * 4
    moved = miniscope(e)
    assert [evaluate(moved, {}, w) for w in worlds] == [evaluate(e, {}, w) for w in worlds], formula


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
