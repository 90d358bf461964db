/* The desk of bans over a store that fails, forgets, answers late or out of order: what is in force
 * when, what is in the store in the end, who is told, and that live sessions are ended. */
#include "ban_desk_kit.h"

static void reads_at_the_start(void **state)
{
    (void)state;
    int64_t id = row("203.0.113.0/24", 0);
    store.mode = FAILS;
    open_desk();
    settle();
    assert_false(ban_desk_ready(w.desk));
    assert_int_equal(who("203.0.113.9"), 0);
    store.mode = REFUSES;
    pass(NSEC_PER_S);
    assert_false(ban_desk_ready(w.desk));
    store.mode = WELL;
    pass(30 * NSEC_PER_S);
    settle();
    assert_true(ban_desk_ready(w.desk));
    assert_int_equal(who("203.0.113.9"), id);
    assert_int_equal(w.enforced, 1); /* somebody may have come before the list was there */
}

static void reads_in_pages(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1501; i++) {
        char net[32];
        (void)snprintf(net, sizeof net, "10.1.%u.%u", i / 250, i % 250 + 1);
        (void)row(net, 0);
    }
    open_and_read();
    assert_int_equal(store.lists, 4);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 1501);
    assert_int_equal(who("10.1.6.1"), 1501);
    assert_int_equal(w.enforced, 1501);
    /* A page that fails leaves all as it was. */
    (void)row("10.2.0.1", 0);
    pass(NSEC_PER_S);
    message(CLUSTER_BAN_ADDED);
    turn();
    answer_nth(0);
    store.mode = FAILS;
    answer_nth(0);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 1501);
    assert_int_equal(who("10.2.0.1"), 0);
}

/* However many bans others make, a long list is read once a second. */
static void a_long_list_rests(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 501; i++) {
        char net[32];
        (void)snprintf(net, sizeof net, "10.1.%u.%u", i / 250, i % 250 + 1);
        (void)row(net, 0);
    }
    open_and_read();
    assert_int_equal(store.lists, 2);
    (void)row("10.2.0.1", 0);
    for (unsigned i = 0; i < 20; i++) {
        message(CLUSTER_BAN_ADDED);
        settle();
        pass(10 * NSEC_PER_MS);
    }
    assert_int_equal(store.lists, 2);
    pass(NSEC_PER_S);
    settle();
    assert_int_equal(store.lists, 4);
    assert_int_equal(who("10.2.0.1"), 502);
    pass(2 * NSEC_PER_S);
    (void)row("10.2.0.2", 0);
    message(CLUSTER_BAN_ADDED); /* after a while it is at once */
    settle();
    assert_int_equal(who("10.2.0.2"), 503);
}

static void reads_every_half_minute(void **state)
{
    (void)state;
    open_and_read();
    int64_t id = row("203.0.113.0/24", 0);
    pass(29 * NSEC_PER_S);
    settle();
    assert_int_equal(who("203.0.113.9"), 0);
    pass(NSEC_PER_S);
    settle();
    assert_int_equal(who("203.0.113.9"), id);
    assert_int_equal(w.enforced, 1);
    assert_true(remove_row(id));
    pass(30 * NSEC_PER_S);
    settle();
    assert_int_equal(who("203.0.113.9"), 0);
}

static void keeps_what_it_read(void **state)
{
    (void)state;
    (void)row("203.0.113.0/24", 0);
    open_and_read();
    store.mode = FAILS;
    pass(100 * NSEC_PER_S);
    settle();
    assert_int_equal(who("203.0.113.9"), 1);
}

