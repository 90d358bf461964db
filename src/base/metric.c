#include "base/metric.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>

void metrics_init(struct metrics *m)
{
    *m = (struct metrics){0};
}

void metrics_fini(struct metrics *m)
{
    mem_free(m->values);
    metrics_init(m);
}

int metrics_register(struct metrics *m, const struct metric_row *rows, size_t n)
{
    if (m->tables_n == METRIC_TABLES_MAX)
        return E_FULL;
    uint64_t *values = mem_resize(m->values, m->n + n, sizeof *values);
    if (!values)
        return E_NOMEM;
    memset(values + m->n, 0, n * sizeof *values);
    m->values = values;
    m->tables[m->tables_n].rows = rows;
    m->tables[m->tables_n++].n = n;
    m->n += n;
    return (int)(m->n - n);
}

static bool is_counter(const struct metric_row *r)
{
    return r->type == METRIC_COUNTER || r->type == METRIC_COUNTER_NS;
}

static bool is_time(const struct metric_row *r)
{
    return r->type == METRIC_COUNTER_NS || r->type == METRIC_GAUGE_NS;
}

static void write_row(const struct metric_row *r, uint64_t value, bool first, struct buf *to)
{
    if (first)
        (void)buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name,
                         is_counter(r) ? "counter" : "gauge");
    (void)buf_printf(to, r->labels[0] ? "%s{%s} " : "%s%s ", r->name, r->labels);
    bool negative = r->type == METRIC_GAUGE_NS && (int64_t)value < 0;
    uint64_t size = negative ? -value : value;
    if (is_time(r))
        (void)buf_printf(to, "%s%" PRIu64 ".%09" PRIu64 "\n", negative ? "-" : "",
                         size / NSEC_PER_S, size % NSEC_PER_S);
    else if (is_counter(r))
        (void)buf_printf(to, "%" PRIu64 "\n", value);
    else
        (void)buf_printf(to, "%" PRId64 "\n", (int64_t)value);
}

void metrics_write(const struct metrics *m, struct buf *to)
{
    size_t at = 0;
    for (size_t t = 0; t < m->tables_n; t++)
        for (size_t i = 0; i < m->tables[t].n; i++, at++) {
            const struct metric_row *r = &m->tables[t].rows[i];
            bool first = i == 0 || strcmp(r[-1].name, r->name) != 0;
            write_row(r, m->values[at], first, to);
        }
}
