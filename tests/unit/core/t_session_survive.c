/* Sessions that survive: what the store is told and when a token is given out, restarts, strangers,
 * a store that fails, and two processes that know the same session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cache_memory.h"
#include "fixture_loop.h"
#include "fixture_session.h"
#include "wire/token.h"

#define DAY_MS 86400000

static const struct now start = {5000 * NSEC_PER_S, INT64_C(1700000000000)};
static const struct session_policy arena = {
    .pending_ms = 300000, .idle_ms = 30000, .single = SESSION_REFUSE, .survive = true};
static const struct session_policy world = {
    .life_ms = DAY_MS, .single = SESSION_REPLACE, .survive = true};
static const struct session_policy several = {
    .idle_ms = 40000, .single = SESSION_ALLOW, .survive = true};

struct kit {
    struct fx_store store;
    struct fx a, b;
};

static struct kit *begin(const struct session_policy *policy)
{
    static struct kit k;
    fx_store_init(&k.store);
    assert_int_equal(fx_start(&k.a, &k.store, policy, NULL, "a", 64, start), 0);
    return &k;
}

static struct session_result made(struct fx *p, int64_t account)
{
    struct session_result r;
    assert_int_equal(fx_create(p, account, &r), 0);
    return r;
}

/* The process dies after so long, and another one takes its place as long after. */
static void restart(struct kit *k, uint64_t after_ms, uint64_t down_ms)
{
    struct session_policy policy = k->a.policy;
    fx_pass(&k->a, after_ms);
    struct now now = {77 * NSEC_PER_S, k->a.now.unix_ms + (int64_t)down_ms};
    fx_stop(&k->a);
    assert_int_equal(fx_start(&k->a, &k->store, &policy, NULL, "a2", 64, now), 0);
}

static bool alive(struct fx *p, struct session_ref ref)
{
    struct session_view v;
    return session_get(p->ss, p->now, ref, &v);
}

/* ---- giving it out ---- */

static void a_token_is_given_out_when_it_is_stored(void **state)
{
    struct session_result r;
    struct session_ref ref;
    char hash[TOKEN_HASH + 1];
    (void)state;
    struct kit *k = begin(&several);
    k->a.hold = true;
    assert_int_equal(session_create(k->a.ss, k->a.now, 1, 7, &r), E_AGAIN);
    fx_settle(&k->a);
    assert_int_equal(k->a.results_n, 0);
    assert_int_equal(sessions_live(k->a.ss), 0);
    assert_int_equal(session_by_account(k->a.ss, k->a.now, 1, NULL, 0), 0);
    assert_int_equal(k->store.n, 0);
    fx_answer(&k->a, 0);
    assert_int_equal(k->store.n, 1);
    r = k->a.results[0];
    assert_int_equal(r.rc, 0);
    assert_int_equal(fx_find(&k->a, r.token, &ref), 0);
    assert_int_equal(token_hash_any(span_of(r.token, TOKEN_BYTES), hash), 0);
    assert_string_equal(k->store.rows[0].token, hash);
    assert_string_equal(k->store.rows[0].node, "a");
    assert_true(k->store.rows[0].expires == start.unix_ms + 40000);
    fx_stop(&k->a);
}

static void a_store_that_fails_gives_out_nothing_and_keeps_nothing(void **state)
{
    static const struct {
        const struct session_policy *policy;
        enum fx_fault fault;
        unsigned from; /* which ask of the making it befalls */
    } rows[] = {{&several, FX_REFUSED, 0}, {&several, FX_FAILED, 0}, {&several, FX_LOST, 0},
                {&arena, FX_REFUSED, 0},   {&arena, FX_REFUSED, 1},  {&arena, FX_FAILED, 0},
                {&arena, FX_FAILED, 1},    {&arena, FX_LOST, 1},     {&world, FX_REFUSED, 0},
                {&world, FX_REFUSED, 1},   {&world, FX_FAILED, 0},   {&world, FX_FAILED, 1},
                {&world, FX_LOST, 0},      {&world, FX_LOST, 1}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct session_result old = {0}, r;
        struct kit *k = begin(rows[i].policy);
        if (rows[i].policy != &arena)
            old = made(&k->a, 1);
        size_t before = k->store.n;
        k->a.hold = true;
        k->a.fault = rows[i].fault;
        k->a.faults = rows[i].from == 0;
        int rc = session_create(k->a.ss, k->a.now, 1, 7, &r);
        if (rc == E_AGAIN) {
            size_t n = k->a.results_n;
            for (unsigned asks = 0; k->a.results_n == n; asks++) {
                /* What is refused comes up while the answer before it is taken. */
                fx_do(&k->a, 0);
                k->a.faults = rows[i].from == asks + (rows[i].fault == FX_REFUSED) ? 1 : 0;
                if (rows[i].fault != FX_REFUSED && rows[i].from == asks + 1)
                    k->a.faults = 1;
                fx_answer(&k->a, 0);
            }
            rc = k->a.results[n].rc;
        }
        assert_int_equal(rc, E_BUSY);
        k->a.faults = 0;
        k->a.hold = false;
        fx_pass(&k->a, 31000); /* what may have been done is undone */
        assert_int_equal(k->store.n, before);
        assert_int_equal(sessions_live(k->a.ss), before);
        if (before)
            assert_true(alive(&k->a, old.session)); /* who was refused keeps what he had */
        r = made(&k->a, 1);
        fx_stop(&k->a);
    }
}

