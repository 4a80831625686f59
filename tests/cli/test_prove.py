"""`prove`: exit codes, what is said, and the shape of its JSON."""

from __future__ import annotations

import pytest

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
