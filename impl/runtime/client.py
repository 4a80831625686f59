"""A client of a running cluster: sends a request to one node after the other until one answers it.

The request keeps its session and number, so it is executed once however often it is sent.  A node may refuse one and say why.
That settles it if no other may have taken it.
"""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from checker.failures import Unanswered
from checker.settings import Mistake
from impl.runtime.host import CLIENT, Cluster
from impl.runtime.kv import EXPIRED, LONGEST, session_name
from impl.runtime.locks import Doing
from impl.runtime.wire import DECODER, frame

PATIENCE, PAUSE = 1.0, 0.05  # seconds that a node gets to answer; until the next is asked
NOBODY = 3.0  # seconds after which a cluster of which no node was ever reached is taken for one that does not run


class Refused(Exception):
    """What a node says of a request that it does not take."""


class Session:
    """A client of the cluster in a folder.  Raises Mistake if there is none."""

    def __init__(self, folder: Path, limit: float = 10.0) -> None:
        try:
            cluster = msgspec.json.decode((folder / "cluster.json").read_bytes(), type=Cluster)
        except (OSError, msgspec.DecodeError):
            raise Mistake(f"{folder} has no running cluster", "start one: spectrace run SPEC --data DIR") from None
        self.endpoints = list(cluster.endpoints.values())
        self.nodes: Iterator[tuple[str, int]] = cycle(self.endpoints)
        self.link: socket.socket | None = None  # to the node that answered last
        self.taker: socket.socket | None = None  # to the one that takes requests, where others answer
        self.limit, self.name, self.number = limit, uuid.uuid4().hex[:12], 0
        self.session: str | None = None  # as the nodes know it, from the first request on
        self.folder, self.reached = folder, False
        self.taken = self.lost = 0  # how often the request was taken, and how often it is not known whether it was
        self.asked = float("-inf")  # when the taker was, for this request

    def ask(self, op: str, *args: Any) -> Any:
        """The answer.  Raises Mistake if there is none and the request is not executed, Unanswered if it may be."""
        self.number += 1
        if self.session is None:
            self._begin()
        while True:
            request = [self.session, self.number, op, *args]
            if len(msgspec.msgpack.encode(request)) >= LONGEST:
                raise Mistake(f"a request of more than {LONGEST} bytes")
            try:
                return self._answer(request)
            except Refused as why:
                if str(why) != EXPIRED.why:
                    raise Mistake(str(why)) from None
                self._begin()  # another session

    def _begin(self) -> None:
        """Begins a session, from what some node has executed: that which has just refused the one before, if any has."""
        try:
            self.session = session_name(self.name, self._answer([self.name, 0, "begin"]))
        except Refused as why:
            raise Mistake(str(why)) from None
        if not self.taker:  # who has executed something need not be the one to ask
            self.close()
            self.nodes = cycle(self.endpoints)

    def _answer(self, request: list[Any]) -> Any:
        """What some node answers.  Raises Refused, Mistake, Unanswered."""
        self.taken = self.lost = 0
        self.asked, why = float("-inf"), ""
        begun = time.monotonic()
        while time.monotonic() - begun < self.limit:
            try:
                done, result = self._once(request)
                if done:
                    return result
            except (OSError, EOFError):
                pass
            except Refused as refused:
                why = f"; {refused}"
                expired = str(refused) == EXPIRED.why
                if not self.lost and self.taken <= expired:  # what was taken once is what was refused
                    raise
                if expired:
                    raise Unanswered(f"{refused}, and the request may have been executed before") from None
            self.close()
            if not self.reached and time.monotonic() - begun > NOBODY:
                raise Mistake(f"no node of {self.folder} can be reached", "start the cluster: spectrace run SPEC --data DIR")
            time.sleep(PAUSE)
        hint = "is the cluster running, and a majority of it?"
        if request[1] and (self.taken or self.lost):
            raise Unanswered(f"no answer in {self.limit:g} seconds{why}; the request may have been executed, or still be", hint)
        raise Mistake(f"no node takes the request in {self.limit:g} seconds", hint)

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
        """Asks one node, and now and then before it the one that takes requests; whether it is the answer, and what it is."""
        if self.taker and request[1] and time.monotonic() - self.asked >= PATIENCE:
            taker, self.taker = self.taker, None
            try:
                if self._exchange(taker, request)[1]:
                    self.taker = taker
            except (OSError, EOFError):
                pass
            finally:
                if not self.taker:
                    taker.close()
        if self.link is None:
            self.link = socket.create_connection(next(self.nodes), PATIENCE)
            self.reached = True
            self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.link.sendall(frame(CLIENT))
        done, result = self._exchange(self.link, request)
        if result and not done and not self.taker:
            self.taker, self.link = self.link, None
        return done, result

    def _exchange(self, link: socket.socket, request: list[Any]) -> tuple[bool, Any]:
        """What a node says to a request.  Raises Refused; OSError, EOFError: nothing that can be understood."""
        link.settimeout(PATIENCE)
        self.lost += 1
        link.sendall(frame(request))
        while True:
            try:
                number, done, result = DECODER.decode(_exactly(link, int.from_bytes(_exactly(link, 4), "big")))
            except (msgspec.DecodeError, ValueError, TypeError):  # no node of a cluster listens there
                raise EOFError from None
            if number == request[1]:
                break
        self.lost -= 1
        if isinstance(result, str) and not done:
            raise Refused(result)
        if result and not done:
            self.taken, self.asked = self.taken + 1, time.monotonic()
        return done, result


def _exactly(link: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        more = link.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data
