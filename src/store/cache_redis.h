/* The cache (core/cache.h) in a Redis, 6 or newer, that the processes of an installation share.
 *
 * Two connections (store/redis_link.h), because one that listens to channels may do nothing else.
 * Both are made again when they break; channels are listened to again then. Operations that compare
 * are small scripts, so they are atomic. What was on its way when the connection broke is answered
 * E_IO; what got no reply in time E_TIMEOUT, and the connection counts as broken. An idle
 * connection is asked for a sign of life every few seconds.
 *
 * Keys begin with "slipgate:", channels with "slipgate:" and the number of the database, because
 * Redis keeps channels of all databases together. One thread, the loop's; nothing blocks but
 * cache_redis_close. */
#ifndef SLIPGATE_STORE_CACHE_REDIS_H
#define SLIPGATE_STORE_CACHE_REDIS_H

#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/cache.h"
#include "core/config.h"
#include "core/loop.h"

#define CACHE_REDIS_QUEUE_MAX 4096u
#define CACHE_REDIS_TIMEOUT   (2 * NSEC_PER_S)
#define CACHE_REDIS_ALIVE     (5 * NSEC_PER_S) /* between signs of life */

struct cache_redis;

struct cache_redis_cfg {
    const char *url; /* redis://... or unix://..., see store/redis_url.h */
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    uint32_t queue_max; /* asks not yet answered; 0: CACHE_REDIS_QUEUE_MAX */
    nsec timeout;       /* of one ask, and of a connection; 0: CACHE_REDIS_TIMEOUT */
};

/* Configuration rows: cache.url, which is "memory:" for no Redis. */
extern const struct config_row cache_config[1];
/* True for "memory:". */
bool cache_url_is_memory(const char *url);
/* Whether the url is "memory:" or one this program understands; touches nothing. E_CONFIG with why
 * in one line, without the url's password. */
MUST_USE int cache_redis_check(const char *url, struct buf *why);

/* Connects from the next turn of the loop on; that Redis cannot be reached is no error. cfg is
 * borrowed until return, but loop, log and metrics must outlive it. E_CONFIG (why says what),
 * E_NOMEM, E_FULL, E_IO. */
MUST_USE int cache_redis_create(struct cache_redis **ret, const struct cache_redis_cfg *,
                                struct buf *why);
struct cache *cache_redis_port(struct cache_redis *);
/* Whether channels are listened to now. */
bool cache_redis_hears(const struct cache_redis *);

/* Sends what is queued (for a quarter of a second at most), answers E_IO to what has no reply yet
 * and refuses from then on. NULL and a second call are fine. */
void cache_redis_close(struct cache_redis *);
void cache_redis_destroy(struct cache_redis *); /* NULL is fine */

#endif
