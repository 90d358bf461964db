#include "forms.h"

#include "base/check.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <zlib.h>

#define HEAD 20u
#define TAG  16u
#define SALT 4u

#define PACKED_MAX 1200u

void keys_derive(struct keys *k, const char *id, const char *secret)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned n = 0;
    *k = (struct keys){.granted = -1};
    CHECK(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) && EVP_DigestUpdate(md, id, strlen(id)) &&
          EVP_DigestUpdate(md, secret, strlen(secret)) && EVP_DigestFinal_ex(md, k->document, &n));
    EVP_MD_CTX_free(md);
}

/* ---- the grant ---- */

/* The string member of this name, as it stands. */
static struct span string_of(struct span object, const char *name)
{
    char quoted[32];
    size_t n = (size_t)snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const uint8_t *at = memmem(object.p, object.n, quoted, n);
    if (!at)
        return SPAN_NULL;
    struct span rest = span_skip(object, (size_t)(at - object.p) + n);
    const uint8_t *end = memchr(rest.p, '"', rest.n);
    return end ? span_of(rest.p, (size_t)(end - rest.p)) : SPAN_NULL;
}

static bool decode(struct span text, uint8_t *to, size_t n)
{
    uint8_t bytes[100];
    size_t pad =
        text.n >= 2 ? (size_t)(text.p[text.n - 1] == '=') + (text.p[text.n - 2] == '=') : 0;
    if (text.n == 0 || text.n > 100 || text.n % 4)
        return false;
    int got = EVP_DecodeBlock(bytes, text.p, (int)text.n);
    if (got < 0 || (size_t)got - pad != n)
        return false;
    memcpy(to, bytes, n);
    return true;
}

bool keys_grant(struct keys *k, struct span reply, struct buf *why)
{
    static const char member[] = "\"udpAead\":{";
    const uint8_t *at = reply.n ? memmem(reply.p, reply.n, member, sizeof member - 1) : NULL;
    if (!at)
        return true;
    struct span object = span_skip(reply, (size_t)(at - reply.p));
    struct span alg = string_of(object, "alg"), conn = string_of(object, "connId");
    bool gcm = span_eq(alg, SPAN_LIT("aes-256-gcm"));
    size_t size = gcm ? 32 + SALT : 64, n = 0;
    char hex[20] = {0};
    if (conn.n == 16)
        memcpy(hex, conn.p, 16);
    if ((!gcm && !span_eq(alg, SPAN_LIT("aes-256-cbc-hmac-sha256"))) ||
        !OPENSSL_hexstr2buf_ex(k->conn_id, sizeof k->conn_id, &n, hex, '\0') || n != 8 ||
        !decode(string_of(object, "c2s"), k->c2s, size) ||
        !decode(string_of(object, "s2c"), k->s2c, size) || memcmp(k->c2s, k->s2c, size) == 0) {
        (void)buf_append_str(why, "the keys granted in udpAead are not as the document has them");
        return false;
    }
    k->granted = gcm ? FORM_GCM : FORM_CBC_HMAC;
    k->sent = k->next = 0;
    k->pack = object.n && memmem(object.p, object.n, "\"pack\":true", 11);
    return true;
}

/* ---- ciphers ---- */

/* AES-256-CBC, whole text; encrypts or decrypts. -1: the padding is wrong. */
static int cbc(bool encrypt, const uint8_t *key, const uint8_t *iv, struct span in, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, m = 0;
    CHECK(c && EVP_CipherInit_ex(c, EVP_aes_256_cbc(), NULL, key, iv, encrypt));
    bool ok = EVP_CipherUpdate(c, out, &n, in.p, (int)in.n) && EVP_CipherFinal_ex(c, out + n, &m);
    EVP_CIPHER_CTX_free(c);
    return ok ? n + m : -1;
}

static bool gcm(bool encrypt, const uint8_t *key, const uint8_t *head, struct span in, uint8_t *out,
                uint8_t tag[TAG])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t nonce[12];
    int n = 0;
    memcpy(nonce, key + 32, SALT);
    memcpy(nonce + SALT, head + 12, 8);
    CHECK(c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) &&
          EVP_CipherUpdate(c, NULL, &n, head, HEAD) &&
          EVP_CipherUpdate(c, out, &n, in.p, (int)in.n));
    if (!encrypt)
        CHECK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag));
    bool ok = EVP_CipherFinal_ex(c, out + n, &n);
    if (encrypt)
        CHECK(ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag));
    EVP_CIPHER_CTX_free(c);
    return ok;
}

static void mac(const uint8_t *key, struct span in, uint8_t to[32])
{
    unsigned n = 0;
    CHECK(HMAC(EVP_sha256(), key, 32, in.p, in.n, to, &n) && n == 32);
}

/* ---- forms ---- */

