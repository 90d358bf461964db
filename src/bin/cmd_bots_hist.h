/* A histogram of durations in fixed buckets: exact below 32, then 32 buckets to every doubling, so
 * that a percentile is at most 3 % too high. No allocation, no clock. */
#ifndef SLIPGATE_BIN_CMD_BOTS_HIST_H
#define SLIPGATE_BIN_CMD_BOTS_HIST_H

#include "base/types.h"

#define BOTS_HIST_SUB     32u
#define BOTS_HIST_BUCKETS ((32u - 5u + 1u) * BOTS_HIST_SUB)

struct bots_hist {
    uint64_t n, max;
    uint64_t buckets[BOTS_HIST_BUCKETS];
};

/* Values past 2^32 - 1 count as that. */
void bots_hist_add(struct bots_hist *h, uint64_t value);
void bots_hist_add_many(struct bots_hist *h, uint64_t value, uint64_t times);
/* The value that a share of q (0 to 1) of all values does not exceed; 0 when there are none. */
uint64_t bots_hist_quantile(const struct bots_hist *h, double q);
void bots_hist_clear(struct bots_hist *h);

#endif
