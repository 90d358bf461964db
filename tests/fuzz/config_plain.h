/* A configuration file as a plain reading has it, to hold the reader against: what is accepted
 * means what stands there. What libinih would understand otherwise must have been refused. */
#ifndef SLIPGATE_TESTS_FUZZ_CONFIG_PLAIN_H
#define SLIPGATE_TESTS_FUZZ_CONFIG_PLAIN_H

#include "fuzz.h"

#include "base/err.h"
#include "bin/config_file.h"

static const struct config_row rows[] = {
    {"a.n", CONFIG_INT, "0", INT64_MIN, INT64_MAX, NULL, CONFIG_LIVE, "Number."},
    {"a.t", CONFIG_TEXT, "", 0, 0, NULL, CONFIG_LIVE, "Text."},
    {"b.s", CONFIG_SECRET, "", 0, 0, NULL, CONFIG_LIVE, "Secret."},
};
static const struct config_table table = {rows, ARRAY_LEN(rows)};

static struct span trim(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_skip(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

struct reading {
    struct span section;
    unsigned set[ARRAY_LEN(rows)];
};

static void read_value(const struct config *c, struct reading *r, struct span line)
{
    const uint8_t *eq = memchr(line.p, '=', line.n);
    MUST(eq);
    struct span name = trim(span_of(line.p, (size_t)(eq - line.p)));
    struct span value = trim(span_skip(line, name.n ? (size_t)(eq - line.p) + 1 : 1));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strcspn(rows[i].key, ".");
        if (!span_eq(r->section, span_of(rows[i].key, n)) ||
            !span_eq(name, span_str(rows[i].key + n + 1)))
            continue;
        MUST(r->set[i]++ == 0);
        MUST(config_source_at(c, i) == CONFIG_FILE);
        MUST(span_eq(span_str(config_text_at(c, i)), value));
        return;
    }
    MUST(!"a key that is not in the table was accepted");
}

static void read_plainly(const struct config *c, struct span text)
{
    struct reading r = {.section = SPAN_NULL};
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text = span_skip(text, 3);
    while (text.n) {
        const uint8_t *lf = memchr(text.p, '\n', text.n);
        struct span line = {text.p, lf ? (size_t)(lf - text.p) : text.n};
        text = span_skip(text, line.n + 1);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = trim(line);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        if (line.p[0] == '[')
            r.section = span_of(line.p + 1, line.n - 2);
        else
            read_value(c, &r, line);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        MUST(r.set[i] == (config_source_at(c, i) == CONFIG_FILE));
}

/* Parses a file both ways; the caller destroys *ret. Whether it was accepted. */
static bool config_compare(struct span text, struct config **ret)
{
    struct buf why;
    buf_init(&why, 4096);
    MUST(config_create(ret, &table, 1) == 0);
    int rc = config_file_parse(*ret, "fuzz.ini", text, &why);
    MUST(rc == 0 || rc == E_CONFIG);
    MUST((rc == 0) == (why.n == 0));
    MUST(!why.failed && (why.n == 0 || !memchr(why.p, '\n', why.n)));
    if (rc == 0)
        read_plainly(*ret, text);
    buf_fini(&why);
    return rc == 0;
}

#endif
