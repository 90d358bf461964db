/* Configuration tables: every type at, below and past its limits, precedence, typos, reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/config.h"
#include "core/config_near.h"

static const struct config_row rows_a[] = {
    {"door.port", CONFIG_INT, "443", 0, 65535, NULL, CONFIG_RESTART, "Port."},
    {"door.depth", CONFIG_INT, "-5", -10, INT64_MAX, NULL, CONFIG_LIVE, "Depth."},
    {"door.open", CONFIG_BOOL, "no", 0, 0, NULL, CONFIG_LIVE, "Open."},
    {"door.bind", CONFIG_ADDR, "0.0.0.0", 1, 0, NULL, CONFIG_RESTART, "Address."},
};

static const struct config_row rows_b[] = {
    {"lock.key", CONFIG_SECRET, "", 0, 8, NULL, CONFIG_LIVE, "Key."},
    {"lock.single_login", CONFIG_ENUM, "replace", 0, 0, "replace|refuse|allow", CONFIG_LIVE,
     "Who."},
    {"lock.public_ip", CONFIG_ADDR, "", 0, 0, NULL, CONFIG_LIVE, "Address."},
    {"lock.name", CONFIG_TEXT, "front", 1, 5, NULL, CONFIG_RESTART, "Name."},
    {"lock.long", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Long."},
};

static const struct config_table tables[] = {
    {rows_a, ARRAY_LEN(rows_a)},
    {rows_b, ARRAY_LEN(rows_b)},
};

struct fixture {
    struct config *config;
    struct buf why;
};

static int setup(void **state)
{
    static struct fixture f;
    buf_init(&f.why, 512);
    *state = &f;
    return config_create(&f.config, tables, ARRAY_LEN(tables));
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    config_destroy(f->config);
    buf_fini(&f->why);
    return 0;
}

static int set(struct fixture *f, const char *key, const char *text, enum config_source source)
{
    buf_clear(&f->why);
    return config_set(f->config, span_str(key), span_str(text), source, &f->why);
}

static void expect_why(struct fixture *f, const char *text)
{
    (void)buf_append_byte(&f->why, '\0');
    assert_false(f->why.failed);
    assert_string_equal((char *)f->why.p, text);
}

static void defaults(void **state)
{
    struct fixture *f = *state;
    const struct config *c = f->config;
    assert_int_equal(config_int(c, "door.port"), 443);
    assert_int_equal(config_int(c, "door.depth"), -5);
    assert_false(config_bool(c, "door.open"));
    assert_string_equal(config_text(c, "door.bind"), "0.0.0.0");
    assert_string_equal(config_text(c, "lock.key"), "");
    assert_int_equal(config_enum(c, "lock.single_login"), 0);
    assert_int_equal(config_source(c, "lock.key"), CONFIG_DEFAULT);
    assert_int_equal(config_count(c), ARRAY_LEN(rows_a) + ARRAY_LEN(rows_b));
    assert_string_equal(config_row_at(c, 4)->key, "lock.key");
    assert_string_equal(config_text_at(c, 2), "false");
}

static void numbers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key, *text;
        int rc;
        int64_t value;
    } cases[] = {
        {"door.port", "0", 0, 0},
        {"door.port", "65535", 0, 65535},
        {"door.port", "0007", 0, 7},
        {"door.port", "65536", E_RANGE, 7},
        {"door.port", "-1", E_RANGE, 7},
        {"door.port", "", E_FORMAT, 7},
        {"door.port", "-", E_FORMAT, 7},
        {"door.port", "+1", E_FORMAT, 7},
        {"door.port", " 1", E_FORMAT, 7},
        {"door.port", "80a", E_FORMAT, 7},
        {"door.port", "0x50", E_FORMAT, 7},
        {"door.port", "111111111111111111111111", E_FORMAT, 7},
        {"door.depth", "-10", 0, -10},
        {"door.depth", "-11", E_RANGE, -10},
        {"door.depth", "9223372036854775807", 0, INT64_MAX},
        {"door.depth", "9223372036854775808", E_RANGE, INT64_MAX},
        {"door.depth", "-9223372036854775808", E_RANGE, INT64_MAX},
        {"door.depth", "-9223372036854775809", E_RANGE, INT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(set(f, cases[i].key, cases[i].text, CONFIG_FILE), cases[i].rc);
        assert_int_equal(config_int(f->config, cases[i].key), cases[i].value);
    }
}

static void truths(void **state)
{
    struct fixture *f = *state;
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    static const char *const neither[] = {"", "True", "2", "y", "true "};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        assert_int_equal(set(f, "door.open", no[i], CONFIG_FILE), 0);
        assert_false(config_bool(f->config, "door.open"));
        assert_int_equal(set(f, "door.open", yes[i], CONFIG_FILE), 0);
        assert_true(config_bool(f->config, "door.open"));
    }
    assert_string_equal(config_text_at(f->config, 2), "true");
    for (size_t i = 0; i < ARRAY_LEN(neither); i++)
        assert_int_equal(set(f, "door.open", neither[i], CONFIG_FILE), E_FORMAT);
    assert_true(config_bool(f->config, "door.open"));
}

static void texts(void **state)
{
    struct fixture *f = *state;
    char long_text[CONFIG_TEXT_MAX + 2];
    assert_int_equal(set(f, "lock.name", "a", CONFIG_FILE), 0);
    assert_int_equal(set(f, "lock.name", "abcde", CONFIG_FILE), 0);
    assert_int_equal(set(f, "lock.name", "abcdef", CONFIG_FILE), E_RANGE);
    assert_int_equal(set(f, "lock.name", "", CONFIG_FILE), E_RANGE);
    assert_int_equal(set(f, "lock.name", "a\nb", CONFIG_FILE), E_FORMAT);
    assert_int_equal(set(f, "lock.name", "\xff", CONFIG_FILE), E_FORMAT);
    assert_int_equal(
        config_set(f->config, SPAN_LIT("lock.name"), SPAN_LIT("a\0b"), CONFIG_FILE, &f->why),
        E_FORMAT);
    assert_string_equal(config_text(f->config, "lock.name"), "abcde");
    memset(long_text, 'x', sizeof long_text);
    long_text[CONFIG_TEXT_MAX + 1] = '\0';
    assert_int_equal(set(f, "lock.long", long_text, CONFIG_FILE), E_RANGE);
    long_text[CONFIG_TEXT_MAX] = '\0';
    assert_int_equal(set(f, "lock.long", long_text, CONFIG_FILE), 0);
    assert_string_equal(config_text(f->config, "lock.long"), long_text);
}

static void addresses(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, "door.bind", "::", CONFIG_FILE), 0);
    assert_int_equal(set(f, "door.bind", "192.0.2.1", CONFIG_FILE), 0);
    assert_int_equal(set(f, "door.bind", "", CONFIG_FILE), E_FORMAT);
    assert_int_equal(set(f, "lock.public_ip", "", CONFIG_FILE), 0);
    assert_int_equal(set(f, "lock.public_ip", "2001:db8::1", CONFIG_FILE), 0);
    assert_int_equal(set(f, "lock.public_ip", "example.org", CONFIG_FILE), E_FORMAT);
    assert_int_equal(set(f, "lock.public_ip", "192.0.2.1:80", CONFIG_FILE), E_FORMAT);
    assert_int_equal(
        config_set(f->config, SPAN_LIT("lock.public_ip"), SPAN_LIT("::1\0"), CONFIG_FILE, &f->why),
        E_FORMAT);
    assert_string_equal(config_text(f->config, "lock.public_ip"), "2001:db8::1");
}

static void choices(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, "lock.single_login", "allow", CONFIG_FILE), 0);
    assert_int_equal(config_enum(f->config, "lock.single_login"), 2);
    assert_string_equal(config_text(f->config, "lock.single_login"), "allow");
    assert_int_equal(set(f, "lock.single_login", "all", CONFIG_FILE), E_FORMAT);
    assert_int_equal(set(f, "lock.single_login", "refuse|allow", CONFIG_FILE), E_FORMAT);
    assert_int_equal(set(f, "lock.single_login", "", CONFIG_FILE), E_FORMAT);
}

static void stronger_source_wins(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, "door.port", "1", CONFIG_ENV), 0);
    assert_int_equal(set(f, "door.port", "2", CONFIG_FILE), 0);
    assert_int_equal(config_int(f->config, "door.port"), 1);
    assert_int_equal(config_source(f->config, "door.port"), CONFIG_ENV);
    assert_int_equal(set(f, "door.port", "3", CONFIG_ENV), 0);
    assert_int_equal(config_int(f->config, "door.port"), 3);
    assert_int_equal(set(f, "door.port", "4", CONFIG_OPTION), 0);
    assert_int_equal(config_int(f->config, "door.port"), 4);
    /* A wrong value is an error even where it would not count. */
    assert_int_equal(set(f, "door.port", "x", CONFIG_FILE), E_FORMAT);
}

