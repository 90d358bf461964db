/* Shared by udp.c and udp_send.c; nobody else includes it. */
#ifndef SLIPGATE_OS_UDP_PRIV_H
#define SLIPGATE_OS_UDP_PRIV_H

#include "os/udp.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define UDP_IOVS       1024u /* pieces of one system call */
#define UDP_CONTROL_RX (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint32_t)))
#define UDP_CONTROL_TX (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

struct udp_io {
    struct mmsghdr rx[UDP_BATCH];
    struct iovec rx_iov[UDP_BATCH];
    struct sockaddr_storage rx_name[UDP_BATCH];
    _Alignas(struct cmsghdr) uint8_t rx_control[UDP_BATCH][UDP_CONTROL_RX];
    uint8_t rx_bytes[UDP_BATCH][UDP_DGRAM_MAX];
    struct dgram dgrams[UDP_BATCH];

    struct mmsghdr tx[UDP_SENDS];
    struct iovec tx_iov[UDP_IOVS];
    struct sockaddr_storage tx_name[UDP_SENDS];
    _Alignas(struct cmsghdr) uint8_t tx_control[UDP_SENDS][UDP_CONTROL_TX];
    uint32_t tx_parts[UDP_SENDS]; /* datagrams of each message */
};

struct udp {
    struct udp_cfg cfg;
    int fd, domain;
    struct loop_watch *watch;
    struct addr local;
    bool any;      /* bound to every address of the machine */
    bool segments; /* segmented sends work, as far as known */
    bool blocked;  /* waiting to become writable */
    uint32_t drops, receive_bytes, send_bytes;
};

#endif
