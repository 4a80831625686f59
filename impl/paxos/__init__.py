"""What specs/paxos leaves open: when a proposer begins a ballot, and that it proposes as soon as it may."""

from impl.runtime.protocol import EAGER, Protocol, Timer

PROTOCOL = Protocol(
    timers={"Begin": Timer(0.15, 0.45, resets=("Begin", "Propose")), "Propose": EAGER},
    sizes={"rounds": 1 << 40},
)
