#include "wire/seal.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "wire/replay.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define BLOCK        16u
#define TAG          16u
#define LENGTH       4u /* SEAL_CBC's header */
#define SALT         4u
#define NONCE        12u
#define MAC_KEY      32u
#define MAC_SIZE     32u
#define TEXT_MAX     ((size_t)INT32_MAX - SEAL_OVERHEAD_MAX)
#define SEQUENCE_MAX (UINT64_C(1) << 63)

_Static_assert(SEAL_WINDOW == REPLAY_WINDOW, "one window");

static const uint8_t magic[4] = {'M', 'P', 'G', '1'};

static const struct {
    size_t key;
    const char *cipher;
} kinds[] = {
    [SEAL_PLAIN] = {0, NULL},
    [SEAL_PLAIN_LF] = {0, NULL},
    [SEAL_CBC] = {SEAL_CBC_KEY, "AES-256-CBC"},
    [SEAL_GCM] = {SEAL_GCM_KEY, "AES-256-GCM"},
    [SEAL_CBC_HMAC] = {SEAL_CBC_HMAC_KEY, "AES-256-CBC"},
};

/* What both directions have. */
struct box {
    EVP_CIPHER_CTX *cipher; /* NULL for the plain kinds */
    EVP_MAC_CTX *mac;       /* SEAL_CBC_HMAC only */
    enum seal_kind kind;
    uint8_t conn_id[SEAL_CONN_ID];
    union {
        uint8_t iv[BLOCK];  /* SEAL_CBC: of every packet */
        uint8_t salt[SALT]; /* SEAL_GCM */
    };
    uint8_t chain[BLOCK]; /* CBC: the last ciphertext block the context saw */
};

struct sealer {
    struct box box;
    struct entropy *entropy;
    uint64_t next; /* sequence */
};

struct opener {
    struct box box;
    struct replay replay;
};