static void a_new_session_replaces_or_is_refused_across_restarts(void **state)
{
    struct session_ref ref;
    struct session_result r;
    (void)state;
    struct kit *k = begin(&world);
    struct session_result old = made(&k->a, 1);
    made(&k->a, 2);
    restart(k, 1000, 1000);
    r = made(&k->a, 1);
    assert_int_equal(k->store.n, 2);
    assert_int_equal(fx_find(&k->a, old.token, &ref), E_NOENT);
    assert_int_equal(fx_find(&k->a, r.token, &ref), 0);
    fx_stop(&k->a);

    k = begin(&arena);
    made(&k->a, 1);
    restart(k, 1000, 1000);
    assert_int_equal(fx_create(&k->a, 1, &r), E_EXISTS);
    fx_pass(&k->a, 300000 - 2000 - 1);
    assert_int_equal(fx_create(&k->a, 1, &r), E_EXISTS);
    fx_pass(&k->a, 1);
    r = made(&k->a, 1);
    session_end(k->a.ss, k->a.now, r.session);
    made(&k->a, 1); /* although the store may not have forgotten it yet */
    fx_stop(&k->a);
}

static void who_is_signed_out_meanwhile_gets_no_session(void **state)
{
    (void)state;
    static const struct session_policy *const policies[] = {&several, &arena, &world};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++)
        for (unsigned at = 0; at < 3; at++) {
            struct session_result r;
            struct kit *k = begin(policies[i]);
            k->a.hold = true;
            assert_int_equal(session_create(k->a.ss, k->a.now, 1, 7, &r), E_AGAIN);
            for (unsigned n = 0; n < at && k->a.results_n == 0; n++)
                fx_answer(&k->a, 0);
            if (k->a.results_n == 0) {
                assert_int_equal(sessions_end_account(k->a.ss, k->a.now, 1,
                                                      (struct session_ref){REF_NONE},
                                                      SESSION_SIGNED_OUT),
                                 1);
                k->a.hold = false;
                fx_settle(&k->a);
                assert_int_equal(k->a.results_n, 1);
                assert_int_equal(k->a.results[0].rc, E_REFUSED);
                assert_int_equal(k->store.n, 0);
            }
            fx_stop(&k->a);
        }
}

static void an_account_that_is_gone_gets_no_session(void **state)
{
    struct session_result r;
    (void)state;
    struct kit *k = begin(&several);
    k->store.gone[3] = true;
    assert_int_equal(fx_create(&k->a, 3, &r), E_REFUSED);
    fx_stop(&k->a);
}

/* ---- restarts ---- */

