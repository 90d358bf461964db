/* Sealed datagrams: vectors worked out apart from libcrypto (AES-256-GCM checked against NIST's
 * test case 16, AES-256 against FIPS 197 appendix C.3), limits to the byte, tampering, replays, and
 * that a packet costs no allocation. */
#include "exact.h"

#include "base/mem.h"
#include "base/rng.h"
#include "sim/alloc_fault.h"
#include "wire/seal.h"
#include "wire/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define SPACE 512

static const enum seal_kind all[] = {SEAL_PLAIN, SEAL_PLAIN_LF, SEAL_CBC, SEAL_GCM, SEAL_CBC_HMAC};
static const enum seal_kind keyed[] = {SEAL_CBC, SEAL_GCM, SEAL_CBC_HMAC};
static const enum seal_kind aead[] = {SEAL_GCM, SEAL_CBC_HMAC};
static const struct span ping = {(const uint8_t *)"{\"command\":\"PING\"}", 18};

static const uint8_t key[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

static const size_t key_size[] = {
    [SEAL_CBC] = SEAL_CBC_KEY, [SEAL_GCM] = SEAL_GCM_KEY, [SEAL_CBC_HMAC] = SEAL_CBC_HMAC_KEY};

/* Hands out a0, a1, a2, ... */
static void count_up(struct entropy *e, void *to, size_t n)
{
    (void)e;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)(0xa0 + i);
}

static struct entropy entropy;

static struct seal_cfg config(enum seal_kind kind)
{
    return (struct seal_cfg){.kind = kind,
                             .key = span_of(key, key_size[kind]),
                             .conn_id = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}};
}

static struct sealer *new_sealer(enum seal_kind kind)
{
    struct seal_cfg cfg = config(kind);
    struct sealer *s = NULL;
    entropy_init(&entropy, count_up);
    assert_int_equal(sealer_create(&s, &cfg, &entropy), 0);
    assert_int_equal(sealer_kind(s), kind);
    return s;
}

static struct opener *new_opener(enum seal_kind kind)
{
    struct seal_cfg cfg = config(kind);
    struct opener *o = NULL;
    assert_int_equal(opener_create(&o, &cfg), 0);
    assert_int_equal(opener_kind(o), kind);
    return o;
}

static size_t seal(struct sealer *s, struct span text, uint8_t to[SPACE])
{
    int n = sealer_seal(s, &text, 1, to, SPACE);
    assert_int_equal(n, sealer_size(s, text.n));
    return (size_t)n;
}

/* From and into blocks of exactly their size; to may be NULL. */
static int open_exact(struct opener *o, const uint8_t *p, size_t n, uint8_t *to)
{
    struct span in = exact(p, n), out = exact(p, n);
    int rc = opener_open(o, in, (uint8_t *)(uintptr_t)out.p, n);
    if (rc > 0 && to)
        memcpy(to, out.p, (size_t)rc);
    exact_free(in);
    exact_free(out);
    return rc;
}

static void assert_hex(const uint8_t *p, size_t n, const char *want)
{
    char text[2 * SPACE + 1];
    hex_encode(p, n, text);
    assert_string_equal(text, want);
}

