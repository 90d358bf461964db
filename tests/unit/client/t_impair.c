#include "client/impair.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>

#define MANY     100000u
#define EVERY_NS (10 * NSEC_PER_MS)
#define SIZE     100u

/* What became of MANY datagrams, one every 10 ms. */
struct fates {
    struct impair m;
    uint64_t arrived, copies, bursts, longest;
    nsec soonest, latest; /* travel times */
    double mean_ns;
    bool in_order;
};

static struct fates feed(struct impair_profile profile, uint64_t seed, nsec every)
{
    struct fates f = {.soonest = NSEC_NEVER, .in_order = true};
    nsec last = 0;
    uint64_t run = 0;
    impair_init(&f.m, &profile, seed);
    for (unsigned i = 0; i < MANY; i++) {
        nsec now = NSEC_PER_S + i * every, at[IMPAIR_COPIES_MAX];
        unsigned n = impair_decide(&f.m, now, SIZE, at);
        assert_true(n <= IMPAIR_COPIES_MAX);
        f.arrived += n > 0;
        f.bursts += n == 0 && run == 0;
        run = n == 0 ? run + 1 : 0;
        f.longest = run > f.longest ? run : f.longest;
        for (unsigned k = 0; k < n; k++) {
            assert_true(at[k] >= now);
            f.soonest = at[k] - now < f.soonest ? at[k] - now : f.soonest;
            f.latest = at[k] - now > f.latest ? at[k] - now : f.latest;
            f.in_order &= at[k] >= last;
            last = at[k] > last ? at[k] : last;
            f.mean_ns += (double)(at[k] - now);
            f.copies++;
        }
    }
    f.mean_ns /= f.copies ? (double)f.copies : 1;
    return f;
}

/* Within four standard deviations of n trials. */
static void assert_share(uint64_t hits, uint64_t n, double p)
{
    double want = p * (double)n, sigma = sqrt(want * (1 - p));
    if (fabs((double)hits - want) > 4 * sigma)
        fail_msg("%llu of %llu, not about %.0f", (unsigned long long)hits, (unsigned long long)n,
                 want);
}

static void test_nothing_set_changes_nothing(void **state)
{
    (void)state;
    struct fates f = feed((struct impair_profile){0}, 1, EVERY_NS);
    assert_int_equal(f.copies, MANY);
    assert_int_equal(f.latest, 0);
    assert_true(f.in_order);
    assert_int_equal(f.m.lost + f.m.duplicated + f.m.reordered + f.m.queue_full, 0);
}

static void test_loses_the_share_asked_for(void **state)
{
    static const double shares[] = {0.001, 0.02, 0.5, 0.97};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        struct fates f = feed((struct impair_profile){.loss = shares[i]}, 7 + i, EVERY_NS);
        assert_share(f.m.lost, MANY, shares[i]);
        assert_int_equal(f.m.lost, MANY - f.arrived);
    }
}

static void test_probabilities_out_of_range(void **state)
{
    (void)state;
    assert_int_equal(feed((struct impair_profile){.loss = 1}, 1, 1).arrived, 0);
    assert_int_equal(feed((struct impair_profile){.loss = 7}, 1, 1).arrived, 0);
    assert_int_equal(feed((struct impair_profile){.loss = -1}, 1, 1).arrived, MANY);
    struct impair_profile odd = {.loss = (double)NAN,
                                 .duplicate = (double)NAN,
                                 .reorder = (double)NAN,
                                 .burst_enter = (double)NAN};
    assert_int_equal(feed(odd, 1, 1).copies, MANY);
    assert_int_equal(feed((struct impair_profile){.duplicate = 2}, 1, 1).copies, 2 * MANY);
}

/* Entered once in 200, left once in 5: 5 long, 200 apart, all of it lost. */
static void test_bursts(void **state)
{
    (void)state;
    struct impair_profile p = {.burst_enter = 0.005, .burst_leave = 0.2, .burst_loss = 1};
    struct fates f = feed(p, 11, EVERY_NS);
    double mean = (double)f.m.lost / (double)f.bursts;
    double share = 0.005 / (0.005 + 0.2);
    assert_true(mean > 4.5 && mean < 5.5);
    assert_true((double)f.m.lost > 0.85 * share * MANY && (double)f.m.lost < 1.15 * share * MANY);
    assert_true(f.longest >= 15 && f.longest <= 60);

    /* The same share without bursts comes one by one. */
    struct fates flat = feed((struct impair_profile){.loss = share}, 11, EVERY_NS);
    assert_true((double)flat.m.lost / (double)flat.bursts < 1.1);
}

