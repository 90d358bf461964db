/* Sessions in memory: times at their limits, tokens, endpoints, single sessions, ceilings, and what
 * ends them. Those that survive: t_session_survive.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture_session.h"

#define ARENA                                                                             \
    {                                                                                     \
        .pending_ms = 300000, .idle_ms = 30000, .single = SESSION_REFUSE, .rebind = false \
    }

static const struct now start = {5 * NSEC_PER_S, INT64_C(1700000000000)};
static const struct session_policy arena = ARENA;
static const struct session_policy forever = {.single = SESSION_ALLOW};

struct kit {
    struct fx_store store;
    struct fx p;
};

static struct kit *begin(const struct session_policy *policy, uint32_t max)
{
    static struct kit k;
    fx_store_init(&k.store);
    assert_int_equal(fx_start(&k.p, &k.store, policy, NULL, "a", max, start), 0);
    return &k;
}

static struct session_result made(struct kit *k, int64_t account)
{
    struct session_result r;
    assert_int_equal(fx_create(&k->p, account, &r), 0);
    assert_true(r.made && r.account == account);
    return r;
}

static struct session_view seen(struct kit *k, struct session_ref ref)
{
    struct session_view v;
    assert_true(session_get(k->p.ss, k->p.now, ref, &v));
    return v;
}

/* ---- times ---- */

static void a_session_ends_at_its_limit_and_not_before(void **state)
{
    enum { LEAVE, ACTIVATE, BIND };
    static const struct {
        uint32_t pending_ms, idle_ms, life_ms;
        int what;            /* at start */
        uint64_t touch_ms;   /* 0: never */
        uint64_t ends_at_ms; /* 0: never */
    } rows[] = {
        {300000, 30000, 0, LEAVE, 0, 300000},
        {300000, 30000, 0, LEAVE, 299999, 300000}, /* a pending one is not kept by touching */
        {300000, 30000, 0, ACTIVATE, 0, 30000},
        {300000, 30000, 0, BIND, 0, 30000},
        {300000, 30000, 0, BIND, 1, 30001},
        {300000, 30000, 0, BIND, 29999, 59999},
        {300000, 30000, 0, BIND, 30000, 30000}, /* too late */
        {300000, 0, 0, BIND, 0, 0},
        {0, 30000, 0, LEAVE, 0, 30000},
        {0, 0, 86400000, LEAVE, 0, 86400000},
        {0, 0, 86400000, LEAVE, 86399999, 86400000},
        {0, 30000, 40000, LEAVE, 29999, 40000},
        {50000, 30000, 40000, LEAVE, 0, 40000},
        {0, 0, 0, LEAVE, 0, 0},
        {1, 1, 1, LEAVE, 0, 1},
        {UINT32_MAX, UINT32_MAX, UINT32_MAX, LEAVE, 0, UINT32_MAX},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct session_policy policy = {.pending_ms = rows[i].pending_ms,
                                        .idle_ms = rows[i].idle_ms,
                                        .life_ms = rows[i].life_ms};
        struct kit *k = begin(&policy, 4);
        struct session_result r = made(k, 1);
        struct addr from = fx_addr("192.0.2.7", 7);
        struct session_ref ref;
        struct session_view v;
        uint64_t at = 0, end = rows[i].ends_at_ms;
        if (rows[i].what == BIND)
            assert_int_equal(session_bind(k->p.ss, k->p.now, r.session, &from), 0);
        if (rows[i].what == ACTIVATE)
            assert_int_equal(session_activate(k->p.ss, k->p.now, r.session), 0);
        if (rows[i].touch_ms) {
            fx_pass(&k->p, at = rows[i].touch_ms);
            session_touch(k->p.ss, k->p.now, r.session);
        }
        if (end == 0) {
            assert_int_equal(sessions_deadline(k->p.ss), NSEC_NEVER);
            fx_pass(&k->p, UINT64_C(10) * 86400000);
            assert_true(session_get(k->p.ss, k->p.now, r.session, &v));
            fx_stop(&k->p);
            continue;
        }
        if (end > at) {
            fx_jump(&k->p, start.mono + (end - 1) * NSEC_PER_MS);
            fx_settle(&k->p);
            assert_true(session_get(k->p.ss, k->p.now, r.session, &v));
            assert_int_equal(fx_find(&k->p, r.token, &ref), 0);
            assert_int_equal(k->p.ended_n, 0);
            /* At the limit it has ended, before anybody was told what time it is. */
            fx_jump(&k->p, start.mono + end * NSEC_PER_MS);
            assert_false(session_get(k->p.ss, k->p.now, r.session, &v));
            assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &from, &ref), E_NOENT);
            assert_int_equal(session_by_account(k->p.ss, k->p.now, 1, &ref, 1), 0);
            assert_int_equal(session_bind(k->p.ss, k->p.now, r.session, &from), E_STALE);
            assert_int_equal(session_activate(k->p.ss, k->p.now, r.session), E_STALE);
            assert_int_equal(sessions_live(k->p.ss), 1);
        }
        assert_true(sessions_deadline(k->p.ss) <= k->p.now.mono || k->p.ended_n);
        assert_int_equal(fx_find(&k->p, r.token, &ref), E_NOENT);
        assert_int_equal(sessions_live(k->p.ss), 0);
        assert_int_equal(k->p.ended_n, 1);
        assert_int_equal(k->p.ended[0].why, SESSION_EXPIRED);
        assert_int_equal(k->p.ended[0].mark, 7);
        assert_int_equal(k->p.ended[0].account, 1);
        fx_stop(&k->p);
    }
}

