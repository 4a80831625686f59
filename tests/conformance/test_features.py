"""What a binding can say, one thing at a time, on a small spec: nodes with a counter that tell each other."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import checker
from checker.conformance.answer import Answer, validate
from checker.conformance.binding import parse
from checker.settings import Mistake

SPEC = """
protocol counters
    "Counters that tell each other (nobody, 2025)."

sort Node
param top: int
param bad: int = 99
type Count = 0..top
network NETWORK
message Told(n: 0..top)

process Node
    durable n: 0..top = 0
    var heard: 0..top = 0
    var up: bool = true

    action Up
        require n < top
        n += 1

    action Jump(by: 1..top)
        require n + by <= top
        n += by

    action Leap(one: 1..top, two: 1..top, three: 1..top)
        require n + one + two + three <= top
        n += one + two + three

    action Tell(to: Node)
        require to != self
        send Told(n) to to

    on Told(k) from p
        require p != self
        heard := max(heard, k)

invariant NotBad: forall p: Node. n[p] != bad
step Grows: forall p: Node. n[p] <= n'[p]
terminal: true

instance two: Node = 2, top = 3
    expect holds
"""
BASE = """
faults = FAULTS
[sizes]
Node = ["a", "b", "c"]
top = 50
[names]
self = "Node = node"
[after]
"n[self]" = "n"
"heard[self]" = "heard"
[receive]
when = "ev == 'recv'"
message = "{ 'type': 'Told', 'n': k }"
from = "src"
"""
IDS = """
id = "id"
[send]
each = "[send] if has(send) else []"
message = "{ 'type': 'Told', 'n': it.k }"
to = "it.to"
id = "it.id"
"""
RULES = """
[[event]]
when = "ev == 'up'"
do = "Up"
[[event]]
when = "ev == 'tell'"
do = "Tell(to = send.to)"
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run(
        lines: Any, *parts: str, network: str = "bag capacity 2", faults: str = "[]", head: str = "", names: str = ""
    ) -> Answer:
        spec = tmp_path / "counters.spec"
        spec.write_text(SPEC.replace("NETWORK", network))
        files = []
        for i, file in enumerate(lines if lines and isinstance(lines[0], list) else [lines]):
            path = tmp_path / f"log{i}.ndjson"
            path.write_text("".join(json.dumps(x) + "\n" for x in file))
            files.append(str(path))
        base = BASE.replace("FAULTS", faults).replace("[after]", f"{names}[after]")
        binding = parse(head + base + "\n".join(parts), "binding.toml")
        return validate(checker.load(spec), files, binding)

    return run


def up(node: str, n: int, **more: Any) -> dict[str, Any]:
    return {"ev": "up", "node": node, "n": n, **more}


def tell(node: str, to: str, k: int, mid: int, **more: Any) -> dict[str, Any]:
    return {"ev": "tell", "node": node, "send": {"to": to, "k": k, "id": mid}, **more}


def recv(node: str, src: str, k: int, mid: int, **more: Any) -> dict[str, Any]:
    return {"ev": "recv", "node": node, "src": src, "k": k, "id": mid, **more}


def line(said: Answer) -> int:
    assert said.result.verdict == "reject" and said.result.stopped
    return said.result.stopped.event.lines[0].number


def test_partial_observation(run: Any) -> None:
    assert run([up("a", 1), {"ev": "up", "node": "a"}, up("a", 3)], RULES).exit == 0
    assert line(run([up("a", 1), {"ev": "up", "node": "a"}, up("a", 2)], RULES)) == 3


@pytest.mark.parametrize("network", ["set", "bag capacity 2", "fifo capacity 2"])
def test_messages_by_id(run: Any, network: str) -> None:
    good = [up("a", 1), tell("a", "b", 1, 7), up("a", 2), tell("a", "b", 2, 8), recv("b", "a", 1, 7, heard=1)]
    assert run([*good, recv("b", "a", 2, 8, heard=2)], IDS, RULES, network=network).exit == 0
    assert line(run([*good, recv("b", "a", 2, 9)], IDS, RULES, network=network)) == 6
    assert line(run([*good, recv("c", "a", 2, 8)], IDS, RULES, network=network)) == 6
    assert line(run([*good, recv("b", "a", 3, 8)], IDS, RULES, network=network)) == 6
    twice = run([*good, recv("b", "a", 1, 7)], IDS, RULES, network=network)
    assert twice.exit == (0 if network == "set" else 14)


