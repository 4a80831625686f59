"""Maps: what is new in one is found without a look at all of it, and is the same."""

from __future__ import annotations

import pickle
from random import Random

from checker.core.types import MANY, Map


def test_what_is_new_in_a_map_is_what_a_look_at_all_of_it_finds() -> None:
    """Of maps made one from the other in every way, between any two."""
    rng = Random(1)
    for size in (MANY - 1, MANY, 2 * MANY):
        known = [Map(dict.fromkeys(range(size)))]
        quick = 0
        for _ in range(300):
            last = rng.choice(known[-3:])
            known.append(last.set(rng.choice((1, 2, rng.randrange(size))), rng.choice((None, rng.random()))))
            del known[: -rng.randrange(3, 9)]  # maps that are forgotten
            new, old = rng.choice(known), rng.choice(known)
            assert new.new(old) == [(k, x) for k, x in new.items() if x is not old[k]]
            quick += new._only(old) is not None
        assert (quick > 0) == (size >= MANY)


def test_a_map_is_the_same_elsewhere() -> None:
    one = Map(dict.fromkeys(range(MANY))).set(3, "x")
    assert pickle.loads(pickle.dumps(one)) == one and hash(one) == hash(Map(dict(one)))
