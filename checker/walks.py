"""Random walks from request to answer: as text, as JSON, as ITF files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from checker import load, report, simulate
from checker.answer import Answer, Request, explain, instance_of
from checker.engines.python.walk import Simulation
from checker.library import write
from checker.trace import to_itf
from checker.verdict import Trace, Verdict


@dataclass(frozen=True)
class Asked:
    """What was asked for."""

    spec: str
    instance: str | None
    define: tuple[str, ...]
    traces: int
    depth: int
    seed: int | None
    deadlock: bool


@dataclass
class Walked:
    """What the walks saw; `found` explains what is wrong as a check would."""

    simulation: Simulation
    found: Answer

    @property
    def wrong(self) -> bool:
        return self.simulation.result.verdict is not Verdict.UNKNOWN

    @property
    def exit(self) -> int:
        """By the verdict; 0 if nothing wrong was seen."""
        return self.found.exit if self.wrong or self.simulation.result.stopped_by else 0

    def lines(self, files: list[str]) -> report.Lines:
        """The answer for people."""
        s, instance = self.simulation, self.found.instance
        seen = f"{report.count(len(s.traces), 'random walk')}, {report.count(s.steps, 'step')}, seed {s.seed}"
        lines = [report.title(instance)]
        if self.wrong:
            lines += report.found(s.result, seen)
        else:
            lines += report.nothing_found(seen, s.result, instance)
        lines += [Text(f"  wrote {files[0]}" + (f" … {files[-1]}" if len(files) > 1 else ""))] if files else []
        if s.result.trace is not None:
            lines += [Text(""), *report.trace(instance, s.result.trace)]
        return lines + self.found.why()

    def data(self) -> dict[str, Any]:
        """The answer for programs."""
        s, d = self.simulation, self.found.data(0.0)
        keep = (
            "spec",
            "file",
            "instance",
            "sizes",
            "property",
            "message",
            "place",
            "fired",
            "witnesses",
            "trace",
            "reason",
            "stopped_by",
        )
        verdict = s.result.verdict.value if self.wrong else "nothing_found"
        return {
            "verdict": verdict,
            **{k: d[k] for k in keep},
            "seed": s.seed,
            "traces": len(s.traces),
            "steps": s.steps,
            "depth": s.result.depth,
        }

    def save(self, output: Path) -> list[str]:
        """Writes ITF: the walk that shows something wrong, or every walk.  The files written."""
        trace = self.simulation.result.trace
        todo = [trace] if trace is not None else self.simulation.traces
        files = [output] if len(todo) == 1 else [_numbered(output, n) for n in range(1, len(todo) + 1)]
        for file, t in zip(files, todo, strict=True):
            write(file, self._itf(t))
        return [str(f) for f in files]

    def _itf(self, t: Trace) -> str:
        data = to_itf(self.found.instance, t, f"a random walk, seed {self.simulation.seed}")
        return msgspec.json.format(msgspec.json.encode(data), indent=1).decode() + "\n"


def _numbered(path: Path, n: int) -> Path:
    """`walk.itf.json` → `walk-3.itf.json`"""
    stem, dot, end = path.name.partition(".")
    return path.with_name(f"{stem}-{n}{dot}{end}")


def run_walks(asked: Asked) -> Walked:
    """Walks and explains.  Raises Mistake, SpecErrors, Rejected."""
    instance = instance_of(load(asked.spec), asked.instance, asked.define)
    simulation = simulate(instance, traces=asked.traces, depth=asked.depth, seed=asked.seed, deadlock=asked.deadlock)
    request = Request(asked.spec, asked.instance, asked.define, deadlock=asked.deadlock, engine="python")
    answer = Answer(request, instance, simulation.result)
    explain(answer)
    return Walked(simulation, answer)
