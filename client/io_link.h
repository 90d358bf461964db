/* One TLS connection over a non-blocking socket. */
#ifndef SLIPGATE_CLIENT_IO_LINK_H
#define SLIPGATE_CLIENT_IO_LINK_H

#include "client/io_shared.h"

struct sgc_address {
    struct sockaddr_storage a;
    socklen_t n;
};

enum sgc_link_stage { SGC_LINK_NONE = 0, SGC_LINK_TCP, SGC_LINK_TLS, SGC_LINK_UP };

struct sgc_link {
    enum sgc_link_stage stage;
    int fd; /* valid unless NONE */
    SSL *ssl;
    bool want_out; /* TLS waits for the socket to be writable */
    bool broken;   /* TLS failed: not even a goodbye can be said */
    char why[128]; /* more about the last error, or "" */
};

/* Addresses of host, in the system's order; blocks for names. Their number, 0 when it has none. */
size_t sgc_resolve(const char *host, uint16_t port, struct sgc_address *ret, size_t cap);

/* A socket BIO that never raises SIGPIPE; owned by the caller. NULL: no memory. */
BIO_METHOD *sgc_link_bio_method(void);

/* All return enum slipgate_error when negative; why then says more. */
MUST_USE int sgc_link_open(struct sgc_link *l, struct slipgate_shared *h,
                           const struct sgc_address *, const char *server_name);
/* Goes on with connecting and the handshake: 1 when the connection is up and verified, 0 when it
 * has to wait. */
MUST_USE int sgc_link_advance(struct sgc_link *l, const struct slipgate_shared *h);
/* Bytes read or written, 0 when the socket would block. */
MUST_USE int sgc_link_read(struct sgc_link *l, void *to, size_t cap);
MUST_USE int sgc_link_write(struct sgc_link *l, struct span bytes);
/* Says goodbye (close_notify) if the connection is up, and frees everything. */
void sgc_link_close(struct sgc_link *l);

#endif
