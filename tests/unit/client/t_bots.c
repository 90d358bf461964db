/* The bots' own arithmetic: where they drive, and how they count. */
#include "bin/cmd_bots_hist.h"
#include "bin/cmd_bots_track.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct bots_hist));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void test_small_values_are_exact(void **state)
{
    struct bots_hist *h = *state;
    assert_int_equal(bots_hist_quantile(h, 0.5), 0);
    for (uint64_t v = 1; v <= 20; v++)
        bots_hist_add(h, v);
    assert_int_equal(bots_hist_quantile(h, 0.5), 10);
    assert_int_equal(bots_hist_quantile(h, 0.95), 19);
    assert_int_equal(bots_hist_quantile(h, 1), 20);
    assert_int_equal(bots_hist_quantile(h, 0), 1);
}

static void test_large_values_are_near(void **state)
{
    struct bots_hist *h = *state;
    for (uint64_t v = 1; v < UINT32_MAX / 2; v = v * 5 / 4 + 1) {
        bots_hist_clear(h);
        bots_hist_add(h, v);
        bots_hist_add(h, UINT32_MAX);
        uint64_t got = bots_hist_quantile(h, 0.5);
        assert_true(got >= v && got <= v + v / 32 + 1);
    }
}

static void test_ends_of_the_range(void **state)
{
    struct bots_hist *h = *state;
    bots_hist_add(h, 0);
    assert_int_equal(bots_hist_quantile(h, 0.99), 0);
    bots_hist_add(h, UINT32_MAX);
    bots_hist_add(h, UINT64_MAX);
    assert_int_equal(h->max, UINT32_MAX);
    assert_int_equal(bots_hist_quantile(h, 0.99), UINT32_MAX);
    assert_int_equal(h->n, 3);
}

static void test_a_tail_of_one_percent(void **state)
{
    struct bots_hist *h = *state;
    for (int i = 0; i < 990; i++)
        bots_hist_add(h, 5);
    for (int i = 0; i < 10; i++)
        bots_hist_add(h, 31);
    assert_int_equal(bots_hist_quantile(h, 0.99), 5);
    assert_int_equal(bots_hist_quantile(h, 0.991), 31);
}

static void test_start_in_the_garage(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        float garage[3];
        bots_track_garage(n, garage);
        for (int64_t t = -1000; t <= 0; t += 1000) {
            struct bots_pose p = bots_track_pose(n, garage, t);
            for (int i = 0; i < 3; i++)
                assert_true(p.position[i] == garage[i]);
        }
    }
}

/* What a server's checks look at: no jumps, no speed beyond 60 units a second, a unit quaternion.
 */
static void test_drives_plausibly(void **state)
{
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        float garage[3];
        double way = 0;
        bots_track_garage(n, garage);
        struct bots_pose was = bots_track_pose(n, garage, 0);
        for (int64_t t = 50; t < 60000; t += 50) {
            struct bots_pose p = bots_track_pose(n, garage, t);
            double dx = (double)p.position[0] - (double)was.position[0];
            double dz = (double)p.position[2] - (double)was.position[2];
            double q = 0, turn = 0;
            for (int i = 0; i < 4; i++) {
                q += (double)p.rotation[i] * (double)p.rotation[i];
                turn += (double)p.rotation[i] * (double)was.rotation[i];
            }
            assert_true(hypot(dx, dz) <= 60 * 0.05);
            assert_true(fabs(q - 1) < 0.001);
            assert_true(fabs(turn) > 0.99);
            way += hypot(dx, dz);
            was = p;
        }
        assert_true(way > 30 * 60); /* and it does drive */
    }
}

/* Units a second between two moments 50 ms apart. */
static double speed_at(size_t n, int64_t t_ms, const struct bots_drive *d)
{
    float garage[3];
    bots_track_garage(n, garage);
    struct bots_pose a = bots_track_drive(n, garage, t_ms, d);
    struct bots_pose b = bots_track_drive(n, garage, t_ms + 50, d);
    return 20 * hypot((double)b.position[0] - (double)a.position[0],
                      (double)b.position[2] - (double)a.position[2]);
}

static void test_drives_at_the_limit(void **state)
{
    (void)state;
    for (size_t n = 0; n < 20; n++)
        for (unsigned l = 10; l <= 1000; l *= 10) {
            const double limit = l;
            const struct bots_drive d = {.limit = limit};
            for (int64_t t = 0; t < 60000; t += 50) {
                double v = speed_at(n, t, &d);
                assert_true(v <= 0.951 * limit + 0.1);
                assert_true(t < 20000 || v > 0.94 * limit * (limit < 500 ? 1 : 0.8));
            }
        }
}

static void test_cheats_from_then_on(void **state)
{
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        const struct bots_drive fast = {.limit = 60, .pace = 2, .cheat_ms = 20000};
        const struct bots_drive jumpy = {.limit = 60, .jump = 400, .cheat_ms = 20000};
        for (int64_t t = 15000; t < 40000; t += 50) {
            double v = speed_at(n, t, &fast), j = speed_at(n, t, &jumpy);
            assert_true(t < 20000 ? v < 58 : v > 115 && v < 121);
            bool jumps = t >= 19950 && (t + 50 - 20000) % BOTS_JUMP_MS == 0;
            assert_true(jumps ? j > 7900 : j < 58);
        }
    }
}

static void test_same_place_again(void **state)
{
    const float garage[3] = {66, -2, 0.8f};
    (void)state;
    for (int64_t t = 0; t < 100000; t += 777) {
        struct bots_pose a = bots_track_pose(3, garage, t), b = bots_track_pose(3, garage, t);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drives_at_the_limit),
        cmocka_unit_test(test_cheats_from_then_on),
        cmocka_unit_test_setup_teardown(test_small_values_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_values_are_near, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_of_the_range, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_tail_of_one_percent, setup, teardown),
        cmocka_unit_test(test_start_in_the_garage),
        cmocka_unit_test(test_drives_plausibly),
        cmocka_unit_test(test_same_place_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
