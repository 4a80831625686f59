"""What clients of a recorded run asked and were answered, held against what its nodes did.

The first line of a record says how a spec serves clients (`service`): which action and parameter take a command, and where the
commands are that were executed (`Entries`).  A command is the number that its bytes are: 1, then [client, number, operation,
…arguments] as msgpack.  So each answer can be told: the commands that any node has executed, in their order, are executed here
once more, by one store that has never seen a crash or a network.  Only what was asked before is executed, and an answer is that
of the store: so the order of execution explains the history of the clients, which is therefore linearizable.

A store that remembers only so many `sessions` (the first line says how many; else all) executes nothing of one that it may have
forgotten: NAME@N began when N commands had been executed, and is forgotten if that is fewer than `floor`, which is when the
last of those that were forgotten was served last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from checker.conformance.transactions import execute
from checker.core.types import Id, Value

DECODER = msgspec.msgpack.Decoder()
LATE = 1000  # a request is taken, and answered, before its client has asked so many more


class Unexplained(Exception):
    """What a client asked or was answered cannot be."""


@dataclass(frozen=True)
class Entries:
    """Where a node has the commands that are executed, in their order: the field number `part` of the entries of the sequence
    `log`, up to `until` (None: all).  An entry may have none."""

    log: str
    until: str | None
    part: int

    def __call__(self, state: dict[str, Value], after: int) -> list[Value]:
        """The commands after the first so many."""
        return [e.values[self.part] for e in state[self.log][after : self.count(state)]]

    def count(self, state: dict[str, Value]) -> int:
        """How many there are, in the variables of one node."""
        return len(state[self.log]) if self.until is None else state[self.until]


def command(v: Value) -> list[Any] | None:
    """[client, number, operation, arguments]; None if a value is no command."""
    if not isinstance(v, Id):
        return None
    data = v.index.to_bytes((v.index.bit_length() + 7) // 8, "big")
    try:
        client, number, op, *args = DECODER.decode(data[1:])
    except (msgspec.DecodeError, ValueError, TypeError):
        return None
    known = data[:1] == b"\x01" and isinstance(client, str) and type(number) is int and isinstance(op, str)
    return [client, number, op, args] if known else None


@dataclass
class Asked:
    """What one client asked (at one node, where those record it): number → (operation, arguments)."""

    requests: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    last: int = 0
    open: bool = False

    def add(self, number: int, what: tuple[Any, Any]) -> None:
        self.requests[number], self.last, self.open = what, number, True
        if len(self.requests) > LATE:
            del self.requests[next(iter(self.requests))]


class Clients:
    """The clients of a run, and the store as they should see it.  `service`: as the first line has it, None: it does not say."""

    most: int | None = None  # so many sessions are remembered

    def __init__(self, service: Any) -> None:
        self.process: str | None = None
        self.param = ""
        match service:
            case {"process": str(p), "param": str(a), "log": str(log), "until": None | str() as until, "part": int(part)}:
                self.process, self.param, self.entries = p, a, Entries(log, until, part)
                most = service.get("sessions")
                self.most = most if type(most) is int else None
        self.asked: dict[tuple[Any, Any], Asked] = {}  # (node, client) or (client, None)
        self.executed = 0
        self.pairs: dict[Any, Any] = {}
        self.sessions: dict[Any, tuple[int, int]] = {}  # client → its last number, and as which command of all it was executed
        self.commands = self.floor = 0
        self.answers: dict[Any, dict[int, Any]] = {}  # client → number → answer

    def copy(self) -> Clients:
        """Others at the same place."""
        other = object.__new__(Clients)
        other.__dict__.update(self.__dict__)
        other.asked = {k: Asked(dict(a.requests), a.last, a.open) for k, a in self.asked.items()}
        other.pairs, other.sessions = dict(self.pairs), dict(self.sessions)
        other.answers = {k: dict(v) for k, v in self.answers.items()}
        return other

    def position(self) -> Any:
        """Equal for two that will take the same lines alike."""
        return self.asked, self.executed, self.pairs, self.sessions, self.answers

    # ── what they say ──

    def invoke(self, d: dict[str, Any]) -> None:
        """A client asks.  Raises Unexplained."""
        who, number = self._who(d), d["number"]
        asked = self.asked.setdefault(who, Asked())
        if who[1] is None and (number != asked.last + 1 or asked.open):
            waits = f" is not answered number {asked.last} yet" if asked.open else f"'s number {asked.last + 1} comes first"
            raise Unexplained(f"{who[0]} asks number {number}, and{waits}" if asked.open else f"{who[0]}{waits}")
        if number < asked.last:
            raise Unexplained(f"{who[1]} asks number {number} after number {asked.last}")
        asked.add(number, (d["op"], d["args"]))

    def returned(self, d: dict[str, Any]) -> None:
        """A client is answered what it has asked.  Raises Unexplained."""
        who, number = self._who(d), d["number"]
        name, asked = str(who[1] or who[0]), self.asked.get(who, Asked())
        if number not in asked.requests or (who[1] is None and not (asked.open and number == asked.last)):
            raise Unexplained(f"{name} has not asked number {number} here, or was answered before")
        if number == asked.last:
            asked.open = False
        if self.process is None:
            return
        known = self.answers.get(name, {})
        if number not in known:
            raise Unexplained(f"no node has executed what {name} asked as number {number}")
        if repr(known[number]) != repr(d.get("result")):
            raise Unexplained(f"{name}'s number {number}, {self._text(asked, number)}, has the answer {_json(known[number])}, "
                              f"and not {_json(d.get('result'))}")  # fmt: skip

    def _who(self, d: dict[str, Any]) -> tuple[Any, Any]:
        """Raises Unexplained."""
        if type(d["number"]) is not int or not isinstance(d.get("node"), str) or not isinstance(d.get("client"), str | None):
            raise Unexplained("it does not say which client asks, by number")
        return d["node"], d.get("client")

    def _text(self, asked: Asked, number: int) -> str:
        op, args = asked.requests[number]
        return f"{op} {_json(args)}"

    # ── what nodes do ──

    def taken(self, node: str, client: Any, number: Any, value: Value) -> None:
        """A node takes this command as a request of that client.  Raises Unexplained."""
        every = [self.asked.get(who) for who in ((node, client), (client, None))] if isinstance(client, str) else []
        what = next((a.requests[number] for a in every if a and type(number) is int and number in a.requests), None)
        if what is None:
            raise Unexplained(f"the cause is what a client has asked, and {client} has not asked number {number}")
        if self.process is None:
            return
        found = command(value)
        if found is None or repr(found) != repr([client, number, *what]):
            told = _json(found[2:]) if found and found[:2] == [client, number] else _json(found) if found else "no command"
            raise Unexplained(f"{client}'s number {number} is {_json(what)} where it was asked, and {told} where it was taken")

    def advance(self, process: str, state: dict[str, Value]) -> None:
        """A node has these variables after a step: what was executed first there is executed here."""
        if process != self.process or self.entries.count(state) <= self.executed:
            return
        for v in self.entries(state, self.executed):
            self.executed += 1
            found = command(v) if v is not None else None
            if found:
                self._execute(*found)

    def _execute(self, client: Any, number: int, op: Any, args: list[Any]) -> None:
        self.commands += 1
        last = self.sessions.get(client)
        if number <= last[0] if last else number <= 0 or began(client) < self.floor:
            return
        self.sessions.pop(client, None)
        self.sessions[client] = number, self.commands
        if self.most is not None and len(self.sessions) > self.most:
            _, self.floor = self.sessions.pop(next(iter(self.sessions)))
        answers = self.answers.setdefault(client, {})
        answers[number] = execute(op, args, self.pairs)
        if len(answers) > LATE:
            del answers[next(iter(answers))]


def began(session: str) -> int:
    """How many commands had been executed when a session began, NAME@N; 0 if it does not say."""
    executed = session.rpartition("@")[2]
    return int(executed) if executed.isascii() and executed.isdecimal() and len(executed) < 20 else 0


def _json(x: Any) -> str:
    text = msgspec.json.encode(x).decode()
    return text if len(text) < 200 else text[:98] + " … " + text[-98:]


__all__ = ["Clients", "Entries", "Unexplained", "began", "command"]
