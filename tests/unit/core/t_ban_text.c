/* Bans as lines of JSON: what is written is read back, and what is wrong is named by line and
 * field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/ban_text.h"

#include <stdio.h>
#include <stdlib.h>

#define T0 INT64_C(1700000000000)

static void reader(struct ban_reader *r, const char *text)
{
    ban_reader_init(r, span_str(text), SPAN_LIT("importer"), T0, false);
}

static void written(void **state)
{
    (void)state;
    struct buf to;
    struct ban b = {.id = 7,
                    .account = 12,
                    .created = T0,
                    .author = SPAN_LIT("mary"),
                    .reason = SPAN_LIT("said \"x\"")};
    buf_init(&to, 4096);
    ban_write(&to, &b);
    assert_int_equal(ban_net_parse(&b, "203.0.113.0/24"), 0);
    b.game = SPAN_LIT("arena");
    b.reason = SPAN_NULL;
    b.expires = T0 + 1;
    b.evidence = SPAN_LIT("audit 5");
    ban_write(&to, &b);
    bool failed = to.failed;
    static const char want[] =
        "{\"id\":7,\"account\":12,\"reason\":\"said \\\"x\\\"\",\"author\":\"mary\","
        "\"created\":1700000000000,\"expires\":0}\n"
        "{\"id\":7,\"network\":\"203.0.113.0/24\",\"game\":\"arena\",\"author\":\"mary\","
        "\"created\":1700000000000,\"expires\":1700000000001,\"evidence\":\"audit 5\"}\n";
    bool same = span_eq(buf_span(&to), span_str(want));
    buf_fini(&to);
    assert_false(failed);
    assert_true(same);
}

static void read_back(void **state)
{
    (void)state;
    struct ban_reader r;
    struct ban b;
    struct buf why;
    buf_init(&why, 256);
    reader(&r,
           "\xef\xbb\xbf{\"id\":7,\"address\":\"::1.2.3.4\"}\r\n\n\r\n"
           " {\"account\":9,\"ga\\u006de\":\"arena\",\"reason\":\"\\u00e9\\t\",\"author\":\"m\"}\n"
           " {\"network\":\"2001:db8::/32\",\"created\":5,\"expires\":6,"
           "\"author\":\"\\u00e9\",\"reason\":\"\",\"evidence\":\"e\",\"game\":\"\"} \r");
    assert_int_equal(ban_read(&r, &b, &why), 1);
    assert_int_equal(r.line, 1);
    assert_true(b.id == 0 && b.kind == BAN_NET && b.bits == 128 && b.ip[15] == 4);
    assert_true(span_eq(b.author, SPAN_LIT("importer")) && b.created == T0 && b.expires == 0);
    assert_true(b.game.n == 0 && b.reason.n == 0 && b.evidence.n == 0);
    assert_int_equal(ban_read(&r, &b, &why), E_RANGE); /* the tab */
    assert_int_equal(r.line, 4);
    buf_clear(&why);
    assert_int_equal(ban_read(&r, &b, &why), 1);
    assert_int_equal(r.line, 5);
    assert_true(b.bits == 32 && b.created == 5 && b.expires == 6 && b.reason.n == 0);
    assert_true(span_eq(b.author, SPAN_LIT("\xc3\xa9")) && span_eq(b.evidence, SPAN_LIT("e")));
    assert_int_equal(ban_read(&r, &b, &why), 0);
    assert_int_equal(ban_read(&r, &b, &why), 0);
    assert_int_equal(r.bans, 2);
    buf_fini(&why);
}

#define LONG_(x) x x x x x x x x x x x x x x x x
#define X256     LONG_("xxxxxxxxxxxxxxxx")

