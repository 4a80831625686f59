"""Messages in a log: which of the spec's messages an object is, what it says of the fields, and which sends and receives
belong together.

`[message.M]` says when an object is an M (`when`, over the object's own fields) and where the fields of M are; a field of M
that is not mentioned is the field of the same name, and without a `when` the object's `type` (or `message`, `name`, `kind`)
is M.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from checker.conformance.binding import Binding
from checker.conformance.fields import MISSING, Fields, Getter, Reader, key_of
from checker.conformance.order import Event
from checker.conformance.values import Decoder, Unreadable
from checker.core.bind import Instance, Message
from checker.core.types import Rec, Type, Value
from checker.settings import Mistake, nearest


@dataclass
class Pattern:
    """What is known of a message: its kind, the values of some of its places (by position in the full record)."""

    message: Message
    known: dict[int, Value]

    def fits(self, m: Rec) -> bool:
        return m.name == self.message.name and all(m.values[i] == v for i, v in self.known.items())

    def whole(self) -> Rec | None:
        """The message itself, if everything of it is known."""
        n = len(self.message.full.fields)
        return Rec(self.message.name, tuple(self.known[i] for i in range(n))) if len(self.known) == n else None


Who = frozenset[Value] | None  # the identities that a name may be; None: nobody says, or it is none


class Letter(Rec):
    """A message with what the log says of the two ends of it where the spec does not: a message to all has no receiver."""

    to: Who = None
    sender: Value = None

    @staticmethod
    def of(m: Rec, to: Who, sender: Value) -> Letter:
        found = Letter(m.name, m.values)
        found.to, found.sender = to, sender
        return found


@dataclass
class Received:
    """The message that an event received, as far as it says.  `sender`: where the spec's message has none."""

    patterns: list[Pattern]
    id: Any
    open: bool
    sender: Who = None


@dataclass
class SentLine:
    """A message that an event sent, as far as it says.  `lost`: on the way, as the sender knows.  `to`: where the spec's message
    has no receiver."""

    patterns: list[Pattern]
    id: Any
    lost: bool
    to: Who = None


