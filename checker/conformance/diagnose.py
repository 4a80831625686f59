"""Why nothing explains an event: what each candidate runs into, what was expected, what is possible instead, what would help.

Everything is told by running the same search again from the last configurations, with notes; so a reason given is one that
the search had. Small changes of the log (a line less, two lines swapped, a step that left no line) are tried, and those
that help are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from checker.conformance.fields import MISSING
from checker.conformance.lines import Log
from checker.conformance.order import Event
from checker.conformance.reasons import Reasons
from checker.conformance.search import Config, Note, Search
from checker.conformance.validate import Result, Stopped
from checker.settings import Mistake

MOST_STATES = 4  # configurations that a diagnosis looks at
MOST_CANDIDATES = 6
HELPED = 6  # a remedy helps if so many events after it are explained, too


@dataclass
class Diagnosis:
    """What is told of a rejection.  `about`: "behaviour", "order" or "property"."""

    place: str
    line: dict[str, Any]
    reads_as: str
    about: str
    reasons: list[str]
    different: list[dict[str, Any]]
    enabled: list[str]
    before: list[str]
    related: list[str]
    remedies: list[str]
    property: str | None = None
    expected: dict[str, Any] = field(default_factory=dict)


class Doctor:
    """Diagnoses one rejection."""

    def __init__(self, result: Result, logs: list[Log]) -> None:
        assert result.stopped
        self.result, self.stopped, self.logs = result, result.stopped, logs
        self.search: Search = result.stopped.search
        self.words = Reasons(self.search)
        self.configs = self.stopped.before[:MOST_STATES]

    def diagnose(self) -> Diagnosis:
        s = self.stopped
        notes = self._notes()
        remedies = list(self._remedies())
        related, order = self._related()
        broken = any(n.kind == "property" for n in notes)
        about = "property" if broken else "order" if order or s.event.early or any(r[1] for r in remedies) else "behaviour"
        reasons, different = self.words.told(notes, s, MOST_CANDIDATES)
        return Diagnosis(
            s.event.place,
            dict(s.event.lines[0].data),
            self.words.reads_as(s.event, s.kind),
            about,
            reasons,
            different,
            self.words.enabled(self.configs[0], s.event),
            self._last(),
            related,
            [r[0] for r in remedies],
            next((n.what[0].property.name for n in notes if n.kind == "property"), None),
        )

    def _notes(self) -> list[Note]:
        self.search.notes = []
        try:
            self._try(self.configs, self.stopped.event)
            return self.search.notes
        finally:
            self.search.notes = None

    def _try(self, configs: list[Config], e: Event) -> list[Config]:
        """The configurations that explain an event; none if it cannot even be read."""
        try:
            kind = self.search.rules.kind(e)
            return self.search.advance(configs, e, kind) if kind else configs
        except Mistake:
            return []

    def _follow(self, configs: list[Config], events: list[Event]) -> int:
        """How many of these events are explained one after the other; none if that which was rejected still waits at the end."""
        for n, e in enumerate(events):
            configs = self._try(configs, e)
            if not configs:
                return n
        explained = any(all(e is not self.stopped.event for e, _ in c.waiting) for c in configs)
        return len(events) if explained else 0

    # ── what is around it ──

    def _last(self) -> list[str]:
        """The last events of the same node, or of all if the binding knows no nodes."""
        node = self.stopped.event.node
        own = [p for p in self.stopped.past if node is None or p.event.node == node]
        return [self.words.past(p.event, p.kind) for p in own[-3:]]

    def _related(self) -> tuple[list[str], bool]:
        """Where the message that was received was sent; and whether that is later in the log than where it was received."""
        m = self.search.rules.messages
        got = m.received(self.stopped.event) if m.id else None
        if got is None or got.id is MISSING or not m.sends:
            return [], False
        for log in self.logs:
            for line in log:
                sent = m.sent(Event([line], line.data)) or []
                if any(x.id == got.id for x in sent):
                    late = line.file == self.stopped.event.lines[0].file and line.number > self.stopped.event.lines[0].number
                    return [f"{line.place} sends it ({got.id})" + (", after it is received here" if late else "")], late
        return [f"no line of the log sends it ({got.id})"], False

    # ── what would help ──

    def _remedies(self) -> Iterator[tuple[str, bool]]:
        """(what would explain it, is that about the order?)"""
        e, after = self.stopped.event, [f for f, _ in self.stopped.ahead]
        tests = [self._swapped(e, after), self._earlier(e), self._missing(e, after), self._dropped(e, after)]
        found = [x for t in tests for x in list(t)[:2]]
        yield from found[:4]

    def _swapped(self, e: Event, after: list[Event]) -> Iterator[tuple[str, bool]]:
        for i, f in enumerate(after[:8]):
            rest = [*after[:i], *after[i + 1 :]]
            if self._follow(self.configs, [f, e, *rest[:HELPED]]) >= 2 + min(HELPED, len(rest)):
                yield f"{f.place} happening before it", _apart(f, [e, *after[:i]])
                return

    def _earlier(self, e: Event) -> Iterator[tuple[str, bool]]:
        past = self.stopped.past
        for i in range(1, min(8, len(past)) + 1):
            between = [p.event for p in past[-i:]]
            if self._follow(past[-i].before[:MOST_STATES], [e, *between]) == i + 1:
                yield f"this happening before {between[0].place}", _apart(e, between)
                return

    def _missing(self, e: Event, after: list[Event]) -> Iterator[tuple[str, bool]]:
        """A step of the spec that left no line."""
        ways = chain(self.words.steps(self.configs[0], e), self.words.faults(self.configs[0], e))
        for label, config in ways:
            broken = self.stopped.search.properties.breach(self.configs[0].state, config.state)
            if broken is None and self._follow([config], [e, *after[:HELPED]]) >= 1 + min(HELPED, len(after)):
                yield f"a step before it that left no line: {label}", False

    def _dropped(self, e: Event, after: list[Event]) -> Iterator[tuple[str, bool]]:
        if len(after) >= 2 and self._follow(self.configs, after[: 2 * HELPED]) >= min(2 * HELPED, len(after)):
            yield f"this line not being there: the next {min(2 * HELPED, len(after))} are explained without it", False


def _apart(e: Event, others: list[Event]) -> bool:
    """Could a log have an event on the wrong side of these?  Not if one is of the same node, which knows its own order."""
    return e.node is None or all(o.node != e.node for o in others)


def diagnose(result: Result, logs: list[Log]) -> Diagnosis:
    """Why a log is rejected."""
    return Doctor(result, logs).diagnose()


__all__ = ["Diagnosis", "Stopped", "diagnose"]
