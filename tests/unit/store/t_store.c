/* The store on a real file: what each ask does, grouping, order, ceilings, what survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/config.h"
#include "store_kit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_A "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RECORD_B "$2b$04$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static int setup(void **state)
{
    struct kit *k = malloc(sizeof *k);
    *state = k;
    kit_open(k);
    return kit_start(k);
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static void an_account_is_created_once_and_found(void **state)
{
    struct kit *k = *state;
    struct account a;
    assert_int_equal(kit_find(k, "Anna", false, NULL), E_NOENT);
    assert_int_equal(kit_create(k, "Anna", false, RECORD_A), 0);
    assert_int_equal(kit_create(k, "Anna", false, RECORD_B), E_EXISTS);
    assert_int_equal(kit_find(k, "Anna", false, &a), 0);
    assert_true(a.id > 0);
    assert_string_equal(a.name, "Anna");
    assert_int_equal(a.name_n, 4);
    assert_string_equal(a.password.text, RECORD_A);
    assert_int_equal(a.password.n, 60);
    assert_int_equal(a.password_min, 1);
}

static void creating_answers_id_and_name(void **state)
{
    struct kit *k = *state;
    struct password_record r = kit_record(RECORD_A);
    struct answer a = {0};
    struct account found;
    struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {SPAN_LIT("Ole"), false, &r, 8, 5}}};
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &a), 0);
    assert_string_equal(a.u.account.name, "Ole");
    assert_int_equal(kit_find(k, "Ole", false, &found), 0);
    assert_int_equal(found.id, a.u.account.id);
    assert_int_equal(found.password_min, 8);
}

static void names_differ_by_letter_case_unless_folded(void **state)
{
    struct kit *k = *state;
    struct account a;
    assert_int_equal(kit_create(k, "anna", false, RECORD_A), 0);
    assert_int_equal(kit_create(k, "ANNA", true, RECORD_A), E_EXISTS);
    assert_int_equal(kit_create(k, "ANNA", false, RECORD_A), 0);
    assert_int_equal(kit_find(k, "Anna", false, NULL), E_NOENT);
    /* The exact name first, then the oldest. */
    assert_int_equal(kit_find(k, "ANNA", true, &a), 0);
    assert_string_equal(a.name, "ANNA");
    assert_int_equal(kit_find(k, "aNNa", true, &a), 0);
    assert_string_equal(a.name, "anna");
    assert_int_equal(kit_create(k, "Berta", true, RECORD_A), 0);
    assert_int_equal(kit_create(k, "Berta", true, RECORD_A), E_EXISTS);
    assert_int_equal(kit_create(k, "bertA", true, RECORD_A), E_EXISTS);
    /* Only A to Z have a lower case here. */
    assert_int_equal(kit_create(k, "\xc3\x84pfel", true, RECORD_A), 0);
    assert_int_equal(kit_create(k, "\xc3\xa4pfel", true, RECORD_A), 0);
    assert_int_equal(kit_create(k, "[x]", true, RECORD_A), 0);
    assert_int_equal(kit_create(k, "{x}", true, RECORD_A), 0);
}

static void names_are_kept_byte_for_byte_up_to_the_limit(void **state)
{
    struct kit *k = *state;
    struct account a;
    char name[ACCOUNT_NAME_MAX + 2];
    for (size_t i = 0; i < ACCOUNT_NAME_MAX; i++)
        name[i] = (char)('!' + i % 90);
    memcpy(name, "\xf0\x9f\x8f\x81 '\"\t\x01", 9);
    name[ACCOUNT_NAME_MAX] = '\0';
    assert_int_equal(kit_create(k, name, true, RECORD_A), 0);
    assert_int_equal(kit_find(k, name, false, &a), 0);
    assert_int_equal(a.name_n, ACCOUNT_NAME_MAX);
    assert_memory_equal(a.name, name, ACCOUNT_NAME_MAX);
    assert_int_equal(kit_find(k, name, true, NULL), 0);
    name[ACCOUNT_NAME_MAX] = 'x';
    name[ACCOUNT_NAME_MAX + 1] = '\0';
    assert_int_equal(kit_create(k, name, false, RECORD_A), E_FORMAT);
    assert_int_equal(kit_find(k, name, false, NULL), E_FORMAT);
}

