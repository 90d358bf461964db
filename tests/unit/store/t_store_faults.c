/* The store when the world around it fails: files it may not use, a disk that refuses, damage,
 * another hand in the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "store_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int setup(void **state)
{
    struct kit *k = malloc(sizeof *k);
    *state = k;
    kit_open(k);
    return 0;
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static bool is_ready(struct kit *k)
{
    return store_ready(k->store);
}

static void other_hand(struct kit *k, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state)
{
    struct kit *k = *state;
    char text[4096], now[4096];
    memset(text, 'x', sizeof text);
    write_file(k->path, text, sizeof text);
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), k->path));
    assert_non_null(strstr(kit_why(k), "not a database"));
    FILE *f = fopen(k->path, "rb");
    assert_int_equal(fread(now, 1, sizeof now, f), sizeof now);
    fclose(f);
    assert_memory_equal(text, now, sizeof now);
}

static void another_programs_database_is_refused(void **state)
{
    struct kit *k = *state;
    other_hand(k, "CREATE TABLE bookmarks (url TEXT)");
    assert_int_equal(kit_start(k), E_SUPPORT);
    assert_non_null(strstr(kit_why(k), "another program"));
}

static void a_newer_database_is_refused(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_start(k), 0);
    kit_stop(k);
    other_hand(k, "INSERT INTO schema_version VALUES (4711, 'future', 0)");
    assert_int_equal(kit_start(k), E_SUPPORT);
    assert_non_null(strstr(kit_why(k), "version 4711"));
}

/* Root may write anywhere, so the test is not root for a while. */
static void a_folder_that_cannot_be_written_is_named(void **state)
{
    struct kit *k = *state;
    bool root = geteuid() == 0;
    assert_int_equal(chmod(k->dir, 0555), 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    int rc = kit_start(k);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(k->dir, 0700), 0);
    assert_int_equal(rc, E_STORE);
    assert_non_null(strstr(kit_why(k), k->path));
    assert_non_null(strstr(kit_why(k), "Permission denied"));
}

static void a_database_that_cannot_be_written_is_refused(void **state)
{
    struct kit *k = *state;
    bool root = geteuid() == 0;
    assert_int_equal(kit_start(k), 0);
    kit_stop(k);
    assert_int_equal(chmod(k->path, 0444) || chmod(k->dir, 0777), 0);
    char lock[128];
    (void)snprintf(lock, sizeof lock, "%s.lock", k->path);
    assert_int_equal(chmod(lock, 0666), 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    int rc = kit_start(k);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, E_STORE);
    assert_non_null(strstr(kit_why(k), "cannot be written to"));
}

static off_t size_of(struct kit *k, const char *suffix)
{
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s%s", k->path, suffix);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* The kernel refuses to let files grow: EFBIG, an I/O error to SQLite. */
static void let_files_grow(struct kit *k, bool grow)
{
    struct rlimit limit;
    off_t wal = size_of(k, "-wal");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = grow ? limit.rlim_max : (rlim_t)wal;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void an_io_error_is_answered_logged_once_and_recovered_from(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_create(k, "before", false, RECORD), 0);
    assert_int_equal(kit_metric(k, "slipgate_store_up"), 1);
    let_files_grow(k, false);
    assert_int_equal(kit_create(k, "during", false, RECORD), E_STORE);
    assert_false(store_ready(k->store));
    assert_int_equal(kit_create(k, "during2", false, RECORD), E_STORE);
    assert_int_equal(kit_metric(k, "slipgate_store_up"), 0);
    assert_int_equal(kit_metric(k, "slipgate_store_asks_total{result=\"failed\"}"), 2);
    let_files_grow(k, true);
    assert_true(kit_run_until(k, is_ready, 30));
    assert_int_equal(kit_metric(k, "slipgate_store_up"), 1);
    assert_int_equal(kit_find(k, "before", false, NULL), 0);
    assert_int_equal(kit_create(k, "after", false, RECORD), 0);
    assert_int_equal(kit_logged(k, "store.down"), 1);
    assert_int_equal(kit_logged(k, "store.up"), 1);
}

static void closing_while_down_is_clean(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_create(k, "before", false, RECORD), 0);
    let_files_grow(k, false);
    assert_int_equal(kit_create(k, "during", false, RECORD), E_STORE);
    kit_stop(k);
    let_files_grow(k, true);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_find(k, "before", false, NULL), 0);
}

static void a_database_that_vanished_is_not_replaced_by_an_empty_one(void **state)
{
    struct kit *k = *state;
    char away[128];
    (void)snprintf(away, sizeof away, "%s.away", k->path);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_create(k, "before", false, RECORD), 0);
    let_files_grow(k, false);
    assert_int_equal(kit_create(k, "during", false, RECORD), E_STORE);
    let_files_grow(k, true);
    assert_int_equal(rename(k->path, away), 0);
    assert_false(kit_run_until(k, is_ready, 1));
    assert_int_equal(access(k->path, F_OK), -1);
    assert_int_equal(rename(away, k->path), 0);
    assert_true(kit_run_until(k, is_ready, 30));
    assert_int_equal(kit_find(k, "before", false, NULL), 0);
}

