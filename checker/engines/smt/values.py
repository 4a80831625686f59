"""Finite values as structures of Boolean terms: what the `smt` column of the operator table is written against.

A number, enum member or identity is one-hot (`OneHot`: one bit for each plain value it can be), everything else is put together
from parts, and whatever is constant stays plain Python.  Only this file and `terms.py` know the structures; whoever uses a
value goes through `Values`. Operators are total here, as in machine code: where an operator is undefined, its result is any
value at all, perhaps one with no bit set (`junk`), and nobody looks at it.  The elements present in `Slots` of a set differ
from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import z3

from checker.core.types import (
    BOOL,
    BagOf,
    Enum,
    Int,
    MapOf,
    Option,
    Record,
    Seq,
    Set,
    Tuple,
    Type,
    Union,
    Value,
    member,
    values,
)
from checker.engines.smt.bits import Bit, all_of, any_of, both, either, exactly_one, negation
from checker.engines.smt.terms import (
    Mask,
    Maybe,
    OneHot,
    OneOf,
    Product,
    Sequence,
    Slots,
    Sym,
    Table,
    at_most,
    cases,
    chosen_of,
    count,
    equal,
    few,
    is_flat,
    junk,
    occurs,
    one_hot,
    pick,
    plain,
    within_mask,
)

ARITH: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
}


class Values:
    """Operations on symbolic values.  Types are given where the result depends on them."""

    # truth, numbers, order

    def not_(self, a: Bit) -> Bit:
        return negation(a)

    def equal(self, a: Sym, b: Sym) -> Bit:
        return equal(a, b)

    def choose(self, c: Bit, a: Sym, b: Sym) -> Sym:
        """a if c else b."""
        return chosen_of(c, a, b)

    def arith(self, op: str, a: OneHot, b: OneHot) -> OneHot:
        """One case for each pair of cases; a division by zero is none."""
        f, partial = ARITH[op], op in ("div", "mod")
        few(len(a.cases) * len(b.cases), "pairs of numbers to compute with")
        pairs = ((x, y) for x in a.cases for y in b.cases if y or not partial)
        return one_hot((f(x, y), both(a.cases[x], b.cases[y])) for x, y in pairs)

    def less(self, t: Type, a: Any, b: Any) -> Bit:
        """The order of an ordered type: none is least, products are lexicographic."""
        match t:
            case Option(e):
                inner = either(negation(a.present), self.less(e, a.payload, b.payload))
                return both(b.present, inner)
            case Tuple() | Record():
                out: Bit = False
                for e, x, y in reversed(list(zip(_parts(t), a.parts, b.parts, strict=True))):
                    out = either(self.less(e, x, y), both(equal(x, y), out))
                return out
            case Enum(_, ms):
                return self._less(a, b, {m: i for i, m in enumerate(ms)}.__getitem__)
        return self._less(a, b, lambda n: n)

    def _less(self, a: OneHot, b: OneHot, place: Callable[[Any], int]) -> Bit:
        below: Bit = False
        found: list[Bit] = []
        for k in sorted({*a.cases, *b.cases}, key=place):
            found.append(both(below, b.cases.get(k, False)))
            below = either(below, a.cases.get(k, False))
        return any_of(found)

    # products, options, unions

    def product(self, t: Type, xs: tuple[Sym, ...]) -> Product:
        return Product(t.name if isinstance(t, Record) else None, tuple(xs))

    def part(self, v: Product, i: int) -> Sym:
        return v.parts[i]

    def with_part(self, v: Product, i: int, x: Sym) -> Product:
        return Product(v.name, (*v.parts[:i], x, *v.parts[i + 1 :]))

    def payload(self, v: Maybe) -> Sym:
        """The value of an option that is not none."""
        return v.payload

    def inject(self, _: Type, v: Product) -> OneOf:
        assert v.name
        return OneOf({v.name: (True, v)})

    def is_variant(self, v: OneOf, name: str) -> Bit:
        return v.variants[name][0] if name in v.variants else False

    def project(self, t: Type, v: OneOf, name: str) -> Sym:
        """The record of this name that it is; `t` is the record's type."""
        return v.variants[name][1] if name in v.variants else junk(t)

    # sets

    def set_member(self, x: Sym, s: Mask | Slots) -> Bit:
        return within_mask(x, s) if isinstance(s, Mask) else occurs(x, s.items)

    def set_merge(self, op: str, t: Type, a: Sym, b: Sym) -> Sym:
        """op: "or", "and", "andnot"."""
        x, y = self.convert(a, t), self.convert(b, t)
        if isinstance(x, Mask):
            assert isinstance(y, Mask)
            every = {k: _merged(op, x.bits.get(k, False), y.bits.get(k, False)) for k in {**x.bits, **y.bits}}
            return Mask({k: bit for k, bit in every.items() if bit is not False})
        assert isinstance(x, Slots) and isinstance(y, Slots)
        if op == "or":
            return Slots((*x.items, *((g, e) for h, e in y.items if (g := both(h, negation(occurs(e, x.items)))) is not False)))
        return Slots(tuple((g, e) for h, e in x.items if (g := _merged(op, h, occurs(e, y.items))) is not False))

    def set_literal(self, t: Type, xs: tuple[Sym, ...]) -> Sym:
        return self.set_of(t, ((True, x) for x in xs))

    def set_of(self, t: Type, found: Iterable[tuple[Bit, Sym]]) -> Sym:
        """The set of what is found where its guard is true."""
        if not is_flat(t):
            out: tuple[tuple[Bit, Sym], ...] = ()
            for g, x in found:
                new = both(g, negation(occurs(x, out)))
                out = out if new is False else (*out, (new, x))
            return Slots(out)
        bits: dict[Value, list[Bit]] = {}
        for g, x in found:
            for v, bit in cases(x):
                bits.setdefault(v, []).append(both(g, bit))
        return Mask({v: bit for v, every in bits.items() if (bit := any_of(every)) is not False})

    def length(self, v: Any) -> OneHot:
        """How many elements a set, sequence or bag has."""
        match v:
            case Sequence():
                return v.length
            case Mask():
                return count(v.bits.values())
        return count(g for g, _ in v.items)

    def each(self, t: Type, v: Any) -> list[tuple[Bit, Sym]]:
        """(guard, element) for everything that may be in a set or bag; each element once."""
        if isinstance(v, Mask):
            few(len(v.bits), "elements to go through")
            return [(bit, self.constant(t.elem, k)) for k, bit in v.bits.items()]  # type: ignore[attr-defined]
        if not v.bag:
            return list(v.items)
        return [(both(g, negation(occurs(x, v.items[:i]))), x) for i, (g, x) in enumerate(v.items)]

    # maps and sequences

    def index(self, c: Any, i: Sym) -> Sym:
        if isinstance(c, Table):
            return pick([(bit, c.cells[k]) for k, bit in cases(i) if k in c.cells], c)
        assert isinstance(i, OneHot)
        return pick([(bit, c.items[k]) for k, bit in i.cases.items() if 0 <= k < len(c.items)], c)

    def with_index(self, c: Any, i: Sym, x: Sym) -> Sym:
        if isinstance(c, Table):
            at = dict(cases(i))
            return Table({k: chosen_of(at.get(k, False), x, v) for k, v in c.cells.items()})
        assert isinstance(i, OneHot)
        return Sequence(c.length, tuple(chosen_of(i.cases.get(k, False), x, v) for k, v in enumerate(c.items)), c.elem)

    def seq_literal(self, t: Seq, xs: tuple[Sym, ...]) -> Sequence:
        return Sequence(OneHot({len(xs): True}), tuple(xs), t.elem)

    def seq_concat(self, t: Seq, a: Sequence, b: Sequence) -> Sequence:
        length = self.arith("add", a.length, b.length)

        def at(i: int) -> Sym:
            reach = [(n, bit) for n, bit in a.length.cases.items() if i < n + len(b.items)]
            return pick([(bit, a.items[i] if i < n else b.items[i - n]) for n, bit in reach], a)

        return Sequence(length, tuple(map(at, range(max(length.cases, default=0)))), t.elem)

    def seq_slice(self, t: Seq, s: Sequence, a: OneHot, b: OneHot) -> Sequence:
        n = self.arith("sub", b, a)
        length = OneHot({k: bit for k, bit in n.cases.items() if 0 <= k <= len(s.items)})

        def at(i: int) -> Sym:
            return pick([(bit, s.items[k + i]) for k, bit in a.cases.items() if k >= 0 and k + i < len(s.items)], s)

        return Sequence(length, tuple(map(at, range(max(length.cases, default=0)))), t.elem)

    # bags

    def bag_count(self, b: Slots, x: Sym) -> OneHot:
        return count(both(g, equal(e, x)) for g, e in b.items)

    def bag_add(self, _: Type, b: Slots, x: Sym) -> Slots:
        return Slots((*b.items, (True, x)), True)

    def bag_remove(self, _: Type, b: Slots, x: Sym) -> Slots:
        """Without the first that is equal."""
        out, gone = [], False
        for g, e in b.items:
            here = both(g, equal(e, x))
            out.append((both(g, either(negation(here), gone)), e))
            gone = either(gone, here)
        return Slots(tuple(item for item in out if item[0] is not False), True)

    # Fit: the same value as one of another type

    def fits(self, v: Any, t: Type) -> Bit:
        """Is it a value of type t?"""
        match v, t:
            case OneHot(), Int(int(lo), int(hi)):
                return negation(any_of(bit for n, bit in v.cases.items() if not lo <= n <= hi))
            case Maybe(), Option(e):
                return either(negation(v.present), self.fits(v.payload, e))
            case Maybe(), _:
                return both(v.present, self.fits(v.payload, t))
            case _, Option(e):
                return self.fits(v, e)
            case Product(), _:
                return all_of(self.fits(x, e) for x, e in zip(v.parts, _parts(t), strict=True))
            case Table(), MapOf(_, e):
                return all_of(self.fits(x, e) for x in v.cells.values())
            case ((Mask() | Slots() | Sequence()), (Set(e, cap) | Seq(e, cap) | BagOf(e, cap))):
                return both(self._short(v, cap), self._all_fit(v, e))
        return True

    def _short(self, v: Any, cap: Any) -> Bit:
        most = len(v.bits if isinstance(v, Mask) else v.items)
        if cap is None or most <= cap:
            return True
        if isinstance(v, Sequence):
            return negation(v.longer(cap))
        return at_most(cap, v.bits.values() if isinstance(v, Mask) else (g for g, _ in v.items))

    def _all_fit(self, v: Any, e: Type) -> Bit:
        if isinstance(v, Mask):
            return negation(any_of(bit for k, bit in v.bits.items() if not member(k, e)))
        if isinstance(v, Slots):
            return all_of(either(negation(g), self.fits(x, e)) for g, x in v.items)
        return all_of(either(negation(v.longer(i)), self.fits(x, e)) for i, x in enumerate(v.items))

    def convert(self, v: Any, t: Type) -> Any:
        """The value, which fits, as one of type t."""
        match v, t:
            case OneHot(), Int(int(lo), int(hi)):
                return OneHot({n: bit for n, bit in v.cases.items() if lo <= n <= hi})
            case Maybe(), Option(e):
                return Maybe(v.present, junk(e) if v.present is False else self.convert(v.payload, e))
            case Maybe(), _:
                return self.convert(v.payload, t)
            case _, Option(e):
                return Maybe(True, self.convert(v, e))
            case Product(), _:
                return Product(v.name, tuple(self.convert(x, e) for x, e in zip(v.parts, _parts(t), strict=True)))
            case Table(), MapOf(_, e):
                return Table({k: self.convert(x, e) for k, x in v.cells.items()})
            case Sequence(), Seq(e, int(cap)):
                length = OneHot({n: bit for n, bit in v.length.cases.items() if n <= cap})
                return Sequence(length, tuple(self.convert(x, e) for x in v.items[:cap]), e)
            case ((Mask() | Slots()), (Set(e) | BagOf(e))):
                return self._convert_set(v, t, e)
        return v

    def _convert_set(self, v: Mask | Slots, t: Type, e: Type) -> Mask | Slots:
        flat, bag = is_flat(t), isinstance(t, BagOf)
        if isinstance(v, Mask):
            bits = {k: bit for k, bit in v.bits.items() if member(k, e)}
            return Mask(bits) if flat else Slots(tuple((bit, self.constant(e, k)) for k, bit in bits.items()), bag)
        items = tuple((g, self.convert(x, e)) for g, x in v.items)
        out = self.set_of(t, items) if flat else Slots(items, bag)
        assert isinstance(out, Mask | Slots)
        return out

    # constants, unknowns, and back

    def constant(self, t: Type, v: Value) -> Any:
        """A plain value as a symbolic one."""
        match t:
            case Option(e):
                return Maybe(False, junk(e)) if v is None else Maybe(True, self.constant(e, v))
            case Record(name):
                return Product(name, tuple(map(self.constant, _parts(t), v.values)))
            case Union(vs):
                return OneOf({v.name: (True, self.constant(vs[t.index(v.name)], v))})
            case Tuple(es):
                return Product(None, tuple(map(self.constant, es, v)))
            case Set(e):
                return Mask(dict.fromkeys(v, True)) if is_flat(t) else Slots(tuple((True, self.constant(e, x)) for x in v))
            case BagOf(e):
                return Slots(tuple((True, self.constant(e, x)) for x in v for _ in range(v[x])), True)
            case MapOf(k, e):
                return Table({x: self.constant(e, v[x]) for x in values(k)})
            case Seq(e):
                return Sequence(OneHot({len(v): True}), tuple(self.constant(e, x) for x in v), e)
        return v if isinstance(v, bool) else OneHot({v: True})

    def declare(self, t: Type, name: str) -> tuple[Any, Bit]:
        """An unknown value of a finite type, made of fresh terms, and what makes these terms a value."""
        rules: list[Bit] = []
        out = self._declare(t, name, rules)
        return out, all_of(rules)

    def _declare(self, t: Type, name: str, rules: list[Bit]) -> Any:
        def inner(e: Type, part: object) -> Any:
            return self._declare(e, f"{name}.{part}", rules)

        match t:
            case Option(e):
                return Maybe(z3.Bool(f"{name}?"), inner(e, "the"))
            case Record(n, fs):
                return Product(n, tuple(inner(e, f) for f, e in fs))
            case Union(vs):
                tag = self._one_of(f"{name}.is", [v.name for v in vs], rules)
                return OneOf({v.name: (tag.cases[v.name], inner(v, v.name)) for v in vs})
            case Tuple(es):
                return Product(None, tuple(inner(e, i) for i, e in enumerate(es)))
            case Set(e, cap) if is_flat(t):
                out = Mask({v: z3.Bool(f"{name}[{v}]") for v in values(e)})
                rules.append(self._short(out, cap))
                return out
            case Set(e, int(cap)) | BagOf(e, int(cap)):
                return self._declare_slots(t, [inner(e, i) for i in range(cap)], name, rules)
            case MapOf(k, e):
                return Table({x: inner(e, x) for x in values(k)})
            case Seq(e, int(cap)):
                length = self._one_of(f"{name}.len", list(range(cap + 1)), rules)
                return Sequence(length, tuple(inner(e, i) for i in range(cap)), e)
        if t == BOOL:
            return z3.Bool(name)
        return self._one_of(name, list(values(t)), rules)

    def _declare_slots(self, t: Type, items: list[Any], name: str, rules: list[Bit]) -> Slots:
        """The first so many slots are present; those of a set differ."""
        there = [z3.Bool(f"{name}.{i}!") for i in range(len(items))]
        rules += [either(a, negation(b)) for a, b in pairwise(there)]
        if isinstance(t, Set):
            pairs = [(i, j) for j in range(len(items)) for i in range(j)]
            rules += [negation(both(there[j], equal(items[i], items[j]))) for i, j in pairs]
        return Slots(tuple(zip(there, items, strict=True)), isinstance(t, BagOf))

    def _one_of(self, name: str, keys: list[Any], rules: list[Bit]) -> OneHot:
        """One of these: no term for one, one for two."""
        if len(keys) == 1:
            return OneHot({keys[0]: True})
        if len(keys) == 2:
            bit = z3.Bool(f"{name}={keys[1]}")
            return OneHot({keys[0]: negation(bit), keys[1]: bit})
        out = OneHot({k: z3.Bool(f"{name}={k}") for k in keys})
        rules.append(exactly_one(list(out.cases.values())))
        return out

    def value_of(self, model: Any, v: Sym) -> Value:
        """The plain value in a model of Z3 (z3.ModelRef; None will do for a constant)."""
        return plain(lambda bit: z3.is_true(model.eval(bit, model_completion=True)), v)


def _merged(op: str, a: Bit, b: Bit) -> Bit:
    return either(a, b) if op == "or" else both(a, b if op == "and" else negation(b))


def _parts(t: Any) -> tuple[Type, ...]:
    """The types of the parts of a record or tuple."""
    return tuple(e for _, e in t.fields) if isinstance(t, Record) else t.elems
