/* A ban desk over a store in memory that works, refuses, fails, or does what is asked and says it
 * failed; answers are given when told. For t_ban_desk.c. */
#ifndef SLIPGATE_TESTS_BAN_DESK_KIT_H
#define SLIPGATE_TESTS_BAN_DESK_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "core/audit_log.h"
#include "core/ban_desk.h"
#include "core/query.h"
#include "sim/alloc_fault.h"

#include <stdio.h>
#include <stdlib.h>

#define T0      INT64_C(1700000000000)
#define ROWS    4096
#define PENDING 2048
#define TEXT    256

/* --- a store -----------------------------------------------------------------------------------
 */

enum mode {
    WELL,
    REFUSES,   /* submit says busy */
    FAILS,     /* answers E_STORE and has done nothing */
    DOES_FAILS /* does it and answers E_STORE */
};

struct row {
    int64_t id, v[11];
    char text[11][TEXT];
};

struct pending {
    struct ask_owner owner;
    uint16_t query;
    int64_t v[11];
    char text[11][TEXT];
};

static struct {
    struct ask_port port;
    enum mode mode;
    int answer_rc; /* of BAN_ADD instead of its own; 0: its own */
    struct row *rows;
    size_t rows_n;
    int64_t next_id;
    struct pending *pending;
    size_t pending_n;
    unsigned lists, adds, removes, purges;
} store;

static int submit(struct ask_port *p, const struct ask *a, struct ask_owner owner)
{
    (void)p;
    assert_int_equal(a->kind, ASK_QUERY);
    assert_int_equal(
        query_check(query_table[a->u.query.query].parameters, a->u.query.v, a->u.query.n), 0);
    if (store.mode == REFUSES || store.pending_n == PENDING)
        return E_BUSY;
    struct pending *q = &store.pending[store.pending_n++];
    *q = (struct pending){.owner = owner, .query = a->u.query.query};
    for (size_t i = 0; i < a->u.query.n; i++) {
        const struct value *v = &a->u.query.v[i];
        if (v->type == VALUE_TEXT)
            (void)snprintf(q->text[i], TEXT, "%.*s", (int)v->u.text.n, (const char *)v->u.text.p);
        else
            q->v[i] = query_int(v);
    }
    return 0;
}

static void add_row(const struct pending *q)
{
    struct row *r = &store.rows[store.rows_n++];
    assert_true(store.rows_n <= ROWS);
    r->id = ++store.next_id;
    memcpy(r->v, q->v, sizeof r->v);
    memcpy(r->text, q->text, sizeof r->text);
}

static bool remove_row(int64_t id)
{
    for (size_t i = 0; i < store.rows_n; i++)
        if (store.rows[i].id == id) {
            memmove(&store.rows[i], &store.rows[i + 1], (--store.rows_n - i) * sizeof(struct row));
            return true;
        }
    return false;
}

static void pack_row(struct buf *to, const struct row *r)
{
    static const char *const letters = "iITittttii";
    struct value v[11] = {VALUE_OF_INT(r->id)};
    for (size_t i = 0; i < 10; i++)
        v[i + 1] = letters[i] == 't' || letters[i] == 'T' ? VALUE_OF_TEXT(span_str(r->text[i]))
                                                          : VALUE_OF_INT(r->v[i]);
    if (r->v[0] == 0)
        v[3] = VALUE_NOTHING;
    query_pack(to, v, 11);
}

static int list_rows(const struct pending *q, struct buf *to)
{
    int64_t n = 0;
    store.lists++;
    for (size_t i = 0; i < store.rows_n && n < q->v[2]; i++) {
        const struct row *r = &store.rows[i];
        if (r->id <= q->v[0] || (r->v[9] && r->v[9] <= q->v[1]))
            continue;
        pack_row(to, r);
        n++;
    }
    return 0;
}

static int perform(const struct pending *q, struct buf *to)
{
    struct value id;
    switch (q->query) {
    case QUERY_BAN_ADD:
        store.adds++;
        add_row(q);
        id = VALUE_OF_INT(store.next_id);
        query_pack(to, &id, 1);
        return 0;
    case QUERY_BAN_REMOVE: store.removes++; return remove_row(q->v[0]) ? 0 : E_NOENT;
    case QUERY_BAN_LIST: return list_rows(q, to);
    case QUERY_BAN_PURGE: store.purges++; return 0;
    default: fail(); return E_STORE;
    }
}

/* --- the world around the desk -----------------------------------------------------------------
 */

static struct {
    struct ban_desk *desk;
    struct metrics metrics;
    struct now now;
    nsec deadline;
    unsigned enforced;
    char last_enforced[BAN_NET_TEXT_MAX];
    unsigned added, lifted; /* audit */
    char audit[4096];
    unsigned told[CLUSTER_KINDS_N];
    cluster_fn listener;
    void *listener_ctx;
    struct {
        unsigned calls;
        int rc;
        int64_t id;
    } heard;
} w;

void audit_log_add(struct audit_log *a, struct now now, const struct audit_record *r)
{
    (void)a;
    (void)now;
    w.added += r->subtype == AUDIT_SUB_BAN_ADDED;
    w.lifted += r->subtype == AUDIT_SUB_BAN_REMOVED;
    (void)snprintf(w.audit, sizeof w.audit, "%.*s|%.*s|%.*s|%.*s", (int)r->game.n,
                   (const char *)r->game.p, (int)r->account.n, (const char *)r->account.p,
                   (int)r->target.n, (const char *)r->target.p, (int)r->details.n,
                   (const char *)r->details.p);
}

void cluster_tell(struct cluster *c, struct now now, const struct cluster_message *m)
{
    (void)c;
    (void)now;
    w.told[m->kind]++;
}

