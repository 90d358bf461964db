/* The simulated store: the real one over a disk that loses power, is killed, fills up and fails,
 * and the model in its place. Whatever it had acknowledged must be there; a disk whose syncs are
 * lies, or a store that does not wait for them, must be found out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "sim/alloc_fault.h"
#include "sim/disk.h"
#include "sim/plan.h"
#include "sim/store.h"

#include <stdio.h>
#include <stdlib.h>

#define CLIENTS      8u
#define ACCOUNTS_MAX 4096u

enum plant plant_set;

struct world;

struct client {
    struct world *w;
    uint64_t req; /* of the ask in flight; 0: none */
    struct ask ask;
    int64_t account; /* index of the one in question */
    struct password_record record;
    char name[24];
    struct sim_timer timer;
};

struct known {
    char name[24];
    int64_t id;
    struct password_record record;
    bool unsure;
};

struct world {
    struct sim sim;
    struct sim_plan plan;
    struct sim_disk *disk;
    struct sim_store *store;
    struct client clients[CLIENTS];
    struct known known[ACCOUNTS_MAX];
    size_t known_n;
    uint64_t reqs, accepted, answered, refused, names, late;
    uint64_t rc0, fails;
};

static struct world *world_open(uint64_t seed, bool model)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    sim_init(&w->sim, seed);
    w->sim.plan = &w->plan;
    w->disk = sim_disk_create(&w->sim, model);
    return w;
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < CLIENTS; i++)
        sim_stop(&w->sim, &w->clients[i].timer);
    sim_disk_destroy(w->disk);
    sim_fini(&w->sim);
    free(w);
}

static void say_finding(struct world *w)
{
    if (sim_found(&w->sim))
        print_error("seed %llu: %s: %.*s\n", (unsigned long long)w->sim.seed, w->sim.oracle,
                    (int)w->sim.finding.n, (const char *)w->sim.finding.p);
}

static struct password_record some_record(struct world *w)
{
    struct password_record r = {0};
    int n = snprintf(r.text, sizeof r.text, "$sim1$%llx",
                     (unsigned long long)sim_below(&w->sim, CHANCE_BOTS, UINT64_MAX));
    r.n = (uint8_t)n;
    return r;
}

/* ---- the load: each client has one ask in flight ---- */

static void on_answer(void *ctx, struct now now, const struct answer *a);

static void learn(struct client *c, const struct answer *a)
{
    struct world *w = c->w;
    if (c->ask.kind == ASK_ACCOUNT_CREATE && a->rc == 0) {
        CHECK(w->known_n < ACCOUNTS_MAX);
        struct known *k = &w->known[w->known_n++];
        *k = (struct known){.id = a->u.account.id, .record = c->record};
        memcpy(k->name, c->name, sizeof k->name);
    } else if (c->ask.kind == ASK_ACCOUNT_FIND && a->rc == 0) {
        /* Of what was in doubt at a crash it shows which it is, but not that it will stay. */
        w->known[c->account].record = a->u.account.password;
    } else if (c->ask.kind == ASK_ACCOUNT_SET_PASSWORD) {
        struct known *k = &w->known[c->account];
        k->unsure = a->rc == 0 ? false : k->unsure || a->rc != E_STALE;
        if (a->rc == 0)
            k->record = c->record;
    }
}

static bool in_use(struct world *w, int64_t account)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (w->clients[i].req && w->clients[i].account == account)
            return true;
    return false;
}

static void ask_something(struct client *c)
{
    struct world *w = c->w;
    uint64_t what = sim_below(&w->sim, CHANCE_BOTS, 4);
    c->account = w->known_n ? (int64_t)sim_below(&w->sim, CHANCE_BOTS, w->known_n) : -1;
    c->record = some_record(w);
    if (c->account < 0 || what == 0 || in_use(w, c->account)) {
        c->account = -1;
        (void)snprintf(c->name, sizeof c->name, "n%llu", (unsigned long long)w->names++);
        c->ask = (struct ask){ASK_ACCOUNT_CREATE,
                              {.create = {span_str(c->name), true, &c->record, 1, 1}}};
    } else if (what == 1) {
        c->ask =
            (struct ask){ASK_ACCOUNT_FIND, {.find = {span_str(w->known[c->account].name), false}}};
    } else if (what == 2) {
        c->ask = (struct ask){ASK_ACCOUNT_TOUCH, {.touch = {w->known[c->account].id, 5}}};
    } else {
        const struct known *k = &w->known[c->account];
        c->ask = (struct ask){ASK_ACCOUNT_SET_PASSWORD,
                              {.set_password = {k->id, &k->record, &c->record, 1}}};
    }
    c->req = ++w->reqs;
    int rc = sim_store_port(w->store)->submit(sim_store_port(w->store), &c->ask,
                                              (struct ask_owner){on_answer, c, c->req});
    w->accepted += rc == 0;
    w->refused += rc != 0;
    if (rc) {
        assert_int_equal(rc, E_BUSY);
        c->req = 0;
        sim_after(&w->sim, &c->timer, 50 * NSEC_PER_MS);
    }
}

