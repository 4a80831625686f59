"""The native search against systems whose state spaces are known: counts, events, limits, threads, paths.

The systems are C functions made by Numba: two-phase commit packed in one word, and a lattice of three words whose every
behaviour is set by dials. The same counts must come out whatever the threads, the buffers and the memory.
"""

import _thread
import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numba import cfunc

from checker.engines.native import partition
from checker.engines.native import search as native
from checker.engines.native.memory import get, load, put, store
from checker.engines.native.search import Kernel, Limits, Outcome, Search

SUCCESSORS = "int64(int64, int64, int64, int64, int64)"
CHECK = "int64(int64, int64, int64)"
TOUCHED = "int64(int64, int64)"
VOID3 = "int64(int64, int64, int64)"
VOID2 = "int64(int64, int64)"


def u64(*numbers: int) -> list[np.uint64]:
    return [np.uint64(n) for n in numbers]


# -- two-phase commit: resource managers (2 bits), manager (2), prepared set, votes, Commit, Abort ---------------------------

WORKING, PREPARED, COMMITTED, ABORTED = range(4)


@cache
def two_phase(n: int) -> dict[str, Any]:
    """The functions of two-phase commit with n resource managers."""
    manager, joined, votes, commit, abort = 2 * n, 2 * n + 2, 3 * n + 2, 4 * n + 2, 4 * n + 3
    everyone = (1 << n) - 1

    @cfunc(SUCCESSORS)
    def expand(source, out, cap, stats, event):
        state, k = load(source, 0), 0
        counts = np.zeros(7, np.int64)
        if state >> manager & 3 == 0:
            for r in range(n):
                if state >> (votes + r) & 1:
                    store(out, min(k, cap), state | 1 << (joined + r))
                    k += 1
                    counts[0] += 1
            if state >> joined & everyone == everyone:
                store(out, min(k, cap), state | 1 << manager | 1 << commit)
                k += 1
                counts[1] += 1
            store(out, min(k, cap), state | 2 << manager | 1 << abort)
            k += 1
            counts[2] += 1
        for r in range(n):
            rest = state & ~(3 << 2 * r)
            if state >> 2 * r & 3 == WORKING:
                store(out, min(k, cap), rest | PREPARED << 2 * r | 1 << (votes + r))
                store(out, min(k + 1, cap), rest | ABORTED << 2 * r)
                k += 2
                counts[3] += 1
                counts[4] += 1
            if state >> commit & 1:
                store(out, min(k, cap), rest | COMMITTED << 2 * r)
                k += 1
                counts[5] += 1
            if state >> abort & 1:
                store(out, min(k, cap), rest | ABORTED << 2 * r)
                k += 1
                counts[6] += 1
        if k <= cap:
            for a in range(7):
                store(stats, a, load(stats, a) + counts[a])
        return k

    @cfunc(SUCCESSORS)
    def initial(source, out, cap, stats, event):
        put(out, 0, np.uint64(0))
        put(out, min(1, cap), np.uint64(0))  # twice: repeated initial states are one
        return 2

    @cfunc(CHECK)
    def check(row, old, want):
        committed = aborted = 0
        for r in range(n):
            committed += load(row, 0) >> 2 * r & 3 == COMMITTED
            aborted += load(row, 0) >> 2 * r & 3 == ABORTED
        hits = int(committed > 0 and aborted > 0) | int(committed == n) << 1 | int(aborted > 0) << 2
        return hits & want

    @cfunc(VOID2)
    def key(row, keys):
        for r in range(n):
            state = load(row, 0)
            store(keys, r, state >> 2 * r & 3 | (state >> (joined + r) & 1) << 2 | (state >> (votes + r) & 1) << 3)
        return 0

    @cfunc(VOID3)
    def refine(row, colours, signs):
        for r in range(n):
            state = load(row, 0)
            role = state >> 2 * r & 3 | (state >> (joined + r) & 1) << 2 | (state >> (votes + r) & 1) << 3
            put(signs, r, np.uint64(role + 1) * np.uint64(0x9E3779B97F4A7C15))
        return 0

    @cfunc(VOID3)
    def permute(row, perm, out):
        state = load(row, 0)
        image = state & (3 << manager | 1 << commit | 1 << abort)
        for r in range(n):
            to = load(perm, r)
            image |= (state >> 2 * r & 3) << 2 * to
            image |= (state >> (joined + r) & 1) << (joined + to) | (state >> (votes + r) & 1) << (votes + to)
        store(out, 0, image)
        return 0

    return {f.__name__: f for f in (expand, initial, check, key, refine, permute)}


