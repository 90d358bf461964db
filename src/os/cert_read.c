/* Reading certificates and keys: PEM (RFC 7468) and PFX (RFC 7292). */
#include "os/cert_impl.h"

#include "base/err.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#define CHAIN_MAX 16 /* certificates above the leaf */

/* The chain as handshakes need it (RFC 5246 section 7.4.2): each certificate certifies the one
 * before it. Takes what is in `loose`; what leads nowhere is left out. */
static int set_chain(struct cert *c, STACK_OF(X509) *loose)
{
    c->chain = sk_X509_new_null();
    X509 *last = c->leaf;
    int i = 0;
    while (c->chain && i < sk_X509_num(loose)) {
        X509 *next = sk_X509_value(loose, i++);
        if (X509_check_issued(next, last) != X509_V_OK || X509_cmp(next, last) == 0)
            continue;
        if (sk_X509_num(c->chain) >= CHAIN_MAX || !sk_X509_push(c->chain, next))
            break;
        (void)sk_X509_delete(loose, i - 1);
        last = next;
        i = 0;
    }
    ERR_clear_error();
    return c->chain ? 0 : E_NOMEM;
}

/* What PEM_read asks: the password to try, then whether it was asked at all. */
struct pem_password {
    const char *text;
    bool asked;
};

static int give_password(char *to, int size, int rwflag, void *ctx)
{
    struct pem_password *password = ctx;
    size_t n = strlen(password->text);
    (void)rwflag;
    password->asked = true;
    if (n > (size_t)size)
        return -1;
    memcpy(to, password->text, n);
    return (int)n;
}

static int read_pem_key(struct cert *c, const struct cert_file *file,
                        const char *const passwords[CERT_PASSWORDS], struct buf *why)
{
    bool asked = false;
    for (size_t i = 0; i < CERT_PASSWORDS && !c->key; i++) {
        struct pem_password password = {passwords[i], false};
        BIO *in = BIO_new_mem_buf(file->bytes.p, (int)file->bytes.n);
        if (!in)
            return E_NOMEM;
        c->key = PEM_read_bio_PrivateKey(in, NULL, give_password, &password);
        BIO_free(in);
        asked = asked || password.asked;
        if (!password.asked)
            break;
    }
    ERR_clear_error();
    if (c->key)
        return 0;
    if (asked)
        return CERT_FAIL(why, E_CONFIG,
                         "the key in %s is encrypted and tls.password does not open it",
                         file->path);
    return CERT_FAIL(why, E_CONFIG,
                     "%s holds no readable PEM private key; set tls.key to the file that does",
                     file->path);
}

/* Every certificate of the file, the leaf first. */
static int read_pem_certs(struct cert *c, const struct cert_file *file, struct buf *why)
{
    BIO *in = BIO_new_mem_buf(file->bytes.p, (int)file->bytes.n);
    STACK_OF(X509) *loose = sk_X509_new_null();
    int err = in && loose ? 0 : E_NOMEM;
    while (err == 0) {
        X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
        if (!x)
            break;
        if (!c->leaf) {
            c->leaf = x;
        } else if (sk_X509_num(loose) >= CHAIN_MAX || !sk_X509_push(loose, x)) {
            X509_free(x);
            err = CERT_FAIL(why, E_CONFIG,
                            "%s holds more than %d certificates; keep the server's own and those "
                            "above it",
                            file->path, CHAIN_MAX);
        }
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (err == 0 && (!c->leaf || !at_end))
        err = CERT_FAIL(
            why, E_CONFIG, "%s %s; set tls.certificate to a PEM or PFX certificate", file->path,
            c->leaf || !at_end ? "holds a damaged certificate" : "holds no certificate");
    if (err == 0)
        err = set_chain(c, loose);
    sk_X509_pop_free(loose, X509_free);
    BIO_free(in);
    return err;
}

int cert_read_pem(struct cert *c, const struct cert_file *file, const struct cert_file *key_file,
                  const char *const passwords[CERT_PASSWORDS], struct buf *why)
{
    int err = read_pem_certs(c, file, why);
    return err ? err : read_pem_key(c, key_file ? key_file : file, passwords, why);
}

/* What parsing one PFX gave. */
struct pfx {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) *loose;
};

