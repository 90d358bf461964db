/* Records to the store, and to the spool while the store does not take them. */
#include "core/audit_log_priv.h"

#include "base/err.h"
#include "base/plant.h"
#include "wire/text.h"

#define HEX_HASH (2 * CHAIN_HASH)

static const struct log_row row_down = {LOG_ERROR, "audit.store_down",
                                        "the store takes no audit records: they are spooled"};
static const struct log_row row_up = {LOG_INFO, "audit.store_up",
                                      "the store takes audit records again"};
static const struct log_row row_tail = {LOG_ERROR, "audit.no_tail",
                                        "the store does not say where the audit chain stands"};
static const struct log_row row_spool = {LOG_ERROR, "audit.spool_failed",
                                         "audit records stay in memory"};
static const struct log_row row_unreadable = {LOG_ERROR, "audit.spool_unreadable",
                                              "lines of the audit spool are left out"};
static const struct log_row row_refused = {LOG_ERROR, "audit.store_refused",
                                           "the store does not take an audit record: it is lost"};
static const struct log_row row_gap = {LOG_ERROR, "audit.gap",
                                       "audit records between store and spool are missing"};
static const struct log_row row_aside = {
    LOG_ERROR, "audit.spool_aside", "the spool is not of this chain: put aside, not to be stored"};

static const struct log_row row_taken = {
    LOG_ERROR, "audit.taken",
    "another process writes this chain and this record is lost: give each its own server.node"};

/* ---- asks */

/* Whether it is no use to try again. */
static bool refused_for_good(int rc)
{
    return rc == E_RANGE || rc == E_FORMAT || rc == E_LIMIT || rc == E_REFUSED;
}

static int append(struct audit_log *l, const struct audit_record *r, const struct chain_link *link,
                  uint64_t req)
{
    char prev[HEX_HASH + 1], own[HEX_HASH + 1];
    hex_encode(link->prev.b, CHAIN_HASH, prev);
    hex_encode(link->own.b, CHAIN_HASH, own);
    const struct value v[] = {
        VALUE_OF_TEXT(l->cfg.node),
        VALUE_OF_INT((int64_t)r->seq),
        VALUE_OF_INT(r->at_ms),
        VALUE_OF_INT(r->type),
        VALUE_OF_INT(r->subtype),
        VALUE_OF_TEXT(r->game),
        VALUE_OF_TEXT(r->account),
        VALUE_OF_TEXT(r->player),
        VALUE_OF_TEXT(r->address),
        VALUE_OF_TEXT(r->target),
        VALUE_OF_TEXT(r->details),
        VALUE_OF_TEXT(span_of(prev, HEX_HASH)),
        VALUE_OF_TEXT(span_of(own, HEX_HASH)),
    };
    const struct ask ask = query_ask(QUERY_AUDIT_APPEND, v, ARRAY_LEN(v));
    return l->cfg.store->submit(l->cfg.store, &ask, audit_owner(l, req));
}

static void retry_later(struct audit_log *l, struct now now)
{
    l->retry_at = now.mono + l->retry_after;
    l->retry_after = l->retry_after * 2 < RETRY_MAX ? l->retry_after * 2 : RETRY_MAX;
}

static void went_down(struct audit_log *l, struct now now, int rc)
{
    if (!l->down) {
        l->down = true;
        LOG(l->cfg.log, &row_down, LF_STR("error", err_name(rc)));
    }
    l->phase = DOWN;
    retry_later(l, now);
    l->flush_at = now.mono;
    l->gave_up = l->closing && l->last_try && !l->cfg.spool;
}

static void works(struct audit_log *l)
{
    l->retry_after = RETRY_FIRST;
    if (l->down) {
        l->down = false;
        LOG0(l->cfg.log, &row_up);
    }
}

/* The store has everything up to here. */
static void set_stored(struct audit_log *l, struct now now, uint64_t seq,
                       const struct chain_hash *hash)
{
    if (seq <= l->stored.seq)
        return;
    l->stored.seq = seq;
    l->stored.last = *hash;
    audit_head_grown(l, now);
}

/* ---- groups of records */

static void group_done(struct audit_log *l, struct now now)
{
    size_t n = 0;
    while (n < l->group_n && l->group[n]->stored)
        n++;
    if (n) {
        set_stored(l, now, l->group[n - 1]->r.seq, &l->group[n - 1]->link.own);
        audit_count(l, M_STORED, n);
        audit_settled(l, n);
    }
    l->group_n = 0;
    if (l->group_rc)
        went_down(l, now, l->group_rc);
    else
        works(l);
}

