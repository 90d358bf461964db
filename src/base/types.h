/* Vocabulary of the whole program: time, borrowed bytes, handles.
 *
 * Time is always handed in, never sampled: `struct now` carries a monotonic clock for deadlines and
 * the wall clock for dates. A span is borrowed: it is valid until the call that received it
 * returns. A handle (`struct ref`) names a slot and its generation; a stale handle finds nothing.
 */
#ifndef SLIPGATE_BASE_TYPES_H
#define SLIPGATE_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE              __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)     __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)          (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, t, m) ((t *)(void *)((char *)(p)-offsetof(t, m)))

typedef uint64_t nsec; /* monotonic nanoseconds from an arbitrary start */

#define NSEC_PER_MS UINT64_C(1000000)
#define NSEC_PER_S  UINT64_C(1000000000)
#define NSEC_NEVER  UINT64_MAX

struct now {
    nsec mono;       /* for deadlines and ages */
    int64_t unix_ms; /* for dates; may jump */
};

struct span {
    const uint8_t *p;
    size_t n;
};

struct ref {
    uint32_t slot, gen; /* gen 0 never names anything */
};

#define SPAN_NULL   ((struct span){NULL, 0})
#define SPAN_LIT(s) ((struct span){(const uint8_t *)("" s), sizeof(s) - 1})
#define REF_NONE    ((struct ref){0, 0})

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){p, n};
}

static inline struct span span_str(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The first n bytes left out; n beyond the end gives an empty span. */
static inline struct span span_skip(struct span s, size_t n)
{
    if (n > s.n)
        n = s.n;
    return n ? (struct span){s.p + n, s.n - n} : s; /* nothing is added to a null pointer */
}

static inline bool ref_eq(struct ref a, struct ref b)
{
    return a.slot == b.slot && a.gen == b.gen;
}

static inline bool ref_is_none(struct ref r)
{
    return r.gen == 0;
}

#endif
