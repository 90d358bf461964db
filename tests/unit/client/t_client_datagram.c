/* Messages as text, and datagrams in every form (docs/protocol-racing.md, "Datagrams"). */
#include "base/err.h"
#include "base/mem.h"
#include "client/datagram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ME "0123456789abcdef0123456789abcdef"

static void fill(struct entropy *e, void *to, size_t n)
{
    static uint8_t next;
    (void)e;
    memset(to, ++next, n);
}

static struct entropy entropy;

static struct sgc_scratch *scratch_make(void)
{
    struct sgc_scratch *w = mem_zalloc(1, sizeof *w);
    assert_non_null(w);
    entropy_init(&entropy, fill);
    w->entropy = &entropy;
    assert_int_equal(gzip_create(&w->gzip), 0);
    return w;
}

static void scratch_drop(struct sgc_scratch *w)
{
    gzip_destroy(w->gzip);
    mem_free(w);
}

/* ---- text ---- */

static void assert_text(struct buf *b, int rc, const char *expected)
{
    assert_int_equal(rc, 0);
    assert_int_equal(b->n, strlen(expected));
    assert_memory_equal(b->p, expected, b->n);
    buf_clear(b);
}

static void test_update_text(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 2048);
    struct slipgate_update u = {{1.5f, -2, 0.8f}, {0, 0.70710678f, 0, 0.70710678f}, NULL};
    assert_text(&b, sgc_update_text(&b, SPAN_LIT(ME), &u),
                "{\"command\":\"UPDATE\",\"sessionId\":\"" ME "\",\"position\":{\"x\":1.5,\"y\":-2,"
                "\"z\":0.8},\"rotation\":{\"x\":0,\"y\":0.70710677,\"z\":0,\"w\":0.70710677}}");
    u.extra = "\"timestamp\":123,\"seq\":7";
    u.rotation = (struct slipgate_quat){0, 0, 0, 1};
    assert_text(&b, sgc_update_text(&b, SPAN_LIT(ME), &u),
                "{\"command\":\"UPDATE\",\"sessionId\":\"" ME "\",\"position\":{\"x\":1.5,\"y\":-2,"
                "\"z\":0.8},\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1},\"timestamp\":123,"
                "\"seq\":7}");
    u.extra = "\"seq\":";
    assert_int_equal(sgc_update_text(&b, SPAN_LIT(ME), &u), E_FORMAT);
    buf_clear(&b);
    u.extra = NULL;
    u.position.y = NAN;
    assert_int_equal(sgc_update_text(&b, SPAN_LIT(ME), &u), E_RANGE);
    u.position.y = 0;
    u.rotation.w = INFINITY;
    assert_int_equal(sgc_update_text(&b, SPAN_LIT(ME), &u), E_RANGE);
    buf_fini(&b);
}

static void test_input_text(void **state)
{
    static const struct {
        double s;
        const char *text;
    } times[] = {{0, "0"},
                 {12.25, "12.25"},
                 {123.456, "123.456"},
                 {1e9, "1000000000"},
                 {0.000001, "0.000001"},
                 {-1.5, "-1.5"},
                 {-0.25, "-0.25"},
                 {1700000000.5, "1700000000.5"}};
    struct buf b;
    char expected[512];
    (void)state;
    buf_init(&b, 2048);
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct slipgate_input in = {0.5f, 1, 0, times[i].s, SLIPGATE_INPUT_FLAT, NULL};
        (void)snprintf(expected, sizeof expected,
                       "{\"command\":\"INPUT\",\"sessionId\":\"s\",\"steering\":0.5,\"throttle\":1,"
                       "\"brake\":0,\"timestamp\":%s}",
                       times[i].text);
        assert_text(&b, sgc_input_text(&b, SPAN_LIT("s"), SPAN_LIT("r"), &in), expected);
    }
    struct slipgate_input in = {-1, 0, 1, 2.5, SLIPGATE_INPUT_NESTED, "\"lap\":3"};
    assert_text(
        &b, sgc_input_text(&b, SPAN_LIT("s"), SPAN_LIT("r"), &in),
        "{\"command\":\"INPUT\",\"sessionId\":\"s\",\"roomId\":\"r\",\"input\":{\"steering\":"
        "-1,\"throttle\":0,\"brake\":1,\"timestamp\":2.5},\"client_id\":\"s\",\"lap\":3}");
    in.extra = NULL;
    assert_text(
        &b, sgc_input_text(&b, SPAN_LIT("s"), SPAN_NULL, &in),
        "{\"command\":\"INPUT\",\"sessionId\":\"s\",\"input\":{\"steering\":-1,\"throttle\":0,"
        "\"brake\":1,\"timestamp\":2.5},\"client_id\":\"s\"}");
    in.timestamp_s = (double)NAN;
    assert_int_equal(sgc_input_text(&b, SPAN_LIT("s"), SPAN_NULL, &in), E_RANGE);
    in.timestamp_s = 1e300;
    assert_int_equal(sgc_input_text(&b, SPAN_LIT("s"), SPAN_NULL, &in), E_RANGE);
    buf_fini(&b);
}

