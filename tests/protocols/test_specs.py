"""The shipped specs: every instance against what it expects of itself, and the house rules of the folder.

Here only what is said in `specs/` is put to the test; what the language means is tested elsewhere.
Counts of states and transitions are taken without symmetry, counts of orbits with it.  Slow instances run with `-m slow`.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import checker
from checker import Model, Result, Verdict
from checker.core.model import InstanceDecl
from checker.engines.native import compile
from checker.engines.native.run import Exploration
from checker.engines.python.explore import Explorer, key
from checker.language.format import format_text

SPECS = Path(__file__).resolve().parents[2] / "specs"
NAMES = sorted(p.name for p in SPECS.iterdir() if p.is_dir())
VERDICT = {"holds": Verdict.HOLDS, "violates": Verdict.VIOLATED, "deadlock": Verdict.DEADLOCK, "fault": Verdict.SPEC_FAULT}
LONG = 10_000  # characters
ORACLE_STATES = 1_600  # up to so many states the definition itself is asked


@cache
def model(name: str) -> Model:
    return checker.load(SPECS / name / f"{name}.spec")


def instances() -> list[object]:
    """(spec, instance) of every shipped instance.  Of long specs, which take seconds to compile, only two are not slow."""
    every = [(n, d, i) for n in NAMES for i, d in enumerate(model(n).instances.values())]
    slow = [d.slow or (i > 1 and long(n)) for n, d, i in every]
    return [
        pytest.param(n, d.name, id=f"{n}-{d.name}", marks=[pytest.mark.slow] if s else [])
        for (n, d, _), s in zip(every, slow, strict=True)
    ]


def long(name: str) -> bool:
    return len(model(name).source.text) > LONG


def declared(name: str, instance: str) -> InstanceDecl:
    return model(name).instances[instance]


def size(d: InstanceDecl) -> int:
    """States or orbits; 0 if nobody counted them."""
    assert d.expect
    return max((c.number for what, c in d.expect.counts.items() if what in ("states", "orbits")), default=0)


@cache
def orbits(name: str, instance: str) -> Result:
    return checker.check(model(name), instance)


def measured(plain: Result, reduced: Result) -> dict[str, int | None]:
    """What the counts of an instance are held against."""
    length = len(reduced.trace) if reduced.trace else None
    return {
        "states": plain.distinct_states,
        "transitions": plain.transitions,
        "depth": plain.depth,
        "orbits": reduced.distinct_states,
        "length": length,
    }


@pytest.fixture(autouse=True)
def compiled_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner than usual: half the time here goes to machine code that runs for some milliseconds.  Where TLC is the witness of
    the same instances (`exports/`), they are compiled as usual."""
    monkeypatch.setattr(compile, "LONG", 6_000)


@pytest.mark.parametrize(("name", "instance"), instances())
def test_instance_is_as_expected(name: str, instance: str) -> None:
    expect = declared(name, instance).expect
    assert expect is not None, "an instance says what is expected of it"
    reduced, plain = orbits(name, instance), checker.check(model(name), instance, symmetry=False)
    for result in (reduced, plain):
        assert (result.verdict, result.property) == (VERDICT[expect.verdict], expect.property)
    found = measured(plain, reduced)
    assert {what: found[what] for what in expect.counts} == {what: c.number for what, c in expect.counts.items()}
    assert len(plain.trace or ()) == len(reduced.trace or ())


def small() -> list[object]:
    """The instances that may have few states."""
    every = [(n, d) for n in NAMES for d in model(n).instances.values() if not d.slow and size(d) <= ORACLE_STATES]
    slow = [n == "raft_election" for n, _ in every]  # few states, but hundreds of steps from each
    return [
        pytest.param(n, d.name, id=f"{n}-{d.name}", marks=[pytest.mark.slow] if s else [])
        for (n, d), s in zip(every, slow, strict=True)
    ]


@pytest.mark.parametrize(("name", "instance"), small())
def test_native_engine_and_definition_find_the_same(name: str, instance: str) -> None:
    exploration = Exploration(checker.bind(model(name), instance), symmetry=False)
    try:
        native = exploration.run()
        if native.distinct_states > ORACLE_STATES:
            pytest.skip("large")
        oracle = Explorer(exploration.instance)
        result = oracle.run()
        for what in ("verdict", "property", "distinct_states", "transitions", "depth", "cut", "fired", "witnesses"):
            assert getattr(native, what) == getattr(result, what), what
        assert {key(s) for s in exploration.states()} == set(oracle.states)
    finally:
        exploration.close()


# ── house rules ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_spec_has_no_warnings_and_names_its_source(name: str) -> None:
    assert model(name).name == name
    assert not model(name).warnings
    assert re.search(r"\(.*\d{4}.*\)", model(name).doc), "who wrote it down, and when"


@pytest.mark.parametrize("name", NAMES)
def test_spec_holds_at_first_and_has_a_failing_variant(name: str) -> None:
    """The first instance holds; what fails elsewhere fails by a parameter, a size or a fault."""
    first, *rest = model(name).instances.values()
    assert first.expect and first.expect.verdict == "holds" and not first.slow
    assert any(d.expect and d.expect.verdict != "holds" for d in rest)


@pytest.mark.parametrize("name", NAMES)
def test_counts_have_witnesses(name: str) -> None:
    never = {p.name for p in model(name).properties if p.kind == "reachable"}  # no trace shows that nothing is reachable
    for d in model(name).instances.values():
        assert d.expect is not None
        exhaustive = d.expect.verdict == "holds" or d.expect.property in never
        assert set(d.expect.counts) & ({"states", "orbits"} if exhaustive else {"length"}), d.name
        assert all(c.witness for c in d.expect.counts.values()), d.name


@pytest.mark.parametrize("name", NAMES)
def test_readme_names_every_instance_and_count(name: str) -> None:
    text = (SPECS / name / "README.md").read_text(encoding="utf-8")
    for heading in ("## Source", "## What is modelled", "## What is left out", "## Instances"):
        assert heading in text, heading
    for d in model(name).instances.values():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{d.name}` |")), None)
        assert row is not None, d.name
        assert d.expect is not None
        missing = [f"{c.number:,}" for c in d.expect.counts.values() if f"{c.number:,}" not in row]
        assert not missing, f"{d.name}: {missing}"


@pytest.mark.parametrize("name", NAMES)
def test_spec_is_formatted(name: str) -> None:
    source = model(name).source
    assert format_text(source) == source.text


def large(name: str) -> bool:
    """Is a spec one whose instances are mostly slow?  Then its small ones need not show everything."""
    slow = [d.slow for d in model(name).instances.values()]
    return 2 * sum(slow) > len(slow)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if large(n) or long(n) else []) for n in NAMES])
def test_every_action_happens_in_some_instance(name: str) -> None:
    missing = {a.name for a in model(name).actions}
    for d in sorted(model(name).instances.values(), key=size):
        if missing and (not d.slow or large(name)):
            missing -= {action for action, n in orbits(name, d.name).fired.items() if n}
    assert not missing
