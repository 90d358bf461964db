/* JSON numbers to C numbers: exactly the nearest, whatever the digits and the locale. */
#include "exact.h"

#include "base/rng.h"
#include "wire/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

static struct json_val number(const char *text)
{
    struct json_val v = {JSON_NUMBER, span_str(text)};
    if (json_check(v.raw) != JSON_NUMBER)
        fail_msg("no number: %s", text);
    return v;
}

static uint64_t bits_of(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static void assert_double(const char *text, double want)
{
    struct json_val v = number(text);
    double got = 77;
    if (json_double(&v, &got) != 0 || bits_of(got) != bits_of(want))
        fail_msg("%s: %a, not %a", text, got, want);
}

static void assert_float(const char *text, float want)
{
    struct json_val v = number(text);
    float got = 77;
    if (json_float(&v, &got) != 0 || bits_of((double)got) != bits_of((double)want))
        fail_msg("%s: %a, not %a", text, (double)got, (double)want);
}

static void t_double_of_known_texts(void **state)
{
    (void)state;
    assert_double("0", 0.0);
    assert_double("-0", -0.0);
    assert_double("-0.000e5", -0.0);
    assert_double("66", 66);
    assert_double("-2", -2);
    assert_double("0.8", 0x1.999999999999ap-1);
    assert_double("123.456", 0x1.edd2f1a9fbe77p+6);
    assert_double("1700000000123", 1700000000123.0);
    assert_double("1e22", 0x1.0f0cf064dd592p+73);
    assert_double("1e23", 0x1.52d02c7e14af6p+76);
    assert_double("9007199254740992", 0x1p+53);
    assert_double("9007199254740993", 0x1p+53);
    assert_double("9007199254740993.0000000000000000000000001", 0x1.0000000000001p+53);
    assert_double("9007199254740995", 0x1.0000000000002p+53);
    assert_double("1.7976931348623157e308", DBL_MAX);
    assert_double("2.2250738585072014e-308", DBL_MIN);
    assert_double("2.2250738585072011e-308", 0x0.fffffffffffffp-1022);
    assert_double("4.9e-324", 0x1p-1074);
    assert_double("2e-324", 0.0);
    assert_double("-1e-400", -0.0);
    assert_double("1e-99999999999999999999999", 0.0);
    assert_double("0e99999999999999999999999", 0.0);
    assert_double("0.0000000000000000000000000000000000000000000001e46", 1);
    assert_double("10000000000000000000000000000000000000000000000e-46", 1);
}

static void t_double_refuses_overflow(void **state)
{
    (void)state;
    static const char *const texts[] = {"1e309", "-1e309", "1.7976931348623159e308",
                                        "1e99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct json_val v = number(texts[i]);
        double d;
        float f;
        assert_int_equal(json_double(&v, &d), E_RANGE);
        assert_int_equal(json_float(&v, &f), E_RANGE);
    }
}

static void t_float_of_known_texts(void **state)
{
    (void)state;
    assert_float("0", 0.0F);
    assert_float("-0.0", -0.0F);
    assert_float("0.1", 0x1.99999ap-4F);
    assert_float("16777216", 0x1p24F);
    assert_float("16777217", 0x1p24F);
    assert_float("16777219", 0x1.000004p24F);
    assert_float("3.4028235e38", FLT_MAX);
    assert_float("3.40282356e38", FLT_MAX);
    assert_float("1.17549435e-38", FLT_MIN);
    assert_float("1.4e-45", 0x1p-149F);
    assert_float("7e-46", 0.0F);
    assert_float("7.1e-46", 0x1p-149F);
    /* A double lies exactly between two floats here, the text just beside it: rounding twice errs.
     */
    assert_float("1.00000005960464477540", 0x1.000002p0F);
    assert_float("1.00000005960464477538", 1.0F);
    assert_float("1.000000059604644775390625", 1.0F);
    assert_float("1.0000000596046447753906250000000000000000001", 0x1.000002p0F);
    assert_float("1.000000178813934326171875", 0x1.000004p0F);
    assert_float("1.00000017881393432617187499999999999999", 0x1.000002p0F);
}

static void t_float_refuses_overflow(void **state)
{
    (void)state;
    float f = 1;
    struct json_val v = number("3.4028236e38");
    assert_int_equal(json_float(&v, &f), E_RANGE);
    v = number("-3.41e38");
    assert_int_equal(json_float(&v, &f), E_RANGE);
    assert_true(f == 1.0F);
}

/* The C library reads the same texts, in the C locale, correctly rounded. */
static void compare(const char *text)
{
    struct json_val v = number(text);
    double d = 0, want_d = strtod(text, NULL);
    float f = 0, want_f = strtof(text, NULL);
    int rc = json_double(&v, &d);
    if (isfinite(want_d) ? rc != 0 || bits_of(d) != bits_of(want_d) : rc != E_RANGE)
        fail_msg("double of %s: %a, not %a", text, d, want_d);
    rc = json_float(&v, &f);
    if (isfinite(want_f) ? rc != 0 || bits_of((double)f) != bits_of((double)want_f) : rc != E_RANGE)
        fail_msg("float of %s: %a, not %a", text, (double)f, (double)want_f);
}

static void t_agrees_with_strtod(void **state)
{
    (void)state;
    struct rng r = {1};
    char text[128];
    for (int i = 0; i < 200000; i++) {
        size_t n = 0, digits = 1 + rng_below(&r, i % 10 ? 19 : 60);
        if (rng_below(&r, 2))
            text[n++] = '-';
        text[n++] = (char)('1' + rng_below(&r, 9));
        size_t point = rng_below(&r, digits + 1);
        for (size_t k = 1; k < digits; k++) {
            if (k == point)
                text[n++] = '.';
            text[n++] = (char)('0' + rng_below(&r, 10));
        }
        int e = (int)rng_below(&r, 80) - 40;
        if (i % 3 == 0)
            e = (int)rng_below(&r, 720) - 370;
        snprintf(text + n, sizeof text - n, "e%d", e);
        if (i % 5 == 0)
            text[n] = '\0';
        compare(text);
    }
}

/* Points exactly between two neighbours, and a digit beside them, are where rounding goes wrong. */
static void t_agrees_with_strtod_halfway(void **state)
{
    (void)state;
    struct rng r = {2};
    char text[1400];
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = rng_next(&r) >> 1;
        double low;
        memcpy(&low, &bits, sizeof low);
        if (!isfinite(low))
            continue;
        /* Long double holds the midpoint of two doubles exactly; printf prints it exactly. */
        long double mid = ((long double)low + (long double)nextafter(low, DBL_MAX)) / 2;
        int n = snprintf(text, sizeof text, "%.*Le", 800, mid);
        assert_true(n > 0 && (size_t)n < sizeof text - 1);
        compare(text);
        float f = (float)(rng_unit(&r) * pow(10, (double)rng_below(&r, 20) - 10));
        double middle = ((double)f + (double)nextafterf(f, FLT_MAX)) / 2;
        snprintf(text, sizeof text, "%.60e", middle);
        compare(text);
        snprintf(text, sizeof text, "%.20e", middle);
        compare(text);
        snprintf(text, sizeof text, "%.16e", middle);
        compare(text);
    }
}

