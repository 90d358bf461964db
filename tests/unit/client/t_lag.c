#include "client/lag.h"
#include "sim/alloc_fault.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct impair_profile slow = {
    .delay_us = 100, .loss = 1, .duplicate = 1, .reorder = 1, .rate_bytes_per_s = 1};

static int setup(void **state)
{
    struct sgc_lag *l = alloc_own(sizeof *l);
    sgc_lag_init(l, &slow, 1);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    sgc_lag_fini(*state);
    alloc_own_free(*state);
    return 0;
}

static size_t put(struct sgc_lag *l, uint64_t now_us, const char *text)
{
    return sgc_lag_put(l, now_us, span_str(text));
}

static void assert_arrived(struct sgc_lag *l, uint64_t now_us, const char *text)
{
    struct span s = sgc_lag_arrived(l, now_us);
    assert_int_equal(s.n, strlen(text));
    if (s.n)
        assert_memory_equal(s.p, text, s.n);
}

/* Nothing but the delay is taken from the profile. */
static void test_in_order_after_the_delay(void **state)
{
    struct sgc_lag *l = *state;
    assert_int_equal(sgc_lag_due_us(l), UINT64_MAX);
    assert_arrived(l, 1000000, "");
    assert_int_equal(put(l, 10, "ab"), 2);
    assert_int_equal(put(l, 10, "c"), 1);
    assert_int_equal(put(l, 20, "def"), 3);
    assert_int_equal(sgc_lag_due_us(l), 110);
    assert_arrived(l, 109, "");
    assert_arrived(l, 110, "abc");
    sgc_lag_take(l, 1);
    assert_arrived(l, 110, "bc");
    assert_arrived(l, 120, "bcdef");
    sgc_lag_take(l, 4);
    assert_int_equal(sgc_lag_due_us(l), 120);
    assert_arrived(l, 120, "f");
    sgc_lag_take(l, 1);
    assert_int_equal(sgc_lag_due_us(l), UINT64_MAX);
}

static void test_full(void **state)
{
    static uint8_t much[SGC_LAG_BYTES + 1];
    struct sgc_lag *l = *state;
    assert_int_equal(sgc_lag_put(l, 0, span_of(much, sizeof much)), SGC_LAG_BYTES);
    assert_int_equal(sgc_lag_room(l), 0);
    assert_int_equal(put(l, 0, "x"), 0);
    sgc_lag_take(l, 10);
    assert_int_equal(put(l, 0, "0123456789abc"), 10);
    assert_int_equal(sgc_lag_arrived(l, 100).n, SGC_LAG_BYTES);
}

/* Any number of moments: the last one holds the rest, later but not lost. */
static void test_many_moments(void **state)
{
    struct sgc_lag *l = *state;
    for (int round = 0; round < 3; round++) {
        for (uint64_t t = 0; t < 2 * SGC_LAG_MARKS; t++)
            assert_int_equal(put(l, 10000 * (uint64_t)round + t, "x"), 1);
        uint64_t base_us = 10000 * (uint64_t)round + 100;
        assert_int_equal(sgc_lag_arrived(l, base_us + 9).n, 10);
        assert_int_equal(sgc_lag_arrived(l, base_us + SGC_LAG_MARKS + 9).n, SGC_LAG_MARKS - 1);
        assert_int_equal(sgc_lag_arrived(l, base_us + 2 * SGC_LAG_MARKS).n, 2 * SGC_LAG_MARKS);
        sgc_lag_take(l, 2 * SGC_LAG_MARKS);
    }
    assert_int_equal(l->marks_n, 0);
}

static void test_jitter_swaps_nothing(void **state)
{
    struct sgc_lag *l = *state;
    struct impair_profile p = {.delay_us = 50, .jitter_us = 50};
    uint8_t in = 0, out = 0;
    sgc_lag_init(l, &p, 7);
    for (uint64_t t = 0; t < 5000; t++) {
        assert_int_equal(sgc_lag_put(l, t, span_of(&in, 1)), 1);
        in++;
        struct span s = sgc_lag_arrived(l, t);
        for (size_t i = 0; i < s.n; i++)
            assert_int_equal(s.p[i], out++);
        sgc_lag_take(l, s.n);
        assert_true(sgc_lag_room(l) >= SGC_LAG_BYTES - 101);
    }
}

/* What finds no memory is not taken; what is held already stays good. */
static void test_memory_short(void **state)
{
    static const uint8_t much[SGC_LAG_BYTES];
    struct sgc_lag *l = *state;
    alloc_fault_from(1);
    assert_int_equal(put(l, 0, "abc"), 0);
    alloc_fault_at(0);
    assert_int_equal(put(l, 0, "abc"), 3);
    alloc_fault_from(1);
    assert_int_equal(sgc_lag_put(l, 0, span_of(much, sizeof much)), 0);
    alloc_fault_at(0);
    assert_arrived(l, 100, "abc");
    assert_int_equal(put(l, 0, "d"), 1);
    assert_arrived(l, 100, "abcd");
}

static void test_clear(void **state)
{
    struct sgc_lag *l = *state;
    assert_int_equal(put(l, 0, "abc"), 3);
    sgc_lag_clear(l);
    assert_int_equal(sgc_lag_due_us(l), UINT64_MAX);
    assert_int_equal(put(l, 5, "d"), 1);
    assert_arrived(l, 105, "d");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_order_after_the_delay), TEST(test_full),         TEST(test_many_moments),
        TEST(test_jitter_swaps_nothing),     TEST(test_memory_short), TEST(test_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
