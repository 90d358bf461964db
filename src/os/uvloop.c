#include "os/uvloop_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/clock.h"

#define WINDOW      (10 * NSEC_PER_S)
#define CLOSE_TURNS 64 /* turns that uvloop_destroy gives libuv to call its close callbacks */

enum { ROW_ITERATIONS, ROW_BUSY, ROW_LONGEST };

static const struct metric_row rows[] = {
    [ROW_ITERATIONS] = {"slipgate_loop_iterations_total", "", METRIC_COUNTER,
                        "Turns of the event loop."},
    [ROW_BUSY] = {"slipgate_loop_busy_seconds_total", "", METRIC_COUNTER_NS,
                  "Time the event loop spent working, waiting aside."},
    [ROW_LONGEST] = {"slipgate_loop_longest_iteration_seconds", "", METRIC_GAUGE_NS,
                     "Longest turn of the event loop in the last 10 to 20 seconds."},
};

struct loop_watch {
    uv_poll_t poll;
    struct uvloop *l;
    loop_watch_fn fn;
    void *ctx;
    unsigned events;
};

struct loop_timer {
    uv_timer_t timer;
    struct uvloop *l;
    loop_timer_fn fn;
    void *ctx;
    nsec deadline;
};

struct loop_signal {
    uv_signal_t signal;
    struct uvloop *l;
    loop_signal_fn fn;
    void *ctx;
};

static int err_of_uv(int rc)
{
    return rc == 0 ? 0 : rc == UV_ENOMEM ? E_NOMEM : E_IO;
}

/* --- time ------------------------------------------------------------------------------------- */

struct now uvloop_now(struct uvloop *l)
{
    if (l->stale) {
        l->now = clock_now();
        l->stale = false;
        if (!l->awake) {
            l->awake = true;
            l->woke = l->now.mono;
        }
    }
    return l->now;
}

static struct now loop_now(struct loop *l)
{
    return uvloop_now(uvloop_of(l));
}

static void account(struct uvloop *l)
{
    nsec t = clock_now().mono, took = t - l->woke;
    l->stats.busy += took;
    if (t - l->window > WINDOW) {
        l->longest[1] = t - l->window > 2 * WINDOW ? 0 : l->longest[0];
        l->longest[0] = 0;
        l->window = t;
    }
    if (took > l->longest[0])
        l->longest[0] = took;
    l->stats.longest = l->longest[0] > l->longest[1] ? l->longest[0] : l->longest[1];
    l->awake = false;
}

static void on_prepare(uv_prepare_t *h)
{
    struct uvloop *l = h->data;
    l->stats.iterations++;
    if (l->awake)
        account(l);
    l->stale = true;
    if (l->metrics) {
        metrics_set(l->metrics, l->metric_base + ROW_ITERATIONS, (int64_t)l->stats.iterations);
        metrics_set(l->metrics, l->metric_base + ROW_BUSY, (int64_t)l->stats.busy);
        metrics_set(l->metrics, l->metric_base + ROW_LONGEST, (int64_t)l->stats.longest);
    }
}

static void on_check(uv_check_t *h)
{
    ((struct uvloop *)h->data)->stale = true;
}

const struct uvloop_stats *uvloop_stats(const struct uvloop *l)
{
    return &l->stats;
}

