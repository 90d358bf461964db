/* One UDP socket: reads in batches, remembers the address each datagram came to so that the answer
 * leaves from there, and sends in batches, several datagrams to one destination as one segmented
 * send (UDP_SEGMENT) where the kernel can. Nothing blocks. One thread, the loop's. */
#ifndef SLIPGATE_OS_UDP_H
#define SLIPGATE_OS_UDP_H

#include "core/egress.h"
#include "core/loop.h"
#include "os/server_rows.h"

#define UDP_BATCH     64u   /* datagrams handed over at once */
#define UDP_BATCHES   8u    /* at most, before other descriptors have their turn */
#define UDP_DGRAM_MAX 2048u /* longer ones are dropped and counted */
#define UDP_SEGMENTS  64u   /* of one segmented send (UDP_MAX_SEGMENTS) */
#define UDP_SEND_BYTES                                                                     \
    65000u             /* of one segmented send; the kernel's limit is 65,535 with headers \
                        */
#define UDP_SENDS 256u /* messages of one system call */

/* Buffers that all sockets of a server use in turn. */
struct udp_io;
MUST_USE int udp_io_create(struct udp_io **ret); /* E_NOMEM */
void udp_io_destroy(struct udp_io *);            /* NULL is fine */

typedef void (*udp_batch_fn)(void *ctx, struct now, const struct dgram *, size_t n);
typedef void (*udp_writable_fn)(void *ctx, struct now);

struct udp_cfg {
    struct loop *loop;
    struct udp_io *io;
    struct rows rows;
    int fd;        /* bound, non-blocking; belongs to the socket from a successful udp_open on */
    uint16_t sock; /* what path.sock says */
    uint32_t buffer_bytes; /* wanted in each direction; the kernel may give less */
    udp_batch_fn batch;
    udp_writable_fn writable; /* a send that came back short may be tried again */
    void *ctx;
};

struct udp;
/* E_NOMEM, E_IO. */
MUST_USE int udp_open(struct udp **ret, const struct udp_cfg *);
void udp_close(struct udp *); /* NULL is fine */
/* Reads one batch of what waits, if anything does; while the loop is busy with something else. */
void udp_look(struct udp *, struct now);
/* Bytes the kernel granted (as it counts them, overhead included). */
void udp_buffers(const struct udp *, uint32_t *receive, uint32_t *send);
/* As struct dgram_sink says; every path.sock is this socket's. */
size_t udp_send(struct udp *, const struct dgram_out *v, size_t n);
/* False once the kernel refused a segmented send. */
bool udp_segments(const struct udp *);

#endif
