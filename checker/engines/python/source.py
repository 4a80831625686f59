"""The core as plain Python source: expressions and statements of an instance, written once, to be executed often.

Values are those of `meaning` (checker/core/types.py); nothing is packed or converted.  An expression becomes a text that cannot
fail, preceded by the lines that it needs: loops of quantifiers, and the checks of partial operators, which raise the Fault that
`meaning` raises.  A body becomes straight-line code: `choose` asks `pick`, so whoever runs an action decides how to choose.

Two switches.  `cells`: the code of one process, which sees its own variables as they are and not as maps, skips ghosts, and
has no network.  `log`: the network is not a variable but a log beside the state, which only properties look at.

What costs more than a few steps and is the same for every element of a loop is computed once, when the loop first comes to it
(so it faults where it would): `_hoisted`.  A loop over the indices of a sequence that looks for an item goes to its places.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from checker.core.bind import Instance, Message, free
from checker.core.ir import (
    Apply,
    Assign,
    Check,
    Choose,
    Const,
    Expr,
    Fit,
    Fold,
    ForAll,
    If,
    IfStmt,
    Let,
    LetStmt,
    Local,
    Mapping,
    Node,
    Quant,
    Read,
    Require,
    Send,
    Sent,
    SetOf,
    Stmt,
)
from checker.core.meaning import Fault, fit, in_order, render
from checker.core.operators import TABLE, Undefined
from checker.core.operators.logic import compare, least_first
from checker.core.operators.table import FALSE, TRUE, join
from checker.core.sequences import made
from checker.core.typed import parts, within
from checker.core.types import (
    VAST,
    Bag,
    BagOf,
    Enum,
    Int,
    Map,
    MapOf,
    Option,
    Rec,
    Record,
    Seq,
    Set,
    Sparse,
    Tuple,
    Type,
    card,
    is_vast,
    member,
    values,
)

MANY = 8  # of a type of more values than this, properties of a running cluster look only at those that matter
INDENT = "    "
NAME = re.compile(r"[A-Za-z_]\w*")


class TooLarge(Exception):
    """All values of a huge type are asked for at `node`: that cannot be computed, whatever the time."""

    def __init__(self, node: Node, size: int) -> None:
        super().__init__(
            f"this goes through {size:,} values" if size < 1 << 64 else "this goes through more values than can be counted"
        )
        self.node = node


class NotLocal(Exception):
    """Code of one process that looks at more than its own variables, at `node`."""

    def __init__(self, node: Node, text: str) -> None:
        super().__init__(text)
        self.node = node


def undefined(node: Apply, *args: Any) -> Any:
    """What `meaning` says of an operator on these arguments: a value, or its Fault."""
    try:
        return TABLE[node.op].meaning(node, *args)
    except Undefined as why:
        raise Fault(node, str(why)) from None


def misfit(node: Node, value: Any, what: str) -> None:
    raise Fault(node, f"{render(value)} does not fit{' ' + what if what else ''}")


def extreme(node: Fold, found: list[Any]) -> Any:
    """The least or greatest of what a fold found."""
    if not found:
        raise Fault(node, f"{node.kind} of nothing")
    found.sort(key=least_first(node.type))
    return found[0] if node.kind == "min" else found[-1]


def outside(node: Node, key: Any, length: int) -> None:
    raise Fault(node, f"index {key} of a sequence of length {length}")


def said(node: Node, text: str) -> None:
    raise Fault(node, text)


def places(s: tuple[Any, ...]) -> dict[Any, list[int]]:
    """Where each item of a sequence stands."""
    found: dict[Any, list[int]] = {}
    for i, x in enumerate(s):
        found.setdefault(x, []).append(i)
    return found


SHORT, KEPT = 32, 16  # sets of so many items are made anew; so many larger ones are kept
SETS: dict[int, tuple[tuple[Any, ...], frozenset[Any]]] = {}  # by the identity of the sequence, which is kept


def elements(s: tuple[Any, ...]) -> frozenset[Any]:
    """The items of a sequence as a set.  Logs grow: of one that goes on from another, only what is new is looked at."""
    if len(s) < SHORT:
        return frozenset(s)
    if id(s) not in SETS:
        known = [(t, found) for t, found in SETS.values() if len(t) <= len(s) and t[-1] is s[len(t) - 1]]
        t, found = max(known, key=lambda one: len(one[0]), default=((), frozenset()))
        found = found.union(s[len(t) :]) if s[: len(t)] == t else frozenset(s)
        if len(SETS) >= KEPT:
            del SETS[next(iter(SETS))]
        SETS[id(s)] = s, found
    return SETS[id(s)][1]


LIBRARY: dict[str, Any] = {
    "Fault": Fault, "Bag": Bag, "Map": Map, "NEW": object(), "Rec": Rec, "compare": compare, "elements": elements,
    "extreme": extreme, "fit": fit, "in_order": in_order, "made": made, "member": member, "misfit": misfit, "outside": outside,
    "places": places, "said": said, "Sparse": Sparse, "undefined": undefined, "values": values,
}  # fmt: skip


class Module:
    """The functions of one instance: their source, the constants and nodes that it names, and the executed functions."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.space: dict[str, Any] = dict(LIBRARY)
        self.parts: list[str] = []
        self.sites: list[Node] = []
        self._known: dict[Any, str] = {}

    def keep(self, value: Any, prefix: str, key: Any = None) -> str:
        """A global name for a value; the same for the same key."""
        key = key if key is not None else (prefix, id(value))
        if key not in self._known:
            self._known[key] = name = f"{prefix}{len(self._known)}"
            self.space[name] = value
        return self._known[key]

    def site(self, node: Node) -> int:
        """The number of a place in the spec: what a function returns where it is not enabled."""
        self.sites.append(node)
        return len(self.sites) - 1

    def add(self, lines: list[str]) -> None:
        self.parts.append("\n".join(lines) + "\n")

    @property
    def source(self) -> str:
        """The whole module, as text."""
        return "\n\n".join(self.parts)

    def execute(self) -> dict[str, Any]:
        """The functions by name."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # `3 is not None` is what a spec may come to
            code = compile(self.source, f"<{self.instance.model.name}>", "exec")
        exec(code, self.space)
        return self.space


def plain(t: Type) -> bool:
    """Is the order of its values Python's own?"""
    match t:
        case Int():
            return True
        case Tuple(es):
            return all(map(plain, es))
        case Record(_, fs):
            return all(plain(f) for _, f in fs)
    return False


