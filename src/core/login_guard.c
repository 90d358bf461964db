#include "core/login_guard.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/slots.h"
#include "core/audit_log.h"
#include "core/ban_desk.h"
#include "core/limit.h"
#include "core/query.h"

#include <inttypes.h>
#include <stdio.h>

#define FREE_GUESSES 4u /* before the delay starts */
#define DELAY_MIN    (500 * NSEC_PER_MS)
#define DELAY_MAX    (8 * NSEC_PER_S)
#define WINDOW_MS    600000u /* forgotten after so long; counted for bans and locks within it */
#define MINUTE_MS    60000u
#define COUNT_MAX    1000u
#define LOOK_EVERY   (5 * NSEC_PER_S)
#define PREFIXES_MIN 2u

static const struct log_row
    row_banned = {LOG_WARN, "login.address_banned", "address banned: too many wrong passwords"},
    row_not_banned = {LOG_WARN, "login.address_not_banned",
                      "address that guesses passwords could not be banned"},
    row_locked = {LOG_WARN, "login.account_locked",
                  "account locked: wrong passwords from several addresses"},
    row_not_locked = {LOG_WARN, "login.account_not_locked",
                      "account is guessed at from several addresses and not locked: the store "
                      "failed, or it is the last admin's"};

/* Times of the last guesses in milliseconds, the newest at `at` - 1. They may wrap: none of them is
 * ever 49 days old, because every record goes ten minutes after its last guess. */
struct times {
    uint8_t at, n;
    uint32_t ms[GUARD_THRESHOLD_MAX];
};

struct guesser { /* an address */
    struct ref self;
    struct list by_last; /* the oldest first */
    uint8_t key[16];
    struct addr addr;
    uint32_t n; /* guesses since it was quiet last */
    uint64_t last_ms;
    struct times times;
};

struct guessed { /* an account */
    struct ref self;
    struct list by_last; /* the oldest first */
    int64_t id;
    uint64_t last_ms;
    bool fresh, asking; /* guessed at since it was looked at; the store is asked */
    struct times times;
    uint32_t prefixes[GUARD_THRESHOLD_MAX]; /* beside times.ms: which address, hashed */
};

struct login_guard {
    struct login_guard_cfg cfg;
    struct login_guard_policy policy;
    struct slots guessers, guessed;
    struct hmap by_key, by_account;
    struct list addrs, accounts;
    nsec look_at; /* NSEC_NEVER: no account was guessed at */
};

int login_guard_create(struct login_guard **ret, const struct login_guard_cfg *cfg)
{
    struct login_guard *g = mem_zalloc(1, sizeof *g);
    if (!g)
        return E_NOMEM;
    g->cfg = *cfg;
    g->look_at = NSEC_NEVER;
    slots_init(&g->guessers, sizeof(struct guesser), GUARD_ADDRS_MAX);
    slots_init(&g->guessed, sizeof(struct guessed), GUARD_ACCOUNTS_MAX);
    hmap_init(&g->by_key, 16, cfg->seed, GUARD_ADDRS_MAX);
    hmap_init(&g->by_account, sizeof(int64_t), cfg->seed, GUARD_ACCOUNTS_MAX);
    list_init(&g->addrs);
    list_init(&g->accounts);
    *ret = g;
    return 0;
}

void login_guard_destroy(struct login_guard *g)
{
    if (!g)
        return;
    slots_fini(&g->guessers);
    slots_fini(&g->guessed);
    hmap_fini(&g->by_key);
    hmap_fini(&g->by_account);
    mem_free(g);
}

void login_guard_set_policy(struct login_guard *g, const struct login_guard_policy *p)
{
    CHECK(p->threshold <= GUARD_THRESHOLD_MAX);
    g->policy = *p;
}

static uint64_t ms_of(struct now now)
{
    return now.mono / NSEC_PER_MS;
}

static uint64_t pack(struct ref r)
{
    return (uint64_t)r.gen << 32 | r.slot;
}

