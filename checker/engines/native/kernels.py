"""The hot loops of the native search, over one partition of the state space.

Every kernel takes one array of 64-bit fields, `p`: addresses, sizes and counters of a partition. What the fields are is the
table below; nothing else passes between Python and here. The loops neither print nor call back, and return to Python when
their budget is spent or they need something (more room, a larger buffer, the end of a level).

A state is a row of `WORDS` words. States live in breadth-first order in `ARENA`, which is the queue, the set's storage and
the graph at once; `PARENTS` holds a global number per state (local number * PARTS + partition); `TABLE` maps a row to its
local number by open addressing, an entry being (upper half of the hash | number + 1). Entries sit in groups of eight, filled
from the front, which one vector instruction compares; a full group overflows into the next one. The *upper* bits of the hash
choose the group, so that a table doubles in one sweep, in place, without a look at the arena.
Invariant: a row is in the arena exactly once, and the table finds it; equal tags never count, only equal words.
"""

import numpy as np
from numba import njit

from .memory import (
    call2,
    call3,
    call5,
    copy2,
    copy4,
    fold,
    get,
    get32,
    load,
    lowest,
    prefetch,
    put,
    put32,
    store,
    tagged,
    unlike2,
    unlike4,
    vacant,
)

# fmt: off
FIELDS = (
    # the spec
    "WORDS", "EXPAND", "CHECK", "TOUCHED", "CANON", "PLAN", "WANT", "DEADLOCK",
    # this partition, of how many
    "ME", "PARTS",
    # storage: addresses (the arenas of all partitions, too), log2 of the groups, how many groups from home an entry is at most,
    # rows held, room for, allowed, "one too many"
    "ARENA", "ARENAS", "PARENTS", "TABLE", "BITS", "FAR", "COUNT", "ROOM", "QUOTA", "FULL",
    # the level: next row to expand, first row of the next level, number, greatest number to expand, ends of past levels
    "SOURCE", "END", "DEPTH", "LAST", "ENDS", "ENDED",
    # buffers: successors of one source and how many fit, how many were needed; the batch; lanes to all partitions
    "OUT", "CAP", "NEED", "HASHES", "RECENT", "RECENT_RAW", "LANES", "LANE_ROOM", "CURSOR",
    # results: per action, (cut, fault, steps, may end) of one call, best state + 1 per event, "something was noted", total
    "STATS", "EVENT", "BEST", "NOTED", "TRANSITIONS", "BUDGET",
)
(
    WORDS, EXPAND, CHECK, TOUCHED, CANON, PLAN, WANT, DEADLOCK, ME, PARTS,
    ARENA, ARENAS, PARENTS, TABLE, BITS, FAR, COUNT, ROOM, QUOTA, FULL,
    SOURCE, END, DEPTH, LAST, ENDS, ENDED,
    OUT, CAP, NEED, HASHES, RECENT, RECENT_RAW, LANES, LANE_ROOM, CURSOR,
    STATS, EVENT, BEST, NOTED, TRANSITIONS, BUDGET,
) = range(len(FIELDS))

# why a kernel returned
GOING, SLICE, LEVEL, GROW, ENLARGE, ROUTE, STATES = range(7)
# fmt: on

BATCH = 512  # successors gathered before they are looked up: long enough to hide a cache miss, short enough for L1
WORK = 4096  # successors and sources a batch may take, news or not
RECENT_ROWS = 1 << 13  # successors remembered: most come again soon
RECENT_MASK = RECENT_ROWS - 1
MAX_ENDS = 1024  # levels a kernel may finish on its own
NO_PARENT = 0xFFFFFFFF
LANE = 3  # words of a lane: address of rows, address of parents, rows in it

# usual numbers of words, for which the innermost loop is compiled apart (typed, lest Numba compile per literal, not LLVM)
W1, W2, W3, W4, W6, W8 = (np.int64(n) for n in (1, 2, 3, 4, 6, 8))

# places in BEST
PREDICATES, STEPS, DEADLOCKS, FAULTS = (np.int64(n) for n in (0, 64, 128, 129))
MAX_FAULTS = 1 << 20  # sites

HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(0xFFFFFFFF00000000)
SEED = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
TAGGED = np.uint64(1 << 32)
EMPTY = np.uint64(0)
GROUP = 8  # entries looked at together: a cache line
GROUP_BYTES = 64

