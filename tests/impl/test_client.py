"""Whom a client asks first: nodes that only talk, each saying what the test lets it say."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from impl.runtime.client import Session
from impl.runtime.host import CLIENT, Cluster
from impl.runtime.wire import DECODER, frame

ELSEWHERE, TAKEN, DONE = (False, None), (False, True), (True, "ok")  # what a node can say to a request


class Nodes:
    """A cluster's file, and nodes that say `says[name]` and note in `asked` who was asked."""

    def __init__(self, folder: Path, says: dict[str, Any]) -> None:
        self.says, self.asked = says, list[str]()
        self.servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._talker(name)) for name in says]
        for server in self.servers:
            server.daemon_threads, server.block_on_close = True, False
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoints = dict(zip(says, (server.server_address for server in self.servers), strict=True))
        (folder / "cluster.json").write_bytes(msgspec.json.encode(Cluster("s", None, [], None, endpoints)))

    def _talker(nodes, name: str) -> type[socketserver.StreamRequestHandler]:
        class Talker(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                assert self.heard() == CLIENT
                while request := self.heard():
                    nodes.asked.append(name)
                    self.wfile.write(frame([request[1], *nodes.says[name]]))

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
    assert nodes.for_a_request(session) == "follower leader leader replica"  # again with each round, for it may have been lost
    assert nodes.for_a_request(session) == "leader replica"
    assert nodes.for_a_request(session) == "leader replica"


def test_one_that_takes_no_more_is_not_asked_again(nodes: Nodes, tmp_path: Path) -> None:
    session = Session(tmp_path)
    nodes.for_a_request(session)
    nodes.says["leader"] = ELSEWHERE
    assert nodes.for_a_request(session) == "leader replica"
    assert nodes.for_a_request(session) == "replica"
