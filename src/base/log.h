/* Structured log records. A module has a table of rows (level, id, text); to log is to name a row
 * and give typed fields. Nothing is formatted here: the sink (os/) turns a record into text or
 * JSON, and below the level in force a record costs one comparison. Fields never carry secrets;
 * text that a player made is escaped by the sink. */
#ifndef SLIPGATE_BASE_LOG_H
#define SLIPGATE_BASE_LOG_H

#include "base/addr.h"
#include "base/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_row {
    enum log_level level;
    const char *id;   /* stable, dotted: "edge.accept_failed" */
    const char *text; /* one short sentence for people */
};

enum log_type { LOG_TYPE_INT, LOG_TYPE_UINT, LOG_TYPE_SPAN, LOG_TYPE_ADDR };

struct log_field {
    const char *key;
    enum log_type type;
    union {
        int64_t i;
        uint64_t u;
        struct span s; /* shown escaped, cut at a sane length */
        const struct addr *a;
    } v;
};

struct log {
    enum log_level level; /* records above it are dropped */
    void (*emit)(struct log *, const struct log_row *, const struct log_field *, size_t n);
};

#define LF_INT(k, x)  ((struct log_field){.key = (k), .type = LOG_TYPE_INT, .v.i = (x)})
#define LF_UINT(k, x) ((struct log_field){.key = (k), .type = LOG_TYPE_UINT, .v.u = (x)})
#define LF_SPAN(k, x) ((struct log_field){.key = (k), .type = LOG_TYPE_SPAN, .v.s = (x)})
#define LF_STR(k, x)  ((struct log_field){.key = (k), .type = LOG_TYPE_SPAN, .v.s = span_str(x)})
#define LF_ADDR(k, x) ((struct log_field){.key = (k), .type = LOG_TYPE_ADDR, .v.a = (x)})

/* LOG(log, row, fields...): at least one field. LOG0: none. */
#define LOG(log, row, ...)                                                  \
    do {                                                                    \
        if ((row)->level <= (log)->level) {                                 \
            const struct log_field log_fields_[] = {__VA_ARGS__};           \
            (log)->emit((log), (row), log_fields_, ARRAY_LEN(log_fields_)); \
        }                                                                   \
    } while (0)
#define LOG0(log, row)                          \
    do {                                        \
        if ((row)->level <= (log)->level)       \
            (log)->emit((log), (row), NULL, 0); \
    } while (0)

#endif
