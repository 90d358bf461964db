/* Hashing off the loop: answers, the queue's bounds in time and in entries, the end; and a login
 * with an imported record through hash and store as a game would do it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/config.h"
#include "os/clock.h"
#include "os/hash.h"
#include "os/password.h"
#include "store_kit.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SHA256_SECRET123 "{sha256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ="

struct fixture {
    struct kit kit; /* first: its store, too, in the last test */
    struct entropy entropy;
    struct hash *hash;
    const struct loop_ops *real_ops; /* while jobs are held back */
    size_t left, ok, busy, other;
};

/* Jobs that wait for the test to let them go: threads that are slow to come to them. */
static struct {
    struct loop_ops ops;
    struct loop_pool *pool;
    struct job *first, **last;
} held;

static void hold_back(struct loop_pool *pool, struct job *job)
{
    held.pool = pool;
    job->next = NULL;
    *held.last = job;
    held.last = &job->next;
}

static void hold_jobs(struct fixture *f)
{
    f->real_ops = f->kit.loop->ops;
    held.ops = *f->real_ops;
    held.ops.pool_submit = hold_back;
    held.first = NULL;
    held.last = &held.first;
    f->kit.loop->ops = &held.ops;
}

static void release_jobs(struct fixture *f)
{
    f->kit.loop->ops = f->real_ops;
    while (held.first) {
        struct job *job = held.first;
        held.first = job->next;
        f->real_ops->pool_submit(held.pool, job);
    }
}

static int start(struct fixture *f, unsigned cost, unsigned workers, uint32_t queue_max_s)
{
    struct hash_cfg cfg = {cost, workers, queue_max_s, &f->kit.log, &f->kit.metrics, &f->entropy};
    return hash_create(&f->hash, f->kit.loop, &cfg);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    kit_open(&f->kit);
    clock_entropy_init(&f->entropy);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    hash_destroy(f->hash);
    kit_close(&f->kit);
    entropy_fini(&f->entropy);
    free(f);
    return 0;
}

static int make(struct fixture *f, struct span password, struct password_record *ret)
{
    struct answer a = {0};
    struct ask ask = {ASK_HASH_MAKE, {.make = {password}}};
    int rc = kit_ask(&f->kit, hash_port(f->hash), &ask, &a);
    *ret = a.u.password;
    return rc;
}

static int verify(struct fixture *f, struct span password, const struct password_record *r,
                  bool *rehash)
{
    struct answer a = {0};
    struct ask ask = {ASK_HASH_VERIFY, {.verify = {password, r}}};
    int rc = kit_ask(&f->kit, hash_port(f->hash), &ask, &a);
    *rehash = a.u.rehash;
    return rc;
}

static void passwords_are_made_and_verified(void **state)
{
    struct fixture *f = *state;
    struct password_record r, again;
    bool rehash;
    assert_int_equal(start(f, 4, 2, 15), 0);
    assert_int_equal(make(f, SPAN_LIT("hunter2"), &r), 0);
    assert_int_equal(make(f, SPAN_LIT("hunter2"), &again), 0);
    assert_memory_not_equal(&r, &again, sizeof r); /* a salt each */
    assert_int_equal(verify(f, SPAN_LIT("hunter2"), &r, &rehash), 0);
    assert_false(rehash);
    assert_int_equal(verify(f, SPAN_LIT("hunter3"), &r, &rehash), E_AUTH);
    assert_int_equal(make(f, SPAN_LIT("a\0b"), &r), E_RANGE);
    r = kit_record("nonsense");
    assert_int_equal(verify(f, SPAN_LIT("hunter2"), &r, &rehash), E_FORMAT);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_jobs_total{result=\"done\"}"), 3);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_jobs_total{result=\"wrong\"}"), 1);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_jobs_total{result=\"failed\"}"), 2);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_queue"), 0);
    assert_int_equal(kit_logged(&f->kit, "hash.failed"), 1);
}