# Kernels have a signature, so that each is compiled, or loaded from the cache, once; their parts are compiled with them.
_kernel = {"cache": True, "nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
_part = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
_helper = {"forceinline": True, **_part}


# -- rows ------------------------------------------------------------------------------------------------------------------


@njit(**_helper)
def scatter(word):
    """A permutation of 64-bit words that spreads every bit over all (multiply, shift, xor)."""
    word = (word ^ (word >> HALF)) * MULTIPLIER
    word = (word ^ (word >> HALF)) * MULTIPLIER
    return word ^ (word >> HALF)


@njit(**_helper)
def digest(row, words):
    """The hash of a row; its upper half, the tag, is never 0."""
    mixed = SEED
    for i in range(0, words - 1, 2):
        mixed = fold(get(row, i) ^ MULTIPLIER, get(row, i + 1) ^ mixed)
    if words & 1:
        mixed ^= get(row, words - 1)
    return scatter(mixed) | TAGGED


@njit(**_helper)
def owner(mixed, parts):
    """The partition of a hash, by its lower half: independent of the slot, which the upper half chooses."""
    return np.int64(((mixed & LOW) * np.uint64(parts)) >> HALF)


@njit(**_helper)
def unlike(a, b, words):
    """0 if two rows are equal."""
    different, i = np.int64(0), 0
    while i + 4 <= words:
        different |= unlike4(a + 8 * i, b + 8 * i)
        i += 4
    if words & 2:
        different |= unlike2(a + 8 * i, b + 8 * i)
        i += 2
    if words & 1:
        different |= np.int64(get(a, i) != get(b, i))
    return different


@njit(**_helper)
def copy(source, target, words):
    i = 0
    while i + 4 <= words:
        copy4(source + 8 * i, target + 8 * i)
        i += 4
    if words & 2:
        copy2(source + 8 * i, target + 8 * i)
        i += 2
    if words & 1:
        put(target, i, get(source, i))


@njit(**_helper)
def less(a, b, words):
    for i in range(words):
        if get(a, i) != get(b, i):
            return get(a, i) < get(b, i)
    return False


# -- events ----------------------------------------------------------------------------------------------------------------


@njit(**_helper)
def note(p, place, state):
    """Keep the least row for this event: the same one, whatever order the level was met in."""
    words, arena, best = p[WORDS], p[ARENA], p[BEST]
    kept = load(best, place) - 1
    if kept < 0 or less(arena + 8 * words * state, arena + 8 * words * kept, words):
        store(best, place, state + 1)
    p[NOTED] = 1


@njit(**_helper)
def note_bits(p, place, bits, state):
    while bits:
        if bits & 1:
            note(p, place, state)
        bits >>= 1
        place += 1


@njit(**_part)
def note_expansion(p, source, successors, cut):
    """What one expansion reported: steps, a fault, or nothing at all where it may not end (a deadlock)."""
    event = p[EVENT]
    fault = load(event, 1)
    note_bits(p, STEPS, load(event, 2), source)
    if fault:
        note(p, FAULTS + (fault - 1 if fault <= MAX_FAULTS else MAX_FAULTS - 1), source)
    elif successors == 0 and cut == 0 and load(event, 3) == 0 and p[DEADLOCK]:
        note(p, DEADLOCKS, source)


# -- the set ---------------------------------------------------------------------------------------------------------------


@njit(**_helper)
def group_of(mixed, bits):
    """Offset in the table of the group where a search for this hash begins; the table has 2**bits groups."""
    return np.int64(mixed >> np.uint64(64 - bits)) * GROUP_BYTES


@njit(**_helper)
def before(p, parent):
    """The row that a new one was made of, in which nothing that is wanted was true: else it would not have been expanded.
    0 if there is none, or if it does not show what the step has changed."""
    if p[TOUCHED] == 0 or parent == NO_PARENT:
        return np.int64(0)
    arena = load(p[ARENAS], np.int64(parent) % p[PARTS])
    return arena + np.int64(parent) // p[PARTS] * 8 * p[WORDS] if arena else np.int64(0)


@njit(**_part)
def settle(p, rows, parents, n):
    """Insert the `n` rows whose hashes are in HASHES and whose groups are on their way into the cache."""
    words, arena, table, count = p[WORDS], p[ARENA], p[TABLE], p[COUNT]
    hashes, quota, first, bits = p[HASHES], p[QUOTA], p[COUNT], p[BITS]
    width, mask, farthest = 8 * words, (GROUP_BYTES << bits) - 1, p[FAR]
    for j in range(n):  # a row that bears the tag comes into the cache
        mixed = get(hashes, j)
        group = table + group_of(mixed, bits)
        entry = get(group, lowest(tagged(group, mixed)) & 7)
        prefetch(arena + (np.int64(entry & LOW) - 1) * width)
    for j in range(n):
        mixed, row = get(hashes, j), rows + j * width
        offset, known, away = group_of(mixed, bits), False, 0
        while True:
            alike = tagged(table + offset, mixed)
            while alike and not known:
                entry = get(table + offset, lowest(alike))
                known = not unlike(arena + (np.int64(entry & LOW) - 1) * width, row, words)
                alike &= alike - 1
            free = 0 if known else vacant(table + offset)
            if known or free:
                break
            offset = (offset + GROUP_BYTES) & mask
            away += 1
        if known:
            continue
        if count == quota:
            p[FULL] = 1
            continue
        copy(row, arena + count * width, words)
        put32(p[PARENTS], count, get32(parents, j))
        count += 1
        put(table + offset, lowest(free), (mixed & HIGH) | np.uint64(count))
        farthest = away if away > farthest else farthest
    p[COUNT], p[FAR] = count, farthest
    if p[WANT]:
        for state in range(first, count):
            row = arena + state * width
            old = before(p, get32(p[PARENTS], state))
            want = p[WANT] & call2(p[TOUCHED], row, old) if old else p[WANT]
            hits = call3(p[CHECK], row, old, want) if want else 0
            if hits:
                note_bits(p, PREDICATES, hits, state)


@njit(**_part)
def place(table, bits, entry):
    """Enter what is known to be new; returns how many groups from home."""
    offset, mask, away = group_of(entry, bits), (GROUP_BYTES << bits) - 1, 0
    free = vacant(table + offset)
    while free == 0:
        offset = (offset + GROUP_BYTES) & mask
        free = vacant(table + offset)
        away += 1
    put(table + offset, lowest(free), entry)
    return away


@njit(**_helper)
def fill_of(group):
    """Entries in the group at this address."""
    return lowest(vacant(group) | 1 << GROUP)


@njit(**_part)
def split_group(table, bits, group):
    """Move the entries of a group of the old table to the two groups of the new one, which has 2**bits; returns how many groups
    from home one came to be at most."""
    farthest = 0
    old, even = table + group * GROUP_BYTES, table + 2 * group * GROUP_BYTES
    in_even, in_odd = fill_of(even), fill_of(even + GROUP_BYTES)
    for i in range(GROUP):
        entry = get(old, i)
        if entry == 0:
            break
        put(old, i, EMPTY)
        odd = np.int64(entry >> np.uint64(64 - bits)) - 2 * group
        fill = in_even + (in_odd - in_even) * (odd & 1)  # no branch: nobody could foresee it
        if odd < 0 or odd > 1 or fill == GROUP:  # it had overflowed into this group, or must overflow into the next
            away = place(table, bits, entry)
            farthest = away if away > farthest else farthest
            in_even, in_odd = fill_of(even), fill_of(even + GROUP_BYTES)
        else:
            put(even + odd * GROUP_BYTES, fill, entry)
            in_odd += odd
            in_even += 1 - odd
    return farthest


@njit("int64(int64[::1], int64, int64)", **_kernel)
def widen(p, held, room):
    """Double the table in place, from its end: an entry of group g moves to about 2g, where only moved entries are.

    That fails near the beginning alone, for g < 2 * (the farthest an entry is from home), and for entries that wrapped
    around: these are taken out first, to `held`, and entered last. Returns 0, or how many words `held` must have room for.
    """
    table, bits = p[TABLE], p[BITS]
    groups, far, farthest = 1 << bits, p[FAR], 0
    low = 2 * far + 2 if 2 * far + 2 < groups else groups
    if low * GROUP > room:
        return low * GROUP
    for slot in range(low * GROUP):
        put(held, slot, get(table, slot))
        put(table, slot, EMPTY)
    for group in range(groups - 1, low - 1, -1):
        away = split_group(table, bits + 1, group)
        farthest = away if away > farthest else farthest
    for slot in range(low * GROUP):
        if get(held, slot):
            away = place(table, bits + 1, get(held, slot))
            farthest = away if away > farthest else farthest
    p[BITS], p[FAR] = bits + 1, farthest
    return 0


@njit("int64(int64[::1], int64)", **_kernel)
def lookup(p, row):
    """The local number of a row, or -1."""
    words, mixed, mask = p[WORDS], digest(row, p[WORDS]), (GROUP_BYTES << p[BITS]) - 1
    offset = group_of(mixed, p[BITS])
    while True:
        alike = tagged(p[TABLE] + offset, mixed)
        while alike:
            state = np.int64(get(p[TABLE] + offset, lowest(alike)) & LOW) - 1
            if not unlike(p[ARENA] + 8 * words * state, row, words):
                return state
            alike &= alike - 1
        if vacant(p[TABLE] + offset):
            return -1
        offset = (offset + GROUP_BYTES) & mask


@njit("int64(int64[::1], int64, int64, int64, int64)", **_kernel)
def sweep(p, check, want, first, last):
    """Union of what `check` hits in the states first..last-1; ends early when all wanted bits are hit."""
    hit = 0
    for state in range(first, last):
        hit |= call3(check, p[ARENA] + 8 * p[WORDS] * state, 0, want & ~hit)
        if hit & want == want:
            break
    return hit


# -- the search ------------------------------------------------------------------------------------------------------------


@njit(**_helper)
def is_news(recent, row, mixed, words):
    """1 unless the row is one met a moment ago: `recent` remembers one per place."""
    place = recent + (np.int64(mixed) & RECENT_MASK) * 8 * words
    news = np.int64(unlike(row, place, words) != 0)
    copy(row, place, words)
    return news


@njit(**_part)
def canonise(p, n):
    """Replace the rows in OUT by canonical ones, without those that are no news; returns how many are left."""
    words, out, kept = p[WORDS], p[OUT], 0
    for k in range(n):
        row = out + k * 8 * words
        if is_news(p[RECENT_RAW], row, digest(row, words), words):
            call3(p[CANON], row, out + kept * 8 * words, p[PLAN])
            kept += 1
    return kept


@njit(**_helper)
def stow(p, parent, n, fill, words):
    """Add the `n` rows in OUT to the batch; the next row overwrites one that is no news (a branch would cost more)."""
    out, hashes, table, bits, recent = p[OUT], p[HASHES], p[TABLE], p[BITS], p[RECENT]
    own, alone = p[LANES] + 8 * LANE * p[ME], np.int64(p[PARTS] == 1)
    rows, parents = load(own, 0), load(own, 1)
    for k in range(n):
        row = out + k * 8 * words
        mixed = digest(row, words)
        news = is_news(recent, row, mixed, words)
        copy(row, rows + fill * 8 * words, words)
        put(hashes, fill, mixed)
        put32(parents, fill, parent)
        prefetch(table + (group_of(mixed, bits) & -alone))
        fill += news
    return fill


@njit(**_helper)
def gather(p, source_row, parent, n, fill):
    """Add the `n` successors in OUT to the batch, which has `fill` rows; returns how many it has then.

    The source is remembered first, so that a step that changes nothing is no news.
    """
    mixed = digest(source_row, p[WORDS])
    is_news(p[RECENT], source_row, mixed, p[WORDS])
    if p[CANON]:
        is_news(p[RECENT_RAW], source_row, mixed, p[WORDS])
        n = canonise(p, n)
    if p[WORDS] == 1:
        return stow(p, parent, n, fill, W1)
    if p[WORDS] == 2:
        return stow(p, parent, n, fill, W2)
    if p[WORDS] == 3:
        return stow(p, parent, n, fill, W3)
    if p[WORDS] == 4:
        return stow(p, parent, n, fill, W4)
    if p[WORDS] == 6:
        return stow(p, parent, n, fill, W6)
    if p[WORDS] == 8:
        return stow(p, parent, n, fill, W8)
    return stow(p, parent, n, fill, p[WORDS])


@njit(**_part)
def route(p, n):
    """Move the `n` rows of the batch into the lanes to their owners; the own ones, moved up, are the batch that is left."""
    words, hashes, lanes, parts, me = p[WORDS], p[HASHES], p[LANES], p[PARTS], p[ME]
    own = lanes + 8 * LANE * me
    rows, parents = load(own, 0), load(own, 1)
    for j in range(n):
        mixed = get(hashes, j)
        target = owner(mixed, parts)
        lane, mine = lanes + 8 * LANE * target, np.int64(target == me)
        fill = load(lane, 2)
        put(hashes, load(own, 2), mixed)
        copy(rows + j * 8 * words, load(lane, 0) + 8 * words * fill, words)
        put32(load(lane, 1), fill, get32(parents, j))
        store(lane, 2, fill + 1)
        prefetch(p[TABLE] + (group_of(mixed, p[BITS]) & -mine))
    fill = load(own, 2)
    store(own, 2, 0)
    return fill


@njit(**_part)
def advance(p):
    """At the end of a level: go on to the next one if that needs nobody's attention."""
    if p[PARTS] > 1 or p[NOTED] or p[COUNT] == p[END] or p[DEPTH] == p[LAST] or p[ENDED] == MAX_ENDS:
        return LEVEL
    store(p[ENDS], p[ENDED], p[COUNT])
    p[ENDED] += 1
    p[DEPTH] += 1
    p[END] = p[COUNT]
    return GOING


@njit(**_part)
def crowded(p):
    """Is there a lane to another partition that a batch might overflow?"""
    fullest = 0
    for part in range(p[PARTS]):
        fill = load(p[LANES], LANE * part + 2)
        if part != p[ME] and fill > fullest:
            fullest = fill
    return fullest + BATCH + p[CAP] > p[LANE_ROOM]


@njit("int64(int64[::1])", **_kernel)
def explore(p):
    """Expand sources of this partition, insert the successors it owns, route the others. Returns why it stopped."""
    width, cap, event, me, parts = 8 * p[WORDS], p[CAP], p[EVENT], p[ME], p[PARTS]
    expand, out, stats = p[EXPAND], p[OUT], p[STATS]
    own = p[LANES] + 8 * LANE * me
    rows, parents = load(own, 0), load(own, 1)
    source, budget, status = p[SOURCE], p[BUDGET], GOING
    while status == GOING:
        if source == p[END]:
            status = advance(p)
            continue
        if budget <= 0:
            status = SLICE
        elif p[COUNT] + BATCH + cap > p[ROOM]:
            status = GROW
        elif parts > 1 and crowded(p):
            status = ROUTE
        if status != GOING:
            break
        fill, end, transitions, work = np.int64(0), p[END], 0, 0
        while source < end and fill < BATCH and work < WORK:
            row = p[ARENA] + source * width
            cut = load(event, 0)
            store(event, 1, 0)
            store(event, 2, 0)
            store(event, 3, 0)
            n = call5(expand, row, out, cap, stats, event)
            if n > cap:
                p[NEED] = n
                status = ENLARGE
                break
            cut = load(event, 0) - cut
            transitions += n + cut
            work += n + 1
            if n == 0 or (load(event, 1) | load(event, 2)) != 0:
                note_expansion(p, source, n, cut)
            fill = gather(p, row, source * parts + me, n, fill)
            source += 1
        if parts > 1:
            fill = route(p, fill)
        settle(p, rows, parents, fill)
        budget -= work
        p[TRANSITIONS] += transitions
        if p[FULL]:
            status = STATES
    p[SOURCE], p[BUDGET] = source, budget
    return status


@njit("int64(int64[::1], int64)", **_kernel)
def absorb(p, lane):
    """Insert the rows of a lane that leads here, from CURSOR on; the lane is empty when this returns GOING."""
    words, hashes, table = p[WORDS], p[HASHES], p[TABLE]
    width, bits, fill = 8 * words, p[BITS], load(lane, 2)
    while p[CURSOR] < fill:
        if p[COUNT] + BATCH > p[ROOM]:
            return GROW
        n = fill - p[CURSOR] if fill - p[CURSOR] < BATCH else BATCH
        rows = load(lane, 0) + p[CURSOR] * width
        for j in range(n):
            mixed = digest(rows + j * width, words)
            put(hashes, j, mixed)
            prefetch(table + group_of(mixed, bits))
        settle(p, rows, load(lane, 1) + 4 * p[CURSOR], n)
        p[CURSOR] += n
        if p[FULL]:
            return STATES
    store(lane, 2, 0)
    p[CURSOR] = 0
    return GOING


@njit("int64(int64[::1], int64, int64, int64[::1], int64)", **_kernel)
def deal(p, first, last, dealt, names):
    """Route the states first..last-1 of a lone partition to `len(dealt)` new ones, in order, parents renamed.

    `dealt` counts the states each new one has, `names` is the address of the new number of every old state.
    Returns how far it came before a lane was full.
    """
    words, parts = p[WORDS], len(dealt)
    for state in range(first, last):
        row = p[ARENA] + 8 * words * state
        target = owner(digest(row, words), parts)
        lane = p[LANES] + 8 * LANE * target
        fill = load(lane, 2)
        if fill == p[LANE_ROOM]:
            return state
        parent = get32(p[PARENTS], state)
        copy(row, load(lane, 0) + 8 * words * fill, words)
        put32(load(lane, 1), fill, parent if parent == NO_PARENT else get32(names, parent))
        store(lane, 2, fill + 1)
        put32(names, state, dealt[target] * parts + target)
        dealt[target] += 1
    return last
