/* The store on a PostgreSQL that fails in all the ways it can: what is answered, what is said, and
 * that it comes back without help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "os/clock.h"
#include "store/pg_pipeline.h"
#include "store_kit.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct pg_cluster *cluster(void)
{
    return kit_cluster();
}

static int64_t sql(struct kit *k, const char *text)
{
    return pg_cluster_sql(cluster(), k->url, text);
}

static int setup(void **state)
{
    struct kit *k = malloc(sizeof *k);
    *state = k;
    kit_open(k);
    return 0;
}

static int setup_started(void **state)
{
    return setup(state) || kit_start(*state);
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static bool is_down(struct kit *k)
{
    return !store_ready(k->store);
}

static bool is_up(struct kit *k)
{
    return store_ready(k->store);
}

static int64_t backend_of(struct kit *k, const char *state_is)
{
    char text[256];
    (void)k;
    (void)snprintf(text, sizeof text,
                   "SELECT pid FROM pg_stat_activity WHERE application_name = 'slipgate'"
                   " AND backend_type = 'client backend' AND %s",
                   state_is);
    return sql(k, text);
}

static void end_backends(struct kit *k)
{
    (void)sql(k, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                 " WHERE application_name = 'slipgate'");
}

/* ---- at the start ---- */

static void what_is_wrong_at_the_start_is_said_without_the_password(void **state)
{
    struct kit *k = *state;
    char url[PG_URL_MAX];
    k->cfg.url = url;
    pg_cluster_url(cluster(), "locked:wr0ng", url);
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), "password authentication failed for user \"locked\""));
    assert_null(strstr(kit_why(k), "wr0ng"));
    pg_cluster_url(cluster(), "nobody", url);
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), "role \"nobody\" does not exist"));
    (void)snprintf(url, sizeof url, "postgresql://u:wr0ng@127.0.0.1:1/x");
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), "Connection refused"));
    assert_null(strstr(kit_why(k), "wr0ng"));
    assert_null(strchr(kit_why(k), '\n'));
    static const char *const bad[] = {
        "postgresql://u:wr0ng%@h/d",  "postgresql://u:x@wr0ng@h/d",
        "postgresql://u:1/wr0ng@h/d", "postgresql://u:1@wr0ng/wr0ng@h",
        "postgresql://u:wr0ng/d",     "postgresql://u:1?x@wr0ng@h/d"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        k->cfg.url = bad[i];
        if (kit_start(k) != E_CONFIG)
            fail_msg("%s is taken for a URL", bad[i]);
        assert_null(strstr(kit_why(k), "wr0ng"));
        assert_non_null(strstr(kit_why(k), "postgresql://USER"));
    }
}

static void a_database_that_is_not_in_utf8_is_refused(void **state)
{
    struct kit *k = *state;
    char url[PG_URL_MAX];
    (void)sql(k, "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
                 " TEMPLATE template0");
    (void)snprintf(url, sizeof url, "postgresql://postgres@/latin?host=%s", cluster()->dir);
    k->cfg.url = url;
    assert_int_equal(kit_start(k), E_SUPPORT);
    assert_non_null(strstr(kit_why(k), "not in UTF-8"));
}

static void no_room_for_one_more_connection_is_said(void **state)
{
    struct kit *k = *state;
    char url[PG_URL_MAX];
    (void)sql(k, "CREATE ROLE one LOGIN CONNECTION LIMIT 0");
    pg_cluster_url(cluster(), "one", url);
    k->cfg.url = url;
    assert_int_equal(kit_start(k), E_STORE);
    assert_non_null(strstr(kit_why(k), "too many connections"));
}

static void a_newer_schema_is_refused(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_start(k), 0);
    kit_stop(k);
    (void)sql(k, "INSERT INTO schema_version VALUES (999, 'later', 1)");
    assert_int_equal(kit_start(k), E_SUPPORT);
    assert_non_null(strstr(kit_why(k), "999"));
}

static size_t applied(const struct store_migration_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += list->v[i].applied;
    return n;
}

