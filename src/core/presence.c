#include "core/presence.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/mem.h"
#include "base/slots.h"
#include "base/timerq.h"
#include "core/presence_wire.h"

#include <stdio.h>

#define TRIES_MAX 8u /* to get the better of a key that others change */
#define BUSY_WAIT (50 * NSEC_PER_MS)

enum { M_CLAIMS, M_GRANTED, M_ALONE, M_REFUSED, M_TAKEN_OVER, M_LOST, METRICS_N };

static const struct metric_row metric_rows[METRICS_N] = {
    [M_CLAIMS] = {"slipgate_presence_claims", "", METRIC_GAUGE,
                  "Accounts that are signed in to a game here."},
    [M_GRANTED] = {"slipgate_presence_asks_total", "result=\"granted\"", METRIC_COUNTER,
                   "Sign-ins by what presence said; alone: granted without the cache."},
    [M_ALONE] = {"slipgate_presence_asks_total", "result=\"alone\"", METRIC_COUNTER, NULL},
    [M_REFUSED] = {"slipgate_presence_asks_total", "result=\"refused\"", METRIC_COUNTER, NULL},
    [M_TAKEN_OVER] = {"slipgate_presence_moves_total", "direction=\"here\"", METRIC_COUNTER,
                      "Sign-ins that ended another process's session, and the other way round."},
    [M_LOST] = {"slipgate_presence_moves_total", "direction=\"away\"", METRIC_COUNTER, NULL},
};

static const struct log_row log_lost = {LOG_INFO, "presence.lost",
                                        "account is signed in elsewhere: its session here ends"};
static const struct log_row log_alone = {
    LOG_WARN, "presence.alone",
    "without the cache other processes are not asked who is signed in there"};
static const struct log_row log_again = {LOG_INFO, "presence.again",
                                         "claims are compared with those of other processes"};

/* An ask, waiting for its claim or for the loop to come by with its answer. */
struct wait {
    struct wait *next;
    struct ask_owner owner;
    enum ask_kind kind;
    int rc;
    int64_t evict; /* the account whose sessions of that other game here end first; 0: none */
    uint8_t game_n;
    uint8_t game[CLUSTER_GAME_MAX];
};

struct scope {
    int64_t account;
    uint8_t game_n; /* 0: server */
    uint8_t game[CLUSTER_GAME_MAX];
};

enum step { STEP_IDLE, STEP_ABSENT, STEP_EQUAL };

struct claim {
    struct ref ref;
    struct scope scope;
    uint8_t game_n; /* the game that holds it, in scope server too */
    uint8_t game[CLUSTER_GAME_MAX];
    bool held;      /* granted and not released since */
    int64_t stamp;  /* when it was made: what is to stand in the cache */
    int64_t flying; /* what is on its way there */
    int64_t cached; /* what stands there as far as is known; 0: nothing of ours */
    enum step step;
    uint8_t tries;
    bool replace; /* one of those that wait may */
    bool taking;  /* another process is to be told */
    bool lost;    /* until its sessions have released it */
    bool again;   /* compare once more when the present step is done */
    struct timer due;
    struct wait *first, **last;
};

struct presence {
    struct ask_port port;
    struct presence_cfg cfg;
    uint8_t node[NODE_MAX];
    size_t metric_base;
    struct loop_timer *timer;
    struct slots claims;
    struct hmap by_scope; /* slot and generation */
    struct timerq dues;
    uint32_t flight, asks;
    struct wait *done, **done_last;
    bool closed;
};

static void count(struct presence *p, size_t row)
{
    metrics_add(p->cfg.metrics, p->metric_base + row, 1);
}

static void gauge(struct presence *p)
{
    metrics_set(p->cfg.metrics, p->metric_base + M_CLAIMS, p->claims.live);
}

static uint64_t ref_pack(struct ref r)
{
    return (uint64_t)r.gen << 32 | r.slot;
}