static struct ref unpack(uint64_t v)
{
    return (struct ref){(uint32_t)v, (uint32_t)(v >> 32)};
}

/* ---- times ---- */

static unsigned times_add(struct times *t, struct now now)
{
    unsigned i = t->at;
    t->ms[i] = (uint32_t)ms_of(now);
    t->at = (uint8_t)((i + 1) % GUARD_THRESHOLD_MAX);
    t->n += t->n < GUARD_THRESHOLD_MAX;
    return i;
}

/* Bits of the entries that are not older. */
static uint32_t times_within(const struct times *t, struct now now, uint32_t window_ms)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < t->n; i++)
        if ((uint32_t)ms_of(now) - t->ms[i] <= window_ms)
            bits |= UINT32_C(1) << i;
    return bits;
}

static unsigned times_count(const struct times *t, struct now now, uint32_t window_ms)
{
    return (unsigned)__builtin_popcount(times_within(t, now, window_ms));
}

/* ---- addresses ---- */

static struct guesser *find(const struct login_guard *g, const uint8_t key[16])
{
    uint64_t v;
    return hmap_get(&g->by_key, key, &v) ? slots_get(&g->guessers, unpack(v)) : NULL;
}

static bool is_old(const struct guesser *x, struct now now)
{
    return ms_of(now) - x->last_ms > WINDOW_MS;
}

/* Of an address that was not quiet for long. */
static const struct guesser *recent(const struct login_guard *g, struct now now,
                                    const struct addr *a)
{
    uint8_t key[16];
    addr_limit_key(a, key);
    const struct guesser *x = find(g, key);
    return x && !is_old(x, now) ? x : NULL;
}

static void forget(struct login_guard *g, struct guesser *x)
{
    list_remove(&x->by_last);
    (void)hmap_del(&g->by_key, x->key);
    slots_del(&g->guessers, x->self);
}

/* Two of the oldest that were quiet for long go for each one that comes, so that memory comes back;
 * at the ceiling the oldest goes in any case: otherwise whoever has enough addresses to fill the
 * table could guess from one more without being counted. */
static void make_room(struct login_guard *g, struct now now)
{
    for (unsigned n = 0; n < 2; n++) {
        struct list *oldest = list_first(&g->addrs);
        struct guesser *x = oldest ? CONTAINER_OF(oldest, struct guesser, by_last) : NULL;
        if (x && (g->guessers.live >= GUARD_ADDRS_MAX || is_old(x, now)))
            forget(g, x);
    }
}

static struct guesser *meet(struct login_guard *g, struct now now, const struct addr *a)
{
    uint8_t key[16];
    addr_limit_key(a, key);
    struct guesser *x = find(g, key);
    if (x && is_old(x, now)) {
        x->n = 0;
        x->times.n = x->times.at = 0;
    }
    if (x)
        return x;
    make_room(g, now);
    struct ref self;
    x = slots_add(&g->guessers, &self);
    if (!x)
        return NULL;
    x->self = self;
    memcpy(x->key, key, sizeof key);
    if (hmap_put(&g->by_key, key, pack(self))) {
        slots_del(&g->guessers, self);
        return NULL;
    }
    return x;
}

static void wake(const struct login_guard *g, nsec deadline)
{
    if (g->cfg.wake)
        g->cfg.wake(g->cfg.ctx, deadline);
}

