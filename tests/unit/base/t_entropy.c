/* The entropy pool: every byte of the source is handed out at most once, and then gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/entropy.h"

static uint32_t source; /* what the next four bytes of the source are */

static void fill(struct entropy *e, void *to, size_t n)
{
    uint8_t *p = to;
    (void)e;
    for (size_t i = 0; i < n; i += 4, source++) {
        const uint8_t word[] = {(uint8_t)(source >> 24), (uint8_t)(source >> 16),
                                (uint8_t)(source >> 8), (uint8_t)source};
        memcpy(p + i, word, n - i < 4 ? n - i : 4);
    }
}

static int reset(void **state)
{
    (void)state;
    source = 1; /* so that no word of the source is zero, as wiped bytes are */
    return 0;
}

static uint32_t word(struct entropy *e)
{
    uint8_t b[4];
    entropy_get(e, b, sizeof b);
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void t_hands_out_each_byte_once(void **state)
{
    (void)state;
    static bool seen[20000];
    struct entropy e;
    entropy_init(&e, fill);
    for (int i = 0; i < 5000; i++) {
        uint32_t w = word(&e);
        assert_true(w > 0 && w < 20000 && !seen[w]);
        seen[w] = true;
    }
    entropy_fini(&e);
}

static void t_asks_the_source_rarely(void **state)
{
    (void)state;
    struct entropy e;
    entropy_init(&e, fill);
    assert_int_equal(source, 1);
    for (size_t i = 0; i < sizeof e.pool / 16; i++) {
        uint8_t iv[16];
        entropy_get(&e, iv, sizeof iv);
        assert_int_equal(source, 1 + sizeof e.pool / 4);
    }
    (void)word(&e);
    assert_int_equal(source, 1 + 2 * sizeof e.pool / 4);
    entropy_fini(&e);
}

static void t_wipes_what_it_handed_out(void **state)
{
    (void)state;
    static const uint8_t zeros[sizeof((struct entropy *)0)->pool];
    struct entropy e;
    entropy_init(&e, fill);
    for (int i = 0; i < 100; i++)
        (void)word(&e);
    size_t used = sizeof e.pool - e.left;
    assert_int_equal(used, 400);
    assert_memory_equal(e.pool, zeros, used);
    assert_memory_not_equal(e.pool + used, zeros, e.left);
    entropy_fini(&e);
    assert_memory_equal(e.pool, zeros, sizeof zeros);
    assert_int_equal(e.left, 0);
}

static void t_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16, 1023, 1024, 1025, 4095, 4096, 4097, 10000};
    struct entropy e;
    entropy_init(&e, fill);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (int k = 0; k < 10; k++) {
            static uint8_t to[10001];
            size_t n = sizes[i];
            memset(to, 0xa5, sizeof to);
            entropy_get(&e, to, n);
            assert_int_equal(to[n], 0xa5);
            for (size_t at = 0; at + 8 <= n; at += 8) /* filled all over */
                assert_memory_not_equal(to + at, "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5", 8);
        }
    }
    entropy_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(t_hands_out_each_byte_once, reset),
        cmocka_unit_test_setup(t_asks_the_source_rarely, reset),
        cmocka_unit_test_setup(t_wipes_what_it_handed_out, reset),
        cmocka_unit_test_setup(t_sizes, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