/* RFC 6238 appendix B, and what is no code. */
static void one_time_codes(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct span code;
        int rc;
    } rows[] = {
        {SPAN_LIT("287082"), 0},
        {SPAN_LIT("287083"), E_AUTH},
        {SPAN_LIT(""), E_AUTH},
        {SPAN_LIT("287082287082287082287082287082287082287082287082287082287082287082"), E_AUTH}};
    assert_int_equal(start(f, 4, 2, 15), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer a = {0};
        struct ask ask = {ASK_HASH_OTP,
                          {.otp = {SPAN_LIT("12345678901234567890"), rows[i].code, 59000}}};
        assert_int_equal(kit_ask(&f->kit, hash_port(f->hash), &ask, &a), rows[i].rc);
        if (rows[i].rc == 0)
            assert_int_equal(a.u.otp_step, 1);
    }
}

static void a_password_of_any_length_is_safe_to_ask_about(void **state)
{
    struct fixture *f = *state;
    /* SHA-256 of 1024 times "a". */
    struct password_record r = kit_record("{sha256}LtyYaEfiCbQBbhQabchxbTIHNQ9BaWk4LUMVOb8pLko=");
    static uint8_t password[PASSWORD_LEGACY_MAX + 1];
    bool rehash;
    memset(password, 'a', sizeof password);
    assert_int_equal(start(f, 4, 1, 15), 0);
    assert_int_equal(verify(f, span_of(password, PASSWORD_LEGACY_MAX), &r, &rehash), 0);
    assert_int_equal(verify(f, span_of(password, PASSWORD_LEGACY_MAX + 1), &r, &rehash), E_AUTH);
    assert_int_equal(make(f, span_of(password, PASSWORD_LEGACY_MAX + 1), &r), E_RANGE);
}

static void the_cost_changes_while_running(void **state)
{
    struct fixture *f = *state;
    struct password_record r;
    bool rehash;
    assert_int_equal(start(f, 4, 1, 15), 0);
    assert_int_equal(make(f, SPAN_LIT("x"), &r), 0);
    assert_int_equal(hash_set_cost(f->hash, 5), 0);
    assert_int_equal(verify(f, SPAN_LIT("x"), &r, &rehash), 0);
    assert_true(rehash);
    assert_int_equal(make(f, SPAN_LIT("x"), &r), 0);
    assert_int_equal(password_record_cost(&r), 5);
    assert_int_equal(hash_set_cost(f->hash, PASSWORD_COST_MIN - 1), E_RANGE);
    assert_int_equal(hash_set_cost(f->hash, PASSWORD_COST_MAX + 1), E_RANGE);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct fixture *f = ctx;
    (void)now;
    f->ok += a->rc == 0;
    f->busy += a->rc == E_BUSY;
    f->other += a->rc != 0 && a->rc != E_BUSY;
    if (--f->left == 0)
        uvloop_stop(f->kit.uv);
}

static int submit_make(struct fixture *f)
{
    char password[] = "hunter2";
    struct ask_port *port = hash_port(f->hash);
    struct ask ask = {ASK_HASH_MAKE, {.make = {span_str(password)}}};
    int rc = port->submit(port, &ask, (struct ask_owner){on_answer, f, 0});
    f->left += rc == 0;
    memset(password, '?', sizeof password); /* borrowed until submit returned, no longer */
    return rc;
}

static size_t submit_until_busy(struct fixture *f)
{
    size_t n = 0;
    while (submit_make(f) == 0 && n < 10000)
        n++;
    return n;
}

static void the_queue_is_bounded_by_expected_waiting_time(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, 10, 1, 1), 0);
    /* Before anything was measured a hash of cost 10 counts 52.2 ms: the 20th waits for 19 others.
     */
    assert_int_equal(submit_until_busy(f), 20);
    assert_int_equal(submit_make(f), E_BUSY);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_jobs_total{result=\"refused\"}"), 2);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_queue"), 20);
    assert_int_equal(kit_logged(&f->kit, "hash.busy"), 1);
    assert_true(kit_run_down(&f->kit, &f->left, 60));
    assert_int_equal(f->ok + f->busy, 20);
    assert_true(f->ok >= 1);
    assert_int_equal(kit_logged(&f->kit, "hash.relieved"), 1);
    assert_int_equal(submit_make(f), 0);
    assert_true(kit_run_down(&f->kit, &f->left, 60));
    assert_true(kit_metric(&f->kit, "slipgate_hash_seconds_total") < 60);
}

