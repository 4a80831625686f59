"""The binding that `spectrace new --binding` writes: what it finds in a log, and that it can be read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from checker.cli import run
from checker.conformance.binding import parse

TRACES = Path(__file__).parents[2] / "traces"


def test_it_finds_events_fields_variables_and_clocks(capsys: Any) -> None:
    assert run(["new", "--binding", str(TRACES / "pysyncobj/accepted/start.ndjson.gz"), "--spec", "pysyncobj"]) == 0
    text = capsys.readouterr().out
    found = tomllib.loads(text)
    assert found["order"] == {"by": "clock", "clock": "vc", "node": "node"}
    assert found["after"]["term[self]"] == "post.term" and found["names"]["self"] == "Server = node"
    assert [e["when"] for e in found["event"]][:2] == ["ev == 'recv'", "ev == 'tick'"]
    assert "# 22 lines" in text and 'post.role                            40  text: "follower"' in text
    parse(text)


def test_it_finds_actions_by_their_names(tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text("".join(json.dumps({"event": e, "node": "rm1"}) + "\n" for e in ("prepare", "prepare", "decide_commit")))
    out = tmp_path / "binding.toml"
    assert run(["new", "--binding", str(log), "--spec", "two_phase_commit", "-o", str(out)]) == 0
    rules = {e["when"]: e.get("do", "") for e in tomllib.loads(out.read_text())["event"]}
    assert "Prepare" in rules["event == 'prepare'"] and "DecideCommit" in rules["event == 'decide_commit'"]
    assert run(["new", "--binding", str(log)]) == 0
    parse(capsys.readouterr().out)


def test_mistakes(tmp_path: Path, capsys: Any) -> None:
    assert run(["new"]) == 1
    assert run(["new", "x", "--binding", "y"]) == 1
    assert run(["new", "--binding", "nowhere"]) == 1
    empty = tmp_path / "empty.ndjson"
    empty.write_text("")
    assert run(["new", "--binding", str(empty)]) == 1
    assert "Traceback" not in capsys.readouterr().err
