/* One login is a small state machine; each state waits for one answer:
 *
 *   DELAY ── FIND ──┬─ found ──── VERIFY ──┬─ right ─────────────────────► OK
 *                   │                      └─ right, old record ─ REHASH ─ REPLACE ► OK
 *                   └─ not found ─ MAKE ── CREATE ──┬─► CREATED
 *                         │                         └─ taken meanwhile: FIND once more
 *                         └─ nothing is registered ─ DECOY ► WRONG
 *
 * DECOY hashes the password for nothing, so that an unknown name takes as long as a wrong password.
 * DELAY is for an address that guesses, and for one that has AT_WORK_MAX logins in the other
 * states. A login whose link went away stays until its answer has come (CANCELLED), because every
 * ask is answered exactly once and the handle must not be used again before. */
#include "core/login.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "base/slots.h"
#include "base/timerq.h"

enum state { DELAY, FIND, VERIFY, REHASH, REPLACE, MAKE, CREATE, DECOY, CANCELLED };

struct login {
    struct timer delay;
    struct ref self;
    enum state state;
    bool retried;
    struct addr peer;
    uint64_t owner;
    uint8_t name_n;
    char name[ACCOUNT_NAME_MAX + 1];
    size_t password_n;
    uint8_t *password; /* ours */
    bool counted;      /* in at_work */
    int64_t account;
    uint32_t password_min; /* as the account remembers it */
    struct password_record record;
};

struct logins {
    struct host *host;
    struct login_policy policy;
    struct slots all;
    struct timerq delays;
    struct hmap failures; /* address prefix -> count << 48 | time of the last in ms */
    nsec failures_swept;
    struct hmap at_work; /* address prefix -> its logins that are not in DELAY */
};

/* Work of one address at once: the others of it wait their turn, so that a few addresses cannot
 * fill the hash queue for everybody. */
#define AT_WORK_MAX 4u
#define TURN_EVERY  (50 * NSEC_PER_MS)

#define FAILURES_FREE     4u /* wrong guesses before the delay starts */
#define FAILURE_DELAY_MIN (500 * NSEC_PER_MS)
#define FAILURE_DELAY_MAX (8 * NSEC_PER_S)
#define FAILURE_FORGET_MS UINT64_C(600000)
#define FAILURE_ADDRS_MAX 65536u
#define FAILURE_SWEEP     NSEC_PER_S /* at most so often */

int logins_create(struct logins **ret, struct host *host, uint32_t max)
{
    struct logins *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return E_NOMEM;
    uint64_t seed[2];
    host_entropy(host, seed, sizeof seed);
    l->host = host;
    slots_init(&l->all, sizeof(struct login), max);
    timerq_init(&l->delays);
    hmap_init(&l->failures, 16, seed, FAILURE_ADDRS_MAX);
    hmap_init(&l->at_work, 16, seed, max);
    *ret = l;
    return 0;
}

static void forget_password(struct login *g)
{
    mem_free_secret(g->password, g->password_n);
    g->password = NULL;
    g->password_n = 0;
}

/* Whether the address may have one more at work; it is counted then, memory permitting. */
static bool take_turn(struct logins *l, struct login *g)
{
    uint8_t key[16];
    uint64_t n = 0;
    if (exempt_has(&l->policy.exempt, &g->peer))
        return true;
    addr_limit_key(&g->peer, key);
    (void)hmap_get(&l->at_work, key, &n);
    if (n >= AT_WORK_MAX && !PLANTED(QUEUE_WITHOUT_BOUND))
        return false;
    g->counted = hmap_put(&l->at_work, key, n + 1) == 0;
    return true;
}

static void give_turn(struct logins *l, struct login *g)
{
    uint8_t key[16];
    uint64_t n = 0;
    if (!g->counted)
        return;
    g->counted = false;
    addr_limit_key(&g->peer, key);
    (void)hmap_get(&l->at_work, key, &n);
    if (n <= 1)
        (void)hmap_del(&l->at_work, key);
    else
        CHECK(hmap_put(&l->at_work, key, n - 1) == 0); /* replaces: takes no memory */
}

static void drop(struct logins *l, struct login *g)
{
    give_turn(l, g);
    timerq_cancel(&l->delays, &g->delay);
    forget_password(g);
    slots_del(&l->all, g->self);
}

