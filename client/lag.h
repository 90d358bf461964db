/* Bytes on their way over a slow stream, one direction: they come out in order, all of them, when
 * the delay of the moment in which they were put in has passed. Ceilings: SGC_LAG_BYTES, and
 * SGC_LAG_MARKS moments, beyond which what is put in shares the last moment. Pure. */
#ifndef SLIPGATE_CLIENT_LAG_H
#define SLIPGATE_CLIENT_LAG_H

#include "base/buf.h"
#include "client/impair.h"

#define SGC_LAG_BYTES 65536u
#define SGC_LAG_MARKS 256u

struct sgc_lag {
    struct impair way; /* of the profile only delay and jitter: a stream loses and swaps nothing */
    struct buf bytes;
    struct {
        nsec at;
        size_t n;
    } marks[SGC_LAG_MARKS]; /* a ring */
    uint32_t head, marks_n;
};

void sgc_lag_init(struct sgc_lag *, const struct impair_profile *, uint64_t seed);
void sgc_lag_fini(struct sgc_lag *);
/* Forgets what is on its way. */
void sgc_lag_clear(struct sgc_lag *);
size_t sgc_lag_room(const struct sgc_lag *);
/* Returns how many bytes were taken: as many as there is room for, 0 when memory is short. */
size_t sgc_lag_put(struct sgc_lag *, uint64_t now_us, struct span bytes);
/* What has arrived; sgc_lag_take takes n bytes of it off. */
struct span sgc_lag_arrived(const struct sgc_lag *, uint64_t now_us);
void sgc_lag_take(struct sgc_lag *, size_t n);
/* When more arrives; UINT64_MAX: nothing is on its way. In the past: something has arrived. */
uint64_t sgc_lag_due_us(const struct sgc_lag *);

#endif
