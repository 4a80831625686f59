"""The solver and the machine code judge the same states of random specs alike; and where they do not, it is said."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from agreement import instance_of
from hypothesis import HealthCheck, Phase, event, given, reject, seed, settings
from models import specs
from typer.testing import CliRunner

import checker
from checker.cli import app
from checker.core.bind import BindError
from checker.crosscheck import crosscheck
from checker.deadline import Late
from checker.engines.smt.bits import negation
from checker.engines.smt.template import Template

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def compare(text: str) -> None:
    try:
        instance = instance_of(text)
    except BindError:
        reject()
    found = crosscheck(instance)
    event("not compared" if found.why_not else "compared")
    assert not found.disagreements, f"{found.disagreements[0]}\n\n{text}"


@settings(COMMON, max_examples=12, derandomize=True, phases=[Phase.generate])
@given(specs())
def test_random_specs(text: str) -> None:
    compare(text)


@pytest.mark.slow
def test_many_random_specs() -> None:
    @seed(0)
    @settings(COMMON, max_examples=150, phases=[Phase.generate])
    @given(specs())
    def run(text: str) -> None:
        compare(text)

    run()


def test_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time to write the actions; no time for the last states; no time at all."""
    instance = checker.bind("two_phase_commit", "three")
    rules = Template._ruled

    def late(_: Template) -> Any:
        raise Late

    monkeypatch.setattr(Template, "_ruled", property(late))
    found = crosscheck(instance)
    assert (found.left_out, found.properties, found.actions, found.disagreements) == (True, 7, 0, [])
    assert "0 actions (the others take too long to write) in 80 reachable states" in str(found.lines(instance)[0])
    monkeypatch.setattr(Template, "_ruled", rules)
    monkeypatch.setattr("checker.engines.smt.judge.left", lambda end: 1.0 if next(asked) < 20 else late(end))
    asked = count()
    found = crosscheck(instance)
    assert (found.states, found.chosen) == (20, 80) and "in 20 of 80 reachable states" in str(found.lines(instance)[0])
    monkeypatch.setattr("checker.crosscheck.SECONDS", 0.0)
    assert "not cross-checked: " in str(crosscheck(instance).lines(instance)[0])


def test_agreement_is_told() -> None:
    found = CliRunner().invoke(app, ["check", "two_phase_commit", "--crosscheck", "--json"])
    said = json.loads(found.stdout)
    assert said["crosscheck"]["agrees"] is True and said["crosscheck"]["states"] == 80
    assert (said["crosscheck"]["properties"], said["crosscheck"]["actions"]) == (7, 7)


def test_a_wrong_term_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one property turned around the solver says the opposite in every state."""
    right = Template.predicate

    def wrong(self: Template, p: Any) -> Any:
        return negation(right(self, p)) if p.name == "Consistent" else right(self, p)

    monkeypatch.setattr(Template, "predicate", wrong)
    found = CliRunner().invoke(app, ["check", "two_phase_commit", "--crosscheck", "--json"])
    said = json.loads(found.stdout)["crosscheck"]
    assert said["agrees"] is False and len(said["disagreements"]) == 80
    assert said["disagreements"][0]["what"] == "Consistent is hit, says the solver; the native code says no"
    shown = CliRunner().invoke(app, ["check", "two_phase_commit", "--crosscheck"])
    assert "ENGINES DISAGREE: 80 disagreements" in shown.stdout and "rm_state" in shown.stdout
