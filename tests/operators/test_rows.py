"""Every row of the operator table, held against itself: meaning = expansion = machine code = Z3.

What a row's `defined` says is held against where its meaning has no value, and its type rule against the values there are.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from checker.core.ir import Apply, Expr, If
from checker.core.layout import pack
from checker.core.lower import Lowering
from checker.core.meaning import Fault, World, evaluate
from checker.core.operators import TABLE
from checker.core.operators.table import FALSE, TRUE
from checker.core.types import member, show
from checker.engines.smt.expr import Expressions

from .cases import ARGUMENTS, Case, cases
from .native import Batch
from .symbolic import Columns, unknowns

sys.setrecursionlimit(20_000)
LOWERING = Lowering(None)  # type: ignore[arg-type]
NOT_DEFINED = object()
MOST_UNKNOWNS = 800


def test_every_row_is_tried() -> None:
    assert ARGUMENTS.keys() == TABLE.keys()


@pytest.mark.parametrize("op", TABLE)
def test_row(op: str) -> None:
    tried = cases(op)
    assert tried, "no types for it"
    hold_all(tried)


def hold_all(tried: list[Case], remember: bool = True) -> None:
    """All executions of some cases against their meaning; their machine code is one module."""
    batch = Batch()
    lowered = [lower(c) for c in tried]
    for i, (c, (defined, value)) in enumerate(zip(tried, lowered, strict=True)):
        batch.add(f"case{i}", c.vars, defined, value)
    batch.compile(remember)
    for i, (c, (defined, value)) in enumerate(zip(tried, lowered, strict=True)):
        hold(c, defined, value, batch, f"case{i}")


def lower(case: Case) -> tuple[Expr, Expr]:
    """(is it defined?, its value), both total."""
    defined: Expr = TRUE
    for check in reversed(LOWERING.checks(case.expr)):
        defined = check.cond if defined == TRUE else If(TRUE.type, check.cond, defined, FALSE)
    if isinstance(case.expr, Apply) and case.expr.op == "project":
        defined = Apply(TRUE.type, "is", case.expr.args, case.expr.attr)
    return defined, LOWERING.total(case.expr)


def hold(case: Case, defined: Expr, value: Expr, batch: Batch, function: str) -> None:
    rows = case.rows()
    expected = [meaning(case.expr, r) for r in rows]
    natively = batch.run(function, case.vars, value.type, rows)
    symbolic = symbolically(case, defined, value, rows)
    for i, (row, want) in enumerate(zip(rows, expected, strict=True)):
        here = f"{case.name}: {row}, which is {show_value(want)}"
        is_defined = want is not NOT_DEFINED
        assert evaluate(defined, {}, World(None, row)) is is_defined, f"defined? {here}"
        assert (natively[i] is not None) is is_defined, f"defined natively? {here}"
        if i < len(symbolic):
            assert symbolic[i] == want, f"Z3: {show_value(symbolic[i])}: {here}"
        if is_defined:
            assert member(want, case.expr.type), f"not a {show(case.expr.type)}: {here}"
            assert evaluate(value, {}, World(None, row)) == want, f"expanded: {here}"
            assert natively[i] == pack(value.type, want), f"natively: {here}"


def symbolically(case: Case, defined: Expr, value: Expr, rows: list[dict[str, Any]]) -> list[Any]:
    """For each row the value by Z3's terms, or NOT_DEFINED: of unknowns, if these are not too many, and of constants."""
    constant = [by_constants(case, defined, value, r) for r in rows[:8]]
    if sum(map(unknowns, case.vars.values())) > MOST_UNKNOWNS:
        return constant
    columns, state = Columns(len(rows)), dict[str, Any]()
    smt = Expressions(state)
    for name, t in case.vars.items():
        state[name], rule = smt.declare(t, name)
        columns.assign(t, state[name], [r[name] for r in rows])
        assert columns.column(rule) == columns.all, f"{name}: what Z3 takes for a value"
    is_defined, v = columns.column(smt.value(defined, {})), smt.value(value, {})
    found = [columns.value(v, i) if is_defined >> i & 1 else NOT_DEFINED for i in range(len(rows))]
    assert found[: len(constant)] == constant, "unknowns and constants differ"
    return found


def by_constants(case: Case, defined: Expr, value: Expr, row: dict[str, Any]) -> Any:
    smt = Expressions({})
    smt.state = {n: smt.constant(t, row[n]) for n, t in case.vars.items()}
    is_defined = smt.value(defined, {})
    assert isinstance(is_defined, bool), "constants fold"
    return smt.value_of(None, smt.value(value, {})) if is_defined else NOT_DEFINED


def meaning(e: Expr, row: dict[str, Any]) -> Any:
    world = World(None, row)
    if isinstance(e, Apply) and e.op == "project" and evaluate(e.args[0], {}, world).name != e.attr:
        return NOT_DEFINED  # it stands behind an `is`, always
    try:
        return evaluate(e, {}, world)
    except Fault:
        return NOT_DEFINED


def show_value(v: Any) -> str:
    return "not defined" if v is NOT_DEFINED else repr(v)
