/* PostgreSQL behind the store. Batches run on the loop (pg_pipeline.h). Connections are made by a
 * thread of their own, blocking, schema and prepared statements included: finding a host's address
 * waits, and so do migrations. A probe is always a connection made anew that writes one row; it
 * takes the place of the one that was lost, or is closed again where that one still stands. */
#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/backend.h"
#include "store/migrate.h"
#include "store/pg_pipeline.h"
#include "store/sql_pg.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WHY_MAX 512u

static const struct log_row log_open = {LOG_INFO, "store.open", "database open"};
static const struct log_row log_migrated = {LOG_INFO, "store.migrated",
                                            "database brought to a newer version"};
static const struct log_row log_refused = {LOG_WARN, "store.connect",
                                           "cannot connect to the database"};
static const struct log_row log_unsafe = {
    LOG_WARN, "store.unsafe", "the server runs with fsync off: what it confirms may be lost"};

/* A connection in the making. */
struct opening {
    struct job job;
    struct pg_backend *backend;
    struct pg pg;
    int64_t unix_ms, from, version;
    bool unsafe, read_only;
    int rc;
    struct buf why; /* the words of a failure */
};

struct pg_backend {
    struct backend backend;
    struct loop *loop;
    struct log *log;
    struct loop_pool *pool;
    struct loop_timer *timer; /* fails batches that come while there is no connection */
    char *url;
    size_t url_size;
    struct opening opening;
    bool probing;
    char said[SQL_ERROR_MAX]; /* why it last failed to connect, said once */
    bool connected, closing;
    struct pg_pipeline pipeline;
    bool running;              /* queue[0] is with the pipeline */
    struct batch *queue[2];    /* the second only at the end, behind the first */
    char error[SQL_ERROR_MAX]; /* why there is no connection */
};

static struct pg_backend *of(struct backend *b)
{
    return CONTAINER_OF(b, struct pg_backend, backend);
}

/* ---- waits: at the start of the program, and on the pool's thread ---- */

static int take_text_off(void *ctx, const struct value *v, size_t n)
{
    *(bool *)ctx = n == 1 && v[0].type == VALUE_TEXT && span_eq(v[0].u.text, SPAN_LIT("off"));
    return 0;
}

static int bring_up_to_date(struct opening *o)
{
    struct sql_pg driver;
    struct sql *db = sql_pg_borrow(&driver, &o->pg);
    int rc = pg_lock(&o->pg);
    if (rc)
        return rc;
    /* What changes a large table takes its time; waiting for locks does not. */
    o->pg.reply_s = PG_MIGRATE_S;
    rc = pg_exec(&o->pg, "SET statement_timeout = 0", NULL, NULL);
    if (rc == 0)
        rc = migrate(db, store_migrations, store_migrations_n, o->unix_ms, &o->from, &o->version,
                     &o->why);
    o->pg.reply_s = PG_REPLY_S;
    if (rc == 0)
        rc = pg_exec(&o->pg, "RESET statement_timeout", NULL, NULL);
    pg_unlock(&o->pg);
    return rc;
}

static int check_version(struct opening *o)
{
    struct sql_pg driver;
    int rc = pg_exec(&o->pg, "SET default_transaction_read_only = on", NULL, NULL);
    return rc ? rc : migrate_check(sql_pg_borrow(&driver, &o->pg), &o->why);
}

static int open_connection(struct opening *o, const char *url)
{
    buf_clear(&o->why);
    int rc = pg_connect(&o->pg, url);
    if (rc == 0)
        rc = o->read_only ? check_version(o) : bring_up_to_date(o);
    if (rc == 0)
        rc = pg_prepare_all(&o->pg, ask_statements, ASK_STATEMENTS_N, ask_sql_types);
    if (rc == 0)
        rc = pg_exec(&o->pg, "SHOW fsync", take_text_off, &o->unsafe);
    if (rc == 0 && !o->read_only)
        rc = pg_exec(&o->pg, "UPDATE store_probe SET n = n + 1", NULL, NULL);
    if (rc) {
        if (o->why.n == 0)
            (void)buf_printf(&o->why, "%s", o->pg.error);
        pg_disconnect(&o->pg);
    }
    (void)buf_append_byte(&o->why, '\0');
    return rc;
}

static void work_open(struct job *job)
{
    struct opening *o = CONTAINER_OF(job, struct opening, job);
    o->rc = open_connection(o, o->backend->url);
}

/* ---- on the loop ---- */

static void run_next(struct pg_backend *b, struct now now);

