/* Migrations: from nothing, from a file of each older version, failing half-way, from the future.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/ask_sql.h"
#include "store/entry.h"
#include "store/migrate.h"
#include "store/sql_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char path[64];
    struct sql *db;
    struct buf why;
    int64_t from, to;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    buf_init(&f->why, 512);
    (void)snprintf(f->path, sizeof f->path, "/tmp/slipgate-migrate-XXXXXX");
    close(mkstemp(f->path));
    return sql_sqlite_open(&f->db, f->path, NULL, ask_statements, ASK_STATEMENTS_N, &f->why);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sql_close(f->db);
    buf_fini(&f->why);
    unlink(f->path);
    free(f);
    return 0;
}

static int run(struct fixture *f, const struct migration *m, size_t n)
{
    return migrate(f->db, m, n, 1234, &f->from, &f->to, &f->why);
}

static int take_int(void *ctx, const struct value *v, size_t n)
{
    assert_int_equal(n, 1);
    *(int64_t *)ctx = v[0].u.i;
    return 0;
}

static int64_t ask(struct fixture *f, const char *text)
{
    int64_t n = -1;
    assert_int_equal(sql_query(f->db, text, take_int, &n), 0);
    return n;
}

static void nobody(void *ctx, struct now now, const struct answer *a)
{
    (void)ctx;
    (void)now;
    (void)a;
}

static struct answer answer_of(struct fixture *f, const struct ask *ask)
{
    struct entry *e = entry_make(ask, (struct ask_owner){nobody, NULL, 1}, 1);
    assert_non_null(e);
    assert_int_equal(ask_sql_run(f->db, e), 0);
    struct answer a = e->answer;
    entry_free(e);
    return a;
}

static void an_empty_database_gets_all_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    assert_int_equal(f->from, 0);
    assert_int_equal(f->to, store_migrations_n);
    assert_int_equal(ask(f, "SELECT count(*) FROM schema_version WHERE applied_ms = 1234"),
                     store_migrations_n);
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    assert_int_equal(f->from, store_migrations_n);
    assert_int_equal(f->to, store_migrations_n);
}

/* A file as version 1 left it; released migrations do not change, so neither does this text. */
static const char version_1[] =
    "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
    " applied_ms BIGINT NOT NULL);"
    "CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " name_fold TEXT NOT NULL, password TEXT NOT NULL, password_min BIGINT NOT NULL,"
    " created_ms BIGINT NOT NULL, last_login_ms BIGINT);"
    "CREATE INDEX account_name_fold ON account (name_fold);"
    "INSERT INTO schema_version VALUES (1, 'accounts', 1);"
    "INSERT INTO account VALUES (5, 'Anna', 'anna', '{sha256}x', 1, 10, 20);";

static void a_file_of_version_1_is_brought_up_to_date_and_keeps_its_accounts(void **state)
{
    struct fixture *f = *state;
    struct ask find = {ASK_ACCOUNT_FIND, {.find = {SPAN_LIT("ANNA"), true}}};
    struct password_record r = {1, "x"};
    struct ask create = {ASK_ACCOUNT_CREATE, {.create = {SPAN_LIT("Ole"), true, &r, 1, 1}}};
    assert_int_equal(sql_script(f->db, version_1), 0);
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    assert_int_equal(f->from, 1);
    assert_int_equal(f->to, store_migrations_n);
    struct answer a = answer_of(f, &find);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.u.account.id, 5);
    a = answer_of(f, &create);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.u.account.id, 6);
    assert_int_equal(ask(f, "SELECT n FROM store_probe"), 0);
    /* What version 1 makes today is what it made then. */
    char made[1024] = "";
    (void)snprintf(made, sizeof made, "%s", store_migrations[0].text);
    assert_non_null(strstr(made, "name TEXT NOT NULL UNIQUE, name_fold TEXT NOT NULL,"
                                 " password TEXT NOT NULL, password_min BIGINT NOT NULL,"
                                 " created_ms BIGINT NOT NULL, last_login_ms BIGINT);"
                                 "CREATE INDEX account_name_fold ON account (name_fold);"));
}

/* And one of version 2, the last before accounts had anything but a password. */
static const char version_2[] = "CREATE TABLE store_probe (n BIGINT NOT NULL);"
                                "INSERT INTO store_probe (n) VALUES (0);"
                                "INSERT INTO schema_version VALUES (2, 'probe', 2);"
                                "INSERT INTO account VALUES (7, 'ole', 'ole', 'x', 8, 30, NULL);";

static void a_file_of_version_2_keeps_its_accounts_as_players(void **state)
{
    struct fixture *f = *state;
    struct ask find = {ASK_ACCOUNT_FIND, {.find = {.id = 7}}};
    assert_int_equal(sql_script(f->db, version_1), 0);
    assert_int_equal(sql_script(f->db, version_2), 0);
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    assert_int_equal(f->from, 2);
    struct answer a = answer_of(f, &find);
    assert_int_equal(a.rc, 0);
    assert_string_equal(a.u.account.name, "ole");
    assert_int_equal(a.u.account.password_min, 8);
    assert_int_equal(a.u.account.level, LEVEL_PLAYER);
    assert_false(a.u.account.suspended || a.u.account.muted || a.u.account.second_factor);
    assert_int_equal(ask(f, "SELECT count(*) FROM account WHERE email IS NULL AND faction = 0"), 2);
    /* What hangs on an account goes with it; references are minded. */
    assert_int_equal(sql_script(f->db, "INSERT INTO otp VALUES (7, 's', 0);"
                                       "DELETE FROM account WHERE id = 7"),
                     0);
    assert_int_equal(ask(f, "SELECT count(*) FROM otp"), 0);
    assert_int_equal(sql_script(f->db, "INSERT INTO otp VALUES (7, 's', 0)"), E_REFUSED);
}

