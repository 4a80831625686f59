"""Measures `spectrace prove --unbounded --find-lemmas` on shipped specs whose lemmas are taken away.

    python benchmarks/lemmas.py [SPEC …] [--repeat N]

Each run is a process of its own, started anew; the least of N is printed, CPU seconds (user and system) and wall seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPECS = ["two_phase_commit", "lock_server", "ring_election", "raft_election"]
HOME = Path(__file__).parent.parent / "specs"


def without_lemmas(text: str) -> str:
    """The text of a spec without its lemmas: from `lemma` to the next line that is not indented."""
    return re.sub(r"^lemma .*\n(?:[ \t]+.*\n)*", "", text, flags=re.M)


def measure(spec: Path) -> tuple[float, float, int, bool]:
    """CPU and wall seconds of one run, how many lemmas were found, and whether it is proved."""
    before, started = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "checker", "prove", str(spec), "--unbounded", "--find-lemmas"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, wall, len(re.findall(r"^lemma ", done.stdout, re.M)), done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    print(f"{'spec':<20} {'lemmas':>6} {'CPU s':>7} {'wall s':>7}")
    for name in asked.specs:
        with tempfile.TemporaryDirectory() as folder:
            spec = Path(folder) / f"{name}.spec"
            spec.write_text(without_lemmas((HOME / name / spec.name).read_text(encoding="utf-8")), encoding="utf-8")
            runs = [measure(spec) for _ in range(asked.repeat)]
        cpu, wall = min(r[0] for r in runs), min(r[1] for r in runs)
        print(
            f"{name:<20} {runs[0][2]:>6} {cpu:>7.2f} {wall:>7.2f}{'' if all(r[3] for r in runs) else '  not proved'}", flush=True
        )


if __name__ == "__main__":
    main()
