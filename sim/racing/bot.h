/* A bot: one player's machine and whoever sits before it. What all kinds have in common, and the
 * crowd they belong to. Honest ones (honest.h) play as the documents say, by a state machine of the
 * simulator's own (talk.h) or by libslipgate's (library.h); confused ones (confused.h) break rules
 * without meaning to; hostile ones (hostile.h) attack.
 *
 * Everything random comes from CHANCE_BOTS. One thread. */
#ifndef SLIPGATE_SIM_RACING_BOT_H
#define SLIPGATE_SIM_RACING_BOT_H

#include "base/entropy.h"
#include "base/hmap.h"
#include "client/datagram.h"
#include "sim/peer.h"
#include "sim/racing/racing_sim.h"
#include "sim/racing/settings.h"

#define BOT_ID           32u /* of sessions and rooms: hexadecimal characters */
#define BOT_ROOMS        16u
#define BOTS_ROOMS       64u
#define BOTS_CAPTURES    32u
#define BOT_DATAGRAM_MAX 1472u

struct bots;
struct bot;

enum bot_role { BOT_HONEST, BOT_CONFUSED, BOT_HOSTILE };

struct bot_ops {
    void (*turn)(struct bot *);  /* its timer fired */
    void (*calm)(struct bot *);  /* the storm is over */
    void (*leave)(struct bot *); /* go home, by and by; bot->home says so when it is done */
    void (*destroy)(struct bot *);
};

struct bot {
    struct sim *sim;
    struct bots *all;
    const struct bot_ops *ops;
    uint32_t number; /* from 1 */
    enum bot_role role;
    bool library; /* libslipgate speaks for it */
    bool home;    /* it has left for good */
    struct peer *peer;
    struct sim_timer timer;
    struct racing_claim *claim; /* its own account */
    char id[BOT_ID + 1];        /* of its session as far as it was told, or "" */
    uint64_t said;              /* datagram messages made */
    uint64_t rooms[BOT_ROOMS];  /* that it was, or asked to be, in; the first half of their ids */
    uint32_t rooms_at;
    uint32_t creating; /* rooms it asked for whose ids it was not told yet */
    bool untold;       /* and will not be: the connection ended before the answer came */
};

struct capture { /* a datagram that somebody sent to the server */
    struct addr from;
    size_t n;
    uint8_t bytes[BOT_DATAGRAM_MAX];
};

struct bots {
    struct sim *sim;
    struct bot **bot; /* by number - 1 */
    uint32_t n;
    struct hmap sessions;               /* id -> struct known, packed (known.h) */
    char rooms[BOTS_ROOMS][BOT_ID + 1]; /* the latest that anybody was told of; "" for none */
    uint32_t rooms_at;
    struct capture captures[BOTS_CAPTURES];
    uint32_t captures_at;
    struct racing_claim *shared[3]; /* accounts that several honest bots use in the storm */
    uint32_t sharing;               /* one in so many logins is with such a one */
    uint32_t calm_groups;
    struct calm_group *groups;
    struct entropy entropy;
    struct gzip *gzip;
    struct sgc_scratch scratch;
};

static inline uint64_t bot_below(struct bot *b, uint64_t n)
{
    return sim_below(b->sim, CHANCE_BOTS, n);
}

static inline void bot_after_ms(struct bot *b, uint64_t ms)
{
    sim_after(b->sim, &b->timer, ms * NSEC_PER_MS + bot_below(b, NSEC_PER_MS));
}

/* A bot's part that all kinds start with: its machine at ip, its account (NULL: none). */
MUST_USE int bot_init(struct bot *, struct bots *, const struct peer_ops *, const char *ip);
void bot_fini(struct bot *);

/* A claim of a new name; NULL when there is no room. Password and name are made of the number. */
struct racing_claim *bots_claim(struct bots *, const char *prefix, uint32_t number);
/* Remembers a room that somebody was told of. */
void bots_room(struct bots *, struct span id);
/* One of those, or NULL. */
const char *bots_any_room(struct bots *);
/* Any bot but this one that has a session, or NULL. */
struct bot *bots_any(struct bots *, const struct bot *but);

/* One of each kind; library: libslipgate speaks for it. E_NOMEM. */
MUST_USE int honest_create(struct bots *, const char *ip, bool library, struct bot **ret);
MUST_USE int confused_create(struct bots *, const char *ip, struct bot **ret);
MUST_USE int hostile_create(struct bots *, const char *ip, struct bot **ret);
/* Whether it went through its evening in the calm. */
bool honest_done(struct bot *);
/* Where it is in it, in a word or two. */
const char *honest_mood(struct bot *);

#endif
