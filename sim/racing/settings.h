/* What a server's configuration may be in a world, and what players are told of it beforehand: a
 * client's own configuration knows the shared secret and which datagrams make sense. */
#ifndef SLIPGATE_SIM_RACING_SETTINGS_H
#define SLIPGATE_SIM_RACING_SETTINGS_H

#include "sim/game.h"

#define RULES_ROOM_MIN 3u  /* every room holds so many: the calm's groups count on it */
#define RULES_PASSWORD 10u /* no minimum is longer */
#define RULES_NAME     16u /* nor a longest name shorter */

struct rules { /* as drawn last: in force, or about to be */
    bool require_aead, no_plain;
    uint32_t line_max, relay_max, idle_s;
    char secret[24];
};

/* struct sim_game.settings; fills in the rules as well. */
size_t racing_settings(struct sim *, char ret[SIM_SETTINGS_MAX][96]);

#endif
