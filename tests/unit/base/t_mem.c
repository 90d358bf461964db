/* Allocation: zeroed, overflow refused, wiped, compared whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static void t_zalloc(void **state)
{
    (void)state;
    static const uint8_t zeros[96];
    uint8_t *p = mem_zalloc(12, 8);
    assert_non_null(p);
    assert_memory_equal(p, zeros, 96);
    mem_free(p);
    p = mem_zalloc(0, 8);
    assert_non_null(p);
    mem_free(p);
    p = mem_zalloc(8, 0);
    assert_non_null(p);
    mem_free(p);
    assert_null(mem_zalloc(SIZE_MAX, 2));
    assert_null(mem_zalloc(SIZE_MAX / 2 + 1, 2));
}

static void t_resize(void **state)
{
    (void)state;
    uint8_t *p = mem_resize(NULL, 4, 2), *q;
    assert_non_null(p);
    memcpy(p, "abcdefgh", 8);
    assert_null(mem_resize(p, SIZE_MAX, 2));
    assert_null(mem_resize(p, SIZE_MAX / 4 + 1, 4));
    assert_memory_equal(p, "abcdefgh", 8);
    q = mem_resize(p, 1000, 100);
    assert_non_null(q);
    assert_memory_equal(q, "abcdefgh", 8);
    p = mem_resize(q, 0, 1);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
}

static void t_wipe(void **state)
{
    (void)state;
    char secret[] = "secret";
    mem_wipe(secret, 3);
    assert_memory_equal(secret, "\0\0\0ret", 7);
    mem_wipe(NULL, 0);
    mem_free_secret(NULL, 10);
    char *p = mem_zalloc(10, 1);
    assert_non_null(p);
    mem_free_secret(p, 10);
}

static void t_equal_ct(void **state)
{
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0};
    assert_true(mem_equal_ct(a, b, sizeof a));
    assert_true(mem_equal_ct(NULL, NULL, 0));
    for (size_t i = 0; i < sizeof a; i++) {
        for (int bit = 0; bit < 8; bit++) {
            a[i] ^= (uint8_t)(1 << bit);
            assert_false(mem_equal_ct(a, b, sizeof a));
            assert_true(mem_equal_ct(a, b, i));
            a[i] ^= (uint8_t)(1 << bit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_zalloc),
        cmocka_unit_test(t_resize),
        cmocka_unit_test(t_wipe),
        cmocka_unit_test(t_equal_ct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
