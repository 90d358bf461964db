#include "core/session.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/session_priv.h"
#include "wire/text.h"

nsec session_after(struct now now, uint32_t ms)
{
    return ms ? now.mono + ms * NSEC_PER_MS : NSEC_NEVER;
}

void session_wake(struct sessions *ss, nsec at)
{
    if (at != NSEC_NEVER)
        host_wake(ss->host, at);
}

/* SHA-256 of the token's bytes. */
static int hash_of(struct span token, uint8_t hash[SESSION_HASH])
{
    char hex[TOKEN_HASH + 1];
    int rc = token_hash_any(token, hex);
    return rc ? rc : hex_decode(span_of(hex, TOKEN_HASH), hash, SESSION_HASH) < 0 ? E_CRYPTO : 0;
}

struct session *session_of_hash(const struct sessions *ss, const uint8_t hash[SESSION_HASH])
{
    uint64_t v;
    return hmap_get(&ss->by_token, hash, &v) ? slots_get(&ss->all, session_unpack(v)) : NULL;
}

struct session *session_oldest(const struct sessions *ss, int64_t account)
{
    uint64_t v;
    return hmap_get(&ss->by_account, &account, &v) ? slots_get(&ss->all, session_unpack(v)) : NULL;
}

int session_add(struct sessions *ss, const uint8_t hash[SESSION_HASH], struct session **ret)
{
    struct ref self;
    if (ss->all.live >= ss->all.max)
        return E_FULL;
    struct session *s = slots_add(&ss->all, &self);
    if (!s)
        return E_NOMEM;
    int rc = hmap_put(&ss->by_token, hash, session_pack(self));
    if (rc) {
        slots_del(&ss->all, self);
        return rc;
    }
    s->self = self;
    s->state = S_GONE;
    memcpy(s->hash, hash, SESSION_HASH);
    *ret = s;
    return 0;
}

int session_chain(struct sessions *ss, struct session *s, int64_t account)
{
    struct session *last = session_oldest(ss, account);
    if (!last) {
        int rc = hmap_put(&ss->by_account, &account, session_pack(s->self));
        if (rc)
            return rc;
    } else {
        while (last->younger)
            last = last->younger;
        last->younger = s;
        s->older = last;
    }
    s->account = account;
    return 0;
}

void session_endpoint_key(const struct addr *a, uint8_t key[SESSION_ENDPOINT])
{
    memcpy(key, a->ip, 16);
    memcpy(key + 16, &a->scope, 4);
    memcpy(key + 20, &a->port, 2);
}

int session_take_endpoint(struct sessions *ss, struct now now, struct session *s,
                          const struct addr *a)
{
    uint8_t key[SESSION_ENDPOINT], old[SESSION_ENDPOINT];
    uint64_t v;
    session_endpoint_key(a, key);
    struct session *other =
        hmap_get(&ss->by_endpoint, key, &v) ? slots_get(&ss->all, session_unpack(v)) : NULL;
    if (other && session_alive(other, now))
        return E_EXISTS;
    if (other)
        session_finish(ss, now, other, SESSION_EXPIRED, false, true);
    int rc = hmap_put(&ss->by_endpoint, key, session_pack(s->self));
    if (rc)
        return rc;
    if (s->bound) {
        session_endpoint_key(&s->endpoint, old);
        (void)hmap_del(&ss->by_endpoint, old);
    }
    s->bound = true;
    s->endpoint = *a;
    return 0;
}

void session_arm(struct sessions *ss, struct session *s)
{
    nsec at = session_deadline(s);
    if (s->stored && s->save_at < at)
        at = s->save_at;
    timerq_set(&ss->timers, &s->timer, at);
    session_wake(ss, at);
}

void session_begin(struct sessions *ss, struct now now, struct session *s)
{
    s->state = S_LIVE;
    s->saved_until = session_deadline(s);
    s->save_at = now.mono + session_save_every(ss);
    s->look_at = now.mono + SESSION_LOOK_S * NSEC_PER_S;
    mem_wipe(s->token, sizeof s->token);
    ss->live++;
    session_arm(ss, s);
}

/* ---- making one ---- */

