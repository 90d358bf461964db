/* Login: every edge of its state diagram, faults at each step, cancelling in each state, the
 * growing delay, ceilings, and what becomes of passwords in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "core/login.h"
#include "sim/alloc_fault.h"
#include "sim/host_fake.h"

/* A service that does nothing but log in. */
struct service {
    struct host *host;
    struct logins *logins;
    struct login_result results[64];
    unsigned results_n;
};

static void take(struct service *s, const struct login_result *r)
{
    assert_true(s->results_n < ARRAY_LEN(s->results));
    s->results[s->results_n++] = *r;
}

static int create(struct service **ret, struct host *host, const struct config *c, struct now now)
{
    (void)c;
    (void)now;
    struct service *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    s->host = host;
    int rc = logins_create(&s->logins, host, 8);
    if (rc) {
        mem_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

static void destroy(struct service *s)
{
    logins_destroy(s->logins);
    mem_free(s);
}

static void on_answer(struct service *s, struct now now, const struct answer *a)
{
    struct login_result r;
    if (login_answer(s->logins, now, a, &r))
        take(s, &r);
}

static nsec on_time(struct service *s, struct now now)
{
    struct login_result r;
    while (login_due(s->logins, now, &r))
        take(s, &r);
    return login_deadline(s->logins);
}

static size_t listeners(const struct config *c, struct listener_spec *ret, size_t cap)
{
    (void)c;
    assert_true(cap > 0);
    *ret = (struct listener_spec){.kind = LISTEN_TLS, .in_max = 1, .out_max = 1};
    return 1;
}

static const struct config_row config_rows[] = {
    {"test.port", CONFIG_INT, "1", 0, 1, NULL, CONFIG_LIVE, "Nothing."}};
static const struct metric_row metric_rows[] = {{"test", "", METRIC_GAUGE, "Nothing."}};

static const struct service_ops ops = {
    .name = "test",
    .config = {config_rows, ARRAY_LEN(config_rows)},
    .metrics = metric_rows,
    .metrics_n = ARRAY_LEN(metric_rows),
    .listeners = listeners,
    .create = create,
    .destroy = destroy,
    .on_answer = on_answer,
    .on_time = on_time,
};

struct fixture {
    struct fake *f;
    struct service *s;
    struct login_policy policy;
};

static const char *peer_ip;

static int setup(void **state)
{
    peer_ip = "203.0.113.1";
    struct fixture *x = alloc_own(sizeof *x);
    const struct fake_cfg cfg = {.ops = &ops, .seed = 5};
    x->f = fake_create(&cfg, NULL);
    assert_non_null(x->f);
    x->s = x->f->svc;
    x->policy = (struct login_policy){.auto_register = true, .password_min = 1};
    logins_set_policy(x->s->logins, &x->policy);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    fake_destroy(x->f);
    alloc_own_free(x);
    assert_int_equal(alloc_live_blocks(), 0);
    return 0;
}

static int start_n(struct fixture *x, struct span name, struct span password, uint64_t owner,
                   struct login_ref *ref)
{
    struct login_request q = {.name = name, .password = password, .owner = owner};
    assert_int_equal(addr_parse(&q.peer, peer_ip), 0);
    x->f->in_call = true;
    int rc = login_start(x->s->logins, x->f->now, &q, ref);
    x->f->in_call = false;
    return rc;
}

static int start(struct fixture *x, const char *name, const char *password, struct login_ref *ref)
{
    return start_n(x, span_str(name), span_str(password), 77, ref);
}

static void cancel(struct fixture *x, struct login_ref ref)
{
    x->f->in_call = true;
    login_cancel(x->s->logins, ref);
    x->f->in_call = false;
}

/* Time for whatever is pending to be answered, without reaching any delay. */
static void run(struct fixture *x)
{
    fake_advance(x->f, 0);
    fake_answer_all(x->f);
}

static struct login_result only_result(struct fixture *x)
{
    assert_int_equal(x->s->results_n, 1);
    assert_int_equal(logins_live(x->s->logins), 0);
    x->s->results_n = 0;
    return x->s->results[0];
}

static struct login_result login_n(struct fixture *x, struct span name, struct span password)
{
    struct login_ref ref;
    assert_int_equal(start_n(x, name, password, 77, &ref), 0);
    run(x);
    struct login_result r = only_result(x);
    assert_int_equal(r.owner, 77);
    return r;
}

static enum login_outcome login(struct fixture *x, const char *name, const char *password)
{
    return login_n(x, span_str(name), span_str(password)).outcome;
}

static const struct ask_fake_account *account(struct fixture *x, const char *name)
{
    return ask_fake_find(&x->f->asks, span_str(name), false);
}

/* ---- outcomes ---- */

static void first_use_registers(void **state)
{
    struct fixture *x = *state;
    x->policy.password_min = 3;
    logins_set_policy(x->s->logins, &x->policy);
    struct login_result r = login_n(x, span_str("alice"), span_str("secret"));
    assert_int_equal(r.outcome, LOGIN_CREATED);
    assert_int_equal(r.account, 1);
    assert_int_equal(r.name_n, 5);
    assert_memory_equal(r.name, "alice", 5);
    assert_int_equal(account(x, "alice")->account.password_min, 3);
    assert_int_equal(account(x, "alice")->created_ms, x->f->now.unix_ms);
    assert_int_equal(account(x, "alice")->touches, 1);
    assert_int_equal(login(x, "alice", "secret"), LOGIN_OK);
    assert_int_equal(account(x, "alice")->touches, 2);
    assert_int_equal(account(x, "alice")->touched_ms, x->f->now.unix_ms);
    assert_int_equal(login(x, "alice", "wrong"), LOGIN_WRONG);
    assert_int_equal(account(x, "alice")->touches, 2);
    assert_int_equal(login(x, "Alice", "other"), LOGIN_CREATED); /* another name */
}

static void a_known_name(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    struct login_result r = login_n(x, span_str("bob"), span_str("pw"));
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_int_equal(r.account, 1);
    assert_int_equal(login(x, "bob", "pw2"), LOGIN_WRONG);
    assert_int_equal(login(x, "bob", ""), LOGIN_WRONG);
    assert_int_equal(x->f->asks.accounts_n, 1);
}

static void letter_case_by_policy(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "Bob", "pw", 1, false);
    x->policy.fold_names = true;
    logins_set_policy(x->s->logins, &x->policy);
    struct login_result r = login_n(x, span_str("bOB"), span_str("pw"));
    assert_int_equal(r.outcome, LOGIN_OK);
    assert_memory_equal(r.name, "Bob", 3); /* as registered */
    assert_int_equal(login(x, "BOB", "no"), LOGIN_WRONG);
}

static void names_and_passwords_at_their_limits(void **state)
{
    struct fixture *x = *state;
    char name[ACCOUNT_NAME_MAX], password[PASSWORD_LEGACY_MAX];
    memset(name, 'n', sizeof name);
    memset(password, 'p', sizeof password);
    struct span n = span_of(name, sizeof name);
    assert_int_equal(login_n(x, n, span_of(password, PASSWORD_MAX + 1)).outcome,
                     LOGIN_PASSWORD_UNUSABLE);
    assert_int_equal(login_n(x, n, span_of(password, sizeof password)).outcome,
                     LOGIN_PASSWORD_UNUSABLE);
    assert_int_equal(login_n(x, n, SPAN_LIT("a\0b")).outcome, LOGIN_PASSWORD_UNUSABLE);
    assert_int_equal(x->f->asks.asked[ASK_HASH_MAKE], 0);
    struct login_result r = login_n(x, n, span_of(password, PASSWORD_MAX));
    assert_int_equal(r.outcome, LOGIN_CREATED);
    assert_int_equal(r.name_n, sizeof name);
    assert_memory_equal(r.name, name, sizeof name);
    assert_int_equal(login_n(x, n, span_of(password, PASSWORD_MAX)).outcome, LOGIN_OK);
    assert_int_equal(login_n(x, n, span_of(password, PASSWORD_MAX + 1)).outcome, LOGIN_WRONG);
}

static void short_passwords(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "old", "abc", 1, false);
    ask_fake_account(&x->f->asks, "imported", "abc", 1, true);
    x->policy.password_min = 4;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "new", "abc"), LOGIN_PASSWORD_SHORT);
    assert_null(account(x, "new"));
    x->policy.password_min = 0;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "new", ""), LOGIN_PASSWORD_SHORT); /* no account without any */
    assert_null(account(x, "new"));
    x->policy.password_min = 4;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "new", "abcd"), LOGIN_CREATED);
    /* Accepted elsewhere under a lower minimum: told only to who knows it. */
    assert_int_equal(login(x, "old", "abc"), LOGIN_PASSWORD_SHORT);
    assert_int_equal(login(x, "imported", "abc"), LOGIN_PASSWORD_SHORT);
    assert_int_equal(login(x, "old", "abd"), LOGIN_WRONG);
    assert_int_equal(x->f->asks.asked[ASK_ACCOUNT_SET_PASSWORD], 0);
}

