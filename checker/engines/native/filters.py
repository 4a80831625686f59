"""`x := {e in x | …}`: what is left of a set in slots, where it is.

Filters end the actions of specs that discard messages, so they are done for every transition, and mostly take nothing away.
Three things make them cheap.  A filter that the state before has passed is looked at again only if something changed that it
looks at (`settled`).  If it depends on a few fields of an element, it is computed for all their values at once (lanes.py), and
each element looks up its bit; else element by element, without jumps if that is short.  And the elements that stay, one bit
each, are packed by extracting bits, a word of slots at a time.
Invariant: the slots stay sorted, for a part of a sorted sequence is sorted, and those beyond the length are zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeGuard

from checker.core.bind import free
from checker.core.ir import Apply, Assign, Const, Expr, Local, Read, SetOf, Stmt
from checker.core.layout import Array, is_mask, layout
from checker.core.lower import Program
from checker.core.operators.table import apply
from checker.core.typed import assigned, parts, reads, rewrite
from checker.core.types import Record, Set, Type, card, values
from checker.engines.native.emit import Num, signed
from checker.engines.native.lanes import LANES, Lanes, Stuck
from checker.engines.native.values import Mem, Val, ones

if TYPE_CHECKING:
    from checker.engines.native.codegen import Expressions

STRAIGHT = 80  # lines of code up to which an element is looked at without a jump
WORDS = 8  # of slots that are packed in straight code


# which assignments these are


def is_filter(s: Stmt) -> TypeGuard[Assign]:
    """Does it keep some elements of a whole variable, for reasons in the state?"""
    if not (isinstance(s, Assign) and not s.path and isinstance(e := s.value, SetOf)):
        return False
    own = isinstance(e.domain, Read) and e.domain.var == s.var and e.domain.type == e.type
    return own and e.body == Local(e.body.type, e.name) and not free(e) - {""} and s.var not in reads(e.where)


def settled(program: Program) -> frozenset[Assign]:
    """The filters with nothing to take away from any state of the search: no initial state has an element, and every action that
    may change what they look at ends with them (as discard.py has it)."""
    found = {s for a in program.actions for s in a.body if is_filter(s)}
    empty = [s for s in program.initial if isinstance(s, Assign) and s.value == Const(s.value.type, frozenset())]
    start = {s.var for s in empty} - assigned(s for s in program.initial if s not in empty)
    return frozenset(f for f in found if f.var in start and all(_ends_with(f, a.body) for a in program.actions))


def _ends_with(f: Assign, body: tuple[Stmt, ...]) -> bool:
    """Does the body leave nothing for the filter to take away, if there was nothing before?"""
    at = max((i for i, s in enumerate(body) if s == f), default=-1)
    return not assigned(body[at + 1 :]) & reads(f.value)


# the code


def write_filter(gen: Expressions, e: Expr, place: Val) -> None:
    """Leaves in a place, which holds the domain of the filter `e`, what `e` is."""
    assert isinstance(e, SetOf) and isinstance(e.type, Set) and place.mem
    if is_mask(e.type):
        gen.store(place.mem, gen.value(e, {}))
        return
    array = layout(e.type).array
    assert array
    if array.per and array.bits and array.n <= LANES:
        _packed(gen, e, place, array)
    else:
        _moved(gen, e, place, None)


def _packed(gen: Expressions, e: SetOf, place: Val, array: Array) -> None:
    fn = gen.fn
    n = gen.length(place)
    kept = _kept(gen, e, place, array, n)
    some, done = fn.fresh("some"), fn.fresh("done")
    fn.branch(fn.icmp("eq", fn.popcount(kept), n), done, some)
    fn.label(some)
    words = -(-array.n // array.per)
    if gen.module.extracts and words <= WORDS:
        _pack(gen, kept, place, array, words)
        gen.set_length(place, fn.popcount(kept))
    else:
        _moved(gen, e, place, kept)
    fn.label(done)


def _kept(gen: Expressions, e: SetOf, place: Val, array: Array, n: Num) -> Num:
    """Bit i: slot i stays."""
    fn, table = gen.fn, _table(gen, e)
    kept = fn.alloca()
    fn.store(0, kept)
    with _slots(gen, place, array, n) as (i, x, more):
        env = {e.name: x}
        bit = _looked_up(gen, x, *table) if table else _straight(gen, e.where, env)
        if bit is None:
            stay, bit = fn.fresh("stay"), 1
            gen.branch(e.where, stay, more, env)
            fn.label(stay)
        fn.store(fn.bin("or", fn.load(kept), fn.bin("shl", bit, i)), kept)
    return fn.load(kept)


def _straight(gen: Expressions, cond: Expr, env: dict[str, Val]) -> Num | None:
    """A condition as a bit without jumps, if that is short."""
    mark = len(gen.fn.body)
    bit = gen.flat(cond, env)
    if bit is None or len(gen.fn.body) - mark > STRAIGHT:
        del gen.fn.body[mark:]
        return None
    return gen.fn.zext(bit)


Fields = list[tuple[str, Type]]


def _table(gen: Expressions, e: SetOf) -> tuple[Num, Fields] | None:
    """If the filter looks at few values of a few fields: a bit for each of their combinations, that of the first field fastest,
    and the fields."""
    t = e.body.type
    if not isinstance(t, Record):
        return None
    fields: Fields = [(f, ft) for f, ft in t.fields if apply("field", e.body, attr=f) in set(_terms(e.where))]
    known = {apply("field", e.body, attr=f): Local(ft, f"{e.name} {f}") for f, ft in fields}
    cond = rewrite(e.where, lambda x: known.get(x, x) if isinstance(x, Apply) and x.op == "field" else x)
    if e.name in free(cond) or not fields or prod(card(ft) for _, ft in fields) > LANES:
        return None
    rows = list(product(*(list(values(ft)) for _, ft in reversed(fields))))
    named = {known_.name: [row[-1 - k] for row in rows] for k, known_ in enumerate(known.values())}
    mark = len(gen.fn.body)
    try:
        return Lanes(gen, named, gen.module.extracts).mask(cond, named), fields
    except Stuck:
        del gen.fn.body[mark:]
        return None


def _terms(e: Expr) -> Iterator[Expr]:
    yield e
    for p in parts(e):
        yield from _terms(p)


def _looked_up(gen: Expressions, x: Val, table: Num, fields: Fields) -> Num:
    at: Num = 0
    for f, t in reversed(fields):
        at = gen.fn.bin("add", gen.fn.bin("mul", at, card(t)), gen.rank(gen.part(x, x.type.index(f))))  # type: ignore[attr-defined]
    return gen.fn.bin("and", gen.fn.bin("lshr", table, at), 1)


@contextmanager
def _slots(gen: Expressions, place: Val, array: Array, n: Num) -> Iterator[tuple[Num, Val, str]]:
    """A loop over slots: yields (number, element in a register, label to go on with).  It counts words and bits, without a
    division."""
    fn, m = gen.fn, place.mem
    assert m
    word, shift = fn.alloca(), fn.alloca()
    fn.store(fn.bin("add", m.word, array.slot.word), word)
    fn.store(fn.bin("add", m.shift, array.slot.shift), shift)
    with fn.loop(n) as (i, more, _):
        at, by = fn.load(word), fn.load(shift)
        x = gen.force(Val(array.elem, mem=Mem(m.ptr, at, by)))
        then = fn.bin("add", by, array.bits)
        if array.n > array.per:
            last = fn.icmp("eq", then, array.per * array.bits)
            fn.store(fn.bin("add", at, fn.zext(last)), word)
            then = fn.select(last, 0, then)
        fn.store(then, shift)
        yield i, x, more


def _pack(gen: Expressions, kept: Num, place: Val, array: Array, words: int) -> None:
    """Moves the slots that stay to the front, and clears the rest."""
    fn, m = gen.fn, place.mem
    assert m and isinstance(m.word, int) and isinstance(m.shift, int)
    first, low = m.word + array.slot.word, m.shift + array.slot.shift
    sizes = [min(array.per, array.n - w * array.per) for w in range(words)]
    old = [fn.load(m.ptr, first + w) for w in range(words)]
    for w, size in enumerate(sizes):
        fn.store(fn.bin("and", old[w], signed(~(ones(size * array.bits) << low))), m.ptr, first + w)
    before: Num = 0
    for w, size in enumerate(sizes):
        stay = fn.bin("and", fn.bin("lshr", kept, w * array.per), ones(size))
        bits = fn.bin("mul", fn.deposit(stay, sum(1 << low + j * array.bits for j in range(size))), ones(array.bits))
        _append(gen, fn.extract(old[w], bits), before, m.ptr, first, low, array, words)
        before = fn.bin("add", before, fn.popcount(stay))


def _append(gen: Expressions, found: Num, before: Num, ptr: str, first: int, low: int, array: Array, words: int) -> None:
    """Writes a word of slots behind those that have been written: some may go to the next word."""
    fn, width = gen.fn, array.per * array.bits
    at = fn.bin("udiv", before, array.per)
    by = fn.bin("mul", fn.bin("sub", before, fn.bin("mul", at, array.per)), array.bits)
    here = fn.bin("and", fn.bin("shl", found, by), signed(ones(width)))
    _or_into(gen, ptr, fn.bin("add", at, first), fn.bin("shl", here, low))
    if words > 1 and before != 0:
        rest = fn.select(fn.icmp("eq", by, 0), 0, fn.bin("lshr", found, fn.bin("sub", width, by)))
        last = fn.select(fn.icmp("ult", at, words - 1), fn.bin("add", at, 1), words - 1)
        _or_into(gen, ptr, fn.bin("add", last, first), rest)


def _or_into(gen: Expressions, ptr: str, word: Num, bits: Num) -> None:
    gen.fn.store(gen.fn.bin("or", gen.fn.load(ptr, word), bits), ptr, word)


def _moved(gen: Expressions, e: SetOf, place: Val, kept: Num | None) -> None:
    """Slot by slot: those that stay (by a bit of `kept`, or as the filter says) move up, and mostly none has to."""
    fn = gen.fn
    n, left = gen.length(place), fn.alloca()
    fn.store(0, left)
    with fn.loop(n) as (i, more, _):
        x, stay, move = gen.element(place, i), fn.fresh("stay"), fn.fresh("move")
        if kept is None:
            gen.branch(e.where, stay, more, {e.name: x})
        else:
            fn.branch(fn.icmp("ne", fn.bin("and", fn.bin("lshr", kept, i), 1), 0), stay, more)
        fn.label(stay)
        to = fn.load(left)
        fn.store(fn.bin("add", to, 1), left)
        fn.branch(fn.icmp("eq", to, i), more, move)
        fn.label(move)
        gen.put_slot(place, to, x)
    gen.truncate(place, fn.load(left), n)


__all__ = ["is_filter", "settled", "write_filter"]
