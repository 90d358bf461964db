#include "store/store.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "store/account_sql.h"
#include "store/connection.h"

#include <limits.h>
#include <stdio.h>

#define QUEUE_MAX       8192u
#define QUEUE_BYTES_MAX (16u << 20)
#define PROBE_FIRST     (250 * NSEC_PER_MS)
#define PROBE_MAX       (30 * NSEC_PER_S)
#define DEFAULT_FILE    "slipgate.db"

const struct config_row store_config[1] = {
    {"store.url", CONFIG_TEXT, "sqlite:", 1, 0, NULL, CONFIG_RESTART,
     "Where accounts are kept: sqlite:PATH, or sqlite: alone for slipgate.db in data.dir."},
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

static const struct log_row log_open = {LOG_INFO, "store.open", "database open"};
static const struct log_row log_migrated = {LOG_INFO, "store.migrated",
                                            "database brought to a newer version"};
static const struct log_row log_modes = {
    LOG_WARN, "store.modes", "others than the owner may read the database: chmod 600 mends it"};
static const struct log_row log_down = {LOG_ERROR, "store.down",
                                        "database fails: tried again until it works"};
static const struct log_row log_up = {LOG_INFO, "store.up", "database works again"};

/* One ask, with its own copy of what the ask pointed at. */
struct entry {
    struct entry *next;
    struct ask_owner owner;
    struct ask ask;
    struct answer answer;
    struct password_record old, password;
    size_t size;
    uint8_t name[];
};

struct batch {
    struct job job;
    struct store *store;
    struct entry *first;
    bool writes;
    int rc; /* of the whole; what the database said is in error */
    char error[SQL_ERROR_MAX];
};

struct probe {
    struct job job;
    struct store *store;
    int64_t unix_ms;
    int rc;
    char error[SQL_ERROR_MAX];
};

struct store {
    struct ask_port port;
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    size_t metric_base;
    struct loop_pool *pool;
    struct loop_timer *timer;
    size_t entries_max, bytes_max;

    struct entry *first, **last; /* waiting for the next batch */
    size_t entries, bytes;       /* accepted and not yet answered */
    bool running;                /* batch[0] is with the pool */
    bool answering, closing, down;
    nsec down_since, probe_after;

    struct batch batch[2]; /* the second only at the end, behind the first */
    struct probe probe;
    struct job close;
    struct connection connection; /* the pool thread's once store_create is through */
};

/* --- on the pool's thread --- */

static int run_entries(struct sql *db, struct entry *e)
{
    int rc = 0;
    for (; e && rc == 0; e = e->next)
        if (e->answer.rc == 0)
            rc = account_sql_run(db, &e->ask, &e->answer);
    return rc;
}

static int run_batch(struct sql *db, const struct batch *b)
{
    if (!b->writes)
        return run_entries(db, b->first);
    int rc = sql_begin(db);
    if (rc == 0 || PLANTED(ACKNOWLEDGED_BEFORE_COMMIT))
        rc = run_entries(db, b->first);
    if (rc == 0 && !(PLANTED(ACKNOWLEDGED_BEFORE_COMMIT) && !b->first->next))
        rc = sql_commit(db);
    return rc;
}

static void work_batch(struct job *job)
{
    struct batch *b = CONTAINER_OF(job, struct batch, job);
    struct connection *c = &b->store->connection;
    b->rc = c->db ? run_batch(c->db, b) : E_CLOSED;
    if (b->rc == 0)
        return;
    if (c->db) {
        sql_rollback(c->db);
        connection_failed(c, b->rc);
    }
    memcpy(b->error, c->error, sizeof b->error);
    for (struct entry *e = b->first; e; e = e->next) {
        mem_wipe(&e->answer.u, sizeof e->answer.u);
        e->answer.rc = E_STORE;
    }
}

static void work_probe(struct job *job)
{
    struct probe *p = CONTAINER_OF(job, struct probe, job);
    struct connection *c = &p->store->connection;
    p->rc = connection_probe(c, p->unix_ms);
    memcpy(p->error, c->error, sizeof p->error);
}

static void work_close(struct job *job)
{
    connection_close(&CONTAINER_OF(job, struct store, close)->connection);
}

/* --- on the loop's thread --- */

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
    s->probe.unix_ms = now.unix_ms;
    s->loop->ops->pool_submit(s->pool, &s->probe.job);
}

