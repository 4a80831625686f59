"""Filters of sets in slots: random shapes of slots and random conditions, at the end of every action or of one alone, with and
without a machine that extracts bits, against the definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from agreement import TooLarge, agree, instance_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from checker.core.lower import lower
from checker.engines.native import compile
from checker.engines.native.filters import is_filter, settled

COMMON = settings(
    deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)

SPEC = """# deadlock: off
sort A
type Key = 0..20
record E(n: 0..{most}, a: A, b: bool{more})
var q: set[E, {capacity}] = {{}}
var m: map A -> 0..3 = {{a: 0 for a in A}}
var l: map A -> seq[0..1, 2] = {{a: [] for a in A}}
var x: 0..2 = 0
def wanted(e: E) = {condition}
action Add(n: 0..2, a: A, b: bool)
    require len(q) < {capacity}
    q += {{E(n + {most} - 2, a, b{filling})}}
{each}
action Count(a: A)
    require m[a] < 3
    m[a] += 1
{each}
action Log(a: A, v: 0..1)
    require len(l[a]) < 2 and x > 0
    l[a] := l[a] + [v]
{each}
action Turn
    require x < 2
    x += 1
    q := {{e for e in q if wanted(e)}}
{after}
invariant Small: len(q) <= {capacity}
reachable Full: len(q) == {capacity}
instance main: A = {nodes}
"""
DISCARDS = """# deadlock: off
sort A
type Key = 0..20
network set capacity {capacity}
message E(n: 0..{most}, b: bool{more})
message F(n: 0..2)
process A
    var m: 0..3 = 0
    var x: 0..2 = 0
    var l: seq[0..1, 2] = []
    action Add(n: 0..2, b: bool, a: A)
        send E(n + {most} - 2, b{filling}){to}
    action Count
        require m < 3
        m += 1
        send F(m - 1)
    action Turn
        require x < 2
        x += 1
    action Log(v: 0..1)
        require len(l) < 2 and x > 0
        l += [v]
    on E(n, b{rest}) from a
        discard not ({condition})
        m := 0
    on F(n) from a
        discard n < m or a == self
        l := []
reachable Most: {total} == {capacity}
instance main: A = 2
"""
SHAPES = (  # what else an element holds, and with what the rest of it is filled
    ("", ""),
    (", pad: 0..1000", ", 999"),
    (", wide: map Key -> 0..15", ", {i: i % 16 for i in Key}"),
)
ATOMS = (
    "e.n < x + {most} - 1",
    "e.n != {most}",
    "e.b",
    "m[e.a] <= x",
    "m[e.a] + {most} > e.n",
    "x == 1",
    "(exists c: A. m[c] == x and c != e.a)",
    "(forall c: A. c == e.a or m[c] < 2)",
    "(forall i in indices(l[e.a]). l[e.a][i] == 1)",
    "len(l[e.a]) <= x",
    "(len(l[e.a]) > 0 implies l[e.a][len(l[e.a]) - 1] == 0)",
)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(("atom", "not", "and", "or"))) if depth else "atom"
    if kind == "atom":
        return draw(st.sampled_from(ATOMS))
    if kind == "not":
        return f"not ({draw(conditions(depth - 1))})"
    return f"(({draw(conditions(depth - 1))}) {kind} ({draw(conditions(depth - 1))}))"


@st.composite
def specs(draw: st.DrawFn) -> str:
    more, filling = draw(st.sampled_from(SHAPES))
    most, capacity = draw(st.sampled_from((2, 2, 100))), draw(st.integers(2, 4))
    if more == "" and most == 2:
        capacity = draw(st.sampled_from((2, 3, 7)))
    keep = "    q := {e for e in q if wanted(e)}"
    return SPEC.format(
        most=most,
        capacity=capacity,
        more=more,
        filling=filling,
        condition=draw(conditions()).format(most=most),
        each=keep if draw(st.booleans()) else "",
        after="    m := {a: 0 for a in A}" if draw(st.integers(0, 3)) == 0 else "",
        nodes=draw(st.integers(1, 2)),
    )


@st.composite
def discards(draw: st.DrawFn) -> str:
    more, filling = draw(st.sampled_from(SHAPES))
    most, capacity = draw(st.sampled_from((2, 100))), draw(st.integers(2, 5))
    condition = draw(conditions()).format(most=most)
    for whole, part in (("e.n", "n"), ("e.b", "b"), ("m[e.a]", "m"), ("l[e.a]", "l"), ("e.a", "self")):
        condition = condition.replace(whole, part)
    return DISCARDS.format(
        most=most,
        capacity=capacity,
        more=more,
        filling=filling,
        rest=", _" if more else "",
        condition=condition.replace("m[c]", "n"),
        to=draw(st.sampled_from(("", " to a"))),
        total="in_flight",
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SPECTRACE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    yield


def compare_many(examples: int, seen: list[Any]) -> None:
    @settings(COMMON, max_examples=examples)
    @given(st.one_of(specs(), discards()))
    def run(text: str) -> None:
        program = lower(instance_of(text))
        seen.append((any(is_filter(s) for a in program.actions for s in a.body), bool(settled(program))))
        with suppress(TooLarge):
            agree(text)

    run()


@pytest.mark.parametrize("extracts", [True, False])
def test_filters_are_what_the_definition_says(extracts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    able = compile.extracts()
    monkeypatch.setattr(compile, "extracts", lambda: extracts and able)
    seen: list[Any] = []
    compare_many(3, seen)
    assert any(filters for filters, _ in seen)


@pytest.mark.slow
@pytest.mark.parametrize("extracts", [True, False])
def test_many_filters_are_what_the_definition_says(extracts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    able = compile.extracts()
    monkeypatch.setattr(compile, "extracts", lambda: extracts and able)
    seen: list[Any] = []
    compare_many(30, seen)
    assert {once for _, once in seen} == {True, False}  # some need not be looked at in every step


def test_a_filter_is_settled_only_if_every_action_ends_with_it() -> None:
    parts = {"most": 2, "capacity": 3, "more": "", "filling": "", "rest": "", "to": "", "total": "in_flight"}
    text = DISCARDS.format(**parts, condition="m <= x")
    assert settled(lower(instance_of(text)))
    own = SPEC.format(most=2, capacity=3, more="", filling="", condition="m[e.a] <= x", nodes=1, each="", after="")
    assert not settled(lower(instance_of(own)))
