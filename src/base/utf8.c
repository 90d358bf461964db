#include "base/utf8.h"

/* RFC 3629 section 4 as ranges. */
size_t utf8_sequence(const uint8_t *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    uint8_t lo = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t hi = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool utf8_valid(struct span s)
{
    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_sequence(s.p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

bool utf8_is_name(struct span s, size_t min, size_t max)
{
    if (s.n < min || s.n > max || !utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool c1 = s.p[i] == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0;
        if (s.p[i] < 0x20 || s.p[i] == 0x7f || c1)
            return false;
    }
    return true;
}

/* In order. */
static const struct range {
    uint32_t first, last;
} hidden[] = {
    {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},
    {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},
    {0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
    {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static uint32_t code_point(const uint8_t *p, size_t len)
{
    static const uint8_t first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = p[0] & first[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

bool utf8_shows(struct span s)
{
    if (s.n && (s.p[0] == ' ' || s.p[s.n - 1] == ' '))
        return false;
    for (size_t i = 0, len; i < s.n; i += len) {
        len = utf8_sequence(s.p + i, s.n - i);
        if (len == 0)
            return false;
        uint32_t c = code_point(s.p + i, len);
        for (size_t k = 0; k < ARRAY_LEN(hidden) && c >= hidden[k].first; k++)
            if (c <= hidden[k].last)
                return false;
    }
    return true;
}