def conjuncts(e: Expr) -> list[Expr]:
    """What an `and` is made of, in the order in which it is looked at."""
    if isinstance(e, If) and e.orelse == FALSE:
        return [*conjuncts(e.cond), *conjuncts(e.then)]
    return [e]


def both(a: Expr, b: Expr) -> Expr:
    return b if a == TRUE else If(b.type, a, b, FALSE)


def costly(e: Expr) -> bool:
    """Does its value take more than a few steps?"""
    if isinstance(e, Quant | Fold | SetOf | Mapping | Sent) or (isinstance(e, Apply) and e.op not in CHEAP):
        return True
    return any(map(costly, parts(e)))


def heavy(e: Expr) -> bool:
    """Is it worth a table?"""
    if isinstance(e, Quant | Fold | SetOf | Mapping) or (isinstance(e, Apply) and e.op in ("elems", "places")):
        return True
    return any(map(heavy, parts(e)))


Known = tuple[tuple[int, str], ...]
Field = tuple[str, int, Known]  # a field of a message, by its position, and names that some other fields of it have to equal


def fields_of(name: str, e: Expr, wanted: bool) -> frozenset[Field] | None:
    """Fields of messages: unless `name` is the value of one of them in a message that was sent, `e` is not `wanted`.
    None: it may be, anyway."""
    alias: dict[str, str] = {}  # what is only another name

    def either(*found: frozenset[Field] | None) -> frozenset[Field] | None:
        return None if None in found else frozenset[Field]().union(*(f for f in found if f))

    def look(e: Expr, wanted: bool, same: frozenset[str], some: frozenset[str]) -> frozenset[Field] | None:
        def again(e: Expr, wanted: bool = wanted) -> frozenset[Field] | None:
            return look(e, wanted, same, some)

        match e:
            case Const(value=bool(v)):
                return frozenset() if v != wanted else None
            case Sent() if wanted:
                args = [a.value if isinstance(a, Fit) else a for a in e.args]
                at = [i for i, a in enumerate(args) if isinstance(a, Local) and a.name in same]
                known = tuple(
                    (i, alias.get(a.name, a.name)) for i, a in enumerate(e.args) if isinstance(a, Local) and i not in at[:1]
                )
                return frozenset({(e.message, at[0], known)}) if at else None
            case Apply(op="not"):
                return again(e.args[0], not wanted)
            case If():
                then, orelse = again(e.then), again(e.orelse)
                if_true, if_false = again(e.cond, True), again(e.cond, False)
                first = then if then is not None else if_true
                second = orelse if orelse is not None else if_false
                return either(first, second)
            case Let():
                value = e.value.value if isinstance(e.value, Fit) else e.value
                more = {e.name} if isinstance(value, Local) and value.name in same else set()
                alias.pop(e.name, None)
                if isinstance(e.value, Local):
                    alias[e.name] = alias.get(e.value.name, e.value.name)
                return look(e.body, wanted, same | more, some)
            case Quant():
                full = (
                    isinstance(e.domain, Const) and e.domain.value and all(isinstance(q, frozenset) and q for q in e.domain.value)
                )
                if wanted == (e.kind == "forall") and not (isinstance(e.domain, Local) and e.domain.name in some):
                    return None  # of nothing it says nothing
                return look(e.body, wanted, same, some | ({e.name} if full else set()))
        return None

    return look(e, wanted, frozenset({name}), frozenset())


def condition(x: str, a: Type, t: Type, module: Module) -> str:
    """Is `x`, an atom of type a, a value of t?  As Python."""
    if within(a, t):
        return "True"
    match a, t:
        case Option(e), Option(f):
            return f"({x} is None or {condition(x, e, f, module)})"
        case Option(e), _:
            return f"({x} is not None and {condition(x, e, t, module)})"
        case _, Option(f):
            return condition(x, a, f, module)
        case Int(), Int(int(lo), int(hi)):
            return f"{lo} <= {x} <= {hi}"
        case Seq(e, _), Seq(f, int(cap)) if within(e, f):
            return f"len({x}) <= {cap}"
    return f"member({x}, {module.keep(t, 'T', ('type', t))})"


@dataclass
class Loop:
    """A loop that is being written: its binder, and what is computed once for it, with the names of that."""

    element: str
    heads: list[str] = field(default_factory=list)
    known: dict[Any, str] = field(default_factory=dict)


