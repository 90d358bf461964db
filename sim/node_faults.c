#include "sim/net.h"
#include "sim/node.h"
#include "sim/plan.h"

#include <stdlib.h>

#define LOOK_EVERY  (50 * NSEC_PER_MS)
#define STRIKES_MAX 6u

/* The storm passes by time or by events, whichever is faster. Each of these faults strikes at some
 * points of its way that were drawn beforehand. */
struct strike {
    double at; /* 0: the storm begins; 1: it ends */
    enum sim_fault fault;
};

struct node_faults {
    struct sim_timer look;
    uint64_t events;
    struct strike strikes[SIM_FAULTS_N * STRIKES_MAX];
    size_t n;
};

static double share(struct sim *s)
{
    return 0.1 + 0.9 * (double)sim_below(s, CHANCE_FAULTS, 1000) / 1000;
}

static nsec ms(struct sim *s, uint64_t low, uint64_t high)
{
    return sim_between(s, CHANCE_FAULTS, low, high) * NSEC_PER_MS;
}

static bool operate(struct sim *s)
{
    struct notice n;
    if (!s->game->operator_notice || !s->game->operator_notice(s, &n))
        return false;
    node_notice(s, &n);
    return true;
}

static bool jump(struct sim *s)
{
    static const int64_t most_ms[] = {1000, 60000, 3600000, 86400000 * INT64_C(400)};
    int64_t by =
        (int64_t)sim_below(s, CHANCE_FAULTS, (uint64_t)most_ms[sim_below(s, CHANCE_FAULTS, 4)]);
    s->wall_ms += sim_below(s, CHANCE_FAULTS, 2) ? by : -by;
    return true;
}

/* False: there was nothing it could do. */
static bool strike(struct sim *s, enum sim_fault f)
{
    if (!node_serves(s))
        return false;
    switch ((int)f) {
    case FAULT_RECONNECT: return net_lose_streams(s, share(s)) > 0;
    case FAULT_PARTITION: return net_partition(s, share(s), ms(s, 200, 20000)) > 0;
    case FAULT_SOCKET_FULL:
        node_socket_full(s, sim_below(s, CHANCE_FAULTS, 20), ms(s, 1, 2000));
        return true;
    case FAULT_CRASH: node_crash(s, false); return true;
    case FAULT_POWER: node_crash(s, true); return true;
    case FAULT_DRAIN: node_drain(s, ms(s, 100, 20000)); return true;
    case FAULT_RELOAD: node_reload(s); return true;
    case FAULT_OPERATOR: return operate(s);
    case FAULT_CLOCK: return jump(s);
    default: return false;
    }
}

static double passed(const struct sim *s, const struct node_faults *f)
{
    double time = (double)(s->now.mono - SIM_START) / (double)s->plan->storm;
    double events = (double)(s->events - f->events) / (double)s->plan->storm_events;
    return time > events ? time : events;
}

static void look(struct sim *s, struct sim_timer *t)
{
    struct node_faults *f = CONTAINER_OF(t, struct node_faults, look);
    if (s->phase != PHASE_STORM)
        return;
    for (size_t i = 0; i < f->n; i++) {
        if (f->strikes[i].at > passed(s, f))
            continue;
        struct strike x = f->strikes[i];
        f->strikes[i] = f->strikes[--f->n];
        if (strike(s, x.fault))
            sim_fired(s, x.fault);
        else if (x.at < 0.9)
            f->strikes[f->n++] = (struct strike){x.at + 0.05, x.fault}; /* another time */
        break;
    }
    if (f->n > 0)
        sim_after(s, t, LOOK_EVERY);
}

struct node_faults *node_faults_create(struct sim *s)
{
    static const enum sim_fault all[] = {FAULT_RECONNECT, FAULT_PARTITION, FAULT_SOCKET_FULL,
                                         FAULT_CRASH,     FAULT_POWER,     FAULT_DRAIN,
                                         FAULT_RELOAD,    FAULT_OPERATOR,  FAULT_CLOCK};
    struct node_faults *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->look.fire = look;
    f->events = s->events;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        double x = s->plan->strength[all[i]];
        uint64_t n = x > 0 ? 1 + sim_below(s, CHANCE_FAULTS, 1 + (uint64_t)(x * STRIKES_MAX)) : 0;
        for (; n > 0 && f->n < ARRAY_LEN(f->strikes); n--)
            f->strikes[f->n++] = (struct strike){
                0.05 + 0.9 * (double)sim_below(s, CHANCE_FAULTS, 1000) / 1000, all[i]};
    }
    if (f->n > 0)
        sim_after(s, &f->look, LOOK_EVERY);
    return f;
}

void node_faults_destroy(struct sim *s, struct node_faults *f)
{
    if (!f)
        return;
    sim_stop(s, &f->look);
    free(f);
}
