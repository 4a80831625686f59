"""Small changes of our own records are noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checker.conformance.scored import perform

FAULTS = "crash=1,partition,loss,duplicate"


@pytest.mark.parametrize(
    ("protocol", "faults", "clients"), [("raft", "", 0), ("zab", "", 0), ("raft", FAULTS, 0), ("raft", FAULTS, 2), ("zab", "", 2)]
)
def test_our_own_records_hide_nothing(simulate: Any, tmp_path: Path, protocol: str, faults: str, clients: int) -> None:
    file = tmp_path / "run.ndjson"
    file.write_bytes(simulate(protocol, faults=faults, seconds=4 if not clients else 2, clients=clients)[1])
    score = perform(protocol, [str(file)], None, None, "field", 200, 0, 1).data()["all"]
    assert score["mutants"] == 200
    assert score["rejected_of_all"] >= 0.95
    assert score["at_the_change"] >= 0.9
