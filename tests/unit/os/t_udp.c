/* Real sockets; sendmmsg and sendmsg are wrapped at link time so that a test can make them fail the
 * way a full buffer, a firewall or an old kernel would. */
#include "fixture.h"

#include "base/mem.h"
#include "os/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fx f;

/* --- faults
 * ------------------------------------------------------------------------------------------ */

static struct {
    int code;                 /* what fails next time */
    unsigned pass;            /* after so many messages went through */
    unsigned times;           /* so often */
    bool segmented_only;      /* only messages that carry UDP_SEGMENT */
    unsigned calls, messages; /* as they reached the kernel */
} fault;

int __real_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

static bool hit(const struct msghdr *m)
{
    if (!fault.times || (fault.segmented_only && m->msg_iovlen < 2))
        return false;
    if (fault.pass > 0) {
        fault.pass--;
        return false;
    }
    fault.times--;
    return true;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    unsigned ok = 0;
    while (ok < n && !hit(&v[ok].msg_hdr))
        ok++;
    if (ok == 0) {
        errno = fault.code;
        return -1;
    }
    if (ok < n) /* as the kernel does: say what went, and fail in the next call */
        fault.times++;
    int r = __real_sendmmsg(fd, v, ok, flags);
    fault.calls++;
    fault.messages += r > 0 ? (unsigned)r : 0;
    return r;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (hit(m)) {
        errno = fault.code;
        return -1;
    }
    fault.calls++;
    return __real_sendmsg(fd, m, flags);
}

/* --- the far end
 * ------------------------------------------------------------------------------------- */

struct peer {
    int fd;
    unsigned n;
    size_t bytes;
    uint8_t seen[4096];
    size_t sizes[4096];
    struct addr from;
};

static void peer_open(struct peer *p)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *p = (struct peer){0};
    p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(p->fd >= 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&any, sizeof any), 0);
    int big = 4 << 20;
    assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big), 0);
}

static void peer_send(struct peer *p, const char *host, uint16_t port, const void *b, size_t n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    assert_int_equal(sendto(p->fd, b, n, 0, (struct sockaddr *)&to, sizeof to), n);
}

static void peer_read(struct peer *p)
{
    uint8_t b[65536];
    struct sockaddr_in from = {0};
    socklen_t fn = sizeof from;
    ssize_t r;
    while ((r = recvfrom(p->fd, b, sizeof b, 0, (struct sockaddr *)&from, &fn)) >= 0) {
        assert_true(p->n < ARRAY_LEN(p->seen));
        p->seen[p->n] = r ? b[0] : 0;
        p->sizes[p->n++] = (size_t)r;
        p->bytes += (size_t)r;
        uint8_t ip[4];
        memcpy(ip, &from.sin_addr, 4);
        p->from = addr_v4(ip, ntohs(from.sin_port));
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&fault, 0, sizeof fault);
    fx_init(&f);
    echo_specs[0].kind = LISTEN_UDP;
    echo_specs_n = 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    return 0;
}

static uint16_t port_of(unsigned listener)
{
    return server_port(f.server, f.id, (uint16_t)listener);
}

#define until_peer(p, cond)                   \
    do {                                      \
        fx_until(&f, (peer_read(p), (cond))); \
    } while (0)

/* --- through the server
 * ------------------------------------------------------------------------------ */

static void echoes(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    peer_open(&p);
    for (size_t n = 0; n <= 1472; n += 92) {
        uint8_t b[1472];
        memset(b, (int)n, sizeof b);
        peer_send(&p, "127.0.0.1", port_of(0), b, n);
        until_peer(&p, p.n == n / 92 + 1);
        assert_int_equal(p.sizes[p.n - 1], n);
    }
    assert_int_equal(f.service->last_path.sock, 0);
    assert_int_equal(p.from.port, port_of(0));
    assert_int_equal(fx_row(&f, ROW_DGRAMS_IN), 17);
    assert_int_equal(fx_row(&f, ROW_DGRAMS_OUT), 17);
    assert_int_equal(fx_row(&f, ROW_DGRAM_BYTES_OUT), p.bytes);
    (void)close(p.fd);
}