static struct claim *claim_of(const struct presence *p, uint64_t packed)
{
    struct ref r = {(uint32_t)packed, (uint32_t)(packed >> 32)};
    return slots_get(&p->claims, r);
}

static struct scope scope_of(int64_t account, struct span game)
{
    struct scope s;
    memset(&s, 0, sizeof s); /* a key is all its bytes */
    s.account = account;
    s.game_n = (uint8_t)game.n;
    if (game.n)
        memcpy(s.game, game.p, game.n);
    return s;
}

static struct claim *find(const struct presence *p, int64_t account, struct span game)
{
    struct scope s = scope_of(account, game);
    uint64_t packed;
    return hmap_get(&p->by_scope, &s, &packed) ? claim_of(p, packed) : NULL;
}

static struct span game_of(const struct claim *c)
{
    return span_of(c->game, c->game_n);
}

static void set_game(struct claim *c, struct span game)
{
    c->game_n = (uint8_t)game.n;
    memcpy(c->game, game.p, game.n);
}

/* The claim has neither holders nor a step under way. */
static void forget(struct presence *p, struct claim *c)
{
    CHECK(!c->first && c->step == STEP_IDLE);
    timerq_cancel(&p->dues, &c->due);
    hmap_del(&p->by_scope, &c->scope);
    slots_del(&p->claims, c->ref);
    gauge(p);
}

static struct claim *add(struct presence *p, int64_t account, struct span scope, struct span game)
{
    struct ref ref;
    struct claim *c = slots_add(&p->claims, &ref);
    if (!c)
        return NULL;
    c->ref = ref;
    c->scope = scope_of(account, scope);
    c->last = &c->first;
    set_game(c, game);
    if (hmap_put(&p->by_scope, &c->scope, ref_pack(ref))) {
        slots_del(&p->claims, ref);
        return NULL;
    }
    gauge(p);
    return c;
}

/* --- answers --- */

static void finish(struct presence *p, struct wait *w, int rc)
{
    w->rc = rc;
    w->next = NULL;
    *p->done_last = w;
    p->done_last = &w->next;
    p->cfg.loop->ops->timer_set(p->timer, 0);
}

static void give_answers(struct presence *p, struct now now)
{
    struct wait *w = p->done;
    p->done = NULL;
    p->done_last = &p->done;
    while (w) {
        struct wait *next = w->next;
        struct answer a = {.req = w->owner.req, .kind = w->kind, .rc = w->rc};
        p->asks--;
        if (w->evict)
            p->cfg.lost(p->cfg.ctx, now, w->evict, span_of(w->game, w->game_n));
        w->owner.answer(w->owner.ctx, now, &a);
        mem_free(w);
        w = next;
    }
}

/* --- what stands in the cache --- */

static size_t holder_of(const struct presence *p, int64_t stamp, uint8_t to[PRESENCE_HOLDER_MAX])
{
    struct holder h = {stamp, p->cfg.node};
    return holder_encode(&h, to);
}

static size_t key_of(const struct scope *s, char to[CACHE_KEY_MAX])
{
    int n = s->game_n ? snprintf(to, CACHE_KEY_MAX, "session:%lld:%.*s", (long long)s->account,
                                 (int)s->game_n, (const char *)s->game)
                      : snprintf(to, CACHE_KEY_MAX, "session:%lld:*", (long long)s->account);
    CHECK(n > 0 && (size_t)n < CACHE_KEY_MAX);
    return (size_t)n;
}

static void on_cache(void *ctx, struct now now, const struct cache_answer *a);

