/* A service is what a listener can be bound to: a plain state machine that is told what arrived and
 * what time it is, and answers by queueing effects at its host (core/host.h). It never reads a
 * clock, opens a socket, starts a thread, touches a file or draws entropy by itself.
 *
 * Calls never nest: the host calls the service, the service calls the host's functions, and those
 * only queue. Spans are borrowed until the call returns. */
#ifndef SLIPGATE_CORE_SERVICE_H
#define SLIPGATE_CORE_SERVICE_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/types.h"
#include "core/ask.h"
#include "core/ban.h"
#include "core/config.h"
#include "core/egress.h"
#include "core/limits.h"
#include "core/order.h"

struct host;
struct service; /* each service's own; the first thing it knows is its host */

/* One stream connection. slot is small and dense (below the edge's connection limit), so a service
 * may index an array by it. */
struct link_ref {
    struct ref r;
};

struct link_info {
    uint16_t listener; /* index into what listeners() gave */
    bool tls;
    struct addr peer, local;
};

/* Why a link ended; also what a service gives to host_close. */
enum close_why {
    CLOSE_BY_PEER,  /* end of stream or reset */
    CLOSE_BYE,      /* the service said goodbye */
    CLOSE_IDLE,     /* silent too long */
    CLOSE_PROTOCOL, /* broke the protocol's limits */
    CLOSE_SLOW,     /* did not read: output queue full */
    CLOSE_KICK,     /* an operator, a policy, another login */
    CLOSE_DRAIN,    /* the server goes down */
    CLOSE_ERROR,    /* our side: memory, I/O */
};

/* One word for logs and metrics: "peer", "idle", ... */
const char *close_why_text(enum close_why why);

enum listener_kind { LISTEN_TLS, LISTEN_TCP, LISTEN_UDP };

/* A listener a service wants. */
struct listener_spec {
    enum listener_kind kind;
    char bind[ADDR_TEXT_MAX];
    uint16_t port;
    uint32_t in_max;         /* most unconsumed bytes of a link the edge holds: the line ceiling */
    uint32_t out_max;        /* most unsent bytes of a link: past it host_send says E_FULL */
    uint32_t links_per_addr; /* concurrent links of one host; 0: no limit; exempt sources aside */
    const char *port_key;    /* the configuration key the port came from, for error texts */
};

enum notice_kind {
    NOTICE_CONFIG, /* configuration was replaced: u.config; copy what is needed */
    NOTICE_DRAIN,  /* take no new players; be done by u.deadline, at which every link is closed */
    NOTICE_KICK,   /* an operator ends the session u.id, or every session where u.id is empty */
    NOTICE_CLOSE_ROOM, /* an operator empties the room u.id, or every room where u.id is empty */
    NOTICE_BAN,        /* sessions that u.ban covers end (ban_covers) */
    NOTICE_ACCOUNT,    /* u.account changed */
};

enum account_change {
    ACCOUNT_SIGNED_IN,  /* elsewhere: its sessions here end, as single login has it */
    ACCOUNT_SIGNED_OUT, /* its sessions end: password changed, logout everywhere, deleted */
    ACCOUNT_SUSPENDED,  /* its sessions end */
    ACCOUNT_STANDING,   /* level or muted are as said */
};

struct notice {
    enum notice_kind kind;
    union {
        const struct config *config;
        nsec deadline;
        struct span id; /* borrowed */
        const struct ban *ban;
        struct {
            enum account_change change;
            int64_t id;
            struct span game;   /* SIGNED_IN: only in this game; empty: in all */
            struct span except; /* SIGNED_OUT: the session that asked for it stays; may be empty */
            uint8_t level;
            bool muted;
        } account;
    } u;
};

/* What admin shows; filled by view. */
struct service_view {
    uint32_t sessions, authenticated, rooms, rooms_active, players_in_rooms;
};

struct service_ops {
    const char *name;
    struct config_table config;
    const struct limit_table *limits; /* those of its own; may be NULL */
    const struct metric_row *metrics;
    size_t metrics_n;

    /* How many listeners the configuration asks for, the first `cap` of them in ret. 0: service
     * off. */
    size_t (*listeners)(const struct config *, struct listener_spec *ret, size_t cap);
    /* The service keeps the host; the configuration only until return. E_NOMEM, E_CONFIG. */
    int (*create)(struct service **ret, struct host *, const struct config *, struct now);
    void (*destroy)(struct service *);

    /* A link is ready: for LISTEN_TLS the handshake is complete. */
    void (*on_open)(struct service *, struct now, struct link_ref, const struct link_info *);
    /* All unconsumed bytes of the link, oldest first; returns how many were consumed. The edge
     * keeps the rest and calls again when more came, or after host_resume; but not while the peer
     * has more than a quarter of out_max to read. A service that has said enough for one call may
     * host_pause and host_resume: it is called again for the rest when the peer is not behind. */
    size_t (*on_bytes)(struct service *, struct now, struct link_ref, struct span);
    /* Exactly once for each on_open, also after host_close; the handle is stale afterwards. */
    void (*on_close)(struct service *, struct now, struct link_ref, enum close_why);
    /* One batch of datagrams of one socket; what is queued in answer is flushed when it returns. */
    void (*on_dgrams)(struct service *, struct now, uint16_t listener, const struct dgram *,
                      size_t n);
    void (*on_answer)(struct service *, struct now, const struct answer *);
    void (*on_notice)(struct service *, struct now, const struct notice *);
    /* Called at or after the deadline it returned last (and once after creation); returns the next
     * one, NSEC_NEVER for none. Other calls may bring the deadline forward: host_wake. */
    nsec (*on_time)(struct service *, struct now);
    void (*view)(const struct service *, struct service_view *);
    /* Does what staff wants. 0; E_NOENT: no such session; E_SUPPORT: this game has none of it;
     * E_RANGE. What the player reads is queued, a session is ended as by any other call. */
    int (*on_order)(struct service *, struct now, const struct order *);
    /* Calls fn for each session, in no order. fn does not call the service. */
    void (*players)(const struct service *, player_fn fn, void *ctx);
    /* The same for its rooms. NULL: it has none. */
    void (*rooms)(const struct service *, room_fn fn, void *ctx);
    /* Walks every invariant; 0, or a negative code with the broken one named in why. */
    int (*check)(const struct service *, struct buf *why);
};

#endif