static EVP_MAC_CTX *mac_create(const uint8_t *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (ctx && EVP_MAC_init(ctx, key, MAC_KEY, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static void box_fini(struct box *b)
{
    EVP_CIPHER_CTX_free(b->cipher);
    EVP_MAC_CTX_free(b->mac);
}

static int box_init(struct box *b, const struct seal_cfg *cfg, int encrypt)
{
    static const uint8_t zeros[BLOCK];
    if ((size_t)cfg->kind >= ARRAY_LEN(kinds) || cfg->key.n != kinds[cfg->kind].key)
        return E_RANGE;
    const uint8_t *key = cfg->key.p;
    b->kind = cfg->kind;
    memcpy(b->conn_id, cfg->conn_id, sizeof b->conn_id);
    if (!kinds[cfg->kind].cipher)
        return 0;
    if (b->kind == SEAL_CBC)
        memcpy(b->iv, key + 16, sizeof b->iv);
    if (b->kind == SEAL_GCM)
        memcpy(b->salt, key + 32, sizeof b->salt);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, kinds[b->kind].cipher, NULL);
    b->cipher = EVP_CIPHER_CTX_new();
    bool ok = cipher && b->cipher &&
              EVP_CipherInit_ex2(b->cipher, cipher, key, zeros, encrypt, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(b->cipher, 0) == 1;
    EVP_CIPHER_free(cipher);
    if (ok && b->kind == SEAL_CBC_HMAC)
        ok = (b->mac = mac_create(key + 32)) != NULL;
    if (ok)
        return 0;
    box_fini(b);
    return E_CRYPTO;
}

static void xor_block(uint8_t *to, const uint8_t *a, const uint8_t *b)
{
    for (size_t i = 0; i < BLOCK; i++)
        to[i] ^= a[i] ^ b[i];
}

/* After a failed call nobody knows where the chain stands. */
static int cbc_restart(struct box *b)
{
    static const uint8_t zeros[BLOCK];
    memset(b->chain, 0, sizeof b->chain);
    (void)EVP_CipherInit_ex2(b->cipher, NULL, NULL, zeros, -1, NULL);
    return E_CRYPTO;
}

/* The context chains on from packet to packet. Putting the difference between where it stands and
 * the wanted IV on the first block gives the same bytes as setting the IV would, which alone costs
 * a third of a packet. n: whole blocks, padded, in place. */
static int cbc_encrypt(struct box *b, const uint8_t *iv, uint8_t *text, size_t n)
{
    int done = 0;
    xor_block(text, iv, b->chain);
    if (EVP_EncryptUpdate(b->cipher, text, &done, text, (int)n) != 1 || (size_t)done != n)
        return cbc_restart(b);
    memcpy(b->chain, text + n - BLOCK, BLOCK);
    return 0;
}

static int cbc_decrypt(struct box *b, const uint8_t *iv, struct span in, uint8_t *to)
{
    int done = 0;
    if (EVP_DecryptUpdate(b->cipher, to, &done, in.p, (int)in.n) != 1 || (size_t)done != in.n)
        return cbc_restart(b);
    xor_block(to, iv, b->chain);
    memcpy(b->chain, in.p + in.n - BLOCK, BLOCK);
    return 0;
}

static int mac_make(EVP_MAC_CTX *mac, struct span in, uint8_t out[MAC_SIZE])
{
    size_t n;
    bool ok = EVP_MAC_init(mac, NULL, 0, NULL) == 1 && EVP_MAC_update(mac, in.p, in.n) == 1 &&
              EVP_MAC_final(mac, out, &n, MAC_SIZE) == 1;
    return ok ? 0 : E_CRYPTO;
}

static void put_be64(uint8_t *to, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        to[i] = (uint8_t)v;
}

static uint64_t get_be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static size_t padded(size_t n)
{
    return (n / BLOCK + 1) * BLOCK;
}

int sealer_create(struct sealer **ret, const struct seal_cfg *cfg, struct entropy *entropy)
{
    struct sealer *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    int rc = box_init(&s->box, cfg, 1);
    if (rc) {
        mem_free_secret(s, sizeof *s);
        return rc;
    }
    s->entropy = entropy;
    *ret = s;
    return 0;
}

void sealer_destroy(struct sealer *s)
{
    if (!s)
        return;
    box_fini(&s->box);
    mem_free_secret(s, sizeof *s);
}

enum seal_kind sealer_kind(const struct sealer *s)
{
    return s->box.kind;
}

size_t sealer_size(const struct sealer *s, size_t n)
{
    switch (s->box.kind) {
    case SEAL_PLAIN_LF: return n + 1;
    case SEAL_CBC: return LENGTH + padded(n);
    case SEAL_GCM: return SEAL_HEADER + n + TAG;
    case SEAL_CBC_HMAC: return SEAL_HEADER + BLOCK + padded(n) + TAG;
    case SEAL_PLAIN:
    default: return n;
    }
}

static void put_text(const struct span *parts, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n)
            memcpy(to, parts[i].p, parts[i].n);
        to += parts[i].n;
    }
}

/* PKCS#7 (RFC 5652 section 6.3). */
static void put_padding(uint8_t *text, size_t n)
{
    size_t pad = padded(n) - n;
    memset(text + n, (int)pad, pad);
}

static void put_header(struct sealer *s, uint8_t *to)
{
    memcpy(to, magic, sizeof magic);
    memcpy(to + sizeof magic, s->box.conn_id, SEAL_CONN_ID);
    put_be64(to + sizeof magic + SEAL_CONN_ID, s->next++);
}

static int seal_cbc(struct sealer *s, uint8_t *to, size_t n)
{
    size_t size = padded(n);
    for (unsigned i = 0; i < LENGTH; i++)
        to[i] = (uint8_t)(size >> (8 * i));
    put_padding(to + LENGTH, n);
    return cbc_encrypt(&s->box, s->box.iv, to + LENGTH, size);
}

static void nonce_of(const struct box *b, const uint8_t *header, uint8_t nonce[NONCE])
{
    memcpy(nonce, b->salt, SALT);
    memcpy(nonce + SALT, header + SEAL_HEADER - 8, 8);
}

static int seal_gcm(struct sealer *s, uint8_t *to, size_t n)
{
    EVP_CIPHER_CTX *c = s->box.cipher;
    uint8_t nonce[NONCE], *text = to + SEAL_HEADER;
    OSSL_PARAM tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, text + n, TAG),
        OSSL_PARAM_construct_end(),
    };
    int done = 0;
    put_header(s, to);
    nonce_of(&s->box, to, nonce);
    bool ok = EVP_EncryptInit_ex2(c, NULL, NULL, nonce, NULL) == 1 &&
              EVP_EncryptUpdate(c, NULL, &done, to, SEAL_HEADER) == 1 &&
              (n == 0 || EVP_EncryptUpdate(c, text, &done, text, (int)n) == 1) &&
              EVP_EncryptFinal_ex(c, text + n, &done) == 1 &&
              EVP_CIPHER_CTX_get_params(c, tag) == 1;
    return ok ? 0 : E_CRYPTO;
}

