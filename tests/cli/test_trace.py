"""ITF and JSON of states: what is written can be read back, for every value of every type; files of others can be
shown."""

from __future__ import annotations

import itertools
import json

import pytest

import checker
from checker.core.types import BagOf, Bool, Enum, Int, MapOf, Option, Record, Seq, Set, Sort, Tuple, Union, values
from checker.settings import Mistake
from checker.trace import Itf, frames, itf_text, states_from_itf, to_itf

NODE, COLOUR, SMALL = Sort("Node", 2), Enum("Colour", ("red", "green")), Int(-1, 2)
MARK = Record("Mark", (("at", NODE), ("n", Int(0, 3))))
TYPES = [
    Bool(),
    COLOUR,
    SMALL,
    NODE,
    Option(NODE),
    Option(MARK),
    Option(Int(0, 1)),
    Option(Bool()),
    Option(Set(NODE)),
    Tuple((NODE, SMALL)),
    Set(COLOUR),
    Set(Tuple((Bool(), COLOUR)), 2),
    BagOf(COLOUR, 2),
    MapOf(COLOUR, Option(NODE)),
    MapOf(Int(0, 1), Set(NODE)),
    Seq(MARK, 1),
    Seq(Seq(Bool(), 1), 2),
    Union((MARK, Record("Empty", ()))),
]


@pytest.fixture
def instance(spectrace):
    return checker.bind("shapes.spec")


@pytest.mark.parametrize("t", TYPES, ids=str)
def test_every_value_reads_back(instance, t):
    itf = Itf(instance)
    found = list(itertools.islice(values(t), 3000))
    for v in found:
        through_text = json.loads(json.dumps(itf.encode(t, v)))
        assert itf.decode(t, through_text) == v
    assert len({json.dumps(itf.encode(t, v)) for v in found}) == len(found)


def test_a_behaviour_reads_back(instance):
    trace = checker.simulate(instance, traces=1, depth=30, seed=4).traces[0]
    data = json.loads(json.dumps(to_itf(instance, trace)))
    assert states_from_itf(instance, data) == [trace.initial, *(s.state for s in trace.steps)]
    assert data["vars"] == list(instance.vars)
    assert [s["#meta"]["index"] for s in data["states"]] == list(range(len(trace) + 1))


def test_identities_go_by_their_names(instance):
    assert Itf(instance).encode(NODE, next(values(NODE))) == "left"


@pytest.mark.parametrize(
    ("t", "bad"),
    [
        (COLOUR, "blue"),
        (NODE, "Node1"),
        (SMALL, "one"),
        (SMALL, None),
        (Set(COLOUR), ["red"]),
        (MARK, {"at": "left"}),
        (Bool(), 1),
    ],
)
def test_a_value_of_another_type_is_a_mistake(instance, t, bad):
    with pytest.raises(Mistake):
        Itf(instance).decode(t, bad)


def test_unknown_variable_is_a_mistake(instance):
    with pytest.raises(Mistake, match="`z`"):
        states_from_itf(instance, {"states": [{"z": True}]})


def test_traces_of_other_tools(spectrace, tmp_path):
    """As Quint and Apalache write them."""
    data = {
        "#meta": {"format": "ITF"},
        "vars": ["balances", "q"],
        "states": [
            {
                "#meta": {"index": 0},
                "balances": {"#map": [["alice", {"#bigint": "0"}], ["bob", {"#bigint": "0"}]]},
                "q": [],
            },
            {
                "#meta": {"index": 1},
                "balances": {"#map": [["alice", {"#bigint": "10"}], ["bob", {"#bigint": "0"}]]},
                "q": [{"#tup": [1, "a"]}],
            },
        ],
    }
    first, second = frames(data)
    assert first.values == {"balances[alice]": "0", "balances[bob]": "0", "q": "[]"}
    assert second.values["q"] == "[(1, a)]"
    file = tmp_path / "t.itf.json"
    file.write_text(json.dumps(data))
    found = spectrace("show", file)
    assert found.code == 0
    assert found.out.splitlines()[-3:] == ["1  step 1", "     balances[alice]: 0 → 10", "     q: [] → [(1, a)]"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"#set": [2, 10, 1]}, "{1, 2, 10}"),
        ({"tag": "Some", "value": {"#bigint": "3"}}, "3"),
        ({"tag": "None", "value": {"#tup": []}}, "none"),
        ({"tag": "Ping", "value": {"x": True}}, "Ping(true)"),
        ({"a": {"#map": [["k", "v"]]}}, "{a: {k: v}}"),
    ],
)
def test_text_of_itf(value, text):
    assert itf_text(value) == text
