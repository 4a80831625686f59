"""What people ask of a running cluster, from words to requests: `spectrace client`.

Each request is a function of a session and its words, and gives the answer and what is said of it.  What is wrong with the
words is a Mistake.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from checker.settings import Mistake, duration
from impl.runtime.client import Session
from impl.runtime.locks import acquire, fence, release, renewed

TTL, WAIT = "10s", "30s"
USAGE = {
    "get": "get KEY",
    "put": "put KEY VALUE",
    "cas": "cas KEY OLD NEW",
    "lock": f"lock NAME [--ttl {TTL}] [--wait {WAIT}]",
    "renew": "renew NAME TOKEN",
    "unlock": "unlock NAME TOKEN",
    "txn": "txn [if KEY VALUE | held NAME TOKEN]… [get KEY | put KEY VALUE]…",
}
NONE = "none"  # how people write what a key without a value has
Answer = tuple[Any, str]


def perform(session: Callable[[], Session], words: list[str], ttl: str, wait: str) -> Answer:
    """The answer (False: it could not be), and a line about it.  Raises Mistake."""
    op, *args = words
    if op not in USAGE:
        raise Mistake(f"`{op}` is no request", "; ".join(USAGE.values()))
    sizes = {"get": 1, "put": 2, "cas": 3, "lock": 1, "renew": 2, "unlock": 2}
    if len(args) != sizes.get(op, len(args)):
        raise Mistake(f"`{' '.join(words)}` is no request", USAGE[op])
    match op:
        case "txn":
            conditions, body = transaction(args)
            return _told(session().ask("txn", conditions, body), "another value")
        case "lock":
            return _lock(session(), args[0], duration(ttl), duration(wait))
        case "renew" | "unlock":
            name, number = args[0], token(args[1])
            doing = release(name, number) if op == "unlock" else renewed(name, number, time.monotonic)
            done = session().do(doing)
            return bool(done), "ok" if done else "another token"
    return _told(session().ask(op, *map(value, args)), "another value")


def _lock(session: Session, name: str, ttl: float, wait: float) -> Answer:
    lease = session.do(acquire(name, session.name, ttl, time.monotonic, wait))
    return (lease.token, str(lease.token)) if lease else (False, "held by another")


def _told(answer: Any, otherwise: str) -> Answer:
    if isinstance(answer, list):
        return answer, "\n".join(_told(x, otherwise)[1] for x in answer) or "ok"
    return answer, {True: "ok", False: otherwise, None: NONE}.get(answer) or str(answer)


def value(word: str) -> str | None:
    return None if word == NONE else word


def token(word: str) -> int:
    if not word.isdecimal():
        raise Mistake(f"`{word}` is not a token", "`lock NAME` gives one, a number")
    return int(word)


def transaction(words: list[str]) -> tuple[list[Any], list[Any]]:
    """The conditions and the parts of a transaction."""
    conditions: list[Any] = []
    body: list[Any] = []
    rest = iter(words)
    try:
        for word in rest:
            match word:
                case "if":
                    conditions.append([next(rest), value(next(rest))])
                case "held":
                    conditions.append(fence(next(rest), token(next(rest))))
                case "get":
                    body.append(["get", next(rest)])
                case "put":
                    body.append(["put", next(rest), value(next(rest))])
                case _:
                    raise Mistake(f"`{word}` is no part of a transaction", USAGE["txn"])
    except StopIteration:
        raise Mistake(f"`txn {' '.join(words)}` is cut off", USAGE["txn"]) from None
    return conditions, body