static void a_session_outlives_its_process_but_not_its_time(void **state)
{
    static const struct {
        const struct session_policy *policy;
        bool bind;
        uint64_t touch_ms, after_ms, down_ms; /* touched; died; came back */
        int rc;
    } rows[] = {
        {&arena, false, 0, 0, 299999, 0},
        {&arena, false, 0, 0, 300000, E_NOENT},
        {&arena, false, 0, 299000, 999, 0},
        {&arena, false, 0, 299000, 1000, E_NOENT},
        {&arena, true, 0, 0, 29999, 0},
        {&arena, true, 0, 0, 30000, E_NOENT},
        {&arena, true, 5000, 7500, 27499, 0}, /* written a quarter of 30 s after the last time */
        {&arena, true, 5000, 7500, 27500, E_NOENT},
        {&arena, true, 5000, 7400, 22599, 0},
        {&arena, true, 5000, 7400, 22600, E_NOENT},
        {&world, false, 0, 0, DAY_MS - 1, 0},
        {&world, false, 0, 0, DAY_MS, E_NOENT},
        {&world, true, 1000, 70000, DAY_MS - 70001, 0},
        {&world, true, 1000, 70000, DAY_MS - 70000, E_NOENT},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr home = fx_addr("2001:db8::1", 4125), away = fx_addr("192.0.2.9", 1);
        struct session_ref ref;
        struct session_view v;
        struct kit *k = begin(rows[i].policy);
        k->store.muted[1] = true;
        struct session_result r = made(&k->a, 1);
        if (rows[i].bind)
            assert_int_equal(session_bind(k->a.ss, k->a.now, r.session, &home), 0);
        uint64_t after = rows[i].after_ms;
        if (rows[i].touch_ms) {
            fx_pass(&k->a, rows[i].touch_ms);
            after -= rows[i].touch_ms;
            session_touch(k->a.ss, k->a.now, r.session);
        }
        fx_settle(&k->a);
        restart(k, after, rows[i].down_ms);
        int rc = fx_find(&k->a, r.token, &ref);
        assert_int_equal(rc, rows[i].rc);
        if (rc == 0) {
            const struct session_result *found = &k->a.results[0];
            assert_true(found->account == 1 && found->level == LEVEL_PLAYER && found->muted);
            assert_int_equal(found->name_n, 7);
            assert_memory_equal(found->name, "player1", 7);
            assert_true(session_get(k->a.ss, k->a.now, ref, &v));
            assert_int_equal(v.bound, rows[i].bind);
            assert_int_equal(v.mark, 9);
            assert_true(v.created_ms == start.unix_ms);
            assert_true(v.until > k->a.now.mono);
            if (rows[i].bind) {
                assert_true(addr_eq(&v.endpoint, &home));
                assert_int_equal(v.status, SESSION_ACTIVE);
                assert_int_equal(session_by_endpoint(k->a.ss, k->a.now, &home, &ref), 0);
                assert_int_equal(session_bind(k->a.ss, k->a.now, ref, &away), E_REFUSED);
                assert_int_equal(session_bind(k->a.ss, k->a.now, ref, &home), 0);
            }
            fx_pass(&k->a, (v.until - k->a.now.mono) / NSEC_PER_MS - (rows[i].bind ? 0 : 1));
            assert_true(alive(&k->a, ref) || rows[i].bind);
        }
        fx_stop(&k->a);
    }
}

static void what_is_no_session_in_the_store_is_refused(void **state)
{
    static const char *const wrong[] = {"account 0",    "level 0",    "level 4",   "another game",
                                        "status 2",     "status -1",  "no port",   "port 65536",
                                        "not as we do", "no account", "suspended", "created -1"};
    (void)state;
    for (size_t i = 0; i <= ARRAY_LEN(wrong); i++) {
        struct session_ref ref;
        struct kit *k = begin(&several);
        struct session_result r = made(&k->a, 1);
        restart(k, 0, 0);
        struct fx_row *row = &k->store.rows[0];
        switch (i) {
        case 0: row->account = 0; break;
        case 1: k->store.level = 0; break;
        case 2: k->store.level = 4; break;
        case 3: strcpy(row->game, "else"); break;
        case 4: row->status = 2; break;
        case 5: row->status = -1; break;
        case 6: strcpy(row->endpoint, "1.2.3.4"); break;
        case 7: strcpy(row->endpoint, "1.2.3.4:65536"); break;
        case 8: strcpy(row->endpoint, "1.2.3.4:01"); break;
        case 9: k->store.gone[1] = true; break;
        case 10: k->store.suspended[1] = true; break;
        case 11: row->created = -1; break;
        default: strcpy(row->endpoint, "[fe80::1]:7%3"); break; /* nothing wrong */
        }
        int rc = fx_find(&k->a, r.token, &ref);
        if (i == ARRAY_LEN(wrong)) {
            struct addr home = fx_addr("fe80::1", 7);
            home.scope = 3;
            assert_int_equal(rc, 0);
            assert_int_equal(session_by_endpoint(k->a.ss, k->a.now, &home, &ref), 0);
        } else {
            if (rc != E_NOENT && rc != E_REFUSED)
                fail_msg("%s: %d", wrong[i], rc);
            assert_int_equal(sessions_live(k->a.ss), 0);
            assert_int_equal(k->a.logged > 0, i != 9 && i != 10);
        }
        if (i == 10) { /* it does not come back when the account does */
            k->store.suspended[1] = false;
            assert_int_equal(fx_find(&k->a, r.token, &ref), E_NOENT);
            assert_int_equal(k->store.n, 0);
        }
        fx_stop(&k->a);
    }
}

