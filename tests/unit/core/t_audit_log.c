/* The audit log over a store and a spool that fail: what is numbered, what is stored, what is
 * spooled, who hears of it, and that the chain is whole whatever happened. */
#include "fixture_audit.h"

static int setup(void **state)
{
    *state = world_create();
    return 0;
}

static int teardown(void **state)
{
    world_destroy(*state);
    assert_int_equal(alloc_live_blocks(), 0);
    return 0;
}

/* ---- the ordinary day */

static void goes_out_together_after_a_while(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    for (unsigned i = 0; i < 10; i++)
        add(w, "x");
    run(w, AUDIT_FLUSH - 1);
    assert_int_equal(newest(w), 0);
    w->pending_most = 0;
    run(w, 1);
    assert_int_equal(newest(w), 10);
    assert_int_equal(w->pending_most, 10);
    assert_whole(w, 10);
    world_close(w);
    assert_int_equal(verified(w).fault, CHAIN_GOOD);
}

static void a_full_group_goes_at_once_and_never_more(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    for (unsigned i = 0; i < 3 * AUDIT_GROUP; i++)
        add(w, "x");
    w->pending_most = 0;
    run(w, 0);
    assert_int_equal(newest(w), 3 * AUDIT_GROUP);
    assert_int_equal(w->pending_most, AUDIT_GROUP);
    assert_whole(w, 3 * AUDIT_GROUP);
    world_close(w);
}

static void sync_hears_when_it_is_stored(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    sync_log(w); /* nothing to wait for */
    assert_int_equal(w->synced[0], 0);
    run(w, 0);
    assert_int_equal(w->synced[0], 1);
    add(w, "x");
    sync_log(w);
    assert_true(w->deadline <= w->now.mono); /* it does not wait for others */
    w->deadline = NSEC_NEVER;
    world_wake(w, audit_log_time(w->log, w->now));
    assert_int_equal(w->pending_n, 1);
    assert_int_equal(w->synced[0], 1);
    answer_pending(w);
    assert_int_equal(w->synced[0], 2);
    assert_true(w->rows[1].there);
    world_close(w);
    audit_log_add(NULL, w->now, &(struct audit_record){0});
    audit_log_sync(NULL, w->now, on_sync, w);
    assert_int_equal(w->synced[0], 3);
}

static void heads_by_time_and_number_and_at_the_end(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 10 * AUDIT_HEAD_EVERY);
    assert_int_equal(w->heads_n, 0); /* nothing new, no head */
    add(w, "x");
    run(w, AUDIT_HEAD_EVERY + AUDIT_FLUSH - 1);
    assert_int_equal(w->heads_n, 0);
    run(w, 1);
    assert_int_equal(w->heads_n, 1);
    run(w, 10 * AUDIT_HEAD_EVERY);
    assert_int_equal(w->heads_n, 1);
    for (unsigned i = 0; i < 2 * AUDIT_HEAD_RECORDS - 1; i++)
        add(w, "x");
    run(w, AUDIT_FLUSH); /* signed while others are still on their way */
    assert_int_equal(w->heads_n, 2);
    assert_in_range(w->heads[1].seq, 1 + AUDIT_HEAD_RECORDS, AUDIT_HEAD_RECORDS + AUDIT_GROUP);
    world_close(w);
    assert_int_equal(w->heads[w->heads_n - 1].seq, 2 * AUDIT_HEAD_RECORDS);
    assert_int_equal(verified(w).fault, CHAIN_GOOD);
}

static void goes_on_over_a_restart(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < 4; i++) {
        world_open(w);
        add(w, "before the tail is known");
        run(w, NSEC_PER_S);
        add(w, "after");
        world_close(w);
    }
    assert_whole(w, 8);
    assert_int_equal(verified(w).fault, CHAIN_GOOD);
    assert_int_equal(w->conflicts, 0);
    assert_int_equal(w->heads[w->heads_n - 1].seq, 8);
}

static void security_is_said_at_once_but_not_endlessly(void **state)
{
    struct world *w = *state;
    const struct audit_record r = {
        .type = AUDIT_SECURITY, .game = SPAN_LIT("server"), .details = SPAN_LIT("x")};
    world_open(w);
    for (unsigned i = 0; i < 100; i++)
        audit_log_add(w->log, w->now, &r);
    assert_in_range(w->logged, 1, 20);
    uint64_t before = w->logged;
    run(w, NSEC_PER_S);
    audit_log_add(w->log, w->now, &r);
    assert_int_equal(w->logged, before + 1);
    world_close(w);
    assert_whole(w, 101);
}