static void a_shorter_policy_holds_from_the_next_touch(void **state)
{
    struct session_policy policy = {.idle_ms = 30000};
    struct session_view v;
    (void)state;
    struct kit *k = begin(&policy, 4);
    struct session_result r = made(k, 1);
    policy.idle_ms = 1000;
    sessions_set_policy(k->p.ss, &policy);
    assert_true(seen(k, r.session).until == start.mono + 30 * NSEC_PER_S);
    session_touch(k->p.ss, k->p.now, r.session);
    fx_pass(&k->p, 999);
    assert_true(session_get(k->p.ss, k->p.now, r.session, &v));
    fx_pass(&k->p, 1);
    fx_settle(&k->p);
    assert_int_equal(k->p.ended_n, 1);
    fx_stop(&k->p);
}

/* ---- tokens ---- */

static void a_session_is_found_by_its_own_token_alone(void **state)
{
    struct session_ref ref;
    struct addr peer = fx_addr("192.0.2.1", 1);
    (void)state;
    struct kit *k = begin(&forever, 4);
    struct session_result a = made(k, 1), b = made(k, 1);
    assert_memory_not_equal(a.token, b.token, TOKEN_BYTES);
    assert_int_equal(fx_find(&k->p, a.token, &ref), 0);
    assert_true(ref_eq(ref.r, a.session.r));
    assert_int_equal(fx_find(&k->p, b.token, &ref), 0);
    assert_true(ref_eq(ref.r, b.session.r));
    for (unsigned bit = 0; bit < TOKEN_BYTES * 8; bit++) {
        a.token[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(fx_find(&k->p, a.token, &ref), E_NOENT);
        a.token[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < TOKEN_BYTES; n++)
        assert_int_equal(session_find(k->p.ss, k->p.now, span_of(a.token, n), &peer, 1, &ref),
                         E_NOENT);
    uint8_t longer[TOKEN_BYTES + 1] = {0};
    memcpy(longer, a.token, TOKEN_BYTES);
    assert_int_equal(
        session_find(k->p.ss, k->p.now, span_of(longer, sizeof longer), &peer, 1, &ref), E_NOENT);
    assert_int_equal(k->p.asks_n, 0); /* what does not survive is not in the store */
    session_end(k->p.ss, k->p.now, a.session);
    assert_int_equal(fx_find(&k->p, a.token, &ref), E_NOENT);
    assert_int_equal(fx_find(&k->p, b.token, &ref), 0);
    assert_int_equal(k->p.ended_n, 0);         /* who ends it himself need not be told */
    session_end(k->p.ss, k->p.now, a.session); /* stale by now */
    fx_stop(&k->p);
}

/* ---- endpoints ---- */

static void a_session_is_bound_to_one_endpoint(void **state)
{
    struct session_policy policy = ARENA;
    struct session_ref ref;
    struct addr home = fx_addr("192.0.2.7", 7), port = fx_addr("192.0.2.7", 8),
                host = fx_addr("192.0.2.8", 7), mapped = fx_addr("::ffff:192.0.2.7", 7),
                six = fx_addr("fe80::1", 7), zone = six;
    zone.scope = 2;
    (void)state;
    policy.single = SESSION_ALLOW;
    struct kit *k = begin(&policy, 8);
    struct session_result a = made(k, 1), b = made(k, 2);
    assert_int_equal(seen(k, a.session).status, SESSION_PENDING);
    assert_false(seen(k, a.session).bound);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &home, &ref), E_NOENT);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &home), 0);
    assert_int_equal(seen(k, a.session).status, SESSION_ACTIVE);
    struct session_view bound = seen(k, a.session);
    assert_true(addr_eq(&bound.endpoint, &home));
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &home), 0);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &mapped), 0);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &port), E_REFUSED);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &host), E_REFUSED);
    assert_int_equal(session_bind(k->p.ss, k->p.now, b.session, &home), E_EXISTS);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &mapped, &ref), 0);
    assert_true(ref_eq(ref.r, a.session.r));
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &port, &ref), E_NOENT);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &host, &ref), E_NOENT);
    assert_int_equal(session_bind(k->p.ss, k->p.now, b.session, &six), 0);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &zone, &ref), E_NOENT);

    policy.rebind = true;
    sessions_set_policy(k->p.ss, &policy);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &six), E_EXISTS);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &port), 0);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &home, &ref), E_NOENT);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &port, &ref), 0);
    fx_checked(&k->p);

    /* Its time is over, so the endpoint is free, although nobody looked at the clock yet. */
    fx_jump(&k->p, k->p.now.mono + 30 * NSEC_PER_S);
    struct session_result c = made(k, 3);
    assert_int_equal(session_bind(k->p.ss, k->p.now, c.session, &port), 0);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &port, &ref), 0);
    assert_true(ref_eq(ref.r, c.session.r));
    session_end(k->p.ss, k->p.now, c.session);
    assert_int_equal(session_by_endpoint(k->p.ss, k->p.now, &port, &ref), E_NOENT);
    fx_checked(&k->p);
    fx_stop(&k->p);
}