static void the_schema_is_looked_at_without_a_change_and_made_on_request(void **state)
{
    struct kit *k = *state;
    struct store_migration_list *list = malloc(sizeof *list);
    assert_int_equal(store_schema(&k->cfg, false, 1, list, &k->why), 0);
    assert_true(list->n > 3);
    assert_int_equal(applied(list), 0);
    assert_int_equal(sql(k, "SELECT count(*) FROM information_schema.tables"
                            " WHERE table_schema = current_schema()"),
                     0);
    assert_int_equal(store_schema(&k->cfg, true, 77, list, &k->why), 0);
    assert_int_equal(applied(list), list->n);
    assert_int_equal(list->v[0].applied_ms, 77);
    assert_int_equal(store_schema(&k->cfg, false, 1, list, &k->why), 0);
    assert_int_equal(applied(list), list->n);
    assert_int_equal(kit_start(k), 0);
    free(list);
}

static void many_that_start_at_once_migrate_once(void **state)
{
    struct kit *k = *state;
    pid_t pid[4];
    for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            struct kit own;
            char url[PG_URL_MAX];
            memcpy(url, k->url, sizeof url);
            kit_open_at(&own, url);
            _exit(kit_start(&own) ? 1 : 0);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(pid); i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(sql(k, "SELECT count(*) - max(version) FROM schema_version"), 0);
    assert_int_equal(kit_start(k), 0);
}

static void texts_are_compared_byte_by_byte(void **state)
{
    assert_int_equal(sql(*state, "SELECT count(*) FROM information_schema.columns"
                                 " WHERE table_schema = current_schema() AND data_type = 'text'"
                                 " AND collation_name IS DISTINCT FROM 'C'"
                                 " AND table_name <> 'schema_version'"),
                     0);
    assert_true(sql(*state, "SELECT count(*) FROM information_schema.columns"
                            " WHERE table_schema = current_schema() AND data_type = 'text'") > 20);
}

/* ---- later ---- */

static void an_idle_connection_that_ends_is_noticed_and_made_anew(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_create(k, "before", true, RECORD), 0);
    end_backends(k);
    assert_true(kit_run_until(k, is_down, 10));
    assert_int_equal(kit_metric(k, "slipgate_store_up"), 0);
    assert_int_equal(kit_find(k, "before", true, NULL), E_STORE);
    assert_true(kit_run_until(k, is_up, 10));
    assert_int_equal(kit_find(k, "before", true, NULL), 0);
    assert_int_equal(kit_logged(k, "store.down"), 1);
    assert_int_equal(kit_logged(k, "store.up"), 1);
    assert_non_null(strstr(k->texts, "an administrator ended the connection"));
}

static void a_restart_of_the_server_is_lived_through(void **state)
{
    struct kit *k = *state;
    assert_int_equal(kit_create(k, "before", true, RECORD), 0);
    pg_cluster_stop(cluster(), SIGINT);
    assert_true(kit_run_until(k, is_down, 10));
    pg_cluster_start(cluster(), NULL);
    assert_true(kit_run_until(k, is_up, 20));
    assert_int_equal(kit_find(k, "before", true, NULL), 0);
    assert_int_equal(kit_create(k, "behind", true, RECORD), 0);
}

static bool stays_down(struct kit *k)
{
    return kit_logged(k, "store.connect") > 0;
}

static void a_schema_that_became_newer_meanwhile_is_left_alone(void **state)
{
    struct kit *k = *state;
    (void)sql(k, "INSERT INTO schema_version VALUES (999, 'later', 1)");
    end_backends(k);
    assert_true(kit_run_until(k, stays_down, 10));
    assert_false(store_ready(k->store));
    assert_non_null(strstr(k->texts, "999"));
    (void)sql(k, "DELETE FROM schema_version WHERE version = 999");
    assert_true(kit_run_until(k, is_up, 10));
}

static void a_server_that_turns_read_only_is_not_ready(void **state)
{
    struct kit *k = *state;
    (void)sql(k, "ALTER SYSTEM SET default_transaction_read_only = on");
    (void)sql(k, "SELECT pg_reload_conf()");
    while (kit_create(k, "x", true, RECORD) != E_STORE) /* until the reload has come through */
        assert_int_equal(kit_find(k, "x", true, NULL), 0);
    assert_true(is_down(k));
    assert_non_null(strstr(k->texts, "it is a standby, or set read-only"));
    assert_true(kit_run_until(k, stays_down, 10));
    assert_non_null(strstr(k->texts, "session is read-only"));
    PGconn *pq = PQconnectdb(k->url);
    PQclear(PQexec(pq, "SET default_transaction_read_only = off"));
    PQclear(PQexec(pq, "ALTER SYSTEM RESET default_transaction_read_only"));
    PQclear(PQexec(pq, "SELECT pg_reload_conf()"));
    PQfinish(pq);
    assert_true(kit_run_until(k, is_up, 10));
    assert_int_equal(kit_create(k, "y", true, RECORD), 0);
}

