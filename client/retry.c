#include "client/retry.h"

uint64_t sgc_retry_pause_us(struct sgc_retry *r, uint32_t random)
{
    if (r->tries_max && r->failures >= r->tries_max)
        return UINT64_MAX;
    uint64_t ms = r->min_ms ? r->min_ms : 1;
    for (uint32_t i = 0; i < r->failures && ms < r->max_ms; i++)
        ms *= 2;
    if (ms > r->max_ms)
        ms = r->max_ms;
    if (r->failures < UINT32_MAX)
        r->failures++;
    uint64_t half_us = ms * 1000 / 2;
    /* 20 random bits are plenty, and the product fits. */
    return half_us + half_us * (random >> 12) / (UINT32_MAX >> 12);
}

void sgc_retry_reset(struct sgc_retry *r)
{
    r->failures = 0;
}
