#include "base/err.h"
#include "base/rng.h"
#include "os/log_sink.h"
#include "wire/json.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 20000

static const struct log_row row_open = {LOG_INFO, "edge.open", "link opened"};
static const struct log_row row_bad = {LOG_ERROR, "edge.bad", "broken"};

static char line[LOG_SINK_RECORD_MAX + 1];

static const char *format(enum log_sink_format f, const struct log_field *fields, size_t n)
{
    size_t len = log_sink_format(line, f, INT64_C(1767322245678), &row_open, fields, n);
    assert_true(len > 0 && len <= LOG_SINK_RECORD_MAX);
    line[len] = '\0';
    assert_int_equal(line[len - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    if (f == LOG_SINK_JSON)
        assert_int_equal(json_check(span_of(line, len - 1)), JSON_OBJECT);
    return line;
}

static void formats_every_type(void **state)
{
    const uint8_t ip[4] = {192, 0, 2, 4};
    struct addr a = addr_v4(ip, 5000);
    const struct log_field fields[] = {LF_ADDR("peer", &a), LF_INT("delta", -3),
                                       LF_UINT("n", UINT64_MAX), LF_STR("name", "a \"b\"")};
    (void)state;
    assert_string_equal(format(LOG_SINK_TEXT, fields, 4),
                        "2026-01-02T02:50:45.678Z info edge.open link opened peer=192.0.2.4:5000 "
                        "delta=-3 n=18446744073709551615 name=\"a \\\"b\\\"\"\n");
    assert_string_equal(
        format(LOG_SINK_JSON, fields, 4),
        "{\"time\":\"2026-01-02T02:50:45.678Z\",\"level\":\"info\",\"event\":\"edge."
        "open\",\"message\":\"link opened\",\"peer\":\"192.0.2.4:5000\",\"delta\":-3,"
        "\"n\":18446744073709551615,\"name\":\"a \\\"b\\\"\"}\n");
    assert_string_equal(format(LOG_SINK_TEXT, NULL, 0),
                        "2026-01-02T02:50:45.678Z info edge.open link opened\n");
}

/* The value as shown, of one field "v". */
static const char *shown(enum log_sink_format f, struct span s)
{
    const struct log_field field = LF_SPAN("v", s);
    const char *at = strstr(format(f, &field, 1), f == LOG_SINK_JSON ? "\"v\":" : " v=");
    assert_non_null(at);
    at += f == LOG_SINK_JSON ? 4 : 3;
    line[strlen(line) - (f == LOG_SINK_JSON ? 2 : 1)] = '\0';
    return at;
}

static void escapes_what_players_make(void **state)
{
    const struct {
        struct span in;
        const char *text, *json;
    } cases[] = {
        {SPAN_LIT("plain-1.2:3[x]{}"), "plain-1.2:3[x]{}", "\"plain-1.2:3[x]{}\""},
        {SPAN_LIT(""), "\"\"", "\"\""},
        {SPAN_LIT("a b"), "\"a b\"", "\"a b\""},
        {SPAN_LIT("a=b"), "\"a=b\"", "\"a=b\""},
        {SPAN_LIT("x\n2026 error fake"), "\"x\\u000a2026 error fake\"",
         "\"x\\u000a2026 error fake\""},
        {SPAN_LIT("\r\t\0\x1b[2J\x7f"), "\"\\u000d\\u0009\\u0000\\u001b[2J\\u007f\"",
         "\"\\u000d\\u0009\\u0000\\u001b[2J\\u007f\""},
        {SPAN_LIT("\\x41"), "\"\\\\x41\"", "\"\\\\x41\""},
        {SPAN_LIT("\xff\xc3"), "\"\\xff\\xc3\"", "\"\\\\xff\\\\xc3\""},
        {SPAN_LIT("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"", "\"\\\\xed\\\\xa0\\\\x80\""},
        {SPAN_LIT("Zo\xc3\xab \xf0\x9f\x8f\x8e"), "\"Zo\xc3\xab \xf0\x9f\x8f\x8e\"",
         "\"Zo\xc3\xab \xf0\x9f\x8f\x8e\""},
        {SPAN_LIT("\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xef\xbb\xbf"),
         "\"\\u0085\\u2028\\u202e\\ufeff\"", "\"\\u0085\\u2028\\u202e\\ufeff\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(shown(LOG_SINK_TEXT, cases[i].in), cases[i].text);
        assert_string_equal(shown(LOG_SINK_JSON, cases[i].in), cases[i].json);
    }
}

static void cuts_long_values(void **state)
{
    char in[LOG_SINK_VALUE_MAX + 8], want[LOG_SINK_VALUE_MAX + 64];
    (void)state;
    memset(in, 'a', sizeof in);
    (void)snprintf(want, sizeof want, "%.*s", (int)LOG_SINK_VALUE_MAX, in);
    assert_string_equal(shown(LOG_SINK_TEXT, span_of(in, LOG_SINK_VALUE_MAX)), want);
    (void)snprintf(want, sizeof want, "\"%.*s...(+1 bytes)\"", (int)LOG_SINK_VALUE_MAX, in);
    assert_string_equal(shown(LOG_SINK_TEXT, span_of(in, LOG_SINK_VALUE_MAX + 1)), want);
    assert_string_equal(shown(LOG_SINK_JSON, span_of(in, LOG_SINK_VALUE_MAX + 1)), want);
    /* Never in the middle of a character: here the limit falls into a two-byte one. */
    memcpy(in + LOG_SINK_VALUE_MAX - 1, "\xc3\xab", 2);
    (void)snprintf(want, sizeof want, "\"%.*s...(+2 bytes)\"", (int)LOG_SINK_VALUE_MAX - 1, in);
    assert_string_equal(shown(LOG_SINK_JSON, span_of(in, LOG_SINK_VALUE_MAX + 1)), want);
}

static void leaves_out_fields_past_the_limit(void **state)
{
    char controls[LOG_SINK_VALUE_MAX];
    struct log_field fields[8];
    (void)state;
    memset(controls, 1, sizeof controls); /* six bytes each when escaped */
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        fields[i] = LF_SPAN("v", span_of(controls, sizeof controls));
    assert_null(strstr(format(LOG_SINK_JSON, fields, 2), "left_out"));
    assert_non_null(strstr(format(LOG_SINK_JSON, fields, 8), ",\"fields_left_out\":6}\n"));
    assert_non_null(strstr(format(LOG_SINK_TEXT, fields, 8), " fields_left_out=6\n"));
}

static void stays_json_under_random_bytes(void **state)
{
    struct rng rng = {7};
    uint8_t bytes[600];
    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t n = rng_below(&rng, sizeof bytes + 1);
        for (size_t i = 0; i < n; i++) /* half of them controls, quotes and lead bytes */
            bytes[i] =
                (uint8_t)(rng_below(&rng, 2) ? "\"\\\n\xe2\x80\xa8\xf0\x9f"[rng_below(&rng, 8)]
                                             : (char)rng_below(&rng, 256));
        const struct log_field fields[] = {LF_SPAN("a", span_of(bytes, n)),
                                           LF_SPAN("b", span_of(bytes, n / 2))};
        (void)format(LOG_SINK_JSON, fields, 2);
        (void)format(LOG_SINK_TEXT, fields, 2);
        for (const char *p = line; *p != '\n'; p++)
            assert_true((uint8_t)*p >= 0x20 && *p != 0x7f);
    }
}

/* A sink that writes into a pipe. */
struct piped {
    struct log_sink *sink;
    struct log *log;
    int in, out;
    char text[LOG_SINK_RECORD_MAX * 2]; /* read, not yet taken */
    size_t n;
};

static void piped_open(struct piped *p, size_t ring_bytes)
{
    int fds[2];
    struct buf why;
    assert_int_equal(pipe(fds), 0);
    p->in = fds[0];
    p->out = fds[1];
    p->n = 0;
    buf_init(&why, 256);
    const struct log_sink_options options = {
        .level = LOG_INFO, .fd = p->out, .ring_bytes = ring_bytes};
    assert_int_equal(log_sink_create(&p->sink, &options, &why), 0);
    p->log = log_sink_log(p->sink);
}

static void piped_close(struct piped *p)
{
    log_sink_destroy(p->sink);
    close(p->out);
    if (p->in >= 0)
        close(p->in);
}

/* The next line, without its end; false at the end of what comes within the time. */
static bool next_line(struct piped *p, char *to, int wait_ms)
{
    char *end;
    while (!(end = memchr(p->text, '\n', p->n))) {
        struct pollfd fd = {.fd = p->in, .events = POLLIN};
        if (poll(&fd, 1, wait_ms) <= 0)
            return false;
        ssize_t n = read(p->in, p->text + p->n, sizeof p->text - p->n);
        if (n <= 0)
            return false;
        p->n += (size_t)n;
    }
    size_t len = (size_t)(end - p->text);
    assert_true(len < LOG_SINK_RECORD_MAX);
    memcpy(to, p->text, len);
    to[len] = '\0';
    p->n -= len + 1;
    memmove(p->text, end + 1, p->n);
    return true;
}

static unsigned long number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtoul(at + strlen(key), NULL, 10);
}

struct logger {
    struct log *log;
    unsigned id, n;
};

static void *log_many(void *ctx)
{
    const struct logger *l = ctx;
    for (unsigned i = 0; i < l->n; i++)
        LOG(l->log, &row_open, LF_UINT("thread", l->id), LF_UINT("i", i));
    return NULL;
}

static void keeps_each_threads_order(void **state)
{
    enum { THREADS = 3, RECORDS = 3000 };
    struct piped p;
    struct logger loggers[THREADS];
    pthread_t threads[THREADS];
    unsigned next[THREADS] = {0};
    (void)state;
    piped_open(&p, 0);
    for (unsigned t = 0; t < THREADS; t++) {
        loggers[t] = (struct logger){p.log, t, RECORDS};
        assert_int_equal(pthread_create(&threads[t], NULL, log_many, &loggers[t]), 0);
    }
    for (unsigned i = 0; i < THREADS * RECORDS; i++) {
        assert_true(next_line(&p, line, DEADLINE_MS));
        unsigned long t = number_after(line, " thread=");
        assert_true(t < THREADS);
        assert_int_equal(number_after(line, " i="), next[t]++);
    }
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    assert_int_equal(log_sink_dropped(p.sink), 0);
    piped_close(&p);
}

static void drops_below_the_level(void **state)
{
    static const struct log_row debug = {LOG_DEBUG, "x.debug", "debug"};
    struct piped p;
    (void)state;
    piped_open(&p, 0);
    LOG0(p.log, &debug);
    p.log->level = LOG_DEBUG;
    LOG0(p.log, &debug);
    p.log->level = LOG_ERROR;
    LOG0(p.log, &row_open);
    LOG0(p.log, &row_bad);
    assert_true(log_sink_flush(p.sink, DEADLINE_MS));
    assert_true(next_line(&p, line, 0));
    assert_non_null(strstr(line, " debug x.debug "));
    assert_true(next_line(&p, line, 0));
    assert_non_null(strstr(line, " error edge.bad "));
    assert_false(next_line(&p, line, 0));
    piped_close(&p);
}

#define FILLER "filler filler filler filler filler filler filler filler filler\n"

/* Fills the pipe, whose reader is then as good as stalled, and the ring: logs until something is
 * dropped. Returns how many records that took. */
static unsigned fill(struct piped *p)
{
    unsigned n = 0;
    assert_int_equal(fcntl(p->out, F_SETFL, O_NONBLOCK), 0);
    while (write(p->out, FILLER, sizeof FILLER - 1) == (ssize_t)sizeof FILLER - 1)
        continue;
    assert_int_equal(fcntl(p->out, F_SETFL, 0), 0);
    while (log_sink_dropped(p->sink) == 0) {
        LOG(p->log, &row_open, LF_UINT("i", n));
        assert_true(++n < 1000000);
    }
    return n;
}

static void never_waits_for_a_stalled_reader(void **state)
{
    struct piped p;
    (void)state;
    piped_open(&p, 65536);
    unsigned n = fill(&p);
    for (unsigned i = 0; i < 50; i++, n++)
        LOG(p.log, &row_open, LF_UINT("i", n));
    assert_false(log_sink_flush(p.sink, 10));
    uint64_t dropped = log_sink_dropped(p.sink);
    assert_true(dropped == 51);
    /* What is for errors is still free. */
    LOG0(p.log, &row_bad);
    assert_int_equal(log_sink_dropped(p.sink), dropped);

    /* The reader comes back: nothing is lost but what was counted, and the count is told. */
    unsigned seen = 0, told = 0, last = 0;
    bool error = false, again = false;
    while (!again && next_line(&p, line, DEADLINE_MS)) {
        if (strstr(line, "filler"))
            continue;
        if (strstr(line, "edge.bad")) {
            error = true;
        } else if (strstr(line, "log.dropped")) {
            told += (unsigned)number_after(line, " records=");
            LOG(p.log, &row_open, LF_UINT("i", n++));
        } else {
            unsigned i = (unsigned)number_after(line, " i=");
            assert_true(seen == 0 || i > last);
            last = i;
            seen++;
            again = i == n - 1;
        }
    }
    assert_true(again);
    assert_true(error);
    assert_int_equal(told, dropped);
    assert_int_equal(seen + told, n);
    piped_close(&p);
}

static void leaves_a_reader_that_never_reads(void **state)
{
    struct piped p;
    struct timespec before, after;
    (void)state;
    piped_open(&p, 0);
    (void)fill(&p);
    clock_gettime(CLOCK_MONOTONIC, &before);
    log_sink_destroy(p.sink);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec <= (time_t)(LOG_SINK_FLUSH_MS / 1000) + 3);
    close(p.in);
    close(p.out);
}

static void survives_a_reader_that_left(void **state)
{
    struct piped p;
    (void)state;
    piped_open(&p, 0);
    close(p.in);
    p.in = -1;
    for (unsigned i = 0; i < 100; i++)
        LOG(p.log, &row_open, LF_UINT("i", i));
    assert_true(log_sink_flush(p.sink, DEADLINE_MS));
    assert_true(log_sink_dropped(p.sink) >= 100);
    piped_close(&p);
}

/* A folder with a log file in it. */
struct filed {
    char folder[64], path[96], moved[96];
    struct log_sink *sink;
    struct log *log;
    struct buf why;
};

static int filed_open(struct filed *f)
{
    const struct log_sink_options options = {.level = LOG_INFO, .path = f->path, .fd = -1};
    int err = log_sink_create(&f->sink, &options, &f->why);
    if (err == 0)
        f->log = log_sink_log(f->sink);
    return err;
}

static void filed_folder(struct filed *f)
{
    *f = (struct filed){.folder = "log_sink.XXXXXX"};
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof f->path, "%s/log", f->folder);
    (void)snprintf(f->moved, sizeof f->moved, "%s/log.1", f->folder);
    buf_init(&f->why, 512);
}

