"""A sequence that shares its items is, whatever is done with it, the tuple of them."""

# ruff: noqa: RUF005, SIM202 - what is tested is how + and != go

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest

from checker.conformance.clauses import common
from checker.conformance.shared import Shared, root
from checker.core.sequences import _common


def grown(rng: random.Random, n: int) -> list[tuple[Any, tuple[Any, ...]]]:
    """Sequences that come of one another, each with the tuple that it should be."""
    found: list[tuple[Any, tuple[Any, ...]]] = [(root(), ())]
    for _ in range(n):
        s, t = rng.choice(found[-8:])
        match rng.randrange(4):
            case 0:
                k = rng.randint(0, len(t))
                s, t = s[:k], t[:k]
            case 1:
                more = tuple(rng.randrange(2) for _ in range(rng.randrange(4)))
                s, t = s + more, t + more
            case 2:
                (r, u), k = rng.choice(found), rng.randint(0, len(t))
                s, t = s[:k] + r, t[:k] + u
            case _:
                s, t = s + (1,), (*t, 1)
        found.append((s, t))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_tuple_of_its_items(seed: int) -> None:
    rng = random.Random(seed)
    found = grown(rng, 60)
    for s, t in found:
        assert type(s) is Shared and tuple(s) == t and len(s) == len(t) and bool(s) == bool(t) and repr(s) == repr(t)
        assert s == t and t == s and not s != t and hash(s) == hash(t) and {s: 1}[t] == 1
        assert [s[i] for i in range(-len(t), len(t))] == [t[i] for i in range(-len(t), len(t))]
        a, b = rng.randint(0, len(t)), rng.randint(0, len(t))
        assert s[a:b] == t[a:b] and s[a:] == t[a:] and s[::2] == t[::2] and (0 in s) == (0 in t)
        assert (7,) + s == (7, *t) and pickle.loads(pickle.dumps(s)) == t and (s, 1) == (t, 1)
        with pytest.raises(IndexError):
            s[len(t)]
    for s, t in rng.choices(found, k=60):
        r, u = rng.choice(found)
        assert (s == r) == (t == u) and (s != r) == (t != u) and common(s, r) == _common(t, u, 0)


def test_equal_ones_stand_in_one_place_and_those_of_nobody_are_forgotten() -> None:
    empty = root()
    a, b = empty + (1, 2, 3), empty + (1, 2, 4)
    assert (empty + (1, 2) + (4,)).chain is b.chain and (b[:2] + (3, 5)).chain is a.chain
    fork = [r for rs in a.chain.forks.values() for r in rs]
    assert len(fork) == 1 and fork[0]() is b.chain
    del b
    assert fork[0]() is None
    assert root() + (1,) == empty + (1,) and common(root() + (1, 2), a) == 2