void logins_destroy(struct logins *l)
{
    if (!l)
        return;
    struct login *g;
    for (uint32_t at = 0; (g = slots_next(&l->all, &at, NULL));)
        forget_password(g);
    slots_fini(&l->all);
    hmap_fini(&l->failures);
    hmap_fini(&l->at_work);
    mem_free(l);
}

void logins_set_policy(struct logins *l, const struct login_policy *p)
{
    l->policy = *p;
}

uint32_t logins_live(const struct logins *l)
{
    return l->all.live;
}

nsec login_deadline(const struct logins *l)
{
    return timerq_deadline(&l->delays);
}

static uint64_t now_ms(struct now now)
{
    return now.mono / NSEC_PER_MS;
}

static unsigned failures_of(const struct logins *l, const struct addr *a, struct now now)
{
    uint8_t key[16];
    uint64_t v;
    addr_limit_key(a, key);
    if (!hmap_get(&l->failures, key, &v) ||
        now_ms(now) - (v & ((UINT64_C(1) << 48) - 1)) > FAILURE_FORGET_MS)
        return 0;
    return (unsigned)(v >> 48);
}

static void sweep_failures(struct logins *l, struct now now)
{
    const void *key;
    uint64_t v;
    for (uint32_t at = 0; hmap_next(&l->failures, &at, &key, &v);)
        if (now_ms(now) - (v & ((UINT64_C(1) << 48) - 1)) > FAILURE_FORGET_MS)
            (void)hmap_del(&l->failures, key);
    l->failures_swept = now.mono;
}

static void count_failure(struct logins *l, const struct addr *a, struct now now)
{
    if (exempt_has(&l->policy.exempt, a))
        return;
    uint8_t key[16];
    uint64_t n = failures_of(l, a, now) + 1u;
    addr_limit_key(a, key);
    uint64_t v = (n > 1000 ? 1000 : n) << 48 | now_ms(now);
    if (l->failures.live >= FAILURE_ADDRS_MAX && now.mono - l->failures_swept >= FAILURE_SWEEP)
        sweep_failures(l, now);
    if (hmap_put(&l->failures, key, v))
        return; /* full of recent guessers, or memory is short: this one goes uncounted */
}

static nsec delay_for(const struct logins *l, const struct addr *a, struct now now)
{
    unsigned n = failures_of(l, a, now);
    if (n < FAILURES_FREE || exempt_has(&l->policy.exempt, a))
        return 0;
    unsigned doublings = n - FAILURES_FREE;
    nsec d = doublings > 8 ? FAILURE_DELAY_MAX : FAILURE_DELAY_MIN << doublings;
    return d < FAILURE_DELAY_MAX ? d : FAILURE_DELAY_MAX;
}

static uint64_t req_of(const struct login *g)
{
    return (uint64_t)g->self.gen << 32 | g->self.slot;
}

static int put(struct logins *l, struct login *g, const struct ask *ask)
{
    return host_ask(l->host, ask, req_of(g));
}

static struct span password_of(const struct login *g)
{
    return span_of(g->password, g->password_n);
}

static int ask_find(struct logins *l, struct login *g)
{
    struct ask ask = {.kind = ASK_ACCOUNT_FIND};
    ask.u.find.name = span_of(g->name, g->name_n);
    ask.u.find.fold = l->policy.fold_names;
    g->state = FIND;
    return put(l, g, &ask);
}

static int ask_verify(struct logins *l, struct login *g)
{
    struct ask ask = {.kind = ASK_HASH_VERIFY};
    ask.u.verify.password = password_of(g);
    ask.u.verify.record = &g->record;
    g->state = VERIFY;
    return put(l, g, &ask);
}

static int ask_make(struct logins *l, struct login *g, enum state next)
{
    struct ask ask = {.kind = ASK_HASH_MAKE};
    ask.u.make.password = password_of(g);
    g->state = next;
    return put(l, g, &ask);
}

