"""A real cluster on this machine: a process of the operating system for each node, started, watched, stopped; and their records
merged into one, in an order in which nothing is received before it is sent.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from checker.settings import Mistake
from impl.runtime.host import Cluster
from impl.runtime.plan import Plan

STOP = 10.0  # seconds that a node gets to stop


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
        old = msgspec.json.decode(file.read_bytes(), type=Cluster)
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
    """Starts one node."""
    return subprocess.Popen([sys.executable, "-m", "impl.runtime.host", str(folder), name], stdout=subprocess.PIPE)


def launch(
    plan: Plan,
    spec: str,
    instance: str | None,
    define: tuple[str, ...],
    nodes: int | None,
    seconds: float,
    data: Path | None,
    record: Path | None,
    whole: bool,
) -> dict[str, Any]:
    """Runs every node for so long, or until one stops or Ctrl-C; what came of it, as data."""
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spectrace-")))
        absolute = str(Path(spec).resolve()) if Path(spec).is_file() else spec
        prepare(plan, folder, Cluster(absolute, instance, list(define), nodes, {}, bool(record or data), whole))
        running = {name: spawn(folder, name) for name in plan.addresses}
        started(running.values())
        watch(running.values(), seconds)
        found = {name: stop(p) for name, p in running.items()}
        if record:
            record.write_bytes(b"".join(merged([folder / f"{name}.ndjson" for name in plan.addresses])))
    fault = next(((d["fault"], d["place"]) for d in found.values() if d.get("fault")), (None, None))
    lost = [name for name, d in found.items() if not d]
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


def started(nodes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Waits until each listens, or is gone."""
    for p in nodes:
        assert p.stdout is not None
        p.stdout.readline()


def watch(running: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
    """Waits until the time is over, a node has stopped, or Ctrl-C."""
    end, nodes = time.monotonic() + seconds, list(running)
    with contextlib.suppress(KeyboardInterrupt):
        while time.monotonic() < end and all(p.poll() is None for p in nodes):
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))


def stop(p: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Asks a node to stop; what it says of its run ({}: nothing)."""
    with contextlib.suppress(ProcessLookupError):
        p.send_signal(signal.SIGTERM)
    try:
        out, _ = p.communicate(timeout=STOP)
    except subprocess.TimeoutExpired:
        p.kill()
        out, _ = p.communicate()
    try:
        return dict(msgspec.json.decode(out.splitlines()[-1]))
    except (IndexError, msgspec.DecodeError):
        return {}


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
