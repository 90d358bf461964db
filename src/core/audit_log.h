/* The audit log of one process: takes records from everybody, numbers and chains them
 * (wire/chain.h), and brings them to the store in batches, off the loop's time. Adding never blocks
 * and never fails: what finds no room is counted and told by a record of its own.
 *
 * While the store does not take them, records go to a spool (a file in data.dir, behind a port) and
 * from there to the store once it is back; they are appended under their own numbers, so that a
 * record which was stored although the store said it was not is no second one. A chain goes on
 * where the store and the spool say it stood. Signed heads are added every so often and at the end.
 *
 * Accounts stand in records as "#ID" where there is one, else as the name that was tried: who is
 * deleted leaves a trail without a name. One thread. */
#ifndef SLIPGATE_CORE_AUDIT_LOG_H
#define SLIPGATE_CORE_AUDIT_LOG_H

#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/audit.h"

struct audit_log;

/* Where records wait while the store is down; also read at the start. All calls are queued to a
 * thread that is not the loop's; answers come on the loop. */
struct audit_spool {
    /* Appends lines (each with its LF); done with 0 or E_IO when they are on disk. The span is
     * borrowed until done. One at a time. */
    void (*append)(struct audit_spool *, struct span lines,
                   void (*done)(void *ctx, struct now, int rc), void *ctx);
    /* Everything, for the start and for bringing it to the store; then forgets it (clear). */
    void (*read)(struct audit_spool *,
                 void (*done)(void *ctx, struct now, int rc, struct span lines), void *ctx);
    void (*clear)(struct audit_spool *, void (*done)(void *ctx, struct now, int rc), void *ctx);
};

struct audit_log_cfg {
    struct ask_port *store;
    struct audit_spool *spool; /* NULL: records wait in memory only */
    struct span node;          /* names the chain; at most NODE_MAX bytes */
    uint8_t key[CHAIN_KEY];    /* private, for heads */
    struct log *log;
    struct metrics *metrics;
    uint32_t records_max; /* in memory; 0: 16384 */
    void (*wake)(void *ctx, nsec deadline);
    void *ctx;
};

/* Borrows what cfg points to, copies the rest. E_NOMEM, E_FULL, E_RANGE. */
MUST_USE int audit_log_create(struct audit_log **ret, const struct audit_log_cfg *, struct now);
/* Asks and spool calls must have been answered. NULL is fine. */
void audit_log_destroy(struct audit_log *);
/* Does what is due; returns the next deadline. */
nsec audit_log_time(struct audit_log *, struct now);

/* Takes a record; seq and at_ms are set here, the rest is copied and made clean. Security records
 * are also logged at once. NULL for the log is fine: nothing is kept. */
void audit_log_add(struct audit_log *, struct now, const struct audit_record *raw);
/* As SPAN for the account member: "#ID", in text. */
struct span audit_account(int64_t account, char text[24]);

/* fn is called once, when all that was added before is in the store or in the spool: rc 0; or it is
 * not to be had (E_STORE, E_BUSY). For whoever answers a person only when the record is safe. */
typedef void (*audit_log_fn)(void *ctx, struct now, int rc);
void audit_log_sync(struct audit_log *, struct now, audit_log_fn fn, void *ctx);
/* Starts writing everything out and a last head; quiet when nothing is left. */
void audit_log_close(struct audit_log *, struct now);
bool audit_log_quiet(const struct audit_log *);

#endif
