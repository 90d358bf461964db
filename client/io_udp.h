/* The UDP socket of a client: connected to the server's address, so that the kernel drops what
 * others send; read in batches. */
#ifndef SLIPGATE_CLIENT_IO_UDP_H
#define SLIPGATE_CLIENT_IO_UDP_H

#include "client/io_link.h"

/* Descriptor, or enum slipgate_error. */
MUST_USE int sgc_udp_socket(const struct sgc_address *to);
void sgc_udp_drop(int fd);
/* Bytes sent; 0: the socket is full; -1: failed (nobody listens, no route). */
int sgc_udp_send(int fd, const void *p, size_t n);
/* Datagrams received, at most SGC_BATCH; 0: none. One that was cut is empty. */
size_t sgc_udp_receive(int fd, struct sgc_batch *);
struct span sgc_batch_at(const struct sgc_batch *, size_t i);

#endif