/* Writes the claim over `old` (empty: where nothing is). */
static int write(struct presence *p, struct claim *c, struct span old)
{
    char key[CACHE_KEY_MAX];
    uint8_t value[PRESENCE_HOLDER_MAX];
    struct cache_ask ask = {
        .op = old.n ? CACHE_PUT_EQUAL : CACHE_PUT_ABSENT,
        .key = span_of(key, key_of(&c->scope, key)),
        .old = old,
        .value = span_of(value, holder_of(p, c->stamp, value)),
        .ttl_ms = PRESENCE_TTL_MS,
    };
    int rc = cache_submit(p->cfg.cache, &ask, (struct cache_owner){on_cache, p, ref_pack(c->ref)});
    if (rc)
        return rc;
    c->flying = c->stamp;
    c->step = old.n ? STEP_EQUAL : STEP_ABSENT;
    p->flight++;
    return 0;
}

/* Writes it over what it left there itself. */
static int rewrite(struct presence *p, struct claim *c)
{
    uint8_t old[PRESENCE_HOLDER_MAX];
    return write(p, c, c->cached ? span_of(old, holder_of(p, c->cached, old)) : SPAN_NULL);
}

/* Nobody waits for this: what stays behind goes by itself in time. */
static void take_out(struct presence *p, struct claim *c)
{
    char key[CACHE_KEY_MAX];
    uint8_t old[PRESENCE_HOLDER_MAX];
    if (!c->cached)
        return;
    struct cache_ask ask = {.op = CACHE_DEL_EQUAL,
                            .key = span_of(key, key_of(&c->scope, key)),
                            .old = span_of(old, holder_of(p, c->cached, old))};
    c->cached = 0;
    int rc = cache_submit(p->cfg.cache, &ask, (struct cache_owner){NULL, NULL, 0});
    (void)rc;
}

/* --- a claim's way --- */

static void give_up_if_unused(struct presence *p, struct claim *c)
{
    if (c->held || c->first || c->step != STEP_IDLE)
        return;
    take_out(p, c);
    forget(p, c);
}

/* The present step is done; those that wait are told rc. */
static void settle(struct presence *p, struct claim *c, struct now now, int rc)
{
    while (c->first) {
        struct wait *w = c->first;
        c->first = w->next;
        if (rc == 0)
            c->held = true;
        count(p, rc ? M_REFUSED : c->cached ? M_GRANTED : M_ALONE);
        finish(p, w, rc);
    }
    c->last = &c->first;
    c->replace = c->taking = false;
    c->tries = 0;
    nsec wait = c->again ? 0 : c->cached ? PRESENCE_REFRESH : PRESENCE_RETRY;
    c->again = false;
    if (!c->lost)
        timerq_set(&p->dues, &c->due, now.mono + wait);
    give_up_if_unused(p, c);
}

/* The sessions here end. The last thing done with the claim: they release it meanwhile. */
static void lose(struct presence *p, struct claim *c, struct now now)
{
    struct scope s = c->scope;
    c->lost = true;
    c->cached = 0;
    timerq_cancel(&p->dues, &c->due);
    count(p, M_LOST);
    LOG(p->cfg.log, &log_lost, LF_INT("account", s.account), LF_SPAN("game", game_of(c)));
    give_up_if_unused(p, c);
    p->cfg.lost(p->cfg.ctx, now, s.account, span_of(s.game, s.game_n));
}

/* The cache cannot say now: this process decides alone and asks again later. */
static void alone(struct presence *p, struct claim *c, struct now now)
{
    settle(p, c, now, 0);
}

static void overwrite(struct presence *p, struct claim *c, struct now now, struct span theirs)
{
    if (++c->tries > TRIES_MAX || write(p, c, theirs))
        alone(p, c, now);
}

/* Something else stands there. */
static void conflict(struct presence *p, struct claim *c, struct now now, struct span theirs)
{
    struct holder other = {0, SPAN_NULL}, own = {c->stamp, p->cfg.node};
    c->cached = 0;
    if (holder_decode(theirs, &other) == 0 && span_eq(other.node, p->cfg.node)) {
        overwrite(p, c, now, theirs);
        return;
    }
    bool stays = c->first ? c->replace : holder_newer(&own, &other);
    if (stays) {
        if (c->stamp <= other.stamp)
            c->stamp = other.stamp < PRESENCE_STAMP_MAX ? other.stamp + 1 : other.stamp;
        c->taking = true;
        overwrite(p, c, now, theirs);
        return;
    }
    bool sessions = c->held;
    struct ref ref = c->ref;
    c->lost = true;
    settle(p, c, now, E_EXISTS);
    c = slots_get(&p->claims, ref);
    if (c && sessions)
        lose(p, c, now);
}

