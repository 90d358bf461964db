#include "os/uvloop.h"

#include "base/err.h"
#include "os/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT (20 * NSEC_PER_S)

static struct uvloop *l;
static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uvloop_create(&l), 0);
    loop = uvloop_loop(l);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    uvloop_destroy(l);
    return 0;
}

/* Runs until something stops the loop. */
static void run(void)
{
    assert_true(uvloop_run(l, clock_now().mono + WAIT));
}

/* --- descriptors ---------------------------------------------------------------------------------
 */

struct pipe_end {
    int fd, other;
    struct loop_watch *watch;
    unsigned events, times;
    char got[64];
    size_t n;
};

static void on_pipe(void *ctx, struct now now, unsigned events)
{
    struct pipe_end *p = ctx;
    assert_true(now.mono > 0);
    p->events = events;
    p->times++;
    if (events & LOOP_READ) {
        ssize_t r = read(p->fd, p->got + p->n, 1); /* one at a time: level-triggered */
        if (r <= 0) {
            uvloop_stop(l);
            loop->ops->unwatch(p->watch);
            p->watch = NULL;
        } else if (++p->n == 3) {
            uvloop_stop(l);
        }
    } else {
        uvloop_stop(l);
    }
}

static void open_pair(struct pipe_end *p, unsigned events)
{
    int fds[2];
    *p = (struct pipe_end){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p->fd = fds[0];
    p->other = fds[1];
    assert_int_equal(loop->ops->watch(loop, p->fd, events, on_pipe, p, &p->watch), 0);
}

static void watch_reads(void **state)
{
    (void)state;
    struct pipe_end p;
    open_pair(&p, LOOP_READ);
    assert_int_equal(write(p.other, "abc", 3), 3);
    run();
    assert_int_equal(p.times, 3);
    assert_memory_equal(p.got, "abc", 3);
    (void)close(p.other);
    run();
    assert_null(p.watch);
    (void)close(p.fd);
}

static void watch_is_set(void **state)
{
    (void)state;
    struct pipe_end p;
    open_pair(&p, 0);
    assert_int_equal(write(p.other, "a", 1), 1);
    assert_false(uvloop_run(l, clock_now().mono + 20 * NSEC_PER_MS));
    assert_int_equal(p.times, 0);
    assert_int_equal(loop->ops->watch_set(p.watch, LOOP_WRITE), 0);
    run();
    assert_int_equal(p.events, LOOP_WRITE);
    assert_int_equal(loop->ops->watch_set(p.watch, LOOP_READ), 0);
    assert_int_equal(write(p.other, "bc", 2), 2);
    run();
    assert_memory_equal(p.got, "abc", 3);
    loop->ops->unwatch(p.watch);
    (void)close(p.fd);
    (void)close(p.other);
    loop->ops->unwatch(NULL);
}

static void watch_of_nothing(void **state)
{
    (void)state;
    struct loop_watch *w = NULL;
    assert_int_equal(loop->ops->watch(loop, -1, LOOP_READ, on_pipe, NULL, &w), E_IO);
    assert_null(w);
}

/* --- timers
 * ---------------------------------------------------------------------------------------- */

struct tick {
    struct loop_timer *timer;
    nsec deadline, came;
    unsigned times, again;
};

static void on_tick(void *ctx, struct now now)
{
    struct tick *t = ctx;
    assert_true(now.mono >= t->deadline);
    t->came = now.mono;
    if (++t->times < t->again)
        loop->ops->timer_set(t->timer, now.mono); /* at once, for ever: must not stop the loop */
    else
        uvloop_stop(l);
}

static void timer_never_early(void **state)
{
    (void)state;
    struct tick t = {0};
    assert_int_equal(loop->ops->timer_open(loop, on_tick, &t, &t.timer), 0);
    for (int i = 0; i < 10; i++) {
        t.deadline = clock_now().mono + 3 * NSEC_PER_MS + (nsec)i * 137137;
        loop->ops->timer_set(t.timer, t.deadline);
        run();
        assert_true(t.came >= t.deadline);
    }
    assert_int_equal(t.times, 10);
    loop->ops->timer_close(t.timer);
}

static void timer_in_the_past_comes_at_once(void **state)
{
    (void)state;
    struct tick t = {0};
    assert_int_equal(loop->ops->timer_open(loop, on_tick, &t, &t.timer), 0);
    loop->ops->timer_set(t.timer, 1);
    run();
    assert_int_equal(t.times, 1);
    loop->ops->timer_close(t.timer);
}

static void timer_is_moved_and_stopped(void **state)
{
    (void)state;
    struct tick a = {0}, b = {0};
    assert_int_equal(loop->ops->timer_open(loop, on_tick, &a, &a.timer), 0);
    assert_int_equal(loop->ops->timer_open(loop, on_tick, &b, &b.timer), 0);
    loop->ops->timer_set(a.timer, clock_now().mono + 5 * NSEC_PER_MS);
    loop->ops->timer_set(a.timer, NSEC_NEVER);
    loop->ops->timer_set(b.timer, clock_now().mono + 3600 * NSEC_PER_S);
    b.deadline = clock_now().mono + 15 * NSEC_PER_MS;
    loop->ops->timer_set(b.timer, b.deadline);
    run();
    assert_int_equal(a.times, 0);
    assert_int_equal(b.times, 1);
    loop->ops->timer_close(a.timer);
    loop->ops->timer_close(b.timer);
    loop->ops->timer_close(NULL);
}

static void busy_timer_leaves_room(void **state)
{
    (void)state;
    struct tick t = {.again = 1000000};
    struct pipe_end p;
    open_pair(&p, LOOP_READ);
    assert_int_equal(write(p.other, "abc", 3), 3);
    assert_int_equal(loop->ops->timer_open(loop, on_tick, &t, &t.timer), 0);
    loop->ops->timer_set(t.timer, 1);
    run();
    assert_int_equal(p.n, 3);
    assert_true(t.times > 0 && t.times < t.again);
    loop->ops->timer_close(t.timer);
    loop->ops->unwatch(p.watch);
    (void)close(p.fd);
    (void)close(p.other);
}

/* --- signals, stop, figures
 * ------------------------------------------------------------------------ */

static void on_signal(void *ctx, struct now now, int signo)
{
    (void)now;
    *(int *)ctx = signo;
    uvloop_stop(l);
}

static void signal_arrives(void **state)
{
    (void)state;
    int got = 0;
    struct loop_signal *s = NULL;
    assert_int_equal(uvloop_signal_open(l, SIGUSR1, on_signal, &got, &s), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    run();
    assert_int_equal(got, SIGUSR1);
    uvloop_signal_close(s);
    uvloop_signal_close(NULL);
}

static void runs_so_long(void **state)
{
    (void)state;
    nsec start = clock_now().mono;
    assert_false(uvloop_run(l, start + 30 * NSEC_PER_MS));
    assert_true(clock_now().mono - start >= 28 * NSEC_PER_MS);
    assert_false(uvloop_run(l, start)); /* over already: one turn */
}

static void on_slow(void *ctx, struct now now)
{
    (void)ctx;
    while (clock_now().mono < now.mono + 20 * NSEC_PER_MS)
        ;
    /* One time for all that happens in one turn. */
    assert_int_equal(loop->ops->now(loop).mono, now.mono);
    uvloop_stop(l);
}

static void figures(void **state)
{
    (void)state;
    struct metrics m;
    struct buf text;
    struct loop_timer *t = NULL;
    metrics_init(&m);
    buf_init(&text, 4096);
    assert_int_equal(uvloop_metrics(l, &m), 0);
    assert_int_equal(loop->ops->timer_open(loop, on_slow, NULL, &t), 0);
    loop->ops->timer_set(t, 1);
    run();
    assert_false(uvloop_run(l, clock_now().mono + NSEC_PER_MS));
    const struct uvloop_stats *st = uvloop_stats(l);
    assert_true(st->iterations >= 1);
    assert_true(st->longest >= 20 * NSEC_PER_MS && st->busy >= st->longest);
    metrics_write(&m, &text);
    assert_int_equal(buf_append_byte(&text, 0), 0);
    static const char longest[] = "\nslipgate_loop_longest_iteration_seconds ";
    const char *shown = strstr((char *)text.p, longest);
    assert_non_null(shown);
    assert_true(strtod(shown + sizeof longest - 1, NULL) >= 0.02); /* more on a busy machine */
    assert_non_null(strstr((char *)text.p, "# TYPE slipgate_loop_busy_seconds_total counter"));
    loop->ops->timer_close(t);
    buf_fini(&text);
    metrics_fini(&m);
}

/* --- pools
 * ----------------------------------------------------------------------------------------- */

struct work {
    struct job job;
    struct loop_pool *pool;
    pthread_t thread;
    int nice;
    char name[16];
    unsigned order, more;
    bool done;
};

static atomic_uint started;
static unsigned finished, wanted;

static void do_work(struct job *j)
{
    struct work *w = CONTAINER_OF(j, struct work, job);
    w->thread = pthread_self();
    w->order = atomic_fetch_add(&started, 1);
    w->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    (void)pthread_getname_np(pthread_self(), w->name, sizeof w->name);
}

static void work_done(struct job *j, struct now now)
{
    struct work *w = CONTAINER_OF(j, struct work, job);
    assert_true(now.mono > 0);
    assert_false(w->done);
    assert_false(pthread_equal(w->thread, pthread_self()));
    if (w->more) {
        w->more--;
        loop->ops->pool_submit(w->pool, j);
        return;
    }
    w->done = true;
    if (++finished == wanted)
        uvloop_stop(l);
}

static void submit(struct work *w, size_t n, struct loop_pool *p, unsigned more)
{
    atomic_store(&started, 0);
    finished = 0;
    wanted = (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct work){.job = {do_work, work_done, NULL}, .pool = p, .more = more};
        loop->ops->pool_submit(p, &w[i].job);
    }
}

static void pool_does_everything(void **state)
{
    (void)state;
    static struct work w[500];
    struct loop_pool *p = NULL;
    int own = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(loop->ops->pool_open(loop, "hash", 3, 7, &p), 0);
    submit(w, ARRAY_LEN(w), p, 2);
    run();
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        assert_true(w[i].done);
    assert_int_equal(atomic_load(&started), 3 * ARRAY_LEN(w));
    assert_int_equal(w[0].nice, 7);
    assert_string_equal(w[0].name, "hash");
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own); /* the loop's is as it was */
    loop->ops->pool_close(p);
}

