#include "parse.h"

#include "base/check.h"
#include "tmpl.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool parse_fail(struct parser *in, const char *format, ...)
{
    char text[600];
    va_list ap;
    if (in->failed)
        return false;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    CHECK(n >= 0);
    (void)buf_printf(in->why, "%s:%u: %s", in->s->path, in->line, text);
    in->failed = true;
    return false;
}

struct step *parse_add(struct parser *in, enum step_kind kind)
{
    struct script *s = in->s;
    static struct step none;
    if (s->steps_n == SCRIPT_STEPS_MAX) {
        (void)parse_fail(in, "a script holds at most %u steps", SCRIPT_STEPS_MAX);
        none = (struct step){.kind = kind};
        return &none;
    }
    if ((s->steps_n & (s->steps_n - 1)) == 0) {
        s->steps = realloc(s->steps, (s->steps_n ? 2 * s->steps_n : 1) * sizeof *s->steps);
        CHECK(s->steps);
    }
    struct step *x = &s->steps[s->steps_n++];
    *x = (struct step){.kind = kind, .line = in->line};
    buf_init(&x->bytes, TMPL_MAX);
    return x;
}

char *parse_keep(struct parser *in, struct span text)
{
    struct script *s = in->s;
    if ((s->strings_n & (s->strings_n - 1)) == 0) {
        s->strings =
            realloc(s->strings, (s->strings_n ? 2 * s->strings_n : 1) * sizeof *s->strings);
        CHECK(s->strings);
    }
    char *to = malloc(text.n + 1);
    CHECK(to);
    if (text.n)
        memcpy(to, text.p, text.n);
    to[text.n] = '\0';
    return s->strings[s->strings_n++] = to;
}

/* ---- names: what is in [ ] does not count ---- */

static void plain_name(char kind, struct span name, char to[VAR_NAME_MAX + 2])
{
    size_t n = 0;
    bool skip = false;
    to[n++] = kind;
    for (size_t i = 0; i < name.n && n < VAR_NAME_MAX; i++) {
        skip &= name.p[i] != ']';
        if (!skip)
            to[n++] = (char)name.p[i];
        skip |= name.p[i] == '[';
    }
    to[n] = '\0';
}

void parse_learn(struct parser *in, char kind, struct span name)
{
    char text[VAR_NAME_MAX + 2];
    plain_name(kind, name, text);
    (void)buf_append(&in->names, text, strlen(text) + 1);
}

bool parse_knows(const struct parser *in, char kind, struct span name)
{
    char text[VAR_NAME_MAX + 2];
    plain_name(kind, name, text);
    for (size_t i = 0; i < in->names.n; i += strlen((const char *)in->names.p + i) + 1)
        if (strcmp((const char *)in->names.p + i, text) == 0)
            return true;
    return false;
}

/* ---- lines and blocks ---- */

void parse_open(struct parser *in)
{
    while (*in->p == ' ' || *in->p == '\t')
        in->p++;
    if (strcmp(in->p, "{") != 0)
        (void)parse_fail(in, "a block begins with { at the end of its line");
    else if (in->depth == SCRIPT_DEPTH_MAX)
        (void)parse_fail(in, "blocks stand at most %u deep in each other", SCRIPT_DEPTH_MAX);
    else
        in->open_blocks[in->depth++] = (uint32_t)in->s->steps_n - 1;
    in->p += strlen(in->p);
}

static void close_block(struct parser *in)
{
    if (in->depth == 0) {
        (void)parse_fail(in, "} without a block that it ends");
        return;
    }
    uint32_t at = in->open_blocks[--in->depth];
    in->s->steps[at].body_n = (uint32_t)in->s->steps_n - at - 1;
}

/* The mark that a script is for one back end only stands alone in its line, before any step. */
static bool whole_script(struct parser *in)
{
    bool sim = strcmp(in->p, "sim-only") == 0, live = strcmp(in->p, "live-only") == 0;
    if (!sim && !live)
        return false;
    if (in->s->steps_n)
        (void)parse_fail(in,
                         "%s for the whole script stands before its first step; for some steps "
                         "it opens a block: %s {",
                         in->p, in->p);
    in->s->sim_only |= sim;
    in->s->live_only |= live;
    return true;
}

