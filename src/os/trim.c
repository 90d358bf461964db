#include "os/trim.h"

#include "base/err.h"
#include "base/mem.h"
#include "os/server.h"

#include <malloc.h>

#define LOOK_EVERY (2 * NSEC_PER_S)
#define CROWD      64u /* links gone that make it worth the while */

struct trim {
    struct job job;
    struct loop *loop;
    struct server *server;
    struct loop_pool *pool;
    struct loop_timer *timer;
    uint32_t height; /* most links since the last trim */
    bool running;
};

static void work(struct job *job)
{
    (void)job;
    (void)malloc_trim(0);
}

static void done(struct job *job, struct now now)
{
    (void)now;
    CONTAINER_OF(job, struct trim, job)->running = false;
}

static void look(void *ctx, struct now now)
{
    struct trim *t = ctx;
    uint32_t links = server_links(t->server), peak = server_links_peak(t->server);
    if (peak > t->height)
        t->height = peak;
    if (!t->running && t->height >= CROWD + links && links <= t->height / 2) {
        t->height = links;
        t->running = true;
        t->loop->ops->pool_submit(t->pool, &t->job);
    }
    t->loop->ops->timer_set(t->timer, now.mono + LOOK_EVERY);
}

int trim_create(struct trim **ret, struct loop *loop, struct server *server)
{
    struct trim *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return E_NOMEM;
    t->job = (struct job){.work = work, .done = done};
    t->loop = loop;
    t->server = server;
    int rc = loop->ops->pool_open(loop, "trim", 1, 19, &t->pool);
    if (rc == 0)
        rc = loop->ops->timer_open(loop, look, t, &t->timer);
    if (rc) {
        trim_destroy(t);
        return rc;
    }
    loop->ops->timer_set(t->timer, loop->ops->now(loop).mono + LOOK_EVERY);
    *ret = t;
    return 0;
}

void trim_destroy(struct trim *t)
{
    if (!t)
        return;
    if (t->timer)
        t->loop->ops->timer_close(t->timer);
    if (t->pool)
        t->loop->ops->pool_close(t->pool);
    mem_free(t);
}
