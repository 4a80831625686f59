"""A store of many keys as a sequential object: its operations are transactions, each of which takes effect as a whole at one
moment between its call and its answer.  So what is looked for is strict serializability.

As for any object (`objects`), states and operations are numbers.  A value is one, by its JSON; a list that is appended to is one
by the list before and the item, so lists are as cheap as what is new in them.  A state is a tree over the keys, equal parts of
which are one, so that a transaction costs what it touches, however many keys there are.
Invariant: two states are the same number if and only if every key has the same value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from checker.conformance.fields import MISSING
from checker.conformance.histories import Operation
from checker.conformance.transactions import Txn, kind, micro, transaction
from checker.settings import Mistake

WIDE, BITS = 16, 4  # children of a part of a state
NIL = 0  # the value of a key that has none, and an empty list
BLUR = object()  # a value that nobody has observed
FORMS = 'a transaction is [["r", key, null], ["w", key, value], ["append", key, item], …]; docs/guides/linearizable.md'
NAME = "transactions"


@dataclass(frozen=True)
class Call:
    """What was asked and answered, in numbers.  `done`: were its expectations met, None: not known; `found`: of each step what it
    read, None: nothing, or not known."""

    txn: Txn
    done: bool | None
    found: tuple[int | None, ...]


class Store:
    """The object, for the keys and values of some operations.  Raises Mistake."""

    name = NAME

    def __init__(self, operations: list[Operation]) -> None:
        self.lists = any(k == "append" for o in operations for k in _kinds(o))
        self.values: dict[Any, int] = {None: NIL}
        self.shown: list[Any] = [None]  # a value, or (the list before, the item)
        self.keys: dict[str, int] = {}
        self.classes: dict[Call, int] = {}
        self.calls: list[Call] = []
        self.known: list[dict[int, tuple[int, ...]]] = []
        self.looked: list[int] = []
        self.asked = {id(o): self._call(o) for o in operations}
        self.read, self.items = set[tuple[int, int]](), set[tuple[int, int]]()
        self.refused: set[int] = set()
        steps = [step for c in self.asked.values() for step in c.txn.steps]
        self.grown = {k for kind_, k, _ in steps if kind_ == "append"}
        self.written = {(k, v) for kind_, k, v in steps if kind_ == "w"}
        self.needed = self._needed(operations)
        self.ways = self._ways()
        self.numbers = {id(o): self._class(self._blurred(o)) for o in operations}
        self.parts: dict[tuple[int, ...], int] = {}
        self.rows: list[tuple[int, ...]] = []
        empty, self.depth = self._part((NIL,) * WIDE), 0
        while WIDE << BITS * self.depth < len(self.keys):
            empty, self.depth = self._part((empty,) * WIDE), self.depth + 1
        self.initial = [empty]

    # ── what was observed ──

    def matters(self, o: Operation) -> bool:
        """May it be needed?  Without an answer, and if nobody has read or expected anything of what it writes, it need not have
        taken effect: nobody could tell."""
        return id(o) in self.needed

    def _needed(self, operations: list[Operation]) -> set[int]:
        """Those with an answer; those whose writes one of these has read or expected, or may have been refused for; and so on."""
        needed, left = set[int](), operations
        while more := [o for o in left if o.known or self._noticed(self.asked[id(o)])]:
            needed |= set(map(id, more))
            left = [o for o in left if id(o) not in needed]
            for o in more:
                self._observe(self.asked[id(o)])
        return needed

    def _noticed(self, c: Call) -> bool:
        seen = {"w": self.read, "append": self.items, "r": set[tuple[int, int]]()}
        return self._possible(c) and any(
            (k, v) in seen[kind_] or (kind_ != "r" and k in self.refused) for kind_, k, v in c.txn.steps
        )

    def _possible(self, c: Call) -> bool:
        """May all be so that an operation expects?"""
        return all(v == NIL or k in self.grown or (k, v) in self.written for k, v in c.txn.expects)

    def _observe(self, c: Call) -> None:
        """Notes the values that an operation has read or expects, the lists that they go on from, and the items in them."""
        self.refused |= {k for k, _ in c.txn.expects} if c.done is False and self._possible(c) else set()
        found = zip((k for _, k, _ in c.txn.steps), c.found, strict=True)
        for key, v in (*c.txn.expects, *((k, v) for k, v in found if v is not None)):
            while (key, v) not in self.read:
                self.read.add((key, v))
                if isinstance(x := self.shown[v], tuple):
                    v = x[0]
                    self.items.add((key, x[1]))

    def _ways(self) -> dict[int, tuple[set[int], int]]:
        """Of keys that are only appended to, the longest list that was read with all its beginnings: before that the list was
        one of these, and later it goes on from it."""
        mixed = {k for c in self.asked.values() for kind_, k, _ in c.txn.steps if kind_ == "w"}
        met, longest = set[tuple[int, int]](), dict[int, list[int]]()
        for c in self.asked.values():
            for (_, key, _), v in zip(c.txn.steps, c.found, strict=True):
                if v is not None and key not in mixed and (key, v) not in met:
                    way = [v]
                    while isinstance(x := self.shown[way[-1]], tuple):
                        way.append(x[0])
                    met |= {(key, w) for w in way}
                    longest[key] = max(way, longest.get(key, []), key=len)
        return {k: (set(way), way[0]) for k, way in longest.items()}

    def _blurred(self, o: Operation) -> Call:
        """What was asked and answered; if there is no answer, with one value for all that nobody has observed of a key, so that
        operations and states are the same which nobody could tell apart."""
        call = self.asked[id(o)]
        if o.known:
            return call
        blur = self._number(BLUR, msgspec.Raw(b"?"))
        seen = self.read | {(k, v) for kind_, k, v in call.txn.steps if kind_ != "w" or k in self.grown}
        steps = tuple((kind_, k, v if (k, v) in seen else blur) for kind_, k, v in call.txn.steps)
        return replace(call, txn=replace(call.txn, steps=steps))

    # ── operations ──

    def operation(self, o: Operation) -> int:
        """The number of what was asked and answered."""
        return self.numbers[id(o)]

    def reads_only(self, c: int) -> bool:
        return self.calls[c].txn.reads_only

    def touched(self, o: Operation) -> list[int]:
        """The keys of an operation."""
        return list(dict.fromkeys(self.calls[self.numbers[id(o)]].txn.keys))

    def every(self, operations: list[Operation]) -> list[Any]:
        """The keys of some operations, as they stand in the history."""
        names = list(self.keys)
        found = dict.fromkeys(k for o in operations for k in self.touched(o))
        return [msgspec.json.decode(names[k]) for k in found]

    def names(self, operations: list[Operation]) -> str:
        """The same, as a text."""
        return _text(self.every(operations))

    def _class(self, c: Call) -> int:
        if c not in self.classes:
            self.classes[c] = len(self.calls)
            self.calls.append(c)
            self.known.append({})
        return self.classes[c]

    def _call(self, o: Operation) -> Call:
        t = _asked(o)
        if t is None:
            raise Mistake(f"{o.at.place}: `{o.f}` of {_text(o.given)} is no transaction", FORMS)
        done, found = self._answered(o, t)
        key, value = self._key, self._value
        steps = tuple((k, key(x), value(v) if k != "r" else NIL) for k, x, v in t.steps)
        return Call(Txn(tuple((key(x), value(v)) for x, v in t.expects), steps), done, found)

    def _answered(self, o: Operation, t: Txn) -> tuple[bool | None, tuple[int | None, ...]]:
        """Was it done, and what did each step read, as far as is known?"""
        nothing = (None,) * len(t.steps)
        a = o.answer
        if not o.known:
            return None, nothing
        if t.expects and a is False:
            return False, nothing
        if kind(o.f) == "r":
            return True, nothing if a is MISSING else (self._value(a),)
        if kind(o.f) != "txn" or a is MISSING or a is None:
            return True, nothing
        if not isinstance(a, list) or len(a) != len(t.steps):
            raise Mistake(f"{o.done.place if o.done else o.at.place}: {_text(a)} is no answer to {_text(o.given)}", FORMS)
        filled = micro(a) if micro(o.given) else None
        read = [v for _, _, v in filled.steps] if filled else a
        return True, tuple(self._value(v) if k == "r" else None for (k, _, _), v in zip(t.steps, read, strict=True))

    def _key(self, x: Any) -> int:
        return self.keys.setdefault(_text(x), len(self.keys))

    def _value(self, v: Any) -> int:
        if self.lists and isinstance(v, list):
            n = NIL
            for x in v:
                n = self._appended(n, self._value(x))
            return n
        return self._number(None if v is None else _text(v), v)

    def _appended(self, before: int, item: int) -> int:
        return self._number((before, item), (before, item))

    def _number(self, key: Any, shown: Any) -> int:
        if key not in self.values:
            self.values[key] = len(self.shown)
            self.shown.append(shown)
        return self.values[key]

    def hides(self, c: int, before: int) -> bool:
        """Is nothing seen of an operation right before another?  Both only write, the later one all keys of the other."""
        a, b = self.calls[c].txn, self.calls[before].txn
        writes = not a.expects and not b.expects and all(kind == "w" for kind, _, _ in (*a.steps, *b.steps))
        return writes and set(b.keys) <= set(a.keys)

    # ── states ──

    def after(self, s: int, c: int) -> tuple[int, ...]:
        """The state that an operation leads to; none: it does not fit."""
        known = self.known[c]
        if s not in known:
            known[s] = self._outcome(s, self.calls[c])
        return known[s]

    def _outcome(self, s: int, c: Call) -> tuple[int, ...]:
        new: dict[int, int] = {}
        lost = False  # a list that does not lead to what was read of it

        def read(key: int) -> int:
            return new[key] if key in new else self.value_of(s, key)

        def append(key: int, item: int) -> None:
            nonlocal lost
            before = read(key)
            after = new[key] = self._appended(before, item)
            way, last = self.ways.get(key, ((), NIL))
            lost |= before in way and before != last and after not in way

        found = c.txn.run(read, new.__setitem__, append)
        if found is None:
            return () if c.done else (s,)
        if c.done is False or lost or any(w is not None and w != x for w, x in zip(c.found, found, strict=True)):
            return ()
        for key, v in new.items():
            s = self._put(s, key, v, self.depth)
        return (s,)

    def value_of(self, s: int, key: int) -> int:
        """The value of a key in a state."""
        for level in range(self.depth, -1, -1):
            s = self.rows[s][key >> BITS * level & WIDE - 1]
        return s

    def _put(self, s: int, key: int, v: int, level: int) -> int:
        row, i = self.rows[s], key >> BITS * level & WIDE - 1
        child = self._put(row[i], key, v, level - 1) if level else v
        return s if child == row[i] else self._part((*row[:i], child, *row[i + 1 :]))

    def _part(self, row: tuple[int, ...]) -> int:
        if row not in self.parts:
            self.parts[row] = len(self.rows)
            self.rows.append(row)
        return self.parts[row]

    # ── for people ──

    def look_at(self, c: int) -> None:
        """States are told by the keys of this operation."""
        self.looked = list(dict.fromkeys(self.calls[c].txn.keys))

    def state(self, s: int) -> str:
        names = list(self.keys)
        return ", ".join(f"{names[k]} = {self._told(self.value_of(s, k))}" for k in self.looked)

    def call(self, o: Operation, c: int) -> str:
        """An operation, as it was asked and answered."""
        call, names = self.asked[id(o)], list(self.keys)
        parts = [f"if {names[k]} = {self._told(v)}" for k, v in call.txn.expects]
        for (k, key, v), x in zip(call.txn.steps, call.found, strict=True):
            value = self._told(v) if k != "r" else "?" if x is None else self._told(x)
            parts.append(f"{k} {names[key]} {value}")
        return f"{o.f}({', '.join(parts)})" + (" → false" if call.done is False else "")

    def _told(self, v: int) -> str:
        return _text(self._plain(v))

    def _plain(self, v: int) -> Any:
        items: list[Any] = []
        while isinstance(x := self.shown[v], tuple):
            v, item = x
            items.append(self._plain(item))
        return [*([] if x is None else [x]), *items[::-1]] if items else x


def components(store: Store, operations: list[Operation]) -> list[list[Operation]]:
    """The operations apart by keys that no transaction connects, in the order in which they occur."""
    parent = list(range(len(store.keys)))

    def top(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    touched = [store.touched(o) for o in operations]
    for keys in touched:
        for k in keys[1:]:
            parent[top(k)] = top(keys[0])
    out: dict[int, list[Operation]] = {}
    for o, keys in zip(operations, touched, strict=True):
        out.setdefault(top(keys[0]) if keys else -1, []).append(o)
    return list(out.values())


def _kinds(o: Operation) -> list[str]:
    found = _asked(o)
    return [k for k, _, _ in found.steps] if found else []


def _asked(o: Operation) -> Txn | None:
    match kind(o.f):
        case "txn":
            return micro(o.given) or transaction("txn", o.given)
        case "r":
            return transaction("r", [o.key])
        case "cas":
            return transaction("cas", [o.key, *o.given]) if isinstance(o.given, list) else None
        case "w" | "append":
            return transaction(o.f, [o.key, o.given]) if o.given is not MISSING else None
    return None


def _text(x: Any) -> str:
    return "nothing" if x is MISSING else msgspec.json.encode(x).decode()


__all__ = ["NAME", "Store", "components"]