static void being_locked_out_is_an_error_until_it_ends(void **state)
{
    struct kit *k = *state;
    sqlite3 *db;
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_create(k, "before", false, RECORD), 0);
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(kit_create(k, "during", false, RECORD), E_STORE);
    assert_false(store_ready(k->store));
    assert_int_equal(kit_find(k, "before", false, NULL), 0); /* reading goes on */
    assert_false(store_ready(k->store));
    sqlite3_close(db);
    assert_int_equal(kit_create(k, "after", false, RECORD), 0);
    assert_true(kit_run_until(k, is_ready, 30));
    assert_int_equal(kit_logged(k, "store.down"), 1);
}

#define MANY 2000

static void create_many(struct kit *k)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c LIMIT %d)"
                   " INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                   " SELECT 'n' || x, 'n' || x, '%s', 1, 1 FROM c",
                   MANY, RECORD);
    other_hand(k, sql);
}

static size_t find_many(struct kit *k, int rc)
{
    size_t n = 0;
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", i);
        n += kit_find(k, name, false, NULL) == rc;
    }
    return n;
}

/* Writes n bytes at an offset of the database, or back what was there. */
static void scribble(struct kit *k, const char *bytes, size_t n, off_t at, char *before)
{
    int fd = open(k->path, O_RDWR);
    assert_true(fd >= 0);
    if (before)
        assert_int_equal(pread(fd, before, n, at), n);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    close(fd);
}

static void damage_is_an_error_until_it_is_mended(void **state)
{
    struct kit *k = *state;
    static char junk[65536], before[sizeof junk];
    assert_int_equal(kit_start(k), 0);
    create_many(k);
    kit_stop(k);
    memset(junk, 0xa5, sizeof junk);
    scribble(k, junk, sizeof junk, 262144, before);
    assert_int_equal(kit_start(k), 0);
    assert_in_range(find_many(k, E_STORE), 1, MANY);
    assert_false(store_ready(k->store));
    assert_false(kit_run_until(k, is_ready, 1)); /* looked at, still damaged */
    assert_int_equal(kit_logged(k, "store.down"), 1);
    scribble(k, before, sizeof before, 262144, NULL);
    assert_true(kit_run_until(k, is_ready, 30));
    assert_int_equal(find_many(k, 0), MANY);
}

struct crowd {
    struct kit *k;
    size_t left, ok, failed;
};

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct crowd *c = ctx;
    (void)now;
    c->ok += a->rc == 0;
    c->failed += a->rc == E_STORE;
    if (--c->left == 0)
        uvloop_stop(c->k->uv);
}

static void one_ask_that_fails_fails_alone(void **state)
{
    struct kit *k = *state;
    struct crowd c = {k, 0, 0, 0};
    struct password_record r = kit_record(RECORD);
    assert_int_equal(kit_start(k), 0);
    other_hand(k, "CREATE TRIGGER poison BEFORE INSERT ON account WHEN NEW.name = 'n2'"
                  " BEGIN SELECT RAISE(ABORT, 'no'); END");
    for (unsigned i = 0; i < 5; i++, c.left++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", i);
        struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(name), false, &r, 1, 1}}};
        struct ask_port *port = store_port(k->store);
        assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_answer, &c, i}), 0);
    }
    assert_true(kit_run_down(k, &c.left, 20));
    assert_int_equal(c.ok, 4);
    assert_int_equal(c.failed, 1);
    assert_true(store_ready(k->store));
    assert_int_equal(kit_find(k, "n2", false, NULL), E_NOENT);
    assert_int_equal(kit_find(k, "n4", false, NULL), 0);
}

static void a_row_that_cannot_be_ours_is_an_error_alone(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_start(k), 0);
    other_hand(k, "INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                  " VALUES ('long', 'long', printf('%.200c', 'x'), 1, 1),"
                  " ('minus', 'minus', 'x', -1, 1), ('blob', 'blob', 'x', x'00', 1),"
                  " ('fine', 'fine', 'x', 4294967295, 1)");
    assert_int_equal(kit_find(k, "long", false, NULL), E_STORE);
    assert_int_equal(kit_find(k, "minus", false, NULL), E_STORE);
    assert_int_equal(kit_find(k, "blob", false, NULL), E_STORE);
    assert_int_equal(kit_find(k, "fine", false, NULL), 0);
    assert_true(store_ready(k->store));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_that_is_no_database_is_refused_and_left_alone),
        T(another_programs_database_is_refused),
        T(a_newer_database_is_refused),
        T(a_folder_that_cannot_be_written_is_named),
        T(a_database_that_cannot_be_written_is_refused),
        T(an_io_error_is_answered_logged_once_and_recovered_from),
        T(closing_while_down_is_clean),
        T(a_database_that_vanished_is_not_replaced_by_an_empty_one),
        T(being_locked_out_is_an_error_until_it_ends),
        T(damage_is_an_error_until_it_is_mended),
        T(one_ask_that_fails_fails_alone),
        T(a_row_that_cannot_be_ours_is_an_error_alone),
    };
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