static void take_line(struct parser *in, struct buf *line)
{
    while (line->n && isspace(line->p[line->n - 1]))
        line->n--;
    if (buf_append_byte(line, 0) || line->n > SCRIPT_LINE_MAX) {
        (void)parse_fail(in, "a line holds at most %u bytes", SCRIPT_LINE_MAX);
        return;
    }
    in->p = (const char *)line->p;
    if (strlen(in->p) + 1 != line->n) {
        (void)parse_fail(in, "a NUL byte stands in the line");
        return;
    }
    while (isspace((unsigned char)*in->p))
        in->p++;
    if (*in->p == '\0' || *in->p == '#')
        return;
    if (strcmp(in->p, "}") == 0)
        close_block(in);
    else if (!whole_script(in))
        parse_step(in);
}

/* A line that ends with \ goes on in the next one; the space around the end is left out. */
static void take_lines(struct parser *in, struct span text)
{
    struct buf line;
    buf_init(&line, SCRIPT_BYTES_MAX + 1);
    unsigned number = 0;
    while (text.n && !in->failed) {
        const uint8_t *lf = memchr(text.p, '\n', text.n);
        size_t n = lf ? (size_t)(lf - text.p) : text.n, skip = 0;
        number++;
        if (line.n == 0)
            in->line = number;
        while (line.n && skip < n && isspace(text.p[skip]))
            skip++;
        (void)buf_append(&line, text.p + skip, n - skip);
        text = span_skip(text, n + (lf != NULL));
        if (line.n && line.p[line.n - 1] == '\\' && text.n) {
            line.n--;
            while (line.n && isspace(line.p[line.n - 1]))
                line.n--;
            continue;
        }
        take_line(in, &line);
        buf_clear(&line);
    }
    buf_fini(&line);
}

static void name_script(struct script *s, struct parser *in, const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path,
               *dot = strrchr(file, '.');
    s->path = parse_keep(in, span_str(path));
    s->name = parse_keep(in, span_of(file, dot ? (size_t)(dot - file) : strlen(file)));
}

struct script *script_parse(const char *path, struct span text, struct buf *why)
{
    struct script *s = calloc(1, sizeof *s);
    CHECK(s);
    struct parser in = {.s = s, .why = why};
    buf_init(&in.names, SCRIPT_BYTES_MAX);
    name_script(s, &in, path);
    in.line = 1;
    if (text.n > SCRIPT_BYTES_MAX)
        (void)parse_fail(&in, "a script holds at most %u bytes", SCRIPT_BYTES_MAX);
    else
        take_lines(&in, text);
    if (!in.failed && in.depth) {
        in.line = s->steps[in.open_blocks[in.depth - 1]].line;
        (void)parse_fail(&in, "this block is never closed with }");
    }
    if (!in.failed && s->steps_n == 0)
        (void)parse_fail(&in, "the script holds no step");
    buf_fini(&in.names);
    if (!in.failed)
        return s;
    script_destroy(s);
    return NULL;
}

struct script *script_read(const char *path, struct buf *why)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        (void)buf_printf(why, "%s: cannot be opened", path);
        return NULL;
    }
    uint8_t *bytes = malloc(SCRIPT_BYTES_MAX + 1);
    CHECK(bytes);
    size_t n = fread(bytes, 1, SCRIPT_BYTES_MAX + 1, f);
    bool failed = ferror(f);
    (void)fclose(f);
    if (failed) {
        (void)buf_printf(why, "%s: cannot be read", path);
        free(bytes);
        return NULL;
    }
    struct script *s = script_parse(path, span_of(bytes, n), why);
    free(bytes);
    return s;
}

void script_destroy(struct script *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->steps_n; i++) {
        buf_fini(&s->steps[i].bytes);
        free(s->steps[i].cast);
        free(s->steps[i].inserts);
    }
    for (size_t i = 0; i < s->strings_n; i++)
        free(s->strings[i]);
    free(s->steps);
    free(s->strings);
    free(s);
}
