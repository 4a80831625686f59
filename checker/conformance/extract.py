"""Events out of the text logs of a program, by regular expressions in a TOML file; written as NDJSON for `validate`.

The file says how a line looks (`line`), which lines are events (`[[event]]`) and what they give (expressions over the named
groups of its expressions, as in a binding); what a line tells about later ones (`learn`); which events are a message and
its receipt (`[[pair]]`).  Each log is one node's and in its order; between logs a message is sent before it is received, and
else the time decides.  docs/guides/extract.md tells it with an example.
"""

from __future__ import annotations

import gzip
import heapq
import json
import re
import tomllib
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from checker.conformance.fields import MISSING, Getter, Reader, key_of
from checker.settings import Mistake, nearest

Groups = list[tuple[str, re.Pattern[str]]]
KEYS = ("line", "file", "time", "time_format", "zone", "meta", "fields", "event", "pair", "give")


@dataclass
class Rule:
    """One kind of event: the parts of a line that must match, what it gives, what it teaches (table → key and value)."""

    match: Groups
    give: dict[str, Getter]
    learn: dict[str, tuple[Getter, Getter]]
    when: Getter


@dataclass
class Pair:
    """Events that are a message and its receipt: those with equal keys, first in first out."""

    send: Getter
    receive: Getter
    sent: Getter
    received: Getter


@dataclass
class Rules:
    """A file of rules, read."""

    name: str
    line: re.Pattern[str]
    file: re.Pattern[str]
    time: str
    time_format: str
    meta: dict[str, Any]
    give: dict[str, Getter]
    events: list[Rule]
    pairs: list[Pair]


@dataclass
class Found:
    """An event: its fields, whose log and where in it, and the event that must come before."""

    fields: dict[str, Any]
    log: int
    time: float
    after: Found | None = None
    done: bool = field(default=False)


