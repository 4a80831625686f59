"""Measures spectrace against other explicit-state checkers, and against hand-written C, on the same work in one run.

    python benchmarks/run.py [INSTANCE …] [--tools c,spin,…] [--repeat N] [--symmetry] [--slow] [--timeout SECONDS]

What lives here: running the commands of tools.py in turn, measuring them from outside, comparing. What must not:
anything that knows one tool. Invariant: every number printed was measured in this run, and a ratio is printed only
between tools that explored the same graph.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tools import INSTANCES, TOOLS, Counts, Job, Unavailable

DEFAULT = ["two_phase_commit-3", "two_phase_commit-8", "two_phase_commit-9", "paxos-2", "paxos-3"]
HEADER = ["tool", "states", "transitions", "depth", "explore CPU s", "spread", "process CPU s", "wall s", "build s", "peak MiB"]
HEADER += ["spectrace/tool"]


@dataclass(frozen=True)
class Sample:
    counts: Counts
    process: float  # CPU seconds of the whole process, user and system
    wall: float
    memory: int  # bytes, the largest resident set

    @property
    def explore(self) -> float:
        return self.process if self.counts.explore is None else self.counts.explore


@dataclass
class Row:
    """One tool on one instance: the command that explores, a sample for each run of it, or a note why there are none."""

    tool: str
    command: list[str] = field(default_factory=list)
    build: float = 0.0  # wall seconds, from the model to the command
    samples: list[Sample] = field(default_factory=list)
    note: str = ""
    failed: bool = False
    least_cpu: float = 0.0  # of one that was stopped

    @property
    def counts(self) -> Counts:
        return self.samples[0].counts

    def least(self, of: Callable[[Sample], float]) -> float:
        return min(of(sample) for sample in self.samples)

    @property
    def explore(self) -> float:
        return self.least(lambda sample: sample.explore)


class Stopped(Exception):
    """It took too long: what it had printed, and CPU seconds until then."""

    def __init__(self, text: str, cpu: float) -> None:
        super().__init__(f"stopped after {cpu:.0f} s of CPU time")
        self.text, self.cpu = text, cpu


def reason_to_skip(name: str, job: Job, slow: bool) -> str:
    tool = TOOLS[name]
    missing = [program for program in tool.needs.split() if shutil.which(program) is None]
    if missing:
        return f"skipped: {' and '.join(missing)} not found"
    if job.symmetry and not tool.symmetry:
        return "skipped: has no symmetry reduction"
    if name in job.slow and not slow:
        return "skipped: takes minutes, add --slow"
    return ""


def prepare(name: str, job: Job, slow: bool) -> Row:
    row = Row(name, note=reason_to_skip(name, job, slow))
    if row.note:
        return row
    job.folder.mkdir()
    start = time.perf_counter()
    try:
        row.command = TOOLS[name].build(job)
    except Unavailable as missing:
        row.note = f"skipped: {missing}"
    except RuntimeError as error:
        row.note, row.failed = f"failed: {error}", True
    row.build = time.perf_counter() - start
    return row


def measure(command: list[str], folder: Path, timeout: float) -> tuple[str, float, float, int]:
    """Runs a command: what it printed, CPU seconds, wall seconds, peak bytes. RuntimeError if it fails is too slow (Stopped)."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=errors)
        alarm = threading.Timer(timeout, process.kill)
        alarm.daemon = True
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        alarm.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        text, complaint = (file.read() for file in (output, errors) if file.seek(0) == 0)
    if wall >= timeout:
        raise Stopped(text, usage.ru_utime + usage.ru_stime)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}\n{text[-1000:]}{complaint[-1000:]}")
    return text, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024


def sample(row: Row, folder: Path, timeout: float) -> None:
    """One more sample for the row, unless it was skipped or has failed before."""
    if row.note:
        return
    try:
        text, process, wall, memory = measure(row.command, folder, timeout)
        row.samples.append(Sample(TOOLS[row.tool].read(text), process, wall, memory))
    except Stopped as stop:
        found = TOOLS[row.tool].partial(stop.text)
        row.note, row.failed = f"{stop}{f', {found:,} states found' if found else ''}", True
        row.least_cpu = stop.cpu
    except (RuntimeError, KeyError) as error:
        row.note, row.failed = f"failed: {error}", True