static void t_cbc_vector(void **state)
{
    (void)state;
    struct span id = SPAN_LIT("0123456789abcdef0123456789abcdef");
    struct span parts[] = {
        SPAN_LIT("{\"command\":\"UPDATE\",\"sessionId\":\""),
        id,
        SPAN_LIT(""),
        SPAN_LIT("\",\"position\":{\"x\":1,\"y\":2,\"z\":3},"),
        SPAN_LIT("\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}}"),
    };
    uint8_t derived[SEAL_CBC_KEY], to[SPACE], back[SPACE], block[16];
    assert_int_equal(seal_derive_cbc(id, SPAN_LIT("RacingServerUDP2024!"), derived), 0);
    assert_hex(derived, sizeof derived,
               "9861af085c9d622ffe6fb5da33e9efa0c35c1eb84786da7854eb3cf2aa6947ae");
    struct seal_cfg cfg = {.kind = SEAL_CBC, .key = span_of(derived, sizeof derived)};
    struct sealer *s;
    struct opener *o;
    assert_int_equal(sealer_create(&s, &cfg, NULL), 0);
    assert_int_equal(opener_create(&o, &cfg), 0);
    mem_wipe(derived, sizeof derived); /* it was copied */
    for (int i = 0; i < 3; i++) {      /* the IV is the same for every packet */
        assert_int_equal(sealer_seal(s, parts, ARRAY_LEN(parts), to, sizeof to), 148);
        assert_hex(to, 148,
                   "90000000"
                   "5dcb4123c991d67b7f4d58f968e4c729b1efc45e968398aaae34726fe35687dc"
                   "6bcec489dc4c46fb423ace5ada81350ef5fcf39a2ce840c68f81931ccbbf014e"
                   "97cd93db61a3fab699575c7fb98913ee0f34f8f0464b53eaa58ec5d873a675cc"
                   "b39bb448c3395f59b2ed60edad18b48562d350ee38fd99ee101a5fff33375d25"
                   "fc08cf40f94afb598523b789dea8c670");
        assert_int_equal(opener_peek(o, span_of(to, 148), block), 0);
        assert_memory_equal(block, "{\"command\":\"UPDA", 16);
        assert_int_equal(open_exact(o, to, 148, back), 135);
        assert_memory_equal(back, parts[0].p, parts[0].n);
        assert_memory_equal(back + parts[0].n, id.p, id.n);
        assert_memory_equal(back + 135 - parts[4].n, parts[4].p, parts[4].n);
    }
    sealer_destroy(s);
    opener_destroy(o);
}

static void t_aead_vectors(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        {"4d50473100112233445566770000000000000000e33c4e20d34bfd4f8e222a518b02b54670e1c1a0be8131f18"
         "792fd8290c99312f3f3",
         "4d5047310011223344556677000000000000000112ad58d93b0c64b462e9817801753b197c03b91037a40bd4b"
         "e9cc201e99cded10344"},
        {"4d50473100112233445566770000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf3ea2e4b6dc42b88c0"
         "aa274a15e10551e66e79946b1d9ac33cd22aab2865b857b4671419b5fd407df8e01267b9e9ab21c",
         "4d50473100112233445566770000000000000001b0b1b2b3b4b5b6b7b8b9babbbcbdbebfe4cec87a43a294693"
         "c0bf2cb3dd6b51b078f8f5cb3b8c5ee0b9a69c858a7338387057e587fbfae6f72de808a51e57586"},
    };
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct sealer *s = new_sealer(aead[i]);
        struct opener *o = new_opener(aead[i]);
        for (size_t k = 0; k < 2; k++) {
            uint8_t to[SPACE], back[SPACE];
            size_t n = seal(s, ping, to);
            assert_hex(to, n, want[i][k]);
            assert_int_equal(open_exact(o, to, n, back), ping.n);
            assert_memory_equal(back, ping.p, ping.n);
        }
        sealer_destroy(s);
        opener_destroy(o);
    }
}

static void t_plain_kinds(void **state)
{
    (void)state;
    uint8_t to[SPACE];
    struct sealer *s = new_sealer(SEAL_PLAIN);
    size_t n = seal(s, ping, to);
    assert_span(ping, to, n);
    assert_int_equal(sealer_seal(s, NULL, 0, to, 0), 0);
    sealer_destroy(s);
    s = new_sealer(SEAL_PLAIN_LF);
    n = seal(s, ping, to);
    assert_span(ping, to, n - 1);
    assert_int_equal(to[n - 1], '\n');
    sealer_destroy(s);
    struct opener *o;
    for (int i = 0; i < 2; i++) {
        struct seal_cfg cfg = config(all[i]);
        assert_int_equal(opener_create(&o, &cfg), E_RANGE);
    }
}

static void t_key_sizes_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (size_t n = 0; n <= sizeof key; n++) {
            struct seal_cfg cfg = config(all[i]);
            struct sealer *s = NULL;
            struct opener *o = NULL;
            cfg.key.n = n;
            bool fits = n == key_size[all[i]];
            assert_int_equal(sealer_create(&s, &cfg, &entropy), fits ? 0 : E_RANGE);
            if (all[i] >= SEAL_CBC)
                assert_int_equal(opener_create(&o, &cfg), fits ? 0 : E_RANGE);
            sealer_destroy(s);
            opener_destroy(o);
        }
    }
    struct seal_cfg cfg = config(SEAL_GCM);
    struct sealer *s = NULL;
    cfg.kind = (enum seal_kind)(SEAL_CBC_HMAC + 1);
    assert_int_equal(sealer_create(&s, &cfg, &entropy), E_RANGE);
}

