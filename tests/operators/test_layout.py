"""Packing and numbering: what is packed can be read, values are equal where their words are, and ranks count them."""

from __future__ import annotations

import pytest

from checker.core.layout import WORD, layout, pack, rank, rankable, read, state_layout, unrank
from checker.core.types import Set, Type, card, member, show, values

from .cases import FITS
from .domains import TYPES, pool

EVERY = list(dict.fromkeys([*TYPES, *(t for pair in FITS for t in pair)]))
ENUMERABLE = 3000  # types with more values are only sampled


@pytest.mark.parametrize("t", EVERY, ids=show)
def test_what_is_packed_can_be_read(t: Type) -> None:
    for v in pool(t):
        words = pack(t, v)
        assert len(words) == layout(t).words
        assert read(words, 0, 0, t) == v
        assert all(0 <= w < 1 << WORD for w in words)
        assert layout(t).wide or words[0] < 1 << layout(t).bits


@pytest.mark.parametrize("t", EVERY, ids=show)
def test_words_are_equal_where_values_are(t: Type) -> None:
    vs = list(values(t)) if card(t) <= ENUMERABLE else pool(t)
    packed = {tuple(pack(t, v)) for v in vs}
    assert len(packed) == len(set(vs)) == len(vs)


@pytest.mark.parametrize("t", [t for t in EVERY if card(t) <= ENUMERABLE], ids=show)
def test_values_and_how_many(t: Type) -> None:
    vs = list(values(t))
    assert len(vs) == card(t)
    assert all(member(v, t) for v in vs)
    assert not any(pack(t, vs[0])), "the first value is all zeros"


@pytest.mark.parametrize("t", [t for t in EVERY if rankable(t)], ids=show)
def test_ranks_are_positions(t: Type) -> None:
    vs = values(t) if card(t) <= ENUMERABLE else None
    for i, v in enumerate(vs or ()):
        assert rank(t, v) == i
        assert unrank(t, i) == v
    for v in pool(t):
        assert 0 <= rank(t, v) < card(t)
        assert unrank(t, rank(t, v)) == v


@pytest.mark.parametrize("t", [t for t in EVERY if isinstance(t, Set)], ids=show)
def test_the_members_of_a_set_type_keep_its_capacity(t: Set) -> None:
    if t.cap is not None and card(t) <= ENUMERABLE:
        assert {len(v) for v in values(t)} == set(range(min(t.cap, card(t.elem)) + 1))  # type: ignore[type-var]


def test_a_state_is_its_variables() -> None:
    types = {f"x{i}": t for i, t in enumerate(EVERY)}
    how = state_layout(types)
    for i in range(24):
        state = {n: pool(t)[i % len(pool(t))] for n, t in types.items()}
        words = how.pack(state)
        assert len(words) == how.words
        assert how.unpack(words) == state
