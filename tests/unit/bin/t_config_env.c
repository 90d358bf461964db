/* The environment as configuration: names, secrets from files, typos, and what is none of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "bin/config_env.h"
#include "bin/config_file.h"

static const struct config_row rows[] = {
    {"door.port", CONFIG_INT, "443", 0, 65535, NULL, CONFIG_RESTART, "Port."},
    {"door.udp_secret", CONFIG_SECRET, "", 0, 16, NULL, CONFIG_LIVE, "Key."},
    {"tls.hostname", CONFIG_TEXT, "h", 1, 0, NULL, CONFIG_LIVE, "Name."},
    {"tls.public_ip", CONFIG_ADDR, "192.0.2.1", 0, 0, NULL, CONFIG_LIVE, "Address."},
};
static const struct config_table table = {rows, ARRAY_LEN(rows)};

struct fixture {
    struct config *config;
    struct buf warnings, why;
    char path[64];
};

static int setup(void **state)
{
    static struct fixture f;
    buf_init(&f.why, 1024);
    buf_init(&f.warnings, 1024);
    snprintf(f.path, sizeof f.path, "/tmp/slipgate-t_config_env-XXXXXX");
    *state = &f;
    return config_create(&f.config, &table, 1);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    config_destroy(f->config);
    buf_fini(&f->why);
    buf_fini(&f->warnings);
    return 0;
}

#define LOAD(f, ...)                                                                       \
    config_env_load((f)->config, (const char *const[]){__VA_ARGS__, NULL}, &(f)->warnings, \
                    (buf_clear(&(f)->why), &(f)->why))

static void expect_why(struct fixture *f, const char *text)
{
    (void)buf_append_byte(&f->why, '\0');
    assert_string_equal((char *)f->why.p, text);
}

static void keys(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(LOAD(f, "HOME=/", "SLIPGATE_DOOR_PORT=8443", "SLIPGATE_DOOR_UDP_SECRET=a=b",
                          "SLIPGATE_TLS_PUBLIC_IP=", "nonsense"),
                     0);
    assert_int_equal(config_int(f->config, "door.port"), 8443);
    assert_string_equal(config_text(f->config, "door.udp_secret"), "a=b");
    assert_string_equal(config_text(f->config, "tls.public_ip"), "");
    assert_int_equal(config_source(f->config, "tls.public_ip"), CONFIG_ENV);
    assert_int_equal(f->warnings.n, 0);
    assert_int_equal(f->why.n, 0);
}

static void names(void **state)
{
    char name[CONFIG_KEY_MAX + sizeof "SLIPGATE_"];
    (void)state;
    assert_string_equal(config_env_name("door.udp_secret", name), "SLIPGATE_DOOR_UDP_SECRET");
}

static void borrowed_names_are_weaker(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(LOAD(f, "SLIPGATE_TLS_PUBLIC_IP=192.0.2.9", "SERVER_PUBLIC_IP=192.0.2.8",
                          "SERVER_HOSTNAME=game.example"),
                     0);
    assert_string_equal(config_text(f->config, "tls.public_ip"), "192.0.2.9");
    assert_string_equal(config_text(f->config, "tls.hostname"), "game.example");
    assert_int_equal(LOAD(f, "SERVER_PUBLIC_IP=somewhere"), E_CONFIG);
    expect_why(f, "SERVER_PUBLIC_IP: tls.public_ip: \"somewhere\" is not accepted; give an IP "
                  "address or nothing");
}

static void typos(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(LOAD(f, "SLIPGATE_DOOR_PROT=1"), E_CONFIG);
    expect_why(f, "SLIPGATE_DOOR_PROT: no such key; did you mean SLIPGATE_DOOR_PORT?");
    assert_int_equal(LOAD(f, "SLIPGATE_DOR_PORT=1"), E_CONFIG);
    assert_int_equal(LOAD(f, "SLIPGATE_DOOR_SOMETHING_ELSE=1"), E_CONFIG);
    expect_why(f, "SLIPGATE_DOOR_SOMETHING_ELSE: no such key; `slipgate config print` lists them "
                  "all");
    assert_int_equal(LOAD(f, "SLIPGATE_DOOR_PORT=many"), E_CONFIG);
    expect_why(f, "SLIPGATE_DOOR_PORT: door.port: \"many\" is not accepted; give 0 to 65535");
    assert_int_equal(config_int(f->config, "door.port"), 443);
}

static void foreign_names_are_passed_over(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        LOAD(f, "SLIPGATE_BIN=x", "SLIPGATE_SERVICE_HOST=10.0.0.1",
             "SLIPGATE_=", "SLIPGATE_PORT_443_TCP_ADDR=10.0.0.1", "SLIPGATE_door_port=1",
             "SLIPGATE_A_VERY_LONG_NAME_THAT_IS_LONGER_THAN_ANY_KEY_COULD_EVER_BE_X=1"),
        0);
    size_t lines = 0;
    for (size_t i = 0; i < f->warnings.n; i++)
        lines += f->warnings.p[i] == '\n';
    assert_int_equal(lines, 6);
    assert_non_null(memmem(f->warnings.p, f->warnings.n, "SLIPGATE_BIN", 12));
}

static void write_file(struct fixture *f, const void *p, size_t n)
{
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    close(fd);
}

static int load_from_file(struct fixture *f)
{
    char entry[128];
    snprintf(entry, sizeof entry, "SLIPGATE_DOOR_UDP_SECRET_FILE=%s", f->path);
    int rc = LOAD(f, entry);
    unlink(f->path);
    snprintf(f->path, sizeof f->path, "/tmp/slipgate-t_config_env-XXXXXX");
    return rc;
}

static void secrets_from_files(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct span text;
        const char *value; /* NULL: refused */
    } cases[] = {
        {SPAN_LIT("hidden\n"), "hidden"},
        {SPAN_LIT("hidden\r\n"), "hidden"},
        {SPAN_LIT("hidden"), "hidden"},
        {SPAN_LIT(" hid ;den "), " hid ;den "},
        {SPAN_LIT(""), ""},
        {SPAN_LIT("\n"), ""},
        {SPAN_LIT("two\n\n"), NULL},
        {SPAN_LIT("a\0b"), NULL},
        {SPAN_LIT("longer than sixteen"), NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_file(f, cases[i].text.p, cases[i].text.n);
        assert_int_equal(load_from_file(f), cases[i].value ? 0 : E_CONFIG);
        if (cases[i].value)
            assert_string_equal(config_text(f->config, "door.udp_secret"), cases[i].value);
        else
            assert_null(memmem(f->why.p, f->why.n, "sixteen", 7));
    }
}

static void secret_files_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    static char big[SECRET_FILE_BYTES_MAX + 1];
    write_file(f, big, sizeof big);
    assert_int_equal(load_from_file(f), E_CONFIG);
    assert_int_equal(LOAD(f, "SLIPGATE_DOOR_UDP_SECRET_FILE=/nowhere/secret"), E_CONFIG);
    expect_why(f, "SLIPGATE_DOOR_UDP_SECRET_FILE: cannot read /nowhere/secret: No such file or "
                  "directory");
    assert_int_equal(LOAD(f, "SLIPGATE_DOOR_UDP_SECRET_FILE=/x", "SLIPGATE_DOOR_UDP_SECRET=y"),
                     E_CONFIG);
    assert_non_null(memmem(f->why.p, f->why.n, "remove one", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys, setup, teardown),
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(borrowed_names_are_weaker, setup, teardown),
        cmocka_unit_test_setup_teardown(typos, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_names_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_from_files, setup, teardown),
        cmocka_unit_test_setup_teardown(secret_files_that_cannot_be_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
