#include "core/cluster.h"

#include "base/cur.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/cluster_wire.h"

enum { M_SENT, M_LOST, M_TAKEN, M_OWN, M_BAD, METRICS_N };

static const struct metric_row metric_rows[METRICS_N] = {
    [M_SENT] = {"slipgate_cluster_messages_total", "result=\"sent\"", METRIC_COUNTER,
                "Messages between processes by what became of them."},
    [M_LOST] = {"slipgate_cluster_messages_total", "result=\"lost\"", METRIC_COUNTER, NULL},
    [M_TAKEN] = {"slipgate_cluster_messages_total", "result=\"taken\"", METRIC_COUNTER, NULL},
    [M_OWN] = {"slipgate_cluster_messages_total", "result=\"own\"", METRIC_COUNTER, NULL},
    [M_BAD] = {"slipgate_cluster_messages_total", "result=\"malformed\"", METRIC_COUNTER, NULL},
};

static const struct log_row log_malformed = {
    LOG_WARN, "cluster.malformed",
    "a message that no process of this version sends; others are only counted"};

static const char channel[] = "cluster";

struct cluster {
    struct cache *cache;
    struct log *log;
    struct metrics *metrics;
    size_t metric_base;
    uint8_t node_n;
    uint8_t node[NODE_MAX];
    bool told; /* a malformed message was logged */
    uint32_t listeners_n;
    struct {
        cluster_fn fn;
        void *ctx;
    } listeners[CLUSTER_LISTENERS_MAX];
};

int cluster_encode(const struct cluster_message *m, struct span node, uint8_t to[CLUSTER_BYTES_MAX])
{
    if (m->kind >= CLUSTER_KINDS_N || m->id <= 0 || m->game.n > CLUSTER_GAME_MAX || node.n == 0 ||
        node.n > NODE_MAX)
        return E_RANGE;
    struct wcur c = wcur_of(to, CLUSTER_BYTES_MAX);
    wcur_be(&c, CLUSTER_VERSION, 1);
    wcur_be(&c, m->kind, 1);
    wcur_be(&c, (uint64_t)m->id, 8);
    wcur_be(&c, node.n, 1);
    wcur_put(&c, node.p, node.n);
    wcur_be(&c, m->game.n, 1);
    wcur_put(&c, m->game.p, m->game.n);
    return (int)(c.p - to);
}

int cluster_decode(struct span bytes, struct cluster_message *ret, struct span *node)
{
    struct rcur c = rcur_of(bytes);
    uint64_t version = rcur_be(&c, 1), kind = rcur_be(&c, 1), id = rcur_be(&c, 8);
    if (c.bad)
        return E_FORMAT;
    if (version != CLUSTER_VERSION || kind >= CLUSTER_KINDS_N)
        return E_SUPPORT;
    *node = rcur_take(&c, rcur_be(&c, 1));
    struct span game = rcur_take(&c, rcur_be(&c, 1));
    if (c.bad || rcur_left(&c) || id == 0 || id > INT64_MAX || node->n == 0 || node->n > NODE_MAX ||
        game.n > CLUSTER_GAME_MAX)
        return E_FORMAT;
    *ret = (struct cluster_message){(enum cluster_kind)kind, (int64_t)id, game};
    return 0;
}

static void count(struct cluster *c, size_t row)
{
    metrics_add(c->metrics, c->metric_base + row, 1);
}

static void on_message(void *ctx, struct now now, struct span bytes)
{
    struct cluster *c = ctx;
    struct cluster_message m;
    struct span node;
    if (cluster_decode(bytes, &m, &node)) {
        count(c, M_BAD);
        if (!c->told)
            LOG(c->log, &log_malformed, LF_UINT("bytes", bytes.n));
        c->told = true;
        return;
    }
    if (span_eq(node, span_of(c->node, c->node_n))) {
        count(c, M_OWN);
        return;
    }
    count(c, M_TAKEN);
    for (uint32_t i = 0; i < c->listeners_n; i++)
        c->listeners[i].fn(c->listeners[i].ctx, now, &m);
}

static void on_state(void *ctx, struct now now, bool up)
{
    const struct cluster *c = ctx;
    const struct cluster_message m = {.kind = CLUSTER_GAP};
    for (uint32_t i = 0; up && i < c->listeners_n; i++)
        c->listeners[i].fn(c->listeners[i].ctx, now, &m);
}

static void on_published(void *ctx, struct now now, const struct cache_answer *a)
{
    (void)now;
    count(ctx, a->rc ? M_LOST : M_SENT);
}

int cluster_create(struct cluster **ret, const struct cluster_cfg *cfg)
{
    if (cfg->node.n == 0 || cfg->node.n > NODE_MAX)
        return E_RANGE;
    struct cluster *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return E_NOMEM;
    c->cache = cfg->cache;
    c->log = cfg->log;
    c->metrics = cfg->metrics;
    c->node_n = (uint8_t)cfg->node.n;
    memcpy(c->node, cfg->node.p, cfg->node.n);
    int base = metrics_register(cfg->metrics, metric_rows, METRICS_N);
    int rc = base < 0 ? base : 0;
    if (rc == 0) {
        c->metric_base = (size_t)base;
        rc = cache_listen(
            c->cache, span_str(channel),
            &(struct cache_listener){.message = on_message, .state = on_state, .ctx = c});
    }
    if (rc) {
        mem_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void cluster_destroy(struct cluster *c)
{
    mem_free(c);
}

void cluster_tell(struct cluster *c, struct now now, const struct cluster_message *m)
{
    (void)now;
    if (!c)
        return;
    uint8_t bytes[CLUSTER_BYTES_MAX];
    int n = cluster_encode(m, span_of(c->node, c->node_n), bytes);
    if (n > 0) {
        struct cache_ask ask = {
            .op = CACHE_PUBLISH, .key = span_str(channel), .value = span_of(bytes, (size_t)n)};
        if (cache_submit(c->cache, &ask, (struct cache_owner){on_published, c, 0}) == 0)
            return;
    }
    count(c, M_LOST);
}

int cluster_listen(struct cluster *c, cluster_fn fn, void *ctx)
{
    if (c->listeners_n == CLUSTER_LISTENERS_MAX)
        return E_FULL;
    c->listeners[c->listeners_n].fn = fn;
    c->listeners[c->listeners_n++].ctx = ctx;
    return 0;
}
