/* Tokens and sealed secrets: forms, every changed byte, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "wire/text.h"
#include "wire/token.h"

static const uint8_t key[SECRET_KEY] = {1, 2, 3}, other[SECRET_KEY] = {1, 2, 4};
static const uint8_t nonce[SECRET_NONCE] = {9};

static void tokens(void **state)
{
    uint8_t bytes[TOKEN_BYTES] = {0xab, [31] = 0x01};
    char text[TOKEN_TEXT + 1], hash[TOKEN_HASH + 1], again[TOKEN_HASH + 1];
    (void)state;
    token_text(bytes, text);
    assert_int_equal(strlen(text), TOKEN_TEXT);
    assert_memory_equal(text, "ab00", 4);
    assert_int_equal(token_hash(span_str(text), hash), 0);
    assert_int_equal(strlen(hash), TOKEN_HASH);
    text[0] = 'b';
    assert_int_equal(token_hash(span_str(text), again), 0);
    assert_string_not_equal(hash, again);
    static const char *const wrong[] = {"", "ab", "A"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(token_hash(span_str(wrong[i]), hash), E_FORMAT);
    text[63] = 'A'; /* one text for one token */
    assert_int_equal(token_hash(span_str(text), hash), E_FORMAT);
    /* FIPS 180-2 appendix B.1 */
    assert_int_equal(token_hash_any(SPAN_LIT("abc"), hash), 0);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(token_hash_any(SPAN_NULL, hash), 0);
    assert_memory_equal(hash, "e3b0c442", 8);
}

static void sealed_and_opened(void **state)
{
    char text[SECRET_TEXT_MAX + 1];
    uint8_t secret[SECRET_MAX + 1], to[SECRET_MAX];
    (void)state;
    memset(secret, 0x5a, sizeof secret);
    for (size_t n = 0; n <= SECRET_MAX; n++) {
        assert_int_equal(secret_seal(key, nonce, SPAN_LIT("a"), span_of(secret, n), text), 0);
        assert_true(strlen(text) <= SECRET_TEXT_MAX);
        assert_int_equal(secret_open(key, SPAN_LIT("a"), span_str(text), to), n);
        assert_memory_equal(to, secret, n);
        assert_int_equal(secret_open(other, SPAN_LIT("a"), span_str(text), to), E_AUTH);
        assert_int_equal(secret_open(key, SPAN_LIT("b"), span_str(text), to), E_AUTH);
        assert_int_equal(secret_open(key, SPAN_NULL, span_str(text), to), E_AUTH);
    }
    assert_int_equal(secret_seal(key, nonce, SPAN_LIT("a"), span_of(secret, SECRET_MAX + 1), text),
                     E_LIMIT);
}

static void every_changed_byte_shows(void **state)
{
    char text[SECRET_TEXT_MAX + 1], changed[SECRET_TEXT_MAX + 1];
    uint8_t b[128], to[SECRET_MAX];
    static const uint8_t nothing[SECRET_MAX];
    (void)state;
    assert_int_equal(secret_seal(key, nonce, SPAN_LIT("a"), SPAN_LIT("secret"), text), 0);
    int n = base64_decode(span_str(text), b, sizeof b);
    assert_int_equal(n, 1 + 12 + 6 + 16);
    for (int i = 0; i < n; i++) {
        b[i] ^= 0x10;
        base64_encode(b, (size_t)n, changed);
        memset(to, 7, sizeof to);
        int rc = secret_open(key, SPAN_LIT("a"), span_str(changed), to);
        assert_int_equal(rc, i == 0 ? E_FORMAT : E_AUTH);
        if (rc == E_AUTH)
            assert_memory_equal(to, nothing, sizeof to); /* nothing of it comes out */
        b[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < strlen(text); cut++)
        assert_true(secret_open(key, SPAN_LIT("a"), span_of(text, cut), to) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(sealed_and_opened),
        cmocka_unit_test(every_changed_byte_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
