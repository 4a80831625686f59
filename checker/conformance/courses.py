"""A validation that is under way and can be copied: where the original log and a changed one part, both go on from there.

`Explained` goes by a binding, `Recorded` by a record of `spectrace run`.  Invariant: what one copy does, another does not see.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, Protocol

from checker.conformance.order import Event, Ordering
from checker.conformance.record import Rejected, Replay
from checker.conformance.rules import Occasion, Rules
from checker.conformance.search import Config, Search
from checker.conformance.validate import Validation
from checker.settings import Mistake

UNREADABLE = count()


class Course(Protocol):
    """Takes events one by one."""

    order: Ordering
    light: bool  # a copy costs next to nothing

    def take(self, e: Event) -> bool:
        """Is this event explained?"""

    def end(self) -> bool:
        """Is the end of the log?"""

    def copy(self) -> Course: ...

    def same(self, other: Any) -> bool:
        """Whatever comes, will both take it alike?"""

    def meaning(self, e: Event) -> Any:
        """What is known of an event here: equal if two events say the same."""

    def title(self, e: Event) -> str:
        """What kind of event it is."""

    @property
    def cut(self) -> str:
        """Why a rejection may be wrong."""


class Explained:
    """The configurations that explain what came so far."""

    light = True

    def __init__(self, search: Search, frontier: list[Config], acted: frozenset[Any] = frozenset()) -> None:
        self.search, self.frontier, self.acted, self.order = search, frontier, acted, search.order

    @classmethod
    def of(cls, validation: Validation, thorough: bool) -> Explained:
        search = validation.search(thorough)
        return cls(search, validation.start(search))

    def copy(self) -> Explained:
        self.search.tally.cut = ""
        return Explained(self.search, self.frontier, self.acted)

    def take(self, e: Event) -> bool:
        self.search.acted = set(self.acted)
        try:
            kind = self.search.rules.kind(e)
            if kind is None:
                return True
            self.frontier = self.search.advance(self.frontier, e, kind)
        except Mistake:
            return False
        if not kind.sets:
            self.acted |= {e.node}
        return bool(self.frontier)

    def end(self) -> bool:
        return bool(self.search.finish(self.frontier))

    @property
    def cut(self) -> str:
        return self.search.tally.cut

    def same(self, other: Explained) -> bool:
        return self.acted == other.acted and _keys(self.frontier) == _keys(other.frontier)

    def meaning(self, e: Event) -> Any:
        rules = self.search.rules
        try:
            kind = rules.kind(e)
            return None if kind is None else (id(kind), e.node, e.clock, e.time, *_said(rules, rules.occasion(e, kind)))
        except Mistake:
            return next(UNREADABLE)

    def title(self, e: Event) -> str:
        try:
            kind = self.search.rules.kind(e)
        except Mistake:
            return "unreadable"
        return kind.title if kind else "ignored"


def _keys(frontier: Iterable[Config]) -> set[Any]:
    return {
        (tuple(c.state.values()), frozenset(c.pairs.items()), c.used, tuple(id(e.lines[0]) for e, _ in c.waiting))
        for c in frontier
    }


def _said(rules: Rules, o: Occasion) -> Any:
    """Everything that an event says: what is compared, the messages, the arguments of its steps."""
    steps = []
    for item in (item for plan in o.kind.plans for item in plan):
        n = item.count(o.event.data) if item.count else 1
        rounds = range(n) if isinstance(n, int) else ()
        steps.append((n, [[rules.arguments(o, call, i) for i in rounds] for call in item.calls]))
    looks = [[(id(look), v) for look, v in wanted] for wanted in (o.before, o.after)]
    return o.env, looks, o.received, o.sent, [(id(s), v) for s, v in o.sets], steps


class Recorded:
    """A record that is held against its spec."""

    cut, light = "", False

    def __init__(self, replay: Replay, order: Ordering) -> None:
        self.replay, self.order = replay, order

    def copy(self) -> Recorded:
        return Recorded(self.replay.copy(), self.order)

    def take(self, e: Event) -> bool:
        try:
            self.replay.line(e)
        except (Rejected, Mistake):
            return False
        return True

    def end(self) -> bool:
        try:
            self.replay.finish()
        except Rejected:
            return False
        return True

    def same(self, other: Recorded) -> bool:
        return bool(self.replay.position() == other.replay.position())

    def meaning(self, e: Event) -> Any:
        """Where it leads: all else that a line says has to be so."""
        after = self.copy()
        return (after.replay.position(), after.title(e)) if after.take(e) else next(UNREADABLE)

    def title(self, e: Event) -> str:
        return str(e.data.get("action") or e.data.get("event"))


__all__ = ["Course", "Explained", "Recorded"]
