"""How fast the runtime is: simulated clusters, what recording them costs, and real ones.

    python benchmarks/cluster.py [--seconds 20] [--clients 4] [--simulated | --real]

Simulated: seconds of simulated time and steps in a second of this CPU, with clients that do one thing after the other, first
without checks and recorded, in turn several times, of which the median is said, then followed by the spec with all its
properties.  Real: three nodes of each kind on this machine, answers in a second and how long they take, without and with
recording, measured in the same way, as machines are never quiet.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from checker import load
from impl.runtime.client import Session
from impl.runtime.cluster import Supervisor, prepare
from impl.runtime.faults import parse_faults
from impl.runtime.host import Cluster
from impl.runtime.plan import make_plan
from impl.runtime.record import Recorder
from impl.runtime.shadow import Shadow
from impl.runtime.simulate import Outcome, Simulation

PROTOCOLS = ("raft", "zab", "multi_paxos", "paxos")
FAULTS = "crash=3,partition=5,loss,duplicate,drift,delay"
SHORT = 5.0  # simulated seconds with all properties
ROUNDS = 7  # so often a run is made without and with recording, in turn


def simulated(name: str, seconds: float, clients: int, faults: str) -> None:
    plan = make_plan(load(name), None, 3)
    users = clients if plan.protocol.service else 0

    def took(simulated: float, recorder: Recorder | None, shadow: Shadow | None) -> tuple[float, Outcome]:
        run = Simulation(plan, 7, parse_faults(faults), recorder, shadow, users)
        begun = time.process_time()
        outcome = run.run(simulated)
        return time.process_time() - begun, outcome

    bare, recorded = [], []
    for _ in range(ROUNDS):
        spent, outcome = took(seconds, None, None)
        bare.append(spent)
        with tempfile.TemporaryFile() as file:
            recorded.append(took(seconds, Recorder(plan, file.write), None)[0])
    costs = statistics.median(b / r - 1 for b, r in zip(bare, recorded, strict=True))
    each = statistics.median(bare)
    followed, _ = took(SHORT, None, Shadow(plan))
    answers = outcome.counts["return"]
    speed = (
        f"{60 * seconds / each:9,.0f} simulated s a minute {outcome.steps / each:8,.0f} steps/s {answers / each:7,.0f} answers/s"
    )
    more = f"recorded {costs:+5.0%}, followed by the spec {60 * SHORT / followed:,.0f} s a minute"
    print(f"{name:12} {'faults' if faults else '':7} {speed}   {more}", flush=True)


def measured(name: str, seconds: float, clients: int, record: bool) -> list[float]:
    """The times of all answers in so many seconds."""
    plan = make_plan(load(name), None, 3)
    times: list[float] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(plan, folder, Cluster(name, None, [], 3, {}, record, False))
        cluster = Supervisor(folder, plan, lambda line: None)
        cluster.start()
        Session(folder, 60).ask("put", "ready", "yes")
        end = time.monotonic() + seconds

        def use(key: str) -> None:
            session = Session(folder, 60)
            while (begun := time.monotonic()) < end:
                session.ask("put", key, str(begun))
                times.append(time.monotonic() - begun)

        threads = [threading.Thread(target=use, args=(f"k{i}",)) for i in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        cluster.stop()
    return times


def real(name: str, seconds: float, clients: int, rounds: int = 3) -> None:
    rates: dict[bool, list[float]] = {False: [], True: []}
    times: list[float] = []
    for _ in range(rounds):
        for record in (False, True):
            found = measured(name, seconds / rounds, clients, record)
            rates[record].append(len(found) * rounds / seconds)
            times += found if not record else []
    bare, recorded = (statistics.median(rates[r]) for r in (False, True))
    half, most = (sorted(times)[int(len(times) * q)] * 1000 for q in (0.5, 0.99))
    speed = f"{bare:7,.0f} answers/s, half within {half:.1f} ms, 99% within {most:.1f} ms"
    print(f"{name:12} {speed}   recorded {recorded / bare - 1:+5.0%}", flush=True)


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--seconds", type=float, default=20)
    ask.add_argument("--clients", type=int, default=4)
    ask.add_argument("--simulated", action="store_true")
    ask.add_argument("--real", action="store_true")
    given = ask.parse_args()
    if not given.real:
        for name in PROTOCOLS:
            for faults in ("", FAULTS):
                simulated(name, given.seconds, given.clients, faults)
    if not given.simulated:
        for name in ("raft", "zab"):
            real(name, given.seconds, given.clients)


if __name__ == "__main__":
    main()
