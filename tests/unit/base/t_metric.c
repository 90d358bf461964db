/* Metrics: bases, ceilings, and the text to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/metric.h"
#include "sim/alloc_fault.h"

static const struct metric_row first[] = {
    {"a_total", "kind=\"x\"", METRIC_COUNTER, "Things, by kind."},
    {"a_total", "kind=\"y\"", METRIC_COUNTER, NULL},
    {"b", "", METRIC_GAUGE, "Now."},
};
static const struct metric_row second[] = {
    {"t_seconds_total", "", METRIC_COUNTER_NS, "Time."},
    {"t_seconds", "side=\"in\"", METRIC_GAUGE_NS, "Age."},
};

static void assert_text(const struct metrics *m, const char *want)
{
    struct buf b;
    buf_init(&b, 65536);
    metrics_write(m, &b);
    assert_false(b.failed);
    assert_int_equal(buf_append_byte(&b, 0), 0);
    assert_string_equal((const char *)b.p, want);
    buf_fini(&b);
}

static void rows_become_text(void **state)
{
    (void)state;
    struct metrics m;
    metrics_init(&m);
    assert_text(&m, "");
    assert_int_equal(metrics_register(&m, first, ARRAY_LEN(first)), 0);
    metrics_add(&m, 1, 7);
    assert_int_equal(metrics_register(&m, second, ARRAY_LEN(second)), 3);
    metrics_add(&m, 0, 40);
    metrics_add(&m, 0, 2);
    metrics_set(&m, 2, -5);
    metrics_add(&m, 3, 1500000001);
    metrics_set(&m, 4, 20);
    assert_text(&m, "# HELP a_total Things, by kind.\n# TYPE a_total counter\n"
                    "a_total{kind=\"x\"} 42\na_total{kind=\"y\"} 7\n"
                    "# HELP b Now.\n# TYPE b gauge\nb -5\n"
                    "# HELP t_seconds_total Time.\n# TYPE t_seconds_total counter\n"
                    "t_seconds_total 1.500000001\n"
                    "# HELP t_seconds Age.\n# TYPE t_seconds gauge\n"
                    "t_seconds{side=\"in\"} 0.000000020\n");
    metrics_fini(&m);
    assert_text(&m, "");
}

static void extremes(void **state)
{
    (void)state;
    struct metrics m;
    metrics_init(&m);
    assert_int_equal(metrics_register(&m, first, ARRAY_LEN(first)), 0);
    assert_int_equal(metrics_register(&m, second, ARRAY_LEN(second)), 3);
    metrics_add(&m, 0, UINT64_MAX);
    metrics_set(&m, 2, INT64_MIN);
    metrics_add(&m, 3, UINT64_MAX);
    metrics_set(&m, 4, -1500000000);
    assert_text(&m, "# HELP a_total Things, by kind.\n# TYPE a_total counter\n"
                    "a_total{kind=\"x\"} 18446744073709551615\na_total{kind=\"y\"} 0\n"
                    "# HELP b Now.\n# TYPE b gauge\nb -9223372036854775808\n"
                    "# HELP t_seconds_total Time.\n# TYPE t_seconds_total counter\n"
                    "t_seconds_total 18446744073.709551615\n"
                    "# HELP t_seconds Age.\n# TYPE t_seconds gauge\n"
                    "t_seconds{side=\"in\"} -1.500000000\n");
    metrics_fini(&m);
}

static void the_number_of_tables_is_limited(void **state)
{
    (void)state;
    struct metrics m;
    metrics_init(&m);
    for (unsigned i = 0; i < METRIC_TABLES_MAX; i++)
        assert_int_equal(metrics_register(&m, first, ARRAY_LEN(first)), 3 * i);
    assert_int_equal(metrics_register(&m, first, ARRAY_LEN(first)), E_FULL);
    assert_int_equal(m.n, 3 * METRIC_TABLES_MAX);
    metrics_fini(&m);
}

static void short_memory_changes_nothing(void **state)
{
    (void)state;
    struct metrics m;
    metrics_init(&m);
    assert_int_equal(metrics_register(&m, first, ARRAY_LEN(first)), 0);
    metrics_add(&m, 0, 3);
    alloc_fault_at(1);
    assert_int_equal(metrics_register(&m, second, ARRAY_LEN(second)), E_NOMEM);
    alloc_fault_at(0);
    assert_int_equal(m.tables_n, 1);
    assert_int_equal(m.values[0], 3);
    assert_int_equal(metrics_register(&m, second, ARRAY_LEN(second)), 3);
    assert_int_equal(m.values[0], 3);
    metrics_fini(&m);
    assert_int_equal(alloc_live_blocks(), 0);
}

static void a_full_buffer_says_so(void **state)
{
    (void)state;
    struct metrics m;
    struct buf b;
    metrics_init(&m);
    buf_init(&b, 10);
    assert_int_equal(metrics_register(&m, first, ARRAY_LEN(first)), 0);
    metrics_write(&m, &b);
    assert_true(b.failed);
    buf_fini(&b);
    metrics_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_text),
        cmocka_unit_test(extremes),
        cmocka_unit_test(the_number_of_tables_is_limited),
        cmocka_unit_test(short_memory_changes_nothing),
        cmocka_unit_test(a_full_buffer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
