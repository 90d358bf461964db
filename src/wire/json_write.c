#include "wire/json.h"

#include <math.h>
#include <stdio.h>

/* What follows the backslash for a byte that must not stand in a string as it is; 'u' for those
 * that have no short form. */
static const char escape_of[256] = {
    [0] = 'u',    [1] = 'u',    [2] = 'u',    [3] = 'u',     [4] = 'u',    [5] = 'u',
    [6] = 'u',    [7] = 'u',    [0x08] = 'b', [0x09] = 't',  [0x0a] = 'n', [0x0b] = 'u',
    [0x0c] = 'f', [0x0d] = 'r', [0x0e] = 'u', [0x0f] = 'u',  [0x10] = 'u', [0x11] = 'u',
    [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u',  [0x1c] = 'u', [0x1d] = 'u',
    [0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

void json_put_string(struct buf *b, struct span s)
{
    static const char hex[] = "0123456789abcdef";
    buf_append_byte(b, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!escape_of[c])
            continue;
        const char text[] = {'\\', escape_of[c], '0', '0', hex[c >> 4], hex[c & 15]};
        buf_append(b, s.p + from, i - from);
        buf_append(b, text, escape_of[c] == 'u' ? 6 : 2);
        from = i + 1;
    }
    if (from < s.n)
        buf_append(b, s.p + from, s.n - from);
    buf_append_byte(b, '"');
}

void json_put_int(struct buf *b, int64_t v)
{
    char text[20];
    size_t at = sizeof text;
    uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (v < 0)
        text[--at] = '-';
    buf_append(b, text + at, sizeof text - at);
}

#define PLACES_MIN 6
#define PLACES_MAX 9 /* significant digits that tell any two floats apart */
#define FLOAT_TEXT 24

/* A positive number as digits * 10^(exponent - places + 1), digits having that many places. */
struct shown {
    uint32_t digits;
    int places, exponent;
};

/* By printf, which is exact for every float. */
static struct shown show_slowly(float a, int places)
{
    char text[32];
    struct shown s = {.places = places};
    snprintf(text, sizeof text, "%.*e", places - 1, (double)a);
    const char *p = text;
    for (; *p != 'e'; p++) /* steps over the decimal point, which depends on the locale */
        if (*p >= '0' && *p <= '9')
            s.digits = s.digits * 10 + (uint32_t)(*p - '0');
    bool negative = p[1] == '-';
    for (p += 2; *p; p++)
        s.exponent = s.exponent * 10 + (*p - '0');
    if (negative)
        s.exponent = -s.exponent;
    return s;
}

/* Between a thousandth and a billion 64 bits hold everything: the mantissa has 24, the power of ten
 * at most 37, and what is shifted left is an integer below a billion. Rounds half to even, as
 * printf does. */
static struct shown show(float a, int places)
{
    static const uint64_t tens[] = {1,         10,         100,           1000,
                                    10000,     100000,     1000000,       10000000,
                                    100000000, 1000000000, 10000000000LL, 100000000000LL};
    if (!(a >= 0.001F && a < 1e9F))
        return show_slowly(a, places);
    int decimal = 0, binary;
    double scaled = (double)a;
    while (scaled < 1) {
        scaled *= 10; /* exact for this few digits */
        decimal--;
    }
    while (decimal >= 0 && a >= (float)tens[decimal + 1])
        decimal++;
    uint64_t top = (uint64_t)ldexpf(frexpf(a, &binary), 24), bottom = 1;
    binary -= 24;
    int up = places - 1 - decimal;
    *(up < 0 ? &bottom : &top) *= tens[up < 0 ? -up : up];
    *(binary < 0 ? &bottom : &top) <<= binary < 0 ? -binary : binary;
    uint64_t digits = top / bottom, rest = top % bottom;
    digits += rest * 2 > bottom || (rest * 2 == bottom && (digits & 1));
    if (digits == tens[places]) {
        digits /= 10;
        decimal++;
    }
    return (struct shown){(uint32_t)digits, places, decimal};
}

/* Lays the digits out as printf's %g does; returns the length. */
static size_t lay_out(const struct shown *s, char to[FLOAT_TEXT])
{
    char digits[PLACES_MAX] = {0};
    int n = s->places, at = 0;
    uint32_t left = s->digits;
    for (int i = n - 1; i >= 0; i--, left /= 10)
        digits[i] = (char)('0' + left % 10);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (s->exponent < -4 || s->exponent >= s->places) {
        to[at++] = digits[0];
        if (n > 1)
            to[at++] = '.';
        memcpy(to + at, digits + 1, (size_t)n - 1);
        at += n - 1;
        int e = s->exponent < 0 ? -s->exponent : s->exponent;
        to[at++] = 'e';
        to[at++] = s->exponent < 0 ? '-' : '+';
        to[at++] = (char)('0' + e / 10);
        to[at++] = (char)('0' + e % 10);
        return (size_t)at;
    }
    for (int i = s->exponent < 0 ? s->exponent : 0; i < n || i <= s->exponent; i++) {
        if (i == s->exponent + 1 && i > s->exponent)
            to[at++] = '.';
        to[at++] = (char)(i >= 0 && i < n ? digits[i] : '0');
    }
    return (size_t)at;
}

void json_put_float(struct buf *b, float f)
{
    char text[1 + FLOAT_TEXT];
    bool negative = signbit(f) != 0;
    float a = negative ? -f : f, back = -1;
    size_t n = 1;
    if (!isfinite(f)) {
        b->failed = true;
        return;
    }
    text[0] = '-';
    text[1] = '0';
    for (int places = PLACES_MIN; a > 0 && places <= PLACES_MAX && back != a; places++) {
        struct shown s = show(a, places);
        n = lay_out(&s, text + 1);
        struct json_val v = {JSON_NUMBER, span_of(text + 1, n)};
        if (json_float(&v, &back))
            back = -1;
    }
    buf_append(b, text + !negative, n + negative);
}
