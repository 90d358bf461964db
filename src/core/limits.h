/* The limits as one table: every ceiling that a stranger or a player may run into, by its key, with
 * what is counted and where it is enforced. A module that enforces limits has a table of them; the
 * program joins the tables, and documentation is made from them (docs/operations.md, "Limits").
 *
 * Addresses are counted as core/limit.h says, IPv6 by /64, and those of limits.exempt are spared
 * wherever an address is counted. */
#ifndef SLIPGATE_CORE_LIMITS_H
#define SLIPGATE_CORE_LIMITS_H

#include "core/config.h"
#include "core/limit.h"

struct limit_row {
    const char *key;   /* of the configuration; its value is the limit */
    const char *what;  /* is counted: "connections of one address at once" */
    const char *where; /* it is enforced, and what happens to what is beyond it */
};

struct limit_table {
    const struct limit_row *rows;
    size_t n;
};

/* The `limits` section, and the rows of what the server enforces for all games. */
extern const struct config_table limits_config;
extern const struct limit_table limits_server;

/* What the section says. */
struct limits {
    struct exempt exempt, proxies;
    uint32_t handshakes_per_addr;
};

/* E_CONFIG: why names the key and what is wrong with it; *ret is then as it was. */
MUST_USE int limits_load(struct limits *ret, const struct config *, struct buf *why);

#endif
