"""Mistakes put into the runtime: without them nothing is found, with each of them something is, and here is said what.

"spec": the spec that follows the run step by step; "record": the validation of what was recorded, of a run that nobody watched;
or the name of a property: an invariant of the spec, `Linearizable`, or what a lock promises.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from checker import load
from checker.conformance.lines import Log
from checker.conformance.record import validated
from checker.settings import Mistake
from impl.runtime.bugs import BUGS, simulation
from impl.runtime.clients import WORKLOADS
from impl.runtime.faults import parse_faults
from impl.runtime.plan import Plan, make_plan
from impl.runtime.record import Recorder
from impl.runtime.shadow import Shadow


@dataclass(frozen=True)
class Scene:
    """A run in which a bug shows."""

    spec: str = "raft"
    workload: str = "store"
    faults: str = "crash=0.5,partition=1,loss=0.1,duplicate,drift,delay"
    seconds: float = 6
    clients: int = 4


RAFT, ZAB = Scene(), Scene("zab")
LOCK = Scene(workload="lock", faults="loss,drift,delay", seconds=5, clients=3)
LOSSY = Scene(faults="loss=0.3,delay")

CAUGHT: dict[str, tuple[Scene, set[str]]] = {
    "unsynced_variable": (RAFT, {"spec", "record"}),
    "lost_write": (RAFT, {"spec", "record"}),
    "sent_before_sync": (RAFT, {"spec", "record"}),
    "torn_write": (RAFT, {"spec", "record"}),
    "old_snapshot": (RAFT, {"spec", "record"}),
    "kept_across_crash": (RAFT, {"spec", "record"}),
    "altered_message": (RAFT, {"spec", "record"}),
    "wrong_node": (RAFT, {"spec", "record"}),
    "vote_counted_twice": (RAFT, {"spec", "record"}),
    "delivered_twice": (ZAB, {"spec", "record"}),
    "overtaken": (ZAB, {"record"}),
    "interleaved": (RAFT, {"spec", "record"}),
    "half_a_step": (RAFT, {"spec", "record"}),
    "false_guard": (RAFT, {"spec", "record"}),
    "duplicate_command": (LOSSY, {"Linearizable", "record"}),
    "forgotten_session": (RAFT, {"Linearizable", "record"}),
    "torn_transaction": (RAFT, {"Linearizable", "record"}),
    "unfenced": (LOCK, {"NothingLost", "record"}),
    "stale_read": (RAFT, {"Linearizable", "record"}),
    "early_answer": (RAFT, {"Linearizable", "record"}),
    "out_of_order": (RAFT, {"Linearizable", "record"}),
    "skipped_entry": (RAFT, {"Linearizable", "record"}),
    "clock_backwards": (LOCK, {"MutualExclusion"}),
    "clock_forwards": (LOCK, {"MutualExclusion"}),
    "new_number": (RAFT, {"Linearizable", "record"}),
}
SEEDS = 12  # so many are tried until a bug is seen


def test_every_bug_is_here() -> None:
    assert CAUGHT.keys() == BUGS.keys() and len(BUGS) >= 15


@cache
def plan_of(spec: str) -> Plan:
    return make_plan(load(spec), None, 3)


def watched(bug: str | None, scene: Scene, seed: int) -> set[str]:
    """What the spec, its properties and the clients find while it runs."""
    plan = plan_of(scene.spec)
    run = simulation(bug)(plan, seed, parse_faults(scene.faults), None, Shadow(plan), scene.clients, WORKLOADS[scene.workload])
    outcome = run.run(scene.seconds)
    assert outcome.fault is None
    if outcome.finding is None:
        return set()
    return {"spec" if outcome.finding.kind == "divergence" else outcome.finding.name}


def read(bug: str | None, scene: Scene, seed: int, file: Path) -> set[str]:
    """What the record of a run says that nobody watched."""
    plan = plan_of(scene.spec)
    with file.open("wb") as out:
        args: Any = (None, scene.clients, WORKLOADS[scene.workload])
        simulation(bug)(plan, seed, parse_faults(scene.faults), Recorder(plan, out.write), *args).run(scene.seconds / 2)
    return {"record"} if validated(plan.nodes.instance.model, [Log(str(file))]).verdict == "reject" else set()


def found(bug: str | None, scene: Scene, wanted: set[str], seeds: range, folder: Path) -> set[str]:
    """What finds it, until everything has that is wanted."""
    out: set[str] = set()
    for seed in seeds:
        if wanted - {"record"} - out:
            out |= watched(bug, scene, seed)
        if "record" in wanted - out:
            out |= read(bug, scene, seed, folder / "record.ndjson")
        if wanted <= out:
            break
    return out


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_found(bug: str, tmp_path: Path) -> None:
    scene, wanted = CAUGHT[bug]
    assert wanted <= found(bug, scene, wanted, range(SEEDS), tmp_path)


@pytest.mark.parametrize("scene", [RAFT, ZAB, LOCK, LOSSY], ids=["raft", "zab", "lock", "lossy"])
def test_without_a_bug_nothing_is_found(scene: Scene, tmp_path: Path) -> None:
    assert found(None, scene, {"record", "anything"}, range(3), tmp_path) == set()


@pytest.mark.slow
@pytest.mark.skipif("SPECTRACE_LONG" not in os.environ, reason="takes very long: set SPECTRACE_LONG")
@pytest.mark.parametrize("scene", [RAFT, ZAB, LOCK, LOSSY], ids=["raft", "zab", "lock", "lossy"])
def test_without_a_bug_nothing_is_ever_found(scene: Scene, tmp_path: Path) -> None:
    assert found(None, scene, {"record", "anything"}, range(100, 400), tmp_path) == set()


def test_a_bug_that_is_none_is_refused() -> None:
    with pytest.raises(Mistake, match="none of this name"):
        simulation("lost_writ")
