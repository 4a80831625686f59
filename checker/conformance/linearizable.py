"""The answer of `spectrace linearizable`: each key apart, and of the first key that fails a witness in at most 40 lines."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec

from checker.conformance.fields import MISSING
from checker.conformance.histories import History, Operation, read
from checker.conformance.linearize import Found, Link, Part, steps
from checker.conformance.lines import Log
from checker.conformance.objects import OBJECTS, Object, has
from checker.conformance.store import NAME, Store, components
from checker.conformance.transactions import kind
from checker.core.bind import AssumptionFails, BindError
from checker.settings import Mistake

EXITS = {"accept": 0, "reject": 14, "inconclusive": 20}
MOST = 2_000_000  # configurations
LAST, OPEN, VALUES = 8, 6, 6  # rows of a witness
BACK, AHEAD, TRIED = 40, 100, 10  # what would help: answers before and after, operations


@dataclass
class Witness:
    """Why a key is not linearizable: `operation` has no place; `prefix` are the last operations of the longest order that can
    be explained, `length` all of them; `without`: leaving out any one of them would help."""

    key: Any
    operation: dict[str, Any]
    of: int
    length: int
    prefix: list[dict[str, Any]]
    concurrent: list[dict[str, Any]]
    states: list[str]
    fitted: dict[str, Any] | None
    without: list[dict[str, Any]]


class Answer:
    """What came of one history."""

    def __init__(
        self, history: History, obj: Object | Store, parts: dict[str, Part], found: dict[str, Found], seconds: float
    ) -> None:
        self.history, self.object, self.parts, self.found, self.seconds = history, obj, parts, found, seconds
        verdicts = {f.verdict for f in found.values()}
        self.verdict = next((v for v in ("reject", "inconclusive") if v in verdicts), "accept")
        self.bad = [k for k, f in found.items() if f.verdict == self.verdict] if self.verdict != "accept" else []
        self.witness = self._witness(self.bad[0]) if self.verdict == "reject" else None

    @property
    def exit(self) -> int:
        return EXITS[self.verdict]

    # ── the witness ──

    def _witness(self, k: str) -> Witness:
        part, found = self.parts[k], self.found[k]
        at = part.levels[found.level]
        ends = sorted(((s, steps(link)) for s, link in found.ends), key=lambda e: self._rank(part, e[1]))
        way = part.order(ends[0][1])
        row = self._row
        self.object.look_at(part.classes[at.number])
        return Witness(
            self._key(part),
            row(part, at.number),
            len(part.operations),
            len(way),
            [{**row(part, x.number), "state": self.object.state(x.state)} for x in way[-LAST:]],
            [row(part, i) for _, _, i, _ in at.pending if i != at.number],
            list(dict.fromkeys(self.object.state(s) for s, _ in ends)),
            self._fitted(part, way, at.number),
            [row(part, i) for i in self._helpful(part, found)],
        )

    def _rank(self, part: Part, way: list[Link]) -> tuple[int, int]:
        """The best explanations first: those that need fewest operations without an answer, and then the longest."""
        unknown = sum(not part.operations[x.number].known for x in way)
        return unknown, -len(way)

    def _key(self, part: Part) -> Any:
        """The key of a part, or its keys."""
        if isinstance(self.object, Store):
            return self.object.every(part.operations)
        return part.operations[0].key

    def _fitted(self, part: Part, way: list[Link], number: int) -> dict[str, Any] | None:
        """The last operation after which the one without a place would have fitted."""
        c = part.classes[number]
        last = next((n for n in range(len(way) - 1, -1, -1) if self.object.after(way[n].state, c)), None)
        while last and way[last - 1].state == way[last].state:
            last -= 1
        return None if last is None else self._row(part, way[last].number)

    def _helpful(self, part: Part, found: Found) -> list[int]:
        """The operations without any one of which the history would go on."""
        start = max(0, found.level - BACK)
        until = min(found.level + AHEAD, len(part.levels))
        since = part.operations[part.levels[start - 1].number].ret if start else -1
        near = [x.number for x in part.levels[start : found.level + 1] if part.operations[x.number].call > since]
        return [i for i in near[: -TRIED - 1 : -1] if part.without(found, i, start, until)]

    def _row(self, part: Part, i: int) -> dict[str, Any]:
        o = part.operations[i]
        end = o.done.number if o.done and o.known else None
        shown = self.object.call(o, part.classes[i])
        return {"operation": shown, "process": o.process, "call": o.at.number, "return": end}

    # ── JSON ──

    def data(self) -> dict[str, Any]:
        h = self.history
        return {
            "history": h.name,
            "object": self.object.name,
            "verdict": self.verdict,
            "operations": len(h.operations),
            "failed": h.failed,
            "unknown": h.unknown,
            "ignored": h.ignored,
            "keys": [
                {"key": self._key(p), "operations": len(p.operations), **_counts(self.found.get(k))}
                for k, p in self.parts.items()
            ],
            "seconds": round(self.seconds, 3),
            "witness": {n: getattr(self.witness, n) for n in Witness.__dataclass_fields__} if self.witness else None,
        }

    # ── text ──

    def lines(self) -> list[str]:
        h, w = self.history, self.witness
        ways = sum(f.configurations for f in self.found.values())
        keys = f" on {len(self.parts):,} keys" if len(self.parts) > 1 else ""
        counts = f"  {len(h.operations):,} operations{keys}, {h.unknown:,} without a known outcome, {h.failed:,} failed; "
        counts += f"{ways:,} configurations, {self.seconds:.2f} s"
        if w:
            return [self._cut(x) for x in [f"REJECT  {self._place(w)}", counts, *self._told(w)]]
        if self.verdict == "accept":
            return [f"ACCEPT  {h.name}: linearizable, by {self.object.name}", counts]
        return [f"INCONCLUSIVE  {h.name}: more than {MOST:,} configurations{_where(self._key(self.parts[self.bad[0]]))}", counts]

    def _place(self, w: Witness) -> str:
        o = w.operation
        where = _where(w.key)
        return f"{self.history.name}:{o['return']}{where}: nothing explains `{o['operation']}` by {self.object.name}"

    def _told(self, w: Witness) -> list[str]:
        out = ["", "the operation that has no place:", *_table([w.operation])]
        if w.fitted:
            out.append(f"    it would have fitted last right after `{w.fitted['operation']}` of {_span(w.fitted)}")
        shown = w.states[:VALUES]
        more = f" or {len(w.states) - VALUES} others" if len(w.states) > VALUES else ""
        out += ["", "possible when it was to take effect:", f"    {' or '.join(shown)}{more}"]
        longest = f"the longest order that is explained has {w.length:,} of {w.of:,} operations; its end:"
        out += ["", longest, *_table(w.prefix)] if w.prefix else []
        if w.concurrent:
            over = len(w.concurrent) - OPEN
            out += ["", "concurrent with it, not answered yet:", *_table(w.concurrent[:OPEN])]
            out += [f"    and {over} more"] if over > 0 else []
        out += ["", "it would go on without any one of:", *_table(w.without[:OPEN])] if w.without else []
        return out

    def _cut(self, text: str) -> str:
        return text if len(text) <= 200 else text[:198] + " …"


def _counts(found: Found | None) -> dict[str, Any]:
    return {"verdict": found.verdict, "configurations": found.configurations} if found else {"verdict": None, "configurations": 0}


def _span(r: dict[str, Any]) -> str:
    if r["return"] in (None, r["call"]):
        return f"line {r['call']}" + ("" if r["return"] else ", never answered")
    return f"lines {r['call']}-{r['return']}"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    wide = min(60, max(len(r["operation"]) for r in rows))
    lead = max(len(_span(r)) for r in rows)
    return [
        f"    {_span(r):{lead}}  process {r['process']!s:4} {r['operation']:{wide}}" + (f"  {r['state']}" if "state" in r else "")
        for r in rows
    ]


def _where(key: Any) -> str:
    if isinstance(key, list):
        return f", keys {', '.join(map(_json, key[:VALUES]))}{f' and {len(key) - VALUES} more' if len(key) > VALUES else ''}"
    return "" if key is None else f", key {_json(key)}"


def _json(x: Any) -> str:
    return msgspec.json.encode(x).decode() if x is not MISSING else "missing"


def fitting(operations: list[Operation]) -> str:
    """The shipped object that has all operations of a history; `register` if none has, `transactions` if there are some."""
    from checker import load

    names = {o.f for o in operations}
    if any(kind(f) == "txn" for f in names):
        return NAME
    able = [n for n in OBJECTS if all(has(load(n), f) for f in names)]
    empty = any(o.answer == "" for o in operations) and not any(o.given == "" for o in operations)
    return "append_register" if empty and "append_register" in able else next(iter(able), OBJECTS[0])  # texts are empty at first


def _apart(
    operations: list[Operation], spec: str, instance: str | None, whole: bool
) -> tuple[Object | Store, dict[str, list[Operation]]]:
    """The object, and the operations of each of its parts: of one key, or of keys that transactions connect."""
    from checker import load
    from checker.answer import Rejected

    if spec == NAME:
        store = Store(operations)
        operations = list(filter(store.matters, operations))
        found = [operations] if whole else components(store, operations)
        return store, {store.names(g): g for g in found}
    model = load(spec)
    try:
        obj = Object(model, operations, instance)
    except (BindError, AssumptionFails) as error:
        raise Rejected(error, model, True) from None
    groups: dict[str, list[Operation]] = {}
    for o in operations:
        groups.setdefault("" if whole else _json(o.key), []).append(o)
    return obj, groups


def perform(file: str, spec: str | None, instance: str | None = None, whole: bool = False, most: int = MOST) -> Answer:
    """Reads a history and looks for an order; without a spec, of the shipped object that fits.  Raises Mistake, SpecErrors,
    Rejected."""
    started = time.perf_counter()
    history = read(Log(file), whole)
    obj, groups = _apart(history.operations, spec or fitting(history.operations), instance, whole)
    parts = {k: Part(obj, group) for k, group in groups.items()}
    found: dict[str, Found] = {}
    for k, part in parts.items():
        found[k] = part.search(most)
        if found[k].verdict == "reject":
            break
    return Answer(history, obj, parts, found, time.perf_counter() - started)


__all__ = ["Answer", "Mistake", "perform"]
