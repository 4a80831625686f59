"""Whoever makes a mistake in a log or a binding is told where; never a traceback, always exit code 1."""

from __future__ import annotations

from pathlib import Path

import pytest

import checker
from checker.conformance.answer import validate
from checker.conformance.binding import parse
from checker.settings import Mistake

GOOD = """
[sizes]
RM = ["a", "b", "c"]
[names]
self = "RM = rm"
[after]
"rm_state[self]" = "state"
[[event]]
when = "ev == 'prepare'"
do = "Prepare"
"""
LINE = '{"ev": "prepare", "rm": "a", "state": "prepared"}'

LOGS = {
    "not json": ('{"ev": ', "log.ndjson:1: not JSON"),
    "not an object": (f"{LINE}\n[1]", "log.ndjson:2: not a JSON object"),
    "nothing": ("\n", "no lines in it"),
    "unknown identity": (LINE.replace('"a"', '"d"'), 'log.ndjson:1: `rm`: "d" is no RM'),
    "unknown member": (LINE.replace("prepared", "preparred"), "log.ndjson:1: `state`"),
    "wrong kind": (LINE.replace('"prepared"', "[1]"), "log.ndjson:1: `state`: [1] is no RMState"),
    "no rule": ('{"ev": "other"}', "no [[event]]"),
    "too deep": (LINE + "\n" + "[" * 100_000, "log.ndjson:2: nested too deep"),
    "utf-16": ("\udcff\udcfe{", "log.ndjson:1: this is UTF-16"),
    "not utf-8": ("\udcff", "log.ndjson:1: not JSON"),
}
BINDINGS = {
    "not toml": ("x = \n", "binding.toml:1: not TOML"),
    "unknown key": (GOOD + "wen = 1", "[[event]] has no `wen`"),
    "wrong kind": (GOOD + "args = 1", "`args` of [[event]] is 1"),
    "unknown action": (GOOD.replace('"Prepare"', '"Prepair"'), "binding.toml:8: two_phase_commit has no step `Prepair`"),
    "unknown variable": (GOOD.replace("rm_state[", "rm_stat["), "binding.toml:7: `rm_stat[self]`: unknown name `rm_stat`"),
    "unknown type": (GOOD.replace("RM = rm", "RN = rm"), "binding.toml:5: two_phase_commit has no type `RN`"),
    "no type": (GOOD.replace("RM = rm", "rm"), "`TYPE = FIELD`"),
    "unknown parameter": (GOOD + "args = { x = 'rm' }", "no step of `Prepare` has a parameter or choice `x`"),
    "bad field": (GOOD.replace('"state"', '"state +"'), "binding.toml:7: `state +` is no expression over fields"),
    "forbidden": (GOOD.replace('"state"', '"open(state)"'), "there is no function `open`"),
    "unknown size": (GOOD.replace("RM = [", "RN = ["), "`RN` is no sort or parameter"),
    "no identity": (GOOD.replace('["a", "b", "c"]', "0"), "binding.toml:3: the sort RM needs at least 1 identity, not 0"),
    "a name twice": (GOOD.replace('"b"', '"a"'), "binding.toml:3: `RM` has the name `a` twice"),
    "unknown message": (GOOD + "[message.Prepaired]", "has no message `Prepaired`"),
    "unknown order": (GOOD + "[order]\nby = 'luck'", "not by `luck`"),
    "no events": ("[sizes]\nRM = 3", "it has no [[event]]"),
    "undeclared fault": (GOOD.replace('"Prepare"', '"crash RM"'), "has no step `crash RM`"),
    "itself": ("[fields]\na = 'b'\nb = 'a'\n" + GOOD.replace('"state"', '"a"'), "is defined by itself"),
}


def said(folder: Path, log: str, binding: str) -> str:
    file = folder / "log.ndjson"
    file.write_bytes(log.encode(errors="surrogateescape"))
    with pytest.raises(Mistake) as why:
        validate(checker.load("two_phase_commit"), [str(file)], parse(binding, "binding.toml"))
    return why.value.text


@pytest.mark.parametrize("name", LOGS)
def test_log(name: str, tmp_path: Path) -> None:
    log, text = LOGS[name]
    assert text in said(tmp_path, log, GOOD)


def test_a_mark_before_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "log.ndjson"
    file.write_text(LINE, "utf-8-sig")
    assert validate(checker.load("two_phase_commit"), [str(file)], parse(GOOD, "binding.toml")).exit == 0


@pytest.mark.parametrize("name", BINDINGS)
def test_binding(name: str, tmp_path: Path) -> None:
    binding, text = BINDINGS[name]
    assert text in said(tmp_path, LINE, binding)


def test_no_such_file() -> None:
    with pytest.raises(Mistake, match="no such file"):
        validate(checker.load("two_phase_commit"), ["nowhere.ndjson"], parse(GOOD))
