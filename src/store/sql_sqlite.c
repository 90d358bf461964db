#include "store/sql_sqlite.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define APPLICATION_ID  0x534c4754 /* "SLGT" */
#define BUSY_TIMEOUT_MS 2000       /* somebody's backup or shell, never a second server */

struct sqlite {
    struct sql sql;
    sqlite3 *db;
    const struct sql_statement *statements;
    size_t n;
    sqlite3_stmt **prepared; /* n, made on first use */
};

static struct sqlite *of(struct sql *sql)
{
    return CONTAINER_OF(sql, struct sqlite, sql);
}

static int class_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return E_REFUSED;
    case SQLITE_FULL: return E_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM: return E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return E_FORMAT;
    default: return E_IO;
    }
}

static int fail(struct sqlite *s, int code)
{
    snprintf(s->sql.error, sizeof s->sql.error, "%s (SQLite %d, errno %d)", sqlite3_errmsg(s->db),
             sqlite3_extended_errcode(s->db), sqlite3_system_errno(s->db));
    return class_of(code);
}

static int prepare(struct sqlite *s, const char *text, bool keep, sqlite3_stmt **ret)
{
    unsigned flags = keep ? SQLITE_PREPARE_PERSISTENT : 0;
    int code = sqlite3_prepare_v3(s->db, text, -1, flags, ret, NULL);
    return code == SQLITE_OK ? 0 : fail(s, code);
}

/* SQLite numbers "$2" by where it first appears, not by its digit. */
static void check_parameters(sqlite3_stmt *st)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(st); i++) {
        const char *name = sqlite3_bind_parameter_name(st, i);
        CHECK(name && name[0] == '$' && strtol(name + 1, NULL, 10) == i);
    }
}