static void words_of_the_database_are_put_in(void **state)
{
    struct fixture *f = *state;
    static const struct migration m[] = {{"x", "CREATE TABLE x (id {id}, t TEXT);"}};
    const struct sql_ops *before = f->db->ops;
    struct sql_ops ops = *before;
    ops.text_column = "TEXT COLLATE NOCASE";
    f->db->ops = &ops;
    assert_int_equal(run(f, m, 1), 0);
    f->db->ops = before;
    assert_int_equal(sql_script(f->db, "INSERT INTO x (t) VALUES ('A')"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM x WHERE t = 'a' AND id = 1"), 1);
}

static struct store_migration_list list;

static void what_is_known_and_what_is_there_are_listed(void **state)
{
    struct fixture *f = *state;
    size_t n = store_migrations_n;
    assert_int_equal(migrate_list(NULL, store_migrations, n, &list, &f->why), 0);
    assert_int_equal(list.n, n);
    assert_int_equal(migrate_list(f->db, store_migrations, n, &list, &f->why), 0);
    assert_int_equal(list.n, n);
    assert_false(list.v[0].applied);
    assert_int_equal(run(f, store_migrations, 2), 0);
    assert_int_equal(migrate_list(f->db, store_migrations, n, &list, &f->why), 0);
    assert_int_equal(list.n, n);
    assert_true(list.v[1].applied && list.v[1].known && !list.v[2].applied);
    assert_string_equal(list.v[1].name, "probe");
    assert_int_equal(list.v[1].applied_ms, 1234);
    /* From a newer program. */
    assert_int_equal(sql_script(f->db, "INSERT INTO schema_version VALUES (4711, 'future', 9)"), 0);
    assert_int_equal(migrate_list(f->db, store_migrations, n, &list, &f->why), 0);
    assert_int_equal(list.n, n + 1);
    assert_true(list.v[n].applied && !list.v[n].known);
    assert_string_equal(list.v[n].name, "future");
}

static void more_versions_than_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    char text[256];
    assert_int_equal(run(f, store_migrations, 2), 0);
    (void)snprintf(text, sizeof text,
                   "WITH RECURSIVE c(x) AS (SELECT 1001 UNION ALL SELECT x + 1 FROM c LIMIT %u)"
                   " INSERT INTO schema_version SELECT x, 'x', 1 FROM c",
                   STORE_MIGRATIONS_MAX - 2);
    assert_int_equal(sql_script(f->db, text), 0);
    assert_int_equal(migrate_list(f->db, store_migrations, 2, &list, &f->why), 0);
    assert_int_equal(list.n, STORE_MIGRATIONS_MAX);
    assert_int_equal(sql_script(f->db, "INSERT INTO schema_version VALUES (9999, 'x', 1)"), 0);
    assert_int_equal(migrate_list(f->db, store_migrations, 2, &list, &f->why), E_LIMIT);
}

static void a_migration_that_fails_leaves_the_one_before(void **state)
{
    struct fixture *f = *state;
    static const struct migration broken[] = {
        {"good", "CREATE TABLE good (id {id});"},
        {"bad", "CREATE TABLE half (x BIGINT); INSERT INTO nowhere VALUES (1);"},
    };
    static const struct migration mended[] = {
        {"good", "CREATE TABLE good (id {id});"},
        {"bad", "CREATE TABLE half (x BIGINT);"},
    };
    assert_int_equal(run(f, broken, 2), E_IO);
    assert_int_equal(f->to, 1);
    assert_non_null(strstr((const char *)f->why.p, "version 2 (bad)"));
    assert_int_equal(ask(f, "SELECT MAX(version) FROM schema_version"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_master WHERE name = 'half'"), 0);
    assert_int_equal(run(f, mended, 2), 0);
    assert_int_equal(f->from, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_master WHERE name = 'half'"), 1);
}

static void a_database_from_the_future_is_refused_untouched(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    assert_int_equal(run(f, store_migrations, store_migrations_n - 1), E_SUPPORT);
    assert_int_equal(ask(f, "SELECT count(*) FROM schema_version"), store_migrations_n);
}

static void ids_are_never_used_twice(void **state)
{
    struct fixture *f = *state;
    struct password_record r = {1, "x"};
    struct ask create = {ASK_ACCOUNT_CREATE, {.create = {SPAN_LIT("a"), false, &r, 1, 1}}};
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    struct answer a = answer_of(f, &create);
    int64_t first = a.u.account.id;
    assert_int_equal(sql_script(f->db, "DELETE FROM account"), 0);
    a = answer_of(f, &create);
    assert_true(a.u.account.id > first);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_empty_database_gets_all_once),
        T(a_file_of_version_1_is_brought_up_to_date_and_keeps_its_accounts),
        T(a_file_of_version_2_keeps_its_accounts_as_players),
        T(words_of_the_database_are_put_in),
        T(what_is_known_and_what_is_there_are_listed),
        T(more_versions_than_fit_are_refused),
        T(a_migration_that_fails_leaves_the_one_before),
        T(a_database_from_the_future_is_refused_untouched),
        T(ids_are_never_used_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
