#include "client/hold.h"
#include "sim/alloc_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct sgc_hold *make(const char *link, bool keep_lost)
{
    struct sgc_hold *h = alloc_own(sizeof *h);
    struct sgc_profile p;
    char why[256];
    assert_int_equal(sgc_profile_read(&p, link, why, sizeof why), 0);
    sgc_hold_init(h, &p, 1, keep_lost);
    return h;
}

static void unmake(struct sgc_hold *h)
{
    sgc_hold_fini(h);
    alloc_own_free(h);
}

static bool put(struct sgc_hold *h, enum sgc_direction d, uint64_t now_us, const char *text)
{
    return sgc_hold_put(h, d, now_us, span_str(text));
}

/* All that is due, as text: "<text >text " by direction, with ! for lost and * for twins. */
static const char *taken(struct sgc_hold *h, uint64_t now_us)
{
    static char all[512];
    struct sgc_arriving a;
    size_t n = 0;
    all[0] = '\0';
    while (sgc_hold_take(h, now_us, &a))
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s%.*s ",
                              a.direction == SGC_UP ? ">" : "<",
                              a.how == SGC_LOST   ? "!"
                              : a.how == SGC_TWIN ? "*"
                                                  : "",
                              (int)a.datagram.n, (const char *)a.datagram.p);
    return all;
}

static void test_out_in_time(void **state)
{
    struct sgc_hold *h = make("up.delay_ms = 30\ndown.delay_ms = 10", false);
    (void)state;
    assert_int_equal(sgc_hold_due_us(h), UINT64_MAX);
    assert_string_equal(taken(h, UINT64_MAX), "");
    assert_true(put(h, SGC_UP, 1000, "a"));
    assert_true(put(h, SGC_DOWN, 1000, "b"));
    assert_true(put(h, SGC_DOWN, 1000, "c"));
    assert_int_equal(sgc_hold_due_us(h), 11000);
    assert_string_equal(taken(h, 10999), "");
    assert_string_equal(taken(h, 11000), "<b <c ");
    assert_int_equal(sgc_hold_due_us(h), 31000);
    assert_string_equal(taken(h, 50000), ">a ");
    assert_int_equal(sgc_hold_due_us(h), UINT64_MAX);
    unmake(h);
}

/* A time between two microseconds is not due before the second. */
static void test_due_is_rounded_up(void **state)
{
    struct sgc_hold *h = make("rate_kbit = 24000", false); /* 3 MB/s: a byte takes 333 ns */
    (void)state;
    assert_true(put(h, SGC_UP, 0, ""));
    assert_int_equal(sgc_hold_due_us(h), 10); /* 28 bytes of headers: 9,333 ns */
    assert_string_equal(taken(h, 9), "");
    assert_string_equal(taken(h, 10), "> ");
    unmake(h);
}

static void test_lost_ones(void **state)
{
    struct sgc_hold *h = make("loss_percent = 100\ndelay_ms = 5", false);
    struct slipgate_stats s = {0};
    (void)state;
    assert_false(put(h, SGC_UP, 0, "a"));
    assert_false(put(h, SGC_DOWN, 0, "b"));
    assert_string_equal(taken(h, 1000000), "");
    unmake(h);

    h = make("loss_percent = 100\ndelay_ms = 5", true);
    assert_false(put(h, SGC_UP, 0, "a"));
    assert_false(put(h, SGC_DOWN, 0, "b"));
    assert_string_equal(taken(h, 4999), "");
    assert_string_equal(taken(h, 5000), "<!b ");
    sgc_hold_stats(h, &s);
    assert_int_equal(s.link_up, 1);
    assert_int_equal(s.link_up_lost, 1);
    assert_int_equal(s.link_down_lost, 1);
    unmake(h);
}

static void test_twins(void **state)
{
    struct sgc_hold *h = make("duplicate_percent = 100", false);
    struct slipgate_stats s = {0};
    (void)state;
    assert_true(put(h, SGC_DOWN, 7, "a"));
    assert_true(put(h, SGC_DOWN, 7, "b"));
    assert_string_equal(taken(h, 7), "<*a <*a <*b <*b ");
    sgc_hold_stats(h, &s);
    assert_int_equal(s.link_down_doubled, 2);
    assert_int_equal(s.link_down_lost, 0);
    unmake(h);
}

/* Detours: whatever the order of arrival, time does not run backwards and nothing is lost. */
static void test_many_in_any_order(void **state)
{
    struct sgc_hold *h = make("delay_ms = 20\njitter_ms = 20\nreorder_percent = 50\n"
                              "reorder_ms = 50\nduplicate_percent = 20",
                              false);
    uint64_t n = 0, seen[3000] = {0}, number, swaps = 0, last = 0;
    struct sgc_arriving a;
    (void)state;
    for (uint64_t now_us = 0; now_us < 3200000; now_us += 100) {
        if (now_us % 1000 == 0 && n < ARRAY_LEN(seen)) {
            assert_true(sgc_hold_put(h, n % 2 ? SGC_UP : SGC_DOWN, now_us, span_of(&n, sizeof n)));
            n++;
        }
        while (sgc_hold_take(h, now_us, &a)) {
            assert_int_equal(a.datagram.n, sizeof number);
            memcpy(&number, a.datagram.p, sizeof number);
            assert_true(number < n);
            assert_int_equal(a.direction, number % 2 ? SGC_UP : SGC_DOWN);
            assert_true(now_us <= number * 1000 + 90000);
            seen[number]++;
            swaps += number < last;
            last = number;
        }
        assert_true(sgc_hold_due_us(h) > now_us);
    }
    struct slipgate_stats s = {0};
    sgc_hold_stats(h, &s);
    uint64_t copies = 0;
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_true(seen[i] >= 1 && seen[i] <= 2);
        copies += seen[i] - 1;
    }
    assert_int_equal(copies, s.link_up_doubled + s.link_down_doubled);
    assert_true(swaps > 500);
    unmake(h);
}

