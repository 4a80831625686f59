"""Random whole specs, exported and given to TLC: the same states, depth and verdict, and counterexamples of the same length.

So the outside witness also sees what no shipped spec does.  Another SPECTRACE_SEED (a number) takes other specs.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from test_tla import Tlc, agree, jar, run_tlc

from checker.core.bind import BindError, Instance, bind
from checker.engines.native.run import Exploration
from checker.exports.tla import ExportError
from checker.language import load_model
from checker.source import Source
from checker.verdict import Limits, Result, Verdict

sys.path.append(str(Path(__file__).resolve().parents[1] / "engines"))
from models import attempted

MOST_STATES = 5_000
SEED = int(os.environ.get("SPECTRACE_SEED", "0"))


def explored(instance: Instance, symmetry: bool, deadlock: bool) -> Result | None:
    """What we find, or None if there is nothing to compare: too large, or nothing ever happens."""
    exploration = Exploration(instance, symmetry, deadlock=deadlock)
    try:
        result = exploration.run(Limits(max_states=MOST_STATES))
    finally:
        exploration.close()
    cut = result.stopped_by not in (None, "event")
    return None if cut or result.distinct_states < 2 or exploration.symmetry != symmetry else result


def same_level(result: Result, tlc: Tlc) -> bool:
    """Of several things wrong at equal depth, TLC reports another than we do; a fault is a step of its own there. While it
    expands a level, it may find a step that is wrong before a state from which there is none."""
    ours = 0 if result.trace is None else len(result.trace)
    if result.verdict == Verdict.DEADLOCK and "Deadlock reached" not in tlc.text and tlc.steps == ours + 1:
        return not tlc.holds
    fault = result.verdict == Verdict.SPEC_FAULT or "NoFault" in tlc.text
    return not tlc.holds and (ours == tlc.steps or (fault and ours == tlc.steps - 1))


def compare(text: str, symmetry: bool, folder: Path) -> None:
    deadlock = "deadlock: off" not in text.split("\n")[0]
    try:
        instance = bind(load_model(Source("random", text)))
        result = explored(instance, symmetry, deadlock)
        if result is None:
            reject()
        tlc = run_tlc(instance, symmetry, folder, deadlock)
    except (BindError, ExportError):  # no initial value, or a loop that is too long for TLC
        reject()
    except AssertionError as error:
        if "can't handle a number this big" in str(error):  # TLC has 32 bits
            reject()
        raise AssertionError(f"{error}\n\n{text}") from error
    try:
        agree(result, tlc)
    except AssertionError as error:
        assert same_level(result, tlc), f"{result}\n\n{tlc.text[-2000:]}\n\n{text}\n\n{error}"


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(4))
def test_tlc_agrees_on_random_specs(chunk: int, tmp_path: Path) -> None:
    jar()

    @seed(SEED * 1000 + chunk)
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.integers(0, 2**64 - 1), st.booleans())
    def run(number: int, symmetry: bool) -> None:
        compare(attempted(random.Random(number).randint), symmetry, tmp_path)

    run()
