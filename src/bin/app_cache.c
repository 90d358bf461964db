#include "bin/app_cache.h"

#include "base/err.h"
#include "bin/app.h"
#include "core/cache_memory.h"
#include "core/query.h"

#include <stdio.h>

#define RETRY     NSEC_PER_S
#define TRIES_MAX 60u

static const struct log_row row_node = {LOG_INFO, "cache.node",
                                        "other processes know this one by this name"};
static const struct log_row row_forgotten = {
    LOG_WARN, "cache.account_not_read",
    "what another process changed about an account is not in force here"};

/* Columns of QUERY_ACCOUNT (core/query.def). */
enum { COLUMN_LEVEL = 3, COLUMN_SUSPENDED = 4, COLUMN_MUTED = 6 };

static void tell_account(struct app *a, enum account_change change, int64_t id, struct span game,
                         const struct value *row)
{
    struct notice n = {.kind = NOTICE_ACCOUNT};
    n.u.account.change = change;
    n.u.account.id = id;
    n.u.account.game = game;
    if (row) {
        n.u.account.level = (uint8_t)query_int(&row[COLUMN_LEVEL]);
        n.u.account.muted = query_int(&row[COLUMN_MUTED]) != 0;
    }
    if (a->server)
        server_notice(a->server, &n);
}

/* --- accounts that others changed --- */

static void look_up(struct app *a, size_t i);

static void retry_later(struct app *a, size_t i, struct now now)
{
    if (++a->shared.lookups[i].tries >= TRIES_MAX) {
        LOG(a->log, &row_forgotten, LF_INT("account", a->shared.lookups[i].id));
        a->shared.lookups[i].id = 0;
        return;
    }
    a->loop->ops->timer_set(a->shared.timer, now.mono + RETRY);
}

static void on_account(void *ctx, struct now now, const struct answer *answer)
{
    struct app *a = ctx;
    size_t i = (size_t)answer->req, at = 0;
    struct value row[QUERY_VALUES];
    int64_t id = a->shared.lookups[i].id;
    a->shared.lookups[i].asked = false;
    if (answer->rc == 0 && query_next(answer->u.rows, &at, row) > 0) {
        bool suspended = query_int(&row[COLUMN_SUSPENDED]) != 0;
        a->shared.lookups[i].id = 0;
        tell_account(a, suspended ? ACCOUNT_SUSPENDED : ACCOUNT_STANDING, id, SPAN_NULL, row);
    } else if (answer->rc == 0 || answer->rc == E_NOENT) {
        a->shared.lookups[i].id = 0;
        tell_account(a, ACCOUNT_SIGNED_OUT, id, SPAN_NULL, NULL);
    } else {
        retry_later(a, i, now);
    }
}

static void look_up(struct app *a, size_t i)
{
    struct value id = {.type = VALUE_INT, .u.i = a->shared.lookups[i].id};
    struct ask ask = query_ask(QUERY_ACCOUNT_BY_ID, &id, 1);
    struct ask_port *store = store_port(a->store);
    a->shared.lookups[i].asked = true;
    if (store->submit(store, &ask, (struct ask_owner){on_account, a, i})) {
        a->shared.lookups[i].asked = false;
        retry_later(a, i, a->loop->ops->now(a->loop));
    }
}

static void on_timer(void *ctx, struct now now)
{
    struct app *a = ctx;
    (void)now;
    for (size_t i = 0; i < APP_CACHE_LOOKUPS_MAX; i++)
        if (a->shared.lookups[i].id && !a->shared.lookups[i].asked)
            look_up(a, i);
}

/* One that waits for its turn will see this change too; one that is being looked up may not. */
static void account_changed(struct app *a, int64_t id)
{
    size_t room = APP_CACHE_LOOKUPS_MAX;
    for (size_t i = APP_CACHE_LOOKUPS_MAX; i-- > 0;) {
        if (a->shared.lookups[i].id == id && !a->shared.lookups[i].asked)
            return;
        if (a->shared.lookups[i].id == 0)
            room = i;
    }
    if (room == APP_CACHE_LOOKUPS_MAX) {
        LOG(a->log, &row_forgotten, LF_INT("account", id));
        return;
    }
    a->shared.lookups[room].id = id;
    a->shared.lookups[room].tries = 0;
    look_up(a, room);
}

