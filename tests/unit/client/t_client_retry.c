#include "client/retry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_doubles_up_to_the_ceiling(void **state)
{
    static const uint64_t ceilings_us[] = {500000, 1000000, 2000000, 4000000, 5000000, 5000000};
    (void)state;
    struct sgc_retry low = {.min_ms = 500, .max_ms = 5000}, high = low, middle = low;
    for (size_t i = 0; i < ARRAY_LEN(ceilings_us); i++) {
        assert_int_equal(sgc_retry_pause_us(&low, 0), ceilings_us[i] / 2);
        assert_int_equal(sgc_retry_pause_us(&high, UINT32_MAX), ceilings_us[i]);
        uint64_t us = sgc_retry_pause_us(&middle, 0x40000000);
        assert_true(us > ceilings_us[i] / 2 && us < ceilings_us[i] * 3 / 4);
    }
    sgc_retry_reset(&low);
    assert_int_equal(sgc_retry_pause_us(&low, 0), 250000);
}

static void test_gives_up(void **state)
{
    (void)state;
    struct sgc_retry r = {.min_ms = 10, .max_ms = 10, .tries_max = 2};
    assert_int_equal(sgc_retry_pause_us(&r, 0), 5000);
    assert_int_equal(sgc_retry_pause_us(&r, 0), 5000);
    assert_int_equal(sgc_retry_pause_us(&r, 0), UINT64_MAX);
    sgc_retry_reset(&r);
    assert_int_equal(sgc_retry_pause_us(&r, 0), 5000);
}

static void test_never_overflows(void **state)
{
    (void)state;
    struct sgc_retry r = {.min_ms = 0, .max_ms = UINT32_MAX};
    for (int i = 0; i < 200; i++)
        assert_true(sgc_retry_pause_us(&r, UINT32_MAX) <= (uint64_t)UINT32_MAX * 1000);
    assert_int_equal(sgc_retry_pause_us(&r, UINT32_MAX), (uint64_t)UINT32_MAX * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_ceiling),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
