/* The games that players of this process are in, for those who look at them and act on them from
 * outside: a port, because the server that runs them is above. Games are numbered from 0 without
 * gaps. Not to be called from within a call of a game. */
#ifndef SLIPGATE_ADMIN_STAFF_GAMES_H
#define SLIPGATE_ADMIN_STAFF_GAMES_H

#include "core/service.h"

struct staff_games {
    void *ctx;
    size_t (*count)(void *ctx);
    const char *(*name)(void *ctx, size_t game);
    int (*order)(void *ctx, size_t game, const struct order *); /* as on_order of service.h */
    void (*players)(void *ctx, size_t game, player_fn fn, void *fn_ctx);
    void (*rooms)(void *ctx, size_t game, room_fn fn, void *fn_ctx);
    void (*notice)(void *ctx, const struct notice *); /* to all */
};

#endif
