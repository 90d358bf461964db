/* What no single row can tell: keys whose text has a grammar of its own, and keys that contradict
 * each other, such as two listeners on one port. Opens nothing. */
#ifndef SLIPGATE_BIN_CONFIG_CHECK_H
#define SLIPGATE_BIN_CONFIG_CHECK_H

#include "base/buf.h"
#include "core/config.h"

/* E_CONFIG with why in one line: the keys and the mend. */
MUST_USE int config_check(const struct config *, struct buf *why);

#endif
