/* What the tests of the codecs share: cmocka, and bytes in a block of exactly their size, so that
 * the address sanitizer sees a read of even one byte too many. */
#ifndef SLIPGATE_TESTS_UNIT_WIRE_EXACT_H
#define SLIPGATE_TESTS_UNIT_WIRE_EXACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/types.h"

/* A span of a literal where only a constant will do. */
#define SPAN_INIT(s)                           \
    {                                          \
        (const uint8_t *)("" s), sizeof(s) - 1 \
    }

/* The copy is freed with exact_free. */
static inline struct span exact(const void *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n)
        memcpy(copy, p, n);
    return span_of(copy, n);
}

static inline void exact_free(struct span s)
{
    free((void *)(uintptr_t)s.p);
}

static inline void assert_span(struct span got, const void *want, size_t n)
{
    assert_int_equal(got.n, n);
    if (n)
        assert_memory_equal(got.p, want, n);
}

static inline void assert_text(struct span got, const char *want)
{
    assert_span(got, want, strlen(want));
}

#endif
