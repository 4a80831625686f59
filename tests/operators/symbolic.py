"""Evaluates Boolean terms on many assignments at once: the truth value of a term is a column of bits, one for each row.

The unknowns of a declared value get the bits that stand for a given plain value; parts that say nothing (the payload of none) get
arbitrary ones.
"""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from random import Random
from typing import Any

import z3
from z3 import z3core as core

from checker.core.types import Bag, BagOf, Bool, MapOf, Option, Record, Seq, Set, Tuple, Type, Union, Value, card, children
from checker.engines.smt.bits import Bit
from checker.engines.smt.terms import Mask, is_flat, plain

from .domains import pool


def unknowns(t: Type) -> int:
    """How many bits an unknown value has, about."""
    match t:
        case Option(e):
            return 1 + unknowns(e)
        case Record() | Tuple() | Union():
            return 1 + sum(map(unknowns, children(t)))
        case Set(e, cap):
            if is_flat(t):
                return card(e) if card(e) <= 64 else card(e) ** 2  # counting them takes so long
            return cap * (cap + unknowns(e))  # type: ignore[operator]
        case BagOf(e, int(cap)) | Seq(e, int(cap)):
            return cap + cap * unknowns(e)
        case MapOf(k, e):
            return card(k) * unknowns(e)
    return card(t)


CONTEXT = z3.main_ctx().ref()


class Columns:
    """Truth values in `n` rows."""

    def __init__(self, n: int) -> None:
        self.n, self.all = n, (1 << n) - 1
        self.known: dict[int, int] = {}
        self.kept: list[Any] = []  # an address means something only while its term lives
        self.rng = Random(n)

    def assign(self, t: Type, v: Any, xs: list[Value]) -> None:
        """Lets a declared value be these plain values, row by row."""
        match t:
            case Option(e):
                self._bit(v.present, [x is not None for x in xs])
                self.assign(e, v.payload, [self._any(e) if x is None else x for x in xs])
            case Record(_, fs):
                for i, (_, e) in enumerate(fs):
                    self.assign(e, v.parts[i], [x.values[i] for x in xs])
            case Tuple(es):
                for i, e in enumerate(es):
                    self.assign(e, v.parts[i], [x[i] for x in xs])
            case Union(vs):
                for variant in vs:
                    tag, record = v.variants[variant.name]
                    self._bit(tag, [x.name == variant.name for x in xs])
                    self.assign(variant, record, [x if x.name == variant.name else self._any(variant) for x in xs])
            case Set() if isinstance(v, Mask):
                for k, bit in v.bits.items():
                    self._bit(bit, [k in x for x in xs])
            case Set(e) | BagOf(e):
                rows = [[y for y in x for _ in range(x[y])] if isinstance(x, Bag) else list(x) for x in xs]
                for r in rows:
                    self.rng.shuffle(r)  # slots are in no order
                for i, (there, item) in enumerate(v.items):
                    self._bit(there, [i < len(r) for r in rows])
                    self.assign(e, item, [r[i] if i < len(r) else self._any(e) for r in rows])
            case MapOf(_, e):
                for k, cell in v.cells.items():
                    self.assign(e, cell, [x[k] for x in xs])
            case Seq(e):
                self._one_hot(v.length, [len(x) for x in xs])
                for i, item in enumerate(v.items):
                    self.assign(e, item, [x[i] if i < len(x) else self._any(e) for x in xs])
            case Bool():
                self._bit(v, xs)
            case _:
                self._one_hot(v, xs)

    def _any(self, t: Type) -> Value:
        return self.rng.choice(pool(t))

    def _one_hot(self, v: Any, xs: list[Value]) -> None:
        for k, bit in v.cases.items():
            self._bit(bit, [x == k for x in xs])

    def _bit(self, term: Bit, on: list[bool]) -> None:
        if isinstance(term, bool):
            assert all(x == term for x in on)
        elif z3.is_not(term):
            self._bit(term.arg(0), [not x for x in on])
        else:
            self.kept.append(term)
            self.known[term.ast.value] = int("".join("01"[x] for x in reversed(on)) or "0", 2)

    def column(self, term: Bit) -> int:
        """In which rows is it true?"""
        if isinstance(term, bool):
            return self.all if term else 0
        self.kept.append(term)
        return self._of(term.ast)

    def _of(self, ast: Any) -> int:
        if ast.value not in self.known:
            self.known[ast.value] = self._computed(ast)
        return self.known[ast.value]

    def _computed(self, ast: Any) -> int:
        args = [self._of(core.Z3_get_app_arg(CONTEXT, ast, i)) for i in range(core.Z3_get_app_num_args(CONTEXT, ast))]
        match core.Z3_get_decl_kind(CONTEXT, core.Z3_get_app_decl(CONTEXT, ast)):
            case z3.Z3_OP_AND:
                return reduce(and_, args, self.all)
            case z3.Z3_OP_OR:
                return reduce(or_, args, 0)
            case z3.Z3_OP_NOT:
                return self.all & ~args[0]
            case z3.Z3_OP_EQ | z3.Z3_OP_IFF:
                return self.all & ~(args[0] ^ args[1])
            case z3.Z3_OP_ITE:
                return args[0] & args[1] | ~args[0] & args[2]
        raise AssertionError("an unknown without a value, or an unexpected connective")

    def value(self, v: Any, row: int) -> Value:
        """The plain value in a row."""
        return plain(lambda bit: bool(self.column(bit) >> row & 1), v)
