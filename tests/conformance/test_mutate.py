"""`spectrace mutate`: what comes of a change of a log is what `validate` says of the changed log, near where it was changed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from checker.cli import run
from checker.conformance.answer import perform as validated
from checker.conformance.lines import Line, Log
from checker.conformance.mutants import Sampler, named, places
from checker.conformance.scored import Answer, perform
from checker.settings import Mistake

TRACES = Path(__file__).parents[2] / "traces"
LOGS = {
    "two_phase_commit": ["two_phase_commit/accepted/commit.ndjson"],
    "paxos": ["paxos/accepted/two_proposers.ndjson"],
    "pysyncobj": ["pysyncobj/accepted/start.ndjson.gz"],
    "alternating_bit": ["alternating_bit/accepted/lossy.ndjson"],
}


def scored(name: str, limit: int = 5, seed: int = 1, kinds: str = "field,drop,duplicate,swap", jobs: int = 1) -> Answer:
    logs = [str(TRACES / x) for x in LOGS[name]]
    return perform(name, logs, None, None, kinds, limit, seed, jobs)


@pytest.mark.parametrize("name", LOGS)
def test_it_says_what_validation_says(name: str, tmp_path: Path) -> None:
    (log,) = (Log(str(TRACES / x)) for x in LOGS[name])
    lines, folder = list(log), log.path.parents[1]
    seen = Counter[str]()
    for o in scored(name, limit=3 if name == "pysyncobj" else 5).outcomes:
        new = [*lines[: o.mutant.at], *o.mutant.applied(lines), *lines[o.mutant.at + o.mutant.span :]]
        file = tmp_path / "log.ndjson"
        file.write_text("".join(json.dumps(x.data) + "\n" for x in new))
        try:
            verdict = validated(name, [str(file)], str(folder / "binding.toml"), None).data()["verdict"]
        except Mistake:
            verdict = "reject"
        assert (verdict == "reject") == (o.is_ == "rejected"), o
        seen[o.is_] += 1
    assert seen["rejected"] >= 5


def test_processes_make_no_difference() -> None:
    one, two = (scored("pysyncobj", jobs=n).data() for n in (1, 2))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    assert one["fields"] != scored("pysyncobj", seed=2).data()["fields"]


def test_what_nothing_reads_counts_and_what_means_the_same_does_not(tmp_path: Path) -> None:
    binding = tmp_path / "binding.toml"
    binding.write_text((TRACES / "two_phase_commit/binding.toml").read_text())
    rows = [json.loads(x) for x in (TRACES / LOGS["two_phase_commit"][0]).read_text().splitlines()]
    log = tmp_path / "log.ndjson"
    log.write_text("".join(json.dumps({**r, "note": n}) + "\n" for n, r in enumerate(rows)))
    answer = perform("two_phase_commit", [str(log)], str(binding), None, "field", 200, 0, 1)
    outcomes = {(o.mutant.field, o.is_) for o in answer.outcomes}
    assert ("note", "unread") in outcomes and ("note", "rejected") not in outcomes
    assert ("state", "rejected") in outcomes and ("state", "unread") not in outcomes
    score = answer.data()["all"]
    assert score["not_equivalent"] == score["rejected"] + score["unread"]
    assert score["rejected_of_not_equivalent"] == round(score["rejected"] / score["not_equivalent"], 4)


def test_what_lines_must_agree_on_is_noticed(tmp_path: Path) -> None:
    binding, log = tmp_path / "binding.toml", tmp_path / "log.ndjson"
    binding.write_text((TRACES / "two_phase_commit/binding.toml").read_text() + "\n[[agree]]\nof = 'tx'\nfield = 'what'\n")
    rows = [json.loads(x) for x in (TRACES / LOGS["two_phase_commit"][0]).read_text().splitlines()]
    for at, tx, what in ((1, 1, "x"), (2, 2, "y"), (4, 1, "x")):
        rows[at] |= {"tx": tx, "what": what}
    log.write_text("".join(json.dumps(x) + "\n" for x in rows))
    found = perform("two_phase_commit", [str(log)], str(binding), None, "field", 200, 1, 1).outcomes
    became = {(o.mutant.at, o.is_) for o in found if o.mutant.path == ("what",)}
    assert became == {(1, "rejected"), (2, "unread"), (4, "rejected")}


def test_distances_are_counted_from_the_change() -> None:
    answer = scored("pysyncobj", 60)
    fields = [
        o for o in answer.outcomes if o.mutant.kind == "field" and "vc" not in o.mutant.path
    ]  # another clock, another order
    place = {o.place: o for o in fields if o.is_ == "rejected" and o.distance == 0}
    assert len(place) > 20 and all(o.at == p for p, o in place.items())


def test_fields_are_named_as_people_write_them() -> None:
    line = {"a": {"b": 1}, "ops": [["set", 2], ["send", {"x": []}]]}
    assert [named(p) for p, _ in places(line)] == [
        "a.b", "ops[][0]", "ops[][1]", "ops[]", "ops[][0]", "ops[][1].x", "ops[]", "ops"
    ]  # fmt: skip


def test_a_time_that_is_none_is_noticed(tmp_path: Path) -> None:
    binding = tmp_path / "binding.toml"
    binding.write_text((TRACES / "two_phase_commit/binding.toml").read_text() + "\n[order]\nby = 'time'\n")
    rows = [json.loads(x) for x in (TRACES / LOGS["two_phase_commit"][0]).read_text().splitlines()]
    log = tmp_path / "log.ndjson"
    log.write_text("".join(json.dumps({**r, "ts": n}) + "\n" for n, r in enumerate(rows)))
    outcomes = perform("two_phase_commit", [str(log)], str(binding), None, "field", 200, 0, 1).outcomes
    assert "same" in {o.is_ for o in outcomes if o.mutant.field == "ts"}  # which asks what a time that is none would be


def test_rows_keep_their_length_and_lists_do_not() -> None:
    rows: list[dict[str, Any]] = [{"row": [1, n], "list": [7] * n} for n in range(1, 6)]
    lines = [Line("f", n, r) for n, r in enumerate(rows, 1)]
    drawn = Sampler([lines], 0, lambda _: False).draw("field", 100)
    assert {m.field for m in drawn if isinstance(m.old, list)} == {"list"}
    assert all(m.old != m.new for m in drawn)


def test_changed_fields_of_a_trace_of_etcd_are_found() -> None:
    """Of all changes, those that are rightly explained included."""
    log = str(TRACES / "etcd_raft/accepted/reconfigured.ndjson")
    score = perform("etcd_raft", [log], None, None, "field", 60, 1, 1).data()["all"]
    assert score["rejected_of_all"] * score["within_3"] >= 0.95


def test_it_needs_a_log_that_is_accepted() -> None:
    bad = str(TRACES / "paxos/rejected/promise_lost.ndjson")
    with pytest.raises(Mistake, match=r"promise_lost.ndjson:8: the log is not accepted"):
        perform("paxos", [bad], None, None, "field", 5, 0, 1)


def test_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    log = str(TRACES / LOGS["two_phase_commit"][0])
    assert run(["mutate", "two_phase_commit", log, "--limit", "5", "--json", "--jobs", "1"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert set(data["kinds"]) == {"field", "drop", "duplicate", "swap"}
    assert run(["mutate", "two_phase_commit", log, "--limit", "5", "--jobs", "1"]) == 0
    assert "that are not equivalent are rejected" in capfd.readouterr().out
    assert run(["mutate", "two_phase_commit", log, "--kinds", "fields"]) == 1
    assert "did you mean `field`" in capfd.readouterr().err
