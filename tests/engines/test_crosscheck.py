"""The solver and the machine code judge the same states of random specs alike; and where they do not, it is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agreement import instance_of
from hypothesis import HealthCheck, Phase, event, given, reject, seed, settings
from models import specs
from typer.testing import CliRunner

from checker.cli import app
from checker.core.bind import BindError
from checker.crosscheck import crosscheck
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