static void finish_first(struct pg_backend *b, struct now now)
{
    struct backend_owner *o = &b->backend.owner;
    struct batch *done = b->queue[0];
    b->queue[0] = b->queue[1];
    b->queue[1] = NULL;
    b->running = false;
    o->done(o->ctx, now, done);
}

static void on_done(void *ctx, struct now now)
{
    struct pg_backend *b = ctx;
    finish_first(b, now);
    if (!b->running)
        run_next(b, now);
}

static void on_lost(void *ctx, struct now now, int rc, const char *error)
{
    struct pg_backend *b = ctx;
    struct backend_owner *o = &b->backend.owner;
    (void)rc;
    b->connected = false;
    memcpy(b->error, error, sizeof b->error);
    o->down(o->ctx, now, b->error);
    if (b->running)
        finish_first(b, now);
    if (b->queue[0])
        run_next(b, now);
}

static const struct pg_pipeline_owner pipeline_owner = {on_done, on_lost};

static void run_next(struct pg_backend *b, struct now now)
{
    if (!b->queue[0] || b->running)
        return;
    if (!b->connected) {
        b->loop->ops->timer_set(b->timer, now.mono);
        return;
    }
    b->running = true;
    pg_pipeline_run(&b->pipeline, b->queue[0], now);
}

static void fail_first(struct pg_backend *b, struct now now)
{
    struct batch *batch = b->queue[0];
    batch->rc = E_IO;
    memcpy(batch->error, b->error, sizeof batch->error);
    finish_first(b, now);
}

static void on_timer(void *ctx, struct now now)
{
    struct pg_backend *b = ctx;
    if (b->queue[0] && !b->running && !b->connected)
        fail_first(b, now);
    run_next(b, now);
}

static void start(struct backend *backend, struct batch *batch)
{
    struct pg_backend *b = of(backend);
    size_t i = b->queue[0] ? 1 : 0;
    CHECK(!b->queue[i]);
    b->queue[i] = batch;
    run_next(b, b->loop->ops->now(b->loop));
}

static void probe(struct backend *backend, int64_t unix_ms)
{
    struct pg_backend *b = of(backend);
    if (b->probing)
        return; /* the store went up and down again meanwhile: that one's end serves this one too */
    b->probing = true;
    b->opening.unix_ms = unix_ms;
    b->loop->ops->pool_submit(b->pool, &b->opening.job);
}

static void say_open(struct pg_backend *b)
{
    const struct opening *o = &b->opening;
    LOG(b->log, &log_open, LF_STR("host", PQhost(o->pg.pq)), LF_STR("port", PQport(o->pg.pq)),
        LF_STR("database", PQdb(o->pg.pq)), LF_STR("user", PQuser(o->pg.pq)),
        LF_INT("server", PQserverVersion(o->pg.pq)), LF_INT("version", o->version));
    if (o->from != o->version && o->from != 0)
        LOG(b->log, &log_migrated, LF_INT("from", o->from), LF_INT("to", o->version));
    if (o->unsafe)
        LOG(b->log, &log_unsafe, LF_STR("host", PQhost(o->pg.pq)));
}

static void say_refused(struct pg_backend *b)
{
    const char *why = (const char *)b->opening.why.p;
    if (b->closing || strncmp(b->said, why, sizeof b->said - 1) == 0)
        return;
    snprintf(b->said, sizeof b->said, "%s", why);
    LOG(b->log, &log_refused, LF_STR("error", b->said));
}

/* Takes the new connection over, or closes it. */
static int adopt(struct pg_backend *b)
{
    struct opening *o = &b->opening;
    if (b->connected || b->closing) {
        pg_disconnect(&o->pg);
        return 0;
    }
    pg_pipeline_fini(&b->pipeline);
    int rc = pg_pipeline_init(&b->pipeline, b->loop, &o->pg, &pipeline_owner, b);
    o->pg.pq = NULL;
    b->connected = rc == 0;
    return rc;
}

static void done_open(struct job *job, struct now now)
{
    struct opening *o = CONTAINER_OF(job, struct opening, job);
    struct pg_backend *b = o->backend;
    struct backend_owner *owner = &b->backend.owner;
    b->probing = false;
    if (o->rc) {
        say_refused(b);
    } else {
        if (!b->connected && !b->closing)
            say_open(b);
        b->said[0] = '\0';
        o->rc = adopt(b);
    }
    owner->probed(owner->ctx, now, o->rc, (const char *)o->why.p);
}

static void free_backend(struct pg_backend *b)
{
    if (b->timer)
        b->loop->ops->timer_close(b->timer);
    if (b->opening.pg.stop >= 0)
        close(b->opening.pg.stop);
    buf_fini(&b->opening.why);
    mem_free_secret(b->url, b->url_size);
    mem_free(b);
}

