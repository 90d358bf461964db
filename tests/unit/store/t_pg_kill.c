/* What was answered survives kill -9 of PostgreSQL: registrations go on without a pause while its
 * postmaster, or the process that serves the store, is killed again and again; the store comes back
 * by itself, and every name that was answered is there. Without fsync: what a process wrote
 * outlives the process, and only the loss of power asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "os/clock.h"
#include "store_kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CRASHES  3 /* of the postmaster, and with it of everything */
#define KILLS    5 /* of the one process that serves the store; the server restarts itself */
#define AT_ONCE  32
#define ALIVE_MS 80 /* killed within so long after it worked again */
#define RECORD   "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAMES    200000u

struct load {
    struct kit kit;
    struct pg_cluster cluster;
    unsigned next, under_way, failed, since; /* answered since it worked again */
    unsigned seed;
    bool ending;
    uint8_t *answered; /* by number of the name */
};

static struct load load;

static void on_create(void *ctx, struct now now, const struct answer *a);

static void register_next(void)
{
    char name[16];
    struct password_record r = kit_record(RECORD);
    struct ask_port *port = store_port(load.kit.store);
    assert_true(load.next < NAMES);
    (void)snprintf(name, sizeof name, "n%u", load.next);
    struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(name), load.next % 2, &r, 1, 1}}};
    struct ask_owner owner = {on_create, NULL, load.next};
    assert_int_equal(port->submit(port, &ask, owner), 0);
    load.next++;
    load.under_way++;
}

/* Who failed comes back only once the store works: a store that is down would be asked as fast as
 * it can say no. */
static void on_create(void *ctx, struct now now, const struct answer *a)
{
    (void)ctx;
    (void)now;
    load.under_way--;
    load.answered[a->req] = a->rc == 0;
    load.failed += a->rc == E_STORE;
    load.since += a->rc == 0;
    if (a->rc != 0 && a->rc != E_STORE)
        load.failed += NAMES; /* seen at the end: not from within an answer */
    if (a->rc == 0 && !load.ending)
        register_next();
}

static bool works(struct kit *k)
{
    while (store_ready(k->store) && load.under_way < AT_ONCE)
        register_next();
    return load.since >= AT_ONCE;
}

static bool is_down(struct kit *k)
{
    return !store_ready(k->store);
}

static bool nothing_under_way(struct kit *k)
{
    (void)k;
    return load.under_way == 0;
}

static void run_a_while(void)
{
    nsec ms = (nsec)rand_r(&load.seed) % ALIVE_MS;
    load.since = 0;
    assert_true(kit_run_until(&load.kit, works, 30));
    (void)uvloop_run(load.kit.uv, clock_now().mono + ms * NSEC_PER_MS);
}

static void crash_server(void)
{
    pg_cluster_stop(&load.cluster, SIGKILL);
    pg_cluster_start(&load.cluster, NULL);
}

static void crash_backend(void)
{
    pid_t pid = (pid_t)pg_cluster_sql(&load.cluster, NULL,
                                      "SELECT pid FROM pg_stat_activity WHERE application_name ="
                                      " 'slipgate' AND backend_type = 'client backend'");
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static size_t find_all(void)
{
    size_t n = 0;
    char name[16];
    for (unsigned i = 0; i < load.next; i++) {
        if (!load.answered[i])
            continue;
        n++;
        (void)snprintf(name, sizeof name, "n%u", i);
        int rc = kit_find(&load.kit, name, false, NULL);
        if (rc)
            fail_msg("answered, then lost: %s (%s)", name, err_name(rc));
    }
    return n;
}

static void what_was_answered_survives_kill_9_of_the_server(void **state)
{
    (void)state;
    char url[PG_URL_MAX];
    load.seed = (unsigned)clock_now().mono;
    load.answered = calloc(NAMES, 1);
    print_message("seed %u\n", load.seed);
    pg_cluster_create(&load.cluster, false);
    pg_cluster_schema(&load.cluster, url);
    kit_open_at(&load.kit, url);
    assert_int_equal(kit_start(&load.kit), 0);
    for (int i = 0; i < CRASHES + KILLS; i++) {
        run_a_while();
        if (i % 3 == 1 && i / 3 < CRASHES)
            crash_server();
        else
            crash_backend();
        assert_true(kit_run_until(&load.kit, is_down, 30));
    }
    run_a_while();
    load.ending = true;
    assert_true(kit_run_until(&load.kit, nothing_under_way, 30));
    size_t n = find_all();
    assert_true(load.failed < NAMES);
    assert_true(n > (size_t)AT_ONCE * (CRASHES + KILLS));
    assert_true(kit_logged(&load.kit, "store.down") > 0);
    print_message("%zu registrations answered over %d kills, none lost; %u not known to be done\n",
                  n, CRASHES + KILLS, load.failed);
    kit_close(&load.kit);
    pg_cluster_destroy(&load.cluster);
    free(load.answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_survives_kill_9_of_the_server),
    };
    return pg_cluster_installed() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
