#include "sim/sim.h"

#include "base/check.h"
#include "sim/game.h"
#include "sim/plan.h"

#include <stdarg.h>
#include <stdio.h>

#define FINDING_MAX   2048u
#define SAME_TIME_MAX 500000u
#define WALL_START_MS INT64_C(1750000000000)

/* ---- making one ---- */

void sim_init(struct sim *s, uint64_t seed)
{
    *s = (struct sim){.seed = seed, .wall_ms = WALL_START_MS};
    struct rng r = {seed};
    for (size_t i = 0; i < CHANCES_N; i++)
        s->chance[i].state = rng_next(&r);
    s->now.mono = SIM_START;
    s->now.unix_ms = s->wall_ms + (int64_t)(s->now.mono / NSEC_PER_MS);
    s->digest = seed;
    timerq_init(&s->timers);
    buf_init(&s->finding, FINDING_MAX);
}

void sim_fini(struct sim *s)
{
    buf_fini(&s->finding);
}

/* ---- time ---- */

void sim_at(struct sim *s, struct sim_timer *t, nsec at)
{
    timerq_set(&s->timers, &t->t, at > s->now.mono ? at : s->now.mono);
}

void sim_after(struct sim *s, struct sim_timer *t, nsec delay)
{
    timerq_set(&s->timers, &t->t,
               delay < NSEC_NEVER - s->now.mono ? s->now.mono + delay : NSEC_NEVER);
}

void sim_stop(struct sim *s, struct sim_timer *t)
{
    timerq_cancel(&s->timers, &t->t);
}

bool sim_step(struct sim *s)
{
    nsec at = timerq_deadline(&s->timers);
    if (at == NSEC_NEVER)
        return false;
    if (at > s->now.mono) {
        s->now.mono = at;
        s->same_time = 0;
    } else if (++s->same_time > SAME_TIME_MAX) {
        sim_find(s, "busy", "%u steps and the clock does not move", SAME_TIME_MAX);
    }
    s->now.unix_ms = s->wall_ms + (int64_t)(s->now.mono / NSEC_PER_MS);
    struct timer *t = timerq_pop(&s->timers, s->now.mono);
    CHECK(t);
    s->step++;
    struct sim_timer *st = CONTAINER_OF(t, struct sim_timer, t);
    st->fire(s, st);
    if (s->game && s->game->tap.step)
        s->game->tap.step(s);
    return true;
}

/* ---- chance ---- */

uint64_t sim_below(struct sim *s, enum sim_chance c, uint64_t n)
{
    return rng_below(&s->chance[c], n);
}

uint64_t sim_between(struct sim *s, enum sim_chance c, uint64_t low, uint64_t high)
{
    return low + rng_below(&s->chance[c], high - low + 1);
}

bool sim_chance(struct sim *s, enum sim_chance c, double p)
{
    return rng_unit(&s->chance[c]) < p;
}

double sim_strength(const struct sim *s, enum sim_fault f)
{
    return s->phase == PHASE_STORM && s->plan ? s->plan->strength[f] : 0;
}

bool sim_fault(struct sim *s, enum sim_fault f)
{
    double p = sim_strength(s, f);
    if (p <= 0 || !sim_chance(s, CHANCE_FAULTS, p * sim_plan_rate(f)))
        return false;
    sim_fired(s, f);
    return true;
}

void sim_fired(struct sim *s, enum sim_fault f)
{
    s->fired[f]++;
}

#define SIM_FAULT(id, name, text) [FAULT_##id] = name,
static const char *const fault_names[SIM_FAULTS_N] = {
#include "sim/faults.def"
};
#undef SIM_FAULT

const char *sim_fault_name(enum sim_fault f)
{
    return fault_names[f];
}

/* ---- what happened ---- */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9fb21c651e98df25);
    return h ^ h >> 32;
}

static uint64_t mix_bytes(uint64_t h, const void *from, size_t n)
{
    const uint8_t *p = from;
    h = mix(h, n);
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        h = mix(h, x);
    }
    uint64_t rest = 0;
    for (; n > 0; n--)
        rest = rest << 8 | *p++;
    return mix(h, rest);
}

void sim_event(struct sim *s, bool delivered, const char *what, uint64_t who, struct span bytes)
{
    s->events += delivered;
    uint64_t h = mix(mix(s->digest, s->now.mono), who);
    h = mix_bytes(h, what, strlen(what));
    s->digest = mix_bytes(h, bytes.p, bytes.n);
    if (s->watch)
        s->watch(s, s->watch_ctx, what, who, bytes);
}

void sim_find(struct sim *s, const char *oracle, const char *format, ...)
{
    char text[FINDING_MAX];
    va_list args;
    if (sim_found(s))
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(s->oracle, sizeof s->oracle, "%s", oracle);
    s->found_at = s->step;
    (void)buf_append_str(&s->finding, *text ? text : "?");
}

bool sim_found(const struct sim *s)
{
    return s->finding.n > 0;
}