static void written(struct presence *p, struct claim *c, struct now now)
{
    c->cached = c->flying;
    if (c->taking) {
        struct cluster_message m = {CLUSTER_SIGNED_IN, c->scope.account,
                                    span_of(c->scope.game, c->scope.game_n)};
        count(p, M_TAKEN_OVER);
        cluster_tell(p->cfg.cluster, now, &m);
    }
    settle(p, c, now, 0);
}

static void pump(struct presence *p, struct now now)
{
    while (!p->closed && p->flight < PRESENCE_FLIGHT_MAX && cache_up(p->cfg.cache)) {
        struct timer *t = timerq_pop(&p->dues, now.mono);
        if (!t)
            break;
        struct claim *c = CONTAINER_OF(t, struct claim, due);
        if (c->step != STEP_IDLE)
            continue; /* settle sets it again */
        int rc = rewrite(p, c);
        if (rc)
            timerq_set(&p->dues, t, now.mono + (rc == E_BUSY ? BUSY_WAIT : PRESENCE_RETRY));
        if (rc == E_BUSY)
            break;
    }
    if (p->closed)
        return;
    /* Otherwise an answer or the cache's return goes on from here. */
    bool wanted = p->flight < PRESENCE_FLIGHT_MAX && cache_up(p->cfg.cache);
    p->cfg.loop->ops->timer_set(p->timer, p->done  ? now.mono
                                          : wanted ? timerq_deadline(&p->dues)
                                                   : NSEC_NEVER);
}

static void on_cache(void *ctx, struct now now, const struct cache_answer *a)
{
    struct presence *p = ctx;
    struct claim *c = claim_of(p, a->req);
    p->flight--;
    if (p->closed || !c)
        return;
    enum step step = c->step;
    c->step = STEP_IDLE;
    if (a->rc == 0)
        written(p, c, now);
    else if (a->rc == E_EXISTS || a->rc == E_STALE)
        conflict(p, c, now, a->value);
    else if (a->rc == E_NOENT && step == STEP_EQUAL) {
        c->cached = 0;
        overwrite(p, c, now, SPAN_NULL);
    } else {
        alone(p, c, now);
    }
    pump(p, now);
}

static void on_timer(void *ctx, struct now now)
{
    struct presence *p = ctx;
    give_answers(p, now);
    pump(p, now);
}

static void on_state(void *ctx, struct now now, bool up)
{
    struct presence *p = ctx;
    uint32_t at = 0;
    struct ref ref;
    if (p->closed)
        return;
    if (!up)
        LOG(p->cfg.log, &log_alone, LF_UINT("claims", p->claims.live));
    else if (p->claims.live)
        LOG(p->cfg.log, &log_again, LF_UINT("claims", p->claims.live));
    for (struct claim *c; up && (c = slots_next(&p->claims, &at, &ref));)
        if (!c->lost && c->step == STEP_IDLE)
            timerq_set(&p->dues, &c->due, now.mono);
    pump(p, now);
}

/* Another process says that it took the account over. It may have been taken back since, so the
 * cache is asked; without it, the message counts. */
static void on_cluster(void *ctx, struct now now, const struct cluster_message *m)
{
    struct presence *p = ctx;
    if (p->closed || m->kind != CLUSTER_SIGNED_IN)
        return;
    struct claim *c = find(p, m->id, m->game);
    if (!c || c->lost || !c->held)
        return;
    if (c->step != STEP_IDLE)
        c->again = true;
    else if (cache_up(p->cfg.cache))
        timerq_set(&p->dues, &c->due, now.mono);
    else {
        lose(p, c, now);
        return;
    }
    pump(p, now);
}

