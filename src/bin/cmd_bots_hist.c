#include "bin/cmd_bots_hist.h"

#include <math.h>

static size_t bucket_of(uint32_t v)
{
    if (v < BOTS_HIST_SUB)
        return v;
    unsigned top = 31u - (unsigned)__builtin_clz(v); /* 5 or more */
    unsigned shift = top - 5;
    return (size_t)(shift + 1) * BOTS_HIST_SUB + ((v >> shift) - BOTS_HIST_SUB);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(size_t i)
{
    if (i < BOTS_HIST_SUB)
        return i;
    unsigned shift = (unsigned)(i / BOTS_HIST_SUB) - 1;
    uint64_t first = BOTS_HIST_SUB + i % BOTS_HIST_SUB;
    return ((first + 1) << shift) - 1;
}

void bots_hist_add_many(struct bots_hist *h, uint64_t value, uint64_t times)
{
    uint32_t v = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    h->n += times;
    if (v > h->max)
        h->max = v;
    h->buckets[bucket_of(v)] += times;
}

void bots_hist_add(struct bots_hist *h, uint64_t value)
{
    bots_hist_add_many(h, value, 1);
}

uint64_t bots_hist_quantile(const struct bots_hist *h, double q)
{
    uint64_t want = (uint64_t)ceil(q * (double)h->n), seen = 0;
    if (h->n == 0)
        return 0;
    for (size_t i = 0; i < BOTS_HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= want && seen > 0)
            return bucket_end(i) < h->max ? bucket_end(i) : h->max;
    }
    return h->max;
}

void bots_hist_clear(struct bots_hist *h)
{
    memset(h, 0, sizeof *h);
}
