"""Sequences that grow, as a run has them: `Shared` is a tuple that shares its items with all that begin alike.

Nodes of a run have the same long logs but for their ends.  All sequences that grow from one `root` are paths in one tree: a
`Chain` is a row of items, and where somebody goes on otherwise, another chain begins.  To append costs the same however long a
sequence is, as do the first k items; so does to see whether two are equal, or how far: a sequence has one place in the tree.
Invariant: a sequence ends in the chain that has its last item, so two of one root are equal if they end at the same place of the
same chain.  A Shared is equal to, and has the hash of, the tuple of its items; nothing may look at it but through its methods.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any
from weakref import ref


class Chain:
    """Items from position `start` on, those before are of `before`: the chains on the way here, whose starts are `starts`.
    `forks`: the chains that leave it, by position; they live as long as somebody ends in them, or in what leaves them."""

    __slots__ = ("__weakref__", "before", "forks", "items", "root", "start", "starts")

    def __init__(self, parent: Chain | None, start: int, items: list[Any]) -> None:
        self.start, self.items = start, items
        self.before: tuple[Chain, ...] = (*parent.before, parent) if parent else ()
        self.starts: tuple[int, ...] = (*parent.starts, parent.start) if parent else ()
        self.root: Any = parent.root if parent else object()
        self.forks: dict[int, list[ref[Chain]]] = {}

    def at(self, i: int) -> Chain:
        """The chain that has the item at a position."""
        return self if i >= self.start else self.before[max(0, bisect_right(self.starts, i) - 1)]

    def fork(self, n: int, x: Any) -> Chain:
        """The chain that goes on with another item at position n."""
        known = [c for r in self.forks.get(n, ()) if (c := r()) is not None]
        found = next((c for c in known if c.items[0] == x), None)
        if found is None:
            found = Chain(self, n, [x])
            self.forks[n] = [*map(ref, known), ref(found)]
        return found


class Shared(tuple[Any, ...]):
    """The first `n` items on the way to and in a chain."""

    chain: Chain
    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, key: Any) -> Any:
        if type(key) is slice:
            start, stop, step = key.indices(self.n)
            if step == 1:
                return self.prefix(stop) if start == 0 else tuple(self._between(start, stop))
            return tuple(self)[key]
        i = key + self.n if key < 0 else key
        if not 0 <= i < self.n:
            raise IndexError(key)
        c = self.chain
        if i < c.start:
            c = c.at(i)
        return c.items[i - c.start]

    def prefix(self, n: int) -> Shared:
        """The first so many, at most all."""
        if n == self.n:
            return self
        return _shared(self.chain.at(n - 1), n) if n > 0 else _shared((*self.chain.before, self.chain)[0], 0)

    def push(self, x: Any) -> Shared:
        """With one item more."""
        c, n = self.chain, self.n
        at = n - c.start
        if at == len(c.items):
            c.items.append(x)
        elif (y := c.items[at]) is not x and y != x:
            c = c.fork(n, x)
        return _shared(c, n + 1)

    def _between(self, start: int, stop: int) -> list[Any]:
        out: list[Any] = []
        while start < stop:
            c = self.chain.at(start)
            j = len(c.before) + 1
            end = stop if c is self.chain else min(stop, self.chain.starts[j] if j < len(self.chain.starts) else self.chain.start)
            out += c.items[start - c.start : end - c.start]
            start = end
        return out

    def __iter__(self) -> Iterator[Any]:
        return iter(self._between(0, self.n))

    def __contains__(self, x: object) -> bool:
        return x in self._between(0, self.n)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, tuple):
            return NotImplemented
        found = self
        for x in other:
            found = found.push(x)
        return found

    def __radd__(self, other: Any) -> Any:
        return (*other, *self)

    def __eq__(self, other: object) -> bool:
        if type(other) is Shared and other.chain.root is self.chain.root:
            return self.chain is other.chain and self.n == other.n
        return isinstance(other, tuple) and len(other) == self.n and self._between(0, self.n) == list(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __lt__(self, other: Any) -> bool:
        return tuple(self) < tuple(other)

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> Any:
        return tuple, (list(self),)


def _shared(chain: Chain, n: int) -> Shared:
    v = tuple.__new__(Shared)
    v.chain, v.n = chain, n
    return v


def root() -> Shared:
    """An empty sequence, from which others grow."""
    return _shared(Chain(None, 0, []), 0)


def common(a: Shared, b: Shared) -> int | None:
    """How many items at their start two sequences have in common; None if they are of two roots."""
    c, d = a.chain, b.chain
    if c is d:
        return min(a.n, b.n)
    if c.root is not d.root:
        return None
    way, other = (*c.before, c), (*d.before, d)
    j = next((i for i, (x, y) in enumerate(zip(way, other, strict=False)) if x is not y), min(len(way), len(other)))
    ends = (w[j].start if j < len(w) else s.n for w, s in ((way, a), (other, b)))
    return min(ends)


__all__ = ["Shared", "common", "root"]