static void test_ceiling(void **state)
{
    struct sgc_hold *h = make("delay_ms = 1000", false);
    struct slipgate_stats s = {0};
    struct sgc_arriving a;
    unsigned n = 0;
    (void)state;
    for (unsigned i = 0; i < SLIPGATE_LINK_HELD_MAX; i++)
        assert_true(put(h, i % 2 ? SGC_UP : SGC_DOWN, i, "x"));
    assert_false(put(h, SGC_UP, SLIPGATE_LINK_HELD_MAX, "x"));
    assert_false(put(h, SGC_DOWN, SLIPGATE_LINK_HELD_MAX, "x"));
    sgc_hold_stats(h, &s);
    assert_int_equal(s.link_up_lost, 1);
    assert_int_equal(s.link_down_lost, 1);
    assert_true(sgc_hold_take(h, 1000000, &a)); /* one place is free again, for one */
    assert_true(put(h, SGC_UP, 1000000, "y"));
    assert_false(put(h, SGC_UP, 1000000, "z"));
    while (sgc_hold_take(h, UINT64_MAX / 1000, &a))
        n++;
    assert_int_equal(n, SLIPGATE_LINK_HELD_MAX);
    unmake(h);
}

static void test_largest_and_empty(void **state)
{
    struct sgc_hold *h = make("delay_ms = 1", false);
    uint8_t bytes[SGC_DATAGRAM_MAX];
    struct sgc_arriving a;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    assert_true(sgc_hold_put(h, SGC_UP, 0, span_of(bytes, sizeof bytes)));
    assert_true(sgc_hold_put(h, SGC_DOWN, 0, SPAN_NULL));
    assert_true(sgc_hold_take(h, 1000, &a));
    assert_int_equal(a.datagram.n, sizeof bytes);
    assert_memory_equal(a.datagram.p, bytes, sizeof bytes);
    assert_true(sgc_hold_take(h, 1000, &a));
    assert_int_equal(a.datagram.n, 0);
    unmake(h);
}

/* What finds no memory is lost and counted; what is held already is not. */
static void test_memory_short(void **state)
{
    struct sgc_hold *h = make("delay_ms = 1", false);
    struct slipgate_stats s = {0};
    struct sgc_arriving a;
    unsigned held = 0, came = 0;
    (void)state;
    alloc_fault_from(1);
    assert_false(put(h, SGC_UP, 0, "x"));
    for (unsigned long nth = 1; nth <= 2; nth++) { /* the queue, and the slots */
        alloc_fault_at(0);
        assert_true(put(h, SGC_UP, 0, "x"));
        for (held++; h->n < h->cap; held++)
            assert_true(put(h, SGC_UP, 0, "x"));
        alloc_fault_at(nth);
        assert_false(put(h, SGC_UP, 0, "x"));
        assert_true(alloc_fault_fired());
    }
    alloc_fault_at(0);
    sgc_hold_stats(h, &s);
    assert_int_equal(s.link_up_lost, 3);
    while (sgc_hold_take(h, 1000, &a))
        came++;
    assert_int_equal(came, held);
    unmake(h);
}

static void test_clear(void **state)
{
    struct sgc_hold *h = make("delay_ms = 1\nreorder_percent = 50", false);
    (void)state;
    for (int round = 0; round < 3; round++) {
        char text[16];
        for (int i = 0; i < 100; i++)
            assert_true(put(h, SGC_UP, 0, (snprintf(text, sizeof text, "%d", i), text)));
        if (round == 1) /* with the slots in some other order */
            while (strlen(taken(h, 1100)) > 0)
                ;
        sgc_hold_clear(h);
        assert_int_equal(sgc_hold_due_us(h), UINT64_MAX);
    }
    assert_true(put(h, SGC_UP, 5000000, "a"));
    assert_string_equal(taken(h, 6000000), ">a ");
    unmake(h);
}

/* The two directions are two links: same profile and seed, other luck. */
static void test_directions_differ(void **state)
{
    struct sgc_hold *h = make("loss_percent = 50", false),
                    *again = make("loss_percent = 50", false);
    unsigned differ = 0;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        bool up = put(h, SGC_UP, i, "x"), down = put(h, SGC_DOWN, i, "x");
        differ += up != down;
        assert_int_equal(put(again, SGC_UP, i, "x"), up);
        assert_int_equal(put(again, SGC_DOWN, i, "x"), down);
    }
    assert_true(differ > 60 && differ < 140);
    unmake(h);
    unmake(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_in_time),
        cmocka_unit_test(test_due_is_rounded_up),
        cmocka_unit_test(test_lost_ones),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_many_in_any_order),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_largest_and_empty),
        cmocka_unit_test(test_memory_short),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_directions_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
