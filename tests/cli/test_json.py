"""The shape of `--json`: one object on stdout for every command, and for `check` every documented key with its
type."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest


class Seconds(msgspec.Struct, forbid_unknown_fields=True):
    compile: float
    explore: float
    total: float


class Check(msgspec.Struct, forbid_unknown_fields=True):
    """Exactly what `check --json` prints."""

    spec: str
    file: str
    instance: str
    sizes: dict[str, int | bool | str]
    verdict: str
    property: str | None
    message: str
    place: str | None
    distinct_states: int
    transitions: int
    depth: int
    exhaustive: bool
    cut: int
    symmetry: bool
    symmetric_sorts: list[str]
    deadlock_checked: bool
    stopped_by: str | None
    limits: dict[str, float]
    engine: str
    threads: int
    seconds: Seconds
    cpu_seconds: float
    states_per_second: float | None
    peak_memory_bytes: int
    bytes_per_state: float
    fired: dict[str, int]
    warnings: list[str]
    witnesses: dict[str, int]
    expected: dict[str, Any] | None
    as_expected: bool | None
    problems: list[str]
    trace: list[dict[str, Any]] | None
    witness: list[dict[str, Any]] | None
    reason: dict[str, Any] | None
    crosscheck: dict[str, Any] | None


def read(out: str) -> Check:
    return msgspec.json.decode(out, type=Check)


SPECS = ["lock.spec", "stuck.spec", "counter.spec", "steps.spec", "unreachable.spec", "shapes.spec", "bounded.spec"]


@pytest.mark.parametrize("engine", ["native", "python"])
@pytest.mark.parametrize("spec", SPECS)
def test_check(spectrace, spec, engine):
    found = read(spectrace("check", spec, "--engine", engine, "--no-symmetry", "--json").out)
    assert found.engine == engine
    assert found.verdict in ("holds", "violated", "deadlock", "spec_fault", "unknown")


def test_counts(spectrace):
    found = read(spectrace("check", "two_phase_commit", "-i", "three", "--no-symmetry", "--json").out)
    assert (found.spec, found.instance, found.sizes["RM"]) == ("two_phase_commit", "three", 3)
    assert (found.verdict, found.distinct_states, found.transitions, found.depth) == ("holds", 288, 1145, 10)
    assert found.exhaustive and not found.symmetry and found.cut == 0 and found.stopped_by is None
    assert found.seconds.total >= found.seconds.explore
    assert sum(found.fired.values()) == found.transitions
    with_symmetry = read(spectrace("check", "two_phase_commit", "-i", "three", "--json").out)
    assert (with_symmetry.distinct_states, with_symmetry.symmetric_sorts) == (80, ["RM"])


def test_sizes_set_on_the_command_line(spectrace):
    found = read(spectrace("check", "lock.spec", "-D", "Client=3", "-D", "careful=false", "--json").out)
    assert found.sizes == {"Client": 3, "careful": False}
    assert found.expected is None and found.as_expected is None


def test_trace(spectrace):
    found = read(spectrace("check", "lock.spec", "-i", "careless", "--json").out)
    assert (found.verdict, found.property) == ("violated", "Exclusive")
    assert found.trace is not None
    first, *steps = found.trace
    assert first["state"]["phase"] == {"alice": "idle", "bob": "idle"}
    assert [s["step"] for s in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[1]["kind"] == "handler" and steps[1]["received"]["message"] == "Ask"
    assert steps[1]["sent"][0]["message"] == "Grant"
    assert set(steps[-1]["state"]["phase"].values()) == {"holding"}
    assert found.reason is not None
    assert found.reason["property"] == "Exclusive"
    assert sorted(v for _, v in found.reason["bindings"]) == ["alice", "bob"]


def test_deadlock_and_fault_say_why(spectrace):
    stuck = read(spectrace("check", "stuck.spec", "--json").out)
    assert stuck.reason is not None
    assert {b["action"] for b in stuck.reason["blocked"]} == {"First", "FirstThen", "Second", "SecondThen"}
    fault = read(spectrace("check", "counter.spec", "--json").out)
    assert fault.reason is not None
    assert (fault.place, fault.reason["line"]) == ("counter.spec:12", 12)
    assert fault.reason["values"]["n + by"] == "4"


def test_witness(spectrace):
    found = read(spectrace("check", "lock.spec", "--witness", "Held", "--json").out)
    assert found.witnesses == {"Held": 3}
    assert found.witness is not None and len(found.witness) == 4
    assert "holding" in found.witness[-1]["state"]["phase"].values()


def test_every_command(spectrace, tmp_path):
    """One object each, and nothing else."""
    itf = tmp_path / "t.itf.json"
    commands: list[tuple[list[Any], set[str]]] = [
        (["test", "lock.spec"], {"ok", "instances", "seconds"}),
        (["simulate", "lock.spec", "--traces", 2, "--seed", 1], {"verdict", "seed", "traces", "steps", "files"}),
        (["show", "lock.spec"], {"spec", "processes", "messages", "sends", "instances"}),
        (["export", "lock.spec", "--to", "itf", "-o", itf], {"format", "written"}),
        (["export", "stuck.spec", "--to", "dot"], {"format", "files"}),
        (["show", itf], {"file", "states"}),
        (["new", tmp_path / "fresh"], {"file"}),
    ]
    for args, keys in commands:
        found = spectrace(*args, "--json")
        assert found.code == 0, found
        assert keys <= found.json.keys(), args
        assert found.err == ""
