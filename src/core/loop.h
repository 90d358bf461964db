/* What store and admin need from the event loop, as a table, so that neither sees libuv and both
 * run in the simulator. All callbacks come on the loop's thread. */
#ifndef SLIPGATE_CORE_LOOP_H
#define SLIPGATE_CORE_LOOP_H

#include "base/types.h"

enum loop_event { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop_watch;
struct loop_timer;
struct loop_pool;

/* Work for another thread: work runs there, then done on the loop. The caller owns the memory and
 * keeps it until done was called. */
struct job {
    void (*work)(struct job *);
    void (*done)(struct job *, struct now);
    struct job *next;
};

typedef void (*loop_watch_fn)(void *ctx, struct now, unsigned events);
typedef void (*loop_timer_fn)(void *ctx, struct now);

struct loop {
    const struct loop_ops *ops;
};

struct loop_ops {
    struct now (*now)(struct loop *);
    /* Level-triggered watch of a descriptor the caller owns; events: loop_event bits, 0 for none.
     */
    int (*watch)(struct loop *, int fd, unsigned events, loop_watch_fn, void *ctx,
                 struct loop_watch **ret);
    int (*watch_set)(struct loop_watch *, unsigned events);
    void (*unwatch)(struct loop_watch *); /* before the descriptor is closed; NULL is fine */
    int (*timer_open)(struct loop *, loop_timer_fn, void *ctx, struct loop_timer **ret);
    void (*timer_set)(struct loop_timer *, nsec deadline); /* once; NSEC_NEVER stops it */
    void (*timer_close)(struct loop_timer *);
    /* Threads of their own for one class of job, first in, first out; nice: 0 to 19. */
    int (*pool_open)(struct loop *, const char *name, unsigned threads, int nice,
                     struct loop_pool **ret);
    void (*pool_submit)(struct loop_pool *, struct job *);
    /* Lets running and queued jobs finish (done is called for each), then ends the threads. */
    void (*pool_close)(struct loop_pool *);
};

#endif
