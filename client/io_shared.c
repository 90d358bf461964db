#include "client/io_shared.h"

#include "base/check.h"
#include "base/mem.h"
#include "client/io_link.h"
#include "wire/text.h"

#include <openssl/rand.h>

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    CHECK(n <= INT32_MAX && RAND_bytes(to, (int)n) == 1);
}

/* "AB:CD:..." or "abcd...": 20 or 32 bytes. */
static int parse_pin(struct slipgate_shared *h, const char *text)
{
    char hex[2 * SGC_PIN_MAX];
    size_t n = 0;
    if (!text)
        return SLIPGATE_E_ARGUMENT;
    for (; *text; text++) {
        if (*text == ':')
            continue;
        if (n == sizeof hex)
            return SLIPGATE_E_ARGUMENT;
        hex[n++] = *text;
    }
    h->pin_n = n / 2;
    bool known = n == 40 || n == 64;
    return known && hex_decode(span_of(hex, n), h->pin, h->pin_n) == 0 ? 0 : SLIPGATE_E_ARGUMENT;
}

static int load_trust(struct slipgate_shared *h, const struct slipgate_config *cfg)
{
    h->verify = cfg->verify;
    if (cfg->verify == SLIPGATE_VERIFY_PIN)
        return parse_pin(h, cfg->pin);
    if (cfg->verify == SLIPGATE_VERIFY_NONE)
        return 0;
    if (cfg->verify != SLIPGATE_VERIFY_CA)
        return SLIPGATE_E_ARGUMENT;
    int ok = cfg->ca_file ? SSL_CTX_load_verify_locations(h->tls, cfg->ca_file, NULL)
                          : SSL_CTX_set_default_verify_paths(h->tls);
    if (ok != 1)
        return SLIPGATE_E_CERTIFICATE;
    /* The file may hold the server's own self-signed certificate, which is no authority. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(h->tls), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(h->tls, SSL_VERIFY_PEER, NULL);
    return 0;
}

static int setup(struct slipgate_shared *h, const struct slipgate_config *cfg)
{
    entropy_init(&h->entropy, fill);
    h->scratch.entropy = &h->entropy;
    if (gzip_create(&h->scratch.gzip) != 0)
        return SLIPGATE_E_MEMORY;
    for (size_t i = 0; i < SGC_BATCH; i++) {
        h->batch.iov[i] = (struct iovec){h->batch.bytes[i], SGC_DATAGRAM_MAX};
        h->batch.msg[i].msg_hdr.msg_iov = &h->batch.iov[i];
        h->batch.msg[i].msg_hdr.msg_iovlen = 1;
    }
    h->tls = SSL_CTX_new(TLS_client_method());
    h->bio = sgc_link_bio_method();
    if (!h->tls || !h->bio || SSL_CTX_set_min_proto_version(h->tls, TLS1_2_VERSION) != 1)
        return SLIPGATE_E_MEMORY;
    SSL_CTX_set_mode(h->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    return load_trust(h, cfg);
}

int slipgate_shared_create(struct slipgate_shared **ret, const struct slipgate_config *cfg)
{
    if (!ret || !cfg)
        return SLIPGATE_E_ARGUMENT;
    struct slipgate_shared *h = mem_zalloc(1, sizeof *h);
    if (!h)
        return SLIPGATE_E_MEMORY;
    int rc = setup(h, cfg);
    if (rc != 0) {
        slipgate_shared_destroy(h);
        return rc;
    }
    *ret = h;
    return 0;
}

void slipgate_shared_destroy(struct slipgate_shared *h)
{
    if (!h)
        return;
    SSL_CTX_free(h->tls);
    BIO_meth_free(h->bio);
    gzip_destroy(h->scratch.gzip);
    entropy_fini(&h->entropy);
    mem_free_secret(h, sizeof *h);
}
