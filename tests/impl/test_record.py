"""What a cluster records is what its spec allows, line by line; and a record that was altered is not."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checker import load
from checker.conformance.answer import RecordAnswer, perform
from checker.conformance.lines import Log
from checker.conformance.record import is_record, validated
from checker.language import load_model
from checker.library import shipped
from checker.settings import Mistake
from checker.source import Source
from impl.runtime.cluster import launch
from impl.runtime.faults import parse_faults
from impl.runtime.plan import make_plan
from impl.runtime.protocol import protocol_of
from impl.runtime.record import Recorder
from impl.runtime.simulate import Simulation

EVERYTHING = "crash=1,partition=2,loss,duplicate,drift,delay"
PROTOCOLS = [n for n in ("paxos", "multi_paxos", "zab", "raft", "two_phase_commit") if n in shipped()]
HARMLESS = {"two_phase_commit": "loss,duplicate,partition=2,delay"}  # it has nothing durable: a crash breaks it


def recorded(simulate: Any, file: Path, name: str, seed: int, seconds: float = 2) -> list[dict[str, Any]]:
    faults, clients = HARMLESS.get(name, EVERYTHING), 2 if protocol_of(name).service else 0
    outcome, raw, _ = simulate(name, faults=faults, seed=seed, seconds=seconds, clients=clients)
    assert outcome.finding is None and outcome.fault is None
    file.write_bytes(raw)
    return [json.loads(x) for x in raw.splitlines()]


def judged(name: str, file: Path) -> Any:
    return validated(load(name), [Log(str(file))])


def accepts(simulate: Any, tmp_path: Path, name: str, seeds: range) -> None:
    for seed in seeds:
        file = tmp_path / f"{seed}.ndjson"
        lines = recorded(simulate, file, name, seed)
        found = judged(name, file)
        assert found.verdict == "accept", (seed, found.place, found.rejected)
        assert found.lines == len(lines) > 5


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_recorded_is_accepted(simulate: Any, tmp_path: Path, name: str) -> None:
    accepts(simulate, tmp_path, name, range(5))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_recorded_is_always_accepted(simulate: Any, tmp_path: Path, name: str) -> None:
    accepts(simulate, tmp_path, name, range(100, 200 if name != "multi_paxos" else 130))


def test_one_server_of_raft_serves_alone(simulate: Any, tmp_path: Path) -> None:
    outcome, raw, _ = simulate("raft", faults="crash=1", seconds=2, nodes=1, clients=1)
    assert outcome.finding is None and outcome.fault is None and outcome.counts["return"] > 1
    (tmp_path / "run").write_bytes(raw)
    assert judged("raft", tmp_path / "run").verdict == "accept"


TWO_KINDS = """protocol kinds
sort Node
message Yes(x: bool)
message No(x: bool)
process Node
    var heard: bool = false
    action Ask
        send Yes(true)
        send No(true)
    on Yes(x)
        heard := x
    on No(x)
        heard := not x
instance two: Node = 2
"""


def test_messages_of_two_kinds_with_the_same_content_stay_apart(tmp_path: Path) -> None:
    plan = make_plan(load_model(Source("kinds", TWO_KINDS)), None, None)
    lines: list[bytes] = []
    Simulation(plan, 0, parse_faults(""), Recorder(plan, lines.append)).run(1)
    steps = [x for x in map(json.loads, b"".join(lines).splitlines()) if x["event"] == "step"]
    assert {tuple(m["message"] for m in x["sent"]) for x in steps if x["action"] == "Ask"} == {("Yes", "Yes", "No", "No")}
    assert all(x["action"] == f"on {x['received']['message']}" for x in steps if "received" in x)


# ── altered records ──────────────────────────────────────────────────────────────────────────────────────────────────


def leaves(x: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to the scalars in a line."""
    items = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ()
    for k, y in items:
        yield from leaves(y, (*path, k))
    if not isinstance(x, dict | list):
        yield path


def other(x: Any) -> Any:
    return not x if isinstance(x, bool) else x + 1 if isinstance(x, int) else "x" + x if isinstance(x, str) else 0


