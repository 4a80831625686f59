"""Histories: what clients of an object asked and were answered, and when.  Read from NDJSON, one JSON array, EDN, or the
columns of Jepsen's history.txt.

Three shapes are known, line by line:
  events    {"process": 0, "type": "invoke" | "ok" | "fail" | "info", "f": "write", "key": "x", "value": 1}, as Jepsen writes;
            without a `key`, values that are all pairs are [key, value]
  pairs     {"kind": "call" | "return", "id": 7, "client": 0, ...}; also the record of a run with clients
  complete  {"client": 0, "input": {"op": "put", ...}, "output": ..., "call": 10, "return": 20}, as Porcupine has them
Invariant: an Operation's `call` and `ret` are places in one total order of real time; equal times are concurrent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from checker.conformance.edn import NotEdn, columns, forms, plain
from checker.conformance.fields import MISSING
from checker.conformance.lines import Line, Log
from checker.conformance.transactions import kind, micro, transaction
from checker.settings import Mistake, nearest

BEGIN = {"invoke", "call", "invocation", "start"}
END = {"ok": "ok", "return": "ok", "response": "ok", "end": "ok", "fail": "fail", "info": "info"}
NAMES = ("f", "op", "op_type", "operation", "method", "name", "action", "func", "fn", "function", "command", "cmd")
WHO = ("process", "client", "clientid", "client_id", "thread")
TIMES = (
    ("call", "return"),
    ("call", "ret"),
    ("called", "returned"),
    ("start", "end"),
    ("start", "finish"),
    ("start", "stop"),
    ("started", "ended"),
    ("started", "finished"),
    ("begin", "end"),
    ("invoke", "return"),
    ("invoke", "complete"),
    ("invoke", "response"),
    ("invoked", "returned"),
    ("invoked", "completed"),
    ("invocation", "response"),
)
STAMPS = ("time", "ts", "timestamp")
KNOWN = {*NAMES, *WHO, *(x for pair in TIMES for x in pair)}
CODES = ("get", "put", "append")  # as Porcupine numbers the operations of its key-value store
NEVER = 1 << 62
HINT = "docs/guides/linearizable.md says what a history is"


@dataclass
class Operation:
    """One operation.  `given`, `answer`: JSON, MISSING if there is none; `ret` NEVER: its outcome is not known."""

    f: str
    key: Any
    given: Any
    process: Any
    call: int
    at: Line
    answer: Any = MISSING
    explicit: bool = False  # `answer` is one, and not what Jepsen repeats of the question
    ret: int = NEVER
    done: Line | None = None
    failed: bool = False

    @property
    def known(self) -> bool:
        return self.ret != NEVER


@dataclass
class History:
    """All operations that may have taken effect, in the order of their calls."""

    name: str
    operations: list[Operation]
    failed: int = 0
    ignored: int = 0
    last: int = 0  # lines

    @property
    def unknown(self) -> int:
        return sum(not o.known for o in self.operations)


def read(log: Log, whole: bool = False) -> History:
    """The history in a file.  `whole`: pairs are not [key, value].  Raises Mistake."""
    lines = list(_lines(log))
    if not lines:
        raise Mistake(f"{log.name}: there are no lines in it", HINT)
    for line in lines:
        line.data = _plain(line.data)
    times = next((t for t in TIMES for x in lines if t[0] in x.data and t[1] in x.data), None)
    history = _complete(log.name, lines, *times) if times else _events(log.name, lines)
    if not history.operations and not history.failed:
        raise Mistake(f"{log.name}: there is no operation in it", HINT)
    if not whole:
        _split(history.operations)
    history.last = lines[-1].number
    return history


def _lines(log: Log) -> Iterator[Line]:
    """The objects, with the places where they stand."""
    data = log.bytes()
    first = data.lstrip()[:1]
    if first == b"[" or (first == b"{" and not _is_json(data)) or first not in (b"{", b""):
        yield from _array(log, data) if first == b"[" and _is_json(data) else _edn(log, data)
        return
    lines = list(log)
    whole = len(lines) == 1 and not any(n in lines[0].data for n in WHO)
    inside = [v for v in lines[0].data.values() if _objects(v)] if whole else []
    if len(inside) == 1:  # `{"history": [...]}`
        yield from (Line(log.name, n, x) for n, x in enumerate(inside[0], 1))
    else:
        yield from lines


def _objects(x: Any) -> bool:
    return isinstance(x, list) and bool(x) and all(isinstance(y, dict) for y in x)


def _is_json(data: bytes) -> bool:
    """Is it JSON, as far as its start tells?  In EDN a key is a keyword, and hardly anything has a colon after it."""
    return re.match(rb"\s*\[?\s*(\{\s*(\"([^\"\\\\]|\\\\.)*\"\s*:|\})|[^:{]*\Z)", data) is not None


def _array(log: Log, data: bytes) -> Iterator[Line]:
    try:
        items = msgspec.json.decode(data)
    except msgspec.DecodeError as why:
        raise Mistake(f"{log.name}: not JSON: {why}") from None
    except RecursionError:
        raise Mistake(f"{log.name}: nested too deep") from None
    for n, x in enumerate(items, 1):
        if not isinstance(x, dict):
            raise Mistake(f"{log.name}: element {n} is no object", HINT)
        yield Line(log.name, n, x)


def _edn(log: Log, data: bytes) -> Iterator[Line]:
    try:
        text = data.decode()
        found = (
            [(n, plain(x)) for n, x in forms(text)]
            if data.lstrip()[:1] in (b"{", b"[", b"(", b"#", b";")
            else list(columns(text))
        )
    except UnicodeDecodeError:
        raise Mistake(f"{log.name}: this is no text", HINT) from None
    except RecursionError:
        raise Mistake(f"{log.name}: nested too deep", HINT) from None
    except NotEdn as why:
        raise Mistake(f"{log.name}:{why.line}: not EDN: {why}", HINT) from None
    if not found:
        raise Mistake(f"{log.name}: this is neither JSON nor EDN nor lines of `process :type :f value`", HINT)
    for n, x in found:
        if not isinstance(x, dict):
            raise Mistake(f"{log.name}:{n}: this is no map", HINT)
        yield Line(log.name, n, x)


def _plain(d: dict[str, Any]) -> dict[str, Any]:
    """Keywords as EDN writes them, `:read`, without the colon; keys as Go writes them, `ClientId`, in small letters; and known
    ones as others do, `startTimeMs`, without the unit."""
    if any(k not in KNOWN and _known(k) != k for k in d):
        d = {_known(k): v for k, v in d.items()}
    if not any(k[:1] == ":" or k[:1].isupper() or (type(v) is str and v[:1] == ":") for k, v in d.items()):
        return d
    short = {k.lstrip(":"): v[1:] if type(v) is str and v[:1] == ":" else v for k, v in d.items()}
    return {k.lower() if k[:1].isupper() else k: v for k, v in short.items()}


def _known(key: str) -> str:
    """`clientId` as `client_id`, `startTimeMs` as `start`, if that is a key of a history."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    name = re.sub(r"(_(time|ts|at))?(_(ms|us|ns|millis|micros|nanos))?$", "", words)
    return words if words in KNOWN else name if name in KNOWN else key


