#include "sim/net.h"

#include "base/check.h"
#include "sim/node.h"
#include "sim/plan.h"

#include <stdlib.h>

#define STREAM_BYTES_MAX (4u << 20) /* one direction; who sends more without end is cut */
#define CHUNKS_MAX       256u
#define PIECE_MAX        32768u /* that arrives at once */
#define SEGMENT_GAP_US   4000u
#define CONNECT_MAX      (3 * NSEC_PER_S)

static nsec micro(struct sim *s, uint64_t low, uint64_t high)
{
    return sim_between(s, CHANCE_NET, low, high) * 1000;
}

/* ---- a pipe ---- */

static struct net_chunk *chunk(struct net_pipe *p, uint32_t i)
{
    return &p->chunks[(p->first + i) % p->cap];
}

static void more_room(struct net_pipe *p)
{
    uint32_t cap = p->cap ? 2 * p->cap : 8;
    struct net_chunk *to = malloc(cap * sizeof *to);
    CHECK(to);
    for (uint32_t i = 0; i < p->n; i++)
        to[i] = *chunk(p, i);
    free(p->chunks);
    p->chunks = to;
    p->first = 0;
    p->cap = cap;
}

static nsec arrival(struct sim *s, const struct net_stream *st, struct net_pipe *p)
{
    nsec at = s->now.mono + net_latency(s, st->peer);
    if (at < p->last_at)
        at = p->last_at;
    p->last_at = at;
    return at;
}

static void pipe_put(struct sim *s, struct net_stream *st, struct net_pipe *p, struct span bytes)
{
    nsec at = arrival(s, st, p);
    CHECK(buf_append_span(&p->bytes, bytes) == 0);
    if (p->n == CHUNKS_MAX) {
        chunk(p, p->n - 1)->n += (uint32_t)bytes.n;
    } else {
        if (p->n == p->cap)
            more_room(p);
        *chunk(p, p->n++) = (struct net_chunk){at, (uint32_t)bytes.n};
    }
    if (!p->timer.t.set && !list_linked(&p->blocked))
        sim_at(s, &p->timer, at);
}

static void pipe_drop(struct sim *s, struct net_pipe *p)
{
    buf_clear(&p->bytes);
    p->n = 0;
    list_remove(&p->blocked);
    sim_stop(s, &p->timer);
}

/* How much of the first chunk arrives now; the rest follows a little later. */
static size_t take_piece(struct sim *s, struct net_pipe *p)
{
    struct net_chunk *c = chunk(p, 0);
    size_t n = c->n;
    if (n > 1 && sim_fault(s, FAULT_SEGMENT)) {
        n = sim_below(s, CHANCE_NET, 3) ? sim_between(s, CHANCE_NET, 1, n - 1) : 1;
        c->n -= (uint32_t)n;
        c->at = s->now.mono + micro(s, 0, SEGMENT_GAP_US);
        return n;
    }
    if (n > PIECE_MAX) {
        c->n -= PIECE_MAX;
        return PIECE_MAX;
    }
    p->first = (p->first + 1) % p->cap;
    p->n--;
    return n;
}

/* The piece itself, which the caller frees: who gets it may say something, and move the rest. */
static struct span take_bytes(struct sim *s, struct net_pipe *p)
{
    size_t n = take_piece(s, p);
    uint8_t *bytes = malloc(n);
    CHECK(bytes);
    memcpy(bytes, p->bytes.p, n);
    buf_consume(&p->bytes, n);
    return span_of(bytes, n);
}

/* The next thing of this pipe happens then. */
static void pipe_next(struct sim *s, struct net_pipe *p)
{
    if (p->n > 0)
        sim_at(s, &p->timer, chunk(p, 0)->at);
    else if ((p->fin || p->reset) && !p->said)
        sim_at(s, &p->timer, p->last_at);
}

static void pipe_end(struct sim *s, struct net_stream *st, struct net_pipe *p, bool reset)
{
    p->fin |= !reset;
    p->reset |= reset;
    (void)arrival(s, st, p);
    if (!p->timer.t.set && !list_linked(&p->blocked))
        pipe_next(s, p);
}

/* ---- the two ends ---- */

static void bury_if_dead(struct sim *s, struct net_stream *st)
{
    if (st->peer || st->link != NET_NO_LINK || list_linked(&st->dead))
        return;
    list_push_back(&s->net->dead, &st->dead);
    sim_at(s, &s->net->reap, s->now.mono);
}

static void client_gone(struct sim *s, struct net_stream *st)
{
    if (st->peer)
        st->peer->stream = NULL;
    st->peer = NULL;
    pipe_drop(s, &st->down);
    sim_stop(s, &st->connect);
    bury_if_dead(s, st);
}

static void server_gone(struct sim *s, struct net_stream *st)
{
    st->link = NET_NO_LINK;
    pipe_drop(s, &st->up);
    bury_if_dead(s, st);
}

