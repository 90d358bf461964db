/* What a game brings to its simulation. */
#ifndef SLIPGATE_SIM_GAME_H
#define SLIPGATE_SIM_GAME_H

#include "sim/tap.h"

#define SIM_SETTINGS_MAX 32u

struct sim_game {
    const char *name;
    const struct service_ops *ops;
    struct sim_tap tap; /* its oracle */
    bool desks;         /* its process has what sim/desks.h tells */
    /* Whatever it wants otherwise in its plan; NULL: nothing. without: as for sim_plan_make. */
    void (*plan)(struct sim_plan *, struct rng *, uint32_t without);

    /* The configuration of a process that starts or reloads (plan says which faults there will be):
     * "key=value" texts with room for 96 bytes each; returns how many. */
    size_t (*settings)(struct sim *, char ret[SIM_SETTINGS_MAX][96]);
    int (*open)(struct sim *);   /* makes oracle and bots; E_NOMEM */
    void (*close)(struct sim *); /* all of it; fine after a failed open */
    /* The storm is over: every honest bot now goes through a whole evening. */
    void (*calm)(struct sim *);
    bool (*evening_done)(const struct sim *); /* every honest bot did */
    /* Everybody goes home. */
    void (*leave)(struct sim *);
    bool (*everybody_left)(const struct sim *);
    /* Who is not through yet, for the text of a finding. */
    void (*unfinished)(const struct sim *, struct buf *);
    /* Something an operator could do (FAULT_OPERATOR): fills in a notice; its texts live until the
     * next call. */
    bool (*operator_notice)(struct sim *, struct notice *);
};

extern const struct sim_game sim_racing, sim_accounts;
/* Which of them a seed is a world of: every fourth is one of accounts. */
static inline const struct sim_game *sim_game_of(uint64_t seed)
{
    return seed % 4 ? &sim_racing : &sim_accounts;
}

#endif
