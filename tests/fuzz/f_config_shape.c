/* Configuration files built line by line with every end, blank and comment an editor may leave:
 * each value that config_file_refuses lets through is read back as it was meant, and a file with
 * another is refused or says something else. Lines at the reader's limit, one below and beyond.
 * Then damaged: what is still accepted means what stands there. */
#include "config_plain.h"

#include "base/utf8.h"

#include <ini.h>

struct made {
    struct buf text;
    char value[3][300];
    bool set[3], fits; /* fits: every value can stand in a file and suits its key */
};

static void line_end(struct span *in, struct buf *to)
{
    uint8_t b = fuzz_byte(in);
    (void)buf_append_str(to, b & 1 ? "\r\n" : "\n");
    if ((b & 6) == 6)
        (void)buf_append_str(to, b & 8 ? "; a = comment\n" : b & 16 ? "\t \n" : "# [x]\r\n");
}

static void make_text(struct span *in, char *to, size_t n)
{
    static const char special[] = " ;#=:[]\"'\\%\t";
    size_t i = 0;
    while (i < n) {
        uint8_t b = fuzz_byte(in);
        if (b >= 0xe0 && i + 2 <= n) {
            to[i++] = '\xc3';
            to[i++] = (char)(0x80 | (b & 0x3f));
        } else {
            to[i++] = b & 0x80 ? special[b % (sizeof special - 1)] : (char)(b % 95 + ' ');
        }
    }
    to[i] = '\0';
}

static void make_line(struct span *in, struct made *m, size_t key)
{
    static const char *const names[] = {"n", "t", "s"};
    uint8_t form = fuzz_byte(in);
    char *value = m->value[key];
    if (key == 0) {
        snprintf(value, sizeof m->value[0], "%lld", (long long)fuzz_number(in, 1 + form % 8));
    } else {
        /* "n = value" and its end are to fill what libinih has for a line, or nearly. */
        size_t edge = (size_t)ini_max_line - 8 + fuzz_below(in, 6);
        make_text(in, value, form & 128 ? edge : fuzz_below(in, 60));
        m->fits &= utf8_is_name(span_str(value), 0, CONFIG_TEXT_MAX);
    }
    m->fits &= config_file_refuses(names[key], value) == NULL;
    m->set[key] = true;
    (void)buf_printf(&m->text, "%s%s%s", names[key], form & 128 || !(form & 8) ? " = " : "=\t",
                     value);
    (void)buf_append_str(&m->text, form & 128 ? "\n" : "");
    if (!(form & 128))
        line_end(in, &m->text);
}

static void check(const struct made *m, const struct config *c)
{
    for (size_t i = 0; i < 3; i++) {
        MUST((config_source_at(c, i) == CONFIG_FILE) == m->set[i]);
        MUST(!m->set[i] || strcmp(config_text_at(c, i), m->value[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct made m = {.fits = true};
    struct config *c;
    uint8_t form = fuzz_byte(&in);
    buf_init(&m.text, 8192);
    if (form & 1)
        (void)buf_append_str(&m.text, "\xef\xbb\xbf");
    (void)buf_append_str(&m.text, "[a]");
    line_end(&in, &m.text);
    if (form & 2)
        make_line(&in, &m, 0);
    if (form & 4)
        make_line(&in, &m, 1);
    (void)buf_append_str(&m.text, form & 8 ? "[b]  " : "[b]");
    line_end(&in, &m.text);
    if (form & 16)
        make_line(&in, &m, 2);
    MUST(!m.text.failed);
    bool accepted = config_compare(buf_span(&m.text), &c);
    MUST(accepted || !m.fits);
    if (m.fits)
        check(&m, c);
    config_destroy(c);
    struct span bad = fuzz_damage(&in, buf_span(&m.text));
    (void)config_compare(bad, &c);
    config_destroy(c);
    fuzz_free(bad);
    buf_fini(&m.text);
    return 0;
}
