"""A linearizable key-value store over any spec that orders commands in a log: get, put, cas, and transactions over several keys,
each exactly once.

Every command, reads too, goes through the log; a replica applies what is committed, in order.  A client numbers its requests and
sends one again, with its number, until it is answered; the machine remembers the last answer of each session, so a command
that is in the log twice is applied once.  A protocol says through a Service which entries are committed.

The machine remembers the SESSIONS sessions that were served last, by the order of the log, so all replicas remember the same.
One that it does not know may be new, or forgotten.  Its name tells, NAME@N: N commands had been executed when it began, so what
it has had executed came later.  `floor` is how many had been when the last command of a session that is forgotten was; a
session that began before and is not known is refused, and a command that is in the log again is never executed twice.

A command is a value of the spec's sort: the number that its bytes are, so every node knows what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from checker.conformance.clients import Entries, began
from checker.core.types import Id, Value
from checker.engines.python.node import Process
from impl.runtime.core import Core, Ready
from impl.runtime.wire import DECODER, ENCODER

LONGEST = 1000  # bytes of a command
SESSIONS = 10_000  # so many are remembered
VALUES = 1 << (8 * LONGEST + 8)  # so many commands there are


@dataclass(frozen=True)
class Service:
    """How a protocol serves clients: the action and parameter that take a command, which node can take one now, and where the
    commands are that are committed, in order (None: no command).  `replica`: the process that executes them, where it is not
    the one that takes them; then a client asks one of each."""

    action: str
    param: str
    sort: str
    ready: Callable[[dict[str, Value], Value], bool]
    committed: Callable[[dict[str, Value], int], list[Value]]
    replica: str | None = None

    def about(self, processes: Iterable[Process]) -> dict[str, Any] | None:
        """What a record says of it."""
        where = self.committed
        if not isinstance(where, Entries):
            return None
        executes = next(p.name for p in processes if self.executes(p))
        entries = {"log": where.log, "until": where.until, "part": where.part}
        return {"process": executes, "param": self.param, **entries, "sessions": SESSIONS}

    def takes(self, process: Process) -> bool:
        """Can nodes of this kind take a command?"""
        return self.action in process.spontaneous

    def executes(self, process: Process) -> bool:
        """Do nodes of this kind execute commands, and answer?"""
        return process.name == self.replica if self.replica else self.takes(process)


@dataclass(frozen=True)
class Command:
    """One request of a session.  op: "get" | "put" | "cas" | "txn"; `args`: the key and what is stored (cas: the old value
    first); of a transaction what has to be stored where, [[key, value], …], and what is done if it is, [["get", key] |
    ["put", key, value], …].  None is what a key without a value has."""

    session: str
    number: int
    op: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Refused:
    """Instead of an answer: why a command is not executed."""

    why: str


EXPIRED = Refused("the session has expired, as others were served since")


def session_name(name: str, executed: int) -> str:
    """The name of a session that begins when so many commands have been executed, at any replica."""
    return f"{name}@{executed}"


def sound(c: Command) -> bool:
    """Is it a request that the store knows?"""
    match c.op, c.args:
        case ("get", (str(),)) | ("put", (str(), _)) | ("cas", (str(), _, _)):
            return True
        case "txn", (list() as conditions, list() as body):
            pairs = all(isinstance(x, list) and len(x) == 2 and isinstance(x[0], str) for x in conditions)
            return pairs and all(_part(x) for x in body)
    return False


def _part(x: Any) -> bool:
    match x:
        case ["get", str()] | ["put", str(), _]:
            return True
    return False


def as_value(c: Command, sort: str) -> Id:
    """A command as an identity of the spec's sort.  Raises ValueError if it is too long."""
    data = b"\x01" + ENCODER.encode([c.session, c.number, c.op, *c.args])
    if len(data) > LONGEST:
        raise ValueError(f"a command of {len(data)} bytes; at most {LONGEST} fit")
    return Id(sort, int.from_bytes(data, "big"))


