#include "wire/json.h"

#include "base/err.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* (-1)^negative * digits * 10^exponent; exact is false when digits were left out. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative, exact;
};

#define EXPONENT_MAX 1000000 /* beyond it every number that fits a message is 0 or too large */
#define DIGITS_MAX   800u    /* no point halfway between two doubles has more than 767 */
#define TEXT_MAX     (DIGITS_MAX + 32)

static int64_t read_exponent(const uint8_t *p, const uint8_t *end)
{
    bool negative = p < end && *p == '-';
    int64_t e = 0;
    for (; p < end; p++)
        if (*p != '-' && *p != '+' && e <= EXPONENT_MAX)
            e = e * 10 + (*p - '0');
    return negative ? -e : e;
}

static struct decimal read_decimal(struct span raw)
{
    const uint8_t *p = raw.p, *end = raw.p + raw.n;
    struct decimal d = {.negative = *p == '-', .exact = true};
    bool point = false;
    for (p += d.negative; p < end && (*p | 32) != 'e'; p++) {
        if (*p == '.') {
            point = true;
        } else if (d.digits < UINT64_MAX / 10 - 1) {
            d.digits = d.digits * 10 + (uint64_t)(*p - '0');
            d.exponent -= point;
        } else {
            d.exact = d.exact && *p == '0';
            d.exponent += !point;
        }
    }
    if (p < end)
        d.exponent += read_exponent(p + 1, end);
    return d;
}

/* Writes the number as sign, digits, 'e' and exponent. Without a decimal point strtod reads it the
 * same in every locale. Digits past DIGITS_MAX are replaced by one that says whether any was not 0,
 * which rounds the same. */
static void without_point(struct span raw, char text[TEXT_MAX])
{
    const uint8_t *p = raw.p, *end = raw.p + raw.n;
    bool point = false, rest = false;
    size_t n = 0, digits = 0;
    int64_t exponent = 0;
    if (*p == '-')
        text[n++] = (char)*p++;
    for (; p < end && (*p | 32) != 'e'; p++) {
        if (*p == '.') {
            point = true;
        } else if (digits == DIGITS_MAX) {
            rest = rest || *p != '0';
            exponent += !point;
        } else {
            exponent -= point;
            if (digits || *p != '0') {
                text[n++] = (char)*p;
                digits++;
            }
        }
    }
    if (p < end)
        exponent += read_exponent(p + 1, end);
    if (rest || digits == 0) {
        text[n++] = rest ? '1' : '0';
        exponent -= rest;
    }
    snprintf(text + n, TEXT_MAX - n, "e%lld", (long long)exponent);
}

/* Clinger's fast path: digits and power of ten are both exact doubles, so that the one operation on
 * them rounds once. */
static bool fast_double(const struct decimal *d, double *ret)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (FLT_EVAL_METHOD != 0 || !d->exact || d->digits > UINT64_C(1) << 53 || d->exponent < -22 ||
        d->exponent > 22)
        return false;
    double v = (double)d->digits;
    v = d->exponent < 0 ? v / powers[-d->exponent] : v * powers[d->exponent];
    *ret = d->negative ? -v : v;
    return true;
}

/* Whether narrowing to float rounds as the decimal itself would: the double may have been rounded
 * onto the very middle between two floats, and below FLT_MIN the middles lie elsewhere. */
static bool narrows_exactly(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return (bits & 0x1fffffff) != 0x10000000 && (v == 0 || fabs(v) >= (double)FLT_MIN);
}

int json_double(const struct json_val *v, double *ret)
{
    if (v->type != JSON_NUMBER)
        return E_FORMAT;
    struct decimal d = read_decimal(v->raw);
    if (fast_double(&d, ret))
        return 0;
    char text[TEXT_MAX];
    without_point(v->raw, text);
    double slow = strtod(text, NULL);
    if (!isfinite(slow))
        return E_RANGE;
    *ret = slow;
    return 0;
}

int json_float(const struct json_val *v, float *ret)
{
    if (v->type != JSON_NUMBER)
        return E_FORMAT;
    struct decimal d = read_decimal(v->raw);
    double fast;
    if (fast_double(&d, &fast) && narrows_exactly(fast)) {
        *ret = (float)fast; /* at most 2^53 * 10^22, which a float holds */
        return 0;
    }
    char text[TEXT_MAX];
    without_point(v->raw, text);
    float slow = strtof(text, NULL);
    if (!isfinite(slow))
        return E_RANGE;
    *ret = slow;
    return 0;
}

int json_int(const struct json_val *v, int64_t *ret)
{
    if (v->type != JSON_NUMBER)
        return E_FORMAT;
    const uint8_t *p = v->raw.p, *end = v->raw.p + v->raw.n;
    bool negative = *p == '-', fits = true;
    int64_t n = 0;
    for (p += negative; p < end; p++) {
        if (*p < '0' || *p > '9')
            return E_FORMAT;
        /* Downwards, because the lowest has no positive counterpart. */
        fits =
            fits && !__builtin_mul_overflow(n, 10, &n) && !__builtin_sub_overflow(n, *p - '0', &n);
    }
    if (!fits || (!negative && n == INT64_MIN))
        return E_RANGE;
    *ret = negative ? n : -n;
    return 0;
}
