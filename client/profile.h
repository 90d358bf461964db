/* What a bad link does in both directions, read from text (docs/client-library.md, "Bad links"):
 *
 *   # comment
 *   delay_ms = 35            both directions
 *   up.rate_kbit = 5000      only what the client sends; wins over the same key without up.
 *   down.rate_kbit = 20000
 *
 * The named links are such texts. Pure. */
#ifndef SLIPGATE_CLIENT_PROFILE_H
#define SLIPGATE_CLIENT_PROFILE_H

#include "client/impair.h"

#include <slipgate/slipgate.h>

struct sgc_profile {
    struct impair_profile up, down;
};

/* link: a name or a text, as slipgate_config.link. 0, or SLIPGATE_E_ARGUMENT with one sentence in
 * why (cap bytes with NUL; 256 hold all): the line, what is wrong, what to write. */
MUST_USE int sgc_profile_read(struct sgc_profile *ret, const char *link, char *why, size_t cap);

#endif
