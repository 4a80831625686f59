"""A small world of every shape of state, and random formulas over it."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from checker.core.bind import Instance, bind
from checker.core.ir import Expr
from checker.core.lower import lower
from checker.core.meaning import State
from checker.core.types import values
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
record Msg(of: A, to: A?)
type Msgs = set[Msg]
var t: Msgs in Msgs
invariant F: {formula}
instance main: A = 2
"""
NAMES = ("x", "y", "z")


def formulas(bound: tuple[str, ...] = (), depth: int = 4) -> st.SearchStrategy[str]:
    """Over p, r and s, with all quantifiers, over the sort and over sets that may be empty."""
    leaves = ["s == {}"]
    for x in bound:
        leaves += [f"p[{x}]", f"{x} in s", f"Msg({x}, none) in t"]
        leaves += [f for y in bound for f in (f"{y} in r[{x}]", f"Msg({x}, {y}) in t")]
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


def lowered(formula: str) -> tuple[Expr, Instance]:
    """What a search asks for the invariant to be this formula: true where it is false."""
    instance = bind(load_model(Source("world", WORLD.format(formula=formula))))
    return lower(instance).predicates[0].expr, instance


def states(instance: Instance, count: int = 60) -> list[State]:
    """Any states of the right types, the same in every run."""
    dice = Random(7)
    every = {name: list(values(v.type)) for name, v in instance.vars.items()}
    return [{name: dice.choice(vs) for name, vs in every.items()} for _ in range(count)]
