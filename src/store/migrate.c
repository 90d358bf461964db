#include "store/migrate.h"

#include "base/check.h"
#include "base/err.h"

#include <inttypes.h>

#define SCRIPT_MAX 16384u

const struct migration store_migrations[] = {
    {"accounts", "CREATE TABLE account ("
                 " id {id},"
                 " name TEXT NOT NULL UNIQUE,"
                 " name_fold TEXT NOT NULL," /* letters A to Z lowered */
                 " password TEXT NOT NULL,"
                 " password_min BIGINT NOT NULL,"
                 " created_ms BIGINT NOT NULL,"
                 " last_login_ms BIGINT);"
                 "CREATE INDEX account_name_fold ON account (name_fold);"},
    /* Written to see whether the database takes writes again. */
    {"probe", "CREATE TABLE store_probe (n BIGINT NOT NULL);"
              "INSERT INTO store_probe (n) VALUES (0);"},
};
const size_t store_migrations_n = ARRAY_LEN(store_migrations);

static int take_version(void *ctx, const struct sql_value *v, size_t n)
{
    if (n != 1 || v[0].type != SQL_INT || v[0].u.i < 0)
        return E_FORMAT;
    *(int64_t *)ctx = v[0].u.i;
    return 0;
}

static int read_version(struct sql *db, int64_t *version)
{
    int rc = sql_script(db, "CREATE TABLE IF NOT EXISTS schema_version ("
                            " version BIGINT NOT NULL PRIMARY KEY,"
                            " name TEXT NOT NULL,"
                            " applied_ms BIGINT NOT NULL)");
    return rc ? rc
              : sql_query(db, "SELECT COALESCE(MAX(version), 0) FROM schema_version", take_version,
                          version);
}

static int write_script(struct buf *to, const struct migration *m, const char *id_column,
                        int64_t version, int64_t unix_ms)
{
    const char *at = m->text;
    for (const char *id; (id = strstr(at, "{id}")); at = id + 4) {
        (void)buf_append(to, at, (size_t)(id - at));
        (void)buf_append_str(to, id_column);
    }
    (void)buf_append_str(to, at);
    CHECK(!strchr(m->name, '\''));
    (void)buf_printf(to,
                     "INSERT INTO schema_version (version, name, applied_ms)"
                     " VALUES (%" PRId64 ", '%s', %" PRId64 ");",
                     version, m->name, unix_ms);
    (void)buf_append_byte(to, '\0');
    return to->failed ? E_NOMEM : 0;
}

static int apply(struct sql *db, const struct migration *m, int64_t version, int64_t unix_ms)
{
    struct buf text;
    buf_init(&text, SCRIPT_MAX);
    int rc = write_script(&text, m, db->ops->id_column, version, unix_ms);
    if (rc == 0)
        rc = sql_begin(db);
    if (rc == 0) {
        rc = sql_script(db, (const char *)text.p);
        if (rc == 0)
            rc = sql_commit(db);
        if (rc)
            sql_rollback(db);
    }
    buf_fini(&text);
    return rc;
}

int migrate(struct sql *db, const struct migration *table, size_t n, int64_t unix_ms, int64_t *from,
            int64_t *to, struct buf *why)
{
    *from = *to = 0;
    int rc = read_version(db, from);
    if (rc) {
        (void)buf_printf(why, "cannot read the database's version: %s", sql_error(db));
        return rc;
    }
    if (*from > (int64_t)n) {
        (void)buf_printf(why,
                         "the database has version %" PRId64 ", this program knows up to %zu:"
                         " run the newer program, or restore the backup made before it",
                         *from, n);
        return E_SUPPORT;
    }
    for (*to = *from; *to < (int64_t)n; ++*to) {
        rc = apply(db, &table[*to], *to + 1, unix_ms);
        if (rc) {
            (void)buf_printf(why, "cannot bring the database to version %" PRId64 " (%s): %s",
                             *to + 1, table[*to].name, sql_error(db));
            return rc;
        }
    }
    return 0;
}