static void old_records_are_replaced(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "carol", "pw", 2, true);
    x->policy.password_min = 1;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "carol", "no"), LOGIN_WRONG);
    assert_int_equal(x->f->asks.asked[ASK_HASH_MAKE], 0);
    assert_int_equal(login(x, "carol", "pw"), LOGIN_OK);
    assert_int_equal(x->f->asks.asked[ASK_ACCOUNT_SET_PASSWORD], 1);
    /* It is the same password: what it was accepted under stays as it was. */
    assert_int_equal(account(x, "carol")->account.password_min, 2);
    assert_int_equal(login(x, "carol", "pw"), LOGIN_OK);
    assert_int_equal(x->f->asks.asked[ASK_ACCOUNT_SET_PASSWORD], 1);
}

static void an_old_record_of_a_long_password_stays(void **state)
{
    struct fixture *x = *state;
    char password[101];
    memset(password, 'p', 100);
    password[100] = '\0';
    ask_fake_account(&x->f->asks, "carol", password, 1, true);
    assert_int_equal(login(x, "carol", password), LOGIN_OK);
    assert_int_equal(login(x, "carol", password), LOGIN_OK);
    assert_int_equal(x->f->asks.asked[ASK_HASH_MAKE], 0);
}

static void where_nothing_is_registered(void **state)
{
    struct fixture *x = *state;
    char long_password[200];
    memset(long_password, 'p', sizeof long_password);
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    x->policy.auto_register = false;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "bob", "pw"), LOGIN_OK);
    assert_int_equal(login(x, "bob", "no"), LOGIN_WRONG);
    /* An unknown name costs one hash too, whatever the password looks like. */
    peer_ip = "203.0.113.2";
    assert_int_equal(login(x, "eve", "pw"), LOGIN_WRONG);
    assert_int_equal(login(x, "eve", ""), LOGIN_WRONG);
    assert_int_equal(login_n(x, SPAN_LIT("eve"), SPAN_LIT("\0")).outcome, LOGIN_WRONG);
    assert_int_equal(
        login_n(x, SPAN_LIT("eve"), span_of(long_password, sizeof long_password)).outcome,
        LOGIN_WRONG);
    assert_int_equal(x->f->asks.asked[ASK_HASH_MAKE], 4);
    assert_int_equal(x->f->asks.accounts_n, 1);
}

