/* The JSON writer: exact texts, and everything it writes is read back as it was. */
#include "exact.h"

#include "base/rng.h"
#include "wire/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

static void assert_put_string(struct span in, const char *want)
{
    struct buf b;
    buf_init(&b, 256);
    json_put_string(&b, in);
    assert_false(b.failed);
    assert_text(buf_span(&b), want);
    buf_fini(&b);
}

static void t_string_escapes_what_it_must(void **state)
{
    (void)state;
    assert_put_string(SPAN_NULL, "\"\"");
    assert_put_string(SPAN_LIT("plain /<>&'+ text"), "\"plain /<>&'+ text\"");
    assert_put_string(SPAN_LIT("\"\\"), "\"\\\"\\\\\"");
    assert_put_string(SPAN_LIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    assert_put_string(SPAN_LIT("a\0\x01\x0b\x1f\x7f"), "\"a\\u0000\\u0001\\u000b\\u001f\x7f\"");
    assert_put_string(SPAN_LIT("h\xc3\xa9\xf0\x9f\x98\x80"), "\"h\xc3\xa9\xf0\x9f\x98\x80\"");
}

static void t_string_fails_the_buffer_at_its_ceiling(void **state)
{
    (void)state;
    for (size_t max = 0; max <= 8; max++) {
        struct buf b;
        buf_init(&b, max);
        json_put_string(&b, SPAN_LIT("ab\ncd"));
        assert_int_equal(b.failed, max < 8);
        assert_true(b.n <= max);
        buf_fini(&b);
    }
}

static void t_string_comes_back(void **state)
{
    (void)state;
    struct rng r = {3};
    struct buf b;
    buf_init(&b, 4096);
    for (int i = 0; i < 20000; i++) {
        uint8_t in[64], out[64];
        size_t n = rng_below(&r, sizeof in + 1);
        for (size_t k = 0; k < n; k++)
            in[k] = (uint8_t)rng_below(&r, 128);
        buf_clear(&b);
        json_put_string(&b, span_of(in, n));
        struct json_val v = {(enum json_type)json_check(buf_span(&b)), buf_span(&b)};
        assert_int_equal(v.type, JSON_STRING);
        assert_int_equal(json_string(&v, out, sizeof out), n);
        assert_span(span_of(out, n), in, n);
    }
    buf_fini(&b);
}

static void assert_put_int(int64_t v, const char *want)
{
    struct buf b;
    buf_init(&b, 32);
    json_put_int(&b, v);
    assert_text(buf_span(&b), want);
    buf_fini(&b);
}

static void t_int(void **state)
{
    (void)state;
    assert_put_int(0, "0");
    assert_put_int(-1, "-1");
    assert_put_int(10, "10");
    assert_put_int(1700000000123, "1700000000123");
    assert_put_int(INT64_MAX, "9223372036854775807");
    assert_put_int(INT64_MIN, "-9223372036854775808");
}

static void assert_put_float(float f, const char *want)
{
    struct buf b;
    buf_init(&b, 32);
    json_put_float(&b, f);
    assert_false(b.failed);
    assert_text(buf_span(&b), want);
    buf_fini(&b);
}

static void t_float_of_known_values(void **state)
{
    (void)state;
    assert_put_float(0.0F, "0");
    assert_put_float(-0.0F, "-0");
    assert_put_float(66.0F, "66");
    assert_put_float(-2.0F, "-2");
    assert_put_float(0.8F, "0.8");
    assert_put_float(1e-5F, "1e-05");
    assert_put_float(0.0001F, "0.0001");
    assert_put_float(0.001F, "0.001");
    assert_put_float(0.00099999994F, "0.0009999999");
    assert_put_float(0.99999994F, "0.99999994");
    assert_put_float(9.999999F, "9.999999");
    assert_put_float(100000.0F, "100000");
    assert_put_float(999999.0F, "999999");
    assert_put_float(1000000.0F, "1e+06");
    assert_put_float(1000001.0F, "1000001");
    assert_put_float(16777216.0F, "16777216");
    assert_put_float(123456792.0F, "1.2345679e+08");
    assert_put_float(999999936.0F, "9.9999994e+08");
    assert_put_float(1e9F, "1e+09");
    assert_put_float(FLT_MAX, "3.4028235e+38");
    assert_put_float(-FLT_MIN, "-1.1754944e-38");
    assert_put_float(0x1p-149F, "1.4013e-45");
}

static void t_float_that_is_not_finite_fails_the_buffer(void **state)
{
    (void)state;
    static const float floats[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < ARRAY_LEN(floats); i++) {
        struct buf b;
        buf_init(&b, 32);
        json_put_float(&b, floats[i]);
        assert_true(b.failed);
        assert_int_equal(b.n, 0);
        buf_fini(&b);
    }
}

/* Of every class of floats some: the text is what printf's shortest precision gives, and our own
 * reader gives the float back. */
static void t_float_is_the_shortest_that_comes_back(void **state)
{
    (void)state;
    static const float scales[] = {1e-6F, 1e-4F, 1e-3F, 1e-2F, 0.1F, 1, 10, 1e3F, 1e6F, 1e8F, 4e9F};
    struct rng r = {4};
    struct buf b;
    buf_init(&b, 64);
    for (int i = 0; i < 300000; i++) {
        uint32_t bits = (uint32_t)rng_next(&r);
        float f, back = 0;
        memcpy(&f, &bits, sizeof f);
        if (i % 2)
            f = (float)(rng_unit(&r) - 0.5) * scales[rng_below(&r, ARRAY_LEN(scales))];
        if (i % 8 == 1)
            f = roundf(f * 1000) / 1000;
        if (!isfinite(f))
            continue;
        char want[32];
        for (int places = 6; places <= 9; places++) {
            snprintf(want, sizeof want, "%.*g", places, (double)f);
            if (strtof(want, NULL) == f)
                break;
        }
        buf_clear(&b);
        json_put_float(&b, f);
        struct json_val v = {JSON_NUMBER, buf_span(&b)};
        if (json_check(v.raw) != JSON_NUMBER || json_float(&v, &back) || back != f ||
            !span_eq(v.raw, span_str(want)))
            fail_msg("%a: %.*s, not %s", (double)f, (int)b.n, (const char *)b.p, want);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_string_escapes_what_it_must),
        cmocka_unit_test(t_string_fails_the_buffer_at_its_ceiling),
        cmocka_unit_test(t_string_comes_back),
        cmocka_unit_test(t_int),
        cmocka_unit_test(t_float_of_known_values),
        cmocka_unit_test(t_float_that_is_not_finite_fails_the_buffer),
        cmocka_unit_test(t_float_is_the_shortest_that_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
