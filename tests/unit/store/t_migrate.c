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
    struct answer a = {0};
    struct ask find = {ASK_ACCOUNT_FIND, {.find = {SPAN_LIT("ANNA"), true}}};
    struct password_record r = {1, "x"};
    struct ask create = {ASK_ACCOUNT_CREATE, {.create = {SPAN_LIT("Ole"), true, &r, 1, 1}}};
    assert_int_equal(sql_script(f->db, version_1), 0);
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    assert_int_equal(f->from, 1);
    assert_int_equal(f->to, store_migrations_n);
    a = answer_of(f, &find);
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
    struct answer a = {0};
    struct password_record r = {1, "x"};
    struct ask create = {ASK_ACCOUNT_CREATE, {.create = {SPAN_LIT("a"), false, &r, 1, 1}}};
    assert_int_equal(run(f, store_migrations, store_migrations_n), 0);
    a = answer_of(f, &create);
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
        T(a_migration_that_fails_leaves_the_one_before),
        T(a_database_from_the_future_is_refused_untouched),
        T(ids_are_never_used_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
