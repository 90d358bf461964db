/* Reading the audit log from the store. */
#include "base/err.h"
#include "base/mem.h"
#include "bin/cmd_audit.h"
#include "os/clock.h"
#include "wire/text.h"

#define ANSWER_MAX (60 * NSEC_PER_S)
#define HEADS_PAGE 500

static void say_nothing(struct log *log, const struct log_row *row, const struct log_field *f,
                        size_t n)
{
    (void)log;
    (void)row;
    (void)f;
    (void)n;
}

int audit_db_open(struct audit_db *db, const struct config *config, struct buf *why)
{
    *db = (struct audit_db){.log = {LOG_ERROR, say_nothing}};
    metrics_init(&db->metrics);
    buf_init(&db->rows, QUERY_BYTES_MAX);
    struct store_cfg cfg = {
        .url = config_text(config, "store.url"),
        .data_dir = config_text(config, "data.dir"),
        .log = &db->log,
        .metrics = &db->metrics,
        .read_only = true,
    };
    int rc = uvloop_create(&db->uv);
    if (rc == 0)
        rc = store_create(&db->store, uvloop_loop(db->uv), &cfg, why);
    if (rc)
        audit_db_close(db);
    return rc;
}

void audit_db_close(struct audit_db *db)
{
    store_destroy(db->store);
    uvloop_destroy(db->uv);
    metrics_fini(&db->metrics);
    buf_fini(&db->rows);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct audit_db *db = ctx;
    (void)now;
    db->rc = a->rc;
    if (a->rc == 0 && buf_append_span(db->to, a->u.rows))
        db->rc = E_NOMEM;
    uvloop_stop(db->uv);
}

int audit_db_ask(struct audit_db *db, enum query q, const struct value *v, size_t n, struct buf *to)
{
    const struct ask ask = query_ask(q, v, n);
    struct ask_port *port = store_port(db->store);
    db->to = to;
    db->rc = E_TIMEOUT;
    buf_clear(to);
    int rc = port->submit(port, &ask, (struct ask_owner){on_answer, db, 0});
    if (rc)
        return rc;
    (void)uvloop_run(db->uv, clock_now().mono + ANSWER_MAX);
    return db->rc;
}

static struct audit_node *node_of(struct audit_node *all, size_t *n, struct span name)
{
    for (size_t i = 0; i < *n; i++)
        if (span_eq(span_str(all[i].name), name))
            return &all[i];
    if (*n == AUDIT_NODES_MAX || name.n > NODE_MAX)
        return NULL;
    struct audit_node *node = &all[(*n)++];
    *node = (struct audit_node){.name = ""};
    memcpy(node->name, name.p, name.n);
    return node;
}

int audit_db_nodes(struct audit_db *db, const char *own, struct audit_node ret[AUDIT_NODES_MAX],
                   size_t *n)
{
    struct value v[QUERY_VALUES];
    int rc = audit_db_ask(db, QUERY_AUDIT_NODES, NULL, 0, &db->rows);
    *n = 0;
    for (size_t at = 0; rc == 0 && query_next(buf_span(&db->rows), &at, v) > 0;) {
        struct audit_node *node = node_of(ret, n, query_text(&v[0]));
        if (!node)
            return E_LIMIT;
        node->first = (uint64_t)query_int(&v[1]);
        node->last = (uint64_t)query_int(&v[2]);
    }
    if (rc == 0 && !node_of(ret, n, span_str(own)))
        rc = E_LIMIT;
    return rc;
}

int audit_db_page(struct audit_db *db, const char *node, uint64_t above,
                  const struct value filter[5], struct buf *to)
{
    struct value v[8] = {
        VALUE_OF_TEXT(span_str(node)),
        VALUE_OF_INT((int64_t)above),
        VALUE_OF_INT(0),
        VALUE_OF_INT(0),
        VALUE_OF_INT(0),
        VALUE_OF_TEXT(SPAN_NULL),
        VALUE_OF_TEXT(SPAN_NULL),
        VALUE_OF_INT(AUDIT_PAGE),
    };
    if (filter)
        memcpy(&v[2], filter, 5 * sizeof *v);
    return audit_db_ask(db, QUERY_AUDIT_LIST, v, ARRAY_LEN(v), to);
}

static uint16_t small(const struct value *v)
{
    int64_t i = query_int(v);
    return i < 0 || i > UINT16_MAX ? UINT16_MAX : (uint16_t)i; /* which is no type */
}

bool audit_row_next(const struct buf *rows, size_t *at, struct audit_row *ret)
{
    struct value v[QUERY_VALUES];
    if (query_next(buf_span(rows), at, v) < 0)
        return false;
    *ret = (struct audit_row){.r = {
                                  .seq = (uint64_t)query_int(&v[1]),
                                  .at_ms = query_int(&v[2]),
                                  .type = small(&v[3]),
                                  .subtype = small(&v[4]),
                                  .game = query_text(&v[5]),
                                  .account = query_text(&v[6]),
                                  .player = query_text(&v[7]),
                                  .address = query_text(&v[8]),
                                  .target = query_text(&v[9]),
                                  .details = query_text(&v[10]),
                              }};
    if (hex_decode(query_text(&v[11]), ret->link.prev.b, CHAIN_HASH))
        memset(ret->link.prev.b, 0, CHAIN_HASH);
    if (hex_decode(query_text(&v[12]), ret->link.own.b, CHAIN_HASH))
        memset(ret->link.own.b, 0, CHAIN_HASH);
    return true;
}

