/* Signed heads: of records that are in the store, so that none ever names one that is not. */
#include "core/audit_log_priv.h"

#include "base/err.h"
#include "wire/text.h"

static const struct log_row row_failed = {LOG_WARN, "audit.head_failed",
                                          "a head of the audit chain is not stored"};

int audit_head_put(struct audit_log *l, struct now now, const struct chain *c,
                   enum chain_head_kind kind, uint64_t req)
{
    struct chain_head h;
    char hash[2 * CHAIN_HASH + 1], signature[2 * CHAIN_SIGNATURE + 1];
    int rc = chain_head_sign(&h, c, kind, now.unix_ms < 0 ? 0 : now.unix_ms, l->cfg.key);
    if (rc)
        return rc;
    hex_encode(h.hash.b, CHAIN_HASH, hash);
    hex_encode(h.signature, CHAIN_SIGNATURE, signature);
    const struct value v[] = {
        VALUE_OF_TEXT(l->cfg.node),
        VALUE_OF_INT(kind),
        VALUE_OF_INT((int64_t)h.seq),
        VALUE_OF_INT(h.at_ms),
        VALUE_OF_TEXT(span_of(hash, 2 * CHAIN_HASH)),
        VALUE_OF_TEXT(span_of(signature, 2 * CHAIN_SIGNATURE)),
    };
    const struct ask ask = query_ask(QUERY_AUDIT_HEAD_ADD, v, ARRAY_LEN(v));
    return l->cfg.store->submit(l->cfg.store, &ask, audit_owner(l, req));
}

void audit_head_grown(struct audit_log *l, struct now now)
{
    if (l->head_at == NSEC_NEVER)
        l->head_at = now.mono + AUDIT_HEAD_EVERY;
}

static void failed(struct audit_log *l, struct now now, int rc)
{
    LOG(l->cfg.log, &row_failed, LF_STR("error", err_name(rc)));
    l->head_at = now.mono + AUDIT_HEAD_EVERY;
    if (l->closing)
        l->headed = l->head_of.seq; /* the next start signs it */
}

/* When one is due, as far as is known now: 0, a time, or NSEC_NEVER. */
static nsec due(const struct audit_log *l)
{
    if (l->head_out || l->phase != DIRECT || l->stored.seq <= l->headed)
        return NSEC_NEVER;
    if (l->closing)
        return l->first ? NSEC_NEVER : 0;
    /* One that failed waits, however many records came meanwhile. */
    bool many = l->stored.seq - l->headed >= AUDIT_HEAD_RECORDS && !l->head_failed;
    return many ? 0 : l->head_at;
}

void audit_head_advance(struct audit_log *l, struct now now)
{
    if (now.mono < due(l))
        return;
    l->head_of = l->stored;
    int rc = audit_head_put(l, now, &l->stored, CHAIN_SIGNED, REQ_HEAD);
    l->head_out = rc == 0;
    l->head_failed = rc != 0;
    if (rc)
        failed(l, now, rc);
}

void audit_head_answer(struct audit_log *l, struct now now, const struct answer *a)
{
    l->head_out = false;
    l->head_failed = a->rc != 0;
    if (a->rc) {
        failed(l, now, a->rc);
        return;
    }
    audit_count(l, M_HEADS, 1);
    l->headed = l->head_of.seq;
    l->head_at = l->stored.seq > l->headed ? now.mono + AUDIT_HEAD_EVERY : NSEC_NEVER;
}

nsec audit_head_deadline(const struct audit_log *l)
{
    return due(l);
}
