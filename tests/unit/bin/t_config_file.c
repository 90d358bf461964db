/* The configuration file: what libinih would misread in silence is refused by line number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "bin/config_file.h"

static const struct config_row rows[] = {
    {"door.port", CONFIG_INT, "443", 0, 65535, NULL, CONFIG_RESTART, "Port."},
    {"door.name", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Name."},
    {"lock.key", CONFIG_SECRET, "", 0, 0, NULL, CONFIG_LIVE, "Key."},
};
static const struct config_table table = {rows, ARRAY_LEN(rows)};

struct fixture {
    struct config *config;
    struct buf why;
};

static int setup(void **state)
{
    static struct fixture f;
    buf_init(&f.why, 1024);
    *state = &f;
    return config_create(&f.config, &table, 1);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    config_destroy(f->config);
    buf_fini(&f->why);
    return 0;
}

static void parse_ok(struct fixture *f, struct span text)
{
    int rc = config_file_parse(f->config, "x.ini", text, &f->why);
    if (rc)
        fail_msg("%.*s", (int)f->why.n, (const char *)f->why.p);
    assert_int_equal(f->why.n, 0);
}

static void a_good_file(void **state)
{
    struct fixture *f = *state;
    parse_ok(f, SPAN_LIT("\xef\xbb\xbf# comment\n"
                         "; another ; one\n"
                         "\n   \n"
                         "[door]\r\n"
                         "port=8443\n"
                         "name = a;b = c # d \n"
                         "[lock]   \n"
                         "key\t=\t x:y\n"
                         "[door]\n"
                         "# no LF at the end"));
    assert_int_equal(config_int(f->config, "door.port"), 8443);
    assert_string_equal(config_text(f->config, "door.name"), "a;b = c # d");
    assert_string_equal(config_text(f->config, "lock.key"), "x:y");
    assert_int_equal(config_source(f->config, "lock.key"), CONFIG_FILE);
}

static void an_empty_file(void **state)
{
    parse_ok(*state, SPAN_NULL);
    parse_ok(*state, SPAN_LIT("\n"));
}

static void a_last_line_without_its_end(void **state)
{
    struct fixture *f = *state;
    parse_ok(f, SPAN_LIT("[door]\nport=5"));
    assert_int_equal(config_int(f->config, "door.port"), 5);
}

#define BAD(text, says)      \
    {                        \
        SPAN_LIT(text), says \
    }

static void bad_lines_are_named(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct span text;
        const char *says; /* how why begins */
    } cases[] = {
        BAD("port = 5\n", "x.ini:1: a key before the first [section]"),
        BAD("[door]\nport = 5 ; five\n", "x.ini:2: \" ;\" would begin a comment"),
        BAD("[lock]\nkey = ;secret\n", "x.ini:2: \" ;\" would begin a comment"),
        BAD("[lock]\nkey = a\t;secret\n", "x.ini:2: \" ;\" would begin a comment"),
        BAD("[door] ; comment\nport = 5\n", "x.ini:1: \" ;\" would begin a comment"),
        BAD("[door]\nport = 5\n  port = 6\n", "x.ini:3: the line is indented"),
        BAD("[door]\nname = a\n\tb\n", "x.ini:3: the line is indented"),
        BAD("[door]\nport = 5\0garbage\n", "x.ini:2: a control character"),
        BAD("[door]\nname = a\x1b[2J\n", "x.ini:2: a control character"),
        BAD("[door]\nname = a\rport = 6\n", "x.ini:2: a control character"),
        BAD("[door\nport = 5\n", "x.ini:1: a section is written [name]"),
        BAD("[door] x\nport = 5\n", "x.ini:1: a section is written [name]"),
        BAD("[door]]\nport = 5\n", "x.ini:1: a section is written [name]"),
        BAD("[door]\njust words\n", "x.ini:2: write it as key = value"),
        BAD("[door]\nport: 5\n", "x.ini:2: write it as key = value"),
        BAD("[door]\nname: a = b\n", "x.ini:2: write it as key = value"),
        BAD("[door]\nport = 5\nport = 5\n", "x.ini:3: the key is set a second time"),
        BAD("[door]\nport = 5\n[lock]\n[door]\nport = 6\n", "x.ini:5: the key is set a second"),
        BAD("[door]\nprot = 5\n", "x.ini:2: unknown key \"door.prot\"; did you mean door.port?"),
        BAD("[dor]\nport = 5\n", "x.ini:2: unknown key \"dor.port\"; did you mean door.port?"),
        BAD("\n\n[door]\n# a\nport = many\n", "x.ini:5: door.port: \"many\" is not accepted"),
        BAD("[door]\nport = 70000\nname = x\n", "x.ini:2: door.port: \"70000\" is not accepted"),
        BAD("[door]\n= 5\n", "x.ini:2: unknown key \"door.\""),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *c;
        assert_int_equal(config_create(&c, &table, 1), 0);
        buf_clear(&f->why);
        assert_int_equal(config_file_parse(c, "x.ini", cases[i].text, &f->why), E_CONFIG);
        size_t n = strlen(cases[i].says);
        if (f->why.n < n || memcmp(f->why.p, cases[i].says, n) != 0)
            fail_msg("\"%s\" but \"%.*s\"", cases[i].says, (int)f->why.n, (char *)f->why.p);
        assert_null(memchr(f->why.p, '\n', f->why.n));
        config_destroy(c);
    }
}

