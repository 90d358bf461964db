#include "store/migrate.h"

#include "base/check.h"
#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>

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
    {"account details",
     "ALTER TABLE account ADD COLUMN email TEXT;"
     "ALTER TABLE account ADD COLUMN email_fold TEXT;" /* as name_fold */
     "ALTER TABLE account ADD COLUMN level BIGINT NOT NULL DEFAULT 1;"
     "ALTER TABLE account ADD COLUMN suspended BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE account ADD COLUMN locked_until_ms BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE account ADD COLUMN muted BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE account ADD COLUMN faction BIGINT NOT NULL DEFAULT 0;"
     "ALTER TABLE account ADD COLUMN last_login_address TEXT;"
     "ALTER TABLE account ADD COLUMN display_name TEXT;"
     "ALTER TABLE account ADD COLUMN notes TEXT;"
     "CREATE UNIQUE INDEX account_email_fold ON account (email_fold);"
     "CREATE INDEX account_staff ON account (level) WHERE level > 1;"
     "CREATE TABLE statistic ("
     " account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
     " game TEXT NOT NULL,"
     " name TEXT NOT NULL,"
     " value BIGINT NOT NULL,"
     " PRIMARY KEY (account, game, name));"
     /* Written first by what must see all others of its kind: PostgreSQL lets the second wait. */
     "CREATE TABLE store_lock (name TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL);"
     "INSERT INTO store_lock (name, n) VALUES ('account', 0);"},
    {"login", "CREATE TABLE known_address ("
              " account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
              " address TEXT NOT NULL," /* 32 hex digits */
              " seen_ms BIGINT NOT NULL,"
              " PRIMARY KEY (account, address));"
              "CREATE INDEX known_address_seen ON known_address (seen_ms);"
              "CREATE TABLE resume_token ("
              " hash TEXT NOT NULL PRIMARY KEY,"
              " account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
              " game TEXT NOT NULL,"
              " created_ms BIGINT NOT NULL,"
              " expires_ms BIGINT NOT NULL);"
              "CREATE INDEX resume_token_account ON resume_token (account, game);"
              "CREATE INDEX resume_token_expires ON resume_token (expires_ms);"
              "CREATE TABLE session ("
              " token TEXT NOT NULL PRIMARY KEY," /* its hash */
              " account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
              " game TEXT NOT NULL,"
              " node TEXT NOT NULL,"
              " status BIGINT NOT NULL,"
              " endpoint TEXT,"
              " created_ms BIGINT NOT NULL,"
              " expires_ms BIGINT NOT NULL);"
              "CREATE INDEX session_account ON session (account, game);"
              "CREATE INDEX session_endpoint ON session (game, endpoint);"
              "CREATE INDEX session_expires ON session (expires_ms);"
              "CREATE TABLE otp ("
              " account BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,"
              " secret TEXT NOT NULL," /* sealed */
              " step BIGINT NOT NULL);"
              "CREATE TABLE recovery_code ("
              " account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
              " hash TEXT NOT NULL,"
              " PRIMARY KEY (account, hash));"},
    {"moderation", "CREATE TABLE ban ("
                   " id {id},"
                   " kind BIGINT NOT NULL,"
                   " account BIGINT REFERENCES account (id) ON DELETE CASCADE,"
                   " address TEXT," /* 32 hex digits */
                   " bits BIGINT NOT NULL,"
                   " game TEXT NOT NULL,"
                   " reason TEXT NOT NULL,"
                   " author TEXT NOT NULL,"
                   " evidence TEXT NOT NULL,"
                   " created_ms BIGINT NOT NULL,"
                   " expires_ms BIGINT NOT NULL);" /* 0: never */
                   "CREATE INDEX ban_account ON ban (account);"
                   "CREATE INDEX ban_expires ON ban (expires_ms);"
                   "CREATE TABLE permission ("
                   " account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,"
                   " command TEXT NOT NULL,"
                   " granter TEXT NOT NULL,"
                   " granted_ms BIGINT NOT NULL,"
                   " PRIMARY KEY (account, command));"},
    /* No reference to accounts: what happened outlives them. */
    {"audit", "CREATE TABLE audit_record ("
              " node TEXT NOT NULL,"
              " seq BIGINT NOT NULL,"
              " time_ms BIGINT NOT NULL,"
              " type BIGINT NOT NULL,"
              " subtype BIGINT NOT NULL,"
              " game TEXT NOT NULL,"
              " account TEXT NOT NULL,"
              " player TEXT NOT NULL,"
              " address TEXT NOT NULL,"
              " target TEXT NOT NULL,"
              " details TEXT NOT NULL,"
              " prev TEXT NOT NULL,"
              " hash TEXT NOT NULL,"
              " PRIMARY KEY (node, seq));"
              "CREATE TABLE audit_head ("
              " node TEXT NOT NULL,"
              " seq BIGINT NOT NULL,"
              " kind BIGINT NOT NULL,"
              " time_ms BIGINT NOT NULL,"
              " hash TEXT NOT NULL,"
              " signature TEXT NOT NULL,"
              " PRIMARY KEY (node, seq, kind));"},
};
const size_t store_migrations_n = ARRAY_LEN(store_migrations);

