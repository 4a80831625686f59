"""How many small changes of a log are noticed: the score of a spec and its binding on a log that they accept.

The original is validated once.  Where a mutant begins, the validation is copied and goes on with the changed lines, until nothing
explains an event, or the copy stands where the original does: then it explains the rest, too.  After many more events that are
explained it is not looked at further.

A mutant that is accepted is one of three.  *same*: the field is read, and both values mean the same to the binding; or the
order of the log tells of no difference.  *explained*: the log tells of something else, which the spec allows as well.
*unread*: nothing looks at the field here, so nothing could be noticed.  The first two are equivalent to the original; the
third is not, and counts against the score.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from checker.conformance.courses import Course
from checker.conformance.lines import Line
from checker.conformance.mutants import Mutant
from checker.conformance.order import Event
from checker.settings import Mistake

NEVER = "\0"  # a value that no field has
NEAR = 3  # events


@dataclass
class Outcome:
    """What came of a mutant.  `is_`: rejected, same, explained, unread or inconclusive; `distance`: events from the change
    to the rejection."""

    mutant: Mutant
    place: str
    title: str
    is_: str
    distance: int = 0
    at: str = ""

    def data(self) -> dict[str, Any]:
        m = self.mutant
        told = {"field": m.field, "old": m.old, "new": m.new} if m.kind == "field" else {}
        where = {"rejected_at": self.at, "distance": self.distance} if self.is_ == "rejected" else {}
        return {"kind": m.kind, "place": self.place, "event": self.title, **told, "outcome": self.is_, **where}


@dataclass
class Score:
    """Counts of mutants of one sort."""

    counts: Counter[str] = field(default_factory=Counter)
    distances: list[int] = field(default_factory=list)

    def add(self, o: Outcome) -> None:
        self.counts[o.is_] += 1
        if o.is_ == "rejected":
            self.distances.append(o.distance)

    @property
    def all(self) -> int:
        return self.counts.total()

    @property
    def rejected(self) -> int:
        return self.counts["rejected"]

    @property
    def different(self) -> int:
        """Those that are not equivalent to the original."""
        return self.all - self.counts["same"] - self.counts["explained"]

    def within(self, n: int) -> int:
        return sum(d <= n for d in self.distances)

    def data(self) -> dict[str, Any]:
        names = ("rejected", "same", "explained", "unread", "inconclusive")
        return {
            "mutants": self.all,
            **{n: self.counts[n] for n in names},
            "not_equivalent": self.different,
            "rejected_of_all": share(self.rejected, self.all),
            "rejected_of_not_equivalent": share(self.rejected, self.different),
            "at_the_change": share(self.within(0), self.rejected),
            f"within_{NEAR}": share(self.within(NEAR), self.rejected),
            "farthest": max(self.distances, default=0),
        }


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def scores(outcomes: Iterable[Outcome], key: Callable[[Outcome], Any]) -> dict[Any, Score]:
    """One score for each key, in the order in which they occur."""
    out: dict[Any, Score] = {}
    for o in outcomes:
        out.setdefault(key(o), Score()).add(o)
    return out


# ── where a mutant and the original part ─────────────────────────────────────────────────────────────────────────────────


@dataclass
class Parting:
    """The event at which a mutant begins, and how many of the original's it replaces by which."""

    mutant: Mutant
    at: int
    gone: int
    come: list[Event]


class Partings:
    """Finds the events of mutants.  Where each line is an event and the order is that of the file, that is simple; otherwise the
    changed lines are put in order again."""

    def __init__(self, course: Course, files: list[list[Line]]) -> None:
        self.course, self.files = course, files
        self.order = course.order
        self.events = list(self.order.events(files))
        self.position = {id(line): n for n, e in enumerate(self.events) for line in e.lines}
        self.single = self.order.grouping.by is None and self.order.grouping.begin is None
        self.simple = self.single and self.order.kind == "file" and not (self.order.binding.order.merge and len(files) > 1)

    def of(self, m: Mutant) -> Parting:
        lines = self.files[m.file]
        new = m.applied(lines)
        if m.kind == "field" and self.single and self._says(new[0]) != self._says(lines[m.at]):
            return self._ordered(m, [*lines[: m.at], *new, *lines[m.at + m.span :]])
        if self.simple:
            at = self.position[id(lines[m.at])]
            return Parting(m, at, m.span, [self._event(line, at + i) for i, line in enumerate(new)])
        if self.single and m.kind == "field" and self.order.kind != "pairs":
            at = self.position[id(lines[m.at])]
            old, alone = self.events[at], self._event(new[0], at)
            if (alone.node, alone.clock, alone.time) == (old.node, old.clock, old.time):
                alone.seq, alone.early = old.seq, old.early
                return Parting(m, at, 1, [alone])
        return self._ordered(m, [*lines[: m.at], *new, *lines[m.at + m.span :]])

    def _says(self, line: Line) -> list[Any]:
        return self.order.agreement.says(line.data)

    def _event(self, line: Line, seq: int) -> Event:
        (e,) = self.order.events([[line]])
        e.seq = seq
        return e

    def _ordered(self, m: Mutant, lines: list[Line]) -> Parting:
        files = [*self.files[: m.file], lines, *self.files[m.file + 1 :]]
        new, old = list(self.order.events(files)), self.events
        start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if not _alike(a, b)), min(len(old), len(new)))
        most = min(len(old), len(new)) - start
        ends = zip(reversed(old), reversed(new), strict=False)
        end = next((i for i, (a, b) in enumerate(ends) if i >= most or not _alike(a, b)), most)
        return Parting(m, start, len(old) - start - end, new[start : len(new) - end])