static void a_message_reads_at_once(void **state)
{
    (void)state;
    open_and_read();
    (void)row("203.0.113.0/24", 0);
    message(CLUSTER_BAN_ADDED);
    settle();
    assert_int_equal(who("203.0.113.9"), 1);
    assert_string_equal(w.last_enforced, "203.0.113.0/24");
    /* One that comes while the list is being read is not lost. */
    message(CLUSTER_BAN_ADDED);
    turn();
    assert_int_equal(store.pending_n, 1);
    answer_nth(0);
    turn();
    assert_int_equal(store.pending_n, 0);
    message(CLUSTER_BAN_ADDED);
    turn();
    message(CLUSTER_BAN_REMOVED);
    unsigned lists = store.lists;
    settle();
    assert_int_equal(store.lists, lists + 2);
    message(CLUSTER_SIGNED_IN); /* nothing of ours */
    turn();
    assert_int_equal(store.pending_n, 0);
    message(CLUSTER_GAP);
    turn();
    assert_int_equal(store.pending_n, 1);
    settle();
}

static void wrong_rows_are_left_out(void **state)
{
    (void)state;
    (void)row("203.0.113.1", 0);
    store.rows[0].text[2][3] = 'x';
    (void)row("203.0.113.2", 0);
    store.rows[1].v[3] = 300;
    (void)row("203.0.113.3", 0);
    store.rows[2].v[0] = 7;
    (void)row("203.0.113.4", 0);
    store.rows[3].text[6][0] = '\0';
    (void)row("203.0.113.5", 0);
    open_and_read();
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 1);
    assert_int_equal(who("203.0.113.5"), 5);
}

static void in_force_at_once(void **state)
{
    (void)state;
    open_and_read();
    assert_int_equal(add("203.0.113.7"), 0);
    assert_true(who("203.0.113.7") > 0);
    assert_int_equal(w.enforced, 0); /* never from within the call */
    turn();
    assert_int_equal(w.enforced, 1);
    assert_int_equal(w.heard.calls, 0);
    settle();
    assert_int_equal(w.heard.calls, 1);
    assert_int_equal(w.heard.rc, 0);
    assert_int_equal(w.heard.id, 1);
    assert_int_equal(who("203.0.113.7"), 1);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 1);
    assert_int_equal(w.told[CLUSTER_BAN_ADDED], 1);
    assert_int_equal(w.added, 1);
    assert_string_equal(w.audit, "server|mary|203.0.113.7|game= expires=0 evidence= reason=bots");
}

/* The store may be quicker than the loop: live sessions are held against the ban all the same. */
static void stored_before_it_was_enforced(void **state)
{
    (void)state;
    open_and_read();
    assert_int_equal(add("203.0.113.0/24"), 0);
    answer_all();
    assert_int_equal(w.enforced, 0);
    settle();
    assert_int_equal(w.enforced, 1);
    assert_string_equal(w.last_enforced, "203.0.113.0/24");
}

static void accounts_and_games(void **state)
{
    (void)state;
    open_and_read();
    struct ban b = {.kind = BAN_ACCOUNT,
                    .account = 12,
                    .game = SPAN_LIT("arena"),
                    .author = SPAN_LIT("system"),
                    .expires = T0 + 3600000};
    assert_int_equal(ban_desk_add(w.desk, w.now, &b, false, NULL, NULL, NULL), 0);
    settle();
    assert_string_equal(w.audit, "arena|system|#12|game=arena expires=1700003600000 evidence= "
                                 "reason=");
    assert_non_null(ban_desk_account(w.desk, w.now, 12, SPAN_LIT("arena")));
    assert_null(ban_desk_account(w.desk, w.now, 12, SPAN_LIT("other")));
    message(CLUSTER_BAN_ADDED); /* comes back from the store as it was */
    settle();
    const struct ban *got = ban_desk_account(w.desk, w.now, 12, SPAN_LIT("arena"));
    assert_non_null(got);
    assert_true(span_eq(got->author, SPAN_LIT("system")));
    assert_int_equal(got->created, T0);
    pass(3600 * NSEC_PER_S);
    settle();
    assert_null(ban_desk_account(w.desk, w.now, 12, SPAN_LIT("arena")));
    assert_int_equal(store.purges, 1);
}

