"""Histories of transactions: the search against every order there is, the forms that are known, what clients of our store saw."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.conformance.histories import Operation
from checker.conformance.linearizable import perform
from checker.conformance.linearize import Part
from checker.conformance.lines import Line
from checker.conformance.store import Store, components
from checker.conformance.transactions import execute
from checker.settings import Mistake

# ── against the definition ──


def conditional(o: Operation) -> bool:
    """Is it of the form [what it expects, its parts]?"""
    return not all(part and isinstance(part[0], str) for part in o.given)


def effect(o: Operation, state: dict[str, Any]) -> dict[str, Any] | None:
    """The state after an operation, None if it does not fit."""
    new, read = dict(state), []
    expects, body = o.given if conditional(o) else ([], o.given)
    if any(state.get(k) != v for k, v in expects):
        return new if not o.known or o.answer is False else None
    for f, k, v in body:
        read.append([f, k, new.get(k) if f == "r" else v])
        if f == "w":
            new[k] = v
        elif f == "append":
            new[k] = [*(new.get(k) or []), v]
    answer = [x if f == "r" else True for f, _, x in read] if conditional(o) else read
    return new if not o.known or answer == o.answer else None


def by_definition(ops: list[Operation]) -> bool:
    known = {i for i, o in enumerate(ops) if o.known}
    every = range(len(ops))
    return any(known <= set(p) and _fits([ops[i] for i in p]) for n in range(len(ops) + 1) for p in permutations(every, n))


def _fits(order: list[Operation]) -> bool:
    state: dict[str, Any] | None = {}
    for i, o in enumerate(order):
        if any(later.ret < o.call for later in order[i + 1 :]):
            return False
        state = effect(o, state) if state is not None else None
    return state is not None


@st.composite
def histories(draw: Any, kinds: list[str], conditions: bool) -> list[Operation]:
    """Some operations at the same time, with answers that may have been given."""
    events = draw(st.permutations([i for i in range(4) for _ in range(2)]))
    ops: dict[int, Operation] = {}
    values = [None, [1], [2], [1, 2], [2, 1]] if "append" in kinds else [None, 1, 2]
    items = [1, 2, 3]
    for at, i in enumerate(events):
        if i not in ops:
            what = st.tuples(st.sampled_from(["r", *kinds]), st.sampled_from("xy"), st.sampled_from(items))
            given: Any = [[f, k, None if f == "r" else v] for f, k, v in draw(st.lists(what, min_size=1, max_size=2))]
            if draw(st.booleans()) and conditions:
                expects = st.tuples(st.sampled_from("xy"), st.sampled_from(values)).map(list)
                given = [draw(st.lists(expects, min_size=1, max_size=2)), given]
            ops[i] = Operation("txn", None, given, i, at, Line("", at, {}))
        elif draw(st.integers(0, 3)):
            o, o_body = ops[i], ops[i].given[1] if conditional(ops[i]) else ops[i].given
            o.ret, o.answer = at, [[f, k, draw(st.sampled_from(values)) if f == "r" else v] for f, k, v in o_body]
            if conditional(o):
                o.answer = [x if f == "r" else True for f, _, x in o.answer] if draw(st.booleans()) else False
    return sorted(ops.values(), key=lambda o: o.call)


@pytest.mark.parametrize("conditions", [False, True])
@pytest.mark.parametrize("kind", ["w", "append"])
def test_the_search_finds_an_order_if_there_is_one(kind: str, conditions: bool) -> None:
    @settings(max_examples=100, deadline=None)
    @given(histories([kind], conditions))
    def agrees(ops: list[Operation]) -> None:
        store = Store(ops)
        found = components(store, list(filter(store.matters, ops)))
        assert all(Part(store, part).search(100_000).verdict == "accept" for part in found) == by_definition(ops)

    agrees()


# ── the forms ──


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def made(rows: list[dict[str, Any]]) -> str:
        path = tmp_path / "h.ndjson"
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        return str(path)

    return made


def jepsen(process: int, type: str, *body: list[Any]) -> dict[str, Any]:
    return {"process": process, "type": type, "f": "txn", "value": list(body)}


def test_list_append_with_a_lost_append(write: Any) -> None:
    rows = [
        jepsen(0, "invoke", ["append", 1, 5], ["append", 2, 6]),
        jepsen(0, "ok", ["append", 1, 5], ["append", 2, 6]),
        jepsen(1, "invoke", ["r", 1, None], ["r", 2, None]),
        jepsen(1, "ok", ["r", 1, [5]], ["r", 2, [6]]),
    ]
    assert perform(write(rows), None).verdict == "accept"
    rows[3] = jepsen(1, "ok", ["r", 1, [5]], ["r", 2, []])
    answer = perform(write(rows), None)
    assert answer.verdict == "reject" and answer.exit == 14 and answer.witness
    assert answer.witness.operation["operation"] == "txn(r 1 [5], r 2 null)" and answer.witness.key == [1, 2]
    assert answer.witness.states == ["1 = [5], 2 = [6]"]
    assert "transactions" in answer.lines()[0]


def test_write_skew_is_found(write: Any) -> None:
    """Two that each read what the other writes: fine at one time for snapshot isolation, and no order explains it."""
    rows = [
        jepsen(0, "invoke", ["r", "x", None], ["w", "y", 1]),
        jepsen(1, "invoke", ["r", "y", None], ["w", "x", 1]),
        jepsen(0, "ok", ["r", "x", None], ["w", "y", 1]),
        jepsen(1, "ok", ["r", "y", None], ["w", "x", 1]),
    ]
    assert perform(write(rows), None).verdict == "reject"
    rows[3]["value"][0][2] = 1
    assert perform(write(rows), None).verdict == "accept"


def test_keys_that_no_transaction_connects_are_apart(write: Any) -> None:
    rows = [jepsen(0, t, ["w", k, 1], ["w", k + 1, 2]) for k in (0, 10, 20) for t in ("invoke", "ok")]
    assert [x["key"] for x in perform(write(rows), None).data()["keys"]] == [[0, 1], [10, 11], [20, 21]]
    assert len(perform(write(rows), None, whole=True).parts) == 1


def ours(number: int, event: str, **more: Any) -> dict[str, Any]:
    return {"node": "client1", "event": event, "number": number, **more}


def test_transactions_of_our_own_store(write: Any) -> None:
    rows = [
        ours(1, "invoke", op="put", args=["a", "v"]),
        ours(1, "return", result=True),
        ours(2, "invoke", op="txn", args=[[["a", "v"]], [["put", "b", "w"], ["get", "a"]]]),
        ours(2, "return", result=[True, "v"]),
        ours(3, "invoke", op="cas", args=["b", "no", "x"]),
        ours(3, "return", result=False),
        ours(4, "invoke", op="txn", args=[[["b", None]], [["put", "a", "u"]]]),
        ours(4, "return", result=False),
        ours(5, "invoke", op="get", args=["a"]),
        ours(5, "return", result="v"),
    ]
    assert perform(write(rows), None).verdict == "accept"
    for at, wrong in ((3, [True, "u"]), (3, False), (5, True), (7, [True]), (9, "u")):
        bad = [*rows[:at], {**rows[at], "result": wrong}, *rows[at + 1 :]]
        assert perform(write(bad), None).verdict == "reject", (at, wrong)


@pytest.mark.parametrize("value", [[["r"]], [["x", 1, 2]], "x", [5], {"a": 1}])
def test_what_is_no_transaction_is_said_with_its_line(write: Any, value: Any) -> None:
    with pytest.raises(Mistake, match=r"h.ndjson:1: `txn` of .* is no transaction"):
        perform(write([{"process": 0, "type": "invoke", "f": "txn", "value": value}]), None)


def test_the_store_is_executed_as_it_is_served() -> None:
    pairs: dict[str, Any] = {}
    assert execute("put", ["a", 1], pairs) is True and pairs == {"a": 1}
    assert execute("txn", [[["a", 1]], [["put", "b", 2], ["get", "b"], ["put", "a", None]]], pairs) == [True, 2, True]
    assert pairs == {"b": 2} and execute("txn", [[["a", 1]], []], pairs) is False and execute("txn", [[], []], pairs) == []
    assert execute("cas", ["b", 2, 3], pairs) is True and execute("cas", ["b", 2, 4], pairs) is False
    assert execute("read", ["b"], pairs) is None and execute("txn", [[], [["append", "b", 1]]], pairs) is None
