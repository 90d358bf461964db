/* Cursors: byte orders, and that nothing is read or written once the end was passed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cur.h"

static void t_reads(void **state)
{
    (void)state;
    struct rcur c = rcur_of(SPAN_LIT("\x01\x02\x03\x04\x05\x06\x07\x08"
                                     "\x01\x02\x03\x04\x05\x06\x07\x08"
                                     "\xff\x01\x02tail"));
    assert_int_equal(rcur_be(&c, 8), 0x0102030405060708);
    assert_int_equal(rcur_le(&c, 8), 0x0807060504030201);
    assert_int_equal(rcur_be(&c, 1), 0xff);
    assert_int_equal(rcur_le(&c, 2), 0x0201);
    assert_int_equal(rcur_left(&c), 4);
    struct span s = rcur_take(&c, 4);
    assert_memory_equal(s.p, "tail", 4);
    assert_int_equal(rcur_left(&c), 0);
    assert_int_equal(rcur_take(&c, 0).n, 0);
    assert_false(c.bad);
}

static void t_reading_past_the_end_sticks(void **state)
{
    (void)state;
    for (size_t n = 0; n < 4; n++) {
        struct rcur c = rcur_of(span_of("\x01\x02\x03\x04", n));
        assert_int_equal(rcur_be(&c, 4), 0);
        assert_true(c.bad);
        assert_int_equal(rcur_le(&c, 1), 0);
        assert_null(rcur_take(&c, 0).p);
        assert_true(c.bad);
    }
    struct rcur c = rcur_of(SPAN_LIT("\x01\x02\x03\x04"));
    assert_null(rcur_take(&c, SIZE_MAX).p);
    assert_true(c.bad);
}

static void t_nothing_can_be_read_from_nothing(void **state)
{
    (void)state;
    struct rcur c = rcur_of(SPAN_NULL);
    assert_int_equal(rcur_left(&c), 0);
    assert_int_equal(rcur_take(&c, 0).n, 0);
    assert_false(c.bad);
    assert_int_equal(rcur_be(&c, 1), 0);
    assert_true(c.bad);
}

static void t_writes(void **state)
{
    (void)state;
    uint8_t to[22];
    struct wcur c = wcur_of(to, sizeof to);
    wcur_be(&c, 0x0102030405060708, 8);
    wcur_le(&c, 0x0102030405060708, 8);
    wcur_be(&c, 0xaabb, 1);
    wcur_le(&c, 0xaabb, 2);
    wcur_put(&c, "end", 3);
    wcur_put(&c, NULL, 0);
    assert_false(c.bad);
    assert_int_equal(c.end - c.p, 0);
    assert_memory_equal(to,
                        "\x01\x02\x03\x04\x05\x06\x07\x08\x08\x07\x06\x05\x04\x03\x02\x01"
                        "\xbb\xbb\xaa"
                        "end",
                        sizeof to);
}

static void t_writing_past_the_end_sticks(void **state)
{
    (void)state;
    uint8_t to[5] = {0};
    struct wcur c = wcur_of(to, 4);
    wcur_be(&c, 0x01020304, 3);
    wcur_be(&c, 0xffff, 2);
    assert_true(c.bad);
    wcur_put(&c, "x", 1);
    wcur_le(&c, 1, 1);
    assert_true(c.bad);
    assert_memory_equal(to, "\x02\x03\x04\x00\x00", 5);
    c = wcur_of(NULL, 0);
    wcur_put(&c, NULL, 0);
    assert_false(c.bad);
    wcur_put(&c, "x", 1);
    assert_true(c.bad);
}

static void t_spans(void **state)
{
    (void)state;
    struct span s = SPAN_LIT("abc");
    assert_true(span_eq(span_skip(s, 1), SPAN_LIT("bc")));
    assert_int_equal(span_skip(s, 3).n, 0);
    assert_int_equal(span_skip(s, SIZE_MAX).n, 0);
    assert_int_equal(span_skip(SPAN_NULL, 0).n, 0);
    assert_int_equal(span_skip(SPAN_NULL, 5).n, 0);
    assert_true(span_eq(SPAN_NULL, SPAN_LIT("")));
    assert_false(span_eq(s, SPAN_LIT("abd")));
    assert_false(span_eq(s, SPAN_LIT("ab")));
    assert_true(span_eq(s, span_str("abc")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_reads),
        cmocka_unit_test(t_reading_past_the_end_sticks),
        cmocka_unit_test(t_nothing_can_be_read_from_nothing),
        cmocka_unit_test(t_writes),
        cmocka_unit_test(t_writing_past_the_end_sticks),
        cmocka_unit_test(t_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
