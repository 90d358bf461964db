/* Processes with sessions over one store in memory: its table of sessions and accounts, answers
 * that come at once or when told, and the ways in which a store fails. No test framework: fuzzers
 * use it too. */
#ifndef SLIPGATE_TESTS_FIXTURE_SESSION_H
#define SLIPGATE_TESTS_FIXTURE_SESSION_H

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "core/query.h"
#include "core/session.h"

#include <stdio.h>

#ifndef FX_ROWS /* a fuzzer wants less to clear */
#define FX_ROWS 1200u
#define FX_ASKS 512u
#endif
#define FX_ACCOUNTS 40
#define FX_GAME     "game"

enum fx_fault { FX_FINE, FX_REFUSED, FX_FAILED, FX_LOST }; /* LOST: done, and reported failed */

struct fx_row {
    char token[65], game[16], node[33], endpoint[80]; /* endpoint "": null */
    int64_t account, status, created, expires;
};

struct fx_store {
    struct fx_row rows[FX_ROWS];
    size_t n;
    bool down;              /* every ask fails */
    bool gone[FX_ACCOUNTS]; /* there is no such account */
    bool suspended[FX_ACCOUNTS], muted[FX_ACCOUNTS];
    int64_t level;
    unsigned asked[QUERY_N];
    unsigned starts; /* processes so far */
};

struct fx_ask {
    uint64_t req;
    enum query q;
    size_t n, rows_n;
    struct value v[QUERY_VALUES];
    char texts[512];
    bool done;
    int rc;
    uint8_t rows[8192];
};

struct fx {
    struct host host;
    struct log log;
    struct entropy entropy;
    struct rng rng;
    struct fx_store *store;
    struct sessions *ss;
    struct session_policy policy;
    struct now now;
    size_t asks_n;
    bool hold; /* answers wait for fx_answer */
    enum fx_fault fault;
    unsigned faults; /* how many asks it befalls */
    unsigned logged, answered;
    nsec wake;
    struct session_result results[64]; /* what sessions_answer said, the newest 64 */
    size_t results_n;
    struct session_ended ended[64]; /* likewise */
    size_t ended_n;
    struct fx_ask asks[FX_ASKS]; /* oldest first; not cleared */
};

/* ---- the store ---- */

static inline struct fx_row *fx_row_of(struct fx_store *st, struct span token)
{
    for (size_t i = 0; i < st->n; i++)
        if (span_eq(span_str(st->rows[i].token), token))
            return &st->rows[i];
    return NULL;
}

static inline void fx_row_del(struct fx_store *st, struct fx_row *r)
{
    *r = st->rows[--st->n];
}

