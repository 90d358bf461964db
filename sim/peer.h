/* A client's machine: an address, at most one stream to the server at a time, and one datagram
 * socket. What it sends takes time, arrives in pieces or not at all, as the plan says. Calls only
 * queue; the callbacks come later, from the kernel, and may make any call, peer_destroy excepted
 * (destroy in a timer of your own, or at the end). */
#ifndef SLIPGATE_SIM_PEER_H
#define SLIPGATE_SIM_PEER_H

#include "base/addr.h"
#include "sim/sim.h"

struct peer;

enum peer_end {
    PEER_REFUSED, /* no server there, or it would not have us */
    PEER_EOF,     /* the server said its last byte */
    PEER_LOST,    /* reset, or the server died */
};

struct peer_ops {
    void (*up)(struct sim *, struct peer *); /* the stream is there */
    void (*bytes)(struct sim *, struct peer *, struct span);
    void (*down)(struct sim *, struct peer *, enum peer_end);
    void (*dgram)(struct sim *, struct peer *, struct span);
};

/* ctx is the owner's. ip without port; NULL only if memory is short. */
struct peer *peer_create(struct sim *, const struct peer_ops *, void *ctx, const char *ip);
void peer_destroy(struct sim *, struct peer *); /* whatever is under way is lost; NULL is fine */
void *peer_ctx(const struct peer *);
uint64_t peer_number(const struct peer *); /* in order of creation, from 1 */
/* Where its datagrams come from now. */
const struct addr *peer_dgram_addr(const struct peer *);

/* ---- the stream ---- */
void peer_connect(struct sim *, struct peer *); /* up or down follows; only when there is none */
bool peer_is_up(const struct peer *);
void peer_send(struct sim *, struct peer *, struct span); /* dropped when there is no stream */
void peer_finish(struct sim *, struct peer *); /* no more from us; we go on reading until down */
void peer_reset(struct sim *, struct peer *);  /* cut at once; down (PEER_LOST) follows */
void peer_stall(struct sim *, struct peer *, nsec how_long); /* reads nothing for so long */

/* ---- datagrams ---- */
void peer_dgram(struct sim *, struct peer *, struct span);
/* As if from somewhere else: a forged source address. */
void peer_dgram_from(struct sim *, struct peer *, const struct addr *from, struct span);

#endif
