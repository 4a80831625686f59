"""Quantifiers without jumps: a condition of many values, computed for all of them at once, one bit of a word for each.

A quantifier over at most 64 values ("lanes") becomes a mask: bit i says whether the condition is true of value i. Which bit of
the state an atom like `sent Vote(a, b)` looks at is known for each lane, so the atom is a gather of bits: a shift where they lie
side by side, else one instruction that extracts bits (and one that deposits them). `not`, `and`, `or` and `implies` are
operations on masks, inner quantifiers are written out, and a condition on a small part of the state, like `b <= ballot[a]`, is a
choice among what it is for each value of that part, which the definition itself (`meaning`) says.
Invariant: a mask has no bits but those of lanes. What a lane computes where the spec would not have looked is some bit, never
poison, and is masked out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from checker.core.bind import free
from checker.core.ir import Apply, Const, Expr, If, Let, Local, Quant, Read
from checker.core.layout import is_mask, layout, pack, rank
from checker.core.meaning import Fault, evaluate
from checker.core.operators.table import TRUE
from checker.core.typed import parts, rewrite, subst
from checker.core.types import BOOL, MapOf, Option, Record, Set, Tuple, Type, Value, card, is_scalar, member, values
from checker.engines.native.emit import Bit, Num

if TYPE_CHECKING:
    from checker.engines.native.codegen import Env, Expressions

LANES = 64
LINES = 300  # of code that a quantifier may become,
WORK = 1000  # and nodes that are looked at to find out
PART = 16  # values of a part of the state that are told apart

NOTHING: Value = object()

Source = tuple[bool, int, int] | bool  # a bit of the state (primed?, word, bit), or a constant
Rows = dict[str, list[Value]]  # what each name stands for, lane by lane


class Stuck(Exception):
    """It cannot be done this way, or not for less."""


def in_lanes(gen: Expressions, q: Quant, env: Env, extract: bool) -> Bit | None:
    """The truth value of a quantifier in straight code, or None if that is not to be had, or is longer than the code with jumps.
    `extract`: does the machine extract and deposit bits?"""
    if over_sets(q):
        return _written_out(gen, q, env)
    fn, mark = gen.fn, len(gen.fn.body)
    best: tuple[list[str], Bit] | None = None
    fixed = {n: v.const for n, v in env.items() if v.const is not None}
    for rows, body, kind in _nests(_over_all(q), {n: c.value for n, c in fixed.items()}):
        try:
            lanes = Lanes(gen, rows, extract)
            found = lanes.mask(body, rows)
            bit = fn.icmp("eq", found, lanes.full) if kind == "forall" else fn.icmp("ne", found, 0)
            if best is None or len(fn.body) - mark < len(best[0]):
                best = fn.body[mark:], bit
        except Stuck:
            pass
        del fn.body[mark:]
    if best is None or len(best[0]) > gen.costs(q):
        return None
    fn.body += best[0]
    return best[1]


def over_sets(q: Quant) -> bool:
    """Of quorums, say.  Then the lanes are the elements of each."""
    return isinstance(q.domain, Const) and isinstance(q.domain.type, Set) and isinstance(q.domain.type.elem, Set)


def _written_out(gen: Expressions, q: Quant, env: Env) -> Bit | None:
    """The quantifier over a few constants, one by one."""
    assert isinstance(q.domain, Const) and isinstance(q.domain.type, Set)
    fn, t, mark = gen.fn, q.domain.type.elem, len(gen.fn.body)
    out: Bit = q.kind == "forall"
    for v in sorted(q.domain.value, key=lambda v: pack(t, v)):
        bit = gen.flat(q.body, {**env, q.name: gen.constant(t, v)})
        if bit is None or len(fn.body) - mark > max(LINES, gen.costs(q)):
            del fn.body[mark:]
            return None
        out = fn.and1(out, bit) if q.kind == "forall" else fn.or1(out, bit)
    return out


def _over_all(q: Quant) -> Quant:
    """A quantifier over a set, as one over all values, of those in the set: then the same is gathered for several sets."""
    t = q.domain.type
    if isinstance(q.domain, Apply) and q.domain.op == "all":
        return q
    if not (isinstance(t, Set) and card(t.elem) <= LANES and is_mask(t)):
        return q
    inside = Apply(BOOL, "in_set", (Local(t.elem, q.name), q.domain))
    body = If(BOOL, inside, q.body, TRUE if q.kind == "forall" else Const(BOOL, False))
    return Quant(BOOL, q.kind, q.name, Apply(Set(t.elem, None), "all", (), t.elem), body)


def _nests(q: Quant, known: dict[str, Value]) -> Iterator[tuple[Rows, Expr, str]]:
    """The lanes of a quantifier alone, and of it with those that follow at once: the first one's value changes fastest."""
    rows: Rows = {}
    n, e = 1, q
    while isinstance(e, Quant) and e.kind == q.kind:
        found = _domain(e.domain, known)
        if found is None or not found or n * len(found) > LANES:
            return
        rows = {name: vs * len(found) for name, vs in rows.items()}
        rows[e.name] = [v for v in found for _ in range(n)]
        n *= len(found)
        yield {**{name: [v] * n for name, v in known.items()}, **rows}, e.body, q.kind
        e = e.body  # type: ignore[assignment]