/* ---- faults ---- */

enum who { NEW, KNOWN, IMPORTED, UNKNOWN };

static void each_step_may_fail(void **state)
{
    struct fixture *x = *state;
    static const struct {
        enum who who;
        enum ask_kind kind;
        enum ask_fault fault;
        enum login_outcome outcome;
    } rows[] = {
        {NEW, ASK_ACCOUNT_FIND, ASK_FAILED, LOGIN_BUSY},
        {NEW, ASK_ACCOUNT_FIND, ASK_BUSY, LOGIN_BUSY},
        {NEW, ASK_HASH_MAKE, ASK_REFUSED, LOGIN_BUSY},
        {NEW, ASK_HASH_MAKE, ASK_FAILED, LOGIN_BUSY},
        {NEW, ASK_HASH_MAKE, ASK_BUSY, LOGIN_BUSY},
        {NEW, ASK_ACCOUNT_CREATE, ASK_REFUSED, LOGIN_BUSY},
        {NEW, ASK_ACCOUNT_CREATE, ASK_FAILED, LOGIN_BUSY},
        {NEW, ASK_ACCOUNT_CREATE, ASK_BUSY, LOGIN_BUSY},
        {NEW, ASK_ACCOUNT_CREATE, ASK_LOST, LOGIN_BUSY},
        {KNOWN, ASK_ACCOUNT_FIND, ASK_FAILED, LOGIN_BUSY},
        {KNOWN, ASK_HASH_VERIFY, ASK_REFUSED, LOGIN_BUSY},
        {KNOWN, ASK_HASH_VERIFY, ASK_FAILED, LOGIN_BUSY},
        {KNOWN, ASK_HASH_VERIFY, ASK_BUSY, LOGIN_BUSY},
        {KNOWN, ASK_ACCOUNT_TOUCH, ASK_REFUSED, LOGIN_OK},
        {KNOWN, ASK_ACCOUNT_TOUCH, ASK_FAILED, LOGIN_OK},
        {KNOWN, ASK_ACCOUNT_TOUCH, ASK_LOST, LOGIN_OK},
        {IMPORTED, ASK_HASH_MAKE, ASK_REFUSED, LOGIN_OK},
        {IMPORTED, ASK_HASH_MAKE, ASK_FAILED, LOGIN_OK},
        {IMPORTED, ASK_ACCOUNT_SET_PASSWORD, ASK_REFUSED, LOGIN_OK},
        {IMPORTED, ASK_ACCOUNT_SET_PASSWORD, ASK_FAILED, LOGIN_OK},
        {IMPORTED, ASK_ACCOUNT_SET_PASSWORD, ASK_LOST, LOGIN_OK},
        {UNKNOWN, ASK_HASH_MAKE, ASK_REFUSED, LOGIN_BUSY},
        {UNKNOWN, ASK_HASH_MAKE, ASK_FAILED, LOGIN_BUSY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        x->f->asks.accounts_n = 0;
        if (rows[i].who == KNOWN || rows[i].who == IMPORTED)
            ask_fake_account(&x->f->asks, "name", "pw", 1, rows[i].who == IMPORTED);
        x->policy.auto_register = rows[i].who != UNKNOWN;
        logins_set_policy(x->s->logins, &x->policy);
        ask_fake_fault(&x->f->asks, rows[i].kind, rows[i].fault, 1);
        enum login_outcome got = login(x, "name", "pw");
        if (got != rows[i].outcome)
            fail_msg("row %zu: outcome %d", i, got);
        assert_int_equal(x->f->asks.fault_times[rows[i].kind], 0);
        if (rows[i].who == UNKNOWN)
            continue;
        /* Trying again works, also when the registration was done and only reported failed. */
        got = login(x, "name", "pw");
        assert_true(got == LOGIN_OK || (got == LOGIN_CREATED && rows[i].who == NEW));
        assert_true(got == LOGIN_OK || rows[i].fault != ASK_LOST);
    }
}

static void a_refused_start_leaves_nothing(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    ask_fake_fault(&x->f->asks, ASK_ACCOUNT_FIND, ASK_REFUSED, 1);
    assert_int_equal(start(x, "a", "b", &ref), E_BUSY);
    assert_int_equal(logins_live(x->s->logins), 0);
    assert_int_equal(login(x, "a", "b"), LOGIN_CREATED);
}

static void a_store_that_names_somebody_else_is_not_believed(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, "abc", "pw", &ref), 0);
    struct answer a;
    ask_fake_take(&x->f->asks, x->f->now, 0, &a);
    a.rc = 0;
    a.u.account = (struct account){.id = 9, .name_n = 200};
    struct login_result r;
    x->f->in_call = true;
    assert_true(login_answer(x->s->logins, x->f->now, &a, &r));
    x->f->in_call = false;
    assert_int_equal(r.outcome, LOGIN_BUSY);
}

