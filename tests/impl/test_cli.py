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


@pytest.mark.parametrize("argv", ["two_phase_commit", "paxos -D rounds=1"])
def test_the_states_of_a_run_are_a_behaviour_of_the_spec(capsys: Any, tmp_path: Path, argv: str) -> None:
    """As ITF, held against the spec by the checker; and not any more if one is left out."""
    file, spec = tmp_path / "run.itf.json", argv.split()[0]
    assert spectrace(capsys, "run", *argv.split(), "--simulate", "--duration", "1s", "--record", str(file))[0] == 0
    code, out, _ = spectrace(capsys, "validate", spec, str(file))
    assert code == 0 and "ACCEPT" in out, out
    data = json.loads(file.read_text())
    assert len(data["states"]) > 5
    for state in data["states"]:
        state["#meta"].pop("action", None)
    del data["states"][1:-1]
    file.write_text(json.dumps(data))
    assert spectrace(capsys, "validate", spec, str(file))[0] == 14


def test_states_need_what_follows_the_run(capsys: Any, tmp_path: Path) -> None:
    argv = ["run", "paxos", "--simulate", "--no-check", "--record", str(tmp_path / "run.itf.json")]
    code, _, err = spectrace(capsys, *argv)
    assert code == 1 and "--no-check" in err


def test_a_request_that_the_store_does_not_have_is_rejected_where_it_is_asked(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "run.ndjson"
    assert spectrace(capsys, *f"run raft --simulate --seed 8 --duration 2s --clients 1 --record {file}".split())[0] == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    at = next(i for i, r in enumerate(rows) if r["event"] == "invoke")
    rows[at]["args"].append([])
    file.write_text("\n".join(map(json.dumps, rows)))
    code, out, _ = spectrace(capsys, "validate", "raft", str(file))
    assert code == 14 and f"{file}:{at + 1}" in out and "the store has no such operation" in out