static void test_a_burst_that_never_ends(void **state)
{
    (void)state;
    struct impair_profile p = {.burst_enter = 1, .burst_leave = 0, .burst_loss = 1};
    assert_int_equal(feed(p, 3, EVERY_NS).arrived, 0);
    p.burst_loss = 0.25;
    assert_share(feed(p, 3, EVERY_NS).m.lost, MANY, 0.25);
}

static void test_delay_and_jitter(void **state)
{
    (void)state;
    struct fates f = feed((struct impair_profile){.delay_us = 40000}, 5, EVERY_NS);
    assert_int_equal(f.soonest, 40 * NSEC_PER_MS);
    assert_int_equal(f.latest, 40 * NSEC_PER_MS);

    /* 4 ms to either side cannot make one meet the next, 10 ms behind. */
    f = feed((struct impair_profile){.delay_us = 40000, .jitter_us = 4000}, 5, EVERY_NS);
    assert_true(f.soonest >= 36 * NSEC_PER_MS && f.soonest < 37 * NSEC_PER_MS);
    assert_true(f.latest <= 44 * NSEC_PER_MS && f.latest > 43 * NSEC_PER_MS);
    assert_true(fabs(f.mean_ns / NSEC_PER_MS - 40) < 0.05);

    /* More jitter than delay: never before it was sent. */
    f = feed((struct impair_profile){.delay_us = 1000, .jitter_us = 5000}, 5, EVERY_NS);
    assert_int_equal(f.soonest, 0);
    assert_true(f.latest <= 6 * NSEC_PER_MS);
}

static void test_jitter_keeps_the_order(void **state)
{
    (void)state;
    struct impair_profile p = {.delay_us = 50000, .jitter_us = 50000, .duplicate = 0.1};
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct fates f = feed(p, seed, NSEC_PER_MS);
        assert_true(f.in_order);
        assert_true(f.latest <= 100 * NSEC_PER_MS);
    }
}

static void test_duplicates(void **state)
{
    (void)state;
    struct fates f = feed((struct impair_profile){.duplicate = 0.03}, 9, EVERY_NS);
    assert_int_equal(f.arrived, MANY);
    assert_int_equal(f.copies, MANY + f.m.duplicated);
    assert_share(f.m.duplicated, MANY, 0.03);
}

static void test_detours_let_others_by(void **state)
{
    (void)state;
    struct impair_profile p = {.delay_us = 20000, .reorder = 0.1, .reorder_us = 35000};
    struct fates f = feed(p, 13, EVERY_NS);
    assert_share(f.m.reordered, MANY, 0.1);
    assert_false(f.in_order);
    assert_int_equal(f.soonest, 20 * NSEC_PER_MS); /* those that went straight did not wait */
    assert_true(f.latest > 54 * NSEC_PER_MS && f.latest <= 55 * NSEC_PER_MS);

    p.reorder_us = 0;
    f = feed(p, 13, EVERY_NS);
    assert_true(f.latest > 39 * NSEC_PER_MS && f.latest <= 40 * NSEC_PER_MS);
    p.delay_us = 0; /* there is a detour even where there is no delay */
    f = feed(p, 13, NSEC_PER_MS / 10);
    assert_false(f.in_order);
    assert_true(f.latest <= NSEC_PER_MS);
}

static void test_rate_is_kept(void **state)
{
    (void)state;
    struct impair m;
    struct impair_profile p = {.rate_bytes_per_s = 1000000};
    nsec at[IMPAIR_COPIES_MAX];
    impair_init(&m, &p, 1);
    /* 1 MB/s: 1000 bytes a millisecond; no more than a second's worth waits. */
    for (nsec i = 0; i < 1000; i++) {
        assert_int_equal(impair_decide(&m, 0, 1000, at), 1);
        assert_int_equal(at[0], (i + 1) * NSEC_PER_MS);
    }
    assert_int_equal(impair_decide(&m, 0, 1, at), 0);
    assert_int_equal(m.queue_full, 1);
    assert_int_equal(impair_decide(&m, NSEC_PER_MS, 1000, at), 1);
    assert_int_equal(at[0], 1001 * NSEC_PER_MS);
    assert_int_equal(impair_decide(&m, 5 * NSEC_PER_S, 1000, at), 1); /* idle since long */
    assert_int_equal(at[0], 5 * NSEC_PER_S + NSEC_PER_MS);
}

