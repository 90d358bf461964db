#include "core/audit_log_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"

#include <inttypes.h>
#include <stdio.h>

#define RECORDS_MAX 16384u
#define SAY_PER_S   10u /* security records in the log */

static const struct metric_row metric_rows[AUDIT_METRICS_N] = {
    [M_STORED] = {"slipgate_audit_records_total", "result=\"stored\"", METRIC_COUNTER,
                  "Audit records by what became of them; a spooled one is stored later."},
    [M_SPOOLED] = {"slipgate_audit_records_total", "result=\"spooled\"", METRIC_COUNTER, NULL},
    [M_DROPPED] = {"slipgate_audit_records_total", "result=\"dropped\"", METRIC_COUNTER, NULL},
    [M_WAITING] = {"slipgate_audit_waiting", "", METRIC_GAUGE,
                   "Audit records in memory, neither in the store nor in the spool."},
    [M_SPOOL] = {"slipgate_audit_spool", "", METRIC_GAUGE, "Audit records in the spool."},
    [M_HEADS] = {"slipgate_audit_heads_total", "", METRIC_COUNTER,
                 "Signed heads of the audit chain that were stored."},
};

static const struct log_row row_security = {LOG_WARN, "audit.security", "security record"};
static const struct log_row row_refused = {LOG_ERROR, "audit.refused",
                                           "a record is malformed and not kept"};
static const struct log_row row_dropped = {LOG_ERROR, "audit.dropped",
                                           "no room for audit records: they are lost"};
static const struct log_row row_lost = {LOG_ERROR, "audit.lost",
                                        "audit records could be written nowhere before the end"};

void audit_count(struct audit_log *l, size_t row, uint64_t n)
{
    metrics_add(l->cfg.metrics, l->metric_base + row, n);
}

void audit_gauges(struct audit_log *l)
{
    metrics_set(l->cfg.metrics, l->metric_base + M_WAITING, (int64_t)l->n);
    metrics_set(l->cfg.metrics, l->metric_base + M_SPOOL, (int64_t)l->spooled);
}

struct span audit_account(int64_t account, char text[24])
{
    int n = snprintf(text, 24, "#%" PRId64, account);
    return span_of(text, (size_t)n);
}

/* ---- records in memory */

/* Copies a clean record. */
static struct rec *rec_create(const struct audit_record *r)
{
    size_t n = 0;
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++)
        n += audit_field_get(r, (enum audit_field)f).n;
    struct rec *e = mem_zalloc(1, sizeof *e + n);
    if (!e)
        return NULL;
    e->r = *r;
    e->r.seq = 0;
    struct span *fields[] = {&e->r.game,    &e->r.account, &e->r.player,
                             &e->r.address, &e->r.target,  &e->r.details};
    _Static_assert(ARRAY_LEN(fields) == AUDIT_FIELDS_N, "every field");
    uint8_t *to = e->text;
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++) {
        if (fields[f]->n)
            memcpy(to, fields[f]->p, fields[f]->n);
        fields[f]->p = to;
        to += fields[f]->n;
    }
    return e;
}

static int number(struct audit_log *l, struct rec *e)
{
    uint8_t bytes[AUDIT_BYTES_MAX];
    if (l->chain.seq >= CHAIN_SEQ_MAX)
        return E_LIMIT;
    e->r.seq = l->chain.seq + 1;
    int n = audit_encode(&e->r, bytes, sizeof bytes);
    return n < 0 ? n : chain_append(&l->chain, l->hasher, span_of(bytes, (size_t)n), &e->link);
}

static void drop(struct audit_log *l, int rc)
{
    if (l->dropped++ == 0)
        LOG(l->cfg.log, &row_dropped, LF_STR("error", err_name(rc)));
    audit_count(l, M_DROPPED, 1);
}

void audit_number(struct audit_log *l)
{
    struct rec **at = &l->first;
    while (*at) {
        struct rec *e = *at;
        int rc = number(l, e);
        if (rc == 0) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        mem_free(e);
        l->n--;
        l->safe++;
        drop(l, rc);
    }
    l->last = at;
}