static void what_cannot_be_a_name_is_refused_alone(void **state)
{
    struct kit *k = *state;
    struct password_record r = kit_record(RECORD_A);
    struct answer a;
    struct ask nul = {ASK_ACCOUNT_CREATE, {.create = {SPAN_LIT("a\0b"), false, &r, 1, 1}}};
    struct ask none = {ASK_ACCOUNT_FIND, {.find = {SPAN_NULL, true}}};
    assert_int_equal(kit_ask(k, store_port(k->store), &nul, &a), E_FORMAT);
    assert_int_equal(kit_ask(k, store_port(k->store), &none, &a), E_NOENT); /* by id 0 */
    assert_int_equal(kit_create(k, "\xff", false, RECORD_A), E_FORMAT);
    assert_true(store_ready(k->store));
}

static int set_password(struct kit *k, int64_t id, const char *old, const char *new, uint32_t min)
{
    struct password_record from = kit_record(old), to = kit_record(new);
    struct answer a;
    struct ask ask = {ASK_ACCOUNT_SET_PASSWORD, {.set_password = {id, &from, &to, min}}};
    return kit_ask(k, store_port(k->store), &ask, &a);
}

static void a_password_is_replaced_only_if_it_is_still_the_old_one(void **state)
{
    struct kit *k = *state;
    struct account a;
    assert_int_equal(kit_create(k, "Anna", false, RECORD_A), 0);
    assert_int_equal(kit_find(k, "Anna", false, &a), 0);
    assert_int_equal(set_password(k, a.id, RECORD_B, RECORD_B, 8), E_STALE);
    assert_int_equal(set_password(k, a.id + 1, RECORD_A, RECORD_B, 8), E_STALE);
    assert_int_equal(set_password(k, a.id, RECORD_A, RECORD_B, 8), 0);
    assert_int_equal(set_password(k, a.id, RECORD_A, RECORD_B, 8), E_STALE);
    assert_int_equal(kit_find(k, "Anna", false, &a), 0);
    assert_string_equal(a.password.text, RECORD_B);
    assert_int_equal(a.password_min, 8);
}

/* Another connection, as a backup or an operator's shell would be. */
static int64_t look(struct kit *k, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    if (kit_cluster())
        return pg_cluster_sql(kit_cluster(), k->url, sql);
    assert_int_equal(sqlite3_open_v2(k->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    int code = sqlite3_step(st);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    int64_t v = code == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}

static void the_last_login_is_kept(void **state)
{
    struct kit *k = *state;
    struct account a;
    struct answer answer;
    assert_int_equal(kit_create(k, "Anna", false, RECORD_A), 0);
    assert_int_equal(kit_find(k, "Anna", false, &a), 0);
    struct ask ask = {ASK_ACCOUNT_TOUCH, {.touch = {a.id, 1234567890123}}};
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &answer), 0);
    assert_int_equal(look(k, "SELECT last_login_ms FROM account"), 1234567890123);
    assert_int_equal(look(k, "SELECT created_ms FROM account"), 1700000000000);
    ask.u.touch.id = a.id + 1;
    assert_int_equal(kit_ask(k, store_port(k->store), &ask, &answer), E_NOENT);
}

static void accounts_survive_a_restart(void **state)
{
    struct kit *k = *state;
    struct account before, after;
    assert_int_equal(kit_create(k, "Anna", false, RECORD_A), 0);
    assert_int_equal(kit_find(k, "Anna", false, &before), 0);
    kit_stop(k);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_find(k, "Anna", false, &after), 0);
    assert_memory_equal(&before, &after, sizeof after);
}

struct crowd {
    struct kit *k;
    size_t left, ok, order, failed_order;
    char name[16];
    bool visible, seen_uncommitted;
};

static void on_create(void *ctx, struct now now, const struct answer *a)
{
    struct crowd *c = ctx;
    (void)now;
    if (a->req != c->order++)
        c->failed_order++;
    c->ok += a->rc == 0;
    if (!c->visible) { /* what is answered is committed: another connection sees it */
        char sql[80];
        (void)snprintf(sql, sizeof sql, "SELECT 1 FROM account WHERE id = %lld",
                       (long long)a->u.account.id);
        c->seen_uncommitted = c->seen_uncommitted || look(c->k, sql) != 1;
    }
    if (--c->left == 0)
        uvloop_stop(c->k->uv);
}

