/* One login is a small state machine; each state waits for one answer:
 *
 *   DELAY ─┬─ FIND ──┬─ found ──── VERIFY ── right ─ the gates (login_gate.c) ─┬───────────────► OK
 *          │         │                                     old record: REHASH ─ REPLACE ─ admit ►
 * OK │         └─ not found ─ MAKE ── CREATE ──┬─ admit ► CREATED │               │ └─ taken
 * meanwhile: FIND once more │               └─ nothing is registered ─ DECOY ► WRONG └─ REDEEM ─
 * FIND by the token's account ─ the gates
 *
 * DECOY hashes the password for nothing, so that an unknown name takes as long as a wrong password.
 * DELAY is for an address that guesses, and for one that has AT_WORK_MAX logins in the other
 * states or had PACE_PER_MINUTE lately. DECIDED is one that is refused at once, until login_due
 * tells it. A login whose link went away stays until its answer has come (CANCELLED), because every
 * ask is answered exactly once and the handle must not be used again before. */
#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "base/utf8.h"
#include "core/login_priv.h"

#define REGISTRARS_MAX 65536u /* addresses whose registrations are counted */

/* Work of one address at once: the others of it wait their turn, so that a few addresses cannot
 * fill the hash queue for everybody. */
#define AT_WORK_MAX 4u
#define TURN_EVERY  (50 * NSEC_PER_MS)
/* Logins of one address in a minute, good ones too; the others of it wait. A resume token costs its
 * owner no work, and each login leaves a record in the audit for months. */
#define PACE_PER_MINUTE 120u
#define PACED_MAX       65536u /* addresses */

static int own_guard(struct logins *l, const uint64_t seed[2])
{
    struct login_guard_cfg cfg = {.log = l->host->log, .seed = {seed[0], seed[1]}};
    if (l->host->guard) {
        l->guard = l->host->guard;
        return 0;
    }
    int rc = login_guard_create(&l->own_guard, &cfg);
    l->guard = l->own_guard;
    return rc;
}

int logins_create(struct logins **ret, struct host *host, uint32_t max)
{
    struct logins *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return E_NOMEM;
    uint64_t seed[2];
    host_entropy(host, seed, sizeof seed);
    l->host = host;
    l->release_at = NSEC_NEVER;
    slots_init(&l->all, sizeof(struct login), max);
    timerq_init(&l->delays);
    hmap_init(&l->at_work, 16, seed, max);
    addr_limit_init(&l->registrations, seed, REGISTRARS_MAX);
    addr_limit_init(&l->pace, seed, PACED_MAX);
    hmap_init(&l->claims, sizeof(int64_t), seed, 2 * max); /* of logins and of sessions */
    hmap_init(&l->releases, sizeof(int64_t), seed, 2 * max);
    int rc = own_guard(l, seed);
    if (rc) {
        logins_destroy(l);
        return rc;
    }
    *ret = l;
    return 0;
}

void login_forget_password(struct login *g)
{
    mem_free_secret(g->password, g->password_n);
    g->password = NULL;
    g->password_n = 0;
}

/* An address for which there is no room is not counted, and not kept waiting. */
static bool keeps_pace(struct logins *l, const struct login *g, struct now now)
{
    const struct rate pace = rate_per(60 * NSEC_PER_S, PACE_PER_MINUTE);
    struct hmap *m = &l->pace.full_at;
    struct bucket b = {0};
    uint8_t key[16];
    addr_limit_key(&g->peer, key);
    (void)hmap_get(m, key, &b.full_at);
    if (!bucket_take(&b, &pace, now.mono))
        return false;
    if (now.mono - l->pace.swept >= (m->live < m->max ? 60 * NSEC_PER_S : NSEC_PER_S))
        addr_limit_sweep(&l->pace, now.mono);
    (void)!hmap_put(m, key, b.full_at); /* memory permitting */
    return true;
}

