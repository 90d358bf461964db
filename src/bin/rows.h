/* Every module's configuration rows, joined in the order in which `config print` shows them. */
#ifndef SLIPGATE_BIN_ROWS_H
#define SLIPGATE_BIN_ROWS_H

#include "core/config.h"
#include "core/service.h"

/* The services this program can run. */
extern const struct service_ops *const rows_services[];
extern const size_t rows_services_n;

/* The `tls` section. */
extern const struct config_table rows_tls;

/* What the key limits, or NULL: it is no limit. */
const struct limit_row *rows_limit(const char *key);
/* How many limits name a key that is not in the configuration; for the tests. */
size_t rows_limits_unknown(const struct config *);

/* A configuration in which every key has its default. E_NOMEM. */
MUST_USE int rows_config(struct config **ret);

#endif