def as_command(v: Value) -> Command | None:
    """The command that a value is; None if it is none."""
    data = v.index.to_bytes((v.index.bit_length() + 7) // 8, "big")
    try:
        session, number, op, *args = DECODER.decode(data[1:])
    except (msgspec.DecodeError, ValueError, TypeError):
        return None
    known = isinstance(session, str) and isinstance(number, int) and isinstance(op, str)
    return Command(session, number, op, tuple(args)) if known else None


class Machine:
    """The replicated state: the pairs, and of the sessions that are remembered the last request, its answer, and when it was
    executed: as which command of all."""

    def __init__(self, most: int = SESSIONS) -> None:
        self.most = most
        self.pairs: dict[str, Any] = {}
        self.sessions: dict[str, tuple[int, Any, int]] = {}  # who was served last is last
        self.applied = self.floor = 0

    def last(self, session: str) -> tuple[int, Any]:
        """The number of the last request of a session, and its answer; (0, EXPIRED): it may have been forgotten."""
        number, answer, _ = self.sessions.get(session, (0, EXPIRED if began(session) < self.floor else None, 0))
        return number, answer

    def apply(self, c: Command) -> Any:
        """Executes a command, unless it has been, or may have been; its answer, or EXPIRED."""
        self.applied += 1
        last, answer = self.last(c.session)
        if c.number > last and answer is not EXPIRED:
            answer = self._execute(c)
            self.sessions.pop(c.session, None)
            self.sessions[c.session] = c.number, answer, self.applied
            if len(self.sessions) > self.most:
                _, _, self.floor = self.sessions.pop(next(iter(self.sessions)))
        return answer

    def _execute(self, c: Command) -> Any:
        if not sound(c):
            return None
        match c.op, c.args:
            case "get", (key,):
                return self.pairs.get(key)
            case "put", (key, value):
                return self._put(key, value)
            case "cas", (key, old, new):
                return self.pairs.get(key) == old and self._put(key, new)
            case "txn", (conditions, body):
                return all(self.pairs.get(k) == v for k, v in conditions) and [self._part(*x) for x in body]
        return None

    def _put(self, key: str, value: Any) -> bool:
        self.pairs[key] = value
        if value is None:
            del self.pairs[key]
        return True

    def _part(self, op: str, key: str, *value: Any) -> Any:
        """One part of a transaction: what a `get` finds, True of a `put`."""
        return self._put(key, *value) if op == "put" else self.pairs.get(key)


class Replica:
    """The machine of one node, and the clients that wait for an answer from it.  It is lost with the node and made again from the
    log."""

    make_machine = Machine

    def __init__(self, service: Service, process: Process) -> None:
        self.service, self.machine, self.applied = service, self.make_machine(), 0
        self.takes, self.executes = service.takes(process), service.executes(process)
        self.waiting: dict[tuple[str, int], Callable[[Any], None]] = {}

    def request(self, core: Core, c: Command, answer: Callable[[Any], None]) -> Ready | bool:
        """Takes a request: the step by which it gets into the log; True if it is answered, now or when it is executed; False if
        this node cannot.  Raises ValueError if it is too long."""
        last, known = self.machine.last(c.session)
        if c.number <= last or known is EXPIRED:
            if c.number >= last:  # else its client has gone on, with another answer
                answer(known)
            return True
        ready = None
        if self.takes and self.service.ready(core.state, core.address.identity):
            ready = core.attempt(self.service.action, {self.service.param: as_value(c, self.service.sort)})
            ready = ready and replace(ready, request=(c.session, c.number))
        waits = self.executes and (ready is not None or not self.takes)
        if waits:
            self.waiting[c.session, c.number] = answer
        return ready or waits

    def advance(self, state: dict[str, Value]) -> None:
        """Applies what is committed by now, and answers."""
        for v in self.service.committed(state, self.applied) if self.executes else ():
            self.applied += 1
            c = as_command(v) if v is not None else None
            if c is not None:
                result = self.machine.apply(c)
                answer = self.waiting.pop((c.session, c.number), None)
                if answer:
                    answer(result)
