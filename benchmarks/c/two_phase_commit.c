/* Two-phase commit (Gray & Lamport, Consensus on Transaction Commit, 2006), RM resource managers, explored by hand-written C.

   One word: RM bits each for the low and the high bit of the managers' states (working 00, prepared 01, committed 10, aborted 11),
   for tmPrepared and for the messages Prepared(r); then the messages Commit and Abort and the
   state of the transaction manager (init 00, committed 01, aborted 10). */
#ifndef RM
#define RM 8
#endif
#define WORDS 1
#define MAX_SUCCESSORS (4 * RM + 2)
#include "explore.h"

#define ALL ((1ULL << RM) - 1)
#define LOW 0
#define HIGH RM
#define TM_PREPARED (2 * RM)
#define SENT_PREPARED (3 * RM)
#define COMMIT (1ULL << (4 * RM))
#define ABORT (2ULL << (4 * RM))
#define TM_COMMITTED (4ULL << (4 * RM))
#define TM_ABORTED (8ULL << (4 * RM))
_Static_assert(4 * RM + 4 < 63, "the state must fit one word");

static State initial(void) { return (State){{PRESENT}}; }

static int violated(State state) {
    uint64_t s = state.w[0], low = s >> LOW & ALL, high = s >> HIGH & ALL;
    return (high & ~low) && (high & low);
}

/* One successor for each r in `set`: s with the bits of `clear` dropped and those of `put` added, both given for r = 0. */
static inline State *each(uint64_t s, uint64_t set, uint64_t clear, uint64_t put, State *out) {
    for (; set; set &= set - 1) {
        int r = __builtin_ctzll(set);
        (out++)->w[0] = (s & ~(clear << r)) | put << r;
    }
    return out;
}

static int expand(State state, State *out, uint64_t *transitions) {
    const uint64_t low = 1ULL << LOW, high = 1ULL << HIGH, heard = 1ULL << TM_PREPARED, sent = 1ULL << SENT_PREPARED;
    uint64_t s = state.w[0], lows = s >> LOW & ALL, highs = s >> HIGH & ALL;
    uint64_t tm_prepared = s >> TM_PREPARED & ALL, sent_prepared = s >> SENT_PREPARED & ALL, working = ALL & ~(lows | highs);
    State *start = out;
    uint64_t count = 2 * __builtin_popcountll(working);
    out = each(s, working, 0, low | sent, out);                                        /* RMPrepare */
    out = each(s, working, 0, low | high, out);                                        /* RMChooseToAbort */
    if (!(s & (TM_COMMITTED | TM_ABORTED))) {
        out = each(s, sent_prepared & ~tm_prepared, 0, heard, out);                    /* TMRcvPrepared */
        count += __builtin_popcountll(sent_prepared) + 1;
        (out++)->w[0] = s | TM_ABORTED | ABORT;                                        /* TMAbort */
        if (tm_prepared == ALL) { (out++)->w[0] = s | TM_COMMITTED | COMMIT; count++; } /* TMCommit */
    }
    if (s & COMMIT) { out = each(s, ALL & ~(highs & ~lows), low, high, out); count += RM; } /* RMRcvCommitMsg */
    if (s & ABORT) { out = each(s, ALL & ~(highs & lows), 0, low | high, out); count += RM; } /* RMRcvAbortMsg */
    *transitions += count;
    return out - start;
}
