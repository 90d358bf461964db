/* Gives memory back to the system after a crowd has gone.
 *
 * The C library keeps what a thousand ended TLS connections freed, because their pieces lie
 * scattered over its heap. When the number of links has fallen to half of its last height,
 * malloc_trim runs once on a thread of its own, at low priority: it holds the heap's lock for
 * milliseconds, which the path of a datagram never asks for.
 *
 * Called on the loop's thread. */
#ifndef SLIPGATE_OS_TRIM_H
#define SLIPGATE_OS_TRIM_H

#include "core/loop.h"

struct server;
struct trim;

/* loop and server must outlive it. E_NOMEM, or what the loop says. */
MUST_USE int trim_create(struct trim **ret, struct loop *, struct server *);
void trim_destroy(struct trim *); /* NULL is fine */

#endif
