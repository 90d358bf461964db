/* Rate limits: bucket edges, tables at their ceiling, address prefixes, and who is spared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/limit.h"
#include "sim/alloc_fault.h"

#include <stdio.h>

#define T0 (1000 * NSEC_PER_S)

static const uint64_t seed[2] = {1, 2};

static struct addr addr(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text), 0);
    return a;
}

static unsigned take_all(struct bucket *b, const struct rate *r, nsec now)
{
    unsigned n = 0;
    while (n < 1000 && bucket_take(b, r, now))
        n++;
    return n;
}

static void a_burst_then_the_rate(void **state)
{
    (void)state;
    struct rate r = rate_of(10, 5);
    struct bucket b = {0};
    assert_int_equal(take_all(&b, &r, T0), 5);
    assert_true(bucket_wait(&b, &r, T0) == 100 * NSEC_PER_MS);
    assert_false(bucket_take(&b, &r, T0 + 100 * NSEC_PER_MS - 1));
    assert_true(bucket_wait(&b, &r, T0 + 100 * NSEC_PER_MS - 1) == 1);
    assert_true(bucket_wait(&b, &r, T0 + 100 * NSEC_PER_MS) == 0);
    assert_true(bucket_take(&b, &r, T0 + 100 * NSEC_PER_MS));
    assert_false(bucket_take(&b, &r, T0 + 100 * NSEC_PER_MS));
    assert_int_equal(take_all(&b, &r, T0 + 350 * NSEC_PER_MS), 2);
    assert_int_equal(take_all(&b, &r, T0 + 3600 * NSEC_PER_S), 5); /* it does not overflow */
}

static void looking_takes_nothing(void **state)
{
    (void)state;
    struct rate r = rate_of(1, 1);
    struct bucket b = {0};
    for (int i = 0; i < 10; i++)
        assert_true(bucket_wait(&b, &r, T0) == 0);
    assert_int_equal(take_all(&b, &r, T0), 1);
}

static void extremes(void **state)
{
    (void)state;
    struct rate none = rate_of(0, 5), one = rate_of(1, 0), fast = rate_of(1000000, 1000000);
    struct bucket b = {0};
    assert_int_equal(take_all(&b, &none, T0), 1000);
    assert_true(bucket_wait(&b, &none, T0) == 0);
    assert_int_equal(take_all(&b, &one, T0), 1); /* a burst is at least one */
    b = (struct bucket){0};
    assert_int_equal(take_all(&b, &fast, T0), 1000);
    assert_int_equal(take_all(&(struct bucket){0}, &one, 0), 1); /* at the start of time */
}

/* A clock that stands still or a bucket used under another rate must not lock anybody out for long.
 */
static void a_rate_that_changed(void **state)
{
    (void)state;
    struct rate slow = rate_of(1, 60), fast = rate_of(100, 10);
    struct bucket b = {0};
    assert_int_equal(take_all(&b, &slow, T0), 60);
    assert_false(bucket_take(&b, &fast, T0));
    assert_true(bucket_wait(&b, &fast, T0) <= 60 * NSEC_PER_S);
    assert_true(bucket_take(&b, &fast, T0 + bucket_wait(&b, &fast, T0)));
}

