/* The audit log of one process: takes records from everybody, numbers and chains them
 * (wire/chain.h), and brings them to the store in batches, off the loop's time. Adding never blocks
 * and never fails: what finds no room is counted and told by a record of its own.
 *
 * While the store does not take them, records go to a spool (a file in data.dir, behind a port) and
 * from there to the store once it is back; they are appended under their own numbers, so that a
 * record which was stored although the store said it was not is no second one. A chain goes on
 * where the store and the spool say it stood; until the store has said so, records wait without a
 * number. Records go to the store in groups, one after the other, so that none is there without
 * those before it. A signed head is added for what is in the store every AUDIT_HEAD_RECORDS records
 * or AUDIT_HEAD_EVERY, and at the end. Once a day what is older than the retention is dropped, a
 * signed cut first; the newest record always stays, because the chain goes on from it.
 *
 * Accounts stand in records as "#ID" where there is one, else as the name that was tried ("name #5"
 * where it begins so): who is deleted leaves a trail without a name. One thread. */
#ifndef SLIPGATE_CORE_AUDIT_LOG_H
#define SLIPGATE_CORE_AUDIT_LOG_H

#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/audit.h"

#define AUDIT_GROUP        256u /* records on their way to the store at once */
#define AUDIT_FLUSH        (200 * NSEC_PER_MS)
#define AUDIT_HEAD_RECORDS 1000u
#define AUDIT_HEAD_EVERY   (60 * NSEC_PER_S)
#define AUDIT_SYNCS_MAX    1024u /* waiting at once */

struct audit_log;

/* Where records wait while the store is down; also read at the start. One call at a time; its work
 * is done on a thread that is not the loop's, and done is called on the loop, never from within the
 * call. */
struct audit_spool {
    /* Appends lines (each with its LF); 0 when they are on disk, E_IO, or E_FULL: no room under the
     * spool's ceiling; nothing of them is kept then. The span is borrowed until done. */
    void (*append)(struct audit_spool *, struct span lines,
                   void (*done)(void *ctx, struct now, int rc), void *ctx);
    /* Everything, whole lines only: 0, E_IO, E_NOMEM. lines are the spool's until the next call. */
    void (*read)(struct audit_spool *,
                 void (*done)(void *ctx, struct now, int rc, struct span lines), void *ctx);
    /* Forgets everything; with keep it is put aside for a person to look at. 0 or E_IO. */
    void (*clear)(struct audit_spool *, bool keep, void (*done)(void *ctx, struct now, int rc),
                  void *ctx);
};

struct audit_log_cfg {
    struct ask_port *store;
    struct audit_spool *spool; /* NULL: records wait in memory only */
    struct span node;          /* names the chain; at most NODE_MAX bytes */
    uint8_t key[CHAIN_KEY];    /* private, for heads */
    struct log *log;
    struct metrics *metrics;
    uint32_t records_max;    /* in memory; 0: 16384 */
    uint32_t retention_days; /* 0: everything is kept */
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

/* fn is called once, when all that was added before is in the store or in the spool: rc 0; or that
 * is not to be had (E_STORE: neither takes them now; E_BUSY: some found no room, or more than
 * AUDIT_SYNCS_MAX wait), and what was added is tried further all the same. Only E_BUSY may come
 * before audit_log_sync returns. For whoever answers a person only when the record is safe. */
typedef void (*audit_log_fn)(void *ctx, struct now, int rc);
/* NULL for the log is fine: fn is called with 0 at once. */
void audit_log_sync(struct audit_log *, struct now, audit_log_fn fn, void *ctx);
/* Starts writing everything out and a last head; quiet when nothing is left, or what is left can
 * go nowhere (it is logged). Records may still be added, and are written out too. */
void audit_log_close(struct audit_log *, struct now);
bool audit_log_quiet(const struct audit_log *);

#endif
