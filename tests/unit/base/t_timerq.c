/* The timer queue: order, ties, moving and cancelling, against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/timerq.h"

static void an_empty_queue_has_no_deadline(void **state)
{
    (void)state;
    struct timerq q;
    struct timer t = {0};
    timerq_init(&q);
    assert_true(timerq_deadline(&q) == NSEC_NEVER);
    assert_null(timerq_pop(&q, NSEC_NEVER));
    timerq_cancel(&q, &t);
    timerq_set(&q, &t, NSEC_NEVER);
    assert_false(t.set);
    assert_true(timerq_deadline(&q) == NSEC_NEVER);
}

static void timers_come_when_due_and_not_before(void **state)
{
    (void)state;
    struct timerq q;
    struct timer t = {0};
    timerq_init(&q);
    timerq_set(&q, &t, 100);
    assert_true(t.set);
    assert_true(timerq_deadline(&q) == 100);
    assert_null(timerq_pop(&q, 99));
    assert_ptr_equal(timerq_pop(&q, 100), &t);
    assert_false(t.set);
    assert_true(t.deadline == 100);
    assert_null(timerq_pop(&q, 1000));
    timerq_set(&q, &t, 0);
    assert_ptr_equal(timerq_pop(&q, 0), &t);
}

static void equal_deadlines_come_in_the_order_they_were_set(void **state)
{
    (void)state;
    struct timerq q;
    struct timer t[100] = {0};
    timerq_init(&q);
    for (unsigned i = 0; i < 100; i++)
        timerq_set(&q, &t[i], 5);
    timerq_set(&q, &t[0], 5); /* set again: now the last */
    for (unsigned i = 1; i < 100; i++)
        assert_ptr_equal(timerq_pop(&q, 5), &t[i]);
    assert_ptr_equal(timerq_pop(&q, 5), &t[0]);
}

static void cancelled_and_moved_ones(void **state)
{
    (void)state;
    struct timerq q;
    struct timer a = {0}, b = {0}, c = {0};
    timerq_init(&q);
    timerq_set(&q, &a, 10);
    timerq_set(&q, &b, 20);
    timerq_set(&q, &c, 30);
    timerq_cancel(&q, &a);
    timerq_cancel(&q, &a);
    assert_true(timerq_deadline(&q) == 20);
    timerq_set(&q, &c, 15);
    assert_ptr_equal(timerq_pop(&q, 15), &c);
    timerq_set(&q, &b, NSEC_NEVER);
    assert_false(b.set);
    assert_true(timerq_deadline(&q) == NSEC_NEVER);
}

enum { TIMERS = 200 };

static struct timer *model_first(struct timer *t, const uint64_t *order)
{
    struct timer *first = NULL;
    for (unsigned i = 0; i < TIMERS; i++)
        if (t[i].set && (!first || t[i].deadline < first->deadline ||
                         (t[i].deadline == first->deadline && order[i] < order[first - t])))
            first = &t[i];
    return first;
}

static void it_agrees_with_a_plain_search(void **state)
{
    (void)state;
    static struct timer t[TIMERS];
    static uint64_t order[TIMERS];
    struct timerq q;
    struct rng rng = {11};
    uint64_t orders = 0;
    nsec now = 0;
    timerq_init(&q);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = (unsigned)rng_below(&rng, TIMERS);
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            timerq_set(&q, &t[i], now + rng_below(&rng, 50));
            order[i] = orders++;
            break;
        case 2: timerq_cancel(&q, &t[i]); break;
        default: now += rng_below(&rng, 3);
        }
        struct timer *first = model_first(t, order);
        assert_true(timerq_deadline(&q) == (first ? first->deadline : NSEC_NEVER));
        if (rng_below(&rng, 3) == 0) {
            bool due = first && first->deadline <= now;
            assert_ptr_equal(timerq_pop(&q, now), due ? first : NULL);
        }
    }
}

/* A heap that has become one long chain must not use the stack. */
static void a_million_in_any_shape(void **state)
{
    (void)state;
    enum { MANY = 1000000 };
    struct timer *t = test_calloc(MANY, sizeof *t);
    struct timerq q;
    timerq_init(&q);
    for (unsigned i = 0; i < MANY; i++)
        timerq_set(&q, &t[i], MANY - i); /* each the new root: a chain of children */
    for (unsigned i = MANY; i-- > MANY / 2;)
        assert_ptr_equal(timerq_pop(&q, NSEC_NEVER - 1), &t[i]);
    for (unsigned i = 0; i < MANY / 2; i++)
        timerq_cancel(&q, &t[i]);
    assert_true(timerq_deadline(&q) == NSEC_NEVER);
    test_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_no_deadline),
        cmocka_unit_test(timers_come_when_due_and_not_before),
        cmocka_unit_test(equal_deadlines_come_in_the_order_they_were_set),
        cmocka_unit_test(cancelled_and_moved_ones),
        cmocka_unit_test(it_agrees_with_a_plain_search),
        cmocka_unit_test(a_million_in_any_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