static int take(struct audit_log *l, struct now now, const struct audit_record *raw)
{
    struct audit_room room;
    struct audit_record r = *raw, clean;
    r.seq = 1; /* has one later */
    r.at_ms = now.unix_ms < 0 ? 0 : now.unix_ms > AUDIT_TIME_MAX ? AUDIT_TIME_MAX : now.unix_ms;
    int rc = audit_clean(&clean, &room, &r);
    if (rc < 0) {
        LOG(l->cfg.log, &row_refused, LF_STR("error", err_name(rc)), LF_UINT("type", r.type),
            LF_UINT("subtype", r.subtype));
        return rc;
    }
    struct rec *e = rec_create(&clean);
    if (!e)
        return E_NOMEM;
    if (l->phase != STARTING && (rc = number(l, e))) {
        mem_free(e);
        return rc;
    }
    *l->last = e;
    l->last = &e->next;
    l->n++;
    l->taken++;
    l->gave_up = l->last_try = false;
    if (l->flush_at == NSEC_NEVER)
        l->flush_at = now.mono + AUDIT_FLUSH;
    return 0;
}

void audit_settled(struct audit_log *l, size_t n)
{
    for (struct rec *e; n && (e = l->first); n--) {
        l->first = e->next;
        if (!l->first)
            l->last = &l->first;
        mem_free(e);
        l->n--;
        l->safe++;
    }
}

void audit_tell(struct audit_log *l, struct now now, uint16_t subtype, const char *details)
{
    const struct audit_record r = {.type = AUDIT_SECURITY,
                                   .subtype = subtype,
                                   .game = SPAN_LIT("server"),
                                   .details = span_str(details)};
    audit_log_add(l, now, &r);
}

/* One record says how many were lost, as soon as there is room for more than it. */
static void tell_dropped(struct audit_log *l, struct now now)
{
    char text[96];
    if (!l->dropped || l->n > l->cfg.records_max / 2)
        return;
    (void)snprintf(text, sizeof text, "%" PRIu64 " audit records found no room and are lost",
                   l->dropped);
    const struct audit_record r = {
        .type = AUDIT_SECURITY, .game = SPAN_LIT("server"), .details = span_str(text)};
    if (take(l, now, &r) == 0)
        l->dropped = 0;
}

/* ---- the log, for those who watch it */

static void say(struct audit_log *l, struct now now, const struct audit_record *r)
{
    const char *subtype = audit_subtype_name(r->subtype);
    if (now.mono - l->said_at >= NSEC_PER_S) {
        l->said_at = now.mono;
        l->said_left = SAY_PER_S;
    }
    if (l->said_left == 0) {
        l->unsaid++;
        return;
    }
    l->said_left--;
    LOG(l->cfg.log, &row_security, LF_STR("subtype", subtype ? subtype : ""),
        LF_SPAN("game", r->game), LF_SPAN("account", r->account), LF_SPAN("player", r->player),
        LF_SPAN("address", r->address), LF_SPAN("target", r->target),
        LF_SPAN("details", r->details), LF_UINT("unsaid", l->unsaid));
    l->unsaid = 0;
}

/* ---- who waits */

static void answer_sync(struct audit_log *l, struct now now, int rc)
{
    struct sync s = l->syncs[l->syncs_at];
    l->syncs_at = (l->syncs_at + 1) % AUDIT_SYNCS_MAX;
    l->syncs_n--;
    s.fn(s.ctx, now, s.upto <= l->safe ? 0 : rc);
}

static void settle_syncs(struct audit_log *l, struct now now)
{
    uint64_t safe = l->safe + (PLANTED(AUDIT_SAFE_WHEN_SENT) ? l->group_n : 0);
    while (l->syncs_n && l->syncs[l->syncs_at].upto <= safe)
        answer_sync(l, now, 0);
}

void audit_fail_syncs(struct audit_log *l, struct now now, int rc)
{
    for (size_t n = l->syncs_n; n; n--) /* those who ask again meanwhile wait */
        answer_sync(l, now, rc);
}

void audit_log_sync(struct audit_log *l, struct now now, audit_log_fn fn, void *ctx)
{
    if (!l || l->dropped || l->syncs_n == AUDIT_SYNCS_MAX) {
        fn(ctx, now, l ? E_BUSY : 0);
        return;
    }
    l->syncs[(l->syncs_at + l->syncs_n++) % AUDIT_SYNCS_MAX] = (struct sync){l->taken, fn, ctx};
    l->flush_at = now.mono;
    l->cfg.wake(l->cfg.ctx, l->woken = now.mono);
}

/* ---- turns */

static nsec deadline(const struct audit_log *l)
{
    const nsec all[] = {audit_store_deadline(l), audit_head_deadline(l), audit_trim_deadline(l)};
    nsec next = NSEC_NEVER;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        next = all[i] < next ? all[i] : next;
    return next;
}