static void an_endpoint_whose_session_ran_out_unseen_is_free(void **state)
{
    struct session_policy policy = ARENA;
    struct addr home = fx_addr("192.0.2.7", 7);
    (void)state;
    policy.single = SESSION_ALLOW;
    struct kit *k = begin(&policy, 8);
    struct session_result a = made(k, 1), b = made(k, 2);
    assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &home), 0);
    fx_jump(&k->p, k->p.now.mono + 30 * NSEC_PER_S);
    assert_int_equal(session_bind(k->p.ss, k->p.now, b.session, &home), 0);
    fx_checked(&k->p);
    assert_int_equal(k->p.ended_n, 1);
    assert_int_equal(k->p.ended[0].account, 1);
    fx_stop(&k->p);
}

/* ---- one of an account ---- */

static void one_session_of_an_account(void **state)
{
    struct session_policy policy = forever;
    struct session_result r;
    struct session_ref refs[SESSION_ACCOUNT_MAX];
    (void)state;

    policy.single = SESSION_REFUSE;
    struct kit *k = begin(&policy, 40);
    struct session_result a = made(k, 1);
    assert_int_equal(fx_create(&k->p, 1, &r), E_EXISTS);
    made(k, 2);
    session_end(k->p.ss, k->p.now, a.session);
    made(k, 1);
    fx_stop(&k->p);

    policy.single = SESSION_REPLACE;
    k = begin(&policy, 40);
    a = made(k, 1);
    session_set_mark(k->p.ss, a.session, 55);
    r = made(k, 1);
    made(k, 2);
    assert_int_equal(k->p.ended_n, 1);
    assert_int_equal(k->p.ended[0].why, SESSION_REPLACED);
    assert_int_equal(k->p.ended[0].mark, 55);
    assert_int_equal(session_by_account(k->p.ss, k->p.now, 1, refs, 1), 1);
    assert_true(ref_eq(refs[0].r, r.session.r));
    fx_stop(&k->p);

    policy.single = SESSION_ALLOW;
    k = begin(&policy, 40);
    for (unsigned i = 0; i < SESSION_ACCOUNT_MAX; i++)
        made(k, 1);
    assert_int_equal(fx_create(&k->p, 1, &r), E_LIMIT);
    assert_int_equal(session_by_account(k->p.ss, k->p.now, 1, refs, ARRAY_LEN(refs)),
                     SESSION_ACCOUNT_MAX);
    session_end(k->p.ss, k->p.now, refs[3]);
    made(k, 1);
    fx_stop(&k->p);
}

