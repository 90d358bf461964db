/* Deadlines in order: an intrusive pairing heap, so that setting a timer never allocates and never
 * fails. Timers with equal deadlines come out in the order in which they were set. */
#ifndef SLIPGATE_BASE_TIMERQ_H
#define SLIPGATE_BASE_TIMERQ_H

#include "base/types.h"

struct timer { /* zeroed: not set; embedded in what it belongs to */
    nsec deadline;
    uint64_t order;
    struct timer *child, *sibling, *prev; /* prev: parent or left sibling */
    bool set;
};

struct timerq {
    struct timer *root;
    uint64_t orders;
};

void timerq_init(struct timerq *q);
/* Sets or moves; NSEC_NEVER cancels. */
void timerq_set(struct timerq *q, struct timer *t, nsec deadline);
void timerq_cancel(struct timerq *q, struct timer *t); /* fine when not set */
nsec timerq_deadline(const struct timerq *q);          /* NSEC_NEVER when empty */
/* Takes out the first timer whose deadline is not after now, or NULL. */
struct timer *timerq_pop(struct timerq *q, nsec now);

#endif
