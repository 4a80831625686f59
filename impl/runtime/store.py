"""What a node keeps on disk (SQLite): its durable variables, and over a reliable network the messages it has not handled yet and
those that have not arrived yet.  A step is one transaction, synced when `commit` returns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from checker.core.sequences import common
from checker.core.types import Map, MapOf, Seq, Sparse, Type, Value
from impl.runtime.core import Ready
from impl.runtime.wire import DECODER, ENCODER, pack, shape, unpack

TABLES = """
create table if not exists about (types text);
create table if not exists vars (name text primary key, value blob) without rowid;
create table if not exists items (name text, number integer, value blob, primary key (name, number)) without rowid;
create table if not exists pairs (name text, key blob, value blob, primary key (name, key)) without rowid;
create table if not exists counters (name text primary key, value integer) without rowid;
create table if not exists inbox (source text, number integer, body blob, primary key (source, number)) without rowid;
create table if not exists outbox (target text, number integer, body blob, primary key (target, number)) without rowid;
"""


class Unreadable(Exception):
    """What is on disk is not of this node, or nothing at all."""


@dataclass
class Batch:
    """What several steps leave on disk, in one transaction.  `inbox`: what has arrived and is not handled; `handled`: what had
    arrived before and is; `acknowledged`: how far each target has it on disk.  `steps`: these; `then`: what is to be done once
    they are synced."""

    persist: dict[str, Value] = field(default_factory=dict)
    inbox: dict[tuple[str, int], bytes] = field(default_factory=dict)
    handled: list[tuple[str, int]] = field(default_factory=list)
    outbox: list[tuple[str, int, bytes]] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    steps: list[Ready] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)

    def handle(self, source: str, number: int) -> None:
        """A message of the inbox has been handled; one that has only just arrived need not be kept at all."""
        if self.inbox.pop((source, number), None) is None:
            self.handled.append((source, number))


class Store:
    """The file of one node.  `types`: of its variables.  Raises Unreadable."""

    def __init__(self, path: Path, types: dict[str, Type]) -> None:
        self.path, self.types = path, types
        try:
            self.db = sqlite3.connect(path, isolation_level=None)
            self.db.execute("pragma journal_mode = wal")
            self.db.execute("pragma synchronous = full")
            self.db.executescript(TABLES)
            self._of_these("; ".join(f"{n}: {shape(t)}" for n, t in types.items()))
        except sqlite3.Error as why:
            raise Unreadable(f"{path} cannot be used: {why}") from None
        self.counters: dict[str, int] = dict(self.db.execute("select name, value from counters"))
        self.counted: set[str] = set()  # those that have to be written with the next batch
        self.sequences: dict[str, tuple[Value, ...]] = {}  # as they are on disk
        self.maps: dict[str, Map] = {}  # as well

    def _of_these(self, types: str) -> None:
        """Is it a file of these variables?  What a spec with others has written means something else."""
        before = self.db.execute("select types from about").fetchone()
        if before is None:
            self.db.execute("insert into about values (?)", (types,))
        elif before != (types,):
            raise Unreadable(f"{self.path} is of a spec with other variables")

    def close(self) -> None:
        self.db.close()

    # what was kept

    def boot(self) -> int:
        """Counts this start; how many there have been.  Synced at once: what it numbers is never numbered again."""
        n = self.count("boots")
        self.commit(Batch())
        return n

    def count(self, name: str, value: int | None = None) -> int:
        """A counter's next value (or this one), which will be on disk with the next batch."""
        new = self.counters.get(name, 0) + 1 if value is None else value
        if new != self.counters.get(name):
            self.counters[name] = new
            self.counted.add(name)
        return new

    def counter(self, name: str) -> int:
        return self.counters.get(name, 0)

    def state(self) -> dict[str, Value] | None:
        """The durable variables; None if the node has never finished its start.  Raises Unreadable."""
        if not self.counter("started"):
            return None
        try:
            kept = {n: self._read(n, b) for n, b in self.db.execute("select * from vars") if n in self.types}
        except (sqlite3.Error, msgspec.DecodeError, TypeError, ValueError) as why:
            raise Unreadable(f"{self.path} cannot be read: {why}") from None
        return {**dict.fromkeys(self.types), **kept}

    def _read(self, name: str, data: bytes) -> Value:
        """A variable; of a sequence or a map there is only the length, and what is in it stands apart."""
        t = self.types[name]
        if isinstance(t, MapOf) and isinstance(about := DECODER.decode(data), int | dict):  # else it stands here as a whole
            rows = self.db.execute("select key, value from pairs where name = ? order by key", (name,))
            pairs = [(unpack(DECODER.decode(k), t.key), unpack(DECODER.decode(x), t.val)) for k, x in rows]
            self.maps[name] = Sparse(unpack(about["rest"], t.val), pairs) if isinstance(about, dict) else Map(pairs)
            return self.maps[name]
        if not isinstance(t, Seq):
            return unpack(DECODER.decode(data), t)
        ask = "select value from items where name = ? and number < ? order by number"
        rows = self.db.execute(ask, (name, DECODER.decode(data)))
        self.sequences[name] = tuple(unpack(DECODER.decode(x), t.elem) for (x,) in rows)
        return self.sequences[name]

    def inbox(self) -> list[tuple[str, int, bytes]]:
        return self.db.execute("select * from inbox order by source, number").fetchall()

    def outbox(self, target: str, after: int = 0) -> list[tuple[int, bytes]]:
        ask = "select number, body from outbox where target = ? and number > ? order by number"
        return self.db.execute(ask, (target, after)).fetchall()

    # what is to be kept

    def started(self) -> None:
        """The start of the node is in the next batch."""
        self.count("started", 1)

    def commit(self, batch: Batch) -> None:
        """Several steps, all or none; synced when it returns."""
        self.db.execute("begin immediate")
        rows = [(n, self._written(n, v)) for n, v in batch.persist.items()]
        self.db.executemany("insert or replace into vars values (?, ?)", rows)
        self.db.executemany("insert into inbox values (?, ?, ?)", [(*k, body) for k, body in batch.inbox.items()])
        self.db.executemany("delete from inbox where source = ? and number = ?", batch.handled)
        self.db.executemany("insert into outbox values (?, ?, ?)", batch.outbox)
        self.db.executemany("delete from outbox where target = ? and number <= ?", list(batch.acknowledged.items()))
        self.db.executemany("insert or replace into counters values (?, ?)", [(n, self.counters[n]) for n in self.counted])
        self.counted.clear()
        self.db.execute("commit")

    def _written(self, name: str, v: Value) -> bytes:
        """A variable as it stands on disk.  Of a sequence or a map only what is new in it is written: a log grows."""
        t = self.types[name]
        if isinstance(t, MapOf) and isinstance(v, Map):
            old = self.maps.get(name)
            if isinstance(v, Sparse) and isinstance(old, Sparse) and v.rest != old.rest:
                self.db.execute("delete from pairs where name = ?", (name,))
                old = None
            new = v.items() if old is None else v.new(old)
            pairs = [(name, ENCODER.encode(pack(k, t.key)), ENCODER.encode(pack(x, t.val))) for k, x in new]
            self.db.executemany("insert or replace into pairs values (?, ?, ?)", pairs)
            self.maps[name] = v
            return ENCODER.encode({"rest": pack(v.rest, t.val)} if isinstance(v, Sparse) else len(v))
        if not isinstance(t, Seq):
            return ENCODER.encode(pack(v, t))
        at = common(self.sequences.get(name, ()), v)
        items = [(name, i, ENCODER.encode(pack(x, t.elem))) for i, x in enumerate(v[at:], at)]
        self.db.executemany("insert or replace into items values (?, ?, ?)", items)
        self.sequences[name] = v
        return ENCODER.encode(len(v))
