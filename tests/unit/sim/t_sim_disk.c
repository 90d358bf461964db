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

#include <malloc.h>
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
    nsec think; /* clients wait up to so long before they ask again */
};

static struct world *world_open(uint64_t seed, bool model)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    sim_init(&w->sim, seed);
    w->sim.plan = &w->plan;
    w->think = 5 * NSEC_PER_MS;
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
    sim_after(&c->w->sim, &c->timer, sim_below(&c->w->sim, CHANCE_BOTS, c->w->think));
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

static void load_stop(struct world *w)
{
    for (size_t i = 0; i < CLIENTS; i++)
        sim_stop(&w->sim, &w->clients[i].timer);
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
        if (rc)
            alloc_fault_at(0);
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
        if (look && i % 8 == 0 && !sim_found(&w->sim))
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
    for (uint64_t seed = 1; seed <= 20; seed++) {
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

/* By the test's own list, whatever the store's ledger would have said. */
static void a_disk_that_lies_does_lose_something(void **state)
{
    (void)state;
    size_t lost = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world *w = world_open(seed, false);
        struct account a;
        assert_int_equal(open_store(w), 0);
        w->disk->lies = true;
        load_start(w);
        for (int i = 0; i < 400; i++) {
            (void)sim_step(&w->sim);
            buf_clear(&w->sim.finding);
        }
        load_die(w);
        sim_store_crash(w->store, true);
        for (size_t i = 0; i < w->known_n; i++)
            lost += !sim_disk_account(w->disk, span_str(w->known[i].name), &a);
        world_close(w);
    }
    assert_true(lost > 0);
}

/* A sync that failed leaves a gap that later ones do not fill: the store has to. */
static void a_failing_disk_loses_nothing_acknowledged(void **state)
{
    (void)state;
    uint64_t fails = 0, late = 0, acknowledged = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_open(seed, false);
        w->plan.strength[FAULT_DISK] = 0.3;
        w->think = 40 * NSEC_PER_MS;
        for (int i = 0; i < 6 && !sim_found(&w->sim) && open_store(w) == 0; i++) {
            load_start(w);
            run(w, 2 * NSEC_PER_S);
            load_die(w);
            sim_store_crash(w->store, seed % 2);
            if (!sim_found(&w->sim))
                everything_is_there(w);
        }
        say_finding(w);
        assert_false(sim_found(&w->sim));
        fails += w->fails;
        late += w->late;
        acknowledged += w->rc0;
        world_close(w);
    }
    assert_true(fails > 100 && late > 5 && acknowledged > 5000);
}

static void after_the_storm_the_store_works_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_open(seed, false);
        w->plan.strength[FAULT_DISK] = w->plan.strength[FAULT_STORE_SLOW] = 1;
        w->think = 400 * NSEC_PER_MS;
        assert_int_equal(open_store(w), 0);
        load_start(w);
        run(w, 20 * NSEC_PER_S);
        w->sim.phase = PHASE_CALM;
        run(w, 60 * NSEC_PER_S);
        uint64_t fails = w->fails, refused = w->refused, rc0 = w->rc0;
        run(w, 5 * NSEC_PER_S);
        assert_int_equal(w->fails, fails);
        assert_int_equal(w->refused, refused);
        assert_true(w->rc0 > rc0 + 100);
        load_stop(w);
        sim_store_close(w->store);
        assert_int_equal(w->answered, w->accepted);
        say_finding(w);
        assert_false(sim_found(&w->sim));
        everything_is_there(w);
        world_close(w);
    }
}

static const enum sim_fault port_faults[] = {FAULT_STORE_SLOW, FAULT_STORE_FAIL, FAULT_STORE_ORDER,
                                             FAULT_STORE_LOST, FAULT_STORE_BUSY};

static void every_accepted_ask_gets_one_answer_whatever_goes_wrong(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct world *w = world_open(seed, seed % 2);
        long blocks = alloc_live_blocks();
        w->think = 100 * NSEC_PER_MS;
        for (size_t i = 0; i < ARRAY_LEN(port_faults); i++)
            w->plan.strength[port_faults[i]] = 0.5;
        w->plan.strength[FAULT_STORE_SLOW] = w->plan.strength[FAULT_DISK] = 0.1;
        assert_int_equal(open_store(w), 0);
        load_start(w);
        run(w, 120 * NSEC_PER_S);
        load_stop(w);
        sim_store_close(w->store);
        assert_int_equal(w->answered, w->accepted);
        assert_true(w->answered > 100 && w->refused > 0 && w->fails > 0);
        for (size_t i = 0; i < ARRAY_LEN(port_faults); i++)
            assert_true(w->sim.fired[port_faults[i]] > 0);
        assert_int_equal(alloc_live_blocks(), blocks);
        say_finding(w);
        assert_false(sim_found(&w->sim));
        everything_is_there(w);
        world_close(w);
    }
}

