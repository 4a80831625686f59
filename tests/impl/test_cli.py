"""`spectrace run`: what people see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import impl.cli
from checker.cli import run


def spectrace(capsys: Any, *argv: str) -> tuple[int, str, str]:
    assert impl.cli.app is not None
    code = run(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_that_sees_nothing_wrong_claims_nothing(capsys: Any) -> None:
    code, out, _ = spectrace(capsys, "run", "two_phase_commit", "--simulate", "--duration", "5s")
    assert code == 0 and "proves nothing" in out and "Committed was reached" in out


def test_a_violation_exits_12(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "out.ndjson"
    argv = ["run", "two_phase_commit", "--simulate", "--faults", "crash=0.2", "--json", "--record", str(file)]
    code, out, _ = spectrace(capsys, *argv)
    data = json.loads(out)
    assert code == 12 and data["verdict"] == "violated" and data["property"]
    last = json.loads(file.read_text().splitlines()[-1])
    assert last["at"] == data["seconds"]


def test_a_spec_fault_exits_75_with_its_place(capsys: Any) -> None:
    code, out, _ = spectrace(capsys, "run", "ricart_agrawala", "--simulate")
    assert code == 75 and "does not fit `number` (" in out and "ricart_agrawala.spec:35)" in out


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["die_hard", "--simulate"], 2, "die_hard.spec:13"),
        (["paxos", "--simulate", "--faults", "los"], 1, "did you mean `loss`"),
        (["paxos", "--simulate", "--faults", "loss=2"], 1, "out of range"),
        (["paxos", "--faults", "loss"], 1, "--faults needs --simulate"),
        (["paxos", "--simulate", "--data", "x"], 1, "--data is for real nodes"),
        (["nowhere", "--simulate"], 1, "no file and no shipped protocol"),
    ],
)
def test_mistakes(capsys: Any, argv: list[str], code: int, said: str) -> None:
    found, _, err = spectrace(capsys, "run", *argv)
    assert (found, said in err) == (code, True), err
