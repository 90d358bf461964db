#include "store/connection.h"

#include "base/err.h"
#include "store/ask_sql.h"
#include "store/migrate.h"
#include "store/sql_sqlite.h"

#include <stdio.h>

#define WHY_MAX 1024u

static int open_reading(struct connection *c, struct buf *why)
{
    int rc = sql_sqlite_open_reading(&c->db, c->file.path, ask_statements, ASK_STATEMENTS_N, why);
    if (rc)
        return rc;
    rc = migrate_check(c->db, why);
    if (rc) {
        sql_close(c->db);
        c->db = NULL;
    }
    return rc;
}

static int open_db(struct connection *c, int64_t unix_ms, struct buf *why)
{
    if (c->read_only)
        return open_reading(c, why);
    int rc = sql_sqlite_open(&c->db, c->file.path, c->vfs, ask_statements, ASK_STATEMENTS_N, why);
    if (rc)
        return rc;
    rc = c->damaged ? sql_verify(c->db) : 0;
    if (rc)
        (void)buf_printf(why, "%s is damaged: %s", c->file.path, sql_error(c->db));
    else
        rc = migrate(c->db, store_migrations, store_migrations_n, unix_ms, &c->from, &c->version,
                     why);
    if (rc) {
        sql_close(c->db);
        c->db = NULL;
        return rc;
    }
    c->damaged = false;
    return 0;
}

static int open_first(struct connection *c, int64_t unix_ms, struct buf *why)
{
    int rc = open_db(c, unix_ms, why);
    if (rc == 0)
        return 0;
    sqlite_file_release(&c->file);
    return rc == E_SUPPORT || rc == E_NOMEM || rc == E_BUSY ? rc : E_STORE;
}

int connection_open(struct connection *c, const char *path, const char *vfs, int64_t unix_ms,
                    struct buf *why)
{
    *c = (struct connection){.file.lock = -1, .vfs = vfs};
    int rc = vfs ? sqlite_file_borrow(&c->file, path) : sqlite_file_claim(&c->file, path, why);
    if (rc)
        return rc == E_IO ? E_STORE : rc;
    return open_first(c, unix_ms, why);
}

int connection_open_reading(struct connection *c, const char *path, struct buf *why)
{
    *c = (struct connection){.file.lock = -1, .read_only = true};
    if (sqlite_file_missing(path)) {
        (void)buf_printf(why, "%s does not exist; the server makes it at its first start", path);
        return E_STORE;
    }
    int rc = sqlite_file_borrow(&c->file, path);
    return rc ? rc : open_first(c, 0, why);
}

void connection_failed(struct connection *c, int rc)
{
    if (!c->db)
        return;
    snprintf(c->error, sizeof c->error, "%s", sql_error(c->db));
    if (rc == E_FULL || rc == E_BUSY || rc == E_REFUSED)
        return;
    c->damaged = c->damaged || rc == E_FORMAT;
    sql_close(c->db);
    c->db = NULL;
}

static int reopen(struct connection *c, int64_t unix_ms)
{
    struct buf why;
    buf_init(&why, WHY_MAX);
    int rc = open_db(c, unix_ms, &why);
    if (rc)
        snprintf(c->error, sizeof c->error, "%.*s", (int)why.n, (const char *)why.p);
    buf_fini(&why);
    return rc;
}

static int write_probe(struct sql *db)
{
    int rc = sql_begin(db);
    if (rc == 0)
        rc = sql_script(db, "UPDATE store_probe SET n = n + 1");
    if (rc == 0)
        rc = sql_commit(db);
    return rc;
}

int connection_probe(struct connection *c, int64_t unix_ms)
{
    int rc = c->db ? 0 : reopen(c, unix_ms);
    if (rc || c->read_only)
        return rc;
    rc = write_probe(c->db);
    if (rc) {
        sql_rollback(c->db);
        connection_failed(c, rc);
    }
    return rc;
}

void connection_close(struct connection *c)
{
    sql_close(c->db);
    c->db = NULL;
    sqlite_file_release(&c->file);
}