static void filed_close(struct filed *f)
{
    log_sink_destroy(f->sink);
    (void)unlink(f->path);
    (void)unlink(f->moved);
    (void)rmdir(f->folder);
    buf_fini(&f->why);
}

/* How many lines of the file hold the text. */
static int lines_with(const char *path, const char *text)
{
    FILE *f = fopen(path, "r");
    int n = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, text) != NULL;
    (void)fclose(f);
    return n;
}

static void reopens_its_file(void **state)
{
    struct filed f;
    struct stat st;
    (void)state;
    filed_folder(&f);
    assert_int_equal(filed_open(&f), 0);
    for (unsigned i = 0; i < 20000; i++)
        LOG(f.log, &row_open, LF_STR("when", "before"));
    assert_true(log_sink_flush(f.sink, DEADLINE_MS));
    uint64_t dropped = log_sink_dropped(f.sink);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640u, 0);
    assert_int_equal(rename(f.path, f.moved), 0);
    assert_int_equal(log_sink_reopen(f.sink, &f.why), 0);
    log_sink_set_format(f.sink, LOG_SINK_JSON);
    LOG(f.log, &row_open, LF_STR("when", "after"));
    assert_true(log_sink_flush(f.sink, DEADLINE_MS));
    assert_int_equal(lines_with(f.moved, "when=before"), 20000 - (int)dropped);
    assert_int_equal(lines_with(f.path, "\"when\":\"after\""), 1);
    assert_int_equal(lines_with(f.moved, "after"), 0);
    filed_close(&f);
}