/* Every size that matters, sealed into and opened from blocks of exactly the size. */
static void t_sizes_are_exact(void **state)
{
    (void)state;
    struct rng r = {8};
    uint8_t in[200], back[SPACE];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct sealer *s = new_sealer(all[i]);
        struct opener *o = all[i] >= SEAL_CBC ? new_opener(all[i]) : NULL;
        for (size_t n = 0; n <= sizeof in; n++) {
            for (size_t k = 0; k < n; k++)
                in[k] = (uint8_t)rng_next(&r);
            size_t cut = rng_below(&r, n + 1);
            struct span parts[] = {span_of(in, cut), SPAN_NULL, span_of(in + cut, n - cut)};
            size_t size = sealer_size(s, n);
            assert_true(size <= n + SEAL_OVERHEAD_MAX);
            struct span to = exact(back, size);
            uint8_t *out = (uint8_t *)(uintptr_t)to.p;
            if (size > 0)
                assert_int_equal(sealer_seal(s, parts, 3, out, size - 1), E_LIMIT);
            assert_int_equal(sealer_seal(s, parts, 3, out, size), size);
            if (o) {
                /* GCM needs room for the text, the block modes for its padding too. */
                size_t room = all[i] == SEAL_GCM ? n : (n / 16 + 1) * 16;
                if (room > 0)
                    assert_int_equal(opener_open(o, to, back, room - 1), E_LIMIT);
                struct span plain = exact(back, room);
                assert_int_equal(opener_open(o, to, (uint8_t *)(uintptr_t)plain.p, room), n);
                assert_span(span_of(plain.p, n), in, n);
                exact_free(plain);
            }
            exact_free(to);
        }
        sealer_destroy(s);
        opener_destroy(o);
    }
}

static void t_overhead_max_is_reached(void **state)
{
    (void)state;
    struct sealer *s = new_sealer(SEAL_CBC_HMAC);
    assert_int_equal(sealer_size(s, 0), SEAL_OVERHEAD_MAX);
    assert_int_equal(sealer_size(s, 15), 15 + SEAL_OVERHEAD_MAX - 15);
    assert_int_equal(sealer_size(s, 16), 16 + SEAL_OVERHEAD_MAX);
    sealer_destroy(s);
}

static void t_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    static const uint8_t byte;
    uint8_t to[SPACE];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct sealer *s = new_sealer(all[i]);
        const struct span parts[] = {{&byte, SIZE_MAX}, {&byte, SIZE_MAX / 2}, {&byte, 2}};
        assert_int_equal(sealer_seal(s, parts, 1, to, SIZE_MAX), E_LIMIT);
        assert_int_equal(sealer_seal(s, parts, 3, to, SIZE_MAX), E_LIMIT);
        assert_int_equal(sealer_seal(s, parts + 1, 2, to, SIZE_MAX), E_LIMIT);
        sealer_destroy(s);
    }
}

static void t_a_refused_packet_uses_no_sequence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct sealer *s = new_sealer(aead[i]);
        uint8_t to[SPACE];
        assert_int_equal(sealer_seal(s, &ping, 1, to, 10), E_LIMIT);
        seal(s, ping, to);
        assert_int_equal(to[SEAL_HEADER - 1], 0);
        seal(s, ping, to);
        assert_int_equal(to[SEAL_HEADER - 1], 1);
        sealer_destroy(s);
    }
}

static void t_every_tampered_bit_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct sealer *s = new_sealer(aead[i]);
        struct opener *o = new_opener(aead[i]);
        uint8_t to[SPACE], back[SPACE];
        size_t n = seal(s, ping, to);
        for (size_t at = 0; at < n; at++) {
            for (int bit = 0; bit < 8; bit++) {
                to[at] ^= (uint8_t)(1 << bit);
                int rc = open_exact(o, to, n, NULL);
                bool framing = at < SEAL_HEADER - 8 || (at == SEAL_HEADER - 8 && bit == 7);
                if (rc != (framing ? E_FORMAT : E_AUTH))
                    fail_msg("bit %d of byte %zu: %d", bit, at, rc);
                to[at] ^= (uint8_t)(1 << bit);
            }
        }
        /* None of it, sequences far ahead included, spoiled the window or the contexts. */
        assert_int_equal(open_exact(o, to, n, back), ping.n);
        assert_memory_equal(back, ping.p, ping.n);
        sealer_destroy(s);
        opener_destroy(o);
    }
}

