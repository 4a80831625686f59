"""What specs/multi_paxos leaves open: when a proposer believes to be the leader, what a client's request is, and when a replica
asks for what it has missed.  Ballots and commands need no bound here; the slots do, as every acceptor has a map of them.
"""

from typing import Any

from impl.runtime.kv import VALUES, Service
from impl.runtime.protocol import Protocol, Timer


def committed(state: dict[str, Any], after: int) -> list[Any]:
    """The commands that a replica has executed from `after` on; None for a no-op."""
    return [entry.values[0] for entry in state["log"][after:]]


PROTOCOL = Protocol(
    timers={
        "Begin": Timer(0.5, 1.5, resets=("Begin", "Propose", "on Accepted")),
        "Miss": Timer(0.1, 0.2),
    },
    sizes={"ballots": 1 << 40, "slots": 64, "Command": VALUES},
    service=Service("Propose", "c", "Command", lambda state: state["phase"] == "leading", committed, replica="Replica"),
)
