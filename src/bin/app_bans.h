/* The desk of bans within the server: made behind the store and the audit log and before the
 * server, which enforces what it says. */
#ifndef SLIPGATE_BIN_APP_BANS_H
#define SLIPGATE_BIN_APP_BANS_H

#include "base/types.h"

struct app;

MUST_USE int app_bans_open(struct app *);
/* Behind the store's close and the server. */
void app_bans_destroy(struct app *);

#endif
