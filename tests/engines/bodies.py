"""Random bodies of actions, as text: every kind of statement, kept to the rules of the language by construction.

The rules: what is assigned twice on a path is looked at in between, the runs of a `for` commute, and a process keeps to its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from phrases import Impossible, Phrases, Place, is_kin, literal, parts

from checker.core.types import BagOf, Int, MapOf, Option, Record, Seq, Set, Type

if TYPE_CHECKING:
    from models import Message, Process, Writer


def indent(lines: list[str]) -> list[str]:
    return [f"    {x}" if x else "" for x in lines]


class Body:
    """The statements of one action.  `pending`: plain variables assigned on this path (assigning them again needs a look
    first)."""

    def __init__(self, writer: Writer, process: Process | None, places: list[Place]) -> None:
        self.w, self.dice, self.world, self.process = writer, writer.dice, writer.world, process
        asks = writer.sent if process is None and writer.messages else None
        self.phrases = Phrases(self.dice, self.world, [*places, *self.world.params], asks)
        self.writable = [p for p in places if p.var]
        self.pending: set[str] = set()
        self.depth = 2

    def block(self, least: int, sends: Message | None = None) -> list[str]:
        """A guard, some statements, and a message if one is to be sent."""
        d, lines = self.dice, list[str]()
        if d.chance(45):
            lines += self.attempt(self.require)
        n = least - 1 + d.upto(2)
        for i in range(n):
            lines += self.attempt(self.statement)
            if sends and i == n // 2:
                lines += self.attempt(lambda: self.send(sends))
        if sends and not any(f"send {sends.name}" in x for x in lines):
            lines += self.attempt(lambda: self.send(sends))
        if self.w.ghosts and d.chance(60):
            lines += self.attempt(self.ghost)
        return lines or ["pass"]

    def attempt(self, f: Callable[[], list[str]]) -> list[str]:
        try:
            return f()
        except Impossible:
            return []

    def statement(self) -> list[str]:
        d = self.dice
        often = [self.assign] * 4 + [self.gain] * 2 + [self.mix] * 2
        kinds = [*often, self.branch, self.let, self.choose, self.require, self.loop]
        return d.pick(kinds)()  # type: ignore[no-any-return]

    def require(self) -> list[str]:
        return [f"require {self.phrases.condition(2)}"]

    def target(self, places: list[Place]) -> tuple[str, Type, Place, bool]:
        """Somewhere to write: text, type, the variable, and whether it is all of it."""
        d, p = self.dice, self.dice.pick(places)
        text, t = p.text, p.type
        while d.chance(70):
            if isinstance(t, MapOf) and self.phrases.makes(t.key):
                text, t = f"{text}[{self.phrases.value(t.key, 1)}]", t.val
            elif isinstance(t, Record):
                f, ft = d.pick(t.fields)
                text, t = f"{text}.{f}", ft
            elif isinstance(t, Seq) and d.chance(self.world.risk):
                text, t = f"{text}[{d.upto(1)}]", t.elem
            else:
                break
        return text, t, p, text == p.text

    def assign(self, places: list[Place] | None = None) -> list[str]:
        places = self.writable if places is None else places
        if not places:
            raise Impossible
        text, t, p, whole = self.target(places)
        value = self.phrases.value(t, 2)
        if value == text:  # something new, rather
            value = self.phrases.other(t)
        if whole and p.text in self.pending:
            value = f"{value} if {p.text} == {self.phrases.value(p.type, 0)} else {self.phrases.value(t, 1)}"
        if whole:
            self.pending.add(p.text)
        return [f"{text} := {value}"]

    def mix(self) -> list[str]:
        """A set or sequence gets elements of one of another capacity, if there are two such."""
        found = [
            (p, path, t)
            for p in self.writable
            for path, t in parts(p.type, 2)
            if isinstance(t, Set | Seq) and any(is_kin(t, x) for q in self.phrases.places for _, x in parts(q.type, 2))
        ]
        found = [f for f in found if self.phrases.reached(f[1]) and not any(str(s).startswith("[") for s in f[1])]
        if not found:
            return self.assign()
        p, path, t = self.dice.pick(found)
        text, other = self.phrases.read((p, path)), self.phrases.some(lambda x: is_kin(t, x))
        if other is None:
            raise Impossible
        if not path:
            if p.text in self.pending:
                raise Impossible
            self.pending.add(p.text)
        fits = f"len({text} + {other}) <= {t.cap}"
        if isinstance(t, Seq):
            value = self.dice.pick([f"{text} + {other}", f"{other} + {text}"])
        else:
            value = f"{text} {self.dice.pick(['|', '|', '&', '-'])} {other}"
        line = f"{text} := {value}"
        return [line] if t.cap is None or self.phrases.risky() else [f"if {fits}", f"    {line}"]

    def gain(self) -> list[str]:
        """x += e, x -= e"""
        d = self.dice
        if not self.writable:
            raise Impossible
        text, t, p, whole = self.target(self.writable)
        if isinstance(t, Int) and isinstance(t.hi, int):
            if whole:
                self.pending.add(p.text)
            up = [f"{text} += 1"], f"{text} < {t.hi}"
            down = [f"{text} -= 1"], f"{text} > {literal(int(t.lo))}"  # type: ignore[arg-type]
            body, guard = d.pick([up, up, down])
            return body if self.phrases.risky() else d.pick([[f"if {guard}", *indent(body)], [f"require {guard}", *body]])
        if isinstance(t, Set) and self.phrases.makes(t.elem):
            if whole:
                self.pending.add(p.text)
            x = self.phrases.value(t.elem, 1)
            op = d.pick(["+=", "+=", "-="])
            body = [f"{text} {op} {{{x}}}"]
            return body if t.cap is None or op == "-=" or self.phrases.risky() else [f"if len({text}) < {t.cap}", *indent(body)]
        return self.assign()

    def ghost(self) -> list[str]:
        text, t, p, whole = self.target(self.w.ghosts)
        if whole and p.text in self.pending:
            raise Impossible
        with self.phrases.knowing(*self.w.ghosts):
            value = self.phrases.value(t, 1)
        if whole:
            self.pending.add(p.text)
        return [f"{text} := {value}"]

    def let(self) -> list[str]:
        t, name = self.w.types.small(64, 1), self.world.fresh("y")
        says_little = isinstance(t, Set | Seq | BagOf | Option)  # `none`, `{}` and `[]` have no type of their own
        value = self.phrases.of(t) if says_little else self.phrases.value(t, 2)
        if value is None:
            raise Impossible
        self.phrases.places.append(Place(name, t))
        return [f"let {name} = {value}"]

    def choose(self) -> list[str]:
        name, where = self.world.fresh("c"), ""
        domain, of = self.phrases.domain(1)
        with self.phrases.knowing(Place(name, of)):
            if self.dice.chance(40):
                where = f" where {self.phrases.condition(1)}"
        self.phrases.places.append(Place(name, of))
        if not where and self.dice.chance(25):
            second, (domain2, of2) = self.world.fresh("c"), self.phrases.domain(0)
            self.phrases.places.append(Place(second, of2))
            return [f"choose {name} in {domain}, {second} in {domain2}"]
        return [f"choose {name} in {domain}{where}"]

    def branch(self) -> list[str]:
        if self.depth == 0:
            return self.assign()
        self.depth -= 1
        before, pending = list(self.phrases.places), set(self.pending)
        after, lines = set(pending), list[str]()
        arms = ["if", *["elif"] * self.dice.pick([0, 0, 1]), *["else"] * self.dice.upto(1)]
        for arm in arms:
            head = arm if arm == "else" else f"{arm} {self.phrases.condition(1)}"
            self.pending = set(pending)
            body = [x for _ in range(1 + self.dice.upto(1)) for x in self.attempt(self.statement)]
            lines += [head, *indent(body or ["pass"])]
            after |= self.pending
            self.phrases.places = list(before)
        self.pending = after
        self.depth += 1
        return lines

    def loop(self) -> list[str]:
        """A `for` whose runs commute: it writes at its own index, or gathers into a set or sum that it does not read."""
        d, name = self.dice, self.world.fresh("e")
        domain, of = self.phrases.domain(1)
        own = [p for p in self.writable if isinstance(p.type, MapOf) and p.type.key == of]
        sums = [p for p in self.writable if isinstance(p.type, Set)]
        with self.phrases.knowing():
            lines = self._runs(d.upto(2), name, of, own, sums)
        return [f"for {name} in {domain}", *indent(lines)]

    def _runs(self, kind: int, name: str, of: Type, own: list[Place], sums: list[Place]) -> list[str]:
        if kind == 0 and own:
            return self._loop_own(name, self.dice.pick(own))
        if kind == 1 and sums:
            return self._loop_gather(name, of, self.dice.pick(sums))
        if self.process is None or not self._sendable(name, of):
            raise Impossible
        return self._loop_send(name, of)

    def _without(self, *gone: Place) -> list[Place]:
        return [p for p in self.phrases.places if p.var not in {g.var for g in gone} and p not in self.w.own]

    def _loop_own(self, name: str, p: Place) -> list[str]:
        assert isinstance(p.type, MapOf)
        cell = Place(f"{p.text}[{name}]", p.type.val)
        self.phrases.places = [*self._without(p), Place(name, p.type.key), cell]
        line = f"{cell.text} := {self.phrases.value(p.type.val, 2)}"
        return [f"if {self.phrases.condition(1)}", f"    {line}"] if self.dice.chance(40) else [line]

    def _loop_gather(self, name: str, of: Type, p: Place) -> list[str]:
        assert isinstance(p.type, Set)
        self.pending.add(p.text)
        self.phrases.places = [*self._without(p), Place(name, of)]
        if not self.phrases.makes(p.type.elem) or (p.type.cap is not None and not self.phrases.risky()):
            raise Impossible
        line = f"{p.text} {self.dice.pick(['+=', '-='])} {{{self.phrases.value(p.type.elem, 1)}}}"
        return [f"if {self.phrases.condition(1)}", f"    {line}"] if self.dice.chance(40) else [line]

    def _sendable(self, name: str, of: Type) -> list[Message]:
        mine = self.process.name if self.process else ""
        found = [m for m in self.w.messages if mine in m.senders]
        return [
            m for m in found if (m.addressed and m.receivers[0].ident == of) or (self.w.network != "fifo" and not m.addressed)
        ]

    def _loop_send(self, name: str, of: Type) -> list[str]:
        m = self.dice.pick(self._sendable(name, of))
        with self.phrases.knowing(Place(name, of)):
            return self.send(m, name if m.addressed else None)

    def send(self, m: Message, to: str | None = None) -> list[str]:
        if not all(self.phrases.makes(t) for _, t in m.fields):
            raise Impossible
        args = [self.phrases.value(t, 1) for _, t in m.fields]
        text = f"send {m.name}" + (f"({', '.join(args)})" if args else "")
        if m.addressed:
            ident = m.receivers[0].ident
            assert ident
            text += f" to {to or self.phrases.value(ident, 1)}"
        return [text]
