/* Staff and operators within the server: the account desk, moderation commands, and the control
 * socket. Opened before the services, which send what is said in chat; listens behind them. */
#ifndef SLIPGATE_BIN_APP_STAFF_H
#define SLIPGATE_BIN_APP_STAFF_H

#include "admin/control.h"
#include "admin/operate.h"
#include "admin/staff.h"

struct app;

struct app_staff {
    struct staff_games games;
    struct account_desk *desk;
    struct staff *staff;
    struct operate *operate;
    struct control *control;
    nsec started_at;
};

/* Behind store, hash, audit and bans. */
MUST_USE int app_staff_open(struct app *, struct buf *why);
/* Behind the services: from now on operators are heard. */
MUST_USE int app_staff_listen(struct app *, struct buf *why);
/* First of all at the end: nobody is heard any more, and services have their answers. */
void app_staff_close(struct app *);
/* When nobody calls any more: store, hash, bans and audit log are closed. */
void app_staff_destroy(struct app *);
void app_staff_reload(struct app *);

#endif