static void wrong_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int rc;
        const char *why;
    } rows[] = {
        {"x", E_FORMAT, "line 2: is not valid JSON"},
        {"{\"account\":1}{", E_FORMAT, "line 2: is not valid JSON"},
        {"[1]", E_FORMAT, "line 2: is no JSON object"},
        {"{}", E_FORMAT, "line 2: needs exactly one of"},
        {"{\"account\":1,\"address\":\"1.2.3.4\"}", E_FORMAT, "line 2: needs exactly one of"},
        {"{\"account\":1,\"Reason\":\"x\"}", E_FORMAT, "line 2: 'Reason' is no field"},
        {"{\"account\":1,\"a\xc2\x9b\":1}", E_FORMAT, "line 2: '' is no field"},
        {"{\"account\":1,\"" X256 "\":1}", E_FORMAT, "line 2: '' is no field"},
        {"{\"account\":1,\"account\":1}", E_FORMAT, "line 2: 'account' is there twice"},
        {"{\"account\":1,\"id\":\"1\"}", E_FORMAT, "line 2: 'id' has to be a whole number"},
        {"{\"account\":1.5}", E_FORMAT, "line 2: 'account' has to be a whole number"},
        {"{\"account\":null}", E_FORMAT, "line 2: 'account' has to be a whole number"},
        {"{\"account\":0}", E_RANGE, "line 2: 'account' has to be the id"},
        {"{\"account\":9223372036854775808}", E_RANGE, "line 2: 'account' is too large"},
        {"{\"address\":5}", E_FORMAT, "line 2: 'address' has to be a string"},
        {"{\"address\":\"1.2.3\"}", E_FORMAT, "line 2: 'address' has to be like"},
        {"{\"address\":\"1.2.3.4/32\"}", E_FORMAT, "line 2: 'address' has to be like"},
        {"{\"address\":\"1.2.3.4\\u0000\"}", E_FORMAT, "line 2: 'address' has to be like"},
        {"{\"address\":\"127.0.0.1\"}", E_RANGE, "line 2: 'address' holds loopback"},
        {"{\"address\":\"" X256 "\"}", E_LIMIT, "line 2: 'address' is too long"},
        {"{\"network\":\"1.2.3.4\"}", E_FORMAT, "line 2: 'network' has to be like"},
        {"{\"network\":\"1.2.3.4/24\"}", E_FORMAT, "line 2: 'network' has to be like"},
        {"{\"network\":\"1.2.3.0\\u0000/24\"}", E_FORMAT, "line 2: 'network' has to be like"},
        {"{\"network\":\"8.0.0.0/7\"}", E_RANGE, "line 2: 'network' is wider than /8"},
        {"{\"network\":\"::/0\"}", E_RANGE, "line 2: 'network' is wider than /8"},
        {"{\"network\":\"127.0.0.0/8\"}", E_RANGE, "line 2: 'network' holds loopback"},
        {"{\"account\":1,\"game\":\"A\"}", E_RANGE, "line 2: 'game' is no name"},
        {"{\"account\":1,\"reason\":\"" X256 "\"}", E_LIMIT, "line 2: 'reason' is too long"},
        {"{\"account\":1,\"reason\":\"\\n\"}", E_RANGE, "line 2: 'reason' has to be"},
        {"{\"account\":1,\"reason\":true}", E_FORMAT, "line 2: 'reason' has to be a string"},
        {"{\"account\":1,\"author\":\"\"}", E_RANGE, "line 2: 'author' has to be 1 to"},
        {"{\"account\":1,\"evidence\":\"" X256 "\"}", E_LIMIT, "line 2: 'evidence' is too long"},
        {"{\"account\":1,\"created\":-1}", E_RANGE, "line 2: 'created' has to be a date"},
        {"{\"account\":1,\"created\":5,\"expires\":5}", E_RANGE, "line 2: 'expires' has to be 0"},
        {"{\"account\":1,\"expires\":1e3}", E_FORMAT, "line 2: 'expires' has to be a whole"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ban_reader r;
        struct ban b = {.id = 99};
        struct buf why;
        char text[1024], said[512];
        snprintf(text, sizeof text, "\n%s\n{\"account\":5}", rows[i].line);
        buf_init(&why, 512);
        reader(&r, text);
        int rc = ban_read(&r, &b, &why);
        snprintf(said, sizeof said, "%.*s", (int)why.n, why.n ? (const char *)why.p : "");
        bool failed = why.failed;
        buf_fini(&why);
        assert_false(failed);
        if (rc != rows[i].rc || strncmp(said, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s: %d %s", rows[i].line, rc, said);
        assert_int_equal(b.id, 99);
        assert_int_equal(ban_read(&r, &b, &why), 1); /* it goes on behind the line */
        assert_int_equal(b.account, 5);
        assert_int_equal(ban_read(&r, &b, &why), 0);
    }
}

static void by_force(void **state)
{
    (void)state;
    struct ban_reader r;
    struct ban b;
    struct buf why;
    buf_init(&why, 256);
    ban_reader_init(&r, SPAN_LIT("{\"network\":\"0.0.0.0/0\"}\n{\"address\":\"::1\"}"),
                    SPAN_LIT("m"), T0, true);
    assert_int_equal(ban_read(&r, &b, &why), 1);
    assert_int_equal(b.bits, 96);
    assert_int_equal(ban_read(&r, &b, &why), 1);
    assert_int_equal(ban_read(&r, &b, &why), 0);
    buf_fini(&why);
}

/* A line of n bytes, with spaces behind the object, then the given end and another line. */
static int long_line(size_t n, const char *end, int *next)
{
    static char text[BAN_LINE_MAX + 100];
    static const char object[] = "{\"account\":5}";
    struct ban_reader r;
    struct ban b;
    struct buf why;
    memset(text, ' ', n);
    memcpy(text, object, sizeof object - 1);
    strcpy(text + n, end);
    buf_init(&why, 256);
    reader(&r, text);
    int rc = ban_read(&r, &b, &why);
    *next = ban_read(&r, &b, &why);
    buf_fini(&why);
    return rc;
}

static void lines_at_and_beyond_the_limit(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "\r", "\n", "\r\n", "\n{\"account\":6}"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        int next, want = i == 4;
        assert_int_equal(long_line(BAN_LINE_MAX, ends[i], &next), 1);
        assert_int_equal(next, want);
        assert_int_equal(long_line(BAN_LINE_MAX + 1, ends[i], &next), E_LIMIT);
        assert_int_equal(next, want);
    }
}

static void texts_at_their_limits(void **state)
{
    (void)state;
    static char a[BAN_REASON_MAX], g[BAN_GAME_MAX];
    struct ban b = {.id = INT64_MAX, .created = INT64_MAX - 1, .expires = INT64_MAX}, back = {0};
    struct ban_reader r;
    struct buf to, why;
    memset(a, '"', sizeof a);
    memset(g, 'g', sizeof g);
    b.account = INT64_MAX;
    b.reason = b.author = span_of(a, sizeof a);
    b.evidence = span_of(a, BAN_EVIDENCE_MAX);
    b.game = span_of(g, sizeof g);
    buf_init(&to, BAN_LINE_MAX);
    buf_init(&why, 256);
    ban_write(&to, &b);
    ban_reader_init(&r, buf_span(&to), SPAN_LIT("m"), T0, false);
    int rc = to.failed ? E_NOMEM : ban_read(&r, &back, &why);
    buf_fini(&to);
    buf_fini(&why);
    assert_int_equal(rc, 1);
    assert_true(back.account == INT64_MAX && back.created == b.created &&
                back.expires == b.expires && span_eq(back.reason, b.reason) &&
                span_eq(back.author, b.author) && span_eq(back.evidence, b.evidence) &&
                span_eq(back.game, b.game));
}

static void the_number_of_bans_is_limited(void **state)
{
    (void)state;
    static const char line[] = "{\"account\":5}\n";
    size_t n = sizeof line - 1;
    char *text = malloc((BANS_MAX + 2) * n);
    struct ban_reader r;
    struct ban b;
    struct buf why;
    assert_non_null(text);
    for (size_t i = 0; i < BANS_MAX + 2; i++)
        memcpy(text + i * n, line, n);
    buf_init(&why, 256);
    ban_reader_init(&r, span_of(text, (BANS_MAX + 2) * n), SPAN_LIT("m"), T0, false);
    uint32_t good = 0;
    int rc;
    while ((rc = ban_read(&r, &b, &why)) == 1)
        good++;
    int next = ban_read(&r, &b, &why);
    free(text);
    buf_fini(&why);
    assert_int_equal(rc, E_FULL);
    assert_int_equal(good, BANS_MAX);
    assert_int_equal(next, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written),
        cmocka_unit_test(read_back),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(by_force),
        cmocka_unit_test(lines_at_and_beyond_the_limit),
        cmocka_unit_test(texts_at_their_limits),
        cmocka_unit_test(the_number_of_bans_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
