/* The event loop of core/loop.h on the simulator's kernel: virtual clock, timers, and pools whose
 * "threads" take virtual time. A job of a pool waits for a thread, does its work at some moment of
 * the time it takes, and is done at its end; what happens in between sees the work done and nobody
 * told of it. How long it takes is drawn from CHANCE_STORE, and FAULT_STORE_SLOW makes it long.
 *
 * Watches of descriptors are E_SUPPORT: nothing here has a descriptor yet.
 *
 * Callbacks come from the kernel, as its timers fire; memory under test (alloc_fault.h) is counted
 * and failed while they run and while jobs work. One thread. */
#ifndef SLIPGATE_SIM_LOOP_H
#define SLIPGATE_SIM_LOOP_H

#include "core/loop.h"
#include "sim/sim.h"

struct sim_loop;

/* How long the jobs of a pool take when nothing is slow: each between the two. */
struct sim_loop_cfg {
    nsec job_min, job_max;
    /* Called before a job works; may be NULL. */
    void (*before)(void *ctx);
    void *ctx;
};

/* How long something takes: between the two, or very long. */
nsec sim_loop_takes(struct sim *, nsec min, nsec max);

struct sim_loop *sim_loop_create(struct sim *, const struct sim_loop_cfg *);
void sim_loop_destroy(struct sim_loop *); /* timers and pools were closed */
struct loop *sim_loop(struct sim_loop *);

#endif