/* Many at once come in batches, all of them and in order. */
static void batches(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    peer_open(&p);
    for (unsigned i = 0; i < 200; i++) {
        uint8_t b[3] = {(uint8_t)i, 1, 2};
        peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    }
    until_peer(&p, p.n == 200);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(p.seen[i], (uint8_t)i);
    assert_int_equal(f.service->dgrams, 200);
    assert_true(f.service->batches <= 200 / UDP_BATCH + 1);
    (void)close(p.fd);
}

/* Answers of equal size to one destination leave in segmented sends, and arrive one by one. */
static void segmented(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    f.service->dgram_copies = 100;
    peer_open(&p);
    uint8_t b[700] = {42};
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    until_peer(&p, p.n == 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(p.sizes[i], sizeof b);
    assert_int_equal(fx_row(&f, ROW_SEND_SEGMENTED), 2); /* 64 and 36 */
    assert_int_equal(fx_row(&f, ROW_DGRAMS_OUT), 100);
    assert_int_equal(fault.messages, 2);
    (void)close(p.fd);
}

static void too_long_is_dropped(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    peer_open(&p);
    static uint8_t b[UDP_DGRAM_MAX + 1];
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b - 1);
    until_peer(&p, p.n == 1);
    assert_int_equal(p.sizes[0], UDP_DGRAM_MAX);
    assert_int_equal(fx_row(&f, ROW_DGRAM_CUT), 1);
    assert_int_equal(fx_row(&f, ROW_DGRAMS_IN), 2);
    (void)close(p.fd);
}

/* Bound to any address, the answer leaves from the one that was addressed. */
static void answers_from_where_it_came(void **state)
{
    (void)state;
    struct peer p;
    (void)snprintf(echo_specs[0].bind, sizeof echo_specs[0].bind, "0.0.0.0");
    fx_start(&f);
    peer_open(&p);
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.1", "127.9.8.7"};
    f.service->dgram_copies = 3; /* segmented too */
    for (unsigned i = 0; i < ARRAY_LEN(hosts); i++) {
        struct addr want;
        assert_int_equal(addr_parse(&want, hosts[i]), 0);
        peer_send(&p, hosts[i], port_of(0), "hi", 2);
        until_peer(&p, p.n == 3 * (i + 1));
        assert_true(addr_same_host(&p.from, &want));
        assert_true(addr_same_host(&f.service->last_path.local, &want));
    }
    (void)close(p.fd);
}

static void both_families(void **state)
{
    (void)state;
    struct peer p;
    (void)snprintf(echo_specs[0].bind, sizeof echo_specs[0].bind, "::");
    fx_start(&f);
    peer_open(&p);
    peer_send(&p, "127.0.0.3", port_of(0), "four", 4);
    until_peer(&p, p.n == 1);
    struct addr want;
    assert_int_equal(addr_parse(&want, "127.0.0.3"), 0);
    assert_true(addr_same_host(&p.from, &want));
    assert_int_equal(f.service->last_path.peer.family, ADDR_V4);
    int six = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons(port_of(0)),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    assert_int_equal(connect(six, (struct sockaddr *)&to, sizeof to), 0); /* only from ::1 */
    assert_int_equal(send(six, "six", 3, 0), 3);
    char b[16];
    fx_until(&f, recv(six, b, sizeof b, 0) == 3);
    assert_int_equal(f.service->last_path.peer.family, ADDR_V6);
    assert_int_equal(f.service->last_path.peer.loop6, 1);
    (void)close(six);
    (void)close(p.fd);
}

/* Two sockets of one service share an egress; each answer leaves from its own. */
static void two_sockets(void **state)
{
    (void)state;
    struct peer p;
    echo_specs[1] = echo_specs[0];
    echo_specs_n = 2;
    fx_start(&f);
    peer_open(&p);
    for (unsigned i = 0; i < 6; i++) {
        peer_send(&p, "127.0.0.1", port_of(i % 2), "x", 1);
        until_peer(&p, p.n == i + 1);
        assert_int_equal(p.from.port, port_of(i % 2));
        assert_int_equal(f.service->last_path.sock, i % 2);
    }
    (void)close(p.fd);
}

