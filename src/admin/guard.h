/* Who may talk to the admin port and under which name. Pure: RFC 9110 section 7.2 (Host), RFC 7239
 * and its de facto forerunners (forwarding headers).
 *
 * A request that came through a proxy says nothing about where its sender is, so it never counts as
 * private. A Host that is not ours is how a web page in somebody's browser reaches an address
 * inside (DNS rebinding), so only names we know are served. */
#ifndef SLIPGATE_ADMIN_GUARD_H
#define SLIPGATE_ADMIN_GUARD_H

#include "base/addr.h"
#include "base/types.h"

enum guard_auth { GUARD_LAN, GUARD_LOOPBACK }; /* in the order of admin.auth's choices */

bool guard_source_allowed(const struct addr *peer, enum guard_auth);
bool guard_is_forwarding(struct span header_name);

/* Takes the port off "name", "name:port", "[ipv6]", "[ipv6]:port". E_FORMAT. */
MUST_USE int guard_host_name(struct span host, struct span *name);
/* An IP literal, localhost, or one of names (separated by blanks; "*.example.org" is any one label
 * before it). Letter case and a dot at the end do not count. */
bool guard_host_known(struct span name, const char *names);

#endif