static void what_may_not_be(void **state)
{
    (void)state;
    struct buf why;
    buf_init(&why, 256);
    open_and_read();
    struct ban b = net_ban("10.0.0.0/7");
    assert_int_equal(ban_desk_add(w.desk, w.now, &b, false, heard, NULL, &why), E_RANGE);
    assert_int_equal(buf_append_byte(&why, 0), 0);
    assert_non_null(strstr((const char *)why.p, "'network' is wider"));
    buf_fini(&why);
    assert_int_equal(w.added, 0);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 0);
    assert_int_equal(ban_desk_add(w.desk, w.now, &b, true, heard, NULL, NULL), 0);
    settle();
    assert_int_equal(lift(99), E_NOENT);
    assert_int_equal(ban_desk_remove(w.desk, w.now, 1, SPAN_NULL, heard, NULL), E_RANGE);
}

static void lifting(void **state)
{
    (void)state;
    open_and_read();
    assert_int_equal(add("203.0.113.7"), 0);
    settle();
    assert_int_equal(lift(1), 0);
    assert_int_equal(lift(1), E_BUSY);
    assert_int_equal(who("203.0.113.7"), 1); /* until the store has said so */
    settle();
    assert_int_equal(who("203.0.113.7"), 0);
    assert_int_equal(w.heard.calls, 2);
    assert_int_equal(w.heard.rc, 0);
    assert_int_equal(store.rows_n, 0);
    assert_int_equal(w.lifted, 1);
    assert_int_equal(w.told[CLUSTER_BAN_REMOVED], 1);
    assert_int_equal(lift(1), E_NOENT);
    /* Somebody else was faster. */
    assert_int_equal(add("203.0.113.8"), 0);
    settle();
    assert_true(remove_row(2));
    assert_int_equal(lift(2), 0);
    settle();
    assert_int_equal(w.heard.rc, E_NOENT);
    assert_int_equal(who("203.0.113.8"), 0);
    assert_int_equal(w.lifted, 1);
}

static void lifting_that_fails(void **state)
{
    (void)state;
    open_and_read();
    assert_int_equal(add("203.0.113.7"), 0);
    settle();
    store.mode = REFUSES;
    assert_int_equal(lift(1), E_BUSY);
    store.mode = FAILS;
    assert_int_equal(lift(1), 0);
    answer_all();
    assert_int_equal(w.heard.rc, E_STORE);
    assert_int_equal(who("203.0.113.7"), 1);
    assert_int_equal(w.lifted, 0);
    store.mode = WELL;
    assert_int_equal(lift(1), 0);
    settle();
    assert_int_equal(store.rows_n, 0);
}

/* Adding while the store does what `mode` says; in the end it is there once. */
static void add_through(enum mode mode)
{
    open_and_read();
    store.mode = mode;
    assert_int_equal(add("203.0.113.7"), 0);
    assert_true(who("203.0.113.7") > 0);
    turn();
    answer_all();
    turn();
    assert_int_equal(w.heard.calls, 1);
    assert_int_equal(w.heard.rc, E_STORE);
    assert_true(who("203.0.113.7") > 0);
    for (unsigned i = 0; i < 10; i++) {
        pass(10 * NSEC_PER_S);
        answer_all();
        assert_true(who("203.0.113.7") > 0);
    }
    store.mode = WELL;
    for (unsigned i = 0; i < 4; i++) {
        pass(30 * NSEC_PER_S);
        settle();
    }
    assert_int_equal(w.heard.calls, 1);
    assert_int_equal(store.rows_n, 1);
    assert_int_equal(who("203.0.113.7"), store.rows[0].id);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 1);
    assert_int_equal(w.added, 1);
}

static void store_refuses(void **state)
{
    (void)state;
    add_through(REFUSES);
}

static void store_fails(void **state)
{
    (void)state;
    add_through(FAILS);
}

