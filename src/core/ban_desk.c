#include "core/ban_desk_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/query.h"

#define CHANGES_MAX  BAN_DESK_CHANGES_MAX
#define ENFORCE_TURN 64u /* bans that live sessions are held against in one go */
#define ENFORCE_MAX  (2u * BANS_MAX)
#define PURGE_EVERY  (600 * NSEC_PER_S)
#define BACK_OFF     (500 * NSEC_PER_MS)
#define BACK_OFF_MAX (30 * NSEC_PER_S)

static const struct metric_row rows[BAN_DESK_ROWS] = {
    [ROW_BANS] = {"slipgate_bans", "", METRIC_GAUGE, "Bans in force."},
    [ROW_UNSAVED] = {"slipgate_bans_unsaved", "", METRIC_GAUGE,
                     "Bans made or lifted that the database does not know yet."},
    [ROW_READ_OK] = {"slipgate_ban_reads_total", "result=\"ok\"", METRIC_COUNTER,
                     "Times the list of bans was read from the database."},
    [ROW_READ_FAILED] = {"slipgate_ban_reads_total", "result=\"failed\"", METRIC_COUNTER, NULL},
};

static const struct log_row log_expired = {LOG_INFO, "ban.expired", "ban ran out"};

void ban_desk_count(struct ban_desk *d)
{
    metrics_set(d->cfg.metrics, d->rows + ROW_BANS, bans_live(d->bans));
    metrics_set(d->cfg.metrics, d->rows + ROW_UNSAVED, d->changes.live);
}

void ban_desk_wake(struct ban_desk *d, nsec deadline)
{
    d->cfg.wake(d->cfg.ctx, deadline);
}

nsec ban_desk_back_off(unsigned tries)
{
    nsec t = BACK_OFF << (tries < 8 ? tries : 8);
    return t < BACK_OFF_MAX ? t : BACK_OFF_MAX;
}

static struct span keep(uint8_t **at, struct span s)
{
    uint8_t *p = *at;
    if (s.n)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return span_of(p, s.n);
}

void ban_copy_set(struct ban_copy *to, const struct ban *from)
{
    uint8_t *at = to->text;
    CHECK(from->game.n <= BAN_GAME_MAX && from->reason.n <= BAN_REASON_MAX &&
          from->author.n <= BAN_AUTHOR_MAX && from->evidence.n <= BAN_EVIDENCE_MAX);
    to->ban = *from;
    to->ban.game = keep(&at, from->game);
    to->ban.reason = keep(&at, from->reason);
    to->ban.author = keep(&at, from->author);
    to->ban.evidence = keep(&at, from->evidence);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct ban_desk *d = ctx;
    CHECK(d->asks > 0);
    d->asks--;
    if (a->req == REQ_PAGE) {
        ban_desk_page(d, now, a);
    } else if (a->req == REQ_PURGE) {
        d->purging = false;
    } else {
        struct change *c =
            slots_get(&d->changes, (struct ref){(uint32_t)a->req, (uint32_t)(a->req >> 32)});
        CHECK(c); /* it stays until its answer has come */
        change_answer(d, c, now, a);
    }
    ban_desk_count(d);
    ban_desk_wake(d, now.mono);
}

int ban_desk_ask(struct ban_desk *d, enum query q, const struct value *v, size_t n, uint64_t req)
{
    struct ask ask = query_ask(q, v, n);
    int rc = d->cfg.store->submit(d->cfg.store, &ask, (struct ask_owner){on_answer, d, req});
    d->asks += rc == 0;
    return rc;
}

static void on_message(void *ctx, struct now now, const struct cluster_message *m)
{
    if (m->kind == CLUSTER_BAN_ADDED || m->kind == CLUSTER_BAN_REMOVED || m->kind == CLUSTER_GAP)
        ban_desk_reload(ctx, now);
}

int ban_desk_create(struct ban_desk **ret, const struct ban_desk_cfg *cfg, struct now now)
{
    struct ban_desk *d = mem_zalloc(1, sizeof *d);
    if (!d)
        return E_NOMEM;
    d->cfg = *cfg;
    d->next_local = INT64_MAX;
    d->purge_at = now.mono + PURGE_EVERY;
    list_init(&d->order);
    slots_init(&d->changes, sizeof(struct change), CHANGES_MAX);
    buf_init(&d->found, ENFORCE_MAX * sizeof(int64_t));
    buf_init(&d->fresh, ENFORCE_MAX * sizeof(int64_t));
    int rc = bans_create(&d->bans, cfg->seed);
    int base = rc ? rc : metrics_register(cfg->metrics, rows, BAN_DESK_ROWS);
    rc = base < 0 ? base : 0;
    if (!rc && cfg->cluster) /* last: it cannot be taken back */
        rc = cluster_listen(cfg->cluster, on_message, d);
    if (rc) {
        ban_desk_destroy(d);
        return rc;
    }
    d->rows = (size_t)base;
    *ret = d;
    ban_desk_reload(d, now);
    return 0;
}

void ban_desk_destroy(struct ban_desk *d)
{
    if (!d)
        return;
    CHECK(d->asks == 0);
    bans_destroy(d->bans);
    bans_destroy(d->next);
    slots_fini(&d->changes);
    buf_fini(&d->found);
    buf_fini(&d->fresh);
    mem_free(d);
}

/* --- time --------------------------------------------------------------------------------------
 */

static void expire(struct ban_desk *d, struct now now)
{
    const struct ban *b;
    bool any = false;
    while ((b = bans_expired(d->bans, now))) {
        LOG(d->cfg.log, &log_expired, LF_INT("ban", b->id), LF_SPAN("author", b->author),
            LF_SPAN("reason", b->reason));
        any = true;
    }
    if (any)
        ban_desk_count(d);
    if (d->purging || now.mono < d->purge_at)
        return;
    struct value v = VALUE_OF_INT(now.unix_ms);
    d->purge_at = now.mono + PURGE_EVERY;
    d->purging = ban_desk_ask(d, QUERY_BAN_PURGE, &v, 1, REQ_PURGE) == 0;
}

/* A few of the bans that live sessions have yet to be held against: with many of both at once it is
 * work for several turns of the loop. */
static void enforce(struct ban_desk *d, struct now now)
{
    size_t n = d->fresh.n / sizeof(int64_t);
    for (size_t i = 0; i < n && i < ENFORCE_TURN; i++) {
        struct ban_copy copy;
        int64_t id;
        d->fresh.n -= sizeof id;
        memcpy(&id, d->fresh.p + d->fresh.n, sizeof id);
        const struct ban *b = bans_get(d->bans, id);
        if (!b)
            continue;
        ban_copy_set(&copy, b); /* whoever is told may make or lift bans */
        d->cfg.enforce(d->cfg.ctx, now, &copy.ban);
    }
    if (d->fresh.n == 0)
        buf_fini(&d->fresh);
}

nsec ban_desk_time(struct ban_desk *d, struct now now)
{
    expire(d, now);
    enforce(d, now);
    nsec first = changes_time(d, now);
    ban_desk_read(d, now);
    nsec more[] = {bans_deadline(d->bans, now), d->next ? NSEC_NEVER : d->reload_at,
                   d->purging ? NSEC_NEVER : d->purge_at, d->fresh.n ? now.mono : NSEC_NEVER};
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        first = more[i] < first ? more[i] : first;
    return first;
}
