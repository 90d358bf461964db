/* The limits section as it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/limits.h"

static struct config *configured(const char *key, const char *value)
{
    struct config *c;
    struct buf why;
    buf_init(&why, 256);
    assert_int_equal(config_create(&c, &limits_config, 1), 0);
    assert_int_equal(config_set(c, span_str(key), span_str(value), CONFIG_FILE, &why), 0);
    return c;
}

static bool holds(const struct exempt *e, const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text), 0);
    return exempt_has(e, &a);
}

static void by_default(void **state)
{
    (void)state;
    struct limits l;
    struct buf why;
    buf_init(&why, 256);
    struct config *c = configured("limits.handshakes_per_address", "7");
    assert_int_equal(limits_load(&l, c, &why), 0);
    assert_int_equal(why.n, 0);
    assert_int_equal(l.handshakes_per_addr, 7);
    assert_true(holds(&l.exempt, "127.0.0.1") && holds(&l.exempt, "10.1.2.3"));
    assert_false(holds(&l.exempt, "203.0.113.1"));
    assert_false(holds(&l.proxies, "127.0.0.1") || holds(&l.proxies, "10.1.2.3"));
    config_destroy(c);
    buf_fini(&why);
}

static void proxies_that_are_given(void **state)
{
    (void)state;
    struct limits l;
    struct buf why;
    buf_init(&why, 256);
    struct config *c = configured("limits.proxies", "203.0.113.0/24, 2001:db8::1");
    assert_int_equal(limits_load(&l, c, &why), 0);
    assert_true(holds(&l.proxies, "203.0.113.9") && holds(&l.proxies, "2001:db8::1"));
    assert_false(holds(&l.proxies, "2001:db8::2") || holds(&l.proxies, "127.0.0.1"));
    config_destroy(c);
    buf_fini(&why);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const keys[] = {"limits.exempt", "limits.proxies"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct limits l = {.handshakes_per_addr = 99};
        struct buf why;
        buf_init(&why, 256);
        struct config *c = configured(keys[i], "loopback nonsense");
        assert_int_equal(limits_load(&l, c, &why), E_CONFIG);
        assert_int_equal(buf_append_byte(&why, 0), 0);
        assert_ptr_equal(strstr((const char *)why.p, keys[i]), why.p);
        assert_non_null(strstr((const char *)why.p, "'nonsense'"));
        assert_int_equal(l.handshakes_per_addr, 99);
        config_destroy(c);
        buf_fini(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default),
        cmocka_unit_test(proxies_that_are_given),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