static void store_does_and_fails(void **state)
{
    (void)state;
    add_through(DOES_FAILS);
    assert_int_equal(store.adds, 1);
}

static void store_never_takes_it(void **state)
{
    (void)state;
    open_and_read();
    store.answer_rc = E_REFUSED;
    store.mode = FAILS;
    assert_int_equal(add("203.0.113.7"), 0);
    answer_all();
    assert_int_equal(w.heard.rc, E_REFUSED);
    assert_int_equal(who("203.0.113.7"), 0);
}

static void lifted_before_it_is_stored(enum mode mode)
{
    open_and_read();
    store.mode = mode;
    assert_int_equal(add("203.0.113.7"), 0);
    int64_t id = who("203.0.113.7");
    assert_true(id > 0);
    turn();
    answer_all();
    assert_int_equal(lift(id), 0);
    assert_int_equal(who("203.0.113.7"), 0);
    assert_int_equal(lift(id), E_NOENT);
    for (unsigned i = 0; i < 4; i++) {
        pass(10 * NSEC_PER_S);
        answer_all();
        assert_int_equal(who("203.0.113.7"), 0);
    }
    store.mode = WELL;
    for (unsigned i = 0; i < 4; i++) {
        pass(30 * NSEC_PER_S);
        settle();
        assert_int_equal(who("203.0.113.7"), 0);
    }
    assert_int_equal(w.heard.calls, 2); /* of the adding, and of the lifting */
    assert_int_equal(w.heard.rc, 0);
    assert_int_equal(store.rows_n, 0);
    assert_int_equal(w.lifted, 1);
}

static void lifted_while_refused(void **state)
{
    (void)state;
    lifted_before_it_is_stored(REFUSES);
}

static void lifted_while_failing(void **state)
{
    (void)state;
    lifted_before_it_is_stored(FAILS);
}

static void lifted_while_unsure(void **state)
{
    (void)state;
    lifted_before_it_is_stored(DOES_FAILS);
}

static void lifted_while_asked(void **state)
{
    (void)state;
    open_and_read();
    assert_int_equal(add("203.0.113.7"), 0);
    int64_t id = who("203.0.113.7");
    assert_int_equal(lift(id), 0);
    settle();
    assert_int_equal(w.heard.calls, 2);
    assert_int_equal(w.heard.rc, 0);
    assert_int_equal(store.rows_n, 0);
    assert_int_equal(who("203.0.113.7"), 0);
}

/* A list that was read before a ban was stored does not take it away, and one that was read before
 * it was lifted does not bring it back. */
static void changes_while_reading(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++)
        (void)row("198.51.100.1", 0);
    open_and_read();
    message(CLUSTER_BAN_ADDED);
    turn();
    answer_nth(0); /* the first page; there is another */
    assert_int_equal(store.pending_n, 1);
    assert_int_equal(lift(3), 0);
    assert_int_equal(store.pending_n, 2);
    answer_nth(1);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 499);
    answer_nth(0);
    turn();
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 499);

    message(CLUSTER_BAN_ADDED);
    turn();
    assert_int_equal(store.pending_n, 1);
    struct buf empty; /* the answer is what the store held before the ban was made */
    buf_init(&empty, 1u << 22);
    struct pending list = store.pending[0];
    (void)list_rows(&list, &empty);
    store.pending_n = 0;
    assert_int_equal(add("203.0.113.7"), 0);
    answer_nth(0);
    assert_int_equal(who("203.0.113.7"), 501);
    struct answer a = {.req = list.owner.req, .kind = ASK_QUERY, .u.rows = buf_span(&empty)};
    list.owner.answer(list.owner.ctx, w.now, &a);
    buf_fini(&empty);
    assert_int_equal(who("203.0.113.7"), 501);
    settle();
    assert_int_equal(who("203.0.113.7"), 501);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 500);
}