static void errors_name_the_mend(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(set(f, "door.prot", "1", CONFIG_FILE), E_NOENT);
    expect_why(f, "unknown key \"door.prot\"; did you mean door.port?");
    assert_int_equal(set(f, "single_login", "1", CONFIG_FILE), E_NOENT);
    expect_why(f, "unknown key \"single_login\"; did you mean lock.single_login?");
    assert_int_equal(set(f, "arena.tcp_port", "1", CONFIG_FILE), E_NOENT);
    expect_why(f, "unknown key \"arena.tcp_port\"; `slipgate config print` lists them all");
    assert_int_equal(set(f, "door.port", "9\x1b[2J", CONFIG_FILE), E_FORMAT);
    expect_why(f, "door.port: \"9?[2J\" is not accepted; give 0 to 65535");
    assert_int_equal(set(f, "lock.single_login", "never", CONFIG_FILE), E_FORMAT);
    expect_why(f, "lock.single_login: \"never\" is not accepted; give replace, refuse or allow");
    assert_int_equal(set(f, "lock.key", "much too long", CONFIG_FILE), E_RANGE);
    expect_why(f, "lock.key: the value given is not accepted; give text of 0 to 8 bytes");
}

static void hold_restart(void **state)
{
    struct fixture *f = *state;
    struct config *next;
    struct buf held, why;
    buf_init(&held, 256);
    buf_init(&why, 256);
    assert_int_equal(config_create(&next, tables, ARRAY_LEN(tables)), 0);
    assert_int_equal(config_set(next, SPAN_LIT("door.port"), SPAN_LIT("1"), CONFIG_FILE, &why), 0);
    assert_int_equal(config_set(next, SPAN_LIT("door.depth"), SPAN_LIT("1"), CONFIG_FILE, &why), 0);
    assert_int_equal(config_set(next, SPAN_LIT("lock.name"), SPAN_LIT("back"), CONFIG_FILE, &why),
                     0);
    assert_int_equal(config_hold_restart(next, f->config, &held), 2);
    assert_int_equal(config_int(next, "door.port"), 443);
    assert_int_equal(config_source(next, "door.port"), CONFIG_DEFAULT);
    assert_int_equal(config_int(next, "door.depth"), 1);
    assert_string_equal(config_text(next, "lock.name"), "front");
    assert_true(span_eq(buf_span(&held), SPAN_LIT("door.port, lock.name")));
    assert_int_equal(config_hold_restart(next, f->config, &held), 0);
    config_destroy(next);
    buf_fini(&held);
    buf_fini(&why);
}

