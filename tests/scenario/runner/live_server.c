#include "live_server.h"

#include "live_accounts.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 20

nsec live_clock(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (nsec)t.tv_sec * NSEC_PER_S + (nsec)t.tv_nsec;
}

void live_pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

static nsec deadline(const struct live_server *v)
{
    return live_clock() + (nsec)(DEADLINE_S * v->cfg.slowness * 1e9);
}

/* ---- ports ---- */

static bool can_bind(int type, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* Below the range that outgoing connections use. */
static uint16_t free_port(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t random;
        CHECK(getrandom(&random, sizeof random, 0) == sizeof random);
        uint16_t port = (uint16_t)(10000 + random % 22000);
        if (can_bind(SOCK_STREAM, port) && can_bind(SOCK_DGRAM, port))
            return port;
    }
    return 0;
}

/* ---- HTTP ---- */

static int connect_admin(const struct live_server *v)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(v->admin_port)};
    struct timeval limit = {.tv_sec = (time_t)(DEADLINE_S * v->cfg.slowness)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

int live_server_get(const struct live_server *v, const char *path, struct buf *to)
{
    char request[200], head[16] = "";
    struct buf all;
    int fd = connect_admin(v), status = -1;
    if (fd < 0)
        return -1;
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    buf_init(&all, 16u << 20);
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
        for (;;) {
            uint8_t *room = buf_reserve(&all, 65536);
            ssize_t got = room ? recv(fd, room, 65536, 0) : -1;
            if (got <= 0)
                break;
            buf_commit(&all, (size_t)got);
        }
    (void)close(fd);
    if (all.n > sizeof head) {
        memcpy(head, all.p, sizeof head - 1);
        (void)sscanf(head, "HTTP/1.%*d %d", &status);
    }
    const uint8_t *body = all.n ? memmem(all.p, all.n, "\r\n\r\n", 4) : NULL;
    if (body && to)
        (void)buf_append(to, body + 4, all.n - (size_t)(body + 4 - all.p));
    buf_fini(&all);
    return status;
}

/* ---- log ---- */

static void log_path(const struct live_server *v, char to[200])
{
    (void)snprintf(to, 200, "%s/stderr-%u.log", v->folder, v->starts);
}

struct span live_server_log(struct live_server *v)
{
    char path[200];
    log_path(v, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && lseek(fd, (off_t)v->log_read, SEEK_SET) >= 0)
        for (;;) {
            uint8_t *room = buf_reserve(&v->log, 65536);
            ssize_t got = room ? read(fd, room, 65536) : -1;
            if (got <= 0)
                break;
            buf_commit(&v->log, (size_t)got);
            v->log_read += (size_t)got;
        }
    if (fd >= 0)
        (void)close(fd);
    return buf_span(&v->log);
}

static size_t count_in_log(struct live_server *v, const char *text)
{
    struct span rest = live_server_log(v);
    size_t n = 0;
    while (rest.n) {
        const uint8_t *at = memmem(rest.p, rest.n, text, strlen(text));
        if (!at)
            break;
        n++;
        rest = span_skip(rest, (size_t)(at - rest.p) + 1);
    }
    return n;
}

static void say_log(struct live_server *v, struct buf *why)
{
    struct span all = live_server_log(v);
    if (all.n > 3000)
        all = span_skip(all, all.n - 3000);
    (void)buf_printf(why, "\n%.*s", (int)all.n, (const char *)all.p);
}

/* ---- settings ---- */

static const struct setting defaults[] = {
    {"accounts.password_cost", "4"}, {"admin.bind", "127.0.0.1"},  {"limits.exempt", ""},
    {"log.level", "debug"},          {"racing.bind", "127.0.0.1"},
};

static bool is_set(const struct setup *setup, const char *key)
{
    for (size_t i = 0; i < setup->settings_n; i++)
        if (strcmp(setup->settings[i].key, key) == 0)
            return true;
    return false;
}

static void write_setting(FILE *f, const char *key, const char *value)
{
    const char *dot = strchr(key, '.');
    fprintf(f, "[%.*s]\n%s = %s\n", (int)(dot - key), key, dot + 1, value);
}

static bool write_settings(struct live_server *v, const struct setup *setup)
{
    char path[200], drain[24];
    (void)snprintf(path, sizeof path, "%s/slipgate.ini", v->folder);
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (!is_set(setup, defaults[i].key))
            write_setting(f, defaults[i].key, defaults[i].value);
    (void)snprintf(drain, sizeof drain, "%llu",
                   (unsigned long long)(setup->drain_s ? setup->drain_s : 2));
    if (!is_set(setup, "server.drain_timeout_s"))
        write_setting(f, "server.drain_timeout_s", drain);
    for (size_t i = 0; i < setup->settings_n; i++) {
        write_setting(f, setup->settings[i].key, setup->settings[i].value);
        v->ipv6 |= strcmp(setup->settings[i].key, "racing.bind") == 0 &&
                   strchr(setup->settings[i].value, ':');
    }
    return fclose(f) == 0;
}

bool live_server_configure(struct live_server *v, const struct setup *setup, struct buf *why)
{
    size_t good = count_in_log(v, " config.reloaded "),
           bad = count_in_log(v, " config.reload_failed ");
    if (!write_settings(v, setup) || kill(v->pid, SIGHUP) != 0) {
        (void)buf_append_str(why, "the server cannot be told");
        return false;
    }
    for (nsec end = deadline(v); live_clock() < end; live_pause_ms(2)) {
        if (count_in_log(v, " config.reloaded ") > good)
            return true;
        if (count_in_log(v, " config.reload_failed ") > bad)
            break;
    }
    (void)buf_append_str(why, "the server did not take it");
    say_log(v, why);
    return false;
}

bool live_server_drain(struct live_server *v, struct buf *why)
{
    size_t before = count_in_log(v, " server.drain ");
    (void)kill(v->pid, SIGUSR1);
    for (nsec end = deadline(v); live_clock() < end; live_pause_ms(2))
        if (count_in_log(v, " server.drain ") > before)
            return true;
    (void)buf_append_str(why, "nothing in its log");
    say_log(v, why);
    return false;
}

/* ---- the process ---- */

static bool is_ours(const char *variable)
{
    return strncmp(variable, "SLIPGATE_", 9) == 0 || strncmp(variable, "SERVER_", 7) == 0;
}

bool live_url(const struct live_cfg *cfg, const char *pattern, char to[LIVE_URL_MAX])
{
    const char *at = strstr(pattern, "{}");
    int n = at ? snprintf(to, LIVE_URL_MAX, "%.*s%u%s", (int)(at - pattern), pattern, cfg->number,
                          at + 2)
               : snprintf(to, LIVE_URL_MAX, "%s", pattern);
    return n >= 0 && n < LIVE_URL_MAX;
}

static void set_url(const struct live_server *v, const char *variable, const char *pattern)
{
    char url[LIVE_URL_MAX];
    if (pattern && (!live_url(&v->cfg, pattern, url) || setenv(variable, url, 1)))
        _exit(126);
}

/* In the child: never returns. */
static void become_server(const struct live_server *v)
{
    char config[200], data[200], port[40], admin[40], path[200];
    log_path(v, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    int null = open("/dev/null", O_RDWR);
    if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (bool again = true; again;) {
        again = false;
        for (char **e = environ; *e && !again; e++)
            if (is_ours(*e)) {
                char name[100];
                (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
                again = unsetenv(name) == 0;
            }
    }
    (void)setenv("ASAN_OPTIONS", "detect_leaks=1", 0);
    set_url(v, "SLIPGATE_STORE_URL", v->cfg.store_url);
    set_url(v, "SLIPGATE_CACHE_URL", v->cfg.cache_url);
    (void)snprintf(config, sizeof config, "%s/slipgate.ini", v->folder);
    (void)snprintf(data, sizeof data, "data.dir=%s/data", v->folder);
    (void)snprintf(port, sizeof port, "racing.port=%u", v->port);
    (void)snprintf(admin, sizeof admin, "admin.port=%u", v->admin_port);
    (void)execl(v->cfg.binary, v->cfg.binary, "serve", "--config", config, "--set", data, "--set",
                port, "--set", admin, (char *)NULL);
    _exit(127);
}

/* Waits for the end of the process; its status, or -1 after the deadline. */
static int wait_end(struct live_server *v)
{
    int status = -1;
    for (nsec end = deadline(v); live_clock() < end; live_pause_ms(2))
        if (waitpid(v->pid, &status, WNOHANG) == v->pid) {
            v->pid = 0;
            return status;
        }
    return -1;
}

void live_server_kill(struct live_server *v)
{
    int status;
    if (v->pid == 0)
        return;
    (void)kill(v->pid, SIGKILL);
    (void)waitpid(v->pid, &status, 0);
    v->pid = 0;
    (void)live_server_log(v);
}

/* 1: ready, 0: a port was taken meanwhile, -1: why. */
static int start_once(struct live_server *v, struct buf *why)
{
    int status;
    (void)live_server_log(v);
    v->starts++;
    v->log_read = 0;
    size_t from = v->log.n;
    v->pid = fork();
    if (v->pid == 0)
        become_server(v);
    CHECK(v->pid > 0);
    for (nsec end = deadline(v); live_clock() < end; live_pause_ms(3)) {
        if (live_server_get(v, "/readyz", NULL) == 200)
            return 1;
        if (waitpid(v->pid, &status, WNOHANG) != v->pid)
            continue;
        v->pid = 0;
        struct span said = span_skip(live_server_log(v), from);
        if (said.n && memmem(said.p, said.n, "in use", 6))
            return 0;
        (void)buf_printf(why, "it ended before it was ready (%s %d)",
                         WIFEXITED(status) ? "code" : "signal",
                         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        say_log(v, why);
        return -1;
    }
    (void)buf_append_str(why, "it is not ready in time");
    say_log(v, why);
    return -1;
}

bool live_server_again(struct live_server *v, const struct setup *setup, struct buf *why)
{
    if (!write_settings(v, setup)) {
        (void)buf_printf(why, "%s cannot be written", v->folder);
        return false;
    }
    for (unsigned i = 0; i < 10; i++) {
        if (v->starts == 0 || i > 0)
            v->port = free_port();
        v->admin_port = free_port();
        int rc = v->port == v->admin_port ? 0 : start_once(v, why);
        if (rc)
            return rc > 0;
    }
    (void)buf_append_str(why, "no port is free");
    return false;
}

bool live_server_start(struct live_server *v, const struct setup *setup, struct buf *why)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(v->folder, sizeof v->folder, "%.90s/slipgate-talk-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(v->folder)) {
        (void)buf_printf(why, "%s cannot be made", v->folder);
        v->folder[0] = '\0';
        return false;
    }
    if (!live_server_again(v, setup, why))
        return false;
    if (setup->accounts_n == 0)
        return true;
    /* The server itself makes the tables; the accounts are put in while it is down. */
    return live_server_stop(v, why) && live_accounts_write(v, setup, why) &&
           live_server_again(v, setup, why);
}

bool live_server_stop(struct live_server *v, struct buf *why)
{
    static const char *const reports[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                          "runtime error:", "WARNING: ThreadSanitizer"};
    if (v->pid == 0)
        return true;
    (void)kill(v->pid, SIGTERM);
    int status = wait_end(v);
    if (status < 0)
        live_server_kill(v);
    struct span log = live_server_log(v);
    bool ok = status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!ok)
        (void)buf_printf(why, "the server did not end well (%d)", status);
    for (size_t i = 0; i < ARRAY_LEN(reports) && ok; i++)
        if (log.n && memmem(log.p, log.n, reports[i], strlen(reports[i]))) {
            (void)buf_append_str(why, "there is a sanitizer's report in the server's log");
            ok = false;
        }
    if (!ok)
        say_log(v, why);
    return ok;
}

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[400];
        struct stat s;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(inner, sizeof inner, "%.130s/%.250s", path, e->d_name);
        if (lstat(inner, &s) == 0 && S_ISDIR(s.st_mode))
            remove_folder(inner);
        else
            (void)unlink(inner);
    }
    if (d)
        (void)closedir(d);
    (void)rmdir(path);
}

void live_server_fini(struct live_server *v)
{
    live_server_kill(v);
    if (v->folder[0] && !v->cfg.keep)
        remove_folder(v->folder);
    if (v->folder[0] && v->cfg.keep)
        printf("kept: %s\n", v->folder);
    buf_fini(&v->log);
}