static void send_group(struct audit_log *l, struct now now)
{
    l->group_n = 0;
    l->group_rc = 0;
    for (struct rec *e = l->first; e && l->group_n < AUDIT_GROUP; e = e->next) {
        int rc = append(l, &e->r, &e->link, REQ_GROUP + l->group_n);
        if (rc) {
            l->group_rc = rc;
            break;
        }
        l->group[l->group_n++] = e;
        l->group_out++;
    }
    l->flush_at = l->n > l->group_n ? now.mono : NSEC_NEVER;
    if (!l->group_out)
        group_done(l, now);
}

static void replay_done(struct audit_log *l, struct now now)
{
    if (l->group_rc) {
        went_down(l, now, l->group_rc);
        return;
    }
    works(l);
    audit_count(l, M_STORED, l->group_n);
    l->replay_at = l->replay_to;
    set_stored(l, now, l->replay_end.seq, &l->replay_end.last);
}

void audit_store_answer(struct audit_log *l, struct now now, const struct answer *a)
{
    size_t i = (size_t)(a->req - REQ_GROUP);
    bool lost = refused_for_good(a->rc);
    l->group_out--;
    if (lost) {
        LOG(l->cfg.log, &row_refused, LF_STR("error", err_name(a->rc)));
        audit_count(l, M_DROPPED, 1);
    } else if (a->rc && l->group_rc == 0) {
        l->group_rc = a->rc;
    }
    if (l->phase == REPLAYING) {
        if (l->group_out == 0)
            replay_done(l, now);
        return;
    }
    if (a->rc == 0 && a->u.rows.n == 0 && !l->group[i]->tried) {
        LOG(l->cfg.log, &row_taken, LF_UINT("seq", l->group[i]->r.seq));
        audit_count(l, M_DROPPED, 1);
    }
    l->group[i]->tried = true;
    l->group[i]->stored = a->rc == 0 || lost;
    if (l->group_out == 0)
        group_done(l, now);
}

/* ---- the spool */

static bool next_line(struct span text, size_t *at, struct span *line)
{
    struct span rest = span_skip(text, *at);
    const uint8_t *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
    if (!end)
        return false;
    *line = span_of(rest.p, (size_t)(end - rest.p));
    *at += line->n + 1;
    return true;
}

static void on_cleared(void *ctx, struct now now, int rc)
{
    struct audit_log *l = ctx;
    l->spool_out = false;
    if (rc)
        LOG(l->cfg.log, &row_spool, LF_STR("error", err_name(rc)));
    audit_turn(l, now);
}

static void clear(struct audit_log *l, bool keep)
{
    l->spool_out = true;
    l->replay = SPAN_NULL;
    l->spooled = 0;
    l->cfg.spool->clear(l->cfg.spool, keep, on_cleared, l);
}

/* The next group of what was spooled; the end of it puts the spool away. */
static void replay_next(struct audit_log *l, struct now now)
{
    struct span line;
    l->group_n = 0;
    l->group_rc = 0;
    l->replay_to = l->replay_at;
    for (size_t at = l->replay_at; l->group_n < AUDIT_GROUP && next_line(l->replay, &at, &line);) {
        struct audit_room room;
        struct audit_record r;
        struct chain_link link;
        if (audit_line_read(&r, &link, &room, line, NULL) == 0) {
            int rc = append(l, &r, &link, REQ_GROUP + l->group_n);
            if (rc) {
                l->group_rc = rc;
                break;
            }
            l->group_n++;
            l->group_out++;
            l->replay_end.seq = r.seq;
            l->replay_end.last = link.own;
        } else {
            l->replay_bad = true;
        }
        l->replay_to = at;
    }
    if (l->group_out)
        return;
    if (l->group_rc) {
        replay_done(l, now);
        return;
    }
    l->phase = DIRECT;
    clear(l, l->replay_bad);
}

struct scan {
    uint64_t lines, unreadable, first, last;
    struct chain_hash prev, own;
    bool strange; /* the store has another record of that number */
};

static void scan_line(const struct audit_log *l, struct span line, struct scan *s)
{
    struct audit_room room;
    struct audit_record r;
    struct chain_link link;
    if (audit_line_read(&r, &link, &room, line, NULL)) {
        s->unreadable++;
        return;
    }
    if (s->lines++ == 0) {
        s->first = r.seq;
        s->prev = link.prev;
    }
    if (r.seq == l->stored.seq && memcmp(&link.own, &l->stored.last, sizeof link.own) != 0)
        s->strange = true;
    if (r.seq > s->last) {
        s->last = r.seq;
        s->own = link.own;
    }
}

