"""`validate --follow` on a file that grows, and what `--coverage` says of guards and fields."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import checker
from checker.cli import run
from checker.conformance.answer import validate
from checker.conformance.binding import load
from checker.conformance.lines import Log

from .test_traces import TRACES

BINDING = TRACES / "two_phase_commit/binding.toml"
GOOD = TRACES / "two_phase_commit/accepted/commit.ndjson"
BAD = TRACES / "two_phase_commit/rejected/early_commit.ndjson"


COMMAND = ["validate", "two_phase_commit", "-b", str(BINDING), "--follow", "--json"]


def test_a_rejection_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    log, lines = tmp_path / "log.ndjson", BAD.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:3]) + lines[3][:10])
    parts = iter([lines[3][10:], "".join(lines[4:7])])

    def more(_: float) -> None:
        with log.open("a") as f:
            f.write(next(parts))

    monkeypatch.setattr(time, "sleep", more)
    assert run([*COMMAND, str(log)]) == 14
    assert json.loads(capsys.readouterr().out)["diagnosis"]["place"].endswith(":7")


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    log, text = tmp_path / "log.ndjson", BAD.read_text()
    parts = iter(["", text[:5], text[5:]])

    def more(_: float) -> None:
        with log.open("a") as f:
            f.write(next(parts))

    monkeypatch.setattr(time, "sleep", more)
    assert run([*COMMAND, str(log)]) == 14
    assert "waiting for" in capsys.readouterr().err


def test_a_log_outgrows_the_sizes_that_it_had_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    log, packed = tmp_path / "log.ndjson", TRACES / "pysyncobj/accepted/crash.ndjson.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().splitlines(keepends=True)
    log.write_text("".join(lines[:60]))
    parts = iter(["".join(lines[60:80]), "".join(lines[80:])])

    def more(_: float) -> None:
        if (part := next(parts, None)) is None:
            os.kill(os.getpid(), signal.SIGINT)
        with log.open("a") as f:
            f.write(part or "")

    monkeypatch.setattr(time, "sleep", more)
    binding = TRACES / "pysyncobj/binding.toml"
    assert run(["validate", "pysyncobj", str(log), "-b", str(binding), "--follow", "--coverage", "--json"]) == 130
    said = json.loads(capsys.readouterr().out)
    assert said["lines"] == len(lines) and said["coverage"]["rules"]["receive"] == sum('"ev":"recv"' in x for x in lines) > 0


@pytest.mark.parametrize("cut", [True, False])
def test_a_log_that_is_replaced_or_cut_is_no_longer_followed(
    cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text("".join(GOOD.read_text().splitlines(keepends=True)[:4]))

    def other(_: float) -> None:
        if not cut:
            log.rename(tmp_path / "log.1")
        log.write_text("{}\n")

    monkeypatch.setattr(time, "sleep", other)
    assert run([*COMMAND, str(log)]) == 1
    assert "log.ndjson: after line 4: another file has its name now, or it was cut" in capsys.readouterr().out


def test_ctrl_c_ends_with_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text("".join(GOOD.read_text().splitlines(keepends=True)[:4]) + '{"half')
    monkeypatch.setattr(time, "sleep", lambda _: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    assert run([*COMMAND, str(log)]) == 130
    said = json.loads(capsys.readouterr().out)
    assert said["interrupted"] and said["verdict"] == "accept" and said["lines"] == 4
    assert signal.getsignal(signal.SIGINT) is before
    assert run([*COMMAND, "-"]) == 1


def test_a_followed_log_ends_when_it_is_told_to(tmp_path: Path) -> None:
    file = tmp_path / "log.ndjson"
    file.write_text('{"n":1}\n{"n":2}\n')
    log = Log(str(file))
    log.follow = True
    rows = iter(log)
    assert next(rows).data == {"n": 1}
    log.follow = False
    assert [x.data["n"] for x in rows] == [2]


def test_coverage_counts_guards_and_names_fields_that_nothing_reads() -> None:
    answer = validate(checker.load("two_phase_commit"), [str(GOOD)], load(BINDING))
    data = answer.coverage.data()
    held = sum(n["held"] or 0 for text, n in data["guards"].items() if "require rm_state == working" in text)
    assert held == data["actions"]["Prepare"] + data["actions"]["ChooseToAbort"] == 3
    assert "guards (steps in which it held" in "\n".join(answer.lines(True))
    assert data["unread"] == []