/* ---- strangers ---- */

static int ask_for(struct fx *p, unsigned token, const char *ip)
{
    uint8_t bytes[TOKEN_BYTES] = {(uint8_t)token, (uint8_t)(token >> 8), 0xaa};
    struct addr peer = fx_addr(ip, 1);
    struct session_ref ref;
    return session_find(p->ss, p->now, span_of(bytes, sizeof bytes), &peer, token, &ref);
}

static void strangers_get_few_lookups(void **state)
{
    struct session_policy policy = several;
    policy.unknown = rate_per(10 * NSEC_PER_S, 5);
    assert_int_equal(exempt_parse(&policy.exempt, "loopback", NULL), 0);
    (void)state;
    struct kit *k = begin(&policy);
    unsigned *asked = &k->store.asked[QUERY_SESSION_BY_TOKEN];
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(ask_for(&k->a, i, "2001:db8::1"), E_AGAIN);
    assert_int_equal(ask_for(&k->a, 5, "2001:db8::2"), E_LIMIT); /* of the same /64 */
    assert_int_equal(ask_for(&k->a, 5, "2001:db8:0:1::1"), E_AGAIN);
    fx_settle(&k->a);
    assert_int_equal(*asked, 6);
    assert_int_equal(k->a.results_n, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(k->a.results[i].rc, E_NOENT);
    fx_pass(&k->a, 1999);
    assert_int_equal(ask_for(&k->a, 6, "2001:db8::1"), E_LIMIT);
    fx_pass(&k->a, 1);
    assert_int_equal(ask_for(&k->a, 6, "2001:db8::1"), E_AGAIN);
    fx_settle(&k->a);

    /* What nobody knew is not asked for again, whoever wants to know, for a minute. */
    assert_int_equal(ask_for(&k->a, 6, "192.0.2.200"), E_NOENT);
    fx_pass(&k->a, SESSION_UNKNOWN_S * 1000 - 1);
    assert_int_equal(ask_for(&k->a, 6, "192.0.2.200"), E_NOENT);
    assert_int_equal(*asked, 7);
    fx_pass(&k->a, 1);
    assert_int_equal(ask_for(&k->a, 6, "192.0.2.200"), E_AGAIN);
    fx_settle(&k->a);
    assert_int_equal(*asked, 8);
    for (unsigned i = 100; i < 120; i++)
        assert_int_equal(ask_for(&k->a, i, "127.0.0.1"), E_AGAIN);
    fx_settle(&k->a);
    fx_stop(&k->a);
}

static void few_are_looked_up_at_once(void **state)
{
    (void)state;
    struct kit *k = begin(&several);
    k->a.hold = true;
    for (unsigned i = 0; i < SESSION_LOOKUPS_MAX; i++) {
        assert_int_equal(ask_for(&k->a, i, "192.0.2.1"), E_AGAIN);
        assert_int_equal(ask_for(&k->a, i, "192.0.2.2"), E_BUSY); /* this very token is */
    }
    assert_int_equal(ask_for(&k->a, SESSION_LOOKUPS_MAX, "192.0.2.1"), E_BUSY);
    fx_answer(&k->a, 0);
    assert_int_equal(ask_for(&k->a, SESSION_LOOKUPS_MAX, "192.0.2.1"), E_AGAIN);
    k->a.hold = false;
    fx_settle(&k->a);
    assert_int_equal(k->a.results_n, SESSION_LOOKUPS_MAX + 1);

    /* A store that fails is no reason to call a token unknown. */
    k->store.down = true;
    assert_int_equal(ask_for(&k->a, 1000, "192.0.2.1"), E_AGAIN);
    fx_settle(&k->a);
    assert_int_equal(k->a.results[(k->a.results_n - 1) % 64].rc, E_BUSY);
    k->store.down = false;
    assert_int_equal(ask_for(&k->a, 1000, "192.0.2.1"), E_AGAIN);
    fx_settle(&k->a);
    fx_stop(&k->a);
}

static void a_lookup_does_not_bring_back_what_ended(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 2; at++) /* before the token's answer, before the account's */
        for (unsigned who = 0; who < 2; who++) { /* the account, another */
            struct session_ref ref;
            struct addr peer = fx_addr("192.0.2.1", 1);
            struct kit *k = begin(&several);
            struct session_result r = made(&k->a, 1);
            restart(k, 0, 0);
            k->a.hold = true;
            assert_int_equal(
                session_find(k->a.ss, k->a.now, span_of(r.token, TOKEN_BYTES), &peer, 1, &ref),
                E_AGAIN);
            if (at)
                fx_answer(&k->a, 0);
            else
                fx_do(&k->a, 0); /* it was read before */
            struct notice n = {.kind = NOTICE_ACCOUNT};
            n.u.account.change = ACCOUNT_SIGNED_OUT;
            n.u.account.id = who ? 2 : 1;
            sessions_notice(k->a.ss, k->a.now, &n, (struct session_ref){REF_NONE});
            k->a.hold = false;
            fx_settle(&k->a);
            assert_int_equal(k->a.results_n, 1);
            assert_int_equal(k->a.results[0].rc, who ? 0 : E_BUSY);
            assert_int_equal(sessions_live(k->a.ss), who);
            fx_stop(&k->a);
        }
}

