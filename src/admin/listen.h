/* The admin port's listening socket. */
#ifndef SLIPGATE_ADMIN_LISTEN_H
#define SLIPGATE_ADMIN_LISTEN_H

#include "base/buf.h"
#include "base/types.h"

/* A non-blocking TCP socket that listens on bind (an IP address; "::" is every address of both
 * families, or every IPv4 address on a machine without IPv6). The caller closes it. E_CONFIG: why
 * says in one line what is in the way and how to mend it. */
MUST_USE int admin_listen(const char *bind, uint16_t port, int *ret, struct buf *why);

#endif
