#include "store/redis_link.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_FIRST   (250 * NSEC_PER_MS)
#define RETRY_MAX     (10 * NSEC_PER_S)
#define ADDRESSES_MAX 4u
#define ELEMENTS_MAX  8 /* of an array in a reply; we ask for nothing longer */
#define READ_BYTES    16384u

enum state { OFF, LOOKUP, CONNECTING, SIGNING, UP, CLOSED };

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_storage room;
    } u;
    socklen_t n;
};

struct redis_link {
    struct redis_link_cfg cfg;
    enum state state;
    int fd;
    struct loop_watch *watch;
    struct loop_timer *timer;
    struct buf out;
    redisReader *reader;
    redisReplyObjectFunctions functions;
    void *(*create_array)(const redisReadTask *, int);
    unsigned signing; /* replies still to come before it is up */
    nsec retry_after;
    struct job job;
    struct address addresses[ADDRESSES_MAX];
    unsigned addresses_n, address_at;
    int lookup_rc; /* of getaddrinfo */
};

static struct redis_link *link_of_job(struct job *job)
{
    return CONTAINER_OF(job, struct redis_link, job);
}

static void set_timer(struct redis_link *l, nsec deadline)
{
    l->cfg.loop->ops->timer_set(l->timer, deadline);
}

static void disconnect(struct redis_link *l)
{
    if (l->watch)
        l->cfg.loop->ops->unwatch(l->watch);
    l->watch = NULL;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    if (l->reader)
        redisReaderFree(l->reader);
    l->reader = NULL;
    buf_fini_secret(&l->out);
}

static void fail(struct redis_link *l, struct now now, const char *why)
{
    char text[REDIS_ERROR_MAX]; /* why may lie in what goes now */
    (void)snprintf(text, sizeof text, "%s", why);
    bool connecting = l->state == CONNECTING;
    disconnect(l);
    l->state = OFF;
    if (connecting && ++l->address_at < l->addresses_n) {
        set_timer(l, now.mono);
        return;
    }
    l->addresses_n = 0;
    set_timer(l, now.mono + l->retry_after);
    l->retry_after = l->retry_after * 2 < RETRY_MAX ? l->retry_after * 2 : RETRY_MAX;
    l->cfg.events.down(l->cfg.events.ctx, now, text);
}

static void fail_errno(struct redis_link *l, struct now now, const char *what, int error)
{
    char text[REDIS_ERROR_MAX], reason[80];
    (void)snprintf(text, sizeof text, "%s: %s", what, strerror_r(error, reason, sizeof reason));
    fail(l, now, text);
}

/* --- signing in --- */

static int format(struct redis_link *l, int argc, const char **argv, const size_t *argn)
{
    char *command = NULL;
    int n = redisFormatCommandArgv(&command, argc, argv, argn);
    if (n < 0)
        return E_NOMEM;
    int rc = buf_append(&l->out, command, (size_t)n);
    mem_wipe(command, (size_t)n);
    redisFreeCommand(command);
    return rc == E_LIMIT ? E_BUSY : rc;
}

static int say(struct redis_link *l, const char *a, const char *b, const char *c)
{
    const char *argv[3] = {a, b, c};
    size_t argn[3] = {strlen(a), b ? strlen(b) : 0, c ? strlen(c) : 0};
    l->signing++;
    return format(l, c ? 3 : b ? 2 : 1, argv, argn);
}

static void sign_in(struct redis_link *l, struct now now)
{
    const struct redis_url *u = l->cfg.url;
    char db[8];
    int rc = 0;
    l->state = SIGNING;
    l->signing = 0;
    (void)snprintf(db, sizeof db, "%u", u->db);
    if (u->user[0])
        rc = say(l, "AUTH", u->user, u->password);
    else if (u->password[0])
        rc = say(l, "AUTH", u->password, NULL);
    if (rc == 0 && u->db)
        rc = say(l, "SELECT", db, NULL);
    if (rc == 0)
        rc = say(l, "PING", NULL, NULL);
    if (rc == 0)
        rc = l->cfg.loop->ops->watch_set(l->watch, LOOP_READ | LOOP_WRITE);
    if (rc)
        fail(l, now, err_text(rc));
}

static void signed_in(struct redis_link *l, struct now now, const redisReply *r)
{
    char text[REDIS_ERROR_MAX];
    if (r->type == REDIS_REPLY_ERROR) {
        (void)snprintf(text, sizeof text, "refused: %.*s", (int)(r->len < 120 ? r->len : 120),
                       r->str);
        fail(l, now, text);
        return;
    }
    if (--l->signing)
        return;
    l->state = UP;
    l->retry_after = RETRY_FIRST;
    set_timer(l, NSEC_NEVER);
    l->cfg.events.up(l->cfg.events.ctx, now);
}

