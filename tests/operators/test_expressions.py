"""Nested expressions: meaning = machine code = Z3, and all are defined in the same states."""

from __future__ import annotations

import pytest

from checker.core.ir import Node

from .cases import Case
from .expressions import STATE, expression
from .test_rows import hold_all

TOGETHER = 50  # expressions in one module of machine code


def read_by(e: Node | tuple[object, ...]) -> set[str]:
    """The variables an expression reads."""
    if isinstance(e, tuple):
        return set().union(*(read_by(x) for x in e if isinstance(x, Node | tuple)))
    own = {e.var} if hasattr(e, "var") else set()
    parts = [v for v in vars(e).values() if isinstance(v, Node | tuple)]
    return own.union(*map(read_by, parts))


def case(seed: int) -> Case:
    e = expression(seed)
    used = read_by(e)
    return Case(f"expression({seed}) = {e!r}", e, {n: t for n, t in STATE.items() if n in used})


@pytest.mark.parametrize("start", range(0, 150, TOGETHER))
def test_expressions(start: int) -> None:
    hold_all([case(seed) for seed in range(start, start + TOGETHER)])


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 4_000, TOGETHER))
def test_many_expressions(start: int) -> None:
    hold_all([case(seed) for seed in range(start, start + TOGETHER)], remember=False)
