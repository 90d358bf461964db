/* gzip (RFC 1952) of one small message, inflated into a fixed buffer so that a bomb costs nothing.
 * One inflater serves one thread; its zlib state is reused from message to message. */
#ifndef SLIPGATE_WIRE_GZIP_H
#define SLIPGATE_WIRE_GZIP_H

#include "base/types.h"

struct gzip;

MUST_USE int gzip_create(struct gzip **ret); /* E_NOMEM */
void gzip_destroy(struct gzip *);            /* NULL is fine */
/* True when the bytes start as a gzip member does (1f 8b). */
bool gzip_is(struct span in);
/* Inflates exactly one member; returns its size, E_LIMIT when it is larger than cap, E_FORMAT for
 * anything else that is wrong (checksum, truncation, bytes behind the member). */
MUST_USE int gzip_inflate(struct gzip *, struct span in, void *to, size_t cap);
/* Compresses into to; returns the size or E_LIMIT. */
MUST_USE int gzip_deflate(struct gzip *, struct span in, void *to, size_t cap);

#endif