/* A line of n bytes sets door.name. */
static struct span name_line(char text[512], size_t n)
{
    static const char head[] = "[door]\nname = ";
    size_t at = sizeof head - 1, end = strlen("[door]\n") + n;
    memcpy(text, head, at);
    memset(text + at, 'v', end - at);
    text[end] = '\n';
    return span_of(text, end + 1);
}

/* Whatever libinih's limit is: a line is read whole or refused, and so is a comment, whose rest
 * would else be read as a line of its own. */
static void long_lines_are_never_cut(void **state)
{
    struct fixture *f = *state;
    char text[512];
    size_t longest = 0;
    for (size_t n = 10; n < 400; n++) {
        struct config *c;
        struct span file = name_line(text, n);
        assert_int_equal(config_create(&c, &table, 1), 0);
        buf_clear(&f->why);
        if (config_file_parse(c, "x.ini", file, &f->why) == 0) {
            assert_int_equal(strlen(config_text(c, "door.name")), n - strlen("name = "));
            assert_int_equal(longest, n > 10 ? n - 1 : 0);
            longest = n;
        }
        assert_int_equal(config_file_refuses("name", config_text(c, "door.name")) != NULL, false);
        config_destroy(c);
    }
    assert_in_range(longest, 190, 398);
    (void)name_line(text, longest);
    text[strlen("[door]\nname = ") + longest - strlen("name = ")] = '\0';
    assert_null(config_file_refuses("name", text + strlen("[door]\nname = ")));
    (void)name_line(text, longest + 1);
    text[strlen("[door]\nname = ") + longest + 1 - strlen("name = ")] = '\0';
    assert_non_null(config_file_refuses("name", text + strlen("[door]\nname = ")));
    (void)name_line(text, longest + 1);
    text[strlen("[door]\n")] = '#';
    buf_clear(&f->why);
    struct span comment = span_of(text, strlen("[door]\n") + longest + 2);
    assert_int_equal(config_file_parse(f->config, "x.ini", comment, &f->why), E_CONFIG);
}

static void what_a_file_cannot_hold(void **state)
{
    (void)state;
    assert_null(config_file_refuses("key", ""));
    assert_null(config_file_refuses("key", "a;b # c"));
    assert_non_null(config_file_refuses("key", "a ;b"));
    assert_non_null(config_file_refuses("key", ";b"));
    assert_non_null(config_file_refuses("key", " a"));
    assert_non_null(config_file_refuses("key", "a "));
}

static void files_on_disk(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/slipgate-t_config_file-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[door]\nport=7\n", 14), 14);
    close(fd);
    assert_int_equal(config_file_load(f->config, path, &f->why), 0);
    assert_int_equal(config_int(f->config, "door.port"), 7);
    assert_int_equal(truncate(path, CONFIG_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(config_file_load(f->config, path, &f->why), E_CONFIG);
    buf_clear(&f->why);
    unlink(path);
    assert_int_equal(config_file_load(f->config, path, &f->why), E_CONFIG);
    assert_non_null(memmem(f->why.p, f->why.n, "No such file", 12));
    buf_clear(&f->why);
    assert_int_equal(config_file_load(f->config, "/", &f->why), E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_file, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_last_line_without_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_lines_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_never_cut, setup, teardown),
        cmocka_unit_test(what_a_file_cannot_hold),
        cmocka_unit_test_setup_teardown(files_on_disk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
