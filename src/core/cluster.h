/* Messages between the processes of one installation, which share a database and a cache: what one
 * of them did that the others must act upon. Best effort: a message may be lost, so whoever listens
 * also looks again from time to time. A process does not hear its own.
 *
 * With the memory cache there is one process and nobody hears. One thread. */
#ifndef SLIPGATE_CORE_CLUSTER_H
#define SLIPGATE_CORE_CLUSTER_H

#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/cache.h"

#define CLUSTER_GAME_MAX      31u
#define CLUSTER_LISTENERS_MAX 8u

enum cluster_kind {
    CLUSTER_BAN_ADDED,       /* id: the ban, in the store by now */
    CLUSTER_BAN_REMOVED,     /* id: the ban */
    CLUSTER_ACCOUNT_CHANGED, /* id: the account; level, suspension, mute or lock: look it up */
    CLUSTER_SIGNED_OUT,      /* id: the account; its sessions end (password changed, logout
                                everywhere, deleted) */
    CLUSTER_SIGNED_IN,       /* id: the account; its sessions of the game (empty: of all) end, it is
                                signed in elsewhere */
    CLUSTER_SESSION_ENDED,   /* id: the account; one of its sessions of the game, by now gone from
                                the store: core/session.h looks again */
    CLUSTER_KINDS_N,
    /* Never sent: the link to the others is back (or there for the first time). What they said
     * meanwhile is lost; look again. id 0. */
    CLUSTER_GAP = CLUSTER_KINDS_N
};

struct cluster_message {
    enum cluster_kind kind;
    int64_t id;
    struct span game; /* at most CLUSTER_GAME_MAX bytes, may be empty */
};

struct cluster;

struct cluster_cfg {
    struct cache *cache;
    struct span node; /* this process among its like: 1 to NODE_MAX bytes, no two the same */
    struct log *log;
    struct metrics *metrics;
};

/* Borrows what cfg points to, copies node. E_RANGE, E_NOMEM, E_FULL. */
MUST_USE int cluster_create(struct cluster **ret, const struct cluster_cfg *);
/* The cache must be closed by then: it would go on calling. NULL is fine. */
void cluster_destroy(struct cluster *);

typedef void (*cluster_fn)(void *ctx, struct now, const struct cluster_message *);

/* Tells the others. NULL for the cluster is fine: there are none. */
void cluster_tell(struct cluster *, struct now, const struct cluster_message *);
/* fn is called for each message of another process. E_FULL: more than CLUSTER_LISTENERS_MAX. */
MUST_USE int cluster_listen(struct cluster *, cluster_fn fn, void *ctx);

#endif