/* Another session, in a transaction that holds what it wrote. */
static PGconn *hold(struct kit *k, const char *text)
{
    PGconn *pq = PQconnectdb(k->url);
    assert_int_equal(PQstatus(pq), CONNECTION_OK);
    PQclear(PQexec(pq, "BEGIN; SET deadlock_timeout = '60s'"));
    PGresult *r = PQexec(pq, text);
    assert_true(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK);
    PQclear(r);
    return pq;
}

static bool waits(struct kit *k)
{
    return backend_of(k, "wait_event_type = 'Lock'") != 0;
}

struct asked {
    struct kit *k;
    size_t left;
    int rc[8];
};

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct asked *c = ctx;
    (void)now;
    c->rc[a->req] = a->rc;
    if (--c->left == 0)
        uvloop_stop(c->k->uv);
}

static void touch(struct asked *c, uint64_t req, int64_t id)
{
    struct ask ask = {ASK_ACCOUNT_TOUCH, {.touch = {id, 42}}};
    struct ask_port *port = store_port(c->k->store);
    assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_answer, c, req}), 0);
    c->left++;
}

static void a_connection_that_ends_under_a_batch_fails_the_batch(void **state)
{
    struct asked c = {.k = *state};
    assert_int_equal(kit_create(c.k, "a", true, RECORD), 0);
    PGconn *other = hold(c.k, "LOCK TABLE account");
    touch(&c, 0, 1);
    assert_true(kit_run_until(c.k, waits, 10));
    end_backends(c.k);
    assert_true(kit_run_down(c.k, &c.left, 10));
    assert_int_equal(c.rc[0], E_STORE);
    assert_true(is_down(c.k));
    PQfinish(other);
    assert_true(kit_run_until(c.k, is_up, 10));
    touch(&c, 0, 1);
    assert_true(kit_run_down(c.k, &c.left, 10));
    assert_int_equal(c.rc[0], 0);
}