/* Whether the address may have one more at work; it is counted then, memory permitting. */
static bool take_turn(struct logins *l, struct login *g, struct now now)
{
    uint8_t key[16];
    uint64_t n = 0;
    if (exempt_has(&l->policy.exempt, &g->peer))
        return true;
    addr_limit_key(&g->peer, key);
    (void)hmap_get(&l->at_work, key, &n);
    if (n >= AT_WORK_MAX && !PLANTED(QUEUE_WITHOUT_BOUND))
        return false;
    if (!keeps_pace(l, g, now))
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

void login_drop(struct logins *l, struct login *g)
{
    give_turn(l, g);
    timerq_cancel(&l->delays, &g->delay);
    login_forget_password(g);
    slots_del(&l->all, g->self);
}

void logins_destroy(struct logins *l)
{
    if (!l)
        return;
    struct login *g;
    for (uint32_t at = 0; (g = slots_next(&l->all, &at, NULL));)
        login_forget_password(g);
    slots_fini(&l->all);
    hmap_fini(&l->at_work);
    addr_limit_fini(&l->registrations);
    addr_limit_fini(&l->pace);
    hmap_fini(&l->claims);
    hmap_fini(&l->releases);
    login_guard_destroy(l->own_guard);
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
    nsec at = timerq_deadline(&l->delays);
    return at < l->release_at ? at : l->release_at;
}

static uint64_t req_of(const struct login *g)
{
    return (uint64_t)g->self.gen << 32 | g->self.slot;
}

int login_ask(struct logins *l, struct login *g, enum login_state state, struct ask *ask)
{
    g->state = state;
    g->asked = ask->kind;
    return host_ask(l->host, ask, req_of(g));
}

int login_query(struct logins *l, struct login *g, enum login_state state, enum query q,
                const struct value *v, size_t n)
{
    struct ask ask = query_ask(q, v, n);
    return login_ask(l, g, state, &ask);
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
    return login_ask(l, g, FIND, &ask);
}

static int ask_find_id(struct logins *l, struct login *g, int64_t account)
{
    struct ask ask = {.kind = ASK_ACCOUNT_FIND};
    ask.u.find.id = account;
    return login_ask(l, g, FIND, &ask);
}

static int ask_redeem(struct logins *l, struct login *g, struct now now)
{
    const struct value v[] = {VALUE_OF_TEXT(span_of(g->token, TOKEN_HASH)),
                              VALUE_OF_TEXT(login_game(l)),
                              VALUE_OF_INT(PLANTED(EXPIRED_TOKEN_TAKEN) ? 0 : now.unix_ms)};
    return login_query(l, g, REDEEM, QUERY_TOKEN_REDEEM, v, ARRAY_LEN(v));
}

static int ask_verify(struct logins *l, struct login *g)
{
    struct ask ask = {.kind = ASK_HASH_VERIFY};
    ask.u.verify.password = password_of(g);
    ask.u.verify.record = &g->account.password;
    return login_ask(l, g, VERIFY, &ask);
}

static int ask_make(struct logins *l, struct login *g, enum login_state next)
{
    struct ask ask = {.kind = ASK_HASH_MAKE};
    ask.u.make.password = password_of(g);
    return login_ask(l, g, next, &ask);
}

int login_rehash(struct logins *l, struct login *g)
{
    return ask_make(l, g, REHASH);
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
    return login_ask(l, g, CREATE, &ask);
}

static int ask_replace(struct logins *l, struct login *g, const struct password_record *record)
{
    struct ask ask = {.kind = ASK_ACCOUNT_SET_PASSWORD};
    ask.u.set_password.id = g->account.id;
    ask.u.set_password.old = &g->account.password;
    ask.u.set_password.password = record;
    ask.u.set_password.password_min = g->account.password_min; /* it is the same password still */
    login_forget_password(g);
    return login_ask(l, g, REPLACE, &ask);
}

bool login_unusable(const struct login *g)
{
    return g->password_n > PASSWORD_MAX || memchr(g->password, '\0', g->password_n) != NULL;
}

/* A hash that nobody looks at, of a password as long as bcrypt can hold. */
static bool ask_decoy(struct logins *l, struct login *g, struct now now, struct login_result *ret)
{
    memset(g->password, 'x', g->password_n ? g->password_n : 1);
    g->password_n = g->password_n == 0             ? 1
                    : g->password_n < PASSWORD_MAX ? g->password_n
                                                   : PASSWORD_MAX;
    return login_go_on(l, g, ask_make(l, g, DECOY), now, ret);
}

static bool is_same(uint8_t a, uint8_t b)
{
    uint8_t x = a >= 'A' && a <= 'Z' ? a | 0x20 : a, y = b >= 'A' && b <= 'Z' ? b | 0x20 : b;
    return x == y;
}

/* The token must be of the name it is shown with; letter case as the policy has it. */
static bool names(const struct logins *l, const struct login *g, const struct account *a)
{
    bool same = a->name_n == g->name_n;
    for (size_t i = 0; same && i < g->name_n; i++)
        same = l->policy.fold_names ? is_same((uint8_t)a->name[i], (uint8_t)g->name[i])
                                    : a->name[i] == g->name[i];
    return same;
}

static bool on_resumed(struct logins *l, struct login *g, const struct answer *a, struct now now,
                       struct login_result *ret)
{
    if (a->rc && a->rc != E_NOENT)
        return login_finish(l, g, LOGIN_BUSY, now, ret);
    if (a->rc || a->u.account.id != g->account.id || !names(l, g, &a->u.account)) {
        g->account = (struct account){0}; /* whose it was is nobody's business */
        return login_finish(l, g, LOGIN_RESUME_WRONG, now, ret);
    }
    g->account = a->u.account;
    memcpy(g->name, a->u.account.name, g->name_n);
    return login_gate(l, g, now, ret);
}

bool login_name_fits(struct span name)
{
    static const struct span server = {(const uint8_t *)"server", 6};
    bool is_server = name.n == server.n;
    for (size_t i = 0; is_server && i < name.n; i++)
        is_server = is_same(name.p[i], server.p[i]);
    return name.n && name.p[0] != '#' && !is_server && utf8_shows(name);
}

/* Also when the registration comes to nothing: what is to be spared is the work. */
static bool may_register(struct logins *l, const struct login *g, struct now now)
{
    return exempt_has(&l->policy.exempt, &g->peer) || l->policy.registrations.interval == 0 ||
           addr_limit_take(&l->registrations, &g->peer, &l->policy.registrations, now.mono);
}

static bool on_found(struct logins *l, struct login *g, const struct answer *a, struct now now,
                     struct login_result *ret)
{
    /* Only letter case may differ from what was asked for. */
    bool same = a->rc == 0 && a->u.account.name_n == g->name_n;
    if (g->resuming)
        return on_resumed(l, g, a, now, ret);
    if (same) {
        g->account = a->u.account;
        memcpy(g->name, a->u.account.name, g->name_n);
        login_split_code(l, g);
        return login_go_on(l, g, ask_verify(l, g), now, ret);
    }
    if (a->rc != E_NOENT)
        return login_finish(l, g, LOGIN_BUSY, now, ret);
    if (!l->policy.auto_register)
        return ask_decoy(l, g, now, ret);
    if (!login_name_fits(span_of(g->name, g->name_n)))
        return login_finish(l, g, LOGIN_NAME_UNFIT, now, ret);
    if (login_unusable(g))
        return login_finish(l, g, LOGIN_PASSWORD_UNUSABLE, now, ret);
    if (g->password_n == 0 || g->password_n < l->policy.password_min)
        return login_finish(l, g, LOGIN_PASSWORD_SHORT, now, ret);
    if (!may_register(l, g, now))
        return login_finish(l, g, LOGIN_THROTTLED, now, ret);
    return login_go_on(l, g, ask_make(l, g, MAKE), now, ret);
}

static bool on_redeemed(struct logins *l, struct login *g, const struct answer *a, struct now now,
                        struct login_result *ret)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    mem_wipe(g->token, sizeof g->token);
    if (a->rc == E_NOENT)
        return login_finish(l, g, LOGIN_RESUME_WRONG, now, ret);
    if (a->rc || query_next(a->u.rows, &at, v) != 1)
        return login_finish(l, g, LOGIN_BUSY, now, ret);
    g->account.id = query_int(&v[0]);
    return login_go_on(l, g, ask_find_id(l, g, g->account.id), now, ret);
}

