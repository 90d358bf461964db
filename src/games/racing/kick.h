/* What an operator does to players and rooms (docs/protocol-racing.md, "Endings"). */
#ifndef SLIPGATE_GAMES_RACING_KICK_H
#define SLIPGATE_GAMES_RACING_KICK_H

#include "games/racing/state.h"

/* Says why and ends the session with this id; an empty id means every session. Unknown ids are
 * fine. */
void kick_players(struct racing *, struct span session_id);
/* Takes everybody out of the room with this id, tells them, and so removes it; an empty id means
 * every room. Unknown ids are fine. */
void kick_rooms(struct racing *, struct span room_id);
/* Sessions a ban covers, whoever is signed in there; and sessions of an account that changed. */
void kick_banned(struct racing *, const struct ban *);
void kick_account(struct racing *, const struct notice *);

#endif