/* ---- parsing ---- */

static void test_parse_update(void **state)
{
    struct sgc_message m;
    (void)state;
    assert_int_equal(
        sgc_message_parse(
            SPAN_LIT("{\"command\":\"UPDATE\",\"sessionId\":\"a\",\"position\":null}"), &m),
        0);
    assert_int_equal(m.kind, SGC_UPDATE);
    assert_string_equal(m.update.sender_id, "a");
    assert_true(m.update.position.x == 0 && m.update.rotation.w == 1);
    assert_int_equal(
        sgc_message_parse(
            SPAN_LIT("{\"sessionId\":\"\\u0062\",\"position\":{\"z\":3,\"y\":-2e1},"
                     "\"rotation\":{\"w\":0.5,\"x\":null},\"command\":\"update\",\"n\":[1]}"),
            &m),
        0);
    assert_string_equal(m.update.sender_id, "b");
    assert_true(m.update.position.x == 0 && m.update.position.y == -20.0f &&
                m.update.position.z == 3);
    assert_true(m.update.rotation.x == 0 && m.update.rotation.w == 0.5f);
}

static void test_parse_input(void **state)
{
    struct sgc_message m;
    (void)state;
    assert_int_equal(sgc_message_parse(SPAN_LIT("{\"command\":\"INPUT\",\"sessionId\":\"a\","
                                                "\"roomId\":\"r\",\"input\":{\"steering\":-0.5,"
                                                "\"throttle\":1,\"brake\":0.25,\"timestamp\":9.5},"
                                                "\"client_id\":\"a\"}"),
                                       &m),
                     0);
    assert_int_equal(m.kind, SGC_INPUT);
    assert_true(m.input.steering == -0.5f && m.input.throttle == 1 && m.input.brake == 0.25f);
    assert_true(m.input.timestamp_s == 9.5);
    assert_int_equal(sgc_message_parse(SPAN_LIT("{\"command\":\"INPUT\",\"sessionId\":\"a\","
                                                "\"steering\":0.5,\"timestamp\":1700000000.25}"),
                                       &m),
                     0);
    assert_true(m.input.steering == 0.5f && m.input.brake == 0);
    assert_true(m.input.timestamp_s == 1700000000.25);
}

/* One character longer than an id may be. */
#define LONG_ID                              \
    "{\"command\":\"UPDATE\",\"sessionId\":" \
    "\"01234567890123456789012345678901234567890123456789012345678901234\"}"

static void test_parse_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "5",
        "{\"command\":\"UPDATE\"}",
        "{\"command\":\"UPDATE\",\"sessionId\":\"\"}",
        "{\"command\":\"UPDATE\",\"sessionId\":5}",
        "{\"command\":\"MOVE\",\"sessionId\":\"a\"}",
        "{\"command\":7,\"sessionId\":\"a\"}",
        "{\"command\":\"UPDATEUPDATE\",\"sessionId\":\"a\"}",
        "{\"command\":\"UPDATE\",\"sessionId\":\"a\\u0000b\"}",
        LONG_ID,
        "{\"command\":\"UPDATE\",\"sessionId\":\"a\",\"position\":5}",
        "{\"command\":\"UPDATE\",\"sessionId\":\"a\",\"position\":{\"x\":\"1\"}}",
        "{\"command\":\"UPDATE\",\"sessionId\":\"a\",\"position\":{\"x\":1e39}}",
        "{\"command\":\"UPDATE\",\"sessionId\":\"a\",\"rotation\":{\"w\":true}}",
        "{\"command\":\"INPUT\",\"sessionId\":\"a\",\"input\":[]}",
        "{\"command\":\"INPUT\",\"sessionId\":\"a\",\"steering\":true}",
        "{\"command\":\"INPUT\",\"sessionId\":\"a\",\"timestamp\":\"x\"}",
        "{\"command\":\"UPDATE\",\"sessionId\":\"a\"} x",
    };
    struct sgc_message m;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(sgc_message_parse(span_str(texts[i]), &m), E_FORMAT);
}

/* ---- seals: two ends that talk to each other ---- */

