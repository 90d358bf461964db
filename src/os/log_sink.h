/* Where log records go: one line a record, as text or as JSON, written by a thread of its own, so
 * that a reader of our standard error that has stalled never stops the loop.
 *
 *   2026-01-02T03:04:05.678Z info edge.open link opened peer=192.0.2.4:5000 name="a \"b\""
 *   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"edge.open","message":"link
 * opened",...}
 *
 * Whatever bytes a field holds, a record stays one line and, in JSON, one valid object: controls,
 * line separators and marks that reverse the writing direction are escaped, bytes that are not
 * UTF-8 are shown as \xNN, and values past LOG_SINK_VALUE_MAX bytes are cut with a mark that says
 * how much.
 *
 * Between emit and the writer is a ring of a fixed size. A record that does not fit is dropped and
 * counted; one record "log.dropped" with the count stands where they would have. The last eighth
 * of the ring is for warnings and errors. Any thread may log; the other calls, and changes of the
 * level, are for the thread that created the sink. */
#ifndef SLIPGATE_OS_LOG_SINK_H
#define SLIPGATE_OS_LOG_SINK_H

#include "base/buf.h"
#include "base/log.h"

enum log_sink_format { LOG_SINK_TEXT, LOG_SINK_JSON };

struct log_sink_options {
    enum log_level level;
    enum log_sink_format format;
    const char *path;  /* appended to, made with mode 0640; NULL or "": write to fd */
    int fd;            /* stays the caller's; used when there is no path */
    size_t ring_bytes; /* 0: LOG_SINK_RING_BYTES; at least 2 * LOG_SINK_RECORD_MAX */
};

#define LOG_SINK_RECORD_MAX 4096u /* bytes of a formatted record; fields past it are left out */
#define LOG_SINK_VALUE_MAX  256u  /* bytes of a value that are shown */
#define LOG_SINK_RING_BYTES (1u << 20) /* room for about 8,000 records */
#define LOG_SINK_FLUSH_MS   2000u      /* how long destroy waits for a stalled reader */

struct log_sink;

/* Starts the writer. options is borrowed for the call. E_IO (path cannot be opened; why names it
 * and the mend), E_NOMEM. */
MUST_USE int log_sink_create(struct log_sink **ret, const struct log_sink_options *options,
                             struct buf *why);
/* Writes what is queued, for at most LOG_SINK_FLUSH_MS, ends the writer and frees. Nobody may log
 * any more. NULL is fine. */
void log_sink_destroy(struct log_sink *s);

/* What modules log to; lives as long as the sink. Its level may be changed at any time. */
struct log *log_sink_log(struct log_sink *s);
void log_sink_set_format(struct log_sink *s, enum log_sink_format format);
/* Opens the path again, for log rotation; nothing to do without a path. On E_IO the old file stays.
 */
MUST_USE int log_sink_reopen(struct log_sink *s, struct buf *why);
/* Waits until everything logged so far is written: true, or false after timeout_ms. */
bool log_sink_flush(struct log_sink *s, unsigned timeout_ms);
/* Records dropped since the start: ring full, or the write failed. */
uint64_t log_sink_dropped(struct log_sink *s);

/* Formats one record as the sink does, its newline included; returns its length, which is at most
 * LOG_SINK_RECORD_MAX. */
size_t log_sink_format(char to[LOG_SINK_RECORD_MAX], enum log_sink_format format, int64_t unix_ms,
                       const struct log_row *row, const struct log_field *fields, size_t n);

#endif
