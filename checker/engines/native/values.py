"""Typed values in machine code: what the `native` column of the operator table is written against.

A `Val` is an SSA value (narrow types) or a place in memory (wide ones, and narrow ones not loaded yet). bool is an i1, int
its actual number, everything else its packed bits (core/layout.py). Operators are total here: whatever could go wrong has
been checked. Memory that a Val points to does not change while the Val is in use; whoever writes to a state sees to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from checker.core.ir import Const
from checker.core.layout import WORD, Array, Layout, is_mask, layout, pack, rank, size, table, tabled, unrank
from checker.core.types import (
    BOOL,
    Bag,
    BagOf,
    Bool,
    Enum,
    Int,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Sort,
    Tuple,
    Type,
    Union,
    Unknown,
    Value,
    card,
    is_scalar,
)
from checker.engines.native.emit import Bit, Fn, Num, signed


@dataclass(frozen=True)
class Mem:
    """A place: a pointer to words, a word from there, bits from the low end of that word."""

    ptr: str
    word: Num = 0
    shift: Num = 0


@dataclass(frozen=True)
class Val:
    """A value of a type: in a register (`x`) or in memory (`mem`); of a constant it is known which (`const`)."""

    type: Type
    x: Any = None
    mem: Mem | None = None
    const: Const | None = None


@dataclass
class Module:
    """What functions share: constants too large for a register, and helpers made on demand.  `extracts`: does the machine extract
    and deposit bits?  `stuck`: names of quantifiers that are not to be had in straight code."""

    globals: dict[str, str] = field(default_factory=dict)
    helpers: dict[tuple[str, Type], Fn] = field(default_factory=dict)
    filters: dict[Any, Fn] = field(default_factory=dict)
    extracts: bool = False
    stuck: set[str] = field(default_factory=set)

    def constant(self, words: list[int]) -> str:
        """The address of constant words."""
        text = ", ".join(f"i64 {signed(w)}" for w in words)
        key = f"[{len(words)} x i64] [{text}]"
        if key not in self.globals:
            self.globals[key] = f"@c{len(self.globals)}"
        return self.globals[key]

    def text(self) -> list[str]:
        lines = [f"{name} = internal constant {value}, align 8" for value, name in self.globals.items()]
        return lines + [f.text() for f in (*self.helpers.values(), *self.filters.values())]


def ones(bits: int) -> int:
    return (1 << bits) - 1


class Values:
    """Generates code for operations on values into one function."""

    def __init__(self, fn: Fn, module: Module) -> None:
        self.fn, self.module = fn, module

    # shorthands used by the operator table

    def bin(self, op: str, a: Val, b: Val) -> Num:
        return self.fn.bin(op, self.num(a), self.num(b))

    def not1(self, a: Val) -> Bit:
        return self.fn.not1(self.bit(a))

    def num(self, v: Val) -> Num:
        """The number in a register: the actual one of an int, the packed bits of anything else but a bool."""
        x = self.force(v).x
        assert isinstance(x, int | str)
        return x

    def bit(self, v: Val) -> Bit:
        x = self.force(v).x
        assert isinstance(x, bool | str)
        return x

    # registers and memory

    def force(self, v: Val) -> Val:
        """A narrow value in a register."""
        if v.mem is None:
            return v
        how = layout(v.type)
        assert not how.wide, v.type
        return self.decode(self.load_bits(v.mem, how.bits), v.type)

    def load_bits(self, m: Mem, bits: int) -> Num:
        if bits == 0:
            return 0
        x = self.fn.bin("lshr", self.fn.load(m.ptr, m.word), m.shift)
        if isinstance(m.shift, int) and m.shift + bits == WORD:
            return x
        return self.fn.bin("and", x, ones(bits))

    def decode(self, raw: Num, t: Type) -> Val:
        """The value with these packed bits."""
        if isinstance(t, Bool):
            return Val(t, self.fn.icmp("ne", raw, 0))
        if isinstance(t, Int):
            assert isinstance(t.lo, int)
            return Val(t, self.fn.bin("add", raw, t.lo))
        return Val(t, raw)

    def raw(self, v: Val) -> Num:
        """The packed bits of a narrow value."""
        x = self.force(v).x
        if isinstance(v.type, Bool):
            return self.fn.zext(x)
        if isinstance(v.type, Int):
            assert isinstance(v.type.lo, int)
            return self.fn.bin("sub", x, v.type.lo)
        assert isinstance(x, int | str)
        return x

    def store_bits(self, m: Mem, bits: int, raw: Num) -> None:
        if bits == 0:
            return
        if bits == WORD:
            self.fn.store(raw, m.ptr, m.word)
            return
        old = self.fn.load(m.ptr, m.word)
        hole = self.fn.bin("xor", self.fn.bin("shl", ones(bits), m.shift), -1)
        kept = self.fn.bin("and", old, hole)
        self.fn.store(self.fn.bin("or", kept, self.fn.bin("shl", raw, m.shift)), m.ptr, m.word)

    def store(self, m: Mem, v: Val) -> None:
        """Writes a value to the place of one of its type."""
        how = layout(v.type)
        if how.wide:
            assert v.mem is not None
            self.fn.copy(self.fn.word(m.ptr, m.word), self.address(v), how.words)
        else:
            self.store_bits(m, how.bits, self.raw(v))

    def address(self, v: Val) -> str:
        """Where the first word of a wide value is."""
        assert v.mem is not None
        return self.fn.word(v.mem.ptr, v.mem.word)

    def temp(self, t: Type, zero: bool = True) -> Val:
        """Room for a value of this type, in words of its own."""
        how = layout(t)
        ptr = self.fn.alloca(how.words)
        if zero:
            self.fn.zero(ptr, how.words)
        return Val(t, mem=Mem(ptr))

    def snapshot(self, v: Val) -> Val:
        """The same value, no longer depending on memory that may change."""
        if v.mem is None:
            return v
        return self.copied(v) if layout(v.type).wide else self.force(v)

    def copied(self, v: Val) -> Val:
        """A copy in memory of its own, at a word's start."""
        out = self.temp(v.type, zero=False)
        assert out.mem
        if layout(v.type).wide:
            self.store(out.mem, v)
        else:
            self.fn.store(self.raw(v), out.mem.ptr)
        return out

    def _settled(self, v: Val) -> Val:
        """A narrow value back in a register; a wide one as it is."""
        return v if layout(v.type).wide else self.force(v)

    def constant(self, t: Type, v: Value) -> Val:
        """A constant."""
        known, words = Const(t, v), pack(t, v)
        if layout(t).wide:
            return Val(t, mem=Mem(self.module.constant(words)), const=known)
        return Val(t, bool(v) if isinstance(t, Bool) else v if isinstance(t, Int) else signed(words[0]), const=known)

    # parts

    def at(self, v: Val, word: Num, shift: Num, t: Type) -> Val:
        """The part of a value at a place in it."""
        if v.mem is not None:
            return Val(t, mem=Mem(v.mem.ptr, self.fn.bin("add", v.mem.word, word), self.fn.bin("add", v.mem.shift, shift)))
        bits, _ = size(t)
        raw = self.fn.bin("and", self.fn.bin("lshr", self.num(v), shift), ones(bits))
        return self.decode(raw, t)

    def part(self, v: Val, i: int) -> Val:
        """A field of a record, a component of a tuple."""
        t = part_types(v.type)[i]
        slot = layout(v.type).parts[i]
        return self.at(v, slot.word, slot.shift, t)

    def element(self, v: Val, i: Num) -> Val:
        """The i-th element of an array (map in key order, sequence, slots)."""
        array = layout(v.type).array
        assert array
        word, shift = self._offset(array, i)
        return self.at(v, word, shift, array.elem)

    def _offset(self, a: Array, i: Num) -> tuple[Num, Num]:
        fn = self.fn
        if isinstance(i, int):
            slot = a.at(i)
            return slot.word, slot.shift
        if a.per == 0:
            return fn.bin("add", fn.bin("mul", i, a.words), a.slot.word), 0
        if a.n <= a.per:
            return a.slot.word, fn.bin("add", fn.bin("mul", i, a.bits), a.slot.shift)
        return fn.bin("add", fn.bin("udiv", i, a.per), a.slot.word), fn.bin("mul", fn.bin("urem", i, a.per), a.bits)

    def product(self, t: Type, xs: tuple[Val, ...]) -> Val:
        """A record or tuple of these parts."""
        how = layout(t)
        if not how.wide:
            return Val(t, self._joined([(self.raw(x), s.shift) for x, s in zip(xs, how.parts, strict=True)]))
        out = self.temp(t)
        for i, x in enumerate(xs):
            m = self.part(out, i).mem
            assert m
            self.store(m, x)
        return out

    def _joined(self, pieces: list[tuple[Num, Num]]) -> Num:
        out: Num = 0
        for raw, shift in pieces:
            out = self.fn.bin("or", out, self.fn.bin("shl", raw, shift))
        return out

    def with_part(self, v: Val, i: int, x: Val) -> Val:
        return self._replaced(v, lambda out: self.part(out, i), x)

    def _replaced(self, v: Val, where: Callable[[Val], Val], x: Val) -> Val:
        out = self.copied(v)
        m = where(out).mem
        assert m
        self.store(m, x)
        return self._settled(out)

    # options, unions

    def wrap(self, v: Val, t: Option) -> Val:
        """Some(v)."""
        if is_scalar(t.elem):
            return Val(t, self.fn.bin("add", self.raw(v), 1))
        return self._tagged(t, 1, v)

    def _tagged(self, t: Type, tag: int, v: Val) -> Val:
        how = layout(t)
        if not how.wide:
            return Val(t, self._joined([(tag, how.parts[0].shift), (self.raw(v), how.parts[1].shift)]))
        out = self.temp(t)
        assert out.mem
        first, second = (self.at(out, s.word, s.shift, BOOL).mem for s in how.parts)
        assert first and second
        self.store_bits(first, tag_bits(t), tag)
        self.store(second, v)
        return out

    def payload(self, v: Val) -> Val:
        """The value of an option that is not none."""
        assert isinstance(v.type, Option)
        t = v.type.elem
        if is_scalar(t):
            return self.decode(self.fn.bin("sub", self.num(v), 1), t)
        slot = layout(v.type).parts[1]
        return self.at(v, slot.word, slot.shift, t)

    def present(self, v: Val) -> Bit:
        """Is an option not none?"""
        assert isinstance(v.type, Option)
        tag = self.num(v) if is_scalar(v.type.elem) else self.tag(v)
        return self.fn.icmp("ne", tag, 0)

    def tag(self, v: Val) -> Num:
        slot = layout(v.type).parts[0]
        bits = tag_bits(v.type)
        if v.mem is not None:
            place = self.at(v, slot.word, slot.shift, BOOL).mem
            assert place
            return self.load_bits(place, bits)
        return self.fn.bin("and", self.fn.bin("lshr", self.num(v), slot.shift), ones(bits))

    def inject(self, t: Union, v: Val) -> Val:
        assert isinstance(v.type, Record)
        return self._tagged(t, t.index(v.type.name), v)

    def is_variant(self, v: Val, name: str) -> Bit:
        assert isinstance(v.type, Union)
        return self.fn.icmp("eq", self.tag(v), v.type.index(name))

    def project(self, v: Val, name: str) -> Val:
        assert isinstance(v.type, Union)
        slot = layout(v.type).parts[1]
        return self.at(v, slot.word, slot.shift, v.type.variants[v.type.index(name)])

    # equality and order

    def equal(self, a: Val, b: Val) -> Bit:
        how = layout(a.type)
        if isinstance(a.type, Bool):
            x, y = self.bit(a), self.bit(b)
            if isinstance(y, bool):
                return x if y else self.fn.not1(x)
            return self.fn.not1(self._xor(x, y))
        if not how.wide:
            return self.fn.icmp("eq", self.num(a), self.num(b))
        return self._equal_words(self.address(a), self.address(b), how.words)

    def _xor(self, a: Bit, b: Bit) -> Bit:
        if isinstance(a, bool):
            return self.fn.not1(b) if a else b
        return self.fn.new(f"xor i1 {a}, {self.fn.bit(b)}")

    def _equal_words(self, a: str, b: str, words: int) -> Bit:
        fn, out = self.fn, 0
        if words <= 16:
            diff: Num = out
            for i in range(words):
                diff = fn.bin("or", diff, fn.bin("xor", fn.load(a, i), fn.load(b, i)))
            return fn.icmp("eq", diff, 0)
        acc = fn.alloca()
        fn.store(0, acc)
        with fn.loop(words) as (j, _, _):
            fn.store(fn.bin("or", fn.load(acc), fn.bin("xor", fn.load(a, j), fn.load(b, j))), acc)
        return fn.icmp("eq", fn.load(acc), 0)

    def less(self, a: Val, b: Val) -> Bit:
        match a.type:
            case Int():
                return self.fn.icmp("slt", self.num(a), self.num(b))
            case Enum():
                return self.fn.icmp("ult", self.num(a), self.num(b))
            case Option(e) if is_scalar(e):
                return self.fn.icmp("ult", self.num(a), self.num(b))
            case Option():
                inner = self.less(self.payload(a), self.payload(b))
                some = self.fn.or1(self.fn.not1(self.present(a)), inner)
                return self.fn.and1(self.present(b), some)
        out: Bit = False
        for i in reversed(range(len(part_types(a.type)))):
            x, y = self.part(a, i), self.part(b, i)
            out = self.fn.or1(self.less(x, y), self.fn.and1(self.equal(x, y), out))
        return out

    # division as in mathematics: rounded down

    def floor_div(self, a: Val, b: Val) -> Num:
        return self._divide(a, b)[0]

    def floor_mod(self, a: Val, b: Val) -> Num:
        return self._divide(a, b)[1]

    def _divide(self, a: Val, b: Val) -> tuple[Num, Num]:
        x, y, fn = self.num(a), self.num(b), self.fn
        if isinstance(x, int) and isinstance(y, int) and y:
            return x // y, x % y
        y = fn.select(fn.icmp("eq", y, 0), 1, y)  # never used, but must not trap
        q, r = fn.new(f"sdiv i64 {fn.num(x)}, {fn.num(y)}"), fn.new(f"srem i64 {fn.num(x)}, {fn.num(y)}")
        sign = fn.icmp("slt", fn.bin("xor", r, y), 0)
        off = fn.and1(fn.icmp("ne", r, 0), sign)
        return fn.bin("sub", q, fn.zext(off)), fn.bin("add", r, fn.select(off, y, 0))

    # ranks

    def rank(self, v: Val) -> Num:
        """The position of a value among those of its type."""
        match v.type:
            case Bool() | Int() | Enum() | Sort() | Unknown():
                return self.raw(v)
            case Option(e):
                if is_scalar(e):
                    return self.raw(v)
                inner = self.fn.bin("add", self.rank(self.payload(v)), 1)
                return self.fn.select(self.present(v), inner, 0)
            case Record() | Tuple():
                return self._digits([self.part(v, i) for i in range(len(part_types(v.type)))])
            case MapOf(k, _):
                return self._digits([self.element(v, i) for i in range(card(k))])
            case _ if tabled(v.type):
                return self._looked_up(v)
            case Set():
                return self.num(v)
            case Union(vs):
                out: Num = 0
                base = 0
                for t in vs:
                    here = self.fn.bin("add", self.rank(self.project(v, t.name)), base)
                    out = self.fn.select(self.is_variant(v, t.name), here, out)
                    base += card(t)
                return out
            case Seq(e, int(cap)):
                digits = self._digits([self.element(v, i) for i in range(cap)])
                n, base, offset = self.length(v), 0, digits
                for i in range(cap):
                    base += card(e) ** i
                    offset = self.fn.select(self.fn.icmp("eq", n, i + 1), self.fn.bin("add", digits, base), offset)
                return offset
        raise AssertionError(v.type)

    def _looked_up(self, v: Val) -> Num:
        """The rank of a value in the table of its type."""
        out = self.fn.alloca()
        self.fn.store(0, out)
        with self.fn.loop(card(v.type)) as (i, _, _):
            hit = self.equal(self._tabled(i, v.type), v)
            self.fn.store(self.fn.select(hit, i, self.fn.load(out)), out)
        return self.fn.load(out)

    def _tabled(self, i: Num, t: Type) -> Val:
        """The value of rank i in the table of its type; of a rank that is none, which nobody will look at, some value."""
        words = layout(t).words
        if not isinstance(i, int):
            i = self.fn.select(self.fn.icmp("ult", i, card(t)), i, 0)
        ptr = self.module.constant([w for x in table(t)[0] for w in pack(t, x)])
        place = Val(t, mem=Mem(ptr, self.fn.bin("mul", i, words)))
        return place if layout(t).wide else self.force(place)

    def _digits(self, parts: list[Val]) -> Num:
        out: Num = 0
        stride = 1
        for p in parts:
            out = self.fn.bin("add", out, self.fn.bin("mul", self.rank(p), stride))
            stride *= card(p.type)
        return out

    def unrank(self, i: Num, t: Type) -> Val:
        """The value of rank i."""
        if isinstance(i, int):
            return self.constant(t, unrank(t, i & ones(WORD)))
        match t:
            case Bool() | Int() | Enum() | Sort() | Unknown():
                return self.decode(i, t)
            case Option(e):
                if is_scalar(e):
                    return Val(t, i)
                inner = self.wrap(self.unrank(self.fn.bin("sub", i, 1), e), t)
                return self.choose(self.fn.icmp("ne", i, 0), inner, self.constant(t, None))
            case Record() | Tuple():
                return self.product(t, tuple(self._undigits(i, list(part_types(t)))))
            case MapOf(k, x):
                return self.array(t, list(enumerate(self._undigits(i, [x] * card(k)))))
            case _ if tabled(t):
                return self._tabled(i, t)
            case Set():
                return Val(t, i)
            case Union(vs):
                base, out = 0, None
                for v in vs:
                    here = self.inject(t, self.unrank(self.fn.bin("sub", i, base), v))
                    out = here if out is None else self.choose(self.fn.icmp("slt", i, base), out, here)
                    base += card(v)
                assert out
                return out
            case Seq(e, int(cap)):
                out = self.constant(t, ())
                base = 1
                for n in range(1, cap + 1):
                    xs = self._undigits(self.fn.bin("sub", i, base), [e] * n)
                    out = self.choose(self.fn.icmp("slt", i, base), out, self.seq_literal(t, tuple(xs)))
                    base += card(e) ** n
                return out
        raise AssertionError(t)

    def _undigits(self, i: Num, ts: list[Type]) -> list[Val]:
        out = []
        for at, t in enumerate(ts):
            last = at == len(ts) - 1
            digit = i if last else self.fn.bin("urem", i, card(t))
            out.append(self.unrank(digit, t))
            i = i if last else self.fn.bin("udiv", i, card(t))
        return out

    def choose(self, c: Bit, a: Val, b: Val) -> Val:
        """a if c else b, both computed."""
        how = layout(a.type)
        if isinstance(a.type, Bool):
            return Val(a.type, self.fn.select1(c, self.bit(a), self.bit(b)))
        if not how.wide:
            return Val(a.type, self.fn.select(c, self.num(a), self.num(b)))
        if isinstance(c, bool):
            return a if c else b
        ptr = self.fn.new(f"select i1 {c}, ptr {self.address(a)}, ptr {self.address(b)}")
        return Val(a.type, mem=Mem(ptr))

    # collections

    def length(self, v: Val) -> Num:
        how = layout(v.type)
        if how.kind == "mask":
            out: Num = 0
            for w in self.mask_words(v):
                out = self.fn.bin("add", out, self.fn.popcount(w))
            return out
        return self._count_field(v, how)

    def _count_field(self, v: Val, how: Layout) -> Num:
        m, slot, bits = v.mem, how.parts[0], v.type.cap.bit_length()  # type: ignore[attr-defined]
        if m is not None:
            place = self.at(v, slot.word, slot.shift, BOOL).mem
            assert place
            return self.load_bits(place, bits)
        return self.fn.bin("and", self.fn.bin("lshr", self.num(v), slot.shift), ones(bits))

    def set_length(self, v: Val, n: Num) -> None:
        """Writes the length of a counted value in memory."""
        slot = layout(v.type).parts[0]
        place = self.at(v, slot.word, slot.shift, BOOL).mem
        assert place
        self.store_bits(place, v.type.cap.bit_length(), n)  # type: ignore[attr-defined]

    def mask_words(self, v: Val) -> list[Num]:
        how = layout(v.type)
        if not how.wide:
            return [self.num(v)]
        base = self.address(v)
        return [self.fn.load(base, i) for i in range(how.words)]

    def set_member(self, x: Val, s: Val) -> Bit:
        assert isinstance(s.type, Set)
        if not is_mask(s.type):
            return self._in_slots(x, s)
        inside, at = self._rank_in(x, s.type.elem)
        hit = self.mask_bit(s, self.fn.select(inside, at, 0))
        return self.fn.and1(inside, hit)

    def _rank_in(self, x: Val, elem: Type) -> tuple[Bit, Num]:
        """(is it of the element type?, its rank there): only numbers can be outside."""
        if not isinstance(elem, Int):
            return True, self.rank(x)
        assert isinstance(elem.lo, int) and isinstance(elem.hi, int) and isinstance(x.type, Int)
        n = self.num(x)
        at = self.fn.bin("sub", n, elem.lo)
        if x.type.lo is not None and elem.lo <= x.type.lo and x.type.hi <= elem.hi:  # type: ignore[operator]
            return True, at
        return self.fn.icmp("ult", at, elem.hi - elem.lo + 1), at

    def mask_bit(self, s: Val, at: Num) -> Bit:
        """Is bit `at` of a mask set?"""
        how = layout(s.type)
        if not how.wide:
            word, shift = self.num(s), at
        else:
            word, shift = self.fn.load(self.address(s), self.fn.bin("lshr", at, 6)), self.fn.bin("and", at, 63)
        return self.fn.icmp("ne", self.fn.bin("and", self.fn.bin("lshr", word, shift), 1), 0)

    def set_bit(self, s: Val, at: Num, on: bool = True) -> None:
        """Sets or clears bit `at` of a mask in memory."""
        m, fn = s.mem, self.fn
        assert m
        word, shift = m.word, fn.bin("add", m.shift, at)
        if layout(s.type).wide:
            word, shift = fn.bin("add", m.word, fn.bin("lshr", at, 6)), fn.bin("and", at, 63)
        old, bit = fn.load(m.ptr, word), fn.bin("shl", 1, shift)
        fn.store(fn.bin("or", old, bit) if on else fn.bin("and", old, fn.bin("xor", bit, -1)), m.ptr, word)

    def set_merge(self, op: str, t: Set, a: Val, b: Val) -> Val:
        if not is_mask(t):
            return self._merge_slots(op, t, a, b)
        a, b = self.convert(a, Set(t.elem)), self.convert(b, Set(t.elem))
        words = [self._merge(op, x, y) for x, y in zip(self.mask_words(a), self.mask_words(b), strict=True)]
        if not layout(t).wide:
            return Val(t, words[0])
        out = self.temp(t, zero=False)
        assert out.mem
        for i, w in enumerate(words):
            self.fn.store(w, out.mem.ptr, i)
        return out

    def _merge(self, op: str, a: Num, b: Num) -> Num:
        return self.fn.bin("and", a, self.fn.bin("xor", b, -1)) if op == "andnot" else self.fn.bin(op, a, b)

    def _merge_slots(self, op: str, t: Set, a: Val, b: Val) -> Val:
        out = self.temp(t)
        for v, keep in ((a, None if op == "or" else b), (b, None)):
            if v is b and op != "or":
                break
            with self.each(v) as (x, more):
                if keep is not None:
                    take = self.fn.fresh("take")
                    hit = self.set_member(x, keep)
                    self.fn.branch(hit if op == "and" else self.fn.not1(hit), take, more)
                    self.fn.label(take)
                self.insert(out, x)
        return self._settled(out)

    def set_literal(self, t: Set, xs: tuple[Val, ...]) -> Val:
        if is_mask(t) and not layout(t).wide:
            return Val(t, self._joined([(1, self.rank(x)) for x in xs]))
        out = self.temp(t)
        for x in xs:
            self.insert(out, x)
        return self._settled(out)

    def insert(self, s: Val, x: Val) -> None:
        """Adds an element to a set or bag in memory (in words of its own, if it has slots)."""
        if isinstance(s.type, Set) and is_mask(s.type):
            self.set_bit(s, self.rank(x))
        else:
            self._call_slots("insert", s, x)

    def remove(self, s: Val, x: Val) -> None:
        """Takes an element (once) out of a set or bag in memory."""
        if isinstance(s.type, Set) and is_mask(s.type):
            self.set_bit(s, self.rank(x), on=False)
        else:
            self._call_slots("remove", s, x)

    def append(self, s: Val, x: Val) -> None:
        """Adds what is larger than all slots so far."""
        n = self.length(s)
        self._put(s, n, x)
        self.set_length(s, self.fn.bin("add", n, 1))

    def put_slot(self, s: Val, i: Num, x: Val) -> None:
        """Writes slot i."""
        self._put(s, i, self.copied(x) if layout(x.type).wide else x)

    def truncate(self, s: Val, kept: Num, n: Num) -> None:
        """Drops the slots from `kept` on, of `n`."""
        cut, done = self.fn.fresh("cut"), self.fn.fresh("done")
        self.fn.branch(self.fn.icmp("eq", kept, n), done, cut)
        self.fn.label(cut)
        nothing = self.temp(s.type.elem)  # type: ignore[attr-defined]
        with self.fn.loop(self.fn.bin("sub", n, kept)) as (i, _, _):
            self._put(s, self.fn.bin("add", i, kept), nothing)
        self.set_length(s, kept)
        self.fn.jump(done)
        self.fn.label(done)

    def each(self, v: Val) -> Any:
        """A loop over the elements of a set, bag (as often as they occur) or sequence: yields (element, label to go on with)."""
        from contextlib import contextmanager

        @contextmanager
        def loop() -> Any:
            if isinstance(v.type, Set) and is_mask(v.type):
                with self.fn.bits(self.mask_words(v)) as (i, more, _):
                    yield self.unrank(i, v.type.elem), more
            else:
                with self.fn.loop(self.length(v)) as (i, more, _):
                    yield self.element(v, i), more

        return loop()

    # slots: helpers as functions of their own

    def _in_slots(self, x: Val, s: Val) -> Bit:
        return self.fn.icmp("ne", self.occurrences(s, x), 0)

    def occurrences(self, s: Val, x: Val) -> Num:
        """How often an element is in slots."""
        found = self.fn.alloca()
        self.fn.store(0, found)
        with self.each(s) as (y, _):
            self.fn.store(self.fn.bin("add", self.fn.load(found), self.fn.zext(self.equal(y, x))), found)
        return self.fn.load(found)

    def _call_slots(self, what: str, s: Val, x: Val) -> None:
        assert s.mem
        name = self._helper(what, s.type)
        how = layout(s.type)
        arg = f"ptr {self.address(x if layout(x.type).wide else self.copied(x))}"
        if how.wide or (s.mem.shift == 0 and how.words == 1 and s.mem.word == 0 and self._alone(s)):
            self.fn.line(f"call void @{name}(ptr {self.fn.word(s.mem.ptr, s.mem.word)}, {arg})")
            return
        own = self.copied(s)
        assert own.mem
        self.fn.line(f"call void @{name}(ptr {own.mem.ptr}, {arg})")
        self.store(s.mem, self.force(own))

    def _alone(self, s: Val) -> bool:
        return bool(s.mem) and s.mem.ptr.startswith("%a")  # type: ignore[union-attr]

    def _helper(self, what: str, t: Type) -> str:
        key = (what, t)
        if key not in self.module.helpers:
            fn = Fn(f"{what}{len(self.module.helpers)}", [("ptr", "c"), ("ptr", "x")], "void", "nounwind", "internal")
            self.module.helpers[key] = fn
            inner = Values(fn, self.module)
            elem = t.elem  # type: ignore[attr-defined]
            c, x = Val(t, mem=Mem("%c")), Val(elem, mem=Mem("%x"))
            x = x if layout(elem).wide else inner.force(x)
            (inner._insert if what == "insert" else inner._remove)(c, x)
            fn.ret("void")
        return self.module.helpers[key].head.split("@", 1)[1].split("(", 1)[0]

    def _insert(self, c: Val, x: Val) -> None:
        """Sorted insertion; into a set only if it is not there yet."""
        fn = self.fn
        add, end, shift, put = (fn.fresh(n) for n in ("add", "end", "shift", "put"))
        if isinstance(c.type, Set):
            fn.branch(self._in_slots(x, c), end, add)
            fn.label(add)
        n = self.length(c)
        room = fn.fresh("room")
        fn.branch(fn.icmp("ult", n, c.type.cap), room, end)  # type: ignore[attr-defined]
        fn.label(room)
        at = fn.alloca()
        fn.store(n, at)
        head, more = fn.fresh("head"), fn.fresh("more")
        fn.label(head)
        i = fn.load(at)
        fn.branch(fn.icmp("ne", i, 0), more, put)
        fn.label(more)
        before = self.element(c, fn.bin("sub", i, 1))
        fn.branch(self._packed_less(x, before), shift, put)
        fn.label(shift)
        self._put(c, i, before)
        fn.store(fn.bin("sub", i, 1), at)
        fn.jump(head)
        fn.label(put)
        self._put(c, fn.load(at), x)
        self.set_length(c, fn.bin("add", n, 1))
        fn.jump(end)
        fn.label(end)

    def _put(self, c: Val, i: Num, x: Val) -> None:
        m = self.element(c, i).mem
        assert m
        self.store(m, x)

    def _packed_less(self, a: Val, b: Val) -> Bit:
        """The order of slots: by packed words, the last word counting most."""
        how = layout(a.type)
        if not how.wide:
            return self.fn.icmp("ult", self.raw(a), self.raw(b))
        out: Bit = False
        pa, pb = self.address(a), self.address(b)
        for i in range(how.words):
            x, y = self.fn.load(pa, i), self.fn.load(pb, i)
            out = self.fn.or1(self.fn.icmp("ult", x, y), self.fn.and1(self.fn.icmp("eq", x, y), out))
        return out

    def _remove(self, c: Val, x: Val) -> None:
        """Takes one copy out and closes the gap."""
        fn = self.fn
        n = self.length(c)
        at = fn.alloca()
        fn.store(0, at)
        head, test, on, close, body, done, end = (fn.fresh(s) for s in ("head", "test", "on", "close", "body", "done", "end"))
        fn.label(head)
        i = fn.load(at)
        fn.branch(fn.icmp("slt", i, n), test, end)
        fn.label(test)
        fn.branch(self.equal(self.element(c, i), x), close, on)
        fn.label(on)
        fn.store(fn.bin("add", i, 1), at)
        fn.jump(head)
        fn.label(close)
        j = fn.load(at)
        following = fn.bin("add", j, 1)
        fn.branch(fn.icmp("slt", following, n), body, done)
        fn.label(body)
        self._put(c, j, self.element(c, following))
        fn.store(following, at)
        fn.jump(close)
        fn.label(done)
        self._put(c, j, self._zero(c.type.elem))  # type: ignore[attr-defined]
        self.set_length(c, fn.bin("sub", n, 1))
        fn.jump(end)
        fn.label(end)

    def _zero(self, t: Type) -> Val:
        return self.temp(t) if layout(t).wide else self.decode(0, t)

    # maps and sequences

    def index(self, c: Val, i: Val) -> Val:
        return self.element(c, self.rank(i) if isinstance(c.type, MapOf) else self.num(i))

    def with_index(self, c: Val, i: Val, x: Val) -> Val:
        at = self.rank(i) if isinstance(c.type, MapOf) else self.num(i)
        return self._replaced(c, lambda out: self.element(out, at), x)

    def array(self, t: Type, xs: list[tuple[int, Val]], length: int | None = None) -> Val:
        """A map or sequence with these elements at these positions."""
        how = layout(t)
        assert how.array
        if not how.wide:
            pieces: list[tuple[Num, Num]] = [(self.raw(x), how.array.at(i).shift) for i, x in xs]
            if length is not None:
                pieces.append((length, how.parts[0].shift))
            return Val(t, self._joined(pieces))
        out = self.temp(t)
        for i, x in xs:
            self._put(out, i, x)
        if length is not None:
            self.set_length(out, length)
        return out

    def seq_literal(self, t: Seq, xs: tuple[Val, ...]) -> Val:
        return self.array(t, list(enumerate(xs)), len(xs))

    def seq_concat(self, t: Seq, a: Val, b: Val) -> Val:
        how, fn = layout(t), self.fn
        n, m = self.length(a), self.length(b)
        if not how.wide:
            assert how.array
            front, back = self._bare(a), self._bare(b)
            shifted = fn.bin("shl", back, fn.bin("mul", n, how.array.bits))
            body = fn.bin("or", front, shifted)
            return Val(t, self._joined([(fn.bin("add", n, m), how.parts[0].shift), (body, how.array.slot.shift)]))
        out = self.temp(t)
        self._append(out, a, 0, 0, n)
        self._append(out, b, n, 0, m)
        self.set_length(out, fn.bin("add", n, m))
        return out

    def _append(self, out: Val, source: Val, to: Num, start: Num, n: Num) -> None:
        """Copies n elements from `start` on to position `to`."""
        with self.fn.loop(n) as (i, _, _):
            self._put(out, self.fn.bin("add", to, i), self.element(source, self.fn.bin("add", start, i)))

    def _bare(self, v: Val) -> Num:
        """The elements of a narrow sequence, without its length."""
        array = layout(v.type).array
        assert array
        raw = self.fn.bin("lshr", self.num(v), array.slot.shift) if array.slot.shift < WORD else 0
        return self.fn.bin("and", raw, ones(array.bits * array.n))

    def seq_slice(self, t: Seq, s: Val, a: Val, b: Val) -> Val:
        how, fn = layout(t), self.fn
        start, n = self.num(a), fn.bin("sub", self.num(b), self.num(a))
        if not how.wide:
            assert how.array
            bits = how.array.bits
            shifted = fn.bin("lshr", self._bare(s), self._clamped(fn.bin("mul", start, bits)))
            keep = fn.bin("sub", fn.bin("shl", 1, fn.bin("mul", n, bits)), 1)
            kept = fn.bin("and", shifted, keep)
            return Val(t, self._joined([(n, how.parts[0].shift), (kept, how.array.slot.shift)]))
        out = self.temp(t)
        self._append(out, s, 0, start, n)
        self.set_length(out, n)
        return out

    def _clamped(self, shift: Num) -> Num:
        return shift if isinstance(shift, int) and shift < WORD else self.fn.bin("and", shift, WORD - 1)

    # bags

    def bag_count(self, b: Val, x: Val) -> Num:
        return self.occurrences(b, x)

    def bag_add(self, t: BagOf, b: Val, x: Val) -> Val:
        out = self.temp(t)
        n = self.length(b)
        self._append(out, b, 0, 0, n)
        self.set_length(out, n)
        self.insert(out, x)
        return self._settled(out)

    def bag_remove(self, t: BagOf, b: Val, x: Val) -> Val:
        out = self.copied(b)
        self.remove(out, self.convert(x, t.elem))  # it is there, so it fits
        return self._settled(out)

    # Fit: the same value as one of another type

    def fits(self, v: Val, t: Type) -> Bit:
        """Is it a value of type t?"""
        fn = self.fn
        match v.type, t:
            case Int(int(l1), int(h1)), Int(int(l2), int(h2)):
                low: Bit = l2 <= l1 or fn.icmp("sle", l2, self.num(v))
                return fn.and1(low, h1 <= h2 or fn.icmp("sle", self.num(v), h2))
            case Option(a), Option(b):
                if within_type(a, b):
                    return True
                return fn.or1(fn.not1(self.present(v)), self.fits(self.payload(v), b))
            case Option(), _:
                return fn.and1(self.present(v), self.fits(self.payload(v), t))
            case _, Option(b):
                return self.fits(v, b)
            case (Record(), Record()) | (Tuple(), Tuple()):
                out: Bit = True
                for i, p in enumerate(part_types(t)):
                    out = fn.and1(out, self.fits(self.part(v, i), p))
                return out
            case MapOf(k, a), MapOf(_, b):
                return True if within_type(a, b) else self._all_fit_map(v, card(k), b)
            case ((Set(a, _) | Seq(a, _) | BagOf(a, _)), (Set(b, cap) | Seq(b, cap) | BagOf(b, cap))):
                short: Bit = True if cap is None else fn.icmp("sle", self.length(v), cap)  # type: ignore[arg-type]
                return short if within_type(a, b) else fn.and1(short, self._all_fit(v, b))
        return True

    def _all_fit(self, v: Val, t: Type) -> Bit:
        flag = self.fn.alloca()
        self.fn.store(1, flag)
        with self.each(v) as (x, _):
            self.fn.store(self.fn.bin("and", self.fn.load(flag), self.fn.zext(self.fits(x, t))), flag)
        return self.fn.icmp("ne", self.fn.load(flag), 0)

    def _all_fit_map(self, v: Val, n: int, t: Type) -> Bit:
        flag = self.fn.alloca()
        self.fn.store(1, flag)
        with self.fn.loop(n) as (i, _, _):
            self.fn.store(self.fn.bin("and", self.fn.load(flag), self.fn.zext(self.fits(self.element(v, i), t))), flag)
        return self.fn.icmp("ne", self.fn.load(flag), 0)

    def convert(self, v: Val, t: Type) -> Val:
        """The value, which fits, as one of type t."""
        if v.type == t:
            return v
        if isinstance(v.type, Unknown):  # never computed: there is no such value
            return self._zero(t)
        if isinstance(getattr(v.type, "elem", None), Unknown):
            return (
                self.constant(t, None if isinstance(v.type, Option) else _empty(t)) if _may_be_empty(v.type, t) else self._zero(t)
            )
        match v.type, t:
            case (Int(), Int()) | (Bool(), Bool()) | (Enum(), Enum()) | (Sort(), Sort()):
                return Val(t, self.force(v).x)
            case Option(), Option():
                return self._convert_option(v, t)
            case Option(), _:
                return self.convert(self.payload(v), t)
            case _, Option(b):
                return self.wrap(self.convert(v, b), t)
            case (Record(), Record()) | (Tuple(), Tuple()):
                parts = [self.convert(self.part(v, i), p) for i, p in enumerate(part_types(t))]
                return self.product(t, tuple(parts))
            case MapOf(k, _), MapOf(_, b):
                out = self.temp(t)
                with self.fn.loop(card(k)) as (i, _, _):
                    self._put(out, i, self.convert(self.element(v, i), b))
                return self._settled(out)
            case Seq(), Seq(b, _):
                out = self.temp(t)
                n = self.length(v)
                with self.fn.loop(n) as (i, _, _):
                    self._put(out, i, self.convert(self.element(v, i), b))
                self.set_length(out, n)
                return self._settled(out)
            case ((Set() | BagOf()), (Set(b, _) | BagOf(b, _))):
                return self._convert_set(v, t, b)
        raise AssertionError((v.type, t))

    def _convert_option(self, v: Val, t: Option) -> Val:
        if is_scalar(t.elem):
            inner = self.raw(Val(t.elem, self.convert(self.payload(v), t.elem).x))
            return Val(t, self.fn.select(self.present(v), self.fn.bin("add", inner, 1), 0))
        out = self.temp(t)
        some, done = self.fn.fresh("some"), self.fn.fresh("done")
        self.fn.branch(self.present(v), some, done)
        self.fn.label(some)
        assert out.mem
        self.store(out.mem, self.wrap(self.convert(self.payload(v), t.elem), t))
        self.fn.label(done)
        return self._settled(out)

    def _convert_set(self, v: Val, t: Type, elem: Type) -> Val:
        if isinstance(v.type, Set) and isinstance(t, Set) and v.type.elem == t.elem and is_mask(v.type) and is_mask(t):
            return Val(t, v.x, v.mem)
        out = self.temp(t)
        with self.each(v) as (x, _):
            self.insert(out, self.convert(x, elem))
        return self._settled(out)


def within_type(a: Type, b: Type) -> bool:
    """Does every value of a fit b?"""
    from checker.core.typed import within

    return within(a, b)


def _may_be_empty(v: Type, t: Type) -> bool:
    return isinstance(t, Option) or not isinstance(v, Option)


def _empty(t: Type) -> Value:
    """[], {}, or the empty bag."""
    t = t.elem if isinstance(t, Option) else t
    return () if isinstance(t, Seq) else Bag() if isinstance(t, BagOf) else frozenset()


def tag_bits(t: Type) -> int:
    return 1 if isinstance(t, Option) else (len(t.variants) - 1).bit_length()  # type: ignore[attr-defined]


def part_types(t: Type) -> tuple[Type, ...]:
    """The types of the parts of a product."""
    if isinstance(t, Record):
        return tuple(f for _, f in t.fields)
    assert isinstance(t, Tuple)
    return t.elems


__all__ = ["Mem", "Module", "Val", "Values", "rank"]
