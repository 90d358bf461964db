#include "bin/cmd_bots_expect.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct bots_gate good(const char *text)
{
    struct bots_gate g;
    char why[256] = "";
    if (!bots_gate_read(&g, text, why, sizeof why))
        fail_msg("%s", why);
    return g;
}

/* Whether the gate holds when its figure is v. */
static bool holds(const char *text, double v)
{
    struct bots_gate g = good(text);
    struct bots_figures f;
    for (size_t i = 0; i < BOTS_FIGURES_N; i++)
        f.v[i] = i == g.figure ? v : (double)NAN;
    return bots_gate_holds(&g, &f);
}

static void refused(const char *text, const char *expected)
{
    struct bots_gate g;
    char why[256] = "";
    assert_false(bots_gate_read(&g, text, why, sizeof why));
    assert_string_equal(why, expected);
}

static void test_operators(void **state)
{
    (void)state;
    assert_true(holds("p99_age_ms<150", 149.9));
    assert_false(holds("p99_age_ms<150", 150));
    assert_true(holds("p99_age_ms<=150", 150));
    assert_false(holds("p99_age_ms<=150", 150.1));
    assert_true(holds("delivered>10", 11));
    assert_false(holds("delivered>10", 10));
    assert_true(holds("delivered>=10", 10));
    assert_false(holds("delivered>=10", 9));
    assert_true(holds("lost==0", 0));
    assert_false(holds("lost==0", 1));
}

static void test_what_was_not_measured_keeps_no_gate(void **state)
{
    static const char *const all[] = {"lost<1", "lost<=1", "lost>1", "lost>=1", "lost==1"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_false(holds(all[i], (double)NAN));
}

static void test_forms(void **state)
{
    (void)state;
    struct bots_gate g = good("  p50_gap_ms  <=  12.5  ");
    assert_int_equal(g.figure, BOTS_p50_gap_ms);
    assert_int_equal(g.op, GATE_LE);
    assert_true(g.bound > 12.49 && g.bound < 12.51);
    assert_true(holds("lost_percent<.5", 0.4));
    assert_true(holds("lost_percent>-1", 0));
    assert_true(holds("sent<1e6", 999999));
}

static void test_every_figure_can_be_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < BOTS_FIGURES_N; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s>=0", bots_figure_name((enum bots_figure)i));
        assert_int_equal(good(text).figure, i);
    }
}

static void test_unknown_figures(void **state)
{
    (void)state;
    refused("p99_ages_ms<150", "\"p99_ages_ms\" is no figure; did you mean p99_age_ms?");
    refused("p99_age<150", "\"p99_age\" is no figure; did you mean p99_age_ms?");
    refused("happiness>1", "\"happiness\" is no figure; `slipgate bots --help` lists them");
}

static void test_malformed(void **state)
{
    static const char *const wrong[] = {
        "",         " ",       "lost",    "lost<",    "lost 0",   "lost=0",
        "lost!=0",  "<5",      "lost<x",  "lost<5x",  "lost<5 6", "lost<nan",
        "lost<inf", "lost=>5", "lost<<5", "lost===5", "lost<0,5", "lost<1e999",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char expected[256];
        (void)snprintf(expected, sizeof expected,
                       "\"%s\" is not accepted; give a figure, one of < <= > >= ==, and a number, "
                       "such as 'p99_age_ms<150'",
                       wrong[i]);
        refused(wrong[i], expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_what_was_not_measured_keeps_no_gate),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_every_figure_can_be_named),
        cmocka_unit_test(test_unknown_figures),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