static void one_thread_keeps_order(void **state)
{
    (void)state;
    static struct work w[100];
    struct loop_pool *p = NULL;
    assert_int_equal(loop->ops->pool_open(loop, "store", 1, 0, &p), 0);
    submit(w, ARRAY_LEN(w), p, 0);
    run();
    for (unsigned i = 0; i < ARRAY_LEN(w); i++)
        assert_int_equal(w[i].order, i);
    loop->ops->pool_close(p);
}

/* Closing lets everything finish, also what is submitted while it closes. */
static void pool_close_finishes(void **state)
{
    (void)state;
    static struct work w[200];
    struct loop_pool *p = NULL;
    assert_int_equal(loop->ops->pool_open(loop, "store", 2, 0, &p), 0);
    submit(w, ARRAY_LEN(w), p, 1);
    loop->ops->pool_close(p);
    assert_int_equal(finished, ARRAY_LEN(w));
    assert_int_equal(atomic_load(&started), 2 * ARRAY_LEN(w));
}

static nsec own_cpu(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (nsec)t.tv_sec * NSEC_PER_S + (nsec)t.tv_nsec;
}

static void work_a_while(struct job *j)
{
    for (nsec end = own_cpu() + NSEC_PER_MS; own_cpu() < end;)
        ;
    do_work(j);
}

