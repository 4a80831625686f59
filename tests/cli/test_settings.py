"""Flags and names read into values; where specs are found."""

from __future__ import annotations

import pytest

from checker import library
from checker.settings import Mistake, duration, memory


@pytest.mark.parametrize(
    ("text", "n"),
    [("1000", 1000), ("4K", 4096), ("500M", 500 << 20), ("4G", 4 << 30), ("1.5GiB", 3 << 29), ("2 gb", 2 << 30)],
)
def test_memory(text, n):
    assert memory(text) == n


@pytest.mark.parametrize(
    ("text", "s"), [("30", 30), ("30s", 30), ("2m", 120), ("1h", 3600), ("200ms", 0.2), ("1h30m", 5400), ("1.5m", 90)]
)
def test_duration(text, s):
    assert duration(text) == s


@pytest.mark.parametrize("text", ["", "G", "-1G", "4X", "4 4", "0", "1e9"])
def test_not_memory(text):
    with pytest.raises(Mistake):
        memory(text)


@pytest.mark.parametrize("text", ["", "s", "-1s", "4x", "0s", "1h x", "5 5"])
def test_not_a_duration(text):
    with pytest.raises(Mistake):
        duration(text)


def test_shipped_specs_go_by_the_name_of_their_folder(tmp_path, monkeypatch):
    for name in ("paxos/paxos", "paxos/naive", "lock/lock"):
        file = tmp_path / "_specs" / f"{name}.spec"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("protocol p\n")
    monkeypatch.setattr(library, "HERE", tmp_path)  # as inside a wheel
    assert set(library.shipped()) == {"paxos", "paxos/naive", "lock"}
    assert library.read("paxos/naive").text == "protocol p\n"
    with pytest.raises(Mistake) as found:
        library.find("naiv")
    assert found.value.hint == "did you mean `naive`?"


def test_a_checkout_ships_its_specs():
    assert "two_phase_commit" in library.shipped()


def test_a_file_goes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two_phase_commit").write_text("protocol mine\n")
    assert library.read("two_phase_commit").text == "protocol mine\n"


def test_the_library_as_a_library(tmp_path):
    import checker

    model = checker.load("two_phase_commit")
    result = checker.check(model, sizes={"RM": 4}, symmetry=False, max_depth=50, engine="python")
    assert result.verdict is checker.Verdict.HOLDS and result.exhaustive
    assert result.distinct_states == checker.check(model, sizes={"RM": 4}, symmetry=False).distinct_states
    with pytest.raises(checker.Mistake):
        checker.load(tmp_path / "nowhere.spec")
    with pytest.raises(checker.BindError):
        checker.bind(model, "no such instance")
    with pytest.raises(AttributeError):
        _ = checker.no_such_thing
