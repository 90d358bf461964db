/* Lines in: framing, order, BATCH, the command rate. */
#ifndef SLIPGATE_GAMES_RACING_LINES_H
#define SLIPGATE_GAMES_RACING_LINES_H

#include "games/racing/state.h"

/* Handles complete lines until they run out, the session ends, or one must wait (a login is pending
 * or the command rate is used up: the link is paused). Returns the bytes consumed. */
size_t lines_in(struct racing *, struct now, struct session *, struct span bytes);
/* The login that lines waited for is over. */
void lines_resume(struct racing *, struct session *);
/* Resumes sessions whose command rate has room again. */
void lines_due(struct racing *, struct now);

#endif
