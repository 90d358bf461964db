/* PROXY protocol headers written out by hand from the specification. Each vector is fed whole, byte
 * by byte and cut in two everywhere, with and without the client's first bytes behind it. */
#include "exact.h"

#include "base/rng.h"
#include "wire/proxy.h"

#define SIG "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
#define V4 \
    "\xc0\x00\x02\x01\xc6\x33\x64\x02\xc0\x01\x10\x1d" /* 192.0.2.1:49153 198.51.100.2:4125 */
#define V6                                                             \
    "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" \
    "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xff\xff\x00\x01"
#define MAPPED                                                         \
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" \
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xc0\x01\x10\x1d"

struct vector {
    const char *name;
    struct span bytes;
    int rc;
    enum proxy_kind kind;
    const char *src, *dst; /* NULL: none is told */
};

#define BYTES(s) SPAN_INIT(s)

static const struct vector good[] = {
    {"tcp4", BYTES(SIG "\x21\x11\x00\x0c" V4), 0, PROXY_STREAM, "192.0.2.1:49153",
     "198.51.100.2:4125"},
    {"udp4", BYTES(SIG "\x21\x12\x00\x0c" V4), 0, PROXY_DGRAM, "192.0.2.1:49153",
     "198.51.100.2:4125"},
    {"tcp6", BYTES(SIG "\x21\x21\x00\x24" V6), 0, PROXY_STREAM, "[2001:db8::1]:65535",
     "[2001:db8::2]:1"},
    {"udp6", BYTES(SIG "\x21\x22\x00\x24" V6), 0, PROXY_DGRAM, "[2001:db8::1]:65535",
     "[2001:db8::2]:1"},
    {"mapped", BYTES(SIG "\x21\x21\x00\x24" MAPPED), 0, PROXY_STREAM, "192.0.2.1:49153",
     "[::1]:4125"},
    {"local", BYTES(SIG "\x20\x00\x00\x00"), 0, PROXY_LOCAL, NULL, NULL},
    {"local with a block", BYTES(SIG "\x20\x11\x00\x0c" V4), 0, PROXY_LOCAL, NULL, NULL},
    {"local, family of none", BYTES(SIG "\x20\xff\x00\x03\x01\xff\xff"), 0, PROXY_LOCAL, NULL,
     NULL},
    {"unspec", BYTES(SIG "\x21\x00\x00\x00"), 0, PROXY_UNSPEC, NULL, NULL},
    {"unspec with a block", BYTES(SIG "\x21\x00\x00\x05zzzzz"), 0, PROXY_UNSPEC, NULL, NULL},
    {"inet over unspec", BYTES(SIG "\x21\x10\x00\x02zz"), 0, PROXY_UNSPEC, NULL, NULL},
    {"unix over unspec", BYTES(SIG "\x21\x30\x00\x02zz"), 0, PROXY_UNSPEC, NULL, NULL},
    {"stream of unspec", BYTES(SIG "\x21\x01\x00\x00"), 0, PROXY_UNSPEC, NULL, NULL},
    {"noop, empty authority, custom",
     BYTES(SIG "\x21\x11\x00\x16" V4 "\x04\x00\x01\x00"
               "\x02\x00\x00"
               "\xea\x00\x00"),
     0, PROXY_STREAM, "192.0.2.1:49153", "198.51.100.2:4125"},
    {"checksum", BYTES(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x64\x37\xbf\x61"), 0, PROXY_STREAM,
     "192.0.2.1:49153", "198.51.100.2:4125"},
    {"checksum before another",
     BYTES(SIG "\x21\x11\x00\x17" V4 "\x03\x00\x04\x5b\xb2\x13\x84"
               "\x04\x00\x01\x01"),
     0, PROXY_STREAM, "192.0.2.1:49153", "198.51.100.2:4125"},
    {"ssl",
     BYTES(SIG "\x21\x11\x00\x1b" V4 "\x20\x00\x0c\x01\x00\x00\x00\x00"
               "\x21\x00\x04"
               "TLSv"),
     0, PROXY_STREAM, "192.0.2.1:49153", "198.51.100.2:4125"},
    {"ssl without fields", BYTES(SIG "\x21\x11\x00\x14" V4 "\x20\x00\x05\x01\x00\x00\x00\x00"), 0,
     PROXY_STREAM, "192.0.2.1:49153", "198.51.100.2:4125"},
};

static const struct vector bad[] = {
    {"http", BYTES("GET / HTTP/1.1\r\n\r\n"), E_FORMAT},
    {"tls", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), E_FORMAT},
    {"json", BYTES("{\"command\":\"AUTH\"}\n"), E_FORMAT},
    {"version 1", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 49153 4125\r\n"), E_SUPPORT},
    {"nearly version 1", BYTES("PROXX TCP4"), E_FORMAT},
    {"last of the signature", BYTES("\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0d\x21"),
     E_FORMAT},
    {"version 1 in binary", BYTES(SIG "\x11\x11\x00\x0c" V4), E_SUPPORT},
    {"version 3", BYTES(SIG "\x31\x11\x00\x0c" V4), E_SUPPORT},
    {"command 2", BYTES(SIG "\x22\x11\x00\x0c" V4), E_FORMAT},
    {"command 15", BYTES(SIG "\x2f\x11\x00\x0c" V4), E_FORMAT},
    {"family 4", BYTES(SIG "\x21\x41\x00\x24" V6), E_FORMAT},
    {"family 15, transport 0", BYTES(SIG "\x21\xf0\x00\x00"), E_FORMAT},
    {"transport 3", BYTES(SIG "\x21\x13\x00\x0c" V4), E_FORMAT},
    {"family 0, transport 15", BYTES(SIG "\x21\x0f\x00\x00"), E_FORMAT},
    {"unix stream", BYTES(SIG "\x21\x31\x00\xd8"), E_SUPPORT},
    {"unix datagram", BYTES(SIG "\x21\x32\x00\xd8"), E_SUPPORT},
    {"no room for IPv4", BYTES(SIG "\x21\x11\x00\x0b" V4), E_FORMAT},
    {"no room for IPv6", BYTES(SIG "\x21\x21\x00\x23" V6), E_FORMAT},
    {"too long", BYTES(SIG "\x21\x11\x03\xf1" V4), E_LIMIT},
    {"local too long", BYTES(SIG "\x20\x00\xff\xff"), E_LIMIT},
    {"a type alone", BYTES(SIG "\x21\x11\x00\x0d" V4 "\x04"), E_FORMAT},
    {"half a length", BYTES(SIG "\x21\x11\x00\x0e" V4 "\x04\x00"), E_FORMAT},
    {"field past the end", BYTES(SIG "\x21\x11\x00\x10" V4 "\x04\x00\x02\x00"), E_FORMAT},
    {"wrong checksum", BYTES(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x64\x37\xbf\x60"), E_FORMAT},
    {"checksum turned round", BYTES(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x61\xbf\x37\x64"),
     E_FORMAT},
    {"checksum of 3", BYTES(SIG "\x21\x11\x00\x12" V4 "\x03\x00\x03\x64\x37\xbf"), E_FORMAT},
    {"checksum of 0", BYTES(SIG "\x21\x11\x00\x0f" V4 "\x03\x00\x00"), E_FORMAT},
    {"checksum of 5", BYTES(SIG "\x21\x11\x00\x14" V4 "\x03\x00\x05\x0d\xb3\x6e\x15\x00"),
     E_FORMAT},
    {"ssl too short", BYTES(SIG "\x21\x11\x00\x13" V4 "\x20\x00\x04\x01\x00\x00\x00"), E_FORMAT},
    {"ssl, field past its end",
     BYTES(SIG "\x21\x11\x00\x1a" V4 "\x20\x00\x0b\x01\x00\x00\x00\x00"
               "\x21\x00\x04"
               "TLS"),
     E_FORMAT},
};

static void check_address(const struct addr *got, const char *want)
{
    char text[ADDR_TEXT_MAX];
    if (want)
        assert_string_equal(addr_text(got, text), want);
    else
        assert_memory_equal(got, &(struct addr){0}, sizeof *got);
}

/* Feeds in pieces of step bytes (the first of them first long) as far as it is taken. */
static int feed(struct span in, size_t first, size_t step, size_t *used, struct proxy_header *ret)
{
    struct proxy_reader r = {0};
    size_t at = 0;
    int rc = E_MORE;
    for (size_t n = first; at < in.n && rc == E_MORE; n = step) {
        size_t taken;
        struct span piece = exact(in.p + at, n < in.n - at ? n : in.n - at);
        rc = proxy_feed(&r, piece, &taken, ret);
        assert_true(taken <= piece.n && r.n <= PROXY_MAX);
        assert_true(rc != E_MORE || taken == piece.n);
        at += taken;
        exact_free(piece);
    }
    if (rc != E_MORE) { /* and so it stays */
        struct proxy_header again;
        size_t more;
        assert_int_equal(proxy_feed(&r, SPAN_LIT("more than it wants"), &more, &again), rc);
        assert_memory_equal(&again, ret, sizeof again);
        assert_true(rc || more == 0);
    }
    *used = at;
    return rc;
}

static void check_once(const struct vector *v, struct span in, size_t first, size_t step)
{
    struct proxy_header h;
    size_t used;
    int rc = feed(in, first, step, &used, &h);
    if (rc != v->rc)
        fail_msg("%s, fed %zu then %zu: %s", v->name, first, step, err_name(rc));
    if (rc) {
        assert_true(h.why && h.why[0]);
        return;
    }
    assert_null(h.why);
    assert_int_equal(used, v->bytes.n);
    assert_int_equal(h.kind, v->kind);
    check_address(&h.src, v->src);
    check_address(&h.dst, v->dst);
}

static void check_vector(const struct vector *v)
{
    uint8_t more[256] = {0};
    memcpy(more, v->bytes.p, v->bytes.n);
    memcpy(more + v->bytes.n, "{\"x\":1}\n", 8);
    struct span with = span_of(more, v->bytes.n + 8);
    for (size_t cut = 1; cut <= with.n; cut++) {
        check_once(v, with, cut, with.n);
        if (cut <= v->bytes.n)
            check_once(v, v->bytes, cut, v->bytes.n);
    }
    check_once(v, with, 1, 1);
    check_once(v, v->bytes, 1, 1);
}

static void t_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        check_vector(&good[i]);
}

static void t_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_vector(&bad[i]);
}

static void t_waits_for_all_of_it(void **state)
{
    (void)state;
    struct proxy_header h;
    size_t used;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        for (size_t n = 0; n < good[i].bytes.n; n++)
            assert_int_equal(feed(span_of(good[i].bytes.p, n), n, 1, &used, &h), E_MORE);
    struct proxy_reader r = {0};
    assert_int_equal(proxy_feed(&r, SPAN_NULL, &used, &h), E_MORE);
    assert_int_equal(used, 0);
    assert_int_equal(feed(SPAN_LIT("PROX"), 4, 1, &used, &h), E_MORE);
    assert_int_equal(feed(SPAN_LIT("PROXY"), 5, 1, &used, &h), E_SUPPORT);
    assert_non_null(strstr(h.why, "version 1"));
}

static void t_tells_at_the_first_wrong_byte(void **state)
{
    (void)state;
    struct proxy_header h;
    size_t used;
    for (size_t i = 0; i < 12; i++) {
        uint8_t head[12];
        memcpy(head, SIG, sizeof head);
        head[i] ^= 1;
        assert_int_equal(feed(span_of(head, i + 1), 1, 1, &used, &h), E_FORMAT);
    }
    assert_int_equal(feed(SPAN_LIT(SIG "\x31"), 1, 1, &used, &h), E_SUPPORT);
    assert_int_equal(feed(SPAN_LIT(SIG "\x22"), 1, 1, &used, &h), E_FORMAT);
    assert_int_equal(feed(SPAN_LIT(SIG "\x21\x31"), 1, 1, &used, &h), E_SUPPORT);
    assert_int_equal(feed(SPAN_LIT(SIG "\x20\x00\xff\xff"), 1, 1, &used, &h), E_LIMIT);
    assert_int_equal(feed(SPAN_LIT(SIG "\x21\x11\x00\x0b"), 1, 1, &used, &h), E_FORMAT);
    assert_int_equal(feed(SPAN_LIT(SIG "\x21\x22\x00\x23"), 1, 1, &used, &h), E_FORMAT);
}

static void t_keeps_what_the_wire_said(void **state)
{
    (void)state;
    struct proxy_header h;
    size_t used;
    struct span s = SPAN_LIT(SIG "\x21\x21\x00\x24" MAPPED);
    assert_int_equal(feed(s, s.n, 1, &used, &h), 0);
    assert_int_equal(h.src.family, ADDR_V4);
    assert_int_equal(h.src.loop6, 0);
    assert_int_equal(h.dst.family, ADDR_V6);
    assert_int_equal(h.dst.loop6, 1);
    /* Texts show ::1, comparisons see 127.0.0.1. */
    struct addr loopback4 = addr_v4((const uint8_t *)"\x7f\x00\x00\x01", 4125);
    assert_true(addr_eq(&h.dst, &loopback4));
}

/* One field of zeros that makes the header as long as is wanted. */
static int padded(uint8_t to[PROXY_MAX + 1], const struct proxy_header *h, size_t size)
{
    static const uint8_t zeros[PROXY_MAX];
    struct proxy_tlv pad = {PROXY_TLV_NOOP, span_of(zeros, size - 16 - 12 - 3)};
    return proxy_write(h, &pad, 1, to, PROXY_MAX + 1);
}

static void t_ceiling(void **state)
{
    (void)state;
    struct proxy_header h = {.kind = PROXY_STREAM}, got;
    uint8_t bytes[PROXY_MAX + 1] = {0};
    size_t used;
    h.src = addr_v4((const uint8_t *)"\xc0\x00\x02\x01", 1);
    h.dst = addr_v4((const uint8_t *)"\xc0\x00\x02\x02", 2);
    for (size_t n = PROXY_MAX - 1; n <= PROXY_MAX; n++) {
        assert_int_equal(padded(bytes, &h, n), n);
        assert_int_equal(feed(span_of(bytes, n), n, 1, &used, &got), 0);
        assert_int_equal(feed(span_of(bytes, n), 1, 1, &used, &got), 0);
        assert_int_equal(used, n);
    }
    assert_int_equal(padded(bytes, &h, PROXY_MAX + 1), E_LIMIT);
    assert_int_equal(padded(bytes, &h, PROXY_MAX), PROXY_MAX);
    assert_int_equal(bytes[15], 0xf0);
    bytes[15]++;
    assert_int_equal(feed(span_of(bytes, sizeof bytes), 1, 1, &used, &got), E_LIMIT);
}

static void t_unique_id_limit(void **state)
{
    (void)state;
    static const uint8_t id[PROXY_UNIQUE_ID_MAX + 1];
    struct proxy_header h = {.kind = PROXY_STREAM}, got;
    uint8_t bytes[PROXY_MAX];
    size_t used;
    for (size_t n = 0; n <= sizeof id; n++) {
        struct proxy_tlv t = {PROXY_TLV_UNIQUE_ID, span_of(id, n)};
        int size = proxy_write(&h, &t, 1, bytes, sizeof bytes);
        assert_true(size > 0);
        int want = n <= PROXY_UNIQUE_ID_MAX ? 0 : E_FORMAT;
        assert_int_equal(feed(span_of(bytes, (size_t)size), 1, 7, &used, &got), want);
    }
}

/* Not just one bit: each wrong checksum is seen wherever the header was changed. */
static void t_checksum_covers_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[39];
    struct proxy_header h;
    size_t used;
    for (size_t i = 16; i < sizeof bytes; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            if (i >= 28 && i < 31) /* the field's own type and length */
                continue;
            memcpy(bytes, good[15].bytes.p, sizeof bytes);
            bytes[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(feed(span_of(bytes, sizeof bytes), 39, 1, &used, &h), E_FORMAT);
        }
    memcpy(bytes, good[15].bytes.p, sizeof bytes);
    bytes[13] = 0x12; /* TCP made UDP */
    assert_int_equal(feed(span_of(bytes, sizeof bytes), 39, 1, &used, &h), E_FORMAT);
    assert_string_equal(h.why, "wrong checksum");
}

static void t_checksum_once(void **state)
{
    (void)state;
    struct span twice = SPAN_LIT(SIG "\x21\x11\x00\x1a" V4 "\x03\x00\x04\x00\x00\x00\x00"
                                     "\x03\x00\x04\x00\x00\x00\x00");
    struct proxy_header h = {.kind = PROXY_STREAM};
    struct proxy_tlv t[2] = {{PROXY_TLV_CRC32C, SPAN_NULL}, {PROXY_TLV_CRC32C, SPAN_NULL}};
    uint8_t bytes[PROXY_MAX];
    size_t used;
    assert_int_equal(proxy_write(&h, t, 2, bytes, sizeof bytes), E_RANGE);
    assert_int_equal(feed(twice, twice.n, 1, &used, &h), E_FORMAT);
    assert_non_null(strstr(h.why, "twice"));
}

static void t_writes_the_vectors(void **state)
{
    (void)state;
    static const struct proxy_tlv tlvs[] = {
        {PROXY_TLV_CRC32C, {NULL, 0}},
        {PROXY_TLV_NOOP, {(const uint8_t *)"\x01", 1}},
    };
    static const struct {
        size_t vector, tlvs;
    } cases[] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {8, 0}, {14, 1}, {15, 2}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct span want = good[cases[i].vector].bytes;
        struct proxy_header h;
        size_t used;
        uint8_t to[64];
        assert_int_equal(feed(want, want.n, 1, &used, &h), 0);
        assert_int_equal(proxy_write(&h, tlvs, cases[i].tlvs, to, want.n), want.n);
        assert_memory_equal(to, want.p, want.n);
        for (size_t cap = 0; cap < want.n; cap++)
            assert_int_equal(proxy_write(&h, tlvs, cases[i].tlvs, to, cap), E_LIMIT);
    }
}

static void t_any_bytes(void **state)
{
    (void)state;
    struct rng rng = {7};
    for (int i = 0; i < 20000; i++) {
        const struct vector *v = &good[rng_below(&rng, ARRAY_LEN(good))];
        struct proxy_header whole, bit;
        size_t used, used_bit;
        uint8_t b[64];
        memcpy(b, v->bytes.p, v->bytes.n);
        for (uint64_t n = rng_below(&rng, 3); n-- > 0;)
            b[rng_below(&rng, v->bytes.n)] = (uint8_t)rng_below(&rng, 256);
        int rc = feed(span_of(b, v->bytes.n), v->bytes.n, 1, &used, &whole);
        assert_int_equal(feed(span_of(b, v->bytes.n), 1, 1, &used_bit, &bit), rc);
        assert_memory_equal(&whole, &bit, sizeof bit);
        assert_true(rc || used == used_bit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_reads),
        cmocka_unit_test(t_refuses),
        cmocka_unit_test(t_waits_for_all_of_it),
        cmocka_unit_test(t_tells_at_the_first_wrong_byte),
        cmocka_unit_test(t_keeps_what_the_wire_said),
        cmocka_unit_test(t_ceiling),
        cmocka_unit_test(t_unique_id_limit),
        cmocka_unit_test(t_checksum_covers_every_byte),
        cmocka_unit_test(t_checksum_once),
        cmocka_unit_test(t_writes_the_vectors),
        cmocka_unit_test(t_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
