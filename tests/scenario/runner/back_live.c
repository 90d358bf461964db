/* The real server over TLS and UDP. Addresses of scripts become loopback addresses: 203.0.113.10 is
 * 127.0.113.10, whatever is IPv6 is ::1.
 *
 * Order: the server is one loop, and what it was sent earlier it handles earlier, once it has been
 * asked something over HTTP behind it. That is what settle does; nothing here waits for silence. */
#include "back.h"

#include "base/check.h"
#include "live_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 512u
#define POLL_MS     5

struct live_link {
    int fd;
    SSL *ssl;
    bool stalled, closed;
    struct buf in;
};

struct live_udp {
    int fd;
    unsigned who, port;
    char ip[64];
};

struct live {
    struct back back;
    struct live_server server;
    SSL_CTX *tls;
    struct live_link links[BACK_CLIENTS_MAX];
    unsigned links_n;
    struct live_udp udp[SOCKETS_MAX];
    unsigned udp_n;
};

static struct live *live_of(struct back *b)
{
    return CONTAINER_OF(b, struct live, back);
}

/* ---- addresses ---- */

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    socklen_t n;
};

static bool place_of(const char *ip, uint16_t port, struct place *to)
{
    uint8_t a[4];
    *to = (struct place){.n = 0};
    if (strchr(ip, ':')) {
        to->u.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        to->u.v6.sin6_addr = in6addr_loopback;
        to->n = sizeof to->u.v6;
        return true;
    }
    if (inet_pton(AF_INET, ip, a) != 1)
        return false;
    a[0] = 127;
    to->u.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&to->u.v4.sin_addr, a, 4);
    to->n = sizeof to->u.v4;
    return true;
}

static bool is_v6(const struct place *p)
{
    return p->u.any.sa_family == AF_INET6;
}

/* ---- links ---- */

static void drop_link(struct live_link *l)
{
    SSL_free(l->ssl);
    l->ssl = NULL;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->closed = true;
}

/* Reads what has come. */
static void pump(struct live_link *l)
{
    while (l->ssl && !l->closed && !l->stalled) {
        uint8_t *room = buf_reserve(&l->in, 16384);
        CHECK(room);
        int n = SSL_read(l->ssl, room, 16384);
        if (n > 0) {
            buf_commit(&l->in, (size_t)n);
            continue;
        }
        int e = SSL_get_error(l->ssl, n);
        if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
            return;
        l->closed = true;
    }
}

static void pump_all(struct live *v)
{
    for (unsigned i = 0; i < v->links_n; i++)
        pump(&v->links[i]);
}

static void poll_one(struct live *v, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    (void)poll(&p, 1, POLL_MS);
    pump_all(v);
}

static nsec limit_of(const struct live *v)
{
    return live_clock() + (nsec)(20e9 * v->server.cfg.slowness);
}