static void refuse_does_not_count_what_has_run_out(void **state)
{
    (void)state;
    struct kit *k = begin(&arena, 4);
    made(k, 1);
    fx_jump(&k->p, start.mono + 300 * NSEC_PER_S);
    struct session_result r;
    assert_int_equal(session_create(k->p.ss, k->p.now, 1, 7, &r), 0);
    fx_settle(&k->p);
    assert_int_equal(k->p.ended_n, 1);
    assert_int_equal(sessions_live(k->p.ss), 1);
    fx_stop(&k->p);
}

static void there_is_a_ceiling(void **state)
{
    struct session_result r[8];
    struct session_ref ref;
    struct sessions *none;
    uint32_t n = 0;
    (void)state;
    struct kit *k = begin(&forever, 8);
    for (size_t i = 0; i < 8; i++)
        r[i] = made(k, (int64_t)i + 1);
    assert_int_equal(fx_create(&k->p, 20, &r[0]), E_FULL);
    session_end(k->p.ss, k->p.now, r[5].session);
    made(k, 20);
    for (uint32_t at = 0; sessions_next(k->p.ss, k->p.now, &at, &ref);)
        n++;
    assert_int_equal(n, 8);
    assert_int_equal(fx_create(&k->p, 0, &r[0]), E_RANGE);
    assert_int_equal(fx_create(&k->p, -1, &r[0]), E_RANGE);
    char longer[NODE_MAX + 1] = {0};
    struct sessions_cfg wrong[] = {{&k->p.host, NULL, SPAN_LIT("a"), 0},
                                   {&k->p.host, NULL, SPAN_LIT("a"), SESSIONS_MAX + 1},
                                   {&k->p.host, NULL, span_of(longer, sizeof longer), 1}};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(sessions_create(&none, &wrong[i]), E_RANGE);
    fx_stop(&k->p);
}

/* ---- what others say ---- */

static struct notice account_notice(enum account_change change, int64_t id, struct span game)
{
    struct notice n = {.kind = NOTICE_ACCOUNT};
    n.u.account.change = change;
    n.u.account.id = id;
    n.u.account.game = game;
    return n;
}

