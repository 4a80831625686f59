"""Records a run of PySyncObj, as it is installed: some nodes in one process; leaders crash and restart, and are cut off.

    python traces/recorders/record_pysyncobj.py OUT.ndjson [--seconds 2] [--nodes 3] [--crashes 1] [--cuts 0] [--clients] …

Nothing of the library is changed: its nodes get a transport of ours (an extension point) and are a subclass that notes
assignments; the journal is wrapped.  One line is one step of one node: a tick, or the handling of one message.  `ops` is
what it did, in its order; `post` the state after it.  traces/pysyncobj/binding.toml says what the lines mean.
Needs pysyncobj and this repository's `checker.conformance`, which needs nothing.
"""

from __future__ import annotations

import argparse
import pickle
import random
import tempfile
import time
import zlib
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from pysyncobj import SyncObj, SyncObjConf, replicated
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from checker.conformance import EventLog

WATCHED = {
    "_SyncObj__raftState": "role",
    "_SyncObj__raftCurrentTerm": "term",
    "_SyncObj__votedForNodeId": "vote",
    "_SyncObj__raftCommitIndex": "commit",
    "_SyncObj__raftLastApplied": "applied",
    "_SyncObj__raftLeader": "leader",
    "_SyncObj__votesCount": "votes",
}
ROLES = {0: "follower", 1: "candidate", 2: "leader"}


def crc(command: bytes) -> str:
    return f"{zlib.crc32(command):08x}"


def entry(e: Any) -> list[Any]:
    """(command, index, term) as [index, term, checksum]."""
    return [e[1], e[2], crc(e[0])]


def plain(name: str, value: Any) -> Any:
    return ROLES[value] if name == "role" else value.id if isinstance(value, Node) else value


def message(m: dict[str, Any]) -> dict[str, Any]:
    """A message as JSON."""
    return {k: field(k, v) for k, v in m.items()}


def field(k: str, v: Any) -> Any:
    """Bytes as their checksum; of a piece of a snapshot how long it is, and whether it is the first and the last."""
    if k == "entries":
        return [entry(e) for e in v]
    if k == "serialized" and v:
        return [len(v[0]), v[1], v[2]]
    return crc(v) if isinstance(v, bytes) else v


class Journal:
    """PySyncObj's journal, with every change noted."""

    def __init__(self, inner: Any, ops: list[Any]) -> None:
        self.inner, self.ops = inner, ops

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __getitem__(self, item: Any) -> Any:
        return self.inner[item]

    def __len__(self) -> int:
        return len(self.inner)

    def add(self, command: bytes, idx: int, term: int) -> None:
        self.ops.append(["append", idx, term, crc(command)])
        self.inner.add(command, idx, term)

    def clear(self) -> None:
        self.ops.append(["clear"])
        self.inner.clear()

    def deleteEntriesTo(self, end: int) -> None:
        self.ops.append(["compact", self.inner[end][1]])
        self.inner.deleteEntriesTo(end)

    def deleteEntriesFrom(self, start: int) -> None:
        self.ops.append(["truncate", self.inner[start][1], self.inner[-1][1]])
        self.inner.deleteEntriesFrom(start)


class Wire(Transport):  # type: ignore[misc]
    """Messages go into the cluster's queues."""

    def __init__(self, member: Member) -> None:
        super().__init__(None, None, None)
        self.member = member

    def send(self, node: Node, m: dict[str, Any]) -> bool:
        return self.member.send(node.id, m)


class Replica(SyncObj):  # type: ignore[misc]
    """A node that notes what is assigned in a step."""

    def __init__(self, member: Member, conf: SyncObjConf) -> None:
        self.__dict__["ops"] = member.ops
        others = [Node(n) for n in member.cluster.names if n != member.name]
        super().__init__(Node(member.name), others, conf, nodeClass=Node, transport=Wire(member))

    def __setattr__(self, name: str, value: Any) -> None:
        what = WATCHED.get(name)
        old = self.__dict__.get(name)
        if name == "_SyncObj__raftLog":
            value = Journal(value, self.ops)
        elif what and old != value and name in self.__dict__:
            self.ops.append(["set", what, plain(what, old), plain(what, value)])
        super().__setattr__(name, value)

    @replicated
    def note(self, text: str) -> None:
        """A command that does nothing."""


