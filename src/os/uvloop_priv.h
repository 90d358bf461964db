/* Shared by the files of uvloop; nobody else includes it. */
#ifndef SLIPGATE_OS_UVLOOP_PRIV_H
#define SLIPGATE_OS_UVLOOP_PRIV_H

#include "os/uvloop.h"

#include <uv.h>

struct uvloop {
    struct loop loop;
    uv_loop_t uv;
    uv_prepare_t prepare; /* just before waiting */
    uv_check_t check;     /* just after the callbacks of descriptors */
    uv_timer_t until;
    struct now now;
    bool stale; /* now must be sampled before it is used */
    bool awake; /* a callback ran since the last wait; woke is when */
    bool stopped;
    bool firing;                   /* a timer's callback runs */
    nsec woke, window, longest[2]; /* longest of the present and the previous window */
    struct uvloop_stats stats;
    struct metrics *metrics;
    size_t metric_base;
};

static inline struct uvloop *uvloop_of(struct loop *l)
{
    return CONTAINER_OF(l, struct uvloop, loop);
}

struct now uvloop_now(struct uvloop *l);

int uvloop_pool_open(struct loop *, const char *name, unsigned threads, int nice,
                     struct loop_pool **ret);
void uvloop_pool_submit(struct loop_pool *, struct job *);
void uvloop_pool_close(struct loop_pool *);

#endif
