/* SQLite behind the store: a pool of one thread, to which the connection belongs. */
#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "store/backend.h"
#include "store/connection.h"
#include "store/migrate.h"
#include "store/sql_sqlite.h"

#include <limits.h>
#include <stdio.h>

#define DEFAULT_FILE "slipgate.db"
#define SCHEME       "sqlite:"

static const struct log_row log_open = {LOG_INFO, "store.open", "database open"};
static const struct log_row log_migrated = {LOG_INFO, "store.migrated",
                                            "database brought to a newer version"};
static const struct log_row log_modes = {
    LOG_WARN, "store.modes", "others than the owner may read the database: chmod 600 mends it"};

struct run {
    struct job job;
    struct sqlite_backend *backend;
    struct batch *batch;
};

struct probe {
    struct job job;
    struct sqlite_backend *backend;
    int64_t unix_ms;
    int rc;
    char error[SQL_ERROR_MAX];
};

struct sqlite_backend {
    struct backend backend;
    struct loop *loop;
    struct loop_pool *pool;
    struct run run[2]; /* the second only at the end, behind the first */
    struct probe probe;
    struct job close;
    struct connection connection; /* the pool thread's */
};

static struct sqlite_backend *of(struct backend *b)
{
    return CONTAINER_OF(b, struct sqlite_backend, backend);
}

/* ---- on the pool's thread ---- */

static int run_entries(struct sql *db, struct entry *e)
{
    int rc = 0;
    for (; e && rc == 0; e = e->next)
        rc = ask_sql_run(db, e);
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
    struct run *r = CONTAINER_OF(job, struct run, job);
    struct connection *c = &r->backend->connection;
    struct batch *b = r->batch;
    b->rc = c->db ? run_batch(c->db, b) : E_CLOSED;
    if (b->rc == 0)
        return;
    if (c->db) {
        sql_rollback(c->db);
        connection_failed(c, b->rc);
    }
    memcpy(b->error, c->error, sizeof b->error);
}

static void work_probe(struct job *job)
{
    struct probe *p = CONTAINER_OF(job, struct probe, job);
    struct connection *c = &p->backend->connection;
    p->rc = connection_probe(c, p->unix_ms);
    memcpy(p->error, c->error, sizeof p->error);
}

static void work_close(struct job *job)
{
    connection_close(&CONTAINER_OF(job, struct sqlite_backend, close)->connection);
}

/* ---- on the loop's thread ---- */

static void done_batch(struct job *job, struct now now)
{
    struct run *r = CONTAINER_OF(job, struct run, job);
    struct backend_owner *o = &r->backend->backend.owner;
    struct batch *b = r->batch;
    r->batch = NULL;
    o->done(o->ctx, now, b);
}

static void done_probe(struct job *job, struct now now)
{
    struct probe *p = CONTAINER_OF(job, struct probe, job);
    struct backend_owner *o = &p->backend->backend.owner;
    o->probed(o->ctx, now, p->rc, p->error);
}

static void done_close(struct job *job, struct now now)
{
    (void)job;
    (void)now;
}

static void start(struct backend *backend, struct batch *b)
{
    struct sqlite_backend *s = of(backend);
    struct run *r = s->run[0].batch ? &s->run[1] : &s->run[0];
    CHECK(!r->batch);
    r->batch = b;
    s->loop->ops->pool_submit(s->pool, &r->job);
}

static void probe(struct backend *backend, int64_t unix_ms)
{
    struct sqlite_backend *s = of(backend);
    s->probe.unix_ms = unix_ms;
    s->loop->ops->pool_submit(s->pool, &s->probe.job);
}

static void close_backend(struct backend *backend)
{
    struct sqlite_backend *s = of(backend);
    s->loop->ops->pool_submit(s->pool, &s->close);
    s->loop->ops->pool_close(s->pool);
    mem_free(s);
}

static const struct backend_ops ops = {start, probe, close_backend};

/* ---- opening ---- */

