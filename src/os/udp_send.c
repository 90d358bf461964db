/* Sending: datagrams become messages (a run to one destination becomes one), messages go to the
 * kernel in as few calls as it allows. sendmmsg stops at the first message that fails; the rest
 * must not suffer for it. */
#include "os/udp_priv.h"

#include "os/addr_sys.h"

#include <errno.h>
#include <netinet/udp.h>

#define SEGMENT_SURE 1200u /* a segment of this size fits every path (RFC 9000 section 14) */

struct plan {
    size_t messages, iovs, dgrams;
};

static bool same_path(const struct path *a, const struct path *b)
{
    return addr_eq(&a->peer, &b->peer) && addr_same_family(&a->peer, &b->peer) &&
           a->peer.loop6 == b->peer.loop6 && a->peer.scope == b->peer.scope &&
           addr_same_host(&a->local, &b->local);
}

/* How many of v make one segmented send: one path, one size, a shorter one last. */
static size_t run_length(const struct udp *u, const struct dgram_out *v, size_t n)
{
    size_t size = v[0].bytes.n, total = size, len = 1;
    if (!u->segments || size == 0)
        return 1;
    while (len < n && len < UDP_SEGMENTS && v[len].bytes.n > 0 && v[len].bytes.n <= size &&
           total + v[len].bytes.n <= UDP_SEND_BYTES && same_path(v[len].path, v[0].path)) {
        total += v[len++].bytes.n;
        if (v[len - 1].bytes.n < size)
            break;
    }
    return len;
}

/* msg_controllen counts what is used so far; the room behind it is ours and zeroed. */
static void add_control(struct msghdr *m, int level, int type, const void *data, size_t n)
{
    uint8_t *at = (uint8_t *)m->msg_control + m->msg_controllen;
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};
    memcpy(at, &c, sizeof c);
    memcpy(at + CMSG_LEN(0), data, n);
    m->msg_controllen += CMSG_SPACE(n);
}

/* The answer leaves from the address the datagram came to. */
static void add_source(const struct udp *u, const struct path *path, struct msghdr *m)
{
    if (!u->any || path->local.family == ADDR_NONE)
        return;
    if (u->domain == AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, path->local.ip + 12, 4);
        add_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        return;
    }
    struct in6_pktinfo info = {0};
    addr_wire_ip(&path->local, info.ipi6_addr.s6_addr);
    add_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

