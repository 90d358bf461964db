#include "sim/plan.h"

/* ---- which faults, how strong ---- */

/* A few seeds have none or one at full strength; the others have each with a chance of their own.
 */
static void choose_faults(struct sim_plan *p, struct rng *r, uint32_t without)
{
    uint64_t mood = rng_below(r, 100);
    double each = mood < 6 ? 0 : mood < 16 ? 0 : mood < 55 ? 0.2 : mood < 85 ? 0.35 : 0.6;
    for (int f = 0; f < SIM_FAULTS_N; f++) {
        bool on = rng_unit(r) < each;
        double x = rng_unit(r);
        if (on)
            p->strength[f] = 0.05 + 0.95 * x * x;
    }
    uint64_t only = rng_below(r, SIM_FAULTS_N);
    if (mood >= 6 && mood < 16)
        p->strength[only] = 1;
    for (int f = 0; f < SIM_FAULTS_N; f++)
        if (without >> f & 1)
            p->strength[f] = 0;
}

double sim_plan_rate(enum sim_fault f)
{
    static const double rates[SIM_FAULTS_N] = {
        [FAULT_SEGMENT] = 0.6,     /* of the stretches that arrive */
        [FAULT_STALL] = 0.01,      /* of the stretches a client gets */
        [FAULT_RESET] = 0.01,      /* of the stretches that arrive */
        [FAULT_HALF_CLOSE] = 0.01, /* of the stretches a client sends */
        [FAULT_CORRUPT] = 0.2,     /* of the datagrams */
        [FAULT_REPLAY] = 0.2,      [FAULT_ADDRESS] = 0.01,
        [FAULT_STORE_SLOW] = 0.5, /* of the asks */
        [FAULT_STORE_FAIL] = 0.4,  [FAULT_STORE_ORDER] = 0.5,
        [FAULT_STORE_LOST] = 0.4,  [FAULT_STORE_BUSY] = 0.4,
        [FAULT_DISK] = 0.3,        [FAULT_ALLOC] = 0.05, /* of the calls into the service */
        [FAULT_CONFUSED] = 0.5,    [FAULT_HOSTILE] = 0.5,
    };
    return rates[f] > 0 ? rates[f] : 1;
}

/* ---- who plays ---- */

static uint32_t some(struct rng *r, uint32_t low, uint32_t high)
{
    return low + (uint32_t)rng_below(r, high - low + 1);
}

static void choose_bots(struct sim_plan *p, struct rng *r)
{
    uint64_t mood = rng_below(r, 100);
    p->honest = mood < 8    ? some(r, 1, 4)
                : mood < 90 ? some(r, 5, 40)
                : mood < 97 ? some(r, 41, 90)
                            : some(r, 100, 250);
    double confused = p->strength[FAULT_CONFUSED], hostile = p->strength[FAULT_HOSTILE];
    uint32_t a = some(r, 0, p->honest / 2 + 2), b = some(r, 0, p->honest / 3 + 2);
    p->confused = confused > 0 ? 1 + (uint32_t)(confused * a) : 0;
    p->hostile = hostile > 0 ? 1 + (uint32_t)(hostile * b) : 0;
}

/* ---- how long, how often ---- */

static void choose_times(struct sim_plan *p, struct rng *r)
{
    p->storm = some(r, 30, 180) * NSEC_PER_S;
    p->storm_events = some(r, 5000, 20000);
    p->calm_max = 900 * NSEC_PER_S;
    p->leave_max = 300 * NSEC_PER_S;
    p->check_every = rng_below(r, 10) == 0 ? 1 : some(r, 20, 400);
    p->settled_every = some(r, 200, 2000);
    p->model = rng_below(r, 3) > 0;
}

/* ---- links ---- */

static void choose_links(struct sim_plan *p, struct rng *r)
{
    static const uint32_t latencies[] = {50, 1000, 8000, 25000, 60000, 150000};
    static const uint32_t windows[] = {4096, 16384, 65536, 131072};
    const double *x = p->strength;
    p->latency_us = latencies[rng_below(r, ARRAY_LEN(latencies))];
    p->jitter_us = some(r, 0, p->latency_us / 2);
    p->window_bytes = windows[rng_below(r, ARRAY_LEN(windows))];
    p->batch_us = rng_below(r, 2) ? some(r, 1, 3000) : 0;
    p->dgrams = (struct impair_profile){.delay_us = p->latency_us, .jitter_us = p->jitter_us};
    if (x[FAULT_LOSS] > 0) {
        p->dgrams.loss = 0.4 * x[FAULT_LOSS];
        p->dgrams.burst_enter = rng_below(r, 2) ? 0.02 * x[FAULT_LOSS] : 0;
        p->dgrams.burst_leave = 0.05 + 0.4 * rng_unit(r);
        p->dgrams.burst_loss = 0.9;
    }
    p->dgrams.duplicate = 0.3 * x[FAULT_DUPLICATE];
    p->dgrams.reorder = 0.3 * x[FAULT_REORDER];
    if (x[FAULT_DELAY] > 0) {
        p->dgrams.delay_us += (uint32_t)(1e6 * x[FAULT_DELAY]);
        p->dgrams.jitter_us += (uint32_t)(1e6 * x[FAULT_DELAY]);
    }
}

void sim_plan_make(struct sim_plan *p, struct rng *r, uint32_t without)
{
    *p = (struct sim_plan){0};
    choose_faults(p, r, without);
    choose_bots(p, r);
    choose_times(p, r);
    choose_links(p, r);
}

void sim_plan_text(const struct sim_plan *p, struct buf *to)
{
    (void)buf_printf(to,
                     "%u honest, %u confused, %u hostile; %s store; storm %llu s or %llu events; "
                     "latency %u us; faults:",
                     p->honest, p->confused, p->hostile, p->model ? "model" : "real",
                     (unsigned long long)(p->storm / NSEC_PER_S),
                     (unsigned long long)p->storm_events, p->latency_us);
    bool any = false;
    for (int f = 0; f < SIM_FAULTS_N; f++)
        if (p->strength[f] > 0) {
            (void)buf_printf(to, " %s %.2f", sim_fault_name((enum sim_fault)f), p->strength[f]);
            any = true;
        }
    if (!any)
        (void)buf_append_str(to, " none");
}