static bool on_verified(struct logins *l, struct login *g, const struct answer *a, struct now now,
                        struct login_result *ret)
{
    if (a->rc == E_AUTH)
        return login_finish(l, g, LOGIN_WRONG, now, ret);
    if (a->rc && !PLANTED(LET_IN_ON_FAILED_HASH))
        return login_finish(l, g, LOGIN_BUSY, now, ret);
    g->rehash = a->u.rehash;
    return login_gate(l, g, now, ret);
}

static bool on_created(struct logins *l, struct login *g, const struct answer *a, struct now now,
                       struct login_result *ret)
{
    if (a->rc == 0 || (PLANTED(REGISTERED_ON_FAILURE) && a->rc == E_STORE)) {
        g->account.id = a->u.account.id;
        g->account.level = LEVEL_PLAYER;
        g->created = true;
        return login_admit(l, g, now, ret);
    }
    if (a->rc != E_EXISTS || g->retried)
        return login_finish(l, g, LOGIN_BUSY, now, ret);
    g->retried = true; /* registered meanwhile by somebody else: now it is a login */
    return login_go_on(l, g, ask_find(l, g), now, ret);
}

/* Its link is gone: what was claimed for it meanwhile is given back. */
static void on_cancelled(struct logins *l, struct login *g, const struct answer *a, struct now now)
{
    if (g->claiming && a->kind == ASK_CLAIM)
        login_claimed(l, g, now, a->rc);
    if (g->claiming)
        login_unclaim(l, now, g->account.id);
    login_drop(l, g);
}

