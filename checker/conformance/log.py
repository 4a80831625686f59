"""Writes the log of one node, as `spectrace validate` reads it, from a program in Python.  Needs nothing but Python.

    log = EventLog("n1", "n1.ndjson")
    with log.step("recv", received=header, term=3) as step:      # or @log.step("tick") over a function
        header = step.send("n2", {"type": "vote", "term": 3})    # goes with the message, whatever carries it
        step["role"] = "leader"

A step is one atomic piece of work and becomes one line; its vector clock orders the logs of several nodes.
Invariant: the own entry of the clock grows by one with each line, and what was received is known before.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

Header = dict[str, Any]


class EventLog:
    """The log of one node.  `to`: a file, which is continued, or whatever has `write`.  `incarnation`: another one after each
    restart, if the ids of messages are to be unique; `clock`: that of the last line before it."""

    def __init__(self, node: str, to: str | Path | TextIO, incarnation: int = 0, clock: Mapping[str, int] | None = None) -> None:
        self.node, self.incarnation, self.clock = node, incarnation, dict(clock or {})
        self.out: TextIO = open(to, "a", encoding="utf-8") if isinstance(to, str | Path) else to  # noqa: SIM115  # as long as the node
        self.lock, self.sent = threading.RLock(), 0

    def step(self, ev: str, received: Header | None = None, **fields: Any) -> Step:
        """One step, as a context or a decorator.  `received`: the header that came with the message it handles."""
        return Step(self, ev, received, fields)

    def event(self, ev: str, **fields: Any) -> None:
        """A step of which nothing is to be said but its fields."""
        with self.step(ev, **fields):
            pass

    def known(self, other: Mapping[str, int]) -> None:
        """What a message tells is known now."""
        for node, n in other.items():
            self.clock[node] = max(n, self.clock.get(node, 0))

    def line(self, data: dict[str, Any]) -> None:
        self.out.write(json.dumps(data, separators=(",", ":"), default=str) + "\n")
        self.out.flush()


class Step(ContextDecorator):
    """One line in the making; fields can be set until it ends."""

    def __init__(self, log: EventLog, ev: str, received: Header | None, fields: dict[str, Any]) -> None:
        self.log, self.ev, self.received, self.fields = log, ev, received, fields
        self.data: dict[str, Any] = {}
        self.dropped = False

    def _recreate_cm(self) -> Step:
        return Step(self.log, self.ev, self.received, self.fields)

    def __enter__(self) -> Step:
        log = self.log
        log.lock.acquire()
        if self.received:
            log.known(self.received["vc"])
        log.clock[log.node] = log.clock.get(log.node, 0) + 1
        self.data = {"node": log.node, "ev": self.ev, **self.fields}
        if self.received:
            self.data |= {"src": self.received["src"], "mid": self.received["mid"]}
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, where: TracebackType | None) -> None:
        try:
            error = {"error": repr(why)} if why else {}
            if self.dropped and not why:
                self.log.clock[self.log.node] -= 1
            else:
                self.log.line({**self.data, **error, "vc": dict(self.log.clock)})
        finally:
            self.log.lock.release()

    def __setitem__(self, field: str, value: Any) -> None:
        self.data[field] = value

    def drop(self) -> None:
        """Nothing has happened, and nothing was sent: there is no line."""
        self.dropped = True

    def send(self, to: str, msg: Any = None, field: str = "sent", form: Callable[[str, Any, str], Any] | None = None) -> Header:
        """Notes that a message goes to a node; what must travel with it, for `step(…, received=…)` there."""
        log = self.log
        log.sent += 1
        mid = f"{log.node}.{log.incarnation}.{log.sent}"
        row = form(to, msg, mid) if form else {"to": to, "mid": mid, "msg": msg}
        self.data.setdefault(field, []).append(row)
        return {"src": log.node, "mid": mid, "vc": dict(log.clock)}


__all__ = ["EventLog", "Header", "Step"]
