#include "bin/app.h"
#include "bin/app_audit.h"
#include "bin/app_bans.h"

#include "base/err.h"
#include "base/mem.h"
#include "bin/notify.h"
#include "bin/rows.h"
#include "core/ban_desk.h"
#include "core/limits.h"
#include "os/clock.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS_SPARE 256u /* for files, databases and the admin port */

static const struct log_row row_starting = {LOG_INFO, "server.starting", "slipgate starts"};
static const struct log_row row_running = {LOG_INFO, "server.running", "players are let in"};
static const struct log_row row_stopped = {LOG_INFO, "server.stopped", "slipgate ends"};
static const struct log_row row_off = {LOG_INFO, "server.service_off",
                                       "service is off: its port is 0"};
static const struct log_row row_descriptors = {
    LOG_WARN, "server.few_descriptors",
    "fewer connections than server.max_connections: raise the limit of open files (ulimit -n, "
    "LimitNOFILE=)"};

static int log_open(struct app *a, struct buf *why)
{
    struct log_sink_options o = {
        .level = (enum log_level)config_enum(a->config, "log.level"),
        .format = (enum log_sink_format)config_enum(a->config, "log.format"),
        .path = config_text(a->config, "log.file"),
        .fd = STDERR_FILENO,
    };
    int rc = log_sink_create(&a->sink, &o, why);
    if (rc)
        return rc;
    a->log = log_sink_log(a->sink);
    LOG(a->log, &row_starting, LF_STR("version", SLIPGATE_VERSION), LF_INT("pid", getpid()),
        LF_STR("data_dir", config_text(a->config, "data.dir")));
    return 0;
}

static int loop_open(struct app *a)
{
    int rc = uvloop_create(&a->uv);
    if (rc)
        return rc;
    a->loop = uvloop_loop(a->uv);
    return uvloop_metrics(a->uv, &a->metrics);
}

static int data_dir_open(struct app *a, struct buf *why)
{
    const char *dir = config_text(a->config, "data.dir");
    bool there = mkdir(dir, 0700) == 0 || errno == EEXIST;
    if (there && access(dir, R_OK | W_OK | X_OK) == 0)
        return 0;
    (void)buf_printf(why, "data.dir: %s: %s; give another with --set data.dir=DIR", dir,
                     strerror(errno));
    return E_CONFIG;
}

static int store_open(struct app *a, struct buf *why)
{
    struct store_cfg cfg = {
        .url = config_text(a->config, "store.url"),
        .data_dir = config_text(a->config, "data.dir"),
        .log = a->log,
        .metrics = &a->metrics,
    };
    return store_create(&a->store, a->loop, &cfg, why);
}

static int hash_open(struct app *a)
{
    struct hash_cfg cfg = {
        .cost = (unsigned)config_int(a->config, "accounts.password_cost"),
        .workers = (unsigned)config_int(a->config, "accounts.hash_workers"),
        .queue_max_s = (uint32_t)config_int(a->config, "accounts.queue_max_s"),
        .log = a->log,
        .metrics = &a->metrics,
        .entropy = &a->entropy,
    };
    return hash_create(&a->hash, a->loop, &cfg);
}

/* As many links as descriptors allow. */
static uint32_t links_max(struct app *a)
{
    size_t want = (size_t)config_int(a->config, "server.max_connections");
    size_t have = server_raise_descriptors(want + DESCRIPTORS_SPARE);
    if (have >= want + DESCRIPTORS_SPARE)
        return (uint32_t)want;
    size_t links = have > 2 * DESCRIPTORS_SPARE ? have - DESCRIPTORS_SPARE : have / 2;
    LOG(a->log, &row_descriptors, LF_UINT("open_files", have), LF_UINT("connections", links));
    return (uint32_t)links;
}

static int server_open(struct app *a, struct buf *why)
{
    struct limits limits;
    if (limits_load(&limits, a->config, why))
        return E_CONFIG;
    struct server_cfg cfg = {
        .loop = a->loop,
        .log = a->log,
        .metrics = &a->metrics,
        .entropy = &a->entropy,
        .ask = {[ASK_TO_STORE] = store_port(a->store),
                [ASK_TO_HASH] = hash_port(a->hash),
                [ASK_TO_PRESENCE] = presence_port(a->shared.presence),
                [ASK_TO_STAFF] = staff_port(a->staff.staff)},
        .audit = a->audit,
        .bans = a->bans,
        .exempt = limits.exempt,
        .proxies = limits.proxies,
        .handshakes_per_addr = limits.handshakes_per_addr,
        .guard = a->login.guard,
        .secrets = a->login.secrets,
        .links_max = links_max(a),
        .handshakes_max = (uint32_t)config_int(a->config, "server.max_handshakes"),
        .handshake_max = (nsec)config_int(a->config, "server.handshake_timeout_s") * NSEC_PER_S,
        .udp_buffer_bytes = (uint32_t)config_int(a->config, "server.udp_buffer_bytes"),
    };
    int rc = server_create(&a->server, &cfg);
    return rc ? rc : app_cert_use(a, why);
}