static void kernel_drops_are_counted(void **state)
{
    (void)state;
    struct peer p;
    f.cfg.udp_buffer_bytes = 4096;
    fx_start(&f);
    peer_open(&p);
    f.service->dgram_copies = 0;
    uint8_t b[1000] = {0};
    for (unsigned i = 0; i < 500; i++)
        peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    fx_until(&f, f.service->dgrams > 0);
    fx_turn(&f);
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b); /* brings the counter along */
    fx_until(&f, fx_row(&f, ROW_DGRAM_KERNEL_DROPS) > 0);
    assert_int_equal(fx_row(&f, ROW_DGRAM_KERNEL_DROPS) + fx_row(&f, ROW_DGRAMS_IN), 501);
    (void)close(p.fd);
}

/* --- faults
 * ------------------------------------------------------------------------------------------ */

/* A full send buffer: what is left goes out when the socket is writable, in order. */
static void would_block(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    peer_open(&p);
    fault.code = EAGAIN;
    fault.pass = 20;
    fault.times = 2;
    for (unsigned i = 0; i < 50; i++) {
        uint8_t b[100] = {(uint8_t)i};
        peer_send(&p, "127.0.0.1", port_of(0), b, 50 + i); /* growing: no two make a run */
    }
    until_peer(&p, p.n == 50);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(p.seen[i], i);
    assert_int_equal(fault.times, 0);
    assert_int_equal(fx_row(&f, ROW_SEND_BLOCKED), 2);
    assert_true(fx_row(&f, ROW_EGRESS_DELAYED) > 0);
    (void)close(p.fd);
}

/* One message the kernel refuses costs that message only. */
static void one_refused(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum server_row row;
    } cases[] = {
        {EPERM, ROW_SEND_DENIED},         {ENETUNREACH, ROW_SEND_UNREACHABLE},
        {ECONNREFUSED, ROW_SEND_REFUSED}, {EMSGSIZE, ROW_SEND_SIZE},
        {ENOBUFS, ROW_SEND_OTHER},
    };
    struct peer p;
    fx_start(&f);
    peer_open(&p);
    for (unsigned k = 0; k < ARRAY_LEN(cases); k++) {
        memset(&fault, 0, sizeof fault);
        fault.code = cases[k].code;
        fault.pass = 3;
        fault.times = 1;
        p.n = 0;
        for (unsigned i = 0; i < 10; i++) {
            uint8_t b[100] = {(uint8_t)i};
            peer_send(&p, "127.0.0.1", port_of(0), b, 50 + i);
        }
        until_peer(&p, p.n == 9);
        assert_int_equal(p.seen[3], 4);
        assert_int_equal(fx_row(&f, cases[k].row), 1);
    }
    (void)close(p.fd);
}

/* A kernel or device without segmentation: found out once, then not tried again. */
static void without_segmentation(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    f.service->dgram_copies = 10;
    peer_open(&p);
    fault.code = EIO;
    fault.times = 1;
    fault.segmented_only = true;
    uint8_t b[200] = {7};
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    until_peer(&p, p.n == 10);
    assert_int_equal(fault.times, 0);
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    until_peer(&p, p.n == 20);
    assert_int_equal(fx_row(&f, ROW_SEND_SEGMENTED), 0);
    assert_int_equal(fx_row(&f, ROW_DGRAMS_OUT), 20);
    assert_int_equal(fx_row(&f, ROW_DGRAM_BYTES_OUT), 20 * sizeof b);
    (void)close(p.fd);
}

/* Segments too big for one path say nothing about others. */
static void big_segments_refused_once(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    f.service->dgram_copies = 10;
    peer_open(&p);
    fault.code = EINVAL;
    fault.times = 1;
    fault.segmented_only = true;
    static uint8_t b[1400] = {7};
    peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    until_peer(&p, p.n == 10);
    peer_send(&p, "127.0.0.1", port_of(0), b, 300);
    until_peer(&p, p.n == 20);
    assert_int_equal(fx_row(&f, ROW_SEND_SEGMENTED), 1);
    (void)close(p.fd);
}