/* ---- two at once ---- */

static void two_register_one_name(void **state)
{
    struct fixture *x = *state;
    static const struct {
        const char *second;
        enum login_outcome outcome;
    } rows[] = {{"pw", LOGIN_OK}, {"other", LOGIN_WRONG}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct login_ref a, b;
        x->f->asks.accounts_n = 0;
        x->f->asks.delay = NSEC_NEVER;
        assert_int_equal(start_n(x, SPAN_LIT("n"), SPAN_LIT("pw"), 1, &a), 0);
        assert_int_equal(start_n(x, SPAN_LIT("n"), span_str(rows[i].second), 2, &b), 0);
        fake_answer_all(x->f);
        assert_int_equal(x->s->results_n, 2);
        assert_int_equal(x->s->results[0].owner, 1);
        assert_int_equal(x->s->results[0].outcome, LOGIN_CREATED);
        assert_int_equal(x->s->results[1].owner, 2);
        assert_int_equal(x->s->results[1].outcome, rows[i].outcome);
        x->s->results_n = 0;
    }
}

/* A store whose FIND and CREATE never agree must not keep a login going round for ever. */
static void taken_but_not_found(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, "n", "pw", &ref), 0);
    unsigned answers = 0;
    while (x->f->asks.pending_n && answers < 20) {
        struct answer a;
        struct login_result r;
        ask_fake_take(&x->f->asks, x->f->now, 0, &a);
        if (a.kind == ASK_ACCOUNT_CREATE)
            a.rc = E_EXISTS;
        if (a.kind == ASK_ACCOUNT_FIND)
            a.rc = E_NOENT;
        x->f->in_call = true;
        if (login_answer(x->s->logins, x->f->now, &a, &r))
            assert_int_equal(r.outcome, LOGIN_BUSY);
        x->f->in_call = false;
        answers++;
    }
    assert_int_equal(answers, 6);
    assert_int_equal(logins_live(x->s->logins), 0);
}

static void answers_to_others_are_ignored(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    struct login_result r;
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, "n", "pw", &ref), 0);
    static const uint64_t reqs[] = {0, 5, UINT64_MAX, UINT64_C(1) << 32 | 1, UINT64_C(2) << 32};
    for (size_t i = 0; i < ARRAY_LEN(reqs); i++) {
        struct answer a = {.req = reqs[i], .kind = ASK_ACCOUNT_TOUCH};
        assert_false(login_answer(x->s->logins, x->f->now, &a, &r));
    }
    fake_answer_all(x->f);
    assert_int_equal(only_result(x).outcome, LOGIN_CREATED);
}

