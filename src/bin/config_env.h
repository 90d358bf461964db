/* Configuration from the environment (docs/operations.md, "Configuration"):
 *   SLIPGATE_SECTION_KEY       sets section.key
 *   SLIPGATE_SECTION_KEY_FILE  sets it to what the named file holds, one line end at its end aside
 *   SERVER_HOSTNAME, SERVER_PUBLIC_IP  tls.hostname, tls.public_ip, unless the names above are
 * given A name that begins with SLIPGATE_ and a known section, or is nearly a known key, must be a
 * key. Any other (SLIPGATE_BIN, or what an orchestrator makes of a service called slipgate) gives a
 * warning. */
#ifndef SLIPGATE_BIN_CONFIG_ENV_H
#define SLIPGATE_BIN_CONFIG_ENV_H

#include "base/buf.h"
#include "core/config.h"

/* env: NULL-terminated "NAME=value" strings. E_CONFIG with why in one line, E_NOMEM; warnings gets
 * a line for each variable that was passed over. */
MUST_USE int config_env_load(struct config *, const char *const *env, struct buf *warnings,
                             struct buf *why);

/* The variable that sets a key: "SLIPGATE_RACING_PORT". */
const char *config_env_name(const char *key, char name[CONFIG_KEY_MAX + sizeof "SLIPGATE_"]);

#endif
