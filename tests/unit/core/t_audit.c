/* Audit records: the documents' numbers and names, the clean form and its ceilings, canonical bytes
 * worked out with Python's struct and hashlib, and lines of an export: whatever byte of one is
 * changed, the reader refuses it or the chain names the record. */
#include "../wire/exact.h"

#include "base/rng.h"
#include "base/utf8.h"
#include "core/audit.h"
#include "wire/text.h"

#include <stdio.h>

static struct audit_record example(void)
{
    return (struct audit_record){.seq = 7,
                                 .at_ms = 1700000000123,
                                 .type = AUDIT_SECURITY,
                                 .subtype = AUDIT_SUB_SPEED_HACK,
                                 .game = SPAN_LIT("server"),
                                 .account = SPAN_LIT("ann"),
                                 .player = SPAN_LIT("Ann \xc3\x85"),
                                 .address = SPAN_LIT("192.0.2.7"),
                                 .details = SPAN_LIT("a\nb \\ \"q\"")};
}

static struct span *field_of(struct audit_record *r, size_t f)
{
    struct span *all[] = {&r->game, &r->account, &r->player, &r->address, &r->target, &r->details};
    return all[f];
}

static void names(void **state)
{
    (void)state;
    static const struct {
        unsigned number;
        const char *name;
    } types[] = {{1, "Account"}, {2, "GMCommand"}, {3, "Security"}, {4, "Trade"}, {5, "Item"}},
      subtypes[] = {{1, "AccountLogin"},    {2, "AccountLogout"},   {3, "UnauthorizedAccess"},
                    {4, "SpeedHack"},       {5, "PacketSpam"},      {6, "ItemDuplication"},
                    {100, "AccountCreate"}, {108, "ConfigChanged"}, {111, "SecondFactor"}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        assert_string_equal(audit_type_name(types[i].number), types[i].name);
        assert_int_equal(audit_type_find(span_str(types[i].name)), types[i].number);
    }
    for (size_t i = 0; i < ARRAY_LEN(subtypes); i++) {
        assert_string_equal(audit_subtype_name(subtypes[i].number), subtypes[i].name);
        assert_int_equal(audit_subtype_find(span_str(subtypes[i].name)), subtypes[i].number);
    }
    assert_null(audit_type_name(0));
    assert_null(audit_type_name(6));
    assert_null(audit_subtype_name(0));
    assert_null(audit_subtype_name(7));
    assert_int_equal(audit_type_find(SPAN_LIT("account")), 0);
    assert_int_equal(audit_subtype_find(SPAN_NULL), 0);
    assert_string_equal(audit_field_name(AUDIT_FIELD_DETAILS), "details");
    assert_int_equal(audit_field_min(AUDIT_FIELD_PLAYER), 1);
    assert_int_equal(audit_field_max(AUDIT_FIELD_DETAILS), 2048);
}

static void vectors(void **state)
{
    (void)state;
    struct audit_record raw = example(), r, back;
    struct audit_room room = {0};
    uint8_t bytes[AUDIT_BYTES_MAX];
    char hex[512];
    assert_int_equal(audit_clean(&r, &room, &raw), 0);
    int n = audit_encode(&r, bytes, sizeof bytes);
    assert_int_equal(n, 68);
    hex_encode(bytes, (size_t)n, hex);
    assert_string_equal(hex, "0100000000000000070000018bcfe5687b000300040006736572766572"
                             "0003616e6e0006416e6e20c38500093139322e302e322e370000"
                             "000b615c6e62205c5c20227122");
    for (size_t cap = 0; cap < (size_t)n; cap++) {
        assert_int_equal(audit_encode(&r, bytes, cap), E_LIMIT);
        struct span part = exact(bytes, cap);
        assert_true(audit_decode(&back, part, NULL) < 0);
        exact_free(part);
    }
    assert_int_equal(audit_encode(&r, bytes, (size_t)n), n);
    assert_int_equal(audit_decode(&back, span_of(bytes, (size_t)n), NULL), 0);
    assert_int_equal(back.at_ms, raw.at_ms);
    assert_text(back.details, "a\\nb \\\\ \"q\"");
    assert_int_equal(audit_decode(&back, span_of(bytes, (size_t)n + 1), NULL), E_FORMAT);
    bytes[0] = 2;
    assert_int_equal(audit_decode(&back, span_of(bytes, (size_t)n), NULL), E_SUPPORT);

    struct chain_hasher *h = NULL;
    struct chain c;
    struct chain_link l;
    bytes[0] = 1;
    assert_int_equal(chain_hasher_create(&h), 0);
    assert_int_equal(chain_begin(&c, h, SPAN_LIT("test")), 0);
    assert_int_equal(chain_append(&c, h, span_of(bytes, (size_t)n), &l), 0);
    hex_encode(l.own.b, CHAIN_HASH, hex);
    assert_string_equal(hex, "98dbcf8506ad62a95e25830234048e8e34c8236a754e11cd93beeeb9b52dc514");
    chain_hasher_destroy(h);
}

