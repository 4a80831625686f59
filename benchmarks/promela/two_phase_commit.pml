/* Two-phase commit (Gray & Lamport, Consensus on Transaction Commit, 2006) for RM resource managers (spin -a -DRM=8), written for speed:
   one process, sets as bit masks, every action one d_step, so that a stored state is a state of the protocol and nothing else.
   A manager's state is its bits in `low` and `high`: working 00, prepared 01, committed 10, aborted 11. */
#ifndef RM
#define RM 8
#endif
#define ALL ((1 << RM) - 1)
#define init_ 0
#define committed 1
#define aborted 2

short low, high;        /* states of the managers */
short heard;            /* tmPrepared: whom the transaction manager has heard from */
short sent;             /* messages Prepared(r) */
bit commit, abort;      /* messages Commit, Abort */
byte tm = init_;

#define MANAGER(r) \
    :: d_step { (tm == init_ && (sent & (1 << r))) -> heard = heard | (1 << r) }                        /* TMRcvPrepared */ \
    :: d_step { (((low | high) & (1 << r)) == 0) -> low = low | (1 << r); sent = sent | (1 << r) }      /* RMPrepare */ \
    :: d_step { (((low | high) & (1 << r)) == 0) -> low = low | (1 << r); high = high | (1 << r) }      /* RMChooseToAbort */ \
    :: d_step { commit -> low = low & ~(1 << r); high = high | (1 << r) }                               /* RMRcvCommitMsg */ \
    :: d_step { abort -> low = low | (1 << r); high = high | (1 << r) }                                 /* RMRcvAbortMsg */

active proctype protocol() {
    do
    :: d_step { (tm == init_ && heard == ALL) -> tm = committed; commit = 1 }                           /* TMCommit */
    :: d_step { (tm == init_) -> tm = aborted; abort = 1 }                                              /* TMAbort */
    MANAGER(0)
    MANAGER(1)
    MANAGER(2)
#if RM > 3
    MANAGER(3)
#endif
#if RM > 4
    MANAGER(4)
#endif
#if RM > 5
    MANAGER(5)
#endif
#if RM > 6
    MANAGER(6)
#endif
#if RM > 7
    MANAGER(7)
#endif
#if RM > 8
    MANAGER(8)
#endif
#if RM > 9
    MANAGER(9)
#endif
    :: d_step { ((low & high) && (high & ~low)) -> assert(false) }                                      /* Consistent is violated */
    od
}
