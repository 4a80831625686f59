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


def led(state: dict[str, Any], me: Any, heard: dict[Any, Any]) -> bool:
    """Does a proposer lead, this one or one with a higher ballot?  One that is left with too much that is not accepted, or with
    a gap before what is, leads no more."""
    ballot = -1 if state["ballot"] is None else state["ballot"]
    if any(b is not None and b > ballot for b in heard.values()):
        return True
    open_ = state["entries"].other(None, 0, state["next"] - 1)
    return state["phase"] == "leading" and len(open_) <= FEW and (not open_ or open_[-1] - open_[0] < len(open_))


FEW = 4  # so many proposals are under way when all is well


PROTOCOL = Protocol(
    timers={
        "Begin": Timer(0.5, 1.5, resets=("Begin",), unless=led),
        "Miss": Timer(0.1, 0.2),
    },
    sizes={"ballots": 1 << 40, "slots": 1 << 40, "Command": VALUES},
    pulse=pulse,
    service=Service(
        "Propose", "c", "Command", lambda state, me: state["phase"] == "leading", Entries("log", None, 0), replica="Replica"
    ),
)