static void clean(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *want;
    } rows[] = {
        {"", ""},
        {"plain \"text\" \xe2\x82\xac \xf0\x9f\x98\x80",
         "plain \"text\" \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\r\n\t\\", "\\r\\n\\t\\\\"},
        {"\x01\x1b[2J\x7f", "\\x01\\x1b[2J\\x7f"},
        {"\xc2\x9b\xc2\xa0", "\\xc2\\x9b\xc2\xa0"},
        {"\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xa7\xe2\x80\xaf",
         "\\xe2\\x80\\xa8\\xe2\\x80\\xae\xe2\x80\xa7\xe2\x80\xaf"},
        {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
         "\xe2\x81\xa5\\xe2\\x81\\xa6\\xe2\\x81\\xa9\xe2\x81\xaa"},
        {"\xd8\x9c\xe2\x80\x8e\xe2\x80\x8d", "\\xd8\\x9c\\xe2\\x80\\x8e\xe2\x80\x8d"},
        {"\xff\xc3(\xed\xa0\x80\xe2\x82", "\\xff\\xc3(\\xed\\xa0\\x80\\xe2\\x82"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct audit_record raw = example(), r;
        struct audit_room room;
        struct span text = exact(rows[i].raw, strlen(rows[i].raw));
        raw.details = raw.target = text;
        raw.player = SPAN_NULL;
        assert_int_equal(audit_clean(&r, &room, &raw), 0);
        exact_free(text);
        assert_text(r.details, rows[i].want);
        assert_text(r.target, rows[i].want);
        assert_text(r.player, "Unknown");
        assert_int_equal(audit_check(&r, NULL), 0);
    }
    struct audit_record raw = example(), r;
    struct audit_room room = {0};
    raw.account = span_of("a\0b", 3);
    assert_int_equal(audit_clean(&r, &room, &raw), 0);
    assert_text(r.account, "a\\x00b");
}

