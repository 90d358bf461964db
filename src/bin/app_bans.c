#include "bin/app_bans.h"

#include "bin/app.h"
#include "core/ban_desk.h"

#define READ_MAX (2 * NSEC_PER_S) /* for a store that answers */
#define SLICE    (5 * NSEC_PER_MS)

static void wake(void *ctx, nsec deadline)
{
    struct app *a = ctx;
    if (deadline >= a->bans_deadline)
        return;
    a->bans_deadline = deadline;
    a->loop->ops->timer_set(a->bans_timer, deadline);
}

static void on_timer(void *ctx, struct now now)
{
    struct app *a = ctx;
    a->bans_deadline = NSEC_NEVER;
    nsec next = ban_desk_time(a->bans, now);
    if (next < a->bans_deadline) /* it may have asked for an earlier one */
        a->bans_deadline = next;
    a->loop->ops->timer_set(a->bans_timer, a->bans_deadline);
}

static void enforce(void *ctx, struct now now, const struct ban *ban)
{
    struct app *a = ctx;
    struct notice notice = {.kind = NOTICE_BAN, .u.ban = ban};
    (void)now;
    if (a->server)
        server_notice(a->server, &notice);
}

/* So that the first to come is not told that the server is busy. With a store that is down the
 * server opens all the same. */
static void read_list(struct app *a)
{
    nsec now = a->loop->ops->now(a->loop).mono, end = now + READ_MAX;
    while (!ban_desk_ready(a->bans) && now < end && store_ready(a->store)) {
        (void)uvloop_run(a->uv, now + SLICE);
        now = a->loop->ops->now(a->loop).mono;
    }
}

int app_bans_open(struct app *a)
{
    struct ban_desk_cfg cfg = {
        .store = store_port(a->store),
        .audit = a->audit,
        .cluster = a->cluster,
        .log = a->log,
        .metrics = &a->metrics,
        .enforce = enforce,
        .wake = wake,
        .ctx = a,
    };
    entropy_get(&a->entropy, cfg.seed, sizeof cfg.seed);
    a->bans_deadline = NSEC_NEVER;
    int rc = a->loop->ops->timer_open(a->loop, on_timer, a, &a->bans_timer);
    if (rc == 0)
        rc = ban_desk_create(&a->bans, &cfg, a->loop->ops->now(a->loop));
    if (rc == 0)
        read_list(a);
    return rc;
}

void app_bans_destroy(struct app *a)
{
    ban_desk_destroy(a->bans);
    a->bans = NULL;
    if (a->bans_timer)
        a->loop->ops->timer_close(a->bans_timer);
    a->bans_timer = NULL;
}
