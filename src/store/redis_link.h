/* One connection to a Redis: finds the host, connects, signs in, chooses the database, sends
 * commands and hands replies over in the order of the commands. When it breaks it is made again
 * after 250 ms, doubling to 10 s.
 *
 * hiredis writes the commands and reads the replies; the socket is ours. Its own asynchronous layer
 * ends the program on a reply it does not expect and blocks while it looks up a name
 * (docs/decisions.md, "Cache").
 *
 * One thread, the loop's; a name is looked up on a thread of the pool. */
#ifndef SLIPGATE_STORE_REDIS_LINK_H
#define SLIPGATE_STORE_REDIS_LINK_H

#include "base/buf.h"
#include "core/loop.h"
#include "store/redis_url.h"

#include <hiredis/hiredis.h>

#define REDIS_REPLY_BYTES_MAX 65536u /* of one reply */
#define REDIS_ERROR_MAX       160u

struct redis_link;

/* Each is called on the loop, none from within a call of the link, but for the down that
 * redis_link_break leads to. */
struct redis_link_events {
    void (*up)(void *ctx, struct now); /* signed in: commands may be sent */
    /* Once for each up, and once for each failure to get there; why for people, no secrets. What
     * was sent and not replied to will not be. */
    void (*down)(void *ctx, struct now, const char *why);
    void (*reply)(void *ctx, struct now, const redisReply *);
    void *ctx;
};

struct redis_link_cfg {
    struct loop *loop;
    struct loop_pool *pool; /* NULL: the host is an address or there is a path */
    const struct redis_url *url;
    size_t out_max; /* bytes not yet written */
    nsec timeout;   /* to be signed in */
    struct redis_link_events events;
};

/* Borrows loop, pool and url. Connects from the next turn of the loop on. E_NOMEM, E_IO. */
MUST_USE int redis_link_create(struct redis_link **ret, const struct redis_link_cfg *);
bool redis_link_is_up(const struct redis_link *);
/* 0; E_IO: not up; E_BUSY: out_max; E_NOMEM: nothing was sent then. */
MUST_USE int redis_link_send(struct redis_link *, int argc, const char **argv, const size_t *argn);
/* When a reply is due: past it the link counts as broken. NSEC_NEVER: none is. */
void redis_link_expect(struct redis_link *, nsec deadline);
/* Breaks it off and begins anew; fine from within reply, and at the end of up. */
void redis_link_break(struct redis_link *, struct now, const char *why);
/* Sends what is queued, for at most wait, and closes; no event comes any more. Blocks: for the end
 * of the program. */
void redis_link_close(struct redis_link *, nsec wait);
/* Closed before, and the pool too. NULL is fine. */
void redis_link_destroy(struct redis_link *);

#endif