/* --- bytes --- */

static void write_some(struct redis_link *l, struct now now)
{
    if (l->out.n) {
        ssize_t n = send(l->fd, l->out.p, l->out.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            fail_errno(l, now, "cannot write", errno);
            return;
        }
        if (n > 0)
            buf_consume(&l->out, (size_t)n);
    }
    if (l->out.n == 0 && l->cfg.loop->ops->watch_set(l->watch, LOOP_READ))
        fail(l, now, "cannot watch the connection");
}

/* Each reply that is complete. What it leads to may not break the link but through fail. */
static void take_replies(struct redis_link *l, struct now now)
{
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
            fail(l, now, l->reader->errstr);
            return;
        }
        if (!reply)
            break;
        if (l->state == SIGNING)
            signed_in(l, now, reply);
        else
            l->cfg.events.reply(l->cfg.events.ctx, now, reply);
        freeReplyObject(reply);
        if (l->fd < 0)
            return;
    }
    if (l->reader->len - l->reader->pos > REDIS_REPLY_BYTES_MAX)
        fail(l, now, "a reply is longer than anything we ask for");
}

static void read_some(struct redis_link *l, struct now now)
{
    char bytes[READ_BYTES];
    ssize_t n = read(l->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        fail_errno(l, now, "cannot read", errno);
    else if (n == 0)
        fail(l, now, "the server closed the connection");
    else if (redisReaderFeed(l->reader, bytes, (size_t)n) != REDIS_OK)
        fail(l, now, l->reader->errstr);
    else
        take_replies(l, now);
}

static void *create_array(const redisReadTask *task, int n)
{
    const struct redis_link *l = task->privdata;
    return n > ELEMENTS_MAX ? NULL : l->create_array(task, n);
}

static bool make_reader(struct redis_link *l)
{
    l->reader = redisReaderCreate();
    if (!l->reader)
        return false;
    l->create_array = l->reader->fn->createArray;
    l->functions = *l->reader->fn;
    l->functions.createArray = create_array;
    l->reader->fn = &l->functions;
    l->reader->privdata = l;
    return true;
}

static void connected(struct redis_link *l, struct now now)
{
    int error = 0, one = 1;
    socklen_t n = sizeof error;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error) {
        fail_errno(l, now, "cannot connect", error);
        return;
    }
    if (l->cfg.url->host[0]) { /* neither matters much: no harm when it is refused */
        (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    sign_in(l, now);
}

static void on_ready(void *ctx, struct now now, unsigned events)
{
    struct redis_link *l = ctx;
    if (l->state == CONNECTING) {
        connected(l, now);
        return;
    }
    if (events & LOOP_READ)
        read_some(l, now);
    if (l->fd >= 0 && (events & LOOP_WRITE))
        write_some(l, now);
}

/* --- finding and connecting --- */

static void connect_to(struct redis_link *l, struct now now, const struct address *a)
{
    l->state = CONNECTING;
    l->fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || (connect(l->fd, &a->u.any, a->n) != 0 && errno != EINPROGRESS)) {
        fail_errno(l, now, "cannot connect", errno);
        return;
    }
    if (!make_reader(l) ||
        l->cfg.loop->ops->watch(l->cfg.loop, l->fd, LOOP_WRITE, on_ready, l, &l->watch)) {
        fail(l, now, err_text(E_NOMEM));
        return;
    }
    set_timer(l, now.mono + l->cfg.timeout);
}

static void look_up(struct redis_link *l, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", l->cfg.url->port);
    l->addresses_n = l->address_at = 0;
    l->lookup_rc = getaddrinfo(l->cfg.url->host, port, &hints, &found);
    if (l->lookup_rc)
        return;
    for (const struct addrinfo *i = found; i && l->addresses_n < ADDRESSES_MAX; i = i->ai_next) {
        struct address *a = &l->addresses[l->addresses_n];
        if (i->ai_addrlen > sizeof a->u)
            continue;
        memcpy(&a->u, i->ai_addr, i->ai_addrlen);
        a->n = i->ai_addrlen;
        l->addresses_n++;
    }
    freeaddrinfo(found);
}

static void work(struct job *job)
{
    look_up(link_of_job(job), 0);
}

static const char *no_address(const struct redis_link *l)
{
    return l->lookup_rc ? gai_strerror(l->lookup_rc) : "the host has no address";
}

static void done(struct job *job, struct now now)
{
    struct redis_link *l = link_of_job(job);
    if (l->state != LOOKUP)
        return;
    l->state = OFF;
    if (l->addresses_n)
        set_timer(l, now.mono);
    else
        fail(l, now, no_address(l));
}

static void start_unix(struct redis_link *l, struct now now)
{
    struct address a = {.n = sizeof a.u.un};
    a.u.un.sun_family = AF_UNIX;
    memcpy(a.u.un.sun_path, l->cfg.url->path, sizeof l->cfg.url->path);
    connect_to(l, now, &a);
}

static void start(struct redis_link *l, struct now now)
{
    if (!l->cfg.url->host[0]) {
        start_unix(l, now);
        return;
    }
    if (!l->addresses_n && l->cfg.pool) {
        l->state = LOOKUP;
        l->cfg.loop->ops->pool_submit(l->cfg.pool, &l->job);
        return;
    }
    if (!l->addresses_n)
        look_up(l, AI_NUMERICHOST);
    if (l->addresses_n)
        connect_to(l, now, &l->addresses[l->address_at]);
    else
        fail(l, now, no_address(l));
}

static void on_timer(void *ctx, struct now now)
{
    struct redis_link *l = ctx;
    if (l->state == OFF)
        start(l, now);
    else if (l->state == CONNECTING || l->state == SIGNING)
        fail(l, now, "no connection in time");
    else if (l->state == UP)
        fail(l, now, "no reply in time");
}

/* --- outside --- */

int redis_link_create(struct redis_link **ret, const struct redis_link_cfg *cfg)
{
    struct redis_link *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return E_NOMEM;
    l->cfg = *cfg;
    l->fd = -1;
    l->retry_after = RETRY_FIRST;
    l->job = (struct job){work, done, NULL};
    buf_init(&l->out, cfg->out_max);
    int rc = cfg->loop->ops->timer_open(cfg->loop, on_timer, l, &l->timer);
    if (rc) {
        mem_free(l);
        return rc;
    }
    set_timer(l, cfg->loop->ops->now(cfg->loop).mono);
    *ret = l;
    return 0;
}

bool redis_link_is_up(const struct redis_link *l)
{
    return l->state == UP;
}

int redis_link_send(struct redis_link *l, int argc, const char **argv, const size_t *argn)
{
    if (l->state != UP)
        return E_IO;
    bool idle = l->out.n == 0;
    int rc = format(l, argc, argv, argn);
    if (l->out.failed)
        l->out.failed = false; /* the next may be shorter, or find memory */
    if (rc || !idle)
        return rc;
    rc = l->cfg.loop->ops->watch_set(l->watch, LOOP_READ | LOOP_WRITE);
    if (rc)
        buf_clear(&l->out);
    return rc;
}

void redis_link_expect(struct redis_link *l, nsec deadline)
{
    if (l->state == UP)
        set_timer(l, deadline);
}

void redis_link_break(struct redis_link *l, struct now now, const char *why)
{
    if (l->state == UP)
        fail(l, now, why);
}

static int ms_left(const struct timespec *end)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ms = (end->tv_sec - t.tv_sec) * INT64_C(1000) + (end->tv_nsec - t.tv_nsec) / 1000000;
    return ms < 0 ? 0 : ms > 10000 ? 10000 : (int)ms;
}