static int bind(struct sqlite *s, sqlite3_stmt *st, const struct value *v, size_t n)
{
    CHECK((size_t)sqlite3_bind_parameter_count(st) == n);
    for (size_t i = 0; i < n; i++) {
        int at = (int)i + 1, code = SQLITE_OK;
        switch (v[i].type) {
        case VALUE_NULL: code = sqlite3_bind_null(st, at); break;
        case VALUE_INT: code = sqlite3_bind_int64(st, at, v[i].u.i); break;
        case VALUE_TEXT:
            CHECK(v[i].u.text.p || v[i].u.text.n == 0);
            code = sqlite3_bind_text64(st, at, v[i].u.text.p ? (const char *)v[i].u.text.p : "",
                                       v[i].u.text.n, SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
        if (code != SQLITE_OK)
            return fail(s, code);
    }
    return 0;
}

static int give_row(sqlite3_stmt *st, sql_row_fn row, void *ctx)
{
    struct value v[SQL_VALUES_MAX];
    size_t n = (size_t)sqlite3_column_count(st);
    CHECK(n <= SQL_VALUES_MAX);
    for (size_t i = 0; i < n; i++) {
        int at = (int)i, type = sqlite3_column_type(st, at);
        if (type == SQLITE_NULL) {
            v[i] = VALUE_NOTHING;
        } else if (type == SQLITE_INTEGER) {
            v[i] = VALUE_OF_INT(sqlite3_column_int64(st, at));
        } else {
            const unsigned char *p = sqlite3_column_text(st, at);
            v[i] = VALUE_OF_TEXT(span_of(p, (size_t)sqlite3_column_bytes(st, at)));
        }
    }
    return row(ctx, v, n);
}

/* To the end even when the rows are not wanted any more: a statement that writes is to be whole. */
static int step(struct sqlite *s, sqlite3_stmt *st, sql_row_fn row, void *ctx)
{
    int rc = 0, code;
    while ((code = sqlite3_step(st)) == SQLITE_ROW)
        if (row && rc == 0)
            rc = give_row(st, row, ctx);
    return code == SQLITE_DONE ? rc : fail(s, code);
}

static int run(struct sql *sql, size_t i, const struct value *v, size_t n, sql_row_fn row,
               void *ctx)
{
    struct sqlite *s = of(sql);
    CHECK(i < s->n);
    int rc = 0;
    if (!s->prepared[i]) {
        rc = prepare(s, s->statements[i].text, true, &s->prepared[i]);
        if (rc)
            return rc;
        check_parameters(s->prepared[i]);
        CHECK(s->statements[i].write == !sqlite3_stmt_readonly(s->prepared[i]));
    }
    rc = bind(s, s->prepared[i], v, n);
    if (rc == 0)
        rc = step(s, s->prepared[i], row, ctx);
    (void)sqlite3_reset(s->prepared[i]);
    (void)sqlite3_clear_bindings(s->prepared[i]);
    return rc;
}

static int script(struct sql *sql, const char *text)
{
    struct sqlite *s = of(sql);
    int code = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : fail(s, code);
}

static int query(struct sql *sql, const char *text, sql_row_fn row, void *ctx)
{
    struct sqlite *s = of(sql);
    sqlite3_stmt *st = NULL;
    int rc = prepare(s, text, false, &st);
    if (rc == 0)
        rc = step(s, st, row, ctx);
    (void)sqlite3_finalize(st);
    return rc;
}

static int begin(struct sql *sql)
{
    return script(sql, "BEGIN IMMEDIATE");
}

static int commit(struct sql *sql)
{
    return script(sql, "COMMIT");
}

static void rollback(struct sql *sql)
{
    /* Some failures have rolled back already, and the words of the failure are to stay. */
    if (!sqlite3_get_autocommit(of(sql)->db))
        (void)sqlite3_exec(of(sql)->db, "ROLLBACK", NULL, NULL, NULL);
}

static int is_ok(void *ctx, const struct value *v, size_t n)
{
    struct sql *sql = ctx;
    if (n == 1 && v[0].type == VALUE_TEXT && span_eq(v[0].u.text, SPAN_LIT("ok")))
        return 0;
    if (n == 1 && v[0].type == VALUE_TEXT)
        snprintf(sql->error, sizeof sql->error, "damaged: %.*s",
                 (int)(v[0].u.text.n < SQL_ERROR_MAX ? v[0].u.text.n : SQL_ERROR_MAX),
                 (const char *)v[0].u.text.p);
    return E_FORMAT;
}

static int verify(struct sql *sql)
{
    return query(sql, "PRAGMA quick_check(1)", is_ok, sql);
}

static void close_db(struct sql *sql)
{
    struct sqlite *s = of(sql);
    for (size_t i = 0; i < s->n; i++)
        (void)sqlite3_finalize(s->prepared[i]);
    CHECK(sqlite3_close(s->db) == SQLITE_OK); /* statements left open would say otherwise */
    mem_free(s->prepared);
    mem_free(s);
}

static const struct sql_ops ops = {
    .id_column = "INTEGER PRIMARY KEY AUTOINCREMENT",
    .text_column = "TEXT",
    .has_versions = "SELECT COUNT(*) FROM sqlite_master"
                    " WHERE type = 'table' AND name = 'schema_version'",
    .run = run,
    .script = script,
    .query = query,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .verify = verify,
    .close = close_db,
};

static int take_int(void *ctx, const struct value *v, size_t n)
{
    if (n != 1 || v[0].type != VALUE_INT)
        return E_FORMAT;
    *(int64_t *)ctx = v[0].u.i;
    return 0;
}

static int is_wal(void *ctx, const struct value *v, size_t n)
{
    (void)ctx;
    return n == 1 && v[0].type == VALUE_TEXT && span_eq(v[0].u.text, SPAN_LIT("wal")) ? 0 : E_IO;
}

/* E_SUPPORT: neither ours nor empty. */
static int whose(struct sql *sql, int64_t *id, int64_t *tables)
{
    int rc = query(sql, "PRAGMA application_id", take_int, id);
    if (rc == 0)
        rc = query(sql, "SELECT count(*) FROM sqlite_master", take_int, tables);
    if (rc || *id == APPLICATION_ID || (*id == 0 && *tables == 0))
        return rc;
    snprintf(sql->error, sizeof sql->error, "it is the database of another program");
    return E_SUPPORT;
}

/* Ours, or empty and then made ours. */
static int identify(struct sql *sql)
{
    int64_t id = 0, tables = 0;
    int rc = whose(sql, &id, &tables);
    if (rc || id == APPLICATION_ID)
        return rc;
    char text[64];
    snprintf(text, sizeof text, "PRAGMA application_id = %d", APPLICATION_ID);
    return script(sql, text);
}

static int write_again(sqlite3_file *f)
{
    uint8_t bytes[16384];
    sqlite3_int64 size = 0;
    const sqlite3_io_methods *m = f->pMethods;
    int code = m ? m->xFileSize(f, &size) : SQLITE_OK;
    for (sqlite3_int64 at = 0; at < size && code == SQLITE_OK; at += (sqlite3_int64)sizeof bytes) {
        bool last = size - at < (sqlite3_int64)sizeof bytes;
        int n = last ? (int)(size - at) : (int)sizeof bytes;
        code = m->xRead(f, bytes, n, at);
        if (code == SQLITE_OK)
            code = m->xWrite(f, bytes, n, at);
    }
    if (size > 0 && code == SQLITE_OK)
        code = m->xSync(f, SQLITE_SYNC_NORMAL);
    mem_wipe(bytes, sizeof bytes);
    return code;
}

/* When writing to disk fails, Linux reports it once and then takes what it could not write for
 * written; a log that is read back looks whole, and what is committed behind the gap is lost with
 * the next loss of power. So a log that is found is written once more, the same bytes to the same
 * places, before anything is added to it. Nobody else adds or starts it over meanwhile. */
static int refresh_log(struct sqlite *s)
{
    sqlite3_file *log = NULL;
    int rc = begin(&s->sql);
    if (rc)
        return rc;
    int code = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (code == SQLITE_OK)
        code = write_again(log);
    rollback(&s->sql);
    if (code == SQLITE_OK)
        return 0;
    snprintf(s->sql.error, sizeof s->sql.error, "its write-ahead log cannot be written: %s",
             sqlite3_errstr(code));
    return class_of(code);
}

static int set_up(struct sqlite *s)
{
    struct sql *sql = &s->sql;
    (void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (sqlite3_db_readonly(s->db, "main") == 1) {
        snprintf(sql->error, sizeof sql->error, "it cannot be written to");
        return E_IO;
    }
    int rc = script(sql, "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;"
                         "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;");
    if (rc == 0)
        rc = identify(sql);
    if (rc)
        return rc;
    snprintf(sql->error, sizeof sql->error, "its file system cannot hold a write-ahead log");
    rc = query(sql, "PRAGMA journal_mode = WAL", is_wal, NULL);
    if (rc == 0)
        rc = script(sql, PLANTED(NOT_SYNCED)
                             ? "PRAGMA synchronous = OFF"
                             : "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
    return rc || PLANTED(LOG_NOT_REFRESHED) ? rc : refresh_log(s);
}

static int open_file(struct sql **ret, const char *path, const char *vfs, int flags,
                     int (*set_up_fn)(struct sqlite *), const struct sql_statement *statements,
                     size_t n, struct buf *why)
{
    struct sqlite *s = mem_zalloc(1, sizeof *s);
    sqlite3_stmt **prepared = mem_zalloc(n + 1, sizeof(sqlite3_stmt *));
    if (!s || !prepared) {
        mem_free(s);
        mem_free(prepared);
        return E_NOMEM;
    }
    *s = (struct sqlite){{.ops = &ops}, NULL, statements, n, prepared};
    /* No mutex: one thread at a time. No CREATE: a file that vanished is not replaced by an empty
     * one. */
    int code =
        sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
    int rc = code == SQLITE_OK ? set_up_fn(s) : s->db ? fail(s, code) : E_NOMEM;
    if (rc) {
        (void)buf_printf(why, "cannot open %s: %s", path, s->sql.error);
        close_db(&s->sql);
        return rc;
    }
    *ret = &s->sql;
    return 0;
}

int sql_sqlite_open(struct sql **ret, const char *path, const char *vfs,
                    const struct sql_statement *statements, size_t n, struct buf *why)
{
    return open_file(ret, path, vfs, SQLITE_OPEN_READWRITE, set_up, statements, n, why);
}

static int set_up_reading(struct sqlite *s)
{
    int64_t id = 0, tables = 0;
    (void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    int rc = script(&s->sql, "PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;");
    if (rc == 0)
        rc = whose(&s->sql, &id, &tables);
    return rc;
}

int sql_sqlite_open_reading(struct sql **ret, const char *path,
                            const struct sql_statement *statements, size_t n, struct buf *why)
{
    return open_file(ret, path, NULL, SQLITE_OPEN_READONLY, set_up_reading, statements, n, why);
}
