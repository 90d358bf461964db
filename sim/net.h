/* The network between clients' machines (peer.h) and the server process (node.h): streams, which
 * are reliable and in order until they are reset, and datagrams, which are neither. What it takes
 * is only queued and comes out from the kernel's timers, late, in pieces, or not at all, as the
 * plan says. After the storm it is a good network. */
#ifndef SLIPGATE_SIM_NET_H
#define SLIPGATE_SIM_NET_H

#include "base/hmap.h"
#include "base/list.h"
#include "client/impair.h"
#include "core/egress.h"
#include "sim/peer.h"

struct net_stream;

/* ---- for run.c ---- */

int sim_net_create(struct sim *); /* E_NOMEM */
void sim_net_destroy(struct sim *);
void sim_net_calm(struct sim *); /* the storm is over: all that was cut or late goes on now */

/* ---- for the node: may be called from within the fake's hooks, and call nothing back ---- */

/* The server's end says these bytes, the last ones or not. How many it takes. */
size_t net_carry(struct sim *, struct net_stream *, struct span, bool last);
/* The server's end is gone: in order, its bytes and the end arrive; else what is under way may be
 * lost. */
void net_server_closed(struct sim *, struct net_stream *, bool in_order);
/* The process or its machine died: clients notice within so long. */
void net_server_died(struct sim *, nsec noticed_within);
void net_dgram_out(struct sim *, const struct path *, struct span);
/* The node was called: what it did not want to read before it may want now. */
void net_unblock(struct sim *);

/* ---- faults that are spread over time: how many peers were struck ---- */

uint32_t net_lose_streams(struct sim *, double share);
uint32_t net_partition(struct sim *, double share, nsec how_long);

/* ---- inside ---- */

struct net_chunk {
    nsec at;
    uint32_t n;
};

/* One direction of a stream: bytes on their way, in chunks that arrive at their times. */
struct net_pipe {
    struct sim_timer timer;
    struct list blocked; /* in the net's: the server does not read from it now */
    struct buf bytes;
    struct net_chunk *chunks; /* a ring */
    uint32_t first, n, cap;
    nsec last_at;
    bool fin, reset; /* what comes after the bytes; after a reset nothing more is taken */
    bool said;       /* and it has come */
};

struct net_stream {
    struct list node; /* of all */
    struct list dead;
    uint64_t number;
    struct peer *peer; /* NULL: the client's end is gone */
    int link;          /* the node's; NET_NO_LINK: the server's end is gone, or not there yet */
    bool open;         /* connected */
    nsec since;
    struct sim_timer connect;
    struct net_pipe up, down;
};

#define NET_NO_LINK (-1)

struct peer {
    struct list node; /* of all, in order of creation */
    uint64_t number;
    const struct peer_ops *ops;
    void *ctx;
    struct addr addr;       /* of its streams */
    struct addr dgram_addr; /* of its datagrams, now */
    struct net_stream *stream;
    struct sim_timer lost; /* a stream it cut itself: tells it so */
    nsec stalled_until, cut_until;
    double quality; /* of its latency: 0.5 to 1.5 */
    struct impair up, down;
    bool listed; /* its address is in by_addr */
};

struct net_record { /* a datagram somebody keeps, to send it again */
    bool up;
    uint64_t peer;
    struct addr from;
    size_t n;
    uint8_t *bytes;
};

#define NET_RECORDS 64u

struct sim_net {
    struct list peers, streams, blocked, dead, dgrams;
    uint64_t peers_made, streams_made;
    struct peer **by_number; /* [number - 1]; NULL: destroyed */
    size_t by_number_cap;
    struct hmap by_addr; /* datagram address to number */
    struct sim_timer reap;
    struct net_record records[NET_RECORDS];
    uint64_t recorded;
};

/* One way, for this client: by the plan, in the storm and after. */
nsec net_latency(struct sim *, const struct peer *);
struct peer *net_peer(const struct sim *, uint64_t number); /* NULL: none any more */
bool net_is_cut(const struct sim *, const struct peer *);

/* net_stream.c */
void net_stream_connect(struct sim *, struct peer *);
void net_stream_send(struct sim *, struct net_stream *, struct span);
void net_stream_finish(struct sim *, struct net_stream *);
/* The client's end goes away at once; the server hears of it later. */
void net_stream_abandon(struct sim *, struct net_stream *);
void net_stream_wake(struct sim *, struct net_stream *); /* times may have changed */
void net_streams_fini(struct sim *);
void net_reap(struct sim *, struct sim_timer *); /* frees those that both ends left */

/* net_dgram.c */
void net_dgram_send(struct sim *, struct peer *, const struct addr *from, struct span);
void net_dgrams_fini(struct sim *);
struct impair_profile net_profile(struct sim *, const struct peer *);

#endif