static void keys_are_hosts_and_prefixes(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"1.2.3.4", "1.2.3.4", true},
        {"1.2.3.4", "1.2.3.5", false},
        {"1.2.3.4", "::ffff:1.2.3.4", true},
        {"127.0.0.1", "::1", true},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"2001:db8:1:2::1", "1.2.3.4", false},
        {"::2", "0.0.0.0", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t ka[16], kb[16];
        struct addr a = addr(rows[i].a), b = addr(rows[i].b);
        a.port = 1;
        b.port = 2;
        addr_limit_key(&a, ka);
        addr_limit_key(&b, kb);
        if ((memcmp(ka, kb, 16) == 0) != rows[i].same)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

static void each_address_has_its_own(void **state)
{
    (void)state;
    struct addr_limit l;
    struct rate r = rate_of(1, 2);
    struct addr a = addr("192.0.2.1"), b = addr("192.0.2.2"), c = addr("2001:db8::1"),
                d = addr("2001:db8::2:0:0:1");
    addr_limit_init(&l, seed, 100);
    assert_true(addr_limit_take(&l, &a, &r, T0));
    assert_true(addr_limit_take(&l, &a, &r, T0));
    assert_false(addr_limit_take(&l, &a, &r, T0));
    assert_true(addr_limit_take(&l, &b, &r, T0));
    assert_true(addr_limit_take(&l, &c, &r, T0));
    assert_true(addr_limit_take(&l, &d, &r, T0));
    assert_false(addr_limit_take(&l, &c, &r, T0)); /* one /64, one bucket */
    assert_true(addr_limit_take(&l, &a, &r, T0 + NSEC_PER_S));
    addr_limit_fini(&l);
}

static struct addr nth_addr(unsigned i)
{
    uint8_t ip[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
    return addr_v4(ip, 1);
}

static void a_full_table_refuses_strangers_until_swept(void **state)
{
    (void)state;
    struct addr_limit l;
    struct rate r = rate_of(1, 10);
    struct addr a;
    addr_limit_init(&l, seed, 8);
    for (unsigned i = 0; i < 8; i++) {
        a = nth_addr(i);
        assert_true(addr_limit_take(&l, &a, &r, T0 + NSEC_PER_S));
    }
    struct addr known = nth_addr(3), stranger = nth_addr(100);
    assert_false(addr_limit_take(&l, &stranger, &r, T0 + NSEC_PER_S));
    assert_true(addr_limit_take(&l, &known, &r, T0 + NSEC_PER_S)); /* who is in stays in */
    /* Swept at T0 + 1 s, and not again before a second has passed. */
    assert_false(addr_limit_take(&l, &stranger, &r, T0 + 2 * NSEC_PER_S - 1));
    assert_true(addr_limit_take(&l, &stranger, &r, T0 + 2 * NSEC_PER_S));
    assert_int_equal(l.full_at.live, 2); /* `known` was ahead by two */
    addr_limit_fini(&l);
}

static void memory_goes_back_after_a_flood(void **state)
{
    (void)state;
    struct addr_limit l;
    struct rate r = rate_of(100, 100);
    struct addr a;
    long start = alloc_live_bytes();
    addr_limit_init(&l, seed, 65536);
    for (unsigned i = 0; i < 70000; i++) {
        a = nth_addr(i);
        (void)addr_limit_take(&l, &a, &r, T0);
    }
    assert_int_equal(l.full_at.live, 65536);
    addr_limit_sweep(&l, T0 + 9 * NSEC_PER_MS);
    assert_int_equal(l.full_at.live, 65536);
    addr_limit_sweep(&l, T0 + 10 * NSEC_PER_MS);
    assert_int_equal(l.full_at.live, 0);
    assert_int_equal(alloc_live_bytes(), start);
    a = nth_addr(5);
    assert_true(addr_limit_take(&l, &a, &r, T0 + NSEC_PER_S));
    addr_limit_fini(&l);
}

static void short_memory_refuses(void **state)
{
    (void)state;
    struct addr_limit l;
    struct rate r = rate_of(1, 10);
    struct addr a = nth_addr(1);
    addr_limit_init(&l, seed, 8);
    alloc_fault_from(1);
    assert_false(addr_limit_take(&l, &a, &r, T0));
    alloc_fault_at(0);
    assert_true(addr_limit_take(&l, &a, &r, T0));
    addr_limit_fini(&l);
}

static void who_is_spared(void **state)
{
    (void)state;
    static const struct {
        const char *text, *who;
        bool spared;
    } rows[] = {
        {"", "127.0.0.1", false},
        {"none", "127.0.0.1", false},
        {"loopback", "127.0.0.1", true},
        {"loopback", "127.9.9.9", true},
        {"loopback", "::1", true},
        {"loopback", "10.0.0.1", false},
        {"private", "10.0.0.1", true},
        {"private", "127.0.0.1", false},
        {"private", "fd00::1", true},
        {"private", "8.8.8.8", false},
        {"loopback private", "192.168.1.1", true},
        {"loopback,private", "172.16.0.1", true},
        {" ,\tloopback , private,", "172.31.255.255", true},
        {"private", "172.32.0.1", false},
        {"203.0.113.7", "203.0.113.7", true},
        {"203.0.113.7", "203.0.113.8", false},
        {"203.0.113.7/32", "203.0.113.8", false},
        {"203.0.113.0/24", "203.0.113.255", true},
        {"203.0.113.0/24", "203.0.114.0", false},
        {"203.0.113.99/24", "203.0.113.1", true}, /* host bits do not matter */
        {"203.0.112.0/23", "203.0.113.1", true},
        {"203.0.112.0/23", "203.0.114.1", false},
        {"128.0.0.0/1", "200.1.1.1", true},
        {"128.0.0.0/1", "100.1.1.1", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "8.8.8.8", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"::ffff:203.0.113.0/120", "203.0.113.9", true},
        {"::ffff:203.0.113.0/120", "203.0.114.9", false},
        {"::1", "127.0.0.1", true},
        {"::1/128", "127.0.0.2", false},
        {"1.1.1.1 none 2.2.2.2", "2.2.2.2", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exempt e;
        struct buf why;
        struct addr a = addr(rows[i].who);
        buf_init(&why, 256);
        if (exempt_parse(&e, rows[i].text, &why) || exempt_has(&e, &a) != rows[i].spared)
            fail_msg("\"%s\" and %s", rows[i].text, rows[i].who);
        buf_fini(&why);
    }
}

static void bad_words_are_named(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "nonsense",
        "Loopback",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.4/",
        "1.2.3.4/33",
        "1.2.3.4/-1",
        "1.2.3.4/8x",
        "1.2.3.4/99999999999",
        "1.2.3.4/ 8",
        "/8",
        "::/129",
        "::1/64",
        "::1/96",
        "::1/127",
        "::ffff:1.2.3.4/95",
        "fe80::1%eth0",
        "1.2.3.4/24/24",
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "a"
         "aa"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exempt e = {.loopback = true, .nets_n = 7};
        struct buf why;
        char text[256];
        (void)snprintf(text, sizeof text, "private %s loopback", rows[i]);
        buf_init(&why, 256);
        if (exempt_parse(&e, text, &why) != E_FORMAT)
            fail_msg("\"%s\" was taken", rows[i]);
        size_t n = strcspn(rows[i], " ");
        assert_false(why.failed);
        assert_non_null(memmem(why.p, why.n, rows[i], n));
        assert_true(e.loopback && !e.private && e.nets_n == 7); /* untouched */
        buf_fini(&why);
    }
}

static void the_number_of_networks_is_limited(void **state)
{
    (void)state;
    struct buf text, why;
    struct exempt e;
    buf_init(&text, 4096);
    buf_init(&why, 256);
    for (unsigned i = 0; i < EXEMPT_NETS_MAX; i++)
        assert_int_equal(buf_printf(&text, "10.0.%u.0/24 ", i), 0);
    assert_int_equal(buf_append_byte(&text, 0), 0);
    assert_int_equal(exempt_parse(&e, (const char *)text.p, &why), 0);
    assert_int_equal(e.nets_n, EXEMPT_NETS_MAX);
    struct addr last = addr("10.0.31.1"), beyond = addr("10.0.32.1");
    assert_true(exempt_has(&e, &last));
    assert_false(exempt_has(&e, &beyond));
    text.n--;
    assert_int_equal(buf_append(&text, "1.1.1.1", 8), 0);
    assert_int_equal(exempt_parse(&e, (const char *)text.p, &why), E_FORMAT);
    buf_fini(&text);
    buf_fini(&why);
}

static void how_much_at_once(void **state)
{
    (void)state;
    struct addr_count c;
    struct addr a = addr("203.0.113.1"), b = addr("203.0.113.2");
    addr_count_init(&c, seed, 2);
    assert_false(addr_count_take(&c, &a, 0));
    assert_true(addr_count_take(&c, &a, 2));
    assert_true(addr_count_take(&c, &a, 2));
    assert_false(addr_count_take(&c, &a, 2));
    assert_true(addr_count_take(&c, &a, 3)); /* the limit was raised */
    assert_true(addr_count_take(&c, &b, 1));
    struct addr six = addr("2001:db8::1"), same = addr("2001:db8::ffff:1");
    assert_false(addr_count_take(&c, &six, 1)); /* no room to count it */
    addr_count_give(&c, &b);
    addr_count_give(&c, &b); /* once too often is nobody's harm */
    assert_true(addr_count_take(&c, &six, 1));
    assert_false(addr_count_take(&c, &same, 1)); /* its /64 */
    for (unsigned i = 0; i < 3; i++)
        addr_count_give(&c, &a);
    addr_count_give(&c, &same);
    assert_int_equal(c.n.live, 0);
    addr_count_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(looking_takes_nothing),
        cmocka_unit_test(extremes),
        cmocka_unit_test(a_rate_that_changed),
        cmocka_unit_test(keys_are_hosts_and_prefixes),
        cmocka_unit_test(each_address_has_its_own),
        cmocka_unit_test(a_full_table_refuses_strangers_until_swept),
        cmocka_unit_test(memory_goes_back_after_a_flood),
        cmocka_unit_test(short_memory_refuses),
        cmocka_unit_test(how_much_at_once),
        cmocka_unit_test(who_is_spared),
        cmocka_unit_test(bad_words_are_named),
        cmocka_unit_test(the_number_of_networks_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