static void on_think(struct sim *sim, struct sim_timer *t)
{
    (void)sim;
    ask_something(CONTAINER_OF(t, struct client, timer));
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct client *c = ctx;
    assert_int_equal(a->req, c->req);
    assert_int_equal(a->kind, c->ask.kind);
    assert_true(now.mono == c->w->sim.now.mono);
    c->w->answered++;
    c->w->rc0 += a->rc == 0;
    c->w->fails += a->rc == E_STORE;
    learn(c, a);
    c->req = 0;
    sim_after(&c->w->sim, &c->timer, sim_below(&c->w->sim, CHANCE_BOTS, 5 * NSEC_PER_MS));
}

static void load_start(struct world *w)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        *c = (struct client){.w = w, .timer.fire = on_think, .account = -1};
        sim_after(&w->sim, &c->timer, i * NSEC_PER_MS);
    }
}

/* The process is dead: what was not answered may or may not have been done. */
static void load_die(struct world *w)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        sim_stop(&w->sim, &c->timer);
        if (c->req && c->ask.kind == ASK_ACCOUNT_SET_PASSWORD)
            w->known[c->account].unsure = true;
    }
}

static void run(struct world *w, nsec for_ns)
{
    nsec end = w->sim.now.mono + for_ns;
    while (timerq_deadline(&w->sim.timers) <= end && !sim_found(&w->sim))
        (void)sim_step(&w->sim);
}

static int open_store(struct world *w)
{
    int rc = E_STORE;
    for (int i = 0; i < 1000 && rc == E_STORE && !sim_found(&w->sim); i++) {
        rc = sim_store_open(&w->sim, w->disk, &w->store);
        w->late += rc != 0;
        if (rc)
            run(w, 100 * NSEC_PER_MS);
        w->sim.now.mono += rc ? 100 * NSEC_PER_MS : 0;
    }
    return rc;
}

/* By the test's own list. */
static void everything_is_there(struct world *w)
{
    for (size_t i = 0; i < w->known_n; i++) {
        struct account a;
        struct known *k = &w->known[i];
        assert_true(sim_disk_account(w->disk, span_str(k->name), &a));
        assert_int_equal(a.id, k->id);
        assert_int_equal(a.name_n, strlen(k->name));
        if (!k->unsure)
            assert_string_equal(a.password.text, k->record.text);
    }
    assert_true(sim_disk_accounts(w->disk) >= w->known_n);
}

/* Lives of a server, each ended by a crash, until something is found. */
static void live_and_die(struct world *w, unsigned lives, double power, bool look)
{
    for (unsigned i = 0; i < lives && !sim_found(&w->sim); i++) {
        if (open_store(w))
            return;
        load_start(w);
        run(w, sim_below(&w->sim, CHANCE_BOTS, 40 * NSEC_PER_MS));
        load_die(w);
        sim_store_crash(w->store, sim_chance(&w->sim, CHANCE_BOTS, power));
        if (look && !sim_found(&w->sim))
            everything_is_there(w);
    }
    if (!sim_found(&w->sim) && open_store(w) == 0)
        sim_store_close(w->store);
}

/* ---- tests ---- */

static void losses_of_power_lose_nothing_acknowledged(void **state)
{
    (void)state;
    uint64_t acknowledged = 0;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct world *w = world_open(seed, false);
        live_and_die(w, 100, seed % 3 ? 1 : 0.5, true);
        say_finding(w);
        assert_false(sim_found(&w->sim));
        everything_is_there(w);
        acknowledged += w->rc0;
        assert_int_equal(w->fails, 0);
        world_close(w);
    }
    assert_true(acknowledged > 10000);
}

static bool is_found_out(bool lies, enum plant plant, double power, uint64_t seeds)
{
    bool found = false;
    plant_set = plant;
    for (uint64_t seed = 1; seed <= seeds && !found; seed++) {
        struct world *w = world_open(seed, false);
        w->disk->lies = lies;
        live_and_die(w, 50, power, false);
        found = sim_found(&w->sim);
        world_close(w);
    }
    plant_set = PLANT_NONE;
    return found;
}

static void a_disk_that_lies_about_syncing_is_found_out(void **state)
{
    (void)state;
    assert_true(is_found_out(true, PLANT_NONE, 1, 3));
}

static void a_store_that_does_not_wait_for_the_disk_is_found_out(void **state)
{
    (void)state;
    assert_true(is_found_out(false, PLANT_NOT_SYNCED, 1, 3));
}

static void a_store_that_answers_before_it_commits_is_found_out(void **state)
{
    (void)state;
    assert_true(is_found_out(false, PLANT_ACKNOWLEDGED_BEFORE_COMMIT, 0, 3));
}

#define T(f) cmocka_unit_test(f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(losses_of_power_lose_nothing_acknowledged),
        T(a_disk_that_lies_about_syncing_is_found_out),
        T(a_store_that_does_not_wait_for_the_disk_is_found_out),
        T(a_store_that_answers_before_it_commits_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
