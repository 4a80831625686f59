"""A binding is as good as the faults that it finds: logs with one field of one line changed, held against the spec.

The score counts every change that leads to another value; a few of them are explained by other behaviours, and rightly so.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checker
from checker.conformance.binding import load
from checker.conformance.lines import Log
from checker.conformance.validate import Validation
from checker.settings import Mistake

TRACES = Path(__file__).parents[2] / "traces"
MUTANTS = 20


def places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The fields of a line, each with its value."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from places(v, (*path, k))
    else:
        yield path, value


def mutants(lines: list[dict[str, Any]], rng: random.Random) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Logs in which one field is changed to what it is on another line, and the number of the line."""
    seen: dict[tuple[str, ...], list[Any]] = {}
    for line in lines:
        for path, v in places(line):
            seen.setdefault(path, [])
            if v not in seen[path]:
                seen[path].append(v)
    while True:
        at = rng.randrange(1, len(lines))
        path, old = rng.choice(list(places(lines[at])))
        others = [v for v in seen[path] if v != old]
        if others:
            changed = json.loads(json.dumps(lines[at]))
            inside = changed
            for key in path[:-1]:
                inside = inside[key]
            inside[path[-1]] = rng.choice(others)
            yield at + 1, [*lines[:at], changed, *lines[at + 1 :]]


def rejected_at(log: Path, binding: Path) -> int | None:
    """The line at which a log is rejected, or cannot be read; None: it is accepted."""
    b = load(binding)
    validation = Validation(checker.load(b.spec or ""), b, [Log(str(log))])
    try:
        result = validation.run()
    except Mistake as why:
        return int(why.text.split(":")[1])
    return result.stopped.event.lines[0].number if result.stopped else None


def test_changed_fields_of_a_trace_of_etcd_are_found(tmp_path: Path) -> None:
    text = (TRACES / "etcd_raft/accepted/reconfigured.ndjson").read_text()
    found = mutants([json.loads(line) for line in text.splitlines()], random.Random(1))
    near = 0
    for _ in range(MUTANTS):
        at, lines = next(found)
        log = tmp_path / "log.ndjson"
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        stopped = rejected_at(log, TRACES / "etcd_raft/binding.toml")
        near += stopped is not None and abs(stopped - at) <= 3
    assert near >= 0.9 * MUTANTS
