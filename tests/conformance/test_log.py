"""The log that a program in Python writes, and the recorder of PySyncObj that uses it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import checker
from checker.conformance import EventLog
from checker.conformance.answer import Answer, validate
from checker.conformance.binding import load

ROOT = Path(__file__).parents[2]


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(x) for x in out.getvalue().splitlines()]


def test_clocks_follow_messages() -> None:
    out = io.StringIO()
    a, b = EventLog("a", out), EventLog("b", out)
    a.event("start")
    with a.step("tick", term=1) as step:
        header = step.send("b", {"type": "vote"})
        step["role"] = "candidate"
    with b.step("recv", received=header):
        pass
    first, tick, recv = lines(out)
    assert first == {"node": "a", "ev": "start", "vc": {"a": 1}}
    assert tick["sent"] == [{"to": "b", "mid": "a.0.1", "msg": {"type": "vote"}}] and tick["role"] == "candidate"
    assert (recv["src"], recv["mid"], recv["vc"]) == ("a", "a.0.1", {"a": 2, "b": 1})


def test_a_step_decorates_and_tells_what_failed_and_drops_what_is_nothing() -> None:
    out = io.StringIO()
    log = EventLog("a", out)

    @log.step("work")
    def work(n: int) -> int:
        return 1 // n

    assert work(1) == 1
    with log.step("idle") as step:
        step.drop()
    with pytest.raises(ZeroDivisionError):
        work(0)
    ok, failed = lines(out)
    assert "error" not in ok and "ZeroDivision" in failed["error"]
    assert [x["vc"]["a"] for x in (ok, failed)] == [1, 2]


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    EventLog("a", file).event("start")
    EventLog("a", file, 1, {"a": 1}).event("restart")
    assert [json.loads(x)["vc"]["a"] for x in file.read_text().splitlines()] == [1, 2]


def test_it_needs_nothing_but_python() -> None:
    code = (
        "import sys, checker.conformance; print([m for m in ('msgspec', 'lark', 'numba', 'typer', 'numpy') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert said.stdout.strip() == "[]"


# ── PySyncObj, as the package index has it ──


def recorded(folder: Path, version: str, *options: str) -> Answer:
    target, out = folder / "lib", folder / "run.ndjson"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), f"pysyncobj=={version}"]
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer")
    if done.returncode:
        pytest.skip(f"no pysyncobj {version} from the package index: {done.stderr[-200:]}")
    environment = {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{ROOT}"}
    recorder = ROOT / "traces/recorders/record_pysyncobj.py"
    subprocess.run([sys.executable, str(recorder), str(out), *options], env=environment, check=True, timeout=120)
    return validate(checker.load("pysyncobj"), [str(out)], load(ROOT / "traces/pysyncobj/binding.toml"))


@pytest.mark.slow
def test_a_fresh_run_of_pysyncobj_is_accepted(tmp_path: Path) -> None:
    answer = recorded(tmp_path, "0.3.17")
    assert answer.result.verdict == "accept"
    assert answer.coverage.data()["rules"]["restart"] == 1


@pytest.mark.slow
def test_a_fresh_run_with_clients_and_leaders_that_are_cut_off_is_accepted(tmp_path: Path) -> None:
    answer = recorded(tmp_path, "0.3.17", "--nodes", "5", "--crashes", "1", "--cuts", "1", "--clients", "--seconds", "4")
    assert answer.result.verdict == "accept"
    actions = answer.coverage.data()["actions"]
    assert actions["HandOn"] and actions["on ApplyCommandResponse"] and actions["Answer"]


@pytest.mark.slow
def test_a_fresh_run_with_logs_that_are_compacted_is_accepted(tmp_path: Path) -> None:
    answer = recorded(tmp_path, "0.3.17", "--crashes", "1", "--cuts", "1", "--clients", "--compact", "8", "--seconds", "4")
    assert answer.result.verdict == "accept"
    actions = answer.coverage.data()["actions"]
    assert actions["Compact"] and actions["Load"] and actions["on Snapshot"]


@pytest.mark.slow
def test_a_fresh_run_of_one_node_is_accepted(tmp_path: Path) -> None:
    assert recorded(tmp_path, "0.3.17", "--nodes", "1", "--clients").result.verdict == "accept"


@pytest.mark.slow
def test_a_fresh_run_of_the_version_that_forgets_is_rejected(tmp_path: Path) -> None:
    answer = recorded(tmp_path, "0.3.14")
    assert answer.exit == 14 and answer.diagnosis
    assert answer.diagnosis.line["ev"] == "restart"
    assert "term[self]" in answer.diagnosis.reasons[0]