static struct scan scan(struct audit_log *l)
{
    struct scan s = {.lines = 0};
    struct span line;
    for (size_t at = 0; next_line(l->replay, &at, &line);)
        scan_line(l, line, &s);
    if (s.lines && s.first == l->stored.seq + 1 &&
        memcmp(&s.prev, &l->stored.last, sizeof s.prev) != 0)
        s.strange = true;
    if (s.unreadable)
        LOG(l->cfg.log, &row_unreadable, LF_UINT("lines", s.unreadable));
    return s;
}

/* Both store and spool have spoken: the chain goes on behind the longer. */
static void begin(struct audit_log *l, struct now now)
{
    l->stored = l->chain;
    if (l->tail_seq) {
        l->stored.seq = l->tail_seq;
        l->stored.last = l->tail;
        l->head_at = now.mono; /* where it ended without one */
    }
    l->chain = l->replay_end = l->stored;
    l->phase = DIRECT;
    works(l);
    struct scan s = scan(l);
    if (s.strange) {
        LOG(l->cfg.log, &row_aside, LF_UINT("records", s.lines));
        clear(l, true);
    } else if (s.lines) {
        if (s.first > l->stored.seq + 1)
            LOG(l->cfg.log, &row_gap, LF_UINT("from", l->stored.seq + 1),
                LF_UINT("to", s.first - 1));
        if (s.last > l->chain.seq) {
            l->chain.seq = s.last;
            l->chain.last = s.own;
        }
        l->spooled = s.lines;
        l->replay_at = 0;
        l->phase = REPLAYING;
    }
    audit_number(l);
    if (s.strange)
        audit_tell(l, now, AUDIT_SUB_NONE,
                   "the audit spool was not of this chain and is put aside");
}

static void begin_when_known(struct audit_log *l, struct now now)
{
    if (l->phase == STARTING && l->tail_known && l->spool_read)
        begin(l, now);
}

static void on_read(void *ctx, struct now now, int rc, struct span lines)
{
    struct audit_log *l = ctx;
    l->spool_out = false;
    l->replay = rc ? SPAN_NULL : lines;
    l->replay_at = 0;
    l->replay_bad = false;
    if (rc)
        LOG(l->cfg.log, &row_spool, LF_STR("error", err_name(rc)));
    if (l->phase == STARTING) {
        l->spool_read = rc == 0;
        if (rc) {
            retry_later(l, now);
            l->gave_up = l->closing;
        }
        begin_when_known(l, now);
    } else if (rc) {
        went_down(l, now, rc);
    }
    audit_turn(l, now);
}

static void read_spool(struct audit_log *l)
{
    l->spool_out = true;
    l->cfg.spool->read(l->cfg.spool, on_read, l);
}

static void append_failed(struct audit_log *l, struct now now, int rc)
{
    if (!l->spool_bad)
        LOG(l->cfg.log, &row_spool, LF_STR("error", err_name(rc)));
    l->spool_bad = true;
    l->flush_at = now.mono + RETRY_FIRST;
    l->gave_up = l->closing && l->last_try;
    if (l->closing)
        l->retry_at = now.mono;
    audit_fail_syncs(l, now, E_STORE);
}

static void on_appended(void *ctx, struct now now, int rc)
{
    struct audit_log *l = ctx;
    l->spool_out = false;
    buf_clear(&l->lines);
    if (rc == 0) {
        l->spooled += l->lines_n;
        audit_count(l, M_SPOOLED, l->lines_n);
        audit_settled(l, l->lines_n);
        l->flush_at = l->first ? now.mono : NSEC_NEVER;
        l->spool_bad = false;
    } else {
        append_failed(l, now, rc);
    }
    audit_turn(l, now);
}

/* As many of the oldest as a chunk holds. */
static void append_spool(struct audit_log *l, struct now now)
{
    l->lines_n = 0;
    buf_clear(&l->lines);
    for (struct rec *e = l->first; e && l->lines.n + AUDIT_LINE_MAX < AUDIT_SPOOL_CHUNK;
         e = e->next) {
        size_t before = l->lines.n;
        audit_line_write(&l->lines, &e->r, &e->link);
        (void)buf_append_byte(&l->lines, '\n');
        if (l->lines.failed) { /* memory */
            l->lines.n = before;
            l->lines.failed = false;
            break;
        }
        l->lines_n++;
    }
    l->spool_out = l->lines_n > 0;
    if (l->spool_out)
        l->cfg.spool->append(l->cfg.spool, buf_span(&l->lines), on_appended, l);
    else
        append_failed(l, now, E_NOMEM);
}

