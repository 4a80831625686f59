"""`test`, `simulate`, `show`, `fmt`, `new`, `export`: what they do besides printing."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

import checker
from checker.core.model import Count, Expect
from checker.expect import problems
from checker.verdict import Result, Verdict


def rows(found):
    return {(r["spec"], r["instance"]): r for r in found.json["instances"]}


# ── test ──


def test_every_instance_against_its_expectation(spectrace):
    found = spectrace("test", "wrong.spec", "lock.spec", "--json")
    assert found.code == 1 and found.json["ok"] is False
    got = rows(found)
    assert {k: r["status"] for k, r in got.items()} == {
        ("wrong", "good"): "ok",
        ("wrong", "mistaken"): "FAIL",
        ("wrong", "costly"): "skipped",
        ("lock", "two"): "ok",
        ("lock", "careless"): "ok",
    }
    assert got["wrong", "mistaken"]["problems"] == [
        "it expects `holds`, and this is `violates Zero`",
        "it expects states 3 (by nobody), and this is 2",
    ]


def test_slow_instances_on_request(spectrace):
    assert rows(spectrace("test", "wrong.spec", "--slow", "--json"))["wrong", "costly"]["status"] == "ok"


def test_a_folder_of_specs(spectrace):
    specs = {s for s, _ in rows(spectrace("test", ".", "--json"))}
    assert {"lock", "stuck", "counter"} <= specs


def test_a_spec_that_is_wrong_is_a_failure(spectrace):
    found = spectrace("test", "broken.spec", "lock.spec", "--json")
    assert found.code == 1
    assert [r["status"] for r in found.json["instances"]] == ["FAIL", "ok", "ok"]
    assert "broken.spec:6: unknown name `y`" in found.json["instances"][0]["problems"][0]


def test_states_are_counted_without_symmetry_and_orbits_with_it(spectrace, tmp_path):
    spec = tmp_path / "both.spec"
    text = Path("../../../specs/two_phase_commit/two_phase_commit.spec").read_text().split("instance ")[0]
    spec.write_text(text + "instance five: RM = 5\n    expect holds, states 8832, orbits 314\n")
    found = spectrace("test", spec, "--json")
    assert found.code == 0, found.out
    (row,) = found.json["instances"]
    assert (row["states"], row["orbits"]) == (8832, 314)
    spec.write_text(text + "instance five: RM = 5\n    expect holds, orbits 313\n")
    assert "it expects orbits 313, and this is 314" in spectrace("test", spec).out


def test_junit(spectrace, tmp_path):
    report = tmp_path / "junit.xml"
    spectrace("test", "wrong.spec", "--junit", report)
    (suite,) = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase[@name='mistaken']/failure")
    assert failure is not None and "expects `holds`" in failure.get("message", "")


@pytest.mark.parametrize(
    ("expect", "result", "wrong"),
    [
        (Expect("holds"), Result(Verdict.HOLDS), 0),
        (Expect("holds"), Result(Verdict.UNKNOWN), 1),
        (Expect("violates", "P"), Result(Verdict.VIOLATED, "P"), 0),
        (Expect("violates", "P"), Result(Verdict.VIOLATED, "Q"), 1),
        (Expect("deadlock"), Result(Verdict.DEADLOCK), 0),
        (Expect("fault"), Result(Verdict.SPEC_FAULT), 0),
        (Expect("holds", None, {"states": Count(5)}), Result(Verdict.HOLDS, distinct_states=4), 1),
        (Expect("holds", None, {"states": Count(5)}), Result(Verdict.HOLDS, distinct_states=4, symmetry=True), 0),
        (Expect("holds", None, {"orbits": Count(5)}), Result(Verdict.HOLDS, distinct_states=4, symmetry=True), 1),
        (Expect("holds", None, {"depth": Count(5)}), Result(Verdict.HOLDS, depth=4), 1),
        (Expect("holds", None, {"transitions": Count(5)}), Result(Verdict.HOLDS, transitions=5), 0),
    ],
)
def test_expectations(expect, result, wrong):
    assert len(problems(expect, result)) == wrong


# ── simulate ──


def test_the_same_seed_gives_the_same_walks(spectrace):
    one, two = (spectrace("simulate", "lock.spec", "-i", "careless", "--seed", 9, "--json").json for _ in range(2))
    assert one.pop("seconds") and two.pop("seconds")
    assert one == two
    assert one["verdict"] == "violated" and one["reason"]["property"] == "Exclusive"


def test_walks_are_behaviours(spectrace):
    instance = checker.bind("shapes.spec")
    simulation = checker.simulate(instance, traces=3, depth=12, seed=1)
    from checker.core.meaning import successors

    for trace in simulation.traces:
        before = trace.initial
        for step in trace.steps:
            (action,) = [a for a in instance.actions if (a.name, a.process) == (step.action, step.process)]
            assert step.state in [o.state for o in successors(instance, action, before)]
            before = step.state


def test_what_is_shown_of_a_walk_has_no_loops(spectrace):
    instance = checker.bind("lock.spec", "careless")
    for seed in range(30):
        simulation = checker.simulate(instance, traces=50, depth=50, seed=seed)
        shown, walked = simulation.result.trace, simulation.traces[-1]
        states = [shown.initial, *(s.state for s in shown.steps)]
        assert all(a not in states[:n] for n, a in enumerate(states))
        assert states[-1] == walked.steps[-1].state and len(shown) <= len(walked)


def test_walks_as_files(spectrace, tmp_path):
    found = spectrace("simulate", "lock.spec", "--traces", 3, "--depth", 5, "-o", tmp_path / "walk.itf.json", "--json")
    assert [Path(f).name for f in found.json["files"]] == ["walk-1.itf.json", "walk-2.itf.json", "walk-3.itf.json"]
    wrong = spectrace("simulate", "lock.spec", "-i", "careless", "--seed", 1, "-o", tmp_path / "bad.itf.json", "--json")
    assert [Path(f).name for f in wrong.json["files"]] == ["bad.itf.json"]
    assert len(json.loads((tmp_path / "bad.itf.json").read_text())["states"]) == len(wrong.json["trace"])


# ── export and show ──


def test_counterexample_witness_and_longest_behaviour_as_itf(spectrace, tmp_path):
    def length(*args):
        file = tmp_path / "t.itf.json"
        assert spectrace("export", *args, "--to", "itf", "-o", file).code == 0
        return len(json.loads(file.read_text())["states"]) - 1

    assert length("lock.spec", "-i", "careless") == 6
    assert length("lock.spec", "--witness", "Held") == 3
    assert length("lock.spec") == spectrace("check", "lock.spec", "--json").json["depth"]


def test_the_graph_has_every_state_and_step(spectrace):
    found = spectrace("export", "unreachable.spec", "--to", "dot").out
    assert found.count("label=") == 3 + 4
    assert 's0 -> s1 [label="Up"]' in found and 's1 -> s0 [label="Down"]' in found


def test_a_graph_too_large_to_draw_is_refused(spectrace):
    found = spectrace("export", "two_phase_commit", "-D", "RM=5", "--to", "dot")
    assert found.code == 1 and "more than 2,000 states" in found.err and "-D" in found.err


def test_nothing_to_write(spectrace):
    assert spectrace("export", "unreachable.spec", "--to", "itf").code == 0
    assert spectrace("export", "stuck.spec", "--to", "dot", "--witness", "X").code == 1


def test_tla(spectrace, tmp_path):
    found = spectrace("export", "lock.spec", "--to", "tla", "-o", tmp_path / "out", "--json")
    assert sorted(Path(f).name for f in found.json["written"]) == ["lock.cfg", "lock.tla"]
    assert "MODULE lock" in (tmp_path / "out" / "lock.tla").read_text()


def test_show_says_who_sends_what_to_whom(spectrace):
    found = spectrace("show", "lock.spec", "--json").json
    assert {(s["from"], s["message"], s["to"]) for s in found["sends"]} == {
        ("Client", "Ask", "Server"),
        ("Server", "Grant", "Client"),
        ("Client", "Done", "Server"),
    }


# ── new and fmt ──


def test_the_starter_spec_works(spectrace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert spectrace("new", "my_lock").code == 0
    found = spectrace("check", "my_lock.spec", "--json").json
    assert (found["spec"], found["verdict"], found["warnings"]) == ("my_lock", "holds", [])
    assert spectrace("test", "my_lock.spec").code == 0


def test_the_hint_in_the_starter_spec_is_true(spectrace, tmp_path):
    from checker.starter import TEXT

    spec = tmp_path / "careless.spec"
    spec.write_text("".join(line for line in TEXT.splitlines(True) if "require owner == none" not in line))
    assert spectrace("check", spec).code == 12


def test_fmt(spectrace, tmp_path):
    spec = tmp_path / "untidy.spec"
    spec.write_text("protocol untidy\nvar x : 0..3=0\naction Up\n  x:=(x+1)%4\ninvariant Small : x<=3\ninstance one:\n")
    assert spectrace("fmt", spec, "--check").code == 1
    before = spec.read_text()
    assert spectrace("fmt", spec, "-o", tmp_path / "tidy.spec").code == 0
    assert spec.read_text() == before
    assert spectrace("fmt", spec).code == 0
    assert spec.read_text() == (tmp_path / "tidy.spec").read_text() != before
    assert spectrace("fmt", spec, "--check").code == 0
    assert spectrace("check", spec).code == 0


def test_fmt_leaves_what_it_cannot_read(spectrace, tmp_path):
    spec = tmp_path / "torn.spec"
    spec.write_text("protocol torn\nvar x: 0..3 = (0\n")
    assert spectrace("fmt", spec).code == 2
    assert spec.read_text() == "protocol torn\nvar x: 0..3 = (0\n"
