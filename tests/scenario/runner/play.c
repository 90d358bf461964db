#include "play.h"

#include "runner.h"

#include "base/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- messages ---- */

PRINTF_LIKE(3, 0)
static void tell(struct play *p, const struct client *c, const char *format, va_list ap)
{
    char text[4000];
    (void)vsnprintf(text, sizeof text, format, ap);
    (void)buf_printf(p->why, "%s:%u: %s\n", p->script->path, p->at ? p->at->line : 0, text);
    if (!c || c->said_n == 0)
        return;
    (void)buf_printf(p->why, "    the latest of %s:\n", c->name);
    unsigned long from = c->said_n > PLAY_TRANSCRIPT ? c->said_n - PLAY_TRANSCRIPT : 0;
    for (unsigned long i = from; i < c->said_n; i++)
        (void)buf_printf(p->why, "      %s\n", c->said[i % PLAY_TRANSCRIPT]);
}

bool play_miss(struct play *p, const struct client *c, const char *format, ...)
{
    va_list ap;
    p->misses++;
    if (p->soft)
        return true;
    va_start(ap, format);
    tell(p, c, format, ap);
    va_end(ap);
    return false;
}

bool play_wrong(struct play *p, const struct client *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    tell(p, c, format, ap);
    va_end(ap);
    return false;
}

bool play_fill(struct play *p, const char *text, struct buf *to)
{
    struct buf why;
    buf_init(&why, 400);
    bool ok = tmpl_fill(&p->vars, text, to, &why);
    if (!ok)
        (void)play_miss(p, NULL, "%.*s", (int)why.n, (const char *)why.p);
    buf_fini(&why);
    return ok;
}

/* ---- order and time ---- */

nsec play_patience(const struct play *p)
{
    return p->soft ? NSEC_PER_S : PLAY_PATIENCE;
}

void play_settle(struct play *p)
{
    if (p->started)
        p->back->ops->settle(p->back);
    p->sender = NULL;
}

void play_order(struct play *p, const void *channel)
{
    if (p->sender && p->sender != channel)
        play_settle(p);
    p->sender = channel;
}

/* ---- settings and the start ---- */

static void set(struct setup *s, const char *key, const char *value)
{
    size_t i = 0;
    while (i < s->settings_n && strcmp(s->settings[i].key, key) != 0)
        i++;
    if (i == s->settings_n) {
        s->settings = realloc(s->settings, ++s->settings_n * sizeof *s->settings);
        CHECK(s->settings);
    }
    s->settings[i] = (struct setting){key, value};
}

static void add_account(struct setup *s, const struct step *x)
{
    s->accounts = realloc(s->accounts, (s->accounts_n + 1) * sizeof *s->accounts);
    CHECK(s->accounts);
    s->accounts[s->accounts_n++] = (struct account_spec){x->who, x->text, x->n != 0};
}

static void look_ahead(struct play *p)
{
    for (size_t i = 0; i < p->script->steps_n; i++)
        if (p->script->steps[i].kind == STEP_DRAIN)
            p->setup.drain_s = (p->script->steps[i].n + NSEC_PER_S - 1) / NSEC_PER_S;
}

static bool start(struct play *p)
{
    struct buf why;
    if (p->started)
        return true;
    buf_init(&why, 1u << 16);
    look_ahead(p);
    p->started = p->back->ops->start(p->back, &p->setup, &why);
    if (!p->started)
        (void)play_wrong(p, NULL, "the server does not start: %.*s", (int)why.n,
                         (const char *)why.p);
    buf_fini(&why);
    return p->started;
}

/* config without settings takes all back; each step holds one setting, n says that more follow. */
static bool configure(struct play *p, const struct step *x)
{
    struct buf why;
    if (*x->who)
        set(&p->setup, x->who, x->text);
    if (x->n)
        return true;
    play_settle(p);
    buf_init(&why, 1u << 16);
    bool ok = p->back->ops->configure(p->back, &p->setup, &why);
    if (!ok)
        ok = play_miss(p, NULL, "the configuration is refused: %.*s", (int)why.n,
                       (const char *)why.p);
    buf_fini(&why);
    return ok;
}

/* ---- metrics and log ---- */

static double *last_value(struct play *p, const char *name)
{
    for (size_t i = 0; i < p->metrics_n; i++)
        if (strcmp(p->metrics[i].name, name) == 0)
            return &p->metrics[i].last;
    p->metrics = realloc(p->metrics, (p->metrics_n + 1) * sizeof *p->metrics);
    CHECK(p->metrics);
    struct counted_metric *m = &p->metrics[p->metrics_n++];
    *m = (struct counted_metric){strdup(name), 0};
    CHECK(m->name);
    return &m->last;
}

