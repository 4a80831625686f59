"""Nodes driven through behaviours of the state graph: every action and every branch of it, compared after each step."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from checker import load
from checker.conformance.drive import Cover, covering
from checker.language import load_model
from checker.library import shipped
from checker.source import Source
from impl.runtime.core import Core
from impl.runtime.drive import Differs, Driver, paired
from impl.runtime.plan import plan_for
from impl.runtime.protocol import Protocol


def driven(
    model: Any, instance: str | None = None, most: int = 100_000, **sizes: Any
) -> tuple[Cover, set[tuple[str | None, str]]]:
    """Drives the nodes through a cover; the cover, and the actions that it never takes."""
    whole, plan = paired(model, instance, sizes)
    cover = covering(whole, most)
    assert sum(Driver(whole, plan).run(b) for b in cover.behaviours) >= len(cover.classes)
    return cover, {(a.process, a.name) for a in whole.actions} - {(p, a) for p, a, _ in cover.classes}


SMALL: list[tuple[str, str | None, dict[str, Any], int, set[str] | None]] = [
    ("paxos", None, {"Acceptor": 2, "Value": 1}, 11, set()),
    ("paxos", "proposer_crash", {"Acceptor": 2, "Value": 1}, 19, set()),
    ("two_phase_commit", None, {"RM": 2}, 10, set()),
    ("multi_paxos", None, {"Acceptor": 2, "Command": 1, "slots": 1, "repeats": True}, 19, set()),
    ("multi_paxos", "proposer_crash", {"Acceptor": 2, "Command": 1, "slots": 1, "ballots": 2}, 22, {"Again", "Miss", "on Ask"}),
    ("zab", "crash", {"Server": 2}, 66, {"Log"}),
    ("raft", "crash", {"Server": 2}, 40, None),
    ("raft", "reads", {"Server": 2, "max_log": 1}, 20, None),
    ("alternating_bit", None, {}, 5, set()),
    ("ricart_agrawala", None, {}, 9, set()),
]


@pytest.mark.parametrize(("name", "instance", "sizes", "classes", "never"), [x for x in SMALL if x[0] in shipped()])
def test_nodes_do_what_the_spec_does(name: str, instance: str | None, sizes: Any, classes: int, never: set[str] | None) -> None:
    """`classes`: so many pairs of an action and its branches were found when this was written; `never`: switched off."""
    cover, missing = driven(load(name), instance, **sizes)
    assert cover.whole and len(cover.classes) >= classes
    assert never is None or {a for _, a in missing} == never


LARGE = [
    ("paxos", "acceptor_crash", {}),
    ("multi_paxos", "three_acceptors", {}),
    ("multi_paxos", "small", {}),
    ("zab", "small", {}),
    ("zab", "in_order", {"Server": 2}),
    ("two_phase_commit", None, {"RM": 5}),
    ("raft", None, {}),
]


@pytest.mark.slow
@pytest.mark.skipif("SPECTRACE_LONG" not in os.environ, reason="takes very long: set SPECTRACE_LONG")
@pytest.mark.parametrize(("name", "instance", "sizes"), [x for x in LARGE if x[0] in shipped()])
def test_nodes_do_what_the_spec_does_at_length(name: str, instance: str | None, sizes: Any) -> None:
    cover, _ = driven(load(name), instance, 60_000, **sizes)
    assert len(cover.classes) > 5


EVERYTHING = """network {network} capacity 3
message Ball(n: 0..1) {capacity}
enum Side = left, right
process Side
    var start: 0..1 in {{0, 1}}
    durable seen: set[0..1] = {{}}
    var more: bool = false
    action Throw(n: 0..1)
        require len(seen) == 0
        choose to in Side where to != self
        send Ball(n) to to
    on Ball(n) from q
        choose m in {{n, start}}
        seen += {{m}}
        more := q != self and len(seen) == 2
    on restart
        more := len(seen) > 0
instance main: fault crash(Side) <= 1, fault loss <= 1, fault duplication <= 1
    bound in_flight <= 2
"""


@pytest.mark.parametrize("network", ["bag", "fifo"])
def test_faults_choices_and_several_initial_states(network: str) -> None:
    text = EVERYTHING.format(network=network, capacity="")
    cover, missing = driven(load_model(Source("everything", text)))
    assert cover.whole and not missing
    assert {"crash", "loss", "duplication"} <= {m.action.kind for b in cover.behaviours for m in b.moves}


def test_nodes_of_a_variant_are_found() -> None:
    """Acceptors for which accepting promises nothing, driven through behaviours of the spec as it is."""
    model = load("paxos")
    whole, _ = paired(model, None, {"Value": 1})
    plan = plan_for(model, Protocol(), whole.name, {**whole.sizes, "raise_promise": False})
    with pytest.raises(Differs, match=r"on Accept of Acceptor.*`promised` of Acceptor. is"):
        for b in covering(whole).behaviours:
            Driver(whole, plan).run(b)


def test_a_node_that_persists_nothing_is_found(monkeypatch: Any) -> None:
    whole, plan = paired(load("paxos"), "acceptor_crash", {"Value": 1, "Acceptor": 2})
    taken = Core._taken
    monkeypatch.setattr(Core, "_taken", lambda *args: replace(taken(*args), persist={}))
    with pytest.raises(Differs, match="does not start"):
        for b in covering(whole).behaviours:
            Driver(whole, plan).run(b)
