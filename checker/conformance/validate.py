"""From a spec, a log and a binding to a verdict: accept, reject with a diagnosis, or inconclusive because a bound was hit.

Reads the log as a stream, twice if the cheap search rejects it; what is kept is the frontier and the last few events.
"""

from __future__ import annotations

import time
import tomllib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from checker.conformance.binding import Binding
from checker.conformance.fields import Reader
from checker.conformance.instance import instance_for
from checker.conformance.lines import Log
from checker.conformance.order import Event, Ordering
from checker.conformance.pairs import Pairs
from checker.conformance.properties import Properties, looks_at_network
from checker.conformance.rules import Kind, Rules
from checker.conformance.search import Config, Search
from checker.conformance.steps import Machine
from checker.core.bind import Instance
from checker.core.meaning import World, evaluate, initial_states
from checker.core.model import Model
from checker.library import shipped_binding
from checker.settings import Mistake

REMEMBERED = 48  # events kept for a diagnosis
AHEAD = 24  # events read ahead for one

EXITS = {"accept": 0, "reject": 14, "inconclusive": 20}


@dataclass
class Past:
    """An event that was explained, and the configurations before it."""

    event: Event
    kind: Kind
    before: list[Config]


@dataclass
class Stopped:
    """Where the search came to its end: the event that nothing explains, what was before it and what comes after it."""

    event: Event
    kind: Kind
    before: list[Config]
    past: list[Past]
    ahead: list[tuple[Event, Kind]]
    search: Search
    left: bool = False  # events that had to wait and then never fitted


@dataclass
class Result:
    """verdict: "accept", "reject", "inconclusive"."""

    verdict: str
    instance: Instance
    binding: Binding
    rules: Rules
    search: Search
    lines: int = 0
    events: int = 0
    explained: int = 0
    explanations: int = 0
    stopped: Stopped | None = None
    thorough: bool = False
    seconds: float = 0.0
    why: str = ""
    interrupted: bool = False  # somebody ended a log that was followed
    diagnosis: Any = None
    warnings: list[str] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)  # what stands in the lines: `post`, `post.term`

    @property
    def exit(self) -> int:
        return EXITS[self.verdict]


class Validation:
    """One spec, one binding, some logs."""

    def __init__(self, model: Model, binding: Binding, logs: list[Log], instance: str | None = None) -> None:
        try:
            self.reader = Reader(binding.fields)
        except Mistake as why:
            raise binding.mistake(why.text, "[fields]", why.hint) from None
        self.binding, self.logs = binding, logs
        self.instance = instance_for(model, binding, logs, self.reader, instance)
        for name in binding.skip:
            if name not in {p.name for p in self.instance.properties}:
                raise binding.mistake(f"{model.name} has no property `{name}`", name)

    def follow(self, on: bool) -> None:
        """Waits at the end of the logs for more, or not."""
        for log in self.logs:
            log.follow = on and not log.interrupted

    def run(self, follow: bool = False) -> Result:
        """The verdict; `follow`: once somebody ends the log, or it is rejected.  Raises Mistake for a log or a binding that
        cannot be read."""
        self.following = follow
        self.follow(follow)
        result = self._search(False)
        search = result.search
        if result.verdict == "reject" and (result.rules.quiet or (search.reorders and not search.lazy)):
            self.follow(self.following)
            result = self._search(True)
        return result

    def search(self, thorough: bool) -> Search:
        """A search from the beginning."""
        rules = Rules(self.binding, self.instance, self.reader)
        asked = looks_at_network(self.instance, self.binding.skip)
        doubles = any(a.kind == "duplication" for a in self.instance.actions)
        hollow = rules.messages.paired and self.instance.network != "fifo" and not asked and not doubles
        machine = Machine(self.instance, hollow)
        properties = Properties(machine, self.binding.skip)
        return Search(rules, machine, properties, Ordering(self.binding, self.reader), thorough)

    def _search(self, thorough: bool) -> Result:
        search = self.search(thorough)
        result = Result("accept", self.instance, self.binding, search.rules, search, thorough=thorough)
        started = time.perf_counter()
        try:
            return self._through(search, result)
        finally:
            result.seconds = time.perf_counter() - started

    def _through(self, search: Search, result: Result) -> Result:
        """Goes through all events."""
        frontier, past = self.start(search), deque[Past](maxlen=REMEMBERED)
        events = self.events(search, result)
        last: tuple[Event, Kind] | None = None
        for e, kind in events:
            found = search.advance(frontier, e, kind)
            if not found:
                self.follow(False)
                ahead = list(islice(_quietly(events), AHEAD))
                return self._rejected(result, _first(Stopped(e, kind, frontier, list(past), ahead, search)))
            past.append(Past(e, kind, frontier))
            if not kind.sets:
                search.acted.add(e.node)
            kind.seen += 1
            result.explained += 1
            frontier, last = found, (e, kind)
        done = search.frontier = search.finish(frontier)
        if not done and last:
            waits = frontier[0].waiting[0]
            return self._rejected(result, Stopped(*waits, frontier, list(past), [], search, left=True))
        result.explanations = len(done)
        return result

    def _rejected(self, result: Result, stopped: Stopped) -> Result:
        stopped.search.frontier = stopped.before
        result.verdict, result.stopped, result.explanations = "reject", stopped, len(stopped.before)
        if stopped.search.tally.cut:
            result.verdict, result.why = "inconclusive", stopped.search.tally.cut
        return result

    def start(self, search: Search) -> list[Config]:
        """The configurations before the first event."""
        used = (0,) * len(search.rules.quiet)
        states = islice(initial_states(self.instance), self.binding.states + 1)
        found = [Config(s, Pairs(), used) for s in states]
        if len(found) > self.binding.states:
            raise Mistake(f"{self.instance.model.name} has more than {self.binding.states:,} initial states here")
        right = [c for c in found if search.properties.breach(None, c.state) is None]
        search.broken = not right
        return right or found

    def events(self, search: Search, result: Result) -> Iterator[tuple[Event, Kind]]:
        """The events that mean something, counted."""
        for e in search.order.events(self.logs):
            result.lines += len(e.lines)
            kind = search.rules.kind(e)
            if kind is not None:
                result.events += 1
                result.fields.update(p for line in e.lines for p in _paths(line.data))
                yield e, kind
        if not result.lines:
            raise Mistake(f"{', '.join(log.name for log in self.logs)}: there are no lines in it")


