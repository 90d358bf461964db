/* The error table: every code once, with a name, a text and a class. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/types.h"

static const int codes[] = {
#define E(name, number, class, text) name,
#include "base/err.def"
#undef E
};

static void t_every_code_is_negative_and_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_true(codes[i] < 0);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(codes[i], codes[k]);
            assert_string_not_equal(err_name(codes[i]), err_name(codes[k]));
            assert_string_not_equal(err_text(codes[i]), err_text(codes[k]));
        }
    }
}

static void t_names_texts_classes(void **state)
{
    (void)state;
    assert_string_equal(err_name(E_FULL), "E_FULL");
    assert_string_equal(err_text(E_LIMIT), "input over its limit");
    assert_int_equal(err_class(E_FORMAT), ERR_CLASS_PEER);
    assert_int_equal(err_class(E_NOMEM), ERR_CLASS_ENV);
}

static void t_unknown_codes_are_bugs(void **state)
{
    (void)state;
    static const int unknown[] = {0, 1, -9999, E_NOMEM * -1};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_string_equal(err_name(unknown[i]), "E_UNKNOWN");
        assert_string_equal(err_text(unknown[i]), "unknown error");
        assert_int_equal(err_class(unknown[i]), ERR_CLASS_BUG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_every_code_is_negative_and_its_own),
        cmocka_unit_test(t_names_texts_classes),
        cmocka_unit_test(t_unknown_codes_are_bugs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
