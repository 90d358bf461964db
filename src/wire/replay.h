/* Which sequence numbers of a datagram stream have been seen: everything within REPLAY_WINDOW of
 * the highest one exactly, anything older counts as seen (RFC 4303 section 3.4.3; laid out in words
 * as RFC 6479 describes). A zeroed window has seen nothing. No allocation, no errors; belongs to
 * one thread at a time. */
#ifndef SLIPGATE_WIRE_REPLAY_H
#define SLIPGATE_WIRE_REPLAY_H

#include "base/types.h"

#define REPLAY_WINDOW 1024u
#define REPLAY_WORDS  (REPLAY_WINDOW / 64 + 1) /* the word being entered holds old and new bits */

struct replay {
    uint64_t next; /* one past the highest sequence seen */
    uint64_t seen[REPLAY_WORDS];
};

/* seq < UINT64_MAX in both. True when it was not seen and is not too old to tell. */
bool replay_is_fresh(const struct replay *, uint64_t seq);
/* Marks a fresh sequence as seen and moves the window up to it. Only for authentic packets. */
void replay_mark(struct replay *, uint64_t seq);

#endif
