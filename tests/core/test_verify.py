"""What `verify` refuses: a pass that leaves a wrong node behind must be caught there, not in an engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.core.bind import Instance, bind
from checker.core.ir import Apply, Assign, Const, Expr, Local, Param, Read, Require, Send
from checker.core.lower import Program, ProgramAction, lower
from checker.core.types import BOOL, Int, Set
from checker.core.verify import Malformed, verify
from checker.language import load_model
from checker.source import Source

SPEC = """
protocol counters
sort P
network bag capacity 3
message Tick(n: 0..3)
process P
    var n: 0..3 = 0
    var seen: set[P] = {}
    action Up
        require n < 3
        n += 1
        send Tick(n)
    on Tick(m) from q
        require m >= n
        seen += {q}
invariant Small: forall p: P. n[p] <= 3
step Grows: forall p: P. n[p] <= n'[p]
reachable Two: exists p, q: P. p != q and q in seen[p]
instance two: P = 2
    bound in_flight <= 2
"""


@pytest.fixture(scope="module")
def instance() -> Instance:
    return bind(load_model(Source("counters.spec", SPEC)))


@pytest.fixture(scope="module")
def program(instance: Instance) -> Program:
    return lower(instance)


def test_what_the_passes_make_is_well_formed(instance: Instance, program: Program) -> None:
    verify(instance)
    verify(program)


def with_property(instance: Instance, expr: Expr) -> Instance:
    return replace(instance, properties=(replace(instance.properties[0], expr=expr),))


TRUTH = Const(BOOL, True)

WRONG: dict[str, Any] = {
    "a parameter": Param(BOOL, "p"),
    "an unbound local": Local(BOOL, "x"),
    "a variable there is none of": Read(BOOL, "nothing"),
    "a variable of another type": Read(BOOL, "n"),
    "no operator": Apply(BOOL, "xor", (TRUTH, TRUTH)),
    "arguments that an operator does not take": Apply(BOOL, "add", (TRUTH, TRUTH)),
    "a type that the row does not give": Apply(Set(BOOL), "not", (TRUTH,)),
    "a constant outside its type": Apply(BOOL, "eq", (Const(Int(0, 1), 7), Const(Int(0, 1), 1))),
    "a condition that is none": Const(Int(1, 1), 1),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_expression_is_refused(instance: Instance, what: str) -> None:
    with pytest.raises(Malformed):
        verify(with_property(instance, WRONG[what]))


def with_body(program: Program, *body: Any) -> Program:
    return replace(program, actions=(ProgramAction("a", body),))


WRONG_STATEMENTS: dict[str, Any] = {
    "a send": Send("Tick", (Const(Int(0, 3), 1),)),
    "an assignment to no variable": Assign("nothing", (), TRUTH),
    "an assignment of another type": Assign("n", (), TRUTH),
    "a path into a number": Assign("network", ("field",), TRUTH),
    "a derived operator": Require(Apply(BOOL, "ne", (TRUTH, TRUTH))),
}


@pytest.mark.parametrize("what", WRONG_STATEMENTS)
def test_a_wrong_statement_is_refused(program: Program, what: str) -> None:
    with pytest.raises(Malformed):
        verify(with_body(program, WRONG_STATEMENTS[what]))
