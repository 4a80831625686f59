"""A property in pieces is the property; and where two states agree on the footprint of a piece, they agree on the piece."""

from __future__ import annotations

from hypothesis import given, settings
from worlds import formulas, lowered, states

from checker.core.layout import state_layout
from checker.core.meaning import World, evaluate
from checker.core.miniscope import miniscope
from checker.core.pieces import footprint, pieces


@settings(deadline=None, database=None, max_examples=150, derandomize=True)
@given(formulas())
def test_what_differs_shows_in_the_footprint(formula: str) -> None:
    e, instance = lowered(formula)
    found = pieces(miniscope(e))
    layout = state_layout({name: v.type for name, v in instance.vars.items()})
    where = [footprint(layout, piece) for piece in found]
    seen = []
    for state in states(instance):
        world = World(instance, state)
        held = [evaluate(piece, {}, world) for piece in found]
        assert any(held) == evaluate(e, {}, world), formula
        seen.append((layout.pack(state), held))
    for old, held in seen:
        for new, holds in seen:
            for mask, a, b in zip(where, held, holds, strict=True):
                assert a == b or any((x ^ y) & m for x, y, m in zip(old, new, mask, strict=True)), formula


def test_pieces_look_at_their_own_part_of_the_state() -> None:
    e, instance = lowered("forall x, y: A. Msg(x, y) in t implies p[x]")
    layout = state_layout({name: v.type for name, v in instance.vars.items()})
    first, second = (footprint(layout, piece)[0] for piece in pieces(e, 2))
    assert (first.bit_count(), second.bit_count(), first & second) == (3, 3, 0)
    assert len(pieces(e)) == 4
