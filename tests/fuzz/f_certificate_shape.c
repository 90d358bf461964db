/* Certificate files put together from blocks as people do it: leaf, issuer, strangers, keys in the
 * clear and under passwords, words in between; taken exactly where the first certificate and the
 * first key can be read, with the chain that leads somewhere. PFX under a known and an unknown
 * password. Then damaged: cert_look.h says what must hold. */
#include "cert_look.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

enum block { LEAF, ISSUER, STRANGER, KEY, KEY_SECRET, KEY_UNKNOWN, WORDS, BLOCKS };

struct stock { /* made once: keys cost time */
    struct buf block[BLOCKS];
    struct buf pfx[2]; /* under a known and an unknown password */
    EVP_PKEY *key;
};

static X509 *certify(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    MUST(x && X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
    MUST(X509_gmtime_adj(X509_getm_notBefore(x), 0) && X509_gmtime_adj(X509_getm_notAfter(x), 999));
    MUST(
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0));
    MUST(X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject));
    MUST(X509_set_pubkey(x, key) && X509_sign(x, issuer_key, EVP_sha256()));
    return x;
}

static void keep(BIO *bio, struct buf *to)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    buf_init(to, 8192);
    MUST(n > 0 && buf_append(to, p, (size_t)n) == 0);
    BIO_free(bio);
}

static void put_cert(struct buf *to, X509 *x)
{
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(bio && PEM_write_bio_X509(bio, x));
    keep(bio, to);
}

static void put_key(struct buf *to, EVP_PKEY *key, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = password ? EVP_aes_128_cbc() : NULL;
    /* The old form: its key is derived in one round. */
    MUST(bio && PEM_write_bio_PrivateKey_traditional(bio, key, cipher, NULL, 0, NULL,
                                                     (void *)(uintptr_t)password));
    keep(bio, to);
}

static void put_pfx(struct buf *to, EVP_PKEY *key, X509 *leaf, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PKCS12 *p12 =
        PKCS12_create(password, "x", key, leaf, NULL, NID_aes_128_cbc, NID_aes_128_cbc, 1, 1, 0);
    MUST(bio && p12 && i2d_PKCS12_bio(bio, p12));
    PKCS12_free(p12);
    keep(bio, to);
}

static struct stock *make_stock(void)
{
    struct stock *s = fuzz_alloc(sizeof *s);
    EVP_PKEY *ca = EVP_EC_gen("P-256");
    s->key = EVP_EC_gen("P-256");
    MUST(ca && s->key);
    X509 *issuer = certify(ca, "issuer", NULL, ca), *leaf = certify(s->key, "leaf", issuer, ca),
         *stranger = certify(ca, "stranger", NULL, ca);
    put_cert(&s->block[LEAF], leaf);
    put_cert(&s->block[ISSUER], issuer);
    put_cert(&s->block[STRANGER], stranger);
    put_key(&s->block[KEY], s->key, NULL);
    put_key(&s->block[KEY_SECRET], s->key, passwords[0]);
    put_key(&s->block[KEY_UNKNOWN], s->key, "nobody's");
    buf_init(&s->block[WORDS], 64);
    MUST(buf_append_str(&s->block[WORDS], "Bag Attributes\n    friendlyName: x\n\n") == 0);
    put_pfx(&s->pfx[0], s->key, leaf, passwords[1]);
    put_pfx(&s->pfx[1], s->key, leaf, "nobody's");
    X509_free(issuer);
    X509_free(leaf);
    X509_free(stranger);
    EVP_PKEY_free(ca);
    return s;
}

static const struct stock *stock(void)
{
    static struct stock *made; /* for the life of the process */
    if (!made)
        made = make_stock();
    return made;
}

/* Blocks in any order; what must come of them. */
static void put_together(struct span *in, struct buf *to, int *first_cert, int *first_key,
                         bool *issuer)
{
    *first_cert = *first_key = -1;
    *issuer = false;
    for (size_t n = fuzz_below(in, 7); n > 0; n--) {
        int b = (int)fuzz_below(in, BLOCKS);
        MUST(buf_append_span(to, buf_span(&stock()->block[b])) == 0);
        if (b <= STRANGER && *first_cert < 0)
            *first_cert = b;
        if (b >= KEY && b <= KEY_UNKNOWN && *first_key < 0)
            *first_key = b;
        *issuer |= b == ISSUER;
    }
}

static void pem(struct span *in)
{
    struct buf file;
    int first_cert, first_key;
    bool issuer;
    buf_init(&file, 65536);
    put_together(in, &file, &first_cert, &first_key, &issuer);
    uint8_t *exact = fuzz_copy(buf_span(&file));
    struct span whole = span_of(exact, file.n), other = buf_span(&stock()->block[KEY]);
    bool apart = fuzz_chance(in, 64);
    struct cert *c = cert_look(apart ? CERT_FORM_PEM_AND_KEY : CERT_FORM_PEM, whole, other);
    bool key = apart || first_key == KEY || first_key == KEY_SECRET;
    MUST((c != NULL) == (first_cert >= 0 && key));
    if (c && first_cert == LEAF)
        MUST(sk_X509_num(c->chain) == issuer && EVP_PKEY_eq(c->key, stock()->key) == 1);
    cert_destroy(c);
    struct span bad = fuzz_damage(in, whole);
    cert_destroy(cert_look(CERT_FORM_PEM, bad, SPAN_NULL));
    fuzz_free(bad);
    free(exact);
    buf_fini(&file);
}

static void pfx(struct span *in)
{
    bool known = fuzz_chance(in, 192);
    struct span whole = buf_span(&stock()->pfx[!known]);
    struct cert *c = cert_look(CERT_FORM_PFX, whole, SPAN_NULL);
    MUST((c != NULL) == known && (!c || EVP_PKEY_eq(c->key, stock()->key) == 1));
    cert_destroy(c);
    struct span bad = fuzz_damage(in, whole);
    cert_destroy(cert_look(CERT_FORM_PFX, bad, SPAN_NULL));
    fuzz_free(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    if (fuzz_byte(&in) % 4)
        pem(&in);
    else
        pfx(&in);
    return 0;
}