/* --- asks --- */

static struct wait *make_wait(struct presence *p, const struct ask *ask, struct ask_owner owner)
{
    struct wait *w = p->asks < PRESENCE_ASKS_MAX ? mem_zalloc(1, sizeof *w) : NULL;
    if (!w)
        return NULL;
    w->owner = owner;
    w->kind = ask->kind;
    p->asks++;
    return w;
}

static void drop_wait(struct presence *p, struct wait *w)
{
    p->asks--;
    mem_free(w);
}

static int64_t stamp_of(struct now now)
{
    return now.unix_ms < 1                    ? 1
           : now.unix_ms > PRESENCE_STAMP_MAX ? PRESENCE_STAMP_MAX
                                              : now.unix_ms;
}

/* Scope server: another game here holds it. True when that is in the way. */
static bool held_by_another_game(struct claim *c, struct wait *w, struct span game, bool replace)
{
    if (!c->held || c->lost || span_eq(game_of(c), game))
        return false;
    if (!replace)
        return true;
    w->evict = c->scope.account;
    w->game_n = c->game_n;
    memcpy(w->game, c->game, c->game_n);
    c->held = false;
    return false;
}

static void claim_again(struct presence *p, struct claim *c, struct wait *w, struct now now)
{
    int64_t stamp = stamp_of(now);
    if (c->stamp < stamp)
        c->stamp = stamp;
    c->held = true;
    c->again = c->step != STEP_IDLE;
    if (!c->again)
        timerq_set(&p->dues, &c->due, now.mono);
    count(p, c->cached ? M_GRANTED : M_ALONE);
    finish(p, w, 0);
}

static int claim(struct presence *p, const struct ask *ask, struct ask_owner owner, struct now now)
{
    struct span game = ask->u.claim.game, scope = ask->u.claim.server ? SPAN_NULL : game;
    int64_t account = ask->u.claim.account;
    CHECK(account > 0 && game.n > 0 && game.n <= CLUSTER_GAME_MAX);
    struct wait *w = make_wait(p, ask, owner);
    if (!w)
        return E_BUSY;
    struct claim *c = find(p, account, scope);
    if (!c && !(c = add(p, account, scope, game))) {
        drop_wait(p, w);
        return E_BUSY;
    }
    bool ours = c->held && !c->lost && !c->first;
    if (held_by_another_game(c, w, game, ask->u.claim.replace)) {
        count(p, M_REFUSED);
        finish(p, w, E_EXISTS);
        return 0;
    }
    set_game(c, game);
    if (ours) {
        claim_again(p, c, w, now);
        return 0;
    }
    *c->last = w;
    c->last = &w->next;
    c->replace |= ask->u.claim.replace;
    if (c->step != STEP_IDLE)
        return 0;
    c->lost = false;
    c->stamp = stamp_of(now);
    if (rewrite(p, c))
        alone(p, c, now);
    return 0;
}

static int release(struct presence *p, const struct ask *ask, struct ask_owner owner)
{
    struct span game = ask->u.release.game;
    struct claim *c = find(p, ask->u.release.account, game);
    if (!c)
        c = find(p, ask->u.release.account, SPAN_NULL);
    if (c && c->held && span_eq(game_of(c), game)) {
        c->held = false;
        give_up_if_unused(p, c);
    }
    struct wait *w = make_wait(p, ask, owner);
    if (!w)
        return E_BUSY;
    finish(p, w, 0);
    return 0;
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct presence *p = CONTAINER_OF(port, struct presence, port);
    if (p->closed)
        return E_BUSY;
    CHECK(ask->kind == ASK_CLAIM || ask->kind == ASK_RELEASE);
    if (ask->kind == ASK_RELEASE)
        return release(p, ask, owner);
    return claim(p, ask, owner, p->cfg.loop->ops->now(p->cfg.loop));
}

/* --- life --- */