static int take_version(void *ctx, const struct value *v, size_t n)
{
    if (n != 1 || v[0].type != VALUE_INT || v[0].u.i < 0)
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

/* Migrations say {id} and TEXT, databases have words of their own. */
static void write_text(struct buf *to, const char *text, const struct sql_ops *words)
{
    static const char id[] = "{id}", plain[] = "TEXT";
    while (*text) {
        if (strncmp(text, id, sizeof id - 1) == 0) {
            (void)buf_append_str(to, words->id_column);
            text += sizeof id - 1;
        } else if (strncmp(text, plain, sizeof plain - 1) == 0) {
            (void)buf_append_str(to, words->text_column);
            text += sizeof plain - 1;
        } else {
            (void)buf_append_byte(to, (uint8_t)*text++);
        }
    }
}

static int write_script(struct buf *to, const struct migration *m, const struct sql_ops *words,
                        int64_t version, int64_t unix_ms)
{
    write_text(to, m->text, words);
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
    int rc = write_script(&text, m, db->ops, version, unix_ms);
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

static struct store_migration *list_version(struct store_migration_list *list, int64_t version)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].version == version)
            return &list->v[i];
    if (list->n == STORE_MIGRATIONS_MAX)
        return NULL;
    struct store_migration *m = &list->v[list->n++];
    *m = (struct store_migration){.version = version};
    return m;
}

static int take_applied(void *ctx, const struct value *v, size_t n)
{
    if (n != 3 || v[0].type != VALUE_INT || v[1].type != VALUE_TEXT || v[2].type != VALUE_INT)
        return E_FORMAT;
    struct store_migration *m = list_version(ctx, v[0].u.i);
    if (!m)
        return E_LIMIT;
    m->applied = true;
    m->applied_ms = v[2].u.i;
    if (!m->known)
        (void)snprintf(m->name, sizeof m->name, "%.*s", (int)v[1].u.text.n,
                       (const char *)v[1].u.text.p);
    return 0;
}

static int take_count(void *ctx, const struct value *v, size_t n)
{
    if (n != 1 || v[0].type != VALUE_INT)
        return E_FORMAT;
    *(int64_t *)ctx = v[0].u.i;
    return 0;
}

int migrate_list(struct sql *db, const struct migration *table, size_t n,
                 struct store_migration_list *ret, struct buf *why)
{
    int64_t there = 0;
    CHECK(n <= STORE_MIGRATIONS_MAX);
    ret->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct store_migration *m = list_version(ret, (int64_t)i + 1);
        CHECK(m);
        m->known = true;
        (void)snprintf(m->name, sizeof m->name, "%s", table[i].name);
    }
    int rc = db ? sql_query(db, db->ops->has_versions, take_count, &there) : 0;
    if (rc == 0 && there)
        rc = sql_query(db, "SELECT version, name, applied_ms FROM schema_version ORDER BY version",
                       take_applied, ret);
    if (rc)
        (void)buf_printf(why, "cannot read the database's version: %s", sql_error(db));
    return rc;
}

int migrate_check(struct sql *db, struct buf *why)
{
    struct store_migration_list list;
    int rc = migrate_list(db, store_migrations, store_migrations_n, &list, why);
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        const struct store_migration *m = &list.v[i];
        if (m->known && m->applied)
            continue;
        (void)buf_append_str(
            why, m->known ? "the database is of an older version; start the server once, or: "
                            "slipgate migrate up"
                          : "the database is of a newer version than this program");
        rc = E_SUPPORT;
    }
    return rc;
}