@pytest.mark.parametrize("network", ["set", "bag capacity 2", "fifo capacity 2"])
def test_an_id_is_that_of_one_message(run: Any, network: str) -> None:
    lines = [up("a", 1), tell("a", "b", 1, 7), up("a", 2)]
    other = [*lines, tell("a", "b", 2, 7), recv("b", "a", 2, 7)]
    said = run(other, IDS, RULES, network=network)
    assert line(said) == 4 and "the id 7 is that of" in "\n".join(said.lines(False))
    again = [*lines, recv("b", "a", 1, 7), tell("a", "b", 2, 7), recv("b", "a", 2, 7)]
    assert run(again, IDS, RULES, network=network).exit == (14 if network == "set" else 0)
    assert run([*lines[:2], tell("a", "b", 1, 7), recv("b", "a", 1, 7)], IDS, RULES, network=network).exit == 0


@pytest.mark.parametrize("network", ["bag capacity 3", "fifo capacity 3"])
def test_an_id_is_received_as_often_as_it_was_sent(run: Any, network: str) -> None:
    sent, got = tell("a", "b", 0, 7), recv("b", "a", 0, 7)
    for lines, wrong in (
        ([sent, got, got], 3),
        ([sent, sent, got, got], 0),
        ([sent, sent, got, got, got], 5),
        ([sent, got, sent, got], 0),
        ([sent, sent, got, sent, got, got, got], 7),
    ):
        said = run(lines, IDS, RULES, network=network)
        assert (line(said) if said.exit else 0) == wrong


@pytest.mark.parametrize("network", ["bag capacity 3", "fifo capacity 3"])
def test_what_was_doubled_is_received_twice(run: Any, network: str) -> None:
    twice = "[[silent]]\ndo = 'duplication'\nlimit = 1"
    sent, got = tell("a", "b", 0, 7), recv("b", "a", 0, 7)
    doubled = {"network": network, "faults": '["duplication"]'}
    assert run([sent, got, got], IDS, RULES, twice, **doubled).exit == 0
    assert line(run([sent, got, got, got], IDS, RULES, twice, **doubled)) == 4
    assert line(run([sent, got, got], IDS, RULES, **doubled)) == 3, "no line and no silent step doubles it"
    other = [up("a", 1), tell("a", "b", 1, 7), recv("b", "a", 1, 7)]
    assert run([sent, got, *other], IDS, RULES, twice, **doubled).exit == 0
    assert line(run([sent, *other], IDS, RULES, twice, **doubled)) == 3


def test_an_id_may_be_anything(run: Any) -> None:
    for mid in ([1, 2], {"a": 1}, "x", 1.5, True):
        good = [tell("a", "b", 0, mid), recv("b", "a", 0, mid)]  # type: ignore[arg-type]
        assert run(good, IDS, RULES).exit == 0
        assert line(run([*good, recv("b", "a", 0, mid)], IDS, RULES)) == 3  # type: ignore[arg-type]
    assert run([tell("a", "b", 0, 1), recv("b", "a", 0, None)], IDS, RULES).exit == 0  # type: ignore[arg-type]


def test_fifo_keeps_the_order(run: Any) -> None:
    lines = [tell("a", "b", 0, 1), up("a", 1), tell("a", "b", 1, 2), recv("b", "a", 1, 2)]
    assert line(run(lines, IDS, RULES, network="fifo capacity 2")) == 4
    assert run(lines, IDS, RULES, network="bag capacity 2").exit == 0
    lost = "[[silent]]\ndo = 'loss'\nlimit = 1"
    assert run(lines, IDS, RULES, lost, network="fifo capacity 2", faults='["loss"]').exit == 0


