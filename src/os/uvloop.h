/* struct loop (core/loop.h) on libuv: descriptors, timers, signals, and pools of threads for slow
 * work. Everything but a job's `work` runs on the thread that calls uvloop_run.
 *
 * Time: one sample serves all callbacks of a loop iteration, so it never runs backwards and never
 * differs between what arrived together. */
#ifndef SLIPGATE_OS_UVLOOP_H
#define SLIPGATE_OS_UVLOOP_H

#include "base/metric.h"
#include "core/loop.h"

struct uvloop;

/* E_NOMEM, E_IO. */
MUST_USE int uvloop_create(struct uvloop **ret);
/* Watches, timers, signals and pools must be closed by then (a forgotten one is a bug: CHECK). NULL
 * is fine. */
void uvloop_destroy(struct uvloop *);
/* Lives as long as the uvloop. */
struct loop *uvloop_loop(struct uvloop *);

/* Runs until uvloop_stop, or until `until` is over (NSEC_NEVER: no limit). Not from a callback.
 * True when it was stopped, false when the time was over. */
bool uvloop_run(struct uvloop *, nsec until);
/* Makes uvloop_run return after the present iteration. The loop's thread. */
void uvloop_stop(struct uvloop *);

struct loop_signal;
typedef void (*loop_signal_fn)(void *ctx, struct now, int signo);
/* Calls fn on the loop for each signo (coalesced). E_NOMEM, E_IO. */
MUST_USE int uvloop_signal_open(struct uvloop *, int signo, loop_signal_fn, void *ctx,
                                struct loop_signal **ret);
void uvloop_signal_close(struct loop_signal *); /* NULL is fine */

struct uvloop_stats {
    uint64_t iterations;
    nsec busy;    /* spent in callbacks, all in all */
    nsec longest; /* longest single iteration of the last 10 to 20 s, waiting aside */
};
const struct uvloop_stats *uvloop_stats(const struct uvloop *);
/* Registers the loop's rows; from then on they are kept up to date. E_NOMEM, E_FULL. */
MUST_USE int uvloop_metrics(struct uvloop *, struct metrics *);

#endif
