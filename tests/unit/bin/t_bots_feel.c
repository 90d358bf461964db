#include "bin/cmd_bots_feel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS      UINT64_C(1000)
#define START   UINT64_C(1000000000)
#define SECOND  UINT64_C(1000000)
#define PATH_US (40 * MS)

static int setup(void **state)
{
    struct feel *f = calloc(1, sizeof *f);
    f->from_us = START;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* Within the histogram's 3 %. */
static void assert_near(uint64_t us, uint64_t expected_us)
{
    assert_in_range(us, expected_us, expected_us + expected_us / 31 + 1);
}

/* Sent every 50 ms, 40 ms on their way, for ten seconds. */
static void test_a_steady_flow(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {START - 50 * MS, START - 10 * MS};
    feel_begin(f, &m);
    for (uint64_t t = START; t < START + 10 * SECOND; t += 50 * MS)
        feel_update(f, &m, t + PATH_US, t);
    feel_end(f, &m, START + 10 * SECOND);
    assert_int_equal(f->gap.n, 200);
    assert_near(bots_hist_quantile(&f->gap, 0.5), 50 * MS);
    assert_int_equal(f->gap.max, 50 * MS);
    assert_int_equal(f->freezes, 0);
    /* From 40 to 90 ms old, each as often. */
    assert_in_range(f->age.n, 10 * SECOND / FEEL_LOOK_US - 1, 10 * SECOND / FEEL_LOOK_US + 1);
    assert_near(bots_hist_quantile(&f->age, 0.5), 64 * MS);
    assert_in_range(bots_hist_quantile(&f->age, 0.99), 88 * MS, 92 * MS);
    assert_in_range(f->age.max, 85 * MS, 90 * MS);
}

static void test_late_and_doubled_ones_bring_nothing(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {0};
    feel_update(NULL, &m, START, START - PATH_US);
    feel_begin(f, &m);
    feel_update(f, &m, START + 60 * MS, START + 20 * MS);
    feel_update(f, &m, START + 61 * MS, START + 20 * MS); /* again */
    feel_update(f, &m, START + 80 * MS, START + 10 * MS); /* overtaken */
    feel_update(f, &m, START + 100 * MS, START + 60 * MS);
    assert_int_equal(f->gap.n, 2);
    assert_int_equal(f->gap.max, 60 * MS);
    assert_near(bots_hist_quantile(&f->gap, 0.5), 40 * MS);
    assert_int_equal(m.sent_us, START + 60 * MS);
}

static void test_freezes(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {START, START};
    feel_update(f, &m, START + 250 * MS, START + 200 * MS); /* just not one */
    assert_int_equal(f->freezes, 0);
    feel_update(f, &m, START + 500 * MS + 1, START + 480 * MS);
    assert_int_equal(f->freezes, 1);
    feel_end(f, &m, START + 750 * MS + 1); /* still going on, not long enough */
    assert_int_equal(f->freezes, 1);
    assert_int_equal(f->gap.n, 2);
    feel_end(f, &m, START + 900 * MS);
    assert_int_equal(f->freezes, 2);
    assert_int_equal(f->gap.n, 3);
    assert_near(f->gap.max, 399999);
}

/* A mate that never says anything is as old as the measurement. */
static void test_silence(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {0};
    feel_begin(f, &m);
    feel_end(f, &m, START + SECOND);
    assert_int_equal(f->freezes, 1);
    assert_int_equal(f->gap.max, SECOND);
    assert_in_range(f->age.max, SECOND - FEEL_LOOK_US, SECOND);
    assert_in_range(bots_hist_quantile(&f->age, 0.5), SECOND / 2 - FEEL_LOOK_US,
                    SECOND / 2 + 2 * FEEL_LOOK_US);
}

/* What happened before the measurement is known in it, but not counted. */
static void test_before_the_measurement(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {0};
    feel_update(NULL, &m, START - 5 * SECOND, START - 5 * SECOND);
    feel_begin(f, &m);
    feel_update(f, &m, START + 100 * MS, START + 90 * MS);
    assert_int_equal(f->freezes, 1); /* it ended within */
    assert_in_range(f->age.n, 4, 6); /* looks of 100 ms, not of five seconds */
    assert_true(f->age.max > 5 * SECOND);
}

/* A month of silence is looked at no more than a few thousand times, with its whole weight. */
static void test_long_silence(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {0};
    uint64_t month_us = 30 * 86400 * SECOND;
    feel_begin(f, &m);
    feel_end(f, &m, START + month_us);
    assert_in_range(f->age.n, month_us / FEEL_LOOK_US - 1, month_us / FEEL_LOOK_US + 1);
}

static void test_clocks_that_disagree(void **state)
{
    struct feel *f = *state;
    struct feel_mate m = {START, START};
    feel_update(f, &m, START + 10, START + 100 * MS); /* sent after it arrived */
    feel_update(f, &m, START + 5, START + 200 * MS);  /* arrived before the one before it */
    feel_end(f, &m, START);
    assert_int_equal(f->gap.n, 2);
    assert_int_equal(f->freezes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_steady_flow),
        TEST(test_late_and_doubled_ones_bring_nothing),
        TEST(test_freezes),
        TEST(test_silence),
        TEST(test_before_the_measurement),
        TEST(test_long_silence),
        TEST(test_clocks_that_disagree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
