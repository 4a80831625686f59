"""A real cluster on this machine: a process of the operating system for each node, started, watched, stopped; and their records
merged into one, in an order in which nothing is received before it is sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from checker.settings import Mistake
from impl.runtime.host import Cluster
from impl.runtime.plan import Plan

STOP = 10.0  # seconds that a node gets to stop
AGAIN = 1.0  # seconds until a node that was killed is started again
TICK = 0.2  # seconds between two looks at the clock


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens at just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [int(s.getsockname()[1]) for s in sockets]


def prepare(plan: Plan, folder: Path, cluster: Cluster) -> Cluster:
    """Writes DIR/cluster.json, or takes what is there if it is of the same cluster.  Raises Mistake."""
    file = folder / "cluster.json"
    folder.mkdir(parents=True, exist_ok=True)
    if file.exists():
        try:
            old = msgspec.json.decode(file.read_bytes(), type=Cluster)
        except msgspec.DecodeError as why:
            raise Mistake(f"{file} cannot be read: {why}", "give an empty folder with --data") from None
        same = ("spec", "instance", "define", "nodes")
        if any(getattr(old, n) != getattr(cluster, n) for n in same):
            raise Mistake(f"{folder} is of another cluster", "give an empty folder with --data")
        cluster.endpoints = old.endpoints
    else:
        ports = free_ports(len(plan.addresses))
        cluster.endpoints = {a: ("127.0.0.1", p) for a, p in zip(plan.addresses, ports, strict=True)}
    file.write_bytes(msgspec.json.encode(cluster))
    return cluster


def spawn(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Starts one node.  It ends when this process does; Ctrl-C is for this one alone."""
    command = [sys.executable, "-m", "impl.runtime.host", str(folder), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One cluster in a folder at a time.  Raises Mistake."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Mistake(f"the cluster of {folder} is running already", "give another folder with --data") from None
        yield


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """Whoever asks this process to end (Ctrl-C, SIGTERM, a terminal that is closed) ends what is done in here, and no more."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    signs = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    before = {sign: signal.signal(sign, end) for sign in signs}
    with contextlib.suppress(KeyboardInterrupt):
        yield
    for sign, what in before.items():
        signal.signal(sign, what)


def stop(p: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Asks a node to stop; what it says of its run ({}: nothing)."""
    with contextlib.suppress(ProcessLookupError):
        p.send_signal(signal.SIGTERM)
    try:
        out, _ = p.communicate(timeout=STOP)
    except subprocess.TimeoutExpired:
        p.kill()
        out, _ = p.communicate()
    return _news((out.splitlines() or [b""])[-1])


def _news(line: bytes) -> dict[str, Any]:
    """What a node says in a line ({}: nothing that can be read)."""
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


class Supervisor:
    """The nodes of one cluster: started, started again when something kills them, and stopped.  `tell` gets a line for each
    thing that people want to know."""

    def __init__(self, folder: Path, plan: Plan, tell: Callable[[str], None]) -> None:
        self.folder, self.plan, self.tell = folder, plan, tell
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.last: dict[str, dict[str, Any]] = {}  # what each node has said last
        self.news: queue.Queue[tuple[str, subprocess.Popen[bytes], dict[str, Any] | None]] = queue.Queue()
        self.due: dict[str, float] = {}  # when a node that is down is started again
        self.failure: str | None = None
        self.up: set[str] = set()  # who has come so far as to listen

    def start(self) -> None:
        """Starts every node, and waits until each listens, or cannot."""
        for name in self.plan.addresses:
            self._start(name)
        waiting = set(self.plan.addresses)
        while waiting and not self.failure:
            waiting.discard(self._next(None))

    def _start(self, name: str) -> None:
        p = self.running[name] = spawn(self.folder, name)
        threading.Thread(target=self._listen, args=(name, p), daemon=True).start()

    def _listen(self, name: str, p: subprocess.Popen[bytes]) -> None:
        assert p.stdout is not None
        for line in p.stdout:
            self.news.put((name, p, _news(line)))
        p.wait()
        self.news.put((name, p, None))

    def watch(self, seconds: float | None) -> None:
        """Until the time is over (None: never), or a spec fault ends it."""
        end = time.monotonic() + seconds if seconds is not None else float("inf")
        while (now := time.monotonic()) < end and not self.failure and not self._fault():
            for name in [n for n, at in self.due.items() if at <= now]:
                del self.due[name]
                self._start(name)
            self._next(min(end - now, TICK))

    def _next(self, patience: float | None) -> str | None:
        """Takes in one thing that has happened; the node that is there, or gone, by it."""
        try:
            name, p, said = self.news.get(timeout=patience)
        except queue.Empty:
            return None
        if said is None:
            self._gone(name, p)
            return name
        self.last[name] = said
        if "failed" in said:
            self.failure = said["failed"]
        elif "leads" in said:
            self.tell(f"{name} leads" if said["leads"] else f"{name} leads no longer")
        elif "full" in said:
            self.tell(f"{name} takes no more requests: {said['full']}")
        elif "listening" in said:
            self.up.add(name)
            again = ", again, with what is on its disk" if said["started"] > 1 else ""
            self.tell(f"{name} is up, process {p.pid}{again}")
        return name if "listening" in said else None

    def _gone(self, name: str, p: subprocess.Popen[bytes]) -> None:
        if self.running.get(name) is p and not self.failure and not self._fault():
            how = f"was killed by signal {-p.returncode}" if p.returncode < 0 else f"has stopped with code {p.returncode}"
            self.tell(f"{name} {how}; it starts again in {AGAIN:g} s")
            self.due[name] = time.monotonic() + AGAIN

    def _fault(self) -> bool:
        return any(d.get("fault") for d in self.last.values())

    def stop(self) -> dict[str, dict[str, Any]]:
        """Asks all nodes to stop; what each says of its run ({}: nothing)."""
        for p in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                p.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP
        for p in self.running.values():
            try:
                p.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill()
        left = set(self.running) - set(self.due)
        while left:
            name, p, said = self.news.get()
            if said is not None:
                self.last[name] = said
            elif p is self.running[name]:
                left.discard(name)
        return {name: d if "steps" in d else {} for name in self.running for d in [self.last.get(name, {})]}


def launch(
    plan: Plan,
    spec: str,
    instance: str | None,
    define: tuple[str, ...],
    nodes: int | None,
    seconds: float | None,
    data: Path | None,
    record: Path | None,
    whole: bool,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Runs every node for so long (None: without end), or until a spec fault or Ctrl-C; what came of it, as data."""
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spectrace-")))
        stack.enter_context(alone(folder))
        absolute = str(Path(spec).resolve()) if Path(spec).is_file() else spec
        prepare(plan, folder, Cluster(absolute, instance, list(define), nodes, {}, bool(record or data), whole))
        cluster = Supervisor(folder, plan, tell)
        with ending():
            cluster.start()
            cluster.watch(seconds)
        found = cluster.stop()
        if cluster.failure:
            raise Mistake(cluster.failure)
        if record:
            record.write_bytes(b"".join(merged([folder / f"{name}.ndjson" for name in plan.addresses])))
    fault = next(((d["fault"], d["place"]) for d in found.values() if d.get("fault")), (None, None))
    lost = [name for name, d in found.items() if not d and name in cluster.up]
    return {
        "spec": plan.nodes.instance.model.name,
        "verdict": "spec_fault" if fault[0] else "ran",
        "message": fault[0] or (f"{', '.join(lost)} did not stop properly" if lost else None),
        "place": fault[1],
        "steps": {name: d.get("steps", 0) for name, d in found.items()},
        "data": str(data) if data else None,
        "recorded": str(record) if record else None,
        "exit": 75 if fault[0] else 1 if lost else 0,
    }


def merged(files: list[Path]) -> Iterator[bytes]:
    """The lines of several records as those of one, by time, but nothing received before it is sent."""
    queues = [deque(msgspec.json.decode(x) for x in f.read_bytes().splitlines() if x.endswith(b"}")) for f in files if f.exists()]
    sent_somewhere = {m["id"] for q in queues for x in q for m in x.get("sent") or ()}
    sent: set[str] = set()
    n = 0
    about = [q for q in queues if q and q[0].get("event") == "run"]
    if about:
        yield msgspec.json.encode({**about[0][0], "n": (n := 1)}) + b"\n"
    queues = [deque(x for x in q if x.get("event") != "run") for q in queues]
    while any(queues):
        heads = [q for q in queues if q]
        able = [q for q in heads if _id(q[0]) is None or _id(q[0]) in sent or _id(q[0]) not in sent_somewhere]
        line = min(able or heads, key=lambda q: float(q[0]["at"])).popleft()
        sent |= {m["id"] for m in line.get("sent") or ()}
        n += 1
        yield msgspec.json.encode({**line, "n": n}) + b"\n"


def _id(line: dict[str, Any]) -> str | None:
    received = line.get("received")
    return received["id"] if received else None
