/* Addresses: the texts of RFC 4291 section 2.2 and RFC 5952, and what is one host to us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/rng.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static struct addr parsed(const char *text)
{
    struct addr a;
    if (addr_parse(&a, text) != 0)
        fail_msg("not an address: %s", text);
    assert_int_equal(a.port, 0);
    return a;
}

static void t_reads_and_writes(void **state)
{
    (void)state;
    static const struct {
        const char *in, *host, *full;
    } rows[] = {
        {"1.2.3.4", "1.2.3.4", "1.2.3.4:443"},
        {"0.0.0.0", "0.0.0.0", "0.0.0.0:443"},
        {"255.255.255.255", "255.255.255.255", "255.255.255.255:443"},
        {"::", "::", "[::]:443"},
        {"::1", "::1", "[::1]:443"},
        {"[::1]", "::1", "[::1]:443"},
        {"2001:db8::1", "2001:db8::1", "[2001:db8::1]:443"},
        {"[2001:DB8::A]", "2001:db8::a", "[2001:db8::a]:443"},
        {"2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1", "[2001:db8::2:1]:443"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:443"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "[2001:0:0:1::1]:443"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "[2001:db8::1:0:0:1]:443"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:443"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "[1:2:3:4:5:6:7:0]:443"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:443"},
        {"1::", "1::", "[1::]:443"},
        {"0:0:1::", "0:0:1::", "[0:0:1::]:443"},
        {"::ffff:1.2.3.4", "1.2.3.4", "1.2.3.4:443"},
        {"::FFFF:7f00:1", "127.0.0.1", "127.0.0.1:443"},
        {"::1.2.3.4", "::102:304", "[::102:304]:443"},
        {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a", "[1:2:3:4:5:6:708:90a]:443"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:443"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[ADDR_TEXT_MAX];
        struct addr a = parsed(rows[i].in);
        assert_string_equal(addr_host_text(&a, text), rows[i].host);
        a.port = 443;
        assert_string_equal(addr_text(&a, text), rows[i].full);
    }
}

static void t_refuses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        ".1.2.3",
        "1..2.3",
        "256.1.1.1",
        "1.2.3.256",
        "1.2.3.1000",
        "1.2.3.-4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4:80",
        "01.2.3.4",
        "1.2.3.00",
        "0x1.2.3.4",
        "a.b.c.d",
        "localhost",
        ":",
        ":::",
        "1:",
        ":1",
        "1::2::3",
        "::1::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8::",
        "12345::",
        "::12345",
        "::g",
        "::1%eth0",
        "::1 ",
        "[::1",
        "::1]",
        "[]",
        "[",
        "]",
        "[[::1]]",
        "[1.2.3.4]",
        "[::1]:443",
        "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.4:5",
        "::256.1.1.1",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::01.2.3.4",
        "1.2.3.4::",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd",
    };
    struct addr a;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (addr_parse(&a, texts[i]) != E_FORMAT)
            fail_msg("not refused: %s", texts[i]);
}

/* What is not special to us reads and writes as the C library has it. */
static void t_agrees_with_inet(void **state)
{
    (void)state;
    struct rng r = {11};
    for (int i = 0; i < 50000; i++) {
        uint8_t ip[16];
        char want[INET6_ADDRSTRLEN], got[ADDR_TEXT_MAX];
        for (int k = 0; k < 16; k++)
            ip[k] = rng_below(&r, 3) ? 0 : (uint8_t)rng_next(&r);
        ip[0] |= 0x20; /* neither mapped nor compatible nor ::1 */
        assert_non_null(inet_ntop(AF_INET6, ip, want, sizeof want));
        struct addr a = addr_v6(ip, 0, 0), b = parsed(want);
        assert_string_equal(addr_host_text(&a, got), want);
        assert_true(addr_eq(&a, &b));
        assert_non_null(inet_ntop(AF_INET, ip, want, sizeof want));
        a = addr_v4(ip, 0);
        b = parsed(want);
        assert_string_equal(addr_host_text(&a, got), want);
        assert_true(addr_eq(&a, &b));
    }
}

static void t_one_host_however_it_came(void **state)
{
    (void)state;
    static const uint8_t v4[4] = {127, 0, 0, 1}, loop6[16] = {[15] = 1};
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};
    struct addr a = addr_v4(v4, 1), b = addr_v6(mapped, 2, 7), c = addr_v6(loop6, 3, 7);
    assert_true(addr_same_host(&a, &b));
    assert_true(addr_same_host(&a, &c));
    assert_true(addr_same_host(&b, &c));
    assert_false(addr_eq(&a, &b));
    b.port = 1;
    assert_true(addr_eq(&a, &b));
    assert_true(addr_same_family(&a, &b));
    assert_false(addr_same_family(&a, &c));
    assert_true(addr_is_loopback(&a) && addr_is_loopback(&b) && addr_is_loopback(&c));
}

static void t_a_zone_tells_hosts_apart(void **state)
{
    (void)state;
    static const uint8_t local[16] = {0xfe, 0x80, [15] = 1};
    struct addr a = addr_v6(local, 1, 2), b = addr_v6(local, 1, 3), c = addr_v6(local, 1, 2);
    assert_false(addr_same_host(&a, &b));
    assert_true(addr_eq(&a, &c));
}

static void t_loopback_and_private(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback, private;
    } rows[] = {
        {"127.0.0.1", true, false},
        {"127.255.255.255", true, false},
        {"126.255.255.255", false, false},
        {"128.0.0.1", false, false},
        {"::1", true, false},
        {"::2", false, false},
        {"::ffff:127.1.2.3", true, false},
        {"10.0.0.0", false, true},
        {"10.255.255.255", false, true},
        {"11.0.0.0", false, false},
        {"9.255.255.255", false, false},
        {"172.15.255.255", false, false},
        {"172.16.0.0", false, true},
        {"172.31.255.255", false, true},
        {"172.32.0.0", false, false},
        {"192.168.0.0", false, true},
        {"192.168.255.255", false, true},
        {"192.167.255.255", false, false},
        {"192.169.0.0", false, false},
        {"169.254.0.1", false, true},
        {"169.253.0.1", false, false},
        {"169.255.0.1", false, false},
        {"fc00::", false, true},
        {"fdff:ffff::1", false, true},
        {"fbff::1", false, false},
        {"fe00::1", false, false},
        {"fe80::1", false, true},
        {"febf:ffff::1", false, true},
        {"fec0::1", false, false},
        {"fe7f::1", false, false},
        {"::ffff:10.0.0.1", false, true},
        {"2001:db8::1", false, false},
        {"0.0.0.0", false, false},
        {"::", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = parsed(rows[i].text);
        if (addr_is_loopback(&a) != rows[i].loopback || addr_is_private(&a) != rows[i].private)
            fail_msg("%s", rows[i].text);
    }
}

static void t_longest_text_fits(void **state)
{
    (void)state;
    uint8_t ip[16];
    char *text = malloc(ADDR_TEXT_MAX);
    assert_non_null(text);
    memset(ip, 0xff, sizeof ip);
    struct addr a = addr_v6(ip, 65535, UINT32_MAX);
    assert_string_equal(addr_text(&a, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_reads_and_writes),         cmocka_unit_test(t_refuses),
        cmocka_unit_test(t_agrees_with_inet),         cmocka_unit_test(t_one_host_however_it_came),
        cmocka_unit_test(t_a_zone_tells_hosts_apart), cmocka_unit_test(t_loopback_and_private),
        cmocka_unit_test(t_longest_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