/* ---- a store that is down ---- */

static void sessions_go_on_while_the_store_is_down(void **state)
{
    struct session_result r, b;
    struct session_ref ref;
    (void)state;
    struct kit *k = begin(&several);
    struct session_result a = made(&k->a, 1);
    b = made(&k->a, 2);
    k->store.down = true;
    for (unsigned s = 0; s < 300; s += 20) {
        session_touch(k->a.ss, k->a.now, a.session);
        session_touch(k->a.ss, k->a.now, b.session);
        fx_pass(&k->a, 20000);
        assert_int_equal(fx_find(&k->a, a.token, &ref), 0);
    }
    assert_int_equal(fx_create(&k->a, 3, &r), E_BUSY);
    session_end(k->a.ss, k->a.now, b.session);
    fx_settle(&k->a);
    assert_int_equal(fx_find(&k->a, b.token, &ref), E_NOENT); /* the store has it yet */
    assert_int_equal(k->store.n, 2);
    k->store.down = false;
    session_touch(k->a.ss, k->a.now, a.session);
    fx_pass(&k->a, 30000);
    assert_int_equal(k->store.n, 1);
    assert_true(k->store.rows[0].expires > k->a.now.unix_ms);
    assert_true(alive(&k->a, a.session));
    assert_int_equal(fx_find(&k->a, b.token, &ref), E_NOENT);
    restart(k, 0, 0);
    assert_int_equal(fx_find(&k->a, a.token, &ref), 0);
    assert_int_equal(fx_find(&k->a, b.token, &ref), E_NOENT);
    fx_stop(&k->a);
}

static void a_store_that_is_down_is_not_asked_all_the_time(void **state)
{
    (void)state;
    struct kit *k = begin(&several);
    struct session_result r = made(&k->a, 1);
    k->store.down = true;
    session_end(k->a.ss, k->a.now, r.session);
    fx_settle(&k->a);
    unsigned before = k->a.answered;
    fx_pass(&k->a, 600000);
    assert_in_range(k->a.answered - before, 15, 40); /* every half minute in the end, and a purge */
    k->store.down = false;
    fx_pass(&k->a, 31000);
    assert_int_equal(k->store.n, 0);
    fx_stop(&k->a);
}

static void few_are_written_at_once(void **state)
{
    struct session_result r[64];
    (void)state;
    struct kit *k = begin(&several);
    for (size_t i = 0; i < 64; i++)
        r[i] = made(&k->a, 1 + (int64_t)i % 30);
    for (size_t i = 0; i < 64; i++)
        session_end(k->a.ss, k->a.now, r[i].session);
    k->a.hold = true;
    fx_settle(&k->a);
    assert_int_equal(k->a.asks_n, SESSION_WRITES_MAX);
    assert_int_equal(fx_create(&k->a, 1, &r[0]), E_FULL); /* the store has not forgotten them */
    k->a.hold = false;
    fx_settle(&k->a);
    assert_int_equal(k->store.n, 0);
    made(&k->a, 1);
    fx_stop(&k->a);
}

