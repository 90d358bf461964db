/* Datagrams in and their relay to the room. */
#ifndef SLIPGATE_GAMES_RACING_DATAGRAMS_H
#define SLIPGATE_GAMES_RACING_DATAGRAMS_H

#include "games/racing/state.h"

void datagrams_in(struct racing *, struct now, const struct dgram *, size_t n);

#endif