static void submit_create(struct crowd *c, unsigned i, int expected)
{
    struct password_record r = kit_record(RECORD_A);
    struct ask_port *port = store_port(c->k->store);
    (void)snprintf(c->name, sizeof c->name, "p%u", i);
    struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(c->name), true, &r, 1, 1}}};
    assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_create, c, i}), expected);
    c->left += expected == 0;
    /* Borrowed until submit returned, no longer. */
    memset(c->name, '?', sizeof c->name);
    memset(&r, '?', sizeof r);
}

static void what_arrives_together_commits_together(void **state)
{
    struct kit *k = *state;
    struct crowd c = {.k = k};
    for (unsigned i = 0; i < 64; i++)
        submit_create(&c, i, 0);
    assert_int_equal(kit_metric(k, "slipgate_store_queue"), 64);
    assert_true(kit_run_down(k, &c.left, 20));
    assert_int_equal(c.ok, 64);
    assert_int_equal(c.failed_order, 0);
    assert_false(c.seen_uncommitted);
    /* The first goes at once, the others while it is under way. */
    assert_int_equal(kit_metric(k, "slipgate_store_batches_total{kind=\"write\"}"), 2);
    assert_int_equal(kit_metric(k, "slipgate_store_asks_total{result=\"answered\"}"), 64);
    assert_int_equal(kit_metric(k, "slipgate_store_queue"), 0);
    assert_int_equal(kit_find(k, "p63", false, NULL), 0);
}

static void asks_of_one_batch_see_each_other_in_order(void **state)
{
    struct kit *k = *state;
    struct crowd c = {.k = k, .visible = true};
    for (unsigned i = 0; i < 4; i++)
        submit_create(&c, i / 2, 0); /* each name twice */
    assert_true(kit_run_down(k, &c.left, 20));
    assert_int_equal(c.ok, 2);
    assert_int_equal(look(k, "SELECT count(*) FROM account"), 2);
}

static void the_queue_has_a_ceiling_in_entries(void **state)
{
    struct kit *k = *state;
    struct crowd c = {.k = k};
    kit_stop(k);
    k->cfg.queue_max = 4;
    assert_int_equal(kit_start(k), 0);
    for (unsigned i = 0; i < 4; i++)
        submit_create(&c, i, 0);
    submit_create(&c, 4, E_BUSY);
    assert_int_equal(kit_metric(k, "slipgate_store_asks_total{result=\"refused\"}"), 1);
    assert_true(kit_run_down(k, &c.left, 20));
    assert_int_equal(c.ok, 4);
    submit_create(&c, 4, 0);
    assert_true(kit_run_down(k, &c.left, 20));
}

static void the_queue_has_a_ceiling_in_bytes(void **state)
{
    struct kit *k = *state;
    struct crowd c = {.k = k};
    unsigned n = 0;
    kit_stop(k);
    k->cfg.queue_bytes_max = 16384;
    assert_int_equal(kit_start(k), 0);
    struct ask_port *port = store_port(k->store);
    struct ask ask = {ASK_ACCOUNT_FIND, {.find = {SPAN_LIT("nobody"), false}}};
    while (n < 100 && port->submit(port, &ask, (struct ask_owner){on_create, &c, n}) == 0)
        n++;
    c.left = n;
    c.visible = true;
    assert_in_range(n, 4, 99);
    assert_true(kit_run_down(k, &c.left, 20));
    assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_create, &c, n}), 0);
    c.left = 1;
    assert_true(kit_run_down(k, &c.left, 20));
}

static void closing_answers_what_was_accepted(void **state)
{
    struct kit *k = *state;
    struct crowd c = {.k = k, .visible = true};
    for (unsigned i = 0; i < 200; i++)
        submit_create(&c, i, 0);
    kit_stop(k);
    assert_int_equal(c.left, 0);
    assert_int_equal(c.ok, 200);
    assert_int_equal(c.failed_order, 0);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_find(k, "p199", false, NULL), 0);
}