static void test_queue_has_the_length_asked_for(void **state)
{
    (void)state;
    struct impair m;
    struct impair_profile p = {.rate_bytes_per_s = 1000, .queue_bytes = 300};
    nsec at[IMPAIR_COPIES_MAX];
    impair_init(&m, &p, 1);
    assert_int_equal(impair_decide(&m, 0, 5000, at), 1); /* idle: any size */
    assert_int_equal(at[0], 5 * NSEC_PER_S);
    assert_int_equal(impair_decide(&m, 0, 1, at), 0);
    assert_int_equal(impair_decide(&m, 5 * NSEC_PER_S - 1, 300, at), 0);
    assert_int_equal(impair_decide(&m, 5 * NSEC_PER_S, 300, at), 1);
    assert_int_equal(impair_decide(&m, 5 * NSEC_PER_S + 200 * NSEC_PER_MS, 200, at), 1);
    assert_int_equal(impair_decide(&m, 5 * NSEC_PER_S + 200 * NSEC_PER_MS, 1, at), 0);
    assert_int_equal(m.queue_full, 3);

    /* A steady flow of twice the rate: half of it gets through, no later than the queue is long. */
    p = (struct impair_profile){.rate_bytes_per_s = 5000, .queue_bytes = 1000};
    struct fates f = feed(p, 1, EVERY_NS);
    assert_true(f.arrived > MANY / 2 - 10 && f.arrived < MANY / 2 + 20);
    assert_true(f.latest <= 220 * NSEC_PER_MS);
}

static void test_equal_seeds_equal_fates(void **state)
{
    (void)state;
    struct impair_profile p = {.delay_us = 30000,
                               .jitter_us = 10000,
                               .loss = 0.02,
                               .burst_enter = 0.01,
                               .burst_leave = 0.2,
                               .burst_loss = 0.8,
                               .duplicate = 0.02,
                               .reorder = 0.02,
                               .rate_bytes_per_s = 9000};
    struct impair a, b, c;
    unsigned differ = 0;
    impair_init(&a, &p, 42);
    impair_init(&b, &p, 42);
    impair_init(&c, &p, 43);
    for (unsigned i = 0; i < 1000; i++) {
        nsec ta[IMPAIR_COPIES_MAX] = {0}, tb[IMPAIR_COPIES_MAX] = {0}, tc[IMPAIR_COPIES_MAX] = {0};
        unsigned na = impair_decide(&a, i * EVERY_NS, SIZE, ta);
        assert_int_equal(na, impair_decide(&b, i * EVERY_NS, SIZE, tb));
        assert_memory_equal(ta, tb, sizeof ta);
        differ += impair_decide(&c, i * EVERY_NS, SIZE, tc) != na || tc[0] != ta[0];
    }
    assert_true(differ > 900);
}

/* The nth datagram is lost or not whatever its size, its time and the rest of the profile. */
static void test_luck_does_not_move(void **state)
{
    (void)state;
    struct impair_profile plain = {.loss = 0.3},
                          rich = {.loss = 0.3, .duplicate = 0.5, .reorder = 0.5, .jitter_us = 9};
    struct impair a, b;
    impair_init(&a, &plain, 42);
    impair_init(&b, &rich, 42);
    for (unsigned i = 0; i < 1000; i++) {
        nsec at[IMPAIR_COPIES_MAX];
        bool one = impair_decide(&a, i, SIZE, at) > 0;
        assert_int_equal(one, impair_decide(&b, 77 * i, 3 * SIZE, at) > 0);
    }
}

static void test_extremes(void **state)
{
    (void)state;
    struct impair_profile most = {.delay_us = UINT32_MAX,
                                  .jitter_us = UINT32_MAX,
                                  .reorder = 1,
                                  .duplicate = 1,
                                  .reorder_us = UINT32_MAX,
                                  .rate_bytes_per_s = 1,
                                  .queue_bytes = UINT32_MAX};
    struct impair m;
    nsec at[IMPAIR_COPIES_MAX];
    impair_init(&m, &most, 1);
    for (unsigned i = 0; i < 8; i++)
        (void)impair_decide(&m, 0, SIZE_MAX, at);
    for (unsigned i = 0; i < 8; i++)
        if (impair_decide(&m, NSEC_NEVER - i, 1, at) > 0)
            assert_true(at[0] >= NSEC_NEVER - i);
    assert_int_equal(impair_decide(&m, 0, 1, at), 0); /* the queue is full for ages */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_set_changes_nothing),
        cmocka_unit_test(test_loses_the_share_asked_for),
        cmocka_unit_test(test_probabilities_out_of_range),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_a_burst_that_never_ends),
        cmocka_unit_test(test_delay_and_jitter),
        cmocka_unit_test(test_jitter_keeps_the_order),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_detours_let_others_by),
        cmocka_unit_test(test_rate_is_kept),
        cmocka_unit_test(test_queue_has_the_length_asked_for),
        cmocka_unit_test(test_equal_seeds_equal_fates),
        cmocka_unit_test(test_luck_does_not_move),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
