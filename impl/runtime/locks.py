"""A distributed lock with leases and fencing tokens, on the transactions of the replicated store and on nothing else.

Two keys: `lock/NAME` has the token, one more with every grant; `lease/NAME` has [owner, ttl, beat] while the lock is held.  No
clock of a server is asked.  Who finds the lock held waits until the lease has been the same for its whole time on his own
clock, and a margin for clocks that are not equally fast; only then he takes it (as the lock client of DynamoDB does).  The holder
counts from before he asked.  So two believe at the same time to hold a lock only if a clock is wrong.

Whoever stops for longer than his lease does not notice in time.  What the lock protects is safe nevertheless, if it refuses
tokens that are not the newest: in the store itself, a transaction on the condition `fence(lease)`.

The functions are generators: they yield a request, (op, args), and are sent its answer, or seconds to wait; whoever drives
them has the network and the clock (`client.Session.do` for real, `clients.Client` in a simulation).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

Request = tuple[str, tuple[Any, ...]]
Doing = Generator[Request | float, Any, Any]

MARGIN = 1.25  # of a lease's time: clocks may be 11% too fast or too slow
PAUSE = 0.05  # seconds until one who waits looks again


@dataclass(frozen=True)
class Lease:
    """A lock that was granted.  `until`: on the clock of its holder; `held`: what is stored of it."""

    name: str
    token: int
    until: float
    held: tuple[str, float, int]

    def valid(self, now: float) -> bool:
        return now < self.until


def fence(name: str, token: int) -> list[Any]:
    """The condition of a transaction under which nobody has been granted the lock since."""
    return [f"lock/{name}", token]


def acquire(name: str, owner: str, ttl: float, clock: Callable[[], float], patience: float = float("inf")) -> Doing:
    """A Lease, or None if the lock cannot be had within `patience` seconds."""
    begun, seen, since = clock(), None, 0.0
    while True:
        token, held = yield look(name)
        now = clock()
        if (token, held) != seen:
            seen, since = (token, held), now
        if held is None or now - since >= held[1] * MARGIN:
            lease = yield from _take(name, token, held, (owner, ttl, 0), clock)
            if lease:
                return lease
        elif now - begun >= patience:
            return None
        else:
            yield PAUSE


def look(name: str) -> Request:
    """What is stored of a lock: its last token and who holds it."""
    return "txn", ([], [["get", f"lock/{name}"], ["get", f"lease/{name}"]])


def _take(name: str, token: int | None, held: Any, mine: tuple[str, float, int], clock: Callable[[], float]) -> Doing:
    now, new = clock(), (token or 0) + 1
    puts = [["put", f"lock/{name}", new], ["put", f"lease/{name}", list(mine)]]
    done = yield "txn", ([[f"lock/{name}", token], [f"lease/{name}", held]], puts)
    return Lease(name, new, now + mine[1], mine) if done else None


def renew(lease: Lease, clock: Callable[[], float]) -> Doing:
    """The Lease for its whole time from now on; None if somebody else has been granted the lock, or it was released."""
    now, (owner, ttl, beat) = clock(), lease.held
    mine = (owner, ttl, beat + 1)
    conditions = [fence(lease.name, lease.token), [f"lease/{lease.name}", list(lease.held)]]
    done = yield "txn", (conditions, [["put", f"lease/{lease.name}", list(mine)]])
    return Lease(lease.name, lease.token, now + ttl, mine) if done else None


def renewed(name: str, token: int, clock: Callable[[], float]) -> Doing:
    """`renew` for whoever has only the token: a Lease, or None."""
    found, held = yield look(name)
    if found != token or held is None:
        return None
    return (yield from renew(Lease(name, token, clock(), (held[0], held[1], held[2])), clock))


def release(name: str, token: int) -> Doing:
    """Whether it was still held with this token, or by nobody since."""
    done = yield "txn", ([fence(name, token)], [["put", f"lease/{name}", None]])
    return done is not False
