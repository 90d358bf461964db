/* Numbers alone: characters that numbers are made of, in any order, are a JSON number exactly where
 * the grammar says so, and built ones of any length read as the C library reads them; floats and
 * integers of any bits are written and read back. */
#include "json_walk.h"

static size_t digits(struct span s, size_t at)
{
    size_t from = at;
    while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
        at++;
    return at - from;
}

/* RFC 8259 section 6. */
static bool is_number(struct span s)
{
    size_t at = s.n && s.p[0] == '-', n = digits(s, at);
    if (n == 0 || (n > 1 && s.p[at] == '0'))
        return false;
    at += n;
    if (at < s.n && s.p[at] == '.') {
        if (!(n = digits(s, at + 1)))
            return false;
        at += 1 + n;
    }
    if (at < s.n && (s.p[at] | 32) == 'e') {
        at++;
        at += at < s.n && (s.p[at] == '+' || s.p[at] == '-');
        if (!(n = digits(s, at)))
            return false;
        at += n;
    }
    return at == s.n;
}

static void look_at(struct span text)
{
    struct buf once;
    uint8_t *exact = fuzz_copy(text);
    buf_init(&once, 8 * text.n + 64);
    int type = json_walk(span_of(exact, text.n), &once);
    MUST(is_number(text) ? type == JSON_NUMBER : type != JSON_NUMBER);
    buf_fini(&once);
    free(exact);
}

static void put_digits(struct span *in, struct buf *to, size_t n)
{
    uint8_t b = fuzz_byte(in), step = fuzz_byte(in);
    for (size_t i = 0; i < n; i++, b = (uint8_t)(b + step))
        (void)buf_append_byte(to, (uint8_t)('0' + b % 10));
}

static void built(struct span *in)
{
    struct buf text;
    buf_init(&text, 4096);
    uint8_t form = fuzz_byte(in);
    if (form & 1)
        (void)buf_append_byte(&text, '-');
    if (form & 2)
        (void)buf_append_byte(&text, '0');
    else {
        (void)buf_append_byte(&text, '1');
        put_digits(in, &text, fuzz_below(in, form & 64 ? 400 : 20));
    }
    if (form & 4) {
        (void)buf_append_byte(&text, '.');
        put_digits(in, &text, 1 + fuzz_below(in, form & 128 ? 800 : 20));
    }
    if (form & 8)
        (void)buf_printf(&text, form & 16 ? "e%+d" : "E%d",
                         (int)fuzz_below(in, 800) - (form & 32 ? 400 : 0));
    MUST(!text.failed && is_number(buf_span(&text)));
    look_at(buf_span(&text));
    struct span bad = fuzz_damage(in, buf_span(&text));
    struct span t = json_trim(bad);
    if (t.n == bad.n) /* blanks round it are JSON's, not the number's */
        look_at(bad);
    fuzz_free(bad);
    buf_fini(&text);
}

static void written(struct span *in)
{
    struct buf b;
    uint32_t bits = (uint32_t)fuzz_number(in, 4);
    int64_t n = (int64_t)fuzz_number(in, 8), back;
    float f, g;
    memcpy(&f, &bits, sizeof f);
    buf_init(&b, 64);
    json_put_float(&b, f);
    struct json_val v = {JSON_NUMBER, buf_span(&b)};
    MUST(b.failed == !isfinite(f));
    MUST(b.failed || (json_check(v.raw) == JSON_NUMBER && json_float(&v, &g) == 0 &&
                      memcmp(&f, &g, sizeof f) == 0));
    buf_clear(&b);
    json_put_int(&b, n);
    v.raw = buf_span(&b);
    MUST(json_check(v.raw) == JSON_NUMBER && json_int(&v, &back) == 0 && back == n);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char alphabet[] = "0123456789+-.eE0";
    struct span in = span_of(data, size);
    uint8_t first = fuzz_byte(&in);
    if (first % 3 == 0) {
        uint8_t *text = fuzz_copy(in);
        for (size_t i = 0; i < in.n; i++)
            text[i] = (uint8_t)alphabet[text[i] % 16];
        look_at(span_of(text, in.n));
        free(text);
    } else if (first % 3 == 1) {
        built(&in);
    } else {
        written(&in);
    }
    return 0;
}