/* The digits past what rounding can need are dropped, but not forgotten. */
static void t_reads_very_long_numbers(void **state)
{
    (void)state;
    enum { LONG = 5000 };
    static char text[LONG + 32];
    /* 2^53 + 1, a tie, with zeros behind it: to even. A 1 at the very end breaks the tie upwards.
     */
    int n = snprintf(text, sizeof text, "9007199254740993.");
    memset(text + n, '0', LONG);
    assert_double(text, 0x1p53);
    text[n + LONG - 1] = '1';
    assert_double(text, 0x1.0000000000001p53);
    /* The same before the point. */
    n = snprintf(text, sizeof text, "9007199254740993");
    memset(text + n, '0', 292);
    snprintf(text + n + 292, sizeof text - (size_t)n - 292, "e-292");
    assert_double(text, 0x1p53);
    text[n + 291] = '1';
    assert_double(text, 0x1.0000000000001p53);
    memset(text, '1', LONG);
    text[LONG] = '\0';
    compare(text);
    snprintf(text + LONG, sizeof text - LONG, "e-%d", LONG);
    compare(text);
    memset(text + 1, '0', LONG - 1);
    text[1] = '.';
    snprintf(text + LONG, sizeof text - LONG, "123e%d", LONG);
    text[0] = '0';
    compare(text);
}