size_t session_count(struct sessions *ss, struct now now, int64_t account)
{
    size_t n = 0;
    struct session *next;
    for (struct session *s = session_oldest(ss, account); s; s = next) {
        next = s->younger;
        if (s->state == S_LIVE && !session_alive(s, now))
            session_finish(ss, now, s, SESSION_EXPIRED, false, true);
        else
            n++;
    }
    return n;
}

static int may_make(struct sessions *ss, struct now now, int64_t account)
{
    if (account <= 0)
        return E_RANGE;
    size_t n = session_count(ss, now, account);
    if (n && ss->policy.single == SESSION_REFUSE)
        return E_EXISTS;
    if (n >= SESSION_ACCOUNT_MAX)
        return E_LIMIT;
    return ss->policy.survive && ss->making >= SESSION_MAKING_MAX ? E_BUSY : 0;
}

static int make(struct sessions *ss, struct now now, int64_t account, struct session **ret)
{
    uint8_t token[TOKEN_BYTES], hash[SESSION_HASH];
    struct session *s = NULL;
    host_entropy(ss->host, token, sizeof token);
    int rc = hash_of(span_of(token, sizeof token), hash);
    if (rc == 0 && session_of_hash(ss, hash))
        rc = E_CRYPTO; /* what draws the same 256 bits twice is no source of tokens */
    if (rc == 0)
        rc = session_add(ss, hash, &s);
    if (rc == 0) {
        rc = session_chain(ss, s, account);
        if (rc)
            session_settle(ss, s);
    }
    if (rc == 0) {
        s->status = ss->policy.pending_ms ? SESSION_PENDING : SESSION_ACTIVE;
        s->created_ms = now.unix_ms;
        s->life_until = session_after(now, ss->policy.life_ms);
        s->until =
            session_after(now, ss->policy.pending_ms ? ss->policy.pending_ms : ss->policy.idle_ms);
        s->state = S_MAKING;
        ss->making++;
        memcpy(s->token, token, sizeof token);
        *ret = s;
    }
    mem_wipe(token, sizeof token);
    return rc;
}

int session_create(struct sessions *ss, struct now now, int64_t account, uint64_t owner,
                   struct session_result *ret)
{
    struct session *s;
    int rc = may_make(ss, now, account);
    if (rc == 0)
        rc = make(ss, now, account, &s);
    if (rc)
        return rc;
    s->mark = owner;
    if (ss->policy.survive) {
        s->stored = true;
        rc = session_make(ss, now, s);
        if (rc == 0)
            return E_AGAIN;
        s->stored = false;
        session_scrap(ss, now, s);
        return rc;
    }
    *ret = (struct session_result){
        .made = true, .owner = owner, .session = {s->self}, .account = account};
    memcpy(ret->token, s->token, sizeof ret->token);
    ss->making--;
    session_begin(ss, now, s);
    if (ss->policy.single == SESSION_REPLACE)
        session_replace(ss, now, s);
    return 0;
}

/* ---- finding ---- */

int session_find(struct sessions *ss, struct now now, struct span token, const struct addr *peer,
                 uint64_t owner, struct session_ref *ret)
{
    uint8_t hash[SESSION_HASH];
    if (token.n != TOKEN_BYTES)
        return E_NOENT;
    int rc = hash_of(token, hash);
    if (rc)
        return rc;
    struct session *s = session_of_hash(ss, hash);
    if (!s)
        return ss->policy.survive ? session_lookup(ss, now, hash, peer, owner) : E_NOENT;
    if (s->state == S_GONE && s->stored && !s->erased)
        return E_BUSY; /* what is at the store belongs to others by now: look when it is through */
    if (!session_alive(s, now))
        return E_NOENT;
    ret->r = s->self;
    return 0;
}

int session_by_endpoint(const struct sessions *ss, struct now now, const struct addr *a,
                        struct session_ref *ret)
{
    uint8_t key[SESSION_ENDPOINT];
    uint64_t v;
    session_endpoint_key(a, key);
    if (!hmap_get(&ss->by_endpoint, key, &v))
        return E_NOENT;
    const struct session *s = slots_get(&ss->all, session_unpack(v));
    if (!s || !session_alive(s, now))
        return E_NOENT;
    ret->r = s->self;
    return 0;
}

