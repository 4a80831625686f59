"""Runs of shipped specs, as data."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from checker import load
from impl.runtime.faults import parse_faults
from impl.runtime.plan import make_plan
from impl.runtime.record import Recorder
from impl.runtime.shadow import Shadow
from impl.runtime.simulate import Simulation

# A shell starts what runs in the background with SIGINT ignored, and processes inherit that: the nodes here are to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

EVERYTHING = "crash=1,partition=2,loss,duplicate,drift,delay"


@pytest.fixture
def simulate() -> Any:
    """simulate(spec, instance, seed, faults, seconds, nodes, sizes, clients) → (outcome, recorded bytes, the simulation)."""

    def run(
        spec: str,
        instance: str | None = None,
        seed: int = 0,
        faults: str = EVERYTHING,
        seconds: float = 5,
        nodes: int | None = None,
        sizes: dict[str, Any] | None = None,
        clients: int = 0,
    ) -> Any:
        plan = make_plan(load(spec), instance, nodes, sizes)
        lines: list[bytes] = []
        simulation = Simulation(plan, seed, parse_faults(faults), Recorder(plan, lines.append), Shadow(plan), clients)
        return simulation.run(seconds), b"".join(lines), simulation

    return run