static void more_workers_take_more(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, 10, 2, 1), 0);
    assert_int_equal(submit_until_busy(f), 39);
    hash_set_queue_max(f->hash, 2);
    assert_true(submit_until_busy(f) > 30);
}

static void a_job_that_waited_too_long_is_not_hashed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, 4, 1, 1), 0);
    hold_jobs(f);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(submit_make(f), 0);
    const struct timespec longer = {
        1, 50000000}; /* than the limit: it is time itself that is tested */
    nanosleep(&longer, NULL);
    release_jobs(f);
    assert_true(kit_run_down(&f->kit, &f->left, 20));
    assert_int_equal(f->busy, 3);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_jobs_total{result=\"late\"}"), 3);
    assert_int_equal(submit_make(f), 0);
    assert_true(kit_run_down(&f->kit, &f->left, 20));
    assert_int_equal(f->ok, 1);
}

/* Clients that left make room for others at once, and their passwords are not hashed. */
static void cancelled_jobs_are_skipped(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, 10, 1, 1), 0);
    hold_jobs(f);
    assert_int_equal(submit_until_busy(f), 20);
    struct ask_port *port = hash_port(f->hash);
    port->cancel(port, f, 7); /* an ask that was never put */
    assert_int_equal(submit_make(f), E_BUSY);
    for (unsigned i = 0; i < 20; i++) /* req 0 each: the first not cancelled yet */
        port->cancel(port, f, 0);
    assert_int_equal(submit_make(f), 0);
    release_jobs(f);
    assert_true(kit_run_down(&f->kit, &f->left, 60));
    assert_int_equal(f->busy, 20);
    assert_int_equal(f->ok, 1);
    assert_int_equal(kit_metric(&f->kit, "slipgate_hash_jobs_total{result=\"cancelled\"}"), 20);
}

static void the_queue_is_bounded_in_entries(void **state)
{
    struct fixture *f = *state;
    struct password_record r = kit_record(SHA256_SECRET123);
    struct ask_port *port;
    struct ask ask = {ASK_HASH_VERIFY, {.verify = {SPAN_LIT("secret123"), &r}}};
    assert_int_equal(start(f, 4, 1, 600), 0);
    hold_jobs(f);
    port = hash_port(f->hash);
    for (f->left = 0; f->left < HASH_QUEUE_MAX; f->left++)
        assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_answer, f, 0}), 0);
    assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_answer, f, 0}), E_BUSY);
    release_jobs(f);
    assert_true(kit_run_down(&f->kit, &f->left, 60));
    assert_int_equal(f->ok, HASH_QUEUE_MAX);
}

static void the_end_answers_everybody_soon(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, 10, 1, 10), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(submit_make(f), 0);
    hash_destroy(f->hash);
    f->hash = NULL;
    assert_int_equal(f->left, 0);
    assert_int_equal(f->other, 0);
    assert_true(f->ok <= 2 && f->busy >= 98); /* what ran was let finish */
}

struct relay {
    struct fixture *f;
    struct password_record record;
    size_t answers, refused;
};

/* As a service would: an answer of the store leads to an ask to hash, and the other way round. */
static void ask_the_other(void *ctx, struct now now, const struct answer *a)
{
    struct relay *r = ctx;
    struct ask verify_ask = {ASK_HASH_VERIFY, {.verify = {SPAN_LIT("x"), &r->record}}};
    struct ask find_ask = {ASK_ACCOUNT_FIND, {.find = {SPAN_LIT("x"), false}}};
    bool from_store = a->kind == ASK_ACCOUNT_FIND;
    struct ask_port *to = from_store ? hash_port(r->f->hash) : store_port(r->f->kit.store);
    (void)now;
    r->answers++;
    if (to->submit(to, from_store ? &verify_ask : &find_ask,
                   (struct ask_owner){ask_the_other, r, 0}))
        r->refused++;
}