/* ---- heads, one after the other */

struct heads {
    struct audit_db *db;
    const char *node;
    struct buf rows;
    size_t at;
    struct chain_head last; /* the newest that was given */
};

/* Those of records above seq. */
static void heads_begin(struct heads *h, struct audit_db *db, const char *node, uint64_t seq)
{
    *h = (struct heads){.db = db, .node = node, .last = {.seq = seq, .kind = CHAIN_CUT}};
    buf_init(&h->rows, QUERY_BYTES_MAX);
}

/* A page begins with the number the last one ended with, which may have another head. */
static int heads_page(struct heads *h)
{
    const struct value v[] = {
        VALUE_OF_TEXT(span_str(h->node)),
        VALUE_OF_INT(h->last.seq ? (int64_t)h->last.seq - 1 : 0),
        VALUE_OF_INT(HEADS_PAGE),
    };
    h->at = 0;
    return audit_db_ask(h->db, QUERY_AUDIT_HEADS, v, ARRAY_LEN(v), &h->rows);
}

/* What is no signature is one of nobody. */
static struct chain_head head_of(const struct value *v)
{
    struct chain_head h = {.kind = query_int(&v[0]) == CHAIN_CUT ? CHAIN_CUT : CHAIN_SIGNED,
                           .seq = (uint64_t)query_int(&v[1]),
                           .at_ms = query_int(&v[2])};
    if (hex_decode(query_text(&v[3]), h.hash.b, CHAIN_HASH) ||
        hex_decode(query_text(&v[4]), h.signature, CHAIN_SIGNATURE))
        memset(h.signature, 0, CHAIN_SIGNATURE);
    return h;
}

static bool newer(const struct chain_head *a, const struct chain_head *than)
{
    return a->seq > than->seq || (a->seq == than->seq && a->kind > than->kind);
}

/* 1: *ret; 0: no more. */
static int heads_next(struct heads *h, struct chain_head *ret)
{
    struct value v[QUERY_VALUES];
    for (bool asked = false;; asked = true) {
        while (query_next(buf_span(&h->rows), &h->at, v) > 0) {
            struct chain_head head = head_of(v);
            if (!newer(&head, &h->last))
                continue;
            *ret = h->last = head;
            return 1;
        }
        if (asked)
            return 0;
        int rc = heads_page(h);
        if (rc)
            return rc;
    }
}

int audit_db_newest_head(struct audit_db *db, const char *node, enum chain_head_kind kind,
                         struct chain_head *ret)
{
    struct heads h;
    struct chain_head head = {.seq = 0};
    int rc;
    *ret = (struct chain_head){.seq = 0};
    heads_begin(&h, db, node, 0);
    while ((rc = heads_next(&h, &head)) > 0)
        if (head.kind == kind)
            *ret = head;
    buf_fini(&h.rows);
    return rc;
}

/* ---- the walk */

struct walk {
    const struct audit_walk *to;
    struct heads heads;
    struct chain_head head; /* the next, where there is one */
    int there;              /* 1, 0, or a failure */
    uint64_t at;            /* the last record */
};

static int give_heads(struct walk *w, uint64_t below)
{
    int rc = 0;
    while (rc == 0 && w->there > 0 && w->head.seq < below) {
        rc = w->to->head(w->to->ctx, &w->head);
        w->there = heads_next(&w->heads, &w->head);
    }
    return rc ? rc : w->there < 0 ? w->there : 0;
}

/* One page; how many records it had. */
static int walk_page(struct walk *w, struct audit_db *db, const char *node)
{
    struct audit_row row;
    size_t at = 0;
    int n = 0, rc = audit_db_page(db, node, w->at, NULL, &db->rows);
    while (rc == 0 && audit_row_next(&db->rows, &at, &row)) {
        rc = give_heads(w, row.r.seq);
        if (rc == 0)
            rc = w->to->record(w->to->ctx, &row);
        w->at = row.r.seq;
        n++;
    }
    return rc < 0 ? rc : n;
}

/* A head that a running server adds names records that are there by then: a page that is asked for
 * behind it has them, unless they were removed. */
static int walk_all(struct walk *w, struct audit_db *db, const char *node)
{
    int n = 1;
    bool again = false;
    w->there = heads_next(&w->heads, &w->head);
    while (n > 0 || again) {
        n = walk_page(w, db, node);
        if (n < 0)
            return n;
        again = !again && n == 0 && w->there > 0 && w->head.seq > w->at;
    }
    return give_heads(w, UINT64_MAX);
}

int audit_walk_store(struct audit_db *db, const char *node, const struct audit_walk *to)
{
    struct walk w = {.to = to};
    struct chain_head cut;
    int rc = audit_db_newest_head(db, node, CHAIN_CUT, &cut);
    if (rc == 0)
        rc = to->begin(to->ctx, span_str(node), cut.seq ? &cut : NULL);
    if (rc)
        return rc;
    w.at = cut.seq;
    heads_begin(&w.heads, db, node, cut.seq);
    rc = walk_all(&w, db, node);
    buf_fini(&w.heads.rows);
    return rc;
}
