/* The key that signs the audit chain: made once, never replaced, never readable by others. */
#include "os/audit_key.h"

#include "base/err.h"
#include "os/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96];
static struct entropy entropy;
static struct buf why;

static int setup(void **state)
{
    (void)state;
    clock_entropy_init(&entropy);
    buf_init(&why, 1024);
    (void)snprintf(folder, sizeof folder, "audit_key.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/" AUDIT_KEY_FILE, folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&why);
    entropy_fini(&entropy);
    (void)unlink(path);
    return rmdir(folder);
}

static void put(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    (void)fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static void made_once(void **state)
{
    uint8_t key[CHAIN_KEY], again[CHAIN_KEY];
    struct stat st;
    (void)state;
    assert_int_equal(audit_key_open(key, folder, NULL, &why), E_NOENT);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(audit_key_open(key, folder, &entropy, &why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(audit_key_open(again, folder, &entropy, &why), 0);
    assert_memory_equal(key, again, CHAIN_KEY);
    assert_int_equal(audit_key_open(again, folder, NULL, &why), 0);
    assert_memory_equal(key, again, CHAIN_KEY);
}

#define GOOD "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void what_it_takes(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "x" GOOD,
        GOOD "0",
        GOOD "\n\n",
        GOOD "00\n",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eg\n"};
    uint8_t key[CHAIN_KEY];
    (void)state;
    put(GOOD, 0600);
    assert_int_equal(audit_key_open(key, folder, &entropy, &why), 0);
    for (uint8_t i = 0; i < CHAIN_KEY; i++)
        assert_int_equal(key[i], i);
    put(GOOD "\n", 0400);
    assert_int_equal(audit_key_open(key, folder, &entropy, &why), 0);
    (void)unlink(path);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_clear(&why);
        put(bad[i], 0600);
        assert_int_equal(audit_key_open(key, folder, &entropy, &why), E_FORMAT);
        assert_non_null(memmem(why.p, why.n, path, strlen(path)));
    }
}

static void not_for_others(void **state)
{
    uint8_t key[CHAIN_KEY];
    (void)state;
    put(GOOD "\n", 0640);
    assert_int_equal(audit_key_open(key, folder, &entropy, &why), E_REFUSED);
    assert_non_null(memmem(why.p, why.n, "chmod 600", 9));
}

static void a_folder_that_is_none(void **state)
{
    uint8_t key[CHAIN_KEY];
    (void)state;
    assert_int_equal(audit_key_open(key, "/nonexistent", &entropy, &why), E_IO);
    assert_true(why.n > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(made_once),
        TEST(what_it_takes),
        TEST(not_for_others),
        TEST(a_folder_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
