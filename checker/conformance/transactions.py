"""What transactions over the keys of a store mean, executed one after the other.

A transaction reads, writes and appends, in its order, if what it expects of some keys is so; a single `get`, `put` or `cas` is
one of one key.  A key without a value has None.  Invariant: nothing here knows of nodes, time or who else there is.

    get [key] · put [key, value] · cas [key, old, new] · txn [[[key, expected], …], [["get", key] | ["put", key, value], …]]
    and Jepsen's txn, of micro-operations: [["r", key, null], ["w", key, value], ["append", key, item], …]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = {
    "r": "r", "read": "r", "get": "r", "w": "w", "write": "w", "put": "w", "set": "w", "append": "append",
    "cas": "cas", "compareandset": "cas", "compare-and-set": "cas", "txn": "txn", "transact": "txn",
}  # fmt: skip
LONG = {"r": (2, 3), "w": (3,), "append": (3,)}  # items of a micro-operation


@dataclass(frozen=True)
class Txn:
    """`expects`: (key, value), all of which have to be so; `steps`: (kind, key, value), kind "r" | "w" | "append"."""

    expects: tuple[tuple[Any, Any], ...]
    steps: tuple[tuple[str, Any, Any], ...]

    @property
    def keys(self) -> list[Any]:
        return [k for k, _ in self.expects] + [k for _, k, _ in self.steps]

    @property
    def reads_only(self) -> bool:
        return all(kind == "r" for kind, _, _ in self.steps)

    def run(self, read: Callable[[Any], Any], write: Callable[[Any, Any], None], append: Callable[[Any, Any], None]) -> Any:
        """What each step finds (None where it does not read); None if something is not as expected."""
        if not all(read(k) == v for k, v in self.expects):
            return None
        return [self._step(step, read, write, append) for step in self.steps]

    def _step(self, step: tuple[str, Any, Any], read: Any, write: Any, append: Any) -> Any:
        kind, key, value = step
        return read(key) if kind == "r" else write(key, value) if kind == "w" else append(key, value)


def kind(op: Any) -> str | None:
    """ "r", "w", "append", "cas" or "txn", whatever it is called."""
    return KINDS.get(op.lstrip(":").lower().replace("_", "")) if isinstance(op, str) else None


def transaction(op: Any, args: Any) -> Txn | None:
    """The transaction that an operation with these arguments is; None if it is none."""
    match kind(op), args:
        case "r", [key]:
            return Txn((), (("r", key, None),))
        case ("w" | "append") as k, [key, value]:
            return Txn((), ((k, key, value),))
        case "cas", [key, old, new]:
            return Txn(((key, old),), (("w", key, new),))
        case "txn", [list(conditions), list(body)] if all(isinstance(x, list) and len(x) == 2 for x in conditions):
            return _body(tuple(map(tuple, conditions)), body)
    return None


def micro(body: Any) -> Txn | None:
    """The transaction of Jepsen's micro-operations; None if it is none."""
    return _body((), body) if isinstance(body, list) else None


def _body(expects: tuple[tuple[Any, Any], ...], body: list[Any]) -> Txn | None:
    if not all(isinstance(x, list) and x and len(x) in LONG.get(kind(x[0]) or "", ()) for x in body):
        return None
    return Txn(expects, tuple((kind(x[0]) or "", x[1], x[2] if len(x) > 2 else None) for x in body))


def execute(op: Any, args: Any, pairs: dict[str, Any]) -> Any:
    """Executes an operation of the store that `spectrace run` serves: its answer.  A write answers True, a `cas` whether it was
    done, a `txn` what each part answers, or False; what is no operation, None."""
    t = served(op, args)
    if t is None:
        return None

    def write(key: str, value: Any) -> None:
        pairs[key] = value
        if value is None:
            del pairs[key]

    found = t.run(pairs.get, write, write)
    if found is None:
        return False
    each = [x if step[0] == "r" else True for step, x in zip(t.steps, found, strict=True)]
    return each if op == "txn" else each[0]


def served(op: Any, args: Any) -> Txn | None:
    """The transaction that an operation of that store is; None if it is none."""
    t = transaction(op, args) if op in ("get", "put", "cas", "txn") else None
    if t is None or not all(isinstance(k, str) for k in t.keys) or (op == "txn" and not all(map(_served, args[1]))):
        return None
    return t


def _served(part: list[Any]) -> bool:
    return (part[0], len(part)) in (("get", 2), ("put", 3))
