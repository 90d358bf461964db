/* The spool's file: what was appended is read again, also after a crash in the middle of a line, a
 * disk that is full, and a second process. */
#include "os/spool.h"

#include "base/err.h"
#include "os/clock.h"
#include "os/uvloop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT (20 * NSEC_PER_S)

static struct uvloop *uv;
static struct spool *s;
static char folder[64], path[96];
static char why_text[512];

static struct {
    bool came;
    int rc;
    char text[4096];
    size_t n;
} got;

static char logged[64];

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    (void)log;
    (void)f;
    (void)n;
    (void)snprintf(logged, sizeof logged, "%s", row->id);
}

static struct log log_ = {LOG_DEBUG, emit};

static int open_with(uint64_t bytes_max, struct spool **ret)
{
    struct buf why;
    buf_init(&why, sizeof why_text - 1);
    int rc = spool_open(ret, uvloop_loop(uv), path, bytes_max, &log_, &why);
    (void)snprintf(why_text, sizeof why_text, "%.*s", (int)why.n, why.n ? (const char *)why.p : "");
    buf_fini(&why);
    return rc;
}

static void reopen(uint64_t bytes_max)
{
    spool_close(s);
    s = NULL;
    logged[0] = '\0';
    assert_int_equal(open_with(bytes_max, &s), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(uvloop_create(&uv), 0);
    (void)snprintf(folder, sizeof folder, "spool.XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/audit.spool", folder);
    s = NULL;
    reopen(1000);
    return 0;
}

static int teardown(void **state)
{
    char pattern[128];
    glob_t all;
    (void)state;
    spool_close(s);
    uvloop_destroy(uv);
    (void)snprintf(pattern, sizeof pattern, "%s/*", folder);
    if (glob(pattern, 0, NULL, &all) == 0)
        for (size_t i = 0; i < all.gl_pathc; i++)
            (void)unlink(all.gl_pathv[i]);
    globfree(&all);
    return rmdir(folder);
}

static void on_done(void *ctx, struct now now, int rc)
{
    (void)now;
    assert_ptr_equal(ctx, &got);
    assert_false(got.came);
    got.came = true;
    got.rc = rc;
    uvloop_stop(uv);
}

static void on_read(void *ctx, struct now now, int rc, struct span text)
{
    assert_true(text.n < sizeof got.text);
    got.n = text.n;
    if (text.n)
        memcpy(got.text, text.p, text.n);
    got.text[text.n] = '\0';
    on_done(ctx, now, rc);
}

static int wait_done(void)
{
    assert_false(got.came); /* never from within the call */
    assert_true(uvloop_run(uv, clock_now().mono + WAIT));
    assert_true(got.came);
    got.came = false;
    return got.rc;
}

static int append(const char *text)
{
    spool_port(s)->append(spool_port(s), span_str(text), on_done, &got);
    return wait_done();
}

static const char *text_of(void)
{
    spool_port(s)->read(spool_port(s), on_read, &got);
    assert_int_equal(wait_done(), 0);
    return got.text;
}

static int clear(bool keep)
{
    spool_port(s)->clear(spool_port(s), keep, on_done, &got);
    return wait_done();
}

static void write_raw(const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void keeps_what_it_is_given(void **state)
{
    struct stat st;
    (void)state;
    assert_string_equal(text_of(), "");
    assert_int_equal(append("one\n"), 0);
    assert_int_equal(append("two\nthree\n"), 0);
    assert_string_equal(text_of(), "one\ntwo\nthree\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    reopen(1000);
    assert_string_equal(logged, "");
    assert_string_equal(text_of(), "one\ntwo\nthree\n");
    assert_int_equal(clear(false), 0);
    assert_string_equal(text_of(), "");
    assert_int_equal(append("four\n"), 0);
    reopen(1000);
    assert_string_equal(text_of(), "four\n");
}

static void a_line_without_end_is_cut_off_and_told(void **state)
{
    (void)state;
    assert_int_equal(append("whole\n"), 0);
    write_raw("not to its en");
    reopen(1000);
    assert_string_equal(logged, "spool.cut");
    assert_int_equal(append("next\n"), 0);
    assert_string_equal(text_of(), "whole\nnext\n");
    assert_int_equal(clear(false), 0);
    write_raw("nothing but half a line");
    reopen(1000);
    assert_string_equal(logged, "spool.cut");
    assert_string_equal(text_of(), "");
}

static void a_long_line_without_end(void **state)
{
    char text[10001];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(append("whole\n"), 0);
    write_raw(text);
    reopen(1000);
    assert_string_equal(text_of(), "whole\n");
}

static void no_more_than_its_ceiling(void **state)
{
    (void)state;
    reopen(10);
    assert_int_equal(append("1234\n"), 0);
    assert_int_equal(append("12345\n"), E_FULL);
    assert_int_equal(append("5678\n"), 0); /* exactly */
    assert_int_equal(append("\n"), E_FULL);
    assert_string_equal(text_of(), "1234\n5678\n");
    assert_int_equal(clear(false), 0);
    assert_int_equal(append("12345678901\n"), E_FULL);
    assert_int_equal(append("123456789\n"), 0);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    struct rlimit before, small;
    (void)state;
    assert_int_equal(append("whole\n"), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 9;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = append("no room for this\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, E_IO);
    assert_string_equal(logged, "spool.failed");
    assert_string_equal(text_of(), "whole\n");
    assert_int_equal(append("more\n"), 0);
    reopen(1000);
    assert_string_equal(text_of(), "whole\nmore\n");
}

static void one_process_at_a_time(void **state)
{
    struct spool *other;
    (void)state;
    assert_int_equal(open_with(1000, &other), E_BUSY);
    assert_non_null(strstr(why_text, path));
    assert_int_equal(append("a\n"), 0);
    assert_int_equal(clear(true), 0); /* the new file is ours too */
    assert_int_equal(open_with(1000, &other), E_BUSY);
}

static void put_aside_for_a_person(void **state)
{
    char pattern[128], text[64] = "";
    glob_t all;
    (void)state;
    assert_int_equal(append("strange\n"), 0);
    assert_int_equal(clear(true), 0);
    assert_string_equal(logged, "spool.aside");
    assert_string_equal(text_of(), "");
    assert_int_equal(append("ours\n"), 0);
    assert_string_equal(text_of(), "ours\n");
    (void)snprintf(pattern, sizeof pattern, "%s.aside-*", path);
    assert_int_equal(glob(pattern, 0, NULL, &all), 0);
    assert_int_equal(all.gl_pathc, 1);
    FILE *f = fopen(all.gl_pathv[0], "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, "strange\n");
    (void)fclose(f);
    globfree(&all);
}

static void what_cannot_be_opened_is_named(void **state)
{
    struct spool *other;
    char kept[96];
    (void)state;
    memcpy(kept, path, sizeof kept);
    (void)snprintf(path, sizeof path, "%s/no/where", folder);
    assert_int_equal(open_with(1000, &other), E_IO);
    assert_non_null(strstr(why_text, path));
    memcpy(path, kept, sizeof path);
}

static void on_second(void *ctx, struct now now, int rc)
{
    (void)now;
    *(int *)ctx = rc;
}

static void on_first(void *ctx, struct now now, int rc)
{
    (void)now;
    (void)rc;
    spool_port(s)->append(spool_port(s), span_str("second\n"), on_second, ctx);
}

static void closing_finishes_what_it_leads_to(void **state)
{
    int rc = 1;
    (void)state;
    spool_port(s)->append(spool_port(s), span_str("first\n"), on_first, &rc);
    reopen(1000);
    assert_int_equal(rc, 0);
    assert_string_equal(text_of(), "first\nsecond\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_it_is_given),
        TEST(a_line_without_end_is_cut_off_and_told),
        TEST(a_long_line_without_end),
        TEST(no_more_than_its_ceiling),
        TEST(a_write_that_fails_leaves_nothing),
        TEST(one_process_at_a_time),
        TEST(put_aside_for_a_person),
        TEST(what_cannot_be_opened_is_named),
        TEST(closing_finishes_what_it_leads_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
