/* What logins of all services share within the server: the guard against guessing, and the key that
 * seals secrets (secrets.key in data.dir; who loses it loses everybody's second factor). Made
 * behind the store, the audit log and the desk of bans, and before the server. */
#ifndef SLIPGATE_BIN_APP_LOGIN_H
#define SLIPGATE_BIN_APP_LOGIN_H

#include "base/buf.h"
#include "core/login_guard.h"
#include "core/loop.h"
#include "wire/token.h"

struct app;

struct app_login {
    struct login_guard *guard;
    struct loop_timer *timer;
    nsec deadline;
    uint8_t secrets[SECRET_KEY];
};

MUST_USE int app_login_open(struct app *, struct buf *why);
void app_login_reload(struct app *);
/* Behind the store's close and the server. */
void app_login_destroy(struct app *);

#endif
