/* Newline framing: what is cut off, what is waited for, and the limit to the byte. */
#include "exact.h"

#include "wire/line.h"

#include <stdio.h>

#define BOM "\xef\xbb\xbf"

/* Feeds n bytes of text and compares the outcome; want is the line when rc is 0. */
static void assert_next(const char *text, size_t n, size_t max, int rc, const char *want,
                        size_t want_used)
{
    struct span in = exact(text, n), line = SPAN_NULL;
    size_t used = 0;
    int got = line_next(in, max, &line, &used);
    if (got != rc)
        fail_msg("max %zu, %zu bytes \"%.*s\": %d, not %d", max, n, (int)n, text, got, rc);
    if (rc == 0) {
        assert_text(line, want);
        assert_int_equal(used, want_used);
    } else {
        assert_null(line.p);
        assert_int_equal(used, 0);
    }
    exact_free(in);
}

static void t_takes_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
        size_t used;
    } rows[] = {
        {"\n", "", 1},
        {"\r\n", "", 2},
        {"\n\n", "", 1},
        {"a\n", "a", 2},
        {"a\r\n", "a", 3},
        {"a\r\r\n", "a\r", 4},
        {"\r\r\n", "\r", 3},
        {"a\rb\n", "a\rb", 4},
        {"a\nb\nc", "a", 2},
        {BOM "a\n", "a", 5},
        {BOM "a\r\n", "a", 6},
        {BOM "\n", "", 4},
        {BOM "\r\n", "", 5},
        {BOM BOM "a\n", BOM "a", 8},
        {"a" BOM "\n", "a" BOM, 5},
        {"\xef\xbb\n", "\xef\xbb", 3},
        {"\xef\n", "\xef", 2},
        {"\xefx\n", "\xefx", 3},
        {"\xef\xbbx\n", "\xef\xbbx", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_next(rows[i].text, strlen(rows[i].text), 64, 0, rows[i].line, rows[i].used);
}

static void t_waits_for_more(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         "a", "\r",     "a\r",   "\xef",
                                        "\xef\xbb", BOM, BOM "\r", BOM "a", "\xefx"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_next(texts[i], strlen(texts[i]), 64, E_MORE, NULL, 0);
    assert_int_equal(line_next(SPAN_NULL, 64, &(struct span){0}, &(size_t){0}), E_MORE);
}

static void t_limit_is_exact(void **state)
{
    (void)state;
    static const char *const fronts[] = {"", BOM}, *const ends[] = {"\n", "\r\n", "", "\r"};
    for (size_t max = 0; max <= 20; max++) {
        for (size_t body = 0; body <= max + 3; body++) {
            for (size_t i = 0; i < 2 * 4; i++) {
                const char *front = fronts[i % 2], *end = ends[i / 2];
                char text[64], line[64];
                int n = snprintf(text, sizeof text, "%s%.*s%s", front, (int)body,
                                 "xxxxxxxxxxxxxxxxxxxxxxxx", end);
                snprintf(line, sizeof line, "%.*s", (int)body, "xxxxxxxxxxxxxxxxxxxxxxxx");
                int rc = body > max ? E_LIMIT : strchr(end, '\n') ? 0 : E_MORE;
                assert_next(text, (size_t)n, max, rc, line, (size_t)n);
            }
        }
    }
}

static void t_counts_every_cr_but_the_last(void **state)
{
    (void)state;
    assert_next("ab\r\r", 4, 3, E_MORE, NULL, 0);
    assert_next("ab\r\r\n", 5, 3, 0, "ab\r", 5);
    assert_next("ab\r\r", 4, 2, E_LIMIT, NULL, 0);
    assert_next("ab\r\r\n", 5, 2, E_LIMIT, NULL, 0);
    assert_next("ab\rc", 4, 3, E_LIMIT, NULL, 0);
}

static void t_part_of_a_bom_is_never_too_long(void **state)
{
    (void)state;
    assert_next("\xef", 1, 0, E_MORE, NULL, 0);
    assert_next("\xef\xbb", 2, 0, E_MORE, NULL, 0);
    assert_next(BOM, 3, 0, E_MORE, NULL, 0);
    assert_next(BOM "\r", 4, 0, E_MORE, NULL, 0);
    assert_next("\xefx", 2, 1, E_LIMIT, NULL, 0);
    assert_next("\xef\xbbx", 3, 2, E_LIMIT, NULL, 0);
}

static void t_limit_may_be_anything(void **state)
{
    (void)state;
    assert_next("a\n", 2, SIZE_MAX, 0, "a", 2);
    assert_next("a", 1, SIZE_MAX, E_MORE, NULL, 0);
    assert_next("a\n", 2, SIZE_MAX - 1, 0, "a", 2);
}

/* However the stream is cut, the same lines come out, and every byte of them once. */
static void t_every_split_gives_the_same_lines(void **state)
{
    (void)state;
    static const char stream[] = BOM "{\"a\":1}\r\n" BOM "\n\r\n{}\n" BOM "x\r\r\n\xef\xbb\nlast";
    static const char *const want[] = {"{\"a\":1}", "", "", "{}", "x\r", "\xef\xbb"};
    const size_t n = sizeof stream - 1;
    for (size_t first = 0; first <= n; first++) {
        for (size_t second = first; second <= n; second++) {
            const size_t arrives[] = {first, second, n};
            size_t start = 0, lines = 0;
            for (size_t i = 0; i < ARRAY_LEN(arrives); i++) {
                struct span line, in = exact(stream + start, arrives[i] - start);
                size_t used, taken = 0;
                int rc;
                while ((rc = line_next(span_skip(in, taken), 16, &line, &used)) == 0) {
                    assert_true(lines < ARRAY_LEN(want));
                    assert_text(line, want[lines++]);
                    taken += used;
                }
                assert_int_equal(rc, E_MORE);
                start += taken;
                exact_free(in);
            }
            assert_int_equal(lines, ARRAY_LEN(want));
            assert_int_equal(n - start, 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_takes_one_line),
        cmocka_unit_test(t_waits_for_more),
        cmocka_unit_test(t_limit_is_exact),
        cmocka_unit_test(t_counts_every_cr_but_the_last),
        cmocka_unit_test(t_part_of_a_bom_is_never_too_long),
        cmocka_unit_test(t_limit_may_be_anything),
        cmocka_unit_test(t_every_split_gives_the_same_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
