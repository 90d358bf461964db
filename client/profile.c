#include "client/profile.h"

#include <stdio.h>

/* Sources of the figures: docs/client-library.md, "Bad links". */
static const struct {
    const char *name, *text;
} links[] = {
    {"wifi", "delay_ms = 14\n"
             "jitter_ms = 8\n"
             "loss_percent = 0.2\n"
             "burst_every = 2000\n"
             "burst_length = 5\n"
             "burst_loss_percent = 60\n"
             "duplicate_percent = 0.05\n"
             "reorder_percent = 0.1\n"
             "reorder_ms = 15\n"
             "queue_ms = 200\n"
             "up.rate_kbit = 1000\n"
             "down.rate_kbit = 5000\n"},
    {"4g", "delay_ms = 35\n"
           "jitter_ms = 15\n"
           "loss_percent = 0.2\n"
           "burst_every = 1500\n"
           "burst_length = 8\n"
           "burst_loss_percent = 70\n"
           "duplicate_percent = 0.02\n"
           "reorder_percent = 0.1\n"
           "reorder_ms = 30\n"
           "queue_ms = 500\n"
           "rate_kbit = 12000\n"},
    {"bad-dsl", "delay_ms = 25\n"
                "jitter_ms = 10\n"
                "loss_percent = 1.5\n"
                "burst_every = 400\n"
                "burst_length = 10\n"
                "burst_loss_percent = 60\n"
                "duplicate_percent = 0.02\n"
                "reorder_percent = 0.05\n"
                "reorder_ms = 20\n"
                "queue_ms = 400\n"
                "up.rate_kbit = 384\n"
                "down.rate_kbit = 1500\n"},
    {"satellite", "delay_ms = 300\n"
                  "jitter_ms = 20\n"
                  "loss_percent = 0.5\n"
                  "burst_every = 1000\n"
                  "burst_length = 20\n"
                  "burst_loss_percent = 60\n"
                  "queue_ms = 500\n"
                  "up.rate_kbit = 3000\n"
                  "down.rate_kbit = 25000\n"},
};

enum key {
    DELAY,
    JITTER,
    LOSS,
    BURST_EVERY,
    BURST_LENGTH,
    BURST_LOSS,
    DUPLICATE,
    REORDER,
    REORDER_MS,
    RATE,
    QUEUE,
    KEYS
};

static const struct {
    const char *name;
    double min, max, fallback;
} keys[KEYS] = {
    [DELAY] = {"delay_ms", 0, 10000, 0},
    [JITTER] = {"jitter_ms", 0, 10000, 0},
    [LOSS] = {"loss_percent", 0, 100, 0},
    [BURST_EVERY] = {"burst_every", 0, 1e9, 0},
    [BURST_LENGTH] = {"burst_length", 1, 1e9, 10},
    [BURST_LOSS] = {"burst_loss_percent", 0, 100, 100},
    [DUPLICATE] = {"duplicate_percent", 0, 100, 0},
    [REORDER] = {"reorder_percent", 0, 100, 0},
    [REORDER_MS] = {"reorder_ms", 0, 10000, 0},
    [RATE] = {"rate_kbit", 0, 10000000, 0},
    [QUEUE] = {"queue_ms", 1, 10000, 1000},
};

static const char *const sides[] = {"", "up.", "down."}; /* "": both */
#define SIDES 3u

struct reading {
    double value[SIDES][KEYS];
    bool set[SIDES][KEYS];
    unsigned line;
    char *why;
    size_t cap;
};

const char *slipgate_link_text(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(links); i++)
        if (strcmp(links[i].name, name) == 0)
            return links[i].text;
    return NULL;
}

/* ---- errors ---- */

/* At most 40 bytes of what was given, made printable. */
static const char *shown(struct span s, char to[48])
{
    size_t n = s.n < 40 ? s.n : 40;
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(s.p[i] < ' ' || s.p[i] > '~' ? '?' : s.p[i]);
    (void)snprintf(to + n, 48 - n, "%s", s.n > n ? "..." : "");
    return to;
}

static int wrong_key(struct reading *r, struct span key)
{
    char text[48];
    int n = snprintf(r->why, r->cap, "line %u: no key \"%s\"; give", r->line, shown(key, text));
    for (size_t i = 0; i < KEYS && n >= 0 && (size_t)n < r->cap; i++)
        n += snprintf(r->why + n, r->cap - (size_t)n, "%s %s", i ? "," : "", keys[i].name);
    return SLIPGATE_E_ARGUMENT;
}

static int wrong(struct reading *r, const char *what, struct span given)
{
    char text[48];
    (void)snprintf(r->why, r->cap, "line %u: \"%s\" %s", r->line, shown(given, text), what);
    return SLIPGATE_E_ARGUMENT;
}

/* ---- one line ---- */

