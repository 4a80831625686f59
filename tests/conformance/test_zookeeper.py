"""ZooKeeper itself, as it is installed: three servers on loopback, of which the leader is killed; what they log is accepted, and
what they could not have logged is not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import checker
from checker.conformance.answer import Answer, validate
from checker.conformance.binding import load
from checker.conformance.extract import extract, packed, read_rules

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "traces/zookeeper"


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_zookeeper", ROOT / "traces/recorders/record_zookeeper.py")
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recorded(recorder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    if lacking := recorder.missing():
        pytest.skip(f"ZooKeeper cannot be run: {lacking}")
    logs = recorder.record(tmp_path_factory.mktemp("run"), 3, "write 10; kill leader; write 10; start; wait 3; write 3; wait 1")
    return list(extract(read_rules(FOLDER / "extract.toml"), logs))


def answer(events: list[dict[str, Any]], tmp_path: Path) -> Answer:
    log = tmp_path / "run.ndjson"
    log.write_bytes(packed(events, log.name))
    return validate(checker.load("zookeeper"), [str(log)], load(FOLDER / "binding.toml"))


@pytest.mark.slow
def test_what_it_logs_is_accepted(recorded: list[dict[str, Any]], tmp_path: Path) -> None:
    kinds = {e["ev"] for e in recorded}
    assert {"Crash", "Recover", "FLE.Decide", "L.Established", "L.SyncPlan", "Commit", "Apply"} <= kinds
    assert sum(e["ev"] == "L.Established" for e in recorded) >= 2
    said = answer(recorded, tmp_path)
    assert said.result.verdict == "accept", "\n".join(said.lines(False))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["L.Propose", "F.Recv", "L.SelfAck", "Commit", "Apply"])
def test_a_line_less_is_rejected(recorded: list[dict[str, Any]], tmp_path: Path, kind: str) -> None:
    at = [i for i, e in enumerate(recorded) if e["ev"] == kind and e.get("type") in (None, "PROPOSAL")][3]
    said = answer([*recorded[:at], *recorded[at + 1 :]], tmp_path)
    assert said.result.verdict == "reject"