def test_a_message_may_come_from_outside(run: Any) -> None:
    assert line(run([recv("a", "b", 3, 1, heard=3)], RULES)) == 1
    assert run([recv("a", "b", 3, 1, heard=3)], "open = true", RULES).exit == 0


def test_several_lines_are_one_event(run: Any) -> None:
    lines = [{"ev": "up", "node": "a", "t": 1}, {"ev": "up", "node": "b", "t": 1}, {"node": "b", "t": 1, "now": 1}]
    lines += [{"node": "a", "t": 1, "now": 1}, {"ev": "up", "node": "a", "t": 2}, {"node": "a", "t": 2, "now": 2}]
    more = "[fields]\nn = 'last.now'"
    assert run(lines, RULES, "[group]\nby = 't'", more).exit == 0
    lines[3]["now"] = 2
    assert line(run(lines, RULES, "[group]\nby = 't'", more)) == 1


def test_from_a_line_to_a_line_is_one_event(run: Any) -> None:
    lines = [
        {"ev": "up", "node": "a"},
        {"ev": "up", "node": "b"},
        {"node": "b", "end": 1, "n": 1},
        {"node": "a", "end": 1, "n": 1},
    ]
    group = "[group]\nbegin = 'has(ev)'\nend = 'has(end)'\n[fields]\nn = 'last.n'"
    assert run(lines, RULES, group).exit == 0
    assert run(lines, RULES, group).result.events == 2


def test_one_line_is_several_steps(run: Any) -> None:
    rule = '[[event]]\nwhen = "ev == \'many\'"\ndo = "Jump{len(bys)}(by = bys[i]); Up?; Up*"\n'
    many = [{"ev": "many", "node": "a", "bys": [1, 2], "n": 7}]
    assert run(many, rule).exit == 0
    assert line(run([{"ev": "many", "node": "a", "bys": [1, 2], "n": 2}], rule)) == 1
    few = run(many, rule, head="repeat = 2\n")
    assert (few.exit, few.result.verdict) == (20, "inconclusive")


def test_a_line_may_send_thousands_of_messages(run: Any) -> None:
    """To whom is said by the lines alone, and in another order: neither all orders nor all choices are tried."""
    send = "id = 'id'\n[send]\neach = 'said'\nmessage = \"{ 'type': 'Told', 'n': 0 }\"\nto = 'it'\n"
    rule = "[[event]]\ndo = \"(Tell(to = 'b') | Tell(to = 'c')){len(said)}\"\n"
    assert run([{"node": "a", "said": [*["b"] * 1200, "c", "c", "b"]}], send, rule).exit == 0
    assert line(run([{"node": "a", "said": [*["b"] * 40, "c", "c", "b", "a"]}], send, rule)) == 1


def test_what_is_defined_is_worked_out_once_a_line(run: Any) -> None:
    """Unless it looks at `i`; and keys and sets make it quick."""
    fields = "[fields]\nbys = '[2 for x in said if x in {y for y in odd}]'\nodd = '[x for x in said if last[x] % 2 == 1]'\n"
    fields += "last = '{x: k for k, x in enumerate(said)}'\nnow = 'bys[i] - 1'\n"
    rule = "[[event]]\ndo = 'Jump{len(bys)}(by = now)'\n"
    assert run([{"node": "a", "said": [7, 8, 7, 9], "n": 2}], rule, fields).exit == 0
    assert run([{"node": "a", "said": list(range(100)), "n": 50}], rule, fields).exit == 0


def test_one_of_several_steps(run: Any) -> None:
    rule = '[[event]]\ndo = "Up | Jump"\nrequire = ["n[self] >= 2"]\n'
    assert run([{"node": "a", "n": 2}], rule).exit == 0
    assert line(run([{"node": "a", "n": 1}], rule)) == 1


