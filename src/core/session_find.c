/* Tokens that are not here: the store has them if they are good, and strangers must not get more
 * out of it than a few look-ups each.
 *
 * What the store says was so when it looked. A session that ended here since is refused for good,
 * because its slot is kept until its row is gone; of accounts whose sessions ended (also elsewhere)
 * while a look-up was under way the last SESSION_ENDS are known, and the client has to ask again.
 */
#include "base/err.h"
#include "base/mem.h"
#include "core/session_priv.h"
#include "wire/text.h"

static const struct log_row log_invalid = {LOG_WARN, "session.invalid",
                                           "a session in the database is not valid: it is refused"};

static struct session_unknown *unknown_at(struct sessions *ss, const uint8_t hash[SESSION_HASH])
{
    return &ss->unknown[siphash13(ss->seed, hash, SESSION_HASH) % SESSION_UNKNOWNS];
}

static void remember_unknown(struct sessions *ss, struct now now, const uint8_t hash[SESSION_HASH])
{
    struct session_unknown *u = unknown_at(ss, hash);
    memcpy(u->hash, hash, SESSION_HASH);
    u->until = now.mono + SESSION_UNKNOWN_S * NSEC_PER_S;
}

static int ask_token(struct sessions *ss, struct now now, struct session_lookup *l)
{
    char hex[TOKEN_HASH + 1];
    hex_encode(l->hash, SESSION_HASH, hex);
    struct value v[] = {VALUE_OF_TEXT(span_of(hex, TOKEN_HASH)), VALUE_OF_INT(now.unix_ms)};
    return session_ask(ss, REQ_LOOKUP, l->self, QUERY_SESSION_BY_TOKEN, v, ARRAY_LEN(v));
}

static void lookup_drop(struct sessions *ss, struct session_lookup *l)
{
    (void)hmap_del(&ss->looking, l->hash);
    slots_del(&ss->lookups, l->self);
}

int session_lookup(struct sessions *ss, struct now now, const uint8_t hash[SESSION_HASH],
                   const struct addr *peer, uint64_t owner)
{
    struct ref self;
    const struct session_unknown *u = unknown_at(ss, hash);
    if (u->until > now.mono && mem_equal_ct(u->hash, hash, SESSION_HASH))
        return E_NOENT;
    if (hmap_get(&ss->looking, hash, NULL) || ss->lookups.live >= SESSION_LOOKUPS_MAX)
        return E_BUSY;
    if (!exempt_has(&ss->policy.exempt, peer) &&
        !addr_limit_take(&ss->strangers, peer, &ss->policy.unknown, now.mono))
        return E_LIMIT;
    struct session_lookup *l = slots_add(&ss->lookups, &self);
    if (!l)
        return E_BUSY;
    l->self = self;
    l->owner = owner;
    l->peer = *peer;
    l->ends = ss->ends_n;
    memcpy(l->hash, hash, SESSION_HASH);
    if (hmap_put(&ss->looking, hash, 1) || ask_token(ss, now, l)) {
        lookup_drop(ss, l);
        return E_BUSY;
    }
    return E_AGAIN;
}

/* ---- taking one in ---- */

/* How long it has yet, at most as long as the policy gives. */
static nsec left(struct now now, int64_t until_ms, uint32_t most_ms)
{
    int64_t ms = until_ms > now.unix_ms ? until_ms - now.unix_ms : 0;
    if (most_ms && ms > most_ms)
        ms = most_ms;
    return ms > UINT32_MAX ? NSEC_NEVER : now.mono + (nsec)ms * NSEC_PER_MS;
}

static void set_times(struct sessions *ss, struct now now, struct session *s,
                      const struct session_row *row)
{
    const struct session_policy *p = &ss->policy;
    bool pending = row->status == SESSION_PENDING;
    int64_t born = row->created_ms < now.unix_ms ? row->created_ms : now.unix_ms;
    s->until = left(now, row->expires_ms, pending ? p->pending_ms : p->idle_ms);
    s->life_until = p->life_ms ? left(now, born + p->life_ms, p->life_ms) : NSEC_NEVER;
}

/* Of one that is not chained yet; E_NOENT: its time is over. */
static int place(struct sessions *ss, struct now now, struct session *s,
                 const struct session_row *row)
{
    uint8_t key[SESSION_ENDPOINT];
    if (session_deadline(s) <= now.mono)
        return E_NOENT;
    int rc = row->bound ? session_take_endpoint(ss, now, s, &row->endpoint) : 0;
    if (rc)
        return rc;
    rc = session_chain(ss, s, row->account);
    if (rc && s->bound) {
        session_endpoint_key(&s->endpoint, key);
        (void)hmap_del(&ss->by_endpoint, key);
    }
    return rc;
}

