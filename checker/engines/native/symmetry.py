"""Symmetry in machine code: how a state looks from each identity, and what it becomes when identities are renamed.

The elements of all sorts are numbered one after the other. `refine` adds to each element's signature a hash of its role in
the state, in which other elements appear only as their colours; `permute` renames. Both follow the types, so they are right
for every spec: the language has no way to name an identity. `key` gives the exact local state where no fact mentions two
elements.
"""

from __future__ import annotations

from checker.core.layout import is_mask, layout
from checker.core.types import (
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Sort,
    Tuple,
    Type,
    Union,
    card,
    is_scalar,
    sorts_in,
    values,
)
from checker.engines.native.codegen import Expressions
from checker.engines.native.emit import Num
from checker.engines.native.values import Mem, Val, part_types

K1, K2, K3 = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 0xC2B2AE3D27D4EB4F


class Symmetry(Expressions):
    """Code that treats a state as a structure over identities.  `offsets`: where each sort's elements start."""

    offsets: dict[str, int]

    def var(self, name: str, ptr: str) -> Val:
        slot = self.state.slots[name]
        return Val(self.state.types[name], mem=Mem(ptr, slot.word, slot.shift))

    # refine

    def refine(self) -> None:
        for i, (name, t) in enumerate(self.state.types.items()):
            if sorts_in(t):
                self.spread(self.var(name, "%src"), self.mix(i + 1, K3))

    def mix(self, a: Num, b: Num) -> Num:
        """A hash of two numbers that depends on their order."""
        fn = self.fn
        x = fn.bin("mul", fn.bin("xor", a, fn.bin("mul", b, K1)), K2)
        return fn.bin("mul", fn.bin("xor", x, fn.bin("lshr", x, 32)), K1)

    def element_of(self, v: Val) -> Num:
        assert isinstance(v.type, Sort)
        return self.fn.bin("add", self.num(v), self.offsets[v.type.name])

    def hash(self, v: Val) -> Num:
        """A hash of a value in which identities are seen as their colours."""
        t = v.type
        if not sorts_in(t) and not layout(t).wide:
            return self.mix(self.raw(v), 1)
        match t:
            case Sort():
                return self.fn.load("%colours", self.element_of(v))
            case Option():
                cell = self.fn.alloca()
                self.fn.store(0, cell)
                with_some = self.fn.fresh("some")
                done = self.fn.fresh("done")
                self.fn.branch(self.present(v), with_some, done)
                self.fn.label(with_some)
                self.fn.store(self.mix(self.hash(self.payload(v)), 2), cell)
                self.fn.label(done)
                return self.fn.load(cell)
            case Record() | Tuple():
                out: Num = 3
                for i in range(len(part_types(t))):
                    out = self.mix(out, self.hash(self.part(v, i)))
                return out
            case Union():
                return self._variant(v)
        return self._hash_collection(v)

    def _variant(self, v: Val) -> Num:
        assert isinstance(v.type, Union)
        cell, done = self.fn.alloca(), self.fn.fresh("done")
        for i, r in enumerate(v.type.variants):
            yes, no = self.fn.fresh("yes"), self.fn.fresh("no")
            self.fn.branch(self.is_variant(v, r.name), yes, no)
            self.fn.label(yes)
            self.fn.store(self.mix(self.hash(self.project(v, r.name)), 10 + i), cell)
            self.fn.jump(done)
            self.fn.label(no)
        self.fn.store(0, cell)
        self.fn.label(done)
        return self.fn.load(cell)

    def _hash_collection(self, v: Val) -> Num:
        cell = self.fn.alloca()
        self.fn.store(4, cell)
        t = v.type
        if isinstance(t, MapOf):
            with self.fn.loop(card(t.key)) as (i, _, _):
                h = self.mix(self.hash(self.unrank(i, t.key)), self.hash(self.element(v, i)))
                self.fn.store(self.fn.bin("add", self.fn.load(cell), h), cell)
        elif isinstance(t, Seq):
            with self.each(v) as (x, _):
                self.fn.store(self.mix(self.fn.load(cell), self.hash(x)), cell)
        else:
            with self.each(v) as (x, _):
                self.fn.store(self.fn.bin("add", self.fn.load(cell), self.mix(self.hash(x), 5)), cell)
        return self.fn.load(cell)

    def spread(self, v: Val, h: Num) -> None:
        """Adds to the signature of every element in `v` what `h` and its place in `v` say."""
        t = v.type
        if not sorts_in(t):
            return
        match t:
            case Sort():
                at = self.element_of(v)
                old = self.fn.load("%sig", at)
                self.fn.store(self.fn.bin("add", old, self.mix(h, 6)), "%sig", at)
            case Option():
                some, done = self.fn.fresh("some"), self.fn.fresh("done")
                self.fn.branch(self.present(v), some, done)
                self.fn.label(some)
                self.spread(self.payload(v), self.mix(h, 7))
                self.fn.label(done)
            case Record() | Tuple():
                for i in range(len(part_types(t))):
                    self.spread(self.part(v, i), self.mix(h, 100 + i))
            case Union():
                self._spread_variant(v, h)
            case MapOf():
                with self.fn.loop(card(t.key)) as (n, _, _):
                    k, x = self.unrank(n, t.key), self.element(v, n)
                    here = self.mix(h, self.mix(self.hash(k), self.hash(x)))
                    self.spread(k, self.mix(here, 8))
                    self.spread(x, self.mix(here, 9))
            case Seq():
                with self.fn.loop(self.length(v)) as (n, _, _):
                    self.spread(self.element(v, n), self.mix(h, n))
            case _:
                with self.each(v) as (x, _):
                    self.spread(x, self.mix(h, self.hash(x)))

    def _spread_variant(self, v: Val, h: Num) -> None:
        assert isinstance(v.type, Union)
        done = self.fn.fresh("done")
        for i, r in enumerate(v.type.variants):
            yes, no = self.fn.fresh("yes"), self.fn.fresh("no")
            self.fn.branch(self.is_variant(v, r.name), yes, no)
            self.fn.label(yes)
            self.spread(self.project(v, r.name), self.mix(h, 200 + i))
            self.fn.jump(done)
            self.fn.label(no)
        self.fn.label(done)

    # permute

    def permute(self) -> None:
        """Writes the renamed state to %out."""
        self.fn.zero("%out", self.state.words)
        for name, t in self.state.types.items():
            v, to = self.var(name, "%src"), self.var(name, "%out")
            assert to.mem
            self.store(to.mem, self.renamed(v) if sorts_in(t) else v)

    def renamed(self, v: Val) -> Val:
        """The value with every identity renamed."""
        t = v.type
        if not sorts_in(t):
            return v
        match t:
            case Sort():
                return Val(t, self.fn.load("%perm", self.element_of(v)))
            case Option():
                return self._renamed_option(v, t)
            case Record() | Tuple():
                return self.product(t, tuple(self.renamed(self.part(v, i)) for i in range(len(part_types(t)))))
            case Union():
                return self._renamed_variant(v, t)
            case MapOf():
                out = self.temp(t)
                with self.fn.loop(card(t.key)) as (i, _, _):
                    k = self.renamed(self.unrank(i, t.key))
                    self._put(out, self.rank(k), self.renamed(self.element(v, i)))
                return self._settled(out)
            case Seq():
                out = self.temp(t)
                n = self.length(v)
                with self.fn.loop(n) as (i, _, _):
                    self._put(out, i, self.renamed(self.element(v, i)))
                self.set_length(out, n)
                return self._settled(out)
        out = self.temp(t)
        with self.each(v) as (x, _):
            self.insert(out, self.renamed(x))
        return self._settled(out)

    def _renamed_option(self, v: Val, t: Option) -> Val:
        out = self.temp(t)
        some, done = self.fn.fresh("some"), self.fn.fresh("done")
        self.fn.branch(self.present(v), some, done)
        self.fn.label(some)
        self._keep(out, self.wrap(self.renamed(self.payload(v)), t))
        self.fn.label(done)
        return self._settled(out)

    def _renamed_variant(self, v: Val, t: Union) -> Val:
        out, done = self.temp(t), self.fn.fresh("done")
        for r in t.variants:
            yes, no = self.fn.fresh("yes"), self.fn.fresh("no")
            self.fn.branch(self.is_variant(v, r.name), yes, no)
            self.fn.label(yes)
            self._keep(out, self.inject(t, self.renamed(self.project(v, r.name))))
            self.fn.jump(done)
            self.fn.label(no)
        self.fn.label(done)
        return self._settled(out)

    # key

    def key(self, sizes: dict[str, int]) -> None:
        """The exact local state of every element, packed (only if `unary`)."""
        for s, n in sizes.items():
            with self.fn.loop(n) as (i, _, _):
                me = Val(Sort(s, n), i)
                out: Num = 0
                at = 0
                for name, t in self.state.types.items():
                    for bits, raw in self._local(self.var(name, "%src"), t, me):
                        out = self.fn.bin("or", out, self.fn.bin("shl", raw, at))
                        at += bits
                self.fn.store(out, "%keys", self.fn.bin("add", i, self.offsets[s]))

    def _local(self, v: Val, t: Type, me: Val) -> list[tuple[int, Num]]:
        """What a variable says of one element: (bits, value) pairs."""
        match t:
            case MapOf(k, x) if k == me.type:
                return [(layout(x).bits, self.raw(self.element(v, self.num(me))))]
            case Set(e, _) if e == me.type:
                return [(1, self.fn.zext(self.set_member(me, v)))]
            case Set(Record(_, fs) as r, _) if me.type in [f for _, f in fs]:
                rest = Record("", tuple(f for f in fs if f[1] != me.type))
                return [(1, self.fn.zext(self.set_member(self._record(r, x, rest, me), v))) for x in values(rest)]
        return []

    def _record(self, r: Record, rest: object, shape: Record, me: Val) -> Val:
        others = iter(zip(shape.fields, rest.values, strict=True))  # type: ignore[attr-defined]
        parts = []
        for _, t in r.fields:
            if t == me.type:
                parts.append(me)
            else:
                (_, of), x = next(others)
                parts.append(self.constant(of, x))
        return self.product(r, tuple(parts))


def unary(types: dict[str, Type], sorts: dict[str, int]) -> bool:
    """Does every fact in a state mention at most one identity, and does all about one fit in a word?"""
    widths = dict.fromkeys(sorts, 0)
    for t in types.values():
        found = sorts_in(t)
        if not found:
            continue
        if len(found) > 1:
            return False
        (s,) = found
        bits = _local_bits(t, s)
        if bits is None:
            return False
        widths[s.name] += bits
    return all(w <= 64 for w in widths.values())


def _local_bits(t: Type, s: Sort) -> int | None:
    match t:
        case MapOf(k, x) if k == s and not sorts_in(x) and not layout(x).wide:
            return layout(x).bits
        case Set(e, _) if e == s and is_mask(t):
            return 1
        case Set(Record(_, fs), _) if is_mask(t):
            mine = [f for _, f in fs if f == s]
            rest = [f for _, f in fs if f != s]
            if len(mine) == 1 and not any(sorts_in(f) for f in rest) and all(is_scalar(f) for f in rest):
                n = 1
                for f in rest:
                    n *= card(f)
                return n if n <= 64 else None
    return None
