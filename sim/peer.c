#include "sim/peer.h"

#include "base/check.h"
#include "base/err.h"
#include "sim/net.h"
#include "sim/plan.h"

#include <stdlib.h>

#define PEERS_MAX  100000u
#define FIRST_PORT 10000u
#define PORTS      256u /* few: different machines often have the same */

/* ---- the net they are in ---- */

int sim_net_create(struct sim *s)
{
    static const uint64_t seed[2] = {3, 5};
    struct sim_net *n = calloc(1, sizeof *n);
    if (!n)
        return E_NOMEM;
    struct list *lists[] = {&n->peers, &n->streams, &n->blocked, &n->dead, &n->dgrams};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    hmap_init(&n->by_addr, 18, seed, PEERS_MAX);
    n->reap.fire = net_reap;
    s->net = n;
    return 0;
}

void sim_net_destroy(struct sim *s)
{
    struct sim_net *n = s->net;
    if (!n)
        return;
    LIST_EACH_SAFE (at, next, &n->peers)
        peer_destroy(s, CONTAINER_OF(at, struct peer, node));
    net_streams_fini(s);
    net_dgrams_fini(s);
    sim_stop(s, &n->reap);
    hmap_fini(&n->by_addr);
    free(n->by_number);
    free(n);
    s->net = NULL;
}

static void set_roads(struct sim *s, struct peer *p)
{
    p->up.profile = p->down.profile = net_profile(s, p);
    p->up.burst = p->down.burst = false;
}

static void come_home(struct sim *s, struct peer *p);

void sim_net_calm(struct sim *s)
{
    LIST_EACH (at, &s->net->peers) {
        struct peer *p = CONTAINER_OF(at, struct peer, node);
        p->stalled_until = p->cut_until = 0;
        set_roads(s, p);
        come_home(s, p);
    }
    LIST_EACH_SAFE (at, next, &s->net->streams)
        net_stream_wake(s, CONTAINER_OF(at, struct net_stream, node));
}

nsec net_latency(struct sim *s, const struct peer *p)
{
    uint64_t low = s->plan->latency_us - s->plan->jitter_us;
    uint64_t us = sim_between(s, CHANCE_NET, low, s->plan->latency_us + s->plan->jitter_us);
    return (nsec)((double)us * (p ? p->quality : 1) * 1000);
}

struct peer *net_peer(const struct sim *s, uint64_t number)
{
    CHECK(number >= 1 && number <= s->net->peers_made);
    return s->net->by_number[number - 1];
}

bool net_is_cut(const struct sim *s, const struct peer *p)
{
    return p->cut_until > s->now.mono;
}

uint32_t net_partition(struct sim *s, double share, nsec how_long)
{
    uint32_t n = 0;
    LIST_EACH (at, &s->net->peers) {
        if (!sim_chance(s, CHANCE_NET, share))
            continue;
        CONTAINER_OF(at, struct peer, node)->cut_until = s->now.mono + how_long;
        n++;
    }
    return n;
}

/* ---- datagram addresses ---- */

static void key_of(const struct addr *a, uint8_t key[18])
{
    memcpy(key, a->ip, 16);
    memcpy(key + 16, &a->port, 2);
}

static void forget_addr(struct sim *s, struct peer *p)
{
    uint8_t key[18];
    key_of(&p->dgram_addr, key);
    if (p->listed)
        (void)hmap_del(&s->net->by_addr, key);
    p->listed = false;
}

/* A port nobody behind this address has. */
static void take_port(struct sim *s, struct peer *p)
{
    uint8_t key[18];
    uint64_t taken;
    do {
        p->dgram_addr.port = (uint16_t)(FIRST_PORT + sim_below(s, CHANCE_NET, PORTS));
        key_of(&p->dgram_addr, key);
    } while (hmap_get(&s->net->by_addr, key, &taken));
    CHECK(hmap_put(&s->net->by_addr, key, p->number) == 0);
    p->listed = true;
}

/* Another one behind the same address, if there is one. */
static struct peer *neighbour(struct sim *s, const struct peer *p)
{
    struct peer *found = NULL;
    uint64_t n = 0;
    LIST_EACH (at, &s->net->peers) {
        struct peer *o = CONTAINER_OF(at, struct peer, node);
        if (o != p && o->listed && addr_same_host(&o->dgram_addr, &p->dgram_addr) &&
            sim_below(s, CHANCE_NET, ++n) == 0)
            found = o;
    }
    return found;
}

/* Their router forgot who had which port. */
static void swap_ports(struct sim *s, struct peer *p, struct peer *o)
{
    uint8_t key[18];
    uint16_t port = p->dgram_addr.port;
    p->dgram_addr.port = o->dgram_addr.port;
    o->dgram_addr.port = port;
    key_of(&p->dgram_addr, key);
    CHECK(hmap_put(&s->net->by_addr, key, p->number) == 0);
    key_of(&o->dgram_addr, key);
    CHECK(hmap_put(&s->net->by_addr, key, o->number) == 0);
}

