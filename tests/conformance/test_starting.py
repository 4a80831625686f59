"""The binding that `spectrace new --binding` writes: what it finds in a log, and that it can be read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from checker.cli import run
from checker.conformance import EventLog
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


TWO_PHASE = [
    {"host": "a", "what": "prepare", "st": "PREPARED"},
    {"host": "coord", "what": "got", "pkt": {"kind": "prepared", "from": "a"}},
    {"host": "coord", "what": "decide"},
    {"host": "a", "what": "got", "pkt": {"kind": "commit"}, "st": "COMMITTED"},
]


def test_it_finds_messages_and_values_in_fields_of_other_names(tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text("".join(json.dumps(x) + "\n" for x in TWO_PHASE))
    assert run(["new", "--binding", str(log), "--spec", "two_phase_commit"]) == 0
    found = tomllib.loads(capsys.readouterr().out)
    assert found["after"] == {"rm_state[self]": "st"}
    assert found["values"] == {"RMState": {"PREPARED": "prepared", "COMMITTED": "committed"}}
    assert found["receive"] == {"when": "has(pkt)", "message": "pkt"}
    assert found["message"]["Prepared"]["when"] == "kind == 'prepared'" and "Commit" in found["message"]
    assert {e["when"] for e in found["event"]} == {f"what == '{w}'" for w in ("prepare", "got", "decide")}


def test_it_finds_events_inside_of_an_object_that_every_line_has(tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.ndjson"
    rows = [{"msg": "trace", "event": {"name": n, "nid": "1", "msg": {"type": t}}} for n, t in (("Send", "A"), ("Tick", "B"))]
    log.write_text("".join(json.dumps(x) + "\n" for x in rows))
    assert run(["new", "--binding", str(log)]) == 0
    found = tomllib.loads(capsys.readouterr().out)
    assert found["order"]["node"] == "event.nid"
    assert {e["when"] for e in found["event"]} == {"event.name == 'Send'", "event.name == 'Tick'"}


def test_it_reads_names_in_camel_case_and_nested(tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.ndjson"
    rows = [
        {
            "timestampMs": 1700000000123 + i,
            "source": {"nodeId": node, "pid": 7},
            "msgId": f"m{i}",
            "eventType": f"{step}RequestVote",
            "state": {"currentTerm": i, "log": [i]},
            "message": {"kind": "RequestVote", "fromNode": "n1", "payload": {"term": 1}},
        }
        for i, (node, step) in enumerate([("n1", "send"), ("n2", "recv"), ("n3", "recv")])
    ]
    log.write_text("".join(json.dumps(x) + "\n" for x in rows))
    assert run(["new", "--binding", str(log), "--spec", "raft"]) == 0
    text = capsys.readouterr().out
    found = tomllib.loads(text)
    assert found["names"]["self"] == "Server = source.nodeId" and found["order"]["node"] == "source.nodeId"
    assert found["sizes"]["max_term"]["max"] == "state.currentTerm" and found["sizes"]["max_log"]["max"] == "len(state.log)"
    assert found["receive"] == {"when": "eventType in ['recvRequestVote']", "message": "message"}
    assert found["message"]["RequestVote"]["term"] == "payload.term" and 'message["fromNode"]' in text
    assert {e["when"] for e in found["event"]} == {"eventType == 'sendRequestVote'", "eventType == 'recvRequestVote'"}


def test_a_binding_that_says_nothing_is_told_so(tmp_path: Path, capsys: Any) -> None:
    log, binding = tmp_path / "log.ndjson", tmp_path / "binding.toml"
    log.write_text("".join(json.dumps(x) + "\n" for x in TWO_PHASE))
    binding.write_text("[sizes]\nRM = ['a']\n[[event]]\nwhen = 'true'\n")
    assert run(["validate", "two_phase_commit", str(log), "--binding", str(binding)]) == 0
    assert "nothing was held against the spec" in capsys.readouterr().out


def test_what_the_helper_writes_needs_nothing_added(tmp_path: Path, capsys: Any) -> None:
    """A log of `EventLog`, with a node that is a single process, in which that starts again."""
    file, binding = tmp_path / "log.ndjson", tmp_path / "binding.toml"
    with file.open("w") as out:
        tm, rms = EventLog("tm", out), [EventLog(f"rm{i}", out) for i in (1, 2)]
        tm.event("restart", state="init")
        headers = []
        for rm in rms:
            with rm.step("prepare", state="prepared") as step:
                headers.append(step.send("tm", {"type": "prepared", "rm": rm.node}))
        for header in headers:
            tm.event("recv", received=header, msg={"type": "prepared", "rm": header["src"]}, state="init")
        with tm.step("decide", state="done_commit") as step:
            header = step.send("rm1", {"type": "commit"})
        rms[0].event("recv", received=header, msg={"type": "commit"}, state="committed")
    assert run(["new", "--binding", str(file), "--spec", "two_phase_commit", "-o", str(binding)]) == 0
    found = tomllib.loads(binding.read_text())
    assert found["faults"] == ["crash(TM) <= 10"] and found["values"]["TM"] == {"tm": "TM"} and found["receive"]["id"] == "mid"
    assert run(["validate", "two_phase_commit", str(file), "--binding", str(binding)]) == 0
    assert "warning" not in capsys.readouterr().out.replace("warning: `ready", "")
    lines = file.read_text().splitlines(True)
    file.write_text("".join(lines[:3] + lines[4:5]))  # what the node heard is not told, and not contradicted
    assert run(["validate", "two_phase_commit", str(file), "--binding", str(binding)]) == 0
    assert "the vector clock of tm is 3, and was 1 in its line before: are lines missing?" in capsys.readouterr().out
    file.write_text("".join(lines))
    file.write_text(file.read_text().replace('"src":"rm2","mid":"rm2.0.1"', '"src":"rm2","mid":"rm1.0.1"'))
    assert run(["validate", "two_phase_commit", str(file), "--binding", str(binding)]) == 14
    assert "Traceback" not in capsys.readouterr().err
