#include "core/cache.h"

#include "base/err.h"

#include <stdio.h>

static bool has_ttl(enum cache_op op)
{
    return op == CACHE_PUT || op == CACHE_PUT_ABSENT || op == CACHE_PUT_EQUAL || op == CACHE_ADD;
}

int cache_submit(struct cache *c, const struct cache_ask *ask, struct cache_owner owner)
{
    if (ask->key.n == 0 || ask->key.n > CACHE_KEY_MAX || ask->value.n > CACHE_VALUE_MAX ||
        ask->old.n > CACHE_VALUE_MAX)
        return E_RANGE;
    if (has_ttl(ask->op) && (ask->ttl_ms == 0 || ask->ttl_ms > CACHE_TTL_MAX_MS))
        return E_RANGE;
    return c->ops->submit(c, ask, owner);
}

int cache_listen(struct cache *c, struct span channel, const struct cache_listener *l)
{
    return channel.n > CACHE_KEY_MAX ? E_RANGE : c->ops->listen(c, channel, l);
}

bool cache_up(const struct cache *c)
{
    return c->ops->up(c);
}

int cache_count(struct cache *c, const char *what, struct span subject, uint32_t window_ms,
                struct cache_owner owner)
{
    char key[CACHE_KEY_MAX + 1];
    if (subject.n > CACHE_KEY_MAX)
        return E_RANGE;
    int n =
        snprintf(key, sizeof key, "rate:%s:%.*s", what, (int)subject.n, (const char *)subject.p);
    if (n < 0 || (size_t)n >= sizeof key)
        return E_RANGE;
    struct cache_ask ask = {
        .op = CACHE_ADD, .key = span_of(key, (size_t)n), .ttl_ms = window_ms, .add = 1};
    return cache_submit(c, &ask, owner);
}