static void cuts(void **state)
{
    (void)state;
    static const char *const units[] = {"x",  "\xc3\x85", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\n", "\x01",     "\xe2\x80\xa8"};
    static char text[20000];
    for (size_t f = AUDIT_FIELD_ACCOUNT; f < AUDIT_FIELDS_N; f++) {
        size_t max = audit_field_max((enum audit_field)f);
        for (size_t u = 0; u < ARRAY_LEN(units); u++)
            for (size_t lead = 0; lead < 16; lead++) {
                struct audit_record raw = example(), r;
                struct audit_room room;
                size_t len = strlen(units[u]), n = lead;
                size_t wide = u == 4 ? 2 : u == 5 ? 4 : u == 6 ? 12 : len;
                memset(text, 'a', lead);
                size_t fits = (max - lead) / wide;
                for (size_t i = 0; i <= fits; i++, n += len)
                    memcpy(text + n, units[u], len);
                *field_of(&raw, f) = span_of(text, n - len);
                assert_int_equal(audit_clean(&r, &room, &raw), 0);
                assert_int_equal(field_of(&r, f)->n, lead + fits * wide);
                *field_of(&raw, f) = span_of(text, n);
                assert_int_equal(audit_clean(&r, &room, &raw), 1 << f);
                struct span got = *field_of(&r, f);
                assert_true(got.n <= max && got.n + wide + 2 > max);
                assert_memory_equal(got.p + got.n - 3, "\xe2\x80\xa6", 3);
                assert_int_equal(audit_check(&r, NULL), 0);
            }
    }
}

static void refusals(void **state)
{
    (void)state;
    struct buf why;
    static char wide[4096];
    memset(wide, 'a', sizeof wide);
    buf_init(&why, 256);
#define REFUSED(rc, change, text)                        \
    do {                                                 \
        struct audit_record r = example();               \
        r.details = SPAN_NULL;                           \
        assert_int_equal(audit_check(&r, NULL), 0);      \
        change;                                          \
        buf_clear(&why);                                 \
        assert_int_equal(audit_check(&r, &why), rc);     \
        assert_text(buf_span(&why), text);               \
        assert_int_equal(audit_encode(&r, wide, 0), rc); \
    } while (0)
    REFUSED(E_RANGE, r.seq = 0, "\"seq\" is not from 1 up to 2^63 - 1");
    REFUSED(E_RANGE, r.seq = AUDIT_SEQ_MAX + 1, "\"seq\" is not from 1 up to 2^63 - 1");
    REFUSED(E_RANGE, r.at_ms = -1, "\"time_ms\" is not between the years 1970 and 9999");
    REFUSED(E_RANGE, r.at_ms = AUDIT_TIME_MAX + 1,
            "\"time_ms\" is not between the years 1970 and 9999");
    REFUSED(E_RANGE, r.type = 6, "\"type\" is unknown");
    REFUSED(E_RANGE, r.subtype = 99, "\"subtype\" is unknown");
    REFUSED(E_RANGE, r.type = AUDIT_ACCOUNT, "\"subtype\" belongs to another type");
    REFUSED(E_LIMIT, r.game = SPAN_NULL, "\"game\" is empty");
    REFUSED(E_LIMIT, r.player = SPAN_NULL, "\"player\" is empty");
    REFUSED(E_LIMIT, r.game = span_of(wide, 17), "\"game\" is longer than 16 bytes");
    REFUSED(E_LIMIT, r.details = span_of(wide, 2049), "\"details\" is longer than 2048 bytes");
    REFUSED(E_FORMAT, r.game = SPAN_LIT("A"), "\"game\" holds more than a-z, 0-9, '-' and '_'");
    static const char *const dirty[] = {"\n",    "\\",    "\\q",  "\\x0",
                                        "\\x0G", "\\xAB", "\xff", "a\xe2\x80\xa8"};
    for (size_t i = 0; i < ARRAY_LEN(dirty); i++)
        REFUSED(E_FORMAT, r.target = span_str(dirty[i]),
                "\"target\" holds a control character, a stray backslash or what is no UTF-8");
    REFUSED(E_FORMAT, r.target = span_of("\\", 2),
            "\"target\" holds a control character, a stray backslash or what is no UTF-8");
    struct audit_record r = example(), ret;
    struct audit_room room = {0};
    r.seq = AUDIT_SEQ_MAX, r.at_ms = AUDIT_TIME_MAX, r.game = span_of(wide, 16);
    assert_int_equal(audit_clean(&ret, &room, &r), 0);
    r.seq = 0;
    assert_int_equal(audit_clean(&ret, &room, &r), E_RANGE);
    r.seq = 1, r.game = SPAN_LIT("a b");
    assert_int_equal(audit_clean(&ret, &room, &r), E_FORMAT);
    buf_fini(&why);
}

static void largest(void **state)
{
    (void)state;
    static char quotes[4096];
    static uint8_t bytes[AUDIT_BYTES_MAX];
    struct audit_record r = {.seq = AUDIT_SEQ_MAX,
                             .at_ms = AUDIT_TIME_MAX,
                             .type = AUDIT_SECURITY,
                             .subtype = AUDIT_SUB_UNAUTHORIZED_ACCESS,
                             .game = SPAN_LIT("abcdefghijklmnop")};
    struct chain_link link = {{{1}}, {{2}}}, back_link;
    struct audit_record back;
    struct audit_room room = {0};
    struct buf line;
    memset(quotes, '"', sizeof quotes);
    for (size_t f = AUDIT_FIELD_ACCOUNT; f < AUDIT_FIELDS_N; f++)
        *field_of(&r, f) = span_of(quotes, audit_field_max((enum audit_field)f));
    assert_int_equal(audit_encode(&r, bytes, sizeof bytes), AUDIT_BYTES_MAX);
    assert_int_equal(audit_encode(&r, bytes, sizeof bytes - 1), E_LIMIT);
    assert_int_equal(audit_decode(&back, span_of(bytes, sizeof bytes), NULL), 0);
    buf_init(&line, AUDIT_LINE_MAX);
    audit_line_write(&line, &r, &link);
    assert_false(line.failed);
    assert_int_equal(audit_line_read(&back, &back_link, &room, buf_span(&line), NULL), 0);
    assert_memory_equal(&link, &back_link, sizeof link);
    assert_span(back.details, quotes, 2048);
    while (line.n < AUDIT_LINE_MAX)
        assert_int_equal(buf_append_byte(&line, ' '), 0);
    assert_int_equal(audit_line_read(&back, &back_link, &room, buf_span(&line), NULL), 0);
    struct span over = exact(line.p, line.n);
    line.max++;
    assert_int_equal(buf_append_byte(&line, ' '), 0);
    assert_int_equal(audit_line_read(&back, &back_link, &room, buf_span(&line), NULL), E_LIMIT);
    exact_free(over);
    r.seq = 0;
    buf_clear(&line);
    audit_line_write(&line, &r, &link);
    assert_true(line.failed);
    buf_fini(&line);
}

#define HASH "00000000000000000000000000000000000000000000000000000000000000aa"
#define REST                                                                             \
    "\"game\":\"g\",\"account\":\"\",\"player\":\"p\",\"address\":\"\",\"target\":\"\"," \
    "\"details\":\"\",\"prev\":\"" HASH "\",\"hash\":\"" HASH "\"}"
#define NUMBERS "{\"seq\":1,\"time_ms\":0,\"type\":\"Item\",\"subtype\":\"\","

static void lines(void **state)
{
    (void)state;
    static const struct {
        int rc;
        const char *text, *why;
    } rows[] = {
        {0, NUMBERS REST, ""},
        {E_FORMAT, "", "\"record\" is not a JSON object"},
        {E_FORMAT, "{}", "\"seq\" is missing"},
        {E_FORMAT, NUMBERS "\"x\":1," REST,
         "\"record\" holds a member that is unknown or there twice"},
        {E_FORMAT, NUMBERS "\"game\":\"g\"," REST,
         "\"record\" holds a member that is unknown or there twice"},
        {E_FORMAT, "{\"seq\":1.0,\"time_ms\":0,\"type\":\"Item\",\"subtype\":\"\"," REST,
         "\"seq\" is no whole number that fits"},
        {E_RANGE, "{\"seq\":-1,\"time_ms\":0,\"type\":\"Item\",\"subtype\":\"\"," REST,
         "\"seq\" is not from 1 up to 2^63 - 1"},
        {E_RANGE,
         "{\"seq\":9223372036854775808,\"time_ms\":0,\"type\":\"Item\",\"subtype\":\"\"," REST,
         "\"seq\" is no whole number that fits"},
        {E_FORMAT, "{\"seq\":1,\"time_ms\":\"0\",\"type\":\"Item\",\"subtype\":\"\"," REST,
         "\"time_ms\" is no whole number that fits"},
        {E_RANGE, "{\"seq\":1,\"time_ms\":0,\"type\":\"item\",\"subtype\":\"\"," REST,
         "\"type\" is unknown"},
        {E_FORMAT, "{\"seq\":1,\"time_ms\":0,\"type\":\"Item\",\"subtype\":\"Item\"," REST,
         "\"subtype\" is unknown"},
        {E_RANGE, "{\"seq\":1,\"time_ms\":0,\"type\":\"Item\",\"subtype\":\"SpeedHack\"," REST,
         "\"subtype\" belongs to another type"},
        {E_LIMIT,
         NUMBERS "\"game\":\"gggggggggggggggg\\u0067\",\"account\":\"\",\"player\":\"p\","
                 "\"address\":\"\",\"target\":\"\",\"details\":\"\",\"prev\":\"\",\"hash\":\"\"}",
         "\"game\" is too long"},
        {E_FORMAT,
         NUMBERS "\"game\":1,\"account\":\"\",\"player\":\"p\",\"address\":\"\","
                 "\"target\":\"\",\"details\":\"\",\"prev\":\"\",\"hash\":\"\"}",
         "\"game\" is not a string"},
        {E_FORMAT,
         NUMBERS "\"game\":\"g\",\"account\":\"\",\"player\":\"p\",\"address\":\"\","
                 "\"target\":\"\",\"details\":\"\",\"prev\":\"\",\"hash\":\"\"}",
         "\"prev\" is not 64 hexadecimal digits"},
        {E_FORMAT,
         NUMBERS "\"game\":\"g\",\"account\":\"\",\"player\":\"p\",\"address\":\"\","
                 "\"target\":\"\",\"details\":\"\\n\",\"prev\":\"" HASH "\",\"hash\":\"" HASH "\"}",
         "\"details\" holds a control character, a stray backslash or what is no UTF-8"},
    };
    struct buf why;
    buf_init(&why, 256);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct audit_record r;
        struct audit_room room;
        struct chain_link link;
        struct span line = exact(rows[i].text, strlen(rows[i].text));
        buf_clear(&why);
        assert_int_equal(audit_line_read(&r, &link, &room, line, &why), rows[i].rc);
        assert_text(buf_span(&why), rows[i].why);
        exact_free(line);
    }
    buf_fini(&why);
}