/* On one core with a worker of the lowest priority: the loop never spins until the worker, whom it
 * keeps from running, goes on. */
static void low_priority_worker_does_not_hold_the_loop(void **state)
{
    (void)state;
    cpu_set_t before, one;
    struct loop_pool *p = NULL;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(loop->ops->pool_open(loop, "hash", 1, 19, &p), 0);
    struct work w = {.job = {work_a_while, work_done, NULL}, .pool = p, .more = 99};
    finished = 0;
    wanted = 1;
    loop->ops->pool_submit(p, &w.job);
    nsec start = own_cpu();
    run();
    nsec took = own_cpu() - start;
    print_message("    the loop worked %.2f ms for 100 answers\n", (double)took / 1e6);
    assert_true(took < 20 * NSEC_PER_MS); /* it spun for 54 */
    loop->ops->pool_close(p);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void pool_of_no_threads(void **state)
{
    (void)state;
    struct loop_pool *p = NULL;
    assert_int_equal(loop->ops->pool_open(loop, "x", 0, 0, &p), E_RANGE);
    assert_int_equal(loop->ops->pool_open(loop, "x", 100000, 0, &p), E_RANGE);
}

/* --- clock
 * ----------------------------------------------------------------------------------------- */

static void clocks(void **state)
{
    (void)state;
    struct now a = clock_now(), b = clock_now();
    assert_true(b.mono >= a.mono);
    assert_true(a.unix_ms > INT64_C(1600000000000));
    struct entropy e;
    uint8_t x[32] = {0}, y[32] = {0};
    clock_entropy_init(&e);
    entropy_get(&e, x, sizeof x);
    entropy_get(&e, y, sizeof y);
    assert_memory_not_equal(x, y, sizeof x);
    static uint8_t big[10000];
    entropy_get(&e, big, sizeof big);
    entropy_fini(&e);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(watch_reads),
        T(watch_is_set),
        T(watch_of_nothing),
        T(timer_never_early),
        T(timer_in_the_past_comes_at_once),
        T(timer_is_moved_and_stopped),
        T(busy_timer_leaves_room),
        T(signal_arrives),
        T(runs_so_long),
        T(figures),
        T(pool_does_everything),
        T(one_thread_keeps_order),
        T(pool_close_finishes),
        T(low_priority_worker_does_not_hold_the_loop),
        T(pool_of_no_threads),
        cmocka_unit_test(clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