static void pfx_fini(struct pfx *p)
{
    X509_free(p->leaf);
    EVP_PKEY_free(p->key);
    sk_X509_pop_free(p->loose, X509_free);
    *p = (struct pfx){0};
}

/* Whether the last failure was a password that does not fit. */
static bool is_wrong_password(void)
{
    unsigned long last = ERR_peek_last_error();
    return ERR_GET_LIB(last) == ERR_LIB_PKCS12 &&
           ERR_GET_REASON(last) == PKCS12_R_MAC_VERIFY_FAILURE;
}

/* False: no password opens it; the error of the last attempt is queued. */
static bool pfx_parse(struct pfx *ret, struct span der, const char *const passwords[CERT_PASSWORDS])
{
    const unsigned char *p = der.p;
    PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)der.n);
    bool has_mac = p12 && PKCS12_mac_present(p12) == 1, ok = false, fits = false;
    for (size_t i = 0; i < CERT_PASSWORDS && p12 && !ok && !fits; i++) {
        ERR_clear_error();
        /* The library refuses a file without a MAC: it gets the one that it would have. */
        if (!has_mac && !PKCS12_set_mac(p12, passwords[i], -1, NULL, 0, 1, NULL))
            break;
        ok = PKCS12_parse(p12, passwords[i], &ret->key, &ret->leaf, &ret->loose) == 1;
        fits = has_mac && !is_wrong_password();
    }
    PKCS12_free(p12);
    return ok;
}

/* RC2 and its like, as older tools write them, are in a provider that may not be installed. It is
 * there for this one call: nothing else of the process is to use them. */
static bool pfx_parse_legacy(struct pfx *ret, struct span der,
                             const char *const passwords[CERT_PASSWORDS])
{
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
    bool ok = legacy && pfx_parse(ret, der, passwords);
    if (legacy)
        OSSL_PROVIDER_unload(legacy);
    return ok;
}

static int pfx_open(struct pfx *ret, const struct cert_file *file,
                    const char *const passwords[CERT_PASSWORDS], struct buf *why)
{
    const unsigned char *p = file->bytes.p;
    PKCS12 *is = d2i_PKCS12(NULL, &p, (long)file->bytes.n);
    PKCS12_free(is);
    ERR_clear_error();
    if (!is)
        return CERT_FAIL(why, E_CONFIG,
                         "%s is neither PEM nor PFX, or is damaged; restore it, or move it away to "
                         "have one made",
                         file->path);
    if (pfx_parse(ret, file->bytes, passwords))
        return 0;
    bool wrong = is_wrong_password();
    if (!wrong && pfx_parse_legacy(ret, file->bytes, passwords))
        return 0;
    if (wrong)
        return CERT_FAIL(
            why, E_CONFIG,
            "tls.password does not open %s; set it to the file's password, or move the "
            "file away to have one made",
            file->path);
    return CERT_FAIL(
        why, E_CONFIG,
        "cannot read %s: %s; check tls.password, or write it again with: openssl pkcs12 "
        "-export",
        file->path, cert_reason());
}

int cert_read_pfx(struct cert *c, const struct cert_file *file,
                  const char *const passwords[CERT_PASSWORDS], struct buf *why)
{
    struct pfx pfx = {0};
    int err = pfx_open(&pfx, file, passwords, why);
    if (err == 0 && (!pfx.key || !pfx.leaf))
        err =
            CERT_FAIL(why, E_CONFIG, "%s holds no %s; export both certificate and key into it",
                      file->path, pfx.key ? "certificate that belongs to its key" : "private key");
    if (err == 0) {
        c->leaf = pfx.leaf;
        c->key = pfx.key;
        pfx.leaf = NULL;
        pfx.key = NULL;
        err = set_chain(c, pfx.loose);
    }
    pfx_fini(&pfx);
    ERR_clear_error();
    return err;
}
