"""What people get wrong, and that they are told what and how to go on; nobody ever sees a traceback."""

from __future__ import annotations

import pytest
from conftest import HERE

MISTAKES = {
    "name of a protocol": (
        ["check", "two_phase_comit"],
        "no file and no shipped protocol",
        "did you mean `two_phase_commit`?",
    ),
    "name of a file": (["check", "locks.spec"], "no file and no shipped protocol", "did you mean `lock.spec`?"),
    "forgotten ending": (["check", "lock"], "no file and no shipped protocol", "did you mean `lock.spec`?"),
    "directory": (["check", "."], ". is a directory", "lock.spec"),
    "instance": (["check", "lock.spec", "-i", "carless"], "lock has no instance `carless`", "did you mean `careless`?"),
    "instances there are": (["check", "lock.spec", "-i", "x"], "no instance `x`", "it has two, careless"),
    "-D without value": (["check", "lock.spec", "-D", "Client"], "it takes NAME=VALUE", "-D Client=3"),
    "-D unknown": (
        ["check", "lock.spec", "-D", "Clients=3"],
        "`Clients` is no sort or parameter",
        "did you mean `Client`?",
    ),
    "-D not a size": (["check", "lock.spec", "-D", "Client=0"], "its size is a number from 1", "-D Client=3"),
    "-D not a bool": (["check", "lock.spec", "-D", "careful=yes"], "careful is a bool", "true or false"),
    "-D not a number": (["check", "counter.spec", "-D", "top=x"], "top is a number", "-D top=3"),
    "-D twice": (["check", "counter.spec", "-D", "top=2", "-D", "top=3"], "`top` is given twice", ""),
    "-D that cannot be": (["check", "born_wrong.spec", "-D", "n=7"], "7 does not fit", ""),
    "memory": (["check", "lock.spec", "--max-memory", "lots"], "`lots` is not an amount of memory", "500M"),
    "no memory": (["check", "lock.spec", "--max-memory", "0"], "not an amount of memory", "500M"),
    "time": (["check", "lock.spec", "--time-limit", "soon"], "`soon` is not a time", "30s"),
    "no time": (["check", "lock.spec", "--time-limit", "0s"], "a time limit of `0s`", "longer"),
    "threads": (["check", "lock.spec", "--threads", "0"], "--threads", "spectrace check --help"),
    "states": (["check", "lock.spec", "--max-states", "-1"], "--max-states", "spectrace check --help"),
    "engine": (["check", "lock.spec", "--engine", "steam"], "--engine steam", ""),
    "witness": (["check", "lock.spec", "--witness", "Hold"], "lock has no `reachable Hold`", "did you mean `Held`?"),
    "flag": (["check", "lock.spec", "--no-simmetry"], "--no-simmetry", ""),
    "command": (["chek", "lock.spec"], "no such command 'chek'", ""),
    "no spec": (["check"], "missing argument 'SPEC'", "spectrace check --help"),
    "format": (["export", "lock.spec", "--to", "dott"], "no such format", "did you mean `dot`?"),
    "empty name": (["new", "4you"], "cannot be the name of a protocol", "a letter first"),
    "trace that is no JSON": (["show", "no.json"], "is not JSON", ""),
    "trace that is no ITF": (["show", "list.json"], "is not an ITF trace", ""),
    "empty file": (["check", "empty.spec"], "empty.spec is empty", "spectrace new"),
    "not UTF-8": (["check", "latin.spec"], "latin.spec is not UTF-8 text (line 2, byte 0xe9)", ""),
    "folder that is not there": (
        ["export", "lock.spec", "--to", "itf", "-o", "nowhere/x.json"],
        "cannot write nowhere/x.json",
        "",
    ),
}


@pytest.fixture
def here(spectrace, tmp_path, monkeypatch):
    """A folder with the good and the bad files."""
    for spec in ("lock", "counter", "born_wrong"):
        (tmp_path / f"{spec}.spec").write_text((HERE / "specs" / f"{spec}.spec").read_text())
    (tmp_path / "empty.spec").write_text("  \n\n")
    (tmp_path / "latin.spec").write_bytes(b'protocol latin\n    "caf\xe9"\n')
    (tmp_path / "no.json").write_text("protocol lock")
    (tmp_path / "list.json").write_text("[1, 2]")
    monkeypatch.chdir(tmp_path)
    return spectrace


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake(here, case):
    args, text, hint = MISTAKES[case]
    found = here(*args)
    assert found.code == 1
    assert found.out == ""
    assert text in found.err
    assert hint in found.err
    assert "Traceback" not in found.err
    error = here(*args, "--json").json["error"]
    assert error["kind"] == "usage" and text in error["message"] and hint in (error["hint"] or "")


def test_unreadable_file(here, tmp_path, monkeypatch):
    from pathlib import Path

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = here("check", "lock.spec")
    assert found.code == 1
    assert found.err == "error: cannot read lock.spec: permission denied\n"


def test_mistakes_in_a_spec_have_a_place(spectrace):
    found = spectrace("check", "broken.spec")
    assert found.code == 2
    assert "broken.spec:6:13" in found.err and "broken.spec:7:10" in found.err
    assert "2 errors in broken.spec" in found.err
    first, second = spectrace("check", "broken.spec", "--json").json["error"]["diagnostics"]
    assert (first["code"], first["line"], first["column"], first["file"]) == ("E203", 6, 13, "broken.spec")
    assert second["line"] == 7


def test_an_instance_that_cannot_be_has_a_place(spectrace):
    found = spectrace("check", "born_wrong.spec")
    assert found.code == 2
    assert "born_wrong.spec:5:5" in found.err and "^" in found.err
    error = spectrace("check", "born_wrong.spec", "--json").json["error"]
    assert (error["kind"], error["place"]) == ("instance", "born_wrong.spec:5")


def test_new_never_overwrites(here, tmp_path):
    found = here("new", "lock")
    assert found.code == 1 and "lock.spec is there already" in found.err
    assert "careless" in (tmp_path / "lock.spec").read_text()
