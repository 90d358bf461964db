/* gzip: RFC 1952 members as others write them, the cap to the byte, and nothing but one member. */
#include "exact.h"

#include "base/rng.h"
#include "wire/gzip.h"

#define CAP 8192

/* Made with Python's gzip.compress(b'{"command":"PING"}\n', mtime=0). */
static const uint8_t ping[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                               0xab, 0x56, 0x4a, 0xce, 0xcf, 0xcd, 0x4d, 0xcc, 0x4b, 0x51,
                               0xb2, 0x52, 0x0a, 0xf0, 0xf4, 0x73, 0x57, 0xaa, 0xe5, 0x02,
                               0x00, 0x05, 0xe3, 0x80, 0x50, 0x13, 0x00, 0x00, 0x00};
/* The same text stored uncompressed, with a file name, a comment, an extra field and a header
 * checksum in front. */
static const uint8_t full[] = {
    0x1f, 0x8b, 0x08, 0x1e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x06, 0x00, 0x53, 0x47, 0x02,
    0x00, 0x68, 0x69, 0x70, 0x69, 0x6e, 0x67, 0x2e, 0x6a, 0x73, 0x6f, 0x6e, 0x00, 0x61, 0x20,
    0x63, 0x6f, 0x6d, 0x6d, 0x65, 0x6e, 0x74, 0x00, 0xb4, 0xea, 0x01, 0x13, 0x00, 0xec, 0xff,
    0x7b, 0x22, 0x63, 0x6f, 0x6d, 0x6d, 0x61, 0x6e, 0x64, 0x22, 0x3a, 0x22, 0x50, 0x49, 0x4e,
    0x47, 0x22, 0x7d, 0x0a, 0x05, 0xe3, 0x80, 0x50, 0x13, 0x00, 0x00, 0x00};
static const char text[] = "{\"command\":\"PING\"}\n";
#define TEXT_SIZE (sizeof text - 1)

static int make(void **state)
{
    struct gzip *g;
    assert_int_equal(gzip_create(&g), 0);
    *state = g;
    return 0;
}

static int drop(void **state)
{
    gzip_destroy(*state);
    return 0;
}

static int inflate_exact(struct gzip *g, const void *p, size_t n, void *to, size_t cap)
{
    struct span in = exact(p, n);
    int rc = gzip_inflate(g, in, to, cap);
    exact_free(in);
    return rc;
}

static void t_is(void **state)
{
    (void)state;
    assert_true(gzip_is(span_of(ping, sizeof ping)));
    assert_true(gzip_is(SPAN_LIT("\x1f\x8b")));
    assert_false(gzip_is(SPAN_LIT("\x1f")));
    assert_false(gzip_is(SPAN_LIT("\x1f\x8c")));
    assert_false(gzip_is(SPAN_LIT("{\"")));
    assert_false(gzip_is(SPAN_NULL));
}

static void t_inflates_what_others_wrote(void **state)
{
    char to[CAP];
    assert_int_equal(inflate_exact(*state, ping, sizeof ping, to, sizeof to), TEXT_SIZE);
    assert_memory_equal(to, text, TEXT_SIZE);
    memset(to, 0, sizeof to);
    assert_int_equal(inflate_exact(*state, full, sizeof full, to, sizeof to), TEXT_SIZE);
    assert_memory_equal(to, text, TEXT_SIZE);
}

static void t_refuses_every_truncation(void **state)
{
    char to[CAP];
    for (size_t n = 0; n < sizeof ping; n++)
        assert_int_equal(inflate_exact(*state, ping, n, to, sizeof to), E_FORMAT);
    for (size_t n = 0; n < sizeof full; n++)
        assert_int_equal(inflate_exact(*state, full, n, to, sizeof to), E_FORMAT);
}

static void t_refuses_bytes_behind(void **state)
{
    uint8_t two[2 * sizeof ping];
    char to[CAP];
    memcpy(two, ping, sizeof ping);
    memcpy(two + sizeof ping, ping, sizeof ping);
    assert_int_equal(inflate_exact(*state, two, sizeof two, to, sizeof to), E_FORMAT);
    two[sizeof ping] = 0;
    assert_int_equal(inflate_exact(*state, two, sizeof ping + 1, to, sizeof to), E_FORMAT);
}

/* Bits that say nothing about the text: time, extra flags, operating system. */
static bool is_idle(size_t at, uint8_t bit)
{
    return (at >= 4 && at <= 9) || (at == 3 && bit == 1); /* "probably text" */
}

