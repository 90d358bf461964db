/* Any bytes as the audit log's spool at its start, beside a store that may know a tail: the log
 * comes up, gives the store what of it is a record under the number it had, and goes on with a
 * number behind them all, in a chain that the last of them continues. */
#include "fuzz.h"

#include "base/err.h"
#include "core/audit_log.h"
#include "core/query.h"
#include "wire/text.h"

#define ASKS     2048u
#define TURNS    4000u
#define TAIL_MAX 100u /* the store's, where it knows one */

struct world {
    struct ask_port port;
    struct audit_spool spool;
    struct log log;
    struct metrics metrics;
    struct now now;
    nsec deadline;
    struct ask_owner asks[ASKS];
    enum query kinds[ASKS];
    size_t asks_n;
    struct span text;
    void (*read)(void *ctx, struct now, int rc, struct span);
    void (*done)(void *ctx, struct now, int rc);
    void *ctx;
    bool cleared, kept;
    uint64_t tail, newest; /* that the store was given */
    char newest_hash[65], last_prev[65];
    uint64_t last; /* the last append */
};

static void take_append(struct world *w, const struct value *v)
{
    w->last = (uint64_t)query_int(&v[1]);
    struct span prev = query_text(&v[11]), own = query_text(&v[12]);
    MUST(prev.n == 64 && own.n == 64);
    memcpy(w->last_prev, prev.p, 64);
    if (w->last > w->newest) {
        w->newest = w->last;
        memcpy(w->newest_hash, own.p, 64);
    }
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct world *w = CONTAINER_OF(port, struct world, port);
    enum query q = (enum query)ask->u.query.query;
    MUST(ask->kind == ASK_QUERY && w->asks_n < ASKS);
    MUST(query_check(query_table[q].parameters, ask->u.query.v, ask->u.query.n) == 0);
    if (q == QUERY_AUDIT_APPEND)
        take_append(w, ask->u.query.v);
    w->kinds[w->asks_n] = q;
    w->asks[w->asks_n++] = owner;
    return 0;
}

static void spool_append(struct audit_spool *s, struct span lines,
                         void (*done)(void *ctx, struct now, int rc), void *ctx)
{
    (void)s;
    (void)lines;
    (void)done;
    (void)ctx;
    MUST(!"the store never fails here");
}

static void spool_read(struct audit_spool *s,
                       void (*done)(void *ctx, struct now, int rc, struct span), void *ctx)
{
    struct world *w = CONTAINER_OF(s, struct world, spool);
    w->read = done;
    w->ctx = ctx;
}

static void spool_clear(struct audit_spool *s, bool keep,
                        void (*done)(void *ctx, struct now, int rc), void *ctx)
{
    struct world *w = CONTAINER_OF(s, struct world, spool);
    w->cleared = true;
    w->kept = keep;
    w->done = done;
    w->ctx = ctx;
}

static void wake(void *ctx, nsec deadline)
{
    struct world *w = ctx;
    w->deadline = deadline < w->deadline ? deadline : w->deadline;
}

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    (void)log;
    (void)row;
    (void)f;
    (void)n;
}

static void answer_one(struct world *w)
{
    static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct ask_owner o = w->asks[0];
    enum query q = w->kinds[0];
    struct answer a = {.req = o.req, .kind = ASK_QUERY, .rc = query_table[q].none};
    struct buf rows;
    buf_init(&rows, 4096);
    w->asks_n--;
    memmove(w->asks, w->asks + 1, w->asks_n * sizeof *w->asks);
    memmove(w->kinds, w->kinds + 1, w->asks_n * sizeof *w->kinds);
    if (q == QUERY_AUDIT_TAIL && w->tail) {
        const struct value v[] = {VALUE_OF_INT((int64_t)w->tail), VALUE_OF_TEXT(span_str(hash))};
        query_pack(&rows, v, ARRAY_LEN(v));
        a.rc = 0;
        if (w->tail >= w->newest) {
            w->newest = w->tail;
            memcpy(w->newest_hash, hash, 64);
        }
    }
    a.u.rows = buf_span(&rows);
    o.answer(o.ctx, w->now, &a);
    buf_fini(&rows);
}

/* Until nothing more is due within a second. */
static void run(struct world *w, struct audit_log *l)
{
    nsec end = w->now.mono + NSEC_PER_S;
    for (unsigned turns = 0;; turns++) {
        MUST(turns < TURNS);
        if (w->asks_n) {
            answer_one(w);
        } else if (w->read) {
            void (*fn)(void *, struct now, int, struct span) = w->read;
            w->read = NULL;
            fn(w->ctx, w->now, 0, w->text);
        } else if (w->done) {
            void (*fn)(void *, struct now, int) = w->done;
            w->done = NULL;
            fn(w->ctx, w->now, 0);
        } else if (w->deadline <= end) {
            w->now.mono = w->deadline > w->now.mono ? w->deadline : w->now.mono;
            w->deadline = NSEC_NEVER;
            wake(w, audit_log_time(l, w->now));
        } else {
            return;
        }
    }
}

static void add_one(struct world *w, struct audit_log *l)
{
    const struct audit_record r = {.type = AUDIT_ACCOUNT, .game = SPAN_LIT("server")};
    uint64_t before = w->newest;
    char hash[65] = "";
    memcpy(hash, w->newest_hash, 64);
    w->last = 0;
    audit_log_add(l, w->now, &r);
    run(w, l);
    if (before == AUDIT_SEQ_MAX) {
        MUST(w->last == 0); /* the numbers are used up */
        return;
    }
    MUST(w->last == before + 1);
    MUST(!before || memcmp(w->last_prev, hash, 64) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct span in = span_of(data, size);
    struct audit_log *l;
    w = (struct world){.port = {submit, NULL},
                       .spool = {spool_append, spool_read, spool_clear},
                       .log = {LOG_DEBUG, emit},
                       .now = {NSEC_PER_S, 1700000000000},
                       .deadline = NSEC_NEVER};
    w.tail = fuzz_below(&in, TAIL_MAX);
    uint8_t *exact = fuzz_copy(in);
    w.text = span_of(exact, in.n);
    metrics_init(&w.metrics);
    struct audit_log_cfg cfg = {.store = &w.port,
                                .spool = &w.spool,
                                .node = SPAN_LIT("main"),
                                .log = &w.log,
                                .metrics = &w.metrics,
                                .wake = wake,
                                .ctx = &w};
    MUST(audit_log_create(&l, &cfg, w.now) == 0);
    run(&w, l);
    add_one(&w, l);
    audit_log_close(l, w.now);
    run(&w, l);
    MUST(audit_log_quiet(l));
    audit_log_destroy(l);
    metrics_fini(&w.metrics);
    free(exact);
    return 0;
}
