/* The cache: short-lived facts that the processes of one installation share (who is signed in
 * where, how often an address failed) and messages between them. Nothing here is kept for good:
 * whoever puts something in can do without it.
 *
 * Behind the port is memory (core/cache_memory.h) for a process alone, or Redis
 * (store/cache_redis.h). Each operation is atomic among all processes, and those of one process
 * run in the order in which they were submitted.
 *
 * Limits: keys of 1 to CACHE_KEY_MAX bytes, values up to CACHE_VALUE_MAX, any bytes; a time to live
 * of 1 ms to CACHE_TTL_MAX_MS, always; CACHE_LISTENERS_MAX listeners. One thread, the loop's. */
#ifndef SLIPGATE_CORE_CACHE_H
#define SLIPGATE_CORE_CACHE_H

#include "base/types.h"

#define CACHE_KEY_MAX       128u
#define CACHE_VALUE_MAX     1024u
#define CACHE_TTL_MAX_MS    (7u * 86400u * 1000u)
#define CACHE_LISTENERS_MAX 8u

enum cache_op {
    CACHE_GET,        /* the value; E_NOENT */
    CACHE_PUT,        /* whatever was there */
    CACHE_PUT_ABSENT, /* E_EXISTS and what is there */
    CACHE_PUT_EQUAL,  /* only over the value `old`, which may be `value` itself to have it live
                         longer; E_NOENT, or E_STALE and what is there */
    CACHE_DEL_EQUAL,  /* takes out what is `old`; E_NOENT, or E_STALE and what is there */
    CACHE_ADD,        /* adds to a number and gives the sum; the first add sets the time to live and
                         the others leave it: a window. E_RANGE: no number, or too great */
    CACHE_PUBLISH,    /* `value` to all that listen to the channel `key`, this process too; number
                         says how many took it, as far as is known */
    CACHE_OPS_N
};

struct cache_ask {
    enum cache_op op;
    struct span key, old, value; /* borrowed until submit returns */
    uint32_t ttl_ms;             /* PUT*, ADD */
    int64_t add;
};

struct cache_answer {
    uint64_t req;
    enum cache_op op;
    int rc; /* as above; E_IO: the link broke, E_TIMEOUT: no answer in time (in both cases it may be
               done all the same); E_STORE: refused by the cache; E_FULL: no room; E_NOMEM */
    struct span value; /* borrowed until the answer was taken */
    int64_t number;
};

/* Who gets the answer: on the loop's thread, never from within submit. answer NULL: nobody. */
struct cache_owner {
    void (*answer)(void *ctx, struct now, const struct cache_answer *);
    void *ctx;
    uint64_t req;
};

/* Both on the loop's thread, never from within a call of the cache. Either may be NULL. */
struct cache_listener {
    void (*message)(void *ctx, struct now, struct span value);
    void (*state)(void *ctx, struct now, bool up); /* it changed */
    void *ctx;
};

struct cache {
    const struct cache_ops *ops;
};

/* How a back end looks; the functions below check limits before they call it. */
struct cache_ops {
    int (*submit)(struct cache *, const struct cache_ask *, struct cache_owner);
    int (*listen)(struct cache *, struct span channel, const struct cache_listener *);
    bool (*up)(const struct cache *);
};

/* 0: one answer will come. No answer comes with E_RANGE (a limit above), E_BUSY (the queue is
 * full), E_IO (there is no link now), E_NOMEM. */
MUST_USE int cache_submit(struct cache *, const struct cache_ask *, struct cache_owner);
/* Listens to a channel (empty: to the cache's state only) for as long as the cache lives. Messages
 * sent while there was no link are lost. E_RANGE, E_FULL, E_NOMEM. */
MUST_USE int cache_listen(struct cache *, struct span channel, const struct cache_listener *);
bool cache_up(const struct cache *);

/* Rate counters that all processes share: counts one event of `what` ("login") by `subject` (the
 * prefix of an address as addr_limit_key has it, as 32 hex digits; "#ID" of an account) within a
 * window that begins with the first. The answer's number is the count, this event included.
 *
 * The key is "rate:WHAT:SUBJECT", at most CACHE_KEY_MAX bytes (E_RANGE). In use:
 *   rate:login:PREFIX     failed logins of an address prefix
 *   rate:account:#ID      failed logins on an account */
MUST_USE int cache_count(struct cache *, const char *what, struct span subject, uint32_t window_ms,
                         struct cache_owner);

#endif
