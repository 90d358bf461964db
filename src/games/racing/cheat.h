/* Who moves as no car can, and who sends too much: what is done about it, told, counted and audited
 * (docs/protocol-racing.md, "Fair play"; docs/operations.md, "Cheating"). The judging is
 * core/motion.h's and core/spam.h's. Nothing here allocates; a session's end comes with the next
 * sessions_reap. */
#ifndef SLIPGATE_GAMES_RACING_CHEAT_H
#define SLIPGATE_GAMES_RACING_CHEAT_H

#include "games/racing/state.h"

/* The rules as configured. */
void cheat_load(struct settings *, const struct config *);

/* An accepted UPDATE with a position, of a member of a room. False: it is not to be used nor passed
 * on. */
bool cheat_position(struct racing *, struct now, struct session *, const float position[3]);
/* The session came to a room: where it is from here on has nothing to do with where it was. */
void cheat_moved(struct racing *, struct now, struct session *);
/* The room starts: everybody is put on the grid. Again within CHEAT_RESTART nobody is, or a host
 * could let all drive as they please by starting without end. */
#define CHEAT_RESTART (10 * NSEC_PER_S)
void cheat_started(struct racing *, struct now, struct room *);

/* A datagram of the session; too_many: beyond its rate. */
void cheat_datagram(struct racing *, struct now, struct session *, bool too_many);
/* One that was none, from where the session sends. */
void cheat_invalid(struct racing *, struct now, struct session *);
/* One beyond the rate of an address that is nobody's. */
void cheat_stranger(struct racing *, struct now, const struct addr *);

#endif
