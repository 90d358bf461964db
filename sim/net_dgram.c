#include "sim/net.h"

#include "base/check.h"
#include "sim/node.h"
#include "sim/plan.h"

#include <stdlib.h>

#define HEADERS   28u /* IPv4 and UDP, on the wire */
#define LATE      (100 * NSEC_PER_MS)
#define REPLAY_MS 60000u

struct flight { /* one datagram on its way */
    struct sim_timer timer;
    struct list node;
    bool up;
    uint64_t peer;
    struct addr from; /* up: as the server sees it */
    size_t n;
    uint8_t bytes[];
};

struct impair_profile net_profile(struct sim *s, const struct peer *p)
{
    struct impair_profile good = {.delay_us = s->plan->latency_us, .jitter_us = s->plan->jitter_us};
    struct impair_profile x = s->phase == PHASE_STORM ? s->plan->dgrams : good;
    x.delay_us = (uint32_t)(x.delay_us * p->quality);
    return x;
}

/* ---- arrival ---- */

static void fire(struct sim *s, struct sim_timer *t)
{
    struct flight *d = CONTAINER_OF(t, struct flight, timer);
    struct peer *p = net_peer(s, d->peer);
    list_remove(&d->node);
    if (d->up) {
        if (node_serves(s) && !(p && net_is_cut(s, p))) {
            sim_event(s, true, "dgram up", d->peer, span_of(d->bytes, d->n));
            node_dgram(s, &d->from, span_of(d->bytes, d->n));
        }
    } else if (p && !net_is_cut(s, p)) {
        sim_event(s, true, "dgram down", d->peer, span_of(d->bytes, d->n));
        p->ops->dgram(s, p, span_of(d->bytes, d->n));
    }
    free(d);
}

/* ---- damage ---- */

static void corrupt(struct sim *s, struct flight *d)
{
    if (d->n == 0)
        return;
    if (sim_below(s, CHANCE_NET, 4) == 0) {
        d->n = sim_below(s, CHANCE_NET, d->n);
        return;
    }
    for (uint64_t flips = sim_between(s, CHANCE_NET, 1, 4); flips > 0; flips--)
        d->bytes[sim_below(s, CHANCE_NET, d->n)] ^= (uint8_t)(1u << sim_below(s, CHANCE_NET, 8));
}

static void post(struct sim *s, nsec at, bool up, uint64_t peer, const struct addr *from,
                 struct span bytes)
{
    struct flight *d = malloc(sizeof *d + bytes.n);
    CHECK(d);
    *d = (struct flight){.timer.fire = fire, .up = up, .peer = peer, .from = *from, .n = bytes.n};
    if (bytes.n)
        memcpy(d->bytes, bytes.p, bytes.n);
    if (sim_fault(s, FAULT_CORRUPT))
        corrupt(s, d);
    list_push_back(&s->net->dgrams, &d->node);
    sim_at(s, &d->timer, at);
}

/* ---- the road ---- */

static void count(struct sim *s, const struct impair *before, const struct impair *after)
{
    if (after->lost > before->lost)
        sim_fired(s, FAULT_LOSS);
    if (after->duplicated > before->duplicated)
        sim_fired(s, FAULT_DUPLICATE);
    if (after->reordered > before->reordered)
        sim_fired(s, FAULT_REORDER);
}

static void travel(struct sim *s, struct impair *road, bool up, struct peer *p,
                   const struct addr *from, struct span bytes)
{
    struct impair before = *road;
    nsec at[IMPAIR_COPIES_MAX];
    unsigned copies = impair_decide(road, s->now.mono, bytes.n + HEADERS, at);
    if (s->phase == PHASE_STORM)
        count(s, &before, road);
    if (copies > 0 && sim_strength(s, FAULT_DELAY) > 0 && at[0] > s->now.mono + LATE)
        sim_fired(s, FAULT_DELAY);
    for (unsigned i = 0; i < copies; i++)
        post(s, at[i], up, p->number, from, bytes);
}

/* ---- somebody listens, and sends what he heard again ---- */

static void record(struct sim *s, bool up, uint64_t peer, const struct addr *from, struct span b)
{
    if (!s->plan->strength[FAULT_REPLAY] || b.n == 0)
        return;
    /* The first ones and the latest: both old and new ones are at hand. */
    uint64_t i = s->net->recorded++;
    if (i >= NET_RECORDS)
        i = NET_RECORDS / 2 + i % (NET_RECORDS / 2);
    struct net_record *r = &s->net->records[i];
    free(r->bytes);
    *r = (struct net_record){up, peer, *from, b.n, malloc(b.n)};
    CHECK(r->bytes);
    memcpy(r->bytes, b.p, b.n);
}

static void maybe_replay(struct sim *s)
{
    if (s->net->recorded == 0 || !sim_fault(s, FAULT_REPLAY))
        return;
    uint64_t n = s->net->recorded < NET_RECORDS ? s->net->recorded : NET_RECORDS;
    const struct net_record *r = &s->net->records[sim_below(s, CHANCE_NET, n)];
    struct addr from = r->from;
    if (r->up && sim_below(s, CHANCE_NET, 3) == 0)
        from.port = (uint16_t)sim_between(s, CHANCE_NET, 1024, 9999); /* nobody's */
    nsec late = sim_below(s, CHANCE_NET, 4) ? sim_below(s, CHANCE_NET, 100 * NSEC_PER_MS)
                                            : sim_below(s, CHANCE_NET, REPLAY_MS) * NSEC_PER_MS;
    post(s, s->now.mono + late, r->up, r->peer, &from, span_of(r->bytes, r->n));
}

void net_dgram_send(struct sim *s, struct peer *p, const struct addr *from, struct span bytes)
{
    record(s, true, p->number, from, bytes);
    maybe_replay(s);
    if (!net_is_cut(s, p))
        travel(s, &p->up, true, p, from, bytes);
}

void net_dgram_out(struct sim *s, const struct path *path, struct span bytes)
{
    uint64_t number;
    uint8_t key[18];
    memcpy(key, path->peer.ip, 16);
    memcpy(key + 16, &path->peer.port, 2);
    if (!hmap_get(&s->net->by_addr, key, &number))
        return;
    struct peer *p = net_peer(s, number);
    record(s, false, number, &path->peer, bytes);
    if (!net_is_cut(s, p))
        travel(s, &p->down, false, p, &path->peer, bytes);
}

void net_dgrams_fini(struct sim *s)
{
    LIST_EACH_SAFE (at, next, &s->net->dgrams) {
        struct flight *d = CONTAINER_OF(at, struct flight, node);
        sim_stop(s, &d->timer);
        free(d);
    }
    for (size_t i = 0; i < NET_RECORDS; i++)
        free(s->net->records[i].bytes);
}
