"""Real nodes: TCP, SQLite, kill -9.  Waits are for events, with a limit that only a broken run reaches."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import load
from checker.conformance.clients import began
from checker.conformance.lines import Log
from checker.conformance.record import validated
from checker.core.types import BagOf, Enum, Int, Map, MapOf, Option, Record, Seq, Set, Sort, Tuple, Type, values
from checker.language import load_model
from checker.settings import Mistake
from checker.source import Source
from impl.runtime.client import Session
from impl.runtime.cluster import free_ports, merged, prepare, spawn, stop
from impl.runtime.host import Cluster, Host
from impl.runtime.plan import Plan, make_plan
from impl.runtime.record import Recorder
from impl.runtime.store import Batch, Store, Unreadable
from impl.runtime.wire import DECODER, ENCODER, pack, unpack

LIMIT = 60.0


def hosts(plan: Plan, folder: Path, lines: list[bytes]) -> dict[str, Host]:
    ports = free_ports(len(plan.addresses))
    endpoints = {a: ("127.0.0.1", p) for a, p in zip(plan.addresses, ports, strict=True)}
    recorder = Recorder(plan, lines.append)
    return {
        a.name: Host(plan, a, endpoints, Store(folder / f"{a.name}.db", plan.process(a).vars), recorder)
        for a in plan.addresses.values()
    }


def run_until(found: dict[str, Host], done: Callable[[], bool]) -> None:
    """Runs the nodes in this process until `done`."""

    async def go() -> None:
        running = [asyncio.create_task(h.run()) for h in found.values()]
        end = time.monotonic() + LIMIT
        while not done():
            assert time.monotonic() < end and not any(h.fault for h in found.values())
            await asyncio.sleep(0.01)
        for h in found.values():
            h.finished.set()
        await asyncio.gather(*running)

    asyncio.run(go())
    for h in found.values():
        h.store.close()


def test_paxos_chooses_over_tcp(tmp_path: Path) -> None:
    lines: list[bytes] = []
    found = hosts(make_plan(load("paxos"), None, None), tmp_path, lines)
    run_until(found, lambda: sum(h.counts["on Accept"] > 0 for h in found.values()) >= 2)
    votes = [h.core.state["vote"] for n, h in found.items() if n.startswith("Acceptor")]
    assert sum(v is not None for v in votes) >= 2
    for h in found.values():
        again = Store(tmp_path / f"{h.address.name}.db", h.core.process.vars)
        kept = again.state()
        assert kept is not None
        assert {v: kept[v] for v in h.core.process.durable} == {v: h.core.state[v] for v in h.core.process.durable}
        again.close()


QUEUE = """network fifo capacity 1000
message Ping(n: 0..1000000)
single process Sender
    durable n: 0..1000000 = 0
    action Go
        n := n + 1
        send Ping(n)
single process Receiver
    durable got: 0..1000000 = 0
    on Ping(n)
        require n == got + 1
        got := n
instance main:
    slow
