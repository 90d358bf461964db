/* What a service may ask of the world. Every call only queues; nothing calls back into the service
 * before the service's present call has returned. The host is made by whoever runs the service: the
 * server (os/), the simulator, a test. */
#ifndef SLIPGATE_CORE_HOST_H
#define SLIPGATE_CORE_HOST_H

#include "core/audit_log.h"
#include "core/ban_desk.h"
#include "core/service.h"

struct login_guard;

struct host_ops {
    int (*send)(struct host *, struct link_ref, struct span);
    void (*pause)(struct host *, struct link_ref);
    void (*resume)(struct host *, struct link_ref);
    void (*close)(struct host *, struct link_ref, enum close_why);
    int (*ask)(struct host *, const struct ask *, uint64_t req);
    void (*cancel)(struct host *, uint64_t req); /* NULL: a host whose asks cost nothing */
    void (*wake)(struct host *, nsec deadline);
};

struct host {
    const struct host_ops *ops;
    struct log *log;
    struct metrics *metrics;
    size_t metric_base; /* series of the service's row 0 */
    struct entropy *entropy;
    struct egress *egress;
    const char *game;        /* the service's name, as audit, bans and presence have it */
    struct audit_log *audit; /* NULL: none is kept */
    struct ban_desk *bans;   /* NULL: nobody is banned */
    /* NULL: each service's logins have their own (core/login_guard.h) */
    struct login_guard *guard;
    const uint8_t *secrets; /* the key that seals secrets, SECRET_KEY bytes; NULL: there is none */
    bool presence;          /* somebody answers ASK_CLAIM and ASK_RELEASE */
};

/* Queues bytes for a link. E_FULL: its output queue is at the ceiling (slow reader): nothing was
 * queued, close it. E_STALE: no such link any more. */
static inline int host_send(struct host *h, struct link_ref l, struct span bytes)
{
    return h->ops->send(h, l, bytes);
}

/* Stops deliveries of the link's bytes until host_resume; the edge stops reading too. */
static inline void host_pause(struct host *h, struct link_ref l)
{
    h->ops->pause(h, l);
}

static inline void host_resume(struct host *h, struct link_ref l)
{
    h->ops->resume(h, l);
}

/* Ends a link after what is queued is sent (CLOSE_SLOW, CLOSE_ERROR: at once). No on_bytes comes
 * for it any more; on_close does, later, with this reason. */
static inline void host_close(struct host *h, struct link_ref l, enum close_why why)
{
    h->ops->close(h, l, why);
}

/* 0: exactly one on_answer with req will come. E_BUSY: refused, none will come. */
static inline int host_ask(struct host *h, const struct ask *ask, uint64_t req)
{
    return h->ops->ask(h, ask, req);
}

/* The answer to an ask is of no use any more: its work may be skipped, its on_answer comes. */
static inline void host_cancel(struct host *h, uint64_t req)
{
    if (h->ops->cancel)
        h->ops->cancel(h, req);
}

/* on_time is wanted no later than deadline. */
static inline void host_wake(struct host *h, nsec deadline)
{
    h->ops->wake(h, deadline);
}

static inline void host_entropy(struct host *h, void *to, size_t n)
{
    entropy_get(h->entropy, to, n);
}

static inline int host_dgram(struct host *h, const struct path *path, struct span text,
                             struct seal_ref seal, enum dgram_class class, uint64_t key)
{
    return egress_queue(h->egress, path, text, seal, class, key);
}

static inline void host_audit(struct host *h, struct now now, struct audit_record *r)
{
    r->game = span_of(h->game, strlen(h->game));
    audit_log_add(h->audit, now, r);
}

static inline void host_count(struct host *h, size_t row, uint64_t n)
{
    metrics_add(h->metrics, h->metric_base + row, n);
}

#endif