static void keeps_its_file_when_reopening_fails(void **state)
{
    struct filed f;
    (void)state;
    filed_folder(&f);
    assert_int_equal(filed_open(&f), 0);
    assert_int_equal(rename(f.path, f.moved), 0);
    assert_int_equal(mkdir(f.path, 0700), 0);
    assert_int_equal(log_sink_reopen(f.sink, &f.why), E_IO);
    assert_non_null(memmem(f.why.p, f.why.n, f.path, strlen(f.path)));
    LOG(f.log, &row_open, LF_STR("when", "still"));
    assert_true(log_sink_flush(f.sink, DEADLINE_MS));
    assert_int_equal(lines_with(f.moved, "when=still"), 1);
    assert_int_equal(rmdir(f.path), 0);
    filed_close(&f);
}

static void says_which_file_it_cannot_open(void **state)
{
    struct filed f;
    (void)state;
    filed_folder(&f);
    (void)snprintf(f.path, sizeof f.path, "%s/none/log", f.folder);
    assert_int_equal(filed_open(&f), E_IO);
    assert_non_null(memmem(f.why.p, f.why.n, f.path, strlen(f.path)));
    filed_close(&f);
}

/* /dev/full refuses every write, as a full disk does. */
static void reports_what_a_full_disk_lost(void **state)
{
    struct filed f;
    (void)state;
    filed_folder(&f);
    assert_int_equal(symlink("/dev/full", f.path), 0);
    assert_int_equal(filed_open(&f), 0);
    for (unsigned i = 0; i < 10; i++)
        LOG(f.log, &row_open, LF_STR("when", "full"));
    assert_true(log_sink_flush(f.sink, DEADLINE_MS));
    assert_int_equal(log_sink_dropped(f.sink), 10);
    assert_int_equal(unlink(f.path), 0);
    assert_int_equal(log_sink_reopen(f.sink, &f.why), 0);
    LOG(f.log, &row_open, LF_STR("when", "after"));
    assert_true(log_sink_flush(f.sink, DEADLINE_MS));
    assert_int_equal(lines_with(f.path, "log.dropped records lost"), 1);
    assert_int_equal(lines_with(f.path, " records=10 "), 1);
    assert_int_equal(lines_with(f.path, "when=after"), 1);
    filed_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_every_type),
        cmocka_unit_test(escapes_what_players_make),
        cmocka_unit_test(cuts_long_values),
        cmocka_unit_test(leaves_out_fields_past_the_limit),
        cmocka_unit_test(stays_json_under_random_bytes),
        cmocka_unit_test(keeps_each_threads_order),
        cmocka_unit_test(drops_below_the_level),
        cmocka_unit_test(never_waits_for_a_stalled_reader),
        cmocka_unit_test(leaves_a_reader_that_never_reads),
        cmocka_unit_test(survives_a_reader_that_left),
        cmocka_unit_test(reopens_its_file),
        cmocka_unit_test(keeps_its_file_when_reopening_fails),
        cmocka_unit_test(says_which_file_it_cannot_open),
        cmocka_unit_test(reports_what_a_full_disk_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
