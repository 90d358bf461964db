/* A store and a spool in memory for the tests of the audit log, answered when told and wrong in
 * every way a real one can be. Memory is the test's own, so that only the log's requests fail. */
#ifndef SLIPGATE_TESTS_UNIT_CORE_FIXTURE_AUDIT_H
#define SLIPGATE_TESTS_UNIT_CORE_FIXTURE_AUDIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "core/audit_log.h"
#include "core/query.h"
#include "sim/alloc_fault.h"
#include "wire/text.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS    8192u
#define HEADS   512u
#define PENDING 1024u
#define SPOOL   (4u << 20)

enum fault { FINE, FAILS, LOSES, REFUSES }; /* LOSES: done, but answered E_STORE */

struct row {
    bool there;
    int64_t at_ms;
    uint16_t n;
    uint8_t bytes[600];
    struct chain_link link;
};

struct pending {
    enum query q;
    struct ask_owner owner;
    size_t n;
    struct value v[QUERY_VALUES];
    char text[2048];
};

struct world {
    struct ask_port port;
    struct audit_spool spool;
    struct audit_log *log;
    struct audit_log_cfg cfg;
    struct metrics metrics;
    struct log quiet;
    struct now now;
    nsec deadline;
    uint8_t public_key[1][CHAIN_KEY];

    struct row rows[ROWS]; /* by number */
    struct chain_head heads[HEADS];
    size_t heads_n, cuts_n;
    struct chain_head cut;
    struct pending pending[PENDING];
    size_t pending_n, pending_most;
    enum fault fault; /* of what is answered from now on */
    int fault_rc;     /* 0: E_STORE */
    bool backwards;   /* answers in the wrong order */
    uint64_t appends, conflicts;

    uint8_t lines[SPOOL];
    size_t lines_n, aside_n;
    int spool_rc;
    enum { SPOOL_IDLE, SPOOL_APPEND, SPOOL_READ, SPOOL_CLEAR } spool_op;
    struct span spool_append;
    bool spool_keep;
    void (*spool_done)(void *ctx, struct now, int rc);
    void (*spool_read)(void *ctx, struct now, int rc, struct span);
    void *spool_ctx;

    uint64_t synced[3]; /* answers of syncs: 0, E_STORE, E_BUSY */
    uint64_t logged, taken;
};

/* ---- store */

static int world_submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct world *w = CONTAINER_OF(port, struct world, port);
    assert_int_equal(ask->kind, ASK_QUERY);
    assert_int_equal(
        query_check(query_table[ask->u.query.query].parameters, ask->u.query.v, ask->u.query.n), 0);
    if (w->fault == REFUSES || w->pending_n == PENDING)
        return E_BUSY;
    struct pending *p = &w->pending[w->pending_n++];
    *p = (struct pending){.q = (enum query)ask->u.query.query, .owner = owner, .n = ask->u.query.n};
    char *to = p->text;
    for (size_t i = 0; i < p->n; i++) {
        p->v[i] = ask->u.query.v[i];
        if (p->v[i].type != VALUE_TEXT || !p->v[i].u.text.n)
            continue;
        memcpy(to, p->v[i].u.text.p, p->v[i].u.text.n);
        p->v[i].u.text.p = (uint8_t *)to;
        to += p->v[i].u.text.n;
        assert_true(to <= p->text + sizeof p->text);
    }
    w->pending_most = w->pending_n > w->pending_most ? w->pending_n : w->pending_most;
    return 0;
}

