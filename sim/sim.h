/* One simulated world: a server process, its clients and the network, disk and operators around
 * them, on virtual time. Everything that is left to chance comes from one seed, and everything
 * happens in one order, so that the same seed gives the same world every time.
 *
 * What there is:
 *   the kernel (here)      virtual clock, timers, chance, digest, findings
 *   plan.h                 what a seed decides beforehand: which faults, how strong, who plays
 *   node.h                 the server process: host (host_fake.h), service, crash and restart
 *   net.h, peer.h          streams and datagrams between clients' machines and the node
 *   store.h                the database on a disk that survives, and the password hash
 *   tap.h                  what passes the service's edge, for oracles
 *   game.h                 what a game brings: bots, settings, oracle; racing/ is one
 *
 * Nothing here reads a clock or draws entropy; no order may depend on an address in memory.
 * One thread. Several worlds may live one after the other in one process.
 *
 * Memory: what the world itself takes is not counted or failed by alloc_fault.h (the kernel
 * suspends it around everything but calls into the service, the client's own code and the store).
 */
#ifndef SLIPGATE_SIM_SIM_H
#define SLIPGATE_SIM_SIM_H

#include "base/buf.h"
#include "base/rng.h"
#include "base/timerq.h"
#include "base/types.h"

struct sim;
struct sim_plan;
struct sim_game;
struct sim_node;
struct sim_net;
struct sim_disk;

#define SIM_FAULT(id, name, text) FAULT_##id,
enum sim_fault {
#include "sim/faults.def"
    SIM_FAULTS_N
};
#undef SIM_FAULT

/* A stream of chance of its own for each part, so that one drawing more does not change what the
 * others draw. */
enum sim_chance {
    CHANCE_PLAN,
    CHANCE_NET,
    CHANCE_STORE,
    CHANCE_NODE,
    CHANCE_BOTS,
    CHANCE_FAULTS,
    CHANCES_N
};

enum sim_phase {
    PHASE_STORM, /* faults as planned */
    PHASE_CALM,  /* no more faults: every honest bot must get through its evening in time */
    PHASE_LEAVE, /* everybody leaves, and the server must be as it was */
    PHASE_OVER,
};

struct sim_timer { /* zeroed: not set; embedded in what it belongs to */
    struct timer t;
    void (*fire)(struct sim *, struct sim_timer *);
};

struct sim {
    uint64_t seed;
    struct rng chance[CHANCES_N];
    struct now now;
    struct timerq timers;
    enum sim_phase phase;
    uint64_t step;   /* timers fired so far: the number a finding names */
    uint64_t events; /* delivered: stretches of bytes, datagrams, answers, deadlines, notices */
    uint64_t digest;
    uint64_t fired[SIM_FAULTS_N];
    const struct sim_plan *plan;
    const struct sim_game *game;
    struct sim_node *node;
    struct sim_net *net;
    struct sim_disk *disk;
    void *game_state;   /* the game's */
    struct buf finding; /* empty: none. The first one counts; the run stops there */
    char oracle[32];    /* whose it is */
    uint64_t found_at;  /* and at which step */
    /* Told of every event when set: who prints a trace, or compares two runs. */
    void (*watch)(struct sim *, void *ctx, const char *what, uint64_t who, struct span bytes);
    void *watch_ctx;
    int64_t wall_ms;    /* what the wall clock shows beyond virtual time; jumps change it */
    uint64_t same_time; /* steps since the clock last moved */
};

/* ---- making one: for run.c ---- */

#define SIM_START (1000 * NSEC_PER_S) /* virtual time at its beginning */

void sim_init(struct sim *, uint64_t seed);
void sim_fini(struct sim *); /* every timer must be stopped or forgotten by then */
/* Fires the next timer, and moves the clock to it. False: there is none. */
bool sim_step(struct sim *);

/* ---- time ---- */
void sim_at(struct sim *, struct sim_timer *, nsec at); /* sets or moves; past times fire next */
void sim_after(struct sim *, struct sim_timer *, nsec delay);
void sim_stop(struct sim *, struct sim_timer *);

/* ---- chance ---- */
uint64_t sim_below(struct sim *, enum sim_chance, uint64_t n); /* 0 to n-1, n > 0 */
uint64_t sim_between(struct sim *, enum sim_chance, uint64_t low,
                     uint64_t high); /* both included */
bool sim_chance(struct sim *, enum sim_chance, double p);
/* Whether this fault strikes now: by the plan's strength, only in the storm. Counted when it does;
 * so ask only where it can be acted upon. */
bool sim_fault(struct sim *, enum sim_fault);
/* How strong the plan has it, 0 (off) to 1; for those who spread a fault over time themselves (they
 * count it with sim_fired). 0 outside the storm. */
double sim_strength(const struct sim *, enum sim_fault);
void sim_fired(struct sim *, enum sim_fault);
const char *sim_fault_name(enum sim_fault);

/* ---- what happened ---- */
/* Every event goes into the digest: what (a literal), the number of whom it concerns, and its
 * bytes. Counts it as delivered when `delivered`. */
void sim_event(struct sim *, bool delivered, const char *what, uint64_t who, struct span bytes);
/* An oracle found something wrong: its name and what it saw. */
void sim_find(struct sim *, const char *oracle, const char *format, ...) PRINTF_LIKE(3, 4);
bool sim_found(const struct sim *);

#endif
