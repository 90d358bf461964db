/* NAME and AUTHENTICATE, and what follows when the password was checked. */
#ifndef SLIPGATE_GAMES_RACING_AUTH_H
#define SLIPGATE_GAMES_RACING_AUTH_H

#include "games/racing/state.h"
#include "wire/json.h"

/* v: the members of the command, indexed by enum command_member. */
void auth_name(struct racing *, struct now, struct session *, const struct json_val *v);
void auth_authenticate(struct racing *, struct now, struct session *, const struct json_val *v);
/* The outcome of a login that was started by either; a token in it is wiped. */
void auth_result(struct racing *, struct now, struct login_result *);

#endif
