/* What JSON that was accepted must be like: it is walked to its last value, every number read as
 * the C library reads it, every string written and read again, the whole written anew. */
#ifndef SLIPGATE_TESTS_FUZZ_JSON_WALK_H
#define SLIPGATE_TESTS_FUZZ_JSON_WALK_H

#include "fuzz.h"

#include "base/err.h"
#include "base/utf8.h"
#include "wire/json.h"

#include <math.h>

/* Numbers as strtod has them, in the C locale that a fuzzer runs in. */
static void numbers(const struct json_val *v)
{
    char *text = malloc(v->raw.n + 1), *end;
    MUST(text);
    memcpy(text, v->raw.p, v->raw.n);
    text[v->raw.n] = '\0';
    double d = 0, want_d = strtod(text, &end);
    float f = 0, want_f = strtof(text, NULL), back;
    int64_t n;
    MUST(end == text + v->raw.n);
    int rc = json_double(v, &d);
    MUST(isfinite(want_d) ? rc == 0 && memcmp(&d, &want_d, sizeof d) == 0 : rc == E_RANGE);
    rc = json_float(v, &f);
    MUST(isfinite(want_f) ? rc == 0 && memcmp(&f, &want_f, sizeof f) == 0 : rc == E_RANGE);
    if (rc == 0) {
        struct buf b;
        buf_init(&b, 64);
        json_put_float(&b, f);
        struct json_val again = {JSON_NUMBER, buf_span(&b)};
        MUST(json_check(again.raw) == JSON_NUMBER && json_float(&again, &back) == 0);
        MUST(memcmp(&f, &back, sizeof f) == 0);
        buf_fini(&b);
    }
    rc = json_int(v, &n);
    MUST(rc == 0 || rc == (strpbrk(text, ".eE") ? E_FORMAT : E_RANGE));
    if (rc == 0)
        MUST(fabs((double)n - want_d) <= fabs(want_d) * 1e-15);
    free(text);
}

static void string(const struct json_val *v, struct buf *out)
{
    uint8_t *to = malloc(v->raw.n), *scratch = malloc(v->raw.n), *back = malloc(v->raw.n);
    struct span view;
    MUST(to && scratch && back);
    int n = json_string(v, to, v->raw.n - 2);
    MUST(n >= 0 && utf8_valid(span_of(to, (size_t)n)));
    MUST(json_string_view(v, scratch, v->raw.n - 2, &view) == n);
    MUST(span_eq(view, span_of(to, (size_t)n)));
    MUST(n == 0 || json_string(v, scratch, (size_t)n - 1) == E_LIMIT);
    size_t at = out->n;
    json_put_string(out, view);
    MUST(!out->failed);
    struct json_val again = {JSON_STRING, span_skip(buf_span(out), at)};
    MUST(json_check(again.raw) == JSON_STRING);
    MUST(json_string(&again, back, v->raw.n) == n && memcmp(back, to, (size_t)n) == 0);
    free(to);
    free(scratch);
    free(back);
}

static void write_again(const struct json_val *v, struct buf *out, unsigned depth);

static void array(struct span raw, struct buf *out, unsigned depth)
{
    struct json_val v;
    size_t at = 0;
    bool first = true;
    for (; json_next(raw, &at, &v); first = false) {
        buf_append_str(out, first ? "[" : ",");
        write_again(&v, out, depth);
    }
    MUST(first || raw.p[at] == ']');
    buf_append_str(out, first ? "[]" : "]");
}

static void object(struct span raw, struct buf *out, unsigned depth)
{
    static const char *const names[] = {"a", "command", "", "\xc3\xa9"};
    struct json_val v, picked[ARRAY_LEN(names)], last[ARRAY_LEN(names)] = {{JSON_ABSENT, {0}}};
    struct span name;
    size_t at = 0;
    bool first = true;
    MUST(json_object(raw, names, ARRAY_LEN(names), picked) == JSON_OBJECT);
    for (; json_member(raw, &at, &name, &v); first = false) {
        struct json_val quoted = {JSON_STRING, span_of(name.p - 1, name.n + 2)};
        buf_append_str(out, first ? "{" : ",");
        string(&quoted, out);
        buf_append_str(out, ":");
        write_again(&v, out, depth);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (json_name_is(name, names[i]))
                last[i] = v;
    }
    MUST(first || raw.p[at] == '}');
    buf_append_str(out, first ? "{}" : "}");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        MUST(picked[i].type == last[i].type && picked[i].raw.p == last[i].raw.p &&
             picked[i].raw.n == last[i].raw.n);
}

static void write_again(const struct json_val *v, struct buf *out, unsigned depth)
{
    MUST(v->type != JSON_ABSENT && json_check(v->raw) == (int)v->type);
    MUST(depth <= JSON_DEPTH_MAX);
    if (v->type == JSON_STRING) {
        string(v, out);
    } else if (v->type == JSON_ARRAY) {
        array(v->raw, out, depth + 1);
    } else if (v->type == JSON_OBJECT) {
        object(v->raw, out, depth + 1);
    } else {
        if (v->type == JSON_NUMBER)
            numbers(v);
        buf_append_span(out, v->raw);
    }
}

static struct span json_trim(struct span s)
{
    while (s.n && s.p[0] && strchr(" \t\r\n", s.p[0]))
        s = span_skip(s, 1);
    while (s.n && s.p[s.n - 1] && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Reads text; what is accepted is written compactly to once, which must read as the same again. The
 * type, or E_FORMAT. */
static int json_walk(struct span text, struct buf *once)
{
    int type = json_check(text);
    MUST(type == E_FORMAT || type > 0);
    if (type < 0)
        return type;
    struct buf twice;
    buf_init(&twice, 8 * text.n + 64);
    struct json_val v = {(enum json_type)type, json_trim(text)};
    write_again(&v, once, 0);
    MUST(!once->failed);
    v.raw = buf_span(once);
    write_again(&v, &twice, 0);
    MUST(span_eq(buf_span(once), buf_span(&twice)));
    buf_fini(&twice);
    return type;
}

#endif