static void t_failed_packets_leave_no_plaintext(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct sealer *s = new_sealer(aead[i]);
        struct opener *o = new_opener(aead[i]);
        uint8_t to[SPACE], back[SPACE] = {0};
        static const uint8_t none[SPACE];
        size_t n = seal(s, ping, to);
        to[n - 1] ^= 1;
        assert_int_equal(opener_open(o, span_of(to, n), back, sizeof back), E_AUTH);
        assert_memory_equal(back, none, sizeof back);
        sealer_destroy(s);
        opener_destroy(o);
    }
}

static void t_every_other_length_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keyed); i++) {
        struct sealer *s = new_sealer(keyed[i]);
        struct opener *o = new_opener(keyed[i]);
        uint8_t to[SPACE] = {0};
        size_t n = seal(s, ping, to);
        for (size_t cut = 0; cut < n + 64; cut++)
            if (cut != n)
                assert_true(open_exact(o, to, cut, NULL) < 0);
        assert_int_equal(open_exact(o, to, n, NULL), ping.n);
        sealer_destroy(s);
        opener_destroy(o);
    }
}

static void t_other_keys_and_connections_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct sealer *s = new_sealer(aead[i]);
        uint8_t to[SPACE], other[64];
        size_t n = seal(s, ping, to);
        struct seal_cfg cfg = config(aead[i]);
        struct opener *o;
        cfg.conn_id[7] ^= 1;
        assert_int_equal(opener_create(&o, &cfg), 0);
        assert_int_equal(open_exact(o, to, n, NULL), E_FORMAT);
        opener_destroy(o);
        /* Each part of the key counts: cipher, and salt or MAC key. */
        for (size_t at = 0; at < key_size[aead[i]]; at += 31) {
            cfg = config(aead[i]);
            memcpy(other, key, sizeof other);
            other[at] ^= 1;
            cfg.key.p = other;
            assert_int_equal(opener_create(&o, &cfg), 0);
            /* The MAC says nothing about the cipher's key: the padding tells. */
            bool padding = aead[i] == SEAL_CBC_HMAC && at < 32;
            assert_int_equal(open_exact(o, to, n, NULL), padding ? E_FORMAT : E_AUTH);
            opener_destroy(o);
        }
        sealer_destroy(s);
    }
}

static void t_replays_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        enum { SENT = 1026 };
        static uint8_t sent[SENT][SPACE];
        struct sealer *s = new_sealer(aead[i]);
        struct opener *o = new_opener(aead[i]);
        size_t n = 0;
        for (size_t k = 0; k < SENT; k++)
            n = seal(s, ping, sent[k]);
        assert_int_equal(open_exact(o, sent[5], n, NULL), ping.n);
        assert_int_equal(open_exact(o, sent[5], n, NULL), E_REPLAY);
        assert_int_equal(open_exact(o, sent[3], n, NULL), ping.n);
        assert_int_equal(open_exact(o, sent[3], n, NULL), E_REPLAY);
        /* A forged header far ahead must not push the window on. */
        uint8_t forged[SPACE];
        memcpy(forged, sent[6], n);
        forged[SEAL_HEADER - 3] = 0xff;
        assert_int_equal(open_exact(o, forged, n, NULL), E_AUTH);
        assert_int_equal(open_exact(o, sent[4], n, NULL), ping.n);
        /* 1,024 sequences are told apart: with 1,024 on top, 1 is the oldest still taken. */
        assert_int_equal(open_exact(o, sent[1024], n, NULL), ping.n);
        assert_int_equal(open_exact(o, sent[0], n, NULL), E_REPLAY);
        assert_int_equal(open_exact(o, sent[1], n, NULL), ping.n);
        assert_int_equal(open_exact(o, sent[1025], n, NULL), ping.n);
        assert_int_equal(open_exact(o, sent[1], n, NULL), E_REPLAY);
        assert_int_equal(open_exact(o, sent[2], n, NULL), ping.n);
        sealer_destroy(s);
        opener_destroy(o);
    }
}

