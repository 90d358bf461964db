/* Log records with text that players made: whatever it holds, a record is one line, in JSON one
 * object whose values read back as the text (cut where it says so), and in text nothing that drives
 * a terminal. */
#include "fuzz.h"

#include "base/utf8.h"
#include "os/log_sink.h"
#include "wire/json.h"

static const struct log_row row = {LOG_INFO, "fuzz.record", "a \"record\""};

static void check_json(struct span line, const struct log_field *fields, size_t n)
{
    static const char *const names[] = {"k0", "k1", "k2", "n", "fields_left_out", "message"};
    struct json_val v[ARRAY_LEN(names)];
    uint8_t *to = fuzz_alloc(line.n);
    MUST(json_object(line, names, ARRAY_LEN(names), v) == JSON_OBJECT);
    MUST(json_string(&v[5], to, line.n) == 10 && memcmp(to, "a \"record\"", 10) == 0);
    for (size_t i = 0; i < n; i++) {
        MUST(v[i].type == JSON_STRING || v[4].type == JSON_NUMBER);
        if (v[i].type != JSON_STRING || fields[i].v.s.n > LOG_SINK_VALUE_MAX ||
            !utf8_valid(fields[i].v.s))
            continue;
        int len = json_string(&v[i], to, line.n);
        MUST(len >= 0 && span_eq(span_of(to, (size_t)len), fields[i].v.s));
    }
    free(to);
}

static void one(enum log_sink_format format, const struct log_field *fields, size_t n, size_t named)
{
    char *line = fuzz_alloc(LOG_SINK_RECORD_MAX);
    size_t len = log_sink_format(line, format, 1767323045678, &row, fields, n);
    MUST(len > 0 && len <= LOG_SINK_RECORD_MAX && line[len - 1] == '\n');
    struct span all = span_of(line, len - 1);
    MUST(all.n == 0 || utf8_is_name(all, 0, all.n)); /* no control, no line end */
    if (format == LOG_SINK_JSON)
        check_json(all, fields, named);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"k0", "k1", "k2"};
    struct span in = span_of(data, size);
    struct log_field fields[24];
    size_t n = 1 + fuzz_below(&in, 4), wide = fuzz_chance(&in, 32) ? 20 : 0;
    uint8_t *copies[ARRAY_LEN(keys)] = {NULL};
    for (size_t i = 0; i < n && i < ARRAY_LEN(keys); i++) {
        struct span s = fuzz_take(&in, i + 1 == n ? in.n : fuzz_below(&in, 300));
        copies[i] = fuzz_copy(s);
        fields[i] = LF_SPAN(keys[i], span_of(copies[i], s.n));
    }
    if (n > ARRAY_LEN(keys))
        fields[3] = LF_INT("n", (int64_t)fuzz_number(&in, 8));
    for (size_t i = n; i < n + wide; i++) /* more than a record holds */
        fields[i] = LF_SPAN("more", fields[0].v.s);
    one(LOG_SINK_JSON, fields, n + wide, n < 3 ? n : 3);
    one(LOG_SINK_TEXT, fields, n + wide, n < 3 ? n : 3);
    for (size_t i = 0; i < ARRAY_LEN(copies); i++)
        free(copies[i]);
    return 0;
}