static int ask_create(struct logins *l, struct login *g, struct now now,
                      const struct password_record *record)
{
    struct ask ask = {.kind = ASK_ACCOUNT_CREATE};
    ask.u.create.name = span_of(g->name, g->name_n);
    ask.u.create.fold = l->policy.fold_names;
    ask.u.create.password = record;
    ask.u.create.password_min = l->policy.password_min;
    ask.u.create.unix_ms = now.unix_ms;
    g->state = CREATE;
    return put(l, g, &ask);
}

static int ask_replace(struct logins *l, struct login *g, const struct password_record *record)
{
    struct ask ask = {.kind = ASK_ACCOUNT_SET_PASSWORD};
    ask.u.set_password.id = g->account;
    ask.u.set_password.old = &g->record;
    ask.u.set_password.password = record;
    ask.u.set_password.password_min = g->password_min; /* it is the same password still */
    g->state = REPLACE;
    forget_password(g);
    return put(l, g, &ask);
}

/* Nobody waits for the answer: the time of a last login is not worth refusing one. */
static void touch(struct logins *l, int64_t account, struct now now)
{
    struct ask ask = {.kind = ASK_ACCOUNT_TOUCH};
    ask.u.touch.id = account;
    ask.u.touch.unix_ms = now.unix_ms;
    (void)host_ask(l->host, &ask, 0);
}

static bool finish(struct logins *l, struct login *g, enum login_outcome outcome, struct now now,
                   struct login_result *ret)
{
    *ret = (struct login_result){.owner = g->owner, .outcome = outcome, .account = g->account};
    ret->name_n = g->name_n;
    memcpy(ret->name, g->name, g->name_n);
    if (outcome == LOGIN_WRONG)
        count_failure(l, &g->peer, now);
    if (outcome == LOGIN_OK)
        touch(l, g->account, now);
    drop(l, g);
    return true;
}

static bool unusable(const struct login *g)
{
    return g->password_n > PASSWORD_MAX || memchr(g->password, '\0', g->password_n) != NULL;
}

/* Goes on, or ends as busy when the ask was refused. */
static bool go_on(struct logins *l, struct login *g, int asked, struct now now,
                  struct login_result *ret)
{
    return asked ? finish(l, g, LOGIN_BUSY, now, ret) : false;
}

/* A hash that nobody looks at, of a password as long as bcrypt can hold. */
static bool ask_decoy(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    memset(g->password, 'x', g->password_n ? g->password_n : 1);
    g->password_n = g->password_n == 0             ? 1
                    : g->password_n < PASSWORD_MAX ? g->password_n
                                                   : PASSWORD_MAX;
    return go_on(l, g, ask_make(l, g, DECOY), now, ret);
}

static bool on_found(struct logins *l, struct login *g, const struct answer *a, struct now now,
                     struct login_result *ret)
{
    /* Only letter case may differ from what was asked for. */
    bool same = a->rc == 0 && a->u.account.name_n == g->name_n;
    if (same) {
        g->account = a->u.account.id;
        g->record = a->u.account.password;
        g->password_min = a->u.account.password_min;
        memcpy(g->name, a->u.account.name, g->name_n);
        return go_on(l, g, ask_verify(l, g), now, ret);
    }
    if (a->rc != E_NOENT)
        return finish(l, g, LOGIN_BUSY, now, ret);
    if (!l->policy.auto_register)
        return ask_decoy(l, g, now, ret);
    if (unusable(g))
        return finish(l, g, LOGIN_PASSWORD_UNUSABLE, now, ret);
    if (g->password_n == 0 || g->password_n < l->policy.password_min)
        return finish(l, g, LOGIN_PASSWORD_SHORT, now, ret);
    return go_on(l, g, ask_make(l, g, MAKE), now, ret);
}

static bool on_verified(struct logins *l, struct login *g, const struct answer *a, struct now now,
                        struct login_result *ret)
{
    if (a->rc == E_AUTH)
        return finish(l, g, LOGIN_WRONG, now, ret);
    if (a->rc && !PLANTED(LET_IN_ON_FAILED_HASH))
        return finish(l, g, LOGIN_BUSY, now, ret);
    /* Accepted somewhere with a lower minimum: of no use here until it is changed. */
    if (g->password_n < l->policy.password_min)
        return finish(l, g, LOGIN_PASSWORD_SHORT, now, ret);
    /* An imported record of a password bcrypt cannot hold stays as it is. */
    if (!a->u.rehash || unusable(g) || ask_make(l, g, REHASH))
        return finish(l, g, LOGIN_OK, now, ret);
    return false;
}