/* What a holder of the key, but no careful one, might send. */
static void evp_cbc(const uint8_t *iv, const uint8_t *in, size_t n, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int done = 0;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, key, iv), 1);
    EVP_CIPHER_CTX_set_padding(c, 0);
    assert_int_equal(EVP_EncryptUpdate(c, out, &done, in, (int)n), 1);
    assert_int_equal(done, n);
    EVP_CIPHER_CTX_free(c);
}

static size_t send_raw(enum seal_kind kind, uint8_t seq, const uint8_t *blocks, size_t n,
                       uint8_t to[SPACE])
{
    if (kind == SEAL_CBC) {
        const uint8_t length[] = {(uint8_t)n, (uint8_t)(n >> 8), 0, 0};
        memcpy(to, length, 4);
        evp_cbc(key + 16, blocks, n, to + 4);
        return n + 4;
    }
    struct seal_cfg cfg = config(kind);
    uint8_t mac[32];
    memset(to, 0, SPACE);
    memcpy(to, "MPG1", 4);
    memcpy(to + 4, cfg.conn_id, 8);
    to[SEAL_HEADER - 1] = seq;
    evp_cbc(to + SEAL_HEADER, blocks, n, to + SEAL_HEADER + 16);
    assert_non_null(HMAC(EVP_sha256(), key + 32, 32, to, SEAL_HEADER + 16 + n, mac, NULL));
    memcpy(to + SEAL_HEADER + 16 + n, mac, 16);
    return SEAL_HEADER + 16 + n + 16;
}

static void t_padding_is_checked(void **state)
{
    (void)state;
    static const enum seal_kind kinds[] = {SEAL_CBC, SEAL_CBC_HMAC};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct opener *o = new_opener(kinds[i]);
        uint8_t seq = 0;
        for (unsigned last = 0; last < 256; last++) {
            for (unsigned wrong = 0; wrong <= 16; wrong++) {
                uint8_t blocks[32], to[SPACE];
                memset(blocks, 'x', sizeof blocks);
                for (unsigned k = 1; k <= 16 && k <= last; k++)
                    blocks[32 - k] = (uint8_t)last;
                blocks[31] = (uint8_t)last;
                if (wrong)
                    blocks[32 - wrong] ^= 0x40;
                bool good = last >= 1 && last <= 16 && (wrong == 0 || wrong > last);
                size_t n = send_raw(kinds[i], seq, blocks, sizeof blocks, to);
                int rc = open_exact(o, to, n, NULL);
                if (wrong == 1)
                    good = (last ^ 0x40) == 1; /* it is the length itself that changed */
                if (rc != (good ? 32 - (wrong == 1 ? 1 : (int)last) : E_FORMAT))
                    fail_msg("padding %u, wrong at %u: %d", last, wrong, rc);
                seq = (uint8_t)(seq + (rc >= 0));
            }
        }
        opener_destroy(o);
    }
}

static void t_cbc_survives_garbage_between_packets(void **state)
{
    (void)state;
    struct sealer *s = new_sealer(SEAL_CBC);
    struct opener *o = new_opener(SEAL_CBC);
    struct rng r = {9};
    for (int i = 0; i < 2000; i++) {
        uint8_t to[SPACE], back[SPACE], garbage[100], block[16];
        size_t n = 4 + 16 * rng_below(&r, 7);
        for (size_t k = 4; k < n; k++)
            garbage[k] = (uint8_t)rng_next(&r);
        memset(garbage, 0, 4);
        garbage[0] = (uint8_t)(n - 4);
        (void)open_exact(o, garbage, n, NULL);
        if (n > 4)
            assert_int_equal(opener_peek(o, span_of(garbage, n), block), 0);
        n = seal(s, ping, to);
        assert_int_equal(open_exact(o, to, n, back), ping.n);
        assert_memory_equal(back, ping.p, ping.n);
    }
    sealer_destroy(s);
    opener_destroy(o);
}

