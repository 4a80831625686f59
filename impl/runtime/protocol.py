"""What a spec leaves open and a cluster has to know: when spontaneous actions are tried, and how large the sorts are.

`impl/<protocol>/__init__.py` gives it as `PROTOCOL`; a spec without one gets the defaults.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Timer:
    """When an action is tried: a random time between `low` and `high` seconds after it was last tried, or after one of
    `resets` happened (names of actions and handlers).  `eager`: as soon as it is enabled instead."""

    low: float = 0.05
    high: float = 0.15
    resets: tuple[str, ...] = ()
    eager: bool = False


EAGER = Timer(eager=True)


@dataclass(frozen=True)
class Protocol:
    """`timers`: by the name of the action (others: `default`).  `sizes`: of sorts and parameters that need no bound here.
    `client`: actions that happen only when a client asks, with the parameter that carries the request."""

    timers: dict[str, Timer] = field(default_factory=dict)
    default: Timer = Timer()
    sizes: dict[str, Any] = field(default_factory=dict)
    client: dict[str, str] = field(default_factory=dict)

    def timer(self, action: str) -> Timer:
        return self.timers.get(action, self.default)


def protocol_of(name: str) -> Protocol:
    """What `impl/<name>` says, or the defaults."""
    if not name.isidentifier() or importlib.util.find_spec(f"impl.{name}") is None:
        return Protocol()
    found = getattr(importlib.import_module(f"impl.{name}"), "PROTOCOL", None)
    return found if isinstance(found, Protocol) else Protocol()
