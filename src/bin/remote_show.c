/* Results for people: an object as lines "name: value", rows as a table. Texts are shown with what
 * would steer a terminal escaped, as JSON does. */
#include "bin/remote.h"
#include "wire/json.h"

#include <stdio.h>
#include <time.h>

#define COLUMNS_MAX 24u
#define CELL_MAX    40u

static bool ends_with(struct span name, const char *end)
{
    size_t n = strlen(end);
    return name.n >= n && memcmp(name.p + name.n - n, end, n) == 0;
}

/* "2026-01-02 03:04:05" of milliseconds. */
static bool put_time(struct span name, const struct json_val *v, struct buf *to)
{
    int64_t ms;
    struct tm tm;
    char text[32];
    if (!ends_with(name, "_ms") || json_int(v, &ms) || ms <= 0)
        return false;
    time_t t = (time_t)(ms / 1000);
    if (!gmtime_r(&t, &tm) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return false;
    (void)buf_append_str(to, text);
    return true;
}

/* What a terminal takes for itself (C0, DEL, C1) is left in its escaped form. */
static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] == 0x7f || (s.p[i] == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0))
            return false;
    return true;
}

static void put_value(struct span name, const struct json_val *v, struct buf *to)
{
    size_t before = to->n;
    if (v->type == JSON_NULL || put_time(name, v, to))
        return;
    uint8_t *room = v->type == JSON_STRING ? buf_reserve(to, v->raw.n) : NULL;
    int n = room ? json_string(v, room, v->raw.n) : -1;
    if (n >= 0 && is_plain(span_of(room, (size_t)n)))
        buf_commit(to, (size_t)n);
    else
        (void)buf_append_span(to, v->raw);
    if (ends_with(name, "_ms") && to->n == before + 1 && to->p[before] == '0')
        to->p[before] = '-';
}

static void print_buf(const struct buf *b)
{
    if (b->n)
        (void)fwrite(b->p, 1, b->n, stdout);
}

static void print_rows(struct span rows, int indent)
{
    struct json_val row, v;
    struct span name;
    struct buf line;
    size_t shown = 0;
    for (size_t at = 0; json_next(rows, &at, &row); shown++) {
        buf_init(&line, 1u << 20);
        if (row.type != JSON_OBJECT) {
            put_value(SPAN_NULL, &row, &line);
        } else if (shown == 0) { /* the head of the table */
            for (size_t m = 0, n = 0; json_member(row.raw, &m, &name, &v); n++)
                (void)buf_printf(&line, "%s%.*s", n ? "\t" : "", (int)name.n, (const char *)name.p);
            printf("%*s%.*s\n", indent, "", (int)line.n, (const char *)line.p);
            buf_clear(&line);
        }
        if (row.type == JSON_OBJECT)
            for (size_t m = 0, n = 0; json_member(row.raw, &m, &name, &v); n++) {
                if (n)
                    (void)buf_append_byte(&line, '\t');
                put_value(name, &v, &line);
            }
        printf("%*s", indent, "");
        print_buf(&line);
        (void)putchar('\n');
        buf_fini_secret(&line); /* recovery codes */
    }
}

static void print_text(const struct json_val *v)
{
    struct buf text;
    buf_init(&text, 4u << 20);
    uint8_t *room = buf_reserve(&text, v->raw.n);
    int n = room ? json_string(v, room, v->raw.n) : -1;
    for (int i = 0; i < n; i++)
        (void)putchar(room[i] == '\n' || (room[i] >= ' ' && room[i] != 0x7f) ? room[i] : '?');
    (void)putchar('\n');
    buf_fini_secret(&text);
}

static void print_object(struct span object)
{
    struct json_val v;
    struct span name;
    struct buf line;
    for (size_t at = 0; json_member(object, &at, &name, &v);) {
        if (json_name_is(name, "text") && v.type == JSON_STRING) {
            print_text(&v);
        } else if (v.type == JSON_ARRAY) {
            bool rows = json_name_is(name, "rows");
            if (!rows)
                printf("%.*s:\n", (int)name.n, (const char *)name.p);
            print_rows(v.raw, rows ? 0 : 2);
        } else if (json_name_is(name, "more")) {
            if (v.type == JSON_TRUE)
                printf("(there are more)\n");
        } else if (json_name_is(name, "after") && v.type == JSON_STRING) {
            printf("(the next ones: --after %.*s)\n", (int)v.raw.n - 2, (const char *)v.raw.p + 1);
        } else {
            buf_init(&line, 1u << 20);
            put_value(name, &v, &line);
            printf("%.*s: ", (int)name.n, (const char *)name.p);
            print_buf(&line);
            (void)putchar('\n');
            buf_fini_secret(&line);
        }
    }
}

void remote_show(const struct remote *r, struct span result)
{
    if (cmdline_has(r->line, "json")) {
        (void)fwrite(result.n ? result.p : (const uint8_t *)"{}", 1, result.n ? result.n : 2,
                     stdout);
        (void)putchar('\n');
    } else if (result.n) {
        print_object(result);
    }
}