def test_silent_steps_are_bounded_and_counted(run: Any) -> None:
    quiet = '[[silent]]\ndo = "Up"\nlimit = 2\nrun = 2\n'
    said = run([up("a", 1), up("a", 4), up("a", 5)], RULES, quiet)
    assert said.exit == 0 and said.silent() == (2,)
    assert line(run([up("a", 1), up("a", 3), up("a", 6)], RULES, quiet)) == 3


def test_silent_steps_come_before_what_they_are_for(run: Any) -> None:
    quiet = '[[silent]]\ndo = "crash Node"\nwhen = "ev == \'recv\'"\n'
    lines = [tell("a", "b", 0, 1), up("a", 1), tell("a", "b", 1, 2), recv("b", "a", 1, 2, heard=1), recv("b", "a", 0, 1, heard=0)]
    assert line(run(lines, IDS, RULES)) == 5
    said = run(lines, IDS, RULES, quiet, faults='["crash(Node)"]')
    assert said.exit == 0 and said.silent() == (1,)


def test_the_first_lines_give_the_initial_state(run: Any) -> None:
    rule = "[[event]]\nwhen = \"ev == 'start'\"\nset = { 'n[self]' = 'n' }\n"
    start = {"ev": "start", "node": "a", "n": 40}
    assert run([start, up("a", 41), up("b", 1)], RULES, rule).exit == 0
    assert line(run([up("a", 1), start], RULES, rule)) == 2


def test_what_is_not_updated_stays(run: Any) -> None:
    rule = "[[event]]\nwhen = \"ev == 'maybe'\"\ndo = \"Up?\"\nafter = { 'n[self]' = { update = 'new' } }\nobserve = false\n"
    assert run([{"ev": "maybe", "node": "a", "new": 1}, {"ev": "maybe", "node": "a"}, up("a", 2)], RULES, rule).exit == 0
    assert line(run([{"ev": "maybe", "node": "a"}, up("a", 2)], RULES, rule)) == 2
    said = run([{"ev": "maybe", "node": "a"}], RULES, rule.replace("Up?", "Up"))
    assert line(said) == 1 and "`n[self]` is 1, but the log says that it did not change" in "\n".join(said.lines(False))


def test_a_line_may_only_look(run: Any) -> None:
    rule = '[[event]]\nwhen = "ev == \'look\'"\nrequire = ["exists q: Node. sent Told(n[self]) to q"]\n'
    lines = [up("a", 1), tell("a", "b", 1, 7), {"ev": "look", "node": "a"}]
    assert run(lines, RULES, rule).exit == 0
    assert line(run([up("a", 1), {"ev": "look", "node": "a"}], RULES, rule)) == 2


def test_a_property_is_named(run: Any, tmp_path: Path) -> None:
    binding = BASE.replace("FAULTS", "[]").replace("top = 50", "top = 50\nbad = 2") + RULES
    spec, log = tmp_path / "counters.spec", tmp_path / "log.ndjson"
    spec.write_text(SPEC.replace("NETWORK", "set"))
    log.write_text("".join(json.dumps(up("a", n)) + "\n" for n in (1, 2)))
    said = validate(checker.load(spec), [str(log)], parse(binding))
    assert line(said) == 2 and said.diagnosis and (said.diagnosis.about, said.diagnosis.property) == ("property", "NotBad")
    assert validate(checker.load(spec), [str(log)], parse("skip = ['NotBad']\n" + binding)).exit == 0


# ── order ──


def clock(a: int, b: int) -> dict[str, Any]:
    return {"vc": {"a": a, "b": b}}


def test_files_are_merged_by_clocks(run: Any) -> None:
    order = "[order]\nby = 'clock'\n"
    one = [up("a", 1, **clock(1, 0)), tell("a", "b", 1, 7, **clock(2, 0)), recv("a", "b", 0, 8, **clock(3, 3))]
    two = [recv("b", "a", 1, 7, heard=1, **clock(2, 1)), tell("b", "a", 0, 8, **clock(2, 2))]
    two.insert(1, up("b", 1, **clock(2, 2)))
    two[2] = tell("b", "a", 1, 8, **clock(2, 3))
    one[2]["k"] = 1
    for files in ([one, two], [two, one]):
        assert run(files, IDS, RULES, order).exit == 0
    swapped = run([one[1:], two], IDS, RULES, order)
    assert swapped.exit == 14