def _first(d: dict[str, Any], names: tuple[str, ...], default: Any = None) -> Any:
    return next((d[n] for n in names if n in d), default)


# ── events ──


def _event_kind(d: dict[str, Any]) -> Any:
    kind = _first(d, ("type", "kind", "event"))
    kind = ("call", "return")[kind] if kind in (0, 1) and "id" in d else kind
    return kind.lower() if isinstance(kind, str) else kind


def _places(lines: list[Line]) -> list[int]:
    """Where each line stands in real time: as in the file; or by its time, if all calls and answers have one, these are not in
    order, and no `index` says that the lines are.  Twice a place is that of a call, and one more that of an answer."""
    kinds = {*BEGIN, *END}
    told = [x.data for x in lines if _event_kind(x.data) in kinds]
    stamp = next((s for s in STAMPS if all(_number(d.get(s)) for d in told)), "")
    times = [d[stamp] for d in told] if stamp else []
    if times == sorted(times) or any("index" in d or "number" in d for d in told):
        return list(range(len(lines)))
    rank = {t: i for i, t in enumerate(sorted(set(times)))}
    return [rank.get(x.data.get(stamp), 0) for x in lines]


def _number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _events(name: str, lines: list[Line]) -> History:
    out, open_ = History(name, []), dict[Any, Operation]()
    for n, line in zip(_places(lines), lines, strict=True):
        d = line.data
        kind, who = _event_kind(d), _first(d, (*WHO, "node"))
        if (
            who == "nemesis"
            or {"action", "clock"} <= d.keys()
            or not isinstance(kind, str)
            or (kind not in BEGIN and kind not in END)
        ):
            if type(who) is int and _first(d, NAMES) is not None and isinstance(kind, str):
                known = sorted({*BEGIN, *END})
                raise Mistake(
                    f"{line.place}: `{kind}` is no kind of event", nearest(kind, known) or f"there are {', '.join(known)}"
                )
            out.ignored += 1
            continue
        pair = d["id"] if "id" in d and "type" not in d else (who, d["number"]) if "number" in d else who
        if kind in BEGIN:
            open_[pair] = _begun(d, line, who, 2 * n)
            out.operations.append(open_[pair])
        else:
            _end(out, open_, pair, END[kind], d, line, 2 * n + 1)
    out.operations = sorted((o for o in out.operations if not o.failed), key=lambda o: o.call)
    return out


def _begun(d: dict[str, Any], line: Line, who: Any, n: int) -> Operation:
    f, key, given = _asked(d)
    if type(f) is int and 0 <= f < len(CODES):
        f = CODES[f]
    if not isinstance(f, str):
        raise Mistake(f"{line.place}: this call does not say what is called (`f`)", HINT)
    return Operation(f, key, given, who, n, line)


