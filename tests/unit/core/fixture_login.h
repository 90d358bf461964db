/* Logins over the fake host with everything around them that a server has: bans, audit, a guard,
 * presence, a key for secrets. The desks' store is a port of its own, answered by `settle`. */
#ifndef SLIPGATE_TESTS_UNIT_CORE_FIXTURE_LOGIN_H
#define SLIPGATE_TESTS_UNIT_CORE_FIXTURE_LOGIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "core/login.h"
#include "core/login_otp.h"
#include "core/query.h"
#include "sim/alloc_fault.h"
#include "sim/host_fake.h"

#include <stdio.h>
#include <string.h>

#define HERE  "203.0.113.1"
#define THERE "198.51.100.2"

struct service { /* does nothing but log in */
    struct host *host;
    struct logins *logins;
    struct login_result results[64];
    unsigned results_n;
};

static void service_take(struct service *s, const struct login_result *r)
{
    assert_true(s->results_n < ARRAY_LEN(s->results));
    s->results[s->results_n++] = *r;
}

static int service_create(struct service **ret, struct host *host, const struct config *c,
                          struct now now)
{
    (void)c;
    (void)now;
    struct service *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    s->host = host;
    int rc = logins_create(&s->logins, host, 64);
    if (rc) {
        mem_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

static void service_destroy(struct service *s)
{
    logins_destroy(s->logins);
    mem_free(s);
}

static void service_answer(struct service *s, struct now now, const struct answer *a)
{
    struct login_result r;
    if (login_answer(s->logins, now, a, &r))
        service_take(s, &r);
}

static nsec service_time(struct service *s, struct now now)
{
    struct login_result r;
    while (login_due(s->logins, now, &r))
        service_take(s, &r);
    return login_deadline(s->logins);
}

static size_t service_listeners(const struct config *c, struct listener_spec *ret, size_t cap)
{
    (void)c;
    assert_true(cap > 0);
    *ret = (struct listener_spec){.kind = LISTEN_TLS, .in_max = 1, .out_max = 1};
    return 1;
}

static const struct config_row service_config[] = {
    {"test.port", CONFIG_INT, "1", 0, 1, NULL, CONFIG_LIVE, "Nothing."}};
static const struct metric_row service_metrics[] = {{"test", "", METRIC_GAUGE, "Nothing."}};

static const struct service_ops service_ops = {
    .name = "test",
    .config = {service_config, ARRAY_LEN(service_config)},
    .metrics = service_metrics,
    .metrics_n = ARRAY_LEN(service_metrics),
    .listeners = service_listeners,
    .create = service_create,
    .destroy = service_destroy,
    .on_answer = service_answer,
    .on_time = service_time,
};

/* ---- what stands around it ---- */

struct told { /* an audit record */
    int64_t subtype;
    char account[300], address[64], details[128], player[64];
};

struct locked {
    int64_t account, until_ms;
};

struct desk_ask {
    struct ask_owner owner;
    uint16_t query;
    int64_t a, b;
};

struct fixture {
    struct ask_port port; /* the desks' store */
    struct desk_ask asks[256];
    size_t asks_n;
    struct told told[512];
    size_t told_n, read_n;
    struct locked locked[64];
    size_t locked_n;
    int lock_rc; /* what a lock is answered with; E_BUSY: refused at once */
    bool bans_silent;
    struct metrics metrics;
    struct audit_log *audit;
    struct ban_desk *bans;
    struct login_guard *guard;
    struct log log;
    uint8_t secrets[SECRET_KEY];
    struct fake *f;
    struct service *s;
    struct login_policy policy;
    const char *peer;
};

static void told_put(struct fixture *x, const struct value *v)
{
    struct told *t = &x->told[x->told_n++];
    assert_true(x->told_n <= ARRAY_LEN(x->told));
    *t = (struct told){.subtype = v[4].u.i};
    assert_true(span_eq(v[5].u.text, SPAN_LIT("test")) || span_eq(v[5].u.text, SPAN_LIT("server")));
    memcpy(t->account, v[6].u.text.p, v[6].u.text.n);
    memcpy(t->player, v[7].u.text.p, v[7].u.text.n);
    memcpy(t->address, v[8].u.text.p, v[8].u.text.n);
    memcpy(t->details, v[10].u.text.p,
           v[10].u.text.n < sizeof t->details ? v[10].u.text.n : sizeof t->details - 1);
}

static int desk_submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct fixture *x = CONTAINER_OF(port, struct fixture, port);
    const struct value *v = ask->u.query.v;
    uint16_t q = ask->u.query.query;
    assert_int_equal(ask->kind, ASK_QUERY);
    assert_int_equal(query_check(query_table[q].parameters, v, ask->u.query.n), 0);
    if (q == QUERY_ACCOUNT_LOCK && x->lock_rc == E_BUSY)
        return E_BUSY;
    if (q == QUERY_AUDIT_APPEND)
        told_put(x, v);
    assert_true(x->asks_n < ARRAY_LEN(x->asks));
    x->asks[x->asks_n++] = (struct desk_ask){.owner = owner, .query = q};
    if (q == QUERY_ACCOUNT_LOCK) {
        x->asks[x->asks_n - 1].a = v[0].u.i;
        x->asks[x->asks_n - 1].b = v[1].u.i;
    }
    return 0;
}

static void desk_answer(struct fixture *x, const struct desk_ask *q)
{
    static int64_t ids;
    struct answer a = {.req = q->owner.req, .kind = ASK_QUERY, .rc = query_table[q->query].none};
    struct buf rows;
    const struct value id = VALUE_OF_INT(++ids);
    buf_init(&rows, 64);
    if (q->query == QUERY_BAN_ADD) {
        query_pack(&rows, &id, 1);
        a.rc = 0;
    } else if (q->query == QUERY_ACCOUNT_LOCK) {
        a.rc = x->lock_rc;
        if (a.rc == 0)
            x->locked[x->locked_n++] = (struct locked){q->a, q->b};
    } else if (q->query == QUERY_BAN_LIST && x->bans_silent) {
        a.rc = E_STORE;
    }
    a.u.rows = buf_span(&rows);
    q->owner.answer(q->owner.ctx, x->f ? x->f->now : (struct now){.mono = 1}, &a);
    buf_fini(&rows);
}

static void on_synced(void *ctx, struct now now, int rc)
{
    (void)ctx;
    (void)now;
    (void)rc;
}

/* Everything that is due at the desks, and what they asked. */
static void settle(struct fixture *x)
{
    struct now now = x->f->now;
    audit_log_sync(x->audit, now, on_synced, NULL);
    for (int i = 0; i < 20; i++) {
        if (x->bans)
            (void)ban_desk_time(x->bans, now);
        if (x->audit)
            (void)audit_log_time(x->audit, now);
        if (x->guard)
            (void)login_guard_time(x->guard, now);
        while (x->asks_n) {
            struct desk_ask q = x->asks[0];
            memmove(x->asks, x->asks + 1, --x->asks_n * sizeof q);
            desk_answer(x, &q);
        }
    }
}

static void emit_nothing(struct log *log, const struct log_row *row, const struct log_field *f,
                         size_t n)
{
    (void)log;
    (void)row;
    (void)f;
    (void)n;
}

static void no_enforcing(void *ctx, struct now now, const struct ban *b)
{
    (void)ctx;
    (void)now;
    (void)b;
}

static void no_waking(void *ctx, nsec deadline)
{
    (void)ctx;
    (void)deadline;
}

static void make_desks(struct fixture *x, struct now now)
{
    const struct audit_log_cfg audit = {.store = &x->port,
                                        .node = SPAN_LIT("node"),
                                        .key = {1},
                                        .log = &x->log,
                                        .metrics = &x->metrics,
                                        .wake = no_waking};
    assert_int_equal(audit_log_create(&x->audit, &audit, now), 0);
    const struct ban_desk_cfg bans = {.store = &x->port,
                                      .log = &x->log,
                                      .metrics = &x->metrics,
                                      .seed = {1, 2},
                                      .enforce = no_enforcing,
                                      .wake = no_waking};
    assert_int_equal(ban_desk_create(&x->bans, &bans, now), 0);
    const struct login_guard_cfg guard = {
        .store = &x->port, .bans = x->bans, .audit = x->audit, .log = &x->log, .seed = {3, 4}};
    assert_int_equal(login_guard_create(&x->guard, &guard), 0);
    const struct login_guard_policy policy = {.threshold = 5, .ban_s = 3600, .lock_s = 900};
    login_guard_set_policy(x->guard, &policy);
}

static int setup(void **state)
{
    struct fixture *x = alloc_own(sizeof *x);
    const struct now now = {.mono = 1000 * NSEC_PER_S, .unix_ms = INT64_C(1750000000000)};
    x->port.submit = desk_submit;
    x->log = (struct log){LOG_DEBUG, emit_nothing};
    x->peer = HERE;
    memset(x->secrets, 7, sizeof x->secrets);
    metrics_init(&x->metrics);
    bool before = alloc_fault_suspend(true);
    make_desks(x, now);
    const struct fake_cfg cfg = {.ops = &service_ops,
                                 .seed = 5,
                                 .now = now,
                                 .bans = x->bans,
                                 .audit = x->audit,
                                 .guard = x->guard,
                                 .secrets = x->secrets,
                                 .presence = true};
    x->f = fake_create(&cfg, NULL);
    assert_non_null(x->f);
    settle(x);
    assert_true(ban_desk_ready(x->bans));
    (void)alloc_fault_suspend(before);
    x->s = x->f->svc;
    x->policy = (struct login_policy){.password_min = 1,
                                      .factor = LOGIN_FACTOR_OPTIONAL,
                                      .staff_password_min = 12,
                                      .resume_s = 86400};
    logins_set_policy(x->s->logins, &x->policy);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    audit_log_close(x->audit, x->f->now);
    settle(x);
    fake_destroy(x->f);
    x->f = NULL;
    while (x->asks_n) {
        struct desk_ask q = x->asks[--x->asks_n];
        desk_answer(x, &q);
    }
    login_guard_destroy(x->guard);
    ban_desk_destroy(x->bans);
    audit_log_destroy(x->audit);
    metrics_fini(&x->metrics);
    alloc_own_free(x);
    return 0;
}

/* ---- logging in ---- */

static struct ask_fake_account *account(struct fixture *x, const char *name, const char *password)
{
    return ask_fake_account(&x->f->asks, name, password, 1, false);
}

static int start(struct fixture *x, const struct login_request *q, struct login_ref *ref)
{
    struct login_request r = *q;
    assert_int_equal(addr_parse(&r.peer, x->peer), 0);
    x->f->in_call = true;
    int rc = login_start(x->s->logins, x->f->now, &r, ref);
    x->f->in_call = false;
    return rc;
}

static struct login_result only_result(struct fixture *x)
{
    assert_int_equal(x->s->results_n, 1);
    assert_int_equal(logins_live(x->s->logins), 0);
    x->s->results_n = 0;
    return x->s->results[0];
}

static struct login_result login_as(struct fixture *x, const struct login_request *q)
{
    struct login_ref ref;
    assert_int_equal(start(x, q, &ref), 0);
    fake_advance(x->f, 0);
    fake_answer_all(x->f);
    if (x->s->results_n == 0) /* it had to wait */
        fake_advance(x->f, 9 * NSEC_PER_S);
    return only_result(x);
}

/* The next audit record is this. */
static void heard(struct fixture *x, unsigned subtype, const char *who, const char *details)
{
    settle(x);
    assert_true(x->read_n < x->told_n);
    const struct told *t = &x->told[x->read_n++];
    assert_int_equal(t->subtype, subtype);
    assert_string_equal(t->account, who);
    assert_string_equal(t->details, details);
    assert_string_equal(t->player, AUDIT_NOBODY);
    if (subtype == AUDIT_SUB_ACCOUNT_LOGIN)
        assert_string_equal(t->address, x->peer);
}

#define HEARD_LOGIN(x, who, details) heard(x, AUDIT_SUB_ACCOUNT_LOGIN, who, details)

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