def test_a_file_that_contradicts_its_clocks(run: Any) -> None:
    lines = [recv("b", "a", 0, 7, **clock(1, 1)), tell("a", "b", 0, 7, **clock(1, 0))]
    said = run(lines, IDS, RULES, "[order]\nby = 'clock'\n")
    assert line(said) == 1 and said.diagnosis.about == "order"
    assert run(lines, IDS, RULES, "[order]\nby = 'clock'\nshuffled = true\n").exit == 0


def test_sends_come_before_receives(run: Any) -> None:
    lines = [recv("b", "a", 0, 7), tell("a", "b", 0, 7)]
    said = run(lines, IDS, RULES)
    assert line(said) == 1 and said.diagnosis.about == "order"
    assert run(lines, IDS, RULES, "[order]\nby = 'pairs'\n").exit == 0


def test_a_node_knows_the_order_of_its_own_lines(run: Any) -> None:
    lines = [up("a", 2), up("a", 1), up("b", 1)]
    said = run(lines, IDS, RULES, "[order]\nby = 'pairs'\n")
    assert line(said) == 1 and said.diagnosis.about == "behaviour"


def test_clocks_on_the_wall_are_not_exact(run: Any) -> None:
    lines = [recv("b", "a", 0, 7, ts=1.0), tell("a", "b", 0, 7, ts=1.002)]
    assert run(lines, IDS, RULES, "[order]\nby = 'time'\nuncertainty = 0.005\n").exit == 0
    assert run(lines, IDS, RULES, "[order]\nby = 'time'\nuncertainty = 0.001\n").exit == 14
    later = [*lines, up("b", 1, ts=2.0), up("a", 1, ts=2.001)]
    assert run(later, IDS, RULES, "[order]\nby = 'time'\nuncertainty = 0.005\n").exit == 0


LOOSE = "[order]\nby = 'time'\nuncertainty = 0.005\nlazy = true\nloose = \"ev == 'recv'\"\n"


def test_only_loose_events_may_be_late(run: Any) -> None:
    early = [recv("b", "a", 0, 7, ts=1.0), tell("a", "b", 0, 7, ts=1.002)]
    assert run(early, IDS, RULES, LOOSE).exit == 0
    assert line(run(early, IDS, RULES, LOOSE.replace("'recv'", "'up'"))) == 1


def test_what_waits_holds_up_its_node(run: Any) -> None:
    """b can only go on after its receipt, and a only after it has sent."""
    lines = [recv("b", "a", 1, 7, ts=1.0), up("b", 1, ts=1.001), up("a", 1, ts=1.001), tell("a", "b", 1, 7, ts=1.002)]
    assert run(lines, IDS, RULES, LOOSE).exit == 0
    late = [*lines[:3], tell("a", "b", 1, 7, ts=1.009)]
    said = run(late, IDS, RULES, LOOSE)
    assert said.exit == 14 and line(said) == 1  # what waited, not what came when it could wait no longer


def test_an_id_that_nobody_has_sent_yet_cannot_wait(run: Any) -> None:
    strict = LOOSE + "sent = \"send.id if ev == 'tell' else missing\"\nreceived = \"id if ev == 'recv' else missing\"\n"
    early = [recv("b", "a", 0, 7, ts=1.0), tell("a", "b", 0, 7, ts=1.002)]
    assert line(run(early, IDS, RULES, strict)) == 1
    assert run(early, IDS, RULES, strict.replace("id if ev == 'recv'", "other if ev == 'recv'")).exit == 0


def test_a_header_needs_no_time(run: Any) -> None:
    lines = [{"ev": "up", "n": 5}, up("a", 1, ts=1.0)]
    assert run(lines, RULES, LOOSE, head="ignore = ['not has(node)']\n").exit == 0


