/* The commands: one row each in a table (name, whether it needs a login, what it does). */
#ifndef SLIPGATE_GAMES_RACING_COMMANDS_H
#define SLIPGATE_GAMES_RACING_COMMANDS_H

#include "games/racing/state.h"

enum command_result { COMMAND_DONE, COMMAND_BATCH };

/* Handles one line or element. COMMAND_BATCH: it is a BATCH and nothing was done yet; within one
 * (nested) it is refused instead. */
enum command_result command_handle(struct racing *, struct now, struct session *, struct span text,
                                   bool nested);

/* The members of a command that any of them reads. */
enum command_member {
    F_COMMAND,
    F_NAME,
    F_PASSWORD,
    F_ROOM_ID,
    F_TARGET_ID,
    F_MESSAGE,
    F_AEAD,
    F_PACK,
    F_RESUME,
    F_OTP,
    F_MEMBERS
};

#endif
