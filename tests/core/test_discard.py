"""`discard`: messages that stay useless leave the network, and nothing else changes."""

from __future__ import annotations

import pytest

from checker.core.bind import bind
from checker.core.meaning import render
from checker.engines.native.run import explore as native
from checker.engines.python.explore import Explorer
from checker.language import load_model
from checker.source import Source
from checker.verdict import Limits

SPEC = """
protocol terms
sort P
network set{capacity}
message Term(t: 1..2)
message Ack(t: 1..2)
process P
    durable term: 0..2 = 0
    var acks: set[P] = {{}}
    action Begin
        require term < 2
        term += 1
        acks := {{}}
        send Term(term)
    on Term(t) from p
        {word} p == self or t < term{end}
        term := t
        acks := {{}} if t > term else acks
        send Ack(t) to p
    on Ack(t) from p
        {word} t != term or p in acks{end}
        acks += {{p}}
reachable All: exists p: P. len(acks[p]) == 1
instance two: P = 2
"""
LARGE = "(t: 1..2, pad: 0..100000)"


def states(word: str, end: str = "", large: bool = False) -> Explorer:
    text = SPEC.format(word=word, end=end, capacity=" capacity 6" if large else "")
    if large:  # beyond a bit for each possible content: the messages share slots
        text = text.replace("Term(t: 1..2)", "Term" + LARGE).replace("Ack(t: 1..2)", "Ack" + LARGE)
        text = (
            text.replace("send Term(term)", "send Term(term, 7)")
            .replace("send Ack(t)", "send Ack(t, 7)")
            .replace("(t) from", "(t, _) from")
        )
    instance = bind(load_model(Source("terms.spec", text)))
    oracle = Explorer(instance, Limits(), deadlock=False)
    expected = oracle.run()
    for symmetry in (False, True):
        found = native(instance, symmetry=symmetry, deadlock=False)
        assert found.verdict == expected.verdict
        assert symmetry or (found.distinct_states, found.transitions) == (expected.distinct_states, expected.transitions)
    return oracle


def of_processes(oracle: Explorer) -> set[str]:
    return {f"{render(s['term'])} {render(s['acks'])}" for _, _, s in oracle.states.values()}


@pytest.mark.parametrize("large", [False, True])
def test_processes_reach_the_same_states(large: bool) -> None:
    kept, discarded = states("require not (", ")", large), states("discard", large=large)
    assert of_processes(kept) == of_processes(discarded)
    assert len(discarded.states) < len(kept.states)


def test_no_message_is_left_that_everybody_discards() -> None:
    for _, _, s in states("discard").states.values():
        term = s["term"]
        for m in s["sent Ack"]:
            assert m.values[0] >= term[m.values[1]]
        for m in s["sent Term"]:
            assert any(p != m.values[1] and m.values[0] >= term[p] for p in term)
