/* Who may talk to the admin port: Host names, sources, forwarding headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/guard.h"
#include "base/err.h"

static void host_names(void **state)
{
    (void)state;
    static const struct {
        const char *host, *name; /* name NULL: malformed */
    } cases[] = {
        {"localhost", "localhost"},
        {"localhost:8080", "localhost"},
        {"a:0", "a"},
        {"a:65535", "a"},
        {"a:99999", "a"},
        {"127.0.0.1:80", "127.0.0.1"},
        {"[::1]", "[::1]"},
        {"[::1]:8080", "[::1]"},
        {"a:", NULL},
        {"a:123456", NULL},
        {"a:8o", NULL},
        {"a:80:80", NULL},
        {"::1", NULL},
        {"", NULL},
        {":80", NULL},
        {"[::1", "[::1"}, /* no address either */
        {"[::1]x", NULL},
        {"a b", NULL},
        {"a\tb", NULL},
        {"caf\xc3\xa9", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct span name;
        int rc = guard_host_name(span_str(cases[i].host), &name);
        assert_int_equal(rc, cases[i].name ? 0 : E_FORMAT);
        if (cases[i].name)
            assert_true(span_eq(name, span_str(cases[i].name)));
    }
}

static void known_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *names;
        bool known;
    } cases[] = {
        {"localhost", "", true},
        {"LocalHost", "", true},
        {"localhost.", "", true},
        {"127.0.0.1", "", true},
        {"203.0.113.9", "", true},
        {"[::1]", "", true},
        {"[2001:db8::1]", "", true},
        {"[::1", "", false},
        {".", "", false},
        {"localhost.evil.example", "", false},
        {"127.0.0.1.evil.example", "", false},
        {"2130706433", "", false},
        {"evil.example", "", false},
        {"game.example", "game.example", true},
        {"GAME.example.", "other.example  \t game.example ", true},
        {"game.exampl", "game.example", false},
        {"game.examplee", "game.example", false},
        {"a.game.example", "game.example", false},
        {"a.game.example", "*.game.example", true},
        {"a.b.game.example", "*.game.example", false},
        {"game.example", "*.game.example", false},
        {".game.example", "*.game.example", false},
        {"anything", "*", false},
        {"a.", "*.", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (guard_host_known(span_str(cases[i].name), cases[i].names) != cases[i].known)
            fail_msg("%s among \"%s\"", cases[i].name, cases[i].names);
}

static void sources(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool lan, loopback;
    } cases[] = {
        {"127.0.0.1", true, true},
        {"127.255.255.255", true, true},
        {"::1", true, true},
        {"::ffff:127.0.0.1", true, true},
        {"10.0.0.1", true, false},
        {"172.16.0.1", true, false},
        {"172.31.255.255", true, false},
        {"172.32.0.1", false, false},
        {"192.168.1.1", true, false},
        {"192.169.1.1", false, false},
        {"169.254.1.1", true, false},
        {"::ffff:10.0.0.1", true, false},
        {"fd00::1", true, false},
        {"fe80::1", true, false},
        {"2001:db8::1", false, false},
        {"8.8.8.8", false, false},
        {"100.64.0.1", false, false},
        {"0.0.0.0", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr a;
        assert_int_equal(addr_parse(&a, cases[i].address), 0);
        if (guard_source_allowed(&a, GUARD_LAN) != cases[i].lan ||
            guard_source_allowed(&a, GUARD_LOOPBACK) != cases[i].loopback)
            fail_msg("%s", cases[i].address);
    }
    struct addr none = {.family = ADDR_NONE};
    assert_false(guard_source_allowed(&none, GUARD_LAN));
}

static void forwarding_headers(void **state)
{
    (void)state;
    assert_true(guard_is_forwarding(SPAN_LIT("Forwarded")));
    assert_true(guard_is_forwarding(SPAN_LIT("x-forwarded-for")));
    assert_true(guard_is_forwarding(SPAN_LIT("X-REAL-IP")));
    assert_true(guard_is_forwarding(SPAN_LIT("via")));
    assert_false(guard_is_forwarding(SPAN_LIT("X-Forwarded-Fo")));
    assert_false(guard_is_forwarding(SPAN_LIT("Host")));
    assert_false(guard_is_forwarding(SPAN_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_names),
        cmocka_unit_test(known_hosts),
        cmocka_unit_test(sources),
        cmocka_unit_test(forwarding_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