/* ---- the store fails */

static void a_lost_answer_makes_no_second_record(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    add(w, "a");
    add(w, "b");
    w->fault = LOSES;
    run(w, AUDIT_FLUSH); /* stored, said to be not, spooled */
    assert_int_equal(newest(w), 2);
    assert_true(w->lines_n > 0);
    w->fault = FINE;
    add(w, "c");
    run(w, 5 * NSEC_PER_S);
    assert_int_equal(w->lines_n, 0);
    assert_int_equal(w->taken, 0);
    assert_true(w->appends > 3);
    assert_int_equal(w->conflicts, 0);
    assert_whole(w, 3);
    world_close(w);
}

static void a_chain_that_another_process_writes_too_is_told(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    add(w, "ours");
    run(w, AUDIT_FLUSH);
    w->rows[2] = w->rows[1]; /* theirs */
    add(w, "ours too");
    run(w, AUDIT_FLUSH);
    assert_int_equal(w->taken, 1);
    world_close(w);
}

static void answers_in_any_order(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    w->backwards = true;
    for (unsigned i = 0; i < 50; i++)
        add(w, "x");
    sync_log(w);
    run(w, 0);
    assert_int_equal(w->synced[0], 1);
    assert_whole(w, 50);
    world_close(w);
}

static void spooled_while_down_and_stored_after(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    add(w, "a");
    run(w, NSEC_PER_S);
    w->fault = REFUSES;
    for (unsigned i = 0; i < 300; i++) {
        add(w, "while it is down");
        sync_log(w);
        run(w, NSEC_PER_S);
    }
    assert_int_equal(w->synced[0], 300); /* the spool is safe too */
    assert_int_equal(newest(w), 1);
    w->fault = FINE;
    run(w, 31 * NSEC_PER_S);
    assert_int_equal(newest(w), 301);
    assert_int_equal(w->lines_n, 0);
    add(w, "and on");
    run(w, 2 * AUDIT_HEAD_EVERY);
    assert_whole(w, 302);
    assert_int_equal(verified(w).fault, CHAIN_GOOD);
    world_close(w);
}

static void what_was_spooled_outlives_the_process(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    add(w, "a");
    run(w, NSEC_PER_S);
    w->fault = FAILS;
    add(w, "b");
    add(w, "c");
    world_close(w); /* in good order, the store down */
    assert_true(w->lines_n > 0);
    w->fault = FINE;
    world_open(w);
    add(w, "d");
    run(w, NSEC_PER_S);
    assert_int_equal(w->lines_n, 0);
    assert_whole(w, 4);
    world_close(w);
    assert_int_equal(verified(w).fault, CHAIN_GOOD);
}

static void the_spool_may_be_replayed_twice(void **state)
{
    struct world *w = *state;
    uint8_t copy[4096];
    world_open(w);
    run(w, 0);
    w->fault = FAILS;
    add(w, "a");
    add(w, "b");
    run(w, AUDIT_FLUSH);
    size_t n = w->lines_n;
    assert_in_range(n, 1, sizeof copy);
    memcpy(copy, w->lines, n);
    w->fault = FINE;
    run(w, NSEC_PER_S);
    assert_whole(w, 2);
    add(w, "c");
    world_close(w);
    memcpy(w->lines, copy, w->lines_n = n); /* it was not put away before a crash */
    world_open(w);
    run(w, NSEC_PER_S);
    add(w, "d");
    world_close(w);
    assert_int_equal(w->conflicts, 0);
    assert_int_equal(w->aside_n, 0);
    assert_whole(w, 4);
}

static void a_spool_of_another_chain_is_put_aside(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    w->fault = FAILS;
    add(w, "of another database");
    run(w, AUDIT_FLUSH);
    world_kill(w);
    size_t n = w->lines_n;
    w->lines_n = 0;
    w->fault = FINE;
    w->now.unix_ms++;
    world_open(w);
    add(w, "of this one");
    world_close(w);
    w->lines_n = n;
    world_open(w);
    add(w, "more");
    run(w, NSEC_PER_S);
    assert_int_equal(w->aside_n, n);
    assert_int_equal(w->conflicts, 0);
    world_close(w);
    assert_whole(w, 3); /* one of them says so */
}

