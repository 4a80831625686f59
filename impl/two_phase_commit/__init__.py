"""What specs/two_phase_commit leaves open: when a resource manager decides, and how long the transaction manager waits."""

from impl.runtime.protocol import EAGER, Protocol, Timer

PROTOCOL = Protocol(
    timers={
        "Prepare": Timer(0.01, 0.1),
        "ChooseToAbort": Timer(0.5, 5.0),
        "DecideCommit": EAGER,
        "DecideAbort": Timer(1.0, 2.0),
    }
)