/* ---- the start */

static void tail_failed(struct audit_log *l, struct now now, int rc)
{
    LOG(l->cfg.log, &row_tail, LF_STR("error", err_name(rc)));
    retry_later(l, now);
    audit_fail_syncs(l, now, E_STORE);
    l->gave_up = l->closing;
}

static void ask_tail(struct audit_log *l, struct now now)
{
    const struct value v[] = {VALUE_OF_TEXT(l->cfg.node)};
    const struct ask ask = query_ask(QUERY_AUDIT_TAIL, v, ARRAY_LEN(v));
    int rc = l->cfg.store->submit(l->cfg.store, &ask, audit_owner(l, REQ_TAIL));
    l->tail_out = rc == 0;
    if (rc)
        tail_failed(l, now, rc);
}

void audit_tail_answer(struct audit_log *l, struct now now, const struct answer *a)
{
    struct value v[QUERY_VALUES];
    size_t at = 0;
    int rc = a->rc;
    l->tail_out = false;
    if (rc == 0 && query_next(a->u.rows, &at, v) == 2) {
        int64_t seq = query_int(&v[0]);
        l->tail_seq = seq < 0 ? 0 : (uint64_t)seq;
        rc = seq < 1 ? E_RANGE : hex_decode(query_text(&v[1]), l->tail.b, CHAIN_HASH);
    } else if (rc == 0) {
        rc = E_NOENT;
    }
    if (rc && rc != E_NOENT) {
        tail_failed(l, now, rc);
        return;
    }
    l->tail_known = true;
    begin_when_known(l, now);
}

void audit_start(struct audit_log *l, struct now now)
{
    if (l->cfg.spool && !PLANTED(AUDIT_SPOOL_FORGOTTEN))
        read_spool(l);
    else
        l->spool_read = true;
    ask_tail(l, now);
}

/* ---- turns */

static void start_again(struct audit_log *l, struct now now)
{
    if (now.mono < l->retry_at)
        return;
    if (!l->tail_known && !l->tail_out)
        ask_tail(l, now);
    if (l->cfg.spool && !l->spool_read && !l->spool_out)
        read_spool(l);
}

/* While the store is down: memory to the spool, and now and then the store again. */
static void down_advance(struct audit_log *l, struct now now)
{
    if (l->spool_out)
        return;
    if (l->cfg.spool && l->first && now.mono >= l->flush_at) {
        append_spool(l, now);
    } else if (l->closing && !l->first) {
        return; /* what is spooled is for the next start */
    } else if (l->gave_up) {
        return;
    } else if (now.mono >= l->retry_at || (l->closing && !l->cfg.spool)) {
        l->last_try = l->closing;
        l->phase = l->cfg.spool && l->spooled && !l->closing ? REPLAYING : DIRECT;
        if (l->phase == REPLAYING)
            read_spool(l);
        else
            send_group(l, now);
    }
}

static bool group_due(const struct audit_log *l, nsec mono)
{
    return l->n >= AUDIT_GROUP || l->closing || mono >= l->flush_at;
}

void audit_store_advance(struct audit_log *l, struct now now)
{
    if (l->group_out)
        return;
    switch (l->phase) {
    case STARTING: start_again(l, now); break;
    case DIRECT:
        if (l->first && group_due(l, now.mono))
            send_group(l, now);
        break;
    case DOWN: down_advance(l, now); break;
    case REPLAYING:
        if (!l->spool_out && l->closing) {
            l->phase = DOWN; /* the rest at the next start */
            l->flush_at = now.mono;
            down_advance(l, now);
        } else if (!l->spool_out) {
            replay_next(l, now);
        }
        break;
    }
}

nsec audit_store_deadline(const struct audit_log *l)
{
    if (l->group_out)
        return NSEC_NEVER;
    switch (l->phase) {
    case STARTING:
        return (l->tail_known || l->tail_out) && (l->spool_read || l->spool_out) ? NSEC_NEVER
                                                                                 : l->retry_at;
    case DIRECT: return !l->first ? NSEC_NEVER : group_due(l, 0) ? 0 : l->flush_at;
    case DOWN:
        if (l->spool_out || (l->closing && (!l->first || l->gave_up)))
            return NSEC_NEVER;
        if (l->closing && !l->cfg.spool)
            return 0;
        return l->cfg.spool && l->first && l->flush_at < l->retry_at ? l->flush_at : l->retry_at;
    case REPLAYING: return l->spool_out ? NSEC_NEVER : 0;
    }
    return NSEC_NEVER;
}
