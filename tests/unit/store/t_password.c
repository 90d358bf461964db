/* Password records: vectors, limits, what bcrypt would cut, records that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "os/password.h"

#include <stdio.h>
#include <time.h>

static const uint8_t salt_a[PASSWORD_SALT_BYTES] = {1, 2, 3};
static const uint8_t salt_b[PASSWORD_SALT_BYTES] = {1, 2, 4};

static struct password_record record(const char *text)
{
    struct password_record r = {.n = (uint8_t)strlen(text)};
    assert_true(strlen(text) <= PASSWORD_RECORD_MAX);
    memcpy(r.text, text, r.n);
    return r;
}

static int verify(const char *text, struct span password, bool *rehash)
{
    struct password_record r = record(text);
    return password_verify(&r, password, 5, rehash);
}

static void what_is_made_is_verified(void **state)
{
    struct password_record a, b;
    bool rehash = true;
    (void)state;
    assert_int_equal(password_make(&a, SPAN_LIT("secret123"), 5, salt_a), 0);
    assert_int_equal(a.n, 60);
    assert_memory_equal(a.text, "$2b$05$", 7);
    assert_int_equal(a.text[60], 0);
    assert_int_equal(password_verify(&a, SPAN_LIT("secret123"), 5, &rehash), 0);
    assert_false(rehash);
    assert_int_equal(password_verify(&a, SPAN_LIT("secret124"), 5, &rehash), E_AUTH);
    assert_int_equal(password_verify(&a, SPAN_LIT("secret12"), 5, &rehash), E_AUTH);
    assert_int_equal(password_verify(&a, SPAN_LIT("Secret123"), 5, &rehash), E_AUTH);
    assert_int_equal(password_verify(&a, SPAN_NULL, 5, &rehash), E_AUTH);
    assert_false(rehash);
    assert_int_equal(password_make(&b, SPAN_LIT("secret123"), 5, salt_b), 0);
    assert_memory_not_equal(a.text, b.text, 60);
    assert_int_equal(password_make(&b, SPAN_LIT("secret123"), 5, salt_a), 0);
    assert_memory_equal(a.text, b.text, 60); /* all chance is the salt's */
}