static bool relates(double value, double last, enum relation r, double want)
{
    switch (r) {
    case REL_EQ: return fabs(value - want) < 0.5;
    case REL_GE: return value >= want;
    case REL_LE: return value <= want;
    case REL_MORE: return fabs(value - last - want) < 0.5;
    default: UNREACHABLE();
    }
}

static bool expect_metric(struct play *p, const struct step *x)
{
    char name[200], labels[200] = "";
    size_t n = strcspn(x->who, "{");
    (void)snprintf(name, sizeof name, "%.*s", (int)n, x->who);
    if (x->who[n])
        (void)snprintf(labels, sizeof labels, "%.*s", (int)strlen(x->who + n) - 2, x->who + n + 1);
    double value = 0, *last = last_value(p, x->who), want = strtod(x->text, NULL);
    nsec left = play_patience(p);
    play_settle(p);
    for (;;) {
        if (!p->back->ops->metric(p->back, name, labels, &value))
            return play_miss(p, NULL, "there is no metric %s", x->who);
        if (relates(value, *last, (enum relation)x->n, want))
            break;
        if (!p->back->ops->wait(p->back, &left))
            return play_miss(p, NULL,
                             "%s is %.0f (%.0f when it was looked at last); expected %s %s", x->who,
                             value, *last, relation_word((enum relation)x->n), x->text);
    }
    *last = value;
    return true;
}

/* Whether a record has the id as a word and every key=value as one. */
static bool record_fits(struct span line, const char *words)
{
    for (const char *w = words; *w;) {
        w += strspn(w, " ");
        size_t n = strcspn(w, " ");
        bool found = n == 0;
        for (size_t i = 0; !found && i + n <= line.n; i++)
            found = memcmp(line.p + i, w, n) == 0 && (i == 0 || line.p[i - 1] == ' ') &&
                    (i + n == line.n || line.p[i + n] == ' ');
        if (!found)
            return false;
        w += n;
    }
    return true;
}

static bool is_logged(struct play *p, const char *words)
{
    struct span rest = p->back->ops->log(p->back);
    while (rest.n) {
        const uint8_t *lf = memchr(rest.p, '\n', rest.n);
        size_t n = lf ? (size_t)(lf - rest.p) : rest.n;
        if (record_fits(span_of(rest.p, n), words))
            return true;
        rest = span_skip(rest, n + 1);
    }
    return false;
}

static bool expect_log(struct play *p, const struct step *x)
{
    struct buf words;
    nsec left = play_patience(p);
    bool ok = true;
    buf_init(&words, TMPL_MAX);
    (void)buf_printf(&words, "%s ", x->who);
    if (!play_fill(p, x->text, &words) || buf_append_byte(&words, 0)) {
        buf_fini(&words);
        return p->soft;
    }
    play_settle(p);
    const char *text = (const char *)words.p;
    bool found = is_logged(p, text);
    while (!found && !x->n && p->back->ops->wait(p->back, &left))
        found = is_logged(p, text);
    if (found && x->n)
        ok = play_miss(p, NULL, "the log has: %s", text);
    if (!found && !x->n)
        ok = play_miss(p, NULL, "the log has no record: %s", text);
    buf_fini(&words);
    return ok;
}

/* ---- the world ---- */

static bool restart(struct play *p, bool crash)
{
    struct buf why;
    play_settle(p);
    buf_init(&why, 1u << 16);
    bool ok = p->back->ops->restart(p->back, crash, &p->setup, &why);
    if (!ok)
        (void)play_wrong(p, NULL, "the server does not come back: %.*s", (int)why.n,
                         (const char *)why.p);
    for (size_t i = 0; i < p->metrics_n; i++)
        p->metrics[i].last = 0;
    buf_fini(&why);
    return ok;
}

static bool drain(struct play *p, const struct step *x)
{
    struct buf why;
    play_settle(p);
    buf_init(&why, 1u << 16);
    bool ok = p->back->ops->drain(p->back, x->n, &why);
    if (!ok)
        (void)play_wrong(p, NULL, "the server does not drain: %.*s", (int)why.n,
                         (const char *)why.p);
    buf_fini(&why);
    return ok;
}

static bool kick(struct play *p, const struct step *x)
{
    char variable[VAR_NAME_MAX + 4];
    const struct client *c = x->who ? play_client(p, x->who) : NULL;
    if (x->who && !c)
        return p->soft;
    (void)snprintf(variable, sizeof variable, "%s.id", c ? c->name : "");
    const char *id = c ? vars_get(&p->vars, variable) : "";
    p->back->ops->kick(p->back, id ? id : "");
    return true;
}

