/* Too many in a window: at the limit and beyond, once a window, the ladder, the rate that is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "core/spam.h"

#define T0 (1000 * NSEC_PER_S)

static struct spam_policy policy(enum rule_mode mode, uint32_t limit)
{
    return (struct spam_policy){mode, 1000, limit, 3, 60};
}

/* n events, evenly within how_long; the worst verdict, and its facts. */
static enum spam_verdict burst(struct spam *s, const struct spam_policy *p, nsec from,
                               nsec how_long, unsigned n, struct spam_facts *ret)
{
    enum spam_verdict worst = SPAM_FINE;
    for (unsigned i = 0; i < n; i++) {
        struct spam_facts f;
        enum spam_verdict v = spam_event(s, p, false, from + how_long * i / n, false, &f);
        if (v == SPAM_FINE)
            continue;
        assert_int_equal(worst, SPAM_FINE); /* once */
        worst = v;
        *ret = f;
    }
    return worst;
}

static void at_the_limit_and_beyond(void **state)
{
    (void)state;
    struct spam s = {0};
    struct spam_policy p = policy(RULE_OBSERVE, 100);
    struct spam_facts f = {0};
    for (unsigned w = 0; w < 100; w++)
        assert_int_equal(burst(&s, &p, T0 + w * NSEC_PER_S, NSEC_PER_S, 100, &f), SPAM_FINE);
    assert_int_equal(burst(&s, &p, T0 + 100 * NSEC_PER_S, NSEC_PER_S, 101, &f), SPAM_NOTED);
    assert_int_equal(f.step, 0);
    assert_int_equal(f.events, 201);
    assert_in_range(f.rate, 100, 102);
}

static void a_window_begins_with_its_first_event(void **state)
{
    (void)state;
    struct spam s = {0};
    struct spam_policy p = policy(RULE_OBSERVE, 2);
    struct spam_facts f;
    assert_int_equal(spam_event(&s, &p, false, T0, false, &f), SPAM_FINE);
    assert_int_equal(spam_event(&s, &p, false, T0 + 999 * NSEC_PER_MS, false, &f), SPAM_FINE);
    assert_int_equal(spam_event(&s, &p, false, T0 + 1000 * NSEC_PER_MS, false, &f), SPAM_FINE);
    assert_int_equal(spam_event(&s, &p, false, T0 + 1999 * NSEC_PER_MS, false, &f), SPAM_FINE);
    assert_int_equal(spam_event(&s, &p, false, T0 + 2000 * NSEC_PER_MS - 1, false, &f), SPAM_NOTED);
    assert_int_equal(f.events, 5);
    assert_true(f.took == 2 * NSEC_PER_S - 1);
    assert_int_equal(spam_event(&s, &p, false, 0, false, &f), SPAM_FINE); /* time stands still */
}

static void a_burst_is_one_violation(void **state)
{
    (void)state;
    struct spam s = {0};
    struct spam_policy p = policy(RULE_ENFORCE, 100);
    struct spam_facts f;
    assert_int_equal(burst(&s, &p, T0, NSEC_PER_S / 10, 10000, &f), SPAM_TELL);
    assert_int_equal(f.step, 1);
    assert_int_equal(f.events, 101);
    assert_in_range(f.rate, 90000, 110000);
}

static void the_ladder_of_each_mode(void **state)
{
    (void)state;
    static const enum spam_verdict want[4][5] = {
        [RULE_OFF] = {0},
        [RULE_OBSERVE] = {SPAM_NOTED, SPAM_NOTED, SPAM_NOTED, SPAM_NOTED, SPAM_NOTED},
        [RULE_WARN] = {SPAM_TELL, SPAM_TELL, SPAM_TELL, SPAM_TELL, SPAM_TELL},
        [RULE_ENFORCE] = {SPAM_TELL, SPAM_TELL, SPAM_TELL, SPAM_END, SPAM_END},
    };
    for (int mode = RULE_OFF; mode <= RULE_ENFORCE; mode++) {
        struct spam s = {0};
        struct spam_policy p = policy((enum rule_mode)mode, 0);
        struct spam_facts f;
        for (unsigned i = 0; i < 5; i++) {
            nsec now = T0 + i * NSEC_PER_S;
            assert_int_equal(spam_event(&s, &p, false, now, false, &f), SPAM_FINE);
            assert_int_equal(spam_event(&s, &p, false, now, true, &f), want[mode][i]);
            assert_int_equal(f.step, mode < RULE_WARN ? 0 : i < 4 ? i + 1 : 4);
            assert_int_equal(spam_event(&s, &p, false, now, true, &f), SPAM_FINE);
        }
    }
}

