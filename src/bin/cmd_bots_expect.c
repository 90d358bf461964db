#include "bin/cmd_bots_expect.h"

#include "core/config_near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[BOTS_FIGURES_N] = {
#define X(name, meaning) #name,
    BOTS_FIGURES(X)
#undef X
};

const char *bots_figure_name(enum bots_figure f)
{
    return names[f];
}

static bool read_name(struct bots_gate *g, struct span name, char *why, size_t cap)
{
    struct near near;
    const char *begun = NULL; /* a longer name that begins so */
    near_init(&near, name);
    for (size_t i = 0; i < BOTS_FIGURES_N; i++) {
        if (span_eq(name, span_str(names[i]))) {
            g->figure = (enum bots_figure)i;
            return true;
        }
        near_offer(&near, names[i]);
        if (!begun && name.n >= 3 && strncmp(names[i], (const char *)name.p, name.n) == 0)
            begun = names[i];
    }
    const char *best = near.best ? near.best : begun;
    int n = name.n < 64 ? (int)name.n : 64;
    if (best)
        (void)snprintf(why, cap, "\"%.*s\" is no figure; did you mean %s?", n, (const char *)name.p,
                       best);
    else
        (void)snprintf(why, cap, "\"%.*s\" is no figure; `slipgate bots --help` lists them", n,
                       (const char *)name.p);
    return false;
}

/* Takes the operator off *at. */
static bool read_operator(struct bots_gate *g, const char **at)
{
    const char *p = *at;
    bool equal = p[0] && p[1] == '=';
    if (*p == '<')
        g->op = equal ? GATE_LE : GATE_LT;
    else if (*p == '>')
        g->op = equal ? GATE_GE : GATE_GT;
    else if (*p == '=' && equal)
        g->op = GATE_EQ;
    else
        return false;
    *at = p + 1 + equal;
    return true;
}

static bool read_bound(struct bots_gate *g, const char *text)
{
    char *end;
    text += strspn(text, " ");
    g->bound = strtod(text, &end);
    bool number = end != text && isfinite(g->bound);
    return number && end[strspn(end, " ")] == '\0' &&
           (*text == '-' || *text == '.' || (*text >= '0' && *text <= '9'));
}

bool bots_gate_read(struct bots_gate *g, const char *text, char *why, size_t cap)
{
    const char *start = text + strspn(text, " ");
    size_t n = strcspn(start, " <>=!");
    const char *at = start + n + strspn(start + n, " ");
    *g = (struct bots_gate){.text = text};
    if (n == 0 || !read_operator(g, &at) || !read_bound(g, at)) {
        (void)snprintf(why, cap,
                       "\"%.80s\" is not accepted; give a figure, one of < <= > >= ==, and a "
                       "number, such as 'p99_age_ms<150'",
                       text);
        return false;
    }
    return read_name(g, span_of(start, n), why, cap);
}

bool bots_gate_holds(const struct bots_gate *g, const struct bots_figures *figures)
{
    double v = figures->v[g->figure];
    if (isnan(v))
        return false;
    switch (g->op) {
    case GATE_LT: return v < g->bound;
    case GATE_LE: return v <= g->bound;
    case GATE_GT: return v > g->bound;
    case GATE_GE: return v >= g->bound;
    case GATE_EQ: return !(v < g->bound) && !(v > g->bound);
    }
    return false;
}