static void neither_store_nor_spool(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    w->fault = FAILS;
    w->spool_rc = E_IO;
    add(w, "a");
    sync_log(w);
    run(w, NSEC_PER_S);
    assert_int_equal(w->synced[1], 1);
    run(w, 100 * NSEC_PER_S);
    add(w, "b");
    sync_log(w);
    run(w, 5 * NSEC_PER_S);
    assert_int_equal(w->synced[1], 2);
    w->fault = FINE;
    run(w, 31 * NSEC_PER_S); /* they were kept all the same */
    assert_whole(w, 2);
    w->fault = FAILS;
    add(w, "lost, and the end comes all the same");
    world_close(w);
}

static void memory_only(void **state)
{
    struct world *w = *state;
    w->cfg.spool = NULL;
    world_open(w);
    run(w, 0);
    w->fault = REFUSES;
    add(w, "a");
    sync_log(w);
    run(w, NSEC_PER_S);
    assert_int_equal(w->synced[1], 1);
    w->fault = FINE;
    run(w, 31 * NSEC_PER_S);
    assert_whole(w, 1);
    w->fault = FAILS;
    add(w, "b");
    world_close(w);
    w->fault = FINE;
    assert_whole(w, 1);
}

static void the_start_waits_for_the_store(void **state)
{
    struct world *w = *state;
    world_open(w);
    add(w, "x");
    world_close(w);
    w->fault = REFUSES;
    world_open(w);
    for (unsigned i = 0; i < 10; i++)
        add(w, "early");
    sync_log(w);
    run(w, NSEC_PER_S);
    assert_int_equal(w->synced[1], 1);
    run(w, 100 * NSEC_PER_S);
    w->fault = FINE;
    run(w, 31 * NSEC_PER_S);
    assert_whole(w, 11);
    world_close(w);
    w->fault = FAILS;
    world_open(w);
    add(w, "never");
    world_close(w); /* ends, though it knows no number for it */
    assert_whole(w, 11);
}

static void what_the_store_never_takes_is_passed_over(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    add(w, "a");
    w->fault = FAILS;
    w->fault_rc = E_LIMIT;
    run(w, AUDIT_FLUSH);
    w->fault = FINE;
    add(w, "b");
    run(w, AUDIT_FLUSH);
    assert_true(w->rows[2].there);
    assert_int_equal(verified(w).fault, CHAIN_REMOVED);
    world_close(w);
}

static void more_than_there_is_room_for(void **state)
{
    struct world *w = *state;
    w->cfg.spool = NULL;
    w->cfg.records_max = 10;
    world_open(w);
    run(w, 0);
    w->fault = FAILS;
    for (unsigned i = 0; i < 10; i++)
        add(w, "x");
    sync_log(w);
    run(w, 0);
    assert_int_equal(w->synced[2], 0); /* ten have room */
    for (unsigned i = 0; i < 7; i++)
        add(w, "no room");
    sync_log(w);
    assert_int_equal(w->synced[2], 1);
    w->fault = FINE;
    run(w, 31 * NSEC_PER_S);
    assert_whole(w, 11);
    assert_non_null(memmem(w->rows[11].bytes, w->rows[11].n, "7 audit records", 15));
    sync_log(w);
    run(w, 0);
    assert_int_equal(w->synced[2], 1); /* told: it is in the chain */
    world_close(w);
}

static void more_syncs_than_can_wait(void **state)
{
    struct world *w = *state;
    world_open(w);
    run(w, 0);
    add(w, "x");
    for (unsigned i = 0; i < AUDIT_SYNCS_MAX; i++)
        sync_log(w);
    assert_int_equal(w->synced[2], 0);
    sync_log(w);
    assert_int_equal(w->synced[2], 1);
    run(w, AUDIT_FLUSH);
    assert_int_equal(w->synced[0], AUDIT_SYNCS_MAX);
    world_close(w);
}

/* ---- retention */

static void what_is_old_is_cut_and_dropped(void **state)
{
    struct world *w = *state;
    const nsec day = 86400 * NSEC_PER_S;
    w->cfg.retention_days = 3;
    world_open(w);
    for (unsigned i = 0; i < 10; i++) {
        add(w, "one a day");
        run(w, day);
        assert_in_range(verified(w).fault, CHAIN_GOOD, CHAIN_UNSIGNED);
    }
    assert_false(w->rows[6].there);
    assert_true(w->rows[9].there);
    assert_true(w->cuts_n > 0);
    uint64_t cut = w->cut.seq;
    assert_int_equal(verified(w).start, cut);
    for (size_t i = 0; i < w->heads_n; i++)
        assert_true(w->heads[i].seq > cut);
    run(w, 30 * day); /* the newest stays, so that the chain goes on */
    assert_int_equal(newest(w), 10);
    assert_whole(w, 1);
    world_close(w);
    world_open(w);
    add(w, "on it goes");
    world_close(w);
    assert_whole(w, 2);
}

