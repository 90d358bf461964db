/* Sessions on a real store: what t_session_survive.c shows of one in memory holds for the SQL. Two
 * directories over one database are two processes, and a new one is a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/query.h"
#include "core/session.h"
#include "os/uvloop.h"
#include "store_kit.h"

#include <stdlib.h>

#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct session_policy world = {
    .life_ms = 86400000, .single = SESSION_REPLACE, .survive = true};
static const struct session_policy arena = {
    .pending_ms = 300000, .idle_ms = 30000, .single = SESSION_REFUSE, .survive = true};

struct process {
    struct host host;
    struct entropy entropy;
    struct sessions *ss;
    struct kit *kit;
    struct now now;
    size_t open; /* asks not yet answered */
    struct session_result result;
    bool have;
};

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct process *p = ctx;
    (void)now;
    p->open--;
    if (sessions_answer(p->ss, p->now, a, &p->result))
        p->have = true;
    uvloop_stop(p->kit->uv);
}

static int ask(struct host *h, const struct ask *a, uint64_t req)
{
    struct process *p = CONTAINER_OF(h, struct process, host);
    struct ask_port *port = store_port(p->kit->store);
    int rc = port->submit(port, a, (struct ask_owner){on_answer, p, req});
    p->open += rc == 0;
    return rc;
}

static void wake(struct host *h, nsec at)
{
    (void)h;
    (void)at;
}

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    arc4random_buf(to, n);
}

static void begin(struct process *p, struct kit *kit, const struct session_policy *policy,
                  int64_t unix_ms)
{
    static const struct host_ops ops = {.ask = ask, .wake = wake};
    *p = (struct process){.kit = kit, .now = {9 * NSEC_PER_S, unix_ms}};
    entropy_init(&p->entropy, fill);
    p->host = (struct host){.ops = &ops, .log = &kit->log, .entropy = &p->entropy, .game = "game"};
    struct sessions_cfg cfg = {&p->host, NULL, SPAN_LIT("a"), 16};
    assert_int_equal(sessions_create(&p->ss, &cfg), 0);
    sessions_set_policy(p->ss, policy);
}

static void settle(struct process *p)
{
    struct buf why;
    struct session_ended ended;
    for (unsigned i = 0; i < 4; i++) {
        sessions_time(p->ss, p->now);
        assert_true(kit_run_down(p->kit, &p->open, 20));
        while (sessions_ended(p->ss, &ended))
            ;
    }
    buf_init(&why, 256);
    assert_int_equal(sessions_check(p->ss, &why), 0);
    buf_fini(&why);
}

static void end(struct process *p)
{
    settle(p);
    sessions_destroy(p->ss);
    entropy_fini(&p->entropy);
}

static int waited(struct process *p, int rc)
{
    if (rc != E_AGAIN)
        return rc;
    p->have = false;
    assert_true(kit_run_down(p->kit, &p->open, 20));
    assert_true(p->have);
    return p->result.rc;
}

static int create(struct process *p, int64_t account)
{
    return waited(p, session_create(p->ss, p->now, account, 1, &p->result));
}

static int find(struct process *p, const uint8_t token[TOKEN_BYTES], struct session_ref *ret)
{
    struct addr peer;
    assert_int_equal(addr_parse(&peer, "192.0.2.1"), 0);
    int rc = session_find(p->ss, p->now, span_of(token, TOKEN_BYTES), &peer, 2, ret);
    if (rc != E_AGAIN)
        return rc;
    rc = waited(p, rc);
    *ret = p->result.session;
    return rc;
}

static int64_t account_of(struct kit *k, const char *name)
{
    struct account a;
    assert_int_equal(kit_create(k, name, false, RECORD), 0);
    assert_int_equal(kit_find(k, name, false, &a), 0);
    return a.id;
}

static void the_store_keeps_sessions(void **state)
{
    struct kit *k = *state;
    struct process a, b;
    struct session_ref ref;
    struct session_view v;
    struct addr home;
    uint8_t first[TOKEN_BYTES], second[TOKEN_BYTES];
    int64_t ann = account_of(k, "ann"), now = INT64_C(1700000000000);
    assert_int_equal(addr_parse(&home, "2001:db8::7"), 0);
    home.port = 4124;

    begin(&a, k, &world, now);
    assert_int_equal(create(&a, ann), 0);
    memcpy(first, a.result.token, sizeof first);
    assert_int_equal(session_bind(a.ss, a.now, a.result.session, &home), 0);
    assert_int_equal(create(&a, ann + 1000), E_REFUSED); /* there is no such account */
    end(&a);

    /* A day but a millisecond later in a new process. */
    begin(&a, k, &world, now + 86399999);
    assert_int_equal(find(&a, first, &ref), 0);
    assert_true(a.result.account == ann && a.result.name_n == 3);
    assert_true(session_get(a.ss, a.now, ref, &v) && v.bound && addr_eq(&v.endpoint, &home));
    end(&a);
    begin(&a, k, &world, now + 86400000);
    assert_int_equal(find(&a, first, &ref), E_NOENT);
    end(&a);

    /* Two processes; a new session replaces the old one, wherever it is. */
    begin(&a, k, &world, now + 5000);
    begin(&b, k, &world, now + 5000);
    assert_int_equal(find(&a, first, &ref), 0);
    assert_int_equal(create(&b, ann), 0);
    memcpy(second, b.result.token, sizeof second);
    settle(&b);
    a.now.mono += (SESSION_LOOK_S + 1) * NSEC_PER_S;
    a.now.unix_ms += (SESSION_LOOK_S + 1) * 1000;
    settle(&a);
    assert_int_equal(sessions_live(a.ss), 0);
    assert_int_equal(find(&a, first, &ref), E_NOENT);
    assert_int_equal(find(&a, second, &ref), 0);

    /* Logged out everywhere by the store. */
    struct value of[] = {VALUE_OF_INT(ann), VALUE_NOTHING};
    struct ask all = query_ask(QUERY_SESSION_END_ACCOUNT, of, ARRAY_LEN(of));
    struct answer answer;
    assert_int_equal(kit_ask(k, store_port(k->store), &all, &answer), 0);
    a.now.mono += (SESSION_LOOK_S + 1) * NSEC_PER_S;
    settle(&a);
    assert_int_equal(sessions_live(a.ss), 0);
    end(&a);
    end(&b);
}

static void the_store_says_who_has_a_session(void **state)
{
    struct kit *k = *state;
    struct process a;
    struct session_ref ref;
    uint8_t token[TOKEN_BYTES];
    int64_t bob = account_of(k, "bob"), now = INT64_C(1700000000000);
    begin(&a, k, &arena, now);
    assert_int_equal(create(&a, bob), 0);
    memcpy(token, a.result.token, sizeof token);
    end(&a);
    begin(&a, k, &arena, now + 299999);
    assert_int_equal(create(&a, bob), E_EXISTS);
    assert_int_equal(find(&a, token, &ref), 0);
    session_end(a.ss, a.now, ref);
    settle(&a);
    assert_int_equal(find(&a, token, &ref), E_NOENT);
    assert_int_equal(create(&a, bob), 0);
    end(&a);
}

static int setup(void **state)
{
    struct kit *k = malloc(sizeof *k);
    *state = k;
    kit_open(k);
    return kit_start(k);
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_store_keeps_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(the_store_says_who_has_a_session, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