static void known(void **state)
{
    struct fixture *f = *state;
    assert_true(config_known(f->config, SPAN_LIT("door.port")));
    assert_false(config_known(f->config, SPAN_LIT("door.por")));
    assert_true(config_section_known(f->config, SPAN_LIT("lock")));
    assert_false(config_section_known(f->config, SPAN_LIT("loc")));
    assert_false(config_section_known(f->config, SPAN_LIT("")));
}

static void distances(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},      {"", "abc", 3},           {"abc", "abc", 0},       {"abc", "abd", 1},
        {"abc", "ab", 1}, {"abc", "xabc", 1},       {"port", "prot", 1},     {"ab", "ba", 1},
        {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"abcdef", "badcfe", 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct span a = span_str(cases[i].a), b = span_str(cases[i].b);
        assert_int_equal(near_distance(a, b), cases[i].distance);
        assert_int_equal(near_distance(b, a), cases[i].distance);
    }
}

static void overlong_words_are_near_nothing(void **state)
{
    struct fixture *f = *state;
    char word[NEAR_WORD_MAX + 2];
    memset(word, 'a', sizeof word);
    assert_null(config_nearest(f->config, span_of(word, NEAR_WORD_MAX + 1)));
    assert_null(config_nearest(f->config, span_of(word, NEAR_WORD_MAX)));
    assert_null(config_nearest(f->config, SPAN_LIT("")));
    assert_string_equal(config_nearest(f->config, SPAN_LIT("door.opne")), "door.open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(truths, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(choices, setup, teardown),
        cmocka_unit_test_setup_teardown(stronger_source_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_name_the_mend, setup, teardown),
        cmocka_unit_test_setup_teardown(hold_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(known, setup, teardown),
        cmocka_unit_test(distances),
        cmocka_unit_test_setup_teardown(overlong_words_are_near_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