static void on_find_then_create(void *ctx, struct now now, const struct answer *a)
{
    struct crowd *c = ctx;
    (void)now;
    assert_int_equal(a->rc, E_NOENT);
    submit_create(c, (unsigned)a->req, 0);
    c->left--;
}

static void asks_from_within_answers_are_one_batch(void **state)
{
    struct kit *k = *state;
    struct crowd c = {.k = k, .visible = true};
    struct ask_port *port = store_port(k->store);
    struct ask ask = {ASK_ACCOUNT_FIND, {.find = {SPAN_LIT("nobody"), false}}};
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_find_then_create, &c, i}),
                         0);
        c.left++;
    }
    assert_true(kit_run_down(k, &c.left, 20));
    assert_int_equal(c.ok, 32);
    assert_in_range(kit_metric(k, "slipgate_store_batches_total{kind=\"write\"}"), 1, 2);
}

static void files_are_for_the_owner_alone(void **state)
{
    struct kit *k = *state;
    struct stat st;
    char path[256];
    kit_stop(k);
    mode_t before = umask(0);
    (void)snprintf(path, sizeof path, "sqlite:%s/new/here.db", k->dir);
    k->cfg.url = path;
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_create(k, "Anna", false, RECORD_A), 0);
    umask(before);
    const struct {
        const char *name;
        mode_t mode;
    } files[] = {{"new", 0700},
                 {"new/here.db", 0600},
                 {"new/here.db-wal", 0600},
                 {"new/here.db-shm", 0600},
                 {"new/here.db.lock", 0600}};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[256];
        (void)snprintf(name, sizeof name, "%s/%s", k->dir, files[i].name);
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_mode & 0777, files[i].mode);
    }
    assert_int_equal(kit_logged(k, "store.modes"), 0);
    kit_stop(k);
    assert_int_equal(chmod(path + 7, 0644), 0);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_logged(k, "store.modes"), 1);
}

static void an_empty_path_is_the_file_in_the_data_folder(void **state)
{
    struct kit *k = *state;
    struct stat st;
    char path[128];
    kit_stop(k);
    k->cfg.url = "sqlite:";
    k->cfg.data_dir = k->dir;
    assert_int_equal(kit_start(k), 0);
    (void)snprintf(path, sizeof path, "%s/slipgate.db", k->dir);
    assert_int_equal(stat(path, &st), 0);
}

static void the_url_is_checked(void **state)
{
    struct kit *k = *state;
    kit_stop(k);
    k->cfg.url = "mysql://db/slipgate";
    assert_int_equal(kit_start(k), E_CONFIG);
    assert_non_null(strstr(kit_why(k), "sqlite:"));
    k->cfg.url = "sqlite:/tmp/";
    assert_int_equal(kit_start(k), E_CONFIG);
    k->cfg.url = "sqlite:/tmp";
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), "/tmp is not a file"));
    k->cfg.url = "sqlite:/nowhere/at/all/x.db";
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), "/nowhere/at/all"));
}

static void the_configuration_row_is_sound(void **state)
{
    struct config *c;
    struct config_table table = {store_config, ARRAY_LEN(store_config)};
    (void)state;
    assert_int_equal(config_create(&c, &table, 1), 0);
    assert_string_equal(config_text(c, "store.url"), "sqlite:");
    config_destroy(c);
}

static void a_second_store_on_the_same_file_is_refused(void **state)
{
    struct kit *k = *state;
    struct store *second = NULL;
    char link[256];
    assert_int_equal(store_create(&second, k->loop, &k->cfg, &k->why), E_BUSY);
    assert_non_null(strstr(kit_why(k), "in use by another server (process "));
    /* Under another name too. */
    (void)snprintf(link, sizeof link, "sqlite:%s/link.db", k->dir);
    assert_int_equal(symlink(k->path, link + 7), 0);
    k->cfg.url = link;
    buf_clear(&k->why);
    assert_int_equal(store_create(&second, k->loop, &k->cfg, &k->why), E_BUSY);
    /* The first one is none the worse for it. */
    assert_int_equal(kit_create(k, "Anna", false, RECORD_A), 0);
    assert_int_equal(look(k, "SELECT count(*) FROM account"), 1);
}

