"""Small types of every family, and for each type a short list of its values.

The pools of parts are used in the pools of wholes, so that equal values, elements that are there and elements that are not, all
occur.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from random import Random
from typing import Any

from checker.core.types import (
    BOOL,
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
    Sort,
    Tuple,
    Type,
    Union,
    Value,
    card,
    values,
)

COLOUR = Enum("Colour", ("red", "green", "blue"))
SIDE = Enum("Side", ("left", "right"))
NODE, ONLY = Sort("Node", 3), Sort("Only", 1)
SMALL, SIGNED, SHIFTED, SINGLE, BYTE = Int(0, 3), Int(-2, 1), Int(2, 4), Int(5, 5), Int(0, 255)
VOTE = Record("Vote", (("bal", Int(0, 2)), ("val", NODE)))
RANKED = Record("Ranked", (("low", Int(-1, 1)), ("colour", COLOUR)))
EMPTY = Record("Empty", ())
PAIR = Tuple((BOOL, Int(-1, 1)))
LONG = Seq(Int(0, 15), 17)  # 73 bits
LOG = Record("Log", (("entries", LONG), ("open", BOOL), ("vote", Option(VOTE))))
PREPARE = Record("Prepare", (("bal", SMALL),))
PROMISE = Record("Promise", (("bal", SMALL), ("vote", Option(VOTE)), ("acc", NODE)))
APPEND = Record("Append", (("entries", LONG),))

INTS = [SMALL, SIGNED, SHIFTED, SINGLE]
SCALARS: list[Type] = [BOOL, *INTS, COLOUR, SIDE, NODE, ONLY]
OPTIONS: list[Type] = [Option(t) for t in (Int(-1, 1), Int(0, 4), COLOUR, NODE, ONLY, BOOL, RANKED, PAIR, LOG)]
MIXED = Record("Mixed", (("votes", Set(VOTE)), ("pair", Option(PAIR)), ("seq", Seq(COLOUR, 2))))
RECORDS: list[Type] = [VOTE, RANKED, EMPTY, LOG, MIXED]
TUPLES: list[Type] = [
    PAIR,
    Tuple((Int(-1, 2), COLOUR)),
    Tuple((Option(SMALL), RANKED)),
    Tuple((Int(0, 2**31), Int(0, 2**31), Int(-1, 1))),  # 65 bits
    Tuple((Int(0, 2**32 - 1), Int(0, 2**32 - 1))),  # 64 bits
    Tuple((LONG, SMALL)),
]
UNIONS: list[Type] = [Union((PREPARE, EMPTY, PROMISE)), Union((PREPARE,)), Union((PREPARE, APPEND, EMPTY))]
SETS: list[Type] = [
    Set(NODE),
    Set(COLOUR),
    Set(Int(-1, 2)),
    Set(SMALL),
    Set(PAIR),
    Set(Option(COLOUR)),
    Set(Set(NODE)),
    Set(SINGLE),
    Set(Seq(SIDE, 2)),
    Set(MapOf(SIDE, SIDE)),
    Set(UNIONS[0]),
    Set(Int(0, 63)),
    Set(Int(0, 64)),
    Set(Int(-1, 130)),
]
SLOTS: list[Type] = [
    Set(Int(0, 40), 2),
    Set(Int(-300, 300), 3),
    Set(Int(-4, 40), 2),
    Set(Int(0, 1000), 8),  # wide
    Set(Tuple((SMALL, BYTE)), 2),
    Set(LOG, 2),
    Set(UNIONS[2], 2),
    Set(BagOf(COLOUR, 1), 2),
    Set(BagOf(Option(SIDE), 2), 2),
    Set(NODE, 2),  # a mask all the same
    Set(VOTE, 1),
]
SEQS: list[Type] = [
    Seq(SMALL, 2),
    Seq(Int(-1, 1), 3),
    Seq(COLOUR, 2),
    Seq(NODE, 2),
    Seq(VOTE, 2),
    Seq(BOOL, 3),
    Seq(SINGLE, 3),
    Seq(Option(PAIR), 2),
    Seq(SMALL, 0),
    Seq(Int(0, 15), 15),  # 64 bits
    LONG,
    Seq(Int(0, 1000), 8),
    Seq(Int(0, 2**32), 3),  # a word each
    Seq(LOG, 2),
]
BAGS: list[Type] = [
    BagOf(COLOUR, 2),
    BagOf(SIGNED, 3),
    BagOf(SMALL, 2),
    BagOf(NODE, 2),
    BagOf(PAIR, 2),
    BagOf(Option(SIDE), 2),
    BagOf(UNIONS[0], 2),
    BagOf(Int(-1, 2**20), 4),
    BagOf(LOG, 2),
    BagOf(SMALL, 0),
]
MAPS: list[Type] = [
    MapOf(NODE, Int(-1, 1)),
    MapOf(SIDE, BOOL),
    MapOf(SIGNED, COLOUR),
    MapOf(BOOL, Option(VOTE)),
    MapOf(Option(SIDE), SIDE),
    MapOf(PAIR, SIDE),
    MapOf(NODE, MapOf(SIDE, SMALL)),
    MapOf(SIDE, Set(NODE)),
    MapOf(ONLY, SMALL),
    MapOf(Int(0, 15), Int(0, 15)),  # 64 bits
    MapOf(Int(0, 16), Int(0, 15)),
    MapOf(NODE, LONG),
    MapOf(NODE, Set(Int(0, 300), 2)),
    MapOf(Set(SIDE), Seq(Int(0, 30), 4)),
]
TYPES: list[Type] = [*SCALARS, *OPTIONS, *RECORDS, *TUPLES, *UNIONS, *SETS, *SLOTS, *SEQS, *BAGS, *MAPS]

FEW = 24


@cache
def pool(t: Type) -> tuple[Value, ...]:
    """All values of a small type, some of a large one: the first and extreme ones among them, always in the same order."""
    if card(t) <= FEW:
        return tuple(values(t))
    found = dict.fromkeys([*_edges(t), *islice(_random(t, Random(repr(t))), 3 * FEW)])
    return tuple(found)[:FEW]


def _edges(t: Type) -> list[Value]:
    match t:
        case Int(int(lo), int(hi)):
            return sorted({lo, lo + 1, (lo + hi) // 2, hi - 1, hi})
        case Set(e, cap):
            return [frozenset(), frozenset(pool(e)[: cap or FEW]), frozenset(pool(e)[-(cap or FEW) :])]  # type: ignore[misc]
        case BagOf(e, int(cap)):
            return [Bag(), Bag({pool(e)[-1]: cap}), Bag({pool(e)[0]: 1})]
        case Seq(e, int(cap)):
            return [(), (pool(e)[-1],) * cap, (pool(e)[0],) * cap]
        case MapOf(k, e):
            return [Map(dict.fromkeys(values(k), x)) for x in (pool(e)[0], pool(e)[-1])]
    return []


def _random(t: Type, rng: Random) -> Iterator[Value]:
    while True:
        yield one(t, rng)


def one(t: Type, rng: Random) -> Any:
    """A random value, made of values from the pools of the parts."""

    def of(e: Type) -> Value:
        return rng.choice(pool(e)) if card(e) <= FEW or rng.random() < 0.7 else one(e, rng)

    match t:
        case Int(int(lo), int(hi)):
            return rng.randint(lo, hi)
        case Option(e):
            return None if rng.random() < 0.2 else of(e)
        case Record(n, fs):
            return Rec(n, tuple(of(e) for _, e in fs))
        case Union(vs):
            return of(rng.choice(vs))
        case Tuple(es):
            return tuple(map(of, es))
        case Set(e, cap):
            most = card(e) if cap is None else min(card(e), cap)  # type: ignore[type-var]
            return frozenset(of(e) for _ in range(rng.randint(0, min(most, FEW))))  # type: ignore[arg-type]
        case BagOf(e, int(cap)):
            bag = Bag()
            for _ in range(rng.randint(0, cap)):
                bag = bag.add(of(e))
            return bag
        case MapOf(k, e):
            return Map((x, of(e)) for x in values(k))
        case Seq(e, int(cap)):
            return tuple(of(e) for _ in range(rng.randint(0, cap)))
    return rng.choice(list(values(t)))