/* Refused segmented, and blocked half way through the single sends. */
static void blocked_while_single(void **state)
{
    (void)state;
    struct peer p;
    fx_start(&f);
    f.service->dgram_copies = 1;
    peer_open(&p);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t b[64] = {(uint8_t)i};
        peer_send(&p, "127.0.0.1", port_of(0), b, sizeof b);
    }
    fault.code = EOPNOTSUPP;
    fault.times = 1;
    fault.segmented_only = true;
    until_peer(&p, p.n == 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(p.seen[i], i);
    (void)close(p.fd);
}

/* --- the sink alone
 * ----------------------------------------------------------------------------------- */

static void no_batch(void *ctx, struct now now, const struct dgram *v, size_t n)
{
    (void)ctx, (void)now, (void)v, (void)n;
}

static void count_writable(void *ctx, struct now now)
{
    (void)now;
    ++*(unsigned *)ctx;
}

struct bare {
    struct udp_io *io;
    struct udp *udp;
    unsigned writable;
    size_t base;
};

static void bare_open(struct bare *b)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int base = metrics_register(&f.metrics, server_rows, SERVER_ROWS);
    assert_true(base >= 0);
    *b = (struct bare){.base = (size_t)base};
    assert_int_equal(udp_io_create(&b->io), 0);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    struct udp_cfg cfg = {.loop = uvloop_loop(f.loop),
                          .io = b->io,
                          .rows = {&f.metrics, (size_t)base},
                          .fd = fd,
                          .buffer_bytes = 1 << 20,
                          .batch = no_batch,
                          .writable = count_writable,
                          .ctx = &b->writable};
    assert_int_equal(udp_open(&b->udp, &cfg), 0);
    uint32_t rx = 0, tx = 0;
    udp_buffers(b->udp, &rx, &tx);
    assert_true(rx >= 65536 && tx >= 65536);
}

static void bare_close(struct bare *b)
{
    udp_close(b->udp);
    udp_io_destroy(b->io);
}

static struct path path_to(const struct peer *p)
{
    struct sockaddr_in a = {0};
    socklen_t n = sizeof a;
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &n), 0);
    return (struct path){.peer = addr_v4((const uint8_t[4]){127, 0, 0, 1}, ntohs(a.sin_port))};
}

static void runs(void **state)
{
    (void)state;
    struct bare b;
    struct peer p, q;
    bare_open(&b);
    peer_open(&p);
    peer_open(&q);
    struct path to_p = path_to(&p), to_q = path_to(&q);
    static uint8_t text[1200];
    struct dgram_out v[700];
    size_t n = 0;
    /* 100 equal and a shorter one; then other sizes, the other peer, empty ones. */
    for (size_t i = 0; i < 100; i++)
        v[n++] = (struct dgram_out){&to_p, span_of(text, 100)};
    v[n++] = (struct dgram_out){&to_p, span_of(text, 50)};
    for (size_t i = 0; i < 500; i++)
        v[n++] = (struct dgram_out){i % 2 ? &to_q : &to_p, span_of(text, 10 + i)};
    for (size_t i = 0; i < 3; i++)
        v[n++] = (struct dgram_out){&to_q, span_of(text, 0)};
    for (size_t i = 0; i < 90; i++) /* 64,800 bytes are 54 of 1,200 */
        v[n++] = (struct dgram_out){&to_q, span_of(text, 1200)};
    assert_int_equal(udp_send(b.udp, v, n), n);
    until_peer(&p, p.n == 101 + 250);
    until_peer(&q, q.n == 250 + 3 + 90);
    assert_int_equal(p.sizes[99], 100);
    assert_int_equal(p.sizes[100], 50);
    assert_int_equal(q.sizes[251], 0);
    assert_int_equal(f.metrics.values[b.base + ROW_SEND_SEGMENTED], 4); /* 64, 37; 54, 36 */
    assert_int_equal(f.metrics.values[b.base + ROW_DGRAMS_OUT], n);
    bare_close(&b);
    (void)close(p.fd);
    (void)close(q.fd);
}