static void violations_are_forgiven_one_a_minute(void **state)
{
    (void)state;
    struct spam s = {0};
    struct spam_policy p = policy(RULE_ENFORCE, 0);
    struct spam_facts f;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(spam_event(&s, &p, false, T0 + i * NSEC_PER_S, true, &f), SPAM_TELL);
    assert_int_equal(spam_event(&s, &p, false, T0 + 60 * NSEC_PER_S, true, &f), SPAM_TELL);
    assert_int_equal(f.step, 3);
    assert_int_equal(spam_event(&s, &p, false, T0 + 62 * NSEC_PER_S, true, &f), SPAM_END);
    s = (struct spam){0};
    for (unsigned i = 0; i < 20; i++) /* for ever at one a minute */
        assert_int_equal(spam_event(&s, &p, false, T0 + 60 * i * NSEC_PER_S, true, &f), SPAM_TELL);
}

static void staff_is_noted(void **state)
{
    (void)state;
    struct spam s = {0};
    struct spam_policy p = policy(RULE_ENFORCE, 0);
    struct spam_facts f;
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(spam_event(&s, &p, true, T0 + i * NSEC_PER_S, true, &f), SPAM_NOTED);
        assert_true(f.exempt && f.step == 0);
    }
    assert_int_equal(spam_event(&s, &p, false, T0 + 9 * NSEC_PER_S, true, &f), SPAM_TELL);
    assert_int_equal(f.step, 1);
}

static void at_once_without_a_ladder(void **state)
{
    (void)state;
    struct spam s = {0};
    struct spam_policy p = {RULE_ENFORCE, 60000, 50, 0, 0};
    struct spam_facts f;
    assert_int_equal(burst(&s, &p, T0, 59 * NSEC_PER_S, 50, &f), SPAM_FINE);
    assert_int_equal(spam_event(&s, &p, false, T0 + 59 * NSEC_PER_S, false, &f), SPAM_END);
    assert_int_equal(f.rate, 1);
}

static void anything_is_safe(void **state)
{
    (void)state;
    static const uint32_t odd[] = {0, 1, 2, 1000, UINT32_MAX};
    struct rng rng = {5};
    for (unsigned round = 0; round < 2000; round++) {
        struct spam s = {0};
        struct spam_policy p = {(enum rule_mode)rng_below(&rng, 4), odd[rng_below(&rng, 5)],
                                odd[rng_below(&rng, 5)], odd[rng_below(&rng, 5)],
                                odd[rng_below(&rng, 5)]};
        for (unsigned i = 0; i < 50; i++) {
            struct spam_facts f;
            nsec now = rng_below(&rng, 3) ? rng_below(&rng, 9 * NSEC_PER_S) : rng_next(&rng) >> 1;
            enum spam_verdict v =
                spam_event(&s, &p, rng_below(&rng, 2), now, rng_below(&rng, 2), &f);
            assert_true(v == SPAM_FINE || f.events > 0);
            assert_true((f.step != 0) == (v > SPAM_NOTED));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_limit_and_beyond),
        cmocka_unit_test(a_window_begins_with_its_first_event),
        cmocka_unit_test(a_burst_is_one_violation),
        cmocka_unit_test(the_ladder_of_each_mode),
        cmocka_unit_test(violations_are_forgiven_one_a_minute),
        cmocka_unit_test(staff_is_noted),
        cmocka_unit_test(at_once_without_a_ladder),
        cmocka_unit_test(anything_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
