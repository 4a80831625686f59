"""What a node keeps on disk (SQLite): its durable variables, and over a reliable network the messages it has not handled yet and
those that have not arrived yet.  A step is one transaction, synced when `commit` returns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from checker.core.types import Type, Value
from impl.runtime.wire import DECODER, ENCODER, pack, unpack

TABLES = """
create table if not exists vars (name text primary key, value blob) without rowid;
create table if not exists counters (name text primary key, value integer) without rowid;
create table if not exists inbox (source text, number integer, body blob, primary key (source, number)) without rowid;
create table if not exists outbox (target text, number integer, body blob, primary key (target, number)) without rowid;
"""


class Store:
    """The file of one node.  `types`: of its variables."""

    def __init__(self, path: Path, types: dict[str, Type]) -> None:
        self.types = types
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")
        self.db.executescript(TABLES)

    def close(self) -> None:
        self.db.close()

    # what was kept

    def boot(self) -> int:
        """Counts this start; how many there have been."""
        return self.count("boots")

    def count(self, name: str, step: int = 1) -> int:
        """A counter's next value."""
        ask = "insert into counters values (?, ?) on conflict do update set value = value + ? returning value"
        return int(self.db.execute(ask, (name, step, step)).fetchone()[0])

    def counter(self, name: str) -> int:
        found = self.db.execute("select value from counters where name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def state(self) -> dict[str, Value] | None:
        """The durable variables; None if the node has never finished its start."""
        if not self.counter("started"):
            return None
        kept = {n: unpack(DECODER.decode(b), self.types[n]) for n, b in self.db.execute("select * from vars") if n in self.types}
        return {**dict.fromkeys(self.types), **kept}

    def inbox(self) -> list[tuple[str, int, bytes]]:
        return self.db.execute("select * from inbox order by source, number").fetchall()

    def outbox(self, target: str) -> list[tuple[int, bytes]]:
        return self.db.execute("select number, body from outbox where target = ? order by number", (target,)).fetchall()

    # what is to be kept

    def commit(
        self,
        persist: dict[str, Value],
        handled: tuple[str, int] | None = None,
        out: Iterable[tuple[str, int, bytes]] = (),
        own: Iterable[tuple[str, int, bytes]] = (),
    ) -> None:
        """One step: variables, the message it handled, the messages it sends (`own`: to itself)."""
        self.db.execute("begin immediate")
        rows = [(n, ENCODER.encode(pack(v, self.types[n]))) for n, v in persist.items()]
        self.db.executemany("insert or replace into vars values (?, ?)", rows)
        self.db.execute("insert or ignore into counters values ('started', 1)")
        if handled:
            self.db.execute("delete from inbox where source = ? and number = ?", handled)
        self.db.executemany("insert into outbox values (?, ?, ?)", out)
        self.db.executemany("insert into inbox values (?, ?, ?)", own)
        self.db.execute("commit")

    def arrived(self, source: str, number: int, body: bytes) -> bool:
        """Keeps a message that has arrived; False if it had arrived before."""
        if number <= self.counter(f"from {source}"):
            return False
        self.db.execute("begin immediate")
        self.db.execute("insert or replace into counters values (?, ?)", (f"from {source}", number))
        self.db.execute("insert into inbox values (?, ?, ?)", (source, number, body))
        self.db.execute("commit")
        return True

    def acknowledged(self, target: str, number: int) -> None:
        self.db.execute("delete from outbox where target = ? and number <= ?", (target, number))
