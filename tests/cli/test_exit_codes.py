"""Every exit code, in text and as JSON: the verdict alone decides, whatever the instance expects."""

from __future__ import annotations

import pytest

CHECKS = {
    "holds": (["lock.spec"], 0),
    "holds within a bound": (["bounded.spec"], 0),
    "usage": (["lock.spec", "--threads", "many"], 1),
    "no such file": (["nowhere.spec"], 1),
    "the text is wrong": (["broken.spec"], 2),
    "the instance cannot be": (["born_wrong.spec"], 2),
    "an assumption fails": (["counter.spec", "-D", "top=0"], 10),
    "deadlock": (["stuck.spec"], 11),
    "violated": (["lock.spec", "-i", "careless"], 12),
    "violated by a step": (["steps.spec"], 12),
    "not reachable": (["unreachable.spec"], 12),
    "a limit": (["lock.spec", "--max-states", "5"], 20),
    "spec fault": (["counter.spec"], 75),
}


@pytest.mark.parametrize("engine", ["native", "python"])
@pytest.mark.parametrize("case", CHECKS)
def test_check(spectrace, case, engine):
    args, code = CHECKS[case]
    assert spectrace("check", *args, "--engine", engine).code == code
    with_json = spectrace("check", *args, "--engine", engine, "--json")
    assert with_json.code == code
    assert with_json.err == ""
    if "error" in with_json.json:
        assert with_json.json["error"]["exit"] == code
        assert with_json.json["error"]["message"]
    else:
        assert code in (0, 11, 12, 20, 75)


def test_what_is_expected_does_not_matter(spectrace):
    as_expected = spectrace("check", "lock.spec", "-i", "careless", "--json")
    assert (as_expected.code, as_expected.json["as_expected"]) == (12, True)
    unexpected = spectrace("check", "wrong.spec", "-i", "mistaken", "--json")
    assert (unexpected.code, unexpected.json["as_expected"]) == (12, False)


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("--max-states", "5", "states"),
        ("--max-depth", "1", "depth"),
        ("--max-memory", "4K", "memory"),
        ("--time-limit", "1ms", "time"),
    ],
)
def test_limits_end_in_unknown(spectrace, flag, value, reason):
    spec = ["two_phase_commit", "-D", "RM=9", "--no-symmetry"] if reason == "time" else ["lock.spec"]
    found = spectrace("check", *spec, flag, value, "--json")
    assert found.code == 20
    assert (found.json["verdict"], found.json["stopped_by"], found.json["exhaustive"]) == ("unknown", reason, False)


def test_a_violation_before_a_limit_is_a_violation(spectrace):
    assert spectrace("check", "wrong.spec", "--max-depth", "1").code == 12
    assert spectrace("check", "wrong.spec", "--max-depth", "0").code == 20


def test_what_the_native_engine_cannot_represent(spectrace):
    native = spectrace("check", "too_wide.spec", "--json")
    assert (native.code, native.json["error"]["kind"]) == (20, "unable")
    assert "--engine python" in spectrace("check", "too_wide.spec").err
    assert spectrace("check", "too_wide.spec", "--engine", "python").code == 0


def test_deadlocks_can_be_fine(spectrace):
    found = spectrace("check", "stuck.spec", "--no-deadlock")
    assert found.code == 0
    assert "deadlocks were not looked for" in found.out


def test_simulate(spectrace):
    assert spectrace("simulate", "lock.spec", "--traces", "3", "--seed", "1").code == 0
    assert spectrace("simulate", "lock.spec", "-i", "careless", "--seed", "1").code == 12
    assert spectrace("simulate", "stuck.spec", "--seed", "2").code == 11
    assert spectrace("simulate", "counter.spec", "--seed", "2").code == 75


def test_test(spectrace):
    assert spectrace("test", "lock.spec", "stuck.spec").code == 0
    assert spectrace("test", "wrong.spec").code == 1
    assert spectrace("test", "broken.spec").code == 1
    assert spectrace("test", "nowhere.spec").code == 1


def test_a_bug_is_told_in_a_line(spectrace, monkeypatch):
    import checker.answer

    def break_down(*_):
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(checker.answer, "perform", break_down)
    found = spectrace("check", "lock.spec")
    assert found.code == 70
    assert "out of cheese" in found.err and "report" in found.err and "Traceback" not in found.err
    assert spectrace("check", "lock.spec", "--json").json["error"]["kind"] == "internal"
    monkeypatch.setenv("SPECTRACE_DEBUG", "1")
    assert "Traceback" in spectrace("check", "lock.spec").err