void logins_overtake(struct logins *l, int64_t account)
{
    struct login *g;
    for (uint32_t at = 0; (g = slots_next(&l->all, &at, NULL));) {
        if (g->account.id == account)
            g->overtaken = true;
        if (g->state == FIND || g->state == CREATE || g->state == REDEEM)
            g->doubtful = g->doubtful && g->doubtful != account ? -1 : account;
    }
}

/* Only what comes behind the claim: who has yet to claim takes it back, or is refused. */
void logins_lost(struct logins *l, int64_t account)
{
    struct login *g;
    for (uint32_t at = 0; (g = slots_next(&l->all, &at, NULL));)
        if (g->state == TOKEN && g->claiming && g->account.id == account)
            g->overtaken = true;
}

/* Whether it may not go on by what it found. A claim that was granted meanwhile is given back. */
static bool is_overtaken(struct logins *l, struct login *g, const struct answer *a, struct now now)
{
    bool told = g->state == FIND || g->state == CREATE;
    if (told && g->doubtful && a->rc == 0)
        g->overtaken |= g->doubtful == -1 || g->doubtful == a->u.account.id;
    if (told)
        g->doubtful = 0;
    if (!g->overtaken || g->state == CANCELLED || PLANTED(OVERTAKEN_LOGIN_LET_IN))
        return false;
    if (g->state == CLAIM)
        login_claimed(l, g, now, a->rc);
    mem_wipe(g->token, sizeof g->token);
    return true;
}

bool login_answer(struct logins *l, struct now now, const struct answer *a,
                  struct login_result *ret)
{
    struct ref r = {(uint32_t)a->req, (uint32_t)(a->req >> 32)};
    struct login *g = slots_get(&l->all, r);
    if (a->kind == ASK_RELEASE) {
        login_released(l, now, a);
        return false;
    }
    if (!g || g->state == DELAY || g->state == DECIDED || g->asked != a->kind)
        return false; /* somebody else's, under a number that happens to be ours */
    if (is_overtaken(l, g, a, now))
        return login_finish(l, g, LOGIN_BUSY, now, ret);
    switch (g->state) {
    case FIND: return on_found(l, g, a, now, ret);
    case VERIFY: return on_verified(l, g, a, now, ret);
    case REHASH: /* the password was right: whatever becomes of the new record, the login is good */
        if (a->rc || ask_replace(l, g, &a->u.password))
            return login_admit(l, g, now, ret);
        return false;
    case REPLACE: return login_admit(l, g, now, ret);
    case MAKE:
        if (a->rc)
            return login_finish(l, g, LOGIN_BUSY, now, ret);
        return login_go_on(l, g, ask_create(l, g, now, &a->u.password), now, ret);
    case CREATE: return on_created(l, g, a, now, ret);
    case DECOY: return login_finish(l, g, a->rc ? LOGIN_BUSY : LOGIN_WRONG, now, ret);
    case REDEEM: return on_redeemed(l, g, a, now, ret);
    case KNOWN:
    case OTP_GET:
    case OTP_CHECK:
    case OTP_STEP:
    case RECOVER:
    case CLAIM:
    case TOKEN: return login_gate_answer(l, g, now, a, ret);
    case CANCELLED: on_cancelled(l, g, a, now); return false;
    case DELAY:
    case DECIDED: break;
    }
    UNREACHABLE();
}

/* ---- beginning ---- */

