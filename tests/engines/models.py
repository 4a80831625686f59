"""Random whole specs, as text, so that the front end takes part: `write(dice)` and the Hypothesis strategy `specs()`.

A spec is well-formed by construction (a text that the front end refuses is a bug in one of the two) and has few reachable
states as
a rule.  A comment in its first line says whether deadlocks are looked for: `# deadlock: on`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bodies import Body, indent
from hypothesis import reject
from hypothesis import strategies as st
from phrases import Dice, Impossible, Phrases, Place, Types, World

from checker.core.types import BOOL, BagOf, Enum, Int, MapOf, Record, Seq, Set, Sort, Type, card

ANY = Int(-9, 9)  # what is given for a parameter of type `int`


@dataclass
class Process:
    """`ident` None: a single process."""

    name: str
    ident: Type | None
    vars: list[Place] = field(default_factory=list)


@dataclass
class Message:
    """`senders`: names of processes ("" for global actions).  `addressed`: sent with `to`; `asked`: some handler says `from`."""

    name: str
    fields: list[tuple[str, Type]]
    receivers: list[Process]
    senders: list[str]
    addressed: bool = False
    asked: bool = False


class Writer:
    """Writes one spec."""

    def __init__(self, dice: Dice) -> None:
        self.dice, self.world = dice, World()
        self.types = Types(dice, self.world)
        self.lines: list[str] = []
        self.sizes: dict[str, int] = {}
        self.processes: list[Process] = []
        self.messages: list[Message] = []
        self.globals: list[Place] = []
        self.ghosts: list[Place] = []
        self.network = "set"
        self.shared: set[str] = set()  # names of variables of more than one process
        self.own: list[Place] = []  # definitions of the process at hand

    def text(self) -> str:
        d = self.dice
        self.world.risk = d.pick([0, 0, 0, 0, 10, 40])
        self._sorts()
        self._named_types()
        if self.dice.chance(25):
            elem = self.types.small(6, 1)
            if not isinstance(elem, BagOf):
                self.types.theme = d.pick([Set(elem), Seq(elem, 2)])
        self._processes()
        self._messages()
        self._variables()
        self._defs()
        self._quorum()
        bodies = [self._process(p) for p in self.processes]
        bodies += [self._action(None) for _ in range(d.upto(2) if self.processes else 2 + d.upto(3))]
        for body in bodies:
            self.lines += ["", *body]
        self._properties()
        self._instance()
        if any((m.asked or m.addressed) and not any(f"send {m.name}" in x for x in self.lines) for m in self.messages):
            raise Impossible  # nobody sends it, so `from` and `to` have no type
        deadlock = "off" if d.chance(40) else "on"
        return "\n".join([f"# deadlock: {deadlock}", *self.lines, ""])

    # declarations

    def _sorts(self) -> None:
        d, w = self.dice, self.world
        for name in ("Node", "Item")[: d.pick([0, 1, 1, 1, 2])]:
            self.sizes[name] = d.pick([1, 2, 2, 3])
            w.sorts.append(Sort(name, self.sizes[name]))
            self.lines.append(f"sort {name}")
        for at, name in enumerate(("Colour", "Phase")[: d.upto(2)]):
            members = (("red", "green", "blue"), ("idle", "busy", "done"))[at][: 2 + d.upto(1)]
            w.enums.append(Enum(name, members))
            self.lines.append(f"enum {name} = {', '.join(members)}")
        if d.chance(30):
            self.sizes["top"] = 1 + d.upto(2)
            w.params.append(Place("top", Int(self.sizes["top"], self.sizes["top"])))
            self.lines.append("param top: int")
        if d.chance(15):
            w.params.append(Place("strict", BOOL))
            self.lines.append(f"param strict: bool = {d.pick(['true', 'false'])}")

    def _named_types(self) -> None:
        d, w = self.dice, self.world
        for i in range(d.upto(2)):
            t = Int(lo := d.pick([0, 0, -1, 1]), lo + 1 + d.upto(1))
            if t not in w.aliases:
                w.aliases[t] = f"Range{i}"
                self.lines.append(f"type Range{i} = {t.lo}..{t.hi}")
        if "top" in self.sizes:
            t = Int(0, self.sizes["top"])
            if t not in w.aliases:
                w.aliases[t] = "Level"
                self.lines.append("type Level = 0..top")
        if d.chance(15):
            t = self.types.small(4, 1)
            if not isinstance(t, Sort | Enum | Record | Int) and t not in w.aliases:
                text = w.show(t)
                w.aliases[t] = "Odd"
                self.lines.append(f"type Odd = {text}")
        for name in ("Pair", "Entry")[: d.pick([0, 0, 1, 2])]:
            fields = tuple((w.fresh("f"), self.types.small(16, 1)) for _ in range(1 + d.upto(1)))
            self.lines.append(f"record {name}({', '.join(f'{f}: {w.show(t)}' for f, t in fields)})")
            w.records.append(Record(name, fields))

    def _processes(self) -> None:
        d, w = self.dice, self.world
        for name in ("Server", "Client")[: d.pick([0, 1, 1, 2])]:
            idents: list[Type] = [*w.sorts, *w.sorts, *w.enums, *(t for t in w.aliases if isinstance(t, Int))]
            idents = [t for t in idents if all(t != p.ident for p in self.processes)]
            ident = d.pick(idents) if idents and d.chance(75) else None
            self.processes.append(Process(name, ident))

    def _messages(self) -> None:
        d = self.dice
        if not self.processes:
            return
        self.network = d.pick(["set", "set", "bag", "fifo"])
        for name in ("Ping", "Pong")[: d.upto(2)]:
            self.messages.append(self._message(name))
        capacity = (
            f" capacity {d.pick([1, 2, 3, 4, 6])}" if self.network != "set" or any(self._big(m) for m in self.messages) else ""
        )
        self.lines.append(f"network {self.network}{capacity}")
        for m in self.messages:
            fields = ", ".join(f"{f}: {self.world.show(t)}" for f, t in m.fields)
            own = " capacity 3" if self.network == "set" and d.chance(10) else ""
            self.lines.append((f"message {m.name}({fields})" if fields else f"message {m.name}") + own)

    def _big(self, m: Message) -> bool:
        n = card(Record(m.name, tuple(m.fields)))
        for p in self.processes:
            n *= card(p.ident) if p.ident else 1
        return n > 2000

    def _message(self, name: str) -> Message:
        d, w = self.dice, self.world
        fields = [(w.fresh("m"), self.types.small(8, 1) if d.chance(85) else self.types.large()) for _ in range(d.upto(2))]
        receivers = [d.pick(self.processes)]
        if self.network == "set" and d.chance(15):
            receivers = list(self.processes) if d.chance(70) else []
        senders = [d.pick(self.processes).name]
        if self.network != "fifo" and d.chance(20):
            senders = [p.name for p in self.processes]
        if self.network != "fifo" and d.chance(15):
            senders.append("")
        m = Message(name, fields, receivers, senders)
        m.addressed = len(receivers) == 1 and receivers[0].ident is not None and d.chance(50)
        by = [p for p in self.processes if p.name in senders]
        m.asked = len(senders) == 1 and by[0].ident is not None and d.chance(40)
        return m

    # variables

    def _variables(self) -> None:
        d = self.dice
        for _ in range(d.upto(1) if self.processes else 1 + d.upto(2)):
            self.globals.append(self._variable("var", "g", self.types.stored([g.type for g in self.globals]), self.lines))
        if d.chance(15):
            self.ghosts.append(self._variable("ghost", "h", self.types.small(16), self.lines))

    def _variable(
        self, word: str, base: str, t: Type, lines: list[str], known: list[Place] | None = None, name: str = ""
    ) -> Place:
        """Declares a variable."""
        name = name or self.world.fresh(base)
        lines.append(f"{word} {name}: {self.world.show(t)} {self._initial(t, known or [])}")
        return Place(name, t, name)

    def _initial(self, t: Type, known: list[Place]) -> str:
        phrases, d = Phrases(self.dice, self.world, [*self.world.params, *known]), self.dice
        if isinstance(t, BagOf) or (phrases.makes(t) and not d.chance(20)):
            return f"= {phrases.value(t, 1)}"
        if card(t) <= 4 and self._names(t):
            return f"in {self.world.show(t)}"
        if phrases.makes(t):
            return f"in {{{phrases.value(t, 1)}, {phrases.value(t, 1)}}}"
        return f"in {self._made(t)}"

    def _names(self, t: Type) -> bool:
        return t in self.world.aliases or isinstance(t, Sort | Enum | Record) or t == BOOL

    def _made(self, t: Type) -> str:
        """A set of values of a type that needs identities."""
        x = self.world.fresh("i")
        sort = next(
            s
            for s in self.world.sorts
            if Phrases(self.dice, self.world, [Place(x, s)]).makes(t) or len(self.world.sorts) == 1 or s == self.world.sorts[-1]
        )
        phrases = Phrases(self.dice, self.world, [Place(x, sort), *self.world.params])
        return f"{{{phrases.value(t, 1)} for {x} in {sort.name}}}"

    def _defs(self) -> None:
        d, w = self.dice, self.world
        for _ in range(d.pick([0, 0, 1, 2])):
            name = w.fresh("d")
            args = [Place(w.fresh("a"), ANY if d.chance(20) else self.types.small(16, 1)) for _ in range(d.upto(2))]
            result = self.types.small(16, 1)
            phrases = Phrases(d, w, [*args, *w.params])
            if phrases.makes(result):
                given = ", ".join(f"{a.text}: {'int' if a.type == ANY else w.show(a.type)}" for a in args)
                head = f"def {name}({given})" if args else f"def {name}"
                self.lines.append(f"{head}: {w.show(result)} = {phrases.value(result, 2)}")
                w.defs.append((name, tuple(a.type for a in args), result))

    def _quorum(self) -> None:
        if self.world.sorts and self.dice.chance(20):
            sort = self.dice.pick(self.world.sorts)
            self.world.quorums.append(("Some", sort))
            self.lines.append(self.dice.pick([f"quorum Some of {sort.name}", f"quorum Some(q) of {sort.name} where len(q) >= 1"]))

    # processes and actions

    def _process(self, p: Process) -> list[str]:
        d = self.dice
        inside: list[str] = []
        me = [Place("self", p.ident)] if p.ident else []
        for _ in range(1 + d.upto(2)):
            t = self.types.small(12) if d.chance(30 if self.types.theme else 65) else self.types.stored([v.type for v in p.vars])
            twice = [v.text for q in self.processes for v in q.vars if q is not p and v.text not in self.shared]
            name = d.pick(twice) if twice and d.chance(15) else ""
            self.shared |= {name} - {""}
            p.vars.append(self._variable(d.pick(["var", "durable"]), "v", t, inside, me, name))
        inside += self._own_definition(p)
        for m in self.messages:
            for _ in range((p in m.receivers) * d.pick([1, 1, 1, 1, 2])):
                inside += ["", *self._handler(p, m)]
        for m in self.messages:  # whoever may send does
            if p.name in m.senders:
                inside += ["", *self._action(p, m)]
        for _ in range(d.upto(1) if self.messages else 1 + d.upto(2)):
            inside += ["", *self._action(p)]
        self.own = []
        if d.chance(20):
            inside += ["", "on restart", *indent(Body(self, p, list(me) + p.vars).block(1))]
        head = f"process {p.name}" if p.ident is None else f"process {self.world.show(p.ident)}"
        return [f"single {head}" if p.ident is None else head, *indent(inside)]

    def _own_definition(self, p: Process) -> list[str]:
        """A definition that looks at the variables of the process, now and then: it is read like one of them."""
        self.own = []
        if not self.dice.chance(20):
            return []
        name, t = self.world.fresh("o"), self.types.small(16, 1)
        phrases = Phrases(self.dice, self.world, [*p.vars, *self.world.params])
        if isinstance(t, BagOf) or not phrases.makes(t):
            return []
        self.own = [Place(name, t)]
        return [f"def {name}: {self.world.show(t)} = {phrases.value(t, 2)}"]

    def _handler(self, p: Process, m: Message) -> list[str]:
        d, w = self.dice, self.world
        known = [Place(w.fresh("b"), t) if d.chance(85) else Place("_", t) for _, t in m.fields]
        text = f"on {m.name}" + (f"({', '.join(k.text for k in known)})" if known else "")
        places = [k for k in known if k.text != "_"]
        if m.asked:
            sender = next(x for x in self.processes if x.name in m.senders)
            assert sender.ident
            places.append(Place(w.fresh("s"), sender.ident))
            text += f" from {places[-1].text}"
        if p.ident:
            places.append(Place("self", p.ident))
        body, drop = Body(self, p, places + p.vars + self.own), list[str]()
        if self.network == "set" and d.chance(20):
            drop = [f"discard {body.phrases.condition(1)}"]
        return [text, *indent([*drop, *body.block(2)])]

    def _action(self, p: Process | None, sends: Message | None = None) -> list[str]:
        d, w = self.dice, self.world
        params = [Place(w.fresh("p"), self.types.key()) for _ in range(d.pick([0, 0, 1, 1, 2]))]
        places = list(params)
        if p is None:
            places += self.globals + self.everywhere()
            if w.sorts and not any(isinstance(x.type, Sort) for x in params) and d.chance(70):
                params.append(Place(w.fresh("p"), d.pick(w.sorts)))
                places.append(params[-1])
        else:
            places += p.vars + self.own + ([Place("self", p.ident)] if p.ident else [])
        if w.quorums and d.chance(20):
            quorum, sort = d.pick(w.quorums)
            params.append(Place(w.fresh("p"), Set(sort)))
            places.append(params[-1])
            text = {params[-1].text: quorum}
        else:
            text = {}
        name = w.fresh("Act")
        head = f"action {name}" + (
            f"({', '.join(f'{x.text}: {text.get(x.text, w.show(x.type))}' for x in params)})" if params else ""
        )
        return [head, *indent(Body(self, p, places).block(2, sends))]

    def everywhere(self) -> list[Place]:
        """The variables of processes, as seen from outside."""
        found = [(self._seen(p, v), MapOf(p.ident, v.type) if p.ident else v.type) for p in self.processes for v in p.vars]
        return [Place(name, t, name) for name, t in found]

    def _seen(self, p: Process, v: Place) -> str:
        """The name of a process variable outside the process."""
        name = p.name if p.ident is None else self.world.show(p.ident)
        return f"{name}.{v.text}" if v.text in self.shared else v.text

    # properties

    def _properties(self) -> None:
        d, every = self.dice, self.globals + self.everywhere() + self.ghosts + self.world.params
        phrases = Phrases(d, self.world, every, self.sent if self.messages else None)
        self.lines.append("")
        for i in range(d.pick([0, 0, 1, 1, 2])):
            self._property(f"invariant Inv{i}", lambda: self._invariant(phrases))
        if d.chance(30):
            self._property("step Step0", lambda: self._step(every))
        if d.chance(35):
            self._property("reachable Reach0", lambda: phrases.condition(2))
        if d.chance(25):
            risk, self.world.risk = self.world.risk, 0
            self._property("terminal", lambda: d.pick(["true", phrases.condition(2)]))
            self.world.risk = risk

    def _property(self, head: str, expr: Callable[[], str]) -> None:
        try:
            self.lines.append(f"{head}: {expr()}")
        except Impossible:
            self.lines.append(f"{head}: true")

    def _invariant(self, phrases: Phrases) -> str:
        """Something that is true in most states, as a rule."""
        d = self.dice
        if d.chance(15):
            return phrases.condition(3)
        if d.chance(20):
            return f"({phrases.condition(2)}) or true"
        if self.messages and d.chance(15):
            return f"in_flight <= {1 + d.upto(3)}"
        unlikely = [phrases.equality(1).replace("!=", "==", 1) for _ in range(2 + d.upto(2))]
        return "not (" + " and ".join(f"({c})" for c in [*unlikely, phrases.condition(2)]) + ")"

    def _step(self, every: list[Place]) -> str:
        vars_ = [p for p in every if p.var]
        primed = [replace(p, text=f"{p.text}'") for p in vars_]
        phrases = Phrases(self.dice, self.world, [*every, *primed], self.sent if self.messages else None)
        if self.dice.chance(30):
            return phrases.condition(2)
        then = Phrases(self.dice, self.world, primed + self.world.params)
        before = Phrases(self.dice, self.world, every)
        parts_ = [before.equality(1).replace("!=", "==", 1), then.equality(1).replace("!=", "==", 1), phrases.condition(2)]
        return "not (" + " and ".join(f"({c})" for c in parts_) + ")"

    def sent(self, phrases: Phrases) -> str:
        """`sent M(…)`, asked of the network."""
        d, m = self.dice, self.dice.pick(self.messages)
        text = f"sent {m.name}"
        if m.fields and not d.chance(15):
            shown = [phrases.value(t, 1) if phrases.makes(t) and d.chance(60) else "_" for _, t in m.fields]
            text += f"({', '.join(shown)})"
        if m.addressed and d.chance(50) and phrases.makes(m.receivers[0].ident):  # type: ignore[arg-type]
            text += f" to ({phrases.value(m.receivers[0].ident, 0)})"  # type: ignore[arg-type]
        if m.asked and d.chance(50):
            ident = next(p.ident for p in self.processes if p.name in m.senders)
            assert ident
            if phrases.makes(ident):
                text += f" from ({phrases.value(ident, 0)})"
        return f"({text})"

    # the instance

    def _instance(self) -> None:
        d = self.dice
        self.lines += ["", f"instance main: {', '.join(f'{n} = {v}' for n, v in self.sizes.items())}".rstrip()]
        items = [x for p in self.processes for x in self._process_faults(p)]
        if self.network != "set" and self.messages:
            for kind in ("loss", "duplication"):
                if d.chance(25):
                    items.append(f"fault {kind}{d.pick(['', '(' + self.messages[0].name + ')'])} <= {d.upto(1) + 1}")
        if d.chance(15):
            risk, self.world.risk = self.world.risk, 0
            phrases = Phrases(d, self.world, self.globals + self.everywhere())
            more = f"in_flight <= {d.upto(2)}" if self.messages and d.chance(30) else f"({phrases.condition(1)})"
            items.append(f"bound ({phrases.condition(1)}) or {more}")
            self.world.risk = risk
        if not self.sizes and not items:
            items = ["slow"]
        self.lines += indent(items)

    def _process_faults(self, p: Process) -> Iterator[str]:
        d, name = self.dice, p.name
        name = p.name if p.ident is None else self.world.show(p.ident)
        if d.chance(30):
            yield f"fault crash({name}) <= {1 + d.upto(1)}"
        if d.chance(20):
            yield f"fault stop({name}) <= {1 + d.upto(1)}"
        contents = [card(Record(m.name, tuple(m.fields))) for m in self.messages if p.name in m.senders]
        if contents and max(contents) <= 12 and d.chance(25):  # each content is a transition, and many are many
            yield f"fault byzantine({name}) <= {d.upto(1) + 1}"
        for v in p.vars:
            if d.chance(15):
                yield f"{d.pick(['volatile', 'durable'])} {self._seen(p, v)}"


def write(dice: Dice) -> str:
    """One random spec."""
    return Writer(dice).text()


def specs() -> st.SearchStrategy[str]:
    """Random specs of every kind, each from a seed."""
    return st.integers(0, 2**64 - 1).map(lambda seed: attempted(random.Random(seed).randint))


@st.composite
def shrinking_specs(draw: Any) -> str:
    """Random specs that Hypothesis can shrink: every throw of the dice is its own (and the plain ones come more often)."""
    return attempted(lambda low, high: draw(st.integers(low, high)))


def attempted(throw: Callable[[int, int], int]) -> str:
    try:
        return write(Dice(throw))
    except Impossible:
        reject()


__all__ = ["Dice", "shrinking_specs", "specs", "write"]
