/* The racing service: newline-delimited JSON over TLS for login, rooms and chat, and datagrams for
 * positions and inputs, relayed within a room (docs/protocol-racing.md). */
#ifndef SLIPGATE_GAMES_RACING_H
#define SLIPGATE_GAMES_RACING_H

#include "core/service.h"

extern const struct service_ops racing_ops;

#endif
