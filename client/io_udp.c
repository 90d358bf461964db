#include "client/io_udp.h"

#include <errno.h>
#include <unistd.h>

#define RECEIVE_BUFFER (512 * 1024)

int sgc_udp_socket(const struct sgc_address *to)
{
    int size = RECEIVE_BUFFER;
    int fd = socket(to->a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return SLIPGATE_E_SYSTEM;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* as much as is allowed */
    if (connect(fd, (const struct sockaddr *)&to->a, to->n) != 0) {
        (void)close(fd);
        return SLIPGATE_E_CONNECT;
    }
    return fd;
}

void sgc_udp_drop(int fd)
{
    (void)close(fd);
}

/* An error may be the echo of an earlier datagram (ICMP port unreachable): such a call did not
 * send, the next will. */
int sgc_udp_send(int fd, const void *p, size_t n)
{
    for (int i = 0; i < 2; i++) {
        ssize_t rc = send(fd, p, n, MSG_NOSIGNAL);
        if (rc >= 0)
            return (int)rc;
        if (errno == EAGAIN || errno == ENOBUFS)
            return 0;
    }
    return -1;
}

size_t sgc_udp_receive(int fd, struct sgc_batch *b)
{
    for (int i = 0; i < 4; i++) {
        int n = recvmmsg(fd, b->msg, SGC_BATCH, MSG_DONTWAIT, NULL);
        if (n >= 0)
            return (size_t)n;
        if (errno == EAGAIN)
            return 0;
    }
    return 0;
}

struct span sgc_batch_at(const struct sgc_batch *b, size_t i)
{
    bool cut = (b->msg[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    return span_of(b->bytes[i], cut ? 0 : b->msg[i].msg_len);
}
