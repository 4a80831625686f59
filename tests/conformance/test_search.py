"""The search against a naive one: the same states explain the same lines, whatever is masked, changed or silent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import checker
from checker.conformance.binding import parse
from checker.conformance.lines import Log
from checker.conformance.validate import Validation
from checker.core.bind import Instance
from checker.core.meaning import initial_states, successors
from checker.trace import Plain

from .walks import Lines, walk, write

CASES: dict[str, tuple[str, str, dict[str, Any], list[str], str, int]] = {
    # name: spec, instance, sizes, variables that are looked at, silent steps, how many of them
    "commit": ("two_phase_commit", "three", {"RM": 2}, ["tm", "ready", "rm_state"], "ChooseToAbort", 1),
    "bit": ("alternating_bit", "faulty", {"items": 2, "attempts": 2}, ["next", "tried", "expected"], "loss | duplication", 2),
    "stop": ("two_phase_commit", "blocking", {"RM": 2}, ["tm", "rm_state"], "stop TM | on Prepared", 2),
}


def binding(case: str) -> str:
    spec, instance, sizes, seen, silent, limit = CASES[case]
    model = checker.load(spec)
    names = {s: [f"{s}{i + 1}" for i in range(n)] for s, n in sizes.items() if s in model.sorts}
    actions = sorted({a.name.split("#")[0] for a in checker.bind(spec, instance, sizes).actions})
    out = [f'instance = "{instance}"', "[sizes]"]
    out += [f"{k} = {names.get(k, v)!r}" for k, v in sizes.items()]
    out += ["[after]", *(f'"{v}" = "post.{v}"' for v in seen)]
    for a in actions:
        out += ["[[event]]", f"when = \"action == '{a}'\"", f'do = "{a}"']
        out += ['args = { self = "self" }'] if a in ("Prepare", "ChooseToAbort", "on Commit", "on Abort") else []
    out += ["[[event]]", f'do = "{" | ".join(actions)}"']
    out += ["[[silent]]", f'do = "{silent}"', f"limit = {limit}", f"run = {limit}"]
    return "\n".join(out)


def matches(instance: Instance, line: dict[str, Any], name: str, choices: dict[str, Any], state: Any) -> bool:
    """Is a step of the spec what a line says?"""
    plain = Plain(instance)
    if line.get("action") not in (None, name):
        return False
    if line.get("action") and line.get("self") and plain.value(choices.get("self")) not in (None, line["self"]):
        return False
    return all(plain.value(state[v]) == x for v, x in line["post"].items() if v in state)


def naive(case: str, instance: Instance, lines: Lines) -> tuple[int, set[Any]]:
    """How many lines are explained, and the states that explain them: by the definition, without any thought."""
    seen, silent, limit = CASES[case][3:]
    quiet = {s.strip() for s in silent.split("|")}
    key = list(instance.vars)

    def steps(state: Any) -> Any:
        for a in instance.actions:
            for o in successors(instance, a, state):
                if o.state is not None:
                    yield a.name, dict(o.choices), o.state

    def holds(state: Any) -> bool:
        from checker.core.meaning import World, evaluate

        kinds = ("invariant", "lemma")
        return all(evaluate(p.expr, {}, World(instance, state)) for p in instance.properties if p.kind in kinds)

    front = {(tuple(s[k] for k in key), 0) for s in initial_states(instance)}
    for n, line in enumerate(lines):
        seen_line = {**line, "post": {v: x for v, x in line["post"].items() if v in seen}}
        for _ in range(limit):
            more = set()
            for values, used in front:
                for name, _, after in steps(dict(zip(key, values, strict=True))) if used < limit else ():
                    if name in quiet and holds(after):
                        more.add((tuple(after[k] for k in key), used + 1))
            front |= more
        new = set()
        for values, used in front:
            for name, choices, after in steps(dict(zip(key, values, strict=True))):
                if matches(instance, seen_line, name, choices, after) and holds(after):
                    new.add((tuple(after[k] for k in key), used))
        if not new:
            return n, {v for v, _ in front}
        front = new
    return len(lines), {v for v, _ in front}


@st.composite
def logs(draw: Any) -> tuple[str, Lines]:
    """A walk of which fields are masked, lines are dropped, and perhaps one field is changed."""
    case = draw(st.sampled_from(sorted(CASES)))
    spec, name, sizes, seen, _, _ = CASES[case]
    instance = checker.bind(spec, name, sizes)
    lines = walk(instance, draw(st.integers(1, 7)), draw(st.integers(0, 10_000)))
    for line in lines:
        if draw(st.booleans()):
            line.pop("action")
        line["post"] = {v: x for v, x in line["post"].items() if v in seen and draw(st.booleans())}
    if len(lines) > 1 and draw(st.booleans()):
        del lines[draw(st.integers(0, len(lines) - 1))]
    if lines and draw(st.booleans()):
        line = lines[draw(st.integers(0, len(lines) - 1))]
        other = lines[draw(st.integers(0, len(lines) - 1))]
        line["post"] = {v: other["post"].get(v, x) for v, x in line["post"].items()}
    return case, lines


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(logs())
def test_the_same_states_explain_a_log(log: tuple[str, Lines]) -> None:
    case, lines = log
    spec = CASES[case][0]
    if not lines:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder) / "log.ndjson", lines)
        validation = Validation(checker.load(spec), parse(binding(case)), [Log(file)])
        explained, states = naive(case, validation.instance, lines)
        result = validation.run()
        thorough = validation._search(True)
    assert (result.verdict == "accept") == (explained == len(lines))
    assert thorough.explained == explained
    if explained == len(lines):
        key = list(validation.instance.vars)
        assert {tuple(c.state[k] for k in key) for c in thorough.search.frontier} == states
        assert {tuple(c.state[k] for k in key) for c in result.search.frontier} <= states


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_walk_is_accepted(case: str, tmp_path: Path) -> None:
    spec, name, sizes, _, _, _ = CASES[case]
    for seed in range(5):
        file = write(tmp_path / "log.ndjson", walk(checker.bind(spec, name, sizes), 30, seed))
        assert Validation(checker.load(spec), parse(binding(case)), [Log(file)]).run().verdict == "accept"