static void t_int(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t want;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"1700000000123", 0, 1700000000123},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", E_RANGE, 0},
        {"-9223372036854775808", 0, INT64_MIN},
        {"-9223372036854775809", E_RANGE, 0},
        {"92233720368547758070", E_RANGE, 0},
        {"100000000000000000000000000000000", E_RANGE, 0},
        {"1.0", E_FORMAT, 0},
        {"92233720368547758080.5", E_FORMAT, 0},
        {"1e3", E_FORMAT, 0},
        {"1E3", E_FORMAT, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_val v = number(rows[i].text);
        int64_t got = 0;
        if (json_int(&v, &got) != rows[i].rc || got != rows[i].want)
            fail_msg("%s: %lld", rows[i].text, (long long)got);
    }
}

static void t_refuses_other_types(void **state)
{
    (void)state;
    static const enum json_type types[] = {JSON_ABSENT, JSON_NULL,   JSON_TRUE, JSON_FALSE,
                                           JSON_STRING, JSON_OBJECT, JSON_ARRAY};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct json_val v = {types[i], SPAN_LIT("1")};
        double d;
        float f;
        int64_t n;
        assert_int_equal(json_double(&v, &d), E_FORMAT);
        assert_int_equal(json_float(&v, &f), E_FORMAT);
        assert_int_equal(json_int(&v, &n), E_FORMAT);
    }
}

/* Makes a locale of its own, because a test machine may have none but C. */
static bool enter_locale(const char *name)
{
    char command[256], folder[] = "locale-XXXXXX";
    if (!mkdtemp(folder))
        return false;
    snprintf(command, sizeof command, "localedef -i %s -f UTF-8 ./%s/%s.UTF-8 >/dev/null 2>&1",
             name, folder, name);
    bool made = system(command) == 0;
    setenv("LOCPATH", folder, 1);
    snprintf(command, sizeof command, "%s.UTF-8", name);
    bool entered = made && setlocale(LC_ALL, command) != NULL;
    snprintf(command, sizeof command, "rm -r ./%s", folder);
    return system(command) == 0 && entered;
}

static void in_locale(const char *name)
{
    if (!enter_locale(name))
        skip(); /* no localedef or no sources here */
    assert_string_not_equal(localeconv()->decimal_point, ".");
    assert_double("0.8", 0x1.999999999999ap-1);
    assert_double("-1.7976931348623157e308", -DBL_MAX);
    assert_double("4.9e-324", 0x1p-1074);
    assert_float("1.00000005960464477540", 0x1.000002p0F);
    static const float floats[] = {0.8F, -123.456F, 1.5e-7F, -0x1.8p-149F, 3.4028235e38F};
    static const char *const texts[] = {"0.8", "-123.456", "1.5e-07", "-2.8026e-45",
                                        "3.4028235e+38"};
    for (size_t i = 0; i < ARRAY_LEN(floats); i++) {
        struct buf b;
        buf_init(&b, 64);
        json_put_float(&b, floats[i]);
        assert_text(buf_span(&b), texts[i]);
        buf_fini(&b);
    }
    assert_non_null(setlocale(LC_ALL, "C"));
}

static void t_in_a_locale_with_a_comma(void **state)
{
    (void)state;
    in_locale("de_DE");
}

static void t_in_a_locale_with_a_longer_point(void **state)
{
    (void)state;
    in_locale("ps_AF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_double_of_known_texts),
        cmocka_unit_test(t_double_refuses_overflow),
        cmocka_unit_test(t_float_of_known_texts),
        cmocka_unit_test(t_float_refuses_overflow),
        cmocka_unit_test(t_agrees_with_strtod),
        cmocka_unit_test(t_agrees_with_strtod_halfway),
        cmocka_unit_test(t_reads_very_long_numbers),
        cmocka_unit_test(t_int),
        cmocka_unit_test(t_refuses_other_types),
        cmocka_unit_test(t_in_a_locale_with_a_comma),
        cmocka_unit_test(t_in_a_locale_with_a_longer_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
