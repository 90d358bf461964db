#include "bin/app_login.h"

#include "base/mem.h"
#include "bin/app.h"
#include "core/login.h"
#include "os/key_file.h"

_Static_assert(KEY_FILE_BYTES == SECRET_KEY, "the key is a key file's");

static void wake(void *ctx, nsec deadline)
{
    struct app *a = ctx;
    if (deadline >= a->login.deadline)
        return;
    a->login.deadline = deadline;
    a->loop->ops->timer_set(a->login.timer, deadline);
}

static void on_timer(void *ctx, struct now now)
{
    struct app *a = ctx;
    a->login.deadline = NSEC_NEVER;
    wake(a, login_guard_time(a->login.guard, now));
}

void app_login_reload(struct app *a)
{
    struct login_guard_policy policy;
    login_guard_policy_load(&policy, a->config);
    login_guard_set_policy(a->login.guard, &policy);
}

int app_login_open(struct app *a, struct buf *why)
{
    struct login_guard_cfg cfg = {
        .store = store_port(a->store),
        .bans = a->bans,
        .audit = a->audit,
        .log = a->log,
        .wake = wake,
        .ctx = a,
    };
    entropy_get(&a->entropy, cfg.seed, sizeof cfg.seed);
    a->login.deadline = NSEC_NEVER;
    int rc = key_file_open(a->login.secrets, config_text(a->config, "data.dir"), "secrets",
                           &a->entropy, why);
    if (rc == 0)
        rc = a->loop->ops->timer_open(a->loop, on_timer, a, &a->login.timer);
    if (rc == 0)
        rc = login_guard_create(&a->login.guard, &cfg);
    if (rc == 0)
        app_login_reload(a);
    return rc;
}

void app_login_destroy(struct app *a)
{
    login_guard_destroy(a->login.guard);
    a->login.guard = NULL;
    if (a->login.timer)
        a->loop->ops->timer_close(a->login.timer);
    a->login.timer = NULL;
    mem_wipe(a->login.secrets, sizeof a->login.secrets);
}
