/* What the operating system says about this process, as metrics. */
#ifndef SLIPGATE_ADMIN_PROCESS_H
#define SLIPGATE_ADMIN_PROCESS_H

#include "base/metric.h"

struct process_metrics {
    struct metrics *metrics;
    size_t base;
    nsec start;
    int64_t start_unix_ms;
};

/* Registers the rows. E_NOMEM, E_FULL. */
MUST_USE int process_metrics_init(struct process_metrics *, struct metrics *, struct now);
/* Brings the values up to date: half a millisecond at a few thousand descriptors. */
void process_metrics_refresh(struct process_metrics *, struct now);

#endif