/* Another port, perhaps one that was somebody else's, or another address of the same kind
 * altogether. */
static void move(struct sim *s, struct peer *p)
{
    struct peer *o = p->listed && sim_below(s, CHANCE_NET, 2) ? neighbour(s, p) : NULL;
    if (o) {
        swap_ports(s, p, o);
        return;
    }
    forget_addr(s, p);
    if (sim_below(s, CHANCE_NET, 3) == 0)
        p->dgram_addr.ip[15] ^= (uint8_t)sim_between(s, CHANCE_NET, 1, 3);
    else
        p->dgram_addr = p->addr;
    take_port(s, p);
}

/* Its streams never went elsewhere, and datagrams that do not come from where they come are not
 * heard. */
static void come_home(struct sim *s, struct peer *p)
{
    if (addr_same_host(&p->dgram_addr, &p->addr))
        return;
    forget_addr(s, p);
    p->dgram_addr = p->addr;
    take_port(s, p);
}

/* ---- making one ---- */

static void fire_lost(struct sim *s, struct sim_timer *t)
{
    struct peer *p = CONTAINER_OF(t, struct peer, lost);
    sim_event(s, true, "down", p->number, span_of(&(uint8_t){PEER_LOST}, 1));
    p->ops->down(s, p, PEER_LOST);
}

static bool number_it(struct sim_net *n, struct peer *p)
{
    if (n->peers_made == n->by_number_cap) {
        size_t cap = n->by_number_cap ? 2 * n->by_number_cap : 64;
        struct peer **to = realloc(n->by_number, cap * sizeof(void *));
        if (!to)
            return false;
        n->by_number = to;
        n->by_number_cap = cap;
    }
    n->by_number[n->peers_made++] = p;
    p->number = n->peers_made;
    return true;
}

struct peer *peer_create(struct sim *s, const struct peer_ops *ops, void *ctx, const char *ip)
{
    struct peer *p = calloc(1, sizeof *p);
    if (!p || !number_it(s->net, p)) {
        free(p);
        return NULL;
    }
    p->ops = ops;
    p->ctx = ctx;
    p->lost.fire = fire_lost;
    p->quality = 0.5 + (double)sim_below(s, CHANCE_NET, 1001) / 1000;
    CHECK(addr_parse(&p->addr, ip) == 0);
    p->dgram_addr = p->addr;
    take_port(s, p);
    struct impair_profile x = net_profile(s, p);
    impair_init(&p->up, &x, rng_next(&s->chance[CHANCE_NET]));
    impair_init(&p->down, &x, rng_next(&s->chance[CHANCE_NET]));
    list_push_back(&s->net->peers, &p->node);
    return p;
}

void peer_destroy(struct sim *s, struct peer *p)
{
    if (!p)
        return;
    if (p->stream)
        net_stream_abandon(s, p->stream);
    sim_stop(s, &p->lost);
    forget_addr(s, p);
    s->net->by_number[p->number - 1] = NULL;
    list_remove(&p->node);
    free(p);
}

void *peer_ctx(const struct peer *p)
{
    return p->ctx;
}

uint64_t peer_number(const struct peer *p)
{
    return p->number;
}

const struct addr *peer_dgram_addr(const struct peer *p)
{
    return &p->dgram_addr;
}

/* ---- the stream ---- */

void peer_connect(struct sim *s, struct peer *p)
{
    if (!p->stream && !p->lost.t.set)
        net_stream_connect(s, p);
}

bool peer_is_up(const struct peer *p)
{
    return p->stream && p->stream->open;
}

void peer_send(struct sim *s, struct peer *p, struct span bytes)
{
    if (p->stream)
        net_stream_send(s, p->stream, bytes);
}

void peer_finish(struct sim *s, struct peer *p)
{
    if (p->stream)
        net_stream_finish(s, p->stream);
}

void peer_reset(struct sim *s, struct peer *p)
{
    if (!p->stream)
        return;
    net_stream_abandon(s, p->stream);
    sim_at(s, &p->lost, s->now.mono);
}

void peer_stall(struct sim *s, struct peer *p, nsec how_long)
{
    p->stalled_until = s->now.mono + how_long;
}

/* ---- datagrams ---- */

void peer_dgram(struct sim *s, struct peer *p, struct span bytes)
{
    if (sim_fault(s, FAULT_ADDRESS))
        move(s, p);
    net_dgram_send(s, p, &p->dgram_addr, bytes);
}

void peer_dgram_from(struct sim *s, struct peer *p, const struct addr *from, struct span bytes)
{
    net_dgram_send(s, p, from, bytes);
}