def test_files_are_merged_by_time_if_the_binding_says_so(run: Any) -> None:
    one, two = [tell("a", "b", 0, 7, ts=2.0), recv("a", "b", 1, 8, ts=5.0)], [up("b", 1, ts=1.0), recv("b", "a", 0, 7, ts=3.0)]
    files = [[{"header": "b"}, *two, tell("b", "a", 1, 8, ts=4.0)], one]
    head = "ignore = ['has(header)']\n"
    for logs in (files, files[::-1]):
        assert run(logs, IDS, RULES, "[order]\nmerge = true\n", head=head).exit == 0
        assert run(logs, IDS, RULES, head=head).exit == 14
    untimed = [[{k: v for k, v in x.items() if k != "ts"} for x in file] for file in files]
    with pytest.raises(Mistake, match="no time"):
        run(untimed, IDS, RULES, "[order]\nmerge = true\n", head=head)
    assert run(untimed[0][:2], IDS, RULES, "[order]\nmerge = true\n", head=head).exit == 0


def test_what_clocks_leave_open_goes_by_time_if_the_binding_says_so(run: Any) -> None:
    files = [[recv("b", "a", 0, 7, ts=3.0, vc={"b": 1})], [tell("a", "b", 0, 7, ts=2.0, vc={"a": 1})]]
    order = "[order]\nby = 'clock'\nmerge = true\n"
    for logs in (files, files[::-1]):
        assert run(logs, RULES, order).exit == 0
    assert run(files, RULES, order.replace("true", "false")).exit == 14
    later = [[{**files[0][0], "ts": 1.0, "vc": {"a": 1, "b": 1}}], files[1]]
    assert run(later, RULES, order).exit == 0  # clocks come first


def test_what_lines_say_of_the_same_thing_is_the_same(run: Any) -> None:
    agree = "[[agree]]\nof = 'id'\nfield = 'what'\n"
    lines = [tell("a", "b", 0, 7, what=[1]), recv("b", "a", 0, 7), tell("a", "b", 0, 8, what=[2]), recv("b", "a", 0, 8, what=[2])]
    lines[0]["id"] = lines[0]["send"]["id"]
    lines[2]["id"] = lines[2]["send"]["id"]
    assert run(lines, IDS, RULES, agree).exit == 0
    lines[3]["what"] = [1]
    said = run(lines, IDS, RULES, agree)
    assert line(said) == 4 and said.diagnosis.about == "behaviour"
    assert "`what` is [1] here, but [2] at" in said.diagnosis.reasons[0] and "log0.ndjson:3" in said.diagnosis.reasons[0]
    lines.insert(2, {"header": 1, "id": 8, "what": [3]})
    assert line(run(lines, IDS, RULES, agree, head="ignore = ['has(header)']\n")) == 5
    with pytest.raises(Mistake, match="has no `fields`"):
        run(lines, IDS, RULES, agree.replace("field", "fields"))


# ── what it says ──


def test_a_missing_step_is_guessed(run: Any) -> None:
    said = run([up("a", 1), up("a", 3), up("a", 4), up("a", 5)], RULES)
    assert line(said) == 2
    assert any("a: Up" in r for r in said.diagnosis.remedies)


def test_coverage_counts(run: Any) -> None:
    data = run([up("a", 1), up("b", 1), {"ev": "up", "node": "b"}], RULES).data()["coverage"]
    assert data["actions"]["Up"] == 3 and data["actions"]["Tell"] == 0
    assert data["compared"]["n[self] = n"] == 2 and data["compared"]["heard[self] = heard"] == 0


def test_a_value_that_there_is_not_is_rejected_where_others_could_be_read(run: Any) -> None:
    said = run([up("a", 1), up("b", 1), up("c", "one")], RULES)
    assert line(said) == 3 and '`n`: "one" is no' in said.diagnosis.reasons[0]
    with pytest.raises(checker.Mistake, match='`n`: "one" is no'):
        run([up("a", "one")], RULES)