static int services_open(struct app *a, struct buf *why)
{
    for (size_t i = 0; i < rows_services_n; i++) {
        uint16_t id;
        int rc = server_add(a->server, rows_services[i], a->config, &id, why);
        if (rc == E_NOENT)
            LOG(a->log, &row_off, LF_STR("service", rows_services[i]->name));
        else if (rc)
            return rc;
    }
    return gauges_init(&a->gauges, &a->metrics, a->server);
}

static bool is_ready(void *ctx, struct buf *why)
{
    struct app *a = ctx;
    const char *fault = a->state != APP_RUNNING             ? "draining"
                        : staff_logins_shut(a->staff.staff) ? "the server is about to end"
                        : !store_ready(a->store)            ? "the store is down"
                        : !ban_desk_ready(a->bans)          ? "the list of bans was not read yet"
                        : !server_accepting(a->server)      ? "not accepting"
                                                            : NULL;
    if (fault)
        (void)buf_append_str(why, fault);
    return !fault;
}

static void refresh(void *ctx)
{
    struct app *a = ctx;
    struct cert_info info;
    cert_info(a->cert, &info);
    gauges_refresh(&a->gauges, a->server, info.not_after_s, log_sink_dropped(a->sink),
                   a->state != APP_RUNNING);
}

static int admin_open(struct app *a, struct buf *why)
{
    struct admin_cfg cfg = {a->loop, a->log, &a->metrics, a, is_ready, refresh};
    int rc = admin_create(&a->admin, &cfg, a->config, why);
    return rc == E_NOENT ? 0 : rc;
}

static int build(struct app *a, struct buf *why)
{
    int rc = log_open(a, why);
    if (rc == 0)
        rc = data_dir_open(a, why);
    if (rc == 0)
        rc = loop_open(a);
    if (rc == 0)
        rc = store_open(a, why);
    if (rc == 0)
        rc = app_audit_open(a, why);
    if (rc == 0)
        rc = app_cache_open(a, why);
    if (rc == 0)
        rc = app_bans_open(a);
    if (rc == 0)
        rc = hash_open(a);
    if (rc == 0)
        rc = app_login_open(a, why);
    if (rc == 0)
        rc = app_staff_open(a, why);
    if (rc == 0)
        rc = app_cert_open(a, why);
    if (rc == 0)
        rc = server_open(a, why);
    if (rc == 0)
        rc = services_open(a, why);
    if (rc == 0)
        rc = trim_create(&a->trim, a->loop, a->server);
    if (rc == 0)
        rc = admin_open(a, why);
    if (rc == 0)
        rc = app_staff_listen(a, why);
    if (rc == 0)
        rc = app_purge_open(a);
    if (rc == 0)
        rc = app_cert_watch(a);
    return rc ? rc : app_signals_open(a);
}

int app_create(struct app **ret, const struct cmdline *line, struct config *config, struct buf *why)
{
    struct app *a = mem_zalloc(1, sizeof *a);
    if (!a) {
        config_destroy(config);
        return E_NOMEM;
    }
    a->line = line;
    a->config = config;
    clock_entropy_init(&a->entropy);
    metrics_init(&a->metrics);
    int rc = build(a, why);
    if (rc) {
        app_destroy(a);
        return rc;
    }
    *ret = a;
    return 0;
}

void app_run(struct app *a)
{
    app_warn(a);
    LOG0(a->log, &row_running);
    notify_send("READY=1");
    (void)uvloop_run(a->uv, NSEC_NEVER);
    LOG0(a->log, &row_stopped);
}

void app_destroy(struct app *a)
{
    if (a->loop) {
        app_signals_close(a);
        if (a->cert_timer)
            a->loop->ops->timer_close(a->cert_timer);
        admin_destroy(a->admin);
        app_staff_close(a);
        trim_destroy(a->trim);
        app_audit_close(a);
        app_purge_close(a);
        hash_close(a->hash);
        store_close(a->store);
        app_cache_close(a);
        server_destroy(a->server);
        a->server = NULL;
        app_login_destroy(a);
        app_bans_destroy(a);
        app_audit_destroy(a);
        app_staff_destroy(a);
        app_cache_destroy(a);
        hash_destroy(a->hash);
        store_destroy(a->store);
        cert_destroy(a->cert);
    }
    uvloop_destroy(a->uv);
    metrics_fini(&a->metrics);
    entropy_fini(&a->entropy);
    log_sink_destroy(a->sink);
    config_destroy(a->config);
    mem_free(a);
}