static void a_purge_that_fails_is_tried_again(void **state)
{
    struct world *w = *state;
    const nsec hour = 3600 * NSEC_PER_S;
    w->cfg.retention_days = 1;
    world_open(w);
    for (unsigned i = 0; i < 5; i++)
        add(w, "old");
    run(w, 20 * hour);
    w->fault = FAILS;
    run(w, 20 * hour);
    add(w, "new");
    w->fault = FINE;
    run(w, 20 * hour);
    assert_int_equal(newest(w), 6);
    assert_false(w->rows[5].there);
    assert_whole(w, 1);
    world_close(w);
}

/* ---- anything */

/* Adds, syncs, failures of every kind, good ends and kills, at random: the chain is always whole,
 * and every record that a sync vouched for is in it. */
struct vouched {
    struct world *w;
    char text[16];
    bool safe;
};

static void on_vouched(void *ctx, struct now now, int rc)
{
    struct vouched *v = ctx;
    (void)now;
    v->safe = rc == 0;
}

static bool is_there(const struct world *w, const char *text)
{
    for (uint64_t seq = 1; seq < ROWS; seq++)
        if (w->rows[seq].there && memmem(w->rows[seq].bytes, w->rows[seq].n, text, strlen(text)))
            return true;
    return false;
}

static void step(struct world *w, struct rng *rng, struct vouched *v, unsigned *n)
{
    switch (rng_below(rng, 12)) {
    case 0: w->fault = (enum fault)rng_below(rng, 4); break;
    case 1: w->fault = FINE; break;
    case 2: w->spool_rc = rng_below(rng, 3) ? 0 : E_IO; break;
    case 3:
        if (rng_below(rng, 4) == 0) {
            if (rng_below(rng, 2))
                world_close(w);
            else
                world_kill(w);
            world_open(w);
        }
        break;
    case 4:
    case 5:
        answer_pending(w);
        spool_finish(w, w->spool_rc == 0 || rng_below(rng, 2));
        break;
    case 6: run(w, rng_below(rng, 3) * NSEC_PER_S); break;
    default:
        v[*n].w = w;
        (void)snprintf(v[*n].text, sizeof v->text, "<%u>", *n);
        add(w, v[*n].text);
        audit_log_sync(w->log, w->now, on_vouched, &v[*n]);
        (*n)++;
        break;
    }
}

static void whatever_happens(void **state)
{
    (void)state;
    enum { STEPS = 400 };
    struct vouched *v = alloc_own(STEPS * sizeof *v);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng = {seed};
        struct world *w = world_create();
        unsigned n = 0;
        memset(v, 0, STEPS * sizeof *v);
        world_open(w);
        for (unsigned i = 0; i < STEPS; i++)
            step(w, &rng, v, &n);
        w->fault = FINE;
        w->spool_rc = 0;
        run(w, 40 * NSEC_PER_S);
        world_close(w);
        for (unsigned i = 0; i < n; i++)
            if (v[i].safe && !is_there(w, v[i].text))
                fail_msg("seed %u: %s was vouched for and is not there", (unsigned)seed, v[i].text);
        if (verified(w).fault != CHAIN_GOOD)
            print_error("seed %u\n", (unsigned)seed);
        assert_int_equal(verified(w).fault, CHAIN_GOOD);
        assert_int_equal(w->conflicts, 0);
        world_destroy(w);
    }
    alloc_own_free(v);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(goes_out_together_after_a_while),
        TEST(a_full_group_goes_at_once_and_never_more),
        TEST(sync_hears_when_it_is_stored),
        TEST(heads_by_time_and_number_and_at_the_end),
        TEST(goes_on_over_a_restart),
        TEST(security_is_said_at_once_but_not_endlessly),
        TEST(a_lost_answer_makes_no_second_record),
        TEST(a_chain_that_another_process_writes_too_is_told),
        TEST(answers_in_any_order),
        TEST(spooled_while_down_and_stored_after),
        TEST(what_was_spooled_outlives_the_process),
        TEST(the_spool_may_be_replayed_twice),
        TEST(a_spool_of_another_chain_is_put_aside),
        TEST(neither_store_nor_spool),
        TEST(memory_only),
        TEST(the_start_waits_for_the_store),
        TEST(what_the_store_never_takes_is_passed_over),
        TEST(more_than_there_is_room_for),
        TEST(more_syncs_than_can_wait),
        TEST(what_is_old_is_cut_and_dropped),
        TEST(a_purge_that_fails_is_tried_again),
        TEST(whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