static bool seal_granted(struct keys *k, enum form f, int64_t seq, struct span text, struct buf *to,
                         struct buf *why)
{
    uint8_t out[2048 + 128], tag[32];
    if (k->granted < 0 || (f == FORM_CBC_HMAC && k->granted != FORM_CBC_HMAC)) {
        (void)buf_append_str(why, "the login granted no keys for this form");
        return false;
    }
    if (text.n > 2048) {
        (void)buf_append_str(why, "the text of a sealed datagram has at most 2,048 bytes here");
        return false;
    }
    k->sent = seq >= 0 ? (uint64_t)seq : k->sent + 1;
    memcpy(out, "MPG1", 4);
    memcpy(out + 4, k->conn_id, 8);
    for (unsigned i = 0; i < 8; i++)
        out[12 + i] = (uint8_t)(k->sent >> (56 - 8 * i));
    size_t n = HEAD;
    if (f == FORM_GCM) {
        CHECK(gcm(true, k->c2s, out, text, out + HEAD, tag));
        n += text.n;
    } else {
        CHECK(RAND_bytes(out + HEAD, 16) == 1);
        int m = cbc(true, k->c2s, out + HEAD, text, out + HEAD + 16);
        CHECK(m > 0);
        n += 16 + (size_t)m;
        mac(k->c2s + 32, span_of(out, n), tag);
    }
    memcpy(out + n, tag, TAG);
    return buf_append(to, out, n + TAG) == 0;
}

bool form_seal(struct keys *k, enum form f, int64_t seq, struct span text, struct buf *to,
               struct buf *why)
{
    if (f == FORM_GCM || f == FORM_CBC_HMAC)
        return seal_granted(k, f, seq, text, to, why);
    if (f == FORM_CLEAR)
        return buf_append_span(to, text) == 0;
    uint8_t *room = buf_reserve(to, text.n + 32);
    CHECK(room);
    int n = cbc(true, k->document, k->document + 16, text, room + 4);
    CHECK(n > 0);
    for (unsigned i = 0; i < 4; i++)
        room[i] = (uint8_t)(n >> (8 * i));
    buf_commit(to, (size_t)n + 4);
    return true;
}

static bool not_so(struct buf *why, const char *text)
{
    (void)buf_append_str(why, text);
    return false;
}

static bool open_granted(struct keys *k, enum form f, struct span d, struct buf *to,
                         struct buf *why)
{
    uint8_t tag[32];
    if (d.n < HEAD + TAG || memcmp(d.p, "MPG1", 4) != 0 || memcmp(d.p + 4, k->conn_id, 8) != 0)
        return not_so(why, "it does not begin as a datagram of this connection");
    uint64_t seq = 0;
    for (unsigned i = 0; i < 8; i++)
        seq = seq << 8 | d.p[12 + i];
    struct span body = span_of(d.p + HEAD, d.n - HEAD - TAG);
    uint8_t *room = buf_reserve(to, body.n + 32);
    CHECK(room);
    int n = (int)body.n;
    if (f == FORM_GCM) {
        memcpy(tag, d.p + d.n - TAG, TAG);
        if (!gcm(false, k->s2c, d.p, body, room, tag))
            return not_so(why, "its tag is wrong");
    } else {
        mac(k->s2c + 32, span_of(d.p, d.n - TAG), tag);
        if (CRYPTO_memcmp(tag, d.p + d.n - TAG, TAG) != 0 || body.n < 32)
            return not_so(why, "its tag is wrong");
        n = cbc(false, k->s2c, body.p, span_skip(body, 16), room);
        if (n < 0)
            return not_so(why, "its padding is wrong");
    }
    if (seq < k->next)
        return not_so(why, "its sequence does not grow");
    k->next = seq + 1;
    buf_commit(to, (size_t)n);
    return true;
}

static bool open_any(struct keys *k, enum form f, struct span d, struct buf *to, struct buf *why)
{
    if (f == FORM_GCM || f == FORM_CBC_HMAC)
        return k->granted == (int)f ? open_granted(k, f, d, to, why)
                                    : not_so(why, "no keys were granted for this form");
    if (f == FORM_CLEAR) {
        if (d.n < 2 || d.p[d.n - 1] != '\n')
            return not_so(why, "it is not JSON and LF");
        return buf_append(to, d.p, d.n - 1) == 0;
    }
    if (d.n < 20 || d.n % 16 != 4 ||
        (size_t)(d.p[0] | d.p[1] << 8 | d.p[2] << 16) + ((size_t)d.p[3] << 24) != d.n - 4)
        return not_so(why, "it is not a length and whole blocks");
    uint8_t *room = buf_reserve(to, d.n);
    CHECK(room);
    int n = cbc(false, k->document, k->document + 16, span_skip(d, 4), room);
    if (n < 0)
        return not_so(why, "it does not open under this session's key");
    buf_commit(to, (size_t)n);
    return true;
}

bool form_packs(const struct keys *k, enum form f)
{
    return k->pack && k->granted == (int)f;
}

bool form_open(struct keys *k, enum form f, struct span d, struct buf *to, struct buf *why)
{
    if (!open_any(k, f, d, to, why))
        return false;
    if (to->n < 2 || to->p[0] != '{' || to->p[to->n - 1] != '}')
        return not_so(why, "what is in it is more or less than one object");
    if (form_packs(k, f) && d.n > PACKED_MAX && memchr(to->p, '\n', to->n))
        return not_so(why, "it holds several messages in more than 1,200 bytes");
    return true;
}

bool form_gzip(struct span text, struct buf *to)
{
    z_stream z = {0};
    size_t cap = text.n + 128;
    uint8_t *room = buf_reserve(to, cap);
    CHECK(room && deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text.p;
    z.avail_in = (uInt)text.n;
    z.next_out = room;
    z.avail_out = (uInt)cap;
    bool ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
    if (ok)
        buf_commit(to, cap - z.avail_out);
    (void)deflateEnd(&z);
    return ok;
}