static int adopt(struct sessions *ss, struct now now, const struct session_lookup *l,
                 struct session **ret)
{
    struct session *s;
    if (session_of_hash(ss, l->hash))
        return E_NOENT; /* it ended since */
    if (session_noted(ss, l->row.account, l->ends))
        return E_BUSY;
    size_t n = session_count(ss, now, l->row.account);
    if (n >= (ss->policy.single == SESSION_ALLOW ? SESSION_ACCOUNT_MAX : 1))
        return E_EXISTS;
    int rc = session_add(ss, l->hash, &s);
    if (rc)
        return rc;
    s->status = l->row.status;
    s->created_ms = l->row.created_ms;
    s->mark = l->owner;
    set_times(ss, now, s, &l->row);
    rc = place(ss, now, s, &l->row);
    if (rc) {
        session_settle(ss, s);
        return rc;
    }
    s->stored = true;
    session_begin(ss, now, s);
    *ret = s;
    return 0;
}

/* ---- answers ---- */

static bool lookup_end(struct sessions *ss, struct session_lookup *l, int rc,
                       struct session_result *ret)
{
    ret->owner = l->owner;
    ret->rc = rc;
    lookup_drop(ss, l);
    return true;
}

static int ask_account(struct sessions *ss, struct session_lookup *l)
{
    struct value v = VALUE_OF_INT(l->row.account);
    l->account = true;
    return session_ask(ss, REQ_LOOKUP, l->self, QUERY_ACCOUNT_BY_ID, &v, 1) ? E_BUSY : 0;
}

static int found_row(struct sessions *ss, struct now now, struct session_lookup *l,
                     const struct answer *a)
{
    size_t at = 0;
    int rc = a->rc ? a->rc : session_row_next(ss, a->u.rows, &at, &l->row);
    if (rc == 0 && memcmp(l->row.hash, l->hash, SESSION_HASH) != 0)
        rc = E_FORMAT;
    if (rc == 0)
        return ask_account(ss, l);
    if (rc == E_FORMAT)
        LOG(ss->host->log, &log_invalid, LF_INT("account", l->row.account));
    if (rc != E_NOENT && rc != E_FORMAT)
        return E_BUSY;
    remember_unknown(ss, now, l->hash);
    return E_NOENT;
}

/* Whether the account may be let in; its address may be banned for a while: then the session stays.
 */
static int standing(struct sessions *ss, struct now now, struct session_lookup *l, bool suspended)
{
    const struct ban_desk *bans = ss->host->bans;
    if (bans && !ban_desk_ready(bans))
        return E_BUSY;
    bool banned = bans && ban_desk_account(bans, now, l->row.account, session_game(ss));
    if (suspended || banned) {
        int rc = session_erase(ss, now, l->hash, l->row.account);
        return rc ? E_BUSY : E_REFUSED;
    }
    return bans && ban_desk_addr(bans, now, &l->peer, session_game(ss)) ? E_REFUSED : 0;
}

static int found_account(struct sessions *ss, struct now now, struct session_lookup *l,
                         const struct answer *a, struct session_result *ret)
{
    struct value v[QUERY_VALUES];
    struct session *s;
    size_t at = 0;
    if (a->rc)
        return a->rc == E_NOENT ? E_NOENT : E_BUSY;
    if (query_next(a->u.rows, &at, v) != (int)strlen(QUERY_ACCOUNT))
        return E_NOENT;
    struct span name = query_text(&v[1]);
    int64_t level = query_int(&v[3]);
    if (query_int(&v[0]) != l->row.account || name.n == 0 || name.n > ACCOUNT_NAME_MAX ||
        level < LEVEL_PLAYER || level > LEVEL_ADMIN) {
        LOG(ss->host->log, &log_invalid, LF_INT("account", l->row.account));
        return E_REFUSED;
    }
    int rc = standing(ss, now, l, query_int(&v[4]) != 0);
    if (rc == 0)
        rc = adopt(ss, now, l, &s);
    if (rc)
        return rc;
    ret->session.r = s->self;
    ret->account = s->account;
    ret->level = (uint8_t)level;
    ret->muted = query_int(&v[6]) != 0;
    ret->name_n = (uint8_t)name.n;
    memcpy(ret->name, name.p, name.n);
    return 0;
}

bool session_lookup_answer(struct sessions *ss, struct now now, const struct answer *a,
                           struct ref ref, struct session_result *ret)
{
    struct session_lookup *l = slots_get(&ss->lookups, ref);
    if (!l)
        return false;
    *ret = (struct session_result){0};
    if (l->account)
        return lookup_end(ss, l, found_account(ss, now, l, a, ret), ret);
    int rc = found_row(ss, now, l, a);
    return rc ? lookup_end(ss, l, rc, ret) : false;
}
