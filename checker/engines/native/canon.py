"""The canonical form of a state under the product of the symmetric groups of its sorts: exact, without trying n! orders.

With a `key` per element (no fact mentions two elements) sorting by key is all. Otherwise: colour refinement, then a search
tree of individualised elements whose leaves are permuted states; the least of them is the form (McKay's scheme). A branch
is left out only if an automorphism maps it to one already seen: a transposition that changes nothing (twins), or the
quotient of two leaves with the same image. Colours are hashes, but only order the tree: a collision costs time, not truth.
Invariant: everything is equivariant, that is, depends on the state up to renaming; the numbers of elements break no tie
except between branches known to be equivalent.

`canonical(row, out, plan)` is a C function (`out` may be `row`); a `Plan` holds its arguments and scratch, one per thread.
"""

from collections.abc import Sequence

import numpy as np
from numba import cfunc, njit
from numpy.typing import NDArray

from .memory import address_of, call2, call3, get, load, put, store

# fmt: off
# Fields of a plan. The last three groups are addresses of scratch: for one state, for two leaves, for each depth.
(
    WORDS, SORTS, ELEMENTS, REFINE, PERMUTE, KEY,
    OFFSETS, SIGNS, PERM, INVERSE, IMAGE, TWIN,
    LEAF_IMAGE, LEAF_PERM,
    COLOURS, ORDER, ORBIT, CHOSEN, FIRST, LAST, NEXT,
    FIELDS,
) = range(22)
# fmt: on
LEAVES = 2  # the first one, to find automorphisms by, and the least one

_HALF = np.uint64(32)
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
ZERO, ONE = np.int64(0), np.int64(1)  # typed, lest Numba compile a function once more for each literal
_SALT = np.uint64(0x9E3779B97F4A7C15)

_part = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
_helper = {"forceinline": True, **_part}


