#include "bin/account_alone.h"

#include "admin/control.h"
#include "admin/operate.h"
#include "base/err.h"
#include "base/mem.h"
#include "bin/app.h"
#include "os/clock.h"
#include "os/key_file.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_WITHIN (60 * NSEC_PER_S)

struct alone {
    struct app app;
    struct remote *remote;
    struct account_desk *desk;
    struct operate *operate;
    int code;
    bool answered;
};

static void reply(void *ctx, uint64_t token, struct span result)
{
    struct alone *x = ctx;
    (void)token;
    buf_clear(&x->remote->result);
    (void)buf_append_span(&x->remote->result, result);
    x->answered = true;
    x->code = EXIT_FINE;
    uvloop_stop(x->app.uv);
}

static void refuse(void *ctx, uint64_t token, const char *error, const char *mend)
{
    struct alone *x = ctx;
    (void)token;
    x->answered = true;
    x->code = command_failed("%s%s%s", error, mend ? "; " : "", mend ? mend : "");
    uvloop_stop(x->app.uv);
}

static void no_notice(void *ctx, struct now now, const struct notice *n)
{
    (void)ctx;
    (void)now;
    (void)n;
}

/* What root makes in the folder must be the server's to use: root becomes the folder's owner. */
static int enter_dir(const char *dir)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return command_failed("data.dir: %s: %s; give another with --set data.dir=DIR", dir,
                              strerror(errno));
    if (stat(dir, &st) != 0)
        return command_failed("data.dir: %s: %s", dir, strerror(errno));
    if (geteuid() == 0 && st.st_uid != 0 &&
        (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0))
        return command_failed("cannot become the owner of %s: %s", dir, strerror(errno));
    return EXIT_FINE;
}

static int open_parts(struct alone *x, struct buf *why)
{
    struct app *a = &x->app;
    struct log_sink_options log = {.level = LOG_ERROR, .path = "", .fd = STDERR_FILENO};
    struct store_cfg store = {.url = config_text(a->config, "store.url"),
                              .data_dir = config_text(a->config, "data.dir"),
                              .metrics = &a->metrics};
    struct hash_cfg hash = {.cost = (unsigned)config_int(a->config, "accounts.password_cost"),
                            .workers = 1,
                            .queue_max_s = 60,
                            .metrics = &a->metrics,
                            .entropy = &a->entropy};
    int rc = log_sink_create(&a->sink, &log, why);
    if (rc)
        return rc;
    a->log = store.log = hash.log = log_sink_log(a->sink);
    rc = uvloop_create(&a->uv);
    if (rc)
        return rc;
    a->loop = uvloop_loop(a->uv);
    rc = store_create(&a->store, a->loop, &store, why);
    if (rc == 0)
        rc = app_audit_open(a, why);
    if (rc == 0)
        rc = key_file_open(a->login.secrets, config_text(a->config, "data.dir"), "secrets",
                           &a->entropy, why);
    return rc ? rc : hash_create(&a->hash, a->loop, &hash);
}

static int open_desk(struct alone *x)
{
    struct app *a = &x->app;
    struct account_desk_cfg desk = {.store = store_port(a->store),
                                    .hash = hash_port(a->hash),
                                    .audit = a->audit,
                                    .log = a->log,
                                    .entropy = &a->entropy,
                                    .secrets = a->login.secrets,
                                    .notice = no_notice};
    int rc = account_desk_create(&x->desk, &desk);
    if (rc)
        return rc;
    account_desk_set_minimums(x->desk, (uint32_t)config_int(a->config, "staff.player_password_min"),
                              (uint32_t)config_int(a->config, "accounts.staff_password_min"));
    struct operate_cfg ops = {.desk = x->desk,
                              .log = a->log,
                              .audit = a->audit,
                              .reply = reply,
                              .refuse = refuse,
                              .reply_ctx = x};
    return operate_create(&x->operate, &ops);
}

static void close_parts(struct alone *x)
{
    struct app *a = &x->app;
    if (a->loop) {
        app_audit_close(a);
        hash_close(a->hash);
        store_close(a->store);
        app_audit_destroy(a);
        operate_destroy(x->operate);
        account_desk_destroy(x->desk);
        hash_destroy(a->hash);
        store_destroy(a->store);
    }
    mem_wipe(a->login.secrets, sizeof a->login.secrets);
    uvloop_destroy(a->uv);
    metrics_fini(&a->metrics);
    entropy_fini(&a->entropy);
    log_sink_destroy(a->sink);
}

static void carry_out(struct alone *x, const struct control_request *r)
{
    struct app *a = &x->app;
    struct now now = a->loop->ops->now(a->loop);
    struct desk_actor by = {.level = LEVEL_ADMIN, .name = SPAN_LIT("command line")};
    operate_run(x->operate, now, &by, r->command, r->arguments, 0);
    if (!x->answered)
        (void)uvloop_run(a->uv, now.mono + ANSWER_WITHIN);
    if (!x->answered)
        x->code = command_failed("the database did not answer in time");
}

int account_alone(struct remote *r, struct span request)
{
    struct alone x = {.remote = r, .code = EXIT_FAILED};
    char scratch[CONTROL_COMMAND_MAX];
    struct control_request q;
    struct buf why;
    int code = enter_dir(config_text(r->config, "data.dir"));
    if (code)
        return code;
    x.app.config = r->config;
    clock_entropy_init(&x.app.entropy);
    metrics_init(&x.app.metrics);
    buf_init(&why, 4096);
    int rc = control_parse(request, scratch, &q, &why);
    if (rc == 0)
        rc = open_parts(&x, &why);
    if (rc == 0)
        rc = open_desk(&x);
    if (rc == 0)
        carry_out(&x, &q);
    else
        x.code = why.n ? command_failed("%.*s", (int)why.n, (const char *)why.p)
                       : command_failed("%s", err_text(rc));
    close_parts(&x);
    buf_fini(&why);
    return x.code;
}
