"""Linearizability: the search against every order there is, the shapes of histories, what is said of one that is rejected."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import checker
from checker.cli import run
from checker.conformance.histories import NEVER, Operation
from checker.conformance.linearizable import perform
from checker.conformance.linearize import Part, steps
from checker.conformance.lines import Line
from checker.conformance.objects import Object

TRACES = Path(__file__).parents[2] / "traces" / "register"
REGISTER = checker.load("register")

QUEUE = """
protocol queue
    "A queue (nobody, 2025)."
sort Item
var items: seq[Item, 100] = []
action Enqueue(x: Item)
    items := items + [x]
action Dequeue
    require len(items) > 0
    choose result in {items[0]}
    items := items[1:len(items)]
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def made(rows: list[Any] | str, name: str = "h.ndjson") -> str:
        path = tmp_path / name
        path.write_text(rows if isinstance(rows, str) else "".join(json.dumps(r) + "\n" for r in rows))
        return str(path)

    return made


# ── against the definition ──


def effect(o: Operation, value: Any) -> tuple[bool, Any]:
    """Does an operation fit, and what is there then?"""
    if o.f == "read":
        return not o.known or o.answer == value, value
    if o.f == "write":
        return True, o.given
    old, new = o.given
    if o.known and o.answer != (value == old):
        return False, value
    return True, new if value == old else value


def by_definition(ops: list[Operation]) -> bool:
    """Is there a set of operations, with all that are answered, and an order of it, that respects real time and fits?"""
    return any(_fits(order) for n in range(len(ops) + 1) for order in permutations(ops, n) if _whole(order, ops))


def _whole(order: tuple[Operation, ...], ops: list[Operation]) -> bool:
    return all(any(o is x for x in order) for o in ops if o.known)


def _fits(order: tuple[Operation, ...]) -> bool:
    value = None
    for i, o in enumerate(order):
        fits, value = effect(o, value)
        if not fits or any(later.ret < o.call for later in order[i + 1 :]):
            return False
    return True


@st.composite
def histories(draw: Any) -> list[Operation]:
    n = draw(st.integers(1, 5))
    ops = []
    times = draw(st.permutations(range(2 * n)))
    for i in range(n):
        call, ret = sorted(times[2 * i : 2 * i + 2])
        f = draw(st.sampled_from(["read", "write", "cas"]))
        given = {"read": None, "write": draw(st.integers(1, 2)), "cas": [draw(st.integers(1, 2)), draw(st.integers(1, 3))]}[f]
        answer = draw(st.sampled_from([None, 1, 2, 3])) if f == "read" else draw(st.booleans())
        known = draw(st.integers(0, 3)) > 0
        ops.append(Operation(f, None, given, i, call, Line("h", i, {}), answer, True, ret if known else NEVER))
    return sorted(ops, key=lambda o: o.call)


@settings(max_examples=400, deadline=None)
@given(histories())
def test_the_search_finds_an_order_if_there_is_one(ops: list[Operation]) -> None:
    found = Part(Object(REGISTER, ops), ops).search(10**6)
    assert found.verdict == ("accept" if by_definition(ops) else "reject")


def dense(n: int, clients: int, values: int, unknown: float) -> list[Operation]:
    """What clients of one register saw who ask nearly always, and sometimes get no answer."""
    r, ops, busy, value, at = random.Random(1), list[Operation](), dict[int, Operation](), None, 0
    done: set[int] = set()
    while len(ops) < n or busy:
        at, c = at + 1, r.randrange(clients)
        if c not in busy and len(ops) < n:
            f = r.choice(["read", "write", "cas"])
            given = {"read": None, "write": r.randrange(values), "cas": [r.randrange(values), r.randrange(values)]}[f]
            busy[c] = Operation(f, None, given, c, at, Line("h", at, {}), None, True, NEVER)
            ops.append(busy[c])
        elif c in busy and c not in done:
            o, before = busy[c], value
            _, value = effect(replace(o, ret=NEVER), value)
            o.answer = {"read": value, "write": True}.get(o.f, o.f == "cas" and before == o.given[0])
            done.add(c)
        elif c in busy:
            o = busy.pop(c)
            done.discard(c)
            o.ret = NEVER if r.random() < unknown else at
    return ops


@pytest.mark.parametrize(("clients", "values"), [(20, 5), (50, 5), (5, 10_000)])
def test_many_at_the_same_time_are_few_configurations(clients: int, values: int) -> None:
    ops = dense(500, clients, values, 0.05)
    found = Part(Object(REGISTER, ops), ops).search(10_000)
    assert found.verdict == "accept"


@settings(max_examples=100, deadline=None)
@given(histories())
def test_what_would_help_does(ops: list[Operation]) -> None:
    part = Part(Object(REGISTER, ops), ops)
    found = part.search(10**6)
    if found.verdict == "reject":
        for x in part.levels[: found.level + 1]:
            rest = [o for i, o in enumerate(ops) if i != x.number]
            assert part.without(found, x.number, 0, len(part.levels)) == by_definition(rest)
        way = [ops[x.number] for x in part.order(steps(found.ends[0][1]))]
        assert _fits(tuple(way)), "the longest order that is explained is one"


# ── shapes ──


def event(process: int, type: str, f: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"process": process, "type": type, "f": f, "value": value, **more}


