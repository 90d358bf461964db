/* Bounds-checked cursors over bytes. After the first read or write past the end `bad` is set and
 * every later call gives zeros or does nothing, so a decoder checks once, at its end. */
#ifndef SLIPGATE_BASE_CUR_H
#define SLIPGATE_BASE_CUR_H

#include "base/types.h"

struct rcur {
    const uint8_t *p, *end;
    bool bad;
};

struct wcur {
    uint8_t *p, *end;
    bool bad;
};

static inline struct rcur rcur_of(struct span s)
{
    return (struct rcur){s.p, s.n ? s.p + s.n : s.p, false};
}

static inline size_t rcur_left(const struct rcur *c)
{
    return (size_t)(c->end - c->p);
}

/* n bytes at the cursor, or an empty span and bad. */
static inline struct span rcur_take(struct rcur *c, size_t n)
{
    if (c->bad || rcur_left(c) < n) {
        c->bad = true;
        return SPAN_NULL;
    }
    struct span s = {c->p, n};
    if (n)
        c->p += n;
    return s;
}

static inline uint64_t rcur_be(struct rcur *c, size_t n)
{
    struct span s = rcur_take(c, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return v;
}

static inline uint64_t rcur_le(struct rcur *c, size_t n)
{
    struct span s = rcur_take(c, n);
    uint64_t v = 0;
    for (size_t i = s.n; i-- > 0;)
        v = v << 8 | s.p[i];
    return v;
}

static inline struct wcur wcur_of(void *p, size_t n)
{
    return (struct wcur){p, n ? (uint8_t *)p + n : p, false};
}

static inline void wcur_put(struct wcur *c, const void *p, size_t n)
{
    if (c->bad || (size_t)(c->end - c->p) < n) {
        c->bad = true;
        return;
    }
    if (n == 0)
        return;
    memcpy(c->p, p, n);
    c->p += n;
}

static inline void wcur_be(struct wcur *c, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    wcur_put(c, b, n);
}

static inline void wcur_le(struct wcur *c, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    wcur_put(c, b, n);
}

#endif