def _first(s: Stopped) -> Stopped:
    """What stopped the search, if everything that explains the log so far has been waiting for one event: that event."""
    waits = {c.waiting[0][0].seq for c in s.before if c.waiting}
    at = next((i for i, p in enumerate(s.past) if waits == {p.event.seq}), None)
    if at is None or not all(c.waiting for c in s.before):
        return s
    p, later = s.past[at], [(p.event, p.kind) for p in s.past[at + 1 :]]
    return Stopped(p.event, p.kind, p.before, s.past[:at], [*later, (s.event, s.kind), *s.ahead], s.search)


def _paths(data: dict[str, Any]) -> Iterator[str]:
    """The fields of a line, and those of the objects in it."""
    for key, value in data.items():
        yield key
        if type(value) is dict:
            yield from (f"{key}.{k}" for k in value)


def _quietly(events: Iterator[tuple[Event, Kind]]) -> Iterator[tuple[Event, Kind]]:
    """The same, up to the first line that cannot be read: a diagnosis is no place for that."""
    try:
        yield from events
    except Mistake:
        return


def binding_beside(spec: str, traces: list[str]) -> str:
    """The binding that goes with a trace: `binding.toml`, or one of the spec's name, in its folder or those above; else the
    one that is shipped for the spec. Another one there that says of which `lines` it is goes before it, if it is of these.
    Raises Mistake."""
    name = Path(spec).stem.split("/")[-1]
    for trace in traces:
        folder = Path(trace).resolve().parent if trace != "-" else Path.cwd()
        for place in (folder, *list(folder.parents)[:2]):
            for file in (place / "binding.toml", place / f"{name}.toml"):
                if file.is_file():
                    return str(_better(file, trace) or file)
    if known := shipped_binding(name):
        return str((_better(known, traces[0]) if traces else None) or known)
    hint = "--binding FILE; docs/guides/validate.md says what one is"
    raise Mistake("which binding? there is no binding.toml beside the trace", hint)


def _better(file: Path, trace: str) -> Path | None:
    """A binding beside this one that says that it is for lines like the first ones of a trace."""
    others = [p for p in sorted(file.parent.glob("*.toml")) if p != file]
    first = list(islice(Log(trace), 8)) if others and trace != "-" else []
    for p in others if first else ():
        try:
            wanted = tomllib.loads(p.read_text(encoding="utf-8")).get("lines")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            continue
        if isinstance(wanted, str) and any(map(Reader().read(wanted), (line.data for line in first))):
            return p
    return None


__all__ = ["Result", "Stopped", "Validation", "World", "binding_beside", "evaluate"]
