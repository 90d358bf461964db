/* The JSON reader: the grammar of RFC 8259, its limits, and what json_object picks. */
#include "exact.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "wire/json.h"

#include <stdio.h>

static int check(const char *text, size_t n)
{
    struct span s = exact(text, n);
    int type = json_check(s);
    exact_free(s);
    return type;
}

static const struct {
    enum json_type type;
    const char *text;
} accepted[] = {
    {JSON_NULL, "null"},
    {JSON_TRUE, "true"},
    {JSON_FALSE, " false\r\n"},
    {JSON_NUMBER, "0"},
    {JSON_NUMBER, "-0"},
    {JSON_NUMBER, "-0.0e-0"},
    {JSON_NUMBER, "10"},
    {JSON_NUMBER, "1E400"},
    {JSON_NUMBER, "1.5e+10"},
    {JSON_NUMBER, "123456789012345678901234567890"},
    {JSON_STRING, "\"\""},
    {JSON_STRING, "\"plain text, longer than a word\""},
    {JSON_STRING, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\""},
    {JSON_STRING, "\"\\ud83d\\ude00\""},
    {JSON_STRING, "\"\\uDBFF\\uDFFF\""},
    {JSON_STRING, "\"\x7f\""},
    {JSON_STRING, "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {JSON_STRING, "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""},
    {JSON_ARRAY, "[]"},
    {JSON_ARRAY, "[ ]"},
    {JSON_ARRAY, "[1,\t2 ,\n[3,{}],\"]\"]"},
    {JSON_OBJECT, "{}"},
    {JSON_OBJECT, " {\t} "},
    {JSON_OBJECT, "{\"a\":1}"},
    {JSON_OBJECT, "{ \"a\" : [ { \"b\" : null } ] , \"\" : {} }"},
};

static const char *const refused[] = {
    "",
    " ",
    "\t\r\n",
    "nul",
    "nulll",
    "Null",
    "tru",
    "falsey",
    "null null",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    ".5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "1e1.5",
    "0x10",
    "1,",
    "Infinity",
    "-Infinity",
    "NaN",
    "\"",
    "\"a",
    "\"long enough to fill whole words",
    "'a'",
    "\"\\",
    "\"\\\"",
    "\"\\x\"",
    "\"\\a\"",
    "\"\\U0041\"",
    "\"\\u\"",
    "\"\\u004\"",
    "\"\\u004g\"",
    "\"\\u 041\"",
    "\"\\u+041\"",
    "\"\\ud83d\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\n\"",
    "\"\\ud83d\\u\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ud83d\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ude00\\ud83d\"",
    "\"a\x01 b\"",
    "\"tab\tinside\"",
    "\"line\ninside\"",
    "\"seven..\x1f\"",
    "\"\x80\"",
    "\"\xbf\"",
    "\"\xc0\x80\"",
    "\"\xc1\xbf\"",
    "\"\xc3\"",
    "\"\xc3(\"",
    "\"\xe0\x9f\xbf\"",
    "\"\xe2\x82\"",
    "\"\xed\xa0\x80\"",
    "\"\xed\xbf\xbf\"",
    "\"\xf0\x8f\xbf\xbf\"",
    "\"\xf0\x9f\x98\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xff\"",
    "\xef\xbb\xbfnull",
    "\xc2\xa0null",
    "\vnull",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "[1]]",
    "[[1]",
    "[\"a\":1]",
    "{",
    "}",
    "{a:1}",
    "{'a':1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "{\"a\":1}}",
    "{\"a\"::1}",
    "{\"a\",1}",
    "{1:2}",
    "{\"\\q\":1}",
    "{\"a\":{\"b\":{]}}",
    "{} // comment",
    "/* */ {}",
    "[1] x",
};

static void t_accepts_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
        if (check(accepted[i].text, strlen(accepted[i].text)) != (int)accepted[i].type)
            fail_msg("not accepted: %s", accepted[i].text);
}