static void row_put(struct world *w, const struct value *v, struct buf *to)
{
    struct audit_record r = {.seq = (uint64_t)v[1].u.i,
                             .at_ms = v[2].u.i,
                             .type = (uint16_t)v[3].u.i,
                             .subtype = (uint16_t)v[4].u.i,
                             .game = v[5].u.text,
                             .account = v[6].u.text,
                             .player = v[7].u.text,
                             .address = v[8].u.text,
                             .target = v[9].u.text,
                             .details = v[10].u.text};
    struct row row = {.there = true, .at_ms = r.at_ms};
    assert_true(r.seq < ROWS);
    int n = audit_encode(&r, row.bytes, sizeof row.bytes);
    assert_true(n > 0);
    row.n = (uint16_t)n;
    assert_int_equal(hex_decode(v[11].u.text, row.link.prev.b, CHAIN_HASH), 0);
    assert_int_equal(hex_decode(v[12].u.text, row.link.own.b, CHAIN_HASH), 0);
    w->appends++;
    if (w->rows[r.seq].there)
        w->conflicts += memcmp(&w->rows[r.seq].link, &row.link, sizeof row.link) != 0;
    else
        query_pack(to, NULL, 0);
    if (!w->rows[r.seq].there)
        w->rows[r.seq] = row;
}

static void head_put(struct world *w, const struct value *v)
{
    struct chain_head h = {
        .kind = (enum chain_head_kind)v[1].u.i, .seq = (uint64_t)v[2].u.i, .at_ms = v[3].u.i};
    assert_int_equal(hex_decode(v[4].u.text, h.hash.b, CHAIN_HASH), 0);
    assert_int_equal(hex_decode(v[5].u.text, h.signature, CHAIN_SIGNATURE), 0);
    if (h.kind == CHAIN_CUT) {
        w->cut = h;
        w->cuts_n++;
        return;
    }
    assert_true(w->rows[h.seq].there); /* never names what is not there */
    for (size_t i = 0; i < w->heads_n; i++)
        if (w->heads[i].seq == h.seq)
            return;
    assert_true(w->heads_n < HEADS);
    w->heads[w->heads_n++] = h;
}

static uint64_t newest(const struct world *w)
{
    for (uint64_t seq = ROWS - 1; seq; seq--)
        if (w->rows[seq].there)
            return seq;
    return 0;
}

static void give_row(const struct world *w, uint64_t seq, struct buf *to)
{
    char prev[2 * CHAIN_HASH + 1], own[2 * CHAIN_HASH + 1];
    const struct row *row = &w->rows[seq];
    struct audit_record r;
    assert_int_equal(audit_decode(&r, span_of(row->bytes, row->n), NULL), 0);
    hex_encode(row->link.prev.b, CHAIN_HASH, prev);
    hex_encode(row->link.own.b, CHAIN_HASH, own);
    const struct value v[] = {
        VALUE_OF_TEXT(w->cfg.node),   VALUE_OF_INT((int64_t)seq), VALUE_OF_INT(r.at_ms),
        VALUE_OF_INT(r.type),         VALUE_OF_INT(r.subtype),    VALUE_OF_TEXT(r.game),
        VALUE_OF_TEXT(r.account),     VALUE_OF_TEXT(r.player),    VALUE_OF_TEXT(r.address),
        VALUE_OF_TEXT(r.target),      VALUE_OF_TEXT(r.details),   VALUE_OF_TEXT(span_str(prev)),
        VALUE_OF_TEXT(span_str(own)),
    };
    query_pack(to, v, ARRAY_LEN(v));
}

static void give_tail(const struct world *w, struct buf *to)
{
    char own[2 * CHAIN_HASH + 1];
    uint64_t seq = newest(w);
    if (!seq)
        return;
    hex_encode(w->rows[seq].link.own.b, CHAIN_HASH, own);
    const struct value v[] = {VALUE_OF_INT((int64_t)seq), VALUE_OF_TEXT(span_str(own))};
    query_pack(to, v, ARRAY_LEN(v));
}

/* What the log asks of AUDIT_LIST: the first since a time. */
static void give_list(const struct world *w, const struct value *v, struct buf *to)
{
    assert_int_equal(v[7].u.i, 1);
    for (uint64_t seq = (uint64_t)v[1].u.i + 1; seq < ROWS; seq++)
        if (w->rows[seq].there && w->rows[seq].at_ms >= v[2].u.i) {
            give_row(w, seq, to);
            return;
        }
}

