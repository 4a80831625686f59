"""The messages on their way by their ids: an immutable map of which a changed copy is cheap, however many there are.

A large part is shared and a small one says what is otherwise; when that has grown to about the root of the large one, they are
put together.  One that is on its way several times has the id, and a `Copy` of it for each time more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import isqrt
from typing import Any

from checker.core.types import Rec

Added = dict[Any, Rec]


@dataclass(frozen=True, slots=True)
class Copy:
    """An id once more."""

    of: Any
    number: int


class Pairs:
    """id → message.  Never changed in place."""

    __slots__ = ("_base", "_over")

    def __init__(self, base: dict[Any, Rec] | None = None, over: dict[Any, Rec | None] | None = None) -> None:
        self._base, self._over = base or {}, over or {}

    def get(self, key: Any) -> Rec | None:
        """The message with this id, None if there is none."""
        return self._over[key] if key in self._over else self._base.get(key)

    def items(self) -> Iterator[tuple[Any, Rec]]:
        yield from ((k, m) for k, m in self._base.items() if k not in self._over)
        yield from ((k, m) for k, m in self._over.items() if m is not None)

    def spare(self, key: Any) -> Copy:
        """The first copy that this id has not."""
        return next(c for n in count() if self.get(c := Copy(key, n)) is None)

    def changed(self, add: Added, gone: Any = None) -> Pairs:
        """The same with these messages more, and without that of the id `gone`."""
        over: dict[Any, Rec | None] = {**self._over, **add}
        if gone is not None:
            over[gone] = None
        if len(over) <= 32 + isqrt(len(self._base)):
            return Pairs(self._base, over)
        return Pairs(dict(Pairs(self._base, over).items()))
