/* One seed from beginning to end: a storm, in which everything the plan has on goes wrong; a calm,
 * in which every honest bot must get through a whole evening in bounded virtual time; and the end,
 * when everybody leaves and the server must be as it was when it started. */
#ifndef SLIPGATE_SIM_RUN_H
#define SLIPGATE_SIM_RUN_H

#include "sim/game.h"

#define SIM_TEXT_MAX 4096u

struct sim_result {
    uint64_t seed, steps, events, digest;
    nsec lasted; /* virtual */
    uint64_t fired[SIM_FAULTS_N];
    bool found;
    uint64_t at; /* the step */
    char oracle[32];
    char text[SIM_TEXT_MAX];
};

struct sim_world {
    const struct sim_game *game;
    uint64_t seed;
    uint32_t without; /* a bit for each fault that is left out */
};
_Static_assert(SIM_FAULTS_N <= 32, "one bit each");

struct sim_watcher {
    void (*event)(struct sim *, void *ctx, const char *what, uint64_t who, struct span bytes);
    void *ctx;
};

/* watcher may be NULL. plan_text, when not NULL, gets the plan in one line. */
void sim_run(const struct sim_world *, const struct sim_watcher *watcher, struct sim_result *ret,
             struct buf *plan_text);

/* Runs it twice and compares every event; a difference is a finding ("twice") that names the first.
 */
void sim_run_twice(const struct sim_world *, struct sim_result *ret);

#endif