/* A few in one go, as a store does; a row for each. */
static void purge(struct world *w, uint64_t upto, struct buf *to)
{
    unsigned n = 0;
    assert_true(w->cuts_n && w->cut.seq >= upto); /* cut before it goes */
    for (uint64_t seq = 1; seq <= upto && n < 3; seq++)
        if (w->rows[seq].there) {
            w->rows[seq].there = false;
            query_pack(to, NULL, 0);
            n++;
        }
}

static void purge_heads(struct world *w, uint64_t upto, struct buf *to)
{
    for (size_t i = 0; i < w->heads_n; i++)
        if (w->heads[i].seq <= upto) {
            w->heads[i] = w->heads[--w->heads_n];
            query_pack(to, NULL, 0);
            return;
        }
}

static void execute(struct world *w, const struct pending *p, struct buf *to)
{
    switch ((unsigned)p->q) {
    case QUERY_AUDIT_APPEND: row_put(w, p->v, to); break;
    case QUERY_AUDIT_TAIL: give_tail(w, to); break;
    case QUERY_AUDIT_LIST: give_list(w, p->v, to); break;
    case QUERY_AUDIT_LAST:
        if (newest(w))
            give_row(w, newest(w), to);
        break;
    case QUERY_AUDIT_HEAD_ADD: head_put(w, p->v); break;
    case QUERY_AUDIT_PURGE: purge(w, (uint64_t)p->v[1].u.i, to); break;
    case QUERY_AUDIT_HEAD_PURGE: purge_heads(w, (uint64_t)p->v[1].u.i, to); break;
    default: fail();
    }
}

static void answer_one(struct world *w, size_t i, enum fault fault)
{
    struct pending p = w->pending[i];
    struct buf rows;
    char *old = w->pending[i].text;
    for (size_t k = 0; k < p.n; k++)
        if (p.v[k].type == VALUE_TEXT && p.v[k].u.text.n)
            p.v[k].u.text.p = (uint8_t *)p.text + (p.v[k].u.text.p - (uint8_t *)old);
    w->pending_n--;
    memmove(&w->pending[i], &w->pending[i + 1], (w->pending_n - i) * sizeof p);
    for (size_t j = i; j < w->pending_n; j++)
        for (size_t k = 0; k < w->pending[j].n; k++)
            if (w->pending[j].v[k].type == VALUE_TEXT && w->pending[j].v[k].u.text.n)
                w->pending[j].v[k].u.text.p -= sizeof p;
    bool before = alloc_fault_suspend(true);
    buf_init(&rows, QUERY_BYTES_MAX);
    if (fault != FAILS)
        execute(w, &p, &rows);
    (void)alloc_fault_suspend(before);
    struct answer a = {.req = p.owner.req, .kind = ASK_QUERY};
    a.rc = fault == FINE ? (rows.n == 0 ? query_table[p.q].none : 0)
           : w->fault_rc ? w->fault_rc
                         : E_STORE;
    a.u.rows = buf_span(&rows);
    p.owner.answer(p.owner.ctx, w->now, &a);
    before = alloc_fault_suspend(true);
    buf_fini(&rows);
    (void)alloc_fault_suspend(before);
}

/* Answers what is pending now, not what that leads to. */
static void answer_pending(struct world *w)
{
    for (size_t n = w->pending_n; n; n--)
        answer_one(w, w->backwards ? n - 1 : 0, w->fault == REFUSES ? FAILS : w->fault);
}

/* ---- spool */

static void spool_append(struct audit_spool *s, struct span lines,
                         void (*done)(void *ctx, struct now, int rc), void *ctx)
{
    struct world *w = CONTAINER_OF(s, struct world, spool);
    assert_int_equal(w->spool_op, SPOOL_IDLE);
    w->spool_op = SPOOL_APPEND;
    w->spool_append = lines;
    w->spool_done = done;
    w->spool_ctx = ctx;
}