static struct sgc_grant grant_of(enum slipgate_udp_mode mode, const uint8_t *c2s,
                                 const uint8_t *s2c, bool pack)
{
    size_t n = mode == SLIPGATE_UDP_AES_GCM ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY;
    return (struct sgc_grant){mode, {1, 2, 3, 4, 5, 6, 7, 8}, {c2s, n}, {s2c, n}, pack};
}

static void open_ends(struct sgc_udp *client, struct sgc_udp *server, enum slipgate_udp_mode mode,
                      bool pack)
{
    uint8_t a[SEAL_CBC_HMAC_KEY], b[SEAL_CBC_HMAC_KEY];
    memset(a, 7, sizeof a);
    memset(b, 9, sizeof b);
    struct sgc_grant out = grant_of(mode, a, b, pack), back = grant_of(mode, b, a, pack);
    if (mode == SLIPGATE_UDP_PLAIN) {
        assert_int_equal(sgc_udp_open_plain(client, &entropy), 0);
        assert_int_equal(sgc_udp_open_plain(server, &entropy), 0);
    } else if (mode == SLIPGATE_UDP_CBC) {
        assert_int_equal(sgc_udp_open_cbc(client, SPAN_LIT(ME), SPAN_LIT("x"), &entropy), 0);
        assert_int_equal(sgc_udp_open_cbc(server, SPAN_LIT(ME), SPAN_LIT("x"), &entropy), 0);
    } else {
        assert_int_equal(sgc_udp_open_grant(client, &out, &entropy), 0);
        assert_int_equal(sgc_udp_open_grant(server, &back, &entropy), 0);
    }
}

static const enum slipgate_udp_mode modes[] = {SLIPGATE_UDP_PLAIN, SLIPGATE_UDP_CBC,
                                               SLIPGATE_UDP_AES_GCM, SLIPGATE_UDP_AES_CBC_HMAC};

static void test_every_mode_there_and_back(void **state)
{
    struct sgc_scratch *w = scratch_make();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct sgc_udp client = {0}, server = {0};
        struct span text, one;
        uint8_t datagram[SGC_DATAGRAM_MAX];
        open_ends(&client, &server, modes[i], false);
        int n = sgc_udp_seal(&server, w, SPAN_LIT("{\"a\":1}"));
        assert_true(n > 0);
        memcpy(datagram, w->sealed, (size_t)n);
        assert_int_equal(sgc_udp_unseal(&client, w, span_of(datagram, (size_t)n), &text), 0);
        assert_true(sgc_udp_next(&client, &text, &one));
        assert_true(span_eq(one, SPAN_LIT("{\"a\":1}")));
        assert_false(sgc_udp_next(&client, &text, &one));
        int again = sgc_udp_unseal(&client, w, span_of(datagram, (size_t)n), &text);
        bool aead = modes[i] == SLIPGATE_UDP_AES_GCM || modes[i] == SLIPGATE_UDP_AES_CBC_HMAC;
        assert_int_equal(again, aead ? E_REPLAY : 0);
        sgc_udp_close(&client);
        sgc_udp_close(&server);
        assert_int_equal(client.mode, SLIPGATE_UDP_NONE);
    }
    scratch_drop(w);
}

static void test_nothing_weaker_is_accepted(void **state)
{
    struct sgc_scratch *w = scratch_make();
    struct sgc_udp client = {0}, server = {0}, weak = {0};
    struct span text;
    uint8_t datagram[SGC_DATAGRAM_MAX];
    (void)state;
    for (size_t i = 1; i < ARRAY_LEN(modes); i++) {
        open_ends(&client, &server, modes[i], false);
        for (size_t j = 0; j < i; j++) {
            open_ends(&weak, &server, modes[j], false);
            int n = sgc_udp_seal(&server, w, SPAN_LIT("{\"a\":1}"));
            memcpy(datagram, w->sealed, (size_t)n);
            assert_true(sgc_udp_unseal(&client, w, span_of(datagram, (size_t)n), &text) < 0);
        }
    }
    sgc_udp_close(&client);
    sgc_udp_close(&server);
    sgc_udp_close(&weak);
    scratch_drop(w);
}