static void after_a_crash_nothing_is_answered(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *w = world_open(seed, seed % 4 == 0);
        long blocks = alloc_live_blocks();
        assert_int_equal(open_store(w), 0);
        load_start(w);
        run(w, sim_below(&w->sim, CHANCE_BOTS, 50 * NSEC_PER_MS));
        load_die(w);
        uint64_t answered = w->answered;
        sim_store_crash(w->store, seed % 2);
        assert_int_equal(alloc_live_blocks(), blocks);
        run(w, 30 * NSEC_PER_S);
        assert_int_equal(w->answered, answered);
        assert_int_equal(timerq_deadline(&w->sim.timers), NSEC_NEVER);
        everything_is_there(w);
        world_close(w);
    }
}

static void the_model_keeps_what_it_acknowledged(void **state)
{
    (void)state;
    uint64_t done_unanswered = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_open(seed, true);
        live_and_die(w, 20, 0.5, true);
        say_finding(w);
        assert_false(sim_found(&w->sim));
        done_unanswered += sim_disk_accounts(w->disk) - w->known_n;
        world_close(w);
    }
    assert_true(done_unanswered > 0);
}

/* SQLite takes its memory through here: it fails with everybody else's. */
static void *take_memory(int n)
{
    return alloc_library_malloc((size_t)n);
}

static void *resize_memory(void *p, int n)
{
    return alloc_library_realloc(p, (size_t)n);
}

static int size_of_memory(void *p)
{
    return p ? (int)malloc_usable_size(p) : 0;
}

static int round_up(int n)
{
    return (n + 7) & ~7;
}

static int begin_memory(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void end_memory(void *ctx)
{
    (void)ctx;
}

static const sqlite3_mem_methods memory = {
    take_memory, alloc_library_free, resize_memory, size_of_memory,
    round_up,    begin_memory,       end_memory,    NULL,
};

static void memory_that_runs_out_loses_nothing_acknowledged(void **state)
{
    (void)state;
    uint64_t struck = 0, fails = 0, acknowledged = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_open(seed, false);
        w->plan.strength[FAULT_ALLOC] = 1; /* so that failed asks have a reason */
        bool before = alloc_fault_suspend(true);
        for (int i = 0; i < 8 && !sim_found(&w->sim); i++) {
            alloc_fault_at(i % 2 ? sim_between(&w->sim, CHANCE_BOTS, 1, 600) : 0);
            if (open_store(w))
                break;
            load_start(w);
            for (int k = 0; k < 20; k++) {
                alloc_fault_at(sim_between(&w->sim, CHANCE_BOTS, 1, 200));
                run(w, 40 * NSEC_PER_MS);
                struck += alloc_fault_fired();
            }
            alloc_fault_at(0);
            load_die(w);
            sim_store_crash(w->store, seed % 2);
            if (!sim_found(&w->sim))
                everything_is_there(w);
        }
        (void)alloc_fault_suspend(before);
        say_finding(w);
        assert_false(sim_found(&w->sim));
        fails += w->fails + w->refused;
        acknowledged += w->rc0;
        world_close(w);
    }
    assert_true(struck > 500 && fails > 200 && acknowledged > 2000);
}

static uint64_t digest_of(uint64_t seed, bool model)
{
    struct world *w = world_open(seed, model);
    for (int f = FAULT_STORE_SLOW; f <= FAULT_DISK; f++)
        w->plan.strength[f] = 0.3;
    live_and_die(w, 10, 0.5, false);
    uint64_t digest = w->sim.digest ^ w->sim.step << 32 ^ w->known_n;
    world_close(w);
    return digest;
}

static void a_seed_is_the_same_world_every_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        assert_int_equal(digest_of(seed, seed % 2), digest_of(seed, seed % 2));
        assert_int_not_equal(digest_of(seed, seed % 2), digest_of(seed + 10, seed % 2));
    }
}

/* ---- the hash ---- */

struct hashing {
    struct answer last;
    size_t answers, busy;
};