static void on_message(void *ctx, struct now now, const struct cluster_message *m)
{
    struct app *a = ctx;
    (void)now;
    switch (m->kind) {
    case CLUSTER_ACCOUNT_CHANGED: account_changed(a, m->id); break;
    case CLUSTER_SIGNED_OUT: tell_account(a, ACCOUNT_SIGNED_OUT, m->id, SPAN_NULL, NULL); break;
    case CLUSTER_SIGNED_IN: /* presence sees whether it still is so, and says lost */
    case CLUSTER_BAN_ADDED: /* the desk of bans listens itself */
    case CLUSTER_BAN_REMOVED:
    case CLUSTER_SESSION_ENDED: /* and who has sessions */
    case CLUSTER_KINDS_N: break;
    }
}

static void on_lost(void *ctx, struct now now, int64_t account, struct span game)
{
    (void)now;
    tell_account(ctx, ACCOUNT_SIGNED_IN, account, game, NULL);
}

/* --- life --- */

/* A name that was given stays the same when the process comes back. Without one it is random, so
 * that two that were started alike are not taken for one. */
static void name_node(struct app *a)
{
    uint8_t random[8];
    if (config_source(a->config, "server.node") != CONFIG_DEFAULT) {
        (void)snprintf(a->shared.node, sizeof a->shared.node, "%s",
                       config_text(a->config, "server.node"));
        return;
    }
    entropy_get(&a->entropy, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(a->shared.node + 2 * i, 3, "%02x", random[i]);
}

static int cache_open(struct app *a, struct buf *why)
{
    const char *url = config_text(a->config, "cache.url");
    if (cache_url_is_memory(url)) {
        struct cache_memory_cfg cfg = {.loop = a->loop, .entropy = &a->entropy};
        int rc = cache_memory_create(&a->shared.memory, &cfg);
        if (rc == 0)
            a->shared.cache = cache_memory_port(a->shared.memory);
        return rc;
    }
    struct cache_redis_cfg cfg = {
        .url = url, .loop = a->loop, .log = a->log, .metrics = &a->metrics};
    int rc = cache_redis_create(&a->shared.redis, &cfg, why);
    if (rc)
        return rc;
    a->shared.cache = cache_redis_port(a->shared.redis);
    LOG(a->log, &row_node, LF_STR("node", a->shared.node));
    return 0;
}

static int cluster_open(struct app *a)
{
    struct cluster_cfg cfg = {
        .cache = a->shared.cache,
        .node = span_str(a->shared.node),
        .log = a->log,
        .metrics = &a->metrics,
    };
    int rc = cluster_create(&a->cluster, &cfg);
    return rc ? rc : cluster_listen(a->cluster, on_message, a);
}

static int presence_open(struct app *a)
{
    struct presence_cfg cfg = {
        .loop = a->loop,
        .cache = a->shared.cache,
        .cluster = a->cluster,
        .node = span_str(a->shared.node),
        .log = a->log,
        .metrics = &a->metrics,
        .entropy = &a->entropy,
        .lost = on_lost,
        .ctx = a,
    };
    return presence_create(&a->shared.presence, &cfg);
}

int app_cache_open(struct app *a, struct buf *why)
{
    name_node(a);
    int rc = a->loop->ops->timer_open(a->loop, on_timer, a, &a->shared.timer);
    if (rc == 0)
        rc = cache_open(a, why);
    if (rc == 0)
        rc = cluster_open(a);
    return rc ? rc : presence_open(a);
}

void app_cache_close(struct app *a)
{
    presence_close(a->shared.presence);
    cache_redis_close(a->shared.redis);
    cache_memory_close(a->shared.memory);
    if (a->shared.timer)
        a->loop->ops->timer_close(a->shared.timer);
    a->shared.timer = NULL;
}

void app_cache_destroy(struct app *a)
{
    app_cache_close(a);
    presence_destroy(a->shared.presence);
    cluster_destroy(a->cluster);
    a->cluster = NULL;
    cache_redis_destroy(a->shared.redis);
    cache_memory_destroy(a->shared.memory);
}
