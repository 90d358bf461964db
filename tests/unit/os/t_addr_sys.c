#include "os/addr_sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

static struct addr parse(const char *text, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text), 0);
    a.port = port;
    return a;
}

static void there_and_back(const char *text, int domain)
{
    struct addr a = parse(text, 4321);
    struct sockaddr_storage ss = {0};
    socklen_t n = addr_to_sys(&a, domain, &ss);
    assert_int_equal(n,
                     domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    assert_int_equal(ss.ss_family, domain);
    struct addr b = addr_from_sys(&ss);
    assert_true(addr_eq(&a, &b));
    assert_true(addr_same_family(&a, &b));
    assert_int_equal(a.loop6, b.loop6);
}

static void round_trips(void **state)
{
    (void)state;
    there_and_back("192.0.2.7", AF_INET);
    there_and_back("192.0.2.7", AF_INET6);
    there_and_back("127.0.0.1", AF_INET);
    there_and_back("127.0.0.1", AF_INET6);
    there_and_back("::1", AF_INET6);
    there_and_back("2001:db8::5", AF_INET6);
}

static void loopback_keeps_its_family(void **state)
{
    (void)state;
    struct addr six = parse("::1", 1), four = parse("127.0.0.1", 1);
    struct sockaddr_storage ss;
    struct sockaddr_in6 in6;
    char text[INET6_ADDRSTRLEN];
    assert_true(addr_eq(&six, &four));
    assert_int_equal(addr_to_sys(&six, AF_INET6, &ss), sizeof in6);
    memcpy(&in6, &ss, sizeof in6);
    assert_string_equal(inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text), "::1");
    assert_int_equal(addr_to_sys(&four, AF_INET6, &ss), sizeof in6);
    memcpy(&in6, &ss, sizeof in6);
    assert_string_equal(inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text), "::ffff:127.0.0.1");
}

static void six_over_four_is_refused(void **state)
{
    (void)state;
    struct addr a = parse("2001:db8::5", 1), b = parse("::1", 1);
    struct sockaddr_storage ss;
    assert_int_equal(addr_to_sys(&a, AF_INET, &ss), 0);
    assert_int_equal(addr_to_sys(&b, AF_INET, &ss), 0);
}

static void foreign_families_are_none(void **state)
{
    (void)state;
    struct sockaddr_storage ss = {.ss_family = AF_UNIX};
    assert_int_equal(addr_from_sys(&ss).family, ADDR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(loopback_keeps_its_family),
        cmocka_unit_test(six_over_four_is_refused),
        cmocka_unit_test(foreign_families_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
