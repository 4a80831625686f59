"""How fast a record of a run is held against its spec, all invariants included, and how much memory that takes.

    python benchmarks/validate.py [PROTOCOL] [LINES...]        (default: raft 10000 100000)

Each record is simulated (seed 1), validated in a process of its own, and thrown away.  Seconds are those of the processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SPECTRACE = [sys.executable, "-m", "impl"]


def record(protocol: str, lines: int, file: Path) -> int:
    """Records a run of about so many lines; how many there are."""
    seconds = 10.0
    while True:
        argv = ["run", protocol, "--simulate", "--seed", "1", "--no-check", "--duration", f"{seconds}s", "--record", str(file)]
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
    protocol, sizes = (sys.argv[1:2] or ["raft"])[0], [int(x) for x in sys.argv[2:]] or [10_000, 100_000]
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            file = Path(folder) / "run.ndjson"
            lines = record(protocol, size, file)
            seconds, memory = measured([*SPECTRACE, "validate", protocol, str(file)])
            print(f"{protocol}: {lines:,} lines, {seconds:.1f} s, {lines / seconds:,.0f} lines/s, {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
