#include "bin/app_audit.h"

#include "base/err.h"
#include "base/mem.h"
#include "bin/app.h"
#include "os/audit_key.h"
#include "os/spool.h"

#include <limits.h>
#include <stdio.h>

#define CLOSE_MAX (5 * NSEC_PER_S) /* for what is left at the end */
#define SLICE     (10 * NSEC_PER_MS)

static const struct log_row row_unwritten = {
    LOG_ERROR, "audit.unwritten", "audit records could not be written in time before the end"};

const struct config_row app_audit_config[2] = {
    {"audit.retention_days", CONFIG_INT, "90", 0, 36500, NULL, CONFIG_RESTART,
     "Days after which audit records are dropped, a signed cut in their place; 0 keeps them."},
    {"audit.spool_max_bytes", CONFIG_INT, "67108864", 65536, 1073741824, NULL, CONFIG_RESTART,
     "Most bytes of audit.spool in data.dir, where audit records wait while the store is down."},
};

static void on_timer(void *ctx, struct now now)
{
    struct app *a = ctx;
    a->loop->ops->timer_set(a->audit_timer, audit_log_time(a->audit, now));
}

static void wake(void *ctx, nsec deadline)
{
    struct app *a = ctx;
    a->loop->ops->timer_set(a->audit_timer, deadline);
}

static int spool_file(struct app *a, struct buf *why)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/" APP_AUDIT_SPOOL, config_text(a->config, "data.dir"));
    if (n < 0 || n >= (int)sizeof path) {
        (void)buf_append_str(why, "data.dir is too long");
        return E_CONFIG;
    }
    return spool_open(&a->audit_spool, a->loop, path,
                      (uint64_t)config_int(a->config, "audit.spool_max_bytes"), a->log, why);
}

int app_audit_open(struct app *a, struct buf *why)
{
    struct audit_log_cfg cfg = {
        .store = store_port(a->store),
        .node = span_str(config_text(a->config, "server.node")),
        .log = a->log,
        .metrics = &a->metrics,
        .retention_days = (uint32_t)config_int(a->config, "audit.retention_days"),
        .wake = wake,
        .ctx = a,
    };
    int rc = audit_key_open(cfg.key, config_text(a->config, "data.dir"), &a->entropy, why);
    if (rc == 0)
        rc = spool_file(a, why);
    if (rc == 0)
        rc = a->loop->ops->timer_open(a->loop, on_timer, a, &a->audit_timer);
    if (rc == 0) {
        cfg.spool = spool_port(a->audit_spool);
        rc = audit_log_create(&a->audit, &cfg, a->loop->ops->now(a->loop));
    }
    mem_wipe(&cfg, sizeof cfg);
    return rc;
}

static void run_until_quiet(struct app *a, nsec most)
{
    nsec end = a->loop->ops->now(a->loop).mono + most;
    while (!audit_log_quiet(a->audit)) {
        nsec now = a->loop->ops->now(a->loop).mono;
        if (now >= end) {
            LOG0(a->log, &row_unwritten);
            break;
        }
        (void)uvloop_run(a->uv, now + SLICE);
    }
}

void app_audit_close(struct app *a)
{
    if (!a->audit)
        return;
    audit_log_close(a->audit, a->loop->ops->now(a->loop));
    run_until_quiet(a, CLOSE_MAX);
}

void app_audit_destroy(struct app *a)
{
    if (a->audit)
        run_until_quiet(a, CLOSE_MAX);
    spool_close(a->audit_spool);
    if (a->audit_timer)
        a->loop->ops->timer_close(a->audit_timer);
    a->audit_timer = NULL;
    audit_log_destroy(a->audit);
    a->audit = NULL;
}

/* Keys that differ, with their values where they are no secrets. */
static void differences(const struct config *from, const struct config *to, struct buf *text)
{
    for (size_t i = 0; i < config_count(to); i++) {
        const struct config_row *row = config_row_at(to, i);
        if (strcmp(config_text_at(from, i), config_text_at(to, i)) == 0)
            continue;
        (void)buf_printf(text, "%s%s", text->n ? ", " : "", row->key);
        if (row->type != CONFIG_SECRET)
            (void)buf_printf(text, " %s -> %s", config_text_at(from, i), config_text_at(to, i));
    }
}

void app_audit_reloaded(struct app *a, const struct config *from)
{
    struct buf text;
    buf_init(&text, 65536);
    differences(from, a->config, &text);
    const struct audit_record r = {.type = AUDIT_SECURITY,
                                   .subtype = AUDIT_SUB_CONFIG_CHANGED,
                                   .game = SPAN_LIT("server"),
                                   .details = buf_span(&text)};
    if (text.n)
        audit_log_add(a->audit, a->loop->ops->now(a->loop), &r);
    buf_fini(&text);
}