class Messages:
    """Reads messages by the binding."""

    def __init__(self, binding: Binding, instance: Instance, reader: Reader, decoder: Decoder) -> None:
        self.binding, self.instance, self.reader, self.decoder = binding, instance, reader, decoder
        self.unknown: Counter[str] = Counter()  # messages in the log that the binding has no kind for
        for name in binding.message:
            if name not in instance.messages:
                known = instance.messages
                what = f"{instance.model.name} has no message `{name}`"
                raise binding.mistake(what, f"message.{name}", nearest(name, known))
        self.kinds = {n: self._kind(n, m) for n, m in instance.messages.items()}
        self.parties = {n: self._parties(n) for n in instance.messages}
        self.anybody = self._parties(None)
        s, r = binding.send, binding.receive
        self.each, self.sent_message, self.lost = self._field(s.each), self._field(s.message), self._field(s.lost)
        self.sent_id, self.sent_to = self._maybe(s.id), self._maybe(s.to)
        self.when, self.message, self.id, self.sender = (
            self._field(r.when),
            self._field(r.message),
            self._maybe(r.id),
            self._maybe(r.sender),
        )
        self.sends = s.each != "[]"
        self.paired = self.sends and s.id is not None and r.id is not None
        kinds = instance.messages.values()
        self.letters = self.paired and (
            (s.to is not None and not all(m.to for m in kinds)) or (r.sender is not None and not all(m.sender for m in kinds))
        )

    def _field(self, text: Any) -> Getter:
        try:
            return self.reader.read(text)
        except Mistake as why:
            raise self.binding.mistake(why.text, text, why.hint) from None

    def _maybe(self, text: str | None) -> Getter | None:
        return None if text is None else self._field(text)

    def _kind(self, name: str, m: Message) -> tuple[Getter, list[tuple[int, Type, Getter, str]]]:
        given = dict(self.binding.message.get(name, {}))
        when = given.pop("when", f'"{name}" in [type, message, name, kind]')
        names = [n for n, _ in m.payload.fields]
        unknown = [k for k in given if k not in names]
        if unknown:
            have = f"it has {', '.join(names)}" if names else "it has none"
            raise self.binding.mistake(
                f"the message {name} has no field `{unknown[0]}`", unknown[0], nearest(unknown[0], names) or have
            )
        fields = [(i, t, self._field(given.get(n, n)), str(given.get(n, n))) for i, (n, t) in enumerate(m.payload.fields)]
        return self._field(when), fields

    # ── reading ──

    def received(self, e: Event) -> Received | None:
        """What an event says of the message it received; None: it received none that the spec has."""
        if not self.when(e.data):
            return None
        patterns = self._patterns(e, self.message(e.data))
        if self.sender is not None:
            for p in patterns:
                self._end(e, p, p.message.sender, -1, self.sender(e.data), str(self.binding.receive.sender))
        mid = key_of(self.id(e.data)) if self.id else MISSING
        sender = (
            self._who(self.anybody, self.sender(e.data)) if self.sender and not any(p.message.sender for p in patterns) else None
        )
        return Received(patterns, mid, self.binding.receive.open, sender) if patterns else None

    def sent(self, e: Event) -> list[SentLine] | None:
        """What an event says of the messages it sent; None: it says nothing of them."""
        if not self.sends:
            return None
        items = self.each(e.data)
        if not isinstance(items, list):
            return None
        out = []
        for item in items:
            data = {**e.data, self.binding.send.as_: item}
            patterns = self._patterns(e, self.sent_message(data))
            if not patterns:
                continue
            to: Who = None
            if self.sent_to is not None:
                for p in patterns:
                    at = len(p.message.payload.fields)
                    self._end(e, p, p.message.to, at, self.sent_to(data), str(self.binding.send.to))
                if self.paired and not any(p.message.to for p in patterns):
                    to = self._who(set().union(*(self.parties[p.message.name] for p in patterns)), self.sent_to(data))
            mid = key_of(self.sent_id(data)) if self.sent_id else MISSING
            out.append(SentLine(patterns, mid, bool(self.lost(data)), to))
        return out

    def _parties(self, message: str | None) -> set[Type]:
        """The types of those who receive a message (None: of all processes)."""
        actions = [a for a in self.instance.actions if a.params and a.params[0][0] == "self"]
        return {a.params[0][1] for a in actions if message is None or (a.receive and a.receive.message == message)}

    def _who(self, types: set[Type], raw: Any) -> Who:
        """Whom a field names, where it need not name anybody."""
        found = set()
        for t in types if raw is not MISSING else ():
            with suppress(Unreadable):
                found.add(self.decoder.read(t, raw))
        return frozenset(found) or None

    def _patterns(self, e: Event, data: Any) -> list[Pattern]:
        if not isinstance(data, dict):
            return []
        found = [n for n, (when, _) in self.kinds.items() if when(data)]
        if not found:
            self.unknown[_title(data)] += 1
        return [Pattern(self.instance.messages[n], self._known(e, n, data)) for n in found]

    def _known(self, e: Event, name: str, data: Fields) -> dict[int, Value]:
        known = {}
        for i, t, getter, text in self.kinds[name][1]:
            raw = getter(data)
            if raw is not MISSING:
                known[i] = self._read(e, t, raw, f"{text} of {name}")
        return known

    def _end(self, e: Event, p: Pattern, t: Type | None, at: int, raw: Any, text: str) -> None:
        if t is not None and raw is not MISSING:
            p.known[at % len(p.message.full.fields)] = self._read(e, t, raw, text)

    def _read(self, e: Event, t: Type, raw: Any, text: str) -> Value:
        return self.decoder.field(e, t, raw, text)


def _title(data: Fields) -> str:
    return str(next((data[k] for k in ("type", "message", "name", "kind") if k in data), "?"))
