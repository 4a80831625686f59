"""What specs/multi_paxos leaves open: when a proposer believes to be the leader, what a client's request is, and when a replica
asks for what it has missed.  Ballots, slots and commands need no bound here.
"""

from typing import Any

from checker.conformance.clients import Entries
from impl.runtime.kv import VALUES, Service
from impl.runtime.protocol import Protocol, Timer


def pulse(state: dict[str, Any]) -> int | None:
    """The ballot that a proposer leads."""
    return state["ballot"] if state.get("phase") == "leading" else None


def waits(state: dict[str, Any]) -> Any:
    """The slots of which a leader does not know that its proposals are chosen, in order."""
    return state["entries"].other(None, 0, state["next"] - 1)


def stuck(state: dict[str, Any], before: dict[str, Any] | None) -> bool:
    """Does a leader still wait for all that it waited for?"""
    if not before or before["ballot"] != state["ballot"]:
        return False
    slots = waits(before)
    return bool(slots) and set(slots) <= set(waits(state))


def in_time(state: dict[str, Any], me: Any, heard: dict[Any, Any], before: dict[str, Any] | None) -> bool:
    """Is what a leader waits for first no longer what it was lately?"""
    now = waits(state)
    return not (now and before and before["ballot"] == state["ballot"] and waits(before)[:1] == now[:1])


def led(state: dict[str, Any], me: Any, heard: dict[Any, Any], before: dict[str, Any] | None) -> bool:
    """Does a proposer lead, this one or one with a higher ballot?  One whose proposals are not accepted leads no more."""
    ballot = -1 if state["ballot"] is None else state["ballot"]
    if any(b is not None and b > ballot for b in heard.values()):
        return True
    return state["phase"] == "leading" and not stuck(state, before)


PROTOCOL = Protocol(
    timers={
        "Begin": Timer(0.5, 1.5, resets=("Begin", "on Promise"), unless=led),
        "Again": Timer(0.05, 0.1, given=lambda state, ids, rng: {"s": (waits(state) or [0])[0]}, unless=in_time),
        "Miss": Timer(0.1, 0.2),
    },
    sizes={"ballots": 1 << 40, "slots": 1 << 40, "repeats": True, "Command": VALUES},
    pulse=pulse,
    service=Service(
        "Propose", "c", "Command", lambda state, me: state["phase"] == "leading", Entries("log", None, 0), replica="Replica"
    ),
)