class Member:
    """One member of the cluster: its replica, while it is up, and its log."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name, self.ops = cluster, name, list[Any]()
        self.log = EventLog(name, cluster.out)
        self.step: Any = None
        self.replica: Any = None
        self.start("init")

    def start(self, ev: str) -> None:
        c = self.cluster
        conf = SyncObjConf(
            autoTick=False, journalFile=str(c.folder / f"{self.name}.journal"), appendEntriesPeriod=0.05,
            raftMinTimeout=0.2, raftMaxTimeout=0.4, leaderFallbackTimeout=1.0,
            dynamicMembershipChange=False, commandsWaitLeader=True, appendEntriesUseBatch=c.batches, **self.compaction(),
            commandsQueueSize=c.queue,
        )  # fmt: skip
        self.log.incarnation += ev == "restart"
        with self.log.step(ev) as step:
            self.replica = Replica(self, conf)
            self.ops.clear()
            step["post"] = self.post()
            step["log"] = [entry(e) for e in self.journal()]
        for other in c.members.values():
            if other.replica and other is not self:
                self.wire()._onNodeConnected(Node(other.name))
                other.wire()._onNodeConnected(Node(self.name))

    def compaction(self) -> dict[str, Any]:
        c = self.cluster
        if not c.compact:
            return {}
        return {"logCompactionMinEntries": c.compact, "fullDumpFile": str(c.folder / f"{self.name}.dump"), "useFork": False}

    def crash(self) -> None:
        """Nothing is saved: what was not on disk is gone."""
        self.log.event("crash")
        self.cluster.lost = [self.replica, *self.cluster.lost]  # never closed
        self.replica = None
        for other in self.cluster.members.values():
            if other.replica:
                other.wire()._onNodeDisconnected(Node(self.name))

    def wire(self) -> Any:
        return self.get("transport")

    def get(self, name: str) -> Any:
        return self.replica.__dict__[f"_SyncObj__{name}"]

    def journal(self) -> list[Any]:
        log = self.get("raftLog")
        return [log[i] for i in range(len(log))]

    def call(self, cid: int) -> None:
        """A client's command, of which it wants to hear."""
        self.log.event("client_call", cid=cid)
        self.replica.note(self.cluster.text(cid), callback=lambda _, err: self.ops.append(["client_ret", cid, err]))

    def post(self) -> dict[str, Any]:
        found = {w: plain(w, self.replica.__dict__[n]) for n, w in WATCHED.items() if w not in ("leader", "votes")}
        log = self.journal()
        return {**found, "last": [log[-1][1], log[-1][2]], "first": log[0][1]}

    def send(self, to: str, m: dict[str, Any]) -> bool:
        ok: Any = self.cluster.members[to].replica is not None
        if ok and self.cluster.apart(self.name, to):
            ok = "partitioned"

        def form(to: str, msg: Any, mid: str) -> Any:
            self.ops.append(["send", to, mid, ok, msg])

        header = self.step.send(to, message(m), form=form)
        if ok is True:
            self.cluster.queues.setdefault((self.name, to), deque()).append((header, m))
        return bool(ok)

    def tick(self) -> None:
        """One tick; a line only if it did anything."""
        self.work("tick", lambda: self.replica.doTick(0.0))

    def receive(self, header: Any, m: dict[str, Any]) -> None:
        self.work("recv", lambda: self.wire()._onMessageReceived(Node(header["src"]), m), header, msg=message(m))

    def work(self, ev: str, run: Any, header: Any = None, **fields: Any) -> None:
        with self.log.step(ev, header, **fields) as self.step:
            run()
            self.step.data.pop("sent", None)
            self.step["ops"], self.step["post"] = list(self.ops), self.post()
            if ev == "tick" and not self.ops:
                self.step.drop()
            self.ops.clear()


