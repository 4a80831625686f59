/* The search loop that the hand-written explorers share: exact breadth-first search over packed states.

   A model includes this file after defining WORDS and MAX_SUCCESSORS, and provides the three functions declared below.
   Nothing here knows a protocol; nothing here keeps what a model checker owes its user (parents, traces, limits, progress):
   this is the floor that a checker is measured against, not a checker.

   Invariant: arena[0..states) holds every state found so far, once, in breadth-first order; the table holds the same rows.
   A row whose word 0 is 0 is an empty slot, so a model sets PRESENT in word 0 of every state. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

typedef struct { uint64_t w[WORDS]; } State;

#define PRESENT (1ULL << 63)

static State initial(void);
static int violated(State s);
/* Writes the successors of s that differ from s, adds all of them (self-loops included) to *transitions, returns how many it wrote. */
static int expand(State s, State *out, uint64_t *transitions);

enum { BATCH = 256 };           /* lookups in flight: enough to hide a miss, few enough for the first-level cache */
#define ARENA_BYTES (1ULL << 38) /* address space only; pages are touched as the arena grows */

static State *arena, *table;
static uint64_t states, slots;
static int shift;               /* slot of a state = the top bits of its hash, so that growing is one sequential pass */

static void *pages(uint64_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) { perror("mmap"); exit(1); }
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static inline uint64_t hash(State s) {
    uint64_t h = s.w[0];
    for (int i = 1; i < WORDS; i++) {
        h = (h ^ (h >> 32)) * 0x9E3779B97F4A7C15ULL + s.w[i];
    }
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93ULL;
    return (h ^ (h >> 32)) * 0x9E3779B97F4A7C15ULL;
}

static inline int equal(const State *a, State b) {
    uint64_t difference = 0;
    for (int i = 0; i < WORDS; i++) difference |= a->w[i] ^ b.w[i];
    return difference == 0;
}

/* The slot that holds s, or the empty one where it belongs. */
static inline uint64_t find(State s, uint64_t slot) {
    while (table[slot].w[0] && !equal(&table[slot], s)) slot = (slot + 1) & (slots - 1);
    return slot;
}

static void grow(void) {
    State *old = table;
    uint64_t old_slots = slots;
    slots *= 2;
    shift--;
    table = pages(slots * sizeof(State));
    for (uint64_t i = 0; i < old_slots; i++) {
        if (old[i].w[0]) table[find(old[i], hash(old[i]) >> shift)] = old[i];
    }
    munmap(old, old_slots * sizeof(State));
}

static inline void add(State s, uint64_t slot) {
    slot = find(s, slot);
    if (table[slot].w[0]) return;
    table[slot] = s;
    arena[states++] = s;
    if (__builtin_expect(violated(s), 0)) { puts("violated: the invariant fails"); exit(2); }
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static long peak_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

int main(void) {
    static State successors[BATCH + MAX_SUCCESSORS];
    static uint64_t home[BATCH + MAX_SUCCESSORS];
    double start = cpu_seconds();
    uint64_t transitions = 0, next = 0, level_end = 1, depth = 0;
    shift = 64 - 16;
    slots = 1ULL << 16;
    table = pages(slots * sizeof(State));
    arena = pages(ARENA_BYTES);
    add(initial(), hash(initial()) >> shift);
    while (next < states) {
        int n = 0;
        if (next == level_end) { level_end = states; depth++; }
        while (next < level_end && n < BATCH) n += expand(arena[next++], successors + n, &transitions);
        if ((states + n) * 2 > slots) grow();
        for (int i = 0; i < n; i++) {
            home[i] = hash(successors[i]) >> shift;
            __builtin_prefetch(&table[home[i]], 1);
        }
        for (int i = 0; i < n; i++) add(successors[i], home[i]);
    }
    printf("{\"states\": %lu, \"transitions\": %lu, \"depth\": %lu, \"cpu_seconds\": %.4f, \"peak_memory_bytes\": %ld}\n",
           states, transitions, depth, cpu_seconds() - start, peak_kib() * 1024);
    return 0;
}