static void sessions_end_as_accounts_and_bans_have_it(void **state)
{
    struct ban of_one = {.kind = BAN_ACCOUNT, .account = 1},
               other_game = {.kind = BAN_ACCOUNT, .account = 1, .game = SPAN_LIT("else")},
               net = {0};
    assert_int_equal(ban_net_parse(&net, "192.0.2.0/24"), 0);
    const struct {
        struct notice n;
        bool except;
        unsigned ended; /* of account 1: a bound one and another; of account 2: one */
        enum session_why why;
    } rows[] = {
        {account_notice(ACCOUNT_SIGNED_OUT, 1, SPAN_NULL), false, 2, SESSION_SIGNED_OUT},
        {account_notice(ACCOUNT_SIGNED_OUT, 1, SPAN_NULL), true, 1, SESSION_SIGNED_OUT},
        {account_notice(ACCOUNT_SUSPENDED, 1, SPAN_NULL), false, 2, SESSION_SIGNED_OUT},
        {account_notice(ACCOUNT_SUSPENDED, 1, SPAN_NULL), true, 2, SESSION_SIGNED_OUT},
        {account_notice(ACCOUNT_SIGNED_IN, 1, SPAN_NULL), false, 2, SESSION_ELSEWHERE},
        {account_notice(ACCOUNT_SIGNED_IN, 1, SPAN_LIT(FX_GAME)), true, 1, SESSION_ELSEWHERE},
        {account_notice(ACCOUNT_SIGNED_IN, 1, SPAN_LIT("else")), false, 0, SESSION_ELSEWHERE},
        {account_notice(ACCOUNT_STANDING, 1, SPAN_NULL), false, 0, SESSION_ELSEWHERE},
        {account_notice(ACCOUNT_SIGNED_OUT, 3, SPAN_NULL), false, 0, SESSION_SIGNED_OUT},
        {{.kind = NOTICE_BAN, .u.ban = &of_one}, true, 2, SESSION_BANNED},
        {{.kind = NOTICE_BAN, .u.ban = &other_game}, false, 0, SESSION_BANNED},
        {{.kind = NOTICE_BAN, .u.ban = &net}, false, 1, SESSION_BANNED},
        {{.kind = NOTICE_DRAIN}, false, 0, SESSION_BANNED},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr home = fx_addr("192.0.2.7", 7);
        struct kit *k = begin(&forever, 8);
        struct session_result a = made(k, 1);
        made(k, 1);
        made(k, 2);
        assert_int_equal(session_bind(k->p.ss, k->p.now, a.session, &home), 0);
        sessions_notice(k->p.ss, k->p.now, &rows[i].n,
                        rows[i].except ? a.session : (struct session_ref){REF_NONE});
        assert_int_equal(sessions_live(k->p.ss), 3 - rows[i].ended);
        fx_checked(&k->p);
        assert_int_equal(k->p.ended_n, rows[i].ended);
        for (size_t j = 0; j < rows[i].ended; j++) {
            assert_int_equal(k->p.ended[j].why, rows[i].why);
            assert_int_equal(k->p.ended[j].account, 1);
        }
        fx_stop(&k->p);
    }
}

static void all_of_an_account_end(void **state)
{
    (void)state;
    struct kit *k = begin(&forever, 8);
    made(k, 1);
    struct session_result b = made(k, 1);
    made(k, 1);
    made(k, 2);
    assert_int_equal(sessions_end_account(k->p.ss, k->p.now, 1, b.session, SESSION_SIGNED_OUT), 2);
    assert_int_equal(sessions_live(k->p.ss), 2);
    struct session_ref none = {REF_NONE};
    assert_int_equal(sessions_end_account(k->p.ss, k->p.now, 1, none, SESSION_SIGNED_OUT), 1);
    assert_int_equal(sessions_end_account(k->p.ss, k->p.now, 1, none, SESSION_SIGNED_OUT), 0);
    fx_checked(&k->p);
    assert_int_equal(k->p.ended_n, 3);
    fx_stop(&k->p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_ends_at_its_limit_and_not_before),
        cmocka_unit_test(a_shorter_policy_holds_from_the_next_touch),
        cmocka_unit_test(a_session_is_found_by_its_own_token_alone),
        cmocka_unit_test(a_session_is_bound_to_one_endpoint),
        cmocka_unit_test(an_endpoint_whose_session_ran_out_unseen_is_free),
        cmocka_unit_test(one_session_of_an_account),
        cmocka_unit_test(refuse_does_not_count_what_has_run_out),
        cmocka_unit_test(there_is_a_ceiling),
        cmocka_unit_test(sessions_end_as_accounts_and_bans_have_it),
        cmocka_unit_test(all_of_an_account_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