static struct login *make_login(struct logins *l, const struct login_request *q)
{
    struct ref self;
    struct login *g = slots_add(&l->all, &self);
    if (!g)
        return NULL;
    g->self = self;
    g->password = mem_zalloc(q->password.n, 1);
    if (!g->password) {
        slots_del(&l->all, self);
        return NULL;
    }
    g->password_n = q->password.n;
    if (q->password.n)
        memcpy(g->password, q->password.p, q->password.n);
    g->name_n = (uint8_t)q->name.n;
    memcpy(g->name, q->name.p, q->name.n);
    struct span otp = q->otp.n > LOGIN_OTP_MAX ? SPAN_LIT("?") : q->otp; /* as wrong as any */
    g->otp_n = (uint8_t)otp.n;
    if (otp.n)
        memcpy(g->otp, otp.p, otp.n);
    g->peer = q->peer;
    g->owner = q->owner;
    g->resuming = q->resume.n > 0;
    g->want_resume = q->want_resume;
    return g;
}

static const struct ban *ban_of(const struct logins *l, const struct login *g, struct now now)
{
    return l->host->bans ? ban_desk_addr(l->host->bans, now, &g->peer, login_game(l)) : NULL;
}

/* What needs no asking. LOGIN_OK: it goes on. */
static enum login_outcome decide(struct logins *l, struct login *g, struct now now,
                                 const struct login_request *q)
{
    if (ban_of(l, g, now))
        return LOGIN_BANNED;
    if (!exempt_has(&l->policy.exempt, &g->peer) &&
        login_guard_refuses(l->guard, now, &g->peer, l->policy.wrong_per_minute))
        return LOGIN_THROTTLED;
    if (!g->resuming)
        return LOGIN_OK;
    int rc = token_hash(q->resume, g->token);
    return rc == 0 ? LOGIN_OK : rc == E_FORMAT ? LOGIN_RESUME_WRONG : LOGIN_BUSY;
}

static int begin(struct logins *l, struct login *g, struct now now)
{
    return g->resuming ? ask_redeem(l, g, now) : ask_find(l, g);
}

static void later(struct logins *l, struct login *g, enum login_state state, nsec when)
{
    g->state = state;
    timerq_set(&l->delays, &g->delay, when);
    host_wake(l->host, when);
}

int login_start(struct logins *l, struct now now, const struct login_request *q,
                struct login_ref *ret)
{
    CHECK(q->name.n <= ACCOUNT_NAME_MAX && q->password.n <= PASSWORD_LEGACY_MAX);
    if (l->host->bans && !ban_desk_ready(l->host->bans))
        return E_BUSY;
    struct login *g = make_login(l, q);
    if (!g)
        return E_BUSY;
    struct ref self = g->self;
    nsec delay =
        exempt_has(&l->policy.exempt, &g->peer) ? 0 : login_guard_delay(l->guard, now, &g->peer);
    g->outcome = decide(l, g, now, q);
    if (g->outcome != LOGIN_OK) {
        later(l, g, DECIDED, now.mono);
    } else if (delay || !take_turn(l, g, now)) {
        later(l, g, DELAY, now.mono + (delay ? delay : TURN_EVERY));
    } else if (begin(l, g, now)) {
        login_drop(l, g);
        return E_BUSY;
    }
    ret->r = self;
    return 0;
}

bool login_due(struct logins *l, struct now now, struct login_result *ret)
{
    struct timer *t;
    login_releases(l, now);
    while ((t = timerq_pop(&l->delays, now.mono))) {
        struct login *g = CONTAINER_OF(t, struct login, delay);
        if (g->state == DECIDED && g->outcome == LOGIN_BANNED)
            return login_banned(l, g, ban_of(l, g, now), now, ret);
        if (g->state == DECIDED)
            return login_finish(l, g, g->outcome, now, ret);
        if (!take_turn(l, g, now))
            timerq_set(&l->delays, &g->delay, now.mono + TURN_EVERY);
        else if (begin(l, g, now)) {
            if (!PLANTED(WAITED_IN_VAIN))
                return login_finish(l, g, LOGIN_BUSY, now, ret);
            login_drop(l, g);
        }
    }
    return false;
}

void login_cancel(struct logins *l, struct login_ref r)
{
    struct login *g = slots_get(&l->all, r.r);
    if (!g)
        return;
    if (g->state == DELAY || g->state == DECIDED) {
        login_drop(l, g);
        return;
    }
    g->state = CANCELLED;
    login_forget_password(g);
    host_cancel(l->host, req_of(g));
}
