"""Nested expressions: meaning = machine code = Z3, and all are defined in the same states."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from checker.core.ir import Expr, Node

from .cases import Case
from .expressions import STATE, expressions
from .test_rows import hold_all

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much]


def read_by(e: Node | tuple[object, ...]) -> set[str]:
    """The variables an expression reads."""
    if isinstance(e, tuple):
        return set().union(*(read_by(x) for x in e if isinstance(x, Node | tuple)))
    own = {e.var} if hasattr(e, "var") else set()
    parts = [v for v in vars(e).values() if isinstance(v, Node | tuple)]
    return own.union(*map(read_by, parts))


def hold_expression(e: Expr) -> None:
    used = read_by(e)
    hold_all([Case(repr(e), e, {n: t for n, t in STATE.items() if n in used})], remember=False)


@settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=CHECKS)
@given(expressions())
def test_expressions(e: Expr) -> None:
    hold_expression(e)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=CHECKS)
@given(expressions())
def test_many_expressions(e: Expr) -> None:
    hold_expression(e)
