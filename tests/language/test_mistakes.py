"""What people get wrong, and what they are told: each `mistakes/*.spec` with the diagnostics expected of it beside it.

After a deliberate change, UPDATE_GOLDEN=1 writes the .txt files anew; read every line of the difference then.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from checker.errors import CODES, SpecErrors
from checker.language import load_model
from checker.source import Source

MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.spec"))


def findings(path: Path) -> str:
    """All that is said about a file: its errors, or its warnings if it has none."""
    try:
        model = load_model(Source(path.name, path.read_text(encoding="utf-8")))
    except SpecErrors as errors:
        return errors.render() + "\n"
    return "\n\n".join(w.render() for w in model.warnings) + "\n"


@pytest.mark.parametrize("path", MISTAKES, ids=lambda p: p.stem)
def test_mistake(path: Path) -> None:
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(findings(path), encoding="utf-8")
    assert findings(path) == golden.read_text(encoding="utf-8")


def test_every_code_has_a_mistake() -> None:
    """No code that nobody can get, and none that no test shows."""
    said = "\n".join(p.with_suffix(".txt").read_text(encoding="utf-8") for p in MISTAKES)
    assert [code for code in CODES if f"[{code}]" not in said] == ["E109"]  # too long to be read: see test_broken.py


def test_every_mistake_is_found() -> None:
    """A line that a file marks with `#!` has a finding, and no other line has."""
    for path in MISTAKES:
        text = path.read_text(encoding="utf-8").splitlines()
        marked = {n for n, line in enumerate(text, 1) if "#!" in line}
        said = {int(line.split(":")[-2]) for line in findings(path).splitlines() if line.strip().startswith("--> ")}
        assert said == marked, path.name
