"""The set of configurations that explain a prefix of a log, event after event.

A configuration is a state of the spec, the messages on their way by their ids, the silent steps used, and the events that
wait because the order lets them come later. `advance` is the whole semantics: it gives every configuration that explains
one event more, equal ones once. A cheap search first takes silent steps and other orders only where nothing else explains
an event; what it accepts is accepted. What it rejects, `Search(…, thorough=True)` tries again with everything at every
event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from checker.conformance.fields import MISSING
from checker.conformance.messages import Letter, SentLine, Who
from checker.conformance.order import Event, Ordering
from checker.conformance.pairs import Added, Copy, Pairs
from checker.conformance.phrases import put
from checker.conformance.plans import Call, Item
from checker.conformance.properties import Properties
from checker.conformance.rules import Kind, Look, Occasion, Quiet, Rules
from checker.conformance.steps import Machine, TooOpen
from checker.conformance.unlogged import Grave, buried, heard
from checker.conformance.values import Foreign
from checker.core.meaning import Fault, Outcome, State, in_order
from checker.core.types import Rec, Value
from checker.settings import Mistake

Waiting = tuple[tuple[Event, Kind], ...]
WINDOW = 6  # so many events may wait at a time,
PATIENT = 256  # and so many if they wait only because they have to
FEW = 16  # ways to go on from where none can explain an event


@dataclass(slots=True)
class Config:
    """One explanation so far."""

    state: State
    pairs: Pairs
    used: tuple[int, ...]
    waiting: Waiting = ()
    graves: tuple[Grave, ...] = ()  # of processes whose last step may have left no line


@dataclass(slots=True)
class Played:
    """Where some steps of an event have led."""

    state: State
    sent: dict[Rec, int] = field(default_factory=dict)  # how often, in whatever order
    taken: bool = False
    actions: tuple[str, ...] = ()


@dataclass
class Note:
    """Why something does not explain an event (kept only for a diagnosis)."""

    kind: str  # before, blocked, fault, after, sent, twice, property, received, early, late, foreign
    config: Config
    call: Call | None = None
    state: State | None = None  # after the step, or where it was tried
    what: Any = None
    depth: int = 0


@dataclass
class Tally:
    """What a search has seen, for the report."""

    actions: dict[str, int] = field(default_factory=dict)
    silent: list[int] = field(default_factory=list)
    most: int = 1
    cut: str = ""


class Search:
    """Explains events by one instance."""

    def __init__(self, rules: Rules, machine: Machine, properties: Properties, order: Ordering, thorough: bool) -> None:
        self.rules, self.machine, self.properties, self.order, self.thorough = rules, machine, properties, order, thorough
        self.instance, self.binding = machine.instance, rules.binding
        self.tally = Tally(silent=[0] * len(rules.quiet))
        self.notes: list[Note] | None = None
        self.acted: set[Any] = set()
        self.broken = False  # every initial state violates a property, and no line has given another one
        self.frontier: list[Config] = []  # at the end
        self.keep = self.instance.network == "set"
        self.doubles = any(a.kind == "duplication" for a in self.instance.actions)  # the state says what is on its way
        self.reorders, self.lazy = order.kind == "time", rules.binding.order.lazy

    # ── one event ──

    def advance(self, frontier: list[Config], e: Event, kind: Kind) -> list[Config]:
        """The configurations that explain one event more."""
        try:
            return self._advance(frontier, e, kind)
        except Foreign as why:
            self._note(Note("foreign", frontier[0], what=why))
            return []

    def _advance(self, frontier: list[Config], e: Event, kind: Kind) -> list[Config]:
        o = self.rules.occasion(e, kind)
        if e.early or e.clash:
            self._note(Note("early", frontier[0]))
            return []
        if self.broken and not o.sets and all(self._breaks(c, None, c.state, None) for c in frontier):
            return []
        if not self.thorough:
            found = [c for f in frontier if not f.waiting for c in self.explain(f, o)]
            if found:
                return self._settled(frontier, found)
            found = self._distinct([c for f in self.silently(frontier, o, False) for c in self.explain(f, o)])
            found = found or self._distinct(list(self._after_unlogged(frontier, o)))
            if found or not self.reorders:
                return found
        start = self.silently(frontier, o, True) if self.rules.quiet else frontier
        found = [c for f in start for c in self._resumed(f, o)]
        if self.reorders and not (self.lazy and found):
            found += [c for f in start for c in self._postponed(f, e, kind)]
        return self._distinct(found)

    def _settled(self, frontier: list[Config], found: list[Config]) -> list[Config]:
        return found if len(found) == 1 else self._distinct(found)

    def _distinct(self, configs: list[Config]) -> list[Config]:
        """Equal ones once: of those that differ only in the silent steps used, those that used fewest."""
        if len(configs) < 2:
            return configs
        best: dict[Any, list[Config]] = {}
        for c in configs:
            waits = tuple(e.seq for e, _ in c.waiting)
            key = (tuple(c.state.values()), frozenset(c.pairs.items()), waits)
            alike = best.setdefault(key, [])
            if not any(_within(x.used, c.used) for x in alike):
                alike[:] = [x for x in alike if not _within(c.used, x.used)] + [c]
        out = [c for alike in best.values() for c in alike]
        self.tally.most = max(self.tally.most, len(out))
        if len(out) > self.binding.states:
            self.tally.cut = f"more than {self.binding.states:,} states explain a prefix (`states` in the binding)"
            out = out[: self.binding.states]
        return out

    # ── other orders ──

    def _postponed(self, c: Config, e: Event, kind: Kind) -> Iterator[Config]:
        if all(self.order.may_follow(w, e) for w, _ in c.waiting) and (c.waiting or not e.firm):
            window = PATIENT if self.lazy else WINDOW
            if len(c.waiting) < window:
                yield replace(c, waiting=(*c.waiting, (e, kind)))
            else:
                self.tally.cut = f"more than {window} events would have to wait"

    def _resumed(self, c: Config, o: Occasion) -> Iterator[Config]:
        """Explains an event, perhaps after some of those that wait; those that cannot wait longer must come first."""
        for i, (w, kind) in enumerate(c.waiting):
            rest = (*c.waiting[:i], *c.waiting[i + 1 :])
            if any(not self.order.may_wait(earlier, w) for earlier, _ in c.waiting[:i]):
                continue
            before = replace(c, waiting=())
            for d in self.explain(before, self.rules.occasion(w, kind)):
                yield from self._resumed(replace(d, waiting=rest), o)
        if all(self.order.may_wait(w, o.event) for w, _ in c.waiting):
            for d in self.explain(replace(c, waiting=()), o):
                yield replace(d, waiting=c.waiting)

    def finish(self, frontier: list[Config]) -> list[Config]:
        """What is left when everything that waits has come."""
        done, todo = [c for c in frontier if not c.waiting], [c for c in frontier if c.waiting]
        while todo and not done:
            todo = self._distinct([d for c in todo for d in self._one_more(c)])
            done = [c for c in todo if not c.waiting]
        return done

    def _one_more(self, c: Config) -> Iterator[Config]:
        for i, (w, kind) in enumerate(c.waiting):
            if all(self.order.may_wait(earlier, w) for earlier, _ in c.waiting[:i]):
                rest = (*c.waiting[:i], *c.waiting[i + 1 :])
                for d in self.explain(replace(c, waiting=()), self.rules.occasion(w, kind)):
                    yield replace(d, waiting=rest)

    # ── silent steps ──

    def silently(self, frontier: list[Config], o: Occasion, all_of: bool) -> list[Config]:
        """The configurations after silent steps, without those that took none unless `all_of`."""
        out, rows = list(frontier) if all_of else [], list(frontier)
        notes, self.notes = self.notes, None  # why a silent step is not possible is not why the event is not
        able = [(i, q) for i, q in enumerate(self.rules.quiet) if q.when(o.event.data)]
        for _ in range(max((q.silent.run for _, q in able), default=0)):
            rows = [d for c in rows for i, q in able for d in self._quiet(c, i, q, o)]
            rows = [c for c in self._distinct([*out, *rows]) if not any(c is x for x in out)]
            out += rows
            if not rows:
                break
        self.notes = notes
        return out

    def _quiet(self, c: Config, i: int, q: Quiet, o: Occasion) -> Iterator[Config]:
        if c.used[i] >= q.silent.limit:
            return
        used = (*c.used[:i], c.used[i] + 1, *c.used[i + 1 :])
        for p in self._plays(c, Played(c.state), q.plan, 0, o, True):
            if p.state is not c.state:
                yield Config(p.state, c.pairs, used, c.waiting, c.graves)

    # ── steps that left no line ──

    def _after_unlogged(self, frontier: list[Config], o: Occasion) -> Iterator[Config]:
        """What explains an event after a step whose process was killed before it could tell of it."""
        last, (notes, self.notes) = self.rules.last, (self.notes, None)
        if last is None:
            pass
        elif last.when(o.event.data):
            for c in frontier:
                for d in (replace(c, state=p.state) for plan in last.plans for p in self._quietly(c, plan, o)):
                    yield from (replace(x, graves=buried(c, o, x.state)) for x in self._explain(d, o))
        elif o.received is not None and self.machine.hollow:
            for c in frontier:
                for d in heard(c, o, last, self._quietly, self._explain):
                    yield from self._explain(d, o)
        self.notes = notes

    def _quietly(self, c: Config, plan: list[Item], o: Occasion) -> Iterator[Played]:
        yield from self._plays(c, Played(c.state), plan, 0, o, True)

    # ── explaining ──

    def explain(self, c: Config, o: Occasion) -> Iterator[Config]:
        """Every way in which an event may have happened in a configuration."""
        last = self.rules.last
        if last is not None and last.when(o.event.data):
            yield from (replace(d, graves=buried(c, o, d.state)) for d in self._explain(c, o))
        else:
            yield from self._explain(c, o)

    def _explain(self, c: Config, o: Occasion) -> Iterator[Config]:
        if o.sets:
            yield from self._set(c, o)
            return
        if not self._agree(c, o.before, o, c.state, "before"):
            return
        if o.received and o.received.patterns and not self._paired(c, o):
            return
        for plan in o.kind.plans:
            for p in self._plays(c, Played(c.state), plan, 0, o, False):
                if not self._agree(c, o.after, o, p.state, "after"):
                    continue
                for pairs in self._sent(c, o, p):
                    yield Config(p.state, pairs, c.used, (), c.graves)

    def _set(self, c: Config, o: Occasion) -> Iterator[Config]:
        if o.event.node in self.acted or (o.event.node is None and self.acted):
            self._note(Note("late", c))
            return
        state = c.state
        for s, v in o.sets:
            state = put(self.machine, state, s.path, o.env, v)
        if self._agree(c, o.after, o, state, "after") and not self._breaks(c, None, state, None):
            self.broken = False
            yield Config(state, c.pairs, c.used, (), c.graves)

    def _agree(self, c: Config, wanted: list[tuple[Look, Value]], o: Occasion, state: State, kind: str) -> bool:
        for look, want in wanted:
            try:
                got = self.machine.value(look.expr, o.env, state)
                due = self.machine.value(look.expr, o.env, c.state) if want is MISSING else want
            except Fault as fault:
                self._note(Note(kind, c, None, state, (look, want, fault)))
                return False
            if got != due:
                self._note(Note(kind, c, None, state, (look, want, got)))
                return False
            look.seen += 1
        return True

    def _plays(self, c: Config, p: Played, plan: list[Item], at: int, o: Occasion, quiet: bool) -> Iterator[Played]:
        """Every way through the rest of a plan."""
        if at == len(plan):
            if quiet or p.taken or not self._must_take(plan, o):
                yield p
            return
        item = plan[at]
        rows = [p]
        if item.kind in ("?", "*"):
            yield from self._plays(c, p, plan, at + 1, o, quiet)
        rounds = self._rounds(item, o)
        for i in range(rounds):
            rows = [r for q in rows for r in self._calls(c, q, item, i, o, quiet)]
            rows = self._told(_different(rows), o, quiet) if len(rows) > 1 else rows
            if not rows:
                return
            if item.kind == "*":
                for r in rows:
                    yield from self._plays(c, r, plan, at + 1, o, quiet)
        if item.kind == "*":
            self.tally.cut = f"more than {rounds} rounds of `*` (`repeat` in the binding)"
            return
        for r in rows:
            yield from self._plays(c, r, plan, at + 1, o, quiet)

    def _told(self, rows: list[Played], o: Occasion, quiet: bool) -> list[Played]:
        """Without those that have sent more than the lines tell of; of nothing but such a few, to say why."""
        if quiet or o.sent is None or not self.binding.send.complete:
            return rows
        lines = o.told
        for m in {m for r in rows for m in r.sent} - lines.keys():
            lines[m] = sum(any(p.fits(m) for p in line.patterns) for line in o.sent)
        told = [r for r in rows if all(lines[m] and (self.keep or n <= lines[m]) for m, n in r.sent.items())]
        return told or rows[:FEW]

    def _rounds(self, item: Item, o: Occasion) -> int:
        if item.kind == "n":
            n = item.count(o.event.data) if item.count else MISSING
            if not isinstance(n, int):
                raise Mistake(f"{o.event.place}: how often a step is to be taken is no number here")
            return n
        return self.binding.repeat if item.kind == "*" else 1

    def _must_take(self, plan: list[Item], o: Occasion) -> bool:
        return o.received is not None and any(call.action.receive for item in plan for call in item.calls)

    def _calls(self, c: Config, p: Played, item: Item, i: int, o: Occasion, quiet: bool) -> Iterator[Played]:
        for call in item.calls:
            if call.told and not self._meant(call, o):
                continue
            args = self._arguments(o, call, i)
            for message in self._messages(c, p, call, args, o, quiet):
                foreign = message is not None and not quiet and o.received is not None and o.received.open
                q = replace(p, state=self.machine.arrived(p.state, message)) if foreign and message is not None else p
                yield from self._step(c, q, call, self._addressed(args, message), message)

    def _addressed(self, args: dict[str, Value], message: Rec | None) -> dict[str, Value]:
        """The arguments of a step: who receives a message is whom it was sent to, also where the event names nobody."""
        decl = self.instance.messages[message.name] if message is not None else None
        if message is None or decl is None or not decl.to or "self" in args:
            return args
        return {**args, "self": message.values[len(decl.payload.fields)]}

    def _meant(self, call: Call, o: Occasion) -> bool:
        """Is the message that the event received one that this handler takes?"""
        receive = call.action.receive
        return o.received is not None and any(p.message.name == receive.message for p in o.received.patterns if receive)

    def _arguments(self, o: Occasion, call: Call, i: int) -> dict[str, Value]:
        known = o.args.setdefault(call, [])
        if not call.indexed:
            i = 0
        while len(known) <= i:
            known.append(self.rules.arguments(o, call, len(known)))
        return known[i]

    def _step(self, c: Config, p: Played, call: Call, args: dict[str, Value], message: Rec | None) -> Iterator[Played]:
        taken = p.taken or message is not None
        ways = 0
        try:
            for out in self.machine.outcomes(call.action, args, message, p.state):
                ways += 1
                if out.state is None:
                    self._note(Note("fault", c, call, p.state, (args, message, out.fault)))
                    continue
                state = out.state
                if not self._breaks(c, p.state, state, call):
                    self._count(call, out)
                    sent = {**p.sent, **{m: p.sent.get(m, 0) + out.sent.count(m) for m in out.sent}} if out.sent else p.sent
                    yield Played(state, sent, taken, (*p.actions, call.action.name))
        except TooOpen as why:
            raise Mistake(f"{self.binding.file}: {why}", f"give it: `args = {{ {why.name} = … }}`") from None
        if not ways:
            self._note(Note("blocked", c, call, p.state, (args, message), len(p.actions)))

    def _count(self, call: Call, out: Outcome) -> None:
        self.tally.actions[call.action.name] = self.tally.actions.get(call.action.name, 0) + 1

    def _breaks(self, c: Config, before: State | None, after: State, call: Call | None) -> bool:
        breach = self.properties.breach(before, after)
        if breach:
            self._note(Note("property", c, call, after, (breach, before)))
        return breach is not None

    def _note(self, note: Note) -> None:
        if self.notes is not None:
            self.notes.append(note)

    # ── messages ──

    def _paired(self, c: Config, o: Occasion) -> bool:
        """Is the message with this id on its way, is it what the event says, and between whom?"""
        r, me = o.received, o.env.get("self")
        assert r
        if r.open or r.id is MISSING:
            return True
        m = c.pairs.get(r.id)
        if self.machine.hollow and (m is None or not any(x.fits(m) for x in r.patterns)):
            self._note(Note("received", c, what=(r, m)))
            return False
        if not isinstance(m, Letter):
            return True
        to = m.to if m.to and me is not None and me not in m.to else None
        sender = r.sender if r.sender and m.sender is not None and m.sender not in r.sender else None
        if to or sender:
            self._note(Note("astray", c, what=(r, m, to, sender)))
        return not (to or sender)

    def _messages(
        self, c: Config, p: Played, call: Call, args: dict[str, Value], o: Occasion, quiet: bool
    ) -> Iterator[Rec | None]:
        """The messages that a step may receive: none for a plain action."""
        action = call.action
        if action.receive is None:
            yield None
            return
        decl, me = self.instance.messages[action.receive.message], args.get("self")
        r = None if quiet else o.received
        if (p.taken and r is not None) or (r is None and call.told and not quiet):
            return
        patterns = [x for x in r.patterns if x.message is decl] if r else []
        if r and not patterns:
            return
        if r and r.open:
            yield from self._invented(decl, patterns, me, o)
            return
        mine = len(decl.payload.fields)
        found = [
            m
            for m in self._there(c, p, decl, r.id if r else MISSING, me, patterns)
            if m.name == decl.name
            and (not decl.to or me is None or m.values[mine] == me)
            and (not r or any(x.fits(m) for x in patterns))
        ]
        yield from in_order(found)
        if not found:
            self._note(Note("received", c, call, p.state, (r, c.pairs.get(r.id) if r and r.id is not MISSING else None)))

    def _there(self, c: Config, p: Played, decl: Any, mid: Any, me: Value, patterns: list[Any]) -> Any:
        """The messages that are there to be received."""
        known = c.pairs.get(mid) if mid is not MISSING else None
        if self.machine.hollow:
            return [known] if known is not None else list(dict.fromkeys(m for _, m in c.pairs.items())) if mid is MISSING else []
        if mid is not MISSING and self.rules.messages.paired and known is None:
            return []
        whole = known or (patterns[0].whole() if len(patterns) == 1 else None)
        if whole is not None and self.instance.network in ("set", "bag"):
            return [whole] if whole in p.state[decl.var] else []
        there = self.machine.deliverable(p.state, decl, me)
        return [m for m in there if m == known] if known is not None else there

    def _invented(self, decl: Any, patterns: list[Any], me: Value, o: Occasion) -> Iterator[Rec]:
        """A message from outside of the log, which must be told whole."""
        for x in patterns:
            known = dict(x.known)
            if decl.to is not None and me is not None:
                known.setdefault(len(decl.payload.fields), me)
            fields = decl.full.fields
            open_ = [n for i, (n, _) in enumerate(fields) if i not in known]
            if open_:
                raise Mistake(f"{o.event.place}: of the message {decl.name} this line does not give {', '.join(open_)}")
            yield Rec(decl.name, tuple(known[i] for i in range(len(fields))))

    def _named(self, c: Config, mid: Any) -> Rec | None:
        """The message on its way with this id."""
        m = c.pairs.get(mid)
        if m is None or not self.doubles:
            return m
        decl = self.instance.messages[m.name]
        to = m.values[len(decl.payload.fields)] if decl.to else None
        return m if m in self.machine.deliverable(c.state, decl, to) else None

    def _addressed_by(self, c: Config, o: Occasion, add: Added) -> Added:
        """The messages with what their lines say of who is to receive them; to several, those that were said before, too."""
        assert o.sent is not None
        me, known = o.env.get("self"), dict[Any, Who]()
        for line in o.sent:
            if line.id in add and any(not p.message.to or not p.message.sender for p in line.patterns):
                before = known[line.id] if line.id in known else self._before(c, line)
                known[line.id] = before | line.to if before is not None and line.to else None
        return {i: Letter.of(m, known[i] or None, me) if i in known else m for i, m in add.items()}

    def _before(self, c: Config, line: SentLine) -> Who:
        old = c.pairs.get(line.id) if self.keep else None
        return frozenset() if old is None else old.to if isinstance(old, Letter) else None

    def _moved(self, pairs: Pairs, add: Added, gone: Any) -> Pairs:
        """What is on its way when some messages were sent, and one was received."""
        leaves = gone is not MISSING and gone not in add and pairs.get(gone) is not None
        if self.keep or self.doubles:
            return pairs.changed(add) if add else pairs
        if leaves and pairs.get(Copy(gone, 0)) is not None:
            gone = Copy(gone, pairs.spare(gone).number - 1)
        add = {pairs.spare(i) if i != gone and pairs.get(i) == m else i: m for i, m in add.items()}
        return pairs.changed(add, gone if leaves else None) if add or leaves else pairs

    def _sent(self, c: Config, o: Occasion, p: Played) -> Iterator[Pairs]:
        """The messages on their way after an event, one for each way to tell which is which."""
        gone = o.received.id if o.received and p.taken and not self.keep and not self.doubles else MISSING
        if o.sent is None:
            yield self._moved(c.pairs, {}, gone)
            return
        any_way = False
        for add in _matchings(o.sent, p.sent, self.binding.send.complete, self.keep):
            any_way, add = True, self._addressed_by(c, o, add) if self.rules.messages.letters else add
            twice = next((i for i, m in add.items() if i != gone and self._named(c, i) not in (None, m)), MISSING)
            if twice is MISSING:
                yield self._moved(c.pairs, add, gone)
            else:
                self._note(Note("twice", c, None, p.state, (twice, c.pairs.get(twice), add[twice])))
        if not any_way:
            self._note(Note("sent", c, None, p.state, (o.sent, [m for m, n in p.sent.items() for _ in range(n)])))


def _matchings(lines: list[SentLine], sent: dict[Rec, int], complete: bool, shared: bool) -> Iterator[Added]:
    """Every way in which the lines name the messages sent; `complete`: each message has its line.  `shared`: one message to
    several receivers may have several lines."""
    seen: set[Any] = set()
    for found, left in _assign(lines, sent, shared):
        key = tuple(found.items())
        if key not in seen and not (complete and left):
            seen.add(key)
            yield found


def _assign(lines: list[SentLine], sent: dict[Rec, int], shared: bool) -> Iterator[tuple[Added, bool]]:
    """Messages for all lines, and is one left over?  Depth first, without recursion: an event may send thousands."""
    if not lines:
        yield {}, bool(sent)
        return
    fits = [[m for m in sent if any(p.fits(m) for p in line.patterns)] for line in lines]
    named: Added = {}
    used, free = dict.fromkeys(sent, 0), len(sent) if shared else sum(sent.values())
    chosen: list[tuple[Rec, bool]] = []  # of each line, and does it name it first?
    ways = [iter(fits[0])]
    while ways:
        line = lines[len(ways) - 1]
        named_at = MISSING if line.lost else line.id
        if len(chosen) == len(ways):
            m, first = chosen.pop()
            used[m] -= 1
            free += not shared or not used[m]
            if first:
                del named[named_at]
        for m in ways[-1]:
            if (shared or used[m] < sent[m]) and named.get(named_at, m) == m:
                break
        else:
            ways.pop()
            continue
        free -= not shared or not used[m]
        used[m] += 1
        chosen.append((m, named_at is not MISSING and named_at not in named))
        if chosen[-1][1]:
            named[named_at] = m
        if len(ways) == len(lines):
            yield dict(named), free > 0
        else:
            ways.append(iter(fits[len(ways)]))


def _within(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))


def _different(rows: list[Played]) -> list[Played]:
    return list({(tuple(r.state.values()), frozenset(r.sent.items()), r.taken): r for r in rows}.values())


Explain = Callable[[Config, Occasion], Iterator[Config]]