static bool on_created(struct logins *l, struct login *g, const struct answer *a, struct now now,
                       struct login_result *ret)
{
    if (a->rc == 0 || (PLANTED(REGISTERED_ON_FAILURE) && a->rc == E_STORE)) {
        g->account = a->u.account.id;
        return finish(l, g, LOGIN_CREATED, now, ret);
    }
    if (a->rc != E_EXISTS || g->retried)
        return finish(l, g, LOGIN_BUSY, now, ret);
    g->retried = true; /* registered meanwhile by somebody else: now it is a login */
    return go_on(l, g, ask_find(l, g), now, ret);
}

bool login_answer(struct logins *l, struct now now, const struct answer *a,
                  struct login_result *ret)
{
    struct ref r = {(uint32_t)a->req, (uint32_t)(a->req >> 32)};
    struct login *g = slots_get(&l->all, r);
    if (!g)
        return false;
    switch (g->state) {
    case FIND: return on_found(l, g, a, now, ret);
    case VERIFY: return on_verified(l, g, a, now, ret);
    case REHASH: /* the password was right: whatever becomes of the new record, the login is good */
        if (a->rc || ask_replace(l, g, &a->u.password))
            return finish(l, g, LOGIN_OK, now, ret);
        return false;
    case REPLACE: return finish(l, g, LOGIN_OK, now, ret);
    case MAKE:
        if (a->rc)
            return finish(l, g, LOGIN_BUSY, now, ret);
        return go_on(l, g, ask_create(l, g, now, &a->u.password), now, ret);
    case CREATE: return on_created(l, g, a, now, ret);
    case DECOY: return finish(l, g, a->rc ? LOGIN_BUSY : LOGIN_WRONG, now, ret);
    case CANCELLED: drop(l, g); return false;
    case DELAY: break;
    }
    UNREACHABLE(); /* an answer to an ask that was never put */
}

int login_start(struct logins *l, struct now now, const struct login_request *q,
                struct login_ref *ret)
{
    CHECK(q->name.n <= ACCOUNT_NAME_MAX && q->password.n <= PASSWORD_LEGACY_MAX);
    struct ref self;
    struct login *g = slots_add(&l->all, &self);
    if (!g)
        return E_BUSY;
    g->self = self;
    g->password = mem_zalloc(q->password.n, 1);
    if (!g->password) {
        slots_del(&l->all, self);
        return E_BUSY;
    }
    g->password_n = q->password.n;
    memcpy(g->password, q->password.p, q->password.n);
    g->name_n = (uint8_t)q->name.n;
    memcpy(g->name, q->name.p, q->name.n);
    g->peer = q->peer;
    g->owner = q->owner;
    nsec delay = delay_for(l, &q->peer, now);
    if (delay == 0 && !take_turn(l, g))
        delay = TURN_EVERY;
    if (delay) {
        g->state = DELAY;
        timerq_set(&l->delays, &g->delay, now.mono + delay);
        host_wake(l->host, now.mono + delay);
    } else if (ask_find(l, g)) {
        drop(l, g);
        return E_BUSY;
    }
    ret->r = self;
    return 0;
}

bool login_due(struct logins *l, struct now now, struct login_result *ret)
{
    struct timer *t;
    while ((t = timerq_pop(&l->delays, now.mono))) {
        struct login *g = CONTAINER_OF(t, struct login, delay);
        if (!take_turn(l, g))
            timerq_set(&l->delays, &g->delay, now.mono + TURN_EVERY);
        else if (ask_find(l, g)) {
            if (!PLANTED(WAITED_IN_VAIN))
                return finish(l, g, LOGIN_BUSY, now, ret);
            drop(l, g);
        }
    }
    return false;
}

void login_cancel(struct logins *l, struct login_ref r)
{
    struct login *g = slots_get(&l->all, r.r);
    if (!g)
        return;
    if (g->state == DELAY) {
        drop(l, g);
        return;
    }
    g->state = CANCELLED;
    forget_password(g);
    host_cancel(l->host, req_of(g));
}