int uvloop_metrics(struct uvloop *l, struct metrics *m)
{
    int base = metrics_register(m, rows, ARRAY_LEN(rows));
    if (base < 0)
        return base;
    l->metrics = m;
    l->metric_base = (size_t)base;
    return 0;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static int poll_events(unsigned events)
{
    return (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct loop_watch *w = h->data;
    unsigned got = (events & UV_READABLE ? LOOP_READ : 0) | (events & UV_WRITABLE ? LOOP_WRITE : 0);
    if (status < 0) {
        /* libuv stops a poll on EPOLLERR. The owner learns the error from his next call on the
         * descriptor, and may go on with it (a datagram socket). */
        (void)uv_poll_start(h, poll_events(w->events), on_poll);
        got = w->events;
    }
    w->fn(w->ctx, uvloop_now(w->l), got);
}

static void free_data(uv_handle_t *h)
{
    mem_free(h->data);
}

static int watch_set(struct loop_watch *w, unsigned events)
{
    if (events == w->events)
        return 0;
    w->events = events;
    return err_of_uv(events ? uv_poll_start(&w->poll, poll_events(events), on_poll)
                            : uv_poll_stop(&w->poll));
}

static void unwatch(struct loop_watch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->poll, free_data);
}

static int watch(struct loop *loop, int fd, unsigned events, loop_watch_fn fn, void *ctx,
                 struct loop_watch **ret)
{
    struct uvloop *l = uvloop_of(loop);
    struct loop_watch *w = mem_zalloc(1, sizeof *w);
    if (!w)
        return E_NOMEM;
    int rc = uv_poll_init(&l->uv, &w->poll, fd);
    if (rc) {
        mem_free(w);
        return err_of_uv(rc);
    }
    w->poll.data = w;
    w->l = l;
    w->fn = fn;
    w->ctx = ctx;
    rc = watch_set(w, events);
    if (rc) {
        unwatch(w);
        return rc;
    }
    *ret = w;
    return 0;
}

/* --- timers ----------------------------------------------------------------------------------- */

static void timer_arm(struct loop_timer *t);

/* libuv counts whole milliseconds from a time of its own, so it may come a little early. */
static void on_timer(uv_timer_t *h)
{
    struct loop_timer *t = h->data;
    struct now now = uvloop_now(t->l);
    if (now.mono < t->deadline) {
        timer_arm(t);
        return;
    }
    struct uvloop *l = t->l;
    t->deadline = NSEC_NEVER;
    l->firing = true;
    t->fn(t->ctx, now);
    l->firing = false;
}

static void timer_arm(struct loop_timer *t)
{
    nsec now = uvloop_now(t->l).mono;
    nsec wait = t->deadline > now ? t->deadline - now : 0;
    uint64_t ms = (wait + NSEC_PER_MS - 1) / NSEC_PER_MS;
    /* libuv runs timers until none is due: one that sets itself anew must not keep it there. */
    if (ms == 0 && t->l->firing)
        ms = 1;
    CHECK(uv_timer_start(&t->timer, on_timer, ms, 0) == 0);
}

static int timer_open(struct loop *loop, loop_timer_fn fn, void *ctx, struct loop_timer **ret)
{
    struct uvloop *l = uvloop_of(loop);
    struct loop_timer *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return E_NOMEM;
    CHECK(uv_timer_init(&l->uv, &t->timer) == 0);
    t->timer.data = t;
    t->l = l;
    t->fn = fn;
    t->ctx = ctx;
    t->deadline = NSEC_NEVER;
    *ret = t;
    return 0;
}

static void timer_set(struct loop_timer *t, nsec deadline)
{
    t->deadline = deadline;
    if (deadline == NSEC_NEVER)
        CHECK(uv_timer_stop(&t->timer) == 0);
    else
        timer_arm(t);
}

static void timer_close(struct loop_timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->timer, free_data);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *h, int signo)
{
    struct loop_signal *s = h->data;
    s->fn(s->ctx, uvloop_now(s->l), signo);
}

int uvloop_signal_open(struct uvloop *l, int signo, loop_signal_fn fn, void *ctx,
                       struct loop_signal **ret)
{
    struct loop_signal *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    int rc = uv_signal_init(&l->uv, &s->signal);
    if (rc) {
        mem_free(s);
        return err_of_uv(rc);
    }
    s->signal.data = s;
    s->l = l;
    s->fn = fn;
    s->ctx = ctx;
    rc = uv_signal_start(&s->signal, on_signal, signo);
    if (rc) {
        uvloop_signal_close(s);
        return err_of_uv(rc);
    }
    *ret = s;
    return 0;
}

void uvloop_signal_close(struct loop_signal *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->signal, free_data);
}

/* --- the loop --------------------------------------------------------------------------------- */

static const struct loop_ops ops = {
    .now = loop_now,
    .watch = watch,
    .watch_set = watch_set,
    .unwatch = unwatch,
    .timer_open = timer_open,
    .timer_set = timer_set,
    .timer_close = timer_close,
    .pool_open = uvloop_pool_open,
    .pool_submit = uvloop_pool_submit,
    .pool_close = uvloop_pool_close,
};

int uvloop_create(struct uvloop **ret)
{
    struct uvloop *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return E_NOMEM;
    int rc = uv_loop_init(&l->uv);
    if (rc) {
        mem_free(l);
        return err_of_uv(rc);
    }
    l->loop.ops = &ops;
    l->stale = true;
    CHECK(uv_prepare_init(&l->uv, &l->prepare) == 0 && uv_check_init(&l->uv, &l->check) == 0 &&
          uv_timer_init(&l->uv, &l->until) == 0);
    l->prepare.data = l->check.data = l->until.data = l;
    CHECK(uv_prepare_start(&l->prepare, on_prepare) == 0);
    CHECK(uv_check_start(&l->check, on_check) == 0);
    l->window = clock_now().mono;
    *ret = l;
    return 0;
}

void uvloop_destroy(struct uvloop *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->until, NULL);
    int rc = UV_EBUSY;
    for (int i = 0; i < CLOSE_TURNS && rc == UV_EBUSY; i++) {
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
        rc = uv_loop_close(&l->uv);
    }
    CHECK(rc == 0);
    mem_free(l);
}

struct loop *uvloop_loop(struct uvloop *l)
{
    return &l->loop;
}

static void on_until(uv_timer_t *h)
{
    uv_stop(&((struct uvloop *)h->data)->uv);
}

bool uvloop_run(struct uvloop *l, nsec until)
{
    l->stopped = false;
    l->stale = true;
    nsec now = uvloop_now(l).mono;
    uv_update_time(&l->uv);
    if (until != NSEC_NEVER)
        CHECK(uv_timer_start(&l->until, on_until, until > now ? (until - now) / NSEC_PER_MS : 0,
                             0) == 0);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    CHECK(uv_timer_stop(&l->until) == 0);
    return l->stopped;
}

void uvloop_stop(struct uvloop *l)
{
    l->stopped = true;
    uv_stop(&l->uv);
}
