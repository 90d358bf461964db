/* Receiving and the life of a socket; sending is in udp_send.c. */
#include "os/udp_priv.h"

#include "base/err.h"
#include "base/mem.h"
#include "os/addr_sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

/* Makes the first n messages ready to be read into. */
static void arm(struct udp_io *io, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        io->rx_iov[i] = (struct iovec){io->rx_bytes[i], UDP_DGRAM_MAX};
        io->rx[i].msg_hdr = (struct msghdr){
            .msg_name = &io->rx_name[i],
            .msg_namelen = sizeof io->rx_name[i],
            .msg_iov = &io->rx_iov[i],
            .msg_iovlen = 1,
            .msg_control = io->rx_control[i],
            .msg_controllen = sizeof io->rx_control[i],
        };
    }
}

int udp_io_create(struct udp_io **ret)
{
    struct udp_io *io = mem_zalloc(1, sizeof *io);
    if (!io)
        return E_NOMEM;
    arm(io, UDP_BATCH);
    *ret = io;
    return 0;
}

void udp_io_destroy(struct udp_io *io)
{
    mem_free_secret(io, sizeof *io); /* it holds what players sent */
}

/* The address a datagram came to, and the kernel's counter of what it had to drop. */
static void read_control(struct udp *u, struct msghdr *m, struct addr *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t drops;
            memcpy(&drops, CMSG_DATA(c), sizeof drops);
            /* Since the socket was made; it wraps. A snapshot may be older than the last one. */
            uint32_t more = drops - u->drops;
            if (more < UINT32_MAX / 2) {
                rows_add(&u->cfg.rows, ROW_DGRAM_KERNEL_DROPS, more);
                u->drops = drops;
            }
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            uint8_t ip[4];
            memcpy(ip, &info.ipi_spec_dst, sizeof ip);
            *local = addr_v4(ip, u->local.port);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            *local = addr_v6(info.ipi6_addr.s6_addr, u->local.port, 0);
        }
    }
}

/* Reads one batch into io; how many the kernel gave, 0 when there is nothing (left). */
static size_t read_batch(struct udp *u)
{
    int n;
    do {
        n = recvmmsg(u->fd, u->cfg.io->rx, UDP_BATCH, MSG_DONTWAIT, NULL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        rows_add(&u->cfg.rows, ROW_DGRAM_RECV_ERRORS, 1);
    return n < 0 ? 0 : (size_t)n;
}

/* Turns n messages as read into datagrams; how many are worth handing over. */
static size_t take_batch(struct udp *u, size_t n)
{
    struct udp_io *io = u->cfg.io;
    size_t taken = 0;
    uint64_t bytes = 0, cut = 0;
    for (size_t i = 0; i < n; i++) {
        struct msghdr *m = &io->rx[i].msg_hdr;
        struct dgram *d = &io->dgrams[taken];
        d->path.sock = u->cfg.sock;
        d->path.local = u->local;
        read_control(u, m, &d->path.local);
        bytes += io->rx[i].msg_len;
        if (m->msg_flags & MSG_TRUNC) {
            cut++;
            continue;
        }
        d->path.peer = addr_from_sys(&io->rx_name[i]);
        d->bytes = span_of(io->rx_bytes[i], io->rx[i].msg_len);
        taken++;
    }
    arm(io, n);
    rows_add(&u->cfg.rows, ROW_DGRAMS_IN, n);
    rows_add(&u->cfg.rows, ROW_DGRAM_BYTES_IN, bytes);
    rows_add(&u->cfg.rows, ROW_DGRAM_CUT, cut);
    return taken;
}

/* False when nothing is left. */
static bool deal_batch(struct udp *u, struct now now)
{
    size_t n = read_batch(u), taken = n ? take_batch(u, n) : 0;
    if (taken)
        u->cfg.batch(u->cfg.ctx, now, u->cfg.io->dgrams, taken);
    return n == UDP_BATCH;
}

void udp_look(struct udp *u, struct now now)
{
    (void)deal_batch(u, now);
}

static void on_event(void *ctx, struct now now, unsigned events)
{
    struct udp *u = ctx;
    if (events & LOOP_WRITE) {
        (void)u->cfg.loop->ops->watch_set(u->watch, LOOP_READ);
        u->blocked = false;
        u->cfg.writable(u->cfg.ctx, now);
    }
    if (!(events & LOOP_READ))
        return;
    for (unsigned i = 0; i < UDP_BATCHES && deal_batch(u, now); i++)
        ;
}

static void set_flag(int fd, int level, int name)
{
    int on = 1;
    (void)setsockopt(fd, level, name, &on, sizeof on);
}

/* Asks for `bytes`; beyond net.core.rmem_max and wmem_max only with the right to. */
static uint32_t grow_buffer(int fd, int force, int name, uint32_t bytes)
{
    int want = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes, got = 0;
    if (setsockopt(fd, SOL_SOCKET, force, &want, sizeof want) != 0)
        (void)setsockopt(fd, SOL_SOCKET, name, &want, sizeof want);
    socklen_t n = sizeof got;
    (void)getsockopt(fd, SOL_SOCKET, name, &got, &n);
    return (uint32_t)got;
}

static void set_options(struct udp *u)
{
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof ss;
    (void)getsockname(u->fd, (struct sockaddr *)&ss, &n);
    u->domain = ss.ss_family;
    u->local = addr_from_sys(&ss);
    static const uint8_t any4[16] = {[10] = 0xff, [11] = 0xff}, any6[16];
    u->any = memcmp(u->local.ip, any4, 16) == 0 || memcmp(u->local.ip, any6, 16) == 0;
    set_flag(u->fd, SOL_SOCKET, SO_RXQ_OVFL);
    if (u->any && u->domain == AF_INET)
        set_flag(u->fd, IPPROTO_IP, IP_PKTINFO);
    if (u->any && u->domain == AF_INET6)
        set_flag(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    u->receive_bytes = grow_buffer(u->fd, SO_RCVBUFFORCE, SO_RCVBUF, u->cfg.buffer_bytes);
    u->send_bytes = grow_buffer(u->fd, SO_SNDBUFFORCE, SO_SNDBUF, u->cfg.buffer_bytes);
}

int udp_open(struct udp **ret, const struct udp_cfg *cfg)
{
    struct udp *u = mem_zalloc(1, sizeof *u);
    if (!u)
        return E_NOMEM;
    u->cfg = *cfg;
    u->fd = cfg->fd;
    u->segments = true;
    set_options(u);
    int rc = cfg->loop->ops->watch(cfg->loop, u->fd, LOOP_READ, on_event, u, &u->watch);
    if (rc) {
        mem_free(u);
        return rc;
    }
    *ret = u;
    return 0;
}

void udp_close(struct udp *u)
{
    if (!u)
        return;
    u->cfg.loop->ops->unwatch(u->watch);
    (void)close(u->fd);
    mem_free(u);
}

void udp_buffers(const struct udp *u, uint32_t *receive, uint32_t *send)
{
    *receive = u->receive_bytes;
    *send = u->send_bytes;
}

bool udp_segments(const struct udp *u)
{
    return u->segments;
}