static void short_send_says_so(void **state)
{
    (void)state;
    struct bare b;
    struct peer p;
    bare_open(&b);
    peer_open(&p);
    struct path to = path_to(&p);
    static uint8_t text[600];
    struct dgram_out v[300];
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        v[i] = (struct dgram_out){&to, span_of(text, 1 + i)};
    fault.code = EAGAIN;
    fault.pass = 270;
    fault.times = 1;
    assert_int_equal(udp_send(b.udp, v, ARRAY_LEN(v)), 270);
    assert_int_equal(udp_send(b.udp, v + 270, 30), 0); /* not before it is writable */
    fx_until(&f, b.writable == 1);
    assert_int_equal(udp_send(b.udp, v + 270, 30), 30);
    until_peer(&p, p.n == ARRAY_LEN(v));
    bare_close(&b);
    (void)close(p.fd);
}

/* Refused segmented, then blocked after three single sends: exactly those are dealt with. */
static void short_single_send(void **state)
{
    (void)state;
    struct bare b;
    struct peer p;
    bare_open(&b);
    peer_open(&p);
    struct path to = path_to(&p);
    static uint8_t text[600];
    struct dgram_out v[10];
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        v[i] = (struct dgram_out){&to, span_of(text, 64)};
    /* The same code for both: EAGAIN would be no reason to fall back. */
    fault.code = EINVAL;
    fault.times = 1;
    fault.segmented_only = true;
    assert_int_equal(udp_send(b.udp, v, ARRAY_LEN(v)), ARRAY_LEN(v));
    assert_false(udp_segments(b.udp));
    fault.code = EAGAIN;
    fault.times = 1;
    fault.pass = 3;
    fault.segmented_only = false;
    assert_int_equal(udp_send(b.udp, v, ARRAY_LEN(v)), 3);
    fx_until(&f, b.writable == 1);
    assert_int_equal(udp_send(b.udp, v + 3, 7), 7);
    until_peer(&p, p.n == 20);
    bare_close(&b);
    (void)close(p.fd);
}

/* What no path leads to is counted and skipped, by the real kernel. */
static void unreachable(void **state)
{
    (void)state;
    struct bare b;
    struct peer p;
    bare_open(&b);
    peer_open(&p);
    struct path good = path_to(&p), six = good, nowhere = good;
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
    six.peer = addr_v6(ip6, 9, 0);                                     /* over an IPv4 socket */
    nowhere.peer = addr_v4((const uint8_t[4]){255, 255, 255, 255}, 9); /* without SO_BROADCAST */
    struct dgram_out v[] = {{&good, SPAN_LIT("a")},    {&six, SPAN_LIT("b")},
                            {&nowhere, SPAN_LIT("c")}, {&good, SPAN_LIT("d")},
                            {&six, SPAN_LIT("ee")},    {&six, SPAN_LIT("ff")}};
    assert_int_equal(udp_send(b.udp, v, ARRAY_LEN(v)), ARRAY_LEN(v));
    until_peer(&p, p.n == 2);
    assert_int_equal(p.seen[1], 'd');
    const uint64_t *row = f.metrics.values + b.base;
    assert_int_equal(row[ROW_SEND_UNREACHABLE] + row[ROW_SEND_DENIED] + row[ROW_SEND_OTHER], 4);
    assert_true(udp_segments(b.udp));
    bare_close(&b);
    (void)close(p.fd);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(echoes),
        T(batches),
        T(segmented),
        T(too_long_is_dropped),
        T(answers_from_where_it_came),
        T(both_families),
        T(two_sockets),
        T(kernel_drops_are_counted),
        T(would_block),
        T(one_refused),
        T(without_segmentation),
        T(big_segments_refused_once),
        T(blocked_while_single),
        T(runs),
        T(short_send_says_so),
        T(short_single_send),
        T(unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
