"""`in_flight` counts what is in the network, whatever its kind."""

from __future__ import annotations

import pytest

from checker.core.bind import bind
from checker.engines.native.run import explore as native
from checker.engines.python.explore import explore as oracle
from checker.language import load_model
from checker.source import Source

SPEC = """
protocol chatter
sort P
network {network}
message Hello(x: 0..1)
process P
    var n: 0..1 = 0
    action Say(to: P, x: 0..1)
        require to != self
        send Hello(x) to to
    on Hello(x)
        n := x
reachable Many: in_flight == {most}
instance two: P = 2
    bound in_flight <= {most}
"""


@pytest.mark.parametrize(("network", "most"), [("bag capacity 3", 2), ("fifo capacity 3", 2), ("set", 4)])
def test_the_bound_counts_messages(network: str, most: int) -> None:
    text = SPEC.format(network=network, most=most)
    instance = bind(load_model(Source("chatter.spec", text)))
    expected = oracle(instance)
    result = native(instance, symmetry=False)
    assert expected.verdict == "holds"
    assert expected.witnesses == {"Many": most}
    assert (result.distinct_states, result.transitions, result.cut) == (
        expected.distinct_states,
        expected.transitions,
        expected.cut,
    )


def test_how_much_is_in_flight_is_not_local() -> None:
    from checker.errors import SpecErrors

    text = SPEC.format(network="set", most=2).replace("require to != self", "require in_flight < 2")
    with pytest.raises(SpecErrors, match="in flight"):
        load_model(Source("chatter.spec", text))