static void spool_read(struct audit_spool *s,
                       void (*done)(void *ctx, struct now, int rc, struct span), void *ctx)
{
    struct world *w = CONTAINER_OF(s, struct world, spool);
    assert_int_equal(w->spool_op, SPOOL_IDLE);
    w->spool_op = SPOOL_READ;
    w->spool_read = done;
    w->spool_ctx = ctx;
}

static void spool_clear(struct audit_spool *s, bool keep,
                        void (*done)(void *ctx, struct now, int rc), void *ctx)
{
    struct world *w = CONTAINER_OF(s, struct world, spool);
    assert_int_equal(w->spool_op, SPOOL_IDLE);
    w->spool_op = SPOOL_CLEAR;
    w->spool_keep = keep;
    w->spool_done = done;
    w->spool_ctx = ctx;
}

static void spool_finish(struct world *w, bool does)
{
    unsigned op = w->spool_op;
    int rc = w->spool_rc;
    w->spool_op = SPOOL_IDLE;
    if (op == SPOOL_READ) {
        w->spool_read(w->spool_ctx, w->now, rc, rc ? SPAN_NULL : span_of(w->lines, w->lines_n));
        return;
    }
    if (op == SPOOL_APPEND && does) {
        assert_true(w->lines_n + w->spool_append.n <= SPOOL);
        memcpy(w->lines + w->lines_n, w->spool_append.p, w->spool_append.n);
        w->lines_n += w->spool_append.n;
    } else if (op == SPOOL_CLEAR && does) {
        w->aside_n += w->spool_keep ? w->lines_n : 0;
        w->lines_n = 0;
    }
    if (op != SPOOL_IDLE)
        w->spool_done(w->spool_ctx, w->now, rc);
}

/* ---- the world */

static void world_wake(void *ctx, nsec deadline)
{
    struct world *w = ctx;
    w->deadline = deadline < w->deadline ? deadline : w->deadline;
}

static void world_emit(struct log *log, const struct log_row *row, const struct log_field *f,
                       size_t n)
{
    struct world *w = CONTAINER_OF(log, struct world, quiet);
    (void)f;
    (void)n;
    if (strcmp(row->id, "audit.security") == 0)
        w->logged++;
    if (strcmp(row->id, "audit.taken") == 0)
        w->taken++;
}

static void world_open(struct world *w)
{
    w->deadline = NSEC_NEVER;
    metrics_init(&w->metrics);
    int rc = audit_log_create(&w->log, &w->cfg, w->now);
    if (rc)
        metrics_fini(&w->metrics);
    assert_int_equal(rc, 0);
}

static struct world *world_create(void)
{
    struct world *w = alloc_own(sizeof *w);
    w->port.submit = world_submit;
    w->spool = (struct audit_spool){spool_append, spool_read, spool_clear};
    w->now = (struct now){.mono = 1000 * NSEC_PER_S, .unix_ms = 1700000000000};
    w->quiet = (struct log){LOG_DEBUG, world_emit};
    w->cfg = (struct audit_log_cfg){.store = &w->port,
                                    .spool = &w->spool,
                                    .node = SPAN_LIT("node"),
                                    .key = {1, 2, 3},
                                    .log = &w->quiet,
                                    .metrics = &w->metrics,
                                    .wake = world_wake,
                                    .ctx = w};
    assert_int_equal(chain_public_key(w->cfg.key, w->public_key[0]), 0);
    return w;
}

/* Lets time pass; everything is answered at once. */
static void run(struct world *w, nsec time)
{
    nsec end = w->now.mono + time;
    for (unsigned turns = 0;; turns++) {
        assert_true(turns < 20000); /* it comes to rest */
        if (w->pending_n) {
            answer_pending(w);
        } else if (w->spool_op != SPOOL_IDLE) {
            spool_finish(w, w->spool_rc == 0);
        } else if (w->deadline <= end) {
            nsec at = w->deadline > w->now.mono ? w->deadline : w->now.mono;
            w->now.unix_ms += (int64_t)((at - w->now.mono) / NSEC_PER_MS);
            w->now.mono = at;
            w->deadline = NSEC_NEVER;
            world_wake(w, audit_log_time(w->log, w->now));
        } else {
            w->now.unix_ms += (int64_t)((end - w->now.mono) / NSEC_PER_MS);
            w->now.mono = end;
            return;
        }
    }
}

