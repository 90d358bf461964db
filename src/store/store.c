#include "store/store.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/backend.h"
#include "store/entry.h"

#define QUEUE_MAX       8192u
#define QUEUE_BYTES_MAX (16u << 20)
#define PROBE_FIRST     (250 * NSEC_PER_MS)
#define PROBE_MAX       (30 * NSEC_PER_S)

const struct config_row store_config[1] = {
    {"store.url", CONFIG_SECRET, "sqlite:", 1, 0, NULL, CONFIG_RESTART,
     "Where accounts are kept: sqlite:PATH, sqlite: alone for slipgate.db in data.dir, or"
     " postgresql://USER:PASSWORD@HOST:PORT/DATABASE."},
};

enum { M_UP, M_QUEUE, M_ANSWERED, M_FAILED, M_REFUSED, M_READS, M_WRITES, METRICS_N };

static const struct metric_row metric_rows[METRICS_N] = {
    [M_UP] = {"slipgate_store_up", "", METRIC_GAUGE, "1 while the database takes writes."},
    [M_QUEUE] = {"slipgate_store_queue", "", METRIC_GAUGE, "Asks accepted and not yet answered."},
    [M_ANSWERED] = {"slipgate_store_asks_total", "result=\"answered\"", METRIC_COUNTER,
                    "Asks by what became of them."},
    [M_FAILED] = {"slipgate_store_asks_total", "result=\"failed\"", METRIC_COUNTER, NULL},
    [M_REFUSED] = {"slipgate_store_asks_total", "result=\"refused\"", METRIC_COUNTER, NULL},
    [M_READS] = {"slipgate_store_batches_total", "kind=\"read\"", METRIC_COUNTER,
                 "Groups of asks that went to the database together."},
    [M_WRITES] = {"slipgate_store_batches_total", "kind=\"write\"", METRIC_COUNTER, NULL},
};

static const struct log_row log_down = {LOG_ERROR, "store.down",
                                        "database fails: tried again until it works"};
static const struct log_row log_up = {LOG_INFO, "store.up", "database works again"};

struct store {
    struct ask_port port;
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    size_t metric_base;
    struct loop_timer *timer;
    size_t entries_max, bytes_max;

    struct entry *first, **last; /* waiting for the next batch */
    size_t entries, bytes;       /* accepted and not yet answered */
    bool running;                /* batch[0] is with the back end */
    bool answering, closing, down;
    nsec down_since, probe_after;

    struct batch batch[2]; /* the second only at the end, behind the first */
    struct backend *backend;
};

static void count(struct store *s, size_t row, uint64_t n)
{
    metrics_add(s->metrics, s->metric_base + row, n);
}

static void gauge(struct store *s, size_t row, int64_t v)
{
    metrics_set(s->metrics, s->metric_base + row, v);
}

static void set_down(struct store *s, struct now now, const char *error)
{
    if (!s->down) {
        s->down = true;
        s->down_since = now.mono;
        s->probe_after = PROBE_FIRST;
        gauge(s, M_UP, 0);
        LOG(s->log, &log_down, LF_STR("error", error));
        if (!s->closing)
            s->loop->ops->timer_set(s->timer, now.mono + s->probe_after);
    }
}

static void set_up(struct store *s, struct now now)
{
    if (!s->down)
        return;
    s->down = false;
    gauge(s, M_UP, 1);
    LOG(s->log, &log_up, LF_UINT("down_s", (now.mono - s->down_since) / NSEC_PER_S));
    if (!s->closing)
        s->loop->ops->timer_set(s->timer, NSEC_NEVER);
}

static void on_timer(void *ctx, struct now now)
{
    struct store *s = ctx;
    s->backend->ops->probe(s->backend, now.unix_ms);
}

static void on_probed(void *ctx, struct now now, int rc, const char *error)
{
    struct store *s = ctx;
    (void)error; /* said when it went down */
    if (rc == 0)
        set_up(s, now);
    if (!s->down || s->closing)
        return;
    s->probe_after = s->probe_after * 2 < PROBE_MAX ? s->probe_after * 2 : PROBE_MAX;
    s->loop->ops->timer_set(s->timer, now.mono + s->probe_after);
}

static void on_down(void *ctx, struct now now, const char *error)
{
    set_down(ctx, now, error);
}

/* Everything that waits becomes one batch. */
static void start(struct store *s, struct batch *b)
{
    *b = (struct batch){.first = s->first, .rows_room = BATCH_ROWS_BYTES_MAX};
    s->first = NULL;
    s->last = &s->first;
    for (struct entry *e = b->first; e; e = e->next) {
        e->rows_room = &b->rows_room;
        b->writes = b->writes || ask_sql_writes(e);
    }
    count(s, b->writes ? M_WRITES : M_READS, 1);
    s->backend->ops->start(s->backend, b);
}