static bool close_room(struct play *p, const struct step *x)
{
    struct buf id;
    buf_init(&id, 4096);
    bool ok = (!x->text || play_fill(p, x->text, &id)) && buf_append_byte(&id, 0) == 0;
    if (ok)
        p->back->ops->close_room(p->back, (const char *)id.p);
    buf_fini(&id);
    return ok || p->soft;
}

static bool play_steps(struct play *p, size_t from, size_t n);

static bool repeat(struct play *p, const struct step *x, size_t body)
{
    char number[24];
    for (uint64_t i = 1; i <= x->n; i++) {
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)i);
        if (x->who)
            vars_set(&p->vars, x->who, span_str(number), false);
        if (!play_steps(p, body, x->body_n))
            return false;
    }
    return true;
}

static bool only(struct play *p, const struct step *x, size_t body)
{
    if ((int)x->n == p->back->ops->only)
        return play_steps(p, body, x->body_n);
    p->skipped += x->body_n;
    return true;
}

static bool world_step(struct play *p, const struct step *x)
{
    size_t body = (size_t)(x - p->script->steps) + 1;
    switch ((int)x->kind) {
    case STEP_SERVER: set(&p->setup, x->who, x->text); return true;
    case STEP_ACCOUNT: add_account(&p->setup, x); return true;
    case STEP_LET: vars_set(&p->vars, x->who, span_str(x->text), true); return true;
    case STEP_REPEAT: return repeat(p, x, body);
    case STEP_ONLY: return only(p, x, body);
    default: break;
    }
    if (!start(p))
        return false;
    switch ((int)x->kind) {
    case STEP_CONFIG: return configure(p, x);
    case STEP_ADVANCE:
        play_settle(p);
        p->back->ops->advance(p->back, x->n);
        return true;
    case STEP_DRAIN: return drain(p, x);
    case STEP_KICK: return kick(p, x);
    case STEP_CLOSE_ROOM: return close_room(p, x);
    case STEP_RESTART: return restart(p, false);
    case STEP_CRASH: return restart(p, true);
    case STEP_METRIC: return expect_metric(p, x);
    case STEP_LOG: return expect_log(p, x);
    case STEP_FAIL:
    case STEP_FAIL_MEMORY:
    case STEP_SLOW:
    case STEP_ANSWER: p->back->ops->fault(p->back, x); return true;
    default: return play_client_step(p, x);
    }
}

static bool play_steps(struct play *p, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        const struct step *x = &p->script->steps[i];
        p->at = x;
        crash_line(x->line);
        if (++p->steps > PLAY_STEPS_MAX)
            return play_wrong(p, NULL, "a script plays at most %u steps", PLAY_STEPS_MAX);
        if (!world_step(p, x))
            return false;
        i += x->body_n;
    }
    return true;
}

static void log_tail(struct play *p)
{
    struct span all = p->back->ops->log(p->back);
    size_t from = all.n;
    for (unsigned lines = 0; from > 0 && lines < 13; from--)
        lines += all.p[from - 1] == '\n';
    from += from != 0;
    (void)buf_append_str(p->why, "    the latest of the server's log:\n");
    while (from < all.n) {
        const uint8_t *lf = memchr(all.p + from, '\n', all.n - from);
        size_t n = lf ? (size_t)(lf - all.p) - from : all.n - from;
        (void)buf_printf(p->why, "      %.*s\n", (int)(n > 300 ? 300 : n),
                         (const char *)all.p + from);
        from += n + 1;
    }
}

static void play_fini(struct play *p)
{
    for (unsigned i = 0; i < p->clients_n; i++)
        play_client_fini(&p->clients[i]);
    for (size_t i = 0; i < p->metrics_n; i++)
        free(p->metrics[i].name);
    free(p->metrics);
    free(p->clients);
    free(p->setup.settings);
    free(p->setup.accounts);
    vars_fini(&p->vars);
}

struct result play(const struct script *s, struct back *b, bool soft, struct buf *why)
{
    struct play p = {.script = s, .back = b, .soft = soft, .why = why};
    struct buf end;
    p.clients = calloc(BACK_CLIENTS_MAX, sizeof *p.clients);
    CHECK(p.clients);
    buf_init(&end, 1u << 18);
    bool ok = play_steps(&p, 0, s->steps_n) && start(&p) && (soft || play_nothing_left(&p));
    if (!ok && p.started)
        log_tail(&p);
    if (!b->ops->finish(b, &end)) {
        (void)buf_printf(why, "%s: at the end: %.*s\n", s->path, (int)end.n, (const char *)end.p);
        ok = false;
    }
    struct result r = {ok, p.steps, p.skipped, p.misses};
    buf_fini(&end);
    play_fini(&p);
    crash_line(0);
    return r;
}