/* As the end of the process does it. */
static void world_close(struct world *w)
{
    audit_log_close(w->log, w->now);
    for (unsigned i = 0; i < 100 && !audit_log_quiet(w->log); i++)
        run(w, NSEC_PER_MS * 10);
    assert_true(audit_log_quiet(w->log));
    audit_log_destroy(w->log);
    metrics_fini(&w->metrics);
    w->log = NULL;
}

/* kill -9: nothing that is under way is heard of any more. */
static void world_kill(struct world *w)
{
    int rc = w->spool_rc;
    enum fault fault = w->fault;
    w->fault = REFUSES;
    while (w->pending_n || w->spool_op != SPOOL_IDLE) {
        answer_pending(w);
        if (w->spool_op != SPOOL_IDLE) {
            w->spool_rc = E_IO;
            spool_finish(w, false);
        }
    }
    w->spool_rc = rc;
    w->fault = fault;
    audit_log_destroy(w->log);
    metrics_fini(&w->metrics);
    w->log = NULL;
}

static void world_destroy(struct world *w)
{
    if (w->log)
        world_kill(w);
    alloc_own_free(w);
}

static void add(struct world *w, const char *details)
{
    const struct audit_record r = {.type = AUDIT_ACCOUNT,
                                   .subtype = AUDIT_SUB_ACCOUNT_LOGIN,
                                   .game = SPAN_LIT("server"),
                                   .account = SPAN_LIT("#7"),
                                   .address = SPAN_LIT("192.0.2.7"),
                                   .details = span_str(details)};
    audit_log_add(w->log, w->now, &r);
}

static void on_sync(void *ctx, struct now now, int rc)
{
    struct world *w = ctx;
    (void)now;
    w->synced[rc == 0 ? 0 : rc == E_STORE ? 1 : 2]++;
}

static void sync_log(struct world *w)
{
    audit_log_sync(w->log, w->now, on_sync, w);
}

/* What `slipgate audit verify` would say of the store. */
static struct chain_report verified(struct world *w)
{
    struct chain_verifier v;
    struct chain_hasher *h;
    struct chain c;
    struct chain_report report;
    bool before = alloc_fault_suspend(true);
    assert_int_equal(chain_hasher_create(&h), 0);
    assert_int_equal(chain_begin(&c, h, w->cfg.node), 0);
    assert_int_equal(chain_verify_begin(&v, h, &c.origin,
                                        (const uint8_t(*)[CHAIN_KEY])w->public_key, 1,
                                        w->cuts_n ? &w->cut : NULL),
                     0);
    for (uint64_t seq = 1; seq < ROWS; seq++) {
        const struct row *r = &w->rows[seq];
        if (r->there && !(w->cuts_n && seq <= w->cut.seq))
            assert_int_equal(chain_verify_record(&v, seq, span_of(r->bytes, r->n), &r->link), 0);
        for (size_t i = 0; i < w->heads_n; i++)
            if (w->heads[i].seq == seq)
                assert_int_equal(chain_verify_head(&v, &w->heads[i]), 0);
    }
    chain_verify_report(&v, &report);
    chain_hasher_destroy(h);
    (void)alloc_fault_suspend(before);
    return report;
}

static void assert_whole(struct world *w, uint64_t records)
{
    char text[CHAIN_WORDS_MAX];
    struct chain_report r = verified(w);
    if (r.fault != CHAIN_GOOD && r.fault != CHAIN_UNSIGNED)
        fail_msg("%s", chain_words(&r, text));
    assert_int_equal(r.records, records);
}

#endif
