"""Simulated clusters: the spec's properties hold along the run, famous mistakes are found, and a seed is a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from checker import load
from checker.core.local import obstacles
from checker.core.types import Rec, Sparse
from checker.library import shipped
from impl.runtime.core import Envelope
from impl.runtime.faults import parse_faults
from impl.runtime.plan import make_plan
from impl.runtime.simulate import Node, Simulation


@pytest.mark.parametrize("seed", range(8))
def test_paxos_agrees_whatever_fails(simulate: Any, seed: int) -> None:
    outcome, _, simulation = simulate("paxos", seed=seed, nodes=3)
    assert outcome.finding is None and outcome.fault is None
    assert "SomethingChosen" in outcome.witnesses
    assert {"crash", "lost", "duplicated"} <= set(outcome.counts)
    assert not simulation.shadow.compiled.skipped


def test_acceptors_that_forget_disagree(simulate: Any) -> None:
    found = [simulate("paxos", "amnesia", seed, "crash=0.3,loss", 20)[0].finding for seed in range(4)]
    assert "Agreement" in {f.name for f in found if f}


def test_paxos_without_bounds(simulate: Any) -> None:
    """2^70 values and 2^40 ballots for each proposer: what goes through all of them would not come back."""
    outcome, recorded, _ = simulate("paxos", seconds=3, sizes={"Value": 2**70})
    assert outcome.finding is None and outcome.counts["Propose"] and b'"vote":{"bal"' in recorded


def runnable() -> list[str]:
    return [name for name in shipped() if not obstacles(load(name))]


@pytest.mark.parametrize("name", runnable())
def test_shipped_specs_run(simulate: Any, name: str) -> None:
    """Without faults, each does something, and nothing that its properties forbid."""
    outcome, _, _ = simulate(name, faults="", seconds=2)
    assert outcome.finding is None
    assert outcome.steps > len(outcome.counts) > 2


@pytest.mark.parametrize("network", ["ricart_agrawala", "alternating_bit", "chang_roberts"])
def test_reliable_networks_lose_nothing(simulate: Any, network: str) -> None:
    """Where the spec's network does not lose messages, a lossy link is only slow."""
    outcome, recorded, simulation = simulate(network, faults="loss=0.5,partition=0.5,delay", seconds=5)
    assert outcome.finding is None and not outcome.counts["lost"]
    lines = [json.loads(x) for x in recorded.splitlines()]
    sent = [m["id"] for x in lines for m in x.get("sent") or ()]
    received = [x["received"]["id"] for x in lines if x.get("received")]
    under_way = {e.id for c in simulation.channels.values() for e in c}
    waiting = {e.id for n in simulation.nodes.values() if n.core for e in n.core.inbox}
    assert len(set(received)) == len(received)
    assert set(sent) - set(received) == under_way | waiting


def test_vector_clocks_order_sending_before_receiving(simulate: Any) -> None:
    _, recorded, _ = simulate("paxos", seconds=3)
    lines = [json.loads(x) for x in recorded.splitlines()]
    sent = {m["id"]: (x["node"], x["clock"]) for x in lines for m in x.get("sent") or ()}
    received = [x for x in lines if x.get("received")]
    assert received
    for x in received:
        node, clock = sent[x["received"]["id"]]
        assert all(x["clock"][n] >= k for n, k in clock.items()) and x["clock"] != clock
        assert x["clock"][node] >= clock[node]


def test_a_seed_is_a_run_byte_for_byte(tmp_path: Path) -> None:
    """Also in another process, where Python's sets have another order."""
    found = []
    for at in range(2):
        file = tmp_path / f"{at}.ndjson"
        command = "run paxos --simulate --nodes 3 --seed 7 --faults crash=1,partition=1,loss,duplicate,drift --duration 5"
        subprocess.run(
            [sys.executable, "-m", "impl", *command.split(), "--record", str(file)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(at)},
            stdout=subprocess.DEVNULL,
        )
        found.append(file.read_bytes())
    assert found[0] == found[1] and found[0].count(b"\n") > 100


def test_another_seed_is_another_run(simulate: Any) -> None:
    assert simulate("paxos", seed=1)[1] != simulate("paxos", seed=2)[1]


def test_a_new_leader_has_a_long_log_accepted_again() -> None:
    """All that it proposes again, which is more than a node keeps of what nobody takes, is accepted."""
    plan = make_plan(load("multi_paxos"), None, 3)
    run, length = Simulation(plan, 1, parse_faults(""), clients=2), 1200
    entry = Rec("Entry", (None,))
    full = {"votes": Sparse(None, {s: Rec("Vote", (0, entry)) for s in range(length)}), "log": (entry,) * length}
    start = run.start

    def begin(node: Node) -> None:
        start(node)
        assert node.core
        last = {"ballot": node.address.identity}
        node.core.state = {v: {**full, **last}.get(v, x) for v, x in node.core.state.items()}

    run.start = begin  # type: ignore[method-assign]
    counts = run.run(5).counts
    assert counts["on Accept"] > 2 * length and counts["Begin"] == 1 and counts["return"] > 10


def test_a_decision_that_nobody_has_got_is_made_again() -> None:
    run, lost = Simulation(make_plan(load("multi_paxos"), None, 3), 1, parse_faults(""), clients=2), Counter[int]()
    send = run.send

    def sending(e: Envelope) -> None:
        if e.message == "Decide" and e.fields[0] == 3 and lost[e.fields[0]] < 3:
            lost[e.fields[0]] += 1
        else:
            send(e)

    run.send = sending  # type: ignore[method-assign]
    assert run.run(10).counts["return"] > 20
    assert lost[3] == 3
