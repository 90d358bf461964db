#include "client/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sgc_profile good(const char *link)
{
    struct sgc_profile p;
    char why[256];
    if (sgc_profile_read(&p, link, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_string_equal(why, "");
    return p;
}

static void assert_same(const struct impair_profile *a, const struct impair_profile *b)
{
    assert_true(a->delay_us == b->delay_us && a->jitter_us == b->jitter_us);
    assert_true(a->loss == b->loss && a->burst_enter == b->burst_enter);
    assert_true(a->burst_leave == b->burst_leave && a->burst_loss == b->burst_loss);
    assert_true(a->duplicate == b->duplicate && a->reorder == b->reorder);
    assert_true(a->reorder_us == b->reorder_us && a->queue_bytes == b->queue_bytes);
    assert_true(a->rate_bytes_per_s == b->rate_bytes_per_s);
}

static void refused(const char *link, const char *expected)
{
    struct sgc_profile p;
    char why[256];
    assert_int_equal(sgc_profile_read(&p, link, why, sizeof why), SLIPGATE_E_ARGUMENT);
    assert_string_equal(why, expected);
    assert_int_equal(slipgate_link_check(link, NULL, 0), SLIPGATE_E_ARGUMENT);
}

static void test_every_key(void **state)
{
    (void)state;
    struct sgc_profile p = good("# all of them\n"
                                "delay_ms=12.5\n jitter_ms = 2.25\r\n\n"
                                "loss_percent = 1\nburst_every = 200\nburst_length = 4\n"
                                "burst_loss_percent = 50\nduplicate_percent = 0.1\n"
                                "; and\n\treorder_percent\t=\t3\nreorder_ms = 7\n"
                                "rate_kbit = 800\nqueue_ms = 250");
    assert_same(&p.up, &p.down);
    assert_int_equal(p.up.delay_us, 12500);
    assert_int_equal(p.up.jitter_us, 2250);
    assert_true(p.up.loss == 0.01 && p.up.burst_enter == 0.005 && p.up.burst_leave == 0.25);
    assert_true(p.up.burst_loss == 0.5 && p.up.duplicate == 0.1 / 100 && p.up.reorder == 0.03);
    assert_int_equal(p.up.reorder_us, 7000);
    assert_int_equal(p.up.rate_bytes_per_s, 100000);
    assert_int_equal(p.up.queue_bytes, 25000);
}

static void test_a_direction_of_its_own_wins(void **state)
{
    (void)state;
    struct sgc_profile p = good("up.delay_ms = 1\ndelay_ms = 2\ndown.loss_percent = 100");
    assert_int_equal(p.up.delay_us, 1000);
    assert_int_equal(p.down.delay_us, 2000);
    assert_true(p.up.loss == 0 && p.down.loss == 1);
}

static void test_nothing_said(void **state)
{
    (void)state;
    struct sgc_profile p = good("# nothing\n");
    assert_int_equal(p.up.delay_us + p.up.rate_bytes_per_s + p.up.queue_bytes, 0);
    assert_true(p.up.loss == 0 && p.up.burst_enter == 0 && p.up.duplicate == 0);
    p = good("burst_every = 50"); /* all of ten are lost unless said otherwise */
    assert_true(p.up.burst_enter == 0.02 && p.up.burst_leave == 0.1 && p.up.burst_loss == 1);
    p = good("rate_kbit = 8"); /* a second's worth waits */
    assert_int_equal(p.up.queue_bytes, 1000);
}

static void test_limits(void **state)
{
    (void)state;
    struct sgc_profile p = good("delay_ms = 10000\nloss_percent = 100\nrate_kbit = 10000000\n"
                                "queue_ms = 10000\nburst_every = 1000000000");
    assert_int_equal(p.up.delay_us, 10000000);
    assert_int_equal(p.up.rate_bytes_per_s, 1250000000);
    assert_int_equal(p.up.queue_bytes, UINT32_MAX);
    /* Almost nothing is still something, and not "no limit". */
    assert_int_equal(good("rate_kbit = 0.000001").up.rate_bytes_per_s, 1);
    assert_int_equal(good("delay_ms = 0.000001").up.delay_us, 1);
    refused("delay_ms = 10000.000001",
            "line 1: \"10000.000001\" is no value for delay_ms; give 0 to 10000");
    refused("loss_percent = 101", "line 1: \"101\" is no value for loss_percent; give 0 to 100");
    refused("queue_ms = 0", "line 1: \"0\" is no value for queue_ms; give 1 to 10000");
    refused("burst_length = 0.5",
            "line 1: \"0.5\" is no value for burst_length; give 1 to 1000000000");
}

static void test_numbers(void **state)
{
    static const char *const wrong[] = {"",    "-1",          "+1",        "1e3",   ".5",
                                        "5.",  "1,5",         "0x10",      "nan",   "inf",
                                        "1 2", "00000000001", "1.1234567", "1.2.3", "\xff"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char text[64], why[256];
        struct sgc_profile p;
        (void)snprintf(text, sizeof text, "loss_percent = %s\n", wrong[i]);
        assert_int_equal(sgc_profile_read(&p, text, why, sizeof why), SLIPGATE_E_ARGUMENT);
        assert_int_equal(strncmp(why, "line 1: ", 8), 0);
    }
    assert_true(good("loss_percent = 0000000001.000000").up.loss == 0.01);
}

static void test_errors_name_the_line(void **state)
{
    (void)state;
    refused("\n# x\nlos_percent = 1\n",
            "line 3: no key \"los_percent\"; give delay_ms, jitter_ms, loss_percent, burst_every, "
            "burst_length, burst_loss_percent, duplicate_percent, reorder_percent, reorder_ms, "
            "rate_kbit, queue_ms");
    refused("delay_ms = 1\njust words\n",
            "line 2: \"just words\" is no setting; write key = value");
    refused("up.delay_ms = 1\nup.delay_ms = 1\n",
            "line 2: \"up.delay_ms\" is given twice; keep one of them");
    refused("up.delay_ms = x", "line 1: \"x\" is no value for up.delay_ms; give 0 to 10000");
    refused("\x01\x80 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
            "line 1: \"?? aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is no setting; "
            "write key = value");
    refused("dsl", "no link is called \"dsl\"; give wifi, 4g, bad-dsl, satellite or lines of "
                   "key = value");
    refused("", "no link is called \"\"; give wifi, 4g, bad-dsl, satellite or lines of "
                "key = value");
}

static void test_length_limit(void **state)
{
    char *text = malloc(SLIPGATE_LINK_TEXT_MAX + 2), why[256];
    (void)state;
    memset(text, '\n', SLIPGATE_LINK_TEXT_MAX + 1);
    text[SLIPGATE_LINK_TEXT_MAX] = '\0';
    (void)good(text);
    text[SLIPGATE_LINK_TEXT_MAX] = '\n';
    text[SLIPGATE_LINK_TEXT_MAX + 1] = '\0';
    assert_int_equal(slipgate_link_check(text, why, sizeof why), SLIPGATE_E_ARGUMENT);
    assert_string_equal(why, "longer than 4096 bytes; leave comments out");
    free(text);
}

/* However little room there is for the reason. */
static void test_short_reasons(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 200; cap++) {
        char *why = malloc(cap ? cap : 1);
        assert_int_equal(slipgate_link_check("x=1", why, cap), SLIPGATE_E_ARGUMENT);
        assert_true(cap == 0 || memchr(why, '\0', cap) != NULL);
        free(why);
    }
}

static void test_named_links(void **state)
{
    static const char *const names[] = {"wifi", "4g", "bad-dsl", "satellite"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sgc_profile p = good(names[i]), same = good(slipgate_link_text(names[i]));
        assert_same(&p.up, &same.up);
        assert_same(&p.down, &same.down);
        assert_true(p.up.delay_us > p.up.jitter_us && p.up.loss > 0 && p.up.loss < 0.05);
        assert_true(p.up.burst_enter > 0 && p.down.rate_bytes_per_s >= p.up.rate_bytes_per_s);
    }
    assert_int_equal(good("satellite").down.delay_us, 300000);
    assert_null(slipgate_link_text("5g"));
    assert_null(slipgate_link_text(NULL));
}

static void test_longest_time(void **state)
{
    (void)state;
    assert_int_equal(slipgate_link_check("#\n", NULL, 0), 1);
    assert_int_equal(slipgate_link_check("delay_ms=40\njitter_ms=10\nreorder_percent=1\n"
                                         "reorder_ms=100\nup.rate_kbit=8\nup.queue_ms=500",
                                         NULL, 0),
                     651);
    assert_int_equal(slipgate_link_check(NULL, NULL, 0), SLIPGATE_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),    cmocka_unit_test(test_a_direction_of_its_own_wins),
        cmocka_unit_test(test_nothing_said), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_errors_name_the_line),
        cmocka_unit_test(test_length_limit), cmocka_unit_test(test_short_reasons),
        cmocka_unit_test(test_named_links),  cmocka_unit_test(test_longest_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