class Writer:
    """Writes the lines of one function.  `env` names the binders in scope, each by a Python name of its own."""

    def __init__(self, module: Module, cells: bool = False, log: bool = False) -> None:
        self.module, self.instance, self.cells, self.log = module, module.instance, cells, log
        self.out: list[str] = []
        self.env: dict[str, str] = {}
        self.used: set[str] = set()
        self.written: set[str] = set()
        self.asked: set[str] = set()  # messages that `sent` asks for
        self.faults = self.fresh = 0
        self.names: dict[str, int] = {}  # every local by name, with its number
        self.vars: dict[str, str] = {}
        self.loops: list[Loop] = []  # of expressions, the outermost first
        self.depends: dict[str, frozenset[int]] = {}  # on which of them the value of a name in `env` depends
        self.fixed: frozenset[int] = frozenset()  # of those, the ones of which one element is enough for now
        self.within: dict[str, tuple[Expr, str]] = {}  # an index by its name, and the sequence that it is one of
        self.answers: dict[str, str] = {}  # the names of what the log is asked

    # names and lines

    def temp(self, text: str) -> str:
        """A name for the value of a text."""
        name = self.name("t")
        self.out.append(f"{name} = {text}")
        return name

    def name(self, base: str) -> str:
        self.fresh += 1
        name = f"{re.sub(r'[^A-Za-z0-9]', '_', base.split('#')[0])}_{self.fresh}"
        self.names[name] = self.fresh
        return name

    def atom(self, text: str) -> str:
        """The text itself if it may be written twice."""
        return text if NAME.fullmatch(text) or text.lstrip("-").isdigit() else self.temp(text)

    def inside(self, write: Callable[[], Any]) -> tuple[list[str], Any]:
        """What `write` returns, and the lines that it wrote, apart."""
        outer, self.out = self.out, []
        result = write()
        lines, self.out = self.out, outer
        return lines, result

    def nest(self, lines: list[str]) -> None:
        self.out += [INDENT + line for line in lines or ["pass"]]

    def fail(self, guard: str, call: str) -> None:
        """A fault where the guard does not hold."""
        if guard != "True":
            self.faults += 1
            self.out.append(f"if not ({guard}): {call}")

    def node(self, n: Node) -> str:
        return self.module.keep(n, "N")

    def var(self, name: str, primed: bool = False) -> str:
        """The Python name of a variable's value."""
        if not primed:
            self.used.add(name)
        key = name + ("'" if primed else "")
        if key not in self.vars:
            self.vars[key] = f"{'w' if primed else 'v'}{len(self.vars)}_{re.sub(r'[^A-Za-z0-9]', '_', name)}"
            self.names[self.vars[key]] = 0
        return self.vars[key]

    # expressions

    def expr(self, e: Expr) -> str:
        """A text for the value of an expression, which cannot fail; what can stands in the lines before."""
        at = self._place(e) if self.loops and costly(e) else None
        if at is None:
            return self._expr(e)
        names = tuple(sorted(self.env[n] for n in free(e) if n))  # in two places they may stand for two things
        return self._hoisted((e, names), self._loops_of(e), at, lambda: self._expr(e))

    def _loops_of(self, e: Expr) -> frozenset[int]:
        """The loops around an expression on which its value depends."""
        return frozenset[int]().union(*(self.depends[n] for n in free(e) if n in self.depends))

    def _place(self, e: Expr) -> int | None:
        """The outermost loop for all elements of which an expression is the same; if that depends on a loop further in, it must
        be worth a look into a table."""
        on = self._loops_of(e)
        at = next((i for i in range(len(self.loops)) if i not in on | self.fixed), None)
        return None if at is None or (any(i > at for i in on) and not heavy(e)) else at

    def _hoisted(self, key: Any, on: frozenset[int], at: int, write: Callable[[], str]) -> str:
        """A text for what is the same for all elements of a loop: computed once, or once for each combination of the elements of
        the loops further in."""
        loop, within = self.loops[at], [self.loops[i].element for i in sorted(on) if i > at]
        if key not in loop.known:
            loop.known[key] = self.name("h")
            loop.heads.append(f"{loop.known[key]} = {'{}' if within else 'NEW'}")
        name = loop.known[key]
        element = within[0] if len(within) == 1 else f"({', '.join(within)})"
        fixed, self.fixed = self.fixed, self.fixed | frozenset(range(at, len(self.loops)))
        lines, text = self.inside(write)
        self.fixed = fixed
        value = f"{name}[{element}]" if within else name
        self.out.append(f"if {element} not in {name}:" if within else f"if {name} is NEW:")
        self.nest([*lines, f"{value} = {text}"])
        return value

    def _expr(self, e: Expr) -> str:
        match e:
            case Const():
                return self.constant(e.value, e.type)
            case Local():
                return self.env[e.name]
            case Read():
                return self._read(e)
            case Apply():
                return self._apply(e)
            case If():
                return self._if(e)
            case Quant():
                return self._quant(e)
            case SetOf() | Mapping():
                return self._collect(e)
            case Fold():
                return self._fold(e)
            case Let():
                value = self.atom(self.expr(e.value))
                return str(self._bound(e.name, value, self._loops_of(e.value), lambda: self.expr(e.body)))
            case Fit():
                return self._fit(e)
            case Sent():
                return self._sent(e)
        raise AssertionError(f"not an instance-level expression: {e}")

    def constant(self, v: Any, t: Type) -> str:
        if v is None or isinstance(v, bool | int) or (isinstance(v, str) and isinstance(t, Enum | Option)):
            return repr(v) if not isinstance(v, int) or v >= 0 else f"({v})"
        return self.module.keep(v, "K", ("const", type(v), v))

    def _read(self, e: Read) -> str:
        if self.cells and (e.var not in self.instance.vars or self.instance.vars[e.var].keyed):
            raise NotLocal(e, f"`{e.var}` of other processes")
        return self.var(e.var, e.primed)

    def _bound(self, name: str, text: str, on: frozenset[int], write: Callable[[], Any]) -> Any:
        before = self.env.get(name), self.depends.get(name, frozenset())
        self.env[name], self.depends[name] = text, on
        result = write()
        if before[0] is not None:
            self.env[name], self.depends[name] = before[0], before[1]
        else:
            del self.env[name], self.depends[name]
        return result

    def _if(self, e: If) -> str:
        c = self.expr(e.cond)
        then, a = self.inside(lambda: self.expr(e.then))
        orelse, b = self.inside(lambda: self.expr(e.orelse))
        if not then and not orelse:
            if b == "False":
                return f"({c} and {a})"
            return f"({c} or {b})" if a == "True" else f"({a} if {c} else {b})"
        r = self.name("r")
        self.out.append(f"if {c}:")
        self.nest([*then, f"{r} = {a}"])
        self.out.append("else:")
        self.nest([*orelse, f"{r} = {b}"])
        return r

    def _loop(
        self,
        name: str,
        domain: Expr,
        where: Expr,
        body: Callable[[], Any],
        repeats: bool = True,
        heard: frozenset[Field] | None = None,
    ) -> tuple[str, str, list[str], Any, bool]:
        """Of a loop that does nothing unless `where`: its binder, what it goes through, its lines, what `body` gave, and whether
        it can fault."""
        over = self.matching(name, domain, where) or self.narrowed(name, domain, where) or self.heard_of(domain, heard)
        if isinstance(domain, Apply) and domain.op == "indices":
            self.within[name] = domain.args[0], self.atom(self.expr(domain.args[0]))
            over = over or f"range(len({self.within[name][1]}))"
        over = over or self.domain(domain, repeats)[0]
        x, before = self.name(name), self.faults
        self.loops.append(Loop(x))
        lines, result = self.inside(lambda: self._bound(name, x, frozenset({len(self.loops) - 1}), body))
        self.out += self.loops.pop().heads
        return x, over, lines, result, self.faults > before

    def matching(self, name: str, domain: Expr, where: Expr) -> str:
        """The places at which a sequence that does not change in some loop around this one has the item that is looked for
        first of all; "" if that is not what the condition says."""
        match domain, conjuncts(where)[0]:
            case Apply(op="indices", args=(s,)), Apply(op="eq", args=(a, b)):
                for x, item in ((a, b), (b, a)):
                    at = isinstance(x, Apply) and x.op == "index" and x.args[0] == s and x.args[1]
                    if isinstance(at, Local) and at.name == name and name not in free(item):
                        where_ = self._place(s)
                        return "" if where_ is None else self._places(s, item, where_)
        return ""

    def _places(self, s: Expr, item: Expr, at: int) -> str:
        items, before = self.atom(self.expr(s)), self.faults
        index = self._hoisted(("places", s), self._loops_of(s), at, lambda: f"places({items})")
        lines, text = self.inside(lambda: self.expr(item))
        if self.faults == before:
            self.out += lines
            return f"{index}.get({text}, ())"
        found = self.temp("()")  # where there are no items, nobody asks for this one
        self.out.append(f"if {items}:")
        self.nest([*lines, f"{found} = {index}.get({text}, ())"])
        return found

    def heard_of(self, domain: Expr, fields: frozenset[Field] | None) -> str:
        """Of a huge type only the values that some message carries, where no other can matter; "" if that cannot be told."""
        if not (fields and isinstance(domain, Apply) and domain.op == "all" and card(domain.attr) > MANY):
            return ""
        found = sorted({self._heard(domain.attr, m, i, known) for m, i, known in fields})
        return found[0] if len(found) == 1 else f"{{{', '.join(f'*{x}' for x in found)}}}"

    def _heard(self, t: Type, message: str, i: int, known: Known) -> str:
        """The values of a type in a field of a message, of those messages that have in some fields what is known by now."""
        test = condition("x", self.instance.messages[message].full.fields[i][1], t, self.module)
        at = [(j, self.env[n]) for j, n in known if n in self.env]
        every = f"LOG.having({message!r}, {i}, {tuple(j for j, _ in at)!r})"
        every = self._asked(every) + f".get(({''.join(f'{x}, ' for _, x in at)}), ())"
        return every if test == "True" else f"[x for x in {every} if {test}]"

    def _asked(self, text: str) -> str:
        """A name for what the log says, which is the same everywhere."""
        return self.answers.setdefault(text, f"log{len(self.answers)}")

    def narrowed(self, name: str, domain: Expr, where: Expr) -> str:
        """The part of a range in which the first comparisons of a condition can hold; "" if that is no less."""
        match domain:
            case Apply(op="all", attr=Int(lo, hi)):
                low, high = [str(lo)], [str(hi)]
            case Apply(op="range", args=(a, b)):
                low, high = [self.expr(a)], [f"{self.expr(b)} - 1"]
            case _:
                return ""
        other = ""
        for c in conjuncts(where):
            limit = self._limit(name, c)
            if limit is None and not other:
                limit, other = ([], []), self._other(name, c)
            if limit is None or not (limit[0] or limit[1] or other):
                break
            low += limit[0]
            high += limit[1]
        if len(low) + len(high) == 2 and not other:
            return ""
        ends = [one[0] if len(one) == 1 else f"{f}({', '.join(one)})" for f, one in (("max", low), ("min", high))]
        return f"{other}, {ends[0]}, {ends[1]})" if other else f"range({ends[0]}, {ends[1]} + 1)"

    def _other(self, name: str, c: Expr) -> str:
        """The beginning of a call for the keys at which a sparse map goes elsewhere, if that is what a comparison says."""
        match c:
            case Apply(op="ne", args=(Apply(op="index", args=(m, Local(name=key))), e)) if key == name:
                if isinstance(m.type, MapOf) and is_vast(m.type) and name not in free(m) | free(e):
                    before = self.faults
                    lines, (table, value) = self.inside(lambda: (self.expr(m), self.expr(e)))
                    if self.faults == before:
                        self.out += lines
                        return f"{table}.other({value}"
        return ""

    def _limit(self, name: str, c: Expr) -> tuple[list[str], list[str]] | None:
        """What a comparison says of the least and the greatest that `name` can be; None if it is none that can be told early."""
        if not (isinstance(c, Apply) and c.op in FLIPPED):
            return None
        (x, e), op = c.args, c.op
        if isinstance(e, Local) and e.name == name:
            x, e, op = e, x, FLIPPED[op]
        if not (isinstance(x, Local) and x.name == name and isinstance(e.type, Int)) or name in free(e):
            return None
        before = self.faults
        lines, text = self.inside(lambda: self.expr(e))
        if self.faults > before:
            return None
        self.out += lines
        return {
            "lt": ([], [f"{text} - 1"]),
            "le": ([], [text]),
            "gt": ([f"{text} + 1"], []),
            "ge": ([text], []),
            "eq": ([text], [text]),
        }[op]

    def _quant(self, e: Quant) -> str:
        where = e.body.cond if isinstance(e.body, If) and e.kind == "forall" and e.body.orelse == TRUE else e.body
        where = where if e.kind == "exists" or where is not e.body else TRUE
        heard = fields_of(e.name, e.body, e.kind == "exists") if self.log else None
        x, over, lines, body, faulty = self._loop(e.name, e.domain, where, lambda: self.expr(e.body), heard=heard)
        r = self.temp(str(e.kind == "forall"))
        self.out.append(f"for {x} in {over}:")
        hit = f"if not {body}:" if e.kind == "forall" else f"if {body}:"
        stop = [] if faulty else [f"{INDENT}break"]  # strict in faults: every element is looked at
        self.nest([*lines, hit, f"{INDENT}{r} = {e.kind != 'forall'}", *stop])
        return r

    def _collect(self, e: SetOf | Mapping) -> str:
        if isinstance(e, Mapping):
            assert isinstance(e.type, MapOf)
            if is_vast(e.type) and e.name not in free(e.body):
                return f"Sparse({self.expr(e.body)})"
            domain: Expr = Apply(Set(e.type.key), "all", (), e.type.key)
            where: Expr = TRUE
        else:
            domain, where = e.domain, e.where
        keyed = isinstance(e, Mapping)

        def body() -> tuple[str, list[str], str]:
            test = self.expr(where)
            lines, value = self.inside(lambda: self.expr(e.body))
            return test, lines, value

        x, over, lines, (test, inner, value), _ = self._loop(e.name, domain, where, body)
        item = f"{x}: {value}" if keyed else value
        wrap = "Map" if keyed else "frozenset"
        if not lines and not inner:
            return (
                f"{wrap}({{{item} for {x} in {over}{'' if test == 'True' else f' if {test}'}}})"
                if over != "()"
                else f"{wrap}(())"
            )
        r = self.temp("{}" if keyed else "set()")
        put = f"{r}[{x}] = {value}" if keyed else f"{r}.add({value})"
        self.out.append(f"for {x} in {over}:")
        self.nest([*lines, f"if {test}:", *(INDENT + line for line in [*inner, put])])
        return f"{wrap}({r})"

    def _fold(self, e: Fold) -> str:
        def body() -> tuple[str, list[str], str]:
            test = self.expr(e.where)
            lines, value = self.inside(lambda: self.expr(e.body))
            return test, lines, value

        x, over, lines, (test, inner, value), _ = self._loop(e.name, e.domain, e.where, body, repeats=False)
        total = e.kind == "sum"
        if total and not lines and not inner:
            return f"sum([{value} for {x} in {over}{'' if test == 'True' else f' if {test}'}])"
        r = self.temp("0" if total else "[]")
        put = f"{r} += {value}" if total else f"{r}.append({value})"
        self.out.append(f"for {x} in {over}:")
        self.nest([*lines, f"if {test}:", *(INDENT + line for line in [*inner, put])])
        if total:
            return r
        self.faults += 1
        if isinstance(e.type, Int):
            self.out.append(f"{r} = {e.kind}({r}) if {r} else extreme({self.node(e)}, {r})")
            return r
        return self.temp(f"extreme({self.node(e)}, {r})")

    def _fit(self, e: Fit) -> str:
        value, a, t = self.expr(e.value), e.value.type, e.type
        if isinstance(t, BagOf):  # the empty set is also the empty bag
            self.faults += 1
            return self.temp(f"fit({self.node(e)}, {value}, {self.module.keep(t, 'T', ('type', t))})")
        if within(a, t):
            return value
        x = self.atom(value)
        self.fail(condition(x, a, t, self.module), f"misfit({self.node(e)}, {x}, {e.what!r})")
        return x

    # domains

    def domain(self, e: Expr, repeats: bool = False, lazily: bool = False) -> tuple[str, bool]:
        """Something to go through, and whether its order is the same in every run.  `repeats`: an element may come twice;
        `lazily`: it may be huge."""
        match e:
            case Const(value=v):
                return (self.module.keep(tuple(in_order(v)), "K", ("order", e.type, v)), True) if v else ("()", True)
            case Apply(op="all", attr=t) if isinstance(t, Int):
                self._listed(e, t, lazily)
                return f"range({t.lo}, {t.hi} + 1)", True
            case Apply(op="all", attr=t):
                if lazily and card(t) > VAST:
                    return f"values({self.module.keep(t, 'T', ('type', t))})", True
                self._listed(e, t, False)
                return self.module.keep(tuple(values(t)), "K", ("all", t)), True
            case Apply(op="range", args=(a, b)):
                return f"range({self.expr(a)}, {self.expr(b)})", True
            case Apply(op="indices", args=(s,)):
                return f"range(len({self.expr(s)}))", True
            case Apply(op="elems", args=(s,)) if repeats:
                return self.expr(s), True
        return self.expr(e), False

    def _listed(self, e: Expr, t: Type, lazily: bool) -> None:
        if not lazily and card(t) > VAST:
            raise TooLarge(e, card(t))

    # operators

    def _apply(self, e: Apply) -> str:
        op = e.op
        if op == "index" and self.cells and self._own(e.args):
            return self.var(e.args[0].var)  # type: ignore[attr-defined]
        if op in ("member", "in_set"):
            return self._member(e)
        if (
            op == "index"
            and isinstance(e.args[1], Local)
            and (known := self.within.get(e.args[1].name))
            and known[0] == e.args[0]
        ):
            return f"{known[1]}[{self.env[e.args[1].name]}]"
        if op == "len" and isinstance(x := e.args[0], SetOf) and isinstance(x.body, Local) and x.body.name == x.name:
            return self._fold(Fold(e.type, "sum", x.name, x.domain, x.where, Const(Int(1, 1), 1), span=e.span))
        if op == "all":
            self._listed(e, e.attr, False)
            return self.module.keep(frozenset(values(e.attr)), "K", ("set", e.attr))
        args = [self.expr(a) for a in e.args]
        return self.operator(e, args)

    def _own(self, args: tuple[Expr, ...]) -> bool:
        """A cell of the process itself?"""
        return (
            isinstance(args[0], Read)
            and isinstance(args[1], Local)
            and args[1].name == "self"
            and self.instance.vars[args[0].var].keyed
        )

    def operator(self, e: Apply, args: list[str]) -> str:
        """An operator on these texts.  What is not written here is left to the operator's meaning."""
        simple = SIMPLE.get(e.op)
        if e.op == "keys" and isinstance(t := e.args[0].type, MapOf) and is_vast(t):
            raise TooLarge(e, card(t.key))
        if e.op in ("eq", "ne") and "None" in args:
            return f"({args[args[0] == 'None']} is {'not ' if e.op == 'ne' else ''}None)"
        if simple:
            return simple.format(*args)
        special = getattr(self, f"_op_{e.op}", None)
        if special is not None:
            return str(special(e, *args))
        self.faults += 1
        return self.temp(f"undefined({', '.join([self.node(e), *args])})")

    def _undefined(self, guard: str, e: Apply, *args: str) -> None:
        self.fail(guard, f"undefined({', '.join([self.node(e), *args])})")

    def _member(self, e: Apply) -> str:
        x, c = e.args
        match c:
            case Apply(op="all", attr=t):
                return condition(self.atom(self.expr(x)), x.type, t, self.module)
            case Apply(op="range", args=(a, b)):
                text = self.atom(self.expr(x))
                return f"({self.expr(a)} <= {text} < {self.expr(b)})"
            case Apply(op="indices", args=(s,)):
                text = self.atom(self.expr(x))
                return f"(0 <= {text} < len({self.expr(s)}))"
        if isinstance(c, SetOf) and self._place(c) is None:  # a set for one look
            return self._quant(Quant(e.type, "exists", c.name, c.domain, both(c.where, Apply(e.type, "eq", (c.body, x)))))
        text = self.expr(x)
        return f"({text} in {self.expr(c)})"

    def _order(self, e: Apply, a: str, b: str, sign: str) -> str:
        """`a sign b` by the order of the language."""
        x, y = e.args[0].type, e.args[1].type
        t = join(x, y)
        if plain(t):
            return f"({a} {sign} {b})"
        if isinstance(t, Enum):
            rank = self.module.keep({m: i for i, m in enumerate(t.members)}, "K", ("rank", t))
            return f"({rank}[{a}] {sign} {rank}[{b}])"
        if isinstance(t, Option) and plain(t.elem) and sign in "<>":
            low, high, below, above = (a, b, x, y) if sign == "<" else (b, a, y, x)
            low, high = self.atom(low), self.atom(high)
            some = f"{high} is not None and " if isinstance(above, Option) else ""
            none = f"({low} is None or {low} < {high})" if isinstance(below, Option) else f"{low} < {high}"
            return f"({some}{none})"
        if isinstance(t, Option) and plain(t.elem):
            return f"(not {self._order(e, a, b, '>' if sign == '<=' else '<')})"
        return f"(compare({self.module.keep(t, 'T', ('type', t))}, {a}, {b}) {sign} 0)"

    def _op_lt(self, e: Apply, a: str, b: str) -> str:
        return self._order(e, a, b, "<")

    def _op_gt(self, e: Apply, a: str, b: str) -> str:
        return self._order(e, a, b, ">")

    def _op_le(self, e: Apply, a: str, b: str) -> str:
        return self._order(e, a, b, "<=")

    def _op_ge(self, e: Apply, a: str, b: str) -> str:
        return self._order(e, a, b, ">=")

    def _divide(self, e: Apply, a: str, b: str, sign: str) -> str:
        t = e.args[1].type
        b = self.atom(b)
        if not (isinstance(t, Int) and isinstance(t.lo, int) and isinstance(t.hi, int) and (t.lo > 0 or t.hi < 0)):
            self._undefined(f"{b} != 0", e, a, b)
        return f"({a} {sign} {b})"

    def _op_div(self, e: Apply, a: str, b: str) -> str:
        return self._divide(e, a, b, "//")

    def _op_mod(self, e: Apply, a: str, b: str) -> str:
        return self._divide(e, a, b, "%")

    def _op_set(self, e: Apply, *xs: str) -> str:
        return f"frozenset(({', '.join(xs)},))" if xs else "frozenset()"

    def _op_seq(self, e: Apply, *xs: str) -> str:
        return f"({', '.join(xs)},)" if xs else "()"

    _op_tuple = _op_seq

    def _op_record(self, e: Apply, *xs: str) -> str:
        return f"Rec({e.attr.name!r}, {self._op_seq(e, *xs)})"

    def _op_field(self, e: Apply, r: str) -> str:
        return f"{r}.values[{e.args[0].type.index(e.attr)}]"  # type: ignore[attr-defined]

    def _op_with_field(self, e: Apply, r: str, v: str) -> str:
        t = e.args[0].type
        assert isinstance(t, Record)
        r, at = self.atom(r), t.index(e.attr)
        return f"Rec({t.name!r}, ({', '.join(v if i == at else f'{r}.values[{i}]' for i in range(len(t.fields)))},))"

    def _op_item(self, e: Apply, t: str) -> str:
        return f"{t}[{e.attr}]"

    def _op_with_item(self, e: Apply, t: str, v: str) -> str:
        assert isinstance(e.args[0].type, Tuple)
        t = self.atom(t)
        return f"({', '.join(v if i == e.attr else f'{t}[{i}]' for i in range(len(e.args[0].type.elems)))},)"

    def _op_the(self, e: Apply, x: str) -> str:
        x = self.atom(x)
        if isinstance(e.args[0].type, Option):
            self._undefined(f"{x} is not None", e, x)
        return x

    def _op_fits(self, e: Apply, x: str) -> str:
        return condition(self.atom(x), e.args[0].type, e.attr, self.module)

    def _op_is(self, e: Apply, u: str) -> str:
        return f"({u}.name == {e.attr!r})"

    def _op_inject(self, e: Apply, u: str) -> str:
        return u

    _op_project = _op_inject

    def _op_index(self, e: Apply, c: str, i: str) -> str:
        if not isinstance(e.args[0].type, MapOf):
            c, i = self.atom(c), self.atom(i)
            self._undefined(f"0 <= {i} < len({c})", e, c, i)
        return f"{c}[{i}]"

    def _op_with_index(self, e: Apply, c: str, i: str, v: str) -> str:
        if isinstance(e.args[0].type, MapOf):
            return f"{c}.set({i}, {v})"
        c, i = self.atom(c), self.atom(i)
        self._undefined(f"0 <= {i} < len({c})", e, c, i, v)
        return f"(*{c}[:{i}], {v}, *{c}[{i} + 1:])"

    def _op_last(self, e: Apply, s: str) -> str:
        s = self.atom(s)
        self._undefined(s, e, s)
        return f"{s}[-1]"

    def _op_slice(self, e: Apply, s: str, a: str, b: str) -> str:
        s, a, b = self.atom(s), self.atom(a), self.atom(b)
        self._undefined(f"0 <= {a} <= {b} <= len({s})", e, s, a, b)
        return f"{s}[{a}:{b}]"

    def _op_bag_remove(self, e: Apply, b: str, x: str) -> str:
        b, x = self.atom(b), self.atom(x)
        self._undefined(f"{x} in {b}", e, b, x)
        return f"{b}.add({x}, -1)"

    def _extreme_of(self, e: Apply, s: str) -> str:
        if not isinstance(e.type, Int):
            self.faults += 1
            return self.temp(f"undefined({self.node(e)}, {s})")
        s = self.atom(s)
        self._undefined(s, e, s)
        return f"{e.op[:3]}({s})"

    _op_minset = _op_maxset = _extreme_of

    # the network

    def _sent(self, e: Sent) -> str:
        m = self.instance.messages[e.message]
        self.asked.add(e.message)
        wanted = [*e.args, *([e.to] if m.to else []), *([e.sender] if m.sender else [])]
        texts = [None if w is None else self.atom(self.expr(w)) for w in wanted]
        given = [t for t in texts if t is not None]
        if self.log:
            at = tuple(i for i, t in enumerate(texts) if t is not None)
            seen = self._asked(f"LOG.seen({m.name!r}, {at!r})")
            return f"(({', '.join(given)}{',' if given else ''}) in {seen})"
        content = self.var(m.var)
        if self.instance.network != "fifo" and len(given) == len(texts):
            return f"(Rec({m.name!r}, {self._op_seq(e, *given)}) in {content})"  # type: ignore[arg-type]
        tests = [f"{x}.values[{i}] == {t}" for x in ("m",) for i, t in enumerate(texts) if t is not None]
        every = f"m in {content}"
        if self.instance.network == "fifo":
            every = f"row in {content}.values() for q in row.values() for m in q"
        return f"any([{' and '.join([f'm.name == {m.name!r}', *tests])} for {every}])"

    def put(self, s: Send) -> None:
        """Sends: appends to SENT, and to the network where it is a variable."""
        m = self.instance.messages[s.message]
        fields = [self.expr(a) for a in s.args]
        if self.cells:
            to = self.expr(s.to) if s.to is not None and m.to else "None"
            self.out.append(f"SENT.append(({m.name!r}, {self._op_seq(s, *fields)}, {to}))")  # type: ignore[arg-type]
            return
        sender = [self.expr(s.sender)] if m.sender and s.sender else []
        if m.to and s.to is None:
            to, fields, sender = self.name("to"), [self.atom(f) for f in fields], [self.atom(f) for f in sender]
            self.out.append(f"for {to} in {self.module.keep(tuple(values(m.to)), 'K', ('all', m.to))}:")
            self.nest(self.inside(lambda: self._put_one(s, m, [*fields, to, *sender]))[0])
        else:
            self._put_one(s, m, [*fields, *([self.expr(s.to)] if m.to and s.to else []), *sender])

    def _put_one(self, s: Send, m: Message, fields: list[str]) -> None:
        x = self.temp(f"Rec({m.name!r}, {self._op_seq(s, *fields)})")  # type: ignore[arg-type]
        self.out.append(f"SENT.append({x})")
        if self.log:
            return
        net, t = self.var(m.var), self.instance.vars[m.var].type
        self.written.add(m.var)
        if self.instance.network == "set":
            self.out.append(f"{net} = {net} | {{{x}}}")
        elif self.instance.network == "bag":
            self.out.append(f"{net} = {net}.add({x})")
        else:
            self._append(net, x)
        self._room(s, net, t, x)

    def _append(self, net: str, x: str) -> None:
        row, at = self.temp(f"{net}[{x}.values[-1]]"), f"{x}.values[-2]"
        self.out.append(f"{net} = {net}.set({x}.values[-1], {row}.set({at}, ({'*'}{row}[{at}], {x})))")

    def _room(self, s: Send, net: str, t: Type, x: str) -> None:
        """The capacity of the network is a fault where it does not suffice."""
        full = f"said({self.module.keep(_capacity(s), 'N')}, f'{{render({net})}} does not fit the capacity of the network')"
        self.module.space["render"] = render
        if isinstance(t, MapOf) and isinstance(t.val, MapOf) and isinstance(t.val.val, Seq):
            self.fail(f"len({net}[{x}.values[-1]][{x}.values[-2]]) <= {t.val.val.cap}", full)
        elif isinstance(t, Set | BagOf) and t.cap is not None:
            self.fail(f"len({net}) <= {t.cap}", full)

    # statements

    def block(self, body: tuple[Stmt, ...]) -> None:
        for s in body:
            self.statement(s)

    def statement(self, s: Stmt) -> None:
        match s:
            case Require():
                c = self.expr(s.cond)
                self.out.append(f"if not {c}: return {self.module.site(s)}")
            case Check():
                self.fail(self.expr(s.cond), f"said({self.node(s)}, {s.fault!r})")
            case LetStmt():
                name = self.name(s.name)
                self.out.append(f"{name} = {self.expr(s.value)}")
                self.env[s.name] = name
            case Assign():
                v = self.instance.vars[s.var]
                if not (self.cells and v.ghost) and not ((self.cells or self.log) and v.hidden == "network"):
                    self._assign(s)
            case Send():
                self.put(s)
            case IfStmt():
                self._branch(s)
            case ForAll():
                self._for_all(s)
            case Choose():
                self._choose(s)
            case _:
                raise AssertionError(s)

    def _branch(self, s: IfStmt) -> None:
        c = self.expr(s.cond)
        for head, body in ((f"if {c}:", s.then), ("else:", s.orelse)):
            if body or head != "else:":
                lines, _ = self.inside(lambda body=body: self.block(body))  # type: ignore[misc]
                if lines or head != "else:":
                    self.out.append(head)
                    self.nest(lines)

    def _for_all(self, s: ForAll) -> None:
        over, ordered = self.domain(s.domain)
        x = self.name(s.name)
        self.env[s.name] = x
        lines, _ = self.inside(lambda: self.block(s.body))
        self.out.append(f"for {x} in {over if ordered else f'in_order({over})'}:")
        self.nest(lines)

    def _choose(self, s: Choose) -> None:
        over = self.narrowed(s.name, s.domain, s.where)
        if not over:
            over, ordered = self.domain(s.domain, lazily=True)
            over = over if ordered else f"in_order({over})"
        site, x = self.module.site(s), self.name(s.name)
        self.env[s.name] = x
        if s.where == TRUE:
            self.out.append(f"{x} = pick({site}, {over}, None)")
            return
        before, fresh = self.faults, self.fresh
        lines, test = self.inside(lambda: self.expr(s.where))
        inner = [*lines, f"if {test}: yield {x}"]
        if self.faults > before:  # the choice that faults is one, too
            inner = ["try:", *(INDENT + line for line in inner), f"except Fault as why: yield ({x}, why)"]
        found = {n for line in inner for n in NAME.findall(line) if n in self.names and n != x}
        known = sorted(n for n in found if self.names[n] <= fresh)
        f = self.name("options")
        self.out.append(f"def {f}({', '.join(['every', *(f'{n}={n}' for n in known)])}):  # as things are now")
        self.nest([f"for {x} in every:", *(INDENT + line for line in inner)])
        self.out.append(f"{x} = pick({site}, {over}, {f})")

    def _assign(self, s: Assign) -> None:
        value = self.expr(s.value)
        path = s.path
        v = self.instance.vars[s.var]
        t = v.type
        if self.cells and v.keyed:
            if not (path and isinstance(path[0], Local) and path[0].name == "self"):
                raise NotLocal(s, f"`{s.var}` of other processes")
            assert isinstance(t, MapOf)
            path, t = path[1:], t.val
        name = self.var(s.var)
        self.written.add(s.var)
        if path or isinstance(s.value.type, Seq):
            value = self.atom(value)
        self._made(s.value, value)
        self.out.append(f"{name} = {self._placed(s, name, t, path, value)}")

    def _made(self, e: Expr, new: str) -> None:
        """Tells what a sequence keeps of another, if that is what it is made of."""
        while isinstance(e, Fit) or (isinstance(e, Apply) and e.op == "concat"):
            e = e.value if isinstance(e, Fit) else e.args[0]
        match e:
            case Apply(op="slice", args=(old, Const(value=0), end)) if not costly(e.args[0]) and not costly(end):
                keep = self.expr(end)
            case Read() | Apply(op="index"):
                old, keep = e, ""
            case _:
                return
        if isinstance(old.type, Seq):
            text = self.atom(self.expr(old))
            self.out.append(f"made({new}, {text}, {keep or f'len({text})'})")

    def _placed(self, s: Assign, old: str, t: Type, path: tuple[Expr | str, ...], new: str) -> str:
        """The old value with the new one at the end of a path."""
        if not path:
            return new
        if isinstance(path[0], str):
            assert isinstance(t, Record)
            old, at = self.atom(old), t.index(path[0])
            inner = self._placed(s, f"{old}.values[{at}]", t.fields[at][1], path[1:], new)
            return f"Rec({t.name!r}, ({', '.join(inner if i == at else f'{old}.values[{i}]' for i in range(len(t.fields)))},))"
        key = self.atom(self.expr(path[0]))
        old = self.atom(old)
        if isinstance(t, MapOf):
            return f"{old}.set({key}, {self._placed(s, f'{old}[{key}]', t.val, path[1:], new)})"
        assert isinstance(t, Seq)
        self.fail(f"0 <= {key} < len({old})", f"outside({self.node(s)}, {key}, len({old}))")
        inner = self._placed(s, f"{old}[{key}]", t.elem, path[1:], new)
        return f"(*{old}[:{key}], {inner}, *{old}[{key} + 1:])"


def _capacity(s: Stmt) -> Node:
    return Node(span=s.span)


SIMPLE = {
    "not": "(not {})", "eq": "({} == {})", "ne": "({} != {})", "add": "({} + {})", "sub": "({} - {})", "mul": "({} * {})",
    "neg": "(-{})", "min2": "min({}, {})", "max2": "max({}, {})", "union": "({} | {})", "inter": "({} & {})",
    "diff": "({} - {})", "subset": "({} <= {})", "len": "len({})", "range": "frozenset(range({}, {}))",
    "keys": "frozenset({})", "values": "{}.image()", "elems": "elements({})",
    "indices": "frozenset(range(len({})))", "concat": "({} + {})", "count": "{}[{}]", "bag_add": "{}.add({})",
}  # fmt: skip

CHEAP = frozenset({
    "not", "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "neg", "min2", "max2", "div", "mod", "len", "index", "field",
    "item", "last", "the", "is", "inject", "project", "fits", "member", "in_set", "all", "record", "tuple", "count",
})  # fmt: skip

FLIPPED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq"}
