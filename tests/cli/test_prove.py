"""`prove`: exit codes, what is said, and the shape of its JSON."""

from __future__ import annotations

import signal

import pytest

from checker.deadline import Late, heard
from checker.engines.smt.induction import Induction

BMC = {
    "holds": (["two_phase_commit", "--depth", "11"], 0),
    "unknown": (["two_phase_commit", "--depth", "4"], 20),
    "violated": (["lock.spec", "-i", "careless"], 12),
    "violated by a step": (["steps.spec"], 12),
    "not reachable so far": (["unreachable.spec"], 20),
    "deadlock": (["stuck.spec"], 11),
    "no deadlock wanted": (["stuck.spec", "--no-deadlock"], 0),
    "spec fault": (["counter.spec"], 75),
    "too large": (["too_wide.spec"], 20),
    "a time limit": (["two_phase_commit", "-i", "seven", "--timeout", "1ms"], 20),
    "usage": (["lock.spec", "--method", "magic"], 1),
    "the text is wrong": (["broken.spec"], 2),
    "an assumption fails": (["counter.spec", "-D", "top=0"], 10),
}


@pytest.mark.parametrize("case", BMC)
def test_bmc(spectrace, case):
    args, code = BMC[case]
    if "--method" not in args:
        args = [*args, "--method", "bmc"]
    assert spectrace("prove", *args).code == code
    found = spectrace("prove", *args, "--json")
    assert (found.code, found.err) == (code, "")
    if "error" not in found.json:
        assert found.json["method"] == "bmc"
        assert found.json["verdict"] in ("holds", "violated", "deadlock", "spec_fault", "unknown")


def test_bmc_says_how_far_it_looked(spectrace):
    assert (
        "no counterexample of up to 4 steps; longer"
        in spectrace("prove", "two_phase_commit", "--method", "bmc", "--depth", 4).out
    )
    assert "they have at most 10 steps" in spectrace("prove", "two_phase_commit", "--method", "bmc", "--depth", 11).out


def test_bmc_shows_the_trace_that_check_shows(spectrace):
    shown = spectrace("prove", "lock.spec", "-i", "careless", "--method", "bmc", "--json").json
    explored = spectrace("check", "lock.spec", "-i", "careless", "--json").json
    assert len(shown["trace"]) == len(explored["trace"])
    assert shown["trace"][0].keys() == explored["trace"][0].keys() and shown["trace"][1].keys() == explored["trace"][1].keys()
    assert shown["reason"]["property"] == explored["reason"]["property"]


INDUCTION = {
    "holds": (["two_phase_commit"], 0),
    "holds with more states": (["two_phase_commit", "--method", "k-induction", "--k", "2"], 0),
    "not inductive": (["lock.spec"], 15),
    "violated": (["two_phase_commit", "-i", "hasty"], 12),
    "violated within k": (["two_phase_commit", "-i", "hasty", "--method", "k-induction", "--k", "5"], 12),
    "violated at the start": (["why.spec", "-D", "Node=1"], 12),
    "deadlock": (["stuck.spec"], 11),
    "spec fault": (["counter.spec"], 75),
    "too large": (["too_wide.spec"], 20),
    "no time": (["two_phase_commit", "-i", "seven", "--timeout", "0.001ms"], 20),
}


@pytest.mark.parametrize("case", INDUCTION)
def test_induction(spectrace, case):
    args, code = INDUCTION[case]
    assert spectrace("prove", *args).code == code
    found = spectrace("prove", *args, "--json")
    assert (found.code, found.err) == (code, "")
    if "error" not in found.json:
        assert {"verdict", "queries", "cti", "trace", "lemmas", "implied", "seconds"} <= found.json.keys()


def test_a_counterexample_to_induction(spectrace):
    found = spectrace("prove", "lock.spec", "--json").json
    assert (found["verdict"], found["trace"]) == ("not_inductive", None)
    assert found["cti"]["reachable"] is False and found["cti"]["minimal"]
    assert len(found["cti"]["trace"]) == 2
    text = spectrace("prove", "lock.spec").out
    assert "the smallest state in which all lemmas and invariants hold" in text
    assert "in the network: " in text and "a lemma that excludes it is missing" in text


ELSEWHERE = """protocol elsewhere
sort Node
var seen: set[Node] = {}
var odd: bool = false
var done: bool = false
action See(a: Node)
    seen += {a}
action Odd
    require odd
    odd := false
    done := true
action Two(a: Node, b: Node)
    require a in seen and b in seen and a != b
    done := true
invariant Never: not done
instance two: Node = 2
"""


def test_a_behaviour_and_a_counterexample_to_induction_of_different_sizes(spectrace, tmp_path):
    """The smallest size has a step from a state that is unreachable; the instance has a behaviour that is real."""
    path = tmp_path / "elsewhere.spec"
    path.write_text(ELSEWHERE)
    found = spectrace("prove", path, "--unbounded", "--json").json
    assert (found["verdict"], found["trace_sizes"], found["trace"][-1]["action"]) == ("violated", {"Node": 2}, "Two")
    assert (found["cti"]["sizes"], found["cti"]["reachable"]) == ({"Node": 1}, False)
    assert found["cti"]["trace"][0]["state"]["odd"] is True
    said = spectrace("prove", path, "--unbounded").out
    assert "violated: Never — a shortest behaviour to it has 3 steps, at Node = 2" in said


