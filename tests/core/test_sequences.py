"""What is known of how a sequence was made is what a comparison finds, whatever else was made and compared in between."""

from __future__ import annotations

from random import Random

from checker.core import sequences
from checker.core.sequences import common, made


def same(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def test_common() -> None:
    rng = Random(1)
    known: list[tuple[int, ...]] = [tuple(range(100)), tuple(range(40))]
    for _ in range(3000):
        old = rng.choice(known[-20:])
        keep = rng.choice((len(old), rng.randrange(len(old) + 1)))
        new = old[:keep] + tuple(rng.randrange(3) for _ in range(rng.randrange(30)))
        made(new, old, keep)
        known.append(new)
        a, b = rng.choice(known[-20:]), rng.choice((new, rng.choice(known[-20:])))
        assert common(a, b) == same(a, b) and common(old, new) == same(old, new)
    assert len(sequences.MADE) <= sequences.LATELY


def test_long_sequences_are_not_kept() -> None:
    old = tuple(range(sequences.MOST // 2))
    for i in range(5):
        made((*old, i), old, len(old))
    assert len(sequences.MADE) <= 3
