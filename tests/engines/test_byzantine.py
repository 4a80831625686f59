"""Byzantine processes: what they may do, what it is called, what is refused.  (That the engines agree: test_constructs.py.)"""

from __future__ import annotations

from typing import Any

import pytest
from agreement import instance_of

from checker.core.bind import BindError, Instance
from checker.core.meaning import initial_states, successors
from checker.display import Display
from checker.engines.python.explore import as_step, explore
from checker.stuck import Stuck
from checker.verdict import Step

SPEC = """
protocol gossip
type Node = 1..3
network {network}
message Word(n: {field}, of: Node)
message Ack
process Node
    durable heard: set[Node] = {{}}
    action Say
        require heard == {{}}
        send Word(0, self)
    on Word(n, of) from q
        require not q in heard
        heard += {{q}}
        choose lucky in bool
        if lucky
            send Ack to q
    on Ack
        heard := {{self}}
reachable Anything: exists p: Node. heard[p] != {{}}
instance main: fault byzantine(Node) <= {budget}
"""


def gossip(network: str, budget: int = 1, field: str = "0..1") -> Instance:
    return instance_of(SPEC.format(network=network, budget=budget, field=field))


def lies(instance: Instance, who: frozenset[int]) -> list[tuple[Step, dict[str, Any]]]:
    """The first steps of Byzantine processes, and the state before."""
    state = next(s for s in initial_states(instance) if s["byzantine Node"] == who)
    steps = [as_step(a, o) for a in instance.actions if a.kind == "byzantine" for o in successors(instance, a, state)]
    return [(s, state) for s in steps]


@pytest.mark.parametrize(("budget", "sets"), [(0, 1), (1, 4), (2, 7), (5, 8)])
def test_at_most_so_many_are_byzantine(budget: int, sets: int) -> None:
    assert len(list(initial_states(gossip("set", budget)))) == sets


def test_on_a_set_network_they_send_anything() -> None:
    instance = gossip("set")
    told = {Display(instance).label(s, before) for s, before in lies(instance, frozenset({2}))}
    words = {f"Byzantine Node 2 sends Word({n}, {of})" for n in (0, 1) for of in (1, 2, 3)}
    assert told == words | {f"Byzantine Node 2 sends Ack to Node {to}" for to in (1, 2, 3)}
    assert not lies(instance, frozenset())


@pytest.mark.parametrize("network", ["bag capacity 1", "fifo capacity 1"])
def test_on_other_networks_it_is_received_at_once(network: str) -> None:
    instance = gossip(network)
    steps = lies(instance, frozenset({2}))
    told = {Display(instance).label(s, before) for s, before in steps}
    words = {
        f"Node {p} receives Word({n}, {of}) from Byzantine Node 2, choosing lucky = {lucky}"
        for p in (1, 3)
        for n in (0, 1)
        for of in (1, 2, 3)
        for lucky in ("true", "false")
    }
    assert told == words | {f"Node {p} receives Ack from Byzantine Node 2" for p in (1, 3)}
    sent = {m.name for s, _ in steps for m in s.sent}
    assert sent == {"Ack"}  # of the receiver


def test_all_byzantine_and_nothing_can_happen() -> None:
    instance = gossip("bag capacity 1", 3)
    state = next(s for s in initial_states(instance) if len(s["byzantine Node"]) == 3)
    assert not [o for a in instance.actions for o in successors(instance, a, state)]
    why = {(b.action, b.why) for b in Stuck(instance).blocked(state)}
    assert ("Say", "it is Byzantine") in why
    assert ("byzantine Node Word", "it is Byzantine, or nobody who sends this is") in why


def test_too_many_contents() -> None:
    with pytest.raises(BindError, match="Word has 15,000 possible contents"):
        gossip("set capacity 3", field="0..4999")
    assert explore(gossip("fifo capacity 1", 0, "0..1")).witnesses == {"Anything": 2}