static void what_ran_out_is_purged(void **state)
{
    (void)state;
    struct kit *k = begin(&several);
    for (size_t i = 0; i < QUERY_ROWS_MAX + 100; i++) {
        struct fx_row *r = &k->store.rows[k->store.n++];
        (void)snprintf(r->token, sizeof r->token, "%064x", (unsigned)i);
        r->account = 1;
        r->expires = start.unix_ms - (i < QUERY_ROWS_MAX + 50 ? 1 : 0);
    }
    fx_settle(&k->a);
    assert_int_equal(k->store.n, QUERY_ROWS_MAX + 100); /* the store may have been down */
    fx_pass(&k->a, SESSION_GRACE_S * 1000 - 1);
    assert_int_equal(k->store.n, QUERY_ROWS_MAX + 100);
    fx_pass(&k->a, 1);
    fx_settle(&k->a);
    assert_int_equal(k->store.n, 0);
    fx_stop(&k->a);
}

/* ---- two processes ---- */

struct pair {
    struct kit *k;
    struct fixture_loop l;
    struct entropy entropy;
    struct cache_memory *memory;
    struct metrics metrics[2];
    struct cluster *cluster[2];
};

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 7, n);
}

static void begin_pair(struct pair *p, struct kit *k, const struct session_policy *policy)
{
    fx_store_init(&k->store);
    *p = (struct pair){.k = k};
    fixture_loop_init(&p->l);
    entropy_init(&p->entropy, fill);
    struct cache_memory_cfg cfg = {&p->l.loop, &p->entropy, 0, 0, 0};
    assert_int_equal(cache_memory_create(&p->memory, &cfg), 0);
    struct fx *fx[2] = {&k->a, &k->b};
    const char *const names[2] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        metrics_init(&p->metrics[i]);
        struct cluster_cfg c = {cache_memory_port(p->memory), span_str(names[i]), &k->a.log,
                                &p->metrics[i]};
        assert_int_equal(cluster_create(&p->cluster[i], &c), 0);
        assert_int_equal(fx_start(fx[i], &k->store, policy, p->cluster[i], names[i], 64, start), 0);
    }
}

static void end_pair(struct pair *p)
{
    cache_memory_close(p->memory);
    for (size_t i = 0; i < 2; i++) {
        cluster_destroy(p->cluster[i]);
        metrics_fini(&p->metrics[i]);
    }
    fx_stop(&p->k->a);
    fx_stop(&p->k->b);
    cache_memory_destroy(p->memory);
}

static void pass_both(struct pair *p, uint64_t ms)
{
    fx_pass(&p->k->a, ms);
    fx_pass(&p->k->b, ms);
}

static void what_ends_at_one_process_ends_at_the_other(void **state)
{
    (void)state;
    static struct kit k;
    for (unsigned lost = 0; lost < 2; lost++) { /* the message is */
        struct pair p;
        struct session_ref ref;
        begin_pair(&p, &k, &world);
        struct session_result r = made(&k.a, 1);
        assert_int_equal(fx_find(&k.b, r.token, &ref), 0);
        session_end(k.a.ss, k.a.now, r.session);
        fx_settle(&k.a);
        assert_int_equal(k.store.n, 0);
        if (!lost)
            fixture_loop_run(&p.l, 0);
        fx_settle(&k.b);
        if (lost) {
            assert_int_equal(sessions_live(k.b.ss), 1);
            pass_both(&p, SESSION_LOOK_S * 1000 + 1000);
        }
        assert_int_equal(sessions_live(k.b.ss), 0);
        assert_int_equal(k.b.ended_n, 1);
        assert_int_equal(k.b.ended[0].why, SESSION_ELSEWHERE);
        assert_int_equal(fx_find(&k.b, r.token, &ref), E_NOENT);
        assert_int_equal(fx_find(&k.a, r.token, &ref), E_NOENT);
        end_pair(&p);
    }
}

