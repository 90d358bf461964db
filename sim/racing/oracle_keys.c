/* The ciphers of docs/protocol-racing.md, "Sealed datagrams" and "Stronger datagrams", once more:
 * the server's own may be what is wrong. Contexts are kept, so that opening is one decryption. */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/err.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define HEADER 20u
#define TAG    16u
#define BLOCK  16u
#define WINDOW 1024u

struct o_keys {
    enum o_cipher cipher;
    EVP_CIPHER_CTX *ctx;
    EVP_MAC_CTX *mac;
    uint8_t conn[CONN_N], salt[4], iv[16];
    uint64_t next;         /* one past the highest sequence seen */
    uint64_t seen[WINDOW]; /* by sequence modulo the window: the last seen there, plus one */
};

static struct o_keys *make(enum o_cipher cipher, const EVP_CIPHER *type, const uint8_t *key)
{
    struct o_keys *k = calloc(1, sizeof *k);
    CHECK(k);
    k->cipher = cipher;
    k->ctx = EVP_CIPHER_CTX_new();
    CHECK(k->ctx && EVP_DecryptInit_ex2(k->ctx, type, key, NULL, NULL) == 1);
    return k;
}

struct o_keys *o_keys_document(struct span id, struct span secret)
{
    uint8_t both[ID_N + SECRET_N], hash[32];
    CHECK(id.n + secret.n <= sizeof both);
    memcpy(both, id.p, id.n);
    memcpy(both + id.n, secret.p, secret.n);
    CHECK(EVP_Digest(both, id.n + secret.n, hash, NULL, EVP_sha256(), NULL) == 1);
    struct o_keys *k = make(CIPHER_CBC, EVP_aes_256_cbc(), hash);
    memcpy(k->iv, hash + 16, sizeof k->iv);
    return k;
}

static EVP_MAC_CTX *mac_make(const uint8_t key[32])
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    CHECK(ctx && EVP_MAC_init(ctx, key, 32, params) == 1);
    EVP_MAC_free(mac);
    return ctx;
}

struct o_keys *o_keys_aead(enum o_cipher cipher, const uint8_t conn[CONN_N], struct span material)
{
    bool gcm = cipher == CIPHER_GCM;
    CHECK(material.n == (gcm ? 36u : 64u));
    struct o_keys *k = make(cipher, gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc(), material.p);
    memcpy(k->conn, conn, CONN_N);
    if (gcm)
        memcpy(k->salt, material.p + 32, sizeof k->salt);
    else
        k->mac = mac_make(material.p + 32);
    return k;
}

void o_keys_free(struct o_keys *k)
{
    if (!k)
        return;
    EVP_CIPHER_CTX_free(k->ctx);
    EVP_MAC_CTX_free(k->mac);
    free(k);
}

const uint8_t *o_keys_conn(const struct o_keys *k)
{
    return k->cipher == CIPHER_CBC ? NULL : k->conn;
}

/* ---- opening ---- */

static int cbc(struct o_keys *k, const uint8_t *iv, struct span in, uint8_t *to)
{
    int n = 0;
    CHECK(EVP_DecryptInit_ex2(k->ctx, NULL, NULL, iv, NULL) == 1 &&
          EVP_CIPHER_CTX_set_padding(k->ctx, 0) == 1 &&
          EVP_DecryptUpdate(k->ctx, to, &n, in.p, (int)in.n) == 1 && (size_t)n == in.n);
    size_t pad = to[in.n - 1];
    if (pad == 0 || pad > BLOCK)
        return E_FORMAT;
    for (size_t i = 1; i <= pad; i++)
        if (to[in.n - i] != pad)
            return E_FORMAT;
    return (int)(in.n - pad);
}

static int gcm(struct o_keys *k, struct span d, uint8_t *to)
{
    uint8_t nonce[12], tag[TAG], none[1];
    size_t n = d.n - HEADER - TAG;
    int done = 0;
    memcpy(nonce, k->salt, 4);
    memcpy(nonce + 4, d.p + 12, 8);
    memcpy(tag, d.p + HEADER + n, TAG);
    CHECK(EVP_DecryptInit_ex2(k->ctx, NULL, NULL, nonce, NULL) == 1 &&
          EVP_DecryptUpdate(k->ctx, NULL, &done, d.p, HEADER) == 1 &&
          (n == 0 || EVP_DecryptUpdate(k->ctx, to, &done, d.p + HEADER, (int)n) == 1) &&
          EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1);
    return EVP_DecryptFinal_ex(k->ctx, none, &done) == 1 ? (int)n : E_AUTH;
}

static int cbc_hmac(struct o_keys *k, struct span d, uint8_t *to)
{
    uint8_t mac[32];
    size_t n;
    if (d.n < HEADER + 2 * BLOCK + TAG || (d.n - HEADER - TAG) % BLOCK)
        return E_FORMAT;
    CHECK(EVP_MAC_init(k->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(k->mac, d.p, d.n - TAG) == 1 &&
          EVP_MAC_final(k->mac, mac, &n, sizeof mac) == 1);
    if (memcmp(mac, d.p + d.n - TAG, TAG) != 0)
        return E_AUTH;
    return cbc(k, d.p + HEADER, span_of(d.p + HEADER + BLOCK, d.n - HEADER - BLOCK - TAG), to);
}

bool o_is_cbc(struct span d)
{
    if (d.n < 4 + BLOCK || (d.n - 4) % BLOCK)
        return false;
    return d.p[0] == ((d.n - 4) & 0xff) && d.p[1] == ((d.n - 4) >> 8 & 0xff) && d.p[2] == 0 &&
           d.p[3] == 0;
}

bool o_is_aead(struct span d, const uint8_t **conn)
{
    if (d.n < HEADER + TAG || memcmp(d.p, "MPG1", 4) != 0)
        return false;
    *conn = d.p + 4;
    return true;
}

int o_keys_open(struct o_keys *k, struct span d, uint8_t *to, uint64_t *seq)
{
    const uint8_t *conn;
    if (k->cipher == CIPHER_CBC)
        return o_is_cbc(d) ? cbc(k, k->iv, span_skip(d, 4), to) : E_FORMAT;
    if (!o_is_aead(d, &conn) || memcmp(conn, k->conn, CONN_N) != 0)
        return E_FORMAT;
    *seq = 0;
    for (unsigned i = 0; i < 8; i++)
        *seq = *seq << 8 | d.p[12 + i];
    if (*seq >> 63)
        return E_FORMAT;
    return k->cipher == CIPHER_GCM ? gcm(k, d, to) : cbc_hmac(k, d, to);
}

/* ---- the window ---- */

bool o_seq_fresh(const struct o_keys *k, uint64_t seq)
{
    return seq >= k->next || (k->next - seq <= WINDOW && k->seen[seq % WINDOW] != seq + 1);
}

bool o_seq_is_new(const struct o_keys *k, uint64_t seq)
{
    return seq >= k->next;
}

void o_seq_mark(struct o_keys *k, uint64_t seq)
{
    if (!o_seq_fresh(k, seq))
        return; /* its place may be a newer one's */
    k->seen[seq % WINDOW] = seq + 1;
    if (seq >= k->next)
        k->next = seq + 1;
}
