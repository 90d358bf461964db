#include "client/io_link.h"

#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

size_t sgc_resolve(const char *host, uint16_t port, struct sgc_address *ret, size_t cap)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    char service[8];
    size_t n = 0;
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return 0;
    for (const struct addrinfo *i = found; i && n < cap; i = i->ai_next) {
        if (i->ai_addrlen > sizeof ret[n].a)
            continue;
        memcpy(&ret[n].a, i->ai_addr, i->ai_addrlen);
        ret[n++].n = i->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

/* ---- the socket under TLS ---- */

static int bio_result(BIO *b, ssize_t n, int retry)
{
    BIO_clear_retry_flags(b);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(b, retry | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

/* Takes from the socket what there is room for. */
static void slow_receive(int fd, struct sgc_slow *s)
{
    uint8_t bytes[4096];
    while (!s->ended && sgc_lag_room(&s->down) > 0) {
        size_t room = sgc_lag_room(&s->down);
        ssize_t n = recv(fd, bytes, room < sizeof bytes ? room : sizeof bytes, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0 && sgc_lag_put(&s->down, *s->now_us, span_of(bytes, (size_t)n)) == (size_t)n)
            continue;
        s->ended = true;
        s->error = n == 0 ? 0 : n < 0 ? errno : ENOMEM;
    }
}

/* Gives the socket what has come to its end, up to a time. */
static void slow_send(int fd, struct sgc_slow *s, uint64_t until_us)
{
    struct span out;
    s->blocked = false;
    while ((out = sgc_lag_arrived(&s->up, until_us)).n) {
        ssize_t n = send(fd, out.p, out.n, MSG_NOSIGNAL);
        if (n < 0) { /* any other failure shows when reading */
            s->blocked = errno == EAGAIN || errno == EINTR;
            if (!s->blocked)
                sgc_lag_clear(&s->up);
            return;
        }
        sgc_lag_take(&s->up, (size_t)n);
    }
}

static ssize_t slow_read(int fd, struct sgc_slow *s, char *to, size_t n)
{
    slow_receive(fd, s);
    struct span in = sgc_lag_arrived(&s->down, *s->now_us);
    if (in.n) {
        n = in.n < n ? in.n : n;
        memcpy(to, in.p, n);
        sgc_lag_take(&s->down, n);
        return (ssize_t)n;
    }
    bool over = s->ended && s->down.bytes.n == 0;
    errno = over ? s->error : EAGAIN;
    return over && s->error == 0 ? 0 : -1;
}

static ssize_t slow_write(int fd, struct sgc_slow *s, const char *from, size_t n)
{
    size_t taken = sgc_lag_put(&s->up, *s->now_us, span_of(from, n));
    bool full = sgc_lag_room(&s->up) == 0;
    slow_send(fd, s, *s->now_us);
    errno = full ? EAGAIN : ENOMEM; /* nothing would wake who waits for memory */
    return taken ? (ssize_t)taken : -1;
}

static int bio_read(BIO *b, char *to, int n)
{
    struct sgc_link *l = BIO_get_data(b);
    ssize_t rc = l->slow ? slow_read(l->fd, l->slow, to, (size_t)n) : recv(l->fd, to, (size_t)n, 0);
    return bio_result(b, rc, BIO_FLAGS_READ);
}

static int bio_write(BIO *b, const char *from, int n)
{
    struct sgc_link *l = BIO_get_data(b);
    ssize_t rc = l->slow ? slow_write(l->fd, l->slow, from, (size_t)n)
                         : send(l->fd, from, (size_t)n, MSG_NOSIGNAL);
    return bio_result(b, rc, BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *b, int command, long number, void *p)
{
    (void)b, (void)number, (void)p;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *sgc_link_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "slipgate socket");
    if (m && (BIO_meth_set_read(m, bio_read) != 1 || BIO_meth_set_write(m, bio_write) != 1 ||
              BIO_meth_set_ctrl(m, bio_ctrl) != 1)) {
        BIO_meth_free(m);
        m = NULL;
    }
    return m;
}

/* ---- connecting ---- */

static int fail(struct sgc_link *l, int error, const char *why)
{
    (void)snprintf(l->why, sizeof l->why, "%s", why ? why : "");
    return error;
}

static int fail_errno(struct sgc_link *l, int error, int number)
{
    char text[96] = "";
    return fail(l, error, strerror_r(number, text, sizeof text));
}

/* Names are verified as names and sent as SNI; addresses are verified as addresses. */
static bool set_name(SSL *ssl, const char *name)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
        return true;
    ERR_clear_error();
    char copy[256]; /* the macro casts const away */
    (void)snprintf(copy, sizeof copy, "%s", name);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, copy) == 1;
}

static bool tls_start(struct sgc_link *l, struct slipgate_shared *h, const char *server_name)
{
    l->ssl = SSL_new(h->tls);
    BIO *bio = l->ssl ? BIO_new(h->bio) : NULL;
    if (!bio)
        return false;
    BIO_set_data(bio, l);
    BIO_set_init(bio, 1);
    SSL_set_bio(l->ssl, bio, bio);
    SSL_set_connect_state(l->ssl);
    return set_name(l->ssl, server_name);
}

int sgc_link_open(struct sgc_link *l, struct slipgate_shared *h, const struct sgc_address *to,
                  const char *server_name, struct sgc_slow *slow)
{
    int on = 1;
    *l = (struct sgc_link){.stage = SGC_LINK_TCP, .slow = slow};
    if (slow) {
        sgc_lag_clear(&slow->up);
        sgc_lag_clear(&slow->down);
        slow->ended = slow->blocked = false;
    }
    l->fd = socket(to->a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        l->stage = SGC_LINK_NONE;
        return fail_errno(l, SLIPGATE_E_SYSTEM, errno);
    }
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(l->fd, (const struct sockaddr *)&to->a, to->n) != 0 && errno != EINPROGRESS)
        return fail_errno(l, SLIPGATE_E_CONNECT, errno);
    if (!tls_start(l, h, server_name))
        return fail(l, SLIPGATE_E_MEMORY, NULL);
    l->want_out = true;
    return 0;
}

