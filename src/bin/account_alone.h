/* Operations on accounts where no server runs: on the database, which is claimed for the while. */
#ifndef SLIPGATE_BIN_ACCOUNT_ALONE_H
#define SLIPGATE_BIN_ACCOUNT_ALONE_H

#include "bin/remote.h"

/* Carries one request out; as remote.alone. Blocks. */
MUST_USE int account_alone(struct remote *, struct span request);

#endif