/* This program again, as a server of its own that says when its store is open. */
static pid_t start_other(struct kit *k, int *says)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(pipes[1], 1);
        execl("/proc/self/exe", "t_store", "hold", k->url, (char *)NULL);
        _exit(9);
    }
    close(pipes[1]);
    *says = pipes[0];
    return pid;
}

/* "unix-excl" is a VFS SQLite brings along; one that was registered by hand is no different. */
static void over_a_given_vfs_nothing_is_made_or_claimed(void **state)
{
    struct kit *k = *state;
    char lock[128];
    (void)snprintf(lock, sizeof lock, "%s.lock", k->path);
    kit_stop(k);
    assert_int_equal(unlink(k->path), 0);
    assert_int_equal(unlink(lock), 0);
    k->cfg.vfs = "unix-excl";
    assert_int_equal(kit_start(k), E_STORE);
    assert_int_equal(access(k->path, F_OK), -1);
    FILE *f = fopen(k->path, "wb");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_create(k, "ada", false, RECORD_A), 0);
    kit_stop(k);
    assert_int_equal(access(lock, F_OK), -1);
    k->cfg.vfs = "no such vfs";
    assert_int_equal(kit_start(k), E_STORE);
    k->cfg.vfs = NULL;
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_find(k, "ada", false, NULL), 0);
    assert_int_equal(access(lock, F_OK), 0);
}

static void a_second_process_is_refused_until_the_first_is_gone(void **state)
{
    struct kit *k = *state;
    int says, status;
    char c, pid_text[24];
    kit_stop(k);
    pid_t pid = start_other(k, &says);
    assert_int_equal(read(says, &c, 1), 1);
    assert_int_equal(c, '+');
    assert_int_equal(kit_start(k), E_BUSY);
    (void)snprintf(pid_text, sizeof pid_text, "process %ld)", (long)pid);
    assert_non_null(strstr(kit_why(k), pid_text));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(says);
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(kit_find(k, "held", false, NULL), 0);
    pid = start_other(k, &says);
    assert_int_equal(read(says, &c, 1), 1);
    assert_int_equal(c, '-');
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(says);
}

static int hold(const char *url)
{
    struct kit k;
    kit_open(&k);
    (void)rmdir(k.dir); /* it is killed: nobody will be there to remove it later */
    k.cfg.url = url;
    bool open = kit_start(&k) == 0 && kit_create(&k, "held", false, RECORD_A) == 0;
    if (write(1, open ? "+" : "-", 1) == 1 && open)
        pause();
    kit_close(&k);
    return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    /* What every database does. */
    const struct CMUnitTest tests[] = {
        T(an_account_is_created_once_and_found),
        T(creating_answers_id_and_name),
        T(names_differ_by_letter_case_unless_folded),
        T(names_are_kept_byte_for_byte_up_to_the_limit),
        T(what_cannot_be_a_name_is_refused_alone),
        T(a_password_is_replaced_only_if_it_is_still_the_old_one),
        T(the_last_login_is_kept),
        T(accounts_survive_a_restart),
        T(what_arrives_together_commits_together),
        T(asks_of_one_batch_see_each_other_in_order),
        T(the_queue_has_a_ceiling_in_entries),
        T(the_queue_has_a_ceiling_in_bytes),
        T(closing_answers_what_was_accepted),
        T(asks_from_within_answers_are_one_batch),
        T(the_configuration_row_is_sound),
    };
    const struct CMUnitTest of_files[] = {
        T(files_are_for_the_owner_alone),
        T(an_empty_path_is_the_file_in_the_data_folder),
        T(the_url_is_checked),
        T(a_second_store_on_the_same_file_is_refused),
        T(a_second_process_is_refused_until_the_first_is_gone),
        T(over_a_given_vfs_nothing_is_made_or_claimed),
    };
    if (getenv("KIT_POSTGRES"))
        return pg_cluster_installed() ? cmocka_run_group_tests_name("store_pg", tests, NULL, NULL)
                                      : 0;
    return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(of_files, NULL, NULL);
}