static void tell_down(struct sim *s, struct net_stream *st, enum peer_end end)
{
    struct peer *p = st->peer;
    client_gone(s, st);
    sim_event(s, true, "down", p->number, span_of(&(uint8_t){(uint8_t)end}, 1));
    p->ops->down(s, p, end);
}

/* Lost on the way: both ends are reset. */
static void cut(struct sim *s, struct net_stream *st)
{
    if (st->peer) {
        pipe_drop(s, &st->down);
        pipe_end(s, st, &st->down, true);
    }
    if (st->link != NET_NO_LINK)
        node_reset(s, st->link);
}

/* ---- to the server ---- */

static void end_up(struct sim *s, struct net_stream *st)
{
    struct net_pipe *p = &st->up;
    if (p->n > 0 || p->said || !(p->fin || p->reset) || st->link == NET_NO_LINK)
        return;
    p->said = true;
    if (p->reset)
        node_reset(s, st->link);
    else
        node_fin(s, st->link);
}

static void give_up(struct sim *s, struct net_stream *st)
{
    struct net_pipe *p = &st->up;
    if (p->n > 0) {
        struct span bytes = take_bytes(s, p);
        sim_event(s, true, "up", st->number, bytes);
        node_bytes(s, st->link, bytes);
        free((void *)(uintptr_t)bytes.p);
    } else {
        end_up(s, st);
    }
    if (st->link != NET_NO_LINK)
        pipe_next(s, p);
}

static void fire_up(struct sim *s, struct sim_timer *t)
{
    struct net_stream *st = CONTAINER_OF(t, struct net_stream, up.timer);
    struct net_pipe *p = &st->up;
    nsec at = p->n > 0 ? chunk(p, 0)->at : p->last_at;
    if (st->link == NET_NO_LINK)
        return;
    if (st->peer && st->peer->cut_until > at)
        at = st->peer->cut_until;
    if (at > s->now.mono)
        sim_at(s, &p->timer, at);
    else if (p->n > 0 && sim_fault(s, FAULT_RESET))
        cut(s, st);
    else if (!(p->reset && p->n == 0) && !node_wants(s, st->link))
        list_push_back(&s->net->blocked, &p->blocked);
    else
        give_up(s, st);
}

void net_unblock(struct sim *s)
{
    LIST_EACH_SAFE (at, next, &s->net->blocked) {
        struct net_stream *st = CONTAINER_OF(at, struct net_stream, up.blocked);
        if (!st->up.reset && !node_wants(s, st->link))
            continue;
        list_remove(at);
        pipe_next(s, &st->up);
    }
}

/* ---- to the client ---- */

static void give_down(struct sim *s, struct net_stream *st)
{
    struct net_pipe *p = &st->down;
    if (p->n > 0) {
        struct span bytes = take_bytes(s, p);
        sim_event(s, true, "said", st->number, bytes);
        st->peer->ops->bytes(s, st->peer, bytes);
        free((void *)(uintptr_t)bytes.p);
    }
    if (!st->peer)
        return;
    if (p->n == 0 && (p->fin || p->reset))
        tell_down(s, st, p->reset ? PEER_LOST : PEER_EOF);
    else
        pipe_next(s, p);
}

static void fire_down(struct sim *s, struct sim_timer *t)
{
    struct net_stream *st = CONTAINER_OF(t, struct net_stream, down.timer);
    struct net_pipe *p = &st->down;
    struct peer *peer = st->peer;
    if (!peer)
        return;
    nsec at = p->n > 0 ? chunk(p, 0)->at : p->last_at;
    at = peer->cut_until > at ? peer->cut_until : at;
    at = peer->stalled_until > at && !(p->reset && p->n == 0) ? peer->stalled_until : at;
    if (at > s->now.mono) {
        sim_at(s, &p->timer, at);
    } else if (p->n > 0 && sim_fault(s, FAULT_RESET)) {
        cut(s, st);
    } else if (p->n > 0 && sim_fault(s, FAULT_STALL)) {
        peer->stalled_until = s->now.mono + micro(s, 100000, 40000000);
        sim_at(s, &p->timer, peer->stalled_until);
    } else {
        give_down(s, st);
        if (st->link != NET_NO_LINK)
            node_room(s, st->link);
    }
}

size_t net_carry(struct sim *s, struct net_stream *st, struct span bytes, bool last)
{
    struct net_pipe *p = &st->down;
    size_t window = s->plan->window_bytes;
    size_t room = last ? bytes.n : window > p->bytes.n ? window - p->bytes.n : 0;
    size_t n = bytes.n < room ? bytes.n : room;
    if (st->peer && !p->reset && n > 0)
        pipe_put(s, st, p, span_of(bytes.p, n));
    return n;
}

