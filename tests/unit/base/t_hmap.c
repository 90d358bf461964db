/* The hash map: against a plain model, in order, at its ceiling, with memory short, and SipHash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/hmap.h"
#include "base/rng.h"
#include "sim/alloc_fault.h"

static const uint64_t seed[2] = {1, 2};

/* SipHash-1-3 is also what CPython 3.11 hashes bytes with: these are its values of the messages 00,
 * 00 01, ... under PYTHONHASHSEED=1, which makes this key. */
static void siphash_is_siphash(void **state)
{
    (void)state;
    static const uint64_t want[] = {
        UINT64_C(0xecd3e5afcecda4b9), UINT64_C(0xbf360f1ea1745965), UINT64_C(0x8d5b20ab227ba858),
        UINT64_C(0x968a3280faeeb716), UINT64_C(0xbbda3b5f513c3d69), UINT64_C(0xa77f099d6ffed90e),
        UINT64_C(0xfd15e78052a69ddf), UINT64_C(0xc0b5739e7e28dd01), UINT64_C(0x208a1a5a0cbbf778),
        UINT64_C(0xb99907ab3e3e597c), UINT64_C(0x4d9ec6e9c5127521), UINT64_C(0x9b07906e87e344ad),
        UINT64_C(0x75973ed5708eb192), UINT64_C(0x3a6b5d52e1c90862), UINT64_C(0xfa87985f39e97a53),
        UINT64_C(0x12e9d283f9f37002),
    };
    const uint64_t key[2] = {UINT64_C(0xaed66ce184be2329), UINT64_C(0xebe9bbf1f1499052)};
    uint8_t text[16];
    for (uint8_t i = 0; i < sizeof text; i++)
        text[i] = i;
    for (size_t n = 1; n <= ARRAY_LEN(want); n++)
        assert_int_equal(siphash13(key, text, n), want[n - 1]);
}

static void puts_gets_and_replaces(void **state)
{
    (void)state;
    struct hmap m;
    uint64_t v = 77;
    hmap_init(&m, 4, seed, 10);
    assert_false(hmap_get(&m, "none", &v));
    assert_false(hmap_del(&m, "none"));
    assert_int_equal(v, 77);
    assert_int_equal(hmap_put(&m, "abcd", 1), 0);
    assert_int_equal(hmap_put(&m, "abcd", 2), 0);
    assert_int_equal(m.live, 1);
    assert_true(hmap_get(&m, "abcd", &v));
    assert_int_equal(v, 2);
    assert_true(hmap_get(&m, "abcd", NULL));
    assert_true(hmap_del(&m, "abcd"));
    assert_false(hmap_del(&m, "abcd"));
    assert_false(hmap_get(&m, "abcd", NULL));
    assert_int_equal(hmap_put(&m, "abcd", 3), 0);
    assert_true(hmap_get(&m, "abcd", &v));
    assert_int_equal(v, 3);
    hmap_fini(&m);
    assert_false(hmap_get(&m, "abcd", NULL));
    hmap_fini(&m);
}

static void keys_of_every_size(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 64; size++) {
        struct hmap m;
        uint8_t key[64] = {0};
        uint64_t v;
        hmap_init(&m, size, seed, 255);
        for (unsigned i = 1; i < 255; i++) {
            key[size - 1] = (uint8_t)i;
            assert_int_equal(hmap_put(&m, key, i), 0);
        }
        for (unsigned i = 1; i < 255; i++) {
            key[size - 1] = (uint8_t)i;
            assert_true(hmap_get(&m, key, &v));
            assert_int_equal(v, i);
        }
        key[size - 1] = 0;
        assert_false(hmap_get(&m, key, &v));
        hmap_fini(&m);
    }
}