def _domain(d: Expr, known: dict[str, Value]) -> list[Value] | None:
    """The values of a domain that does not depend on the state, in order."""
    if isinstance(d, Apply) and d.op == "all":
        return list(values(d.attr)) if card(d.attr) <= LANES else None
    if isinstance(d.type, Set) and free(d) <= known.keys():
        with suppress(Fault):
            return sorted(evaluate(d, known), key=lambda v: pack(d.type.elem, v))  # type: ignore[attr-defined]
    return None


def _masked(t: Type) -> bool:
    return isinstance(t, Set) and is_mask(t)


class Lanes:
    """Masks over some lanes.  `rows` says what names stand for in them."""

    def __init__(self, gen: Expressions, rows: Rows, extract: bool) -> None:
        self.gen, self.fn, self.extract = gen, gen.fn, extract
        self.n = len(next(iter(rows.values())))
        self.full = (1 << self.n) - 1
        self.start, self.work = len(self.fn.body), 0
        self.words: dict[tuple[bool, int], Num] = {}
        self.gathered: dict[tuple[Source, ...], Num] = {}
        self.frees: dict[int, tuple[Expr, frozenset[str]]] = {}

    def mask(self, e: Expr, rows: Rows) -> Num:
        """In which lanes a condition is true.  Raises Stuck."""
        self.work += 1
        if self.work > WORK or len(self.fn.body) - self.start > LINES:
            raise Stuck
        if self.closed(e, rows):
            return self.constant(e, rows)
        match e:
            case Apply(op="not", args=(x,)):
                return self.flip(self.mask(x, rows))
            case If():
                return self.choice(e, rows)
            case Let() if self.closed(e.value, rows):
                return self.mask(e.body, {**rows, e.name: self.evaluated(e.value, rows)})
            case Let():
                return self.mask(subst(e.body, {e.name: e.value}), rows)
            case Quant():
                return self.quantified(e, rows)
            case Apply(op="in_set", args=(x, s)) if self.closed(x, rows) and self.known(s, rows) and _masked(s.type):
                return self.gather([self.inside(s, x, i, rows) for i in range(self.n)])
            case Apply(op="eq", args=(a, b)) if a.type == b.type and self.known(a, rows) and self.known(b, rows):
                if not layout(a.type).wide:
                    differ: Num = 0
                    for p, q in zip(self.planes(a, rows), self.planes(b, rows), strict=True):
                        differ = self.fn.bin("or", differ, self.fn.bin("xor", p, q))
                    return self.flip(differ)
        return self.split(e, rows)

    # what does not depend on the state

    def closed(self, e: Expr, rows: Rows) -> bool:
        if id(e) not in self.frees:
            self.frees[id(e)] = e, free(e)
        return self.frees[id(e)][1] <= rows.keys()

    def evaluated(self, e: Expr, rows: Rows) -> list[Value]:
        """The value of a closed expression in each lane; NOTHING where it has none, and nobody will look."""
        assert self.closed(e, rows)
        names = sorted(self.frees[id(e)][1])
        found: dict[tuple[Value, ...], Value] = {}
        out = []
        for i in range(self.n):
            key = tuple(rows[n][i] for n in names)
            if key not in found:
                found[key] = NOTHING
                self.work += 1
                if NOTHING not in key:
                    with suppress(Fault):
                        found[key] = evaluate(e, dict(zip(names, key, strict=True)))
            out.append(found[key])
        return out

    def constant(self, e: Expr, rows: Rows) -> int:
        return sum(1 << i for i, v in enumerate(self.evaluated(e, rows)) if v is True)

    # operations on masks

    def flip(self, m: Num) -> Num:
        return self.fn.bin("xor", m, self.full)

    def mux(self, c: Num, a: Num, b: Num) -> Num:
        """Lane by lane, a where c, else b."""
        fn, full = self.fn, self.full
        if a == b or c == full:
            return a
        if c == 0:
            return b
        if a == full:
            return c if b == 0 else fn.bin("or", b, c)
        if b == 0:
            return fn.bin("and", a, c)
        if a == 0:
            return fn.bin("and", b, self.flip(c))
        if b == full:
            return fn.bin("or", a, self.flip(c))
        return fn.bin("xor", b, fn.bin("and", fn.bin("xor", a, b), c))

    def choice(self, e: If, rows: Rows) -> Num:
        c = self.mask(e.cond, rows)
        then = 0 if c == 0 else self.mask(e.then, rows)
        return self.mux(c, then, 0 if c == self.full else self.mask(e.orelse, rows))

    def quantified(self, e: Quant, rows: Rows) -> Num:
        """An inner quantifier, written out; its domain may differ from lane to lane."""
        out: Num = self.full if e.kind == "forall" else 0
        for v, inside in self.elements(e.domain, rows):
            body = self.mask(e.body, {**rows, e.name: [v] * self.n})
            if e.kind == "forall":
                out = self.fn.bin("and", out, self.mux(inside, body, self.full))
            else:
                out = self.fn.bin("or", out, self.mux(inside, body, 0))
        return out

    def elements(self, d: Expr, rows: Rows) -> Iterator[tuple[Value, Num]]:
        """The values that may be in a domain, and in which lanes they are."""
        if not isinstance(d.type, Set) or (isinstance(d, Apply) and d.op == "all" and card(d.attr) > LANES):
            raise Stuck
        if isinstance(d, Apply) and d.op == "all":
            for v in values(d.attr):
                yield v, self.full
        elif self.closed(d, rows):
            sets = [frozenset() if s is NOTHING else s for s in self.evaluated(d, rows)]
            for v in sorted(frozenset().union(*sets), key=lambda v: pack(d.type.elem, v)):  # type: ignore[attr-defined]
                yield v, sum(1 << i for i, s in enumerate(sets) if v in s)
        elif self.known(d, rows) and _masked(d.type) and card(d.type.elem) <= LANES:
            for v in values(d.type.elem):
                yield v, self.gather([self.inside(d, Const(d.type.elem, v), i, rows) for i in range(self.n)])
        else:
            raise Stuck

    # the state

    def known(self, e: Expr, rows: Rows) -> bool:
        """Is it a part of the state of which each lane knows where it is?"""
        while isinstance(e, Apply):
            match e.op:
                case "index":
                    fixed = isinstance(e.args[0].type, MapOf) and self.closed(e.args[1], rows)
                case "the":
                    fixed = not is_scalar(e.type)  # else it is none of the bits, but their number less one
                case "field" | "item":
                    fixed = isinstance(e.args[0].type, Record | Tuple)
                case _:
                    fixed = False
            if not fixed:
                return False
            e = e.args[0]
        return isinstance(e, Read)

    def place(self, e: Expr, i: int, rows: Rows) -> tuple[bool, int, int]:
        """Where a part of the state begins in lane i: (primed?, word, shift)."""
        if isinstance(e, Read):
            slot = self.gen.state.slots[e.var]
            return e.primed, slot.word, slot.shift
        assert isinstance(e, Apply)
        of = e.args[0]
        primed, word, shift = self.place(of, i, rows)
        how = layout(of.type)
        if e.op == "index":
            assert isinstance(of.type, MapOf) and how.array
            key = self.evaluated(e.args[1], rows)[i]
            slot = how.array.at(rank(of.type.key, key) if key is not NOTHING and member(key, of.type.key) else 0)
        elif e.op == "the":
            assert isinstance(of.type, Option)
            slot = how.parts[1]
        else:
            slot = how.parts[of.type.index(e.attr) if isinstance(of.type, Record) else e.attr]
        return primed, word + slot.word, shift + slot.shift

    def inside(self, s: Expr, x: Expr, i: int, rows: Rows) -> Source:
        """The bit that says whether x is in a set, in lane i."""
        assert isinstance(s.type, Set)
        v = self.evaluated(x, rows)[i]
        if v is NOTHING or not member(v, s.type.elem):
            return False
        primed, word, shift = self.place(s, i, rows)
        at = shift + rank(s.type.elem, v)
        return primed, word + at // 64, at % 64

    def planes(self, e: Expr, rows: Rows) -> list[Num]:
        """A narrow part of the state: for each of its bits the mask of lanes where it is set."""
        places = [self.place(e, i, rows) for i in range(self.n)]
        return [self.gather([(p, w, s + j) for p, w, s in places]) for j in range(layout(e.type).bits)]

    def split(self, e: Expr, rows: Rows) -> Num:
        """What a condition is for each value of a small part of the state that it looks at, and a choice among these."""
        part = next(self.parts(e, rows), None)
        if part is None:
            raise Stuck
        planes = self.planes(part, rows)
        table: list[Num | None] = [None] * (1 << len(planes))
        name = Local(part.type, f"part {len(rows)}")
        rest = rewrite(e, lambda x: name if type(x) is type(part) and x == part else x)
        for v in values(part.type):
            table[pack(part.type, v)[0]] = self.mask(rest, {**rows, name.name: [v] * self.n})
        return self.select(planes, table)

    def parts(self, e: Expr, rows: Rows) -> Iterator[Expr]:
        """The small parts of the state in an expression, largest first."""
        if self.known(e, rows):
            if layout(e.type).wide or card(e.type) > PART:
                raise Stuck
            yield e
        else:
            for x in parts(e):
                yield from self.parts(x, rows)

    def select(self, planes: list[Num], table: list[Num | None]) -> Num:
        """The entry of the table that the planes point to, lane by lane; None: it does not matter."""
        if not planes:
            return table[0] if table[0] is not None else 0
        half = len(table) // 2
        if all(m is None for m in table[half:]):
            return self.select(planes[:-1], table[:half])
        low, high = self.select(planes[:-1], table[:half]), self.select(planes[:-1], table[half:])
        return self.mux(planes[-1], high, low)

    # gathering bits

    def gather(self, sources: list[Source]) -> Num:
        """The mask of these bits of the state."""
        key = tuple(sources)
        if key not in self.gathered:
            self.gathered[key] = self._gather(sources)
        return self.gathered[key]

    def _gather(self, sources: list[Source]) -> Num:
        lanes: dict[Source, list[int]] = {}
        for i, s in enumerate(sources):
            lanes.setdefault(s, []).append(i)
        constant = sum(1 << i for i in lanes.pop(True, []))
        lanes.pop(False, None)
        shapes = {tuple(i - where[0] for i in where) for where in lanes.values()}
        if len(lanes) == 1 and constant == 0 and len(sources) == len(next(iter(lanes.values()))):
            return self.fn.bin("and", self.fn.bin("sub", 0, self._bit(next(iter(lanes)))), self.full)
        if len(shapes) == 1 and len(shape := next(iter(shapes))) > 1:  # each bit several times, always in the same pattern
            firsts: list[Source] = [False] * len(sources)
            for s, where in lanes.items():
                firsts[where[0]] = s
            many = self.fn.bin("mul", self.gather(firsts), sum(1 << i for i in shape))
            return self.fn.bin("or", many, constant)
        out: Num = constant
        for primed, word in dict.fromkeys(s[:2] for s in lanes if not isinstance(s, bool)):
            pairs = [(i, s[2]) for i, s in enumerate(sources) if not isinstance(s, bool) and s[:2] == (primed, word)]
            out = self.fn.bin("or", out, self._from_word(self.word(primed, word), pairs))
        return out

    def _bit(self, s: Source) -> Num:
        assert not isinstance(s, bool)
        return self.fn.bin("and", self.fn.bin("lshr", self.word(s[0], s[1]), s[2]), 1)

    def word(self, primed: bool, word: int) -> Num:
        if (primed, word) not in self.words:
            self.words[primed, word] = self.fn.load(self.gen.after if primed else self.gen.cur, word)
        return self.words[primed, word]

    def _from_word(self, word: Num, pairs: list[(tuple[int, int])]) -> Num:
        """Lane i gets bit b of a word, for some pairs (i, b)."""
        shifts: dict[int, int] = {}
        for i, b in pairs:
            shifts[i - b] = shifts.get(i - b, 0) | 1 << i
        runs = _rising(pairs)
        out: Num = 0
        if not self.extract or 3 * len(shifts) <= 4 * len(runs):
            for by, where in shifts.items():
                moved = self.fn.bin("shl", word, by) if by > 0 else self.fn.bin("lshr", word, -by)
                out = self.fn.bin("or", out, self.fn.bin("and", moved, where))
            return out
        for run in runs:
            out = self.fn.bin("or", out, self._extracted(word, run))
        return out

    def _extracted(self, word: Num, run: list[tuple[int, int]]) -> Num:
        bits, where = sum(1 << b for _, b in run), sum(1 << i for i, _ in run)
        low, first = run[0][1], run[0][0]
        if bits >> low == (1 << len(run)) - 1:
            found = self.fn.bin("lshr", word, low)  # what follows is left behind
        else:
            found = self.fn.extract(word, bits)
            if where >> first == (1 << len(run)) - 1:
                return self.fn.bin("shl", found, first)
        return self.fn.deposit(found, where)


def _rising(pairs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """As few runs as possible in which lanes and bits both rise."""
    runs: list[list[tuple[int, int]]] = []
    for i, b in pairs:
        fitting = [r for r in runs if r[-1][1] < b]
        if fitting:
            max(fitting, key=lambda r: r[-1][1]).append((i, b))
        else:
            runs.append([(i, b)])
    return runs


__all__ = ["Lanes", "Stuck", "in_lanes", "over_sets"]