/* ---- cancelling ---- */

static void cancelling_after_each_answer(void **state)
{
    struct fixture *x = *state;
    static const struct {
        enum who who;
        unsigned answers; /* that a whole login takes */
    } rows[] = {{NEW, 3}, {KNOWN, 2}, {IMPORTED, 4}, {UNKNOWN, 2}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned before = 0; before < rows[i].answers; before++) {
            struct login_ref ref;
            x->f->asks.accounts_n = 0;
            x->f->asks.delay = 0;
            if (rows[i].who == KNOWN || rows[i].who == IMPORTED)
                ask_fake_account(&x->f->asks, "n", "pw", 1, rows[i].who == IMPORTED);
            x->policy.auto_register = rows[i].who != UNKNOWN;
            logins_set_policy(x->s->logins, &x->policy);
            x->f->asks.delay = NSEC_NEVER;
            assert_int_equal(start(x, "n", "pw", &ref), 0);
            for (unsigned k = 0; k < before; k++)
                assert_true(fake_answer(x->f));
            assert_int_equal(x->s->results_n, 0);
            uint64_t cancelled = x->f->asks.cancelled;
            long blocks = alloc_live_blocks();
            bool holds = before < 3; /* a password to be wiped now; when replacing it is gone */
            cancel(x, ref);
            assert_int_equal(alloc_live_blocks(), blocks - holds);
            assert_int_equal(x->f->asks.cancelled, cancelled + 1); /* the host may skip the work */
            cancel(x, ref);                                        /* twice is fine */
            assert_int_equal(logins_live(x->s->logins), 1);        /* the answer is still owed */
            fake_answer_all(x->f);
            assert_int_equal(x->s->results_n, 0);
            assert_int_equal(logins_live(x->s->logins), 0);
            cancel(x, ref);         /* stale is fine */
            if (rows[i].who == NEW) /* nothing that was not asked for yet is asked for any more */
                assert_int_equal(x->f->asks.accounts_n, before == 2);
        }
}

static void a_cancelled_slot_is_not_mistaken(void **state)
{
    struct fixture *x = *state;
    struct login_ref a, b;
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, "one", "pw", &a), 0);
    cancel(x, a);
    assert_int_equal(start(x, "two", "pw", &b), 0);
    assert_false(ref_eq(a.r, b.r));
    fake_answer_all(x->f);
    struct login_result r = only_result(x);
    assert_memory_equal(r.name, "two", 3);
}

/* An account that is banned, suspended or changed while a login of it goes on, at any step: what
 * was found before is not gone by. Others, and logins from then on, are not concerned. */
static void an_account_that_changes_meanwhile(void **state)
{
    struct fixture *x = *state;
    for (unsigned before = 0; before < 4; before++)
        for (int64_t other = 0; other < 2; other++) {
            struct login_ref ref;
            x->f->asks.accounts_n = 0;
            x->f->asks.delay = 0;
            struct ask_fake_account *a = ask_fake_account(&x->f->asks, "n", "pw", 1, true);
            int64_t id = a->account.id;
            x->f->asks.delay = NSEC_NEVER;
            assert_int_equal(start(x, "n", "pw", &ref), 0);
            for (unsigned k = 0; k < before; k++)
                assert_true(fake_answer(x->f));
            assert_int_equal(x->s->results_n, 0);
            logins_overtake(x->s->logins, id + other);
            fake_answer_all(x->f);
            assert_int_equal(only_result(x).outcome, other ? LOGIN_OK : LOGIN_BUSY);
            x->f->asks.delay = 0;
            assert_int_equal(login(x, "n", "pw"), LOGIN_OK);
        }
    /* One that is just being registered is known by its number before its login is over. */
    struct login_ref ref;
    x->f->asks.accounts_n = 0;
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, "new", "pw", &ref), 0);
    assert_true(fake_answer(x->f));
    assert_true(fake_answer(x->f));
    logins_overtake(x->s->logins, 1);
    fake_answer_all(x->f);
    assert_int_equal(only_result(x).outcome, LOGIN_BUSY);
    assert_int_equal(x->f->asks.accounts_n, 1);
    /* Two of them while the name is looked up: which of them it is cannot be told. */
    assert_int_equal(start(x, "new", "pw", &ref), 0);
    logins_overtake(x->s->logins, 7);
    logins_overtake(x->s->logins, 8);
    fake_answer_all(x->f);
    assert_int_equal(only_result(x).outcome, LOGIN_BUSY);
}

