"""Canonical forms against brute force and against the known numbers of graphs.

A state is a directed graph, one word of edges per node, whose nodes are one sort (or two, in a given proportion). That is as
awkward as symmetry gets: two elements per fact. Each orbit must have one form, which is a member of the orbit, and highly
symmetric graphs must not cost what their symmetric group would.
"""

import itertools
import random
from functools import cache

import numpy as np
import pytest
from numba import cfunc

from checker.engines.native.canon import Plan
from checker.engines.native.memory import get, load, put, store
from checker.engines.native.search import Kernel, Limits, Search

SUCCESSORS = "int64(int64, int64, int64, int64, int64)"
VOID2 = "int64(int64, int64)"
VOID3 = "int64(int64, int64, int64)"
PRIME = np.uint64(0x9E3779B97F4A7C15)

# What the functions below read: how often refine and permute were called; bits per row of a packed graph, nodes, and for
# each node the first of its sort.
cells = np.zeros(24, np.int64)
CELLS = int(cells.ctypes.data)
REFINED, PERMUTED, ROW_BITS, NODES, SORT_STARTS = range(5)

Graph = tuple[int, ...]  # per node, the set of its successors


@cfunc(VOID3)
def refine(row, colours, signs):
    store(CELLS, REFINED, load(CELLS, REFINED) + 1)
    n = load(CELLS, NODES)
    for a in range(n):
        for b in range(n):
            bit = a * load(CELLS, ROW_BITS) + b
            if get(row, bit >> 6) >> np.uint64(bit & 63) & np.uint64(1):
                seen = (get(colours, b) ^ PRIME) * PRIME
                put(signs, a, get(signs, a) + (seen ^ seen >> np.uint64(29)) * PRIME)
                seen = (get(colours, a) + PRIME) * PRIME
                put(signs, b, get(signs, b) + (seen ^ seen >> np.uint64(31)) * PRIME)
                if a == b:
                    put(signs, a, get(signs, a) + PRIME)
    return 0


@cfunc(VOID3)
def permute(row, perm, out):
    store(CELLS, PERMUTED, load(CELLS, PERMUTED) + 1)
    n, row_bits = load(CELLS, NODES), load(CELLS, ROW_BITS)
    for i in range((n * row_bits + 63) >> 6):
        store(out, i, 0)
    for a in range(n):
        for b in range(n):
            bit = a * row_bits + b
            if get(row, bit >> 6) >> np.uint64(bit & 63) & np.uint64(1):
                to = load(CELLS, SORT_STARTS + a) + load(perm, a)
                to = to * row_bits + load(CELLS, SORT_STARTS + b) + load(perm, b)
                put(out, to >> 6, get(out, to >> 6) | np.uint64(1) << np.uint64(to & 63))
    return 0


def set_shape(sorts: tuple[int, ...], row_bits: int) -> None:
    starts = [sum(sorts[:s]) for s, size in enumerate(sorts) for _ in range(size)]
    cells[ROW_BITS:] = [row_bits, len(starts), *starts, *[0] * (len(cells) - SORT_STARTS - len(starts))]


@cache
def plan(sorts: tuple[int, ...]) -> Plan:
    return Plan(sum(sorts), sorts, refine.address, permute.address)


def form(graph: Graph, *sorts: int) -> Graph:
    """Canonical form of a graph, one word per node; its nodes are one sort if none is given."""
    sorts = sorts or (len(graph),)
    set_shape(sorts, 64)
    return tuple(int(word) for word in plan(sorts)(np.array(graph, np.uint64)))


def renamed(graph: Graph, names: tuple[int, ...]) -> Graph:
    image = [0] * len(graph)
    for a, b in itertools.product(range(len(graph)), repeat=2):
        image[names[a]] |= (graph[a] >> b & 1) << names[b]
    return tuple(image)


