/* The keys that a login's answer grants for the stronger datagrams: the member "udpAead"
 * (docs/protocol-racing.md, "Stronger datagrams"). */
#ifndef SLIPGATE_CLIENT_GRANT_H
#define SLIPGATE_CLIENT_GRANT_H

#include "client/datagram.h"
#include "wire/json.h"

/* Parses the member and opens u under its keys. pack: what was offered. E_FORMAT: malformed;
 * otherwise as sgc_udp_open_grant. */
MUST_USE int sgc_grant_open(struct sgc_udp *u, const struct json_val *member, bool pack,
                            struct entropy *);

#endif
