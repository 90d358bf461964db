/* The service manager's notification protocol, sd_notify(3): short datagrams to $NOTIFY_SOCKET.
 * Four messages do not justify a library. Without the variable everything here does nothing. */
#ifndef SLIPGATE_BIN_NOTIFY_H
#define SLIPGATE_BIN_NOTIFY_H

#include "base/types.h"

/* state: "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..." or several, separated by LF. A message
 * that cannot be sent is lost: the manager's timeout will tell. */
void notify_send(const char *state);

/* Half of what the manager's watchdog allows between two signs of life; NSEC_NEVER: none asked for.
 */
nsec notify_watchdog_interval(void);

#endif