static inline void fx_text(char *to, size_t cap, const struct value *v)
{
    struct span s = query_text(v);
    CHECK(s.n < cap);
    if (s.n)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

static inline void fx_pack(struct buf *to, const struct fx_row *r)
{
    struct value v[] = {
        VALUE_OF_TEXT(span_str(r->token)),
        VALUE_OF_INT(r->account),
        VALUE_OF_TEXT(span_str(r->game)),
        VALUE_OF_TEXT(span_str(r->node)),
        VALUE_OF_INT(r->status),
        r->endpoint[0] ? VALUE_OF_TEXT(span_str(r->endpoint)) : VALUE_NOTHING,
        VALUE_OF_INT(r->created),
        VALUE_OF_INT(r->expires),
    };
    query_pack(to, v, ARRAY_LEN(v));
}

static inline bool fx_is_account(const struct fx_store *st, int64_t id)
{
    return id > 0 && id < FX_ACCOUNTS && !st->gone[id];
}

static inline int fx_create_row(struct fx_store *st, const struct value *v)
{
    if (fx_row_of(st, query_text(&v[0])) || !fx_is_account(st, query_int(&v[1])))
        return E_EXISTS;
    CHECK(st->n < FX_ROWS);
    struct fx_row *r = &st->rows[st->n++];
    fx_text(r->token, sizeof r->token, &v[0]);
    fx_text(r->game, sizeof r->game, &v[2]);
    fx_text(r->node, sizeof r->node, &v[3]);
    fx_text(r->endpoint, sizeof r->endpoint, &v[5]);
    r->account = query_int(&v[1]);
    r->status = query_int(&v[4]);
    r->created = query_int(&v[6]);
    r->expires = query_int(&v[7]);
    return 0;
}

static inline int fx_account_row(const struct fx_store *st, int64_t id, struct buf *to)
{
    char name[16];
    if (!fx_is_account(st, id))
        return E_NOENT;
    (void)snprintf(name, sizeof name, "player%d", (int)id);
    struct value v[] = {
        VALUE_OF_INT(id),
        VALUE_OF_TEXT(span_str(name)),
        VALUE_NOTHING,
        VALUE_OF_INT(st->level),
        VALUE_OF_INT(st->suspended[id]),
        VALUE_OF_INT(0),
        VALUE_OF_INT(st->muted[id]),
        VALUE_OF_INT(0),
        VALUE_OF_INT(0),
        VALUE_NOTHING,
        VALUE_NOTHING,
        VALUE_NOTHING,
        VALUE_NOTHING,
        VALUE_OF_INT(1),
        VALUE_OF_INT(0),
    };
    query_pack(to, v, ARRAY_LEN(v));
    return 0;
}

/* All that the condition holds for: packed, or deleted and a row without values for each. */
static inline void fx_each(struct fx_store *st, struct buf *to, bool del, int64_t account,
                           int64_t alive_at, int64_t dead_at)
{
    size_t rows = 0;
    for (size_t i = 0; i < st->n && rows < QUERY_ROWS_MAX;) {
        struct fx_row *r = &st->rows[i];
        if ((account && r->account != account) || r->expires <= alive_at || r->expires > dead_at) {
            i++;
            continue;
        }
        rows++;
        if (del) {
            query_pack(to, NULL, 0);
            fx_row_del(st, r);
        } else {
            fx_pack(to, r);
            i++;
        }
    }
}

static inline int fx_query(struct fx_store *st, enum query q, const struct value *v, struct buf *to)
{
    bool by_token = q == QUERY_SESSION_BY_TOKEN || q == QUERY_SESSION_BIND ||
                    q == QUERY_SESSION_STATUS || q == QUERY_SESSION_END;
    struct fx_row *r = by_token ? fx_row_of(st, query_text(&v[0])) : NULL;
    st->asked[q]++;
    if (by_token && !r)
        return E_NOENT;
    if (q == QUERY_SESSION_CREATE) {
        int rc = fx_create_row(st, v);
        if (rc == 0)
            query_pack(to, NULL, 0);
        return rc;
    } else if (q == QUERY_SESSION_BY_TOKEN) {
        if (r->expires <= query_int(&v[1]))
            return E_NOENT;
        fx_pack(to, r);
    } else if (q == QUERY_SESSION_BIND) {
        fx_text(r->endpoint, sizeof r->endpoint, &v[1]);
        r->status = query_int(&v[2]);
        r->expires = query_int(&v[3]);
    } else if (q == QUERY_SESSION_STATUS) {
        r->status = query_int(&v[1]);
        r->expires = query_int(&v[2]);
    } else if (q == QUERY_SESSION_END) {
        fx_row_del(st, r);
    } else if (q == QUERY_SESSION_BY_ACCOUNT) {
        fx_each(st, to, false, query_int(&v[0]), query_int(&v[2]), INT64_MAX);
    } else if (q == QUERY_SESSION_END_ACCOUNT) {
        fx_each(st, to, true, query_int(&v[0]), INT64_MIN, INT64_MAX);
    } else if (q == QUERY_SESSION_PURGE) {
        fx_each(st, to, true, 0, INT64_MIN, query_int(&v[0]));
    } else {
        CHECK(q == QUERY_ACCOUNT_BY_ID);
        return fx_account_row(st, query_int(&v[0]), to);
    }
    return 0;
}

/* ---- the host ---- */

static inline int fx_submit(struct host *h, const struct ask *ask, uint64_t req)
{
    struct fx *p = CONTAINER_OF(h, struct fx, host);
    CHECK(ask->kind == ASK_QUERY);
    CHECK(query_check(query_table[ask->u.query.query].parameters, ask->u.query.v, ask->u.query.n) ==
          0);
    if (p->asks_n == FX_ASKS || (p->fault == FX_REFUSED && p->faults)) {
        p->faults -= p->faults > 0;
        return E_BUSY;
    }
    struct fx_ask *a = &p->asks[p->asks_n++];
    a->req = req;
    a->q = (enum query)ask->u.query.query;
    a->n = ask->u.query.n;
    a->done = false;
    size_t at = 0;
    for (size_t i = 0; i < a->n; i++) {
        a->v[i] = ask->u.query.v[i];
        if (a->v[i].type != VALUE_TEXT)
            continue;
        struct span s = a->v[i].u.text;
        CHECK(at + s.n <= sizeof a->texts);
        if (s.n)
            memcpy(a->texts + at, s.p, s.n);
        a->v[i].u.text = span_of(NULL, s.n); /* the texts move with the ask */
        at += s.n;
    }
    return 0;
}

static inline void fx_wake(struct host *h, nsec at)
{
    struct fx *p = CONTAINER_OF(h, struct fx, host);
    if (at < p->wake)
        p->wake = at;
}

static inline void fx_emit(struct log *log, const struct log_row *row, const struct log_field *f,
                           size_t n)
{
    (void)row;
    (void)f;
    (void)n;
    CONTAINER_OF(log, struct fx, log)->logged++;
}

static inline void fx_fill(struct entropy *e, void *to, size_t n)
{
    struct fx *p = CONTAINER_OF(e, struct fx, entropy);
    uint8_t *b = to;
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(rng_next(&p->rng) >> 24);
}

static inline void fx_checked(struct fx *p)
{
    char text[256];
    struct buf why;
    buf_init(&why, sizeof text);
    int rc = sessions_check(p->ss, &why);
    if (rc)
        fprintf(stderr, "%.*s\n", (int)why.n, (const char *)why.p);
    buf_fini(&why);
    CHECK(rc == 0);
    while (sessions_ended(p->ss, &p->ended[p->ended_n % 64]))
        p->ended_n++;
}

/* ---- for tests ---- */

static inline void fx_store_init(struct fx_store *st)
{
    memset(st, 0, sizeof *st);
    st->level = LEVEL_PLAYER;
}

static inline int fx_start(struct fx *p, struct fx_store *st, const struct session_policy *policy,
                           struct cluster *cluster, const char *node, uint32_t max, struct now now)
{
    static const struct host_ops ops = {.ask = fx_submit, .wake = fx_wake};
    memset(p, 0, offsetof(struct fx, asks));
    p->log = (struct log){LOG_DEBUG, fx_emit};
    p->rng.state = (uint64_t)node[0] << 32 | ++st->starts; /* no tokens of others again */
    entropy_init(&p->entropy, fx_fill);
    p->host = (struct host){.ops = &ops, .log = &p->log, .entropy = &p->entropy, .game = FX_GAME};
    p->store = st;
    p->now = now;
    p->wake = NSEC_NEVER;
    p->policy = *policy;
    struct sessions_cfg cfg = {&p->host, cluster, span_str(node), max};
    int rc = sessions_create(&p->ss, &cfg);
    if (rc == 0)
        sessions_set_policy(p->ss, policy);
    return rc;
}

/* As if it had died: answers are not waited for. */
static inline void fx_stop(struct fx *p)
{
    sessions_destroy(p->ss);
    p->ss = NULL;
    entropy_fini(&p->entropy);
}

/* The store does it now; the answer may come later. */
static inline void fx_do(struct fx *p, size_t i)
{
    struct fx_ask *a = &p->asks[i];
    struct buf rows;
    size_t at = 0;
    if (a->done)
        return;
    a->done = true;
    for (size_t k = 0; k < a->n; k++)
        if (a->v[k].type == VALUE_TEXT) {
            a->v[k].u.text.p = (const uint8_t *)a->texts + at;
            at += a->v[k].u.text.n;
        }
    bool fails = (p->faults && p->fault == FX_FAILED) || p->store->down;
    bool lost = p->faults && p->fault == FX_LOST;
    p->faults -= p->faults > 0;
    buf_init(&rows, sizeof a->rows);
    a->rc = fails ? E_STORE : fx_query(p->store, a->q, a->v, &rows);
    if ((lost || rows.failed) && a->rc == 0)
        a->rc = E_STORE;
    CHECK(rows.n <= sizeof a->rows);
    a->rows_n = rows.n;
    if (rows.n)
        memcpy(a->rows, rows.p, rows.n);
    buf_fini(&rows);
}

static inline void fx_answer(struct fx *p, size_t i)
{
    struct fx_ask *a = &p->asks[i], copy;
    fx_do(p, i);
    copy = *a;
    p->answered++;
    memmove(a, a + 1, (--p->asks_n - i) * sizeof *a);
    struct answer answer = {.req = copy.req, .kind = ASK_QUERY, .rc = copy.rc};
    answer.u.rows = span_of(copy.rows, copy.rows_n);
    if (sessions_answer(p->ss, p->now, &answer, &p->results[p->results_n % 64]))
        p->results_n++;
    fx_checked(p);
}

/* Everything that is due now. */
static inline void fx_settle(struct fx *p)
{
    fx_checked(p);
    for (unsigned i = 0; i < 20000; i++) {
        if (p->asks_n && !p->hold) {
            fx_answer(p, 0);
        } else if (p->wake <= p->now.mono || sessions_deadline(p->ss) <= p->now.mono) {
            p->wake = NSEC_NEVER;
            sessions_time(p->ss, p->now);
            fx_checked(p);
        } else {
            return;
        }
    }
    CHECK(!"settles");
}

static inline void fx_jump(struct fx *p, nsec mono)
{
    p->now.unix_ms += (int64_t)(mono / NSEC_PER_MS - p->now.mono / NSEC_PER_MS);
    p->now.mono = mono;
}

/* Time passes, and whatever is due on the way happens in its time. */
static inline void fx_pass(struct fx *p, uint64_t ms)
{
    nsec end = p->now.mono + ms * NSEC_PER_MS;
    for (;;) {
        fx_settle(p);
        nsec at = sessions_deadline(p->ss);
        if (p->wake < at)
            at = p->wake;
        if (at > end)
            break;
        fx_jump(p, at);
    }
    fx_jump(p, end);
}

/* session_create to its end. */
static inline int fx_create(struct fx *p, int64_t account, struct session_result *ret)
{
    size_t n = p->results_n;
    int rc = session_create(p->ss, p->now, account, 7, ret);
    if (rc == E_AGAIN) {
        fx_settle(p);
        CHECK(p->results_n == n + 1);
        *ret = p->results[n % 64];
        CHECK(ret->made && ret->owner == 7);
        rc = ret->rc;
    }
    fx_settle(p);
    return rc;
}

static inline struct addr fx_addr(const char *ip, uint16_t port)
{
    struct addr a;
    CHECK(addr_parse(&a, ip) == 0);
    a.port = port;
    return a;
}

/* session_find to its end; the details of what was looked up in p->results. */
static inline int fx_find(struct fx *p, const uint8_t token[TOKEN_BYTES], struct session_ref *ret)
{
    struct addr peer = fx_addr("192.0.2.1", 1000);
    size_t n = p->results_n;
    int rc = session_find(p->ss, p->now, span_of(token, TOKEN_BYTES), &peer, 9, ret);
    if (rc == E_AGAIN) {
        fx_settle(p);
        CHECK(p->results_n == n + 1);
        const struct session_result *r = &p->results[n % 64];
        CHECK(!r->made && r->owner == 9);
        *ret = r->session;
        rc = r->rc;
    }
    fx_settle(p);
    return rc;
}

#endif
