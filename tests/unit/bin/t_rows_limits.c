/* The tables of limits name keys that are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bin/rows.h"

static void limits_name_keys(void **state)
{
    (void)state;
    struct config *c;
    assert_int_equal(rows_config(&c), 0);
    assert_int_equal(rows_limits_unknown(c), 0);
    config_destroy(c);
}

static void keys_name_their_limit(void **state)
{
    (void)state;
    assert_non_null(rows_limit("limits.handshakes_per_address"));
    assert_non_null(rows_limit("racing.rooms_per_address"));
    assert_non_null(rows_limit("admin.max_connections"));
    assert_null(rows_limit("racing.port"));
    assert_null(rows_limit("limits.exempt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_name_keys),
        cmocka_unit_test(keys_name_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
