"""Small changes of our own records are noticed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from checker.conformance.linearizable import perform as linearizable
from checker.conformance.scored import perform


@pytest.mark.parametrize(("protocol", "faults"), [("raft", ""), ("zab", ""), ("raft", "crash=1,partition,loss,duplicate")])
def test_our_own_records_hide_nothing(simulate: Any, tmp_path: Path, protocol: str, faults: str) -> None:
    file = tmp_path / "run.ndjson"
    file.write_bytes(simulate(protocol, faults=faults, seconds=4)[1])
    score = perform(protocol, [str(file)], None, None, "field", 200, 0, 1).data()["all"]
    assert score["mutants"] == 200
    assert score["rejected_of_all"] >= 0.95
    assert score["at_the_change"] >= 0.9


def test_what_clients_saw_is_read_from_a_record(simulate: Any, tmp_path: Path) -> None:
    file = tmp_path / "run.ndjson"
    _, raw, _ = simulate("raft", faults="crash=1,partition,loss", seconds=4, clients=3)
    file.write_bytes(raw)
    said = linearizable(str(file), None)
    assert said.verdict == "accept" and len(said.history.operations) > 50
    answers = [n for n, x in enumerate(raw.split(b"\n")) if b'"event":"return"' in x and b'"result":"client' in x]
    lines = raw.split(b"\n")
    lines[answers[-1]] = re.sub(rb'"result":"[^"]*"', b'"result":"client9.1"', lines[answers[-1]])
    file.write_bytes(b"\n".join(lines))
    assert linearizable(str(file), None).verdict == "reject"
