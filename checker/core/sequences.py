"""What two sequences begin with.  Logs grow by what is put at their end, and what looks at them should cost what is new.

Two sequences are compared item by item, unless it is known how one was made of the other: whoever makes one by keeping the first
items of another says so (`made`), and of what was compared lately the answer is kept.  Invariant: what is known is known of
these very objects, which are kept as long as it is.
"""

from __future__ import annotations

from typing import Any

Items = tuple[Any, ...]

SHORT = 32  # sequences of so many items are compared anew
MANY, LATELY = 16, 512  # so many comparisons are kept, and how so many sequences were made
MOST = 1 << 20  # items of the sequences that are kept for that

RECENT: dict[tuple[int, int], tuple[Items, Items, int]] = {}
MADE: dict[int, tuple[Items, Items, int]] = {}


def made(new: Items, old: Items, keep: int) -> None:
    """A new sequence has the first so many items of an old one."""
    if type(new) is tuple and len(new) >= SHORT:  # others know it themselves
        while len(MADE) >= min(LATELY, MOST // len(new) + 1):
            del MADE[next(iter(MADE))]
        MADE.pop(id(new), None)
        MADE[id(new)] = new, old, keep


def common(a: Items, b: Items) -> int:
    """How many items at their start two sequences have in common."""
    if (known := MADE.get(id(b))) and known[1] is a and known[2] == min(len(a), len(b)):
        return known[2]
    if len(a) < SHORT or len(b) < SHORT:
        return _common(a, b, 0)
    found = RECENT.get((id(a), id(b)))
    if found is None:
        if len(RECENT) >= MANY:
            RECENT.clear()
        found = RECENT[id(a), id(b)] = a, b, _common(a, b, _sure(a, b))
    return found[2]


def _sure(old: Items, new: Items) -> int:
    """So many are known to be the same, as the new one was made of the old one."""
    sure = min(len(old), len(new))
    for _ in range(4):
        if new is old:
            return sure
        if id(new) not in MADE:
            return 0
        _, new, keep = MADE[id(new)]
        sure = min(sure, keep)
    return 0


def _common(a: Items, b: Items, low: int) -> int:
    """So many, of which the first `low` are known."""
    high = min(len(a), len(b))
    if low == high or a[low:high] == b[low:high]:
        return high
    while low + 1 < high:  # so many are equal; so many are not
        middle = (low + high) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle)
    return low


__all__ = ["common", "made"]
