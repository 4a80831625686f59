"""What specs/multi_paxos leaves open: when a proposer believes to be the leader, what a client's request is, and when a replica
asks for what it has missed.  Ballots, slots and commands need no bound here.
"""

from typing import Any

from checker.conformance.clients import Entries
from checker.core.types import Id
from impl.runtime.kv import VALUES, Service
from impl.runtime.protocol import Moment, Protocol, Timer


def pulse(state: dict[str, Any]) -> int | None:
    """The ballot that a proposer leads; how much a replica has executed."""
    if "log" in state:
        return len(state["log"])
    return state["ballot"] if state.get("phase") == "leading" else None


def waits(state: dict[str, Any]) -> Any:
    """The slots of which a leader does not know that its proposals are chosen, in order."""
    return state["entries"].other(None, 0, state["next"] - 1)


def executed(heard: dict[Any, Any]) -> int | None:
    """How much the replicas have executed, as far as they are heard."""
    return max((n for who, n in heard.items() if isinstance(who, Id)), default=None)


def stuck(now: Moment, before: Moment | None) -> bool:
    """Does a leader still wait for all that it waited for?  Or the replicas for what it knew to be chosen, as nobody has that
    decision any more?"""
    if not before or before.state["ballot"] != now.state["ballot"]:
        return False
    slots, first = waits(before.state), executed(now.heard)
    same = first is not None and first == executed(before.heard)
    lost = same and first < before.state["next"] and before.state["entries"][first] is None
    return lost or (bool(slots) and set(slots) <= set(waits(now.state)))


def in_time(now: Moment, me: Any, before: Moment | None) -> bool:
    """Is what a leader waits for first no longer what it was lately?"""
    slots = waits(now.state)
    same = before and before.state["ballot"] == now.state["ballot"] and waits(before.state)[:1] == slots[:1]
    return not (slots and same)


def led(now: Moment, me: Any, before: Moment | None) -> bool:
    """Does a proposer lead, this one or one with a higher ballot?  One whose proposals are not accepted leads no more."""
    ballot = -1 if now.state["ballot"] is None else now.state["ballot"]
    if any(b is not None and b > ballot for who, b in now.heard.items() if not isinstance(who, Id)):
        return True
    return now.state["phase"] == "leading" and not stuck(now, before)


PROTOCOL = Protocol(
    timers={
        "Begin": Timer(0.5, 1.5, resets=("Begin", "on Promise"), unless=led),
        "Again": Timer(0.05, 0.1, given=lambda state, ids, rng: {"s": (waits(state) or [0])[0]}, unless=in_time),
        "Miss": Timer(0.1, 0.2),
    },
    sizes={"ballots": 1 << 40, "slots": 1 << 40, "repeats": True, "Command": VALUES},
    pulse=pulse,
    together=("Proposer", "Replica"),
    service=Service(
        "Propose", "c", "Command", lambda state, me: state["phase"] == "leading", Entries("log", None, 0), replica="Replica"
    ),
)
