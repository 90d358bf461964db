/* Counters and gauges from tables. Each module has an array of rows; registering it gives a base
 * index, and row i of the module is series base + i. A series is one name with one fixed label set,
 * so labels can only come from the table and never from players. One thread writes. */
#ifndef SLIPGATE_BASE_METRIC_H
#define SLIPGATE_BASE_METRIC_H

#include "base/buf.h"
#include "base/types.h"

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_COUNTER_NS, /* kept in nanoseconds, shown in seconds */
    METRIC_GAUGE_NS,
};

struct metric_row {
    const char *name;   /* "slipgate_..._total"; rows of one name stand together in their table */
    const char *labels; /* "direction=\"in\"" or "" */
    enum metric_type type;
    const char *help; /* the same text, or NULL, for further rows of one name */
};

#define METRIC_TABLES_MAX 24u

struct metrics {
    struct {
        const struct metric_row *rows;
        size_t n;
    } tables[METRIC_TABLES_MAX];
    size_t tables_n, n;
    uint64_t *values; /* a gauge may hold a negative number in two's complement */
};

void metrics_init(struct metrics *m);
void metrics_fini(struct metrics *m);
/* rows must outlive m. Returns the base index or E_NOMEM, E_FULL. */
MUST_USE int metrics_register(struct metrics *m, const struct metric_row *rows, size_t n);

static inline void metrics_add(struct metrics *m, size_t series, uint64_t n)
{
    m->values[series] += n;
}

static inline void metrics_set(struct metrics *m, size_t series, int64_t v)
{
    m->values[series] = (uint64_t)v;
}

/* Prometheus text exposition format 0.0.4; errors stay in to->failed. */
void metrics_write(const struct metrics *m, struct buf *to);

#endif
