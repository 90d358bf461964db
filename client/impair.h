/* What a bad network does to datagrams, decided by a seed: the same seed, profile, times and sizes
 * give the same fates. Pure: it holds no datagram and reads no clock; whoever has the datagram
 * keeps it until it is due. One direction of one path each.
 *
 * A datagram first waits for its turn at the bottleneck (rate, with a queue of limited length:
 * beyond it the datagram is lost), then it may be lost (at random, or within a burst: the two
 * states of Gilbert and Elliott), then it travels for delay +- jitter, may take a detour on which
 * the ones behind overtake it (reorder), and may arrive twice. Without reorder, order is kept
 * whatever the jitter.
 *
 * Every datagram draws the same count of random numbers whatever becomes of it, so that the nth
 * one's luck does not change with the times, the sizes or the other members of the profile.
 *
 * Any profile is safe: a probability below 0 or not a number is 0, above 1 is 1. Never fails. */
#ifndef SLIPGATE_CLIENT_IMPAIR_H
#define SLIPGATE_CLIENT_IMPAIR_H

#include "base/rng.h"
#include "base/types.h"

#define IMPAIR_COPIES_MAX 2u

struct impair_profile {
    uint32_t delay_us, jitter_us; /* one way; uniform in delay +- jitter, never below 0 */
    double loss;                  /* 0 to 1, outside bursts */
    double burst_enter, burst_leave, burst_loss; /* per datagram; enter 0: no bursts */
    double duplicate, reorder;
    uint32_t reorder_us; /* the detour's extra time, at most; 0: delay + jitter, at least 1 ms */
    uint32_t rate_bytes_per_s; /* 0: no limit */
    uint32_t queue_bytes; /* that may wait at the bottleneck; 0 with a rate: one second's worth */
};

struct impair {
    struct impair_profile profile;
    struct rng rng;
    bool burst;
    nsec free_at, last_at; /* the bottleneck; the latest arrival so far but for detours */
    uint64_t lost, duplicated, reordered, queue_full; /* reordered: sent on the detour */
};

void impair_init(struct impair *, const struct impair_profile *, uint64_t seed);
/* The fate of one datagram of n bytes handed over at now: how many copies arrive (0 to
 * IMPAIR_COPIES_MAX), and when; at[0] <= at[1] unless a detour was taken. now may stand still. */
unsigned impair_decide(struct impair *, nsec now, size_t n, nsec at[IMPAIR_COPIES_MAX]);

#endif
