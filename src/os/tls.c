#include "os/tls.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20" /* RFC 9325 section 4.2: ECDHE and AEAD */

struct tls_port {
    BIO_METHOD *method;
};

struct tls {
    SSL *ssl;
    const char *error;
    bool broken;
    /* lent for the length of one call */
    struct span *in;
    struct buf *to;
};

/* --- the transport under a session -------------------------------------------------------------
 */

static int port_read(BIO *b, char *to, size_t n, size_t *got)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *got = 0;
    if (!t->in || t->in->n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    *got = n < t->in->n ? n : t->in->n;
    memcpy(to, t->in->p, *got);
    *t->in = span_skip(*t->in, *got);
    return 1;
}

static int port_write(BIO *b, const char *p, size_t n, size_t *put)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *put = 0;
    if (!t->to || buf_append(t->to, p, n) != 0)
        return 0;
    *put = n;
    return 1;
}

static long port_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static int port_open(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

int tls_port_create(struct tls_port **ret)
{
    struct tls_port *p = mem_zalloc(1, sizeof *p);
    if (!p)
        return E_NOMEM;
    int type = BIO_get_new_index();
    p->method = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "link");
    if (type == -1 || !p->method || !BIO_meth_set_read_ex(p->method, port_read) ||
        !BIO_meth_set_write_ex(p->method, port_write) || !BIO_meth_set_ctrl(p->method, port_ctrl) ||
        !BIO_meth_set_create(p->method, port_open)) {
        ERR_clear_error();
        tls_port_destroy(p);
        return E_NOMEM;
    }
    *ret = p;
    return 0;
}

void tls_port_destroy(struct tls_port *p)
{
    if (!p)
        return;
    BIO_meth_free(p->method);
    mem_free(p);
}

/* --- the context -------------------------------------------------------------------------------
 */

static const char *error_text(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;
    return text ? text : "unknown reason";
}

static bool harden(SSL_CTX *c)
{
    char groups[] = "X25519:P-256:P-384"; /* not const: the library's macro casts */
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* resumption by ticket only */
    SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, CIPHERS_1_2) == 1 &&
           SSL_CTX_set1_groups_list(c, groups) == 1 && SSL_CTX_set_num_tickets(c, 1) == 1;
}

static bool take_certificate(SSL_CTX *c, X509 *leaf, EVP_PKEY *key, const STACK_OF(X509) *chain)
{
    if (SSL_CTX_use_certificate(c, leaf) != 1 || SSL_CTX_use_PrivateKey(c, key) != 1 ||
        SSL_CTX_check_private_key(c) != 1)
        return false;
    for (int i = 0; chain && i < sk_X509_num(chain); i++)
        if (SSL_CTX_add1_chain_cert(c, sk_X509_value(chain, i)) != 1)
            return false;
    return true;
}

int tls_context_create(SSL_CTX **ret, X509 *leaf, EVP_PKEY *key, const STACK_OF(X509) *chain,
                       struct buf *why)
{
    ERR_clear_error();
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c && harden(c) && take_certificate(c, leaf, key, chain)) {
        *ret = c;
        return 0;
    }
    (void)buf_printf(why, "the certificate cannot be used: %s", error_text());
    SSL_CTX_free(c);
    ERR_clear_error();
    return E_CRYPTO;
}

/* --- a session ---------------------------------------------------------------------------------
 */

int tls_create(struct tls **ret, struct tls_port *port, SSL_CTX *context)
{
    struct tls *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return E_NOMEM;
    BIO *b = BIO_new(port->method);
    t->ssl = SSL_new(context);
    if (!b || !t->ssl) {
        BIO_free(b);
        tls_destroy(t);
        ERR_clear_error();
        return E_CRYPTO;
    }
    BIO_set_data(b, t);
    SSL_set_bio(t->ssl, b, b); /* takes the one reference for both directions */
    SSL_set_accept_state(t->ssl);
    *ret = t;
    return 0;
}

void tls_destroy(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    mem_free(t);
}

static void lend(struct tls *t, struct span *in, struct buf *to)
{
    t->in = in;
    t->to = to;
    ERR_clear_error(); /* what another session left would be taken for this one's */
}

static void fail(struct tls *t)
{
    t->broken = true;
    t->error = error_text();
    ERR_clear_error();
}

enum tls_step tls_handshake(struct tls *t, struct span *in, struct buf *to)
{
    if (t->broken)
        return TLS_STEP_FAILED;
    lend(t, in, to);
    int rc = SSL_do_handshake(t->ssl);
    enum tls_step step = rc == 1 ? TLS_STEP_DONE : TLS_STEP_MORE;
    if (rc != 1 && SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ) {
        fail(t);
        step = TLS_STEP_FAILED;
    }
    lend(t, NULL, NULL);
    return step;
}

static int read_some(struct tls *t, struct buf *clear)
{
    for (;;) {
        uint8_t *p = buf_reserve(clear, TLS_RECORD_MAX);
        if (!p) {
            clear->failed = false;
            return E_MORE;
        }
        size_t got = 0;
        int rc = SSL_read_ex(t->ssl, p, TLS_RECORD_MAX, &got);
        if (rc == 1) {
            buf_commit(clear, got);
            continue;
        }
        int e = SSL_get_error(t->ssl, rc);
        if (e == SSL_ERROR_WANT_READ)
            return 0;
        if (e == SSL_ERROR_ZERO_RETURN)
            return E_CLOSED;
        fail(t);
        return E_CRYPTO;
    }
}

int tls_read(struct tls *t, struct span *in, struct buf *clear, struct buf *to)
{
    if (t->broken)
        return E_CRYPTO;
    lend(t, in, to);
    int rc = read_some(t, clear);
    lend(t, NULL, NULL);
    return rc;
}

int tls_write(struct tls *t, struct span clear, struct buf *to)
{
    if (t->broken)
        return E_CRYPTO;
    if (clear.n == 0)
        return 0;
    lend(t, NULL, to);
    size_t put = 0;
    bool ok = SSL_write_ex(t->ssl, clear.p, clear.n, &put) == 1 && put == clear.n;
    if (!ok)
        fail(t);
    lend(t, NULL, NULL);
    return ok ? 0 : E_CRYPTO;
}

void tls_close(struct tls *t, struct buf *to)
{
    if (t->broken || !SSL_is_init_finished(t->ssl))
        return;
    lend(t, NULL, to);
    (void)SSL_shutdown(t->ssl);
    lend(t, NULL, NULL);
}

const char *tls_error(const struct tls *t)
{
    return t->error ? t->error : "";
}

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
    const char *name = SSL_get_cipher_name(t->ssl);
    return name ? name : "";
}