static void t_refuses_everything_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (check(refused[i], strlen(refused[i])) != E_FORMAT)
            fail_msg("not refused: %s", refused[i]);
    assert_int_equal(check("\"a\0b\"", 5), E_FORMAT);
    assert_int_equal(check("{}\0", 3), E_FORMAT);
    assert_int_equal(json_check(SPAN_NULL), E_FORMAT);
}

/* Whatever is cut off, the rest is no value, and no byte behind it is read. */
static void t_refuses_every_prefix(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\\u00e9\\ud83d\\ude00\":[-1.5e+3,true,null,{\"\xc3\xa9\":\"\"}],"
        "\"long enough for two words\":false}";
    for (size_t n = 0; n < sizeof text - 1; n++)
        if (check(text, n) != E_FORMAT)
            fail_msg("not refused: first %zu bytes", n);
    assert_int_equal(check(text, sizeof text - 1), JSON_OBJECT);
}

/* In a string of eight and more bytes a special byte must be seen at every place of a word. */
static void t_sees_special_bytes_at_every_place(void **state)
{
    (void)state;
    char text[40];
    for (size_t n = 1; n <= 24; n++) {
        for (size_t at = 1; at <= n; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'x', sizeof text);
                text[0] = text[n + 1] = '"';
                text[at] = (char)byte;
                bool fine = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                int got = check(text, n + 2);
                if (got != (fine ? JSON_STRING : E_FORMAT))
                    fail_msg("byte %02x at %zu of %zu: %d", (unsigned)byte, at, n, got);
            }
        }
    }
}

static void t_validates_utf8_as_base_does(void **state)
{
    (void)state;
    static const uint8_t follow[] = {'A',  0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                     0xa0, 0xbb, 0xbf, 0xc0, 0xed, 0xff};
    for (unsigned lead = 0x80; lead <= 0xff; lead++) {
        for (size_t i = 0; i < 12 * 12 * 12; i++) {
            const uint8_t text[] = {
                '"', (uint8_t)lead, follow[i / 144], follow[i / 12 % 12], follow[i % 12], '"'};
            bool valid = utf8_valid(span_of(text + 1, 4));
            if ((json_check(span_of(text, sizeof text)) == JSON_STRING) != valid)
                fail_msg("%02x %02x %02x %02x", lead, text[2], text[3], text[4]);
        }
    }
}

static size_t nest(char *to, size_t depth, const char *open, const char *inside, const char *close)
{
    size_t n = 0;
    for (size_t i = 0; i < depth; i++, n += strlen(open))
        memcpy(to + n, open, strlen(open));
    memcpy(to + n, inside, strlen(inside));
    n += strlen(inside);
    for (size_t i = 0; i < depth; i++, n += strlen(close))
        memcpy(to + n, close, strlen(close));
    return n;
}

static void t_limits_depth(void **state)
{
    (void)state;
    static const char *const kinds[][3] = {
        {"[", "", "]"}, {"{\"a\":", "1", "}"}, {"[[],", "{}", "]"}};
    char text[1024];
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t inner = i == 2 ? 1 : 0; /* the innermost value is an object itself */
        const char *const *k = kinds[i];
        size_t n = nest(text, JSON_DEPTH_MAX - inner, k[0], k[1], k[2]);
        assert_true(check(text, n) > 0);
        n = nest(text, JSON_DEPTH_MAX + 1 - inner, k[0], k[1], k[2]);
        assert_int_equal(check(text, n), E_FORMAT);
    }
    static char deep[200001];
    memset(deep, '[', sizeof deep - 1);
    assert_int_equal(check(deep, sizeof deep - 1), E_FORMAT);
    /* Depth is what is open at once, not what was. */
    size_t n = 0;
    deep[n++] = '[';
    for (int i = 0; i < 1000; i++, n += 5)
        memcpy(deep + n, "[[]],", 5);
    memcpy(deep + n, "0]", 2);
    assert_int_equal(check(deep, n + 2), JSON_ARRAY);
}