def random_names(sorts: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
    names: list[int] = []
    for size in sorts:
        names += [len(names) + i for i in rng.sample(range(size), size)]
    return tuple(names)


# -- exhaustive ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "count"), [(1, 2), (2, 10), (3, 104), (4, 3044)])
def test_directed_graphs_up_to_isomorphism(n: int, count: int) -> None:
    """OEIS A000595."""
    rows = itertools.product(range(1 << n), repeat=n)
    assert len({form(graph) for graph in rows}) == count


@pytest.mark.parametrize(("n", "count"), [(3, 2), (4, 4), (5, 12), (6, 56)])
def test_tournaments_up_to_isomorphism(n: int, count: int) -> None:
    """OEIS A000568."""
    pairs = list(itertools.combinations(range(n), 2))
    forms = set()
    for directions in itertools.product((False, True), repeat=len(pairs)):
        graph = [0] * n
        for (a, b), forward in zip(pairs, directions, strict=True):
            graph[a if forward else b] |= 1 << (b if forward else a)
        forms.add(form(tuple(graph)))
    assert len(forms) == count


@pytest.mark.parametrize(("sorts", "count"), [((2, 2), 7), ((3, 3), 36), ((3, 4), 87), ((2, 5), 34)])
def test_relations_between_two_sorts(sorts: tuple[int, int], count: int) -> None:
    """Binary matrices up to permutations of rows and of columns: OEIS A028657."""
    a, b = sorts
    rows = itertools.product(range(1 << b), repeat=a)
    forms = {form((*(row << a for row in matrix), *[0] * b), a, b) for matrix in rows}
    assert len(forms) == count


def test_all_graphs_on_four_nodes_against_all_permutations() -> None:
    """Two graphs have the same form exactly if some permutation maps one to the other; the form is one of them."""
    orders = list(itertools.permutations(range(4)))
    unseen = set(itertools.product(range(16), repeat=4))
    forms = set()
    while unseen:
        graph = next(iter(unseen))
        orbit = {renamed(graph, names) for names in orders}
        unseen -= orbit
        (one,) = {form(member) for member in orbit}
        assert one in orbit
        forms.add(one)
    assert len(forms) == 3044


# -- awkward and large -----------------------------------------------------------------------------------------------------


def cycles(*lengths: int) -> Graph:
    """A disjoint union of directed cycles."""
    graph: list[int] = []
    for length in lengths:
        first = len(graph)
        graph += [1 << (first + (i + 1) % length) for i in range(length)]
    return tuple(graph)


def undirected(n: int, edges: list[tuple[int, int]]) -> Graph:
    graph = [0] * n
    for a, b in edges:
        graph[a] |= 1 << b
        graph[b] |= 1 << a
    return tuple(graph)


CUBE = undirected(8, [(a, a ^ 1 << i) for a in range(8) for i in range(3)])
PETERSEN = undirected(10, [(i, (i + 1) % 5) for i in range(5)] + [(i, i + 5) for i in range(5)]
                      + [(5 + i, 5 + (i + 2) % 5) for i in range(5)])  # fmt: skip
ROOK = undirected(16, [(a, b) for a, b in itertools.combinations(range(16), 2) if a // 4 == b // 4 or a % 4 == b % 4])
SHRIKHANDE = undirected(16, [(a, (a // 4 + i) % 4 * 4 + (a + j) % 4) for a in range(16) for i, j in ((0, 1), (1, 0), (1, 1))])

AWKWARD = {
    "empty": (0,) * 12,
    "complete": tuple((1 << 12) - 1 for _ in range(12)),
    "loops on half": tuple(1 << i if i % 2 else 0 for i in range(12)),
    "one cycle": cycles(12),
    "four triangles": cycles(3, 3, 3, 3),
    "six pairs": cycles(2, 2, 2, 2, 2, 2),
    "cycles of many lengths": cycles(2, 3, 3, 4),
    "cube": CUBE,
    "Petersen": PETERSEN,
    "rook": ROOK,
    "Shrikhande": SHRIKHANDE,
    "a path": tuple(1 << (i + 1) if i < 11 else 0 for i in range(12)),
    "a star": ((1 << 12) - 2, *[0] * 11),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_symmetric_graphs_have_one_form_at_a_modest_price(name: str) -> None:
    graph, rng = AWKWARD[name], random.Random(7)
    n = len(graph)
    forms = set()
    for _ in range(40):
        cells[:ROW_BITS] = 0
        forms.add(form(renamed(graph, random_names((n,), rng))))
        assert cells[PERMUTED] <= 4 * n * n  # permutations tried: twins and leaves
        assert cells[REFINED] <= n**3  # refinements
    assert len(forms) == 1


def test_what_refinement_cannot_tell_apart_has_different_forms() -> None:
    """Pairs of regular graphs with the same colours everywhere."""
    assert form(cycles(6)) != form(cycles(3, 3))
    assert form(cycles(12)) != form(cycles(3, 3, 3, 3))
    assert form(ROOK) != form(SHRIKHANDE)
    prism = undirected(6, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)])
    bipartite = undirected(6, [(a, b) for a in range(3) for b in range(3, 6)])
    assert form(prism) != form(bipartite)


@pytest.mark.parametrize("sorts", [(5,), (6,), (3, 3), (2, 2, 2), (1, 4, 1), (9,), (4, 5)])
def test_random_graphs_have_one_form_under_any_names(sorts: tuple[int, ...]) -> None:
    n, rng = sum(sorts), random.Random(11)
    for density in (0.1, 0.3, 0.5, 0.9):
        for _ in range(60):
            graph = tuple(sum((rng.random() < density) << b for b in range(n)) for _ in range(n))
            one = form(graph, *sorts)
            assert form(renamed(graph, random_names(sorts, rng)), *sorts) == one
            assert form(one, *sorts) == one
            assert sorted(word.bit_count() for word in one) == sorted(word.bit_count() for word in graph)


@pytest.mark.parametrize("sorts", [(5,), (3, 3), (2, 1, 3)])
def test_random_graphs_share_a_form_only_within_an_orbit(sorts: tuple[int, ...]) -> None:
    n, rng = sum(sorts), random.Random(13)
    groups = [itertools.permutations(range(size)) for size in sorts]
    offsets = [0, *itertools.accumulate(sorts)]
    orders = [tuple(offsets[s] + i for s, part in enumerate(parts) for i in part) for parts in itertools.product(*groups)]
    for _ in range(60):
        graph = tuple(sum((rng.random() < 0.3) << b for b in range(n)) for _ in range(n))
        assert form(graph, *sorts) in {renamed(graph, names) for names in orders}


# -- with a key, and in the search -------------------------------------------------------------------------------------------


@cfunc(VOID2)
def byte_keys(row, keys):
    """Eight elements, a byte of the word each."""
    for e in range(8):
        put(keys, e, get(row, 0) >> np.uint64(8 * e) & np.uint64(255))
    return 0


@cfunc(VOID3)
def permute_bytes(row, perm, out):
    image = np.uint64(0)
    for e in range(8):
        to = (0 if e < 5 else 5) + load(perm, e)
        image |= (get(row, 0) >> np.uint64(8 * e) & np.uint64(255)) << np.uint64(8 * to)
    put(out, 0, image)
    return 0


def test_with_keys_the_form_is_sorted_within_each_sort() -> None:
    sort_bytes = Plan(1, (5, 3), 0, permute_bytes.address, byte_keys.address)
    rng = random.Random(17)
    for _ in range(200):
        data = [rng.choice((0, 1, 200, rng.randrange(256))) for _ in range(8)]
        row = np.array([int.from_bytes(bytes(data), "little")], np.uint64)
        got = list(int(sort_bytes(row)[0]).to_bytes(8, "little"))
        assert got == sorted(data[:5]) + sorted(data[5:])


def test_symmetry_without_its_functions_is_an_error() -> None:
    with pytest.raises(ValueError, match="permute"):
        Plan(1, (3,), refine.address, 0)
    with pytest.raises(ValueError, match="refine"):
        Plan(1, (3,), 0, permute.address)


@cfunc(SUCCESSORS)
def toggle_edge(source, out, cap, stats, event):
    """Graphs packed in a word: every edge appears or disappears."""
    bits = load(CELLS, NODES) ** 2
    for bit in range(bits):
        store(out, min(bit, cap), load(source, 0) ^ 1 << bit)
    if bits <= cap:
        store(stats, 0, load(stats, 0) + bits)
    return bits


@cfunc(SUCCESSORS)
def no_edges(source, out, cap, stats, event):
    store(out, 0, 0)
    return 1


@pytest.mark.parametrize(("n", "count"), [(3, 104), (4, 3044)])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_search_over_graphs_meets_every_orbit_once(threads: int, n: int, count: int) -> None:
    set_shape((n,), n)
    spec = toggle_edge.address, no_edges.address, 0, 0, 0, (n,), refine.address, permute.address
    kernel = Kernel(1, 1, *spec)
    search = Search(kernel, Limits(), threads)
    outcome = search.run()
    assert (outcome.distinct, outcome.transitions) == (count, count * n * n)
    assert outcome.depth == n * n
    for state in random.Random(19).sample(range(1 << n * n), 50):
        assert search.find(np.array([state], np.uint64)) is not None
