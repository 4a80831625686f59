"""Steps and changes in the user's own terms."""

from __future__ import annotations

import pytest

import checker
from checker.core.meaning import initial_states, successors
from checker.core.types import Bag, Id, Map, Rec
from checker.display import Display, natural
from checker.engines.python.explore import as_step, key


@pytest.fixture
def faults(spectrace):
    return checker.bind("faults.spec")


def labels(instance):
    """What every step that can happen is called."""
    display, found, seen = Display(instance), set(), set()
    frontier = list(initial_states(instance))
    while frontier:
        state = frontier.pop()
        for action in instance.actions:
            for o in successors(instance, action, state):
                found.add(display.label(as_step(action, o), state))
                if key(o.state) not in seen:
                    seen.add(key(o.state))
                    frontier.append(o.state)
    return found


def test_every_kind_of_step_has_its_words(faults):
    assert labels(faults) == {
        *(f"Id {i}: Tell({n})" for i in (0, 1) for n in (0, 1)),
        *(f"Id {i} receives Ping({n}) from Id {1 - i}" for i in (0, 1) for n in (0, 1)),
        *(f"Id {i} crashes and restarts" for i in (0, 1)),
        *(f"Id {i} stops for good" for i in (0, 1)),
        *(f"the network loses Ping({n}) to Id {i} from Id {1 - i}" for i in (0, 1) for n in (0, 1)),
        *(f"the network duplicates Ping({n}) to Id {i} from Id {1 - i}" for i in (0, 1) for n in (0, 1)),
    }


def test_only_what_changed_is_told(spectrace):
    instance = checker.bind("shapes.spec")
    display, (state, _) = Display(instance), initial_states(instance)
    left, right = Id("Node", 0), Id("Node", 1)
    after = {
        **state,
        "pair": (right, 2),
        "list": (Rec("Mark", (left, 1)),),
        "heap": Bag({"red": 2}),
        "table": state["table"].set("green", left),
        "seen": Map({left: None, right: Rec("Mark", (left, 3))}),
    }
    assert [(c.path, c.old, c.new) for c in display.changes(state, after)] == [
        ("pair", "(left, 0)", "(right, 2)"),
        ("list", "[]", "[Mark(left, 1)]"),
        ("heap", "{}", "{red ×2}"),
        ("table[green]", "none", "left"),
        ("seen[right]", "none", "Mark(left, 3)"),
    ]
    assert list(display.changes(state, state)) == []


def test_of_long_sets_and_sequences_only_the_difference_is_told(tmp_path):
    """And a tuple looks like one wherever it stands."""
    path = tmp_path / "long.spec"
    path.write_text(LONG)
    instance = checker.bind(str(path))
    display, (state,) = Display(instance), initial_states(instance)
    (outcome,) = successors(instance, instance.actions[0], state)
    step = as_step(instance.actions[0], outcome)
    assert display.label(step, state) == "Move((0, 1)), choosing other = {(1, 1)}"
    assert [c.short for c in display.changes(state, step.state)] == ["loses (0, 1), gains (1, 1)", "appends (1, 1)"]


LONG = """
protocol long
type Place = (0..9, 0..1)
var taken: set[Place] = {(x, 0) for x in range(0, 9)} | {(0, 1)}
var order: seq[Place, 20] = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0)]
action Move(p: Place)
    require p == (0, 1)
    choose other in {{(1, 1)}}
    taken := taken - {p} | other
    order := order + [(1, 1)]
instance one:
"""


def test_numbers_in_names_are_in_order():
    assert sorted(["RM10", "RM9", "RM", "3", "x2y1"], key=natural) == ["3", "RM", "RM9", "RM10", "x2y1"]


def test_a_message_that_is_there_several_times_says_how_often(spectrace):
    lock = checker.bind("lock.spec")
    var = next(m.var for m in lock.messages.values())
    before = next(initial_states(lock))
    state = next(o.state for a in lock.actions for o in successors(lock, a, before) if o.state[var])
    (m,) = state[var]
    [(_, once), *_], [(_, nine), *_] = (Display(lock).hidden({**state, var: Bag({m: n})}) for n in (1, 9))
    assert nine == f"{once} ×9"