static bool handshake(struct live *v, struct live_link *l)
{
    for (nsec end = limit_of(v); live_clock() < end;) {
        int n = SSL_connect(l->ssl);
        if (n == 1)
            return true;
        int e = SSL_get_error(l->ssl, n);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return false;
        poll_one(v, l->fd, e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
    }
    return false;
}

static int connect_from(struct live *v, const struct place *from, unsigned flags)
{
    struct place to;
    int one = 1, small = 4096;
    CHECK(place_of(is_v6(from) ? "::1" : "127.0.0.1", v->server.port, &to));
    int fd = socket(from->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (flags & CLIENT_SLOW)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, &from->u.any, from->n) == 0 && connect(fd, &to.u.any, to.n) == 0 &&
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static bool live_open(struct back *b, unsigned who, const char *ip, unsigned flags, struct buf *why)
{
    struct live *v = live_of(b);
    struct live_link *l = &v->links[who];
    struct place from;
    while (v->links_n <= who) {
        v->links[v->links_n].fd = -1;
        buf_init(&v->links[v->links_n++].in, 64u << 20);
    }
    drop_link(l);
    buf_clear(&l->in);
    if (!place_of(ip, 0, &from)) {
        (void)buf_printf(why, "%s is no address", ip);
        return false;
    }
    l->fd = connect_from(v, &from, flags);
    l->closed = l->stalled = false;
    l->ssl = l->fd >= 0 ? SSL_new(v->tls) : NULL;
    if (!l->ssl || !SSL_set_fd(l->ssl, l->fd) || !handshake(v, l)) {
        drop_link(l);
        (void)buf_append_str(why, "no TLS connection comes about");
        return false;
    }
    return true;
}

static bool live_send(struct back *b, unsigned who, struct span bytes)
{
    struct live *v = live_of(b);
    struct live_link *l = &v->links[who];
    for (nsec end = limit_of(v); bytes.n && l->ssl && live_clock() < end;) {
        int n = SSL_write(l->ssl, bytes.p, bytes.n < 16384 ? (int)bytes.n : 16384);
        if (n > 0) {
            bytes = span_skip(bytes, (size_t)n);
            continue;
        }
        int e = SSL_get_error(l->ssl, n);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return true; /* it has ended */
        poll_one(v, l->fd, e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
    }
    return bytes.n == 0 || !l->ssl;
}

static void live_end(struct back *b, unsigned who, enum ending how)
{
    struct live_link *l = &live_of(b)->links[who];
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (!l->ssl)
        return;
    if (how != END_RESET)
        (void)SSL_shutdown(l->ssl);
    if (how == END_HALF) {
        (void)shutdown(l->fd, SHUT_WR);
        return;
    }
    if (how == END_RESET)
        (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    drop_link(l);
}

static void live_stall(struct back *b, unsigned who, bool stalled)
{
    live_of(b)->links[who].stalled = stalled;
}

static bool live_line(struct back *b, unsigned who, struct buf *to)
{
    struct live_link *l = &live_of(b)->links[who];
    pump(l);
    const uint8_t *lf = l->in.n ? memchr(l->in.p, '\n', l->in.n) : NULL;
    if (!lf)
        return false;
    size_t n = (size_t)(lf - l->in.p);
    (void)buf_append(to, l->in.p, n);
    buf_consume(&l->in, n + 1);
    return true;
}

static bool live_closed(struct back *b, unsigned who)
{
    struct live_link *l = &live_of(b)->links[who];
    pump(l);
    return l->closed;
}

/* ---- datagrams ---- */

static struct live_udp *udp_of(struct live *v, unsigned who, const char *ip, unsigned port)
{
    struct place from, to;
    int big = 4 << 20;
    for (unsigned i = 0; i < v->udp_n; i++)
        if (v->udp[i].who == who && v->udp[i].port == port && strcmp(v->udp[i].ip, ip) == 0)
            return &v->udp[i];
    if (v->udp_n == SOCKETS_MAX || !place_of(ip, 0, &from) ||
        !place_of(is_v6(&from) ? "::1" : "127.0.0.1", v->server.port, &to))
        return NULL;
    int fd = socket(from.u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return NULL;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    if (bind(fd, &from.u.any, from.n) != 0 || connect(fd, &to.u.any, to.n) != 0) {
        (void)close(fd);
        return NULL;
    }
    struct live_udp *u = &v->udp[v->udp_n++];
    *u = (struct live_udp){.fd = fd, .who = who, .port = port};
    (void)snprintf(u->ip, sizeof u->ip, "%s", ip);
    return u;
}

static void live_cast(struct back *b, unsigned who, const char *ip, unsigned port,
                      struct span bytes)
{
    struct live *v = live_of(b);
    struct live_udp *u = udp_of(v, who, ip, port);
    CHECK(u);
    if (send(u->fd, bytes.p ? bytes.p : (const void *)"", bytes.n, 0) < 0)
        poll_one(v, u->fd, POLLOUT);
}

static long live_catch(struct back *b, unsigned who, unsigned port, uint8_t to[BACK_DGRAM_MAX])
{
    struct live *v = live_of(b);
    for (unsigned i = 0; i < v->udp_n; i++) {
        if (v->udp[i].who != who || v->udp[i].port != port)
            continue;
        ssize_t n = recv(v->udp[i].fd, to, BACK_DGRAM_MAX, 0);
        if (n >= 0)
            return n;
    }
    return -1;
}

/* ---- time ---- */

/* Twice: what it was sent and the first question may come up in one turn of its loop, in any order;
 * the second question comes up in a later one. */
static void live_settle(struct back *b)
{
    struct live *v = live_of(b);
    (void)live_server_get(&v->server, "/healthz", NULL);
    (void)live_server_get(&v->server, "/healthz", NULL);
    pump_all(v);
}

/* Something to read on any socket, or a moment: the log and the metrics have no descriptor. */
static bool live_wait(struct back *b, nsec *left)
{
    static struct pollfd p[BACK_CLIENTS_MAX + SOCKETS_MAX];
    struct live *v = live_of(b);
    nfds_t n = 0;
    nsec before = live_clock();
    if (*left == 0)
        return false;
    for (unsigned i = 0; i < v->links_n; i++)
        if (v->links[i].ssl && !v->links[i].closed && !v->links[i].stalled)
            p[n++] = (struct pollfd){.fd = v->links[i].fd, .events = POLLIN};
    for (unsigned i = 0; i < v->udp_n; i++)
        p[n++] = (struct pollfd){.fd = v->udp[i].fd, .events = POLLIN};
    int ready = poll(p, n, *left < POLL_MS * NSEC_PER_MS ? 1 : POLL_MS);
    unsigned was = 0;
    for (unsigned i = 0; i < v->links_n; i++)
        was += (unsigned)v->links[i].in.n;
    pump_all(v);
    unsigned is = 0;
    for (unsigned i = 0; i < v->links_n; i++)
        is += (unsigned)v->links[i].in.n;
    if (ready > 0 && is == was)
        live_pause_ms(1); /* a datagram of somebody else waits: do not spin */
    nsec gone = (nsec)((double)(live_clock() - before) / v->server.cfg.slowness);
    *left -= gone < *left ? gone : *left;
    return true;
}

static void live_advance(struct back *b, nsec by)
{
    struct live *v = live_of(b);
    nsec end = live_clock() + by;
    for (nsec now; (now = live_clock()) < end;) {
        nsec ms = (end - now) / NSEC_PER_MS;
        live_pause_ms(ms > 20 ? 20 : (unsigned)ms + 1);
        pump_all(v);
    }
}

/* ---- the server ---- */

static bool live_start(struct back *b, const struct setup *setup, struct buf *why)
{
    return live_server_start(&live_of(b)->server, setup, why);
}

static bool live_configure(struct back *b, const struct setup *setup, struct buf *why)
{
    return live_server_configure(&live_of(b)->server, setup, why);
}

static bool live_drain(struct back *b, nsec after, struct buf *why)
{
    (void)after; /* the server knows it from its settings (struct setup) */
    return live_server_drain(&live_of(b)->server, why);
}

static bool live_restart(struct back *b, bool crash, const struct setup *setup, struct buf *why)
{
    struct live *v = live_of(b);
    if (crash)
        live_server_kill(&v->server);
    else if (!live_server_stop(&v->server, why))
        return false;
    pump_all(v);
    return live_server_again(&v->server, setup, why);
}

/* The value behind `name{labels} ` in the text of /metrics. */
static bool live_metric(struct back *b, const char *name, const char *labels, double *ret)
{
    char want[420];
    struct buf text;
    bool found = false;
    int n = snprintf(want, sizeof want, "\n%s%s%s%s ", name, *labels ? "{" : "", labels,
                     *labels ? "}" : "");
    buf_init(&text, 16u << 20);
    if (live_server_get(&live_of(b)->server, "/metrics", &text) == 200 &&
        buf_append_byte(&text, 0) == 0) {
        const char *at = strstr((const char *)text.p, want);
        found = at != NULL;
        if (found)
            *ret = strtod(at + n, NULL);
    }
    buf_fini(&text);
    return found;
}

static struct span live_log(struct back *b)
{
    return live_server_log(&live_of(b)->server);
}

static bool live_finish(struct back *b, struct buf *why)
{
    struct live *v = live_of(b);
    for (unsigned i = 0; i < v->links_n; i++) {
        drop_link(&v->links[i]);
        buf_fini(&v->links[i].in);
    }
    for (unsigned i = 0; i < v->udp_n; i++)
        (void)close(v->udp[i].fd);
    bool ok = live_server_stop(&v->server, why);
    live_server_fini(&v->server);
    SSL_CTX_free(v->tls);
    free(v);
    return ok;
}

struct back *back_live(const struct live_cfg *cfg)
{
    static const struct back_ops ops = {
        .name = "live",
        .only = ONLY_LIVE,
        .start = live_start,
        .finish = live_finish,
        .open = live_open,
        .send = live_send,
        .end = live_end,
        .stall = live_stall,
        .line = live_line,
        .closed = live_closed,
        .cast = live_cast,
        .catch = live_catch,
        .settle = live_settle,
        .wait = live_wait,
        .advance = live_advance,
        .configure = live_configure,
        .drain = live_drain,
        .restart = live_restart,
        .metric = live_metric,
        .log = live_log,
    };
    struct live *v = calloc(1, sizeof *v);
    CHECK(v);
    v->back.ops = &ops;
    v->server.cfg = *cfg;
    buf_init(&v->server.log, 256u << 20);
    v->tls = SSL_CTX_new(TLS_client_method());
    CHECK(v->tls);
    SSL_CTX_set_verify(v->tls, SSL_VERIFY_NONE, NULL); /* as the document's clients do */
    SSL_CTX_set_options(v->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(v->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return &v->back;
}
