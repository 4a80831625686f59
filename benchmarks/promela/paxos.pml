/* Single-decree Paxos (Lamport, Paxos Made Simple, 2001): 3 acceptors, 2 values, ballots 0..MAX_BALLOT <= 3 (spin -a -DMAX_BALLOT=2), written
   for speed: one process, messages as bits of sets that only grow, every action one d_step, so that a stored state is a state of the
   protocol and nothing else. */
#ifndef MAX_BALLOT
#define MAX_BALLOT 2
#endif

byte first[3];      /* of acceptor a: maxBal + 1, the first ballot above it */
byte vote[3];       /* 0 for none, else 1 + 2 * maxVBal + maxVal */
byte one_a;         /* bit b */
byte two_a;         /* bit 2b + v */
byte two_b[3];      /* of acceptor a: bit 2b + v */
short one_b[3];     /* of acceptor a: from bit b * b, its 1b of ballot b: bit 0 without a vote, bit i with vote i; votes are of smaller ballots */

#define SENT(a, b)          (one_b[a] & (((2 << (2 * b)) - 1) << (b * b)))
#define VOTES(p, q, b)      (((one_b[p] | one_b[q]) >> (b * b + 1)) & ((1 << (2 * b)) - 1))
#define HIGHEST(votes, v)   (votes > 15 -> votes & (16 << v) : (votes > 3 -> votes & (4 << v) : (votes -> votes & (1 << v) : 1)))
#define SHOWN(p, q, b, v)   (SENT(p, b) && SENT(q, b) && HIGHEST(VOTES(p, q, b), v))

#define PHASE_1B(a, b) \
    :: d_step { ((one_a & (1 << b)) && first[a] <= b) -> one_b[a] = one_b[a] | (1 << (b * b + vote[a])); first[a] = b + 1 }
#define PHASE_2A(b, v) \
    :: d_step { ((two_a & (3 << (2 * b))) == 0 && (SHOWN(0, 1, b, v) || SHOWN(0, 2, b, v) || SHOWN(1, 2, b, v))) -> \
                two_a = two_a | (1 << (2 * b + v)) }
#define PHASE_2B(a, b, v) \
    :: d_step { ((two_a & (1 << (2 * b + v))) && first[a] <= b + 1) -> \
                first[a] = b + 1; vote[a] = 1 + 2 * b + v; two_b[a] = two_b[a] | (1 << (2 * b + v)) }

#define BALLOT(b) \
    :: d_step { one_a = one_a | (1 << b) } /* Phase1a */ \
    PHASE_1B(0, b)    PHASE_1B(1, b)    PHASE_1B(2, b) \
    PHASE_2A(b, 0)    PHASE_2A(b, 1) \
    PHASE_2B(0, b, 0) PHASE_2B(1, b, 0) PHASE_2B(2, b, 0) \
    PHASE_2B(0, b, 1) PHASE_2B(1, b, 1) PHASE_2B(2, b, 1)

#define MAJORITY    ((two_b[0] & two_b[1]) | (two_b[0] & two_b[2]) | (two_b[1] & two_b[2]))

active proctype protocol() {
    do
    BALLOT(0)
#if MAX_BALLOT > 0
    BALLOT(1)
#endif
#if MAX_BALLOT > 1
    BALLOT(2)
#endif
#if MAX_BALLOT > 2
    BALLOT(3)
#endif
    :: d_step { ((MAJORITY & 85) && (MAJORITY & 170)) -> assert(false) } /* Agreement is violated: both values have a majority */
    od
}
