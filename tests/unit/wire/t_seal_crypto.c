/* A cipher call that fails: the packet is refused with E_CRYPTO, nothing is learned from it, and
 * the next one is sealed and opened as if nothing had been. Each call of libcrypto that seal.c
 * makes for a packet fails once (the linker puts the functions below in front of it). */
#include "exact.h"

#include "wire/seal.h"

#include <openssl/evp.h>

#define SPACE     512
#define CALLS_MAX 16

static unsigned fail_at, calls; /* the call that fails, counted from 1; 0: none */

static bool fails(void)
{
    return ++calls == fail_at;
}

#define WRAP(name, params, args)                 \
    int __real_##name params;                    \
    int __wrap_##name params;                    \
    int __wrap_##name params                     \
    {                                            \
        return fails() ? 0 : __real_##name args; \
    }

WRAP(EVP_EncryptInit_ex2,
     (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, const unsigned char *k, const unsigned char *iv,
      const OSSL_PARAM p[]),
     (c, t, k, iv, p))
WRAP(EVP_DecryptInit_ex2,
     (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, const unsigned char *k, const unsigned char *iv,
      const OSSL_PARAM p[]),
     (c, t, k, iv, p))
WRAP(EVP_EncryptUpdate,
     (EVP_CIPHER_CTX * c, unsigned char *to, int *n, const unsigned char *p, int size),
     (c, to, n, p, size))
WRAP(EVP_DecryptUpdate,
     (EVP_CIPHER_CTX * c, unsigned char *to, int *n, const unsigned char *p, int size),
     (c, to, n, p, size))
WRAP(EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *to, int *n), (c, to, n))
WRAP(EVP_CIPHER_CTX_get_params, (EVP_CIPHER_CTX * c, OSSL_PARAM p[]), (c, p))
WRAP(EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int arg, void *p), (c, type, arg, p))
WRAP(EVP_MAC_init, (EVP_MAC_CTX * c, const unsigned char *k, size_t n, const OSSL_PARAM p[]),
     (c, k, n, p))
WRAP(EVP_MAC_update, (EVP_MAC_CTX * c, const unsigned char *p, size_t n), (c, p, n))
WRAP(EVP_MAC_final, (EVP_MAC_CTX * c, unsigned char *to, size_t *n, size_t size), (c, to, n, size))
WRAP(EVP_DigestInit_ex2, (EVP_MD_CTX * c, const EVP_MD *t, const OSSL_PARAM p[]), (c, t, p))
WRAP(EVP_DigestUpdate, (EVP_MD_CTX * c, const void *p, size_t n), (c, p, n))
WRAP(EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *to, unsigned *n), (c, to, n))

static const uint8_t key[64] = {7, 1, 2, 3};
static const struct span text = SPAN_INIT("{\"command\":\"PING\",\"some\":\"more\"}");

static void count_up(struct entropy *e, void *to, size_t n)
{
    (void)e;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)i;
}

struct pair {
    struct entropy entropy;
    struct sealer *sealer;
    struct opener *opener;
};

static void pair_open(struct pair *p, enum seal_kind kind, size_t key_size)
{
    const struct seal_cfg cfg = {.kind = kind, .key = span_of(key, key_size)};
    fail_at = 0;
    entropy_init(&p->entropy, count_up);
    assert_int_equal(sealer_create(&p->sealer, &cfg, &p->entropy), 0);
    assert_int_equal(opener_create(&p->opener, &cfg), 0);
}

static void pair_close(struct pair *p)
{
    sealer_destroy(p->sealer);
    opener_destroy(p->opener);
}

/* A packet that goes through. */
static void passes(struct pair *p)
{
    uint8_t packet[SPACE], plain[SPACE];
    fail_at = 0;
    int n = sealer_seal(p->sealer, &text, 1, packet, sizeof packet);
    assert_true(n > 0);
    int m = opener_open(p->opener, span_of(packet, (size_t)n), plain, sizeof plain);
    assert_true(m > 0);
    assert_span(span_of(plain, (size_t)m), text.p, text.n);
}

static const struct {
    enum seal_kind kind;
    size_t key_size;
} kinds[] = {
    {SEAL_CBC, SEAL_CBC_KEY}, {SEAL_GCM, SEAL_GCM_KEY}, {SEAL_CBC_HMAC, SEAL_CBC_HMAC_KEY}};

static void a_packet_that_cannot_be_sealed_is_refused_and_the_next_is_not(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct pair p;
        unsigned failed = 0;
        pair_open(&p, kinds[k].kind, kinds[k].key_size);
        for (unsigned at = 1;; at++) {
            uint8_t packet[SPACE];
            passes(&p);
            calls = 0;
            fail_at = at;
            int n = sealer_seal(p.sealer, &text, 1, packet, sizeof packet);
            if (calls < at)
                break;
            assert_true(at < CALLS_MAX);
            assert_int_equal(n, E_CRYPTO);
            failed++;
        }
        assert_true(failed > 0);
        passes(&p);
        pair_close(&p);
    }
}

static void a_packet_that_could_not_be_opened_may_come_again(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct pair p;
        unsigned failed = 0;
        pair_open(&p, kinds[k].kind, kinds[k].key_size);
        for (unsigned at = 1;; at++) {
            uint8_t packet[SPACE], plain[SPACE];
            passes(&p);
            int n = sealer_seal(p.sealer, &text, 1, packet, sizeof packet);
            assert_true(n > 0);
            struct span sealed = span_of(packet, (size_t)n);
            calls = 0;
            fail_at = at;
            int m = opener_open(p.opener, sealed, plain, sizeof plain);
            if (calls < at)
                break;
            assert_true(at < CALLS_MAX);
            assert_int_equal(m, E_CRYPTO);
            failed++;
            /* It was not counted as received. */
            fail_at = 0;
            m = opener_open(p.opener, sealed, plain, sizeof plain);
            assert_true(m > 0);
            assert_span(span_of(plain, (size_t)m), text.p, text.n);
        }
        assert_true(failed > 0);
        pair_close(&p);
    }
}

static void a_look_that_fails_is_none(void **state)
{
    (void)state;
    struct pair p;
    uint8_t packet[SPACE], first[16];
    pair_open(&p, SEAL_CBC, SEAL_CBC_KEY);
    int n = sealer_seal(p.sealer, &text, 1, packet, sizeof packet);
    assert_true(n > 0);
    calls = 0;
    fail_at = 1;
    assert_int_equal(opener_peek(p.opener, span_of(packet, (size_t)n), first), E_CRYPTO);
    fail_at = 0;
    assert_int_equal(opener_peek(p.opener, span_of(packet, (size_t)n), first), 0);
    assert_memory_equal(first, text.p, sizeof first);
    passes(&p);
    pair_close(&p);
}

static void a_key_that_cannot_be_derived_is_an_error(void **state)
{
    (void)state;
    uint8_t derived[SEAL_CBC_KEY];
    for (unsigned at = 1; at < 5; at++) {
        calls = 0;
        fail_at = at;
        assert_int_equal(seal_derive_cbc(text, text, derived), E_CRYPTO);
    }
    calls = 0;
    fail_at = 5;
    assert_int_equal(seal_derive_cbc(text, text, derived), 0);
    assert_int_equal(calls, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_that_cannot_be_sealed_is_refused_and_the_next_is_not),
        cmocka_unit_test(a_packet_that_could_not_be_opened_may_come_again),
        cmocka_unit_test(a_look_that_fails_is_none),
        cmocka_unit_test(a_key_that_cannot_be_derived_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
