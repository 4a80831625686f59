"""What proofs cost: each command runs as a user would start it, and is measured from outside.

    python benchmarks/prove.py [--repeat N]

Prints the wall and CPU seconds of the whole process (the least of the runs) and what it answered; a proof that fails ends with
exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

RUNS = [
    ("Paxos, 3 acceptors, 3 ballots, 2 values, to depth 15", "lamport_paxos -i three_ballots --method bmc --depth 15", "unknown"),
    ("Paxos with processes, 3 ballots, no lemmas, to depth 14", "paxos -i three_ballots --method bmc --depth 14", "unknown"),
    ("two-phase commit, any size", "two_phase_commit --unbounded", "holds"),
    ("lock server, any size", "lock_server --unbounded", "holds"),
    ("Raft election, any size", "raft_election --unbounded", "holds"),
    ("Paxos, any size", "lamport_paxos --unbounded", "holds"),
    ("flexible Paxos, any size", "flexible_paxos --unbounded", "holds"),
    ("two-phase commit, any size, lemmas found", "two_phase_commit --unbounded --find-lemmas", "holds"),
]


def measured(arguments: str) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds and the verdict of one run."""
    before, started = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "checker", "prove", *arguments.split(), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, json.loads(found.stdout).get("verdict", "error")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    failed = False
    print(f"{'what':<56} {'wall s':>7} {'CPU s':>7}  answer")
    for what, arguments, expected in RUNS:
        runs = [measured(arguments) for _ in range(repeat)]
        verdict = next((v for *_, v in runs if v != expected), expected)
        failed |= verdict != expected
        print(f"{what:<56} {min(r[0] for r in runs):7.2f} {min(r[1] for r in runs):7.2f}  {verdict}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
