/* JSON built value by value, with any spelling the grammar allows, beside the one compact text that
 * the reader must make of it; nested to the limit and past it; then damaged. */
#include "json_walk.h"

struct made {
    struct span *in;
    struct buf text;  /* as spelt */
    struct buf plain; /* as written anew */
    unsigned budget;  /* values still to make */
};

static void both(struct made *m, const char *s)
{
    (void)buf_append_str(&m->text, s);
    (void)buf_append_str(&m->plain, s);
}

static void blank(struct made *m)
{
    static const char *const blanks[] = {"", "", "", " ", "\t", "\r\n", "  \n"};
    (void)buf_append_str(&m->text, blanks[fuzz_below(m->in, ARRAY_LEN(blanks))]);
}

static size_t put_utf8(uint8_t *to, uint32_t c)
{
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (uint8_t)(0x80 | (c & 0x3f));
    to[0] = (uint8_t)(first[n] | c);
    return n;
}

/* One character: as it is, by its short escape, or by its number. */
static void spell(struct made *m, uint32_t c, uint8_t how)
{
    static const char shorts[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
    const char *at = c && c < 0x80 ? strchr(shorts, (int)c) : NULL;
    uint8_t raw[4];
    if (at && how % 3 == 0)
        (void)buf_printf(&m->text, "\\%c", letters[at - shorts]);
    else if (c < 0x20 || c == '"' || c == '\\' || how % 3 == 1)
        (void)buf_printf(&m->text,
                         c > 0xffff ? (how & 4 ? "\\u%04X\\u%04X" : "\\u%04x\\u%04x")
                                    : (how & 4 ? "\\u%04X" : "\\u%04x"),
                         c > 0xffff ? 0xd7c0 + (c >> 10) : c, 0xdc00 + (c & 0x3ff));
    else
        (void)buf_append(&m->text, raw, put_utf8(raw, c));
}

static void make_string(struct made *m)
{
    static const uint32_t special[] = {0,      0x7f,   0x80,    0x7ff,    0x800, 0xd7ff,
                                       0xe000, 0xffff, 0x10000, 0x10ffff, '"',   '\\',
                                       '/',    '\n',   '\t',    0x1f};
    uint8_t text[64];
    size_t n = 0;
    (void)buf_append_byte(&m->text, '"');
    for (size_t left = fuzz_below(m->in, 12); left > 0; left--) {
        uint8_t b = fuzz_byte(m->in);
        uint32_t c = b < 0x80 ? b : special[b % ARRAY_LEN(special)];
        spell(m, c, fuzz_byte(m->in));
        n += put_utf8(text + n, c);
    }
    (void)buf_append_byte(&m->text, '"');
    json_put_string(&m->plain, span_of(text, n));
}

static void make_number(struct made *m)
{
    static const char *const fixed[] = {"0",
                                        "-0",
                                        "1e308",
                                        "1.7976931348623157e308",
                                        "1e309",
                                        "4.9e-324",
                                        "2.4e-324",
                                        "3.4028236e38",
                                        "3.4028234663852886e38",
                                        "9223372036854775807",
                                        "-9223372036854775808",
                                        "9223372036854775808",
                                        "1E+2",
                                        "0.1e-1",
                                        "7.038531e-26"};
    char text[64];
    uint8_t how = fuzz_byte(m->in);
    if (how & 1)
        both(m, fixed[how / 2 % ARRAY_LEN(fixed)]);
    else {
        snprintf(text, sizeof text, how & 2 ? "%lld.%llue%d" : "%lld",
                 (long long)fuzz_number(m->in, 1 + how / 4 % 8),
                 (unsigned long long)fuzz_number(m->in, 2), (int8_t)fuzz_byte(m->in));
        both(m, text);
    }
}

static void make_value(struct made *m, unsigned depth);

static void make_many(struct made *m, bool object, unsigned depth)
{
    static const char *const names[] = {"\"a\"", "\"command\"", "\"\"", "\"\\u0061\""};
    static const char *const plain[] = {"\"a\"", "\"command\"", "\"\"", "\"a\""};
    both(m, object ? "{" : "[");
    blank(m);
    for (size_t n = fuzz_below(m->in, 5), i = 0; i < n; i++) {
        if (i)
            both(m, ",");
        blank(m);
        if (object) {
            size_t which = fuzz_below(m->in, ARRAY_LEN(names) + 2);
            if (which < ARRAY_LEN(names)) {
                (void)buf_append_str(&m->text, names[which]);
                (void)buf_append_str(&m->plain, plain[which]);
            } else {
                make_string(m);
            }
            blank(m);
            both(m, ":");
            blank(m);
        }
        make_value(m, depth + 1);
        blank(m);
    }
    both(m, object ? "}" : "]");
}

static void make_value(struct made *m, unsigned depth)
{
    static const char *const words[] = {"null", "true", "false"};
    uint8_t what = (uint8_t)(fuzz_byte(m->in) % 8);
    if (m->budget == 0 || depth > 8)
        what %= 5;
    m->budget -= m->budget > 0;
    if (what < 3)
        both(m, words[what]);
    else if (what == 3)
        make_number(m);
    else if (what < 6)
        make_string(m);
    else
        make_many(m, what == 6, depth);
}

static void damage(struct span *in, struct span text)
{
    for (int i = 0; i < 3 && in->n; i++) {
        struct span bad = fuzz_damage(in, text);
        struct buf once;
        buf_init(&once, 8 * bad.n + 64);
        (void)json_walk(bad, &once);
        buf_fini(&once);
        fuzz_free(bad);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct made m = {.in = &in, .budget = 40};
    struct buf once;
    buf_init(&m.text, 65536);
    buf_init(&m.plain, 65536);
    buf_init(&once, 600000);
    uint8_t first = fuzz_byte(&in);
    /* At the limit of nesting, one below, and beyond. */
    unsigned around = first < 16 ? JSON_DEPTH_MAX - 2 + first % 4 : 0;
    for (unsigned i = 0; i < around; i++)
        both(&m, "[");
    if (around == 0) {
        blank(&m);
        make_value(&m, 0);
        blank(&m);
    }
    for (unsigned i = 0; i < around; i++)
        both(&m, "]");
    MUST(!m.text.failed && !m.plain.failed);
    uint8_t *exact = fuzz_copy(buf_span(&m.text));
    int type = json_walk(span_of(exact, m.text.n), &once);
    MUST((type > 0) == (around <= JSON_DEPTH_MAX));
    MUST(type < 0 || span_eq(buf_span(&once), buf_span(&m.plain)));
    damage(&in, span_of(exact, m.text.n));
    free(exact);
    buf_fini(&m.text);
    buf_fini(&m.plain);
    buf_fini(&once);
    return 0;
}
