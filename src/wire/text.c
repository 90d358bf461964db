#include "wire/text.h"

#include "base/err.h"

void hex_encode(const void *p, size_t n, char *to)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = p;
    for (size_t i = 0; i < n; i++) {
        *to++ = digits[in[i] >> 4];
        *to++ = digits[in[i] & 15];
    }
    *to = '\0';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct span text, void *to, size_t n)
{
    uint8_t *out = to;
    if (text.n / 2 != n || text.n % 2)
        return E_FORMAT;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text.p[2 * i]), low = hex_value(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return E_FORMAT;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t n, char *to)
{
    const uint8_t *in = p;
    for (; n >= 3; n -= 3, in += 3) {
        *to++ = letters[in[0] >> 2];
        *to++ = letters[(in[0] & 3) << 4 | in[1] >> 4];
        *to++ = letters[(in[1] & 15) << 2 | in[2] >> 6];
        *to++ = letters[in[2] & 63];
    }
    if (n) {
        uint8_t second = n == 2 ? in[1] : 0;
        *to++ = letters[in[0] >> 2];
        *to++ = letters[(in[0] & 3) << 4 | second >> 4];
        *to++ = (char)(n == 2 ? letters[(second & 15) << 2] : '=');
        *to++ = '=';
    }
    *to = '\0';
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct span text, void *to, size_t cap)
{
    if (text.n % 4)
        return E_FORMAT;
    size_t pad = 0;
    while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
        pad++;
    size_t size = text.n / 4 * 3 - pad;
    if (size > cap || size > INT32_MAX)
        return E_LIMIT;
    uint8_t *out = to;
    uint32_t bits = 0;
    for (size_t i = 0, done = 0; i < text.n; i++) {
        int v = i < text.n - pad ? base64_value(text.p[i]) : 0;
        if (v < 0)
            return E_FORMAT;
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8, done++) {
            uint8_t byte = (uint8_t)(bits >> shift);
            if (done < size)
                out[done] = byte;
            else if (byte) /* bits under the padding: RFC 4648 section 3.5 */
                return E_FORMAT;
        }
        bits = 0;
    }
    return (int)size;
}