static void t_closes_what_it_opened(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 64 * 4];
    /* Arrays and objects in turn, 64 deep: every closing bracket must be of its own kind. */
    size_t n = 0;
    for (size_t i = 0; i < JSON_DEPTH_MAX; i++) {
        const char *open = i % 2 ? "{\"\":" : "[";
        memcpy(text + n, open, strlen(open));
        n += strlen(open);
    }
    text[n++] = '0';
    size_t closes = n;
    for (size_t i = JSON_DEPTH_MAX; i-- > 0;)
        text[n++] = i % 2 ? '}' : ']';
    assert_int_equal(check(text, n), JSON_ARRAY);
    for (size_t i = closes; i < n; i++) {
        char was = text[i];
        text[i] = was == '}' ? ']' : '}';
        assert_int_equal(check(text, n), E_FORMAT);
        text[i] = was;
    }
}

static void t_object_picks_members(void **state)
{
    (void)state;
    static const char *const names[] = {"b", "a", "absent", "", "a\xc3\xa9", "ab"};
    static const char text[] =
        " { \"a\" : [1, 2] ,\"b\":\"x\",\"A\":0,\"\":null,\"a\\u00e9\":{\"b\":9} } ";
    struct span s = exact(text, sizeof text - 1);
    struct json_val v[ARRAY_LEN(names)];
    assert_int_equal(json_object(s, names, ARRAY_LEN(names), v), JSON_OBJECT);
    assert_int_equal(v[0].type, JSON_STRING);
    assert_text(v[0].raw, "\"x\"");
    assert_int_equal(v[1].type, JSON_ARRAY);
    assert_text(v[1].raw, "[1, 2]");
    assert_int_equal(v[2].type, JSON_ABSENT);
    assert_int_equal(v[2].raw.n, 0);
    assert_int_equal(v[3].type, JSON_NULL);
    assert_int_equal(v[4].type, JSON_OBJECT);
    assert_text(v[4].raw, "{\"b\":9}");
    assert_int_equal(v[5].type, JSON_ABSENT);
    struct json_val inner;
    assert_int_equal(json_object(v[4].raw, names, 1, &inner), JSON_OBJECT);
    assert_text(inner.raw, "9");
    exact_free(s);
}

static void t_object_compares_names_unescaped(void **state)
{
    (void)state;
    static const char *const names[] = {"name", "n\xf0\x9f\x98\x80", "na"};
    static const char text[] = "{\"\\u006eam\\u0065\":1,\"n\\ud83d\\ude00\":2,\"na\\u0000\":3,"
                               "\"\\u006e\":4,\"name\\u0000\":5,\"\\u006eames\":6}";
    struct json_val v[ARRAY_LEN(names)];
    assert_int_equal(json_object(span_str(text), names, ARRAY_LEN(names), v), JSON_OBJECT);
    assert_text(v[0].raw, "1");
    assert_text(v[1].raw, "2");
    assert_int_equal(v[2].type, JSON_ABSENT);
    assert_true(json_name_is(SPAN_LIT("\\u006E\\u0061"), "na"));
    assert_true(json_name_is(SPAN_LIT("na"), "na"));
    assert_true(json_name_is(SPAN_LIT(""), ""));
    assert_false(json_name_is(SPAN_LIT("na"), "nam"));
    assert_false(json_name_is(SPAN_LIT("nam"), "na"));
    assert_false(json_name_is(SPAN_LIT("na\\u0000"), "na"));
    assert_false(json_name_is(SPAN_LIT("Na"), "na"));
}

static void t_object_takes_the_last_duplicate(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    struct json_val v;
    assert_int_equal(json_object(SPAN_LIT("{\"a\":1,\"b\":2,\"\\u0061\":null}"), names, 1, &v),
                     JSON_OBJECT);
    assert_int_equal(v.type, JSON_NULL);
}

