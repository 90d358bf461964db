/* Retention: once a day the records older than it are dropped from the front of the chain. A cut is
 * stored before the first of them goes, so that at every moment what is left can be verified. */
#include "core/audit_log_priv.h"

#include "base/err.h"
#include "wire/text.h"

#define FIRST_AFTER (60 * NSEC_PER_S)
#define EVERY       (24 * 3600 * NSEC_PER_S)
#define RETRY       (3600 * NSEC_PER_S)
#define DAY_MS      INT64_C(86400000)

static const struct log_row row_done = {LOG_INFO, "audit.trimmed",
                                        "audit records past their retention are dropped"};
static const struct log_row row_failed = {LOG_WARN, "audit.trim_failed",
                                          "old audit records are not dropped, tried again later"};

void audit_trim_start(struct audit_log *l, struct now now)
{
    l->trim_at = l->cfg.retention_days ? now.mono + FIRST_AFTER : NSEC_NEVER;
}

static void end(struct audit_log *l, struct now now, int rc)
{
    l->trim = TRIM_IDLE;
    l->trim_at = now.mono + (rc ? RETRY : EVERY);
    if (rc)
        LOG(l->cfg.log, &row_failed, LF_STR("error", err_name(rc)));
}

static int submit(struct audit_log *l, enum query q, const struct value *v, size_t n)
{
    const struct ask a = query_ask(q, v, n);
    return l->cfg.store->submit(l->cfg.store, &a, audit_owner(l, REQ_TRIM));
}

/* The oldest record written at since_ms or later. */
static int ask_oldest(struct audit_log *l, int64_t since_ms)
{
    const struct value v[] = {
        VALUE_OF_TEXT(l->cfg.node),
        VALUE_OF_INT(0),
        VALUE_OF_INT(since_ms),
        VALUE_OF_INT(0),
        VALUE_OF_INT(0),
        VALUE_OF_TEXT(SPAN_NULL),
        VALUE_OF_TEXT(SPAN_NULL),
        VALUE_OF_INT(1),
    };
    return submit(l, QUERY_AUDIT_LIST, v, ARRAY_LEN(v));
}

static int ask_upto(struct audit_log *l, enum query q, uint64_t seq)
{
    const struct value v[] = {VALUE_OF_TEXT(l->cfg.node), VALUE_OF_INT((int64_t)seq)};
    return submit(l, q, v, ARRAY_LEN(v));
}

static int ask_cut(struct audit_log *l, struct now now)
{
    struct chain at = {.origin = l->chain.origin, .last = l->trim_hash, .seq = l->trim_to};
    return audit_head_put(l, now, &at, CHAIN_CUT, REQ_TRIM);
}

static int ask_step(struct audit_log *l, struct now now)
{
    switch (l->trim) {
    case TRIM_FIRST: return ask_oldest(l, 0);
    case TRIM_KEEP: return ask_oldest(l, l->trim_before_ms);
    case TRIM_NEWEST: return ask_upto(l, QUERY_AUDIT_LAST, 1); /* "how many" */
    case TRIM_CUT: return ask_cut(l, now);
    case TRIM_PURGE: return ask_upto(l, QUERY_AUDIT_PURGE, l->trim_to);
    case TRIM_HEADS: return ask_upto(l, QUERY_AUDIT_HEAD_PURGE, l->trim_to);
    case TRIM_IDLE: break;
    }
    return E_STALE;
}

static void ask(struct audit_log *l, struct now now)
{
    int rc = ask_step(l, now);
    l->trim_out = rc == 0;
    if (rc)
        end(l, now, rc);
}

static void go(struct audit_log *l, struct now now, enum trim_step step)
{
    l->trim = step;
    ask(l, now);
}

/* Columns of AUDIT_LIST and AUDIT_LAST: node, seq, time, ... prev, hash. */
enum { ROW_SEQ = 1, ROW_TIME = 2, ROW_PREV = 11 };

static bool row_of(const struct answer *a, struct value v[QUERY_VALUES])
{
    size_t at = 0;
    return a->rc == 0 && query_next(a->u.rows, &at, v) > 0 && query_int(&v[ROW_SEQ]) > 0;
}

static void on_first(struct audit_log *l, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    if (!row_of(a, v) || query_int(&v[ROW_TIME]) >= l->trim_before_ms) {
        end(l, now, 0);
        return;
    }
    l->trim_from = (uint64_t)query_int(&v[ROW_SEQ]);
    go(l, now, TRIM_KEEP);
}

/* The first to be kept knows the hash of the last to be dropped. */
static void on_keep(struct audit_log *l, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    if (!row_of(a, v)) {
        if (l->trim == TRIM_KEEP)
            go(l, now, TRIM_NEWEST);
        else
            end(l, now, E_NOENT);
        return;
    }
    l->trim_to = (uint64_t)query_int(&v[ROW_SEQ]) - 1;
    if (l->trim_to < l->trim_from)
        end(l, now, 0);
    else if (hex_decode(query_text(&v[ROW_PREV]), l->trim_hash.b, CHAIN_HASH))
        end(l, now, E_FORMAT);
    else
        go(l, now, TRIM_CUT);
}

/* The store drops only so many in one go, each a row of its answer. */
static void on_heads(struct audit_log *l, struct now now, bool more)
{
    if (more) {
        go(l, now, TRIM_HEADS);
        return;
    }
    LOG(l->cfg.log, &row_done, LF_UINT("upto", l->trim_to));
    end(l, now, 0);
}

void audit_trim_answer(struct audit_log *l, struct now now, const struct answer *a)
{
    l->trim_out = false;
    if (a->rc && a->rc != E_NOENT) {
        end(l, now, a->rc);
        return;
    }
    switch (l->trim) {
    case TRIM_FIRST: on_first(l, now, a); break;
    case TRIM_KEEP:
    case TRIM_NEWEST: on_keep(l, now, a); break;
    case TRIM_CUT: go(l, now, TRIM_PURGE); break;
    case TRIM_PURGE: go(l, now, a->rc == 0 && a->u.rows.n ? TRIM_PURGE : TRIM_HEADS); break;
    case TRIM_HEADS: on_heads(l, now, a->rc == 0 && a->u.rows.n > 0); break;
    case TRIM_IDLE: break;
    }
}

nsec audit_trim_deadline(const struct audit_log *l)
{
    return l->trim != TRIM_IDLE || l->phase != DIRECT || l->closing ? NSEC_NEVER : l->trim_at;
}

void audit_trim_advance(struct audit_log *l, struct now now)
{
    if (now.mono < audit_trim_deadline(l))
        return;
    l->trim_before_ms = now.unix_ms - (int64_t)l->cfg.retention_days * DAY_MS;
    go(l, now, TRIM_FIRST);
}
