#include "sim/loop.h"

#include "base/check.h"
#include "base/err.h"
#include "sim/alloc_fault.h"

#define SLOW_MIN     (100 * NSEC_PER_MS)
#define SLOW_DOUBLES 8u /* at most 12.8 s doubled once more by its own spread */

struct sim_loop {
    struct loop loop;
    struct sim *sim;
    struct sim_loop_cfg cfg;
    unsigned open; /* timers and pools */
};

struct loop_timer {
    struct sim_timer timer;
    struct sim_loop *l;
    loop_timer_fn fn;
    void *ctx;
};

struct thread {
    struct sim_timer timer;
    struct loop_pool *pool;
    struct job *job; /* NULL: idle */
    bool worked;
    nsec end;
    uint64_t order; /* of its job among those of the pool */
};

struct loop_pool {
    struct sim_loop *l;
    struct job *first, **last; /* wait for a thread */
    uint64_t orders;
    unsigned threads_n;
    struct thread threads[];
};

static struct sim_loop *of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct sim_loop, loop);
}

static struct now loop_now(struct loop *loop)
{
    return of(loop)->sim->now;
}

/* ---- watches ---- */

static int watch(struct loop *loop, int fd, unsigned events, loop_watch_fn fn, void *ctx,
                 struct loop_watch **ret)
{
    (void)loop;
    (void)fd;
    (void)events;
    (void)fn;
    (void)ctx;
    *ret = NULL;
    return E_SUPPORT;
}

static int watch_set(struct loop_watch *w, unsigned events)
{
    (void)w;
    (void)events;
    return E_SUPPORT;
}

static void unwatch(struct loop_watch *w)
{
    CHECK(!w);
}

/* ---- timers ---- */

static void on_timer(struct sim *sim, struct sim_timer *st)
{
    struct loop_timer *t = CONTAINER_OF(st, struct loop_timer, timer);
    bool before = alloc_fault_suspend(false);
    t->fn(t->ctx, sim->now);
    (void)alloc_fault_suspend(before);
}

static int timer_open(struct loop *loop, loop_timer_fn fn, void *ctx, struct loop_timer **ret)
{
    struct loop_timer *t = alloc_own(sizeof *t);
    *t = (struct loop_timer){.timer.fire = on_timer, .l = of(loop), .fn = fn, .ctx = ctx};
    t->l->open++;
    *ret = t;
    return 0;
}

static void timer_set(struct loop_timer *t, nsec deadline)
{
    if (deadline == NSEC_NEVER)
        sim_stop(t->l->sim, &t->timer);
    else
        sim_at(t->l->sim, &t->timer, deadline);
}

static void timer_close(struct loop_timer *t)
{
    sim_stop(t->l->sim, &t->timer);
    t->l->open--;
    alloc_own_free(t);
}

/* ---- pools ---- */

nsec sim_loop_takes(struct sim *sim, nsec min, nsec max)
{
    if (!sim_fault(sim, FAULT_STORE_SLOW))
        return sim_between(sim, CHANCE_STORE, min, max);
    nsec base = SLOW_MIN << sim_below(sim, CHANCE_STORE, SLOW_DOUBLES);
    return sim_between(sim, CHANCE_STORE, base, 2 * base);
}

static void work(struct thread *t)
{
    struct sim_loop *l = t->pool->l;
    t->worked = true;
    if (l->cfg.before)
        l->cfg.before(l->cfg.ctx);
    bool before = alloc_fault_suspend(false);
    t->job->work(t->job);
    (void)alloc_fault_suspend(before);
}

static void done(struct thread *t)
{
    struct job *job = t->job; /* its owner's again */
    t->job = NULL;
    bool before = alloc_fault_suspend(false);
    job->done(job, t->pool->l->sim->now);
    (void)alloc_fault_suspend(before);
}

static void start(struct thread *t)
{
    struct loop_pool *p = t->pool;
    struct sim *sim = p->l->sim;
    t->job = p->first;
    p->first = t->job->next;
    if (!p->first)
        p->last = &p->first;
    t->worked = false;
    t->order = p->orders++;
    nsec takes = sim_loop_takes(sim, p->l->cfg.job_min, p->l->cfg.job_max);
    t->end = sim->now.mono + takes;
    sim_after(sim, &t->timer, sim_between(sim, CHANCE_STORE, 0, takes));
}

static void start_idle(struct loop_pool *p)
{
    for (unsigned i = 0; i < p->threads_n && p->first; i++)
        if (!p->threads[i].job)
            start(&p->threads[i]);
}

static void on_thread(struct sim *sim, struct sim_timer *st)
{
    struct thread *t = CONTAINER_OF(st, struct thread, timer);
    if (!t->worked) {
        work(t);
        sim_at(sim, &t->timer, t->end);
        return;
    }
    done(t);
    start_idle(t->pool);
}

static int pool_open(struct loop *loop, const char *name, unsigned threads, int nice,
                     struct loop_pool **ret)
{
    (void)name;
    (void)nice;
    if (threads == 0)
        return E_RANGE;
    struct loop_pool *p = alloc_own(sizeof *p + threads * sizeof p->threads[0]);
    p->l = of(loop);
    p->l->open++;
    p->last = &p->first;
    p->threads_n = threads;
    for (unsigned i = 0; i < threads; i++)
        p->threads[i] = (struct thread){.timer.fire = on_thread, .pool = p};
    *ret = p;
    return 0;
}

static void pool_submit(struct loop_pool *p, struct job *j)
{
    j->next = NULL;
    *p->last = j;
    p->last = &j->next;
    start_idle(p);
}

/* The job that was started first. */
static struct thread *oldest(struct loop_pool *p)
{
    struct thread *t = NULL;
    for (unsigned i = 0; i < p->threads_n; i++)
        if (p->threads[i].job && (!t || p->threads[i].order < t->order))
            t = &p->threads[i];
    return t;
}

static void pool_close(struct loop_pool *p)
{
    if (!p)
        return;
    for (struct thread *t; (t = oldest(p));) {
        sim_stop(p->l->sim, &t->timer);
        if (!t->worked)
            work(t);
        done(t);
        start_idle(p);
    }
    CHECK(!p->first);
    p->l->open--;
    alloc_own_free(p);
}

static const struct loop_ops ops = {
    .now = loop_now,
    .watch = watch,
    .watch_set = watch_set,
    .unwatch = unwatch,
    .timer_open = timer_open,
    .timer_set = timer_set,
    .timer_close = timer_close,
    .pool_open = pool_open,
    .pool_submit = pool_submit,
    .pool_close = pool_close,
};

struct sim_loop *sim_loop_create(struct sim *sim, const struct sim_loop_cfg *cfg)
{
    CHECK(cfg->job_min > 0 && cfg->job_min <= cfg->job_max);
    struct sim_loop *l = alloc_own(sizeof *l);
    *l = (struct sim_loop){.loop.ops = &ops, .sim = sim, .cfg = *cfg};
    return l;
}

void sim_loop_destroy(struct sim_loop *l)
{
    CHECK(l->open == 0);
    alloc_own_free(l);
}

struct loop *sim_loop(struct sim_loop *l)
{
    return &l->loop;
}