static void t_is_cbc(void **state)
{
    (void)state;
    for (size_t n = 0; n < 100; n++) {
        for (size_t length = 0; length < 120; length++) {
            uint8_t d[100] = {(uint8_t)length};
            struct span s = exact(d, n);
            assert_int_equal(seal_is_cbc(s), n >= 20 && n % 16 == 4 && length == n - 4);
            exact_free(s);
        }
    }
    for (size_t i = 1; i < 4; i++) {
        uint8_t d[20] = {16};
        d[i] = 1;
        assert_false(seal_is_cbc(span_of(d, sizeof d)));
        d[i] = 0x80;
        assert_false(seal_is_cbc(span_of(d, sizeof d)));
    }
    /* What else may come in, at sizes a header could have. */
    uint8_t other[65536] = "{\"", *gzip = other;
    for (size_t n = 20; n <= sizeof other; n += 16)
        assert_false(seal_is_cbc(span_of(other, n)));
    memcpy(gzip, "\x1f\x8b\x08\x00", 4);
    for (size_t n = 20; n <= sizeof other; n += 16)
        assert_false(seal_is_cbc(span_of(gzip, n)));
    memcpy(other, "MPG1", 4);
    for (size_t n = 20; n <= sizeof other; n += 16)
        assert_false(seal_is_cbc(span_of(other, n)));
}

static void t_is_aead(void **state)
{
    (void)state;
    uint8_t d[40] = "MPG1";
    const uint8_t *id;
    for (size_t n = 0; n <= sizeof d; n++) {
        struct span s = exact(d, n);
        assert_int_equal(seal_is_aead(s, &id), n >= SEAL_HEADER + 16);
        if (n >= SEAL_HEADER + 16)
            assert_ptr_equal(id, s.p + 4);
        exact_free(s);
    }
    for (size_t i = 0; i < 4; i++) {
        d[i] ^= 0x20;
        assert_false(seal_is_aead(span_of(d, sizeof d), &id));
        d[i] ^= 0x20;
    }
}

static void t_peek_is_for_cbc(void **state)
{
    (void)state;
    uint8_t to[SPACE], block[16];
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct sealer *s = new_sealer(aead[i]);
        struct opener *o = new_opener(aead[i]);
        size_t n = seal(s, ping, to);
        assert_int_equal(opener_peek(o, span_of(to, n), block), E_FORMAT);
        sealer_destroy(s);
        opener_destroy(o);
    }
    struct opener *o = new_opener(SEAL_CBC);
    assert_int_equal(opener_peek(o, ping, block), E_FORMAT);
    assert_int_equal(opener_peek(o, SPAN_NULL, block), E_FORMAT);
    opener_destroy(o);
}

static void t_random_bytes_open_nothing(void **state)
{
    (void)state;
    struct rng r = {10};
    for (size_t i = 0; i < ARRAY_LEN(aead); i++) {
        struct opener *o = new_opener(aead[i]);
        struct seal_cfg cfg = config(aead[i]);
        for (int k = 0; k < 20000; k++) {
            uint8_t d[128] = {0};
            size_t n = rng_below(&r, sizeof d + 1);
            for (size_t j = 0; j < n; j++)
                d[j] = (uint8_t)rng_next(&r);
            if (k % 2 && n >= 12) { /* half of them get as far as the tag */
                memcpy(d, "MPG1", 4);
                memcpy(d + 4, cfg.conn_id, 8);
            }
            assert_true(open_exact(o, d, n, NULL) < 0);
        }
        opener_destroy(o);
    }
}

static void t_destroy_takes_null(void **state)
{
    (void)state;
    sealer_destroy(NULL);
    opener_destroy(NULL);
}

static size_t allocations, failing; /* failing: how many more succeed before one fails; 0: all do */

static bool may_allocate(void)
{
    allocations++;
    return failing == 0 || --failing > 0;
}

/* libcrypto's memory is failed here, and not by alloc_fault.h. */
static void *counted_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    bool before = alloc_fault_suspend(true);
    void *p = may_allocate() ? malloc(n) : NULL;
    (void)alloc_fault_suspend(before);
    return p;
}

static void *counted_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    bool before = alloc_fault_suspend(true);
    void *q = may_allocate() ? realloc(p, n) : NULL;
    (void)alloc_fault_suspend(before);
    return q;
}

static void counted_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    bool before = alloc_fault_suspend(true);
    free(p);
    (void)alloc_fault_suspend(before);
}

