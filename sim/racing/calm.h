/* The evening that every honest bot must get through when the faults have stopped. Groups of two or
 * three meet in a room: one creates it, the others find it by its name; it starts the race when all
 * are there; they drive until everybody has seen another one move; then they leave and say goodbye.
 * Whoever loses his connection before that makes his group begin again, in another room. */
#ifndef SLIPGATE_SIM_RACING_CALM_H
#define SLIPGATE_SIM_RACING_CALM_H

#include "sim/racing/bot.h"

struct calm_group {
    uint32_t number, size, round; /* round: of beginnings */
    uint32_t seen;                /* members who saw another one in this round */
    char room[24];                /* its name */
};

/* Makes the groups of the honest bots. E_NOMEM. */
MUST_USE int calm_init(struct bots *);
void calm_fini(struct bots *);
/* The group of the honest bot with this number, and whether it is the one who creates the room. */
struct calm_group *calm_group(struct bots *, uint32_t number, bool *leads);
/* Somebody fell out: all begin again. */
void calm_again(struct calm_group *);

#endif
