/* The SQLite driver: error classes, transactions, parameters, settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/sql_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PUT, GET, COUNT };

static const struct sql_statement statements[] = {
    [PUT] = {"INSERT INTO t (id, s) VALUES ($1, $2)", true},
    [GET] = {"SELECT s, id, NULL, 1.5 FROM t WHERE id = $1", false},
    [COUNT] = {"SELECT count(*) FROM t", false},
};

struct fixture {
    char path[64];
    struct sql *db;
    struct buf why;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    buf_init(&f->why, 512);
    (void)snprintf(f->path, sizeof f->path, "/tmp/slipgate-sql-XXXXXX");
    close(mkstemp(f->path));
    int rc = sql_sqlite_open(&f->db, f->path, NULL, statements, ARRAY_LEN(statements), &f->why);
    return rc ? rc : sql_script(f->db, "CREATE TABLE t (id BIGINT UNIQUE, s TEXT)");
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

static int put(struct sql *db, int64_t id, struct span s)
{
    struct value v[] = {VALUE_OF_INT(id), VALUE_OF_TEXT(s)};
    return sql_run(db, PUT, v, 2, NULL, NULL);
}

static int take_int(void *ctx, const struct value *v, size_t n)
{
    assert_int_equal(n, 1);
    assert_int_equal(v[0].type, VALUE_INT);
    *(int64_t *)ctx = v[0].u.i;
    return 0;
}

static int64_t count(struct sql *db)
{
    int64_t n = -1;
    assert_int_equal(sql_run(db, COUNT, NULL, 0, take_int, &n), 0);
    return n;
}

static int64_t pragma(struct sql *db, const char *text)
{
    int64_t n = -1;
    assert_int_equal(sql_query(db, text, take_int, &n), 0);
    return n;
}

static int take_row(void *ctx, const struct value *v, size_t n)
{
    assert_int_equal(n, 4);
    assert_int_equal(v[0].type, VALUE_TEXT);
    assert_true(span_eq(v[0].u.text, *(struct span *)ctx));
    assert_int_equal(v[1].type, VALUE_INT);
    assert_int_equal(v[1].u.i, 7);
    assert_int_equal(v[2].type, VALUE_NULL);
    assert_int_equal(v[3].type, VALUE_TEXT);
    assert_true(span_eq(v[3].u.text, SPAN_LIT("1.5")));
    return -99;
}

static void values_go_in_and_come_out_and_a_row_may_end_it(void **state)
{
    struct fixture *f = *state;
    struct span s = SPAN_LIT("\xc3\xa4 ' \" ; --");
    struct value key = VALUE_OF_INT(7);
    assert_int_equal(put(f->db, 7, s), 0);
    assert_int_equal(sql_run(f->db, GET, &key, 1, take_row, &s), -99);
    struct span empty = {NULL, 0};
    assert_int_equal(put(f->db, 8, empty), 0);
    key.u.i = 9;
    assert_int_equal(sql_run(f->db, GET, &key, 1, take_row, &s), 0);
}

static void a_constraint_ends_its_statement_only(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sql_begin(f->db), 0);
    assert_int_equal(put(f->db, 1, SPAN_LIT("a")), 0);
    assert_int_equal(put(f->db, 1, SPAN_LIT("b")), E_REFUSED);
    assert_non_null(strstr(sql_error(f->db), "UNIQUE"));
    assert_int_equal(put(f->db, 2, SPAN_LIT("c")), 0);
    assert_int_equal(sql_commit(f->db), 0);
    assert_int_equal(count(f->db), 2);
}

static void rollback_undoes_and_is_harmless_outside(void **state)
{
    struct fixture *f = *state;
    sql_rollback(f->db);
    assert_int_equal(sql_begin(f->db), 0);
    assert_int_equal(put(f->db, 1, SPAN_LIT("a")), 0);
    sql_rollback(f->db);
    assert_int_equal(count(f->db), 0);
}

static void a_full_database_is_told_apart_and_goes_on_after(void **state)
{
    struct fixture *f = *state;
    static uint8_t big[65536];
    memset(big, 'x', sizeof big);
    assert_int_equal(put(f->db, 1, SPAN_LIT("a")), 0);
    (void)pragma(f->db, "PRAGMA max_page_count = 8");
    assert_int_equal(sql_begin(f->db), 0);
    assert_int_equal(put(f->db, 2, SPAN_LIT("b")), 0);
    assert_int_equal(put(f->db, 3, span_of(big, sizeof big)), E_FULL);
    sql_rollback(f->db);
    assert_int_equal(count(f->db), 1);
    (void)pragma(f->db, "PRAGMA max_page_count = 1000");
    assert_int_equal(put(f->db, 3, span_of(big, sizeof big)), 0);
}

static void another_writer_is_busy(void **state)
{
    struct fixture *f = *state;
    struct sql *other;
    assert_int_equal(sql_sqlite_open(&other, f->path, NULL, statements, 3, &f->why), 0);
    assert_int_equal(sql_begin(f->db), 0);
    assert_int_equal(sql_begin(other), E_BUSY);
    assert_int_equal(sql_commit(f->db), 0);
    assert_int_equal(sql_begin(other), 0);
    sql_rollback(other);
    sql_close(other);
}

static void a_bad_statement_is_an_error_with_words(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sql_script(f->db, "SELECT * FROM nowhere"), E_IO);
    assert_non_null(strstr(sql_error(f->db), "nowhere"));
    assert_int_equal(sql_query(f->db, "SELEC", NULL, NULL), E_IO);
    assert_int_equal(sql_commit(f->db), E_IO);
}

static void settings_are_those_that_keep_data(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(pragma(f->db, "PRAGMA synchronous"), 2);
    assert_int_equal(pragma(f->db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(pragma(f->db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(pragma(f->db, "PRAGMA application_id"), 0x534c4754);
    assert_int_equal(sql_verify(f->db), 0);
    sql_close(f->db);
    f->db = NULL;
    FILE *file = fopen(f->path, "rb");
    uint8_t head[20];
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    fclose(file);
    assert_int_equal(head[18], 2); /* write-ahead log (SQLite file format, section 1.3.3) */
}

static void a_file_that_is_missing_is_not_made(void **state)
{
    struct fixture *f = *state;
    struct sql *db;
    char path[96];
    (void)snprintf(path, sizeof path, "%s.none", f->path);
    assert_int_equal(sql_sqlite_open(&db, path, NULL, statements, 3, &f->why), E_IO);
    assert_true(f->why.n > 0);
    assert_int_equal(access(path, F_OK), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(values_go_in_and_come_out_and_a_row_may_end_it),
        T(a_constraint_ends_its_statement_only),
        T(rollback_undoes_and_is_harmless_outside),
        T(a_full_database_is_told_apart_and_goes_on_after),
        T(another_writer_is_busy),
        T(a_bad_statement_is_an_error_with_words),
        T(settings_are_those_that_keep_data),
        T(a_file_that_is_missing_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