class Cluster:
    """The members, and the messages on their way, each pair's in order."""

    def __init__(
        self,
        out: Any,
        folder: Path,
        seed: int,
        nodes: int = 3,
        compact: int = 0,
        batches: bool = True,
        long: int = 0,
        queue: int = 100_000,
    ) -> None:
        self.compact, self.batches, self.long, self.queue = compact, batches, long, queue
        self.out, self.folder, self.rng = out, folder, random.Random(seed)
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self.queues: dict[tuple[str, str], deque[Any]] = {}
        self.lost: list[Any] = []
        self.alone: set[str] = set()  # who is cut off from the others
        self.members: dict[str, Member] = {}
        for name in self.names:
            self.members[name] = Member(self, name)

    def text(self, n: int) -> str:
        """A command; some are long, so that they are sent in pieces."""
        return f"command {n}".ljust(self.rng.randrange(self.long) if self.long and n % 4 == 0 else 0)

    def apart(self, a: str, b: str) -> bool:
        return (a in self.alone) != (b in self.alone)

    def up(self) -> list[Member]:
        return [m for m in self.members.values() if m.replica]

    def leader(self) -> Member | None:
        return next((m for m in self.up() if m.get("raftState") == 2 and m.name not in self.alone), None)

    def run(self, seconds: float, crashes: int, cuts: int, clients: bool) -> None:
        """A leader with its followers; then crashes of leaders in their midst, and returns; leaders cut off, and joined again."""
        started, n = time.monotonic(), 0
        faults = [self.crash] * crashes + [self.cut] * cuts
        self.rng.shuffle(faults)
        due = [(seconds * (0.4 + i) / max(1, len(faults)), fault) for i, fault in enumerate(faults)]
        self.back: list[tuple[float, Any]] = []
        while (now := time.monotonic() - started) < seconds:
            for member in self.up():
                member.tick()
            self.deliver()
            leader = self.leader()
            if clients and self.up() and self.rng.random() < 0.4:
                n += 1
                self.rng.choice(self.up()).call(n)
            elif leader and self.rng.random() < 0.2:
                n += 1
                with suppress(Exception):
                    leader.replica.note(self.text(n))
            if due and now > due[0][0] and leader:
                due.pop(0)[1](leader, now)
            while self.back and now > self.back[0][0]:
                self.back.pop(0)[1]()
            time.sleep(0.005)

    def crash(self, victim: Member, now: float) -> None:
        victim.crash()
        self.queues = {k: q for k, q in self.queues.items() if victim.name not in k}
        self.back.append((now + 0.1, lambda: victim.start("restart")))

    def cut(self, victim: Member, now: float) -> None:
        self.alone = {victim.name}
        self.back.append((now + 0.8, self.alone.clear))

    def deliver(self) -> None:
        """Some of the messages on their way arrive."""
        for (_, to), queue in self.rng.sample(sorted(self.queues.items(), key=lambda x: x[0]), len(self.queues)):
            for _ in range(self.rng.randint(0, len(queue))):
                header, m = queue.popleft()
                if self.members[to].replica:
                    self.members[to].receive(header, pickle.loads(pickle.dumps(m)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Records a run of some nodes of PySyncObj.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--crashes", type=int, default=1, help="of leaders, which restart")
    parser.add_argument("--cuts", type=int, default=0, help="leaders that nobody hears for a while")
    parser.add_argument("--clients", action="store_true", help="commands from clients of all nodes")
    parser.add_argument("--compact", type=int, default=0, help="entries from which on the log is compacted; 0: never")
    parser.add_argument("--no-batches", dest="batches", action="store_false", help="a leader sends each command at once")
    parser.add_argument(
        "--long", type=int, default=0, help="every fourth command has up to so many bytes (above 65,536 it is sent in pieces)"
    )
    parser.add_argument("--queue", type=int, default=100_000, help="so many commands may wait, others are refused")
    args = parser.parse_args()
    with args.out.open("w") as out, tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(out, Path(folder), args.seed, args.nodes, args.compact, args.batches, args.long, args.queue)
        cluster.run(args.seconds, args.crashes, args.cuts, args.clients)


if __name__ == "__main__":
    main()
