"""One node without I/O: what it persists, sends and keeps waiting."""

from __future__ import annotations

import random
from typing import Any

import pytest

from checker import load
from checker.core.meaning import Fault
from checker.core.types import Rec
from checker.language import load_model
from checker.source import Source
from impl.runtime.core import PATIENT, WAITING, Core, Envelope, SpecFault
from impl.runtime.plan import make_plan


def core_of(spec: str, name: str, **sizes: Any) -> Core:
    model = load(spec) if "\n" not in spec else load_model(Source("test", spec))
    plan = make_plan(model, None, None, sizes)
    core = Core(plan, plan.addresses[name], random.Random(0))
    core.boot(None, 1)
    return core


def envelope(number: int, source: str, target: str, message: str, *fields: Any, sender: Any = None) -> Envelope:
    return Envelope(f"{source}.1.{number}", source, target, message, fields, sender, {source: number})


def test_an_acceptor_persists_what_it_promises_before_it_answers() -> None:
    core = core_of("paxos", "Acceptor1")
    core.offer(envelope(1, "Proposer-0", "Acceptor1", "Prepare", 0, sender=0))
    ready = core.poll()
    assert ready is not None and ready.persist == {"promised": 0}
    assert [(e.target, e.message, e.fields[1:]) for e in ready.send] == [
        ("Proposer-0", "Promise", (0, None)),
        ("Proposer-1", "Promise", (0, None)),
    ]
    assert ready.clock == {"Acceptor1": 2, "Proposer-0": 1}
    assert core.poll() is None


def test_a_restarted_node_keeps_what_is_durable_and_nothing_else() -> None:
    core = core_of("paxos", "Proposer-0")
    begun = core.attempt("Begin")
    assert begun is not None and begun.persist == {"ballot": 0}
    again = Core(core.plan, core.address, random.Random(0))
    ready = again.boot({**dict.fromkeys(core.state), **begun.persist}, 2)
    assert ready.state == {"ballot": 0, "phase": "idle", "promises": frozenset(), "best": None}
    later = again.attempt("Begin")
    assert later is not None and later.send[0].fields == (2,) and later.send[0].id == "Proposer-0.2.1"


def test_an_action_that_is_not_enabled_is_none() -> None:
    core = core_of("paxos", "Proposer-0")
    assert core.attempt("Propose") is None


def test_a_set_network_forgets_what_nobody_takes() -> None:
    core = core_of("paxos", "Acceptor1")
    core.offer(envelope(1, "Proposer-0", "Acceptor1", "Prepare", 1, sender=0))
    assert core.poll() is not None
    for n in range(2 * WAITING):
        core.offer(envelope(n, "Proposer-0", "Acceptor1", "Prepare", 0, sender=0))
        assert core.poll() is None
    assert len(core.inbox) == 2 * WAITING  # somebody may take them yet
    for n in range(2, 2 * PATIENT):
        core.offer(envelope(n, "Proposer-0", "Acceptor1", "Prepare", n, sender=0))
        assert core.poll() is not None
        assert core.poll() is None
    assert len(core.inbox) == WAITING


def test_what_has_not_been_looked_at_is_not_forgotten() -> None:
    """However much arrives at once."""
    core = core_of("multi_paxos", "Acceptor1")
    for n in range(4 * WAITING):
        core.offer(envelope(n, "Proposer-0", "Acceptor1", "Accept", 0, n, Rec("Entry", (None,)), sender=0))
    while core.poll():
        pass
    assert all(core.state["votes"][n] is not None for n in range(4 * WAITING))


QUEUE = """network fifo capacity 3
message Ping(n: 0..3)
single process Sender
    var n: 0..3 = 0
    action Go
        n := n + 1
        send Ping(n)
single process Receiver
    var ready: bool = false
    var got: seq[0..3, 3] = []
    on Ping(n)
        require n != 1 or ready
        got := got + [n]
    action Prepare
        require not ready
        ready := true
instance main:
    slow
"""


def test_a_fifo_message_that_must_wait_holds_up_the_next() -> None:
    core = core_of(QUEUE, "Receiver")
    for n in (1, 2):
        core.offer(envelope(n, "Sender", "Receiver", "Ping", n))
    assert core.poll() is None
    assert core.attempt("Prepare") is not None
    assert [core.poll() is not None for _ in range(3)] == [True, True, False]
    assert core.state["got"] == (1, 2)


def test_a_bag_message_that_must_wait_does_not() -> None:
    core = core_of(QUEUE.replace("fifo", "bag"), "Receiver")
    for n in (1, 2):
        core.offer(envelope(n, "Sender", "Receiver", "Ping", n))
    assert core.poll() is not None and core.state["got"] == (2,)
    assert core.poll() is None
    assert core.attempt("Prepare") is not None and core.poll() is not None
    assert core.state["got"] == (2, 1)


def test_a_fault_of_the_spec_says_where() -> None:
    core = core_of(QUEUE, "Sender")
    for _ in range(3):
        assert core.attempt("Go") is not None
    with pytest.raises(SpecFault, match="Sender: Go: 4 does not fit") as why:
        core.attempt("Go")
    assert isinstance(why.value.fault, Fault)
