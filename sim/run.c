#include "sim/run.h"

#include "sim/alloc_fault.h"
#include "sim/net.h"
#include "sim/node.h"
#include "sim/plan.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_EVERY 32u /* steps between two looks whether a phase is over */
/* What the server forgets by itself, it has forgotten by then. */
#define SETTLING (150 * NSEC_PER_S)

static void settled(struct sim *s)
{
    if (!sim_found(s) && s->game->tap.settled)
        s->game->tap.settled(s);
}

static bool step(struct sim *s)
{
    if (sim_found(s) || !sim_step(s))
        return false;
    if (s->step % s->plan->settled_every == 0)
        settled(s);
    return !sim_found(s);
}

/* Until it is done or the time has come; whether it is done. */
static bool until(struct sim *s, bool (*done)(const struct sim *), nsec within)
{
    nsec end = s->now.mono + within;
    while (s->now.mono < end) {
        if (s->step % LOOK_EVERY == 0 && done && done(s))
            return true;
        if (!step(s))
            break;
    }
    return done && !sim_found(s) && done(s);
}

static void storm(struct sim *s)
{
    nsec end = SIM_START + s->plan->storm;
    uint64_t events = s->plan->storm_events;
    while (s->now.mono < end && s->events < events && step(s))
        ;
    settled(s);
}

static void late(struct sim *s, const char *what, nsec within)
{
    struct buf who;
    if (sim_found(s))
        return;
    buf_init(&who, 2000);
    if (s->game->unfinished)
        s->game->unfinished(s, &who);
    (void)buf_append_str(&who, "; the server: ");
    sim_node_text(s, &who);
    sim_find(s, what, "not done within %llu s: %.*s", (unsigned long long)(within / NSEC_PER_S),
             (int)who.n, (const char *)who.p);
    buf_fini(&who);
}

static void calm(struct sim *s)
{
    s->phase = PHASE_CALM;
    sim_event(s, false, "calm", 0, SPAN_NULL);
    sim_net_calm(s);
    sim_node_calm(s);
    s->game->calm(s);
    if (!until(s, s->game->evening_done, s->plan->calm_max))
        late(s, "evening", s->plan->calm_max);
    settled(s);
}

static void leave(struct sim *s)
{
    s->phase = PHASE_LEAVE;
    sim_event(s, false, "leave", 0, SPAN_NULL);
    s->game->leave(s);
    if (!until(s, s->game->everybody_left, s->plan->leave_max))
        late(s, "evening", s->plan->leave_max);
    else if (!until(s, sim_node_is_idle, s->plan->leave_max))
        late(s, "handles", s->plan->leave_max);
    else
        (void)until(s, NULL, SETTLING);
    settled(s);
    if (sim_found(s))
        return;
    if (sim_node_is_idle(s))
        sim_node_compare(s);
    else
        late(s, "handles", SETTLING);
}

static void live(struct sim *s)
{
    /* The game first: the process asks it for its settings, and its oracle sees it start. */
    if (sim_net_create(s) || s->game->open(s) || sim_node_create(s)) {
        sim_find(s, "memory", "there is not enough to begin with");
        return;
    }
    storm(s);
    if (!sim_found(s))
        calm(s);
    if (!sim_found(s))
        leave(s);
}

static void report(const struct sim *s, struct sim_result *r)
{
    *r = (struct sim_result){.seed = s->seed,
                             .steps = s->step,
                             .events = s->events,
                             .digest = s->digest,
                             .lasted = s->now.mono - SIM_START,
                             .found = sim_found(s),
                             .at = s->found_at};
    memcpy(r->fired, s->fired, sizeof r->fired);
    (void)snprintf(r->oracle, sizeof r->oracle, "%s", s->oracle);
    (void)snprintf(r->text, sizeof r->text, "%.*s", (int)s->finding.n, (const char *)s->finding.p);
}

void sim_run(const struct sim_world *w, const struct sim_watcher *watcher, struct sim_result *ret,
             struct buf *plan_text)
{
    bool before = alloc_fault_suspend(true);
    long blocks = alloc_live_blocks();
    struct sim s;
    struct sim_plan plan;
    sim_init(&s, w->seed);
    sim_plan_make(&plan, &s.chance[CHANCE_PLAN], w->without);
    if (w->game->plan)
        w->game->plan(&plan, &s.chance[CHANCE_PLAN], w->without);
    if (plan_text)
        sim_plan_text(&plan, plan_text);
    s.plan = &plan;
    s.game = w->game;
    s.watch = watcher ? watcher->event : NULL;
    s.watch_ctx = watcher ? watcher->ctx : NULL;
    live(&s);
    s.phase = PHASE_OVER;
    sim_node_destroy(&s);
    w->game->close(&s);
    sim_net_destroy(&s);
    if (alloc_live_blocks() != blocks)
        sim_find(&s, "memory", "%ld blocks are left when the world has ended",
                 alloc_live_blocks() - blocks);
    report(&s, ret);
    sim_fini(&s);
    (void)alloc_fault_suspend(before);
}

/* ---- twice ---- */

struct memory { /* of one run: every event */
    struct note {
        uint64_t step, who, digest;
        const char *what;
        size_t n;
    } * v;
    size_t n, cap, at;
    bool differs;
    char text[SIM_TEXT_MAX];
    uint64_t step;
};

static struct note note_of(const struct sim *s, const char *what, uint64_t who, struct span bytes)
{
    return (struct note){s->step, who, s->digest, what, bytes.n};
}

static void remember(struct sim *s, void *ctx, const char *what, uint64_t who, struct span bytes)
{
    struct memory *m = ctx;
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 4096;
        struct note *to = realloc(m->v, cap * sizeof *to);
        if (!to)
            return;
        m->v = to;
        m->cap = cap;
    }
    m->v[m->n++] = note_of(s, what, who, bytes);
}

static void compare(struct sim *s, void *ctx, const char *what, uint64_t who, struct span bytes)
{
    static const struct note none = {.what = "nothing"};
    struct memory *m = ctx;
    struct note b = note_of(s, what, who, bytes);
    const struct note *a = m->at < m->n ? &m->v[m->at] : &none;
    m->at++;
    if (m->differs || (a->digest == b.digest && a->step == b.step))
        return;
    m->differs = true;
    m->step = b.step;
    (void)snprintf(
        m->text, sizeof m->text,
        "event %zu was \"%s\" of %llu with %zu bytes in step %llu, and is \"%s\" of %llu "
        "with %zu bytes in step %llu",
        m->at, a->what, (unsigned long long)a->who, a->n, (unsigned long long)a->step, b.what,
        (unsigned long long)b.who, b.n, (unsigned long long)b.step);
}

void sim_run_twice(const struct sim_world *w, struct sim_result *ret)
{
    struct memory m = {0};
    struct sim_result again;
    sim_run(w, &(struct sim_watcher){remember, &m}, ret, NULL);
    if (!ret->found) {
        sim_run(w, &(struct sim_watcher){compare, &m}, &again, NULL);
        if (!m.differs && (again.digest != ret->digest || again.steps != ret->steps)) {
            m.differs = true;
            m.step = again.steps;
            (void)snprintf(m.text, sizeof m.text, "the second run ended otherwise: %.900s",
                           again.text);
        }
    }
    free(m.v);
    if (!m.differs)
        return;
    ret->found = true;
    ret->at = m.step;
    (void)snprintf(ret->oracle, sizeof ret->oracle, "twice");
    memcpy(ret->text, m.text, sizeof ret->text);
}
