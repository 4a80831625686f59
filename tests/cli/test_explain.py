"""Why a property is false: the failing part, for which elements, with which values."""

from __future__ import annotations

import pytest

import checker
from checker.explain import Explainer
from checker.stuck import Stuck
from checker.verdict import Trace

BUSY = (
    "busy(a)",
    True,
    {},
    [("a in on", True, {"on": "{ben}"}, []), ("count_of[a] == x", True, {"count_of[a]": "1", "x": "1"}, [])],
)
REASONS = {
    "Conjunct": ({}, [("len(on) < 1", False, {"len(on)": "1"}, [])]),
    "Disjunct": ({}, [("len(on) == 0", False, {"len(on)": "1"}, []), ("x > 2", False, {"x": "1"}, [])]),
    "Implied": ({"a": "ben"}, [BUSY, ("last == none", False, {"last": "ben"}, [])]),
    "Exists": ({}, [("exists a: Node. not busy(a) and x == 2", False, {}, [])]),
    "Chosen": ({}, [("last == none", False, {"last": "ben"}, []), ("x == 3", False, {"x": "1"}, [])]),
    "Negated": ({}, [("x == 1", True, {"x": "1"}, []), ("(len(on) == 0)", False, {"len(on)": "1"}, [])]),
    "Across": ({}, [("on == {}", False, {"on": "{ben}"}, []), ("x == 2", False, {"x": "1"}, [])]),
    "NotIn": ({"a": "ben"}, [("a not in on", False, {"on": "{ben}"}, [])]),
    "Listed": ({}, [("level not in {low, high}", False, {"level": "low"}, [])]),
    "Sized": ({}, [("len(on) + 2 > len(Node)", False, {"len(on) + 2": "3", "len(Node)": "3"}, [])]),
}


def told(parts):
    return [(p.text, p.truth, dict(p.values), told(p.parts)) for p in parts]


@pytest.fixture
def why(spectrace):
    """The instance, and the states of its first two steps."""
    instance = checker.bind("why.spec")
    found = checker.simulate(instance, traces=1, depth=0, deadlock=False).traces[0]
    from checker.core.meaning import successors
    from checker.engines.python.explore import as_step

    turn = instance.actions[0]
    steps, state = [], found.initial
    for who in (1, 2):
        outcome = next(o for o in successors(instance, turn, state) if o.choices[0][1].index == who)
        steps.append(as_step(turn, outcome))
        state = outcome.state
    return instance, Trace(found.initial, tuple(steps))


@pytest.mark.parametrize("name", REASONS)
def test_the_part_that_fails(why, name):
    instance, trace = why
    reason = Explainer(instance).property(name, Trace(trace.initial, trace.steps[:1]))
    assert reason is not None
    bindings, parts = REASONS[name]
    assert dict(reason.bindings) == bindings
    assert told(reason.parts) == parts


def test_a_quorum_is_named(why):
    instance, trace = why
    reason = Explainer(instance).property("NoQuorum", trace)
    assert reason is not None
    assert dict(reason.bindings) == {"q": "{ben, cem}"}
    (together,) = reason.parts
    assert told(together.parts) == [("forall a in q. busy(a)", True, {}, [])]


def test_a_true_property_has_no_false_part(why):
    """The reasons are about the state that they are asked for."""
    instance, trace = why
    with pytest.raises(StopIteration):
        Explainer(instance).property("Implied", Trace(trace.initial))


def test_each_action_says_what_stops_it(spectrace):
    result = checker.check("stuck.spec", engine="python")
    instance = checker.bind("stuck.spec")
    rows = {b.action: b.why for b in Stuck(instance).blocked(result.trace.steps[-1].state)}
    assert rows["First"] == "line 11: `left == nobody` is false, as left = first"
    assert rows["SecondThen"] == "line 25: `left == nobody` is false, as left = first"


def test_what_cannot_be_received(spectrace):
    instance = checker.bind("lock.spec")
    initial = checker.simulate(instance, traces=1, depth=0).traces[0].initial
    rows = {b.action: (b.who, b.why) for b in Stuck(instance).blocked(initial)}
    assert rows["on Ask"] == (["Server"], "no Ask to receive")
    assert rows["Release"] == (["alice", "bob"], "line 36: `phase == holding` is false, as phase = idle")
    assert "Request" not in rows