def two_phase_kernel(n: int, symmetry: str = "", **changes: Any) -> Kernel:
    spec = {name: function.address for name, function in two_phase(n).items()}
    sorts = (n,) if symmetry else ()
    key = spec["key"] if symmetry == "key" else 0
    fields = {"stop": 0, "watch": 0, "sorts": sorts, "refine": spec["refine"], "permute": spec["permute"], "key": key}
    return Kernel(1, 7, spec["expand"], spec["initial"], spec["check"], **{**fields, **changes})


# -- the lattice: three words, each counts up to a side; terminal in the corner ----------------------------------------------

DIALS = ("SIDE", "FAULT_SUM", "STEP_SUM", "BOUND", "COPIES", "FIRST", "FIRST_FAULT", "FIRST_CUT", "MAY_END")
SIDE, FAULT_SUM, STEP_SUM, BOUND, COPIES, FIRST, FIRST_FAULT, FIRST_CUT, MAY_END = range(len(DIALS))
OFF = -1
dials = np.zeros(len(DIALS), np.int64)
DIAL = int(dials.ctypes.data)


@cfunc(SUCCESSORS)
def lattice_expand(source, out, cap, stats, event):
    k, cut, steps, total = 0, 0, 0, load(source, 0) + load(source, 1) + load(source, 2)
    counts = np.zeros(3, np.int64)
    for axis in range(3):
        if load(source, axis) == load(DIAL, SIDE):
            continue
        if load(source, axis) == load(DIAL, BOUND):
            cut += 1
            continue
        if total == load(DIAL, STEP_SUM):
            steps |= 1 << axis
        for _ in range(load(DIAL, COPIES)):
            for other in range(3):
                store(out, min(k, cap) * 3 + other, load(source, other) + int(other == axis))
            k += 1
            counts[axis] += 1
    if k > cap:
        return k
    for axis in range(3):
        store(stats, axis, load(stats, axis) + counts[axis])
    store(event, 0, load(event, 0) + cut)
    store(event, 2, load(event, 2) | steps)
    if k == 0 and total == load(DIAL, MAY_END):
        store(event, 3, 1)
    if total == load(DIAL, FAULT_SUM):
        store(event, 1, 1 + load(source, 0))
        return 0
    return k


@cfunc(SUCCESSORS)
def lattice_initial(source, out, cap, stats, event):
    for k in range(load(DIAL, FIRST)):
        for axis in range(3):
            store(out, min(k, cap) * 3 + axis, k if axis == 0 else 0)
    store(event, 0, load(DIAL, FIRST_CUT))
    store(event, 1, load(DIAL, FIRST_FAULT))
    return load(DIAL, FIRST)


@cfunc(CHECK)
def lattice_check(row, old, want):
    """Bit 0: in the plane a+b+c = 4. Bit 1: c = 2. Bit 2: never. Bit 3: in the origin. Bit 61: a = 1."""
    a, c = get(row, 0), get(row, 2)
    hits = int(a + get(row, 1) + c == 4) | int(c == 2) << 1 | int(a + get(row, 1) + c == 0) << 3 | int(a == 1) << 61
    return hits & want


@cfunc(TOUCHED)
def lattice_touched(row, old):
    """The predicates that look at a coordinate in which two rows differ."""
    seen = np.array([1 | 8 | 1 << 61, 1 | 8, 1 | 2 | 8])
    hits = 0
    for axis in range(3):
        if get(row, axis) != get(old, axis):
            hits |= seen[axis]
    return hits


@contextmanager
def lattice(**settings: int) -> Iterator[Callable[..., Kernel]]:
    """A lattice of side 5 with some dials turned; gives a maker of kernels."""
    defaults = {"SIDE": 5, "FAULT_SUM": OFF, "STEP_SUM": OFF, "BOUND": OFF, "COPIES": 1, "FIRST": 1, "MAY_END": OFF}
    for name, value in {**dict.fromkeys(DIALS, 0), **defaults, **settings}.items():
        dials[DIALS.index(name)] = value
    functions = lattice_expand.address, lattice_initial.address, lattice_check.address
    yield lambda **changes: Kernel(3, 3, *functions, **{"stop": 0, "watch": 0, "check_deadlock": False, **changes})


