/* struct loop (core/loop.h) with timers alone, on a clock that the test moves. */
#ifndef SLIPGATE_TESTS_FIXTURE_LOOP_H
#define SLIPGATE_TESTS_FIXTURE_LOOP_H

#include "base/err.h"
#include "base/mem.h"
#include "base/timerq.h"
#include "core/loop.h"

struct fixture_loop {
    struct loop loop;
    struct now now;
    struct timerq timers;
    int open; /* timers not yet closed */
};

struct loop_timer {
    struct timer t;
    struct fixture_loop *l;
    loop_timer_fn fn;
    void *ctx;
};

static struct now fixture_now(struct loop *loop)
{
    return CONTAINER_OF(loop, struct fixture_loop, loop)->now;
}

static int fixture_timer_open(struct loop *loop, loop_timer_fn fn, void *ctx,
                              struct loop_timer **ret)
{
    struct loop_timer *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return E_NOMEM;
    t->l = CONTAINER_OF(loop, struct fixture_loop, loop);
    t->fn = fn;
    t->ctx = ctx;
    t->l->open++;
    *ret = t;
    return 0;
}

static void fixture_timer_set(struct loop_timer *t, nsec deadline)
{
    timerq_set(&t->l->timers, &t->t, deadline);
}

static void fixture_timer_close(struct loop_timer *t)
{
    if (!t)
        return;
    timerq_cancel(&t->l->timers, &t->t);
    t->l->open--;
    mem_free(t);
}

static const struct loop_ops fixture_loop_ops = {
    .now = fixture_now,
    .timer_open = fixture_timer_open,
    .timer_set = fixture_timer_set,
    .timer_close = fixture_timer_close,
};

static inline void fixture_loop_init(struct fixture_loop *l)
{
    *l = (struct fixture_loop){.loop = {&fixture_loop_ops},
                               .now = {NSEC_PER_S, INT64_C(1700000000000)}};
    timerq_init(&l->timers);
}

static inline void fixture_loop_pass(struct fixture_loop *l, nsec to)
{
    l->now.unix_ms += (int64_t)((to - l->now.mono) / NSEC_PER_MS);
    l->now.mono = to;
}

/* Everything that is due until then, each at its time. */
static inline void fixture_loop_run(struct fixture_loop *l, nsec span)
{
    nsec end = l->now.mono + span;
    for (;;) {
        nsec next = timerq_deadline(&l->timers);
        if (next > end)
            break;
        if (next > l->now.mono)
            fixture_loop_pass(l, next);
        struct loop_timer *t =
            CONTAINER_OF(timerq_pop(&l->timers, l->now.mono), struct loop_timer, t);
        t->fn(t->ctx, l->now);
    }
    fixture_loop_pass(l, end);
}

#endif
