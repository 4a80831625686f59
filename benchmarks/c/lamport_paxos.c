/* Single-decree Paxos (Lamport, Paxos Made Simple, 2001), as message-passing state machine: three acceptors, V values,
   ballots 0..MAX_BALLOT, messages in a set that only grows; explored by hand-written C.

   Word 0: per acceptor maxBal + 1 and its vote (0 for none, else 1 + maxVBal * V + maxVal); then one bit for each possible message 1a, 2a, 2b.
   Word 1: one bit for each possible 1b, whose vote is of a smaller ballot. Both words are sets of bits, so equal states are equal words. */
#ifndef MAX_BALLOT
#define MAX_BALLOT 2
#endif
#ifndef V
#define V 2
#endif
#define A 3
#define B (MAX_BALLOT + 1)
#define WORDS 2
#define MAX_SUCCESSORS (B + B * V + A * B + A * B * V)
#include "explore.h"

enum {
    BALLOT_BITS = 3, VOTE_BITS = 4, ACCEPTOR_BITS = BALLOT_BITS + VOTE_BITS,
    ONE_A = A * ACCEPTOR_BITS,              /* + b */
    TWO_A = ONE_A + B,                      /* + b * V + v */
    TWO_B = TWO_A + B * V,                  /* + (a * B + b) * V + v */
    WORD_0_BITS = TWO_B + A * B * V,
    ONE_B = B + V * B * (B - 1) / 2,        /* bits of one acceptor's 1b in word 1; those of ballot b start at b + V * b * (b - 1) / 2 */
};
_Static_assert(B < 1 << BALLOT_BITS && 1 + B * V <= 1 << VOTE_BITS, "an acceptor must fit its bits");
_Static_assert(WORD_0_BITS < 63 && A * ONE_B <= 64, "the state must fit two words");

#define BIT(i) (1ULL << (i))
#define MASK(n) (BIT(n) - 1)

/* The set of 1b messages of acceptor a at ballot b: bit 0 for "no vote", bit 1 + vb * V + v for the vote (vb, v). */
static inline uint64_t one_b(State s, int a, int b) {
    return s.w[1] >> (a * ONE_B + b + V * b * (b - 1) / 2) & MASK(1 + b * V);
}

static State initial(void) { return (State){{PRESENT, 0}}; }

/* Agreement: no two values are chosen, i.e. have votes of two acceptors in one ballot. */
static int violated(State s) {
    uint64_t n = MASK(B * V), x = s.w[0] >> TWO_B & n, y = s.w[0] >> (TWO_B + B * V) & n, z = s.w[0] >> (TWO_B + 2 * B * V) & n;
    uint64_t majority = (x & y) | (x & z) | (y & z), chosen = 0;
    for (int b = 0; b < B; b++) chosen |= majority >> (b * V) & MASK(V);
    return (chosen & (chosen - 1)) != 0;
}

/* The values that Phase2a may propose in ballot b, if the pair of acceptors p, q is the quorum. */
static inline uint64_t proposable(State s, int b, int p, int q) {
    uint64_t from_p = one_b(s, p, b), from_q = one_b(s, q, b), votes = (from_p | from_q) >> 1;
    if (!from_p || !from_q) return 0;
    if (!votes) return MASK(V);
    int highest = (63 - __builtin_clzll(votes)) / V;
    return votes >> (highest * V) & MASK(V);
}

static inline State *emit(State s, State t, State *out) {
    *out = t;
    return out + (s.w[0] != t.w[0] || s.w[1] != t.w[1]);
}

static int expand(State s, State *out, uint64_t *transitions) {
    State *start = out;
    uint64_t one_a = s.w[0] >> ONE_A & MASK(B), two_a = s.w[0] >> TWO_A & MASK(B * V);
    uint64_t count = B;
    for (uint64_t left = MASK(B) & ~one_a; left; left &= left - 1) { /* Phase1a */
        State t = s;
        t.w[0] |= BIT(ONE_A) << __builtin_ctzll(left);
        *out++ = t;
    }
    for (int b = 0; b < B; b++) { /* Phase2a */
        if (two_a >> (b * V) & MASK(V)) continue;
        uint64_t values = proposable(s, b, 0, 1) | proposable(s, b, 0, 2) | proposable(s, b, 1, 2);
        for (; values; values &= values - 1, count++) {
            State t = s;
            t.w[0] |= BIT(TWO_A + b * V) << __builtin_ctzll(values);
            *out++ = t;
        }
    }
    for (int a = 0; a < A; a++) {
        int at = a * ACCEPTOR_BITS, first = s.w[0] >> at & MASK(BALLOT_BITS); /* maxBal + 1: the first ballot above it */
        uint64_t vote = s.w[0] >> (at + BALLOT_BITS) & MASK(VOTE_BITS);
        for (uint64_t left = one_a >> first << first; left; left &= left - 1, count++) { /* Phase1b */
            int b = __builtin_ctzll(left);
            State t = s;
            t.w[0] = (s.w[0] & ~(MASK(BALLOT_BITS) << at)) | (uint64_t)(b + 1) << at;
            t.w[1] |= BIT(vote + a * ONE_B + b + V * b * (b - 1) / 2);
            *out++ = t;
        }
        int least = first ? (first - 1) * V : 0;
        for (uint64_t left = two_a >> least << least; left; left &= left - 1, count++) { /* Phase2b */
            int i = __builtin_ctzll(left); /* b * V + v */
            State t = s;
            t.w[0] = (s.w[0] & ~(MASK(ACCEPTOR_BITS) << at)) | (uint64_t)(i / V + 1) << at | (uint64_t)(i + 1) << (at + BALLOT_BITS);
            t.w[0] |= BIT(TWO_B + a * B * V + i);
            out = emit(s, t, out);
        }
    }
    *transitions += count;
    return out - start;
}
