"""Logs made from walks through a spec: a line a step, with everything in it, to be masked and changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import checker
from checker.core.bind import Instance
from checker.trace import Plain

Lines = list[dict[str, Any]]


def walk(instance: Instance, depth: int, seed: int) -> Lines:
    """The steps of one random walk as lines: action, self, choices, received, sent, post."""
    trace = checker.simulate(instance, traces=1, depth=depth, seed=seed, deadlock=False).traces[0]
    steps = Plain(instance).trace(trace) or []
    keep = ("action", "self", "choices", "received", "sent")
    return [{"i": n, **{k: d[k] for k in keep}, "post": d["state"]} for n, d in enumerate(steps[1:], 1)]


def write(path: Path, lines: Lines) -> str:
    path.write_text("".join(json.dumps(x) + "\n" for x in lines))
    return str(path)
