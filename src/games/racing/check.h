/* Every invariant of the service's state, walked on demand by tests, fuzzers and simulators. */
#ifndef SLIPGATE_GAMES_RACING_CHECK_H
#define SLIPGATE_GAMES_RACING_CHECK_H

#include "games/racing/state.h"

/* 0, or E_EXISTS with the first broken invariant named in why. */
int check_state(const struct racing *, struct buf *why);

#endif
