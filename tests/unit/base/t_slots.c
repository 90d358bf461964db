/* The slab: handles, dense numbers, the ceiling, memory given back, memory short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/slots.h"
#include "sim/alloc_fault.h"

#include <stdalign.h>

struct thing {
    uint32_t a;
    uint8_t odd[3];
};

static void a_handle_finds_its_object_until_it_is_freed(void **state)
{
    (void)state;
    struct slots s;
    struct ref a, b;
    slots_init(&s, sizeof(struct thing), 10);
    struct thing *x = slots_add(&s, &a), *y = slots_add(&s, &b);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(a.slot, 0);
    assert_int_equal(b.slot, 1);
    assert_ptr_equal(slots_get(&s, a), x);
    assert_ptr_equal(slots_get(&s, b), y);
    slots_del(&s, a);
    assert_null(slots_get(&s, a));
    assert_ptr_equal(slots_get(&s, b), y);
    assert_int_equal(s.live, 1);
    slots_fini(&s);
}

static void stale_and_forged_handles_find_nothing(void **state)
{
    (void)state;
    struct slots s;
    struct ref a, again;
    slots_init(&s, 1, 100);
    assert_null(slots_get(&s, REF_NONE));
    assert_non_null(slots_add(&s, &a));
    assert_null(slots_get(&s, REF_NONE));
    assert_null(slots_get(&s, (struct ref){a.slot, a.gen + 1}));
    assert_null(slots_get(&s, (struct ref){a.slot + 1, a.gen}));
    assert_null(slots_get(&s, (struct ref){63, 1})); /* numbered, never used */
    assert_null(slots_get(&s, (struct ref){64, 1}));
    assert_null(slots_get(&s, (struct ref){UINT32_MAX, UINT32_MAX}));
    slots_del(&s, a);
    assert_non_null(slots_add(&s, &again));
    assert_int_equal(again.slot, a.slot);
    assert_int_not_equal(again.gen, a.gen);
    assert_null(slots_get(&s, a));
    slots_fini(&s);
    assert_null(slots_get(&s, again));
}

static void generations_pass_over_zero(void **state)
{
    (void)state;
    struct slots s;
    struct ref a;
    slots_init(&s, 4, 1);
    assert_non_null(slots_add(&s, &a));
    *(uint32_t *)(void *)s.meta = UINT32_MAX; /* the generation is a record's first member */
    a.gen = UINT32_MAX;
    assert_non_null(slots_get(&s, a));
    slots_del(&s, a);
    assert_non_null(slots_add(&s, &a));
    assert_int_equal(a.gen, 1);
    assert_false(ref_is_none(a));
    slots_fini(&s);
}

static void objects_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct slots s;
    struct ref r[130];
    slots_init(&s, 17, 130);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 130; i++) {
            uint8_t *p = slots_add(&s, &r[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
            for (unsigned k = 0; k < 17; k++)
                assert_int_equal(p[k], 0);
            memset(p, (int)(i + 1), 17);
        }
        for (unsigned i = 0; i < 130; i++) {
            const uint8_t *p = slots_get(&s, r[i]);
            assert_int_equal(p[0], (uint8_t)(i + 1));
            assert_int_equal(p[16], (uint8_t)(i + 1));
        }
        for (unsigned i = 0; i < 130; i++)
            slots_del(&s, r[i]);
    }
    slots_fini(&s);
}

static void the_ceiling_holds_and_numbers_stay_below_it(void **state)
{
    (void)state;
    enum { MAX = 70 };
    struct slots s;
    struct ref r[MAX], extra = REF_NONE;
    struct rng rng = {7};
    slots_init(&s, 8, MAX);
    for (unsigned i = 0; i < MAX; i++)
        assert_non_null(slots_add(&s, &r[i]));
    assert_null(slots_add(&s, &extra));
    assert_true(ref_is_none(extra));
    for (unsigned i = 0; i < 20000; i++) {
        unsigned k = (unsigned)rng_below(&rng, MAX);
        if (slots_get(&s, r[k]))
            slots_del(&s, r[k]);
        else
            assert_non_null(slots_add(&s, &r[k]));
        assert_true(r[k].slot < MAX);
    }
    slots_fini(&s);
    slots_init(&s, 8, 0);
    assert_null(slots_add(&s, &extra));
    slots_fini(&s);
}

static void low_numbers_are_used_first(void **state)
{
    (void)state;
    struct slots s;
    struct ref r[200], a;
    slots_init(&s, 8, 1000);
    for (unsigned i = 0; i < 200; i++)
        assert_non_null(slots_add(&s, &r[i]));
    slots_del(&s, r[190]);
    slots_del(&s, r[3]);
    slots_del(&s, r[100]);
    assert_non_null(slots_add(&s, &a));
    assert_int_equal(a.slot, 3);
    assert_non_null(slots_add(&s, &a));
    assert_int_equal(a.slot, 100);
    assert_non_null(slots_add(&s, &a));
    assert_int_equal(a.slot, 190);
    assert_non_null(slots_add(&s, &a));
    assert_int_equal(a.slot, 200);
    slots_fini(&s);
}