/* Three records exported; every byte of the second's line is changed in turn. What still reads is
 * either the same record (letter case of a hash, an escape) or named as the one edited. */
static void any_byte(void **state)
{
    (void)state;
    static const uint8_t secret[CHAIN_KEY] = {1};
    struct chain_hasher *h = NULL;
    struct chain c;
    struct chain_link link;
    struct chain_head head;
    struct buf text[3];
    uint8_t bytes[AUDIT_BYTES_MAX], keys[1][CHAIN_KEY];
    size_t named = 0, refused = 0;
    struct rng rng = {1};
    assert_int_equal(chain_public_key(secret, keys[0]), 0);
    assert_int_equal(chain_hasher_create(&h), 0);
    assert_int_equal(chain_begin(&c, h, SPAN_NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        struct audit_record raw = example(), r;
        struct audit_room room;
        raw.seq = i + 1;
        assert_int_equal(audit_clean(&r, &room, &raw), 0);
        int n = audit_encode(&r, bytes, sizeof bytes);
        assert_true(n > 0);
        assert_int_equal(chain_append(&c, h, span_of(bytes, (size_t)n), &link), 0);
        buf_init(&text[i], AUDIT_LINE_MAX);
        audit_line_write(&text[i], &r, &link);
        assert_false(text[i].failed);
    }
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_SIGNED, 1, secret), 0);
    for (size_t at = 0; at < 8 * text[1].n; at++) {
        struct chain_verifier v;
        struct chain_report report;
        uint8_t was = text[1].p[at / 8];
        bool bad = false, changed = false;
        text[1].p[at / 8] = (uint8_t)(at % 8 ? was ^ 1U << (at % 8 - 1) : rng_next(&rng));
        assert_int_equal(
            chain_verify_begin(&v, h, &c.origin, (const uint8_t(*)[CHAIN_KEY])keys, 1, NULL), 0);
        for (size_t i = 0; i < 3 && !bad; i++) {
            struct audit_record r;
            struct audit_room room;
            bad = audit_line_read(&r, &link, &room, buf_span(&text[i]), NULL) != 0;
            if (bad)
                break;
            int n = audit_encode(&r, bytes, sizeof bytes);
            assert_true(n > 0);
            assert_int_equal(chain_verify_record(&v, r.seq, span_of(bytes, (size_t)n), &link), 0);
        }
        assert_int_equal(chain_verify_head(&v, &head), 0);
        chain_verify_report(&v, &report);
        changed = report.fault != CHAIN_GOOD;
        if (!bad && changed) {
            assert_int_equal(report.fault, CHAIN_EDITED);
            assert_int_equal(report.seq, 2);
        } else if (!bad && was != text[1].p[at / 8]) {
            assert_int_equal(was ^ text[1].p[at / 8], 0x20); /* a hash in capitals */
        }
        named += !bad && changed;
        refused += bad;
        text[1].p[at / 8] = was;
    }
    assert_true(named > 500 && refused > 500);
    for (size_t i = 0; i < 3; i++)
        buf_fini(&text[i]);
    chain_hasher_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names), cmocka_unit_test(vectors),  cmocka_unit_test(clean),
        cmocka_unit_test(cuts),  cmocka_unit_test(refusals), cmocka_unit_test(largest),
        cmocka_unit_test(lines), cmocka_unit_test(any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
