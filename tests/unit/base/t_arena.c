/* The bump arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "sim/alloc_fault.h"

static void pieces_lie_one_behind_the_other(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a, 100));
    uint8_t *p = arena_take(&a, 60), *q = arena_take(&a, 40);
    assert_non_null(p);
    assert_ptr_equal(q, p + 60);
    assert_null(arena_take(&a, 1));
    assert_non_null(arena_take(&a, 0));
    arena_give(&a, 10);
    assert_ptr_equal(arena_take(&a, 10), p + 90);
    memset(p, 0xff, 100);
    arena_reset(&a);
    assert_null(arena_take(&a, 101));
    assert_null(arena_take(&a, SIZE_MAX));
    assert_ptr_equal(arena_take(&a, 100), p);
    arena_fini(&a);
    assert_null(arena_take(&a, 1));
    arena_fini(&a);
}

static void what_was_in_use_is_wiped(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a, 1000));
    memcpy(arena_take(&a, 500) + 450, "secret", 7);
    arena_reset(&a);
    (void)arena_take(&a, 10);
    alloc_secret("secret", 6);
    arena_fini(&a);
    assert_int_equal(alloc_secret_leaks(), 0);
    alloc_secret(NULL, 0);
}

static void short_memory_is_told(void **state)
{
    (void)state;
    struct arena a;
    alloc_fault_at(1);
    assert_false(arena_init(&a, 100));
    alloc_fault_at(0);
    arena_fini(&a); /* as a destroy after a failed create does */
    assert_int_equal(alloc_live_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_lie_one_behind_the_other),
        cmocka_unit_test(what_was_in_use_is_wiped),
        cmocka_unit_test(short_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
