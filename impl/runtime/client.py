"""A client of a running cluster: sends a request to one node after the other until one answers it.

The request keeps its session and number, so it is executed once however often it is sent.
"""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from checker.settings import Mistake
from impl.runtime.host import CLIENT, Cluster
from impl.runtime.kv import LONGEST
from impl.runtime.locks import Doing
from impl.runtime.wire import DECODER, frame

PATIENCE, PAUSE = 1.0, 0.05  # seconds that a node gets to answer; until the next is asked
NOBODY = 3.0  # seconds after which a cluster of which no node was ever reached is taken for one that does not run


class Session:
    """A client of the cluster in a folder.  Raises Mistake if there is none."""

    def __init__(self, folder: Path, limit: float = 10.0) -> None:
        try:
            cluster = msgspec.json.decode((folder / "cluster.json").read_bytes(), type=Cluster)
        except (OSError, msgspec.DecodeError):
            raise Mistake(f"{folder} has no running cluster", "start one: spectrace run SPEC --data DIR") from None
        self.nodes: Iterator[tuple[str, int]] = cycle(cluster.endpoints.values())
        self.link: socket.socket | None = None  # to the node that answered last
        self.taker: socket.socket | None = None  # to the one that takes requests, where others answer
        self.limit, self.name, self.number = limit, uuid.uuid4().hex[:12], 0
        self.folder, self.reached = folder, False

    def ask(self, op: str, *args: Any) -> Any:
        """The answer.  Raises Mistake if nobody gives one in time."""
        self.number += 1
        request = [self.name, self.number, op, *args]
        if len(msgspec.msgpack.encode(request)) >= LONGEST:
            raise Mistake(f"a request of more than {LONGEST} bytes")
        begun = time.monotonic()
        while time.monotonic() - begun < self.limit:
            with contextlib.suppress(OSError, EOFError):
                done, result = self._once(request)
                if done:
                    return result
            self.close()
            if not self.reached and time.monotonic() - begun > NOBODY:
                raise Mistake(f"no node of {self.folder} can be reached", "start the cluster: spectrace run SPEC --data DIR")
            time.sleep(PAUSE)
        raise Mistake(f"no answer in {self.limit:g} seconds", "is the cluster running, and a majority of it?")

    def close(self) -> None:
        """Lets go of the node."""
        if self.link:
            self.link.close()
        self.link = None

    def do(self, doing: Doing) -> Any:
        """Asks and waits as a generator says (locks.py); what it returns."""
        answer = None
        while True:
            try:
                step = doing.send(answer)
            except StopIteration as end:
                return end.value
            answer = None
            if isinstance(step, tuple):
                answer = self.ask(step[0], *step[1])
            else:
                time.sleep(step)

    def _once(self, request: list[Any]) -> tuple[bool, Any]:
        """Asks one node, after the one that takes requests; whether it is the answer, and what it is."""
        taker, self.taker = self.taker, None
        if taker:
            with contextlib.suppress(OSError, EOFError):
                if _exchange(taker, request)[1]:
                    self.taker = taker
            if not self.taker:
                taker.close()
        if self.link is None:
            self.link = socket.create_connection(next(self.nodes), PATIENCE)
            self.reached = True
            self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.link.sendall(frame(CLIENT))
        done, result = _exchange(self.link, request)
        if result and not done and not self.taker:
            self.taker, self.link = self.link, None
        return done, result


def _exchange(link: socket.socket, request: list[Any]) -> tuple[bool, Any]:
    """What a node says to a request."""
    link.settimeout(PATIENCE)
    link.sendall(frame(request))
    while True:
        number, done, result = DECODER.decode(_exactly(link, int.from_bytes(_exactly(link, 4), "big")))
        if number == request[1]:
            return done, result


def _exactly(link: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        more = link.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data