def read_rules(path: str | Path) -> Rules:
    """The rules in a file.  Raises Mistake."""
    from checker.library import load_bytes

    name = str(path)
    try:
        data = tomllib.loads(load_bytes(Path(path)).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise Mistake(f"{name}: not TOML: {why}") from None
    _known(name, data, KEYS, "the file")
    reader = Reader(_table(name, data, "fields"))
    if "line" not in data or not data.get("event"):
        raise Mistake(f"{name}: it needs `line`, which says how a line looks, and an [[event]]", "see docs/guides/extract.md")
    return Rules(
        name,
        _pattern(name, data["line"]),
        _pattern(name, data.get("file", "(?P<node>.*)")),
        data.get("time", "time"),
        data.get("time_format", "%Y-%m-%d %H:%M:%S,%f"),
        _table(name, data, "meta"),
        {k: _expr(name, reader, v) for k, v in _table(name, data, "give").items()},
        [_rule(name, reader, r) for r in data["event"]],
        [_pair(name, Reader(), p) for p in data.get("pair", [])],  # over what events give, not over groups
    )


def _known(name: str, data: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(data, dict):
        raise Mistake(f"{name}: {where} is a table")
    for key in data:
        if key not in keys:
            raise Mistake(f"{name}: {where} has no `{key}`", nearest(key, keys) or f"it has {', '.join(keys)}")


def _table(name: str, data: dict[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict):
        raise Mistake(f"{name}: `{key}` is a table")
    return found


def _pattern(name: str, text: Any) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, TypeError) as why:
        raise Mistake(f"{name}: `{text}` is no regular expression: {why}") from None


def _expr(name: str, reader: Reader, text: Any) -> Getter:
    try:
        return reader.read(text)
    except Mistake as why:
        raise Mistake(f"{name}: {why.text}", why.hint) from None


def _rule(name: str, reader: Reader, r: Any) -> Rule:
    _known(name, r, ("match", "give", "learn", "when"), "[[event]]")
    learn = {}
    for table, entry in _table(name, r, "learn").items():
        if not isinstance(entry, dict) or set(entry) != {"key", "value"}:
            raise Mistake(f"{name}: `{table}` of `learn` is {{ key = …, value = … }}")
        learn[table] = _expr(name, reader, entry["key"]), _expr(name, reader, entry["value"])
    return Rule(
        [(part, _pattern(name, text)) for part, text in _table(name, r, "match").items()],
        {k: _expr(name, reader, v) for k, v in _table(name, r, "give").items()},
        learn,
        _expr(name, reader, r.get("when", "true")),
    )


def _pair(name: str, reader: Reader, p: Any) -> Pair:
    keys = ("send", "receive", "sent", "received")
    _known(name, p, keys, "[[pair]]")
    if lacking := [k for k in keys if k not in p]:
        raise Mistake(
            f"{name}: [[pair]] needs `{lacking[0]}`", "conditions `send` and `receive`, and their keys `sent`, `received`"
        )
    return Pair(*(_expr(name, reader, p[k]) for k in keys))


def extract(rules: Rules, paths: list[Path]) -> Iterator[dict[str, Any]]:
    """The events of some logs in one order, after a line that says what they are.  Raises Mistake."""
    logs = [list(_events(rules, path, n)) for n, path in enumerate(paths)]
    _paired(rules, [e for events in logs for e in events])
    nodes = sorted({e.fields["node"] for events in logs for e in events if "node" in e.fields}, key=str)
    yield {"i": 1, "ev": "meta", **rules.meta, "nodes": nodes}
    for i, e in enumerate(_merged(logs), 2):
        yield {"i": i, **e.fields}


def _events(rules: Rules, path: Path, log: int) -> Iterator[Found]:
    named = rules.file.search(path.name)
    if named is None:
        raise Mistake(f"{path}: its name does not match `file` of {rules.name}: {rules.file.pattern}")
    known: dict[str, Any] = defaultdict(dict)
    for number, text in enumerate(_lines(path), 1):
        whole = rules.line.match(text)
        if whole is None:
            continue
        groups = {**known, **named.groupdict(), **whole.groupdict()}
        for rule in rules.events:
            fields = _matched(rule, groups)
            if fields is None:
                continue
            for table, (key, value) in rule.learn.items():
                known[table] = {**known[table], key_of(key(fields)): value(fields)}
            given = {k: g(fields) for k, g in (rules.give | rule.give).items()}
            if rule.give:
                time = _time(rules, path, number, groups)
                kept = {k: v for k, v in given.items() if v is not MISSING}
                yield Found({"ts": time, **kept, "at": f"{path.name}:{number}"}, log, time)
            break


def _matched(rule: Rule, groups: dict[str, Any]) -> dict[str, Any] | None:
    fields = dict(groups)
    for part, pattern in rule.match:
        found = pattern.search(groups.get(part) or "")
        if found is None:
            return None
        fields.update({k: v for k, v in found.groupdict().items() if v is not None})
    return fields if rule.when(fields) else None


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", errors="replace") if path.suffix == ".gz" else path.open(errors="replace") as f:
            for line in f:
                yield line.rstrip("\n")
    except (OSError, EOFError) as why:
        raise Mistake(f"{path}: {(getattr(why, 'strerror', None) or str(why)).lower()}") from None


def _time(rules: Rules, path: Path, number: int, groups: dict[str, Any]) -> float:
    text = groups.get(rules.time)
    try:
        return round(datetime.strptime(str(text), rules.time_format).astimezone().timestamp(), 6)
    except ValueError:
        raise Mistake(f"{path}:{number}: `{text}` is no time as `time_format` says: {rules.time_format}") from None


def _paired(rules: Rules, events: list[Found]) -> None:
    """Gives each receipt and its message the same `mid`."""
    n = 0
    for pair in rules.pairs:
        sent: dict[Any, deque[Found]] = defaultdict(deque)
        for e in sorted((e for e in events if pair.send(e.fields)), key=lambda e: e.time):
            sent[key_of(pair.sent(e.fields))].append(e)
        for e in sorted((e for e in events if pair.receive(e.fields)), key=lambda e: e.time):
            queue = sent[key_of(pair.received(e.fields))]
            if queue and queue[0].time <= e.time:
                e.after = queue.popleft()
                n += 1
                e.fields["mid"] = e.after.fields["mid"] = f"m{n}"


def _merged(logs: list[list[Found]]) -> Iterator[Found]:
    """One order: each log's own, messages before their receipts, else by time."""
    queues = [deque(events) for events in logs]
    while any(queues):
        heads = [(q[0].time, n) for n, q in enumerate(queues) if q]
        heapq.heapify(heads)
        able = [n for _, n in sorted(heads) if (e := queues[n][0]).after is None or e.after.done]
        e = queues[able[0] if able else sorted(heads)[0][1]].popleft()
        e.done = True
        yield e


def packed(events: list[dict[str, Any]], name: str) -> bytes:
    """The events as the bytes of a file: NDJSON, gzipped if its name says so."""
    text = "".join(json.dumps(e, separators=(",", ":")) + "\n" for e in events).encode()
    return gzip.compress(text, mtime=0) if name.endswith(".gz") else text