static struct span trim(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = span_skip(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* Up to ten digits, and six behind a point: independent of any locale. */
static bool read_number(struct span s, double *ret)
{
    double v = 0, scale = 1;
    size_t whole = 0, part = 0;
    while (whole < s.n && s.p[whole] >= '0' && s.p[whole] <= '9')
        v = v * 10 + (s.p[whole++] - '0');
    size_t at = whole;
    if (at < s.n && s.p[at] == '.')
        for (at++; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, part++) {
            v = v * 10 + (s.p[at] - '0');
            scale *= 10;
        }
    *ret = v / scale;
    return at == s.n && whole >= 1 && whole <= 10 && part <= 6 && (part > 0 || at == whole);
}

static bool starts_with(struct span s, const char *word)
{
    size_t n = strlen(word);
    return s.n >= n && memcmp(s.p, word, n) == 0;
}

static int read_line(struct reading *r, struct span line)
{
    const uint8_t *eq = memchr(line.p, '=', line.n);
    if (!eq)
        return wrong(r, "is no setting; write key = value", line);
    struct span full = trim(span_of(line.p, (size_t)(eq - line.p))), name = full;
    struct span text = trim(span_skip(line, (size_t)(eq - line.p) + 1));
    size_t side = starts_with(name, sides[1]) ? 1 : starts_with(name, sides[2]) ? 2 : 0, k = 0;
    name = span_skip(name, strlen(sides[side]));
    while (k < KEYS && !span_eq(name, span_str(keys[k].name)))
        k++;
    if (k == KEYS)
        return wrong_key(r, full);
    if (r->set[side][k])
        return wrong(r, "is given twice; keep one of them", full);
    double v;
    if (!read_number(text, &v) || v < keys[k].min || v > keys[k].max) {
        char range[96];
        (void)snprintf(range, sizeof range, "is no value for %s%s; give %.0f to %.0f", sides[side],
                       keys[k].name, keys[k].min, keys[k].max);
        return wrong(r, range, text);
    }
    r->value[side][k] = v;
    r->set[side][k] = true;
    return 0;
}

/* ---- the whole ---- */

static double value_of(const struct reading *r, size_t side, enum key k)
{
    return r->set[side][k] ? r->value[side][k] : r->set[0][k] ? r->value[0][k] : keys[k].fallback;
}

/* Rounded up: what is not 0 must not become 0, which means something else. */
static uint32_t whole(double v)
{
    uint32_t n = v < (double)UINT32_MAX ? (uint32_t)v : UINT32_MAX;
    return (double)n < v && n < UINT32_MAX ? n + 1 : n;
}

static struct impair_profile one_side(const struct reading *r, size_t side)
{
    double every = value_of(r, side, BURST_EVERY);
    double bytes_per_s = value_of(r, side, RATE) * 1000 / 8;
    return (struct impair_profile){
        .delay_us = whole(value_of(r, side, DELAY) * 1000),
        .jitter_us = whole(value_of(r, side, JITTER) * 1000),
        .loss = value_of(r, side, LOSS) / 100,
        .burst_enter = every > 0 ? 1 / every : 0,
        .burst_leave = 1 / value_of(r, side, BURST_LENGTH),
        .burst_loss = value_of(r, side, BURST_LOSS) / 100,
        .duplicate = value_of(r, side, DUPLICATE) / 100,
        .reorder = value_of(r, side, REORDER) / 100,
        .reorder_us = whole(value_of(r, side, REORDER_MS) * 1000),
        .rate_bytes_per_s = whole(bytes_per_s),
        .queue_bytes = whole(bytes_per_s * value_of(r, side, QUEUE) / 1000),
    };
}

int sgc_profile_read(struct sgc_profile *ret, const char *link, char *why, size_t cap)
{
    struct reading r = {.why = why, .cap = cap};
    const char *text = slipgate_link_text(link);
    struct span rest =
        span_of(text ? text : link, strnlen(text ? text : link, SLIPGATE_LINK_TEXT_MAX + 1u));
    if (cap)
        why[0] = '\0';
    if (!text && !memchr(rest.p, '=', rest.n) && !memchr(rest.p, '\n', rest.n)) {
        char given[48];
        (void)snprintf(why, cap,
                       "no link is called \"%s\"; give wifi, 4g, bad-dsl, satellite "
                       "or lines of key = value",
                       shown(rest, given));
        return SLIPGATE_E_ARGUMENT;
    }
    if (rest.n > SLIPGATE_LINK_TEXT_MAX) {
        (void)snprintf(why, cap, "longer than %u bytes; leave comments out",
                       SLIPGATE_LINK_TEXT_MAX);
        return SLIPGATE_E_ARGUMENT;
    }
    while (rest.n) {
        const uint8_t *lf = memchr(rest.p, '\n', rest.n);
        struct span line = span_of(rest.p, lf ? (size_t)(lf - rest.p) : rest.n);
        rest = span_skip(rest, line.n + 1);
        line = trim(line);
        r.line++;
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        int rc = read_line(&r, line);
        if (rc != 0)
            return rc;
    }
    *ret = (struct sgc_profile){.up = one_side(&r, 1), .down = one_side(&r, 2)};
    return 0;
}

static uint64_t longest_us(const struct impair_profile *p)
{
    uint64_t travel = (uint64_t)p->delay_us + p->jitter_us;
    uint64_t detour = p->reorder > 0 ? (p->reorder_us ? p->reorder_us : travel + 1000) : 0;
    uint64_t wait =
        p->rate_bytes_per_s ? (uint64_t)p->queue_bytes * 1000000 / p->rate_bytes_per_s : 0;
    return travel + detour + wait;
}

int slipgate_link_check(const char *link, char *why, size_t cap)
{
    struct sgc_profile p;
    char unwanted[1];
    if (!link)
        return SLIPGATE_E_ARGUMENT;
    int rc = sgc_profile_read(&p, link, why ? why : unwanted, why ? cap : sizeof unwanted);
    if (rc != 0)
        return rc;
    uint64_t up = longest_us(&p.up), down = longest_us(&p.down);
    return (int)((up > down ? up : down) / 1000 + 1);
}
