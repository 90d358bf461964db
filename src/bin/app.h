/* The running server: everything `slipgate serve` builds, in the order in which it is built. What a
 * part needs stands before it, so it is taken down from the end.
 *
 * One thread, the loop's. docs/operations.md. */
#ifndef SLIPGATE_BIN_APP_H
#define SLIPGATE_BIN_APP_H

#include "admin/admin.h"
#include "base/entropy.h"
#include "bin/app_audit.h"
#include "bin/app_cache.h"
#include "bin/app_login.h"
#include "bin/app_purge.h"
#include "bin/app_staff.h"
#include "bin/gauges.h"
#include "bin/options.h"
#include "os/cert.h"
#include "os/hash.h"
#include "os/log_sink.h"
#include "os/server.h"
#include "os/trim.h"
#include "os/uvloop.h"
#include "store/store.h"

enum app_state {
    APP_RUNNING,
    APP_DRAINING, /* no new players; goes on when they are gone */
    APP_STOPPING, /* ends when they are gone */
};

#define APP_SIGNALS_N 4u

struct app {
    const struct cmdline *line; /* for reading the configuration again */
    struct config *config;      /* in force; what needs a restart is as it was at the start */
    struct log_sink *sink;
    struct log *log; /* the sink's */
    struct entropy entropy;
    struct metrics metrics;
    struct uvloop *uv;
    struct loop *loop; /* uv's */
    struct store *store;
    struct audit_log *audit;
    struct spool *audit_spool;
    struct loop_timer *audit_timer;
    struct app_cache shared;
    struct app_purge purge;
    struct cluster *cluster; /* to tell other processes; never NULL */
    struct ban_desk *bans;
    struct loop_timer *bans_timer;
    nsec bans_deadline;
    struct hash *hash;
    struct app_login login;
    struct app_staff staff;
    struct cert *cert;
    struct server *server;
    struct trim *trim;
    struct gauges gauges;
    struct admin *admin; /* NULL: admin.port is 0 */
    struct loop_signal *signals[APP_SIGNALS_N];
    struct loop_timer *cert_timer, *watchdog_timer;
    nsec cert_reported; /* when the certificate's end was looked at last */
    enum app_state state;
};

/* Builds everything and starts accepting. config is taken over, also on failure. On failure why
 * says in one line what is in the way and how to mend it, and nothing is left. */
MUST_USE int app_create(struct app **ret, const struct cmdline *, struct config *config,
                        struct buf *why);
/* Takes everything down, open links included. */
void app_destroy(struct app *);
/* Until a signal ends it. */
void app_run(struct app *);

/* ---- between app_*.c */

MUST_USE int app_cert_open(struct app *, struct buf *why); /* opens or makes it */
MUST_USE int app_cert_use(struct app *, struct buf *why);  /* shows it to new connections */
MUST_USE int app_cert_watch(struct app *);                 /* starts looking for changes */
void app_cert_reload(struct app *);                        /* outcome is logged */
/* SIGHUP; the outcome is logged, and what is wrong is in why too. E_CONFIG, E_NOMEM. */
int app_reload(struct app *, struct buf *why);
/* No new players; with APP_STOPPING the end when those who are here have left. */
void app_drain(struct app *, struct now, enum app_state);
MUST_USE int app_signals_open(struct app *);
void app_signals_close(struct app *);
void app_warn(struct app *); /* about settings that are legal and dangerous */

#endif