static int seal_cbc_hmac(struct sealer *s, uint8_t *to, size_t n)
{
    uint8_t mac[MAC_SIZE], *iv = to + SEAL_HEADER, *text = iv + BLOCK;
    size_t size = padded(n);
    put_header(s, to);
    entropy_get(s->entropy, iv, BLOCK);
    put_padding(text, n);
    int rc = cbc_encrypt(&s->box, iv, text, size);
    if (rc == 0)
        rc = mac_make(s->box.mac, span_of(to, SEAL_HEADER + BLOCK + size), mac);
    if (rc == 0)
        memcpy(text + size, mac, TAG);
    return rc;
}

int sealer_seal(struct sealer *s, const struct span *parts, size_t n, uint8_t *to, size_t cap)
{
    size_t text = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n > TEXT_MAX - text)
            return E_LIMIT;
        text += parts[i].n;
    }
    size_t size = sealer_size(s, text);
    if (size > cap)
        return E_LIMIT;
    if (s->next >= SEQUENCE_MAX)
        return E_RANGE;
    int rc = 0;
    switch (s->box.kind) {
    case SEAL_CBC:
        put_text(parts, n, to + LENGTH);
        rc = seal_cbc(s, to, text);
        break;
    case SEAL_GCM:
        put_text(parts, n, to + SEAL_HEADER);
        rc = seal_gcm(s, to, text);
        break;
    case SEAL_CBC_HMAC:
        put_text(parts, n, to + SEAL_HEADER + BLOCK);
        rc = seal_cbc_hmac(s, to, text);
        break;
    case SEAL_PLAIN_LF:
        to[text] = '\n';
        put_text(parts, n, to);
        break;
    case SEAL_PLAIN:
    default: put_text(parts, n, to);
    }
    return rc ? rc : (int)size;
}

int opener_create(struct opener **ret, const struct seal_cfg *cfg)
{
    if (cfg->kind == SEAL_PLAIN || cfg->kind == SEAL_PLAIN_LF)
        return E_RANGE;
    struct opener *o = mem_zalloc(1, sizeof *o);
    if (!o)
        return E_NOMEM;
    int rc = box_init(&o->box, cfg, 0);
    if (rc) {
        mem_free_secret(o, sizeof *o);
        return rc;
    }
    *ret = o;
    return 0;
}

void opener_destroy(struct opener *o)
{
    if (!o)
        return;
    box_fini(&o->box);
    mem_free_secret(o, sizeof *o);
}

enum seal_kind opener_kind(const struct opener *o)
{
    return o->box.kind;
}

bool seal_is_cbc(struct span d)
{
    if (d.n < LENGTH + BLOCK || d.n > INT32_MAX || (d.n - LENGTH) % BLOCK)
        return false;
    uint32_t length = 0;
    for (unsigned i = 0; i < LENGTH; i++)
        length |= (uint32_t)d.p[i] << (8 * i);
    return length == d.n - LENGTH;
}

bool seal_is_aead(struct span d, const uint8_t **conn_id)
{
    if (d.n < SEAL_HEADER + TAG || memcmp(d.p, magic, sizeof magic) != 0)
        return false;
    *conn_id = d.p + sizeof magic;
    return true;
}

/* Size of the text in front of the padding, or E_FORMAT. */
static int strip_padding(const uint8_t *p, size_t n)
{
    size_t pad = p[n - 1];
    if (pad == 0 || pad > BLOCK)
        return E_FORMAT;
    for (size_t i = 2; i <= pad; i++)
        if (p[n - i] != pad)
            return E_FORMAT;
    return (int)(n - pad);
}

