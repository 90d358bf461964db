#include "bin/app_purge.h"

#include "bin/app.h"
#include "core/login.h"
#include "core/query.h"

#define FIRST NSEC_PER_S
#define PAUSE (100 * NSEC_PER_MS) /* between two portions */
#define EVERY (3600 * NSEC_PER_S)

/* What goes, and how long after the time that is stored with it. */
static const struct {
    enum query query;
    int64_t after_ms;
} rows[] = {
    {QUERY_TOKEN_PURGE, 0},
    {QUERY_KNOWN_ADDRESS_PURGE, LOGIN_KNOWN_MS},
};

/* The store takes a thousand at a time: while it finds any, it is asked again. What failed waits
 * for the next round. */
static void on_answer(void *ctx, struct now now, const struct answer *answer)
{
    struct app *a = ctx;
    bool more = answer->rc == 0 && answer->u.rows.n;
    if (!more)
        a->purge.next++;
    bool through = a->purge.next == ARRAY_LEN(rows);
    if (through)
        a->purge.next = 0;
    if (a->purge.timer)
        a->loop->ops->timer_set(a->purge.timer, now.mono + (through ? EVERY : PAUSE));
}

static void on_timer(void *ctx, struct now now)
{
    struct app *a = ctx;
    struct value before = VALUE_OF_INT(now.unix_ms - rows[a->purge.next].after_ms);
    struct ask ask = query_ask(rows[a->purge.next].query, &before, 1);
    struct ask_port *store = store_port(a->store);
    if (store->submit(store, &ask, (struct ask_owner){on_answer, a, 0}))
        a->loop->ops->timer_set(a->purge.timer, now.mono + EVERY);
}

int app_purge_open(struct app *a)
{
    int rc = a->loop->ops->timer_open(a->loop, on_timer, a, &a->purge.timer);
    if (rc == 0)
        a->loop->ops->timer_set(a->purge.timer, a->loop->ops->now(a->loop).mono + FIRST);
    return rc;
}

void app_purge_close(struct app *a)
{
    if (a->purge.timer)
        a->loop->ops->timer_close(a->purge.timer);
    a->purge.timer = NULL;
}