static void t_object_only_looks_at_its_own_level(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    struct json_val v;
    assert_int_equal(json_object(SPAN_LIT("{\"b\":{\"a\":1},\"c\":[{\"a\":2}]}"), names, 1, &v),
                     JSON_OBJECT);
    assert_int_equal(v.type, JSON_ABSENT);
}

static void t_object_tells_other_types(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    struct json_val v = {JSON_TRUE, SPAN_NULL};
    assert_int_equal(json_object(SPAN_LIT("[{\"a\":1}]"), names, 1, &v), JSON_ARRAY);
    assert_int_equal(v.type, JSON_ABSENT);
    assert_int_equal(json_object(SPAN_LIT(" \"a\""), names, 1, &v), JSON_STRING);
    assert_int_equal(json_object(SPAN_LIT("7"), names, 1, &v), JSON_NUMBER);
    assert_int_equal(json_object(SPAN_LIT("{\"a\":1"), names, 1, &v), E_FORMAT);
}

static void t_object_takes_as_many_names_as_it_says(void **state)
{
    (void)state;
    char names_text[JSON_NAMES_MAX][4], text[512] = "{";
    const char *names[JSON_NAMES_MAX];
    struct json_val v[JSON_NAMES_MAX];
    size_t n = 1;
    for (size_t i = 0; i < JSON_NAMES_MAX; i++) {
        names[i] = names_text[i];
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"k%u\":%u", i ? "," : "", (unsigned)i,
                              (unsigned)i);
        snprintf(names_text[i], sizeof names_text[i], "k%u", (unsigned)i % 100);
    }
    text[n++] = '}';
    assert_int_equal(json_object(span_of(text, n), names, JSON_NAMES_MAX, v), JSON_OBJECT);
    for (size_t i = 0; i < JSON_NAMES_MAX; i++) {
        int64_t value;
        assert_int_equal(json_int(&v[i], &value), 0);
        assert_int_equal(value, i);
    }
}

static void t_next_walks_elements(void **state)
{
    (void)state;
    static const char *const want[] = {"1", "\"a,b]\"", "[2,3]", "{\"x\":[]}", "null"};
    struct span s = SPAN_LIT("[ 1 , \"a,b]\",[2,3]\t,{\"x\":[]},null ]");
    struct json_val v;
    size_t at = 0, n = 0;
    for (; n < ARRAY_LEN(want); n++) {
        assert_true(json_next(s, &at, &v));
        assert_text(v.raw, want[n]);
    }
    assert_false(json_next(s, &at, &v));
    at = 0;
    assert_false(json_next(SPAN_LIT("[]"), &at, &v));
    at = 0;
    assert_false(json_next(SPAN_LIT("[ ]"), &at, &v));
    at = 0;
    assert_false(json_next(SPAN_LIT("{\"a\":1}"), &at, &v));
    at = 0;
    assert_false(json_next(SPAN_NULL, &at, &v));
}

static void t_member_walks_members(void **state)
{
    (void)state;
    struct span s = SPAN_LIT("{ \"a\" : 1 ,\"a\":[2,3],\"\\u0062\":{\"c\":{}} }");
    static const char *const names[] = {"a", "a", "\\u0062"};
    static const char *const values[] = {"1", "[2,3]", "{\"c\":{}}"};
    struct span name = SPAN_NULL;
    struct json_val v;
    size_t at = 0, n = 0;
    for (; n < ARRAY_LEN(names); n++) {
        assert_true(json_member(s, &at, &name, &v));
        assert_text(name, names[n]);
        assert_text(v.raw, values[n]);
    }
    assert_false(json_member(s, &at, &name, &v));
    at = 0;
    assert_false(json_member(SPAN_LIT("{ }"), &at, &name, &v));
    at = 0;
    assert_false(json_member(SPAN_LIT("[1]"), &at, &name, &v));
}

