"""The logs in traces/: those in accepted/ are, and those in rejected/ are not, at the line that their header names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import checker
from checker.conformance.answer import Answer, validate
from checker.conformance.binding import load

TRACES = Path(__file__).parents[2] / "traces"
INSTANCES = {"hasty": "hasty"}
NEAR = 3  # lines from the fault at which a rejection may come


def found(kind: str) -> list[Path]:
    return sorted(p for p in TRACES.glob(f"*/{kind}/*") if ".ndjson" in p.name)


def header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return dict(json.loads(text.split(b"\n")[0]))


def answer(path: Path) -> Answer:
    binding = load(path.parents[1] / "binding.toml")
    shown = str(path.relative_to(TRACES.parent))
    return validate(checker.load(binding.spec or path.parents[1].name), [shown], binding, INSTANCES.get(path.stem))


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TRACES.parent)


@pytest.mark.parametrize("path", found("accepted"), ids=lambda p: f"{p.parents[1].name}-{p.name}")
def test_accepted(path: Path) -> None:
    assert answer(path).result.verdict == "accept"


@pytest.mark.parametrize("path", found("rejected"), ids=lambda p: f"{p.parents[1].name}-{p.name}")
def test_rejected(path: Path, snapshot: Any) -> None:
    said = answer(path)
    assert said.exit == 14
    assert said.result.stopped is not None
    at = said.result.stopped.event.lines[0].number
    assert abs(at - header(path)["line"]) <= NEAR
    lines = said.lines(False)
    assert len(lines) <= 40
    timeless = [x.split(", 0.")[0] if "explaining states" in x else x.replace(str(TRACES.parent) + "/", "") for x in lines]
    assert "\n".join(timeless) == snapshot


def test_json_says_the_same() -> None:
    data = answer(TRACES / "paxos/rejected/promise_lost.ndjson").data()
    (difference,) = data["diagnosis"]["different"]
    assert difference["expression"] == "promised[acc]"
    assert (difference["spec"], difference["log"], difference["field"]) == ("0", "none", "set.promised")
    assert json.loads(json.dumps(data)) == data
