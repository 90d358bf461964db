#include "runner.h"

#include "base/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct report {
    struct counts counts;
    const char *junit, *suite, *unit;
    struct buf xml;
};

double clock_s(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- crashes ---- */

static char context[400];
static size_t context_n;
static volatile sig_atomic_t line;

void crash_context(const char *script, const char *more)
{
    int n = snprintf(context, sizeof context, "converse: it was playing %s%s%s, line ", script,
                     *more ? ", " : "", more);
    context_n = n < 0 ? 0 : (size_t)n < sizeof context ? (size_t)n : sizeof context - 1;
}

void crash_line(unsigned at)
{
    line = (sig_atomic_t)at;
}

static void say_context(void)
{
    char number[12];
    size_t n = sizeof number;
    number[--n] = '\n';
    for (int left = line; n > 0 && (left > 0 || n == sizeof number - 1); left /= 10)
        number[--n] = (char)('0' + left % 10);
    if (context_n && write(STDERR_FILENO, context, context_n) > 0 &&
        write(STDERR_FILENO, number + n, sizeof number - n) < 0)
        return;
}

static void on_abort(int number)
{
    say_context();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* Present only under a sanitizer. */
extern void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

void crash_watch(void)
{
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_context);
    (void)signal(SIGABRT, on_abort);
}

/* ---- results ---- */

struct report *report_open(const char *junit, const char *suite, const char *unit)
{
    struct report *r = calloc(1, sizeof *r);
    CHECK(r);
    r->junit = junit;
    r->suite = suite;
    r->unit = unit;
    buf_init(&r->xml, 64u << 20);
    return r;
}

static void escape(struct buf *to, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '<' || c == '>' || c == '&' || c == '"')
            (void)buf_printf(to, "&#%u;", c);
        else if (c == '\n' || (c >= ' ' && c < 127))
            (void)buf_append_byte(to, c);
        else
            (void)buf_append_byte(to, '?');
    }
}

void report_add(struct report *r, const char *name, const struct result *x, double seconds,
                struct span why)
{
    r->counts.scripts++;
    r->counts.steps += x->steps;
    r->counts.skipped += x->skipped;
    r->counts.failed += !x->ok;
    printf("%-6s %s (%.0f ms, %lu %s%s", x->ok ? "ok" : "FAILED", name, seconds * 1000, x->steps,
           r->unit, x->skipped ? "" : ")\n");
    if (x->skipped)
        printf(", %lu skipped)\n", x->skipped);
    if (!x->ok)
        printf("%.*s", (int)why.n, (const char *)why.p);
    (void)fflush(stdout);
    (void)buf_printf(&r->xml, "<testcase classname=\"%s\" name=\"%s\" time=\"%.3f\">", r->suite,
                     name, seconds);
    if (!x->ok) {
        (void)buf_append_str(&r->xml, "<failure message=\"failed\">");
        escape(&r->xml, why);
        (void)buf_append_str(&r->xml, "</failure>");
    }
    (void)buf_append_str(&r->xml, "</testcase>\n");
}

void report_skip(struct report *r, const char *name, const char *why)
{
    r->counts.skipped_scripts++;
    printf("skipped %s (%s)\n", name, why);
    (void)buf_printf(&r->xml, "<testcase classname=\"%s\" name=\"%s\"><skipped/></testcase>\n",
                     r->suite, name);
}

static bool write_junit(const struct report *r)
{
    FILE *f = fopen(r->junit, "wb");
    if (!f)
        return false;
    fprintf(f, "<testsuite name=\"%s\" tests=\"%lu\" failures=\"%lu\" skipped=\"%u\">\n", r->suite,
            r->counts.scripts + r->counts.skipped_scripts, r->counts.failed,
            r->counts.skipped_scripts);
    bool ok = fwrite(r->xml.p, 1, r->xml.n, f) == r->xml.n && fputs("</testsuite>\n", f) >= 0;
    return fclose(f) == 0 && ok;
}

int report_close(struct report *r, double seconds)
{
    const struct counts *c = &r->counts;
    int rc = c->failed > 0;
    printf("%s: %lu scripts, %lu %s, %lu skipped steps, %u skipped scripts, %lu failed (%.1f s)\n",
           r->suite, c->scripts, c->steps, r->unit, c->skipped, c->skipped_scripts, c->failed,
           seconds);
    if (r->junit && !write_junit(r)) {
        fprintf(stderr, "converse: %s cannot be written\n", r->junit);
        rc = 1;
    }
    buf_fini(&r->xml);
    free(r);
    return rc;
}
