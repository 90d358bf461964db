/* Packed rows and parameters' checks, by chance and at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "core/query.h"

#include <stdlib.h>

static char text[QUERY_TEXT_MAX + 1];

static struct value any_value(struct rng *r)
{
    switch (rng_below(r, 4)) {
    case 0: return VALUE_NOTHING;
    case 1: return VALUE_OF_INT((int64_t)rng_next(r));
    case 2: return VALUE_OF_TEXT(span_of(text, rng_below(r, 40)));
    default: return VALUE_OF_TEXT(span_of(text, rng_below(r, QUERY_TEXT_MAX + 1)));
    }
}

static void assert_same(const struct value *a, const struct value *b)
{
    assert_int_equal(a->type, b->type);
    if (a->type == VALUE_INT)
        assert_int_equal(a->u.i, b->u.i);
    if (a->type == VALUE_TEXT)
        assert_true(span_eq(a->u.text, b->u.text));
}

static void what_is_packed_comes_out_again(void **state)
{
    struct rng r = {4};
    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned round = 0; round < 50; round++) {
        struct value rows[20][QUERY_VALUES], v[QUERY_VALUES];
        size_t n[20], rows_n = rng_below(&r, 21), at = 0;
        struct buf to;
        buf_init(&to, 4 * QUERY_BYTES_MAX);
        for (size_t i = 0; i < rows_n; i++) {
            n[i] = rng_below(&r, QUERY_VALUES + 1);
            for (size_t j = 0; j < n[i]; j++)
                rows[i][j] = any_value(&r);
            query_pack(&to, rows[i], n[i]);
        }
        assert_false(to.failed);
        for (size_t i = 0; i < rows_n; i++) {
            assert_int_equal(query_next(buf_span(&to), &at, v), n[i]);
            for (size_t j = 0; j < n[i]; j++)
                assert_same(&rows[i][j], &v[j]);
        }
        assert_int_equal(query_next(buf_span(&to), &at, v), E_NOENT);
        assert_int_equal(at, to.n);
        buf_fini(&to);
    }
}

static void a_buffer_that_is_full_says_so(void **state)
{
    struct value v = VALUE_OF_TEXT(span_of(text, 100));
    struct buf to;
    (void)state;
    buf_init(&to, 106);
    query_pack(&to, &v, 1);
    assert_false(to.failed);
    assert_int_equal(to.n, 106);
    query_pack(&to, &v, 0);
    assert_true(to.failed);
    buf_fini(&to);
}

/* The rule once more, as it is written. */
static bool letter_takes(char letter, const struct value *v)
{
    switch (letter) {
    case 'i': return v->type == VALUE_INT;
    case 't': return v->type == VALUE_TEXT;
    case 'I': return v->type != VALUE_TEXT;
    default: return v->type != VALUE_INT;
    }
}

static void parameters_are_taken_as_their_letters_say(void **state)
{
    struct rng r = {4};
    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned round = 0; round < 5000; round++) {
        struct value v[QUERY_VALUES];
        char letters[QUERY_VALUES + 1] = "";
        size_t n = rng_below(&r, 4);
        bool good = true;
        for (size_t i = 0; i < n; i++) {
            letters[i] = "itIT"[rng_below(&r, 4)];
            v[i] = any_value(&r);
            good = good && letter_takes(letters[i], &v[i]);
        }
        assert_int_equal(query_check(letters, v, n), good ? 0 : E_RANGE);
        assert_int_equal(query_check(letters, v, n + 1), E_RANGE);
    }
}

static void texts_have_a_length_and_a_form(void **state)
{
    struct value v = VALUE_OF_TEXT(span_of(text, QUERY_TEXT_MAX));
    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(query_check("t", &v, 1), 0);
    v.u.text.n++;
    assert_int_equal(query_check("t", &v, 1), E_LIMIT);
    v = VALUE_OF_TEXT(SPAN_NULL);
    assert_int_equal(query_check("t", &v, 1), 0);
    v = VALUE_OF_TEXT(SPAN_LIT("a\0b"));
    assert_int_equal(query_check("t", &v, 1), E_FORMAT);
    v = VALUE_OF_TEXT(SPAN_LIT("\xc0\x80"));
    assert_int_equal(query_check("T", &v, 1), E_FORMAT);
}

static void every_query_fits_the_limits(void **state)
{
    (void)state;
    for (size_t q = 0; q < QUERY_N; q++) {
        const struct query_row *row = &query_table[q];
        assert_true(strlen(row->parameters) <= QUERY_VALUES);
        assert_true(strlen(row->columns) <= QUERY_VALUES);
        assert_int_equal(strspn(row->parameters, "itIT"), strlen(row->parameters));
        assert_int_equal(strspn(row->columns, "itIT"), strlen(row->columns));
        assert_true(row->none <= 0);
    }
}

static void values_read_by_column(void **state)
{
    struct value i = VALUE_OF_INT(-7), t = VALUE_OF_TEXT(SPAN_LIT("a")), none = VALUE_NOTHING;
    (void)state;
    assert_int_equal(query_int(&i), -7);
    assert_int_equal(query_int(&none), 0);
    assert_true(span_eq(query_text(&t), SPAN_LIT("a")));
    assert_int_equal(query_text(&none).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_out_again),
        cmocka_unit_test(a_buffer_that_is_full_says_so),
        cmocka_unit_test(parameters_are_taken_as_their_letters_say),
        cmocka_unit_test(texts_have_a_length_and_a_form),
        cmocka_unit_test(every_query_fits_the_limits),
        cmocka_unit_test(values_read_by_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