/* What is banned is the address, or of IPv6 the /64. */
static void ban(struct login_guard *g, struct now now, struct guesser *x)
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
    struct ban b = {.kind = BAN_NET,
                    .bits = memcmp(x->key, v4, sizeof v4) == 0 ? 128 : 64,
                    .created = now.unix_ms,
                    .expires = now.unix_ms + (int64_t)g->policy.ban_s * 1000,
                    .reason = SPAN_LIT("too many failed logins"),
                    .author = SPAN_LIT("server")};
    struct buf why;
    memcpy(b.ip, x->key, sizeof b.ip);
    buf_init(&why, 256);
    int rc = ban_desk_add_own(g->cfg.bans, now, &b, &why);
    if (rc == 0)
        LOG(g->cfg.log, &row_banned, LF_ADDR("address", &x->addr), LF_UINT("failures", x->n),
            LF_UINT("seconds", g->policy.ban_s));
    else
        LOG(g->cfg.log, &row_not_banned, LF_ADDR("address", &x->addr),
            LF_STR("error", err_name(rc)), LF_SPAN("why", buf_span(&why)));
    buf_fini(&why);
    x->times.n = x->times.at = 0; /* after the ban it takes as many again */
}

static void count_address(struct login_guard *g, struct now now, const struct addr *a)
{
    struct guesser *x = meet(g, now, a);
    if (!x)
        return; /* memory is short: this one goes uncounted */
    list_remove(&x->by_last);
    list_push_back(&g->addrs, &x->by_last);
    x->addr = *a;
    x->n += x->n < COUNT_MAX;
    x->last_ms = ms_of(now);
    (void)times_add(&x->times, now);
    if (g->cfg.bans && g->policy.ban_s && g->policy.threshold &&
        times_count(&x->times, now, WINDOW_MS) >= g->policy.threshold)
        ban(g, now, x);
}

nsec login_guard_delay(const struct login_guard *g, struct now now, const struct addr *a)
{
    const struct guesser *x = recent(g, now, a);
    if (!x || x->n < FREE_GUESSES)
        return 0;
    unsigned doublings = x->n - FREE_GUESSES;
    nsec d = doublings > 8 ? DELAY_MAX : DELAY_MIN << doublings;
    return d < DELAY_MAX ? d : DELAY_MAX;
}

bool login_guard_refuses(const struct login_guard *g, struct now now, const struct addr *a,
                         uint32_t per_minute)
{
    const struct guesser *x = recent(g, now, a);
    return x && per_minute && times_count(&x->times, now, MINUTE_MS) >= per_minute;
}

/* ---- accounts ---- */

static struct guessed *account_of(const struct login_guard *g, int64_t id)
{
    uint64_t v;
    return hmap_get(&g->by_account, &id, &v) ? slots_get(&g->guessed, unpack(v)) : NULL;
}

static void forget_account(struct login_guard *g, struct guessed *x)
{
    list_remove(&x->by_last);
    (void)hmap_del(&g->by_account, &x->id);
    slots_del(&g->guessed, x->self);
}

static struct guessed *meet_account(struct login_guard *g, int64_t id)
{
    struct guessed *x = account_of(g, id);
    if (x)
        return x;
    struct list *oldest = list_first(&g->accounts);
    if (g->guessed.live == GUARD_ACCOUNTS_MAX && oldest)
        forget_account(g, CONTAINER_OF(oldest, struct guessed, by_last));
    struct ref self;
    x = slots_add(&g->guessed, &self);
    if (!x)
        return NULL;
    x->self = self;
    x->id = id;
    if (hmap_put(&g->by_account, &id, pack(self))) {
        slots_del(&g->guessed, self);
        return NULL;
    }
    return x;
}

static void count_account(struct login_guard *g, struct now now, const struct addr *a, int64_t id)
{
    uint8_t key[16];
    struct guessed *x = meet_account(g, id);
    if (!x)
        return;
    addr_limit_key(a, key);
    x->prefixes[times_add(&x->times, now)] = (uint32_t)siphash13(g->cfg.seed, key, sizeof key);
    x->last_ms = ms_of(now);
    x->fresh = true;
    list_remove(&x->by_last);
    list_push_back(&g->accounts, &x->by_last);
    if (g->look_at == NSEC_NEVER) {
        g->look_at = now.mono + LOOK_EVERY;
        wake(g, g->look_at);
    }
}

