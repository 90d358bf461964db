/* Stands in for sim/racing/game.c until that is there: clients that sign in, chat and leave. */
#include "games/racing/racing.h"
#include "sim/game.h"
#include "sim/peer.h"
#include "sim/plan.h"

#include <stdio.h>
#include <stdlib.h>

struct client {
    struct sim_timer think;
    struct peer *peer;
    unsigned i;
    bool done, home;
};

struct crowd {
    struct client *v;
    unsigned n;
};

static void up(struct sim *s, struct peer *p)
{
    char line[100];
    int n =
        snprintf(line, sizeof line, "{\"command\":\"NAME\",\"name\":\"p%u\",\"password\":\"pw\"}\n",
                 (unsigned)peer_number(p));
    peer_send(s, p, span_of(line, (size_t)n));
}

static void bytes(struct sim *s, struct peer *p, struct span b)
{
    struct client *c = peer_ctx(p);
    (void)b;
    (void)s;
    if (s->phase != PHASE_STORM)
        c->done = true;
}

static void down(struct sim *s, struct peer *p, enum peer_end end)
{
    (void)s;
    (void)p;
    (void)end;
}

static void dgram(struct sim *s, struct peer *p, struct span b)
{
    (void)s;
    (void)p;
    (void)b;
}

static const struct peer_ops ops = {up, bytes, down, dgram};

static void think(struct sim *s, struct sim_timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, think);
    if (s->phase == PHASE_LEAVE) {
        peer_reset(s, c->peer);
        c->home = true;
        return;
    }
    if (!peer_is_up(c->peer))
        peer_connect(s, c->peer);
    else
        peer_send(s, c->peer, SPAN_LIT("{\"command\":\"LIST_ROOMS\"}\n"));
    peer_dgram(s, c->peer, SPAN_LIT("{\"command\":\"UPDATE\"}"));
    sim_after(s, t, sim_between(s, CHANCE_BOTS, 1, 400) * NSEC_PER_MS);
}

static int game_open(struct sim *s)
{
    struct crowd *c = calloc(1, sizeof *c);
    s->game_state = c;
    c->n = s->plan->honest;
    c->v = calloc(c->n, sizeof *c->v);
    for (unsigned i = 0; i < c->n; i++) {
        char ip[32];
        (void)snprintf(ip, sizeof ip, "198.51.100.%u", i % 250 + 1);
        c->v[i].i = i;
        c->v[i].think.fire = think;
        c->v[i].peer = peer_create(s, &ops, &c->v[i], ip);
        sim_after(s, &c->v[i].think, i * NSEC_PER_MS);
    }
    return 0;
}

static void game_close(struct sim *s)
{
    struct crowd *c = s->game_state;
    for (unsigned i = 0; c && i < c->n; i++) {
        sim_stop(s, &c->v[i].think);
        peer_destroy(s, c->v[i].peer);
    }
    if (c)
        free(c->v);
    free(c);
}

static void nothing(struct sim *s)
{
    (void)s;
}

static bool evening_done(const struct sim *s)
{
    const struct crowd *c = s->game_state;
    for (unsigned i = 0; i < c->n; i++)
        if (!c->v[i].done)
            return false;
    return true;
}

static bool everybody_left(const struct sim *s)
{
    const struct crowd *c = s->game_state;
    for (unsigned i = 0; i < c->n; i++)
        if (!c->v[i].home)
            return false;
    return true;
}

const struct sim_game sim_racing = {
    .name = "placeholder",
    .ops = &racing_ops,
    .open = game_open,
    .close = game_close,
    .calm = nothing,
    .evening_done = evening_done,
    .leave = nothing,
    .everybody_left = everybody_left,
};
