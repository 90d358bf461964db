/* The growable buffer: whole or not at all, its ceiling to the byte, failure that sticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_holds(const struct buf *b, const char *want)
{
    struct span s = buf_span(b);
    assert_int_equal(s.n, strlen(want));
    if (s.n)
        assert_memory_equal(s.p, want, s.n);
}

static void t_takes_no_memory_before_use(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_null(b.p);
    assert_holds(&b, "");
    buf_clear(&b);
    buf_consume(&b, 0);
    buf_fini(&b);
    buf_fini_secret(&b);
}

static void t_appends(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_append(&b, "ab", 2), 0);
    assert_int_equal(buf_append_span(&b, SPAN_LIT("cd")), 0);
    assert_int_equal(buf_append_span(&b, SPAN_NULL), 0);
    assert_int_equal(buf_append_str(&b, "ef"), 0);
    assert_int_equal(buf_append_byte(&b, 'g'), 0);
    assert_int_equal(buf_printf(&b, "%d-%s", 12, "x"), 0);
    assert_holds(&b, "abcdefg12-x");
    buf_consume(&b, 3);
    assert_holds(&b, "defg12-x");
    buf_consume(&b, 8);
    assert_holds(&b, "");
    buf_fini(&b);
    assert_int_equal(buf_append_str(&b, "again"), 0);
    assert_int_equal(b.max, 1000);
    buf_fini(&b);
}

static void t_reserves(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    uint8_t *to = buf_reserve(&b, 1000);
    assert_non_null(to);
    memset(to, 'r', 1000);
    buf_commit(&b, 3);
    assert_holds(&b, "rrr");
    assert_ptr_equal(buf_reserve(&b, 997), b.p + 3);
    assert_false(b.failed);
    assert_null(buf_reserve(&b, 998));
    assert_true(b.failed);
    buf_fini(&b);
}

/* Each way of appending, at the ceiling and one past it. */
static void t_ceiling_is_exact(void **state)
{
    (void)state;
    static const size_t ceilings[] = {0, 1, 63, 64, 65, 100, 128, 129, 1000};
    for (size_t i = 0; i < ARRAY_LEN(ceilings); i++) {
        size_t max = ceilings[i];
        char *fill = calloc(1, max + 2);
        assert_non_null(fill);
        memset(fill, 'x', max + 1);
        for (int way = 0; way < 3; way++) {
            for (size_t over = 0; over <= 1; over++) {
                struct buf b;
                int rc;
                buf_init(&b, max);
                fill[max + over] = '\0';
                if (way == 0)
                    rc = buf_append(&b, fill, max + over);
                else if (way == 1)
                    rc = buf_printf(&b, "%s", fill);
                else
                    rc = buf_append_str(&b, fill);
                fill[max + over] = over ? '\0' : 'x';
                assert_int_equal(rc, over ? E_LIMIT : 0);
                assert_int_equal(b.failed, over);
                assert_int_equal(b.n, over ? 0 : max);
                assert_true(b.cap <= max);
                if (!over)
                    assert_int_equal(buf_append_byte(&b, 'x'), E_LIMIT);
                buf_fini(&b);
            }
        }
        free(fill);
    }
}

static void t_failure_sticks_until_clear(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(buf_append_str(&b, "abc"), 0);
    assert_int_equal(buf_append_str(&b, "de"), E_LIMIT);
    assert_holds(&b, "abc");
    assert_int_equal(buf_append_str(&b, "d"), E_LIMIT);
    assert_int_equal(buf_append(&b, NULL, 0), E_LIMIT);
    assert_int_equal(buf_printf(&b, "d"), E_LIMIT);
    assert_null(buf_reserve(&b, 0));
    assert_holds(&b, "abc");
    assert_true(b.failed);
    buf_clear(&b);
    assert_int_equal(buf_append_str(&b, "abcd"), 0);
    buf_fini(&b);
}

static void t_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_str(&b, "abc"), 0);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_clear(&b);
    assert_int_equal(buf_append_str(&b, "abc"), 0);
    assert_null(buf_reserve(&b, SIZE_MAX - 3)); /* no such memory, and no endless doubling */
    assert_true(b.failed);
    assert_holds(&b, "abc");
    buf_fini(&b);
    buf_init(&b, 100);
    assert_int_equal(buf_append_str(&b, "abc"), 0);
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    buf_fini(&b);
}

static void t_holds_what_a_flat_array_holds(void **state)
{
    (void)state;
    struct rng r = {12};
    static char flat[4096];
    size_t n = 0;
    struct buf b;
    buf_init(&b, sizeof flat);
    for (int i = 0; i < 20000; i++) {
        size_t take = rng_below(&r, 200);
        char bytes[200];
        for (size_t k = 0; k < take; k++)
            bytes[k] = (char)rng_next(&r);
        if (rng_below(&r, 3)) {
            bool fits = take <= sizeof flat - n;
            assert_int_equal(buf_append(&b, bytes, take), fits ? 0 : E_LIMIT);
            if (fits) {
                memcpy(flat + n, bytes, take);
                n += take;
            } else {
                buf_clear(&b);
                n = 0;
            }
        } else {
            take = take < n ? take : n;
            buf_consume(&b, take);
            memmove(flat, flat + take, n - take);
            n -= take;
        }
        assert_int_equal(b.n, n);
        if (n)
            assert_memory_equal(b.p, flat, n);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_takes_no_memory_before_use),
        cmocka_unit_test(t_appends),
        cmocka_unit_test(t_reserves),
        cmocka_unit_test(t_ceiling_is_exact),
        cmocka_unit_test(t_failure_sticks_until_clear),
        cmocka_unit_test(t_sizes_that_overflow_are_refused),
        cmocka_unit_test(t_holds_what_a_flat_array_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
