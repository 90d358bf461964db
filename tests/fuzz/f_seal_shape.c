/* Sealed datagrams made by libcrypto alone, from the document's words: each opens to what went in;
 * a damaged one, one under another key or another connection is refused; sequence numbers are
 * accepted exactly as a set with a window has it. What our sealer makes opens by libcrypto. The
 * kind without integrity is held against libcrypto's own reading of the same damaged bytes. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define TEXT_MAX 600
#define PACKETS  64

static const uint8_t key[SEAL_CBC_HMAC_KEY] = {9, 8, 7, 6, 5, [20] = 1, [35] = 3, [63] = 77};
static const uint8_t conn_id[SEAL_CONN_ID] = {'a', 0, 'c', 0xff, 1, 2, 3, 4};

static size_t key_size(enum seal_kind kind)
{
    return kind == SEAL_GCM ? SEAL_GCM_KEY : kind == SEAL_CBC ? SEAL_CBC_KEY : SEAL_CBC_HMAC_KEY;
}

/* One pass of a cipher; the size, or -1. */
static int cipher(const EVP_CIPHER *c, bool seal, const uint8_t *k, const uint8_t *iv,
                  struct span aad, struct span in, uint8_t *to, uint8_t *tag)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, more = 0, ok;
    MUST(ctx && EVP_CipherInit_ex(ctx, c, NULL, k, iv, seal));
    if (tag) {
        MUST(EVP_CipherUpdate(ctx, NULL, &n, aad.p, (int)aad.n));
        MUST(seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag));
        n = 0;
    }
    ok = EVP_CipherUpdate(ctx, to, &n, in.p, (int)in.n) && EVP_CipherFinal_ex(ctx, to + n, &more);
    MUST(!ok || !tag || !seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag));
    EVP_CIPHER_CTX_free(ctx);
    return ok ? n + more : -1;
}

static void head(uint8_t *to, uint64_t seq)
{
    memcpy(to, "MPG1", 4);
    memcpy(to + 4, conn_id, sizeof conn_id);
    for (int i = 0; i < 8; i++)
        to[12 + i] = (uint8_t)(seq >> (56 - 8 * i));
}

static size_t make(enum seal_kind kind, uint64_t seq, struct span text, uint8_t *to)
{
    uint8_t nonce[12], mac[EVP_MAX_MD_SIZE];
    unsigned mac_n;
    if (kind == SEAL_CBC) {
        int n = cipher(EVP_aes_256_cbc(), true, key, key + 16, SPAN_NULL, text, to + 4, NULL);
        for (int i = 0; i < 4; i++)
            to[i] = (uint8_t)((unsigned)n >> 8 * i);
        return 4 + (size_t)n;
    }
    head(to, seq);
    if (kind == SEAL_GCM) {
        memcpy(nonce, key + 32, 4);
        memcpy(nonce + 4, to + 12, 8);
        int n = cipher(EVP_aes_256_gcm(), true, key, nonce, span_of(to, 20), text, to + 20, mac);
        memcpy(to + 20 + n, mac, 16);
        return 36 + (size_t)n;
    }
    memset(to + 20, (int)seq, 16);
    int n = cipher(EVP_aes_256_cbc(), true, key, to + 20, SPAN_NULL, text, to + 36, NULL);
    MUST(HMAC(EVP_sha256(), key + 32, 32, to, 36 + (size_t)n, mac, &mac_n));
    memcpy(to + 36 + n, mac, 16);
    return 52 + (size_t)n;
}

/* libcrypto's reading; -1: refused. */
static int read_back(enum seal_kind kind, struct span d, uint8_t *to)
{
    uint8_t nonce[12], mac[EVP_MAX_MD_SIZE];
    unsigned mac_n;
    if (kind == SEAL_CBC) {
        uint32_t n = d.n < 4 ? 0
                             : d.p[0] | (uint32_t)d.p[1] << 8 | (uint32_t)d.p[2] << 16 |
                                   (uint32_t)d.p[3] << 24;
        if (d.n < 20 || n != d.n - 4 || n % 16)
            return -1;
        return cipher(EVP_aes_256_cbc(), false, key, key + 16, SPAN_NULL, span_skip(d, 4), to,
                      NULL);
    }
    if (kind == SEAL_GCM) {
        MUST(d.n >= 36);
        memcpy(nonce, key + 32, 4);
        memcpy(nonce + 4, d.p + 12, 8);
        memcpy(mac, d.p + d.n - 16, 16);
        return cipher(EVP_aes_256_gcm(), false, key, nonce, span_of(d.p, 20),
                      span_of(d.p + 20, d.n - 36), to, mac);
    }
    MUST(d.n >= 68 && HMAC(EVP_sha256(), key + 32, 32, d.p, d.n - 16, mac, &mac_n));
    MUST(memcmp(mac, d.p + d.n - 16, 16) == 0);
    return cipher(EVP_aes_256_cbc(), false, key, d.p + 20, SPAN_NULL, span_of(d.p + 36, d.n - 52),
                  to, NULL);
}

