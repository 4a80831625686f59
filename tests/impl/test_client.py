"""Whom a client asks first: nodes that only talk, each saying what the test lets it say."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from checker.conformance.clients import began
from checker.failures import Unanswered
from checker.settings import Mistake
from impl.runtime.client import Session
from impl.runtime.host import CLIENT, Cluster
from impl.runtime.kv import EXPIRED
from impl.runtime.wire import DECODER, frame

ELSEWHERE, TAKEN, DONE = (False, None), (False, True), (True, "ok")  # what a node can say to a request


class Nodes:
    """A cluster's file, and nodes that say `says[name]` and note in `asked` who was asked."""

    def __init__(self, folder: Path, says: dict[str, Any]) -> None:
        self.says, self.asked = says, list[str]()
        self.executed = 0
        self.servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._talker(name)) for name in says]
        for server in self.servers:
            server.daemon_threads, server.block_on_close = True, False
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoints = dict(zip(says, (server.server_address for server in self.servers), strict=True))
        (folder / "cluster.json").write_bytes(msgspec.json.encode(Cluster("s", None, [], None, endpoints)))

    def answer(self, name: str, session: str, number: int) -> Any:
        """What a node says; of those that execute there is one, which knows only sessions that begin now."""
        if not number:
            return (True, self.executed) if name == "replica" else ELSEWHERE
        self.asked.append(name)
        expired = name == "replica" and began(session) < self.executed
        return (False, EXPIRED.why) if expired else self.says[name]

    def _talker(nodes, name: str) -> type[socketserver.StreamRequestHandler]:
        class Talker(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                assert self.heard() == CLIENT
                while (request := self.heard()) and (said := nodes.answer(name, *request[:2])):
                    self.wfile.write(frame([request[1], *said]))

            def heard(self) -> Any:
                size = self.rfile.read(4)
                return DECODER.decode(self.rfile.read(int.from_bytes(size, "big"))) if size else None

        return Talker

    def for_a_request(self, session: Session) -> str:
        """Who is asked until one answers."""
        self.asked.clear()
        assert session.ask("put", "k", "v") == "ok"
        return " ".join(self.asked)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(tmp_path, {"follower": ELSEWHERE, "leader": TAKEN, "replica": DONE})
    yield made
    for server in made.servers:
        server.shutdown()
        server.server_close()


def test_the_node_that_took_a_request_is_asked_first(nodes: Nodes, tmp_path: Path) -> None:
    session = Session(tmp_path)
    assert nodes.for_a_request(session) == "follower leader replica"
    assert nodes.for_a_request(session) == "leader replica"
    assert nodes.for_a_request(session) == "leader replica"


def test_one_that_takes_no_more_is_not_asked_again(nodes: Nodes, tmp_path: Path) -> None:
    session = Session(tmp_path)
    nodes.for_a_request(session)
    nodes.says["leader"] = ELSEWHERE
    assert nodes.for_a_request(session) == "leader replica"
    assert nodes.for_a_request(session) == "replica"


FULL = (False, "leader takes no more requests")


def test_what_nobody_has_taken_is_refused_at_once(nodes: Nodes, tmp_path: Path) -> None:
    nodes.says["leader"] = FULL
    with pytest.raises(Mistake, match="leader takes no more requests"):
        Session(tmp_path).ask("put", "k", "v")
    assert nodes.asked == ["follower", "leader"]


def test_what_was_taken_before_is_not_settled_by_a_refusal(nodes: Nodes, tmp_path: Path) -> None:
    """The request is in the log, with the last place that was there."""
    nodes.says.update(follower=TAKEN, replica=ELSEWHERE)
    nodes.says["leader"] = FULL
    with pytest.raises(Unanswered, match="takes no more requests; the request may have been executed"):
        Session(tmp_path, 0.5).ask("put", "k", "v")


def test_nobody_has_executed_what_nobody_took(nodes: Nodes, tmp_path: Path) -> None:
    nodes.says["leader"] = nodes.says["replica"] = ELSEWHERE
    session = Session(tmp_path, 0.3)
    session.session = "s@0"
    with pytest.raises(Mistake, match="no node takes the request"):
        session.ask("put", "k", "v")


def test_a_session_that_has_expired_is_begun_again(nodes: Nodes, tmp_path: Path) -> None:
    session = Session(tmp_path)
    nodes.for_a_request(session)
    nodes.executed = 9
    assert nodes.for_a_request(session) == "leader replica leader replica"


def test_what_was_sent_twice_may_have_been_executed_when_its_session_has_expired(nodes: Nodes, tmp_path: Path) -> None:
    session = Session(tmp_path)
    nodes.for_a_request(session)
    nodes.executed, nodes.says["leader"] = 9, None  # it is gone before it says anything
    with pytest.raises(Unanswered, match="expired"):
        session.ask("put", "k", "v")


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\3abc", b"\0\0\0\1\1", b"\0\0\0\2\x92\1"])
def test_whoever_else_listens_is_no_node(said: bytes, tmp_path: Path) -> None:
    class Other(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        cluster = Cluster("s", None, [], None, {"a": server.server_address})
        (tmp_path / "cluster.json").write_bytes(msgspec.json.encode(cluster))
        with pytest.raises(Mistake, match="no node takes the request"):
            Session(tmp_path, 0.2).ask("get", "k")
        server.shutdown()
