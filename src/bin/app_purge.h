/* Takes out of the store what has ended: resume tokens, and addresses nobody signed in from for
 * longer than they are known (core/login.h). Sessions and bans are purged by who keeps them. */
#ifndef SLIPGATE_BIN_APP_PURGE_H
#define SLIPGATE_BIN_APP_PURGE_H

#include "base/err.h"
#include "core/loop.h"

struct app;

struct app_purge {
    struct loop_timer *timer;
    unsigned next; /* which query comes next */
};

/* Soon after the start, then every hour. */
MUST_USE int app_purge_open(struct app *);
void app_purge_close(struct app *); /* before the store is closed */

#endif
