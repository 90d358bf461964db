/* Scripts played in a world that lets one thing go wrong, each time another one: the Nth request
 * for memory, the Nth ask in each of its ways. What a script expects may fail to come then. What
 * must hold: no crash and no sanitizer's report, the service's own check after each call
 * (host_fake.h looks), nobody answered twice, nothing left when everybody has gone. */
#include "runner.h"

#include "sim/alloc_fault.h"
#include "sim/ask_fake.h"

#include <stdio.h>

static const char *const ways[] = {"", "refused", "failed", "busy", "lost"}; /* enum ask_fault */

struct tally {
    unsigned long runs, misses;
    unsigned long requests, asks; /* of a run in which nothing fails */
};

/* Each of n is tried; where that is more than the runs allowed, one in so many, evenly spread. */
static unsigned long stride(unsigned long n, const struct options *o)
{
    return o->runs && n > o->runs ? (n + o->runs - 1) / o->runs : 1;
}

/* false: what must hold did not. */
static bool once(const struct script *s, struct torment *t, const char *what, struct tally *n,
                 struct buf *why)
{
    char context[120];
    (void)snprintf(context, sizeof context, "%s", what);
    crash_context(s->path, context);
    buf_clear(why);
    struct result x = play(s, back_sim(t), true, why);
    n->runs++;
    n->misses += x.misses;
    if (x.ok || t->no_service) {
        bool clean = !memmem(why->p ? why->p : (const uint8_t *)"", why->n, "at the end", 10);
        if (clean)
            return true;
    }
    struct buf text;
    buf_init(&text, 1u << 20);
    (void)buf_printf(&text, "%s: %s:\n%.*s", s->path, what, (int)why->n, (const char *)why->p);
    buf_clear(why);
    (void)buf_append_span(why, buf_span(&text));
    buf_fini(&text);
    return false;
}

static bool memory(const struct script *s, const struct options *o, bool from, struct tally *n,
                   struct buf *why)
{
    for (unsigned long nth = 1;; nth += stride(n->requests * (from ? 3 : 1), o)) {
        char what[80];
        struct torment t = {.memory_nth = nth, .memory_from = from};
        (void)snprintf(what, sizeof what, "memory request %lu %s", nth,
                       from ? "and all after it fail" : "fails");
        if (!once(s, &t, what, n, why))
            return false;
        if (!t.fired)
            return true;
    }
}

static bool asks(const struct script *s, const struct options *o, struct tally *n, struct buf *why)
{
    for (int how = ASK_REFUSED; how <= ASK_LOST; how++)
        for (unsigned long nth = 1;; nth += stride(4 * n->asks, o)) {
            char what[80];
            struct torment t = {.ask_nth = nth, .ask_how = how};
            (void)snprintf(what, sizeof what, "ask %lu is %s", nth, ways[how]);
            if (!once(s, &t, what, n, why))
                return false;
            if (!t.fired)
                break;
        }
    return true;
}

/* The first run takes what libraries take once and for all. */
static bool torture(const struct script *s, const struct options *o, struct tally *n,
                    struct buf *why)
{
    struct torment none = {0};
    bool alloc = strcmp(o->torture, "ask") != 0, ask = strcmp(o->torture, "alloc") != 0;
    bool ok = once(s, &none, "nothing fails", n, why);
    unsigned long before = alloc_requests();
    none = (struct torment){0};
    ok = ok && once(s, &none, "nothing fails", n, why);
    n->requests = alloc_requests() - before;
    n->asks = none.asks;
    return ok &&
           (!alloc || (memory(s, o, false, n, why) && (!o->from || memory(s, o, true, n, why)))) &&
           (!ask || asks(s, o, n, why));
}

int run_torture(struct script *const *scripts, size_t n, const struct options *o)
{
    struct report *r = report_open(o->junit, "torture", "runs");
    struct buf why;
    double start = clock_s();
    buf_init(&why, 1u << 20);
    for (size_t i = 0; i < n; i++) {
        if (scripts[i]->live_only) {
            report_skip(r, scripts[i]->name, "only for the real server");
            continue;
        }
        struct tally t = {0};
        double from = clock_s();
        struct result x = {.ok = torture(scripts[i], o, &t, &why)};
        x.steps = t.runs;
        report_add(r, scripts[i]->name, &x, clock_s() - from, buf_span(&why));
    }
    buf_fini(&why);
    return report_close(r, clock_s() - start);
}