static int open(struct presence *p)
{
    int base = metrics_register(p->cfg.metrics, metric_rows, METRICS_N);
    if (base < 0)
        return base;
    p->metric_base = (size_t)base;
    int rc = p->cfg.loop->ops->timer_open(p->cfg.loop, on_timer, p, &p->timer);
    if (rc)
        return rc;
    rc = cache_listen(p->cfg.cache, SPAN_NULL,
                      &(struct cache_listener){.state = on_state, .ctx = p});
    if (rc == 0 && p->cfg.cluster)
        rc = cluster_listen(p->cfg.cluster, on_cluster, p);
    return rc;
}

int presence_create(struct presence **ret, const struct presence_cfg *cfg)
{
    uint64_t seed[2];
    if (cfg->node.n == 0 || cfg->node.n > NODE_MAX)
        return E_RANGE;
    struct presence *p = mem_zalloc(1, sizeof *p);
    if (!p)
        return E_NOMEM;
    p->cfg = *cfg;
    memcpy(p->node, cfg->node.p, cfg->node.n);
    p->cfg.node.p = p->node;
    p->port.submit = submit;
    p->done_last = &p->done;
    uint32_t max = cfg->claims_max ? cfg->claims_max : PRESENCE_CLAIMS_MAX;
    entropy_get(cfg->entropy, seed, sizeof seed);
    hmap_init(&p->by_scope, sizeof(struct scope), seed, max);
    slots_init(&p->claims, sizeof(struct claim), max);
    timerq_init(&p->dues);
    int rc = open(p);
    if (rc) {
        /* Neither cache nor cluster calls before the loop runs again, and who made them is told. */
        if (p->timer)
            cfg->loop->ops->timer_close(p->timer);
        mem_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

struct ask_port *presence_port(struct presence *p)
{
    return &p->port;
}

void presence_close(struct presence *p)
{
    uint32_t at = 0;
    struct ref ref;
    if (!p || p->closed)
        return;
    p->closed = true;
    for (struct claim *c; (c = slots_next(&p->claims, &at, &ref));) {
        while (c->first) {
            struct wait *w = c->first;
            c->first = w->next;
            finish(p, w, E_BUSY);
        }
        c->cached = c->step != STEP_IDLE ? c->flying : c->cached;
        take_out(p, c);
    }
    while (p->done)
        give_answers(p, p->cfg.loop->ops->now(p->cfg.loop));
    p->cfg.loop->ops->timer_close(p->timer);
}

void presence_destroy(struct presence *p)
{
    if (!p)
        return;
    presence_close(p);
    hmap_fini(&p->by_scope);
    slots_fini(&p->claims);
    mem_free(p);
}

uint32_t presence_claims(const struct presence *p)
{
    return p->claims.live;
}

static const char *fault_of(const struct presence *p, const struct claim *c)
{
    if (find(p, c->scope.account, span_of(c->scope.game, c->scope.game_n)) != c)
        return "a claim that is not found by its scope";
    if (!c->held && !c->first && c->step == STEP_IDLE)
        return "a claim that nobody holds";
    if (c->first && c->step == STEP_IDLE)
        return "an ask that waits for nothing";
    if (c->step == STEP_IDLE && !c->lost && !c->due.set)
        return "a claim that is never refreshed";
    return c->lost && c->cached ? "a lost claim in the cache" : NULL;
}

int presence_check(const struct presence *p, struct buf *why)
{
    uint32_t at = 0, flying = 0;
    struct ref ref;
    const char *fault = NULL;
    if (p->closed)
        return 0;
    for (const struct claim *c; !fault && (c = slots_next(&p->claims, &at, &ref));) {
        fault = fault_of(p, c);
        flying += c->step != STEP_IDLE;
    }
    if (!fault && (flying != p->flight || p->claims.live != p->by_scope.live))
        fault = "counts that do not add up";
    if (!fault)
        return 0;
    (void)buf_append_str(why, fault);
    return E_STALE;
}
