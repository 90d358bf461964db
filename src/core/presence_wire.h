/* What stands in the cache for a claim (core/presence.h): "MILLISECONDS NODE", when it was made in
 * unix milliseconds (1 to PRESENCE_STAMP_MAX, no leading zero), one blank, and the process that
 * holds it, 1 to NODE_MAX bytes. */
#ifndef SLIPGATE_CORE_PRESENCE_WIRE_H
#define SLIPGATE_CORE_PRESENCE_WIRE_H

#include "core/ask.h"

#define PRESENCE_STAMP_MAX  INT64_C(999999999999999) /* the year 33658; leaves room to add */
#define PRESENCE_HOLDER_MAX (16u + NODE_MAX)

struct holder {
    int64_t stamp;
    struct span node;
};

/* The number of bytes. Out of range is a bug (CHECK). */
size_t holder_encode(const struct holder *, uint8_t to[PRESENCE_HOLDER_MAX]);
/* node points into bytes. E_FORMAT. */
MUST_USE int holder_decode(struct span bytes, struct holder *ret);
/* Whether a stays where both claim the same: the newer one, the greater node where both are of one
 * millisecond. */
bool holder_newer(const struct holder *a, const struct holder *b);

#endif
