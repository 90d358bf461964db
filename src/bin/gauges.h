/* What the program knows about its parts, as metrics: each service's view, the certificate's end,
 * lost log records. */
#ifndef SLIPGATE_BIN_GAUGES_H
#define SLIPGATE_BIN_GAUGES_H

#include "base/metric.h"
#include "os/server.h"

#define GAUGES_VIEW_N  5u /* of each service */
#define GAUGES_LABEL_N 64u

struct gauges {
    struct metrics *metrics;
    size_t base, services_n;
    char labels[SERVER_SERVICES_MAX][GAUGES_LABEL_N];
    struct metric_row rows[GAUGES_VIEW_N * SERVER_SERVICES_MAX];
    size_t own; /* series of the program's own rows */
};

/* Registers the rows for the services the server has now; the struct must outlive the metrics and
 * not move. E_NOMEM, E_FULL. */
MUST_USE int gauges_init(struct gauges *, struct metrics *, const struct server *);
/* certificate_end_s: Unix time. */
void gauges_refresh(struct gauges *, const struct server *, int64_t certificate_end_s,
                    uint64_t log_dropped, bool draining);

#endif
