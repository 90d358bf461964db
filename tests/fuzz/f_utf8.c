/* UTF-8: any bytes, and characters encoded here and then damaged, against a decoder that goes by
 * the code points of RFC 3629 instead of by byte ranges. */
#include "fuzz.h"

#include "base/utf8.h"

/* Length of the sequence that s begins with, its code point in *ret; 0: none. */
static size_t decode(struct span s, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = 0;
    while (n < 5 && s.p[0] << n & 0x80)
        n++;
    if (n == 1 || n > 4 || s.n < n)
        return 0;
    n += n == 0;
    uint32_t c = n == 1 ? s.p[0] : s.p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s.p[i] & 0x3f);
    }
    *ret = c;
    return c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < least[n] ? 0 : n;
}

static bool compare(struct span s)
{
    bool valid = true, controls = false;
    for (struct span rest = s; rest.n && valid;) {
        uint32_t c;
        size_t n = decode(rest, &c);
        MUST(utf8_sequence(rest.p, rest.n) == n);
        valid = n > 0;
        controls |= valid && (c < 0x20 || (c >= 0x7f && c < 0xa0));
        rest = span_skip(rest, n);
    }
    MUST(utf8_valid(s) == valid);
    bool name = valid && !controls;
    MUST(utf8_is_name(s, 0, s.n) == name && utf8_is_name(s, s.n, s.n) == name);
    MUST(!utf8_is_name(s, s.n + 1, s.n + 2) && (s.n == 0 || !utf8_is_name(s, 0, s.n - 1)));
    return valid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t first = fuzz_byte(&in), text[128];
    uint8_t *exact = fuzz_copy(in);
    (void)compare(span_of(exact, in.n));
    free(exact);
    size_t n = 0;
    for (size_t i = first % 32; i > 0; i--) {
        static const uint32_t edges[] = {0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000};
        uint32_t c = (uint32_t)fuzz_number(&in, 3);
        c = c & 0x800000 ? edges[c % 8] : c % 0x110000;
        c = c >= 0xd800 && c < 0xe000 ? c - 0x800 : c;
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t k = len; k-- > 1; c >>= 6)
            text[n + k] = (uint8_t)(0x80 | (c & 0x3f));
        text[n] = (uint8_t)(c | (len == 1 ? 0 : 0xf0u << (4 - len)));
        n += len;
    }
    MUST(compare(span_of(text, n)));
    struct span bad = fuzz_damage(&in, span_of(text, n));
    (void)compare(bad);
    fuzz_free(bad);
    return 0;
}