static void t_refuses_every_flipped_bit(void **state)
{
    char to[CAP];
    for (size_t at = 0; at < sizeof ping; at++) {
        for (int shift = 0; shift < 8; shift++) {
            uint8_t bad[sizeof ping], bit = (uint8_t)(1 << shift);
            memcpy(bad, ping, sizeof bad);
            bad[at] ^= bit;
            int n = inflate_exact(*state, bad, sizeof bad, to, sizeof to);
            bool same = n == TEXT_SIZE && memcmp(to, text, TEXT_SIZE) == 0;
            /* The last byte of the compressed data ends in bits that nobody reads. */
            if (is_idle(at, bit) ? !same : n >= 0 && !(same && at == sizeof ping - 9))
                fail_msg("bit %d of byte %zu", shift, at);
        }
    }
}

static void t_cap_is_exact(void **state)
{
    struct rng r = {7};
    uint8_t in[CAP], packed[CAP + 64];
    static const size_t sizes[] = {0, 1, 2, 19, 257, 258, 259, 1000, 4095, CAP};
    for (int random = 0; random < 2; random++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            size_t n = sizes[i];
            for (size_t k = 0; k < n; k++)
                in[k] = random ? (uint8_t)rng_next(&r) : 'x';
            int size = gzip_deflate(*state, span_of(in, n), packed, sizeof packed);
            assert_true(size > 0);
            struct span to = exact(in, n);
            uint8_t *out = (uint8_t *)(uintptr_t)to.p;
            memset(out, 0, n);
            assert_int_equal(inflate_exact(*state, packed, (size_t)size, out, n), n);
            assert_span(to, in, n);
            if (n > 0)
                assert_int_equal(inflate_exact(*state, packed, (size_t)size, out, n - 1), E_LIMIT);
            if (n > 0)
                assert_int_equal(inflate_exact(*state, packed, (size_t)size, NULL, 0), E_LIMIT);
            exact_free(to);
        }
    }
}

static void t_truncated_at_the_cap_is_malformed(void **state)
{
    /* All of the text but not its trailer: more output is not what is missing. */
    char to[TEXT_SIZE];
    for (size_t cut = 1; cut <= 8; cut++)
        assert_int_equal(inflate_exact(*state, full, sizeof full - cut, to, sizeof to), E_FORMAT);
}

static void t_bomb_costs_its_cap(void **state)
{
    static uint8_t zeros[1 << 20], packed[1 << 12], to[CAP + 1];
    int n = gzip_deflate(*state, span_of(zeros, sizeof zeros), packed, sizeof packed);
    assert_true(n > 0 && n < 1472);
    to[CAP] = 0xaa;
    assert_int_equal(gzip_inflate(*state, span_of(packed, (size_t)n), to, CAP), E_LIMIT);
    assert_int_equal(to[CAP], 0xaa);
    /* And leaves nothing behind that the next message would notice. */
    assert_int_equal(inflate_exact(*state, ping, sizeof ping, to, CAP), TEXT_SIZE);
    assert_memory_equal(to, text, TEXT_SIZE);
}

static void t_deflate_refuses_a_small_cap(void **state)
{
    uint8_t packed[64], back[TEXT_SIZE];
    int n = gzip_deflate(*state, span_str(text), packed, sizeof packed);
    assert_true(n > 0);
    assert_true(gzip_is(span_of(packed, (size_t)n)));
    for (int cap = 0; cap < n; cap++)
        assert_int_equal(gzip_deflate(*state, span_str(text), packed, (size_t)cap), E_LIMIT);
    assert_int_equal(gzip_deflate(*state, span_str(text), packed, (size_t)n), n);
    assert_int_equal(inflate_exact(*state, packed, (size_t)n, back, sizeof back), TEXT_SIZE);
    assert_memory_equal(back, text, TEXT_SIZE);
}

static void t_destroy_takes_null(void **state)
{
    (void)state;
    gzip_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_is),
        cmocka_unit_test(t_inflates_what_others_wrote),
        cmocka_unit_test(t_refuses_every_truncation),
        cmocka_unit_test(t_refuses_bytes_behind),
        cmocka_unit_test(t_refuses_every_flipped_bit),
        cmocka_unit_test(t_cap_is_exact),
        cmocka_unit_test(t_truncated_at_the_cap_is_malformed),
        cmocka_unit_test(t_bomb_costs_its_cap),
        cmocka_unit_test(t_deflate_refuses_a_small_cap),
        cmocka_unit_test(t_destroy_takes_null),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