static int tcp_result(struct sgc_link *l)
{
    int number = 0;
    socklen_t n = sizeof number;
    struct sockaddr_storage peer;
    socklen_t peer_n = sizeof peer;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &number, &n) != 0)
        number = errno;
    if (number)
        return fail_errno(l, SLIPGATE_E_CONNECT, number);
    if (getpeername(l->fd, (struct sockaddr *)&peer, &peer_n) != 0)
        return errno == ENOTCONN ? 0 : fail_errno(l, SLIPGATE_E_CONNECT, errno);
    return 1;
}

static bool pin_fits(const struct sgc_link *l, const struct slipgate_shared *h)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    X509 *cert = SSL_get1_peer_certificate(l->ssl);
    bool ok = cert &&
              X509_digest(cert, h->pin_n == 20 ? EVP_sha1() : EVP_sha256(), digest, &n) == 1 &&
              n == h->pin_n && mem_equal_ct(digest, h->pin, n);
    X509_free(cert);
    return ok;
}

static int tls_error(struct sgc_link *l, int result)
{
    int kind = SSL_get_error(l->ssl, result);
    if (kind == SSL_ERROR_WANT_READ)
        return 0;
    if (kind == SSL_ERROR_WANT_WRITE) {
        l->want_out = true;
        return 0;
    }
    l->broken = kind != SSL_ERROR_ZERO_RETURN;
    if (kind == SSL_ERROR_ZERO_RETURN)
        return fail(l, SLIPGATE_E_CLOSED, NULL);
    long verified = SSL_get_verify_result(l->ssl);
    if (l->stage == SGC_LINK_TLS && verified != X509_V_OK &&
        SSL_get_verify_mode(l->ssl) != SSL_VERIFY_NONE)
        return fail(l, SLIPGATE_E_CERTIFICATE, X509_verify_cert_error_string(verified));
    unsigned long code = ERR_peek_error();
    if (kind == SSL_ERROR_SYSCALL || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return fail(l, SLIPGATE_E_CLOSED, NULL);
    return fail(l, SLIPGATE_E_TLS, ERR_reason_error_string(code));
}

int sgc_link_advance(struct sgc_link *l, const struct slipgate_shared *h)
{
    if (l->stage == SGC_LINK_TCP) {
        int rc = tcp_result(l);
        if (rc <= 0)
            return rc;
        l->stage = SGC_LINK_TLS;
    }
    l->want_out = false;
    ERR_clear_error();
    if (l->slow)
        slow_send(l->fd, l->slow, *l->slow->now_us);
    int rc = SSL_do_handshake(l->ssl);
    if (rc != 1)
        return tls_error(l, rc);
    if (h->verify == SLIPGATE_VERIFY_PIN && !pin_fits(l, h))
        return fail(l, SLIPGATE_E_CERTIFICATE, "the certificate is not the pinned one");
    l->stage = SGC_LINK_UP;
    return 1;
}

int sgc_link_read(struct sgc_link *l, void *to, size_t cap)
{
    ERR_clear_error();
    if (l->slow)
        slow_send(l->fd, l->slow, *l->slow->now_us);
    int rc = SSL_read(l->ssl, to, (int)cap);
    return rc > 0 ? rc : tls_error(l, rc);
}

int sgc_link_write(struct sgc_link *l, struct span bytes)
{
    ERR_clear_error();
    int n = bytes.n > INT32_MAX ? INT32_MAX : (int)bytes.n;
    int rc = SSL_write(l->ssl, bytes.p, n);
    return rc > 0 ? rc : tls_error(l, rc);
}

unsigned sgc_link_events(const struct sgc_link *l, bool more)
{
    const struct sgc_slow *s = l->slow;
    if (l->stage == SGC_LINK_NONE)
        return 0;
    if (l->stage == SGC_LINK_TCP)
        return SLIPGATE_IO_OUT;
    if (!s)
        return SLIPGATE_IO_IN | (l->want_out || more ? SLIPGATE_IO_OUT : 0);
    /* What waits for its time, or for room to be held, is no matter of the socket. */
    return (!s->ended && sgc_lag_room(&s->down) ? SLIPGATE_IO_IN : 0) |
           (s->blocked ? SLIPGATE_IO_OUT : 0);
}

uint64_t sgc_link_due_us(const struct sgc_link *l)
{
    const struct sgc_slow *s = l->slow;
    if (!s || l->stage == SGC_LINK_NONE || l->stage == SGC_LINK_TCP)
        return UINT64_MAX;
    uint64_t up = s->blocked ? UINT64_MAX : sgc_lag_due_us(&s->up), down = sgc_lag_due_us(&s->down);
    return up < down ? up : down;
}

void sgc_link_close(struct sgc_link *l)
{
    if (l->stage == SGC_LINK_NONE)
        return;
    if (l->stage == SGC_LINK_UP && !l->broken) {
        ERR_clear_error();
        (void)SSL_shutdown(l->ssl); /* what the socket cannot take now is not worth waiting for */
        if (l->slow)
            slow_send(l->fd, l->slow, UINT64_MAX / 1000);
    }
    SSL_free(l->ssl);
    ERR_clear_error();
    (void)close(l->fd);
    *l = (struct sgc_link){.stage = SGC_LINK_NONE};
}
