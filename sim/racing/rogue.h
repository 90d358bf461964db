/* What confused and hostile bots have in common: a connection with talk.h, a login, and turns in
 * which they act up as long as the storm lasts. In the calm they are silent. */
#ifndef SLIPGATE_SIM_RACING_ROGUE_H
#define SLIPGATE_SIM_RACING_ROGUE_H

#include "sim/racing/talk.h"

struct rogue {
    struct bot b;
    struct talk talk;
    void (*act)(struct rogue *); /* a turn on an open connection */
    bool connecting, silent;
    bool logged_in;    /* NAME was asked on this connection */
    bool signed_in;    /* by the answer being told */
    bool guessing;     /* the NAME under way is a guess at a password */
    uint32_t persists; /* so many guesses more */
    uint32_t waves;    /* so many datagrams that must not count, and nothing else */
    uint32_t pace_ms;
    char half[64]; /* the rest of a line whose beginning was sent */
    unsigned half_mask;
    size_t kept_n; /* a sealed datagram of an earlier session */
    uint8_t kept[BOT_DATAGRAM_MAX];
    char kept_id[BOT_ID + 1];
};

static inline struct rogue *rogue_of(struct bot *b)
{
    return CONTAINER_OF(b, struct rogue, b);
}

MUST_USE int rogue_create(struct bots *, const char *ip, struct racing_claim *,
                          void (*act)(struct rogue *), struct bot **ret);
/* Something any player would do: log in, go to a room, drive. */
void rogue_behave(struct rogue *);
/* Its next message, sealed as its session has it. */
void rogue_drive(struct rogue *);

#endif