static void closed_ports_refuse_what_the_last_answers_lead_to(void **state)
{
    struct fixture *f = *state;
    struct relay r = {f, kit_record(SHA256_SECRET123), 0, 0};
    struct now now = {1, 1};
    struct answer from_store = {.kind = ASK_ACCOUNT_FIND}, from_hash = {.kind = ASK_HASH_VERIFY};
    assert_int_equal(kit_start(&f->kit), 0);
    assert_int_equal(start(f, 4, 1, 15), 0);
    for (unsigned i = 0; i < 8; i++) {
        ask_the_other(&r, now, &from_store);
        ask_the_other(&r, now, &from_hash);
    }
    hash_close(f->hash);
    store_close(f->kit.store);
    assert_int_equal(r.refused, 16); /* each of the 16 chains ends at a closed port */
    assert_false(store_ready(f->kit.store));
    hash_close(f->hash);
    store_close(f->kit.store);
    struct ask_port *port = hash_port(f->hash);
    struct ask ask = {ASK_HASH_MAKE, {.make = {SPAN_LIT("x")}}};
    assert_int_equal(port->submit(port, &ask, (struct ask_owner){on_answer, f, 0}), E_BUSY);
}

static void wrong_settings_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(start(f, 3, 1, 15), E_RANGE);
    assert_int_equal(start(f, 17, 1, 15), E_RANGE);
    assert_int_equal(start(f, 12, HASH_WORKERS_MAX + 1, 15), E_RANGE);
    assert_int_equal(start(f, 12, 0, 15), 0);
    struct config *c;
    struct config_table table = {hash_config, ARRAY_LEN(hash_config)};
    assert_int_equal(config_create(&c, &table, 1), 0);
    assert_int_equal(config_int(c, "accounts.password_cost"), 12);
    assert_int_equal(config_int(c, "accounts.hash_workers"), 0);
    assert_int_equal(config_int(c, "accounts.queue_max_s"), 15);
    config_destroy(c);
}

static void insert_imported(struct kit *k)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                     " VALUES ('Old', 'old', '" SHA256_SECRET123 "', 1, 1)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
}

static void an_imported_account_logs_in_and_is_rehashed(void **state)
{
    struct fixture *f = *state;
    struct kit *k = &f->kit;
    struct account a;
    struct password_record made;
    struct answer answer;
    bool rehash;
    assert_int_equal(kit_start(k), 0);
    assert_int_equal(start(f, 4, 1, 15), 0);
    insert_imported(k);
    assert_int_equal(kit_find(k, "Old", false, &a), 0);
    assert_int_equal(verify(f, SPAN_LIT("secret124"), &a.password, &rehash), E_AUTH);
    assert_int_equal(verify(f, SPAN_LIT("secret123"), &a.password, &rehash), 0);
    assert_true(rehash);
    assert_int_equal(make(f, SPAN_LIT("secret123"), &made), 0);
    struct ask set = {ASK_ACCOUNT_SET_PASSWORD, {.set_password = {a.id, &a.password, &made, 1}}};
    assert_int_equal(kit_ask(k, store_port(k->store), &set, &answer), 0);
    assert_int_equal(kit_find(k, "Old", false, &a), 0);
    assert_memory_equal(a.password.text, "$2b$04$", 7);
    assert_int_equal(verify(f, SPAN_LIT("secret123"), &a.password, &rehash), 0);
    assert_false(rehash);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(passwords_are_made_and_verified),
        T(one_time_codes),
        T(a_password_of_any_length_is_safe_to_ask_about),
        T(the_cost_changes_while_running),
        T(the_queue_is_bounded_by_expected_waiting_time),
        T(more_workers_take_more),
        T(a_job_that_waited_too_long_is_not_hashed),
        T(cancelled_jobs_are_skipped),
        T(the_queue_is_bounded_in_entries),
        T(the_end_answers_everybody_soon),
        T(closed_ports_refuse_what_the_last_answers_lead_to),
        T(wrong_settings_are_refused),
        T(an_imported_account_logs_in_and_is_rehashed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
