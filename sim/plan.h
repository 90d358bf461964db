/* What a seed decides before its world begins: which faults there are and how strong, who plays,
 * how good the links are, how often things are checked. Swarm testing: each seed leaves most faults
 * out, so that what one fault hides another seed shows. */
#ifndef SLIPGATE_SIM_PLAN_H
#define SLIPGATE_SIM_PLAN_H

#include "client/impair.h"
#include "sim/sim.h"

struct sim_plan {
    double strength[SIM_FAULTS_N]; /* 0: off, to 1 */
    /* Bots of each kind: honest at least 1, the others 0 where their fault is off. */
    uint32_t honest, confused, hostile;
    bool model; /* asks are answered by a plain model instead of the real store */

    /* The storm ends at the first of the two. */
    nsec storm;
    uint64_t storm_events;
    nsec calm_max, leave_max; /* virtual time an evening, and going home, may take */

    uint32_t check_every;   /* calls of the service between two walks of its check */
    uint32_t settled_every; /* steps between two calls of the tap's settled */

    /* Links: what everybody's is like; each client's own differs from it by up to a half. */
    uint32_t latency_us, jitter_us; /* streams, one way */
    uint32_t window_bytes;          /* that a stream holds on its way to the client */
    uint32_t batch_us; /* datagrams that arrive so close to each other are handed over together */
    struct impair_profile dgrams;
};

/* without: a bit for each fault that is left out, whatever the seed says. */
void sim_plan_make(struct sim_plan *, struct rng *, uint32_t without);
/* How often a fault of full strength strikes where it could. */
double sim_plan_rate(enum sim_fault);
/* In one line, for people. */
void sim_plan_text(const struct sim_plan *, struct buf *);

#endif