static void done_probe(struct job *job, struct now now)
{
    struct probe *p = CONTAINER_OF(job, struct probe, job);
    struct store *s = p->store;
    if (p->rc == 0)
        set_up(s, now);
    if (!s->down || s->closing)
        return;
    s->probe_after = s->probe_after * 2 < PROBE_MAX ? s->probe_after * 2 : PROBE_MAX;
    s->loop->ops->timer_set(s->timer, now.mono + s->probe_after);
}

/* Everything that waits becomes one batch. */
static void start(struct store *s, struct batch *b)
{
    b->first = s->first;
    s->first = NULL;
    s->last = &s->first;
    b->writes = false;
    for (const struct entry *e = b->first; e; e = e->next)
        b->writes = b->writes || (e->answer.rc == 0 && account_sql_writes(&e->ask));
    count(s, b->writes ? M_WRITES : M_READS, 1);
    s->loop->ops->pool_submit(s->pool, &b->job);
}

static void start_next(struct store *s)
{
    if (s->running || s->answering || s->closing || !s->first)
        return;
    s->running = true;
    start(s, &s->batch[0]);
}

static void give_answers(struct batch *b, struct now now)
{
    struct store *s = b->store;
    while (b->first) {
        struct entry *e = b->first;
        b->first = e->next;
        s->entries--;
        s->bytes -= e->size;
        count(s, e->answer.rc == E_STORE ? M_FAILED : M_ANSWERED, 1);
        e->answer.req = e->owner.req;
        e->answer.kind = e->ask.kind;
        e->owner.answer(e->owner.ctx, now, &e->answer);
        mem_free_secret(e, e->size);
    }
    gauge(s, M_QUEUE, (int64_t)s->entries);
}

static void done_batch(struct job *job, struct now now)
{
    struct batch *b = CONTAINER_OF(job, struct batch, job);
    struct store *s = b->store;
    if (b == &s->batch[0])
        s->running = false;
    if (b->rc)
        set_down(s, now, b->error);
    else if (b->writes)
        set_up(s, now);
    /* What the answers lead to is to be one batch, not one for the first and one for the rest. */
    s->answering = true;
    give_answers(b, now);
    s->answering = false;
    start_next(s);
}

static void done_close(struct job *job, struct now now)
{
    (void)job;
    (void)now;
}

static struct span ask_name(const struct ask *ask)
{
    if (ask->kind == ASK_ACCOUNT_FIND)
        return ask->u.find.name;
    return ask->kind == ASK_ACCOUNT_CREATE ? ask->u.create.name : SPAN_NULL;
}

