/* UTF-8 against a decoder that works the other way round: by value, not by ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static size_t encode(uint32_t v, uint8_t to[4])
{
    if (v < 0x80) {
        to[0] = (uint8_t)v;
        return 1;
    }
    size_t n = v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; v >>= 6)
        to[i] = (uint8_t)(0x80 | (v & 0x3f));
    to[0] = (uint8_t)((0xf00 >> n & 0xff) | v);
    return n;
}

/* Decodes loosely, then says whether exactly these bytes are the encoding of a scalar value. */
static size_t loose(const uint8_t *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    uint32_t v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        v = v << 6 | (p[i] & 0x3f);
    uint8_t again[4];
    bool scalar = v < 0xd800 || (v >= 0xe000 && v <= 0x10ffff);
    return scalar && encode(v, again) == len && memcmp(again, p, len) == 0 ? len : 0;
}

static void t_every_scalar_value_is_valid(void **state)
{
    (void)state;
    uint8_t p[4];
    for (uint32_t v = 0; v <= 0x10ffff; v++) {
        size_t n = encode(v, p);
        bool scalar = v < 0xd800 || v >= 0xe000;
        if (utf8_valid(span_of(p, n)) != scalar || utf8_sequence(p, n) != (scalar ? n : 0))
            fail_msg("U+%04X", v);
        if (n > 1 && utf8_valid(span_of(p, n - 1)))
            fail_msg("U+%04X cut short", v);
    }
    encode(0x110000, p);
    assert_false(utf8_valid(span_of(p, 4)));
}

static void t_every_three_bytes(void **state)
{
    (void)state;
    uint8_t p[3];
    for (uint32_t v = 0; v < 1u << 24; v++) {
        p[0] = (uint8_t)(v >> 16);
        p[1] = (uint8_t)(v >> 8);
        p[2] = (uint8_t)v;
        if (utf8_sequence(p, 3) != loose(p, 3))
            fail_msg("%06x", v);
    }
}

static void t_four_bytes_at_their_edges(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned lead = 0xe0; lead <= 0xff; lead++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t i = 0; i < 9 * 9; i++) {
                const uint8_t p[] = {(uint8_t)lead, (uint8_t)second, edges[i / 9], edges[i % 9]};
                if (utf8_sequence(p, 4) != loose(p, 4))
                    fail_msg("%02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
            }
}

static void t_texts(void **state)
{
    (void)state;
    assert_true(utf8_valid(SPAN_NULL));
    assert_true(utf8_valid(SPAN_LIT("a\0b")));
    assert_true(utf8_valid(SPAN_LIT("z\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z")));
    assert_false(utf8_valid(SPAN_LIT("ok\xff")));
    assert_false(utf8_valid(SPAN_LIT("ok\xc3")));
    assert_false(utf8_valid(SPAN_LIT("\x80ok")));
}

static void t_names(void **state)
{
    (void)state;
    assert_true(utf8_is_name(SPAN_LIT("a"), 1, 3));
    assert_true(utf8_is_name(SPAN_LIT("abc"), 1, 3));
    assert_false(utf8_is_name(SPAN_LIT(""), 1, 3));
    assert_true(utf8_is_name(SPAN_LIT(""), 0, 3));
    assert_false(utf8_is_name(SPAN_LIT("abcd"), 1, 3));
    assert_true(utf8_is_name(SPAN_LIT("\xe2\x82\xac"), 1, 3));
    assert_false(utf8_is_name(SPAN_LIT("a\xe2\x82\xac"), 1, 3));
    assert_true(utf8_is_name(SPAN_LIT(" ~"), 1, 3));
    assert_false(utf8_is_name(SPAN_LIT("\xff"), 1, 3));
    for (unsigned v = 0; v < 0x100; v++) {
        uint8_t p[5] = {'a'};
        size_t n = encode(v, p + 1);
        p[1 + n] = 'z';
        bool control = v < 0x20 || (v >= 0x7f && v < 0xa0);
        assert_int_equal(utf8_is_name(span_of(p, n + 2), 1, 64), !control);
        assert_int_equal(utf8_is_name(span_of(p + 1, n), 1, 64), !control);
    }
}

static bool shows(uint32_t c)
{
    uint8_t p[6] = {'a'};
    size_t n = encode(c, p + 1);
    p[1 + n] = 'z';
    return utf8_shows(span_of(p, n + 2));
}

static void t_what_shows(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "~",
                                       "Ann Lee",
                                       "#1",
                                       "\u00e9",
                                       "\u4e2d",
                                       "\u0430",
                                       "\u05d0\u05d1",
                                       "\U0001f3ce",
                                       "-",
                                       "e\u0301",
                                       "\u0e01\u0e33",
                                       "\u2122"};
    static const char *const bad[] = {" ", " a", "a ", "\xff", "a\xe2\x80", "\t"};
    static const uint32_t hidden[] = {
        0x00,    0x1f,    0x7f,    0x9f,    0xa0,    0xad,    0x34f,  0x61c,  0x115f,
        0x1160,  0x1680,  0x17b4,  0x17b5,  0x180b,  0x180f,  0x2000, 0x200b, 0x200d,
        0x200e,  0x200f,  0x2028,  0x202e,  0x202f,  0x205f,  0x2060, 0x2066, 0x206f,
        0x2800,  0x3000,  0x3164,  0xfe00,  0xfe0f,  0xfeff,  0xffa0, 0xfff0, 0xfffb,
        0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0000, 0xe0041, 0xe0fff};
    static const uint32_t seen[] = {0x20,   0x7e,   0xa1,   0xac,   0xae,    0x34e,   0x350,
                                    0x61b,  0x1161, 0x180a, 0x1810, 0x2010,  0x2027,  0x2030,
                                    0x205e, 0x2070, 0x27ff, 0x2801, 0x3001,  0xfdff,  0xfe10,
                                    0xfefe, 0xff00, 0xffef, 0xfffd, 0x1f600, 0xdffff, 0xe1000};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(utf8_shows(span_str(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8_shows(span_str(bad[i])));
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        assert_false(shows(hidden[i]));
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_true(shows(seen[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_what_shows),
        cmocka_unit_test(t_every_scalar_value_is_valid),
        cmocka_unit_test(t_every_three_bytes),
        cmocka_unit_test(t_four_bytes_at_their_edges),
        cmocka_unit_test(t_texts),
        cmocka_unit_test(t_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