static void destroying_with_logins_pending(void **state)
{
    struct fixture *x = *state;
    struct logins *l;
    struct login_ref ref;
    struct login_request q = {.name = SPAN_LIT("n"), .password = SPAN_LIT("password")};
    x->f->in_call = true;
    assert_int_equal(logins_create(&l, &x->f->host, 4), 0);
    logins_set_policy(l, &x->policy);
    assert_int_equal(login_start(l, x->f->now, &q, &ref), 0);
    x->f->in_call = false;
    alloc_secret("password", 8);
    logins_destroy(l);
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
    logins_destroy(NULL);
    fake_answer_all(x->f); /* to a stale handle of somebody else: ignored */
    assert_int_equal(x->s->results_n, 0);
}

/* ---- the growing delay ---- */

static void guess_wrong(struct fixture *x, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct login_ref ref;
        assert_int_equal(start(x, "bob", "no", &ref), 0);
        fake_advance(x->f, 8 * NSEC_PER_S);
        assert_int_equal(only_result(x).outcome, LOGIN_WRONG);
    }
}

/* How long the next login waits before anything is asked. */
static nsec delay_of_next(struct fixture *x)
{
    struct login_ref ref;
    nsec from = x->f->now.mono;
    uint64_t asked = x->f->asks.asked[ASK_ACCOUNT_FIND];
    assert_int_equal(start(x, "bob", "pw", &ref), 0);
    while (x->f->asks.asked[ASK_ACCOUNT_FIND] == asked) {
        assert_true(x->f->now.mono - from <= 20 * NSEC_PER_S);
        fake_advance(x->f, 10 * NSEC_PER_MS);
    }
    run(x);
    assert_int_equal(only_result(x).outcome, LOGIN_OK);
    return x->f->now.mono - from;
}

static void guessing_gets_slower(void **state)
{
    struct fixture *x = *state;
    static const unsigned ms[] = {0,    0,    0,    0,    500,  1000, 2000,
                                  4000, 8000, 8000, 8000, 8000, 8000, 8000};
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    for (unsigned n = 0; n < ARRAY_LEN(ms); n++) {
        assert_int_equal(delay_of_next(x) / NSEC_PER_MS, ms[n]);
        guess_wrong(x, 1);
    }
    peer_ip = "203.0.113.9"; /* other addresses are not concerned */
    assert_int_equal(delay_of_next(x), 0);
    peer_ip = "203.0.113.1";
    fake_advance(x->f, 600 * NSEC_PER_S - 8 * NSEC_PER_S);
    assert_int_equal(delay_of_next(x) / NSEC_PER_MS, 8000);
    fake_advance(x->f, 10 * NSEC_PER_S);
    assert_int_equal(delay_of_next(x), 0); /* forgotten after ten quiet minutes */
}

static void unknown_names_count_as_guesses_where_nothing_is_registered(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    x->policy.auto_register = false;
    logins_set_policy(x->s->logins, &x->policy);
    for (int i = 0; i < 4; i++)
        assert_int_equal(login(x, "who", "pw"), LOGIN_WRONG);
    assert_int_equal(delay_of_next(x) / NSEC_PER_MS, 500);
}

static void neighbours_in_a_64_are_one(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    peer_ip = "2001:db8::1";
    guess_wrong(x, 4);
    peer_ip = "2001:db8::ffff:0:1";
    assert_int_equal(delay_of_next(x) / NSEC_PER_MS, 500);
    peer_ip = "2001:db8:0:1::1";
    assert_int_equal(delay_of_next(x), 0);
}

static void the_spared_are_not_slowed_down(void **state)
{
    struct fixture *x = *state;
    struct buf why;
    buf_init(&why, 100);
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    assert_int_equal(exempt_parse(&x->policy.exempt, "203.0.113.0/24", &why), 0);
    logins_set_policy(x->s->logins, &x->policy);
    guess_wrong(x, 20);
    assert_int_equal(delay_of_next(x), 0);
    buf_fini(&why);
}

static void busy_and_refused_are_no_guesses(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    for (int i = 0; i < 10; i++) {
        ask_fake_fault(&x->f->asks, ASK_HASH_VERIFY, ASK_FAILED, 1);
        assert_int_equal(login(x, "bob", "no"), LOGIN_BUSY);
        assert_int_equal(login(x, "bob", "pw"), LOGIN_OK);
    }
    assert_int_equal(delay_of_next(x), 0);
}

