/* The crowd: who is there, and what they share. */
#include "sim/racing/calm.h"

#include "base/err.h"
#include "base/mem.h"
#include "sim/plan.h"
#include "wire/gzip.h"

#include <stdio.h>

#define SESSIONS_MAX 65536u

/* ---- one ---- */

static void on_timer(struct sim *s, struct sim_timer *t)
{
    (void)s;
    struct bot *b = CONTAINER_OF(t, struct bot, timer);
    b->ops->turn(b);
}

int bot_init(struct bot *b, struct bots *all, const struct peer_ops *ops, const char *ip)
{
    b->sim = all->sim;
    b->all = all;
    b->number = all->n + 1;
    b->timer.fire = on_timer;
    b->peer = peer_create(b->sim, ops, b, ip);
    return b->peer ? 0 : E_NOMEM;
}

void bot_fini(struct bot *b)
{
    sim_stop(b->sim, &b->timer);
    peer_destroy(b->sim, b->peer);
    b->peer = NULL;
}

/* ---- what they share ---- */

struct racing_claim *bots_claim(struct bots *all, const char *prefix, uint32_t number)
{
    struct racing_sim *r = racing_sim(all->sim);
    if (r->claims_n == RACING_CLAIMS_MAX)
        return NULL;
    struct racing_claim *c = &r->claims[r->claims_n++];
    (void)snprintf(c->name, sizeof c->name, "%s%u", prefix, number);
    (void)snprintf(c->password, sizeof c->password, "right-%u-%08llx", number,
                   (unsigned long long)sim_below(all->sim, CHANCE_BOTS, UINT64_C(1) << 32));
    /* Of those who need not get through: too short for some configurations. */
    if (prefix[0] == 'c' && sim_below(all->sim, CHANCE_BOTS, 3) == 0)
        c->password[4 + sim_below(all->sim, CHANCE_BOTS, 6)] = '\0';
    return c;
}

void bots_room(struct bots *all, struct span id)
{
    if (id.n != BOT_ID)
        return;
    char *to = all->rooms[all->rooms_at++ % BOTS_ROOMS];
    memcpy(to, id.p, BOT_ID);
    to[BOT_ID] = '\0';
}

const char *bots_any_room(struct bots *all)
{
    const char *id = all->rooms[sim_below(all->sim, CHANCE_BOTS, BOTS_ROOMS)];
    return id[0] ? id : NULL;
}

struct bot *bots_any(struct bots *all, const struct bot *but)
{
    for (unsigned i = 0; all->n && i < 8; i++) {
        struct bot *b = all->bot[sim_below(all->sim, CHANCE_BOTS, all->n)];
        if (b != but && b->id[0])
            return b;
    }
    return NULL;
}

/* Seeded by the world; IVs need no more here. */
static void fill(struct entropy *e, void *to, size_t n)
{
    struct bots *all = CONTAINER_OF(e, struct bots, entropy);
    uint8_t *p = to;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)sim_below(all->sim, CHANCE_BOTS, 256);
}

/* ---- all ---- */

/* Most have an address of their own; some share one, as behind a router; some are on IPv6, some in
 * the server's own network, which limits may spare. */
static void pick_ip(struct bots *all, enum bot_role role, char ip[48])
{
    struct sim *s = all->sim;
    uint32_t n = all->n + 1;
    switch (sim_below(s, CHANCE_BOTS, 10)) {
    case 0:
    case 1: (void)snprintf(ip, 48, "192.0.2.%u", 1 + (unsigned)sim_below(s, CHANCE_BOTS, 4)); break;
    case 2: (void)snprintf(ip, 48, "2001:db8:%x::%x", n / 8 * (n % 3), n); break; /* or a house's */
    case 3: (void)snprintf(ip, 48, "10.%u.%u.%u", (unsigned)role + 1, n / 250, n % 250 + 1); break;
    default: (void)snprintf(ip, 48, "198.18.%u.%u", n / 250, n % 250 + 1);
    }
}

static int add(struct bots *all, enum bot_role role)
{
    char ip[48];
    struct bot *b = NULL;
    pick_ip(all, role, ip);
    bool library = role == BOT_HONEST && sim_below(all->sim, CHANCE_BOTS, 3) == 0;
    int rc = role == BOT_HONEST     ? honest_create(all, ip, library, &b)
             : role == BOT_CONFUSED ? confused_create(all, ip, &b)
                                    : hostile_create(all, ip, &b);
    if (b) {
        b->role = role;
        all->bot[all->n++] = b;
    }
    return rc;
}

static int make(struct bots *all)
{
    const struct sim_plan *p = all->sim->plan;
    const uint32_t counts[] = {
        [BOT_HONEST] = p->honest, [BOT_CONFUSED] = p->confused, [BOT_HOSTILE] = p->hostile};
    uint32_t most = p->honest + p->confused + p->hostile;
    all->bot = mem_zalloc(most ? most : 1, sizeof(struct bot *));
    if (!all->bot || gzip_create(&all->gzip) || calm_init(all))
        return E_NOMEM;
    entropy_init(&all->entropy, fill);
    all->scratch.gzip = all->gzip;
    all->sharing = 2 + (uint32_t)sim_below(all->sim, CHANCE_BOTS, 12);
    all->scratch.entropy = &all->entropy;
    for (uint32_t i = 0; i < ARRAY_LEN(all->shared); i++)
        all->shared[i] = bots_claim(all, "shared", i);
    for (size_t role = 0; role < ARRAY_LEN(counts); role++)
        for (uint32_t i = 0; i < counts[role]; i++)
            if (add(all, (enum bot_role)role))
                return E_NOMEM;
    return 0;
}

int bots_create(struct sim *s, struct bots **ret)
{
    struct bots *all = mem_zalloc(1, sizeof *all);
    if (!all)
        return E_NOMEM;
    uint64_t seed[2] = {sim_below(s, CHANCE_BOTS, UINT64_MAX), s->seed};
    all->sim = s;
    hmap_init(&all->sessions, BOT_ID, seed, SESSIONS_MAX);
    *ret = all;
    return make(all);
}

void bots_destroy(struct sim *s, struct bots *all)
{
    (void)s;
    if (!all)
        return;
    for (uint32_t i = 0; i < all->n; i++)
        all->bot[i]->ops->destroy(all->bot[i]);
    calm_fini(all);
    hmap_fini(&all->sessions);
    gzip_destroy(all->gzip);
    mem_free(all->bot);
    mem_free(all);
}
