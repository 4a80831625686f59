"""What a spec leaves open and a cluster has to know: when spontaneous actions are tried, and how large the sorts are.

`impl/<protocol>/__init__.py` gives it as `PROTOCOL`; a spec without one gets the defaults.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from impl.runtime.kv import Service


class Moment(NamedTuple):
    """What a node knows: its variables, and what it has heard lately of those of its kind (`Protocol.pulse`), by their
    identities."""

    state: dict[str, Any]
    heard: dict[Any, Any]


@dataclass(frozen=True)
class Timer:
    """When an action is tried: a random time between `low` and `high` seconds after it was last tried, or after one of
    `resets` happened (names of actions and handlers).  `eager`: as soon as it is enabled instead.  `each`: with every value of
    its parameters (else with some for which it is enabled).  `given`: names some of them, by the variables of the node, the
    identities of its process and a source of chance.  `unless`: not now, by how things are, the node's identity, and how things
    were when the action was last due (None: it was not): a failure detector, on which nothing safe depends."""

    low: float = 0.05
    high: float = 0.15
    resets: tuple[str, ...] = ()
    eager: bool = False
    each: bool = False
    given: Callable[[dict[str, Any], tuple[Any, ...], Random], dict[str, Any]] | None = None
    unless: Callable[[Moment, Any, Moment | None], bool] | None = None


EAGER = Timer(eager=True)


@dataclass(frozen=True)
class Protocol:
    """`timers`: by the name of the action (others: `default`).  `sizes`: of sorts and parameters that need no bound here.
    `service`: how it serves the clients of a key-value store; its action happens only when one asks.  `pulse`: what a node
    tells the others of its kind again and again, by its variables: numbers and texts.  `together`: processes that count as of
    one kind there."""

    timers: dict[str, Timer] = field(default_factory=dict)
    default: Timer = Timer()
    sizes: dict[str, Any] = field(default_factory=dict)
    service: Service | None = None
    pulse: Callable[[dict[str, Any]], Any] | None = None
    together: tuple[str, ...] = ()

    def timer(self, action: str) -> Timer:
        return self.timers.get(action, self.default)

    def alone(self, action: str) -> bool:
        """Does a node try this action of its own accord?"""
        return self.service is None or action != self.service.action


def protocol_of(name: str) -> Protocol:
    """What `impl/<name>` says, or the defaults."""
    if not name.isidentifier() or importlib.util.find_spec(f"impl.{name}") is None:
        return Protocol()
    found = getattr(importlib.import_module(f"impl.{name}"), "PROTOCOL", None)
    return found if isinstance(found, Protocol) else Protocol()