def _alike(a: Event, b: Event) -> bool:
    return (
        (a.early, a.clash) == (b.early, b.clash)
        and len(a.lines) == len(b.lines)
        and all(x is y for x, y in zip(a.lines, b.lines, strict=True))
    )


# ── going through ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Mutation:
    """Tries mutants of a log.  `make()` gives the courses from its beginning: the cheap one first, the one that decides last.
    `horizon`: a mutant of which so many events more are explained is taken to be accepted."""

    def __init__(self, make: Callable[[], list[Course]], files: list[list[Line]], horizon: int) -> None:
        self.make, self.files, self.horizon = make, files, horizon
        self.partings = Partings(make()[-1], files)
        self.events = self.partings.events
        self.trails: list[list[Course]] = []  # where copies cost nothing: the course before each event, and after the last

    def accepted(self) -> Event | None:
        """Is the original accepted?  If not, the event that nothing explains."""
        for course in self.make():
            trail, bad = [course.copy()], None
            for e in self.events:
                if not course.take(e):
                    bad = e
                    break
                trail += [course.copy()] if course.light else []
            if course.light:
                self.trails.append(trail)
            if bad is None and not course.end():
                bad = self.events[-1]
        return bad

    def outcomes(self, mutants: list[Mutant]) -> list[Outcome]:
        """What comes of mutants, in the order of the log."""
        found = [(m, self._parting(m)) for m in mutants]
        todo = sorted((p for _, p in found if p), key=lambda p: p.at)
        out = [self._illegible(m) for m, p in found if p is None]
        courses, at = [] if self.trails else self.make(), 0
        for p in todo:
            if self.trails:  # a cheap course may have come to its end before
                courses = [t[p.at] for t in self.trails if p.at < len(t)]
            else:
                for e in self.events[at : p.at]:
                    courses = [c for c in courses if c.take(e)]
            at = p.at
            out.append(self._outcome(p, courses))
        return out

    def _parting(self, m: Mutant) -> Parting | None:
        """None: then not even its place in the order can be told."""
        try:
            return self.partings.of(m)
        except Mistake:
            return None

    def _illegible(self, m: Mutant) -> Outcome:
        line = self.files[m.file][m.at]
        title = self.make()[-1].title(self.events[self.partings.position[id(line)]])
        return Outcome(m, line.place, title, "rejected", 0, line.place)

    def _outcome(self, p: Parting, courses: list[Course]) -> Outcome:
        line = self.files[p.mutant.file][p.mutant.at]
        ends: tuple[int, Event, str] | None = None
        title = courses[-1].title(self.events[self.partings.position[id(line)]])
        trails: list[Any] = self.trails[len(self.trails) - len(courses) :] or [None] * len(courses)
        for course, trail in zip(courses, trails, strict=True):
            if (ends := self._run(course, trail, p)) is None:
                return Outcome(p.mutant, line.place, title, self._accepted(courses[-1], p))
        assert ends
        n, e, cut = ends
        if cut:
            return Outcome(p.mutant, line.place, title, "inconclusive")
        return Outcome(p.mutant, line.place, title, "rejected", max(0, n - max(len(p.come) - 1, 0)), e.place)

    def _run(self, course: Course, trail: list[Course] | None, p: Parting) -> tuple[int, Event, str] | None:
        """Where a mutant is rejected, counted from where it begins, and why that may be wrong; None if it is not."""
        mine, start, look = course.copy(), p.at + p.gone, 0
        original = None if trail else course.copy()
        for n, e in enumerate(p.come):
            if not mine.take(e):
                return n, e, mine.cut
        for e in self.events[p.at : start] if original else ():
            original = original if original and original.take(e) else None
        rest = self.events[start : start + self.horizon]
        for n, e in enumerate(rest):
            if n == look:
                there = trail[start + n] if trail and start + n < len(trail) else original
                if there and mine.same(there):
                    return None
                look = 2 * look + 1
            if not mine.take(e):
                return len(p.come) + n, e, mine.cut
            original = original if original and original.take(e) else None
        if start + len(rest) < len(self.events) or mine.end():
            return None
        return len(p.come) + len(rest) - 1, self.events[-1], mine.cut

    def _accepted(self, course: Course, p: Parting) -> str:
        """Which kind of mutant one is that is accepted."""
        m, old = p.mutant, self._mean(course, self.events[p.at : p.at + p.gone])
        if self._mean(course, p.come) != old:
            return "explained"
        if m.kind != "field":
            return "same"
        never = self._parting(replace(m, new=NEVER))
        unread = never is not None and never.at == p.at and self._mean(course, never.come) == old
        return "unread" if unread else "same"

    def _mean(self, course: Course, events: list[Event]) -> list[Any]:
        """What events say, without those that are ignored."""
        return [x for x in map(course.meaning, events) if x is not None]


_forked: Mutation


def tried(mutation: Mutation, mutants: list[Mutant], jobs: int) -> Iterator[Outcome]:
    """All outcomes, in several processes if that is worth it."""
    if jobs < 2 or len(mutants) < 2 * jobs or "fork" not in multiprocessing.get_all_start_methods():
        yield from mutation.outcomes(mutants)
        return
    global _forked
    _forked = mutation
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for found in pool.imap_unordered(_share, [mutants[i::jobs] for i in range(jobs)]):
            yield from found


def _share(mutants: list[Mutant]) -> list[Outcome]:
    return _forked.outcomes(mutants)


__all__ = ["Mutation", "Outcome", "Score", "scores", "share", "tried"]