/* What has been accepted: a list, and the rule. */
struct seen {
    uint64_t seq[PACKETS], highest;
    size_t n;
};

static int expected(const struct seen *s, uint64_t seq)
{
    if (seq >> 63)
        return E_FORMAT;
    for (size_t i = 0; i < s->n; i++)
        if (s->seq[i] == seq)
            return E_REPLAY;
    return s->n && seq < s->highest && s->highest - seq >= SEAL_WINDOW ? E_REPLAY : 0;
}

static uint64_t next_sequence(struct span *in, const struct seen *s)
{
    uint8_t how = fuzz_byte(in);
    uint64_t by = how & 1 ? fuzz_number(in, 1) : SEAL_WINDOW - 64 + fuzz_below(in, 128);
    if (how % 16 == 15)
        return fuzz_number(in, 8);
    if (how & 2)
        return s->highest >= by ? s->highest - by : 0;
    return s->highest < UINT64_MAX / 2 ? s->highest + by : s->highest;
}

static void open_packets(struct span *in, enum seal_kind kind, const struct seal_cfg *cfg)
{
    struct seen seen = {.n = 0};
    struct opener *o;
    uint8_t text[TEXT_MAX], made[TEXT_MAX + SEAL_OVERHEAD_MAX];
    MUST(opener_create(&o, cfg) == 0);
    for (int i = 0; i < PACKETS && in->n; i++) {
        uint64_t seq = next_sequence(in, &seen);
        size_t n = fuzz_below(in, 64) + (fuzz_chance(in, 16) ? TEXT_MAX - 64 : 0);
        memset(text, fuzz_byte(in), n);
        size_t size = make(kind, seq, span_of(text, n), made);
        bool damage = fuzz_chance(in, 64);
        struct span d = damage ? fuzz_damage(in, span_of(made, size))
                               : (struct span){fuzz_copy(span_of(made, size)), size};
        bool same = span_eq(d, span_of(made, size));
        uint8_t *to = fuzz_alloc(d.n);
        int rc = opener_open(o, d, to, d.n);
        if (kind == SEAL_CBC) {
            uint8_t *other = fuzz_alloc(d.n + 32);
            int m = read_back(kind, d, other);
            MUST(m < 0 ? rc < 0 : rc == m && memcmp(to, other, (size_t)m) == 0);
            free(other);
        } else if (!same) {
            MUST(rc == E_FORMAT || rc == E_AUTH || rc == E_REPLAY);
        } else {
            int want_rc = expected(&seen, seq);
            MUST(rc == (want_rc ? want_rc : (int)n));
            if (rc >= 0) {
                MUST(memcmp(to, text, n) == 0 && seen.n < PACKETS);
                seen.seq[seen.n++] = seq;
                seen.highest = seen.n == 1 || seq > seen.highest ? seq : seen.highest;
            }
        }
        fuzz_free(d);
        free(to);
    }
    opener_destroy(o);
}

static void count_up(struct entropy *e, void *to, size_t n)
{
    (void)e;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)(i * 7);
}

static void seal_some(struct span *in, enum seal_kind kind, const struct seal_cfg *cfg)
{
    struct entropy entropy;
    struct sealer *s;
    uint8_t text[64], sealed[64 + SEAL_OVERHEAD_MAX], back[64 + SEAL_OVERHEAD_MAX];
    entropy_init(&entropy, count_up);
    MUST(sealer_create(&s, cfg, &entropy) == 0);
    for (uint64_t seq = 0; seq < 4; seq++) {
        size_t n = fuzz_below(in, sizeof text);
        memset(text, (int)seq, n);
        struct span part = span_of(text, n);
        int size = sealer_seal(s, &part, 1, sealed, sizeof sealed);
        MUST(size >= 0 && (size_t)size == sealer_size(s, n));
        MUST(read_back(kind, span_of(sealed, (size_t)size), back) == (int)n);
        MUST(memcmp(back, text, n) == 0);
        if (kind != SEAL_CBC) {
            uint8_t want[20];
            head(want, seq);
            MUST(memcmp(want, sealed, sizeof want) == 0);
        }
    }
    sealer_destroy(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum seal_kind kinds[] = {SEAL_CBC, SEAL_GCM, SEAL_CBC_HMAC};
    struct span in = span_of(data, size);
    enum seal_kind kind = kinds[fuzz_byte(&in) % ARRAY_LEN(kinds)];
    struct seal_cfg cfg = {.kind = kind, .key = span_of(key, key_size(kind))};
    memcpy(cfg.conn_id, conn_id, sizeof conn_id);
    seal_some(&in, kind, &cfg);
    open_packets(&in, kind, &cfg);
    return 0;
}