def disagreement(rows: list[Row], job: Job) -> list[str]:
    """What the tools disagree about: with the known number of states, and with each other."""
    counted = [(row.tool, sample.counts) for row in rows for sample in row.samples]
    states = {(tool, counts.states) for tool, counts in counted if counts.states != job.states}
    wrong = {f"{tool}: {count:,} states instead of {job.states:,}" for tool, count in states}
    transitions = {counts.transitions for _, counts in counted}
    depths = {counts.depth for _, counts in counted if counts.depth is not None}
    if len(transitions) > 1:
        wrong.add(f"different numbers of transitions: {', '.join(f'{n:,}' for n in sorted(transitions))}")
    if len(depths) > 1:
        wrong.add(f"different depths: {sorted(depths)}")
    return sorted(wrong)


def ratio(row: Row, base: Row | None) -> str:
    same = base is not None and (base.counts.states, base.counts.transitions) == (row.counts.states, row.counts.transitions)
    return f"{base.explore / row.explore:.3g}" if base and same and row.explore else "-"


def cells(row: Row, base: Row | None) -> list[str]:
    if row.note:
        quotient = f": spectrace/tool below {base.explore / row.least_cpu:.3g}" if base and row.least_cpu else ""
        return [row.tool, row.note + quotient]
    counts = row.counts
    spread = max(sample.explore for sample in row.samples) - row.explore
    process, wall = row.least(lambda sample: sample.process), row.least(lambda sample: sample.wall)
    memory = row.least(lambda sample: sample.memory) / 2**20
    return [
        row.tool, f"{counts.states:,}", f"{counts.transitions:,}", "-" if counts.depth is None else str(counts.depth),
        f"{row.explore:.3f}", f"{spread:.3f}", f"{process:.2f}", f"{wall:.2f}", f"{row.build:.2f}", f"{memory:,.0f}",
        ratio(row, base),
    ]  # fmt: skip


def show(rows: list[Row]) -> None:
    base = next((row for row in rows if row.tool == "spectrace" and not row.note), None)
    table = [HEADER] + [cells(row, base) for row in rows]
    full = [line for line in table if len(line) == len(HEADER)]
    widths = [max(len(line[0]) for line in table)] + [max(len(line[i]) for line in full) for i in range(1, len(HEADER))]
    for tool, *rest in table:
        padded = [text.rjust(width) for text, width in zip(rest, widths[1:], strict=True)] if len(rest) > 1 else rest
        print("  ".join([tool.ljust(widths[0]), *padded]))
    print(flush=True)


def compare(name: str, options: argparse.Namespace, folder: Path) -> bool:
    """Measures all tools on one instance and prints the table. False if a tool failed or the counts differ."""
    (folder / name).mkdir()
    jobs = {tool: Job(INSTANCES[name], options.symmetry, folder, folder / name / tool) for tool in options.tools}
    rows = [prepare(tool, job, options.slow) for tool, job in jobs.items()]
    for row in rows:
        if TOOLS[row.tool].warm:
            sample(row, jobs[row.tool].folder, options.timeout)
            row.samples.clear()
    for _ in range(options.repeat):  # in turn, so that a noisy moment of the machine meets all
        for row in rows:
            sample(row, jobs[row.tool].folder, options.timeout)
    print(f"{name}{' up to symmetry' if options.symmetry else ''}")
    show(rows)
    wrong = disagreement(rows, jobs[options.tools[0]])
    for line in wrong:
        print(f"DISAGREEMENT  {line}")
    return not wrong and not any(row.failed for row in rows)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(names)}")
        return text

    return check


def parse() -> argparse.Namespace:
    tool = one_of(TOOLS)
    parser = argparse.ArgumentParser(description="Measure spectrace against other checkers on the same work.")
    add = parser.add_argument
    add(
        "instances",
        nargs="*",
        type=one_of(INSTANCES),
        default=DEFAULT,
        help=f"of {', '.join(INSTANCES)}; default: {', '.join(DEFAULT)}",
    )
    add(
        "--tools",
        type=lambda text: [tool(name) for name in text.split(",")],
        default=list(TOOLS),
        help=f"default: {','.join(TOOLS)}",
    )
    add(
        "--repeat",
        type=int,
        default=1,
        metavar="N",
        help="runs of each; the least of every cost is shown",
    )
    add("--symmetry", action="store_true", help="explore up to symmetry, with the tools that can")
    add("--slow", action="store_true", help="also run what takes minutes")
    add("--timeout", type=float, default=600, metavar="SECONDS", help="for one run of one tool; default: 600")
    return parser.parse_args()


def main() -> int:
    options = parse()
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        agreed = [compare(name, options, Path(folder)) for name in options.instances]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