def test_a_name_is_within_its_range(run: Any) -> None:
    look = "[[event]]\nwhen = \"ev == 'look'\"\nrequire = ['k >= n[self]']\n"
    said = run([{"ev": "look", "node": "a", "k": k} for k in (1, 51)], look, names="k = 'Count = k'\n")
    assert line(said) == 2 and "`k`: 51 is no 0..50" in said.diagnosis.reasons[0]


def test_what_is_left_open_together_is_not_tried(run: Any) -> None:
    rule = "[[event]]\nwhen = \"ev == 'leap'\"\ndo = 'Leap'\nargs = { one = 'a', two = 'b', three = 'c' }"
    assert run([{"ev": "leap", "node": "a", "n": 6, "a": 1}], rule).exit == 0
    with pytest.raises(checker.Mistake, match="can be taken in 125,000 ways"):
        run([{"ev": "leap", "node": "a", "n": 6}], rule)


def test_a_packed_log_is_the_same(run: Any, tmp_path: Path) -> None:
    run([up("a", 1)], RULES)
    packed = tmp_path / "log.ndjson.gz"
    packed.write_bytes(gzip.compress((tmp_path / "log0.ndjson").read_bytes()))
    binding = parse(BASE.replace("FAULTS", "[]") + RULES)
    assert validate(checker.load(tmp_path / "counters.spec"), [str(packed)], binding).exit == 0
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(checker.Mistake):
        validate(checker.load(tmp_path / "counters.spec"), [str(packed)], binding)


def test_a_last_line_that_is_cut_off_is_left_out(run: Any, tmp_path: Path) -> None:
    run([up("a", 1)], RULES)
    log, binding = tmp_path / "log0.ndjson", parse(BASE.replace("FAULTS", "[]") + RULES)
    log.write_text(log.read_text() + '{"ev": "up", "no')
    said = validate(checker.load(tmp_path / "counters.spec"), [str(log)], binding)
    assert said.exit == 0 and said.data()["warnings"][0].endswith("log0.ndjson:2: this last line is cut off, and left out")
    log.write_text(log.read_text() + "\n")
    with pytest.raises(checker.Mistake, match=r"log0\.ndjson:2: not JSON"):
        validate(checker.load(tmp_path / "counters.spec"), [str(log)], binding)


def test_a_clock_goes_on(run: Any) -> None:
    lines = [up("a", 1, **clock(1, 0)), up("b", 1, **clock(0, 1)), up("b", 2, **clock(0, 1))]
    assert line(run(lines, IDS, RULES, "[order]\nby = 'clock'\n")) == 3


@pytest.mark.parametrize(
    ("a", "b", "wrong"), [((2, 0), (2, 2), 0), ((2, 0), (1, 2), 3), ((1, 1), (1, 3), 4), ((2, 0), (2, 4), 0)]
)
def test_a_clock_knows_what_it_knew_and_what_it_was_told(run: Any, a: Any, b: Any, wrong: int) -> None:
    lines = [up("b", 1, **clock(0, 1)), tell("a", "b", 0, 1, **clock(*a)), recv("b", "a", 0, 1, **clock(*b))]
    if a == (1, 1):  # an event of b that has forgotten what b was told
        lines = [*lines, up("b", 2, **clock(0, 4))]
    said = run(lines, IDS, RULES, "[order]\nby = 'clock'\n")
    assert (line(said) if said.exit else 0) == wrong
    assert not wrong or said.diagnosis.about == "order"


def test_a_crash_or_a_loss_is_guessed(run: Any) -> None:
    lines = [tell("a", "b", 0, 1), up("a", 1), tell("a", "b", 1, 2), recv("b", "a", 1, 2, heard=1), recv("b", "a", 0, 1, heard=0)]
    said = run([*lines, up("b", 1)], IDS, RULES)
    assert line(said) == 5
    assert "a step before it that left no line: b crashes and restarts" in said.diagnosis.remedies
    lines = [tell("a", "b", 0, 1), up("a", 1), tell("a", "b", 1, 2), recv("b", "a", 1, 2), up("b", 1)]
    said = run(lines, IDS, RULES, network="fifo capacity 2")
    assert line(said) == 4
    assert any("the network loses Told(0)" in r for r in said.diagnosis.remedies)