"""


def test_a_fifo_network_survives_restarts(tmp_path: Path) -> None:
    """Each message is handled exactly once and in order, whoever is stopped: another would never be taken."""
    plan = make_plan(load_model(Source("queue", QUEUE)), None, None)
    for _ in range(3):
        found = hosts(plan, tmp_path, [])
        run_until({"Sender": found["Sender"]}, lambda found=found: found["Sender"].counts["Go"] >= 2)  # type: ignore[misc]
        found["Receiver"].store.close()
        found = hosts(plan, tmp_path, [])
        before = found["Receiver"].store.counter("from Sender")
        run_until(found, lambda found=found, before=before: found["Receiver"].counts["on Ping"] > before % 2)  # type: ignore[misc]
    found = hosts(plan, tmp_path, [])
    sent = Store(tmp_path / "Sender.db", plan.process(plan.addresses["Sender"]).vars).state()
    assert sent is not None
    run_until(found, lambda: found["Receiver"].core.state.get("got", 0) >= sent["n"])


def test_a_killed_node_goes_on_from_its_disk(tmp_path: Path) -> None:
    """kill -9: a ballot that has begun is never begun again."""
    plan = make_plan(load("paxos"), None, None)
    prepare(plan, tmp_path, Cluster("paxos", None, [], None, {}))
    record = tmp_path / "Proposer-0.ndjson"

    def begun() -> list[int]:
        lines = [json.loads(x) for x in record.read_bytes().splitlines() if x.endswith(b"}")] if record.exists() else []
        return [x["state"]["ballot"] for x in lines if x.get("action") == "Begin"]

    def wait(n: int) -> None:
        end = time.monotonic() + LIMIT
        while len(begun()) < n:
            assert time.monotonic() < end
            time.sleep(0.02)

    node = spawn(tmp_path, "Proposer-0")
    wait(1)
    os.kill(node.pid, signal.SIGKILL)
    node.communicate()
    before = len(begun())
    node = spawn(tmp_path, "Proposer-0")
    wait(before + 1)
    assert stop(node)["fault"] is None
    ballots = begun()
    assert ballots == sorted(set(ballots))


def test_a_folder_belongs_to_one_cluster(tmp_path: Path) -> None:
    plan = make_plan(load("paxos"), None, None)
    first = prepare(plan, tmp_path, Cluster("paxos", None, [], None, {}))
    assert prepare(plan, tmp_path, Cluster("paxos", None, [], None, {})).endpoints == first.endpoints
    with pytest.raises(Mistake, match="another cluster"):
        prepare(plan, tmp_path, Cluster("paxos", "amnesia", [], None, {}))


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_is_not_of_this_node_is_refused(content: bytes, tmp_path: Path) -> None:
    """One of another spec is, and one that is no database; of other sizes it may be."""
    path, types = tmp_path / "A.db", {"log": Seq(Int(0, 3), 4), "who": Option(Sort("P", 3))}
    path.write_bytes(content)
    if content:
        with pytest.raises(Unreadable, match="not a database"):
            Store(path, types)
        return
    Store(path, types).close()
    Store(path, {"log": Seq(Int(0, 99), 400), "who": Option(Sort("P", 5))}).close()
    for other in ({"log": Seq(Int(0, 3), 4)}, {**types, "who": Sort("P", 3)}, {**types, "more": Int(0, 1)}):
        with pytest.raises(Unreadable, match="other variables"):
            Store(path, other)


def test_a_node_whose_disk_takes_no_more_says_nothing_more(tmp_path: Path) -> None:
    plan, lines = make_plan(load("paxos"), None, None), list[bytes]()
    found = hosts(plan, tmp_path, lines)
    one = found["Acceptor1"]

    def full(batch: Batch) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    one.store.commit = full  # type: ignore[method-assign]
    run_until(found, lambda: one.finished.is_set())
    assert one.failure == "Acceptor1 cannot write to its disk: database or disk is full"
    assert not any(b'"node":"Acceptor1"' in x for x in lines)


def test_a_node_outlives_nobody(tmp_path: Path) -> None:
    """Whoever started it is gone, and it has nobody to talk to: it ends, without a word."""
    plan = make_plan(load("paxos"), None, None)
    prepare(plan, tmp_path, Cluster("paxos", None, [], None, {}))
    command = [sys.executable, "-m", "impl.runtime.host", str(tmp_path), "Acceptor1"]
    node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert node.stdin and node.stdout and node.stderr
    node.stdout.close()
    node.stdin.close()
    assert node.stderr.read() == b"" and node.wait() == 0


def test_records_are_merged_in_an_order_that_can_be(tmp_path: Path) -> None:
    """A clock that is behind does not make a message arrive before it was sent."""
    lines: dict[str, list[dict[str, Any]]] = {
        "a": [{"at": 5.0, "node": "a", "sent": [{"id": "a.1"}]}],
        "b": [{"at": 1.0, "node": "b", "sent": []}, {"at": 2.0, "node": "b", "received": {"id": "a.1"}, "sent": []}],
    }
    files = [tmp_path / name for name in lines]
    for file in files:
        file.write_text("".join(json.dumps(x) + "\n" for x in lines[file.name]) + '{"at": 9, "cut off')
    found = [json.loads(x) for x in merged(files)]
    assert [(x["n"], x["at"]) for x in found] == [(1, 1.0), (2, 5.0), (3, 2.0)]


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=5))
@settings(deadline=None, max_examples=40)
def test_a_sequence_on_disk_is_what_was_written_last(tmp_path_factory: Any, written: list[list[int]]) -> None:
    """Though only new items are written, and a log is cut off now and then."""
    file = tmp_path_factory.mktemp("store") / "db"
    store = Store(file, {"log": Seq(Int(0, 2), 6)})
    store.started()
    for i, log in enumerate(written):
        store.commit(Batch({"log": tuple(log)}))
        if i % 2:  # and after a restart
            store.close()
            store = Store(file, {"log": Seq(Int(0, 2), 6)})
        assert store.state() == {"log": tuple(log)}
    store.close()


TYPES: list[Type] = [
    Int(-(1 << 80), 1 << 80),
    Option(Sort("Value", 3)),
    Record("Vote", (("bal", Int(0, 2)), ("val", Option(Enum("Colour", ("red", "green")))))),
    Set(Tuple((Int(0, 1), Sort("Value", 2)))),
    MapOf(Sort("Value", 2), Seq(Int(0, 1), 2)),
    BagOf(Enum("Colour", ("red", "green")), 3),
]


@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 299), st.integers(0, 2), st.sampled_from(["set", "whole", "again"])), max_size=12))
def test_a_map_on_disk_is_what_was_written_last(tmp_path_factory: Any, steps: list[tuple[int, int, str]]) -> None:
    """Though only new pairs are written: several changes at once, maps that are made anew, and a file that is opened again."""
    file = tmp_path_factory.mktemp("store") / "x.db"
    types: dict[str, Type] = {"votes": MapOf(Int(0, 299), Option(Tuple((Int(0, 299), Int(0, 2)))))}
    store, kept = Store(file, types), Map((k, None) for k in range(300))
    store.started()
    store.commit(Batch(persist={"votes": kept}))
    for key, value, how in steps:
        kept = Map({**kept, key: None, value: (key, value)}) if how == "whole" else kept.set(key, (key, value))
        kept = kept.set(value, None) if how == "again" else kept
        written = store.db.total_changes
        store.commit(Batch(persist={"votes": kept}))
        assert store.db.total_changes - written <= 3  # two pairs at most, and the variable
        if how == "again":  # and after a restart, which goes on with what it has read
            store.close()
            store = Store(file, types)
        found = store.state()
        assert found == {"votes": kept}
        kept = found["votes"]
    store.close()


@settings(deadline=None)
@given(st.data())
def test_values_travel_as_they_are(data: Any) -> None:
    t = data.draw(st.sampled_from(TYPES))
    v = data.draw(st.integers(-(1 << 80), 1 << 80) if t == TYPES[0] else st.sampled_from(list(values(t))))
    there = ENCODER.encode(pack(v, t))
    assert unpack(DECODER.decode(there), t) == v


def test_a_step_that_has_used_up_a_size_is_told_by_it() -> None:
    plan = make_plan(load("multi_paxos"), None, 3, {"slots": 2})
    assert plan.at_end("Proposer", "Propose", {"next": 1, "entries": {}}) is None
    assert plan.at_end("Proposer", "Propose", {"next": 2, "entries": {}}) == "next is at its end, 2; more by -D slots=..."


def test_a_session_that_is_forgotten_begins_again(tmp_path: Path) -> None:
    """Over TCP, at a node that remembers one; and what is recorded of it is accepted."""
    plan, lines = make_plan(load("multi_paxos"), None, 1, {"slots": 16}), list[bytes]()
    found = hosts(plan, tmp_path, lines)
    replica = found["Replica1"]
    assert replica.replica
    replica.replica.machine.most = 1
    (tmp_path / "cluster.json").write_bytes(msgspec.json.encode(Cluster("multi_paxos", None, [], 1, replica.endpoints)))
    said: list[Any] = []

    def use() -> None:
        one, other = Session(tmp_path, LIMIT), Session(tmp_path, LIMIT)
        said.append([s.ask("cas", "k", *values) for s, *values in ((one, None, 1), (other, 1, 2), (one, 2, 3), (other, 3, 4))])
        said.append([one.session, other.session])

    thread = Thread(target=use, daemon=True)
    thread.start()
    run_until(found, lambda: not thread.is_alive())
    assert said[0] == [True] * 4
    one, other = map(began, said[1])
    assert one >= 2 and other >= 4  # both have begun again, with what had been executed then
    record = tmp_path / "record.ndjson"
    record.write_bytes(b"".join(lines).replace(b'"sessions":10000', b'"sessions":1'))
    assert validated(load("multi_paxos"), [Log(str(record))]).verdict == "accept"
    record.write_bytes(b"".join(lines))  # what was refused is in the log, and a store that remembers more would have executed it
    assert validated(load("multi_paxos"), [Log(str(record))]).verdict == "reject"