static void plan_one(struct udp *u, struct plan *p, const struct dgram_out *v, size_t len)
{
    struct udp_io *io = u->cfg.io;
    size_t i = p->messages++;
    struct msghdr *m = &io->tx[i].msg_hdr;
    memset(io->tx_control[i], 0, sizeof io->tx_control[i]);
    *m = (struct msghdr){
        .msg_name = &io->tx_name[i],
        .msg_namelen = addr_to_sys(&v[0].path->peer, u->domain, &io->tx_name[i]),
        .msg_iov = &io->tx_iov[p->iovs],
        .msg_iovlen = len,
        .msg_control = io->tx_control[i],
    };
    for (size_t k = 0; k < len; k++)
        io->tx_iov[p->iovs++] = (struct iovec){(void *)(uintptr_t)v[k].bytes.p, v[k].bytes.n};
    io->tx_parts[i] = (uint32_t)len;
    p->dgrams += len;
    add_source(u, v[0].path, m);
    if (len > 1) {
        uint16_t size = (uint16_t)v[0].bytes.n;
        add_control(m, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
}

/* As many of v as one system call takes. */
static struct plan make_plan(struct udp *u, const struct dgram_out *v, size_t n)
{
    struct plan p = {0};
    while (p.dgrams < n && p.messages < UDP_SENDS) {
        size_t len = run_length(u, v + p.dgrams, n - p.dgrams);
        if (p.iovs + len > UDP_IOVS)
            break;
        plan_one(u, &p, v + p.dgrams, len);
    }
    return p;
}

static enum server_row row_of(int e)
{
    switch (e) {
    case EPERM:
    case EACCES: return ROW_SEND_DENIED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EDESTADDRREQ:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL: return ROW_SEND_UNREACHABLE;
    case ECONNREFUSED: return ROW_SEND_REFUSED;
    case EMSGSIZE: return ROW_SEND_SIZE;
    default: return ROW_SEND_OTHER;
    }
}

static void count_sent(struct udp *u, size_t from, size_t n)
{
    const struct udp_io *io = u->cfg.io;
    uint64_t dgrams = 0, bytes = 0, segmented = 0;
    for (size_t i = from; i < from + n; i++) {
        dgrams += io->tx_parts[i];
        bytes += io->tx[i].msg_len;
        segmented += io->tx_parts[i] > 1;
    }
    rows_add(&u->cfg.rows, ROW_DGRAMS_OUT, dgrams);
    rows_add(&u->cfg.rows, ROW_DGRAM_BYTES_OUT, bytes);
    rows_add(&u->cfg.rows, ROW_SEND_SEGMENTED, segmented);
    rows_add(&u->cfg.rows, ROW_SEND_CALLS, 1);
}

struct singly {
    size_t dealt, sent;
    bool blocked;
};

/* The datagrams of one segmented message, one by one. */
static struct singly send_singly(struct udp *u, size_t message)
{
    struct udp_io *io = u->cfg.io;
    struct singly s = {0};
    struct msghdr m = io->tx[message].msg_hdr;
    m.msg_controllen -= CMSG_SPACE(sizeof(uint16_t)); /* UDP_SEGMENT came last */
    m.msg_iovlen = 1;
    for (; s.dealt < io->tx_parts[message]; m.msg_iov++, s.dealt++) {
        ssize_t r;
        do {
            r = sendmsg(u->fd, &m, MSG_DONTWAIT);
        } while (r < 0 && errno == EINTR);
        if (r < 0 && errno == EAGAIN) {
            s.blocked = true;
            break;
        }
        rows_add(&u->cfg.rows, r < 0 ? row_of(errno) : ROW_DGRAMS_OUT, 1);
        rows_add(&u->cfg.rows, ROW_SEND_CALLS, 1);
        rows_add(&u->cfg.rows, ROW_DGRAM_BYTES_OUT, r < 0 ? 0 : (uint64_t)r);
        s.sent += r >= 0;
    }
    return s;
}

static bool is_segment_error(int e)
{
    return e == EINVAL || e == EIO || e == EOPNOTSUPP || e == EMSGSIZE || e == ENOPROTOOPT;
}

/* A segmented send was refused with e: each datagram gets its own. If that works although the
 * segments were small, then the kernel or the device cannot do it, and it is not tried again; a big
 * segment may only have been too big for its path. */
static struct singly fall_back(struct udp *u, size_t message, int e)
{
    struct singly s = send_singly(u, message);
    if (s.sent > 0 && e != EMSGSIZE &&
        u->cfg.io->tx[message].msg_hdr.msg_iov[0].iov_len <= SEGMENT_SURE)
        u->segments = false;
    return s;
}

/* Sends what is planned; how many datagrams were dealt with. *blocked: the socket would block. */
static size_t send_plan(struct udp *u, const struct plan *p, bool *blocked)
{
    struct udp_io *io = u->cfg.io;
    size_t dealt = 0;
    for (size_t i = 0; i < p->messages;) {
        int r = sendmmsg(u->fd, io->tx + i, (unsigned)(p->messages - i), MSG_DONTWAIT);
        int e = errno;
        if (r > 0) {
            count_sent(u, i, (size_t)r);
            for (size_t end = i + (size_t)r; i < end; i++)
                dealt += io->tx_parts[i];
        } else if (r < 0 && e == EAGAIN) {
            *blocked = true;
            return dealt;
        } else if (r < 0 && io->tx_parts[i] > 1 && is_segment_error(e)) {
            struct singly s = fall_back(u, i++, e);
            dealt += s.dealt;
            *blocked = s.blocked;
            if (s.blocked)
                return dealt;
        } else if (e != EINTR) {
            rows_add(&u->cfg.rows, row_of(e), io->tx_parts[i]);
            dealt += io->tx_parts[i++];
        }
    }
    return dealt;
}

size_t udp_send(struct udp *u, const struct dgram_out *v, size_t n)
{
    size_t dealt = 0;
    bool blocked = u->blocked; /* known full: spare the call that says so again */
    while (dealt < n && !blocked) {
        struct plan p = make_plan(u, v + dealt, n - dealt);
        dealt += send_plan(u, &p, &blocked);
    }
    if (blocked && !u->blocked) {
        u->blocked = true;
        rows_add(&u->cfg.rows, ROW_SEND_BLOCKED, 1);
        (void)u->cfg.loop->ops->watch_set(u->watch, LOOP_READ | LOOP_WRITE);
    }
    return dealt;
}
