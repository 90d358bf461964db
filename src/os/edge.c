/* Listeners: opening them, with error texts that say how to mend what is wrong, and accepting
 * within the ceilings. */
#include "os/server_priv.h"

#include "base/err.h"
#include "os/addr_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG    4096 /* the kernel cuts it to net.core.somaxconn */
#define ACCEPTS    32u  /* in one go, before other descriptors have their turn */
#define HOLD       (50 * NSEC_PER_MS)
#define CROWD_AGE  (2 * NSEC_PER_S) /* a handshake this old may have to make room */
#define PATH_BYTES 4096u

static const struct log_row log_accept = {LOG_WARN, "edge.accept_failed",
                                          "connections cannot be accepted"};

/* --- opening -----------------------------------------------------------------------------------
 */

static void explain_denied(const struct listener_spec *spec, struct buf *why)
{
    char path[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (spec->port < 1024)
        (void)buf_printf(why,
                         "ports below 1024 need a right: run \"sudo setcap "
                         "cap_net_bind_service=+ep %s\", or set %s to 1024 or more",
                         n > 0 ? path : "BINARY", spec->port_key);
    else
        (void)buf_printf(why, "permission denied; set %s to another port", spec->port_key);
}

static void explain(const struct listener_spec *spec, int e, struct buf *why)
{
    bool udp = spec->kind == LISTEN_UDP;
    (void)buf_printf(why, "cannot listen on address %s, %s port %u (%s): ", spec->bind,
                     udp ? "UDP" : "TCP", spec->port, spec->port_key);
    if (e == EADDRINUSE)
        (void)buf_printf(why,
                         "another program uses it; stop that one (\"ss -%cnp 'sport = :%u'\" names "
                         "it), or set %s to another port",
                         udp ? 'u' : 't', spec->port, spec->port_key);
    else if (e == EACCES || e == EPERM)
        explain_denied(spec, why);
    else if (e == EADDRNOTAVAIL)
        (void)buf_printf(why,
                         "this machine has no such address; \"ip address\" lists those it has");
    else if (e == EAFNOSUPPORT)
        (void)buf_printf(why, "this machine has no IPv6; use 0.0.0.0 instead");
    else if (e == EMFILE || e == ENFILE)
        (void)buf_printf(why, "too many open files; raise the limit (\"ulimit -n\")");
    else
        (void)buf_printf(why, "%s", strerror(e));
}

/* A bound socket, or a negative errno. */
static int open_socket(const struct listener_spec *spec, const struct addr *a)
{
    int domain = a->family == ADDR_V6 ? AF_INET6 : AF_INET, on = 1, off = 0;
    int type = spec->kind == LISTEN_UDP ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct sockaddr_storage ss = {0};
    socklen_t n = addr_to_sys(a, domain, &ss);
    bool ok =
        (domain != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
        (type != SOCK_STREAM || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0) &&
        bind(fd, (struct sockaddr *)&ss, n) == 0 &&
        (type != SOCK_STREAM || listen(fd, BACKLOG) == 0);
    if (ok)
        return fd;
    int e = errno;
    (void)close(fd);
    return -e;
}

struct addr edge_local_addr(int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof ss;
    (void)getsockname(fd, (struct sockaddr *)&ss, &n);
    return addr_from_sys(&ss);
}

static void on_accept(void *ctx, struct now now, unsigned events);

static int watch_socket(struct listener *l, int fd)
{
    struct server *s = l->b->s;
    if (l->spec.kind == LISTEN_UDP) {
        struct udp_cfg cfg = {
            s->loop,         s->udp_io,          s->rows, fd, l->index, s->cfg.udp_buffer_bytes,
            server_on_batch, server_on_writable, l};
        return udp_open(&l->udp, &cfg);
    }
    int rc = s->loop->ops->watch(s->loop, fd, LOOP_READ, on_accept, l, &l->watch);
    if (!rc)
        l->fd = fd;
    return rc;
}

int edge_listen(struct listener *l, struct buf *why)
{
    struct addr a;
    if (addr_parse(&a, l->spec.bind) != 0) {
        (void)buf_printf(why, "\"%s\", where %s is to listen, is not an IP address", l->spec.bind,
                         l->spec.port_key);
        return E_CONFIG;
    }
    a.port = l->spec.port;
    int fd = open_socket(&l->spec, &a);
    if (fd < 0) {
        explain(&l->spec, -fd, why);
        return E_CONFIG;
    }
    int rc = watch_socket(l, fd);
    if (rc) {
        explain(&l->spec, rc == E_NOMEM ? ENOMEM : EIO, why);
        (void)close(fd);
        return E_CONFIG;
    }
    l->port = edge_local_addr(fd).port;
    return 0;
}

void edge_close(struct listener *l)
{
    if (l->fd >= 0) {
        l->b->s->loop->ops->unwatch(l->watch);
        (void)close(l->fd);
    }
    udp_close(l->udp);
    l->fd = -1;
    l->watch = NULL;
    l->udp = NULL;
    l->port = 0;
}

/* --- accepting ----------------------------------------------------------------------------------
 */

static void watch_all(struct server *s, unsigned events)
{
    for (size_t i = 0; i < s->bound_n; i++)
        for (size_t k = 0; k < s->bound[i]->listeners_n; k++)
            if (s->bound[i]->listeners[k].watch)
                (void)s->loop->ops->watch_set(s->bound[i]->listeners[k].watch, events);
}

void edge_hold(struct server *s, struct now now)
{
    if (!s->held)
        watch_all(s, 0);
    s->held = true;
    s->loop->ops->timer_set(s->retry, now.mono + HOLD);
}

void edge_on_retry(void *ctx, struct now now)
{
    struct server *s = ctx;
    (void)now;
    s->held = false;
    watch_all(s, LOOP_READ);
}

/* No descriptors left: connections that stay in the backlog would wake the loop for ever, so one is
 * taken with the spare descriptor and closed. False when there was none. */
static bool turn_away(struct listener *l, struct now now)
{
    struct server *s = l->b->s;
    int fd = -1;
    if (s->reserve >= 0) {
        (void)close(s->reserve);
        fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            (void)close(fd);
        rows_add(&s->rows, ROW_REFUSED_DESCRIPTORS, fd >= 0);
    }
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (s->reserve < 0)
        edge_hold(s, now);
    return fd >= 0;
}

/* What to do after accept said e: true to try again at once. */
static bool after_error(struct listener *l, struct now now, int e)
{
    struct server *s = l->b->s;
    uint64_t left_out;
    if (e == EAGAIN)
        return false;
    if (e != EMFILE && e != ENFILE && e != ENOBUFS && e != ENOMEM)
        return true; /* this one connection's trouble: accept(2), "Error handling" */
    if (log_gate_pass(&s->gate_accept, now.mono, 1, &left_out))
        LOG(s->log, &log_accept, LF_STR("service", l->b->ops->name), LF_STR("error", strerror(e)),
            LF_UINT("left_out", left_out));
    if (e == EMFILE || e == ENFILE)
        return turn_away(l, now);
    edge_hold(s, now);
    return false;
}

static struct link *oldest_handshake(struct server *s)
{
    return CONTAINER_OF(s->handshakes.next, struct link, age);
}

/* Room for one handshake more: or somebody who has been at it for so long that he must go. When all
 * are young, the newcomers wait in the backlog. */
static bool handshake_room(struct server *s, struct now now)
{
    return s->handshakes_n < s->cfg.handshakes_max ||
           now.mono - oldest_handshake(s)->since >= CROWD_AGE;
}

static void take(struct listener *l, int fd, const struct addr *peer, struct now now)
{
    struct server *s = l->b->s;
    struct admission counted = {0};
    bool proxied = exempt_has(&s->cfg.proxies, peer);
    rows_add(&s->rows, ROW_ACCEPTED, 1);
    if (s->handshakes_n >= s->cfg.handshakes_max && (proxied || l->spec.kind == LISTEN_TLS))
        link_drop_handshake(oldest_handshake(s), now, HANDSHAKE_CROWDED);
    if (s->links.live >= s->cfg.links_max) {
        door_refuse(l, peer, now, ROW_REFUSED_FULL, "full");
    } else if (!proxied && !door_admit(l, peer, now, &counted)) {
        /* told already */
    } else if (link_adopt(l, fd, peer, now, proxied ? NULL : &counted) != 0) {
        door_refuse(l, peer, now, ROW_REFUSED_MEMORY, "out of memory");
        door_forget(l->b, peer, &counted);
        return; /* link_adopt closed it */
    } else {
        return;
    }
    (void)close(fd);
}

static void on_accept(void *ctx, struct now now, unsigned events)
{
    struct listener *l = ctx;
    struct server *s = l->b->s;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS && l->fd >= 0 && !s->held; i++) {
        if (l->spec.kind == LISTEN_TLS && !handshake_room(s, now)) {
            edge_hold(s, now);
            break;
        }
        struct sockaddr_storage ss = {0};
        socklen_t n = sizeof ss;
        int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && !after_error(l, now, errno))
            break;
        struct addr peer = addr_from_sys(&ss);
        if (fd >= 0)
            take(l, fd, &peer, now);
        server_look(s, now);
    }
    server_settle(s, now);
}
