/* Accounts written into the database of a server that does not run. */
#ifndef SLIPGATE_SCENARIO_LIVE_ACCOUNTS_H
#define SLIPGATE_SCENARIO_LIVE_ACCOUNTS_H

#include "live_server.h"

bool live_accounts_write(const struct live_server *, const struct setup *, struct buf *why);

#endif