static void a_walk_meets_each_live_object_once_in_order(void **state)
{
    (void)state;
    struct slots s;
    struct ref r[300], at_ref;
    slots_init(&s, sizeof(uint32_t), 1000);
    uint32_t *x;
    uint32_t at = 0;
    assert_null(slots_next(&s, &at, NULL));
    for (uint32_t i = 0; i < 300; i++) {
        x = slots_add(&s, &r[i]);
        assert_non_null(x);
        *x = i;
    }
    for (uint32_t i = 0; i < 300; i++)
        if (i % 3 || (i >= 64 && i < 192)) /* two chunks empty */
            slots_del(&s, r[i]);
    uint32_t met = 0;
    for (at = 0; (x = slots_next(&s, &at, &at_ref)); met++) {
        assert_true(*x % 3 == 0);
        assert_true(ref_eq(at_ref, r[*x]));
        slots_del(&s, at_ref); /* deleting while walking */
    }
    assert_int_equal(met, 22 + 36);
    assert_int_equal(s.live, 0);
    at = 0;
    assert_null(slots_next(&s, &at, &at_ref));
    slots_fini(&s);
}

static void adding_while_walking_ends(void **state)
{
    (void)state;
    struct slots s;
    struct ref r;
    slots_init(&s, 1, 500);
    assert_non_null(slots_add(&s, &r));
    unsigned met = 0;
    for (uint32_t at = 0; slots_next(&s, &at, NULL); met++)
        (void)!slots_add(&s, &r);
    assert_in_range(met, 1, 500);
    slots_fini(&s);
}

static void memory_goes_back_when_everybody_has_gone(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct slots s;
    static struct ref r[MANY];
    struct rng rng = {3};
    long start = alloc_live_bytes();
    slots_init(&s, 512, MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_non_null(slots_add(&s, &r[i]));
    assert_true(alloc_live_bytes() - start > MANY * 512);
    for (unsigned i = MANY; i > 1; i--) { /* they leave in any order */
        unsigned k = (unsigned)rng_below(&rng, i);
        struct ref t = r[k];
        r[k] = r[i - 1];
        r[i - 1] = t;
        slots_del(&s, t);
    }
    slots_del(&s, r[0]);
    /* One chunk of objects, and the records of all slots. */
    assert_in_range(alloc_live_bytes() - start, 1, 64 * 512 + MANY * 20 + 4096);
    /* The few who come back share a chunk. */
    long before = alloc_live_bytes();
    for (unsigned i = 0; i < 64; i++) {
        assert_non_null(slots_add(&s, &r[i]));
        assert_int_equal(r[i].slot / 64, r[0].slot / 64);
    }
    assert_true(alloc_live_bytes() - before < 64 * 512);
    slots_fini(&s);
    assert_int_equal(alloc_live_bytes(), start);
}

static void a_chunk_at_its_edge_is_not_freed_each_time(void **state)
{
    (void)state;
    struct slots s;
    struct ref r[65];
    slots_init(&s, 64, 1000);
    for (unsigned i = 0; i < 65; i++)
        assert_non_null(slots_add(&s, &r[i]));
    slots_del(&s, r[64]);
    unsigned long before = alloc_requests();
    for (unsigned i = 0; i < 100; i++) {
        assert_non_null(slots_add(&s, &r[64]));
        slots_del(&s, r[64]);
    }
    assert_int_equal(alloc_requests(), before);
    slots_fini(&s);
}

/* Whichever request fails, the slab says no once and goes on working. */
static void short_memory_is_told_and_survived(void **state)
{
    (void)state;
    for (unsigned long nth = 1;; nth++) {
        struct slots s;
        struct ref r, kept[200];
        unsigned refused = 0, n = 0;
        long start = alloc_live_blocks();
        slots_init(&s, 32, 1000);
        alloc_fault_at(nth);
        while (n < 200) {
            uint8_t *p = slots_add(&s, &r);
            refused += p == NULL;
            if (p) {
                *p = (uint8_t)n;
                kept[n++] = r;
            }
            assert_int_equal(s.live, n);
        }
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        assert_int_equal(refused, fired);
        for (unsigned i = 0; i < 200; i++) {
            assert_int_equal(*(uint8_t *)slots_get(&s, kept[i]), (uint8_t)i);
            assert_int_equal(kept[i].slot, i);
        }
        slots_fini(&s);
        assert_int_equal(alloc_live_blocks(), start);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_finds_its_object_until_it_is_freed),
        cmocka_unit_test(stale_and_forged_handles_find_nothing),
        cmocka_unit_test(generations_pass_over_zero),
        cmocka_unit_test(objects_are_zeroed_aligned_and_apart),
        cmocka_unit_test(the_ceiling_holds_and_numbers_stay_below_it),
        cmocka_unit_test(low_numbers_are_used_first),
        cmocka_unit_test(a_walk_meets_each_live_object_once_in_order),
        cmocka_unit_test(adding_while_walking_ends),
        cmocka_unit_test(memory_goes_back_when_everybody_has_gone),
        cmocka_unit_test(a_chunk_at_its_edge_is_not_freed_each_time),
        cmocka_unit_test(short_memory_is_told_and_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