void net_server_closed(struct sim *s, struct net_stream *st, bool in_order)
{
    server_gone(s, st);
    if (!st->peer)
        return;
    if (!in_order && sim_below(s, CHANCE_NET, 2))
        pipe_drop(s, &st->down);
    if (!st->down.reset)
        pipe_end(s, st, &st->down, !in_order);
}

void net_server_died(struct sim *s, nsec noticed_within)
{
    LIST_EACH_SAFE (at, next, &s->net->streams) {
        struct net_stream *st = CONTAINER_OF(at, struct net_stream, node);
        if (st->link == NET_NO_LINK)
            continue;
        server_gone(s, st);
        if (!st->peer)
            continue;
        st->down.last_at = s->now.mono + sim_below(s, CHANCE_NET, noticed_within);
        pipe_end(s, st, &st->down, true);
    }
}

/* ---- coming and going ---- */

static void refuse(struct sim *s, struct net_stream *st)
{
    tell_down(s, st, PEER_REFUSED);
}

static void fire_connect(struct sim *s, struct sim_timer *t)
{
    struct net_stream *st = CONTAINER_OF(t, struct net_stream, connect);
    struct peer *p = st->peer;
    if (net_is_cut(s, p)) {
        if (s->now.mono >= st->since + CONNECT_MAX)
            refuse(s, st);
        else
            sim_after(s, t, NSEC_PER_S);
        return;
    }
    if (!node_serves(s)) {
        refuse(s, st);
        return;
    }
    sim_event(s, true, "connect", st->number, SPAN_NULL);
    st->open = true;
    if (node_accept(s, st, st->number, &p->addr) < 0) {
        st->open = false;
        refuse(s, st);
        return;
    }
    p->ops->up(s, p);
}

void net_stream_connect(struct sim *s, struct peer *p)
{
    struct net_stream *st = calloc(1, sizeof *st);
    CHECK(st);
    st->number = ++s->net->streams_made;
    st->peer = p;
    st->link = NET_NO_LINK;
    st->since = s->now.mono;
    st->connect.fire = fire_connect;
    st->up.timer.fire = fire_up;
    st->down.timer.fire = fire_down;
    buf_init(&st->up.bytes, STREAM_BYTES_MAX);
    buf_init(&st->down.bytes, 16 * STREAM_BYTES_MAX);
    list_push_back(&s->net->streams, &st->node);
    p->stream = st;
    sim_after(s, &st->connect, 2 * net_latency(s, p));
}

void net_stream_send(struct sim *s, struct net_stream *st, struct span bytes)
{
    if (!st->open || st->link == NET_NO_LINK || st->up.fin || bytes.n == 0)
        return;
    if (bytes.n > STREAM_BYTES_MAX - st->up.bytes.n) {
        cut(s, st);
        return;
    }
    pipe_put(s, st, &st->up, bytes);
    if (sim_fault(s, FAULT_HALF_CLOSE))
        net_stream_finish(s, st);
}

void net_stream_finish(struct sim *s, struct net_stream *st)
{
    if (st->open && st->link != NET_NO_LINK && !st->up.fin)
        pipe_end(s, st, &st->up, false);
}

void net_stream_abandon(struct sim *s, struct net_stream *st)
{
    if (st->link != NET_NO_LINK) {
        pipe_drop(s, &st->up);
        pipe_end(s, st, &st->up, true);
    }
    client_gone(s, st);
}

void net_stream_wake(struct sim *s, struct net_stream *st)
{
    if (st->down.timer.t.set)
        sim_at(s, &st->down.timer, s->now.mono);
    if (st->up.timer.t.set)
        sim_at(s, &st->up.timer, s->now.mono);
    if (st->connect.t.set)
        sim_at(s, &st->connect, s->now.mono);
}

uint32_t net_lose_streams(struct sim *s, double share)
{
    uint32_t n = 0;
    LIST_EACH_SAFE (at, next, &s->net->streams) {
        struct net_stream *st = CONTAINER_OF(at, struct net_stream, node);
        if (!st->open || !st->peer || !sim_chance(s, CHANCE_NET, share))
            continue;
        cut(s, st);
        n++;
    }
    return n;
}

static void free_stream(struct sim *s, struct net_stream *st)
{
    pipe_drop(s, &st->up);
    pipe_drop(s, &st->down);
    sim_stop(s, &st->connect);
    buf_fini(&st->up.bytes);
    buf_fini(&st->down.bytes);
    free(st->up.chunks);
    free(st->down.chunks);
    list_remove(&st->node);
    list_remove(&st->dead);
    free(st);
}

void net_streams_fini(struct sim *s)
{
    LIST_EACH_SAFE (at, next, &s->net->streams)
        free_stream(s, CONTAINER_OF(at, struct net_stream, node));
}

void net_reap(struct sim *s, struct sim_timer *t)
{
    (void)t;
    LIST_EACH_SAFE (at, next, &s->net->dead)
        free_stream(s, CONTAINER_OF(at, struct net_stream, dead));
}