static void wake(struct audit_log *l)
{
    nsec next = deadline(l);
    if (next < l->woken)
        l->cfg.wake(l->cfg.ctx, l->woken = next);
}

/* Nothing will take records for a while. */
static bool hopeless(const struct audit_log *l)
{
    return (l->phase == STARTING && !l->tail_out && l->retry_at != 0) ||
           (l->phase == DOWN && !l->cfg.spool);
}

static void advance(struct audit_log *l, struct now now)
{
    tell_dropped(l, now);
    audit_store_advance(l, now);
    audit_head_advance(l, now);
    audit_trim_advance(l, now);
    if (!l->first)
        l->flush_at = l->dropped ? now.mono + RETRY_FIRST : NSEC_NEVER;
    settle_syncs(l, now);
    if (l->syncs_n && hopeless(l))
        audit_fail_syncs(l, now, E_STORE);
    audit_gauges(l);
}

void audit_turn(struct audit_log *l, struct now now)
{
    advance(l, now);
    wake(l);
}

nsec audit_log_time(struct audit_log *l, struct now now)
{
    l->woken = NSEC_NEVER;
    advance(l, now);
    return l->woken = deadline(l);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct audit_log *l = ctx;
    switch (a->req) {
    case REQ_TAIL: audit_tail_answer(l, now, a); break;
    case REQ_HEAD: audit_head_answer(l, now, a); break;
    case REQ_TRIM: audit_trim_answer(l, now, a); break;
    default: audit_store_answer(l, now, a); break;
    }
    audit_turn(l, now);
}

struct ask_owner audit_owner(struct audit_log *l, uint64_t req)
{
    return (struct ask_owner){on_answer, l, req};
}

void audit_log_add(struct audit_log *l, struct now now, const struct audit_record *raw)
{
    if (!l)
        return;
    if (raw->type == AUDIT_SECURITY)
        say(l, now, raw);
    int rc = l->n < l->cfg.records_max ? take(l, now, raw) : E_FULL;
    if (rc)
        drop(l, rc);
    wake(l);
}

/* ---- life */

int audit_log_create(struct audit_log **ret, const struct audit_log_cfg *cfg, struct now now)
{
    if (cfg->node.n == 0 || cfg->node.n > NODE_MAX)
        return E_RANGE;
    int base = metrics_register(cfg->metrics, metric_rows, AUDIT_METRICS_N);
    if (base < 0)
        return base;
    struct audit_log *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return E_NOMEM;
    l->cfg = *cfg;
    memcpy(l->node, cfg->node.p, cfg->node.n);
    l->cfg.node.p = (const uint8_t *)l->node;
    l->cfg.records_max = cfg->records_max ? cfg->records_max : RECORDS_MAX;
    l->metric_base = (size_t)base;
    l->last = &l->first;
    l->flush_at = l->head_at = l->woken = NSEC_NEVER;
    l->retry_after = RETRY_FIRST;
    buf_init(&l->lines, AUDIT_SPOOL_CHUNK);
    int rc = chain_hasher_create(&l->hasher);
    if (rc == 0)
        rc = chain_begin(&l->chain, l->hasher, l->cfg.node);
    if (rc) {
        audit_log_destroy(l);
        return rc;
    }
    audit_trim_start(l, now);
    audit_start(l, now);
    *ret = l;
    return 0;
}

void audit_log_destroy(struct audit_log *l)
{
    if (!l)
        return;
    CHECK(!l->group_out && !l->tail_out && !l->spool_out && !l->head_out && !l->trim_out);
    if (l->n || l->dropped)
        LOG(l->cfg.log, &row_lost, LF_UINT("records", l->n + l->dropped));
    audit_settled(l, l->n);
    chain_hasher_destroy(l->hasher);
    buf_fini(&l->lines);
    mem_free_secret(l, sizeof *l);
}

void audit_log_close(struct audit_log *l, struct now now)
{
    l->closing = true;
    l->gave_up = l->last_try = false;
    l->flush_at = l->first ? now.mono : l->flush_at;
    if (l->phase == STARTING)
        l->retry_at = now.mono;
    audit_turn(l, now);
}

bool audit_log_quiet(const struct audit_log *l)
{
    if (l->group_out || l->tail_out || l->spool_out || l->head_out || l->trim_out || l->syncs_n)
        return false;
    if (l->first)
        return l->gave_up;
    return l->gave_up || l->phase == STARTING || l->phase == DOWN ||
           (l->phase == DIRECT && l->headed >= l->stored.seq);
}