/* The server has taken what was sent once it closes its end too; what is closed earlier may be
 * thrown away unread. */
static void flush(struct redis_link *l, nsec wait)
{
    struct timespec end;
    char bytes[READ_BYTES];
    bool ended = false;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(wait / NSEC_PER_S);
    end.tv_nsec += (long)(wait % NSEC_PER_S);
    for (int ms; (ms = ms_left(&end)) > 0;) {
        if (l->out.n == 0 && !ended)
            ended = shutdown(l->fd, SHUT_WR) == 0;
        struct pollfd p = {l->fd, (short)(POLLIN | (l->out.n ? POLLOUT : 0)), 0};
        if (poll(&p, 1, ms) <= 0)
            return;
        if ((p.revents & (POLLIN | POLLHUP | POLLERR)) && read(l->fd, bytes, sizeof bytes) <= 0)
            return;
        ssize_t n = p.revents & POLLOUT ? send(l->fd, l->out.p, l->out.n, MSG_NOSIGNAL) : 0;
        if (n < 0)
            return;
        buf_consume(&l->out, (size_t)n);
    }
}

void redis_link_close(struct redis_link *l, nsec wait)
{
    if (!l || l->state == CLOSED)
        return;
    if (l->state == UP && wait)
        flush(l, wait);
    l->state = CLOSED;
    disconnect(l);
    l->cfg.loop->ops->timer_close(l->timer);
}

void redis_link_destroy(struct redis_link *l)
{
    if (!l)
        return;
    redis_link_close(l, 0);
    mem_free(l);
}