static void records_of_other_programs_are_read(void **state)
{
    (void)state;
    bool rehash;
    assert_int_equal(verify("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                            SPAN_LIT("U*U"), &rehash),
                     0);
    assert_false(rehash);
    assert_int_equal(verify("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                            SPAN_LIT("U*U"), &rehash),
                     0);
    assert_true(rehash); /* an older name of the scheme */
    assert_int_equal(verify("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                            SPAN_LIT("U*U"), &rehash),
                     0);
    assert_true(rehash);
}

static void another_cost_asks_for_a_rehash(void **state)
{
    struct password_record r;
    bool rehash = false;
    (void)state;
    assert_int_equal(password_make(&r, SPAN_LIT("x"), 4, salt_a), 0);
    assert_int_equal(password_verify(&r, SPAN_LIT("x"), 5, &rehash), 0);
    assert_true(rehash);
    assert_int_equal(password_verify(&r, SPAN_LIT("x"), 4, &rehash), 0);
    assert_false(rehash);
}

static void what_bcrypt_cannot_hold_is_refused(void **state)
{
    struct password_record r;
    uint8_t long_one[PASSWORD_MAX + 1];
    bool rehash;
    (void)state;
    memset(long_one, 'p', sizeof long_one);
    assert_int_equal(password_make(&r, SPAN_NULL, 4, salt_a), E_RANGE);
    assert_int_equal(password_make(&r, SPAN_LIT("a\0b"), 4, salt_a), E_RANGE);
    assert_int_equal(password_make(&r, span_of(long_one, sizeof long_one), 4, salt_a), E_RANGE);
    assert_int_equal(password_make(&r, SPAN_LIT("a"), PASSWORD_COST_MIN - 1, salt_a), E_RANGE);
    assert_int_equal(password_make(&r, SPAN_LIT("a"), PASSWORD_COST_MAX + 1, salt_a), E_RANGE);
    assert_int_equal(password_make(&r, SPAN_LIT("a"), 4, salt_a), 0);
    assert_int_equal(password_verify(&r, SPAN_LIT("a\0b"), 4, &rehash), E_AUTH);
    assert_int_equal(password_make(&r, span_of(long_one, PASSWORD_MAX), 4, salt_a), 0);
    assert_int_equal(password_verify(&r, span_of(long_one, PASSWORD_MAX), 4, &rehash), 0);
    assert_int_equal(password_verify(&r, span_of(long_one, PASSWORD_MAX + 1), 4, &rehash), E_AUTH);
    assert_int_equal(password_verify(&r, span_of(long_one, PASSWORD_MAX - 1), 4, &rehash), E_AUTH);
}

static double cpu_ms(const struct password_record *r, struct span password)
{
    struct timespec a, b;
    bool rehash;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    assert_int_equal(password_verify(r, password, 9, &rehash), E_AUTH);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static void an_impossible_password_takes_as_long_as_a_wrong_one(void **state)
{
    struct password_record r;
    uint8_t long_one[PASSWORD_LEGACY_MAX] = {1};
    (void)state;
    assert_int_equal(password_make(&r, SPAN_LIT("right"), 9, salt_a), 0);
    double wrong = cpu_ms(&r, SPAN_LIT("wrong"));
    assert_true(cpu_ms(&r, span_of(long_one, sizeof long_one)) > wrong / 4);
    assert_true(cpu_ms(&r, SPAN_NULL) > wrong / 4);
}

static void imported_sha256_records_are_verified(void **state)
{
    static const char text[] = "{sha256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ=";
    bool rehash;
    (void)state;
    assert_int_equal(verify(text, SPAN_LIT("secret123"), &rehash), 0);
    assert_true(rehash);
    assert_int_equal(verify(text, SPAN_LIT("secret124"), &rehash), E_AUTH);
    assert_false(rehash);
    assert_int_equal(verify(text, SPAN_NULL, &rehash), E_AUTH);
    /* SHA-256 of nothing, and of 100 times "a": right, but they cannot be made into bcrypt. */
    assert_int_equal(
        verify("{sha256}47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", SPAN_NULL, &rehash), 0);
    assert_false(rehash);
    char many[101];
    memset(many, 'a', 100);
    assert_int_equal(
        verify("{sha256}KBZZeIjkoNOja4K4MxarMmgOuPAPjNO5BNaBJG0oWg4=", span_of(many, 100), &rehash),
        0);
    assert_false(rehash);
}

static void records_of_no_known_scheme_are_told_apart(void **state)
{
    static const char *const texts[] = {
        "",
        "secret123",
        "{sha256}",
        "{sha256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ",
        "{sha256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ==",
        "{SHA256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ=",
        "$1$abcdefgh$G5XwQPTQUPhoNMOWXL2hM.",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$ 5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWx",
        "$2b$05$CCCCCCCC!CCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    };
    bool rehash;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(verify(texts[i], SPAN_LIT("U*U"), &rehash), E_FORMAT);
}

static void no_altered_record_lets_anybody_in(void **state)
{
    struct password_record good;
    bool rehash;
    (void)state;
    assert_int_equal(password_make(&good, SPAN_LIT("U*U"), 4, salt_a), 0);
    for (unsigned i = 0; i < good.n; i++) {
        struct password_record r = good;
        r.text[i] = (char)(r.text[i] ^ 1);
        int rc = password_verify(&r, SPAN_LIT("U*U"), 4, &rehash);
        /* 'b' becomes 'c'; the cost's digits 0 and 4 become 1 and 5; the rest is salt and hash. */
        assert_true(rc == E_AUTH || rc == E_FORMAT);
    }
}

static void the_work_in_a_record_is_known_beforehand(void **state)
{
    struct password_record r =
        record("$2y$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    (void)state;
    assert_int_equal(password_record_cost(&r), 12);
    r = record("{sha256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ=");
    assert_int_equal(password_record_cost(&r), 0);
    r = record("?");
    assert_int_equal(password_record_cost(&r), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_is_verified),
        cmocka_unit_test(records_of_other_programs_are_read),
        cmocka_unit_test(another_cost_asks_for_a_rehash),
        cmocka_unit_test(what_bcrypt_cannot_hold_is_refused),
        cmocka_unit_test(an_impossible_password_takes_as_long_as_a_wrong_one),
        cmocka_unit_test(imported_sha256_records_are_verified),
        cmocka_unit_test(records_of_no_known_scheme_are_told_apart),
        cmocka_unit_test(no_altered_record_lets_anybody_in),
        cmocka_unit_test(the_work_in_a_record_is_known_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
