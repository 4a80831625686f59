"""The last step of a process that was killed: it may have left no line.

A process writes its line when a step is done.  If it is killed before that, others may have received what the step sent, and
what it stored is there when the process starts again.  `[unlogged]` of a binding says which event comes after such a step
(`when`), and what the step may have been (`do`).  It is tried where nothing else explains that event, and where a message is
received that nobody has sent: there has to be a step, in the state in which its sender was last, that sends it, and after which
the sender starts again as its log says.
Invariant: what is not told by a message or by the restart is not assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from checker.conformance.fields import MISSING, Getter
from checker.conformance.order import Event
from checker.conformance.pairs import Pairs
from checker.conformance.plans import Item
from checker.core.meaning import State

if TYPE_CHECKING:
    from checker.conformance.rules import Occasion
    from checker.conformance.search import Config, Played


@dataclass(frozen=True)
class Unlogged:
    """[unlogged], read."""

    when: Getter
    plans: list[list[Item]]


@dataclass(frozen=True, eq=False)
class Grave:
    """Where a process was when its log broke off, and how it started again (None: it has not)."""

    node: Any
    state: State
    pairs: Pairs
    used: tuple[int, ...]
    restart: Occasion
    after: State | None
    spent: frozenset[Any] = frozenset()  # the ids of messages that are known to be from its last step


Steps = Callable[["Config", list[Item], "Occasion"], Iterator["Played"]]
Explain = Callable[["Config", "Occasion"], Iterator["Config"]]


def buried(c: Config, o: Occasion, after: State) -> tuple[Grave, ...]:
    """The graves after an event with which a process has started again."""
    others = tuple(g for g in c.graves if g.node != o.event.node)
    return (*others, Grave(o.event.node, c.state, c.pairs, c.used, o, after))


def heard(c: Config, o: Occasion, kinds: Unlogged, steps: Steps, explain: Explain) -> Iterator[Config]:
    """The configurations in which the message that an event receives was sent by a step that left no line."""
    r = o.received
    if r is None or r.id is MISSING or c.pairs.get(r.id) is not None:
        return
    for i, g in enumerate([*c.graves, *_silenced(c, o)]):
        if r.id in g.spent or _later(o.event, g):
            continue
        said = {
            m: None for p in _last_steps(c, g, o, kinds, steps, explain) for m in p.sent if any(x.fits(m) for x in r.patterns)
        }
        spent = replace(g, spent=g.spent | {r.id})
        graves = (*c.graves[:i], spent, *c.graves[i + 1 :])
        for m in said:
            yield replace(c, pairs=c.pairs.changed({r.id: m}), graves=graves)


def _later(e: Event, g: Grave) -> bool:
    """Does the event know of what the process has done since?"""
    n = str(g.node)
    return n in g.restart.event.clock and e.clock.get(n, 0) > g.restart.event.clock[n]


def _last_steps(c: Config, g: Grave, o: Occasion, kinds: Unlogged, steps: Steps, explain: Explain) -> Iterator[Played]:
    then = replace(c, state=g.state, pairs=g.pairs, used=g.used, graves=(), waiting=())
    for plan in kinds.plans:
        for p in steps(then, plan, replace(g.restart, event=_merged(g.restart.event, o.event), args={})):
            if g.after is None or any(d.state == g.after for d in explain(replace(then, state=p.state), g.restart)):
                yield p


def _merged(restart: Event, e: Event) -> Event:
    """What is known of the step: the fields of the restart, and those of the line that tells of its message."""
    return replace(restart, data={**e.data, **restart.data})


def _silenced(c: Config, o: Occasion) -> Iterator[Grave]:
    """The sender, if its log has ended before the step that the event's clock knows of."""
    assert o.received
    senders = {p.known.get(len(p.message.full.fields) - 1) for p in o.received.patterns if p.message.sender}
    for sender in senders - {None} if o.event.lacks else ():
        if not any(g.after is None and g.restart.env["self"] == sender for g in c.graves):
            dead = replace(o, event=replace(o.event, data={}), env={"self": sender}, received=None, args={})
            yield Grave(sender, c.state, c.pairs, c.used, dead, None)


__all__ = ["Grave", "Unlogged", "buried", "heard"]