def altered(line: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    new = json.loads(json.dumps(line))
    inner = new
    for k in path[:-1]:
        inner = inner[k]
    inner[path[-1]] = other(inner[path[-1]])
    return new  # type: ignore[no-any-return]


def write(file: Path, lines: list[dict[str, Any]], renumber: bool = True) -> Path:
    file.write_text("".join(json.dumps({**x, "n": i} if renumber else x) + "\n" for i, x in enumerate(lines, 1)))
    return file


@pytest.mark.parametrize("name", PROTOCOLS)
def test_whatever_is_altered_is_found(simulate: Any, tmp_path: Path, name: str) -> None:
    """Any value of any step: what was received, sent, persisted, the variables, the clock.  (When it was, nobody knows; an id of
    a message is only a name; and a clock starts anywhere.)"""
    lines = recorded(simulate, tmp_path / "good", name, 1, 2)
    rng = random.Random(name)
    free = {"step": ("at", "n"), "start": ("at", "n", "clock"), "restart": ("at", "n", "clock")}
    places = [(i, p) for i, x in enumerate(lines) for p in leaves(x) if p[0] not in free.get(x["event"], p) and p[-1] != "id"]
    for i, path in rng.sample(places, 8):
        bad = [*lines[:i], altered(lines[i], path), *lines[i + 1 :]]
        found = judged(name, write(tmp_path / "bad", bad))
        assert found.verdict == "reject", (i + 1, path)
        assert found.place == f"{tmp_path / 'bad'}:{i + 1}", (path, found.rejected)


Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def first(lines: list[dict[str, Any]], **wanted: Any) -> int:
    return next(i for i, x in enumerate(lines) if all(x.get(k) == v for k, v in wanted.items()))


def without_a_write(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    at = first(lines, persisted=["promised"], action="on Prepare")
    return lines[:at] + lines[at + 1 :]


def forgetting(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An acceptor that has promised is back with nothing."""
    at = next(i for i, x in enumerate(lines) if x["event"] == "restart" and x["state"].get("promised") is not None)
    return [*lines[:at], {**lines[at], "state": {"promised": None, "vote": None}}, *lines[at + 1 :]]


def another_vote(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    at = next(i for i, x in enumerate(lines) if x.get("state", {}).get("vote"))
    state = json.loads(json.dumps(lines[at]["state"]))
    state["vote"]["val"] = {"Value1": "Value2", "Value2": "Value1"}[state["vote"]["val"]]
    return [*lines[:at], {**lines[at], "state": state}, *lines[at + 1 :]]


def twice(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    at = first(lines, action="on Prepare")
    again = {**lines[at], "clock": {**lines[at]["clock"], lines[at]["node"]: lines[at]["clock"][lines[at]["node"]] + 1}}
    return [*lines[: at + 1], again, *lines[at + 1 :]]


def while_down(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    at = first(lines, event="restart")
    return lines[:at] + lines[at + 1 :]


@pytest.mark.parametrize(
    ("change", "about", "said"),
    [
        (without_a_write, "message", "nobody has sent"),
        (forgetting, "state", "after the step in the spec, but none in the log"),
        (another_vote, "state", "`vote` is Vote("),
        (twice, "behaviour", "`bal > promised` is false"),
        (while_down, "behaviour", "does not run"),
    ],
)
def test_what_is_said_of_it(simulate: Any, tmp_path: Path, change: Change, about: str, said: str) -> None:
    lines = recorded(simulate, tmp_path / "good", "paxos", 1, 8)
    file = write(tmp_path / "bad", change(lines))
    answer = perform("paxos", [str(file)], None, None)
    assert isinstance(answer, RecordAnswer) and answer.exit == 14
    why = answer.data()["diagnosis"]
    assert why["about"] in (about, "order") and (said in why["reasons"][0] or why["about"] == "order"), why["reasons"]


def test_a_line_that_is_missing_is_missed(simulate: Any, tmp_path: Path) -> None:
    lines = recorded(simulate, tmp_path / "good", "paxos", 1, 2)
    at = first(lines, event="lost")
    found = judged("paxos", write(tmp_path / "bad", lines[:at] + lines[at + 1 :], renumber=False))
    assert found.rejected and "a line is missing" in found.rejected.reasons[0]


def test_a_node_can_crash_while_it_starts_again(simulate: Any, tmp_path: Path) -> None:
    """What was not on disk yet has not happened, so there is no line of it."""
    lines = recorded(simulate, tmp_path / "good", "paxos", 1, 8)
    at = first(lines, event="crash")
    assert judged("paxos", write(tmp_path / "twice", [*lines[: at + 1], *lines[at:]])).verdict == "accept"


def test_a_broken_property_is_found_in_the_record(simulate: Any, tmp_path: Path) -> None:
    for seed in range(4):
        outcome, raw, _ = simulate("paxos", "amnesia", seed, "crash=0.3,loss", 20)
        if outcome.finding:
            (tmp_path / "bad").write_bytes(raw)
            found = judged("paxos", tmp_path / "bad")
            assert found.rejected and found.rejected.property == outcome.finding.name
            assert found.lines == raw.count(b"\n")
            return
    pytest.fail("no run violated Agreement")


def caused(lines: list[dict[str, Any]], at: int, cause: Any) -> list[dict[str, Any]]:
    return [
        *lines[:at],
        {**{k: v for k, v in lines[at].items() if k != "cause"}, **({"cause": cause} if cause else {})},
        *lines[at + 1 :],
    ]


def test_each_step_of_its_own_accord_has_its_cause(simulate: Any, tmp_path: Path) -> None:
    """A timer, or a request that a client has made before."""
    lines = [json.loads(x) for x in simulate("raft", faults="", seconds=3, clients=2)[1].splitlines()]
    timer, request, handler = (first(lines, action=a) for a in ("Timeout", "ClientRequest", "on RequestVote"))
    client, number = lines[request]["cause"]
    assert lines[timer]["cause"] == "timer" and "cause" not in lines[handler]
    assert any(x["event"] == "invoke" and (x["node"], x["number"]) == (client, number) for x in lines[:request])
    wrong = [(timer, None), (timer, [client, number]), (request, "timer"), (request, [client, number + 1]), (handler, "timer")]
    for at, cause in wrong:
        found = judged("raft", write(tmp_path / "bad", caused(lines, at, cause)))
        assert found.rejected and "cause" in found.rejected.reasons[0], (at, cause)
        assert found.place == f"{tmp_path / 'bad'}:{at + 1}"


def line(lines: list[dict[str, Any]], **wanted: Any) -> int:
    """One that comes late enough for something to have gone before."""
    return len(lines) // 2 + first(lines[len(lines) // 2 :], **wanted)


@pytest.mark.parametrize(
    ("wanted", "change", "said"),
    [
        ({"event": "return", "result": True}, {"result": False}, "has the answer true, and not false"),
        ({"event": "return", "result": True}, {"number": 1}, "has not asked number 1 here"),
        ({"event": "return"}, {"node": "client9"}, "has not asked number"),
        ({"event": "return"}, {"node": "Server1"}, "is a node, and no client"),
        ({"event": "invoke"}, {"number": 1}, "comes first"),
        ({"event": "invoke", "op": "put"}, {"op": "get"}, "the store has no such operation"),
        ({"event": "invoke", "op": "put"}, {"args": ["a", "never"]}, "where it was asked, and"),
    ],
)
def test_what_clients_say_is_held_against_what_nodes_do(
    simulate: Any, tmp_path: Path, wanted: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    lines = [json.loads(x) for x in simulate("raft", faults="", seconds=2, clients=2)[1].splitlines()]
    at = line(lines, **wanted)
    found = judged("raft", write(tmp_path / "bad", [*lines[:at], {**lines[at], **change}, *lines[at + 1 :]]))
    assert found.rejected and found.rejected.about in ("client", "behaviour") and said in found.rejected.reasons[0], (
        found.rejected
    )


def test_an_answer_before_its_command_is_executed_is_rejected(simulate: Any, tmp_path: Path) -> None:
    lines = [json.loads(x) for x in simulate("raft", faults="", seconds=3, clients=1)[1].splitlines()]
    back = line(lines, event="return")
    asked = max(i for i in range(back) if lines[i]["event"] == "invoke")
    early = {**lines[back], "at": lines[asked]["at"]}
    found = judged("raft", write(tmp_path / "bad", [*lines[: asked + 1], early, *lines[asked + 1 : back], *lines[back + 1 :]]))
    assert found.rejected and "no node has executed" in found.rejected.reasons[0]
    assert found.place == f"{tmp_path / 'bad'}:{asked + 2}"


def test_a_message_has_the_next_id_of_its_node(simulate: Any, tmp_path: Path) -> None:
    lines = recorded(simulate, tmp_path / "good", "paxos", 1, 2)
    at = next(i for i, x in enumerate(lines) if len(x.get("sent", ())) > 1)
    for wrong in ("Acceptor1.1.99999", lines[at]["sent"][0]["id"], "x", ""):
        sent = [lines[at]["sent"][0], {**lines[at]["sent"][1], "id": wrong}, *lines[at]["sent"][2:]]
        found = judged("paxos", write(tmp_path / "bad", [*lines[:at], {**lines[at], "sent": sent}, *lines[at + 1 :]]))
        assert found.rejected and "is no id of the next message" in found.rejected.reasons[0]


@pytest.mark.parametrize(
    ("news", "said"),
    [
        (lambda x: [], "its pairs that are new"),
        (lambda x: [["Server9", x[0][1]]], "something new for each key once"),
        (lambda x: [*x, x[0]], "something new for each key once"),
        (lambda x: [[x[0][0], {"nextIndex": 7, "matchIndex": 5}]], "after the step in the spec"),
    ],
)
def test_what_is_new_in_a_map_is_checked(simulate: Any, tmp_path: Path, news: Callable[[Any], Any], said: str) -> None:
    lines = [json.loads(x) for x in simulate("raft", faults="", seconds=3, clients=2)[1].splitlines()]
    at = next(i for i, x in enumerate(lines) if isinstance(x.get("state", {}).get("progress"), list))
    bad = {**lines[at], "state": {**lines[at]["state"], "progress": news(lines[at]["state"]["progress"])}}
    found = judged("raft", write(tmp_path / "bad", [*lines[:at], bad, *lines[at + 1 :]]))
    assert found.rejected and said in found.rejected.reasons[0], found.rejected


def test_a_record_of_another_spec_is_refused(simulate: Any, tmp_path: Path) -> None:
    recorded(simulate, tmp_path / "good", "paxos", 1, 1)
    with pytest.raises(Mistake, match="a run of paxos, not of zab"):
        judged("zab", tmp_path / "good")


def test_other_logs_are_none() -> None:
    assert not is_record(Log("traces/two_phase_commit/rejected/early_commit.ndjson"))


# ── real nodes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def real(name: str, folder: Path, seconds: float) -> None:
    """The nodes' own records, put in order by their clocks, and the merged one."""
    plan = make_plan(load(name), None, None)
    summary = launch(plan, name, None, (), None, seconds, folder / "data", folder / "all.ndjson", False)
    assert summary["exit"] == 0
    found = judged(name, folder / "all.ndjson")
    assert found.verdict == "accept", (found.place, found.rejected)
    apart = validated(load(name), [Log(str(folder / "data" / f"{a}.ndjson")) for a in plan.addresses])
    assert apart.verdict == "accept", (apart.place, apart.rejected)
    assert apart.steps == found.steps >= len(plan.addresses)


def test_real_nodes_do_what_the_spec_says(tmp_path: Path) -> None:
    real("paxos", tmp_path, 1)


@pytest.mark.slow
@pytest.mark.skipif("SPECTRACE_LONG" not in os.environ, reason="takes very long: set SPECTRACE_LONG")
@pytest.mark.parametrize("name", PROTOCOLS)
def test_real_nodes_always_do_what_the_spec_says(tmp_path: Path, name: str) -> None:
    real(name, tmp_path, 5)
