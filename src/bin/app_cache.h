/* What this process shares with its like: the cache, messages, and who is signed in where. Opened
 * behind the log and the loop and before whoever tells others something; closed before the server
 * is destroyed, and destroyed behind all that may still tell. */
#ifndef SLIPGATE_BIN_APP_CACHE_H
#define SLIPGATE_BIN_APP_CACHE_H

#include "core/presence.h"
#include "store/cache_redis.h"

struct app;
struct cache_memory;

#define APP_CACHE_LOOKUPS_MAX 256u

struct app_cache {
    struct cache *cache;
    struct cache_memory *memory; /* one of the two is behind it */
    struct cache_redis *redis;
    struct presence *presence;
    char node[NODE_MAX + 1]; /* as others know this process */
    struct loop_timer *timer;
    /* Accounts that others changed and that are still to be looked up. */
    struct {
        int64_t id; /* 0: free */
        bool asked;
        uint8_t tries;
    } lookups[APP_CACHE_LOOKUPS_MAX];
};

/* Sets app->cluster too. */
MUST_USE int app_cache_open(struct app *, struct buf *why);
/* Behind the store's close: answers what waits and takes no more. */
void app_cache_close(struct app *);
void app_cache_destroy(struct app *);

#endif
