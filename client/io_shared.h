/* What clients of one thread share: the TLS context with its trust, working space for one datagram,
 * buffers for one batch of datagrams, entropy. */
#ifndef SLIPGATE_CLIENT_IO_SHARED_H
#define SLIPGATE_CLIENT_IO_SHARED_H

#include "client/datagram.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SGC_BATCH   64u
#define SGC_PIN_MAX 32u

struct sgc_batch {
    struct mmsghdr msg[SGC_BATCH];
    struct iovec iov[SGC_BATCH];
    uint8_t bytes[SGC_BATCH][SGC_DATAGRAM_MAX];
};

struct slipgate_shared {
    SSL_CTX *tls;
    BIO_METHOD *bio; /* a socket without SIGPIPE */
    enum slipgate_verify verify;
    uint8_t pin[SGC_PIN_MAX];
    size_t pin_n; /* 32: SHA-256, 20: SHA-1 */
    struct entropy entropy;
    struct sgc_scratch scratch;
    struct sgc_batch batch;
};

#endif
