#include "admin/admin.h"

#include "admin/http.h"
#include "admin/listen.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PER_ADDRESS_MAX   32u /* connections, so that one slow client cannot hold them all */
#define REQUEST_BYTES_MAX (16u * 1024)

const struct config_row admin_config[6] = {
    {"admin.port", CONFIG_INT, "8080", 0, 65535, NULL, CONFIG_RESTART,
     "Port of health checks and metrics (HTTP). 0 is off."},
    {"admin.bind", CONFIG_ADDR, "::", 1, 0, NULL, CONFIG_RESTART,
     "Address it listens on. :: is every address, IPv4 too."},
    {"admin.auth", CONFIG_ENUM, "lan", 0, 0, "lan|loopback", CONFIG_LIVE,
     "Who is served: lan is this machine and private addresses, loopback is this machine only. A "
     "request that came through a proxy is not."},
    {"admin.hosts", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE,
     "Names besides addresses, localhost and the certificate's names by which it may be addressed, "
     "separated by blanks."},
    {"admin.max_connections", CONFIG_INT, "128", 4, 4096, NULL, CONFIG_RESTART,
     "Most connections at once to admin.port."},
    {"admin.timeout_s", CONFIG_INT, "10", 1, 3600, NULL, CONFIG_RESTART,
     "Seconds of silence after which such a connection is closed."},
};

static const struct log_row row_listening = {LOG_INFO, "admin.listening",
                                             "health checks and metrics are served"};
static const struct log_row row_library = {LOG_DEBUG, "admin.http", "HTTP library"};

static void library_log(void *ctx, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void library_log(void *ctx, const char *fmt, va_list args)
{
    struct admin *a = ctx;
    char text[256];
    if (a->cfg.log->level < row_library.level)
        return;
    int n = vsnprintf(text, sizeof text, fmt, args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    while (len && text[len - 1] == '\n')
        len--;
    LOG(a->cfg.log, &row_library, LF_SPAN("text", span_of(text, len)));
}

static unsigned connections(struct admin *a)
{
    return MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* Lets the library work and notes when it wants to next. At its ceiling of connections it stops
 * listening, and takes that up again only in the run after one has ended, which nothing else would
 * bring about: so it runs until none ends any more. */
static void pump(struct admin *a, struct now now)
{
    MHD_UNSIGNED_LONG_LONG ms;
    unsigned before;
    do {
        before = connections(a);
        (void)MHD_run(a->daemon);
    } while (connections(a) < before);
    bool waits = MHD_get_timeout(a->daemon, &ms) == MHD_YES;
    a->cfg.loop->ops->timer_set(a->timer, waits ? now.mono + ms * NSEC_PER_MS : NSEC_NEVER);
}

static void on_timer(void *ctx, struct now now)
{
    pump(ctx, now);
}

static void on_ready(void *ctx, struct now now, unsigned events)
{
    (void)events;
    pump(ctx, now);
}

static int start(struct admin *a, const struct config *c)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_USE_TURBO;
    a->daemon = MHD_start_daemon(
        flags, 0, http_accept, a, http_answer, a, MHD_OPTION_EXTERNAL_LOGGER, library_log, a,
        MHD_OPTION_LISTEN_SOCKET, a->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config_int(c, "admin.max_connections"), MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)config_int(c, "admin.timeout_s"),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES_MAX, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (!a->daemon)
        return E_IO;
    a->listen_fd = -1; /* the daemon's from here on */
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return E_IO;
    struct loop *loop = a->cfg.loop;
    int rc = loop->ops->timer_open(loop, on_timer, a, &a->timer);
    return rc ? rc : loop->ops->watch(loop, info->epoll_fd, LOOP_READ, on_ready, a, &a->watch);
}

int admin_create(struct admin **ret, const struct admin_cfg *cfg, const struct config *c,
                 struct buf *why)
{
    if (config_int(c, "admin.port") == 0)
        return E_NOENT;
    struct admin *a = mem_zalloc(1, sizeof *a);
    if (!a)
        return E_NOMEM;
    a->cfg = *cfg;
    a->listen_fd = -1;
    int rc = http_metrics_init(a);
    if (rc == 0)
        rc = process_metrics_init(&a->process, cfg->metrics, cfg->loop->ops->now(cfg->loop));
    if (rc == 0)
        rc = admin_set_names(a, "");
    if (rc == 0)
        rc = admin_set_config(a, c);
    if (rc == 0)
        rc = admin_listen(config_text(c, "admin.bind"), (uint16_t)config_int(c, "admin.port"),
                          &a->listen_fd, why);
    if (rc == 0)
        rc = start(a, c);
    if (rc) {
        admin_destroy(a);
        return rc;
    }
    LOG(cfg->log, &row_listening, LF_STR("bind", config_text(c, "admin.bind")),
        LF_INT("port", config_int(c, "admin.port")), LF_STR("auth", config_text(c, "admin.auth")));
    *ret = a;
    return 0;
}

void admin_destroy(struct admin *a)
{
    if (!a)
        return;
    struct loop *loop = a->cfg.loop;
    loop->ops->unwatch(a->watch);
    if (a->timer)
        loop->ops->timer_close(a->timer);
    if (a->daemon)
        MHD_stop_daemon(a->daemon);
    if (a->listen_fd >= 0)
        close(a->listen_fd);
    mem_free(a->hosts);
    mem_free(a->names);
    mem_free(a);
}

static int replace(char **text, const char *with)
{
    size_t n = strlen(with) + 1;
    char *copy = mem_zalloc(n, 1);
    if (!copy)
        return E_NOMEM;
    memcpy(copy, with, n);
    mem_free(*text);
    *text = copy;
    return 0;
}

int admin_set_config(struct admin *a, const struct config *c)
{
    int rc = replace(&a->hosts, config_text(c, "admin.hosts"));
    if (rc == 0)
        a->auth = (enum guard_auth)config_enum(c, "admin.auth");
    return rc;
}

int admin_set_names(struct admin *a, const char *names)
{
    return replace(&a->names, names);
}
