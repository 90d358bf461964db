/* Too many of something from one session: datagrams beyond their rate, or datagrams that are none.
 * Counted in windows of fixed length, each from the first event after the one before it has ended.
 * A window is a violation once, at its first event too many, however many more come: a burst of
 * hundreds in one window counts as little as a burst of one. What becomes of a violation says
 * core/ladder.h; whether the events themselves are dropped is the caller's matter.
 *
 * The rate that is told with a violation is measured over this window so far and the one right
 * before it, so that it is not that of a few microseconds.
 *
 * Nothing is allocated; a struct spam is embedded in a session. One thread. Any input is safe; time
 * that runs backwards stands still. */
#ifndef SLIPGATE_CORE_SPAM_H
#define SLIPGATE_CORE_SPAM_H

#include "core/ladder.h"

struct spam_policy {
    enum rule_mode mode;
    uint32_t window_ms; /* 0 is taken as 1 */
    uint32_t limit;   /* events in a window that are none too many; 0: as many as the caller says */
    uint32_t ladder;  /* violations before the end; 0: at once */
    uint32_t decay_s; /* 0: nothing is forgiven */
};

struct spam {
    nsec from;
    uint32_t n, before; /* events in this window; in the one right before it */
    nsec before_took;   /* from the begin of that one to the begin of this one; 0: there is none */
    bool violated;      /* this window */
    struct ladder ladder;
};

enum spam_verdict {
    SPAM_FINE,
    SPAM_NOTED, /* a violation, for the audit only */
    SPAM_TELL,  /* tell the player */
    SPAM_END,   /* say why, end the session */
};

/* Valid when the verdict is not SPAM_FINE. */
struct spam_facts {
    bool exempt;
    uint32_t step;   /* on the ladder, from 1; 0: not on it */
    uint64_t events; /* in `took` */
    nsec took;
    uint64_t rate; /* a second, rounded; took below 1 ms counts as 1 ms */
};

/* One event. too_many: the caller's own limit says so. facts is always written. */
enum spam_verdict spam_event(struct spam *, const struct spam_policy *, bool exempt, nsec now,
                             bool too_many, struct spam_facts *facts);

#endif