OLD = [
    event(0, "invoke", "write", 1), event(0, "ok", "write", 1),
    event(1, "invoke", "write", 2), event(1, "info", "write", 2),
    event(2, "invoke", "read", None), event(2, "ok", "read", 2),
    event(3, "invoke", "read", None), event(3, "ok", "read", 1),
]  # fmt: skip


def test_what_has_an_unknown_outcome_may_happen_late_and_once(write: Any) -> None:
    assert perform(write(OLD), "register").verdict == "reject"
    assert perform(write(OLD[:6]), "register").verdict == "accept"
    assert perform(write([*OLD[:4], *OLD[6:], *OLD[4:6]]), "register").verdict == "accept"


def test_what_failed_never_happened(write: Any) -> None:
    failed = [event(0, "invoke", "write", 1), event(0, "fail", "write", 1), event(1, "invoke", "read", None)]
    assert perform(write([*failed, event(1, "ok", "read", None)]), "register").verdict == "accept"
    assert perform(write([*failed, event(1, "ok", "read", 1)]), "register").verdict == "reject"


def test_jepsen_with_independent_keys_and_keywords_in_an_array(write: Any) -> None:
    rows = [{":process": r["process"], ":type": ":" + r["type"], ":f": ":" + r["f"], ":value": ["x", r["value"]]} for r in OLD]
    nemesis = {":process": ":nemesis", ":type": ":info", ":f": ":kill", ":value": None}
    said = perform(write(json.dumps([nemesis, *rows])), "register")
    assert said.verdict == "reject" and said.history.ignored == 1
    assert said.witness and said.witness.key == "x" and said.witness.operation["return"] == 9
    other = [{**r, ":value": [f"k{r[':process']}", r[":value"][1]]} for r in rows]
    assert perform(write([*other[:2], *other[6:]]), "register").verdict == "reject"  # k3 was never written
    assert perform(write(other[:4]), "register").verdict == "accept"


def porcupine(client: int, input: dict[str, Any], output: Any, call: int, back: int | None) -> dict[str, Any]:
    return {"client": client, "input": input, "output": output, "call": call, "return": back}


def test_porcupine_with_two_times(write: Any) -> None:
    put = porcupine(0, {"op": "put", "key": "a", "value": "1"}, None, 10, 20)
    late = porcupine(1, {"op": "get", "key": "a"}, {"value": None}, 21, 30)
    assert perform(write([late, put]), "register").verdict == "reject"
    assert perform(write([{**late, "call": 20}, put]), "register").verdict == "accept"  # at the same time: concurrent
    assert perform(write([late, {**put, "return": None}]), "register").verdict == "accept"
    assert perform(write([{**put, "key": "b"}, late]), "register").verdict == "reject"
    cas = porcupine(2, {"op": "cas", "key": "a", "old": "1", "new": "2"}, False, 40, 50)
    assert perform(write([put, cas]), "register").verdict == "reject"
    assert perform(write([put, {**cas, "output": {"ok": True}}]), "register").verdict == "accept"


def test_calls_and_returns_with_ids(write: Any) -> None:
    rows = [
        {"kind": "call", "id": 0, "client": 0, "f": "write", "value": 1},
        {"kind": "call", "id": 1, "client": 1, "f": "read"},
        {"kind": "return", "id": 1, "value": 1},
        {"kind": "return", "id": 0},
    ]
    assert perform(write(rows), "register").verdict == "accept"
    assert perform(write([rows[1], rows[2], rows[0], rows[3]]), "register").verdict == "reject"


def test_any_spec_of_operations_is_an_object(write: Any, tmp_path: Path) -> None:
    (tmp_path / "queue.spec").write_text(QUEUE)
    rows = [event(0, "invoke", "enqueue", "a"), event(0, "ok", "enqueue", "a"), event(0, "invoke", "enqueue", "b")]
    rows += [event(0, "ok", "enqueue", "b"), event(1, "invoke", "dequeue", None)]
    spec = str(tmp_path / "queue.spec")
    assert perform(write([*rows, event(1, "ok", "dequeue", "a")]), spec).verdict == "accept"
    assert perform(write([*rows, event(1, "ok", "dequeue", "b")]), spec).verdict == "reject"


# ── what is said ──


def test_a_recorded_history_and_one_with_a_stale_read(capsys: Any, snapshot: Any) -> None:
    assert run(["linearizable", str(TRACES / "etcd.ndjson")]) == 0
    said = perform(str(TRACES / "stale_read.ndjson"), "register")
    line = json.loads((TRACES / "stale_read.ndjson").read_text().split("\n")[0])["line"]
    assert said.witness and said.witness.operation["return"] == line
    lines = [x.replace(str(TRACES), "…").split(" configurations")[0] for x in said.lines()]
    assert len(lines) <= 40
    assert "\n".join(lines) == snapshot


def test_exit_codes_and_json(capsys: Any, write: Any) -> None:
    assert run(["linearizable", write(OLD), "--json"]) == 14
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "reject" and data["witness"]["states"] == ["value = 2"]
    assert run(["linearizable", write(OLD), "--max-states", "1"]) == 20
    assert "INCONCLUSIVE" in capsys.readouterr().out
    assert run(["linearizable", write([event(0, "ok", "read", 1)])]) == 1
    assert "has asked" in capsys.readouterr().err
    assert run(["linearizable", write([event(0, "invoke", "push", 1)])]) == 1
    assert "no operation `push`" in capsys.readouterr().err
    assert run(["linearizable", write(OLD), "--object", "paxos"]) == 1
    assert run(["linearizable", "nowhere"]) == 1