def test_a_witness_with_a_value_is_not_called_reachable(spectrace, tmp_path):
    """That a `reachable` property has a value everywhere is proved, not that it is reached."""
    path = tmp_path / "valued.spec"
    path.write_text("protocol valued\nvar n: 0..3? = 1\nreachable R: the(n) == 2\nterminal: true\ninstance one:\n")
    for how in ((), ("--unbounded",)):
        said = spectrace("prove", path, *how).out
        assert "no spec fault in R  proved" in said and "reachable R" not in said


BEYOND = """protocol beyond
var x: 0..2 = 0
var been: bool = false
var bad: bool = false
action Out
    x := 2
action Back
    require x == 2
    x := 0
    been := true
action Bad
    require been
    bad := true
invariant Never: not bad
terminal: true
instance one:
    bound x < 2
"""


def test_what_lies_beyond_a_bound_is_not_called_unreachable(spectrace, tmp_path):
    """The state before the counterexample can only be reached beyond the bound, which a proof for any size does not know."""
    path = tmp_path / "beyond.spec"
    path.write_text(BEYOND)
    assert "unreachable within the bound: there is only the initial one" in spectrace("prove", path).out
    found = spectrace("prove", path, "--unbounded")
    assert found.code == 15 and "not among the 1 state explored within the bound" in found.out


TWICE = """protocol twice
sort Node
network NETWORK
message Token
process Node
    var began: bool = false
    var has: bool = false
    action Start
        require not began
        began := true
        send Token to self
    on Token
        has := true
lemma Began: forall a: Node. has[a] or sent Token to a implies began[a]
invariant Once: forall a: Node. has[a] implies not sent Token to a
terminal: true
instance one: Node = 1
"""


@pytest.mark.parametrize("network", ["bag capacity 2", "fifo capacity 2"])
def test_copies_of_a_message_are_explained(spectrace, tmp_path, network):
    path = tmp_path / "twice.spec"
    path.write_text(TWICE.replace("NETWORK", network))
    assert "a message is there more than once" in spectrace("prove", path, "--no-deadlock").out
    assert "a message is there more than once" not in spectrace("prove", "lock.spec").out


def test_a_search_that_stops_early_does_not_say_unreachable(spectrace):
    found = spectrace("prove", "lock.spec", "--max-states", "3", "--json").json
    assert (found["verdict"], found["cti"]["reachable"]) == ("not_inductive", None)


def test_lemmas_that_exclude_everything_are_warned_of(spectrace, tmp_path):
    spec = tmp_path / "empty.spec"
    spec.write_text(
        "protocol empty\nvar n: 0..2 = 0\naction Up\n    require n == 1\n    n := 2\n"
        "lemma Zero: n == 0\ninvariant Low: n < 2\nterminal: true\ninstance one: slow\n"
    )
    found = spectrace("prove", spec, "--json")
    assert found.code == 0
    assert found.json["warnings"] == ["action Up cannot happen where the lemmas and invariants hold"]


FOUND = {
    "found": (["tokens.spec", "--find-lemmas"], 0),
    "none needed": (["two_phase_commit", "--find-lemmas"], 0),
    "violated": (["tokens.spec", "-i", "again", "--find-lemmas"], 12),
    "no time": (["tokens.spec", "--find-lemmas", "--time-limit", "1ms"], 15),
    "not of bmc": (["tokens.spec", "--method", "bmc", "--find-lemmas"], 1),
}


@pytest.mark.parametrize("case", FOUND)
def test_lemmas_are_found(spectrace, case):
    args, code = FOUND[case]
    found = spectrace("prove", *args, "--json")
    assert (found.code, found.err) == (code, "")
    if "error" not in found.json:
        assert bool(found.json["found_lemmas"]) == (case == "found")
        assert bool(found.json["not_found"]) == (code != 0)


def test_what_is_found_is_shown_as_lines_of_a_spec(spectrace):
    out = spectrace("prove", "tokens.spec", "--find-lemmas").out
    assert "\nlemma Found1: " in out and "found in" in out
    out = spectrace("prove", "tokens.spec", "--find-lemmas", "--time-limit", "1ms").out
    assert "no proof found: the time was over" in out and "tried: " in out


def test_a_time_limit_without_lemmas_to_look_for(spectrace, monkeypatch):
    found = spectrace("prove", "two_phase_commit", "--time-limit", "1ms")
    assert found.code == 20 and "the time was over before the questions were written" in found.err
    ask, asked = Induction.ask, []

    def late(self, q, timeout=None):
        asked.append(q)
        if len(asked) > 5:
            raise Late
        return ask(self, q, timeout)

    monkeypatch.setattr(Induction, "ask", late)
    found = spectrace("prove", "two_phase_commit", "--jobs", "1", "--time-limit", "5m", "--json")
    statuses = [q["status"] for q in found.json["queries"]]
    assert found.code == 20 and statuses.count("proved") == 5 and set(statuses[5:]) == {"unknown"}


def test_an_interrupt_is_told(spectrace, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("checker.prove.perform", interrupted)
    found = spectrace("prove", "two_phase_commit")
    assert (found.code, found.out, found.err) == (130, "", "error: interrupted\n")


def test_an_interrupt_in_a_destructor_is_not_forgotten():
    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it would be ignored
    try:
        with pytest.raises(KeyboardInterrupt), heard():
            Dying()
            pytest.fail("forgotten")
    finally:
        signal.signal(signal.SIGINT, before)
