"""The command: exit codes, one JSON object, standard input, ITF files."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from checker.cli import run

from .test_traces import TRACES

BINDING = str(TRACES / "two_phase_commit/binding.toml")
GOOD = TRACES / "two_phase_commit/accepted/commit.ndjson"
BAD = TRACES / "two_phase_commit/rejected/early_commit.ndjson"


def test_exit_codes(capsys: Any, tmp_path: Path) -> None:
    assert run(["validate", "two_phase_commit", str(GOOD)]) == 0
    assert run(["validate", "two_phase_commit", str(BAD), "--coverage"]) == 14
    assert "actions taken" in capsys.readouterr().out
    lonely = tmp_path / "lonely.ndjson"
    lonely.write_bytes(GOOD.read_bytes())
    assert run(["validate", "two_phase_commit", str(lonely)]) == 0  # by the binding that is shipped with the spec
    assert run(["validate", "peterson", str(lonely)]) == 1
    assert "which binding" in capsys.readouterr().err
    assert run(["validate", "two_phase_commit", str(lonely), "--binding", BINDING]) == 0
    assert run(["validate", "two_phase_commit", str(lonely), "--binding", BINDING, "-i", "nothing"]) == 1


def test_json(capsys: Any) -> None:
    assert run(["validate", "two_phase_commit", str(BAD), "--json"]) == 14
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "reject" and data["diagnosis"]["place"].endswith("early_commit.ndjson:7")
    assert run(["validate", "two_phase_commit", "nowhere", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "usage"


def test_standard_input(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(BAD.read_bytes())))
    assert run(["validate", "two_phase_commit", "-", "--binding", BINDING]) == 14
    assert "<stdin>:7" in capsys.readouterr().out


def test_an_initial_state_that_violates_an_invariant_is_no_good_beginning(capsys: Any, tmp_path: Path) -> None:
    spec, states, log, binding = (tmp_path / n for n in ("up.spec", "up.itf.json", "up.ndjson", "binding.toml"))
    spec.write_text("""protocol up

var x: 0..3 = 2
var y: 0..3 = 0

action Up
    require y < 3
    y := y + 1

invariant Low: x < 2

instance one:
""")
    for rows in ([{"x": 2}], [{"x": 2, "y": 0}, {"x": 2, "y": 1}]):
        states.write_text(json.dumps({"vars": ["x", "y"], "states": rows}))
        assert run(["validate", str(spec), str(states)]) == 14
        out = capsys.readouterr().out
        assert "state:0" in out and "the invariant Low" in out
    log.write_text('{"event": "Up", "y": 1}\n')
    binding.write_text("""[[event]]
do = "Up"
when = 'event == "Up"'
""")
    assert run(["validate", str(spec), str(log), "--binding", str(binding)]) == 14
    assert "the invariant Low" in capsys.readouterr().out


def test_itf(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "walk.itf.json"
    assert (
        run(["simulate", "alternating_bit", "-i", "faulty", "--traces", "1", "--seed", "4", "--no-deadlock", "-o", str(file)])
        == 0
    )
    assert run(["validate", "alternating_bit", str(file)]) == 0
    data = json.loads(file.read_text())
    for state in data["states"]:  # what is left out is inferred
        for name in [n for n in state if n.startswith("network") or n == "losses"]:
            del state[name]
    file.write_text(json.dumps(data))
    assert run(["validate", "alternating_bit", str(file)]) == 0
    data["states"][5]["next"] = {"#bigint": "2"}
    file.write_text(json.dumps(data))
    capsys.readouterr()
    assert run(["validate", "alternating_bit", str(file)]) == 14
    out = capsys.readouterr().out
    assert "state:5" in out and "in the spec, but 2 in the log (`next`)" in out
    assert run(["validate", "alternating_bit", str(file), str(file)]) == 1
    assert "is an ITF file" in capsys.readouterr().err
    data["states"][5]["next"] = "x"
    file.write_text(json.dumps(data))
    assert run(["validate", "alternating_bit", str(file)]) == 1
    assert f'{file}: state 5, `next`: `"x"` is no value' in capsys.readouterr().err


def test_itf_of_other_tools(capsys: Any, tmp_path: Path) -> None:
    """Enums as variants, functions of texts as records, and what a tool tells of itself, as Quint and Apalache write them."""
    file = tmp_path / "walk.itf"

    def rms(**other: str) -> dict[str, Any]:
        return {
            n: {"tag": s, "value": {"#tup": []}} for n, s in {**dict.fromkeys(("RM1", "RM2", "RM3"), "working"), **other}.items()
        }

    states: list[dict[str, Any]] = [
        {"rm_state": rms(), "mbt::actionTaken": "init", "mbt::nondetPicks": {}},
        {"rm_state": rms(RM2="prepared"), "mbt::actionTaken": "Prepare"},
    ]

    def validated() -> int:
        file.write_text(json.dumps({"#meta": {"format": "ITF", "status": "ok"}, "vars": [], "loop": 0, "states": states}))
        return run(["validate", "two_phase_commit", str(file)])

    assert validated() == 0
    assert "warning" not in capsys.readouterr().out
    states[1]["mbt::actionTaken"] = "ChooseToAbort"
    assert validated() == 14
    states[0]["rm_state"] = {"#map": [["r1", "working"]]}
    capsys.readouterr()
    assert validated() == 1
    assert "RM is RM1, RM2, RM3; RMState is working, " in capsys.readouterr().err


def test_a_node_of_a_simulation_starts_again_only_after_a_crash(capsys: Any, tmp_path: Path) -> None:
    lines = gzip.decompress((TRACES / "multi_paxos/accepted/run.ndjson.gz").read_bytes()).decode().splitlines()
    node = next(x["node"] for x in map(json.loads, lines) if x.get("event") == "restart")
    at = next(i for i, x in enumerate(lines) if '"event":"crash"' in x and node in x)
    lines[at] = lines[at].replace(node, "Acceptor2")
    file = tmp_path / "run.ndjson"
    file.write_text("\n".join(lines) + "\n")
    assert run(["validate", "multi_paxos", str(file)]) == 14
    assert f"{node} starts again, and has not crashed" in capsys.readouterr().out