class Plan:
    """What `canonical` needs: the functions of the spec (addresses; 0 if absent), the sizes of the sorts, scratch.

    Raises ValueError if the sorts cannot be canonicalised with the functions given.
    """

    def __init__(self, words: int, sorts: Sequence[int], refine: int, permute: int, key: int = 0) -> None:
        if not permute or not (key or refine):
            raise ValueError("symmetry needs permute, and key or refine")
        n, rows = sum(sorts), sum(sorts) + 1
        sizes = [0] * 6 + [len(sorts) + 1, n, n, n, words, n]
        sizes += [LEAVES * words, LEAVES * n, rows * n, rows * n, rows * n, rows, rows, rows, rows]
        ends = np.cumsum([FIELDS, *sizes])
        self._cells = np.zeros(int(ends[-1]), np.int64)
        self.address = address_of(self._cells)
        self._cells[:FIELDS] = self.address + 8 * ends[:-1]
        self._cells[:OFFSETS] = words, len(sorts), n, refine, permute, key
        self._cells[ends[OFFSETS] : ends[OFFSETS + 1]] = np.cumsum([0, *sorts])

    def __call__(self, row: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The canonical form of one row, as a new array."""
        form = np.array(row, np.uint64)
        canonical.ctypes(address_of(form), address_of(form), self.address)
        return form


@njit(**_helper)
def mix(word):
    word = (word ^ (word >> _HALF)) * _MULTIPLIER
    word = (word ^ (word >> _HALF)) * _MULTIPLIER
    return word ^ (word >> _HALF)


@njit(**_helper)
def order_rows(a, b, words):
    """-1, 0 or 1, as row a is less than, equal to or greater than row b."""
    for i in range(words):
        if get(a, i) != get(b, i):
            return -1 if get(a, i) < get(b, i) else 1
    return 0


@njit(**_helper)
def copy_words(source, target, n):
    for i in range(n):
        put(target, i, get(source, i))


# -- colours and cells -----------------------------------------------------------------------------------------------------


@njit(**_part)
def sort_cells(plan, colours, order):
    """Sort the elements of each sort by colour (`order` holds some order of them); returns the number of cells."""
    cells = 0
    for s in range(load(plan, SORTS)):
        first, last = load(load(plan, OFFSETS), s), load(load(plan, OFFSETS), s + 1)
        for i in range(first + 1, last):
            element, j = get(order, i), i
            colour = get(colours, np.int64(element))
            while j > first and get(colours, load(order, j - 1)) > colour:
                put(order, j, get(order, j - 1))
                j -= 1
            put(order, j, element)
        for i in range(first, last):
            cells += i == first or get(colours, load(order, i)) != get(colours, load(order, i - 1))
    return cells


@njit(**_part)
def refine(plan, row, colours, order, cells):
    """Refine the colouring, of so many cells, until their number no longer grows."""
    n, signs = load(plan, ELEMENTS), load(plan, SIGNS)
    while cells < n:
        for e in range(n):
            put(signs, e, np.uint64(0))
        call3(load(plan, REFINE), row, colours, signs)
        for e in range(n):
            put(colours, e, mix(mix(get(colours, e) + _SALT) ^ get(signs, e)))
        grown = sort_cells(plan, colours, order)
        if grown <= cells:
            break
        cells = grown


@njit(**_helper)
def cell_end(plan, depth, first, last):
    """Where the cell that starts at `first` ends, in the order of this depth, before `last`."""
    n = load(plan, ELEMENTS)
    colours, order = load(plan, COLOURS) + 8 * n * depth, load(plan, ORDER) + 8 * n * depth
    colour, end = get(colours, load(order, first)), first + 1
    while end < last and get(colours, load(order, end)) == colour:
        end += 1
    return end


@njit(**_part)
def are_twins(plan, row, a, b, offset):
    """Does exchanging two elements (of the sort that starts at `offset`) leave the state as it is?"""
    perm = load(plan, PERM)
    for s in range(load(plan, SORTS)):
        first = load(load(plan, OFFSETS), s)
        for e in range(first, load(load(plan, OFFSETS), s + 1)):
            store(perm, e, e - first)
    store(perm, a, b - offset)
    store(perm, b, a - offset)
    call3(load(plan, PERMUTE), row, perm, load(plan, IMAGE))
    return order_rows(row, load(plan, IMAGE), load(plan, WORDS)) == 0


@njit(**_part)
def find_twins(plan, row):
    """For every element the first one of its cell at the root it can be exchanged with."""
    twin, order = load(plan, TWIN), load(plan, ORDER)
    for s in range(load(plan, SORTS)):
        offset, last = load(load(plan, OFFSETS), s), load(load(plan, OFFSETS), s + 1)
        first = offset
        while first < last:
            end = cell_end(plan, ZERO, first, last)
            for i in range(first, end):
                b = load(order, i)
                store(twin, b, b)
                for j in range(first, i):
                    a = load(order, j)
                    if load(twin, a) == a and are_twins(plan, row, a, b, offset):
                        store(twin, b, a)
                        break
            first = end


@njit(**_part)
def choose_cell(plan, depth):
    """Target of this node: the first smallest cell that is not all twins. False if there is none: a leaf."""
    n, best = load(plan, ELEMENTS), load(plan, ELEMENTS) + 1
    order, twin = load(plan, ORDER) + 8 * n * depth, load(plan, TWIN)
    for s in range(load(plan, SORTS)):
        first, last = load(load(plan, OFFSETS), s), load(load(plan, OFFSETS), s + 1)
        while first < last:
            end, alike = cell_end(plan, depth, first, last), True
            for i in range(first + 1, end):
                alike &= get(twin, load(order, i)) == get(twin, load(order, first))
            if not alike and end - first < best:
                best = end - first
                store(load(plan, FIRST), depth, first)
                store(load(plan, NEXT), depth, first)
                store(load(plan, LAST), depth, end)
            first = end
    return best <= n


# -- orbits: at each depth, a forest of elements known to be equivalent with the choices above fixed ------------------------


@njit(**_helper)
def root_of(orbit, e):
    while load(orbit, e) != e:
        e = load(orbit, e)
    return e


@njit(**_part)
def seen_before(plan, depth, i):
    """Is the element at position i of the target cell equivalent to one before it?"""
    n = load(plan, ELEMENTS)
    order, orbit = load(plan, ORDER) + 8 * n * depth, load(plan, ORBIT) + 8 * n * depth
    mine = root_of(orbit, load(order, i))
    j = load(load(plan, FIRST), depth)
    while j < i and root_of(orbit, load(order, j)) != mine:
        j += 1
    return j < i


@njit(**_part)
def join_orbits(plan, depth, leaf):
    """The current leaf has the image of a kept one: learn the automorphism. Returns the depth to go on at."""
    n, perm, inverse = load(plan, ELEMENTS), load(plan, PERM), load(plan, INVERSE)
    kept = load(plan, LEAF_PERM) + 8 * n * leaf
    for s in range(load(plan, SORTS)):
        offset, end = load(load(plan, OFFSETS), s), load(load(plan, OFFSETS), s + 1)
        for e in range(offset, end):
            store(inverse, offset + load(kept, e), e)
        for e in range(offset, end):  # from here on `perm` holds the automorphism, on the numbers of all elements
            store(perm, e, load(inverse, offset + load(perm, e)))
    for d in range(depth):
        orbit = load(plan, ORBIT) + 8 * n * d
        for e in range(n):
            a, b = root_of(orbit, e), root_of(orbit, load(perm, e))
            store(orbit, a if a > b else b, a if a < b else b)
        if seen_before(plan, d, load(load(plan, NEXT), d) - 1):
            return d
        chosen = load(load(plan, CHOSEN), d)
        if load(perm, chosen) != chosen:
            break
    return depth - 1


# -- the tree --------------------------------------------------------------------------------------------------------------


@njit(**_part)
def label(plan, order):
    """The permutation that puts the elements in this order."""
    for s in range(load(plan, SORTS)):
        first = load(load(plan, OFFSETS), s)
        for i in range(first, load(load(plan, OFFSETS), s + 1)):
            store(load(plan, PERM), load(order, i), i - first)


@njit(**_part)
def keep_leaf(plan, leaf):
    n, words = load(plan, ELEMENTS), load(plan, WORDS)
    copy_words(load(plan, PERM), load(plan, LEAF_PERM) + 8 * n * leaf, n)
    copy_words(load(plan, IMAGE), load(plan, LEAF_IMAGE) + 8 * words * leaf, words)


@njit(**_part)
def visit_leaf(plan, row, depth, leaves):
    """Compare a leaf, which `leaves` were before, with the kept ones; returns the depth to go on at."""
    words, image, kept = load(plan, WORDS), load(plan, IMAGE), load(plan, LEAF_IMAGE)
    label(plan, load(plan, ORDER) + 8 * load(plan, ELEMENTS) * depth)
    call3(load(plan, PERMUTE), row, load(plan, PERM), image)
    if leaves == 0:
        keep_leaf(plan, ZERO)
        keep_leaf(plan, ONE)
        return depth - 1
    if order_rows(image, kept, words) == 0:
        return join_orbits(plan, depth, ZERO)
    least = order_rows(image, kept + 8 * words, words)
    if least == 0:
        return join_orbits(plan, depth, ONE)
    if least < 0:
        keep_leaf(plan, 1)
    return depth - 1


@njit(**_part)
def descend(plan, row, depth):
    """Individualise the next element of the target cell that no automorphism excuses; False if none is left."""
    n, i = load(plan, ELEMENTS), load(load(plan, NEXT), depth)
    while i < load(load(plan, LAST), depth) and seen_before(plan, depth, i):
        i += 1
    store(load(plan, NEXT), depth, i + 1)
    if i >= load(load(plan, LAST), depth):
        return False
    colours, order = load(plan, COLOURS) + 8 * n * depth, load(plan, ORDER) + 8 * n * depth
    copy_words(colours, colours + 8 * n, n)
    copy_words(order, order + 8 * n, n)
    copy_words(load(plan, TWIN), load(plan, ORBIT) + 8 * n * (depth + 1), n)
    chosen = load(order, i)
    store(load(plan, CHOSEN), depth, chosen)
    put(colours + 8 * n, chosen, mix(get(colours, chosen) ^ _SALT))
    cells = sort_cells(plan, colours + 8 * n, order + 8 * n)
    refine(plan, row, colours + 8 * n, order + 8 * n, cells)
    return True


@njit(**_part)
def start(plan, row):
    """The root: elements coloured by sort, refined."""
    order = load(plan, ORDER)
    for s in range(load(plan, SORTS)):
        for e in range(load(load(plan, OFFSETS), s), load(load(plan, OFFSETS), s + 1)):
            put(load(plan, COLOURS), e, mix(np.uint64(s + 1)))
            store(order, e, e)
    refine(plan, row, load(plan, COLOURS), order, ZERO)


@njit(**_part)
def search_tree(plan, row):
    """Depth first; leaves the least image in the second leaf."""
    start(plan, row)
    find_twins(plan, row)
    copy_words(load(plan, TWIN), load(plan, ORBIT), load(plan, ELEMENTS))
    depth, leaves = ZERO, ZERO
    if not choose_cell(plan, depth):
        visit_leaf(plan, row, depth, leaves)
        return
    while depth >= 0:
        if not descend(plan, row, depth):
            depth -= 1
        elif choose_cell(plan, depth + 1):
            depth += 1
        else:
            depth = visit_leaf(plan, row, depth + 1, leaves)
            leaves += 1


@cfunc("int64(int64, int64, int64)", cache=True, error_model="numpy")
def canonical(row, out, plan):
    """Write the canonical form of `row` to `out`."""
    words, image = load(plan, WORDS), load(plan, IMAGE)
    if load(plan, KEY):
        for e in range(load(plan, ELEMENTS)):
            store(load(plan, ORDER), e, e)
        call2(load(plan, KEY), row, load(plan, COLOURS))
        sort_cells(plan, load(plan, COLOURS), load(plan, ORDER))
        label(plan, load(plan, ORDER))
        call3(load(plan, PERMUTE), row, load(plan, PERM), image)
        copy_words(image, out, words)
    else:
        search_tree(plan, row)
        copy_words(load(plan, LEAF_IMAGE) + 8 * words, out, words)
    return 0