static void start_next(struct store *s)
{
    if (s->running || s->answering || s->closing || !s->first)
        return;
    s->running = true;
    start(s, &s->batch[0]);
}

static void give_answers(struct store *s, struct batch *b, struct now now)
{
    while (b->first) {
        struct entry *e = b->first;
        b->first = e->next;
        s->entries--;
        s->bytes -= e->size;
        if (b->rc) {
            entry_clear(e);
            e->answer.rc = E_STORE;
        }
        count(s, e->answer.rc == E_STORE ? M_FAILED : M_ANSWERED, 1);
        e->answer.req = e->owner.req;
        e->answer.kind = e->kind;
        e->owner.answer(e->owner.ctx, now, &e->answer);
        entry_free(e);
    }
    gauge(s, M_QUEUE, (int64_t)s->entries);
}

static void on_done(void *ctx, struct now now, struct batch *b)
{
    struct store *s = ctx;
    if (b == &s->batch[0])
        s->running = false;
    if (b->rc)
        set_down(s, now, b->error);
    else if (b->writes)
        set_up(s, now);
    /* What the answers lead to is to be one batch, not one for the first and one for the rest. */
    s->answering = true;
    give_answers(s, b, now);
    s->answering = false;
    start_next(s);
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct store *s = CONTAINER_OF(port, struct store, port);
    bool room = !s->closing && s->entries < s->entries_max;
    struct entry *e = room ? entry_make(ask, owner, s->loop->ops->now(s->loop).unix_ms) : NULL;
    if (e && e->size > s->bytes_max - s->bytes) {
        entry_free(e);
        e = NULL;
    }
    if (!e) {
        count(s, M_REFUSED, 1);
        return E_BUSY;
    }
    *s->last = e;
    s->last = &e->next;
    s->entries++;
    s->bytes += e->size;
    gauge(s, M_QUEUE, (int64_t)s->entries);
    start_next(s);
    return 0;
}

int store_check(const struct store_cfg *cfg, struct buf *why)
{
    const struct backend_kind *kind = backend_find(cfg->url, why);
    return kind ? kind->check(cfg, why) : E_CONFIG;
}

int store_schema(const struct store_cfg *cfg, bool up, int64_t unix_ms,
                 struct store_migration_list *list, struct buf *why)
{
    const struct backend_kind *kind = backend_find(cfg->url, why);
    list->n = 0;
    return kind ? kind->migrations(cfg, up, unix_ms, list, why) : E_CONFIG;
}

static int open_loop_side(struct store *s, struct buf *why)
{
    int base = metrics_register(s->metrics, metric_rows, METRICS_N);
    int rc = base < 0 ? base : s->loop->ops->timer_open(s->loop, on_timer, s, &s->timer);
    if (rc) {
        (void)buf_printf(why, "cannot start the store: %s", err_text(rc));
        return rc;
    }
    s->metric_base = (size_t)base;
    gauge(s, M_UP, 1);
    return 0;
}

static struct store *make(struct loop *loop, const struct store_cfg *cfg)
{
    struct store *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->port.submit = submit;
    s->loop = loop;
    s->log = cfg->log;
    s->metrics = cfg->metrics;
    s->entries_max = cfg->queue_max ? cfg->queue_max : QUEUE_MAX;
    s->bytes_max = cfg->queue_bytes_max ? cfg->queue_bytes_max : QUEUE_BYTES_MAX;
    s->last = &s->first;
    return s;
}

int store_create(struct store **ret, struct loop *loop, const struct store_cfg *cfg,
                 struct buf *why)
{
    const struct backend_kind *kind = backend_find(cfg->url, why);
    if (!kind)
        return E_CONFIG;
    struct store *s = make(loop, cfg);
    if (!s)
        return E_NOMEM;
    int rc = kind->open(&s->backend, loop, cfg,
                        &(struct backend_owner){on_done, on_probed, on_down, s}, why);
    if (rc == 0) {
        rc = open_loop_side(s, why);
        if (rc)
            s->backend->ops->close(s->backend);
    }
    if (rc) {
        mem_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct ask_port *store_port(struct store *s)
{
    return &s->port;
}

bool store_ready(const struct store *s)
{
    return !s->down && !s->closing;
}

void store_close(struct store *s)
{
    if (!s || s->closing)
        return;
    CHECK(!s->answering);
    s->closing = true;
    s->loop->ops->timer_close(s->timer);
    if (s->first)
        start(s, &s->batch[1]);
    s->backend->ops->close(s->backend);
    s->backend = NULL;
    CHECK(s->entries == 0 && s->bytes == 0);
}

void store_destroy(struct store *s)
{
    store_close(s);
    mem_free(s);
}