static void a_statement_that_is_cancelled_fails_its_batch_alone(void **state)
{
    struct asked c = {.k = *state};
    assert_int_equal(kit_create(c.k, "a", true, RECORD), 0);
    PGconn *other = hold(c.k, "LOCK TABLE account");
    touch(&c, 0, 1);
    touch(&c, 1, 1); /* a batch of its own: the first is under way */
    assert_true(kit_run_until(c.k, waits, 10));
    (void)sql(c.k, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name = 'slipgate' AND wait_event_type = 'Lock'");
    assert_true(kit_run_until(c.k, is_down, 10));
    PQfinish(other);
    assert_true(kit_run_down(c.k, &c.left, 10));
    assert_int_equal(c.rc[0], E_STORE);
    assert_int_equal(c.rc[1], 0);
    assert_true(is_up(c.k));
    assert_non_null(strstr(c.k->texts, "PostgreSQL 57014"));
}

static void a_deadlock_is_no_failure(void **state)
{
    struct asked c = {.k = *state};
    assert_int_equal(kit_create(c.k, "a", true, RECORD), 0);
    assert_int_equal(kit_create(c.k, "b", true, RECORD), 0);
    assert_int_equal(kit_create(c.k, "c", true, RECORD), 0);
    PGconn *other = hold(c.k, "UPDATE account SET faction = 1 WHERE name = 'b'");
    touch(&c, 0, 3); /* goes first; the two behind are one batch */
    touch(&c, 1, 1);
    touch(&c, 2, 2);
    assert_true(kit_run_until(c.k, waits, 10));
    assert_int_equal(PQsendQuery(other, "UPDATE account SET faction = 1 WHERE name = 'a'; COMMIT"),
                     1);
    /* Both wait for each other; the batch is the one that is undone, and done over. */
    assert_true(kit_run_down(c.k, &c.left, 10));
    for (PGresult *r; (r = PQgetResult(other)); PQclear(r))
        assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
    PQfinish(other);
    assert_int_equal(c.rc[0] | c.rc[1] | c.rc[2], 0);
    assert_int_equal(sql(c.k, "SELECT count(*) FROM account WHERE last_login_ms = 42"), 3);
    assert_int_equal(sql(c.k, "SELECT count(*) FROM account WHERE faction = 1"), 2);
    assert_true(is_up(c.k));
}

/* More than one transaction's worth, some of which the database refuses. */
#define CROWD 600u
#define BAD   97u

struct crowd {
    struct kit *k;
    size_t left, wrong, order;
};

static void on_crowd(void *ctx, struct now now, const struct answer *a)
{
    struct crowd *c = ctx;
    (void)now;
    c->wrong += a->rc != (a->req % BAD == BAD - 1 ? E_STORE : 0) || a->req != c->order;
    c->order++;
    if (--c->left == 0)
        uvloop_stop(c->k->uv);
}

static void who_is_refused_is_so_alone_and_in_order(void **state)
{
    struct crowd c = {.k = *state};
    struct password_record r = kit_record(RECORD);
    char name[16];
    (void)sql(c.k, "ALTER TABLE account ADD CHECK (name NOT LIKE 'bad%')");
    for (uint64_t i = 0; i < CROWD; i++) {
        (void)snprintf(name, sizeof name, "%s%d", i % BAD == BAD - 1 ? "bad" : "good", (int)i);
        struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(name), i % 2, &r, 1, 1}}};
        struct ask_port *port = store_port(c.k->store);
        assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_crowd, &c, i}), 0);
        c.left++;
    }
    assert_true(kit_run_down(c.k, &c.left, 30));
    assert_int_equal(c.wrong, 0);
    assert_int_equal(sql(c.k, "SELECT count(*) FROM account"), CROWD - CROWD / BAD);
    assert_int_equal(sql(c.k,
                         "SELECT count(*) FROM (SELECT substr(name, 5)::int - lag(substr(name,"
                         " 5)::int) OVER (ORDER BY id) AS step FROM account) s WHERE step < 1"),
                     0);
    assert_int_equal(kit_logged(c.k, "store.down"), 0);
}

struct silent {
    struct uvloop *uv;
    bool lost, done;
    char error[SQL_ERROR_MAX];
};

static void silent_done(void *ctx, struct now now)
{
    (void)now;
    ((struct silent *)ctx)->done = true;
}

static void silent_lost(void *ctx, struct now now, int rc, const char *error)
{
    struct silent *s = ctx;
    (void)now;
    (void)rc;
    s->lost = true;
    memcpy(s->error, error, sizeof s->error);
    uvloop_stop(s->uv);
}

static void nobody(void *ctx, struct now now, const struct answer *a)
{
    (void)ctx;
    (void)now;
    (void)a;
}

static void a_server_that_falls_silent_is_given_up(void **state)
{
    static const struct pg_pipeline_owner owner = {silent_done, silent_lost};
    struct kit *k = *state;
    struct silent s = {.uv = k->uv};
    struct pg pg = {.stop = -1};
    struct pg_pipeline p;
    assert_int_equal(pg_connect(&pg, k->url), 0);
    assert_int_equal(pg_prepare_all(&pg, ask_statements, ASK_STATEMENTS_N, ask_sql_types), 0);
    pid_t pid = PQbackendPID(pg.pq);
    pg.reply_s = 1;
    assert_int_equal(pg_pipeline_init(&p, k->loop, &pg, &owner, &s), 0);
    struct ask ask = {ASK_ACCOUNT_FIND, {.find = {SPAN_LIT("x"), false}}};
    struct batch b = {.first = entry_make(&ask, (struct ask_owner){nobody, NULL, 0}, 1)};
    assert_int_equal(kill(pid, SIGSTOP), 0);
    pg_pipeline_run(&p, &b, k->loop->ops->now(k->loop));
    assert_true(uvloop_run(k->uv, clock_now().mono + 10 * NSEC_PER_S));
    assert_true(s.lost && !s.done);
    assert_non_null(strstr(s.error, "does not answer in time"));
    assert_int_equal(b.rc, E_IO);
    assert_int_equal(b.first->answer.rc, E_STORE);
    assert_int_equal(kill(pid, SIGCONT), 0);
    pg_pipeline_fini(&p);
    entry_free(b.first);
}

