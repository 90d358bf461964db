#include "bin/config_file.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <unistd.h>

struct source {
    struct config *config;
    const char *name;
    struct span rest;
    unsigned line; /* the one read last */
    bool failed;
    struct buf *why;
};

/* why holds the first fault only. */
static void refuse(struct source *s, const char *text)
{
    if (!s->failed)
        (void)buf_printf(s->why, "%s:%u: %s", s->name, s->line, text);
    s->failed = true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static bool has_inline_comment(struct span line)
{
    for (size_t i = 1; i < line.n; i++)
        if (line.p[i] == ';' && is_blank(line.p[i - 1]))
            return true;
    return false;
}

/* What is wrong with a line, NULL when nothing is. The line is without its end. */
static const char *line_fault(struct span line)
{
    static const char controls[] = "a control character; remove it";
    for (size_t i = 0; i < line.n; i++)
        if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
            return controls;
    if (line.n == 0 || line.p[0] == ';' || line.p[0] == '#')
        return NULL;
    if (is_blank(line.p[0])) {
        while (line.n && is_blank(line.p[0]))
            line = span_skip(line, 1);
        return line.n ? "the line is indented; begin it in the first column" : NULL;
    }
    if (has_inline_comment(line))
        return "\" ;\" would begin a comment; put comments on lines of their own, and such a value "
               "in the environment";
    if (line.p[0] == '[') {
        const uint8_t *end = memchr(line.p, ']', line.n);
        while (end && line.n && is_blank(line.p[line.n - 1]))
            line.n--;
        return end == line.p + line.n - 1 ? NULL : "a section is written [name] and nothing else";
    }
    size_t name = 0;
    while (name < line.n && line.p[name] != '=' && line.p[name] != ':')
        name++;
    return name < line.n && line.p[name] == '=' ? NULL : "write it as key = value";
}

/* libinih's reader: the next line and its LF in at most room bytes with a NUL; NULL ends. */
static char *next_line(char *to, int room, void *ctx)
{
    struct source *s = ctx;
    if (s->failed || s->rest.n == 0)
        return NULL;
    const uint8_t *lf = memchr(s->rest.p, '\n', s->rest.n);
    struct span line = {s->rest.p, lf ? (size_t)(lf - s->rest.p) : s->rest.n};
    s->rest = span_skip(s->rest, line.n + (lf != NULL));
    s->line++;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    /* libinih leaves a byte order mark out, of the first line and once. */
    bool mark = s->line == 1 && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0;
    const char *fault = line_fault(span_skip(line, mark ? 3 : 0));
    if (line.n + 2 > (size_t)room)
        fault = "the line is too long; give a long value in the environment or its _FILE form";
    if (fault) {
        refuse(s, fault);
        return NULL;
    }
    memcpy(to, line.p, line.n);
    memcpy(to + line.n, "\n", 2);
    return to;
}

/* libinih's handler. */
static int take_value(void *ctx, const char *section, const char *name, const char *value)
{
    struct source *s = ctx;
    char key[256];
    if (s->failed)
        return 0;
    if (!section[0]) {
        refuse(s, "a key before the first [section]; put it under its section");
        return 0;
    }
    int n = snprintf(key, sizeof key, "%s.%s", section, name);
    struct span k = span_of(key, (size_t)n < sizeof key ? (size_t)n : sizeof key - 1);
    if (config_known(s->config, k) && config_source(s->config, key) == CONFIG_FILE) {
        refuse(s, "the key is set a second time; remove one of the two");
        return 0;
    }
    (void)buf_printf(s->why, "%s:%u: ", s->name, s->line);
    s->failed = config_set(s->config, k, span_str(value), CONFIG_FILE, s->why) != 0;
    if (!s->failed)
        buf_clear(s->why);
    return !s->failed;
}

int config_file_parse(struct config *c, const char *name, struct span text, struct buf *why)
{
    struct source s = {.config = c, .name = name, .rest = text, .why = why};
    int rc = ini_parse_stream(next_line, &s, take_value, &s);
    if (rc != 0 && !s.failed) {
        s.line = rc > 0 ? (unsigned)rc : s.line;
        refuse(&s, "not a line of an INI file");
    }
    return s.failed ? E_CONFIG : 0;
}

int file_read(const char *path, size_t max, struct buf *ret)
{
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return E_IO;
    buf_init(ret, max);
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        rc = n < 0 ? E_IO : n > 0 ? buf_append(ret, chunk, (size_t)n) : 0;
        explicit_bzero(chunk, sizeof chunk);
        if (n <= 0 || rc)
            break;
    }
    int error = errno;
    close(fd);
    if (rc)
        buf_fini_secret(ret);
    errno = error;
    return rc;
}

int config_file_load(struct config *c, const char *path, struct buf *why)
{
    struct buf text;
    int rc = file_read(path, CONFIG_FILE_BYTES_MAX, &text);
    if (rc) {
        (void)buf_printf(why, "%s: %s", path, rc == E_IO ? strerror(errno) : err_text(rc));
        return E_CONFIG;
    }
    rc = config_file_parse(c, path, buf_span(&text), why);
    buf_fini_secret(&text);
    return rc;
}

const char *config_file_refuses(const char *name, const char *value)
{
    struct span s = span_str(value);
    size_t line = strlen(name) + strlen(" = ") + s.n;
    if (s.n && (is_blank(s.p[0]) || is_blank(s.p[s.n - 1])))
        return "it begins or ends with a blank";
    if (has_inline_comment(s) || (s.n && s.p[0] == ';'))
        return "it holds \" ;\"";
    return line + 2 > (size_t)ini_max_line ? "it is too long for a line" : NULL;
}
