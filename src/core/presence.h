/* Who is signed in where: a claim for each account and game (or for the account in all games: scope
 * server) lies in the cache under the name of the process that holds it, lives PRESENCE_TTL_MS and
 * is refreshed while the session lasts. A process that dies holds its claims no longer than that.
 *
 * ASK_CLAIM, answer 0: this process holds the claim, however often it was asked for; one release
 * gives it up. A service that has several sessions of an account counts them itself, logins under
 * way included, and releases behind the last. A claim that is held here already is granted at once:
 * a service deals with sessions of its own itself. In scope server the last game to claim holds it;
 * a session of another game here ends (lost) or, without replace, is in the way (E_EXISTS). Where
 * another process holds it: with replace it is taken over and the other told (CLUSTER_SIGNED_IN);
 * without, E_EXISTS. E_BUSY as answer: presence was closed.
 * ASK_RELEASE, answer 0. It is done even when submit says E_BUSY for want of room for the answer.
 *
 * While the cache is down claims are granted by this process alone, so that logins and games go on.
 * When it is back all of them are claimed again, and of two processes that hold the same one the
 * newest claim stays (by the wall clock; a takeover is always newer than what it took). The same
 * mends a message that was lost: no later than the next refresh.
 *
 * In the cache: key "session:ACCOUNT:GAME", "session:ACCOUNT:*" in scope server; value
 * "MILLISECONDS NODE" (core/presence_wire.h).
 *
 * Limits: claims_max claims, past which a claim is refused (E_BUSY); PRESENCE_ASKS_MAX asks not yet
 * answered; PRESENCE_FLIGHT_MAX operations on the cache at once. One thread, the loop's. */
#ifndef SLIPGATE_CORE_PRESENCE_H
#define SLIPGATE_CORE_PRESENCE_H

#include "base/entropy.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/cache.h"
#include "core/cluster.h"
#include "core/loop.h"

#define PRESENCE_TTL_MS     30000u
#define PRESENCE_REFRESH    (10 * NSEC_PER_S)
#define PRESENCE_RETRY      (1 * NSEC_PER_S) /* of a claim the cache did not take */
#define PRESENCE_CLAIMS_MAX 65536u
#define PRESENCE_ASKS_MAX   8192u
#define PRESENCE_FLIGHT_MAX 512u

struct presence;

struct presence_cfg {
    struct loop *loop;
    struct cache *cache;
    struct cluster *cluster;
    struct span node; /* as the cluster has it */
    struct log *log;
    struct metrics *metrics;
    struct entropy *entropy;
    uint32_t claims_max; /* 0: PRESENCE_CLAIMS_MAX */
    /* The account's sessions here end, in this game (empty: in all). Never from within submit; may
     * submit. */
    void (*lost)(void *ctx, struct now, int64_t account, struct span game);
    void *ctx;
};

/* Borrows what cfg points to, copies node. E_RANGE, E_NOMEM, E_FULL, E_IO. */
MUST_USE int presence_create(struct presence **ret, const struct presence_cfg *);
/* Where asks go; lives as long as presence. */
struct ask_port *presence_port(struct presence *);
/* Gives all claims up, answers what waits and refuses from then on with E_BUSY. NULL and a second
 * call are fine. Not from within an answer or lost. */
void presence_close(struct presence *);
/* presence_close; the cache must be closed by then: it would go on answering. NULL is fine. */
void presence_destroy(struct presence *);

/* Claims here, those waited for included. */
uint32_t presence_claims(const struct presence *);
/* Walks every invariant; 0, or E_STALE with the broken one named in why.
 * Closed: nothing is promised any more. */
MUST_USE int presence_check(const struct presence *, struct buf *why);

#endif
