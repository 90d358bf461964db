/* Signals and the service manager (docs/operations.md, "Signals"): SIGTERM and SIGINT drain and
 * end, a second one ends at once; SIGUSR1 drains without an end; SIGHUP reloads. */
#include "bin/app.h"
#include "bin/notify.h"

#include <signal.h>

static const struct log_row row_signal = {LOG_INFO, "server.signal", "signal received"};
static const struct log_row row_at_once = {LOG_WARN, "server.stopping",
                                           "second signal: ending at once"};

static void on_drained(void *ctx, struct now now, uint32_t links_cut)
{
    struct app *a = ctx;
    (void)now;
    (void)links_cut; /* the server has logged it */
    if (a->state == APP_STOPPING)
        uvloop_stop(a->uv);
}

void app_drain(struct app *a, struct now now, enum app_state state)
{
    int64_t timeout_s = config_int(a->config, "server.drain_timeout_s");
    a->state = state;
    notify_send(state == APP_STOPPING ? "STOPPING=1\nSTATUS=draining" : "STATUS=draining");
    server_drain(a->server, now.mono + (nsec)timeout_s * NSEC_PER_S, on_drained, a);
}

static void on_signal(void *ctx, struct now now, int signo)
{
    struct app *a = ctx;
    struct buf why;
    LOG(a->log, &row_signal, LF_STR("signal", sigabbrev_np(signo)));
    switch (signo) {
    case SIGHUP:
        buf_init(&why, 2048);
        (void)app_reload(a, &why); /* it has logged it */
        buf_fini(&why);
        break;
    case SIGUSR1:
        if (a->state == APP_RUNNING)
            app_drain(a, now, APP_DRAINING);
        break;
    default:
        if (a->state != APP_STOPPING) {
            app_drain(a, now, APP_STOPPING);
        } else {
            LOG0(a->log, &row_at_once);
            uvloop_stop(a->uv);
        }
        break;
    }
}

static void on_watchdog(void *ctx, struct now now)
{
    struct app *a = ctx;
    notify_send("WATCHDOG=1");
    a->loop->ops->timer_set(a->watchdog_timer, now.mono + notify_watchdog_interval());
}

int app_signals_open(struct app *a)
{
    static const int wanted[APP_SIGNALS_N] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    int rc = 0;
    for (size_t i = 0; i < APP_SIGNALS_N && rc == 0; i++)
        rc = uvloop_signal_open(a->uv, wanted[i], on_signal, a, &a->signals[i]);
    if (rc == 0 && notify_watchdog_interval() != NSEC_NEVER) {
        rc = a->loop->ops->timer_open(a->loop, on_watchdog, a, &a->watchdog_timer);
        if (rc == 0)
            a->loop->ops->timer_set(a->watchdog_timer, 0);
    }
    return rc;
}

void app_signals_close(struct app *a)
{
    for (size_t i = 0; i < APP_SIGNALS_N; i++)
        uvloop_signal_close(a->signals[i]);
    if (a->watchdog_timer)
        a->loop->ops->timer_close(a->watchdog_timer);
}
