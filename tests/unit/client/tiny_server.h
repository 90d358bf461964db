/* A TLS and UDP server of one connection at a time, in the test's own thread: it does nothing but
 * what the test says. Real sockets on 127.0.0.1, a certificate of its own for 127.0.0.1 and
 * localhost. */
#ifndef SLIPGATE_TESTS_CLIENT_TINY_SERVER_H
#define SLIPGATE_TESTS_CLIENT_TINY_SERVER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct tiny_server {
    int listen_fd, udp_fd, fd; /* fd: -1 while nobody is connected */
    uint16_t port;             /* of both */
    SSL_CTX *ctx;
    SSL *ssl;
    bool up;         /* the handshake is done */
    bool silent;     /* accepts, and then does nothing */
    int connections; /* accepted so far */
    char in[16384];  /* what was read and not yet taken */
    size_t in_n;
    char ca_path[64];                  /* its certificate as a PEM file */
    char pin_sha256[65], pin_sha1[60]; /* its fingerprints, the second with colons */
    struct sockaddr_storage udp_peer;
    socklen_t udp_peer_n;
};

void tiny_start(struct tiny_server *);
void tiny_stop(struct tiny_server *);
/* Accepts, shakes hands and reads as far as possible without waiting. */
void tiny_step(struct tiny_server *);
void tiny_say(struct tiny_server *, const char *text);
/* Takes a line that has arrived, without its LF; false: there is none. */
bool tiny_line(struct tiny_server *, char *to, size_t cap);
/* Drops the connection: with close_notify, or by a reset. */
void tiny_drop(struct tiny_server *, bool reset);
/* A datagram that has arrived; 0: none. */
size_t tiny_datagram(struct tiny_server *, char *to, size_t cap);
/* To whoever sent the last datagram. */
void tiny_send_datagram(struct tiny_server *, const char *text);

#endif
