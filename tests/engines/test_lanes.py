"""Quantifiers in straight code: random conditions over a state with everything that lanes can gather from, in random states, with
and without a machine that extracts bits, against the definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from agreement import instance_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from checker.core.layout import unrank
from checker.core.meaning import World, evaluate
from checker.core.types import Map, MapOf, Set, Type, Value, card
from checker.engines.native import codegen, compile
from checker.engines.native.judge import Judge
from checker.engines.native.run import Exploration

COMMON = settings(
    deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)

SPEC = """# deadlock: off
sort A, B
quorum Q of A
record R(n: 0..2, b: B)
record Wide(n: 0..11, a: A, b: B)
network set
message M(a: A, n: 0..2, r: R?)
var m: map A -> 0..3 = {{a: 0 for a in A}}
var k: map B -> map A -> bool = {{b: {{a: false for a in A}} for b in B}}
var o: map A -> R? = {{a: none for a in A}}
var s: set[A] = {{}}
var t: map A -> set[B] = {{a: {{}} for a in A}}
var w: set[Wide] = {{}}
var x: 0..2 = 0
action Act
    require {guard}
    x := 0
invariant I: {condition}
invariant J: {other}
instance main: A = 3, B = 2
"""

# {a}, {c}: an A in scope, {b}, {d}: a B, {i}: a number
ATOMS = (
    "m[{a}] == x",
    "m[{a}] == {i}",
    "m[{a}] < m[{c}]",
    "{i} <= m[{a}]",
    "k[{b}][{a}]",
    "k[{b}] == k[{d}]",
    "o[{a}] != none",
    "(o[{a}] != none and the(o[{a}]).b == {b})",
    "(o[{a}] != none and the(o[{a}]).n < {i})",
    "o[{a}] == o[{c}]",
    "{a} in s",
    "{b} in t[{a}]",
    "t[{a}] == t[{c}]",
    "Wide({i}, {a}, {b}) in w",
    "Wide({i} + 9, {c}, {d}) in w",
    "sent M({a}, {i}, none)",
    "sent M({a}, {i}, R(x, {b}))",
    "sent M({a}, _, R({i}, {d}))",
    "sent M({c}, {i}, _)",
    "(o[{a}] != none and sent M({a}, {i}, the(o[{a}])))",
    "{a} == {c}",
    "{i} < x",
    "x == 1",
    "{i} + 1 == m[{a}]",
)
DOMAINS = (("A", ": A"), ("A", " in s"), ("B", ": B"), ("B", " in t[{a}]"), ("i", ": 0..2"))

Scope = dict[str, list[str]]


def filled(draw: st.DrawFn, template: str, scope: Scope) -> str:
    """A template with names that are in scope."""
    kinds = {"a": "A", "c": "A", "b": "B", "d": "B", "i": "i"}
    return template.format(**{k: draw(st.sampled_from(scope[of])) for k, of in kinds.items() if "{" + k + "}" in template})


@st.composite
def conditions(draw: st.DrawFn, scope: Scope, depth: int = 3) -> str:
    kind = draw(st.sampled_from(("atom", "not", "and", "or", "implies", "some", "all", "quorum"))) if depth else "atom"
    if kind == "atom":
        return filled(draw, draw(st.sampled_from(ATOMS)), scope)
    if kind == "not":
        return f"not ({draw(conditions(scope, depth - 1))})"
    if kind in ("some", "all", "quorum"):
        new = f"v{sum(map(len, scope.values()))}"
        of, domain = ("A", f" in q{new}") if kind == "quorum" else draw(st.sampled_from(DOMAINS))
        inner = draw(conditions({**scope, of: [*scope[of], new]}, depth - 1))
        some = draw(st.sampled_from(("forall", "exists")))
        outer = f"{draw(st.sampled_from(('forall', 'exists')))} q{new}: Q. " if kind == "quorum" else ""
        return f"({outer}{some} {new}{filled(draw, domain, scope)}. {inner})"
    return f"(({draw(conditions(scope, depth - 1))}) {kind} ({draw(conditions(scope, depth - 1))}))"


@st.composite
def closed(draw: st.DrawFn) -> str:
    """A condition in which nothing is free."""
    binders = draw(st.permutations(["a: A", "c: A", "b: B", "d: B", "i: 0..2"]))
    kinds = [draw(st.sampled_from(("forall", "exists"))) for _ in binders]
    inner = draw(conditions({"A": ["a", "c"], "B": ["b", "d"], "i": ["i"]}))
    return " ".join(f"{kind} {binder}." for kind, binder in zip(kinds, binders, strict=True)) + " " + inner


def some_value(t: Type, random: Random) -> Value:
    """A value of a type; sets and maps part by part, so that none is rare."""
    match t:
        case Set():
            dense = random.choice((0.1, 0.5, 0.9))
            return frozenset(unrank(t.elem, i) for i in range(card(t.elem)) if random.random() < dense)
        case MapOf():
            return Map((unrank(t.key, i), some_value(t.val, random)) for i in range(card(t.key)))
    return unrank(t, random.randrange(card(t)))


def compare(condition: str, other: str, seed: int) -> None:
    text = SPEC.format(condition=condition, other=other, guard=condition)
    instance = instance_of(text)
    exploration = Exploration(instance, symmetry=False)
    judge, random = Judge(exploration), Random(seed)
    for _ in range(8):
        state = {name: some_value(t, random) for name, t in exploration.program.vars.items()}
        world = World(instance, state)
        expected = [evaluate(p.expr, {}, world) for p in exploration.program.predicates]
        judged = judge(state)
        assert judged.hits == expected, f"{text}\n{state}"
        guard = next(p.expr for p in instance.properties if p.name == "I")
        assert judged.enabled == [evaluate(guard, {}, world)], f"{text}\n{state}"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SPECTRACE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    yield


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What came of each quantifier."""
    found: list[object] = []

    def in_lanes(*args: Any, **how: Any) -> Any:
        found.append(original(*args, **how))
        return found[-1]

    original = codegen.in_lanes
    monkeypatch.setattr(codegen, "in_lanes", in_lanes)
    return found


def compare_many(examples: int) -> None:
    @settings(COMMON, max_examples=examples)
    @given(closed(), closed(), st.integers(0, 1 << 20))
    def run(condition: str, other: str, seed: int) -> None:
        compare(condition, other, seed)

    run()


@pytest.mark.parametrize("extracts", [True, False])
def test_straight_code_is_what_the_definition_says(extracts: bool, tried: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    able = compile.extracts()
    monkeypatch.setattr(compile, "extracts", lambda: extracts and able)
    compare_many(4)
    assert sum(bit is not None for bit in tried) > 10  # it was used


@pytest.mark.slow
def test_much_straight_code_is_what_the_definition_says() -> None:
    compare_many(40)