static void on_hash(void *ctx, struct now now, const struct answer *a)
{
    struct hashing *h = ctx;
    (void)now;
    h->last = *a;
    h->answers++;
    h->busy += a->rc == E_BUSY;
}

static int ask_hash(struct world *w, struct hashing *h, const struct ask *ask, uint64_t req)
{
    struct ask_port *port = sim_hash_port(w->store);
    return port->submit(port, ask, (struct ask_owner){on_hash, h, req});
}

static int hash_now(struct world *w, struct hashing *h, const struct ask *ask)
{
    size_t before = h->answers;
    assert_int_equal(ask_hash(w, h, ask, 1), 0);
    while (h->answers == before)
        assert_true(sim_step(&w->sim));
    return h->last.rc;
}

static struct ask to_verify(const struct password_record *r, const char *password)
{
    return (struct ask){ASK_HASH_VERIFY, {.verify = {span_str(password), r}}};
}

static void passwords_are_hashed_and_verified(void **state)
{
    (void)state;
    struct world *w = world_open(3, false);
    struct hashing h = {0};
    size_t old = 0, same = 0;
    struct password_record before = {0};
    const struct ask make = {ASK_HASH_MAKE, {.make = {SPAN_LIT("sesame")}}};
    assert_int_equal(open_store(w), 0);
    for (int i = 0; i < 64; i++) {
        nsec began = w->sim.now.mono;
        assert_int_equal(hash_now(w, &h, &make), 0);
        assert_true(w->sim.now.mono > began);
        struct password_record r = h.last.u.password;
        same += r.n == before.n && memcmp(r.text, before.text, r.n) == 0;
        before = r;
        assert_true(sim_hash_matches(&r, SPAN_LIT("sesame")));
        assert_false(sim_hash_matches(&r, SPAN_LIT("sesamf")));
        struct ask right = to_verify(&r, "sesame"), wrong = to_verify(&r, "Sesame");
        assert_int_equal(hash_now(w, &h, &right), 0);
        old += h.last.u.rehash;
        assert_int_equal(hash_now(w, &h, &wrong), E_AUTH);
    }
    assert_int_equal(same, 0);
    assert_in_range(old, 1, 30);
    struct password_record junk = {4, "junk"};
    struct ask bad = to_verify(&junk, "sesame");
    struct ask nul = {ASK_HASH_MAKE, {.make = {SPAN_LIT("a\0b")}}};
    assert_int_equal(hash_now(w, &h, &bad), E_FORMAT);
    assert_int_equal(hash_now(w, &h, &nul), E_RANGE);
    sim_store_close(w->store);
    world_close(w);
}

static void the_hash_queue_is_bounded_and_can_be_left(void **state)
{
    (void)state;
    struct world *w = world_open(4, false);
    struct hashing h = {0};
    const struct ask make = {ASK_HASH_MAKE, {.make = {SPAN_LIT("sesame")}}};
    uint64_t n = 0;
    assert_int_equal(open_store(w), 0);
    while (ask_hash(w, &h, &make, n) == 0)
        n++;
    assert_in_range(n, 64, 1000);
    struct ask_port *port = sim_hash_port(w->store);
    for (uint64_t req = n / 2; req < n; req++)
        port->cancel(port, &h, req);
    port->cancel(port, &h, 999999);
    run(w, 3600 * NSEC_PER_S);
    assert_int_equal(h.answers, n);
    assert_int_equal(h.busy, n - n / 2);
    sim_store_close(w->store);
    world_close(w);
}

#define T(f) cmocka_unit_test(f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(losses_of_power_lose_nothing_acknowledged),
        T(a_disk_that_lies_about_syncing_is_found_out),
        T(a_store_that_does_not_wait_for_the_disk_is_found_out),
        T(a_store_that_answers_before_it_commits_is_found_out),
        T(a_disk_that_lies_does_lose_something),
        T(a_failing_disk_loses_nothing_acknowledged),
        T(after_the_storm_the_store_works_again),
        T(every_accepted_ask_gets_one_answer_whatever_goes_wrong),
        T(after_a_crash_nothing_is_answered),
        T(the_model_keeps_what_it_acknowledged),
        T(memory_that_runs_out_loses_nothing_acknowledged),
        T(a_seed_is_the_same_world_every_time),
        T(passwords_are_hashed_and_verified),
        T(the_hash_queue_is_bounded_and_can_be_left),
    };
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) == SQLITE_OK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
