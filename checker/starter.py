"""The spec that `spectrace new` writes: small, commented, working, and about something (a lock over messages)."""

from __future__ import annotations

import re
from pathlib import Path

from checker.library import write
from checker.settings import Mistake

TEXT = """protocol NAME
    "A server hands one lock to one client at a time."

# Identities: as many as an instance says, and all alike.
sort Client

enum Phase = idle, waiting, holding

# Each copy sent is received once, in any order; at most so many are on their way.
network bag capacity 2 * len(Client)
message Ask
message Grant
message Done

single process Server
    var owner: Client? = none

    on Ask from c
        require owner == none       # a false `require` disables the whole step
        owner := c
        send Grant to c

    on Done from c
        owner := none

process Client
    var phase: Phase = idle

    action Request
        require phase == idle
        phase := waiting
        send Ask

    on Grant
        phase := holding

    action Release
        require phase == holding
        phase := idle
        send Done

# What must be true in every state that can be reached...
invariant Exclusive: forall a, b: Client. phase[a] == holding and phase[b] == holding implies a == b

# ...and what must be true in at least one: a protocol that does nothing is safe, too.
reachable Held: exists c: Client. phase[c] == holding

# `spectrace check NAME.spec` explores the first instance.  Without the `require` of the server it has a counterexample.
instance two: Client = 2
    expect holds

instance three: Client = 3
    expect holds
"""


def create(name: str) -> Path:
    """Writes NAME.spec.  Raises Mistake."""
    path = Path(name if name.endswith(".spec") else f"{name}.spec")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", path.stem):
        raise Mistake(f"`{path.stem}` cannot be the name of a protocol", "letters, digits and _, and a letter first: my_protocol")
    if path.exists():
        raise Mistake(f"{path} is there already", "take another name, or remove it first")
    write(path, TEXT.replace("NAME", path.stem))
    return path