def explore(kernel: Kernel, threads: int = 1, **limits: Any) -> Outcome:
    search = Search(kernel, Limits(**limits), threads)
    outcome = search.run()
    search.close()
    return outcome


def essence(outcome: Outcome) -> tuple[Any, ...]:
    """What must not depend on threads: all but ids, times and memory."""
    events = [(e.kind, e.which, e.depth) for e in outcome.events]
    witnesses = {bit: depth for bit, (_, depth) in outcome.witnesses.items()}
    counts = outcome.distinct, outcome.transitions, outcome.cut, outcome.depth, tuple(outcome.stats)
    return counts, outcome.exhausted, outcome.stopped_by, events, witnesses


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Numbers of threads, with levels dealt out however narrow they are, and rounds that end early."""
    monkeypatch.setattr(native, "WIDE", 2)
    monkeypatch.setattr(native, "ROUND", 1 << 10)
    return int(request.param)


# -- counts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "states", "transitions"), [(3, 288, 1145), (5, 8832, 58145), (7, 296448, 2744705)])
def test_two_phase_commit_has_the_known_number_of_states(threads: int, n: int, states: int, transitions: int) -> None:
    outcome = explore(two_phase_kernel(n), threads)
    assert (outcome.distinct, outcome.transitions, outcome.depth) == (states, transitions, 3 * n + 1)
    assert outcome.exhausted
    assert outcome.stopped_by is None
    assert int(outcome.stats.sum()) == transitions


@pytest.mark.parametrize("symmetry", ["key", "refine"])
@pytest.mark.parametrize(("n", "orbits"), [(3, 80), (5, 314), (7, 920)])
def test_two_phase_commit_has_the_known_number_of_orbits(threads: int, symmetry: str, n: int, orbits: int) -> None:
    outcome = explore(two_phase_kernel(n, symmetry), threads)
    assert outcome.distinct == orbits
    assert outcome.exhausted


def test_words_counts_and_levels_of_the_lattice(threads: int) -> None:
    with lattice() as kernel:
        search = Search(kernel(), Limits(), threads)
        outcome = search.run()
        assert (outcome.distinct, outcome.transitions, outcome.depth) == (6**3, 3 * 36 * 5, 15)
        sums = [sum(point) for point in itertools.product(range(6), repeat=3)]
        assert search.level_sizes == [sums.count(level) for level in range(16)]
        stored = np.concatenate([rows.copy() for rows in search.states()])
    assert sorted(map(tuple, stored.tolist())) == list(itertools.product(range(6), repeat=3))


def test_a_state_of_many_successors_gets_a_larger_buffer(threads: int) -> None:
    copies = 3 * partition.FIRST_CAP
    with lattice(COPIES=copies) as kernel:
        outcome = explore(kernel(), threads)
    assert (outcome.distinct, outcome.transitions) == (216, 540 * copies)
    assert outcome.stats.tolist() == [180 * copies] * 3


def test_more_initial_states_than_the_buffer_holds(threads: int) -> None:
    first = 2 * partition.FIRST_CAP + 7
    with lattice(SIDE=first, FIRST=first) as kernel:
        outcome = explore(kernel(), threads, max_depth=0)
    assert (outcome.distinct, outcome.transitions, outcome.stopped_by) == (first, 0, "depth")


def test_no_initial_state_is_an_explored_space() -> None:
    with lattice(FIRST=0) as kernel:
        outcome = explore(kernel())
    assert (outcome.distinct, outcome.depth, outcome.exhausted, outcome.stopped_by) == (0, 0, True, None)


def test_what_a_bound_cuts_is_counted_and_is_no_deadlock(threads: int) -> None:
    with lattice(BOUND=2, FIRST_CUT=7) as kernel:
        outcome = explore(kernel(check_deadlock=True), threads)
    assert outcome.distinct == 27
    assert (outcome.cut, outcome.transitions) == (27 + 7, 54 + 27)
    assert outcome.events == []
    assert outcome.exhausted


def test_tables_grow_from_almost_nothing(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(partition, "FIRST_BITS", 1)
    monkeypatch.setattr(partition, "HELD_ENTRIES", 0)
    assert explore(two_phase_kernel(5), threads).distinct == 8832


def test_without_reserved_memory_arrays_are_copied(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("checker.engines.native.memory._reserve", lambda size, huge_pages: None)
    search = Search(two_phase_kernel(7), Limits(), threads)
    assert search.run().distinct == 296448
    assert search.find(np.zeros(1, np.uint64)) is not None


# -- events ----------------------------------------------------------------------------------------------------------------


def test_a_stopping_predicate_ends_the_search_after_its_level(threads: int) -> None:
    with lattice() as kernel:
        search = Search(kernel(stop=1, watch=2), Limits(), threads)
        outcome = search.run()
    assert outcome.stopped_by == "event"
    assert not outcome.exhausted
    assert [(e.kind, e.which, e.depth) for e in outcome.events] == [("predicate", 0, 4)]
    assert (outcome.distinct, outcome.transitions, outcome.depth) == (35, 60, 4)
    assert search.path(outcome.events[0].state_id)[-1].tolist() == [0, 0, 4]  # the least row of its level
    assert search.path(outcome.witnesses[1][0]).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]


def test_high_bits_and_several_predicates_at_once(threads: int) -> None:
    with lattice() as kernel:
        outcome = explore(kernel(stop=1 << 61, watch=2 | 4 | 8), threads)
    assert [(e.which, e.depth) for e in outcome.events] == [(61, 1)]
    assert {bit: depth for bit, (_, depth) in outcome.witnesses.items()} == {3: 0}


@pytest.mark.parametrize("stop", [0, 1, 2, 8, 1 << 61])
def test_only_predicates_that_a_step_has_touched_are_asked_again(threads: int, stop: int) -> None:
    watch = (1 | 2 | 4 | 8 | 1 << 61) & ~stop
    with lattice() as kernel:
        all_asked, some_asked = (
            explore(kernel(stop=stop, watch=watch, touched=touched), threads) for touched in (0, lattice_touched.address)
        )
    assert essence(some_asked) == essence(all_asked)


def test_an_initial_state_that_hits_a_stopping_predicate_is_not_expanded(threads: int) -> None:
    with lattice() as kernel:
        outcome = explore(kernel(stop=8), threads)
    assert (outcome.distinct, outcome.transitions, outcome.depth) == (1, 0, 0)
    assert [(e.kind, e.which, e.depth) for e in outcome.events] == [("predicate", 3, 0)]


def test_a_deadlock_is_found_at_its_depth(threads: int) -> None:
    with lattice() as kernel:
        search = Search(kernel(check_deadlock=True), Limits(), threads)
        outcome = search.run()
    assert [(e.kind, e.which, e.depth) for e in outcome.events] == [("deadlock", 0, 15)]
    assert search.path(outcome.events[0].state_id)[-1].tolist() == [5, 5, 5]
    assert outcome.exhausted  # nothing was left to expand


def test_a_state_that_may_end_is_no_deadlock(threads: int) -> None:
    with lattice(MAY_END=15) as kernel:
        outcome = explore(kernel(check_deadlock=True), threads)
    assert (outcome.events, outcome.distinct, outcome.stopped_by) == ([], 216, None)


def test_every_fault_site_has_its_least_state(threads: int) -> None:
    with lattice(FAULT_SUM=3) as kernel:
        search = Search(kernel(check_deadlock=True), Limits(), threads)
        outcome = search.run()
    found = {(e.kind, e.which, e.depth): search.path(e.state_id)[-1].tolist() for e in outcome.events}
    assert found == {("fault", a, 3): [a, 0, 3 - a] for a in range(4)}
    assert (outcome.stopped_by, outcome.distinct) == ("event", 20)


def test_a_fault_in_the_initial_states_has_no_state() -> None:
    with lattice(FIRST_FAULT=9) as kernel:
        outcome = explore(kernel())
    assert [(e.kind, e.which, e.state_id, e.depth) for e in outcome.events] == [("fault", 8, -1, 0)]
    assert (outcome.distinct, outcome.transitions) == (1, 0)


def test_a_violated_step_property_names_the_source(threads: int) -> None:
    with lattice(STEP_SUM=6) as kernel:
        search = Search(kernel(), Limits(), threads)
        outcome = search.run()
    found = {(e.kind, e.which, e.depth): search.path(e.state_id)[-1].tolist() for e in outcome.events}
    assert found == {("step", 0, 6): [0, 1, 5], ("step", 1, 6): [0, 1, 5], ("step", 2, 6): [0, 2, 4]}
    assert outcome.depth == 7


# -- limits ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 100, 8831])
def test_max_states_is_exact(threads: int, most: int) -> None:
    outcome = explore(two_phase_kernel(5), threads, max_states=most)
    assert (outcome.distinct, outcome.stopped_by, outcome.exhausted) == (most, "states", False)


def test_as_many_states_as_allowed_is_all(threads: int) -> None:
    outcome = explore(two_phase_kernel(5), threads, max_states=8832)
    assert (outcome.distinct, outcome.stopped_by, outcome.exhausted) == (8832, None, True)


@pytest.mark.parametrize(("most", "states"), [(0, 1), (3, 20), (15, 216)])
def test_max_depth_leaves_its_level_unexpanded(threads: int, most: int, states: int) -> None:
    with lattice() as kernel:
        outcome = explore(kernel(), threads, max_depth=most)
    assert (outcome.distinct, outcome.depth, outcome.stopped_by) == (states, most, "depth")


def test_a_depth_that_is_never_reached_is_no_limit(threads: int) -> None:
    with lattice() as kernel:
        outcome = explore(kernel(), threads, max_depth=16)
    assert (outcome.distinct, outcome.depth, outcome.stopped_by, outcome.exhausted) == (216, 15, None, True)


def test_memory_ends_the_search_within_its_limit(threads: int) -> None:
    limit = 6_000_000 * threads
    outcome = explore(two_phase_kernel(9), threads, max_memory=limit)
    assert outcome.stopped_by == "memory"
    assert not outcome.exhausted
    assert outcome.peak_memory_bytes <= limit
    assert outcome.distinct * 12 > limit / 6  # it made use of what it had
    assert outcome.distinct > 10_000


def test_too_little_memory_for_anything_is_no_crash() -> None:
    outcome = explore(two_phase_kernel(5), max_memory=1000)
    assert (outcome.distinct, outcome.stopped_by) == (0, "memory")


def test_a_state_whose_successors_do_not_fit_the_memory_ends_the_search() -> None:
    with lattice(COPIES=1_000_000) as kernel:
        outcome = explore(kernel(), max_memory=4_000_000)
    assert (outcome.distinct, outcome.transitions, outcome.stopped_by) == (1, 0, "memory")


def test_the_supply_of_state_numbers_is_a_memory_limit(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(partition, "MAX_IDS", 20_000)
    outcome = explore(two_phase_kernel(7), threads)
    assert outcome.stopped_by == "memory"
    assert 0 < outcome.distinct <= 20_000


def test_time_ends_the_search(threads: int) -> None:
    outcome = explore(two_phase_kernel(9), threads, time_limit=0.05)
    assert (outcome.stopped_by, outcome.exhausted) == ("time", False)
    assert outcome.transitions > 0


def test_ctrl_c_ends_the_search_and_the_counts_stay_true(threads: int) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it would be ignored
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.start()
    search = Search(two_phase_kernel(9), Limits(), threads)
    outcome = search.run()
    timer.join()
    signal.signal(signal.SIGINT, before)
    assert (outcome.stopped_by, outcome.exhausted) == ("interrupt", False)
    stored = np.concatenate([rows[:, 0].copy() for rows in search.states()])
    assert len(np.unique(stored)) == len(stored) == outcome.distinct == sum(search.level_sizes)


def test_an_interrupted_level_still_shows_what_it_found() -> None:
    kernel = two_phase_kernel(7, stop=0b100)
    assert explore(kernel, max_states=3).events == []
    assert [e.depth for e in explore(kernel, max_states=14).events] == [1]


# -- questions -------------------------------------------------------------------------------------------------------------


def successors(kernel: Kernel, row: Any) -> set[int]:
    """By the spec itself."""
    source, out = np.array(row, np.uint64), np.zeros(200, np.uint64)
    stats, event = np.zeros(8, np.int64), np.zeros(4, np.int64)
    expand = two_phase(5)["expand"].ctypes
    n = expand(source.ctypes.data, out.ctypes.data, 199, stats.ctypes.data, event.ctypes.data)
    return {int(word) for word in out[:n]}


def test_every_path_is_a_shortest_behaviour(threads: int) -> None:
    kernel = two_phase_kernel(5)
    search = Search(kernel, Limits(), threads)
    search.run()
    levels = search.level_sizes
    lengths = np.zeros(len(levels), int)
    rng = np.random.default_rng(1)
    for rows in search.states():
        for row in rows[rng.integers(0, len(rows), 300)]:
            state_id = search.find(row)
            assert state_id is not None
            path = search.path(state_id)
            assert path[0].tolist() == [0]
            assert path[-1].tolist() == row.tolist()
            for a, b in itertools.pairwise(path):
                assert int(b[0]) in successors(kernel, a)
    for rows in search.states():
        for row in rows:
            lengths[len(search.path(search.find(row))) - 1] += 1
    assert lengths.tolist() == levels


def test_find_knows_what_was_reached(threads: int) -> None:
    search = Search(two_phase_kernel(5), Limits(), threads)
    search.run()
    for rows in search.states():
        ids = [search.find(row) for row in rows[::97]]
        assert [search.path(i)[-1].tolist() for i in ids if i is not None] == rows[::97].tolist()
    assert search.find(np.array([1 << 60], np.uint64)) is None


def test_find_takes_any_member_of_an_orbit() -> None:
    search = Search(two_phase_kernel(5, "refine"), Limits(), 1)
    search.run()
    one_aborted = [np.array([ABORTED << 2 * r], np.uint64) for r in range(5)]
    assert len({search.find(row) for row in one_aborted}) == 1
    assert search.find(one_aborted[0]) is not None


def test_sweep_asks_all_states(threads: int) -> None:
    search = Search(two_phase_kernel(5), Limits(), threads)
    search.run()
    check = two_phase(5)["check"].address
    assert search.sweep(check, 0b111) == 0b110  # never both committed and aborted
    assert search.sweep(check, 0b001) == 0
    assert search.sweep(check, 0b010) == 0b010


def test_progress_is_reported_from_the_calling_thread(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(native, "PROGRESS_SECONDS", 0.0)
    seen: list[native.Progress] = []
    callers = set()

    def progress(now: native.Progress) -> None:
        seen.append(now)
        callers.add(threading.get_ident())

    outcome = Search(two_phase_kernel(7), Limits(), threads, progress).run()
    assert callers == {threading.get_ident()}
    assert [p.distinct for p in seen] == sorted(p.distinct for p in seen)
    assert 0 < seen[-1].distinct <= outcome.distinct
    assert all(p.transitions <= outcome.transitions and p.depth <= outcome.depth for p in seen)


def test_better_functions_take_over_once(threads: int) -> None:
    kernel, calls = two_phase_kernel(7, watch=6), list[dict[str, int]]()

    def better() -> dict[str, int]:
        calls.append({"expand": kernel.expand, "check": kernel.check, "touched": 0})
        return calls[-1]

    lame = replace(kernel, check=0)  # where nothing is watched yet, it is not called
    search = Search(replace(lame, watch=0), Limits(), threads, better=(0.0, better))
    search._slice = 300
    outcome = search.run()
    assert len(calls) == 1
    assert (search.kernel.check, search.kernel.expand) == (kernel.check, kernel.expand)
    assert essence(outcome) == essence(explore(two_phase_kernel(7), threads))


@pytest.mark.parametrize("run", range(2))
def test_a_search_is_the_same_every_time(run: int, threads: int) -> None:
    """Even the ids are, for the same number of threads: rounds do not depend on the clock."""
    first, second = (Search(two_phase_kernel(7, watch=6), Limits(), threads) for _ in range(2))
    second._slice = 300
    a, b = first.run(), second.run()
    assert essence(a) == essence(b)
    assert a.witnesses == b.witnesses
    for rows, others in zip(first.states(), second.states(), strict=True):
        assert np.array_equal(rows, others)


def test_threads_agree_on_everything_but_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "WIDE", 2)
    cases: list[tuple[dict[str, int], dict[str, Any], dict[str, Any]]] = [
        ({}, {"stop": 1, "watch": 2}, {}),
        ({"FAULT_SUM": 7, "STEP_SUM": 7}, {}, {}),
        ({"BOUND": 3}, {"check_deadlock": True, "watch": 14}, {}),
        ({}, {"check_deadlock": True}, {"max_depth": 9}),
    ]
    for settings, changes, limits in cases:
        with lattice(**settings) as kernel:
            results = []
            for count in (1, 2, 3, 4):
                search = Search(kernel(**changes), Limits(**limits), count)
                outcome = search.run()
                rows = [search.path(e.state_id)[-1].tolist() for e in outcome.events]
                rows += [search.path(i)[-1].tolist() for i, _ in outcome.witnesses.values()]
                results.append((essence(outcome), rows))
            assert all(result == results[0] for result in results)


def test_no_threads_is_an_error() -> None:
    with pytest.raises(ValueError, match="thread"):
        Search(two_phase_kernel(3), Limits(), 0)