void login_guard_failed(struct login_guard *g, struct now now, const struct addr *a,
                        int64_t account)
{
    count_address(g, now, a);
    if (account && g->cfg.store && g->policy.threshold && g->policy.lock_s)
        count_account(g, now, a, account);
}

/* How many addresses guessed within the window; *n: how often. */
static unsigned addresses_of(const struct guessed *x, struct now now, unsigned *n)
{
    uint32_t bits = times_within(&x->times, now, WINDOW_MS);
    unsigned distinct = 0;
    *n = (unsigned)__builtin_popcount(bits);
    for (unsigned i = 0; i < x->times.n; i++) {
        if (!(bits >> i & 1))
            continue;
        bool seen = false;
        for (unsigned k = 0; k < i; k++)
            seen |= (bits >> k & 1) && x->prefixes[k] == x->prefixes[i];
        distinct += !seen;
    }
    return distinct;
}

static void on_locked(void *ctx, struct now now, const struct answer *a)
{
    struct login_guard *g = ctx;
    struct guessed *x = slots_get(&g->guessed, unpack(a->req));
    char id[24], details[128];
    unsigned n, addresses;
    if (!x)
        return; /* others have been guessed at since */
    x->asking = false;
    addresses = addresses_of(x, now, &n);
    if (a->rc) {
        LOG(g->cfg.log, &row_not_locked, LF_INT("account", x->id), LF_UINT("failures", n),
            LF_UINT("addresses", addresses), LF_STR("error", err_name(a->rc)));
        if (a->rc != E_REFUSED)
            return; /* the next guess tries again */
    } else {
        LOG(g->cfg.log, &row_locked, LF_INT("account", x->id), LF_UINT("failures", n),
            LF_UINT("addresses", addresses), LF_UINT("seconds", g->policy.lock_s));
    }
    (void)snprintf(details, sizeof details, "%u failed logins from %u addresses; %s", n, addresses,
                   a->rc ? "not locked, as the last admin" : "locked for a while");
    struct audit_record r = {.type = AUDIT_SECURITY,
                             .subtype = AUDIT_SUB_ACCOUNT_LOCKED,
                             .game = SPAN_LIT("server"),
                             .account = audit_account(x->id, id),
                             .details = span_str(details)};
    audit_log_add(g->cfg.audit, now, &r);
    forget_account(g, x); /* it takes as many again */
}

static void lock(struct login_guard *g, struct now now, struct guessed *x)
{
    const struct value v[] = {VALUE_OF_INT(x->id),
                              VALUE_OF_INT(now.unix_ms + (int64_t)g->policy.lock_s * 1000)};
    struct ask ask = query_ask(QUERY_ACCOUNT_LOCK, v, ARRAY_LEN(v));
    struct ask_owner owner = {on_locked, g, pack(x->self)};
    x->asking = g->cfg.store->submit(g->cfg.store, &ask, owner) == 0;
    x->fresh = !x->asking; /* refused: at the next look */
}

/* From the newest back to those that were seen before. */
static void look(struct login_guard *g, struct now now)
{
    bool again = false;
    for (struct list *node = g->accounts.prev, *prev; node != &g->accounts; node = prev) {
        struct guessed *x = CONTAINER_OF(node, struct guessed, by_last);
        unsigned n;
        prev = node->prev;
        if (ms_of(now) - x->last_ms > WINDOW_MS) {
            if (!x->asking)
                forget_account(g, x);
            continue;
        }
        if (!x->fresh || x->asking)
            continue;
        x->fresh = false;
        if (addresses_of(x, now, &n) >= PREFIXES_MIN && n >= g->policy.threshold)
            lock(g, now, x);
        again |= x->fresh;
    }
    g->look_at = again ? now.mono + LOOK_EVERY : NSEC_NEVER;
}

nsec login_guard_time(struct login_guard *g, struct now now)
{
    if (now.mono >= g->look_at)
        look(g, now);
    return g->look_at;
}
