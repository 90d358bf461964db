/* The audit log within the server: opened behind the store and before the services, closed behind
 * the last link. */
#ifndef SLIPGATE_BIN_APP_AUDIT_H
#define SLIPGATE_BIN_APP_AUDIT_H

#include "base/buf.h"
#include "core/config.h"

#define APP_AUDIT_SPOOL "audit.spool" /* in data.dir */

struct app;

/* Configuration rows: audit.retention_days, audit.spool_max_bytes. */
extern const struct config_row app_audit_config[2];

/* Reads the key, making it at the first start, and opens spool and log. */
MUST_USE int app_audit_open(struct app *, struct buf *why);
/* While the store still answers: runs the loop until everything is written, for a few seconds at
 * most. */
void app_audit_close(struct app *);
/* Behind the server and the store's close: what came since then goes to the spool. */
void app_audit_destroy(struct app *);
/* A reload changed the configuration from `from` to what is in force now. */
void app_audit_reloaded(struct app *, const struct config *from);

#endif
