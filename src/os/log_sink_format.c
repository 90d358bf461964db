/* One record as one line. */
#include "os/log_sink.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define TAIL 64u /* kept free for what closes a record: fields left out, bracket, newline */

static const char *const level_text[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* Bytes up to max; past it `full` is set and nothing is added. */
struct out {
    char *p;
    size_t n, max;
    bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
    if (o->full || n > o->max - o->n) {
        o->full = true;
        return;
    }
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

static void put_str(struct out *o, const char *s)
{
    put(o, s, strlen(s));
}

/* For short formats only. */
PRINTF_LIKE(2, 3) static void putf(struct out *o, const char *fmt, ...)
{
    char text[96];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0)
        put(o, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static uint32_t code_point(const uint8_t *p, size_t n)
{
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

/* What could end a line, drive a terminal, hide, or reverse the direction of what follows. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb);
}

/* Between quotes. A byte that is no UTF-8 has no JSON escape: there the text itself says \xNN. */
static void put_escaped(struct out *o, struct span s, enum log_sink_format format)
{
    size_t i = 0;
    while (i < s.n && !o->full) {
        size_t len = utf8_sequence(s.p + i, s.n - i);
        if (i + (len ? len : 1) > LOG_SINK_VALUE_MAX)
            break;
        uint32_t c = len ? code_point(s.p + i, len) : 0;
        if (len == 0)
            putf(o, format == LOG_SINK_JSON ? "\\\\x%02x" : "\\x%02x", s.p[i]);
        else if (c == '"' || c == '\\')
            putf(o, "\\%c", (int)c);
        else if (is_unsafe(c))
            putf(o, "\\u%04" PRIx32, c);
        else
            put(o, (const char *)s.p + i, len);
        i += len ? len : 1;
    }
    if (i < s.n)
        putf(o, "...(+%zu bytes)", s.n - i);
}

/* In text a value goes without quotes where nothing in it can be taken for something else. */
static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"\\=", s.p[i]))
            return false;
    return s.n > 0 && s.n <= LOG_SINK_VALUE_MAX;
}

static void put_text(struct out *o, struct span s, enum log_sink_format format)
{
    if (format == LOG_SINK_TEXT && is_plain(s)) {
        put(o, (const char *)s.p, s.n);
        return;
    }
    put_str(o, "\"");
    put_escaped(o, s, format);
    put_str(o, "\"");
}

static void put_value(struct out *o, const struct log_field *f, enum log_sink_format format)
{
    char addr[ADDR_TEXT_MAX];
    switch (f->type) {
    case LOG_TYPE_INT: putf(o, "%" PRId64, f->v.i); break;
    case LOG_TYPE_UINT: putf(o, "%" PRIu64, f->v.u); break;
    case LOG_TYPE_SPAN: put_text(o, f->v.s, format); break;
    case LOG_TYPE_ADDR: put_text(o, span_str(addr_text(f->v.a, addr)), format); break;
    }
}

static void put_time(struct out *o, int64_t unix_ms)
{
    time_t s = (time_t)(unix_ms / 1000);
    int ms = (int)(unix_ms % 1000);
    struct tm tm;
    char date[40];
    if (ms < 0 || !gmtime_r(&s, &tm) ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        put_str(o, "?");
        return;
    }
    putf(o, "%s.%03dZ", date, ms);
}

static void put_head(struct out *o, enum log_sink_format format, int64_t unix_ms,
                     const struct log_row *row)
{
    bool json = format == LOG_SINK_JSON;
    put_str(o, json ? "{\"time\":\"" : "");
    put_time(o, unix_ms);
    put_str(o, json ? "\",\"level\":\"" : " ");
    put_str(o, level_text[row->level]);
    put_str(o, json ? "\",\"event\":\"" : " ");
    put_str(o, row->id);
    put_str(o, json ? "\",\"message\":\"" : " ");
    /* Our own words, which need no escapes in text. */
    if (json)
        put_escaped(o, span_str(row->text), format);
    else
        put_str(o, row->text);
    put_str(o, json ? "\"" : "");
}

size_t log_sink_format(char to[LOG_SINK_RECORD_MAX], enum log_sink_format format, int64_t unix_ms,
                       const struct log_row *row, const struct log_field *fields, size_t n)
{
    struct out o = {.p = to, .max = LOG_SINK_RECORD_MAX - TAIL};
    bool json = format == LOG_SINK_JSON;
    put_head(&o, format, unix_ms, row);
    size_t i = 0;
    for (; i < n; i++) {
        size_t before = o.n;
        put_str(&o, json ? ",\"" : " ");
        put_str(&o, fields[i].key);
        put_str(&o, json ? "\":" : "=");
        put_value(&o, &fields[i], format);
        if (o.full) {
            o.n = before;
            break;
        }
    }
    o.max = LOG_SINK_RECORD_MAX;
    o.full = false;
    if (i < n)
        putf(&o, json ? ",\"fields_left_out\":%zu" : " fields_left_out=%zu", n - i);
    put_str(&o, json ? "}\n" : "\n");
    return o.n;
}