static struct json_val string_of(struct span text)
{
    static const char *const names[] = {"s"};
    static char object[256];
    struct json_val v;
    memcpy(object, "{\"s\":", 5);
    memcpy(object + 5, text.p, text.n);
    object[5 + text.n] = '}';
    assert_int_equal(json_object(span_of(object, text.n + 6), names, 1, &v), JSON_OBJECT);
    assert_int_equal(v.type, JSON_STRING);
    return v;
}

static void t_string_unescapes(void **state)
{
    (void)state;
    static const struct {
        struct span text, want;
    } rows[] = {
        {SPAN_INIT("\"\""), SPAN_INIT("")},
        {SPAN_INIT("\"plain\""), SPAN_INIT("plain")},
        {SPAN_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SPAN_INIT("\"\\/\b\f\n\r\t")},
        {SPAN_INIT("\"a\\u0000b\""), SPAN_INIT("a\0b")},
        {SPAN_INIT("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\""),
         SPAN_INIT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
        {SPAN_INIT("\"\\ud800\\udc00\\uDBFF\\uDFFF\""),
         SPAN_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
        {SPAN_INIT("\"\\ud7ff\\ue000\""), SPAN_INIT("\xed\x9f\xbf\xee\x80\x80")},
        {SPAN_INIT("\"mid\\ndle\xc3\xa9\""), SPAN_INIT("mid\ndle\xc3\xa9")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_val v = string_of(rows[i].text);
        struct span view;
        uint8_t to[64], scratch[64];
        size_t n = rows[i].want.n;
        assert_int_equal(json_string(&v, to, n), n);
        assert_span(rows[i].want, to, n);
        assert_int_equal(json_string_view(&v, scratch, sizeof scratch, &view), n);
        assert_span(view, rows[i].want.p, n);
        if (n > 0)
            assert_int_equal(json_string(&v, to, n - 1), E_LIMIT);
    }
}

static void t_string_view_copies_only_when_it_must(void **state)
{
    (void)state;
    struct span view;
    uint8_t scratch[4];
    struct json_val v = string_of(SPAN_LIT("\"longer than the scratch\""));
    assert_int_equal(json_string_view(&v, scratch, 0, &view), 23);
    assert_ptr_equal(view.p, v.raw.p + 1);
    v = string_of(SPAN_LIT("\"\\u0061bcd\""));
    assert_int_equal(json_string_view(&v, scratch, 4, &view), 4);
    assert_ptr_equal(view.p, scratch);
    assert_text(view, "abcd");
    assert_int_equal(json_string_view(&v, scratch, 3, &view), E_LIMIT);
}

static void t_string_refuses_other_types(void **state)
{
    (void)state;
    static const char *const names[] = {"n", "none"};
    struct json_val v[2];
    struct span view;
    uint8_t to[8];
    assert_int_equal(json_object(SPAN_LIT("{\"n\":12}"), names, 2, v), JSON_OBJECT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(json_string(&v[i], to, sizeof to), E_FORMAT);
        assert_int_equal(json_string_view(&v[i], to, sizeof to, &view), E_FORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_accepts_the_grammar),
        cmocka_unit_test(t_refuses_everything_else),
        cmocka_unit_test(t_refuses_every_prefix),
        cmocka_unit_test(t_sees_special_bytes_at_every_place),
        cmocka_unit_test(t_validates_utf8_as_base_does),
        cmocka_unit_test(t_limits_depth),
        cmocka_unit_test(t_closes_what_it_opened),
        cmocka_unit_test(t_object_picks_members),
        cmocka_unit_test(t_object_compares_names_unescaped),
        cmocka_unit_test(t_object_takes_the_last_duplicate),
        cmocka_unit_test(t_object_only_looks_at_its_own_level),
        cmocka_unit_test(t_object_tells_other_types),
        cmocka_unit_test(t_object_takes_as_many_names_as_it_says),
        cmocka_unit_test(t_next_walks_elements),
        cmocka_unit_test(t_member_walks_members),
        cmocka_unit_test(t_string_unescapes),
        cmocka_unit_test(t_string_view_copies_only_when_it_must),
        cmocka_unit_test(t_string_refuses_other_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
