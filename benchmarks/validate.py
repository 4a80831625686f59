"""How fast a record of a run is held against its spec, all invariants included, and how much memory that takes.

    python benchmarks/validate.py [PROTOCOL] [LINES...] [--clients N]        (default: raft 10000 100000 --clients 0)

With clients the logs of the nodes grow; without, they only send heartbeats.  Each record is simulated (seed 1), validated in a
process of its own, and thrown away.  Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SPECTRACE = [sys.executable, "-m", "impl"]


def record(protocol: str, lines: int, clients: int, file: Path) -> int:
    """Records a run of about so many lines; how many there are."""
    seconds = 10.0
    while True:
        argv = ["run", protocol, "--simulate", "--seed", "1", "--no-check", "--duration", f"{seconds}s", "--record", str(file)]
        argv += ["--clients", str(clients)] if clients else []
        subprocess.run([*SPECTRACE, *argv], check=True, stdout=subprocess.DEVNULL)
        with file.open("rb") as f:
            found = sum(1 for _ in f)
        if found >= lines:
            return found
        seconds *= min(10, 1.05 * lines / found)


def measured(argv: list[str]) -> tuple[float, float]:
    """Processor seconds and peak megabytes of a child."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(argv[0], argv)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, "the record was not accepted"
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", nargs="?", default="raft")
    parser.add_argument("lines", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--clients", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in args.lines:
            file = Path(folder) / "run.ndjson"
            lines = record(args.protocol, size, args.clients, file)
            seconds, memory = measured([*SPECTRACE, "validate", args.protocol, str(file)])
            rate = f"{lines / seconds:,.0f} lines/s"
            print(f"{args.protocol}: {lines:,} lines, {seconds:.1f} s, {rate}, {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