static int open_cbc(struct opener *o, struct span d, uint8_t *to, size_t cap)
{
    if (!seal_is_cbc(d))
        return E_FORMAT;
    struct span in = span_skip(d, LENGTH);
    if (in.n > cap)
        return E_LIMIT;
    int rc = cbc_decrypt(&o->box, o->box.iv, in, to);
    return rc ? rc : strip_padding(to, in.n);
}

static int open_gcm(struct opener *o, struct span d, uint8_t *to, size_t cap)
{
    EVP_CIPHER_CTX *c = o->box.cipher;
    uint8_t nonce[NONCE], tag[TAG], none[1];
    size_t n = d.n - SEAL_HEADER - TAG;
    const uint8_t *text = d.p + SEAL_HEADER;
    int done = 0;
    if (n > cap)
        return E_LIMIT;
    nonce_of(&o->box, d.p, nonce);
    memcpy(tag, text + n, TAG);
    bool ok = EVP_DecryptInit_ex2(c, NULL, NULL, nonce, NULL) == 1 &&
              EVP_DecryptUpdate(c, NULL, &done, d.p, SEAL_HEADER) == 1 &&
              (n == 0 || EVP_DecryptUpdate(c, to, &done, text, (int)n) == 1) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1;
    if (!ok)
        return E_CRYPTO;
    if (EVP_DecryptFinal_ex(c, none, &done) != 1) {
        mem_wipe(to, n); /* not to be read: nobody vouches for it */
        return E_AUTH;
    }
    return (int)n;
}

static int open_cbc_hmac(struct opener *o, struct span d, uint8_t *to, size_t cap)
{
    uint8_t mac[MAC_SIZE];
    if (d.n < SEAL_HEADER + 2 * BLOCK + TAG || (d.n - SEAL_HEADER - TAG) % BLOCK)
        return E_FORMAT;
    const uint8_t *iv = d.p + SEAL_HEADER;
    struct span in = span_of(iv + BLOCK, d.n - SEAL_HEADER - BLOCK - TAG);
    if (in.n > cap)
        return E_LIMIT;
    int rc = mac_make(o->box.mac, span_of(d.p, d.n - TAG), mac);
    if (rc)
        return rc;
    if (!mem_equal_ct(mac, in.p + in.n, TAG))
        return E_AUTH;
    rc = cbc_decrypt(&o->box, iv, in, to);
    return rc ? rc : strip_padding(to, in.n);
}

int opener_open(struct opener *o, struct span d, uint8_t *to, size_t cap)
{
    if (o->box.kind == SEAL_CBC)
        return open_cbc(o, d, to, cap);
    const uint8_t *conn_id;
    if (!seal_is_aead(d, &conn_id) || d.n > INT32_MAX ||
        memcmp(conn_id, o->box.conn_id, SEAL_CONN_ID) != 0)
        return E_FORMAT;
    uint64_t seq = get_be64(conn_id + SEAL_CONN_ID);
    if (seq >= SEQUENCE_MAX)
        return E_FORMAT;
    if (!replay_is_fresh(&o->replay, seq))
        return E_REPLAY;
    int n = o->box.kind == SEAL_GCM ? open_gcm(o, d, to, cap) : open_cbc_hmac(o, d, to, cap);
    if (n >= 0 || PLANTED(WINDOW_MOVED_BY_FORGERY))
        replay_mark(&o->replay, seq);
    return n;
}

int opener_peek(struct opener *o, struct span d, uint8_t ret[16])
{
    if (o->box.kind != SEAL_CBC || !seal_is_cbc(d))
        return E_FORMAT;
    return cbc_decrypt(&o->box, o->box.iv, span_of(d.p + LENGTH, BLOCK), ret);
}

int seal_derive_cbc(struct span session_id, struct span secret, uint8_t key[SEAL_CBC_KEY])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, session_id.p, session_id.n) == 1 &&
              EVP_DigestUpdate(ctx, secret.p, secret.n) == 1 &&
              EVP_DigestFinal_ex(ctx, key, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : E_CRYPTO;
}
