/* The desk of bans over a store that fails, forgets, answers late or out of order: what is in force
 * when, what is in the store in the end, who is told, and that live sessions are ended. */
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

/* --- tests -------------------------------------------------------------------------------------
 */

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
    message(CLUSTER_BAN_ADDED);
    turn();
    answer_nth(0);
    store.mode = FAILS;
    answer_nth(0);
    assert_int_equal(bans_live(ban_desk_list(w.desk)), 1501);
    assert_int_equal(who("10.2.0.1"), 0);
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