/* The path a url names, in path. */
static int parse_url(const struct store_cfg *cfg, char path[PATH_MAX], struct buf *why)
{
    const char *rest = cfg->url + sizeof SCHEME - 1;
    int n = rest[0] ? snprintf(path, PATH_MAX, "%s", rest)
                    : snprintf(path, PATH_MAX, "%s/" DEFAULT_FILE,
                               cfg->data_dir && cfg->data_dir[0] ? cfg->data_dir : ".");
    if (n < 0 || n >= PATH_MAX || path[n - 1] == '/') {
        (void)buf_printf(why, "store.url does not name a file; give sqlite: or sqlite:PATH");
        return E_CONFIG;
    }
    return 0;
}

static int check(const struct store_cfg *cfg, struct buf *why)
{
    char path[PATH_MAX];
    return parse_url(cfg, path, why);
}

static void say_open(const struct connection *c, struct log *log)
{
    LOG(log, &log_open, LF_STR("path", c->file.path), LF_INT("version", c->version));
    if (c->from != c->version && !c->file.made)
        LOG(log, &log_migrated, LF_INT("from", c->from), LF_INT("to", c->version));
    if (c->file.open_modes)
        LOG(log, &log_modes, LF_STR("path", c->file.path));
}

static struct sqlite_backend *make(struct loop *loop, const struct backend_owner *owner)
{
    struct sqlite_backend *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->backend = (struct backend){&ops, *owner};
    s->loop = loop;
    for (size_t i = 0; i < ARRAY_LEN(s->run); i++)
        s->run[i] = (struct run){{work_batch, done_batch, NULL}, s, NULL};
    s->probe = (struct probe){.job = {work_probe, done_probe, NULL}, .backend = s};
    s->close = (struct job){work_close, done_close, NULL};
    return s;
}

static int open_backend(struct backend **ret, struct loop *loop, const struct store_cfg *cfg,
                        const struct backend_owner *owner, struct buf *why)
{
    char path[PATH_MAX];
    int rc = parse_url(cfg, path, why);
    if (rc)
        return rc;
    struct sqlite_backend *s = make(loop, owner);
    if (!s)
        return E_NOMEM;
    rc = cfg->read_only
             ? connection_open_reading(&s->connection, path, why)
             : connection_open(&s->connection, path, cfg->vfs, loop->ops->now(loop).unix_ms, why);
    if (rc) {
        mem_free(s);
        return rc;
    }
    rc = loop->ops->pool_open(loop, "store", 1, 0, &s->pool);
    if (rc) {
        (void)buf_printf(why, "cannot start the store: %s", err_text(rc));
        connection_close(&s->connection);
        mem_free(s);
        return rc;
    }
    if (!cfg->read_only)
        say_open(&s->connection, cfg->log);
    *ret = &s->backend;
    return 0;
}

static int migrate_up(const char *path, int64_t unix_ms, struct store_migration_list *list,
                      struct buf *why)
{
    struct connection c;
    int rc = connection_open(&c, path, NULL, unix_ms, why);
    if (rc)
        return rc;
    rc = migrate_list(c.db, store_migrations, store_migrations_n, list, why);
    connection_close(&c);
    return rc;
}

/* A server may be running: nothing is claimed, and nothing written. */
static int migrate_look(const char *path, struct store_migration_list *list, struct buf *why)
{
    struct sql *db;
    if (sqlite_file_missing(path))
        return migrate_list(NULL, store_migrations, store_migrations_n, list, why);
    int rc = sql_sqlite_open_reading(&db, path, NULL, 0, why);
    if (rc)
        return rc;
    rc = migrate_list(db, store_migrations, store_migrations_n, list, why);
    sql_close(db);
    return rc;
}

static int migrations(const struct store_cfg *cfg, bool up, int64_t unix_ms,
                      struct store_migration_list *list, struct buf *why)
{
    char path[PATH_MAX];
    int rc = parse_url(cfg, path, why);
    if (rc == 0)
        rc = up ? migrate_up(path, unix_ms, list, why) : migrate_look(path, list, why);
    return rc == E_IO || rc == E_FORMAT ? E_STORE : rc;
}

const struct backend_kind backend_sqlite = {SCHEME, check, open_backend, migrations};
