/* One-time codes against the vectors of RFC 6238 appendix B (their last six digits), and files of
 * keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "os/clock.h"
#include "os/key_file.h"
#include "os/otp.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY SPAN_LIT("12345678901234567890")

static void vectors(void **state)
{
    static const struct {
        int64_t s;
        const char *code;
    } rows[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    (void)state;
    assert_int_equal(otp_init(), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span code = span_str(rows[i].code);
        int64_t step = -1, ms = rows[i].s * 1000, of = rows[i].s / 30;
        assert_int_equal(otp_check(KEY, code, ms, &step), 0);
        assert_true(step == of);
        /* A step off either way is right, and told as the step it is of; two are not. */
        assert_int_equal(otp_check(KEY, code, ms + 30000, &step), 0);
        assert_true(step == of);
        assert_int_equal(otp_check(KEY, code, ms - 30000, &step), 0);
        assert_true(step == of);
        assert_int_equal(otp_check(KEY, code, ms + 60000, &step), E_AUTH);
        assert_int_equal(otp_check(SPAN_LIT("12345678901234567891"), code, ms, &step), E_AUTH);
    }
}

static void what_is_no_code(void **state)
{
    static const char *const texts[] = {"",       "28708",   "2870820", "94287082",
                                        "28708a", " 287082", "-87082"};
    int64_t step;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(otp_check(KEY, span_str(texts[i]), 59000, &step), E_AUTH);
    assert_int_equal(otp_check(KEY, SPAN_LIT("287082"), -1, &step), E_AUTH);
}

static void a_key_is_made_once(void **state)
{
    char dir[] = "/tmp/slipgate-key-XXXXXX", path[64];
    uint8_t a[KEY_FILE_BYTES], b[KEY_FILE_BYTES];
    struct entropy e;
    struct buf why;
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(dir));
    clock_entropy_init(&e);
    buf_init(&why, 1024);
    (void)snprintf(path, sizeof path, "%s/some.key", dir);
    assert_int_equal(key_file_open(a, dir, "some", NULL, &why), E_NOENT);
    assert_int_equal(key_file_open(a, dir, "some", &e, &why), 0);
    assert_int_equal(key_file_open(b, dir, "some", &e, &why), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(key_file_open(b, dir, "some", &e, &why), E_REFUSED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(key_file_open(b, dir, "some", &e, &why), E_FORMAT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(key_file_open(b, dir, "some", &e, &why), E_IO);
    buf_fini(&why);
    entropy_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(what_is_no_code),
        cmocka_unit_test(a_key_is_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
