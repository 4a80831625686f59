"""The shapes of histories that others write, and the objects that they are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checker.cli import run
from checker.conformance.edn import NotEdn, forms, plain
from checker.conformance.histories import read
from checker.conformance.linearizable import perform
from checker.conformance.lines import Log
from checker.settings import Mistake


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def file(text: str | list[Any]) -> str:
        path = tmp_path / "history"
        path.write_text(text if isinstance(text, str) else "".join(json.dumps(x) + "\n" for x in text))
        return str(path)

    return file


def verdict(file: str, spec: str | None = None) -> str:
    return perform(file, spec).verdict


EDN = """
; a comment
{:type :invoke, :f :write, :value 1, :process 0, :time 3291485317, :index 0}
{:type :ok,     :f :write, :value 1, :process 0, :time 3296209422, :index 1}
{:process :nemesis, :type :info, :f :start, :value "cut off \\"n1\\""}
#jepsen.history.Op{:type :invoke, :f :cas, :value [1 2], :process 1}
{:type :info, :f :cas, :value [1 2], :error :timeout, :process 1}
{:type :invoke, :f :read, :value nil, :process 2}
{:type :ok, :f :read, :value %s, :process 2}
"""


@pytest.mark.parametrize(("seen", "said"), [("1", "accept"), ("2", "accept"), ("3", "reject"), ("nil", "reject")])
def test_edn_a_map_a_line_or_a_vector(write: Any, seen: str, said: str) -> None:
    text = EDN % seen
    assert verdict(write(text)) == said
    assert verdict(write(f"[{text}]")) == verdict(write(f"({text})")) == said
    assert read(Log(write(text))).ignored == 1


def test_edn_with_independent_keys_and_places(write: Any) -> None:
    text = "\n".join(
        f"{{:process {p}, :type :{t}, :f :{f}, :value [{k} {v}]}}"
        for p, t, f, k, v in [
            (0, "invoke", "write", 1, 7), (0, "ok", "write", 1, 7), (1, "invoke", "read", 2, "nil"), (1, "ok", "read", 2, 7),
        ]
    )  # fmt: skip
    said = perform(write(text), None)
    assert said.verdict == "reject" and said.witness
    assert (said.witness.key, said.witness.operation["return"]) == (2, 4)


def test_forms_are_read_as_json() -> None:
    text = '{:a 1, "b" [2.5 -3N nil true], :c #{x}, :d (), :e #inst "2020-01-01", :f \\a, :g 1/2} :z'
    first, last = [plain(x) for _, x in forms(text)]
    assert first == {
        "a": 1, "b": [2.5, -3, None, True], "c": ["x"], "d": [], "e": "2020-01-01", "f": "a", "g": "1/2"
    }  # fmt: skip
    assert last == "z"


@pytest.mark.parametrize("text", ["{:a 1", "{:a]}", "{:a 1 :b}", '{:a "', "[1 2", "\n\n}"])
def test_what_is_no_edn_is_said_with_its_line(write: Any, text: str, capsys: Any) -> None:
    with pytest.raises(NotEdn):
        list(forms(text))
    assert run(["linearizable", write(text)]) == 1
    assert "history:" in capsys.readouterr().err


def test_the_columns_of_history_txt(write: Any) -> None:
    lines = ["0\t:invoke\t:write\t3", "0\t:ok\t:write\t3", "1\t:invoke\t:cas\t[3 4]", "1\t:fail\t:cas\t[3 4]"]
    lines += [":nemesis\t:info\t:start\tnil", "2\t:invoke\t:read\tnil"]
    assert verdict(write("\n".join([*lines, "2\t:ok\t:read\t3"]))) == "accept"
    logged = [f"INFO  jepsen.util - {x}" for x in [*lines, "2\t:ok\t:read\t4"]]
    assert verdict(write("\n".join(logged))) == "reject"


def kv(op: str | int, value: str, output: str, times: tuple[Any, Any], names: tuple[str, str]) -> dict[str, Any]:
    asked = {"ClientId": 1, "Input": {"Op": op, "Key": "k", "Value": value}, "Output": {"Value": output}}
    return {**asked, **dict(zip(names, times, strict=True))}


@pytest.mark.parametrize("names", [("Call", "Return"), ("start", "end"), ("call", "return")])
@pytest.mark.parametrize("ops", [("put", "append", "get"), (1, 2, 0)])
def test_porcupines_key_value_store(write: Any, names: tuple[str, str], ops: tuple[Any, ...]) -> None:
    put, append, get = ops
    rows = [kv(put, "x", "", (0, 1), names), kv(append, "yy", "", (2, 5), names), kv(append, "z", "", (3, 6), names)]
    assert verdict(write([*rows, kv(get, "", "xzyy", (7, 8), names)])) == "accept"
    assert verdict(write([*rows, kv(get, "", "x", (4, 5), names)])) == "accept"
    assert verdict(write([*rows, kv(get, "", "xyy", (7, 8), names)])) == "reject"
    assert verdict(write([*rows, kv(get, "", "", (2, 4), names)])) == "reject"


@pytest.mark.parametrize(("seen", "said"), [("1", "accept"), ("2", "reject")])
def test_events_inside_of_an_object_and_what_is_called_as_a_type(write: Any, seen: str, said: str) -> None:
    asked = [{"Type": "put", "Key": "k", "Value": "1"}, {"Type": "get", "Key": "k"}]
    answered = [{"Revision": 2}, {"Value": seen, "Revision": 2}]
    pairs = zip(asked, answered, strict=True)
    rows = [{"ClientId": 1, "Input": a, "Call": i, "Output": b, "Return": i} for i, (a, b) in enumerate(pairs)]
    assert verdict(write(rows)) == said
    assert verdict(write(json.dumps({"name": "a test", "history": rows, "checkers": []}))) == said


def test_porcupines_events(write: Any) -> None:
    rows = [
        {"ClientId": 0, "Kind": 0, "Value": {"Op": "put", "Key": "a", "Value": "1"}, "Id": 0},
        {"ClientId": 1, "Kind": 0, "Value": {"Op": "get", "Key": "a", "Value": ""}, "Id": 1},
        {"ClientId": 1, "Kind": 1, "Value": {"Value": "1"}, "Id": 1},
        {"ClientId": 0, "Kind": 1, "Value": {"Value": ""}, "Id": 0},
    ]
    assert verdict(write(rows)) == "accept"
    assert verdict(write([rows[1], rows[2], rows[0], rows[3]])) == "reject"


TIMED = [
    ("call_ns", "ret_ns"),
    ("StartTime", "EndTime"),
    ("start_ts", "finish_ts"),
    ("invoke", "complete"),
    ("invoked_at", "returned_at"),
]


@pytest.mark.parametrize(("begin", "end"), TIMED)
def test_names_of_the_two_times(write: Any, begin: str, end: str) -> None:
    rows = [
        {"process": 0, "f": "write", "value": 1, begin: 10, end: 20},
        {"process": 1, "fn": "read", "value": None, begin: 19, end: 30},
    ]
    assert verdict(write(rows)) == "accept"
    assert verdict(write([rows[0], {**rows[1], begin: 21}])) == "reject"
    iso = ["2024-05-01T10:00:00.5Z", "2024-05-01T12:00:00.6+02:00", "2024-05-01T10:00:00.7Z", "2024-05-01T10:00:00.8Z"]
    assert verdict(write([{**rows[0], begin: iso[0], end: iso[2]}, {**rows[1], begin: iso[1], end: iso[3]}])) == "accept"
    assert verdict(write([{**rows[0], begin: iso[0], end: iso[1]}, {**rows[1], begin: iso[2], end: iso[3]}])) == "reject"


@pytest.mark.parametrize(
    ("told", "later"),
    [({"type": "fail"}, "reject"), ({"status": "FAIL"}, "reject"), ({"type": "info"}, "accept"), ({"ok": False}, "accept")],
)
def test_what_became_of_an_operation_with_two_times(write: Any, told: dict[str, Any], later: str) -> None:
    def read(value: Any, start: int) -> dict[str, Any]:
        return {"process": 1, "f": "read", "value": value, "start": start, "end": start + 1, "type": "ok"}

    rows = [{"process": 0, "f": "write", "value": 1, "start": 1, "end": 5, **told}, read(None, 6)]
    assert verdict(write(rows)) == "accept"
    assert verdict(write([*rows, read(1, 8)])) == later


def test_events_of_one_client_after_the_other_are_ordered_by_their_times(write: Any) -> None:
    def op(who: int, f: str, asked: Any, seen: Any, begin: int, end: int) -> list[dict[str, Any]]:
        first = {"process": who, "type": "invoke", "f": f, "value": asked, "ts": begin}
        return [first, {**first, "type": "ok", "value": seen, "ts": end}]

    one = [*op(0, "write", 1, 1, 10, 20), *op(0, "read", None, 2, 50, 60)]
    assert verdict(write([{"header": 1}, *one, *op(1, "write", 2, 2, 30, 40)])) == "accept"
    assert verdict(write([*op(1, "write", 2, 2, 60, 70), *one])) == "accept"  # at the same time
    assert verdict(write([*one, *op(1, "write", 2, 2, 61, 70), *op(2, "read", None, 2, 1, 2)])) == "reject"
    numbered = [{**x, "index": i} for i, x in enumerate([*one, *op(1, "write", 2, 2, 30, 40)])]
    assert verdict(write(numbered)) == "reject"
    early = [*one, *op(1, "write", 2, 2, 40, 30)]
    with pytest.raises(Mistake, match="asked later"):
        verdict(write(early))


def test_keys_in_camel_case_with_units(write: Any) -> None:
    def row(who: str, op: str, start: int, end: int, **more: Any) -> dict[str, Any]:
        return {"clientId": who, "opType": op, "key": "k", "startTimeMs": start, "endTimeMs": end, **more}

    rows = [row("c1", "write", 1, 5, value=1), row("c2", "write", 6, 8, value=2)]
    assert verdict(write([*rows, row("c1", "read", 10, 12, result=2)])) == "accept"
    assert verdict(write([*rows, row("c1", "read", 10, 12, result=1)])) == "reject"
    assert verdict(write([*rows, row("c1", "read", 7, 12, result=1)])) == "accept"


def test_plain_fields_with_two_times(write: Any) -> None:
    rows = [{"client": 0, "op": "put", "key": "x", "value": 1, "start": 0.0, "end": 1.5}]
    rows += [{"client": 1, "op": "get", "key": "x", "value": 1, "start": 2.0, "end": 3.0}]
    assert verdict(write(rows)) == "accept"
    assert verdict(write([{**rows[0], "start": 4, "end": 5}, rows[1]])) == "reject"


def test_what_clients_saw_is_read_from_a_record(write: Any) -> None:
    rows: list[dict[str, Any]] = [
        {"n": 1, "event": "run", "spec": "raft", "sizes": {}, "nodes": {}},
        {"n": 2, "event": "invoke", "node": "client1", "number": 1, "op": "put", "args": ["a", "x"]},
        {"n": 3, "event": "start", "node": "Server1", "action": "start Server", "clock": {"Server1": 1}},
        {"n": 4, "event": "return", "node": "client1", "number": 1, "result": True},
        {"n": 5, "event": "invoke", "node": "client2", "number": 1, "op": "cas", "args": ["a", "x", "y"]},
        {"n": 6, "event": "return", "node": "client2", "number": 1, "result": True},
        {"n": 7, "event": "invoke", "node": "client1", "number": 2, "op": "get", "args": ["a"]},
    ]
    answer = {"n": 8, "event": "return", "node": "client1", "number": 2}
    assert verdict(write([*rows, {**answer, "result": "y"}])) == "accept"
    assert verdict(write([*rows, {**answer, "result": "x"}])) == "reject"
    assert verdict(write([*rows, answer])) == "reject"  # it saw nothing
    assert read(Log(write([*rows, answer]))).ignored == 2


def lock(process: int, kind: str, f: str) -> dict[str, Any]:
    return {"process": process, "type": kind, "f": f, "value": None}


def test_locks(write: Any) -> None:
    held = [lock(0, "invoke", "acquire"), lock(0, "ok", "acquire"), lock(1, "invoke", "acquire")]
    assert verdict(write([*held, lock(1, "fail", "acquire")])) == "accept"
    assert verdict(write([*held, lock(1, "ok", "acquire")])) == "reject"
    given = [lock(0, "invoke", "release"), lock(0, "ok", "release")]
    assert verdict(write([*held, *given, lock(1, "ok", "acquire")])) == "accept"
    assert verdict(write([*held[:2], lock(1, "invoke", "release"), lock(1, "ok", "release")])) == "reject"
    assert perform(write(held[:2]), None).object.model.name == "mutex"
    assert verdict(write([{**x, "f": "lock"} for x in held[:2]])) == "accept"


def test_validate_with_history_is_the_same(write: Any, capsys: Any) -> None:
    file = write([lock(0, "invoke", "acquire"), lock(0, "ok", "acquire"), lock(1, "invoke", "acquire"), lock(1, "ok", "acquire")])
    assert run(["validate", "mutex", file, "--history", "--json"]) == 14
    assert json.loads(capsys.readouterr().out)["witness"]["operation"]["return"] == 4
    assert run(["validate", "register", file, "--history"]) == 1
    assert "no operation `acquire`" in capsys.readouterr().err
    assert run(["validate", "mutex", file, file, "--history"]) == 1


@pytest.mark.parametrize("data", [b"", b"\x00\xff\x00", b"hello\n", b"\x1f\x8b\x08\x00rest", b"[1, 2]", b"{", b"5\n", b'["a"'])
def test_what_is_no_history_is_said_so(tmp_path: Path, data: bytes, capsys: Any) -> None:
    (tmp_path / "h").write_bytes(data)
    assert run(["linearizable", str(tmp_path / "h")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "Traceback" not in err


def test_a_text_that_nobody_has_written_is_empty(write: Any, capsys: Any) -> None:
    rows = [
        {"client": 0, "input": {"op": "get", "key": "x"}, "output": "", "call": 1, "return": 2},
        {"client": 0, "input": {"op": "put", "key": "x", "value": "1"}, "output": None, "call": 3, "return": None},
        {"client": 1, "input": {"op": "get", "key": "x"}, "output": "1", "call": 5, "return": 6},
    ]
    file = write(json.dumps(rows))
    assert run(["linearizable", file]) == 0
    assert run(["linearizable", file, "--object", "register"]) == 14  # where it is null; nothing goes before it
    assert "get() → " in capsys.readouterr().out


def test_a_kind_of_event_that_there_is_not(write: Any, capsys: Any) -> None:
    rows = [{"process": 0, "type": t, "f": "write", "value": 1} for t in ("Invoke", "OK")]
    assert run(["linearizable", write("\n".join(map(json.dumps, rows)))]) == 0
    rows[1]["type"] = "okay"
    assert run(["linearizable", write("\n".join(map(json.dumps, rows)))]) == 1
    assert ":2: `okay` is no kind of event" in capsys.readouterr().err