size_t session_by_account(const struct sessions *ss, struct now now, int64_t account,
                          struct session_ref *ret, size_t cap)
{
    size_t n = 0;
    for (const struct session *s = session_oldest(ss, account); s; s = s->younger) {
        if (!session_alive(s, now))
            continue;
        if (n < cap)
            ret[n].r = s->self;
        n++;
    }
    return n;
}

bool session_get(const struct sessions *ss, struct now now, struct session_ref ref,
                 struct session_view *ret)
{
    const struct session *s = session_at(ss, ref);
    if (!s || !session_alive(s, now))
        return false;
    *ret = (struct session_view){
        .account = s->account,
        .mark = s->mark,
        .status = s->status,
        .bound = s->bound,
        .endpoint = s->endpoint,
        .created_ms = s->created_ms,
        .until = session_deadline(s),
    };
    return true;
}

bool sessions_next(const struct sessions *ss, struct now now, uint32_t *at, struct session_ref *ret)
{
    const struct session *s;
    while ((s = slots_next(&ss->all, at, &ret->r)))
        if (session_alive(s, now))
            return true;
    return false;
}

uint32_t sessions_live(const struct sessions *ss)
{
    return ss->live;
}

/* ---- its life ---- */

static void make_active(struct sessions *ss, struct now now, struct session *s)
{
    if (s->status == SESSION_PENDING) {
        s->status = SESSION_ACTIVE;
        session_want(ss, now, s, WANT_SAVE);
    }
    s->until = session_after(now, ss->policy.idle_ms);
    session_arm(ss, s);
}

int session_bind(struct sessions *ss, struct now now, struct session_ref ref, const struct addr *a)
{
    struct session *s = session_at(ss, ref);
    if (!s || !session_alive(s, now))
        return E_STALE;
    if (!s->bound || !addr_eq(&s->endpoint, a)) {
        if (s->bound && !ss->policy.rebind)
            return E_REFUSED;
        int rc = session_take_endpoint(ss, now, s, a);
        if (rc)
            return rc;
        session_want(ss, now, s, WANT_SAVE);
    }
    make_active(ss, now, s);
    return 0;
}

int session_activate(struct sessions *ss, struct now now, struct session_ref ref)
{
    struct session *s = session_at(ss, ref);
    if (!s || !session_alive(s, now))
        return E_STALE;
    make_active(ss, now, s);
    return 0;
}

/* The timer stays where it is: when it goes off the session is looked at again. Only a policy that
 * became shorter brings it forward. */
void session_touch(struct sessions *ss, struct now now, struct session_ref ref)
{
    struct session *s = session_at(ss, ref);
    if (!s || !session_alive(s, now) || s->status != SESSION_ACTIVE)
        return;
    s->until = session_after(now, ss->policy.idle_ms);
    if (!s->timer.set || session_deadline(s) < s->timer.deadline)
        session_arm(ss, s);
}

void session_set_mark(struct sessions *ss, struct session_ref ref, uint64_t mark)
{
    struct session *s = session_at(ss, ref);
    if (s)
        s->mark = mark;
}

/* ---- time ---- */

static void due(struct sessions *ss, struct now now, struct session *s)
{
    if (!session_alive(s, now)) {
        session_finish(ss, now, s, SESSION_EXPIRED, false, true);
        return;
    }
    if (s->stored && now.mono >= s->save_at) {
        s->save_at = now.mono + session_save_every(ss);
        if (s->saved_until != session_deadline(s))
            session_want(ss, now, s, WANT_SAVE);
        else if (now.mono >= s->look_at)
            session_want(ss, now, s, WANT_LOOK);
    }
    session_arm(ss, s);
}

void sessions_time(struct sessions *ss, struct now now)
{
    struct timer *t;
    while ((t = timerq_pop(&ss->timers, now.mono)))
        due(ss, now, CONTAINER_OF(t, struct session, timer));
    session_pump(ss, now);
    session_purge(ss, now);
}

