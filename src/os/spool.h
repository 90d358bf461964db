/* The audit log's spool (core/audit_log.h) as a file: lines of audit_line_write's form, appended
 * and synced on a thread of its own.
 *
 * The file has mode 0600 and is locked, so that no two processes share it. What a crash left of a
 * last line is cut off when it is opened. An append that fails leaves nothing behind. What is put
 * aside goes to a file beside it, named after the time. Limits: bytes_max in the file. Threads:
 * everything here is called on the loop's thread. */
#ifndef SLIPGATE_OS_SPOOL_H
#define SLIPGATE_OS_SPOOL_H

#include "base/buf.h"
#include "core/audit_log.h"
#include "core/loop.h"

struct spool;

/* Opens the file, making it where it is missing; loop and log are borrowed and outlive the spool.
 * Blocks: for the start of the program. E_BUSY: another process has it; E_IO; E_NOMEM. why then
 * says what is wrong in one line without a full stop. */
MUST_USE int spool_open(struct spool **ret, struct loop *, const char *path, uint64_t bytes_max,
                        struct log *, struct buf *why);
struct audit_spool *spool_port(struct spool *);
/* Finishes what it was given, and what that leads to (done is called), and closes the file. NULL is
 * fine. */
void spool_close(struct spool *);

#endif