int cluster_listen(struct cluster *c, cluster_fn fn, void *ctx)
{
    (void)c;
    w.listener = fn;
    w.listener_ctx = ctx;
    return 0;
}

static void enforce(void *ctx, struct now now, const struct ban *b)
{
    (void)ctx;
    (void)now;
    w.enforced++;
    (void)ban_net_text(b, w.last_enforced);
}

static void wake(void *ctx, nsec deadline)
{
    (void)ctx;
    if (deadline < w.deadline)
        w.deadline = deadline;
}

static void emit(struct log *l, const struct log_row *r, const struct log_field *f, size_t n)
{
    (void)l;
    (void)r;
    (void)f;
    (void)n;
}

static struct log quiet = {LOG_DEBUG, emit};

/* Answers the nth of what is asked. */
static void answer_nth(size_t nth)
{
    assert_true(nth < store.pending_n);
    struct pending q = store.pending[nth];
    struct buf rows;
    buf_init(&rows, 1u << 22);
    memmove(&store.pending[nth], &store.pending[nth + 1],
            (--store.pending_n - nth) * sizeof(struct pending));
    struct answer a = {.req = q.owner.req, .kind = ASK_QUERY, .rc = E_STORE};
    bool alloc = alloc_fault_suspend(true);
    if (store.mode != FAILS)
        a.rc = perform(&q, &rows);
    (void)alloc_fault_suspend(alloc);
    if (store.mode == DOES_FAILS)
        a.rc = E_STORE;
    if (q.query == QUERY_BAN_ADD && store.answer_rc)
        a.rc = store.answer_rc;
    if (a.rc == 0)
        a.u.rows = buf_span(&rows);
    q.owner.answer(q.owner.ctx, w.now, &a);
    alloc = alloc_fault_suspend(true);
    buf_fini(&rows);
    (void)alloc_fault_suspend(alloc);
}

static void answer_all(void)
{
    while (store.pending_n)
        answer_nth(0);
}

/* Calls the desk as a timer would, as long as something is due. */
static void turn(void)
{
    for (unsigned i = 0; w.deadline <= w.now.mono; i++) {
        assert_true(i < 4000); /* else it never rests */
        w.deadline = NSEC_NEVER;
        nsec next = ban_desk_time(w.desk, w.now);
        wake(NULL, next);
    }
}

static void settle(void)
{
    for (unsigned i = 0; i < 4000; i++) {
        turn();
        if (!store.pending_n)
            return;
        answer_all();
    }
    fail_msg("the desk never rests");
}

static void pass(nsec t)
{
    w.now.mono += t;
    w.now.unix_ms += (int64_t)(t / NSEC_PER_MS);
    turn();
}

static int setup(void **state)
{
    (void)state;
    bool alloc = alloc_fault_suspend(true);
    memset(&store, 0, sizeof store);
    memset(&w, 0, sizeof w);
    store.port.submit = submit;
    store.rows = calloc(ROWS, sizeof *store.rows);
    store.pending = calloc(PENDING, sizeof *store.pending);
    (void)alloc_fault_suspend(alloc);
    assert_true(store.rows && store.pending);
    w.now = (struct now){NSEC_PER_S, T0};
    w.deadline = NSEC_NEVER;
    metrics_init(&w.metrics);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store.mode = FAILS;
    answer_all();
    ban_desk_destroy(w.desk);
    metrics_fini(&w.metrics);
    bool alloc = alloc_fault_suspend(true);
    free(store.rows);
    free(store.pending);
    (void)alloc_fault_suspend(alloc);
    return 0;
}

static void open_desk(void)
{
    struct ban_desk_cfg cfg = {.store = &store.port,
                               .cluster = (void *)&w, /* never looked into */
                               .audit = (void *)&w,
                               .log = &quiet,
                               .metrics = &w.metrics,
                               .seed = {1, 2},
                               .enforce = enforce,
                               .wake = wake};
    assert_int_equal(ban_desk_create(&w.desk, &cfg, w.now), 0);
}

static void open_and_read(void)
{
    open_desk();
    settle();
    assert_true(ban_desk_ready(w.desk));
}

static void heard(void *ctx, struct now now, int rc, int64_t id)
{
    (void)ctx;
    (void)now;
    w.heard.calls++;
    w.heard.rc = rc;
    w.heard.id = id;
}

static struct ban net_ban(const char *net)
{
    struct ban b = {.author = SPAN_LIT("mary"), .reason = SPAN_LIT("bots")};
    assert_int_equal(ban_net_parse(&b, net), 0);
    return b;
}

static int add(const char *net)
{
    struct ban b = net_ban(net);
    return ban_desk_add(w.desk, w.now, &b, false, heard, NULL, NULL);
}

static int lift(int64_t id)
{
    return ban_desk_remove(w.desk, w.now, id, SPAN_LIT("bob"), heard, NULL);
}

static int64_t who(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text), 0);
    const struct ban *b = ban_desk_addr(w.desk, w.now, &a, SPAN_NULL);
    return b ? b->id : 0;
}

/* As another process would. */
static int64_t row(const char *net, int64_t expires)
{
    struct ban b = net_ban(net);
    struct pending q = {.v = {1, 0, 0, b.bits, 0, 0, 0, 0, T0, expires}};
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(q.text[2] + 2 * i, 3, "%02x", b.ip[i]);
    (void)snprintf(q.text[6], TEXT, "other");
    add_row(&q);
    return store.next_id;
}

static void message(enum cluster_kind kind)
{
    w.listener(w.listener_ctx, w.now, &(struct cluster_message){.kind = kind, .id = 1});
}

#endif