static void a_delayed_login_can_be_cancelled_or_refused(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref;
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    guess_wrong(x, 5);
    assert_int_equal(start(x, "bob", "pw", &ref), 0);
    assert_true(login_deadline(x->s->logins) == x->f->now.mono + NSEC_PER_S);
    cancel(x, ref);
    assert_int_equal(logins_live(x->s->logins), 0);
    assert_true(login_deadline(x->s->logins) == NSEC_NEVER);
    fake_advance(x->f, 10 * NSEC_PER_S);
    assert_int_equal(x->s->results_n, 0);
    assert_int_equal(start(x, "bob", "pw", &ref), 0);
    assert_int_equal(start(x, "bob", "pw", &ref), 0);
    ask_fake_fault(&x->f->asks, ASK_ACCOUNT_FIND, ASK_REFUSED, 1);
    fake_advance(x->f, NSEC_PER_S);
    assert_int_equal(x->s->results_n, 2); /* one refused, the other goes on */
    assert_int_equal(x->s->results[0].outcome, LOGIN_BUSY);
    assert_int_equal(x->s->results[1].outcome, LOGIN_OK);
    x->s->results_n = 0;
}

static void more_guessers_than_can_be_remembered(void **state)
{
    struct fixture *x = *state;
    ask_fake_account(&x->f->asks, "bob", "pw", 1, false);
    for (unsigned i = 0; i < 65536 + 100; i++) {
        struct login_ref ref;
        struct login_request q = {.name = SPAN_LIT("bob"), .password = SPAN_LIT("no")};
        uint8_t ip[4] = {50, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        q.peer = addr_v4(ip, 1);
        x->f->in_call = true;
        assert_int_equal(login_start(x->s->logins, x->f->now, &q, &ref), 0);
        x->f->in_call = false;
        run(x);
        x->s->results_n = 0;
    }
    /* The table is full of recent ones: the oldest goes for a newcomer, who is counted. */
    peer_ip = "60.1.1.1";
    guess_wrong(x, 5);
    assert_int_equal(delay_of_next(x) / NSEC_PER_MS, 1000);
    fake_advance(x->f, 601 * NSEC_PER_S);
    guess_wrong(x, 4);
    assert_int_equal(delay_of_next(x) / NSEC_PER_MS, 500);
}

/* Four of one address are at work, the others wait however long it takes, and go on as places come
 * free; a cancelled one keeps its place until its answer has come. */
static void turns_of_one_address(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref[7], other;
    x->f->asks.delay = NSEC_NEVER;
    for (uint64_t i = 0; i < 7; i++)
        assert_int_equal(start_n(x, SPAN_LIT("n"), SPAN_LIT("pw"), i, &ref[i]), 0);
    peer_ip = "198.51.100.1"; /* others are not concerned */
    assert_int_equal(start_n(x, SPAN_LIT("m"), SPAN_LIT("pw"), 9, &other), 0);
    assert_int_equal(x->f->asks.pending_n, 5);
    fake_advance(x->f, 10 * NSEC_PER_S);
    assert_int_equal(x->f->asks.pending_n, 5);
    cancel(x, ref[0]);
    cancel(x, ref[5]); /* waits: leaves at once */
    fake_advance(x->f, NSEC_PER_S);
    assert_int_equal(x->f->asks.pending_n, 5);
    assert_true(fake_answer(x->f)); /* the cancelled one's */
    assert_int_equal(x->f->asks.pending_n, 4);
    fake_advance(x->f, 100 * NSEC_PER_MS);
    assert_int_equal(x->f->asks.pending_n, 5);
    x->f->asks.delay = 0;
    fake_answer_all(x->f);
    fake_advance(x->f, 100 * NSEC_PER_MS);
    assert_int_equal(x->s->results_n, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_true(x->s->results[i].outcome == LOGIN_OK ||
                    x->s->results[i].outcome == LOGIN_CREATED);
    assert_int_equal(logins_live(x->s->logins), 0);
    x->s->results_n = 0;
}

/* ---- ceilings and memory ---- */

static void the_number_in_progress_is_limited(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref[8], extra;
    x->f->asks.delay = NSEC_NEVER;
    for (size_t i = 0; i < 8; i++) {
        peer_ip = i < 4 ? "60.2.1.1" : "60.2.1.2";
        assert_int_equal(start_n(x, SPAN_LIT("n"), SPAN_LIT("pw"), i, &ref[i]), 0);
    }
    assert_int_equal(start(x, "n", "pw", &extra), E_BUSY);
    assert_int_equal(logins_live(x->s->logins), 8);
    cancel(x, ref[3]); /* holds its place until the answer has come */
    assert_int_equal(start(x, "n", "pw", &extra), E_BUSY);
    fake_answer_all(x->f);
    assert_int_equal(logins_live(x->s->logins), 0);
    assert_int_equal(x->s->results_n, 7);
    x->s->results_n = 0;
    assert_int_equal(start(x, "n", "pw", &extra), 0);
    fake_answer_all(x->f);
    assert_int_equal(only_result(x).outcome, LOGIN_OK);
}

/* Four of one address are worked on; the fifth waits its turn, and other addresses do not wait. */
static void an_address_has_few_at_work(void **state)
{
    struct fixture *x = *state;
    struct login_ref ref[7];
    peer_ip = "60.3.1.1";
    x->f->asks.delay = NSEC_NEVER;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(start_n(x, SPAN_LIT("n"), SPAN_LIT("pw"), i, &ref[i]), 0);
    peer_ip = "60.3.1.2";
    assert_int_equal(start_n(x, SPAN_LIT("m"), SPAN_LIT("pw"), 6, &ref[6]), 0);
    fake_answer_all(x->f);
    assert_int_equal(x->s->results_n, 5); /* four, and the other address's */
    for (size_t i = 0; i < 5; i++)
        assert_true(x->s->results[i].owner < 4 || x->s->results[i].owner == 6);
    cancel(x, ref[5]); /* gone before its turn */
    fake_advance(x->f, 51 * NSEC_PER_MS);
    fake_answer_all(x->f);
    assert_int_equal(x->s->results_n, 6);
    assert_int_equal(x->s->results[5].owner, 4);
    assert_int_equal(logins_live(x->s->logins), 0);
}

static void passwords_leave_no_trace(void **state)
{
    struct fixture *x = *state;
    static const char secret[] = "correct horse battery";
    struct login_ref ref;
    alloc_secret(secret, sizeof secret - 1);
    assert_int_equal(login(x, "a", secret), LOGIN_CREATED);
    assert_int_equal(login(x, "a", secret), LOGIN_OK);
    ask_fake_account(&x->f->asks, "b", secret, 1, true);
    assert_int_equal(login(x, "b", secret), LOGIN_OK);
    assert_int_equal(login(x, "a", "no"), LOGIN_WRONG);
    x->f->asks.delay = NSEC_NEVER;
    assert_int_equal(start(x, "a", secret, &ref), 0);
    cancel(x, ref);
    fake_answer_all(x->f);
    ask_fake_fault(&x->f->asks, ASK_ACCOUNT_FIND, ASK_REFUSED, 1);
    assert_int_equal(start(x, "a", secret, &ref), E_BUSY);
    x->policy.auto_register = false;
    logins_set_policy(x->s->logins, &x->policy);
    assert_int_equal(login(x, "nobody", secret), LOGIN_WRONG);
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
}

static void short_memory(void **state)
{
    struct fixture *x = *state;
    for (unsigned long nth = 1;; nth++) {
        struct login_ref ref;
        x->f->asks.accounts_n = 0;
        alloc_fault_at(nth);
        int rc = start(x, "n", "pw", &ref);
        assert_true(rc == 0 || rc == E_BUSY);
        run(x);
        enum login_outcome got = rc ? LOGIN_BUSY : only_result(x).outcome;
        if (got == LOGIN_CREATED)
            assert_int_equal(login(x, "n", "no"), LOGIN_WRONG); /* counting it may fail too */
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        assert_int_equal(logins_live(x->s->logins), 0);
        if (!fired)
            break;
    }
    struct logins *l;
    alloc_fault_at(1);
    assert_int_equal(logins_create(&l, &x->f->host, 1), E_NOMEM);
    alloc_fault_at(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_use_registers),
        TEST(a_known_name),
        TEST(letter_case_by_policy),
        TEST(names_and_passwords_at_their_limits),
        TEST(short_passwords),
        TEST(old_records_are_replaced),
        TEST(an_old_record_of_a_long_password_stays),
        TEST(where_nothing_is_registered),
        TEST(each_step_may_fail),
        TEST(a_refused_start_leaves_nothing),
        TEST(a_store_that_names_somebody_else_is_not_believed),
        TEST(two_register_one_name),
        TEST(taken_but_not_found),
        TEST(answers_to_others_are_ignored),
        TEST(cancelling_after_each_answer),
        TEST(a_cancelled_slot_is_not_mistaken),
        TEST(an_account_that_changes_meanwhile),
        TEST(destroying_with_logins_pending),
        TEST(guessing_gets_slower),
        TEST(unknown_names_count_as_guesses_where_nothing_is_registered),
        TEST(neighbours_in_a_64_are_one),
        TEST(the_spared_are_not_slowed_down),
        TEST(busy_and_refused_are_no_guesses),
        TEST(a_delayed_login_can_be_cancelled_or_refused),
        TEST(more_guessers_than_can_be_remembered),
        TEST(turns_of_one_address),
        TEST(the_number_in_progress_is_limited),
        TEST(passwords_leave_no_trace),
        TEST(an_address_has_few_at_work),
        TEST(short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
