/* SIGHUP: file and environment are read again. Either all of it holds or nothing changes; keys that
 * only a restart can change keep their value and are named. */
#include "base/err.h"
#include "bin/app.h"
#include "bin/app_audit.h"
#include "bin/notify.h"
#include "bin/rows_tls.h"
#include "core/limits.h"

#include <stdio.h>

static const struct log_row row_warning = {LOG_WARN, "config.warning", "configuration"};
static const struct log_row row_failed = {LOG_ERROR, "config.reload_failed",
                                          "reload failed: the configuration in force stays"};
static const struct log_row row_held = {LOG_WARN, "config.restart_needed",
                                        "these keys change at the next restart only"};
static const struct log_row row_reloaded = {LOG_INFO, "config.reloaded", "configuration reloaded"};
static const struct log_row row_log_failed = {LOG_ERROR, "log.reopen_failed",
                                              "the log file could not be opened anew"};
/* Each line of warnings as a record. */
static void log_warnings(struct app *a, struct span lines)
{
    while (lines.n) {
        const uint8_t *lf = memchr(lines.p, '\n', lines.n);
        size_t n = lf ? (size_t)(lf - lines.p) : lines.n;
        LOG(a->log, &row_warning, LF_SPAN("text", span_of(lines.p, n)));
        lines = span_skip(lines, n + 1);
    }
}

void app_warn(struct app *a)
{
    if (!config_text(a->config, "tls.certificate")[0])
        rows_tls_warn_made(a->config, a->log);
}

static void reopen_log(struct app *a)
{
    struct buf why;
    buf_init(&why, 1024);
    if (log_sink_reopen(a->sink, &why))
        LOG(a->log, &row_log_failed, LF_SPAN("reason", buf_span(&why)));
    buf_fini(&why);
}

static const struct log_row row_part_failed = {LOG_ERROR, "config.part_failed",
                                               "a part keeps its old settings"};

/* What the parts take over without a restart. */
static void spread(struct app *a, struct buf *why)
{
    struct limits limits;
    int rc = a->admin ? admin_set_config(a->admin, a->config) : 0;
    struct notice notice = {.kind = NOTICE_CONFIG, .u.config = a->config};
    a->log->level = (enum log_level)config_enum(a->config, "log.level");
    log_sink_set_format(a->sink, (enum log_sink_format)config_enum(a->config, "log.format"));
    if (limits_load(&limits, a->config, why) == 0) {
        server_set_exempt(a->server, &limits.exempt);
        server_set_proxies(a->server, &limits.proxies);
        server_set_handshakes_per_addr(a->server, limits.handshakes_per_addr);
    }
    (void)hash_set_cost(a->hash, (unsigned)config_int(a->config, "accounts.password_cost"));
    hash_set_queue_max(a->hash, (uint32_t)config_int(a->config, "accounts.queue_max_s"));
    app_login_reload(a);
    if (rc)
        LOG(a->log, &row_part_failed, LF_STR("part", "admin"), LF_STR("error", err_name(rc)));
    server_notice(a->server, &notice);
    app_staff_reload(a);
}

static int read_again(struct app *a, struct config **ret, struct buf *why)
{
    struct buf warnings, held;
    buf_init(&warnings, 65536);
    buf_init(&held, 8192);
    int rc = options_load(a->line, ret, &warnings, why);
    if (rc == 0) {
        int n = config_hold_restart(*ret, a->config, &held);
        if (n > 0)
            LOG(a->log, &row_held, LF_SPAN("keys", buf_span(&held)));
        rc = n < 0 ? n : 0;
        if (rc)
            config_destroy(*ret);
    }
    log_warnings(a, buf_span(&warnings));
    buf_fini(&warnings);
    buf_fini(&held);
    return rc;
}

int app_reload(struct app *a, struct buf *why)
{
    struct config *next;
    notify_send("RELOADING=1");
    /* First: what the reload has to say belongs into the new file, a failure above all. */
    reopen_log(a);
    int rc = read_again(a, &next, why);
    if (rc) {
        LOG(a->log, &row_failed, LF_SPAN("reason", buf_span(why)), LF_STR("error", err_name(rc)));
    } else {
        struct config *from = a->config;
        a->config = next;
        app_audit_reloaded(a, from);
        config_destroy(from);
        spread(a, why);
        LOG0(a->log, &row_reloaded);
        app_warn(a);
    }
    app_cert_reload(a); /* a renewed one does not wait for a mended configuration either */
    notify_send("READY=1");
    return rc;
}
