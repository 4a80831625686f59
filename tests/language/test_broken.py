"""Whatever the text, the front end answers with a model or with diagnostics that point into the text; never with a traceback."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker.errors import SpecErrors
from checker.language import format_text, load_model
from checker.language.format import format_tree
from checker.source import Source

from . import trees

SPECS = [p.read_text(encoding="utf-8") for p in sorted(Path(__file__).parents[2].glob("specs/**/*.spec"))]
WORDS = sorted(set(re.findall(r"\w+|[^\w\s]+|\n +|\n", "\n".join(SPECS))))
often = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def answered(text: str) -> SpecErrors | None:
    """Loads a text; what is reported must lie in it."""
    source = Source("broken.spec", text)
    try:
        load_model(source)
    except SpecErrors as errors:
        lines = text.count("\n") + 2
        assert errors.diagnostics
        for d in errors.diagnostics:
            assert 1 <= d.span.line <= lines, d
            assert d.message and d.render()
        return errors
    return None


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A shipped spec with some words lost, doubled, or replaced by others."""
    parts = re.findall(r"\w+|[^\w\s]+|[ \n]+", draw(st.sampled_from(SPECS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(parts) - 1))
        parts[at : at + 1] = draw(st.sampled_from([[], [parts[at]] * 2, [draw(st.sampled_from(WORDS))]]))
    return "".join(parts)


@often
@given(mutilated())
def test_mutilated_specs(text: str) -> None:
    answered(text)


@often
@given(st.lists(st.sampled_from([*WORDS, "    ", "\t", "\n", '"', "é", "\r\n"]), max_size=60).map(" ".join))
def test_words_in_any_order(text: str) -> None:
    answered(text)


@often
@given(trees.files)
def test_well_formed_nonsense(tree: object) -> None:
    answered(format_tree(tree))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["not ", "1 + ", "forall x in A. "])
@pytest.mark.parametrize("function", [load_model, format_text])
def test_too_deep(part: str, function: Callable[[Source], object]) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)  # Hypothesis leaves it higher
    try:
        with pytest.raises(SpecErrors) as raised:
            function(Source("deep.spec", f"sort A\nassume {part * 3000}1\n"))
    finally:
        sys.setrecursionlimit(limit)
    assert [(d.code, d.span.line) for d in raised.value.diagnostics] == [("E109", 2)]


@pytest.mark.parametrize("lost", ["(", ")", "]", "="])
def test_one_mistake_does_not_hide_another(lost: str) -> None:
    """A line that cannot be read, and a misspelt name far below it: both are told, and nothing else."""
    broken = {"(": "def f a: A) = true", ")": "def f(a: A = true", "]": "var s: set[A = {}", "=": "def f(a: A) true"}[lost]
    text = f"protocol t\nsort A\n{broken}\nprocess A\n    var x: bool = false\n    action Go\n        x := nott\n"
    errors = answered(text)
    assert errors is not None
    assert [d.span.line for d in errors.diagnostics] == [3, 7]