static void t_a_packet_allocates_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keyed); i++) {
        struct sealer *s = new_sealer(keyed[i]);
        struct opener *o = new_opener(keyed[i]);
        uint8_t to[SPACE], back[SPACE], block[16];
        assert_true(allocations > 0);
        allocations = 0;
        for (int k = 0; k < 1000; k++) {
            size_t n = seal(s, ping, to);
            assert_int_equal(opener_open(o, span_of(to, n), back, sizeof back), ping.n);
            if (keyed[i] == SEAL_CBC)
                assert_int_equal(opener_peek(o, span_of(to, n), block), 0);
        }
        /* libcrypto 3.0 copies its digest state twice for each HMAC. */
        assert_true(allocations <= (keyed[i] == SEAL_CBC_HMAC ? 4000 : 0));
        sealer_destroy(s);
        opener_destroy(o);
    }
}

/* Whichever allocation of libcrypto fails, nothing leaks and the error says so. */
static void t_creation_survives_lack_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keyed); i++) {
        int failures = 0;
        struct seal_cfg cfg = config(keyed[i]);
        sealer_destroy(new_sealer(keyed[i])); /* what libcrypto sets up once does not survive it */
        for (size_t nth = 1; nth < 40; nth++) { /* more than any of them makes */
            struct sealer *s = NULL;
            struct opener *o = NULL;
            failing = nth;
            int rc = sealer_create(&s, &cfg, &entropy);
            failing = nth;
            int rc_opener = opener_create(&o, &cfg);
            failing = 0;
            assert_true(rc == 0 || rc == E_CRYPTO);
            assert_true(rc_opener == 0 || rc_opener == E_CRYPTO);
            failures += (rc != 0) + (rc_opener != 0);
            sealer_destroy(s);
            opener_destroy(o);
        }
        assert_true(failures >= 4);
    }
    uint8_t derived[SEAL_CBC_KEY];
    failing = 1;
    assert_int_equal(seal_derive_cbc(ping, ping, derived), E_CRYPTO);
    failing = 0;
}

static void t_packets_survive_lack_of_memory(void **state)
{
    (void)state;
    struct sealer *s = new_sealer(SEAL_CBC_HMAC);
    struct opener *o = new_opener(SEAL_CBC_HMAC);
    uint8_t to[SPACE], back[SPACE];
    int failures = 0;
    for (size_t nth = 1; nth < 20; nth++) {
        failing = nth;
        int n = sealer_seal(s, &ping, 1, to, sizeof to);
        failing = 0;
        failures += n == E_CRYPTO;
        assert_true(n == E_CRYPTO || n == (int)sealer_size(s, ping.n));
        size_t size = seal(s, ping, to);
        failing = nth;
        n = opener_open(o, span_of(to, size), back, sizeof back);
        failing = 0;
        failures += n == E_CRYPTO;
        assert_true(n == E_CRYPTO || n == (int)ping.n);
        if (n == E_CRYPTO) /* not seen, as far as the window goes */
            assert_int_equal(open_exact(o, to, size, back), ping.n);
        assert_memory_equal(back, ping.p, ping.n);
    }
    assert_true(failures > 0);
    sealer_destroy(s);
    opener_destroy(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_cbc_vector),
        cmocka_unit_test(t_aead_vectors),
        cmocka_unit_test(t_plain_kinds),
        cmocka_unit_test(t_key_sizes_are_exact),
        cmocka_unit_test(t_sizes_are_exact),
        cmocka_unit_test(t_overhead_max_is_reached),
        cmocka_unit_test(t_sizes_that_overflow_are_refused),
        cmocka_unit_test(t_a_refused_packet_uses_no_sequence),
        cmocka_unit_test(t_every_tampered_bit_is_refused),
        cmocka_unit_test(t_failed_packets_leave_no_plaintext),
        cmocka_unit_test(t_every_other_length_is_refused),
        cmocka_unit_test(t_other_keys_and_connections_are_refused),
        cmocka_unit_test(t_replays_are_refused),
        cmocka_unit_test(t_padding_is_checked),
        cmocka_unit_test(t_cbc_survives_garbage_between_packets),
        cmocka_unit_test(t_is_cbc),
        cmocka_unit_test(t_is_aead),
        cmocka_unit_test(t_peek_is_for_cbc),
        cmocka_unit_test(t_random_bytes_open_nothing),
        cmocka_unit_test(t_destroy_takes_null),
        cmocka_unit_test(t_a_packet_allocates_nothing),
        cmocka_unit_test(t_creation_survives_lack_of_memory),
        cmocka_unit_test(t_packets_survive_lack_of_memory),
    };
    /* Before libcrypto allocates anything. */
    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