static void a_server_that_falls_silent_does_not_hold_up_the_end(void **state)
{
    struct kit *k = *state;
    pid_t served_by = (pid_t)backend_of(k, "true");
    assert_int_equal(kill(cluster()->pid, SIGSTOP), 0); /* nobody is let in any more */
    assert_int_equal(kill(served_by, SIGTERM), 0);
    assert_true(kit_run_until(k, is_down, 10));
    (void)uvloop_run(k->uv, clock_now().mono + 400 * NSEC_PER_MS); /* it is trying to connect */
    nsec before = clock_now().mono;
    kit_stop(k);
    nsec took = clock_now().mono - before;
    assert_int_equal(kill(cluster()->pid, SIGCONT), 0);
    assert_true(took < 5 * NSEC_PER_S);
}

#define EACH 60

struct racer {
    struct kit kit;
    struct asked asked;
    size_t won, lost, failed;
};

static void on_created(void *ctx, struct now now, const struct answer *a)
{
    struct racer *r = ctx;
    (void)now;
    r->won += a->rc == 0;
    r->lost += a->rc == E_EXISTS;
    r->failed += a->rc != 0 && a->rc != E_EXISTS;
    if (--r->asked.left == 0)
        uvloop_stop(r->kit.uv);
}

/* Two stores of one database race for the same names, in opposite order. */
static void a_name_is_given_once_by_two_stores(void **state)
{
    struct kit *first = *state;
    struct racer r[2] = {0};
    struct password_record record = kit_record(RECORD);
    char name[16];
    for (size_t i = 0; i < 2; i++) {
        kit_open_at(&r[i].kit, first->url);
        assert_int_equal(kit_start(&r[i].kit), 0);
    }
    for (int round = 0; round < EACH; round++)
        for (size_t i = 0; i < 2; i++) {
            (void)snprintf(name, sizeof name, "n%d", i ? EACH - 1 - round : round);
            struct ask ask = {ASK_ACCOUNT_CREATE,
                              {.create = {span_str(name), round % 2 == 0, &record, 1, 1}}};
            struct ask_port *port = store_port(r[i].kit.store);
            assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_created, &r[i], 0}), 0);
            r[i].asked.left++;
            (void)uvloop_run(r[i].kit.uv, clock_now().mono);
        }
    /* In turns, as two processes would run. */
    nsec end = clock_now().mono + 20 * NSEC_PER_S;
    while ((r[0].asked.left || r[1].asked.left) && clock_now().mono < end)
        for (size_t i = 0; i < 2; i++)
            (void)uvloop_run(r[i].kit.uv, clock_now().mono + NSEC_PER_MS);
    assert_int_equal(r[0].failed + r[1].failed, 0);
    assert_int_equal(r[0].won + r[1].won, EACH);
    assert_int_equal(r[0].lost + r[1].lost, EACH);
    assert_int_equal(sql(first, "SELECT count(*) FROM account"), EACH);
    for (size_t i = 0; i < 2; i++)
        kit_close(&r[i].kit);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define S(f) cmocka_unit_test_setup_teardown(f, setup_started, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_wrong_at_the_start_is_said_without_the_password),
        T(a_database_that_is_not_in_utf8_is_refused),
        T(no_room_for_one_more_connection_is_said),
        T(a_newer_schema_is_refused),
        T(the_schema_is_looked_at_without_a_change_and_made_on_request),
        T(many_that_start_at_once_migrate_once),
        S(texts_are_compared_byte_by_byte),
        S(an_idle_connection_that_ends_is_noticed_and_made_anew),
        S(a_restart_of_the_server_is_lived_through),
        S(a_schema_that_became_newer_meanwhile_is_left_alone),
        S(a_server_that_turns_read_only_is_not_ready),
        S(a_connection_that_ends_under_a_batch_fails_the_batch),
        S(a_statement_that_is_cancelled_fails_its_batch_alone),
        S(a_deadlock_is_no_failure),
        S(a_name_is_given_once_by_two_stores),
        S(who_is_refused_is_so_alone_and_in_order),
        S(a_server_that_falls_silent_is_given_up),
        S(a_server_that_falls_silent_does_not_hold_up_the_end),
    };
    if (!pg_cluster_installed())
        return 0;
    (void)setenv("KIT_POSTGRES", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