nsec sessions_deadline(const struct sessions *ss)
{
    nsec at = timerq_deadline(&ss->timers);
    if (!list_empty(&ss->unwritten) && ss->writing < SESSION_WRITES_MAX && ss->retry_at < at)
        at = ss->retry_at;
    if (ss->policy.survive && !ss->purging && ss->purge_at < at)
        at = ss->purge_at;
    return at;
}

bool sessions_answer(struct sessions *ss, struct now now, const struct answer *a,
                     struct session_result *ret)
{
    struct ref r = session_unpack(a->req);
    unsigned kind = r.slot >> 28 & 7;
    if (a->kind != ASK_QUERY || !(r.slot >> 31))
        return false;
    r.slot &= (1u << 28) - 1;
    if (kind == REQ_PURGE) {
        session_purge_answer(ss, now, a);
        return false;
    }
    if (kind == REQ_LOOKUP)
        return session_lookup_answer(ss, now, a, r, ret);
    struct session *s = slots_get(&ss->all, r);
    if (!s)
        return false;
    if (s->asked <= ASKED_AFTER && s->asked != ASKED_NOTHING)
        return session_make_answer(ss, now, s, a, ret);
    session_sync_answer(ss, now, s, a);
    return false;
}

/* ---- the directory ---- */

/* Another process ended one of the account's, so the store is asked for all of them. Not within a
 * call of the service: nothing is asked here. */
static void on_message(void *ctx, struct now now, const struct cluster_message *m)
{
    struct sessions *ss = ctx;
    if (m->kind != CLUSTER_SESSION_ENDED || !span_eq(m->game, session_game(ss)))
        return;
    session_note_end(ss, m->id);
    for (struct session *s = session_oldest(ss, m->id); s; s = s->younger)
        if (s->state == S_LIVE && s->stored)
            session_want(ss, now, s, WANT_LOOK);
    session_wake(ss, now.mono);
}

int sessions_create(struct sessions **ret, const struct sessions_cfg *cfg)
{
    if (cfg->max == 0 || cfg->max > SESSIONS_MAX || cfg->node.n > NODE_MAX)
        return E_RANGE;
    struct sessions *ss = mem_zalloc(1, sizeof *ss);
    if (!ss)
        return E_NOMEM;
    ss->host = cfg->host;
    ss->cluster = cfg->cluster;
    ss->node_n = (uint8_t)cfg->node.n;
    if (cfg->node.n)
        memcpy(ss->node, cfg->node.p, cfg->node.n);
    host_entropy(ss->host, ss->seed, sizeof ss->seed);
    slots_init(&ss->all, sizeof(struct session), cfg->max);
    slots_init(&ss->lookups, sizeof(struct session_lookup), SESSION_LOOKUPS_MAX);
    hmap_init(&ss->by_token, SESSION_HASH, ss->seed, cfg->max);
    hmap_init(&ss->by_endpoint, SESSION_ENDPOINT, ss->seed, cfg->max);
    hmap_init(&ss->by_account, sizeof(int64_t), ss->seed, cfg->max);
    hmap_init(&ss->looking, SESSION_HASH, ss->seed, SESSION_LOOKUPS_MAX);
    addr_limit_init(&ss->strangers, ss->seed, SESSION_STRANGERS);
    timerq_init(&ss->timers);
    list_init(&ss->ended);
    list_init(&ss->unwritten);
    int rc = cfg->cluster ? cluster_listen(cfg->cluster, on_message, ss) : 0;
    if (rc) {
        sessions_destroy(ss);
        return rc;
    }
    *ret = ss;
    return 0;
}

void sessions_destroy(struct sessions *ss)
{
    struct session *s;
    if (!ss)
        return;
    for (uint32_t at = 0; (s = slots_next(&ss->all, &at, NULL));)
        mem_wipe(s->token, sizeof s->token);
    slots_fini(&ss->all);
    slots_fini(&ss->lookups);
    hmap_fini(&ss->by_token);
    hmap_fini(&ss->by_endpoint);
    hmap_fini(&ss->by_account);
    hmap_fini(&ss->looking);
    addr_limit_fini(&ss->strangers);
    mem_free(ss);
}

void sessions_set_policy(struct sessions *ss, const struct session_policy *p)
{
    ss->policy = *p;
}
