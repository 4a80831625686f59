"""The logs in traces/: those in accepted/ are, and those in rejected/ are not, at the line that their header names."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

import checker
from checker.conformance.answer import Answer, RecordAnswer, perform, validate
from checker.conformance.binding import load
from checker.conformance.lines import Log
from checker.conformance.record import is_record
from checker.conformance.validate import binding_beside

TRACES = Path(__file__).parents[2] / "traces"
INSTANCES = {"hasty": "hasty"}
NEAR = 3  # lines from the fault at which a rejection may come


def found(kind: str) -> list[Path]:
    return sorted(p for p in TRACES.glob(f"*/{kind}/*") if ".ndjson" in p.name)


def header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return dict(json.loads(text.split(b"\n")[0]))


def answer(path: Path) -> Answer | RecordAnswer:
    shown = str(path.relative_to(TRACES.parent))
    if is_record(Log(shown)):
        return perform(path.parents[1].name, [shown], None, None)
    file = Path(binding_beside(path.parents[1].name, [shown]))
    binding = load(file.relative_to(TRACES.parent))  # what is cut off depends on its length
    return validate(checker.load(binding.spec or path.parents[1].name), [shown], binding, INSTANCES.get(path.stem))


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TRACES.parent)


@pytest.mark.parametrize("path", found("accepted"), ids=lambda p: f"{p.parents[1].name}-{p.name}")
def test_accepted(path: Path) -> None:
    assert answer(path).exit == 0
    assert header(path)["header"]


@pytest.mark.parametrize("path", found("rejected"), ids=lambda p: f"{p.parents[1].name}-{p.name}")
def test_rejected(path: Path, snapshot: Any) -> None:
    said = answer(path)
    assert said.exit == 14
    at = int(said.data()["diagnosis"]["place"].split(":")[1].split("-")[0])
    assert abs(at - header(path)["line"]) <= NEAR
    lines = said.lines(False)
    assert len(lines) <= 40
    timeless = [re.sub(r", [\d.]+ s(, [\d,]+ lines/s)?$", "", x).replace(str(TRACES.parent) + "/", "") for x in lines]
    assert "\n".join(timeless) == snapshot


def test_json_says_the_same() -> None:
    data = answer(TRACES / "paxos/rejected/promise_lost.ndjson").data()
    (difference,) = data["diagnosis"]["different"]
    assert difference["expression"] == "promised[acc]"
    assert (difference["spec"], difference["log"], difference["field"]) == ("0", "none", "set.promised")
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize(("index", "exit_code"), [(126, 0), (127, 14)])
def test_a_process_that_does_not_come_back_may_have_said_something(index: int, exit_code: int, tmp_path: Path) -> None:
    lines = gzip.decompress((TRACES / "pysyncobj/accepted/killed.ndjson.gz").read_bytes()).splitlines()
    heard = next(i for i, x in enumerate(lines) if b'"mid":"n2.0.83"' in x and b'"ev":"recv"' in x)
    again = next(i for i, x in enumerate(lines) if b'"ev":"restart"' in x and b'"node":"n2"' in x)
    before = [x for i, x in enumerate(lines[:heard]) if i < again or b'"node":"n2"' not in x]
    log = tmp_path / "log.ndjson"
    log.write_bytes(b"\n".join([*before, lines[heard].replace(b'"log_idx":126', f'"log_idx":{index}'.encode())]) + b"\n")
    binding = load("traces/pysyncobj/binding.toml")
    assert validate(checker.load("pysyncobj"), [str(log)], binding).exit == exit_code