static void the_ceiling_is_of_live_entries(void **state)
{
    (void)state;
    struct hmap m;
    hmap_init(&m, 4, seed, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(hmap_put(&m, &i, i), 0);
    uint32_t extra = 1000, known = 5;
    assert_int_equal(hmap_put(&m, &extra, 1), E_FULL);
    assert_false(hmap_get(&m, &extra, NULL));
    assert_int_equal(hmap_put(&m, &known, 500), 0); /* replacing needs no room */
    for (uint32_t i = 0; i < 100000; i++) {         /* the dead do not count, nor take memory */
        uint32_t old = i < 100 ? i : 1000 + i - 100, new = 1000 + i;
        assert_true(hmap_del(&m, &old));
        assert_int_equal(hmap_put(&m, &new, i), 0);
    }
    assert_int_equal(m.live, 100);
    assert_in_range(m.entries_cap, 100, 256);
    hmap_fini(&m);
    hmap_init(&m, 4, seed, 0);
    assert_int_equal(hmap_put(&m, &extra, 1), E_FULL);
    hmap_fini(&m);
}

static void a_walk_is_in_order_of_insertion(void **state)
{
    (void)state;
    for (uint64_t other = 0; other < 3; other++) { /* whatever the seed */
        struct hmap m;
        const uint64_t its_seed[2] = {other, other * 77};
        const void *key;
        uint64_t v, want = 0;
        uint32_t at = 0, k;
        hmap_init(&m, 4, its_seed, 1000);
        assert_false(hmap_next(&m, &at, &key, &v));
        for (k = 0; k < 1000; k++)
            assert_int_equal(hmap_put(&m, &k, k), 0);
        for (k = 0; k < 1000; k += 2)
            assert_true(hmap_del(&m, &k));
        k = 501;
        assert_int_equal(hmap_put(&m, &k, 501), 0); /* replacing keeps the place */
        for (k = 0; k < 10; k += 2)
            assert_int_equal(hmap_put(&m, &k, 10000 + k), 0); /* back again: at the end */
        for (at = 0, want = 1; want < 1000; want += 2) {
            assert_true(hmap_next(&m, &at, &key, &v));
            assert_int_equal(v, want);
            memcpy(&k, key, sizeof k);
            assert_int_equal(k, want);
        }
        for (want = 10000; want < 10010; want += 2) {
            assert_true(hmap_next(&m, &at, &key, &v));
            assert_int_equal(v, want);
        }
        assert_false(hmap_next(&m, &at, &key, &v));
        hmap_fini(&m);
    }
}

static void deleting_while_walking(void **state)
{
    (void)state;
    struct hmap m;
    const void *key;
    uint64_t v, sum = 0;
    hmap_init(&m, 4, seed, 1000);
    for (uint32_t k = 0; k < 1000; k++)
        assert_int_equal(hmap_put(&m, &k, k), 0);
    for (uint32_t at = 0; hmap_next(&m, &at, &key, &v); sum += v)
        assert_true(hmap_del(&m, key));
    assert_int_equal(sum, 999 * 1000 / 2);
    assert_int_equal(m.live, 0);
    hmap_fini(&m);
}

enum { KEYS = 400 };

static void compare(const struct hmap *m, const uint64_t *model, const bool *has)
{
    uint64_t v;
    uint32_t live = 0;
    for (uint16_t k = 0; k < KEYS; k++) {
        assert_int_equal(hmap_get(m, &k, &v), has[k]);
        if (has[k])
            assert_int_equal(v, model[k]);
        live += has[k];
    }
    assert_int_equal(m->live, live);
}

static void it_agrees_with_a_plain_array(void **state)
{
    (void)state;
    static uint64_t model[KEYS];
    static bool has[KEYS];
    struct hmap m;
    struct rng rng = {42};
    hmap_init(&m, 2, seed, KEYS);
    for (unsigned i = 0; i < 200000; i++) {
        uint16_t k = (uint16_t)rng_below(&rng, KEYS);
        unsigned tide = i / 20000 % 2; /* it fills, it empties */
        if (rng_below(&rng, 10) < (tide ? 2 : 8)) {
            model[k] = rng_next(&rng);
            assert_int_equal(hmap_put(&m, &k, model[k]), 0);
            has[k] = true;
        } else {
            assert_int_equal(hmap_del(&m, &k), has[k]);
            has[k] = false;
        }
        if (i % 5000 == 0)
            compare(&m, model, has);
    }
    compare(&m, model, has);
    hmap_fini(&m);
}

static void memory_follows_the_entries_down(void **state)
{
    (void)state;
    struct hmap m;
    uint32_t k;
    long start = alloc_live_bytes();
    hmap_init(&m, 4, seed, 100000);
    for (k = 0; k < 100000; k++)
        assert_int_equal(hmap_put(&m, &k, k), 0);
    long full = alloc_live_bytes() - start;
    assert_true(full > 100000 * 20);
    for (k = 10; k < 100000; k++)
        assert_true(hmap_del(&m, &k));
    assert_int_equal(hmap_put(&m, &k, k), 0);
    assert_in_range(alloc_live_bytes() - start, 1, 4096);
    for (k = 0; k < 10; k++)
        assert_true(hmap_get(&m, &k, NULL));
    hmap_fini(&m);
    assert_int_equal(alloc_live_bytes(), start);
}

static void what_was_reserved_neither_allocates_nor_fails(void **state)
{
    (void)state;
    struct hmap m;
    uint32_t k;
    hmap_init(&m, 4, seed, 1000);
    alloc_fault_at(1);
    assert_int_equal(hmap_reserve(&m, 1000), E_NOMEM);
    alloc_fault_at(2);
    assert_int_equal(hmap_reserve(&m, 1000), E_NOMEM);
    alloc_fault_at(0);
    k = 1;
    assert_int_equal(hmap_put(&m, &k, 1), 0); /* a failed reserve leaves a working map */
    assert_in_range(m.entries_cap, 1, 64);
    assert_int_equal(hmap_reserve(&m, 1000), 0);
    assert_int_equal(hmap_reserve(&m, 10), 0); /* never less than before */
    assert_true(hmap_get(&m, &k, NULL));
    unsigned long before = alloc_requests();
    alloc_fault_from(1);
    for (uint32_t round = 0; round < 50; round++) {
        for (k = 0; k < 1000; k++)
            assert_int_equal(hmap_put(&m, &k, k), 0);
        for (k = 0; k < 1000; k += 1 + round % 3)
            assert_true(hmap_del(&m, &k));
        for (k = 0; k < 1000; k++)
            (void)hmap_del(&m, &k);
    }
    alloc_fault_at(0);
    assert_int_equal(alloc_requests(), before);
    hmap_fini(&m);
}

static void short_memory_changes_nothing(void **state)
{
    (void)state;
    for (unsigned long nth = 1;; nth++) {
        struct hmap m;
        uint64_t v;
        uint32_t k;
        unsigned refused = 0;
        long start = alloc_live_blocks();
        hmap_init(&m, 4, seed, 1000);
        alloc_fault_at(nth);
        for (k = 0; k < 300;) {
            int rc = hmap_put(&m, &k, k);
            assert_true(rc == 0 || rc == E_NOMEM);
            refused += rc != 0;
            k += rc == 0;
            assert_int_equal(m.live, k);
        }
        for (k = 1; k < 300; k++)
            assert_true(hmap_del(&m, &k));
        k = 1; /* the map would like to shrink; that may fail without harm */
        assert_int_equal(hmap_put(&m, &k, 1), 0);
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        assert_true(refused <= fired);
        for (k = 0; k < 2; k++) {
            assert_true(hmap_get(&m, &k, &v));
            assert_int_equal(v, k);
        }
        hmap_fini(&m);
        assert_int_equal(alloc_live_blocks(), start);
        if (!fired)
            break;
    }
}

/* Nothing of a key stays in the map's memory when its entry has gone. */
static void keys_are_wiped(void **state)
{
    (void)state;
    static const char secret[] = "0123456789abcdef";
    struct hmap m;
    hmap_init(&m, 16, seed, 100);
    for (uint64_t k[2] = {0, 5}; k[0] < 10; k[0]++)
        assert_int_equal(hmap_put(&m, k, 0), 0);
    assert_int_equal(hmap_put(&m, secret, 1), 0);
    for (uint64_t k[2] = {0, 5}; k[0] < 10; k[0]++)
        assert_true(hmap_del(&m, k)); /* so that the secret's entry moves when there is no room */
    for (uint64_t k[2] = {0, 6}; k[0] < 7; k[0]++) /* it has moved, its old place is free */
        assert_int_equal(hmap_put(&m, k, 0), 0);
    assert_true(hmap_get(&m, secret, NULL));
    assert_true(hmap_del(&m, secret));
    assert_null(memmem(m.entries, (size_t)m.entries_cap * m.stride, secret, 16));
    hmap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_is_siphash),
        cmocka_unit_test(puts_gets_and_replaces),
        cmocka_unit_test(keys_of_every_size),
        cmocka_unit_test(the_ceiling_is_of_live_entries),
        cmocka_unit_test(a_walk_is_in_order_of_insertion),
        cmocka_unit_test(deleting_while_walking),
        cmocka_unit_test(it_agrees_with_a_plain_array),
        cmocka_unit_test(memory_follows_the_entries_down),
        cmocka_unit_test(what_was_reserved_neither_allocates_nor_fails),
        cmocka_unit_test(short_memory_changes_nothing),
        cmocka_unit_test(keys_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
