/* A pool is a queue under a lock, threads that take from it, and a second queue of finished jobs
 * that the loop empties when it is woken. Only the loop's thread adds to the first and takes from
 * the second.
 *
 * The loop is woken by an eventfd of our own: uv_async_send marks a moment in which the loop spins
 * until the sender goes on, which a worker of low priority does not while the loop has its core. */
#include "os/uvloop_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS_MAX 64u

struct queue {
    struct job *first, **end;
};

struct loop_pool {
    struct uvloop *l;
    uv_poll_t wake;
    int wake_fd;
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct queue todo, done; /* under lock */
    bool end;                /* under lock */
    size_t pending;          /* submitted, done not yet called; the loop's thread */
    int nice;
    char name[16]; /* what the kernel keeps of a thread's name */
    unsigned threads_n;
    pthread_t threads[THREADS_MAX];
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->end = &q->first;
}

static void queue_push(struct queue *q, struct job *j)
{
    j->next = NULL;
    *q->end = j;
    q->end = &j->next;
}

static struct job *queue_pop(struct queue *q)
{
    struct job *j = q->first;
    if (!j)
        return NULL;
    q->first = j->next;
    if (!q->first)
        q->end = &q->first;
    return j;
}

/* Fails only when the counter is full: then the loop is about to wake in any case. */
static void wake(const struct loop_pool *p)
{
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(p->wake_fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
}

static void *worker(void *arg)
{
    struct loop_pool *p = arg;
    /* On Linux the nice value is a thread's own when named by its thread id. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), p->nice);
    (void)pthread_setname_np(pthread_self(), p->name);
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    for (;;) {
        struct job *j = queue_pop(&p->todo);
        if (!j && p->end)
            break;
        if (!j) {
            CHECK(pthread_cond_wait(&p->work, &p->lock) == 0);
            continue;
        }
        CHECK(pthread_mutex_unlock(&p->lock) == 0);
        j->work(j);
        CHECK(pthread_mutex_lock(&p->lock) == 0);
        queue_push(&p->done, j);
        CHECK(pthread_cond_signal(&p->finished) == 0);
        CHECK(pthread_mutex_unlock(&p->lock) == 0);
        wake(p);
        CHECK(pthread_mutex_lock(&p->lock) == 0);
    }
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
    return NULL;
}

/* Calls done for what is finished; with wait, at least one job is waited for. */
static void deliver(struct loop_pool *p, bool wait)
{
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    while (wait && !p->done.first)
        CHECK(pthread_cond_wait(&p->finished, &p->lock) == 0);
    struct job *j = p->done.first;
    queue_init(&p->done);
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
    if (wait)
        p->l->stale = true;
    while (j) {
        struct job *next = j->next; /* j is the owner's again once done is called */
        p->pending--;
        j->done(j, uvloop_now(p->l));
        j = next;
    }
}

static void on_wake(uv_poll_t *h, int status, int events)
{
    struct loop_pool *p = h->data;
    uint64_t n;
    (void)status;
    (void)events;
    while (read(p->wake_fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
    deliver(p, false);
}

static void on_closed(uv_handle_t *h)
{
    struct loop_pool *p = h->data;
    (void)close(p->wake_fd);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_cond_destroy(&p->finished);
    mem_free(p);
}

static bool start_threads(struct loop_pool *p, unsigned threads)
{
    sigset_t all, before;
    (void)sigfillset(&all); /* signals are the loop's business */
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    while (p->threads_n < threads &&
           pthread_create(&p->threads[p->threads_n], NULL, worker, p) == 0)
        p->threads_n++;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return p->threads_n == threads;
}

int uvloop_pool_open(struct loop *loop, const char *name, unsigned threads, int nice,
                     struct loop_pool **ret)
{
    if (threads == 0 || threads > THREADS_MAX)
        return E_RANGE;
    struct loop_pool *p = mem_zalloc(1, sizeof *p);
    if (!p)
        return E_NOMEM;
    p->l = uvloop_of(loop);
    p->nice = nice;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    queue_init(&p->todo);
    queue_init(&p->done);
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0 && pthread_cond_init(&p->work, NULL) == 0 &&
          pthread_cond_init(&p->finished, NULL) == 0);
    p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->wake_fd < 0 || uv_poll_init(&p->l->uv, &p->wake, p->wake_fd) != 0) {
        if (p->wake_fd >= 0)
            (void)close(p->wake_fd);
        mem_free(p);
        return E_IO;
    }
    p->wake.data = p;
    CHECK(uv_poll_start(&p->wake, UV_READABLE, on_wake) == 0);
    if (!start_threads(p, threads)) {
        uvloop_pool_close(p);
        return E_NOMEM;
    }
    *ret = p;
    return 0;
}

void uvloop_pool_submit(struct loop_pool *p, struct job *j)
{
    p->pending++;
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    queue_push(&p->todo, j);
    CHECK(pthread_cond_signal(&p->work) == 0);
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

void uvloop_pool_close(struct loop_pool *p)
{
    if (!p)
        return;
    while (p->pending > 0) /* done may submit again: that is run too */
        deliver(p, true);
    CHECK(pthread_mutex_lock(&p->lock) == 0);
    p->end = true;
    CHECK(pthread_cond_broadcast(&p->work) == 0);
    CHECK(pthread_mutex_unlock(&p->lock) == 0);
    for (unsigned i = 0; i < p->threads_n; i++)
        CHECK(pthread_join(p->threads[i], NULL) == 0);
    uv_close((uv_handle_t *)&p->wake, on_closed);
}
