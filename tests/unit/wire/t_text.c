/* Hexadecimal and base64: the vectors of RFC 4648 section 10, canonical form, limits. */
#include "exact.h"

#include "base/rng.h"
#include "wire/text.h"

static void t_hex_encodes(void **state)
{
    (void)state;
    char to[2 * 6 + 1];
    hex_encode("foobar", 6, to);
    assert_string_equal(to, "666f6f626172");
    hex_encode("\x00\x0f\xf0\xff", 4, to);
    assert_string_equal(to, "000ff0ff");
    hex_encode(NULL, 0, to);
    assert_string_equal(to, "");
}

static void t_hex_decodes_either_case(void **state)
{
    (void)state;
    uint8_t to[4];
    assert_int_equal(hex_decode(SPAN_LIT("000fF0Ff"), to, 4), 0);
    assert_memory_equal(to, "\x00\x0f\xf0\xff", 4);
    assert_int_equal(hex_decode(SPAN_LIT("0123456789abcdef"), to, 4), E_FORMAT);
    assert_int_equal(hex_decode(SPAN_LIT(""), to, 0), 0);
    assert_int_equal(hex_decode(SPAN_LIT("abc"), to, 1), E_FORMAT);
    assert_int_equal(hex_decode(SPAN_LIT("ab"), to, 2), E_FORMAT);
    assert_int_equal(hex_decode(SPAN_LIT("abcd"), to, 1), E_FORMAT);
}

static bool is_hex(int c)
{
    return c && strchr("0123456789abcdefABCDEF", c) != NULL;
}

static void t_hex_refuses_every_other_byte(void **state)
{
    (void)state;
    uint8_t to;
    for (int c = 0; c < 256; c++) {
        const uint8_t first[] = {(uint8_t)c, '0'}, second[] = {'0', (uint8_t)c};
        assert_int_equal(hex_decode(span_of(first, 2), &to, 1), is_hex(c) ? 0 : E_FORMAT);
        assert_int_equal(hex_decode(span_of(second, 2), &to, 1), is_hex(c) ? 0 : E_FORMAT);
    }
}

static void t_base64_vectors(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[16];
        uint8_t back[16];
        size_t n = strlen(rows[i][0]);
        base64_encode(rows[i][0], n, text);
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(strlen(text), BASE64_LEN(n));
        struct span in = exact(text, strlen(text));
        assert_int_equal(base64_decode(in, back, n), n);
        assert_memory_equal(back, rows[i][0], n);
        if (n)
            assert_int_equal(base64_decode(in, back, n - 1), E_LIMIT);
        exact_free(in);
    }
}

static void t_base64_refuses_what_is_not_canonical(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Z",    "Zg",   "Zg=",   "Zg===",    "=",      "==",         "===",      "====", "Z===",
        "Zh==", "Zm9=", "Zm9v=", "Zg==Zg==", "Zg=g",   "=Zg=",       "Zm9v\n",   "Zm 9", " Zm9",
        "Zm-v", "Zm_v", "Zg= =", "Zm9vYg=",  "Zm9vYg", "Z\xc3\xa9g", "Zm9vYmF=",
    };
    uint8_t to[16];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (base64_decode(span_str(texts[i]), to, sizeof to) != E_FORMAT)
            fail_msg("not refused: %s", texts[i]);
    assert_int_equal(base64_decode(SPAN_LIT("Zm\0v"), to, sizeof to), E_FORMAT);
}

static void t_base64_takes_only_its_letters(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int c = 0; c < 256; c++) {
        const uint8_t text[] = {'A', 'A', 'A', (uint8_t)c};
        const char *at = c ? strchr(letters, c) : NULL;
        uint8_t to[3] = {0};
        int want = at ? 3 : c == '=' ? 2 : E_FORMAT;
        assert_int_equal(base64_decode(span_of(text, 4), to, 3), want);
        if (at)
            assert_int_equal(to[2], at - letters);
    }
}

static void t_round_trips(void **state)
{
    (void)state;
    struct rng r = {5};
    for (int i = 0; i < 5000; i++) {
        uint8_t in[100], back[100];
        char text[2 * sizeof in + 1];
        size_t n = rng_below(&r, sizeof in + 1);
        for (size_t k = 0; k < n; k++)
            in[k] = (uint8_t)rng_next(&r);
        hex_encode(in, n, text);
        assert_int_equal(hex_decode(span_str(text), back, n), 0);
        assert_span(span_of(back, n), in, n);
        base64_encode(in, n, text);
        assert_int_equal(base64_decode(span_str(text), back, sizeof back), n);
        assert_span(span_of(back, n), in, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_hex_encodes),
        cmocka_unit_test(t_hex_decodes_either_case),
        cmocka_unit_test(t_hex_refuses_every_other_byte),
        cmocka_unit_test(t_base64_vectors),
        cmocka_unit_test(t_base64_refuses_what_is_not_canonical),
        cmocka_unit_test(t_base64_takes_only_its_letters),
        cmocka_unit_test(t_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
