/* One TLS connection over a non-blocking socket. */
#ifndef SLIPGATE_CLIENT_IO_LINK_H
#define SLIPGATE_CLIENT_IO_LINK_H

#include "client/io_shared.h"
#include "client/lag.h"

struct sgc_address {
    struct sockaddr_storage a;
    socklen_t n;
};

enum sgc_link_stage { SGC_LINK_NONE = 0, SGC_LINK_TCP, SGC_LINK_TLS, SGC_LINK_UP };

/* A bad link under the TLS connection: bytes are held back, in both directions. */
struct sgc_slow {
    struct sgc_lag up, down;
    const uint64_t *now_us; /* the client's clock */
    bool ended;             /* the socket has no more: told once all before it has arrived */
    int error;              /* errno that it ended with, 0: the end of the stream */
    bool blocked;           /* the socket is full: wait for it, not for time */
};

struct sgc_link {
    enum sgc_link_stage stage;
    int fd; /* valid unless NONE */
    SSL *ssl;
    bool want_out;         /* TLS waits for the socket to be writable */
    struct sgc_slow *slow; /* borrowed; NULL: none */
    bool broken;           /* TLS failed: not even a goodbye can be said */
    char why[128];         /* more about the last error, or "" */
};

/* Addresses of host, in the system's order; blocks for names. Their number, 0 when it has none. */
size_t sgc_resolve(const char *host, uint16_t port, struct sgc_address *ret, size_t cap);

/* A socket BIO that never raises SIGPIPE; owned by the caller. NULL: no memory. */
BIO_METHOD *sgc_link_bio_method(void);

/* All return enum slipgate_error when negative; why then says more. */
MUST_USE int sgc_link_open(struct sgc_link *l, struct slipgate_shared *h,
                           const struct sgc_address *, const char *server_name, struct sgc_slow *);
/* Goes on with connecting and the handshake: 1 when the connection is up and verified, 0 when it
 * has to wait. */
MUST_USE int sgc_link_advance(struct sgc_link *l, const struct slipgate_shared *h);
/* Bytes read or written, 0 when the socket would block. */
MUST_USE int sgc_link_read(struct sgc_link *l, void *to, size_t cap);
MUST_USE int sgc_link_write(struct sgc_link *l, struct span bytes);
/* What to watch the socket for, SLIPGATE_IO_*; more: there is something to write. */
unsigned sgc_link_events(const struct sgc_link *l, bool more);
/* When bytes that are held back are due; UINT64_MAX: none are, or there is nothing to hold back. */
uint64_t sgc_link_due_us(const struct sgc_link *l);
/* Says goodbye (close_notify) if the connection is up, and frees everything. */
void sgc_link_close(struct sgc_link *l);

#endif
