/* When to try again: exponential back-off with jitter. The pause doubles from min to max with every
 * failure in a row; half of it is random, so that clients which lost a server together do not come
 * back together. Pure. */
#ifndef SLIPGATE_CLIENT_RETRY_H
#define SLIPGATE_CLIENT_RETRY_H

#include "base/types.h"

struct sgc_retry {
    uint32_t min_ms, max_ms;
    uint32_t tries_max; /* failures in a row before giving up; 0: never */
    uint32_t failures;
};

/* Counts a failure. Returns the pause in microseconds, or UINT64_MAX: give up. random: any 32 bits.
 */
uint64_t sgc_retry_pause_us(struct sgc_retry *r, uint32_t random);
/* The connection worked. */
void sgc_retry_reset(struct sgc_retry *r);

#endif
