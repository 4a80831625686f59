"""What is certain is true: random conditions, under random assumptions, for all values of their names."""

from __future__ import annotations

from itertools import product

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from checker.core.bind import bind
from checker.core.certain import Known
from checker.core.ir import Apply, Check, Const, Expr, If, Let, Local, Quant, SetOf
from checker.core.lower import lower
from checker.core.meaning import evaluate
from checker.core.operators.table import apply
from checker.core.typed import statements
from checker.core.types import BOOL, Int, Set
from checker.language import load_model
from checker.source import Source

RANGES = {"a": Int(0, 3), "b": Int(-1, 2), "c": Int(2, 2), "d": Int(0, 2)}


@st.composite
def numbers(draw: st.DrawFn, names: dict[str, Int], depth: int = 2) -> Expr:
    kind = draw(st.sampled_from(("name", "name", "number", "add", "sub") if depth else ("name", "number")))
    if kind == "number":
        n = draw(st.integers(-1, 3))
        return Const(Int(n, n), n)
    if kind == "name":
        name = draw(st.sampled_from(sorted(names)))
        return Local(names[name], name)
    return apply(kind, draw(numbers(names, depth - 1)), draw(numbers(names, depth - 1)))


@st.composite
def conditions(draw: st.DrawFn, names: dict[str, Int], depth: int = 3) -> Expr:
    kind = draw(st.sampled_from(("lt", "eq", "fits", "not", "if", "and", "implies", "let", "forall", "exists", "among")))
    if not depth or kind in ("lt", "eq", "fits"):
        a, b = draw(numbers(names)), draw(numbers(names))
        return Apply(BOOL, "fits", (a,), Int(0, 2)) if kind == "fits" else apply("eq" if kind == "eq" else "lt", a, b)
    if kind == "not":
        return apply("not", draw(conditions(names, depth - 1)))
    if kind in ("if", "and", "implies"):
        cond, then, orelse = (draw(conditions(names, depth - 1)) for _ in range(3))
        sides = {"if": (then, orelse), "and": (then, Const(BOOL, False)), "implies": (then, Const(BOOL, True))}
        return If(BOOL, cond, *sides[kind])
    new = f"x{len(names)}"
    if kind == "let":
        value = draw(numbers(names))
        assert isinstance(value.type, Int)
        return Let(BOOL, new, value, draw(conditions({**names, new: value.type}, depth - 1)))
    t = Int(0, 2)
    everything = apply("all", attr=t)
    inner = {**names, new: t}
    if kind != "among":
        return Quant(BOOL, kind, new, everything, draw(conditions(inner, depth - 1)))
    there = draw(conditions({**names, "y": t}, 0))
    domain = SetOf(Set(t), "y", everything, there, Local(t, "y"))
    return Quant(BOOL, draw(st.sampled_from(("forall", "exists"))), new, domain, draw(conditions(inner, depth - 1)))


def assignments() -> list[dict[str, int]]:
    found = product(*(range(t.lo, t.hi + 1) for t in RANGES.values()))  # type: ignore[arg-type]
    return [dict(zip(RANGES, values, strict=True)) for values in found]


proved: list[bool] = []


@settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    max_examples=250,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(conditions(RANGES), st.booleans()), max_size=3), conditions(RANGES))
def holds_where_it_is_certain(assumed: list[tuple[Expr, bool]], cond: Expr) -> None:
    known = Known()
    for e, truth in assumed:
        known.learn(e, truth)
    proved.append(known.implies(cond))
    if proved[-1]:
        for values in assignments():
            if all(evaluate(e, values) is truth for e, truth in assumed):
                assert evaluate(cond, values) is True, values


def test_what_is_certain_is_true() -> None:
    holds_where_it_is_certain()
    assert 10 < sum(proved) < 240


def test_half_a_number_is_rounded_the_right_way() -> None:
    a, known = Local(RANGES["a"], "a"), Known()
    known.learn(apply("lt", apply("add", a, a), Const(Int(4, 4), 4)))
    assert known.implies(apply("lt", a, Const(Int(2, 2), 2)))
    assert not known.implies(apply("lt", a, Const(Int(1, 1), 1)))


SPEC = """
sort P
var l: map P -> seq[0..2, 3] = {{p: [] for p in P}}
var i: 0..3 = 0
action Act(p: P, n: 0..2)
{body}
instance main: P = 2
"""


def checks(body: str) -> list[str]:
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    program = lower(bind(load_model(Source("checks.spec", SPEC.format(body=lines)))))
    return [s.fault for s in statements(program.actions[0].body) if isinstance(s, Check)]


def test_a_guard_makes_an_index_certain() -> None:
    assert checks("require i < len(l[p])\ni := l[p][i]") == []
    assert checks("require 0 < i and i <= len(l[p])\ni := l[p][i - 1]") == []
    assert checks("if len(l[p]) > n\n    i := l[p][n]") == []
    assert checks("require forall k in indices(l[p]). l[p][k] == 0") == []
    assert checks("require i + len(l[p]) <= 3\nrequire forall k in indices(l[p]). l[p][k] + i <= 3\ni := i + len(l[p])") == []
    assert len(checks("i := l[p][i]")) == 1
    assert len(checks("require i <= len(l[p])\ni := l[p][i]")) == 1
    assert len(checks("if len(l[p]) > n\n    l[p] := []\nelse\n    i := l[p][n]")) == 1


def test_an_assignment_ends_what_was_known() -> None:
    assert len(checks("require i < len(l[p])\nl[p] := []\nl[p] := [l[p][i]]")) == 1
    assert len(checks("let n2 = len(l[p])\nrequire i < n2\nl[p] := []\nl[p] := [l[p][i]]")) == 1
    assert len(checks("require i < len(l[p])\nfor q in P\n    l[q] := [l[q][i]] if q == p else l[q]")) == 1
    assert len(checks("require i < len(l[p])\nif n == 0\n    l[p] := []\nl[p] := [l[p][i]]")) == 1