static void a_message_about_another_session_ends_none(void **state)
{
    (void)state;
    static struct kit k;
    struct pair p;
    struct session_ref ref;
    begin_pair(&p, &k, &several);
    struct session_result r = made(&k.a, 1), other = made(&k.a, 1);
    assert_int_equal(fx_find(&k.b, r.token, &ref), 0);
    session_end(k.a.ss, k.a.now, other.session);
    fx_settle(&k.a);
    fixture_loop_run(&p.l, 0);
    fx_settle(&k.b);
    assert_true(alive(&k.b, ref));
    assert_true(k.store.asked[QUERY_SESSION_BY_TOKEN] >= 2);
    end_pair(&p);
}

/* What is idle here may be in use there: it is let go here, and stays in the store. */
static void a_session_moves_to_another_process(void **state)
{
    (void)state;
    static struct kit k;
    for (unsigned told = 0; told < 2; told++) {
        struct pair p;
        struct session_ref ref;
        begin_pair(&p, &k, &several);
        struct session_result r = made(&k.a, 1);
        assert_int_equal(fx_find(&k.b, r.token, &ref), 0);
        if (told) {
            struct notice n = {.kind = NOTICE_ACCOUNT};
            n.u.account.change = ACCOUNT_SIGNED_IN;
            n.u.account.id = 1;
            sessions_notice(k.a.ss, k.a.now, &n, (struct session_ref){REF_NONE});
        }
        for (unsigned s = 0; s < 10; s++) {
            session_touch(k.b.ss, k.b.now, ref);
            pass_both(&p, 10000);
        }
        fx_settle(&k.a);
        assert_int_equal(sessions_live(k.a.ss), 0);
        assert_int_equal(k.a.ended[0].why, told ? SESSION_ELSEWHERE : SESSION_EXPIRED);
        assert_true(alive(&k.b, ref));
        assert_int_equal(k.store.n, 1);
        assert_int_equal(fx_find(&k.a, r.token, &ref), 0); /* and back */
        end_pair(&p);
    }
}

/* Logout everywhere, as the desk does it: the store first, then word of it. */
static void logout_everywhere_spares_who_asked_for_it(void **state)
{
    struct session_ref ref;
    (void)state;
    struct kit *k = begin(&several);
    struct session_result mine = made(&k->a, 1), other = made(&k->a, 1);
    k->store.n = 0;
    struct notice n = {.kind = NOTICE_ACCOUNT};
    n.u.account.change = ACCOUNT_SIGNED_OUT;
    n.u.account.id = 1;
    sessions_notice(k->a.ss, k->a.now, &n, mine.session);
    fx_settle(&k->a);
    assert_int_equal(k->store.n, 1);
    for (unsigned i = 0; i < 10; i++) {
        session_touch(k->a.ss, k->a.now, mine.session);
        fx_pass(&k->a, 20000);
    }
    assert_true(alive(&k->a, mine.session));
    assert_int_equal(fx_find(&k->a, other.token, &ref), E_NOENT);
    restart(k, 0, 0);
    assert_int_equal(fx_find(&k->a, other.token, &ref), E_NOENT);
    assert_int_equal(fx_find(&k->a, mine.token, &ref), 0);
    fx_stop(&k->a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_given_out_when_it_is_stored),
        cmocka_unit_test(a_store_that_fails_gives_out_nothing_and_keeps_nothing),
        cmocka_unit_test(a_new_session_replaces_or_is_refused_across_restarts),
        cmocka_unit_test(who_is_signed_out_meanwhile_gets_no_session),
        cmocka_unit_test(an_account_that_is_gone_gets_no_session),
        cmocka_unit_test(a_session_outlives_its_process_but_not_its_time),
        cmocka_unit_test(what_is_no_session_in_the_store_is_refused),
        cmocka_unit_test(strangers_get_few_lookups),
        cmocka_unit_test(few_are_looked_up_at_once),
        cmocka_unit_test(a_lookup_does_not_bring_back_what_ended),
        cmocka_unit_test(sessions_go_on_while_the_store_is_down),
        cmocka_unit_test(a_store_that_is_down_is_not_asked_all_the_time),
        cmocka_unit_test(few_are_written_at_once),
        cmocka_unit_test(what_ran_out_is_purged),
        cmocka_unit_test(what_ends_at_one_process_ends_at_the_other),
        cmocka_unit_test(a_message_about_another_session_ends_none),
        cmocka_unit_test(a_session_moves_to_another_process),
        cmocka_unit_test(logout_everywhere_spares_who_asked_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
