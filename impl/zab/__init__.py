"""What specs/zab leaves open: the oracle of phase 0 (a server that hears of no leader for a while names one, any), that a leader
commits as soon as it may, and what a client's request is.  Epochs, transactions and elections need no bound here.
"""

from random import Random
from typing import Any

from checker.conformance.clients import Entries
from impl.runtime.kv import VALUES, Service
from impl.runtime.protocol import EAGER, Moment, Protocol, Timer


def oracle(state: dict[str, Any], servers: tuple[Any, ...], rng: Random) -> dict[str, Any]:
    """Whom to name: who is next after the epoch that this server has accepted, as those with the same epoch will; if that came to
    nothing, anybody."""
    following = servers[state["accepted_epoch"] % len(servers)]
    failed = state["leader"] == following and state["phase"] != "broadcast"
    return {"l": rng.choice(servers) if failed else following}


def pulse(state: dict[str, Any]) -> list[Any]:
    """Whom a server follows, in which epoch and phase."""
    leader = state["leader"]
    return [None if leader is None else leader.index, state["current_epoch"], state["phase"]]


def followed(now: Moment, me: Any, before: Moment | None) -> bool:
    """Is this server in phase 3, and hears that its leader is, or as a leader that a majority follows it?"""
    state, heard = now
    leader, same = state["leader"], pulse(state)
    if state["phase"] != "broadcast":
        return False
    if leader != me:
        return bool(heard.get(leader) == same)
    followers = sum(p == same for p in heard.values())
    return bool(2 * (1 + followers) > len(state["stage"]))


HEARD = ("LEADERINFO", "NEWLEADER", "UPTODATE", "PROPOSAL", "COMMIT", "ACKEPOCH", "ACKLD", "ACK")

PROTOCOL = Protocol(
    timers={
        "Elect": Timer(0.4, 0.8, ("Elect", "Request", "Commit", *(f"on {m}" for m in HEARD)), given=oracle, unless=followed),
        "Commit": EAGER,
    },
    sizes={"max_epoch": 1 << 40, "max_txns": 1 << 40, "max_elections": 1 << 40, "Value": VALUES},
    pulse=pulse,
    service=Service(
        "Request",
        "v",
        "Value",
        lambda state, me: state["leader"] == me and state["phase"] == "broadcast",
        Entries("history", "delivered", 1),
    ),
)
