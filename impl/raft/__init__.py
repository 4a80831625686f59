"""What specs/raft leaves open: the election timeout and the heartbeat (section 5.2, with the times of section 9.3), and what a
client's request is.  Terms, logs and commands need no bound here; what may have been lost is sent again.
"""

from checker.conformance.clients import Entries
from impl.runtime.kv import VALUES, Service
from impl.runtime.protocol import Protocol, Timer

PROTOCOL = Protocol(
    timers={
        "Timeout": Timer(0.15, 0.3, resets=("on AppendEntries", "on RequestVote", "Timeout")),
        "Heartbeat": Timer(0.03, 0.05, each=True),
    },
    sizes={
        "max_term": 1 << 40,
        "max_log": 1 << 40,
        "batch": 64,
        "Value": VALUES,
        "resend": True,
        "refusals": True,
        **dict.fromkeys(("requests", "votes", "appends", "replies"), 1 << 40),
    },
    service=Service("ClientRequest", "v", "Value", lambda state, me: state["role"] == "leader", Entries("log", "commitIndex", 1)),
)