static void test_size_limit(void **state)
{
    static uint8_t text[SLIPGATE_DATAGRAM_MAX + 1];
    struct sgc_scratch *w = scratch_make();
    struct sgc_udp a = {0}, b = {0};
    (void)state;
    open_ends(&a, &b, SLIPGATE_UDP_PLAIN, false);
    assert_int_equal(sgc_udp_seal(&a, w, span_of(text, SLIPGATE_DATAGRAM_MAX - 1)),
                     SLIPGATE_DATAGRAM_MAX);
    assert_int_equal(sgc_udp_seal(&a, w, span_of(text, SLIPGATE_DATAGRAM_MAX)), E_LIMIT);
    open_ends(&a, &b, SLIPGATE_UDP_AES_GCM, false);
    assert_int_equal(sgc_udp_seal(&a, w, span_of(text, SLIPGATE_DATAGRAM_MAX - 36)),
                     SLIPGATE_DATAGRAM_MAX);
    assert_int_equal(sgc_udp_seal(&a, w, span_of(text, SLIPGATE_DATAGRAM_MAX - 35)), E_LIMIT);
    sgc_udp_close(&a);
    sgc_udp_close(&b);
    scratch_drop(w);
}

static void test_gzip(void **state)
{
    struct sgc_scratch *w = scratch_make();
    struct span text;
    uint8_t zipped[512];
    (void)state;
    int z = gzip_deflate(w->gzip, SPAN_LIT("{\"command\":\"x\"}"), zipped, sizeof zipped);
    assert_true(z > 0);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct sgc_udp client = {0}, server = {0};
        uint8_t datagram[SGC_DATAGRAM_MAX];
        open_ends(&client, &server, modes[i], false);
        int n = modes[i] == SLIPGATE_UDP_PLAIN
                    ? z
                    : sgc_udp_seal(&server, w, span_of(zipped, (size_t)z));
        memcpy(datagram, modes[i] == SLIPGATE_UDP_PLAIN ? zipped : w->sealed, (size_t)n);
        assert_int_equal(sgc_udp_unseal(&client, w, span_of(datagram, (size_t)n), &text), 0);
        assert_true(span_eq(text, SPAN_LIT("{\"command\":\"x\"}")));
        sgc_udp_close(&client);
        sgc_udp_close(&server);
    }
    scratch_drop(w);
}

static void test_gzip_bomb(void **state)
{
    struct sgc_scratch *w = scratch_make();
    struct sgc_udp u = {0};
    struct span text;
    static uint8_t zeros[SGC_INFLATED_MAX + 1];
    uint8_t zipped[512];
    (void)state;
    assert_int_equal(sgc_udp_open_plain(&u, &entropy), 0);
    int z = gzip_deflate(w->gzip, span_of(zeros, SGC_INFLATED_MAX), zipped, sizeof zipped);
    assert_true(z > 0);
    assert_int_equal(sgc_udp_unseal(&u, w, span_of(zipped, (size_t)z), &text), 0);
    z = gzip_deflate(w->gzip, span_of(zeros, sizeof zeros), zipped, sizeof zipped);
    assert_true(z > 0);
    assert_int_equal(sgc_udp_unseal(&u, w, span_of(zipped, (size_t)z), &text), E_LIMIT);
    sgc_udp_close(&u);
    scratch_drop(w);
}

/* ---- packing ---- */

/* Messages of text, each followed by a bar. */
static void split(const char *text, bool packed, char ret[256])
{
    struct sgc_udp u = {.mode = SLIPGATE_UDP_AES_GCM, .packed = packed};
    struct span rest = span_str(text), one;
    size_t n = 0;
    while (sgc_udp_next(&u, &rest, &one)) {
        memcpy(ret + n, one.p, one.n);
        n += one.n;
        ret[n++] = '|';
    }
    ret[n] = '\0';
}

static void test_packing(void **state)
{
    static const struct {
        const char *text, *packed, *single;
    } rows[] = {
        {"", "", ""},
        {"{}", "{}|", "{}|"},
        {"{}\n", "{}|", "{}|"},
        {"{\"a\":1}\n{\"b\":2}", "{\"a\":1}|{\"b\":2}|", "{\"a\":1}\n{\"b\":2}|"},
        {"{\"a\":1}\n\n{\"b\":2}\n", "{\"a\":1}|{\"b\":2}|", "{\"a\":1}\n\n{\"b\":2}|"},
        {"{\"a\":\n1}", "{\"a\":\n1}|", "{\"a\":\n1}|"}, /* white space inside one message */
        {"\n\r\n", "", ""},
    };
    char got[256];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        split(rows[i].text, true, got);
        assert_string_equal(got, rows[i].packed);
        split(rows[i].text, false, got);
        assert_string_equal(got, rows[i].single);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update_text),
        cmocka_unit_test(test_input_text),
        cmocka_unit_test(test_parse_update),
        cmocka_unit_test(test_parse_input),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_every_mode_there_and_back),
        cmocka_unit_test(test_nothing_weaker_is_accepted),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_gzip_bomb),
        cmocka_unit_test(test_packing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