def _asked(d: dict[str, Any]) -> tuple[Any, Any, Any]:
    """What is called, on which key, with what."""
    given = d.get("input", MISSING)
    if given is MISSING and isinstance(d.get("value"), dict) and any(n in d["value"] for n in (*NAMES, "Op")):
        given = d["value"]
    if isinstance(given, dict):
        given = _plain(given)
        names = NAMES if any(n in given for n in NAMES) else ("type", "kind")
        f = _first(given, names, _first(d, NAMES))
        rest = {k: v for k, v in given.items() if k not in (*names, "key")}
        return f, given.get("key", d.get("key")), next(iter(rest.values())) if len(rest) == 1 else rest or MISSING
    if "number" in d and isinstance(d.get("args"), list) and d["args"] and kind(_first(d, NAMES)) != "txn":  # `spectrace run`
        key, *rest = d["args"]
        return _first(d, NAMES), key, rest[0] if len(rest) == 1 else rest or MISSING
    return _first(d, NAMES), d.get("key"), _first(d, ("input", "args", "value"), MISSING)


def _end(out: History, open_: dict[Any, Operation], pair: Any, kind: str, d: dict[str, Any], line: Line, n: int) -> None:
    o = open_.pop(pair, None)
    if o is None:
        if kind == "info":  # Jepsen tells other things this way, too
            out.ignored += 1
            return
        raise Mistake(f"{line.place}: this answers nothing that process {pair} has asked", HINT)
    if kind == "fail":
        o.failed = True
        out.failed += 1
        return
    o.done = line
    o.answer = _answer(d)
    o.explicit = any(x in d for x in ("output", "result"))
    if kind == "ok" and not _unsure(d):
        o.ret = n
        if n < o.call:
            raise Mistake(f"{line.place}: this answers what is asked later, at {o.at.place}")


def _answer(d: dict[str, Any]) -> Any:
    found = _first(d, ("output", "result", "value"), MISSING)
    if isinstance(found, dict):
        found = _plain(found)
        return _first(found, ("value", "result", "ok"), MISSING)
    return None if found is MISSING and "number" in d else found


def _unsure(d: dict[str, Any]) -> bool:
    found = d.get("output")
    return isinstance(found, dict) and bool(found.get("unknown"))


# ── operations with two times ──


def _complete(name: str, lines: list[Line], call: str, back: str) -> History:
    found: list[tuple[Operation, Any, Any]] = []
    out = History(name, [])
    for line in lines:
        d = line.data
        if call not in d:
            out.ignored += 1
            continue
        o = _begun(d, line, _first(d, WHO), 0)
        o.explicit, o.answer, o.done = "output" in d or "result" in d, _answer(d), line
        became = _became(d)
        if became == "fail":
            out.failed += 1
            continue
        begin, end = (_moment(d.get(t), line, call, back) for t in (call, back))
        if begin is None:
            raise Mistake(f"{line.place}: this does not say when it was called (`{call}`)", HINT)
        end = None if became == "info" or _unsure(d) else end
        if end is not None and end < begin:
            raise Mistake(f"{line.place}: it returns before it is called")
        found.append((o, begin, end))
    times = {t: 2 * i for i, t in enumerate(sorted({t for _, a, b in found for t in (a, b) if t is not None}))}
    for o, a, b in found:
        o.call, o.ret = times[a], NEVER if b is None else times[b] + 1
    out.operations = sorted((o for o, _, _ in found), key=lambda o: o.call)
    return out


def _became(d: dict[str, Any]) -> str:
    """What became of an operation: `ok`, `fail`, or `info` where that is not known."""
    said = _first(d, ("type", "status", "outcome"))
    if isinstance(said, str) and END.get(said.lower()):
        return END[said.lower()]
    return "info" if d.get("ok") is False else "ok"


def _moment(t: Any, line: Line, call: str, back: str) -> float | None:
    """A time: a number, or one that ISO 8601 writes."""
    if isinstance(t, str):
        with suppress(ValueError):
            return datetime.fromisoformat(t).timestamp()
    if t is not None and not _number(t):
        raise Mistake(f"{line.place}: `{call}` and `{back}` are times, which are numbers", HINT)
    return t  # type: ignore[no-any-return]


# ── keys ──


def _split(operations: list[Operation]) -> None:
    """Takes [key, value] apart, where every question is such a pair (Jepsen's independent keys)."""
    if any(kind(o.f) == "txn" and (micro(o.given) or transaction("txn", o.given)) for o in operations):
        return
    if any(o.key is not None or not isinstance(o.given, list) or len(o.given) != 2 for o in operations):
        return
    if all(o.f in ("cas", "compare-and-set") for o in operations):
        return
    for o in operations:
        o.key, o.given = o.given
        if isinstance(o.answer, list) and len(o.answer) == 2:
            o.answer = o.answer[1]