def test_a_million_messages_are_kept_cheaply() -> None:
    from checker.conformance.pairs import Pairs
    from checker.core.types import Rec

    pairs, plain = Pairs(), {}
    for i in range(3000):
        gone = i // 2 if i % 3 == 0 and i // 2 in plain else None
        pairs, plain[i] = pairs.changed({i: Rec("M", (i,))}, gone), Rec("M", (i,))
        if gone is not None:
            del plain[gone]
    assert dict(pairs.items()) == plain
    assert all(pairs.get(i) == plain.get(i) for i in range(3001))


@pytest.mark.parametrize("network", ["set", "bag capacity 3", "fifo capacity 3"])
@pytest.mark.parametrize(("who", "wrong"), [("b", 0), ("c", 3)])
def test_a_message_is_received_by_whom_it_was_sent_to_also_if_no_line_says_who_acts(
    run: Any, network: str, who: str, wrong: int
) -> None:
    lines = [up("a", 1), tell("a", "b", 1, 1), {"ev": "recv", "id": 1, "k": 1, "who": who}]
    told = '[[event]]\nwhen = "ev == \'recv\'"\ndo = "receive"\nrequire = ["heard[who] == 1"]\n'
    said = run(lines, IDS, RULES, told, network=network, names='who = "Node = who"\n')
    assert (line(said) if said.exit else 0) == wrong


def test_who_acts_ought_to_be_said(tmp_path: Path, run: Any) -> None:
    assert not any("which process" in w for w in run([up("a", 1)], RULES).warnings())
    spec, log = tmp_path / "counters.spec", tmp_path / "log0.ndjson"
    nobody = '[sizes]\nNode = ["a"]\ntop = 9\n[[event]]\nwhen = "ev == \'up\'"\ndo = "Up"\n'
    assert any(
        "which process takes Up" in w for w in validate(checker.load(spec), [str(log)], parse(nobody, "b.toml")).warnings()
    )


CROWD = """
protocol crowd
sort Node
network NETWORK
message Hello
process Node
    var heard: bool = false
    action Call
        send Hello
    on Hello
        heard := true
reachable Heard: exists n: Node. heard[n]
instance three: Node = 3
"""
CROWD_BINDING = """
[sizes]
Node = ["a", "b", "c"]
[names]
self = "Node = node"
[send]
each = "sent"
message = "it"
to = "it.to"
id = "it.id"
[receive]
when = "has(got)"
message = "got"
id = "got.id"
from = "got.by"
[[event]]
when = "has(sent)"
do = "Call"
"""


@pytest.mark.parametrize("network", ["set", "bag capacity 9"])
@pytest.mark.parametrize(
    ("node", "by", "wrong"), [("b", "a", 0), ("b", None, 0), ("c", "a", 2), ("b", "c", 2), ("b", "somebody", 0)]
)
def test_the_ends_of_a_message_to_all_are_those_of_its_id(
    tmp_path: Path, network: str, node: str, by: str | None, wrong: int
) -> None:
    (tmp_path / "crowd.spec").write_text(CROWD.replace("NETWORK", network))
    sent = [{"type": "Hello", "id": n, "to": to} for n, to in enumerate("abc")]
    got = {"type": "Hello", "id": 1, **({"by": by} if by else {})}
    (tmp_path / "log").write_text(json.dumps({"node": "a", "sent": sent}) + "\n" + json.dumps({"node": node, "got": got}))
    said = validate(checker.load(tmp_path / "crowd.spec"), [str(tmp_path / "log")], parse(CROWD_BINDING, "crowd.toml"))
    assert (line(said) if said.exit else 0) == wrong
    if wrong and network == "set":  # in a bag each has a copy of its own, and the spec says whose
        assert ("was sent to b" if node == "c" else "was sent by a") in "\n".join(said.lines(False))
