#include "client/lag.h"

#include "base/check.h"

void sgc_lag_init(struct sgc_lag *l, const struct impair_profile *profile, uint64_t seed)
{
    struct impair_profile slow = {.delay_us = profile->delay_us, .jitter_us = profile->jitter_us};
    *l = (struct sgc_lag){.head = 0};
    impair_init(&l->way, &slow, seed);
    buf_init(&l->bytes, SGC_LAG_BYTES);
}

void sgc_lag_fini(struct sgc_lag *l)
{
    buf_fini(&l->bytes);
    sgc_lag_clear(l);
}

void sgc_lag_clear(struct sgc_lag *l)
{
    buf_clear(&l->bytes);
    l->head = l->marks_n = 0;
}

size_t sgc_lag_room(const struct sgc_lag *l)
{
    return l->bytes.max - l->bytes.n;
}

size_t sgc_lag_put(struct sgc_lag *l, uint64_t now_us, struct span bytes)
{
    nsec at[IMPAIR_COPIES_MAX];
    size_t n = bytes.n < sgc_lag_room(l) ? bytes.n : sgc_lag_room(l);
    if (n == 0 || buf_append(&l->bytes, bytes.p, n) != 0) {
        l->bytes.failed = false; /* what is held stays good */
        return 0;
    }
    CHECK(impair_decide(&l->way, now_us * 1000, n, at) == 1);
    uint32_t last = (l->head + l->marks_n - 1) % SGC_LAG_MARKS;
    if (l->marks_n == SGC_LAG_MARKS || (l->marks_n && l->marks[last].at == at[0])) {
        l->marks[last].at = at[0];
        l->marks[last].n += n;
        return n;
    }
    l->marks[(l->head + l->marks_n++) % SGC_LAG_MARKS].at = at[0];
    l->marks[(l->head + l->marks_n - 1) % SGC_LAG_MARKS].n = n;
    return n;
}

struct span sgc_lag_arrived(const struct sgc_lag *l, uint64_t now_us)
{
    size_t n = 0;
    for (uint32_t i = 0; i < l->marks_n; i++) {
        uint32_t k = (l->head + i) % SGC_LAG_MARKS;
        if (l->marks[k].at > now_us * 1000)
            break;
        n += l->marks[k].n;
    }
    return span_of(l->bytes.p, n);
}

void sgc_lag_take(struct sgc_lag *l, size_t n)
{
    CHECK(n <= l->bytes.n);
    buf_consume(&l->bytes, n);
    while (n) {
        size_t part = n < l->marks[l->head].n ? n : l->marks[l->head].n;
        l->marks[l->head].n -= part;
        n -= part;
        if (l->marks[l->head].n)
            break;
        l->head = (l->head + 1) % SGC_LAG_MARKS;
        l->marks_n--;
    }
}

uint64_t sgc_lag_due_us(const struct sgc_lag *l)
{
    return l->marks_n ? (l->marks[l->head].at + 999) / 1000 : UINT64_MAX;
}
