"""What specs/multi_paxos leaves open: when a proposer believes to be the leader, when commands come, and when a replica asks for
what it has missed.  Ballots need no bound here; the slots do, as every acceptor has a map of them.
"""

from impl.runtime.protocol import Protocol, Timer

PROTOCOL = Protocol(
    timers={
        "Begin": Timer(0.5, 1.5, resets=("Begin", "Propose", "on Accepted")),
        "Propose": Timer(0.02, 0.1),
        "Miss": Timer(0.1, 0.2),
    },
    sizes={"ballots": 1 << 40, "slots": 16, "Command": 64},
)