static void not_too_many_at_once(void **state)
{
    (void)state;
    open_and_read();
    store.mode = REFUSES;
    char net[32];
    for (unsigned i = 0; i < BAN_DESK_CHANGES_MAX; i++) {
        (void)snprintf(net, sizeof net, "10.1.%u.%u", i / 250, i % 250 + 1);
        assert_int_equal(add(net), 0);
    }
    assert_int_equal(add("10.2.0.1"), E_FULL);
    assert_int_equal(who("10.2.0.1"), 0);
    turn();
    assert_int_equal(w.enforced, BAN_DESK_CHANGES_MAX);
    store.mode = WELL;
    pass(60 * NSEC_PER_S);
    settle();
    assert_int_equal(store.rows_n, BAN_DESK_CHANGES_MAX);
    assert_int_equal(add("10.2.0.1"), 0);
}

/* Whoever hears that his ban is stored lifts it at once. */
static void lift_when_heard(void *ctx, struct now now, int rc, int64_t id)
{
    (void)ctx;
    assert_int_equal(rc, 0);
    assert_int_equal(ban_desk_remove(w.desk, now, id, SPAN_LIT("bob"), heard, NULL), 0);
}

static void lifted_when_heard(void **state)
{
    (void)state;
    open_and_read();
    struct ban b = net_ban("203.0.113.7");
    assert_int_equal(ban_desk_add(w.desk, w.now, &b, false, lift_when_heard, NULL, NULL), 0);
    settle();
    assert_int_equal(w.heard.calls, 1);
    assert_int_equal(store.rows_n, 0);
    assert_int_equal(who("203.0.113.7"), 0);
}

static unsigned below(struct rng *r, size_t n)
{
    return (unsigned)rng_below(r, n);
}

/* A long life with everything at once; in the end the store and the list agree. */
static void long_life(void **state)
{
    (void)state;
    struct rng r;
    r.state = 4711;
    open_and_read();
    unsigned calls = 0;
    for (unsigned i = 0; i < 6000; i++) {
        char net[32];
        (void)snprintf(net, sizeof net, "10.1.0.%u", below(&r, 40) + 1);
        unsigned what = below(&r, 20);
        if (what < 3)
            store.mode = what == 0 ? (enum mode)below(&r, 4) : WELL;
        else if (what < 7)
            calls += add(net) == 0;
        else if (what < 11 && who(net))
            calls += lift(who(net)) == 0;
        else if (what < 13)
            message(CLUSTER_BAN_ADDED);
        else if (what < 14)
            (void)(store.rows_n && remove_row(store.rows[below(&r, store.rows_n)].id));
        else if (what < 15)
            pass(below(&r, 2000) * NSEC_PER_MS);
        else if (store.pending_n)
            answer_nth(below(&r, store.pending_n));
        turn();
    }
    store.mode = WELL;
    for (unsigned i = 0; i < 6; i++) {
        settle();
        pass(31 * NSEC_PER_S);
    }
    settle();
    assert_int_equal(w.heard.calls, calls);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), store.rows_n);
    for (size_t i = 0; i < store.rows_n; i++)
        assert_non_null(bans_get(ban_desk_list(w.desk), store.rows[i].id));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(reads_at_the_start),
        T(reads_in_pages),
        T(a_long_list_rests),
        T(reads_every_half_minute),
        T(keeps_what_it_read),
        T(a_message_reads_at_once),
        T(wrong_rows_are_left_out),
        T(in_force_at_once),
        T(stored_before_it_was_enforced),
        T(accounts_and_games),
        T(what_may_not_be),
        T(lifting),
        T(lifting_that_fails),
        T(store_refuses),
        T(store_fails),
        T(store_does_and_fails),
        T(store_never_takes_it),
        T(lifted_while_refused),
        T(lifted_while_failing),
        T(lifted_while_unsure),
        T(lifted_while_asked),
        T(changes_while_reading),
        T(not_too_many_at_once),
        T(lifted_when_heard),
        T(long_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