static void close_backend(struct backend *backend)
{
    struct pg_backend *b = of(backend);
    static const uint64_t one = 1;
    b->closing = true;
    if (b->connected)
        pg_pipeline_finish(&b->pipeline);
    while (b->queue[0])
        fail_first(b, b->loop->ops->now(b->loop));
    (void)!write(b->opening.pg.stop, &one, sizeof one);
    b->loop->ops->pool_close(b->pool);
    pg_pipeline_fini(&b->pipeline);
    free_backend(b);
}

static const struct backend_ops ops = {start, probe, close_backend};

/* ---- opening ---- */

static int check(const struct store_cfg *cfg, struct buf *why)
{
    int rc;
    (void)buf_append_str(why, "store.url: ");
    rc = pg_url_check(cfg->url, why);
    if (rc == 0)
        buf_clear(why);
    return rc;
}

static struct pg_backend *make(struct loop *loop, const struct store_cfg *cfg,
                               const struct backend_owner *owner)
{
    struct pg_backend *b = mem_zalloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->backend = (struct backend){&ops, *owner};
    b->loop = loop;
    b->log = cfg->log;
    b->pipeline.loop = loop;
    b->opening = (struct opening){
        .job = {work_open, done_open, NULL}, .backend = b, .read_only = cfg->read_only};
    b->opening.pg.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    buf_init(&b->opening.why, WHY_MAX);
    b->url_size = strlen(cfg->url) + 1;
    b->url = mem_zalloc(1, b->url_size);
    if (b->url && b->opening.pg.stop >= 0) {
        memcpy(b->url, cfg->url, b->url_size);
        return b;
    }
    free_backend(b);
    return NULL;
}

static int tell_store(int rc)
{
    return rc == E_IO || rc == E_FORMAT || rc == E_REFUSED || rc == E_FULL || rc == E_AGAIN
               ? E_STORE
               : rc;
}

static int open_loop_side(struct pg_backend *b, struct buf *why)
{
    int rc = b->loop->ops->timer_open(b->loop, on_timer, b, &b->timer);
    if (rc == 0)
        rc = b->loop->ops->pool_open(b->loop, "store", 1, 0, &b->pool);
    if (rc == 0)
        say_open(b); /* it is the pipeline's from here */
    if (rc == 0) {
        rc = adopt(b);
        if (rc)
            b->loop->ops->pool_close(b->pool);
    }
    if (rc)
        (void)buf_printf(why, "cannot start the store: %s", err_text(rc));
    return rc;
}

static int open_backend(struct backend **ret, struct loop *loop, const struct store_cfg *cfg,
                        const struct backend_owner *owner, struct buf *why)
{
    int rc = check(cfg, why);
    if (rc)
        return rc;
    struct pg_backend *b = make(loop, cfg, owner);
    if (!b)
        return E_NOMEM;
    b->opening.unix_ms = loop->ops->now(loop).unix_ms;
    rc = open_connection(&b->opening, b->url);
    if (rc)
        (void)buf_printf(why, "PostgreSQL: %s", (const char *)b->opening.why.p);
    else
        rc = open_loop_side(b, why);
    if (rc) {
        pg_disconnect(&b->opening.pg);
        free_backend(b);
        return tell_store(rc);
    }
    *ret = &b->backend;
    return 0;
}

/* ---- the schema alone ---- */

static int migrations(const struct store_cfg *cfg, bool up, int64_t unix_ms,
                      struct store_migration_list *list, struct buf *why)
{
    struct opening o = {.unix_ms = unix_ms, .pg.stop = -1};
    struct sql_pg driver;
    int rc = check(cfg, why);
    if (rc)
        return rc;
    buf_init(&o.why, WHY_MAX);
    rc = pg_connect(&o.pg, cfg->url);
    if (rc == 0 && up)
        rc = bring_up_to_date(&o);
    if (rc)
        (void)buf_printf(why, "PostgreSQL: %.*s", o.why.n ? (int)o.why.n : (int)SQL_ERROR_MAX,
                         o.why.n ? (const char *)o.why.p : o.pg.error);
    else
        rc = migrate_list(sql_pg_borrow(&driver, &o.pg), store_migrations, store_migrations_n, list,
                          why);
    pg_disconnect(&o.pg);
    buf_fini(&o.why);
    return tell_store(rc);
}

const struct backend_kind backend_postgresql = {"postgresql://", check, open_backend, migrations};
const struct backend_kind backend_postgres = {"postgres://", check, open_backend, migrations};