/* The ask's spans and pointers are the caller's: the entry's copy points into the entry. */
static struct entry *make_entry(const struct ask *ask, struct ask_owner owner)
{
    int rc = account_sql_check(ask);
    struct span name = rc ? SPAN_NULL : ask_name(ask);
    struct entry *e = mem_zalloc(1, sizeof *e + name.n);
    if (!e)
        return NULL;
    e->owner = owner;
    e->ask = *ask;
    e->answer.rc = rc;
    e->size = sizeof *e + name.n;
    if (name.n)
        memcpy(e->name, name.p, name.n);
    name.p = e->name;
    if (ask->kind == ASK_ACCOUNT_FIND) {
        e->ask.u.find.name = name;
    } else if (ask->kind == ASK_ACCOUNT_CREATE) {
        e->password = *ask->u.create.password;
        e->ask.u.create.password = &e->password;
        e->ask.u.create.name = name;
    } else if (ask->kind == ASK_ACCOUNT_SET_PASSWORD) {
        e->old = *ask->u.set_password.old;
        e->password = *ask->u.set_password.password;
        e->ask.u.set_password.old = &e->old;
        e->ask.u.set_password.password = &e->password;
    }
    return e;
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct store *s = CONTAINER_OF(port, struct store, port);
    bool room = !s->closing && s->entries < s->entries_max;
    struct entry *e = room ? make_entry(ask, owner) : NULL;
    if (e && e->size > s->bytes_max - s->bytes) {
        mem_free_secret(e, e->size);
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

/* The path a url names, in path. */
static int parse_url(const struct store_cfg *cfg, char path[PATH_MAX], struct buf *why)
{
    static const char scheme[] = "sqlite:";
    if (strncmp(cfg->url, scheme, sizeof scheme - 1) != 0) {
        (void)buf_printf(
            why, "store.url: no other database than SQLite is known; give sqlite: or sqlite:PATH");
        return E_CONFIG;
    }
    const char *rest = cfg->url + sizeof scheme - 1;
    int n = rest[0] ? snprintf(path, PATH_MAX, "%s", rest)
                    : snprintf(path, PATH_MAX, "%s/" DEFAULT_FILE,
                               cfg->data_dir && cfg->data_dir[0] ? cfg->data_dir : ".");
    if (n < 0 || n >= PATH_MAX || path[n - 1] == '/') {
        (void)buf_printf(why, "store.url does not name a file; give sqlite: or sqlite:PATH");
        return E_CONFIG;
    }
    return 0;
}

int store_check(const struct store_cfg *cfg, struct buf *why)
{
    char path[PATH_MAX];
    return parse_url(cfg, path, why);
}

static int open_loop_side(struct store *s, struct buf *why)
{
    int base = metrics_register(s->metrics, metric_rows, METRICS_N);
    int rc = base < 0 ? base : s->loop->ops->timer_open(s->loop, on_timer, s, &s->timer);
    if (rc == 0)
        rc = s->loop->ops->pool_open(s->loop, "store", 1, 0, &s->pool);
    if (rc) {
        (void)buf_printf(why, "cannot start the store: %s", err_text(rc));
        if (s->timer)
            s->loop->ops->timer_close(s->timer);
        return rc;
    }
    s->metric_base = (size_t)base;
    gauge(s, M_UP, 1);
    return 0;
}

static void say_open(struct store *s)
{
    const struct connection *c = &s->connection;
    LOG(s->log, &log_open, LF_STR("path", c->file.path), LF_INT("version", c->version));
    if (c->from != c->version && !c->file.made)
        LOG(s->log, &log_migrated, LF_INT("from", c->from), LF_INT("to", c->version));
    if (c->file.open_modes)
        LOG(s->log, &log_modes, LF_STR("path", c->file.path));
}

int store_create(struct store **ret, struct loop *loop, const struct store_cfg *cfg,
                 struct buf *why)
{
    char path[PATH_MAX];
    int rc = parse_url(cfg, path, why);
    if (rc)
        return rc;
    struct store *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    s->port.submit = submit;
    s->loop = loop;
    s->log = cfg->log;
    s->metrics = cfg->metrics;
    s->entries_max = cfg->queue_max ? cfg->queue_max : QUEUE_MAX;
    s->bytes_max = cfg->queue_bytes_max ? cfg->queue_bytes_max : QUEUE_BYTES_MAX;
    s->last = &s->first;
    for (size_t i = 0; i < ARRAY_LEN(s->batch); i++)
        s->batch[i] = (struct batch){.job = {work_batch, done_batch, NULL}, .store = s};
    s->probe = (struct probe){.job = {work_probe, done_probe, NULL}, .store = s};
    s->close = (struct job){work_close, done_close, NULL};
    rc = connection_open(&s->connection, path, cfg->vfs, loop->ops->now(loop).unix_ms, why);
    if (rc == 0) {
        rc = open_loop_side(s, why);
        if (rc)
            connection_close(&s->connection);
    }
    if (rc) {
        mem_free(s);
        return rc;
    }
    say_open(s);
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
    s->loop->ops->pool_submit(s->pool, &s->close);
    s->loop->ops->pool_close(s->pool);
    CHECK(s->entries == 0 && s->bytes == 0);
}

void store_destroy(struct store *s)
{
    store_close(s);
    mem_free(s);
}
